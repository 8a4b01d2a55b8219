"""The multiclass dual over a kernel, for `structsvm.solvers.BlockDual`.

Design: weights are the scores F = K B of all examples and the coefficients B; see
``structsvm/problems/_multiclass_kernel.pyx``. All operations of a solver on weights are linear, so
they work on this vector, too; only the inner product differs, <w, w'> = sum F * B'. Scores are
read, not computed, so the gaps of all blocks need no kernel values. A move of block i adds
multiples of row i of K to F. These rows are computed in batches and cached; the least recently used
rows leave first.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals

from structsvm._typedefs cimport index_t
from structsvm.problems._multiclass cimport MulticlassProblem, coefficients
from structsvm.solvers._multiclass_dual cimport MulticlassDual

from structsvm.linalg._sums import dot, product

cdef extern from "structsvm/linalg/feature_rows.h" nogil:
    void ssvm_add_outer(
        const double* x, Py_ssize_t n, const double* q, Py_ssize_t width, double* w
    )

# A squared norm below 0 by less than this share of the magnitudes of its terms is rounding.
NO_NORM = 1e-9

cdef enum:
    ROWS_AT_ONCE = 256
    # The share of all rows that a pass may compute, a part of so many.
    PARTS = 16
    # Passes over each piece of the blocks, if the rows of all blocks do not fit into the cache.
    PASSES_OVER_A_PIECE = 4


cdef class KernelDual(MulticlassDual):
    """The dual point of a `KernelMulticlassProblem`; see `MulticlassDual`."""
    cdef readonly object place            # int32 ndarray: cache place of each row, or -1
    cdef readonly object holder           # int32 ndarray: example of each cache place, or -1
    cdef readonly object last_used        # int64 ndarray, by place
    cdef readonly object cache            # ndarray of shape (capacity, n_examples)
    cdef readonly Py_ssize_t n_computed   # number of rows computed so far
    cdef Py_ssize_t _clock
    cdef index_t[::1] _place
    cdef double[:, ::1] _cache

    def __init__(self, MulticlassProblem problem):
        super().__init__(problem)
        cdef Py_ssize_t n = problem.n_examples
        capacity = max(2, min(n, problem.cache_bytes // (8 * max(n, 1))))
        self.place = self._place = np.full(n, -1, dtype=np.int32)
        self.holder = np.full(capacity, -1, dtype=np.int32)
        self.last_used = np.zeros(capacity, dtype=np.int64)
        self.cache = self._cache = np.empty((capacity, n))

    def ascend(self, const index_t[::1] order):
        """Visit blocks in this order; each is solved exactly; see `MulticlassDual`.

        Blocks without a row in the cache wait, but for those with the greatest gaps: after some
        passes over the others most of them have no gap, and never need a row.
        """
        examples = np.array(order)
        gaps = self.present_gaps(examples)
        self.gaps[examples] = gaps
        moving = self.worth_a_row(examples[gaps > 0.0], gaps[gaps > 0.0])
        capacity = len(self.holder)
        times = 1 if len(moving) <= capacity else PASSES_OVER_A_PIECE
        cdef index_t[::1] piece
        for start in range(0, len(moving), capacity):
            piece = some = moving[start:start + capacity]
            self.load(some)
            for _ in range(times):
                PyErr_CheckSignals()
                with nogil:
                    self.visit_range(piece, 0, piece.shape[0])
        self.n_visits += len(examples)
        # The gaps before the first visit, not at the last of several visits.
        self.gaps[examples] = gaps

    def worth_a_row(self, examples, gaps):
        """Those of these blocks, in their order, whose rows are cached, and of the others those
        with the greatest gaps."""
        missing = np.flatnonzero(self.place[examples] < 0)
        most = max(ROWS_AT_ONCE, len(self.place) // PARTS)
        if len(missing) <= most:
            return examples
        wait = missing[np.argsort(-gaps[missing], kind="stable")[most:]]
        return np.delete(examples, wait)

    def present_gaps(self, const index_t[::1] examples):
        """The gaps of these blocks at the present weights; needs no rows of the kernel."""
        cdef Py_ssize_t k
        gaps = np.empty(examples.shape[0])
        cdef double[::1] view = gaps
        # A block without a cached row computes its gap and does not move.
        cdef index_t[::1] place = self._place
        self._place = np.full(len(self.place), -1, dtype=np.int32)
        with nogil:
            self.visit_range(examples, 0, examples.shape[0])
            for k in range(examples.shape[0]):
                view[k] = self._gaps[examples[k]]
        self._place = place
        return gaps

    def load(self, examples):
        """Load the rows of these examples into the cache, which must have room for them."""
        places = self.place[examples]
        self._clock += 1
        self.last_used[places[places >= 0]] = self._clock
        missing = examples[places < 0]
        if not len(missing):
            return
        taken = np.argsort(self.last_used, kind="stable")[:len(missing)]
        old = self.holder[taken]
        self.place[old[old >= 0]] = -1
        self.holder[taken] = -1
        for start in range(0, len(missing), ROWS_AT_ONCE):
            some, where = (items[start:start + ROWS_AT_ONCE] for items in (missing, taken))
            self.cache[where] = self.problem.kernel.rows(some)
            self.holder[where], self.place[some] = some, where
            self.last_used[where] = self._clock
            self.n_computed += len(some)

    cdef void scores(self, Py_ssize_t i, double* s) noexcept nogil:
        cdef Py_ssize_t k, width = self.problem.hinge.width
        for k in range(width):
            s[k] = self._weights[i * width + k]

    cdef bint can_add(self, Py_ssize_t i) noexcept nogil:
        return self._place[i] >= 0

    cdef void add(self, Py_ssize_t i, const double* q) noexcept nogil:
        cdef Py_ssize_t k, n = self.problem.n_examples, width = self.problem.hinge.width
        ssvm_add_outer(&self._cache[self._place[i], 0], n, q, width, &self._weights[0])
        for k in range(width):
            self._weights[(n + i) * width + k] += q[k]

    def combination(self):
        """The dual point as weights, computed anew; see `MulticlassDual`."""
        cdef Py_ssize_t width = self.problem.hinge.width
        n = self.problem.n_examples
        z = self.without_rounding(np.zeros(self.problem.n_weights))
        F, B = z.reshape(2, n, width)
        support = np.flatnonzero((self.alpha > 0.0).any(axis=1)).astype(np.int32)
        for start in range(0, len(support), ROWS_AT_ONCE):
            some = support[start:start + ROWS_AT_ONCE]
            F += product(self.problem.kernel.rows(some).T, B[some])
        return z

    def without_rounding(self, combination):
        """A combination with exact coefficients: 0 for examples without a multiplier above 0."""
        cdef Py_ssize_t i, width = self.problem.hinge.width, n = self.problem.n_examples
        cdef double[:, ::1] B = combination.reshape(2 * n, width)[n:]
        for i in range(n):
            coefficients(&self.problem.hinge, self.problem.y[i], &self._alpha[i, 0], &B[i, 0])
        combination[n * width:] /= max(n, 1)
        return combination

    def inner(self, a, b):
        """<w, w'>, the sum of scores times coefficients.

        Raises
        ------
        ValueError
            If a squared norm is below 0.
        """
        half = len(a) // 2
        value = dot(a[:half], b[half:])
        if a is b and value < -NO_NORM * dot(np.abs(a[:half]), np.abs(b[half:])):
            raise ValueError(
                f"the kernel is not positive semidefinite: a squared norm is {value:.3g}"
            )
        return value

    @property
    def implicit(self):
        return True

    @property
    def nbytes(self):
        used = int((self.holder >= 0).sum()) * self.cache.shape[1] * 8
        return super().nbytes + self.place.nbytes + used
