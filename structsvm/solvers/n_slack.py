"""The n-slack cutting-plane solver: a working set of planes for each example."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from structsvm.data.snapshots import Kind, number
from structsvm.engines import Engine
from structsvm.linalg._sums import dot
from structsvm.problems import Problem
from structsvm.solvers._blocks import DualBlocks
from structsvm.solvers.base import Callback, Capabilities, Snapshot, SolverResult
from structsvm.solvers.run import Part, StoreRun

__all__ = ["NSlack"]

# Most passes over the working sets in a round.
_MOST_PASSES = 30


class NSlack(BaseEstimator):  # type: ignore[misc]
    r"""Cutting planes with one slack variable for each example.

    Minimises :math:`P(w) = \frac\lambda2 \|w\|^2 + \frac1n \sum_i \xi_i`, lambda = 1 / (C n), under
    a growing set of constraints :math:`\xi_i \ge \Delta_p - \langle w, \delta_p \rangle`. A round
    calls the oracle of every example at the present weights, which also certifies them, and adds
    the planes to the working sets of the examples. Then block-coordinate ascent solves the
    quadratic program over all working sets, from the last solution, until its gap is a share of the
    gap just certified.

    All oracle calls of a round are at the same weights, so an oracle may work on all examples at
    once. On one machine `BCFW`, which moves the weights after each call, is faster.

    Parameters
    ----------
    precision : float, default=0.3
        The quadratic program is solved to this share of the certified gap, in (0, 1).
    drop_after : int, default=50
        A plane without dual weight is dropped after so many rounds.

    Notes
    -----
    Memory is O(n_weights + stored plane entries). A round costs n oracle calls and as many visits
    of the working sets as the program needs.

    References
    ----------
    I. Tsochantaridis, T. Joachims, T. Hofmann, Y. Altun (2005). Large margin methods for structured
    and interdependent output variables. JMLR 6.

    Examples
    --------
    >>> from structsvm import ChainSVM
    >>> X, y = [[[1.0, 0.0], [0.0, 1.0]]], [["a", "b"]]
    >>> svm = ChainSVM(solver="n_slack", random_state=0).fit(X, y)
    >>> svm.dual_gap_ <= 1e-3
    True
    """

    capabilities = Capabilities(can_move=True)

    def __init__(self, *, precision: float = 0.3, drop_after: int = 50) -> None:
        self.precision = precision
        self.drop_after = drop_after

    def solve(
        self,
        problem: Problem,
        C: float,
        *,
        tol: float | None,
        max_iter: int | None,
        random_state: np.random.RandomState,
        engine: Engine | None = None,
        callback: Callback | None = None,
        state: Any = None,
        snapshot: Snapshot | None = None,
    ) -> SolverResult:
        """See `structsvm.solvers.base.Solver`."""
        if not isinstance(self.precision, numbers.Real) or not 0 < self.precision < 1:
            raise ValueError(
                f"precision={self.precision!r} of NSlack: expected a number between 0 and 1"
            )
        if not isinstance(self.drop_after, numbers.Integral) or self.drop_after < 1:
            raise ValueError(f"drop_after={self.drop_after!r} of NSlack: expected an integer >= 1")
        blocks = DualBlocks(problem, max_planes=10**6, drop_after=int(self.drop_after))
        if (
            isinstance(state, DualBlocks)
            and state.problem is problem
            and state.options == blocks.options
        ):
            blocks = state
        run = _NSlackRun(blocks, C, tol, random_state, float(self.precision))
        return run.run(max_iter, callback, snapshot, engine)


class _NSlackRun(StoreRun):
    """A round is one pass at fixed weights, then the quadratic program."""

    def __init__(
        self,
        blocks: DualBlocks,
        C: float,
        tol: float | None,
        random_state: np.random.RandomState,
        precision: float,
    ) -> None:
        super().__init__(blocks.problem, C, tol, random_state)
        self.blocks = blocks
        self.store, self.evaluator = blocks.store, blocks.evaluator
        self.precision = precision
        self.dual = 0.0

    def kept(self) -> dict[str, Kind]:
        return super().kept() | {"dual": number()}

    def parts(self) -> dict[str, Part]:
        return {"blocks/": self.blocks}

    def enter(self) -> None:
        self.blocks.point.regularization = self.lam
        self._refresh(math.inf)

    def round(self, first: bool) -> None:
        weights = np.array(self.blocks.point.weights)
        hinge = self.certify(weights)
        self.store.forget_idle()
        # The gap of this point, which the new planes opened, not the best gap so far.
        found = self.lam / 2 * dot(weights, weights) + hinge - self.dual
        target = self.precision * max(found, self.tol * self.best_primal)
        for _ in range(_MOST_PASSES):
            order = self.random.permutation(self.n).astype(np.int32)
            if self.blocks.steps.cached_pass(order) <= target:
                break
        self._refresh(hinge)

    def _refresh(self, hinge: float) -> None:
        """Weights and dual value from the dual variables, free of accumulated rounding."""
        combination, loss = self.store.combination()
        self.blocks.point.move_to(combination / self.lam)
        allowed = self.problem.project(combination, self.lam)
        self.dual = loss + self.problem.loss_of_multipliers(combination, allowed)
        self.dual -= dot(allowed, allowed) / (2 * self.lam)
        self.measured(self.dual_value(combination, loss), self.blocks.point.weights, hinge)

    def _due(self) -> bool:
        return False  # each round begins with a certificate

    def candidates(self) -> list[NDArray[np.float64]]:
        return [np.array(self.blocks.point.weights)]

    def vector_bytes(self) -> int:
        return self.blocks.vector_bytes

    def state(self) -> Any:
        return self.blocks
