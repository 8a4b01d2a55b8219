"""Exact block updates of the multiclass dual, for `structsvm.solvers.BlockDual`.

Design: in the mean form (regularization r, n examples, caps c = sample weights) the dual has a
multiplier alpha_k >= 0 for each example and wrong class k, and

    w = centre term + 1 / (n r) sum_i x_i q_i',    q_i = coefficients(alpha_i)

A block update maximises the dual exactly over the multipliers of one example; see
``_multiclass_blocks``. With two classes there is one multiplier, and its best value is a ratio.
"""

import numpy as np

cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport INFINITY
from libc.stdint cimport uint8_t, uint64_t

from structsvm._typedefs cimport index_t, label_t
from structsvm.linalg._plane cimport WEIGHT_PADDING
from structsvm.problems._feature_rows cimport (
    ssvm_feature_add, ssvm_feature_prefetch, ssvm_feature_scores,
)
from structsvm.problems._multiclass cimport (
    CRAMMER_SINGER, LEE_LIN_WAHBA, Hinge, MulticlassProblem, coefficients, hinge_value, violations,
)
from structsvm.solvers._multiclass_blocks cimport clip_to_box, conjugate, project

from structsvm.linalg._plane import padded_copy, padded_vector
from structsvm.linalg._sums import dot
from structsvm.data.snapshots import Kind, vector

# Multipliers within this share of their bound count as at the bound.
AT_BOUND = 1e-12

# A gap of at most this share of the mean gap counts as none.
cdef double NO_GAP = 1e-3

cdef enum:
    IDLE_PASSES = 2    # a block without a gap in so many long passes is left out
    BLOCKS_PER_SIGNAL_CHECK = 16384


@cython.overflowcheck(False)    # the arithmetic is modulo 2**64
cdef uint64_t stream(Py_ssize_t seed) noexcept nogil:
    """The first state of a random generator for a seed; never zero."""
    return (<uint64_t> seed + 1) * <uint64_t> 0x9E3779B97F4A7C15 | 1


@cython.overflowcheck(False)
cdef void shuffle(index_t* items, Py_ssize_t n, uint64_t* draw) noexcept nogil:
    """Fisher-Yates shuffle with Marsaglia's xorshift generator."""
    cdef Py_ssize_t i, k
    cdef uint64_t x = draw[0]
    for i in range(n - 1, 0, -1):
        x ^= x >> 12
        x ^= x << 25
        x ^= x >> 27
        k = <Py_ssize_t> (((x * <uint64_t> 0x2545F4914F6CDD1D) >> 32) % <uint64_t> (i + 1))
        items[i], items[k] = items[k], items[i]
    draw[0] = x


cdef void steepest(const Hinge* hinge, label_t y, double* v) noexcept nogil:
    """From violations to the multipliers of the plane that is tight there. v INOUT"""
    cdef Py_ssize_t k, best = y
    cdef double h
    for k in range(hinge.n_classes):
        if hinge.loss == CRAMMER_SINGER:
            if v[k] > v[best]:
                best = k
        else:
            h = v[k]
            v[k] = 0.0 if h <= 0.0 else 2.0 * h if hinge.squared else 1.0
    if hinge.loss == CRAMMER_SINGER:
        h = v[best]
        for k in range(hinge.n_classes):
            v[k] = 0.0
        if best != y:
            v[best] = 2.0 * h if hinge.squared else 1.0


cdef class MulticlassDual:
    """The dual point of a multiclass problem, its weights, and passes that improve it.

    Attributes
    ----------
    alpha : ndarray of shape (n_examples, n_classes)
        Multipliers; their sum (Crammer-Singer) or each of them is at most the sample weight.
    weights : ndarray of shape (n_weights,)
    gaps : ndarray of shape (n_examples,)
        The gap of each block at its last visit.
    idle : int32 ndarray of shape (n_examples,)
        Number of long passes in a row in which each block had no gap.
    regularization : float
        r above: lambda plus the proximal weight.
    n_visits : int
    mean_sqnorm : float
        Mean squared norm of the examples' features.
    """
    def __init__(self, MulticlassProblem problem):
        if problem.rescaling != "margin":
            raise ValueError(
                f"exact block updates need rescaling='margin', not {problem.rescaling!r}"
            )
        cdef Py_ssize_t n = problem.n_examples, n_classes = problem.hinge.n_classes
        self.problem = problem
        self.alpha = self._alpha = np.zeros((n, n_classes))
        self.weights = self._weights = padded_vector(problem.n_weights)
        self.gaps = self._gaps = np.zeros(n)
        sqnorms = problem.sqnorms()
        self._sqnorms = sqnorms
        self.mean_sqnorm = sqnorms.mean() if n else 0.0
        weight = problem.sample_weight
        self._caps = np.ones(n) if weight is None else np.array(weight)
        self._scratch = np.zeros((4, n_classes + WEIGHT_PADDING))
        self._candidates = np.zeros(n_classes, dtype=np.intp)
        self._order = np.zeros(n, dtype=np.int32)
        self.idle = self._idle = np.zeros(n, dtype=np.int32)
        self.regularization = 1.0

    def ascend(self, const index_t[::1] order):
        """Visit blocks in this order; each is solved exactly."""
        cdef Py_ssize_t start, stop, size = order.shape[0]
        for start in range(0, size, BLOCKS_PER_SIGNAL_CHECK):
            stop = min(start + BLOCKS_PER_SIGNAL_CHECK, size)
            PyErr_CheckSignals()
            with nogil:
                self.visit_range(order, start, stop)
        self.n_visits += size

    def long_pass(self, Py_ssize_t seed, bint everything):
        """Visit the blocks in an order by `seed`, without blocks that had no gap twice in a row.

        A gap of at most a thousandth of the mean counts as none.

        Parameters
        ----------
        seed : int
        everything : bool
            Whether to visit all blocks.

        Returns
        -------
        gap : float
            Mean of the gaps of all blocks at their last visits.
        """
        cdef Py_ssize_t i, k, size = 0, n = self.problem.n_examples
        cdef uint64_t draw = stream(seed)
        cdef double total
        for i in range(n):
            if everything or self._idle[i] < IDLE_PASSES:
                self._order[size] = <index_t> i
                size += 1
        with nogil:
            shuffle(&self._order[0], size, &draw)
        self.ascend(self._order[:size])
        with nogil:
            total = self.total_gap()
            for k in range(size):
                i = self._order[k]
                self._idle[i] = self._idle[i] + 1 if self._gaps[i] * n <= NO_GAP * total else 0
        return total / n

    def short_passes(self, double share, int n_passes, Py_ssize_t seed):
        """Make up to `n_passes` over the blocks whose gap is above `share` of the mean, in orders
        by `seed`."""
        cdef Py_ssize_t i, size, n = self.problem.n_examples
        cdef uint64_t draw = stream(seed)
        cdef double bound
        cdef int _pass
        for _pass in range(n_passes):
            with nogil:
                bound = share * self.total_gap() / n
                size = 0
                for i in range(n):
                    if self._gaps[i] > bound:
                        self._order[size] = <index_t> i
                        size += 1
                shuffle(&self._order[0], size, &draw)
            if size == 0:
                break
            self.ascend(self._order[:size])

    cdef double total_gap(self) noexcept nogil:
        cdef Py_ssize_t i
        cdef double total = 0.0
        for i in range(self.problem.n_examples):
            total += self._gaps[i]
        return total

    cdef void visit_range(
        self, const index_t[::1] order, Py_ssize_t start, Py_ssize_t stop
    ) noexcept nogil:
        cdef bint binary = self.problem.hinge.width == 1
        cdef Py_ssize_t k
        for k in range(start, stop):
            if k + 1 < order.shape[0]:
                ssvm_feature_prefetch(&self.problem.features.rows, order[k + 1])
            if binary:
                self.visit_binary(order[k])
            else:
                self.visit(order[k])

    cdef void scores(self, Py_ssize_t i, double* s) noexcept nogil:
        """The scores of example i at the present weights. s OUT, with room for whole lanes."""
        ssvm_feature_scores(
            &self.problem.features.rows, i, &self._weights[0], self.problem.hinge.width, s
        )

    cdef void add(self, Py_ssize_t i, const double* q) noexcept nogil:
        """weights += x_i q'."""
        ssvm_feature_add(
            &self.problem.features.rows, i, q, &self._weights[0], self.problem.hinge.width
        )

    cdef bint can_add(self, Py_ssize_t i) noexcept nogil:
        """Whether `add` can run; otherwise a visit only computes the gap."""
        return True

    cdef void visit_binary(self, Py_ssize_t i) noexcept nogil:
        cdef const Hinge* hinge = &self.problem.hinge
        cdef label_t y = self.problem.y[i]
        cdef double cap = self._caps[i], sign = 1.0 if y == 1 else -1.0
        cdef double* multiplier = &self._alpha[i, 1 - y]
        cdef double* s = &self._scratch[0, 0]
        cdef double alpha = multiplier[0], rho = 0.0, v, h, A, new
        if cap == 0.0:
            return
        self.scores(i, s)
        v = hinge.cost[2 * y + 1 - y] - sign * s[0]
        if (v <= 0.0 and alpha == 0.0) or (v >= 0.0 and alpha == cap and not hinge.squared):
            self._gaps[i] = 0.0
            return
        h = v if v > 0.0 else 0.0
        if hinge.squared:
            self._gaps[i] = cap * h * h + alpha * alpha / (4.0 * cap) - alpha * v
            rho = 0.5 / cap
        else:
            self._gaps[i] = cap * h - alpha * v
        if not self.can_add(i):
            return
        A = self._sqnorms[i] / (self.problem.n_examples * self.regularization)
        new = v + A * alpha
        if new <= 0.0:
            new = 0.0
        elif hinge.squared or new < (A + rho) * cap:
            new /= A + rho
        else:
            new = cap
        if new == alpha:
            return
        multiplier[0] = new
        s[0] = sign * (new - alpha) / (self.problem.n_examples * self.regularization)
        self.add(i, s)

    cdef void visit(self, Py_ssize_t i) noexcept nogil:
        cdef const Hinge* hinge = &self.problem.hinge
        cdef Py_ssize_t k, n_classes = hinge.n_classes
        cdef label_t y = self.problem.y[i]
        cdef double* s = &self._scratch[0, 0]
        cdef double* v = &self._scratch[1, 0]
        cdef double* new = &self._scratch[2, 0]
        cdef double* q = &self._scratch[3, 0]
        cdef double* alpha = &self._alpha[i, 0]
        cdef double cap = self._caps[i], total = 0.0, height = 0.0, h, A, rho, sigma, step
        cdef bint moved = False
        if cap == 0.0:
            return
        self.scores(i, s)
        violations(hinge, y, s, v)
        h = cap * hinge_value(hinge, y, v)
        for k in range(n_classes):
            total += alpha[k]
            height += alpha[k] * v[k]
        if h == 0.0 and total == 0.0:
            self._gaps[i] = 0.0
            return
        self._gaps[i] = h - height + conjugate(hinge, alpha, cap)
        if not self.can_add(i):
            return
        step = 1.0 / (self.problem.n_examples * self.regularization)
        A = self._sqnorms[i] * step
        rho = 0.5 / cap if hinge.squared else 0.0
        if hinge.loss == CRAMMER_SINGER:
            for k in range(n_classes):
                v[k] += A * (alpha[k] + total)
            project(
                hinge, y, v, A, rho, INFINITY if hinge.squared else cap, new,
                &self._candidates[0],
            )
        else:
            sigma = -1.0 / n_classes if hinge.loss == LEE_LIN_WAHBA else 1.0
            for k in range(n_classes):
                v[k] += A * (alpha[k] + sigma * total)
            clip_to_box(
                hinge, y, v, A, rho, INFINITY if hinge.squared else cap, sigma, total, new
            )
        for k in range(n_classes):
            v[k] = step * (new[k] - alpha[k])
            moved |= new[k] != alpha[k]
            alpha[k] = new[k]
        if not moved:
            return
        coefficients(hinge, y, v, q)
        self.add(i, q)

    def scores_of_all(self, weights):
        """The scores of each example, of shape (n_examples, width), at any weights."""
        cdef Py_ssize_t i, k, width = self.problem.hinge.width
        cdef double* s = &self._scratch[0, 0]
        scores = np.empty((self.problem.n_examples, width))
        cdef double[:, ::1] out = scores
        cdef const double[::1] w = padded_copy(weights)
        with nogil:
            for i in range(self.problem.n_examples):
                ssvm_feature_scores(&self.problem.features.rows, i, &w[0], width, s)
                for k in range(width):
                    out[i, k] = s[k]
        return scores

    def hinge_at_multiple(self, const double[:, ::1] scores, double multiple):
        """Mean hinge at a multiple of the weights that `scores_of_all` looked at, and its slope.

        Returns
        -------
        hinge, slope : float
        """
        cdef Py_ssize_t i, k, n = self.problem.n_examples, width = self.problem.hinge.width
        cdef const Hinge* hinge = &self.problem.hinge
        cdef double* s = &self._scratch[0, 0]
        cdef double* v = &self._scratch[1, 0]
        cdef double* q = &self._scratch[3, 0]
        cdef double falls, total = 0.0, slope = 0.0
        with nogil:
            for i in range(n):
                for k in range(width):
                    s[k] = multiple * scores[i, k]
                violations(hinge, self.problem.y[i], s, v)
                total += self._caps[i] * hinge_value(hinge, self.problem.y[i], v)
                steepest(hinge, self.problem.y[i], v)
                coefficients(hinge, self.problem.y[i], v, q)
                falls = 0.0
                for k in range(width):
                    falls += q[k] * scores[i, k]
                slope -= self._caps[i] * falls
        return total / max(n, 1), slope / max(n, 1)

    def aggregate(self, weights, uint8_t[:, ::1] known, bint exact):
        """The mean of planes of the examples at any weights, those of violated classes.

        Parameters
        ----------
        weights : ndarray of shape (n_weights,)
        known : uint8 ndarray of shape (n_examples, n_classes)
            Not 0 for classes that have been the answer before.
        exact : bool
            Look at all classes and set `known`; otherwise at known ones alone.

        Returns
        -------
        delta : ndarray of shape (n_weights,)
        loss : float
        hinge : float
            The mean hinge by the classes that were looked at.
        multipliers : ndarray of shape (n_examples, n_classes)
            Those of the planes that were taken; 0 for other classes.
        """
        cdef Py_ssize_t i, k, n = self.problem.n_examples
        cdef Py_ssize_t width = self.problem.hinge.width, n_classes = self.problem.hinge.n_classes
        cdef const Hinge* hinge = &self.problem.hinge
        cdef double* s = &self._scratch[0, 0]
        cdef double* v = &self._scratch[1, 0]
        cdef double* q = &self._scratch[3, 0]
        cdef const double* cost
        cdef double loss = 0.0, value = 0.0
        cdef bint any_class
        multipliers = np.zeros((n, n_classes))
        delta = padded_vector(self.problem.n_weights)
        cdef double[:, ::1] taken = multipliers
        cdef double[::1] delta_view = delta
        cdef const double[::1] w = padded_copy(weights)
        with nogil:
            for i in range(n):
                if self._caps[i] == 0.0:
                    continue
                ssvm_feature_scores(&self.problem.features.rows, i, &w[0], width, s)
                violations(hinge, self.problem.y[i], s, v)
                if not exact:
                    for k in range(n_classes):
                        if not known[i, k]:
                            v[k] = 0.0
                value += self._caps[i] * hinge_value(hinge, self.problem.y[i], v)
                steepest(hinge, self.problem.y[i], v)
                any_class = False
                cost = hinge.cost + self.problem.y[i] * n_classes
                for k in range(n_classes):
                    if v[k] > 0.0:
                        any_class = True
                        known[i, k] = 1
                        v[k] *= self._caps[i]
                        taken[i, k] = v[k]
                        loss += v[k] * cost[k]
                if any_class:
                    loss -= conjugate(hinge, v, self._caps[i])
                    coefficients(hinge, self.problem.y[i], v, q)
                    ssvm_feature_add(&self.problem.features.rows, i, q, &delta_view[0], width)
        delta /= max(n, 1)
        return delta, loss / max(n, 1), value / max(n, 1), multipliers

    def go_to(
        self, const index_t[::1] examples, const index_t[::1] classes, const double[::1] weights
    ):
        """Have these multipliers, added up where one comes twice, and no others."""
        cdef Py_ssize_t i, k, n_classes = self.problem.hinge.n_classes
        cdef double total, cap
        cdef bint squared = self.problem.hinge.squared
        self.alpha[...] = 0.0
        with nogil:
            for k in range(examples.shape[0]):
                self._alpha[examples[k], classes[k]] += weights[k]
            for i in range(self.problem.n_examples):
                total, cap = 0.0, self._caps[i]
                for k in range(n_classes):
                    if self._alpha[i, k] > cap and not squared:  # by rounding
                        self._alpha[i, k] = cap
                    total += self._alpha[i, k]
                if self.problem.hinge.loss == CRAMMER_SINGER and total > cap and not squared:
                    for k in range(n_classes):
                        self._alpha[i, k] *= cap / total

    def usage(self):
        """How the multipliers are used.

        Returns
        -------
        share : float
            Mean of the shares of the caps that are in use, each weighed by itself.
        loss : float
            Mean loss of the planes in use, weighed by their multipliers.
        """
        cdef Py_ssize_t i, k, n_classes = self.problem.hinge.n_classes
        cdef const Hinge* hinge = &self.problem.hinge
        cdef const double* cost
        cdef double share, mass = 0.0, losses = 0.0, total = 0.0, squares = 0.0
        with nogil:
            for i in range(self.problem.n_examples):
                cost = hinge.cost + self.problem.y[i] * n_classes
                share = 0.0
                for k in range(n_classes):
                    mass += self._alpha[i, k]
                    losses += self._alpha[i, k] * cost[k]
                    share += self._alpha[i, k]
                    if hinge.loss != CRAMMER_SINGER and share > 0.0:
                        # Each class has a cap of its own.
                        share /= self._caps[i]
                        total += share
                        squares += share * share
                        share = 0.0
                if share > 0.0:
                    share /= self._caps[i]
                    total += share
                    squares += share * share
        if mass == 0.0:
            return 1.0, 0.0
        return squares / total, losses / mass

    def loss(self):
        """The dual without its quadratic term: sum_i (<alpha_i, cost_i> - conjugate_i) / n."""
        cdef Py_ssize_t i, k, n_classes = self.problem.hinge.n_classes
        cdef const Hinge* hinge = &self.problem.hinge
        cdef const double* cost
        cdef double total = 0.0
        with nogil:
            for i in range(self.problem.n_examples):
                cost = hinge.cost + self.problem.y[i] * n_classes
                for k in range(n_classes):
                    total += self._alpha[i, k] * cost[k]
                total -= conjugate(hinge, &self._alpha[i, 0], self._caps[i])
        return total / max(self.problem.n_examples, 1)

    def combination(self):
        """The dual point as weights, ``z = sum_i x_i q_i' / n``, computed anew."""
        cdef Py_ssize_t i, k, n_classes = self.problem.hinge.n_classes
        cdef const Hinge* hinge = &self.problem.hinge
        cdef double* q = &self._scratch[3, 0]
        cdef bint any_weight
        z = padded_vector(self.problem.n_weights)
        cdef double[::1] z_view = z
        with nogil:
            for i in range(self.problem.n_examples):
                any_weight = False
                for k in range(n_classes):
                    any_weight |= self._alpha[i, k] != 0.0
                if any_weight:
                    coefficients(hinge, self.problem.y[i], &self._alpha[i, 0], q)
                    ssvm_feature_add(
                        &self.problem.features.rows, i, q, &z_view[0], hinge.width
                    )
        z /= max(self.problem.n_examples, 1)
        return z

    def without_rounding(self, combination):
        """A combination with exact values where the dual point gives them."""
        return combination

    def dual_point(self, double C):
        """The multipliers in the units of the sum form, as an estimator's attributes.

        Returns
        -------
        attributes : dict
            ``support_``: examples with a multiplier above 0; ``dual_coef_``: C q_i for each of
            them; ``support_counts_``: numbers of examples by class, without a multiplier above 0
            ("non_support"), with some but none at its bound ("margin_support"), and with one at
            its bound ("bound_support").
        """
        cdef Py_ssize_t row, i
        cdef const Hinge* hinge = &self.problem.hinge
        alpha, labels = self.alpha, self.problem.labels
        supported = (alpha > 0.0).any(axis=1)
        bound = np.zeros(len(alpha), dtype=bool)
        if not hinge.squared:
            caps = np.asarray(self._caps)
            largest = alpha.sum(axis=1) if hinge.loss == CRAMMER_SINGER else alpha.max(axis=1)
            bound = supported & (largest >= caps * (1.0 - AT_BOUND))
        support = np.flatnonzero(supported)
        dual_coef = np.zeros((len(support), hinge.width))
        cdef double[:, ::1] dual_coef_view = dual_coef
        cdef const Py_ssize_t[::1] rows = support
        for row in range(len(support)):
            i = rows[row]
            coefficients(
                hinge, self.problem.y[i], &self._alpha[i, 0], &dual_coef_view[row, 0]
            )
        kinds = {
            "non_support": ~supported, "margin_support": supported & ~bound, "bound_support": bound
        }
        counts = {
            name: np.bincount(labels[chosen], minlength=hinge.n_classes)
            for name, chosen in kinds.items()
        }
        return {"support_": support, "dual_coef_": C * dual_coef, "support_counts_": counts}

    def inner(self, a, b):
        """The inner product of two weight vectors."""
        return dot(a, b)

    @property
    def implicit(self):
        """Whether weights are combinations of examples."""
        return False

    def move_to(self, weights):
        """Set the primal point (after the centre of a proximal term has moved)."""
        self.weights[:] = weights

    def snapshot(self):
        """The state as arrays, from which `restore` makes the same bits again."""
        return {
            "alpha": self.alpha.copy(),
            "weights": np.array(self.weights),
            "gaps": self.gaps.copy(),
            "idle": self.idle.copy(),
            "numbers": np.array([self.regularization, float(self.n_visits)]),
        }

    def kinds(self):
        """What `snapshot` holds."""
        return {
            "alpha": Kind(np.float64, self.alpha.shape, 0.0),
            "weights": vector(len(self.weights)),
            "gaps": vector(len(self.gaps)),
            "idle": Kind(np.int32, self.idle.shape, 0, 2**30),
            "numbers": Kind(np.float64, (2,), 0.0),
        }

    def restore(self, held):
        """Restore what `snapshot` returned."""
        for name in ("alpha", "weights", "gaps", "idle"):
            getattr(self, name)[...] = held[name]
        self.regularization = float(held["numbers"][0])
        self.n_visits = int(held["numbers"][1])

    @property
    def nbytes(self):
        """Memory of the multipliers and vectors, in bytes."""
        arrays = [self.alpha, self.weights, self.gaps, self.idle]
        return sum(array.nbytes for array in arrays) + 2 * self._caps.nbytes
