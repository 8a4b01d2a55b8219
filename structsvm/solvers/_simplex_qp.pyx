"""The small dual problem of cutting-plane solvers: a quadratic program on the simplex."""

import numpy as np

from libc.math cimport INFINITY, fabs, isfinite

from structsvm._typedefs cimport index_t

from structsvm.data.snapshots import Kind, vector
from structsvm.exceptions import ModelFileError
from structsvm.solvers.base import TOO_LARGE

cdef extern from "structsvm/linalg/sums.h" nogil:
    double ssvm_dot(const double* a, const double* b, Py_ssize_t n)
    int ssvm_cholesky_row(double* U, Py_ssize_t stride, Py_ssize_t i, double* a)
    void ssvm_cholesky_solve(const double* U, Py_ssize_t stride, Py_ssize_t n, double* x)

# Added to the diagonal, relative to each entry, for duplicate and nearly duplicate planes. A plane
# of norm 0 has only a loss; it is in the same unit, so a share of it is added as well.
cdef double RIDGE = 1e-11, RIDGE_OF_LOSS = 1e-3
# Optimal if no plane is above the model by more than this, relative to the terms of the heights.
cdef double PRECISION = 1e-11
cdef Py_ssize_t ROOM_AT_FIRST = 16

cdef enum:
    # Vectors of scratch.
    MASS, PRODUCT, PRESENT, SIDE, TARGET, LEVEL, RESIDUAL, FULL, ROW, N_VECTORS


cdef class SimplexQP:
    r"""Maximise :math:`b^\top \alpha - \alpha^\top G \alpha / (2 \lambda)` over planes.

    Subject to alpha >= 0 and sum alpha <= 1; the rest to one is the weight of the truth, the plane
    (0, 0). Rays come before the planes: unit vectors without loss and with any alpha >= 0, the
    multipliers of weights that must be >= 0. This is an active-set method: a Cholesky factor solves
    the equality-constrained problem on the planes in use, planes whose weight would become negative
    leave, and the plane farthest above the model enters. Each call starts from the planes in use of
    the last call. It ends, because each step raises the objective.

    A step costs O(m^2) for m planes, and O(k^3) at worst for the factor of the k in use: its rows
    before the first change stay, from call to call. Memory is O(m^2).

    Parameters
    ----------
    lam : float
        lambda, > 0.
    n_rays : int, default=0

    Attributes
    ----------
    alpha : ndarray of shape (n_rays + n_planes,)
        This and the next two are views, valid until planes are added or dropped.
    gram : ndarray of shape (n_rays + n_planes, n_rays + n_planes)
    loss : ndarray of shape (n_rays + n_planes,)
        The losses b.

    Examples
    --------
    >>> from structsvm.solvers._simplex_qp import SimplexQP
    >>> qp = SimplexQP(lam=1.0)
    >>> qp.add([], 2.0, 1.0)
    >>> qp.solve()
    0.25
    >>> qp.alpha
    array([0.5])
    """

    cdef readonly double lam
    cdef readonly Py_ssize_t n_rays
    cdef Py_ssize_t size  # rays and planes
    cdef Py_ssize_t n_used
    cdef Py_ssize_t n_factored  # rows of the factor that are those of the planes in use
    cdef double ridge
    cdef object _gram, _loss, _alpha
    cdef double[:, ::1] G, factor, scratch
    cdef double[::1] b, a
    cdef index_t[::1] used  # by number, then in the order in which they came into use

    def __init__(self, double lam, Py_ssize_t n_rays=0):
        self.lam = lam
        self.n_rays = n_rays
        self.size = 0
        self._make_room(n_rays)
        self.size = n_rays
        self._gram[:n_rays, :n_rays] = np.eye(n_rays)

    def __len__(self):
        """The number of planes."""
        return self.size - self.n_rays

    @property
    def alpha(self):
        return self._alpha[:self.size]

    @property
    def gram(self):
        return self._gram[:self.size, :self.size]

    @property
    def loss(self):
        return self._loss[:self.size]

    @property
    def nbytes(self):
        return self._gram.nbytes + self.factor.nbytes + self.scratch.nbytes

    cdef _make_room(self, Py_ssize_t size):
        """Have room for so many rays and planes."""
        cdef Py_ssize_t m = self.size, room
        if self._gram is not None and size <= self._gram.shape[0]:
            return
        room = max(size, 2 * m, ROOM_AT_FIRST)
        gram, loss, alpha = np.zeros((room, room)), np.zeros(room), np.zeros(room)
        if m:
            gram[:m, :m] = self.gram
            loss[:m] = self.loss
            alpha[:m] = self.alpha
        self._gram, self._loss, self._alpha = gram, loss, alpha
        self.G = gram
        self.b = loss
        self.a = alpha
        self.factor = np.zeros((room, room))
        self.n_factored = 0
        self.used = np.zeros(room, dtype=np.int32)
        scratch = np.zeros((N_VECTORS, room))
        scratch[MASS, self.n_rays:] = 1.0
        self.scratch = scratch

    def add(self, products, double sqnorm, double loss):
        """Add a plane without weight, given its products with rays and planes, |plane|^2, loss."""
        cdef Py_ssize_t m = self.size
        row = np.append(products, sqnorm)
        if not np.isfinite(row).all():
            raise ValueError(TOO_LARGE)
        if len(row) != m + 1:
            raise ValueError(f"{len(row) - 1} products with {m} rays and planes")
        self._make_room(m + 1)
        self._gram[m, :m + 1] = row
        self._gram[:m, m] = row[:m]
        self.b[m] = loss
        self.a[m] = 0.0
        self.size = m + 1

    def keep(self, planes):
        """Drop all other planes, which must have no weight."""
        kept = np.concatenate([np.ones(self.n_rays, dtype=bool), planes])
        cdef Py_ssize_t k, m = int(kept.sum())
        numbers = np.cumsum(kept) - 1
        for k in range(self.n_factored):
            if not kept[self.used[k]]:
                self.n_factored = k
                break
            self.used[k] = numbers[self.used[k]]
        self._gram[:m, :m] = self.gram[np.ix_(kept, kept)]
        self._loss[:m] = self.loss[kept]
        self._alpha[:m] = self.alpha[kept]
        self.size = m

    def snapshot(self):
        return {"gram": self.gram.copy(), "loss": self.loss.copy(), "alpha": self.alpha.copy()}

    def kinds(self):
        """What `snapshot` holds."""
        gram = Kind(np.float64, (None, None))
        return {"gram": gram, "loss": vector(None), "alpha": vector(None, least=0.0)}

    def restore(self, snapshot):
        """Restore the state that `snapshot` returned.

        Raises
        ------
        ModelFileError
            If the arrays do not fit each other.
        """
        size, planes = len(snapshot["loss"]), snapshot["alpha"][self.n_rays:]
        if (
            size < self.n_rays
            or snapshot["alpha"].shape != (size,)
            or snapshot["gram"].shape != (size, size)
            or planes.sum() > 1.0 + 1e-6
        ):
            raise ModelFileError(
                "the snapshot does not fit this problem: it holds no weights of planes"
            )
        self.size = self.n_factored = 0
        self._make_room(size)
        self.size = size
        self._gram[:size, :size] = snapshot["gram"]
        self._loss[:size], self._alpha[:size] = snapshot["loss"], snapshot["alpha"]

    def solve(self):
        """Make alpha optimal; returns the objective."""
        cdef double value
        with nogil:
            value = self._solve()
        if value == INFINITY:
            raise ValueError(TOO_LARGE)
        return value

    cdef double _solve(self) noexcept nogil:
        """The objective at its maximum; infinite where no ridge makes the matrix definite."""
        cdef Py_ssize_t m = self.size, j, top
        cdef double* alpha
        cdef double* product
        cdef double value = 0.0, best = -INFINITY, size, gap, height, above
        cdef bint truth, rising
        if m == self.n_rays:
            return 0.0
        alpha, product = &self.a[0], &self.scratch[PRODUCT, 0]
        self._begin()
        truth = self._rest() > 0.0
        while True:
            if not self._level(&truth):
                return INFINITY
            size = above = 0.0
            top = self.n_rays
            for j in range(m):
                product[j] = ssvm_dot(&self.G[j, 0], alpha, m)
                height = self._height(j)
                size = max(size, fabs(self.b[j]) + fabs(self.b[j] - height))
                above += alpha[j] * height
                if j > top and height > self._height(top):
                    top = j
            value = ssvm_dot(&self.b[0], alpha, m) - ssvm_dot(alpha, product, m) / (2 * self.lam)
            gap = max(self._height(top), 0.0) - above
            rising = gap > PRECISION * size
            # The height of a ray is minus its weight in w.
            for j in range(self.n_rays):
                rising = rising or self._height(j) > PRECISION * size
            # A step without gain means that only rounding is left.
            if not (rising and value > best):
                return value
            best = value
            for j in range(self.n_rays):
                if self._height(j) > PRECISION * size:
                    self._use(j)
            if self._height(top) > 0.0:
                self._use(top)
            else:
                truth = True

    cdef void _begin(self) noexcept nogil:
        """Planes with weight are in use; rows of the last factor stay if they are of the same."""
        cdef Py_ssize_t j
        if self.ridge != RIDGE:
            self.ridge, self.n_factored = RIDGE, 0
        self.n_used = 0
        for j in range(self.size):
            if self.a[j] > 0.0:
                if self.n_used < self.n_factored and self.used[self.n_used] != j:
                    self.n_factored = self.n_used
                self.used[self.n_used] = <index_t> j
                self.n_used += 1
        self.n_factored = min(self.n_factored, self.n_used)

    cdef double _height(self, Py_ssize_t j) noexcept nogil:
        """How far a plane or ray lies above 0 at the present point."""
        return self.b[j] - self.scratch[PRODUCT, j] / self.lam

    cdef double _rest(self) noexcept nogil:
        """The weight of the truth."""
        return 1.0 - ssvm_dot(&self.scratch[MASS, 0], &self.a[0], self.size)

    cdef void _use(self, Py_ssize_t j) noexcept nogil:
        cdef Py_ssize_t k
        for k in range(self.n_used):
            if self.used[k] == j:
                return
        self.used[self.n_used] = <index_t> j
        self.n_used += 1

    cdef void _drop(self, Py_ssize_t k) noexcept nogil:
        """The k-th in use is in use no longer."""
        cdef Py_ssize_t j
        self.a[self.used[k]] = 0.0
        self.n_used -= 1
        for j in range(k, self.n_used):
            self.used[j] = self.used[j + 1]
        self.n_factored = min(self.n_factored, k)

    cdef bint _level(self, bint* truth) noexcept nogil:
        """Solve on the planes in use (and the truth); planes whose weight becomes 0 leave.

        Returns whether there is a solution.
        """
        cdef Py_ssize_t k, gone
        cdef double step, share, rest, growth
        cdef bint truth_leaves
        cdef double* direction = &self.scratch[TARGET, 0]
        while self.n_used:
            if not self._solve_on(truth[0]):
                return False
            growth = 0.0
            for k in range(self.n_used):
                direction[k] -= self.a[self.used[k]]
                if self.used[k] >= self.n_rays:
                    growth += direction[k]
            step, gone = 1.0, -1
            for k in range(self.n_used):
                if direction[k] < 0.0:
                    share = -self.a[self.used[k]] / direction[k]
                    if share < step:
                        step, gone = share, k
            rest = self._rest()
            truth_leaves = truth[0] and growth > 0.0 and rest < step * growth
            if truth_leaves:
                step = max(rest, 0.0) / growth
            for k in range(self.n_used):
                self.a[self.used[k]] = max(self.a[self.used[k]] + step * direction[k], 0.0)
            if truth_leaves:
                truth[0] = False
            elif gone >= 0:
                self._drop(gone)
            else:
                break
        return True

    cdef bint _solve_on(self, bint truth) noexcept nogil:
        """Weights that give all planes in use the same height, 0 if the truth is in use.

        Returns whether there is a solution.
        """
        cdef Py_ssize_t k, n = self.n_used, m = self.size, n_planes = 0
        cdef double* present = &self.scratch[PRESENT, 0]
        cdef double* side = &self.scratch[SIDE, 0]
        cdef double* target = &self.scratch[TARGET, 0]
        cdef double* level = &self.scratch[LEVEL, 0]
        cdef double height = 0.0, excess, bend = 0.0
        cdef int _time
        if not self._refactor():
            return False
        for k in range(n):
            present[k] = ssvm_dot(&self.G[self.used[k], 0], &self.a[0], m) / self.lam
            if self.used[k] >= self.n_rays:
                n_planes += 1
                height += self.a[self.used[k]] * (self.b[self.used[k]] - present[k])
        truth = truth or n_planes == 0
        # Relative to the present height, losses are small and do not cancel.
        height = 0.0 if truth else height
        for k in range(n):
            side[k] = self.b[self.used[k]] - height * self.scratch[MASS, self.used[k]]
        self._solve_for(side, target)
        if truth:
            return True
        for k in range(n):
            side[k] = self.scratch[MASS, self.used[k]]
        self._solve_for(side, level)
        for k in range(n):
            if self.used[k] >= self.n_rays:
                bend += level[k]
        # Twice, to remove rounding where it does not matter: norms of planes may differ by 1e9.
        for _time in range(2):
            excess = -1.0
            for k in range(n):
                if self.used[k] >= self.n_rays:
                    excess += target[k]
            for k in range(n):
                target[k] -= excess / bend * level[k]
        return True

    cdef bint _refactor(self) noexcept nogil:
        """Complete the factor of the matrix of those in use, with a ridge that makes it definite.

        Returns False where none does.
        """
        cdef double* row = &self.scratch[ROW, 0]
        cdef Py_ssize_t stride = self.factor.shape[1], k, i
        while self.n_factored < self.n_used:
            i = self.n_factored
            for k in range(i + 1):
                row[k] = self.G[self.used[i], self.used[k]] / self.lam
            row[i] += self._ridge_of(i)
            if ssvm_cholesky_row(&self.factor[0, 0], stride, i, row):
                self.n_factored += 1
                continue
            self.ridge *= 100.0
            self.n_factored = 0
            if not isfinite(self.ridge):
                return False
        return True

    cdef double _ridge_of(self, Py_ssize_t k) noexcept nogil:
        """What is added to the diagonal for the k-th in use."""
        cdef Py_ssize_t j = self.used[k]
        return self.ridge * (self.G[j, j] / self.lam + RIDGE_OF_LOSS * fabs(self.b[j]) + 1e-300)

    cdef void _solve_for(self, const double* side, double* x) noexcept nogil:
        """x with (G / lambda + ridge) x = side on those in use, once refined."""
        cdef Py_ssize_t stride = self.factor.shape[1], n = self.n_used, k
        cdef double* residual = &self.scratch[RESIDUAL, 0]
        cdef double* full = &self.scratch[FULL, 0]
        for k in range(self.size):
            full[k] = 0.0
        for k in range(n):
            x[k] = side[k]
        ssvm_cholesky_solve(&self.factor[0, 0], stride, n, x)
        for k in range(n):
            full[self.used[k]] = x[k]
        for k in range(n):
            residual[k] = side[k] - self._ridge_of(k) * x[k]
            residual[k] -= ssvm_dot(&self.G[self.used[k], 0], full, self.size) / self.lam
        ssvm_cholesky_solve(&self.factor[0, 0], stride, n, residual)
        for k in range(n):
            x[k] += residual[k]
