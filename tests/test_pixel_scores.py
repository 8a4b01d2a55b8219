"""Scores of single nodes: by enumeration, as thresholds, as probabilities, as curves."""

import itertools

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    log_loss,
    make_scorer,
    roc_auc_score,
)

import structsvm
from structsvm import GraphSVM, GridSVM
from structsvm.datasets import make_lines, make_segmentation
from structsvm.estimators.biases import levels_of
from structsvm.exceptions import TrivialFitWarning
from structsvm.inference import graph_cut, max_marginal_differences, turning_points
from structsvm.metrics import dice, flat_scores, jaccard
from structsvm.models.grid import grid_edges
from structsvm.plotting import PixelPrecisionRecallDisplay, PixelRocCurveDisplay

BLOBS = make_segmentation(n_train=20, n_test=12, size=(12, 18), noise=1.5, random_state=0)
SVM = GridSVM(random_state=0).fit(BLOBS.X_train[:5], BLOBS.y_train[:5])
HELD_OUT = BLOBS.X_train[5:], BLOBS.y_train[5:]
THREE = make_segmentation(n_train=6, n_test=3, n_labels=3, size=(8, 10), random_state=0)


@st.composite
def small_graphs(draw):
    n = draw(st.integers(1, 7))
    pair = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda p: p[0] != p[1])
    edges = draw(st.lists(pair, max_size=12)) if n > 1 else []
    number = st.sampled_from([0.0, 0.5, 1.0, 3.0, 1e-3, 0.1, 1 / 3])
    pairs = draw(st.lists(number, min_size=len(edges), max_size=len(edges)))
    signs = st.sampled_from([-1.0, 1.0])
    unary = [draw(number) * draw(signs) for _ in range(n)]
    return np.array(unary), np.array(edges, dtype=np.int64).reshape(-1, 2), np.array(pairs)


@given(small_graphs())
def test_differences_are_those_of_all_labellings(graph):
    unary, edges, pairs = graph
    every = np.array(list(itertools.product([0, 1], repeat=len(unary))))
    agree = every[:, edges[:, 0]] == every[:, edges[:, 1]]
    scores = (every * unary).sum(axis=1) + (agree * pairs).sum(axis=1)
    expected = [
        scores[every[:, i] == 1].max() - scores[every[:, i] == 0].max() for i in range(len(unary))
    ]
    found = max_marginal_differences(unary, edges, pairs)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(found > 0, graph_cut(unary, edges, pairs))


@pytest.mark.parametrize("strength", [0.1, 0.5, 3.0])
def test_differences_of_images_are_those_of_forced_cuts(strength):
    rng = np.random.default_rng(0)
    unary, edges = rng.normal(size=15 * 20), grid_edges((15, 20), 8)
    pairs = strength * rng.uniform(size=len(edges))
    found = max_marginal_differences(unary, edges, pairs)

    def best(u):
        labels = graph_cut(u, edges, pairs)
        return labels @ u + pairs @ (labels[edges[:, 0]] == labels[edges[:, 1]])

    for i in rng.choice(len(unary), 20, replace=False):
        push = np.zeros(len(unary))
        push[i] = 1e4
        assert found[i] == pytest.approx(best(unary + push) - 1e4 - best(unary - push), abs=1e-8)


@given(small_graphs(), st.lists(st.sampled_from([-2.0, -0.3, 0.0, 0.2, 1.0]), min_size=1))
def test_turning_points_tell_the_cuts_of_all_biases(graph, biases):
    unary, edges, pairs = graph
    steps = np.unique(biases)
    points = turning_points(unary, edges, pairs, steps)
    for bias in steps:
        np.testing.assert_array_equal(points > -bias, graph_cut(unary + bias, edges, pairs))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: turning_points([1.0], [], [], []), "biases: expected a list"),
        (lambda: turning_points([1.0], [], [], [1.0, 1.0]), "ascending and distinct"),
        (lambda: turning_points([1.0], [], [], [0.0, np.nan]), "finite"),
        (lambda: turning_points([np.nan], [], [], [0.0]), r"unary\[0\] is nan"),
        (lambda: max_marginal_differences([1.0, 2.0], [[0, 1]], [-1.0]), r"pairwise\[0\] is -1"),
        (lambda: max_marginal_differences([np.inf], [], []), r"unary\[0\] is inf"),
        (lambda: max_marginal_differences([1.0], [[0, 1]], [1.0]), "expected a node"),
    ],
)
def test_bad_scores(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_scores_have_the_sign_of_predictions_and_exact_ones_are_no_larger():
    fast, exact = SVM.pixel_scores(BLOBS.X_test), SVM.pixel_scores(BLOBS.X_test, exact=True)
    points = SVM.threshold_scores(BLOBS.X_test)
    for labels, a, b, c in zip(SVM.predict(BLOBS.X_test), fast, exact, points, strict=True):
        assert a.shape == b.shape == c.shape == labels.shape
        for scores in (b, c):
            np.testing.assert_array_equal(scores > 0, labels)
        assert ((a >= 0) == labels)[np.abs(a) > 1e-12].all()
        assert (np.abs(b) <= np.abs(a) + 1e-9).all()
    truth = np.concatenate([y.ravel() for y in BLOBS.y_test])
    for scores in (fast, exact, points):
        assert roc_auc_score(*flat_scores(BLOBS.y_test, scores)) > 0.95
    assert len(truth) == len(flat_scores(BLOBS.y_test, fast)[0])


def test_the_exact_difference_is_what_the_decision_function_loses():
    X = [BLOBS.X_test[0]]
    unary, edges, pairs = next(SVM.model_.part_scores(SVM._prepared(X)[1], SVM.coef_))
    u = unary[:, 1] - unary[:, 0]
    [labels] = SVM.predict(X)
    y = labels.ravel()
    best = unary[np.arange(len(y)), y].sum() + pairs @ (y[edges[:, 0]] == y[edges[:, 1]])
    assert SVM.decision_function(X)[0] == pytest.approx(best / len(y))
    [exact] = SVM.pixel_scores(X, exact=True)
    np.testing.assert_allclose(exact.ravel(), max_marginal_differences(u, edges, pairs))


def test_thresholds_are_biases():
    X = [BLOBS.X_test[0]]
    [points] = SVM.threshold_scores(X, n_levels=5)
    unary, _, _ = next(SVM.model_.part_scores(SVM._prepared(X)[1], SVM.coef_))
    biases = levels_of(unary[:, 1] - unary[:, 0], 5)
    assert len(biases) == 6
    sizes = []
    for bias in (-1e3, *biases, 1e3):
        [labels] = SVM.predict(X, bias=bias)
        np.testing.assert_array_equal(points > -bias, labels)
        sizes.append(labels.sum())
    assert sizes == sorted(sizes)
    assert len(set(sizes)) > 3
    assert (sizes[0], sizes[-1]) == (0, points.size)
    unchanged = SVM.predict(BLOBS.X_test, bias=0)
    for a, b in zip(unchanged, SVM.predict(BLOBS.X_test), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "params",
    [
        {"fit_intercept": False},
        {"pairwise": "symmetric"},
        {"loss": "hamming"},
        {"contrast": False, "edge_intercept": False},
    ],
)
def test_a_bias_is_added_to_the_intercept(params):
    svm = GridSVM(tol=0.05, random_state=0, **params).fit(BLOBS.X_train[:3], BLOBS.y_train[:3])
    gained = svm.predict(BLOBS.X_test, bias=[0.1, 0.7])
    for a, b in zip(gained, svm.predict(BLOBS.X_test, bias=0.6), strict=True):
        np.testing.assert_array_equal(a, b)
    if svm.fit_intercept:
        svm.intercept_[1] += 0.6
        for a, b in zip(gained, svm.predict(BLOBS.X_test), strict=True):
            np.testing.assert_array_equal(a, b)


def test_more_classes_have_a_score_each_and_a_bias_each():
    svm = GridSVM(random_state=0).fit(THREE.X_train[:4], THREE.y_train[:4])
    for labels, scores in zip(
        svm.predict(THREE.X_test), svm.pixel_scores(THREE.X_test), strict=True
    ):
        assert scores.shape == (*labels.shape, 3)
        assert (scores.argmax(axis=-1) == labels).mean() > 0.99
    every = svm.predict(THREE.X_test, bias=[0, 1e3, 0])
    assert all((labels == 1).all() for labels in every)
    bias = svm.tune_bias(THREE.X_train[4:], THREE.y_train[4:], "jaccard")
    assert bias.shape == (3,)
    held_out = THREE.X_train[4:], THREE.y_train[4:]
    assert jaccard(held_out[1], svm.predict(held_out[0], bias=bias)) >= jaccard(
        held_out[1], svm.predict(held_out[0])
    )
    shares = svm.calibrate(*held_out).predict_proba(THREE.X_test)
    np.testing.assert_allclose(shares[0].sum(axis=-1), 1)
    with pytest.raises(ValueError, match=r"is for two classes .* here there are 3 classes"):
        svm.threshold_scores(THREE.X_test)
    with pytest.raises(ValueError, match="exact=True is for two classes"):
        svm.pixel_scores(THREE.X_test, exact=True)
    with pytest.raises(ValueError, match="there are 3 classes, not two; expected a list of 3"):
        svm.predict(THREE.X_test, bias=1.0)


def test_tuning_finds_faint_lines():
    lines = make_lines(4, 4, share=0.08, contrast=0.3, noise=0.1, size=(40, 56), random_state=0)
    X = [image[..., None] / 255 for image in lines.images_train]
    with pytest.warns(TrivialFitWarning):
        svm = GridSVM(class_weight=None, random_state=0).fit(X[:2], lines.y_train[:2])
    scoring = make_scorer(jaccard, labels=[1])
    bias = svm.tune_bias(X[2:], lines.y_train[2:], scoring)
    assert isinstance(bias, float)
    before = jaccard(lines.y_train[2:], svm.predict(X[2:]), labels=[1])
    after = jaccard(lines.y_train[2:], svm.predict(X[2:], bias=bias), labels=[1])
    assert after > before + 0.1
    assert svm.tune_bias(X[2:], lines.y_train[2:], "dice") == pytest.approx(bias, abs=2.0)
    for scoring in (None, "jaccard"):
        assert np.isfinite(svm.tune_bias(X[2:], lines.y_train[2:], scoring))


def test_tuning_by_the_name_of_a_score():
    X, y = HELD_OUT
    bias = SVM.tune_bias(X, y, "balanced_accuracy")
    by_hand = lambda svm, X, y: balanced_accuracy_score(  # noqa: E731
        np.concatenate([labels.ravel() for labels in y]),
        np.concatenate([labels.ravel() for labels in svm.predict(X)]),
    )
    assert bias == SVM.tune_bias(X, y, by_hand)
    assert SVM.tune_bias(X, y, "accuracy") == SVM.tune_bias(X, y)


def test_pixels_without_labels_do_not_count():
    X, y = HELD_OUT
    rng = np.random.default_rng(0)
    void = [rng.random(labels.shape) < 0.3 for labels in y]
    with_none = [np.where(mask, None, labels) for mask, labels in zip(void, y, strict=True)]
    with_nine = [np.where(mask, 9, labels) for mask, labels in zip(void, y, strict=True)]
    svm = GridSVM(ignore_label=9, random_state=0).fit(X, with_nine)
    scores = svm.threshold_scores(X)
    for a, b in zip(
        flat_scores(with_none, scores), flat_scores(with_nine, scores, ignore_label=9), strict=True
    ):
        np.testing.assert_array_equal(a, b)
    for scoring in (None, "dice", "f1"):
        assert svm.tune_bias(X, with_none, scoring) == svm.tune_bias(X, with_nine, scoring)
    found = [svm.calibrate(X, labels).predict_proba(X)[0] for labels in (with_none, with_nine)]
    np.testing.assert_array_equal(*found)
    display = PixelRocCurveDisplay.from_estimator(svm, X, with_none)
    assert 0.5 < display.roc_auc < 1
    plt.close("all")


def test_no_images_with_a_bias():
    assert SVM.predict([], bias=0.5) == SVM.predict([]) == []


def test_one_class_is_certain(tmp_path):
    X, y = HELD_OUT[0], [np.full_like(labels, 3) for labels in HELD_OUT[1]]
    with pytest.warns(UserWarning, match="nothing to tell apart"):
        svm = GridSVM(random_state=0).fit(X, y)
    np.testing.assert_array_equal(svm.tune_bias(X, y), [0.0])
    svm.calibrate(X, y).save(tmp_path / "svm")
    for fitted in (svm, structsvm.load(tmp_path / "svm")):
        for shares, labels in zip(fitted.predict_proba(X), y, strict=True):
            np.testing.assert_array_equal(shares, np.ones((*labels.shape, 1)))


def test_probabilities_are_calibrated_and_kept(tmp_path):
    svm = GridSVM(random_state=0).fit(BLOBS.X_train[:5], BLOBS.y_train[:5])
    with pytest.raises(AttributeError, match=r"call calibrate\(X_val, y_val\)"):
        svm.predict_proba(BLOBS.X_test)
    found = svm.calibrate(*HELD_OUT).predict_proba(BLOBS.X_test)
    assert found[0].shape == (*BLOBS.y_test[0].shape, 2)
    truth, shares = flat_scores(BLOBS.y_test, [p[..., 1] for p in found])
    assert log_loss(truth, shares) < 0.5 * log_loss(truth, np.full(len(truth), truth.mean()))
    # of pixels with such a probability, about such a share
    for low, high in ((0.0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.0)):
        here = (shares >= low) & (shares <= high)
        assert here.sum() > 10
        assert truth[here].mean() == pytest.approx(shares[here].mean(), abs=0.2)
    svm.save(tmp_path / "svm")
    again = structsvm.load(tmp_path / "svm")
    np.testing.assert_array_equal(again.predict_proba(BLOBS.X_test)[0], found[0])
    svm.fit(BLOBS.X_train[:2], BLOBS.y_train[:2])
    assert not hasattr(svm, "calibration_")
    svm.save(tmp_path / "svm")
    assert not hasattr(structsvm.load(tmp_path / "svm"), "calibration_")


def test_graphs_have_all_this_too():
    edges = [[0, 1], [1, 2], [2, 3]]
    X = [([[1.0], [0.8], [-0.1], [0.9]], edges), ([[-1.0], [-0.7], [0.2], [-0.9]], edges)]
    y = [["on"] * 4, ["off"] * 4]
    svm = GraphSVM(C=10, random_state=0).fit(X, y)
    assert svm.node_scores(X, exact=True)[0].shape == (4,)
    assert (svm.node_scores(X)[0] > 0).all()
    assert svm.predict(X, bias=-100)[0].tolist() == ["off"] * 4
    assert svm.tune_bias(X, y) == 0.0
    assert svm.calibrate(X, y).predict_proba(X)[0].shape == (4, 2)


def test_curves():
    y = [np.where(labels == 1, "x", "a") for labels in BLOBS.y_train[:4]]
    y[0][:3] = "v"
    svm = GridSVM(ignore_label="v", random_state=0).fit(BLOBS.X_train[:4], y)
    scores = svm.threshold_scores(BLOBS.X_train[:4])
    labels, flat = flat_scores(y, scores, ignore_label="v")
    display = PixelPrecisionRecallDisplay.from_estimator(svm, BLOBS.X_train[:4], y, name="cuts")
    assert display.average_precision == pytest.approx(average_precision_score(labels == "x", flat))
    axes = plt.figure().subplots()
    roc = PixelRocCurveDisplay.from_estimator(svm, BLOBS.X_train[:4], y, ax=axes)
    assert roc.roc_auc == pytest.approx(roc_auc_score(labels == "x", flat))
    assert axes.get_xlabel()
    plt.close("all")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: SVM.predict(BLOBS.X_test, bias=np.nan), "expected one finite number"),
        (lambda: SVM.predict(BLOBS.X_test, bias="high"), "expected one finite number"),
        (lambda: SVM.predict(BLOBS.X_test, bias=[1.0] * 3), "or one for each class"),
        (lambda: SVM.predict(BLOBS.X_test, [None] * 12, bias=1.0), "expected one of them"),
        (lambda: SVM.threshold_scores(BLOBS.X_test, n_levels=0), "n_levels=0"),
        (lambda: SVM.predict(BLOBS.X_test, bias=10**400), "expected one finite number"),
        (lambda: SVM.tune_bias(*HELD_OUT, "no such score"), "no such score"),
        (lambda: SVM.tune_bias(*HELD_OUT, "roc_auc"), "'roc_auc' is of decision_function"),
        (lambda: SVM.tune_bias(*HELD_OUT, 3), "scoring=3: expected 'jaccard'"),
        (lambda: SVM.tune_bias(HELD_OUT[0], HELD_OUT[1][:1]), "5"),
        (lambda: SVM.calibrate(HELD_OUT[0], [y + 5 for y in HELD_OUT[1]]), "has the label 5"),
        (
            lambda: SVM.calibrate(HELD_OUT[0], [y[:2] for y in HELD_OUT[1]]),
            r"scores\[0\] has shape",
        ),
        (lambda: flat_scores([[1, 0]], [["a", "b"]]), r"scores\[0\] has dtype"),
        (lambda: flat_scores([[9, 9]], [[0.0, 1.0]], ignore_label=9), "no pixel with a label"),
        (lambda: flat_scores([[1, 0]], []), "y_true has 1 items but scores has 0"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_dice_is_a_function_of_jaccard():
    rng = np.random.default_rng(0)
    y, z = ([rng.integers(3, size=(5, 7)) for _ in range(3)] for _ in range(2))
    index = jaccard(y, z, average=None)
    np.testing.assert_allclose(dice(y, z, average=None), 2 * index / (1 + index))
    assert dice(y, z) == pytest.approx(dice(y, z, average=None).mean())
    assert dice(y, z, average="micro") == pytest.approx(
        np.mean([(a == b).mean() for a, b in zip(y, z, strict=True)])
    )
