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
        ({"unary": [[0.0, np.nan], [0, 0]]}, r"unary\[0, 1\] is nan; the scores of a cut are fin"),
        ({"pairwise": [-1.0]}, r"pairwise\[0\] is -1.0, expected a score >= 0"),
        ({"pairwise": [[[0, np.inf], [0, 0]]]}, r"pairwise\[0, 0, 1\] is inf"),
        ({"pairwise": [1.0, 2.0]}, r"pairwise has shape \(2,\), expected one of \(1,\), \(1, 2, 2"),
        ({"edges": [[0, 2]]}, r"edges\[0, 1\] is 2, expected a node from 0 to 1"),
        ({"start": [0, 2]}, r"start\[1\] is 2, expected a label from 0 to 1"),
        ({"start": [0.0, 1.0]}, r"start has shape \(2,\) and dtype float64"),
        ({"max_cycles": 0}, "max_cycles"),
        ({"unary": [[1e308, 0], [1e308, 0]]}, "add up to more than a double can hold"),
    ],
)
def test_errors(change, message):
    given = {"unary": [[0.0, 1.0], [1.0, 0.0]], "edges": [[0, 1]], "pairwise": [1.0]} | change
    with pytest.raises(ValueError, match=message):
        alpha_expansion(**given)
