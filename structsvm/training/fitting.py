"""The data of a fit: examples, and held-out ones."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.base import StructuredModel
from structsvm.data.checks import check_pairs, check_sample_weight
from structsvm.data.sequences import PackedSequences
from structsvm.engines.processes import in_processes
from structsvm.exceptions import warn
from structsvm.problems import Problem
from structsvm.problems.python_methods import ask_batch

__all__ = ["Bound", "Examples", "Validation", "batch_answers", "of_held_out_examples"]


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

    def size(self, model: StructuredModel) -> None:
        """Have the model learn its sizes from these."""
        model.initialize(self.X, self.y)

    def parts(self) -> dict[str, Any]:
        """What a fingerprint is made of."""
        return {name: getattr(self, name) for name in _PARTS}

    def bind(self, model: StructuredModel) -> Problem:
        problem = model.bind(self.X, self.y)
        problem.set_sample_weight(self.weight)
        return problem


# Names and order stand in the fingerprints of checkpoints.
_PARTS = ("X", "y", "weight", "bind_params", "n_violations", "prepared")


class Bound(NamedTuple):
    """A model sized and bound to examples, and the solver's state to go on from, if any."""

    model: StructuredModel
    problem: Problem
    state: Any


class Validation:
    """Held-out pairs, or none.

    Parameters
    ----------
    X, y : sequences of equal length, or None
    score : callable, default=None
        Of a model, outputs and guesses, higher being better; None is the model's own.
    """

    def __init__(
        self, X: Any, y: Any, score: Callable[[StructuredModel, Any, Any], float] | None = None
    ) -> None:
        self._score = _own_score if score is None else score
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

    def score(self, model: StructuredModel, weights: NDArray[np.float64], n_jobs: int) -> float:
        """How well the model with these weights predicts them."""
        with of_held_out_examples():
            guess = batch_answers(model, "batch_inference", self.X, w=weights, n_jobs=n_jobs)
            return float(self._score(model, self.y, guess))


def _own_score(model: StructuredModel, y: Any, guess: Any) -> float:
    return model.score(y, guess)


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
