"""Segmentations of sequences as a maximizer.

Segments have labels, and positions tags: that of a segment's first position, and that of the
others. The labels of an output are the tags of its positions. Parts of an example of T positions,
each row padded to whole groups of lanes:

    T rows of tags                  position t has this tag
    a row of labels a segment       in the order of their starts, the shortest first
    n_bins rows of labels           the length of a segment is in this bin
    K rows of labels                label i is followed by label j
    2 rows of labels                the first and the last label

Positions whose true tag is void are left out of all counts, as is what touches one: the steps to it
and from it, and segments that hold one or end at one.
"""

from libc.stdint cimport int32_t

from structsvm._typedefs cimport label_t, offset_t
from structsvm.inference._maximizer cimport ssvm_counts
from structsvm.inference._part_sets cimport ScratchMaximizer


cdef extern from "structsvm/inference/span_rows.h" nogil:
    ctypedef struct ssvm_span_labels:
        Py_ssize_t n_labels, stride, n_tags, tag_stride
        Py_ssize_t longest
        const int32_t* first_tag
        const int32_t* inner_tag
        const int32_t* bin
        Py_ssize_t n_bins
    Py_ssize_t ssvm_span_row(
        Py_ssize_t n, Py_ssize_t longest, Py_ssize_t start, Py_ssize_t length
    )
    Py_ssize_t ssvm_span_rows(Py_ssize_t n, Py_ssize_t longest)


cdef class SpanMaximizer(ScratchMaximizer):
    cdef ssvm_span_labels labels
    cdef const int32_t[::1] first_tags, inner_tags, bins    # what `labels` points to
    cdef const int32_t[::1] label_of      # (n_tags,): the label that each tag belongs to
    cdef const int32_t[::1] last_void     # of all positions, or None: see `ssvm_best_spans`
    cdef const offset_t[::1] starts       # of the examples, there
    cdef Py_ssize_t segment(self, const label_t* tags, Py_ssize_t n, Py_ssize_t t) noexcept nogil
    cdef Py_ssize_t step(self, const label_t* tags, Py_ssize_t t) noexcept nogil
    cdef void add(
        self, Py_ssize_t n, const label_t* truth, const label_t* tags, const label_t* others,
        double count, int what, ssvm_counts* mu,
    ) noexcept nogil
    cdef int count_parts(self, Py_ssize_t i, const label_t* tags, ssvm_counts* mu) except -1 nogil
    cdef int count_difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil
