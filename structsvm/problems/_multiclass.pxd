"""Multiclass: one class of K for each row of features.

Weights are by class, (K, F), for dense rows, and by feature, (F, K), for sparse ones; the K
intercepts follow, if there are. Two classes share one column of weights, the score of class 1, that
of class 0 being 0: their hinge is that of a binary machine.
"""

from structsvm._typedefs cimport index_t, label_t, offset_t
from structsvm.linalg._plane cimport Plane, Weights
from structsvm.problems._problem cimport Problem


cdef enum MulticlassLoss:
    # With e_k = cost[y, k] and scores f, u_k = e_k + f_k:
    CRAMMER_SINGER   # max_k u_k - f_y
    WESTON_WATKINS   # sum_{k != y} max(0, u_k - f_y)
    LEE_LIN_WAHBA    # sum_{k != y} max(0, 1 / (K - 1) + f_k), the f sum to zero


cdef class FeatureRows:
    """Rows of features, dense or CSR, with or without a last feature that is always 1."""
    cdef readonly Py_ssize_t n_rows, n_features
    cdef readonly bint dense, intercept
    cdef const double[:, ::1] rows          # dense
    cdef const offset_t[::1] row_start      # CSR
    cdef const index_t[::1] columns
    cdef const double[::1] values
    cdef readonly object sqnorms            # of each row, the intercept's 1 included
    cdef const double[::1] _sqnorms

    # out OUT: the scores of row i, room for a multiple of 8 of them
    cdef void scores(
        self, Py_ssize_t i, const double* w, Py_ssize_t n_columns, double* out
    ) noexcept nogil
    # w += x_i times change, for each column
    cdef void add(
        self, Py_ssize_t i, const double* change, Py_ssize_t n_columns, double* w
    ) noexcept nogil
    # out OUT: the plane with that as its delta
    cdef int outer(
        self, Py_ssize_t i, const double* change, Py_ssize_t n_columns, Plane* out
    ) except -1 nogil


cdef class MulticlassProblem(Problem):
    cdef readonly FeatureRows features
    cdef const label_t[::1] labels
    cdef readonly Py_ssize_t n_classes, n_columns
    cdef readonly MulticlassLoss loss
    cdef readonly bint squared
    cdef const double[:, ::1] cost          # (K, K), zero on the diagonal
    cdef double** _scratch                  # two rows of scores a thread
    cdef Py_ssize_t _n_scratch

    # Scores and additions of columns of weights
    cdef void column_scores(self, Py_ssize_t i, const double* w, double* f) noexcept nogil
    cdef void column_add(self, Py_ssize_t i, const double* change, double* w) noexcept nogil
    cdef double sqnorm(self, Py_ssize_t i) noexcept nogil
    # f OUT: the scores of all K classes
    cdef void class_scores(self, Py_ssize_t i, const double* w, double* f) noexcept nogil
    # w += x_i times change[k] for each class k; change sums to zero
    cdef void class_add(self, Py_ssize_t i, double* change, double* w) noexcept nogil
    # The hinge of example i where the classes have the scores f
    cdef double hinge(self, Py_ssize_t i, const double* f) noexcept nogil
