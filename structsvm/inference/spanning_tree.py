"""spanning_tree: the best spanning tree of a graph, and the structure of these trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.inference._contexts import check_part_scores, read_contexts
from structsvm.inference._spanning_tree import SpanningTreeMaximizer, cut_off
from structsvm.inference.cut_scores import check_edges
from structsvm.inference.structures import Structure

__all__ = ["SpanningTree", "spanning_tree"]


def spanning_tree(
    edges: ArrayLike, scores: ArrayLike, n_nodes: int
) -> tuple[NDArray[np.int32], float]:
    r"""The spanning tree of a graph with the highest score.

    .. math::
        \max_{T} \; \sum_{e \in T} \mathrm{scores}_e

    over the sets T of edges that connect all nodes without a cycle. Edges with negative scores are
    used where nothing better connects; `-scores` gives the minimum spanning tree of `scores`.

    Parameters
    ----------
    edges : array-like of int of shape (n_edges, 2)
        Pairs of different nodes; several edges may join the same nodes.
    scores : array-like of shape (n_edges,)
        Score of each edge; -inf forbids it.
    n_nodes : int
        Number of nodes.

    Returns
    -------
    used : int32 array of shape (n_nodes - 1,)
        Edges of the tree, ascending. Among edges with equal scores the one that comes first is
        taken first, which settles all ties.
    value : float
        Their score; 0 for fewer than two nodes.

    Raises
    ------
    ValueError
        If a shape does not fit, a score is NaN or +inf, an edge has an end that is no node or joins
        a node to itself, or no tree connects the nodes; the message names one that is cut off.

    See Also
    --------
    SpanningTree : These trees as a structure to be learned.
    arborescence : Trees of directed arcs.

    Notes
    -----
    Kruskal's algorithm. Edges are sorted by the digits of their scores; where there are many more
    edges than nodes, they are first split into better and worse ones as by quicksort, and worse
    ones whose ends are connected by then are thrown away unsorted. Time is about O(n_edges), memory
    32 bytes an edge.

    References
    ----------
    J. Kruskal (1956). On the shortest spanning subtree of a graph and the traveling salesman
    problem. Proceedings of the AMS 7(1). doi:10.1090/S0002-9939-1956-0078686-7
    V. Osipov, P. Sanders, J. Singler (2009). The filter-Kruskal minimum spanning tree algorithm.
    ALENEX. doi:10.1137/1.9781611972894.5

    Examples
    --------
    >>> from structsvm.inference import spanning_tree
    >>> spanning_tree([[0, 1], [1, 2], [2, 0], [2, 3]], [3.0, -1.0, 2.0, -4.0], 4)
    (array([0, 2, 3], dtype=int32), 1.0)
    """
    ends = check_edges(edges, n_nodes)
    scores = check_part_scores(scores, len(ends), "edge")
    allowed = np.flatnonzero(scores > -np.inf).astype(np.int32)
    if len(allowed) < len(ends):
        ends, scores = np.ascontiguousarray(ends[allowed]), scores[allowed]
    _check_connected(n_nodes, ends)
    used, value = SpanningTreeMaximizer([n_nodes], [ends]).maximize(0, scores)
    return allowed[used], value


def _check_connected(n_nodes: int, edges: NDArray[np.int32]) -> None:
    if (node := cut_off(n_nodes, edges)) >= 0:
        raise ValueError(
            f"the graph is not connected: no edges lead from node 0 to node {node}, so there is no "
            "spanning tree; add edges, or take each component by itself"
        )


class SpanningTree(Structure):
    """Spanning trees of a graph. Parts are its edges.

    Parameters
    ----------
    n_nodes : int, default=None
    edges : array-like of int of shape (n_edges, 2), default=None
        The graph of all examples that bring none of their own. An example's context is a pair
        (n_nodes, edges), or None for this graph.

    See Also
    --------
    spanning_tree : The best tree for given scores; how ties are broken; complexity.

    Examples
    --------
    >>> from structsvm.inference import SpanningTree
    >>> triangle = SpanningTree(3, [[0, 1], [1, 2], [2, 0]])
    >>> maximizer = triangle.bind([None, (2, [[0, 1], [0, 1]])], [3, 2])
    >>> maximizer.maximize(1, [0.5, 1.0])
    (array([1], dtype=int32), 1.0)
    """

    def __init__(self, n_nodes: int | None = None, edges: ArrayLike | None = None) -> None:
        self.n_nodes = n_nodes
        self.edges = edges

    def part_count(self) -> int | None:
        return None if self.edges is None else len(np.asarray(self.edges))

    def bind(self, contexts: Sequence[Any], n_parts: Sequence[int]) -> SpanningTreeMaximizer:
        graphs = read_contexts(contexts, n_parts, self._graph)
        return SpanningTreeMaximizer([n for n, _ in graphs], [edges for _, edges in graphs])

    def _graph(self, context: Any, n_parts: int) -> tuple[int, NDArray[np.int32]]:
        if context is None:
            if self.n_nodes is None or self.edges is None:
                raise ValueError(
                    "there is no graph; give SpanningTree n_nodes and edges, or the example a "
                    "context (n_nodes, edges)"
                )
            context = self.n_nodes, self.edges
        if not isinstance(context, tuple) or len(context) != 2:
            raise ValueError(f"the context is {context!r}, expected a pair (n_nodes, edges)")
        n_nodes, edges = context[0], check_edges(context[1], context[0])
        if len(edges) != n_parts:
            raise ValueError(
                f"the graph has {len(edges)} edges, but the example has {n_parts} parts; parts are "
                "the edges"
            )
        _check_connected(n_nodes, edges)
        return int(n_nodes), edges
