"""Conversion of arrays, sparse adjacency matrices and networkx graphs to `Graph`.

A region adjacency graph of scikit-image is a networkx graph.
"""

from __future__ import annotations

import dataclasses
import sys
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from structsvm.data.checks import shorten
from structsvm.data.sequences import as_items
from structsvm.data.sparse import check_finite, damage_of
from structsvm.graphs.graph import Graph

__all__ = ["as_graph", "as_graphs"]

_KINDS = (
    "a tuple (features, edges) or (features, edges, edge_features), a tuple (features, sparse "
    "adjacency matrix), a networkx graph or a Graph"
)


def as_graph(graph: Any, *, node_attribute: str = "x", edge_attribute: str = "weight") -> Graph:
    """Convert a graph to the form that models use.

    Parameters
    ----------
    graph : tuple, networkx graph or Graph
        - ``(features, edges)`` or ``(features, edges, edge_features)``: see `Graph`.
        - ``(features, adjacency)`` with a scipy sparse matrix of shape (n_nodes, n_nodes) that is
          symmetric or has entries above the diagonal only. Each stored entry, even a stored zero,
          is an edge, and its value is the only edge feature. Edges are in the order of the upper
          triangle, row by row.
        - An undirected networkx graph, such as a region adjacency graph of scikit-image. Nodes
          and edges keep their order of iteration; `Graph.nodes` has the names of the nodes.
        - A `Graph` is returned as it is.
    node_attribute : str, default="x"
        Attribute of networkx nodes with the features: a number, or a 1-D array whose length is the
        same for all nodes. For `skimage.graph.rag_mean_color` it is "mean color".
    edge_attribute : str, default="weight"
        Attribute of networkx edges with the edge features: a number or a 1-D array. There are no
        edge features if no edge has it.

    Returns
    -------
    graph : Graph

    Raises
    ------
    ValueError
        If it is none of these, or `Graph` raises; if a matrix is neither symmetric nor upper
        triangular (the message names the entry); for a directed graph or a multigraph; or if a node
        or an edge lacks the attribute.

    Examples
    --------
    >>> import networkx as nx
    >>> from structsvm.graphs import as_graph
    >>> friends = nx.Graph([("Ann", "Bo"), ("Bo", "Cy")])
    >>> nx.set_node_attributes(friends, {"Ann": 1.5, "Bo": 0.5, "Cy": 2.5}, name="x")
    >>> graph = as_graph(friends)
    >>> graph.nodes, graph.edges.tolist()
    (('Ann', 'Bo', 'Cy'), [[0, 1], [1, 2]])
    """
    if isinstance(graph, Graph):
        return graph
    if _is_networkx(graph):
        return _from_networkx(graph, node_attribute, edge_attribute)
    if not isinstance(graph, tuple) or len(graph) not in (2, 3):
        what = f"a tuple of {len(graph)}" if isinstance(graph, tuple) else type(graph).__name__
        raise ValueError(f"expected {_KINDS}, got {what}")
    if sp.issparse(graph[1]):
        if len(graph) == 3:
            raise ValueError(
                "edge features beside an adjacency matrix have no order; pass edges as an array of "
                "shape (n_edges, 2)"
            )
        return _from_adjacency(*graph)
    return Graph(*graph)


def as_graphs(
    X: Any,
    n_features: int | None = None,
    n_edge_features: int | None = None,
    *,
    node_attribute: str = "x",
    edge_attribute: str = "weight",
) -> list[Graph]:
    """Convert a list of graphs with the same numbers of features.

    Parameters
    ----------
    X : list of graphs
        In any form that `as_graph` takes; forms may be mixed.
    n_features, n_edge_features : int, default=None
        Numbers of features of every graph. None: as the first graph, or the first with edges. A
        graph without edges gets as many edge features as the others.
    node_attribute, edge_attribute
        See `as_graph`.

    Returns
    -------
    graphs : list of Graph

    Raises
    ------
    ValueError
        As `as_graph`, with the index of the graph; or if numbers of features differ.

    Examples
    --------
    >>> from structsvm.graphs import as_graphs
    >>> as_graphs([([[1.0], [2.0]], [[0, 1]]), ([[3.0]], [])])
    [Graph(2 nodes, 1 edges, 1 features, 0 edge features),
     Graph(1 nodes, 0 edges, 1 features, 0 edge features)]
    """
    if _is_networkx(X):
        raise ValueError("X is a single networkx graph, expected a list of graphs: pass [X]")
    graphs = []
    for i, item in enumerate(as_items("X", X)):
        try:
            graph = as_graph(item, node_attribute=node_attribute, edge_attribute=edge_attribute)
        except ValueError as error:
            raise ValueError(f"X[{i}]: {error}") from None
        graphs.append(graph)
    _check_same("features", {i: graph.n_features for i, graph in enumerate(graphs)}, n_features)
    counts = {i: graph.n_edge_features for i, graph in enumerate(graphs) if graph.n_edges}
    n_columns = _check_same("edge features", counts, n_edge_features)
    return [graph if graph.n_edges else _with_columns(graph, n_columns) for graph in graphs]


def _check_same(what: str, counts: dict[int, int], expected: int | None) -> int:
    """The number that every graph must have; raises ValueError if one differs."""
    source = ""
    if expected is None:
        first, expected = next(iter(counts.items()), (0, 0))
        source = f" as X[{first}] has"
    for i, count in counts.items():
        if count != expected:
            raise ValueError(f"X[{i}] has {count} {what}, expected {expected}{source}")
    return expected


def _with_columns(graph: Graph, n_columns: int) -> Graph:
    """A graph without edges, with as many edge features as others have."""
    if graph.n_edge_features == n_columns:
        return graph
    return dataclasses.replace(graph, edge_features=np.zeros((0, n_columns)))


def _from_adjacency(features: Any, adjacency: Any) -> Graph:
    n_nodes = np.shape(features)[0] if np.ndim(features) else 0
    if adjacency.shape != (n_nodes, n_nodes):
        raise ValueError(
            f"the adjacency matrix has shape {adjacency.shape}, expected ({n_nodes}, {n_nodes}) as "
            f"there are {n_nodes} nodes"
        )
    if adjacency.dtype.kind not in "fiub":
        raise ValueError(f"the adjacency matrix has dtype {adjacency.dtype}, expected real numbers")
    if (wrong := damage_of(adjacency)) is not None:
        raise ValueError(f"the adjacency matrix is damaged: {wrong}")
    # A copy: summing duplicates must not change the user's matrix.
    matrix = sp.csr_array(adjacency, dtype=np.float64, copy=True)
    matrix.sum_duplicates()
    entries = matrix.tocoo()
    rows, columns, values = entries.row, entries.col, entries.data
    if (place := check_finite(values)) is not None:
        raise ValueError(
            f"adjacency[{rows[place]}, {columns[place]}] is {values[place]}; weights must be finite"
        )
    if (loops := rows == columns).any():
        node = int(rows[np.argmax(loops)])
        raise ValueError(f"adjacency[{node}, {node}] is stored: node {node} is joined to itself")
    if (rows > columns).any():
        _check_symmetric(rows, columns, values, n_nodes)
    upper = rows < columns
    edges = np.stack([rows[upper], columns[upper]], axis=1)
    return Graph(features, edges, values[upper].reshape(-1, 1))


def _check_symmetric(rows: Any, columns: Any, values: Any, n_nodes: int) -> None:
    """Raise unless the matrix is symmetric; entries must be sorted by row, then column."""
    mirrored = np.lexsort((rows, columns))
    same = (columns[mirrored] == rows) & (rows[mirrored] == columns) & (values[mirrored] == values)
    if not same.all():
        stored = dict(zip(zip(rows.tolist(), columns.tolist(), strict=True), values, strict=True))
        (i, j), value = next(
            (place, value)
            for place, value in stored.items()
            if place[::-1] not in stored or stored[place[::-1]] != value
        )
        other = stored.get((j, i), "not stored")
        raise ValueError(
            f"adjacency[{i}, {j}] is {value} but adjacency[{j}, {i}] is {other}; expected a "
            "symmetric matrix, or entries above the diagonal only"
        )


def _is_networkx(graph: Any) -> bool:
    # A networkx graph exists only where networkx has been imported.
    networkx = sys.modules.get("networkx")
    return networkx is not None and isinstance(graph, networkx.Graph)


def _from_networkx(graph: Any, node_attribute: str, edge_attribute: str) -> Graph:
    if graph.is_directed():
        raise ValueError("a directed graph, expected an undirected one: use .to_undirected()")
    if graph.is_multigraph():
        raise ValueError("a multigraph, expected one edge for each pair: use networkx.Graph(graph)")
    features = [
        _attribute(f"node {node!r}", data, node_attribute, "node_attribute")
        for node, data in graph.nodes(data=True)
    ]
    numbers = {node: k for k, node in enumerate(graph)}
    edges, edge_features = [], []
    ends_with_data = list(graph.edges(data=True))
    featured = any(edge_attribute in data for _, _, data in ends_with_data)
    for a, b, data in ends_with_data:
        if a == b:
            raise ValueError(f"edge ({a!r}, {b!r}) joins a node to itself; leave loops out")
        edges.append((numbers[a], numbers[b]))
        if featured:
            place = f"edge ({a!r}, {b!r})"
            edge_features.append(_attribute(place, data, edge_attribute, "edge_attribute"))
    names = tuple(numbers)
    return Graph(
        _stack("node", names, features),  # type: ignore[arg-type]
        np.array(edges, dtype=np.int64).reshape(-1, 2),  # type: ignore[arg-type]
        _stack("edge", [(a, b) for a, b, _ in ends_with_data], edge_features) if featured else None,
        names,
    )


def _attribute(place: str, data: dict[str, Any], attribute: str, parameter: str) -> NDArray[Any]:
    if attribute not in data:
        found = shorten(list(data)) if data else "none"
        raise ValueError(
            f"{place} has no attribute {attribute!r}, but {found}: name another by "
            f"structsvm.graphs.as_graph(graph, {parameter}=...)"
        )
    row = np.asarray(data[attribute])
    if row.ndim > 1 or row.dtype.kind not in "fiub":
        raise ValueError(
            f"{place} has {data[attribute]!r} as {attribute!r}; expected a real number or a 1-D "
            "array of them"
        )
    return row.reshape(-1)


def _stack(kind: str, names: Any, rows: list[NDArray[Any]]) -> NDArray[Any] | None:
    if not rows:
        return np.zeros((0, 0))
    for name, row in zip(names, rows, strict=True):
        if len(row) != len(rows[0]):
            raise ValueError(
                f"{kind} {name!r} has {len(row)} features, expected {len(rows[0])} as {kind} "
                f"{names[0]!r} has"
            )
    return np.stack(rows)
