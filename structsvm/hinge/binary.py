r"""Losses of a score for labels -1 and +1, as functions of the margin m = y * score.

All take ``(y, scores, *, sample_weight=None, reduction="mean", with_gradient=False)``; the
parameters in common:

y : array-like of the scores' shape, or one that broadcasts to it
    -1 and +1. Labels 0 and 1 are refused.
scores : array-like of any shape, float32 or float64
sample_weight : array-like that broadcasts to the scores' shape, default=None
    Factor of each loss, >= 0. The mean is then the weighted mean, as in scikit-learn. Scores of
    weight 0 count for nothing.
reduction : {"mean", "sum", "none"}
with_gradient : bool
    Return ``(value, gradient)``, the derivative of the value by the scores, of their shape; with
    "none" each entry is the derivative of its own value. At a kink it is the subgradient nearest
    to zero.

They raise ValueError for labels other than -1 and +1, shapes that do not fit, empty input, NaN and
inf, and for scores so large that a value overflows. Time and memory are O(n).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from structsvm.hinge._reduction import check_array, check_labels, check_number, named, reduced

__all__ = [
    "exponential",
    "hinge",
    "huberized_hinge",
    "logistic",
    "modified_huber",
    "perceptron",
    "savage",
    "smoothed_hinge",
    "softplus_hinge",
    "squared",
    "squared_hinge",
]

# The exponential of more, and sums of it, do not fit the type.
_LARGEST_EXPONENT = {np.dtype(np.float32): 60.0, np.dtype(np.float64): 600.0}


def _margins(
    y: ArrayLike, scores: ArrayLike, *, squares: bool = False
) -> tuple[NDArray[Any], NDArray[Any]]:
    scores = check_array("scores", scores, squares=squares)
    labels = check_labels(y, scores)
    return labels, labels * scores


def hinge(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    margin: float = 1.0,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Hinge: :math:`\max(0, \gamma - m)`. Convex, 1-Lipschitz, at least gamma times the 0-1 loss.

    Parameters
    ----------
    y : array-like of -1 and +1
        Of the scores' shape, or one that broadcasts to it.
    scores : array-like of any shape
        float32 or float64.
    margin : float, default=1.0
        gamma.
    sample_weight : array-like that broadcasts to the scores' shape, default=None
        Factor of each loss, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or the value of each score.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    C. Cortes, V. Vapnik (1995). Support-vector networks. Machine Learning 20.
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
    short = np.maximum(check_number("margin", margin, m.dtype) - m, 0)
    return reduced(short, (-labels * (short > 0),), reduction, with_gradient, sample_weight)


def squared_hinge(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    margin: float = 1.0,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Squared hinge: :math:`\max(0, \gamma - m)^2`. Convex, differentiable.

    At least gamma^2 times the 0-1 loss.

    Parameters
    ----------
    y : array-like of -1 and +1
        Of the scores' shape, or one that broadcasts to it.
    scores : array-like of any shape
        float32 or float64.
    margin : float, default=1.0
        gamma.
    sample_weight : array-like that broadcasts to the scores' shape, default=None
        Factor of each loss, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or the value of each score.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    O. Mangasarian, D. Musicant (2001). Lagrangian support vector machines. JMLR 1.

    Examples
    --------
    >>> from structsvm.hinge import squared_hinge
    >>> float(squared_hinge([1, 1], [-1.0, 0.5], reduction="sum"))
    4.25
    """
    labels, m = _margins(y, scores, squares=True)
    short = np.maximum(check_number("margin", margin, m.dtype) - m, 0)
    return reduced(short**2, (-2 * labels * short,), reduction, with_gradient, sample_weight)


def smoothed_hinge(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Smooth hinge of Rennie and Srebro: 1/2 - m for m <= 0, (1 - m)^2 / 2 up to 1, then 0.

    Convex, 1-Lipschitz, with a derivative that is 1-Lipschitz too. 1/2 at m = 0, so no upper bound
    of the 0-1 loss.

    Parameters
    ----------
    y : array-like of -1 and +1
        Of the scores' shape, or one that broadcasts to it.
    scores : array-like of any shape
        float32 or float64.
    sample_weight : array-like that broadcasts to the scores' shape, default=None
        Factor of each loss, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or the value of each score.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    J. Rennie, N. Srebro (2005). Loss functions for preference levels: regression with
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
    return reduced(values, (-labels * slope,), reduction, with_gradient, sample_weight)


def huberized_hinge(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    width: float = 0.5,
    margin: float = 1.0,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Hinge whose kink is a parabola of half-width h around m = gamma.

    With :math:`v = \gamma - m`: v for v > h, :math:`(h + v)^2 / (4h)` for :math:`|v| \le h`, else
    0. Convex, 1-Lipschitz, differentiable, at least the hinge.

    Parameters
    ----------
    y : array-like of -1 and +1
        Of the scores' shape, or one that broadcasts to it.
    scores : array-like of any shape
        float32 or float64.
    width : float, default=0.5
        h, > 0.
    margin : float, default=1.0
        gamma.
    sample_weight : array-like that broadcasts to the scores' shape, default=None
        Factor of each loss, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or the value of each score.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    O. Chapelle (2007). Training a support vector machine in the primal. Neural Computation
    19. doi:10.1162/neco.2007.19.5.1155

    Examples
    --------
    >>> from structsvm.hinge import huberized_hinge
    >>> huberized_hinge([1, 1, 1], [-1.0, 1.0, 2.0], width=0.5, reduction="none")
    array([2.   , 0.125, 0.   ])
    """
    labels, m = _margins(y, scores, squares=True)
    h = check_number("width", width, m.dtype, positive=True)
    short = check_number("margin", margin, m.dtype) - m
    slope = np.clip((h + short) / (2 * h), 0, 1)
    values = np.where(short > h, short, h * slope**2)
    return reduced(values, (-labels * slope,), reduction, with_gradient, sample_weight)


def modified_huber(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Modified Huber loss: :math:`\max(0, 1 - m)^2` for m >= -1, else -4m.

    Convex, differentiable, 4-Lipschitz, at least the 0-1 loss.

    Parameters
    ----------
    y : array-like of -1 and +1
        Of the scores' shape, or one that broadcasts to it.
    scores : array-like of any shape
        float32 or float64.
    sample_weight : array-like that broadcasts to the scores' shape, default=None
        Factor of each loss, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or the value of each score.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    T. Zhang (2004). Solving large scale linear prediction problems using stochastic
    gradient descent algorithms. ICML. doi:10.1145/1015330.1015332

    Examples
    --------
    >>> from structsvm.hinge import modified_huber
    >>> modified_huber([1, 1, 1], [-2.0, 0.5, 2.0], reduction="none")
    array([8.  , 0.25, 0.  ])
    """
    labels, m = _margins(y, scores)
    short = np.clip(1 - m, 0, 2)
    values = np.where(m < -1, -4 * m, short**2)
    return reduced(values, (-2 * labels * short,), reduction, with_gradient, sample_weight)


def softplus_hinge(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    beta: float = 1.0,
    margin: float = 1.0,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Log-sum-exp of the hinge: :math:`\log(1 + e^{\beta (\gamma - m)}) / \beta`.

    Convex, smooth, 1-Lipschitz; above the hinge by at most log(2) / beta. No overflow for any m.

    Parameters
    ----------
    y : array-like of -1 and +1
        Of the scores' shape, or one that broadcasts to it.
    scores : array-like of any shape
        float32 or float64.
    beta : float, default=1.0
        > 0; the hinge is the limit of large beta.
    margin : float, default=1.0
        gamma. With 0 and beta = 1 this is `logistic`.
    sample_weight : array-like that broadcasts to the scores' shape, default=None
        Factor of each loss, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or the value of each score.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    T. Zhang, F. Oles (2001). Text categorization based on regularized linear classification
    methods. Information Retrieval 4. doi:10.1023/A:1011441423217

    Examples
    --------
    >>> from structsvm.hinge import softplus_hinge
    >>> round(float(softplus_hinge([1], [1.0], beta=2.0)), 6)
    0.346574
    >>> float(softplus_hinge([1], [-1e6]))
    1000001.0
    """
    labels, m = _margins(y, scores, squares=True)
    b = check_number("beta", beta, m.dtype, positive=True)
    exponent = b * (check_number("margin", margin, m.dtype) - m)
    values = np.logaddexp(m.dtype.type(0), exponent) / b
    return reduced(values, (-labels * expit(exponent),), reduction, with_gradient, sample_weight)


def perceptron(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Perceptron loss: :math:`\max(0, -m)`. Convex, 1-Lipschitz, no margin.

    Parameters
    ----------
    y : array-like of -1 and +1
        Of the scores' shape, or one that broadcasts to it.
    scores : array-like of any shape
        float32 or float64.
    sample_weight : array-like that broadcasts to the scores' shape, default=None
        Factor of each loss, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or the value of each score.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    F. Rosenblatt (1958). The perceptron: a probabilistic model for information storage and
    organization in the brain. Psychological Review 65. doi:10.1037/h0042519

    Examples
    --------
    >>> from structsvm.hinge import perceptron
    >>> float(perceptron([1, -1], [0.5, 0.5], reduction="sum"))
    0.5
    """
    labels, m = _margins(y, scores)
    return reduced(np.maximum(-m, 0), (-labels * (m < 0),), reduction, with_gradient, sample_weight)


def logistic(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Logistic loss: :math:`\log(1 + e^{-m})`. Convex, smooth, 1-Lipschitz; no margin.

    log(2) at m = 0: divided by that it is at least the 0-1 loss. It is the cross-entropy of the
    probability :math:`1 / (1 + e^{-s})` of label +1, and its minimiser the logarithm of the odds.
    No overflow for any m.

    Parameters
    ----------
    y : array-like of -1 and +1
        Of the scores' shape, or one that broadcasts to it.
    scores : array-like of any shape
        float32 or float64.
    sample_weight : array-like that broadcasts to the scores' shape, default=None
        Factor of each loss, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or the value of each score.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    J. Friedman, T. Hastie, R. Tibshirani (2000). Additive logistic regression: a
    statistical view of boosting. Annals of Statistics 28. doi:10.1214/aos/1016218223

    Examples
    --------
    >>> from structsvm.hinge import logistic
    >>> round(float(logistic([1], [0.0])), 6)
    0.693147
    >>> float(logistic([1], [-1e6]))
    1000000.0
    """
    labels, m = _margins(y, scores)
    values = np.logaddexp(m.dtype.type(0), -m)
    return reduced(values, (-labels * expit(-m),), reduction, with_gradient, sample_weight)


def exponential(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Exponential loss: :math:`e^{-m}`. Convex, smooth, at least the 0-1 loss; of boosting.

    One wrong row of a large score outweighs all others, and below a margin of some -600 (-60 in
    float32) values do not fit their type: such scores are refused.

    Parameters
    ----------
    y : array-like of -1 and +1
        Of the scores' shape, or one that broadcasts to it.
    scores : array-like of any shape
        float32 or float64.
    sample_weight : array-like that broadcasts to the scores' shape, default=None
        Factor of each loss, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or the value of each score.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    Y. Freund, R. Schapire (1997). A decision-theoretic generalization of on-line learning
    and an application to boosting. Journal of Computer and System Sciences 55.
    doi:10.1006/jcss.1997.1504

    Examples
    --------
    >>> from structsvm.hinge import exponential
    >>> exponential([1, -1], [0.0, 0.0], reduction="none", with_gradient=True)
    (array([1., 1.]), array([-1.,  1.]))
    """
    labels, m = _margins(y, scores)
    least = -_LARGEST_EXPONENT[m.dtype]
    if (m < least).any():
        place = tuple(int(k) for k in np.argwhere(m < least)[0])
        raise ValueError(
            f"{named('scores', place)} is at the margin {m[place]:g}, where the exponential "
            f"overflows: expected a margin of at least {least:g}"
        )
    values = np.exp(-m)
    return reduced(values, (-labels * values,), reduction, with_gradient, sample_weight)


def savage(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Savage loss: :math:`1 / (1 + e^{2 m})^2`. Smooth, below 1, not convex.

    1/4 at m = 0. It stays bounded where labels are wrong, so that outliers do not decide.

    Parameters
    ----------
    y : array-like of -1 and +1
        Of the scores' shape, or one that broadcasts to it.
    scores : array-like of any shape
        float32 or float64.
    sample_weight : array-like that broadcasts to the scores' shape, default=None
        Factor of each loss, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or the value of each score.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    H. Masnadi-Shirazi, N. Vasconcelos (2008). On the design of loss functions for
    classification: theory, robustness to outliers, and SavageBoost. NIPS. (Others leave out
    the factor 2: ``savage(y, scores / 2)``.)

    Examples
    --------
    >>> from structsvm.hinge import savage
    >>> savage([1, 1, 1], [-1e6, 0.0, 1e6], reduction="none")
    array([1.  , 0.25, 0.  ])
    """
    labels, m = _margins(y, scores)
    share = expit(-2 * m)
    slope = -4 * labels * share**2 * expit(2 * m)
    return reduced(share**2, (slope,), reduction, with_gradient, sample_weight)


def squared(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Squared loss: :math:`(1 - m)^2`, which is :math:`(y - s)^2`. Convex, at least the 0-1 loss.

    Scores that are right by more than the margin cost as much as those that fall short of it.

    Parameters
    ----------
    y : array-like of -1 and +1
        Of the scores' shape, or one that broadcasts to it.
    scores : array-like of any shape
        float32 or float64.
    sample_weight : array-like that broadcasts to the scores' shape, default=None
        Factor of each loss, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        What is returned: one number, or the value of each score.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    J. Suykens, J. Vandewalle (1999). Least squares support vector machine classifiers.
    Neural Processing Letters 9. doi:10.1023/A:1018628609742

    Examples
    --------
    >>> from structsvm.hinge import squared
    >>> squared([1, 1, -1], [0.5, 2.0, -1.0], reduction="none")
    array([0.25, 1.  , 0.  ])
    """
    labels, m = _margins(y, scores, squares=True)
    values = (1 - m) ** 2
    return reduced(values, (-2 * labels * (1 - m),), reduction, with_gradient, sample_weight)
