"""Labels of nodes and pixels at the border: shapes checked, void ones told apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.validation import as_items, encode_labels, flatten_labels, shorten

__all__ = ["check_class_weight", "encode_nodes", "known_labels", "pack_node_weight"]

_VOID = -1


def flat_labels(y: Any, shapes: Sequence[tuple[int, ...]]) -> NDArray[Any]:
    """The labels of all nodes in one array; truth values become 0 and 1."""
    items = as_items("y", y)
    if len(items) != len(shapes):
        raise ValueError(f"X has {len(shapes)} examples but y has {len(items)}")
    rows = []
    for i, (item, shape) in enumerate(zip(items, shapes, strict=True)):
        try:
            row = item if isinstance(item, np.ndarray) else np.asarray(item)
        except ValueError as error:
            raise ValueError(f"y[{i}] is no array of labels: {error}") from None
        if np.ma.is_masked(row):
            raise ValueError(f"y[{i}] has masked entries; give them a label, see ignore_label")
        if row.shape != shape:
            raise ValueError(f"y[{i}] has shape {row.shape}, but X[{i}] has labels of {shape}")
        if row.dtype.kind == "f":
            raise ValueError(
                f"y[{i}] has dtype {row.dtype}; labels must be integers, truth values or strings"
            )
        if row.dtype.kind == "b":
            row = row.astype(np.int64)
        rows.append(np.ravel(row))
    flat, _ = flatten_labels(rows)
    return flat


def _is_void(flat: NDArray[Any], ignore_label: Any) -> NDArray[np.bool_]:
    if ignore_label is None:
        return np.zeros(len(flat), dtype=bool)
    if isinstance(ignore_label, str) != (flat.dtype.kind == "U"):
        raise ValueError(
            f"ignore_label={ignore_label!r} is of another kind than the labels in y, such as "
            f"{flat[0].item()!r}"
        )
    void: NDArray[np.bool_] = flat == ignore_label
    return void


def known_labels(
    y: Any, shapes: Sequence[tuple[int, ...]], ignore_label: Any
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The labels that are not void, sorted, and how many nodes have each."""
    flat = flat_labels(y, shapes)
    known = flat[~_is_void(flat, ignore_label)]
    if not len(known):
        raise ValueError(
            f"all labels in y are {ignore_label!r}, the ignore_label: there is nothing to learn"
        )
    classes, counts = np.unique(known, return_counts=True)
    return classes, counts


def encode_nodes(
    y: Any, shapes: Sequence[tuple[int, ...]], classes: NDArray[Any], ignore_label: Any
) -> NDArray[np.int32]:
    """Class numbers of all nodes, -1 for void ones."""
    flat = flat_labels(y, shapes)
    numbers = np.full(len(flat), _VOID, dtype=np.int32)
    if len(flat):
        known = ~_is_void(flat, ignore_label)
        numbers[known] = encode_labels(flat[known], classes)
    return numbers


def pack_node_weight(
    node_weight: Any, shapes: Sequence[tuple[int, ...]]
) -> NDArray[np.float64] | None:
    """Factors of the loss of all nodes, finite and >= 0."""
    if node_weight is None:
        return None
    items = as_items("node_weight", node_weight)
    if len(items) != len(shapes):
        raise ValueError(f"node_weight has {len(items)} arrays, but X has {len(shapes)} examples")
    rows = []
    for i, (item, shape) in enumerate(zip(items, shapes, strict=True)):
        row = np.asarray(item, dtype=np.float64)
        if row.shape != shape:
            raise ValueError(f"node_weight[{i}] has shape {row.shape}, expected {shape} as y[{i}]")
        wrong = ~np.isfinite(row) | (row < 0)
        if wrong.any():
            place = tuple(np.argwhere(wrong)[0].tolist())
            raise ValueError(
                f"node_weight[{i}]{list(place)} is {row[place]}, expected a finite number >= 0"
            )
        rows.append(row.ravel())
    return np.concatenate(rows) if rows else np.zeros(0)


def check_class_weight(
    class_weight: str | Mapping[Any, float] | None,
    classes: NDArray[Any],
    counts: NDArray[np.int64],
) -> NDArray[np.float64]:
    """A factor >= 0 for each class."""
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(
                f"class_weight={class_weight!r}: expected 'balanced', a dict from classes to "
                "factors, or None"
            )
        balanced: NDArray[np.float64] = counts.sum() / (len(classes) * counts)
        return balanced
    names = classes.tolist()
    strange = [label for label in class_weight if label not in names]
    if strange:
        raise ValueError(
            f"class_weight names the class {strange[0]!r}, which is not in y; the classes are "
            f"{shorten(names)}"
        )
    weights = np.array([float(class_weight.get(name, 1.0)) for name in names])
    if not (np.isfinite(weights) & (weights >= 0)).all():
        k = int(np.argmin(np.isfinite(weights) & (weights >= 0)))
        raise ValueError(f"class_weight[{names[k]!r}] is {weights[k]}, expected a number >= 0")
    return weights
