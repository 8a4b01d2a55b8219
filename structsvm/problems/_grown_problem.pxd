"""Chains of text in weights that grow.

Of the pairs of an attribute and a label most never get a weight: few of very many attributes are
in more than a handful of tokens. Here frequent columns have a dense row of weights each, and a pair
of another column and a label gets a place when it is first updated, behind all others. So a vector
of weights has as many numbers as there are places now; one from before is as good with zeros behind
it.
"""

from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport index_t, offset_t
from structsvm.problems._factored cimport FactoredProblem
from structsvm.problems._features cimport RowBlock

cdef extern from "structsvm/linalg/grown_rows.h" nogil:
    ctypedef struct ssvm_slot:
        int32_t next
        int32_t label

    ctypedef struct ssvm_grown_rows:
        const long long* row_start
        const int32_t* columns
        const double* values
        const int32_t* head
        const ssvm_slot* slots
        Py_ssize_t n_dense
        Py_ssize_t stride
        Py_ssize_t first_slot
        int intercept

    void ssvm_grown_scores(
        const ssvm_grown_rows* rows, Py_ssize_t first, Py_ssize_t n_rows, const double* weights,
        double scale, double* out,
    )
    int64_t ssvm_grown_repeat(
        const ssvm_grown_rows* rows, Py_ssize_t r, Py_ssize_t column, double factor,
        double* target,
    )
    void ssvm_grown_fetch(
        const ssvm_grown_rows* rows, Py_ssize_t r, Py_ssize_t column, const double* target
    )


cdef class GrownRows(RowBlock):
    cdef ssvm_grown_rows grown
    cdef readonly Py_ssize_t n_slots
    cdef Py_ssize_t capacity              # slots that there is memory for
    cdef bint is_out_of_memory
    cdef int32_t[::1] heads
    cdef ssvm_slot* slots
    cdef int32_t* owners                  # the column of each slot, less n_dense
    cdef int32_t* last                    # the latest slot of each column: a list grows at its end
    cdef object order                     # int32 ndarray: which of the given columns each one is
    cdef object _kept                     # what `grown` points into

    cdef point_at(self, const offset_t[::1] starts, const index_t[::1] columns, values)
    # The slot of column n_dense + k and a label, or -1
    cdef int32_t known_slot(self, Py_ssize_t k, Py_ssize_t label) noexcept nogil
    # The slot of a pair, made if there is none; -1 if there is no memory
    cdef Py_ssize_t slot_of(self, Py_ssize_t column, Py_ssize_t label) noexcept nogil


cdef class GrownProblem(FactoredProblem):
    cdef readonly FactoredProblem dense   # the same with a weight for each pair
    cdef readonly GrownRows rows
    cdef readonly Py_ssize_t most_weights    # if each pair had a place
    cdef Py_ssize_t table, n_table        # weights of transitions and ends, behind those of rows
    cdef Py_ssize_t dense_place, dense_table

    # After new slots: there are more weights
    cdef void count_weights(self) noexcept nogil
