"""Features, contrasts, superpixels and pictures of photographs."""

import warnings

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from reference.models import arrays_of

from structsvm import GraphSVM, GridModel, GridSVM
from structsvm.models.grid import grid_edges
from structsvm.vision import (
    FEATURE_GROUPS,
    contrast,
    feature_names,
    images,
    pixel_features,
    plot_segmentation,
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
        (np.zeros((4, 4, 4)), r"4 channels, expected 3.*image\[..., :3\]"),
        (np.zeros((4, 4, 2)), "2 channels, expected 3"),
        (np.zeros((0, 4, 3)), "no pixel"),
        (np.zeros(4), r"shape \(4,\)"),
        (np.full((4, 4), 255.0), "values from 255.0 to 255.0, expected floats between 0 and 1"),
        (np.full((4, 4), 3, dtype=np.int64), "dtype int64, whose range is not known"),
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
        ({"groups": "colour"}, r"expected a list of names, such as \['colour'\]"),
        ({"groups": ["hue"]}, "groups has 'hue'"),
        ({"groups": []}, "groups is empty"),
        ({"scales": ()}, "expected widths of windows"),
        ({"scales": (9, 0)}, r"scales\[1\] is 0"),
        ({"scales": 9}, "expected widths of windows"),
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


# ---- pictures


def test_pictures():
    image, mask = photograph()
    axes = plot_segmentation(image)
    assert [ax.get_title() for ax in axes] == ["image"]
    labels = mask.astype(int)
    labels[0] = 9
    guess = np.zeros_like(labels)
    axes = plot_segmentation(image, labels, guess, ignore_label=9, names=["ground", "disc"])
    assert [ax.get_title() for ax in axes[:3]] == ["image", "truth", "prediction"]
    assert axes[3].get_title() == f"errors: {mask.sum() / (mask.size - 56):.2%}"
    texts = [text.get_text() for text in axes[3].get_legend().get_texts()]
    assert texts == ["ground", "disc", "void (9)"]
    truth, errors = (ax.images[0].get_array() for ax in axes[[1, 3]])
    assert np.ptp(truth[0], axis=1).max() < 1e-12  # void is grey
    assert np.ptp(truth[20, 28]) > 0.2
    assert (errors[20, 28] == (0.85, 0.1, 0.1)).all()
    given = plt.figure().subplots(1, 2)
    assert plot_segmentation(image, mask, axes=given, legend=False)[1] is given[1]
    plt.close("all")


def test_a_label_has_one_colour_in_every_picture():
    image = np.zeros((4, 4))
    first = plot_segmentation(image, np.full((4, 4), "cat"), labels=["cat", "dog"])
    second = plot_segmentation(
        image, np.array([["dog", "cat"] * 2] * 4), labels=["cat", "dog"], legend=False
    )
    pixels = [axes[1].images[0].get_array()[0, 1] for axes in (first, second)]
    assert (pixels[0] == pixels[1]).all()
    plt.close("all")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"truth": np.zeros((3, 3), dtype=int)}, r"truth has shape \(3, 3\), expected \(40, 56\)"),
        ({"truth": np.zeros((40, 56))}, "truth has dtype float64"),
        ({"truth": np.ones((40, 56), dtype=int), "labels": [0]}, "truth has the label 1, expected"),
        ({"truth": np.ones((40, 56), dtype=int), "names": ["a"]}, "names has 1 names"),
        ({"axes": [None, None]}, "there are 2 axes, expected 1"),
    ],
)
def test_bad_pictures(params, message):
    with pytest.raises(ValueError, match=message):
        plot_segmentation(photograph()[0], **params)
    plt.close("all")


def test_features_segment_photographs():
    pictures = [photograph(seed=k) for k in range(6)]
    X = [pixel_features(image) for image, _ in pictures]
    y = [mask for _, mask in pictures]
    svm = GridSVM(C=10, contrast_channels=(0, 1, 2), random_state=0).fit(X[:3], y[:3])
    assert svm.score(X[3:], [mask.astype(int) for mask in y[3:]]) > 0.98


@pytest.mark.parametrize(("dtype", "most"), [(np.uint16, 4095), (np.uint16, 255), (np.uint8, 1)])
def test_images_that_leave_bits_unused_are_told(dtype, most):
    image = np.random.default_rng(0).integers(0, most + 1, size=(20, 30)).astype(dtype)
    image[0, 0] = most
    with pytest.warns(UserWarning, match=f"values only up to {most}.*pass image / {most}"):
        pixel_features(image, groups=["colour"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixel_features(image / most, groups=["colour"])
        pixel_features(0 * image, groups=["colour"])
        image[0, 0] = np.iinfo(dtype).max
        pixel_features(image, groups=["colour"])


def test_far_fewer_superpixels_than_asked_for_are_told():
    noise = np.random.default_rng(0).integers(0, 256, size=(60, 80, 3), dtype=np.uint8)
    with pytest.warns(UserWarning, match="1 superpixels, but n_segments is 150.*compactness"):
        superpixel_graph(noise, n_segments=150)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert superpixel_graph(noise, n_segments=150, compactness=1000).n_nodes > 100
        superpixel_graph(noise[:4, :5], n_segments=20, compactness=1000)
