"""Sizes of rows padded to whole groups of lanes, for vector instructions."""

cdef extern from "structsvm/linalg/clones.h" nogil:
    enum:
        SSVM_LANES


cdef inline Py_ssize_t padded(Py_ssize_t n) noexcept nogil:
    """n rounded up to whole groups of lanes."""
    return (n + SSVM_LANES - 1) // SSVM_LANES * SSVM_LANES
