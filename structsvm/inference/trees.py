"""max_product_tree: the best labelling of trees."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from structsvm.inference._pairwise import check_graph_scores
from structsvm.inference._trees import closing_edge, max_product_forest
from structsvm.inference.labelling import Labelling

__all__ = ["max_product_tree"]


def max_product_tree(unary: ArrayLike, edges: ArrayLike, pairwise: ArrayLike) -> Labelling:
    r"""The exact best labelling of a tree, or of several trees.

    .. math::
        \max_y \; \sum_i \mathrm{unary}[i, y_i] + \sum_{e = (i, j)} \mathrm{pairwise}[e, y_i, y_j]

    It runs the Viterbi recursion from the leaves to the lowest-numbered node of each tree. Time is
    O(n_nodes n_labels) with scores of agreement, otherwise O(n_nodes n_labels^2); memory is
    O(n_nodes n_labels).

    Parameters
    ----------
    unary : array-like of shape (n_nodes, n_labels)
        Score of each label of each node; -inf forbids.
    edges : array-like of int of shape (n_edges, 2)
        Pairs of nodes, in any order, without a cycle; two edges between the same nodes are a cycle.
    pairwise : array-like of shape (n_edges,), (n_labels, n_labels) or (n_edges, n_labels, n_labels)
        One dimension: the score of each edge if its ends have the same label, of either sign. Two:
        ``pairwise[a, b]`` is the score of every edge whose first end has label a and whose second
        has b. Three: ``pairwise[e, a, b]``, a table for each edge. Tables may hold -inf.

    Returns
    -------
    Labelling
        Exact. Of several best labellings, the one with the lowest label at the lowest-numbered
        node of each tree; then, outwards from there, each node has the lowest label that is best
        given the label of its parent.

    Raises
    ------
    ValueError
        If there is a cycle, or all labellings of a tree are forbidden; and for bad scores or edges,
        see `relax`.

    See Also
    --------
    viterbi : For chains, batches of them and float32.

    References
    ----------
    J. Pearl (1988). Probabilistic Reasoning in Intelligent Systems, section 5.2. Morgan Kaufmann.
    doi:10.1016/C2009-0-27609-4

    Examples
    --------
    >>> from structsvm.inference import max_product_tree
    >>> unary = [[1.0, 0.0], [0.0, 0.5], [0.0, 0.5]]
    >>> best = max_product_tree(unary, [[0, 1], [2, 0]], [2.0, 0.2])
    >>> best.labels, best.score, best.oracle
    (array([0, 0, 1], dtype=int32), 3.5, 'exact')
    """
    scores = check_graph_scores(unary, edges, pairwise, forbidden=True)
    n_nodes = len(scores.unary)
    if (e := closing_edge(n_nodes, scores.edges)) >= 0:
        i, j = scores.edges[e]
        raise ValueError(
            f"edges[{e}] = ({i}, {j}) closes a cycle: max_product_tree is for trees; use relax"
        )
    labels = np.zeros(n_nodes, dtype=np.int32)
    values = np.zeros(n_nodes)
    hopeless = max_product_forest(
        scores.unary.copy(), scores.edges, scores.agreement, scores.tables, labels, values
    )
    if hopeless >= 0:
        raise ValueError(
            f"the tree of node {hopeless} has no labelling with a finite score: all are forbidden"
        )
    score = float(values.sum())
    return Labelling(labels, score, score, "exact")
