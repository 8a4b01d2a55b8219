"""Graph: the form of graphs that models use."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from structsvm.data.sequences import check_finite

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
        features = _real_matrix("features", self.features, "(n_nodes, n_features)")
        if not len(features):
            raise ValueError("features has no rows: a graph needs at least one node")
        edges = _check_edges(self.edges, len(features))
        edge_features = self.edge_features
        if edge_features is not None:
            edge_features = _real_matrix(
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


def _real_matrix(name: str, value: Any, shape: str) -> NDArray[np.float64]:
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


def _check_edges(value: Any, n_nodes: int) -> NDArray[np.int32]:
    if np.ma.is_masked(value):
        raise ValueError("edges has masked entries; leave out the edges that do not exist")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"edges is no array of shape (n_edges, 2): {error}") from None
    if array.shape == (0,):
        array = np.zeros((0, 2), dtype=np.int32)
    if array.ndim != 2 or array.shape[1] != 2:
        hint = ": transpose it" if array.ndim == 2 and len(array) == 2 else ""
        raise ValueError(f"edges has shape {array.shape}, expected (n_edges, 2){hint}")
    if not len(array):
        return np.zeros((0, 2), dtype=np.int32)
    if array.dtype.kind not in "iu":
        raise ValueError(f"edges has dtype {array.dtype}, expected integers")
    if n_nodes >= 2**31:
        raise ValueError(f"features has {n_nodes} rows; at most 2**31 - 1 nodes can be joined")
    outside = (array < 0) | (array >= n_nodes)
    if outside.any():
        k, end = map(int, np.argwhere(outside)[0])
        raise ValueError(
            f"edges[{k}, {end}] is {array[k, end]}, expected a node from 0 to {n_nodes - 1}"
        )
    edges = np.ascontiguousarray(array, dtype=np.int32)
    if (loops := edges[:, 0] == edges[:, 1]).any():
        k = int(np.argmax(loops))
        raise ValueError(f"edges[{k}] joins node {edges[k, 0]} to itself; leave loops out")
    _check_distinct(edges)
    return edges


def _check_distinct(edges: NDArray[np.int32]) -> None:
    # One number for both ends, the smaller end first: equal for both orders.
    keys = (edges.min(axis=1).astype(np.int64) << 32) | edges.max(axis=1)
    if (keys[1:] > keys[:-1]).all():
        return
    order = np.argsort(keys, kind="stable")
    again = np.flatnonzero(keys[order[1:]] == keys[order[:-1]]) + 1
    if again.size:
        # The first edge that repeats an earlier edge, and that edge.
        second = int(order[again].min())
        first = int(np.argmax(keys == keys[second]))
        a, b = edges[second]
        raise ValueError(
            f"edges[{first}] and edges[{second}] both join nodes {min(a, b)} and {max(a, b)}; "
            "each pair of neighbours must be given once"
        )
