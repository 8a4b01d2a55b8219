"""Planes of label sequences, from the labels; see ``_chain_deltas.pxd``."""

from typing import NamedTuple

import numpy as np

from libc.math cimport fabs, sqrt
from libc.stdint cimport int32_t, uint8_t
from libc.stdlib cimport free
from libc.string cimport memcpy, memset

from structsvm._typedefs cimport label_t
from structsvm.problems._factored cimport FactoredProblem
from structsvm.problems._features cimport (
    RowBlock, TableBlock, ssvm_note, ssvm_logged, ssvm_step_log,
)
from structsvm.inference._chain_maximizer cimport ChainMaximizer
from structsvm.problems._problem cimport SLACK

cdef enum:
    MOST_LABELS = 256    # a label is one byte
    FETCHED_AHEAD = 12   # steps of a log


cdef class ChainDeltas:
    """The arithmetic of planes of a chain problem.

    Parameters
    ----------
    problem : FactoredProblem
        One that `gives_labels` accepts.
    """

    def __init__(self, FactoredProblem problem not None):
        cdef ChainMaximizer maximizer
        if not gives_labels(problem):
            raise ValueError(
                "planes of this problem cannot be kept as labels: expected a chain without "
                "edge features, void labels or states"
            )
        maximizer = problem.maximizer
        self.problem = problem
        self.rows = problem.features._blocks[0]
        self.rows.look_for_ones()
        self.truth = problem._labels
        self.offsets = &problem.offsets[0]
        self.width, self.stride = maximizer.width, maximizer.stride
        self.transitions, self.boundary = maximizer.transitions, maximizer.boundary
        if len(problem.features._blocks) > 1:
            self.place = (<TableBlock> problem.features._blocks[1]).place
        longest = max(maximizer.most_labels, 1)
        self.theta = np.zeros(longest * self.stride + 1)
        self.is_known = np.zeros(longest, dtype=np.uint8)
        self.counts = np.zeros(self.width * (self.width + 2) + 1)
        self._share = np.zeros(self.width + 1)
        self.share = &self._share[0]
        self.full_of = -1

    def __dealloc__(self):
        free(self.log.steps)

    @property
    def nbytes(self):
        n_numbers = self.theta.shape[0] + self.counts.shape[0] + self._share.shape[0]
        n_bytes = n_numbers * sizeof(double) + self.log.room * sizeof(ssvm_logged)
        return n_bytes + self.is_known.shape[0]

    cdef double weight(self, Py_ssize_t i) noexcept nogil:
        """What delta and loss of the example are multiplied by."""
        if self.problem.sample_weight is None:
            return 1.0
        return self.problem.sample_weight[i]

    cdef void begin(self, Py_ssize_t i) noexcept nogil:
        """Scores from here on are of example i."""
        if self.full_of != i:
            memset(&self.is_known[0], 0, self.offsets[i + 1] - self.offsets[i])
        self.full_of = -1

    cdef void begin_full(self, Py_ssize_t i, const double* theta) noexcept nogil:
        """The scores of all positions, for the next call of `begin`."""
        cdef Py_ssize_t n = self.offsets[i + 1] - self.offsets[i]
        memcpy(&self.theta[0], theta, n * self.stride * sizeof(double))
        memset(&self.is_known[0], 1, n)
        self.full_of = i

    cdef double inner_with_weights(
        self, Py_ssize_t i, const uint8_t* y, const double* w
    ) noexcept nogil:
        """<w, delta>"""
        cdef Py_ssize_t t, k = self.width, n = self.offsets[i + 1] - self.offsets[i]
        cdef const label_t* true = self.truth + self.offsets[i]
        cdef const double* table = w + self.place
        cdef double* theta = &self.theta[0]
        cdef double total = 0.0
        cdef bint differs, differed = False
        for t in range(n):
            differs = y[t] != true[t]
            if differs:
                if not self.is_known[t]:
                    self.rows.scores_of_row(self.offsets[i] + t, w, theta + t * self.stride)
                    self.is_known[t] = 1
                total += theta[t * self.stride + true[t]] - theta[t * self.stride + y[t]]
            if self.transitions and t and (differs or differed):
                total += table[true[t - 1] * k + true[t]] - table[y[t - 1] * k + y[t]]
            differed = differs
        if self.boundary and n:
            table += k * k if self.transitions else 0
            if y[0] != true[0]:
                total += table[true[0]] - table[y[0]]
            if differed:
                total += table[k + true[n - 1]] - table[k + y[n - 1]]
        return self.weight(i) * total

    cdef double size(self, Py_ssize_t i, const uint8_t* y, const double* w) noexcept nogil:
        """Sum of the magnitudes of the terms of <w, delta>."""
        cdef Py_ssize_t t, k = self.width, n = self.offsets[i + 1] - self.offsets[i]
        cdef const label_t* true = self.truth + self.offsets[i]
        cdef const double* table = w + self.place
        cdef double total = 0.0
        for t in range(n):
            if y[t] != true[t]:
                total += self.rows.size_of_row(self.offsets[i] + t, true[t], w)
                total += self.rows.size_of_row(self.offsets[i] + t, y[t], w)
            if self.transitions and t and (y[t] != true[t] or y[t - 1] != true[t - 1]):
                total += fabs(table[true[t - 1] * k + true[t]]) + fabs(table[y[t - 1] * k + y[t]])
        if self.boundary and n:
            table += k * k if self.transitions else 0
            if y[0] != true[0]:
                total += fabs(table[true[0]]) + fabs(table[y[0]])
            if y[n - 1] != true[n - 1]:
                total += fabs(table[k + true[n - 1]]) + fabs(table[k + y[n - 1]])
        return self.weight(i) * total

    cdef Py_ssize_t entries(self, Py_ssize_t i, const uint8_t* y) noexcept nogil:
        """About how many entries delta has."""
        cdef Py_ssize_t t, total = 0
        cdef const label_t* true = self.truth + self.offsets[i]
        for t in range(self.offsets[i + 1] - self.offsets[i]):
            if y[t] != true[t]:
                total += 2 * self.rows.entries_of_row(self.offsets[i] + t) + 4
        return total

    cdef void count_table(self, Py_ssize_t i, const uint8_t* y, double factor) noexcept nogil:
        """counts += factor * how often the truth uses transitions and ends more than y."""
        cdef Py_ssize_t t, k = self.width, n = self.offsets[i + 1] - self.offsets[i]
        cdef const label_t* true = self.truth + self.offsets[i]
        cdef double* counts = &self.counts[0]
        if self.transitions:
            for t in range(1, n):
                if y[t] != true[t] or y[t - 1] != true[t - 1]:
                    counts[true[t - 1] * k + true[t]] += factor
                    counts[y[t - 1] * k + y[t]] -= factor
            counts += k * k
        if self.boundary and n:
            counts[true[0]] += factor
            counts[y[0]] -= factor
            counts[k + true[n - 1]] += factor
            counts[k + y[n - 1]] -= factor

    cdef double inner(
        self, Py_ssize_t i, const uint8_t* y, const uint8_t* other
    ) noexcept nogil:
        """<delta, delta'>"""
        cdef Py_ssize_t t, u, k = self.width, n = self.offsets[i + 1] - self.offsets[i]
        cdef Py_ssize_t first = self.offsets[i]
        cdef const label_t* true = self.truth + first
        cdef double* counts = &self.counts[0]
        cdef double total = 0.0
        cdef int f
        for t in range(n):
            if y[t] == true[t]:
                continue
            for u in range(n):
                if other[u] == true[u]:
                    continue
                f = (
                    (true[t] == true[u]) - (true[t] == other[u])
                    - (y[t] == true[u]) + (y[t] == other[u])
                )
                if f:
                    total += f * self.rows.product_of_rows(first + t, first + u)
        # Sums of counts are integers: no rounding, and nothing is left after the second call.
        self.count_table(i, y, 1.0)
        if self.transitions:
            for t in range(1, n):
                if other[t] != true[t] or other[t - 1] != true[t - 1]:
                    total += counts[true[t - 1] * k + true[t]]
                    total -= counts[other[t - 1] * k + other[t]]
            counts += k * k
        if self.boundary and n:
            total += counts[true[0]] - counts[other[0]]
            total += counts[k + true[n - 1]] - counts[k + other[n - 1]]
        self.count_table(i, y, -1.0)
        return self.weight(i) * self.weight(i) * total

    cdef void add(
        self, Py_ssize_t i, const uint8_t* labels, const double* shares, int n_planes,
        double* target,
    ) noexcept nogil:
        """target += sum_p shares[p] * delta_p, for planes one after the other."""
        cdef Py_ssize_t t, k = self.width, n = self.offsets[i + 1] - self.offsets[i]
        cdef const label_t* true = self.truth + self.offsets[i]
        cdef const uint8_t* y
        cdef double* share = self.share
        cdef Py_ssize_t ends
        cdef double change, factor = self.weight(i)
        cdef bint differs
        cdef int p
        for t in range(n):
            differs = False
            for p in range(n_planes):
                y = labels + p * n
                if shares[p] != 0.0 and y[t] != true[t]:
                    share[true[t]] += shares[p]
                    share[y[t]] -= shares[p]
                    differs = True
            if not differs:
                continue
            # The truth, then each label once: its share is zero afterwards.
            change, share[true[t]] = share[true[t]], 0.0
            if change != 0.0:
                self.add_row(self.offsets[i] + t, true[t], factor * change, target)
            for p in range(n_planes):
                y = labels + p * n
                change, share[y[t]] = share[y[t]], 0.0
                if change != 0.0:
                    self.add_row(self.offsets[i] + t, y[t], factor * change, target)
        for p in range(n_planes):
            if shares[p] == 0.0:
                continue
            y = labels + p * n
            change = factor * shares[p]
            if self.transitions:
                for t in range(1, n):
                    if y[t] != true[t] or y[t - 1] != true[t - 1]:
                        self.add_number(true[t - 1] * k + true[t], change, target)
                        self.add_number(y[t - 1] * k + y[t], -change, target)
            if self.boundary and n:
                ends = k * k if self.transitions else 0
                if y[0] != true[0]:
                    self.add_number(ends + true[0], change, target)
                    self.add_number(ends + y[0], -change, target)
                if y[n - 1] != true[n - 1]:
                    self.add_number(ends + k + true[n - 1], change, target)
                    self.add_number(ends + k + y[n - 1], -change, target)

    cdef inline void add_row(
        self, Py_ssize_t r, Py_ssize_t column, double change, double* target
    ) noexcept nogil:
        if self.tells:
            self.rows.add_and_tell(r, column, change, target, &self.log)
        else:
            self.rows.add_row(r, column, change, target)

    cdef inline void add_number(
        self, Py_ssize_t place, double change, double* target
    ) noexcept nogil:
        if self.tells:
            ssvm_note(&self.log, -1, <int32_t> (self.place + place), change)
        target[self.place + place] += change

    cdef void repeat(
        self, const ssvm_step_log* log, double factor, double factor_of_new, double* target
    ) noexcept nogil:
        """target += factor times what a log tells, or another factor where there was no weight."""
        cdef Py_ssize_t s, place
        cdef const ssvm_logged* step
        for s in range(log.n):
            step = &log.steps[s]
            if s + FETCHED_AHEAD < log.n and log.steps[s + FETCHED_AHEAD].row >= 0:
                self.rows.fetch_row(
                    log.steps[s + FETCHED_AHEAD].row, log.steps[s + FETCHED_AHEAD].column, target
                )
            if step.row >= 0:
                if factor != 0.0:
                    self.rows.repeat_row(step.row, step.column, factor * step.change, target)
            elif step.row == -1:
                target[step.column] += factor * step.change
            else:
                place = self.rows.place_of_pair(-2 - step.row, step.column)
                if place >= 0:
                    target[place] += factor_of_new * step.change


def gives_labels(problem):
    """Whether planes of a problem can be kept as labels: those of chains.

    Not with states of several labels, edge features, void labels, or slack rescaling.
    """
    cdef FactoredProblem own
    cdef ChainMaximizer maximizer
    cdef RowBlock rows
    if not isinstance(problem, FactoredProblem):
        return False
    own = problem
    if type(own.maximizer) is not ChainMaximizer or own.loss is None:
        return False
    maximizer = own.maximizer
    blocks = own.features._blocks
    if not isinstance(blocks[0], RowBlock) or own.features.scale is not None:
        return False
    rows = blocks[0]
    return (
        maximizer.width <= MOST_LABELS and not maximizer.steps and maximizer.is_void is None
        and rows.are_plain() and own._rescaling != SLACK
        and len(blocks) == 1 + (maximizer.transitions or maximizer.boundary)
        and (len(blocks) == 1 or type(blocks[1]) is TableBlock)
    )


class ChainSizes(NamedTuple):
    """How large the examples of a chain problem are."""

    row: float     #: mean number of entries of the row of a position
    length: float  #: root of the mean square of the number of positions
    n_labels: int


def chain_sizes(FactoredProblem problem not None):
    """The sizes of a problem that `gives_labels` accepts."""
    cdef RowBlock rows = problem.features._blocks[0]
    cdef Py_ssize_t i, n = rows.offsets[rows.n_examples]
    cdef double squares = 0.0
    for i in range(rows.n_examples):
        squares += (<double> (rows.offsets[i + 1] - rows.offsets[i])) ** 2
    return ChainSizes(
        (rows.rows.row_start[n] - rows.rows.row_start[0]) / max(n, 1),
        sqrt(squares / max(rows.n_examples, 1)),
        (<ChainMaximizer> problem.maximizer).width,
    )
