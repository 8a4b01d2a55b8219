"""Training where outputs are partly hidden: the concave-convex procedure (CCCP)."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.base import StructuredModel
from structsvm.callbacks.log import log_to_stderr, logger
from structsvm.data.scaling import ColumnScaling
from structsvm.engines import Engine
from structsvm.linalg._sums import dot
from structsvm.solvers import Progress, Solver, SolverResult, capabilities_of
from structsvm.solvers.base import Snapshot
from structsvm.training.capabilities import Callback, check_callbacks
from structsvm.training.penalty import InUnits
from structsvm.training.train import Bound, Examples, Outcome, train

__all__ = ["LatentOutcome", "LatentTraining", "Round"]

# The gap of the first round. Those of later rounds are this share of what the objective fell by
# in the round before, but never greater, nor less than the tolerance.
_FIRST_GAP, _SHARE = 0.02, 0.3

# After a round that ended above where it began, the same problem goes on to a gap this much less.
_TIGHTEN = 0.1

# Entries that a loss may differ by where only hidden parts do.
_ROUNDING = 1e-9

#: Ends of a convex problem after which another round can follow, and of starts.
_SOLVED = ("converged", "max_iter")
_DONE = (*_SOLVED, "max_rounds")


class Round(NamedTuple):
    """What is told of a round."""

    start: int
    objective: float  #: with outputs completed anew, of the best weights of this start so far
    convex_objective: float  #: of the round's convex problem, which it bounds from above
    dual_objective: float
    gap: float  #: of the convex problem
    n_changed: int  #: outputs that are completed otherwise after this round
    n_iter: int
    n_oracle_calls: int
    seconds: float  #: since the fit began


@dataclasses.dataclass
class LatentOutcome:
    """The end of a start."""

    outcome: Outcome  #: of the last convex problem that made progress
    objective: float  #: 1/2 |w|^2 + C times the latent hinges, at its weights
    fall: float  #: what it fell by in that round, relatively
    n_rounds: int
    status: str = "max_rounds"
    error: Exception | None = None

    def bounded(self, dual_objective: float, moved: bool) -> None:
        """Take the bound of a later round, whose problem, where outputs moved, is another one."""
        result = self.outcome.result
        if not moved:
            dual_objective = max(dual_objective, result.dual_objective)
        result.dual_objective = dual_objective
        fall = max(self.objective - dual_objective, 0.0)
        result.gap = fall / self.objective if self.objective > 0 else 0.0


class LatentTraining:
    """Rounds of completion and convex training, from several starts.

    Parameters
    ----------
    model : StructuredModel
        With `complete`. Sized here.
    examples : Examples
        Outputs are partial. Read by the model here, unless an earlier call has done so.
    solver : solver object with a dual
    tol : float
        The gap of the last round, and what the objective has to fall by in a round, relatively,
        for another one to follow.
    n_init, max_rounds : int
    C, scale, max_iter, rescaling, engine, random_state, verbose, callbacks, listen
        See `structsvm.training.train.train`.

    Attributes
    ----------
    rounds : list of Round
        Of all starts.
    """

    def __init__(
        self,
        model: StructuredModel,
        examples: Examples,
        solver: Solver,
        *,
        tol: float,
        n_init: int,
        max_rounds: int,
        C: float | InUnits,
        scale: bool,
        random_state: np.random.RandomState,
        engine: Engine,
        verbose: int,
        **options: Any,
    ) -> None:
        self.model = model
        self.examples = examples
        self.solver = solver
        self.tol = tol
        self.n_init = n_init
        self.max_rounds = max_rounds
        self.C = C
        self.scale = scale
        self.random = random_state
        self.engine = engine
        self.verbose = verbose
        self.options = options
        self.rounds: list[Round] = []
        self.best: LatentOutcome | None = None
        self.scaling: Mapping[str, ColumnScaling] = {}
        self._earlier: NDArray[np.float64] | None = None  # of scaled columns, for checkpoints
        self._ended: SolverResult | None = None  # of what is known, where it is to be the end
        self._begun = time.perf_counter()

    def run(
        self, weights: NDArray[np.float64] | None = None, *, of_scaled: bool = False
    ) -> LatentOutcome:
        """Train from all starts; or from the completions at the weights of an earlier fit alone.

        However training ends, the best weights so far are kept, once there are any. `of_scaled`:
        the weights are of scaled columns.
        """
        self.examples.prepare(self.model)
        self.examples.size(self.model)
        n_weights = getattr(self.model, "n_weights", None)
        if n_weights is None:
            raise ValueError(
                f"{type(self.model).__name__} does not tell its number of weights: set "
                "self.n_weights in initialize(X, y)"
            )
        if weights is not None and len(weights) != n_weights:
            logger.info("the model has other weights than before, so the fit starts afresh")
            weights = None
        self._n_weights = int(n_weights)
        at_zero = self.model.completed(self.examples.X, self.examples.y, np.zeros(n_weights))
        if self.scale:
            scaling = self.model.learn_scaling(self.examples.X, at_zero)
            self.scaling = self.examples.given.allowed(self.model, scaling)
        self.inputs = self.model.scaled(self.examples.X, self.scaling)
        if weights is not None and of_scaled:
            self._earlier = weights
            weights = self._bind(at_zero).in_user_units(weights)
        status: str = "interrupted"
        error: Exception | None = None
        with log_to_stderr(self.verbose):
            try:
                for start in range(self.n_init if weights is None else 1):
                    first = self._first(start, weights, at_zero)
                    ended = self._rounds_from(start, first)
                    status, error = ended.status, ended.error
                    if status not in _DONE:
                        break
            except KeyboardInterrupt:
                if self.best is None:
                    raise
            except Exception as caught:  # of a completion, since rounds keep theirs
                if self.best is None:
                    raise
                status, error = "failed", caught
        assert self.best is not None
        if status not in _DONE:
            self.best.status, self.best.error = status, error
        return self.best

    # ---- what to begin with

    def _first(self, start: int, weights: NDArray[np.float64] | None, at_zero: Any) -> Any:
        """The completed outputs that a start begins with."""
        model, X, y = self.model, self.examples.X, self.examples.y
        if weights is not None:
            return model.completed(X, y, weights)
        if (first := model.first_completed(self.inputs, y, self.random)) is not None:
            return first
        if start:
            at = self.random.normal(size=self._n_weights)
            if (signs := model.non_negative) is not None:
                at[signs] = np.abs(at[signs])
            return model.completed(self.inputs, y, at)
        if not model.takes_void or not len(model.differing(at_zero, y)):
            return at_zero
        # What is known tells more than weights of zero.
        outcome = self._train(self.examples, self._bind(y), max(self.tol, _FIRST_GAP))
        self._earlier = outcome.result.weights
        if outcome.result.status not in _SOLVED:
            self._ended = outcome.result
            # The one round that weights to keep need; a checkpoint stays that of what was solved.
            self.options |= {"max_iter": 1, "callbacks": ()}
        return model.completed(X, y, outcome.weights)

    # ---- rounds

    def _rounds_from(self, start: int, completed: Any) -> LatentOutcome:
        """Rounds from these completions on; the outcome is that of the last."""
        model, best = self.model, None
        gap, bound, moved = max(self.tol, _FIRST_GAP), self._bind(completed), False
        for n_rounds in range(1, self.max_rounds + 1):
            outcome = self._train(dataclasses.replace(self.examples, y=completed), bound, gap)
            bound, result, n_changed = outcome.bound, outcome.result, 0
            end = self._ended or result
            done = end.status in _SOLVED
            if best is None or result.objective < best.objective:
                before = math.inf if best is None else best.objective
                best = LatentOutcome(outcome, result.objective, math.inf, n_rounds)
                if done:
                    following = model.completed(
                        self.examples.X, self.examples.y, outcome.weights, completed
                    )
                    changed = model.differing(completed, following)
                    n_changed = len(changed)
                    if n_changed:
                        bound, gain = self._next(bound, completed, following, changed, result)
                        best.objective -= outcome.C * gain
                        completed = following
                if before < math.inf:
                    best.fall = (before - best.objective) / before if before > 0 else 0.0
                self._keep(best)
                moved = n_changed > 0
                ends = not n_changed or best.fall <= self.tol
                tighter = self.tol if not n_changed else _SHARE * best.fall
            else:
                ends, tighter = True, _TIGHTEN * gap
                best.bounded(result.dual_objective, moved)
                moved = False
            best.n_rounds = n_rounds
            self._record(start, best, outcome, n_changed)
            if not done:
                best.status, best.error = end.status, end.error
                break
            if ends and gap <= self.tol:
                best.status = result.status
                break
            gap = max(self.tol, min(gap, tighter))
        assert best is not None
        return best

    def _keep(self, latest: LatentOutcome) -> None:
        if self.best is None or latest.objective < self.best.objective:
            self.best = latest
            self._earlier = latest.outcome.result.weights

    def _bind(self, completed: Any) -> Bound:
        problem = self.model.bind(self.inputs, completed)
        problem.set_sample_weight(self.examples.weight)
        problem = self.examples.given.restrict(problem, self.model, self.scaling)
        given = self.examples.given
        return Bound(self.model, problem, None, self.scaling, self.scale, given=given)

    def _train(self, examples: Examples, bound: Bound, gap: float) -> Outcome:
        callbacks = check_callbacks(self.options.get("callbacks", ()), False)
        options = self.options | {"callbacks": [self._with_earlier(one) for one in callbacks]}
        outcome = train(
            self.model,
            examples,
            self.solver,
            C=self.C,
            tol=gap,
            engine=self.engine,
            random_state=self.random,
            verbose=self.verbose,
            start=bound,
            **options,
        )
        self.C = outcome.C
        return outcome

    def _with_earlier(self, callback: Callback) -> Callback:
        """Show a callback snapshots that never lack weights to go on from: a round has none before
        its first certificate, but those before it had some."""

        def call(progress: Progress) -> Any:
            def snapshot() -> Snapshot:
                held = progress.snapshot()
                if self._earlier is not None:
                    held.setdefault("best_weights", np.array(self._earlier))
                return held

            return callback(dataclasses.replace(progress, snapshot=snapshot))

        return call

    def _next(
        self, bound: Bound, before: Any, after: Any, changed: NDArray[np.intp], result: SolverResult
    ) -> tuple[Bound, float]:
        """The problem of other completions, with the planes of the one before; and by how much the
        sum of hinges falls at the weights of the result."""
        following = self._bind(after)
        # Beside a prior, losses of planes would change, too.
        moves = capabilities_of(self.solver).can_move and not self.examples.given.any()
        old: Any = bound.problem
        new: Any = following.problem
        whole = new.whole(result.weights)
        weight, gain, shifts = old.example_weights(), 0.0, []
        for i in changed.tolist():
            self._check_loss(i, before, after)
            indices, values = new.plain.truth_change(old.plain, i)
            gain += weight[i] * dot(values, whole[indices])
            if moves:
                indices, values = new.truth_change(old, i)
                shifts.append((i, indices, values * weight[i]))
        if moves:
            following = following._replace(state=bound.state.moved(new, shifts))
        return following, gain

    def _check_loss(self, i: int, before: Any, after: Any) -> None:
        """Planes keep their losses, and the objective falls, only where hidden parts cost
        nothing."""
        loss = self.model.loss_of_completion(before, after, i)
        if abs(loss) > _ROUNDING:
            raise ValueError(
                f"two outputs that agree with y[{i}] differ by a loss of {loss:g}: the loss of "
                f"{type(self.model).__name__} may not depend on what is hidden in the truth"
            )

    def _record(self, start: int, best: LatentOutcome, outcome: Outcome, n_changed: int) -> None:
        result = outcome.result
        row = Round(
            start,
            best.objective,
            result.objective,
            result.dual_objective,
            result.gap,
            n_changed,
            result.n_iter,
            result.n_oracle_calls,
            time.perf_counter() - self._begun,
        )
        self.rounds.append(row)
        if self.verbose:
            logger.info(
                "start %d, round %d: objective %.6g, gap of the convex problem %.1e, %d outputs "
                "completed otherwise",
                start,
                best.n_rounds,
                row.objective,
                row.gap,
                n_changed,
            )
