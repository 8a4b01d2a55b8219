"""Maximizers, shipped, foreign and in Python: against enumeration, through one door."""

import ctypes
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.graphs import all_labellings

from structsvm import ChainModel
from structsvm.engines import Threads
from structsvm.inference import ForeignMaximizer, Knapsack, Maximizer, PythonMaximizer
from structsvm.inference._chain_maximizer import ChainMaximizer
from structsvm.inference._graph_maximizer import GraphMaximizer
from structsvm.inference._grid_maximizer import GridMaximizer
from structsvm.inference._relaxed_maximizer import RelaxedGraphMaximizer
from structsvm.inference._roof_maximizer import RoofGraphMaximizer
from structsvm.models.grid import grid_edges
from structsvm.problems._factored import FactoredProblem

# ---- ssvm_maximizer of maximizer.h, as ctypes sees it

DOUBLES, LABELS = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_int32)
LONGS = ctypes.POINTER(ctypes.c_int64)


class Counts(ctypes.Structure):
    _fields_ = [
        ("parts", LABELS),
        ("counts", DOUBLES),
        ("size", ctypes.c_int64),
        ("capacity", ctypes.c_int64),
    ]


MAXIMIZE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, DOUBLES, LABELS, DOUBLES
)
COUNT = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, LABELS, ctypes.POINTER(Counts)
)
RELAX = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, DOUBLES, LABELS,
    ctypes.POINTER(Counts), LABELS,
)  # fmt: skip


class Struct(ctypes.Structure):
    _fields_ = [
        ("version", ctypes.c_int32),
        ("exact", ctypes.c_int32),
        ("size", ctypes.c_int64),
        ("user", ctypes.c_void_p),
        ("n_examples", ctypes.c_int64),
        ("n_parts", LONGS),
        ("n_labels", LONGS),
        ("n_counts", ctypes.c_int64),
        ("maximize", MAXIMIZE),
        ("count", COUNT),
        ("difference", ctypes.c_void_p),
        ("relax", ctypes.c_void_p),
        ("maximize_slack", ctypes.c_void_p),
        ("n_best", ctypes.c_void_p),
        ("reserve", ctypes.c_void_p),
        ("maximize_bounded", ctypes.c_void_p),
        ("form", ctypes.c_int32),
    ]


def foreign(maximize, count, n_parts, n_labels, n_counts, changes=()):
    """A maximizer whose calls are those of ctypes."""
    sizes = [(ctypes.c_int64 * len(n))(*n) for n in (n_parts, n_labels)]
    struct = Struct(
        version=1,
        exact=1,
        size=ctypes.sizeof(Struct),
        n_examples=len(n_parts),
        n_parts=sizes[0],
        n_labels=sizes[1],
        n_counts=n_counts,
        maximize=MAXIMIZE(maximize),
    )
    if count is not None:
        struct.count = COUNT(count)
    for name, value in changes:
        setattr(struct, name, value)
    return ForeignMaximizer(ctypes.addressof(struct), owner=(struct, sizes))


def subsets(sizes, k):
    """The k best of n parts, as a foreign maximizer without counts: labels are 0 or 1."""

    def maximize(user, i, thread, theta, labels, value):
        scores = np.ctypeslib.as_array(theta, (sizes[i],)) if sizes[i] else np.zeros(0)
        best = np.argsort(-scores, kind="stable")[:k].tolist()
        for p in range(sizes[i]):
            labels[p] = p in best
        value[0] = scores[best].sum()
        return 0

    return foreign(maximize, None, sizes, sizes, 0)


def independent(lengths, n_labels, stride):
    """Each label by itself, as a foreign maximizer; parts lie as those of a chain."""

    def maximize(user, i, thread, theta, labels, value):
        value[0] = 0.0
        for t in range(lengths[i]):
            row = [theta[t * stride + k] for k in range(n_labels)]
            labels[t] = row.index(max(row))
            value[0] += max(row)
        return 0

    def count(user, i, labels, mu):
        for t in range(lengths[i]):
            if not 0 <= labels[t] < n_labels:
                return 7
            mu[0].parts[mu[0].size] = t * stride + labels[t]
            mu[0].counts[mu[0].size] = 1.0
            mu[0].size += 1
        return 0

    return foreign(maximize, count, [n * stride for n in lengths], lengths, max(lengths))


# ---- all of them

EDGES = [
    np.array([[0, 1], [1, 2], [2, 0]], dtype=np.int32),
    np.zeros((0, 2), dtype=np.int32),
    np.array([[3, 0], [1, 3]], dtype=np.int32),
]
NODES = [3, 1, 4]
LENGTHS = [3, 0, 1, 4]


def no_neighbours_alike():
    forbidden = np.where(np.eye(3, dtype=bool), -np.inf, 0.0)
    return forbidden, np.array([0.0, -np.inf, 0.0]), np.zeros(3)


# Name: (maximizer, labels of an output, scores of agreement are >= 0, best outputs are found)
CASES = {
    "positions": (ChainMaximizer(LENGTHS, 3, transitions=False, boundary=False), 3, 0, True),
    "chain": (ChainMaximizer(LENGTHS, 3, transitions=True, boundary=True), 3, 0, True),
    "steps": (ChainMaximizer(LENGTHS, 3, transitions=True, boundary=True, steps=True), 3, 0, True),
    "cut": (GraphMaximizer(NODES, EDGES, 2, tables=False, by_cut=True), 2, 1, True),
    "warm cut": (
        GraphMaximizer(NODES, EDGES, 2, tables=False, by_cut=True, kept_bytes=10**6), 2, 1, True,
    ),
    "grid": (GridMaximizer([(2, 3), (1, 1), (4, 1)], 8, 2), 2, 1, True),
    "warm grid": (GridMaximizer([(1, 4), (3, 2)], 4, 2, kept_bytes=10**6), 2, 1, True),
    "warm volume": (GridMaximizer([(2, 1, 3), (2, 2, 2)], 26, 2, kept_bytes=10**6), 2, 1, True),
    "expansion": (GraphMaximizer(NODES, EDGES, 3, tables=False, by_cut=False), 3, 1, False),
    "tables": (GraphMaximizer(NODES, EDGES, 3, tables=True, by_cut=False), 3, 0, False),
    "relaxed": (
        RelaxedGraphMaximizer(NODES, EDGES, 3, tables=True, tolerance=np.full(3, 1e-7)), 3, 0,
        False,
    ),
    "relaxed agreement": (
        RelaxedGraphMaximizer(NODES, EDGES, 3, tables=False, tolerance=np.full(3, 1e-7)), 3, 1,
        False,
    ),
    "roof": (RoofGraphMaximizer(NODES, EDGES), 2, 0, False),
    "foreign": (independent([2, 0, 3], 2, 2), 2, 0, True),
}  # fmt: skip


def random_theta(maximizer, i, agreement, n_labels, rng):
    theta = rng.integers(-3, 4, size=maximizer.n_parts[i]).astype(float)
    if agreement:
        first = maximizer.n_labels[i] * n_labels
        theta[first:] = np.abs(theta[first:])
    return theta


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6))
@pytest.mark.parametrize("name", CASES)
def test_maximizers_against_enumeration(name, seed):
    maximizer, n_labels, agreement, finds_best = CASES[name]
    rng = np.random.default_rng(seed)
    for i in range(maximizer.n_examples):
        theta = random_theta(maximizer, i, agreement, n_labels, rng)
        outputs = all_labellings(maximizer.n_labels[i], n_labels)
        mu = {y: maximizer.count(i, y) for y in outputs}
        best = max(theta @ mu[y] for y in outputs)
        labels, value = maximizer.maximize(i, theta)
        labels = tuple(labels.tolist())
        assert value == pytest.approx(theta @ mu[labels], abs=1e-9)
        assert value <= best + 1e-9
        if finds_best:
            assert value == pytest.approx(best, abs=1e-9)
        truth = outputs[rng.integers(len(outputs))]
        for y in outputs:
            assert np.array_equal(maximizer.difference(i, truth, y), mu[truth] - mu[y])
        if maximizer.ranks:
            n = int(rng.integers(1, len(outputs) + 3))
            found, values = maximizer.n_best(i, theta, n)
            expected = sorted((theta @ mu[y] for y in outputs), reverse=True)[:n]
            np.testing.assert_allclose(values, expected, atol=1e-9)
            found = [tuple(row) for row in found.tolist()]
            assert len(set(found)) == len(found) == len(expected)
            assert [theta @ mu[y] for y in found] == pytest.approx(values.tolist(), abs=1e-9)
        if maximizer.relaxes:
            difference, is_output = maximizer.relax(i, theta, truth)
            point = mu[truth] - difference
            assert theta @ point >= best - 1e-5
            if is_output:
                assert theta @ point == pytest.approx(best, abs=1e-9)
                assert any(np.allclose(point, mu[y]) for y in outputs)


def test_outputs_use_parts_that_tell_them_apart():
    for maximizer, n_labels, _, _ in CASES.values():
        for i in range(maximizer.n_examples):
            outputs = all_labellings(maximizer.n_labels[i], n_labels)
            used = {tuple(maximizer.count(i, y)) for y in outputs}
            assert len(used) == len(outputs)


def test_void_labels_take_their_neighbours_with_them():
    maximizer = CASES["tables"][0]
    difference = maximizer.difference(0, [0, -1, 2], [1, 1, 1])
    nodes, edges = difference[:9].reshape(3, 3), difference[9:].reshape(3, 3, 3)
    assert nodes.tolist() == [[1, -1, 0], [0, 0, 0], [0, -1, 1]]
    assert not edges[:2].any()
    assert edges[2][2, 0] == 1
    assert edges[2][1, 1] == -1


def test_forbidden_neighbours_are_not_answered():
    maximizer = ChainMaximizer(
        [4], 3, transitions=True, boundary=False, forbidden=no_neighbours_alike()
    )
    theta = np.zeros(maximizer.n_parts[0])
    theta[[1, 9, 17, 25]] = 1.0  # label 1 everywhere
    labels, value = maximizer.maximize(0, theta)
    assert value == 2.0
    assert labels[0] != 1
    assert (labels[1:] != labels[:-1]).all()


# ---- from elsewhere


@pytest.mark.parametrize("k", [0, 1, 2])
def test_a_foreign_maximizer_whose_labels_are_counts(k):
    sizes = [4, 2, 6]
    maximizer, rng = subsets(sizes, k), np.random.default_rng(k)
    assert isinstance(maximizer, Maximizer)
    assert maximizer.exact
    for i, n in enumerate(sizes):
        theta = rng.normal(size=n)
        labels, value = maximizer.maximize(i, theta)
        assert value == pytest.approx(
            max(theta[list(s)].sum() for s in itertools.combinations(range(n), k))
        )
        assert np.array_equal(maximizer.count(i, labels), labels)
        other = np.arange(n) < k
        assert np.array_equal(maximizer.difference(i, other, labels), other - labels.astype(float))
    with pytest.raises(ValueError, match="label 1 of example 0 is -1; it says how often"):
        maximizer.count(0, [0, -1, 0, 0])


def small_chains():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in (3, 1, 4, 0, 2)]
    y = [rng.integers(3, size=len(x)) for x in X]
    y[0] = np.arange(3)
    model = ChainModel("normalized_hamming", transitions=False, boundary=False)
    model.initialize(X, y)
    return model, X, y, [len(x) for x in X]


def rebound(problem, maximizer, y):
    labels = np.concatenate(y).astype(np.int32)
    return FactoredProblem(
        problem.features, maximizer, problem.loss, labels, problem.label_offsets, 1.0
    )


def in_python(lengths):
    def maximize(i, theta):
        return theta.reshape(-1, 8)[:, :3].argmax(axis=1)

    def parts(i, labels):
        return 8 * np.arange(len(labels)) + labels

    return PythonMaximizer(maximize, [8 * n for n in lengths], lengths, parts=parts)


@pytest.mark.parametrize("kind", ["foreign", "python"])
def test_problems_take_maximizers_from_elsewhere(kind):
    model, X, y, lengths = small_chains()
    shipped = model.bind(X, y)
    other = independent(lengths, 3, 8) if kind == "foreign" else in_python(lengths)
    problem = rebound(shipped, other, y)
    assert problem.exact
    rng = np.random.default_rng(1)
    for w in (np.zeros(model.n_weights), rng.normal(size=model.n_weights)):
        for i, truth in enumerate(y):
            for a, b in zip(problem.oracle(i, w), shipped.oracle(i, w), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12)
            psi, expected = problem.joint_feature(i, truth), shipped.joint_feature(i, truth)
            assert np.array_equal(psi[1], expected[1])
        for n_threads in (1, 3):
            labels, values = problem.predict(w, augmented=True, engine=Threads(n_threads))
            assert np.array_equal(labels, shipped.predict(w, augmented=True)[0])
            np.testing.assert_allclose(values, shipped.predict(w, augmented=True)[1])
    with pytest.raises(ValueError, match="Maximizer has no oracle for rescaling='slack'"):
        problem.set_rescaling("slack")


def answers(labels, size=0):
    """A foreign maximizer of one example that answers with these labels."""

    def maximize(user, i, thread, theta, out, value):
        for t, label in enumerate(labels):
            out[t] = label
        return 0

    def count(user, i, out, mu):
        mu[0].size += size
        mu[0].parts[0] = 99
        return 0

    return foreign(maximize, count, [8 * len(labels)], [len(labels)], 2)


def test_a_call_that_fails_names_the_example():
    model, X, y, lengths = small_chains()
    maximizer = independent(lengths, 3, 8)
    with pytest.raises(RuntimeError, match="count failed for example 2, it returned 7"):
        maximizer.count(2, [0, 0, 5, 0])
    broken = foreign(lambda *args: 3, None, [3], [3], 3)
    with pytest.raises(RuntimeError, match="maximize failed for example 0, it returned 3"):
        broken.maximize(0, np.zeros(3))

    def refuse(i, theta):
        if i == 2:
            raise KeyError("no idea")
        return np.zeros(lengths[i], dtype=int)

    parts = in_python(lengths)
    failing = PythonMaximizer(
        refuse, parts.n_parts, lengths, parts=lambda i, labels: 8 * np.arange(len(labels))
    )
    problem = rebound(model.bind(X, y), failing, y)
    with pytest.raises(KeyError, match="no idea"):
        problem.mean_hinge(np.zeros(model.n_weights))
    assert len(problem.oracle(1, np.zeros(model.n_weights))) == 3


def test_foreign_answers_are_checked():
    model, X, y, _ = small_chains()
    shipped = model.bind(X[:1], y[:1])
    w = np.zeros(model.n_weights)
    with pytest.raises(ValueError, match="label 1 of example 0 is 3, expected 0 to 2"):
        rebound(shipped, answers([0, 3, 0]), y[:1]).oracle(0, w)
    with pytest.raises(RuntimeError, match="counts part 99 of example 0, which has 24"):
        rebound(shipped, answers([0, 0, 0], size=1), y[:1]).oracle(0, w)
    with pytest.raises(RuntimeError, match="wrote 5 counts for example 0 into room for 4"):
        rebound(shipped, answers([0, 0, 0], size=5), y[:1]).oracle(0, w)
    for answer in ([0, 0], [0.0, 1.0, 2.0]):
        maximizer = PythonMaximizer(
            lambda i, theta, answer=answer: answer, [24], [3], parts=lambda i, labels: []
        )
        with pytest.raises(ValueError, match=r"maximize\(0, theta\) returned .*, expected int"):
            maximizer.maximize(0, np.zeros(24))
    maximizer = PythonMaximizer(lambda i, theta: [0], [4], [1], parts=lambda i, labels: [4])
    with pytest.raises(ValueError, match="returned parts 4 to 4, but example 0 has 4"):
        maximizer.maximize(0, np.zeros(4))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "has version 2, expected 1"),
        ({"size": 24}, "has 24 bytes, expected"),
        ({"n_examples": -1}, "n_examples=-1"),
        ({"maximize": MAXIMIZE()}, "lacks maximize"),
        ({"n_labels": None}, "lacks maximize, n_parts or n_labels"),
        ({"count": COUNT()}, "without count there is one label a part"),
        ({"n_counts": 2**61}, "n_counts is 2305843009213693952, expected at most"),
    ],
)
def test_structs_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        foreign(lambda *args: 0, lambda *args: 0, [4], [2], 2, changes.items())
    with pytest.raises(ValueError, match="address of the maximizer is 0"):
        ForeignMaximizer(0)


def test_pieces_of_different_sizes_are_refused():
    model, X, y, lengths = small_chains()
    problem = model.bind(X, y)
    with pytest.raises(ValueError, match="the maximizer are of 4 examples, expected 5"):
        rebound(problem, independent(lengths[:4], 3, 8), y)
    with pytest.raises(ValueError, match=r"example 0 has 24 parts in its features and 3 labels; "):
        rebound(problem, independent(lengths, 3, 9), y)
    labels = [row.copy() for row in y]
    labels[2][1] = 3
    with pytest.raises(ValueError, match="label 1 of example 2 is 3, expected 0 to 2"):
        rebound(problem, independent(lengths, 3, 8), labels)


def test_graphs_that_are_none_are_refused():
    wrong = np.array([[0, 3]], dtype=np.int32)
    with pytest.raises(ValueError, match="edge 0 of graph 1 ends at node 3, but the graph has 3"):
        GraphMaximizer([3, 3], [EDGES[0], wrong], 2, tables=False, by_cut=True)
    with pytest.raises(ValueError, match="a cut is for two labels without tables"):
        GraphMaximizer([3], EDGES[:1], 3, tables=False, by_cut=True)
    with pytest.raises(ValueError, match="2 numbers of nodes, but edges of 1 graphs"):
        GraphMaximizer([3, 3], EDGES[:1], 2, tables=False, by_cut=True)
    with pytest.raises(ValueError, match="constraints and scores of steps need transitions"):
        ChainMaximizer([3], 2, transitions=False, boundary=False, steps=True)


def test_grids_that_are_none_are_refused():
    with pytest.raises(ValueError, match="3 labels: a cut is for one or two"):
        GridMaximizer([(2, 2)], 4, 3)
    with pytest.raises(ValueError, match="connectivity=5: expected 4 or 8 for images"):
        GridMaximizer([(2, 2)], 5, 2)
    with pytest.raises(ValueError, match=r"a grid of shape \(2,\) has 1 dimensions, expected 2"):
        GridMaximizer([(2, 2), (2,)], 4, 2)
    with pytest.raises(ValueError, match=r"X\[1\] is a grid of shape \(40000, 40000\) with 4 "):
        GridMaximizer([(2, 2), (40000, 40000)], 4, 2)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from([4, 8]),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=3),
    st.sampled_from([-1074, -1030, -66, 0, 66, 830]),
    st.integers(0, 2**32 - 1),
)
def test_grids_keep_flows_and_answer_as_their_graphs(connectivity, shapes, exponent, seed):
    rng = np.random.default_rng(seed)
    edges = [grid_edges(shape, connectivity) for shape in shapes]
    n_pixels = [height * width for height, width in shapes]
    grid = GridMaximizer(shapes, connectivity, 2, kept_bytes=10**6)
    graph = GraphMaximizer(n_pixels, edges, 2, tables=False, by_cut=True)
    assert np.array_equal(grid.n_parts, graph.n_parts)
    # Scores are exact, so the labels with the fewest 1s are one labelling.
    scale = 2.0**exponent * rng.choice([1.0, 3.0, 100.0, 2.0**30], size=5)
    for factor in scale:
        for i in rng.permutation(len(shapes)):
            theta = rng.integers(0, 12, size=grid.n_parts[i]).astype(float)
            theta[rng.random(len(theta)) < 0.2] = 0.0
            theta *= factor
            (labels, value), (expected, best) = grid.maximize(i, theta), graph.maximize(i, theta)
            assert np.array_equal(labels, expected)
            assert value == pytest.approx(best, rel=1e-12)
            truth = rng.integers(-1, 2, size=n_pixels[i]).astype(np.int32)
            assert np.array_equal(grid.count(i, truth), graph.count(i, truth))
            changes = [one.difference(i, truth, labels) for one in (grid, graph)]
            assert np.array_equal(*changes)


def test_all_outputs_in_order_and_none_where_there_is_no_order():
    maximizer = ChainMaximizer([8], 3, transitions=False, boundary=False)
    theta = np.zeros(maximizer.n_parts[0])
    labels, values = maximizer.n_best(0, theta, 10**12)
    assert len(values) == 3**8 == len(np.unique(labels, axis=0))
    with pytest.raises(ValueError, match="GraphMaximizer finds the best output only, not the n b"):
        CASES["cut"][0].n_best(1, [0.0, 1.0], 2)
    with pytest.raises(ValueError, match="n=0: expected an integer >= 1"):
        maximizer.n_best(0, theta, 0)


def test_labels_beyond_32_bits_are_refused():
    maximizer = PythonMaximizer(lambda i, theta: np.array([2**32 + 1]), [1], [1])
    with pytest.raises(ValueError, match="do not fit into int32"):
        maximizer.maximize(0, np.zeros(1))


def best_two(sizes, rows=None, form=1):
    """The two best of n parts as a row of three indices; or what `rows` says."""

    def maximize(user, i, thread, theta, labels, value):
        best = sorted(np.argsort([-theta[p] for p in range(sizes[i])], kind="stable")[:2].tolist())
        for k, p in enumerate([*best, -1] if rows is None else rows):
            labels[k] = p
        value[0] = sum(theta[p] for p in best)
        return 0

    return foreign(maximize, None, sizes, [3] * len(sizes), 0, {"form": form}.items())


def test_labels_may_be_the_used_parts():
    maximizer = best_two([4, 3])
    labels, value = maximizer.maximize(0, [1.0, 3.0, -1.0, 2.0])
    assert (labels.tolist(), value) == ([1, 3, -1], 5.0)
    assert maximizer.count(0, labels).tolist() == [0, 1, 0, 1]
    assert maximizer.count(0, [2, 2, -1]).tolist() == [0, 0, 2, 0]
    assert maximizer.difference(0, [0, 1, 3], labels).tolist() == [1, 0, 0, 0]
    assert maximizer.count(1, [-1, -1, -1]).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ([2, 1, -1], "label 1 of example 0 is 1; labels are the used parts, ascending: expected 2"),
        ([0, 4, -1], "label 1 of example 0 is 4; .*expected 0 to 3, or -1 after the last"),
        ([-2, -1, -1], "label 0 of example 0 is -2"),
    ],
)
def test_rows_that_are_no_used_parts_are_refused(row, message):
    with pytest.raises(ValueError, match=message):
        best_two([4]).count(0, row)
    with pytest.raises(ValueError, match=r"has form 2, expected 0 \(counts\) or 1 \(indices\)"):
        best_two([4], form=2)


def test_all_examples_are_answered_as_each_by_itself():
    weights = [[3, 2, 2], [1, 4], []]
    maximizer = Knapsack().bind([(row, 4) for row in weights], [3, 2, 0])
    theta = np.array([5.0, 3.0, 3.0, 1.0, 2.0])
    counts = maximizer.maximize_all(theta)
    assert counts.tolist() == [0, 1, 1, 0, 1]
    for i, (start, stop) in enumerate([(0, 3), (3, 5)]):
        labels, _ = maximizer.maximize(i, theta[start:stop])
        assert np.array_equal(maximizer.count(i, labels), counts[start:stop])
    with pytest.raises(ValueError, match="4 scores for 5 parts"):
        maximizer.maximize_all(theta[:4])
