"""Exact block updates of the multiclass dual; the formulas are in the ``.pyx``."""

from libc.stdint cimport int32_t

from structsvm._typedefs cimport index_t
from structsvm.problems._multiclass cimport MulticlassProblem


cdef class MulticlassDual:
    cdef readonly MulticlassProblem problem
    cdef readonly object alpha, weights, gaps
    cdef public double regularization
    cdef public Py_ssize_t n_visits
    cdef readonly double mean_sqnorm
    cdef double[:, ::1] _alpha
    cdef double[::1] _weights, _gaps, _caps, _sqnorms
    cdef double[:, ::1] _scratch
    cdef Py_ssize_t[::1] _candidates
    cdef index_t[::1] _order
    cdef readonly object idle
    cdef int32_t[::1] _idle

    cdef void visit_range(
        self, const index_t[::1] order, Py_ssize_t start, Py_ssize_t stop
    ) noexcept nogil
    cdef void visit_binary(self, Py_ssize_t i) noexcept nogil
    cdef void visit(self, Py_ssize_t i) noexcept nogil
    cdef double total_gap(self) noexcept nogil

    # Subclasses whose weights are not a matrix over features override these:
    cdef void scores(self, Py_ssize_t i, double* s) noexcept nogil
    cdef void add(self, Py_ssize_t i, const double* q) noexcept nogil
    cdef bint can_add(self, Py_ssize_t i) noexcept nogil
