"""Max-product on trees and the exhaustive search against plain enumeration, and bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.graphs import SCORES, best_by_enumeration, score, tiny_forests, tiny_graphs

from structsvm.inference import exhaustive, max_product_tree, viterbi

FORBIDDING = SCORES | st.just(-np.inf)


def allowed_pairwise(graph):
    """Scores of agreement are finite."""
    unary, edges, pairwise = graph
    return (
        unary,
        edges,
        np.where(np.isinf(pairwise), 0.5, pairwise) if pairwise.ndim == 1 else (pairwise),
    )


def outward(n_nodes, edges):
    """Nodes tree by tree, each after its neighbour on the way to the tree's lowest node."""
    order = []
    for root in range(n_nodes):
        if root in order:
            continue
        order.append(root)
        for node in order:
            for edge in edges:
                if node in edge:
                    (other,) = set(edge) - {node}
                    if other not in order:
                        order.append(other)
    return order


@settings(max_examples=250, deadline=None)
@given(tiny_forests(FORBIDDING))
def test_equals_enumeration_ties_included(graph):
    graph = allowed_pairwise(graph)
    if np.isneginf(graph[0]).all(axis=1).any():
        with pytest.raises(ValueError, match="is -inf for every label"):
            max_product_tree(*graph)
        return
    value, best = best_by_enumeration(*graph)
    if value == -np.inf:
        with pytest.raises(ValueError, match=r"the tree of node \d has no labelling with a finite"):
            max_product_tree(*graph)
        with pytest.raises(ValueError, match="every labelling is forbidden"):
            exhaustive(*graph)
        return
    found = max_product_tree(*graph)
    assert (found.score, found.bound, found.oracle) == (value, value, "exact")
    assert found.labels.dtype == np.int32
    order = outward(len(graph[0]), graph[1].tolist())
    want = min(best, key=lambda labels: [labels[node] for node in order])
    assert tuple(found.labels) == want


@settings(max_examples=200, deadline=None)
@given(tiny_forests(st.floats(-1e3, 1e3)))
def test_scores_of_any_kind_reach_the_best_value(graph):
    value, _ = best_by_enumeration(*graph)
    found = max_product_tree(*graph)
    assert found.score == pytest.approx(value, abs=1e-9)
    assert score(found.labels, *graph) == pytest.approx(value, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(tiny_graphs(FORBIDDING, max_nodes=4))
def test_exhaustive_equals_plain_enumeration(graph):
    graph = allowed_pairwise(graph)
    if np.isneginf(graph[0]).all(axis=1).any():
        return
    value, best = best_by_enumeration(*graph)
    if value == -np.inf:
        with pytest.raises(ValueError, match="every labelling is forbidden"):
            exhaustive(*graph)
        return
    found = exhaustive(*graph)
    assert (found.score, found.bound, found.oracle) == (value, value, "exact")
    assert tuple(found.labels) == best[0]


@pytest.mark.parametrize("n_labels", [1, 2, 7, 30])
@pytest.mark.parametrize("per_edge", [False, True])
def test_chains_equal_viterbi(n_labels, per_edge):
    rng = np.random.default_rng(n_labels)
    unary = rng.normal(size=(40, n_labels))
    tables = rng.normal(size=((40,) if per_edge else ()) + (n_labels, n_labels))
    edges = np.stack([np.arange(39), np.arange(1, 40)], axis=1)
    labels, value = viterbi(unary, tables)
    found = max_product_tree(unary, edges, tables[1:] if per_edge else tables)
    assert found.labels.tolist() == labels.tolist()
    assert found.score == pytest.approx(value)


def test_deep_and_wide_trees():
    rng = np.random.default_rng(0)
    for parents in (np.arange(99_999), np.zeros(99_999, dtype=int)):
        edges = np.stack([np.arange(1, 100_000), parents], axis=1)
        name = rng.permutation(100_000)
        unary = rng.integers(0, 9, size=(100_000, 2)).astype(float)
        found = max_product_tree(unary, name[edges], np.full(99_999, 1.0))
        assert found.score == score(found.labels, unary, name[edges], np.full(99_999, 1.0))
        # No single change betters it.
        other = 1 - found.labels
        own = unary[np.arange(100_000), other] - unary[np.arange(100_000), found.labels]
        agree = found.labels[name[edges]]
        same = np.where(agree[:, 0] == agree[:, 1], -1.0, 1.0)
        for end in (0, 1):
            np.add.at(own, name[edges][:, end], same)
        assert own.max() <= 0


def test_empty_and_single():
    for search in (max_product_tree, exhaustive):
        for n_labels in (0, 2):
            found = search(np.zeros((0, n_labels)), [], np.zeros((n_labels, n_labels)))
            assert (found.labels.shape, found.score) == ((0,), 0.0)
        assert search([[1.0, 3.0, 3.0]], [], []).labels.tolist() == [1]
        assert search(np.ones((70, 1)), [], np.zeros((0, 1, 1))).score == 70


U = np.zeros((3, 2))


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        (
            [[0, 1], [1, 2], [2, 0]],
            r"edges\[2\] = \(2, 0\) closes a cycle: max_product_tree",
        ),
        ([[0, 1], [1, 0]], r"edges\[1\] = \(1, 0\) closes a cycle"),
        ([[0, 1], [1, 1]], r"edges\[1\] joins node 1 to itself"),
        ([[0, 1], [1, 3]], r"edges\[1, 1\] is 3, expected a node from 0 to 2"),
    ],
)
def test_bad_edges(edges, message):
    with pytest.raises(ValueError, match=message):
        max_product_tree(U, edges, np.zeros(len(edges)))


@pytest.mark.parametrize("search", [max_product_tree, exhaustive])
@pytest.mark.parametrize(
    ("unary", "pairwise", "message"),
    [
        ([[0, np.nan]] * 3, np.zeros(2), r"unary\[0, 1\] is nan; scores are finite, or -inf"),
        ([[0, np.inf]] * 3, np.zeros(2), r"unary\[0, 1\] is inf; scores are finite, or -inf"),
        ([[-np.inf] * 2] * 3, np.zeros(2), r"unary\[0\] is -inf for every label"),
        (U, [0, -np.inf], r"pairwise\[1\] is -inf; scores are finite$"),
        (U, [[0, 0], [np.inf, 0]], r"pairwise\[1, 0\] is inf; scores are finite, or -inf"),
        (U, [[[0, 0]] * 2, [[0, np.nan]] * 2], r"pairwise\[1, 0, 1\] is nan; scores are finite"),
        (U, np.zeros((2, 3)), r"pairwise has shape \(2, 3\), expected \(2, 2\)"),
    ],
)
def test_bad_scores(search, unary, pairwise, message):
    with pytest.raises(ValueError, match=message):
        search(unary, [[0, 1], [1, 2]], pairwise)


def test_a_forbidden_tree_is_named():
    never = np.full((2, 2), -np.inf)
    with pytest.raises(ValueError, match="the tree of node 1 has no labelling with a finite score"):
        max_product_tree(U, [[2, 1]], never)


def test_too_many_labellings():
    with pytest.raises(
        ValueError, match="20 nodes with 3 labels have more than 1000000 labellings"
    ):
        exhaustive(np.zeros((20, 3)), [], np.zeros((3, 3)))


@pytest.mark.parametrize("search", [max_product_tree, exhaustive])
def test_scores_that_overflow_are_refused(search):
    edges = [[0, 1], [1, 2]]
    for unary, pairwise in (
        ([[1e308, 0.0], [1e308, 0.0], [0.0, 0.0]], [0.0, 0.0]),
        ([[0.0, -np.inf]] * 3, [1e308, 1e308]),
        ([[0.0, -np.inf]] * 3, [[1e308, 0.0], [0.0, 0.0]]),
    ):
        with pytest.raises(ValueError, match="the scores add up to more than a double can hold"):
            search(unary, edges, pairwise)
