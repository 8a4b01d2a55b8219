"""
Killed, and none the worse: checkpoints
=======================================

What you learn: to go on after a crash. A fit is ended in its tenth pass, as a machine that goes
down would end it; a checkpoint is left. Another estimator goes on from the file, to the same
weights, bit by bit, as a fit that was never interrupted. A file for other data or parameters is
refused.
"""

import argparse
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.base import clone

from structsvm import ChainSVM
from structsvm.callbacks import Checkpoint
from structsvm.datasets import make_digit_words
from structsvm.plotting import ConvergenceDisplay


class PowerCut(Exception):
    pass


def power_cut(progress):
    if progress.n_iter == 10:
        raise PowerCut


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Go on with a fit that was killed.")
    parser.add_argument("--output", default="checkpoint.png", help="the picture to write")
    output = parser.parse_args().output
    data = make_digit_words(n_train=200, n_test=200, random_state=0)
    plain = ChainSVM(C=0.1, random_state=0)
    whole = clone(plain).fit(data.X_train, data.y_train)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fit.ckpt"
        killed = clone(plain).set_params(callbacks=[Checkpoint(path, every=1), power_cut])
        try:
            killed.fit(data.X_train, data.y_train)
        except PowerCut:
            left = path.stat().st_size
            print(f"the power went in pass {killed.n_iter_}; {left:,} bytes are left")
        resumed = clone(plain).fit(data.X_train, data.y_train, resume_from=path)
        try:
            clone(plain).fit(data.X_train[1:], data.y_train[1:], resume_from=path)
        except ValueError as error:
            print("with other data:", str(error).partition(": ")[2])
    print("the same bits:", np.array_equal(whole.coef_, resumed.coef_))
    scores = (svm.score(data.X_test, data.y_test) for svm in (killed, resumed))
    for name, svm, score in zip(("killed", "resumed"), (killed, resumed), scores):
        print(f"{name}: gap {svm.dual_gap_:.1e}, {score:.1%} of held-out digits right")
    print(f"certified gap {resumed.dual_gap_:.1e} after {resumed.n_iter_} passes in all")

    figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
    fits = {"never interrupted": whole, "resumed": resumed}
    display = ConvergenceDisplay.from_estimator(fits, against="passes", ax=ax)
    display.lines_["resumed"][0].set(linestyle="--", linewidth=3, alpha=0.7)
    ax.axvline(10, color="#d62728", linewidth=1)
    ax.annotate("the power goes", (10, 0.5), (6, 0), textcoords="offset points", color="#d62728")
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
