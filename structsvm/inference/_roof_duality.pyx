"""Roof duality by a cut of the doubled graph; ``structsvm.inference.roof_duality`` checks input.

Design. Every node i gets a mirror n + i with the opposite label. An attractive edge joins two nodes
and also their mirrors; a repulsive edge joins each node with the mirror of the other. So all edges
of the doubled graph attract, and a cut labels it exactly. A node is decided if it and its mirror
have different labels. The cut with the fewest 1s decides the labels that all best labellings share.
The residual graph decides more (Kolmogorov and Rother 2007, section 2.3): it is made symmetric, and
its strongly connected components are sorted topologically, tails of arcs first. A component that
comes after its mirror may be labelled 1; only components that are their own mirrors stay undecided.
"""

import numpy as np

from libc.stdint cimport int8_t, int32_t, uint8_t
from libc.string cimport memset

from structsvm.inference._graph_cut cimport (
    ssvm_arc, ssvm_graph, ssvm_graph_certify, ssvm_graph_connect, ssvm_graph_cut, ssvm_graph_face,
    ssvm_graph_free, ssvm_graph_label, ssvm_graph_load, ssvm_graph_reserve,
)


cdef class DoubledGraph:
    """The doubled graph, with room for graphs of at most so many nodes and edges."""

    def __cinit__(self):
        memset(&self.graph, 0, sizeof(ssvm_graph))

    def __init__(self, Py_ssize_t most_nodes, Py_ssize_t most_edges):
        cdef Py_ssize_t n = 2 * max(most_nodes, 1), m = 2 * max(most_edges, 1)
        if ssvm_graph_reserve(&self.graph, <int32_t> n, <int32_t> m):
            raise MemoryError(f"no memory for a graph of {n} nodes and {m} edges")
        self._ends = np.zeros((m, 2), dtype=np.int32)
        self._scores, self._capacity = np.zeros(n), np.zeros(m)
        self._component = np.zeros(n, dtype=np.int32)
        self._scratch = np.zeros((5, n), dtype=np.int32)
        self.strong = np.zeros(n // 2, dtype=np.uint8)
        self.labels = np.zeros(n // 2, dtype=np.int8)

    def __dealloc__(self):
        ssvm_graph_free(&self.graph)

    cdef void cut(
        self, int32_t n, int32_t m, const double* unary, const int32_t* edges,
        const double* pairwise,
    ) noexcept nogil:
        """Build the doubled graph and cut it."""
        cdef int32_t i, e, a, b
        for i in range(n):
            self._scores[i], self._scores[n + i] = unary[i], -unary[i]
        for e in range(m):
            # The second edge is the mirror of the first, turned: so are its arcs.
            a, b = edges[2 * e], edges[2 * e + 1]
            self._ends[2 * e, 0], self._ends[2 * e + 1, 1] = a, n + a
            if pairwise[e] >= 0.0:
                self._ends[2 * e, 1], self._ends[2 * e + 1, 0] = b, n + b
            else:
                self._ends[2 * e, 1], self._ends[2 * e + 1, 0] = n + b, b
            self._capacity[2 * e] = self._capacity[2 * e + 1] = abs(pairwise[e])
        ssvm_graph_connect(&self.graph, 2 * n, 2 * m, &self._ends[0, 0])
        ssvm_graph_load(&self.graph, &self._scores[0], &self._capacity[0], NULL, NULL)
        ssvm_graph_cut(&self.graph)

    cdef double missed(self) noexcept nogil:
        """Bound on how far the score of the fractional labelling is below the best, by rounding."""
        cdef double energy = 0.0
        cdef double flow = ssvm_graph_certify(&self.graph, &self._scores[0], &energy)
        return max((energy - flow) / 2, 0.0)

    cdef void decide(self, int32_t n, int32_t m) noexcept nogil:
        """Set `labels`, -1 where undecided, and `strong`, from the last cut."""
        cdef int32_t i
        cdef uint8_t one, mirror
        ssvm_graph_face(&self.graph)
        make_symmetric(&self.graph, m)
        self._scratch[:, : 2 * n] = 0
        for i in range(n):
            one = ssvm_graph_label(&self.graph, i)
            mirror = ssvm_graph_label(&self.graph, n + i)
            self.strong[i] = one != mirror
            self.labels[i] = <int8_t> one if self.strong[i] else -1
            # 0: not numbered below
            self._component[i] = self._component[n + i] = 0 if self.strong[i] else -1
        # The search begins at the mirrors: if either label is possible, a node gets 0.
        number_components(&self.graph, n, self._component, self._scratch)
        for i in range(n):
            if not self.strong[i] and self._component[i] != self._component[n + i]:
                self.labels[i] = 1 if self._component[i] < self._component[n + i] else 0


def persistent_labels(
    const double[::1] unary,        # IN   (n,)
    const int32_t[:, ::1] edges,    # IN   (m, 2)
    const double[::1] pairwise,     # IN   (m,), of either sign
    int8_t[::1] labels,             # OUT  (n,): -1 where undecided
    uint8_t[::1] strong,            # OUT  (n,): whether all best labellings have this label
):
    """Label the nodes that roof duality decides; returns `DoubledGraph.missed`."""
    cdef int32_t n = <int32_t> unary.shape[0], m = <int32_t> edges.shape[0]
    cdef double missed
    cdef DoubledGraph graph = DoubledGraph(n, m)
    with nogil:
        graph.cut(
            n, m, &unary[0] if n else NULL, &edges[0, 0] if m else NULL,
            &pairwise[0] if m else NULL,
        )
        missed = graph.missed()
        graph.decide(n, m)
        labels[:] = graph.labels[:n]
        strong[:] = graph.strong[:n]
    return missed


cdef void make_symmetric(ssvm_graph* graph, int32_t m) noexcept nogil:
    """Give each arc and its mirror the sum of their residuals, as for a symmetric flow."""
    cdef ssvm_arc* one
    cdef ssvm_arc* two
    cdef int32_t e
    for e in range(m):
        one, two = &graph.arcs[graph.arc_of[2 * e]], &graph.arcs[graph.arc_of[2 * e + 1]]
        one.residual = two.residual = one.residual + two.residual
        one, two = &graph.arcs[one.sister], &graph.arcs[two.sister]
        one.residual = two.residual = one.residual + two.residual


cdef void number_components(
    const ssvm_graph* graph,
    int32_t n,                        # IN   there are 2 n nodes; the search begins at node n
    int32_t[::1] component,           # IN/OUT (2 n,): -1 for nodes to number; others are left out
    int32_t[:, ::1] scratch,          # SCRATCH (5, 2 n), zeros
) noexcept nogil:
    """Number the strongly connected components of the residual graph: heads of arcs before their
    tails (Tarjan 1972, doi:10.1137/0201010, without recursion)."""
    cdef int32_t[::1] visited = scratch[0]  # order of visits, from 1; 0: not visited
    cdef int32_t[::1] low = scratch[1]      # the earliest visit that a node leads back to
    cdef int32_t[::1] path = scratch[2], next_arc = scratch[3]
    cdef int32_t[::1] waiting = scratch[4]  # visited but not numbered
    cdef int32_t n_path = 0, n_waiting = 0, n_visited = 0, n_components = 0
    cdef int32_t step = 0, i, other = -1
    cdef const ssvm_arc* arc
    while True:
        # Next: the node that an arc led to, or one not visited.
        while other < 0 and n_path == 0 and step < 2 * n:
            i = (n + step) % (2 * n)
            step += 1
            if component[i] == -1:
                other = i
        if other >= 0:
            n_visited += 1
            visited[other] = low[other] = n_visited
            path[n_path], next_arc[n_path] = other, graph.nodes[other].first
            waiting[n_waiting] = other
            n_path += 1
            n_waiting += 1
            other = -1
        if n_path == 0:
            break
        i = path[n_path - 1]
        if next_arc[n_path - 1] < graph.nodes[i + 1].first:
            arc = &graph.arcs[next_arc[n_path - 1]]
            next_arc[n_path - 1] += 1
            if arc.residual > 0.0 and component[arc.head] == -1:
                if visited[arc.head]:
                    low[i] = min(low[i], low[arc.head])
                else:
                    other = arc.head
            continue
        n_path -= 1
        if n_path:
            low[path[n_path - 1]] = min(low[path[n_path - 1]], low[i])
        if low[i] == visited[i]:
            while other != i:
                n_waiting -= 1
                other = waiting[n_waiting]
                component[other] = n_components
            other = -1
            n_components += 1
