r"""Multiclass hinges of scores s for K classes.

All take ``(y, scores, *, ..., sample_weight=None, ignore_index=None, reduction="mean",
with_gradient=False)``:

y : array-like of shape (n,)
    Class numbers 0 to K - 1, or `ignore_index`.
scores : array-like of shape (n, K), float32 or float64
sample_weight : array-like of shape (n,) or (), default=None
    Factor of each example's loss, >= 0. The mean is then the weighted mean.
ignore_index : int, default=None
    Rows with this in y have the value and the gradient 0 and do not count in the mean, which is 0
    if none is left. None: all count.
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

from structsvm.hinge._reduction import (
    check_choice,
    check_classes,
    check_flag,
    check_magnitude,
    check_number,
    reduced,
)
from structsvm.losses import HammingLoss

__all__ = [
    "carlini_wagner",
    "categorical_hinge",
    "crammer_singer",
    "cross_entropy",
    "lee_lin_wahba",
    "one_vs_all",
    "weston_watkins",
]

_POWERS = (1, 2)


def crammer_singer(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    cost: ArrayLike | None = None,
    margin: float = 1.0,
    power: int = 1,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Hinge of the worst class: :math:`(\max_k \gamma \Delta(y, k) + s_k - s_y)^p`.

    The structured hinge for a single label. At least the cost of predicting the class with the
    greatest score; not Fisher consistent where no class has half of the probability.

    Parameters
    ----------
    y : array-like of shape (n,)
        Class numbers 0 to K - 1, or `ignore_index`.
    scores : array-like of shape (n, K)
        float32 or float64.
    cost : array-like of shape (K, K), default=None
        ``cost[a, b]``: Delta of answering b where a is right; zero on the diagonal. None is 1 for
        each wrong class.
    margin : float, default=1.0
        gamma.
    power : {1, 2}, default=1
        p.
    sample_weight : array-like of shape (n,) or (), default=None
        Factor of each example's loss, >= 0. The mean is then the weighted mean.
    ignore_index : int, default=None
        Rows with this in y have the value and the gradient 0, and do not count in the mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the n examples, never over classes.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    K. Crammer, Y. Singer (2001). On the algorithmic implementation of multiclass
    kernel-based vector machines. JMLR 2.

    Examples
    --------
    >>> from structsvm.hinge import crammer_singer
    >>> crammer_singer([0, 2], [[2.0, 0.5, 0.0], [0.0, 1.0, 1.5]], reduction="none")
    array([0. , 0.5])
    """
    labels, s, counts = check_classes(y, scores, ignore_index)
    check_choice("power", power, _POWERS)
    rows = np.arange(len(s))
    costs = HammingLoss(cost=cost).cost_matrix(s.shape[1])
    check_magnitude("cost", costs, s.dtype)
    deltas = costs.astype(s.dtype) * check_number("margin", margin, s.dtype)
    check_magnitude("margin * cost", deltas, s.dtype)
    augmented = deltas[labels] + s - s[rows, labels][:, None]
    # The truth has 0 there and wins ties: the subgradient is 0 where the margin is just kept.
    worst = np.where(augmented.max(axis=1) > 0, augmented.argmax(axis=1), labels)
    values = augmented[rows, worst]
    slopes = np.ones_like(values) if power == 1 else 2 * values
    gradient = np.zeros_like(s)
    gradient[rows, worst] += slopes
    gradient[rows, labels] -= slopes
    values = values if power == 1 else values**2
    return _over_rows(values, gradient, counts, reduction, with_gradient, sample_weight)


def weston_watkins(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    margin: float = 1.0,
    power: int = 1,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Sum over wrong classes: :math:`\sum_{k \ne y} \max(0, \mathrm{margin} + s_k - s_y)^p`.

    The sum itself, as in the source; some frameworks divide it by K. Not Fisher consistent.

    Parameters
    ----------
    y : array-like of shape (n,)
        Class numbers 0 to K - 1, or `ignore_index`.
    scores : array-like of shape (n, K)
        float32 or float64.
    margin : float, default=1.0
    power : {1, 2}, default=1
        p.
    sample_weight : array-like of shape (n,) or (), default=None
        Factor of each example's loss, >= 0. The mean is then the weighted mean.
    ignore_index : int, default=None
        Rows with this in y have the value and the gradient 0, and do not count in the mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the n examples, never over classes.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    J. Weston, C. Watkins (1999). Support vector machines for multi-class pattern
    recognition. ESANN.

    Examples
    --------
    >>> from structsvm.hinge import weston_watkins
    >>> float(weston_watkins([0], [[1.0, 0.5, 1.0]]))
    1.5
    """
    labels, s, counts = check_classes(y, scores, ignore_index)
    margin = check_number("margin", margin, s.dtype)
    check_choice("power", power, _POWERS)
    rows = np.arange(len(s))
    short = np.maximum(margin + s - s[rows, labels][:, None], 0)
    short[rows, labels] = 0
    gradient = (short > 0).astype(s.dtype) if power == 1 else 2 * short
    gradient[rows, labels] = -gradient.sum(axis=1)
    values = (short**power).sum(axis=1)
    return _over_rows(values, gradient, counts, reduction, with_gradient, sample_weight)


def lee_lin_wahba(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    margin: float = 1.0,
    power: int = 1,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Sum of wrong scores: :math:`\sum_{k \ne y} \max(0, \bar s_k + \tfrac{\gamma}{K - 1})^p`.

    It is defined for scores that sum to zero, so :math:`\bar s = s - \mathrm{mean}(s)` enters and
    the gradient sums to zero as well. Fisher consistent: the minimiser scores the most
    probable class highest.

    Parameters
    ----------
    y : array-like of shape (n,)
        Class numbers 0 to K - 1, or `ignore_index`.
    scores : array-like of shape (n, K)
        float32 or float64.
    margin : float, default=1.0
        gamma.
    power : {1, 2}, default=1
        p.
    sample_weight : array-like of shape (n,) or (), default=None
        Factor of each example's loss, >= 0. The mean is then the weighted mean.
    ignore_index : int, default=None
        Rows with this in y have the value and the gradient 0, and do not count in the mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the n examples, never over classes.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    Y. Lee, Y. Lin, G. Wahba (2004). Multicategory support vector machines. Journal of the
    American Statistical Association 99. doi:10.1198/016214504000000098

    Examples
    --------
    >>> from structsvm.hinge import lee_lin_wahba
    >>> lee_lin_wahba([0, 0], [[1.0, -0.5, -0.5], [0.0, 0.0, 0.0]], reduction="none")
    array([0., 1.])
    """
    labels, s, counts = check_classes(y, scores, ignore_index)
    check_choice("power", power, _POWERS)
    n_classes = s.shape[1]
    if n_classes < 2:
        raise ValueError("scores has 1 class, expected at least 2")
    rows = np.arange(len(s))
    margin = check_number("margin", margin, s.dtype)
    short = s - s.mean(axis=1, keepdims=True) + margin * s.dtype.type(1 / (n_classes - 1))
    short = np.maximum(short, 0)
    short[rows, labels] = 0
    gradient = (short > 0).astype(s.dtype) if power == 1 else 2 * short
    gradient -= gradient.mean(axis=1, keepdims=True)
    values = (short**power).sum(axis=1)
    return _over_rows(values, gradient, counts, reduction, with_gradient, sample_weight)


def one_vs_all(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    margin: float = 1.0,
    power: int = 1,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""A hinge for each class: :math:`\sum_k \max(0, \gamma - t_k s_k)^p`, t_y = 1, else t_k = -1.

    The classes do not compete: each score is that of a binary problem. The mean over examples for
    each class by itself, which torchmetrics gives with ``multiclass_mode="one-vs-all"``, is
    ``hinge(2 * (y[:, None] == range(K)) - 1, scores, reduction="none").mean(axis=0)``.

    Parameters
    ----------
    y : array-like of shape (n,)
        Class numbers 0 to K - 1, or `ignore_index`.
    scores : array-like of shape (n, K)
        float32 or float64.
    margin : float, default=1.0
        gamma.
    power : {1, 2}, default=1
        p.
    sample_weight : array-like of shape (n,) or (), default=None
        Factor of each example's loss, >= 0. The mean is then the weighted mean.
    ignore_index : int, default=None
        Rows with this in y have the value and the gradient 0, and do not count in the mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the n examples, never over classes.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    R. Rifkin, A. Klautau (2004). In defense of one-vs-all classification. JMLR 5.

    Examples
    --------
    >>> from structsvm.hinge import one_vs_all
    >>> float(one_vs_all([0], [[1.0, -0.5, -1.0]]))
    0.5
    """
    labels, s, counts = check_classes(y, scores, ignore_index)
    check_choice("power", power, _POWERS)
    signs = np.full(s.shape, -1, dtype=s.dtype)
    signs[np.arange(len(s)), labels] = 1
    short = np.maximum(check_number("margin", margin, s.dtype) - signs * s, 0)
    slopes = (short > 0).astype(s.dtype) if power == 1 else 2 * short
    values = (short**power).sum(axis=1)
    return _over_rows(values, -signs * slopes, counts, reduction, with_gradient, sample_weight)


def categorical_hinge(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    margin: float = 1.0,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Keras' hinge: :math:`\max(0, \gamma + \max(0, \max_{k \ne y} s_k) - s_y)`.

    It differs from `crammer_singer` in that 0 enters the inner maximum: where all wrong scores are
    below 0 the right one must still reach gamma. So the value changes when a constant is added to
    all scores of a row, and it is never below that of `crammer_singer`.

    Parameters
    ----------
    y : array-like of shape (n,)
        Class numbers 0 to K - 1, or `ignore_index`.
    scores : array-like of shape (n, K)
        float32 or float64.
    margin : float, default=1.0
        gamma.
    sample_weight : array-like of shape (n,) or (), default=None
        Factor of each example's loss, >= 0. The mean is then the weighted mean.
    ignore_index : int, default=None
        Rows with this in y have the value and the gradient 0, and do not count in the mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the n examples, never over classes.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    F. Chollet and others, Keras, ``keras.losses.CategoricalHinge``, whose labels are
    one-hot rows.

    Examples
    --------
    >>> from structsvm.hinge import categorical_hinge, crammer_singer
    >>> y, scores = [0], [[0.25, -1.0, -2.0]]
    >>> float(categorical_hinge(y, scores)), float(crammer_singer(y, scores))
    (0.75, 0.0)
    """
    labels, s, counts = check_classes(y, scores, ignore_index, squares=False)
    margin = check_number("margin", margin, s.dtype)
    rows = np.arange(len(s))
    others = s.copy()
    others[rows, labels] = 0  # the 0 in the maximum
    worst = others.argmax(axis=1)
    # Of equals 0 wins: of all subgradients that leaves the wrong scores alone.
    worst = np.where(others[rows, worst] > 0, worst, labels)
    short = margin + others[rows, worst] - s[rows, labels]
    violated = (short > 0).astype(s.dtype)
    gradient = np.zeros_like(s)
    gradient[rows, worst] = np.where(worst == labels, 0, violated)
    gradient[rows, labels] = -violated
    values = np.maximum(short, 0)
    return _over_rows(values, gradient, counts, reduction, with_gradient, sample_weight)


def cross_entropy(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Cross-entropy of the softmax: :math:`\log \sum_k e^{s_k} - s_y`. No hinge: to compare with.

    Convex, smooth, no margin; for two classes `logistic` of the difference of their scores. At
    least log(2) times the 0-1 loss. No overflow for any scores.

    Parameters
    ----------
    y : array-like of shape (n,)
        Class numbers 0 to K - 1, or `ignore_index`.
    scores : array-like of shape (n, K)
        float32 or float64.
    sample_weight : array-like of shape (n,) or (), default=None
        Factor of each example's loss, >= 0. The mean is then the weighted mean.
    ignore_index : int, default=None
        Rows with this in y have the value and the gradient 0, and do not count in the mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the n examples, never over classes.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    J. Bridle (1990). Probabilistic interpretation of feedforward classification network
    outputs. Neurocomputing. doi:10.1007/978-3-642-76153-9_28

    Examples
    --------
    >>> from structsvm.hinge import cross_entropy
    >>> round(float(cross_entropy([0], [[0.0, 0.0]])), 6)
    0.693147
    """
    labels, s, counts = check_classes(y, scores, ignore_index, squares=False)
    rows = np.arange(len(s))
    values, shares = softmax_terms(s, labels)
    shares[rows, labels] -= 1
    return _over_rows(values, shares, counts, reduction, with_gradient, sample_weight)


def carlini_wagner(
    y: ArrayLike,
    scores: ArrayLike,
    *,
    confidence: float = 0.0,
    targeted: bool = True,
    sample_weight: ArrayLike | None = None,
    ignore_index: int | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Margin loss of attacks: :math:`\max(-\kappa, \max_{k \ne t} s_k - s_t)`, minimised by x.

    It is -kappa once the target t wins by kappa. The only loss here that is below 0. Untargeted,
    y are the right classes, which shall lose: :math:`\max(-\kappa, s_y - \max_{k \ne y} s_k)`,
    which is not convex in the scores.

    Parameters
    ----------
    y : array-like of shape (n,)
        Class numbers 0 to K - 1, or `ignore_index`.
    scores : array-like of shape (n, K)
        float32 or float64.
    confidence : float, default=0.0
        kappa, >= 0.
    targeted : bool, default=True
        Whether y are the classes to reach, or else those to leave.
    sample_weight : array-like of shape (n,) or (), default=None
        Factor of each example's loss, >= 0. The mean is then the weighted mean.
    ignore_index : int, default=None
        Rows with this in y have the value and the gradient 0, and do not count in the mean.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over the n examples, never over classes.
    with_gradient : bool, default=False
        Return ``(value, gradient)``, the derivative of the value by the scores.

    References
    ----------
    N. Carlini, D. Wagner (2017). Towards evaluating the robustness of neural networks. IEEE
    Symposium on Security and Privacy. doi:10.1109/SP.2017.49

    Examples
    --------
    >>> from structsvm.hinge import carlini_wagner
    >>> carlini_wagner([1, 1], [[3.0, 1.0], [0.0, 5.0]], confidence=2.0, reduction="none")
    array([ 2., -2.])
    """
    labels, s, counts = check_classes(y, scores, ignore_index, squares=False)
    if s.shape[1] < 2:
        raise ValueError("scores has 1 class, expected at least 2")
    check_flag("targeted", targeted)
    kappa = check_number("confidence", confidence, s.dtype)
    if kappa < 0:
        raise ValueError(f"confidence={confidence!r}: expected a number >= 0")
    rows = np.arange(len(s))
    others = s.copy()
    others[rows, labels] = -np.inf
    best = others.argmax(axis=1)
    lead = others[rows, best] - s[rows, labels]
    lead, sign = (lead, 1) if targeted else (-lead, -1)
    slopes = sign * (lead > -kappa).astype(s.dtype)
    gradient = np.zeros_like(s)
    gradient[rows, best] = slopes
    gradient[rows, labels] = -slopes
    values = np.maximum(lead, -kappa)
    return _over_rows(values, gradient, counts, reduction, with_gradient, sample_weight)


def softmax_terms(s: NDArray[Any], labels: NDArray[np.intp]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Minus the logarithm of each row's softmax at its label, and the softmax."""
    shifted = s - s.max(axis=1, keepdims=True)
    shares = np.exp(shifted)
    totals = shares.sum(axis=1)
    values = np.log(totals) - shifted[np.arange(len(s)), labels]
    return values, shares / totals[:, None]


def _over_rows(
    values: NDArray[Any],
    gradient: NDArray[Any],
    counts: NDArray[np.bool_] | None,
    reduction: str,
    with_gradient: bool,
    sample_weight: ArrayLike | None,
) -> Any:
    """The values of rows reduced, over those that count."""
    if counts is not None:
        values, gradient = np.where(counts, values, 0), np.where(counts[:, None], gradient, 0)
    return reduced(values, (gradient,), reduction, with_gradient, sample_weight, counts=counts)
