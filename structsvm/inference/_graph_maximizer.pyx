"""Graphs as a maximizer; parts are laid out in ``_graph_maximizer.pxd``."""

import numpy as np

from libc.math cimport INFINITY, fabs
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from structsvm._typedefs cimport label_t
from structsvm.inference._expansion cimport (
    ssvm_expansion, ssvm_greedy_labels, ssvm_labelling, ssvm_labelling_score, ssvm_move_free,
    ssvm_move_reserve,
)
from structsvm.inference._graph_cut cimport (
    ssvm_flow_over, ssvm_graph, ssvm_graph_connect, ssvm_graph_cut, ssvm_graph_free,
    ssvm_graph_label, ssvm_graph_load, ssvm_graph_reserve,
)
from structsvm.inference._maximizer cimport (
    SSVM_VOID, Maximizer, counts_add, ssvm_count, ssvm_counts, ssvm_difference, ssvm_maximize,
    ssvm_reserve,
)
from structsvm.inference._trees cimport decode_forest, order_forest

from structsvm.inference._trees import closing_edge


cdef ssvm_labelling labelling_of(
    const EdgeList* some, const double* theta, Py_ssize_t n_labels, bint tables
) noexcept nogil:
    """The scores of all parts, in the form that expansions take."""
    cdef ssvm_labelling p
    p.n_nodes = <int32_t> some.n_nodes
    p.n_edges = <int32_t> some.n_edges
    p.n_labels = <int32_t> n_labels
    p.edges = some.edges
    p.unary = theta
    p.pairwise = theta + some.n_nodes * n_labels
    p.step = n_labels * n_labels if tables else 1
    p.is_table = tables
    return p


cdef void connect(
    ssvm_graph* graph, const int32_t** connected, const EdgeList* some
) noexcept nogil:
    """Connect the graph unless it is connected by these edges; images of one shape share them.

    The sizes are compared too: one graph may have the first edges of another.
    """
    if (
        connected[0] != some.edges or some.edges == NULL
        or graph.n_nodes != some.n_nodes or graph.n_edges != some.n_edges
    ):
        ssvm_graph_connect(
            graph, <int32_t> some.n_nodes, <int32_t> some.n_edges, some.edges
        )
        connected[0] = some.edges


cdef bint are_alike(const EdgeList* a, const EdgeList* b) noexcept:
    return a.edges == b.edges and a.n_edges == b.n_edges and a.n_nodes == b.n_nodes


cdef int check_edges(Py_ssize_t i, const EdgeList* graph) except -1:
    cdef Py_ssize_t k
    for k in range(2 * graph.n_edges):
        if not 0 <= graph.edges[k] < graph.n_nodes:
            raise ValueError(
                f"edge {k // 2} of graph {i} ends at node {graph.edges[k]}, but the graph has "
                f"{graph.n_nodes} nodes"
            )
    return 0


cdef int check_part_scores(
    Py_ssize_t i, const double* theta, Py_ssize_t n_of_nodes, Py_ssize_t n_of_edges, bint tables
) except -1 nogil:
    cdef Py_ssize_t p, e
    cdef double total = 0.0, least = 0.0
    for p in range(n_of_nodes):
        total += fabs(theta[p])
    for p in range(n_of_nodes, n_of_nodes + n_of_edges):
        total += fabs(theta[p])
        least = theta[p] if theta[p] < least else least
    # Flows and moves are sums and differences of scores; each score occurs a few times.
    if not 8.0 * total < INFINITY:
        with gil:
            raise ValueError(
                f"X[{i}] has scores that add up to no finite number: features or weights are too "
                "large"
            )
    if tables or not least < 0.0:
        return 0
    for e in range(n_of_edges):
        if theta[n_of_nodes + e] < 0.0:
            with gil:
                raise ValueError(
                    f"edge {e} of X[{i}] has the score {theta[n_of_nodes + e]:g} for ends that "
                    "agree, expected >= 0: a cut does not find the best labels otherwise; keep "
                    "edge weights and edge features >= 0, or use tables"
                )
    return 0


def check_own(n_own, Py_ssize_t n_places, Py_ssize_t n_labels):
    """Numbers of labels of all places, as an int32 array."""
    own = np.ascontiguousarray(n_own, dtype=np.int32)
    if own.shape != (n_places,) or not ((own >= 1) & (own <= n_labels)).all():
        raise ValueError(
            f"there are numbers of labels of shape {own.shape}, expected ({n_places},), each from "
            f"1 to {n_labels}"
        )
    return own


cdef class GraphMaximizer(Maximizer):
    """All labellings of graphs.

    Parameters
    ----------
    n_nodes : sequence of int
        Number of nodes of each graph.
    edges : sequence of C-contiguous int32 arrays of shape (n_edges, 2)
        Edges of each graph; graphs may share arrays. Nothing is copied.
    n_labels : int
    tables : bool
        Whether an edge has a score for each pair of labels, or one for agreement.
    by_cut : bool
        Whether to decode exactly, by a cut; this needs at most two labels and no tables. Otherwise
        alpha-expansion decodes.
    kept_bytes : int, default=0
        Memory for flows: the next cut of an example starts from its last flow. Flows take 8 bytes
        an edge; the first examples that fit have one.
    max_cycles : int, default=100
        Most cycles of alpha-expansion.
    n_own : int array of shape (total of n_nodes,), default=None
        Number of labels of each node of all graphs, from 1 to n_labels; see
        ``_graph_maximizer.pxd``. None: all have n_labels. Only with `tables`.
    forests : bool, default=False
        Whether graphs without cycles are decoded exactly, by max-product: O(n_nodes n_labels ** 2)
        with tables. Scores of agreement of such graphs may be negative.

    Attributes
    ----------
    n_forests : int
        Number of graphs without cycles, if `forests` is set.

    Raises
    ------
    ValueError
        If sizes do not fit, an edge leaves its graph, a graph has 2**31 parts or more, or `by_cut`
        is set where a cut is not exact.
    """

    def __cinit__(self):
        self.n_own = self._tree_start = None

    def __init__(
        self, n_nodes, edges, Py_ssize_t n_labels, *, bint tables, bint by_cut,
        size_t kept_bytes=0, int32_t max_cycles=100, n_own=None, bint forests=False,
    ):
        cdef Py_ssize_t i, n = len(n_nodes)
        cdef const int32_t[:, ::1] view
        cdef EdgeList* graph
        if len(edges) != n:
            raise ValueError(f"{n} numbers of nodes, but edges of {len(edges)} graphs")
        if by_cut and (tables or n_labels > 2):
            raise ValueError("a cut is for two labels without tables")
        self.width = n_labels
        self.pair_width = n_labels * n_labels if tables else 1
        self.tables = tables
        self.by_cut = by_cut
        self.max_cycles = max_cycles
        self._held = list(edges)
        self.graphs = <EdgeList*> calloc(max(n, 1), sizeof(EdgeList))
        if self.graphs == NULL:
            raise MemoryError(f"no memory for {n} graphs")
        starts, sizes = np.full(n, -1, dtype=np.int64), np.zeros(n, dtype=np.int64)
        most_counts = 0
        for i in range(n):
            view = self._held[i]
            graph = &self.graphs[i]
            graph.n_nodes = n_nodes[i]
            graph.n_edges = view.shape[0]
            if graph.n_nodes < 0 or view.shape[1] != 2:
                raise ValueError(
                    f"graph {i} has {graph.n_nodes} nodes and edges of shape "
                    f"{self._held[i].shape}; expected 0 or more, and (n_edges, 2)"
                )
            graph.edges = &view[0, 0] if graph.n_edges else NULL
            # Images of one shape share their edges.
            if i == 0 or not are_alike(graph, &self.graphs[i - 1]):
                check_edges(i, graph)
            sizes[i] = size = int(graph.n_nodes) * n_labels + graph.n_edges * self.pair_width
            if size >= 2**31:
                raise ValueError(
                    f"X[{i}] has {graph.n_nodes} nodes and {graph.n_edges} edges, which with "
                    f"{n_labels} labels make {size} parts; at most 2**31 - 1 can be counted"
                )
            self.most_nodes = max(self.most_nodes, graph.n_nodes)
            self.most_edges = max(self.most_edges, graph.n_edges)
            most_counts = max(most_counts, 2 * (graph.n_nodes + graph.n_edges))
            if by_cut and (self.n_kept + graph.n_edges) * sizeof(double) <= kept_bytes:
                starts[i] = self.n_kept
                self.n_kept += graph.n_edges
        if n_own is not None:
            if not tables:
                raise ValueError("agreement is for nodes that have the same labels: use tables")
            self.first_node = np.append(0, np.cumsum(n_nodes, dtype=np.int64))
            self.n_own = check_own(n_own, self.first_node[n], n_labels)
        self._flow_start = starts
        # The zero flow is a valid start, and calloc touches no memory.
        self._flows = <double*> calloc(max(self.n_kept, 1), sizeof(double))
        if self._flows == NULL:
            raise MemoryError(f"no memory for {self.n_kept} flows over edges")
        self.set_sizes(sizes, [self.graphs[i].n_nodes for i in range(n)], most_counts)
        if forests and not by_cut:
            self.order_forests()
        self.struct.exact = by_cut or (forests and self.n_forests == n)
        self.struct.maximize = <ssvm_maximize> graph_maximize
        self.struct.count = <ssvm_count> graph_count
        self.struct.difference = <ssvm_difference> graph_difference
        self.struct.reserve = <ssvm_reserve> graph_reserve

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self._n_scratch):
            ssvm_graph_free(&self._scratch[k].graph)
            ssvm_move_free(&self._scratch[k].move)
            free(self._scratch[k].unary)
            free(self._scratch[k].other)
        free(self._scratch)
        free(self._flows)
        free(self.graphs)

    cdef int order_forests(self) except -1:
        """Find the graphs without cycles, and the order of their nodes."""
        cdef Py_ssize_t i, n_ordered = 0
        cdef const EdgeList* graph
        cdef int64_t[::1] start = np.zeros(self.most_nodes + 2, dtype=np.int64)
        cdef int32_t[::1] arcs = np.zeros(2 * self.most_edges + 1, dtype=np.int32), order, up
        tree_start = np.full(self.n_examples, -1, dtype=np.int64)
        for i in range(self.n_examples):
            graph = &self.graphs[i]
            if graph.n_edges and graph.n_edges >= graph.n_nodes:
                continue  # as of images: no need to look
            if closing_edge(graph.n_nodes, self._held[i]) < 0:
                tree_start[i] = n_ordered
                n_ordered += graph.n_nodes
                self.n_forests += 1
        order, up = np.zeros(n_ordered + 1, np.int32), np.zeros(n_ordered + 1, np.int32)
        self._tree_start = tree_start
        for i in range(self.n_examples):
            if self.is_forest(i):
                graph = &self.graphs[i]
                order_forest(
                    graph.n_nodes, graph.n_edges, graph.edges, &start[0], &arcs[0],
                    &order[self._tree_start[i]], &up[self._tree_start[i]],
                )
        self._order, self._up = order, up
        return 0

    cdef bint is_forest(self, Py_ssize_t i) noexcept nogil:
        return self._tree_start is not None and self._tree_start[i] >= 0

    cdef int decode_tree(
        self, Py_ssize_t i, double* theta, label_t* y_hat, double* value
    ) except -1 nogil:
        cdef const EdgeList* graph = &self.graphs[i]
        cdef const double* pairs = theta + graph.n_nodes * self.width
        cdef Py_ssize_t k
        check_part_scores(
            i, theta, graph.n_nodes * self.width, graph.n_edges * self.pair_width, True
        )
        decode_forest(
            graph.n_nodes, self.width, graph.edges, NULL if self.tables else pairs,
            pairs if self.tables else NULL, self.pair_width, &self._order[self._tree_start[i]],
            &self._up[self._tree_start[i]], theta, y_hat, NULL, value,
        )
        for k in range(graph.n_nodes if self.n_own is not None else 0):
            y_hat[k] = min(y_hat[k], <label_t> self.n_labels_of(i, k) - 1)
        return 0

    cdef int tree_answer(
        self, Py_ssize_t i, double* theta, int thread, const label_t* y, ssvm_counts* mu
    ) except -1 nogil:
        cdef double value
        self.decode_tree(i, theta, self._scratch[thread].other, &value)
        return self.count_difference(i, y, self._scratch[thread].other, mu)

    cdef int make_room(self, Py_ssize_t n_threads) except -1:
        cdef Py_ssize_t k, n, m
        cdef int failed
        cdef CutScratch* scratch
        if n_threads <= self._n_scratch or (self.struct.exact and self.struct.relax == NULL
                                            and not self.by_cut):
            return 0  # messages of trees stand in the scores
        n, m = self.most_nodes, self.most_edges
        scratch = <CutScratch*> realloc(self._scratch, n_threads * sizeof(CutScratch))
        if scratch == NULL:
            raise MemoryError(f"no memory for {n_threads} threads")
        self._scratch = scratch
        for k in range(self._n_scratch, n_threads):
            memset(&scratch[k], 0, sizeof(CutScratch))
            self._n_scratch = k + 1
            if self.by_cut:
                scratch[k].unary = <double*> malloc(max(n, <Py_ssize_t> 1) * sizeof(double))
                failed = ssvm_graph_reserve(&scratch[k].graph, n, m)
                failed = failed or scratch[k].unary == NULL
            else:
                failed = ssvm_move_reserve(
                    &scratch[k].move, n, m, <int32_t> self.width, self.tables
                )
            if self.struct.relax != NULL:
                scratch[k].other = <label_t*> malloc(max(n, <Py_ssize_t> 1) * sizeof(label_t))
                failed = failed or scratch[k].other == NULL
            if failed:
                raise MemoryError(f"no memory for a graph of {n} nodes and {m} edges")
        return 0

    cdef Py_ssize_t n_labels_of(self, Py_ssize_t i, Py_ssize_t k) noexcept nogil:
        return self.width if self.n_own is None else self.n_own[self.first_node[i] + k]

    cdef int check_scores(self, Py_ssize_t i, const double* theta) except -1 nogil:
        cdef const EdgeList* graph = &self.graphs[i]
        return check_part_scores(
            i, theta, graph.n_nodes * self.width, graph.n_edges * self.pair_width, self.tables
        )

    cdef int cut(
        self, Py_ssize_t i, const double* theta, CutScratch* s, label_t* y_hat
    ) except -1 nogil:
        cdef const EdgeList* graph = &self.graphs[i]
        cdef int32_t k, n = <int32_t> graph.n_nodes, m = <int32_t> graph.n_edges
        cdef double* flow = NULL
        if self._flow_start[i] >= 0:
            flow = self._flows + self._flow_start[i]
        for k in range(n):
            s.unary[k] = theta[2 * k + 1] - theta[2 * k] if self.width == 2 else 0.0
        connect(&s.graph, &s.connected, graph)
        ssvm_graph_load(&s.graph, s.unary, theta + n * self.width, NULL, flow)
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
            &self.graphs[i], theta, self.width, self.tables
        )
        ssvm_greedy_labels(&p, y_hat)
        return 0

    cdef int decode(
        self, Py_ssize_t i, double* theta, int thread, label_t* y_hat, double* value
    ) except -1 nogil:
        cdef const EdgeList* graph = &self.graphs[i]
        cdef CutScratch* s = &self._scratch[thread]
        cdef ssvm_labelling p = labelling_of(graph, theta, self.width, self.tables)
        cdef Py_ssize_t k
        cdef double score
        value[0] = 0.0
        if graph.n_nodes == 0:
            return 0
        if self.is_forest(i):
            return self.decode_tree(i, theta, y_hat, value)
        self.check_scores(i, theta)
        if self.by_cut:
            self.cut(i, theta, s, y_hat)
        else:
            connect(&s.move.graph, &s.connected, graph)
            if self.struct.relax != NULL:
                self.first_labels(i, theta, thread, y_hat)
            ssvm_expansion(&p, &s.move, y_hat, self.struct.relax == NULL, self.max_cycles)
        value[0] = ssvm_labelling_score(&p, y_hat)
        if self.struct.relax != NULL:
            # y_hat started from the relaxed labels; keep the usual result if it is better.
            ssvm_expansion(&p, &s.move, s.other, True, self.max_cycles)
            score = ssvm_labelling_score(&p, s.other)
            if score > value[0]:
                value[0] = score
                memcpy(y_hat, s.other, graph.n_nodes * sizeof(label_t))
        if self.n_own is not None:
            for k in range(graph.n_nodes):
                y_hat[k] = min(y_hat[k], <label_t> self.n_labels_of(i, k) - 1)
        return 0

    cdef int count_parts(self, Py_ssize_t i, const label_t* y, ssvm_counts* mu) except -1 nogil:
        cdef const EdgeList* graph = &self.graphs[i]
        cdef Py_ssize_t k, part, K = self.width
        cdef label_t a, b
        for k in range(graph.n_nodes):
            if not SSVM_VOID <= y[k] < self.n_labels_of(i, k):
                with gil:
                    raise ValueError(
                        f"label {k} of example {i} is {y[k]}, expected 0 to "
                        f"{self.n_labels_of(i, k) - 1}, or -1 for void"
                    )
            if y[k] != SSVM_VOID:
                counts_add(mu, k * K + y[k], 1.0)
        for k in range(graph.n_edges):
            a, b = y[graph.edges[2 * k]], y[graph.edges[2 * k + 1]]
            part = graph.n_nodes * K + k * self.pair_width
            if a == SSVM_VOID or b == SSVM_VOID:
                continue
            if self.tables:
                counts_add(mu, part + a * K + b, 1.0)
            elif a == b:
                counts_add(mu, part, 1.0)
        return 0

    cdef int count_difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil:
        cdef const EdgeList* graph = &self.graphs[i]
        cdef Py_ssize_t k, part, K = self.width
        cdef label_t a, b, a_hat, b_hat
        for k in range(graph.n_nodes):
            if y[k] != SSVM_VOID and y[k] != y_hat[k]:
                counts_add(mu, k * K + y[k], 1.0)
                counts_add(mu, k * K + y_hat[k], -1.0)
        for k in range(graph.n_edges):
            a, b = y[graph.edges[2 * k]], y[graph.edges[2 * k + 1]]
            if a == SSVM_VOID or b == SSVM_VOID:
                continue
            a_hat, b_hat = y_hat[graph.edges[2 * k]], y_hat[graph.edges[2 * k + 1]]
            part = graph.n_nodes * K + k * self.pair_width
            if self.tables:
                if a != a_hat or b != b_hat:
                    counts_add(mu, part + a * K + b, 1.0)
                    counts_add(mu, part + a_hat * K + b_hat, -1.0)
            elif (a == b) != (a_hat == b_hat):
                counts_add(mu, part, 1.0 if a == b else -1.0)
        return 0


cdef int graph_maximize(
    void* user, int64_t i, int32_t thread, double* theta, int32_t* labels, double* value
) except -1 nogil:
    return (<GraphMaximizer> user).decode(i, theta, thread, labels, value)


cdef int graph_count(
    void* user, int64_t i, const int32_t* labels, ssvm_counts* mu
) except -1 nogil:
    return (<GraphMaximizer> user).count_parts(i, labels, mu)


cdef int graph_difference(
    void* user, int64_t i, const int32_t* y, const int32_t* y_hat, ssvm_counts* mu
) except -1 nogil:
    return (<GraphMaximizer> user).count_difference(i, y, y_hat, mu)


cdef int graph_reserve(void* user, int32_t n_threads, int64_t n_levels) except -1 nogil:
    with gil:
        return (<GraphMaximizer> user).make_room(n_threads)
