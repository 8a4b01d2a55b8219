"""Reading of what examples say about their outputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.inference._pairwise import check_scores

__all__ = ["check_part_scores", "read_contexts"]

T = TypeVar("T")


def read_contexts(
    contexts: Sequence[Any], n_parts: Sequence[int], read: Callable[[Any, int], T]
) -> list[T]:
    """What `read` makes of the context and the number of parts of each example.

    A context that several examples share, or that is None, is read once for each number of parts.

    Raises
    ------
    ValueError
        As `read` does; it then names the example. Or if there are more of one than of the other.
    """
    if len(contexts) != len(n_parts):
        raise ValueError(
            f"there are contexts of {len(contexts)} examples, but numbers of parts of "
            f"{len(n_parts)}"
        )
    known: dict[tuple[int, int], T] = {}
    found = []
    held = list(contexts)  # alive, so that no two have the same id
    for i, (context, n) in enumerate(zip(held, n_parts, strict=True)):
        key = id(context), int(n)
        if key not in known:
            try:
                known[key] = read(context, int(n))
            except ValueError as error:
                raise ValueError(f"example {i}: {error}") from None
        found.append(known[key])
    return found


def check_part_scores(scores: ArrayLike, n_parts: int, what: str) -> NDArray[np.float64]:
    """One score for each part, -inf where it is forbidden."""
    array = check_scores("scores", scores, 1, forbidden=True)
    if array.shape != (n_parts,):
        raise ValueError(
            f"scores has shape {array.shape}, expected ({n_parts},): one for each {what}"
        )
    return array
