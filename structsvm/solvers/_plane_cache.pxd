"""The planes that are remembered of one example, their dual weights and their Gram matrix."""

from structsvm.linalg._plane cimport Plane


cdef enum:
    TRUTH = -1         # the place of the plane (0, 0), which is not stored


cdef struct CachedPlane:
    Plane plane
    double weight      # dual variable, in [0, 1]
    double height      # loss - <w, delta> when last looked at
    int idle           # exact visits in a row that found it without weight


cdef struct Block:
    # Weights of the stored planes and `truth_weight` sum to one.
    CachedPlane* cached
    double* gram       # <delta_p, delta_q> for q <= p at p * (p + 1) / 2 + q
    double truth_weight
    int size
    int capacity


cdef inline double gram_at(const Block* b, int p, int q) noexcept nogil:
    if p == TRUTH or q == TRUTH:
        return 0.0
    if p < q:
        return b.gram[q * (q + 1) // 2 + p]
    return b.gram[p * (p + 1) // 2 + q]


cdef inline double height_at(const Block* b, int p) noexcept nogil:
    return 0.0 if p == TRUTH else b.cached[p].height


cdef inline int highest(const Block* b, double margin) noexcept nogil:
    """The first plane that no later one tops by more than `margin`."""
    cdef int p, best = TRUTH
    cdef double height = 0.0
    for p in range(b.size):
        if b.cached[p].height > height + margin:
            height = b.cached[p].height
            best = p
    return best


cdef int rescore(Block* b, const double* w) noexcept nogil
cdef double current_height(const Block* b) noexcept nogil
cdef double rounding_of_heights(const Block* b) noexcept nogil
cdef int grow(Block* b) except -1 nogil
cdef int insert_plane(Block* b, const Plane* plane, double height, double* dense) except -1 nogil
cdef void remove_plane(Block* b, int p) noexcept nogil
cdef int longest_idle(const Block* b) noexcept nogil
cdef void block_free(Block* b) noexcept nogil
cdef Py_ssize_t block_bytes(const Block* b) noexcept nogil
