"""State: what an object is made of beside its parameters, as integers and arrays by name."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.exceptions import ModelFileError

__all__ = ["State", "arrays_of", "checked_classes", "most_numbers", "sizes_of"]

#: What ``to_state`` gives and ``from_state`` takes: integers >= 0 and arrays, and nothing else.
State = dict[str, Any]


def sizes_of(state: State) -> dict[str, int]:
    """The integers of a state."""
    return {k: int(v) for k, v in state.items() if not isinstance(v, np.ndarray)}


def arrays_of(state: State) -> dict[str, NDArray[Any]]:
    """The arrays of a state."""
    return {k: v for k, v in state.items() if isinstance(v, np.ndarray)}


def checked_classes(state: State) -> NDArray[Any]:
    """The classes of a state, sorted and distinct."""
    classes: NDArray[Any] = state["classes"]
    if len(classes) == 0 or not np.array_equal(classes, np.unique(classes)):
        raise ModelFileError("the classes are not sorted and distinct")
    if classes.dtype.kind == "U":
        classes.tolist()  # raises for what is no text
    return classes


def most_numbers(n_held: int) -> int:
    """How many numbers a file that holds `n_held` may stand for, as it leaves out zeros.

    Beyond this a file of a few bytes could claim all memory there is. A thousand is also what
    compression makes of zeros at best.
    """
    return max(1000 * n_held, 1 << 20)
