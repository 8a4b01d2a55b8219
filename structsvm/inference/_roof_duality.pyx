"""Roof duality by a cut of the doubled graph; ``structsvm.inference.roof_duality`` checks input.

Design. A node i is joined by its mirror n + i, which stands for its opposite: agreement of two
nodes is also that of their mirrors, and repulsion is agreement of each with the mirror of the
other. All edges of the doubled graph attract, so that a cut labels it exactly, with twice the
score; a node is decided where it and its mirror have different labels. The cut with the fewest ones
decides what all best labelings have in common. More is decided by the residual graph (Kolmogorov
and Rother 2007, section 2.3): made symmetric, its strongly connected components are in an order in
which a component that comes after its mirror may be labelled 1, and only components that are their
own mirror stay undecided.
"""

import numpy as np

from libc.stdint cimport int8_t, int32_t, uint8_t
from libc.string cimport memset

cdef extern from "structsvm/inference/graph_flow.h" nogil:
    ctypedef struct ssvm_node:
        double excess
        int32_t first

    ctypedef struct ssvm_arc:
        double residual
        int32_t head
        int32_t sister

    ctypedef struct ssvm_graph:
        ssvm_node* nodes
        ssvm_arc* arcs
        int32_t* arc_of

    int ssvm_graph_reserve(ssvm_graph* g, int32_t n, int32_t m)
    void ssvm_graph_free(ssvm_graph* g)
    void ssvm_graph_connect(ssvm_graph* g, int32_t n, int32_t m, const int32_t* edges)
    void ssvm_graph_load(
        ssvm_graph* g, const double* unary, const double* capacity, const double* start
    )
    void ssvm_graph_cut(ssvm_graph* g)
    uint8_t ssvm_graph_label(const ssvm_graph* g, int32_t i)
    double ssvm_graph_certify(ssvm_graph* g, double* out, double* energy)


def persistent_labels(
    const double[::1] unary,        # IN   (n,)
    const int32_t[:, ::1] edges,    # IN   (m, 2)
    const double[::1] pairwise,     # IN   (m,), of either sign
    int8_t[::1] labels,             # OUT  (n,): -1 where undecided
    uint8_t[::1] strong,            # OUT  (n,): whether all best labelings have this label
):
    """Label what can be labelled; returns by how much, at most, the fractional labeling misses the
    value of the best one."""
    cdef int32_t n = <int32_t> unary.shape[0], m = <int32_t> edges.shape[0], i, e, a, b
    cdef int32_t[:, ::1] ends = np.zeros((2 * max(m, 1), 2), dtype=np.int32)
    cdef double[::1] scores = np.zeros(2 * max(n, 1)), capacity = np.zeros(2 * max(m, 1))
    cdef double[::1] out = np.zeros(2 * max(n, 1))
    cdef int32_t[::1] component = np.zeros(2 * max(n, 1), dtype=np.int32)
    cdef int32_t[:, ::1] scratch = np.zeros((5, 2 * max(n, 1)), dtype=np.int32)
    cdef double flow, energy
    cdef uint8_t one, mirror
    cdef ssvm_graph graph
    memset(&graph, 0, sizeof(ssvm_graph))
    if ssvm_graph_reserve(&graph, 2 * n, 2 * m):
        ssvm_graph_free(&graph)
        raise MemoryError(f"no memory for a graph of {2 * n} nodes and {2 * m} edges")
    with nogil:
        for i in range(n):
            scores[i], scores[n + i] = unary[i], -unary[i]
        for e in range(m):
            # The second edge is the mirror of the first, turned: so are its arcs.
            a, b = edges[e, 0], edges[e, 1]
            ends[2 * e, 0], ends[2 * e + 1, 1] = a, n + a
            if pairwise[e] >= 0.0:
                ends[2 * e, 1], ends[2 * e + 1, 0] = b, n + b
            else:
                ends[2 * e, 1], ends[2 * e + 1, 0] = n + b, b
            capacity[2 * e] = capacity[2 * e + 1] = abs(pairwise[e])
        ssvm_graph_connect(&graph, 2 * n, 2 * m, &ends[0, 0])
        ssvm_graph_load(&graph, &scores[0], &capacity[0], NULL)
        ssvm_graph_cut(&graph)
        flow = ssvm_graph_certify(&graph, &out[0], &energy)
        make_symmetric(&graph, m)
        for i in range(n):
            one, mirror = ssvm_graph_label(&graph, i), ssvm_graph_label(&graph, n + i)
            strong[i] = one != mirror
            labels[i] = <int8_t> one if strong[i] else -1
            component[i] = component[n + i] = 0 if strong[i] else -1  # 0: left out
        # Mirrors first: where either label will do, nodes get 0.
        number_components(&graph, n, component, scratch)
        for i in range(n):
            if not strong[i] and component[i] != component[n + i]:
                labels[i] = 1 if component[i] < component[n + i] else 0
        ssvm_graph_free(&graph)
    return max((energy - flow) / 2, 0.0)


cdef void make_symmetric(ssvm_graph* graph, int32_t m) noexcept nogil:
    """Each arc and its mirror get the sum of their residuals: those of a flow like its mirror."""
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
    int32_t n,                        # IN   2 n nodes, of which the search begins with number n
    int32_t[::1] component,           # IN/OUT (2 n,): -1 where to be numbered, else left out
    int32_t[:, ::1] scratch,          # SCRATCH (5, 2 n), zeros
) noexcept nogil:
    """Strongly connected components of the residual graph, those that arcs lead to first (Tarjan
    1972, without recursion)."""
    cdef int32_t[::1] visited = scratch[0]  # when; from 1
    cdef int32_t[::1] low = scratch[1]      # the earliest visit that a node leads back to
    cdef int32_t[::1] path = scratch[2], next_arc = scratch[3]
    cdef int32_t[::1] waiting = scratch[4]  # visited, not numbered
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
