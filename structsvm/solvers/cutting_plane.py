"""The 1-slack cutting-plane solver, with a store of planes before the oracle."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from structsvm.data.snapshots import Kind, number, vector
from structsvm.engines import Engine
from structsvm.exceptions import ModelFileError
from structsvm.linalg._sums import combined_rows, dot, row_products
from structsvm.problems import Problem
from structsvm.solvers._evaluator import Evaluator
from structsvm.solvers._plane_store import SparsePlanes
from structsvm.solvers.base import Callback, Capabilities, Snapshot, SolverResult
from structsvm.solvers.run import Part, StoreRun
from structsvm.solvers.simplex_qp import SimplexQP

__all__ = ["CuttingPlane"]

# Cached rounds go on while they find at least this share of what the last exact round found ...
_CACHED_SHARE = 0.1
# ... and a cut without weight for so many solutions is forgotten.
_IDLE_SOLUTIONS = 50


class CuttingPlane(BaseEstimator):  # type: ignore[misc]
    r"""Cutting planes on the mean hinge: one aggregated plane a round.

    Minimises :math:`P(w) = \frac\lambda2 \|w\|^2 + \frac1n \sum_i H_i(w)`, lambda = 1 / (C n), by
    a growing set of cuts

    .. math:: \frac1n \sum_i H_i(w) \ge \ell_k - \langle w, g_k \rangle,

    each the mean of one plane an example. The model's minimiser is found exactly by a small
    quadratic program; its value is a dual bound. An exact round calls every oracle at that point
    and so certifies it; between exact rounds, cuts are made of cached planes alone while these
    still find a tenth of the violation that the last exact round found.

    Few numbers pass between rounds, which makes this the method to distribute; on one machine the
    block solver `BCFW` is faster.

    Parameters
    ----------
    max_cached_rounds : int, default=30
        Cuts from cached planes after each exact round; 0 is the classic method.
    max_planes : int, default=5
        Cached planes an example.

    Notes
    -----
    A round costs n oracle calls, a pass over the cache and O(m^2 + m d) for m cuts of d weights;
    memory is O(m d + cached plane entries).

    References
    ----------
    T. Joachims, T. Finley, C.-N. Yu (2009). Cutting-plane training of structural SVMs. Machine
    Learning 77. doi:10.1007/s10994-009-5108-8

    Examples
    --------
    >>> from structsvm import ChainSVM
    >>> X, y = [[[1.0, 0.0], [0.0, 1.0]]], [["a", "b"]]
    >>> svm = ChainSVM(solver="cutting_plane", random_state=0).fit(X, y)
    >>> svm.dual_gap_ <= 1e-3
    True
    """

    capabilities = Capabilities()

    def __init__(self, *, max_cached_rounds: int = 30, max_planes: int = 5) -> None:
        self.max_cached_rounds = max_cached_rounds
        self.max_planes = max_planes

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
        """See `structsvm.solvers.base.Solver`. Draws nothing from `random_state`."""
        for name, least in (("max_cached_rounds", 0), ("max_planes", 1)):
            value = getattr(self, name)
            if not isinstance(value, numbers.Integral) or value < least:
                raise ValueError(
                    f"{name}={value!r} of CuttingPlane: expected an integer >= {least}"
                )
        run = _CuttingPlaneRun(self, problem, C, tol, random_state)
        if isinstance(state, _CuttingPlaneRun) and state.is_compatible(run):
            run.take_over(state)
        return run.run(max_iter, callback, snapshot, engine)


class _CuttingPlaneRun(StoreRun):
    """A round is one exact cut, and then cuts from cached planes."""

    def __init__(
        self,
        options: CuttingPlane,
        problem: Problem,
        C: float,
        tol: float | None,
        random_state: np.random.RandomState,
    ) -> None:
        super().__init__(problem, C, tol, random_state)
        self.max_cached_rounds = int(options.max_cached_rounds)
        self.max_planes = int(options.max_planes)
        self.store = SparsePlanes(problem.n_examples, problem.n_weights, max_planes=self.max_planes)
        self.evaluator = Evaluator(problem, self.store)
        self.n_rays = problem.non_negative_stop - problem.non_negative_start
        self.qp = SimplexQP(self.lam, self.n_rays)
        self.room = np.zeros((8, problem.n_weights))
        self.idle = np.zeros(0, dtype=int)
        self.weights = np.zeros(problem.n_weights)
        self.model_hinge = 0.0

    def kept(self) -> dict[str, Kind]:
        return super().kept() | {
            "cuts": Kind(np.float64, (None, self.problem.n_weights)),
            "idle": Kind(np.int64, (None,), 0.0, 2.0**53),
            "weights": vector(self.problem.n_weights),
            "model_hinge": number(least=0.0),
        }

    def parts(self) -> dict[str, Part]:
        return {"store/": self.store, "evaluator/": self.evaluator, "qp/": self.qp}

    def restore(self, snapshot: Snapshot) -> None:
        super().restore(snapshot)
        if not len(self.qp) == len(self.room) == len(self.idle):
            raise ModelFileError(
                f"the snapshot does not fit this problem: there are {len(self.room)} cuts, "
                f"{len(self.qp)} planes and {len(self.idle)} counts"
            )

    @property
    def cuts(self) -> NDArray[np.float64]:
        """The cuts' g, one row each, in the order of the quadratic program."""
        return self.room[: len(self.qp)]

    @cuts.setter
    def cuts(self, cuts: NDArray[np.float64]) -> None:
        self.room = np.array(cuts)

    def is_compatible(self, other: _CuttingPlaneRun) -> bool:
        """Whether this belongs to the same problem and options."""
        return self.problem is other.problem and self.max_planes == other.max_planes

    def take_over(self, earlier: _CuttingPlaneRun) -> None:
        """The cuts hold for every lambda; only the quadratic program must be solved again."""
        self.store, self.evaluator = earlier.store, earlier.evaluator
        self.cuts, self.idle = earlier.cuts, earlier.idle
        self.qp.restore(earlier.qp.snapshot())

    def enter(self) -> None:
        if len(self.qp):
            self._solve()
            self.measured(self._dual(), self.weights, math.inf)
        else:
            self.measured(0.0, self.weights, math.inf)

    def round(self, first: bool) -> None:
        weights = self.weights
        hinge = self.certify(weights)
        found = self._cut()
        for _ in range(self.max_cached_rounds):
            if self._cut() <= _CACHED_SHARE * found:
                break
        self.measured(self._dual(), weights, hinge)

    def settle(self) -> None:
        # Cuts and program may be out of step; the planes they were made of are not.
        self.qp = SimplexQP(self.lam, self.n_rays)
        self.idle = np.zeros(0, dtype=int)

    def _cut(self) -> float:
        """Add the cached planes' cut at the present point, solve; how much it was violated."""
        g, loss = self.store.aggregate(self.weights)
        violation = loss - dot(self.weights, g) - self.model_hinge
        products, sqnorm = row_products(self.cuts, g), dot(g, g)
        signed = g[self.problem.non_negative_start : self.problem.non_negative_stop]
        self.qp.add(np.concatenate([signed, products]), sqnorm, loss)
        if len(self.qp) > len(self.room):
            self.room = np.concatenate([self.room, np.zeros((max(len(self.room), 8), g.size))])
        self.cuts[-1] = g
        self.idle = np.append(self.idle, 0)
        self._solve()
        self._forget_idle_cuts()
        return violation

    def _solve(self) -> None:
        self.qp.solve()
        # The program's rays are the multipliers that this projection amounts to.
        combination = combined_rows(self.qp.alpha[self.n_rays :], self.cuts)
        self.weights = self.problem.project(combination) / self.lam
        heights = self.qp.loss[self.n_rays :] - row_products(self.cuts, self.weights)
        self.model_hinge = max(float(heights.max()), 0.0)

    def _forget_idle_cuts(self) -> None:
        self.idle = np.where(self.qp.alpha[self.n_rays :] > 0, 0, self.idle + 1)
        kept = self.idle <= _IDLE_SOLUTIONS
        if not kept.all():
            survivors = self.cuts[kept]
            self.qp.keep(kept)
            self.cuts[:] = survivors
            self.idle = self.idle[kept]

    def _dual(self) -> float:
        return self.dual_value(self.lam * self.weights, dot(self.qp.alpha, self.qp.loss))

    def candidates(self) -> list[NDArray[np.float64]]:
        return [self.weights]

    def vector_bytes(self) -> int:
        return self.room.nbytes + self.qp.gram.nbytes

    def state(self) -> _CuttingPlaneRun:
        return self
