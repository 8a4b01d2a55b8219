"""The relaxation over the local polytope by sequential tree-reweighted messages, hard and soft.

Design. Hard messages (Kolmogorov 2006) lower the bound fast but may stop above the optimum of the
relaxation, and they give no fractional point. Soft messages, log-sum-exp at a temperature T instead
of max, are exact block-coordinate descent on a smooth dual: they do not stop early, and they imply
node marginals in closed form. So there are two hard sweeps, then soft sweeps while T falls
(Savchynskyy et al. 2012). At the optimum of the smooth dual the value of the relaxed labelling is
at most T times its entropy below the bound, and the entropy of a chain is at most the sum of the
entropies of its nodes, which is known. Once the gap is below this product, T limits it rather than
the optimisation, and T is halved.

Each lane of a soft message sums relative to its own greatest term. Otherwise underflow in lanes far
below the top makes the dual rise again at low T.

After every two sweeps a hard sweep into a spare array computes the bound, which is valid for any
messages.
"""

import numpy as np

from libc.math cimport INFINITY, fabs
from libc.string cimport memcpy, memset

cdef extern from "structsvm/inference/relaxation_primal.h" nogil:
    double ssvm_sweep(
        const ssvm_relaxation* graph, int reverse, double temperature, double* written
    )
    void ssvm_decode(const ssvm_relaxation* graph, int reverse, int32_t* labels)
    double ssvm_score(const ssvm_relaxation* graph, const int32_t* labels)
    double ssvm_node_marginals(
        const ssvm_relaxation* graph, double temperature, double* hat, double* marginals
    )
    double ssvm_node_value(const ssvm_relaxation* graph, const double* marginals)
    double ssvm_agreement_value(
        const ssvm_relaxation* graph, const double* marginals, double* masses
    )
    double ssvm_table_value(
        const ssvm_relaxation* graph, double temperature, const double* hat,
        const double* marginals, double* out,
    )
    void ssvm_agreement_coupling(
        const double* p, const double* q, double w, double* rest_p, double* rest_q, double* out,
        Py_ssize_t n_labels,
    )

cdef enum:
    HARD_SWEEPS = 2       # at the start: they solve easy problems, at a third of the cost
    SWEEPS_A_ROUND = 2    # between two computations of bound and value

# The first temperature, in units of the mean range of a score. Measured on images and on frustrated
# grids: between 0.03 and 0.3 it matters little.
cdef double START = 0.1


cdef class TreeReweighted:
    def __init__(self, Py_ssize_t most_nodes, Py_ssize_t most_edges, Py_ssize_t n_labels):
        cdef Py_ssize_t stride = (max(n_labels, 1) + SSVM_GROUP - 1) // SSVM_GROUP * SSVM_GROUP
        # Arrays have at least one entry: an empty one has no address.
        cdef Py_ssize_t rows = max(most_edges, 1), nodes = max(most_nodes, 1)
        self.arc_start = np.zeros(nodes + 1, dtype=np.int64)
        self.later_start = np.zeros(nodes, dtype=np.int64)
        self.arcs = np.zeros(2 * rows, dtype=np.int64)
        self.place = np.zeros(2 * nodes, dtype=np.int64)
        self.unary = np.full((nodes, stride), -INFINITY)
        self.agreement = np.zeros(rows)
        self.masses = np.zeros(rows)
        self.forward = np.zeros((rows, stride))
        self.backward = np.zeros((rows, stride))
        self.spare = np.zeros((rows, stride))
        self.row = np.zeros((4, stride))
        self.hat = np.zeros((nodes, stride))
        self.marginals = np.zeros((nodes, stride))
        self.labels = np.zeros(nodes, dtype=np.int32)
        self.candidate = np.zeros(nodes, dtype=np.int32)
        self.table = self.couplings = None  # allocated with the first tables
        self.graph.n_nodes = self.graph.n_edges = 0
        self.graph.n_labels, self.graph.stride = n_labels, stride
        self.graph.edges = NULL
        self.graph.arc_start, self.graph.later_start = &self.arc_start[0], &self.later_start[0]
        self.graph.arcs = &self.arcs[0]
        self.graph.unary = &self.unary[0, 0]
        self.graph.row = &self.row[0, 0]
        self.forget_messages()

    def set_graph(self, Py_ssize_t n_nodes, const int32_t[:, ::1] edges):
        """`connect` for Python."""
        self._held_edges = edges
        self.connect(n_nodes, edges.shape[0], &edges[0, 0] if edges.shape[0] else NULL)

    cdef void connect(
        self, Py_ssize_t n_nodes, Py_ssize_t n_edges, const int32_t* edges
    ) noexcept nogil:
        """Set a graph, no larger than reserved; `edges` must stay alive while it is used.

        The arcs of each node are sorted: first those to earlier nodes, then those to later ones.
        """
        cdef Py_ssize_t e, node
        cdef int side
        self.graph.n_nodes, self.graph.n_edges, self.graph.edges = n_nodes, n_edges, edges
        self.forget_messages()
        memset(&self.arc_start[0], 0, (n_nodes + 1) * sizeof(int64_t))
        memset(&self.later_start[0], 0, n_nodes * sizeof(int64_t))
        for e in range(n_edges):
            for side in range(2):
                node = edges[2 * e + side]
                self.arc_start[node + 1] += 1
                if edges[2 * e + 1 - side] < node:
                    self.later_start[node] += 1
        for node in range(n_nodes):
            self.arc_start[node + 1] += self.arc_start[node]
            self.later_start[node] += self.arc_start[node]
            # Earlier neighbours fill up to later_start, later ones from there.
            self.place[node] = self.arc_start[node]
            self.place[n_nodes + node] = self.later_start[node]
        for e in range(n_edges):
            for side in range(2):
                node = edges[2 * e + side]
                if edges[2 * e + 1 - side] > node:
                    node += n_nodes
                self.arcs[self.place[node]] = 2 * e + side
                self.place[node] += 1

    cdef void forget_messages(self) noexcept nogil:
        """Start the next `run` without messages."""
        self.graph.forward, self.graph.backward = &self.forward[0, 0], &self.backward[0, 0]
        self.has_messages = False

    def set_scores(
        self,
        const double[:, ::1] unary,         # IN   (n_nodes, K)
        const double[::1] agreement,        # IN   (n_edges,), or None with tables
        const double[:, :, ::1] tables,     # IN   (1 or n_edges, K, K); kept by reference
    ):
        """`take_scores` for Python."""
        cdef const double* agreement_start = NULL
        cdef const double* tables_start = NULL
        cdef Py_ssize_t n_tables = 0
        if agreement is None:
            self.reserve_tables()
            self._held_tables = tables
            n_tables = tables.shape[0]
            if n_tables and self.graph.n_labels:
                tables_start = &tables[0, 0, 0]
        else:
            agreement_start = &agreement[0] if agreement.shape[0] else &self.agreement[0]
        self.take_scores(
            &unary[0, 0] if unary.shape[0] and unary.shape[1] else NULL, agreement_start,
            tables_start, n_tables,
        )

    cpdef int reserve_tables(self) except -1:
        """Make room for tables; call it before the first tables are taken."""
        cdef Py_ssize_t n_labels = self.graph.n_labels
        if self.table is None:
            self.couplings = np.zeros((self.masses.shape[0], n_labels, n_labels))
            self.table = np.zeros((2, self.graph.stride, self.graph.stride))
            self.graph.table = &self.table[0, 0, 0]
        return 0

    cdef void take_scores(
        self,
        const double* unary,        # IN   (n_nodes, K)
        const double* agreement,    # IN   (n_edges,), or NULL with tables
        const double* tables,       # IN   (n_tables, K, K), n_tables = 1 or n_edges; kept
        Py_ssize_t n_tables,
    ) noexcept nogil:
        """Set new scores; messages stay."""
        cdef Py_ssize_t n_labels = self.graph.n_labels, i, e, a
        cdef double low, high, most, score
        self.scale = self.rounding = 0.0
        for i in range(self.graph.n_nodes):
            low, high, most = INFINITY, -INFINITY, 0.0
            for a in range(n_labels):
                score = unary[i * n_labels + a]
                self.unary[i, a] = score
                if score > -INFINITY:
                    low, high = min(low, score), max(high, score)
                    most = max(most, fabs(score))
            self.scale += high - low
            self.rounding += most
        if agreement != NULL:
            for e in range(self.graph.n_edges):
                self.agreement[e] = agreement[e]
                self.scale += fabs(agreement[e])
                self.rounding += fabs(agreement[e])
            self.graph.agreement, self.graph.tables = &self.agreement[0], NULL
        else:
            self._take_tables(tables, n_tables)
        self.rounding *= 1e-14

    cdef void _take_tables(self, const double* tables, Py_ssize_t n_tables) noexcept nogil:
        cdef Py_ssize_t n_labels = self.graph.n_labels, n_edges = self.graph.n_edges, e, a, b
        cdef Py_ssize_t times = n_edges if n_tables != n_edges else 1
        cdef double low, high, most, score
        for e in range(n_tables if n_labels else 0):
            low, high, most = INFINITY, -INFINITY, 0.0
            for a in range(n_labels):
                for b in range(n_labels):
                    score = tables[(e * n_labels + a) * n_labels + b]
                    low, high = min(low, score), max(high, score)
                    most = max(most, fabs(score))
                    if n_tables == 1:  # one for all edges: stored as seen from either end
                        self.table[0, a, b] = self.table[1, b, a] = score
            self.scale += times * (high - low)
            self.rounding += times * most
        self.graph.agreement = NULL
        self.graph.tables = tables
        self.graph.table_step = 0 if n_tables == 1 else n_labels * n_labels

    def scale_messages(self, double factor):
        """Scale the messages as if all scores so far had been multiplied by a factor > 0."""
        cdef Py_ssize_t k, size = self.graph.n_edges * self.graph.stride
        for k in range(size):
            self.graph.forward[k] *= factor
            self.graph.backward[k] *= factor
        self.temperature *= factor

    def solve(self, double tol, Py_ssize_t max_sweeps, bint warm):
        """`run` for Python; returns copies of the results as arrays."""
        cdef Py_ssize_t n = self.graph.n_nodes, m = self.graph.n_edges, k = self.graph.n_labels
        with nogil:
            self.run(tol, max_sweeps, warm)
        labels = np.asarray(self.labels)[:n].copy()
        marginals = np.asarray(self.marginals)[:n, :k].copy()
        if self.graph.agreement != NULL:
            return labels, marginals, np.asarray(self.masses)[:m].copy(), None
        return labels, marginals, None, np.asarray(self.couplings)[:m].copy()

    cdef void run(self, double tol, Py_ssize_t max_sweeps, bint warm) noexcept nogil:
        """Lower the bound until it is within `tol * scale` of the value or the score."""
        cdef const ssvm_relaxation* graph = &self.graph
        cdef size_t size = graph.n_edges * graph.stride * sizeof(double)
        cdef double hottest = max(
            START * self.scale / max(graph.n_nodes + graph.n_edges, 1), <double> 1e-290
        )
        cdef double target = tol * self.scale + self.rounding, gap, smoothing, entropy
        cdef double factor
        cdef int _
        warm = warm and self.has_messages
        self.n_sweeps, self.converged = 0, False
        self.bound, self.value, self.score = INFINITY, -INFINITY, -INFINITY
        if not warm:
            memset(graph.forward, 0, size)
            memset(graph.backward, 0, size)
            for _ in range(<int> min(<Py_ssize_t> HARD_SWEEPS, max_sweeps)):
                ssvm_sweep(graph, 0, 0.0, graph.forward)
                self.bound = min(self.bound, ssvm_sweep(graph, 1, 0.0, graph.backward))
                self.n_sweeps += 1
            self.temperature = hottest
        self.temperature = min(self.temperature, hottest)
        self.has_messages = True
        while True:
            entropy = self.measure()
            self.converged = self.bound - max(self.value, self.score) <= target
            if self.converged or self.n_sweeps >= max_sweeps:
                break
            gap, smoothing = self.bound - self.value, self.temperature * entropy
            if self.n_sweeps == 0:
                # Warm start: raise the temperature to match the gap that the new scores open.
                factor = max(<double> 1.0, gap / max(smoothing, <double> 1e-290))
            elif gap <= smoothing:
                factor = 0.5
            else:
                factor = 1.0
            self.temperature = max(min(factor * self.temperature, hottest), <double> 1e-290)
            for _ in range(<int> min(<Py_ssize_t> SWEEPS_A_ROUND, max_sweeps - self.n_sweeps)):
                ssvm_sweep(graph, 0, self.temperature, graph.forward)
                ssvm_sweep(graph, 1, self.temperature, graph.backward)
                self.n_sweeps += 1
        if self.score >= self.value:
            self.take_labels()
        # Rounding must not put the bound below the value.
        self.bound = max(self.bound, self.value)

    cdef double measure(self) noexcept nogil:
        """Compute bound, labels and marginals from the messages; returns the entropy."""
        cdef const ssvm_relaxation* graph = &self.graph
        cdef double entropy
        self.bound = min(self.bound, ssvm_sweep(graph, 0, 0.0, &self.spare[0, 0]))
        self.offer_labels(False)
        self.offer_labels(True)
        entropy = ssvm_node_marginals(
            graph, self.temperature, &self.hat[0, 0], &self.marginals[0, 0]
        )
        self.value = ssvm_node_value(graph, &self.marginals[0, 0])
        if graph.agreement != NULL:
            self.value += ssvm_agreement_value(graph, &self.marginals[0, 0], &self.masses[0])
        elif graph.n_edges:
            self.value += ssvm_table_value(
                graph, self.temperature, &self.hat[0, 0], &self.marginals[0, 0],
                &self.couplings[0, 0, 0],
            )
        return entropy

    cdef void offer_labels(self, bint reverse) noexcept nogil:
        """Decode labels and keep them if they are the best so far."""
        cdef double score
        ssvm_decode(&self.graph, reverse, &self.candidate[0])
        score = ssvm_score(&self.graph, &self.candidate[0])
        if score > self.score:
            self.score = score
            memcpy(
                &self.labels[0], &self.candidate[0], self.graph.n_nodes * sizeof(int32_t)
            )

    cdef void take_labels(self) noexcept nogil:
        """Make the labels the relaxed labelling: they score at least as much as the fractional."""
        cdef Py_ssize_t i, e, n_labels = self.graph.n_labels
        cdef int32_t a, b
        self.value = self.score
        memset(
            &self.marginals[0, 0], 0, self.graph.n_nodes * self.graph.stride * sizeof(double)
        )
        for i in range(self.graph.n_nodes):
            self.marginals[i, self.labels[i]] = 1.0
        if self.graph.agreement == NULL and self.graph.n_edges:
            memset(
                &self.couplings[0, 0, 0], 0,
                self.graph.n_edges * n_labels * n_labels * sizeof(double),
            )
        for e in range(self.graph.n_edges):
            a = self.labels[self.graph.edges[2 * e]]
            b = self.labels[self.graph.edges[2 * e + 1]]
            if self.graph.agreement != NULL:
                self.masses[e] = 1.0 if a == b else 0.0
            else:
                self.couplings[e, a, b] = 1.0


def agreement_couplings(
    const double[:, ::1] marginals,    # IN   (n_nodes, K)
    const int32_t[:, ::1] edges,       # IN   (n_edges, 2)
    const double[::1] agreement,       # IN   (n_edges,): only the sign matters
    double[:, :, ::1] out,             # OUT  (n_edges, K, K)
):
    """The edge marginals with the most agreement that the node marginals allow, or the least."""
    cdef Py_ssize_t e, n_labels = marginals.shape[1]
    cdef double[:, ::1] rest = np.zeros((2, max(n_labels, 1)))
    with nogil:
        for e in range(edges.shape[0]):
            ssvm_agreement_coupling(
                &marginals[edges[e, 0], 0], &marginals[edges[e, 1], 0], agreement[e], &rest[0, 0],
                &rest[1, 0], &out[e, 0, 0], n_labels,
            )
