from libc.stdint cimport int32_t

from structsvm._typedefs cimport label_t

# The kernels of viterbi.h and viterbi_levels.h for other compiled modules.
cdef double viterbi_double(
    double* score, const double* transition, Py_ssize_t step, double* entering, Py_ssize_t length,
    Py_ssize_t n_labels, Py_ssize_t stride, label_t* labels,
) noexcept nogil

cdef double viterbi_levels(
    const double* unary, const double* transition, Py_ssize_t step, const int32_t** levels,
    double true_score, double unit, double* score, double* entering, Py_ssize_t* reach,
    Py_ssize_t length, Py_ssize_t n_labels, Py_ssize_t n_levels, Py_ssize_t stride,
    label_t* labels,
) noexcept nogil
