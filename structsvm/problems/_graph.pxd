"""Features of graphs: dense or sparse ones of nodes and edges.

Parts are those of ``inference/_graph_maximizer.pxd``.

The weight vector is [node F*K | node intercept K | edge G*P | edge intercept P], row-major, with
P = 1 or K*K numbers a row for the edges; intercepts that the model does without are left out.

Joint features are sums over nodes and edges, times a scale of each example.
"""

from structsvm.problems._factored cimport PartFeatures
from structsvm.problems._feature_rows cimport ssvm_feature_rows


cdef struct GraphRows:
    # Of one example.
    Py_ssize_t n_nodes
    Py_ssize_t n_edges
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
