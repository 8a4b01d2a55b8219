"""Rules for whole label sequences, and the best sequence that keeps them, by enumeration."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import check_scalar, shorten
from structsvm.data.labels import encode_labels, flatten_labels

__all__ = ["PathRules", "RuledLabels", "check_max_paths"]

# How many of the best sequences are asked for at first, and how many times more each time.
_FIRST, _MORE = 8, 8


class RuledLabels(NamedTuple):
    """The best labelling that keeps the rules, or why there is none."""

    #: "found"; "limit": none of the `n_tried` best keeps them; "impossible": no labelling does.
    status: str
    labels: NDArray[Any] | None  #: None unless it was found
    score: float  #: of `labels`; "limit": no labelling that keeps the rules scores more
    n_tried: int  #: how many labellings were looked at, in order of their scores


class PathRules:
    """Rules by numbers of labels.

    Parameters
    ----------
    classes : ndarray
    one_run : iterable of labels, or of lists of labels that count as one
    before : iterable of pairs of labels

    Raises
    ------
    ValueError
        For an unknown label, or what is no pair.
    """

    def __init__(
        self, classes: NDArray[Any], one_run: Iterable[Any], before: Iterable[Any]
    ) -> None:
        self.groups = [
            _numbers(f"one_run[{k}]", entry, classes)
            for k, entry in enumerate(_listed("one_run", one_run))
        ]
        self.pairs = []
        for k, pair in enumerate(_listed("before", before)):
            if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:
                raise ValueError(
                    f"before[{k}] is {pair!r}, expected a pair: the label that comes first, and "
                    "the other"
                )
            first, second = (_numbers(f"before[{k}]", entry, classes) for entry in pair)
            self.pairs.append((first, second))

    def kept(self, paths: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which of these label sequences, one in each row, keep all rules."""
        n, length = paths.shape
        good = np.ones(n, dtype=bool)
        if not length:
            return good
        for group in self.groups:
            inside = np.isin(paths, group)
            begins = inside.copy()
            begins[:, 1:] &= ~inside[:, :-1]
            good &= begins.sum(axis=1) <= 1
        for first, second in self.pairs:
            is_first, is_second = np.isin(paths, first), np.isin(paths, second)
            last_of_first = length - 1 - is_first[:, ::-1].argmax(axis=1)
            both = is_first.any(axis=1) & is_second.any(axis=1)
            good &= ~both | (last_of_first < is_second.argmax(axis=1))
        return good

    def best(
        self,
        n_best: Callable[[int], tuple[NDArray[np.int32], NDArray[np.float64]]],
        classes: NDArray[Any],
        max_paths: int,
    ) -> RuledLabels:
        """The first of the best sequences that keeps the rules.

        Parameters
        ----------
        n_best : callable
            Returns the n best sequences of label numbers and their scores, or all if there are
            fewer.
        """
        asked = min(_FIRST, max_paths)
        while True:
            paths, scores = n_best(asked)
            good = np.flatnonzero(self.kept(paths))
            if len(good):
                k = int(good[0])
                return RuledLabels("found", classes[paths[k]], float(scores[k]), k + 1)
            if len(paths) < asked:
                return RuledLabels("impossible", None, -np.inf, len(paths))
            if asked == max_paths:
                return RuledLabels("limit", None, float(scores[-1]), asked)
            asked = min(asked * _MORE, max_paths)


def check_max_paths(max_paths: Any) -> int:
    """A bound on the number of sequences to look at."""
    check_scalar("max_paths", max_paths, above=0, integer=True)
    return int(max_paths)


def _listed(name: str, values: Any) -> list[Any]:
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise ValueError(f"{name} is {values!r}, expected a list")
    return list(values)


def _numbers(where: str, entry: Any, classes: NDArray[Any]) -> NDArray[np.int32]:
    """The numbers of a label, or of several that count as one."""
    several = isinstance(entry, (list, tuple, set, frozenset))
    try:
        labels = sorted(entry) if several else [entry]
        numbers = encode_labels(flatten_labels([labels])[0], classes)
    except (TypeError, ValueError):
        raise ValueError(
            f"{where} is {entry!r}; the known labels are {shorten(classes.tolist())}"
        ) from None
    return numbers
