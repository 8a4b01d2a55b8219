"""The interface of solvers: arguments, results and capabilities."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from structsvm.engines import Engine
from structsvm.linalg._sums import dot
from structsvm.problems import Problem

__all__ = [
    "RECORDED",
    "TOO_LARGE",
    "Callback",
    "Capabilities",
    "History",
    "Monitor",
    "OnlineSolver",
    "Progress",
    "Snapshot",
    "Solver",
    "SolverResult",
    "capabilities_of",
    "check_weights",
    "refuse",
    "regularization",
]


#: The message of every solver if data are finite but sums of them are not.
TOO_LARGE = (
    "inner products of planes overflow: features or joint features are too large; scale them"
)


def regularization(C: float, n_examples: int) -> float:
    r"""lambda = 1 / (C n), which turns the sum form into the mean form.

    Users state ``1/2 |w|^2 + C sum_i H_i(w)``. Solvers minimise lambda times this objective:
    ``lambda/2 |w|^2 + 1/n sum_i H_i(w)``.
    """
    total = C * max(n_examples, 1)
    if not 0.0 < total < float("inf") or not 1.0 / total < float("inf"):
        raise ValueError(f"C={C:g} is out of range: lambda = 1 / (C n) is not a finite number > 0")
    return 1.0 / total


def check_weights(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights, if they are all finite.

    Raises
    ------
    ValueError
        If a weight is not finite, because a sum overflowed.
    """
    if not np.isfinite(weights).all():
        raise ValueError(TOO_LARGE)
    return weights


#: Arrays by name, and nothing else.
Snapshot = dict[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Progress:
    """The state of a fit after an iteration, for callbacks.

    Objectives are in the sum form, ``1/2 |w|^2 + C sum of hinges``.
    """

    n_iter: int
    objective: float  #: least certified objective so far; inf before the first certificate
    dual_objective: float  #: greatest dual objective so far
    gap: float  #: certified relative gap, (objective - dual_objective) / objective
    gap_estimate: float  #: estimate of the gap from the last pass
    mean_hinge: float  #: mean of the hinges of the last pass, each at the weights of its visit
    n_oracle_calls: int
    seconds: float  #: wall time since the start of the fit
    n_planes: int
    solver_bytes: int
    #: Returns the present weights, averaged if the solver averages.
    make_weights: Callable[[], NDArray[np.float64]] = dataclasses.field(repr=False)
    #: Returns all that the rest of the fit depends on, as arrays, for checkpoints.
    snapshot: Callable[[], Snapshot] = dataclasses.field(repr=False)
    #: Held-out score of the weights after each iteration, if fit has X_val and y_val.
    validation_scores: tuple[float, ...] = ()
    #: Whether objective and gap are estimates: the oracle is not exact, or missed a maximum.
    is_estimate: bool = False

    @property
    def weights(self) -> NDArray[np.float64]:
        """The present weights, averaged if the solver averages; read-only, and valid only during
        the callback: copy them to keep them."""
        view = self.make_weights().view()
        view.flags.writeable = False
        return view


#: Called after every iteration; a true return value stops the fit.
Callback = Callable[[Progress], Any]


class Monitor:
    """A callback that may choose the weights. The base class chooses none and wraps a callback."""

    def __init__(self, callback: Callback | None = None) -> None:
        self._callback = callback

    @classmethod
    def of(cls, callback: Callback | None) -> Monitor:
        """The callback itself if it is a monitor, else a monitor that wraps it."""
        return callback if isinstance(callback, Monitor) else cls(callback)

    def __call__(self, progress: Progress) -> bool:
        return self._callback is not None and bool(self._callback(progress))

    @property
    def chosen_weights(self) -> NDArray[np.float64] | None:
        """Weights for the solver to certify and return; None leaves the choice to the solver."""
        return None

    def stops_when_resumed(self, progress: Progress) -> bool:
        """Whether the fit had ended when the snapshot that it resumes from was taken."""
        return False


#: Fields of `Progress` in the history of a fit.
RECORDED = (
    "objective",
    "dual_objective",
    "gap",
    "gap_estimate",
    "mean_hinge",
    "n_oracle_calls",
    "seconds",
)


class History:
    """One record for each iteration, returned as a dict of arrays."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []

    def append(self, progress: Progress) -> None:
        self._rows.append(tuple(getattr(progress, name) for name in RECORDED))

    @property
    def rows(self) -> NDArray[np.float64]:
        return np.array(self._rows, dtype=np.float64).reshape(-1, len(RECORDED))

    @rows.setter
    def rows(self, rows: NDArray[np.float64]) -> None:
        self._rows = [tuple(row) for row in rows.tolist()]

    def end_with(self, progress: Progress) -> None:
        """Replace the record of the last iteration by this one."""
        del self._rows[max(progress.n_iter - 1, 0) :]
        if progress.n_iter:
            self.append(progress)

    def arrays(self) -> dict[str, NDArray[Any]]:
        history: dict[str, NDArray[Any]] = dict(zip(RECORDED, self.rows.T.copy(), strict=True))
        history["n_oracle_calls"] = history["n_oracle_calls"].astype(np.int64)
        return history


class _MadeWhenAsked:
    """An attribute that may be set to a function, whose value it is from the first reading on."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        made = vars(instance)[self._name]
        if callable(made):
            made = vars(instance)[self._name] = made()
        return made

    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)[self._name] = value


@dataclasses.dataclass
class SolverResult:
    """Weights and the certificate for them; objectives in the sum form.

    `status` is "converged", "max_iter", "stopped" (by a callback), "interrupted" (Ctrl-C) or
    "failed" (`error` was raised by an oracle or a callback). `state` lets the same solver continue,
    see ``Solver.solve``. Objectives and gap are NaN for solvers without a dual. `doubt` says why
    the gap is no certificate although the problem is exact; it was also a warning.
    """

    weights: Any  #: float64 ndarray; a run may give a function that makes it
    objective: float
    dual_objective: float
    gap: float
    tol: float
    n_iter: int
    n_oracle_calls: int
    n_overruled: int
    status: str
    history: dict[str, NDArray[Any]]
    state: Any = None
    error: Exception | None = None
    doubt: str | None = None
    #: The example with the worst overruled answer, and how far its hinge was too low.
    worst_answer: tuple[int, float] | None = None

    def weights_later(self) -> Any:
        """The `ScatteredWeights` that make the weights; None if these are made."""
        made = vars(self)["weights"]
        return made if callable(made) else None

    def sqnorm(self) -> float:
        """The squared norm of the weights."""
        later = self.weights_later()
        return float(dot(self.weights, self.weights) if later is None else later.sqnorm())


# Not in the class, where it would be the default.
SolverResult.weights = _MadeWhenAsked("weights")


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """What a solver can do; its class attribute ``capabilities`` declares it."""

    can_warm_start: bool = True  #: `solve` can start from the `state` of an earlier result
    can_move: bool = False  #: `state` can: see `DualBlocks.moved`
    has_dual: bool = True  #: it has a lower bound of the optimum, so a gap and a `tol`
    regularizes: bool = True  #: C weighs the hinges against the norm of the weights
    can_learn: bool = False  #: it can continue with new examples: an `OnlineSolver`
    counts_examples: bool = False  #: its steps depend on `n_examples`, the size of all the data
    asks_engine: bool = True  #: its passes are made by the engine
    has_dual_point: bool = False  #: ``result.state.dual_point(C)`` has attributes for estimators


class Solver(Protocol):
    """Planes in, weights out: a solver sees a Problem and never x or y."""

    capabilities: ClassVar[Capabilities]

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
        """Minimise ``1/2 |w|^2 + C sum_i H_i(w)`` to a relative duality gap of `tol`.

        None for `tol` or `max_iter` is the solver's default. `engine` makes the passes; None makes
        them in this thread. `state` comes from an earlier result for the same problem, perhaps with
        another C. `snapshot` is what ``progress.snapshot()`` returned in an earlier call for the
        same problem and C: the fit continues as if it had never stopped.

        Parameters
        ----------
        problem : Problem
        C : float > 0
            The weight of the hinges.
        tol : float or None
            The relative duality gap to reach; None for the solver's default.
        max_iter : int or None
            The most iterations; None for the solver's default.
        random_state : RandomState
        engine : Engine, default=None
            Makes the passes; None makes them in this thread.
        callback : callable, default=None
            Called with a `Progress` after each iteration; a true result ends the fit.
        state : object, default=None
            The `state` of an earlier result for the same problem, perhaps with another C.
        snapshot : dict, default=None
            What ``progress.snapshot()`` returned in an earlier call for the same problem and C: the
            fit continues as if it had never stopped.

        Returns
        -------
        result : SolverResult
        """
        ...


class OnlineSolver(Solver, Protocol):
    """A solver that can continue with new examples: its capabilities say ``can_learn``."""

    def learn(self, problem: Problem, C: float, state: Any = None) -> SolverResult:
        """Make one pass over the examples in their order, starting from `state`.

        Parameters
        ----------
        problem : Problem
        C : float > 0
        state : object, default=None
            The `state` of an earlier result; None begins at weights of zero.

        Returns
        -------
        result : SolverResult
        """
        ...


def capabilities_of(solver: Any) -> Capabilities:
    """The declared capabilities of a solver; the defaults if it declares none.

    Parameters
    ----------
    solver : solver object
    """
    declared: Capabilities = getattr(solver, "capabilities", Capabilities())
    return declared


def refuse(solver: str, option: str, why: str) -> ValueError:
    """The error for an option that has no meaning for a solver."""
    return ValueError(f"solver {solver!r} {why}: {option} has no meaning")
