"""Graphs with two labels and tables, whose oracle uses roof duality; parts as in
``_graph_maximizer.pxd``.

The oracle returns the best point of the local polytope: labels where they are decided, halves
elsewhere. If all nodes are decided, this is the best labelling.
"""

from libc.stdint cimport int32_t

from structsvm._typedefs cimport label_t
from structsvm.inference._graph_maximizer cimport GraphMaximizer
from structsvm.inference._maximizer cimport ssvm_counts


cdef class RoofGraphMaximizer(GraphMaximizer):
    cdef list _graphs              # one a thread
    cdef void** _graph             # the same, for use without the GIL
    cdef double[:, ::1] _unary     # (n_threads, nodes): score of label 1 minus that of label 0
    cdef double[:, ::1] _pairs     # (n_threads, edges): scores of agreement
    cdef int decide(self, Py_ssize_t i, const double* theta, int thread) except -1 nogil
    cdef int answer(
        self, Py_ssize_t i, double* theta, int thread, const label_t* y, ssvm_counts* mu,
        int32_t* is_output,
    ) except -1 nogil
