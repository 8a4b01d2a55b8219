"""Void pixels nearly everywhere, and labels that are told in advance."""

import numpy as np
import pytest

import structsvm
from structsvm import GraphSVM, GridSVM
from structsvm.datasets import make_segmentation

BLOBS = make_segmentation(6, 6, size=(40, 56), noise=1.5, random_state=0)


def scribbled(y, share=0.03, void=-1):
    """Short strokes within regions, until this share of an image is marked."""
    rng = np.random.default_rng(0)
    marks = []
    for labels in y:
        marked = np.full(labels.shape, void)
        while (marked != void).mean() < share:
            place = rng.integers(labels.shape)
            step = rng.integers(-1, 2, 2)
            for k in range(8):
                i, j = place + k * step
                inside = 0 <= i < labels.shape[0] and 0 <= j < labels.shape[1]
                if inside and labels[i, j] == labels[tuple(place)]:
                    marked[i, j] = labels[i, j]
        marks.append(marked)
    return marks


MARKS = scribbled(BLOBS.y_train)


@pytest.mark.parametrize("params", [{}, {"C": 1.0}, {"C": 1.0, "scale": None}])
def test_three_in_a_hundred_pixels_tell_both_classes(params):
    svm = GridSVM(ignore_label=-1, random_state=0, **params).fit(BLOBS.X_train, MARKS)
    assert svm.score(BLOBS.X_test, BLOBS.y_test) > 0.9
    for labels, truth in zip(svm.predict(BLOBS.X_test), BLOBS.y_test, strict=True):
        assert abs(labels.mean() - truth.mean()) < 0.2
    assert not svm.certified_


def test_void_pixels_may_be_left_out_and_hidden_ones_be_completed(tmp_path):
    alone = {"contrast": False, "edge_intercept": False, "ignore_label": -1, "random_state": 0}
    void = GridSVM(unlabelled="void", **alone).fit(BLOBS.X_train, MARKS)
    assert void.certified_
    both = [labels.mean() for labels in void.predict(BLOBS.X_test)]
    assert 0.05 < min(both) < max(both) < 0.95
    hidden = GridSVM(unlabelled="hidden", ignore_label=-1, random_state=0)
    hidden.fit(BLOBS.X_train, MARKS)
    plain = GridSVM(ignore_label=-1, random_state=0).fit(BLOBS.X_train, MARKS)
    np.testing.assert_array_equal(hidden.coef_, plain.coef_)
    hidden.save(tmp_path / "svm")
    again = structsvm.load(tmp_path / "svm")
    np.testing.assert_array_equal(again.predict(BLOBS.X_test)[0], hidden.predict(BLOBS.X_test)[0])
    assert hidden.threshold_scores(BLOBS.X_test)[0].shape == BLOBS.y_test[0].shape


def test_borders_that_are_void_are_void():
    blobs = make_segmentation(4, 2, size=(24, 30), void=0.2, random_state=0)
    svm = GridSVM(ignore_label=-1, random_state=0).fit(blobs.X_train, blobs.y_train)
    assert svm.certified_


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"unlabelled": "some"}, "unlabelled='some': expected 'auto', 'void' or 'hidden'"),
        ({"unlabelled": "hidden", "C": "auto"}, "takes no C='auto'"),
        ({"classes": [0, 1, -1]}, "classes has -1, the ignore_label, which is no class"),
        ({"classes": "ab"}, "expected a list of integers"),
        ({"classes": []}, "expected a list of integers"),
        ({"classes": [0, 2]}, "1"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        GridSVM(ignore_label=-1, **params).fit(BLOBS.X_train, MARKS)


@pytest.mark.parametrize("unlabelled", ["auto", "hidden", "void"])
def test_none_is_as_the_ignore_label(unlabelled):
    with_none = [np.where(marks == -1, None, marks) for marks in MARKS]
    named = GridSVM(ignore_label=-1, unlabelled=unlabelled, random_state=0)
    none = GridSVM(unlabelled=unlabelled, random_state=0)
    named.fit(BLOBS.X_train, MARKS)
    none.fit(BLOBS.X_train, with_none)
    np.testing.assert_array_equal(none.coef_, named.coef_)
    assert none.certified_ == named.certified_ == (unlabelled == "void")


@pytest.mark.parametrize("ignore_label", [None, -1])
def test_a_number_is_no_list_of_labels(ignore_label):
    with pytest.raises(ValueError, match="y is a ndarray; expected a list"):
        GridSVM(ignore_label=ignore_label).fit(BLOBS.X_train, np.array(3))


def test_hidden_pixels_take_no_validation():
    svm = GridSVM(ignore_label=-1, unlabelled="hidden")
    with pytest.raises(ValueError, match="takes no X_val"):
        svm.fit(BLOBS.X_train, MARKS, X_val=BLOBS.X_test, y_val=BLOBS.y_test)


def test_classes_are_told_in_advance(tmp_path):
    svm = GridSVM(classes=[2, 0, 1], random_state=0, tol=0.1)
    svm.fit(BLOBS.X_train[:2], BLOBS.y_train[:2])
    assert svm.classes_.tolist() == [0, 1, 2]
    assert svm.node_coef_.shape == (3, 3)
    assert svm.score(BLOBS.X_test, BLOBS.y_test) > 0.9
    svm.save(tmp_path / "svm")
    assert structsvm.load(tmp_path / "svm").classes_.tolist() == [0, 1, 2]
    two = GridSVM(classes=[0, 1], random_state=0).fit(BLOBS.X_train, BLOBS.y_train)
    same = GridSVM(random_state=0).fit(BLOBS.X_train, BLOBS.y_train)
    np.testing.assert_array_equal(two.coef_, same.coef_)
    X = [([[1.0], [0.9]], [[0, 1]]), ([[-1.0], [-0.9]], [[0, 1]])]
    graph = GraphSVM(classes=["off", "on"], C=10).fit(X[:1], [["on", "on"]])
    assert graph.classes_.tolist() == ["off", "on"]
    assert graph.predict(X)[0].tolist() == ["on", "on"]
