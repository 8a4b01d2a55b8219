"""The best items as a maximizer: part p is item p."""

from libc.float cimport DBL_MAX
from libc.stdint cimport int32_t, int64_t

import numpy as np

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport SSVM_VOID
from structsvm.inference._part_sets cimport PartSetMaximizer


cdef extern from "structsvm/inference/subset.h" nogil:
    int64_t ssvm_best_items(
        const double* number, int64_t n, int64_t k, double floor, int32_t* found
    )


cdef double LEAST_POSITIVE = 5e-324


cdef Py_ssize_t choose(
    const double* scores, Py_ssize_t n, Py_ssize_t k, bint at_most, label_t* items, double* value
) noexcept nogil:
    """Returns the number of items, less than k without `at_most` only if too few are allowed."""
    cdef Py_ssize_t m
    cdef Py_ssize_t found = ssvm_best_items(
        scores, n, k, LEAST_POSITIVE if at_most else -DBL_MAX, items
    )
    value[0] = 0.0
    for m in range(found):
        value[0] += scores[items[m]]
    return found


cdef class SubsetMaximizer(PartSetMaximizer):
    """Subsets of k items, or of at most k.

    Parameters
    ----------
    n_parts : sequence of int
        Number of items of each example.
    k : sequence of int
        Number of items of an output of each example; 0 to `n_parts`.
    at_most : bool
        Whether an output may have fewer.
    """
    cdef bint at_most

    def __init__(self, n_parts, k, *, bint at_most):
        self.at_most = at_most
        self.set_outputs(n_parts, k, 0)

    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* labels, double* value
    ) except -1 nogil:
        cdef Py_ssize_t m, k = self.struct.n_labels[i]
        cdef Py_ssize_t found = choose(
            theta, self.struct.n_parts[i], k, self.at_most, labels, value
        )
        if found < k and not self.at_most:
            with gil:
                raise ValueError(
                    f"example {i}: {found} items have a score above -inf, expected {k} or more"
                )
        for m in range(found, k):
            labels[m] = SSVM_VOID
        return 0


def choose_items(const double[::1] scores, Py_ssize_t k, bint at_most):
    """The best items, ascending, and their score."""
    cdef double value = 0.0
    cdef Py_ssize_t found = 0
    items = np.empty(k, dtype=np.int32)
    cdef label_t[::1] own = items
    if k:
        with nogil:
            found = choose(&scores[0], scores.shape[0], k, at_most, &own[0], &value)
    return items[:found], value
