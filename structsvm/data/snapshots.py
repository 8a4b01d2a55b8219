"""What a snapshot may hold: the kind of each entry, checked before its use."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.exceptions import ModelFileError

__all__ = ["Kind", "Kinds", "check_snapshot", "count", "number", "vector"]

#: Products of two numbers up to this, and sums of those, do not overflow.
_LARGEST = 1e150
#: More than any fit counts to, and exact as a double.
_MOST = 2.0**53


class Kind(NamedTuple):
    """An array as it must be; None in `shape` is any length."""

    dtype: type[np.generic]
    shape: tuple[int | None, ...] = ()
    least: float = -_LARGEST
    most: float = _LARGEST
    nan: bool = False
    optional: bool = False


#: By the names of entries.
Kinds = Mapping[str, Kind]


def count(least: float = 0, most: float = _MOST) -> Kind:
    return Kind(np.int64, (), least, most)


def number(least: float = -_LARGEST, most: float = _LARGEST, *, nan: bool = False) -> Kind:
    return Kind(np.float64, (), least, most, nan)


def vector(size: int | None, least: float = -_LARGEST, *, optional: bool = False) -> Kind:
    return Kind(np.float64, (size,), least, optional=optional)


def check_snapshot(snapshot: Mapping[str, NDArray[Any]], kinds: Kinds) -> None:
    """Refuse a snapshot whose entries are not all there and all of their kinds.

    Raises
    ------
    ModelFileError
        Naming the entry.
    """
    if strange := sorted(set(snapshot) - set(kinds)):
        raise _misfit(strange[0], "is there, which is of another fit")
    for name, kind in kinds.items():
        if name in snapshot:
            _check(name, snapshot[name], kind)
        elif not kind.optional:
            raise _misfit(name, "is missing")


def _check(name: str, array: NDArray[Any], kind: Kind) -> None:
    fits = len(array.shape) == len(kind.shape) and all(
        wanted in (None, size) for size, wanted in zip(array.shape, kind.shape, strict=True)
    )
    text = array.dtype.kind == "U"  # of any length
    if not fits or text != (kind.dtype is np.str_) or not (text or array.dtype == kind.dtype):
        shape = ", ".join("any" if size is None else str(size) for size in kind.shape)
        raise _misfit(
            name,
            f"is {array.dtype} of shape {array.shape}, expected {np.dtype(kind.dtype)} of shape "
            f"({shape})",
        )
    if text:
        return
    wrong = ~((array >= kind.least) & (array <= kind.most))
    if kind.nan:
        wrong &= ~np.isnan(array)
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        raise _misfit(
            name + (str(place) if place else ""),
            f"is {array[tuple(place)]}, expected {_range(kind)}",
        )


def _range(kind: Kind) -> str:
    if kind.most < _LARGEST:
        return f"a number from {kind.least:g} to {kind.most:g}"
    finite = "number" if kind.most == math.inf else "finite number"
    return f"a {finite}" if kind.least <= -_LARGEST else f"a {finite} >= {kind.least:g}"


def _misfit(name: str, what: str) -> ModelFileError:
    if name.startswith("random/"):
        return ModelFileError(f"the snapshot holds no state of a random generator: {name} {what}")
    return ModelFileError(f"the snapshot does not fit this problem: {name} {what}")
