"""The task loss of outputs that are sets of parts."""

from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport offset_t
from structsvm.problems._losses cimport PartLoss


cdef class SetLoss(PartLoss):
    cdef const offset_t[::1] offsets      # of the true rows
    cdef const int32_t[::1] truth
    cdef const int64_t[::1] n_parts, n_labels
    cdef const double[::1] costs          # of parts; those of example i begin at starts[i]
    cdef const int64_t[::1] starts
    cdef double[::1] constant             # what augment returns
    cdef bint symmetric
    cdef const int32_t[::1] voids         # void parts, ascending, or None
    cdef const offset_t[::1] void_starts
