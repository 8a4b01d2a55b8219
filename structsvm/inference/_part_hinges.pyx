"""Hinges of any maximizer, for scores that come from elsewhere."""

import numpy as np

from libc.math cimport fabs
from libc.stdint cimport int8_t, int32_t, int64_t
from libc.string cimport memcpy, memset

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport (
    SSVM_COUNTS, SSVM_INDICES, SSVM_VOID, Maximizer, ssvm_counts,
)


# Scores closer than this, relative to their terms, are equal up to rounding.
cdef double SAME_SCORE = 1e-9


def writes_uses(Maximizer maximizer):
    """Whether outputs are sets of parts: labels say which parts are used, or how often each is."""
    return maximizer.struct.count == NULL and maximizer.struct.form in (SSVM_COUNTS, SSVM_INDICES)


def write_uses(
    Maximizer maximizer,
    const int64_t[::1] examples,   # IN   (n,)
    const int64_t[::1] uses,       # IN   how often each part is used, example by example
    int32_t[::1] labels,           # OUT  the same as labels
):
    """Write sets of parts as labels; returns (number of the example, parts used) where there are
    more than the maximizer has room for, else None."""
    cdef Py_ssize_t n, i, p, k, first = 0, start = 0, found, room
    for n in range(examples.shape[0]):
        i = examples[n]
        room = maximizer.struct.n_labels[i]
        found = 0
        for p in range(maximizer.struct.n_parts[i]):
            if maximizer.struct.form == SSVM_COUNTS:
                labels[start + p] = <int32_t> uses[first + p]
                continue
            for _ in range(uses[first + p]):
                if found < room:
                    labels[start + found] = <int32_t> p
                found += 1
        if found > room:
            return n, found
        if maximizer.struct.form != SSVM_COUNTS:
            for k in range(found, room):
                labels[start + k] = SSVM_VOID
        first += maximizer.struct.n_parts[i]
        start += room
    return None


def hinges(
    Maximizer maximizer,
    const int64_t[::1] examples,   # IN   (n,)
    const double[::1] theta,       # IN   scores with the loss in them, example by example
    const int32_t[::1] labels,     # IN   the truths, example by example
    const int32_t[::1] levels,     # IN   levels of parts, or None: margin rescaling
    const double[::1] units,       # IN   (n,): the units of the levels; with levels alone
    double[::1] values,            # OUT  (n,)
    double[::1] slopes,            # OUT  derivatives of the values by theta
):
    """The hinge of each example: the maximum over outputs of <theta, mu_hat - mu(y)>, or, with
    levels, of unit * level * (1 + <theta, mu_hat - mu(y)>), and never below 0.

    Where the maximizer relaxes, margin rescaling takes the maximum of the relaxation, which is no
    lower. Where it finds nothing better than the truth, the hinge and its slopes are 0.

    Returns
    -------
    below : int64 array
        The examples whose truth is better, beyond rounding, than the output that was found.
    """
    cdef int8_t[::1] is_below = np.zeros(examples.shape[0], dtype=np.int8)
    cdef double terms
    cdef Py_ssize_t n, i, k, size, first = 0, start = 0, n_levels = 0, most = 0
    cdef double value, excess, total
    cdef bint is_output, relaxes = maximizer.struct.relax != NULL and levels is None
    cdef double[::1] scores = np.zeros(maximizer.most_parts + 1)
    cdef label_t[::1] y = np.zeros(maximizer.most_labels + 1, dtype=np.int32)
    cdef label_t[::1] y_hat = np.zeros(maximizer.most_labels + 1, dtype=np.int32)
    cdef Py_ssize_t capacity = 2 * maximizer.struct.n_counts
    cdef int32_t[::1] parts = np.zeros(capacity + 1, dtype=np.int32)
    cdef double[::1] counts = np.zeros(capacity + 1)
    cdef ssvm_counts mu
    mu.parts, mu.counts, mu.size, mu.capacity = &parts[0], &counts[0], 0, capacity
    if levels is not None:
        # An output has so many labels, each of which adds a level at most.
        for k in range(levels.shape[0]):
            most = max(most, levels[k])
        for n in range(examples.shape[0]):
            n_levels = max(n_levels, 1 + most * maximizer.struct.n_labels[examples[n]])
    maximizer.reserve(1, n_levels)
    if maximizer.in_batches:
        ends = np.cumsum(maximizer.n_parts[np.asarray(examples)])
        maximizer.foresee(
            0, np.asarray(examples), np.split(np.array(theta), ends[: len(ends) - 1])
        )
    with nogil:
        for n in range(examples.shape[0]):
            i = examples[n]
            size = maximizer.struct.n_parts[i]
            memcpy(&scores[0], &theta[first], size * sizeof(double))
            memcpy(&y[0], &labels[start], maximizer.struct.n_labels[i] * sizeof(label_t))
            # Raises if the truth is no output.
            mu.size = 0
            maximizer.call_count(i, &y[0], &mu)
            mu.size = 0
            total = 1.0
            if relaxes:
                maximizer.call_relax(i, 0, &scores[0], &y[0], &mu, &is_output)
            else:
                if levels is None:
                    maximizer.call_maximize(i, 0, &scores[0], &y_hat[0], &value, &excess)
                else:
                    memcpy(
                        &y_hat[0], &y[0], maximizer.struct.n_labels[i] * sizeof(label_t)
                    )
                    maximizer.call_maximize_slack(
                        i, 0, &scores[0], &levels[first], n_levels, units[n], &y_hat[0], &value
                    )
                    maximizer.call_count(i, &y_hat[0], &mu)
                    total = 0.0
                    for k in range(mu.size):
                        total += units[n] * levels[first + mu.parts[k]] * mu.counts[k]
                    mu.size = 0
                maximizer.call_difference(i, &y[0], &y_hat[0], &mu)
            value = terms = 0.0 if levels is None else 1.0
            for k in range(mu.size):
                value -= mu.counts[k] * theta[first + mu.parts[k]]
                terms += fabs(mu.counts[k] * theta[first + mu.parts[k]])
            value *= total
            is_below[n] = value < -SAME_SCORE * total * terms
            memset(&slopes[first], 0, size * sizeof(double))
            values[n] = 0.0
            if not value <= 0.0:  # NaN, too: the caller tells what is wrong
                values[n] = value
                for k in range(mu.size):
                    slopes[first + mu.parts[k]] -= total * mu.counts[k]
            first += size
            start += maximizer.struct.n_labels[i]
    return np.flatnonzero(is_below)
