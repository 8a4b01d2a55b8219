"""The task loss of outputs that are sets of parts; see ``_set_loss.pxd``."""

import numpy as np

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport SSVM_VOID, ssvm_counts
from structsvm.problems._losses cimport PartLoss


cdef class SetLoss(PartLoss):
    """The costs of the parts in which two sets differ.

    Delta(y, y_hat) = sum_p cost_p (uses of p in y_hat - uses of p in y); or, if it is symmetric,
    sum_p cost_p |uses of p in y_hat - uses of p in y|, where parts are used at most once.

    Outputs are rows of the used parts, ascending, and SSVM_VOID after the last. Void parts, of
    which nobody knows whether they are used, are left out of joint features; their cost must be 0.

    Parameters
    ----------
    truth : int32 array of shape (offsets[-1],)
        The true rows, one after the other, each with SSVM_VOID at its end.
    offsets : int64 array of shape (n_examples + 1,)
    n_parts, n_labels : int64 array of shape (n_examples,)
        Numbers of parts, and the most parts that an output uses.
    costs : float64 array
    starts : int64 array of shape (n_examples,)
        The costs of example i are costs[starts[i]], ...; examples may share them.
    symmetric : bool
    voids : int32 array, default=None
        The void parts of all examples, ascending in each.
    void_starts : int64 array of shape (n_examples + 1,), default=None
    """

    def __init__(
        self, truth, offsets, n_parts, n_labels, costs, starts, *, bint symmetric, voids=None,
        void_starts=None,
    ):
        cdef Py_ssize_t i, k
        cdef double sign = 1.0 if symmetric else -1.0
        self.truth = truth
        self.offsets = offsets
        self.n_parts = n_parts
        self.n_labels = n_labels
        self.costs = costs
        self.starts = starts
        self.symmetric = symmetric
        self.voids = voids
        self.void_starts = void_starts
        n = self.n_parts.shape[0]
        for i in range(n):
            if not 0 <= self.starts[i] <= self.costs.shape[0] - self.n_parts[i]:
                raise ValueError(
                    f"the costs of example {i} are {self.starts[i]} to "
                    f"{self.starts[i] + self.n_parts[i]} of {self.costs.shape[0]}"
                )
        self.constant = np.zeros(n)
        for i in range(n):
            self.check(i, &self.truth[self.offsets[i]])
            for k in range(self.offsets[i], self.offsets[i + 1] - 1):
                self.constant[i] += sign * self.costs[self.starts[i] + self.truth[k]]

    cdef double augment(self, Py_ssize_t i, const label_t* y, double* theta) noexcept nogil:
        cdef const double* cost = &self.costs[self.starts[i]] if self.n_parts[i] else NULL
        cdef Py_ssize_t p, k
        for p in range(self.n_parts[i]):
            theta[p] += cost[p]
        if self.symmetric:
            k = 0
            while y[k] != SSVM_VOID:
                theta[y[k]] -= 2.0 * cost[y[k]]
                k += 1
        self.hide(i, theta)
        return self.constant[i]

    cdef void hide(self, Py_ssize_t i, double* theta) noexcept nogil:
        cdef Py_ssize_t k
        if self.voids is not None:
            for k in range(self.void_starts[i], self.void_starts[i + 1]):
                theta[self.voids[k]] = 0.0

    cdef double value(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat
    ) noexcept nogil:
        cdef const double* cost = &self.costs[self.starts[i]] if self.n_parts[i] else NULL
        cdef Py_ssize_t a = 0, b = 0, n_true = self.offsets[i + 1] - self.offsets[i]
        cdef Py_ssize_t most = self.n_labels[i]
        cdef double total = 0.0, missed = 1.0 if self.symmetric else -1.0
        cdef bint more_y, more_hat
        while True:
            more_y = a < n_true and y[a] != SSVM_VOID
            more_hat = b < most and y_hat[b] != SSVM_VOID
            if not more_y and not more_hat:
                return total
            if more_y and more_hat and y[a] == y_hat[b]:
                a += 1
                b += 1
            elif more_y and (not more_hat or y[a] < y_hat[b]):
                total += missed * cost[y[a]]
                a += 1
            else:
                total += cost[y_hat[b]]
                b += 1

    cdef double relaxed_value(
        self, Py_ssize_t i, const label_t* y, const ssvm_counts* mu
    ) noexcept nogil:
        cdef const double* cost = &self.costs[self.starts[i]] if self.n_parts[i] else NULL
        cdef double total = 0.0
        cdef Py_ssize_t k, low, high, middle, n_true = self.offsets[i + 1] - self.offsets[i] - 1
        cdef bint used
        for k in range(mu.size):
            low, high = 0, n_true
            while low < high:
                middle = (low + high) // 2
                if y[middle] < mu.parts[k]:
                    low = middle + 1
                else:
                    high = middle
            used = self.symmetric and low < n_true and y[low] == mu.parts[k]
            total += cost[mu.parts[k]] * (mu.counts[k] if used else -mu.counts[k])
        return total

    cdef int leave_out(self, Py_ssize_t i, ssvm_counts* mu) noexcept nogil:
        cdef Py_ssize_t k, v, stop, kept = 0
        if self.voids is None:
            return 0
        v, stop = self.void_starts[i], self.void_starts[i + 1]
        for k in range(mu.size):
            while v < stop and self.voids[v] < mu.parts[k]:
                v += 1
            if v == stop or self.voids[v] != mu.parts[k]:
                mu.parts[kept], mu.counts[kept] = mu.parts[k], mu.counts[k]
                kept += 1
        mu.size = kept
        return 0

    cdef int check_sizes(self, Py_ssize_t i, Py_ssize_t n_labels, Py_ssize_t n_parts) except -1:
        if i >= self.n_parts.shape[0] or (self.n_parts[i], self.n_labels[i]) != (n_parts, n_labels):
            raise ValueError(f"the loss of example {i} is not of {n_parts} parts")
        return 0

    cdef int check(self, Py_ssize_t i, const label_t* labels) except -1 nogil:
        cdef Py_ssize_t k
        cdef label_t last = 0
        for k in range(self.n_labels[i]):
            if labels[k] == SSVM_VOID:
                break
            if not last <= labels[k] < self.n_parts[i] or (
                self.symmetric and k and labels[k] == last
            ):
                with gil:
                    raise ValueError(
                        f"label {k} of example {i} is {labels[k]}"
                        f"{', like the one before' if k and labels[k] == last else ''}; labels are "
                        f"the used parts, ascending, each once: expected {last + (k > 0)} to "
                        f"{self.n_parts[i] - 1}, or -1 after the last"
                    )
            last = labels[k]
        return 0
