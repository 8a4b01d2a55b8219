from structsvm._typedefs cimport label_t

# The kernel of viterbi.h for other compiled modules; rows padded to `stride` lanes.
cdef double viterbi_double(
    double* score, const double* transition, double* entering, Py_ssize_t length,
    Py_ssize_t n_labels, Py_ssize_t stride, label_t* labels,
) noexcept nogil
