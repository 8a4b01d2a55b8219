from libc.stdint cimport int32_t

from structsvm._typedefs cimport label_t


cdef struct Arcs:
    Py_ssize_t n_nodes
    Py_ssize_t n_arcs
    const int32_t* ends     # (n_arcs, 2): tail, head; NULL: all pairs of nodes


# The search for other compiled modules.
cdef size_t search_bytes(const Arcs* arcs) noexcept nogil

cdef int32_t arborescence(
    const Arcs* arcs, int32_t root, bint single_root, const double* theta, char* scratch,
    label_t* labels, double* value, Py_ssize_t* n_root_arcs,
) noexcept nogil
