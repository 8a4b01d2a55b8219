"""The frame of every solver: rounds, certificates, history, callbacks, snapshots, Ctrl-C."""

from __future__ import annotations

import abc
import math
import time
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from structsvm.linalg._sums import dot
from structsvm.problems import Problem
from structsvm.solvers.base import (
    Callback,
    History,
    Progress,
    Snapshot,
    SolverResult,
    regularization,
)

__all__ = ["Run", "dual_value", "dual_value_at"]

# The estimate of a round is older than its end: by then the gap is about this much of it.
_ESTIMATE_TO_GAP = 0.6

_DEFAULT_TOL, _DEFAULT_MAX_ITER = 1e-3, 1000


def dual_value(z: NDArray[np.float64], loss: float, lam: float) -> float:
    r"""Dual objective of the best multiple of a dual point, at most the point itself.

    ``z = sum_i alpha_i delta_i / n`` and ``loss = sum_i alpha_i Delta_i / n``. Any multiple s in
    [0, 1] of a feasible alpha is feasible, the rest of the weight going to the truth, so
    ``max_s s * loss - s^2 |z|^2 / (2 lambda)`` is a lower bound of the optimum.
    """
    return dual_value_at(dot(z, z), loss, lam)


def dual_value_at(sqnorm: float, loss: float, lam: float) -> float:
    """`dual_value` by ``|z|^2``."""
    scale = 1.0 if sqnorm <= lam * loss else lam * max(loss, 0.0) / sqnorm
    return scale * loss - scale**2 * sqnorm / (2 * lam)


class Run(abc.ABC):
    """One call of ``solve``. Subclasses say what a round is; everything here is in the mean form.

    A round ends with `measured`: the value of a dual point, and an estimate of the primal value
    that the round gives for free. A pass at fixed weights, which gives a primal value proper, is
    made when the estimate reaches the next power of ten or the tolerance, and at the end.
    """

    #: What a snapshot holds: numbers and arrays by attribute name, ...
    kept: ClassVar[tuple[str, ...]] = ()
    #: ... and attributes with a ``snapshot`` of their own.
    kept_parts: ClassVar[tuple[str, ...]] = ()

    _KEPT = (
        "n_iter",
        "best_weights",
        "best_primal",
        "best_dual",
        "estimate",
        "met_hinge",
        "_next_level",
        "_certified_at",
        "_calls_before",
        "_overruled_before",
    )

    def __init__(
        self, problem: Problem, C: float, tol: float | None, random_state: np.random.RandomState
    ) -> None:
        self.problem = problem
        self.n = problem.n_examples
        self.lam = regularization(C, problem.n_examples)
        self.tol = _DEFAULT_TOL if tol is None else tol
        self.random = random_state
        self.n_iter = 0
        self.best_weights: NDArray[np.float64] | None = None
        self.best_primal = math.inf
        self.best_dual = -math.inf
        self.estimate = 1.0
        self.met_hinge = math.nan
        self._next_level = 0.1
        self._certified_at = 0  # the iteration
        self._history = History()
        self._seconds_before = 0.0
        self._calls_before = self._overruled_before = 0

    # ---- for subclasses to fill in

    @abc.abstractmethod
    def enter(self) -> None:
        """Before the first round."""

    @abc.abstractmethod
    def round(self, first: bool) -> None:
        """One pass over the data; calls `measured` at its end."""

    @abc.abstractmethod
    def candidates(self) -> list[NDArray[np.float64]]:
        """Weights worth a certificate now, as arrays that will not change; the last is what an
        early stop would give back."""

    @abc.abstractmethod
    def counters(self) -> dict[str, int]:
        """n_oracle_calls, n_overruled, n_planes and solver_bytes, as they are now."""

    def mean_hinge(self, weights: NDArray[np.float64]) -> float:
        """One oracle call an example at fixed weights."""
        return self.problem.mean_hinge(weights)

    def inner(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """The inner product of two weight vectors; another where they stand for something else."""
        return dot(a, b)

    def dual_value(self, z: NDArray[np.float64], loss: float) -> float:
        """`dual_value` of a dual point: with the best multipliers of weights that must be >= 0."""
        return dual_value(self.problem.project(z), loss, self.lam)

    def state(self) -> Any:
        """What a later run can go on from."""
        return None

    # ---- what they call

    def measured(self, dual: float, weights: NDArray[np.float64], hinge: float) -> bool:
        """Take note of a round's values; True if the dual value is the best so far."""
        improved = dual > self.best_dual
        self.best_dual = max(self.best_dual, dual)
        self.met_hinge = hinge
        self.estimate = self._relative_gap(self.lam / 2 * self.inner(weights, weights) + hinge)
        return improved

    def certified(self, weights: NDArray[np.float64], mean_hinge: float) -> None:
        """Take note of a primal value; `weights` must not change afterwards."""
        primal = self.lam / 2 * self.inner(weights, weights) + mean_hinge
        if primal < self.best_primal:
            self.best_primal = primal
            self.best_weights = weights

    # ---- what callbacks may call

    def presentable(self) -> NDArray[np.float64]:
        """The weights that stopping now would try to give back."""
        return self._candidates()[-1]

    def snapshot(self) -> Snapshot:
        """All that the rest of the run depends on, as arrays; valid between two rounds."""
        own = {name: getattr(self, name) for name in (*self._KEPT, *self.kept)}
        held = {name: np.array(value) for name, value in own.items() if value is not None}
        held["history"] = self._history.rows
        held["seconds"] = np.array(self._seconds())
        stream = self.random.get_state(legacy=False)
        if stream["bit_generator"] != "MT19937":
            raise ValueError(
                f"a checkpoint cannot hold a {stream['bit_generator']}: give random_state as an int"
            )
        held["random/key"] = stream["state"]["key"].copy()
        for name in ("has_gauss", "gauss"):
            held[f"random/{name}"] = np.array(stream[name])
        held["random/pos"] = np.array(stream["state"]["pos"])
        for part in self.kept_parts:
            for name, value in getattr(self, part).snapshot().items():
                held[f"{part}/{name}"] = value
        return held

    def restore(self, snapshot: Snapshot) -> None:
        for name in (*self._KEPT, *self.kept):
            value = snapshot.get(name)
            if value is not None:
                setattr(self, name, value.item() if value.ndim == 0 else value.copy())
        self._history.rows = snapshot["history"]
        self._seconds_before = float(snapshot["seconds"])
        stream = self.random.get_state(legacy=False)
        key, position = snapshot["random/key"], int(snapshot["random/pos"])
        if key.shape != (624,) or key.dtype != np.uint32 or not 0 <= position <= 624:
            raise ValueError("the snapshot holds no state of a random generator")
        stream["state"]["key"], stream["state"]["pos"] = key, position
        stream["has_gauss"] = int(snapshot["random/has_gauss"])
        stream["gauss"] = float(snapshot["random/gauss"])
        self.random.set_state(stream)
        for part in self.kept_parts:
            start = f"{part}/"
            getattr(self, part).restore(
                {k.removeprefix(start): v for k, v in snapshot.items() if k.startswith(start)}
            )

    # ---- the loop

    def to_the_end(
        self,
        max_iter: int | None,
        callback: Callback | None,
        snapshot: Snapshot | None = None,
    ) -> SolverResult:
        if max_iter is None:
            max_iter = _DEFAULT_MAX_ITER
        self._started = time.perf_counter()
        before = self.counters()
        self._calls_before = before["n_oracle_calls"]
        self._overruled_before = before["n_overruled"]
        status, error = "max_iter", None
        try:
            if snapshot is None:
                self.enter()
            else:
                self.restore(snapshot)
            stop = snapshot is not None and self._stops_when_resumed(callback)
            while not (stop or self.n_iter >= max_iter or self._converged()):
                self.round(first=self.n_iter == 0)
                self.n_iter += 1
                if self._due():
                    self._certify()
                progress = self._progress()
                self._history.append(progress)
                stop = callback is not None and bool(callback(progress))
            # Only now, so that what callbacks keep does not depend on where the run ends.
            if not self._converged() and self._certified_at < self.n_iter:
                self._certify()
                self._history.replace_last(self._progress())
            if self._converged():
                status = "converged"
            elif stop:
                status = "stopped"
        except KeyboardInterrupt:
            status = "interrupted"
        except Exception as caught:
            if self.n_iter == 0:
                raise
            status, error = "failed", caught
        return self._result(status, error)

    @property
    def gap(self) -> float:
        """The certified relative gap; 1 before the first certificate."""
        return self._relative_gap(self.best_primal)

    def _converged(self) -> bool:
        return self.n_iter > 0 and self.gap <= self.tol

    def _due(self) -> bool:
        return _ESTIMATE_TO_GAP * self.estimate <= max(self._next_level, self.tol)

    def _relative_gap(self, primal: float) -> float:
        if not math.isfinite(primal):
            return 1.0
        return max(primal - self.best_dual, 0.0) / primal if primal > 0 else 0.0

    def _stops_when_resumed(self, callback: Callback | None) -> bool:
        """Whether the callback, asked again, wants the run to end where the snapshot was taken."""
        asked_again = getattr(callback, "stops_when_resumed", None)
        return asked_again is not None and bool(asked_again(self._progress()))

    def _candidates(self) -> list[NDArray[np.float64]]:
        # An average of weights >= 0 may be below 0 by a rounding error.
        return [self.problem.project(weights) for weights in self.candidates()]

    def _certify(self) -> None:
        self._certified_at = self.n_iter
        for weights in self._candidates():
            self.certified(weights, self.mean_hinge(weights))
        while self._next_level > self.tol and self.gap <= self._next_level:
            self._next_level /= 10

    def _seconds(self) -> float:
        return self._seconds_before + time.perf_counter() - self._started

    def _progress(self) -> Progress:
        now = self.counters()
        return Progress(
            n_iter=self.n_iter,
            objective=self.best_primal / self.lam,
            dual_objective=self.best_dual / self.lam,
            gap=self.gap,
            gap_estimate=self.estimate,
            mean_hinge=self.met_hinge,
            n_oracle_calls=now["n_oracle_calls"] - self._calls_before,
            seconds=self._seconds(),
            n_planes=now["n_planes"],
            solver_bytes=now["solver_bytes"],
            make_weights=self.presentable,
            snapshot=self.snapshot,
        )

    def _result(self, status: str, error: Exception | None) -> SolverResult:
        now = self.counters()
        weights = self.best_weights
        return SolverResult(
            weights=np.array(self.presentable()) if weights is None else weights,
            objective=self.best_primal / self.lam,
            dual_objective=self.best_dual / self.lam,
            gap=self.gap,
            tol=self.tol,
            n_iter=self.n_iter,
            n_oracle_calls=now["n_oracle_calls"] - self._calls_before,
            n_overruled=now["n_overruled"] - self._overruled_before,
            status=status,
            history=self._history.arrays(),
            state=self.state(),
            error=error,
        )
