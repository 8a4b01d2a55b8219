"""Planes of label sequences, each kept as its labels; see `LabelPlanes`."""

from libc.stdint cimport uint8_t

from structsvm._typedefs cimport label_t
from structsvm.linalg._plane cimport Plane, Weights
from structsvm.problems._chain_deltas cimport ChainDeltas
from structsvm.problems._factored cimport FactoredProblem
from structsvm.problems._grown_problem cimport GrownProblem
from structsvm.solvers._plane_store cimport PlaneStore


cdef class LabelPlanes(PlaneStore):
    cdef readonly FactoredProblem problem
    cdef GrownProblem grown                # the problem if its weights grow, else None
    cdef ChainDeltas deltas
    cdef int thread                       # the scratch space of the problem to use
    cdef uint8_t** labels                 # of the planes of each block, one after the other
    cdef double* shares                   # SCRATCH: one for each plane of a block
    cdef int n_shares
    cdef uint8_t[::1] fresh               # SCRATCH: labels of a plane that is not stored

    # The labels that the oracle answers with at w, as a plane of this store; scores are kept for
    # the next `rescore`.
    cdef int ask(self, Py_ssize_t i, const Weights* w, Plane* out) except -1 nogil
    # A plane of this store from an oracle's labels
    cdef int make_plane(self, Py_ssize_t i, const label_t* labels, Plane* out) except -1 nogil
    cdef bint make_room(self, int n) noexcept nogil
    cdef const uint8_t* narrow(self, Py_ssize_t i, const Plane* plane) noexcept nogil
    cdef void fill_gram(self, Py_ssize_t i, int p) noexcept nogil
    cdef uint8_t* labels_of(self, Py_ssize_t i, int p) noexcept nogil
