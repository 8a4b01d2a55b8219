"""Graphs whose oracle answers with a point of the local polytope; parts as in ``_graph.pxd``.

Every labelling is such a point, so that the maximum over them, and with it the hinge, is never
below that over labellings: an over-generating oracle (Finley and Joachims 2008).
"""

from structsvm._typedefs cimport label_t
from structsvm.inference._relaxation cimport TreeReweighted
from structsvm.problems._factored cimport PartCounts
from structsvm.problems._graph cimport GraphStructure


cdef class RelaxedGraphStructure(GraphStructure):
    cdef const double[::1] slack          # of each example: see the class
    cdef Py_ssize_t max_sweeps, most_entries
    cdef Py_ssize_t most_nodes, most_edges    # of graphs that are not too large
    cdef readonly object missed           # float64 ndarray of shape (n_graphs,): see the class
    cdef double[::1] _missed              # the same
    cdef list _relaxations                # one a thread
    cdef void** _relaxation               # the same, to be had without the GIL
    cdef int run(self, TreeReweighted relaxation, Py_ssize_t i, const double* theta) except -1 nogil
    cdef int count_nodes(
        self, TreeReweighted relaxation, Py_ssize_t i, const label_t* y, PartCounts* mu
    ) except -1 nogil
    cdef int count_edges(
        self, TreeReweighted relaxation, Py_ssize_t i, const label_t* y, PartCounts* mu
    ) except -1 nogil
