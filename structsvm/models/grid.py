"""GridModel: labels of the pixels of images."""

from __future__ import annotations

import functools
import math
import numbers
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.labels import PackedLabels, known_nodes
from structsvm.data.scaling import ColumnScaling
from structsvm.data.sequences import as_items
from structsvm.data.sparse import check_finite
from structsvm.data.state import State
from structsvm.exceptions import ModelFileError
from structsvm.inference._grid_maximizer import GridMaximizer
from structsvm.inference._maximizer import Maximizer
from structsvm.losses import HammingLoss
from structsvm.models.factored import PackedInputs
from structsvm.models.labelled_graphs import GraphArrays, LabelledGraphs, LazyEdges
from structsvm.problems._contrast import ContrastRows, squared_differences

__all__ = ["GridModel", "Image", "Images", "grid_edges", "real_pixels"]

_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
_COLOURS = 3  # features that stand first
_GREATEST = np.finfo(np.float64).max


class Image(NamedTuple):
    pixels: NDArray[np.floating]  # (H, W, F), of volumes (D, H, W, F)
    own: NDArray[np.floating] | None  # (n_directions, H, W, n_own)

    @property
    def n_own(self) -> int:
        return 0 if self.own is None else self.own.shape[3]


class Images:
    """Images, and their graphs for one beta of the contrast, perhaps with scaled columns."""

    def __init__(
        self, images: list[Image], scaling: Mapping[str, ColumnScaling] | None = None
    ) -> None:
        self.images = images
        self.scaling = scaling
        self.graphs: list[GraphArrays] | None = None
        self.beta = math.nan

    def __getitem__(self, index: Any) -> Any:
        return self.images[index]

    def __reduce__(self) -> Any:
        # Without the graphs: equal images must pickle, and hash, alike.
        return Images, (self.images, *([] if self.scaling is None else [self.scaling]))


class GridModel(LabelledGraphs):
    r"""Labels of the pixels of images, with edges to 4 or 8 neighbours.

    .. math::
        \langle w, \psi(x, y) \rangle = \sum_i x_i^\top \mathrm{node}[:, y_i]
        + \sum_{e = (a, b)} z_e^\top \mathrm{edge} \; [y_a = y_b]

    An x is an array of shape (H, W, n_features), or a pair of it and your own edge features, of
    shape (n_directions, H, W, n_own). Entry [k, i, j] of these belongs to the edge from (i, j) to
    its neighbour in direction k of (0, 1), (1, 0), (1, 1), (1, -1); entries whose edge leaves the
    image are ignored. Images may differ in size.

    The features z of an edge are, in this order, the contrasts, your own features, and a constant.
    With `directions` each direction has its own copy of them, zero for edges in other directions.

    Parameters
    ----------
    task_loss : {"normalized_hamming", "hamming"} or HammingLoss, default="normalized_hamming"
        The share of wrong pixels of each image, or their number; see `GraphModel`.
    connectivity : {4, 8}, default=4
        Number of neighbours of a pixel.
    contrast : bool or sequence of float, default=True
        An edge feature exp(-beta \|I_a - I_b\|^2) / distance, near 1 within smooth regions and 0
        across borders, with beta = 1 / (2 mean \|I_a - I_b\|^2) over the edges of the training
        images, those of void pixels left out; or one for each of several multiples of beta.
    contrast_channels : "auto" or sequence of int, default=None
        Which features of a pixel are I; None for all, "auto" for the first three, where
        `structsvm.vision.pixel_features` has the colours.
    directions : bool, default=False
        Whether each direction has edge weights of its own.
    pairwise, fit_intercept, edge_intercept, class_weight, weighting, ignore_label
        See `GraphModel`.
    inference_method, relaxation_tol, warm_inference
        See `GraphModel`.

    Attributes
    ----------
    beta_ : float
        The beta of the contrast; 0 without contrast.
    classes_, class_weight_, n_features_in_, n_edge_features_, n_weights, exact, oracle
        See `GraphModel`.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import GridModel, StructSVM
    >>> image = np.array([[0.9, 0.8, -1.0], [1.0, -0.2, -0.9]])[..., None]
    >>> truth = np.array([[1, 1, 0], [1, 0, 0]])
    >>> svm = StructSVM(GridModel(), C=100, random_state=0).fit([image], [truth])
    >>> svm.predict([image])[0]
    array([[1, 1, 0],
           [1, 0, 0]])
    """

    def __init__(
        self,
        task_loss: str | HammingLoss = "normalized_hamming",
        *,
        connectivity: int = 4,
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
        self.task_loss = task_loss
        self.connectivity = connectivity
        self.contrast = contrast
        self.contrast_channels = contrast_channels
        self.directions = directions
        self.pairwise = pairwise
        self.fit_intercept = fit_intercept
        self.edge_intercept = edge_intercept
        self.class_weight = class_weight
        self.weighting = weighting
        self.ignore_label = ignore_label
        self.inference_method = inference_method
        self.relaxation_tol = relaxation_tol
        self.warm_inference = warm_inference

    def resize(self, classes: NDArray[Any], n_features: int, n_edge_features: int) -> None:
        super().resize(classes, n_features, n_edge_features)
        n_kinds, rest = divmod(n_edge_features, len(self._steps) if self.directions else 1)
        constant = bool(self.edge_intercept and self.directions)
        self._n_own = n_kinds - len(self._contrasts()) - constant
        if rest or self._n_own < 0:
            raise ValueError(
                f"{n_edge_features} edge features do not fit the contrasts and directions"
            )

    def to_state(self) -> State:
        """The state of a graph model, and beta."""
        return super().to_state() | {"beta": np.array([self.beta_])}

    def from_state(self, state: State) -> Self:
        super().from_state(state)
        beta = state["beta"]
        if beta.dtype != np.float64 or beta.shape != (1,) or not 0 <= beta[0] < math.inf:
            raise ModelFileError(
                f"the beta of the contrast is {beta}, expected one finite number >= 0"
            )
        self.beta_ = float(beta[0])
        return self

    def _check_parameters(self) -> None:
        super()._check_parameters()
        if not isinstance(self.connectivity, numbers.Integral) or self.connectivity not in (4, 8):
            raise ValueError(f"connectivity={self.connectivity!r}: expected 4 or 8")

    @property
    def _edge_constant(self) -> bool:
        # With directions, the features hold a constant for each direction.
        return bool(self.edge_intercept) and not self.directions

    @property
    def _steps(self) -> tuple[tuple[int, int], ...]:
        """From a pixel to its neighbour, for each direction."""
        return _DIRECTIONS[: int(self.connectivity) // 2]

    def input_sizes(self) -> dict[str, int]:
        return {"n_features": self.n_features_in_, "n_own": self._n_own}

    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> PackedInputs:
        self._check_parameters()
        items = as_items("X", X)
        images = [_read_image(i, item, self._steps) for i, item in enumerate(items)]
        if sizes is None:
            if not images:
                raise ValueError("X has no images: there is nothing to learn from")
            sizes = {"n_features": images[0].pixels.shape[2], "n_own": images[0].n_own}
        self._check_images(images, **sizes)
        shapes = [image.pixels.shape[:2] for image in images]
        ends = np.cumsum([math.prod(shape) for shape in shapes], dtype=np.int64)
        return PackedInputs(Images(images), np.append(0, ends), sizes, shapes)

    def learn(self, X: PackedInputs, y: PackedLabels, classes: NDArray[Any] | None = None) -> None:
        """Learn beta, then all that graph models learn."""
        self._check_parameters()
        self.beta_ = self._learn_beta(X.items.images, y)
        super().learn(X, y, classes)

    def graphs(self, X: PackedInputs) -> list[GraphArrays]:
        kept = X.items
        if kept.graphs is None or kept.beta != self.beta_:
            graphs = self._make_graphs(kept.images)
            if kept.scaling is not None:
                graphs = [graph.scaled(kept.scaling) for graph in graphs]
            kept.graphs, kept.beta = graphs, self.beta_
        made: list[GraphArrays] = kept.graphs
        return made

    def scaled(self, X: PackedInputs, scaling: Mapping[str, ColumnScaling]) -> PackedInputs:
        """The images with features of pixels and edges to be scaled; the contrast stays that of the
        pixels as they are."""
        if all(columns.is_identity for columns in scaling.values()):
            return X
        images = Images(X.items.images, scaling)
        images.graphs = [graph.scaled(scaling) for graph in self.graphs(X)]
        images.beta = X.items.beta
        return PackedInputs(images, X.offsets, X.sizes, X.shapes)

    def _make_graphs(self, images: list[Image]) -> list[GraphArrays]:
        edges: dict[tuple[int, ...], LazyEdges] = {}  # shared by images of one shape
        graphs = []
        for image in images:
            shape = image.pixels.shape[:-1]
            if shape not in edges:
                of_shape = functools.partial(self._edges_of, shape, self.connectivity)
                edges[shape] = LazyEdges(of_shape)
            nodes = image.pixels.reshape(math.prod(shape), image.pixels.shape[-1])
            graphs.append(GraphArrays(nodes, edges[shape], self._edge_features(image)))
        return graphs

    @staticmethod
    def _edges_of(shape: tuple[int, ...], connectivity: int) -> NDArray[np.int32]:
        return grid_edges(shape, connectivity)

    @property
    def _has_grid_cuts(self) -> bool:
        """Whether the cuts of `grid_cut` find the best labels."""
        return self._is_cut

    def _maximizer(
        self, X: PackedInputs, labels: NDArray[np.int32] | None, factors: NDArray[np.float64]
    ) -> Maximizer:
        if not self._has_grid_cuts:
            return super()._maximizer(X, labels, factors)
        assert X.shapes is not None
        return GridMaximizer(
            X.shapes,
            int(self.connectivity),
            len(self.classes_),
            kept_bytes=self._kept_bytes(labels),
        )

    def _check_images(self, images: list[Image], n_features: int, n_own: int) -> None:
        for i, image in enumerate(images):
            n = image.pixels.shape[2]
            if n != n_features:
                raise ValueError(f"X[{i}] has {n} features, expected {n_features}")
            if image.n_own != n_own:
                raise ValueError(
                    f"X[{i}] has {image.n_own} edge features of its own, expected {n_own}"
                )
            if image.own is not None and not self._tables:
                _check_own(i, image.own, self._steps, non_negative=True)

    # ---- edge features

    def _contrasts(self) -> list[float]:
        """The multiples of beta."""
        if isinstance(self.contrast, (bool, np.bool_)):
            return [1.0] if self.contrast else []
        try:
            factors = np.asarray(self.contrast, dtype=np.float64)
        except (TypeError, ValueError, OverflowError):
            factors = np.array(np.nan)
        if factors.ndim != 1 or not (np.isfinite(factors) & (factors > 0)).all():
            raise ValueError(
                f"contrast={self.contrast!r}: expected True, False or a list of multiples > 0"
            )
        return [float(factor) for factor in factors]

    def _contrast_channels(self, pixels: NDArray[np.floating]) -> NDArray[np.int32]:
        """The features that contrasts look at."""
        n = pixels.shape[-1]
        channels = self.contrast_channels
        if channels is None:
            return np.arange(n, dtype=np.int32)
        if isinstance(channels, str) and channels == "auto":
            return np.arange(min(n, _COLOURS), dtype=np.int32)
        if (
            isinstance(channels, str)
            or not hasattr(channels, "__len__")
            or not len(channels)
            or not all(isinstance(c, numbers.Integral) and 0 <= c < n for c in channels)
        ):
            raise ValueError(
                f"contrast_channels={channels!r}: expected a list of feature numbers from 0 to "
                f"{n - 1}, 'auto' or None"
            )
        return np.asarray(channels, dtype=np.int32)

    def _learn_beta(self, images: list[Image], y: PackedLabels) -> float:
        """1 / (2 mean squared difference) over the edges without void pixels."""
        if not self._contrasts():
            return 0.0
        known = known_nodes(y, self.ignore_label)
        total, count = 0.0, 0
        for image, mask in zip(images, known, strict=True):
            channels = self._contrast_channels(image.pixels)
            for step in self._steps:
                squares = _squared_differences(image.pixels, channels, step)
                if not mask.all():
                    squares = squares[np.logical_and(*_ends(mask, step))]
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

    def _edge_features(self, image: Image) -> NDArray[np.floating] | ContrastRows:
        """Edge features of shape (n_edges, n_edge_features), direction by direction."""
        steps = range(len(self._steps))
        if self._contrasts() and image.own is None and not (self.directions or self._tables):
            return self._contrast_rows(image, steps)
        blocks = [self._features_in_direction(image, k) for k in steps]
        if not self.directions:
            return np.concatenate(blocks)
        n_kinds, start = blocks[0].shape[1], 0
        wide = np.zeros((sum(map(len, blocks)), n_kinds * len(blocks)), dtype=blocks[0].dtype)
        for k, block in enumerate(blocks):
            wide[start : start + len(block), k * n_kinds : (k + 1) * n_kinds] = block
            start += len(block)
        return wide

    def _features_in_direction(self, image: Image, k: int) -> NDArray[np.floating]:
        step = self._steps[k]
        n_edges = math.prod(_ends(image.pixels, step)[0].shape[:2])
        dtype = image.pixels.dtype
        columns: list[NDArray[np.floating]] = []
        if self._contrasts():
            columns.append(self._contrast_rows(image, [k])[:])
        if image.own is not None:
            dtype = np.result_type(dtype, image.own)
            columns.append(_ends(image.own[k], step)[0].reshape(n_edges, image.n_own))
        if self.directions and self.edge_intercept:
            columns.append(np.ones((n_edges, 1)))
        block = np.zeros((n_edges, sum(column.shape[1] for column in columns)), dtype=dtype)
        if columns:
            np.concatenate(columns, axis=1, out=block, casting="same_kind")
        return block

    def _contrast_rows(self, image: Image, directions: Sequence[int]) -> ContrastRows:
        """The contrasts of the edges in some directions."""
        channels = self._contrast_channels(image.pixels)
        steps = [self._steps[k] for k in directions]
        sizes = [math.prod(_ends(image.pixels, step)[0].shape[:2]) for step in steps]
        starts = np.append(0, np.cumsum(sizes, dtype=np.int64))
        differences = np.empty(int(starts[-1]), dtype=image.pixels.dtype)
        for k, step in enumerate(steps):
            squares = _squared_differences(image.pixels, channels, step)
            with np.errstate(over="ignore"):
                differences[starts[k] : starts[k + 1]] = self.beta_ * squares.ravel()
        distances = np.array([np.hypot(*step) for step in steps])
        return ContrastRows(differences, starts, distances, np.array(self._contrasts()))


def grid_edges(shape: tuple[int, ...], connectivity: int) -> NDArray[np.int32]:
    """Edges of a grid of this shape, direction by direction."""
    pixels = np.arange(shape[0] * shape[1], dtype=np.int32).reshape(shape)
    pairs = [
        np.stack([end.ravel() for end in _ends(pixels, direction)], axis=1)
        for direction in _DIRECTIONS[: connectivity // 2]
    ]
    return np.ascontiguousarray(np.concatenate(pairs))


def _ends(values: NDArray[Any], direction: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The values at the first and at the second end of all edges in a direction."""
    down, right = direction
    height, width = values.shape[:2]
    rows = max(height - down, 0)
    if right >= 0:
        columns = max(width - right, 0)
        return values[:rows, :columns], values[down : down + rows, right : right + columns]
    columns = max(width + right, 0)
    return values[:rows, -right : -right + columns], values[down : down + rows, :columns]


def _squared_differences(
    pixels: NDArray[np.floating], channels: NDArray[np.int32], step: tuple[int, int]
) -> NDArray[np.float64]:
    """Squared differences of neighbours in a direction; overflow gives the greatest float64."""
    squares = np.empty(_ends(pixels, step)[0].shape[:2])
    squared_differences(pixels, channels, *step, squares)
    return np.minimum(squares, _GREATEST, out=squares)


def _read_image(i: int, item: Any, steps: Sequence[tuple[int, int]]) -> Image:
    pair = isinstance(item, tuple) and len(item) == 2
    place = f"X[{i}][0]" if pair else f"X[{i}]"
    pixels = real_pixels(place, item[0] if pair else item)
    if pixels.ndim != 3:
        hint = ""
        if pixels.ndim == 2:
            hint = ": a single image goes into a list of one, and one feature needs [..., None]"
        raise ValueError(
            f"{place} has shape {pixels.shape}, expected (height, width, n_features){hint}"
        )
    height, width, _ = pixels.shape
    if not height or not width:
        raise ValueError(f"{place} has shape {pixels.shape}: an image has at least one pixel")
    if not pair:
        return Image(pixels, None)
    own = real_pixels(f"X[{i}][1]", item[1], inside=False)
    if own.ndim != 4 or own.shape[:3] != (len(steps), height, width):
        raise ValueError(
            f"X[{i}][1] has shape {own.shape}, expected edge features of shape ({len(steps)}, "
            f"{height}, {width}, n_edge_features)"
        )
    _check_own(i, own, steps)
    return Image(pixels, own)


def _check_own(
    i: int, own: NDArray[np.floating], steps: Sequence[tuple[int, int]], non_negative: bool = False
) -> None:
    """Raise unless the features of edges within the image are finite, or >= 0."""
    for k, step in enumerate(steps):
        used, _ = _ends(own[k], step)
        wrong = used < 0 if non_negative else ~np.isfinite(used)
        if wrong.any():
            row, column, g = np.argwhere(wrong)[0]
            column += k == 3  # these edges begin in the second column
            what = "features must be finite"
            if non_negative:
                what = (
                    "with pairwise='potts' edge features must be >= 0; use pairwise='table' for "
                    "others"
                )
            raise ValueError(
                f"X[{i}][1][{k}, {row}, {column}, {g}] is {own[k, row, column, g]}; {what}"
            )


def real_pixels(place: str, value: ArrayLike, inside: bool = True) -> NDArray[np.floating]:
    """C-contiguous float64 or float32; integers of at most 16 bits become float32."""
    if np.ma.is_masked(value):
        raise ValueError(f"{place} has masked entries; fill them: features must be numbers")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{place} is no rectangular array of numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{place} has dtype {array.dtype}, expected real numbers")
    if array.dtype not in (np.float32, np.float64):
        with np.errstate(over="ignore"):  # becomes inf, which is refused
            array = array.astype(np.float32 if array.dtype.itemsize <= 2 else np.float64)
    array = np.ascontiguousarray(array)
    if inside and (entry := check_finite(array.reshape(-1))) is not None:
        where = ", ".join(str(k) for k in np.unravel_index(entry, array.shape))
        raise ValueError(f"{place}[{where}] is {array.reshape(-1)[entry]}; features must be finite")
    return array
