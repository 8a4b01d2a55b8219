"""Ranking: RankingSVM beside LinearSVC on pairs of documents, and LambdaMART where it is there.

    python benchmarks/bench_ranking.py [--data DIRECTORY] [--only quality|speed]

quality: NDCG at 5 (gains 2^g - 1) on the test queries of DIRECTORY (rank.{train,test}.gz and their
.query.gz, 201 and 50 queries; $STRUCTSVM_DATA/ranking). C by five folds of the training queries, of
the same nine values for RankSVM in both forms, and of factors of C="scale" for the other losses.
speed: CPU seconds of RankSVM, the sum over all pairs, on composed queries: of the size of the data
above, ten times as many queries, ten times as many documents in each. LinearSVC (hinge loss, dual)
to its own tolerance of 1e-3, pairs made by numpy; RankingSVM to a certified gap of 1e-3; the
objectives of both.
"""

import argparse
import itertools
import os
import time
import warnings
from pathlib import Path

import numpy as np
from measure import save
from sklearn.datasets import load_svmlight_file
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold
from sklearn.svm import LinearSVC

from structsvm import RankingSVM
from structsvm.metrics import mean_ndcg

CS = 10.0 ** np.arange(-5, -0.9, 0.5)
FACTORS = (0.1, 0.3, 1.0, 3.0)
SIZES = ((201, 15), (2010, 15), (201, 150))


def load(directory, name):
    X, y = load_svmlight_file(str(directory / f"rank.{name}.gz"), n_features=300)
    sizes = np.loadtxt(directory / f"rank.{name}.query.gz", dtype=int)
    return X, y, np.repeat(np.arange(len(sizes)), sizes)


def pairs_of(X, y, groups):
    """Differences of all pairs, and their signs, every other one turned around."""
    better, worse = [], []
    ends = np.searchsorted(groups, np.arange(groups[-1] + 2))
    for start, stop in itertools.pairwise(ends):
        i, j = np.nonzero(y[start:stop, None] > y[None, start:stop])
        better.append(i + start)
        worse.append(j + start)
    i, j = np.concatenate(better), np.concatenate(worse)
    signs = np.where(np.arange(len(i)) % 2, 1, -1)
    difference = X[i] - X[j]
    if hasattr(difference, "multiply"):
        return difference.multiply(signs[:, None]).tocsr(), signs
    return difference * signs[:, None], signs


def on_pairs(C, X, y, groups):
    pairs, signs = pairs_of(X, y, groups)
    svm = LinearSVC(C=C, loss="hinge", fit_intercept=False, tol=1e-3, max_iter=10_000)
    return svm.fit(pairs, signs).coef_[0]


def rank_svm(C, X, y, groups):
    svm = RankingSVM(C=C, normalize=False, scale=None, random_state=0)
    return svm.fit(X, y, groups).coef_


def best_c(fit, X, y, groups):
    """The C of the highest mean NDCG at 5 over five folds of queries."""
    means = []
    for C in CS:
        folds = []
        for train, held in GroupKFold(5).split(X, y, groups):
            w = fit(C, X[train], y[train], np.unique(groups[train], return_inverse=True)[1])
            folds.append(mean_ndcg(y[held], X[held] @ w, groups[held], k=5))
        means.append(np.mean(folds))
    return float(CS[int(np.argmax(means))])


def quality(directory):
    train, test = load(directory, "train"), load(directory, "test")

    def measured(w):
        return {
            f"ndcg@{k}": round(mean_ndcg(test[1], test[0] @ w, test[2], k=k), 4) for k in (1, 3, 5)
        }

    rows = []
    for name, fit in (("LinearSVC on pairs", on_pairs), ("RankingSVM, sum of pairs", rank_svm)):
        C = best_c(fit, *train)
        start = time.process_time()
        w = fit(C, *train)
        rows.append({"method": name, "C": C, "cpu": time.process_time() - start} | measured(w))
    for options in ({}, {"loss": "ndcg"}, {"loss": "ndcg", "k": 5}):
        base = RankingSVM(**options, random_state=0)
        unit = base.fit(*train).C_ / 3
        means = []
        for factor in FACTORS:
            folds = []
            for part, held in GroupKFold(5).split(*train):
                svm = RankingSVM(**options, C=factor * unit, random_state=0)
                svm.fit(train[0][part], train[1][part], train[2][part])
                scores = svm.predict(train[0][held])
                folds.append(mean_ndcg(train[1][held], scores, train[2][held], k=5))
            means.append(np.mean(folds))
        chosen = float(FACTORS[int(np.argmax(means))] * unit)
        for C in (chosen, "scale"):
            start = time.process_time()
            svm = RankingSVM(**options, C=C, random_state=0).fit(*train)
            cpu = time.process_time() - start
            given = options | ({} if chosen == C else {"C": C})
            name = f"RankingSVM({', '.join(f'{k}={v!r}' for k, v in given.items())})"
            row = {"method": name, "C": float(svm.C_), "cpu": cpu}
            rows.append(row | measured(svm.coef_) | {"gap": float(svm.dual_gap_)})
    rows += lambda_mart(train, measured, test)
    return rows


def lambda_mart(train, measured, test):
    try:
        from lightgbm import LGBMRanker
    except ImportError:
        return []
    start = time.process_time()
    model = LGBMRanker(random_state=0, n_jobs=1, verbose=-1)
    model.fit(train[0], train[1].astype(int), group=np.bincount(train[2]))
    cpu, scores = time.process_time() - start, model.predict(test[0])
    found = {f"ndcg@{k}": round(mean_ndcg(test[1], scores, test[2], k=k), 4) for k in (1, 3, 5)}
    return [{"method": "LightGBM LambdaMART, its defaults", "cpu": cpu} | found]


def composed(n_queries, n, n_features=100):
    """Dense features, grades 0 to 4 with noise."""
    rng = np.random.default_rng(0)
    w = rng.normal(size=n_features) / np.sqrt(n_features)
    X = rng.normal(size=(n_queries * n, n_features))
    latent = X @ w + rng.normal(size=len(X))
    return X, np.digitize(latent, [-0.5, 0.5, 1.2, 2.0]), np.repeat(np.arange(n_queries), n)


def speed():
    rows = []
    for n_queries, n in SIZES:
        X, y, groups = composed(n_queries, n)
        start = time.process_time()
        pairs, signs = pairs_of(X, y, groups)
        making = time.process_time() - start
        for C in (1e-4, 1e-3, 1e-2):
            start = time.process_time()
            other = LinearSVC(C=C, loss="hinge", fit_intercept=False, tol=1e-3, max_iter=10_000)
            w = other.fit(pairs, signs).coef_[0]
            theirs = time.process_time() - start
            times = []
            for _ in range(3):
                start = time.process_time()
                svm = RankingSVM(C=C, normalize=False, scale=None, random_state=0)
                svm.fit(X, y, groups)
                times.append(time.process_time() - start)
            ours = float(np.median(times))
            objective = w @ w / 2 + C * np.maximum(0, 1 - signs * (pairs @ w)).sum()
            rows.append(
                {
                    "queries": n_queries,
                    "documents": n,
                    "pairs": len(signs),
                    "C": C,
                    "making pairs": making,
                    "LinearSVC": theirs,
                    "RankingSVM": ours,
                    "ratio": (making + theirs) / ours,
                    "ratio without making pairs": theirs / ours,
                    "objective of LinearSVC": float(objective),
                    "objective": svm.objective_,
                    "gap": svm.dual_gap_,
                }
            )
            print(rows[-1], flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=Path(os.environ.get("STRUCTSVM_DATA", ".")) / "ranking")
    parser.add_argument("--only", choices=["quality", "speed"])
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    results = {}
    if arguments.only != "speed":
        results["quality"] = quality(Path(arguments.data))
        for row in results["quality"]:
            print(row, flush=True)
    if arguments.only != "quality":
        results["speed"] = speed()
    if arguments.only is None:
        save("ranking", results)


if __name__ == "__main__":
    main()
