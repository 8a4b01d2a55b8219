"""Images of blobs: what is drawn, and what the arguments allow."""

import re

import numpy as np
import pytest
from scipy import ndimage

from structsvm.datasets import make_segmentation
from structsvm.metrics import pixel_accuracy

PARTS = ("train", "test")


def nearest_mean(image, means):
    return ((image[..., None, :] - means) ** 2).sum(axis=-1).argmin(axis=-1)


@pytest.mark.parametrize(("n_labels", "n_features"), [(1, 1), (2, 3), (5, 2)])
def test_shapes_and_types(n_labels, n_features):
    data = make_segmentation(
        30, 20, n_labels=n_labels, n_features=n_features, size=(3, 9), void=0.2, random_state=0
    )
    for part, n in zip(PARTS, (30, 20), strict=True):
        X, y = data[f"X_{part}"], data[f"y_{part}"]
        assert len(X) == len(y) == n
        for image, labels in zip(X, y, strict=True):
            assert image.shape == (*labels.shape, n_features)
            assert image.dtype == np.float64
            assert labels.dtype == np.int64
            assert set(np.unique(labels)) <= {data.ignore_label, *range(n_labels)}
            assert (labels == data.ignore_label).sum() == int(0.2 * labels.size)
        sides = [side for labels in y for side in labels.shape]
        assert min(sides) == 3
        assert max(sides) == 9
    assert data.means.shape == (n_labels, n_features)
    assert "drawn" in data.DESCR


def test_same_seed_same_data_and_noise_changes_nothing_else():
    first, second = (make_segmentation(5, 5, void=0.1, random_state=3) for _ in range(2))
    quiet = make_segmentation(5, 5, void=0.1, noise=0, random_state=3)
    for part in PARTS:
        for i in range(5):
            np.testing.assert_array_equal(first[f"X_{part}"][i], second[f"X_{part}"][i])
            np.testing.assert_array_equal(first[f"y_{part}"][i], quiet[f"y_{part}"][i])
            y = first[f"y_{part}"][i]
            pure = quiet[f"X_{part}"][i]
            np.testing.assert_array_equal(pure[y >= 0], quiet.means[y[y >= 0]])
    other = make_segmentation(5, 5, random_state=4)
    assert any(
        a.shape != b.shape or (a != b).any()
        for a, b in zip(first.y_train, other.y_train, strict=True)
    )


def test_a_pixel_alone_tells_little_and_neighbours_more():
    data = make_segmentation(1, 20, random_state=0)
    alone = [nearest_mean(image, data.means) for image in data.X_test]
    smooth = [ndimage.uniform_filter(image, (3, 3, 0)) for image in data.X_test]
    together = [nearest_mean(image, data.means) for image in smooth]
    # Two means at a distance of two standard deviations: the normal distribution beyond one.
    assert pixel_accuracy(data.y_test, alone) == pytest.approx(0.841, abs=0.01)
    assert pixel_accuracy(data.y_test, together) > 0.93


def test_void_lies_along_borders():
    data = make_segmentation(1, 10, n_labels=3, void=0.15, random_state=1)
    truth = make_segmentation(1, 10, n_labels=3, random_state=1).y_test
    near = n_void = 0
    for y, full in zip(data.y_test, truth, strict=True):
        border = ndimage.maximum_filter(full, 3) != ndimage.minimum_filter(full, 3)
        near += (border & (y == data.ignore_label)).sum()
        n_void += (y == data.ignore_label).sum()
        np.testing.assert_array_equal(y[y >= 0], full[y >= 0])
    assert near / n_void > 0.7


def test_blobs_grow():
    def n_borders(blob_size):
        data = make_segmentation(1, 10, size=(32, 32), blob_size=blob_size, random_state=0)
        return sum((np.diff(y, axis=0) != 0).sum() for y in data.y_test)

    assert n_borders(0.0) > 2 * n_borders(2.0) > 4 * n_borders(8.0)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        ({"n_train": 0}, ValueError, "n_train must be at least 1, got 0"),
        ({"n_test": 1.5}, TypeError, "n_test must be an integer, got 1.5"),
        ({"n_labels": 0}, ValueError, "n_labels must be at least 1, got 0"),
        ({"n_features": "3"}, TypeError, "n_features must be an integer, got '3'"),
        ({"size": 8}, TypeError, "size must be a pair (smallest, largest), got 8"),
        ({"size": (5, 4)}, ValueError, "size[1] must be at least 5, got 4"),
        ({"blob_size": -1}, ValueError, "blob_size must be at least 0 and finite, got -1"),
        ({"noise": np.nan}, ValueError, "noise must be at least 0 and finite, got nan"),
        ({"void": 1.0}, ValueError, "void must be at least 0 and below 1, got 1.0"),
        ({"void": None}, TypeError, "void must be a number, got None"),
    ],
)
def test_what_is_refused(arguments, kind, message):
    with pytest.raises(kind, match=re.escape(message)):
        make_segmentation(**arguments)
