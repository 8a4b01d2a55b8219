"""Features, contrasts, superpixels and pictures of photographs."""

import contextlib
import pickle
import warnings

import matplotlib

matplotlib.use("Agg")
import numpy as np
import pytest
from reference.models import arrays_of
from scipy import ndimage
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from structsvm import GraphSVM, GridModel, GridSVM
from structsvm.datasets import make_lines
from structsvm.models.grid import grid_edges
from structsvm.vision import (
    FEATURE_GROUPS,
    PixelFeatures,
    contrast,
    feature_names,
    images,
    pixel_features,
    superpixel_graph,
)


def photograph(shape=(40, 56), seed=0):
    """A bright disc on a darker ground, with noise; and its mask."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape)
    mask = (y - shape[0] / 2) ** 2 + (x - shape[1] / 2) ** 2 < (min(shape) / 3) ** 2
    image = np.where(mask[..., None], [0.8, 0.5, 0.2], [0.3, 0.4, 0.6])
    return np.clip(image + 0.05 * rng.normal(size=image.shape), 0, 1), mask


# ---- features


@pytest.mark.parametrize("scales", [(9, 25), (3,), (5, 7, 11)])
@pytest.mark.parametrize("groups", [None, ["position", "colour"], ["border"], ["gradient"]])
def test_features_have_the_names_told(groups, scales):
    image, _ = photograph()
    features = pixel_features(image, groups=groups, scales=scales)
    assert features.dtype == np.float32
    assert features.shape == (*image.shape[:2], len(feature_names(groups=groups, scales=scales)))
    assert np.isfinite(features).all()
    assert len(set(feature_names(groups=groups, scales=scales))) == features.shape[2]


def test_groups_are_columns_of_all_features():
    image, _ = photograph()
    whole, names = pixel_features(image), feature_names()
    for group in FEATURE_GROUPS:
        columns = [names.index(name) for name in feature_names(groups=[group])]
        assert np.array_equal(pixel_features(image, groups=[group]), whole[..., columns])


def test_known_values():
    image = np.zeros((20, 31))
    image[:, 16:] = 1.0
    features = dict(zip(feature_names(), np.moveaxis(pixel_features(image), -1, 0), strict=True))
    np.testing.assert_allclose(features["colour L"], 2.0 * image, atol=1e-6)  # 100 / 50
    np.testing.assert_allclose(features["colour a"], 0.0, atol=1e-3)
    assert features["position x"][0, [0, 15, 30]].tolist() == [-1.0, 0.0, 1.0]
    assert features["position y"][[0, -1], 3].tolist() == [-1.0, 1.0]
    np.testing.assert_allclose(features["smoothed L 9"][10, 12], 2 / 9, atol=1e-6)
    share = 1 / 9  # of the window that is bright
    np.testing.assert_allclose(
        features["deviation 9"][10, 12], 2 * np.sqrt(share - share**2), atol=1e-6
    )
    assert features["gradient length"][10, 3] == 0.0
    assert features["gradient length"][10, 16] > 1.0
    patterns = np.stack([features[f"texture {k}"] for k in range(10)])
    np.testing.assert_allclose(patterns.sum(axis=0), 1.0, atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "bool"])
def test_kinds_of_images_mean_the_same(dtype):
    image = (photograph()[0] > 0.45).astype(float)
    unit = np.iinfo(dtype).max if dtype.startswith("uint") else 1
    np.testing.assert_allclose(
        pixel_features((image * unit).astype(dtype)), pixel_features(image), atol=1e-6
    )
    grey = image[..., 0]
    expected = pixel_features(np.repeat(grey[..., None], 3, axis=2))
    for given in (grey, grey[..., None]):
        np.testing.assert_array_equal(pixel_features((given * unit).astype(dtype)), expected)


@pytest.mark.parametrize("shape", [(1, 1), (1, 30), (30, 1), (2, 2)])
def test_tiny_images(shape):
    image = np.random.default_rng(0).random((*shape, 3))
    assert np.isfinite(pixel_features(image)).all()
    assert np.isfinite(pixel_features(np.zeros(shape))).all()
    assert contrast(image).shape == (4, *shape)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((0, 4, 3)), "no pixel"),
        (np.zeros(4), r"shape \(4,\)"),
        (np.array([["a", "b"]]), "expected real numbers"),
        (np.array([[0.0, np.nan]]), r"image\[0, 1\] is nan"),
        (np.ma.masked_equal(np.eye(3), 0), "masked entries"),
        ([[0.0], [0.0, 1.0]], "no rectangular array"),
    ],
)
def test_bad_images(image, message):
    with pytest.raises(ValueError, match=message):
        pixel_features(image)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"groups": 3}, "groups=3: expected a list of names"),
        ({"groups": "colour"}, r"expected a list of names, such as \['colour'\]"),
        ({"groups": ["hue"]}, "groups has 'hue'"),
        ({"groups": []}, "groups is empty"),
        ({"scales": ()}, "expected widths of windows"),
        ({"scales": (9, 0)}, r"scales\[1\] is 0"),
        ({"scales": 9}, "expected widths of windows"),
        ({"sigmas": ()}, "expected widths of lines"),
        ({"sigmas": (1.0, -2.0)}, r"sigmas\[1\]=-2.0"),
        ({"sigmas": "fine"}, "expected widths of lines"),
        ({"value_range": (1, 0)}, "expected the values of black and of white"),
        ({"value_range": 255}, "expected the values of black and of white"),
        ({"value_range": (0.5, 1)}, "values from 0 to 0, expected 0.5 to 1, the value_range"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        pixel_features(np.zeros((4, 4)), **params)


def test_what_to_install_is_said(monkeypatch):
    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(images.importlib, "import_module", absent)
    with pytest.raises(ImportError, match=r"pip install 'structured-svm\[vision\]'"):
        pixel_features(np.zeros((4, 4)))


# ---- contrast


def test_contrast_is_that_of_edges_one_by_one():
    pixels = np.random.default_rng(0).normal(size=(5, 7, 2))
    for connectivity, steps in ((4, [(0, 1), (1, 0)]), (8, [(0, 1), (1, 0), (1, 1), (1, -1)])):
        result = contrast(pixels, beta=0.3, connectivity=connectivity)
        for k, (down, right) in enumerate(steps):
            for i in range(5):
                for j in range(7):
                    inside = i + down < 5 and 0 <= j + right < 7
                    expected = 0.0
                    if inside:
                        step = pixels[i + down, j + right] - pixels[i, j]
                        expected = np.exp(-0.3 * (step @ step))
                    assert result[k, i, j] == pytest.approx(expected, rel=1e-12)


def test_contrast_does_not_depend_on_the_unit():
    pixels = np.random.default_rng(0).normal(size=(6, 5))
    for unit in (1e-200, 1e-3, 1e150):
        np.testing.assert_allclose(contrast(pixels * unit), contrast(pixels), rtol=1e-9)
    assert (contrast(np.ones((3, 3)), connectivity=4)[0, :, :2] == 1.0).all()
    with pytest.raises(ValueError, match="expected 4 or 8"):
        contrast(pixels, connectivity=6)
    with pytest.raises(ValueError, match="beta=-1"):
        contrast(pixels, beta=-1)


def test_contrast_is_an_edge_feature_of_grids():
    X = [(x, contrast(x)[..., None]) for x in (photograph(seed=k)[0] for k in range(2))]
    model = GridModel(connectivity=8, contrast=False)
    model.initialize(X, [photograph()[1]] * 2)
    (part, _) = arrays_of(model, X)
    edges = grid_edges(X[0][0].shape[:2], 8)
    squares = ((part.nodes[edges[:, 0]] - part.nodes[edges[:, 1]]) ** 2).sum(axis=1)
    np.testing.assert_allclose(part.pairs[:, 0], np.exp(-squares / (2 * squares.mean())))


# ---- superpixels


def test_superpixels_cover_the_image_and_touch():
    image, mask = photograph()
    graph = superpixel_graph(image, n_segments=40)
    parts = graph.segments
    assert parts.shape == mask.shape
    assert np.unique(parts).tolist() == list(range(graph.n_nodes))
    assert (graph.edges[:, 0] < graph.edges[:, 1]).all()
    touching = set()
    for i in range(parts.shape[0]):
        for j in range(parts.shape[1]):
            for a, b in ((i + 1, j), (i, j + 1)):
                if a < parts.shape[0] and b < parts.shape[1] and parts[a, b] != parts[i, j]:
                    touching.add(tuple(sorted((parts[a, b], parts[i, j]))))
    assert set(map(tuple, graph.edges.tolist())) == touching
    features = pixel_features(image)
    for node in (0, graph.n_nodes - 1):
        np.testing.assert_allclose(graph.features[node], features[parts == node].mean(0), rtol=1e-5)
    assert ((graph.edge_features >= 0) & np.isfinite(graph.edge_features)).all()
    assert (graph.to_pixels(np.arange(graph.n_nodes)) == parts).all()


def test_labels_of_superpixels():
    segments = np.array([[3, 3, 3, 7], [3, 3, 7, 7]])
    graph = superpixel_graph(np.zeros((2, 4)), segments=segments)
    assert graph.labels([[0, 0, 1, 2], [1, 1, 2, 1]]).tolist() == [1, 2]
    assert graph.labels([[0, 0, 1, 2], [9, 9, 2, 9]], ignore_label=9).tolist() == [0, 2]
    assert graph.labels([[9, 9, 9, 2], [9, 0, 2, 9]], ignore_label=9).tolist() == [0, 2]
    assert graph.labels([[9, 9, 9, 2], [9, 9, 2, 9]], ignore_label=9).tolist() == [9, 2]
    assert graph.labels(np.array([["b", "a", "a", "c"]] * 2)).tolist() == ["a", "c"]
    with pytest.raises(ValueError, match=r"mask has shape \(2, 3\), expected \(2, 4\)"):
        graph.labels(np.zeros((2, 3), dtype=int))
    with pytest.raises(ValueError, match="mask has dtype float64"):
        graph.labels(np.zeros((2, 4)))
    with pytest.raises(ValueError, match="one entry for each of the 2 nodes"):
        graph.to_pixels([1, 2, 3])


def test_superpixels_train_a_graph_svm():
    graphs, truths, masks = [], [], []
    for seed in range(4):
        image, mask = photograph(seed=seed)
        graphs.append(superpixel_graph(image, n_segments=60))
        truths.append(graphs[-1].labels(mask))
        masks.append(mask)
    svm = GraphSVM(random_state=0).fit(graphs[:2], truths[:2])
    assert svm.certified_
    assert svm.score(graphs[2:], truths[2:]) > 0.95
    for graph, mask, labels in zip(graphs[2:], masks[2:], svm.predict(graphs[2:]), strict=True):
        best = (graph.to_pixels(graph.labels(mask)) == mask).mean()
        assert (graph.to_pixels(labels) == mask).mean() > best - 0.05


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n_segments": 0}, "n_segments"),
        ({"compactness": -1.0}, "compactness"),
        ({"segments": np.zeros((3, 3), dtype=int)}, r"segments has shape \(3, 3\)"),
        ({"segments": np.zeros((40, 56))}, "segments has dtype float64"),
    ],
)
def test_bad_superpixels(params, message):
    with pytest.raises(ValueError, match=message):
        superpixel_graph(photograph()[0], **params)


def test_features_segment_photographs():
    pictures = [photograph(seed=k) for k in range(6)]
    X = [pixel_features(image) for image, _ in pictures]
    y = [mask for _, mask in pictures]
    svm = GridSVM(C=10, contrast_channels=(0, 1, 2), random_state=0).fit(X[:3], y[:3])
    assert svm.score(X[3:], [mask.astype(int) for mask in y[3:]]) > 0.98


def test_masks_that_are_nearly_black_are_told():
    mask = np.random.default_rng(0).integers(0, 2, size=(20, 30)).astype(np.uint8)
    with pytest.warns(UserWarning, match="values only up to 1.*pass image == 1"):
        pixel_features(mask, groups=["colour"])
    white = pixel_features(mask == 1, groups=["colour"])
    assert (pixel_features(mask, groups=["colour"], value_range=(0, 1)) == white).all()


@pytest.mark.parametrize("white", [255, 1023, 4095, 16383, 65535])
@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_values_are_scaled_by_the_bits_that_are_there(white, dtype):
    image = np.random.default_rng(0).integers(0, white + 1, size=(12, 15))
    image[0, 0] = white
    expected = pixel_features(image / white)
    np.testing.assert_allclose(pixel_features(image.astype(dtype)), expected, atol=1e-6)
    given = pixel_features(image.astype(dtype), value_range=(0, white))
    np.testing.assert_allclose(given, expected, atol=1e-6)


def test_other_values_are_scaled_by_their_extremes():
    image = np.random.default_rng(0).normal(size=(12, 15))
    least, most = image.min(), image.max()
    expected = pixel_features((image - least) / (most - least), value_range=(0, 1))
    np.testing.assert_allclose(pixel_features(image), expected, atol=1e-6)
    np.testing.assert_allclose(pixel_features(1e300 * image), expected, atol=1e-6)
    assert np.isfinite(pixel_features(np.full((4, 5), -3.0))).all()


@pytest.mark.parametrize("n_channels", [2, 4, 5])
def test_channels_are_seen_one_by_one(n_channels):
    image = np.random.default_rng(0).random((20, 24, n_channels))
    names = feature_names(n_channels=n_channels)
    features = pixel_features(image)
    assert features.shape == (20, 24, len(names))
    assert len(set(names)) == len(names)
    columns = {name: k for k, name in enumerate(names)}
    np.testing.assert_allclose(features[..., columns["colour 1"]], image[..., 1], rtol=1e-6)
    changed = image.copy()
    changed[..., 0] = 0.5
    same = pixel_features(changed)
    kept = [
        k for name, k in columns.items() if name.split()[0] == "position" or name.split()[1] != "0"
    ]
    assert len(kept) > len(names) / 3
    np.testing.assert_array_equal(same[..., kept], features[..., kept])
    assert (same[..., columns["deviation 0 9"]] < 1e-6).all()


def test_transparency_is_told():
    image = np.full((6, 7, 4), 255, dtype=np.uint8)
    image[..., :3] = np.random.default_rng(0).integers(0, 256, size=(6, 7, 3))
    with pytest.warns(
        UserWarning, match=r"if it is transparency, leave it out by image\[..., :3\]"
    ):
        pixel_features(image)


def test_ridges_respond_to_lines_of_their_polarity():
    names = feature_names(groups=["ridge", "oriented"])
    column = {name: k for k, name in enumerate(names)}
    places = np.arange(41) - 20
    for angle in (0.0, 0.4, np.pi / 2, 2.0):
        across = np.cos(angle) * places[:, None] - np.sin(angle) * places
        line = 0.2 + 0.6 * np.exp(-0.5 * (across / 1.5) ** 2)
        for image, here, other in ((line, "bright", "dark"), (1 - line, "dark", "bright")):
            features = pixel_features(image, groups=["ridge", "oriented"])
            off = features[np.abs(across) > 8].max(axis=0)
            for name in ("ridge Sato", "ridge Meijering"):
                assert features[20, 20, column[f"{name} {here}"]] > 0.1
                assert (
                    features[20, 20, column[f"{name} {here}"]] > 5 * off[column[f"{name} {here}"]]
                )
                assert features[20, 20, column[f"{name} {other}"]] < 0.05
            assert features[20, 20, column[f"oriented {here} 1.5"]] > 0.1
            assert features[20, 20, column[f"oriented {other} 1.5"]] < 0.02


def test_curvatures_are_eigenvalues():
    image = np.random.default_rng(0).random((16, 18))
    features = pixel_features(image, groups=["ridge"], sigmas=[2.0])
    lightness = pixel_features(image, groups=["colour"])[..., 0].astype(float)
    hessian = [
        [ndimage.gaussian_filter(lightness, 2.0, order=order) for order in row]
        for row in (((2, 0), (1, 1)), ((1, 1), (0, 2)))
    ]
    expected = 4 * np.linalg.eigvalsh(np.moveaxis(hessian, (0, 1), (-2, -1)))
    np.testing.assert_allclose(features[..., 0], expected[..., 1], atol=1e-6)
    np.testing.assert_allclose(features[..., 1], expected[..., 0], atol=1e-6)


# ---- lists of images


def test_images_of_a_list_have_one_range():
    images = [np.full((5, 6), most, dtype=np.uint16) for most in (200, 4095)]
    features = PixelFeatures(groups=["colour"]).fit_transform(images)
    for image, found in zip(images, features, strict=True):
        expected = pixel_features(image, groups=["colour"], value_range=(0, 4095))
        np.testing.assert_array_equal(found, expected)
    learned = PixelFeatures(groups=["colour"], n_jobs=2).fit(images)
    assert learned.value_range_ == (0.0, 4095.0)
    assert learned.get_feature_names_out().tolist() == ["colour L", "colour a", "colour b"]
    with pytest.raises(
        ValueError, match=r"X\[1\] has values from 5000 to 5000, expected 0 to 4095"
    ):
        learned.transform([images[0], np.full((5, 6), 5000, dtype=np.uint16)])
    with pytest.raises(ValueError, match=r"X\[0\] has 2 channels, expected 1 as the first image"):
        learned.transform([np.zeros((5, 6, 2))])
    depths = PixelFeatures(groups=["colour"]).fit([np.array([[-3.0, 7.0]])])
    low, high = depths.transform([np.array([[-3.0, 7.0]]), np.array([[-9.0, 9.0]])])
    np.testing.assert_array_equal(low, high)
    with pytest.raises(ValueError, match="X has no images"):
        PixelFeatures().fit([])
    with pytest.raises(ValueError, match=r"X\[0\] has shape \(3,\)"):
        PixelFeatures().fit([np.zeros(3)])
    assert clone(learned).groups == ["colour"]


_BYTES = np.arange(30, dtype=np.uint8).reshape(5, 6) * 8


@pytest.mark.parametrize(
    ("trained", "other", "told"),
    [
        (_BYTES, _BYTES / 255, r"X\[1\] has values from 0 to 0.909804, but the range in fit is 0"),
        (_BYTES, _BYTES > 99, "255, and it is nearly black in that: give images of one kind"),
        (_BYTES.astype(np.uint16) * 16, _BYTES, "0 to 4095, and it is nearly black"),
        (_BYTES / 255 - 0.5, _BYTES, "-0.5 to 0.409804, and half of them are clipped to one end"),
        (_BYTES, _BYTES // 200, None),
        (_BYTES.astype(np.uint16) * 16, _BYTES.astype(np.uint16), None),  # dark
        (_BYTES.astype(float), np.zeros((5, 6)), None),
        (_BYTES / 255 - 0.5, 3 * (_BYTES / 255 - 0.5), None),
    ],
)
def test_images_with_values_of_another_unit_are_told(trained, other, told):
    features = PixelFeatures(groups=["colour"]).fit([trained])
    with pytest.warns(UserWarning, match=told) if told else contextlib.nullcontext():
        features.transform([trained, other, other])
    given = PixelFeatures(groups=["colour"], value_range=(-9999, 9999)).fit([trained])
    given.transform([trained, other])


def test_a_pipeline_takes_images():
    lines = make_lines(3, 2, share=0.05, contrast=0.4, size=(32, 40), random_state=0)
    segmenter = make_pipeline(PixelFeatures(groups=["ridge"]), GridSVM(random_state=0))
    segmenter.fit(lines.images_train, lines.y_train)
    assert segmenter.score(lines.images_test, lines.y_test) > 0.9
    again = pickle.loads(pickle.dumps(segmenter))
    for a, b in zip(*(s.predict(lines.images_test) for s in (segmenter, again)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_far_fewer_superpixels_than_asked_for_are_told():
    noise = np.random.default_rng(0).integers(0, 256, size=(60, 80, 3), dtype=np.uint8)
    with pytest.warns(UserWarning, match="1 superpixels, but n_segments is 150.*compactness"):
        superpixel_graph(noise, n_segments=150)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert superpixel_graph(noise, n_segments=150, compactness=1000).n_nodes > 100
        superpixel_graph(noise[:4, :5], n_segments=20, compactness=1000)
