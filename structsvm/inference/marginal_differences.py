"""How sure the best labelling is of each node: by its other label, and by a bias for all nodes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import real_array
from structsvm.inference._graph_cut import GraphCut
from structsvm.inference._max_marginals import MaxMarginals
from structsvm.inference.cut_scores import check_edges, check_pairwise, check_total, check_unary

__all__ = ["max_marginal_differences", "turning_points"]


def max_marginal_differences(
    unary: ArrayLike, edges: ArrayLike, pairwise: ArrayLike
) -> NDArray[np.float64]:
    r"""For each node of a graph, the best score with its label 1 minus the best with its label 0.

    .. math::
        d_i = \max_{y: y_i = 1} s(y) - \max_{y: y_i = 0} s(y), \qquad
        s(y) = \sum_i \mathrm{unary}_i \, y_i
        + \sum_{e = (a, b)} \mathrm{pairwise}_e \, [y_a = y_b]

    The sign is that of the best labelling, as `graph_cut` finds it, and the magnitude is what is
    lost by the other label at this node if all others may follow. Exact up to rounding.

    Parameters
    ----------
    unary : array-like of shape (n_nodes,)
        Score of label 1 minus score of label 0.
    edges : int array-like of shape (n_edges, 2)
        Ends of each edge. Several edges may join the same nodes; their scores add up.
    pairwise : array-like of shape (n_edges,) or float
        Score, >= 0, of an edge if both its ends have the same label.

    Returns
    -------
    differences : float64 array of shape (n_nodes,)
        0 where both labels are as good.

    Raises
    ------
    ValueError
        As `graph_cut`.

    Notes
    -----
    One cut, and then a flow for each node in what it left over, by shortest augmenting paths that
    usually stay near the node: some 10 microseconds a pixel, more where weak scores meet strong
    edges. Memory is 100 bytes a node and 140 an edge.

    References
    ----------
    P. Kohli, P. Torr (2008). Measuring uncertainty in graph cut solutions. Computer Vision and
    Image Understanding 112. doi:10.1016/j.cviu.2008.07.002

    Examples
    --------
    >>> from structsvm.inference import max_marginal_differences
    >>> max_marginal_differences([2.0, -0.5, -1.0], [[0, 1], [1, 2]], [1.0, 0.25])
    array([ 1.25,  0.25, -0.75])
    """
    own, pairs = real_array("unary", unary), real_array("pairwise", pairwise)
    scores = check_unary(own, (len(np.atleast_1d(own)),))
    ends = check_edges(edges, len(scores))
    capacities = check_pairwise(pairs, (len(ends),))
    check_total(scores)
    return MaxMarginals(len(scores), ends, scores, capacities).differences()


def turning_points(
    unary: ArrayLike, edges: ArrayLike, pairwise: ArrayLike, biases: ArrayLike
) -> NDArray[np.float64]:
    r"""For each node of a graph, minus the bias at which its best label becomes 1.

    With a bias b the best labels are those of `graph_cut` for ``unary + b``. As b rises, labels
    only change from 0 to 1, so one number a node tells them for every b: with t of this function,
    ``t > -b`` are the best labels for each b of `biases`.

    Parameters
    ----------
    unary : array-like of shape (n_nodes,)
        Score of label 1 minus score of label 0.
    edges : int array-like of shape (n_edges, 2)
    pairwise : array-like of shape (n_edges,) or float
        Score, >= 0, of an edge if both its ends have the same label.
    biases : array-like of shape (n_biases,)
        Finite, ascending, distinct; at least one.

    Returns
    -------
    points : float64 array of shape (n_nodes,)
        The middle between the last bias at which a node has label 0 and the first at which it has
        label 1, with the sign changed. Beyond the ends of `biases`, half a step further.

    Raises
    ------
    ValueError
        As `graph_cut`; or if the biases are not as above.

    Notes
    -----
    One cut for each bias, which starts from the flow of the last.

    References
    ----------
    G. Gallo, M. Grigoriadis, R. Tarjan (1989). A fast parametric maximum flow algorithm and
    applications. SIAM Journal on Computing 18. doi:10.1137/0218003

    Examples
    --------
    >>> from structsvm.inference import turning_points
    >>> turning_points([2.0, -0.5, -1.0], [[0, 1], [1, 2]], 0.3, [-1.0, 0.0, 0.5, 0.8])
    array([ 1.5 , -0.65, -0.65])
    """
    own, pairs = real_array("unary", unary), real_array("pairwise", pairwise)
    steps = np.asarray(real_array("biases", biases), dtype=np.float64)
    if steps.ndim != 1 or not len(steps) or not np.isfinite(steps).all():
        raise ValueError("biases: expected a list of finite numbers, at least one")
    if (np.diff(steps) <= 0).any():
        raise ValueError("biases: expected ascending and distinct numbers")
    scores = check_unary(own, (len(np.atleast_1d(own)),))
    cut = GraphCut(len(scores), edges)
    n_zeros = np.zeros(len(scores), dtype=np.intp)
    for k, bias in enumerate(steps.tolist()):
        cut.set_scores(scores + bias, pairs if not k else None, keep_flow=k > 0)
        n_zeros += cut.solve() == 0
    step = 0.5 * (steps[1:] - steps[:-1]) if len(steps) > 1 else np.ones(1)
    middles = np.concatenate(
        [steps[:1] - step[:1], 0.5 * (steps[1:] + steps[:-1]), steps[-1:] + step[-1:]]
    )
    points: NDArray[np.float64] = -middles[n_zeros]
    return points
