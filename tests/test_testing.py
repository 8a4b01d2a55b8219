"""check_model finds every planted fault and passes sound models."""

import numpy as np
import pytest

from structsvm import ChainModel, GridModel
from structsvm.base import StructuredModel
from structsvm.testing import ModelCheckError, check_model, exhaustive_max

RNG = np.random.default_rng(0)
X = list(RNG.normal(size=(6, 4)))
Y = [0, 1, 2, 0, 1, 2]


class Sound(StructuredModel):
    def __init__(self, n_classes=3):
        self.n_classes = n_classes

    def joint_feature(self, x, y):
        psi = np.zeros((self.n_classes, len(x)))
        psi[y] = x
        return psi.ravel()

    def loss(self, y, y_hat):
        return 2.0 * (y != y_hat)

    def loss_augmented_inference(self, x, y, w):
        scores = w.reshape(self.n_classes, -1) @ x
        return int(np.argmax(scores + 2.0 * (np.arange(self.n_classes) != y)))

    def inference(self, x, w):
        return int(np.argmax(w.reshape(self.n_classes, -1) @ x))


def test_sound_models_pass_and_are_left_alone(words):
    model = Sound()
    check_model(model, X, Y)
    assert vars(model) == {"n_classes": 3}
    X_words, y_words = words
    for loss in ("hamming", "normalized_hamming"):
        check_model(ChainModel(loss), X_words[:8], y_words[:8])


# At module level, so that they can be pickled.
class NegativeLoss(Sound):
    def loss(self, y, y_hat):
        return -1.0 if y != y_hat else 0.0


class LossAtTruth(Sound):
    def loss(self, y, y_hat):
        return 1.0


class ForgetsLoss(Sound):
    def loss_augmented_inference(self, x, y, w):
        return self.inference(x, w)


class WrongSign(Sound):
    def inference(self, x, w):
        return super().inference(x, -w)


class ChangesInput(Sound):
    def inference(self, x, w):
        x *= 1.0 + 1e-9
        return super().inference(x, w)


class ShortBatch(Sound):
    def batch_inference(self, X, w, *, n_jobs=1):
        return super().batch_inference(X[1:], w)


class OtherBatch(Sound):
    def batch_loss_augmented_inference(self, X, Y, w, *, n_jobs=1):
        return [0] * len(X)


class RenamedParameter(Sound):
    def __init__(self, n_classes=3):
        self.classes = self.n_classes = n_classes + 1


class Unpicklable(Sound):
    def __init__(self, n_classes=3, scale=1.0):
        self.n_classes = n_classes
        self.scale = scale

    def __getstate__(self):
        raise TypeError("a lock")


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (NegativeLoss(), r"loss\(y\[\d\], y_hat\) is -1.0 for y_hat = \d, expected >= 0"),
        (LossAtTruth(), r"loss\(y\[0\], y\[0\]\) is 1.0, expected 0 for the truth"),
        (ForgetsLoss(), r"loss_augmented_inference of ForgetsLoss misses the maximum on X\[\d\]: "),
        (WrongSign(), r"inference of WrongSign misses the maximum on X\[\d\]: it returns \d with"),
        (ChangesInput(), "a method of ChangesInput changed X or y in place: work on a copy"),
        (ShortBatch(), "batch_inference returned 5 outputs for 6 inputs"),
        (OtherBatch(), r"batch_loss_augmented_inference and its single version disagree on X\[\d"),
        (RenamedParameter(), r"sklearn.base.clone fails on RenamedParameter: __init__ must store"),
        (Unpicklable(), "Unpicklable cannot be pickled, so it cannot be kept or sent to workers"),
    ],
)
def test_planted_faults_are_found(model, message):
    data = [x.copy() for x in X]
    with pytest.raises(ModelCheckError, match=message):
        check_model(model, data, Y)


def test_inexact_models_are_not_asked_for_the_maximum():
    model = ForgetsLoss()
    model.exact = False
    with pytest.raises(ModelCheckError):
        check_model(model, X, Y)  # the declaration is lost: clone copies parameters only

    check_model(DeclaredInexact(), X, Y)


class DeclaredInexact(ForgetsLoss):
    exact = False


def test_exhaustive_max_is_what_an_oracle_must_reach():
    model, w = Sound(), np.random.default_rng(1).normal(size=12)
    for x, y in zip(X, Y, strict=True):
        y_hat, value = exhaustive_max(model, x, y, w, range(3))
        assert y_hat == model.loss_augmented_inference(x, y, w)
        assert value == pytest.approx(model.loss(y, y_hat) + w @ model.joint_feature(x, y_hat))


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_models_whose_weights_have_signs_are_met_with_such_weights(pairwise):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(3, 4, 2)), rng.normal(size=(1, 2, 2))]
    y = [rng.integers(2, size=x.shape[:2]) for x in X]
    check_model(GridModel(connectivity=8, directions=True, pairwise=pairwise), X, y)
