"""best_items: the items with the highest scores."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.inference._contexts import read_contexts
from structsvm.inference._pairwise import check_scores
from structsvm.inference._subset import SubsetMaximizer, choose_items
from structsvm.inference.structures import Structure

__all__ = ["Subset", "best_items"]


def best_items(
    scores: ArrayLike, k: int, *, at_most: bool = False
) -> tuple[NDArray[np.int32], float]:
    r"""The k items with the highest scores.

    .. math:: \max_{S : |S| = k} \; \sum_{p \in S} \mathrm{scores}_p

    Parameters
    ----------
    scores : array-like of shape (n_items,)
        Score of each item; -inf forbids it.
    k : int
        Number of items, 0 to n_items; any number >= 0 with `at_most`.
    at_most : bool, default=False
        Whether there may be fewer items: then only items with a score above 0 are used.

    Returns
    -------
    items : int32 array of shape (n_found,)
        Ascending. Of items with the same score the lower ones come first.
    value : float
        Sum of their scores.

    Raises
    ------
    ValueError
        If a score is NaN or +inf, or fewer than k items may be used.

    See Also
    --------
    Subset : These items as a structure to be learned.

    Notes
    -----
    Bisection on the bits of a threshold counts the scores above it, 64 times at most and some
    10 + log2(n_items) times for scores without ties; no score is moved or copied. Time is
    O(n_items), memory O(k).

    Examples
    --------
    >>> from structsvm.inference import best_items
    >>> best_items([1.0, 3.0, -1.0, 3.0, 2.0], 3)
    (array([1, 3, 4], dtype=int32), 8.0)
    >>> best_items([-2.0, 1.0, 0.0], 2, at_most=True)
    (array([1], dtype=int32), 1.0)
    """
    own = check_scores("scores", scores, 1, forbidden=True)
    k = _check_k("k", k)
    if not at_most and (n_allowed := np.count_nonzero(own > -np.inf)) < k:
        raise ValueError(f"k={k}, but only {n_allowed} of {len(own)} items may be used")
    return choose_items(own, min(k, len(own)), bool(at_most))


class Subset(Structure):
    """Subsets of k items, or of at most k. Part p is item p.

    Parameters
    ----------
    k : int, default=None
        Number of items of an output, in every example. None: each example says.
    at_most : bool, default=False
        Whether an output may have fewer.

    Notes
    -----
    The context of an example is its own k. Time of a call is O(n_items); see `best_items` for the
    method and for ties.

    Examples
    --------
    >>> from structsvm.inference import Subset
    >>> maximizer = Subset(2).bind([None, 1], [3, 3])
    >>> [maximizer.maximize(i, [1.0, 3.0, 2.0])[0].tolist() for i in range(2)]
    [[1, 2], [1]]
    """

    def __init__(self, k: int | None = None, *, at_most: bool = False) -> None:
        self.k = k
        self.at_most = at_most

    def bind(self, contexts: Sequence[Any], n_parts: Sequence[int]) -> SubsetMaximizer:
        sizes = read_contexts(contexts, n_parts, self._size)
        return SubsetMaximizer(n_parts, sizes, at_most=bool(self.at_most))

    def _size(self, context: Any, n_items: int) -> int:
        """The most items of an output."""
        if context is None and self.k is None:
            raise ValueError("there is no k; give it to Subset, or the example a context k")
        k = _check_k("k", self.k) if context is None else _check_k("the context", context)
        if k > n_items and not self.at_most:
            raise ValueError(f"k={k}, but there are {n_items} items; or set at_most=True")
        return min(k, n_items)


def _check_k(name: str, k: Any) -> int:
    if isinstance(k, (bool, np.bool_)) or not isinstance(k, numbers.Integral) or k < 0:
        raise ValueError(f"{name} is {k!r}, expected a number of items: an integer >= 0")
    return int(k)
