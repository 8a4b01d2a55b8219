"""Constraints on label sequences: which label may follow which, come first or come last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import shorten
from structsvm.data.labels import flatten_partial
from structsvm.data.sequences import as_items
from structsvm.exceptions import LabelError
from structsvm.inference import viterbi
from structsvm.metrics import schemes
from structsvm.metrics.schemes import scheme_named, spans

__all__ = [
    "ON_VIOLATION",
    "SCHEMES",
    "SEEN",
    "Allowed",
    "Screened",
    "allowed_labels",
    "check_tags",
    "screen_labels",
    "seen_transitions",
]

#: What estimators may do with training sequences that constraints forbid.
ON_VIOLATION = ("raise", "skip", "repair")
#: Schemes whose tags say what may follow what.
SCHEMES = tuple(name for name, scheme in schemes.SCHEMES.items() if not scheme.lenient)
#: The constraint that allows the transitions of the training data alone.
SEEN = "seen"


class Allowed(NamedTuple):
    """Allowed transitions, first and last labels, as masks over class numbers."""

    transition: NDArray[np.bool_]  #: (K, K): whether j may follow i
    start: NDArray[np.bool_]  #: (K,)
    end: NDArray[np.bool_]  #: (K,)

    def scores(self) -> tuple[NDArray[np.float64], ...]:
        """Scores: 0 where allowed, -inf where forbidden."""
        return tuple(np.where(mask, 0.0, -np.inf) for mask in self)

    def check(
        self, labels: NDArray[np.int32], offsets: NDArray[np.int64], classes: NDArray[Any]
    ) -> None:
        """Raise LabelError for the first forbidden sequence."""
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
        """For each forbidden sequence, by number: its first wrong position, and what is wrong.
        What is next to a void label, -1, is allowed."""
        good = np.ones(len(labels), dtype=bool)
        known = labels >= 0
        good[1:] = self.transition[labels[:-1], labels[1:]] | ~known[:-1] | ~known[1:]
        filled = np.flatnonzero(offsets[:-1] < offsets[1:])
        first, last = offsets[filled], offsets[filled + 1] - 1
        good[first] = self.start[labels[first]] | ~known[first]
        found: dict[int, tuple[int, str]] = {}
        for place in np.flatnonzero(~good).tolist():
            i = int(np.searchsorted(offsets, place, side="right")) - 1
            if i not in found:
                t = place - int(offsets[i])
                after = f"after {classes[labels[place - 1]]!s}" if t else "at the start"
                found[i] = t, f"is {classes[labels[place]]!s} {after}"
        for k in np.flatnonzero(~self.end[labels[last]] & known[last]).tolist():
            label = classes[labels[last[k]]]
            found.setdefault(int(filled[k]), (int(last[k] - first[k]), f"is {label!s} at the end"))
        return dict(sorted(found.items()))


def allowed_labels(
    constraints: str | Iterable[Any], classes: NDArray[Any], *, ignore_strangers: bool = False
) -> Allowed:
    """The masks for constraints in the form of `ChainModel`.

    Parameters
    ----------
    ignore_strangers : bool, default=False
        Whether to ignore pairs with a label that is not a class, rather than raise.

    Raises
    ------
    ValueError
        For an unknown scheme, a label that is not a class, or a class that the scheme does not
        know.
    """
    k = len(classes)
    allowed = Allowed(np.ones((k, k), bool), np.ones(k, bool), np.ones(k, bool))
    if isinstance(constraints, str):
        if constraints not in SCHEMES:
            raise ValueError(
                f"unknown constraints {constraints!r}: expected 'iob2', 'iobes', 'bilou', one of "
                "these with '-suffix', 'seen', or a list of forbidden pairs (from, to)"
            )
        _forbid_malformed(constraints, classes, allowed)
        return allowed
    if isinstance(constraints, (bytes, Mapping)) or not isinstance(constraints, Iterable):
        raise ValueError(
            f"constraints={constraints!r}: expected the name of a scheme, or a list of forbidden "
            "pairs (from, to)"
        )
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
            raise ValueError(f"constraints[{n}] is (None, None): there is no label in it")
        if not {before, after} - {None} <= places.keys():
            continue
        if before is None:
            allowed.start[places[after]] = False
        elif after is None:
            allowed.end[places[before]] = False
        else:
            allowed.transition[places[before], places[after]] = False
    return allowed


def _forbid_malformed(name: str, classes: NDArray[Any], allowed: Allowed) -> None:
    scheme = scheme_named(name)
    tags = [scheme.split(t, tag) for t, tag in enumerate(classes.tolist())]
    for j, (meaning, kind) in enumerate(tags):
        goes_on = meaning in "IE"
        allowed.start[j] = not goes_on
        allowed.end[j] = not (scheme.closed and meaning in "BI")
        for i, (meaning_before, kind_before) in enumerate(tags):
            is_open = meaning_before in "BI" and kind_before == kind
            must_go_on = scheme.closed and meaning_before in "BI"
            allowed.transition[i, j] = is_open if goes_on else not must_go_on


def seen_transitions(
    labels: NDArray[np.int32], offsets: NDArray[np.int64], n_classes: int
) -> NDArray[np.bool_]:
    """Which label follows which in these sequences; void labels are -1."""
    seen = np.zeros((n_classes, n_classes), dtype=bool)
    later = np.ones(len(labels), dtype=bool)
    later[offsets[:-1][offsets[:-1] < offsets[1:]]] = False
    places = np.flatnonzero(later)
    places = places[(labels[places] >= 0) & (labels[places - 1] >= 0)]
    seen[labels[places - 1], labels[places]] = True
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
