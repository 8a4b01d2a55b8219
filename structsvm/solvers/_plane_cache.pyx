"""Planes of one example; see ``_plane_cache.pxd``.

Design: plain functions on a struct. There is one block for each example, often with a single plane,
so a block costs 32 bytes until it holds one, and its arrays grow in small steps.
"""

from libc.math cimport fabs
from libc.stdlib cimport free, realloc
from libc.string cimport memset

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane
from structsvm.linalg._plane cimport (
    plane_copy, plane_dot, plane_free, plane_scatter, plane_sqnorm, plane_unscatter,
)


cdef int rescore(Block* b, const double* w) noexcept nogil:
    """Heights of all planes at w; returns the place of the highest, or TRUTH."""
    cdef int p
    cdef CachedPlane* c
    for p in range(b.size):
        c = &b.cached[p]
        c.height = c.plane.loss - plane_dot(&c.plane, w)
    return highest(b, 0.0)


cdef double current_height(const Block* b) noexcept nogil:
    """The height of the block's convex combination of planes."""
    cdef int p
    cdef double total = 0.0
    for p in range(b.size):
        total += b.cached[p].weight * b.cached[p].height
    return total


cdef double rounding_of_heights(const Block* b) noexcept nogil:
    """Heights are differences: their rounding is relative to this, the size of their parts."""
    cdef int p
    cdef double size, greatest = 0.0
    cdef const CachedPlane* c
    for p in range(b.size):
        c = &b.cached[p]
        size = fabs(c.plane.loss) + fabs(c.plane.loss - c.height)
        greatest = max(greatest, size)
    return greatest


cdef int grow(Block* b) except -1 nogil:
    """Room for at least one more plane."""
    cdef int capacity = b.capacity + 2 if b.capacity < 8 else 2 * b.capacity
    cdef CachedPlane* cached
    cdef double* gram
    cached = <CachedPlane*> realloc(b.cached, capacity * sizeof(CachedPlane))
    if cached != NULL:
        memset(&cached[b.capacity], 0, (capacity - b.capacity) * sizeof(CachedPlane))
        b.cached = cached
    gram = <double*> realloc(b.gram, capacity * (capacity + 1) // 2 * sizeof(double))
    if gram != NULL:
        b.gram = gram
    if cached == NULL or gram == NULL:
        with gil:
            raise MemoryError(f"no memory for {capacity} planes of one example")
    b.capacity = capacity
    return 0


cdef int insert_plane(Block* b, const Plane* plane, double height, double* dense) except -1 nogil:
    """Copy a plane into the block, without weight.

    dense  SCRATCH  n_weights zeros, and zeros again afterwards
    """
    cdef int p = b.size, q
    cdef double* row
    if p == b.capacity:
        grow(b)
    plane_copy(plane, &b.cached[p].plane)
    b.cached[p].weight = 0.0
    b.cached[p].height = height
    b.cached[p].idle = 0
    row = b.gram + p * (p + 1) // 2
    plane_scatter(plane, dense)
    for q in range(p):
        row[q] = plane_dot(&b.cached[q].plane, dense)
    plane_unscatter(plane, dense)
    row[p] = plane_sqnorm(plane)
    b.size = p + 1
    return 0


cdef void remove_plane(Block* b, int p) noexcept nogil:
    """Forget plane p; those behind it move up."""
    cdef int q, r
    plane_free(&b.cached[p].plane)
    for q in range(p + 1, b.size):
        for r in range(q + 1):
            if r < p:
                b.gram[(q - 1) * q // 2 + r] = b.gram[q * (q + 1) // 2 + r]
            elif r > p:
                b.gram[(q - 1) * q // 2 + r - 1] = b.gram[q * (q + 1) // 2 + r]
        b.cached[q - 1] = b.cached[q]
    b.size -= 1
    memset(&b.cached[b.size], 0, sizeof(CachedPlane))


cdef int longest_idle(const Block* b) noexcept nogil:
    """The plane without weight that has been idle longest, the lower one of two; or TRUTH."""
    cdef int p, worst = TRUTH
    cdef const CachedPlane* c
    cdef const CachedPlane* w
    for p in range(b.size):
        c = &b.cached[p]
        if c.weight > 0.0:
            continue
        if worst != TRUTH:
            w = &b.cached[worst]
            if c.idle < w.idle or (c.idle == w.idle and c.height >= w.height):
                continue
        worst = p
    return worst


cdef void block_free(Block* b) noexcept nogil:
    cdef int p
    for p in range(b.size):
        plane_free(&b.cached[p].plane)
    free(b.cached)
    free(b.gram)


cdef Py_ssize_t block_bytes(const Block* b) noexcept nogil:
    cdef Py_ssize_t total = sizeof(Block) + b.capacity * sizeof(CachedPlane)
    cdef int p
    total += b.capacity * (b.capacity + 1) // 2 * sizeof(double)
    for p in range(b.size):
        total += b.cached[p].plane.capacity * (sizeof(double) + sizeof(index_t))
    return total
