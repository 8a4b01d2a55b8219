"""The block solver: certificates, optima, settings, interruptions."""

import itertools
import signal

import numpy as np
import pytest
from python_models import PythonClasses
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from structsvm import ChainModel, ChainSVM, StructSVM
from structsvm.exceptions import OracleWarning
from structsvm.solvers import BCFW

SETTINGS = {
    "default": BCFW(),
    "not accelerated": BCFW(acceleration=0),
    "proximal weight 5 times too large": BCFW(acceleration=5),
    "proximal weight 50 times too large": BCFW(acceleration=50),
    "averaged": BCFW(averaging=True),
    "gap sampling": BCFW(sampling="gap"),
    "uniform sampling": BCFW(sampling="uniform"),
    "no cached passes": BCFW(cached_passes=0),
    "few planes": BCFW(max_planes=2, drop_after=0),
    "MP-BCFW": BCFW(step="frank_wolfe", acceleration=0),
    "BCFW": BCFW(step="frank_wolfe", acceleration=0, cached_passes=0, max_planes=0),
}


def objective(svm, X, y, w):
    """1/2 |w|^2 + C sum of hinges, from the four Python methods alone."""
    total = 0.5 * w @ w
    for x, labels in zip(X, y, strict=True):
        y_hat = svm.model_.loss_augmented_inference(x, labels, w)
        delta = svm.model_.joint_feature(x, labels) - svm.model_.joint_feature(x, y_hat)
        total += svm.C * (svm.model_.loss(labels, y_hat) - w @ delta)
    return total


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_reaches_the_certified_optimum(words, name):
    X, y = words
    # Frank-Wolfe steps are slow to high precision.
    tol = 2e-2 if "BCFW" in name else 1e-4
    svm = ChainSVM(
        scale=None, C=3.0, solver=SETTINGS[name], tol=tol, max_iter=3000, random_state=0
    ).fit(X, y)
    exact = ChainSVM(scale=None, C=3.0, tol=1e-7, max_iter=5000, random_state=1).fit(X, y)
    assert svm.dual_gap_ <= tol
    assert svm.certified_
    assert svm.objective_ == pytest.approx(objective(svm, X, y, svm.coef_), rel=1e-10)
    assert svm.dual_objective_ <= exact.objective_ * (1 + 1e-12)
    assert svm.objective_ >= exact.dual_objective_ * (1 - 1e-12)
    assert svm.objective_ * (1 - tol) <= exact.objective_


@pytest.mark.parametrize("name", SETTINGS)
def test_every_record_of_the_history_is_a_certificate(words, name):
    X, y = words
    svm = ChainSVM(
        scale=None, C=1.0, solver=SETTINGS[name], tol=1e-2, max_iter=2000, random_state=0
    )
    history = svm.fit(X, y).history_
    assert len(history["gap"]) == svm.n_iter_
    assert (history["objective"] >= history["dual_objective"]).all()
    assert (np.diff(history["dual_objective"]) >= 0).all()
    certified = np.isfinite(history["objective"])  # inf before the first certificate
    assert (np.diff(history["objective"][certified]) <= 0).all()
    assert (history["gap"][~certified] == 1).all()
    assert (np.diff(history["n_oracle_calls"]) > 0).all()
    assert (np.diff(history["seconds"]) >= 0).all()
    assert history["gap"][-1] == svm.dual_gap_
    assert history["n_oracle_calls"][-1] == svm.n_oracle_calls_


def test_optimum_equals_a_quadratic_program_over_all_outputs():
    rng = np.random.default_rng(3)
    X = [rng.normal(size=(length, 2)) for length in (1, 2, 3, 2)]
    y = [rng.integers(2, size=len(x)) for x in X]
    y[0][0], y[1][0] = 0, 1
    svm = ChainSVM(scale=None, C=2.0, tol=1e-9, max_iter=5000, random_state=0).fit(X, y)
    model, d, n = svm.model_, len(svm.coef_), len(X)
    rows = []
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        for other in itertools.product((0, 1), repeat=len(x)):
            delta = model.joint_feature(x, truth) - model.joint_feature(x, other)
            rows.append((np.concatenate([delta, np.eye(n)[i]]), model.loss(truth, other)))
    A, b = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    program = minimize(
        lambda v: 0.5 * v[:d] @ v[:d] + svm.C * v[d:].sum(),
        np.concatenate([np.zeros(d), np.full(n, 3.0)]),
        jac=lambda v: np.concatenate([v[:d], np.full(n, svm.C)]),
        constraints={"type": "ineq", "fun": lambda v: A @ v - b, "jac": lambda v: A},
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-11},
    )
    assert program.success
    assert svm.objective_ == pytest.approx(program.fun, rel=1e-6)
    np.testing.assert_allclose(svm.coef_, program.x[:d], atol=1e-4)


def test_chains_of_one_position_are_crammer_singer():
    rng = np.random.default_rng(0)
    y = rng.integers(4, size=80)
    X = rng.normal(size=(4, 6))[y] + rng.normal(size=(80, 6))
    ours = ChainSVM(
        scale=None,
        C=0.3,
        fit_intercept=False,
        transitions=False,
        boundary=False,
        tol=1e-7,
        max_iter=5000,
    ).fit([x[None] for x in X], [[label] for label in y])
    theirs = LinearSVC(
        multi_class="crammer_singer", C=0.3, fit_intercept=False, tol=1e-9, max_iter=200000
    ).fit(X, y)
    np.testing.assert_allclose(ours.state_coef_.T, theirs.coef_, atol=2e-3)


def test_result_depends_on_the_seed_alone(words):
    X, y = words
    fits = [
        ChainSVM(scale=None, C=5.0, tol=1e-3, random_state=seed, n_jobs=n_jobs).fit(X, y)
        for seed, n_jobs in ((0, None), (0, 1), (0, 2), (0, 4), (1, 1))
    ]
    for fit in fits[1:4]:
        assert np.array_equal(fit.coef_, fits[0].coef_)
        assert np.array_equal(fit.history_["gap"], fits[0].history_["gap"])
    assert not np.array_equal(fits[4].coef_, fits[0].coef_)


def test_refit_equals_a_fresh_fit(words):
    X, y = words
    svm = ChainSVM(scale=None, C=5.0, random_state=0).fit(X[:9], y[:9]).fit(X, y)
    assert np.array_equal(svm.coef_, ChainSVM(scale=None, C=5.0, random_state=0).fit(X, y).coef_)


def test_sample_weight_is_repetition(words):
    X, y = words
    weight = np.arange(len(X)) % 3
    weighted = ChainSVM(scale=None, C=1.0, tol=1e-6, max_iter=5000).fit(X, y, sample_weight=weight)
    repeated = ChainSVM(scale=None, C=1.0, tol=1e-6, max_iter=5000).fit(
        [x for x, k in zip(X, weight, strict=True) for _ in range(k)],
        [x for x, k in zip(y, weight, strict=True) for _ in range(k)],
    )
    assert weighted.objective_ == pytest.approx(repeated.objective_, rel=3e-6)
    np.testing.assert_allclose(weighted.coef_, repeated.coef_, atol=2e-2)


def test_warm_start_goes_on_from_the_dual_solution(words):
    X, y = words
    svm = ChainSVM(scale=None, C=1.0, tol=1e-3, warm_start=True, random_state=0).fit(X, y)
    cold_calls = svm.n_oracle_calls_
    again = svm.fit(X, y).n_oracle_calls_
    assert again < cold_calls
    svm.set_params(C=2.0).fit(X, y)
    cold = ChainSVM(scale=None, C=2.0, tol=1e-3, random_state=0).fit(X, y)
    assert svm.dual_gap_ <= 1e-3
    assert svm.objective_ >= cold.dual_objective_
    assert cold.objective_ >= svm.dual_objective_
    # Other data: nothing is carried over.
    other = svm.set_params(C=1.0).fit(X[:10], y[:10])
    fresh = ChainSVM(scale=None, C=1.0, tol=1e-3, random_state=0).fit(X[:10], y[:10])
    assert np.array_equal(other.coef_, fresh.coef_)


def test_too_few_iterations_warn_with_gap_and_tol(words):
    X, y = words
    message = (
        r"ChainSVM stopped after 2 iterations with a duality gap of \d\.\d\de-\d\d, above "
        r"tol=1e-06: scale the features, raise max_iter or tol, or lower C"
    )
    with pytest.warns(ConvergenceWarning, match=message):
        svm = ChainSVM(scale=None, C=10.0, tol=1e-6, max_iter=2).fit(X, y)
    assert svm.n_iter_ == 2
    assert svm.objective_ == pytest.approx(objective(svm, X, y, svm.coef_), rel=1e-10)


def test_callbacks_see_progress_and_may_stop(words):
    X, y = words
    seen = []

    def watch(progress):
        seen.append((progress.n_iter, progress.dual_objective, progress.weights.copy()))
        assert not progress.weights.flags.writeable

    svm = ChainSVM(scale=None, C=10.0, tol=1e-6, callbacks=[watch, lambda p: p.n_iter == 3]).fit(
        X, y
    )
    assert [n for n, _, _ in seen] == [1, 2, 3]
    assert svm.n_iter_ == 3
    assert svm.objective_ == pytest.approx(objective(svm, X, y, svm.coef_), rel=1e-10)


def test_interrupt_keeps_the_best_weights_and_says_so(words):
    X, y = words

    def interrupt(progress):
        if progress.gap < 1e-2:
            signal.raise_signal(signal.SIGINT)

    svm = ChainSVM(scale=None, C=10.0, tol=1e-9, callbacks=[interrupt])
    with pytest.warns(ConvergenceWarning, match="was interrupted after .* keeps the best weights"):
        svm.fit(X, y)
    assert svm.dual_gap_ < 1e-2
    assert svm.objective_ == pytest.approx(objective(svm, X, y, svm.coef_), rel=1e-10)
    assert svm.score(X, y) > 0.8


class Worst(PythonClasses):
    def loss_augmented_inference(self, x, y, w):
        values = self.scores(x, w) + self.losses(y)
        values[y] = np.inf
        return int(np.argmin(values))


class Interrupting(PythonClasses):
    def loss_augmented_inference(self, x, y, w):
        if w.any():
            raise KeyboardInterrupt
        return super().loss_augmented_inference(x, y, w)


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    y = rng.integers(3, size=40)
    return list(rng.normal(size=(3, 4))[y] + rng.normal(size=(40, 4))), list(y)


def test_python_model_reaches_the_same_optimum_as_the_compiled_one(points):
    X, y = points
    python = StructSVM(PythonClasses(), scale=None, C=0.5, tol=1e-6, max_iter=5000).fit(X, y)
    chain = ChainModel(fit_intercept=False, transitions=False, boundary=False)
    compiled = StructSVM(chain, scale=None, C=0.5, tol=1e-6, max_iter=5000)
    compiled.fit([x[None] for x in X], [[label] for label in y])
    assert python.objective_ == pytest.approx(compiled.objective_, rel=2e-6)
    assert python.predict(X) == [int(label[0]) for label in compiled.predict([x[None] for x in X])]


def test_wrong_oracle_is_overruled_and_reported(points):
    X, y = points
    svm = StructSVM(Worst(), C=1.0, scale=None, max_iter=20)
    with pytest.warns(
        OracleWarning, match=r"loss_augmented_inference misses the maximum on example"
    ):
        svm.fit(X, y)
    assert not svm.certified_


def test_rounding_is_not_taken_for_a_wrong_oracle(words):
    # Positions without loss make planes whose heights are differences of equal numbers.
    X, y = words
    weight = [np.arange(len(labels)) % 2 for labels in y]
    svm = ChainSVM(C=1.0, scale=None, transitions=False, boundary=False, tol=1e-6, max_iter=5000)
    for seed in range(60):
        assert svm.set_params(random_state=seed).fit(X, y, position_weight=weight).certified_


def test_declared_inexact_oracle_is_not_reported_but_not_certified(points):
    X, y = points

    class Sloppy(Worst):
        exact = False

    svm = StructSVM(Sloppy(), C=1.0, scale=None, max_iter=20, random_state=0).fit(X, y)
    assert not svm.certified_


def test_interrupt_inside_an_oracle_loses_nothing(points):
    X, y = points
    svm = StructSVM(Interrupting(), C=1.0, scale=None)
    with pytest.warns(ConvergenceWarning, match="was interrupted after 0 iterations"):
        svm.fit(X, y)
    assert svm.coef_.any()
    assert svm.dual_gap_ == 1.0


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ({"step": "newton"}, "step='newton' of BCFW: expected one of pairwise, frank_wolfe"),
        ({"sampling": 3}, "sampling=3 of BCFW: expected one of permuted, uniform, gap"),
        ({"acceleration": -1}, "acceleration=-1 of BCFW: expected a number >= 0"),
        ({"acceleration": np.nan}, "acceleration=nan of BCFW: expected a number >= 0"),
        ({"cached_passes": 1.5}, "cached_passes=1.5 of BCFW: expected an integer >= 0"),
        ({"max_planes": -1}, "max_planes=-1 of BCFW: expected an integer >= 0"),
    ],
)
def test_bad_parameters_are_named(words, parameter, message):
    with pytest.raises(ValueError, match=message):
        ChainSVM(C=1.0, scale=None, solver=BCFW(**parameter)).fit(*words)


# ---- real data


@pytest.mark.parametrize(("lam", "optimum"), [(0.01, 0.38108), (0.001, 0.30288), (None, 0.28076)])
def test_letters_dual_optimum(letters, lam, optimum):
    X, y = letters["large"]
    lam = lam or 1 / len(X)
    svm = ChainSVM(scale=None, C=1 / (lam * len(X)), loss="normalized_hamming", random_state=0).fit(
        X, y
    )
    assert svm.dual_gap_ <= 1e-3
    assert svm.dual_objective_ * lam == pytest.approx(optimum, rel=1e-3)
    assert 0.86 < svm.score(*letters["small"]) < 0.90


def test_letters_small_lies_between_the_bounds_known(letters):
    X, y = letters["small"]
    svm = ChainSVM(C=1.0, scale=None, fit_intercept=False, boundary=False, random_state=0).fit(X, y)
    assert 961.6 < svm.dual_objective_ <= svm.objective_ < 974.0
    assert svm.dual_gap_ <= 1e-3
