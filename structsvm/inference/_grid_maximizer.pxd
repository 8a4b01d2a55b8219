"""Grids of two labels as a maximizer, without lists of edges.

Parts of an example of n pixels and m edges, with K = 1 or 2 labels:

    i * K + k      pixel i has label k
    n * K + e      both ends of edge e have one label

Edges are counted direction by direction, in the order of the pixels that they begin at. A pixel
whose true label is void and its edges are left out of all counts.
"""

from libc.stdint cimport uint8_t

from structsvm._typedefs cimport label_t, offset_t
from structsvm.inference._grid_cut cimport ssvm_grid
from structsvm.inference._maximizer cimport Maximizer, ssvm_counts


cdef struct GridScratch:
    # The private space of one thread.
    ssvm_grid grid
    double* unary
    uint8_t* labels


cdef class GridMaximizer(Maximizer):
    cdef const offset_t[:, ::1] shapes    # (n_examples, 3)
    cdef const int[:, ::1] steps          # (n_directions, 3)
    cdef Py_ssize_t n_directions, width   # width: K
    cdef GridScratch* _scratch            # one a thread
    cdef Py_ssize_t _n_scratch
    cdef float* _flows                    # flows of the examples whose flow is kept
    cdef readonly Py_ssize_t n_kept       # their length
    cdef const offset_t[::1] _flow_start  # place of each example there, or -1
    cdef const offset_t[::1] n_edges
    cdef int make_room(self, Py_ssize_t n_threads) except -1
    cdef int decode(
        self, Py_ssize_t i, double* theta, int thread, label_t* labels, double* value
    ) except -1 nogil
    cdef int count_parts(self, Py_ssize_t i, const label_t* y, ssvm_counts* mu) except -1 nogil
    cdef int count_difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil
