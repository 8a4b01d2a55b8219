"""Multiclass: one class for each example, scores linear in its features.

The weight vector is a row-major matrix with a row for each feature and one for the intercept, and a
column for each class. Two classes share ONE column, whose score s stands for the scores -s/2 and
s/2: the hinge is that of binary classification. With s_k the score of class k, the violations are

    Crammer-Singer    v_k = cost[y, k] + s_k - s_y
    Weston-Watkins    v_k = 1 + s_k - s_y
    Lee-Lin-Wahba     v_k = 1 / (K - 1) + s_k - mean(s);    two classes: as Weston-Watkins

for k != y. The hinge is max_k max(v_k, 0)^p for the first, sum_k max(v_k, 0)^p for the others, with
p = 2 if it is squared. The square is also a maximum of planes, its tangents: at violation h

    v^2 >= 2 h v - h^2    for all v, so (2h delta, 2h loss - h^2) is a plane that is tight at h.

A plane is x times a row q of coefficients, one for each column.
"""

from structsvm._typedefs cimport label_t
from structsvm.linalg._plane cimport Weights
from structsvm.problems._feature_rows cimport FeatureRows
from structsvm.problems._problem cimport Outputs, Problem


cdef enum MulticlassLoss:
    CRAMMER_SINGER
    WESTON_WATKINS
    LEE_LIN_WAHBA


cdef struct Hinge:
    # The hinge and its costs, the same for all examples.
    MulticlassLoss loss
    bint squared
    Py_ssize_t n_classes
    Py_ssize_t width            # columns: 1 for two classes
    const double* cost          # (n_classes, n_classes) row-major


# v OUT: (n_classes,), with v[y] = 0. s IN: (width,)
cdef void violations(
    const Hinge* hinge, label_t y, const double* s, double* v
) noexcept nogil
# The hinge from violations
cdef double hinge_value(const Hinge* hinge, label_t y, const double* v) noexcept nogil
# q OUT: (width,), the coefficients of sum_k m_k delta_k. m IN: (n_classes,), m[y] = 0
cdef void coefficients(
    const Hinge* hinge, label_t y, const double* m, double* q
) noexcept nogil


cdef class MulticlassProblem(Problem):
    cdef readonly FeatureRows features
    cdef readonly object labels           # int32 ndarray of class numbers
    cdef readonly str loss, slack
    cdef readonly object cost             # float64 ndarray (n_classes, n_classes)
    cdef Hinge hinge
    cdef const label_t[::1] y
    cdef const double[:, ::1] _cost
    cdef double[:, ::1] _scratch          # two rows a thread: scores and violations
    cdef Py_ssize_t prediction(self, const double* s) noexcept nogil
    cdef void rescale(self, const double* cost, double* v) noexcept nogil
    cdef int write_best(
        self, const double[:, ::1] scores, label_t[::1] labels, double[::1] values,
        Py_ssize_t start,
    ) except -1
    cdef void scores(self, Py_ssize_t i, const Weights* w, double* s) noexcept nogil
