"""FitMonitor: validation, logging and callbacks after every iteration of a fit."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from structsvm.callbacks.log import log_progress
from structsvm.data.snapshots import Kind, check_snapshot, vector
from structsvm.engines import Engine
from structsvm.solvers import Progress, SolverResult
from structsvm.solvers.base import Monitor, Snapshot
from structsvm.training.capabilities import needs_validation

if TYPE_CHECKING:
    from structsvm.training.train import Bound, Validation

__all__ = ["FitMonitor"]


class FitMonitor(Monitor):
    """Called after every iteration: validates, logs, and tells the callbacks.

    Parameters
    ----------
    bound : Bound
        Its model scores the held-out examples. All but the solver see weights in the user's units.
    validation : Validation
    callbacks : sequence of callables
        All of them hear of every iteration, also when an earlier one wants to stop.
    verbose : int
    engine : Engine
        Who makes the predictions of held-out examples.
    identity : callable
        Makes a hash of all that the fit is made of, for checkpoints.
    """

    def __init__(
        self,
        bound: Bound,
        validation: Validation,
        callbacks: Sequence[Callable[[Progress], Any]],
        *,
        verbose: int,
        engine: Engine,
        identity: Callable[[], str],
    ) -> None:
        super().__init__()
        self.bound = bound
        self.model = bound.model
        self.validation = validation
        self.callbacks = callbacks
        self.verbose = verbose
        self.engine = engine
        self.identity = identity
        self.scores: list[float] = []
        # The best score and its weights: one object, so that Ctrl-C finds both or neither.
        self._best: tuple[float, NDArray[np.float64] | None] = (-math.inf, None)

    def __call__(self, progress: Progress) -> bool:
        if self.validation.given:
            self._validate(progress.weights)
        progress = dataclasses.replace(
            progress,
            make_weights=functools.partial(self._made, progress.make_weights),
            validation_scores=tuple(self.scores),
            snapshot=self._snapshot_of(progress),
        )
        if self.verbose:
            log_progress(progress, self.verbose)
        return any([bool(callback(progress)) for callback in self.callbacks])

    def _validate(self, weights: NDArray[np.float64]) -> None:
        score = self.validation.score(self.model, self.bound.in_user_units(weights), self.engine)
        if math.isnan(score):
            raise ValueError(
                f"the score of {type(self.model).__name__} on X_val and y_val is not a number"
            )
        if self.chosen_weights is None or score > self._best[0]:
            self._best = (score, np.array(weights))
        self.scores.append(score)

    def _made(self, make_weights: Callable[[], NDArray[np.float64]]) -> NDArray[np.float64]:
        return self.bound.in_user_units(make_weights())

    @property
    def chosen_weights(self) -> NDArray[np.float64] | None:
        """Those that did best on the held-out examples so far."""
        return self._best[1]

    @property
    def best_score(self) -> float | None:
        """The score of `chosen_weights`."""
        return None if self.chosen_weights is None else self._best[0]

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
        return any(callback(progress) for callback in self.callbacks if needs_validation(callback))

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

    def conclude(self, result: SolverResult) -> None:
        """Give the result the weights that did best, and its history the scores."""
        if self.chosen_weights is None:
            return
        if result.weights is not self.chosen_weights:
            # A solver that does not ask for them has not certified them either.
            result.weights, result.objective, result.gap = self.chosen_weights, math.inf, 1.0
        scores = np.full(len(result.history["gap"]), math.nan)
        scores[: len(self.scores)] = self.scores
        result.history["validation_score"] = scores
