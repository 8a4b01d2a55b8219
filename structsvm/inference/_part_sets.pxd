"""Bases of maximizers: those that need scratch space, and those whose outputs are sets of parts."""

from libc.stdint cimport uint8_t

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport Maximizer


cdef class ScratchMaximizer(Maximizer):
    cdef char* _memory
    cdef char* _scratch         # in it, on a line of the cache
    cdef size_t _n_bytes        # scratch space of one thread
    cdef Py_ssize_t _n_scratch  # threads that have it

    cdef int set_scratch(self, size_t n_bytes) except -1
    cdef int make_room(self, Py_ssize_t n_threads) except -1
    # theta IN, SCRATCH afterwards; scratch: as many bytes as `set_scratch` was told, aligned to 64;
    # labels OUT, value OUT. To be overridden
    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* labels, double* value
    ) except -1 nogil


cdef class PartSetMaximizer(ScratchMaximizer):
    cdef int set_outputs(self, n_parts, n_labels, size_t n_bytes) except -1


cdef inline size_t aligned(size_t n_bytes) noexcept nogil:
    """The next multiple of 64, so that the array behind starts on a line of the cache."""
    return (n_bytes + 63) // 64 * 64


# Raises ValueError if they are too large
cdef size_t table_bytes(double n_bytes) except 0


cdef double write_parts(
    const uint8_t* used, const double* theta, Py_ssize_t n_parts, label_t* labels,
    Py_ssize_t n_labels,
) noexcept nogil
