"""The frame of every solver with a dual: rounds, certificates, history, callbacks, Ctrl-C."""

from __future__ import annotations

import abc
import math
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.problems import Problem
from structsvm.solvers.base import Callback, History, Progress, SolverResult

__all__ = ["Run", "dual_value"]

# The estimate of a round is older than its end: by then the gap is about this much of it.
_ESTIMATE_TO_GAP = 0.6


def dual_value(z: NDArray[np.float64], loss: float, lam: float) -> float:
    r"""Dual objective of the best multiple of a dual point, at most the point itself.

    ``z = sum_i alpha_i delta_i / n`` and ``loss = sum_i alpha_i Delta_i / n``. Any multiple s in
    [0, 1] of a feasible alpha is feasible, the rest of the weight going to the truth, so
    ``max_s s * loss - s^2 |z|^2 / (2 lambda)`` is a lower bound of the optimum.
    """
    sqnorm = float(z @ z)
    scale = 1.0 if sqnorm <= lam * loss else lam * loss / sqnorm
    return scale * loss - scale**2 * sqnorm / (2 * lam)


class Run(abc.ABC):
    """One call of ``solve``. Subclasses say what a round is; everything here is in the mean form.

    A round ends with `measured`: the value of a dual point, and an estimate of the primal value
    that the round gives for free. A pass at fixed weights, which gives a primal value proper, is
    made when the estimate reaches the next power of ten or the tolerance, and at the end.
    """

    def __init__(self, problem: Problem, lam: float, tol: float) -> None:
        self.problem = problem
        self.n = problem.n_examples
        self.lam = lam
        self.tol = tol
        self.best_weights: NDArray[np.float64] | None = None
        self.best_primal = math.inf
        self.best_dual = -math.inf
        self.estimate = 1.0
        self._next_level = 0.1
        self._history = History()

    # ---- for subclasses to fill in

    @abc.abstractmethod
    def enter(self) -> None:
        """Before the first round."""

    @abc.abstractmethod
    def round(self, first: bool) -> None:
        """One pass over the data; calls `measured` at its end."""

    @abc.abstractmethod
    def candidates(self) -> list[NDArray[np.float64]]:
        """Weights worth a certificate now, as arrays that will not change."""

    @abc.abstractmethod
    def mean_hinge(self, weights: NDArray[np.float64]) -> float:
        """One oracle call an example at fixed weights."""

    @abc.abstractmethod
    def counters(self) -> dict[str, Any]:
        """n_oracle_calls, n_overruled, n_planes, solver_bytes and weights, as they are now."""

    def state(self) -> Any:
        """What a later run can go on from."""
        return None

    # ---- what they call

    def measured(self, dual: float, primal_estimate: float) -> bool:
        """Take note of a round's values; True if the dual value is the best so far."""
        improved = dual > self.best_dual
        self.best_dual = max(self.best_dual, dual)
        self.estimate = self._relative_gap(primal_estimate)
        return improved

    def certified(self, weights: NDArray[np.float64], mean_hinge: float) -> None:
        """Take note of a primal value; `weights` must not change afterwards."""
        primal = self.lam / 2 * float(weights @ weights) + mean_hinge
        if primal < self.best_primal:
            self.best_primal = primal
            self.best_weights = weights

    # ---- the loop

    def to_the_end(self, max_iter: int, callback: Callback | None) -> SolverResult:
        self._started = time.perf_counter()
        before = self.counters()
        self._before = {name: before[name] for name in ("n_oracle_calls", "n_overruled")}
        n_iter, status = 0, "max_iter"
        try:
            self.enter()
            while n_iter < max_iter:
                self.round(first=n_iter == 0)
                n_iter += 1
                due = _ESTIMATE_TO_GAP * self.estimate <= max(self._next_level, self.tol)
                if due or n_iter == max_iter:
                    self._certify()
                progress = self._progress(n_iter)
                self._history.append(progress)
                stop = callback is not None and bool(callback(progress))
                if self.gap <= self.tol:
                    status = "converged"
                    break
                if stop:
                    status = "stopped"
                    if not due:
                        self._certify()
                        self._history.replace_last(self._progress(n_iter))
                    break
        except KeyboardInterrupt:
            status = "interrupted"
        return self._result(n_iter, status)

    @property
    def gap(self) -> float:
        """The certified relative gap; 1 before the first certificate."""
        return self._relative_gap(self.best_primal)

    def _relative_gap(self, primal: float) -> float:
        if not math.isfinite(primal):
            return 1.0
        return max(primal - self.best_dual, 0.0) / primal if primal > 0 else 0.0

    def _certify(self) -> None:
        for weights in self.candidates():
            self.certified(weights, self.mean_hinge(weights))
        while self._next_level > self.tol and self.gap <= self._next_level:
            self._next_level /= 10

    def _progress(self, n_iter: int) -> Progress:
        now = self.counters()
        view = now["weights"].view()
        view.flags.writeable = False
        return Progress(
            n_iter=n_iter,
            objective=self.best_primal / self.lam,
            dual_objective=self.best_dual / self.lam,
            gap=self.gap,
            gap_estimate=self.estimate,
            n_oracle_calls=now["n_oracle_calls"] - self._before["n_oracle_calls"],
            seconds=time.perf_counter() - self._started,
            n_planes=now["n_planes"],
            solver_bytes=now["solver_bytes"],
            weights=view,
        )

    def _result(self, n_iter: int, status: str) -> SolverResult:
        now = self.counters()
        weights = now["weights"] if self.best_weights is None else self.best_weights
        return SolverResult(
            weights=np.array(weights),
            objective=self.best_primal / self.lam,
            dual_objective=self.best_dual / self.lam,
            gap=self.gap,
            n_iter=n_iter,
            n_oracle_calls=now["n_oracle_calls"] - self._before["n_oracle_calls"],
            n_overruled=now["n_overruled"] - self._before["n_overruled"],
            status=status,
            history=self._history.arrays(),
            state=self.state(),
        )
