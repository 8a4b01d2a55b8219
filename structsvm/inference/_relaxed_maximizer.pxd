"""Graphs whose oracle returns a point of the local polytope; parts as in ``_graph_maximizer.pxd``.

Every labelling is a point of the polytope. So the maximum over the polytope, and with it the hinge,
is never below the maximum over labellings: the oracle is over-generating (Finley, Joachims 2008).
"""

from libc.stdint cimport int32_t

from structsvm._typedefs cimport label_t
from structsvm.inference._graph_maximizer cimport GraphMaximizer
from structsvm.inference._maximizer cimport ssvm_counts
from structsvm.inference._relaxation cimport TreeReweighted


cdef class RelaxedGraphMaximizer(GraphMaximizer):
    cdef const double[::1] tolerance      # see the class
    cdef Py_ssize_t max_sweeps, most_entries
    cdef Py_ssize_t n_nodes, n_edges      # the most of a graph within most_entries
    cdef readonly object missed           # float64 ndarray of shape (n_graphs,): see the class
    cdef double[::1] _missed              # the same
    cdef list _relaxations                # one a thread
    cdef void** _relaxation               # the same, for use without the GIL
    cdef int run(self, TreeReweighted relaxation, Py_ssize_t i, const double* theta) except -1 nogil
    cdef int count_nodes(
        self, TreeReweighted relaxation, Py_ssize_t i, const label_t* y, ssvm_counts* mu
    ) except -1 nogil
    cdef int count_edges(
        self, TreeReweighted relaxation, Py_ssize_t i, const label_t* y, ssvm_counts* mu
    ) except -1 nogil
    cdef int answer(
        self, Py_ssize_t i, double* theta, int thread, const label_t* y, ssvm_counts* mu,
        int32_t* is_output,
    ) except -1 nogil
