"""`minimize_risk` and `BundleMethod`: any convex function, to a certified gap."""

import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog, minimize
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from structsvm import BundleMethod, ChainModel, ChainSVM, minimize_risk
from structsvm.datasets import make_digit_words
from structsvm.exceptions import OracleWarning
from structsvm.hinge import structured_hinge


def distance(centre, scale=1.0):
    """The 1-norm of w less the centre, with its minimum known in closed form."""
    centre = np.asarray(centre, dtype=float)
    return lambda w: (scale * np.abs(w - centre).sum(), scale * np.sign(w - centre))


def highest(A, b):
    """The highest of the planes A w + b."""

    def risk(w):
        heights = A @ w + b
        k = int(heights.argmax())
        return heights[k], A[k]

    return risk


def planes(n_planes, n_weights, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_planes, n_weights)), rng.normal(size=n_planes)


def optimum_of_planes(A, b, lam, w0):
    """By the dual: the maximum over the simplex of a concave quadratic, found by projections."""

    def negative(a):
        g = A.T @ a
        return g @ g / (2 * lam) - a @ (A @ w0 + b), A @ g / lam - (A @ w0 + b)

    m = len(b)
    constraint = {"type": "eq", "fun": lambda a: a.sum() - 1, "jac": lambda a: np.ones(m)}
    found = minimize(
        negative,
        np.full(m, 1 / m),
        jac=True,
        bounds=[(0, 1)] * m,
        constraints=constraint,
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    return -found.fun


# ---- the optimum


@pytest.mark.parametrize("lam", [0.1, 0.5, 1.0, 10.0])
def test_distance_in_closed_form(lam):
    centre = np.array([3.0, -1.0, 0.2, 0.0])
    result = minimize_risk(distance(centre), 4, regularization=lam, tol=1e-10)
    expected = np.sign(centre) * np.minimum(np.abs(centre), 1 / lam)
    np.testing.assert_allclose(result.weights, expected, atol=1e-4)
    least = lam / 2 * expected @ expected + np.abs(expected - centre).sum()
    assert result.dual_objective <= least * (1 + 1e-12)
    assert least <= result.objective * (1 + 1e-12)
    assert result.objective == pytest.approx(
        lam / 2 * result.weights @ result.weights + result.risk, rel=1e-12
    )
    assert result.status == "converged"
    assert result.certified
    assert result.gap <= 1e-10


@pytest.mark.parametrize("scale", [1e-150, 1e-8, 1.0, 1e8, 1e150])
def test_units_do_not_matter(scale):
    result = minimize_risk(distance([3, -1], scale), 2, regularization=0.5 * scale, tol=1e-9)
    np.testing.assert_allclose(result.weights, [2, -1], atol=1e-4)
    assert result.objective == pytest.approx(2.25 * scale, rel=1e-9)
    assert result.n_calls < 10


@pytest.mark.parametrize("factor", [1e-8, 1e8])
def test_far_scales_of_regularization(factor):
    result = minimize_risk(distance([3, -1]), 2, regularization=factor, tol=1e-6)
    expected = np.minimum([3, 1], 1 / factor) * [1, -1]
    np.testing.assert_allclose(result.weights, expected, rtol=1e-6, atol=1e-7)
    assert result.status == "converged"


def test_a_linear_risk_is_unbounded_below_but_the_objective_is_not():
    result = minimize_risk(lambda w: (w.sum(), np.ones(3)), 3, w0=[1, 2, 3], tol=1e-9)
    np.testing.assert_allclose(result.weights, [0, 1, 2], atol=1e-4)
    assert result.objective == pytest.approx(4.5, rel=1e-9)
    result = minimize_risk(lambda w: (w.sum() - 10, np.ones(3)), 3, tol=1e-9)
    assert result.objective == pytest.approx(-11.5, rel=1e-9)
    assert 0 <= result.gap <= 1e-9


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n_planes=st.integers(1, 12),
    n_weights=st.integers(1, 5),
    lam=st.sampled_from([1e-2, 0.3, 5.0]),
)
def test_bounds_hold_the_optimum_of_a_maximum_of_planes(seed, n_planes, n_weights, lam):
    A, b = planes(n_planes, n_weights, seed)
    w0 = np.random.default_rng(seed + 1).normal(size=n_weights)
    result = minimize_risk(highest(A, b), n_weights, regularization=lam, w0=w0, atol=1e-8, tol=0)
    expected = optimum_of_planes(A, b, lam, w0)
    unit = 1 + np.abs(b).max() + (A**2).sum(axis=1).max() / lam
    assert result.dual_objective <= expected + 1e-6 * unit
    assert expected <= result.objective + 1e-6 * unit
    assert result.objective - result.dual_objective <= 1e-8
    assert result.certified


def test_smooth_losses_meet_those_of_scipy():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 5))
    y = np.sign(X @ [1, -1, 2, 0, 0.5] + rng.normal(size=200))

    def logistic(w):
        margins = y * (X @ w)
        return np.logaddexp(0, -margins).mean(), -(expit(-margins) * y) @ X / len(y)

    def objective(w):
        value, gradient = logistic(w)
        return value + 0.005 * w @ w, gradient + 0.01 * w

    result = minimize_risk(logistic, 5, regularization=0.01, tol=1e-6)
    best = minimize(objective, np.zeros(5), jac=True, options={"gtol": 1e-10})
    assert result.dual_objective <= best.fun <= result.objective
    np.testing.assert_allclose(result.weights, best.x, atol=0.02)


def test_the_structured_hinge_meets_the_trainer():
    data = make_digit_words(20, random_state=0)
    X, y = data.X_train[:4], data.y_train[:4]
    svm = ChainSVM(C=0.5, scale=None, tol=1e-3, random_state=0).fit(X, y)
    model = ChainModel()
    model.initialize(X, y)

    def hinge(w):
        return structured_hinge(model, X, y, w, with_gradient=True)

    n = len(X)
    result = minimize_risk(hinge, model.n_weights, regularization=1 / (0.5 * n), tol=1e-3)
    assert result.certified
    total = 0.5 * n
    assert result.dual_objective * total <= svm.objective_
    assert svm.dual_objective_ <= result.objective * total


def test_it_takes_fewer_calls_than_the_minimisers_of_the_model():
    """They jump about with little regularisation: plain cutting planes take 82 calls here."""
    A, b = planes(200, 40)
    result = minimize_risk(highest(A, b), 40, regularization=1e-2)
    assert result.status == "converged"
    assert result.n_calls <= 70


def test_a_linear_program_in_the_limit():
    A, b = planes(30, 3)
    A = np.concatenate([A, np.eye(3), -np.eye(3)])
    b = np.concatenate([b, [-1, -1, -1, -1, -1, -1]])
    found = linprog([0, 0, 0, 1], np.c_[A, -np.ones(len(b))], -b, bounds=(None, None))
    result = minimize_risk(highest(A, b), 3, regularization=1e-7, tol=1e-7)
    assert result.risk == pytest.approx(found.fun, abs=1e-6)


# ---- degenerate cases


@pytest.mark.parametrize("value", [2.0, 0.0, -3.0])
def test_no_weights_and_constants(value):
    for n in (0, 4):
        result = minimize_risk(lambda w: (value, np.zeros(len(w))), n, w0=np.arange(n))
        assert result.objective == result.dual_objective == value
        assert (result.weights == np.arange(n)).all()
        assert (result.n_calls, result.status, result.gap) == (1, "converged", 0.0)


def test_weights_that_nothing_touches_stay():
    def risk(w):
        return abs(w[0] - 1), [np.sign(w[0] - 1), 0.0]

    result = minimize_risk(risk, 2, w0=[0.0, 7.25], regularization=0.1, tol=1e-8)
    assert result.weights[1] == 7.25
    assert result.weights[0] == pytest.approx(1, abs=1e-3)


def test_a_plane_found_twice_is_no_harm():
    calls = []

    def hinge(w):
        calls.append(w.copy())
        return max(1 - w[0], 0.0), [-1.0 if w[0] < 1 else 0.0]

    result = minimize_risk(hinge, 1, regularization=1.0, tol=1e-12)
    assert result.objective == pytest.approx(0.5)
    assert len(calls) == result.n_calls


def test_the_risk_may_keep_and_change_its_arrays():
    A, b = planes(30, 4)
    buffer = np.zeros(4)

    def careless(w):
        value, buffer[:] = highest(A, b)(w)
        w[:] = np.nan
        return value, buffer

    expected = minimize_risk(highest(A, b), 4)
    result = minimize_risk(careless, 4)
    assert (result.weights == expected.weights).all()
    assert result.n_calls == expected.n_calls


def test_outside_the_domain_a_nearer_point_is_tried():
    def barrier(w):
        return (-np.log(w[0]), [-1 / w[0]]) if w[0] > 0 else (np.inf, [np.nan])

    result = minimize_risk(barrier, 1, w0=[1e-3], tol=1e-8)
    # w - w0 = 1 / w
    assert result.weights[0] == pytest.approx((1e-3 + np.sqrt(1e-6 + 4)) / 2, abs=1e-3)
    assert result.certified


def test_where_the_risk_overflows_a_nearer_point_is_tried():
    def steep(w):
        with np.errstate(over="ignore"):
            return np.exp(w[0]) - 3 * w[0], [np.exp(w[0]) - 3]

    result = minimize_risk(steep, 1, regularization=1e-6, tol=1e-6)
    assert result.n_calls < 40
    assert result.weights[0] == pytest.approx(np.log(3), abs=1e-2)


# ---- bounds of solvers that stop early


def test_upper_bounds_count_for_the_objective():
    def early(w):
        value, g = distance([3, -1])(w)
        return value - 0.01, g, value + 0.02

    result = minimize_risk(early, 2, regularization=0.5, atol=0.0301)
    assert result.certified
    assert result.dual_objective <= 2.25 <= result.objective
    assert result.objective - result.dual_objective == pytest.approx(0.03, abs=1e-3)


# ---- what is not convex


@pytest.mark.parametrize(
    "risk",
    [
        pytest.param(lambda w: (3 * np.cos(w[0]), -3 * np.sin(w)), id="waves"),
        pytest.param(lambda w: (-w @ w, -2 * w), id="concave"),
        pytest.param(lambda w: (w @ w, -2 * w), id="wrong sign"),
        pytest.param(lambda w: (np.abs(w).sum(), 5 * np.sign(w)), id="wrong length"),
    ],
)
def test_what_is_not_convex_has_no_certificate(risk):
    with pytest.warns(OracleWarning, match="below a plane"):
        result = minimize_risk(risk, 1, regularization=0.01, w0=[0.5])
    assert not result.certified
    assert "not convex" in result.doubt
    assert result.objective <= risk(np.array([0.5]))[0]


def test_values_that_are_too_low_by_more_than_the_tolerance_are_noticed():
    rng = np.random.default_rng(0)

    def inexact(w, by):
        value, g = highest(*planes(40, 5))(w)
        return value - by * rng.random(), g

    with pytest.warns(OracleWarning, match="upper bound"):
        assert not minimize_risk(lambda w: inexact(w, 0.1), 5, tol=1e-3).certified
    assert minimize_risk(lambda w: inexact(w, 1e-5), 5, tol=1e-3).certified


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("seed", [8, 11, 89, 143])
def test_planes_from_far_out_are_not_above_a_convex_risk(seed):
    """Their offsets are small differences of great numbers; rounding is no doubt, and no bound."""
    rng = np.random.default_rng(seed)
    n, m = rng.integers(1, 8), rng.integers(1, 12)
    A, b = (rng.normal(size=shape) * 10.0 ** rng.integers(-6, 7) for shape in ((m, n), m))
    regularization = 10.0 ** rng.integers(-6, 4)

    def risk(w):
        return np.abs(A @ w - b).mean(), A.T @ np.sign(A @ w - b) / m

    results = [minimize_risk(risk, n, regularization=regularization, tol=t) for t in (1e-3, 1e-9)]
    least = min(result.objective for result in results)
    for result in results:
        assert result.certified, result.doubt
        assert result.dual_objective <= least * (1 + 1e-12)


# ---- the end of a run


def test_a_callback_sees_and_stops():
    seen = []

    def callback(progress):
        seen.append((progress.n_iter, progress.objective, progress.dual_objective))
        assert not progress.weights.flags.writeable
        return progress.n_iter == 3

    result = minimize_risk(highest(*planes(50, 8)), 8, regularization=0.01, callback=callback)
    assert result.status == "stopped"
    assert result.n_calls == 3
    assert [n for n, _, _ in seen] == [1, 2, 3]
    assert (result.history["objective"] == [value for _, value, _ in seen]).all()
    assert (np.diff(result.history["objective"]) <= 0).all()
    assert (np.diff(result.history["dual_objective"]) >= 0).all()
    assert result.history["risk"].shape == result.history["seconds"].shape == (3,)


def test_the_limit_of_calls():
    with pytest.warns(ConvergenceWarning, match="max_iter"):
        result = minimize_risk(highest(*planes(50, 8)), 8, regularization=0.01, max_iter=4)
    assert (result.status, result.n_calls) == ("max_iter", 4)


def test_what_is_left_is_rounding():
    with pytest.warns(ConvergenceWarning, match="rounding"):
        result = minimize_risk(highest(*planes(200, 40)), 40, regularization=0.3, tol=0)
    assert result.status == "stalled"
    assert result.gap < 1e-9


@pytest.mark.parametrize(
    ("raised", "status", "words"),
    [(KeyboardInterrupt, "interrupted", "was interrupted"), (KeyError, "failed", "KeyError")],
)
def test_the_best_weights_survive(raised, status, words):
    risk, n = highest(*planes(50, 8)), 0

    def until(w):
        nonlocal n
        n += 1
        if n == 12:
            raise raised("the solver has no licence")
        return risk(w)

    with pytest.warns(ConvergenceWarning, match=words):
        result = minimize_risk(until, 8, regularization=0.01)
    assert result.status == status
    value = risk(result.weights)[0] + 0.005 * result.weights @ result.weights
    assert result.objective == pytest.approx(value, rel=1e-12)
    assert result.objective == result.history["objective"].min()
    assert (result.error is not None) == (raised is KeyError)


def test_what_the_first_call_raises_is_raised():
    def broken(w):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        minimize_risk(broken, 2)


# ---- what is refused


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (3.0, TypeError, r"call 1 .* returned float, expected \(value, subgradient\)"),
        ((1.0,), TypeError, "returned tuple"),
        ((np.nan, [0, 0]), ValueError, "the value is nan"),
        ((-np.inf, [0, 0]), ValueError, "the value is -inf"),
        ((np.inf, [0, 0]), ValueError, "call 1 .* at w0"),
        ((1, [0, 1e200]), ValueError, "at w0"),
        (("a", [0, 0]), ValueError, "expected real numbers"),
        (([1, 2], [0, 0]), ValueError, r"value has shape \(2,\), expected one number"),
        ((1, [0, 0, 0]), ValueError, r"subgradient has shape \(3,\), expected \(2,\)"),
        ((1, 0), ValueError, r"subgradient has shape \(\), expected \(2,\)"),
        ((1, [0, np.nan]), ValueError, "entry 1 of the subgradient is nan"),
        ((1, [0, 1j]), ValueError, "expected real numbers"),
        ((1, [0, 0], 0.5), ValueError, "the bound, 0.5, is below the value, 1.0"),
        ((1, [0, 0], np.nan), ValueError, "the bound, nan"),
    ],
)
def test_bad_answers_are_refused(answer, error, words):
    with pytest.raises(error, match=words):
        minimize_risk(lambda w: answer, 2)


@pytest.mark.parametrize("answer", [3.0, (np.nan, [0, 0]), (1, [0]), (1, [np.nan, 0])])
def test_bad_answers_later_keep_the_best(answer):
    def risk(w):
        return (1.0, [1.0, 0.0]) if not w.any() else answer

    with pytest.warns(ConvergenceWarning, match="call 2 of value_and_subgradient"):
        result = minimize_risk(risk, 2)
    assert (result.weights == 0).all()
    assert result.status == "failed"


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"n_weights": -1}, "n_weights=-1"),
        ({"n_weights": 2.0}, "n_weights=2.0"),
        ({"regularization": 0}, "regularization=0"),
        ({"regularization": np.inf}, "regularization=inf"),
        ({"regularization": "1"}, "regularization='1'"),
        ({"tol": -1}, "tol=-1"),
        ({"atol": np.nan}, "atol=nan"),
        ({"max_iter": 0}, "max_iter=0"),
        ({"w0": [1.0]}, r"w0 has shape \(1,\), expected \(2,\)"),
        ({"w0": [1.0, np.inf]}, r"w0\[1\] is inf"),
    ],
)
def test_bad_parameters_are_refused(params, words):
    with pytest.raises(ValueError, match=words):
        minimize_risk(distance([0, 0]), **{"n_weights": 2} | params)
    with pytest.raises(TypeError, match="expected a callable"):
        minimize_risk(3, 2)


# ---- the interface of the bundle method for ilpy


def test_bundle_method_takes_the_same_arguments():
    method = BundleMethod(
        value_gradient_callback=distance([3, -1]), dims=2, regularizer_weight=0.5, eps=1e-8
    )
    assert method.result is None
    w = method.optimize()
    np.testing.assert_allclose(w, [2, -1], atol=2e-4)
    assert method.result.objective - method.result.dual_objective <= 1e-8
    again = BundleMethod(distance([3, -1]), 2, 0.5, 1e-8)
    assert (again.optimize(max_iterations=1000) == w).all()


def test_bundle_method_begins_anew_each_time():
    method = BundleMethod(highest(*planes(50, 8)), 8, 0.01, 1e-6)
    few = method.optimize(5)
    assert (method.result.status, method.result.n_calls) == ("max_iter", 5)
    assert (method.optimize(5) == few).all()
    full = method.optimize()
    assert method.result.status == "converged"
    assert (method.optimize() == full).all()


def test_bundle_method_is_pickled_with_its_result():
    method = BundleMethod(_square, 1, 1e-4, 1e-6)
    w = method.optimize(100)
    assert w == pytest.approx(1, abs=0.01)
    copy = pickle.loads(pickle.dumps(method))
    assert (copy.result.weights == w).all()
    assert (copy.optimize() == w).all()


def _square(w):
    return (w[0] - 1) ** 2, 2 * (w - 1)


def test_bundle_method_raises_and_keeps_the_best():
    calls = []

    def risk(w):
        calls.append(w)
        if len(calls) == 6:
            raise RuntimeError("no licence")
        return highest(*planes(50, 8))(w)

    method = BundleMethod(risk, 8, 0.01, 1e-6)
    with pytest.raises(RuntimeError, match="no licence"):
        method.optimize()
    assert method.result.n_calls == 6
    assert np.isfinite(method.result.objective)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((3, 2, 1.0, 1e-3), "value_gradient_callback=3"),
        ((_square, 1.5, 1.0, 1e-3), "dims=1.5"),
        ((_square, 1, 0.0, 1e-3), "regularizer_weight=0.0"),
        ((_square, 1, 1.0, -1e-3), "eps=-0.001"),
    ],
)
def test_bundle_method_refuses_by_its_own_names(arguments, words):
    with pytest.raises((ValueError, TypeError), match=words):
        BundleMethod(*arguments).optimize()
    with pytest.raises(ValueError, match="max_iterations=0"):
        BundleMethod(_square, 1, 1.0, 1e-3).optimize(0)


def test_a_bound_that_says_nothing_ends_nothing():
    """A solver that stopped early may know no bound at first; the run goes on until it has one."""
    calls = []

    def absolute(w):
        calls.append(w)
        value = np.abs(w - 3).sum()
        return value, np.sign(w - 3), math.inf if len(calls) < 3 else value

    found = minimize_risk(absolute, 2)
    assert found.status == "converged"
    assert len(calls) > 3
    assert found.objective < math.inf
    assert found.gap <= 1e-3
    with pytest.warns(ConvergenceWarning):
        never = minimize_risk(lambda w: (*absolute(w)[:2], math.inf), 2, max_iter=20)
    assert never.status != "converged"
    assert never.gap == 1.0
