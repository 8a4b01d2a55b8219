"""Training as a function: a model, examples and a solver in, weights and their certificate out."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import _safe_indexing, check_random_state

from structsvm.base import StructuredModel
from structsvm.callbacks.log import log_to_stderr, logger
from structsvm.data.checks import check_sample_weight
from structsvm.data.queries import QueryRows
from structsvm.data.scaling import ColumnScaling
from structsvm.data.sequences import PackedSequences, check_pairs
from structsvm.engines import Engine, Serial
from structsvm.exceptions import OracleWarning, TrivialFitWarning, warn
from structsvm.linalg._plane import return_free_memory
from structsvm.persistence import model_files
from structsvm.problems import Problem
from structsvm.solvers import Progress, Solver, SolverResult, capabilities_of
from structsvm.training.capabilities import check_asks, check_callbacks, check_learns
from structsvm.training.fingerprint import fingerprint
from structsvm.training.given_weights import GivenWeights
from structsvm.training.monitor import FitMonitor
from structsvm.training.parts import DataSource
from structsvm.training.penalty import InUnits, penalty_unit
from structsvm.training.remarks import trivial_fit

__all__ = [
    "Bound",
    "Examples",
    "Outcome",
    "Validation",
    "check_both",
    "learn",
    "of_held_out_examples",
    "taken",
    "train",
]

# With more weights than this, memory that is free is given back before they are written out.
_MANY = 1 << 20


# ---- the data


@dataclasses.dataclass
class Examples:
    """The data of a fit: pairs, a weight for each, and what else the model reads with them."""

    X: Any
    y: Any
    weight: Any
    bind_params: dict[str, Any]
    classes: NDArray[Any] | None = None  #: all labels there will be; None for those in y
    n_violations: int | None = None  #: outputs that the model could not take, where it counts them
    #: What is known of the weights.
    given: GivenWeights = dataclasses.field(default_factory=GivenWeights)
    prepared: bool = False
    source: Examples | None = None  #: as the user gave them, for parts of them made elsewhere

    def check(self) -> None:
        """Check that there are as many of each, before the model reads them."""
        self.X, self.y = check_pairs(self.X, self.y)
        self.weight = check_sample_weight(self.weight, len(self.X))

    def prepare(self, model: StructuredModel, *, whole: bool = True, keep: bool = False) -> None:
        """Let the model read the examples, once; outputs that it cannot take are told or left out.

        `whole`: these are all the data, not a piece of them. `keep`: fill in `source`.
        """
        if self.prepared:
            return
        self.check()
        if keep:
            self.source = dataclasses.replace(self)
        self.X, self.y = model.prepare_examples(
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
                if self.source is not None:
                    self.source = self.source.take(np.asarray(kept, dtype=np.intp))

    def take(self, chosen: NDArray[np.intp]) -> Self:
        """Some of the examples, checked and not read by a model yet."""
        columns = {name: taken(value, chosen) for name, value in self.bind_params.items()}
        return dataclasses.replace(
            self,
            X=taken(self.X, chosen),
            y=taken(self.y, chosen),
            weight=taken(self.weight, chosen),
            bind_params=columns,
        )

    def parts(self) -> dict[str, Any]:
        """What a fingerprint is made of."""
        parts = {"X": self.X, "y": self.y, "weight": self.weight, "bind_params": self.bind_params}
        return parts | {"given": tuple(self.given)} if self.given.any() else parts

    def size(self, model: StructuredModel) -> None:
        """Let the model learn its sizes."""
        known = {} if self.classes is None else {"classes": self.classes}
        model.initialize(self.X, self.y, **known)
        if (odd := model._oddity()) is not None:
            warn(odd, UserWarning)

    def bind(
        self,
        model: StructuredModel,
        *,
        sized: bool = False,
        scale: bool = False,
        scaling: Mapping[str, ColumnScaling] | None = None,
    ) -> Bound:
        """These examples as a problem; a model that is not `sized` learns its sizes first.

        `scale`: learn how to scale columns. `scaling`: scale them so.
        """
        if not sized:
            self.size(model)
        if scaling is None:
            scaling = model.learn_scaling(self.X, self.y) if scale else {}
            scaling = self.given.allowed(model, scaling)
        problem = model.bind(model.scaled(self.X, scaling), self.y)
        problem.set_sample_weight(self.weight)
        problem = self.given.restrict(problem, model, scaling)
        return Bound(model, problem, None, scaling, scale, given=self.given)


def taken(values: Any, chosen: NDArray[np.intp]) -> Any:
    """Some items of a list, an array, a matrix, a frame, packed sequences or queries; None stays
    None."""
    if isinstance(values, (PackedSequences, QueryRows)):
        return values.take(chosen.tolist())
    return None if values is None else _safe_indexing(values, chosen)


def check_both(X_val: Any, y_val: Any) -> bool:
    """Whether there are held-out examples; one without the other is refused."""
    if (X_val is None) != (y_val is None):
        given, lacking = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
        raise ValueError(f"{given} is given without {lacking}: give both or neither")
    return X_val is not None


class Validation:
    """Held-out pairs, or none.

    Parameters
    ----------
    X, y : sequences of equal length, or None
    score : callable, default=None
        Takes a model, outputs and predictions; higher is better. None is the model's own score.
    """

    problem: Problem  #: the inputs, bound to the model that they were prepared for

    def __init__(
        self, X: Any, y: Any, score: Callable[[StructuredModel, Any, Any], float] | None = None
    ) -> None:
        self._score = _own_score if score is None else score
        self.given = check_both(X, y)
        self.prepared = False
        self.X: Any = X if self.given else []
        self.y: Any = y if self.given else []
        if self.given:
            with of_held_out_examples():
                self.check()

    def check(self) -> None:
        """Check that X and y have equal lengths."""
        self.X, self.y = check_pairs(self.X, self.y)

    def prepare(self, model: StructuredModel) -> None:
        """Let the sized model prepare the pairs, once, and bind the inputs."""
        if not self.given:
            return
        with of_held_out_examples():
            if not self.prepared:
                self._read(model)
            self.problem = model.bind(self.X)

    def _read(self, model: StructuredModel) -> None:
        self.prepared = True
        self.X, _ = model.prepare_examples(self.X)
        screened = model._screened(self.y, held_out=True)
        if screened is not None and screened.told:
            warn(f"in X_val and y_val: {screened.told}", UserWarning)
            self.y = screened.y
            if screened.kept is not None:
                self.X = self.X.take(screened.kept)

    def score(self, model: StructuredModel, weights: NDArray[np.float64], engine: Engine) -> float:
        """Score of the model with these weights; `prepare` was called for this model."""
        with of_held_out_examples():
            answers, _ = self.problem.predict(weights, scored=False, engine=engine)
            return float(self._score(model, self.y, model.outputs_of(self.X, answers)))


def _own_score(model: StructuredModel, y: Any, guess: Any) -> float:
    return model.score(y, guess)


@contextlib.contextmanager
def of_held_out_examples() -> Iterator[None]:
    """Make errors about X and y say that they are about X_val and y_val."""
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


# ---- the outcome


class Bound(NamedTuple):
    """A model bound to examples, with the state of a solver: a later call can start from it."""

    model: StructuredModel
    problem: Problem  #: of scaled columns
    state: Any
    scaling: Mapping[str, ColumnScaling]
    scale: bool  #: whether it was learnt
    of_data: str | None = None  #: a hash of model and data; None: they will be the same
    given: GivenWeights = GivenWeights()

    def in_user_units(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """The weights of the model as it was before scaling, given those of the problem."""
        converted = self.model.in_user_units(self.problem.whole(weights), self.scaling)
        return self.given.put_in(converted)


@dataclasses.dataclass
class Outcome:
    """The result of training: weights, their certificate, and where later training can start."""

    result: SolverResult
    bound: Bound  #: a later call for the same examples may `start` there
    C: float  #: the one that was used
    of_data: Callable[[], str] | None = None  #: see `Bound`
    validation_score: float | None = None  #: of the weights, where there are held-out examples
    remark: Callable[[], str | None] | None = None  #: looks whether the weights say anything

    @property
    def model(self) -> StructuredModel:
        return self.bound.model

    @functools.cached_property
    def weights(self) -> NDArray[np.float64]:
        """The weights in the user's units; those of the result are of scaled columns."""
        return self.bound.in_user_units(self.result.weights)

    def weights_later(self) -> Any:
        """The `ScatteredWeights` that make `weights`; None if these are made, or are others."""
        bound, found = self.bound, self.result.weights_later()
        plain = not bound.given.any() and bound.problem.plain is bound.problem
        if found is None or "weights" in vars(self) or not plain:
            return None
        return found if all(columns.is_identity for columns in bound.scaling.values()) else None

    @property
    def certified(self) -> bool:
        """Whether the gap is a certificate."""
        result = self.result
        sound = math.isfinite(result.objective) and result.n_overruled == 0
        return sound and result.doubt is None and bool(self.bound.problem.exact)

    def forget_state(self) -> None:
        """Free what a later call could start from."""
        self.result.state = None
        self.bound = self.bound._replace(state=None)
        if self.bound.problem.n_weights > _MANY:
            return_free_memory()

    def kept(self) -> Bound | None:
        """A start for a later call whose data may differ; None if data cannot be compared."""
        of_data = None if self.of_data is None else _hash_or_none(self.of_data)
        return None if of_data is None else self.bound._replace(of_data=of_data)

    def warn(self, name: str, *, of_use: bool = True) -> None:
        """Warn of how the fit of the estimator `name` ended; with `of_use` also of weights that say
        nothing."""
        result = self.result
        look = self.remark if of_use and result.status == "converged" else None
        if look is not None and (remark := look()) is not None:
            warn(f"{name}: {remark}", TrivialFitWarning)
        if result.status == "max_iter" and math.isfinite(result.gap):
            warn(
                f"{name} stopped after {result.n_iter} iterations with {self._gap_in_words()}, "
                f"above tol={result.tol:g}: scale the features, raise max_iter or tol, or lower C",
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
                f"{by}which was used instead: the oracle misses the maximum, so the duality gap is "
                "no certificate. structsvm.testing.check_model tells more. Correct the oracle, or "
                "declare the model exact = False",
                OracleWarning,
            )

    def _gap_in_words(self) -> str:
        """The gap in words: a certificate, an estimate, or none."""
        if not math.isfinite(self.result.objective):
            return "no certificate"
        return f"a duality gap of {self.result.gap:.2e}" + ("" if self.certified else " (estimate)")


# ---- training


def train(
    model: StructuredModel,
    examples: Examples,
    solver: Solver,
    *,
    C: float | InUnits = 1.0,
    scale: bool = False,
    tol: float | None = None,
    max_iter: int | None = None,
    rescaling: str = "margin",
    engine: Engine | None = None,
    random_state: int | np.random.RandomState | None = None,
    verbose: int = 0,
    callbacks: Sequence[Callable[[Progress], Any]] = (),
    validation: Validation | None = None,
    resume_from: str | os.PathLike[str] | None = None,
    start: Bound | None = None,
    listen: Callable[[Progress, StructuredModel], Any] | None = None,
) -> Outcome:
    """Minimise 1/2 |w|^2 + C sum_i H_i(w) over the weights w of scaled columns of a model.

    Parameters
    ----------
    model : StructuredModel
        Sized from the examples here, unless training goes on from `start`.
    examples : Examples
        Read by the model here, unless an earlier call has done so.
    solver : solver object
    C : float or InUnits, default=1.0
        A number, or in units of the data.
    scale : bool, default=False
        Whether to scale the columns of features, see `structsvm.data.scaling`.
    tol, max_iter, rescaling, random_state, verbose, callbacks, resume_from
        See `StructSVM`.
    engine : Engine, default=None
        Makes the oracle calls and the predictions of held-out examples. None: this thread. The
        caller closes it.
    validation : Validation, default=None
        Held-out examples: the weights are then those that score best on them.
    start : Bound, default=None
        Of an earlier outcome. If model and data are the same, training starts there; C may differ.
        Otherwise it starts afresh and says so in the log.
    listen : callable, default=None
        A last callback, called with the model as well.

    Returns
    -------
    outcome : Outcome
        However training ended; ``outcome.result.error`` is what a callback or an oracle raised
        after the first iteration.
    """
    validation = Validation(None, None) if validation is None else validation
    callbacks = check_callbacks(callbacks, validation.given)
    engine = Serial() if engine is None else engine
    if engine.elsewhere:
        check_asks(solver)
    examples.prepare(model, keep=engine.elsewhere)
    of_data = _data_hash(model, examples, rescaling)
    bound = _going_on(start, model, of_data, scale) or examples.bind(model, scale=scale)
    model, problem, scaling = bound.model, bound.problem, bound.scaling
    validation.prepare(model)
    if listen is not None:
        callbacks = [*callbacks, functools.partial(_tell, listen, model)]
    problem.set_rescaling(rescaling)
    penalty = _penalty(C, bound, examples, solver)
    if examples.source is not None:
        engine.introduce(problem, DataSource(bound, examples.source))
    held_out = (validation.X, validation.y)
    changed = {name: columns for name, columns in scaling.items() if not columns.is_identity}
    identity = functools.cache(
        lambda: fingerprint(of_data(), penalty, solver, held_out, *([changed] if changed else []))
    )
    monitor = FitMonitor(
        bound, validation, callbacks, verbose=verbose, engine=engine, identity=identity
    )
    snapshot, random = None, check_random_state(random_state)
    if resume_from is not None:
        random = np.random.RandomState()  # of its own, since the snapshot sets its state
        snapshot = model_files.read_checkpoint(resume_from, identity())
    with log_to_stderr(verbose), contextlib.ExitStack() as stack:
        if resume_from is not None and snapshot is not None:
            stack.enter_context(model_files.naming(resume_from))
            snapshot = monitor.restore(snapshot, problem.n_weights)
        result = solver.solve(
            problem,
            penalty,
            tol=tol,
            max_iter=max_iter,
            random_state=random,
            engine=engine,
            callback=monitor,
            state=bound.state,
            snapshot=snapshot,
        )
        monitor.conclude(result)
    outcome = Outcome(
        result,
        bound._replace(state=result.state, of_data=None),
        penalty,
        of_data,
        monitor.best_score,
    )
    outcome.remark = functools.partial(_remark, outcome, examples)
    return outcome


def learn(
    model: StructuredModel,
    examples: Examples,
    solver: Any,
    *,
    C: float | InUnits = 1.0,
    rescaling: str = "margin",
    state: Any = None,
    scaling: Mapping[str, ColumnScaling] | None = None,
    n_examples: int | None = None,
) -> Outcome:
    """One pass over more examples, in their order, from where `state` left off.

    Parameters
    ----------
    model : StructuredModel
        Sized from the examples here, unless there is a `state`.
    solver : solver object that can learn
    state : default=None
        The solver's, of an earlier outcome. It is never changed, even by a call that fails.
    scaling : mapping, default=None
        Of the columns, of an earlier outcome. None leaves them as they are.
    n_examples : int, default=None
        Number of all examples, for solvers that need it and were not told. None: of these.
    """
    check_learns(solver)
    examples.prepare(model, whole=False)
    if capabilities_of(solver).counts_examples and solver.n_examples is None:
        solver = clone(solver).set_params(n_examples=n_examples or len(examples.y))
    bound = examples.bind(model, sized=state is not None, scaling=scaling)
    bound.problem.set_rescaling(rescaling)
    penalty = _penalty(C, bound, examples, solver)
    result = solver.learn(bound.problem, penalty, copy.deepcopy(state))
    return Outcome(result, bound._replace(state=result.state), penalty)


def _remark(outcome: Outcome, examples: Examples) -> str | None:
    model, problem, *_ = outcome.bound
    return trivial_fit(
        model,
        problem,
        examples.X,
        examples.y,
        outcome.result,
        lambda: outcome.weights,
        outcome.C,
        certified=outcome.certified,
    )


def _penalty(C: float | InUnits, bound: Bound, examples: Examples, solver: Solver) -> float:
    """C as a number; 1 for solvers that do not use it."""
    if not isinstance(C, InUnits):
        return C
    if not capabilities_of(solver).regularizes:
        return 1.0
    model, problem, _, scaling, *_ = bound
    return C.factor * penalty_unit(model, problem.plain, examples.X, examples.y, scaling)


def _tell(listen: Callable[..., Any], model: StructuredModel, progress: Progress) -> Any:
    return listen(progress, model)


def _data_hash(model: StructuredModel, examples: Examples, rescaling: str) -> Callable[[], str]:
    """A function that hashes all that a problem is made of.

    It raises TypeError for a part that cannot be compared with another fit's, and names it.
    """
    # Parameters as they are before the model learns, which may change them.
    kind, params = f"{type(model).__module__}.{type(model).__qualname__}", model.get_params()
    return functools.cache(lambda: fingerprint(examples.parts(), kind, params, rescaling))


def _hash_or_none(of_data: Callable[[], str]) -> str | None:
    try:
        return of_data()
    except TypeError as error:
        logger.info("warm_start: the next fit starts afresh: %s", error)
        return None


def _going_on(
    start: Bound | None, model: StructuredModel, of_data: Callable[[], str], scale: bool
) -> Bound | None:
    """`start`, if it is of the same model and data."""
    if start is None or start.of_data is None:
        return start
    # A class of the same name may be another one, with another oracle.
    alike = type(start.model) is type(model) and start.scale == scale
    if alike and start.of_data == _hash_or_none(of_data):
        return start
    logger.info("warm_start: the data or the model changed, so the fit starts afresh")
    return None
