"""Inputs and outputs of models of parts, as users write them, checked and in arrays."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_unmasked
from structsvm.data.rows import check_rows

__all__ = [
    "Parts",
    "all_kinds",
    "all_vectors",
    "as_parts",
    "is_matrix",
    "other_sorts",
    "stacked",
    "table_sizes",
    "used_parts",
]


@dataclasses.dataclass(frozen=True, eq=False)
class Parts:
    """An input whose parts have features of several sorts, or that says what its outputs may be.

    Parameters
    ----------
    rows : array or CSR matrix of shape (n_parts, n_features), default=None
        A row of features for each part.
    vector : array of shape (n_vector_features,), default=None
        One row of features for all parts, each of which has its own weights for them.
    kinds : int array of shape (n_parts,) or (n_parts, n_tables), default=None
        The kind of each part, from 0. Parts of one kind share a weight. With several columns there
        are several tables of weights: a part has one entry of each, or none where it says -1. So
        weights of parts are tied in any way: by the pair of labels of an edge, say, in one order.
    context : object, default=None
        What a `Structure`, or a function of your own, needs to know of this example: a graph, a
        capacity, a shape.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import Parts
    >>> Parts(rows=np.eye(3), context={"capacity": 2}).context["capacity"]
    2
    """

    rows: Any = None
    vector: ArrayLike | None = None
    kinds: ArrayLike | None = None
    context: Any = None


def as_parts(i: int, x: Any) -> Parts:
    if isinstance(x, Parts):
        return x
    if sp.issparse(x):
        return Parts(rows=x)
    try:
        array = np.asarray(x)
    except ValueError:  # rows of different lengths
        array = np.empty((), dtype=object)
    check_unmasked(f"X[{i}]", x, array)
    if array.ndim == 1 and array.dtype != object:
        return Parts(vector=array)
    if array.ndim == 2:
        return Parts(rows=array)
    kind = f"has shape {array.shape}" if array.dtype != object else f"is {type(x).__name__}"
    raise ValueError(
        f"X[{i}] {kind}, expected an array (n_parts, n_features), rows of features; (n_features,), "
        "one vector for all parts; or Parts, whose context may be any object"
    )


def other_sorts(given: Mapping[str, bool], sizes: Mapping[str, int]) -> str:
    """How the sorts of features in inputs differ from those of training; "" if they do not."""
    names = {"rows": "n_features", "vector": "n_vector_features", "kinds": "n_kinds"}
    wrong = [sort for sort, name in names.items() if given[sort] != (name in sizes)]
    return "has " + " and ".join(f"{'a' if given[s] else 'no'} {s}" for s in wrong) if wrong else ""


def stacked(matrices: Sequence[Any]) -> tuple[Any, list[int]]:
    """The rows of all examples in one matrix, and how many each has."""
    rows, width = [], None
    for i, matrix in enumerate(matrices):
        try:
            checked = check_rows(matrix)
        except (ValueError, TypeError) as error:
            raise ValueError(f"X[{i}]: {error}") from None
        if width is not None and checked.shape[1] != width:
            raise ValueError(f"X[{i}] has {checked.shape[1]} features, expected {width} as X[0]")
        width = checked.shape[1]
        rows.append(checked)
    sizes = [matrix.shape[0] for matrix in rows]
    if any(sp.issparse(matrix) for matrix in rows):
        return check_rows(sp.vstack(rows, format="csr")), sizes
    return np.concatenate(rows), sizes


def is_matrix(X: Any) -> bool:
    """Whether X has a vector of features in each row."""
    return sp.issparse(X) or (isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind in "fiub")


def all_vectors(parts: Sequence[Parts]) -> NDArray[Any]:
    vectors = [np.asarray(part.vector) for part in parts]
    for i, vector in enumerate(vectors):
        check_unmasked(f"the vector of X[{i}]", parts[i].vector, vector)
        if vector.ndim != 1 or vector.shape != vectors[0].shape:
            raise ValueError(
                f"the vector of X[{i}] has shape {vector.shape}, expected (n_features,)"
                + (f" with {len(vectors[0])} features as X[0]" if vectors[0].ndim == 1 else "")
            )
    return np.stack(vectors)


def all_kinds(parts: Sequence[Parts], n_parts: Sequence[int]) -> NDArray[np.int32]:
    """The kinds of all parts, a column for each table."""
    rows: list[NDArray[np.int32]] = []
    tables = np.asarray(parts[0].kinds).shape[1:]
    least = -1 if tables else 0
    for i, (part, n) in enumerate(zip(parts, n_parts, strict=True)):
        kinds = check_unmasked(f"kinds of X[{i}]", part.kinds, np.asarray(part.kinds))
        if (
            kinds.shape != (n, *tables)
            or len(tables) > 1
            or tables == (0,)
            or kinds.dtype.kind not in "iu"
            or kinds.min(initial=0) < least
        ):
            columns = f", in {tables[0]} columns" if any(tables) else ""
            raise ValueError(
                f"the kinds of X[{i}] are {kinds.dtype} of shape {kinds.shape}, expected {n} "
                f"integers >= {least}{columns}"
            )
        if kinds.max(initial=0) >= 2**31 - 1:
            raise ValueError(f"X[{i}] has a part of kind {kinds.max()}, expected below 2**31 - 1")
        rows.append(kinds.astype(np.int32).reshape(n, *(tables or (1,))))
    return np.concatenate(rows)


def table_sizes(kinds: NDArray[np.int32], known: Mapping[str, int] | None) -> dict[str, int]:
    """How many kinds there are in each table; in training, if they are `known`."""
    found = {}
    for t, column in enumerate(kinds.T):
        name = f"n_kinds_{t}" if t else "n_kinds"
        found[name] = int(column.max(initial=-1)) + 1
        if known is None or name not in known:
            continue
        if found[name] > known[name]:
            where = f" in column {t}" if kinds.shape[1] > 1 else ""
            raise ValueError(
                f"X has a part of kind {found[name] - 1}{where}, expected 0 to {known[name] - 1} "
                "as in training"
            )
        found[name] = known[name]
    return found


_NO_PARTS = np.zeros(0, dtype=np.int32)


def used_parts(
    name: str, output: Any, form: str, n: int | None
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The parts that an output uses, ascending, one as often as it is used; and the void parts."""
    if form == "indices" and isinstance(output, Mapping):
        if set(output) != {"used", "void"}:
            raise ValueError(
                f"{name} is a dict with the keys {list(output)}, expected 'used' and 'void': rows "
                "of parts"
            )
        told, void = (used_parts(name, output[key], form, n)[0] for key in ("used", "void"))
        if (both := np.intersect1d(told, void)).size:
            raise ValueError(f"{name} says that part {both[0]} is used, and that it is void")
        return told, np.unique(void)
    if form == "indices" and isinstance(output, Set):
        output = list(output)
    row = check_unmasked(name, output, np.asarray(output))
    if form == "indices" and row.dtype == bool:
        raise ValueError(
            f"{name} is a mask of booleans, expected the used parts; for masks set output='uses'"
        )
    if not row.size and row.ndim == 1:
        row = row.astype(np.int64)
    if row.ndim != 1 or row.dtype.kind not in "iubf" or (row % 1 != 0).any():
        kind = f"{row.dtype} of shape {row.shape}" if row.ndim else type(output).__name__
        raise ValueError(
            f"{name} is {kind}, expected a row of integers, "
            + ("how often each part is used" if form == "uses" else "the used parts")
        )
    if form == "indices":
        most = 2**31 if n is None else n
        if row.size and not 0 <= row.min() <= row.max() < most:
            worst = row.min() if row.min() < 0 else row.max()
            raise ValueError(f"{name} has the part {worst}, expected 0 to {most - 1}")
        return np.sort(row).astype(np.int32), _NO_PARTS
    if n is not None and len(row) != n:
        raise ValueError(f"{name} has {len(row)} entries, expected {n}, one for each part")
    if row.size and row.min() < -1:
        raise ValueError(f"{name} has the entry {row.min()}, expected counts >= 0, or -1 for void")
    times = np.maximum(row, 0).astype(np.int64)
    if times.max(initial=0) <= 1:
        used = np.flatnonzero(times)
    else:
        used = np.repeat(np.arange(len(row)), times)
    return used.astype(np.int32), np.flatnonzero(row < 0).astype(np.int32)
