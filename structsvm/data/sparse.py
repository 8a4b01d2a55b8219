"""Sparse matrices that compiled code can follow: scipy takes their indices as given."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CHUNK",
    "check_finite",
    "check_sparse",
    "damage_of",
    "is_repeated",
    "lean",
    "ones",
]

# Entries checked at a time: bounds the memory that checking a mapped file takes.
CHUNK = 1 << 20

# Values that are compared at a time.
_AT_ONCE = 1 << 16


def ones(size: int) -> NDArray[np.float64]:
    """The values of binary rows: a read-only array of ones that takes 8 bytes, whatever its size.

    All entries are the same number in memory.
    """
    return np.broadcast_to(np.float64(1.0), (size,))


def lean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`ones` if all values are 1, else the values."""
    for start in range(0, len(values), _AT_ONCE):
        if (values[start : start + _AT_ONCE] != 1.0).any():
            return values
    return ones(len(values))


def is_repeated(values: Any) -> bool:
    """Whether these are `ones`, or a part of them."""
    return (
        isinstance(values, np.ndarray)
        and values.dtype == np.float64
        and values.strides == (0,)
        and not values.flags.writeable
        and (not len(values) or bool(values[0] == 1.0))
    )


def check_sparse(name: str, matrix: Any) -> None:
    """Raise ValueError if the arrays of a scipy sparse matrix, of any format, do not fit together.

    Call it before anything else is done with a user's matrix: scipy's conversions and products read
    and write where the indices point. `name` is what errors call the matrix. One pass over the
    indices.
    """
    if (wrong := damage_of(matrix)) is not None:
        arrays = _ARRAYS.get(matrix.format, "arrays")
        raise ValueError(
            f"{name} is a damaged {matrix.format.upper()} matrix: its {arrays} point out of its "
            f"arrays ({wrong})"
        )


def damage_of(matrix: Any) -> str | None:
    """What is wrong with a sparse matrix, and where; None if nothing is."""
    try:
        return _CHECKS.get(matrix.format, _no_check)(matrix)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def _no_check(matrix: Any) -> str | None:
    return None


def _check_compressed(matrix: Any) -> str | None:
    """CSR, CSC and BSR: starts and indices, of rows, of columns or of blocks."""
    sizes = matrix.shape if matrix.ndim == 2 else (1, *matrix.shape)
    if matrix.format == "bsr":
        blocks = matrix.data.shape[1:]
        if len(blocks) != 2 or sizes[0] % blocks[0] or sizes[1] % blocks[1]:
            return f"blocks of shape {blocks} do not fill {sizes}"
        sizes = (sizes[0] // blocks[0], sizes[1] // blocks[1])
    n_rows, n_columns = sizes[::-1] if matrix.format == "csc" else sizes
    indptr, indices = matrix.indptr, matrix.indices
    if (wrong := _no_integers("indptr", indptr) or _no_integers("indices", indices)) is not None:
        return wrong
    if len(indptr) != n_rows + 1:
        return f"indptr has {len(indptr)} entries, expected {n_rows + 1}"
    if len(indices) != len(matrix.data):
        return f"there are {len(indices)} indices and {len(matrix.data)} values"
    if indptr[0] != 0:
        return f"indptr[0] is {indptr[0]}, expected 0"
    if not (indptr[1:] >= indptr[:-1]).all() or indptr[-1] > len(indices):
        outside = (indptr < np.maximum.accumulate(indptr)) | (indptr > len(indices))
        k = int(np.argmax(outside))
        return (
            f"indptr[{k}] is {indptr[k]}, expected at least what is before it and at most the "
            f"{len(indices)} stored entries"
        )
    return _out_of_range("indices", indices, n_columns)


def _check_coordinates(matrix: Any) -> str | None:
    """COO: places and values."""
    for axis, (places, size) in enumerate(zip(matrix.coords, matrix.shape, strict=True)):
        name = f"coords[{axis}]"
        if (wrong := _no_integers(name, places)) is not None:
            return wrong
        if len(places) != len(matrix.data):
            return f"there are {len(places)} places in {name} and {len(matrix.data)} values"
        if (wrong := _out_of_range(name, places, size)) is not None:
            return wrong
    return None


def _check_keys(matrix: Any) -> str | None:
    """DOK: a dict from places to values."""
    for place in matrix.keys():  # noqa: SIM118  (a loop over the matrix itself gives no keys)
        coordinates = place if isinstance(place, tuple) else (place,)
        for k, size in zip(coordinates, matrix.shape, strict=True):
            if not 0 <= k < size:
                return f"the key {place} is outside of shape {matrix.shape}"
    return None


def _check_lists(matrix: Any) -> str | None:
    """LIL: a list of columns and a list of values for each row."""
    if not len(matrix.rows) == len(matrix.data) == matrix.shape[0]:
        return f"there are {len(matrix.rows)} and {len(matrix.data)} lists of rows"
    for i, (columns, values) in enumerate(zip(matrix.rows, matrix.data, strict=True)):
        if len(columns) != len(values):
            return f"rows[{i}] has {len(columns)} columns, data[{i}] {len(values)} values"
        for column in columns:
            if not 0 <= column < matrix.shape[1]:
                return f"rows[{i}] has the column {column}, expected 0 to {matrix.shape[1] - 1}"
    return None


def _check_diagonals(matrix: Any) -> str | None:
    """DIA: values by diagonal."""
    if matrix.data.ndim != 2 or len(matrix.offsets) != len(matrix.data):
        return f"there are {len(matrix.offsets)} offsets for data of shape {matrix.data.shape}"
    return _no_integers("offsets", matrix.offsets)


def _no_integers(name: str, places: NDArray[Any]) -> str | None:
    if isinstance(places, np.ndarray) and places.ndim == 1 and places.dtype.kind in "iu":
        return None
    return f"{name} is no 1-D array of integers"


def _out_of_range(name: str, places: NDArray[Any], stop: int) -> str | None:
    # Read as unsigned, what is negative is too large: one pass finds both.
    unsigned = places.view(places.dtype.str.replace("i", "u"))
    if not len(places) or unsigned.max() < stop:
        return None
    k = int(np.argmax((places < 0) | (places >= stop)))
    return f"{name}[{k}] is {places[k]}, expected 0 to {stop - 1}"


_CHECKS = {
    "csr": _check_compressed,
    "csc": _check_compressed,
    "bsr": _check_compressed,
    "coo": _check_coordinates,
    "dok": _check_keys,
    "lil": _check_lists,
    "dia": _check_diagonals,
}
_ARRAYS = {
    "csr": "indptr or indices",
    "csc": "indptr or indices",
    "bsr": "indptr or indices",
    "coo": "coords",
    "dok": "keys",
    "lil": "rows",
    "dia": "offsets",
}


def check_finite(values: NDArray[np.floating]) -> int | None:
    """The place of the first NaN or inf, if there is one."""
    if is_repeated(values):
        return None
    for start in range(0, len(values), CHUNK):
        finite = np.isfinite(values[start : start + CHUNK])
        if not finite.all():
            return start + int(np.argmin(finite))
    return None
