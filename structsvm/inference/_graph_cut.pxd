"""The cut of graph_flow.h for other compiled modules. It checks nothing: scores and the sum of
|unary| must be finite, capacities >= 0, and the ends of an edge two different nodes; there must be
fewer than 2**30 edges and 2**31 - 1 nodes."""

from libc.stdint cimport int32_t, uint8_t


cdef extern from "structsvm/inference/graph_flow.h" nogil:
    ctypedef struct ssvm_node:
        int32_t first

    ctypedef struct ssvm_arc:
        double residual
        int32_t head
        int32_t sister

    ctypedef struct ssvm_graph:
        int32_t n_nodes
        int32_t n_edges
        int32_t node_room
        int32_t edge_room
        ssvm_node* nodes
        ssvm_arc* arcs
        int32_t* arc_of
        double* capacity
        double* reverse
        double* unary

    size_t ssvm_graph_bytes(Py_ssize_t n, Py_ssize_t m)
    int ssvm_graph_reserve(ssvm_graph* g, int32_t n, int32_t m)
    void ssvm_graph_free(ssvm_graph* g)
    void ssvm_graph_connect(ssvm_graph* g, int32_t n, int32_t m, const int32_t* edges)
    int ssvm_graph_load(
        ssvm_graph* g, const double* unary, const double* capacity, const double* reverse,
        const double* start,
    )
    double ssvm_flow_over(const ssvm_graph* g, int32_t e)
    void ssvm_graph_scale(ssvm_graph* g, double factor)
    void ssvm_graph_cut(ssvm_graph* g)
    void ssvm_graph_face(ssvm_graph* g)
    uint8_t ssvm_graph_label(const ssvm_graph* g, int32_t i)
    double ssvm_graph_certify(ssvm_graph* g, double* out, double* energy)


cdef class GraphCut:
    cdef ssvm_graph graph
    cdef bint _is_loaded, _is_solved
    cdef object _lock        # held while the graph is used without the GIL
    cdef _held(self, const double* values, Py_ssize_t size)
    cdef void _solve(self) noexcept nogil
