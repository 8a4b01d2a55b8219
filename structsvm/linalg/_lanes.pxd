"""Rows of scores as vector instructions like them: in whole groups of lanes."""

cdef extern from "structsvm/linalg/clones.h" nogil:
    enum:
        SSVM_LANES


cdef inline Py_ssize_t padded(Py_ssize_t n) noexcept nogil:
    """So many scores in whole groups of lanes."""
    return (n + SSVM_LANES - 1) // SSVM_LANES * SSVM_LANES
