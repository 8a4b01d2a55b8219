"""The task loss of dependency trees."""

from structsvm._typedefs cimport offset_t
from structsvm.problems._losses cimport PartLoss


cdef class HeadLoss(PartLoss):
    cdef const offset_t[::1] offsets      # of the tokens of sentences
    cdef const double[::1] weight         # of each token
    cdef const offset_t[::1] n_parts      # of sentences
    cdef double[::1] total                # of each sentence
