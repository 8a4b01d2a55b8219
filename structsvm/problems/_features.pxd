"""Compiled features: scores of parts from weights, and back, made of blocks.

The parts of an example are rows of scores, block after block. A row holds `width` scores in
`stride` places; the rest is padding. Each block has its own weights:

    RowBlock      row t = x_t' W: rows of features (of positions, nodes, edges) times a matrix
    TableBlock    rows of weights, shared by all examples
    StepBlock     for each position, the rows of one shared table plus z_t' V
"""

from libc.stdint cimport int32_t, uint8_t

from structsvm._typedefs cimport index_t, label_t, offset_t
from structsvm.inference._maximizer cimport ssvm_counts
from structsvm.linalg._plane cimport PlaneBuilder, Weights
from structsvm.problems._feature_rows cimport ssvm_feature_rows


cdef extern from "structsvm/linalg/step_log.h" nogil:
    ctypedef struct ssvm_logged:
        int32_t row
        int32_t column
        double change

    ctypedef struct ssvm_step_log:
        ssvm_logged* steps
        Py_ssize_t n, room, n_without_place
        int out_of_memory

    void ssvm_note(ssvm_step_log* log, int32_t row, int32_t column, double change)


cdef struct RowSums:
    # Sums of rows of features before they enter a plane. All zeros between two calls.
    double* sums           # in the shape of a matrix of weights
    double* row            # counts of one row
    uint8_t* used          # whether a column has counts
    index_t* columns       # columns with counts

cdef int sums_reserve(RowSums* s, Py_ssize_t n_sums, Py_ssize_t width) except -1
cdef void sums_free(RowSums* s) noexcept


cdef class FeatureBlock:
    cdef readonly Py_ssize_t n_examples, width, stride
    cdef Py_ssize_t weights_stop          # end of its weights
    cdef readonly Py_ssize_t n_sums, most_width    # room that `accumulate` needs in RowSums
    cdef readonly Py_ssize_t n_room       # room that `scores` needs beyond its scores

    # Rows of scores of example i
    cdef Py_ssize_t n_rows(self, Py_ssize_t i) noexcept nogil
    # scores OUT: the rows of example i, times `factor`; whole groups of lanes are written
    cdef int scores(
        self, Py_ssize_t i, const Weights* w, double factor, double* scores
    ) except -1 nogil
    # out += features of n parts times counts and `factor`; `first`: the block's first part
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
    cdef const label_t[::1] column_of     # column of each score of a row, or None
    cdef const double[::1] row_weight     # factors of the rows of all examples, or None
    cdef double weight_of(self, Py_ssize_t i, Py_ssize_t t) noexcept nogil
    cdef void expand(self, Py_ssize_t n_rows, double* scores) noexcept nogil

    # Rows one by one, where they `are_plain`; row r is counted through all examples. A row that was
    # damaged after it was packed counts for nothing here: `scores` raises an error about it.
    cdef bint are_ones                    # whether it was found that all values are 1
    cdef look_for_ones(self)
    cdef bint are_plain(self) noexcept nogil
    # out OUT: `width` scores, in whole groups of lanes
    cdef void scores_of_row(self, Py_ssize_t r, const double* w, double* out) noexcept nogil
    cdef double size_of_row(
        self, Py_ssize_t r, Py_ssize_t column, const double* w
    ) noexcept nogil
    cdef Py_ssize_t entries_of_row(self, Py_ssize_t r) noexcept nogil
    cdef double product_of_rows(self, Py_ssize_t r, Py_ssize_t s) noexcept nogil
    cdef void add_row(
        self, Py_ssize_t r, Py_ssize_t column, double factor, double* target
    ) noexcept nogil
    # The same, told to a log; no weight is given a place. And what a log tells once more, on
    # another vector: a row, its memory in advance, and the place of a pair that had none, or -1
    cdef void add_and_tell(
        self, Py_ssize_t r, Py_ssize_t column, double factor, double* target, ssvm_step_log* log
    ) noexcept nogil
    cdef void repeat_row(
        self, Py_ssize_t r, Py_ssize_t column, double factor, double* target
    ) noexcept nogil
    cdef void fetch_row(self, Py_ssize_t r, Py_ssize_t column, double* target) noexcept nogil
    cdef Py_ssize_t place_of_pair(self, Py_ssize_t feature, Py_ssize_t column) noexcept nogil


cdef class TableBlock(FeatureBlock):
    cdef Py_ssize_t place, size           # where its rows start, and how many


cdef class StepBlock(FeatureBlock):
    cdef RowBlock rows                    # a row for each step: its square of scores
    cdef Py_ssize_t place


cdef class BlockFeatures:
    cdef readonly Py_ssize_t n_weights, n_examples
    cdef readonly Py_ssize_t n_sums, most_width, n_room    # the most of any block
    cdef readonly object starts           # int64 ndarray: start of each block in each example
    cdef list _names, _blocks
    cdef void** _block                    # the same, for use without the GIL
    cdef Py_ssize_t n_blocks
    cdef const offset_t[:, ::1] _starts   # the same as `starts`
    cdef const double[::1] scale          # factor of each example's joint feature, or None

    cdef Py_ssize_t n_parts(self, Py_ssize_t i) noexcept nogil
    # theta OUT: the scores of all parts of example i; up to WEIGHT_PADDING doubles more are written
    cdef int scores(self, Py_ssize_t i, const Weights* w, double* theta) except -1 nogil
    # out += A_i' mu, where mu says how often parts are used
    cdef int accumulate(
        self, Py_ssize_t i, const ssvm_counts* mu, RowSums* sums, PlaneBuilder* out
    ) except -1 nogil
    # Whether no score is NaN or inf
    cdef bint are_finite(self, Py_ssize_t i, const double* theta) noexcept nogil
