"""The relaxation against enumeration, against linear programming, and against bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.graphs import (
    FEW,
    best_by_enumeration,
    relaxed_optimum,
    score,
    tables_of,
    tiny_forests,
    tiny_graphs,
)

from structsvm.inference import Relaxation, relax

MODERATE = st.floats(-3, 3) | FEW


def spread(unary, edges, pairwise):
    """What `tol` is a fraction of."""
    unary = np.where(np.isfinite(unary), unary, np.nan)
    total = float(np.sum(np.nanmax(unary, axis=1) - np.nanmin(unary, axis=1))) if unary.size else 0
    if np.ndim(pairwise) == 1:
        return total + float(np.abs(pairwise).sum())
    tables = tables_of(edges, pairwise, unary.shape[1])
    return total + sum(float(np.ptp(table)) for table in tables)


def value_of(result, unary, edges, pairwise):
    """What the fractional labelling scores, from its marginals."""
    tables = tables_of(edges, pairwise, unary.shape[1]).reshape(result.edge_marginals.shape)
    used = result.node_marginals > 0
    on_nodes = result.node_marginals[used] @ unary[used]
    return float(on_nodes + (result.edge_marginals * tables).sum())


def check(result, unary, edges, pairwise):
    """All that holds whether it converged or not."""
    rounding = 1e-12 * (1 + sum(np.abs(a[np.isfinite(a)]).sum() for a in (unary, pairwise)))
    rounding *= 1 + len(edges)
    assert result.score == pytest.approx(score(result.labels, unary, edges, pairwise), abs=rounding)
    assert result.value == pytest.approx(value_of(result, unary, edges, pairwise), abs=rounding)
    assert result.score <= result.value <= result.bound
    assert result.gap == result.bound - result.value
    assert result.oracle == "over-generating"
    assert result.residual < 1e-12
    assert (result.node_marginals >= 0).all()
    assert (result.edge_marginals >= -1e-15).all()
    if result.agreement is not None:
        diagonal = np.trace(result.edge_marginals, axis1=1, axis2=2)
        np.testing.assert_allclose(result.agreement, diagonal, atol=1e-12)
    return rounding


@settings(max_examples=300, deadline=None)
@given(tiny_graphs(), st.integers(1, 40))
def test_bound_holds_whenever_one_stops(graph, max_sweeps):
    result = relax(*graph, tol=0, max_sweeps=max_sweeps)
    rounding = check(result, *graph)
    assert result.bound >= best_by_enumeration(*graph)[0] - rounding
    assert result.n_sweeps <= max_sweeps


@settings(max_examples=200, deadline=None)
@given(tiny_graphs(MODERATE))
def test_equals_linear_programming(graph):
    result = relax(*graph, tol=1e-5, max_sweeps=5000)
    check(result, *graph)
    assert result.converged
    optimum = relaxed_optimum(*graph)
    slack = 1e-5 * spread(*graph) + 1e-7
    assert optimum - 1e-7 <= result.bound <= optimum + slack
    assert optimum - slack <= result.value <= optimum + 1e-7


@pytest.mark.parametrize("kind", ["agreement", "one table", "tables"])
@pytest.mark.parametrize("seed", range(4))
def test_equals_linear_programming_on_frustrated_graphs(seed, kind):
    rng = np.random.default_rng(seed)
    n, k = 10, 2 + seed % 3
    edges = np.array([(i, j) for i in range(n) for j in range(n) if i != j and rng.random() < 0.2])
    sizes = {"agreement": len(edges), "one table": (k, k), "tables": (len(edges), k, k)}
    unary, pairwise = rng.normal(size=(n, k)), 2 * rng.normal(size=sizes[kind])
    optimum = relaxed_optimum(unary, edges, pairwise)
    result = relax(unary, edges, pairwise, tol=1e-6, max_sweeps=5000)
    assert result.converged
    check(result, unary, edges, pairwise)
    assert result.bound == pytest.approx(optimum, abs=1e-6 * spread(unary, edges, pairwise) + 1e-9)
    # Else nothing would be relaxed here.
    if kind == "agreement":
        assert result.bound > best_by_enumeration(unary[:, :2], edges, pairwise)[0] or k > 2


def test_circle_of_repulsion_gets_halves():
    result = relax(np.zeros((3, 2)), [[0, 1], [1, 2], [2, 0]], [-1.0] * 3, tol=1e-8)
    assert (result.bound, result.value) == (pytest.approx(0, abs=1e-7),) * 2
    assert result.score == -1
    np.testing.assert_allclose(result.node_marginals, 0.5, atol=1e-7)
    np.testing.assert_allclose(result.agreement, 0, atol=1e-7)


@settings(max_examples=150, deadline=None)
@given(tiny_forests(MODERATE))
def test_exact_on_forests(graph):
    result = relax(*graph, tol=1e-6, max_sweeps=5000)
    check(result, *graph)
    best = best_by_enumeration(*graph)[0]
    slack = 1e-6 * spread(*graph) + 1e-9
    assert best - 1e-9 <= result.bound <= best + slack
    assert result.value == pytest.approx(best, abs=slack)


@settings(max_examples=150, deadline=None)
@given(tiny_graphs(MODERATE, max_labels=2, kinds=(1,)))
def test_exact_where_two_labels_attract(graph):
    unary, edges, pairwise = graph[0], graph[1], np.abs(graph[2])
    result = relax(unary, edges, pairwise, tol=1e-6, max_sweeps=5000)
    best = best_by_enumeration(unary, edges, pairwise)[0]
    slack = 1e-6 * spread(unary, edges, pairwise) + 1e-9
    assert best - 1e-9 <= result.bound <= best + slack


def test_labels_of_an_attractive_grid_are_the_best():
    rng = np.random.default_rng(0)
    unary, edges = rng.normal(size=(12, 2)), grid_edges(3, 4)
    pairwise = rng.random(len(edges))
    result = relax(unary, edges, pairwise, tol=1e-9)
    value, best = best_by_enumeration(unary, edges, pairwise)
    assert result.labels.tolist() == list(best[0])
    assert result.score == pytest.approx(value)
    assert result.bound == pytest.approx(value, abs=1e-7)
    assert result.node_marginals.argmax(axis=1).tolist() == result.labels.tolist()


@pytest.mark.parametrize("n_labels", [1, 2, 3, 4, 5, 8, 9, 11, 21])
@pytest.mark.parametrize("size", [1.0, 1e-3, 1e3])
def test_agreement_equals_the_table_that_says_the_same(n_labels, size):
    # Closed forms against sums over all pairs, at every padding; weights of both signs, some far
    # above the others. Couplings differ before the end, and with them when the temperature falls.
    rng = np.random.default_rng(n_labels)
    edges = grid_edges(4, 5)
    unary = rng.normal(size=(20, n_labels))
    weights = size * rng.normal(size=len(edges)) ** 3
    tables = tables_of(edges, weights, n_labels)
    for max_sweeps in (1, 2):
        one = relax(unary, edges, weights, tol=0, max_sweeps=max_sweeps)
        other = relax(unary, edges, tables, tol=0, max_sweeps=max_sweeps)
        assert one.bound == pytest.approx(other.bound, rel=1e-12)
    one = relax(unary, edges, weights, tol=1e-6, max_sweeps=3000)
    other = relax(unary, edges, tables, tol=1e-6, max_sweeps=3000)
    assert one.converged
    assert other.converged
    slack = 1e-6 * spread(unary, edges, weights) + 1e-12
    assert abs(one.bound - other.bound) <= slack
    assert abs(one.value - other.value) <= slack


@settings(max_examples=60, deadline=None)
@given(tiny_graphs(MODERATE, kinds=(3,)), st.randoms())
def test_turned_edges_with_turned_tables_say_the_same(graph, random):
    unary, edges, tables = graph
    turn = [random.random() < 0.5 for _ in edges]
    turned = np.array([e[::-1] if t else e for e, t in zip(edges, turn, strict=True)])
    turned_tables = np.array([e.T if t else e for e, t in zip(tables, turn, strict=True)])
    one = relax(unary, edges, tables, tol=0, max_sweeps=9)
    other = relax(unary, turned, turned_tables.reshape(tables.shape), tol=0, max_sweeps=9)
    assert one.bound == pytest.approx(other.bound, abs=1e-9)
    assert one.score == pytest.approx(other.score, abs=1e-9)


@settings(max_examples=100, deadline=None)
@given(tiny_graphs(MODERATE), st.integers(0, 99))
def test_warm_start_is_as_valid_and_as_good(graph, seed):
    unary, edges, pairwise = graph
    rng = np.random.default_rng(seed)
    kept = Relaxation(len(unary), edges, unary.shape[1])
    for size in (0.0, 0.01, 1.0, 0.0):
        changed = unary + size * rng.normal(size=unary.shape)
        scores = pairwise * (1 + size)
        warm = kept.solve(changed, scores, tol=1e-4, max_sweeps=5000)
        check(warm, changed, edges, scores)
        assert warm.converged
        cold = relax(changed, edges, scores, tol=1e-4, max_sweeps=5000)
        slack = 1e-4 * spread(changed, edges, scores) + 1e-9
        assert abs(warm.bound - cold.bound) <= slack
    again = kept.solve(changed, scores, tol=1e-4, max_sweeps=5000, warm=False)
    assert (again.bound, again.value, again.n_sweeps) == (cold.bound, cold.value, cold.n_sweeps)
    assert np.array_equal(again.node_marginals, cold.node_marginals)


def test_warm_start_saves_sweeps():
    rng = np.random.default_rng(0)
    unary, edges = rng.normal(size=(900, 4)), grid_edges(30, 30)
    pairwise = rng.random(len(edges))
    kept = Relaxation(900, edges, 4)
    cold = kept.solve(unary, pairwise)
    warm = kept.solve(unary + 1e-3 * rng.normal(size=unary.shape), pairwise)
    assert cold.converged
    assert warm.converged
    assert warm.n_sweeps < cold.n_sweeps / 2


def test_messages_scale_with_the_scores():
    rng = np.random.default_rng(0)
    unary, edges = rng.normal(size=(900, 4)), grid_edges(30, 30)
    pairwise = rng.random(len(edges))
    kept = Relaxation(900, edges, 4)
    first = kept.solve(unary, pairwise)
    kept.scale(8.0)
    again = kept.solve(8 * unary, 8 * pairwise)
    assert (first.n_sweeps > 2, again.n_sweeps) == (True, 0)
    assert again.bound == pytest.approx(8 * first.bound, rel=1e-4)
    with pytest.raises(ValueError, match="factor=0: expected a finite number > 0"):
        kept.scale(0)


def test_scores_of_one_kind_after_those_of_another():
    rng = np.random.default_rng(0)
    unary, edges = rng.normal(size=(12, 3)), grid_edges(3, 4)
    kept = Relaxation(12, edges, 3)
    choices = rng.normal(size=len(edges)), rng.normal(size=(3, 3)), rng.normal(size=(17, 3, 3))
    for pairwise in (*choices, *choices[::-1]):
        result = kept.solve(unary, pairwise, tol=1e-5, max_sweeps=5000)
        check(result, unary, edges, pairwise)
        optimum = relaxed_optimum(unary, edges, pairwise)
        assert result.bound == pytest.approx(optimum, abs=1e-5 * spread(unary, edges, pairwise))


def test_results_do_not_change_with_later_solves():
    kept = Relaxation(2, [[0, 1]], 2)
    first = kept.solve([[1.0, 0.0], [0.0, 1.0]], [0.0])
    before = first.labels.tolist(), first.node_marginals.tolist(), first.agreement.tolist()
    kept.solve([[0.0, 9.0], [9.0, 0.0]], [1.0])
    after = first.labels.tolist(), first.node_marginals.tolist(), first.agreement.tolist()
    assert before == after == ([0, 1], [[1, 0], [0, 1]], [0])


@settings(max_examples=100, deadline=None)
@given(tiny_graphs(st.sampled_from([0.0, 1.0, -1.0, 0.5])), st.integers(0, 2**15 - 1))
def test_forbidden_labels_are_not_used(graph, mask):
    unary, edges, pairwise = graph
    allowed = np.array([mask >> k & 1 for k in range(unary.size)], dtype=bool).reshape(unary.shape)
    allowed[:, 0] |= ~allowed.any(axis=1)
    unary = np.where(allowed, unary, -np.inf)
    result = relax(unary, edges, pairwise, tol=1e-6, max_sweeps=3000)
    check(result, unary, edges, pairwise)
    assert (result.node_marginals[~allowed] == 0).all()
    assert result.bound >= best_by_enumeration(unary, edges, pairwise)[0] - 1e-9
    assert np.isfinite(result.bound)
    # A large finite penalty says the same.
    finite = np.where(allowed, unary, -1e3)
    assert result.bound == pytest.approx(relaxed_optimum(finite, edges, pairwise), abs=1e-3)


@pytest.mark.parametrize("size", [1e-300, 1e-12, 1e12, 1e290])
def test_any_scale(size):
    rng = np.random.default_rng(1)
    unary, edges = rng.normal(size=(12, 3)), grid_edges(3, 4)
    pairwise = rng.normal(size=len(edges))
    optimum = relaxed_optimum(unary, edges, pairwise)
    result = relax(unary * size, edges, pairwise * size, tol=1e-5, max_sweeps=3000)
    assert result.bound / size == pytest.approx(optimum, abs=1e-3)
    assert result.converged


def test_all_scores_equal():
    result = relax(np.full((4, 3), 0.1), grid_edges(2, 2), np.full((3, 3), 0.1), tol=0)
    assert result.converged
    assert result.score == pytest.approx(0.8)
    assert result.labels.tolist() == [0] * 4


@pytest.mark.parametrize("n_labels", [0, 1, 3])
@pytest.mark.parametrize("kind", [1, 2, 3])
def test_empty_graphs(n_labels, kind):
    shapes = {1: (0,), 2: (n_labels, n_labels), 3: (0, n_labels, n_labels)}
    result = relax(np.zeros((0, n_labels)), [], np.zeros(shapes[kind]))
    assert (result.bound, result.value, result.score, result.converged) == (0, 0, 0, True)
    assert (result.labels.shape, result.node_marginals.shape) == ((0,), (0, n_labels))
    assert result.edge_marginals.shape == (0, n_labels, n_labels)


@pytest.mark.parametrize("kind", [1, 2, 3])
def test_nodes_without_edges_take_their_best_label(kind):
    shapes = {1: (0,), 2: (3, 3), 3: (0, 3, 3)}
    unary = np.array([[0.0, 2.0, 1.0], [3.0, 3.0, 0.0]])
    result = relax(unary, np.zeros((0, 2), dtype=int), np.zeros(shapes[kind]))
    assert (result.bound, result.score, result.labels.tolist()) == (5, 5, [1, 0])
    assert result.converged


def test_inputs_of_other_kinds_and_layouts():
    rng = np.random.default_rng(0)
    unary, edges = rng.integers(-3, 4, size=(12, 3)), grid_edges(3, 4)
    tables = rng.integers(-3, 4, size=(len(edges), 3, 3))
    want = relax(unary, edges, tables)
    frozen = np.asfortranarray(unary, dtype=float)
    frozen.flags.writeable = False
    for dtype in (np.int32, np.uint8, np.int64):
        got = relax(frozen, np.asfortranarray(edges, dtype=dtype), tables.astype(np.float32))
        assert np.array_equal(got.labels, want.labels)
        assert (got.bound, got.value) == (want.bound, want.value)
    assert relax(unary.tolist(), edges.tolist(), tables.tolist()).bound == want.bound


def with_entry(array, place, value):
    array = np.array(array, dtype=float)
    array[place] = value
    return array


U, E, P = np.zeros((3, 2)), [[0, 1], [1, 2]], np.zeros(2)
BAD = {
    "NaN": ((with_entry(U, (1, 0), np.nan), E, P), r"unary\[1, 0\] is nan; scores are finite, or"),
    "inf": ((with_entry(U, (2, 1), np.inf), E, P), r"unary\[2, 1\] is inf; scores are finite, or"),
    "all forbidden": (
        (with_entry(U, 1, -np.inf), E, P),
        r"unary\[1\] is -inf for every label: all labels of that node are forbidden",
    ),
    "unary of 1-D": ((np.zeros(3), E, P), "unary has 1 dimensions, expected 2"),
    "strings": (([["a"]], E, P), "unary has dtype <U1, expected real numbers"),
    "complex": ((U * 1j, E, P), "unary has dtype complex128, expected real numbers"),
    "no labels": ((np.zeros((3, 0)), E, P), r"unary has shape \(3, 0\): there is no label"),
    "pairwise NaN": ((U, E, [0, np.nan]), r"pairwise\[1\] is nan; scores are finite$"),
    "pairwise -inf": (
        (U, E, with_entry(np.zeros((2, 2)), (0, 1), -np.inf)),
        r"pairwise\[0, 1\] is -inf; scores are finite$",
    ),
    "pairwise short": (
        (U, E, np.zeros(1)),
        r"pairwise has shape \(1,\), expected \(2,\): there are 2 edges and 2 labels",
    ),
    "table": ((U, E, np.zeros((3, 3))), r"pairwise has shape \(3, 3\), expected \(2, 2\)"),
    "tables": (
        (U, E, np.zeros((1, 2, 2))),
        r"pairwise has shape \(1, 2, 2\), expected \(2, 2, 2\): there are 2 edges",
    ),
    "scalar": ((U, E, 1.0), r"pairwise has 0 dimensions, expected 1 \(a score of agreement"),
    "edge outside": (
        (U, [[0, 1], [1, 3]], P),
        r"edges\[1, 1\] is 3, expected a node from 0 to 2",
    ),
    "negative": ((U, [[0, 1], [-1, 2]], P), r"edges\[1, 0\] is -1, expected a node from 0 to 2"),
    "no nodes": ((np.zeros((0, 2)), E, P), r"edges\[0, 0\] is 0, expected a node"),
    "loop": ((U, [[0, 1], [2, 2]], P), r"edges\[1\] joins node 2 to itself"),
    "float edges": ((U, np.zeros((2, 2)), P), "edges have dtype float64, expected integers"),
    "edges shape": ((U, np.zeros((2, 3), int), P), r"edges have shape \(2, 3\), expected"),
    "overflow": (
        (np.array([[1e308, -1e308]] * 3), E, P),
        "the ranges of the scores add up to inf: their sums overflow; scale them down",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    arguments, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        relax(*arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": -1e-3}, "tol=-0.001: expected a finite number >= 0"),
        ({"tol": np.nan}, "tol=nan: expected"),
        ({"tol": "a"}, "tol='a': expected"),
        ({"max_sweeps": 0}, "max_sweeps=0: expected a finite number > 0"),
        ({"max_sweeps": 1.5}, "max_sweeps=1.5: expected an integer > 0"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        relax(U, E, P, **options)


def test_scores_of_another_graph_are_refused():
    graph = Relaxation(3, E, 2)
    with pytest.raises(ValueError, match=r"unary has shape \(4, 2\), expected \(3, 2\)"):
        graph.solve(np.zeros((4, 2)), P)
    with pytest.raises(ValueError, match="n_nodes=-1: expected a finite number > -1"):
        Relaxation(-1, E, 2)
    with pytest.raises(ValueError, match="n_labels=0: expected a finite number > 0"):
        Relaxation(3, E, 0)


def grid_edges(height, width):
    number = np.arange(height * width).reshape(height, width)
    across = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1)
    down = np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1)
    return np.concatenate([across, down])
