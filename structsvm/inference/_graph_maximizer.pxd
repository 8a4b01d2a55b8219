"""Graphs as a maximizer: cuts, expansions, and max-product where there are no cycles.

Parts of an example of n nodes, m edges and K labels:

    i * K + k                              node i has label k
    n * K + e                              both ends of edge e have one label (Potts), or
    n * K + (e * K + k) * K + l            the ends of edge e have labels k and l (tables)

A node whose true label is void and its edges are left out of all counts.

Nodes may have different numbers of labels, up to K. Further labels of a node are then other names
of its last one: whoever makes the scores gives them the same, so that nothing has to be forbidden.
Answers and counts name the last label alone.
"""

from libc.stdint cimport int32_t

from structsvm._typedefs cimport label_t, offset_t
from structsvm.inference._expansion cimport ssvm_labelling, ssvm_move
from structsvm.inference._graph_cut cimport ssvm_graph
from structsvm.inference._maximizer cimport Maximizer, ssvm_counts


cdef struct EdgeList:
    # Of one example; edges are (n_edges, 2).
    Py_ssize_t n_nodes
    Py_ssize_t n_edges
    const int32_t* edges


cdef struct CutScratch:
    # The private space of one thread.
    ssvm_graph graph
    ssvm_move move
    const int32_t* connected    # the edges of the graph at present
    double* unary
    label_t* other              # labels: of expansions without a relaxation, or of a tree


cdef ssvm_labelling labelling_of(
    const EdgeList* graph, const double* theta, Py_ssize_t n_labels, bint tables
) noexcept nogil


# Raises if the scores have no finite sum, or (without tables) a score of agreement is negative
cdef int check_part_scores(
    Py_ssize_t i, const double* theta, Py_ssize_t n_of_nodes, Py_ssize_t n_of_edges, bint tables
) except -1 nogil


cdef class GraphMaximizer(Maximizer):
    cdef EdgeList* graphs
    cdef readonly Py_ssize_t most_nodes, most_edges
    cdef Py_ssize_t width, pair_width     # K, and parts of an edge
    cdef bint tables
    cdef bint by_cut                      # exact, for two labels and scores >= 0; else expansions
    cdef int32_t max_cycles
    cdef list _held                       # the edges
    cdef const int32_t[::1] n_own         # number of labels of each node of all graphs, or None: K
    cdef const offset_t[::1] first_node   # of each graph, there
    cdef const offset_t[::1] _tree_start  # where `_order` and `_up` begin, or -1: has a cycle
    cdef const int32_t[::1] _order, _up   # of the nodes of graphs without cycles: `order_forest`
    cdef readonly Py_ssize_t n_forests    # number of graphs decoded by max-product
    cdef CutScratch* _scratch             # one a thread
    cdef Py_ssize_t _n_scratch
    cdef double* _flows                   # flows of the examples whose flow is kept
    cdef readonly Py_ssize_t n_kept       # their length
    cdef const offset_t[::1] _flow_start  # place of each example there, or -1
    cdef int order_forests(self) except -1
    cdef bint is_forest(self, Py_ssize_t i) noexcept nogil
    # The best labels of a graph without cycles; theta is SCRATCH afterwards
    cdef int decode_tree(
        self, Py_ssize_t i, double* theta, label_t* labels, double* value
    ) except -1 nogil
    # What `relax` answers for a graph without cycles: its best labels
    cdef int tree_answer(
        self, Py_ssize_t i, double* theta, int thread, const label_t* y, ssvm_counts* mu
    ) except -1 nogil
    cdef int make_room(self, Py_ssize_t n_threads) except -1
    # Number of labels of node k of graph i
    cdef Py_ssize_t n_labels_of(self, Py_ssize_t i, Py_ssize_t k) noexcept nogil
    cdef int check_scores(self, Py_ssize_t i, const double* theta) except -1 nogil
    # labels OUT: the start of the expansions, where there is a relaxation
    cdef int first_labels(
        self, Py_ssize_t i, const double* theta, int thread, label_t* labels
    ) except -1 nogil
    cdef int cut(
        self, Py_ssize_t i, const double* theta, CutScratch* s, label_t* labels
    ) except -1 nogil
    cdef int decode(
        self, Py_ssize_t i, double* theta, int thread, label_t* labels, double* value
    ) except -1 nogil
    cdef int count_parts(self, Py_ssize_t i, const label_t* y, ssvm_counts* mu) except -1 nogil
    cdef int count_difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil
