"""spans_of: the spans of a sequence in the order in which their features are given."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import check_scalar

__all__ = ["check_max_length", "n_spans_of", "spans_of"]

# The tables of lengths grow with it.
_MOST_POSITIONS = 2**20


def spans_of(length: int, max_length: int) -> NDArray[np.int64]:
    """All spans of a sequence with up to `max_length` positions.

    Parameters
    ----------
    length : int
        Number of positions of the sequence.
    max_length : int
        The most positions of a span, 1 or more.

    Returns
    -------
    spans : int64 array of shape (n_spans, 2)
        The first position, and that after the last; by their starts, the shortest first.

    Examples
    --------
    >>> from structsvm.features import spans_of
    >>> spans_of(3, 2).tolist()
    [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]
    """
    check_scalar("length", length, above=-1, integer=True)
    check_max_length(max_length)
    start, size = np.mgrid[:length, 1 : min(max_length, length) + 1]
    fits = start + size <= length
    return np.stack([start[fits], (start + size)[fits]], axis=1).astype(np.int64)


def check_max_length(max_length: int) -> None:
    """Raise ValueError unless it is an integer from 1 to 2**20."""
    check_scalar("max_length", max_length, above=0, integer=True)
    if max_length > _MOST_POSITIONS:
        raise ValueError(f"max_length={max_length!r}: expected at most {_MOST_POSITIONS}")


def n_spans_of(lengths: NDArray[np.int64], max_length: int) -> NDArray[np.int64]:
    """How many spans sequences of these lengths have."""
    most = np.minimum(lengths, max_length)
    count: NDArray[np.int64] = lengths * most - most * (most - 1) // 2
    return count
