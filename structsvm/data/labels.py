"""Labels of sequences, nodes and pixels: checked, in one array, and as class numbers."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import real_array, shorten
from structsvm.data.sequences import PackedSequences, as_items, no_sequence
from structsvm.exceptions import LabelError

__all__ = [
    "PackedLabels",
    "balanced_weights",
    "check_class_weight",
    "encode_labels",
    "encode_nodes",
    "flat_labels",
    "flatten_labels",
    "flatten_partial",
    "is_void",
    "known_labels",
    "known_nodes",
    "not_a_label",
    "object_row",
    "odd_labels",
    "pack_label_weight",
    "void_nodes",
    "without_none",
]

_VOID, _STRANGE = -1, -2


class PackedLabels(Sequence[Any]):
    """Labels of all examples, one after the other, and how much each counts.

    Parameters
    ----------
    labels : ndarray of shape (n_labels,)
        As users name them.
    offsets : int64 ndarray of shape (n_examples + 1,)
        Example i has the labels offsets[i] to offsets[i + 1].
    shapes : sequence of tuples, default=None
        The shape of each output; None: rows of labels.
    weight : float64 ndarray of shape (n_labels,), default=None
        Factor of the task loss at each label.
    sample_weight : float64 ndarray of shape (n_examples,), default=None
        Factor of each example's hinge.
    void : bool ndarray of shape (n_labels,), default=None
        Which entries of `labels` say nothing; None: none of these.
    """

    def __init__(
        self,
        labels: NDArray[Any],
        offsets: NDArray[np.int64],
        shapes: Sequence[tuple[int, ...]] | None = None,
        weight: NDArray[np.float64] | None = None,
        sample_weight: NDArray[np.float64] | None = None,
        void: NDArray[np.bool_] | None = None,
    ) -> None:
        self.labels = labels
        self.offsets = offsets
        self.shapes = shapes
        self.weight = weight
        self.sample_weight = sample_weight
        self.void = void

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    @property
    def known(self) -> NDArray[Any]:
        """The labels that are not `void`."""
        return self.labels if self.void is None else self.labels[~self.void]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        """The output of one example, with None for void labels; of a slice, a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        i = range(len(self))[index]
        here = slice(self.offsets[i], self.offsets[i + 1])
        row = self.labels[here]
        if self.void is not None and self.void[here].any():
            row = row.astype(object)
            row[self.void[here]] = None
        return row if self.shapes is None else row.reshape(self.shapes[i])

    def filled(self, labels: NDArray[Any], free: NDArray[np.bool_] | None) -> PackedLabels:
        """Completed labels, without loss where they are `free`."""
        weight = self.weight
        if free is not None:
            weight = np.where(free, 0.0, 1.0 if weight is None else weight)
        return PackedLabels(labels, self.offsets, self.shapes, weight, self.sample_weight)

    def replaced(self, rows: Sequence[Any], kept: Sequence[int] | None) -> PackedLabels:
        """Other labels in rows of the same lengths, of the examples `kept` alone; None: of all."""
        offsets, weight, sample_weight = self.offsets, self.weight, self.sample_weight
        if kept is not None:
            offsets = np.append(0, np.cumsum(self.lengths[kept]))
            if weight is not None:
                spans = [weight[self.offsets[i] : self.offsets[i + 1]] for i in kept]
                weight = np.concatenate(spans)
            if sample_weight is not None:
                sample_weight = sample_weight[kept]
        labels, _, void = flatten_partial(rows)
        return PackedLabels(labels, offsets, None, weight, sample_weight, void)


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
    if isinstance(y, PackedLabels):
        return y.labels, y.lengths
    rows, sizes = [], []
    kind_of_all = ""
    if isinstance(y, PackedSequences):
        raise ValueError(f"{name} is a PackedSequences; expected a list of label sequences")
    items = as_items(name, y)
    if lengths is not None and len(items) != len(lengths):
        raise ValueError(f"{name} has {len(items)} sequences, expected {len(lengths)} as X has")
    if _are_plain(items):
        found = np.fromiter(map(len, items), dtype=np.int64, count=len(items))
        if lengths is None or np.array_equal(found, lengths):
            return np.concatenate(items), found
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
            # numpy would make floats of unsigned and signed integers together.
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


def flatten_partial(
    y: Any, lengths: NDArray[np.int64] | None = None, ignore_label: Any = None, name: str = "y"
) -> tuple[NDArray[Any], NDArray[np.int64], NDArray[np.bool_] | None]:
    """What `flatten_labels` gives, with any label in place of each None, and which labels are void:
    None or `ignore_label`. The latter is None if no label is."""
    if isinstance(y, PackedLabels):
        return y.labels, y.lengths, y.void
    items = as_items(name, y)
    absent = [None] * len(items) if _are_plain(items) else [_absent(item) for item in items]
    some_absent = any(missing is not None for missing in absent)
    if some_absent:
        stand_in = ignore_label
        if stand_in is None:
            rows = zip(items, absent, strict=True)
            stand_in = next((label for row in rows for label in _present(*row)), 0)
        for i, missing in enumerate(absent):
            if missing is not None:
                items[i] = object_row(items[i])
                items[i][missing] = stand_in
    flat, lengths = flatten_labels(items, lengths, name)
    void = is_void(flat, ignore_label) if len(flat) else np.zeros(0, dtype=bool)
    if some_absent:
        of_rows = [
            np.zeros(n, dtype=bool) if missing is None else missing
            for n, missing in zip(lengths, absent, strict=True)
        ]
        void |= np.concatenate(of_rows)
    return flat, lengths, void if void.any() else None


def _are_plain(items: list[Any]) -> bool:
    """Whether all are rows of one kind that need no look at their labels: of many it takes long."""
    return (
        set(map(type, items)) == {np.ndarray}
        and {item.ndim for item in items} == {1}
        and len(dtypes := {item.dtype for item in items}) == 1
        and next(iter(dtypes)).kind in "iU"
    )


def _absent(item: Any) -> NDArray[np.bool_] | None:
    """Where a row of labels has None; None if nowhere."""
    if no_sequence(item) is not None or (isinstance(item, np.ndarray) and item.dtype != object):
        return None
    missing = np.fromiter((label is None for label in item), dtype=bool, count=len(item))
    return missing if missing.any() else None


def _present(item: Any, missing: NDArray[np.bool_] | None) -> Any:
    """The labels of a row that are not None."""
    return item if missing is None else object_row(item)[~missing]


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
        # numpy would silently turn a mixed list into strings.
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
        if large := [label for label in row if not -(2**63) <= int(label) < 2**63]:
            raise ValueError(
                f"{name}[{i}] holds {large[0]}, expected integers from -2**63 to 2**63 - 1; longer "
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
    if flat.dtype.kind == classes.dtype.kind == "i" and len(classes):
        first, last = int(classes[0]), int(classes[-1])
        if last - first < _NARROW:
            return _encode_narrow(flat, classes, first, last, unknown)
    if (flat.dtype.kind == "U") != (classes.dtype.kind == "U"):
        known = np.zeros(len(flat), dtype=bool)
        places = np.zeros(len(flat), dtype=np.int64)
    else:
        if flat.dtype.kind != classes.dtype.kind and flat.dtype.kind != "U":
            # numpy would compare them as floats, in which different large integers are equal.
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
            _refuse(flat[~known][0].item(), classes)
        places = np.where(known, places, unknown)
    return places.astype(np.int32)


# Integer labels with a range below this are looked up in a table, so many at a time.
_NARROW, _AT_ONCE = 1 << 16, 1 << 18


def _encode_narrow(
    flat: NDArray[Any], classes: NDArray[Any], first: int, last: int, unknown: int | None
) -> NDArray[np.int32]:
    """`encode_labels` by a table, without arrays beside the answer."""
    missing = np.iinfo(np.int32).min if unknown is None else unknown
    table = np.full(last - first + 1, missing, dtype=np.int32)
    table[classes.astype(np.int64) - first] = np.arange(len(classes))
    numbers = np.empty(len(flat), dtype=np.int32)
    for start in range(0, len(flat), _AT_ONCE):
        some = flat[start : start + _AT_ONCE].astype(np.int64)
        inside = (some >= first) & (some <= last)
        found = table[np.where(inside, some, first) - first]
        found[~inside] = missing
        numbers[start : start + _AT_ONCE] = found
        if unknown is None and (found == missing).any():
            _refuse(some[found == missing][0].item(), classes)
    return numbers


def _refuse(stranger: Any, classes: NDArray[Any]) -> NoReturn:
    raise ValueError(
        f"label {stranger!r} was not in the y that fit saw; "
        f"the known labels are {shorten(classes.tolist())}"
    )


def _distinct(flat: NDArray[Any]) -> NDArray[Any]:
    """The labels, sorted; without a copy of all where integers have a narrow range."""
    if flat.dtype.kind == "i" and len(flat):
        first, last = int(flat.min()), int(flat.max())
        if last - first < _NARROW:
            found = np.zeros(last - first + 1, dtype=bool)
            for start in range(0, len(flat), _AT_ONCE):
                found[flat[start : start + _AT_ONCE].astype(np.int64) - first] = True
            return (np.flatnonzero(found) + first).astype(flat.dtype)
    return np.unique(flat)


# ---- nodes and pixels


def flat_labels(y: Any, shapes: Sequence[tuple[int, ...]]) -> NDArray[Any]:
    """The labels of all nodes in one array; booleans become 0 and 1."""
    items = as_items("y", y)
    if len(items) != len(shapes):
        raise ValueError(f"X has {len(shapes)} examples but y has {len(items)}")
    rows = []
    for i, (item, shape) in enumerate(zip(items, shapes, strict=True)):
        row = _label_array(f"y[{i}]", item)
        if row.shape != shape:
            hint = ""
            if row.shape[:-1] == shape:
                hint = ": labels are one number a pixel, not a colour; number the colours"
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
            # numpy would silently turn numbers among strings into strings and booleans among
            # numbers into numbers, and cut strings at null characters.
            row = np.asarray(item, dtype=object)
    except ValueError as error:
        raise ValueError(f"{place} is no rectangular array of labels: {error}") from None
    if row.dtype.kind == "b":
        return row.astype(np.int64)
    if row.dtype.kind not in "iuUOT":
        raise ValueError(
            f"{place} has dtype {row.dtype}; labels must be integers, booleans or strings"
        )
    return row


def is_void(flat: NDArray[Any], ignore_label: Any) -> NDArray[np.bool_]:
    """Which labels are `ignore_label`."""
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


def without_none(items: list[Any]) -> tuple[list[Any], list[NDArray[np.bool_] | None] | None]:
    """Labels of nodes with any label in place of each None, and where these were in each item; None
    if nowhere."""
    masks = [_none_among(item) for item in items]
    if all(mask is None for mask in masks):
        return items, None
    stand_in: Any = 0
    for item, mask in zip(items, masks, strict=True):
        row = np.asarray(item, dtype=object)
        present = row.ravel() if mask is None else row[~mask]
        if present.size:
            stand_in = present[0]
            break
    filled = []
    for item, mask in zip(items, masks, strict=True):
        if mask is not None:
            row = np.array(item, dtype=object)
            row[mask] = stand_in
            item = row.astype(bool) if {type(k) for k in row.flat} <= {bool, np.bool_} else row
        filled.append(item)
    return filled, masks


def _none_among(item: Any) -> NDArray[np.bool_] | None:
    if np.ma.isMaskedArray(item) or (isinstance(item, np.ndarray) and item.dtype != object):
        return None
    try:
        row = np.asarray(item, dtype=object)
    except ValueError:  # told where labels are read
        return None
    mask = np.fromiter((label is None for label in row.flat), dtype=bool, count=row.size)
    return mask.reshape(row.shape) if row.ndim and mask.any() else None


def void_nodes(y: PackedLabels, ignore_label: Any) -> NDArray[np.bool_]:
    """Which labels are None or `ignore_label`."""
    void = is_void(y.labels, ignore_label)
    return void if y.void is None else void | y.void


def known_nodes(y: PackedLabels, ignore_label: Any) -> list[NDArray[np.bool_]]:
    """Masks of the labels of each example that are not void."""
    known = ~void_nodes(y, ignore_label)
    return list(PackedLabels(known, y.offsets, y.shapes))


def known_labels(
    y: PackedLabels,
    ignore_label: Any,
    weights: NDArray[np.float64] | None = None,
    classes: NDArray[Any] | None = None,
) -> tuple[NDArray[Any], NDArray[Any]]:
    """The labels that are not void, sorted, and how many nodes have each, or their weights' sum.

    `classes` are all labels, where some of them may be missing in y.
    """
    known = y.labels
    if ignore_label is not None or y.void is not None:
        counted = ~void_nodes(y, ignore_label)
        known = known[counted]
        weights = None if weights is None else weights[counted]
    if not len(known):
        which = "None" if ignore_label is None else f"{ignore_label!r}, the ignore_label"
        raise ValueError(f"all labels in y are {which}: nothing is left to learn")
    classes = _distinct(known) if classes is None else classes
    numbers = encode_labels(known, classes)
    return classes, np.bincount(numbers, weights, len(classes))


# Values of a mask of 0 and 255 within this share of the range from an end belong to that end.
_NEAR = 0.25

# What losses of torch ignore unless told otherwise.
_TORCH_VOID = -100

# This many grey values from 0 to 255 are a picture, not labels.
_A_PICTURE = 64


def not_a_label(classes: NDArray[Any], ignore_label: Any) -> str | None:
    """A warning if one of these sorted labels marks void ones in other libraries, else None."""
    if ignore_label is not None or classes.dtype.kind != "i" or not len(classes):
        return None
    if classes[0] == _TORCH_VOID and (classes[1:] >= 0).all():
        return (
            f"y has the labels {shorten(classes.tolist())}: is {_TORCH_VOID} void? Then give "
            f"ignore_label={_TORCH_VOID}"
        )
    return None


def odd_labels(classes: NDArray[Any], ignore_label: Any) -> str | None:
    """A warning if these sorted labels look like a mistake in reading data, else None."""
    if (told := not_a_label(classes, ignore_label)) is not None:
        return told
    seen = shorten(classes.tolist())
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
    """Class numbers of all nodes, -1 for void nodes."""
    flat = y.labels
    partial = ignore_label is not None or y.void is not None
    if not partial and len(flat):
        numbers = encode_labels(flat, classes, unknown=_STRANGE)
    else:
        numbers = np.full(len(flat), _VOID, dtype=np.int32)
    if partial and len(flat):
        known = ~void_nodes(y, ignore_label)
        numbers[known] = encode_labels(flat[known], classes, unknown=_STRANGE)
    if (strange := np.flatnonzero(numbers == _STRANGE)).size:
        i = int(np.searchsorted(y.offsets, strange[0], side="right")) - 1
        node = np.unravel_index(strange[0] - y.offsets[i], y[i].shape)
        raise ValueError(
            f"y[{i}]{[int(k) for k in node]} is {flat[strange[0]].item()!r}, which was not in the "
            f"y that fit saw; the known labels are {shorten(classes.tolist())}"
        )
    return numbers


def pack_label_weight(weight: Any, shapes: Sequence[tuple[int, ...]]) -> NDArray[np.float64] | None:
    """Weights of the loss at all nodes, finite and >= 0, in one array."""
    if weight is None:
        return None
    items = as_items("the weight of the loss", weight)
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
    """Factors that give classes of these sizes (counts or sums of weights) the same total weight.

    A class of size 0 gets the factor 1 and does not change the others.
    """
    factors = np.ones(len(sizes))
    there = sizes > 0
    with np.errstate(over="ignore", invalid="ignore"):
        factors[there] = sizes.sum() / (there.sum() * sizes[there])
    if not (np.isfinite(factors) & (factors > 0)).all():
        least, most = sizes[there].min(), sizes[there].max()
        raise ValueError(
            f"class_weight='balanced' cannot balance classes of weight {least:g} to {most:g}: a "
            "factor overflows or underflows; scale the weights, or give class_weight as a dict"
        )
    return factors


def check_class_weight(
    class_weight: str | Mapping[Any, float] | None,
    classes: NDArray[Any],
    counts: NDArray[Any],
) -> NDArray[np.float64]:
    """A factor >= 0 for each class, given the counts or sums of weights of the classes."""
    if class_weight is None:
        return np.ones(len(classes))
    if isinstance(class_weight, str) and class_weight == "balanced":
        return balanced_weights(counts)
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            f"class_weight={class_weight!r}: expected 'balanced', 'jaccard', 'auto', a dict from "
            "classes to factors, or None"
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
