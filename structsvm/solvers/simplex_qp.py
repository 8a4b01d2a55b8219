"""The small dual problem of cutting-plane solvers: a quadratic program on the simplex."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from structsvm.data.snapshots import Kind, vector
from structsvm.exceptions import ModelFileError
from structsvm.linalg._sums import cholesky, cholesky_solve, dot, product, row_products
from structsvm.solvers.base import TOO_LARGE

__all__ = ["SimplexQP"]

# Added to the diagonal, relative to its mean, for duplicate and nearly duplicate planes.
_RIDGE = 1e-11
# Optimal if no plane is above the model by more than this, relative to the terms of the heights.
_PRECISION = 1e-11


class SimplexQP:
    r"""Maximise :math:`b^\top \alpha - \alpha^\top G \alpha / (2 \lambda)` over planes.

    Subject to alpha >= 0 and sum alpha <= 1; the rest to one is the weight of the truth, the plane
    (0, 0). Rays come before the planes: unit vectors without loss and with any alpha >= 0, the
    multipliers of weights that must be >= 0. This is an active-set method: a Cholesky factor solves
    the equality-constrained problem on the planes in use, planes whose weight would become negative
    leave, and the plane farthest above the model enters. Each call starts from the planes in use of
    the last call. It ends, because each step raises the objective; a step costs O(k^3) for k planes
    in use.

    Parameters
    ----------
    lam : float
        lambda, > 0.
    n_rays : int, default=0

    Attributes
    ----------
    alpha : ndarray of shape (n_rays + n_planes,)
    gram : ndarray of shape (n_rays + n_planes, n_rays + n_planes)
    loss : ndarray of shape (n_rays + n_planes,)
        The losses b.

    Examples
    --------
    >>> from structsvm.solvers.simplex_qp import SimplexQP
    >>> qp = SimplexQP(lam=1.0)
    >>> qp.add([], 2.0, 1.0)
    >>> qp.solve()
    0.25
    >>> qp.alpha
    array([0.5])
    """

    def __init__(self, lam: float, n_rays: int = 0) -> None:
        self.lam = lam
        self.n_rays = n_rays
        self.gram = np.eye(n_rays)
        self.loss = np.zeros(n_rays)
        self.alpha = np.zeros(n_rays)

    def __len__(self) -> int:
        """The number of planes."""
        return len(self.loss) - self.n_rays

    @property
    def mass(self) -> NDArray[np.float64]:
        """Coefficients of the constraint sum <= 1: 0 for rays, 1 for planes."""
        return (np.arange(len(self.loss)) >= self.n_rays).astype(float)

    def add(self, products: NDArray[np.float64] | list[float], sqnorm: float, loss: float) -> None:
        """Add a plane without weight, given its products with rays and planes, |plane|^2, loss."""
        m = len(self.loss)
        gram = np.empty((m + 1, m + 1))
        gram[:m, :m] = self.gram
        gram[m, :m] = gram[:m, m] = products
        gram[m, m] = sqnorm
        if not np.isfinite(gram[m]).all():
            raise ValueError(TOO_LARGE)
        self.gram, self.loss = gram, np.append(self.loss, loss)
        self.alpha = np.append(self.alpha, 0.0)

    def keep(self, planes: NDArray[np.bool_]) -> None:
        """Drop all other planes, which must have no weight."""
        planes = np.concatenate([np.ones(self.n_rays, dtype=bool), planes])
        self.gram = self.gram[np.ix_(planes, planes)]
        self.loss, self.alpha = self.loss[planes], self.alpha[planes]

    def snapshot(self) -> dict[str, NDArray[np.float64]]:
        return {"gram": self.gram.copy(), "loss": self.loss.copy(), "alpha": self.alpha.copy()}

    def kinds(self) -> dict[str, Kind]:
        """What `snapshot` holds."""
        gram = Kind(np.float64, (None, None))
        return {"gram": gram, "loss": vector(None), "alpha": vector(None, least=0.0)}

    def restore(self, snapshot: dict[str, NDArray[np.float64]]) -> None:
        """Restore the state that `snapshot` returned.

        Raises
        ------
        ModelFileError
            If the arrays do not fit each other.
        """
        size, planes = len(snapshot["loss"]), snapshot["alpha"][self.n_rays :]
        if (
            size < self.n_rays
            or snapshot["alpha"].shape != (size,)
            or snapshot["gram"].shape != (size, size)
            or planes.sum() > 1.0 + 1e-6
        ):
            raise ModelFileError(
                "the snapshot does not fit this problem: it holds no weights of planes"
            )
        self.gram, self.loss = snapshot["gram"].copy(), snapshot["loss"].copy()
        self.alpha = snapshot["alpha"].copy()

    def value(self) -> float:
        return dot(self.loss, self.alpha) - dot(self.alpha, row_products(self.gram, self.alpha)) / (
            2 * self.lam
        )

    def solve(self) -> float:
        """Make alpha optimal; returns the objective."""
        used = np.flatnonzero(self.alpha > 0)
        truth = bool(self.alpha[self.n_rays :].sum() < 1.0)
        best = -np.inf
        while len(self):
            used, truth = self._level(used, truth)
            heights = self.loss - row_products(self.gram, self.alpha) / self.lam
            size = float((np.abs(self.loss) + np.abs(self.loss - heights)).max())
            top = self.n_rays + int(heights[self.n_rays :].argmax())
            gap = max(heights[top], 0.0) - dot(self.alpha, heights)
            # The height of a ray is minus its weight in w.
            rays = np.flatnonzero(heights[: self.n_rays] > _PRECISION * size)
            value = self.value()
            # A step without gain means that only rounding is left.
            if (gap <= _PRECISION * size and not len(rays)) or not value > best:
                break
            best = value
            used = np.union1d(used, rays)
            if heights[top] > 0.0:
                used = np.union1d(used, [top])
            else:
                truth = True
        return self.value()

    def _level(self, used: NDArray[np.intp], truth: bool) -> tuple[NDArray[np.intp], bool]:
        """Solve on the planes in use (and the truth); planes whose weight becomes 0 leave."""
        while len(used):
            alpha, mass = self.alpha[used], self.mass
            direction = self._solve_on(used, truth) - alpha
            if not truth:
                # Remove rounding: the direction must stay in the simplex.
                direction -= mass[used] * dot(mass[used], direction) / max(mass[used].sum(), 1)
            falling = np.flatnonzero(direction < 0)
            steps = -alpha[falling] / direction[falling]
            step = float(steps.min(initial=1.0))
            rest, growth = 1.0 - dot(mass, self.alpha), dot(mass[used], direction)
            truth_leaves = truth and growth > 0 and rest < step * growth
            if truth_leaves:
                step = max(rest, 0.0) / growth
            self.alpha[used] = np.maximum(alpha + step * direction, 0.0)
            if truth_leaves:
                truth = False
            elif step < 1.0:
                gone = falling[int(steps.argmin())]
                self.alpha[used[gone]] = 0.0
                used = np.delete(used, gone)
            else:
                break
        return used, truth

    def _solve_on(self, used: NDArray[np.intp], truth: bool) -> NDArray[np.float64]:
        """Weights that give all planes in use the same height, 0 if the truth is in use."""
        gram, mass = self.gram[np.ix_(used, used)] / self.lam, self.mass[used]
        # Planes of norm 0 have only a loss; it is in the same unit, so it scales the ridge, too.
        ridge = _RIDGE * (np.trace(gram) / len(used) + 1e-3 * np.abs(self.loss).max() + 1e-300)
        while (factor := cholesky(gram + ridge * np.eye(len(used)))) is None:
            ridge *= 100.0
            if not np.isfinite(ridge):
                raise ValueError(TOO_LARGE)
        # Relative to the present level, losses are small and do not cancel.
        present = row_products(gram, self.alpha[used])
        truth = truth or not mass.any()
        level = 0.0 if truth else dot(mass, self.loss[used] - present) / mass.sum()
        sides = np.column_stack([self.loss[used] - level * mass, mass])
        both = cholesky_solve(factor, sides)
        both += cholesky_solve(factor, sides - product(gram, both) - ridge * both)
        excess = 0.0 if truth else (dot(mass, both[:, 0]) - 1.0) / dot(mass, both[:, 1])
        target: NDArray[np.float64] = both[:, 0] - excess * both[:, 1]
        return target
