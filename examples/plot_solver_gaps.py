"""
The gap of every solver, live
=============================

What you learn: what each solver does between its first pass and its certificate, and how to listen
to a fit. A callback hears of every pass: it notes when the gap first falls below each power of ten,
and ends a fit that takes too long. The lines that fall in steps are proofs, the dotted ones are
what solvers expect a proof to say. The perceptron has no gap: it minimises no objective.
"""

import argparse
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from structsvm import ChainSVM
from structsvm.datasets import make_digit_words
from structsvm.plotting import ConvergenceDisplay

SOLVERS = ("bcfw", "cutting_plane", "n_slack", "subgradient", "perceptron")
TOL, SECONDS = 1e-3, 20.0


class Milestones:
    """Tells of each power of ten that the gap passes; ends the fit after some seconds."""

    def __init__(self):
        self.start, self.next = time.perf_counter(), 0.1

    def __call__(self, progress):
        while progress.gap <= self.next and self.next >= TOL:
            print(f"    below {self.next:g} in pass {progress.n_iter}, {progress.seconds:.2f} s")
            self.next /= 10
        return time.perf_counter() - self.start > SECONDS


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Watch the gaps of all solvers.")
    parser.add_argument("--output", default="solver_gaps.png", help="the picture to write")
    output = parser.parse_args().output
    data = make_digit_words(n_train=80, n_test=200, random_state=0)
    fits = {}
    for solver in SOLVERS:
        print(solver)
        svm = ChainSVM(solver=solver, random_state=0, callbacks=[Milestones()])
        if solver != "perceptron":
            svm.set_params(C=0.1, tol=TOL)
        fits[solver] = svm.fit(data.X_train, data.y_train)
    for name, svm in sorted(fits.items(), key=lambda pair: pair[1].score(data.X_test, data.y_test)):
        what = f"certified gap {svm.dual_gap_:.1e}" if svm.status_ == "converged" else svm.status_
        share = svm.score(data.X_test, data.y_test)
        print(f"{name}: {svm.n_iter_} passes, {what}, {share:.1%} of held-out digits right")

    figure, axes = plt.subplots(1, 2, figsize=(12, 4.6), layout="constrained")
    for ax, against in zip(axes, ("passes", "seconds")):
        ConvergenceDisplay.from_estimator(fits, against=against, ax=ax)
        ax.set_xscale("log")
    axes[1].get_legend().remove()
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
