"""Pixel accuracy and intersection over union."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, jaccard_score, make_scorer

from structsvm.metrics import jaccard, pixel_accuracy

TRUE = [np.array([[0, 0, 1], [0, 1, 9]]), np.array([[2, 2]])]
GUESS = [np.array([[0, 1, 1], [0, 1, 1]]), np.array([[2, 0]])]


def by_sets(y_true, y_pred, label, void):
    """The definition: sets of pixels."""
    places = [
        {(i, *place) for i, image in enumerate(images) for place in np.argwhere(image == label)}
        for images in (y_true, y_pred)
    ]
    left_out = {(i, *p) for i, image in enumerate(y_true) for p in np.argwhere(image == void)}
    a, b = (found - left_out for found in places)
    return len(a & b) / len(a | b) if a | b else np.nan


def draw_images(seed, n=4, n_labels=4):
    rng = np.random.default_rng(seed)
    shapes = [tuple(rng.integers(0, 5, size=2)) for _ in range(n)] + [(3, 3)]
    return [[rng.integers(n_labels, size=shape) for shape in shapes] for _ in range(2)]


def test_by_hand():
    indices = jaccard(TRUE, GUESS, ignore_label=9, average=None)
    np.testing.assert_allclose(indices, [2 / 4, 2 / 3, 1 / 2])
    assert jaccard(TRUE, GUESS, ignore_label=9) == pytest.approx(indices.mean())
    assert jaccard(TRUE, GUESS, ignore_label=9, average="micro") == pytest.approx(5 / 9)
    assert jaccard(TRUE, GUESS, labels=[1]) == pytest.approx(2 / 4)
    assert jaccard(TRUE, GUESS, labels=[1], ignore_label=9) == pytest.approx(2 / 3)
    assert pixel_accuracy(TRUE, GUESS) == 5 / 8
    assert pixel_accuracy(TRUE, GUESS, ignore_label=9) == 5 / 7
    # Void counts as a label of its own where nothing says that it is void.
    np.testing.assert_allclose(jaccard(TRUE, GUESS, average=None), [2 / 4, 2 / 4, 1 / 2, 0])


@pytest.mark.filterwarnings("ignore:y_true has the labels")
@given(st.integers(0, 2**32 - 1))
def test_it_is_the_overlap_of_sets_of_pixels(seed):
    y_true, y_pred = draw_images(seed)
    labels = [3, 0, 7, 1]
    found = jaccard(y_true, y_pred, labels=labels, average=None)
    np.testing.assert_allclose(found, [by_sets(y_true, y_pred, k, None) for k in labels])
    if any((image != 2).any() for image in y_true):
        found = jaccard(y_true, y_pred, labels=labels, average=None, ignore_label=2)
        np.testing.assert_allclose(found, [by_sets(y_true, y_pred, k, 2) for k in labels])


@pytest.mark.parametrize("average", ["macro", "micro", None])
@pytest.mark.parametrize("labels", [None, [2, 0]])
@pytest.mark.parametrize("names", [None, np.array(["sky", "road", "car", "horse"])])
def test_it_equals_scikit_learn(average, labels, names):
    y_true, y_pred = draw_images(seed=1, n=9)
    if names is not None:
        y_true, y_pred = [names[image] for image in y_true], [names[image] for image in y_pred]
        labels = None if labels is None else names[labels]
    flat = [np.concatenate([image.ravel() for image in images]) for images in (y_true, y_pred)]
    expected = jaccard_score(*flat, labels=labels, average=average)
    np.testing.assert_allclose(jaccard(y_true, y_pred, labels=labels, average=average), expected)
    assert pixel_accuracy(y_true, y_pred) == accuracy_score(*flat)


def test_labels_that_do_not_occur_are_left_out_of_the_mean():
    truth, guess = [[0, 0, 1]], [[0, 0, 1]]
    assert jaccard(truth, guess, labels=[0, 1, 5]) == 1.0
    np.testing.assert_array_equal(jaccard(truth, guess, labels=[5, 1], average=None), [np.nan, 1])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.uint64])
def test_masks_of_any_dtype(dtype):
    truth = [np.array([[0, 1, 1]]).astype(dtype)]
    guess = [np.array([[1, 1, 0]])]
    assert jaccard(truth, guess, labels=[True]) == 1 / 3
    assert jaccard(truth, guess, average=None).tolist() == [0, 1 / 3]


def test_a_prediction_of_void_is_a_mistake():
    assert jaccard([[1, 1, 9]], [[1, 9, 9]], ignore_label=9) == 0.5
    assert pixel_accuracy([[1, 1, 9]], [[1, 9, 9]], ignore_label=9) == 0.5


def test_it_makes_a_scorer():
    class Echo(BaseEstimator):
        def predict(self, X):
            return X

    scorer = make_scorer(jaccard, labels=[1], ignore_label=9)
    assert scorer(Echo(), GUESS, TRUE) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "options", "message"),
    [
        ([[1]], [[1], [1]], {}, "y_true has 1 items but y_pred has 2"),
        ([[1]], [[1, 2]], {}, "y_pred[0] has shape (2,), expected (1,) as y_true[0]"),
        ([[1], [[0, 1]]], [[1], [[0], [1]]], {}, "y_pred[1] has shape (2, 1), expected (1, 2) as"),
        ([[0.0, 1.0]], [[0, 1]], {}, "y_true[0] has dtype float64; labels must be integers"),
        ([[0]], [["road"]], {}, "y_true[0] holds integers but y_pred[0] holds strings"),
        ([0, 1], [0, 1], {}, "y_true[0] is 0, expected an array of labels: y_true is a list"),
        ([], [], {}, "y_true has no labels: there is nothing to score"),
        ([[]], [[]], {}, "y_true has no labels: there is nothing to score"),
        (5, [[1]], {}, "y_true is a int; expected a list with one item for each example"),
        ([[9, 9]], [[1, 2]], {"ignore_label": 9}, "all pixels have the ignore_label 9"),
        ([[1]], [[1]], {"ignore_label": "void"}, "ignore_label='void', but y_true holds integers"),
        ([[1]], [[1]], {"ignore_label": 0.5}, "ignore_label has dtype float64; labels must be"),
        ([np.array([2**63], np.uint64)], [[1]], {}, "y_true[0] has the label 9223372036854775808"),
    ],
)
def test_what_is_refused(y_true, y_pred, options, message):
    for score in (jaccard, pixel_accuracy):
        with pytest.raises(ValueError, match=re.escape(message)):
            score(y_true, y_pred, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"average": "pooled"}, "unknown average 'pooled': expected one of 'macro', 'micro', None"),
        ({"labels": 1}, "labels has shape (), expected (n_labels,) with at least one label"),
        ({"labels": []}, "labels has shape (0,), expected (n_labels,)"),
        ({"labels": ["road"]}, "labels holds strings, but y_true holds integers"),
        ({"labels": [7, 8]}, "no pixel has a label of 7, 8, neither in y_true nor in y_pred"),
    ],
)
def test_what_jaccard_refuses(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        jaccard([[0, 1]], [[0, 1]], **options)


@pytest.mark.parametrize("score", [jaccard, pixel_accuracy])
def test_the_same_labels_by_other_names_are_told(score):
    mask = np.array([[0, 1, 1], [1, 0, 1]])
    for truth, guess in ((255 * mask, mask), (mask, 255 * mask), (mask > 0, 255 * mask)):
        with pytest.warns(UserWarning, match="the same by other names"):
            score([truth], [guess])
    with pytest.warns(UserWarning, match="the same by other names"):
        score([mask + 5], [mask])
    # A prediction without one of the labels, a label missed, void.
    for truth, guess in (
        (mask, 0 * mask),
        (0 * mask, mask),
        (mask + 1, mask),
        (mask, mask * 0 + 7),
    ):
        score([truth], [guess])
    score([np.where(mask, 255, 0)], [mask], ignore_label=255)


@pytest.mark.parametrize("score", [jaccard, pixel_accuracy])
def test_masked_labels_are_refused(score):
    masked = np.ma.masked_array([[0, 1]], [[False, True]])
    with pytest.raises(ValueError, match=r"y_pred\[0\] has masked entries"):
        score([[[0, 1]]], [masked])
