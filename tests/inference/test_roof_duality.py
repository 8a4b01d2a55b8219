"""Roof duality against enumeration, linear programming and cuts, and against bad input."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.graphs import (
    FEW,
    SCORES,
    best_by_enumeration,
    binary_labellings,
    exactly,
    given_up,
    relaxed_optimum,
    sizes_apart,
    tiny_graphs,
)

from structsvm.inference import graph_cut, relax, roof_duality

BINARY = {"max_labels": 2, "kinds": (1, 3), "max_nodes": 6, "max_edges": 9}


def binary(graph):
    """The first column as score of label 1; score and linear program take both."""
    unary, edges, pairwise = graph
    if pairwise.ndim == 3:
        pairwise = np.resize(pairwise, (len(edges), 2, 2)) if pairwise.size else np.zeros((0, 2, 2))
    ones = unary[:, 0]
    return ones, edges, pairwise, np.stack([np.zeros(len(ones)), ones], axis=1)


@settings(max_examples=300, deadline=None)
@given(tiny_graphs(SCORES | FEW, **BINARY))
def test_labels_are_persistent_and_the_bound_is_that_of_the_relaxation(graph):
    ones, edges, pairwise, unary = binary(graph)
    result = roof_duality(ones, edges, pairwise)
    rounding = 1e-13 * (1 + np.abs(ones).sum() + np.abs(pairwise).sum())
    value, best = best_by_enumeration(unary, edges, pairwise)
    assert result.bound >= value - rounding
    decided = result.labels >= 0
    # Weakly: one of the best has all decided labels. Strongly: all of them have those.
    assert any((np.array(labels)[decided] == result.labels[decided]).all() for labels in best)
    assert (decided | ~result.strong).all()
    for labels in best:
        assert (np.array(labels)[result.strong] == result.labels[result.strong]).all()
    # What the fractional labelling scores, and that it is one.
    assert result.value == pytest.approx(result.bound, abs=rounding)
    nodes, pairs = result.node_marginals, result.edge_marginals
    tables = pairwise[:, None, None] * np.eye(2) if pairwise.ndim == 1 else pairwise
    assert (nodes * unary).sum() + (pairs * tables).sum() == pytest.approx(
        result.value, abs=rounding
    )
    assert (pairs >= 0).all()
    assert np.array_equal(pairs.sum(axis=2), nodes[edges[:, 0]])
    assert np.array_equal(pairs.sum(axis=1), nodes[edges[:, 1]])
    assert np.array_equal(result.agreement, np.trace(pairs, axis1=1, axis2=2))
    assert result.oracle == ("exact" if decided.all() else "over-generating")
    if decided.all():
        assert result.bound == pytest.approx(value, abs=rounding)


@settings(max_examples=200, deadline=None)
@given(tiny_graphs(st.floats(-3, 3) | FEW, **BINARY))
def test_equals_linear_programming(graph):
    ones, edges, pairwise, unary = binary(graph)
    result = roof_duality(ones, edges, pairwise)
    optimum = relaxed_optimum(unary, edges, pairwise)
    assert result.bound == pytest.approx(optimum, abs=1e-6)


@settings(max_examples=200, deadline=None)
@given(tiny_graphs(FEW, max_nodes=5, max_labels=1, kinds=(1,)), st.data())
def test_decided_labels_are_the_best_at_any_scale(graph, data):
    n, edges = len(graph[0]), graph[1]
    unary = data.draw(sizes_apart(n, signed=True))
    pairwise = data.draw(sizes_apart(len(edges), signed=True))
    result = roof_duality(unary, edges, pairwise)
    every = binary_labellings(n)
    lost = given_up(every, unary, edges, pairwise)
    decided = result.labels >= 0
    kept = (every[:, decided] == result.labels[decided]).all(axis=1)
    assert (lost[kept].min() - lost.min()) * 10**12 <= lost.min()
    best = exactly(np.maximum([*unary, *pairwise], 0)).sum() - lost.min()
    rounding = abs(best) + lost.min()
    above = (exactly([result.bound])[0] - best) * 10**12
    assert above >= -rounding
    if decided.all():
        assert above <= rounding


def test_a_bound_beside_huge_couplings():
    edges = [[0, 1], [1, 2]]
    result = roof_duality([3.0, -1.0, 1.0], edges, [-1e16, 1e16])
    # The score of the two edges and of the first node: 3 + 1e16 is between two numbers.
    assert result.labels.tolist() == [1, 0, 0]
    assert (result.value, result.bound) == (1e16 + 3, 1e16 + 3)
    tables = [[[1e16, 0.0], [0.0, 1e16 + 2]]]
    result = roof_duality([0.0, -1.0], [[0, 1]], tables)
    assert result.labels.tolist() == [1, 1]


def fractional_optima(unary, edges, pairwise):
    """All best labellings by 0, 1/2 and 1, doubled."""
    scores = {}
    for halves in itertools.product((0, 1, 2), repeat=len(unary)):
        total = sum(u * h / 2 for u, h in zip(unary, halves, strict=True))
        for (a, b), w in zip(edges, pairwise, strict=True):
            undecided = halves[a] == halves[b] == 1
            total += w * ((w > 0) if undecided else 1 - abs(halves[a] - halves[b]) / 2)
        scores[halves] = total
    best = max(scores.values())
    return [halves for halves, score in scores.items() if score == best]


@settings(max_examples=200, deadline=None)
@given(tiny_graphs(FEW, max_nodes=5, max_labels=1, kinds=(1,)))
def test_decides_what_any_best_fractional_labelling_decides(graph):
    unary, edges, pairwise = graph[0][:, 0], graph[1], graph[2]
    result = roof_duality(unary, edges, pairwise)
    best = fractional_optima(unary, edges, pairwise)
    for node in range(len(unary)):
        seen = {halves[node] for halves in best}
        assert (result.labels[node] < 0) == (seen == {1})
        assert result.strong[node] == (len(seen) == 1 and seen != {1})
    assert tuple(np.where(result.labels < 0, 1, 2 * result.labels)) in best


@settings(max_examples=200, deadline=None)
@given(tiny_graphs(FEW, max_nodes=5, max_labels=1, kinds=(1,)), st.integers(0, 31))
def test_decided_labels_never_lower_a_score(graph, number):
    unary, edges, pairwise = graph[0][:, 0], graph[1], graph[2]
    result = roof_duality(unary, edges, pairwise)
    labels = np.array([number >> k & 1 for k in range(len(unary))], dtype=int)
    overruled = np.where(result.labels < 0, labels, result.labels)

    def score(y):
        return unary @ y + pairwise @ (y[edges[:, 0]] == y[edges[:, 1]])

    assert score(overruled) >= score(labels)


@settings(max_examples=200, deadline=None)
@given(tiny_graphs(SCORES, max_labels=1, kinds=(1,)))
def test_without_repulsion_the_labels_are_those_of_the_cut(graph):
    unary, edges, pairwise = graph[0][:, 0], graph[1], np.abs(graph[2])
    result = roof_duality(unary, edges, pairwise)
    assert result.oracle == "exact"
    assert result.labels.tolist() == graph_cut(unary, edges, pairwise).tolist()


def test_a_table_that_turning_labels_makes_attractive_is_solved():
    # A bipartite graph of repelling edges: the labels of one side turned, all attract.
    rng = np.random.default_rng(0)
    edges = np.array([(i, 20 + j) for i in range(20) for j in range(20) if rng.random() < 0.2])
    unary, pairwise = rng.normal(size=40), -rng.random(len(edges))
    result = roof_duality(unary, edges, pairwise)
    side = np.repeat([1, -1], 20)
    want = graph_cut(side * unary, edges, -pairwise)
    assert result.oracle == "exact"
    assert result.labels.tolist() == np.where(side > 0, want, 1 - want).tolist()


def test_large_graphs_agree_with_the_relaxation_by_messages():
    rng = np.random.default_rng(0)
    number = np.arange(3600).reshape(60, 60)
    edges = np.concatenate(
        [
            np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1),
            np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1),
        ]
    )
    unary, pairwise = rng.normal(size=3600), rng.normal(size=len(edges))
    result = roof_duality(unary, edges, pairwise)
    messages = relax(
        np.stack([np.zeros(3600), unary], axis=1), edges, pairwise, tol=1e-4, max_sweeps=1000
    )
    assert 0 < (result.labels < 0).sum() < 3600
    assert messages.converged
    assert messages.value - 1e-9 <= result.bound <= messages.bound + 1e-9
    assert messages.gap <= 1e-4 * (np.abs(unary).sum() + np.abs(pairwise).sum()) + 1e-9


def test_long_circles_need_no_recursion():
    n = 100_001
    edges = np.stack([np.arange(n), (np.arange(n) + 1) % n], axis=1)
    result = roof_duality(np.zeros(n), edges, np.full(n, -1.0))
    assert (result.labels == -1).all()
    assert result.bound == 0
    unary = np.zeros(n)
    unary[7] = 3.0
    result = roof_duality(unary, edges, np.full(n, -1.0))
    assert result.bound == 2  # one edge has to agree
    open_chain = roof_duality(unary, edges[:-1], np.full(n - 1, -1.0))
    assert open_chain.oracle == "exact"
    assert open_chain.labels.tolist() == [(k + 8) % 2 for k in range(n)]


def test_empty_single_and_one_table_for_all():
    result = roof_duality([], [], [])
    assert (result.labels.shape, result.bound, result.oracle) == ((0,), 0.0, "exact")
    assert result.edge_marginals.shape == (0, 2, 2)
    assert roof_duality([0.0], [], []).labels.tolist() == [0]
    assert roof_duality([1e-300], [], []).labels.tolist() == [1]
    one = roof_duality([1, 2, -1], [[0, 1], [2, 1]], [[0, 3], [1, -2]])
    each = roof_duality([1, 2, -1], [[0, 1], [2, 1]], [[[0, 3], [1, -2]]] * 2)
    assert (
        (one.bound, one.labels.tolist())
        == (each.bound, each.labels.tolist())
        == (
            8.0,
            [0, 1, 0],
        )
    )


@pytest.mark.parametrize(
    ("unary", "edges", "pairwise", "message"),
    [
        ([0, np.nan], [[0, 1]], [1], r"unary\[1\] is nan; expected a number"),
        ([0, -np.inf], [[0, 1]], [1], r"unary\[1\] is -inf; the scores of a cut are finite"),
        ([[0, 1]], [], [], r"unary has shape \(1, 2\), expected \(2,\)"),
        ([0, 0], [[0, 1]], [np.inf], r"pairwise\[0\] is inf; the scores of a cut are finite"),
        ([0, 0], [[0, 1]], [[[0, 0], [np.nan, 0]]], r"pairwise\[0, 1, 0\] is nan"),
        ([0, 0], [[0, 1]], [1, 2], r"pairwise has shape \(2,\), expected \(1,\), \(2, 2\) or"),
        ([0, 0], [[0, 2]], [1], r"edges\[0, 1\] is 2, expected a node from 0 to 1"),
        ([0, 0], [[0, 0]], [1], r"edges\[0\] joins node 0 to itself"),
        ([1e308, 1e308], [[0, 1]], [1], "the scores add up to more than a double"),
        (["a"], [], [], "unary has dtype <U1, expected real numbers"),
    ],
)
def test_bad_input(unary, edges, pairwise, message):
    with pytest.raises(ValueError, match=message):
        roof_duality(unary, edges, pairwise)
