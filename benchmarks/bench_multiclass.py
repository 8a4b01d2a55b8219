"""MulticlassSVM beside LIBLINEAR (scikit-learn's LinearSVC) on the same objectives: CPU seconds.

    python benchmarks/bench_multiclass.py [--data digits dense sparse] [--seconds 60] [--repeat 3]

Crammer-Singer with all classes and the binary hinge of two halves of them, no intercept, C = .1 and
1, on digits, dense rows (20,000 x 784, low rank and noise) and sparse ones (20,000 x 30,000, with
columns as frequent as words are). Told is the time to weights whose primal objective is within 1e-3
and 1e-6 of the best known. Ours is read off one fit: weights are copied after every iteration, with
the clock stopped, and judged afterwards; then the time of a whole fit to a certified gap of that
size, which LIBLINEAR does not have. Theirs is the shortest of fits with tolerances from 1 down.
Medians over --repeat runs; memory is the peak during one fit, in a process of its own, less what it
held before.
"""

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from measure import save
from sklearn.datasets import load_digits
from sklearn.svm import LinearSVC

from structsvm import MulticlassSVM

LEVELS = (1e-3, 1e-6)
TOLERANCES = (1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6, 1e-7)
COSTS = (0.1, 1.0)


def digits():
    X, y = load_digits(return_X_y=True)
    return X / 16, y


def dense(n=20_000, n_features=784, rank=30):
    rng = np.random.default_rng(0)
    y = rng.integers(10, size=n)
    factors = 0.9 * rng.normal(size=(10, rank))[y] + 1.6 * rng.normal(size=(n, rank))
    X = factors @ rng.normal(size=(rank, n_features)) + rng.normal(size=(n, n_features))
    np.maximum(X, 0, out=X)
    return X / X.max(), y


def sparse(n=20_000, n_features=30_000, own_words=600):
    rng = np.random.default_rng(0)
    y = rng.integers(10, size=n)
    frequency = 1 / np.arange(1, n_features + 1) ** 0.9
    of_class = np.tile(frequency, (10, 1))
    for row in of_class:
        row[rng.choice(n_features, own_words, replace=False)] *= 6
    of_class = np.cumsum(of_class / of_class.sum(axis=1, keepdims=True), axis=1)
    columns, values, starts = [], [], [0]
    for label in y:
        drawn = np.searchsorted(of_class[label], rng.random(rng.integers(30, 120)))
        words, counts = np.unique(np.minimum(drawn, n_features - 1), return_counts=True)
        columns.append(words)
        values.append(counts / np.linalg.norm(counts))
        starts.append(starts[-1] + len(words))
    columns = np.concatenate(columns).astype(np.int32)
    parts = (np.concatenate(values), columns, np.array(starts, dtype=np.int32))
    return sp.csr_array(parts, shape=(n, n_features)), y


DATA = {"digits": digits, "dense": dense, "sparse": sparse}


def primal(X, y, coef, C):
    scores = np.asarray(X @ coef.T)
    rows = np.arange(len(y))
    if len(coef) == 1:
        hinges = np.maximum(1 - (2 * y - 1) * scores[:, 0], 0)
    else:
        augmented = scores + 1
        augmented[rows, y] -= 1
        hinges = augmented.max(axis=1) - scores[rows, y]
    return 0.5 * float((coef**2).sum()) + C * float(hinges.sum())


class Recorder:
    """The weights and bounds after every iteration, and the CPU seconds to there."""

    def __init__(self, limit):
        self.limit, self.rows, self.away = limit, [], 0.0

    def start(self):
        self.started = time.process_time()
        return self

    def __call__(self, progress):
        now = time.process_time()
        spent = now - self.started - self.away
        self.rows.append((spent, np.array(progress.weights)))
        self.away += time.process_time() - now
        return spent > self.limit


def run_ours(X, y, C, limit):
    recorder = Recorder(limit)
    svm = MulticlassSVM(
        C=C, fit_intercept=False, tol=1e-7, max_iter=10**6, callbacks=[recorder], random_state=0
    )
    recorder.start()
    svm.fit(X, y)
    certified = {}
    for level in LEVELS:
        whole = MulticlassSVM(C=C, fit_intercept=False, tol=level, max_iter=10**6, random_state=0)
        start = time.process_time()
        whole.fit(X, y)
        certified[level] = time.process_time() - start
    points = [(t, primal(X, y, svm.model_.weight_blocks(w)[0], C)) for t, w in recorder.rows]
    return points, certified


def run_theirs(X, y, C, limit):
    points = []
    kind = {"loss": "hinge"} if y.max() == 1 else {"multi_class": "crammer_singer"}
    for tol in TOLERANCES:
        svm = LinearSVC(C=C, fit_intercept=False, tol=tol, max_iter=10**6, random_state=0, **kind)
        start = time.process_time()
        svm.fit(X, y)
        points.append((time.process_time() - start, primal(X, y, svm.coef_, C)))
        if points[-1][0] > limit or (len(points) > 1 and points[-1][1] == points[-2][1]):
            break
    return points


def first_within(points, best, level):
    times = [t for t, value in points if value <= best * (1 + level)]
    return min(times) if times else None


def middle(values):
    found = [value for value in values if value is not None]
    return statistics.median(found) if len(found) == len(values) else None


def run_cell(X, y, C, args):
    ours, theirs, certified = [], [], []
    best = np.inf
    for _ in range(args.repeat):
        points, gaps = run_ours(X, y, C, args.seconds)
        ours.append(points)
        certified.append(gaps)
        theirs.append(run_theirs(X, y, C, args.seconds))
        best = min(best, min(value for _, value in itertools.chain(points, theirs[-1])))
    cell = {}
    for level in LEVELS:
        cell[f"ours {level:g}"] = middle([first_within(p, best, level) for p in ours])
        cell[f"certified {level:g}"] = middle([gaps[level] for gaps in certified])
        cell[f"liblinear {level:g}"] = middle([first_within(p, best, level) for p in theirs])
    return cell


def memory(job):
    """Megabytes that one fit takes beyond the data, in a process of its own."""
    taken = {}
    for who in ("ours", "theirs"):
        command = [sys.executable, __file__, "--memory", job, who]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        taken[who] = json.loads(done.stdout.splitlines()[-1])
    return taken


def fit_for_memory(job, who):
    X, y = DATA[job]()
    # From here on the kernel counts the peak anew.
    Path("/proc/self/clear_refs").write_text("5")
    before = of_status("VmRSS")
    if who == "ours":
        MulticlassSVM(fit_intercept=False, random_state=0).fit(X, y)
    else:
        LinearSVC(multi_class="crammer_singer", fit_intercept=False, tol=0.03).fit(X, y)
    print((of_status("VmHWM") - before) / 1024)


def of_status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=list(DATA), default=list(DATA))
    parser.add_argument("--seconds", type=float, default=60.0, help="limit of one fit")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    if args.memory:
        fit_for_memory(*args.memory)
        return
    results = {}
    names = [f"{who} {level:g}" for level in LEVELS for who in ("ours", "certified", "liblinear")]
    print(f"{'':32}" + "".join(f"{name:>17}" for name in [*names, "ratio 1e-3", "ratio 1e-6"]))
    for name in args.data:
        X, y = DATA[name]()
        for (kind, labels), C in itertools.product(
            (("crammer_singer", y), ("two classes", (y > 4).astype(int))), COSTS
        ):
            cell = run_cell(X, labels, C, args)
            for level in LEVELS:
                pair = cell[f"liblinear {level:g}"], cell[f"ours {level:g}"]
                cell[f"ratio {level:g}"] = None if None in pair else pair[0] / pair[1]
            shown = [cell[key] for key in [*names, *(f"ratio {level:g}" for level in LEVELS)]]
            print(
                f"{name + ', ' + kind + f', C={C:g}':32}"
                + "".join(f"{'-' if v is None else format(v, '.3f'):>17}" for v in shown),
                flush=True,
            )
            results[f"{name}, {kind}, C={C:g}"] = cell
    for name in set(args.data) - {"digits"}:
        results[f"{name}, MB beyond the data"] = taken = memory(name)
        print(f"{name}: {taken['ours']:.0f} MB beyond the data, LIBLINEAR {taken['theirs']:.0f}")
    save("multiclass", results)


if __name__ == "__main__":
    main()
