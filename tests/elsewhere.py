"""A model that fails in other processes than its own; workers of a cluster import it from here."""

import os

from python_models import PythonClasses


class FailsElsewhere(PythonClasses):
    """`how`: "reading" raises when the data are bound, "asked" when the oracle is asked about many,
    and "ends" ends the process when it is called; None nothing."""

    def __init__(self, n_classes=3, how=None, home=0):
        super().__init__(n_classes)
        self.how = how
        self.home = home

    def fail(self, how):
        if self.how != how or os.getpid() == self.home:
            return
        if how == "ends":
            os._exit(1)
        raise OSError(f"no disk for {how}")

    def joint_feature(self, x, y):
        self.fail("reading")
        return super().joint_feature(x, y)

    def loss_augmented_inference(self, x, y, w):
        self.fail("ends")
        return super().loss_augmented_inference(x, y, w)

    def batch_loss_augmented_inference(self, X, Y, w):
        self.fail("asked")
        return super().batch_loss_augmented_inference(X, Y, w)
