"""The dual state of a problem: a block of weighted planes for each example."""

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane, Weights
from structsvm.problems._problem cimport Problem
from structsvm.solvers._plane_cache cimport Block


cdef class DualBlocks:
    cdef readonly Problem problem
    cdef readonly dict options            # how it was made
    cdef readonly object weights          # ndarray (n_weights,): the primal point, kept in step
    cdef readonly object multipliers      # ndarray: of weights that must be >= 0, added to them
    cdef readonly object gaps             # ndarray (n_examples,): gap met at the last visit
    cdef readonly object hinges           # ndarray (n_examples,): hinge met at the last exact one
    cdef readonly Py_ssize_t n_oracle_calls
    cdef readonly Py_ssize_t n_overruled  # oracle answers below a plane already known
    cdef double worst_shortfall           # of such an answer, and its example
    cdef Py_ssize_t worst_example
    cdef readonly Py_ssize_t n_updates
    cdef readonly Py_ssize_t n_planes     # cached now
    cdef readonly Py_ssize_t n_entries    # their entries
    cdef readonly object lag              # ndarray or None: see average()
    cdef public double regularization     # lambda': weights = ... + sum alpha delta / (lambda' n)

    cdef bint frank_wolfe
    cdef int max_planes, drop_after
    cdef Py_ssize_t n
    cdef Block* blocks
    cdef double[::1] _weights
    cdef double[::1] _multipliers
    cdef Py_ssize_t first_multiplied
    cdef double[::1] _gaps
    cdef double[::1] _hinges
    cdef double[::1] _lag
    cdef readonly double lag_factor       # sum of the averaging weights so far
    cdef double[::1] dense                # SCRATCH, zeros between uses
    cdef index_t[::1] slot                # SCRATCH of a PlaneBuilder
    cdef Plane fresh                      # the oracle's latest answer
    cdef double* change                   # SCRATCH: weight gained by each plane of a block
    cdef int change_capacity

    cdef int keep(self, Block* b, const Plane* plane, double height) except -1 nogil
    cdef void forget(self, Block* b, int p) noexcept nogil
    cdef void age(self, Block* b, double below) noexcept nogil
    cdef int judge(
        self, Block* b, const Plane* plane, const Weights* w, double* hinge, bint stale
    ) except -1 nogil
    cdef void choose_multipliers(self) noexcept nogil
    cdef int optimise(self, Block* b, double gap) except -1 nogil
    cdef int pairwise_steps(self, Block* b, double tolerance) except -1 nogil
    cdef int frank_wolfe_step(self, Block* b) except -1 nogil
    cdef void move(self, const Plane* plane, double change) noexcept nogil
    cdef int exact_visit(
        self, Py_ssize_t i, const Plane* fresh, const Weights* w, bint stale
    ) except -1 nogil
