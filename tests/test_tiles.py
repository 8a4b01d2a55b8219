"""Images labelled tile by tile: certain labels are those of the whole image."""

import numpy as np
import pytest

from structsvm import GraphSVM, GridSVM
from structsvm.datasets import make_lines, make_segmentation
from structsvm.vision import PixelFeatures, TiledLabels, pixel_features, predict_tiles
from structsvm.vision.features import reach_of

BLOBS = make_segmentation(n_train=4, n_test=3, size=(50, 70), noise=1.5, random_state=0)
SVM = GridSVM(random_state=0).fit(BLOBS.X_train, BLOBS.y_train)


@pytest.mark.parametrize("overlap", [0, 3, 12])
@pytest.mark.parametrize("tile", [7, (16, 30), (40, 50)])
@pytest.mark.parametrize("bias", [None, 0.4])
def test_certain_labels_are_those_of_the_whole_image(overlap, tile, bias):
    shares = []
    for x, whole in zip(BLOBS.X_test, SVM.predict(BLOBS.X_test, bias=bias), strict=True):
        labels, certain = predict_tiles(SVM, x, tile=tile, overlap=overlap, bias=bias)
        np.testing.assert_array_equal(labels[certain], whole[certain])
        assert (labels == whole).mean() > 0.9
        shares.append(certain.mean())
    assert np.mean(shares) > {0: 0.4, 3: 0.7, 12: 0.95}[overlap]


@pytest.mark.parametrize("overlap", [0, 2])
@pytest.mark.parametrize("unit", [0.1, 0.25])
def test_where_both_labels_are_as_good_nothing_is_certain(overlap, unit):
    # Scores are few multiples of one number, so many labellings are equally good.
    rng = np.random.default_rng(0)
    y = [rng.integers(2, size=(14, 15)) for _ in range(2)]
    svm = GridSVM(connectivity=4, random_state=0)
    svm.fit([labels[..., None].astype(float) for labels in y], y)
    for _ in range(60):
        svm.node_coef_[:] = unit * rng.integers(-3, 4, size=(1, 2))
        svm.intercept_[:] = unit * rng.integers(-3, 4, size=2)
        svm.edge_coef_[:], svm.edge_intercept_[...] = 0.0, unit * rng.integers(1, 4)
        x = rng.integers(3, size=(14, 15, 1)).astype(float)
        labels, certain = predict_tiles(svm, x, tile=(5, 6), overlap=overlap)
        assert (labels == svm.predict([x])[0])[certain].all()
        assert not certain[svm.pixel_scores([x], exact=True)[0] == 0].any()


def test_a_tile_that_is_the_image_is_certain():
    x = BLOBS.X_test[0]
    labels, certain = predict_tiles(SVM, x, tile=x.shape[:2], overlap=0)
    assert certain.all()
    np.testing.assert_array_equal(labels, SVM.predict([x])[0])


def test_features_are_those_of_the_whole_image(tmp_path):
    lines = make_lines(3, 1, share=0.06, contrast=0.4, size=(90, 110), random_state=0)
    features = PixelFeatures(groups=["colour", "ridge", "smoothed"], sigmas=(1, 2))
    X = features.fit_transform(lines.images_train)
    svm = GridSVM(random_state=0).fit(X, lines.y_train)
    image = lines.images_test[0]
    whole = svm.predict(features.transform([image]))[0]
    stored = np.memmap(tmp_path / "image", dtype=image.dtype, mode="w+", shape=image.shape)
    stored[:] = image
    out = TiledLabels(np.zeros(image.shape, dtype=int), np.zeros(image.shape, dtype=bool))
    labels, certain = predict_tiles(
        svm, stored, tile=40, overlap=8, features=features, margin=20, out=out
    )
    assert labels is out.labels
    assert certain.mean() > 0.9
    assert (labels == whole)[certain].all()  # although float32 rounds at other places
    function = lambda piece: pixel_features(  # noqa: E731
        piece, groups=["colour", "smoothed", "ridge"], sigmas=(1, 2)
    )
    again = predict_tiles(svm, image, tile=40, overlap=8, features=function, margin=20)
    np.testing.assert_array_equal(again.labels, labels)


def test_volumes_and_more_classes():
    rng = np.random.default_rng(0)
    y = [(np.indices((8, 14, 15)).sum(axis=0) > 18).astype(int)]
    X = [(y[0] + 0.6 * rng.normal(size=y[0].shape))[..., None]]
    volume = GridSVM(connectivity=26, random_state=0).fit(X, y)
    labels, certain = predict_tiles(volume, X[0], tile=(5, 8, 8), overlap=3)
    np.testing.assert_array_equal(labels[certain], volume.predict(X)[0][certain])
    assert certain.mean() > 0.8
    three = make_segmentation(n_train=3, n_test=1, n_labels=3, size=(24, 30), random_state=0)
    svm = GridSVM(random_state=0).fit(three.X_train, three.y_train)
    labels, certain = predict_tiles(svm, three.X_test[0], tile=12, overlap=6)
    assert not certain.any()
    assert (labels == svm.predict(three.X_test)[0]).mean() > 0.98


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"tile": 100}, r"tile=100 is larger than the image, .* give tile=\(\d+, \d+\)"),
        ({"tile": (10, 100)}, "is larger than the image"),
        ({"tile": 0}, "tile=0: expected"),
        ({"tile": (5, 5, 5)}, "expected one integer, or 2"),
        ({"tile": 2.5}, "expected an integer"),
        ({"tile": 10, "overlap": -1}, "overlap=-1"),
        ({"tile": 10, "margin": 0.5}, "margin=0.5"),
        ({"tile": 10, "features": "ridge"}, "expected a function of an image"),
        ({"tile": 10, "features": lambda x: x[::2]}, "features of a piece of shape"),
        ({"tile": 10, "bias": np.inf}, "expected one finite number"),
        ({"tile": 10, "out": TiledLabels(np.zeros((2, 2)), np.zeros((2, 2)))}, "out.labels has"),
        ({"tile": 10, "out": np.zeros((2, 2))}, "out is a ndarray: expected TiledLabels"),
        ({"tile": 10, "image": [1, 2]}, r"image has shape \(\), expected one array"),
        ({"tile": 10, "image": np.zeros((0, 4, 3))}, r"image has shape \(0, 4, 3\)"),
        ({"tile": 10, "image": np.zeros((40, 40, 2))}, "has 2 features, expected 3"),
    ],
)
def test_bad_tiles(params, message):
    image = params.pop("image", BLOBS.X_test[0])
    with pytest.raises(ValueError, match=message):
        predict_tiles(SVM, image, **params)


def test_tiles_are_of_images():
    graphs = GraphSVM(random_state=0).fit([([[1.0], [0.0]], [[0, 1]])], [[1, 0]])
    with pytest.raises(ValueError, match="svm is a GraphSVM: tiles are for GridSVM"):
        predict_tiles(graphs, BLOBS.X_test[0], tile=2)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({}, "has the group 'position', which is of the whole image .* 'ridge', 'oriented'"),
        (
            {"groups": ["colour", "border"]},
            r"'border'.*train with PixelFeatures\(groups=\['colour'",
        ),
        ({"groups": ["oriented"], "sigmas": [6]}, "'oriented' see 48 pixels .* give margin=48"),
        ({"groups": ["smoothed", "gradient"], "scales": [99]}, "'gradient' .* give margin=50"),
    ],
)
def test_features_that_see_more_than_a_piece_are_refused(params, message):
    image = np.random.default_rng(0).integers(256, size=(30, 32), dtype=np.uint8)
    truth = (image > 99).astype(int)
    features = PixelFeatures(**params)
    svm = GridSVM(random_state=0).fit(features.fit_transform([image]), [truth])
    with pytest.raises(ValueError, match=message):
        predict_tiles(svm, image, tile=10, features=features)
    whole = predict_tiles(svm, image, tile=(30, 32), features=features)
    np.testing.assert_array_equal(whole.labels, svm.predict(features.transform([image]))[0])


@pytest.mark.parametrize(
    "group", ["colour", "smoothed", "gradient", "texture", "ridge", "oriented"]
)
def test_features_see_as_far_as_said(group):
    rng = np.random.default_rng(0)
    image, of = rng.random((61, 63, 2)), {"scales": (3, 10), "sigmas": (1.0, 2.2)}
    other = image.copy()
    other[30, 31] = 1 - other[30, 31]
    a, b = (pixel_features(one, groups=[group], value_range=(0, 1), **of) for one in (image, other))
    changed = np.argwhere((a != b).any(axis=-1)) - [30, 31]
    assert reach_of([group], **of) == {group: np.abs(changed).max()}
