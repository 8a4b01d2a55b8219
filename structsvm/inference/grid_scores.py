"""Grids and their scores: the directions of neighbours, and checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import real_array
from structsvm.inference.cut_scores import check_finite_scores, check_total

__all__ = ["check_grid", "check_grid_pairwise", "check_grid_unary", "flow_limit"]

# Forward steps: each edge leads one of these steps from its first pixel.
_ALONG_AXES = [(0, 0, 1), (0, 1, 0), (1, 0, 0)]
_DIRECTIONS = {
    4: [(0, 1), (1, 0)],
    8: [(0, 1), (1, 0), (1, 1), (1, -1)],
    6: _ALONG_AXES,
    26: [
        *_ALONG_AXES,
        *[(0, 1, 1), (0, 1, -1), (1, 0, 1), (1, 0, -1), (1, 1, 0), (1, -1, 0)],
        *[(1, 1, 1), (1, 1, -1), (1, -1, 1), (1, -1, -1)],
    ],
}

# Sums of scores below this stay far from overflow in every computation.
_SAFE_TOTAL = 1e300


def check_grid(shape: Any, connectivity: int) -> tuple[tuple[int, ...], NDArray[np.intc]]:
    """The shape as a tuple, and the steps to forward neighbours (n_directions, n_dimensions)."""
    if isinstance(connectivity, bool) or connectivity not in _DIRECTIONS:
        raise ValueError(
            f"connectivity={connectivity!r}: expected 4 or 8 for images, 6 or 26 for volumes"
        )
    directions = np.array(_DIRECTIONS[connectivity], dtype=np.intc)
    sizes = tuple(shape) if hasattr(shape, "__iter__") else (shape,)
    if len(sizes) != directions.shape[1]:
        raise ValueError(
            f"a grid of shape {sizes} has {len(sizes)} dimensions, expected "
            f"{directions.shape[1]} for connectivity={connectivity}"
        )
    if not all(isinstance(size, (int, np.integer)) and size >= 0 for size in sizes):
        raise ValueError(f"a grid of shape {sizes}: expected whole numbers >= 0")
    return tuple(int(size) for size in sizes), directions


def check_grid_unary(unary: ArrayLike, shape: tuple[int, ...]) -> tuple[NDArray[np.float64], float]:
    """Finite float64 of this shape in C order, not copied if it is so already; and its largest
    magnitude."""
    array = real_array("unary", unary)
    if array.shape != shape:
        raise ValueError(f"unary has shape {array.shape}, expected {shape}")
    least, most = _extremes(array)
    if not -np.inf < least <= most < np.inf:
        check_finite_scores("unary", array)
    return np.ascontiguousarray(array), max(-least, most)


def check_grid_pairwise(
    pairwise: ArrayLike, shape: tuple[int, ...], directions: NDArray[np.intc]
) -> tuple[NDArray[np.float64], float]:
    """float64 of shape (n_directions, *shape) or (n_directions,) in C order, finite and >= 0 where
    there is an edge, not copied if it is so already; and its largest entry."""
    array = real_array("pairwise", pairwise)
    n = len(directions)
    if array.shape not in ((), (n,), (n, *shape)):
        raise ValueError(
            f"pairwise has shape {array.shape}, expected {(n, *shape)}, {(n,)} or one number"
        )
    if array.ndim <= 1:
        array = np.array(np.broadcast_to(array, (n,)))
        check_finite_scores("pairwise", array, non_negative=True)
        return array, float(array.max())
    largest = 0.0
    for scores, direction in zip(array, directions, strict=True):
        least, most = _extremes(scores[_inside(direction)])
        if not 0.0 <= least <= most < np.inf:
            array = _without_loose_ends(array, directions)
            check_finite_scores("pairwise", array, non_negative=True)
        largest = max(largest, most)
    return np.ascontiguousarray(array), largest


def flow_limit(unary: NDArray[np.float64], largest: float, directions: NDArray[np.intc]) -> float:
    """The magnitude that scores are clipped to: infinite if sums of scores up to `largest` stay far
    from overflow, else twice an upper bound of the flow.

    Raises
    ------
    ValueError
        If the magnitudes of `unary` have no finite sum.
    """
    if largest * unary.size * (1 + 2 * len(directions)) <= _SAFE_TOTAL:
        return np.inf
    check_total(unary)
    most = min(float(unary[unary > 0].sum()), -float(unary[unary < 0].sum()))
    greatest = float(np.finfo(np.float64).max)
    # If nothing can flow, any limit will do whose sums stay finite.
    return 2 * most if 0 < most < greatest / 8 else greatest / 4


def _extremes(array: NDArray[np.float64]) -> tuple[float, float]:
    """Least and greatest entry, NaN if an entry is NaN; zeros for an empty array."""
    return (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)


def _inside(direction: NDArray[np.intc]) -> tuple[slice, ...]:
    """Slices of the pixels whose neighbour in this direction is in the image."""
    return tuple(slice(max(0, -step), -step if step > 0 else None) for step in direction.tolist())


def _without_loose_ends(
    pairwise: NDArray[np.float64], directions: NDArray[np.intc]
) -> NDArray[np.float64]:
    """A copy with zeros where there is no edge."""
    copy = np.zeros_like(pairwise)
    for k, direction in enumerate(directions):
        copy[k][_inside(direction)] = pairwise[k][_inside(direction)]
    return copy
