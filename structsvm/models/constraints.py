"""Label sequences that must not be: which label may follow which, come first, come last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import shorten
from structsvm.data.labels import flatten_labels
from structsvm.data.sequences import as_items
from structsvm.exceptions import LabelError
from structsvm.inference import viterbi
from structsvm.metrics.sequences import spans, split_tag

__all__ = [
    "ON_VIOLATION",
    "SCHEMES",
    "Allowed",
    "Screened",
    "allowed_labels",
    "check_tags",
    "screen_labels",
]

#: What may be done with training sequences that constraints forbid.
ON_VIOLATION = ("raise", "skip", "repair")
SCHEMES = ("iob2", "iobes")


class Allowed(NamedTuple):
    """What may be, as masks over class numbers."""

    transition: NDArray[np.bool_]  #: (K, K): may j follow i?
    start: NDArray[np.bool_]  #: (K,)
    end: NDArray[np.bool_]  #: (K,)

    def scores(self) -> tuple[NDArray[np.float64], ...]:
        """0 for what may be, -inf for what may not."""
        return tuple(np.where(mask, 0.0, -np.inf) for mask in self)

    def check(
        self, labels: NDArray[np.int32], offsets: NDArray[np.int64], classes: NDArray[Any]
    ) -> None:
        """Raise LabelError for the first sequence that must not be."""
        for i, (t, what) in self.violations(labels, offsets, classes).items():
            last = int(offsets[i + 1] - offsets[i]) - 1
            shown = -1 if what.endswith("at the end") else t
            raise LabelError(
                f"y[{i}][{shown}] {what}, which constraints forbid; on_violation='skip' leaves "
                "such sequences out, 'repair' changes labels",
                (i, min(t, last)),
            )

    def violations(
        self, labels: NDArray[np.int32], offsets: NDArray[np.int64], classes: NDArray[Any]
    ) -> dict[int, tuple[int, str]]:
        """By the number of each sequence that must not be: where it goes wrong first, and how."""
        good = np.ones(len(labels), dtype=bool)
        good[1:] = self.transition[labels[:-1], labels[1:]]
        filled = np.flatnonzero(offsets[:-1] < offsets[1:])
        first, last = offsets[filled], offsets[filled + 1] - 1
        good[first] = self.start[labels[first]]
        found: dict[int, tuple[int, str]] = {}
        for place in np.flatnonzero(~good).tolist():
            i = int(np.searchsorted(offsets, place, side="right")) - 1
            if i not in found:
                t = place - int(offsets[i])
                after = f"after {classes[labels[place - 1]]!s}" if t else "at the start"
                found[i] = t, f"is {classes[labels[place]]!s} {after}"
        for k in np.flatnonzero(~self.end[labels[last]]).tolist():
            label = classes[labels[last[k]]]
            found.setdefault(int(filled[k]), (int(last[k] - first[k]), f"is {label!s} at the end"))
        return dict(sorted(found.items()))


def allowed_labels(
    constraints: str | Iterable[Any], classes: NDArray[Any], *, ignore_strangers: bool = False
) -> Allowed:
    """The masks for constraints as `ChainModel` takes them.

    Parameters
    ----------
    ignore_strangers : bool, default=False
        Take pairs that name a label which is none of the classes; they forbid nothing then.

    Raises
    ------
    ValueError
        For an unknown name, a label that is none of the classes, or one that the scheme does not
        know.
    """
    k = len(classes)
    allowed = Allowed(np.ones((k, k), bool), np.ones(k, bool), np.ones(k, bool))
    if isinstance(constraints, str):
        if constraints not in SCHEMES:
            raise ValueError(
                f"unknown constraints {constraints!r}: expected 'iob2', 'iobes', or a list of "
                "forbidden pairs (from, to)"
            )
        _forbid_malformed(constraints, classes, allowed)
        return allowed
    places = {label: place for place, label in enumerate(classes.tolist())}
    for n, pair in enumerate(constraints):
        if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:
            raise ValueError(f"constraints[{n}] is {pair!r}, expected a pair (from, to)")
        for label in pair:
            if label is not None and label not in places and not ignore_strangers:
                raise ValueError(
                    f"constraints[{n}] names {label!r}, which is no label; "
                    f"the known labels are {shorten(classes.tolist())}"
                )
        before, after = pair
        if before is None and after is None:
            raise ValueError(f"constraints[{n}] is (None, None), which forbids nothing that is")
        if not {before, after} - {None} <= places.keys():
            continue
        if before is None:
            allowed.start[places[after]] = False
        elif after is None:
            allowed.end[places[before]] = False
        else:
            allowed.transition[places[before], places[after]] = False
    return allowed


def _forbid_malformed(scheme: str, classes: NDArray[Any], allowed: Allowed) -> None:
    tags = [split_tag(t, tag, scheme) for t, tag in enumerate(classes.tolist())]
    inside = "I" if scheme == "iob2" else "IE"
    for j, (prefix, kind) in enumerate(tags):
        goes_on = prefix in inside
        opens = scheme == "iobes" and prefix in "BI"
        allowed.start[j] = not goes_on
        allowed.end[j] = not opens
        for i, (prefix_before, kind_before) in enumerate(tags):
            is_open = prefix_before in "BI" and kind_before == kind
            must_go_on = scheme == "iobes" and prefix_before in "BI"
            allowed.transition[i, j] = is_open if goes_on else not must_go_on


def check_tags(
    scheme: str, labels: NDArray[np.int32], offsets: NDArray[np.int64], classes: NDArray[Any]
) -> None:
    """Raise LabelError for the first label that a scheme does not know."""
    for k, tag in enumerate(classes.tolist()):
        try:
            split_tag(k, tag, scheme)
        except ValueError as error:
            if not len(places := np.flatnonzero(labels == k)):
                raise
            i = int(np.searchsorted(offsets, places[0], side="right")) - 1
            t = int(places[0] - offsets[i])
            raise LabelError(f"y[{i}][{t}]: {error}", (i, t)) from None


class Screened(NamedTuple):
    """Label sequences after those were seen to that constraints forbid."""

    y: Any  #: a list, or packed as it was
    kept: list[int] | None  #: the numbers of the sequences that are left; None: all
    n_violations: int
    told: str  #: what was done, in a sentence; empty if nothing


def screen_labels(
    constraints: str | Sequence[Any], on_violation: str, y: Any, *, whole: bool = False
) -> Screened:
    """Leave out, repair or refuse the sequences that constraints forbid; see `ChainModel`.

    Parameters
    ----------
    whole : bool, default=False
        Whether y has all labels there are, so that pairs which name another are wrong.

    Raises
    ------
    LabelError
        For the first such sequence, if they are to be refused, or if it cannot be repaired.
    ValueError
        If none is left.
    """
    flat, lengths = flatten_labels(y)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    classes, inverse = np.unique(flat, return_inverse=True)
    codes = inverse.astype(np.int32)
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
        for i in wrong:
            labels = codes[offsets[i] : offsets[i + 1]]
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
    """Whether this is a tag of the scheme, if there is one."""
    if not isinstance(constraints, str) or constraints not in SCHEMES:
        return True
    try:
        split_tag(0, label, constraints)
    except ValueError:
        return False
    return True


def _rewritten(i: int, tags: list[str], scheme: str) -> list[str]:
    """The spans that the CoNLL evaluation reads in these tags, written in a scheme."""
    try:
        found = spans(tags)
    except ValueError as error:
        raise LabelError(f"y[{i}] cannot be repaired: {error}") from None
    written = list(tags)
    for _, start, stop in found:
        prefixes = ["B", *"I" * (stop - start - 1)]
        if scheme == "iobes":
            prefixes[-1] = "S" if stop - start == 1 else "E"
        for t, prefix in enumerate(prefixes, start=start):
            written[t] = prefix + tags[t][1:]
    return written


def _nearest(i: int, labels: NDArray[np.int32], allowed: Allowed, classes: NDArray[Any]) -> Any:
    """The allowed sequence that differs in the fewest labels, the first that `viterbi` finds."""
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
