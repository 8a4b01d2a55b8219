"""The oracle of a graph by its relaxation; see ``_relaxed_graph.pxd``."""

import numpy as np

from libc.math cimport isfinite
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from structsvm._typedefs cimport label_t
from structsvm.inference._relaxation cimport TreeReweighted
from structsvm.problems._factored cimport PartCounts, counts_add
from structsvm.problems._graph cimport VOID, GraphData, GraphRows, GraphStructure


cdef class RelaxedGraphStructure(GraphStructure):
    """All labellings of a graph, and all points of the local polytope around them.

    Parameters
    ----------
    data : GraphData
    n_labels : int
    tables : bool
        See `GraphStructure`.
    slack : float64 array of shape (n_graphs,)
        By how much the value of the point that answers for an example may miss the best one's.
    max_sweeps : int, default=200
        After so many passes over the messages the answer is what there is, whatever it misses.
    most_entries : int, default=2**62
        Graphs whose edges have more numbers as scores are decoded without relaxation, by
        expansions alone. They must not be trained on.

    Attributes
    ----------
    missed : float64 array of shape (n_graphs,)
        By how much, at most, the last answer for each example misses the best point; so the hinge
        over the polytope is at most that of the plane plus this. NaN before the first answer.
    """

    def __init__(
        self, GraphData data, Py_ssize_t n_labels, *, bint tables, slack,
        Py_ssize_t max_sweeps=200, Py_ssize_t most_entries=2**62,
    ):
        cdef Py_ssize_t i
        super().__init__(data, n_labels, tables=tables, by_cut=False)
        self.most_entries = most_entries
        for i in range(data.n_graphs):
            if data.rows[i].n_edges * self.pair_width <= most_entries:
                self.most_nodes = max(self.most_nodes, data.rows[i].n_nodes)
                self.most_edges = max(self.most_edges, data.rows[i].n_edges)
        self.relaxed = True
        self.slack = slack
        self.max_sweeps = max_sweeps
        self._relaxations = []
        self.missed = self._missed = np.full(data.n_graphs, np.nan)

    def __dealloc__(self):
        free(self._relaxation)

    cpdef int reserve(self, Py_ssize_t n_threads) except -1:
        cdef void** pointers
        cdef TreeReweighted relaxation
        GraphStructure.reserve(self, n_threads)
        if n_threads > len(self._relaxations):
            pointers = <void**> realloc(self._relaxation, n_threads * sizeof(void*))
            if pointers == NULL:
                raise MemoryError(f"no memory for {n_threads} threads")
            self._relaxation = pointers
        while len(self._relaxations) < n_threads:
            relaxation = TreeReweighted(
                self.most_nodes, self.most_edges, self.n_labels
            )
            if self.tables:
                relaxation.reserve_tables()
            self._relaxation[len(self._relaxations)] = <void*> relaxation
            self._relaxations.append(relaxation)
        return 0

    cdef int run(
        self, TreeReweighted relaxation, Py_ssize_t i, const double* theta
    ) except -1 nogil:
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef const double* pairs = theta + rows.n_nodes * self.n_labels
        # Images of one shape share their edges.
        if relaxation.graph.edges != rows.edges or relaxation.graph.n_edges != rows.n_edges or (
            relaxation.graph.n_nodes != rows.n_nodes
        ):
            relaxation.connect(rows.n_nodes, rows.n_edges, rows.edges)
        relaxation.take_scores(
            theta, NULL if self.tables else pairs, pairs if self.tables else NULL, rows.n_edges
        )
        if not isfinite(relaxation.scale):
            with gil:
                raise ValueError(
                    f"X[{i}] has scores that range over {relaxation.scale}: their sums overflow; "
                    "scale the features or the weights down"
                )
        relaxation.run(
            self.slack[i] / relaxation.scale if relaxation.scale > 0.0 else 0.0, self.max_sweeps,
            False,
        )
        return 0

    cdef int first_labels(
        self, Py_ssize_t i, const double* theta, int thread, label_t* y_hat
    ) except -1 nogil:
        if self.data.rows[i].n_edges * self.pair_width > self.most_entries:
            return GraphStructure.first_labels(self, i, theta, thread, y_hat)
        self.run(<TreeReweighted> self._relaxation[thread], i, theta)
        memcpy(
            y_hat, &(<TreeReweighted> self._relaxation[thread]).labels[0],
            self.data.rows[i].n_nodes * sizeof(label_t),
        )
        return 0

    cdef int relax(
        self, Py_ssize_t i, double* theta, const label_t* y, int thread, PartCounts* mu
    ) except -1 nogil:
        self._missed[i] = 0.0
        if self.data.rows[i].n_nodes == 0:
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
        self, TreeReweighted relaxation, Py_ssize_t i, const label_t* y, PartCounts* mu
    ) except -1 nogil:
        cdef Py_ssize_t k, label, K = self.n_labels
        cdef double count
        for k in range(self.data.rows[i].n_nodes):
            if y[k] == VOID:
                continue
            for label in range(K):
                count = (1.0 if label == y[k] else 0.0) - relaxation.marginals[k, label]
                if count != 0.0:
                    counts_add(mu, k * K + label, count)
        return 0

    cdef int count_edges(
        self, TreeReweighted relaxation, Py_ssize_t i, const label_t* y, PartCounts* mu
    ) except -1 nogil:
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef Py_ssize_t e, first, second, part, K = self.n_labels
        cdef label_t a, b
        cdef double count
        for e in range(rows.n_edges):
            a, b = y[rows.edges[2 * e]], y[rows.edges[2 * e + 1]]
            if a == VOID or b == VOID:
                continue
            part = rows.n_nodes * K + e * self.pair_width
            if not self.tables:
                count = (1.0 if a == b else 0.0) - relaxation.masses[e]
                if count != 0.0:
                    counts_add(mu, part, count)
                continue
            for first in range(K):
                for second in range(K):
                    count = 1.0 if first == a and second == b else 0.0
                    count -= relaxation.couplings[e, first, second]
                    if count != 0.0:
                        counts_add(mu, part + first * K + second, count)
        return 0
