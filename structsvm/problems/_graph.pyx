"""The pieces of a graph problem; parts and weights are laid out in ``_graph.pxd``."""

import numpy as np

from libc.math cimport INFINITY, fabs
from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from structsvm._typedefs cimport index_t, label_t
from structsvm.inference._expansion cimport (
    ssvm_expansion, ssvm_greedy_labels, ssvm_labelling, ssvm_labelling_score, ssvm_move_free,
    ssvm_move_reserve,
)
from structsvm.inference._graph_cut cimport (
    ssvm_flow_over, ssvm_graph, ssvm_graph_connect, ssvm_graph_cut, ssvm_graph_free,
    ssvm_graph_label, ssvm_graph_load, ssvm_graph_reserve,
)
from structsvm.linalg._plane cimport (
    Plane, PlaneBuilder, Weights, plane_reserve,
)
from structsvm.problems._factored cimport PartCounts, counts_add
from structsvm.problems._feature_rows cimport (
    FeatureRows, ssvm_all_feature_scores, ssvm_feature_add, ssvm_feature_rows,
)


cdef class GraphData:
    """Graphs bound to a problem; nothing is copied.

    Parameters
    ----------
    graphs : list of tuples (nodes, edges, pairs)
        `FeatureRows` of the nodes, an int32 array of shape (n_edges, 2) and `FeatureRows` of the
        edges; graphs may share arrays.
    """

    def __init__(self, graphs):
        cdef Py_ssize_t i
        cdef FeatureRows nodes, pairs
        cdef const int32_t[:, ::1] view
        self.n_graphs = len(graphs)
        self._held = list(graphs)
        self.offsets = np.zeros(len(graphs) + 1, dtype=np.int64)
        self.rows = <GraphRows*> calloc(max(self.n_graphs, 1), sizeof(GraphRows))
        if self.rows == NULL:
            raise MemoryError(f"no memory for {self.n_graphs} graphs")
        for i, (nodes, edges, pairs) in enumerate(graphs):
            view = edges
            self.rows[i].n_nodes = nodes.n_rows
            self.rows[i].n_edges = view.shape[0]
            self.rows[i].edges = &view[0, 0] if view.shape[0] else NULL
            self.rows[i].nodes = nodes.rows
            self.rows[i].pairs = pairs.rows
            self.offsets[i + 1] = self.offsets[i] + nodes.n_rows

    def __dealloc__(self):
        free(self.rows)

    def largest(self):
        """The most nodes and the most edges that a graph has."""
        cdef Py_ssize_t i, n = 0, m = 0
        for i in range(self.n_graphs):
            n = max(n, self.rows[i].n_nodes)
            m = max(m, self.rows[i].n_edges)
        return n, m


cdef void add_counts(
    const ssvm_feature_rows* rows, const index_t* parts, const double* counts, Py_ssize_t n,
    Py_ssize_t first, Py_ssize_t width, double* one_row, double* out
) noexcept nogil:
    """out += features' counts, for counts of which those of a row come together.

    Parts from `first` on, `width` of them a row; `one_row` is room for so many, zeros before and
    after.
    """
    cdef Py_ssize_t p = 0, q, row
    while p < n:
        row = (parts[p] - first) // width
        q = p
        while q < n and (parts[q] - first) // width == row:
            one_row[parts[q] - first - row * width] += counts[q]
            q += 1
        ssvm_feature_add(rows, row, one_row, out, width)
        while p < q:
            one_row[parts[p] - first - row * width] = 0.0
            p += 1


cdef class GraphFeatures(PartFeatures):
    """Weights for node features and labels, and for edge features and pairs of labels.

    Parameters
    ----------
    data : GraphData
    n_labels : int
    n_node_rows, n_edge_rows : int
        Rows of weights for nodes and edges: features, and the intercept if there is one.
    scale : float64 array of shape (n_graphs,)
        Factor of each joint feature.
    tables : bool
        Weights for each pair of labels, instead of one for agreement.
    """

    def __init__(
        self, GraphData data, Py_ssize_t n_labels, Py_ssize_t n_node_rows,
        Py_ssize_t n_edge_rows, scale, *, bint tables,
    ):
        self.data = data
        self.scale = scale
        self.n_labels = n_labels
        self.pair_width = n_labels * n_labels if tables else 1
        self.first_pair = n_node_rows * n_labels
        self.n_weights = self.first_pair + n_edge_rows * self.pair_width

    cdef int scores(self, Py_ssize_t i, const Weights* w, double* theta) except -1 nogil:
        # Nodes first: what is written behind the last of them is overwritten.
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef double scale = self.scale[i] * w.scale
        ssvm_all_feature_scores(
            &rows.nodes, rows.n_nodes, w.data, self.n_labels, scale, theta
        )
        ssvm_all_feature_scores(
            &rows.pairs, rows.n_edges, w.data + self.first_pair, self.pair_width, scale,
            theta + rows.n_nodes * self.n_labels,
        )
        return 0

    cdef int accumulate(
        self, Py_ssize_t i, const PartCounts* mu, PlaneBuilder* out
    ) except -1 nogil:
        # Planes are as good as dense: values are summed in place, with room behind them for the
        # counts of one node or edge.
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef Plane* plane = out.plane
        cdef Py_ssize_t k, n_edge_counts = 0, first_edge = rows.n_nodes * self.n_labels
        cdef Py_ssize_t room = self.n_weights + max(self.n_labels, self.pair_width)
        if mu.size == 0:
            return 0
        plane_reserve(plane, room)
        for k in range(room):
            plane.values[k] = 0.0
        for k in range(self.n_weights):
            plane.indices[k] = <index_t> k
            out.slot[k] = <index_t> k
        plane.nnz = self.n_weights
        while n_edge_counts < mu.size and mu.parts[mu.size - 1 - n_edge_counts] >= first_edge:
            n_edge_counts += 1
        k = mu.size - n_edge_counts
        add_counts(
            &rows.nodes, mu.parts, mu.counts, k, 0, self.n_labels,
            plane.values + self.n_weights, plane.values,
        )
        add_counts(
            &rows.pairs, mu.parts + k, mu.counts + k, n_edge_counts, first_edge, self.pair_width,
            plane.values + self.n_weights, plane.values + self.first_pair,
        )
        for k in range(self.n_weights):
            plane.values[k] *= self.scale[i]
        return 0

    cdef bint are_finite(self, Py_ssize_t i, const double* theta) noexcept nogil:
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef Py_ssize_t k
        cdef double total = 0.0
        for k in range(rows.n_nodes * self.n_labels + rows.n_edges * self.pair_width):
            total += 0.0 * theta[k]
        return total == 0.0


cdef class GraphLoss(PartLoss):
    """Costs of wrong labels, times a weight of each node.

    Parameters
    ----------
    data : GraphData
    cost : float64 array of shape (n_labels, n_labels)
    node_weight : float64 array of shape (offsets[-1],)
    tables : bool
    """

    def __init__(self, GraphData data, cost, node_weight, *, bint tables):
        self.data = data
        self.cost = cost
        self.n_labels = len(cost)
        self.pair_width = self.n_labels * self.n_labels if tables else 1
        self.offsets = data.offsets
        self.node_weight = node_weight

    cdef void augment(self, Py_ssize_t i, const label_t* y, double* theta) noexcept nogil:
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef const double* weight = &self.node_weight[self.offsets[i]] if rows.n_nodes else NULL
        cdef double* pairs = theta + rows.n_nodes * self.n_labels
        cdef Py_ssize_t k, label
        for k in range(rows.n_nodes):
            for label in range(self.n_labels):
                if y[k] == VOID:
                    theta[k * self.n_labels + label] = 0.0
                else:
                    theta[k * self.n_labels + label] += weight[k] * self.cost[y[k], label]
        for k in range(rows.n_edges):
            if y[rows.edges[2 * k]] == VOID or y[rows.edges[2 * k + 1]] == VOID:
                for label in range(self.pair_width):
                    pairs[k * self.pair_width + label] = 0.0

    cdef double value(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat
    ) noexcept nogil:
        cdef Py_ssize_t k, first = self.offsets[i]
        cdef double total = 0.0
        for k in range(self.data.rows[i].n_nodes):
            if y[k] != VOID and y_hat[k] != VOID and y_hat[k] != y[k]:
                total += self.node_weight[first + k] * self.cost[y[k], y_hat[k]]
        return total

    cdef double relaxed_value(
        self, Py_ssize_t i, const label_t* y, const PartCounts* mu
    ) noexcept nogil:
        # Of each node, mu_hat on labels other than the right one is what `mu` lacks there.
        cdef Py_ssize_t p, k, label, n_parts = self.data.rows[i].n_nodes * self.n_labels
        cdef double total = 0.0
        for p in range(mu.size):
            if mu.parts[p] >= n_parts:
                break
            k = mu.parts[p] // self.n_labels
            label = mu.parts[p] - k * self.n_labels
            if label != y[k]:
                total -= (
                    mu.counts[p] * self.node_weight[self.offsets[i] + k] * self.cost[y[k], label]
                )
        return total


cdef ssvm_labelling labelling_of(
    const GraphRows* rows, const double* theta, Py_ssize_t n_labels, bint tables
) noexcept nogil:
    """The scores of all parts, as expansions take them."""
    cdef ssvm_labelling p
    p.n_nodes = <int32_t> rows.n_nodes
    p.n_edges = <int32_t> rows.n_edges
    p.n_labels = <int32_t> n_labels
    p.edges = rows.edges
    p.unary = theta
    p.pairwise = theta + rows.n_nodes * n_labels
    p.step = n_labels * n_labels if tables else 1
    p.is_table = tables
    return p


cdef void connect(
    ssvm_graph* graph, const int32_t** connected, const GraphRows* rows
) noexcept nogil:
    """Unless it is so already; images of one shape share their edges.

    The numbers count too: the edges of one graph may be the first ones of another.
    """
    if (
        connected[0] != rows.edges or rows.edges == NULL
        or graph.n_nodes != rows.n_nodes or graph.n_edges != rows.n_edges
    ):
        ssvm_graph_connect(
            graph, <int32_t> rows.n_nodes, <int32_t> rows.n_edges, rows.edges
        )
        connected[0] = rows.edges


cdef class GraphStructure(Structure):
    """All labellings of a graph.

    Parameters
    ----------
    data : GraphData
    n_labels : int
    tables : bool
        Scores for each pair of labels instead of one for agreement.
    by_cut : bool
        Decode exactly, by a cut, which two labels without tables allow; else by alpha-expansion.
    kept_bytes : int, default=0
        Memory for flows, from which the next cut of the same example starts: examples in order, as
        many as fit, 8 bytes an edge.
    max_cycles : int, default=100
        Of alpha-expansion.
    """

    def __init__(
        self, GraphData data, Py_ssize_t n_labels, *, bint tables, bint by_cut,
        size_t kept_bytes=0, int32_t max_cycles=100,
    ):
        cdef Py_ssize_t i
        cdef size_t size
        self.data = data
        self.n_labels = n_labels
        self.pair_width = n_labels * n_labels if tables else 1
        self.tables = tables
        self.by_cut = self.exact = by_cut
        self.max_cycles = max_cycles
        n, _ = data.largest()
        for i in range(data.n_graphs):
            size = <size_t> (
                data.rows[i].n_nodes * n_labels + data.rows[i].n_edges * self.pair_width
            )
            if size >= 2**31:
                raise ValueError(
                    f"X[{i}] has {data.rows[i].n_nodes} nodes and {data.rows[i].n_edges} edges, "
                    f"which with {n_labels} labels make {size} parts; at most 2**31 - 1 can be "
                    "counted"
                )
            self.max_parts = max(self.max_parts, <Py_ssize_t> size)
        self.max_labels = n
        starts = np.full(data.n_graphs, -1, dtype=np.int64)
        if self.by_cut:
            for i in range(data.n_graphs):
                if (self.n_kept + data.rows[i].n_edges) * sizeof(double) <= kept_bytes:
                    starts[i] = self.n_kept
                    self.n_kept += data.rows[i].n_edges
        self._flow_start = starts
        # Zeros are a flow too, and take no memory before they are changed.
        self._flows = <double*> calloc(max(self.n_kept, 1), sizeof(double))
        if self._flows == NULL:
            raise MemoryError(f"no memory for {self.n_kept} flows over edges")

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self._n_scratch):
            ssvm_graph_free(&self._scratch[k].graph)
            ssvm_move_free(&self._scratch[k].move)
            free(self._scratch[k].unary)
            free(self._scratch[k].greedy)
        free(self._scratch)
        free(self._flows)

    cpdef int reserve(self, Py_ssize_t n_threads) except -1:
        cdef Py_ssize_t k
        cdef int failed
        cdef CutScratch* scratch
        if n_threads <= self._n_scratch:
            return 0
        n, m = self.data.largest()
        scratch = <CutScratch*> realloc(self._scratch, n_threads * sizeof(CutScratch))
        if scratch == NULL:
            raise MemoryError(f"no memory for {n_threads} threads")
        self._scratch = scratch
        for k in range(self._n_scratch, n_threads):
            memset(&scratch[k], 0, sizeof(CutScratch))
            self._n_scratch = k + 1
            if self.by_cut:
                scratch[k].unary = <double*> malloc(max(<Py_ssize_t> n, 1) * sizeof(double))
                failed = ssvm_graph_reserve(&scratch[k].graph, n, m)
                failed = failed or scratch[k].unary == NULL
            else:
                failed = ssvm_move_reserve(&scratch[k].move, n, m)
            if self.relaxed:
                scratch[k].greedy = <label_t*> malloc(max(<Py_ssize_t> n, 1) * sizeof(label_t))
                failed = failed or scratch[k].greedy == NULL
            if failed:
                raise MemoryError(f"no memory for a graph of {n} nodes and {m} edges")
        return 0

    cdef int check_scores(self, Py_ssize_t i, const double* theta) except -1 nogil:
        """A cut adds scores up, and needs scores of agreement that are not negative."""
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef Py_ssize_t e, first = rows.n_nodes * self.n_labels
        cdef double total = 0.0
        for e in range(first + rows.n_edges * self.pair_width):
            total += fabs(theta[e])
        # Flows and moves are differences and sums of scores, each of which counts a few times.
        if not 8.0 * total < INFINITY:
            with gil:
                raise ValueError(
                    f"X[{i}] has scores that add up to no finite number: features or weights are "
                    "too large"
                )
        if self.tables:
            return 0
        for e in range(rows.n_edges):
            if theta[first + e] < 0.0:
                with gil:
                    raise ValueError(
                        f"edge {e} of X[{i}] has the score {theta[first + e]:g} for ends that "
                        "agree; no cut finds the best labels where ends had better differ: keep "
                        "edge weights and edge features >= 0, or use tables"
                    )
        return 0

    cdef int cut(
        self, Py_ssize_t i, const double* theta, CutScratch* s, label_t* y_hat
    ) except -1 nogil:
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef int32_t k, n = <int32_t> rows.n_nodes, m = <int32_t> rows.n_edges
        cdef double* flow = NULL
        if self._flow_start[i] >= 0:
            flow = self._flows + self._flow_start[i]
        for k in range(n):
            s.unary[k] = theta[2 * k + 1] - theta[2 * k] if self.n_labels == 2 else 0.0
        connect(&s.graph, &s.connected, rows)
        ssvm_graph_load(&s.graph, s.unary, theta + n * self.n_labels, flow)
        ssvm_graph_cut(&s.graph)
        for k in range(n):
            y_hat[k] = ssvm_graph_label(&s.graph, k)
        if flow != NULL:
            for k in range(m):
                flow[k] = ssvm_flow_over(&s.graph, k)
        return 0

    cdef int first_labels(
        self, Py_ssize_t i, const double* theta, int thread, label_t* y_hat
    ) except -1 nogil:
        cdef ssvm_labelling p = labelling_of(
            &self.data.rows[i], theta, self.n_labels, self.tables
        )
        ssvm_greedy_labels(&p, y_hat)
        return 0

    cdef int decode(
        self, Py_ssize_t i, double* theta, int thread, label_t* y_hat, double* value
    ) except -1 nogil:
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef CutScratch* s = &self._scratch[thread]
        cdef ssvm_labelling p = labelling_of(rows, theta, self.n_labels, self.tables)
        cdef double score
        value[0] = 0.0
        if rows.n_nodes == 0:
            return 0
        self.check_scores(i, theta)
        if self.by_cut:
            self.cut(i, theta, s, y_hat)
        else:
            connect(&s.move.graph, &s.connected, rows)
            self.first_labels(i, theta, thread, y_hat)
            ssvm_expansion(&p, &s.move, y_hat, self.max_cycles)
        value[0] = ssvm_labelling_score(&p, y_hat)
        if self.relaxed:
            # From the labels of the relaxation, and from where others start: the better ones.
            ssvm_greedy_labels(&p, s.greedy)
            ssvm_expansion(&p, &s.move, s.greedy, self.max_cycles)
            score = ssvm_labelling_score(&p, s.greedy)
            if score > value[0]:
                value[0] = score
                memcpy(y_hat, s.greedy, rows.n_nodes * sizeof(label_t))
        return 0

    cdef int count(self, Py_ssize_t i, const label_t* y, PartCounts* mu) except -1 nogil:
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef Py_ssize_t k, part, K = self.n_labels
        cdef label_t a, b
        for k in range(rows.n_nodes):
            if not VOID <= y[k] < K:
                with gil:
                    raise ValueError(
                        f"label {k} of example {i} is {y[k]}, expected 0 to {K - 1}, or -1 for void"
                    )
            if y[k] != VOID:
                counts_add(mu, k * K + y[k], 1.0)
        for k in range(rows.n_edges):
            a, b = y[rows.edges[2 * k]], y[rows.edges[2 * k + 1]]
            part = rows.n_nodes * K + k * self.pair_width
            if a == VOID or b == VOID:
                continue
            if self.tables:
                counts_add(mu, part + a * K + b, 1.0)
            elif a == b:
                counts_add(mu, part, 1.0)
        return 0

    cdef int difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, PartCounts* mu
    ) except -1 nogil:
        cdef const GraphRows* rows = &self.data.rows[i]
        cdef Py_ssize_t k, part, K = self.n_labels
        cdef label_t a, b, a_hat, b_hat
        for k in range(rows.n_nodes):
            if y[k] != VOID and y[k] != y_hat[k]:
                counts_add(mu, k * K + y[k], 1.0)
                counts_add(mu, k * K + y_hat[k], -1.0)
        for k in range(rows.n_edges):
            a, b = y[rows.edges[2 * k]], y[rows.edges[2 * k + 1]]
            if a == VOID or b == VOID:
                continue
            a_hat, b_hat = y_hat[rows.edges[2 * k]], y_hat[rows.edges[2 * k + 1]]
            part = rows.n_nodes * K + k * self.pair_width
            if self.tables:
                if a != a_hat or b != b_hat:
                    counts_add(mu, part + a * K + b, 1.0)
                    counts_add(mu, part + a_hat * K + b_hat, -1.0)
            elif (a == b) != (a_hat == b_hat):
                counts_add(mu, part, 1.0 if a == b else -1.0)
        return 0
