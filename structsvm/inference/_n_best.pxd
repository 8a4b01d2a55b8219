"""The search for the n best sequences for other compiled modules; it checks nothing."""

from structsvm._typedefs cimport label_t

cdef int n_best_paths(
    const double* own, const double* transition, Py_ssize_t step, Py_ssize_t length,
    Py_ssize_t n_labels, Py_ssize_t stride, Py_ssize_t n, label_t* labels, double* values,
    Py_ssize_t* found,
) noexcept nogil
