"""alpha_expansion: good labellings of graphs with more than two labels."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_scalar, real_array
from structsvm.inference._expansion import expand_labels
from structsvm.inference.cut_scores import (
    check_edges,
    check_finite_scores,
    check_total,
    incident_sums,
)

__all__ = ["alpha_expansion"]


def alpha_expansion(
    unary: ArrayLike,
    edges: ArrayLike,
    pairwise: ArrayLike,
    *,
    start: ArrayLike | None = None,
    max_cycles: int = 100,
) -> tuple[NDArray[np.int32], float]:
    r"""A labelling of a graph that no expansion of a label improves.

    .. math::
        \max_y \; \sum_i \mathrm{unary}[i, y_i]
        + \sum_{e = (a, b)} s_e(y_a, y_b)

    with :math:`s_e(k, l) = \mathrm{pairwise}_e [k = l]` (Potts), or
    :math:`\mathrm{pairwise}[e, k, l]`. In turn for each label, every node may take it or keep its
    own; the best such move is a minimum cut. Scores are maximised.

    The search is under-generating: its labelling may score less than the best one. With two labels
    and attractive edges it is the best. With Potts scores, the score given up (against the best
    label of every node and agreement on every edge) is at most twice that of the best labelling.
    Moves on edges that are not attractive (s(y_a, y_b) + s(k, k) < s(y_a, k) + s(k, y_b)) are
    scored too low, so no move lowers the score.

    Parameters
    ----------
    unary : array-like of shape (n_nodes, n_labels)
        Score of each label at each node; -inf where a node cannot have a label.
    edges : int array-like of shape (n_edges, 2)
    pairwise : array-like of shape (n_edges,), (n_edges, n_labels, n_labels) or (n_labels, n_labels)
        Potts scores, >= 0, of edges whose ends agree; or tables ``[first, second]`` of any sign,
        one for each edge or one for all.
    start : int array-like of shape (n_nodes,), default=None
        Labels to improve. None: the better of two labellings: the best labels without edges, and
        (Potts scores) those of a few sweeps of tree-reweighted messages.
    max_cycles : int, default=100
        Most rounds of expansions of every label.

    Returns
    -------
    labels : int32 array of shape (n_nodes,)
    score : float
        Score of the labels, never below the score of `start`; without one, never below that of the
        best labels without edges.

    Raises
    ------
    ValueError
        If a shape does not fit, a score is NaN or infinite (but for -inf in `unary`), a Potts score
        is negative, a node can have no label, an edge leaves the graph or joins a node to itself;
        the message says where.

    Notes
    -----
    A few cycles are typical. A label's first move reads the whole graph, a later one only what has
    changed near nodes whose labels changed since: flows are kept from cut to cut (Komodakis et al.
    2008). Memory is as for one cut, and 8 bytes (Potts scores: 16) for each edge and label; beyond
    1 GiB of that, or where edges outweigh nodes a million times, nothing is kept, and every move
    costs a cut of the graph.

    References
    ----------
    Y. Boykov, O. Veksler, R. Zabih (2001). Fast approximate energy minimization via graph cuts.
    TPAMI 23. doi:10.1109/34.969114
    N. Komodakis, G. Tziritas, N. Paragios (2008). Performance vs computational efficiency for
    optimizing single and dynamic MRFs. CVIU 112. doi:10.1016/j.cviu.2008.06.007
    V. Kolmogorov (2006). Convergent tree-reweighted message passing for energy minimization. TPAMI
    28. doi:10.1109/TPAMI.2006.200 (the start)
    C. Rother, S. Kumar, V. Kolmogorov, A. Blake (2005). Digital tapestry. CVPR.
    doi:10.1109/CVPR.2005.130 (moves that are not attractive)
    T. Finley, T. Joachims (2008). Training structural SVMs when exact inference is intractable.
    ICML. doi:10.1145/1390156.1390195 (under-generating)

    Examples
    --------
    >>> from structsvm.inference import alpha_expansion
    >>> unary = [[2.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 1.0]]
    >>> alpha_expansion(unary, [[0, 1], [1, 2]], [1.0, 0.2])
    (array([0, 0, 2], dtype=int32), 4.0)
    """
    scores = np.ascontiguousarray(real_array("unary", unary))
    if scores.ndim != 2 or (len(scores) and not scores.shape[1]):
        raise ValueError(f"unary has shape {scores.shape}, expected (n_nodes, n_labels)")
    forbidden = scores == -np.inf
    check_finite_scores("unary", np.where(forbidden, 0.0, scores))
    n_nodes, n_labels = scores.shape
    ends = check_edges(edges, n_nodes)
    pairs = np.ascontiguousarray(real_array("pairwise", pairwise))
    shapes = {(len(ends),): 1, (len(ends), n_labels, n_labels): n_labels**2, (n_labels,) * 2: 0}
    if pairs.shape not in shapes:
        raise ValueError(
            f"pairwise has shape {pairs.shape}, expected one of "
            + ", ".join(str(shape) for shape in shapes)
        )
    check_finite_scores("pairwise", pairs, non_negative=pairs.ndim == 1)
    if forbidden.any():
        scores = _far_below(scores, forbidden, ends, pairs)
    # Every score enters a cut several times.
    weight = max(len(ends), 1) if shapes[pairs.shape] == 0 else 1
    check_total(scores, 8.0)
    check_total(pairs, 16.0 * weight)
    check_scalar("max_cycles", max_cycles, above=0, integer=True)
    labels = np.zeros(n_nodes, dtype=np.int32)
    if start is not None:
        labels[:] = _check_start(start, n_nodes, n_labels)
        wrong = np.flatnonzero(forbidden[np.arange(n_nodes), labels])
        if len(wrong):
            raise ValueError(
                f"start[{wrong[0]}] is {labels[wrong[0]]}, but unary[{wrong[0]}, "
                f"{labels[wrong[0]]}] is -inf: expected a label that the node can have"
            )
    score, _ = expand_labels(
        scores,
        ends,
        pairs.reshape(-1),
        shapes[pairs.shape],
        pairs.ndim > 1,
        labels,
        start is None,
        min(int(max_cycles), 2**31 - 1),
    )
    return labels, score


def _far_below(
    unary: NDArray[np.float64],
    forbidden: NDArray[np.bool_],
    edges: NDArray[np.int32],
    pairwise: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The scores with finite ones for forbidden labels, so low that no move takes them."""
    nowhere = np.flatnonzero(forbidden.all(axis=1))
    if len(nowhere):
        raise ValueError(f"unary[{nowhere[0]}] is -inf for all labels: expected a finite score")
    ranges = pairwise if pairwise.ndim == 1 else np.ptp(pairwise, axis=(-2, -1))
    # Scores of moves that are no attractive ones are lowered by up to the range of an edge.
    edge_gain = 4 * incident_sums(len(unary), edges, np.broadcast_to(ranges, (len(edges),)))
    low = np.where(forbidden, np.inf, unary).min(axis=1)
    drop = np.maximum(edge_gain + unary.max(axis=1) - low, 1e-6 * np.abs(low))
    drop[drop == 0] = 1.0
    return np.where(forbidden, (low - drop)[:, None], unary)


def _check_start(start: ArrayLike, n_nodes: int, n_labels: int) -> NDArray[np.int64]:
    array = np.asarray(start)
    if array.shape != (n_nodes,) or (array.size and array.dtype.kind not in "iu"):
        raise ValueError(
            f"start has shape {array.shape} and dtype {array.dtype}, expected ({n_nodes},) integers"
        )
    wrong = (array < 0) | (array >= n_labels)
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"start[{i}] is {array[i]}, expected a label from 0 to {n_labels - 1}")
    return array
