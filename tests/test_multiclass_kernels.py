"""MulticlassSVM with kernels, against the linear one on features that make the same kernel."""

import contextlib
import pickle
import re
import signal
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import scale

from structsvm import MulticlassSVM, load
from structsvm.callbacks import Checkpoint
from structsvm.exceptions import ModelFileError
from structsvm.models import KernelMulticlassModel
from structsvm.problems.kernel import Kernel
from structsvm.solvers.block_duals import block_dual_of

LOSSES = ["crammer_singer", "weston_watkins", "lee_lin_wahba"]
PARAMS = {
    "rbf": {"gamma": 0.1},
    "poly": {"gamma": 0.1, "degree": 2, "coef0": 1.0},
    "sigmoid": {"gamma": 0.01, "coef0": 0.0},
}


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:150] / 16, y[:150]


def features_of(K):
    """Rows whose inner products are K."""
    values, vectors = np.linalg.eigh(K)
    return vectors * np.sqrt(np.maximum(values, 0))


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("slack", ["linear", "squared"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_classes", [2, 10])
def test_same_optimum_as_features_with_that_kernel(digits, loss, slack, intercept, n_classes):
    X, y = digits[0], digits[1] % n_classes
    K = pairwise_kernels(X, metric="rbf", gamma=0.1)
    svm = MulticlassSVM(
        scale=None, loss=loss, slack=slack, C=0.5, fit_intercept=intercept, tol=1e-7
    )
    linear = svm.set_params(random_state=0).fit(features_of(K), y)
    kernel = clone(svm).set_params(kernel="rbf", gamma=0.1).fit(X, y)
    assert kernel.dual_gap_ <= 1e-7
    assert kernel.objective_ == pytest.approx(linear.objective_, rel=2e-7)
    scores = kernel.decision_function(X)
    np.testing.assert_allclose(scores, linear.decision_function(features_of(K)), atol=1e-3)
    np.testing.assert_allclose(kernel.intercept_, linear.intercept_, atol=1e-3)
    # The certificate is of the very weights that predict.
    B = np.zeros((150, kernel.dual_coef_.shape[1]))
    B[kernel.support_] = kernel.dual_coef_
    norm = np.sum(B * ((K + intercept) @ B))
    problem = linear.model_.bind(features_of(K), y)
    flat = np.vstack([features_of(K).T @ B, *([B.sum(axis=0)[None]] if intercept else [])])
    hinges = 150 * problem.mean_hinge(flat.ravel())
    assert kernel.objective_ == pytest.approx(norm / 2 + 0.5 * hinges, rel=1e-8)


@pytest.mark.parametrize("kernel", PARAMS)
@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array, np.asfortranarray])
def test_named_kernels(digits, kernel, convert):
    X, y = digits
    params = {"C": 1.0, "scale": None} | PARAMS[kernel]
    svm = MulticlassSVM(kernel=kernel, random_state=0, **params).fit(convert(X), y)
    values = pairwise_kernels(X, X[svm.support_], metric=kernel, **PARAMS[kernel])
    expected = values @ svm.dual_coef_ + svm.intercept_
    np.testing.assert_allclose(svm.decision_function(convert(X)), expected, rtol=1e-9)
    assert svm.dual_gap_ <= 1e-3
    assert svm.score(convert(X), y) > 0.9
    assert svm.dual_coef_.shape == (len(svm.support_), 10)


def test_a_callable_is_asked_for_matrices(digits):
    X, y = digits

    def linear(A, B):
        assert A.shape[1] == B.shape[1] == 64
        return A @ B.T

    kernel = MulticlassSVM(kernel=linear, C=0.1, tol=1e-6, random_state=0).fit(X, y)
    plain = MulticlassSVM(scale=None, C=0.1, tol=1e-6, random_state=0).fit(X, y)
    assert kernel.objective_ == pytest.approx(plain.objective_, rel=1e-6)
    np.testing.assert_allclose(kernel.decision_function(X), plain.decision_function(X), atol=5e-3)


@pytest.mark.parametrize("rows", [2, 7, 60, 150])
def test_a_small_cache_gives_the_same_optimum(digits, rows):
    X, y = digits
    svm = MulticlassSVM(kernel="rbf", gamma=0.1, C=0.5, tol=1e-5, random_state=0, max_iter=3000)
    want = clone(svm).fit(X, y)
    got = clone(svm).set_params(cache_size=rows * 150 * 8 / 1e6).fit(X, y)
    assert got.dual_gap_ <= 1e-5
    assert got.objective_ == pytest.approx(want.objective_, rel=1e-5)


def test_rows_in_the_cache_are_those_they_should_be(digits):
    X, y = digits
    model = KernelMulticlassModel(gamma=0.1, cache_size=20 * 150 * 8 / 1e6)
    model.initialize(X, y)
    problem = model.bind(X, y)
    dual = block_dual_of(problem)(problem)
    K = pairwise_kernels(X, metric="rbf", gamma=0.1) + 1
    rng = np.random.default_rng(0)
    asked = 0
    for _ in range(60):
        some = rng.choice(150, size=rng.integers(1, 21), replace=False).astype(np.int32)
        missing = (dual.place[some] < 0).sum()
        dual.load(some)
        asked += missing
        assert dual.n_computed == asked
        held = dual.holder[dual.holder >= 0]
        assert len(set(held)) == len(held) <= 20
        assert (dual.place >= 0).sum() == len(held)
        np.testing.assert_array_equal(dual.place[held], np.flatnonzero(dual.holder >= 0))
        np.testing.assert_allclose(dual.cache[dual.place[some]], K[some], rtol=1e-12)


def test_dual_point_from_scratch(digits):
    X, y = digits
    model = KernelMulticlassModel(gamma=0.1)
    model.initialize(X, y)
    problem = model.bind(X, y)
    dual = block_dual_of(problem)(problem)
    dual.regularization = 0.01
    for seed in range(4):
        dual.long_pass(seed, True)
        dual.short_passes(0.1, 3, seed)
    z = dual.combination()
    np.testing.assert_allclose(dual.weights, z / 0.01, atol=1e-9)
    F, B = z.reshape(2, 150, 10)
    K = pairwise_kernels(X, metric="rbf", gamma=0.1) + 1
    np.testing.assert_allclose(F, K @ B, atol=1e-12)
    assert dual.inner(z, z) == pytest.approx(np.sum(B * (K @ B)))
    gaps = dual.present_gaps(np.arange(150, dtype=np.int32))
    w = np.array(dual.weights)
    primal = 0.01 / 2 * dual.inner(w, w) + problem.mean_hinge(w)
    assert gaps.mean() == pytest.approx(primal - dual.loss() + dual.inner(z, z) / 0.02, rel=1e-6)


def test_warm_start_weights_validation_and_pickle(digits):
    X, y = digits
    svm = MulticlassSVM(kernel="rbf", C=0.5, tol=1e-5, random_state=0, warm_start=True).fit(X, y)
    svm.set_params(C=1.0).fit(X, y)
    cold = MulticlassSVM(kernel="rbf", C=1.0, tol=1e-5, random_state=0).fit(X, y)
    assert svm.objective_ == pytest.approx(cold.objective_, rel=1e-5)
    np.testing.assert_allclose(svm.decision_function(X), cold.decision_function(X), atol=0.01)
    copy = pickle.loads(pickle.dumps(cold))
    np.testing.assert_array_equal(copy.predict(X), cold.predict(X))
    held_out = clone(cold).fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    assert held_out.validation_score_ >= held_out.score(X[100:], y[100:]) - 0.1
    weight = np.arange(150) % 3.0
    repeated = np.repeat(np.arange(150), weight.astype(int))
    params = {"gamma": 0.1, "tol": 1e-7}
    a = clone(cold).set_params(**params).fit(X, y, sample_weight=weight)
    b = clone(cold).set_params(**params).fit(X[repeated], y[repeated])
    assert a.objective_ == pytest.approx(b.objective_, rel=1e-6)


@pytest.mark.parametrize("rows", [20, 150])
def test_resumed_fit_has_the_same_bits(digits, tmp_path, rows):
    X, y = digits
    cache = rows * 150 * 8 / 1e6
    whole = MulticlassSVM(
        kernel="rbf", C=2.0, scale=None, tol=1e-4, random_state=0, cache_size=cache
    )
    path = tmp_path / "fit.ckpt"
    stop = [Checkpoint(path, every=1), lambda progress: progress.n_iter >= 3]
    assert clone(whole).set_params(callbacks=stop).fit(X, y).status_ == "stopped"
    resumed = clone(whole).fit(X, y, resume_from=path)
    np.testing.assert_array_equal(resumed.dual_coef_, whole.fit(X, y).dual_coef_)
    assert resumed.n_iter_ == whole.n_iter_ > 3


def test_gamma_is_that_of_scikit_learn(digits):
    X, y = digits
    for convert in (np.asarray, sp.csr_array):
        model = KernelMulticlassModel()
        model.initialize(convert(X), y)
        model.bind(convert(X), y)
        assert model.kernel_.params["gamma"] == pytest.approx(1 / (64 * X.var()))
        model.set_params(gamma="auto").bind(convert(X), y)
        assert model.kernel_.params["gamma"] == 1 / 64
    model.set_params(gamma="scale")
    model.bind(np.ones((4, 64)), y[:4])
    assert model.kernel_.params["gamma"] == 1.0


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"kernel": "cubic"},
            "unknown kernel 'cubic': expected one of 'linear', 'rbf', 'poly', 's",
        ),
        ({"gamma": -1}, "gamma=-1: expected a finite number > 0"),
        ({"gamma": "wide"}, "gamma='wide': expected a number > 0"),
        ({"cache_size": 0}, "cache_size=0: expected a finite number > 0"),
        ({"degree": "2"}, "degree='2': expected a number"),
        ({"solver": "bcfw"}, "with a kernel there are no planes: use solver='block_dual'"),
        ({"solver": "perceptron"}, "with a kernel there are no planes: use solver='block_dual'"),
        (
            {"kernel": lambda A, B: np.ones(3)},
            r"the kernel returned shape \(3,\) for 150 and 150 rows, expected \(150, 150\)",
        ),
        (
            {"kernel": lambda A, B: A @ B.T * np.nan},
            "the kernel returned NaN or inf; scale the feat",
        ),
        (
            {"kernel": lambda A, B: -A @ B.T, "fit_intercept": False},
            r"the kernel of X\[\d+\] with itself is -[\d.]+, expected >= 0: it is not an inner",
        ),
    ],
)
def test_bad_parameters(digits, params, message):
    with pytest.raises(ValueError, match=message):
        MulticlassSVM(**({"C": 1.0, "scale": None} | {"kernel": "rbf"} | params)).fit(*digits)


def test_what_needs_weights_of_features(digits):
    svm = MulticlassSVM(C=1.0, kernel="rbf").fit(*digits)
    assert not hasattr(svm, "coef_")
    with pytest.raises(ValueError, match="partial_fit needs kernel='linear'"):
        svm.partial_fit(*digits)


def test_kernel_without_intercept_or_params():
    X = np.arange(12.0).reshape(6, 2)
    kernel = Kernel(X, "rbf", intercept=False, gamma=0.5, degree=3, coef0=0.0)
    np.testing.assert_array_equal(kernel.diagonal(), np.ones(6))
    np.testing.assert_allclose(
        kernel.rows(np.array([1, 4], dtype=np.int32)),
        pairwise_kernels(X, gamma=0.5, metric="rbf")[[1, 4]],
    )


# ---- kernels that are no inner products


def thin_plate(A, B):
    distances = pairwise_kernels(A, B, metric="linear")
    squares = (A**2).sum(axis=1)[:, None] + (B**2).sum(axis=1) - 2 * distances
    return 10.0 - np.sqrt(np.maximum(squares, 0.0)) ** 3


DATA = {"breast cancer": load_breast_cancer, "iris": load_iris, "wine": load_wine}
INDEFINITE = {
    "sigmoid": {"kernel": "sigmoid", "gamma": 1.0, "coef0": -1.0},
    "sigmoid, mild": {"kernel": "sigmoid", "gamma": 0.1, "coef0": 0.0},
    "poly, coef0 below 0": {"kernel": "poly", "gamma": 0.1, "degree": 3, "coef0": -1.0},
    "poly, even": {"kernel": "poly", "gamma": 0.1, "degree": 2, "coef0": -0.1},
    "callable": {"kernel": thin_plate},
}


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize("name", INDEFINITE)
@pytest.mark.parametrize("C", [0.01, 10.0])
def test_an_indefinite_kernel_is_refused(data, name, C):
    X, y = DATA[data](return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(X))[:200]
    svm = MulticlassSVM(C=C, random_state=0, max_iter=5, **({"scale": None} | INDEFINITE[name]))
    message = "is not positive semidefinite: its matrix of .* expected none below 0|no inner prod"
    with pytest.raises(ValueError, match=message):
        svm.fit(scale(X)[rows], y[rows])
    assert not hasattr(svm, "model_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", INDEFINITE)
def test_a_kernel_seen_in_part_only_is_never_certified(monkeypatch, name):
    """Where the rows that are looked at do not show it, values that cannot be do, or it stays an
    estimate."""
    monkeypatch.setattr("structsvm.problems.kernel._MOST_ROWS", 2)
    X, y = load_breast_cancer(return_X_y=True)
    for C in (0.01, 10.0):
        svm = MulticlassSVM(
            C=C, random_state=0, max_iter=30, **({"scale": None} | INDEFINITE[name])
        )
        with contextlib.suppress(ValueError):
            svm.fit(scale(X)[:200], y[:200])
        assert not getattr(svm, "certified_", False)


def rbf_of_offset(A, B):
    """An rbf kernel whose distances have lost most of their digits."""
    A, B = A + 1e5, B + 1e5
    squares = (A**2).sum(axis=1)[:, None] + (B**2).sum(axis=1) - 2 * A @ B.T
    return np.exp(-0.05 * np.maximum(squares, 0.0))


@pytest.mark.parametrize("data", DATA)
@pytest.mark.parametrize(
    "params",
    [
        {"kernel": "rbf", "gamma": 1e-4},
        {"kernel": "rbf", "gamma": 10.0},
        {"kernel": "poly", "gamma": 0.1, "degree": 5, "coef0": 0.0},
        {"kernel": "poly", "gamma": 0.01, "degree": 2, "coef0": 1.0},
        {"kernel": lambda A, B: A @ B.T},
        {"kernel": lambda A, B: (A.astype("f4") @ B.T.astype("f4")) ** 2},
        {"kernel": lambda A, B: np.minimum(np.abs(A[:, None]), np.abs(B)).sum(axis=2)},
        {"kernel": lambda A, B: np.ones((len(A), len(B)))},
        {"kernel": lambda A, B: np.zeros((len(A), len(B))), "fit_intercept": False},
        {"kernel": rbf_of_offset},
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_definite_kernel_is_not_refused_for_rounding(data, params):
    X, y = DATA[data](return_X_y=True)
    svm = MulticlassSVM(C=1.0, random_state=0, max_iter=100, **({"scale": None} | params)).fit(
        scale(X), y
    )
    assert 0 <= svm.dual_gap_ <= 1
    assert svm.certified_ or params["kernel"] is rbf_of_offset


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        (lambda A, B: A[:, :1] - B[:, 0] + 100, "with its arguments exchanged: it must be a symm"),
        (lambda A, B: (A - A.mean(axis=0)) @ (B - B.mean(axis=0)).T, "among other rows: it must"),
    ],
)
def test_a_kernel_must_be_a_symmetric_function_of_two_rows(kernel, message):
    X, y = load_breast_cancer(return_X_y=True)
    with pytest.raises(ValueError, match=message):
        MulticlassSVM(C=1.0, kernel=kernel, random_state=0).fit(scale(X), y)


# ---- fits that end early


def objective_of(svm, X, y, C):
    """By the very coefficients that predict."""
    K = pairwise_kernels(X, metric="rbf", gamma=svm.model_.kernel_.params["gamma"])
    B = np.zeros((len(X), svm.dual_coef_.shape[1]))
    B[svm.support_] = svm.dual_coef_
    scores = svm.decision_function(X)
    own = scores[np.arange(len(X)), y]
    wrong = scores + 1.0
    wrong[np.arange(len(X)), y] = own
    return np.sum(B * ((K + 1) @ B)) / 2 + C * np.sum(wrong.max(axis=1) - own)


def test_ctrl_c_within_a_round_leaves_a_certified_kernel_model(digits):
    X, y = digits
    calls, at = 0, ()

    def kernel(A, B):
        nonlocal calls
        calls += 1
        if calls in at:
            signal.raise_signal(signal.SIGINT)
        return pairwise_kernels(A, B, metric="rbf", gamma=0.1)

    svm = MulticlassSVM(kernel=kernel, C=5.0, tol=1e-9, random_state=0, cache_size=0.03)
    for where in (2, 3, 4, 9, 30, 100):
        calls, at = 0, (where,)
        fit = clone(svm)
        try:
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                fit.fit(X, y)
        except KeyboardInterrupt:  # while the kernel was looked at, before training
            assert where <= 3
            assert not hasattr(fit, "model_")
            continue
        assert fit.status_ == "interrupted"
        assert [w.category for w in told] == [ConvergenceWarning]
        assert re.search("interrupted after .* duality gap of", str(told[0].message))
        assert fit.predict(X).shape == (150,)
        fit.model_.kernel_.params["gamma"] = 0.1
        assert fit.objective_ == pytest.approx(objective_of(fit, X, y, 5.0), rel=1e-8)
        assert fit.certified_
        assert 0 <= fit.dual_gap_ <= 1


def test_held_out_weights_of_a_kernel_are_those_that_predict(digits):
    X, y = digits
    svm = MulticlassSVM(kernel="rbf", C=5.0, scale=None, gamma=0.05, tol=1e-6, random_state=0)
    svm.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    scores = svm.history_["validation_score"]
    assert svm.score(X[100:], y[100:]) == svm.validation_score_ == scores.max()
    assert np.argmax(scores) < len(scores) - 1
    assert svm.objective_ == pytest.approx(objective_of(svm, X[:100], y[:100], 5.0), rel=1e-8)
    assert svm.dual_gap_ == pytest.approx(1 - svm.dual_objective_ / svm.objective_)


@pytest.mark.parametrize("far", [1e7, 3e7, 1e8])
def test_a_kernel_of_distances_does_not_change_with_the_place(far):
    X, y = load_iris(return_X_y=True)
    X = np.round(X * 64) / 64  # exact at any of these places
    near, away = (
        MulticlassSVM(C=1.0, scale=None, kernel="rbf", gamma=0.1, random_state=0).fit(X + place, y)
        for place in (0.0, far)
    )
    assert away.certified_
    assert away.objective_ == pytest.approx(near.objective_, rel=1e-3)
    assert away.dual_objective_ == pytest.approx(near.dual_objective_, rel=1e-3)
    assert np.array_equal(away.predict(X + far), near.predict(X))


def test_distances_of_sparse_rows_lost_in_rounding_are_not_certified():
    X, y = load_iris(return_X_y=True)
    svm = MulticlassSVM(C=1.0, scale=None, kernel="rbf", gamma=0.1, max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning):
        svm.fit(sp.csr_array(X + 1e7), y)
    assert not svm.certified_


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("kernel", ["rbf", "poly"])
def test_a_named_kernel_is_one_of_scaled_columns(tmp_path, kernel, fit_intercept):
    """So columns may come in any unit and from any place, and stored in any way."""
    X, y = load_wine(return_X_y=True)
    svm = MulticlassSVM(
        kernel=kernel, fit_intercept=fit_intercept, tol=1e-6, max_iter=5000, random_state=0
    )
    units = 2.0 ** np.random.default_rng(0).integers(-20, 21, size=13)
    plain = clone(svm).fit(X, y)
    assert plain.score(X, y) > 0.98
    for convert in (lambda X: X * units + 5 * units, lambda X: sp.csr_array(X * units)):
        other = clone(svm).fit(convert(X), y)
        assert other.certified_
        assert pytest.approx(plain.C_) == other.C_
        assert other.objective_ == pytest.approx(plain.objective_, rel=2e-6)
        assert np.array_equal(other.predict(convert(X)), plain.predict(X))
        other.save(tmp_path / "model")
        loaded = load(tmp_path / "model")
        scores = other.decision_function(convert(X))
        np.testing.assert_array_equal(loaded.decision_function(convert(X)), scores)
    by_hand = clone(svm).set_params(scale=None).fit(scale(X), y)
    assert by_hand.objective_ == pytest.approx(plain.objective_, rel=2e-6)


def test_a_callable_sees_columns_as_they_are():
    X, y = load_wine(return_X_y=True)
    seen = []

    def product(A, B):
        seen.extend([A, B])
        return 1e-6 * A @ B.T

    svm = MulticlassSVM(kernel=product, C=1.0, random_state=0).fit(X, y)
    svm.predict(X[:2])
    assert svm.scaling_ == {}
    assert all((rows.max(axis=1) > 200).all() for rows in seen)


def test_a_complex_kernel_is_refused():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="complex numbers, expected real"):
        MulticlassSVM(C=1.0, kernel=lambda a, b: (a @ b.T) * (1 + 0j)).fit(X, y)


@pytest.mark.parametrize("loss", ["crammer_singer", "weston_watkins"])
def test_what_violates_the_margin_most_is_found_by_the_scores(loss):
    """Without a change to the model that is asked."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 3)), rng.integers(3, size=40)
    svm = MulticlassSVM(C=1.0, kernel="rbf", loss=loss, tol=0.1, random_state=0).fit(X, y)
    scores = svm.decision_function(X)
    violations = (np.arange(3) != y[:, None]) + scores - scores[np.arange(40), y][:, None]
    for n in (40, 7):
        answers = svm.loss_augmented_predict(X[:n], y[:n])
        if loss == "crammer_singer":
            np.testing.assert_array_equal(answers, violations[:n].argmax(axis=1))
        else:
            wrong = np.arange(3) != y[:n, None]
            assert ((np.array(answers) == 1.0) == (violations[:n] > 0))[wrong].all()
        np.testing.assert_array_equal(svm.decision_function(X), scores)
    model, w = svm.model_, svm._flat_weights()
    assert model.inference(X[0], w) == svm.predict(X[:1])[0]
    with pytest.raises(ValueError, match="with a kernel there are no joint features"):
        model.joint_feature(X[0], y[0])
    with pytest.raises(ValueError, match="this problem answers with outputs alone"):
        model.questions(X, y).hinges(w)
    with pytest.raises(ValueError, match="with a kernel there are no planes"):
        model.questions(X, y).oracle(0, w)


@pytest.mark.parametrize("n_classes", [2, 10])
@pytest.mark.parametrize("intercept_scaling", [1.0, 3.0])
def test_a_given_matrix_trains_as_its_kernel_does(digits, n_classes, intercept_scaling, tmp_path):
    X, y = digits[0], digits[1] % n_classes
    params = {"C": 0.5, "scale": None, "random_state": 0, "intercept_scaling": intercept_scaling}
    named = MulticlassSVM(kernel="rbf", gamma=0.1, **params).fit(X[:100], y[:100])
    kernel = named.model_.kernel_
    K, K_new = kernel.between(X[:100], X[:100]), kernel.between(X[100:], X[:100])
    given = MulticlassSVM(kernel="precomputed", **params).fit(K, y[:100])
    assert given.objective_ == named.objective_
    np.testing.assert_array_equal(given.support_, named.support_)
    np.testing.assert_array_equal(given.dual_coef_, named.dual_coef_)
    scores = named.decision_function(X[100:])
    np.testing.assert_array_equal(given.decision_function(K_new), scores)
    by_hand = K_new[:, given.support_] @ given.dual_coef_ + given.intercept_
    np.testing.assert_allclose(scores.reshape(by_hand.shape), by_hand, atol=1e-12)
    np.testing.assert_array_equal(given.predict(K_new), named.predict(X[100:]))
    assert given.n_features_in_ == 100
    # What is kept is not the matrix.
    given.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    for copy in (loaded, pickle.loads(pickle.dumps(given))):
        np.testing.assert_array_equal(copy.decision_function(K_new), given.decision_function(K_new))
    assert (tmp_path / "model").stat().st_size < 8 * K.size
    assert len(pickle.dumps(given)) < 8 * K.size


def test_a_given_matrix_in_scikit_learn():
    X, y = load_iris(return_X_y=True)
    K = pairwise_kernels(X, metric="rbf", gamma=0.2)
    given = MulticlassSVM(C=1.0, kernel="precomputed", random_state=0)
    named = MulticlassSVM(C=1.0, kernel="rbf", gamma=0.2, scale=None, random_state=0)
    # Both its rows and its columns are split.
    np.testing.assert_array_equal(cross_val_score(given, K, y), cross_val_score(named, X, y))
    scaled = MulticlassSVM(kernel="precomputed", random_state=0).fit(K, y)
    by_name = clone(named).set_params(C="scale").fit(X, y)
    np.testing.assert_allclose(scaled.C_, by_name.C_)
    single = clone(given).fit(K.astype(np.float32), y)
    np.testing.assert_allclose(
        single.decision_function(K.astype(np.float32)),
        clone(given).fit(K, y).decision_function(K),
        atol=0.02,
    )


def test_what_given_matrices_are_refused():
    X, y = load_iris(return_X_y=True)
    K = pairwise_kernels(X, metric="rbf", gamma=0.2)
    svm = MulticlassSVM(C=1.0, kernel="precomputed", random_state=0).fit(K, y)
    uneven, negative, bad = K.copy(), K - 2 * np.eye(150), K.copy()
    uneven[3, 5] += 1.0
    bad[2, 2] = np.nan
    for matrix, message in (
        (
            K[:, :100],
            r"X has shape \(150, 100\); with kernel='precomputed' it is the square matrix",
        ),
        (sp.csr_array(K), "Sparse|sparse"),
        (uneven, r"'precomputed' .*of X\[3\] and X\[5\] differs by 1 with its arguments exchanged"),
        (negative, r"the kernel of X\[0\] with itself is 0, expected|with itself is -"),
        (bad, r"X\[2\] has a feature that is not finite|NaN|nan"),
    ):
        with pytest.raises((ValueError, TypeError), match=message):
            clone(svm).set_params(fit_intercept=False).fit(matrix, y)
    with pytest.raises(ValueError, match="X has 149 features, but MulticlassSVM is expecting 150"):
        svm.predict(K[:5, 1:])
    with pytest.raises(ValueError, match="not positive semidefinite"):
        clone(svm).fit(-K + 3 * np.eye(150), y)


def test_forged_numbers_of_examples_are_refused(tmp_path):
    X, y = load_iris(return_X_y=True)
    K = pairwise_kernels(X, metric="rbf", gamma=0.2)
    model = MulticlassSVM(C=1.0, kernel="precomputed", random_state=0).fit(K, y).model_
    state = model.to_state()
    assert set(state) == {"n_features", "classes", "support"}
    for support, message in (
        (state["support"].astype(np.int32), "the numbers of the examples are int32"),
        (state["support"] + 150, "a number of the 150 examples is"),
        (state["support"] - 150, "a number of the 150 examples is"),
        (state["support"][::-1].copy(), "do not rise"),
        (state["support"][:, None], "the numbers of the examples are int64"),
    ):
        fresh = KernelMulticlassModel(kernel="precomputed")
        with pytest.raises(ModelFileError, match=message):
            fresh.from_state({**state, "support": support})
