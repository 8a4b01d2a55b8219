"""Every certified solver on problems that nobody tuned on: passes and CPU seconds to a gap.

    python benchmarks/bench_robust.py [--quick] [--cells iris digits/C=1] [--solvers default]

A fit for each level, 1e-2, 1e-3 and 1e-6, with the estimator as it comes but for C, the solver and
`tol`, columns not scaled. Passes are oracle calls over the number of examples, certificates
included; CPU seconds are those of the whole call of fit. A fit gets --seconds (3) and 3,000 passes;
"-" is one that did not reach the level, whose looser levels stand. LIBLINEAR stands beside where
the objective is the same, Crammer-Singer or the binary hinge without an intercept: the least CPU
seconds after which its primal objective is within the level of the best one known.

Data: scikit-learn's iris, wine and breast cancer, raw and standardised; its digits over 16 and
over 16,000; tables with columns of any scale; texts of 2 and 20 classes, words by Zipf's law; OCR
letters, fold 0 (with STRUCTSVM_DATA); drawn images of 2 and 3 labels; classes in Python.

Ratios are of the default to the best solver of one level in the same run: the block solvers without
cuts, cutting planes, n-slack. Where none of these reached the level there is none.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import functools
import time
import warnings

import numpy as np
import scipy.sparse as sp
from measure import save
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from structsvm import ChainSVM, GridSVM, MulticlassSVM, StructSVM, StructuredModel
from structsvm.datasets import load_letters, make_segmentation
from structsvm.solvers import BCFW, BlockDual

LEVELS = (1e-2, 1e-3, 1e-6)
MOST_PASSES = 3000
#: The default, and what it is to be held against: solvers of one level.
SOLVERS = {
    "default": None,
    "blocks, bcfw": BCFW(coarse=False),
    "blocks, exact": BlockDual(coarse=False),
    "cutting_plane": "cutting_plane",
    "n_slack": "n_slack",
}
THEIR_TOLERANCES = (1.0, 0.1, 1e-2, 1e-3, 1e-4, 1e-6)
THEIR_ITERATIONS = (10, 100, 1000)


class Classes(StructuredModel):
    """Classes in Python, Crammer and Singer's."""

    def __init__(self, n_classes=3):
        self.n_classes = n_classes

    def initialize(self, X, y):
        self.n_weights = self.n_classes * len(X[0])

    def scores(self, x, w):
        return w.reshape(self.n_classes, -1) @ x

    def joint_feature(self, x, y):
        psi = np.zeros((self.n_classes, len(x)))
        psi[y] = x
        return psi.ravel()

    def loss(self, y, y_hat):
        return float(y != y_hat)

    def inference(self, x, w):
        return int(np.argmax(self.scores(x, w)))

    def loss_augmented_inference(self, x, y, w):
        return int(np.argmax(self.scores(x, w) + (np.arange(self.n_classes) != y)))


# ---- data


@functools.cache
def table(name, standardised=False, scale=1.0):
    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X = StandardScaler().fit_transform(X) if standardised else X * scale
    return X, y


@functools.cache
def any_scale(seed):
    """Four linear classes; columns whose standard deviations differ by factors of thousands."""
    rng = np.random.default_rng(seed)
    W, Z = rng.normal(size=(4, 15)), rng.normal(size=(400, 15))
    y = (Z @ W.T + rng.normal(scale=0.5 * (1 + seed), size=(400, 4))).argmax(axis=1)
    return Z * np.exp(rng.normal(scale=2.5, size=15)), y


@functools.cache
def texts(n_classes, n=4000, n_words=30_000, seed=0):
    rng = np.random.default_rng(seed)
    zipf = 1 / (np.arange(n_words) + 10.0)
    y = rng.integers(n_classes, size=n)
    lengths = np.maximum(5, rng.poisson(50, size=n))
    rows, draws = np.repeat(np.arange(n), lengths), rng.random(lengths.sum())
    words = np.empty(len(rows), dtype=int)
    for k in range(n_classes):
        topic = np.cumsum(zipf * np.exp(rng.normal(size=n_words)))
        mine = y[rows] == k
        words[mine] = np.searchsorted(topic / topic[-1], draws[mine])
    X = sp.csr_matrix((np.ones(len(rows)), (rows, words)), shape=(n, n_words))
    X.data = 1 + np.log(X.data)
    norms = np.sqrt(np.asarray(X.multiply(X).sum(axis=1)).ravel())
    wrong = rng.random(n) < 0.05
    y[wrong] = rng.integers(n_classes, size=wrong.sum())
    return sp.csr_matrix(sp.diags_array(1 / norms) @ X), y


@functools.cache
def letters():
    data = load_letters()
    places = np.flatnonzero(data.folds == 0)
    return [data.X[i] for i in places], [data.y[i] for i in places]


@functools.cache
def images(n_labels):
    size = (14, 18) if n_labels == 2 else (10, 14)
    bunch = make_segmentation(20, 1, n_labels=n_labels, size=size, random_state=0)
    return bunch.X_train, bunch.y_train


@functools.cache
def python_points(name):
    X, y = table(name)
    return list(X), y.tolist()


def multiclass(**options):
    return MulticlassSVM(scale=None, fit_intercept=False, **options)


CELLS = {}
for name in ("iris", "wine", "breast_cancer"):
    for standardised in (False, True):
        for C in (1, 100):
            label = f"{name}{', standardised' if standardised else ''}/C={C}"
            data = functools.partial(table, name, standardised)
            CELLS[label] = (data, multiclass, C)
for C in (1e-3, 1e-2, 1, 100, 1e4, 1e6):
    CELLS[f"digits/C={C:g}"] = (functools.partial(table, "digits", scale=1 / 16), multiclass, C)
for C in (1, 1e6):
    data = functools.partial(table, "digits", scale=1 / 16_000)
    CELLS[f"digits x 1e-3/C={C:g}"] = (data, multiclass, C)
for seed in (0, 1, 2):
    for C in (1, 100, 1e4):
        data = functools.partial(any_scale, seed)
        CELLS[f"columns of any scale, {seed}/C={C:g}"] = (data, multiclass, C)
for n_classes in (2, 20):
    for C in (0.01, 1, 100):
        data = functools.partial(texts, n_classes)
        CELLS[f"text of {n_classes}/C={C:g}"] = (data, multiclass, C)
if "STRUCTSVM_DATA" in os.environ:
    for lam in ("0.01", "0.001", "1/n"):
        C = 1.0 if lam == "1/n" else 1 / (float(lam) * 626)
        chain = functools.partial(ChainSVM, scale=None, loss="normalized_hamming")
        CELLS[f"letters/lambda={lam}"] = (letters, chain, C)
for n_labels in (2, 3):
    for C in (1, 1e4, 1e6):
        CELLS[f"images of {n_labels}/C={C:g}"] = (
            functools.partial(images, n_labels),
            functools.partial(GridSVM, scale=None, connectivity=4, class_weight=None),
            C,
        )
for name in ("iris", "wine"):
    python = functools.partial(StructSVM, Classes())
    CELLS[f"python {name}/C=1"] = (functools.partial(python_points, name), python, 1)

#: One of each kind, the hard ones.
QUICK = (
    "iris/C=100", "wine/C=1", "breast_cancer, standardised/C=100", "digits/C=1", "digits/C=1e+06",
    "text of 20/C=100", "letters/lambda=1/n", "images of 3/C=1e+06", "python iris/C=1",
    "columns of any scale, 0/C=100",
)  # fmt: skip


def fit(make, C, solver, tol, X, y, seconds):
    """(passes, CPU seconds) of a fit, None where it did not reach `tol`; and the estimator."""
    n = len(y)
    start = time.process_time()

    def out_of_time(progress):
        spent = time.process_time() - start
        return spent > seconds or progress.n_oracle_calls > MOST_PASSES * n

    options = {} if SOLVERS[solver] is None else {"solver": SOLVERS[solver]}
    svm = make(
        C=C, tol=tol, max_iter=MOST_PASSES, random_state=0, callbacks=[out_of_time], **options
    )
    svm.fit(X, y)
    spent = time.process_time() - start
    reached = svm.dual_gap_ <= tol
    return ((svm.n_oracle_calls_ / n, spent) if reached else None), svm


def objective(C, coef, X, y):
    scores = X @ coef.T
    if len(coef) == 1:
        hinges = 1 - np.where(y == np.max(y), 1, -1) * scores[:, 0]
    else:
        rows = np.arange(len(y))
        violation = 1 + scores - scores[rows, y][:, None]
        violation[rows, y] = 0
        hinges = violation.max(axis=1)
    return float((coef**2).sum() / 2 + C * np.maximum(hinges, 0).sum())


def liblinear(C, X, y, known, seconds):
    """CPU seconds to each level above the best objective known, None where not reached."""
    binary = len(np.unique(y)) == 2
    params = {"loss": "hinge"} if binary else {"multi_class": "crammer_singer"}
    found, spent = [], 0.0
    for tol, max_iter in [(t, THEIR_ITERATIONS[-1]) for t in THEIR_TOLERANCES] + [
        (1e-9, m) for m in THEIR_ITERATIONS
    ]:
        start = time.process_time()
        svm = LinearSVC(
            C=C,
            fit_intercept=False,
            dual=True,
            tol=tol,
            max_iter=max_iter,
            random_state=0,
            **params,
        ).fit(X, y)
        found.append((time.process_time() - start, objective(C, svm.coef_, X, y)))
        spent += found[-1][0]
        if spent > 3 * seconds:
            break
    known = min([known, *(value for _, value in found)])
    enough = [[s for s, value in found if value <= known * (1 + level)] for level in LEVELS]
    return [min(times, default=None) for times in enough]


def ratios(rows, level, which):
    """Of the default to the best single solver in each cell, by name."""
    found = {}
    for row in rows:
        entries = {s: row["fits"][s][level] for s in row["fits"]}
        mine = entries.pop("default", None)
        others = [entry[which] for entry in entries.values() if entry is not None]
        if others:
            found[row["cell"]] = np.inf if mine is None else mine[which] / max(min(others), 1e-9)
    return found


def shown(entry):
    return "     -/-    " if entry is None else f"{entry[0]:6.1f}/{entry[1]:<5.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="ten cells, 2 seconds a fit")
    parser.add_argument("--cells", nargs="+", help="cells whose names begin so")
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, default=list(SOLVERS))
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--liblinear", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    warnings.simplefilter("ignore", ConvergenceWarning)
    seconds = args.seconds or (2.0 if args.quick else 3.0)
    cells = [c for c in CELLS if not args.quick or c in QUICK]
    if args.cells:
        cells = [c for c in cells if c.startswith(tuple(args.cells))]
    rows = []
    print("passes/CPU seconds to a gap of", *(f"{level:g}" for level in LEVELS))
    for cell in cells:
        data, make, C = CELLS[cell]
        X, y = data()
        row = {"cell": cell, "fits": {}}
        known = np.inf
        for solver in args.solvers:
            if solver == "blocks, exact" and make is not multiclass:
                continue
            found = [None] * len(LEVELS)
            for k, level in enumerate(LEVELS):
                found[k], svm = fit(make, C, solver, level, X, y, seconds)
                known = min(known, svm.objective_)
                if found[k] is None:
                    break
            row["fits"][solver] = found
            entries = " ".join(map(shown, found))
            print(f"{cell:34} {solver:13} {entries}  gap {svm.dual_gap_:.0e}", flush=True)
        if make is multiclass and args.liblinear:
            row["liblinear"] = liblinear(C, X, y, known, seconds)
            times = " ".join(f"{'-' if t is None else f'{t:.3f}':>12}" for t in row["liblinear"])
            print(f"{cell:34} {'LIBLINEAR':13} {times}", flush=True)
        rows.append(row)
    for k, level in enumerate(LEVELS):
        reached = sum(row["fits"].get("default", [None] * 3)[k] is not None for row in rows)
        print(f"default reaches {level:g} in {reached} of {len(rows)} cells", end="")
        for which, unit in enumerate(("passes", "seconds")):
            found = ratios(rows, k, which)
            if found:
                worst = max(found, key=found.get)
                mean = np.exp(np.mean(np.log([*found.values()])))
                print(
                    f"; {unit} over the best single solver's: worst {found[worst]:.1f} ({worst}), "
                    f"geometric mean {mean:.2f}",
                    end="",
                )
        print()
    if not args.cells and not args.quick and set(args.solvers) == set(SOLVERS):
        save("robust", rows)


if __name__ == "__main__":
    main()
