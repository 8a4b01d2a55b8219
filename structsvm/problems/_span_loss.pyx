"""The number of wrong spans as a task loss."""

from structsvm._typedefs cimport label_t
from structsvm.inference._spans cimport SpanMaximizer, ssvm_span_labels, ssvm_span_row
from structsvm.problems._losses cimport PartLoss


cdef class SpanLoss(PartLoss):
    """The spans that are in one of two segmentations and not in the other with the same label.

    Each segment costs 1, but true ones -1; with the number of true ones added, missed ones count.

    Parameters
    ----------
    maximizer : SpanMaximizer
    outside : int
        The label of positions outside of spans, whose segments do not count; -1: all count.
    """

    def __init__(self, SpanMaximizer maximizer, Py_ssize_t outside):
        self.maximizer = maximizer
        self.outside = outside

    cdef double augment(self, Py_ssize_t i, const label_t* y, double* theta) noexcept nogil:
        cdef const ssvm_span_labels* labels = &self.maximizer.labels
        cdef Py_ssize_t n = self.maximizer.struct.n_labels[i], t, k, length
        cdef double* whole = theta + n * labels.tag_stride
        cdef double n_true = 0.0
        for t in range(n):
            for k in range(labels.n_labels):
                if k != self.outside:
                    theta[t * labels.tag_stride + labels.first_tag[k]] += 1.0
            length = self.counted(y, n, t)
            if length:
                k = ssvm_span_row(n, labels.longest, t, length)
                whole[k * labels.stride + self.maximizer.label_of[y[t]]] -= 2.0
                n_true += 1.0
        return n_true

    cdef Py_ssize_t counted(self, const label_t* tags, Py_ssize_t n, Py_ssize_t t) noexcept nogil:
        """The length of the span that begins at t, 0 if none does."""
        if self.maximizer.label_of[tags[t]] == self.outside:
            return 0
        return self.maximizer.segment(tags, n, t)

    cdef double value(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat
    ) noexcept nogil:
        cdef Py_ssize_t n = self.maximizer.struct.n_labels[i], t, true, found
        cdef double total = 0.0
        for t in range(n):
            true, found = self.counted(y, n, t), self.counted(y_hat, n, t)
            if true != found or (true and y[t] != y_hat[t]):
                total += (true > 0) + (found > 0)
        return total

    cdef int check(self, Py_ssize_t i, const label_t* labels) except -1 nogil:
        cdef Py_ssize_t t
        for t in range(self.maximizer.struct.n_labels[i]):
            if not 0 <= labels[t] < self.maximizer.labels.n_tags:
                with gil:
                    raise ValueError(
                        f"tag {t} of example {i} is {labels[t]}, expected 0 to "
                        f"{self.maximizer.labels.n_tags - 1}"
                    )
        return 0
