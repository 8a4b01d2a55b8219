"""graph_cut: the best labelling of a graph with two labels."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import real_array
from structsvm.inference._graph_cut import GraphCut
from structsvm.inference._grid_cut import line_labels
from structsvm.inference.cut_scores import (
    CutCertificate,
    check_edges,
    check_pairwise,
    check_total,
    check_unary,
    incident_sums,
)

__all__ = ["graph_cut"]


@overload
def graph_cut(
    unary: ArrayLike,
    edges: ArrayLike,
    pairwise: ArrayLike,
    *,
    reverse: ArrayLike | None = ...,
    return_certificate: Literal[False] = ...,
) -> NDArray[np.uint8]: ...
@overload
def graph_cut(
    unary: ArrayLike,
    edges: ArrayLike,
    pairwise: ArrayLike,
    *,
    reverse: ArrayLike | None = ...,
    return_certificate: Literal[True],
) -> tuple[NDArray[np.uint8], CutCertificate]: ...
def graph_cut(
    unary: ArrayLike,
    edges: ArrayLike,
    pairwise: ArrayLike,
    *,
    reverse: ArrayLike | None = None,
    return_certificate: bool = False,
) -> NDArray[np.uint8] | tuple[NDArray[np.uint8], CutCertificate]:
    r"""The exact best labels 0 and 1 of a graph's nodes, for edges that favour agreement.

    .. math::
        \max_y \; \sum_i \mathrm{unary}_i \, y_i
        + \sum_{e = (a, b)} \mathrm{pairwise}_e \, [y_a = y_b]

    Scores are maximised, as everywhere in this library. In the minimum cut behind it, a node with a
    positive score is tied to the source with that capacity, a node with a negative score to the
    sink, and an edge has its pairwise score as capacity both ways. Label 1 is the source's side.

    With `reverse`, an edge (a, b) loses :math:`\mathrm{pairwise}_e` if a has label 1 and b label 0,
    and :math:`\mathrm{reverse}_e` if a has label 0 and b label 1: capacities of both directions.

    Nodes in a line (edges 0 - 1, 1 - 2, ...) are labelled by dynamic programming, unless a
    certificate is asked for.

    To cut several graphs at once, join them into one graph without edges between them.

    Parameters
    ----------
    unary : array-like of shape (n_nodes,)
        Score of label 1 minus score of label 0; infinite where a label is forced: inf for 1, -inf
        for 0.
    edges : int array-like of shape (n_edges, 2)
        Ends of each edge. Several edges may join the same nodes; their scores add up.
    pairwise : array-like of shape (n_edges,) or float
        Score, >= 0, of an edge if both its ends have the same label.
    reverse : array-like of shape (n_edges,) or float, default=None
        Score, >= 0, that an edge loses if its first end has label 0 and its second label 1. None:
        as `pairwise`.
    return_certificate : bool, default=False
        Whether to return the certificate, too.

    Returns
    -------
    labels : uint8 array of shape (n_nodes,)
        Of several best labellings, the one with the fewest 1s (it is unique).
    certificate : CutCertificate
        Proof that the labels are the best. Only with `return_certificate`.

    Raises
    ------
    ValueError
        If a shape does not fit, a score is NaN, a pairwise score is negative or infinite, an edge
        leaves the graph or joins a node to itself; the message says where.

    See Also
    --------
    GraphCut : the same under changing scores.

    References
    ----------
    D. Greig, B. Porteous, A. Seheult (1989). Exact maximum a posteriori estimation for binary
    images. JRSS B 51. doi:10.1111/j.2517-6161.1989.tb01764.x
    A. Goldberg, S. Hed, H. Kaplan, P. Kohli, R. Tarjan, R. Werneck (2015). Faster and more dynamic
    maximum flow by incremental breadth-first search. ESA. doi:10.1007/978-3-662-48350-3_52

    Examples
    --------
    >>> from structsvm.inference import graph_cut
    >>> graph_cut([2.0, -0.5, -1.0], [[0, 1], [1, 2]], [1.0, 0.25])
    array([1, 1, 0], dtype=uint8)
    >>> graph_cut([2.0, -0.5, -1.0], [[0, 1], [1, 2]], [0.25, 1.0], reverse=[1.0, 0.0])
    array([1, 0, 0], dtype=uint8)
    """
    # GraphCut takes None for unchanged scores; here None is an error.
    own, pairs = real_array("unary", unary), real_array("pairwise", pairwise)
    n = len(np.atleast_1d(own))
    ends = check_edges(edges, n)
    if _is_line(n, ends) and reverse is None and not return_certificate and np.isfinite(own).all():
        scores = check_unary(own, (n,))
        check_total(scores)
        return line_labels(scores, check_pairwise(pairs, (len(ends),)))
    forced = np.isinf(own)
    if forced.any():
        there = check_pairwise(pairs, (len(ends),))
        back = there if reverse is None else check_pairwise(reverse, (len(ends),), "reverse")
        own = _with_finite(own, forced, ends, np.maximum(there, back))
    cut = GraphCut(n, ends)
    cut.set_scores(own, pairs, reverse=reverse, keep_flow=False)
    labels = cut.solve()
    return (labels, cut.certificate()) if return_certificate else labels


def _is_line(n_nodes: int, edges: NDArray[np.int32]) -> bool:
    """Whether the edges are 0 - 1, 1 - 2, ... to the last node."""
    if not 0 < len(edges) == n_nodes - 1 or edges[-1, 1] != n_nodes - 1:
        return False
    line = np.stack([np.arange(n_nodes - 1), np.arange(1, n_nodes)], axis=1)
    return np.array_equal(edges, line)


def _with_finite(
    unary: NDArray[np.float64],
    forced: NDArray[np.bool_],
    edges: NDArray[np.int32],
    most: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Finite scores with the same best labels: a node whose score exceeds the sum of what its edges
    may lose has the label that it prefers."""
    if unary.ndim != 1:
        raise ValueError(f"unary has shape {unary.shape}, expected (n_nodes,)")
    check_total(most, 8.0)
    enough = 2 * incident_sums(len(unary), edges, most)
    sizes = np.copysign(np.where(enough > 0, enough, 1.0), unary)
    return np.where(forced, sizes, unary)
