r"""Hinges of orders and distances.

Parameters in common:

sample_weight : array-like that broadcasts to the values, default=None
    Factor of each value, >= 0. The mean is then the weighted mean.
reduction : {"mean", "sum", "none"}
with_gradient : bool
    Return ``(value, gradient)``, the derivative of the value by the scores; a tuple, one for each
    argument that is differentiated, where there are several. Each has the shape of its argument,
    but with "none" that to which the arguments were broadcast: every value has its own derivative.
    At a kink it is the subgradient nearest to zero.

They raise ValueError for shapes that do not fit, empty input, NaN and inf.
"""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_unmasked
from structsvm.hinge._reduction import (
    broadcast,
    check_array,
    check_flag,
    check_labels,
    check_number,
    check_same_shape,
    named,
    reduced,
    value_and_factors,
)
from structsvm.hinge.multiclass import softmax_terms
from structsvm.linalg._sums import dot, product

__all__ = [
    "hinge_embedding",
    "lifted_structure",
    "margin_ranking",
    "n_pair",
    "pairwise_hinge",
    "triplet",
]


def pairwise_hinge(
    relevance: ArrayLike,
    scores: ArrayLike,
    *,
    query: ArrayLike | None = None,
    margin: float = 1.0,
    sample_weight: ArrayLike | None = None,
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
    sample_weight : array-like of shape (n_queries,) or (), default=None
        Factor of the pairs of each query, in the order of their sorted names.
    reduction : {"mean", "sum", "none"}
        The mean is over pairs, 0 if there are none. "none" gives the sum of each query, in the
        order of their sorted names.
    with_gradient : bool, default=False
        Return ``(value, gradient)``; a tuple of gradients where there are several arguments.

    References
    ----------
    T. Joachims (2002). Optimizing search engines using clickthrough data. KDD.
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
    n_pairs = np.zeros(len(values), dtype=np.int64)
    order = np.argsort(groups, kind="stable")
    bounds = np.searchsorted(groups[order], np.arange(len(values) + 1))
    for group in range(len(values)):
        items = order[bounds[group] : bounds[group + 1]]
        values[group], gradient[items], n_pairs[group] = _pairs(levels[items], s[items], margin)
    if not with_gradient:
        return reduced(values, (), reduction, False, sample_weight, counts=n_pairs)
    # An item is in one query, whose weight is that of its derivative.
    value, factors = value_and_factors(values, reduction, sample_weight, counts=n_pairs)
    return value, gradient * factors[groups]


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
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Order of two scores: :math:`\max(0, \mathrm{margin} - y (s_1 - s_2))`.

    Parameters
    ----------
    y : array-like of the scores' shape, or one that broadcasts to it
        +1 where the first should be higher, -1 where the second.
    first, second : array-likes of one shape, or of shapes that broadcast
    margin : float, default=0.0
    sample_weight : array-like that broadcasts to the values, default=None
        Factor of each value, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or all values.
    with_gradient : bool, default=False
        Return ``(value, gradient)``; a tuple of gradients where there are several arguments.

    References
    ----------
    R. Herbrich, T. Graepel, K. Obermayer (1999). Support vector learning for ordinal
    regression. ICANN. doi:10.1049/cp:19991091

    Examples
    --------
    >>> from structsvm.hinge import margin_ranking
    >>> margin_ranking([1, -1], [0.5, 0.5], [0.0, 0.0], margin=1.0, reduction="none")
    array([0.5, 1.5])
    """
    one, two = check_array("first", first), check_array("second", second)
    shapes = one.shape, two.shape
    one, two = broadcast(first=one, second=two)
    labels = check_labels(y, one)
    short = check_number("margin", margin, one.dtype) - labels * (one - two)
    slope = labels * (short > 0)
    values = np.maximum(short, 0)
    return reduced(values, (-slope, slope), reduction, with_gradient, sample_weight, shapes=shapes)


def triplet(
    anchor: ArrayLike,
    positive: ArrayLike,
    negative: ArrayLike,
    *,
    margin: float = 1.0,
    p: float = 2,
    squared: bool = False,
    swap: bool = False,
    eps: float = 0.0,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Distances: :math:`\max(0, d(a, x^+) - d(a, x^-) + \mathrm{margin})`.

    Parameters
    ----------
    anchor, positive, negative : array-likes of shape (..., d), or of shapes that broadcast
        One vector each makes one value.
    margin : float, default=1.0
    p : float, default=2
        d is the norm :math:`\|a - b\|_p` with p >= 1, infinity too. Where a distance is 0, its
        subgradient 0 is taken.
    squared : bool, default=False
        Take :math:`\|a - b\|_p^2` for d.
    swap : bool, default=False
        Take the lesser of d(a, x^-) and d(x^+, x^-), the first of equals, for the second distance.
    eps : float, default=0.0
        Added to each difference before the norm. PyTorch's losses have 1e-6 there.
    sample_weight : array-like that broadcasts to the values, default=None
        Factor of each value, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or all values.
    with_gradient : bool, default=False
        Return ``(value, gradient)``; a tuple of gradients where there are several arguments.

    Returns
    -------
    value, or (value, (by anchor, by positive, by negative)).

    References
    ----------
    K. Weinberger, L. Saul (2009). Distance metric learning for large margin nearest
    neighbor classification. JMLR 10 (squared). V. Balntas, E. Riba, D. Ponsa, K. Mikolajczyk
    (2016). Learning local feature descriptors with triplets and shallow convolutional neural
    networks. BMVC (swap). doi:10.5244/C.30.119

    Examples
    --------
    >>> from structsvm.hinge import triplet
    >>> float(triplet([0.0, 0.0], [3.0, 4.0], [0.0, 5.5]))
    0.5
    >>> float(triplet([0.0, 0.0], [3.0, 4.0], [0.0, 5.5], p=1, swap=True))
    3.5
    """
    given = {"anchor": anchor, "positive": positive, "negative": negative}
    arrays = {name: check_array(name, array) for name, array in given.items()}
    for name, array in arrays.items():
        if not array.ndim:
            raise ValueError(f"{name} is a number, expected at least one vector")
    shapes = tuple(array.shape for array in arrays.values())
    a, near, far = broadcast(**arrays)
    p = _checked_order(p)
    e = check_number("eps", eps, a.dtype)
    check_flag("squared", squared)
    check_flag("swap", swap)
    near_distance, near_slope = _distance(a - near + e, p, squared)
    far_distance, far_slope = _distance(a - far + e, p, squared)
    by_positive, by_anchor = -near_slope, near_slope - far_slope
    if swap:
        other_distance, other_slope = _distance(near - far + e, p, squared)
        swapped = other_distance < far_distance
        far_distance = np.where(swapped, other_distance, far_distance)
        there = swapped[..., None]
        by_anchor = np.where(there, near_slope, by_anchor)
        by_positive = np.where(there, -near_slope - other_slope, by_positive)
        far_slope = np.where(there, other_slope, far_slope)
    short = near_distance - far_distance + check_number("margin", margin, a.dtype)
    met = np.asarray(short > 0)[..., None].astype(a.dtype)
    gradients = (met * by_anchor, met * by_positive, met * far_slope)
    values = np.maximum(short, 0)
    return reduced(values, gradients, reduction, with_gradient, sample_weight, shapes=shapes)


def _checked_order(p: Any) -> float:
    is_number = isinstance(p, numbers.Real) and not isinstance(p, (bool, np.bool_))
    if not is_number or not p >= 1:
        raise ValueError(f"p={p!r}: expected a number >= 1 or inf: below it there is no norm")
    return float(p)


def _distance(
    difference: NDArray[Any], p: float, squared: bool
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Norms of the last axis, or their squares, and their derivatives."""
    sizes = np.abs(difference)
    if p == 1:
        norms, slopes = sizes.sum(axis=-1), np.sign(difference)
    elif p == 2:
        # Not np.linalg.norm, whose sums depend on the BLAS.
        norms = np.sqrt((difference * difference).sum(axis=-1))
        slopes = difference / np.where(norms > 0, norms, 1)[..., None]
    else:
        # In units of the greatest, or powers would overflow; it alone is what p = inf sees, shared
        # among those that are equal.
        greatest = sizes.max(axis=-1)
        unit = np.where(greatest > 0, greatest, 1)[..., None]
        shares = sizes / unit
        if np.isinf(p):
            norms = greatest
            powers = (shares == 1).astype(difference.dtype)
            powers /= np.maximum(powers.sum(axis=-1, keepdims=True), 1)
        else:
            q = difference.dtype.type(p)
            totals = (shares**q).sum(axis=-1)
            norms = greatest * totals ** (1 / q)
            length = np.where(greatest > 0, totals ** (1 / q), 1)[..., None]
            powers = (shares / length) ** (q - 1)
        slopes = np.sign(difference) * powers
    if squared:
        return norms * norms, 2 * norms[..., None] * slopes
    return norms, slopes


def n_pair(
    anchor: ArrayLike,
    positive: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""N-pair loss: :math:`\log(1 + \sum_{j \ne i} e^{\langle a_i, x_j - x_i \rangle})`.

    Row i of `positive` is the one that is alike to row i of `anchor`, all others are not: no two
    pairs may be of one class. The same as the cross-entropy of the products :math:`\langle a_i,
    x_j \rangle` at j = i. Time O(n^2 d), memory O(n^2), with "none" O(n^2 d).

    Parameters
    ----------
    anchor, positive : array-likes of shape (n, d)
    sample_weight : array-like that broadcasts to the values, default=None
        Factor of each value, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or all values.
    with_gradient : bool, default=False
        Return ``(value, gradient)``; a tuple of gradients where there are several arguments.

    Returns
    -------
    value, or (value, (by anchor, by positive)); with "none" of shape (n, n, d), the derivatives of
    each anchor's value.

    References
    ----------
    K. Sohn (2016). Improved deep metric learning with multi-class N-pair loss objective.
    NIPS. Its norm of the vectors as a regulariser is left to the caller.

    Examples
    --------
    >>> from structsvm.hinge import n_pair
    >>> round(float(n_pair([[1.0, 0.0], [0.0, 1.0]], [[2.0, 0.0], [0.0, 2.0]])), 6)
    0.126928
    """
    a, x = check_array("anchor", anchor, ndim=2), check_array("positive", positive)
    check_same_shape("positive", x, "anchor", a.shape)
    a, x = broadcast(anchor=a, positive=x)
    n = len(a)
    scores = product(a, np.ascontiguousarray(x.T)).astype(a.dtype)
    values, shares = softmax_terms(scores, np.arange(n))
    shares[np.arange(n), np.arange(n)] -= 1
    if not with_gradient or reduction == "none":
        by_anchor = by_positive = np.zeros((n, 0), dtype=a.dtype)
        if with_gradient:
            by_positive = shares[:, :, None] * a[:, None, :]
            by_anchor = np.zeros_like(by_positive)
            by_anchor[np.arange(n), np.arange(n)] = product(shares, x)
        return reduced(values, (by_anchor, by_positive), reduction, with_gradient, sample_weight)
    value, factors = value_and_factors(values, reduction, sample_weight)
    shares *= factors[:, None]
    by_anchor, by_positive = product(shares, x), product(np.ascontiguousarray(shares.T), a)
    return value, (by_anchor.astype(a.dtype), by_positive.astype(a.dtype))


def lifted_structure(
    y: ArrayLike,
    vectors: ArrayLike,
    *,
    margin: float = 1.0,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Lifted structure: :math:`\tfrac12 \max(0, J_{ij})^2` for each pair i < j of one class.

    .. math:: J_{ij} = d_{ij} + \log \Bigl( \sum_{y_k \ne y_i} e^{\mathrm{margin} - d_{ik}}
        + \sum_{y_k \ne y_j} e^{\mathrm{margin} - d_{jk}} \Bigr)

    with Euclidean distances d: each pair is pushed away from all that are unlike one of the two.
    Where all are of one class there is nothing to push, and the values are 0. Time O((P + n d) n)
    for P pairs, memory O(n^2 + P), with gradients O(P n); with "none" they are O(P n d).

    Parameters
    ----------
    y : array-like of shape (n,)
        Classes, of any type.
    vectors : array-like of shape (n, d)
    margin : float, default=1.0
    sample_weight : array-like that broadcasts to the values, default=None
        Factor of each value, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}
        Over the pairs, 0 if there are none; "none" gives them in the order of (i, j).
    with_gradient : bool, default=False
        Return ``(value, gradient)``; a tuple of gradients where there are several arguments.

    References
    ----------
    H. O. Song, Y. Xiang, S. Jegelka, S. Savarese (2016). Deep metric learning via lifted
    structured feature embedding. CVPR. doi:10.1109/CVPR.2016.434

    Examples
    --------
    >>> from structsvm.hinge import lifted_structure
    >>> y, vectors = ["a", "a", "b"], [[0.0], [1.0], [3.0]]
    >>> round(float(lifted_structure(y, vectors)), 6)
    0.049066
    """
    x = check_array("vectors", vectors, ndim=2)
    alpha = check_number("margin", margin, x.dtype)
    classes = check_unmasked("y", y, np.asarray(y))
    if classes.shape != x.shape[:1]:
        raise ValueError(f"y has shape {classes.shape}, expected ({len(x)},)")
    n = len(x)
    numbers_of = np.unique(classes, return_inverse=True)[1].reshape(-1)
    alike = numbers_of[:, None] == numbers_of
    first, second = np.nonzero(np.triu(alike, 1))
    distances = np.empty((n, n), dtype=x.dtype)
    for i in range(n):
        distances[i], _ = _distance(x[i] - x, 2, False)
    pushes = np.where(alike, -np.inf, alpha - distances)
    # The logarithm of each row's sum of exponentials, -inf where all are of one class.
    top = pushes.max(axis=1)
    base = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):
        logs = np.log(np.exp(pushes - base[:, None]).sum(axis=1)) + base
    heights = distances[first, second] + np.logaddexp(logs[first], logs[second])
    short = np.maximum(heights, 0)
    values = (short * short / 2).astype(x.dtype)
    pairs = np.ones(len(values), dtype=np.int64)
    if not with_gradient:
        return reduced(values, (), reduction, False, sample_weight, counts=pairs)
    value, factors = value_and_factors(values, reduction, sample_weight, counts=pairs)
    # What each of the two shares in the sum under the logarithm; 0 where that is empty.
    with np.errstate(invalid="ignore"):
        share = np.exp(logs[first] - np.logaddexp(logs[first], logs[second]))
        softmax = np.where(alike, 0, np.exp(pushes - logs[:, None]))
    share = np.where(short > 0, share, 0)
    slopes = short * factors
    if reduction == "none":
        gradient = np.zeros((len(first), n, x.shape[1]), dtype=x.dtype)
        for k, (i, j) in enumerate(zip(first.tolist(), second.tolist(), strict=True)):
            for row, part in ((i, share[k]), (j, 1 - share[k])):
                by_row = -slopes[k] * part * softmax[row]
                by_row[j] += slopes[k] if row == i else 0
                _add_by_distances(x, distances, row, by_row, gradient[k])
        return value, gradient
    push = np.bincount(first, slopes * share, n) + np.bincount(second, slopes * (1 - share), n)
    by_distance = (-push[:, None] * softmax).astype(x.dtype)
    by_distance[first, second] += slopes
    gradient = np.zeros_like(x)
    for i in range(n):
        _add_by_distances(x, distances, i, by_distance[i], gradient)
    return value, gradient


def _add_by_distances(
    x: NDArray[Any],
    distances: NDArray[Any],
    i: int,
    slopes: NDArray[Any],
    gradient: NDArray[Any],
) -> None:
    """Add the derivative of what has these slopes by the distances of vector i from all."""
    own = distances[i]
    terms = (slopes / np.where(own > 0, own, 1))[:, None] * (x[i] - x)
    gradient -= terms
    gradient[i] += terms.sum(axis=0)


def hinge_embedding(
    y: ArrayLike,
    distances: ArrayLike,
    *,
    margin: float = 1.0,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Distances: d for alike pairs (y = 1), :math:`\max(0, margin - d)` for others (y = -1).

    Parameters
    ----------
    y : array-like of the distances' shape, or one that broadcasts to it
    distances : array-like of any shape
        >= 0. PyTorch takes negative ones, whose gradient points the wrong way: here they are
        refused.
    margin : float, default=1.0
    sample_weight : array-like that broadcasts to the values, default=None
        Factor of each value, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or all values.
    with_gradient : bool, default=False
        Return ``(value, gradient)``; a tuple of gradients where there are several arguments.

    References
    ----------
    R. Hadsell, S. Chopra, Y. LeCun (2006). Dimensionality reduction by learning an
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
        raise ValueError(f"{named('distances', place)} is {d[place]}, expected a distance >= 0")
    labels = check_labels(y, d)
    short = check_number("margin", margin, d.dtype) - d
    values = np.where(labels > 0, d, np.maximum(short, 0))
    gradient = np.where(labels > 0, d.dtype.type(1), -(short > 0).astype(d.dtype))
    return reduced(values, (gradient,), reduction, with_gradient, sample_weight)
