"""Graphs by their relaxation; see ``_relaxed_maximizer.pxd``."""

import numpy as np

from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from structsvm._typedefs cimport label_t
from structsvm.inference._graph_maximizer cimport EdgeList, GraphMaximizer
from structsvm.inference._maximizer cimport SSVM_VOID, counts_add, ssvm_counts, ssvm_relax
from structsvm.inference._relaxation cimport TreeReweighted


cdef class RelaxedGraphMaximizer(GraphMaximizer):
    """All labellings of graphs, and all points of their local polytopes.

    Parameters
    ----------
    n_nodes, edges, n_labels, tables, n_own, forests
        See `GraphMaximizer`.
    tolerance : float64 array of shape (n_graphs,)
        How far the value of the point for each graph may stay below the best value.
    max_sweeps : int, default=200
        Stop after so many sweeps over the messages, even above the tolerance.
    most_entries : int, default=2**62
        Graphs whose edges have more scores than this are decoded by expansions only. They cannot
        be trained on: `relax` raises.

    Attributes
    ----------
    missed : float64 array of shape (n_graphs,)
        Bound on how far the value of the last point for each graph is below the best value. So the
        hinge over the polytope is at most the hinge of the plane plus this. NaN before the first
        call of `relax`.

    Raises
    ------
    ValueError
        As `GraphMaximizer`, or if there is not one tolerance for each graph.
    """

    def __init__(
        self, n_nodes, edges, Py_ssize_t n_labels, *, bint tables, tolerance,
        Py_ssize_t max_sweeps=200, Py_ssize_t most_entries=2**62, n_own=None,
        bint forests=False,
    ):
        cdef Py_ssize_t i, most_counts = 0
        super().__init__(
            n_nodes, edges, n_labels, tables=tables, by_cut=False, n_own=n_own, forests=forests
        )
        self.most_entries = most_entries
        for i in range(self.n_examples):
            if self.is_forest(i):
                continue
            if self.graphs[i].n_edges * self.pair_width <= most_entries:
                self.n_nodes = max(self.n_nodes, self.graphs[i].n_nodes)
                self.n_edges = max(self.n_edges, self.graphs[i].n_edges)
                most_counts = max(most_counts, self.struct.n_parts[i])
        self.struct.n_counts = max(self.struct.n_counts, most_counts)
        self.struct.relax = <ssvm_relax> graph_relax
        self.struct.exact = forests  # outputs of `relax`, those of trees, are best ones
        self.tolerance = tolerance
        if self.tolerance.shape[0] != self.n_examples:
            raise ValueError(
                f"{self.tolerance.shape[0]} tolerances for {self.n_examples} examples"
            )
        self.max_sweeps = max_sweeps
        self._relaxations = []
        self.missed = self._missed = np.full(self.n_examples, np.nan)

    def __dealloc__(self):
        free(self._relaxation)

    cdef int make_room(self, Py_ssize_t n_threads) except -1:
        cdef void** pointers
        cdef TreeReweighted relaxation
        GraphMaximizer.make_room(self, n_threads)
        if n_threads > len(self._relaxations):
            pointers = <void**> realloc(self._relaxation, n_threads * sizeof(void*))
            if pointers == NULL:
                raise MemoryError(f"no memory for {n_threads} threads")
            self._relaxation = pointers
        while len(self._relaxations) < n_threads:
            relaxation = TreeReweighted(self.n_nodes, self.n_edges, self.width)
            if self.tables:
                relaxation.reserve_tables()
            self._relaxation[len(self._relaxations)] = <void*> relaxation
            self._relaxations.append(relaxation)
        return 0

    cdef int run(
        self, TreeReweighted relaxation, Py_ssize_t i, const double* theta
    ) except -1 nogil:
        cdef const EdgeList* graph = &self.graphs[i]
        cdef const double* pairs = theta + graph.n_nodes * self.width
        # Images of one shape share their edges.
        if relaxation.graph.edges != graph.edges or relaxation.graph.n_edges != graph.n_edges or (
            relaxation.graph.n_nodes != graph.n_nodes
        ):
            relaxation.connect(graph.n_nodes, graph.n_edges, graph.edges)
        relaxation.take_scores(
            theta, NULL if self.tables else pairs, pairs if self.tables else NULL, graph.n_edges
        )
        if not isfinite(relaxation.scale):
            with gil:
                raise ValueError(
                    f"X[{i}] has scores whose ranges add up to {relaxation.scale}: their sums "
                    "overflow; scale the features or the weights down"
                )
        relaxation.run(
            self.tolerance[i] / relaxation.scale if relaxation.scale > 0.0 else 0.0,
            self.max_sweeps, False,
        )
        return 0

    cdef int first_labels(
        self, Py_ssize_t i, const double* theta, int thread, label_t* y_hat
    ) except -1 nogil:
        if self.graphs[i].n_edges * self.pair_width > self.most_entries:
            return GraphMaximizer.first_labels(self, i, theta, thread, y_hat)
        self.run(<TreeReweighted> self._relaxation[thread], i, theta)
        memcpy(
            y_hat, &(<TreeReweighted> self._relaxation[thread]).labels[0],
            self.graphs[i].n_nodes * sizeof(label_t),
        )
        return 0

    cdef int answer(
        self, Py_ssize_t i, double* theta, int thread, const label_t* y, ssvm_counts* mu,
        int32_t* is_output,
    ) except -1 nogil:
        is_output[0] = self.is_forest(i)
        if is_output[0]:
            self._missed[i] = 0.0
            return self.tree_answer(i, theta, thread, y, mu)
        if self.graphs[i].n_edges * self.pair_width > self.most_entries:
            with gil:
                raise ValueError(
                    f"graph {i} is too large for a relaxation: its edges have "
                    f"{self.graphs[i].n_edges * self.pair_width} scores, more than "
                    f"{self.most_entries}"
                )
        self._missed[i] = 0.0
        if self.graphs[i].n_nodes == 0:
            return 0
        self.check_scores(i, theta)
        self.run(<TreeReweighted> self._relaxation[thread], i, theta)
        self._missed[i] = (
            (<TreeReweighted> self._relaxation[thread]).bound
            - (<TreeReweighted> self._relaxation[thread]).value
        )
        self.count_nodes(<TreeReweighted> self._relaxation[thread], i, y, mu)
        self.count_edges(<TreeReweighted> self._relaxation[thread], i, y, mu)
        return 0

    cdef int count_nodes(
        self, TreeReweighted relaxation, Py_ssize_t i, const label_t* y, ssvm_counts* mu
    ) except -1 nogil:
        cdef Py_ssize_t k, label, n, further, K = self.width
        cdef double count
        for k in range(self.graphs[i].n_nodes):
            if y[k] == SSVM_VOID:
                continue
            n = self.n_labels_of(i, k)
            for label in range(n):
                count = (1.0 if label == y[k] else 0.0) - relaxation.marginals[k, label]
                for further in range(n if label == n - 1 else K, K):
                    count -= relaxation.marginals[k, further]
                if count != 0.0:
                    counts_add(mu, k * K + label, count)
        return 0

    cdef int count_edges(
        self, TreeReweighted relaxation, Py_ssize_t i, const label_t* y, ssvm_counts* mu
    ) except -1 nogil:
        cdef const EdgeList* graph = &self.graphs[i]
        cdef Py_ssize_t e, first, second, part, n, m, one, other, K = self.width
        cdef label_t a, b
        cdef double count
        for e in range(graph.n_edges):
            a, b = y[graph.edges[2 * e]], y[graph.edges[2 * e + 1]]
            if a == SSVM_VOID or b == SSVM_VOID:
                continue
            part = graph.n_nodes * K + e * self.pair_width
            if not self.tables:
                count = (1.0 if a == b else 0.0) - relaxation.masses[e]
                if count != 0.0:
                    counts_add(mu, part, count)
                continue
            n = self.n_labels_of(i, graph.edges[2 * e])
            m = self.n_labels_of(i, graph.edges[2 * e + 1])
            for first in range(n):
                for second in range(m):
                    count = 1.0 if first == a and second == b else 0.0
                    for one in range(first, K if first == n - 1 else first + 1):
                        for other in range(second, K if second == m - 1 else second + 1):
                            count -= relaxation.couplings[e, one, other]
                    if count != 0.0:
                        counts_add(mu, part + first * K + second, count)
        return 0


cdef int graph_relax(
    void* user, int64_t i, int32_t thread, double* theta, const int32_t* y, ssvm_counts* mu,
    int32_t* is_output,
) except -1 nogil:
    return (<RelaxedGraphMaximizer> user).answer(i, theta, thread, y, mu, is_output)
