"""Chains as a maximizer.

Parts of an example of T positions and K labels, each row padded to `stride` lanes:

    t * stride + k                         position t has label k
    (T + i) * stride + j                   label i is followed by label j
    (T + K) * stride + k                   the chain starts with k   (rows that `boundary` adds)
    (T + K + 1) * stride + k               the chain ends with k

With `steps` there are T blocks of K transition rows, block t for the step from t - 1 to t; block 0
is not used. Without `transitions` there are none.

Void positions cut a chain: parts that touch one are in no output, and each run of other positions
is decoded by itself, with the boundary scores and constraints of the ends of the chain that it has.
"""

from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport Maximizer, ssvm_counts


cdef struct ChainScratch:
    # The private space of one thread.
    double* entering            # for viterbi.h
    double* level_score         # for viterbi_levels.h, as all below
    double* level_entering
    Py_ssize_t* reach
    const int32_t** level_rows


cdef class ChainMaximizer(Maximizer):
    cdef readonly Py_ssize_t stride       # lanes of a row
    cdef Py_ssize_t width                 # K
    cdef bint transitions, boundary, steps
    cdef const unsigned char[::1] is_void  # of each position of all examples; None: none is void
    cdef const int64_t[::1] starts        # where the positions of each example start
    cdef const double[:, ::1] forbidden   # (K + 2, stride): added to transitions, start, end
    cdef const double[:, ::1] no_transition    # (K, stride) zeros
    cdef ChainScratch* _scratch           # one a thread
    cdef Py_ssize_t _n_scratch
    cdef Py_ssize_t n_matrices(self, Py_ssize_t length) noexcept nogil
    cdef void settle(self, double* theta, Py_ssize_t length) noexcept nogil
    cdef int decode(
        self, Py_ssize_t i, double* theta, int thread, label_t* labels, double* value
    ) except -1 nogil
    cdef int decode_runs(
        self, Py_ssize_t i, double* theta, int thread, label_t* labels, double* value
    ) except -1 nogil
    cdef int decode_slack(
        self, Py_ssize_t i, double* theta, int thread, const int32_t* levels, Py_ssize_t n_levels,
        double unit, label_t* labels, double* value,
    ) except -1 nogil
    cdef int decode_n_best(
        self, Py_ssize_t i, double* theta, Py_ssize_t n, label_t* labels, double* values,
        int64_t* n_found,
    ) except -1 nogil
    cdef int count_parts(self, Py_ssize_t i, const label_t* y, ssvm_counts* mu) except -1 nogil
    cdef int count_difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil
    cdef int make_room(self, Py_ssize_t n_threads, Py_ssize_t n_levels) except -1
