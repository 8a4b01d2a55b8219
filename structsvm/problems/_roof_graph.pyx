"""The oracle of a graph by roof duality; see ``_roof_graph.pxd``."""

import numpy as np

from libc.math cimport fabs
from libc.stdint cimport int8_t, int32_t
from libc.stdlib cimport free, realloc

from structsvm._typedefs cimport label_t
from structsvm.inference._roof_duality cimport DoubledGraph
from structsvm.problems._factored cimport PartCounts, counts_add
from structsvm.problems._graph cimport VOID, GraphData, GraphRows, GraphStructure


cdef inline double ones(int label) noexcept nogil:
    """How much of a node has label 1."""
    return 0.5 if label < 0 else label


cdef class RoofGraphStructure(GraphStructure):
    """All labellings of a graph by two labels, and all points of the local polytope around them.

    Parameters
    ----------
    data : GraphData

    Attributes
    ----------
    exact : bool
        Whether all answers so far were labellings.
    """

    def __init__(self, GraphData data):
        super().__init__(data, 2, tables=True, by_cut=False)
        self.relaxed = self.exact = True
        self._graphs = []

    def __dealloc__(self):
        free(self._graph)

    cpdef int reserve(self, Py_ssize_t n_threads) except -1:
        cdef void** pointers
        cdef DoubledGraph graph
        GraphStructure.reserve(self, n_threads)
        n, m = self.data.largest()
        if n_threads > len(self._graphs):
            pointers = <void**> realloc(self._graph, n_threads * sizeof(void*))
            if pointers == NULL:
                raise MemoryError(f"no memory for {n_threads} threads")
            self._graph = pointers
            self._unary = np.zeros((n_threads, max(n, 1)))
            self._pairs = np.zeros((n_threads, max(m, 1)))
        while len(self._graphs) < n_threads:
            graph = DoubledGraph(n, m)
            self._graph[len(self._graphs)] = <void*> graph
            self._graphs.append(graph)
        return 0

    cdef int decide(self, Py_ssize_t i, const double* theta, int thread) except -1 nogil:
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef double* unary = &self._unary[thread, 0]
        cdef double* pairs = &self._pairs[thread, 0]
        cdef const double* t = theta + 2 * rows.n_nodes
        cdef Py_ssize_t k, e
        cdef double one, change
        for k in range(rows.n_nodes):
            unary[k] = theta[2 * k + 1] - theta[2 * k]
        for e in range(rows.n_edges):
            # What is large in all four scores cancels before anything small is added.
            one, change = t[3] - t[0], t[2] - t[1]
            unary[rows.edges[2 * e]] += (one + change) / 2
            unary[rows.edges[2 * e + 1]] += (one - change) / 2
            pairs[e] = (t[0] - t[1] + (t[3] - t[2])) / 2
            t += 4
        (<DoubledGraph> self._graph[thread]).cut(
            <int32_t> rows.n_nodes, <int32_t> rows.n_edges, unary, rows.edges, pairs
        )
        (<DoubledGraph> self._graph[thread]).decide(<int32_t> rows.n_nodes, <int32_t> rows.n_edges)
        return 0

    cdef int first_labels(
        self, Py_ssize_t i, const double* theta, int thread, label_t* y_hat
    ) except -1 nogil:
        cdef Py_ssize_t k
        cdef int label
        self.decide(i, theta, thread)
        GraphStructure.first_labels(self, i, theta, thread, y_hat)
        for k in range(self.data.rows[i].n_nodes):
            label = (<DoubledGraph> self._graph[thread]).labels[k]
            if label >= 0:
                y_hat[k] = label
        return 0

    cdef int relax(
        self, Py_ssize_t i, double* theta, const label_t* y, int thread, PartCounts* mu
    ) except -1 nogil:
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef const int8_t* labels = &(<DoubledGraph> self._graph[thread]).labels[0]
        cdef Py_ssize_t k, e, a, b, pair, part
        cdef double one, other, agree, both, count
        cdef double[4] shares
        if rows.n_nodes == 0:
            return 0
        self.check_scores(i, theta)
        self.decide(i, theta, thread)
        for k in range(rows.n_nodes):
            if y[k] == VOID:
                continue
            if labels[k] < 0:
                self.exact = False
            count = y[k] - ones(labels[k])
            if count != 0.0:
                counts_add(mu, 2 * k, -count)
                counts_add(mu, 2 * k + 1, count)
        for e in range(rows.n_edges):
            a, b = rows.edges[2 * e], rows.edges[2 * e + 1]
            if y[a] == VOID or y[b] == VOID:
                continue
            one, other = ones(labels[a]), ones(labels[b])
            agree = 1.0 - fabs(one - other)
            if one == 0.5 and other == 0.5:
                agree = 1.0 if self._pairs[thread, e] >= 0.0 else 0.0  # as the edge likes it
            both = (one + other + agree - 1.0) / 2
            shares[0], shares[1] = agree - both, other - both
            shares[2], shares[3] = one - both, both
            part = 2 * rows.n_nodes + 4 * e
            for pair in range(4):
                count = (1.0 if pair == 2 * y[a] + y[b] else 0.0) - shares[pair]
                if count != 0.0:
                    counts_add(mu, part + pair, count)
        return 0
