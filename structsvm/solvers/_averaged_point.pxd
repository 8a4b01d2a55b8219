"""The primal point of a dual point, updated with it, and the average of its iterates."""

from structsvm._typedefs cimport index_t
from structsvm.solvers._plane_store cimport PlaneStore


cdef class AveragedPoint:
    cdef readonly Py_ssize_t n_examples
    cdef readonly object problem
    cdef object _room                     # ndarray, padded: the weights, and room for them to grow
    cdef readonly object multipliers      # ndarray: multipliers of weights that must be >= 0
    cdef readonly object multiplied       # int32 ndarray: the weights that have multipliers
    cdef const index_t[::1] _multiplied
    cdef const double[::1] _floors
    cdef readonly object lag              # ndarray or None: see average()
    cdef readonly double lag_factor       # sum of the averaging weights so far
    cdef readonly Py_ssize_t n_updates
    cdef public double regularization     # lambda': weights = ... + sum alpha delta / (lambda' n)
    cdef double[::1] _weights, _multipliers, _lag

    cdef share(self, AveragedPoint other)
    cdef double curvature(self) noexcept nogil
    cdef void move(self, PlaneStore store, Py_ssize_t i, int p, double change) noexcept nogil
    # the same for all planes of a block; changes IN, SCRATCH afterwards
    cdef void move_all(self, PlaneStore store, Py_ssize_t i, double* changes) noexcept nogil
    cdef void end_update(self) noexcept nogil
    cdef void choose_multipliers(self) noexcept nogil
