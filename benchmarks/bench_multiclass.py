"""Multiclass SVMs against LIBLINEAR: CPU seconds to a primal objective near the best known.

    python benchmarks/bench_multiclass.py [--repeat 3] [--data digits dense sparse]

Crammer-Singer beside ``LinearSVC(multi_class="crammer_singer", fit_intercept=False)``, and two
classes (odd against even) beside ``LinearSVC(loss="hinge", fit_intercept=False)``: the same
objective. Both are fitted for a series of tolerances; a fit counts for a level if its primal
objective is within it of the best known, and the fastest of these is taken (medians of --repeat
calls of fit, input conversion and certificates included). LIBLINEAR gets 10,000 iterations. Peak
memory is that of a process of its own that reads the data from a file and fits once, less one that
only reads them.

digits: 1,797 x 64, scikit-learn's. dense: 20,000 x 784, a mixture in 40 dimensions with decaying
scales, plus noise. sparse: 20,000 x 30,000, about 73 words a row drawn from Zipf's law with a topic
for each class, tf-idf, rows of norm 1. In both 5 % of the labels are random.
"""

import argparse
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from measure import save
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from structsvm import MulticlassSVM

LEVELS = (1e-3, 1e-6)
OUR_TOLERANCES = (1e-2, 3e-3, 1e-3, 1e-4, 1e-5, 3e-6, 1e-6)
THEIR_TOLERANCES = (1.0, 0.3, 0.1, 0.03, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6)


def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def noisy(y, n_classes, rng):
    wrong = rng.random(len(y)) < 0.05
    y[wrong] = rng.integers(n_classes, size=wrong.sum())
    return y


def dense(n=20_000, n_features=784, n_classes=10, rank=40, seed=0):
    rng = np.random.default_rng(seed)
    scales = 3 / np.sqrt(rank * (1 + np.arange(rank)))
    basis = scales[:, None] * rng.normal(size=(rank, n_features))
    y = rng.integers(n_classes, size=n)
    centres = rng.normal(size=(n_classes, 3, rank))
    X = (centres[y, rng.integers(3, size=n)] + rng.normal(size=(n, rank))) @ basis
    X += 0.3 * rng.normal(size=X.shape)
    return X / np.linalg.norm(X, axis=1).mean(), noisy(y, n_classes, rng)


def sparse(n=20_000, n_features=30_000, n_classes=10, seed=0):
    rng = np.random.default_rng(seed)
    zipf = 1 / (np.arange(n_features) + 10.0)
    y = rng.integers(n_classes, size=n)
    lengths = np.maximum(5, rng.poisson(80 * np.exp(0.5 * rng.normal(size=n) - 0.125)))
    rows, draws = np.repeat(np.arange(n), lengths), rng.random(lengths.sum())
    words = np.empty(len(rows), dtype=int)
    for k in range(n_classes):
        topic = np.cumsum(zipf * np.exp(rng.normal(size=n_features)))
        mine = y[rows] == k
        words[mine] = np.searchsorted(topic / topic[-1], draws[mine])
    X = sp.csr_matrix((np.ones(len(rows)), (rows, words)), shape=(n, n_features))
    counts = np.bincount(X.indices, minlength=n_features)
    X.data = (1 + np.log(X.data)) * (1 + np.log(n / (1 + counts)))[X.indices]
    norms = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
    return sp.csr_matrix(sp.diags_array(1 / norms) @ X), noisy(y, n_classes, rng)


DATA = {"digits": digits, "dense": dense, "sparse": sparse}


def ours(C, two, tol):
    options = {"fit_intercept": False, "max_iter": 10_000, "random_state": 0}
    return MulticlassSVM(C=C, scale=None, tol=tol, **options)


def theirs(C, two, tol):
    params = {"loss": "hinge"} if two else {"multi_class": "crammer_singer"}
    return LinearSVC(
        C=C, fit_intercept=False, tol=tol, max_iter=10_000, random_state=0, dual=True, **params
    )


def objective(C, coef, X, y):
    """In numpy, the same for both."""
    scores = X @ coef.T
    if len(coef) == 1:
        hinges = 1 - np.where(y == 1, 1, -1) * scores[:, 0]
    else:
        rows = np.arange(len(y))
        violation = 1 + scores - scores[rows, y][:, None]
        violation[rows, y] = 0
        hinges = violation.max(axis=1)
    return float((coef**2).sum() / 2 + C * np.maximum(hinges, 0).sum())


def fits(make, tolerances, enough, C, two, X, y, repeat):
    """(median CPU seconds, objective, gap if known) for each tolerance, down to what is enough."""
    found = []
    repeat *= 5 if len(y) < 5000 else 1
    for tol in tolerances:
        seconds = []
        for _ in range(repeat):
            svm = make(C, two, tol)
            start = time.process_time()
            svm.fit(X, y)
            seconds.append(time.process_time() - start)
        value = objective(C, svm.coef_, X, y)
        found.append((float(np.median(seconds)), value, getattr(svm, "dual_gap_", None)))
        if value <= enough:
            break
    return found


def time_to(found, target):
    reached = [seconds for seconds, value, _ in found if value <= target]
    return min(reached) if reached else None


def peak_megabytes(path, two, who):
    """Of a process of its own."""
    command = [sys.executable, __file__, "--memory", path, str(int(two)), who]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def keep(X, y, path):
    parts = {"data": X}
    if sp.issparse(X):
        parts = {"data": X.data, "indices": X.indices, "indptr": X.indptr, "shape": X.shape}
    np.savez(path, y=y, **parts)


def show_peak(path, two, who):
    with np.load(path) as held:
        y, X = held["y"], held["data"]
        if "indptr" in held:
            X = sp.csr_matrix((X, held["indices"], held["indptr"]), shape=held["shape"])
    if who != "nobody":
        {"ours": ours, "theirs": theirs}[who](1.0, two, 1e-2).fit(X, y % 2 if two else y)
    # Not ru_maxrss, which begins at what the parent process had.
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=sorted(DATA), default=list(DATA))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    if args.memory:
        show_peak(args.memory[0], bool(int(args.memory[1])), args.memory[2])
        return
    rows = []
    print(
        f"{'data':7} {'classes':>7} {'C':>4} {'level':>6} {'ours':>8} {'LIBLINEAR':>9} {'ratio':>6}"
    )
    for name in args.data:
        X, digit = DATA[name]()
        for two in (False, True):
            y = digit % 2 if two else digit
            with tempfile.TemporaryDirectory() as folder:
                path = f"{folder}/data.npz"
                keep(X, digit, path)
                people = ("nobody", "ours", "theirs")
                memory = {who: peak_megabytes(path, two, who) for who in people}
            for C in (0.1, 1.0):
                best = ours(C, two, 1e-9).fit(X, y)
                bound = best.dual_objective_ * (1 + LEVELS[-1])
                mine = fits(ours, OUR_TOLERANCES, bound, C, two, X, y, args.repeat)
                other = fits(theirs, THEIR_TOLERANCES, bound, C, two, X, y, args.repeat)
                known = min([best.objective_] + [value for _, value, _ in mine + other])
                for level in LEVELS:
                    our_time = time_to(mine, known * (1 + level))
                    their_time = time_to(other, known * (1 + level))
                    ratio = their_time / our_time if our_time and their_time else None
                    row = {
                        "data": name,
                        "classes": 2 if two else 10,
                        "C": C,
                        "level": level,
                        "seconds": our_time,
                        "liblinear_seconds": their_time,
                        "ratio": ratio,
                        "best_known": known,
                        "best_known_gap": best.dual_gap_,
                        "megabytes": memory["ours"] - memory["nobody"],
                        "liblinear_megabytes": memory["theirs"] - memory["nobody"],
                    }
                    if level == LEVELS[-1]:
                        row |= {"fits": mine, "liblinear_fits": other}
                    rows.append(row)
                    times = [f"{t:.4f}" if t else "-" for t in (our_time, their_time)]
                    print(
                        f"{name:7} {row['classes']:7} {C:4} {level:6.0e} {times[0]:>8} "
                        f"{times[1]:>9} " + (f"{ratio:6.2f}" if ratio else f"{'-':>6}"),
                        flush=True,
                    )
            print(
                f"{'':7} peak memory above the data: {row['megabytes']:.0f} MB, "
                f"LIBLINEAR {row['liblinear_megabytes']:.0f} MB",
                flush=True,
            )
    if set(args.data) == set(DATA):
        save("multiclass", rows)


if __name__ == "__main__":
    main()
