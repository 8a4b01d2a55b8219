"""Graphs without cycles as a maximizer; see ``_forest_maximizer.pxd``."""

import numpy as np

from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport label_t
from structsvm.inference._graph_maximizer cimport (
    EdgeList, GraphMaximizer, check_part_scores,
)
from structsvm.inference._trees cimport decode_forest, order_forest

from structsvm.inference._trees import closing_edge


cdef class ForestMaximizer(GraphMaximizer):
    """All labellings of graphs without cycles; O(n_nodes n_labels ** 2) with tables.

    Parameters
    ----------
    n_nodes, edges, n_labels, tables, n_own
        See `GraphMaximizer`. Scores of agreement may be negative.

    Raises
    ------
    ValueError
        As `GraphMaximizer`, or if a graph has a cycle.
    """

    def __init__(self, n_nodes, edges, Py_ssize_t n_labels, *, bint tables, n_own=None):
        cdef Py_ssize_t i, first
        cdef const EdgeList* graph
        cdef int64_t[::1] start
        cdef int32_t[::1] arcs, order, up
        super().__init__(n_nodes, edges, n_labels, tables=tables, by_cut=False, n_own=n_own)
        self._start = np.append(0, np.cumsum(n_nodes, dtype=np.int64))
        start = np.zeros(self.most_nodes + 2, dtype=np.int64)
        arcs = np.zeros(2 * self.most_edges + 1, dtype=np.int32)
        order = np.zeros(self._start[len(n_nodes)] + 1, dtype=np.int32)
        up = np.zeros(self._start[len(n_nodes)] + 1, dtype=np.int32)
        for i in range(len(n_nodes)):
            graph, first = &self.graphs[i], self._start[i]
            if (e := closing_edge(graph.n_nodes, self._held[i])) >= 0:
                raise ValueError(f"edge {e} of graph {i} closes a cycle: this is for trees")
            with nogil:
                order_forest(
                    graph.n_nodes, graph.n_edges, graph.edges, &start[0], &arcs[0], &order[first],
                    &up[first],
                )
        self._order, self._up = order, up
        self.struct.exact = True

    cdef int make_room(self, Py_ssize_t n_threads) except -1:
        return 0  # messages stand in the scores

    cdef int decode(
        self, Py_ssize_t i, double* theta, int thread, label_t* y_hat, double* value
    ) except -1 nogil:
        cdef const EdgeList* graph = &self.graphs[i]
        cdef Py_ssize_t k, first = self._start[i]
        cdef const double* pairs = theta + graph.n_nodes * self.width
        check_part_scores(
            i, theta, graph.n_nodes * self.width, graph.n_edges * self.pair_width, True
        )
        decode_forest(
            graph.n_nodes, self.width, graph.edges, NULL if self.tables else pairs,
            pairs if self.tables else NULL, self.pair_width, &self._order[first],
            &self._up[first], theta, y_hat, NULL, value,
        )
        for k in range(graph.n_nodes if self.n_own is not None else 0):
            y_hat[k] = min(y_hat[k], <label_t> self.n_labels_of(i, k) - 1)
        return 0
