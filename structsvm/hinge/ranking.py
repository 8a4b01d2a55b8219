r"""Hinges of orders and distances.

Parameters in common: ``reduction`` is "mean", "sum" or "none"; with ``with_gradient`` the result is
``(value, gradient)``, the derivative of the value by the scores (a tuple, one for each argument
that is differentiated, where there are several). At a kink it is the subgradient nearest to zero.
They raise ValueError for shapes that differ, empty input, NaN and inf.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.hinge._reduction import (
    check_array,
    check_labels,
    check_number,
    check_same_shape,
    reduced,
)
from structsvm.linalg._sums import dot

__all__ = ["hinge_embedding", "margin_ranking", "pairwise_hinge", "triplet"]


def pairwise_hinge(
    relevance: ArrayLike,
    scores: ArrayLike,
    *,
    query: ArrayLike | None = None,
    margin: float = 1.0,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""RankSVM: :math:`\max(0, \mathrm{margin} - (s_i - s_j))` over pairs with relevance i > j.

    Time O(L n log n) for L levels of relevance, memory O(n): pairs are counted in sorted scores,
    never listed.

    Parameters
    ----------
    relevance, scores : array-likes of shape (n,)
    query : array-like of shape (n,), default=None
        Only items with the same query make pairs. None is one query.
    margin : float, default=1.0
    reduction : {"mean", "sum", "none"}
        The mean is over pairs, 0 if there are none. "none" gives the sum of each query, in the
        order of their sorted names.

    Source: T. Joachims (2002). Optimizing search engines using clickthrough data. KDD.
    doi:10.1145/775047.775067. C.-P. Lee, C.-J. Lin (2014). Large-scale linear RankSVM. Neural
    Computation 26. doi:10.1162/NECO_a_00571

    Examples
    --------
    >>> from structsvm.hinge import pairwise_hinge
    >>> float(pairwise_hinge([2, 1, 0], [1.0, 1.5, 0.0], reduction="sum"))
    1.5
    """
    s = check_array("scores", scores, ndim=1)
    levels = check_array("relevance", relevance, ndim=1)
    check_same_shape("relevance", levels, "scores", s.shape)
    margin = float(check_number("margin", margin, s.dtype))
    if query is None:
        names = np.zeros(len(s), dtype=int)
    else:
        names = np.asarray(query)
        check_same_shape("query", names, "scores", s.shape)
    groups = np.unique(names, return_inverse=True)[1]
    values = np.zeros(groups.max() + 1, dtype=s.dtype)
    gradient = np.zeros_like(s)
    n_pairs = 0
    for group in range(len(values)):
        items = np.flatnonzero(groups == group)
        values[group], gradient[items], pairs = _pairs(levels[items], s[items], margin)
        n_pairs += pairs
    return reduced(values, (gradient,), reduction, with_gradient, n_pairs)


def _pairs(
    levels: NDArray[Any], scores: NDArray[Any], margin: float
) -> tuple[float, NDArray[np.float64], int]:
    """Value, gradient and number of all pairs of one query."""
    value, n_pairs = 0.0, 0
    gradient = np.zeros(len(scores))
    for level in np.unique(levels)[1:]:
        better, worse = np.flatnonzero(levels == level), np.flatnonzero(levels < level)
        order = worse[np.argsort(scores[worse], kind="stable")]
        bounds = scores[order].astype(np.float64) + margin
        above = np.append(np.cumsum(bounds[::-1])[::-1], 0.0)  # sums of the bounds from k on
        first = np.searchsorted(bounds, scores[better], side="right")
        counts = len(order) - first
        value += float(above[first].sum()) - dot(counts.astype(np.float64), scores[better])
        gradient[better] -= counts
        # A worse item is in a pair with each better one whose score is below its bound.
        gradient[order] += np.searchsorted(np.sort(scores[better]), bounds, side="left")
        n_pairs += len(better) * len(worse)
    return value, gradient, n_pairs


def margin_ranking(
    y: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    margin: float = 0.0,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Order of two scores: :math:`\max(0, \mathrm{margin} - y (s_1 - s_2))`.

    Parameters
    ----------
    y : array-like of the scores' shape
        +1 where the first should be higher, -1 where the second.
    first, second : array-likes of one shape
    margin : float, default=0.0

    Source: R. Herbrich, T. Graepel, K. Obermayer (1999). Support vector learning for ordinal
    regression. ICANN. doi:10.1049/cp:19991091

    Examples
    --------
    >>> from structsvm.hinge import margin_ranking
    >>> margin_ranking([1, -1], [0.5, 0.5], [0.0, 0.0], margin=1.0, reduction="none")
    array([0.5, 1.5])
    """
    one, two = check_array("first", first), check_array("second", second)
    check_same_shape("second", two, "first", one.shape)
    labels = check_labels(y, one)
    short = check_number("margin", margin, one.dtype) - labels * (one - two)
    slope = labels * (short > 0)
    return reduced(np.maximum(short, 0), (-slope, slope), reduction, with_gradient)


def triplet(
    anchor: ArrayLike,
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    margin: float = 1.0,
    p: int = 2,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Distances: :math:`\max(0, \|a - x^+\|_p - \|a - x^-\|_p + \mathrm{margin})`.

    Parameters
    ----------
    anchor, positive, negative : array-likes of shape (n, d)
    margin : float, default=1.0
    p : {1, 2}, default=2
        The norm. Where a distance is 0, its subgradient 0 is taken.

    Returns
    -------
    value, or (value, (by anchor, by positive, by negative)).

    Source: K. Weinberger, L. Saul (2009). Distance metric learning for large margin nearest
    neighbor classification. JMLR 10.

    Examples
    --------
    >>> from structsvm.hinge import triplet
    >>> float(triplet([[0.0, 0.0]], [[3.0, 4.0]], [[0.0, 5.5]]))
    0.5
    """
    a = check_array("anchor", anchor, ndim=2)
    near, far = check_array("positive", positive), check_array("negative", negative)
    check_same_shape("positive", near, "anchor", a.shape)
    check_same_shape("negative", far, "anchor", a.shape)
    if p not in (1, 2):
        raise ValueError(f"p={p!r}: expected 1 or 2")
    near_distance, near_slope = _distance(a - near, p)
    far_distance, far_slope = _distance(a - far, p)
    short = near_distance - far_distance + check_number("margin", margin, a.dtype)
    met = (short > 0)[:, None].astype(a.dtype)
    gradients = (met * (near_slope - far_slope), -met * near_slope, met * far_slope)
    return reduced(np.maximum(short, 0), gradients, reduction, with_gradient)


def _distance(difference: NDArray[Any], p: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Norms of the rows, and their derivatives by the rows."""
    if p == 1:
        return np.abs(difference).sum(axis=1), np.sign(difference)
    norms = np.linalg.norm(difference, axis=1)
    return norms, difference / np.where(norms > 0, norms, 1)[:, None]


def hinge_embedding(
    y: ArrayLike,
    distances: ArrayLike,
    *,
    margin: float = 1.0,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Distances: d for alike pairs (y = 1), :math:`\max(0, margin - d)` for others (y = -1).

    Parameters
    ----------
    y, distances : array-likes of one shape
    margin : float, default=1.0

    Source: R. Hadsell, S. Chopra, Y. LeCun (2006). Dimensionality reduction by learning an
    invariant mapping. CVPR. doi:10.1109/CVPR.2006.100 (with squares; here without)

    Examples
    --------
    >>> from structsvm.hinge import hinge_embedding
    >>> hinge_embedding([1, -1, -1], [0.5, 0.25, 3.0], reduction="none")
    array([0.5 , 0.75, 0.  ])
    """
    d = check_array("distances", distances)
    if (d < 0).any():
        place = tuple(int(k) for k in np.argwhere(d < 0)[0])
        where = ", ".join(map(str, place))
        raise ValueError(f"distances[{where}] is {d[place]}, expected a distance >= 0")
    labels = check_labels(y, d)
    short = check_number("margin", margin, d.dtype) - d
    values = np.where(labels > 0, d, np.maximum(short, 0))
    gradient = np.where(labels > 0, d.dtype.type(1), -(short > 0).astype(d.dtype))
    return reduced(values, (gradient,), reduction, with_gradient)
