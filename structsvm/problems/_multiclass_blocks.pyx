"""The dual of a multiclass problem, maximised exactly over one example at a time.

Design. The state of an example is a weight mu_k for each wrong class k. With a = sum_k mu_k c_k,
where c_k is what class k moves (e_y - e_k; of Lee-Lin-Wahba 1/K - e_k), the dual point is

    z = 1/n sum_i s_i x_i a_i',    D = 1/n sum_i s_i (<mu_i, e> - ridge(mu_i)) - |z|^2 / (2 lambda)

and the weights are w = (z + offset) / r, the offset and r - lambda being those of a proximal term.
Changing one example changes its own scores f by -q times the change of mu, q = s_i |x_i|^2 / (n r),
so its best mu is known in closed form up to one number, found by a few steps of Newton's method on
a piecewise linear function. This offers what the block solver asks of its blocks (see
``solvers/_blocks.pyx``) in O(K) numbers an example, where planes would cost O(K) rows.

The truth has no weight of its own: mu_y = 1 - sum_k mu_k where Crammer-Singer's mass is at most 1.
"""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport INFINITY

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane import padded_vector
from structsvm.problems._multiclass cimport (
    CRAMMER_SINGER, LEE_LIN_WAHBA, MulticlassProblem,
)

cdef enum:
    VISITS_PER_SIGNAL_CHECK = 4096
    MOST_NEWTON_STEPS = 60

# Sums that visits keep up to date are made anew after so many rounds: rounding must not add up.
EXACT_EVERY = 25
# Rows without length leave scores as they are; this stands for their q.
cdef double LEAST_Q = 1e-10


cdef double mass(
    const double* h, Py_ssize_t n, Py_ssize_t skip, double r, double cap
) noexcept nogil:
    """The m with sum over k of clip(h_k - r m, 0, cap) = m; the sum falls in m, less r m of it."""
    cdef double low = 0.0, high = 0.0, m, free, new, excess, value
    cdef Py_ssize_t k, _step, n_free, n_capped
    for k in range(n):
        if k != skip and h[k] > 0.0:
            high += h[k] if h[k] < cap else cap
    if r < 0.0:  # then the sum grows with m, slower than m itself
        high = high / (1.0 + r * (n - 1)) if cap == INFINITY else (n - 1) * cap
    if high <= 0.0:
        return 0.0
    m = 0.5 * high
    for _step in range(MOST_NEWTON_STEPS):
        free, n_free, n_capped = 0.0, 0, 0
        for k in range(n):
            if k == skip:
                continue
            value = h[k] - r * m
            if value >= cap:
                n_capped += 1
            elif value > 0.0:
                free += h[k]
                n_free += 1
        if n_capped:
            free += n_capped * cap
        # The sum at m, less m; and where this piece crosses zero.
        excess = free - r * m * n_free - m
        new = free / (1.0 + r * n_free)
        if excess > 0.0:
            low = m
        else:
            high = m
        if new == m:
            break
        m = new if low <= new <= high else 0.5 * (low + high)
        if high - low <= 0.0:
            break
    return m


cdef double simplex_level(
    const double* v, Py_ssize_t n, double* active
) noexcept nogil:
    """The tau with sum over k of max(0, v_k - tau) = 1, by Michelot's algorithm.

    active SCRATCH (n,)
    """
    cdef Py_ssize_t k, size = n, kept
    cdef double total = 0.0, tau
    for k in range(n):
        active[k] = v[k]
        total += v[k]
    while True:
        tau = (total - 1.0) / size
        kept, total = 0, 0.0
        for k in range(size):
            if active[k] > tau:
                active[kept] = active[k]
                total += active[k]
                kept += 1
        if kept == size or kept == 0:
            return tau
        size = kept


cdef class MulticlassBlocks:
    """The dual point of a multiclass problem and the weights that go with it.

    Parameters
    ----------
    problem : MulticlassProblem

    Attributes
    ----------
    weights : ndarray of shape (n_weights,)
    mu : ndarray of shape (n, n_classes)
        Weight of each wrong class; 0 at the right one.
    gaps, hinges : ndarrays of shape (n,)
        What the last visit of each example met, times its sample weight.
    regularization : float
        lambda, and the weight of a proximal term.
    """

    cdef readonly MulticlassProblem problem
    cdef readonly dict options
    cdef readonly object weights, mu, gaps, hinges
    cdef public double regularization
    cdef readonly Py_ssize_t n_oracle_calls, n_overruled, n_updates
    cdef Py_ssize_t n, n_classes, _age
    cdef double[::1] _weights, _gaps, _hinges, _scratch
    cdef double[:, ::1] _mu
    cdef unsigned char[::1] _active
    cdef index_t[::1] _order
    cdef object _z, _offset
    cdef double _loss, _threshold

    def __init__(self, MulticlassProblem problem):
        self.problem = problem
        self.options = {"own": "multiclass"}
        self.n = problem.n_examples
        self.n_classes = problem.n_classes
        self.regularization = 1.0
        self.weights = padded_vector(problem.n_weights)
        self.mu = np.zeros((self.n, self.n_classes))
        self.gaps = np.zeros(self.n)
        self.hinges = np.zeros(self.n)
        self._weights, self._mu = self.weights, self.mu
        self._gaps, self._hinges = self.gaps, self.hinges
        self._active = np.ones(self.n, dtype=np.uint8)
        self._order = np.zeros(self.n, dtype=np.int32)
        self._scratch = np.zeros(5 * (self.n_classes + 8))
        self._z = np.zeros(problem.n_weights)
        self._offset = None
        self._threshold = INFINITY

    @property
    def n_planes(self):
        """Wrong classes with weight."""
        return int(np.count_nonzero(self.mu))

    @property
    def nbytes(self):
        """Memory of the dual point and the weights."""
        return self.mu.nbytes + 3 * self.weights.nbytes + self.gaps.nbytes + self.hinges.nbytes

    # ------------------------------------------------------------------ one example

    cdef double factor(self, Py_ssize_t i) noexcept nogil:
        """What a change of mu is multiplied by on its way to the weights."""
        cdef double s = 1.0
        if self.problem.sample_weight is not None:
            s = self.problem.sample_weight[i]
        return s / (self.n * self.regularization)

    cdef double visit_of_two(self, Py_ssize_t i) noexcept nogil:
        """The same as `visit` for two classes: one multiplier, one column of weights."""
        cdef Py_ssize_t y = self.problem.labels[i], wrong = 1 - y
        cdef double sign = 1.0 if y == 1 else -1.0
        cdef double factor = self.factor(i), s = factor * self.n * self.regularization
        cdef double f, q, short_by, mu = self._mu[i, wrong], new, hinge, height, change
        cdef double e = self.problem.cost[y, wrong]
        if s == 0.0:
            self._active[i] = 0
            self._gaps[i] = self._hinges[i] = 0.0
            return 0.0
        self.problem.column_scores(i, &self._weights[0], &self._scratch[0])
        f = sign * self._scratch[0]
        short_by = e - f
        q = max(factor * self.problem.sqnorm(i), LEAST_Q)
        hinge = max(short_by, 0.0)
        height = mu * short_by
        if self.problem.squared:
            hinge *= hinge
            height -= mu * mu / 4.0
            new = max((short_by + q * mu) / (q + 0.5), 0.0)
        else:
            new = min(max(mu + short_by / q, 0.0), 1.0)
        self._hinges[i] = s * hinge
        self._gaps[i] = s * (hinge - height)
        if new != mu:
            change = sign * (new - mu) * factor
            self.problem.column_add(i, &change, &self._weights[0])
            self._loss += s / self.n * (
                e * (new - mu) - ((new * new - mu * mu) / 4.0 if self.problem.squared else 0.0)
            )
            self._mu[i, wrong] = new
            self.n_updates += 1
        self._active[i] = new != mu or (-self._threshold < short_by < self._threshold)
        return self._gaps[i]

    cdef double visit(self, Py_ssize_t i) noexcept nogil:
        """Choose the best mu of example i; returns how much its own part of the gap was."""
        cdef Py_ssize_t k, y = self.problem.labels[i], n = self.n_classes
        cdef double* f = &self._scratch[0]
        cdef double* h = f + n + 8
        cdef double* new = h + n + 8
        cdef double* change = new + n + 8
        cdef double* spare = change + n + 8
        cdef double* mu = &self._mu[i, 0]
        cdef const double* e = &self.problem.cost[y, 0]
        cdef double factor = self.factor(i), s, q, gap, truth, old_loss, moved = 0.0, worst
        cdef bint zero_sum = self.problem.loss == LEE_LIN_WAHBA and self.problem.n_columns > 1
        s = factor * self.n * self.regularization
        if s == 0.0:
            self._active[i] = 0
            self._gaps[i] = self._hinges[i] = 0.0
            return 0.0
        self.problem.class_scores(i, &self._weights[0], f)
        truth = 0.0 if zero_sum else f[y]
        self._hinges[i] = s * self.problem.hinge(i, f)
        old_loss = self.example_loss(i)
        gap, worst = self._hinges[i] - s * old_loss, -INFINITY
        for k in range(n):
            if k != y:
                gap += s * mu[k] * (truth - f[k])
                worst = max(worst, e[k] + f[k] - truth)
        self._gaps[i] = gap
        q = max(factor * self.problem.sqnorm(i), LEAST_Q)
        self.best_mu(i, f, truth, q, h, new, spare)
        for k in range(n):
            change[k] = 0.0
        for k in range(n):
            if k == y:
                continue
            s = new[k] - mu[k]
            if s == 0.0:
                continue
            moved = max(moved, s if s > 0.0 else -s)
            mu[k] = new[k]
            change[k] -= s * factor
            if not zero_sum:
                change[y] += s * factor
        if moved > 0.0:
            if zero_sum:
                self.centre(change)
            self.problem.class_add(i, change, &self._weights[0])
            self.n_updates += 1
            self._loss += factor * self.regularization * (self.example_loss(i) - old_loss)
        # Shrinking: an example at rest, far from where it would move.
        self._active[i] = moved > 0.0 or (worst > -self._threshold and worst < self._threshold)
        return gap

    cdef void centre(self, double* change) noexcept nogil:
        """Make the changes sum to zero, as those of c_k = 1/K - e_k do."""
        cdef Py_ssize_t k
        cdef double mean = 0.0
        for k in range(self.n_classes):
            mean += change[k]
        mean /= self.n_classes
        for k in range(self.n_classes):
            change[k] -= mean

    cdef double example_loss(self, Py_ssize_t i) noexcept nogil:
        """<mu, e> less the ridge of squared slack: mu is then twice the slack."""
        cdef Py_ssize_t k, y = self.problem.labels[i]
        cdef double total = 0.0, whole = 0.0, squares = 0.0
        cdef const double* e = &self.problem.cost[y, 0]
        for k in range(self.n_classes):
            if k != y:
                total += self._mu[i, k] * e[k]
                whole += self._mu[i, k]
                squares += self._mu[i, k] * self._mu[i, k]
        if self.problem.squared:
            total -= (whole * whole if self.problem.loss == CRAMMER_SINGER else squares) / 4.0
        return total

    cdef void best_mu(
        self, Py_ssize_t i, const double* f, double truth, double q, double* h, double* new,
        double* spare,
    ) noexcept nogil:
        """new OUT: the weights that maximise the dual over this example."""
        cdef Py_ssize_t k, y = self.problem.labels[i], n = self.n_classes
        cdef const double* e = &self.problem.cost[y, 0]
        cdef double* mu = &self._mu[i, 0]
        cdef double m = 0.0, r = 1.0, cap = 1.0, ridge = 0.0, coupling, tau
        for k in range(n):
            if k != y:
                m += mu[k]
        if self.problem.loss == CRAMMER_SINGER and not self.problem.squared:
            for k in range(n):
                h[k] = (1.0 - m) if k == y else mu[k]
                h[k] += ((0.0 if k == y else e[k]) + f[k] - truth) / q
            tau, m = simplex_level(h, n, spare), 0.0
            for k in range(n):
                new[k] = max(h[k] - tau, 0.0)
                m += new[k]
            # Where q is small h is large, and rounding may make more than 1 of them: then the dual
            # value would be no bound.
            for k in range(n):
                new[k] /= m
            return
        # The gradient is b_k - (q + ridge) mu_k - coupling * sum mu, with b_k from mu as it is.
        coupling = q
        if self.problem.loss == LEE_LIN_WAHBA and self.problem.n_columns > 1:
            coupling = -q / n
        h[y] = -INFINITY
        for k in range(n):
            if k != y:
                h[k] = e[k] + f[k] - truth + q * mu[k] + coupling * m
        if self.problem.squared:
            cap = INFINITY
            if self.problem.loss == CRAMMER_SINGER:
                coupling += 0.5
            else:
                ridge = 0.5
        for k in range(n):
            h[k] /= q + ridge
        r = coupling / (q + ridge)
        m = mass(h, n, y, r, cap)
        for k in range(n):
            new[k] = 0.0 if k == y else min(max(h[k] - r * m, 0.0), cap)

    # ------------------------------------------------------------------ passes

    def exact_pass(self, const index_t[::1] order):
        """Visit these examples, all of them, and see which of them are at rest."""
        cdef Py_ssize_t k
        cdef double most = 0.0
        cdef bint two = self.problem.n_columns == 1
        for k in range(order.shape[0]):
            if k % VISITS_PER_SIGNAL_CHECK == 0:
                PyErr_CheckSignals()
            most = max(
                most, self.visit_of_two(order[k]) if two else self.visit(order[k])
            )
        self.n_oracle_calls += order.shape[0]
        self._threshold = most

    def active_passes(self, Py_ssize_t most, double share, unsigned long long seed):
        """Passes over the examples that are not at rest, each in a new order.

        Up to `most`, until the gaps that a pass meets add up to `share` of what the last full pass
        met: beyond that, what the other examples lack would soon be more.
        """
        cdef index_t[::1] order = self._order
        cdef Py_ssize_t i, k, j, size = 0, kept, _pass
        cdef bint two = self.problem.n_columns == 1
        cdef double met, enough = share * max(float(self.gaps.sum()), 0.0)
        for i in range(self.n):
            if self._active[i]:
                order[size] = <index_t> i
                size += 1
        for _pass in range(most):
            if size == 0:
                break
            PyErr_CheckSignals()
            met, kept = 0.0, 0
            with nogil:
                for k in range(size):
                    # Fisher-Yates as it goes: position k is drawn from those that are left.
                    seed ^= seed << 13
                    seed ^= seed >> 7
                    seed ^= seed << 17
                    j = k + <Py_ssize_t> ((seed >> 11) % <unsigned long long> (size - k))
                    order[k], order[j] = order[j], order[k]
                    met += self.visit_of_two(order[k]) if two else self.visit(order[k])
                for k in range(size):
                    if self._active[order[k]]:
                        order[kept] = order[k]
                        kept += 1
            self.n_oracle_calls += size
            size = kept
            if met <= enough:
                break

    def evaluate(self, weights):
        """Mean hinge at these weights."""
        cdef Py_ssize_t i
        cdef double total = 0.0, s = 1.0
        cdef double[::1] w = self.problem.padded(weights)
        cdef double* f = &self._scratch[0]
        PyErr_CheckSignals()
        with nogil:
            for i in range(self.n):
                if self.problem.sample_weight is not None:
                    s = self.problem.sample_weight[i]
                if s > 0.0:
                    self.problem.class_scores(i, &w[0], f)
                    total += s * self.problem.hinge(i, f)
        self.n_oracle_calls += self.n
        return total / max(self.n, 1)

    # ------------------------------------------------------------------ the dual point

    def combination(self):
        """z and its loss term, see the module; from scratch every few calls."""
        if self._offset is None or self._age >= EXACT_EVERY:
            self._z, self._loss = self.from_scratch()
            if self._offset is not None:
                self.weights[:] = (self._z + self._offset) / self.regularization
            self._age = 0
        else:
            self._z = self.regularization * self.weights - self._offset
            self._age += 1
        return self._z, self._loss

    def from_scratch(self):
        cdef Py_ssize_t i, k, y
        cdef double s = 1.0, loss = 0.0
        cdef double* change = &self._scratch[0]
        cdef bint zero_sum = (
            self.problem.loss == LEE_LIN_WAHBA and self.problem.n_columns > 1
        )
        cdef bint any_weight
        z = padded_vector(self.problem.n_weights)
        cdef double[::1] view = z
        with nogil:
            for i in range(self.n):
                if self.problem.sample_weight is not None:
                    s = self.problem.sample_weight[i]
                any_weight = False
                y = self.problem.labels[i]
                for k in range(self.n_classes):
                    change[k] = 0.0
                for k in range(self.n_classes):
                    if k != y and self._mu[i, k] != 0.0:
                        any_weight = True
                        change[k] -= s * self._mu[i, k] / self.n
                        if not zero_sum:
                            change[y] += s * self._mu[i, k] / self.n
                if any_weight and s > 0.0:
                    if zero_sum:
                        self.centre(change)
                    self.problem.class_add(i, change, &view[0])
                    loss += s * self.example_loss(i)
        return np.array(z), loss / max(self.n, 1)

    def move_to(self, weights):
        """Set the weights, after `regularization` or the centre of a proximal term has changed."""
        self._offset = self.regularization * weights - self._z
        self.weights[:] = weights

    def support(self):
        """Classes with weight: how many, the mean squared norm of what they move, mean loss."""
        cdef Py_ssize_t i, k, count = 0
        cdef double s = 1.0, sqnorm = 0.0, loss = 0.0, factor = 2.0
        if self.problem.n_columns == 1:
            factor = 1.0
        elif self.problem.loss == LEE_LIN_WAHBA:
            factor = 1.0 - 1.0 / self.n_classes
        with nogil:
            for i in range(self.n):
                if self.problem.sample_weight is not None:
                    s = self.problem.sample_weight[i]
                for k in range(self.n_classes):
                    if self._mu[i, k] > 0.0:
                        count += 1
                        sqnorm += s * s * self.problem.sqnorm(i)
                        loss += s * self.problem.cost[self.problem.labels[i], k]
        return count, factor * sqnorm / max(count, 1), loss / max(count, 1)

    def snapshot(self):
        """Everything as arrays, from which `restore` makes the same state again, bit for bit."""
        held = {
            "weights": np.array(self.weights), "mu": self.mu.copy(), "gaps": self.gaps.copy(),
            "hinges": self.hinges.copy(), "active": np.array(self._active), "z": self._z.copy(),
            "numbers": np.array([self.regularization, self._loss, self._threshold]),
            "counts": np.array([self.n_oracle_calls, self.n_updates, self._age]),
        }
        return held if self._offset is None else held | {"offset": self._offset.copy()}

    def restore(self, held):
        """Take the state that `snapshot` gave for the same problem."""
        for name, array in (
            ("weights", self.weights), ("mu", self.mu), ("gaps", self.gaps),
            ("hinges", self.hinges), ("active", np.asarray(self._active)), ("z", self._z),
        ):
            if held[name].shape != array.shape or held[name].dtype != array.dtype:
                raise ValueError(f"{name} in the snapshot is of another problem")
            array[...] = held[name]
        self.regularization, self._loss, self._threshold = held["numbers"].tolist()
        self.n_oracle_calls, self.n_updates, self._age = held["counts"].tolist()
        self._offset = held.get("offset")
