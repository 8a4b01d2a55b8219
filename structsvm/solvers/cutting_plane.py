"""The 1-slack cutting-plane solver, with cached planes."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from structsvm.engines import Engine
from structsvm.problems import Problem
from structsvm.solvers._evaluator import Evaluator
from structsvm.solvers._sparse_planes import SparsePlanes
from structsvm.solvers.base import Callback, Capabilities, Snapshot, SolverResult
from structsvm.solvers.cuts import Cuts
from structsvm.solvers.run import Part, StoreRun

__all__ = ["CuttingPlane"]

# Cached rounds continue while their violation is above this share of the exact round's violation.
_CACHED_SHARE = 0.1
# A cut without weight in so many solutions is dropped.
_IDLE_SOLUTIONS = 50


class CuttingPlane(BaseEstimator):  # type: ignore[misc]
    r"""Cutting planes on the mean hinge, one slack variable for all examples.

    Minimises :math:`P(w) = \frac\lambda2 \|w\|^2 + \frac1n \sum_i H_i(w)`, lambda = 1 / (C n), by
    a growing set of cuts

    .. math:: \frac1n \sum_i H_i(w) \ge \ell_k - \langle w, g_k \rangle,

    each the mean of one plane for each example. A small quadratic program finds the exact minimiser
    of this model; its value is a dual bound. An exact round calls the oracle of every example at
    this point, which also certifies it. Between exact rounds, cuts are made from cached planes,
    while their violation is above a tenth of that of the exact round.

    Rounds exchange few numbers, so this method is easy to distribute; on one machine the block
    solver `BCFW` is faster.

    Parameters
    ----------
    max_cached_rounds : int, default=30
        Most cuts from cached planes after each exact round; 0 is the classic method.
    max_planes : int, default=5
        Most cached planes of an example.

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
    """A round is one exact cut, then cuts from cached planes."""

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
        self.cuts = Cuts(problem, self.lam)

    def parts(self) -> dict[str, Part]:
        return {"store/": self.store, "evaluator/": self.evaluator, "cuts/": self.cuts}

    def is_compatible(self, other: _CuttingPlaneRun) -> bool:
        """Whether this belongs to the same problem and options."""
        return self.problem is other.problem and self.max_planes == other.max_planes

    def take_over(self, earlier: _CuttingPlaneRun) -> None:
        """Take over cuts, which hold for every lambda; the quadratic program is solved again."""
        self.store, self.evaluator = earlier.store, earlier.evaluator
        self.cuts.restore(earlier.cuts.snapshot())

    def enter(self) -> None:
        if len(self.cuts):
            self.cuts.solve()
            self.measured(self.cuts.dual_value(), self.cuts.weights, math.inf)
        else:
            self.measured(0.0, self.cuts.weights, math.inf)

    def round(self, first: bool) -> None:
        weights = self.cuts.weights
        hinge = self.certify(weights)
        found = self._cut()
        for _ in range(self.max_cached_rounds):
            if self._cut() <= _CACHED_SHARE * found:
                break
        self.measured(self.cuts.dual_value(), weights, hinge)

    def settle(self) -> None:
        # Cuts and program may be out of step; the planes they were made of are not.
        weights = self.cuts.weights
        self.cuts.clear()
        self.cuts.weights = weights

    def _cut(self) -> float:
        """Add the cached planes' cut at the present point, solve; how much it was violated."""
        g, loss = self.store.aggregate(self.cuts.weights)
        violation = self.cuts.excess(g, loss)
        self.cuts.add(g, loss)
        self.cuts.solve()
        self.cuts.keep(self.cuts.idle <= _IDLE_SOLUTIONS)
        return violation

    def candidates(self) -> list[NDArray[np.float64]]:
        return [self.cuts.weights]

    def vector_bytes(self) -> int:
        return self.cuts.nbytes

    def state(self) -> _CuttingPlaneRun:
        return self
