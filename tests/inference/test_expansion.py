import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.graphs import best_by_enumeration, binary_labellings, score, scores_of

from structsvm.inference import alpha_expansion, graph_cut


@st.composite
def labellings(draw, most_labels=4, kinds=("potts", "tables", "table")):
    n, k = draw(st.integers(1, 6)), draw(st.integers(1, most_labels))
    nodes = st.integers(0, n - 1)
    edges = st.lists(st.tuples(nodes, nodes).filter(lambda e: e[0] != e[1]), max_size=9)
    edges = np.array(draw(edges) if n > 1 else [], dtype=int).reshape(-1, 2)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    unary = rng.integers(-6, 7, size=(n, k)).astype(float)
    shape = {"potts": (len(edges),), "tables": (len(edges), k, k), "table": (k, k)}
    kind = draw(st.sampled_from(kinds))
    pairwise = rng.integers(0 if kind == "potts" else -4, 5, size=shape[kind]).astype(float)
    return unary, edges, pairwise


@given(labellings(), st.integers(0, 2**32))
@settings(max_examples=200)
def test_ends_above_its_start_where_no_expansion_helps(problem, seed):
    unary, edges, pairwise = problem
    greedy = unary.argmax(axis=1)
    other = np.random.default_rng(seed).integers(unary.shape[1], size=len(unary))
    for start in (None, greedy, other):
        labels, value = alpha_expansion(unary, edges, pairwise, start=start)
        assert value == score(labels, unary, edges, pairwise)
        assert value >= score(greedy if start is None else start, unary, edges, pairwise)
        if pairwise.ndim == 1:  # then moves are the best ones
            takes = binary_labellings(len(labels)) == 1
            for alpha in range(unary.shape[1]):
                moved = np.where(takes, alpha, labels)
                assert scores_of(moved, unary, edges, pairwise).max() <= value


@given(labellings(2, kinds=("potts",)))
@settings(max_examples=200)
def test_two_labels_are_a_cut(problem):
    unary, edges, pairwise = problem
    unary = np.resize(unary, (len(unary), 2))
    _, value = alpha_expansion(unary, edges, pairwise)
    labels = graph_cut(unary[:, 1] - unary[:, 0], edges, pairwise).astype(int)
    assert value == score(labels, unary, edges, pairwise)


@given(labellings(kinds=("potts",)))
@settings(max_examples=100)
def test_potts_loses_at_most_twice_what_the_best_loses(problem):
    unary, edges, pairwise = problem
    _, value = alpha_expansion(unary, edges, pairwise)
    best, _ = best_by_enumeration(unary, edges, pairwise)
    most = unary.max(axis=1).sum() + pairwise.sum()
    assert most - value <= 2 * (most - best)


def test_one_cycle_may_not_be_enough_and_is_a_labelling_all_the_same():
    rng = np.random.default_rng(0)
    edges = np.array([(i, i + 1) for i in range(199)] + [(i, i + 20) for i in range(180)])
    unary, pairwise = rng.normal(size=(200, 6)), rng.exponential(size=len(edges))
    once, first = alpha_expansion(unary, edges, pairwise, max_cycles=1)
    more, last = alpha_expansion(unary, edges, pairwise)
    assert first == pytest.approx(score(once, unary, edges, pairwise))
    assert last == pytest.approx(score(more, unary, edges, pairwise))
    assert last >= first > score(unary.argmax(axis=1), unary, edges, pairwise)


@given(labellings(), st.integers(0, 2**32))
@settings(max_examples=150)
def test_forbidden_labels_are_never_taken(problem, seed):
    unary, edges, pairwise = problem
    rng = np.random.default_rng(seed)
    forbidden = rng.random(unary.shape) < 0.4
    forbidden[np.arange(len(unary)), rng.integers(unary.shape[1], size=len(unary))] = False
    unary[forbidden] = -np.inf
    labels, value = alpha_expansion(unary, edges, pairwise)
    assert value == score(labels, unary, edges, pairwise) > -np.inf
    if pairwise.ndim == 1:
        takes = binary_labellings(len(labels)) == 1
        for alpha in range(unary.shape[1]):
            moved = np.where(takes, alpha, labels)
            assert scores_of(moved, unary, edges, pairwise).max() <= value
    if unary.shape[1] == 2 and pairwise.ndim == 1:
        assert value == best_by_enumeration(unary, edges, pairwise)[0]


def best_move(labels, alpha, unary, edges, pairwise):
    """Labels after the best expansion of alpha, by a new cut; for attractive scores."""
    a, b = edges.T
    e, everywhere = np.arange(len(edges)), np.full(len(edges), alpha)

    def pair(first, second):
        return pairwise * (first == second) if pairwise.ndim == 1 else pairwise[e, first, second]

    keep, second = pair(labels[a], labels[b]), pair(labels[a], everywhere)
    first, both = pair(everywhere, labels[b]), pair(everywhere, everywhere)
    capacity = (keep - second - first + both) / 2
    gain = unary[:, alpha] - unary[np.arange(len(unary)), labels]
    np.add.at(gain, a, first - keep + capacity)
    np.add.at(gain, b, second - keep + capacity)
    return np.where(graph_cut(gain, edges, np.maximum(capacity, 0)) == 1, alpha, labels)


def larger(seed):
    """A grid, or a random graph, every other one with a hub; scores of any scale, often tied."""
    rng = np.random.default_rng(seed)
    n, k = int(rng.integers(2, 300)), int(rng.integers(2, 8))
    if seed % 3:
        edges = rng.integers(n, size=(int(rng.integers(4 * n)), 2))
        edges[: len(edges) // 2 * (seed % 2), 0] = 0
        edges = edges[edges[:, 0] != edges[:, 1]]
    else:
        width = int(rng.integers(1, n + 1))
        n -= n % width
        places = np.arange(n).reshape(-1, width)
        pairs = [(places[:, :-1], places[:, 1:]), (places[:-1], places[1:])]
        edges = np.concatenate([np.stack([p.ravel(), q.ravel()], 1) for p, q in pairs])
    unary = rng.normal(size=(n, k))
    if seed % 5 < 2:
        unary = np.round(2 * unary)
    strength = 10.0 ** rng.uniform(-2, 2) * rng.exponential(size=len(edges))
    if seed % 4:
        pairwise = strength * rng.integers(2, size=len(edges))
    else:  # a truncated linear distance, and scores of both ends
        distance = np.minimum(np.abs(np.subtract.outer(np.arange(k), np.arange(k))), 2)
        pairwise = -strength[:, None, None] * distance
        pairwise = pairwise + rng.normal(size=(len(edges), k, 1))
    scale = 10.0 ** rng.integers(-3, 4)
    return scale * unary, edges, scale * pairwise, rng.integers(k, size=n)


@pytest.mark.parametrize("seed", range(60))
def test_no_expansion_of_larger_graphs_helps(seed):
    unary, edges, pairwise, other = larger(seed)
    rounding = 1e-11 * (np.abs(unary).sum() + np.abs(pairwise).sum())
    for start in (None, other):
        labels, value = alpha_expansion(unary, edges, pairwise, start=start)
        assert value == pytest.approx(score(labels, unary, edges, pairwise), abs=rounding)
        least = unary.argmax(axis=1) if start is None else start
        assert value >= score(least, unary, edges, pairwise) - rounding
        for alpha in range(unary.shape[1]):
            moved = best_move(labels, alpha, unary, edges, pairwise)
            assert score(moved, unary, edges, pairwise) <= value + rounding


@pytest.mark.parametrize("strength", [1e-3, 1e9, 1e200])
def test_edges_far_stronger_or_weaker_than_nodes(strength):
    unary, edges, pairwise, other = larger(1)
    pairwise = strength * (pairwise + 1)
    for start in (None, other):
        labels, value = alpha_expansion(unary, edges, pairwise, start=start)
        assert value == pytest.approx(score(labels, unary, edges, pairwise))
        assert value >= score(unary.argmax(axis=1), unary, edges, pairwise) or start is not None


def test_messages_start_better_than_labels_without_edges():
    rng = np.random.default_rng(0)
    places = np.arange(2500).reshape(50, 50)
    pairs = [(places[:, :-1], places[:, 1:]), (places[:-1], places[1:])]
    edges = np.concatenate([np.stack([p.ravel(), q.ravel()], 1) for p, q in pairs])
    unary, pairwise = rng.normal(size=(2500, 6)), np.full(len(edges), 0.8)
    _, value = alpha_expansion(unary, edges, pairwise)
    _, greedy = alpha_expansion(unary, edges, pairwise, start=unary.argmax(axis=1))
    assert value > greedy


def test_no_nodes_and_no_edges():
    labels, value = alpha_expansion(np.zeros((0, 3)), [], [])
    assert labels.shape == (0,)
    assert value == 0.0
    labels, value = alpha_expansion([[0.0, 2.0, 2.0]], [], [])
    assert labels.tolist() == [1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unary": [0.0, 1.0]}, r"unary has shape \(2,\), expected \(n_nodes, n_labels\)"),
        ({"unary": [[0.0, np.nan], [0, 0]]}, r"unary\[0, 1\] is nan; expected a number"),
        ({"pairwise": [-1.0]}, r"pairwise\[0\] is -1.0, expected a score >= 0"),
        ({"pairwise": [[[0, np.inf], [0, 0]]]}, r"pairwise\[0, 0, 1\] is inf"),
        ({"pairwise": [1.0, 2.0]}, r"pairwise has shape \(2,\), expected one of \(1,\), \(1, 2, 2"),
        ({"edges": [[0, 2]]}, r"edges\[0, 1\] is 2, expected a node from 0 to 1"),
        ({"start": [0, 2]}, r"start\[1\] is 2, expected a label from 0 to 1"),
        ({"start": [0.0, 1.0]}, r"start has shape \(2,\) and dtype float64"),
        ({"unary": [[-np.inf, -np.inf], [0, 0]]}, r"unary\[0\] is -inf for all labels"),
        ({"unary": [[np.inf, 0], [0, 0]]}, r"unary\[0, 0\] is inf"),
        (
            {"unary": [[0, -np.inf], [0, 0]], "start": [1, 0]},
            r"start\[0\] is 1, but unary\[0, 1\] is -inf",
        ),
        ({"max_cycles": 0}, "max_cycles"),
        ({"unary": [[1e308, 0], [1e308, 0]]}, "add up to more than a double can hold"),
    ],
)
def test_errors(change, message):
    given = {"unary": [[0.0, 1.0], [1.0, 0.0]], "edges": [[0, 1]], "pairwise": [1.0]} | change
    with pytest.raises(ValueError, match=message):
        alpha_expansion(**given)
