r"""Multiclass hinges of scores s for K classes.

All take ``(y, scores, *, ..., reduction="mean", with_gradient=False)``:

y : array-like of shape (n,)
    Class numbers 0 to K - 1.
scores : array-like of shape (n, K), float32 or float64
reduction : {"mean", "sum", "none"}
    Over the n examples, never over classes.
with_gradient : bool
    Return ``(value, gradient)``, the derivative of the value by the scores, of shape (n, K); with
    "none" each row is the derivative of its own value. At a kink it is one of the subgradients.

They raise ValueError for class numbers out of range, shapes that differ, empty input, NaN and inf.
Time and memory are O(n K).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_unmasked
from structsvm.hinge._reduction import check_array, check_magnitude, check_number, reduced
from structsvm.losses import HammingLoss

__all__ = ["crammer_singer", "lee_lin_wahba", "weston_watkins"]


def _checked(y: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.intp], NDArray[Any]]:
    scores = check_array("scores", scores, ndim=2)
    labels = check_unmasked("y", y, np.asarray(y))
    if labels.shape != scores.shape[:1]:
        raise ValueError(f"y has shape {labels.shape}, expected ({len(scores)},)")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"y has dtype {labels.dtype}, expected class numbers (integers)")
    if labels.min() < 0 or labels.max() >= scores.shape[1]:
        place = int(np.flatnonzero((labels < 0) | (labels >= scores.shape[1]))[0])
        raise ValueError(
            f"y[{place}] is {labels[place]}, expected a class number from 0 to "
            f"{scores.shape[1] - 1}"
        )
    return labels.astype(np.intp), scores


def crammer_singer(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    cost: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Hinge of the worst class: :math:`\max_k \; \Delta(y, k) + s_k - s_y`.

    The structured hinge for a single label. At least the cost of predicting the class with the
    greatest score; not Fisher consistent where no class has half of the probability.

    Parameters
    ----------
    cost : array-like of shape (K, K), default=None
        ``cost[a, b]``: Delta of answering b where a is right; zero on the diagonal. None is 1 for
        each wrong class.

    Source: K. Crammer, Y. Singer (2001). On the algorithmic implementation of multiclass
    kernel-based vector machines. JMLR 2.

    Examples
    --------
    >>> from structsvm.hinge import crammer_singer
    >>> crammer_singer([0, 2], [[2.0, 0.5, 0.0], [0.0, 1.0, 1.5]], reduction="none")
    array([0. , 0.5])
    """
    labels, s = _checked(y, scores)
    rows = np.arange(len(s))
    costs = HammingLoss(cost=cost).cost_matrix(s.shape[1])
    check_magnitude("cost", costs, s.dtype)
    deltas = costs.astype(s.dtype)
    augmented = deltas[labels] + s - s[rows, labels][:, None]
    # The truth has 0 there and wins ties: the subgradient is 0 where the margin is just kept.
    worst = np.where(augmented.max(axis=1) > 0, augmented.argmax(axis=1), labels)
    gradient = np.zeros_like(s)
    gradient[rows, worst] += 1
    gradient[rows, labels] -= 1
    return reduced(augmented[rows, worst], (gradient,), reduction, with_gradient)


def weston_watkins(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    margin: float = 1.0,
    power: int = 1,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Sum over wrong classes: :math:`\sum_{k \ne y} \max(0, \mathrm{margin} + s_k - s_y)^p`.

    The sum itself, as in the source; some frameworks divide it by K. Not Fisher consistent.

    Parameters
    ----------
    margin : float, default=1.0
    power : {1, 2}, default=1
        p.

    Source: J. Weston, C. Watkins (1999). Support vector machines for multi-class pattern
    recognition. ESANN.

    Examples
    --------
    >>> from structsvm.hinge import weston_watkins
    >>> float(weston_watkins([0], [[1.0, 0.5, 1.0]]))
    1.5
    """
    labels, s = _checked(y, scores)
    margin = check_number("margin", margin, s.dtype)
    if power not in (1, 2):
        raise ValueError(f"power={power!r}: expected 1 or 2")
    rows = np.arange(len(s))
    short = np.maximum(margin + s - s[rows, labels][:, None], 0)
    short[rows, labels] = 0
    gradient = (short > 0).astype(s.dtype) if power == 1 else 2 * short
    gradient[rows, labels] = -gradient.sum(axis=1)
    return reduced((short**power).sum(axis=1), (gradient,), reduction, with_gradient)


def lee_lin_wahba(
    y: ArrayLike, scores: ArrayLike, *, reduction: str = "mean", with_gradient: bool = False
) -> Any:
    r"""Sum of wrong scores: :math:`\sum_{k \ne y} \max(0, \bar s_k + \tfrac{1}{K - 1})`.

    It is defined for scores that sum to zero, so :math:`\bar s = s - \mathrm{mean}(s)` enters and
    the gradient sums to zero as well. Fisher consistent: the minimiser scores the most
    probable class highest.

    Source: Y. Lee, Y. Lin, G. Wahba (2004). Multicategory support vector machines. Journal of the
    American Statistical Association 99. doi:10.1198/016214504000000098

    Examples
    --------
    >>> from structsvm.hinge import lee_lin_wahba
    >>> lee_lin_wahba([0, 0], [[1.0, -0.5, -0.5], [0.0, 0.0, 0.0]], reduction="none")
    array([0., 1.])
    """
    labels, s = _checked(y, scores)
    n_classes = s.shape[1]
    if n_classes < 2:
        raise ValueError("scores has 1 class, expected at least 2")
    rows = np.arange(len(s))
    short = s - s.mean(axis=1, keepdims=True) + s.dtype.type(1 / (n_classes - 1))
    short = np.maximum(short, 0)
    short[rows, labels] = 0
    gradient = (short > 0).astype(s.dtype)
    gradient -= gradient.mean(axis=1, keepdims=True)
    return reduced(short.sum(axis=1), (gradient,), reduction, with_gradient)
