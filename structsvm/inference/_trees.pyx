"""Max-product on forests; ``structsvm.inference.max_product_tree`` checks the input."""

import numpy as np

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t
from libc.string cimport memset


cdef enum:
    ROOT = -1
    UNSEEN = -2


cdef struct Edge:
    const double* table     # (K, K), or NULL if the edge has a score of agreement
    double agreement
    bint turned             # whether the table's first label is the child's


cdef inline double edge_score(
    const Edge* edge, Py_ssize_t parent, Py_ssize_t child, Py_ssize_t n_labels
) noexcept nogil:
    if edge.table == NULL:
        return edge.agreement if parent == child else 0.0
    if edge.turned:
        return edge.table[child * n_labels + parent]
    return edge.table[parent * n_labels + child]


cdef void add_message(
    const Edge* edge, const double* child, double* parent, Py_ssize_t n_labels
) noexcept nogil:
    """parent[a] += max_b child[b] + score(a, b)."""
    cdef Py_ssize_t a, b, top = 0
    cdef double best, second = -INFINITY
    if edge.table == NULL:
        for b in range(1, n_labels):
            if child[b] > child[top]:
                second = child[top]
                top = b
            elif child[b] > second:
                second = child[b]
        for a in range(n_labels):
            best = second if a == top else child[top]
            parent[a] += max(best, child[a] + edge.agreement)
        return
    for a in range(n_labels):
        best = -INFINITY
        for b in range(n_labels):
            best = max(best, child[b] + edge_score(edge, a, b, n_labels))
        parent[a] += best


def closing_edge(Py_ssize_t n_nodes, const int32_t[:, ::1] edges):
    """The first edge that closes a cycle with the edges before it, or -1."""
    cdef int32_t[::1] leader = np.arange(n_nodes, dtype=np.int32)
    cdef Py_ssize_t e, closing = -1
    cdef int32_t i, j
    with nogil:
        for e in range(edges.shape[0]):
            i, j = edges[e, 0], edges[e, 1]
            while leader[i] != i:
                leader[i] = leader[leader[i]]
                i = leader[i]
            while leader[j] != j:
                leader[j] = leader[leader[j]]
                j = leader[j]
            if i == j:
                closing = e
                break
            leader[max(i, j)] = min(i, j)
    return closing


cdef void order_forest(
    Py_ssize_t n_nodes, Py_ssize_t n_edges, const int32_t* edges, int64_t* start, int32_t* arcs,
    int32_t* order, int32_t* up,
) noexcept nogil:
    cdef Py_ssize_t k, root, step, n_seen = 0
    cdef int32_t e, node, other
    memset(start, 0, (n_nodes + 2) * sizeof(int64_t))
    for k in range(2 * n_edges):
        start[edges[k] + 2] += 1
    for k in range(2, n_nodes + 2):
        start[k] += start[k - 1]
    for e in range(<int32_t> n_edges):
        for k in range(2):
            arcs[start[edges[2 * e + k] + 1]] = e
            start[edges[2 * e + k] + 1] += 1
    for k in range(n_nodes):
        up[k] = UNSEEN
    for root in range(n_nodes):
        if up[root] != UNSEEN:
            continue
        up[root] = ROOT
        step = n_seen
        order[n_seen] = <int32_t> root
        n_seen += 1
        while step < n_seen:
            node = order[step]
            step += 1
            for k in range(start[node], start[node + 1]):
                other = other_end(edges, arcs[k], node)
                if up[other] == UNSEEN:
                    up[other] = arcs[k]
                    order[n_seen] = other
                    n_seen += 1


cdef Py_ssize_t decode_forest(
    Py_ssize_t n_nodes, Py_ssize_t n_labels, const int32_t* edges, const double* agreement,
    const double* tables, Py_ssize_t step, const int32_t* order, const int32_t* up, double* belief,
    int32_t* labels, double* values, double* total,
) noexcept nogil:
    cdef Py_ssize_t k
    cdef int32_t node, other, label, best
    cdef Edge edge
    cdef double score, highest
    total[0] = 0.0
    for k in range(n_nodes - 1, -1, -1):
        node = order[k]
        if up[node] >= 0:
            edge = edge_of(up[node], node, edges, agreement, tables, step)
            other = other_end(edges, up[node], node)
            add_message(&edge, belief + node * n_labels, belief + other * n_labels, n_labels)
    for k in range(n_nodes):
        node = order[k]
        best, highest = 0, -INFINITY
        if up[node] >= 0:
            edge = edge_of(up[node], node, edges, agreement, tables, step)
            other = labels[other_end(edges, up[node], node)]
        for label in range(<int32_t> n_labels):
            score = belief[node * n_labels + label]
            if up[node] >= 0:
                score += edge_score(&edge, other, label, n_labels)
            if score > highest:
                best, highest = label, score
        labels[node] = best
        if values != NULL:
            values[node] = 0.0
        if up[node] < 0:
            if highest == -INFINITY:
                return node
            total[0] += highest
            if values != NULL:
                values[node] = highest
    return -1


def max_product_forest(
    double[:, ::1] belief,                 # IN   (n_nodes, K): unary scores; SCRATCH afterwards
    const int32_t[:, ::1] edges,           # IN   (n_edges, 2), without a cycle
    const double[::1] agreement,           # IN   (n_edges,), or None with tables
    const double[:, :, ::1] tables,        # IN   (1 or n_edges, K, K), or None with agreement
    int32_t[::1] labels,                   # OUT  (n_nodes,)
    double[::1] values,                    # OUT  (n_nodes,): score of each tree at its root; else 0
):
    """Decode all trees; returns the root of a tree without an allowed labelling, or -1."""
    cdef Py_ssize_t n_nodes = belief.shape[0], n_labels = belief.shape[1]
    cdef Py_ssize_t n_edges = edges.shape[0], hopeless, step = 0
    cdef int64_t[::1] start = np.zeros(n_nodes + 2, dtype=np.int64)
    cdef int32_t[::1] arcs = np.zeros(2 * n_edges + 1, dtype=np.int32)
    cdef int32_t[::1] order = np.zeros(n_nodes + 1, dtype=np.int32)
    cdef int32_t[::1] up = np.zeros(n_nodes + 1, dtype=np.int32)
    cdef const int32_t* ends = &edges[0, 0] if n_edges else NULL
    cdef const double* of_tables = NULL
    cdef const double* of_agreement = NULL
    cdef double total
    if not n_nodes:
        return -1
    if n_edges and agreement is not None:
        of_agreement = &agreement[0]
    elif n_edges:
        of_tables = &tables[0, 0, 0]
        step = n_labels * n_labels if tables.shape[0] > 1 else 0
    with nogil:
        order_forest(n_nodes, n_edges, ends, &start[0], &arcs[0], &order[0], &up[0])
        hopeless = decode_forest(
            n_nodes, n_labels, ends, of_agreement, of_tables, step, &order[0], &up[0],
            &belief[0, 0], &labels[0], &values[0], &total,
        )
    return hopeless


cdef inline int32_t other_end(const int32_t* edges, int32_t e, int32_t node) noexcept nogil:
    return edges[2 * e] + edges[2 * e + 1] - node


cdef inline Edge edge_of(
    int32_t e, int32_t child, const int32_t* edges, const double* agreement, const double* tables,
    Py_ssize_t step,
) noexcept nogil:
    cdef Edge edge
    edge.turned = edges[2 * e] == child
    edge.agreement, edge.table = 0.0, NULL
    if agreement != NULL:
        edge.agreement = agreement[e]
    else:
        edge.table = tables + e * step
    return edge
