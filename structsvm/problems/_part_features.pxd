"""Blocks of features for outputs that are sets of parts, whose scores are sums."""

from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport offset_t
from structsvm.problems._features cimport FeatureBlock


cdef class SumBlock(FeatureBlock):
    cdef list _blocks
    cdef void** _block                    # the same, for use without the GIL
    cdef Py_ssize_t n_blocks


cdef class KindBlock(FeatureBlock):
    cdef Py_ssize_t place
    cdef const offset_t[::1] offsets      # of the parts of examples, counted through
    cdef const int32_t[::1] kinds         # of all parts, or of those of each example
    cdef bint shared
