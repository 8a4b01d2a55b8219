"""What surrounds a call of a solver: the examples, the held-out ones, and who hears of progress."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.base import StructuredModel
from structsvm.callbacks.log import log_progress
from structsvm.callbacks.sklearn_reports import TaskReport
from structsvm.data.checks import check_pairs, check_sample_weight
from structsvm.data.sequences import PackedSequences
from structsvm.data.snapshots import Kind, check_snapshot, vector
from structsvm.engines.processes import in_processes
from structsvm.exceptions import warn
from structsvm.problems import Problem
from structsvm.problems.python_methods import ask_batch
from structsvm.solvers import Progress, SolverResult
from structsvm.solvers.base import Snapshot

__all__ = ["Bound", "Examples", "Validation", "Watch", "batch_answers", "of_held_out_examples"]


@dataclasses.dataclass
class Examples:
    """The data of a fit: pairs, a weight for each, and what else ``model.prepare`` takes."""

    X: Any
    y: Any
    weight: Any
    bind_params: dict[str, Any]
    n_violations: int | None = None  #: outputs that the model could not take, where it counts them
    prepared: bool = False

    def check(self) -> None:
        self.X, self.y = check_pairs(self.X, self.y)
        self.weight = check_sample_weight(self.weight, len(self.X))

    def prepare(self, model: StructuredModel, *, whole: bool = True) -> None:
        """Have the model read the examples, once, and see to outputs that it could not take.

        These are the `whole` data, or a piece.
        """
        if self.prepared:
            return
        self.check()
        self.X, self.y = model.prepare(
            self.X, self.y, sample_weight=self.weight, **self.bind_params
        )
        self.prepared = True
        if (screened := model._screened(self.y, whole=whole)) is None:
            return
        self.n_violations = screened.n_violations
        if screened.told:
            warn(screened.told, UserWarning)
            self.y = screened.y
            if (kept := screened.kept) is not None:
                self.X = self.X.take(kept)
                if self.weight is not None:
                    self.weight = check_sample_weight(self.weight[kept], len(kept))

    def bind(self, model: StructuredModel) -> Problem:
        problem = model.bind(self.X, self.y)
        problem.set_sample_weight(self.weight)
        return problem


class Bound(NamedTuple):
    """A model sized and bound to examples, and the solver's state to go on from, if any."""

    model: StructuredModel
    problem: Problem
    state: Any


class Validation:
    """Held-out pairs, or none."""

    def __init__(self, X: Any, y: Any) -> None:
        if (X is None) != (y is None):
            given, lacking = ("X_val", "y_val") if y is None else ("y_val", "X_val")
            raise ValueError(f"{given} is given without {lacking}: give both or neither")
        self.given = X is not None
        self.screened = self.prepared = False
        self.X: Any = X if self.given else []
        self.y: Any = y if self.given else []
        if self.given:
            with of_held_out_examples():
                self.check()

    def check(self) -> None:
        self.X, self.y = check_pairs(self.X, self.y)

    def prepare(self, model: StructuredModel) -> None:
        """Have the sized model read the inputs, once."""
        if self.given and not self.prepared:
            with of_held_out_examples():
                self.X, _ = model.prepare(self.X)
            self.prepared = True

    def screen(self, model: StructuredModel) -> None:
        """See to outputs that the model could not take."""
        if not self.given or self.screened:
            return
        self.screened = True
        with of_held_out_examples():
            screened = model._screened(self.y, held_out=True)
        if screened is not None and screened.told:
            warn(f"in X_val and y_val: {screened.told}", UserWarning)
            self.y = screened.y
            if screened.kept is not None:
                kept = screened.kept
                packed = isinstance(self.X, PackedSequences)
                self.X = self.X.take(kept) if packed else [self.X[i] for i in kept]

    def score(self, estimator: Any, model: StructuredModel, weights: NDArray[np.float64]) -> float:
        with of_held_out_examples():
            n_jobs = estimator._threads()
            guess = batch_answers(model, "batch_inference", self.X, w=weights, n_jobs=n_jobs)
            return float(estimator._score_outputs(model, self.y, guess))


def batch_answers(
    model: StructuredModel, name: str, *columns: Any, w: NDArray[np.float64], n_jobs: int
) -> Any:
    """What a batch method of the model answers, with `n_jobs` threads or processes.

    A method that takes `n_jobs` sees to it; others are called by worker processes.
    """
    method = getattr(model, name)
    if _takes_n_jobs(getattr(method, "__func__", method)):
        return ask_batch(model, name, *columns, w=w, n_jobs=n_jobs)[1]
    return in_processes(model, name, *columns, w=w, n_processes=n_jobs)


@functools.lru_cache(maxsize=64)  # it takes a tenth of the time of a prediction
def _takes_n_jobs(method: Callable[..., Any]) -> bool:
    return "n_jobs" in inspect.signature(method).parameters


@contextlib.contextmanager
def of_held_out_examples() -> Iterator[None]:
    """Say of complaints about X and y that they are about X_val and y_val."""
    try:
        yield
    except Exception as error:
        if not isinstance(error, ValueError):
            error.add_note("in X_val and y_val")
            raise
        copy = ValueError(f"in X_val and y_val: {error}")
        for note in getattr(error, "__notes__", ()):
            copy.add_note(note)
        raise copy from error


class Watch:
    """Called after every iteration: validates, logs, and tells the estimator's callbacks."""

    def __init__(
        self,
        estimator: Any,
        model: StructuredModel,
        validation: Validation,
        identity: Callable[[], str],
    ) -> None:
        self.estimator = estimator
        self.model = model
        self.validation = validation
        self.identity = identity
        self.scores: list[float] = []
        # The best score and its weights: one object, so that Ctrl-C finds both or neither.
        self._best: tuple[float, NDArray[np.float64] | None] = (-math.inf, None)
        for callback in estimator.callbacks or ():
            if getattr(callback, "needs_validation", False) and not validation.given:
                raise ValueError(f"{callback!r} needs X_val and y_val in fit")
        self.report = TaskReport(estimator)

    def __call__(self, progress: Progress) -> bool:
        if self.validation.given:
            self._validate(progress.weights)
        progress = dataclasses.replace(
            progress, validation_scores=tuple(self.scores), snapshot=self._snapshot_of(progress)
        )
        if self.estimator.verbose:
            log_progress(progress, self.estimator.verbose)
        # Every callback hears of every iteration, also when an earlier one wants to stop.
        wishes = [bool(callback(progress)) for callback in self.estimator.callbacks or ()]
        wishes.append(self.report.iteration(lambda: self._fitted(np.array(progress.weights))))
        return any(wishes)

    def _validate(self, weights: NDArray[np.float64]) -> None:
        score = self.validation.score(self.estimator, self.model, weights)
        if math.isnan(score):
            raise ValueError(
                f"the score of {type(self.model).__name__} on X_val and y_val is not a number"
            )
        if self.chosen_weights is None or score > self._best[0]:
            self._best = (score, np.array(weights))
        self.scores.append(score)

    @property
    def chosen_weights(self) -> NDArray[np.float64] | None:
        """Those that did best on the held-out examples so far; solvers certify and return them."""
        return self._best[1]

    def _fitted(self, weights: NDArray[np.float64]) -> dict[str, Any]:
        attributes: dict[str, Any] = self.estimator._fitted_attributes(weights, self.model)
        return attributes

    # ---- checkpoints

    def _snapshot_of(self, progress: Progress) -> Callable[[], Snapshot]:
        def snapshot() -> Snapshot:
            held = progress.snapshot()
            held["identity"] = np.array(self.identity())
            held["validation/scores"] = np.array(self.scores)
            if self.chosen_weights is not None:
                held["validation/weights"] = self.chosen_weights
            return held

        return snapshot

    def stops_when_resumed(self, progress: Progress) -> bool:
        """Whether early stopping ended the fit in the iteration that the checkpoint is of."""
        progress = dataclasses.replace(progress, validation_scores=tuple(self.scores))
        return any(
            callback(progress)
            for callback in self.estimator.callbacks or ()
            if getattr(callback, "needs_validation", False)
        )

    def restore(self, snapshot: Snapshot, n_weights: int) -> Snapshot:
        """Take back what `_snapshot_of` added; returns what is the solver's."""
        own = {name: snapshot[name] for name in snapshot if name.startswith("validation/")}
        given = self.validation.given
        n_scores = snapshot["history"].shape[:1] if given and "history" in snapshot else (0,)
        kinds = {
            "validation/scores": Kind(np.float64, n_scores),
            "validation/weights": vector(n_weights, optional=not given),
        }
        check_snapshot(own, kinds)
        self.scores = own["validation/scores"].tolist()
        self._best = (max(self.scores, default=-math.inf), own.get("validation/weights"))
        return {name: snapshot[name] for name in snapshot if name not in (*own, "identity")}

    # ---- afterwards

    def tell(self, result: SolverResult) -> None:
        """Say how the weights that were given back did on the held-out examples."""
        vars(self.estimator).pop("validation_score_", None)
        if self.chosen_weights is None:
            return
        if result.weights is not self.chosen_weights:
            # A solver that does not ask for them has not certified them either.
            result.weights, result.objective, result.gap = self.chosen_weights, math.inf, 1.0
        self.estimator.validation_score_ = self._best[0]
        scores = np.full(len(result.history["gap"]), math.nan)
        scores[: len(self.scores)] = self.scores
        result.history["validation_score"] = scores

    def finish(self) -> None:
        self.report.end(lambda: self._fitted(self.estimator._flat_weights()))
