"""0-1 knapsacks as a maximizer: part k is item k."""

import numpy as np

from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from structsvm._typedefs cimport label_t
from structsvm.inference._part_sets cimport PartSetMaximizer, aligned, write_parts


cdef extern from "structsvm/inference/knapsack.h" nogil:
    uint64_t ssvm_knapsack_rooms(
        const double* kept, Py_ssize_t room, Py_ssize_t weight, double score, double* best
    )


cdef struct Items:
    Py_ssize_t n
    Py_ssize_t capacity     # at most the sum of all weights
    const int64_t* weights


cdef Py_ssize_t n_words(Py_ssize_t capacity) noexcept nogil:
    """Words of one item's row of the table: a bit for each room from 0 to the capacity."""
    return capacity // 64 + 1


cdef size_t knapsack_bytes(const Items* items) noexcept nogil:
    cdef Py_ssize_t words = n_words(items.capacity)
    return (
        aligned(items.n * words * sizeof(uint64_t)) + 2 * aligned(64 * words * sizeof(double))
        + aligned(items.n)
    )


cdef void fill(
    const Items* items, const double* theta, char* scratch, uint8_t* used
) noexcept nogil:
    """Mark the items of the best set, of several the one that leaves out the first in dispute."""
    cdef Py_ssize_t words = n_words(items.capacity), room = items.capacity, need = 0, k, word
    cdef uint64_t* taken = <uint64_t*> scratch
    cdef double* best
    cdef double* kept
    scratch += aligned(items.n * words * sizeof(uint64_t))
    kept = <double*> scratch
    best = <double*> (scratch + aligned(64 * words * sizeof(double)))
    memset(kept, 0, 64 * words * sizeof(double))
    memset(best, 0, 64 * words * sizeof(double))
    memset(used, 0, items.n)
    for k in range(items.n):
        if theta[k] > 0.0 and items.weights[k] <= items.capacity:
            need += items.weights[k]
    # From the last item to the first. `need` is the weight of those before, which leave so much
    # room at least; scores of less room are not looked at.
    for k in range(items.n - 1, -1, -1):
        if theta[k] > 0.0 and items.weights[k] <= items.capacity:
            need -= items.weights[k]
            for word in range(max(items.capacity - need, <Py_ssize_t> 0) // 64, words):
                taken[k * words + word] = ssvm_knapsack_rooms(
                    kept, 64 * word, items.weights[k], theta[k], best
                )
            kept, best = best, kept
    for k in range(items.n):
        if theta[k] > 0.0 and items.weights[k] <= room and (
            taken[k * words + room // 64] >> (room % 64) & 1
        ):
            used[k] = 1
            room -= items.weights[k]


cdef class KnapsackMaximizer(PartSetMaximizer):
    """The sets of items whose weights sum to the capacity at most.

    Parameters
    ----------
    weights : sequence of int64 arrays of shape (n_items,)
        Weights >= 0, checked by `structsvm.inference.knapsack`; examples may share arrays. Nothing
        is copied.
    capacities : sequence of int
        Not negative, and so that the tables fit into memory.
    """
    cdef Items* _items
    cdef list _held

    def __init__(self, weights, capacities):
        cdef Py_ssize_t i, n = len(weights)
        cdef const int64_t[::1] view
        cdef size_t most = 0
        self._held = list(weights)
        self._items = <Items*> calloc(max(n, 1), sizeof(Items))
        if self._items == NULL:
            raise MemoryError(f"no memory for {n} knapsacks")
        n_labels, known = [], {}
        for i in range(n):
            view = self._held[i]
            self._items[i].n, self._items[i].capacity = view.shape[0], capacities[i]
            self._items[i].weights = &view[0] if view.shape[0] else NULL
            most = max(most, knapsack_bytes(&self._items[i]))
            key = id(self._held[i]), capacities[i]
            if key not in known:
                lightest = np.cumsum(np.sort(self._held[i]))
                known[key] = np.searchsorted(lightest, capacities[i], side="right")
            n_labels.append(known[key])
        self.set_outputs([self._items[i].n for i in range(n)], n_labels, most)

    def __dealloc__(self):
        free(self._items)

    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* labels, double* value
    ) except -1 nogil:
        cdef Items* items = &self._items[i]
        cdef uint8_t* used = <uint8_t*> scratch
        fill(items, theta, scratch + aligned(items.n), used)
        value[0] = write_parts(used, theta, items.n, labels, self.struct.n_labels[i])
        return 0
