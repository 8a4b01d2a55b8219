"""Smooth binary losses: CPU seconds of `SurrogateSVM` beside LIBLINEAR and LogisticRegression.

    python benchmarks/bench_smooth.py [--repeat 3] [--data digits cancer made text text20]

The squared hinge beside ``LinearSVC(dual=False)``, LIBLINEAR's Newton method, with an intercept
that both regularise; and the logistic loss, given as a function, beside ``LogisticRegression`` by
L-BFGS and by Newton-Cholesky (dense rows only), without an intercept: the same objectives. Each is
fitted for tolerances from loose to tight until its objective is within 1e-6 of the least one; the
time is that of the fastest of --repeat such fits, checks of the input included.

digits: 1,797 x 64, odd against even. cancer: 569 x 30, standardised. made: 5,000 x 50, by
make_classification. text and text20: 4,000 x 30,000, words by Zipf's law, of 2 and of 20 classes,
of which the first three are told from the rest, times summed. zeros: 2,000 x 2,000, such a text as
a dense array.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import functools
import time
import warnings

import numpy as np
from bench_robust import texts
from measure import save
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from structsvm import SurrogateSVM
from structsvm.hinge import squared_hinge

LEVEL = 1e-6
TOLERANCES = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-8)


def logistic(y, scores, reduction="mean", with_gradient=False):
    margins = y * scores
    return np.logaddexp(0, -margins), -y / (1 + np.exp(np.clip(margins, -500, 500)))


def digits():
    X, y = datasets.load_digits(return_X_y=True)
    return X / 16, [y % 2]


def cancer():
    X, y = datasets.load_breast_cancer(return_X_y=True)
    return StandardScaler().fit_transform(X), [y]


def made():
    X, y = datasets.make_classification(5000, 50, n_informative=20, flip_y=0.05, random_state=0)
    return X, [y]


def text():
    X, y = texts(2)
    return X, [y]


def text20():
    X, y = texts(20)
    return X, [(y == k).astype(int) for k in range(3)]


def zeros():
    X, y = texts(2, n=2000, n_words=2000)
    return X.toarray(), [y]


DATA = {f.__name__: f for f in (digits, cancer, made, text, text20, zeros)}


def ours(loss, intercept, C, tol):
    return SurrogateSVM(loss, C=C, scale=None, fit_intercept=intercept, tol=tol)


def liblinear(C, tol):
    return LinearSVC(dual=False, C=C, tol=tol, max_iter=10_000)


def regression(solver, C, tol):
    return LogisticRegression(C=C, solver=solver, tol=tol, fit_intercept=False, max_iter=10_000)


def objective(svm, loss, C, X, y):
    w, b = svm.coef_[0], float(np.ravel(svm.intercept_)[0])
    values = loss(np.where(y == 1, 1.0, -1.0), X @ w + b, reduction="none", with_gradient=True)[0]
    return float(w @ w + b * b) / 2 + C * float(values.sum())


def seconds_to(enough, make, loss, C, X, y, repeat):
    """CPU seconds of a fit whose objective is at most `enough`."""
    for tol in TOLERANCES:
        seconds = []
        for _ in range(repeat):
            svm = make(C, tol)
            start = time.process_time()
            svm.fit(X, y)
            seconds.append(time.process_time() - start)
        if objective(svm, loss, C, X, y) <= enough:
            return min(seconds)
    return np.inf


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=sorted(DATA), default=list(DATA))
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for name in args.data:
        X, targets = DATA[name]()
        dense = isinstance(X, np.ndarray)
        squared = {
            "ours": functools.partial(ours, "squared_hinge", True),
            "LIBLINEAR": liblinear,
        }
        others = ["lbfgs", "newton-cholesky"] if dense and X.shape[1] < 500 else ["lbfgs"]
        logit = {"ours": functools.partial(ours, logistic, False)}
        logit |= {solver: functools.partial(regression, solver) for solver in others}
        tasks = [("squared hinge", squared_hinge, squared)]
        tasks += [("logistic", logistic, logit)] if name != "text20" else []
        for title, loss, makers in tasks:
            for C in (0.01, 1.0, 100.0):
                total = dict.fromkeys(makers, 0.0)
                for y in targets:
                    repeat = args.repeat if len(targets) == 1 else 1
                    least = makers["ours"](C, 1e-11).fit(X, y).objective_
                    for who, make in makers.items():
                        total[who] += seconds_to(least * (1 + LEVEL), make, loss, C, X, y, repeat)
                best = min(seconds for who, seconds in total.items() if who != "ours")
                rows.append({"data": name, "loss": title, "C": C, "seconds": total})
                print(
                    f"{name:7} {title:13} C = {C:<6g} "
                    + ", ".join(f"{who} {1e3 * s:.1f} ms" for who, s in total.items())
                    + f": {best / total['ours']:.2f}",
                    flush=True,
                )
    if set(args.data) == set(DATA):
        save("smooth", rows)


if __name__ == "__main__":
    main()
