"""Maximizers: families of structures behind the struct of ``maximizer.h``, the contract."""

from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport label_t


cdef extern from "structsvm/include/structsvm/maximizer.h" nogil:
    enum:
        SSVM_MAXIMIZER_VERSION
        SSVM_VOID
        SSVM_COUNTS
        SSVM_INDICES

    ctypedef struct ssvm_counts:
        int32_t* parts
        double* counts
        int64_t size
        int64_t capacity

    ctypedef int (*ssvm_maximize)(
        void* user, int64_t i, int32_t thread, double* theta, int32_t* labels, double* value
    ) noexcept nogil
    ctypedef int (*ssvm_maximize_bounded)(
        void* user, int64_t i, int32_t thread, double* theta, int32_t* labels, double* value,
        double* bound,
    ) noexcept nogil
    ctypedef int (*ssvm_count)(
        void* user, int64_t i, const int32_t* labels, ssvm_counts* mu
    ) noexcept nogil
    ctypedef int (*ssvm_difference)(
        void* user, int64_t i, const int32_t* y, const int32_t* y_hat, ssvm_counts* mu
    ) noexcept nogil
    ctypedef int (*ssvm_relax)(
        void* user, int64_t i, int32_t thread, double* theta, const int32_t* y, ssvm_counts* mu,
        int32_t* is_output,
    ) noexcept nogil
    ctypedef int (*ssvm_maximize_slack)(
        void* user, int64_t i, int32_t thread, double* theta, const int32_t* levels,
        int64_t n_levels, double unit, int32_t* labels, double* value,
    ) noexcept nogil
    ctypedef int (*ssvm_n_best)(
        void* user, int64_t i, int32_t thread, double* theta, int64_t n, int32_t* labels,
        double* values, int64_t* n_found,
    ) noexcept nogil
    ctypedef int (*ssvm_reserve)(
        void* user, int32_t n_threads, int64_t n_levels
    ) noexcept nogil

    ctypedef struct ssvm_maximizer:
        int32_t version
        int32_t exact
        int64_t size
        void* user
        int64_t n_examples
        const int64_t* n_parts
        const int64_t* n_labels
        int64_t n_counts
        ssvm_maximize maximize
        ssvm_count count
        ssvm_difference difference
        ssvm_relax relax
        ssvm_maximize_slack maximize_slack
        ssvm_n_best n_best
        ssvm_reserve reserve
        ssvm_maximize_bounded maximize_bounded
        int32_t form


cdef inline void counts_add(ssvm_counts* mu, Py_ssize_t part, double count) noexcept nogil:
    mu.parts[mu.size] = <int32_t> part
    mu.counts[mu.size] = count
    mu.size += 1


cdef class Maximizer:
    cdef ssvm_maximizer struct             # filled by subclasses, from __init__ on
    cdef readonly object n_parts           # int64 ndarray: parts of each example
    cdef readonly object n_labels          # int64 ndarray: labels of an output of each example
    cdef readonly Py_ssize_t most_parts    # the greatest of those, 0 without examples
    cdef readonly Py_ssize_t most_labels
    cdef readonly Py_ssize_t n_threads     # scratch space is reserved for so many
    cdef readonly Py_ssize_t n_levels      # and so many levels
    cdef bint foreign                      # whether its answers are checked
    cdef readonly bint in_batches          # whether it can `foresee`
    cdef bint takes_infinity               # whether scores of labels may be -inf
    # Whether label k at place t of n is part k * n + t, not part k of row t
    cdef bint label_major

    cdef int set_sizes(self, n_parts, n_labels, Py_ssize_t n_counts) except -1
    cpdef int reserve(self, Py_ssize_t n_threads, Py_ssize_t n_levels=*) except -1

    # The calls of the struct; they raise its errors and check foreign answers.
    # excess OUT: no output scores more than value + excess; 0 unless a search may end early
    cdef int call_maximize(
        self, Py_ssize_t i, int thread, double* theta, label_t* labels, double* value,
        double* excess,
    ) except -1 nogil
    cdef int call_count(self, Py_ssize_t i, const label_t* labels, ssvm_counts* mu) except -1 nogil
    # y_hat IN OUT: set to void where y is void
    cdef int call_difference(
        self, Py_ssize_t i, const label_t* y, label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil
    cdef int call_relax(
        self, Py_ssize_t i, int thread, double* theta, const label_t* y, ssvm_counts* mu,
        bint* is_output,
    ) except -1 nogil
    cdef int call_maximize_slack(
        self, Py_ssize_t i, int thread, double* theta, const int32_t* levels, Py_ssize_t n_levels,
        double unit, label_t* labels, double* value,
    ) except -1 nogil
    cdef object find_n_best(self, Py_ssize_t i, int thread, double* theta, n)
    cdef int check_counts(self, Py_ssize_t i, ssvm_counts* mu) except -1 nogil


# Raises ValueError unless labels are a row of used parts
cdef int check_row(Maximizer self, Py_ssize_t i, const label_t* labels) except -1 nogil
