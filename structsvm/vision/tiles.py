"""predict_tiles: labels of images that are larger than memory, piece by piece."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from structsvm.data.checks import check_scalar
from structsvm.estimators.biases import check_bias
from structsvm.inference.graph_cut import graph_cut
from structsvm.models.grid import GridModel
from structsvm.models.volume import VolumeModel
from structsvm.vision.features import reach_of
from structsvm.vision.transformer import PixelFeatures

__all__ = ["TiledLabels", "predict_tiles"]

Box = tuple[slice, ...]

# Scores of a piece and of the whole image differ by rounding, those of float32 features the more:
# shares of the greatest scores that decide nothing.
_ROUNDING, _ROUNDING_OF_FEATURES = 1e-10, 1e-6


class TiledLabels(NamedTuple):
    """Labels of an image that was cut into tiles.

    Attributes
    ----------
    labels : array of shape (height, width) or (depth, height, width)
    certain : bool array of the same shape
        Where labels are known to be those of the whole image, whatever is outside of the tile.
    """

    labels: NDArray[Any]
    certain: NDArray[np.bool_]


def predict_tiles(
    svm: Any,
    image: Any,
    *,
    tile: int | Sequence[int] = 512,
    overlap: int = 32,
    features: Any = None,
    margin: int = 40,
    bias: float | ArrayLike | None = None,
    out: TiledLabels | None = None,
) -> TiledLabels:
    r"""Labels of an image or a volume that is larger than memory, tile by tile.

    Each tile is labelled with its surroundings, `overlap` pixels to all sides. With two classes and
    scores of agreement this is done three times: with all pixels around it labelled
    ``classes_[0]``, with all labelled ``classes_[1]``, and without them. More agreement with
    ``classes_[1]`` outside never takes that label away inside, so the labels of the whole image lie
    between the first two: where these agree, they are known, and `certain` says so. Where they do
    not, the label is that without the pixels around. Raise `overlap` where too much is uncertain.
    Where both labels are as good, up to rounding, nothing is certain.

    Parameters
    ----------
    svm : GridSVM
        Fitted.
    image : array of shape (height, width, ...), or (depth, height, width, ...) for volumes
        Read one piece at a time, by slices: a numpy memory map, or anything that gives arrays when
        it is sliced and has a `shape`, such as arrays of h5py and zarr.
    tile : int or tuple of int, default=512
        Sizes of the tiles, not larger than the image.
    overlap : int, default=32
        Pixels around a tile that are labelled with it, >= 0.
    features : callable or fitted transformer, default=None
        Makes features of a piece of the image, such as `PixelFeatures` or a function like
        `pixel_features` with a `value_range`. None: `image` holds features. Leave out the groups
        "position" and "border", which are of whole images; `PixelFeatures` with them is refused.
    margin : int, default=40
        Pixels around a piece that its features are computed with and which are cut away then. With
        a margin of what features see they are those of the whole image; of `pixel_features` this is
        half the largest window, or about 8 times the largest sigma. Without `features` it has no
        effect.
    bias : float or array-like of shape (n_classes,), default=None
        See `GridSVM.predict`.
    out : TiledLabels, default=None
        Arrays to write into, such as memory maps.

    Returns
    -------
    result : TiledLabels
        With more than two classes, or tables of pairs of labels, nothing is certain but where the
        tile is the image.

    Raises
    ------
    ValueError
        If a tile is larger than the image, features do not have one row for each pixel, or those of
        `PixelFeatures` see more than `margin`.

    Notes
    -----
    Memory is that of one tile with its surroundings and their features; time is that of a
    prediction times about three, and times the share of overlap.

    Examples
    --------
    >>> from structsvm import GridSVM
    >>> from structsvm.datasets import make_segmentation
    >>> from structsvm.vision import predict_tiles
    >>> blobs = make_segmentation(n_train=4, n_test=1, size=(60, 60), random_state=0)
    >>> svm = GridSVM(random_state=0).fit(blobs.X_train, blobs.y_train)
    >>> labels, certain = predict_tiles(svm, blobs.X_test[0], tile=20, overlap=10)
    >>> whole = svm.predict(blobs.X_test)[0]
    >>> bool((labels == whole)[certain].all()), bool(certain.mean() > 0.95)
    (True, True)
    """
    check_is_fitted(svm)
    if not isinstance(getattr(svm, "model_", None), GridModel):
        raise ValueError(f"svm is a {type(svm).__name__}: tiles are for GridSVM")
    n_axes = 3 if isinstance(svm.model_, VolumeModel) else 2
    shape = _shape_of(image, n_axes)
    sizes = _sizes(tile, shape)
    for name, value in (("overlap", overlap), ("margin", margin)):
        check_scalar(name, value, above=-1, integer=True)
    gains = np.zeros(len(svm.classes_)) if bias is None else check_bias(bias, svm.classes_)
    result = _room(out, shape, svm.classes_.dtype)
    cuts = svm._cuts()
    if isinstance(features, PixelFeatures) and sizes != shape:
        _check_reach(features, int(margin))
    read = _Reader(image, features, int(margin) if features is not None else 0, shape)
    for core in _tiles(shape, sizes):
        # One more pixel to all sides, which is what a cut sees of the rest.
        piece = _grown(core, int(overlap) + 1, shape)
        x = read(piece)
        inside = tuple(
            slice(c.start - p.start, c.stop - p.start) for c, p in zip(core, piece, strict=True)
        )
        if cuts:
            rounding = _ROUNDING if features is None else _ROUNDING_OF_FEATURES
            found, certain = _between(svm, x, _outer(piece, shape), gains, rounding)
        else:
            found = svm.predict([x], bias=gains)[0]
            certain = np.full(found.shape, piece == tuple(slice(0, n) for n in shape))
        result.labels[core] = found[inside]
        result.certain[core] = certain[inside]
    return result


def _between(
    svm: Any,
    x: NDArray[Any],
    outer: NDArray[np.bool_],
    gains: NDArray[np.float64],
    rounding: float,
) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Labels of a piece, and where they do not depend on the labels of outer pixels, nor on
    rounding."""
    if not outer.any():
        return svm.predict([x], bias=gains)[0], np.ones(outer.shape, dtype=bool)
    model, inputs = svm._prepared([x])
    unary, edges, pairs = next(iter(model.part_scores(inputs, svm._flat_weights())))
    scores = unary[:, 1] - unary[:, 0] + (gains[1] - gains[0])
    ring = outer.ravel()
    # Beyond what all edges together could change.
    push = 1.0 + float(pairs.sum()) + float(np.abs(scores).max())
    # A change of edges that is this small changes no more than one of their ends does.
    n_edges = np.bincount(edges.ravel(), minlength=len(scores))
    slack = rounding * (np.abs(scores).max() + n_edges * pairs.max(initial=0.0))
    low, high = (
        graph_cut(np.where(ring, sign * push, scores + sign * slack), edges, pairs)
        for sign in (-1, 1)
    )
    within = ~(ring[edges[:, 0]] | ring[edges[:, 1]])
    free = graph_cut(np.where(ring, -1.0, scores), edges[within], pairs[within])
    certain = (low == high) & ~ring
    labels = np.where(certain, low, free).reshape(outer.shape)
    return svm.classes_[labels], certain.reshape(outer.shape)


class _Reader:
    """Features of pieces of an image."""

    def __init__(self, image: Any, features: Any, margin: int, shape: tuple[int, ...]) -> None:
        self._image, self._margin, self._shape = image, margin, shape
        self._features: Callable[[Any], Any] | None = features
        if hasattr(features, "transform"):
            self._features = lambda piece: features.transform([piece])[0]
        elif features is not None and not callable(features):
            raise ValueError(
                f"features={features!r}: expected a function of an image, or a fitted transformer"
            )

    def __call__(self, piece: Box) -> NDArray[Any]:
        wide = _grown(piece, self._margin, self._shape)
        x = np.asarray(self._image[wide])
        if self._features is None:
            return x
        made = np.asarray(self._features(x))
        size = tuple(side.stop - side.start for side in wide)
        if made.shape[:-1] != size:
            raise ValueError(
                f"features of a piece of shape {size} have shape {made.shape}, expected "
                f"{(*size, 'n_features')}"
            )
        return made[
            tuple(
                slice(p.start - w.start, p.stop - w.start) for p, w in zip(piece, wide, strict=True)
            )
        ]


def _check_reach(features: PixelFeatures, margin: int) -> None:
    reach = reach_of(features.groups, features.scales, features.sigmas)
    for group, seen in reach.items():
        if seen is None:
            others = [name for name, of_one in reach.items() if of_one is not None]
            raise ValueError(
                f"features has the group {group!r}, which is of the whole image and not of a "
                f"piece: train with PixelFeatures(groups={others})"
            )
    furthest = max(reach, key=lambda group: reach[group] or 0)
    if (seen := reach[furthest] or 0) > margin:
        raise ValueError(
            f"margin={margin}: features of the group {furthest!r} see {seen} pixels around, and "
            f"those of pieces would be others than those of the image: give margin={seen}"
        )


def _shape_of(image: Any, n_axes: int) -> tuple[int, ...]:
    shape = tuple(getattr(image, "shape", ()))
    if len(shape) < n_axes or not all(shape[:n_axes]):
        axes = "(depth, height, width, ...)" if n_axes == 3 else "(height, width, ...)"
        raise ValueError(f"image has shape {shape}, expected one array of shape {axes}")
    return tuple(int(n) for n in shape[:n_axes])


def _sizes(tile: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    sizes = (tile,) * len(shape) if np.ndim(tile) == 0 else tuple(tile)
    if len(sizes) != len(shape):
        raise ValueError(f"tile={tile!r}: expected one integer, or {len(shape)}")
    for size in sizes:
        check_scalar("tile", size, above=0, integer=True)
    if any(size > n for size, n in zip(sizes, shape, strict=True)):
        least = tuple(min(int(size), n) for size, n in zip(sizes, shape, strict=True))
        raise ValueError(
            f"tile={tile!r} is larger than the image, which has shape {shape}: give tile={least}, "
            "or predict the image whole"
        )
    return tuple(int(size) for size in sizes)


def _room(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> TiledLabels:
    if out is None:
        return TiledLabels(np.empty(shape, dtype=dtype), np.empty(shape, dtype=bool))
    if not isinstance(out, tuple) or len(out) != 2:
        raise ValueError(
            f"out is a {type(out).__name__}: expected TiledLabels(labels, certain), two arrays"
        )
    labels, certain = out
    for name, array in (("labels", labels), ("certain", certain)):
        if tuple(array.shape) != shape:
            raise ValueError(f"out.{name} has shape {array.shape}, expected {shape} as the image")
    return TiledLabels(labels, certain)


def _tiles(shape: tuple[int, ...], sizes: tuple[int, ...]) -> Iterator[Box]:
    """Boxes of about equal size that cover the image, none larger than a tile."""
    axes = []
    for n, size in zip(shape, sizes, strict=True):
        count = -(-n // size)
        ends = [n * k // count for k in range(count + 1)]
        axes.append([slice(a, b) for a, b in itertools.pairwise(ends)])
    yield from itertools.product(*axes)


def _grown(box: Box, by: int, shape: tuple[int, ...]) -> Box:
    return tuple(
        slice(max(side.start - by, 0), min(side.stop + by, n))
        for side, n in zip(box, shape, strict=True)
    )


def _outer(piece: Box, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The outermost pixels of a piece, but for those at the borders of the image."""
    outer = np.zeros([side.stop - side.start for side in piece], dtype=bool)
    for axis, (side, n) in enumerate(zip(piece, shape, strict=True)):
        along = np.moveaxis(outer, axis, 0)
        if side.start > 0:
            along[0] = True
        if side.stop < n:
            along[-1] = True
    return outer
