"""Newton's method and its conjugate gradients, beside numpy and scipy."""

import functools

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize

from structsvm.problems._feature_rows import FeatureRows
from structsvm.solvers._conjugate_gradients import newton_direction
from structsvm.solvers.newton import newton

FORMS = {
    "dense": np.ascontiguousarray,
    "single": functools.partial(np.ascontiguousarray, dtype=np.float32),
    "csr": sp.csr_array,
    "csr single": lambda X: sp.csr_array(X.astype(np.float32)),
}


def problem(form, n_rows, n_features, intercept, seed=0):
    """Rows in that form, and the same with the intercept's column in numpy."""
    random = np.random.default_rng(seed)
    X = random.normal(size=(n_rows, n_features)) * (random.random((n_rows, n_features)) < 0.7)
    X = X.astype(np.float32).astype(np.float64)
    rows = FeatureRows(FORMS[form](X), intercept=intercept)
    return rows, np.hstack([X, np.ones((n_rows, int(intercept)))]), random


def reference_direction(X, factors, gradient, penalty, accuracy, most_steps):
    H = penalty * np.eye(X.shape[1]) + X.T @ (factors[:, None] * X)
    inverse = 1 / np.diag(H)
    d, residual = np.zeros_like(gradient), -gradient
    step = inverse * residual
    size = first = residual @ step
    n_steps = 0
    while n_steps < most_steps and size > accuracy**2 * first:
        length = size / (step @ H @ step)
        d = d + length * step
        residual = residual - length * (H @ step)
        before, size = size, residual @ (inverse * residual)
        step = inverse * residual + size / before * step
        n_steps += 1
    return d, n_steps


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(1, 1), (6, 3), (37, 21), (64, 16), (5, 40)])
def test_directions_are_those_of_numpy(form, shape, intercept):
    rows, X, random = problem(form, *shape, intercept)
    factors = np.maximum(random.normal(size=len(X)), 0.0)
    gradient = random.normal(size=X.shape[1])
    for accuracy, most_steps in ((0.3, 100), (0.0, 3), (1e-12, 200)):
        found, n_steps = newton_direction(
            rows, factors, gradient, penalty=0.5, accuracy=accuracy, most_steps=most_steps
        )
        expected, n_expected = reference_direction(X, factors, gradient, 0.5, accuracy, most_steps)
        assert abs(n_steps - n_expected) <= (accuracy == 1e-12)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def logistic(signs, scores):
    margins = signs * scores
    return np.logaddexp(0, -margins).sum(), -signs / (1 + np.exp(margins))


def squared(signs, scores):
    short = np.maximum(1 - signs * scores, 0.0)
    return short @ short, -2 * signs * short


def flat_at_zero(signs, scores):
    """A huberised hinge: it has no curvature at the start."""
    short = np.clip(1.1 - signs * scores, 0.0, 0.2)
    far = np.maximum(0.9 - signs * scores, 0.0)
    return (short**2 / 0.4).sum() + far.sum(), -signs * short / 0.2


@pytest.mark.parametrize("penalty", [1.0, 1e-3])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("losses", [logistic, squared, flat_at_zero])
def test_it_reaches_the_minimum_that_scipy_finds(losses, form, penalty):
    rows, X, random = problem(form, 60, 7, intercept=True)
    signs = np.where(random.random(60) < 0.4, 1.0, -1.0)
    of_scores = functools.partial(losses, signs)
    w = np.zeros(8)
    values = []
    for value, gradient in newton(rows, of_scores, w, penalty=penalty):
        values.append(value)
        if np.linalg.norm(gradient) < 1e-9 or len(values) > 100:
            break

    def objective(v):
        total, slopes = of_scores(X @ v)
        return penalty / 2 * v @ v + total, penalty * v + X.T @ slopes

    best = minimize(objective, np.zeros(8), jac=True, method="BFGS", options={"gtol": 1e-7})
    assert len(values) < 60
    assert (np.diff(values) <= 1e-12 * values[0]).all()
    assert objective(w)[0] == pytest.approx(values[-1], rel=1e-12)
    assert values[-1] <= best.fun * (1 + 1e-9)
    assert np.linalg.norm(objective(w)[1]) < 1e-7


def test_it_ends_where_no_step_goes_down():
    rows, _, random = problem("dense", 20, 3, intercept=False)
    signs = np.where(random.random(20) < 0.5, 1.0, -1.0)
    w = np.zeros(3)
    gradients = [gradient for _, gradient in newton(rows, functools.partial(squared, signs), w)]
    assert len(gradients) < 100
    assert np.linalg.norm(gradients[-1]) < 1e-10
