"""Sets of labels, scored by labels and by pairs of them.

Of L labels and E pairs, part l is used if label l is in the set, and part L + 4 e + 2 a + b if the
first label of pair e is in it (a = 1) or not, and likewise the second (b). An output is a row of L
labels 0 or 1. All examples have the same labels and pairs.
"""

from libc.stdint cimport int32_t

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport ssvm_counts
from structsvm.inference._part_sets cimport ScratchMaximizer
from structsvm.inference._roof_maximizer cimport RoofGraphMaximizer

cdef enum Search:
    FOREST         # max-product; without pairs each label on its own
    ENUMERATION
    ROOF           # roof duality


cdef class LabelSetMaximizer(ScratchMaximizer):
    cdef readonly Py_ssize_t n_set_labels, n_pairs
    cdef readonly RoofGraphMaximizer roof
    cdef Search search
    cdef const int32_t[:, ::1] pairs
    cdef const int32_t[::1] order          # of labels, parents before children
    cdef const int32_t[::1] parent_pair    # of each label in this order, or -1
    # With the loss 1 - F1 against y added; theta IN, SCRATCH afterwards. Without pairs, or by
    # enumeration
    cdef double worst_f1(
        self, int thread, double* theta, const label_t* y, label_t* labels
    ) noexcept nogil
    cdef int count_parts(self, const label_t* labels, ssvm_counts* mu) noexcept nogil
    # By roof duality
    cdef int expand(
        self, Py_ssize_t i, int thread, const double* theta, label_t* labels, double* value
    ) except -1 nogil
    cdef int relax(
        self, Py_ssize_t i, int thread, const double* theta, const label_t* y, ssvm_counts* mu,
        int32_t* is_output,
    ) except -1 nogil
    # theta as roof duality takes it
    cdef double* spread(self, int thread, const double* theta) noexcept nogil
    cdef double score(self, const double* theta, const label_t* labels) noexcept nogil


# 1 - F1 of a set with `hits` of n_true labels and `wrong` others; 0 if both sets are empty
cdef inline double f1_loss(Py_ssize_t n_true, Py_ssize_t hits, Py_ssize_t wrong) noexcept nogil:
    if n_true + hits + wrong == 0:
        return 0.0
    return <double> (n_true - hits + wrong) / <double> (n_true + hits + wrong)
