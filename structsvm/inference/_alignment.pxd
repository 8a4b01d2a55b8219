"""Alignments of two sequences as a maximizer.

Parts of an example with n and m positions: part i * m + j is the pair of i and j; then come the
numbers of gaps and of their positions; with end gaps of their own, also those of gaps before the
first and after the last pair. The labels of an output are those of the n positions of the first
sequence: one more than the position of the second sequence that it is aligned with, or 0.
"""

from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport ssvm_counts
from structsvm.inference._part_sets cimport ScratchMaximizer

# What gaps at the ends score: what others do, scores of their own, or nothing.
cdef enum:
    SAME, OWN, FREE


cdef class AlignmentMaximizer(ScratchMaximizer):
    cdef const int64_t[::1] others    # length of the second sequence of each example
    cdef int ends
    cdef void gaps_of(self, Py_ssize_t i, const label_t* y, int32_t* counts) noexcept nogil
    cdef int check(self, Py_ssize_t i, const label_t* y) except -1 nogil
    cdef int count_parts(self, Py_ssize_t i, const label_t* y, ssvm_counts* mu) except -1 nogil
    cdef int count_difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil
