"""The n best label sequences of one chain, by best-first search from its end.

The forward pass of the Viterbi recursion gives the best score of a path to each label at each
position. So the best completion of a suffix, the labels from some position on, is known. A heap
returns suffixes in order of this score, and complete paths come out in order of their score.
"""

from libc.math cimport INFINITY
from libc.stdlib cimport free, malloc, realloc

from structsvm._typedefs cimport label_t

cdef struct Suffix:
    double total            # best score of a path with this suffix
    double behind           # score of the labels behind this position and the steps to them
    Py_ssize_t next         # the suffix without its first label, -1 at the end of the chain
    label_t label
    Py_ssize_t position


cdef struct Heap:
    Suffix* suffixes
    Py_ssize_t* order       # a binary heap of indices of suffixes
    Py_ssize_t n_suffixes, n_waiting, capacity


cdef bint comes_before(const Heap* heap, Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    """Higher totals first; then longer suffixes, to complete one path before the next; then in the
    order found."""
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
    """Remove the first suffix in order; returns its index."""
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
    const double* own, const double* transition, Py_ssize_t step, Py_ssize_t length,
    Py_ssize_t n_labels, Py_ssize_t stride, double* best,
) noexcept nogil:
    """best[t, k]: the score of the best path to label k at position t."""
    cdef Py_ssize_t t, i, k, K = n_labels
    cdef const double* square
    for k in range(K):
        best[k] = own[k]
    for t in range(1, length):
        square = transition + t * step
        for k in range(K):
            best[t * K + k] = -INFINITY
        for i in range(K):
            for k in range(K):
                best[t * K + k] = max(
                    best[t * K + k], best[(t - 1) * K + i] + square[i * stride + k]
                )
        for k in range(K):
            best[t * K + k] += own[t * stride + k]


cdef int n_best_paths(
    const double* own,           # IN   (length, stride): scores of positions, ends included
    const double* transition,    # IN   (n_labels, stride); for the step to t at `t * step`
    Py_ssize_t step, Py_ssize_t length, Py_ssize_t n_labels, Py_ssize_t stride, Py_ssize_t n,
    label_t* labels,             # OUT  (n, length)
    double* values,              # OUT  (n,): their scores
    Py_ssize_t* found,           # OUT  their number
) noexcept nogil:
    """The best sequences in order, length >= 1; returns -1 if there is no memory."""
    cdef Py_ssize_t k, s, t, K = n_labels
    cdef Suffix suffix, longer
    cdef const double* square
    cdef label_t* path
    cdef double value
    cdef Heap heap
    cdef int status = 0
    cdef double* best = <double*> malloc(max(length * K, <Py_ssize_t> 1) * sizeof(double))
    heap.suffixes, heap.order = NULL, NULL
    heap.n_suffixes = heap.n_waiting = heap.capacity = 0
    found[0] = 0
    if best == NULL:
        return -1
    forward(own, transition, step, length, K, stride, best)
    for k in range(K):
        if best[(length - 1) * K + k] > -INFINITY:
            suffix.total, suffix.behind, suffix.next = best[(length - 1) * K + k], 0.0, -1
            suffix.label, suffix.position = <label_t> k, length - 1
            status |= push(&heap, suffix)
    while found[0] < n and heap.n_waiting and status == 0:
        s = pop(&heap)
        suffix = heap.suffixes[s]
        t = suffix.position
        if t == 0:
            value = 0.0
            path = labels + found[0] * length
            while s >= 0:
                k = heap.suffixes[s].label
                path[t] = <label_t> k
                # Added in the order of the forward pass, for the same bits as Viterbi.
                if t > 0:
                    value += transition[t * step + path[t - 1] * stride + k]
                value += own[t * stride + k]
                s = heap.suffixes[s].next
                t += 1
            values[found[0]] = value
            found[0] += 1
            continue
        square = transition + t * step
        for k in range(K):
            longer.behind = (
                suffix.behind + own[t * stride + suffix.label] + square[k * stride + suffix.label]
            )
            longer.total = best[(t - 1) * K + k] + longer.behind
            if longer.total > -INFINITY:
                longer.next, longer.label, longer.position = s, <label_t> k, t - 1
                status |= push(&heap, longer)
    free(best)
    free(heap.suffixes)
    free(heap.order)
    return status


def n_best_chain(
    const double[:, ::1] own,             # IN   (length, K): scores of positions, ends included
    const double[:, :, ::1] transition,   # IN   (1, K, K), or (length, K, K): steps to each
    label_t[:, ::1] labels,               # OUT  (n, length)
    double[::1] values,                   # OUT  (n,): their scores
):
    """The best sequences in order, of length >= 1; returns their number."""
    cdef Py_ssize_t length = own.shape[0], n_labels = own.shape[1], n = labels.shape[0]
    cdef Py_ssize_t found = 0, step = 0 if transition.shape[0] == 1 else n_labels * n_labels
    cdef int status = 0
    if n and n_labels:
        with nogil:
            status = n_best_paths(
                &own[0, 0], &transition[0, 0, 0], step, length, n_labels, n_labels, n,
                &labels[0, 0], &values[0], &found,
            )
    if status:
        raise MemoryError(f"no memory for the {n} best of {length} positions, {n_labels} labels")
    return found
