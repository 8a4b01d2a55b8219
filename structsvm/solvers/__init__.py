"""Solvers: planes in, weights out. They never see x or y.

The exception is `BlockDual`: its duals read the problems of ``block_duals`` directly.
"""

from structsvm.solvers.base import (
    Capabilities,
    OnlineSolver,
    Progress,
    Solver,
    SolverResult,
    capabilities_of,
)
from structsvm.solvers.bcfw import BCFW
from structsvm.solvers.block_dual import BlockDual
from structsvm.solvers.cutting_plane import CuttingPlane
from structsvm.solvers.n_slack import NSlack
from structsvm.solvers.online import PassiveAggressive, Perceptron
from structsvm.solvers.subgradient import Subgradient

__all__ = [
    "BCFW",
    "SOLVERS",
    "BlockDual",
    "Capabilities",
    "CuttingPlane",
    "NSlack",
    "OnlineSolver",
    "PassiveAggressive",
    "Perceptron",
    "Progress",
    "Solver",
    "SolverResult",
    "Subgradient",
    "capabilities_of",
    "make_solver",
]

#: Solvers by name.
SOLVERS: dict[str, type] = {
    "bcfw": BCFW,
    "block_dual": BlockDual,
    "cutting_plane": CuttingPlane,
    "n_slack": NSlack,
    "subgradient": Subgradient,
    "perceptron": Perceptron,
    "passive_aggressive": PassiveAggressive,
}


def make_solver(solver: str | Solver) -> Solver:
    """The solver with this name, or the object itself.

    Parameters
    ----------
    solver : str or solver object
        A name is one of `SOLVERS`.

    Raises
    ------
    ValueError
        If the name is unknown or the object has no ``solve``.
    """
    if isinstance(solver, str) and solver in SOLVERS:
        made: Solver = SOLVERS[solver]()
        return made
    if not isinstance(solver, (str, type)) and hasattr(solver, "solve"):
        return solver
    names = ", ".join(repr(name) for name in SOLVERS)
    raise ValueError(f"unknown solver {solver!r}: expected one of {names}, or a solver object")


def solver_name(solver: Solver) -> str:
    """The name of a solver for messages."""
    names = {made: name for name, made in SOLVERS.items()}
    return names.get(type(solver), type(solver).__name__)
