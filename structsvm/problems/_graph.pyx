"""Features of graphs; weights are laid out in ``_graph.pxd``."""

import numpy as np

from libc.stdlib cimport calloc, free

from structsvm._typedefs cimport index_t
from structsvm.inference._maximizer cimport ssvm_counts
from structsvm.linalg._plane cimport Plane, PlaneBuilder, Weights, plane_reserve
from structsvm.problems._factored cimport PartFeatures
from structsvm.problems._feature_rows cimport (
    FeatureRows, ssvm_all_feature_scores, ssvm_feature_add, ssvm_feature_rows,
)


cdef class GraphData:
    """Graphs bound to a problem; nothing is copied.

    Parameters
    ----------
    graphs : list of tuples (nodes, pairs)
        `FeatureRows` of the nodes and of the edges; graphs may share arrays.
    """

    def __init__(self, graphs):
        cdef Py_ssize_t i
        cdef FeatureRows nodes, pairs
        self.n_graphs = len(graphs)
        self._held = list(graphs)
        self.offsets = np.zeros(len(graphs) + 1, dtype=np.int64)
        self.rows = <GraphRows*> calloc(max(self.n_graphs, 1), sizeof(GraphRows))
        if self.rows == NULL:
            raise MemoryError(f"no memory for {self.n_graphs} graphs")
        for i, (nodes, pairs) in enumerate(graphs):
            self.rows[i].n_nodes = nodes.n_rows
            self.rows[i].n_edges = pairs.n_rows
            self.rows[i].nodes = nodes.rows
            self.rows[i].pairs = pairs.rows
            self.offsets[i + 1] = self.offsets[i] + nodes.n_rows

    def __dealloc__(self):
        free(self.rows)


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
        self.n_examples = data.n_graphs

    cdef Py_ssize_t n_parts(self, Py_ssize_t i) noexcept nogil:
        cdef const GraphRows* rows = &self.data.rows[i]
        return rows.n_nodes * self.n_labels + rows.n_edges * self.pair_width

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
        self, Py_ssize_t i, const ssvm_counts* mu, PlaneBuilder* out
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
        cdef Py_ssize_t k
        cdef double total = 0.0
        for k in range(self.n_parts(i)):
            total += 0.0 * theta[k]
        return total == 0.0
