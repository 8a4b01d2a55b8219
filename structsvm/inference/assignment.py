"""assignment: the best pairs of rows and columns, each used once."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import real_array
from structsvm.inference._assignment import AssignmentMaximizer, assign_scores, size_of
from structsvm.inference._contexts import read_contexts
from structsvm.inference._pairwise import check_scores
from structsvm.inference.cut_scores import check_total
from structsvm.inference.structures import Structure

__all__ = ["Assignment", "assignment"]


def assignment(
    scores: ArrayLike, *, partial: bool = False, allowed: ArrayLike | None = None
) -> tuple[NDArray[np.int32], float]:
    r"""The pairs of rows and columns with the greatest sum of scores, each row and column once.

    .. math::
        \max_y \; \sum_{r, c} \mathrm{scores}_{r c} \, y_{r c} \quad \text{where} \quad
        \sum_c y_{r c} \leq 1, \; \sum_r y_{r c} \leq 1, \; y_{r c} \in \{0, 1\}

    There are min(n_rows, n_columns) pairs, or fewer with `partial`. Scores are maximised, as
    everywhere in this library: for costs pass ``-costs``.

    Parameters
    ----------
    scores : array-like of shape (n_rows, n_columns)
        Score of each pair; -inf forbids it.
    partial : bool, default=False
        Whether rows and columns may be left out: then only pairs with a score above 0 are used.
    allowed : array-like of bool of shape (n_rows, n_columns), default=None
        Which pairs may be used. None: all.

    Returns
    -------
    pairs : int32 array of shape (n_pairs, 2)
        A row and a column each, ascending. Of several best assignments, always the same one is
        found for the same scores.
    value : float
        Sum of the scores of the pairs.

    Raises
    ------
    ValueError
        If the shape does not fit, a score is NaN or +inf, or so many pairs are forbidden that there
        is no assignment: the message says which rows or columns block each other.

    See Also
    --------
    Assignment : These pairs as a structure to be learned.

    Notes
    -----
    Rows bid for columns, then what is left is settled by shortest augmenting paths. Time is
    O(k^2 m) for k = min(n_rows, n_columns) and m the greater of the two; memory is O(k + m), and a
    copy of the scores if they have more rows than columns, with `partial` or with `allowed`.

    References
    ----------
    R. Jonker, A. Volgenant (1987). A shortest augmenting path algorithm for dense and sparse linear
    assignment problems. Computing 38. doi:10.1007/BF02278710
    D. Crouse (2016). On implementing 2D rectangular assignment algorithms. IEEE Transactions on
    Aerospace and Electronic Systems 52(4). doi:10.1109/TAES.2016.140952

    Examples
    --------
    >>> from structsvm.inference import assignment
    >>> pairs, value = assignment([[3.0, 2.0, 0.0], [4.0, 1.0, 0.5]])
    >>> pairs.tolist(), value
    ([[0, 1], [1, 0]], 6.0)
    """
    table = real_array("scores", scores)
    if table.ndim != 2 or not 4.0 * size_of(table) < math.inf:
        table = check_scores("scores", scores, 2, forbidden=True)
        check_total(table[np.isfinite(table)], 4.0)
    mask = None if allowed is None else _check_mask("allowed", allowed, table.shape)
    if partial or mask is not None or not table.flags.writeable:
        table = np.array(table, order="C")
    elif not table.flags.c_contiguous:
        table = np.ascontiguousarray(table)
    pairs, n_pairs, value = assign_scores(table, mask, bool(partial))
    return pairs[:n_pairs], value


class Assignment(Structure):
    """Assignments: pairs of rows and columns, each row and each column in one pair at most.

    Part ``r * n_columns + c`` is the pair of row r and column c, whether it is allowed or not.

    Parameters
    ----------
    shape : (int, int), default=None
        Number of rows and columns of every example. None: each example says.
    partial : bool, default=False
        Whether rows and columns may be left out. Otherwise an output has min(n_rows, n_columns)
        pairs.
    allowed : array-like of bool of shape (n_rows, n_columns), default=None
        Which pairs may be used, in every example. None: all, or as the example says.

    Notes
    -----
    The context of an example is a shape or a mask like `allowed`, in place of what the constructor
    says. Time of a call is O(k^2 m) for k = min(n_rows, n_columns) and m the greater of the two;
    see `assignment` for the method and for ties.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm.inference import Assignment
    >>> maximizer = Assignment((2, 2)).bind([None, np.eye(2, dtype=bool)], [4, 4])
    >>> [maximizer.maximize(i, [1.0, 3.0, 2.0, 1.0])[0].tolist() for i in range(2)]
    [[1, 2], [0, 3]]
    """

    def __init__(
        self,
        shape: tuple[int, int] | None = None,
        *,
        partial: bool = False,
        allowed: ArrayLike | None = None,
    ) -> None:
        self.shape = shape
        self.partial = partial
        self.allowed = allowed

    def part_count(self) -> int | None:
        if self.allowed is not None:
            return int(np.size(self.allowed))
        return None if self.shape is None else math.prod(self.shape)

    def bind(self, contexts: Sequence[Any], n_parts: Sequence[int]) -> AssignmentMaximizer:
        tables = read_contexts(contexts, n_parts, self._table)
        return AssignmentMaximizer(
            [shape for shape, _ in tables], [mask for _, mask in tables], partial=bool(self.partial)
        )

    def _table(
        self, context: Any, n_parts: int
    ) -> tuple[tuple[int, int], NDArray[np.uint8] | None]:
        """Shape and mask."""
        shape, mask, name = self.shape, self.allowed, "allowed"
        if context is not None:
            name = "the context"
            is_shape = isinstance(context, tuple) and np.ndim(context) == 1
            shape, mask = (context, None) if is_shape else (None, context)
        if shape is None and mask is None:
            raise ValueError(
                "there is no shape; give Assignment a shape or the pairs that are allowed, or the "
                "example a context (n_rows, n_columns)"
            )
        own = None if shape is None else _check_shape(shape)
        checked = None if mask is None else _check_mask(name, mask, own)
        n_rows, n_columns = own if own is not None else np.asarray(checked).shape
        if n_rows * n_columns != n_parts:
            raise ValueError(
                f"{n_rows} rows and {n_columns} columns have {n_rows * n_columns} pairs, but the "
                f"example has {n_parts} parts; parts are pairs, row by row"
            )
        return (n_rows, n_columns), checked


def _check_shape(shape: Any) -> tuple[int, int]:
    if (
        not isinstance(shape, (tuple, list))
        or len(shape) != 2
        or not all(isinstance(n, numbers.Integral) and int(n) >= 0 for n in shape)
    ):
        raise ValueError(f"the shape is {shape!r}, expected (n_rows, n_columns), both >= 0")
    n_rows, n_columns = int(shape[0]), int(shape[1])
    if n_rows * n_columns >= 2**31:
        raise ValueError(f"the shape is {shape!r}; at most 2**31 - 1 pairs can be counted")
    return n_rows, n_columns


def _check_mask(name: str, value: Any, shape: tuple[int, ...] | None) -> NDArray[np.uint8]:
    """A mask of two dimensions as bytes, of this shape unless that is None."""
    mask = np.asarray(value)
    if mask.dtype != np.bool_:
        raise ValueError(f"{name} has dtype {mask.dtype}, expected bool: True where allowed")
    if mask.ndim != 2 or shape not in (None, mask.shape):
        expected = "(n_rows, n_columns)" if shape is None else shape
        raise ValueError(f"{name} has shape {mask.shape}, expected {expected}")
    return np.ascontiguousarray(mask).view(np.uint8)
