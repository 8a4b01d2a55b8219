"""C in a unit that follows the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from structsvm.base import StructuredModel
from structsvm.data.scaling import ColumnScaling
from structsvm.problems import Problem

__all__ = ["DEFAULT", "InUnits", "penalty_unit"]

# Examples whose planes tell the unit of a model that knows no parts.
_ENOUGH = 200
# Of squared features, what is left of equal ones that should cancel.
_ROUNDING = 1e-24


class InUnits(NamedTuple):
    """A value of C: so many times `penalty_unit`."""

    factor: float


#: What C="scale" stands for: letters, text and tables are all within a few thousandths of their
#: best from about half to twice as much.
DEFAULT = InUnits(3.0)


def penalty_unit(
    model: StructuredModel,
    problem: Problem,
    X: Any,
    y: Any,
    scaling: Mapping[str, ColumnScaling],
) -> float:
    """The C at which the hinge of a wrong part can just move the weights by what it asks for.

    Delta / (|psi(x, y) - psi(x, y')|^2 / 2) for an output y' with one wrong part, in the mean:
    see `StructuredModel.penalty_unit`. Of models that do not know their parts, it is that of the
    oracle's answers at w = 0, of up to 200 examples.
    """
    known = scaling or model.learn_scaling(X, y, scale=False)
    unit = model.penalty_unit(y, known)
    if unit is not None:
        return unit
    square = sum(columns.mean_square for columns in known.values())
    # Scaled columns are of size 1, those without spread included.
    return _unit_of_planes(problem, _ROUNDING * (max(square, 1.0) if scaling else square))


def _unit_of_planes(problem: Problem, rounding: float) -> float:
    """`rounding`: mean squares of planes up to this are those of planes that should be 0."""
    weights = problem.example_weights()
    examples = np.flatnonzero(weights > 0)
    examples = examples[:: -(-len(examples) // _ENOUGH)]
    origin, gain, change = np.zeros(problem.n_weights), 0.0, 0.0
    for i in examples.tolist():
        _, values, loss = problem.oracle(i, origin)
        gain += loss
        change += float((values**2).sum()) / weights[i]  # both were multiplied by it
    unit = 2 * gain / change if change > rounding * len(examples) else 0.0
    return unit if 0 < unit < np.inf else 1.0
