"""Graphs without cycles, decoded exactly by max-product; parts as in ``_graph_maximizer.pxd``."""

from libc.stdint cimport int32_t

from structsvm._typedefs cimport offset_t
from structsvm.inference._graph_maximizer cimport GraphMaximizer


cdef class ForestMaximizer(GraphMaximizer):
    cdef const offset_t[::1] _start       # first node of each graph
    cdef const int32_t[::1] _order, _up   # of all nodes: see `order_forest`
