"""Sequences of labels as one array, and labels as class numbers."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import as_items, no_sequence, shorten
from structsvm.data.sequences import PackedSequences
from structsvm.exceptions import LabelError

__all__ = ["PackedLabels", "encode_labels", "flatten_labels", "object_row"]


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
    """

    def __init__(
        self,
        labels: NDArray[Any],
        offsets: NDArray[np.int64],
        shapes: Sequence[tuple[int, ...]] | None = None,
        weight: NDArray[np.float64] | None = None,
        sample_weight: NDArray[np.float64] | None = None,
    ) -> None:
        self.labels = labels
        self.offsets = offsets
        self.shapes = shapes
        self.weight = weight
        self.sample_weight = sample_weight

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        """The output of one example; of a slice, a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        i = range(len(self))[index]
        row = self.labels[self.offsets[i] : self.offsets[i + 1]]
        return row if self.shapes is None else row.reshape(self.shapes[i])

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
        labels = np.concatenate([np.asarray(row) for row in rows if len(row)] or [self.labels[:0]])
        return PackedLabels(labels, offsets, None, weight, sample_weight)


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
            stranger = flat[~known][0].item()
            raise ValueError(
                f"label {stranger!r} was not in the y that fit saw; "
                f"the known labels are {shorten(classes.tolist())}"
            )
        places = np.where(known, places, unknown)
    return places.astype(np.int32)
