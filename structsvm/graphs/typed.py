"""TypedGraph: graphs whose nodes are of several types."""

from __future__ import annotations

import dataclasses
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.sequences import as_items
from structsvm.graphs.graph import check_edges, real_matrix

__all__ = ["EdgeType", "TypedGraph", "as_typed_graphs", "check_edge_type"]

#: Node types of both ends, perhaps with a name between them.
EdgeType = tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class TypedGraph:
    """A graph whose nodes are of several types, each with features of its own.

    Arrays that already have the types below are not copied; others are converted.

    Parameters
    ----------
    features : dict
        For each node type, a name, an array of shape (n_nodes, n_features) of finite real numbers;
        or the number of nodes, which then have no features. At least one node.
    edges : dict, default=None
        For each edge type an array of int of shape (n_edges, 2). An edge type is a pair of node
        types, ``("word", "document")``, or has a name in the middle, ``("word", "follows",
        "word")``, which tells several edge types between the same node types apart. An edge is the
        number of a node of the first type, and that of a node of the last. Within an edge type,
        each pair of nodes occurs once at most, and no node is joined to itself.
    edge_features : dict, default=None
        For some edge types an array of shape (n_edges, n_edge_features).

    Attributes
    ----------
    features : dict of C-contiguous float64 ndarray
    edges : dict of C-contiguous int32 ndarray
    edge_features : dict of C-contiguous float64 ndarray
        Of all edge types; without columns where none were given.

    Raises
    ------
    ValueError
        For NaN or inf, an edge that is out of range or occurs twice, an unknown node type, or a
        wrong shape or dtype; the message names the entry.

    Examples
    --------
    >>> from structsvm.graphs import TypedGraph
    >>> graph = TypedGraph(
    ...     {"word": [[0.5], [1.0], [2.0]], "document": [[1.0, 0.0]]},
    ...     {("word", "document"): [[0, 0], [1, 0], [2, 0]]},
    ... )
    >>> graph
    TypedGraph(3 nodes of 'word', 1 of 'document'; 3 edges of ('word', 'document'))
    """

    features: Mapping[str, Any]
    edges: Mapping[EdgeType, Any] | None = None
    edge_features: Mapping[EdgeType, Any] | None = None

    def __post_init__(self) -> None:
        for name in ("features", "edges", "edge_features"):
            value = getattr(self, name)
            if not isinstance(value, Mapping) and (value is not None or name == "features"):
                raise ValueError(
                    f"{name} is a {type(value).__name__}, expected a dict from types to arrays"
                )
        features = {_name(t): _rows(t, rows) for t, rows in self.features.items()}
        if not any(map(len, features.values())):
            raise ValueError("features has no rows: a graph needs at least one node")
        edges, edge_features = {}, {}
        given = self.edge_features or {}
        for kind, ends in (self.edges or {}).items():
            check_edge_type(kind)
            for node_type in (kind[0], kind[-1]):
                if node_type not in features:
                    raise ValueError(
                        f"edges of {kind} join nodes of {node_type!r}, which features does not have"
                    )
            sizes = [len(features[kind[0]])]
            if kind[0] != kind[-1]:
                sizes.append(len(features[kind[-1]]))
            edges[kind] = check_edges(f"edges[{kind}]", ends, *sizes)
            place, n_edges = f"edge_features[{kind}]", len(edges[kind])
            rows = given.get(kind)
            if rows is None:
                rows = np.zeros((n_edges, 0))
            matrix = real_matrix(place, rows, "(n_edges, n_edge_features)")
            if len(matrix) != n_edges:
                raise ValueError(f"{place} has {len(matrix)} rows, expected {n_edges} as edges has")
            edge_features[kind] = matrix
        if strangers := [kind for kind in given if kind not in edges]:
            raise ValueError(f"edge_features has {strangers[0]!r}, which edges does not have")
        # A frozen dataclass can set its fields in no other way.
        object.__setattr__(self, "features", features)
        object.__setattr__(self, "edges", edges)
        object.__setattr__(self, "edge_features", edge_features)

    @property
    def n_nodes(self) -> dict[str, int]:
        """Numbers of nodes by type."""
        return {node_type: len(rows) for node_type, rows in self.features.items()}

    @property
    def n_edges(self) -> dict[EdgeType, int]:
        """Numbers of edges by type."""
        return {kind: len(ends) for kind, ends in (self.edges or {}).items()}

    def __repr__(self) -> str:
        parts = []
        for unit, counts in (("nodes", self.n_nodes), ("edges", self.n_edges)):
            told = [f"{n} of {kind!r}" for kind, n in counts.items()]
            if told:
                first, *rest = told
                parts.append(", ".join([first.replace(" of", f" {unit} of", 1), *rest]))
        return f"{type(self).__name__}({'; '.join(parts)})"


def check_edge_type(kind: Any) -> None:
    """Raise ValueError unless it is a tuple of two node types, or of three names."""
    if not isinstance(kind, tuple) or len(kind) not in (2, 3):
        raise ValueError(
            f"{kind!r} is no edge type: expected a pair of node types, or a triple with a name in "
            "the middle"
        )
    for name in kind:
        _name(name)


def _name(name: Any) -> str:
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError(f"{name!r} is no name of a type: expected a string")
    return name


def _rows(node_type: str, rows: Any) -> NDArray[np.float64]:
    if isinstance(rows, numbers.Integral) and not isinstance(rows, bool):
        if not 0 <= int(rows) < 2**31:
            raise ValueError(f"features[{node_type!r}] is {rows}, expected 0 to 2**31 - 1 nodes")
        return np.zeros((int(rows), 0))
    return real_matrix(f"features[{node_type!r}]", rows, "(n_nodes, n_features)")


def as_typed_graphs(X: Any) -> list[TypedGraph]:
    """A list of graphs, each a `TypedGraph` or a tuple of its arguments.

    Parameters
    ----------
    X : sequence of TypedGraph or tuples

    Raises
    ------
    ValueError
        As `TypedGraph`, with the index of the graph.

    Examples
    --------
    >>> from structsvm.graphs import as_typed_graphs
    >>> as_typed_graphs([({"word": [[1.0], [2.0]]}, {("word", "word"): [[0, 1]]})])
    [TypedGraph(2 nodes of 'word'; 1 edges of ('word', 'word'))]
    """
    graphs = []
    for i, item in enumerate(as_items("X", X)):
        if isinstance(item, TypedGraph):
            graphs.append(item)
            continue
        if not isinstance(item, tuple) or len(item) not in (1, 2, 3):
            raise ValueError(
                f"X[{i}] is a {type(item).__name__}, expected a TypedGraph or a tuple (features, "
                "edges) or (features, edges, edge_features) of dicts"
            )
        try:
            graphs.append(TypedGraph(*item))
        except ValueError as error:
            raise ValueError(f"X[{i}]: {error}") from None
    return graphs
