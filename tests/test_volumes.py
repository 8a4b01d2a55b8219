"""GridSVM on volumes: a stack of one slice is an image, distances count, errors name the place."""

import itertools

import numpy as np
import pytest

import structsvm
from structsvm import GridSVM, VolumeModel
from structsvm.datasets import make_segmentation
from structsvm.inference import graph_cut, grid_cut
from structsvm.models.grid import grid_edges
from structsvm.models.volume import volume_edges

BLOBS = make_segmentation(n_train=4, n_test=2, size=(7, 10), noise=1.5, random_state=0)


def balls(n=3, shape=(6, 9, 10), noise=0.8, seed=0):
    """Volumes of a ball in noise, flat along depth as thick slices make it."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        centre = np.array(shape) / 2 + rng.uniform(-1, 1, size=3)
        away = (np.indices(shape) - centre[:, None, None, None]) * np.array([2, 1, 1])[
            :, None, None, None
        ]
        labels = (np.sqrt((away**2).sum(axis=0)) < 3.5).astype(int)
        y.append(labels)
        X.append((labels + noise * rng.normal(size=shape))[..., None])
    return X, y


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_edges_are_pairs_within_reach(connectivity):
    shape = (2, 3, 4)
    edges = volume_edges(shape, connectivity)
    places = np.stack(np.unravel_index(np.arange(24), shape), axis=1)
    most = {6: 1, 18: 2, 26: 3}[connectivity]
    expected = {
        (i, j)
        for i, j in itertools.combinations(range(24), 2)
        if np.abs(places[i] - places[j]).max() == 1 and np.abs(places[i] - places[j]).sum() <= most
    }
    assert {tuple(sorted(pair)) for pair in edges.tolist()} == expected
    assert len(edges) == len(expected)


@pytest.mark.parametrize("connectivity", [6, 26])
def test_edges_are_in_the_order_of_cuts(connectivity):
    rng = np.random.default_rng(0)
    unary, edges = rng.normal(size=(3, 4, 5)), volume_edges((3, 4, 5), connectivity)
    by_graph = graph_cut(unary.ravel(), edges, np.full(len(edges), 0.3))
    np.testing.assert_array_equal(by_graph, grid_cut(unary, 0.3, connectivity).ravel())


@pytest.mark.parametrize("pairs", [(6, 4), (18, 8), (26, 8)])
@pytest.mark.parametrize("params", [{}, {"directions": True}, {"contrast": [0.5, 2.0]}])
def test_a_stack_of_one_slice_is_an_image(pairs, params):
    flat = [x[None] for x in BLOBS.X_train], [labels[None] for labels in BLOBS.y_train]
    settings = params | {"random_state": 0, "tol": 1e-3}
    volume = GridSVM(connectivity=pairs[0], **settings).fit(*flat)
    image = GridSVM(connectivity=pairs[1], **settings).fit(BLOBS.X_train, BLOBS.y_train)
    assert volume.certified_
    assert volume.objective_ == pytest.approx(image.objective_, rel=2e-3)
    found = volume.predict([x[None] for x in BLOBS.X_test])
    same = [(a[0] == b).mean() for a, b in zip(found, image.predict(BLOBS.X_test), strict=True)]
    assert min(same) > 0.95


@pytest.mark.parametrize("connectivity", [6, 18, 26])
def test_neighbours_in_depth_help(connectivity):
    X, y = balls()
    X_test, y_test = balls(seed=1)
    svm = GridSVM(connectivity=connectivity, spacing=(2, 1, 1), random_state=0).fit(X, y)
    alone = GridSVM(connectivity=6, contrast=False, edge_intercept=False, random_state=0)
    assert svm.certified_
    assert svm.dual_gap_ <= 1e-2
    assert svm.score(X_test, y_test) > alone.fit(X, y).score(X_test, y_test) + 0.05
    for scores, labels in zip(svm.pixel_scores(X_test), svm.predict(X_test), strict=True):
        assert scores.shape == labels.shape == (6, 9, 10)


def test_contrast_falls_with_distance():
    X, y = balls(1)
    for spacing in ((3, 1, 1), (6.0, 2.0, 2.0)):  # only ratios count
        model = VolumeModel(connectivity=26, spacing=spacing)
        model.initialize(X, y)
        [graph] = model.graphs(model.prepare_examples(X)[0])
        flat = X[0].reshape(-1)
        here, there = graph.edges.T
        steps = np.stack(np.unravel_index(there, y[0].shape)) - np.stack(
            np.unravel_index(here, y[0].shape)
        )
        distance = np.sqrt(((steps.T * np.array([3, 1, 1])) ** 2).sum(axis=1))
        expected = np.exp(-model.beta_ * (flat[here] - flat[there]) ** 2) / distance
        np.testing.assert_allclose(graph.pairs[:, 0], expected, rtol=1e-10)


def test_three_labels_and_void_voxels(tmp_path):
    X, y = balls()
    labels = [np.where(np.arange(10) < 5, of_one, 2 * of_one) for of_one in y]
    labels[0][0] = 9
    svm = GridSVM(connectivity=18, ignore_label=9, tol=0.05, random_state=0).fit(X, labels)
    assert svm.classes_.tolist() == [0, 1, 2]
    assert svm.oracle == "under-generating" if hasattr(svm, "oracle") else not svm.certified_
    svm.save(tmp_path / "svm")
    again = structsvm.load(tmp_path / "svm")
    for a, b in zip(svm.predict(X), again.predict(X), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("params", "X", "message"),
    [
        ({"spacing": (1, 1)}, None, r"spacing=\(1, 1\): expected three finite numbers > 0"),
        ({"spacing": (1, 0, 1)}, None, "expected three finite numbers > 0"),
        ({"spacing": (1, np.nan, 1)}, None, "expected three finite numbers > 0"),
        ({"spacing": (1e-300, 1e300, 1)}, None, "expected three finite numbers > 0"),
        ({"spacing": (10**400, 1, 1)}, None, "expected three finite numbers > 0"),
        ({"spacing": ()}, None, "expected three finite numbers > 0"),
        ({"spacing": "wide"}, None, "expected three finite numbers > 0"),
        ({"spacing": 2.0}, None, "expected three finite numbers > 0"),
        ({"connectivity": 8, "spacing": (1, 1, 1)}, None, "is for volumes: connectivity is 8"),
        ({"connectivity": 10}, None, "connectivity=10: expected 4 or 8"),
        ({}, [np.zeros((3, 4, 5))] * 3, r"shape \(3, 4, 5\), expected \(depth, .* \[..., None\]"),
        ({}, [np.zeros((0, 4, 5, 1))] * 3, "at least one voxel"),
        ({}, [(np.zeros((3, 4, 5, 1)), 1)] * 3, "edge features of one's own are for images"),
        (
            {},
            [np.zeros((3, 4, 5, n)) for n in (1, 2, 1)],
            r"X\[1\] has 2 features, expected 1",
        ),
        ({}, [np.full((6, 9, 10, 1), np.inf)] * 3, r"X\[0\]\[0, 0, 0, 0\] is inf"),
        ({"contrast_channels": [1]}, None, "feature numbers from 0 to 0"),
        ({}, [np.zeros((5, 9, 10, 1))] * 3, r"shape \(6, 9, 10\)"),
    ],
)
def test_bad_volumes(params, X, message):
    volumes, y = balls()
    with pytest.raises(ValueError, match=message):
        GridSVM(**({"connectivity": 6} | params)).fit(volumes if X is None else X, y)


def test_images_are_told_from_volumes():
    X, y = balls()
    with pytest.raises(ValueError, match=r"shape \(6, 9, 10, 1\), expected \(height, width"):
        GridSVM().fit(X, y)
    assert len(grid_edges((2, 2), 8)) == 6
