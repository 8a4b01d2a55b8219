"""Task losses that split over parts."""

from libc.stdint cimport int32_t

from structsvm._typedefs cimport label_t, offset_t
from structsvm.inference._maximizer cimport ssvm_counts


cdef class PartLoss:
    # theta += the loss of using each part if y is true; theta = 0 for parts that touch a void
    # label. Returns a constant: the loss of an output is the sum over its parts plus this
    cdef double augment(self, Py_ssize_t i, const label_t* y, double* theta) noexcept nogil
    cdef double value(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat
    ) noexcept nogil
    # The loss of a fractional output, from mu = mu(y) - mu_hat
    cdef double relaxed_value(
        self, Py_ssize_t i, const label_t* y, const ssvm_counts* mu
    ) noexcept nogil
    # theta = 0 for void parts, which rows of used parts cannot show
    cdef void hide(self, Py_ssize_t i, double* theta) noexcept nogil
    # mu IN OUT: mu(y) - mu_hat, less void parts, which rows of used parts cannot show
    cdef int leave_out(self, Py_ssize_t i, ssvm_counts* mu) noexcept nogil
    # Raises ValueError unless example i has so many labels and parts
    cdef int check_sizes(self, Py_ssize_t i, Py_ssize_t n_labels, Py_ssize_t n_parts) except -1
    # Raises ValueError if labels are out of range
    cdef int check(self, Py_ssize_t i, const label_t* labels) except -1 nogil

    # For slack rescaling: the loss as a unit times an integer, its level.
    cdef int prepare_levels(self) except -1
    # One more than the greatest level of an output
    cdef Py_ssize_t n_levels(self, Py_ssize_t i, const label_t* y) noexcept nogil
    # levels IN OUT: zeros, then the level of using each part; returns the unit
    cdef double fill_levels(
        self, Py_ssize_t i, const label_t* y, int32_t* levels
    ) noexcept nogil


cdef struct Pairs:
    # The pairs of one example: the two labels that each group of `pair_width` parts touches.
    Py_ssize_t size
    const int32_t* ends


cdef class LabelLoss(PartLoss):
    cdef const offset_t[::1] offsets
    cdef const double[:, ::1] cost        # (K, row_size): cost[y, k], 0 in the padding
    cdef const double[::1] weight         # of each label
    cdef const int32_t[::1] n_own         # number of labels at each place, or None: n_labels
    cdef Py_ssize_t n_labels, row_size    # K, and number of parts of a place
    cdef bint of_uses                     # whether each place has one part, used by label 1
    cdef Pairs* pairs                     # of each example, or NULL
    cdef Py_ssize_t pair_width
    cdef list _held                       # what `pairs` points into
    # After prepare_levels the loss is unit[i] * sum_t levels[y_t, y_hat_t].
    cdef const int32_t[:, ::1] levels
    cdef const double[::1] unit
