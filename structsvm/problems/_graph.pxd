"""Graphs: dense or sparse features of nodes and edges, cuts and expansions.

Parts of an example of n nodes, m edges and K labels:

    i * K + k                              node i has label k
    n * K + e                              both ends of edge e have one label (Potts), or
    n * K + (e * K + k) * K + l            the ends of edge e have labels k and l (tables)

The weight vector is [node F*K | node intercept K | edge G*P | edge intercept P], row-major, with
P = 1 or K*K numbers a row for the edges; intercepts that the model does without are left out.

Joint features are sums over nodes and edges, times a scale of each example.

A node whose true label is VOID takes no part in training, nor do its edges: they have neither loss
nor joint feature, so that nothing is said about them.
"""

from libc.stdint cimport int32_t

from structsvm._typedefs cimport label_t, offset_t
from structsvm.inference._expansion cimport ssvm_labelling, ssvm_move
from structsvm.inference._graph_cut cimport ssvm_graph
from structsvm.linalg._plane cimport PlaneBuilder, Weights
from structsvm.problems._factored cimport PartCounts, PartFeatures, PartLoss, Structure
from structsvm.problems._feature_rows cimport ssvm_feature_rows

cdef enum:
    VOID = -1


cdef struct GraphRows:
    # Of one example; edges are (n_edges, 2).
    Py_ssize_t n_nodes
    Py_ssize_t n_edges
    const int32_t* edges
    ssvm_feature_rows nodes
    ssvm_feature_rows pairs


cdef class GraphData:
    """The graphs of a problem, in the arrays that the user holds."""
    cdef GraphRows* rows
    cdef readonly Py_ssize_t n_graphs
    cdef readonly object offsets          # int64 ndarray: nodes of example i, as for labels
    cdef list _held                       # what `rows` points into


cdef class GraphFeatures(PartFeatures):
    cdef GraphData data
    cdef Py_ssize_t n_labels, pair_width  # K, P
    cdef Py_ssize_t first_pair            # place of the edge weights
    cdef const double[::1] scale          # of each example's joint feature


cdef class GraphLoss(PartLoss):
    cdef GraphData data
    cdef Py_ssize_t n_labels, pair_width
    cdef const offset_t[::1] offsets
    cdef const double[:, ::1] cost
    cdef const double[::1] node_weight


cdef struct CutScratch:
    # The private space of one thread.
    ssvm_graph graph
    ssvm_move move
    const int32_t* connected    # the edges that the graph is connected by
    double* unary
    label_t* greedy             # what expansions from the best labels without edges find


cdef ssvm_labelling labelling_of(
    const GraphRows* rows, const double* theta, Py_ssize_t n_labels, bint tables
) noexcept nogil


cdef class GraphStructure(Structure):
    cdef readonly GraphData data
    cdef Py_ssize_t n_labels, pair_width
    cdef bint tables
    cdef bint by_cut                      # two labels that like to agree: exact; else expansions
    cdef int32_t max_cycles
    cdef CutScratch* _scratch             # one a thread
    cdef Py_ssize_t _n_scratch
    cdef double* _flows                   # of the examples whose flow is kept
    cdef readonly Py_ssize_t n_kept       # how many numbers these are
    cdef const offset_t[::1] _flow_start  # place of each example there, or -1
    cdef int check_scores(self, Py_ssize_t i, const double* theta) except -1 nogil
    # y_hat OUT: where expansions start, unless it is a cut
    cdef int first_labels(
        self, Py_ssize_t i, const double* theta, int thread, label_t* y_hat
    ) except -1 nogil
    cdef int cut(
        self, Py_ssize_t i, const double* theta, CutScratch* s, label_t* y_hat
    ) except -1 nogil
