"""knapsack: the best items of limited weight, and the structure of such sets of items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_unmasked
from structsvm.inference._contexts import check_part_scores, read_contexts
from structsvm.inference._knapsack import KnapsackMaximizer
from structsvm.inference.structures import Structure

__all__ = ["Knapsack", "knapsack"]

#: Most bytes of the tables that a thread searches in.
_MOST_BYTES = 2**32


def knapsack(
    scores: ArrayLike, weights: ArrayLike, capacity: int
) -> tuple[NDArray[np.int32], float]:
    r"""The items with the highest score whose weights sum to the capacity at most.

    .. math::
        \max_{S} \; \sum_{k \in S} \mathrm{scores}_k
        \quad \text{with} \quad \sum_{k \in S} \mathrm{weights}_k \le \mathrm{capacity}

    Parameters
    ----------
    scores : array-like of shape (n_items,)
        Score of each item. One that is not above 0 is never taken; -inf forbids.
    weights : array-like of int of shape (n_items,)
        Weight of each item, >= 0. Floats must be whole numbers.
    capacity : int
        Not negative.

    Returns
    -------
    taken : int32 array of shape (n_taken,)
        Items that are taken, ascending. Of several best sets the one that leaves out the first item
        over which they differ.
    value : float
        Their score; 0 if none is taken.

    Raises
    ------
    ValueError
        If a shape does not fit, a score is NaN or +inf, a weight or the capacity is negative or no
        whole number, or the tables would take more than 4 GiB.

    See Also
    --------
    Knapsack : These sets of items as a structure to be learned.
    integer_program : Several capacities, weights that are no whole numbers, other constraints.

    Notes
    -----
    Bellman's recursion over items and room left. Weights and capacity are first divided by their
    greatest common divisor, and the capacity is at most the sum of the weights. Then time is
    O(n_items capacity), about half a nanosecond a cell, and memory is n_items (capacity + 1) bits
    and two rows of capacity + 1 numbers.

    References
    ----------
    H. Kellerer, U. Pferschy, D. Pisinger (2004). Knapsack Problems, section 2.3. Springer.
    doi:10.1007/978-3-540-24777-7

    Examples
    --------
    >>> from structsvm.inference import knapsack
    >>> knapsack([6.0, 5.0, 4.0, -1.0], [5, 3, 2, 0], 5)
    (array([1, 2], dtype=int32), 9.0)
    """
    weights, room = _check_items(weights, capacity)
    scores = check_part_scores(scores, len(weights), "item")
    taken, value = KnapsackMaximizer([weights], [room]).maximize(0, scores)
    return taken[taken >= 0], value


def _check_items(weights: ArrayLike, capacity: Any) -> tuple[NDArray[np.int64], int]:
    """Weights and a capacity with the same sets of items, as small as can be."""
    array = check_unmasked("weights", weights, np.asarray(weights))
    if array.size == 0:
        array = np.zeros(array.shape, dtype=np.int64)
    if array.ndim != 1:
        raise ValueError(f"weights has shape {array.shape}, expected (n_items,)")
    if array.dtype.kind not in "fiub":
        raise ValueError(f"weights has dtype {array.dtype}, expected whole numbers")
    wrong = ~((array >= 0) & np.isfinite(array) & (np.floor(array) == array))
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"weights[{k}] is {array[k]}, expected a whole number >= 0; use integer_program for "
            "weights of any kind"
        )
    if (
        isinstance(capacity, bool)
        or not isinstance(capacity, (int, float, np.number))
        or not 0 <= capacity < math.inf
        or int(capacity) != capacity
    ):
        raise ValueError(f"capacity={capacity!r}: expected a whole number >= 0")
    room = int(capacity)
    heavy = array > room
    light = [int(weight) for weight in array[~heavy]]
    divisor = math.gcd(*light) or 1
    room = min(room, sum(light)) // divisor
    n_bytes = len(array) * (room // 64 + 1) * 8 + 16 * (room + 64)
    if n_bytes > _MOST_BYTES:
        raise ValueError(
            f"{len(array)} items and a capacity of {room} (after division by {divisor}, which is "
            f"in all weights) need tables of {n_bytes / 2**30:.3g} GiB; at most "
            f"{_MOST_BYTES / 2**30:.0f} are allowed: round the weights to larger units, or use "
            "integer_program"
        )
    small = np.full(array.shape, room + 1, dtype=np.int64)
    small[~heavy] = [weight // divisor for weight in light]
    return small, room


class Knapsack(Structure):
    """Sets of items whose weights sum to the capacity at most. Parts are the items.

    Parameters
    ----------
    weights : array-like of int of shape (n_items,), default=None
        Weight of each item, >= 0.
    capacity : int, default=None
        These hold for all examples that do not bring their own. An example's context is a capacity,
        a pair (weights, capacity), or None for what is said here.

    See Also
    --------
    knapsack : The best items for given scores; how ties are broken; complexity.

    Examples
    --------
    >>> from structsvm.inference import Knapsack
    >>> maximizer = Knapsack([5, 3, 2, 0], capacity=5).bind([None, 8], [4, 4])
    >>> maximizer.maximize(0, [6.0, 5.0, 4.0, -1.0])
    (array([ 1,  2, -1], dtype=int32), 9.0)
    >>> maximizer.maximize(1, [6.0, 5.0, 4.0, -1.0])
    (array([ 0,  1, -1], dtype=int32), 11.0)
    """

    def __init__(self, weights: ArrayLike | None = None, capacity: int | None = None) -> None:
        self.weights = weights
        self.capacity = capacity

    def part_count(self) -> int | None:
        return None if self.weights is None else len(np.asarray(self.weights))

    def bind(self, contexts: Sequence[Any], n_parts: Sequence[int]) -> KnapsackMaximizer:
        items = read_contexts(contexts, n_parts, self._items)
        return KnapsackMaximizer([weights for weights, _ in items], [room for _, room in items])

    def _items(self, context: Any, n_parts: int) -> tuple[NDArray[np.int64], int]:
        weights, capacity = self.weights, self.capacity
        if isinstance(context, tuple) and len(context) == 2:
            weights, capacity = context
        elif context is not None:
            capacity = context
        if weights is None or capacity is None:
            raise ValueError(
                "weights or capacity are missing; give them to Knapsack, or the example a context "
                "(weights, capacity)"
            )
        small, room = _check_items(weights, capacity)
        if len(small) != n_parts:
            raise ValueError(
                f"there are {len(small)} weights, but the example has {n_parts} parts; parts are "
                "the items"
            )
        return small, room
