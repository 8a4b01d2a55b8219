"""Directions of Newton's method by conjugate gradients; see ``newton.py``."""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals

from structsvm.problems._feature_rows cimport FeatureRows, ssvm_add_curvature, ssvm_add_squares

cdef extern from "structsvm/linalg/sums.h" nogil:
    double ssvm_dot(const double* a, const double* b, Py_ssize_t n)


def newton_direction(
    FeatureRows rows, curvatures, gradient, *, double penalty, double accuracy,
    Py_ssize_t most_steps,
):
    """A direction d with H d = -gradient, nearly, for H = penalty I + X' diag(curvatures) X.

    Conjugate gradients from d = 0, preconditioned by the diagonal of H.

    Parameters
    ----------
    rows : FeatureRows
        X, with the intercept's column where there is one.
    curvatures : float64 array of shape (n_rows,)
        >= 0. Rows with 0 cost nothing.
    gradient : float64 array of shape (n_weights,)
    penalty : float
        > 0.
    accuracy : float
        Stop where the residual, in the norm of the preconditioner, is this share of the gradient.
    most_steps : int

    Returns
    -------
    direction : float64 array of shape (n_weights,)
    n_steps : int
        Products with H.
    """
    cdef const double[::1] factors = curvatures, g = gradient
    cdef Py_ssize_t n = g.shape[0], j, n_steps = 0
    direction, scratch = np.zeros(n), np.empty((4, n))
    inverse_diagonal = np.zeros(n)
    cdef double[::1] solution = direction, diagonal = inverse_diagonal
    cdef double[:, ::1] vectors = scratch
    cdef double* d
    cdef double* inverse
    cdef double* residual
    cdef double* scaled
    cdef double* step
    cdef double* product
    cdef double size, before, bend, length, factor, enough
    if n == 0:
        return direction, 0
    d, inverse = &solution[0], &diagonal[0]
    residual, scaled, step, product = (
        &vectors[0, 0], &vectors[1, 0], &vectors[2, 0], &vectors[3, 0]
    )
    with nogil:
        if rows.n_rows:
            ssvm_add_squares(&rows.rows, rows.n_rows, &factors[0], inverse)
        for j in range(n):
            inverse[j] = 1.0 / (penalty + inverse[j])
            residual[j] = -g[j]
            scaled[j] = inverse[j] * residual[j]
            step[j] = scaled[j]
        size = ssvm_dot(residual, scaled, n)
        enough = accuracy * accuracy * size
        while n_steps < most_steps and size > enough:
            for j in range(n):
                product[j] = penalty * step[j]
            if rows.n_rows:
                ssvm_add_curvature(&rows.rows, rows.n_rows, &factors[0], step, product)
            bend = ssvm_dot(step, product, n)
            if not bend > 0.0:
                break
            length = size / bend
            for j in range(n):
                d[j] += length * step[j]
                residual[j] -= length * product[j]
                scaled[j] = inverse[j] * residual[j]
            before = size
            size = ssvm_dot(residual, scaled, n)
            factor = size / before
            for j in range(n):
                step[j] = scaled[j] + factor * step[j]
            n_steps += 1
            with gil:
                PyErr_CheckSignals()
    return direction, n_steps
