"""Solvers: planes in, weights out. They never see x or y."""

from structsvm.solvers.base import Progress, Solver, SolverResult
from structsvm.solvers.bcfw import BCFW

__all__ = ["BCFW", "Progress", "Solver", "SolverResult", "make_solver"]

_BY_NAME = {"bcfw": BCFW}


def make_solver(solver: str | Solver) -> Solver:
    """The solver for a name, or the object itself.

    Raises
    ------
    ValueError
        If the name is unknown or the object has no ``solve``.
    """
    if isinstance(solver, str) and solver in _BY_NAME:
        return _BY_NAME[solver]()
    if not isinstance(solver, (str, type)) and hasattr(solver, "solve"):
        return solver
    names = ", ".join(repr(name) for name in _BY_NAME)
    raise ValueError(f"unknown solver {solver!r}: expected one of {names}, or a solver object")
