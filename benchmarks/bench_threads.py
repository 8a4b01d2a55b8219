"""Two threads or processes against one: wall-clock seconds of the same number of passes.

    STRUCTSVM_DATA=... python benchmarks/bench_threads.py

Long chains with 150 labels, whose oracle takes about a millisecond; letters, whose oracle takes two
microseconds, where the solver must fall back to one thread; and a Python oracle of a millisecond in
processes, their start included and not. Targets: at least 1.8 where the oracle takes a millisecond,
at least 1 on letters.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would take part in both

import argparse
import time
import warnings

import numpy as np
from bench_slow_oracle import SlowChain
from measure import save
from sklearn.exceptions import ConvergenceWarning

from structsvm import ChainModel, StructSVM
from structsvm.datasets import load_letters


def long_chains(n=200, n_labels=150):
    rng = np.random.default_rng(0)
    W = rng.normal(size=(20, n_labels))
    X = [rng.normal(size=(length, 20)) for length in rng.integers(400, 800, size=n)]
    return X, [(x @ W + 0.2 * rng.gumbel(size=(len(x), n_labels))).argmax(axis=1) for x in X]


class Millisecond(SlowChain):
    milliseconds = 1.0


class Stopwatch:
    """Wall-clock time of each iteration."""

    def __init__(self):
        self.times = []

    def __call__(self, progress):
        self.times.append(progress.seconds)


def measured(model, X, y, lam, n_jobs, n_iter):
    """Seconds of the whole fit, and of its iterations after the first."""
    watch = Stopwatch()
    svm = StructSVM(
        model,
        C=1 / (lam * len(X)),
        max_iter=n_iter,
        tol=1e-9,
        n_jobs=n_jobs,
        random_state=0,
        callbacks=[watch],
    )
    start = time.perf_counter()
    svm.fit(X, y)
    return time.perf_counter() - start, watch.times[-1] - watch.times[0], svm.history_["gap"][-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="pairs of runs; medians are shown")
    repeat = parser.parse_args().repeat
    warnings.simplefilter("ignore", ConvergenceWarning)
    data = load_letters()
    X, y = list(data.X), list(data.y)
    tasks = {
        "chains, 150 labels, 400-800 positions": (
            ChainModel("normalized_hamming"),
            *long_chains(),
            0.1,
            8,
        ),
        "letters": (ChainModel("normalized_hamming"), X, y, 0.01, 8),
        "Python oracle of 1 ms": (Millisecond("normalized_hamming"), X[:600], y[:600], 0.01, 8),
    }
    rows = []
    print(f"{'':38} {'1: s':>7} {'2: s':>7} {'ratio':>6} {'without the first pass':>23}  gaps")
    for name, (model, *task) in tasks.items():
        runs = {1: [], 2: []}
        for _ in range(repeat):
            for n_jobs in (1, 2):
                runs[n_jobs].append(measured(model, *task[:3], n_jobs, task[3]))
        (one, one_rest, gap_one), (two, two_rest, gap_two) = (
            np.median(runs[n_jobs], axis=0) for n_jobs in (1, 2)
        )
        rows.append(
            {
                "task": name,
                "one_seconds": one,
                "two_seconds": two,
                "ratio": one / two,
                "ratio_after_first_pass": one_rest / two_rest,
                "gaps": [gap_one, gap_two],
            }
        )
        print(
            f"{name:38} {one:7.2f} {two:7.2f} {one / two:6.2f} {one_rest / two_rest:23.2f}  "
            f"{gap_one:.2e} {gap_two:.2e}",
            flush=True,
        )
    save("threads", rows)


if __name__ == "__main__":
    main()
