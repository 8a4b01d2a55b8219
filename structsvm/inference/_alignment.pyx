"""Alignments of two sequences as a maximizer; parts are laid out in ``_alignment.pxd``."""

from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport counts_add, ssvm_count, ssvm_counts, ssvm_difference
from structsvm.inference._part_sets cimport ScratchMaximizer, table_bytes

cdef extern from "structsvm/inference/alignment.h" nogil:
    ctypedef struct ssvm_gaps:
        double open, extend, end_open, end_extend
    double ssvm_alignment_scratch(Py_ssize_t n, Py_ssize_t m)
    double ssvm_best_alignment(
        const double* theta, const ssvm_gaps* gaps, Py_ssize_t n, Py_ssize_t m, double* scratch,
        int32_t* partner,
    )

#: What gaps before the first and after the last pair may score.
ENDS = ("same", "own", "free")


cdef class AlignmentMaximizer(ScratchMaximizer):
    """The alignments of pairs of sequences, with affine scores of gaps.

    Parameters
    ----------
    lengths, others : int64 arrays of shape (n_examples,)
        Numbers of positions of the first and of the second sequences.
    ends : {"same", "own", "free"}
        What gaps before the first and after the last pair score: what others do, scores of their
        own, or nothing.

    Raises
    ------
    ValueError
        If an example has 2**31 parts or more, or the search would take more than 4 GiB of tables.
    """

    def __cinit__(self):
        self.others = None

    def __init__(self, lengths, others, str ends):
        cdef double room = 0.0
        self.others = others
        self.ends = ENDS.index(ends)
        sizes = []
        for i, (n, m) in enumerate(zip(lengths, others, strict=True)):
            n_parts = int(n) * int(m) + (4 if self.ends == OWN else 2)
            if n_parts >= 2**31:
                raise ValueError(
                    f"example {i} has sequences of {n} and {m} positions, and {n_parts} parts; at "
                    "most 2**31 - 1 can be counted"
                )
            sizes.append(n_parts)
            room = max(room, ssvm_alignment_scratch(n, m))
        self.set_sizes(sizes, lengths, max(lengths, default=0) + 4)
        self.set_scratch(table_bytes(room * sizeof(double)))
        self.struct.count = <ssvm_count> alignment_count
        self.struct.difference = <ssvm_difference> alignment_difference

    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* labels, double* value
    ) except -1 nogil:
        cdef Py_ssize_t n = self.struct.n_labels[i], m = self.others[i]
        cdef const double* scores = theta + n * m
        cdef ssvm_gaps gaps
        gaps.open, gaps.extend = scores[0], scores[1]
        gaps.end_open = gaps.end_extend = 0.0
        if self.ends == SAME:
            gaps.end_open, gaps.end_extend = scores[0], scores[1]
        elif self.ends == OWN:
            gaps.end_open, gaps.end_extend = scores[2], scores[3]
        value[0] = ssvm_best_alignment(theta, &gaps, n, m, <double*> scratch, labels)
        return 0

    cdef void gaps_of(self, Py_ssize_t i, const label_t* y, int32_t* counts) noexcept nogil:
        """counts OUT (4,): gaps, their positions, and both at the ends."""
        cdef Py_ssize_t n = self.struct.n_labels[i], m = self.others[i]
        cdef Py_ssize_t last = 0, j = 0, k, place = 0
        cdef Py_ssize_t[2] gap
        cdef bint outer
        counts[0] = counts[1] = counts[2] = counts[3] = 0
        for k in range(n + 1):
            if k < n and y[k] == 0:
                continue
            gap[0] = k - last
            gap[1] = (y[k] - 1 if k < n else m) - j
            outer = last == 0 and j == 0 or k == n
            place = 2 if outer and self.ends != SAME else 0
            counts[place] += (gap[0] > 0) + (gap[1] > 0)
            counts[place + 1] += <int32_t> (gap[0] + gap[1])
            if k < n:
                last, j = k + 1, y[k]

    cdef int check(self, Py_ssize_t i, const label_t* y) except -1 nogil:
        cdef Py_ssize_t k, last = 0
        for k in range(self.struct.n_labels[i]):
            if y[k] == 0:
                continue
            if not last < y[k] <= self.others[i]:
                with gil:
                    raise ValueError(
                        f"position {k} of example {i} is aligned with {y[k] - 1}, expected {last} "
                        f"to {self.others[i] - 1}: pairs rise in both sequences"
                    )
            last = y[k]
        return 0

    cdef int count_parts(self, Py_ssize_t i, const label_t* y, ssvm_counts* mu) except -1 nogil:
        cdef Py_ssize_t n = self.struct.n_labels[i], m = self.others[i], k
        cdef int32_t[4] counts
        self.check(i, y)
        for k in range(n):
            if y[k]:
                counts_add(mu, k * m + y[k] - 1, 1.0)
        self.gaps_of(i, y, counts)
        for k in range(4 if self.ends == OWN else 2):
            if counts[k]:
                counts_add(mu, n * m + k, counts[k])
        return 0

    cdef int count_difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil:
        cdef Py_ssize_t n = self.struct.n_labels[i], m = self.others[i], k
        cdef int32_t[4] right
        cdef int32_t[4] found
        for k in range(n):
            if y[k] != y_hat[k]:
                if y[k]:
                    counts_add(mu, k * m + y[k] - 1, 1.0)
                if y_hat[k]:
                    counts_add(mu, k * m + y_hat[k] - 1, -1.0)
        self.gaps_of(i, y, right)
        self.gaps_of(i, y_hat, found)
        for k in range(4 if self.ends == OWN else 2):
            if right[k] != found[k]:
                counts_add(mu, n * m + k, right[k] - found[k])
        return 0


cdef int alignment_count(
    void* user, int64_t i, const int32_t* labels, ssvm_counts* mu
) except -1 nogil:
    return (<AlignmentMaximizer> user).count_parts(i, labels, mu)


cdef int alignment_difference(
    void* user, int64_t i, const int32_t* y, const int32_t* y_hat, ssvm_counts* mu
) except -1 nogil:
    return (<AlignmentMaximizer> user).count_difference(i, y, y_hat, mu)
