"""Steps on the dual problem of one example, with its stored planes."""

from structsvm._typedefs cimport index_t
from structsvm.solvers._averaged_point cimport AveragedPoint
from structsvm.solvers._plane_store cimport PlaneStore


cdef class BlockSteps:
    cdef readonly PlaneStore store
    cdef readonly AveragedPoint point
    cdef readonly object gaps             # ndarray (n_examples,): gap at the last visit
    cdef double[::1] _gaps

    cdef int visit_some(
        self, const index_t* order, Py_ssize_t n, double skip_below, double* gap_sum,
        Py_ssize_t* n_visited,
    ) except -1 nogil
    cdef int improve(self, Py_ssize_t i, double gap) except -1 nogil
    # For subclasses: raise the dual value of block i; heights are at the present weights.
    cdef int step(self, Py_ssize_t i, double gap) except -1 nogil


cdef class PairwiseSteps(BlockSteps):
    cdef double* change                   # SCRATCH: weight gained by each plane of a block
    cdef int change_capacity


cdef class FrankWolfeSteps(BlockSteps):
    pass
