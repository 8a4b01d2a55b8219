"""What every solver takes and gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from structsvm.engines import Engine
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


#: The message of every solver where data are finite and sums of them are not.
TOO_LARGE = (
    "inner products of planes overflow: features or joint features are too large; scale them"
)


def regularization(C: float, n_examples: int) -> float:
    r"""lambda = 1 / (C n), which leads from the sum form to the mean form.

    Users state 1/2 \|w\|^2 + C sum_i H_i(w). Solvers minimise lambda times that, which is
    lambda/2 \|w\|^2 + 1/n sum_i H_i(w).
    """
    total = C * max(n_examples, 1)
    if not 0.0 < total < float("inf") or not 1.0 / total < float("inf"):
        raise ValueError(f"C={C:g} is out of range: lambda = 1 / (C n) is no number")
    return 1.0 / total


def check_weights(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights, once it is known that they are numbers.

    Raises
    ------
    ValueError
        If one is not finite: sums on the way to them were too large for a double.
    """
    if not np.isfinite(weights).all():
        raise ValueError(TOO_LARGE)
    return weights


#: Arrays by name, and nothing else.
Snapshot = dict[str, NDArray[Any]]


@dataclasses.dataclass(frozen=True)
class Progress:
    """The state of a fit after one iteration, as callbacks receive it.

    Objectives are in the sum form, 1/2 |w|^2 + C sum of hinges.
    """

    n_iter: int
    objective: float  #: least certified objective so far; inf before the first certificate
    dual_objective: float  #: greatest dual objective so far
    gap: float  #: certified relative gap, (objective - dual_objective) / objective
    gap_estimate: float  #: what the last pass suggests the gap is now
    mean_hinge: float  #: mean hinge that the last pass met, each at the weights of its time
    n_oracle_calls: int
    seconds: float  #: wall time since the start of the fit
    n_planes: int
    solver_bytes: int
    #: Makes the present weights, averaged where the solver averages.
    make_weights: Callable[[], NDArray[np.float64]] = dataclasses.field(repr=False)
    #: All that the rest of the fit depends on, as arrays; what a checkpoint writes.
    snapshot: Callable[[], Snapshot] = dataclasses.field(repr=False)
    #: Of the weights after each iteration so far, where fit was given X_val and y_val.
    validation_scores: tuple[float, ...] = ()
    #: Whether objective and gap are estimates: the oracle may miss the maximum, or was seen to.
    is_estimate: bool = False

    @property
    def weights(self) -> NDArray[np.float64]:
        """The present weights, averaged where the solver averages; read-only, and valid during
        the callback: copy them to keep them."""
        view = self.make_weights().view()
        view.flags.writeable = False
        return view


#: Called after every iteration; a true return value stops the fit.
Callback = Callable[[Progress], Any]


class Monitor:
    """A callback that may choose the weights; this one chooses none, and asks another to stop."""

    def __init__(self, callback: Callback | None = None) -> None:
        self._callback = callback

    @classmethod
    def of(cls, callback: Callback | None) -> Monitor:
        """A callback as a monitor, which it may be already."""
        return callback if isinstance(callback, Monitor) else cls(callback)

    def __call__(self, progress: Progress) -> bool:
        return self._callback is not None and bool(self._callback(progress))

    @property
    def chosen_weights(self) -> NDArray[np.float64] | None:
        """What the solver is to certify and give back in the end; None leaves it to the solver."""
        return None

    def stops_when_resumed(self, progress: Progress) -> bool:
        """Whether the fit ended where the snapshot was taken that it goes on from."""
        return False


#: What a history holds of each iteration.
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
    """One record an iteration, given back as a dict of arrays."""

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
        """Have this as the record of its iteration, the last one."""
        del self._rows[max(progress.n_iter - 1, 0) :]
        if progress.n_iter:
            self.append(progress)

    def arrays(self) -> dict[str, NDArray[Any]]:
        history: dict[str, NDArray[Any]] = dict(zip(RECORDED, self.rows.T.copy(), strict=True))
        history["n_oracle_calls"] = history["n_oracle_calls"].astype(np.int64)
        return history


@dataclasses.dataclass
class SolverResult:
    """Weights and the certificate for them; objectives in the sum form.

    `status` is "converged", "max_iter", "stopped" (by a callback), "interrupted" (Ctrl-C) or
    "failed" (by `error`, which an oracle or a callback raised). `state` lets the same solver go on
    from here, see ``Solver.solve``. Without a dual, objectives and gap are NaN. `doubt` says what
    speaks against objectives and gap although the problem is exact; a warning has told it.
    """

    weights: NDArray[np.float64]
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
    #: The example whose overruled answer was the worst, and by how much its hinge fell short.
    worst_answer: tuple[int, float] | None = None


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """What a solver can do, as its class attribute ``capabilities`` declares it."""

    can_warm_start: bool = True  #: `solve` goes on from the `state` of an earlier result
    has_dual: bool = True  #: it bounds the optimum from below: it knows a gap and takes a `tol`
    regularizes: bool = True  #: C weighs the hinges against the norm of the weights
    can_learn: bool = False  #: it goes on with new examples: an `OnlineSolver`
    counts_examples: bool = False  #: its steps depend on `n_examples`, for all data there will be
    has_dual_point: bool = False  #: ``result.state.dual_point(C)`` tells an estimator's attributes


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
        """Minimise 1/2 |w|^2 + C sum_i H_i(w) to a relative duality gap of `tol`.

        None stands for the solver's own default of `tol` or `max_iter`. `engine` makes the passes;
        None: all in this thread. `state` is that of an earlier result for the same problem,
        perhaps with another C. `snapshot` is what ``progress.snapshot()`` gave during an earlier
        call for the same problem and C: the fit goes on from there as if it had never stopped.
        """
        ...


class OnlineSolver(Solver, Protocol):
    """A solver that can go on with new examples: its capabilities say ``can_learn``."""

    def learn(self, problem: Problem, C: float, state: Any = None) -> SolverResult:
        """One pass over the examples in their order, from where `state` left off."""
        ...


def capabilities_of(solver: Any) -> Capabilities:
    """What a solver declares; the defaults for an object from outside that declares nothing."""
    declared: Capabilities = getattr(solver, "capabilities", Capabilities())
    return declared


def refuse(solver: str, option: str, why: str) -> ValueError:
    """The error for an option that has no meaning for a solver."""
    return ValueError(f"solver {solver!r} {why}: {option} has no meaning")
