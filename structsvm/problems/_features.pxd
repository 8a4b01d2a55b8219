"""Compiled features: scores of parts from weights, and back, made of blocks.

The parts of an example are rows of scores, block after block. A row holds `width` scores in
`stride` places; what stands in the padding is no score. Each block has weights of its own:

    RowBlock      row t = <x_t, W>: rows of features (items, nodes, edges) times labels, or times
                  anything else that a row has scores of
    TableBlock    rows of weights as they are, shared by all examples
    StepBlock     for each item, the rows of one table for all, plus <z_t, V>
"""

from libc.stdint cimport uint8_t

from structsvm._typedefs cimport index_t, label_t, offset_t
from structsvm.inference._maximizer cimport ssvm_counts
from structsvm.linalg._plane cimport PlaneBuilder, Weights
from structsvm.problems._feature_rows cimport ssvm_feature_rows


cdef struct RowSums:
    # Sums of rows of features, on the way into a plane. All zeros between two calls.
    double* sums           # a matrix of weights
    double* row            # counts of one row
    uint8_t* used          # whether a column has counts
    index_t* columns       # those that have

cdef int sums_reserve(RowSums* s, Py_ssize_t n_sums, Py_ssize_t width) except -1
cdef void sums_free(RowSums* s) noexcept


cdef class FeatureBlock:
    cdef readonly Py_ssize_t n_examples, width, stride
    cdef Py_ssize_t weights_stop          # it has no weight from here on
    cdef readonly Py_ssize_t n_sums       # room that `accumulate` wants in RowSums

    # Rows of scores of example i
    cdef Py_ssize_t n_rows(self, Py_ssize_t i) noexcept nogil
    # scores OUT: the rows of example i, times `factor`; whole groups of lanes are written
    cdef int scores(
        self, Py_ssize_t i, const Weights* w, double factor, double* scores
    ) except -1 nogil
    # out += the features of n parts, numbered from `first` on, times counts and `factor`
    cdef int accumulate(
        self, Py_ssize_t i, const index_t* parts, const double* counts, Py_ssize_t n,
        Py_ssize_t first, double factor, RowSums* sums, PlaneBuilder* out,
    ) except -1 nogil


cdef class RowBlock(FeatureBlock):
    cdef ssvm_feature_rows* rows          # of each example, or those of all one after the other
    cdef list _held                       # what `rows` points into
    cdef bint shared                      # whether it is those of all
    cdef const offset_t[::1] offsets      # of the rows of examples, counted through
    cdef str name
    cdef bint sparse
    cdef Py_ssize_t place, n_columns, column_stride    # of W; n_columns is `width`, or fewer
    cdef const label_t[::1] column_of     # of each score of a row, or None
    cdef const double[::1] row_weight     # of the rows of all examples, or None
    cdef double weight_of(self, Py_ssize_t i, Py_ssize_t t) noexcept nogil
    cdef void expand(self, Py_ssize_t n_rows, double* scores) noexcept nogil


cdef class TableBlock(FeatureBlock):
    cdef Py_ssize_t place, size           # where its rows start, and how many


cdef class StepBlock(FeatureBlock):
    cdef RowBlock rows                    # of one row for each step: its square of scores
    cdef Py_ssize_t place


cdef class BlockFeatures:
    cdef readonly Py_ssize_t n_weights, n_examples
    cdef readonly Py_ssize_t n_sums, most_width
    cdef readonly object starts           # int64 ndarray: of each block's parts, by example
    cdef list _names, _blocks
    cdef void** _block                    # the same, to be had without the GIL
    cdef Py_ssize_t n_blocks
    cdef const offset_t[:, ::1] _starts   # the same as `starts`
    cdef const double[::1] scale          # of each example's joint feature, or None

    cdef Py_ssize_t n_parts(self, Py_ssize_t i) noexcept nogil
    # theta OUT: all parts of example i; WEIGHT_PADDING doubles behind them may be written too
    cdef int scores(self, Py_ssize_t i, const Weights* w, double* theta) except -1 nogil
    # out += psi, for mu: how often parts are used
    cdef int accumulate(
        self, Py_ssize_t i, const ssvm_counts* mu, RowSums* sums, PlaneBuilder* out
    ) except -1 nogil
    # Whether no score is NaN or inf
    cdef bint are_finite(self, Py_ssize_t i, const double* theta) noexcept nogil
