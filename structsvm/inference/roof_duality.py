"""roof_duality: persistent labels of a graph with two labels whose edges attract or repel."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import real_array
from structsvm.inference._roof_duality import persistent_labels
from structsvm.inference.cut_scores import (
    check_edges,
    check_finite_scores,
    check_total,
    check_unary,
)
from structsvm.inference.labelling import OracleKind

__all__ = ["PersistentLabels", "roof_duality"]

_MOST_EDGES = 2**29 - 1  # the doubled graph has twice as many


@dataclass(frozen=True, eq=False)
class PersistentLabels:
    """Labels of some nodes that one best labelling has in common, and a bound on its score.

    With halves for undecided nodes, they are the best fractional labelling over the local polytope.

    Attributes
    ----------
    labels : int8 array of shape (n_nodes,)
        0, 1, or -1 where undecided.
    strong : bool array of shape (n_nodes,)
        Whether every best labelling has this label.
    bound : float
        No labelling scores more, up to rounding.
    value : float
        Score of the fractional labelling: equal to `bound`, up to rounding.
    agreement : float64 array of shape (n_edges,)
        Fraction of each edge on which its ends agree in the fractional labelling.
    oracle : "exact" or "over-generating"
        "exact" if every node is decided: then `value` is the score of the labels.
    """

    labels: NDArray[np.int8]
    strong: NDArray[np.bool_]
    bound: float
    value: float
    agreement: NDArray[np.float64]
    _edges: NDArray[np.int32]

    @property
    def oracle(self) -> OracleKind:
        return "over-generating" if (self.labels < 0).any() else "exact"

    @property
    def node_marginals(self) -> NDArray[np.float64]:
        """Fraction of each label at each node, 0, 1/2 or 1, of shape (n_nodes, 2)."""
        ones = _ones(self.labels)
        return np.stack([1 - ones, ones], axis=1)

    @property
    def edge_marginals(self) -> NDArray[np.float64]:
        """Fraction of each pair of labels on each edge, of shape (n_edges, 2, 2)."""
        first, second = _ones(self.labels)[self._edges].T
        both = (first + second + self.agreement - 1) / 2
        return np.stack(
            [
                np.stack([self.agreement - both, second - both], axis=1),
                np.stack([first - both, both], axis=1),
            ],
            axis=1,
        )


def _ones(labels: NDArray[np.int8]) -> NDArray[np.float64]:
    return np.where(labels < 0, 0.5, labels)


def roof_duality(unary: ArrayLike, edges: ArrayLike, pairwise: ArrayLike) -> PersistentLabels:
    r"""Labels 0 and 1 of nodes in a best labelling, for edges that attract or repel.

    .. math::
        \max_y \; \sum_i \mathrm{unary}_i \, y_i
        + \sum_{e = (a, b)} \mathrm{pairwise}_e \, [y_a = y_b]

    over labels 0 and 1 is hard if edges have negative scores. Over the local polytope it is a cut
    of a graph twice the size, and some best fractional labelling has only the values 0, 1 and 1/2.
    Its 0s and 1s are *persistent*: one best labelling has them all, and setting the decided nodes
    to these labels never lowers the score of any labelling. No best fractional labelling decides
    more nodes than the one returned. The oracle is over-generating; it is exact if all nodes are
    decided, for example if no edge repels.

    It takes about as long as two cuts of the graph.

    Parameters
    ----------
    unary : array-like of shape (n_nodes,)
        Score of label 1 minus score of label 0.
    edges : int array-like of shape (n_edges, 2)
        Ends of each edge. Several edges may join the same nodes; their scores add up.
    pairwise : array-like of shape (n_edges,), (2, 2) or (n_edges, 2, 2)
        One dimension: the score of each edge if its ends have the same label, of either sign.
        Otherwise tables, one for all edges or one for each: ``pairwise[e, a, b]`` is the score of
        edge e if its first end has label a and its second has b.

    Returns
    -------
    PersistentLabels
        If a decided node may have either label, it has 0. Without repelling edges these are the
        labels of `graph_cut`.

    Raises
    ------
    ValueError
        If a shape does not fit, a score is NaN or infinite, an edge leaves the graph or joins a
        node to itself; the message says where.

    See Also
    --------
    graph_cut : For edges that do not repel, in half the time.
    relax : For more than two labels.

    References
    ----------
    P. Hammer, P. Hansen, B. Simeone (1984). Roof duality, complementation and persistency in
    quadratic 0-1 optimization. Mathematical Programming 28. doi:10.1007/BF02612354

    E. Boros, P. Hammer (2002). Pseudo-Boolean optimization. Discrete Applied Mathematics 123.
    doi:10.1016/S0166-218X(01)00341-9

    V. Kolmogorov, C. Rother (2007). Minimizing nonsubmodular functions with graph cuts - a review.
    TPAMI 29(7). doi:10.1109/TPAMI.2007.1031

    Examples
    --------
    Three nodes repel one another, so two have to agree. The fourth node has a strong score.

    >>> from structsvm.inference import roof_duality
    >>> edges = [[0, 1], [1, 2], [2, 0], [0, 3]]
    >>> result = roof_duality([0.0, 0.0, 0.0, 3.0], edges, [-1.0, -1.0, -1.0, 0.5])
    >>> result.labels, result.bound, result.oracle
    (array([-1, -1, -1,  1], dtype=int8), 3.25, 'over-generating')
    >>> result = roof_duality([2.0, 0.0, 0.0, 3.0], edges, [-1.0, -1.0, -1.0, 0.5])
    >>> result.labels, result.bound, result.oracle
    (array([1, 0, 0, 1], dtype=int8), 4.5, 'exact')
    """
    scores = check_unary(unary, (np.size(unary),))
    ends = check_edges(edges, len(scores))
    if max(len(scores), len(ends)) > _MOST_EDGES:
        raise ValueError(
            f"{len(scores)} nodes and {len(ends)} edges: expected at most {_MOST_EDGES} of each"
        )
    pairs = real_array("pairwise", pairwise)
    if pairs.shape not in ((len(ends),), (2, 2), (len(ends), 2, 2)):
        raise ValueError(
            f"pairwise has shape {pairs.shape}, expected ({len(ends)},), (2, 2) or "
            f"({len(ends)}, 2, 2)"
        )
    check_finite_scores("pairwise", pairs)
    constants = np.zeros(0)
    with np.errstate(over="ignore", invalid="ignore"):
        if pairs.ndim > 1:
            tables = np.broadcast_to(pairs, (len(ends), 2, 2))
            scores, pairs, constants = _as_agreement(scores, ends, tables)
        check_total(scores, 16.0)
        check_total(pairs)
        check_total(constants)
    labels = np.zeros(len(scores), dtype=np.int8)
    strong = np.zeros(len(scores), dtype=np.uint8)
    missed = persistent_labels(scores, ends, np.ascontiguousarray(pairs), labels, strong)
    ones = _ones(labels)
    first, second = ones[ends].T
    # Two halves may agree or not: whichever scores more.
    undecided = (first == 0.5) & (second == 0.5)
    agreement = np.where(undecided, pairs >= 0, 1 - np.abs(first - second))
    terms = np.concatenate([constants, scores * ones, pairs * agreement])
    value = math.fsum(terms.tolist())
    return PersistentLabels(
        labels, strong.astype(bool), value + missed, value, agreement.astype(float), ends
    )


def _as_agreement(
    unary: NDArray[np.float64], edges: NDArray[np.int32], tables: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Write tables as scores of nodes, scores of agreement and constants.

    Large terms that all entries of a table share cancel before small ones are added.
    """
    ones, change = tables[:, 1, 1] - tables[:, 0, 0], tables[:, 1, 0] - tables[:, 0, 1]
    agreement = (tables[:, 0, 0] - tables[:, 0, 1] + (tables[:, 1, 1] - tables[:, 1, 0])) / 2
    scores = unary.copy()
    np.add.at(scores, edges[:, 0], (ones + change) / 2)
    np.add.at(scores, edges[:, 1], (ones - change) / 2)
    return scores, agreement, tables[:, 0, 0] - agreement
