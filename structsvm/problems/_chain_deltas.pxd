"""Planes of label sequences, from the labels: no vector of weights is ever made of one.

With psi of a chain, delta = s * (psi(x_i, y_i) - psi(x_i, y)) is known from the labels y and the
rows of the example, s being its weight. Where y has the true label nothing is added. So:

    <w, delta>        differences of scores of positions and transitions, where labels differ
    <delta, delta'>   sums of inner products of rows where labels differ, times -1, 1 or 2
    target += delta   rows of weights, where labels differ
"""

from libc.stdint cimport uint8_t

from structsvm._typedefs cimport label_t, offset_t
from structsvm.inference._chain_maximizer cimport ChainMaximizer
from structsvm.linalg._plane cimport Weights
from structsvm.problems._factored cimport FactoredProblem
from structsvm.problems._features cimport RowBlock, ssvm_step_log


cdef class ChainDeltas:
    cdef readonly FactoredProblem problem
    cdef RowBlock rows                    # of positions
    cdef const label_t* truth             # the true labels of all examples
    cdef const offset_t* offsets
    cdef Py_ssize_t width, stride         # labels, and scores of a position
    cdef bint transitions, boundary
    cdef Py_ssize_t place                 # of the weights of transitions, then of the ends
    # SCRATCH
    cdef double[::1] theta                # scores of the positions of an example
    cdef uint8_t[::1] is_known            # which of them are there
    cdef double[::1] counts               # of transitions and ends; zeros between uses
    cdef Py_ssize_t full_of               # the example whose scores are all there, or -1
    cdef double* share                    # of each label at one place; zeros between uses
    cdef double[::1] _share
    # Whether `add` tells a log what it adds
    cdef bint tells
    cdef ssvm_step_log log

    # The example whose scores are asked for, at the weights now; scores are computed when needed
    cdef void begin(self, Py_ssize_t i) noexcept nogil
    cdef void begin_full(self, Py_ssize_t i, const double* theta) noexcept nogil
    cdef double inner_with_weights(
        self, Py_ssize_t i, const uint8_t* y, const double* w
    ) noexcept nogil
    cdef double size(self, Py_ssize_t i, const uint8_t* y, const double* w) noexcept nogil
    cdef Py_ssize_t entries(self, Py_ssize_t i, const uint8_t* y) noexcept nogil
    cdef void count_table(self, Py_ssize_t i, const uint8_t* y, double factor) noexcept nogil
    cdef double inner(
        self, Py_ssize_t i, const uint8_t* y, const uint8_t* other
    ) noexcept nogil
    cdef void add(
        self, Py_ssize_t i, const uint8_t* labels, const double* shares, int n, double* target
    ) noexcept nogil
    cdef void add_row(
        self, Py_ssize_t r, Py_ssize_t column, double change, double* target
    ) noexcept nogil
    cdef void add_number(self, Py_ssize_t place, double change, double* target) noexcept nogil
    cdef void repeat(
        self, const ssvm_step_log* log, double factor, double factor_of_new, double* target
    ) noexcept nogil
    cdef double weight(self, Py_ssize_t i) noexcept nogil
