"""GridSVM as it comes: faint lines in images, with nothing set."""

import numpy as np
import pytest
from scipy import ndimage

from structsvm import GridSVM
from structsvm.datasets import make_lines, make_segmentation
from structsvm.exceptions import TrivialFitWarning
from structsvm.metrics import jaccard

LINES = make_lines(
    6, 6, share=0.04, contrast=0.12, noise=0.06, polarity="bright", size=(48, 64), random_state=0
)


def features(image):
    """Grey values, smoothed, and what is left, in units of their own."""
    grey = image / 255
    smooth = [ndimage.gaussian_filter(grey, sigma) for sigma in (1, 2, 6)]
    return np.stack([grey, *smooth, 1e-4 * (smooth[0] - smooth[2])], axis=-1).astype(np.float32)


X_TRAIN, X_TEST = ([features(x) for x in LINES[f"images_{part}"]] for part in ("train", "test"))


def overlap(svm):
    svm.fit(X_TRAIN, LINES.y_train)
    return jaccard(LINES.y_test, svm.predict(X_TEST), labels=[1])


def test_faint_lines_are_found_with_nothing_set_whatever_the_unit():
    svm = GridSVM(random_state=0)
    assert overlap(svm) > 0.3
    assert svm.certified_
    assert svm.dual_gap_ <= 1e-2
    found = svm.predict(X_TEST)
    scaled = GridSVM(random_state=0).fit([1024 * x for x in X_TRAIN], LINES.y_train)
    for labels, same in zip(found, scaled.predict([1024 * x for x in X_TEST]), strict=True):
        np.testing.assert_array_equal(labels, same)


def test_without_weights_the_faintest_are_background_and_a_warning_says_so():
    lines = make_lines(4, 1, share=0.04, contrast=0.08, noise=0.08, size=(48, 64), random_state=0)
    X, y = [features(x) for x in lines.images_train], lines.y_train
    svm = GridSVM(class_weight=None, random_state=0)
    with pytest.warns(TrivialFitWarning, match="all predictions for the training data are 0"):
        svm.fit(X, y)
    assert not any(labels.any() for labels in svm.predict(X))
    assert jaccard(y, GridSVM(random_state=0).fit(X, y).predict(X), labels=[1]) > 0.05


def test_what_is_set_by_default():
    explicit = GridSVM(
        scale="auto",
        connectivity=8,
        contrast_channels=(0, 1, 2),
        class_weight="jaccard",
        weighting="hinge",
        tol=1e-2,
        random_state=0,
    )
    explicit.fit(X_TRAIN, LINES.y_train)
    plain = GridSVM(random_state=0).fit(X_TRAIN, LINES.y_train)
    np.testing.assert_array_equal(plain.coef_, explicit.coef_)
    number = GridSVM(C=plain.C_, random_state=0).fit(X_TRAIN, LINES.y_train)
    np.testing.assert_array_equal(plain.coef_, number.coef_)


def test_three_classes_weigh_the_same_by_default():
    blobs = make_segmentation(3, 1, n_labels=3, size=(24, 24), random_state=0)
    svm = GridSVM(random_state=0).fit(blobs.X_train, blobs.y_train)
    assert svm.model_.class_weight_.tolist() == [1, 1, 1]


def test_many_pixels_weigh_no_more_than_twenty_thousand():
    """C of a whole set of images stays, however large they are."""
    total = {}
    for side in (20, 90, 150):
        blobs = make_segmentation(4, 1, size=(side, side), random_state=0)
        svm = GridSVM(tol=0.5, random_state=0).fit(blobs.X_train, blobs.y_train)
        total[side] = svm.C_ * 4
    assert total[90] == pytest.approx(total[150], rel=0.2)
    assert total[20] == pytest.approx(total[90] * 4 * 400 / 20_000, rel=0.2)
