"""The arithmetic of planes; see ``_plane.pxd`` for the data structures.

Design: planes are always sparse. The dense ``delta`` of a small user model then takes 1.5 times the
memory of an array, but there is one representation and one set of loops.
"""

import numpy as np

from cpython.buffer cimport (
    PyBUF_C_CONTIGUOUS, PyBUF_FORMAT, PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer,
)
from libc.math cimport fabs
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, strcmp

from structsvm._typedefs cimport index_t, offset_t


cdef extern from *:
    """
    #if defined(__GLIBC__)
    #include <malloc.h>
    static void ssvm_trim(void) { malloc_trim(0); }
    #else
    static void ssvm_trim(void) {}
    #endif
    """
    void ssvm_trim() nogil


def return_free_memory():
    """Give the system back what is free, for when large arrays have come and gone.

    glibc keeps up to 64 MB at the end of its heap, and all holes in it.
    """
    with nogil:
        ssvm_trim()


def padded_vector(Py_ssize_t size):
    """Zeros of shape (size,), followed by the readable padding that ``Weights`` requires."""
    return np.zeros(size + WEIGHT_PADDING)[:size]


def padded_copy(weights):
    """A copy of a vector, followed by the padding."""
    copy = padded_vector(len(weights))
    copy[:] = weights
    return copy


def extended(vector, Py_ssize_t size):
    """A vector with zeros behind it up to this size; the vector itself if it has it."""
    if len(vector) >= size:
        return vector
    longer = np.zeros(size)
    longer[:len(vector)] = vector
    return longer


def is_padded(weights, Py_ssize_t size):
    """Whether `weights_of` can take this as it is: `size` float64 with the padding behind them."""
    cdef double* own
    cdef double* whole
    if type(weights) is not np.ndarray or type(weights.base) is not np.ndarray:
        return False
    if len(weights) != size or len(weights.base) < size + WEIGHT_PADDING:
        return False
    own = row_of_doubles(weights)
    whole = row_of_doubles(weights.base)
    return own != NULL and own == whole


cdef double* row_of_doubles(object array):
    """Where the numbers of an array begin; NULL if it is no writable row of float64."""
    cdef Py_buffer buffer
    cdef double* first = NULL
    try:
        PyObject_GetBuffer(array, &buffer, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | PyBUF_WRITABLE)
    except (ValueError, BufferError):
        return NULL
    if buffer.ndim == 1 and buffer.format != NULL and strcmp(buffer.format, b"d") == 0:
        first = <double*> buffer.buf
    PyBuffer_Release(&buffer)
    return first


cdef Weights weights_of(object w) except *:
    """The struct for a vector made by ``padded_vector``; `w` must outlive it."""
    cdef Weights weights
    weights.data = row_of_doubles(w)
    if weights.data == NULL:
        raise ValueError("weights are no writable vector of float64")
    weights.scale = 1.0
    weights.size = len(w)
    weights.owner = <void*> w
    weights.base = NULL
    return weights


cdef object plane_arrays(const Plane* plane):
    """Copies of a plane's indices, ascending, and values."""
    cdef Py_ssize_t e
    indices, values = np.empty(plane.nnz, dtype=np.int32), np.empty(plane.nnz)
    cdef index_t[::1] some_indices = indices
    cdef double[::1] some_values = values
    for e in range(plane.nnz):
        some_indices[e] = plane.indices[e]
        some_values[e] = plane.values[e]
    order = np.argsort(indices)
    return indices[order], values[order]


cdef int plane_reserve(Plane* plane, Py_ssize_t capacity) except -1 nogil:
    """Make room for `capacity` entries; stored entries stay."""
    cdef index_t* indices
    cdef double* values
    if capacity <= plane.capacity:
        return 0
    indices = <index_t*> realloc(plane.indices, capacity * sizeof(index_t))
    if indices == NULL:
        with gil:
            raise MemoryError(f"no memory for a plane of {capacity} entries")
    plane.indices = indices
    values = <double*> realloc(plane.values, capacity * sizeof(double))
    if values == NULL:
        with gil:
            raise MemoryError(f"no memory for a plane of {capacity} entries")
    plane.values = values
    plane.capacity = capacity
    return 0


cdef void plane_free(Plane* plane) noexcept nogil:
    free(plane.indices)
    free(plane.values)
    plane.indices = NULL
    plane.values = NULL
    plane.nnz = 0
    plane.capacity = 0


cdef double plane_dot(const Plane* plane, const double* dense) noexcept nogil:
    """<delta, dense>, in four interleaved sums, which need not wait for each other."""
    cdef const index_t* indices = plane.indices
    cdef const double* values = plane.values
    cdef double sum0 = 0.0, sum1 = 0.0, sum2 = 0.0, sum3 = 0.0
    cdef Py_ssize_t e = 0, n = plane.nnz
    while e + 4 <= n:
        sum0 += values[e] * dense[indices[e]]
        sum1 += values[e + 1] * dense[indices[e + 1]]
        sum2 += values[e + 2] * dense[indices[e + 2]]
        sum3 += values[e + 3] * dense[indices[e + 3]]
        e += 4
    while e < n:
        sum0 += values[e] * dense[indices[e]]
        e += 1
    return (sum0 + sum1) + (sum2 + sum3)


cdef double plane_value(const Plane* plane, const Weights* w) noexcept nogil:
    """loss - <w, delta>: the plane's height at w."""
    cdef double height = plane.loss - w.scale * plane_dot(plane, w.data)
    return height if w.base == NULL else height - plane_dot(plane, w.base)


cdef double plane_size(const Plane* plane, const Weights* w) noexcept nogil:
    """|loss| + sum |w_e delta_e|: rounding errors of the plane's height are relative to this."""
    cdef double total = 0.0
    cdef Py_ssize_t e
    for e in range(plane.nnz):
        total += fabs(plane.values[e] * w.data[plane.indices[e]])
    return fabs(plane.loss) + fabs(w.scale) * total


cdef double plane_sqnorm(const Plane* plane) noexcept nogil:
    cdef double total = 0.0
    cdef Py_ssize_t e
    for e in range(plane.nnz):
        total += plane.values[e] * plane.values[e]
    return total


cdef bint plane_is_finite(const Plane* plane) noexcept nogil:
    """Whether all entries and the loss are finite, in one pass without branches."""
    cdef double total = 0.0 * plane.loss
    cdef Py_ssize_t e
    for e in range(plane.nnz):
        total += 0.0 * plane.values[e]
    return total == 0.0


cdef void plane_axpy(double factor, const Plane* plane, double* dense) noexcept nogil:
    """dense += factor * delta."""
    cdef Py_ssize_t e
    for e in range(plane.nnz):
        dense[plane.indices[e]] += factor * plane.values[e]


cdef void plane_scatter(const Plane* plane, double* dense) noexcept nogil:
    """dense[indices] = values: an all-zero vector becomes delta."""
    cdef Py_ssize_t e
    for e in range(plane.nnz):
        dense[plane.indices[e]] = plane.values[e]


cdef void plane_unscatter(const Plane* plane, double* dense) noexcept nogil:
    """Back to all zeros, in O(nnz)."""
    cdef Py_ssize_t e
    for e in range(plane.nnz):
        dense[plane.indices[e]] = 0.0


cdef void plane_stretch(Plane* plane, double factor) noexcept nogil:
    """delta *= factor; the loss stays."""
    cdef Py_ssize_t e
    if factor == 0.0:
        plane.nnz = 0
    for e in range(plane.nnz):
        plane.values[e] *= factor


cdef void plane_scale(Plane* plane, double factor) noexcept nogil:
    """delta and loss *= factor."""
    plane_stretch(plane, factor)
    plane.loss *= factor
    plane.excess *= factor


cdef int plane_copy(const Plane* source, Plane* target) except -1 nogil:
    plane_reserve(target, source.nnz)
    if source.nnz:
        memcpy(target.indices, source.indices, source.nnz * sizeof(index_t))
        memcpy(target.values, source.values, source.nnz * sizeof(double))
    target.nnz = source.nnz
    target.loss = source.loss
    target.excess = source.excess
    return 0


cdef int builder_add(
    PlaneBuilder* builder, Py_ssize_t index, double value
) except -1 nogil:
    """Add `value` to the entry at `index`."""
    cdef Plane* plane = builder.plane
    cdef index_t place = builder.slot[index]
    if place >= 0:
        plane.values[place] += value
        return 0
    if plane.nnz == plane.capacity:
        plane_reserve(plane, 2 * plane.capacity + 16)
    builder.slot[index] = <index_t> plane.nnz
    plane.indices[plane.nnz] = <index_t> index
    plane.values[plane.nnz] = value
    plane.nnz += 1
    return 0


cdef int builder_add_row(
    PlaneBuilder* builder, Py_ssize_t n, const index_t* columns, const double* values,
    Py_ssize_t row_size, Py_ssize_t offset, double factor,
) except -1 nogil:
    """Add factor * values[e] at index columns[e] * row_size + offset, for e < n."""
    cdef Plane* plane = builder.plane
    cdef index_t* slot = builder.slot
    cdef Py_ssize_t e, index
    cdef index_t place
    if plane.nnz + n > plane.capacity:
        plane_reserve(plane, 2 * (plane.nnz + n))
    for e in range(n):
        index = columns[e] * row_size + offset
        place = slot[index]
        if place >= 0:
            plane.values[place] += factor * values[e]
        else:
            slot[index] = <index_t> plane.nnz
            plane.indices[plane.nnz] = <index_t> index
            plane.values[plane.nnz] = factor * values[e]
            plane.nnz += 1
    return 0


cdef void builder_finish(PlaneBuilder* builder) noexcept nogil:
    """Drop entries that cancelled to zero, and reset the slots for the next plane."""
    cdef Plane* plane = builder.plane
    cdef Py_ssize_t e, kept = 0
    for e in range(plane.nnz):
        builder.slot[plane.indices[e]] = -1
        if plane.values[e] != 0.0:
            plane.indices[kept] = plane.indices[e]
            plane.values[kept] = plane.values[e]
            kept += 1
    plane.nnz = kept


cdef class PlaneBatch:
    def __cinit__(self, Py_ssize_t size):
        self.planes = <Plane*> calloc(max(size, 1), sizeof(Plane))
        if self.planes == NULL:
            raise MemoryError(f"no memory for {size} planes")
        self.size = size

    def __dealloc__(self):
        cdef Py_ssize_t k
        if self.planes != NULL:
            for k in range(self.size):
                plane_free(&self.planes[k])
            free(self.planes)

    def packed(self):
        """The planes as arrays, which can be sent: see `fill`."""
        cdef Py_ssize_t k, e, entry = 0
        cdef const Plane* plane
        sizes, bounds = np.zeros(self.size, dtype=np.int64), np.zeros((self.size, 2))
        cdef offset_t[::1] sizes_view = sizes
        cdef double[:, ::1] bounds_view = bounds
        for k in range(self.size):
            plane = &self.planes[k]
            sizes_view[k] = plane.nnz
            bounds_view[k, 0], bounds_view[k, 1] = plane.loss, plane.excess
        total = int(sizes.sum())
        indices, values = np.empty(total, dtype=np.int32), np.empty(total)
        cdef index_t[::1] indices_view = indices
        cdef double[::1] values_view = values
        for k in range(self.size):
            plane = &self.planes[k]
            for e in range(plane.nnz):
                indices_view[entry] = plane.indices[e]
                values_view[entry] = plane.values[e]
                entry += 1
        return sizes, indices, values, bounds

    def fill(self, packed, const index_t[::1] slots not None, Py_ssize_t n_weights):
        """Write planes that `packed` gave, which may come from another process, into some slots.

        Parameters
        ----------
        packed : tuple of ndarray
            How many entries each plane has; indices and values of all of them, one plane after the
            other; and of each the loss and the excess.
        slots : int32 array
        n_weights : int

        Raises
        ------
        ValueError
            If the arrays do not fit each other, or an index is out of range.
        """
        cdef const offset_t[::1] sizes
        cdef const index_t[::1] indices
        cdef const double[::1] values
        cdef const double[:, ::1] bounds
        cdef Py_ssize_t k, e, entry = 0, n = slots.shape[0]
        cdef Plane* plane
        sizes, indices, values, bounds = packed
        if (
            (sizes.shape[0], bounds.shape[0], bounds.shape[1]) != (n, n, 2)
            or indices.shape[0] != values.shape[0]
        ):
            raise ValueError(f"{sizes.shape[0]} planes do not fit {n} slots")
        for k in range(n):
            if not 0 <= slots[k] < self.size:
                raise ValueError(f"slot {slots[k]} of a batch of {self.size}")
            if not 0 <= sizes[k] <= indices.shape[0] - entry:
                raise ValueError(f"plane {k} has {sizes[k]} entries, more than there are")
            plane = &self.planes[slots[k]]
            plane_reserve(plane, sizes[k])
            plane.nnz = sizes[k]
            plane.loss, plane.excess = bounds[k, 0], bounds[k, 1]
            for e in range(sizes[k]):
                if not 0 <= indices[entry] < n_weights:
                    raise ValueError(f"plane {k} has the index {indices[entry]} of {n_weights}")
                plane.indices[e] = indices[entry]
                plane.values[e] = values[entry]
                entry += 1
        if entry != indices.shape[0]:
            raise ValueError(f"{indices.shape[0]} entries, but the planes have {entry}")
