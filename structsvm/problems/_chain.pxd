"""Features of chains: sparse ones of positions, shared transitions, edge features.

Parts are those of ``inference/_chain_maximizer.pxd``.

The weight vector is [state F*K | intercept K | transition K*K | start K | end K | edge G*K*K],
row-major, blocks that the model does without left out.

A chain of second order passes through states that are pairs of labels: K above is then the number
of states, except in the state and intercept blocks, where it is that of labels.
"""

from structsvm._typedefs cimport index_t, label_t, offset_t
from structsvm.linalg._plane cimport Weights
from structsvm.problems._factored cimport PartFeatures


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
    cdef Py_ssize_t n_rows(self, Py_ssize_t i) noexcept nogil
