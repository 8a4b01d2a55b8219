"""Contrasts of edges as features that are computed when they are needed."""

from structsvm._typedefs cimport offset_t
from structsvm.problems._features cimport FeatureBlock

cdef extern from "structsvm/problems/contrast.h" nogil:
    ctypedef struct ssvm_contrasts:
        const void* x
        int is_single
        Py_ssize_t n_columns
        const double* multiples
        const double* divisors
        Py_ssize_t n_directions
        const offset_t* starts
        const double* distances

    double ssvm_contrast(
        const ssvm_contrasts* c, Py_ssize_t e, Py_ssize_t k, double distance
    )
    void ssvm_contrast_scores(
        const ssvm_contrasts* c, Py_ssize_t start, Py_ssize_t stop, double distance,
        const double* w, double scale, double initial, double* out,
    )


cdef class ContrastRows:
    cdef ssvm_contrasts contrasts
    cdef readonly object differences, starts, distances, multiples, divisors
    cdef const offset_t[::1] _starts
    cdef const double[::1] _distances, _multiples, _divisors
    cdef readonly object dtype


cdef class ContrastBlock(FeatureBlock):
    cdef ssvm_contrasts* rows             # of each example
    cdef list _held
    cdef const offset_t[::1] offsets      # of the rows of examples, counted through
    cdef const double[::1] row_weight     # factors of the rows of all examples, or None
    cdef Py_ssize_t place, n_columns
    cdef bint intercept
