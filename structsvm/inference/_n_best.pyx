"""The n best label sequences of one chain, by best-first search from its end.

The forward pass of the Viterbi recursion tells for each position and label the best score of a path
that ends there. A suffix of a path, the labels from some position on, therefore has a known best
completion; suffixes are taken from a heap by it, so that complete paths come out in order of score.
"""

import numpy as np

from libc.math cimport INFINITY
from libc.stdlib cimport free, realloc

from structsvm._typedefs cimport label_t

cdef struct Suffix:
    double total            # the best score of a path that ends so
    double behind           # what the labels behind this position and the steps to them add
    Py_ssize_t next         # the suffix without its first label, -1 at the end of the chain
    label_t label
    Py_ssize_t position


cdef struct Heap:
    Suffix* suffixes
    Py_ssize_t* order       # a binary heap of numbers of suffixes
    Py_ssize_t n_suffixes, n_waiting, capacity


cdef bint comes_before(const Heap* heap, Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """Higher totals first; then longer suffixes, which finishes one path before the next; then
    those found first."""
    cdef const Suffix* x = &heap.suffixes[a]
    cdef const Suffix* y = &heap.suffixes[b]
    if x.total != y.total:
        return x.total > y.total
    if x.position != y.position:
        return x.position < y.position
    return a < b


cdef int push(Heap* heap, Suffix suffix) noexcept nogil:
    """Add a suffix; -1 if there is no memory."""
    cdef Py_ssize_t capacity, place, parent
    cdef void* block
    if heap.n_suffixes == heap.capacity:
        capacity = max(2 * heap.capacity, <Py_ssize_t> 256)
        block = realloc(heap.suffixes, capacity * sizeof(Suffix))
        if block == NULL:
            return -1
        heap.suffixes = <Suffix*> block
        block = realloc(heap.order, capacity * sizeof(Py_ssize_t))
        if block == NULL:
            return -1
        heap.order = <Py_ssize_t*> block
        heap.capacity = capacity
    heap.suffixes[heap.n_suffixes] = suffix
    place = heap.n_waiting
    heap.order[place] = heap.n_suffixes
    heap.n_suffixes += 1
    heap.n_waiting += 1
    while place > 0:
        parent = (place - 1) // 2
        if not comes_before(heap, heap.order[place], heap.order[parent]):
            break
        heap.order[place], heap.order[parent] = heap.order[parent], heap.order[place]
        place = parent
    return 0


cdef Py_ssize_t pop(Heap* heap) noexcept nogil:
    """The number of the first suffix in order, taken off."""
    cdef Py_ssize_t top = heap.order[0], place = 0, child
    heap.n_waiting -= 1
    heap.order[0] = heap.order[heap.n_waiting]
    while 2 * place + 1 < heap.n_waiting:
        child = 2 * place + 1
        if child + 1 < heap.n_waiting and comes_before(
            heap, heap.order[child + 1], heap.order[child]
        ):
            child += 1
        if not comes_before(heap, heap.order[child], heap.order[place]):
            break
        heap.order[place], heap.order[child] = heap.order[child], heap.order[place]
        place = child
    return top


cdef void forward(
    const double[:, ::1] own, const double[:, :, ::1] transition, double[:, ::1] best
) noexcept nogil:
    """best[t, k]: the score of the best path that ends at t with k."""
    cdef Py_ssize_t t, i, k, matrix
    for k in range(own.shape[1]):
        best[0, k] = own[0, k]
    for t in range(1, own.shape[0]):
        matrix = t if transition.shape[0] > 1 else 0
        for i in range(own.shape[1]):
            for k in range(own.shape[1]):
                best[t, k] = max(best[t, k], best[t - 1, i] + transition[matrix, i, k])
        for k in range(own.shape[1]):
            best[t, k] += own[t, k]


def n_best_chain(
    const double[:, ::1] own,             # IN   (length, K): scores of positions, ends included
    const double[:, :, ::1] transition,   # IN   (1, K, K), or (length, K, K): entering each
    label_t[:, ::1] labels,               # OUT  (n, length)
    double[::1] values,                   # OUT  (n,): their scores
):
    """The best sequences in order, one or more positions long; returns how many there are."""
    cdef Py_ssize_t length = own.shape[0], n_labels = own.shape[1], n = labels.shape[0]
    cdef Py_ssize_t found = 0, k, s, t, matrix
    cdef bint shared = transition.shape[0] == 1
    cdef Suffix suffix, longer
    cdef double value
    cdef Heap heap
    cdef double[:, ::1] best = np.full((length, n_labels), -INFINITY)
    heap.suffixes, heap.order = NULL, NULL
    heap.n_suffixes = heap.n_waiting = heap.capacity = 0
    cdef int status = 0
    with nogil:
        forward(own, transition, best)
        for k in range(n_labels):
            if best[length - 1, k] > -INFINITY:
                suffix.total, suffix.behind, suffix.next = best[length - 1, k], 0.0, -1
                suffix.label, suffix.position = <label_t> k, length - 1
                status |= push(&heap, suffix)
        while found < n and heap.n_waiting and status == 0:
            s = pop(&heap)
            suffix = heap.suffixes[s]
            t = suffix.position
            if t == 0:
                value = 0.0
                while s >= 0:
                    k = heap.suffixes[s].label
                    labels[found, t] = <label_t> k
                    # In the order of the forward pass: the best has the very bits of its score.
                    if t > 0:
                        value += transition[0 if shared else t, labels[found, t - 1], k]
                    value += own[t, k]
                    s = heap.suffixes[s].next
                    t += 1
                values[found] = value
                found += 1
                continue
            matrix = 0 if shared else t
            for k in range(n_labels):
                longer.behind = (
                    suffix.behind + own[t, suffix.label] + transition[matrix, k, suffix.label]
                )
                longer.total = best[t - 1, k] + longer.behind
                if longer.total > -INFINITY:
                    longer.next, longer.label, longer.position = s, <label_t> k, t - 1
                    status |= push(&heap, longer)
    free(heap.suffixes)
    free(heap.order)
    if status:
        raise MemoryError(f"no memory for the {n} best of {length} positions, {n_labels} labels")
    return found
