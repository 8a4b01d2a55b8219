"""GridModel: labels of the pixels of images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.losses import HammingLoss
from structsvm.models.labelled_graphs import LabelledGraphs, Parts, check_non_negative
from structsvm.sequences import check_finite
from structsvm.validation import as_items

__all__ = ["GridModel", "grid_edges"]

_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))


class _Image(NamedTuple):
    pixels: NDArray[np.floating]  # (H, W, F)
    own: NDArray[np.floating] | None  # (n_directions, H, W, G)


class GridModel(LabelledGraphs):
    r"""Labels of the pixels of images, where neighbours in 4 or 8 directions are joined.

    .. math::
        \langle w, \psi(x, y) \rangle = \sum_i x_i^\top \mathrm{node}[:, y_i]
        + \sum_{e = (a, b)} z_e^\top \mathrm{edge} \; [y_a = y_b]

    An x is an array of shape (H, W, n_features), or a pair of it and edge features of one's own, of
    shape (n_directions, H, W, n_own), where entry [k, i, j] is of the edge from (i, j) to its
    neighbour in direction k, in the order (0, 1), (1, 0), (1, 1), (1, -1); entries whose edge
    leaves the image are ignored. Images may differ in size.

    The features z of an edge are, in this order, contrast if it is wanted, one's own, and a
    constant; with `directions` there is a copy of each for each direction, zero elsewhere.

    Parameters
    ----------
    task_loss : {"normalized_hamming", "hamming"} or HammingLoss, default="normalized_hamming"
        The share of wrong pixels of each image, or their number; see `GraphModel`.
    connectivity : {4, 8}, default=4
        Neighbours of a pixel.
    contrast : bool or sequence of float, default=True
        An edge feature exp(-beta \|I_a - I_b\|^2) / distance, near 1 within smooth regions and 0
        across borders, with beta = 1 / (2 mean \|I_a - I_b\|^2) over the training images; or one
        for each of several multiples of beta.
    contrast_channels : sequence of int, default=None
        Which features of a pixel are I; None for all.
    directions : bool, default=False
        Weights of their own for each direction.
    pairwise, fit_intercept, edge_intercept, class_weight, ignore_label
        See `GraphModel`.
    inference_method, relaxation_tol, warm_inference
        See `GraphModel`.

    Attributes
    ----------
    beta_ : float
        Of the contrast.
    classes_, class_weight_, n_features_in_, n_edge_features_, n_weights, exact, oracle
        See `GraphModel`.
    """

    def __init__(
        self,
        task_loss: str | HammingLoss = "normalized_hamming",
        *,
        connectivity: int = 4,
        contrast: bool | Sequence[float] = True,
        contrast_channels: Sequence[int] | None = None,
        directions: bool = False,
        pairwise: str = "potts",
        fit_intercept: bool = True,
        edge_intercept: bool = True,
        class_weight: str | Mapping[Any, float] | None = None,
        ignore_label: Any = None,
        inference_method: str = "auto",
        relaxation_tol: float = 1e-3,
        warm_inference: str | bool | int = "auto",
    ) -> None:
        self.task_loss = task_loss
        self.connectivity = connectivity
        self.contrast = contrast
        self.contrast_channels = contrast_channels
        self.directions = directions
        self.pairwise = pairwise
        self.fit_intercept = fit_intercept
        self.edge_intercept = edge_intercept
        self.class_weight = class_weight
        self.ignore_label = ignore_label
        self.inference_method = inference_method
        self.relaxation_tol = relaxation_tol
        self.warm_inference = warm_inference

    def learned_arrays(self) -> dict[str, NDArray[np.float64]]:
        return super().learned_arrays() | {"beta": np.array([self.beta_])}

    def restore_arrays(self, arrays: dict[str, NDArray[np.float64]]) -> None:
        super().restore_arrays(arrays)
        (self.beta_,) = arrays["beta"].tolist()

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if self.connectivity not in (4, 8):
            raise ValueError(f"connectivity={self.connectivity!r}: expected 4 or 8")

    @property
    def _edge_constant(self) -> bool:
        # With directions each has a constant of its own, among the features.
        return bool(self.edge_intercept) and not self.directions

    def _parts(self, X: Sequence[Any], *, learn: bool = False) -> list[Parts]:
        n_directions = self.connectivity // 2
        images = [_read_image(i, item, n_directions) for i, item in enumerate(as_items("X", X))]
        if learn:
            if not images:
                raise ValueError("X has no images: there is nothing to learn from")
            self.n_features_in_ = images[0].pixels.shape[2]
            self._n_own = 0 if images[0].own is None else images[0].own.shape[3]
            self._check_images(images)
            self.beta_ = self._learn_beta(images)
        else:
            n_kinds = self.n_edge_features_ // (n_directions if self.directions else 1)
            constant = bool(self.edge_intercept) and self.directions
            self._n_own = n_kinds - constant - len(self._contrasts())
            self._check_images(images)
        edges: dict[tuple[int, ...], NDArray[np.int32]] = {}
        parts = []
        for i, image in enumerate(images):
            shape = image.pixels.shape[:2]
            if shape not in edges:
                edges[shape] = grid_edges(shape, self.connectivity)
            pairs = self._edge_features(image)
            if not self._tables:
                check_non_negative(f"X[{i}]", pairs)
            nodes = image.pixels.reshape(-1, image.pixels.shape[2])
            parts.append(Parts(nodes, edges[shape], pairs, shape))
        return parts

    def _check_images(self, images: list[_Image]) -> None:
        for i, image in enumerate(images):
            n, expected = image.pixels.shape[2], self.n_features_in_
            if n != expected:
                raise ValueError(f"X[{i}] has {n} features, expected {expected}")
            n_own = 0 if image.own is None else image.own.shape[3]
            if n_own != self._n_own:
                raise ValueError(f"X[{i}] has {n_own} edge features, expected {self._n_own}")

    # ---- edge features

    def _contrasts(self) -> list[float]:
        """The multiples of beta."""
        if isinstance(self.contrast, (bool, np.bool_)):
            return [1.0] if self.contrast else []
        factors = np.asarray(self.contrast, dtype=np.float64)
        if factors.ndim != 1 or not (np.isfinite(factors) & (factors > 0)).all():
            raise ValueError(
                f"contrast={self.contrast!r}: expected True, False or a list of multiples > 0"
            )
        return [float(factor) for factor in factors]

    def _contrast_channels(self, pixels: NDArray[np.floating]) -> NDArray[np.floating]:
        if self.contrast_channels is None:
            return pixels
        channels = np.asarray(self.contrast_channels)
        n = pixels.shape[2]
        if channels.ndim != 1 or channels.dtype.kind not in "iu" or not len(channels):
            raise ValueError(
                f"contrast_channels={self.contrast_channels!r}: expected a list of feature numbers"
            )
        if not (channels.min() >= 0 and channels.max() < n):
            raise ValueError(
                f"contrast_channels={self.contrast_channels!r}: expected numbers from 0 to {n - 1}"
            )
        return pixels[:, :, channels]

    def _learn_beta(self, images: list[_Image]) -> float:
        if not self._contrasts():
            return 0.0
        total, count = 0.0, 0
        for image in images:
            channels = self._contrast_channels(image.pixels)
            for direction in _DIRECTIONS[: self.connectivity // 2]:
                squares = _squared_steps(channels, direction)
                total += float(squares.sum(dtype=np.float64))
                count += squares.size
        if not math.isfinite(total):
            raise ValueError("squared differences of features overflow: scale the features")
        return count / (2 * total) if total > 0 else 0.0

    def _edge_features(self, image: _Image) -> NDArray[np.floating]:
        """(n_edges, n_edge_features), the edges of one direction after those of another."""
        directions = _DIRECTIONS[: self.connectivity // 2]
        blocks = []
        for k, direction in enumerate(directions):
            columns = []
            if contrasts := self._contrasts():
                squares = _squared_steps(self._contrast_channels(image.pixels), direction)
                betas = self.beta_ * np.array(contrasts, dtype=squares.dtype)
                alike = np.exp(-squares.reshape(-1, 1) * betas) / np.hypot(*direction)
                columns.append(alike)
            if image.own is not None:
                first, _ = _ends(image.own[k], direction)
                columns.append(first.reshape(-1, image.own.shape[3]))
            n_edges = _squared_steps(image.pixels[:, :, :0], direction).size
            if self.directions and self.edge_intercept:
                columns.append(np.ones((n_edges, 1)))
            block = np.hstack([np.zeros((n_edges, 0)), *columns])
            if self.directions:
                wide = np.zeros((n_edges, len(directions), block.shape[1]))
                wide[:, k] = block
                block = wide.reshape(n_edges, -1)
            blocks.append(block)
        return np.concatenate(blocks).astype(image.pixels.dtype, copy=False)


def grid_edges(shape: tuple[int, ...], connectivity: int) -> NDArray[np.int32]:
    """Edges of a grid of this shape, those of one direction after those of another."""
    numbers = np.arange(shape[0] * shape[1], dtype=np.int32).reshape(shape)
    pairs = [
        np.stack([part.ravel() for part in _ends(numbers, direction)], axis=1)
        for direction in _DIRECTIONS[: connectivity // 2]
    ]
    return np.ascontiguousarray(np.concatenate(pairs))


def _ends(values: NDArray[Any], direction: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The values at the first and at the second ends of all edges in a direction."""
    down, right = direction
    height, width = values.shape[:2]
    rows = max(height - down, 0)
    if right >= 0:
        columns = max(width - right, 0)
        return values[:rows, :columns], values[down : down + rows, right : right + columns]
    columns = max(width + right, 0)
    return values[:rows, -right : -right + columns], values[down : down + rows, :columns]


def _squared_steps(
    channels: NDArray[np.floating], direction: tuple[int, int]
) -> NDArray[np.floating]:
    first, second = _ends(channels, direction)
    with np.errstate(over="ignore"):  # as good as infinitely far
        squares: NDArray[np.floating] = ((first - second) ** 2).sum(axis=2)
    return squares


def _read_image(i: int, item: Any, n_directions: int) -> _Image:
    pair = isinstance(item, tuple) and len(item) == 2
    pixels = _real_array(f"X[{i}]", item[0] if pair else item)
    if pixels.ndim != 3:
        raise ValueError(f"X[{i}] has shape {pixels.shape}, expected (height, width, n_features)")
    height, width, _ = pixels.shape
    if not height or not width:
        raise ValueError(f"X[{i}] has shape {pixels.shape}: an image has at least one pixel")
    if not pair:
        return _Image(pixels, None)
    own = _real_array(f"X[{i}][1]", item[1], inside=False)
    if own.ndim != 4 or own.shape[:3] != (n_directions, height, width):
        raise ValueError(
            f"X[{i}][1] has shape {own.shape}, expected edge features of shape ({n_directions}, "
            f"{height}, {width}, n_edge_features)"
        )
    for k in range(n_directions):
        used, _ = _ends(own[k], _DIRECTIONS[k])
        if not np.isfinite(used).all():
            row, column, g = np.argwhere(~np.isfinite(used))[0]
            raise ValueError(
                f"X[{i}][1] has an edge feature that is not finite, number {g} of the edge in "
                f"direction {_DIRECTIONS[k]} at row {row}, column {column + (k == 3)}"
            )
    return _Image(pixels, own)


def _real_array(place: str, value: ArrayLike, inside: bool = True) -> NDArray[np.floating]:
    """C-contiguous float64 or float32: as it is, or float32 for integers of 16 bits and fewer."""
    if np.ma.is_masked(value):
        raise ValueError(f"{place} has masked entries; fill them: features must be numbers")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{place} is no rectangular array of numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{place} has dtype {array.dtype}, expected real numbers")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32 if array.dtype.itemsize <= 2 else np.float64)
    array = np.ascontiguousarray(array)
    if inside and (entry := check_finite(array.reshape(-1))) is not None:
        where = ", ".join(str(k) for k in np.unravel_index(entry, array.shape))
        raise ValueError(f"{place}[{where}] is {array.reshape(-1)[entry]}; features must be finite")
    return array
