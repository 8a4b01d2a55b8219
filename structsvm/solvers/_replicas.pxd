"""Passes on several threads, each with a copy of the weights; see `Replicas`."""

from libc.stdint cimport int64_t

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Weights
from structsvm.problems._chain_deltas cimport ChainDeltas
from structsvm.problems._grown_problem cimport GrownProblem
from structsvm.solvers._blocks cimport DualBlocks

cdef extern from "structsvm/solvers/turns.h" nogil:
    enum:
        SSVM_MOST_ITEMS

    ctypedef struct ssvm_turns:
        int64_t n_items

    void ssvm_turns_begin(ssvm_turns* turns, int64_t n_items, int64_t n_phases)
    bint ssvm_turns_wait(ssvm_turns* turns, int64_t phase)
    bint ssvm_turns_claim(ssvm_turns* turns, int64_t phase, int64_t item)
    void ssvm_turns_done(ssvm_turns* turns)
    void ssvm_turns_end(ssvm_turns* turns, int64_t phase)


cdef class Part:
    cdef DualBlocks blocks                # those of the whole, at the weights of this copy
    cdef ChainDeltas deltas               # what moves the weights if it is told as a log, else None
    cdef Weights at
    cdef double gap_sum
    cdef Py_ssize_t n_visited
    cdef object error

    cdef void repeat(self, const void* other, double factor, double factor_of_new) noexcept nogil
    cdef void begin_chunk(self) noexcept nogil
    cdef int visit(
        self, const index_t* order, Py_ssize_t n, bint exact, double skip_below
    ) except -1 nogil


cdef class Replicas:
    cdef readonly DualBlocks whole
    cdef GrownProblem grown               # the problem if its weights grow, else None
    cdef readonly list parts
    cdef public double caution
    cdef readonly bint logs               # whether steps are told as logs, not as sums
    cdef public bint stale                # whether the copies are no more those of the weights
    cdef void* _part[SSVM_MOST_ITEMS]     # the parts, for use without the GIL
    cdef public object times              # of the items of each pass, if asked for
    cdef int n_parts
    cdef ssvm_turns turns
    # Of the pass that is made
    cdef const index_t[::1] order
    cdef const int64_t[::1] _bounds       # of the parts of each chunk in it
    cdef bint exact
    cdef double skip_below
    cdef int steps_of_chunk

    cdef Py_ssize_t n_chunks(self, double work)
    cdef make_pass(self, order, Py_ssize_t n_chunks, bint exact, double skip_below, engine)
    cdef object cut(self, Py_ssize_t n_chunks)
    cdef int take_turns(self, int thread, int64_t* phase, int* item) except -1 nogil
    cdef note_time(self, int64_t phase, int q, double seconds)
    cdef int visit(self, int64_t chunk, int q) except -1 nogil
    cdef void tell_sums(self, int q) noexcept nogil
    cdef int give_places(self) except -1 nogil
    cdef void tell_logs(self, int q) noexcept nogil
