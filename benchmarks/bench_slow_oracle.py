"""What the solver adds when the oracle is slow: fit time over oracle time, in CPU seconds.

    STRUCTSVM_DATA=... python benchmarks/bench_slow_oracle.py

The letters of fold 0 through the four Python methods of ChainModel, as a user's own model would be,
with its loss-augmented inference kept busy until a call has taken 0, 1 or 5 ms. Cached passes are
chosen by the solver from the declared work of Python oracles. Target: at most 1.3 from 1 ms on.
"""

import time

from measure import save

from structsvm import ChainModel, StructSVM
from structsvm.base import StructuredModel
from structsvm.datasets import load_letters

TARGET = 1.3


class SlowChain(ChainModel):
    """A chain model that is bound like any Python model and takes its time."""

    milliseconds = 0.0
    spent = 0.0

    prepare_examples = StructuredModel.prepare_examples
    learn_scaling = StructuredModel.learn_scaling
    bind = StructuredModel.bind
    batch_loss_augmented_inference = StructuredModel.batch_loss_augmented_inference

    def loss_augmented_inference(self, x, y, w):
        start = time.process_time()
        y_hat = super().loss_augmented_inference(x, y, w)
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
        svm = StructSVM(SlowChain("normalized_hamming"), C=1.0, tol=1e-2, random_state=0).fit(X, y)
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
