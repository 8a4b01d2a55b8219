from libc.stdint cimport int64_t

from structsvm._typedefs cimport offset_t
from structsvm.problems._losses cimport PartLoss


cdef class AlignmentLoss(PartLoss):
    cdef const offset_t[::1] offsets      # of the positions of first sequences
    cdef const int64_t[::1] others        # length of the second sequence of each example
    cdef const double[::1] weight         # of each example
    cdef Py_ssize_t max_shift
    cdef double cost(self, Py_ssize_t right, Py_ssize_t found) noexcept nogil
