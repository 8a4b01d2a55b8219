"""arborescence: the best directed tree from a root, and the structure of these trees."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_scalar
from structsvm.inference._arborescence import ArborescenceMaximizer, best_arborescence
from structsvm.inference._contexts import check_part_scores, read_contexts
from structsvm.inference._pairwise import check_scores
from structsvm.inference.cut_scores import check_edges
from structsvm.inference.structures import Structure

__all__ = ["Arborescence", "arborescence"]


@overload
def arborescence(
    scores: ArrayLike,
    arcs: None = ...,
    n_nodes: None = ...,
    *,
    root: int = ...,
    single_root: bool = ...,
) -> tuple[NDArray[np.int32], float]: ...
@overload
def arborescence(
    scores: ArrayLike, arcs: ArrayLike, n_nodes: int, *, root: int = ..., single_root: bool = ...
) -> tuple[NDArray[np.int32], float]: ...
def arborescence(
    scores: ArrayLike,
    arcs: ArrayLike | None = None,
    n_nodes: int | None = None,
    *,
    root: int = 0,
    single_root: bool = True,
) -> tuple[NDArray[np.int32], float]:
    r"""The best arborescence: a tree of arcs with a path from the root to each node.

    .. math::
        \max_{h} \; \sum_{v \ne \mathrm{root}} \mathrm{scores}[h_v, v]

    over the choices of a head h_v, the node before it, for each node v, that form no cycle.

    Parameters
    ----------
    scores : array-like of shape (n_nodes, n_nodes) or (n_arcs,)
        ``scores[u, v]`` is the score of the arc from u to v; -inf forbids. Entries on the diagonal
        and in the root's column are ignored, even NaN. With `arcs`: the score of each arc.
    arcs : array-like of int of shape (n_arcs, 2), default=None
        Tails and heads of arcs, for graphs with few of them. None: all pairs of nodes.
    n_nodes : int, default=None
        Number of nodes; only with `arcs`.
    root : int, default=0
    single_root : bool, default=True
        Whether only one arc may leave the root, as in a dependency tree, where it marks the head of
        the sentence. False: any number.

    Returns
    -------
    heads : int32 array of shape (n_nodes,)
        Without `arcs`: the node before each node, -1 for the root.
    used : int32 array of shape (n_nodes - 1,)
        With `arcs`: the arcs used, ascending.
    value : float
        Their score; 0 for the root alone.

    Raises
    ------
    ValueError
        If a shape does not fit, a score is NaN or +inf, an arc has an end that is no node or joins
        a node to itself, a node cannot be reached, or more than one arc must leave the root while
        only one may.

    See Also
    --------
    Arborescence : These trees as a structure to be learned.
    spanning_tree : Trees of undirected edges.

    Notes
    -----
    Edmonds' algorithm as Tarjan runs it: time and memory are O(n_nodes^2) for a matrix; with
    `arcs`, time is O(n_arcs log n_arcs), by leftist heaps, and memory O(n_arcs). A single arc from
    the root costs nothing more: the search takes an arc from the root only where no other is left.
    Of several best arcs into a node, or into a cycle that has become one, that from the lowest node
    is taken, with `arcs` the one that comes first.

    References
    ----------
    J. Edmonds (1967). Optimum branchings. Journal of Research of the NBS 71B.
    doi:10.6028/jres.071B.032
    R. Tarjan (1977). Finding optimum branchings. Networks 7. doi:10.1002/net.3230070103
    R. Zmigrod, T. Vieira, R. Cotterell (2020). Please mind the root: decoding arborescences for
    dependency parsing. EMNLP. doi:10.18653/v1/2020.emnlp-main.390

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm.inference import arborescence
    >>> scores = np.array([[0, 5.0, 4.0], [0, 0, 3.0], [0, 1.0, 0]])
    >>> arborescence(scores)
    (array([-1,  0,  1], dtype=int32), 8.0)
    >>> arborescence(scores, single_root=False)
    (array([-1,  0,  0], dtype=int32), 9.0)
    >>> arborescence([5.0, 3.0, 1.0], [[0, 1], [1, 2], [2, 1]], 3)
    (array([0, 1], dtype=int32), 8.0)
    """
    if arcs is None:
        return _of_matrix(scores, n_nodes, root, single_root)
    if n_nodes is None:
        raise ValueError("n_nodes is missing; it is needed with arcs")
    ends = check_edges(arcs, n_nodes)
    _check_root(n_nodes, root)
    used = np.zeros(n_nodes - 1, dtype=np.int32)
    scores = check_part_scores(scores, len(ends), "arc")
    return used, _search(scores, n_nodes, ends, root, single_root, used)


def _of_matrix(
    scores: ArrayLike, n_nodes: int | None, root: int, single_root: bool
) -> tuple[NDArray[np.int32], float]:
    if n_nodes is not None:
        raise ValueError(f"n_nodes={n_nodes}, but there are no arcs: the matrix of scores says it")
    matrix = np.array(scores)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"scores has shape {matrix.shape}, expected (n_nodes, n_nodes)")
    n_nodes = len(matrix)
    _check_root(n_nodes, root)
    if matrix.dtype.kind == "f":
        matrix[:, root] = 0
        np.fill_diagonal(matrix, 0)
    matrix = check_scores("scores", matrix, 2, forbidden=True)
    used = np.zeros(n_nodes - 1, dtype=np.int32)
    value = _search(matrix.reshape(-1), n_nodes, None, root, single_root, used)
    heads = np.full(n_nodes, -1, dtype=np.int32)
    heads[used % n_nodes] = used // n_nodes
    return heads, value


def _check_root(n_nodes: int, root: int) -> None:
    check_scalar("root", root, above=-1, integer=True)
    if root >= n_nodes:
        raise ValueError(f"root={root}: expected a node from 0 to {n_nodes - 1}")


def _search(
    scores: NDArray[np.float64],
    n_nodes: int,
    arcs: NDArray[np.int32] | None,
    root: int,
    single_root: bool,
    used: NDArray[np.int32],
) -> float:
    value, lost, n_root_arcs = best_arborescence(scores, n_nodes, arcs, root, single_root, used)
    if lost >= 0:
        raise ValueError(
            f"there is no arborescence: no arcs lead from the root, node {root}, to node {lost}"
        )
    if single_root and n_root_arcs > 1:
        raise ValueError(
            f"every arborescence has {n_root_arcs} arcs from the root or more, but "
            "single_root=True allows only one; add arcs between other nodes, or set "
            "single_root=False"
        )
    return value


class Arborescence(Structure):
    """Arborescences: directed trees with a path from a root to each node. Parts are arcs.

    Without arcs, parts are all pairs of nodes: part ``u * n_nodes + v`` is the arc from u to v.
    Pairs of a node with itself or into the root are parts, too, but never used.

    Parameters
    ----------
    n_nodes : int, default=None
        Number of nodes. None, without arcs: the root of the number of parts.
    arcs : array-like of int of shape (n_arcs, 2), default=None
        Tails and heads. None: all pairs of nodes. An example's context is n_nodes, a pair
        (n_nodes, arcs), or None for what is said here.
    root : int, default=0
    single_root : bool, default=True
        Whether only one arc may leave the root.

    See Also
    --------
    arborescence : The best one for given scores; how ties are broken; complexity.

    Examples
    --------
    >>> from structsvm.inference import Arborescence
    >>> maximizer = Arborescence().bind([None, 2, (3, [[0, 2], [2, 1]])], [9, 4, 2])
    >>> maximizer.maximize(0, [0, 5, 4, 0, 0, 3, 0, 1, 0])
    (array([1, 5], dtype=int32), 8.0)
    >>> maximizer.maximize(2, [1, 1])
    (array([0, 1], dtype=int32), 2.0)
    """

    def __init__(
        self,
        n_nodes: int | None = None,
        arcs: ArrayLike | None = None,
        *,
        root: int = 0,
        single_root: bool = True,
    ) -> None:
        self.n_nodes = n_nodes
        self.arcs = arcs
        self.root = root
        self.single_root = single_root

    def part_count(self) -> int | None:
        if self.arcs is not None:
            return len(np.asarray(self.arcs))
        return None if self.n_nodes is None else self.n_nodes**2

    def bind(self, contexts: Sequence[Any], n_parts: Sequence[int]) -> ArborescenceMaximizer:
        graphs = read_contexts(contexts, n_parts, self._graph)
        return ArborescenceMaximizer(
            [n for n, _ in graphs], [arcs for _, arcs in graphs], self.root, self.single_root
        )

    def _graph(self, context: Any, n_parts: int) -> tuple[int, NDArray[np.int32] | None]:
        n_nodes, arcs = self.n_nodes, self.arcs
        if isinstance(context, tuple) and len(context) == 2:
            n_nodes, arcs = context
        elif context is not None:
            n_nodes, arcs = context, None
        if n_nodes is None:
            if arcs is not None:
                raise ValueError("Arborescence has arcs, but no n_nodes")
            n_nodes = math.isqrt(n_parts)
        check_scalar("n_nodes", n_nodes, above=0, integer=True)
        _check_root(n_nodes, self.root)
        ends = None if arcs is None else check_edges(arcs, n_nodes)
        if (n_nodes**2 if ends is None else len(ends)) != n_parts:
            expected = f"{n_nodes}^2 = {n_nodes**2}" if ends is None else f"{len(ends)} arcs"
            raise ValueError(
                f"{n_nodes} nodes have {expected}, but the example has {n_parts} parts; parts are "
                + ("all pairs of nodes" if ends is None else "the arcs")
            )
        if ends is not None:
            _search(
                np.zeros(n_parts), n_nodes, ends, self.root, self.single_root,
                np.zeros(n_nodes - 1, dtype=np.int32),
            )  # fmt: skip
        return int(n_nodes), ends
