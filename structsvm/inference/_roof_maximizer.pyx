"""Graphs by roof duality; see ``_roof_maximizer.pxd``."""

import numpy as np

from libc.math cimport fabs
from libc.stdint cimport int8_t, int32_t, int64_t
from libc.stdlib cimport free, realloc

from structsvm._typedefs cimport label_t
from structsvm.inference._graph_maximizer cimport EdgeList, GraphMaximizer
from structsvm.inference._maximizer cimport SSVM_VOID, counts_add, ssvm_counts, ssvm_relax
from structsvm.inference._roof_duality cimport DoubledGraph


cdef inline double ones(int label) noexcept nogil:
    """Fraction of label 1 at a node."""
    return 0.5 if label < 0 else label


cdef class RoofGraphMaximizer(GraphMaximizer):
    """All labellings of graphs with two labels, and all points of their local polytopes.

    Parameters
    ----------
    n_nodes, edges, n_own, forests
        See `GraphMaximizer`.
    """

    def __init__(self, n_nodes, edges, *, n_own=None, bint forests=False):
        super().__init__(
            n_nodes, edges, 2, tables=True, by_cut=False, n_own=n_own, forests=forests
        )
        self.struct.n_counts = max(self.struct.n_counts, self.most_parts)
        self.struct.relax = <ssvm_relax> roof_relax
        self.struct.exact = True  # outputs of `relax` are best ones
        self._graphs = []

    def __dealloc__(self):
        free(self._graph)

    cdef int make_room(self, Py_ssize_t n_threads) except -1:
        cdef void** pointers
        cdef DoubledGraph graph
        GraphMaximizer.make_room(self, n_threads)
        n, m = self.most_nodes, self.most_edges
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
        cdef const EdgeList* graph = &self.graphs[i]
        cdef double* unary = &self._unary[thread, 0]
        cdef double* pairs = &self._pairs[thread, 0]
        cdef const double* t = theta + 2 * graph.n_nodes
        cdef Py_ssize_t k, e
        cdef double one, change
        for k in range(graph.n_nodes):
            unary[k] = theta[2 * k + 1] - theta[2 * k]
        for e in range(graph.n_edges):
            # Large terms that all four scores share cancel before small ones are added.
            one, change = t[3] - t[0], t[2] - t[1]
            unary[graph.edges[2 * e]] += (one + change) / 2
            unary[graph.edges[2 * e + 1]] += (one - change) / 2
            pairs[e] = (t[0] - t[1] + (t[3] - t[2])) / 2
            t += 4
        (<DoubledGraph> self._graph[thread]).cut(
            <int32_t> graph.n_nodes, <int32_t> graph.n_edges, unary, graph.edges, pairs
        )
        (<DoubledGraph> self._graph[thread]).decide(
            <int32_t> graph.n_nodes, <int32_t> graph.n_edges
        )
        for k in range(graph.n_nodes if self.n_own is not None else 0):
            if self.n_labels_of(i, k) == 1:
                (<DoubledGraph> self._graph[thread]).labels[k] = 0
        return 0

    cdef int first_labels(
        self, Py_ssize_t i, const double* theta, int thread, label_t* y_hat
    ) except -1 nogil:
        cdef Py_ssize_t k
        cdef int label
        self.decide(i, theta, thread)
        GraphMaximizer.first_labels(self, i, theta, thread, y_hat)
        for k in range(self.graphs[i].n_nodes):
            label = (<DoubledGraph> self._graph[thread]).labels[k]
            if label >= 0:
                y_hat[k] = label
        return 0

    cdef int answer(
        self, Py_ssize_t i, double* theta, int thread, const label_t* y, ssvm_counts* mu,
        int32_t* is_output,
    ) except -1 nogil:
        cdef const EdgeList* graph = &self.graphs[i]
        cdef const int8_t* labels = &(<DoubledGraph> self._graph[thread]).labels[0]
        cdef Py_ssize_t k, e, a, b, pair, part
        cdef double one, other, agree, both, count
        cdef double[4] shares
        is_output[0] = 1
        if graph.n_nodes == 0:
            return 0
        if self.is_forest(i):
            return self.tree_answer(i, theta, thread, y, mu)
        self.check_scores(i, theta)
        self.decide(i, theta, thread)
        for k in range(graph.n_nodes):
            if y[k] == SSVM_VOID:
                continue
            if labels[k] < 0:
                is_output[0] = 0
            count = y[k] - ones(labels[k])
            if count != 0.0:
                counts_add(mu, 2 * k, -count)
                counts_add(mu, 2 * k + 1, count)
        for e in range(graph.n_edges):
            a, b = graph.edges[2 * e], graph.edges[2 * e + 1]
            if y[a] == SSVM_VOID or y[b] == SSVM_VOID:
                continue
            one, other = ones(labels[a]), ones(labels[b])
            agree = 1.0 - fabs(one - other)
            if one == 0.5 and other == 0.5:
                agree = 1.0 if self._pairs[thread, e] >= 0.0 else 0.0  # whichever scores more
            both = (one + other + agree - 1.0) / 2
            shares[0], shares[1] = agree - both, other - both
            shares[2], shares[3] = one - both, both
            part = 2 * graph.n_nodes + 4 * e
            for pair in range(4):
                count = (1.0 if pair == 2 * y[a] + y[b] else 0.0) - shares[pair]
                if count != 0.0:
                    counts_add(mu, part + pair, count)
        return 0


cdef int roof_relax(
    void* user, int64_t i, int32_t thread, double* theta, const int32_t* y, ssvm_counts* mu,
    int32_t* is_output,
) except -1 nogil:
    return (<RoofGraphMaximizer> user).answer(i, theta, thread, y, mu, is_output)
