"""The cut of graph_flow.h for other compiled modules. Nothing is checked here: scores are finite,
capacities >= 0, ends of edges are nodes and differ, and there are less than 2**30 of each."""

from libc.stdint cimport int32_t, uint8_t


cdef extern from "structsvm/inference/graph_flow.h" nogil:
    ctypedef struct ssvm_node:
        pass
    ctypedef struct ssvm_arc:
        pass
    ctypedef struct ssvm_graph:
        int32_t n_nodes
        int32_t n_edges
        ssvm_node* nodes
        ssvm_arc* arcs
        int32_t* arc_of
        double* capacity
        double* unary
        int32_t* active
        int32_t* orphans

    void ssvm_graph_connect(ssvm_graph* g, const int32_t* edges)
    void ssvm_graph_load(
        ssvm_graph* g, const double* unary, const double* capacity, int keep_flow
    )
    void ssvm_graph_scale(ssvm_graph* g, double factor)
    void ssvm_graph_solve(ssvm_graph* g)
    uint8_t ssvm_graph_label(const ssvm_graph* g, int32_t i)
    double ssvm_graph_flow(const ssvm_graph* g, double* excess)
    double ssvm_graph_energy(const ssvm_graph* g)


cdef class GraphCut:
    cdef ssvm_graph graph
    cdef Py_ssize_t _node_room, _edge_room
    cdef bint _has_flow      # residuals are those of a flow for the scores loaded
    cdef bint _is_solved
    cdef object _edges       # what check errors name; None when connected from compiled code

    # The nodes and edges (2 m: ends of the first, of the second, ...) from now on; room is kept.
    cdef int connect(
        self, Py_ssize_t n_nodes, Py_ssize_t n_edges, const int32_t* edges
    ) except -1 nogil
    # Scores from now on; `keep_flow` starts from the flow of the last ones, if there is one.
    cdef void load(
        self, const double* unary, const double* pairwise, bint keep_flow
    ) noexcept nogil
    # labels OUT, one a node
    cdef void solve_into(self, uint8_t* labels) noexcept nogil
    cdef _held(self, const double* values, Py_ssize_t size)
