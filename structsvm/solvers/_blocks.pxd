"""The dual state of a problem: a block of weighted planes for each example, and its passes."""

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane, Weights
from structsvm.problems._problem cimport Problem
from structsvm.solvers._averaged_point cimport AveragedPoint
from structsvm.solvers._block_steps cimport BlockSteps
from structsvm.solvers._evaluator cimport Evaluator
from structsvm.solvers._label_planes cimport LabelPlanes
from structsvm.solvers._plane_store cimport PlaneStore


cdef class DualBlocks:
    cdef readonly Problem problem
    cdef readonly dict options            # how it was made
    cdef readonly PlaneStore store
    cdef LabelPlanes labelled             # the store if it keeps labels, else None
    cdef readonly AveragedPoint point
    cdef readonly BlockSteps steps
    cdef readonly Evaluator evaluator
    cdef readonly object hinges           # ndarray (n_examples,): hinge at the last exact visit
    cdef double[::1] _hinges
    cdef Plane fresh                      # the oracle's latest answer
    cdef int thread                       # the scratch space of the problem to use

    cdef int visit_some(
        self, const index_t* order, Py_ssize_t n, const Weights* w
    ) except -1 nogil
    cdef int exact_visit(
        self, Py_ssize_t i, const Plane* fresh, const Weights* w, bint stale
    ) except -1 nogil
