"""What constraints allow: which label may follow which, come first or come last."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.data import schemes
from structsvm.data.checks import shorten
from structsvm.data.schemes import scheme_named
from structsvm.exceptions import LabelError

__all__ = ["SCHEMES", "SEEN", "Allowed", "allowed_labels"]

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
