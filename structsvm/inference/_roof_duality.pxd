"""Roof duality for other compiled modules: call `cut`, then `decide`; they check nothing."""

from libc.stdint cimport int8_t, int32_t, uint8_t

from structsvm.inference._graph_cut cimport ssvm_graph


cdef class DoubledGraph:
    cdef ssvm_graph graph
    cdef int32_t[:, ::1] _ends, _scratch
    cdef double[::1] _scores, _capacity
    cdef int32_t[::1] _component
    cdef int8_t[::1] labels
    cdef uint8_t[::1] strong
    cdef void cut(
        self, int32_t n, int32_t m, const double* unary, const int32_t* edges,
        const double* pairwise,
    ) noexcept nogil
    cdef double missed(self) noexcept nogil
    cdef void decide(self, int32_t n, int32_t m) noexcept nogil
