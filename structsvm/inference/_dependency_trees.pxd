"""Dependency trees as a maximizer.

Tokens of a sentence are 1 to n, 0 is the root. The labels of an output are the heads of its tokens,
0 to n. Parts, with h a head, m a token and row = h * n + m - 1:

    row                                 an arc: h is the head of m
    (n + 1) * n + row * (n + 1) + s     siblings: s is the next child of h from m on the way to h;
                                        s = h: there is none, m is the first on its side
    (n + 1) * n + ((n + 1) * n + row) * (n + 1) + g
                                        grandparents: g is the head of h; none where h is the root

Arcs alone are of order 1; siblings are added at 2, grandparents at 3. Entries with h = m are parts,
too, but never used.
"""

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport ssvm_counts
from structsvm.inference._part_sets cimport ScratchMaximizer


cdef class DependencyTreeMaximizer(ScratchMaximizer):
    cdef readonly int order
    cdef readonly bint projective, single_root
    cdef int known_order(self, Py_ssize_t n, const label_t* heads) noexcept nogil
    cdef int count_parts(self, Py_ssize_t i, const label_t* heads, ssvm_counts* mu) except -1 nogil
    cdef int count_difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil
