"""Label sequences that must not be: which label may follow which, come first, come last."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.metrics.sequences import split_tag
from structsvm.validation import shorten

__all__ = ["Allowed", "allowed_labels"]


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
        """Raise ValueError for the first sequence that must not be."""
        after = np.ones(len(labels), dtype=bool)
        after[1:] = self.transition[labels[:-1], labels[1:]]
        filled = offsets[:-1] < offsets[1:]
        first, last = offsets[:-1][filled], offsets[1:][filled] - 1
        after[first] = self.start[labels[first]]
        wrong = np.flatnonzero(~after)
        if len(wrong):
            i = int(np.searchsorted(offsets, wrong[0], side="right")) - 1
            t = int(wrong[0] - offsets[i])
            label = classes[labels[wrong[0]]]
            what = f"after {classes[labels[wrong[0] - 1]]!s}" if t else "at the start"
            raise ValueError(f"y[{i}][{t}] is {label!s} {what}, which constraints forbid")
        stray = np.flatnonzero(~self.end[labels[last]])
        if len(stray):
            i = int(np.flatnonzero(filled)[stray[0]])
            label = classes[labels[last[stray[0]]]]
            raise ValueError(f"y[{i}][-1] is {label!s} at the end, which constraints forbid")


def allowed_labels(constraints: str | Iterable[Any], classes: NDArray[Any]) -> Allowed:
    """The masks for constraints as `ChainModel` takes them.

    Raises
    ------
    ValueError
        For an unknown name, a label that is none of the classes, or one that the scheme does not
        know.
    """
    k = len(classes)
    allowed = Allowed(np.ones((k, k), bool), np.ones(k, bool), np.ones(k, bool))
    if isinstance(constraints, str):
        if constraints not in ("iob2", "iobes"):
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
            if label is not None and label not in places:
                raise ValueError(
                    f"constraints[{n}] names {label!r}, which is no label; "
                    f"the known labels are {shorten(classes.tolist())}"
                )
        before, after = pair
        if before is None and after is None:
            raise ValueError(f"constraints[{n}] is (None, None), which forbids nothing that is")
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
