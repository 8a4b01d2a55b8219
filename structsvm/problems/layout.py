"""Layouts: the places of named blocks, in the weight vector and in the parts of examples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["Layout", "PartLayout"]


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
        """Where some blocks lie that are neighbours, in this order."""
        start = stop = self._starts[names[0]]
        for name in names:
            if self._starts[name] != stop:
                raise ValueError(f"block {name!r} starts at {self._starts[name]}, not at {stop}")
            stop += math.prod(self.shapes[name])
        return slice(start, stop)

    def views(self, w: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The blocks of a weight vector, as views."""
        return {name: w[self.place(name)].reshape(shape) for name, shape in self.shapes.items()}


class PartLayout:
    """Named blocks of the parts of examples, one after the other: rows of scores.

    Parameters
    ----------
    n_rows : dict from str to int64 ndarray of shape (n_examples,)
        Of each block.
    row_sizes : sequence of int
        Parts of a row of each block, padding included.

    Attributes
    ----------
    starts : int64 ndarray of shape (n_blocks + 1, n_examples)
        Where each block starts, and where the last one ends.
    """

    def __init__(self, n_rows: Mapping[str, NDArray[np.int64]], row_sizes: Sequence[int]) -> None:
        self._row_sizes = dict(zip(n_rows, row_sizes, strict=True))
        n_examples = len(next(iter(n_rows.values())))
        self.starts: NDArray[np.int64] = np.zeros((len(n_rows) + 1, n_examples), dtype=np.int64)
        for k, (rows, size) in enumerate(zip(n_rows.values(), row_sizes, strict=True)):
            self.starts[k + 1] = self.starts[k] + rows * size

    def views(self, i: int, theta: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The blocks of a score vector of example i, as views of shape (n_rows, row_size)."""
        return {
            name: theta[self.starts[k, i] : self.starts[k + 1, i]].reshape(-1, size)
            for k, (name, size) in enumerate(self._row_sizes.items())
        }
