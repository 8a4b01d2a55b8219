"""VolumeModel: labels of the voxels of volumes."""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.labels import PackedLabels, known_nodes
from structsvm.data.sequences import as_items
from structsvm.inference.grid_scores import check_grid
from structsvm.linalg._sums import decay
from structsvm.losses import HammingLoss
from structsvm.models.factored import PackedInputs
from structsvm.models.grid import GridModel, Image, Images, real_pixels
from structsvm.models.labelled_graphs import LabelledGraphs

__all__ = ["VolumeModel", "volume_edges"]

_CONNECTIVITIES = (6, 18, 26)
_GREATEST = float(np.finfo(np.float64).max)

Step = tuple[int, int, int]


class VolumeModel(GridModel):
    r"""Labels of the voxels of volumes, with edges to 6, 18 or 26 neighbours.

    As `GridModel` in three dimensions. An x is an array of shape (D, H, W, n_features); a stack of
    images of one size is a volume, ``np.stack(images)``. Volumes may differ in size.

    Parameters
    ----------
    task_loss : {"normalized_hamming", "hamming"} or HammingLoss, default="normalized_hamming"
        The share of wrong voxels of each volume, or their number; see `GraphModel`.
    connectivity : {6, 18, 26}, default=6
        Neighbours that share a face; a face or an edge; a face, an edge or a corner. Cuts with 6
        and 26 neighbours never list edges; with 18 they are cuts of a general graph, which take
        about twice the time and memory.
    spacing : tuple of three float, default=None
        Distances of the centres of neighbours along the axes, in any unit; None is (1, 1, 1). The
        contrast is divided by the distance, over the least of the three. The constant is not: with
        `directions` each direction has one of its own.
    contrast, contrast_channels, directions
        See `GridModel`.
    pairwise, fit_intercept, edge_intercept, class_weight, weighting, ignore_label
        See `GraphModel`.
    inference_method, relaxation_tol, warm_inference
        See `GraphModel`.

    Attributes
    ----------
    beta_, classes_, class_weight_, n_features_in_, n_edge_features_, n_weights, exact, oracle
        See `GridModel`.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import StructSVM, VolumeModel
    >>> truth = np.zeros((3, 4, 5), dtype=int)
    >>> truth[:, 1:3, 1:4] = 1
    >>> volume = (truth + 0.3 * np.random.default_rng(0).normal(size=truth.shape))[..., None]
    >>> svm = StructSVM(VolumeModel(spacing=(3, 1, 1)), C=100, random_state=0)
    >>> (svm.fit([volume], [truth]).predict([volume])[0] == truth).mean() > 0.9
    np.True_
    """

    def __init__(
        self,
        task_loss: str | HammingLoss = "normalized_hamming",
        *,
        connectivity: int = 6,
        spacing: Sequence[float] | None = None,
        contrast: bool | Sequence[float] = True,
        contrast_channels: str | Sequence[int] | None = None,
        directions: bool = False,
        pairwise: str | Sequence[str] = "potts",
        fit_intercept: bool = True,
        edge_intercept: bool = True,
        class_weight: str | Mapping[Any, float] | None = None,
        weighting: str = "loss",
        ignore_label: Any = None,
        inference_method: str = "auto",
        relaxation_tol: float = 1e-3,
        warm_inference: str | bool | int = "auto",
    ) -> None:
        super().__init__(
            task_loss,
            connectivity=connectivity,
            contrast=contrast,
            contrast_channels=contrast_channels,
            directions=directions,
            pairwise=pairwise,
            fit_intercept=fit_intercept,
            edge_intercept=edge_intercept,
            class_weight=class_weight,
            weighting=weighting,
            ignore_label=ignore_label,
            inference_method=inference_method,
            relaxation_tol=relaxation_tol,
            warm_inference=warm_inference,
        )
        self.spacing = spacing

    def _check_parameters(self) -> None:
        LabelledGraphs._check_parameters(self)
        connectivity = self.connectivity
        if not isinstance(connectivity, numbers.Integral) or connectivity not in _CONNECTIVITIES:
            raise ValueError(f"connectivity={connectivity!r}: expected 6, 18 or 26 for volumes")
        self._distances()

    def _distances(self) -> NDArray[np.float64]:
        """Length of each step, in units of the least spacing."""
        try:
            spacing = np.asarray(
                (1, 1, 1) if self.spacing is None else self.spacing, dtype=np.float64
            )
        except (TypeError, ValueError, OverflowError):
            spacing = np.full(3, np.nan)
        with np.errstate(all="ignore"):
            units = spacing / spacing.min(initial=np.inf)
        # In a grid, no step is longer than the sum of its sides.
        if spacing.shape != (3,) or not (np.isfinite(3 * units) & (spacing > 0)).all():
            raise ValueError(
                f"spacing={self.spacing!r}: expected three finite numbers > 0, the distances of "
                "neighbours along depth, height and width"
            )
        return np.array([math.hypot(*(units * step)) for step in self._steps])

    @property
    def _steps(self) -> tuple[Step, ...]:  # type: ignore[override]
        return _steps_of(int(self.connectivity))

    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> PackedInputs:
        self._check_parameters()
        volumes = [_read_volume(i, item) for i, item in enumerate(as_items("X", X))]
        if sizes is None:
            if not volumes:
                raise ValueError("X has no volumes: there is nothing to learn from")
            sizes = {"n_features": volumes[0].pixels.shape[3], "n_own": 0}
        for i, volume in enumerate(volumes):
            if volume.pixels.shape[3] != sizes["n_features"]:
                raise ValueError(
                    f"X[{i}] has {volume.pixels.shape[3]} features, expected {sizes['n_features']}"
                )
        shapes = [volume.pixels.shape[:3] for volume in volumes]
        ends = np.cumsum([math.prod(shape) for shape in shapes], dtype=np.int64)
        return PackedInputs(Images(volumes), np.append(0, ends), sizes, shapes)

    @staticmethod
    def _edges_of(shape: tuple[int, ...], connectivity: int) -> NDArray[np.int32]:
        return volume_edges(shape, connectivity)

    @property
    def _has_grid_cuts(self) -> bool:
        return self._is_cut and self.connectivity != 18

    # ---- edge features

    def _channels(self, pixels: NDArray[np.floating]) -> NDArray[np.floating]:
        """The features that contrasts are of."""
        if self.contrast_channels is None:
            return pixels
        return pixels[..., self._contrast_channels(pixels)]

    def _learn_beta(self, images: list[Any], y: PackedLabels) -> float:
        if not self._contrasts():
            return 0.0
        total, count = 0.0, 0
        for volume, mask in zip(images, known_nodes(y, self.ignore_label), strict=True):
            channels = self._channels(volume.pixels)
            for step in self._steps:
                here, there = _ends(mask, step)
                squares = _squared_differences(channels, step)[here & there]
                with np.errstate(over="ignore"):
                    total += float(squares.sum())
                count += squares.size
        beta = count / (2 * total) if total > 0 else 0.0
        if not (math.isfinite(2 * total) and math.isfinite(beta)):
            raise ValueError(
                "squared differences of features overflow, and contrast needs them: scale the "
                "features"
            )
        return beta

    def _edge_features(self, image: Any) -> NDArray[np.floating]:
        """Edge features of shape (n_edges, n_edge_features), direction by direction."""
        contrasts = self._contrasts()
        betas = np.minimum(self.beta_ * np.array(contrasts), _GREATEST)
        has_constant = bool(self.directions and self.edge_intercept)
        pixels, n_kinds = image.pixels, len(contrasts) + has_constant
        channels, steps = self._channels(pixels) if contrasts else None, self._steps
        sizes = [_ends(pixels, step)[0][..., 0].size for step in steps]
        n_columns = n_kinds * (len(steps) if self.directions else 1)
        features = np.zeros((sum(sizes), n_columns), dtype=pixels.dtype)
        stop = 0
        for k, (step, distance) in enumerate(zip(steps, self._distances(), strict=True)):
            start, stop = stop, stop + sizes[k]
            column = k * n_kinds if self.directions else 0
            block = features[start:stop, column : column + n_kinds]
            if channels is not None:
                squares = _squared_differences(channels, step).reshape(-1, 1)
                with np.errstate(over="ignore"):
                    block[:, : len(contrasts)] = decay(squares * betas) / distance
            if has_constant:
                block[:, -1] = 1.0
        return features


def volume_edges(shape: tuple[int, ...], connectivity: int) -> NDArray[np.int32]:
    """Edges of a volume of this shape, direction by direction."""
    voxels = np.arange(math.prod(shape), dtype=np.int32).reshape(shape)
    pairs = [
        np.stack([end.ravel() for end in _ends(voxels, step)], axis=1)
        for step in _steps_of(connectivity)
    ]
    return np.ascontiguousarray(np.concatenate(pairs))


@functools.cache
def _steps_of(connectivity: int) -> tuple[Step, ...]:
    """From a voxel to its neighbour, for each direction; those of cuts, as far as they go."""
    _, every = check_grid((1, 1, 1), 26 if connectivity == 18 else connectivity)
    n = connectivity // 2
    return tuple((int(d), int(h), int(w)) for d, h, w in every[:n].tolist())


def _ends(values: NDArray[Any], step: Step) -> tuple[NDArray[Any], NDArray[Any]]:
    """The values at the first and at the second end of all edges in a direction."""
    here, there = [], []
    for size, by in zip(values.shape, step, strict=False):
        n = max(size - abs(by), 0)
        here.append(slice(max(-by, 0), max(-by, 0) + n))
        there.append(slice(max(by, 0), max(by, 0) + n))
    return values[tuple(here)], values[tuple(there)]


def _squared_differences(channels: NDArray[np.floating], step: Step) -> NDArray[np.float64]:
    """Squared differences of neighbours in a direction; overflow gives the greatest float64."""
    first, second = _ends(channels, step)
    squares = np.zeros(first.shape[:3])
    with np.errstate(over="ignore"):
        for c in range(channels.shape[3]):  # one after the other: no copy of all channels
            difference = second[..., c].astype(np.float64) - first[..., c]
            squares += difference * difference
    return np.minimum(squares, _GREATEST, out=squares)


def _read_volume(i: int, item: Any) -> Image:
    if isinstance(item, tuple):
        raise ValueError(
            f"X[{i}] is a tuple: edge features of one's own are for images, not for volumes"
        )
    pixels = real_pixels(f"X[{i}]", item)
    if pixels.ndim != 4:
        hint = ""
        if pixels.ndim == 3:
            hint = ": one feature needs [..., None], and an image connectivity=4 or 8"
        raise ValueError(
            f"X[{i}] has shape {pixels.shape}, expected (depth, height, width, n_features){hint}"
        )
    if not all(pixels.shape[:3]):
        raise ValueError(f"X[{i}] has shape {pixels.shape}: a volume has at least one voxel")
    return Image(pixels, None)
