"""Weights of classes by how well they can be told, chosen from data."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from structsvm.linalg._sums import decay, dot
from structsvm.problems._feature_rows import FeatureRows
from structsvm.solvers.newton import newton

__all__ = ["jaccard_weights", "logistic_regression"]

_FOLDS = 3
_MOST_ROWS = 90_000  # nodes that the regressions are trained and evaluated on
_PENALTY = 1e-6  # of half the squared norm, against the mean of the losses
_MOST_STEPS = 60
_FLAT = 1e-3  # the length of a gradient to stop at
_THRESHOLDS = np.arange(-5.0, 1.01, 0.25)
_LOWEST = 0.05  # indices below this count as this
_RARE = 1 / 3
_TINY = 1e-9  # a deviation of this share of a column's size is rounding


def jaccard_weights(
    nodes: Sequence[NDArray[np.floating]], numbers: NDArray[np.int32], n_classes: int
) -> NDArray[np.float64]:
    """1 / J of each class over the least of these, for the Jaccard index J that it can reach.

    Of two classes, one with less than a third of the nodes is taken as what is looked for: it
    weighs 1 / J, and the other 1.

    To first order, the index of a class loses as much by one node that is missed as by 1 / J nodes
    that are labelled so wrongly. J is that of logistic regressions, the class against the others,
    which see each node by itself: trained on two thirds of the examples, evaluated on the rest,
    with the best of some thresholds. J below .05 counts as .05.

    Parameters
    ----------
    nodes : list of arrays of shape (n_nodes, n_features)
    numbers : int32 array
        The classes of the nodes of all examples, one after the other; -1 for void ones.
    n_classes : int

    Returns
    -------
    weights : float64 array of shape (n_classes,)
        From 1 to 20, to two digits.
    """
    rows, labels, folds = _sample(nodes, numbers)
    indices = np.ones(n_classes)
    # Two classes have one regression, with scores of either sign.
    for k in range(n_classes if n_classes > 2 else n_classes - 1):
        scores = _scores_out_of_fold(rows, labels == k, folds)
        indices[k] = _best_index(scores, labels == k)
        if n_classes == 2:
            indices[1] = _best_index(-scores, labels == 1)
    rare = np.bincount(labels, minlength=n_classes) < _RARE * len(labels)
    if n_classes == 2 and rare.any():
        indices[~rare] = 1.0
    weights = 1 / np.maximum(indices, _LOWEST)
    # Rounded, as the last digits of scores may differ between machines.
    return np.array([float(f"{weight:.2g}") for weight in weights / weights.min()])


def _sample(
    nodes: Sequence[NDArray[np.floating]], numbers: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.int32], NDArray[np.intp]]:
    """Standardised rows of nodes that are not void, their classes, and the fold of each."""
    random = np.random.RandomState(0)
    sizes = [len(of_one) for of_one in nodes]
    ends = np.cumsum(sizes)
    share = _MOST_ROWS / max(int(ends[-1]), 1)
    rows, labels, folds = [], [], []
    for i, (of_one, stop) in enumerate(zip(nodes, ends.tolist(), strict=True)):
        classes = numbers[stop - len(of_one) : stop]
        kept = classes >= 0
        if share < 1:
            kept &= random.uniform(size=len(kept)) < share
        rows.append(of_one[kept].astype(np.float64))
        labels.append(classes[kept])
        folds.append(np.full(int(kept.sum()), i % _FOLDS))
    if len(nodes) < _FOLDS:  # of so few, each is divided
        folds = [np.arange(len(fold)) * _FOLDS // max(len(fold), 1) for fold in folds]
    matrix = np.concatenate(rows)
    if len(matrix):
        size = np.abs(matrix).max(axis=0)
        matrix /= np.where(size > 0, size, 1.0)  # so that no square overflows
        matrix -= matrix.mean(axis=0)
        spread = matrix.std(axis=0)
        matrix /= np.where(spread > _TINY, spread, np.inf)
    return matrix, np.concatenate(labels), np.concatenate(folds)


def _scores_out_of_fold(
    rows: NDArray[np.float64], is_class: NDArray[np.bool_], folds: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Log-odds of the class for each row, by a regression that did not see its fold."""
    scores = np.zeros(len(rows))
    for fold in range(_FOLDS):
        seen = folds != fold
        if not seen.any() or seen.all():
            continue
        w = logistic_regression(FeatureRows(rows[seen], intercept=True), is_class[seen])
        held_out = FeatureRows(rows[~seen], intercept=True)
        scores[~seen] = held_out.scores(w[:, None])[:, 0]
    return scores


def logistic_regression(rows: FeatureRows, is_class: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The weights of a logistic regression on standardised columns, the intercept last."""
    losses = functools.partial(_logistic_loss, np.where(is_class, 1.0, -1.0))
    w = np.zeros(rows.n_features + 1)
    for step, (_, gradient) in enumerate(newton(rows, losses, w, penalty=_PENALTY)):
        if step >= _MOST_STEPS or math.sqrt(dot(gradient, gradient)) <= _FLAT:
            break
    return w


def _logistic_loss(
    signs: NDArray[np.float64], scores: NDArray[np.float64]
) -> tuple[float, NDArray[np.float64]]:
    """The mean of the losses, and its derivative by the scores."""
    margins, n = signs * scores, len(signs)
    small = decay(np.abs(margins))
    losses = np.log1p(small) + np.maximum(-margins, 0.0)
    slopes = -signs * np.where(margins > 0, small, 1.0) / (1.0 + small)
    return dot(losses, np.ones(n)) / n, slopes / n


def _best_index(scores: NDArray[np.float64], is_class: NDArray[np.bool_]) -> float:
    """The Jaccard index of the nodes above the best threshold."""
    n_class = int(is_class.sum())
    best = 0.0
    for threshold in _THRESHOLDS:
        above = scores > threshold
        n_right, n_above = int((above & is_class).sum()), int(above.sum())
        best = max(best, n_right / max(n_class + n_above - n_right, 1))
    return best
