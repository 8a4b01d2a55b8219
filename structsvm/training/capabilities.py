"""Errors for solvers and callbacks that cannot do what they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from structsvm.solvers import Progress, capabilities_of, solver_name
from structsvm.solvers.base import refuse

__all__ = [
    "Callback",
    "check_asks",
    "check_callbacks",
    "check_learns",
    "check_warm_starts",
    "needs_validation",
]

Callback = Callable[[Progress], Any]


def check_warm_starts(solver: Any, option: str = "warm_start") -> None:
    """Refuse a solver without a dual state to go on from, which `option` needs."""
    if not capabilities_of(solver).can_warm_start:
        raise refuse(solver_name(solver), option, "keeps no dual state")


def check_asks(solver: Any) -> None:
    """Refuse a solver that visits the data itself, where they lie on other machines."""
    able = capabilities_of(solver)
    if not able.asks_engine:
        raise ValueError(
            f"solver {solver_name(solver)!r} visits the examples itself, in this process: with an "
            "engine of other machines use solver='bcfw', 'cutting_plane' or 'n_slack'"
        )


def check_learns(solver: Any) -> None:
    """Refuse a solver that cannot go on with new examples."""
    if not capabilities_of(solver).can_learn:
        raise refuse(solver_name(solver), "partial_fit", "needs all data at once")


def check_callbacks(callbacks: Any, held_out: bool) -> list[Callback]:
    """The callbacks as a list, once each is known to be callable and not to need held-out examples
    where there are none."""
    if not isinstance(callbacks, Iterable):
        raise ValueError(
            f"callbacks={callbacks!r}: expected a list of callables; one goes into a list of one"
        )
    checked = list(callbacks)
    for k, callback in enumerate(checked):
        if not callable(callback):
            raise ValueError(f"callbacks[{k}] is {callback!r}; expected a callable")
        if needs_validation(callback) and not held_out:
            raise ValueError(f"{callback!r} needs X_val and y_val in fit")
    return checked


def needs_validation(callback: Callback) -> bool:
    """Whether a callback decides by scores on held-out examples: it says ``needs_validation``."""
    return bool(getattr(callback, "needs_validation", False))
