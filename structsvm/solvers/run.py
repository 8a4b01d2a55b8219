"""The frame of every solver: rounds, certificates, history, callbacks, snapshots, Ctrl-C."""

from __future__ import annotations

import abc
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from structsvm.data.snapshots import Kind, check_snapshot, count, number, vector
from structsvm.engines import Engine, Serial
from structsvm.exceptions import ModelFileError, OracleWarning, warn
from structsvm.linalg._sums import dot
from structsvm.problems import Problem
from structsvm.solvers._evaluator import Evaluator
from structsvm.solvers._plane_store import PlaneStore
from structsvm.solvers.base import (
    RECORDED,
    Callback,
    History,
    Monitor,
    Progress,
    Snapshot,
    SolverResult,
    check_weights,
    regularization,
)
from structsvm.solvers.best_multiple import best_multiple
from structsvm.solvers.oracle_check import a_few, find_fault, find_fault_in

__all__ = ["Part", "Run", "StoreRun", "best_scale", "dual_value", "dual_value_at"]

# Every so many rounds without a certificate, a multiple of the weights is considered, ...
_LOOK_EVERY = 5
# ... if the dual value rose by at most so many times the tolerance since the last time: while it
# rises more, a multiple of the weights cannot close the gap.
_RISE_TO_LOOK = 1.0

# Where such a look is cheap, the next one comes when the gap should have fallen half the way, going
# by this fall of its logarithm in a round.
_FALL_OF_ROUND = 0.08
# A look that was too hopeful makes those after it stricter, by at most this share; less each time.
_LEAST_SHARE, _SHARE_GROWTH = 0.5, 1.1

# The estimate uses values from the whole round; at its end the gap is about this share of it.
_ESTIMATE_TO_GAP = 0.6

_DEFAULT_TOL, _DEFAULT_MAX_ITER = 1e-3, 1000

# A dual value above a primal value by less than this share of them is rounding, ...
_SAME_VALUE = 1e-6
# ... and so is one by less than this share of the greatest mean hinge so far.
_NO_HINGE = 1e-12


def dual_value(z: NDArray[np.float64], loss: float, lam: float) -> float:
    r"""Dual objective of the best multiple of a dual point, at most the point itself.

    ``z = sum_i alpha_i delta_i / n`` and ``loss = sum_i alpha_i Delta_i / n``. If alpha is
    feasible, so is s alpha for s in [0, 1], with the rest of the weight on the true outputs. So
    ``max_s s * loss - s^2 |z|^2 / (2 lambda)`` is a lower bound of the optimum.
    """
    return dual_value_at(dot(z, z), loss, lam)


def dual_value_at(sqnorm: float, loss: float, lam: float) -> float:
    """`dual_value`, given ``|z|^2``."""
    scale = _best_scale(sqnorm, loss, lam)
    return scale * loss - scale**2 * sqnorm / (2 * lam)


def best_scale(
    z: NDArray[np.float64], loss: float, lam: float
) -> tuple[NDArray[np.float64], float]:
    """The best multiple of a dual point, as in `dual_value`: z, a new array, and its loss."""
    scale = _best_scale(dot(z, z), loss, lam)
    return scale * z, scale * loss


def _best_scale(sqnorm: float, loss: float, lam: float) -> float:
    return 1.0 if sqnorm <= lam * loss else lam * max(loss, 0.0) / sqnorm


class Answer(NamedTuple):
    """The weights that a run returns, and their primal value; inf if it is unknown."""

    weights: Any  #: an array, or a function that makes it
    primal: float


class Part(Protocol):
    """An object with state of its own that later rounds depend on."""

    def kinds(self) -> dict[str, Kind]:
        """What `snapshot` holds."""
        ...

    def snapshot(self) -> Snapshot: ...
    def restore(self, held: Snapshot) -> None: ...


class Run(abc.ABC):
    """One call of ``solve``. Subclasses define a round; everything here is in the mean form.

    A round ends with a call of `measured`, with the value of a dual point and an estimate of the
    primal value. Exact primal values need a pass at fixed weights. It is made when the estimate
    reaches the next power of ten or the tolerance, and at the end; also at a multiple of the
    weights, if the dual value hardly rises and `hinge_along` says that their length causes the gap.
    """

    cheap_looks = False  #: whether `hinge_along` takes less than a pass

    def __init__(
        self, problem: Problem, C: float, tol: float | None, random_state: np.random.RandomState
    ) -> None:
        self.problem = problem
        self.engine: Engine = Serial()
        self.n = problem.n_examples
        self.lam = regularization(C, problem.n_examples)
        self.tol = _DEFAULT_TOL if tol is None else tol
        self.random = random_state
        self.n_iter = 0
        self.best_weights: NDArray[np.float64] | None = None
        self.best_hinges: NDArray[np.float64] | None = None  # if they are to be checked
        self.best_primal = math.inf
        self.best_mean_hinge: float | None = None  # of the best weights
        self.best_dual = -math.inf
        self.estimate = 1.0
        self.met_hinge = math.nan
        self.met_value = math.nan  # the primal value that goes with it
        #: Why the gap is no certificate, whatever the problem says; None where nothing speaks
        #: against it.
        self.doubt: str | None = None
        self._next_level = 0.1
        self._certified_at = 0  # the iteration
        self._dual_at_look = -math.inf  # when a multiple of the weights was last thought of
        self._next_look = _LOOK_EVERY  # the iteration
        self._look_share = 1.0  # of the next level that the gap must be within, at a look
        self._history = History()
        self._seconds_before = 0.0
        self._calls_before = self._overruled_before = 0
        self._n_checked = 0  # oracle calls of a check

    # ---- for subclasses to fill in

    @abc.abstractmethod
    def enter(self) -> None:
        """Before the first round."""

    @abc.abstractmethod
    def round(self, first: bool) -> None:
        """One pass over the data; calls `measured` at its end."""

    @abc.abstractmethod
    def candidates(self) -> list[NDArray[np.float64]]:
        """Weights worth a certificate now, as arrays that will not change; an early stop returns
        the last."""

    @abc.abstractmethod
    def counters(self) -> dict[str, int]:
        """n_oracle_calls, n_overruled, n_planes and solver_bytes, as they are now."""

    def hinge_along(
        self, weights: NDArray[np.float64]
    ) -> Callable[[float], tuple[float, float]] | None:
        """What the mean hinge and its slope are, or at least are, at multiples of `weights`;
        None where a run does not know, or where only the weights themselves can be given back."""
        return None

    def promising(self) -> NDArray[np.float64]:
        """Weights, a multiple of which may deserve a certificate."""
        return self.candidates()[-1]

    def mean_hinge(
        self, weights: NDArray[np.float64], hinges: NDArray[np.float64] | None = None
    ) -> float:
        """The mean hinge at fixed weights, one oracle call an example; `hinges` receives each."""
        return self.problem.mean_hinge(weights, hinges, self.engine)

    def settle(self) -> None:  # noqa: B027
        """Make `candidates` and `state` usable again after an interrupted round."""

    def contradicted(self, sentence: str) -> None:
        """Called if a dual value is above a primal one, so one of them is no bound."""
        self.has_doubt(sentence)

    def inner(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        """The inner product of two weight vectors; kernel problems override it."""
        return dot(a, b)

    def dual_value(self, z: NDArray[np.float64], loss: float) -> float:
        """`dual_value` of a dual point, with the best multipliers for weights >= 0."""
        allowed = self.problem.project(z, self.lam)
        return dual_value(allowed, loss + self.problem.loss_of_multipliers(z, allowed), self.lam)

    def worst_answer(self) -> tuple[int, float] | None:
        """The example with the worst overruled answer, and how far its hinge was too low."""
        return None

    def state(self) -> Any:
        """The state that a later run can start from."""
        return None

    def kept(self) -> dict[str, Kind]:
        """Names and kinds of the attributes that later rounds depend on; snapshots hold them."""
        return {
            "n_iter": count(least=1),
            "best_weights": vector(self.problem.n_weights, optional=True),
            "best_hinges": vector(self.n, least=0.0, optional=True),
            "best_primal": number(least=0.0, most=math.inf),
            "best_mean_hinge": number(least=0.0)._replace(optional=True),
            "best_dual": number(least=-math.inf),
            "estimate": number(least=0.0),
            "met_hinge": number(most=math.inf, nan=True),
            "doubt": Kind(np.str_, optional=True),
            "_next_level": number(least=0.0, most=1.0),
            "_certified_at": count(),
            "_dual_at_look": number(least=-math.inf),
            "_next_look": count()._replace(optional=True),
            "_look_share": number(least=0.0, most=1.0)._replace(optional=True),
            "_calls_before": count(),
            "_overruled_before": count(),
            "_n_checked": count(most=self.n)._replace(optional=True),  # version 0.1 has none
        }

    def parts(self) -> dict[str, Part]:
        """The objects that later rounds depend on, by the prefix of their names in a snapshot."""
        return {}

    def outward(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights of the problem that `solve` was given, where the run has others."""
        return weights

    def outward_later(self, weights: NDArray[np.float64]) -> Any:
        """`outward`, or a function that does it when the run is gone."""
        return self.outward(weights)

    def inward(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The weights of the run for weights of that problem."""
        return weights

    # ---- for subclasses to call

    def measured(self, dual: float, weights: NDArray[np.float64], hinge: float) -> bool:
        """Record a round's values; returns whether the dual value is the best so far."""
        improved = dual > self.best_dual
        self.best_dual = max(self.best_dual, dual)
        self._compare(self.best_primal)
        self.met_hinge = hinge
        guess = self.lam / 2 * self.inner(weights, weights) + hinge
        self.met_value = guess
        self.estimate = 1.0
        if math.isfinite(guess):
            self.estimate = max(guess - self.best_dual, 0.0) / guess if guess > 0 else 0.0
        return improved

    def present_gap(self) -> float:
        """The absolute gap, by certificate or by the estimate of the last round."""
        primal = self.best_primal
        if math.isfinite(self.met_value):
            primal = min(primal, self.met_value)
        return max(primal - self.best_dual, 0.0)

    def remaining(self, gap: float) -> float:
        """What the logarithm of an absolute gap has to fall until the tolerance is reached."""
        if gap == 0.0 or not math.isfinite(gap):
            return gap
        relative = min(gap / (gap + self.best_dual), 1.0) if self.best_dual > 0.0 else 1.0
        if self.tol == 0.0:
            return math.inf
        return max(math.log(relative / self.tol), 0.0)

    def certify(self, weights: NDArray[np.float64]) -> float:
        """Make a pass at these weights, which must not change later; returns the mean hinge."""
        hinge, hinges = self._pass(weights)
        self.accept(weights, hinge, hinges)
        return hinge

    def accept(
        self,
        weights: NDArray[np.float64],
        hinge: float,
        hinges: NDArray[np.float64] | None = None,
    ) -> None:
        """Take note of the mean hinge that a pass at these weights found."""
        primal = self._primal(weights, hinge)
        if primal < self.best_primal:
            self.best_primal = primal
            self.best_weights, self.best_hinges = weights, hinges
            self.best_mean_hinge = hinge

    def has_doubt(self, sentence: str) -> None:
        """Record and warn, once a fit, why the gap is no certificate."""
        if self.doubt is None:
            self.doubt = sentence
            warn(sentence, OracleWarning)

    # ---- for callbacks to call

    def presentable(self) -> NDArray[np.float64]:
        """The weights that a stop now would return."""
        return self._candidates()[-1]

    def snapshot(self) -> Snapshot:
        """All that the rest of the run depends on, as arrays; valid between two rounds."""
        own = {name: getattr(self, name) for name in self.kept()}
        held = {name: np.array(value) for name, value in own.items() if value is not None}
        held["history"] = self._history.rows
        held["seconds"] = np.array(self._seconds())
        held["exact"] = np.array(int(self.problem.exact), dtype=np.int64)
        stream = self.random.get_state(legacy=False)
        if stream["bit_generator"] != "MT19937":
            raise ValueError(
                f"a checkpoint cannot hold a {stream['bit_generator']}: pass random_state as an int"
            )
        held["random/key"] = stream["state"]["key"].copy()
        for name in ("has_gauss", "gauss"):
            held[f"random/{name}"] = np.array(stream[name])
        held["random/pos"] = np.array(stream["state"]["pos"])
        for start, part in self.parts().items():
            held |= {start + name: value for name, value in part.snapshot().items()}
        return held

    def _kinds(self) -> dict[str, Kind]:
        """What each entry of a snapshot must be."""
        kinds = self.kept()
        kinds["history"] = Kind(np.float64, (None, len(RECORDED)), -math.inf, math.inf, True)
        kinds["seconds"] = number(least=0.0)
        kinds["exact"] = count(most=1)._replace(optional=True)  # version 0.1 has none
        kinds["random/key"] = Kind(np.uint32, (624,))
        kinds["random/pos"] = count(most=624)
        kinds["random/has_gauss"] = count(most=1)
        kinds["random/gauss"] = number()
        for start, part in self.parts().items():
            kinds |= {start + name: kind for name, kind in part.kinds().items()}
        return kinds

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from what `snapshot` returned.

        Raises
        ------
        ModelFileError
            If the snapshot is from another kind of run; then this run must not be used.
        """
        check_snapshot(snapshot, self._kinds())
        n_iter = int(snapshot["n_iter"])
        calls = snapshot["history"][:, RECORDED.index("n_oracle_calls")]
        self._history.rows = snapshot["history"]
        self.problem.go_on_from(bool(snapshot.get("exact", True)))
        # If an oracle misses the maximum, values are no bounds.
        excused = "doubt" in snapshot or not self.problem.exact
        bounds = float(snapshot["best_dual"]), float(snapshot["best_primal"])
        if (
            len(calls) != n_iter
            or snapshot["_certified_at"] > n_iter
            or not ((calls >= 0) & (calls <= 2.0**53)).all()
            or (not excused and self._is_above(*bounds))
        ):
            raise ModelFileError(
                f"the snapshot does not fit this problem: its numbers are not from {n_iter} "
                "iterations"
            )
        for name in self.kept():
            value = snapshot.get(name)
            if value is not None:
                setattr(self, name, value.item() if value.ndim == 0 else value.copy())
        self._seconds_before = float(snapshot["seconds"])
        stream = self.random.get_state(legacy=False)
        stream["state"]["key"] = snapshot["random/key"]
        stream["state"]["pos"] = int(snapshot["random/pos"])
        stream["has_gauss"] = int(snapshot["random/has_gauss"])
        stream["gauss"] = float(snapshot["random/gauss"])
        self.random.set_state(stream)
        for start, part in self.parts().items():
            part.restore({k: snapshot[start + k] for k in part.kinds() if start + k in snapshot})

    # ---- the loop

    def run(
        self,
        max_iter: int | None,
        callback: Callback | None,
        snapshot: Snapshot | None = None,
        engine: Engine | None = None,
    ) -> SolverResult:
        if engine is not None:
            self.engine = engine
        if max_iter is None:
            max_iter = _DEFAULT_MAX_ITER
        self._started = time.perf_counter()
        before = self.counters()
        self._calls_before = before["n_oracle_calls"]
        self._overruled_before = before["n_overruled"]
        if snapshot is not None:
            self.restore(snapshot)
        monitor = Monitor.of(callback)
        status, error = "max_iter", None
        began = False
        self._within_round = True
        try:
            if snapshot is None:
                self.enter()
            began, self._within_round = True, False
            stop = snapshot is not None and monitor.stops_when_resumed(self._progress())
            while not (stop or self.n_iter >= max_iter or self._converged()):
                self._within_round = True
                self.round(first=self.n_iter == 0)
                self.n_iter += 1
                self._within_round = False
                if self.n_iter == 1:
                    self._check_a_few()
                if self.best_weights is not None and self._converged():
                    pass  # the dual value alone has risen enough
                elif self._due():
                    self._certify()
                elif (scaled := self._promising_multiple()) is not None:
                    self._certify_at([scaled])
                    self._after_look()
                progress = self._progress()
                self._history.append(progress)
                stop = monitor(progress)
            if stop:
                status = "stopped"
        except KeyboardInterrupt:
            status = "interrupted"
        except Exception as caught:
            if self.n_iter == 0 or not began:
                raise
            status, error = "failed", caught
        answer, status, error = self._conclude(monitor.chosen_weights, status, error)
        return self._result(answer, status, error)

    def _conclude(
        self, chosen: NDArray[np.float64] | None, status: str, error: Exception | None
    ) -> tuple[Answer, str, Exception | None]:
        """Certify the weights to return, however the run ended, unless Ctrl-C comes again."""
        answer = None
        while answer is None:
            broken_off = status in ("interrupted", "failed")
            try:
                if self._within_round:
                    self.settle()
                    self._within_round = False
                # Only now: what callbacks see must not depend on where the run ends.
                if not self._converged() and self._is_uncertified():
                    self._certify()
                answer = self._answer(chosen)
            except KeyboardInterrupt:
                if broken_off:
                    break
                status = "interrupted"
            except Exception as caught:
                if not broken_off:
                    status, error = "failed", caught
                break
        if self._converged() and status in ("max_iter", "stopped"):
            status = "converged"
        if answer is None:
            answer = self._uncertified_answer(chosen)
            if self._is_checked():
                self.doubt = "the fit ended before answers were compared with predictions"
        return answer, status, error

    def _is_uncertified(self) -> bool:
        return self.best_weights is None or self._certified_at < self.n_iter

    def _answer(self, chosen: NDArray[np.float64] | None) -> Answer:
        """The weights to return, with their primal value."""
        if chosen is None:
            answer = self._uncertified_answer(None)
            self._check(answer.weights, self.best_hinges)
            return answer
        own = self.inward(chosen)
        hinge, hinges = self._pass(own)
        answer = Answer(chosen, self._primal(own, hinge))
        self._check(chosen, hinges)
        return answer

    def _uncertified_answer(self, chosen: NDArray[np.float64] | None) -> Answer:
        """The weights to return without another pass."""
        if chosen is not None:
            return Answer(chosen, math.inf)
        weights = self.best_weights
        weights = np.array(self.presentable()) if weights is None else weights
        return Answer(self.outward_later(weights), self.best_primal)

    @property
    def gap(self) -> float:
        """The certified relative gap; 1 before the first certificate."""
        return self._relative_gap(self.best_primal)

    def _converged(self) -> bool:
        if self.n_iter == 0:
            return False
        # If the dual value is above the primal one, further passes are useless.
        return self.gap <= self.tol or self._is_above(self.best_dual, self.best_primal)

    # ---- oracles from outside

    def _is_checked(self) -> bool:
        return self.problem.foreign and self.problem.exact and self.doubt is None

    def _pass(self, weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64] | None]:
        """The mean hinge at fixed weights, and all hinges if they are to be checked."""
        hinges = np.empty(self.n) if self.problem.foreign else None
        return self.mean_hinge(weights, hinges), hinges

    def _check_a_few(self) -> None:
        """Check a few answers early, to warn before a long fit that is in vain."""
        if self._is_checked():
            examples = a_few(self.problem)
            self._n_checked = len(examples)
            self._tell(find_fault_in(self.problem, self.presentable(), examples, self.engine))

    def _check(self, weights: NDArray[np.float64], hinges: NDArray[np.float64] | None) -> None:
        """Compare the hinges of the weights to return with predictions."""
        if self._is_checked():
            if hinges is None:  # from a checkpoint without them
                _, hinges = self._pass(weights)
                assert hinges is not None
            self._tell(find_fault(self.problem, weights, hinges, self.engine))

    def _tell(self, fault: str | None) -> None:
        if fault is not None:
            self.has_doubt(fault)

    def _due(self) -> bool:
        return _ESTIMATE_TO_GAP * self.estimate <= max(self._next_level, self.tol)

    def _relative_gap(self, primal: float) -> float:
        """(P - D) / P; or (D - P) / D if D exceeds P by more than rounding, which is an error."""
        dual = self.best_dual
        if not math.isfinite(primal):
            return 1.0
        if self._is_above(dual, primal):
            return min((dual - primal) / dual, 1.0) if dual > 0 else 1.0
        return max(primal - dual, 0.0) / primal if primal > 0 else 0.0

    def _is_above(self, dual: float, primal: float) -> bool:
        excess = dual - primal
        if not excess > _SAME_VALUE * max(abs(dual), abs(primal)):
            return False
        met = self._history.rows[:, RECORDED.index("mean_hinge")]
        return excess > _NO_HINGE * float(met[np.isfinite(met)].max(initial=0.0))

    def _compare(self, primal: float) -> None:
        if self.problem.exact and self._is_above(self.best_dual, primal):
            self.contradicted(
                f"the dual value, {self.best_dual / self.lam:.6g}, is above the objective, "
                f"{primal / self.lam:.6g}: this is impossible for bounds, so the duality gap is no "
                "certificate. Some answer of the oracle was not the maximum: "
                "structsvm.testing.check_model finds such faults"
            )

    def _primal(self, weights: NDArray[np.float64], mean_hinge: float) -> float:
        primal = self.lam / 2 * self.inner(weights, weights) + mean_hinge
        self._compare(primal)
        return primal

    def _candidates(self) -> list[NDArray[np.float64]]:
        # Rounding may put an average of weights >= 0 below 0.
        return [check_weights(self.problem.project(weights)) for weights in self.candidates()]

    def _promising_multiple(self) -> NDArray[np.float64] | None:
        """Now and then: the best multiple of the weights, if its certificate should do."""
        due = self.n_iter % _LOOK_EVERY == 0
        if self.cheap_looks:
            due = self.n_iter >= self._next_look
        if not due or not math.isfinite(self.best_dual):
            return None
        self._next_look = self.n_iter + _LOOK_EVERY
        rise, self._dual_at_look = self.best_dual - self._dual_at_look, self.best_dual
        if not rise <= _RISE_TO_LOOK * self.tol * self.best_dual:
            return None
        weights = check_weights(self.problem.project(self.promising()))
        hinge = self.hinge_along(weights)
        if hinge is None:
            return None
        multiple, primal = best_multiple(self.lam * self.inner(weights, weights), hinge)
        level, gap = max(self._next_level, self.tol) * primal, primal - self.best_dual
        if gap > self._look_share * level:
            if self.cheap_looks and level > 0.0:
                far = math.log(gap / (self._look_share * level)) / (2 * _FALL_OF_ROUND)
                self._next_look = self.n_iter + min(max(int(far), 1), _LOOK_EVERY)
                self._look_share = min(_SHARE_GROWTH * self._look_share, 1.0)
            return None
        return self.problem.project(multiple * weights)

    def _after_look(self) -> None:
        """Learn from a certificate by how much a look was too hopeful."""
        level = max(self._next_level, self.tol)
        self._look_share = 1.0
        if self.cheap_looks and self.gap > level:
            self._look_share = max(level / self.gap, _LEAST_SHARE)

    def _certify(self) -> None:
        self._certify_at(self._candidates())

    def _certify_at(self, points: list[NDArray[np.float64]]) -> None:
        self._certified_at = self.n_iter
        for weights in points:
            self.certify(weights)
        self._lower_level()

    def _lower_level(self) -> None:
        """The next power of ten that a certificate is made for."""
        while self._next_level > self.tol and self.gap <= self._next_level:
            self._next_level /= 10

    def _is_estimate(self, n_overruled: int) -> bool:
        return not self.problem.exact or self.doubt is not None or n_overruled > 0

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
            n_oracle_calls=now["n_oracle_calls"] - self._calls_before + self._n_checked,
            seconds=self._seconds(),
            n_planes=now["n_planes"],
            solver_bytes=now["solver_bytes"],
            make_weights=lambda: self.outward(self.presentable()),
            snapshot=self.snapshot,
            is_estimate=self._is_estimate(now["n_overruled"] - self._overruled_before),
        )

    def _result(self, answer: Answer, status: str, error: Exception | None) -> SolverResult:
        self._history.end_with(self._progress())
        now = self.counters()
        return SolverResult(
            weights=answer.weights,
            objective=answer.primal / self.lam,
            dual_objective=self.best_dual / self.lam,
            gap=self._relative_gap(answer.primal),
            tol=self.tol,
            n_iter=self.n_iter,
            n_oracle_calls=now["n_oracle_calls"] - self._calls_before + self._n_checked,
            n_overruled=now["n_overruled"] - self._overruled_before,
            status=status,
            history=self._history.arrays(),
            state=self.state(),
            error=error,
            doubt=self.doubt,
            worst_answer=self.worst_answer(),
        )


class StoreRun(Run):
    """A run that stores planes, including those of passes at fixed weights.

    Subclasses set `store` and `evaluator` and define `vector_bytes`.
    """

    store: PlaneStore
    evaluator: Evaluator

    @abc.abstractmethod
    def vector_bytes(self) -> int:
        """Memory of everything but the store, in bytes."""

    def mean_hinge(
        self, weights: NDArray[np.float64], hinges: NDArray[np.float64] | None = None
    ) -> float:
        return self.evaluator.evaluate(weights, hinges, self.engine)

    def worst_answer(self) -> tuple[int, float] | None:
        return self.evaluator.worst_answer

    def counters(self) -> dict[str, int]:
        return {
            "n_oracle_calls": self.evaluator.n_oracle_calls,
            "n_overruled": self.evaluator.n_overruled,
            "n_planes": self.store.n_planes,
            "solver_bytes": self.store.nbytes + self.vector_bytes(),
        }
