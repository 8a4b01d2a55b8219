"""Max-product on forests; ``structsvm.inference.max_product_tree`` checks the input."""

import numpy as np

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t


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
    cdef Py_ssize_t n_edges = edges.shape[0], n_seen = 0, k, step, root, hopeless = -1
    cdef int64_t[::1] start = np.zeros(n_nodes + 2, dtype=np.int64)
    cdef int32_t[::1] arcs = np.zeros(2 * n_edges, dtype=np.int32)
    cdef int32_t[::1] order = np.zeros(n_nodes, dtype=np.int32)   # parents before children
    cdef int32_t[::1] up = np.full(n_nodes, -2, dtype=np.int32)   # edge to the parent; -1: root
    cdef int32_t e, node, other, label, best
    cdef Edge edge
    cdef double score, highest
    with nogil:
        for k in range(n_edges):
            start[edges[k, 0] + 2] += 1
            start[edges[k, 1] + 2] += 1
        for k in range(2, n_nodes + 2):
            start[k] += start[k - 1]
        for e in range(<int32_t> n_edges):
            for k in range(2):
                arcs[start[edges[e, k] + 1]] = e
                start[edges[e, k] + 1] += 1
        # Breadth first from the lowest-numbered node of each tree.
        for root in range(n_nodes):
            if up[root] != -2:
                continue
            up[root] = -1
            step = n_seen
            order[n_seen] = <int32_t> root
            n_seen += 1
            while step < n_seen:
                node = order[step]
                step += 1
                for k in range(start[node], start[node + 1]):
                    other = edges[arcs[k], 0] + edges[arcs[k], 1] - node
                    if up[other] == -2:
                        up[other] = arcs[k]
                        order[n_seen] = other
                        n_seen += 1
        for step in range(n_nodes - 1, -1, -1):
            node = order[step]
            if up[node] >= 0:
                edge = edge_of(up[node], node, edges, agreement, tables)
                other = edges[up[node], 0] + edges[up[node], 1] - node
                add_message(&edge, &belief[node, 0], &belief[other, 0], n_labels)
        for step in range(n_nodes):
            node = order[step]
            best, highest = 0, -INFINITY
            if up[node] >= 0:
                edge = edge_of(up[node], node, edges, agreement, tables)
                other = labels[edges[up[node], 0] + edges[up[node], 1] - node]
            for label in range(<int32_t> n_labels):
                score = belief[node, label]
                if up[node] >= 0:
                    score += edge_score(&edge, other, label, n_labels)
                if score > highest:
                    best, highest = label, score
            labels[node] = best
            if up[node] < 0:
                values[node] = highest
                if highest == -INFINITY:
                    hopeless = node
                    break
    return hopeless


cdef inline Edge edge_of(
    Py_ssize_t e, int32_t child, const int32_t[:, ::1] edges, const double[::1] agreement,
    const double[:, :, ::1] tables,
) noexcept nogil:
    cdef Edge edge
    edge.turned = edges[e, 0] == child
    edge.agreement, edge.table = 0.0, NULL
    if agreement is not None:
        edge.agreement = agreement[e]
    else:
        edge.table = &tables[0 if tables.shape[0] == 1 else e, 0, 0]
    return edge
