"""Assignments, paths and subsets against plain enumeration, scipy and bad input."""

import functools
import itertools
import operator

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from part_structures import check_copies
from scipy.optimize import linear_sum_assignment
from scipy.sparse import csr_array
from scipy.sparse.csgraph import bellman_ford, dijkstra

from structsvm.inference import (
    Assignment,
    ShortestPath,
    Subset,
    assignment,
    best_items,
    best_path,
)

NO = -np.inf
SCORES = st.integers(-4, 4).map(float)


def total(scores):
    """Their sum in this order; Python's `sum` rounds otherwise from 3.12 on."""
    return functools.reduce(operator.add, scores, 0.0)


# ---- assignments


def assignments(shape, partial):
    """All sets of pairs."""
    n, m = shape
    few = min(n, m)
    for size in range(few + 1) if partial else [few]:
        for rows in itertools.combinations(range(n), size):
            for columns in itertools.permutations(range(m), size):
                yield list(zip(rows, columns, strict=True))


@st.composite
def tables(draw):
    shape = draw(st.integers(0, 4)), draw(st.integers(0, 4))
    scores = draw(arrays(np.float64, shape, elements=SCORES | st.just(NO)))
    allowed = draw(st.none() | arrays(np.bool_, shape))
    return scores, allowed


@settings(max_examples=300, deadline=None)
@given(tables(), st.booleans())
def test_assignments_equal_enumeration(table, partial):
    scores, allowed = table
    given_scores = scores.copy()
    own = scores if allowed is None else np.where(allowed, scores, NO)
    totals = [total(own[pair] for pair in y) for y in assignments(scores.shape, partial)]
    value = max(totals)
    if value == NO:
        with pytest.raises(ValueError, match=r"there is no assignment: (row|column)s? [\d, ]+ h"):
            assignment(scores, partial=partial, allowed=allowed)
        return
    scores.flags.writeable = False
    pairs, found = assignment(scores, partial=partial, allowed=allowed)
    assert found == value == total(own[tuple(pair)] for pair in pairs)
    assert np.array_equal(scores, given_scores)
    for side in pairs.T:
        assert len(set(side.tolist())) == len(side)
    if partial:
        assert (own[tuple(pairs.T)] > 0).all()
    else:
        assert len(pairs) == min(scores.shape)
    places = pairs @ [scores.shape[1], 1]
    assert (np.diff(places) > 0).all()


@pytest.mark.parametrize("shape", [(7, 7), (40, 40), (130, 130), (9, 200), (200, 33), (64, 65)])
@pytest.mark.parametrize("kind", ["normal", "integers", "equal", "product", "low rank", "sparse"])
def test_large_assignments_are_worth_those_of_scipy(shape, kind):
    rng = np.random.default_rng(1)
    scores = {
        "normal": rng.normal(size=shape),
        "integers": rng.integers(0, 20, size=shape).astype(float),
        "equal": np.ones(shape),
        "product": -np.outer(1.0 + np.arange(shape[0]), 1.0 + np.arange(shape[1])),
        "low rank": rng.normal(size=(shape[0], 3)) @ rng.normal(size=(3, shape[1])),
        "sparse": np.where(rng.random(shape) < 0.3, rng.random(shape), -1e6),
    }[kind]
    pairs, value = assignment(scores)
    assert value == pytest.approx(scores[linear_sum_assignment(scores, maximize=True)].sum())
    assert value == pytest.approx(scores[tuple(pairs.T)].sum())
    positive = np.maximum(scores, 0)
    assert assignment(scores, partial=True)[1] == pytest.approx(
        positive[linear_sum_assignment(positive, maximize=True)].sum()
    )


def test_rows_and_columns_that_block_each_other_are_named():
    allowed = np.ones((4, 5), dtype=bool)
    allowed[[0, 2], 1:] = False
    with pytest.raises(ValueError, match="rows 0, 2 have only column 0 for all of them"):
        assignment(np.zeros((4, 5)), allowed=allowed)
    with pytest.raises(ValueError, match="columns 0, 2 have only row 0 for all of them"):
        assignment(np.zeros((5, 4)), allowed=allowed.T)
    allowed[2] = False
    with pytest.raises(ValueError, match="row 2 has no column that is allowed"):
        assignment(np.zeros((4, 5)), allowed=allowed)
    structure = Assignment(allowed=np.eye(3, dtype=bool))
    with pytest.raises(ValueError, match=r"^example 1: there is no assignment: row 0 has no"):
        structure.bind([None, np.zeros((1, 2), dtype=bool)], [9, 2])
    partial = Assignment(partial=True).bind([np.zeros((1, 2), dtype=bool)], [2])
    assert partial.maximize(0, [3.0, 4.0])[0].tolist() == [-1]


# ---- paths


@st.composite
def networks(draw, acyclic, least, most):
    n = draw(st.integers(1, 5))
    names = draw(st.permutations(range(n)))
    pairs = [(i, j) for i in range(n) for j in range(n) if (i < j if acyclic else i != j)]
    edges = draw(st.lists(st.sampled_from(pairs), max_size=9)) if pairs else []
    edges = [(names[i], names[j]) for i, j in edges] + [(names[0], names[-1])] * (n > 1)
    element = st.integers(least, most).map(float) | st.just(NO)
    scores = draw(st.lists(element, min_size=len(edges), max_size=len(edges)))
    return edges, np.array(scores), draw(st.integers(0, n - 1)), draw(st.integers(0, n - 1))


def simple_paths(edges, scores, source, target, used=(), seen=()):
    if source == target:
        yield used
        return
    for e, (u, v) in enumerate(edges):
        if u == source and v not in seen and scores[e] > NO:
            yield from simple_paths(edges, scores, v, target, (*used, e), (*seen, source))


def positive_cycles(edges, scores, source, target):
    """Simple cycles with a positive score that a walk from the source to the target can enter."""
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(max([source, target, *itertools.chain(*edges)]) + 1))
    graph.add_edges_from(edge for edge, s in zip(edges, scores, strict=True) if s > NO)
    on_the_way = (nx.descendants(graph, source) | {source}) & (
        nx.ancestors(graph, target) | {target}
    )
    for start in on_the_way:
        for e, (u, v) in enumerate(edges):
            if u == start and scores[e] > NO and v in on_the_way:
                for rest in simple_paths(edges, scores, v, start):
                    if scores[e] + sum(scores[k] for k in rest) > 0:
                        yield {e, *rest}


def assert_is_best(network, method):
    edges, scores, source, target = network
    totals = {p: sum(scores[e] for e in p) for p in simple_paths(*network)}
    if not totals:
        with pytest.raises(ValueError, match=r"example 0: no path (with a score|leads)"):
            best_path(edges, scores, source, target, method=method)
        return
    value = max(totals.values())
    path, found = best_path(edges, scores, source, target, method=method)
    assert found == value == totals[tuple(path)]
    if method == "dag":
        best = [p for p, total in totals.items() if total == value]
        assert tuple(path) == min(best, key=lambda p: p[::-1])


def nodes_exist(network):
    edges, _, source, target = network
    return max(source, target) <= max([0, *itertools.chain(*edges)])


@settings(max_examples=200, deadline=None)
@given(networks(True, -3, 3).filter(nodes_exist))
def test_paths_without_cycles_equal_enumeration(network):
    for method in ("dag", "auto", "bellman-ford"):
        assert_is_best(network, method)


@settings(max_examples=200, deadline=None)
@given(networks(False, -3, 0).filter(nodes_exist))
def test_paths_of_costs_equal_enumeration(network):
    for method in ("dijkstra", "auto", "bellman-ford"):
        assert_is_best(network, method)


@settings(max_examples=400, deadline=None)
@given(networks(False, -4, 2).filter(nodes_exist))
def test_paths_equal_enumeration_or_a_cycle_is_refused(network):
    edges, scores, source, target = network
    cycles = list(positive_cycles(*network))
    if cycles and any(True for _ in simple_paths(*network)):
        with pytest.raises(ValueError, match=r"edges \d[\d, ]* are a cycle with a sc") as refusal:
            best_path(edges, scores, source, target, method="bellman-ford")
        named = str(refusal.value).split("edges ")[1].split(" are")[0]
        assert set(map(int, named.split(", "))) in cycles
    else:
        assert_is_best(network, "bellman-ford")


def grid(height, width, *, both_ways):
    """Edges to the right and down, and back."""
    node = np.arange(height * width).reshape(height, width)
    edges = np.concatenate(
        [
            np.stack([node[:, :-1].ravel(), node[:, 1:].ravel()], axis=1),
            np.stack([node[:-1].ravel(), node[1:].ravel()], axis=1),
        ]
    )
    return np.concatenate([edges, edges[:, ::-1]]) if both_ways else edges


@pytest.mark.parametrize("method", ["auto", "dijkstra", "bellman-ford"])
@pytest.mark.parametrize("both_ways", [False, True])
def test_large_paths_are_worth_those_of_scipy(method, both_ways):
    rng = np.random.default_rng(0)
    edges = rng.permutation(grid(30, 40, both_ways=both_ways))
    costs = rng.random(len(edges)) + 0.01
    graph = csr_array((costs, tuple(edges.T.astype(np.int32))), (1200, 1200))
    lengths = dijkstra(graph, indices=0)
    for target in (0, 5, 777, 1199):
        path, value = best_path(edges, -costs, 0, target, method=method)
        assert -value == pytest.approx(lengths[target], rel=1e-12)
        walk = [0, *edges[path, 1]]
        assert walk[-1] == target
        assert np.array_equal(edges[path, 0], walk[:-1])


def test_negative_costs_without_negative_cycles():
    rng = np.random.default_rng(0)
    edges = grid(12, 12, both_ways=True)
    # Differences of heights cancel around cycles.
    height = 5 * rng.random(144)
    costs = rng.random(len(edges)) + height[edges[:, 1]] - height[edges[:, 0]]
    graph = csr_array((costs, tuple(edges.T.astype(np.int32))), (144, 144))
    assert (costs < 0).sum() > 100
    lengths = bellman_ford(graph, indices=3)
    for target in (0, 70, 143):
        assert -best_path(edges, -costs, 3, target)[1] == pytest.approx(lengths[target])
    # Scores that cancel but for rounding are no cycle.
    path, value = best_path([[0, 1], [1, 2], [2, 0], [2, 3]], [0.1, 0.2, -0.3, 1.0], 0, 3)
    assert path.tolist() == [0, 1, 3]
    assert value == pytest.approx(1.3)


def test_refusals_of_scores_name_edges():
    edges = [[0, 1], [1, 2], [2, 1], [2, 3]]
    with pytest.raises(ValueError, match=r"edge 1 has the score 0.5, a cost of -0.5, but Dijkstra"):
        best_path(edges, [-1, 0.5, -1, -1], 0, 3, method="dijkstra")
    assert best_path(edges, [-1, 0.5, -1, -1], 0, 3)[1] == -1.5
    with pytest.raises(ValueError, match=r"edges (1, 2|2, 1) are a cycle with a score of 0.25: "):
        best_path(edges, [-1, 0.5, -0.25, -1], 0, 3)
    with pytest.raises(ValueError, match="the graph has a cycle, but method='dag'"):
        best_path(edges, [0, 0, 0, 0], 0, 3, method="dag")
    # A cycle that leads nowhere does no harm.
    assert best_path([[0, 1], [1, 2], [2, 1], [0, 3]], [1, 5, 5, -2], 0, 3)[1] == -2
    # Without the edge that is closed there is no cycle.
    assert best_path(edges, [-1, 0.5, NO, -1], 0, 3)[1] == -1.5


# ---- subsets


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_best_items_equal_sorting(data):
    n = data.draw(st.integers(0, 70))
    numbers = st.sampled_from([0.0, -0.0, 1.0, 5e-324, -5e-324, 1e308, -1e308, NO, 2.0, 3.0])
    scores = data.draw(arrays(np.float64, n, elements=numbers | st.floats(-9, 9)))
    k, at_most = data.draw(st.integers(0, n + 2)), data.draw(st.booleans())
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > (0 if at_most else NO)]
    if len(order) < k and not at_most:
        with pytest.raises(ValueError, match=rf"k={k}, but only {len(order)} of {n} items"):
            best_items(scores, k)
        return
    items, value = best_items(scores, k, at_most=at_most)
    assert items.tolist() == sorted(order[:k].tolist())
    assert value == total(scores[items].tolist())


@pytest.mark.parametrize("n", [1, 31, 32, 33, 1000, 100_001])
def test_many_items(n):
    rng = np.random.default_rng(n)
    for scores in (rng.normal(size=n), rng.integers(0, 3, size=n), np.zeros(n), np.arange(n)):
        for k in {0, 1, n // 7, n - 1, n}:
            items, _ = best_items(scores, k)
            assert items.tolist() == sorted(np.argsort(-scores, kind="stable")[:k].tolist())


# ---- what all have in common

EDGES = [[0, 1], [1, 2], [2, 3], [0, 2], [1, 3]]
CYCLIC = [[0, 1], [1, 0], [1, 2], [2, 0]]
MASK = np.array([[True, False], [True, True], [False, True]])
STRUCTURES = {
    "assignment": (Assignment((2, 3)), [None, (3, 2), MASK], [6, 6, 6]),
    "partial": (Assignment(partial=True, allowed=MASK), [None, (1, 4), (0, 3)], [6, 4, 0]),
    "dag": (ShortestPath(EDGES, 0, 3), [None, (1, 3), (EDGES[:2], 0, 2)], [5, 5, 2]),
    "dijkstra": (ShortestPath(CYCLIC, 0, 2), [None, (2, 1), (EDGES, 0, 3)], [4, 4, 5]),
    "bellman-ford": (
        ShortestPath(CYCLIC, 0, 2, method="bellman-ford"), [None, (2, 2), (EDGES, 0, 3)], [4, 4, 5],
    ),
    "subset": (Subset(2), [None, 0, 5], [4, 3, 5]),
    "at most": (Subset(2, at_most=True), [None, 9, None], [4, 3, 0]),
}  # fmt: skip


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_are_copied_and_threads_do_not_matter(name):
    structure, contexts, n_parts = STRUCTURES[name]
    most = 0 if name in ("dijkstra", "bellman-ford") else 5
    check_copies(structure, contexts, n_parts, most)


@pytest.mark.parametrize("name", sorted(set(STRUCTURES) - {"at most", "subset"}))
def test_structures_name_the_example(name):
    structure, contexts, n_parts = STRUCTURES[name]
    with pytest.raises(ValueError, match=r"^example 1: "):
        structure.bind(contexts, [n_parts[0], n_parts[1] + 1, n_parts[2]])


def test_room_for_outputs():
    """Labels hold the most parts that an output can use."""
    assert Assignment((2, 5)).bind([None, (0, 3)], [10, 0]).n_labels.tolist() == [2, 0]
    assert Subset(3, at_most=True).bind([None, None], [10, 2]).n_labels.tolist() == [3, 2]
    paths = ShortestPath(EDGES, 0, 3).bind([None, (1, 3), (2, 3), (1, 1)], [5] * 4)
    assert paths.n_labels.tolist() == [3, 2, 1, 0]
    assert ShortestPath(CYCLIC, 0, 2).bind([None, (1, 1)], [4, 4]).n_labels.tolist() == [2, 0]


def test_structures_say_how_many_parts_all_examples_have():
    for structure, n_parts in (
        (Assignment((2, 5)), 10), (Assignment(allowed=MASK), 6), (Assignment(), None),
        (ShortestPath(EDGES), 5), (ShortestPath(), None), (Subset(2), None),
    ):  # fmt: skip
        assert structure.part_count() == n_parts


def test_shared_structure_is_stored_once():
    n = 20_000
    chain = np.stack([np.arange(1000), np.arange(1, 1001)], axis=1)
    back = np.concatenate([chain, chain[:1, ::-1]])
    for structure, n_parts in (
        (Assignment(allowed=np.eye(300, dtype=bool)), 90_000),
        (ShortestPath(chain, 0, 1000), 1000),
        (ShortestPath(back, 0, 1000), 1001),
        (Subset(5), 1000),
    ):
        maximizer = structure.bind([None] * n, [n_parts] * n)
        assert maximizer.n_examples == n
        assert maximizer.maximize(n - 1, np.full(n_parts, -1.0))[1] < 0


E, TABLE = [[0, 1], [1, 2]], np.zeros((2, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: assignment([1.0, 2.0]), "scores has 1 dimensions, expected 2"),
        (lambda: assignment([[0, np.nan]]), r"scores\[0, 1\] is nan; scores are finite, or -inf"),
        (lambda: assignment([[0, np.inf]]), r"scores\[0, 1\] is inf"),
        (lambda: assignment([[1e308, 1e308]]), "add up to more than a double can hold"),
        (lambda: assignment(TABLE, allowed=np.ones((3, 2), bool)), r"\(3, 2\), expected \(2, 3\)"),
        (lambda: assignment(TABLE, allowed=TABLE), "allowed has dtype float64, expected bool"),
        (lambda: Assignment().bind([None], [4]), "example 0: there is no shape; give Assignment"),
        (lambda: Assignment((2, 2)).bind([None], [5]), "have 4 pairs, but the example has 5 parts"),
        (lambda: Assignment((2, -1)).bind([None], [5]), r"the shape is \(2, -1\), expected"),
        (lambda: Assignment((2, 2), allowed=MASK).bind([None], [4]), r"allowed has shape \(3, 2\)"),
        (lambda: Assignment().bind([(2, 3, 4)], [5]), r"the shape is \(2, 3, 4\), expected"),
        (lambda: Assignment().bind([7], [5]), "the context has dtype int64, expected bool"),
        (lambda: Assignment((2**16, 2**15)).bind([None], [2**31]), r"at most 2\*\*31 - 1 pairs"),
        (lambda: best_path(E, [1, np.nan], 0, 2), r"scores\[1\] is nan"),
        (lambda: best_path(E, [1, np.inf], 0, 2), r"scores\[1\] is inf"),
        (lambda: best_path(E, [1], 0, 2), r"shape \(1,\), expected \(2,\): one for each edge"),
        (lambda: best_path(E, [1e308, 1e308], 0, 2), "add up to more than a double can hold"),
        (lambda: best_path([[0, 0]], [1], 0, 0), r"edges\[0\] joins node 0 to itself"),
        (lambda: best_path([[0, -1]], [1], 0, 0), r"edges\[0, 1\] is -1, expected a node from"),
        (lambda: best_path([[0.0, 1.0]], [1], 0, 0), "edges have dtype float64, expected integ"),
        (lambda: best_path([0, 1], [1], 0, 0), r"edges have shape \(2,\), expected \(n_edges, 2\)"),
        (lambda: best_path(E, [1, 1], 0, 3), "target=3: expected a node from 0 to 2"),
        (lambda: best_path(E, [1, 1], 0.0, 2), "source=0.0: expected a node from 0 to 2"),
        (lambda: best_path(E, [1, 1], 2, 0), "example 0: no path leads from node 2 to node 0"),
        (lambda: best_path(E, [1, 1], 0, 2, method="A*"), "method='A\\*': expected one of"),
        (lambda: ShortestPath(E, 0).bind([None], [2]), "example 0: edges, source or target are m"),
        (lambda: ShortestPath(E, 0, 2).bind([7], [2]), "the context is 7, expected"),
        (lambda: ShortestPath(E, 0, 2).bind([None], [3]), "has 2 edges, but the example has 3 p"),
        (lambda: ShortestPath(E, 0, 2).bind([None, (2, 1)], [2, 2]), "example 1: no path leads fr"),
        (lambda: best_items([1.0, np.nan], 1), r"scores\[1\] is nan"),
        (lambda: best_items([1.0, np.inf], 1), r"scores\[1\] is inf"),
        (lambda: best_items([[1.0]], 1), "scores has 2 dimensions, expected 1"),
        (lambda: best_items([1.0], 2), "k=2, but only 1 of 1 items may be used"),
        (lambda: best_items([1.0], -1), "k is -1, expected a number of items"),
        (lambda: best_items([1.0], 1.0), "k is 1.0, expected a number of items"),
        (lambda: Subset().bind([None], [3]), "example 0: there is no k; give it to Subset"),
        (lambda: Subset(3).bind([None, None], [3, 2]), "example 1: k=3, but there are 2 items"),
        (lambda: Subset(3).bind([True], [3]), "the context is True, expected a number of items"),
    ],
)  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_scores_that_leave_no_output():
    """Not refused before the search: it ends with the example, whatever it is given."""
    for structure, n_parts in (
        (Assignment((2, 2)), 4), (ShortestPath(E, 0, 2), 2), (Subset(1), 2),
        (ShortestPath(CYCLIC, 0, 2, method="bellman-ford"), 4),
    ):  # fmt: skip
        for score in (NO, np.nan):
            with pytest.raises(ValueError, match=r"^example 1: .*"):
                structure.bind([None, None], [n_parts] * 2).maximize(1, np.full(n_parts, score))
