"""Weighted interval scheduling as a maximizer: part k is interval k."""

from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport calloc, free
from libc.string cimport memset

from structsvm._typedefs cimport label_t
from structsvm.inference._part_sets cimport PartSetMaximizer, aligned, write_parts


cdef struct Intervals:
    Py_ssize_t n
    const int32_t* order    # (n,): intervals by their ends
    const int32_t* before   # (n,): number of intervals that end by the start of the k-th of them


cdef void schedule(
    const Intervals* intervals, const double* theta, double* best, uint8_t* used
) noexcept nogil:
    """Mark the best intervals; best is (n + 1,): of the first k by their ends."""
    cdef Py_ssize_t k = 0
    best[0] = 0.0
    for k in range(intervals.n):
        best[k + 1] = max(best[k], best[intervals.before[k]] + theta[intervals.order[k]])
    memset(used, 0, intervals.n)
    k = intervals.n
    while k:
        if best[k] == best[k - 1]:
            k -= 1
        else:
            used[intervals.order[k - 1]] = 1
            k = intervals.before[k - 1]


cdef class IntervalMaximizer(PartSetMaximizer):
    """The sets of intervals of which no two overlap.

    Parameters
    ----------
    order, before : sequences of int32 arrays of shape (n_intervals,)
        Intervals by their ends, and how many end by the start of the k-th of them, as
        `structsvm.inference.best_intervals` sorts them; examples may share arrays. Nothing is
        copied.
    """
    cdef Intervals* _intervals
    cdef list _held

    def __init__(self, order, before):
        cdef Py_ssize_t i, k, last, count, n = len(order)
        cdef const int32_t[::1] view, starts
        cdef size_t most = 0
        self._held = [list(order), list(before)]
        self._intervals = <Intervals*> calloc(max(n, 1), sizeof(Intervals))
        if self._intervals == NULL:
            raise MemoryError(f"no memory for {n} sets of intervals")
        n_labels, known = [], {}
        for i in range(n):
            view, starts = self._held[0][i], self._held[1][i]
            self._intervals[i].n = view.shape[0]
            if view.shape[0]:
                self._intervals[i].order, self._intervals[i].before = &view[0], &starts[0]
            most = max(most, aligned((view.shape[0] + 1) * sizeof(double)) + view.shape[0])
            key = id(self._held[1][i])
            if key not in known:
                # Most intervals without overlap: whichever ends first is one of them.
                last = count = 0
                for k in range(view.shape[0]):
                    if starts[k] >= last:
                        count += 1
                        last = k + 1
                known[key] = count
            n_labels.append(known[key])
        self.set_outputs([self._intervals[i].n for i in range(n)], n_labels, most)

    def __dealloc__(self):
        free(self._intervals)

    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* labels, double* value
    ) except -1 nogil:
        cdef Intervals* intervals = &self._intervals[i]
        cdef uint8_t* used = <uint8_t*> (scratch + aligned((intervals.n + 1) * sizeof(double)))
        schedule(intervals, theta, <double*> scratch, used)
        value[0] = write_parts(used, theta, intervals.n, labels, self.struct.n_labels[i])
        return 0
