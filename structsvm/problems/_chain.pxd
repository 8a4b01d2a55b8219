"""Chains: sparse position features, shared transitions, Viterbi decoding.

Parts of an example of T positions and K labels, each row padded to `stride` lanes:

    t * stride + k                         position t has label k
    (length + i) * stride + j              label i is followed by label j
    (length + K) * stride + k              the chain starts with k   (n_boundary rows: 0 or 2)
    (length + K + 1) * stride + k          the chain ends with k

With edge features there are `length` times the K transition rows, those of position t for the step
from t - 1 to t; the first are not used.

The weight vector is [state F*K | intercept K | transition K*K | start K | end K | edge G*K*K],
row-major, blocks that the model does without left out.

A chain of second order passes through states that are pairs of labels: K above is then the number
of states, except in the state and intercept blocks, where it is that of labels.
"""

from libc.stdint cimport int32_t

from structsvm._typedefs cimport index_t, label_t, offset_t
from structsvm.linalg._plane cimport PlaneBuilder, Weights
from structsvm.problems._factored cimport PartCounts, PartFeatures, PartLoss, Structure


cdef class ChainFeatures(PartFeatures):
    cdef const offset_t[::1] offsets      # positions of example i: offsets[i] .. offsets[i + 1]
    cdef const offset_t[::1] row_start    # CSR over all positions
    cdef const index_t[::1] columns
    cdef const double[::1] values
    cdef const index_t* _columns
    cdef const double* _values
    cdef Py_ssize_t n_features, n_edge_features
    cdef Py_ssize_t n_labels, stride
    # Of second order: the label of each state, sorted; else None, and as many labels as states.
    cdef const label_t[::1] label_of
    cdef Py_ssize_t n_columns, column_stride   # labels, in the state block
    cdef Py_ssize_t intercept, transition, start    # places in the weight vector, -1 if absent
    cdef Py_ssize_t edge
    cdef const offset_t[::1] edge_row_start         # the same CSR of edge features, if there are
    cdef const index_t[::1] edge_columns
    cdef const double[::1] edge_values
    cdef void expand(self, Py_ssize_t length, double* theta) noexcept nogil
    cdef Py_ssize_t edge_scores(
        self, offset_t first, Py_ssize_t length, const Weights* w, double* rows
    ) noexcept nogil


cdef struct LevelScratch:
    double* score
    double* entering
    Py_ssize_t* reach
    const int32_t** rows


cdef class ChainLoss(PartLoss):
    cdef const offset_t[::1] offsets
    cdef const double[:, ::1] cost        # (K, stride): cost[y, k], 0 in the padding
    cdef const double[::1] position_weight
    cdef Py_ssize_t n_labels
    # The same in whole numbers, once prepared: Delta = unit[i] * sum_t levels[y_t, y_hat_t].
    cdef const int32_t[:, ::1] levels
    cdef const double[::1] unit
    cdef Py_ssize_t n_levels(self, Py_ssize_t i, const label_t* y) noexcept nogil


cdef class ChainStructure(Structure):
    cdef const offset_t[::1] offsets
    cdef Py_ssize_t n_labels, stride
    cdef bint transitions, boundary, edges
    cdef const double[:, ::1] forbidden   # (K + 2, stride): added to transitions, start, end
    cdef double** _entering               # scratch of the Viterbi kernel, one a thread
    cdef Py_ssize_t _n_entering
    # Of slack rescaling only:
    cdef ChainLoss loss
    cdef LevelScratch* _levels            # one a thread
    cdef Py_ssize_t _n_levels
    cdef Py_ssize_t level_cells           # positions * levels of the largest example
    cdef const double[:, ::1] no_transition
    cdef Py_ssize_t n_matrices(self, Py_ssize_t length) noexcept nogil
    cdef int reserve_levels(self, Py_ssize_t n_threads) except -1
    cdef void settle(self, double* theta, Py_ssize_t length) noexcept nogil
