"""The three pieces of a chain problem; parts and weights are laid out in ``_chain.pxd``."""

import numpy as np

from libc.math cimport INFINITY
from libc.stdint cimport int32_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy

from structsvm._typedefs cimport index_t, label_t, offset_t
from structsvm.inference._viterbi cimport viterbi_double, viterbi_levels
from structsvm.linalg._plane cimport PlaneBuilder, Weights, builder_add, builder_add_row
from structsvm.problems._factored cimport PartCounts, PartFeatures, PartLoss, Structure
from structsvm.problems._factored cimport counts_add

cdef extern from "structsvm/linalg/rows.h" nogil:
    enum:
        SSVM_LANES
    bint ssvm_columns_fit(const index_t* columns, Py_ssize_t n, Py_ssize_t n_columns)
    bint ssvm_values_are_finite(const double* values, Py_ssize_t n)
    Py_ssize_t ssvm_csr_times_rows(
        const offset_t* row_start, Py_ssize_t n_rows, const index_t* columns,
        const double* values, const double* weights, Py_ssize_t n_columns, Py_ssize_t row_size,
        const double* initial, double scale, double* out, Py_ssize_t stride,
    )
    void ssvm_add_square(
        const double* square, Py_ssize_t size, double factor, double* out, Py_ssize_t stride,
    )
    void ssvm_pad_rows(
        const double* rows, Py_ssize_t n_rows, Py_ssize_t row_size, double scale, double* out,
        Py_ssize_t stride,
    )


# Costs are whole multiples of one unit up to this relative error, the unit is the smallest cost
# divided by at most this, and no cost has more units than this.
WHOLE_NUMBER = 1e-9
MOST_DIVISOR = 12
MOST_LEVELS = 1000


cdef Py_ssize_t padded(Py_ssize_t n_labels) noexcept:
    return (n_labels + SSVM_LANES - 1) // SSVM_LANES * SSVM_LANES


cdef class ChainFeatures(PartFeatures):
    """Position features in one CSR matrix, and shared transition and boundary weights.

    Parameters
    ----------
    offsets : int64 array of shape (n_examples + 1,)
    row_start, columns, values : int64, int32 and float64 arrays
        CSR over all positions. Nobody else may change `row_start`. The others may be a file that
        changes while it is read: a row that does not fit any more is an error.
    n_features, n_labels : int
    intercept, transitions, boundary : bool
        Which blocks of weights there are.
    edges : tuple of row_start, columns, values and their number, default=None
        Edge features, the same way; they go with transitions.
    label_of : int32 array of shape (n_states,), default=None
        Of second order: the label of each state, in ascending order, and each label has one.
    """

    def __cinit__(self):
        self.label_of = None
        self.edge_row_start = None
        self.edge_columns = None
        self.edge_values = None

    def __init__(
        self, offsets, row_start, columns, values, Py_ssize_t n_features, Py_ssize_t n_labels,
        *, bint intercept, bint transitions, bint boundary, edges=None, label_of=None,
    ):
        cdef Py_ssize_t place = n_features * n_labels
        self.n_features = n_features
        self.n_columns = n_labels
        self.column_stride = padded(n_labels)
        self.offsets = offsets
        self.row_start = row_start
        self.columns = columns
        self.values = values
        self._columns = &self.columns[0] if self.columns.shape[0] else NULL
        self._values = &self.values[0] if self.values.shape[0] else NULL
        self.n_labels = n_labels
        self.stride = padded(n_labels)
        self.intercept = self.transition = self.start = self.edge = -1
        if intercept:
            self.intercept = place
            place += n_labels
        if label_of is not None:
            if not transitions:
                raise ValueError("second order needs transitions")
            self.label_of = label_of
            self.n_labels = n_labels = len(label_of)
            self.stride = padded(n_labels)
        if transitions:
            self.transition = place
            place += n_labels * n_labels
        if boundary:
            self.start = place
            place += 2 * n_labels
        if edges is not None:
            if not transitions:
                raise ValueError("edge features need transitions")
            (
                self.edge_row_start, self.edge_columns, self.edge_values, self.n_edge_features
            ) = edges
            self.edge = place
            place += self.n_edge_features * n_labels * n_labels
        self.n_weights = place

    cdef int scores(self, Py_ssize_t i, const Weights* w, double* theta) except -1 nogil:
        cdef offset_t first = self.offsets[i]
        cdef Py_ssize_t length = self.offsets[i + 1] - first
        cdef Py_ssize_t n_rows, first_row, wrong
        cdef const double* initial = NULL
        cdef double* shared = theta + length * self.stride
        if length == 0:
            return 0
        if self.intercept >= 0:
            initial = w.data + self.intercept
        wrong = ssvm_csr_times_rows(
            &self.row_start[first], length, self._columns, self._values, w.data, self.n_features,
            self.n_columns, initial, w.scale, theta, self.column_stride,
        )
        if wrong >= 0:
            changed(i, wrong, False)
        if self.label_of is not None:
            self.expand(length, theta)
        if self.edge >= 0:
            wrong = self.edge_scores(first, length, w, shared)
            if wrong >= 0:
                changed(i, wrong, True)
            if self.start >= 0:
                ssvm_pad_rows(
                    w.data + self.start, 2, self.n_labels, w.scale,
                    shared + length * self.n_labels * self.stride, self.stride,
                )
            return 0
        # Transition, start and end weights are neighbours in w and rows of the same kind here.
        n_rows = (self.n_labels if self.transition >= 0 else 0) + (2 if self.start >= 0 else 0)
        if n_rows:
            first_row = self.transition if self.transition >= 0 else self.start
            ssvm_pad_rows(
                w.data + first_row, n_rows, self.n_labels, w.scale, shared, self.stride
            )
        return 0

    cdef void expand(self, Py_ssize_t length, double* theta) noexcept nogil:
        """From rows of labels to rows of states, in place: a state stands behind its label, and a
        row of states behind that of labels, so from the end on nothing is overwritten too early."""
        cdef Py_ssize_t t, s
        cdef const double* of_labels
        cdef double* of_states
        for t in range(length - 1, -1, -1):
            of_labels = theta + t * self.column_stride
            of_states = theta + t * self.stride
            for s in range(self.n_labels - 1, -1, -1):
                of_states[s] = of_labels[self.label_of[s]]
            for s in range(self.n_labels, self.stride):
                of_states[s] = 0.0

    cdef Py_ssize_t edge_scores(
        self, offset_t first, Py_ssize_t length, const Weights* w, double* rows
    ) noexcept nogil:
        """Returns -1, or the first position whose edge features do not fit.

        rows OUT: the transition scores of each step, all K rows of one after the other."""
        cdef Py_ssize_t t, n, size = self.n_labels * self.n_labels
        cdef Py_ssize_t step = self.n_labels * self.stride
        cdef double* out
        cdef offset_t e, start
        ssvm_pad_rows(
            w.data + self.transition, self.n_labels, self.n_labels, w.scale, rows, self.stride
        )
        for t in range(1, length):
            out = rows + t * step
            memcpy(out, rows, step * sizeof(double))
            start = self.edge_row_start[first + t]
            n = self.edge_row_start[first + t + 1] - start
            if n == 0:
                continue
            if not ssvm_columns_fit(&self.edge_columns[start], n, self.n_edge_features):
                return t
            for e in range(start, start + n):
                ssvm_add_square(
                    w.data + self.edge + self.edge_columns[e] * size, self.n_labels,
                    w.scale * self.edge_values[e], out, self.stride,
                )
            if not out[0] - out[0] == 0.0 and not ssvm_values_are_finite(
                &self.edge_values[start], n
            ):
                return t
        return -1

    cdef int accumulate(
        self, Py_ssize_t i, const PartCounts* mu, PlaneBuilder* out
    ) except -1 nogil:
        cdef offset_t first = self.offsets[i]
        cdef Py_ssize_t length = self.offsets[i + 1] - first
        cdef Py_ssize_t size = self.n_labels * self.n_labels
        cdef Py_ssize_t p, row, label, block, t, cell, n
        cdef offset_t start
        block = self.transition if self.transition >= 0 else self.start
        for p in range(mu.size):
            row = mu.parts[p] // self.stride
            label = mu.parts[p] - row * self.stride
            if row < length:
                if self.label_of is not None:
                    label = self.label_of[label]
                start = self.row_start[first + row]
                n = self.row_start[first + row + 1] - start
                if not ssvm_columns_fit(self._columns + start, n, self.n_features):
                    changed(i, row, False)
                builder_add_row(
                    out, n, self._columns + start, self._values + start, self.n_columns, label,
                    mu.counts[p],
                )
                if self.intercept >= 0:
                    builder_add(out, self.intercept + label, mu.counts[p])
                continue
            row -= length
            if self.edge >= 0:
                if row < length * self.n_labels:
                    t = row // self.n_labels
                    row -= t * self.n_labels
                    cell = row * self.n_labels + label
                    start = self.edge_row_start[first + t]
                    n = self.edge_row_start[first + t + 1] - start
                    if n > 0:
                        if not ssvm_columns_fit(
                            &self.edge_columns[start], n, self.n_edge_features
                        ):
                            changed(i, t, True)
                        builder_add_row(
                            out, n, &self.edge_columns[start], &self.edge_values[start], size,
                            self.edge + cell, mu.counts[p],
                        )
                else:
                    row -= (length - 1) * self.n_labels
            builder_add(out, block + row * self.n_labels + label, mu.counts[p])
        return 0

    cdef bint are_finite(self, Py_ssize_t i, const double* theta) noexcept nogil:
        cdef Py_ssize_t length = self.offsets[i + 1] - self.offsets[i]
        cdef Py_ssize_t row, k, n_rows = length
        cdef double total = 0.0
        if self.transition >= 0:
            n_rows += self.n_labels * (length if self.edge >= 0 else 1)
        if self.start >= 0:
            n_rows += 2
        if length == 0:
            return True
        for row in range(n_rows):
            for k in range(self.n_labels):
                total += 0.0 * theta[row * self.stride + k]
        return total == 0.0


cdef int changed(Py_ssize_t i, Py_ssize_t t, bint edge) except -1 nogil:
    """Say that a row was sound when it was packed and is not now."""
    with gil:
        raise ValueError(
            f"{'edge features' if edge else 'features'} of X[{i}] at position {t} were changed "
            "after they were packed: a column is out of range, or a value is not finite. Make a "
            "new PackedSequences of the new data"
        )


cdef void level_scratch_free(LevelScratch* s) noexcept:
    free(s.score)
    free(s.entering)
    free(s.reach)
    free(s.rows)


cdef class ChainStructure(Structure):
    """All label sequences, scored by positions, transitions and boundaries.

    Parameters
    ----------
    offsets : int64 array of shape (n_examples + 1,)
    n_labels : int
    transitions, boundary : bool
        Without transitions each position is decoded by itself.
    edges : bool, default=False
        Whether each step has transition scores of its own.
    forbidden : tuple of float64 arrays of shape (n_labels, n_labels), (n_labels,), (n_labels,)
        Added to the scores of transitions, first and last labels: -inf where one must not be. None
        for no constraints; else there must be transitions.
    """

    def __cinit__(self):
        self.forbidden = None

    def __init__(
        self, offsets, Py_ssize_t n_labels, *, bint transitions, bint boundary, bint edges=False,
        forbidden=None,
    ):
        self.offsets = offsets
        self.n_labels = n_labels
        self.stride = padded(n_labels)
        self.transitions = transitions
        self.boundary = boundary
        self.edges = edges
        self.exact = True
        if forbidden is not None:
            if not transitions:
                raise ValueError("constraints need transitions")
            rows = np.zeros((n_labels + 2, self.stride))
            rows[:, :n_labels] = np.vstack(forbidden)
            self.forbidden = rows
        longest = int(np.diff(np.asarray(offsets)).max(initial=0))
        n_rows = longest + self.n_matrices(longest) * n_labels + (2 if boundary else 0)
        if n_rows * self.stride >= 2**31:
            raise ValueError(
                f"a chain of {longest} positions with {n_labels} labels has "
                f"{n_rows * self.stride} parts; at most 2**31 - 1 can be counted"
            )
        self.max_labels = longest
        self.max_parts = n_rows * self.stride

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self._n_entering):
            free(self._entering[k])
        free(self._entering)
        for k in range(self._n_levels):
            level_scratch_free(&self._levels[k])
        free(self._levels)

    cdef Py_ssize_t n_matrices(self, Py_ssize_t length) noexcept nogil:
        """How many times there are K rows of transition scores."""
        if not self.transitions:
            return 0
        return max(length, <Py_ssize_t> 1) if self.edges else 1

    cpdef int reserve(self, Py_ssize_t n_threads) except -1:
        cdef Py_ssize_t k
        cdef double** entering
        if n_threads > self._n_entering:
            entering = <double**> realloc(self._entering, n_threads * sizeof(double*))
            if entering == NULL:
                raise MemoryError(f"no memory for {n_threads} threads")
            self._entering = entering
            for k in range(self._n_entering, n_threads):
                entering[k] = <double*> calloc(self.max_labels * self.stride + 1, sizeof(double))
                if entering[k] == NULL:
                    raise MemoryError(f"no memory for chains of {self.max_labels} positions")
                self._n_entering = k + 1
        if self.level_cells:
            self.reserve_levels(n_threads)
        return 0

    cdef int reserve_levels(self, Py_ssize_t n_threads) except -1:
        cdef Py_ssize_t k, size = self.level_cells * self.stride
        cdef Py_ssize_t longest = max(self.max_labels, <Py_ssize_t> 1)
        cdef LevelScratch* levels
        cdef LevelScratch* s
        if n_threads <= self._n_levels:
            return 0
        levels = <LevelScratch*> realloc(self._levels, n_threads * sizeof(LevelScratch))
        if levels == NULL:
            raise MemoryError(f"no memory for {n_threads} threads")
        self._levels = levels
        for k in range(self._n_levels, n_threads):
            s = &levels[k]
            s.score = <double*> malloc(size * sizeof(double))
            s.entering = <double*> malloc(size * sizeof(double))
            s.reach = <Py_ssize_t*> malloc(longest * sizeof(Py_ssize_t))
            s.rows = <const int32_t**> malloc(longest * sizeof(int32_t*))
            if s.score == NULL or s.entering == NULL or s.reach == NULL or s.rows == NULL:
                level_scratch_free(s)
                raise MemoryError(
                    f"no memory for rescaling='slack': the longest chain needs a table of "
                    f"{size} numbers (positions * loss levels * labels)"
                )
            self._n_levels = k + 1
        return 0

    cdef int prepare_slack(self, PartLoss loss, const label_t[::1] labels) except -1:
        cdef ChainLoss chain_loss = loss
        cdef Py_ssize_t i
        cdef const label_t* y = &labels[0] if labels.shape[0] else NULL
        chain_loss.prepare_levels()
        self.loss = chain_loss
        self.level_cells = 1
        for i in range(self.offsets.shape[0] - 1):
            self.level_cells = max(
                self.level_cells,
                (self.offsets[i + 1] - self.offsets[i])
                * chain_loss.n_levels(i, y + self.offsets[i]),
            )
        self.no_transition = np.zeros((self.n_labels, self.stride))
        try:
            self.reserve_levels(self._n_entering)
        except MemoryError:
            self.level_cells = 0
            raise
        return 0

    cdef int decode_slack(
        self, Py_ssize_t i, double* theta, const label_t* y, int thread, label_t* y_hat,
        double* value,
    ) except -1 nogil:
        cdef Py_ssize_t length = self.offsets[i + 1] - self.offsets[i]
        cdef Py_ssize_t t, step = self.n_labels * self.stride if self.edges else 0
        cdef const double* transition = theta + length * self.stride
        cdef LevelScratch* s = &self._levels[thread]
        cdef double true_score = 0.0
        value[0] = 0.0
        memcpy(y_hat, y, length * sizeof(label_t))
        if length == 0:
            return 0
        self.settle(theta, length)
        if not self.transitions:
            transition = &self.no_transition[0, 0]
        for t in range(length):
            s.rows[t] = &self.loss.levels[y[t], 0]
            true_score += theta[t * self.stride + y[t]]
            if t > 0:
                true_score += transition[t * step + y[t - 1] * self.stride + y[t]]
        value[0] = viterbi_levels(
            theta, transition, step, s.rows, true_score, self.loss.unit[i], s.score, s.entering,
            s.reach, length, self.n_labels, self.loss.n_levels(i, y), self.stride, y_hat,
        )
        return 0

    cdef void settle(self, double* theta, Py_ssize_t length) noexcept nogil:
        """Settle the scores of first and last labels, and what is forbidden."""
        cdef Py_ssize_t t, k, n_matrices = self.n_matrices(length)
        cdef Py_ssize_t rows = length + n_matrices * self.n_labels
        cdef double* transition = theta + length * self.stride
        cdef const double* start = theta + rows * self.stride
        cdef const double* forbidden
        cdef double* last = theta + (length - 1) * self.stride
        if self.boundary:
            for k in range(self.n_labels):
                theta[k] += start[k]
                last[k] += start[self.stride + k]
        if self.forbidden is not None:
            forbidden = &self.forbidden[0, 0]
            for t in range(n_matrices):
                for k in range(self.n_labels * self.stride):
                    transition[t * self.n_labels * self.stride + k] += forbidden[k]
            forbidden += self.n_labels * self.stride
            for k in range(self.n_labels):
                theta[k] += forbidden[k]
                last[k] += forbidden[self.stride + k]

    cdef int decode(
        self, Py_ssize_t i, double* theta, int thread, label_t* y_hat, double* value
    ) except -1 nogil:
        cdef Py_ssize_t length = self.offsets[i + 1] - self.offsets[i]
        cdef Py_ssize_t t, k, best, step = self.n_labels * self.stride if self.edges else 0
        cdef double* transition = theta + length * self.stride
        cdef double* row
        value[0] = 0.0
        if length == 0:
            return 0
        self.settle(theta, length)
        if self.transitions:
            value[0] = viterbi_double(
                theta, transition, step, self._entering[thread], length, self.n_labels, self.stride,
                y_hat,
            )
            if value[0] == -INFINITY:
                with gil:
                    raise ValueError(f"constraints forbid all labels of sequence {i}")
            return 0
        for t in range(length):
            row = theta + t * self.stride
            best = 0
            for k in range(1, self.n_labels):
                if row[k] > row[best]:
                    best = k
            y_hat[t] = <label_t> best
            value[0] += row[best]
        return 0

    cdef int count(self, Py_ssize_t i, const label_t* y, PartCounts* mu) except -1 nogil:
        cdef Py_ssize_t length = self.offsets[i + 1] - self.offsets[i]
        cdef Py_ssize_t t, row = length, step = self.n_labels if self.edges else 0
        for t in range(length):
            if not 0 <= y[t] < self.n_labels:
                with gil:
                    raise ValueError(
                        f"label {t} of example {i} is {y[t]}, expected 0 to {self.n_labels - 1}"
                    )
            counts_add(mu, t * self.stride + y[t], 1.0)
        if self.transitions:
            for t in range(1, length):
                counts_add(mu, (row + t * step + y[t - 1]) * self.stride + y[t], 1.0)
            row += self.n_matrices(length) * self.n_labels
        if self.boundary and length:
            counts_add(mu, row * self.stride + y[0], 1.0)
            counts_add(mu, (row + 1) * self.stride + y[length - 1], 1.0)
        return 0

    cdef int difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, PartCounts* mu
    ) except -1 nogil:
        cdef Py_ssize_t length = self.offsets[i + 1] - self.offsets[i]
        cdef Py_ssize_t t, end, row = length, step = self.n_labels if self.edges else 0
        for t in range(length):
            if y[t] != y_hat[t]:
                counts_add(mu, t * self.stride + y[t], 1.0)
                counts_add(mu, t * self.stride + y_hat[t], -1.0)
        if self.transitions:
            for t in range(1, length):
                if y[t - 1] != y_hat[t - 1] or y[t] != y_hat[t]:
                    counts_add(mu, (row + t * step + y[t - 1]) * self.stride + y[t], 1.0)
                    counts_add(
                        mu, (row + t * step + y_hat[t - 1]) * self.stride + y_hat[t], -1.0
                    )
            row += self.n_matrices(length) * self.n_labels
        if self.boundary and length:
            end = length - 1
            if y[0] != y_hat[0]:
                counts_add(mu, row * self.stride + y[0], 1.0)
                counts_add(mu, row * self.stride + y_hat[0], -1.0)
            if y[end] != y_hat[end]:
                counts_add(mu, (row + 1) * self.stride + y[end], 1.0)
                counts_add(mu, (row + 1) * self.stride + y_hat[end], -1.0)
        return 0


cdef class ChainLoss(PartLoss):
    """Delta(y, y_hat) = sum_t position_weight[t] * cost[y_t, y_hat_t].

    Parameters
    ----------
    offsets : int64 array of shape (n_examples + 1,)
    cost : float64 array of shape (n_labels, n_labels)
        Zero on the diagonal.
    position_weight : float64 array of shape (offsets[-1],)
        One weight a position; a normalised loss has 1 / length here.
    """

    def __init__(self, offsets, cost, position_weight):
        n_labels = len(cost)
        rows = np.zeros((n_labels, padded(n_labels)))
        rows[:, :n_labels] = cost
        self.offsets = offsets
        self.cost = rows
        self.position_weight = position_weight
        self.n_labels = n_labels

    def prepare_levels(self):
        """State the loss in whole numbers, for dynamic programs that count it.

        Raises
        ------
        ValueError
            If the costs are no whole multiples of one unit, or the position weights differ
            within a sequence.
        """
        cost = np.asarray(self.cost)[:, : self.n_labels]
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
        if levels.max() > MOST_LEVELS:
            raise ValueError(
                "rescaling='slack' counts the loss: costs must be whole multiples of one unit, the "
                f"smallest cost {smallest:g} or a simple fraction of it, and at most {MOST_LEVELS} "
                "units; use rescaling='margin'"
            )
        weight, offsets = np.asarray(self.position_weight), np.asarray(self.offsets)
        lengths = np.diff(offsets)
        filled = lengths > 0
        low, high = np.ones(len(lengths)), np.ones(len(lengths))
        if len(weight):
            starts = offsets[: len(lengths)][filled]
            low[filled] = np.minimum.reduceat(weight, starts)
            high[filled] = np.maximum.reduceat(weight, starts)
        if (low != high).any():
            raise ValueError(
                "rescaling='slack' counts the loss: position_weight must be constant within each "
                f"sequence, that of sequence {int(np.argmax(low != high))} is not; "
                "use rescaling='margin'"
            )
        rows = np.zeros((self.n_labels, self.cost.shape[1]), dtype=np.int32)
        rows[:, : self.n_labels] = levels
        self.levels = rows
        self.unit = low * unit

    cdef Py_ssize_t n_levels(self, Py_ssize_t i, const label_t* y) noexcept nogil:
        """One more than the greatest loss that example i can have, in units."""
        cdef Py_ssize_t t, k, total = 1
        cdef int32_t most
        for t in range(self.offsets[i + 1] - self.offsets[i]):
            most = 0
            for k in range(self.n_labels):
                most = max(most, self.levels[y[t], k])
            total += most
        return total

    cdef void augment(self, Py_ssize_t i, const label_t* y, double* theta) noexcept nogil:
        cdef offset_t first = self.offsets[i]
        cdef Py_ssize_t t, k, stride = self.cost.shape[1]
        cdef double factor
        cdef const double* row
        for t in range(self.offsets[i + 1] - first):
            factor = self.position_weight[first + t]
            row = &self.cost[y[t], 0]
            for k in range(stride):
                theta[t * stride + k] += factor * row[k]

    cdef double value(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat
    ) noexcept nogil:
        cdef offset_t first = self.offsets[i]
        cdef Py_ssize_t t
        cdef double total = 0.0
        for t in range(self.offsets[i + 1] - first):
            total += self.position_weight[first + t] * self.cost[y[t], y_hat[t]]
        return total
