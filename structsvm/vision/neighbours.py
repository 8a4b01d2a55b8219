"""Similarity of neighbouring pixels: edge features of grids."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.linalg._sums import decay
from structsvm.vision.images import check_image

__all__ = ["contrast", "contrast_of"]

_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
_N_DIRECTIONS = {4: 2, 8: 4}
_STEEPEST = 1e300  # keeps the rate finite: times a difference of 0 it must be 0, not NaN


def contrast(
    image: Any, *, beta: float | None = None, connectivity: int = 8
) -> NDArray[np.float64]:
    r"""Similarity of each pixel and its neighbours: ``exp(-beta * |dI|^2)``, from 0 to 1.

    Parameters
    ----------
    image : array of shape (height, width) or (height, width, n_channels)
        Real numbers of any range, used as they are. Lab colours of a photograph show borders of
        objects better than RGB: ``pixel_features(image, groups=["colour"])``.
    beta : float, default=None
        Finite, >= 0. None: ``1 / (2 * mean |dI|^2)`` over all pairs of neighbours in this image, so
        the result does not depend on the unit of the pixels.
    connectivity : {4, 8}, default=8
        4: neighbours to the right and below; 8: also the two diagonals below.

    Returns
    -------
    contrast : array of shape (n_directions, height, width), float64
        Entry [k, i, j] is for the edge from pixel (i, j) to its neighbour in direction k of (0, 1),
        (1, 0), (1, 1), (1, -1), the first two only for 4 neighbours; 0 if this neighbour is outside
        the image. All grids of this library have this order.

    Raises
    ------
    ValueError
        If the image is empty, has another number of dimensions or an entry that is not finite, or
        a parameter is out of range.

    References
    ----------
    C. Rother, V. Kolmogorov, A. Blake. GrabCut: Interactive Foreground Extraction using Iterated
    Graph Cuts. ACM Transactions on Graphics 23, 2004. https://doi.org/10.1145/1015706.1015720

    Examples
    --------
    >>> from structsvm.vision import contrast
    >>> contrast([[0, 0, 9]], connectivity=4).round(3)
    array([[[1.   , 0.368, 0.   ]],
           [[0.   , 0.   , 0.   ]]])
    """
    pixels = check_image(image).astype(np.float64)
    pixels = pixels.reshape(*pixels.shape[:2], -1)
    if connectivity not in _N_DIRECTIONS:
        raise ValueError(f"connectivity={connectivity!r}: expected 4 or 8")
    result = np.zeros((_N_DIRECTIONS[connectivity], *pixels.shape[:2]))
    places = [_ends(pixels.shape, step) for step in _DIRECTIONS[: len(result)]]
    with np.errstate(over="ignore"):
        differences = [pixels[there] - pixels[here] for here, there in places]
    flat = np.concatenate([d.reshape(-1, pixels.shape[2]) for d in differences])
    sizes = np.split(contrast_of(flat, beta), np.cumsum([d[..., 0].size for d in differences])[:-1])
    for plane, (here, _), values in zip(result, places, sizes, strict=True):
        plane[here] = values.reshape(plane[here].shape)
    return result


def contrast_of(differences: NDArray[np.float64], beta: float | None) -> NDArray[np.float64]:
    """Contrasts of edges from the differences along them, of shape (n_edges, n_channels)."""
    if beta is not None and (
        isinstance(beta, bool) or not isinstance(beta, Real) or not 0 <= float(beta) < math.inf
    ):
        raise ValueError(f"beta={beta!r}: expected a finite number >= 0, or None")
    unit = np.abs(differences).max(initial=0.0)
    if not unit:
        return np.ones(len(differences))
    if not np.isfinite(unit):
        raise ValueError("image has neighbours that differ by more than a float64 can hold")
    # In this unit squares neither overflow nor underflow.
    squares = ((differences / unit) ** 2).sum(axis=1)
    rate = 0.5 / squares.mean() if beta is None else min(float(beta) * unit * unit, _STEEPEST)
    likeness: NDArray[np.float64] = decay(rate * squares)
    return likeness


def _ends(shape: tuple[int, ...], step: tuple[int, int]) -> tuple[Any, Any]:
    """Slices of the first and of the second ends of all edges in one direction."""
    (down, right), (height, width) = step, shape[:2]
    here = (slice(0, height - down), slice(max(-right, 0), width - max(right, 0)))
    there = (slice(down, height), slice(max(right, 0), width + min(right, 0)))
    return here, there
