"""What all hinges share: checks of the input, and how values become one number."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_unmasked

__all__ = [
    "check_array",
    "check_labels",
    "check_magnitude",
    "check_number",
    "check_same_shape",
    "reduced",
]

_REDUCTIONS = ("mean", "sum", "none")

# Squares and products of numbers up to this, and sums of them, do not overflow in the same type.
_MOST = {np.dtype(np.float32): 1e15, np.dtype(np.float64): 1e140}


def check_array(name: str, values: ArrayLike, ndim: int | None = None) -> NDArray[Any]:
    """A finite array of float32 or float64; other types become float64."""
    array = check_unmasked(name, values, np.asarray(values))
    if array.dtype.kind not in "fiub" and array.size:
        raise ValueError(f"{name} has dtype {array.dtype}, expected real numbers")
    if array.dtype not in _MOST:
        with np.errstate(over="ignore"):
            array = array.astype(np.float64) if array.size else np.zeros(array.shape)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} dimensions, expected {ndim}")
    if array.size == 0:
        raise ValueError(f"{name} is empty")
    check_magnitude(name, array, array.dtype)
    return array


def check_magnitude(name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> None:
    """Finite numbers, and not so large that a hinge of this type overflows."""
    wrong = ~(np.abs(array) <= _MOST[dtype])
    if wrong.any():
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        where = ", ".join(map(str, place))
        limit = f" of magnitude {_MOST[dtype]:g} at most" if np.isfinite(array[place]) else ""
        raise ValueError(f"{name}[{where}] is {array[place]}, expected a finite number{limit}")


def check_same_shape(name: str, array: NDArray[Any], other: str, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape} as {other} has")


def check_labels(y: ArrayLike, scores: NDArray[Any]) -> NDArray[Any]:
    """Labels -1 and +1 in the type of the scores.

    Other numbers would silently give wrong values and gradients.
    """
    labels = check_unmasked("y", y, np.asarray(y))
    check_same_shape("y", labels, "the scores", scores.shape)
    wrong = ~np.isin(labels, (-1, 1))
    if labels.dtype == bool or (wrong.any() and np.isin(labels, (0, 1)).all()):
        raise ValueError(
            "y holds 0 and 1; expected -1 and +1: pass 2 * y - 1 (of integers) instead"
        )
    if wrong.any():
        raise ValueError(f"y holds {labels[wrong][0]}; expected -1 and +1 only")
    return labels.astype(scores.dtype)


def check_number(name: str, value: Any, dtype: np.dtype[Any], *, positive: bool = False) -> Any:
    """A number in the type of the scores; one that must be > 0 is large enough to divide by."""
    most = _MOST[dtype]
    is_number = isinstance(value, numbers.Real) and not isinstance(value, (bool, np.bool_))
    if isinstance(value, np.generic):
        value = value.item()  # numpy would compare in a type that cannot hold the bounds
    if not is_number or not (1 / most <= value if positive else -most <= value) or value > most:
        limit = "a finite number > 0" if positive else "a finite number"
        bounds = f"{1 / most:g} to {most:g}" if positive else f"magnitude {most:g} at most"
        raise ValueError(f"{name}={value!r}: expected {limit} ({bounds})")
    return dtype.type(value)


def reduced(
    values: NDArray[Any],
    gradients: tuple[NDArray[Any], ...],
    reduction: str,
    with_gradient: bool,
    count: int | None = None,
) -> Any:
    """The values reduced, and with them their gradients if asked for.

    The mean divides by `count`; None: by the number of values. A single gradient
    is returned as it is, several as a tuple.
    """
    if reduction not in _REDUCTIONS:
        raise ValueError(
            f"unknown reduction {reduction!r}: expected one of "
            + ", ".join(repr(name) for name in _REDUCTIONS)
        )
    scale = 1.0
    result: Any = values
    if reduction == "sum":
        result = values.sum()
    elif reduction == "mean":
        scale = 1.0 / max(values.size if count is None else count, 1)
        result = values.sum() * values.dtype.type(scale)
    if not with_gradient:
        return result
    scaled = tuple(g * g.dtype.type(scale) for g in gradients)
    return result, scaled[0] if len(scaled) == 1 else scaled
