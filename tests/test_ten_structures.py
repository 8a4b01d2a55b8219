"""Ten structures as a new user writes them: a few lines each, one optimum for every solver."""

import itertools

import networkx as nx
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from structsvm import Parts, PartsModel, StructSVM, StructuredModel
from structsvm.inference import Arborescence, Knapsack, SpanningTree

W = np.array([1.0, -2.0, 0.5])
SOLVERS = ["bcfw", "n_slack", "cutting_plane", "subgradient"]


def features(n_parts, n=12, seed=0):
    return np.random.default_rng(seed).normal(size=(n, n_parts, 3))


def learned_from(model, X, best):
    """A model, inputs, and the best outputs for some weights, with noise."""
    noise = np.random.default_rng(1).normal(scale=0.5, size=(len(X), 200))
    y = []
    for x, more in zip(X, noise, strict=True):
        rows = x.rows if isinstance(x, Parts) else x
        y.append(best(rows @ W + more[: len(rows)], x))
    return model, X, y


def path():
    """From corner to corner of a grid, right and down; parts are the edges of a graph."""
    grid = nx.grid_2d_graph(3, 4, create_using=nx.DiGraph)
    edges = [(a, b) for a, b in grid.edges if a < b]
    number = {edge: p for p, edge in enumerate(edges)}
    graph = nx.DiGraph(edges)

    def best(theta, x):
        costs = {edge: -theta[p] for edge, p in number.items()}
        nx.set_edge_attributes(graph, costs, "cost")
        nodes = nx.bellman_ford_path(graph, (0, 0), (2, 3), weight="cost")
        return {number[edge] for edge in itertools.pairwise(nodes)}

    return learned_from(PartsModel(best, output="indices"), features(len(edges)), best)


def knapsack():
    weights, rooms = [3, 4, 2, 5, 1, 4], [6, 9, 12] * 4
    X = [Parts(rows=x, context=room) for x, room in zip(features(6), rooms, strict=True)]

    def best(theta, x):
        subsets = np.array(list(itertools.product((0, 1), repeat=6)))
        return max(subsets[subsets @ weights <= x.context], key=lambda z: theta @ z)

    return learned_from(PartsModel(Knapsack(weights)), X, best)


def spanning_tree():
    edges = list(itertools.combinations(range(5), 2))

    def best(theta, x):
        graph = nx.Graph()
        graph.add_weighted_edges_from((a, b, t) for (a, b), t in zip(edges, theta, strict=True))
        tree = nx.maximum_spanning_tree(graph)
        return [int(tree.has_edge(*edge)) for edge in edges]

    return learned_from(PartsModel(SpanningTree(5, edges)), features(10), best)


def k_subset():
    def best(theta, x):
        return np.argsort(-theta)[:3]

    return learned_from(PartsModel(best, output="indices"), features(8), best)


class Permutation(StructuredModel):
    """A ranking: item i at place y[i] scores (n - 1 - 2 y[i]) <w, x_i>."""

    def joint_feature(self, x, y):
        return (len(x) - 1 - 2 * y) @ x

    def loss(self, y, y_hat):
        return np.abs(y - y_hat).sum()

    def inference(self, x, w):
        return np.argsort(np.argsort(-(x @ w)))

    def loss_augmented_inference(self, x, y, w):
        places = np.arange(len(x))
        scores = (len(x) - 1 - 2 * places) * (x @ w)[:, None]
        return linear_sum_assignment(-scores - np.abs(places - y[:, None]))[1]


def permutation():
    return learned_from(Permutation(), features(5), lambda theta, x: np.argsort(np.argsort(-theta)))


def taxonomy():
    """One path from the root of a tree of classes to a leaf; x is one vector."""
    parent = [-1, -1, 0, 0, 1, 1, 1]
    paths = np.array([[p == leaf or p == parent[leaf] for p in range(7)] for leaf in range(2, 7)])

    def best(theta, x):
        return paths[np.argmax(paths @ theta)]

    X = np.random.default_rng(0).normal(size=(20, 4))
    weights = np.random.default_rng(1).normal(size=(4, 7))
    return PartsModel(best, n_parts=7), X, [best(x @ weights, x) for x in X]


def box():
    """The best rectangle of an image; parts are its pixels."""
    spans = list(itertools.combinations(range(5), 2))

    def best(theta, x):
        sums = np.pad(theta.reshape(4, 4), ((1, 0), (1, 0))).cumsum(0).cumsum(1)
        _, a, b, c, d = max(
            (sums[b, d] - sums[a, d] - sums[b, c] + sums[a, c], a, b, c, d)
            for a, b in spans
            for c, d in spans
        )
        mask = np.zeros((4, 4), dtype=bool)
        mask[a:b, c:d] = True
        return mask.ravel()

    return learned_from(PartsModel(best), features(16), best)


def alignment():
    """Pairs of positions of two sequences, increasing in both, with any gaps."""

    def best(theta, x):
        n, m = x.context
        value = np.zeros((n + 1, m + 1))
        for i, j in itertools.product(range(n), range(m)):
            pair = value[i, j] + theta[i * m + j]
            value[i + 1, j + 1] = max(value[i, j + 1], value[i + 1, j], pair)
        pairs = []
        while n and m:
            if value[n, m] == value[n - 1, m]:
                n -= 1
            elif value[n, m] == value[n, m - 1]:
                m -= 1
            else:
                n, m = n - 1, m - 1
                pairs.append(n * x.context[1] + m)
        return pairs

    shapes = [(3, 4), (4, 4), (2, 5)] * 4
    X = [Parts(features(n * m, 1, seed)[0], context=(n, m)) for seed, (n, m) in enumerate(shapes)]
    return learned_from(PartsModel(best, output="indices"), X, best)


def matching():
    """Any pairs of six people; parts are the pairs, an answer is a set of them."""
    pairs = list(itertools.combinations(range(6), 2))

    def best(theta, x):
        graph = nx.Graph()
        graph.add_weighted_edges_from((a, b, t) for (a, b), t in zip(pairs, theta, strict=True))
        return nx.max_weight_matching(graph)

    def to_parts(matching, x):
        return {pairs.index(tuple(sorted(pair))) for pair in matching}

    model = PartsModel(best, output="indices", to_parts=to_parts)
    return learned_from(model, features(15), lambda theta, x: to_parts(best(theta, x), x))


def dag_parse():
    """A head for each word, or the root; parts are arcs, those of each example."""
    arcs = [(head, word) for head in range(5) for word in range(1, 5) if head != word]

    def best(theta, x):
        graph = nx.DiGraph()
        graph.add_weighted_edges_from((a, b, t) for (a, b), t in zip(arcs, theta, strict=True))
        tree = nx.maximum_spanning_arborescence(graph)
        return [tree.has_edge(*arc) for arc in arcs]

    return learned_from(
        PartsModel(Arborescence(5, arcs, single_root=False)), features(len(arcs)), best
    )


TEN = [
    path, knapsack, spanning_tree, k_subset, permutation,
    taxonomy, box, alignment, matching, dag_parse,
]  # fmt: skip


@pytest.mark.parametrize("structure", TEN)
def test_every_solver_finds_one_optimum(structure):
    model, X, y = structure()
    objectives = {}
    for solver in SOLVERS:
        rough = solver == "subgradient"
        svm = StructSVM(
            model, C=0.1, scale=None, solver=solver, tol=0.05 if rough else 1e-5,
            max_iter=1000, random_state=0,
        ).fit(X, y)  # fmt: skip
        assert svm.certified_
        assert svm.dual_gap_ <= svm.tol
        objectives[solver] = svm.objective_
    best = min(objectives.values())
    assert objectives.pop("subgradient") <= best * 1.06
    assert max(objectives.values()) <= best * (1 + 2e-5)


@pytest.mark.parametrize("structure", TEN)
def test_with_nothing_changed_it_learns(structure):
    model, X, y = structure()
    svm = StructSVM(model, random_state=0).fit(X, y)
    untrained = svm.model_.batch_inference(X, np.zeros_like(svm.coef_))
    assert svm.certified_
    assert svm.score(X, y) > 0.6 * svm.model_.score(y, untrained)
