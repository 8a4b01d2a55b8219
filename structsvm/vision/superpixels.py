"""Photographs as graphs of superpixels, and back to pixels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import check_scalar
from structsvm.exceptions import warn
from structsvm.graphs import Graph
from structsvm.vision.features import pixel_features
from structsvm.vision.images import as_rgb, lab_colours, skimage_module
from structsvm.vision.neighbours import contrast_of

__all__ = ["EDGE_FEATURE_NAMES", "SuperpixelGraph", "superpixel_graph"]

# Warn of fewer superpixels than this share of `n_segments`.
_FEW = 0.25

#: Names of the columns of the edge features of `superpixel_graph`.
EDGE_FEATURE_NAMES = ("contrast", "border", "contrast * border")


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class SuperpixelGraph(Graph):
    """A `Graph` whose nodes are the segments of an image.

    Attributes
    ----------
    features, edges, edge_features
        As of `Graph`.
    segments : array of shape (height, width), int32
        The node of each pixel.
    """

    segments: NDArray[np.int32] = dataclasses.field(kw_only=True)

    def labels(self, mask: Any, *, ignore_label: Any = None) -> NDArray[Any]:
        """The most frequent label of each node's pixels, to train on.

        Parameters
        ----------
        mask : array of shape (height, width) of int, bool or str
            The label of each pixel.
        ignore_label : int, bool or str, default=None
            Pixels with this label (void) do not count; a node with only void pixels is void.

        Returns
        -------
        labels : array of shape (n_nodes,)
            In the dtype of `mask`. Of equally frequent labels, the smallest.

        Raises
        ------
        ValueError
            If the mask has another shape than the image, or its dtype is not int, bool or str.
        """
        array = np.asarray(mask)
        if array.shape != self.segments.shape:
            raise ValueError(
                f"mask has shape {array.shape}, expected {self.segments.shape} as the image has"
            )
        if array.dtype.kind not in "iubU":
            raise ValueError(
                f"mask has dtype {array.dtype}; labels must be integers, booleans or strings"
            )
        classes, codes = np.unique(array, return_inverse=True)
        cells = self.segments.reshape(-1).astype(np.int64) * len(classes) + codes.reshape(-1)
        counts = np.bincount(cells, minlength=self.n_nodes * len(classes))
        counts = counts.reshape(self.n_nodes, len(classes))
        if ignore_label is not None:
            void = classes == ignore_label
            # Void wins only if no other label occurs.
            counts[:, void] = np.where(counts[:, ~void].any(axis=1, keepdims=True), -1, 1)
        labels: NDArray[Any] = classes[counts.argmax(axis=1)]
        return labels

    def to_pixels(self, node_labels: Any) -> NDArray[Any]:
        """Give each pixel the value of its node.

        Parameters
        ----------
        node_labels : array-like of shape (n_nodes,) or (n_nodes, ...)
            Labels, or scores.

        Returns
        -------
        pixels : array of shape (height, width) or (height, width, ...)

        Raises
        ------
        ValueError
            If there is not one entry for each node.
        """
        array = np.asarray(node_labels)
        if not array.ndim or len(array) != self.n_nodes:
            raise ValueError(
                f"node_labels has shape {array.shape}, expected one entry for each of the "
                f"{self.n_nodes} nodes"
            )
        pixels: NDArray[Any] = array[self.segments]
        return pixels


def superpixel_graph(
    image: Any,
    *,
    n_segments: int = 300,
    compactness: float = 10.0,
    segments: Any = None,
    groups: Iterable[str] | None = None,
    scales: Sequence[int] = (9, 25),
) -> SuperpixelGraph:
    r"""Divide a photograph into superpixels: nodes with features, and edges between neighbours.

    Parameters
    ----------
    image : array of shape (height, width), (height, width, 1) or (height, width, 3)
        As `pixel_features` takes it.
    n_segments : int, default=300
        Approximate number of superpixels for SLIC; it warns if SLIC makes far fewer.
    compactness : float, default=10.0
        SLIC's weight of distance against colour; larger values give squarer superpixels.
    segments : array of int of shape (height, width), default=None
        The segment of each pixel, instead of SLIC. The numbers are replaced by 0, 1, ... in their
        order.
    groups, scales
        As of `pixel_features`.

    Returns
    -------
    graph : SuperpixelGraph
        features : (n_nodes, n_features)
            The mean of the pixels' features over the superpixel.
        edges : (n_edges, 2)
            Pairs of superpixels that share a side of a pixel, the smaller number first, sorted.
        edge_features : (n_edges, 3)
            Contrast ``exp(-|dI|^2 / (2 mean |dI|^2))`` of the mean Lab colours; length of the
            common border in pixels, divided by ``sqrt(height * width / n_nodes)``; and the product
            of both.

    Raises
    ------
    ImportError
        If scikit-image is not installed.
    ValueError
        As `pixel_features`; or if `segments` has another shape than the image or no integers, or a
        parameter is out of range.

    References
    ----------
    R. Achanta, A. Shaji, K. Smith, A. Lucchi, P. Fua, S. Süsstrunk. SLIC Superpixels Compared to
    State-of-the-Art Superpixel Methods. IEEE Transactions on Pattern Analysis and Machine
    Intelligence 34, 2012. https://doi.org/10.1109/TPAMI.2012.120

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm.vision import superpixel_graph
    >>> image = np.zeros((30, 40, 3))
    >>> image[:, 20:] = 1.0
    >>> segments = np.repeat([[5] * 20 + [8] * 20], 30, axis=0)
    >>> graph = superpixel_graph(image, segments=segments, groups=["colour"])
    >>> graph
    SuperpixelGraph(2 nodes, 1 edges, 3 features, 3 edge features)
    >>> graph.labels(image[..., 0] > 0.5)
    array([False,  True])
    >>> graph.to_pixels([10, 20])[0, 18:22]
    array([10, 10, 20, 20])
    """
    rgb = as_rgb(image)
    made = segments is None
    divided = _slic(rgb, n_segments, compactness) if made else segments
    nodes = _consecutive(divided, rgb.shape[:2])
    n_nodes = int(nodes.max()) + 1
    wanted = min(int(n_segments), nodes.size)
    if made and n_nodes < _FEW * wanted:
        warn(
            f"SLIC made {n_nodes} superpixels, but n_segments is {wanted}: colours differ too much "
            "from pixel to pixel for this compactness, or the image is too small. Raise "
            f"compactness ({compactness:g}), or smooth the image",
            UserWarning,
        )
    features = _means(pixel_features(image, groups=groups, scales=scales), nodes, n_nodes)
    colours = _means(np.moveaxis(lab_colours(image), 0, -1), nodes, n_nodes)
    edges, lengths = _touching(nodes, n_nodes)
    likeness = contrast_of(colours[edges[:, 1]] - colours[edges[:, 0]], beta=None)
    border = lengths / np.sqrt(nodes.size / n_nodes)
    edge_features = np.stack([likeness, border, likeness * border], axis=1)
    return SuperpixelGraph(features, edges, edge_features, segments=nodes)


def _slic(rgb: NDArray[np.float64], n_segments: Any, compactness: Any) -> NDArray[Any]:
    check_scalar("n_segments", n_segments, above=0, integer=True)
    check_scalar("compactness", compactness, above=0)
    segmentation: NDArray[Any] = skimage_module("segmentation").slic(
        rgb, n_segments=int(n_segments), compactness=float(compactness), start_label=0
    )
    return segmentation


def _consecutive(segments: Any, shape: tuple[int, ...]) -> NDArray[np.int32]:
    array = np.asarray(segments)
    if array.shape != shape:
        raise ValueError(f"segments has shape {array.shape}, expected {shape} as the image has")
    if array.dtype.kind not in "iu":
        raise ValueError(f"segments has dtype {array.dtype}, expected integers")
    _, nodes = np.unique(array, return_inverse=True)
    return nodes.reshape(shape).astype(np.int32)


def _means(planes: NDArray[Any], nodes: NDArray[np.int32], n_nodes: int) -> NDArray[np.float64]:
    """Means of each channel over each node, of shape (n_nodes, n_channels)."""
    flat = nodes.reshape(-1)
    channels = np.moveaxis(planes, -1, 0).reshape(planes.shape[-1], -1)
    sums = np.stack([np.bincount(flat, channel, minlength=n_nodes) for channel in channels], axis=1)
    means: NDArray[np.float64] = sums / np.bincount(flat, minlength=n_nodes)[:, None]
    return means


def _touching(
    nodes: NDArray[np.int32], n_nodes: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Pairs of nodes with a common border, and its length in sides of pixels."""
    wide = nodes.astype(np.int64)
    pairs = [
        (wide[:, :-1].reshape(-1), wide[:, 1:].reshape(-1)),
        (wide[:-1].reshape(-1), wide[1:].reshape(-1)),
    ]
    first, second = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    apart = first != second
    first, second = first[apart], second[apart]
    keys = np.minimum(first, second) * n_nodes + np.maximum(first, second)
    distinct, lengths = np.unique(keys, return_counts=True)
    return np.stack(np.divmod(distinct, n_nodes), axis=1).astype(np.int32), lengths
