"""best_path: the best path in a directed graph, and the structure of these paths."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.inference._contexts import check_part_scores, read_contexts
from structsvm.inference._shortest_path import PathMaximizer
from structsvm.inference.cut_scores import check_edges, check_total
from structsvm.inference.structures import Structure

__all__ = ["PathMethod", "ShortestPath", "best_path"]

PathMethod = Literal["auto", "dag", "dijkstra", "bellman-ford"]


def best_path(
    edges: ArrayLike,
    scores: ArrayLike,
    source: int,
    target: int,
    *,
    method: PathMethod = "auto",
) -> tuple[NDArray[np.int32], float]:
    r"""The path of a directed graph with the highest score: for scores = -lengths, the shortest.

    .. math::
        \max_{P} \; \sum_{e \in P} \mathrm{scores}_e

    over the sets P of edges that form a path from the source to the target. Scores are maximised,
    as everywhere in this library; the cost of an edge is minus its score.

    Parameters
    ----------
    edges : array-like of int of shape (n_edges, 2)
        ``edges[e]``: the node that edge e leaves and the node that it enters. A street that is open
        both ways is two edges.
    scores : array-like of shape (n_edges,)
        Score of each edge, of either sign if there are no cycles; -inf closes it.
    source, target : int
        Nodes. If they are the same, the path has no edges, except that it is refused where a cycle
        has a positive score.
    method : {"auto", "dag", "dijkstra", "bellman-ford"}, default="auto"
        "dag" is for graphs without cycles and any scores; "dijkstra" for scores <= 0, that is
        costs >= 0; "bellman-ford" for scores of which no cycle has a positive sum. "auto" is "dag"
        if there are no cycles, otherwise "dijkstra" if no score is positive, otherwise
        "bellman-ford".

    Returns
    -------
    path : int32 array of shape (n_used,)
        Edges in the order in which the path goes.
    value : float
        Their score; 0 for a path without edges.

    Raises
    ------
    ValueError
        If a shape does not fit, a score is NaN or +inf, an end of an edge is no node, no path leads
        from the source to the target, or the scores do not suit the method; the message names the
        edge and its cost, or the edges of the cycle.

    See Also
    --------
    ShortestPath : These paths as a structure to be learned.

    Notes
    -----
    Time is O(n_nodes + n_edges) with "dag", O((n_nodes + n_edges) log n_nodes) with "dijkstra",
    which ends at the target, and O(n_nodes n_edges) with "bellman-ford"; memory is
    O(n_nodes + n_edges).

    Ties are settled in the same way every time. With "dag", going back from the target, each step
    takes the first of the best edges; the other methods keep the way to a node that they found
    first.

    "bellman-ford" adds integers: scores in units of 2^-50 of the power of two above the greatest
    (coarser for more than about 2,000 nodes), rounded down, so that rounding makes no cycle. Its
    path is the best up to the rounding of its edges.

    References
    ----------
    E. Dijkstra (1959). A note on two problems in connexion with graphs. Numerische Mathematik 1.
    doi:10.1007/BF01386390
    R. Bellman (1958). On a routing problem. Quarterly of Applied Mathematics 16(1).
    doi:10.1090/qam/102435
    A. Kahn (1962). Topological sorting of large networks. Communications of the ACM 5(11).
    doi:10.1145/368996.369025

    Examples
    --------
    >>> from structsvm.inference import best_path
    >>> lengths = [2.0, 5.0, 1.0]
    >>> best_path([[0, 1], [0, 2], [1, 2]], [-length for length in lengths], 0, 2)
    (array([0, 2], dtype=int32), -3.0)
    """
    ends, n_nodes = _check_graph(edges)
    own = check_part_scores(scores, len(ends), "edge")
    check_total(own[own > -np.inf])
    trip = np.array([_check_ends(source, target, n_nodes)], dtype=np.int32)
    maximizer = PathMaximizer([n_nodes], [ends], [0], trip, _check_method(method))
    return maximizer.path(0, own)


class ShortestPath(Structure):
    """Paths from a source to a target in a directed graph. Parts are its edges.

    The best path is the one with the highest score: learned scores are minus the learned costs.

    Parameters
    ----------
    edges : array-like of int of shape (n_edges, 2), default=None
    source, target : int, default=None
        The graph and the ends of all examples that bring none of their own. An example's context is
        a triple (edges, source, target), a pair (source, target) in this graph, or None.
    method : {"auto", "dag", "dijkstra", "bellman-ford"}, default="auto"
        See `best_path`. In graphs with cycles no cycle may have a positive score, in training with
        the loss included, or the fit ends with an error that names it. Costs that are kept >= 0 and
        a loss that counts only the edges of the true path that are missed are safe: they make no
        score positive.

    See Also
    --------
    best_path : The best path for given scores; how ties are broken; complexity.

    Notes
    -----
    A graph that examples share, one and the same array, is sorted and stored once.

    Examples
    --------
    >>> from structsvm.inference import ShortestPath
    >>> triangle = ShortestPath([[0, 1], [0, 2], [1, 2]], source=0, target=2)
    >>> maximizer = triangle.bind([None, (1, 2)], [3, 3])
    >>> [maximizer.maximize(i, [-2.0, -5.0, -1.0])[0].tolist() for i in range(2)]
    [[0, 2], [2]]
    """

    def __init__(
        self,
        edges: ArrayLike | None = None,
        source: int | None = None,
        target: int | None = None,
        *,
        method: PathMethod = "auto",
    ) -> None:
        self.edges = edges
        self.source = source
        self.target = target
        self.method = method

    def part_count(self) -> int | None:
        return None if self.edges is None else len(np.asarray(self.edges))

    def bind(self, contexts: Sequence[Any], n_parts: Sequence[int]) -> PathMaximizer:
        graphs: list[NDArray[np.int32]] = []
        sizes: list[int] = []
        place_of: dict[int, int] = {}

        def read(context: Any, n: int) -> tuple[int, int, int]:
            edges, source, target = self._trip(context)
            if id(edges) not in place_of:
                graph, n_nodes = _check_graph(edges)
                place_of[id(edges)] = len(graphs)
                graphs.append(graph)
                sizes.append(n_nodes)
            place = place_of[id(edges)]
            if len(graphs[place]) != n:
                raise ValueError(
                    f"the graph has {len(graphs[place])} edges, but the example has {n} parts; "
                    "parts are edges"
                )
            return place, *_check_ends(source, target, sizes[place])

        trips = read_contexts(contexts, n_parts, read)
        ends = np.array([trip[1:] for trip in trips], dtype=np.int32).reshape(-1, 2)
        return PathMaximizer(
            sizes, graphs, [trip[0] for trip in trips], ends, _check_method(self.method)
        )

    def _trip(self, context: Any) -> tuple[Any, Any, Any]:
        """Edges, source and target."""
        if context is None:
            context = self.source, self.target
        if not isinstance(context, tuple) or len(context) not in (2, 3):
            raise ValueError(
                f"the context is {context!r}, expected (edges, source, target) or (source, target)"
            )
        edges = context[0] if len(context) == 3 else self.edges
        source, target = context[-2:]
        if edges is None or source is None or target is None:
            raise ValueError(
                "edges, source or target are missing; give them to ShortestPath, or the example a "
                "context (edges, source, target)"
            )
        return edges, source, target


def _check_graph(edges: ArrayLike) -> tuple[NDArray[np.int32], int]:
    """Edges, and the number of nodes: one more than the greatest number of a node."""
    array = np.asarray(edges)
    n_nodes = 1
    if array.size and array.dtype.kind in "iu":
        n_nodes = int(min(max(array.max(), 0), 2**31 - 2)) + 1
    return check_edges(edges, n_nodes), n_nodes


def _check_ends(source: Any, target: Any, n_nodes: int) -> tuple[int, int]:
    for name, node in (("source", source), ("target", target)):
        if (
            isinstance(node, (bool, np.bool_))
            or not isinstance(node, numbers.Integral)
            or not 0 <= int(node) < n_nodes
        ):
            raise ValueError(f"{name}={node!r}: expected a node from 0 to {n_nodes - 1}")
    return int(source), int(target)


def _check_method(method: Any) -> str:
    if method not in get_args(PathMethod):
        raise ValueError(f"method={method!r}: expected one of {list(get_args(PathMethod))}")
    return str(method)
