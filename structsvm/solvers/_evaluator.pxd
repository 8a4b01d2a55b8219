"""Passes at fixed weights, and checks of oracle answers against known planes."""

from structsvm.linalg._plane cimport Plane, Weights
from structsvm.problems._problem cimport Problem
from structsvm.solvers._plane_store cimport PlaneStore


cdef class Evaluator:
    cdef readonly Problem problem
    cdef readonly PlaneStore store
    cdef public Py_ssize_t n_oracle_calls
    cdef public Py_ssize_t n_overruled    # oracle answers below a plane already known
    cdef double worst_shortfall           # the worst such answer: its shortfall and example
    cdef Py_ssize_t worst_example

    cdef void take_counts(self, Evaluator share) noexcept nogil
    cdef int judge(
        self, Py_ssize_t i, const Plane* plane, const Weights* w, double* hinge, bint stale
    ) except -1 nogil
