"""A model of the mean hinge by cuts, and the point that minimises the objective over it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.snapshots import Kind, number, vector
from structsvm.exceptions import ModelFileError
from structsvm.linalg._sums import combined_rows, dot, row_products
from structsvm.problems import Problem
from structsvm.solvers._simplex_qp import SimplexQP
from structsvm.solvers.run import dual_value

__all__ = ["Cuts"]

_ROOM_AT_FIRST = 8


class Cuts:
    r"""Lower bounds :math:`\ell_k - \langle w, g_k \rangle` of the mean hinge, all k.

    `solve` finds the minimiser of lambda/2 |w|^2 and their maximum, by a quadratic program whose
    solution is a convex combination of cuts: a dual point. Weights that must be >= 0 have
    multipliers in the program.

    Parameters
    ----------
    problem : Problem
    lam : float
        lambda.

    Attributes
    ----------
    weights : ndarray of shape (n_weights,)
        The minimiser; never changed, only replaced.
    hinge : float
        What the cuts say the mean hinge is there.
    idle : ndarray of shape (n_cuts,)
        For how many solutions in a row each cut has had no weight.
    """

    def __init__(self, problem: Problem, lam: float) -> None:
        self.problem = problem
        self.n_rays = len(problem.non_negative)
        self.lam = lam
        self.room = np.zeros((0, problem.n_weights))
        self.clear()

    def __len__(self) -> int:
        return len(self.qp)

    @property
    def rows(self) -> NDArray[np.float64]:
        """The cuts' g, one row each, in the order of the quadratic program."""
        return self.room[: len(self)]

    @property
    def losses(self) -> NDArray[np.float64]:
        return self.qp.loss[self.n_rays :]

    @property
    def shares(self) -> NDArray[np.float64]:
        """The weight of each cut in the dual point, together at most 1."""
        return self.qp.alpha[self.n_rays :]

    def clear(self) -> None:
        """Forget all."""
        self.qp = SimplexQP(self.lam, self.n_rays)
        self.qp.loss[:] = self.problem.floors
        self.idle = np.zeros(0, dtype=int)
        self.weights = np.zeros(self.problem.n_weights)
        self.hinge = 0.0

    def excess(self, g: NDArray[np.float64], loss: float) -> float:
        """By how much a cut lies above the others at the minimiser."""
        return loss - dot(self.weights, g) - self.hinge

    def add(self, g: NDArray[np.float64], loss: float) -> None:
        """A cut without weight; `solve` gives it what it should have."""
        products, sqnorm = row_products(self.rows, g), dot(g, g)
        signed = g[self.problem.non_negative]
        self.qp.add(np.concatenate([signed, products]), sqnorm, loss)
        if len(self) > len(self.room):
            more = np.zeros((max(len(self.room), _ROOM_AT_FIRST), g.size))
            self.room = np.concatenate([self.room, more])
        self.room[len(self) - 1] = g
        self.idle = np.append(self.idle, 0)

    def solve(self) -> None:
        """Have `weights`, `hinge`, `shares` and `idle` for the present cuts."""
        self.qp.solve()
        # The program's rays are the multipliers that this projection amounts to.
        self.weights = self.problem.project(self.combination(), self.lam) / self.lam
        heights = self.losses - row_products(self.rows, self.weights)
        self.hinge = max(float(heights.max()), 0.0)
        self.idle = np.where(self.shares > 0, 0, self.idle + 1)

    def keep(self, kept: NDArray[np.bool_]) -> None:
        """Forget the others; `solve` then makes good for the weight that they had."""
        if not kept.all():
            survivors = self.rows[kept]
            self.qp.keep(kept)
            self.room[: len(self)] = survivors
            self.idle = self.idle[kept]

    def combination(self) -> NDArray[np.float64]:
        """The convex combination of cuts, multipliers aside."""
        return combined_rows(self.shares, self.rows)

    def loss(self) -> float:
        """The same combination of losses."""
        return dot(self.shares, self.losses)

    def dual_value(self) -> float:
        """The value of the dual point: a lower bound of the optimum."""
        allowed, loss = self.lam * self.weights, self.loss()
        if self.problem.floors.any():
            loss += self.problem.loss_of_multipliers(self.combination(), allowed)
        return dual_value(allowed, loss, self.lam)

    def kinds(self) -> dict[str, Kind]:
        """What `snapshot` holds."""
        d = self.problem.n_weights
        return {
            "rows": vector(None),  # one after the other, as a file may not claim empty rows
            "idle": Kind(np.int64, (None,), 0.0, 2.0**53),
            "weights": vector(d),
            "hinge": number(least=0.0),
        } | {f"qp/{name}": kind for name, kind in self.qp.kinds().items()}

    def snapshot(self) -> dict[str, NDArray[Any]]:
        own = {name: np.array(getattr(self, name)) for name in ("idle", "weights", "hinge")}
        own["rows"] = self.rows.flatten()
        return own | {f"qp/{name}": value for name, value in self.qp.snapshot().items()}

    def restore(self, held: dict[str, NDArray[Any]]) -> None:
        """Become what `snapshot` was taken of.

        Raises
        ------
        ModelFileError
            If the arrays do not fit each other.
        """
        self.qp.restore({name: held[f"qp/{name}"] for name in self.qp.kinds()})
        self.idle = held["idle"].copy()
        self.weights, self.hinge = held["weights"].copy(), held["hinge"].item()
        numbers, d = held["rows"].size, self.problem.n_weights
        if numbers != len(self.qp) * d or len(self.qp) != len(self.idle):
            raise ModelFileError(
                f"the snapshot does not fit this problem: {numbers} numbers are not {len(self.qp)} "
                f"cuts of {d} weights, and {len(self.idle)} counts"
            )
        self.room = held["rows"].reshape(-1, d).copy() if d else np.zeros((0, 0))

    @property
    def nbytes(self) -> int:
        return self.room.nbytes + self.qp.nbytes
