"""Labels of nodes and pixels at the border: shapes checked, void ones told apart."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import as_items, real_array, shorten
from structsvm.data.labels import PackedLabels, encode_labels, flatten_labels

__all__ = [
    "balanced_weights",
    "check_class_weight",
    "encode_nodes",
    "flat_labels",
    "known_labels",
    "known_nodes",
    "odd_labels",
    "pack_node_weight",
]

_VOID, _STRANGE = -1, -2


def flat_labels(y: Any, shapes: Sequence[tuple[int, ...]]) -> NDArray[Any]:
    """The labels of all nodes in one array; truth values become 0 and 1."""
    items = as_items("y", y)
    if len(items) != len(shapes):
        raise ValueError(f"X has {len(shapes)} examples but y has {len(items)}")
    rows = []
    for i, (item, shape) in enumerate(zip(items, shapes, strict=True)):
        row = _label_array(f"y[{i}]", item)
        if row.shape != shape:
            hint = ""
            if row.shape[:-1] == shape:
                hint = ": one number a pixel, not a colour; take one channel, or number the colours"
            elif row.shape == shape[::-1]:
                hint = ": it is transposed"
            raise ValueError(f"y[{i}] has shape {row.shape}, expected {shape} as X[{i}] has{hint}")
        rows.append(np.ravel(row))
    flat, _ = flatten_labels(rows)
    return flat


def _label_array(place: str, item: Any) -> NDArray[Any]:
    if np.ma.is_masked(item):
        raise ValueError(f"{place} has masked entries; give them a label, see ignore_label")
    try:
        row = np.asarray(item)
        if row.dtype.kind not in "bf" and not isinstance(item, np.ndarray):
            # Of numbers among strings numpy would make strings without a word, and of truth values
            # among numbers numbers; strings it would cut at null characters.
            row = np.asarray(item, dtype=object)
    except ValueError as error:
        raise ValueError(f"{place} is no rectangular array of labels: {error}") from None
    if row.dtype.kind == "b":
        return row.astype(np.int64)
    if row.dtype.kind not in "iuUOT":
        raise ValueError(
            f"{place} has dtype {row.dtype}; labels must be integers, truth values or strings"
        )
    return row


def _is_void(flat: NDArray[Any], ignore_label: Any) -> NDArray[np.bool_]:
    if ignore_label is None:
        return np.zeros(len(flat), dtype=bool)
    kinds = (str,) if flat.dtype.kind == "U" else (numbers.Integral, np.bool_)
    if not isinstance(ignore_label, kinds):
        raise ValueError(
            f"ignore_label={ignore_label!r} is of another kind than the labels in y, such as "
            f"{flat[0].item()!r}"
        )
    void: NDArray[np.bool_] = flat == ignore_label
    return void


def known_nodes(y: PackedLabels, ignore_label: Any) -> list[NDArray[np.bool_]]:
    """Where each example has labels that are not void."""
    known = ~_is_void(y.labels, ignore_label)
    return list(PackedLabels(known, y.offsets, y.shapes))


def known_labels(
    y: PackedLabels, ignore_label: Any, weights: NDArray[np.float64] | None = None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The labels that are not void, sorted, and how many nodes have each, or their weights' sum."""
    counted = ~_is_void(y.labels, ignore_label)
    known = y.labels[counted]
    if not len(known):
        raise ValueError(
            f"all labels in y are {ignore_label!r}, the ignore_label: there is nothing to learn"
        )
    if weights is None:
        return np.unique(known, return_counts=True)
    classes, numbers = np.unique(known, return_inverse=True)
    return classes, np.bincount(numbers, weights[counted], len(classes))


# Values of a mask of 0 and 255 that are nearer than this share of it to an end belong to that end.
_NEAR = 0.25

# So many grey values from 0 to 255 are a picture, not labels.
_A_PICTURE = 64


def odd_labels(classes: NDArray[Any], ignore_label: Any) -> str | None:
    """What is odd about these sorted labels, if anything: what went wrong before they came here."""
    seen = shorten(classes.tolist())
    if len(classes) == 1:
        return f"all labels in y are {classes[0].item()!r}: there is nothing to tell apart"
    if classes.dtype.kind not in "iu" or len(classes) < 3:
        return None
    values = [int(label) for label in classes.tolist()]
    if ignore_label is None and values[-1] == 255 and values[:-1] == list(range(len(values) - 1)):
        return f"y has the labels {seen}: is 255 void? Then give ignore_label=255"
    middle = values[1]
    if ignore_label is None and values == [0, middle, 255] and 64 <= middle < 192:
        return f"y has the labels {seen}: is {middle} void? Then give ignore_label={middle}"
    if values[0] >= 0 and 255 * (1 - _NEAR) < values[-1] <= 255:
        dark = sum(value < 255 * _NEAR for value in values)
        light = sum(value > 255 * (1 - _NEAR) for value in values)
        at_the_ends = dark >= 1 and light >= 2 and dark + light == len(values)
        if at_the_ends or len(values) >= _A_PICTURE:
            return (
                f"y has {len(values)} labels, {seen}: masks of 0 and 255 that were saved as JPEG "
                "or resized? Then take y > 127"
            )
    return None


def encode_nodes(y: PackedLabels, classes: NDArray[Any], ignore_label: Any) -> NDArray[np.int32]:
    """Class numbers of all nodes, -1 for void ones."""
    flat = y.labels
    numbers = np.full(len(flat), _VOID, dtype=np.int32)
    if len(flat):
        known = ~_is_void(flat, ignore_label)
        numbers[known] = encode_labels(flat[known], classes, unknown=_STRANGE)
    if (strange := np.flatnonzero(numbers == _STRANGE)).size:
        i = int(np.searchsorted(y.offsets, strange[0], side="right")) - 1
        node = np.unravel_index(strange[0] - y.offsets[i], y[i].shape)
        raise ValueError(
            f"y[{i}]{[int(k) for k in node]} is {flat[strange[0]].item()!r}, which was not in the "
            f"y that fit saw; the known labels are {shorten(classes.tolist())}"
        )
    return numbers


def pack_node_weight(
    node_weight: Any, shapes: Sequence[tuple[int, ...]]
) -> NDArray[np.float64] | None:
    """Factors of the loss of all nodes, finite and >= 0."""
    if node_weight is None:
        return None
    items = as_items("the weight of nodes", node_weight)
    if len(items) != len(shapes):
        raise ValueError(f"X has {len(shapes)} examples, but the loss has weights for {len(items)}")
    rows = []
    for i, (item, shape) in enumerate(zip(items, shapes, strict=True)):
        place = f"the weight of the loss at y[{i}]"
        if np.ma.is_masked(item):
            raise ValueError(f"{place} has masked entries; fill them, with 0 for no loss")
        try:
            row = real_array(place, item)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{place} is no array of real numbers: {error}") from None
        if row.shape != shape:
            raise ValueError(f"{place} has shape {row.shape}, expected {shape} as y[{i}] has")
        wrong = ~np.isfinite(row) | (row < 0)
        if wrong.any():
            node = tuple(np.argwhere(wrong)[0].tolist())
            raise ValueError(f"{place}{list(node)} is {row[node]}, expected a finite number >= 0")
        rows.append(row.ravel())
    return np.concatenate(rows) if rows else np.zeros(0)


def balanced_weights(sizes: NDArray[Any]) -> NDArray[np.float64]:
    """Factors that make classes of these sizes, numbers or sums of weights, weigh the same.

    A class of size 0 has nothing to weigh: as if it were not there.
    """
    factors = np.ones(len(sizes))
    there = sizes > 0
    with np.errstate(over="ignore", invalid="ignore"):
        factors[there] = sizes.sum() / (there.sum() * sizes[there])
    if not (np.isfinite(factors) & (factors > 0)).all():
        least, most = sizes[there].min(), sizes[there].max()
        raise ValueError(
            f"'balanced' classes that weigh {least:g} to {most:g}: their factors are no numbers; "
            "scale the weights, or give class_weight as a dict"
        )
    return factors


def check_class_weight(
    class_weight: str | Mapping[Any, float] | None,
    classes: NDArray[Any],
    counts: NDArray[Any],
) -> NDArray[np.float64]:
    """A factor >= 0 for each class, given how often it occurs or how much it weighs."""
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str) and class_weight == "balanced":
        return balanced_weights(counts)
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            f"class_weight={class_weight!r}: expected 'balanced', a dict from classes to factors, "
            "or None"
        )
    names = classes.tolist()
    strange = [label for label in class_weight if label not in names]
    if strange:
        raise ValueError(
            f"class_weight names the class {strange[0]!r}, which is not in y; the classes are "
            f"{shorten(names)}"
        )
    for label, weight in class_weight.items():
        if not isinstance(weight, numbers.Real) or not 0 <= weight < math.inf:
            raise ValueError(
                f"class_weight[{label!r}] is {weight!r}, expected a finite number >= 0"
            )
    return np.array([float(class_weight.get(name, 1.0)) for name in names])
