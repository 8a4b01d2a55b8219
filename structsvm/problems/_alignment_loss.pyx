"""The task loss of alignments: positions that are paired wrongly."""

from structsvm._typedefs cimport label_t
from structsvm.problems._losses cimport PartLoss


cdef class AlignmentLoss(PartLoss):
    """weight * the cost of each position of the first sequence.

    A position that is in a pair in one alignment alone costs 1; one that is in two different pairs
    costs the distance of its partners over `max_shift`, 1 at most.

    Parameters
    ----------
    offsets : int64 array of shape (n_examples + 1,)
        Start of the positions of each first sequence.
    others : int64 array of shape (n_examples,)
        Lengths of the second sequences.
    weight : float64 array of shape (n_examples,)
    max_shift : int
    """

    def __init__(self, offsets, others, weight, Py_ssize_t max_shift):
        self.offsets, self.others, self.weight = offsets, others, weight
        self.max_shift = max_shift

    cdef double cost(self, Py_ssize_t right, Py_ssize_t found) noexcept nogil:
        cdef Py_ssize_t shift = right - found if right > found else found - right
        if right == 0 or found == 0 or shift > self.max_shift:
            return 1.0 if shift else 0.0
        return <double> shift / self.max_shift

    cdef double augment(self, Py_ssize_t i, const label_t* y, double* theta) noexcept nogil:
        cdef Py_ssize_t k, j, m = self.others[i]
        cdef double missed, beside = 0.0
        for k in range(self.offsets[i + 1] - self.offsets[i]):
            missed = self.weight[i] * self.cost(y[k], 0)
            beside += missed
            for j in range(m):
                theta[k * m + j] += self.weight[i] * self.cost(y[k], j + 1) - missed
        return beside

    cdef double value(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat
    ) noexcept nogil:
        cdef Py_ssize_t k
        cdef double total = 0.0
        for k in range(self.offsets[i + 1] - self.offsets[i]):
            total += self.cost(y[k], y_hat[k])
        return self.weight[i] * total

    cdef int check(self, Py_ssize_t i, const label_t* labels) except -1 nogil:
        cdef Py_ssize_t k
        for k in range(self.offsets[i + 1] - self.offsets[i]):
            if not 0 <= labels[k] <= self.others[i]:
                with gil:
                    raise ValueError(
                        f"position {k} of example {i} has the partner {labels[k] - 1}, expected 0 "
                        f"to {self.others[i] - 1}, or -1 for none"
                    )
        return 0
