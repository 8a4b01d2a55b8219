"""Max-product on forests, on plain arrays; without a cycle among the edges."""

from libc.stdint cimport int32_t, int64_t


# Breadth first from the lowest-numbered node of each tree.
#   order OUT (n_nodes,): parents before their children; up OUT (n_nodes,): the edge to the parent,
#   -1 at roots; start (n_nodes + 2,) and arcs (2 n_edges,) are SCRATCH
cdef void order_forest(
    Py_ssize_t n_nodes, Py_ssize_t n_edges, const int32_t* edges, int64_t* start, int32_t* arcs,
    int32_t* order, int32_t* up,
) noexcept nogil

# The best labels.
#   belief IN (n_nodes, n_labels): scores of labels, SCRATCH afterwards; agreement IN (n_edges,), or
#   NULL with tables; tables IN: of each edge, `step` after that of the edge before
#   labels OUT (n_nodes,); values OUT (n_nodes,) or NULL: score of each tree at its root, else 0
#   total OUT: the sum of these. Returns the root of a tree without an allowed labelling, or -1.
cdef Py_ssize_t decode_forest(
    Py_ssize_t n_nodes, Py_ssize_t n_labels, const int32_t* edges, const double* agreement,
    const double* tables, Py_ssize_t step, const int32_t* order, const int32_t* up, double* belief,
    int32_t* labels, double* values, double* total,
) noexcept nogil
