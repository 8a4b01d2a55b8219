"""From what users pass to packed arrays. Every error about user input is raised here.

Lists of arrays become `PackedSequences`. Zeros are not stored: kernels then have one layout for
dense and sparse input, and a dense matrix of pixels or indicator features shrinks.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence, Set
from typing import Any

import joblib
import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from structsvm.data.sequences import PackedSequences, check_finite
from structsvm.data.sparse import check_sparse
from structsvm.exceptions import LabelError

__all__ = [
    "as_items",
    "check_n_jobs",
    "check_pairs",
    "check_sample_weight",
    "check_scalar",
    "check_unmasked",
    "encode_labels",
    "flatten_labels",
    "pack_position_weight",
    "pack_sequences",
    "real_array",
]


def check_scalar(name: str, value: Any, *, above: float, integer: bool = False) -> None:
    """Raise ValueError unless `value` is a finite number greater than `above`."""
    kind = numbers.Integral if integer else numbers.Real
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, kind):
        what = "an integer" if integer else "a number"
        raise ValueError(f"{name}={value!r}: expected {what} > {above}")
    if not above < value < math.inf:  # type: ignore[operator]
        raise ValueError(f"{name}={value!r}: expected a finite number > {above}")


def check_n_jobs(n_jobs: Any) -> int:
    """How many threads or processes `n_jobs` asks for, as in joblib.

    Raises
    ------
    ValueError
        Unless it is None or an integer, not 0.
    """
    if n_jobs is None:
        return int(joblib.effective_n_jobs(None))
    if isinstance(n_jobs, (bool, np.bool_)) or not isinstance(n_jobs, numbers.Integral):
        raise ValueError(f"n_jobs={n_jobs!r}: expected None or an integer")
    if n_jobs == 0:
        raise ValueError("n_jobs=0: expected at least 1, or -1 for all processors")
    return int(joblib.effective_n_jobs(int(n_jobs)))


def as_items(name: str, value: Any) -> Any:
    """One item for each example: as a list, or packed as they are."""
    if isinstance(value, PackedSequences):
        return value
    if (wrong := no_sequence(value)) is not None:
        raise ValueError(f"{name} is a {wrong}; expected a list with one item for each example")
    return list(value)


def no_sequence(value: Any) -> str | None:
    """What `value` is, if it is no sequence of items in an order."""
    kind = type(value).__name__
    if hasattr(value, "__dataframe__") or (hasattr(value, "columns") and hasattr(value, "shape")):
        return f"{kind}, which gives the names of its columns one by one (for rows: .to_numpy())"
    if isinstance(value, Set):
        return f"{kind}, which has no order"
    if isinstance(value, (str, bytes, Mapping)) or sp.issparse(value):
        return kind
    if not hasattr(value, "__len__") or (hasattr(value, "shape") and value.shape == ()):
        return kind
    return None


def check_pairs(X: Any, y: Any) -> tuple[Any, Any]:
    """X and y as lists (or packed) of the same length, at least one."""
    X, y = as_items("X", X), as_items("y", y)
    if len(X) != len(y):
        hint = ": a single output goes into a list of one" if len(X) == 1 else ""
        raise ValueError(f"X has {len(X)} examples but y has {len(y)}{hint}")
    if not len(X):
        raise ValueError("X and y are empty: there is nothing to learn from")
    return X, y


def pack_sequences(
    X: Any, n_features: int | None = None, n_edge_features: int | None = None
) -> PackedSequences:
    """Pack a list of (length, n_features) arrays or CSR matrices, or pairs of them with edges.

    Parameters
    ----------
    X : PackedSequences, or list of 2-D arrays of a real dtype or of scipy CSR matrices
        A sequence without positions may have any number of features. A tuple of two is a sequence
        and its edge features.
    n_features, n_edge_features : int, default=None
        What each item must have; None: what the first item with positions has.

    Raises
    ------
    ValueError
        Naming the item: not 2-D, not real, of another width, sparse but not CSR, NaN or inf.
    """
    if isinstance(X, PackedSequences):
        packed = X.checked()
        for kind, found, expected in (
            ("", packed.n_features, n_features),
            ("edge ", packed.n_edge_features, n_edge_features),
        ):
            if expected is not None and found != expected and packed.rows.shape[0]:
                raise ValueError(f"X has {found} {kind}features, expected {expected}")
        return packed
    items = as_items("X", X)
    paired = [i for i, item in enumerate(items) if _is_pair(item)]
    if not paired:
        packed = PackedSequences(*_pack(items, "X[{}]", n_features))
        if n_edge_features and packed.rows.shape[0]:
            raise ValueError(
                f"the items of X are single arrays, expected pairs (features, edge features) with "
                f"{n_edge_features} edge features"
            )
        return packed
    if len(paired) < len(items):
        i = next(i for i in range(len(items)) if i not in paired)
        raise ValueError(
            f"X[{paired[0]}] is a pair (features, edge features) but X[{i}] is not: all items must "
            "be of one kind"
        )
    rows, offsets = _pack([item[0] for item in items], "X[{}][0]", n_features)
    edges, edge_offsets = _pack([item[1] for item in items], "X[{}][1]", n_edge_features)
    if (wrong := np.flatnonzero(np.diff(offsets) != np.diff(edge_offsets))).size:
        i = int(wrong[0])
        raise ValueError(
            f"X[{i}] has {items[i][1].shape[0]} rows of edge features for {items[i][0].shape[0]} "
            "positions; expected one for each (the first is not used)"
        )
    return PackedSequences(rows, offsets, edges)


def _is_pair(item: Any) -> bool:
    """Whether this is a sequence and its edge features, rather than a sequence of two rows."""
    return (
        isinstance(item, tuple)
        and len(item) == 2
        and all(getattr(part, "ndim", 0) == 2 for part in item)
    )


def _pack(
    parts: list[Any], place: str, n_features: int | None
) -> tuple[sp.csr_array, NDArray[np.int64]]:
    """One matrix of all rows, and the offsets; `place` names item i in errors."""
    items = [_check_item(place.format(i), item) for i, item in enumerate(parts)]
    lengths = np.array([item.shape[0] for item in items], dtype=np.int64)
    filled = [i for i, length in enumerate(lengths) if length]
    if n_features is None:
        n_features = items[filled[0] if filled else 0].shape[1] if items else 0
    for i in filled:
        if items[i].shape[1] != n_features:
            raise ValueError(
                f"{place.format(i)} has {items[i].shape[1]} features, expected {n_features}"
                + ("" if i == filled[0] else f" as {place.format(filled[0])} has")
            )
    offsets = np.zeros(len(items) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    matrix = _stack([items[i] for i in filled], int(offsets[-1]), n_features)
    if (entry := check_finite(matrix.data)) is not None:
        row = int(np.searchsorted(matrix.indptr, entry, side="right")) - 1
        i = int(np.searchsorted(offsets, row, side="right")) - 1
        raise ValueError(
            f"{place.format(i)}[{row - offsets[i]}, {matrix.indices[entry]}] is "
            f"{matrix.data[entry]}; features must be finite"
        )
    return matrix, offsets


def _check_item(place: str, item: Any) -> Any:
    if sp.issparse(item):
        if item.format != "csr":
            raise ValueError(
                f"{place} is sparse in {item.format.upper()} format, expected CSR: use .tocsr()"
            )
        check_sparse(place, item)
    elif not isinstance(item, np.ndarray):
        try:
            item = np.asarray(item)
        except ValueError as error:
            raise ValueError(f"{place} is no rectangular array of numbers: {error}") from None
    if np.ma.is_masked(item):
        raise ValueError(f"{place} has masked entries; fill them: features must be numbers")
    if item.dtype.kind not in "fiub":
        raise ValueError(f"{place} has dtype {item.dtype}, expected real numbers")
    if item.ndim == 1 and item.shape[0] == 0:
        item = item.reshape(0, 0)
    if item.ndim != 2:
        raise ValueError(
            f"{place} has {item.ndim} dimension{'s' if item.ndim != 1 else ''}, expected 2: "
            "(length, n_features). X is a list of sequences; for one sequence x pass [x]"
        )
    if item.shape[1] >= 2**31:
        raise ValueError(f"{place} has {item.shape[1]} features; at most 2**31 - 1 can be indexed")
    return item


def _stack(items: list[Any], n_rows: int, n_columns: int) -> sp.csr_array:
    """One CSR matrix without stored zeros."""
    if not items:
        return sp.csr_array((n_rows, n_columns), dtype=np.float64)
    if any(sp.issparse(item) for item in items):
        parts = [item if sp.issparse(item) else sp.csr_array(item) for item in items]
        row_sizes = np.concatenate([np.diff(part.indptr) for part in parts])
        starts = np.zeros(n_rows + 1, dtype=np.int64)
        np.cumsum(row_sizes, out=starts[1:])
        # The same as vstack, in a fifth of the time for short sequences.
        columns = np.concatenate([part.indices[: part.indptr[-1]] for part in parts])
        values = np.concatenate([part.data[: part.indptr[-1]] for part in parts], dtype=np.float64)
        matrix = sp.csr_array((values, columns, starts), shape=(n_rows, n_columns))
        matrix.sum_duplicates()
    else:
        matrix = sp.csr_array(np.concatenate(items), dtype=np.float64)
    matrix.eliminate_zeros()
    return matrix


def flatten_labels(
    y: Any, lengths: NDArray[np.int64] | None = None, name: str = "y"
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """All labels in one array, and the lengths of the sequences they came from.

    Raises
    ------
    ValueError
        Naming the item: not 1-D, neither integers nor strings, both kinds mixed, or a length other
        than that in `lengths`.
    """
    rows, sizes = [], []
    kind_of_all = ""
    if isinstance(y, PackedSequences):
        raise ValueError(f"{name} is a PackedSequences; expected a list of label sequences")
    items = as_items(name, y)
    if lengths is not None and len(items) != len(lengths):
        raise ValueError(f"{name} has {len(items)} sequences, expected {len(lengths)} as X has")
    for i, item in enumerate(items):
        row = _label_row(i, item, name)
        if lengths is not None and len(row) != lengths[i]:
            raise ValueError(
                f"{name}[{i}] has {len(row)} labels, but X[{i}] has {lengths[i]} positions"
            )
        sizes.append(len(row))
        if not len(row):
            continue
        kind = "strings" if row.dtype.kind == "U" else "integers"
        if row.dtype.kind == "u":
            # Beside signed ones numpy would make floats of them.
            if row.max() > np.iinfo(np.int64).max:
                raise ValueError(f"{name}[{i}] has the label {row.max()}, above 2**63 - 1")
            row = row.astype(np.int64)
        if kind_of_all not in ("", kind):
            raise ValueError(
                f"{name}[{i}] holds {kind}, but earlier sequences hold {kind_of_all}: "
                "labels must be all integers or all strings"
            )
        kind_of_all = kind
        rows.append(row)
    flat = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int64)
    return flat, np.array(sizes, dtype=np.int64)


def _label_row(i: int, item: Any, name: str) -> NDArray[Any]:
    if no_sequence(item) is not None:
        raise ValueError(
            f"{name}[{i}] is {item!r}; expected a sequence with one label for each position"
        )
    if np.ma.is_masked(item):
        raise ValueError(f"{name}[{i}] has masked entries; each position needs a label")
    row = item if isinstance(item, np.ndarray) else object_row(item)
    if row.ndim != 1:
        raise ValueError(f"{name}[{i}] has {row.ndim} dimensions, expected 1")
    if row.dtype.kind in "OT":
        # numpy would turn a mixed list into strings without a word.
        if all(isinstance(label, str) for label in row):
            cut = next((t for t, label in enumerate(row) if label.endswith("\0")), None)
            if cut is not None:
                raise LabelError(
                    f"{name}[{i}] holds {row[cut]!r}, which ends in a null character: numpy drops "
                    "it, and labels would merge; name the label otherwise",
                    (i, cut),
                )
            return np.array(row.tolist(), dtype=str)
        wrong = [
            label
            for label in row
            if isinstance(label, (bool, np.bool_)) or not isinstance(label, numbers.Integral)
        ]
        if wrong:
            strange = next((label for label in wrong if not isinstance(label, str)), wrong[0])
            raise ValueError(
                f"{name}[{i}] holds {strange!r}; labels must be all integers or all strings"
            )
        if great := [label for label in row if not -(2**63) <= int(label) < 2**63]:
            raise ValueError(
                f"{name}[{i}] holds {great[0]}, expected integers from -2**63 to 2**63 - 1; longer "
                "labels can be strings"
            )
        return row.astype(np.int64)
    if row.dtype.kind not in "iuU" and len(row):
        raise ValueError(f"{name}[{i}] has dtype {row.dtype}; labels must be integers or strings")
    return row


def object_row(item: Sequence[Any]) -> NDArray[Any]:
    return np.fromiter(item, dtype=object, count=len(item))


def encode_labels(
    flat: NDArray[Any], classes: NDArray[Any], *, unknown: int | None = None
) -> NDArray[np.int32]:
    """Class numbers of labels; an unseen label becomes `unknown`, or an error where that is None.

    Raises
    ------
    ValueError
        If a label is not among `classes` and `unknown` is None.
    """
    if (flat.dtype.kind == "U") != (classes.dtype.kind == "U"):
        known = np.zeros(len(flat), dtype=bool)
        places = np.zeros(len(flat), dtype=np.int64)
    else:
        if flat.dtype.kind != classes.dtype.kind and flat.dtype.kind != "U":
            # numpy would compare them as floats, in which great integers are the same.
            numbers_of = {label: number for number, label in enumerate(classes.tolist())}
            distinct, inverse = np.unique(flat, return_inverse=True)
            found = [numbers_of.get(label, -1) for label in distinct.tolist()]
            places = np.array(found, dtype=np.int64)[inverse]
            known = places >= 0
        else:
            places = np.minimum(np.searchsorted(classes, flat), len(classes) - 1)
            known = classes[places] == flat
    if not known.all():
        if unknown is None:
            stranger = flat[~known][0].item()
            raise ValueError(
                f"label {stranger!r} was not in the y that fit saw; "
                f"the known labels are {shorten(classes.tolist())}"
            )
        places = np.where(known, places, unknown)
    return places.astype(np.int32)


def shorten(items: list[Any], limit: int = 10) -> str:
    """Items for an error message, the first few of them."""
    shown = ", ".join(repr(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown}, ... ({len(items)} in all)"


def check_unmasked(name: str, value: ArrayLike, array: NDArray[Any]) -> NDArray[Any]:
    """The array made of `value`, unless a mask was lost on the way."""
    if np.ma.is_masked(value):
        raise ValueError(f"{name} has masked entries; fill them: each must be a number")
    return array


def real_array(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Real numbers as float64 of any shape; infinite where float64 holds none so large."""
    array = check_unmasked(name, value, np.asarray(value))
    if not array.size:
        return np.zeros(array.shape)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} has dtype {array.dtype}, expected real numbers")
    with np.errstate(over="ignore"):
        return array.astype(np.float64, copy=False)


def check_sample_weight(sample_weight: ArrayLike | None, n: int) -> NDArray[np.float64] | None:
    """One finite weight >= 0 an example, not all zero; or None."""
    if sample_weight is None:
        return None
    weights = real_array("sample_weight", sample_weight)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight has shape {weights.shape}, expected ({n},)")
    return _check_weights("sample_weight", weights)


def _check_weights(name: str, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    wrong = ~np.isfinite(weights) | (weights < 0)
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"{name}[{k}] is {weights[k]}, expected a finite number >= 0")
    if weights.size and not weights.any():
        raise ValueError(f"{name} is zero everywhere: there is nothing to learn from")
    return weights


def pack_position_weight(
    position_weight: Any, lengths: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """One weight a position, all sequences one after the other; or None."""
    if position_weight is None:
        return None
    rows = as_items("position_weight", position_weight)
    if len(rows) != len(lengths):
        raise ValueError(f"position_weight has {len(rows)} items for {len(lengths)} sequences")
    arrays = []
    for i, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        array = real_array(f"position_weight[{i}]", row)
        if array.shape != (length,):
            raise ValueError(
                f"position_weight[{i}] has shape {array.shape}, expected ({length},) as y[{i}] has"
            )
        wrong = ~np.isfinite(array) | (array < 0)
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"position_weight[{i}][{k}] is {array[k]}, expected a finite number >= 0"
            )
        arrays.append(array)
    return np.concatenate(arrays) if arrays else np.zeros(0)
