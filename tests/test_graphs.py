"""Graphs at the border: what is taken, what it becomes, and what is refused with which words."""

import pickle
import re
import subprocess
import sys

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import skimage.graph
from hypothesis import given
from hypothesis import strategies as st

from structsvm.graphs import Graph, as_graph, as_graphs

FEATURES = np.array([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]])
EDGES = np.array([[0, 1], [2, 1]], dtype=np.int32)
EDGE_FEATURES = np.array([[0.5], [0.25]])


def refused(message):
    return pytest.raises(ValueError, match=re.escape(message))


def test_canonical_arrays_are_used_where_they_are():
    for arrays in ((FEATURES, EDGES, EDGE_FEATURES), (FEATURES.copy(), EDGES, EDGE_FEATURES)):
        arrays[0].flags.writeable = False
        graph = as_graph(arrays)
        assert graph.features is arrays[0]
        assert graph.edges is arrays[1]
        assert graph.edge_features is arrays[2]
        arrays[0].flags.writeable = True
    assert as_graph(graph) is graph
    assert (graph.n_nodes, graph.n_edges, graph.n_features, graph.n_edge_features) == (3, 2, 2, 1)
    assert repr(graph) == "Graph(3 nodes, 2 edges, 2 features, 1 edge features)"
    with pytest.raises(AttributeError):
        graph.edges = EDGES
    copy = pickle.loads(pickle.dumps(graph))
    np.testing.assert_array_equal(copy.edges, EDGES)


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint64, ">i4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_other_arrays_are_converted(dtype, order):
    features = np.asarray(FEATURES, dtype=np.float32, order=order)
    edges = np.asarray(EDGES, dtype=dtype, order=order)
    edges.flags.writeable = False
    graph = as_graph((features, edges, [[1], [0]]))
    for array, kind, expected in (
        (graph.features, np.float64, FEATURES),
        (graph.edges, np.int32, EDGES),
        (graph.edge_features, np.float64, [[1], [0]]),
    ):
        assert array.dtype == kind
        assert array.dtype.isnative
        assert array.flags.c_contiguous
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize("edges", [[], np.zeros((0, 2)), np.zeros((0, 2), dtype=np.int64)])
def test_a_graph_without_edges(edges):
    graph = as_graph((FEATURES, edges))
    assert graph.edges.shape == (0, 2)
    assert graph.edges.dtype == np.int32
    assert graph.edge_features is None


def test_no_column_of_edge_features_is_none():
    assert as_graph((FEATURES, EDGES, np.zeros((2, 0)))).edge_features is None


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (([[0.0, np.nan]], []), "features[0, 1] is nan; features must be finite"),
        (([[0.0], [-np.inf]], []), "features[1, 0] is -inf; features must be finite"),
        ((FEATURES, EDGES, [[0], [np.inf]]), "edge_features[1, 0] is inf"),
        (([[10**400]], []), "features has dtype object, expected real numbers"),
        (([[1j]], []), "features has dtype complex128"),
        (([["a"]], []), "features has dtype <U1"),
        (([[1.0], [1.0, 2.0]], []), "features is no rectangular array of numbers"),
        (([1.0, 2.0], []), "features has shape (2,), expected (n_nodes, n_features)"),
        ((np.zeros((0, 3)), []), "features has no rows: a graph needs at least one node"),
        ((sp.csr_array(FEATURES), []), "features is a sparse matrix, expected an array"),
        ((np.ma.masked_equal(FEATURES, 3), []), "features has masked entries"),
        ((FEATURES, [0, 1]), "edges has shape (2,), expected (n_edges, 2)"),
        ((FEATURES, np.zeros((2, 5), int)), "edges has shape (2, 5), expected (n_edges, 2): trans"),
        ((FEATURES, [[0, 1], [2]]), "edges is no array of shape (n_edges, 2)"),
        ((FEATURES, [[0.0, 1.0]]), "edges has dtype float64, expected integers"),
        ((FEATURES, [[False, True]]), "edges has dtype bool, expected integers"),
        ((FEATURES, np.ma.masked_equal(EDGES, 2)), "edges has masked entries"),
        ((FEATURES, [[0, 1], [1, 3]]), "edges[1, 1] is 3, expected a node from 0 to 2"),
        ((FEATURES, [[0, 1], [-1, 2]]), "edges[1, 0] is -1, expected a node from 0 to 2"),
        ((FEATURES, [[2**40, 1]]), "edges[0, 0] is 1099511627776, expected a node"),
        ((FEATURES, np.array([[2**63 + 1, 1]], dtype=np.uint64)), "edges[0, 0] is 922337203685"),
        ((FEATURES, [[0, 1], [2, 2]]), "edges[1] joins node 2 to itself; leave loops out"),
        ((FEATURES, [[0, 1], [1, 2], [0, 1]]), "edges[0] and edges[2] both join nodes 0 and 1"),
        ((FEATURES, [[0, 2], [1, 2], [2, 1]]), "edges[1] and edges[2] both join nodes 1 and 2"),
        ((FEATURES, EDGES, [[1]]), "edge_features has 1 rows, expected 2 as edges has"),
        ((FEATURES, EDGES, [1, 2]), "edge_features has shape (2,), expected (n_edges, n_edge_fe"),
        ((np.zeros((2**31, 0)), EDGES), "features has 2147483648 rows; at most 2**31 - 1 nodes"),
        ((FEATURES,), "adjacency matrix), a networkx graph or a Graph, got a tuple of 1"),
        (FEATURES, "a networkx graph or a Graph, got ndarray"),
        ([FEATURES, EDGES], "a networkx graph or a Graph, got list"),
    ],
)
def test_what_arrays_are_refused(graph, message):
    with refused(message):
        as_graph(graph)


def test_names_of_nodes_are_as_many_as_nodes():
    with refused("nodes has 1 names, expected 3 as features has rows"):
        Graph(FEATURES, EDGES, nodes=("a",))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=6))
def test_edges_are_refused_just_if_a_loop_or_again(edges):
    seen, fault = set(), None
    for k, (a, b) in enumerate(edges):
        if a == b:
            fault = f"edges[{k}] joins node {a} to itself"
            break
    if fault is None:
        for k, pair in enumerate(edges):
            if frozenset(pair) in seen:
                fault = f"and edges[{k}] both join"
                break
            seen.add(frozenset(pair))
    features = np.zeros((4, 1))
    if fault is None:
        assert as_graph((features, edges)).edges.tolist() == [list(pair) for pair in edges]
    else:
        with refused(fault):
            as_graph((features, edges))


def random_adjacency(seed, n=7):
    rng = np.random.default_rng(seed)
    upper = np.triu(rng.integers(0, 3, size=(n, n)) * rng.normal(size=(n, n)), 1)
    return rng.normal(size=(n, 2)), upper


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csc_array, sp.coo_matrix, sp.lil_array])
@pytest.mark.parametrize("seed", range(3))
def test_adjacency_matrices(kind, seed):
    features, upper = random_adjacency(seed)
    for matrix in (upper, upper + upper.T):
        graph = as_graph((features, kind(matrix)))
        rows, columns = np.nonzero(upper)
        np.testing.assert_array_equal(graph.edges, np.stack([rows, columns], 1))
        np.testing.assert_array_equal(graph.edge_features, upper[rows, columns][:, None])


def test_stored_zeros_are_edges_and_entries_given_twice_are_added():
    matrix = sp.coo_array(([0.0, 2.0, 3.0], ([0, 1, 1], [1, 2, 2])), shape=(3, 3))
    graph = as_graph((FEATURES, matrix))
    assert graph.edges.tolist() == [[0, 1], [1, 2]]
    assert graph.edge_features.tolist() == [[0.0], [5.0]]
    # The user's own matrix keeps its form.
    twice = sp.csr_array(([2.0, 3.0], [1, 1], [0, 2, 2, 2]), shape=(3, 3))
    assert as_graph((FEATURES, twice)).edge_features.tolist() == [[5.0]]
    assert twice.nnz == 2


def test_a_boolean_adjacency_matrix_has_weights_of_one():
    graph = as_graph((FEATURES, sp.csr_array(np.array([[0, 1, 0], [0, 0, 1], [0, 0, 0]], bool))))
    assert graph.edge_features.tolist() == [[1.0], [1.0]]


def adjacency(*entries, n=3, dtype=np.float64):
    rows, columns, values = zip(*entries, strict=True)
    return sp.csr_array((np.array(values, dtype=dtype), (rows, columns)), shape=(n, n))


def damaged():
    matrix = adjacency((0, 1, 1.0))
    matrix.indices[0] = 7
    return matrix


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (adjacency((0, 1, 1.0), n=4), "shape (4, 4), expected (3, 3) as there are 3 nodes"),
        (
            adjacency((0, 1, 2.0), (1, 0, 3.0)),
            "adjacency[0, 1] is 2.0 but adjacency[1, 0] is 3.0; expected a symmetric matrix",
        ),
        (
            adjacency((0, 1, 1.0), (1, 0, 1.0), (2, 1, 4.0)),
            "adjacency[2, 1] is 4.0 but adjacency[1, 2] is not stored",
        ),
        (adjacency((0, 2, 1.0), (1, 0, 1.0)), "adjacency[0, 2] is 1.0 but adjacency[2, 0] is not"),
        (adjacency((0, 1, 1.0), (1, 1, 1.0)), "adjacency[1, 1] is stored: node 1 is joined to"),
        (adjacency((0, 1, np.nan)), "adjacency[0, 1] is nan; weights must be finite"),
        (adjacency((0, 1, 1j), dtype=complex), "has dtype complex128, expected real numbers"),
        (damaged(), "the adjacency matrix is damaged"),
        (damaged().T, "the adjacency matrix is damaged"),
    ],
)
def test_what_adjacency_is_refused(matrix, message):
    with refused(message):
        as_graph((FEATURES, matrix))


def test_adjacency_beside_edge_features_is_refused():
    with refused("edge features beside an adjacency matrix have no order"):
        as_graph((FEATURES, adjacency((0, 1, 1.0)), EDGE_FEATURES))


def family():
    graph = nx.Graph()
    graph.add_node("c", x=[1.0, 2.0])
    graph.add_node("a", x=np.array([3, 4]))
    graph.add_node("b", x=(5.0, 6.0))
    graph.add_edge("a", "c", weight=0.5)
    graph.add_edge("b", "a", weight=0.25)
    return graph


def test_networkx_keeps_the_order_of_iteration():
    graph = as_graph(family())
    assert graph.nodes == ("c", "a", "b")
    assert graph.features.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert graph.edges.tolist() == [[0, 1], [1, 2]]
    assert graph.edge_features.tolist() == [[0.5], [0.25]]
    assert as_graph(family(), edge_attribute="length").edge_features is None


def test_networkx_attributes_have_the_names_given_and_may_be_numbers():
    graph = nx.path_graph(3)
    nx.set_node_attributes(graph, {0: 1, 1: True, 2: 2.5}, "height")
    nx.set_edge_attributes(graph, {(0, 1): [1, 2], (1, 2): [3, 4]}, "kind")
    found = as_graph(graph, node_attribute="height", edge_attribute="kind")
    assert found.features.tolist() == [[1], [1], [2.5]]
    assert found.edge_features.tolist() == [[1, 2], [3, 4]]


def test_region_adjacency_graph_of_scikit_image():
    rag = skimage.graph.rag_mean_color
    image = np.zeros((4, 6, 3))
    image[:, 2:4], image[:, 4:] = (30, 0, 0), (0, 40, 0)
    graph = as_graph(
        rag(image, np.repeat([[5, 7, 9]], 4, 0).repeat(2, 1)), node_attribute="mean color"
    )
    assert graph.nodes == (5, 7, 9)
    assert graph.features.tolist() == [[0, 0, 0], [30, 0, 0], [0, 40, 0]]
    weights = dict(zip(map(frozenset, graph.edges.tolist()), graph.edge_features, strict=True))
    assert weights == {frozenset({0, 1}): [30], frozenset({1, 2}): [50]}


def changed(change):
    graph = family()
    change(graph)
    return graph


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (family().to_directed(), "a directed graph, expected an undirected one"),
        (nx.MultiGraph(family()), "a multigraph, expected one edge for each pair"),
        (nx.Graph(), "features has no rows: a graph needs at least one node"),
        (changed(lambda g: g.add_node("d")), "node 'd' has no attribute 'x', but none: name anot"),
        (changed(lambda g: g.add_node("d", y=1)), "node 'd' has no attribute 'x', but 'y': name a"),
        (
            changed(lambda g: g.add_node("d", x=1)),
            "node 'd' has 1 features, expected 2 as node 'c'",
        ),
        (changed(lambda g: g.add_node("d", x="hi")), "node 'd' has 'hi' as 'x'; expected a real"),
        (changed(lambda g: g.add_node("d", x=[1.0, np.nan])), "features[3, 1] is nan"),
        (
            changed(lambda g: g.add_edge("b", "b", weight=1.0)),
            "edge ('b', 'b') joins a node to its",
        ),
        (changed(lambda g: g.add_edge("b", "c")), "edge ('c', 'b') has no attribute 'weight', but"),
        (changed(lambda g: g.add_edge("b", "c", weight=[1, 2])), "has 2 features, expected 1 as e"),
    ],
)
def test_what_networkx_graphs_are_refused(graph, message):
    with refused(message):
        as_graph(graph)


def test_networkx_is_not_imported_for_arrays():
    code = (
        "import sys, numpy as np\n"
        "from structsvm.graphs import as_graphs\n"
        "as_graphs([(np.zeros((2, 1)), [[0, 1]])])\n"
        "sys.exit('networkx' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_lists_mix_kinds():
    graphs = as_graphs([family(), (FEATURES, EDGES, EDGE_FEATURES), Graph(FEATURES, [])])
    assert [graph.n_edge_features for graph in graphs] == [1, 1, 1]
    assert graphs[2].edge_features.shape == (0, 1)
    assert as_graphs([]) == []


def test_a_graph_without_edges_has_as_many_edge_features_as_the_others():
    bare = (FEATURES, [], np.zeros((0, 5)))
    assert as_graphs([bare, (FEATURES, EDGES)])[0].edge_features is None
    assert as_graphs([bare, (FEATURES, EDGES, EDGE_FEATURES)])[0].n_edge_features == 1
    assert as_graphs([bare], n_edge_features=3)[0].n_edge_features == 3
    assert as_graphs([bare], n_edge_features=0)[0].edge_features is None


@pytest.mark.parametrize(
    ("X", "sizes", "message"),
    [
        ([(FEATURES, EDGES), ([[1.0]], [])], (), "X[1] has 1 features, expected 2 as X[0] has"),
        ([(FEATURES, EDGES)], (3,), "X[0] has 2 features, expected 3"),
        (
            [(FEATURES, []), (FEATURES, EDGES, EDGE_FEATURES), (FEATURES, EDGES)],
            (),
            "X[2] has 0 edge features, expected 1 as X[1] has",
        ),
        ([(FEATURES, EDGES, EDGE_FEATURES)], (2, 0), "X[0] has 1 edge features, expected 0"),
        ([(FEATURES, EDGES), (FEATURES, [[0, 9]])], (), "X[1]: edges[0, 1] is 9, expected a node"),
        ((FEATURES, EDGES), (), "X[0]: expected a tuple (features, edges) or"),
        (family(), (), "X is a single networkx graph, expected a list of graphs: pass [X]"),
        (7, (), "X is a int; expected a list with one item for each example"),
    ],
)
def test_what_lists_are_refused(X, sizes, message):
    with refused(message):
        as_graphs(X, *sizes)
