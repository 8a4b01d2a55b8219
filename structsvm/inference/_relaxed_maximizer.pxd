"""Graphs whose oracle answers with a point of the local polytope; parts as in
``_graph_maximizer.pxd``.

Every labelling is such a point, so that the maximum over them, and with it the hinge, is never
below that over labellings: an over-generating oracle (Finley and Joachims 2008).
"""

from structsvm._typedefs cimport label_t
from structsvm.inference._graph_maximizer cimport GraphMaximizer
from structsvm.inference._maximizer cimport ssvm_counts
from structsvm.inference._relaxation cimport TreeReweighted


cdef class RelaxedGraphMaximizer(GraphMaximizer):
    cdef const double[::1] tolerance      # of each example: see the class
    cdef Py_ssize_t max_sweeps, most_entries
    cdef Py_ssize_t n_nodes, n_edges      # the most, of graphs that are not too large
    cdef readonly object missed           # float64 ndarray of shape (n_graphs,): see the class
    cdef double[::1] _missed              # the same
    cdef list _relaxations                # one a thread
    cdef void** _relaxation               # the same, to be had without the GIL
    cdef int run(self, TreeReweighted relaxation, Py_ssize_t i, const double* theta) except -1 nogil
    cdef int count_nodes(
        self, TreeReweighted relaxation, Py_ssize_t i, const label_t* y, ssvm_counts* mu
    ) except -1 nogil
    cdef int count_edges(
        self, TreeReweighted relaxation, Py_ssize_t i, const label_t* y, ssvm_counts* mu
    ) except -1 nogil
    cdef int answer(
        self, Py_ssize_t i, const double* theta, int thread, const label_t* y, ssvm_counts* mu
    ) except -1 nogil
