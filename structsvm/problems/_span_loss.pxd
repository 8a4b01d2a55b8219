from structsvm._typedefs cimport label_t
from structsvm.inference._spans cimport SpanMaximizer
from structsvm.problems._losses cimport PartLoss


cdef class SpanLoss(PartLoss):
    cdef SpanMaximizer maximizer
    cdef Py_ssize_t outside     # the label whose segments do not count, or -1
    cdef Py_ssize_t counted(self, const label_t* tags, Py_ssize_t n, Py_ssize_t t) noexcept nogil
