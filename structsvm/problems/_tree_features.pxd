"""Features of dependency trees: arcs, siblings and grandparents, by hashed templates."""

from libc.stdint cimport int32_t, uint8_t, uint64_t

from structsvm._typedefs cimport index_t, offset_t
from structsvm.linalg._plane cimport PlaneBuilder
from structsvm.problems._features cimport FeatureBlock

cdef extern from "structsvm/features/arc_features.h" nogil:
    enum:
        SSVM_LINE
        SSVM_MARGIN
        SSVM_ATTRIBUTES
        SSVM_TAG
        SSVM_HEAD
        SSVM_MODIFIER
        SSVM_SIBLING
        SSVM_GRANDPARENT
        SSVM_BETWEEN
        SSVM_ROLES
        SSVM_CONTEXTS

    ctypedef struct ssvm_templates:
        int32_t n
        const int32_t* start
        const int32_t* place
        const uint64_t* factor
        const uint64_t* salt
        const int32_t* context

    ctypedef struct ssvm_tree_features:
        ssvm_templates head, modifier, arc, around
        ssvm_templates next, sibling
        ssvm_templates far, grandparent
        int32_t order, single_root, nested, shift

    ctypedef struct ssvm_slots:
        Py_ssize_t all, near

    ctypedef struct ssvm_between:
        int32_t* tags
        Py_ssize_t n_tags
        uint64_t set
        int32_t verbs, punctuation, conjunctions


cdef class TreeBlock(FeatureBlock):
    cdef ssvm_tree_features features
    cdef list _held                       # what `features` points into
    cdef Py_ssize_t place
    cdef const uint64_t[:, ::1] rows      # attributes of tokens, with margins
    cdef const uint8_t[::1] kinds         # of tokens, as bits
    cdef const offset_t[::1] roots        # the row of the root of each example
    cdef const offset_t[::1] lengths      # numbers of tokens

    cdef int _set(self, ssvm_templates* ts, arrays) except -1
    # out += what templates say of these tokens; s == h: there is no sibling
    cdef int add(
        self, const ssvm_templates* ts, Py_ssize_t i, Py_ssize_t h, Py_ssize_t m,
        Py_ssize_t s, Py_ssize_t g, const uint64_t* contexts, ssvm_slots slots, double count,
        PlaneBuilder* out,
    ) except -1 nogil
    # tags SCRATCH, as long as the sentence
    cdef int add_arc(
        self, Py_ssize_t i, Py_ssize_t h, Py_ssize_t m, double count, int32_t* tags,
        PlaneBuilder* out,
    ) except -1 nogil
