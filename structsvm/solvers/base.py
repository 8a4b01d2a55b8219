"""What every solver takes and gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from structsvm.problems import Problem

__all__ = ["Callback", "History", "Progress", "Solver", "SolverResult", "regularization"]


def regularization(C: float, n_examples: int) -> float:
    r"""lambda = 1 / (C n): the one place where the sum form meets the mean form.

    Users state 1/2 \|w\|^2 + C sum_i H_i(w). Solvers minimise lambda times that, which is
    lambda/2 \|w\|^2 + 1/n sum_i H_i(w).
    """
    return 1.0 / (C * max(n_examples, 1))


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
    n_oracle_calls: int
    seconds: float  #: wall time since the start of the fit
    n_planes: int
    solver_bytes: int
    weights: NDArray[np.float64]  #: read-only view of the current weights; copy it to keep it


#: Called after every iteration; a true return value stops the fit.
Callback = Callable[[Progress], Any]

_RECORDED = ("objective", "dual_objective", "gap", "gap_estimate", "n_oracle_calls", "seconds")


class History:
    """One record an iteration, given back as a dict of arrays."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, ...]] = []

    def append(self, progress: Progress) -> None:
        self._rows.append(tuple(getattr(progress, name) for name in _RECORDED))

    def replace_last(self, progress: Progress) -> None:
        self._rows.pop()
        self.append(progress)

    def arrays(self) -> dict[str, NDArray[Any]]:
        columns = np.array(self._rows, dtype=np.float64).reshape(-1, len(_RECORDED)).T
        history: dict[str, NDArray[Any]] = dict(zip(_RECORDED, columns, strict=True))
        history["n_oracle_calls"] = history["n_oracle_calls"].astype(np.int64)
        return history


@dataclasses.dataclass
class SolverResult:
    """Weights and the certificate for them; objectives in the sum form.

    `status` is "converged", "max_iter", "stopped" (by a callback) or "interrupted" (Ctrl-C).
    `state` lets the same solver go on from here, see ``Solver.solve``.
    """

    weights: NDArray[np.float64]
    objective: float
    dual_objective: float
    gap: float
    n_iter: int
    n_oracle_calls: int
    n_overruled: int
    status: str
    history: dict[str, NDArray[Any]]
    state: Any = None


class Solver(Protocol):
    """Planes in, weights out: a solver sees a Problem and never x or y."""

    def solve(
        self,
        problem: Problem,
        C: float,
        *,
        tol: float,
        max_iter: int,
        random_state: np.random.RandomState,
        callback: Callback | None = None,
        state: Any = None,
    ) -> SolverResult:
        """Minimise 1/2 |w|^2 + C sum_i H_i(w) to a relative duality gap of `tol`.

        `state` is that of an earlier result for the same problem, perhaps with another C.
        """
        ...
