"""What all losses share: checks of the input, and how values become one number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["check_array", "check_labels", "check_number", "check_same_shape", "reduced"]

_REDUCTIONS = ("mean", "sum", "none")


def check_array(name: str, values: ArrayLike, ndim: int | None = None) -> NDArray[Any]:
    """A finite array of float32 or float64; other types become float64."""
    array = np.asarray(values)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} dimensions, expected {ndim}")
    if array.size == 0:
        raise ValueError(f"{name} is empty")
    if not np.isfinite(array).all():
        place = tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])
        where = ", ".join(map(str, place))
        raise ValueError(f"{name}[{where}] is {array[place]}, expected a finite number")
    return array


def check_same_shape(name: str, array: NDArray[Any], other: str, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape} as {other} has")


def check_labels(y: ArrayLike, scores: NDArray[Any]) -> NDArray[Any]:
    """Labels -1 and +1 in the type of the scores.

    Other numbers would give values, and wrong gradients, without complaint.
    """
    labels = np.asarray(y)
    check_same_shape("y", labels, "the scores", scores.shape)
    wrong = ~np.isin(labels, (-1, 1))
    if labels.dtype == bool or (wrong.any() and np.isin(labels, (0, 1)).all()):
        raise ValueError(
            "y holds 0 and 1; expected -1 and +1: pass 2 * y - 1 (of integers) instead"
        )
    if wrong.any():
        raise ValueError(f"y holds {labels[wrong][0]}; expected -1 and +1 only")
    return labels.astype(scores.dtype)


def check_number(name: str, value: float, above: float = -np.inf) -> float:
    number = float(value)
    if not above < number < np.inf:
        limit = "a finite number" if above == -np.inf else f"a finite number > {above:g}"
        raise ValueError(f"{name}={value!r}: expected {limit}")
    return number


def reduced(
    values: NDArray[Any],
    gradients: tuple[NDArray[Any], ...],
    reduction: str,
    with_gradient: bool,
    count: int | None = None,
) -> Any:
    """The values reduced, and with them their gradients if asked for.

    `count` is what the mean divides by, where that is not the number of values. A single gradient
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
