"""GraphSVM as users meet it: graphs in, labels out; grids are graphs, too."""

import itertools

import networkx as nx
import numpy as np
import pytest
import scipy.sparse as sp
import skimage.graph
from reference.models import arrays_of

import structsvm
from structsvm import GraphSVM, GridModel, GridSVM
from structsvm.datasets import make_segmentation
from structsvm.graphs import as_graph


def graphs_of(X, connectivity=4, **settings):
    """The same images as graphs, with the edges and edge features that a grid gives them."""
    model = GridModel(connectivity=connectivity, **settings)
    model.initialize(X, [np.zeros(x.shape[:2], int) for x in X])
    return [(part.nodes, part.edges, part.pairs) for part in arrays_of(model, X)]


def small_graphs(n_labels=2, n=6):
    rng = np.random.default_rng(0)
    X, y = [], []
    for i in range(n):
        labels = np.repeat([i % n_labels, (i + 1) % n_labels], 4)
        edges = [(k, k + 1) for k in range(7)]
        X.append((np.eye(n_labels)[labels] + rng.normal(size=(8, n_labels)), edges))
        y.append(labels)
    return X, y


def best_labels(svm, graph):
    """By enumeration."""
    [(unary, edges, pairs)] = svm.model_.part_scores(svm.model_.prepare_examples([graph])[0],
                                                     svm.coef_)  # fmt: skip
    n, k = unary.shape

    def score(labels):
        total = sum(unary[v, labels[v]] for v in range(n))
        for e, (a, b) in enumerate(edges):
            la, lb = labels[a], labels[b]
            total += pairs[e, la, lb] if pairs.ndim > 1 else pairs[e] * (la == lb)
        return total

    return list(max(itertools.product(range(k), repeat=n), key=score))


@pytest.mark.parametrize("pairwise", ["potts", "symmetric", "table"])
@pytest.mark.parametrize("n_labels", [2, 3])
def test_trees_are_exact_whatever_the_labels_and_whatever_stands_beside_them(
    tmp_path, pairwise, n_labels
):
    rng = np.random.default_rng(n_labels)
    X, y = [], []
    for _ in range(8):
        edges = [(int(rng.integers(v)), v) for v in range(1, 7) if v != 4]  # two trees
        labels = rng.integers(0, n_labels, 7)
        X.append((rng.normal(size=(7, 3)) + np.eye(3)[labels], edges))
        y.append(labels)
    circle = (rng.normal(size=(7, 3)), [(v, (v + 1) % 7) for v in range(7)])
    svm = GraphSVM(pairwise=pairwise, C=10.0, tol=1e-3, random_state=0).fit(X, y)
    assert svm.certified_
    assert svm.dual_gap_ <= 1e-3
    assert svm.model_.exact
    assert svm.model_.oracle == "exact"
    svm.save(tmp_path / "trees")
    loaded = structsvm.load(tmp_path / "trees")
    assert loaded.model_.exact
    answers = loaded.predict([*X, circle])
    for graph, labels in zip(X, answers, strict=False):
        assert labels.tolist() == best_labels(svm, graph)
    assert [labels.tolist() for labels in svm.predict(X)] == [a.tolist() for a in answers[:-1]]
    mixed = GraphSVM(pairwise=pairwise, C=10.0, tol=1e-2, random_state=0)
    mixed.fit([*X, circle], [*y, rng.integers(0, n_labels, 7)])
    assert mixed.model_.exact == (n_labels == 2 and pairwise == "potts")
    for graph, labels in zip(X, mixed.predict([*X, circle]), strict=False):
        assert labels.tolist() == best_labels(mixed, graph)


def test_a_method_that_is_asked_for_is_taken_for_trees_too():
    X, y = small_graphs(n_labels=3)
    svm = GraphSVM(inference_method="expansion", C=1.0, random_state=0).fit(X, y)
    assert not svm.certified_
    assert svm.model_.oracle == "under-generating"


@pytest.mark.parametrize("connectivity", [4, 8])
@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_grids_are_graphs_with_the_same_edges(connectivity, pairwise):
    blobs = make_segmentation(n_train=8, n_test=4, size=(6, 10), blob_size=2.0, random_state=0)
    X, y = blobs.X_train, blobs.y_train
    settings = {"pairwise": pairwise, "tol": 1e-4 if pairwise == "potts" else 0.05}
    grid = GridSVM(
        connectivity=connectivity,
        contrast_channels=None,
        class_weight=None,
        random_state=0,
        **({"C": 1.0, "scale": None} | settings),
    ).fit(X, y)
    graphs = graphs_of(X, connectivity)
    flat = [labels.ravel() for labels in y]
    graph = GraphSVM(random_state=0, **({"C": 1.0, "scale": None} | settings)).fit(graphs, flat)
    assert graph.objective_ == grid.objective_
    assert np.array_equal(graph.coef_, grid.coef_)
    for a, b in zip(grid.predict(X), graph.predict(graphs), strict=True):
        assert a.ravel().tolist() == b.tolist()


def test_graphs_of_other_packages_are_the_same_graphs():
    X, y = small_graphs()
    want = GraphSVM(C=1.0, scale=None, random_state=0).fit(X, y)
    drawn = []
    for nodes, edges in X:
        graph = nx.Graph()
        for i, row in enumerate(nodes):
            graph.add_node(i, x=row)
        graph.add_edges_from(edges)
        drawn.append(graph)
    assert np.array_equal(
        GraphSVM(C=1.0, scale=None, random_state=0).fit(drawn, y).coef_, want.coef_
    )


def test_weights_of_an_adjacency_matrix_are_edge_features():
    X, y = small_graphs()
    weighted, matrices = [], []
    for nodes, edges in X:
        weight = np.linspace(0.5, 1.5, len(edges))
        weighted.append((nodes, edges, weight[:, None]))
        rows, columns = np.array(edges).T
        upper = sp.coo_array((weight, (rows, columns)), shape=(8, 8))
        matrices.append((nodes, sp.csr_array(upper + upper.T)))
    a = GraphSVM(C=1.0, scale=None, tol=1e-5, max_iter=5000, random_state=0).fit(weighted, y)
    b = GraphSVM(C=1.0, scale=None, tol=1e-5, max_iter=5000, random_state=0).fit(matrices, y)
    assert a.edge_coef_.shape == b.edge_coef_.shape == (1,)
    assert a.objective_ == pytest.approx(b.objective_, rel=2e-5)


def test_region_adjacency_graphs_of_scikit_image():
    rng = np.random.default_rng(0)
    X, y = [], []
    for _ in range(4):
        regions = np.kron(np.arange(12).reshape(3, 4), np.ones((3, 3), int))
        truth = rng.integers(2, size=12)
        image = truth[regions][:, :, None] + 0.3 * rng.normal(size=(*regions.shape, 3))
        rag = skimage.graph.rag_mean_color(image, regions)
        X.append(as_graph(rag, node_attribute="mean color", edge_attribute="weight"))
        y.append(truth)
    svm = GraphSVM(scale=None, C=10, random_state=0).fit(X, y)
    assert svm.score(X, y) > 0.9


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_graphs_without_edges_are_nodes_alone(pairwise):
    X, y = small_graphs()
    bare = [(nodes, []) for nodes, _ in X]
    alone = GraphSVM(C=1.0, scale=None, pairwise=pairwise, random_state=0).fit(bare, y)
    assert not alone.edge_intercept_.any()
    off = GraphSVM(C=1.0, scale=None, edge_intercept=False, random_state=0).fit(X, y)
    assert alone.objective_ == pytest.approx(off.objective_, rel=2e-3)
    mixed = GraphSVM(C=1.0, scale=None, pairwise=pairwise, tol=0.05, random_state=0).fit(
        [*X[:3], *bare[3:]], y
    )
    assert len(mixed.predict(bare)) == len(bare)
