"""What all hinges share: checks of the input, and how values become one number."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_unmasked

__all__ = [
    "broadcast",
    "check_array",
    "check_choice",
    "check_classes",
    "check_flag",
    "check_labels",
    "check_magnitude",
    "check_number",
    "check_same_shape",
    "named",
    "reduced",
    "stretched",
    "value_and_factors",
]

_REDUCTIONS = ("mean", "sum", "none")

# Squares and products of numbers up to this, and sums of them, do not overflow in the same type.
_MOST = {np.dtype(np.float32): 1e15, np.dtype(np.float64): 1e140}
# Small multiples of numbers up to this, and sums of them, do not.
_MOST_ADDED = {np.dtype(np.float32): 1e30, np.dtype(np.float64): 1e290}
_MOST_WEIGHT = {np.dtype(np.float32): 1e5, np.dtype(np.float64): 1e15}


def check_array(
    name: str, values: ArrayLike, ndim: int | None = None, *, squares: bool = True
) -> NDArray[Any]:
    """A finite array of float32 or float64; other types become float64.

    Numbers may be greater where nothing `squares` or multiplies them.
    """
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
    check_magnitude(name, array, array.dtype, squares=squares)
    return array


def check_magnitude(
    name: str, array: NDArray[Any], dtype: np.dtype[Any], *, squares: bool = True
) -> None:
    """Finite numbers, and not so large that a hinge of this type overflows."""
    most = (_MOST if squares else _MOST_ADDED)[dtype]
    wrong = ~(np.abs(array) <= most)
    if wrong.any():
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        limit = f" of magnitude {most:g} at most" if np.isfinite(array[place]) else ""
        raise ValueError(f"{named(name, place)} is {array[place]}, expected a finite number{limit}")


def named(name: str, place: tuple[int, ...]) -> str:
    """An entry of an array in words."""
    return f"{name}[{', '.join(map(str, place))}]" if place else name


def check_same_shape(name: str, array: NDArray[Any], other: str, shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape} as {other} has")


def stretched(name: str, array: NDArray[Any], other: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """An array broadcast to the shape of another, which is never stretched itself: a column and a
    row would silently make a table."""
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise ValueError(
            f"{name} has shape {array.shape}, expected {shape} as {other}, or a shape that "
            "broadcasts to it"
        ) from None


def broadcast(**arrays: NDArray[Any]) -> list[NDArray[Any]]:
    """Arrays of one type, broadcast against each other."""
    dtype = np.result_type(*arrays.values())
    try:
        found = np.broadcast_arrays(*arrays.values())
    except ValueError:
        (first, reference), *others = arrays.items()
        for name, array in others:
            try:
                reference = np.broadcast_to(0, np.broadcast_shapes(reference.shape, array.shape))
            except ValueError:
                raise ValueError(
                    f"{name} has shape {array.shape}, expected {reference.shape} as {first} has, "
                    "or shapes that broadcast"
                ) from None
        raise
    return [array.astype(dtype, copy=False) for array in found]


def check_labels(y: ArrayLike, scores: NDArray[Any]) -> NDArray[Any]:
    """Labels -1 and +1 in the type of the scores, broadcast to their shape.

    Other numbers would silently give wrong values and gradients.
    """
    labels = check_unmasked("y", y, np.asarray(y))
    labels = stretched("y", labels, "the scores have", scores.shape)
    wrong = ~np.isin(labels, (-1, 1))
    if labels.dtype == bool or (wrong.any() and np.isin(labels, (0, 1)).all()):
        raise ValueError(
            "y holds 0 and 1; expected -1 and +1: pass 2 * y - 1 (of integers) instead"
        )
    if wrong.any():
        raise ValueError(f"y holds {labels[wrong][0]}; expected -1 and +1 only")
    return labels.astype(scores.dtype)


def check_classes(
    y: ArrayLike, scores: ArrayLike, ignore_index: int | None, *, squares: bool = True
) -> tuple[NDArray[np.intp], NDArray[Any], NDArray[np.bool_] | None]:
    """Class numbers, scores of shape (n, K), and which rows count; None if all do.

    Rows that do not count have class 0.
    """
    s = check_array("scores", scores, ndim=2, squares=squares)
    labels = check_unmasked("y", y, np.asarray(y))
    if labels.shape != s.shape[:1]:
        raise ValueError(f"y has shape {labels.shape}, expected ({len(s)},)")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"y has dtype {labels.dtype}, expected class numbers (integers)")
    counts = None
    if ignore_index is not None:
        whole = isinstance(ignore_index, numbers.Integral)
        if not whole or isinstance(ignore_index, (bool, np.bool_)):
            raise ValueError(f"ignore_index={ignore_index!r}: expected an integer or None")
        counts = labels != int(ignore_index)
        labels = np.where(counts, labels, 0)
    wrong = (labels < 0) | (labels >= s.shape[1])
    if wrong.any():
        place = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"y[{place}] is {labels[place]}, expected a class number from 0 to {s.shape[1] - 1}"
        )
    return labels.astype(np.intp), s, counts


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


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if isinstance(value, (bool, np.bool_)) or value not in choices:
        names = [repr(choice) for choice in choices]
        raise ValueError(f"{name}={value!r}: expected {', '.join(names[:-1])} or {names[-1]}")


def check_flag(name: str, value: Any) -> None:
    if not isinstance(value, (bool, np.bool_)):
        raise ValueError(f"{name}={value!r}: expected True or False")


def _check_weights(sample_weight: ArrayLike, values: NDArray[Any]) -> NDArray[Any]:
    """One weight for each value, in their type."""
    weights = check_unmasked("sample_weight", sample_weight, np.asarray(sample_weight))
    if weights.dtype.kind not in "fiub":
        raise ValueError(f"sample_weight has dtype {weights.dtype}, expected real numbers")
    most = _MOST_WEIGHT[values.dtype]
    wrong = ~((weights >= 0) & (weights <= most))
    if wrong.any():
        place = tuple(int(k) for k in np.argwhere(wrong)[0])
        raise ValueError(
            f"{named('sample_weight', place)} is {weights[place]}, expected a number from 0 to "
            f"{most:g}"
        )
    weights = stretched("sample_weight", weights, "the values have", values.shape)
    if not weights.any():
        raise ValueError("sample_weight is zero everywhere: there is nothing to sum up")
    return weights.astype(values.dtype)


def reduced(
    values: NDArray[Any],
    gradients: tuple[NDArray[Any], ...],
    reduction: str,
    with_gradient: bool,
    sample_weight: ArrayLike | None = None,
    *,
    counts: NDArray[Any] | None = None,
    shapes: tuple[tuple[int, ...], ...] | None = None,
) -> Any:
    """The values reduced, and with them their gradients if asked for.

    Parameters
    ----------
    values : ndarray
    gradients : tuple of ndarrays
        Each with the values' shape first; its further dimensions belong to one value.
    reduction : {"mean", "sum", "none"}
    with_gradient : bool
        A single gradient is returned as it is, several as a tuple.
    sample_weight : array-like that broadcasts to the values, default=None
        Factors of the values. The mean is then the weighted mean.
    counts : ndarray of the values' shape, default=None
        For how many each value stands in the mean; None: one. The mean of none is 0.
    shapes : tuple, default=None
        The shapes that the differentiated arrays had before they were broadcast: gradients of sums
        and means are summed to them.
    """
    if reduction not in _REDUCTIONS:
        raise ValueError(
            f"unknown reduction {reduction!r}: expected one of "
            + ", ".join(repr(name) for name in _REDUCTIONS)
        )
    values, kind = np.asarray(values), values.dtype.type
    factors: Any = None
    if sample_weight is not None:
        factors = _check_weights(sample_weight, values)
    if reduction == "mean":
        shares = np.float64(values.size) if factors is None else factors.astype(np.float64).sum()
        if counts is not None:
            shares = (counts if factors is None else counts * factors.astype(np.float64)).sum()
        scale = 1.0 / float(shares) if shares > 0 else 1.0
        # Weights are divided before they are used: with small or large ones nothing overflows.
        factors = kind(scale) if factors is None else (factors * scale).astype(values.dtype)
    if reduction == "none":
        result: Any = values if factors is None else values * factors
    elif factors is None or factors.ndim == 0:
        result = values.sum() if factors is None else values.sum() * factors
    else:
        result = (values * factors).sum()
    if not with_gradient:
        return result
    found = []
    for k, gradient in enumerate(gradients):
        if factors is not None:
            spread = np.reshape(factors, np.shape(factors) + (1,) * (gradient.ndim - values.ndim))
            gradient = gradient * (factors if np.ndim(factors) == 0 else spread)
        if reduction != "none" and shapes is not None:
            gradient = _summed_to(gradient, shapes[k])
        found.append(gradient)
    return result, found[0] if len(found) == 1 else tuple(found)


def value_and_factors(
    values: NDArray[Any],
    reduction: str,
    sample_weight: ArrayLike | None,
    *,
    counts: NDArray[Any] | None = None,
) -> tuple[Any, NDArray[Any]]:
    """The values reduced, and how much each counts in that."""
    ones = np.ones_like(values)
    result: tuple[Any, NDArray[Any]] = reduced(
        values, (ones,), reduction, True, sample_weight, counts=counts
    )
    return result


def _summed_to(gradient: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """The derivative by what was broadcast from this shape."""
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(shape))))
    stretched_axes = tuple(
        k for k, size in enumerate(shape) if size == 1 and gradient.shape[k] != 1
    )
    summed: NDArray[Any] = gradient.sum(axis=stretched_axes, keepdims=True)
    return summed
