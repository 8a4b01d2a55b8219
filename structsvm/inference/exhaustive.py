"""Search through all labellings of a graph: the reference for every other search."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.inference._pairwise import check_graph_scores
from structsvm.inference.labelling import Labelling

__all__ = ["exhaustive"]

_MOST_LABELLINGS = 10**6


def exhaustive(unary: ArrayLike, edges: ArrayLike, pairwise: ArrayLike) -> Labelling:
    """The best labelling of a small graph, found by trying all of them. For tests.

    Time is O(n_labels^n_nodes (n_nodes + n_edges)).

    Parameters
    ----------
    unary : array-like of shape (n_nodes, n_labels)
        Score of each label of each node; -inf forbids.
    edges : array-like of int of shape (n_edges, 2)
        Pairs of nodes, in any order; scores of duplicates add up.
    pairwise : array-like of shape (n_edges,), (n_labels, n_labels) or (n_edges, n_labels, n_labels)
        One dimension: the score of each edge if its ends have the same label, of either sign. Two:
        ``pairwise[a, b]`` is the score of every edge whose first end has label a and whose second
        has b. Three: ``pairwise[e, a, b]``, a table for each edge. Tables may hold -inf.

    Returns
    -------
    Labelling
        Exact. Of several best labellings, the first in lexicographic order.

    Raises
    ------
    ValueError
        If there are more than a million labellings or all are forbidden; and for bad scores or
        edges, see `relax`.

    Examples
    --------
    >>> from structsvm.inference import exhaustive
    >>> best = exhaustive([[1.0, 0.0], [0.0, 0.5], [0.0, 0.0]], [[0, 1], [1, 2]], [-1.0, 2.0])
    >>> best.labels, best.score, best.oracle
    (array([0, 1, 1], dtype=int32), 3.5, 'exact')
    """
    scores = check_graph_scores(unary, edges, pairwise, forbidden=True)
    n_nodes, n_labels = scores.unary.shape
    n_labellings = n_labels**n_nodes
    if n_labellings > _MOST_LABELLINGS:
        raise ValueError(
            f"{n_nodes} nodes with {n_labels} labels have more than {_MOST_LABELLINGS} labellings: "
            "too many to try them all"
        )
    numbers = np.arange(n_labellings)

    def label(node: int) -> NDArray[np.int64]:
        """The label of a node in each labelling."""
        digit: NDArray[np.int64] = numbers // n_labels ** (n_nodes - 1 - node) % n_labels
        return digit

    total = np.zeros(n_labellings)
    for node, row in enumerate(scores.unary):
        total += row[label(node)]
    for (first, second), table in zip(scores.edges, scores.table_of_each_edge(), strict=True):
        total += table[label(first), label(second)]
    best = int(np.argmax(total))
    score = float(total[best])
    if score == -np.inf:
        raise ValueError("every labelling is forbidden by scores of -inf")
    labels = np.array([label(node)[best] for node in range(n_nodes)], dtype=np.int32)
    return Labelling(labels, score, score, "exact")
