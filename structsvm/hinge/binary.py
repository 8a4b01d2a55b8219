r"""Hinges of a score for labels -1 and +1, as functions of the margin m = y * score.

All take ``(y, scores, *, reduction="mean", with_gradient=False)``; the parameters in common:

y : array-like of the scores' shape
    -1 and +1. Labels 0 and 1 are refused.
scores : array-like of any shape, float32 or float64
reduction : {"mean", "sum", "none"}
with_gradient : bool
    Return ``(value, gradient)``, the derivative of the value by the scores, of their shape; with
    "none" each entry is the derivative of its own value. At a kink it is the subgradient nearest
    to zero.

They raise ValueError for labels other than -1 and +1, shapes that differ, empty input, NaN and inf.
Time and memory are O(n).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from structsvm.hinge._reduction import check_array, check_labels, check_number, reduced

__all__ = [
    "hinge",
    "huberized_hinge",
    "modified_huber",
    "perceptron",
    "smoothed_hinge",
    "softplus_hinge",
    "squared_hinge",
]


def _margins(y: ArrayLike, scores: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    scores = check_array("scores", scores)
    labels = check_labels(y, scores)
    return labels, labels * scores


def hinge(
    y: ArrayLike, scores: ArrayLike, *, reduction: str = "mean", with_gradient: bool = False
) -> Any:
    r"""Hinge: :math:`\max(0, 1 - m)`. Convex, 1-Lipschitz, at least the 0-1 loss.

    Source: C. Cortes, V. Vapnik (1995). Support-vector networks. Machine Learning 20.
    doi:10.1007/BF00994018

    Examples
    --------
    >>> from structsvm.hinge import hinge
    >>> float(hinge([1, -1, 1], [2.5, -2.5, 0.5], reduction="sum"))
    0.5
    >>> hinge([1, -1, 1], [2.5, -2.5, 0.5], reduction="none", with_gradient=True)[1]
    array([-0., 0., -1.])
    """
    labels, m = _margins(y, scores)
    return reduced(np.maximum(1 - m, 0), (-labels * (m < 1),), reduction, with_gradient)


def squared_hinge(
    y: ArrayLike, scores: ArrayLike, *, reduction: str = "mean", with_gradient: bool = False
) -> Any:
    r"""Squared hinge: :math:`\max(0, 1 - m)^2`. Convex, differentiable, at least the 0-1 loss.

    Source: O. Mangasarian, D. Musicant (2001). Lagrangian support vector machines. JMLR 1.

    Examples
    --------
    >>> from structsvm.hinge import squared_hinge
    >>> float(squared_hinge([1, 1], [-1.0, 0.5], reduction="sum"))
    4.25
    """
    labels, m = _margins(y, scores)
    short = np.maximum(1 - m, 0)
    return reduced(short**2, (-2 * labels * short,), reduction, with_gradient)


def smoothed_hinge(
    y: ArrayLike, scores: ArrayLike, *, reduction: str = "mean", with_gradient: bool = False
) -> Any:
    r"""Smooth hinge of Rennie and Srebro: 1/2 - m for m <= 0, (1 - m)^2 / 2 up to 1, then 0.

    Convex, 1-Lipschitz, with a derivative that is 1-Lipschitz too. 1/2 at m = 0, so no upper bound
    of the 0-1 loss.

    Source: J. Rennie, N. Srebro (2005). Loss functions for preference levels: regression with
    discrete ordered labels. IJCAI workshop on advances in preference handling.

    Examples
    --------
    >>> from structsvm.hinge import smoothed_hinge
    >>> smoothed_hinge([1, 1, 1], [-1.0, 0.5, 2.0], reduction="none")
    array([1.5  , 0.125, 0.   ])
    """
    labels, m = _margins(y, scores)
    slope = np.clip(1 - m, 0, 1)
    values = np.where(m <= 0, m.dtype.type(0.5) - m, slope**2 / 2)
    return reduced(values, (-labels * slope,), reduction, with_gradient)


def huberized_hinge(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    width: float = 0.5,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Hinge whose kink is a parabola of half-width h around m = 1.

    1 - m for m < 1 - h, :math:`(1 + h - m)^2 / (4h)` for :math:`|1 - m| \le h`, then 0. Convex,
    1-Lipschitz, differentiable, at least the hinge.

    Parameters
    ----------
    width : float, default=0.5
        h, > 0.

    Source: O. Chapelle (2007). Training a support vector machine in the primal. Neural Computation
    19. doi:10.1162/neco.2007.19.5.1155

    Examples
    --------
    >>> from structsvm.hinge import huberized_hinge
    >>> huberized_hinge([1, 1, 1], [-1.0, 1.0, 2.0], width=0.5, reduction="none")
    array([2.   , 0.125, 0.   ])
    """
    labels, m = _margins(y, scores)
    h = check_number("width", width, m.dtype, positive=True)
    slope = np.clip((1 + h - m) / (2 * h), 0, 1)
    values = np.where(m < 1 - h, 1 - m, h * slope**2)
    return reduced(values, (-labels * slope,), reduction, with_gradient)


def modified_huber(
    y: ArrayLike, scores: ArrayLike, *, reduction: str = "mean", with_gradient: bool = False
) -> Any:
    r"""Modified Huber loss: :math:`\max(0, 1 - m)^2` for m >= -1, else -4m.

    Convex, differentiable, 4-Lipschitz, at least the 0-1 loss.

    Source: T. Zhang (2004). Solving large scale linear prediction problems using stochastic
    gradient descent algorithms. ICML. doi:10.1145/1015330.1015332

    Examples
    --------
    >>> from structsvm.hinge import modified_huber
    >>> modified_huber([1, 1, 1], [-2.0, 0.5, 2.0], reduction="none")
    array([8.  , 0.25, 0.  ])
    """
    labels, m = _margins(y, scores)
    short = np.maximum(1 - m, 0)
    values = np.where(m < -1, -4 * m, short**2)
    return reduced(values, (-2 * labels * np.minimum(short, 2),), reduction, with_gradient)


def softplus_hinge(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    beta: float = 1.0,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Log-sum-exp of the hinge: :math:`\log(1 + e^{\beta (1 - m)}) / \beta`.

    Convex, smooth, 1-Lipschitz; above the hinge by at most log(2) / beta. No overflow for any m.

    Parameters
    ----------
    beta : float, default=1.0
        > 0; the hinge is the limit of large beta.

    Source: T. Zhang, F. Oles (2001). Text categorization based on regularized linear classification
    methods. Information Retrieval 4. doi:10.1023/A:1011441423217

    Examples
    --------
    >>> from structsvm.hinge import softplus_hinge
    >>> round(float(softplus_hinge([1], [1.0], beta=2.0)), 6)
    0.346574
    >>> float(softplus_hinge([1], [-1e6]))
    1000001.0
    """
    labels, m = _margins(y, scores)
    b = check_number("beta", beta, m.dtype, positive=True)
    exponent = b * (1 - m)
    values = np.logaddexp(m.dtype.type(0), exponent) / b
    return reduced(values, (-labels * expit(exponent),), reduction, with_gradient)


def perceptron(
    y: ArrayLike, scores: ArrayLike, *, reduction: str = "mean", with_gradient: bool = False
) -> Any:
    r"""Perceptron loss: :math:`\max(0, -m)`. Convex, 1-Lipschitz, no margin.

    Source: F. Rosenblatt (1958). The perceptron: a probabilistic model for information storage and
    organization in the brain. Psychological Review 65. doi:10.1037/h0042519

    Examples
    --------
    >>> from structsvm.hinge import perceptron
    >>> float(perceptron([1, -1], [0.5, 0.5], reduction="sum"))
    0.5
    """
    labels, m = _margins(y, scores)
    return reduced(np.maximum(-m, 0), (-labels * (m < 0),), reduction, with_gradient)
