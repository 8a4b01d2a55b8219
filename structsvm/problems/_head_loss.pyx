"""The task loss of dependency trees: wrong heads."""

import numpy as np

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport SSVM_VOID, ssvm_counts
from structsvm.problems._losses cimport PartLoss


cdef class HeadLoss(PartLoss):
    """Delta(y, y_hat) = sum_m weight_m [the heads of token m differ].

    Labels are the heads of tokens 1 to n, from 0, the root, to n. The arc from head h to token m is
    part h * n + m - 1; parts that follow those of arcs cost nothing. Void heads cost nothing, and
    the scores of arcs to their tokens are set to 0; if there are any, so are those of all parts
    that follow.

    Parameters
    ----------
    offsets : int64 array of shape (n_examples + 1,)
        Start of the tokens of each sentence.
    weight : float64 array of shape (offsets[-1],)
        What a wrong head of each token costs; 0 where the head is void.
    n_parts : int64 array of shape (n_examples,)
    """

    def __init__(self, offsets, weight, n_parts):
        self.offsets = offsets
        self.weight = weight
        self.n_parts = n_parts
        n = self.offsets.shape[0] - 1
        if self.weight.shape[0] != self.offsets[n]:
            raise ValueError(f"{self.weight.shape[0]} weights for {self.offsets[n]} tokens")
        self.total = np.zeros(n)
        for i in range(n):
            for t in range(self.offsets[i], self.offsets[i + 1]):
                self.total[i] += self.weight[t]

    cdef double augment(self, Py_ssize_t i, const label_t* y, double* theta) noexcept nogil:
        cdef Py_ssize_t t, h, p, first = self.offsets[i], n = self.offsets[i + 1] - first
        cdef bint some_void = False
        for t in range(n):
            if y[t] != SSVM_VOID:
                theta[y[t] * n + t] -= self.weight[first + t]
                continue
            some_void = True
            for h in range(n + 1):
                theta[h * n + t] = 0.0
        for p in range((n + 1) * n, self.n_parts[i] if some_void else 0):
            theta[p] = 0.0
        return self.total[i]

    cdef double value(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat
    ) noexcept nogil:
        cdef Py_ssize_t t, first = self.offsets[i]
        cdef double total = 0.0
        for t in range(self.offsets[i + 1] - first):
            if y[t] != y_hat[t]:
                total += self.weight[first + t]
        return total

    cdef double relaxed_value(
        self, Py_ssize_t i, const label_t* y, const ssvm_counts* mu
    ) noexcept nogil:
        # For a wrong arc mu is -mu_hat.
        cdef Py_ssize_t k, h, t, first = self.offsets[i], n = self.offsets[i + 1] - first
        cdef double total = 0.0
        for k in range(mu.size):
            if mu.parts[k] >= (n + 1) * n:
                continue
            h = mu.parts[k] // n
            t = mu.parts[k] - h * n
            if y[t] != h:
                total -= mu.counts[k] * self.weight[first + t]
        return total

    cdef int check_sizes(self, Py_ssize_t i, Py_ssize_t n_labels, Py_ssize_t n_parts) except -1:
        if self.offsets[i + 1] - self.offsets[i] != n_labels or n_parts < n_labels * (n_labels + 1):
            raise ValueError(
                f"the loss of example {i} is of {self.offsets[i + 1] - self.offsets[i]} tokens; "
                f"the example has {n_labels} tokens and {n_parts} parts"
            )
        return 0

    cdef int check(self, Py_ssize_t i, const label_t* labels) except -1 nogil:
        cdef Py_ssize_t t, n = self.offsets[i + 1] - self.offsets[i]
        for t in range(n):
            if not SSVM_VOID <= labels[t] <= n or labels[t] == t + 1:
                with gil:
                    raise ValueError(
                        f"the head of token {t + 1} of example {i} is {labels[t]}, expected "
                        f"another token, 1 to {n}, or the root, 0"
                    )
        return 0
