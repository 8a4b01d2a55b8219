"""Segmentations of sequences as a maximizer; parts are laid out in ``_spans.pxd``."""

import numpy as np

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport (
    SSVM_VOID, counts_add, ssvm_count, ssvm_counts, ssvm_difference,
)
from structsvm.inference._part_sets cimport ScratchMaximizer, table_bytes
from structsvm.linalg._lanes cimport padded

cdef extern from "structsvm/inference/spans.h" nogil:
    Py_ssize_t ssvm_span_scratch(const ssvm_span_labels* labels, Py_ssize_t n)
    double ssvm_best_spans(
        const ssvm_span_labels* labels, const double* theta, Py_ssize_t n,
        const int32_t* last_void, double* scratch, int32_t* tags,
    )

# What is counted in one pass over a segmentation; the parts of one pass lie together.
cdef enum:
    SEGMENTS, LENGTHS, STEPS


cdef class SpanMaximizer(ScratchMaximizer):
    """The segmentations of sequences into labelled segments.

    Parameters
    ----------
    lengths : int64 array of shape (n_examples,)
        Numbers of positions.
    first_tags, inner_tags : int32 arrays of shape (n_labels,)
        Tags of the first position of a segment and of the others. An inner tag of -1: segments with
        this label have one position. Each tag belongs to one label, 0 to n_tags - 1.
    longest : int
        The most positions of a segment, 1 or more.
    bins : int32 array of shape (longest,)
        The row of length scores for segments of 1, 2, ... positions; all -1: lengths have no
        scores.
    is_void : bool array of shape (total of lengths,), default=None
        Positions whose tag nobody knows, of all examples: what touches one has no score.

    Raises
    ------
    ValueError
        If a sequence has 2**31 parts or more.
    """

    def __cinit__(self):
        self.label_of = None
        self.last_void = None  # in a line of its own for Cython 3.1.0

    def __init__(self, lengths, first_tags, inner_tags, Py_ssize_t longest, bins, is_void=None):
        cdef Py_ssize_t n, most = 0
        self.first_tags, self.inner_tags, self.bins = first_tags, inner_tags, bins
        self.labels.n_labels = self.first_tags.shape[0]
        self.labels.longest = longest
        self.labels.first_tag = &self.first_tags[0]
        self.labels.inner_tag = &self.inner_tags[0]
        self.labels.bin = &self.bins[0]
        self.labels.n_bins = np.max(bins) + 1
        tags = np.concatenate([first_tags, inner_tags])
        self.labels.n_tags = tags.max() + 1
        self.labels.stride = padded(self.labels.n_labels)
        self.labels.tag_stride = padded(self.labels.n_tags)
        owners = np.tile(np.arange(self.labels.n_labels, dtype=np.int32), 2)
        label_of = np.zeros(self.labels.n_tags, dtype=np.int32)
        label_of[tags[tags >= 0]] = owners[tags >= 0]
        self.label_of = label_of
        sizes = []
        for i, length in enumerate(lengths):
            n = length
            rows = int(ssvm_span_rows(n, longest)) + self.labels.n_bins + self.labels.n_labels + 2
            n_parts = int(n) * self.labels.tag_stride + rows * self.labels.stride
            if n_parts >= 2**31:
                raise ValueError(
                    f"sequence {i} of {n} positions has {n_parts} parts with segments of up to "
                    f"{longest} positions; at most 2**31 - 1 can be counted: lower the length"
                )
            sizes.append(n_parts)
            most = max(most, n)
        self.set_sizes(sizes, lengths, 4 * most + 2)
        if is_void is not None:
            starts = np.append(0, np.cumsum(lengths, dtype=np.int64))
            places = np.arange(starts[len(starts) - 1]) - np.repeat(starts[:-1], lengths)
            last = np.where(is_void, places, -1).astype(np.int32)
            for i in range(len(lengths)):
                row = last[starts[i]:starts[i + 1]]
                np.maximum.accumulate(row, out=row)
            self.starts, self.last_void = starts, last
        self.takes_infinity = True
        self.set_scratch(
            table_bytes(sizeof(double) * <double> ssvm_span_scratch(&self.labels, most))
        )
        self.struct.count = <ssvm_count> spans_count
        self.struct.difference = <ssvm_difference> spans_difference

    @property
    def stride(self):
        """Lanes of a row of labels."""
        return self.labels.stride

    @property
    def tag_stride(self):
        """Lanes of a row of tags."""
        return self.labels.tag_stride

    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* tags, double* value
    ) except -1 nogil:
        cdef Py_ssize_t n = self.struct.n_labels[i]
        cdef const int32_t* last_void = NULL
        value[0] = 0.0
        if n == 0:
            return 0
        if self.last_void is not None and self.last_void[self.starts[i + 1] - 1] >= 0:
            last_void = &self.last_void[self.starts[i]]
        value[0] = ssvm_best_spans(&self.labels, theta, n, last_void, <double*> scratch, tags)
        if value[0] == -INFINITY:
            with gil:
                raise ValueError(f"sequence {i}: every segmentation has a score of -inf")
        return 0

    cdef Py_ssize_t segment(self, const label_t* tags, Py_ssize_t n, Py_ssize_t t) noexcept nogil:
        """The length of the segment that begins at t, 0 if none does."""
        cdef Py_ssize_t label, stop = t + 1
        if tags[t] == SSVM_VOID:
            return 0
        label = self.label_of[tags[t]]
        if tags[t] != self.labels.first_tag[label]:
            return 0
        while stop < n and tags[stop] == self.labels.inner_tag[label]:
            stop += 1
        return stop - t

    cdef Py_ssize_t step(self, const label_t* tags, Py_ssize_t t) noexcept nogil:
        """The transition to the segment that begins at t, as a cell of the table; -1 if none."""
        cdef Py_ssize_t label
        if t == 0 or tags[t - 1] == SSVM_VOID or tags[t] == SSVM_VOID:
            return -1
        label = self.label_of[tags[t]]
        if tags[t] != self.labels.first_tag[label]:
            return -1
        return self.label_of[tags[t - 1]] * self.labels.stride + label

    cdef void add(
        self, Py_ssize_t n, const label_t* truth, const label_t* tags, const label_t* others,
        double count, int what, ssvm_counts* mu,
    ) noexcept nogil:
        """Count parts that `tags` use at places where `others` (or NULL) do not use the same, but
        for those that touch a void position of `truth`."""
        cdef const ssvm_span_labels* labels = &self.labels
        cdef Py_ssize_t t, length, cell, first = n * labels.tag_stride
        cdef Py_ssize_t shared = first + ssvm_span_rows(n, labels.longest) * labels.stride
        cdef Py_ssize_t table = shared + labels.n_bins * labels.stride
        for t in range(n):
            if what == STEPS:
                cell = self.step(tags, t)
                if t and (truth[t - 1] == SSVM_VOID or truth[t] == SSVM_VOID):
                    continue
                if cell >= 0 and (others == NULL or self.step(others, t) != cell):
                    counts_add(mu, table + cell, count)
                continue
            length = self.segment(tags, n, t)
            if length == 0 or (
                others != NULL and tags[t] == others[t] and self.segment(others, n, t) == length
            ) or has_void(truth, t, min(t + length + 1, n)):
                continue
            if what == SEGMENTS:
                cell = ssvm_span_row(n, labels.longest, t, length)
                counts_add(mu, first + cell * labels.stride + self.label_of[tags[t]], count)
            else:
                cell = labels.bin[length - 1]
                counts_add(mu, shared + cell * labels.stride + self.label_of[tags[t]], count)
        if what == STEPS and n:
            cell = table + labels.n_labels * labels.stride
            if truth[0] != SSVM_VOID and (
                others == NULL or self.label_of[tags[0]] != self.label_of[others[0]]
            ):
                counts_add(mu, cell + self.label_of[tags[0]], count)
            if truth[n - 1] != SSVM_VOID and (
                others == NULL or self.label_of[tags[n - 1]] != self.label_of[others[n - 1]]
            ):
                counts_add(mu, cell + labels.stride + self.label_of[tags[n - 1]], count)

    cdef int count_parts(self, Py_ssize_t i, const label_t* tags, ssvm_counts* mu) except -1 nogil:
        cdef Py_ssize_t n = self.struct.n_labels[i], t, length = 0
        cdef int what
        for t in range(n):
            if not SSVM_VOID <= tags[t] < self.labels.n_tags:
                with gil:
                    raise ValueError(
                        f"tag {t} of example {i} is {tags[t]}, expected 0 to "
                        f"{self.labels.n_tags - 1}, or -1 for void"
                    )
            if tags[t] == SSVM_VOID or (t and tags[t - 1] == SSVM_VOID):
                length = tags[t] != SSVM_VOID  # a span may go on here
                continue
            if tags[t] == self.labels.first_tag[self.label_of[tags[t]]]:
                length = 0
            elif t == 0 or self.label_of[tags[t - 1]] != self.label_of[tags[t]]:
                with gil:
                    raise ValueError(f"tag {t} of example {i} goes on with a segment that is none")
            length += 1
            if length > self.labels.longest:
                with gil:
                    raise ValueError(
                        f"the segment of example {i} with position {t} has more than "
                        f"{self.labels.longest} positions"
                    )
        for t in range(n):
            if tags[t] != SSVM_VOID:
                counts_add(mu, t * self.labels.tag_stride + tags[t], 1.0)
        for what in range(SEGMENTS, STEPS + 1):
            if what != LENGTHS or self.labels.n_bins:
                self.add(n, tags, tags, NULL, 1.0, what, mu)
        return 0

    cdef int count_difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil:
        cdef Py_ssize_t n = self.struct.n_labels[i], t
        cdef int what
        for t in range(n):
            if y[t] != y_hat[t] and y[t] != SSVM_VOID:
                counts_add(mu, t * self.labels.tag_stride + y[t], 1.0)
                counts_add(mu, t * self.labels.tag_stride + y_hat[t], -1.0)
        for what in range(SEGMENTS, STEPS + 1):
            if what != LENGTHS or self.labels.n_bins:
                self.add(n, y, y, y_hat, 1.0, what, mu)
                self.add(n, y, y_hat, y, -1.0, what, mu)
        return 0


cdef bint has_void(const label_t* tags, Py_ssize_t start, Py_ssize_t stop) noexcept nogil:
    cdef Py_ssize_t t
    for t in range(start, stop):
        if tags[t] == SSVM_VOID:
            return True
    return False


cdef int spans_count(void* user, int64_t i, const int32_t* tags, ssvm_counts* mu) except -1 nogil:
    return (<SpanMaximizer> user).count_parts(i, tags, mu)


cdef int spans_difference(
    void* user, int64_t i, const int32_t* y, const int32_t* y_hat, ssvm_counts* mu
) except -1 nogil:
    return (<SpanMaximizer> user).count_difference(i, y, y_hat, mu)
