"""Planes and weights: the two things that pass between an oracle and a solver.

A plane (delta, loss) is the linear lower bound ``loss - <w, delta>`` of one example's hinge, with
``delta = psi(x, y) - psi(x, y_hat)`` and ``loss = Delta(y, y_hat)``. It is stored sparse and
canonical: no index twice, no stored zero; entries are in the order in which they were first added.
"""

from structsvm._typedefs cimport index_t


cdef struct Weights:
    # Read-only. The vector is scale * data[:size]; at least WEIGHT_PADDING doubles after
    # data[size - 1] are readable, so kernels may read whole groups of lanes.
    const double* data
    double scale
    Py_ssize_t size
    void* owner        # the ndarray that holds the data, borrowed, for oracles in Python
    const double* base  # added to the vector, or NULL; only for problems that say they take it


cdef struct Plane:
    index_t* indices
    double* values
    Py_ssize_t nnz
    Py_ssize_t capacity
    double loss
    double excess      # how far the hinge may lie above; > 0 only if the oracle was cut short


cdef struct PlaneBuilder:
    # Merges entries by index in O(1) each: slot[index] is the entry's place in `plane`, or -1.
    # Between two builds every slot is -1.
    index_t* slot
    Plane* plane


cdef enum:
    WEIGHT_PADDING = 8

cdef Weights weights_of(object w) except *
cdef object plane_arrays(const Plane* plane)
cdef int plane_reserve(Plane* plane, Py_ssize_t capacity) except -1 nogil
cdef void plane_free(Plane* plane) noexcept nogil
cdef double plane_dot(const Plane* plane, const double* dense) noexcept nogil
cdef double plane_value(const Plane* plane, const Weights* w) noexcept nogil
cdef double plane_size(const Plane* plane, const Weights* w) noexcept nogil
cdef double plane_sqnorm(const Plane* plane) noexcept nogil
cdef bint plane_is_finite(const Plane* plane) noexcept nogil
cdef void plane_axpy(double factor, const Plane* plane, double* dense) noexcept nogil
cdef void plane_scatter(const Plane* plane, double* dense) noexcept nogil
cdef void plane_unscatter(const Plane* plane, double* dense) noexcept nogil
cdef void plane_stretch(Plane* plane, double factor) noexcept nogil
cdef void plane_scale(Plane* plane, double factor) noexcept nogil
cdef int plane_copy(const Plane* source, Plane* target) except -1 nogil

cdef int builder_add(
    PlaneBuilder* builder, Py_ssize_t index, double value
) except -1 nogil
cdef int builder_add_row(
    PlaneBuilder* builder, Py_ssize_t n, const index_t* columns, const double* values,
    Py_ssize_t row_size, Py_ssize_t offset, double factor,
) except -1 nogil
cdef void builder_finish(PlaneBuilder* builder) noexcept nogil


cdef class PlaneBatch:
    """A fixed number of planes that grow as they are filled and are freed together."""
    cdef Plane* planes
    cdef readonly Py_ssize_t size
