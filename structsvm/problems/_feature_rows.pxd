"""Feature vectors, one for each example, read from the user's arrays."""

from structsvm._typedefs cimport index_t, offset_t

cdef extern from "structsvm/linalg/feature_rows.h" nogil:
    ctypedef enum ssvm_kind:
        SSVM_DENSE_DOUBLE
        SSVM_DENSE_FLOAT
        SSVM_CSR_DOUBLE
        SSVM_CSR_FLOAT

    ctypedef struct ssvm_feature_rows:
        ssvm_kind kind
        Py_ssize_t n_features
        const void* values
        const offset_t* row_start
        const index_t* columns
        double intercept
        bint alike

    void ssvm_feature_scores(
        const ssvm_feature_rows* rows, Py_ssize_t i, const double* w, Py_ssize_t width,
        double* out,
    )
    void ssvm_feature_add(
        const ssvm_feature_rows* rows, Py_ssize_t i, const double* delta, double* w,
        Py_ssize_t width,
    )
    double ssvm_feature_sqnorm(const ssvm_feature_rows* rows, Py_ssize_t i)
    void ssvm_feature_prefetch(const ssvm_feature_rows* rows, Py_ssize_t i)

cdef extern from "structsvm/linalg/all_rows.h" nogil:
    void ssvm_all_feature_scores(
        const ssvm_feature_rows* rows, Py_ssize_t n_rows, const double* w, Py_ssize_t width,
        double scale, double* out,
    )
    void ssvm_add_curvature(
        const ssvm_feature_rows* rows, Py_ssize_t n_rows, const double* factors, const double* v,
        double* out,
    )
    void ssvm_add_squares(
        const ssvm_feature_rows* rows, Py_ssize_t n_rows, const double* factors, double* out,
    )

from structsvm.linalg._plane cimport Plane


cdef class FeatureRows:
    cdef readonly Py_ssize_t n_rows
    cdef readonly Py_ssize_t n_features
    cdef readonly Py_ssize_t n_values     # stored in all rows together
    cdef readonly bint intercept
    cdef readonly bint ones               # CSR whose values are one 1.0, repeated
    cdef ssvm_feature_rows rows
    cdef tuple _arrays                    # what `rows` points into

    cdef ssvm_feature_rows rows_from(self, Py_ssize_t start) noexcept nogil
    # out = x_i times q' as a plane over a matrix with q.size columns, zeros left out
    cdef int outer(
        self, Py_ssize_t i, const double* q, Py_ssize_t width, Plane* out
    ) except -1 nogil
