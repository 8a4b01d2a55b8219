"""Layout: the places of named blocks in the weight vector."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Layout"]


class Layout:
    """Named blocks of the weight vector, row-major and one after the other.

    Parameters
    ----------
    blocks : iterable of pairs (name, shape)

    Attributes
    ----------
    shapes : dict from str to tuple of int
    n_weights : int

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm.problems.layout import Layout
    >>> layout = Layout([("node", (3, 2)), ("edge", (4,))])
    >>> layout.n_weights, layout.place("edge")
    (10, slice(6, 10, None))
    >>> layout.views(np.arange(10.0))["node"]
    array([[0., 1.],
           [2., 3.],
           [4., 5.]])
    """

    def __init__(self, blocks: Iterable[tuple[str, tuple[int, ...]]]) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._starts: dict[str, int] = {}
        self.n_weights = 0
        for name, shape in blocks:
            if name in self.shapes:
                raise ValueError(f"there are two blocks {name!r}")
            self.shapes[name] = shape
            self._starts[name] = self.n_weights
            self.n_weights += math.prod(shape)

    def __contains__(self, name: str) -> bool:
        return name in self.shapes

    def place(self, *names: str) -> slice:
        """The slice of one block, or of several neighbouring blocks in their order.

        Raises
        ------
        KeyError
            If there is no block of this name.
        ValueError
            If the blocks are not neighbours in this order.
        """
        start = stop = self._starts[names[0]]
        for name in names:
            if self._starts[name] != stop:
                raise ValueError(f"block {name!r} starts at {self._starts[name]}, not at {stop}")
            stop += math.prod(self.shapes[name])
        return slice(start, stop)

    def views(self, w: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The blocks of a weight vector by name, as views."""
        return {name: w[self.place(name)].reshape(shape) for name, shape in self.shapes.items()}
