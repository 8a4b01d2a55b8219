import itertools
import threading
from fractions import Fraction

import networkx
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from reference.graphs import as_matrix, assert_proven, sizes_apart
from scipy.sparse.csgraph import maximum_flow

from structsvm.inference import GraphCut, GridCut, graph_cut, roof_duality


def score(labels, unary, edges, pairwise):
    agree = labels[edges[:, 0]] == labels[edges[:, 1]]
    return float(unary @ labels + pairwise @ agree)


def brute_force(unary, edges, pairwise):
    """The best labels, of the fewest ones among the best; scores are whole numbers."""
    labels = np.array(list(itertools.product((0, 1), repeat=len(unary))))
    agree = labels[:, edges[:, 0]] == labels[:, edges[:, 1]]
    scores = labels @ unary + agree @ pairwise
    best = labels[scores == scores.max()]
    return best[best.sum(axis=1).argmin()]


@st.composite
def graphs(draw, most_nodes=12):
    """Whole scores, so that ties are ties; edges twice and both ways round."""
    n = draw(st.integers(1, most_nodes))
    nodes = st.integers(0, n - 1)
    edges = st.lists(st.tuples(nodes, nodes).filter(lambda e: e[0] != e[1]), max_size=3 * n)
    edges = np.array(draw(edges) if n > 1 else [], dtype=int).reshape(-1, 2)
    unary = draw(st.lists(st.integers(-5, 5), min_size=n, max_size=n))
    pairwise = draw(st.lists(st.integers(0, 4), min_size=len(edges), max_size=len(edges)))
    return np.array(unary, dtype=float), edges, np.array(pairwise, dtype=float)


@given(graphs())
@settings(max_examples=150)
@example((np.zeros(3), np.array([[0, 1], [1, 2]]), np.zeros(2)))
def test_best_labels_with_fewest_ones(graph):
    labels, certificate = graph_cut(*graph, return_certificate=True)
    assert labels.dtype == np.uint8
    assert labels.tolist() == brute_force(*graph).tolist()
    assert certificate.gap == 0
    unary, _, pairwise = graph
    most = np.maximum(unary, 0).sum() + pairwise.sum()
    assert most - certificate.energy == score(labels, *graph)


@given(st.integers(2, 10), st.integers(0, 2**32))
@settings(max_examples=100)
def test_lines_against_enumeration(n, seed):
    rng = np.random.default_rng(seed)
    edges = np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)
    unary, pairwise = rng.integers(-4, 5, size=n) * 1.0, rng.integers(4, size=n - 1) * 1.0
    best = brute_force(unary, edges, pairwise)
    assert graph_cut(unary, edges, pairwise).tolist() == best.tolist()
    proven, certificate = graph_cut(unary, edges, pairwise, return_certificate=True)
    assert proven.tolist() == best.tolist()
    assert certificate.gap == 0
    # The last node stands alone.
    more = graph_cut(np.append(unary, 1.0), edges, pairwise)
    assert more.tolist() == [*best.tolist(), 1]


@given(graphs(8), st.integers(0, 2**32))
@settings(max_examples=150)
def test_directed_capacities_and_forced_labels_against_enumeration(graph, seed):
    unary, edges, pairwise = graph
    rng = np.random.default_rng(seed)
    reverse = rng.integers(5, size=len(edges)).astype(float)
    forced = rng.choice([0.0, 0.0, np.inf, -np.inf], size=len(unary))
    unary = np.where(forced == 0, unary, forced)
    labels, certificate = graph_cut(
        unary, edges, pairwise, reverse=reverse, return_certificate=True
    )
    assert (labels[unary == np.inf] == 1).all()
    assert (labels[unary == -np.inf] == 0).all()
    every = np.array(list(itertools.product((0, 1), repeat=len(unary))))
    every = every[
        ((every == 1) | (unary != np.inf)).all(1) & ((every == 0) | (unary != -np.inf)).all(1)
    ]
    first, second = every[:, edges[:, 0]], every[:, edges[:, 1]]
    scores = every @ np.where(forced == 0, unary, 0)
    scores = scores - (first > second) @ pairwise - (first < second) @ reverse
    best = every[scores == scores.max()]
    assert labels.tolist() == best[best.sum(axis=1).argmin()].tolist()
    most = np.maximum(np.where(forced == 0, unary, 0), 0).sum()
    assert certificate.energy == most - scores.max()
    assert certificate.gap == 0
    again = graph_cut(unary, edges[:, ::-1], reverse, reverse=pairwise)
    assert again.tolist() == labels.tolist()


def test_wrong_reverse_scores_are_told():
    with pytest.raises(ValueError, match=r"reverse\[1\] is -1.0, expected a score >= 0"):
        graph_cut([0.0, 1.0, 2.0], [[0, 1], [1, 2]], 1.0, reverse=[1.0, -1.0])
    with pytest.raises(ValueError, match=r"reverse has shape \(3,\), expected \(2,\)"):
        graph_cut([0.0, 1.0, 2.0], [[0, 1], [1, 2]], 1.0, reverse=[1.0, 1.0, 1.0])


@given(graphs(8), st.sampled_from([2.0**-1000, 2.0**-30, 2.0**30, 2.0**1000]))
def test_huge_and_tiny_scores(graph, factor):
    unary, edges, pairwise = graph
    labels, certificate = graph_cut(
        unary * factor, edges, pairwise * factor, return_certificate=True
    )
    assert labels.tolist() == graph_cut(*graph).tolist()
    assert certificate.gap <= 1e-9


@given(graphs(8), st.data())
def test_warm_solves_equal_cold_ones(graph, data):
    unary, edges, pairwise = graph
    cut = GraphCut(len(unary), edges)
    for _ in range(4):
        cut.set_scores(unary, pairwise)
        assert cut.solve().tolist() == graph_cut(unary, edges, pairwise).tolist()
        assert cut.certificate().gap <= 1e-9
        factor = data.draw(st.sampled_from([0.5, 1.0, 4.0]))
        cut.scale(factor)
        assert cut.solve().tolist() == graph_cut(unary, edges, pairwise).tolist()
        i = data.draw(st.integers(0, len(unary) - 1))
        unary = unary.copy()
        unary[i] = data.draw(st.integers(-9, 9))
        pairwise = pairwise * data.draw(st.sampled_from([0.0, 1.0, 2.0]))


@st.composite
def scores_apart(draw, n, n_edges):
    return draw(sizes_apart(n, signed=True)), draw(sizes_apart(n_edges, signed=False))


@given(graphs(6), st.data())
@settings(max_examples=150, deadline=None)
def test_the_proof_holds_at_any_scale(graph, data):
    unary, edges, _ = graph
    cut = GraphCut(len(unary), edges)
    for _ in range(3):  # also when a flow of quite other scores is kept
        scores = data.draw(scores_apart(len(unary), len(edges)))
        cut.set_scores(*scores)
        labels = cut.solve()
        certificate = cut.certificate()
        assert_proven(certificate, [labels, cut.solve()], scores[0], edges, scores[1])


@pytest.mark.parametrize("coupling", [1e12, 1e16, 1e100, 1e300, 1.7e308])
def test_huge_couplings_are_as_good_as_joined_nodes(coupling):
    edges = [[0, 1], [1, 2]]
    labels, certificate = graph_cut([3, -1, -1], edges, coupling, return_certificate=True)
    assert labels.tolist() == [1, 1, 1]
    assert (certificate.flow, certificate.energy) == (2.0, 2.0)
    # Where nothing flows either.
    labels, certificate = graph_cut([3, 0, 0], edges, coupling, return_certificate=True)
    assert labels.tolist() == [1, 1, 1]
    assert (certificate.flow, certificate.energy) == (0.0, 0.0)


def test_scaling_keeps_scores_that_would_vanish_in_part():
    cut = GraphCut(3, [[0, 1], [1, 2]])
    cut.set_scores([3.0, -1e-200, -1.0], [1e-200, 2.0])
    cut.solve()
    for factor in (1e-120, 1e250, 1e-130):
        cut.scale(factor)
        assert cut.certificate().gap <= 1e-12


def random_graph(n=600, m=2400, seed=0, whole=False):
    rng = np.random.default_rng(seed)
    edges = rng.integers(n, size=(m, 2))
    edges = edges[edges[:, 0] != edges[:, 1]]
    unary, pairwise = 4 * rng.normal(size=n), rng.exponential(size=len(edges))
    if whole:
        unary, pairwise = np.round(10 * unary), np.round(10 * pairwise)
    return unary, edges, pairwise


def as_network(unary, edges, pairwise):
    """Capacities between source n, sink n + 1 and nodes."""
    n = len(unary)
    rows = np.concatenate([edges[:, 0], edges[:, 1], np.full(n, n), np.arange(n)])
    columns = np.concatenate([edges[:, 1], edges[:, 0], np.arange(n), np.full(n, n + 1)])
    terminal = [np.maximum(unary, 0), np.maximum(-unary, 0)]
    return as_matrix(np.concatenate([pairwise, pairwise, *terminal]), rows, columns, n + 2)


@pytest.mark.parametrize("seed", range(5))
def test_flow_of_scipy(seed):
    unary, edges, pairwise = random_graph(seed=seed, whole=True)
    network = as_network(unary, edges, pairwise).astype(np.int32)
    n = len(unary)
    _, certificate = graph_cut(unary, edges, pairwise, return_certificate=True)
    assert certificate.flow == certificate.energy == maximum_flow(network, n, n + 1).flow_value


def test_flow_of_networkx():
    unary, edges, pairwise = random_graph(60, 200)
    network = networkx.from_scipy_sparse_array(
        as_network(unary, edges, pairwise), create_using=networkx.DiGraph, edge_attribute="capacity"
    )
    value = networkx.maximum_flow_value(network, 60, 61)
    _, certificate = graph_cut(unary, edges, pairwise, return_certificate=True)
    assert certificate.energy == pytest.approx(value, rel=1e-12)
    assert certificate.gap <= 1e-9


def test_many_warm_solves_stay_exact():
    unary, edges, pairwise = random_graph(400, 1600)
    rng = np.random.default_rng(1)
    cut = GraphCut(400, edges)
    for _ in range(60):
        unary = unary + 0.3 * rng.normal(size=400) * (rng.random(400) < 0.1)
        pairwise = pairwise * rng.uniform(0.95, 1.05, size=len(edges))
        cut.set_scores(unary, pairwise)
        labels = cut.solve()
        cold, certificate = graph_cut(unary, edges, pairwise, return_certificate=True)
        assert labels.tolist() == cold.tolist()
        assert cut.certificate().energy == pytest.approx(certificate.energy, rel=1e-12)
        assert cut.certificate().gap <= 1e-9


def test_several_graphs_are_one_without_edges_between_them():
    one, other = random_graph(50, 150, seed=1), random_graph(70, 200, seed=2)
    both = (
        np.concatenate([one[0], other[0]]),
        np.concatenate([one[1], other[1] + 50]),
        np.concatenate([one[2], other[2]]),
    )
    apart = np.concatenate([graph_cut(*one), graph_cut(*other)])
    assert graph_cut(*both).tolist() == apart.tolist()


def test_no_nodes_and_no_edges():
    assert graph_cut([], [], []).shape == (0,)
    assert graph_cut([1.0, 0.0, -1.0], [], []).tolist() == [1, 0, 0]


def test_one_number_for_all_edges():
    unary, edges, _ = random_graph(50, 150)
    same = np.full(len(edges), 0.7)
    assert graph_cut(unary, edges, 0.7).tolist() == graph_cut(unary, edges, same).tolist()


def test_threads_cut_at_the_same_time():
    problems = [random_graph(2000, 8000, seed=seed) for seed in range(4)]
    alone = [graph_cut(*problem).tolist() for problem in problems]
    found = [None] * 4

    def work(k):
        found[k] = graph_cut(*problems[k]).tolist()

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == alone


@pytest.mark.parametrize("kind", ["graph", "grid"])
def test_one_object_in_several_threads_neither_crashes_nor_hangs(kind):
    unary, edges, pairwise = random_graph(3000, 12000)
    cut = GraphCut(3000, edges) if kind == "graph" else GridCut((50, 60), 8)
    scores = [(k * unary, pairwise) for k in (1, -1, 2)]
    if kind == "grid":
        scores = [(u.reshape(50, 60), p[: 4 * 3000].reshape(-1)[:4]) for u, p in scores]

    def work(k):
        for _ in range(20):
            cut.set_scores(*scores[k])
            cut.solve()
            cut.certificate()
            cut.scale(0.5)

    threads = [threading.Thread(target=work, args=(k,), daemon=True) for k in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=600)
    assert not any(thread.is_alive() for thread in threads)
    cut.set_scores(*scores[0], keep_flow=False)
    assert cut.certificate().gap <= 1e-9


def test_read_only_and_strided_arrays():
    unary, edges, pairwise = random_graph(50, 150)
    expected = graph_cut(unary, edges, pairwise).tolist()
    strided = np.repeat(unary, 2)[::2]
    strided.flags.writeable = False
    assert graph_cut(strided, np.asfortranarray(edges), pairwise).tolist() == expected
    assert graph_cut(unary, edges.astype(np.uint16), pairwise).tolist() == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"unary": [0, np.nan, 0]}, r"unary\[1\] is nan; expected a number"),
        ({"unary": [np.nan, 0, np.inf]}, r"unary\[0\] is nan; expected a number"),
        ({"pairwise": [1.0, np.inf]}, r"pairwise\[1\] is inf; the scores of a cut are finite"),
        ({"unary": [[0, 0, 0]]}, r"unary has shape \(1, 3\), expected \(1,\)"),
        ({"unary": ["a", "b", "c"]}, "unary has dtype <U1, expected real numbers"),
        ({"unary": [1e308] * 3}, "add up to more than a double can hold"),
        ({"pairwise": [1.0, -0.5]}, r"pairwise\[1\] is -0.5, expected a score >= 0"),
        ({"pairwise": [np.nan, 1.0]}, r"pairwise\[0\] is nan"),
        ({"pairwise": [1.0]}, r"pairwise has shape \(1,\), expected \(2,\) or one number"),
        ({"edges": [[0, 1], [1, 3]]}, r"edges\[1, 1\] is 3, expected a node from 0 to 2"),
        ({"edges": [[0, 1], [-1, 2]]}, r"edges\[1, 0\] is -1, expected a node from 0 to 2"),
        ({"edges": [[0, 1], [2, 2]]}, r"edges\[1\] joins node 2 to itself"),
        ({"edges": [0, 1]}, r"edges have shape \(2,\), expected \(n_edges, 2\)"),
        ({"edges": [[0.0, 1.0]]}, "edges have dtype float64, expected integers"),
    ],
)
def test_errors(change, message):
    given = {"unary": [0.0, 0.0, 0.0], "edges": [[0, 1], [1, 2]], "pairwise": [1.0, 1.0]} | change
    if change.get("unary") == [[0, 0, 0]]:
        given |= {"edges": [], "pairwise": []}
    with pytest.raises(ValueError, match=message):
        graph_cut(**given)


def test_errors_of_the_object():
    cut = GraphCut(2, [[0, 1]])
    with pytest.raises(ValueError, match=r"unary\[1\] is inf; the scores of a cut are finite"):
        cut.set_scores([0, np.inf], 1.0)
    for factor in (0, -1, np.inf, np.nan, "2"):
        with pytest.raises(ValueError, match="expected a finite number > 0"):
            cut.scale(factor)
    cut.set_scores([1.0, 1e300])
    with pytest.raises(ValueError, match="add up to more than a double can hold"):
        cut.scale(1e20)
    assert cut.solve().tolist() == [1, 1]
    with pytest.raises(ValueError, match="n_nodes=-1"):
        GraphCut(-1, [])


def test_a_cut_of_nothing_is_no_cut_of_zeros():
    with pytest.raises(ValueError, match="unary has dtype object, expected real numbers"):
        graph_cut(None, [], [])
    with pytest.raises(ValueError, match="pairwise has dtype object, expected real numbers"):
        graph_cut([1.0, 2.0], [[0, 1]], None)


@pytest.mark.parametrize("search", [graph_cut, roof_duality])
def test_masked_scores_are_refused(search):
    masked = np.ma.masked_array([1.0, 2.0], mask=[False, True])
    with pytest.raises(ValueError, match="unary has masked entries"):
        search(masked, [[0, 1]], [1.0])
    with pytest.raises(ValueError, match="pairwise has masked entries"):
        search([1.0, 2.0], [[0, 1], [0, 1]], masked)
    with pytest.raises(ValueError, match="edges has masked entries"):
        search([1.0, 2.0], np.ma.masked_array([[0, 1]], mask=[[False, True]]), [1.0])


@pytest.mark.parametrize("n_nodes", [2**64, 2**31, 1.5, "3", None, True])
def test_numbers_of_nodes_are_checked(n_nodes):
    with pytest.raises(ValueError, match="n_nodes="):
        GraphCut(n_nodes, [])


def many_nodes(kind):
    """Whole scores of graphs that are cut in blocks first, or have nodes with many edges."""
    rng = np.random.default_rng(0)
    n = 9000
    if kind == "chain":
        edges = np.stack([np.arange(n - 1), np.arange(1, n)], 1)
    elif kind == "grid":
        number = np.arange(n).reshape(90, 100)
        edges = np.concatenate(
            [
                np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], 1),
                np.stack([number[:-1].ravel(), number[1:].ravel()], 1),
            ]
        )
    elif kind == "hubs":
        hubs = [np.stack([np.full(n - 3, k), np.arange(3, n)], 1) for k in range(3)]
        edges = np.concatenate(hubs)
    else:
        edges = rng.integers(n, size=(3 * n, 2))
        edges = edges[edges[:, 0] != edges[:, 1]]
    return n, edges, rng


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
@pytest.mark.parametrize("kind", ["chain", "grid", "hubs", "random"])
def test_many_nodes_have_the_flow_of_scipy_whatever_was_cut_before(kind, share):
    n, edges, rng = many_nodes(kind)
    cut = GraphCut(n, edges)
    for factor in (1.0, 2.0**-1060, 2.0**800):
        unary = rng.integers(1, 30, size=n) * np.where(rng.random(n) < share, 1.0, -1.0)
        pairwise = rng.integers(0, 9, size=len(edges)).astype(float)
        network = as_network(unary, edges, pairwise).astype(np.int32)
        cut.set_scores(factor * unary, factor * pairwise)
        labels, certificate = cut.solve(), cut.certificate()
        flow = maximum_flow(network, n, n + 1).flow_value
        assert certificate.energy == factor * flow
        assert certificate.flow == pytest.approx(certificate.energy, rel=1e-9)
        cold = graph_cut(unary, edges, pairwise)
        assert np.array_equal(labels, cold)


SCALES = [0.0, 1.0, 3.0, 1e-300, 1e-9, 1e17, 1e20, 1e300]


def exact_energy(labels, unary, edges, there, back):
    """What a labelling gives up, as a fraction."""
    own = sum(Fraction(abs(u)) for u, y in zip(unary, labels, strict=True) if (u > 0) != bool(y))
    for (a, b), forth, home in zip(edges.tolist(), there, back, strict=True):
        if labels[a] != labels[b]:
            own += Fraction(forth if labels[a] else home)
    return own


@pytest.mark.parametrize("seed", range(60))
def test_directed_capacities_of_any_scale(seed):
    """No score is lost beside a large capacity, and the flow stays below every energy."""
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(2, 7)), int(rng.integers(1, 9))
    edges = np.array([rng.choice(n, 2, replace=False) for _ in range(m)], dtype=np.int32)
    cut = GraphCut(n, edges)
    for keep_flow in (False, True, True):
        unary = rng.choice(SCALES, n) * rng.choice([-1.0, 1.0], n)
        there, back = rng.choice(SCALES, m), rng.choice(SCALES, m)
        if np.abs(unary).sum() + there.sum() + back.sum() > 1e300:
            unary, there, back = (np.minimum(values, 1e290) for values in (unary, there, back))
        cut.set_scores(unary, there, reverse=back, keep_flow=keep_flow)
        labels, certificate = cut.solve(), cut.certificate()
        every = list(itertools.product((0, 1), repeat=n))
        best = min(exact_energy(other, unary, edges, there, back) for other in every)
        rounding = 1 + Fraction(1, 10**12)
        assert exact_energy(labels, unary, edges, there, back) <= best * rounding
        assert Fraction(certificate.flow) <= best * rounding
        assert certificate.gap <= 1e-12
        found, proof = graph_cut(unary, edges, there, reverse=back, return_certificate=True)
        assert exact_energy(found, unary, edges, there, back) <= best * rounding
        assert Fraction(proof.flow) <= best * rounding
        cut.scale(0.5)
        np.testing.assert_array_equal(cut.solve(), labels)


def test_reverse_scores_of_a_kept_cut():
    cut = GraphCut(2, [[0, 1]])
    cut.set_scores([1.0, -2.0], 0.5, reverse=5.0)
    assert cut.solve().tolist() == [1, 0]
    assert cut.nbytes == 3 * 52 + 52
    cut.set_scores(pairwise=1.5)  # both ways
    assert cut.solve().tolist() == [0, 0]
    cut.set_scores(reverse=0.0)
    assert cut.solve().tolist() == [0, 0]
    cut.set_scores([-1.0, 2.0])  # capacities stay
    assert cut.solve().tolist() == [0, 1]
    cut.set_scores(reverse=1.5)
    assert cut.solve().tolist() == [1, 1]
