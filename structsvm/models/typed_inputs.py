"""Graphs with several types of nodes, and labels of these, packed for compiled code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import real_array, shorten
from structsvm.data.labels import PackedLabels, flatten_partial, is_void
from structsvm.data.sequences import as_items
from structsvm.graphs import TypedGraph, as_typed_graphs
from structsvm.graphs.typed import EdgeType
from structsvm.inference._trees import closing_edge
from structsvm.models.factored import PackedInputs

__all__ = ["TypedInputs", "TypedLabels", "places_of", "read_typed_inputs", "read_typed_labels"]


class TypedInputs(PackedInputs):
    """Graphs, their nodes in the order of the types, and their edges likewise.

    Attributes
    ----------
    counts, edge_counts : int64 ndarray of shape (n_graphs, n_types)
        Numbers of nodes and edges of each type.
    rows, edge_rows : list of float64 ndarray
        For each type, the features of all nodes, or edges, of all graphs.
    edges : list of int32 ndarray of shape (n_edges, 2)
        Of each graph.
    have_cycles : bool
        Whether a graph has a cycle.
    """

    counts: NDArray[np.int64]
    edge_counts: NDArray[np.int64]
    rows: list[NDArray[np.float64]]
    edge_rows: list[NDArray[np.float64]]
    edges: list[NDArray[np.int32]]
    node_types: list[str]
    edge_types: list[EdgeType]
    have_cycles: bool


class TypedLabels(PackedLabels):
    """Labels of nodes of several types; `labels` are places in the `names` of the node's type.

    Parameters
    ----------
    labels : int64 ndarray of shape (n_nodes,)
    counts : int64 ndarray of shape (n_graphs, n_types)
    node_types : list of str
    names : list of ndarray
        For each type, its labels, sorted.
    weight, sample_weight, void
        See `PackedLabels`.
    """

    def __init__(
        self,
        labels: NDArray[np.int64],
        counts: NDArray[np.int64],
        node_types: list[str],
        names: list[NDArray[Any]],
        weight: NDArray[np.float64] | None = None,
        sample_weight: NDArray[np.float64] | None = None,
        void: NDArray[np.bool_] | None = None,
    ) -> None:
        offsets = np.append(0, np.cumsum(counts.sum(axis=1), dtype=np.int64))
        super().__init__(labels, offsets, None, weight, sample_weight, void)
        self.counts = counts
        self.node_types = node_types
        self.names = names

    def __getitem__(self, index: Any) -> Any:
        """The output of one graph, with None for void labels; of a slice, a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        i = range(len(self))[index]
        found, stop = {}, int(self.offsets[i])
        for node_type, names, n in zip(self.node_types, self.names, self.counts[i], strict=True):
            start, stop = stop, stop + int(n)
            if not n:
                continue
            void = np.zeros(n, bool) if self.void is None else self.void[start:stop]
            row = names[self.labels[start:stop]] if len(names) else np.full(n, None)
            if void.any():
                row = row.astype(object)
                row[void] = None
            found[node_type] = row
        return found

    def completed(self, numbers: NDArray[np.int64], names: list[NDArray[Any]]) -> TypedLabels:
        """All labels, as places in other `names`, without loss where they were void."""
        weight = self.weight
        if self.void is not None:
            weight = np.where(self.void, 0.0, 1.0 if weight is None else weight)
        return TypedLabels(numbers, self.counts, self.node_types, names, weight, self.sample_weight)


def places_of(counts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Of each type, where its nodes stand among all nodes of all graphs."""
    ends = np.cumsum(counts.ravel(), dtype=np.int64).reshape(counts.shape)
    found = []
    for stop, n in zip(ends.T, counts.T, strict=True):
        within = np.arange(n.sum()) - np.repeat(np.cumsum(n) - n, n)
        found.append(np.repeat(stop - n, n) + within)
    return found


def read_typed_inputs(
    X: Any,
    n_features: Mapping[str, int] | None = None,
    n_edge_features: Mapping[EdgeType, int] | None = None,
) -> TypedInputs:
    """Check and pack graphs; without numbers of features all types that occur are taken."""
    graphs = as_typed_graphs(X)
    node_types: list[str]
    edge_types: list[EdgeType]
    if n_features is not None and n_edge_features is not None:
        node_types, edge_types = list(n_features), list(n_edge_features)
    elif not graphs:
        raise ValueError("X has no graphs: there is nothing to learn from")
    else:
        node_types = sorted({node_type for graph in graphs for node_type in graph.features})
        edge_types = sorted({kind for graph in graphs for kind in graph.edges or ()})
    for i, graph in enumerate(graphs):
        for name, kinds, known in (
            ("nodes", graph.features, node_types),
            ("edges", graph.edges or {}, edge_types),
        ):
            for kind in kinds:
                if kind not in known:
                    raise ValueError(
                        f"X[{i}] has {name} of {kind!r}, a type that was not in the X that fit "
                        f"saw; the known types are {shorten(list(known))}"
                    )
    counts, rows = stacked(
        "features",
        [graph.features for graph in graphs],
        node_types,
        n_features,
    )
    edge_counts, edge_rows = stacked(
        "edge features",
        [graph.edge_features or {} for graph in graphs],
        edge_types,
        n_edge_features,
    )
    edges = [
        all_edges(graph, node_types, edge_types, before)
        for graph, before in zip(graphs, np.cumsum(counts, axis=1) - counts, strict=True)
    ]
    n_nodes = counts.sum(axis=1)
    known_sizes = {
        repr(kind): matrix.shape[1]
        for kind, matrix in zip([*node_types, *edge_types], [*rows, *edge_rows], strict=True)
    }
    packed = TypedInputs(graphs, np.append(0, np.cumsum(n_nodes)), known_sizes)
    packed.counts, packed.edge_counts = counts, edge_counts
    packed.rows, packed.edge_rows, packed.edges = rows, edge_rows, edges
    packed.node_types, packed.edge_types = list(node_types), list(edge_types)
    packed.have_cycles = any(
        closing_edge(int(n), ends) >= 0 for n, ends in zip(n_nodes, edges, strict=True)
    )
    return packed


def read_typed_labels(
    y: Any,
    X: TypedInputs | None,
    weight: Any,
    *,
    node_types: Sequence[str] | None,
    hidden: Mapping[str, int],
    ignore_label: Any,
) -> TypedLabels:
    """Check and pack labels; those of `hidden` types may be left out, where X tells how many there
    are. Without X and `node_types`, all types that occur are taken."""
    items = as_items("y", y)
    if X is not None and len(items) != len(X):
        raise ValueError(f"X has {len(X)} examples but y has {len(items)}")
    for i, item in enumerate(items):
        if not isinstance(item, Mapping):
            raise ValueError(
                f"y[{i}] is a {type(item).__name__}, expected a dict from node types to labels"
            )
    if X is not None:
        node_types = X.node_types
    elif node_types is None:
        node_types = sorted({node_type for item in items for node_type in item})
    counts = np.zeros((len(items), len(node_types)), dtype=np.int64)
    by_type: list[list[Any]] = [[] for _ in node_types]
    for i, item in enumerate(items):
        for node_type in item:
            if node_type not in node_types:
                raise ValueError(
                    f"y[{i}] has labels of type {node_type!r}, but the node types are "
                    f"{shorten(list(node_types))}"
                )
        for t, node_type in enumerate(node_types):
            n = None if X is None else int(X.counts[i, t])
            if (row := item.get(node_type)) is None:
                if n and node_type not in hidden:
                    raise ValueError(
                        f"y[{i}] has no labels of type {node_type!r}, of which X[{i}] has {n} "
                        "nodes: give None for labels that nobody knows, or, if they are never "
                        f"known, hidden_states={{{node_type!r}: 2}} for two states"
                    )
                row = [None] * (n or 0)
            elif isinstance(row, np.ndarray) and row.dtype == bool:
                row = row.astype(np.int64)
            by_type[t].append(row)
    names, all_labels, all_void = [], [], []
    for t, (node_type, rows) in enumerate(zip(node_types, by_type, strict=True)):
        flat, lengths, void = flatten_partial(rows, name=f"labels of {node_type!r} in y")
        if X is not None and (wrong := np.flatnonzero(lengths != X.counts[:, t])).size:
            i = int(wrong[0])
            raise ValueError(
                f"y[{i}] has {lengths[i]} labels of type {node_type!r}, but X[{i}] has "
                f"{X.counts[i, t]} such nodes"
            )
        counts[:, t] = lengths
        void = np.zeros(len(flat), bool) if void is None else void
        if isinstance(ignore_label, str) == (flat.dtype.kind == "U"):
            void = void | is_void(flat, ignore_label)
        here, codes = np.unique(flat[~void], return_inverse=True)
        places = np.zeros(len(flat), dtype=np.int64)
        places[~void] = codes
        names.append(here)
        all_labels.append(places)
        all_void.append(void)
    total = int(counts.sum())
    labels, is_unknown = np.zeros(total, dtype=np.int64), np.zeros(total, dtype=bool)
    for at, codes, unknown in zip(places_of(counts), all_labels, all_void, strict=True):
        labels[at], is_unknown[at] = codes, unknown
    return TypedLabels(
        labels,
        counts,
        list(node_types),
        names,
        None if weight is None else node_weights(weight, counts, node_types),
        None,
        is_unknown if is_unknown.any() else None,
    )


def stacked(
    what: str,
    of_graphs: list[Mapping[Any, NDArray[np.float64]]],
    kinds: Sequence[Any],
    sizes: Mapping[Any, int] | None,
) -> tuple[NDArray[np.int64], list[NDArray[np.float64]]]:
    """How many rows of each type each graph has, and the rows of all graphs by type."""
    counts = np.zeros((len(of_graphs), len(kinds)), dtype=np.int64)
    stacked = []
    for t, kind in enumerate(kinds):
        expected, source = None if sizes is None else sizes[kind], ""
        rows = []
        for i, graph in enumerate(of_graphs):
            matrix = graph.get(kind)
            if matrix is None or not len(matrix):
                continue
            if expected is None:
                expected, source = matrix.shape[1], f" as X[{i}] has"
            if matrix.shape[1] != expected:
                raise ValueError(
                    f"X[{i}] has {matrix.shape[1]} {what} of {kind!r}, expected {expected}{source}"
                )
            counts[i, t] = len(matrix)
            rows.append(matrix)
        stacked.append(np.concatenate(rows) if rows else np.zeros((0, expected or 0)))
    return counts, stacked


def all_edges(
    graph: TypedGraph,
    node_types: Sequence[str],
    edge_types: Sequence[EdgeType],
    before: NDArray[np.int64],
) -> NDArray[np.int32]:
    """The edges of a graph, in the order of their types, between its nodes in theirs."""
    start = dict(zip(node_types, before.tolist(), strict=True))
    found = [np.zeros((0, 2), dtype=np.int32)]
    for kind in edge_types:
        ends = (graph.edges or {}).get(kind)
        if ends is not None and len(ends):
            shift = np.array([start[kind[0]], start[kind[-1]]])
            found.append((ends + shift).astype(np.int32))
    return np.ascontiguousarray(np.concatenate(found))


def node_weights(
    weight: Any, counts: NDArray[np.int64], node_types: Sequence[str]
) -> NDArray[np.float64]:
    """Weights of the loss at all nodes; 1 for node types that are not named."""
    items = as_items("node_weight", weight)
    if len(items) != len(counts):
        raise ValueError(f"node_weight has {len(items)} items, expected {len(counts)} as X has")
    rows = []
    for i, item in enumerate(items):
        if not isinstance(item, Mapping) or not set(item) <= set(node_types):
            raise ValueError(
                f"node_weight[{i}] is {item!r}, expected a dict from node types to weights"
            )
        for node_type, n in zip(node_types, counts[i].tolist(), strict=True):
            place = f"node_weight[{i}][{node_type!r}]"
            row = real_array(place, item.get(node_type, np.ones(n)))
            if row.shape != (n,):
                raise ValueError(f"{place} has shape {row.shape}, expected ({n},)")
            if not (np.isfinite(row) & (row >= 0)).all():
                raise ValueError(f"{place} must be finite and >= 0")
            rows.append(row)
    return np.concatenate(rows) if rows else np.zeros(0)
