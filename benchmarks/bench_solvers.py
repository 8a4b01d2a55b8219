"""Certified gap against oracle passes and against CPU seconds, for every solver.

    STRUCTSVM_DATA=... python benchmarks/bench_solvers.py [--seconds 15]

OCR letters (6,251 words, normalised Hamming loss) at three lambdas, and digits as a multiclass
model written in Python. Writes a table, results/solvers.json and results/solvers.png.
"""

import argparse
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from measure import RESULTS, save
from sklearn.datasets import load_digits

from structsvm import ChainModel, StructSVM, StructuredModel
from structsvm.datasets import load_letters
from structsvm.solvers import BCFW, CuttingPlane, NSlack, Subgradient

SOLVERS = {
    "bcfw (default)": BCFW(),
    "bcfw, not accelerated": BCFW(acceleration=0),
    "MP-BCFW": BCFW(step="frank_wolfe", acceleration=0),
    "plain BCFW": BCFW(step="frank_wolfe", acceleration=0, cached_passes=0, max_planes=0),
    "cutting_plane": CuttingPlane(),
    "cutting_plane, no cache": CuttingPlane(max_cached_rounds=0),
    "n_slack": NSlack(),
    "subgradient": Subgradient(),
}
LEVELS = (3e-1, 1e-1, 1e-2, 1e-3)


class Multiclass(StructuredModel):
    def joint_feature(self, x, y):
        psi = np.zeros((10, len(x)))
        psi[y] = x
        return psi.ravel()

    def loss(self, y, y_hat):
        return float(y != y_hat)

    def loss_augmented_inference(self, x, y, w):
        return int(np.argmax(w.reshape(10, -1) @ x + (np.arange(10) != y)))

    def inference(self, x, w):
        return int(np.argmax(w.reshape(10, -1) @ x))


def tasks():
    data = load_letters()
    large = np.flatnonzero(data.folds != 0)
    X, y = [data.X[i] for i in large], [data.y[i] for i in large]
    for name, lam in (("0.01", 0.01), ("0.001", 0.001), ("1/n", 1 / len(X))):
        yield f"letters, lambda = {name}", ChainModel("normalized_hamming"), X, y, lam
    digits = load_digits()
    yield "digits, a Python model", Multiclass(), list(digits.data / 16), list(digits.target), 0.001


def trace(model, solver, X, y, lam, seconds):
    """Records (passes, CPU seconds, certified gap) of a fit stopped after `seconds`."""
    records, start = [], time.process_time()

    def record(progress):
        spent = time.process_time() - start
        records.append((progress.n_oracle_calls / len(X), spent, progress.gap))
        return spent > seconds

    svm = StructSVM(
        *(model,),
        C=1 / (lam * len(X)),
        solver=solver,
        tol=LEVELS[-1],
        max_iter=10**6,
        random_state=0,
        callbacks=[record],
    )
    svm.fit(X, y)
    if records[-1][2] > svm.dual_gap_:
        records[-1] = (svm.n_oracle_calls_ / len(X), time.process_time() - start, svm.dual_gap_)
    return records


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15.0, help="limit of one fit")
    seconds = parser.parse_args().seconds
    rows = []
    figure, axes = plt.subplots(2, 4, figsize=(15, 7), sharey=True, layout="constrained")
    for column, (title, model, X, y, lam) in enumerate(tasks()):
        print(title)
        for name, solver in SOLVERS.items():
            records = trace(model, solver, X, y, lam, seconds)
            levels = {}
            for level in LEVELS:
                reached = [record for record in records if record[2] <= level]
                levels[str(level)] = reached[0][:2] if reached else None
            rows.append({"task": title, "solver": name, "levels": levels, "end": records[-1]})
            cells = [
                f"{s[1]:6.2f}/{s[0]:<5.0f}" if s else f"{'-':>6}      " for s in levels.values()
            ]
            print(f"  {name:24}", *cells, f" end {records[-1][2]:.1e}", flush=True)
            passes, spent, gaps = np.array(records).T
            for row, x in enumerate((passes, spent)):
                axes[row, column].step(x, gaps, where="post", label=name)
        axes[0, column].set(title=title, xscale="log", yscale="log", xlabel="oracle passes")
        axes[1, column].set(xscale="log", yscale="log", xlabel="CPU seconds")
    for axis in axes[:, 0]:
        axis.set_ylabel("certified relative gap")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.savefig(RESULTS / "solvers.png", dpi=80)
    save("solvers", rows)


if __name__ == "__main__":
    main()
