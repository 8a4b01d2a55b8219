"""Task losses that split over parts; see ``_losses.pxd``."""

import numpy as np

from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free

from structsvm._typedefs cimport label_t, offset_t
from structsvm.inference._maximizer cimport SSVM_VOID, ssvm_counts

from structsvm.inference._graph_maximizer import check_own

# Slack rescaling needs costs that are integer multiples of one unit up to this relative error. The
# unit is the smallest cost divided by at most MOST_DIVISOR; costs have at most MOST_LEVELS units.
WHOLE_NUMBER = 1e-9
MOST_DIVISOR = 12
MOST_LEVELS = 1000


cdef class PartLoss:
    cdef double augment(self, Py_ssize_t i, const label_t* y, double* theta) noexcept nogil:
        return 0.0

    cdef double value(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat
    ) noexcept nogil:
        return 0.0

    cdef double relaxed_value(
        self, Py_ssize_t i, const label_t* y, const ssvm_counts* mu
    ) noexcept nogil:
        return 0.0

    cdef void hide(self, Py_ssize_t i, double* theta) noexcept nogil:
        pass

    cdef int leave_out(self, Py_ssize_t i, ssvm_counts* mu) noexcept nogil:
        return 0

    cdef int check_sizes(self, Py_ssize_t i, Py_ssize_t n_labels, Py_ssize_t n_parts) except -1:
        return 0

    cdef int check(self, Py_ssize_t i, const label_t* labels) except -1 nogil:
        return 0

    cdef int prepare_levels(self) except -1:
        raise ValueError(
            f"{type(self).__name__} has no levels, which rescaling='slack' needs; use "
            "rescaling='margin'"
        )

    cdef Py_ssize_t n_levels(self, Py_ssize_t i, const label_t* y) noexcept nogil:
        return 1

    cdef double fill_levels(
        self, Py_ssize_t i, const label_t* y, int32_t* levels
    ) noexcept nogil:
        return 1.0


cdef class LabelLoss(PartLoss):
    """Delta(y, y_hat) = sum_t weight[t] * cost[y_t, y_hat_t], over labels that are not void.

    Label k at place t is part t * row_size + k. With two labels and a row_size of 1, labels say
    whether parts are used, as in subsets, matchings and trees: part t is used if label t is 1. A
    void label, -1, has no loss; the scores of its parts and of its pairs are set to 0.

    Parameters
    ----------
    offsets : int64 array of shape (n_examples + 1,)
        Start of each example's labels.
    cost : float64 array of shape (n_labels, n_labels)
        ``cost[y, y_hat]``; zero on the diagonal.
    weight : float64 array of shape (offsets[-1],)
        Weight of each label; for a normalised loss it includes 1 / length.
    row_size : int
        n_labels, or more if rows of parts are padded; or 1, see above.
    pairs : sequence of C-contiguous int32 arrays of shape (n_pairs, 2), default=None
        The two places that each pair of an example joins. Their parts follow those of labels.
    pair_width : int, default=1
        Number of parts of a pair.
    n_own : int32 array of shape (offsets[-1],), default=None
        Number of labels at each place, where places have different ones. Further labels are other
        names of the last one. None: all have n_labels.
    """

    def __cinit__(self):
        self.n_own = None

    def __init__(
        self, offsets, cost, weight, *, Py_ssize_t row_size, pairs=None, Py_ssize_t pair_width=1,
        n_own=None,
    ):
        cdef Py_ssize_t i, k
        cdef const int32_t[:, ::1] ends
        self.offsets = offsets
        self.n_labels = len(cost)
        self.of_uses = self.n_labels == 2 and row_size == 1
        rows = np.zeros((self.n_labels, max(row_size, 2 if self.of_uses else 1)))
        rows[:, :self.n_labels] = cost
        self.cost = rows
        self.weight = weight
        self.row_size = row_size
        self.pair_width = pair_width
        n = self.offsets.shape[0] - 1
        if self.weight.shape[0] != self.offsets[n]:
            raise ValueError(f"{self.weight.shape[0]} weights for {self.offsets[n]} labels")
        if n_own is not None:
            self.n_own = check_own(n_own, self.offsets[n], self.n_labels)
        if pairs is None:
            return
        self._held = list(pairs)
        if len(self._held) != n:
            raise ValueError(f"pairs of {len(self._held)} examples, expected {n}")
        self.pairs = <Pairs*> calloc(max(n, 1), sizeof(Pairs))
        if self.pairs == NULL:
            raise MemoryError(f"no memory for the pairs of {n} examples")
        for i in range(n):
            ends = self._held[i]
            self.pairs[i].size = ends.shape[0]
            self.pairs[i].ends = &ends[0, 0] if ends.shape[0] else NULL
            for k in range(2 * self.pairs[i].size):
                if not 0 <= self.pairs[i].ends[k] < self.offsets[i + 1] - self.offsets[i]:
                    raise ValueError(
                        f"pair {k // 2} of example {i} has label {self.pairs[i].ends[k]}, but "
                        f"the example has {self.offsets[i + 1] - self.offsets[i]}"
                    )

    def __dealloc__(self):
        free(self.pairs)

    cdef double augment(self, Py_ssize_t i, const label_t* y, double* theta) noexcept nogil:
        cdef offset_t first = self.offsets[i]
        cdef Py_ssize_t t, k, length = self.offsets[i + 1] - first, row_size = self.row_size
        cdef double factor, unused = 0.0
        cdef const double* row
        cdef const Pairs* pairs
        cdef bint some_void = False
        for t in range(length):
            if y[t] == SSVM_VOID:
                some_void = True
                for k in range(row_size):
                    theta[t * row_size + k] = 0.0
                continue
            factor = self.weight[first + t]
            row = &self.cost[y[t], 0]
            if self.of_uses:
                theta[t] += factor * (row[1] - row[0])
                unused += factor * row[0]
                continue
            for k in range(row_size):
                theta[t * row_size + k] += factor * row[k]
            if self.n_own is not None:
                for k in range(self.n_own[first + t], row_size):
                    theta[t * row_size + k] = theta[t * row_size + self.n_own[first + t] - 1]
        if not some_void or self.pairs == NULL:
            return unused
        theta += length * row_size
        pairs = &self.pairs[i]
        for t in range(pairs.size):
            if y[pairs.ends[2 * t]] == SSVM_VOID or y[pairs.ends[2 * t + 1]] == SSVM_VOID:
                for k in range(self.pair_width):
                    theta[t * self.pair_width + k] = 0.0
        return unused

    cdef double value(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat
    ) noexcept nogil:
        cdef offset_t first = self.offsets[i]
        cdef Py_ssize_t t
        cdef double total = 0.0
        for t in range(self.offsets[i + 1] - first):
            if y_hat[t] != y[t] and y[t] != SSVM_VOID and y_hat[t] != SSVM_VOID:
                total += self.weight[first + t] * self.cost[y[t], y_hat[t]]
        return total

    cdef double relaxed_value(
        self, Py_ssize_t i, const label_t* y, const ssvm_counts* mu
    ) noexcept nogil:
        # For a wrong label mu is -mu_hat.
        cdef offset_t first = self.offsets[i]
        cdef Py_ssize_t p, t, label, n_parts = (self.offsets[i + 1] - first) * self.row_size
        cdef double total = 0.0
        for p in range(mu.size):
            if mu.parts[p] >= n_parts:
                continue
            t = mu.parts[p] // self.row_size
            label = mu.parts[p] - t * self.row_size
            if self.of_uses and y[t] == 1:
                total += mu.counts[p] * self.weight[first + t] * self.cost[1, 0]
                continue
            label += self.of_uses
            if label != y[t] and y[t] != SSVM_VOID:
                total -= mu.counts[p] * self.weight[first + t] * self.cost[y[t], label]
        return total

    cdef int check_sizes(self, Py_ssize_t i, Py_ssize_t n_labels, Py_ssize_t n_parts) except -1:
        cdef Py_ssize_t own, n_pairs = self.pairs[i].size if self.pairs != NULL else 0
        own = self.offsets[i + 1] - self.offsets[i] if i + 1 < self.offsets.shape[0] else 0
        if own != n_labels or own * self.row_size + n_pairs * self.pair_width > n_parts:
            raise ValueError(
                f"the loss of example {i} is of {own} labels with {self.row_size} parts each and "
                f"{n_pairs} pairs with {self.pair_width} each; the example has {n_labels} labels "
                f"and {n_parts} parts"
            )
        return 0

    cdef int check(self, Py_ssize_t i, const label_t* labels) except -1 nogil:
        cdef Py_ssize_t t, n_labels = self.n_labels
        for t in range(self.offsets[i + 1] - self.offsets[i]):
            if self.n_own is not None:
                n_labels = self.n_own[self.offsets[i] + t]
            if not SSVM_VOID <= labels[t] < n_labels:
                with gil:
                    raise ValueError(
                        f"label {t} of example {i} is {labels[t]}, expected 0 to "
                        f"{n_labels - 1}, or -1 for void"
                    )
        return 0

    cdef int prepare_levels(self) except -1:
        """Write the costs as integer multiples of one unit.

        Raises
        ------
        ValueError
            If that is impossible, or the weights differ within an example.
        """
        if self.of_uses:
            raise ValueError(
                "a loss of used and unused parts has no levels, which rescaling='slack' needs; use "
                "rescaling='margin'"
            )
        cost = np.asarray(self.cost)[:, :self.n_labels]
        smallest = float(cost[cost > 0].min(initial=np.inf))
        unit = smallest if np.isfinite(smallest) else 1.0
        for divisor in range(1, MOST_DIVISOR + 1):
            multiples = cost / (unit / divisor)
            levels = np.rint(multiples)
            if (np.abs(multiples - levels) <= WHOLE_NUMBER * levels).all():
                unit /= divisor
                break
        else:
            levels = np.full(cost.shape, np.inf)
        if levels.max(initial=0) > MOST_LEVELS:
            raise ValueError(
                "rescaling='slack' needs costs that are integer multiples of one unit, the "
                f"smallest cost {smallest:g} or a simple fraction of it, and at most {MOST_LEVELS} "
                "units; use rescaling='margin'"
            )
        weight, offsets = np.asarray(self.weight), np.asarray(self.offsets)
        lengths = np.diff(offsets)
        filled = lengths > 0
        low, high = np.ones(len(lengths)), np.ones(len(lengths))
        if len(weight):
            starts = offsets[:len(lengths)][filled]
            low[filled] = np.minimum.reduceat(weight, starts)
            high[filled] = np.maximum.reduceat(weight, starts)
        if (low != high).any():
            raise ValueError(
                "rescaling='slack' needs weights of the loss that are constant within each "
                f"example; they are not in example {int(np.argmax(low != high))}: "
                "use rescaling='margin'"
            )
        self.levels = levels.astype(np.int32)
        self.unit = low * unit
        return 0

    cdef Py_ssize_t n_levels(self, Py_ssize_t i, const label_t* y) noexcept nogil:
        cdef Py_ssize_t t, k, total = 1
        cdef int32_t most
        for t in range(self.offsets[i + 1] - self.offsets[i]):
            most = 0
            for k in range(self.n_labels):
                most = max(most, self.levels[y[t], k])
            total += most
        return total

    cdef double fill_levels(
        self, Py_ssize_t i, const label_t* y, int32_t* levels
    ) noexcept nogil:
        cdef Py_ssize_t t, k
        for t in range(self.offsets[i + 1] - self.offsets[i]):
            for k in range(self.n_labels):
                levels[t * self.row_size + k] = self.levels[y[t], k]
        return self.unit[i]
