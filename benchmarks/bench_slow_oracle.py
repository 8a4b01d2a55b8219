"""What the solver adds when the oracle is slow: fit time over oracle time, in CPU seconds.

    STRUCTSVM_DATA=... python benchmarks/bench_slow_oracle.py

The letters of fold 0 through four Python methods, as a user's own model would be, with the
loss-augmented inference kept busy until a call has taken 0, 1 or 5 ms. Cached passes are
chosen by the solver from the declared work of Python oracles. Target: at most 1.3 from 1 ms on.
"""

import time

import numpy as np
from measure import save

from structsvm import StructSVM, StructuredModel
from structsvm.datasets import load_letters
from structsvm.inference import viterbi

TARGET = 1.3


class SlowChain(StructuredModel):
    """Chains of letters as a user would write them, in four methods, that take their time."""

    milliseconds = 0.0
    spent = 0.0

    def initialize(self, X, y):
        self.n_classes = 1 + max(labels.max() for labels in y)
        self.n_features = X[0].shape[1]
        self.n_weights = self.n_classes * (self.n_features + self.n_classes)

    def joint_feature(self, x, y):
        psi = np.zeros((self.n_classes, self.n_features + self.n_classes))
        np.add.at(psi, y, np.pad(x, [(0, 0), (0, self.n_classes)]))
        np.add.at(psi, (y[:-1], self.n_features + y[1:]), 1.0)
        return psi.ravel()

    def loss(self, y, y_hat):
        return float(np.mean(y != y_hat))

    def best(self, x, w, augmentation=0.0):
        of_features, of_pairs = np.split(w.reshape(self.n_classes, -1), [self.n_features], axis=1)
        return viterbi(x @ of_features.T + augmentation, of_pairs)[0]

    def inference(self, x, w):
        return self.best(x, w)

    def loss_augmented_inference(self, x, y, w):
        start = time.process_time()
        y_hat = self.best(x, w, (np.arange(self.n_classes) != y[:, None]) / len(y))
        while time.process_time() - start < self.milliseconds / 1e3:
            pass
        SlowChain.spent += time.process_time() - start
        return y_hat


def main():
    data = load_letters()
    places = [i for i, fold in enumerate(data.folds) if fold == 0]
    X, y = [data.X[i] for i in places], [data.y[i] for i in places]
    rows = []
    print(f"{'oracle ms':>9} {'passes':>7} {'CPU s':>7} {'in oracle':>10} {'ratio':>6}  target")
    for milliseconds in (0.0, 1.0, 5.0):
        SlowChain.milliseconds, SlowChain.spent = milliseconds, 0.0
        start = time.process_time()
        svm = StructSVM(SlowChain(), C=1.0, tol=1e-2, random_state=0).fit(X, y)
        total = time.process_time() - start
        ratio = total / SlowChain.spent
        rows.append(
            {
                "oracle_ms": milliseconds,
                "passes": svm.n_oracle_calls_ / len(X),
                "seconds": total,
                "oracle_seconds": SlowChain.spent,
                "ratio": ratio,
            }
        )
        print(
            f"{milliseconds or 'as is':>9} {svm.n_oracle_calls_ / len(X):7.1f} {total:7.2f} "
            f"{SlowChain.spent:10.2f} {ratio:6.2f}  {TARGET if milliseconds else ''}"
        )
    save("slow_oracle", rows)


if __name__ == "__main__":
    main()
