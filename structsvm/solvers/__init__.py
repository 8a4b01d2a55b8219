"""Solvers: planes in, weights out. They never see x or y."""

from structsvm.solvers.base import Progress, Solver, SolverResult
from structsvm.solvers.bcfw import BCFW
from structsvm.solvers.cutting_plane import CuttingPlane
from structsvm.solvers.subgradient import Subgradient

__all__ = [
    "BCFW",
    "CuttingPlane",
    "Progress",
    "Solver",
    "SolverResult",
    "Subgradient",
    "make_solver",
]

_BY_NAME: dict[str, type] = {
    "bcfw": BCFW,
    "cutting_plane": CuttingPlane,
    "subgradient": Subgradient,
}


def make_solver(solver: str | Solver) -> Solver:
    """The solver for a name, or the object itself.

    Raises
    ------
    ValueError
        If the name is unknown or the object has no ``solve``.
    """
    if isinstance(solver, str) and solver in _BY_NAME:
        made: Solver = _BY_NAME[solver]()
        return made
    if not isinstance(solver, (str, type)) and hasattr(solver, "solve"):
        return solver
    names = ", ".join(repr(name) for name in _BY_NAME)
    raise ValueError(f"unknown solver {solver!r}: expected one of {names}, or a solver object")
