"""Inner products and products with matrices: the same bits everywhere.

The order of additions in a BLAS depends on the CPU, the number of threads and the version. Then
decisions that depend on the last bit of a sum differ: which planes are kept, when a solver stops.
Here the order is fixed; see ``sums.h``.
"""

import numpy as np

cdef extern from "structsvm/linalg/sums.h" nogil:
    ctypedef enum ssvm_kind:
        SSVM_DENSE_DOUBLE
    ctypedef struct ssvm_feature_rows:
        ssvm_kind kind
        Py_ssize_t n_features
        const void* values
        double intercept
    enum:
        SSVM_LANES
    double ssvm_dot(const double* a, const double* b, Py_ssize_t n)
    void ssvm_row_products(
        const double* rows, Py_ssize_t n_rows, Py_ssize_t n, const double* v, double* out
    )
    void ssvm_add_rows(
        const double* factors, const double* rows, Py_ssize_t n_rows, Py_ssize_t n, double* out
    )
    void ssvm_all_feature_scores(
        const ssvm_feature_rows* rows, Py_ssize_t n_rows, const double* w, Py_ssize_t width,
        double scale, double* out,
    )

cdef extern from "structsvm/linalg/exponential.h" nogil:
    void ssvm_decay(const double* x, Py_ssize_t n, double* out)


def dot(a, b):
    """<a, b> of two vectors."""
    cdef const double[::1] left = np.ascontiguousarray(a, dtype=np.float64)
    cdef const double[::1] right = np.ascontiguousarray(b, dtype=np.float64)
    cdef double value = 0.0
    if left.shape[0] != right.shape[0]:
        raise ValueError(f"vectors of {left.shape[0]} and {right.shape[0]} numbers")
    if left.shape[0]:
        with nogil:
            value = ssvm_dot(&left[0], &right[0], left.shape[0])
    return value


def row_products(rows, vector):
    """``rows @ vector``: the inner product of each row with a vector."""
    cdef const double[:, ::1] matrix = np.ascontiguousarray(rows, dtype=np.float64)
    cdef const double[::1] v = np.ascontiguousarray(vector, dtype=np.float64)
    if matrix.shape[1] != v.shape[0]:
        raise ValueError(f"rows of {matrix.shape[1]} numbers and a vector of {v.shape[0]}")
    products = np.zeros(matrix.shape[0])
    cdef double[::1] out = products
    if matrix.shape[0] and matrix.shape[1]:
        with nogil:
            ssvm_row_products(&matrix[0, 0], matrix.shape[0], matrix.shape[1], &v[0], &out[0])
    return products


def combined_rows(factors, rows):
    """``factors @ rows``: the sum of the rows, each times its factor."""
    cdef const double[:, ::1] matrix = np.ascontiguousarray(rows, dtype=np.float64)
    cdef const double[::1] f = np.ascontiguousarray(factors, dtype=np.float64)
    if matrix.shape[0] != f.shape[0]:
        raise ValueError(f"{matrix.shape[0]} rows and {f.shape[0]} factors")
    total = np.zeros(matrix.shape[1])
    cdef double[::1] out = total
    if matrix.shape[0] and matrix.shape[1]:
        with nogil:
            ssvm_add_rows(&f[0], &matrix[0, 0], matrix.shape[0], matrix.shape[1], &out[0])
    return total


def product(left, right):
    """``left @ right`` for two matrices."""
    cdef const double[:, ::1] a = np.ascontiguousarray(left, dtype=np.float64)
    cdef Py_ssize_t n = a.shape[0], size = a.shape[1], width = right.shape[1]
    if size != right.shape[0]:
        raise ValueError(f"matrices of shape ({n}, {size}) and {right.shape}")
    # Whole groups of lanes are read and written, even beyond the end of these.
    padded, scores = np.zeros(size * width + SSVM_LANES), np.zeros(n * width + 4 * SSVM_LANES)
    padded[:size * width] = np.asarray(right, dtype=np.float64).ravel()
    cdef double[::1] w = padded, out = scores
    cdef ssvm_feature_rows rows
    rows.kind = SSVM_DENSE_DOUBLE
    rows.n_features = size
    rows.intercept = 0.0
    if n and size and width:
        rows.values = <const void*> &a[0, 0]
        with nogil:
            ssvm_all_feature_scores(&rows, n, &w[0], width, 1.0, &out[0])
    return scores[:n * width].reshape(n, width)


def decay(x):
    """exp(-x) for an array of numbers x >= 0, to a few units in the last place.

    The bits of NumPy's exp depend on AVX-512, those of the C library's on FMA.
    """
    cdef const double[::1] flat = np.ascontiguousarray(x, dtype=np.float64).ravel()
    values = np.empty(np.shape(x))
    cdef double[::1] out = values.reshape(-1)
    if flat.shape[0]:
        with nogil:
            ssvm_decay(&flat[0], flat.shape[0], &out[0])
    return values
