"""The stored planes of each example, their dual weights and their Gram matrices.

Block steps and the evaluator read the numbers of a block: weights, heights, losses, the Gram
matrix. Only the store uses the vector delta of a plane: for heights at new weights, to add a
multiple of delta to a vector, and for a new row of the Gram matrix. So planes may be kept in any
form. `SparsePlanes` (``_sparse_planes``) keeps their entries; `LabelPlanes` (``_label_planes``)
keeps outputs, and computes heights from scores of positions and Gram entries from shared features.
A form that cannot mix planes must raise if `mixed` is set.

Block i is the block of example i; its plane p is ``blocks[i].planes[p]``.
"""

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane, Weights


cdef enum:
    TRUTH = -1         # number of the plane (0, 0), which is not stored


cdef struct KnownPlane:
    double weight      # dual variable, in [0, 1]
    double height      # loss - <w, delta> when last computed
    double loss
    int idle           # exact visits in a row that found it without weight
    int serial         # of the plane within its block; no other one ever has it


cdef struct Block:
    # Weights of the stored planes and `truth_weight` sum to one.
    KnownPlane* planes
    double* gram       # <delta_p, delta_q> for q <= p at p * (p + 1) / 2 + q
    double truth_weight
    int size
    int capacity
    int next_serial


cdef inline double gram_at(const Block* b, int p, int q) noexcept nogil:
    if p == TRUTH or q == TRUTH:
        return 0.0
    if p < q:
        return b.gram[q * (q + 1) // 2 + p]
    return b.gram[p * (p + 1) // 2 + q]


cdef inline double height_at(const Block* b, int p) noexcept nogil:
    return 0.0 if p == TRUTH else b.planes[p].height


cdef inline int highest(const Block* b, double margin) noexcept nogil:
    """The highest plane; a later plane replaces an earlier one only if higher by `margin`."""
    cdef int p, best = TRUTH
    cdef double height = 0.0
    for p in range(b.size):
        if b.planes[p].height > height + margin:
            height = b.planes[p].height
            best = p
    return best


cdef double current_height(const Block* b) noexcept nogil
cdef double rounding_of_heights(const Block* b) noexcept nogil


cdef class PlaneStore:
    cdef readonly Py_ssize_t n_examples, n_weights
    cdef readonly Py_ssize_t n_planes     # stored now
    cdef readonly Py_ssize_t n_entries    # sum of their `entries`
    cdef readonly bint mixed
    cdef readonly int max_planes, drop_after
    cdef public bint patient              # blocks may hold twice as many planes for now
    cdef int first_droppable              # the plane of a mixture is never dropped
    cdef Block* blocks
    cdef PlaneStore lender                # whose blocks these are, if this is a `share`; else None
    cdef bint is_share

    # For subclasses to implement. A plane's numbers are in the block before `append` and until
    # after `remove`; the caller changes the block's size.
    cdef int rescore(self, Py_ssize_t i, const double* w) noexcept nogil
    # height and size, see `plane_value` and `plane_size`, of a plane that is not stored
    cdef double value(self, Py_ssize_t i, const Plane* plane, const Weights* w) noexcept nogil
    cdef double size_of(self, Py_ssize_t i, const Plane* plane, const Weights* w) noexcept nogil
    cdef void add(self, Py_ssize_t i, int p, double factor, double* target) noexcept nogil
    # target += sum_p shares[p] * delta_p over all planes of the block; with their dual weights
    cdef void add_all(self, Py_ssize_t i, const double* shares, double* target) noexcept nogil
    cdef void add_used(self, Py_ssize_t i, double* target) noexcept nogil
    cdef double size_at(self, Py_ssize_t i, int p, const Weights* w) noexcept nogil
    cdef Py_ssize_t entries(self, Py_ssize_t i, int p) noexcept nogil
    cdef int append(self, Py_ssize_t i, const Plane* plane) except -1 nogil
    cdef void remove(self, Py_ssize_t i, int p) noexcept nogil
    cdef int mix(self, Py_ssize_t i, int p, double share) except -1 nogil
    cdef int grow(self, Py_ssize_t i) except -1 nogil

    # For stores whose weights grow: zeros to add planes to, and then the weights that there are;
    # weights from outside, checked, as an array of that size
    cdef object zeros(self)
    cdef object trimmed(self, vector)
    cdef object fitted(self, weights)

    # Another store of the same blocks, with scratch space and counts of its own: for another
    # thread, which must keep to other blocks
    cdef PlaneStore share(self, int thread)
    cdef lend(self, PlaneStore share)
    cdef take_counts(self, PlaneStore share)

    cdef int keep(self, Py_ssize_t i, const Plane* plane, double height) except -1 nogil
    cdef int find(self, Py_ssize_t i, int serial) noexcept nogil
    cdef int insert(self, Py_ssize_t i, const Plane* plane, double height) except -1 nogil
    cdef void forget(self, Py_ssize_t i, int p) noexcept nogil
    cdef void age(self, Py_ssize_t i, double below) noexcept nogil
    cdef void forget_unused(self, Py_ssize_t i) noexcept nogil
