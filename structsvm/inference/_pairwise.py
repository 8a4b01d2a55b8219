"""Checks of the scores of a labelled graph: of nodes and labels, and of edges."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import real_array
from structsvm.inference.cut_scores import check_edges, check_total

__all__ = ["GraphScores", "check_graph_scores", "check_pairwise", "check_unary"]


class GraphScores(NamedTuple):
    """Checked scores; exactly one of `agreement` and `tables` is set."""

    unary: NDArray[np.float64]
    edges: NDArray[np.int32]
    agreement: NDArray[np.float64] | None
    tables: NDArray[np.float64] | None

    def table_of_each_edge(self) -> NDArray[np.float64]:
        """A table for each edge, in whatever form the scores were given."""
        n_labels = self.unary.shape[1]
        if self.agreement is not None:
            return self.agreement[:, None, None] * np.eye(n_labels)
        assert self.tables is not None
        return np.broadcast_to(self.tables, (len(self.edges), n_labels, n_labels))


def check_graph_scores(
    unary: ArrayLike, edges: ArrayLike, pairwise: ArrayLike, *, forbidden: bool
) -> GraphScores:
    """Check all scores of a graph; `unary`, of shape (n_nodes, n_labels), fixes the sizes."""
    unary = check_unary(unary)
    n_nodes, n_labels = unary.shape
    edges = check_edges(edges, n_nodes)
    pairs = check_pairwise(pairwise, len(edges), n_labels, forbidden=forbidden)
    check_total(unary[np.isfinite(unary)], 2.0)
    for scores in pairs:
        if scores is not None:
            copies = len(edges) if len(scores) == 1 else 1
            check_total(scores[np.isfinite(scores)], 2.0 * max(copies, 1))
    return GraphScores(unary, edges, *pairs)


def check_unary(unary: ArrayLike) -> NDArray[np.float64]:
    """Scores of shape (n_nodes, n_labels), -inf where forbidden; every node has a label left."""
    unary = check_scores("unary", unary, 2, forbidden=True)
    if len(unary) and not unary.shape[1]:
        raise ValueError(f"unary has shape {unary.shape}: there is no label to choose")
    if (hopeless := np.flatnonzero(~(unary > -np.inf).any(axis=1))).size:
        raise ValueError(
            f"unary[{hopeless[0]}] is -inf for every label: all labels of that node are forbidden"
        )
    return unary


def check_pairwise(
    pairwise: ArrayLike, n_edges: int, n_labels: int, *, forbidden: bool
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    """Scores of agreement, or tables of shape (1 or n_edges, n_labels, n_labels).

    Parameters
    ----------
    pairwise : array-like of shape (n_edges,), (n_labels, n_labels) or (n_edges, n_labels, n_labels)
    forbidden : bool
        Whether tables may hold -inf.
    """
    ndim = np.ndim(pairwise)
    shapes = {1: (n_edges,), 2: (n_labels, n_labels), 3: (n_edges, n_labels, n_labels)}
    if ndim not in shapes:
        raise ValueError(
            f"pairwise has {ndim} dimensions, expected 1 (a score of agreement for each edge), "
            "2 (a table for all edges) or 3 (a table for each)"
        )
    scores = check_scores("pairwise", pairwise, ndim, forbidden=forbidden and ndim > 1)
    if scores.shape != shapes[ndim]:
        raise ValueError(
            f"pairwise has shape {scores.shape}, expected {shapes[ndim]}: there are {n_edges} "
            f"edges and {n_labels} labels"
        )
    if ndim == 1:
        return scores, None
    return None, scores.reshape(n_edges if ndim == 3 else 1, n_labels, n_labels)


def check_scores(name: str, value: ArrayLike, ndim: int, *, forbidden: bool) -> NDArray[np.float64]:
    """A C-contiguous float64 array of `ndim` dimensions; -inf only where `forbidden` allows it."""
    array = real_array(name, value)
    if array.ndim != ndim:
        raise ValueError(f"{name} has {array.ndim} dimensions, expected {ndim}")
    array = np.ascontiguousarray(array)
    wrong = ~np.isfinite(array)
    if forbidden:
        wrong &= array != -np.inf
    if wrong.any():
        where = ", ".join(str(k) for k in np.argwhere(wrong)[0])
        rule = "finite, or -inf where forbidden" if forbidden else "finite"
        raise ValueError(f"{name}[{where}] is {array[wrong][0]}; scores are {rule}")
    return array
