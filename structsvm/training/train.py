"""Training as a function: a model, examples and a solver in, weights and their certificate out."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from structsvm.base import StructuredModel
from structsvm.callbacks.log import log_to_stderr
from structsvm.engines import make_engine
from structsvm.engines.processes import kept_workers
from structsvm.exceptions import OracleWarning, warn
from structsvm.persistence import model_files
from structsvm.solvers import Progress, Solver, SolverResult
from structsvm.training.capabilities import check_callbacks, check_learns
from structsvm.training.fingerprint import fingerprint
from structsvm.training.fitting import Bound, Examples, Validation
from structsvm.training.monitor import FitMonitor

__all__ = ["Outcome", "bind", "data_fingerprint", "learn", "train"]


@dataclasses.dataclass
class Outcome:
    """What training gives back: weights and certificate, and what more training can go on from."""

    result: SolverResult
    bound: Bound  #: the model, its problem and the solver's state: a later call may `start` there
    validation_score: float | None = None  #: of the weights, where there are held-out examples

    @property
    def model(self) -> StructuredModel:
        return self.bound.model

    @property
    def certified(self) -> bool:
        """Whether the gap is a certificate."""
        result = self.result
        sound = math.isfinite(result.objective) and result.n_overruled == 0
        return sound and result.doubt is None and bool(self.bound.problem.exact)

    def warn(self, name: str) -> None:
        """Tell, as of the estimator called `name`, what the user should know of how it ended."""
        result = self.result
        if result.status == "max_iter" and math.isfinite(result.gap):
            warn(
                f"{name} stopped after {result.n_iter} iterations with {self._gap_in_words()}, "
                f"above tol={result.tol:g}: raise max_iter or tol, or lower C",
                ConvergenceWarning,
            )
        elif result.status == "interrupted":
            warn(
                f"{name} was interrupted after {result.n_iter} iterations; it keeps the best "
                f"weights so far, with {self._gap_in_words()}",
                ConvergenceWarning,
            )
        if self.bound.problem.exact and result.n_overruled and result.doubt is None:
            by = ""
            if result.worst_answer is not None:
                i, shortfall = result.worst_answer
                by = f"by up to {shortfall:.3g} (on example {i}), "
            warn(
                f"in {result.n_overruled} of {result.n_oracle_calls} calls the oracle of "
                f"{type(self.model).__name__} returned an output worse than one already known, "
                f"{by}which was used instead: loss_augmented_inference misses the maximum, so the "
                "duality gap is no certificate. structsvm.testing.check_model tells more. Correct "
                "it, or declare the model exact = False",
                OracleWarning,
            )

    def _gap_in_words(self) -> str:
        """The gap, as what it is: a certificate, an estimate, or none at all."""
        if not math.isfinite(self.result.objective):
            return "no certificate"
        return f"a duality gap of {self.result.gap:.2e}" + ("" if self.certified else " (estimate)")


def train(
    model: StructuredModel,
    examples: Examples,
    solver: Solver,
    *,
    C: float = 1.0,
    tol: float | None = None,
    max_iter: int | None = None,
    rescaling: str = "margin",
    n_jobs: int = 1,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
    callbacks: Sequence[Callable[[Progress], Any]] = (),
    validation: Validation | None = None,
    resume_from: str | os.PathLike[str] | None = None,
    start: Bound | None = None,
    of_data: Callable[[], str] | None = None,
) -> Outcome:
    """Minimise 1/2 |w|^2 + C sum_i H_i(w) over the weights of a model.

    Parameters
    ----------
    model : StructuredModel
        Sized from the examples here, unless there is a `start`.
    examples : Examples
    solver : solver object
    C, tol, max_iter, rescaling, random_state, verbose, callbacks, resume_from
        See `StructSVM`.
    n_jobs : int, default=1
        Threads or worker processes, >= 1.
    validation : Validation, default=None
        Held-out examples: the weights are then those that score best on them.
    start : Bound, default=None
        Of an earlier outcome for these very examples, perhaps with another C: go on from there.
    of_data : callable, default=None
        `data_fingerprint` of model and examples, where the caller has it already.

    Returns
    -------
    outcome : Outcome
        However training ended; ``outcome.result.error`` is what a callback or an oracle raised
        after the first iteration.
    """
    validation = Validation(None, None) if validation is None else validation
    check_callbacks(callbacks, validation.given)
    examples.prepare(model)
    validation.screen(model)
    if of_data is None:
        of_data = functools.partial(data_fingerprint, model, examples, rescaling)
    model, problem, state = start or bind(model, examples)
    validation.prepare(model)
    problem.set_rescaling(rescaling)
    engine = make_engine(n_jobs, in_python=problem.in_python)
    held_out = (validation.X, validation.y)
    identity = functools.cache(lambda: fingerprint(of_data(), C, solver, held_out))
    monitor = FitMonitor(
        model, validation, callbacks, verbose=verbose, n_jobs=n_jobs, identity=identity
    )
    snapshot, random = None, check_random_state(random_state)
    if resume_from is not None:
        random = np.random.RandomState()  # to be rewound, which nobody else should feel
        snapshot = model_files.read_checkpoint(resume_from, identity())
    with log_to_stderr(verbose), contextlib.ExitStack() as stack:
        if resume_from is not None and snapshot is not None:
            stack.enter_context(model_files.naming(resume_from))
            snapshot = monitor.restore(snapshot, problem.n_weights)
        stack.callback(engine.close)
        stack.enter_context(kept_workers())
        result = solver.solve(
            problem,
            C,
            tol=tol,
            max_iter=max_iter,
            random_state=random,
            engine=engine,
            callback=monitor,
            state=state,
            snapshot=snapshot,
        )
        monitor.conclude(result)
    return Outcome(result, Bound(model, problem, result.state), monitor.best_score)


def learn(
    model: StructuredModel,
    examples: Examples,
    solver: Any,
    *,
    C: float = 1.0,
    rescaling: str = "margin",
    state: Any = None,
) -> Outcome:
    """One pass over more examples, in their order, from where `state` left off.

    Parameters
    ----------
    model : StructuredModel
        Sized from the examples here, unless there is a `state`.
    solver : solver object that can learn
    state : default=None
        The solver's, of an earlier outcome. It is not changed: what raises on the way leaves it as
        it was.
    """
    check_learns(solver)
    examples.prepare(model, whole=False)
    if state is None:
        examples.size(model)
    problem = examples.bind(model)
    problem.set_rescaling(rescaling)
    result = solver.learn(problem, C, copy.deepcopy(state))
    return Outcome(result, Bound(model, problem, result.state))


def bind(model: StructuredModel, examples: Examples) -> Bound:
    """A model sized from examples and bound to them."""
    examples.size(model)
    return Bound(model, examples.bind(model), None)


def data_fingerprint(model: StructuredModel, examples: Examples, rescaling: str) -> str:
    """A hash of all that a problem is made of.

    Raises
    ------
    TypeError
        Naming the part that cannot be compared with that of another fit.
    """
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    return fingerprint(examples.parts(), kind, model.get_params(), rescaling)
