"""best_intervals: the best intervals without overlap, and the structure of such schedules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.inference._contexts import check_part_scores, read_contexts
from structsvm.inference._intervals import IntervalMaximizer
from structsvm.inference._pairwise import check_scores
from structsvm.inference.structures import Structure

__all__ = ["IntervalSchedule", "best_intervals"]


def best_intervals(
    starts: ArrayLike, ends: ArrayLike, scores: ArrayLike
) -> tuple[NDArray[np.int32], float]:
    r"""The intervals with the highest score of which no two overlap.

    .. math::
        \max_{S} \; \sum_{k \in S} \mathrm{scores}_k
        \quad \text{with} \quad
        \mathrm{ends}_k \le \mathrm{starts}_l \text{ or } \mathrm{ends}_l \le \mathrm{starts}_k
        \text{ for all } k \ne l \in S

    Intervals are half-open: one may start where another ends.

    Parameters
    ----------
    starts, ends : array-like of shape (n_intervals,)
        ``starts[k] < ends[k]``.
    scores : array-like of shape (n_intervals,)
        Score of each interval. One that is not above 0 is never used; -inf forbids.

    Returns
    -------
    used : int32 array of shape (n_used,)
        Intervals that are used, ascending. Of several best sets the one that leaves out the last
        interval, in the order of their ends, over which they differ.
    value : float
        Their score; 0 if none is used.

    Raises
    ------
    ValueError
        If a shape does not fit, a score is NaN or +inf, a start or an end is not finite, or an
        interval is empty.

    See Also
    --------
    IntervalSchedule : These sets of intervals as a structure to be learned.

    Notes
    -----
    A recursion over intervals in the order of their ends. Time is O(n_intervals log n_intervals),
    once they are sorted O(n_intervals); memory is O(n_intervals).

    References
    ----------
    J. Kleinberg, E. Tardos (2005). Algorithm Design, section 6.1. Addison-Wesley.
    ISBN 0-321-29535-8

    Examples
    --------
    >>> from structsvm.inference import best_intervals
    >>> best_intervals([0, 2, 3, 5], [3, 4, 5, 9], [2.0, 4.0, 1.0, 2.5])
    (array([1, 3], dtype=int32), 6.5)
    """
    order, before = _sort(starts, ends)
    scores = check_part_scores(scores, len(order), "interval")
    used, value = IntervalMaximizer([order], [before]).maximize(0, scores)
    return used[used >= 0], value


def _sort(starts: ArrayLike, ends: ArrayLike) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Intervals in the order of their ends, and how many end by the start of each of these."""
    first = check_scores("starts", starts, 1, forbidden=False)
    last = check_scores("ends", ends, 1, forbidden=False)
    if first.shape != last.shape:
        raise ValueError(
            f"starts has shape {first.shape} and ends {last.shape}; expected one of each for an "
            "interval"
        )
    empty = ~(first < last)
    if empty.any():
        k = int(np.flatnonzero(empty)[0])
        raise ValueError(
            f"interval {k} starts at {first[k]} and ends at {last[k]}; expected a start before the "
            "end"
        )
    order = np.argsort(last, kind="stable")
    before = np.searchsorted(last[order], first[order], side="right")
    return order.astype(np.int32), before.astype(np.int32)


class IntervalSchedule(Structure):
    """Sets of intervals of which no two overlap. Parts are the intervals.

    Parameters
    ----------
    starts, ends : array-like of shape (n_intervals,), default=None
        Intervals of all examples that bring none of their own; half-open. An example's context is a
        pair (starts, ends), or None for these.

    See Also
    --------
    best_intervals : The best ones for given scores; how ties are broken; complexity.

    Examples
    --------
    >>> from structsvm.inference import IntervalSchedule
    >>> maximizer = IntervalSchedule([0, 2, 3, 5], [3, 4, 5, 9]).bind([None], [4])
    >>> maximizer.maximize(0, [2.0, 4.0, 1.0, 2.5])
    (array([ 1,  3, -1], dtype=int32), 6.5)
    """

    def __init__(self, starts: ArrayLike | None = None, ends: ArrayLike | None = None) -> None:
        self.starts = starts
        self.ends = ends

    def part_count(self) -> int | None:
        return None if self.starts is None else len(np.asarray(self.starts))

    def bind(self, contexts: Sequence[Any], n_parts: Sequence[int]) -> IntervalMaximizer:
        sorted_ = read_contexts(contexts, n_parts, self._intervals)
        return IntervalMaximizer([order for order, _ in sorted_], [before for _, before in sorted_])

    def _intervals(self, context: Any, n_parts: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        if context is None:
            if self.starts is None or self.ends is None:
                raise ValueError(
                    "there are no intervals; give IntervalSchedule starts and ends, or the example "
                    "a context (starts, ends)"
                )
            context = self.starts, self.ends
        if not isinstance(context, tuple) or len(context) != 2:
            raise ValueError(f"the context is {context!r}, expected a pair (starts, ends)")
        order, before = _sort(*context)
        if len(order) != n_parts:
            raise ValueError(
                f"there are {len(order)} intervals, but the example has {n_parts} parts; parts are "
                "the intervals"
            )
        return order, before
