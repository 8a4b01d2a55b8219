"""Constraints on the label sequences of training: refused, left out or repaired."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.data.labels import flatten_partial
from structsvm.data.schemes import scheme_named, spans
from structsvm.data.sequences import as_items
from structsvm.exceptions import LabelError
from structsvm.inference import viterbi
from structsvm.models.allowed import SCHEMES, Allowed, allowed_labels

__all__ = [
    "ON_VIOLATION",
    "Screened",
    "check_tags",
    "screen_labels",
    "seen_transitions",
]

#: What estimators may do with training sequences that constraints forbid.
ON_VIOLATION = ("raise", "skip", "repair")

# Positions that are looked at together.
_AT_ONCE = 1 << 18


def seen_transitions(
    labels: NDArray[np.int32], offsets: NDArray[np.int64], n_classes: int
) -> NDArray[np.bool_]:
    """Which label follows which in these sequences; void labels are -1."""
    seen = np.zeros((n_classes, n_classes), dtype=bool)
    later = np.ones(len(labels), dtype=bool)
    later[offsets[:-1][offsets[:-1] < offsets[1:]]] = False
    for start in range(1, len(labels), _AT_ONCE):  # several times their memory is needed
        before = labels[start - 1 : start - 1 + _AT_ONCE]
        here = labels[start : start + _AT_ONCE]
        before = before[: len(here)]
        used = later[start : start + len(here)] & (before >= 0) & (here >= 0)
        seen[before[used], here[used]] = True
    return seen


def check_tags(
    scheme: str, labels: NDArray[np.int32], offsets: NDArray[np.int64], classes: NDArray[Any]
) -> None:
    """Raise LabelError for the first label that a scheme does not know."""
    known = scheme_named(scheme)
    for k, tag in enumerate(classes.tolist()):
        try:
            known.split(k, tag)
        except ValueError as error:
            if not len(places := np.flatnonzero(labels == k)):
                raise
            i = int(np.searchsorted(offsets, places[0], side="right")) - 1
            t = int(places[0] - offsets[i])
            raise LabelError(f"y[{i}][{t}]: {error}", (i, t)) from None


class Screened(NamedTuple):
    """Label sequences after forbidden ones were left out or repaired."""

    y: Any  #: a list, or packed as before
    kept: list[int] | None  #: numbers of the sequences that are left; None: all
    n_violations: int
    told: str  #: a sentence about what was done; empty if nothing


def screen_labels(
    constraints: str | Sequence[Any],
    on_violation: str,
    y: Any,
    *,
    whole: bool = False,
    ignore_label: Any = None,
) -> Screened:
    """Leave out, repair or refuse the sequences that constraints forbid; see `ChainModel`.

    Parameters
    ----------
    whole : bool, default=False
        Whether y has all labels, so that pairs with another label are an error.
    ignore_label : default=None
        Labels that are void, as None is. Sequences with void labels cannot be repaired.

    Raises
    ------
    LabelError
        For the first forbidden sequence with "raise", or if a sequence cannot be repaired.
    ValueError
        If no sequence is left.
    """
    flat, lengths, void = flatten_partial(y, ignore_label=ignore_label)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    there = np.ones(len(flat), dtype=bool) if void is None else ~void
    classes, inverse = np.unique(flat[there], return_inverse=True)
    codes = np.full(len(flat), -1, dtype=np.int32)
    codes[there] = inverse
    known = np.array([_is_known(label, constraints) for label in classes.tolist()], dtype=bool)
    if not known.any() and len(classes):
        allowed_labels(constraints, classes)  # raises
    masks = allowed_labels(constraints, classes[known], ignore_strangers=not whole)
    allowed = Allowed(*(np.zeros((len(classes),) * mask.ndim, dtype=bool) for mask in masks))
    for mask, of_known in zip(allowed, masks, strict=True):
        mask[np.ix_(*[known] * mask.ndim)] = of_known
    if on_violation == "raise":
        if isinstance(constraints, str) and constraints in SCHEMES:
            check_tags(constraints, codes, offsets, classes)
        allowed.check(codes, offsets, classes)
    wrong = allowed.violations(codes, offsets, classes)
    items = as_items("y", y)
    if not wrong:
        return Screened(items, None, 0, "")
    kept = None
    if on_violation == "skip":
        kept = [i for i in range(len(items)) if i not in wrong]
        items = [items[i] for i in kept]
    else:
        for i, (t, what) in wrong.items():
            labels = codes[offsets[i] : offsets[i + 1]]
            if (labels < 0).any():
                raise LabelError(
                    f"y[{i}][{t}] {what}, which constraints forbid; on_violation='repair' cannot "
                    "repair sequences with void labels: use 'skip'",
                    (i, t),
                )
            if isinstance(constraints, str):
                items[i] = _rewritten(i, classes[labels].tolist(), constraints)
            else:
                items[i] = _nearest(i, labels, allowed, classes)
    i, (t, what) = next(iter(wrong.items()))
    told = (
        f"{len(wrong)} of {len(lengths)} sequences break the constraints and were "
        f"{'left out' if kept is not None else 'repaired'}; the first is y[{i}], where label {t} "
        f"{what}"
    )
    if not items:
        raise ValueError(f"{told}: there is nothing left to learn from")
    return Screened(items, kept, len(wrong), told)


def _is_known(label: Any, constraints: str | Sequence[Any]) -> bool:
    """Whether the label is a tag of the scheme; True without a scheme."""
    if not isinstance(constraints, str) or constraints not in SCHEMES:
        return True
    try:
        scheme_named(constraints).split(0, label)
    except ValueError:
        return False
    return True


def _rewritten(i: int, tags: list[str], name: str) -> list[str]:
    """Read the spans of these tags as the CoNLL evaluation does, and write them in a scheme."""
    scheme = scheme_named(name)
    try:
        found = spans(tags, "conll-suffix" if scheme.suffix else "conll")
    except ValueError as error:
        raise LabelError(f"y[{i}] cannot be repaired: {error}") from None
    written = list(tags)
    for _, start, stop in found:
        for t, meaning in enumerate(scheme.of_span(stop - start), start=start):
            written[t] = scheme.with_meaning(tags[t], meaning)
    return written


def _nearest(i: int, labels: NDArray[np.int32], allowed: Allowed, classes: NDArray[Any]) -> Any:
    """An allowed sequence that differs in the fewest labels; of several, the one of `viterbi`."""
    agrees = np.zeros((len(labels), len(classes)))
    agrees[np.arange(len(labels)), labels] = 1.0
    try:
        best, _ = viterbi(agrees, *allowed.scores())
    except ValueError:
        raise LabelError(
            f"y[{i}] cannot be repaired: constraints forbid all sequences of {len(labels)} labels",
            (i, 0),
        ) from None
    return classes[best]
