"""Structures of `structsvm.inference`, learned: certificates, threads, loose bounds."""

import numpy as np
import pytest

from structsvm import PartsModel, StructSVM
from structsvm.inference import (
    Arborescence,
    Assignment,
    IntegerProgram,
    IntervalSchedule,
    Knapsack,
    ShortestPath,
    SpanningTree,
    Subset,
)
from structsvm.losses import tree_costs
from structsvm.models.parts import Parts

W = np.array([1.0, -1.0, 0.5])


def graph(rng):
    n = int(rng.integers(3, 7))
    chain = [(i, i + 1) for i in range(n - 1)]
    more = [(i, j) for i in range(n) for j in range(i + 2, n) if rng.random() < 0.6]
    return n, chain + more


def route(rng):
    n, edges = graph(rng)
    return edges, 0, n - 1


def shape(rng):
    return int(rng.integers(1, 5)), int(rng.integers(1, 5))


def mask(rng):
    return rng.random(shape(rng)) < 0.8


def intervals(rng):
    starts = rng.integers(0, 10, size=8)
    return starts, starts + rng.integers(1, 5, size=8)


# Name: (structure, context of an example, number of parts)
CASES = {
    "assignments": (Assignment(), shape, lambda context: context[0] * context[1]),
    "partial assignments": (Assignment(partial=True), mask, lambda context: context.size),
    "paths": (ShortestPath(), route, lambda context: len(context[0])),
    "items": (Subset(), lambda rng: int(rng.integers(0, 5)), lambda _: 6),
    "at most so many items": (
        Subset(at_most=True),
        lambda rng: int(rng.integers(0, 5)),
        lambda _: 6,
    ),
    "trees": (SpanningTree(), graph, lambda context: len(context[1])),
    "arborescences": (Arborescence(), lambda rng: int(rng.integers(2, 6)), lambda n: n * n),
    "knapsacks": (Knapsack([1, 2, 3, 4, 5]), lambda rng: int(rng.integers(1, 12)), lambda _: 5),
    "schedules": (IntervalSchedule(), intervals, lambda context: len(context[0])),
    "programs": (
        IntegerProgram(([1, 1, 1, 1], 0, 3)),
        lambda rng: (rng.integers(0, 4, size=(1, 4)), 0, 6),
        lambda _: 4,
    ),
}


def examples(name, n=25):
    """Inputs, and the best outputs for the weights W plus noise."""
    structure, context_of, size_of = CASES[name]
    rng = np.random.default_rng(0)
    contexts = [context_of(rng) for _ in range(n)]
    rows = [rng.normal(size=(size_of(context), 3)) for context in contexts]
    maximizer = structure.bind(contexts, [len(some) for some in rows])
    y = []
    for i, some in enumerate(rows):
        labels, _ = maximizer.maximize(i, some @ W + 0.3 * rng.normal(size=len(some)))
        y.append(maximizer.count(i, labels))
    return [Parts(r, context=c) for r, c in zip(rows, contexts, strict=True)], y, maximizer


def fitted(structure, X, y, **settings):
    settings = {"C": 1.0, "scale": None, "random_state": 0, **settings}
    return StructSVM(PartsModel(structure), **settings).fit(X, y)


@pytest.mark.parametrize("name", CASES)
def test_structures_are_learned_to_a_certificate_whatever_the_threads(name):
    X, y, maximizer = examples(name)
    fits = [fitted(CASES[name][0], X, y, tol=1e-4, n_jobs=n_jobs) for n_jobs in (1, 3)]
    assert fits[0].certified_
    assert np.array_equal(fits[0].coef_, fits[1].coef_)
    for some, other in zip(fits[0].predict(X), fits[1].predict(X), strict=True):
        assert np.array_equal(some, other)
    # The objective, computed anew from maxima of theta + loss.
    total = 0.0
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        theta = x.rows @ fits[0].coef_[:3] + fits[0].coef_[3]
        _, best = maximizer.maximize(i, theta + 1 - 2 * truth)
        total += max(best + truth.sum() - theta @ truth, 0.0)
    w = fits[0].coef_
    assert fits[0].objective_ == pytest.approx(0.5 * w @ w + total, rel=1e-6)
    # Fewer mistakes than half as many as an output without parts makes.
    assert fits[0].score(X, y) > -0.5 * np.mean([truth.sum() for truth in y])


def test_bounds_of_searches_that_end_early_keep_the_certificate():
    rng = np.random.default_rng(1)
    weights, n = rng.integers(20, 60, size=25), 6
    X = [rng.normal(size=(25, 3)) for _ in range(n)]
    exact = Knapsack(weights, 300)
    maximizer = exact.bind([None] * n, [25] * n)
    y = [maximizer.count(i, maximizer.maximize(i, x @ W)[0]) for i, x in enumerate(X)]
    optimum = fitted(exact, X, y, tol=1e-6)
    svm = fitted(IntegerProgram((weights[None], 0, 300), gap=0.3), X, y, tol=0.3)
    assert svm.certified_
    assert svm.objective_ >= optimum.objective_ - 1e-6
    assert svm.objective_ * (1 - svm.dual_gap_) <= optimum.objective_ * (1 + 1e-6)


@pytest.mark.parametrize(("n", "n_examples"), [(10, 30), (200, 4)])
def test_matchings_have_one_optimum_for_every_solver(n, n_examples):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2 * n_examples, n * n, 3))
    pairs = Assignment((n, n))
    maximizer = pairs.bind([None] * len(X), [n * n] * len(X))
    noise = 0.1 * rng.normal(size=(len(X), n * n))
    y = [
        maximizer.count(i, maximizer.maximize(i, theta)[0]) for i, theta in enumerate(X @ W + noise)
    ]
    X, X_new, y, y_new = X[:n_examples], X[n_examples:], y[:n_examples], y[n_examples:]
    fits = [
        fitted(pairs, X, y, C=0.1, tol=tol, solver=solver, max_iter=1000)
        for solver, tol in (
            ("bcfw", 1e-4), ("n_slack", 1e-4), ("cutting_plane", 1e-4), ("subgradient", 0.1),
        )
    ]  # fmt: skip
    best = max(svm.dual_objective_ for svm in fits)
    for svm in fits:
        assert svm.certified_
        assert svm.dual_gap_ <= svm.tol
        assert best <= svm.objective_ * (1 + 1e-9) <= best / (1 - svm.tol)
    # The best column of each row alone is right less often.
    alone = (X_new @ fits[0].coef_[:3]).reshape(-1, n, n).argmax(axis=2)
    truth = np.array(y_new).reshape(-1, n, n)
    right = np.array(fits[0].predict(X_new)).reshape(truth.shape)[truth == 1].mean()
    assert right > 0.2 + (truth.argmax(axis=2) == alone).mean()


def test_label_trees_are_paths_with_weights_at_every_node():
    """A class is the edge from its group to the target; mistakes cost the way to the truth."""
    edges = [(0, 1), (0, 2), (1, 3), (1, 3), (1, 3), (2, 3), (2, 3)]
    rng = np.random.default_rng(0)
    paths = np.array([[0, 2], [0, 3], [0, 4], [1, 5], [1, 6]])
    means = np.array([[3, 1, 0], [3, -1, 1], [3, -1, -1], [-3, 1, 0], [-3, -1, 0]])
    k = rng.integers(5, size=200)
    X = means[k] + rng.normal(size=(200, 3))
    model = PartsModel(ShortestPath(edges, 0, 3), output="indices")
    svm = StructSVM(model, random_state=0).fit(X[:100], list(paths[k[:100]]))
    costs = tree_costs({0: "a", 1: "a", 2: "a", 3: "b", 4: "b", "a": "all", "b": "all"}, k)
    assert costs.tolist() == [[svm.model_.loss(a, b) for b in paths] for a in paths]
    assert svm.certified_
    assert svm.score(X[100:], list(paths[k[100:]])) > -0.6
