"""Sums in a fixed order are the sums they stand for."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics.pairwise import pairwise_kernels

from structsvm.linalg._sums import (
    combined_rows,
    decay,
    dot,
    product,
    row_products,
)
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems.kernel import Kernel

NEAR = {"rtol": 1e-12, "atol": 1e-12}


@pytest.mark.parametrize("n", [0, 1, 3, 31, 32, 33, 1000])
def test_inner_products(n):
    a, b = np.random.default_rng(n).normal(size=(2, n))
    np.testing.assert_allclose(dot(a, b), (a * b).sum(), **NEAR)
    np.testing.assert_allclose(dot(a[::-2], b[::-2]), (a[::-2] * b[::-2]).sum(), **NEAR)


@pytest.mark.parametrize("shape", [(0, 3, 2), (3, 0, 2), (1, 1, 1), (5, 70, 3), (7, 9, 40)])
def test_products_with_matrices(shape):
    n, size, width = shape
    rng = np.random.default_rng(0)
    left, right, factors = rng.normal(size=(n, size)), rng.normal(size=(size, width)), np.arange(n)
    factors = factors - 1.0
    np.testing.assert_allclose(product(left, right), left @ right, **NEAR)
    np.testing.assert_allclose(product(left.T.copy().T, right), left @ right, **NEAR)
    np.testing.assert_allclose(combined_rows(factors, left), factors @ left, **NEAR)
    np.testing.assert_allclose(row_products(left, right[:, 0]), left @ right[:, 0], **NEAR)


def test_shapes_that_do_not_fit_are_refused():
    for wrong in (
        lambda: dot(np.ones(2), np.ones(3)),
        lambda: product(np.ones((2, 3)), np.ones((2, 3))),
        lambda: row_products(np.ones((2, 3)), np.ones(2)),
        lambda: combined_rows(np.ones(3), np.ones((2, 3))),
        lambda: FeatureRows(np.ones((2, 3)), intercept=True).scores(np.ones((3, 1))),
        lambda: FeatureRows(np.ones((2, 3)), intercept=True).combined(np.ones((3, 1))),
    ):
        with pytest.raises(ValueError, match=r"\d"):
            wrong()


def test_decay_is_the_exponential():
    x = np.concatenate([[0.0], np.geomspace(1e-300, 700.0, 1000)])
    np.testing.assert_allclose(decay(x), np.exp(-x), rtol=1e-15, atol=0)
    assert decay(np.zeros((2, 3))).tolist() == np.ones((2, 3)).tolist()
    assert decay(np.array([np.inf, 1e4])).tolist() == [0.0, 0.0]
    assert np.isnan(decay(np.array([np.nan]))).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("width", [1, 2, 3, 10, 33])
@pytest.mark.parametrize("intercept", [False, True])
def test_feature_rows_times_matrices(dtype, form, width, intercept):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(9, 21)).astype(dtype)
    whole = np.hstack([X, np.ones((9, int(intercept)))])
    W, factors = rng.normal(size=(whole.shape[1], width)), rng.normal(size=(9, width))
    rows, some = FeatureRows(form(X), intercept=intercept), np.array([7, 0, 7], dtype=np.int32)
    np.testing.assert_allclose(rows.scores(W), whole @ W, **NEAR)
    np.testing.assert_allclose(rows.scores(W, some), whole[some] @ W, **NEAR)
    np.testing.assert_allclose(rows.combined(factors), whole.T @ factors, **NEAR)
    np.testing.assert_allclose(
        rows.combined(factors[some], some), whole[some].T @ factors[some], **NEAR
    )


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize(
    ("kernel", "params"),
    [
        ("rbf", {"gamma": 0.3}),
        ("poly", {"gamma": 0.3, "degree": 3, "coef0": 0.5}),
        ("poly", {"gamma": 0.3, "degree": 0, "coef0": 0.5}),
        ("poly", {"gamma": 1e-3, "degree": 1.5, "coef0": 5.0}),
        ("sigmoid", {"gamma": 0.3, "coef0": -0.1}),
    ],
)
def test_kernels_with_names_are_those_of_scikit_learn(form, kernel, params):
    rng = np.random.default_rng(0)
    X, others = rng.normal(size=(1100, 5)), rng.normal(size=(70, 5))
    given = {"gamma": 1.0, "degree": 3, "coef0": 0.0} | params
    mine = Kernel(form(X), kernel, intercept=False, **given)
    wanted = pairwise_kernels(others, X, metric=kernel, **params)
    np.testing.assert_allclose(mine.between(form(others), form(X)), wanted, rtol=1e-9, atol=1e-13)
