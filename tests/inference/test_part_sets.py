"""Trees, arborescences, knapsacks, intervals and integer programs against plain enumeration."""

import itertools
import sys

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from part_structures import check_copies
from scipy.optimize import LinearConstraint, OptimizeResult

from structsvm.inference import (
    Arborescence,
    IntegerProgram,
    IntervalSchedule,
    Knapsack,
    SpanningTree,
    arborescence,
    best_intervals,
    integer_program,
    knapsack,
    spanning_tree,
)

NO = -np.inf
SCORES = st.integers(-4, 4).map(float)


def best_of(sets, scores):
    """The score of the best sets of parts, and these sets."""
    totals = {parts: sum(scores[p] for p in parts) for parts in sets}
    value = max(totals.values(), default=NO)
    return value, [parts for parts, total in totals.items() if total == value]


def subsets(n):
    return itertools.chain.from_iterable(itertools.combinations(range(n), k) for k in range(n + 1))


# ---- spanning trees


@st.composite
def graphs(draw, most_nodes=5, most_edges=8):
    n = draw(st.integers(1, most_nodes))
    pairs = [(i, j) for i in range(n) for j in range(n) if i != j]
    edges = draw(st.lists(st.sampled_from(pairs), max_size=most_edges)) if pairs else []
    scores = draw(st.lists(SCORES | st.just(NO), min_size=len(edges), max_size=len(edges)))
    return n, edges, scores


def spanning_trees(n, edges, scores):
    for chosen in itertools.combinations(range(len(edges)), n - 1):
        tree = nx.MultiGraph([edges[e] for e in chosen])
        tree.add_nodes_from(range(n))
        if nx.is_connected(tree) and all(scores[e] > NO for e in chosen):
            yield chosen


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_spanning_trees_equal_enumeration(graph):
    n, edges, scores = graph
    value, best = best_of(spanning_trees(n, edges, scores), scores)
    if not best:
        with pytest.raises(ValueError, match=r"not connected: no edges lead from node 0 to n"):
            spanning_tree(edges, scores, n)
        return
    used, found = spanning_tree(edges, scores, n)
    assert found == value
    # The first in the order in which edges are taken: better ones, then those that come first.
    place = {e: k for k, e in enumerate(sorted(range(len(edges)), key=lambda e: (-scores[e], e)))}
    want = min(best, key=lambda tree: sorted(place[e] for e in tree))
    assert tuple(used) == want


@pytest.mark.parametrize(
    "kind", ["random", "equal", "two values", "ascending", "descending", "organ pipe"]
)
@pytest.mark.parametrize(("n", "m"), [(30, 60), (60, 1770), (3000, 9000)])
def test_large_spanning_trees_equal_networkx(n, m, kind):
    rng = np.random.default_rng(0)
    edges = np.concatenate(
        [np.stack([np.arange(n - 1), np.arange(1, n)], axis=1), rng.integers(n, size=(m, 2))]
    )
    edges = edges[edges[:, 0] != edges[:, 1]]
    ramp = np.arange(len(edges), dtype=float)
    scores = {
        "random": rng.normal(size=len(edges)),
        "equal": np.ones(len(edges)),
        "two values": rng.integers(2, size=len(edges)).astype(float),
        "ascending": ramp,
        "descending": -ramp,
        "organ pipe": np.minimum(ramp, ramp[::-1]),
    }[kind]
    used, value = spanning_tree(edges, scores, n)
    graph = nx.MultiGraph()
    graph.add_edges_from(
        (i, j, {"weight": s}) for (i, j), s in zip(edges.tolist(), scores.tolist(), strict=True)
    )
    assert value == pytest.approx(nx.maximum_spanning_tree(graph).size("weight"), rel=1e-12)
    assert (np.diff(used) > 0).all()
    assert len(used) == n - 1


# ---- arborescences


@st.composite
def directed_graphs(draw, most_nodes=4, most_arcs=9):
    n, arcs, scores = draw(graphs(most_nodes, most_arcs))
    return n, arcs, scores, draw(st.integers(0, n - 1)), draw(st.booleans())


def arborescences(n, arcs, scores, root, single_root):
    into = [[e for e, (_, v) in enumerate(arcs) if v == w and scores[e] > NO] for w in range(n)]
    for chosen in itertools.product(*(into[v] for v in range(n) if v != root)):
        heads = {arcs[e][1]: arcs[e][0] for e in chosen}
        if single_root and list(heads.values()).count(root) > 1:
            continue
        if all(reaches(heads, v, root) for v in range(n)):
            yield tuple(sorted(chosen))


def reaches(heads, node, root):
    for _ in range(len(heads) + 1):
        if node == root:
            return True
        node = heads[node]
    return False


@settings(max_examples=300, deadline=None)
@given(directed_graphs())
def test_arborescences_of_arcs_equal_enumeration(graph):
    n, arcs, scores, root, single_root = graph
    value, best = best_of(arborescences(*graph), scores)
    if not best:
        with pytest.raises(ValueError, match=r"there is no arb|every arborescence has [23] arcs"):
            arborescence(scores, arcs, n, root=root, single_root=single_root)
        return
    used, found = arborescence(scores, arcs, n, root=root, single_root=single_root)
    assert found == value
    assert tuple(used) in best


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 4), st.data())
def test_arborescences_of_matrices_equal_enumeration(n, data):
    root, single_root = data.draw(st.integers(0, n - 1)), data.draw(st.booleans())
    flat = data.draw(st.lists(SCORES | st.just(NO), min_size=n * n, max_size=n * n))
    arcs = [(u, v) for u in range(n) for v in range(n)]
    scores = [NO if u == v else s for (u, v), s in zip(arcs, flat, strict=True)]
    value, best = best_of(arborescences(n, arcs, scores, root, single_root), scores)
    if not best:
        with pytest.raises(ValueError, match=r"there is no arb|every arborescence has [23] arcs"):
            arborescence(np.reshape(flat, (n, n)), root=root, single_root=single_root)
        return
    heads, found = arborescence(np.reshape(flat, (n, n)), root=root, single_root=single_root)
    assert found == value
    assert tuple(sorted(heads[v] * n + v for v in range(n) if v != root)) in best
    assert heads[root] == -1


@pytest.mark.parametrize("single_root", [True, False])
def test_large_arborescences_agree(single_root):
    rng = np.random.default_rng(3)
    for n in (8, 20):
        scores = rng.integers(-50, 50, size=(n, n)).astype(float)
        scores[0] += 30
        arcs = np.array([(u, v) for u in range(n) for v in range(n) if u != v])
        _, value = arborescence(scores, single_root=single_root)
        _, same = arborescence(scores[tuple(arcs.T)], arcs, n, single_root=single_root)
        assert value == same
        graph = nx.DiGraph()
        graph.add_weighted_edges_from((u, v, scores[u, v]) for u, v in arcs.tolist() if u and v)
        if single_root:
            want = max(edmonds(graph, [(v, scores[0, v])]) for v in range(1, n))
        else:
            want = edmonds(graph, [(v, scores[0, v]) for v in range(1, n)])
        assert value == want


def edmonds(graph, root_arcs):
    """By networkx; there the root is a node without arcs into it."""
    rooted = graph.copy()
    rooted.add_weighted_edges_from((0, v, s) for v, s in root_arcs)
    return nx.maximum_spanning_arborescence(rooted).size("weight")


def test_nested_cycles():
    """Each pair of nodes likes each other best, and so do pairs of pairs."""
    n, scores = 33, np.zeros((33, 33))
    for u in range(1, n):
        for v in range(1, n):
            scores[u, v] = -float((u - 1) ^ (v - 1)).__trunc__().bit_length() if u != v else 0
    scores[0, 1:] = -100
    heads, value = arborescence(scores)
    assert np.flatnonzero(heads == 0).tolist() == [1]
    assert value == -100 - (16 * 1 + 8 * 2 + 4 * 3 + 2 * 4 + 1 * 5)


# ---- knapsacks


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_knapsacks_equal_enumeration(data):
    n, factor = data.draw(st.integers(0, 7)), data.draw(st.sampled_from([1, 3, 40]))
    weights = [factor * w for w in data.draw(st.lists(st.integers(0, 9), min_size=n, max_size=n))]
    scores = data.draw(st.lists(SCORES | st.just(NO), min_size=n, max_size=n))
    capacity = data.draw(st.integers(0, 30 * factor))
    fitting = [parts for parts in subsets(n) if sum(weights[k] for k in parts) <= capacity]
    value, best = best_of(fitting, scores)
    taken, found = knapsack(scores, weights, capacity)
    assert found == value
    # Of two sets the one that leaves out the first item over which they differ.
    assert tuple(taken) == min(best, key=lambda parts: [k in parts for k in range(n)])


@pytest.mark.parametrize(("n", "heaviest"), [(40, 20), (70, 150), (130, 7)])
def test_large_knapsacks_equal_a_plain_recursion(n, heaviest):
    rng = np.random.default_rng(n)
    weights = rng.integers(1, heaviest, size=n)
    scores = rng.integers(-3, 20, size=n).astype(float)
    for capacity in (1, 63, 64, 65, int(weights.sum()) // 2, int(weights.sum()) - 1, 10**9):
        best = np.zeros(min(capacity, weights.sum()) + 1)
        for weight, score in zip(weights, scores, strict=True):
            shifted = np.full_like(best, NO)
            shifted[weight:] = best[: len(best) - weight] if weight < len(best) else NO
            best = np.maximum(best, shifted + score)
        taken, value = knapsack(scores, weights, capacity)
        assert value == best[-1] == scores[taken].sum()
        assert weights[taken].sum() <= capacity


# ---- intervals


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_intervals_equal_enumeration(data):
    n = data.draw(st.integers(0, 7))
    starts = data.draw(st.lists(st.integers(-3, 6), min_size=n, max_size=n))
    ends = [s + data.draw(st.integers(1, 5)) for s in starts]
    scores = data.draw(st.lists(SCORES | st.just(NO), min_size=n, max_size=n))

    def overlap(k, j):
        return starts[k] < ends[j] and starts[j] < ends[k]

    sets = [s for s in subsets(n) if not any(overlap(*p) for p in itertools.combinations(s, 2))]
    value, best = best_of(sets, scores)
    used, found = best_intervals(starts, ends, scores)
    assert found == value
    backwards = sorted(range(n), key=lambda k: (ends[k], k))[::-1]
    assert tuple(used) == min(best, key=lambda parts: [k in parts for k in backwards])
    (most,) = IntervalSchedule(starts, ends).bind([None], [n]).n_labels
    assert most == max(map(len, sets))


# ---- integer programs


@pytest.mark.parametrize("unit", [1e-300, 1e-9, 1e-7, 1.0, 1e20])
@pytest.mark.parametrize("integrality", [0, 1])
def test_integer_programs_are_the_same_in_any_unit(unit, integrality):
    scores = np.array([3.0, 1.0, 2.0, -1.0])
    at_most_two = (np.ones((1, 4)), 0, 2)
    found = integer_program(scores * unit, at_most_two, integrality=integrality, bounds=(0, 1))
    assert found.counts.tolist() == [1, 0, 1, 0]
    assert found.value == pytest.approx(5 * unit, rel=1e-12)
    assert found.bound == pytest.approx(5 * unit, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_integer_programs_equal_enumeration(data):
    n, rows = data.draw(st.integers(1, 4)), data.draw(st.integers(0, 3))
    A = [data.draw(st.lists(st.integers(-2, 3), min_size=n, max_size=n)) for _ in range(rows)]
    upper = data.draw(st.lists(st.integers(-1, 5), min_size=rows, max_size=rows))
    most = data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))
    scores = np.array(data.draw(st.lists(SCORES, min_size=n, max_size=n)))
    feasible = [
        np.array(x)
        for x in itertools.product(*(range(m + 1) for m in most))
        if all(np.dot(row, x) <= u for row, u in zip(A, upper, strict=True))
    ]
    constraints = [([row], NO, [u]) for row, u in zip(A, upper, strict=True)]
    if not feasible:
        with pytest.raises(ValueError, match="the integer program is infeasible"):
            integer_program(scores, constraints, bounds=(0, most))
        with pytest.raises(ValueError, match="example 1: no solution satisfies the constraints"):
            IntegerProgram(bounds=(0, most)).bind([None, constraints], [n, n])
        return
    value = max(scores @ x for x in feasible)
    found = integer_program(scores, constraints, bounds=(0, most))
    assert found.value == value == scores @ found.counts
    assert value <= found.bound <= value + 1e-5
    assert any((found.counts == x).all() for x in feasible)
    maximizer = IntegerProgram(constraints[1:], bounds=(0, most)).bind([constraints[:1]], [n])
    if max(most) <= 1:
        labels, same = maximizer.maximize(0, scores)
        assert same == value
        assert maximizer.count(0, labels).tolist() == found.counts.tolist()


def hard_program():
    rng = np.random.default_rng(0)
    A = rng.integers(20, 100, size=(5, 40)).astype(float)
    return rng.integers(20, 100, size=40).astype(float), (A, NO, A.sum(axis=1) // 3)


def test_a_search_that_ends_early_gives_a_bound():
    scores, constraints = hard_program()
    exact = integer_program(scores, constraints)
    early = integer_program(scores, constraints, node_limit=1)
    assert early.value <= exact.value < early.bound
    assert exact.bound - exact.value <= 1e-5
    loose = integer_program(scores, constraints, gap=0.2)
    assert exact.value <= loose.bound <= 1.2 * loose.value + 1e-6


def test_a_search_that_ends_without_a_solution(monkeypatch):
    answer = OptimizeResult(x=None, status=1, message="limit reached")
    monkeypatch.setattr(
        sys.modules["structsvm.inference.integer_program"], "milp", lambda *a, **k: answer
    )
    with pytest.raises(RuntimeError, match=r"no solution within its limits .*'node_limit': 1"):
        integer_program([1.0], None, node_limit=1)
    answer.status = 4
    with pytest.raises(RuntimeError, match="HiGHS failed: limit reached"):
        integer_program([1.0], None)


def test_auxiliary_variables_and_linear_programs():
    # A flow from node 0 to 2; z counts the arcs.
    A = [[1, 1, 0, 0], [-1, 0, 1, 0], [1, 1, 1, -1]]
    path = LinearConstraint(A, [1, 0, 0], [1, 0, 0])
    for integrality in (None, 0, [1, 1, 1, 0]):
        found = integer_program(
            [1.0, 4.0, 2.0], path, integrality=integrality, bounds=(0, [1, 1, 1, 9])
        )
        assert found.counts.tolist() == [0, 1, 0]
        assert (found.value, found.bound) == (4.0, 4.0)
    triangle = ([[1, 1, 0], [0, 1, 1], [1, 0, 1]], NO, 1)
    with pytest.raises(RuntimeError, match=r"uses part \d 0.5 times, .* set integrality=1"):
        integer_program([1.0, 1.0, 1.0], triangle, integrality=0)


# ---- what all have in common

EDGES = [[0, 1], [1, 2], [2, 0], [2, 3], [3, 1]]
STRUCTURES = {
    "tree": (SpanningTree(4, EDGES), [None, (3, EDGES[:3]), None], [5, 3, 5]),
    "pairs": (Arborescence(), [None, 3, None], [16, 9, 1]),
    "arcs": (Arborescence(single_root=False), [(3, EDGES[:3]), (4, EDGES), (1, [])], [3, 5, 0]),
    "knapsack": (Knapsack([1, 2, 3], 4), [None, 3, ([7, 1], 8)], [3, 3, 2]),
    "intervals": (IntervalSchedule([0, 1], [1, 2]), [None, ([0, 1], [2, 3]), None], [2, 2, 2]),
    "program": (IntegerProgram(([[1, 1]], 0, 1)), [None, ([[1, 0]], 1, 1), None], [2, 2, 2]),
}  # fmt: skip


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_are_copied_and_threads_do_not_matter(name):
    structure, contexts, n_parts = STRUCTURES[name]
    check_copies(structure, contexts, n_parts)


@pytest.mark.parametrize("name", STRUCTURES)
def test_structures_name_the_example(name):
    structure, contexts, n_parts = STRUCTURES[name]
    with pytest.raises(ValueError, match=r"^example 1: "):
        structure.bind(contexts, [n_parts[0], n_parts[1] + 1, n_parts[2]])
    with pytest.raises(ValueError, match="contexts of 2 examples, but numbers of parts of 3"):
        structure.bind(contexts[:2], n_parts)


@pytest.mark.parametrize(
    ("structure", "count"),
    [
        (SpanningTree(4, EDGES), 5),
        (Arborescence(4), 16),
        (Arborescence(4, EDGES), 5),
        (Arborescence(), None),
        (Knapsack([1, 2]), 2),
        (Knapsack(), None),
        (IntervalSchedule([0], [1]), 1),
    ],
)
def test_structures_know_their_parts(structure, count):
    assert structure.part_count() == count


T, E2 = [[0, 1]], [0, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spanning_tree(T, [np.nan], 2), r"scores\[0\] is nan"),
        (lambda: spanning_tree(T, [np.inf], 2), r"scores\[0\] is inf"),
        (lambda: spanning_tree(T, [1, 2], 2), r"shape \(2,\), expected \(1,\): one for each edge"),
        (lambda: spanning_tree([[0, 2]], [1], 2), r"edges\[0, 1\] is 2, expected a node from 0 to"),
        (lambda: spanning_tree([[1, 1]], [1], 2), r"edges\[0\] joins node 1 to itself"),
        (lambda: spanning_tree([[0, 1]], [1], 4), "no edges lead from node 0 to node 2"),
        (lambda: arborescence([[0, np.nan], [0, 0]]), r"scores\[0, 1\] is nan"),
        (lambda: arborescence([[0, 1.0]]), r"shape \(1, 2\), expected \(n_nodes, n_nodes\)"),
        (lambda: arborescence(np.eye(2), root=2), "root=2: expected a node from 0 to 1"),
        (lambda: arborescence(np.eye(2), n_nodes=2), "n_nodes=2, but there are no arcs"),
        (lambda: arborescence([1.0], T), "n_nodes is missing"),
        (lambda: arborescence([1.0], T, 2, root=1), "lead from the root, node 1, to node 0"),
        (lambda: arborescence(E2, [[0, 1], [0, 2]], 3), "every arborescence has 2 arcs from the r"),
        (lambda: knapsack([1.0], [-1], 3), r"weights\[0\] is -1, expected a whole number >= 0"),
        (lambda: knapsack([1.0], [0.5], 3), r"weights\[0\] is 0.5, expected a whole number >= 0"),
        (lambda: knapsack([1.0], [np.nan], 3), r"weights\[0\] is nan"),
        (lambda: knapsack([1.0], np.ma.masked_array([1], mask=True), 3), "has masked entries"),
        (lambda: knapsack([1.0], [1], -1), "capacity=-1: expected a whole number >= 0"),
        (lambda: knapsack([1.0], [1], 1.5), "capacity=1.5: expected a whole number >= 0"),
        (lambda: knapsack([1, 1], [10**10, 10**10 + 1], 2 * 10**10), r"tables of 303 GiB; at mos"),
        (lambda: knapsack([np.nan], [1], 1), r"scores\[0\] is nan"),
        (lambda: best_intervals([0, 1], [1, 1], [1, 1]), "interval 1 starts at 1.0 and ends at"),
        (lambda: best_intervals([0], [np.inf], [1]), r"ends\[0\] is inf"),
        (lambda: best_intervals([0], [1, 2], [1]), r"starts has shape \(1,\) and ends \(2,\)"),
        (lambda: integer_program([np.nan], None), r"scores\[0\] is nan"),
        (lambda: integer_program([1.0], 3), r"constraints\[0\] is 3, expected a LinearConstraint"),
        (lambda: integer_program([1.0, 1.0], ([[1]], 0, 1)), r"has 1 columns, expected 2"),
        (lambda: integer_program([1.0], ([[1]], [0, 1], 1)), r"1 rows, but bounds of shapes \(2"),
        (lambda: integer_program([1.0], ([[np.nan]], 0, 1)), "coefficients that are not finite"),
        (lambda: integer_program([1.0], ([[1]], np.nan, 1)), "bounds that are NaN"),
        (lambda: integer_program([1.0], None, bounds=(0, np.inf)), "variable 0 are 0.0 and inf, e"),
        (lambda: integer_program([1.0], None, bounds=3), "bounds are 3, expected a pair"),
        (lambda: integer_program([1.0], None, integrality=2), "integrality is 2: expected 0 or 1"),
        (lambda: integer_program([1.0], None, gap=-1), "gap=-1: expected a finite number >= 0"),
        (lambda: integer_program([1.0], None, node_limit=0), "node_limit=0: expected"),
        (lambda: SpanningTree().bind([None], [1]), "example 0: there is no graph; give Spanning"),
        (lambda: SpanningTree().bind([7], [1]), "example 0: the context is 7, expected a pair"),
        (lambda: SpanningTree(3, T).bind([None], [1]), "example 0: the graph is not connected"),
        (lambda: Arborescence(3).bind([None], [8]), r"3 nodes have 3\^2 = 9, but the example ha"),
        (lambda: Arborescence(arcs=T).bind([None], [1]), "has arcs, but no n_nodes"),
        (lambda: Arborescence(3, T).bind([None], [1]), "lead from the root, node 0, to node 2"),
        (lambda: Knapsack([1]).bind([None], [1]), "weights or capacity are missing"),
        (lambda: IntervalSchedule().bind([None], [1]), "there are no intervals; give IntervalSch"),
        (lambda: IntervalSchedule().bind([3], [1]), "the context is 3, expected a pair"),
    ],
)  # fmt: skip
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_forbidden_arcs_leave_no_tree():
    maximizer = Arborescence().bind([None], [9])
    theta = np.zeros((3, 3))
    theta[0, 1:] = NO
    with pytest.raises(ValueError, match="example 0: no arcs with scores above -inf lead fr"):
        maximizer.maximize(0, theta.ravel())
    theta = np.full((3, 3), NO)
    theta[0] = 0
    with pytest.raises(ValueError, match=r"0: every arborescence with a score .* has 2 arcs"):
        maximizer.maximize(0, theta.ravel())


def test_shared_structure_is_stored_once():
    weights = np.arange(1000)
    tree = SpanningTree(1001, np.stack([np.arange(1000), np.arange(1, 1001)], axis=1))
    for structure in (Knapsack(weights, 50), IntervalSchedule(weights, weights + 2), tree):
        maximizer = structure.bind([None] * 20_000, [1000] * 20_000)
        assert maximizer.n_examples == 20_000
        assert maximizer.maximize(19_999, np.ones(1000))[1] > 0
