"""Chains as a maximizer; parts are laid out in ``_chain_maximizer.pxd``."""

import numpy as np

from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset

from structsvm._typedefs cimport label_t
from structsvm.inference._maximizer cimport (
    SSVM_VOID, Maximizer, counts_add, ssvm_count, ssvm_counts, ssvm_difference, ssvm_maximize,
    ssvm_maximize_slack, ssvm_n_best, ssvm_reserve,
)
from structsvm.inference._n_best cimport n_best_paths
from structsvm.inference._viterbi cimport viterbi_double, viterbi_levels
from structsvm.linalg._lanes cimport padded


cdef class ChainMaximizer(Maximizer):
    """All label sequences, scored by positions, transitions and boundaries.

    Parameters
    ----------
    lengths : int64 array of shape (n_examples,)
    n_labels : int
    transitions : bool
        Whether transitions have scores. Otherwise each position is decoded by itself.
    boundary : bool
        Whether the first and the last label have scores of their own.
    steps : bool, default=False
        Whether each step has transition scores of its own.
    forbidden : tuple of float64 arrays of shape (n_labels, n_labels), (n_labels,), (n_labels,)
        Added to the scores of transitions, first and last labels: -inf forbids. None: no
        constraints.
    is_void : uint8 array of shape (lengths.sum(),), default=None
        Whether each position is void; None: none is. Outputs have some label there, which is not
        counted in their score. With void positions there are no n best outputs, nor slack
        rescaling.

    Raises
    ------
    ValueError
        If `steps` or `forbidden` come without `transitions`, or a chain has 2**31 parts or more.
    """

    def __cinit__(self):
        self.forbidden = None
        self.is_void = None
        self.starts = None

    def __init__(
        self, lengths, Py_ssize_t n_labels, *, bint transitions, bint boundary, bint steps=False,
        forbidden=None, is_void=None,
    ):
        cdef Py_ssize_t i, length, longest
        cdef int64_t[::1] view
        self.width = n_labels
        self.stride = padded(n_labels)
        self.transitions = transitions
        self.boundary = boundary
        self.steps = steps
        if (forbidden is not None or steps) and not transitions:
            raise ValueError("constraints and scores of steps need transitions")
        if forbidden is not None:
            rows = np.zeros((n_labels + 2, self.stride))
            rows[:, :n_labels] = np.vstack(forbidden)
            self.forbidden = rows
        self.no_transition = np.zeros((n_labels, self.stride))
        sizes = np.array(lengths, dtype=np.int64)
        view = sizes
        longest = 0
        for i in range(view.shape[0]):
            length = max(view[i], <int64_t> 0)
            longest = max(longest, length)
            view[i] = self.stride * (
                length + self.n_matrices(length) * n_labels + (2 if boundary else 0)
            )
            if view[i] >= 2**31:
                raise ValueError(
                    f"a chain of {length} positions with {n_labels} labels has {view[i]} parts; at "
                    "most 2**31 - 1 can be counted"
                )
        self.set_sizes(sizes, lengths, 4 * longest + 4)
        self.struct.exact = self.takes_infinity = True
        self.struct.maximize = <ssvm_maximize> chain_maximize
        self.struct.maximize_slack = <ssvm_maximize_slack> chain_maximize_slack
        if is_void is None:
            self.struct.n_best = <ssvm_n_best> chain_n_best
        else:
            self.is_void = is_void
            self.starts = np.append(0, np.cumsum(lengths, dtype=np.int64))
            if self.is_void.shape[0] != self.starts[len(lengths)]:
                raise ValueError(
                    f"is_void has {self.is_void.shape[0]} entries for {self.starts[len(lengths)]} "
                    "positions"
                )
        self.struct.count = <ssvm_count> chain_count
        self.struct.difference = <ssvm_difference> chain_difference
        self.struct.reserve = <ssvm_reserve> chain_reserve

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self._n_scratch):
            free(self._scratch[k].entering)
            free(self._scratch[k].level_score)
            free(self._scratch[k].level_entering)
            free(self._scratch[k].reach)
            free(self._scratch[k].level_rows)
        free(self._scratch)

    cdef Py_ssize_t n_matrices(self, Py_ssize_t length) noexcept nogil:
        """The number of transition matrices, of K rows each."""
        if not self.transitions:
            return 0
        return max(length, <Py_ssize_t> 1) if self.steps else 1

    cdef int make_room(self, Py_ssize_t n_threads, Py_ssize_t n_levels) except -1:
        cdef Py_ssize_t k, longest = max(self.most_labels, <Py_ssize_t> 1)
        cdef Py_ssize_t cells = longest * n_levels * self.stride
        cdef ChainScratch* s
        cdef double* score
        cdef double* entering
        if n_threads > self._n_scratch:
            s = <ChainScratch*> realloc(self._scratch, n_threads * sizeof(ChainScratch))
            if s == NULL:
                raise MemoryError(f"no memory for {n_threads} threads")
            self._scratch = s
        for k in range(self._n_scratch, n_threads):
            s = &self._scratch[k]
            memset(s, 0, sizeof(ChainScratch))
            self._n_scratch = k + 1
            s.entering = <double*> calloc(self.most_labels * self.stride + 1, sizeof(double))
            s.reach = <Py_ssize_t*> malloc(longest * sizeof(Py_ssize_t))
            s.level_rows = <const int32_t**> malloc(longest * sizeof(int32_t*))
            if s.entering == NULL or s.reach == NULL or s.level_rows == NULL:
                raise MemoryError(f"no memory for chains of {self.most_labels} positions")
        for k in range(self._n_scratch if n_levels else 0):
            s = &self._scratch[k]
            score = <double*> realloc(s.level_score, cells * sizeof(double))
            if score != NULL:
                s.level_score = score
            entering = <double*> realloc(s.level_entering, cells * sizeof(double))
            if entering != NULL:
                s.level_entering = entering
            if score == NULL or entering == NULL:
                raise MemoryError(
                    f"no memory for rescaling='slack': the longest chain needs a table of "
                    f"{cells} numbers (positions * loss levels * labels)"
                )
        return 0

    cdef int decode_slack(
        self, Py_ssize_t i, double* theta, int thread, const int32_t* levels, Py_ssize_t n_levels,
        double unit, label_t* labels, double* value,
    ) except -1 nogil:
        cdef Py_ssize_t length = self.struct.n_labels[i]
        cdef Py_ssize_t t, step = self.width * self.stride if self.steps else 0
        cdef const double* transition = theta + length * self.stride
        cdef ChainScratch* s = &self._scratch[thread]
        cdef double true_score = 0.0
        value[0] = 0.0
        if length == 0:
            return 0
        self.settle(theta, length)
        if not self.transitions:
            transition = &self.no_transition[0, 0]
        for t in range(length):
            s.level_rows[t] = levels + t * self.stride
            true_score += theta[t * self.stride + labels[t]]
            if t > 0:
                true_score += transition[t * step + labels[t - 1] * self.stride + labels[t]]
        value[0] = viterbi_levels(
            theta, transition, step, s.level_rows, true_score, unit, s.level_score,
            s.level_entering, s.reach, length, self.width, n_levels, self.stride, labels,
        )
        return 0

    cdef void settle(self, double* theta, Py_ssize_t length) noexcept nogil:
        """Add the boundary scores and the constraints to theta."""
        cdef Py_ssize_t t, k, n_matrices = self.n_matrices(length)
        cdef Py_ssize_t rows = length + n_matrices * self.width
        cdef double* transition = theta + length * self.stride
        cdef const double* start = theta + rows * self.stride
        cdef const double* forbidden
        cdef double* last = theta + (length - 1) * self.stride
        if self.boundary:
            for k in range(self.width):
                theta[k] += start[k]
                last[k] += start[self.stride + k]
        if self.forbidden is not None:
            forbidden = &self.forbidden[0, 0]
            for t in range(n_matrices):
                for k in range(self.width * self.stride):
                    transition[t * self.width * self.stride + k] += forbidden[k]
            forbidden += self.width * self.stride
            for k in range(self.width):
                theta[k] += forbidden[k]
                last[k] += forbidden[self.stride + k]

    cdef int decode(
        self, Py_ssize_t i, double* theta, int thread, label_t* labels, double* value
    ) except -1 nogil:
        cdef Py_ssize_t length = self.struct.n_labels[i]
        cdef Py_ssize_t t, best, step = self.width * self.stride if self.steps else 0
        cdef double* transition = theta + length * self.stride
        cdef double* row
        value[0] = 0.0
        if length == 0:
            return 0
        self.settle(theta, length)
        if self.is_void is not None:
            return self.decode_runs(i, theta, thread, labels, value)
        if self.transitions:
            value[0] = viterbi_double(
                theta, transition, step, self._scratch[thread].entering, length, self.width,
                self.stride, labels,
            )
            if value[0] == -INFINITY:
                with gil:
                    raise ValueError(f"constraints forbid every labelling of sequence {i}")
            return 0
        for t in range(length):
            row = theta + t * self.stride
            best = first_best(row, self.width)
            labels[t] = <label_t> best
            value[0] += row[best]
        return 0

    cdef int decode_runs(
        self, Py_ssize_t i, double* theta, int thread, label_t* labels, double* value
    ) except -1 nogil:
        """Decode each run of positions that are not void; `theta` is settled, `value` IN OUT."""
        cdef Py_ssize_t length = self.struct.n_labels[i]
        cdef Py_ssize_t t = 0, stop, step = self.width * self.stride if self.steps else 0
        cdef const unsigned char* skipped = &self.is_void[self.starts[i]]
        cdef const double* transition = theta + length * self.stride
        cdef double* row
        cdef double found
        while t < length:
            stop = t + 1
            row = theta + t * self.stride
            if self.transitions and not skipped[t]:
                while stop < length and not skipped[stop]:
                    stop += 1
                found = viterbi_double(
                    row, transition + t * step, step, self._scratch[thread].entering, stop - t,
                    self.width, self.stride, labels + t,
                )
                if found == -INFINITY:
                    with gil:
                        raise ValueError(
                            f"constraints forbid every labelling of sequence {i} from label {t} "
                            f"to label {stop - 1}"
                        )
                value[0] += found
            else:
                labels[t] = <label_t> first_best(row, self.width)
                if not skipped[t]:
                    value[0] += row[labels[t]]
            t = stop
        return 0

    cdef int decode_n_best(
        self, Py_ssize_t i, double* theta, Py_ssize_t n, label_t* labels, double* values,
        int64_t* n_found,
    ) except -1 nogil:
        cdef Py_ssize_t length = self.struct.n_labels[i], found = 0
        cdef Py_ssize_t step = self.width * self.stride if self.steps else 0
        cdef const double* transition = theta + length * self.stride
        if length == 0:
            values[0], n_found[0] = 0.0, 1
            return 0
        self.settle(theta, length)
        if not self.transitions:
            transition = &self.no_transition[0, 0]
        if n_best_paths(
            theta, transition, step, length, self.width, self.stride, n, labels, values, &found
        ):
            with gil:
                raise MemoryError(
                    f"no memory for the {n} best of {length} positions, {self.width} labels"
                )
        n_found[0] = found
        return 0

    cdef int count_parts(self, Py_ssize_t i, const label_t* y, ssvm_counts* mu) except -1 nogil:
        cdef Py_ssize_t length = self.struct.n_labels[i]
        cdef Py_ssize_t t, row = length, step = self.width if self.steps else 0
        for t in range(length):
            if not SSVM_VOID <= y[t] < self.width:
                with gil:
                    raise ValueError(
                        f"label {t} of example {i} is {y[t]}, expected 0 to {self.width - 1}, or "
                        "-1 for void"
                    )
            if y[t] != SSVM_VOID:
                counts_add(mu, t * self.stride + y[t], 1.0)
        if self.transitions:
            for t in range(1, length):
                if y[t - 1] != SSVM_VOID and y[t] != SSVM_VOID:
                    counts_add(mu, (row + t * step + y[t - 1]) * self.stride + y[t], 1.0)
            row += self.n_matrices(length) * self.width
        if self.boundary and length:
            if y[0] != SSVM_VOID:
                counts_add(mu, row * self.stride + y[0], 1.0)
            if y[length - 1] != SSVM_VOID:
                counts_add(mu, (row + 1) * self.stride + y[length - 1], 1.0)
        return 0

    cdef int count_difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil:
        cdef Py_ssize_t length = self.struct.n_labels[i]
        cdef Py_ssize_t t, end, row = length, step = self.width if self.steps else 0
        for t in range(length):
            if y[t] != y_hat[t] and y[t] != SSVM_VOID:
                counts_add(mu, t * self.stride + y[t], 1.0)
                counts_add(mu, t * self.stride + y_hat[t], -1.0)
        if self.transitions:
            for t in range(1, length):
                if y[t - 1] == SSVM_VOID or y[t] == SSVM_VOID:
                    continue
                if y[t - 1] != y_hat[t - 1] or y[t] != y_hat[t]:
                    counts_add(mu, (row + t * step + y[t - 1]) * self.stride + y[t], 1.0)
                    counts_add(
                        mu, (row + t * step + y_hat[t - 1]) * self.stride + y_hat[t], -1.0
                    )
            row += self.n_matrices(length) * self.width
        if self.boundary and length:
            end = length - 1
            if y[0] != y_hat[0] and y[0] != SSVM_VOID:
                counts_add(mu, row * self.stride + y[0], 1.0)
                counts_add(mu, row * self.stride + y_hat[0], -1.0)
            if y[end] != y_hat[end] and y[end] != SSVM_VOID:
                counts_add(mu, (row + 1) * self.stride + y[end], 1.0)
                counts_add(mu, (row + 1) * self.stride + y_hat[end], -1.0)
        return 0


cdef inline Py_ssize_t first_best(const double* row, Py_ssize_t n) noexcept nogil:
    cdef Py_ssize_t k, best = 0
    for k in range(1, n):
        if row[k] > row[best]:
            best = k
    return best


cdef int chain_maximize(
    void* user, int64_t i, int32_t thread, double* theta, int32_t* labels, double* value
) except -1 nogil:
    return (<ChainMaximizer> user).decode(i, theta, thread, labels, value)


cdef int chain_maximize_slack(
    void* user, int64_t i, int32_t thread, double* theta, const int32_t* levels, int64_t n_levels,
    double unit, int32_t* labels, double* value,
) except -1 nogil:
    return (<ChainMaximizer> user).decode_slack(
        i, theta, thread, levels, n_levels, unit, labels, value
    )


cdef int chain_n_best(
    void* user, int64_t i, int32_t thread, double* theta, int64_t n, int32_t* labels,
    double* values, int64_t* n_found,
) except -1 nogil:
    return (<ChainMaximizer> user).decode_n_best(i, theta, n, labels, values, n_found)


cdef int chain_count(
    void* user, int64_t i, const int32_t* labels, ssvm_counts* mu
) except -1 nogil:
    return (<ChainMaximizer> user).count_parts(i, labels, mu)


cdef int chain_difference(
    void* user, int64_t i, const int32_t* y, const int32_t* y_hat, ssvm_counts* mu
) except -1 nogil:
    return (<ChainMaximizer> user).count_difference(i, y, y_hat, mu)


cdef int chain_reserve(void* user, int32_t n_threads, int64_t n_levels) except -1 nogil:
    with gil:
        return (<ChainMaximizer> user).make_room(n_threads, n_levels)
