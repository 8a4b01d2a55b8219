"""Graph: the form of graphs that models use."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from structsvm.data.sparse import check_finite

__all__ = ["Graph"]


@dataclasses.dataclass(frozen=True, eq=False)
class Graph:
    """An undirected graph with features of its nodes and, optionally, of its edges.

    Arrays that already have the types below are not copied; others are converted.

    Parameters
    ----------
    features : array-like of shape (n_nodes, n_features)
        Finite real numbers; at least one node.
    edges : array-like of int of shape (n_edges, 2)
        Each pair of neighbours once, in either order; no node is its own neighbour.
    edge_features : array-like of shape (n_edges, n_edge_features), default=None
        Finite real numbers. An array without columns counts as None.
    nodes : tuple, default=None
        Names of the nodes: ``nodes[k]`` has ``features[k]``.

    Attributes
    ----------
    features : C-contiguous float64 ndarray
    edges : C-contiguous int32 ndarray
    edge_features : C-contiguous float64 ndarray, or None

    Raises
    ------
    ValueError
        For NaN or inf, an edge that is out of range, joins a node to itself or occurs twice (in
        either order), or a wrong shape or dtype; the message names the entry.

    Notes
    -----
    Checks take time O(n_nodes * n_features + n_edges log n_edges).

    Examples
    --------
    >>> from structsvm.graphs import Graph
    >>> graph = Graph([[0.5], [1.0], [2.0]], [[0, 1], [2, 1]])
    >>> graph.n_nodes, graph.n_edges, graph.n_features, graph.n_edge_features
    (3, 2, 1, 0)
    """

    features: NDArray[np.float64]
    edges: NDArray[np.int32]
    edge_features: NDArray[np.float64] | None = None
    nodes: tuple[Any, ...] | None = None

    def __post_init__(self) -> None:
        features = real_matrix("features", self.features, "(n_nodes, n_features)")
        if not len(features):
            raise ValueError("features has no rows: a graph needs at least one node")
        edges = check_edges("edges", self.edges, len(features))
        edge_features = self.edge_features
        if edge_features is not None:
            edge_features = real_matrix(
                "edge_features", edge_features, "(n_edges, n_edge_features)"
            )
            if len(edge_features) != len(edges):
                raise ValueError(
                    f"edge_features has {len(edge_features)} rows, expected {len(edges)} as edges "
                    "has"
                )
            if not edge_features.shape[1]:
                edge_features = None
        if self.nodes is not None and len(self.nodes) != len(features):
            raise ValueError(
                f"nodes has {len(self.nodes)} names, expected {len(features)} as features has rows"
            )
        # A frozen dataclass can set its fields in no other way.
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "edge_features", edge_features)

    @property
    def n_nodes(self) -> int:
        return len(self.features)

    @property
    def n_edges(self) -> int:
        return len(self.edges)

    @property
    def n_features(self) -> int:
        return int(self.features.shape[1])

    @property
    def n_edge_features(self) -> int:
        return 0 if self.edge_features is None else int(self.edge_features.shape[1])

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.n_nodes} nodes, {self.n_edges} edges, "
            f"{self.n_features} features, {self.n_edge_features} edge features)"
        )


def real_matrix(name: str, value: Any, shape: str) -> NDArray[np.float64]:
    """A C-contiguous float64 matrix of finite numbers, not copied if it is so already."""
    if sp.issparse(value):
        raise ValueError(f"{name} is a sparse matrix, expected an array: use .toarray()")
    if np.ma.is_masked(value):
        raise ValueError(f"{name} has masked entries; fill them: features must be numbers")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is no rectangular array of numbers: {error}") from None
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} has dtype {array.dtype}, expected real numbers")
    if array.ndim != 2:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape}")
    with np.errstate(over="ignore"):
        matrix = np.ascontiguousarray(array, dtype=np.float64)
    if (place := check_finite(matrix.reshape(-1))) is not None:
        row, column = divmod(place, matrix.shape[1])
        raise ValueError(
            f"{name}[{row}, {column}] is {matrix[row, column]}; features must be finite"
        )
    return matrix


def check_edges(
    name: str, value: Any, n_nodes: int, n_targets: int | None = None
) -> NDArray[np.int32]:
    """Edges between the nodes of a graph, or from nodes of one type to `n_targets` of another."""
    if np.ma.is_masked(value):
        raise ValueError(f"{name} has masked entries; leave out the edges that do not exist")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is no array of shape (n_edges, 2): {error}") from None
    if array.shape == (0,):
        array = np.zeros((0, 2), dtype=np.int32)
    if array.ndim != 2 or array.shape[1] != 2:
        hint = ": transpose it" if array.ndim == 2 and len(array) == 2 else ""
        raise ValueError(f"{name} has shape {array.shape}, expected (n_edges, 2){hint}")
    if not len(array):
        return np.zeros((0, 2), dtype=np.int32)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} has dtype {array.dtype}, expected integers")
    sizes = n_nodes, n_nodes if n_targets is None else n_targets
    if max(sizes) >= 2**31:
        raise ValueError(f"features has {max(sizes)} rows; at most 2**31 - 1 nodes can be joined")
    outside = (array < 0) | (array >= np.array(sizes))
    if outside.any():
        k, end = map(int, np.argwhere(outside)[0])
        raise ValueError(
            f"{name}[{k}, {end}] is {array[k, end]}, expected a node from 0 to {sizes[end] - 1}"
            if sizes[end]
            else f"{name}[{k}, {end}] is {array[k, end]}, but there are no nodes of this type"
        )
    edges = np.ascontiguousarray(array, dtype=np.int32)
    if n_targets is None and (loops := edges[:, 0] == edges[:, 1]).any():
        k = int(np.argmax(loops))
        raise ValueError(f"{name}[{k}] joins node {edges[k, 0]} to itself; leave loops out")
    _check_distinct(name, edges, either_order=n_targets is None)
    return edges


def _check_distinct(name: str, edges: NDArray[np.int32], *, either_order: bool) -> None:
    # One number for both ends.
    first, second = edges.T
    if either_order:
        first, second = np.minimum(first, second), np.maximum(first, second)
    keys = (first.astype(np.int64) << 32) | second
    if (keys[1:] > keys[:-1]).all():
        return
    order = np.argsort(keys, kind="stable")
    again = np.flatnonzero(keys[order[1:]] == keys[order[:-1]]) + 1
    if again.size:
        # The first edge that repeats an earlier edge, and that edge.
        later = int(order[again].min())
        earlier = int(np.argmax(keys == keys[later]))
        a, b = sorted(edges[later]) if either_order else edges[later]
        raise ValueError(
            f"{name}[{earlier}] and {name}[{later}] both join nodes {a} and {b}; "
            "each pair of neighbours must be given once"
        )
