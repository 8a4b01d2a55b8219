"""SurrogateSVM: every binary loss of structsvm.hinge, trained."""

import functools

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from scipy.optimize import minimize
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier
from sklearn.preprocessing import scale
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

from structsvm import MulticlassSVM, SurrogateSVM
from structsvm.estimators.surrogate import SURROGATES
from structsvm.hinge import huberized_hinge

SMOOTH = [name for name in SURROGATES if name not in ("hinge", "perceptron")]


def failing_checks(estimator):
    """Those that scikit-learn 1.6 has wrong: it names two classes anew after a shuffle."""
    if parse_version(sklearn.__version__) >= parse_version("1.7"):
        return {}
    names = (f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse"))
    return dict.fromkeys(names, "the labels of the two fits compared are not the same")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    # Of fits that are compared, rounding changes digits beyond the tolerance.
    [
        SurrogateSVM(C=1.0, scale=None, tol=1e-10),
        SurrogateSVM("modified_huber", C=1.0, scale=None, tol=1e-10),
        SurrogateSVM("hinge", C=1.0, scale=None, solver="subgradient", max_iter=50, random_state=0),
    ],
    expected_failed_checks=failing_checks,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=120)
    X = rng.normal(size=(120, 4)) + 0.8 * y[:, None]
    return X, np.array(["no", "yes"])[y], rng.random(120) + 0.1


def objective(svm, X, y, weight, w):
    margins = np.where(y == "yes", 1, -1)
    loss = svm.surrogate if callable(svm.surrogate) else SURROGATES[svm.surrogate]
    scores = X @ w[:4] + (w[4] if len(w) > 4 else 0.0)
    return 0.5 * w @ w + svm.C * (weight * loss(margins, scores, reduction="none")).sum()


def weights(svm):
    return np.concatenate([svm.coef_[0], svm.intercept_ if svm.fit_intercept else []])


@pytest.mark.parametrize("fit_intercept", [True, False])
@pytest.mark.parametrize("surrogate", [*SMOOTH, functools.partial(huberized_hinge, width=0.3)])
def test_smooth_losses_reach_their_minimum(data, surrogate, fit_intercept):
    X, y, weight = data
    svm = SurrogateSVM(surrogate, scale=None, C=0.5, fit_intercept=fit_intercept, tol=1e-8)
    svm.fit(X, y, weight)
    w = weights(svm)
    assert svm.objective_ == pytest.approx(objective(svm, X, y, weight, w), rel=1e-12)
    assert svm.gap_ <= 1e-8
    best = minimize(lambda v: objective(svm, X, y, weight, v), w, method="Powell").fun
    assert svm.objective_ * (1 - svm.gap_) <= best <= svm.objective_ * (1 + 1e-12)
    sparse = SurrogateSVM(surrogate, scale=None, C=0.5, fit_intercept=fit_intercept, tol=1e-8)
    sparse.fit(sp.csr_array(X), y, weight)
    assert sparse.objective_ == pytest.approx(svm.objective_, rel=1e-7)


@pytest.mark.parametrize("surrogate", list(SURROGATES))
def test_subgradients_come_near_for_every_loss(data, surrogate):
    X, y, weight = data
    svm = SurrogateSVM(
        surrogate, scale=None, C=0.1, solver="subgradient", max_iter=200, random_state=0
    )
    svm.fit(X, y, weight)
    w = weights(svm)
    start = np.zeros_like(w) + 0.01
    best = min(
        minimize(lambda v: objective(svm, X, y, weight, v), s, method="Powell").fun
        for s in (start, w)
    )
    assert svm.objective_ <= best * 1.02 + 1e-3
    assert svm.objective_ * (1 - svm.gap_) <= best + 1e-12


def test_logistic_and_squared_losses_are_those_of_scikit_learn(data):
    X, y, weight = data
    svm = SurrogateSVM("logistic", scale=None, C=0.5, fit_intercept=False, tol=1e-12)
    theirs = LogisticRegression(C=0.5, fit_intercept=False, tol=1e-10)
    svm.fit(X, y, weight), theirs.fit(X, y, weight)
    np.testing.assert_allclose(svm.coef_, theirs.coef_, atol=1e-6)
    np.testing.assert_allclose(svm.predict_proba(X), theirs.predict_proba(X), atol=1e-6)
    np.testing.assert_allclose(svm.predict_log_proba(X), theirs.predict_log_proba(X), atol=1e-6)
    svm = SurrogateSVM("squared", scale=None, C=0.5, fit_intercept=False, tol=1e-12)
    theirs = Ridge(alpha=1.0, fit_intercept=False)
    svm.fit(X, y, weight), theirs.fit(X, np.where(y == "yes", 1, -1), weight)
    np.testing.assert_allclose(svm.coef_[0], theirs.coef_, atol=1e-6)


def test_modified_huber_tells_probabilities_as_scikit_learn_does(data):
    X, y, weight = data
    svm = SurrogateSVM("modified_huber", C=5.0, scale=None).fit(X, y, weight)
    sgd = SGDClassifier("modified_huber", random_state=0).fit(X, y)
    sgd.coef_, sgd.intercept_ = svm.coef_, svm.intercept_
    far = np.vstack([X, 100 * X])
    chances = svm.predict_proba(far)
    np.testing.assert_allclose(chances, sgd.predict_proba(far), atol=1e-15)
    assert {0.0, 1.0} < set(chances.ravel())
    np.testing.assert_array_equal(svm.classes_[chances.argmax(axis=1)], svm.predict(far))
    np.testing.assert_array_equal(np.isneginf(svm.predict_log_proba(far)), chances == 0.0)
    # Where X tells nothing, they are the shares of the classes.
    none = SurrogateSVM("modified_huber", C=1e4, scale=None, tol=1e-10)
    chance = none.fit(np.zeros((120, 1)), y, weight).predict_proba([[0.0]])[0, 1]
    assert chance == pytest.approx(weight[y == "yes"].sum() / weight.sum(), abs=1e-4)
    logistic = SurrogateSVM("logistic", C=1e4, scale=None, tol=1e-10)
    assert logistic.fit(np.zeros((120, 1)), y, weight).predict_proba([[0.0]])[0, 1] == (
        pytest.approx(chance, abs=1e-3)
    )
    assert logistic.set_params(C=1.0).fit(X, y).predict_log_proba(1e5 * X).min() < -1e3
    for surrogate in ("squared_hinge", huberized_hinge):
        svm = SurrogateSVM(surrogate).fit(X, y)
        assert not hasattr(svm, "predict_proba")
        assert not hasattr(svm, "predict_log_proba")
        with pytest.raises(AttributeError) as caught:
            svm.predict_proba(X)
        assert "tells no probabilities: take one of ('modified_huber', 'logistic')" in str(
            caught.value.__cause__
        )


def test_it_agrees_with_the_certified_way(data):
    X, y, weight = data
    squared = SurrogateSVM("squared_hinge", scale=None, C=0.5, tol=1e-8).fit(X, y, weight)
    exact = MulticlassSVM(scale=None, C=0.5, slack="squared", tol=1e-8, random_state=0).fit(
        X, y, weight
    )
    assert squared.objective_ == pytest.approx(exact.objective_, rel=1e-7)
    np.testing.assert_allclose(squared.coef_, exact.coef_, atol=1e-3)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"surrogate": "zero_one"}, "unknown surrogate 'zero_one': expected one of 'hinge'"),
        ({"surrogate": "hinge"}, "'hinge' has kinks, where solver='newton' gets stuck"),
        ({"solver": "lbfgs"}, "unknown solver 'lbfgs'"),
        ({"C": -1}, "C=-1: expected"),
        ({"tol": 0}, "tol=0: expected"),
        ({"max_iter": 1.5}, "max_iter=1.5: expected an integer"),
    ],
)
def test_bad_parameters_are_named(data, params, message):
    with pytest.raises(ValueError, match=message):
        SurrogateSVM(**({"C": 1.0, "scale": None} | params)).fit(data[0], data[1])


def test_two_classes_it_must_be(data):
    X, _, _ = data
    for n_classes in (1, 3):
        with pytest.raises(ValueError, match=f"y holds {n_classes} class.*, expected 2"):
            SurrogateSVM(C=1.0, scale=None).fit(X, np.arange(120) % n_classes)


def test_features_of_very_different_scale_are_told_of():
    X, y = load_breast_cancer(return_X_y=True)
    message = (
        r"stopped after 3 .*: scale the features \(columns of X reach from 0.03 to 4.3e\+03\), "
    )
    with pytest.warns(ConvergenceWarning, match=message):
        svm = SurrogateSVM(scale=None, C=1e4, max_iter=3).fit(X, y)
    assert svm.gap_ == 1.0
    assert SurrogateSVM(scale=None, C=1e2).fit(scale(X), y).gap_ <= 1e-6


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("surrogate", list(SURROGATES))
@pytest.mark.parametrize("size", [1e-8, 1.0, 1e3, 1e100])
def test_the_gap_is_from_zero_to_one(surrogate, size):
    solver = "subgradient" if surrogate in ("hinge", "perceptron") else "newton"
    X = np.random.default_rng(0).normal(size=(40, 3)) * [size, 1.0, 1.0]
    svm = SurrogateSVM(surrogate, scale=None, C=1e4, solver=solver, max_iter=20, random_state=0)
    svm.fit(X, np.arange(40) % 2)
    assert 0.0 <= svm.gap_ <= 1.0
    assert np.isfinite(svm.objective_)


def test_a_surrogate_below_zero_has_no_relative_gap(data):
    def shifted(y, scores, reduction="mean", with_gradient=False):
        values, slopes = SURROGATES["squared_hinge"](
            y, scores, reduction="none", with_gradient=True
        )
        return values - 2.0, slopes

    with pytest.raises(
        ValueError, match=r"the surrogate is -1.0 at the score 0 of X\[0\], expected"
    ):
        SurrogateSVM(shifted, C=1.0, scale=None).fit(*data)


def test_a_surrogate_below_zero_by_rounding_counts_as_zero(data):
    def rounded(y, scores, reduction="mean", with_gradient=False):
        values, slopes = SURROGATES["squared_hinge"](
            y, scores, reduction="none", with_gradient=True
        )
        return values - 1e-17, slopes

    assert (
        SurrogateSVM(rounded, C=1.0, scale=None).fit(*data).coef_
        == SurrogateSVM(C=1.0, scale=None).fit(*data).coef_
    ).all()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["newton", "subgradient"])
@pytest.mark.parametrize("size", [1e100, 1e150, 1e160, 1e200, 1e307])
def test_great_features_give_finite_weights_or_one_sentence(data, solver, size):
    svm = SurrogateSVM(C=1.0, scale=None, solver=solver, max_iter=5, random_state=0)
    complaint = ""
    try:
        svm.fit(data[0] * size, data[1])
    except ValueError as error:
        complaint = str(error)
    if complaint:
        assert complaint.startswith("sums over X overflow: its features, or C, are too large;")
    else:
        assert np.isfinite(svm.coef_).all()
        assert 0.0 <= svm.gap_ <= 1.0


@pytest.mark.parametrize("surrogate", SMOOTH)
def test_mostly_zeros_are_the_same_bits_dense_and_sparse(surrogate):
    random = np.random.default_rng(0)
    X = random.normal(size=(200, 40)) * (random.random((200, 40)) < 0.08)
    X[:, 3] = 0.0
    y = (X[:, 0] + X[:, 1] + 0.1 * random.normal(size=200) > 0).astype(int)
    dense, sparse = (SurrogateSVM(surrogate).fit(form, y) for form in (X, sp.csr_array(X)))
    assert (dense.coef_ == sparse.coef_).all()
    assert dense.gap_ == sparse.gap_ <= 1e-6


def test_constant_columns_and_repeated_rows_reach_the_gap(data):
    X, y, _ = data
    X = np.hstack([X, np.ones((120, 1)), 1e3 * np.ones((120, 1))])
    svm = SurrogateSVM(C=100).fit(np.repeat(X, 3, axis=0), np.repeat(y, 3))
    once = SurrogateSVM(C=100).fit(X, y, np.full(120, 3.0))
    assert max(svm.gap_, once.gap_) <= 1e-6
    np.testing.assert_allclose(svm.coef_, once.coef_, atol=1e-6)


@pytest.mark.filterwarnings("error::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("surrogate", ["squared_hinge", "smoothed_hinge", "huberized_hinge"])
@pytest.mark.parametrize("seed", range(6))
def test_slopes_with_sharp_bends_do_not_end_the_search(surrogate, seed):
    """Great C and weights of 1 and 1e4: along a direction the slope is flat, then all but jumps."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(30, 3)), rng.integers(0, 2, size=30)
    weight = rng.choice([1.0, 1e4], size=30)
    for C in (1.0, 100.0):
        svm = SurrogateSVM(surrogate, C=C, random_state=0).fit(X, y, sample_weight=weight)
        assert svm.gap_ <= 1e-6


def test_an_interrupt_leaves_the_weights_of_the_last_iteration(data):
    X, y, _ = data
    calls = 0

    def interrupted(*args, **options):
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return SURROGATES["squared_hinge"](*args, **options)

    with pytest.warns(ConvergenceWarning, match="interrupted after 2 iterations"):
        svm = SurrogateSVM(interrupted, C=1.0, scale=None).fit(X, y)
    best = SurrogateSVM(C=1.0, scale=None, tol=1e-10).fit(X, y)
    assert svm.objective_ == pytest.approx(objective(best, X, y, np.ones(120), weights(svm)))
    at_zero = objective(best, X, y, np.ones(120), np.zeros(5))
    assert best.objective_ < svm.objective_ < at_zero
    assert svm.objective_ * (1 - svm.gap_) <= best.objective_
