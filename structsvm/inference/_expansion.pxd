"""The moves of expansion.h for other compiled modules; it checks nothing."""

from libc.stdint cimport int32_t

from structsvm.inference._graph_cut cimport ssvm_graph


cdef extern from "structsvm/inference/expansion.h" nogil:
    ctypedef struct ssvm_labelling:
        int32_t n_nodes
        int32_t n_edges
        int32_t n_labels
        const int32_t* edges
        const double* unary
        const double* pairwise
        Py_ssize_t step
        int is_table

    ctypedef struct ssvm_move:
        ssvm_graph graph

    double ssvm_labelling_score(const ssvm_labelling* p, const int32_t* y)
    void ssvm_greedy_labels(const ssvm_labelling* p, int32_t* y)
    int ssvm_expansion(
        const ssvm_labelling* p, ssvm_move* move, int32_t* y, int begins_anew, int32_t max_cycles
    )
    int ssvm_move_reserve(
        ssvm_move* move, int32_t n, int32_t m, int32_t n_labels, int is_table
    )
    void ssvm_move_free(ssvm_move* move)
