"""A bias towards labels, chosen by the score of held-out examples."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import get_scorer

from structsvm.metrics import dice, jaccard
from structsvm.metrics.pixels import pairs_of

__all__ = ["best_of_classes", "best_of_two", "check_bias", "levels_of", "scorer_of"]

_SCORES: dict[str, Callable[..., float]] = {"dice": dice, "jaccard": jaccard}

# Biases that are tried at first, and between the neighbours of the best, twice.
_N_LEVELS, _N_FINER, _ROUNDS = 32, 7, 2
_N_OF_CLASS = 9  # with more than two classes, of each


def check_bias(bias: Any, classes: NDArray[Any]) -> NDArray[np.float64]:
    """What each class gains: a number is for the second of two classes."""
    k = len(classes)
    try:
        values = np.asarray(bias, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        values = np.full((), np.nan)
    if not np.isfinite(values).all() or values.shape not in ((), (k,)) or values.dtype.kind != "f":
        expected = "one finite number, or one for each class" if k == 2 else "a finite number each"
        raise ValueError(f"bias={bias!r}: there are {k} classes; expected {expected}")
    if values.shape == (k,):
        return values
    if k != 2:
        raise ValueError(
            f"bias={bias!r}: there are {k} classes, not two; expected a list of {k} numbers, what "
            "each class gains"
        )
    return np.array([0.0, float(values)])


def levels_of(scores: NDArray[np.float64], n_levels: int) -> NDArray[np.float64]:
    """Ascending biases at which nodes would change their labels by themselves, and 0."""
    inner = np.linspace(0, 1, n_levels + 2)[1:-1]
    return np.unique(np.append(np.quantile(-scores, inner), 0.0)) if len(scores) else np.zeros(1)


class _Biased:
    """What a scorer asks: an estimator with predictions that are there already."""

    def __init__(self, estimator: Any, answers: Any, name: str | None = None) -> None:
        self._estimator, self._answers, self._name = estimator, answers, name

    def predict(self, X: Any) -> Any:
        return self._answers

    def __getattr__(self, name: str) -> Any:
        if self._name is not None and name in ("decision_function", "predict_proba"):
            raise ValueError(
                f"scoring={self._name!r} is of {name}, which a bias does not change: expected a "
                "score of labels, such as 'f1' or 'balanced_accuracy'"
            )
        return getattr(self._estimator, name)


def scorer_of(svm: Any, X: Any, y: Any, scoring: Any) -> Callable[[Any], float]:
    """The score of predictions for X."""
    if scoring is None:
        return lambda answers: float(svm.model_.score(y, answers))
    if isinstance(scoring, str) and scoring in _SCORES:
        measure = _SCORES[scoring]
        return lambda answers: float(measure(y, answers, ignore_label=svm.ignore_label))
    if isinstance(scoring, str):
        by_name, void = get_scorer(scoring), svm.ignore_label

        def of_nodes(answers: Any) -> float:
            pairs = pairs_of(y, answers, void)
            rows = np.zeros((len(pairs.truth), 1))
            return float(by_name(_Biased(svm, pairs.guess, scoring), rows, pairs.truth))

        return of_nodes
    if not callable(scoring):
        raise ValueError(
            f"scoring={scoring!r}: expected 'jaccard', 'dice', or a callable (estimator, X, y), "
            "such as make_scorer(jaccard, labels=[1])"
        )
    return lambda answers: float(scoring(_Biased(svm, answers), X, y))


def best_of_two(
    turning: Callable[[NDArray[np.float64]], Sequence[NDArray[np.float64]]],
    levels: NDArray[np.float64],
    classes: NDArray[Any],
    score: Callable[[Any], float],
) -> float:
    """The bias with the best score; of equal ones the nearest to 0.

    `turning` gives turning points of all nodes for ascending biases: one is the second class at a
    bias b if its point is above -b.
    """
    tried: dict[float, float] = {}
    for round_ in range(_ROUNDS + 1):
        new = np.array([bias for bias in levels.tolist() if bias not in tried])
        if not len(new):
            break
        points = turning(new)
        for bias in new.tolist():
            answers = [classes[(of_one > -bias).astype(np.intp)] for of_one in points]
            value = score(answers)
            tried[bias] = -math.inf if math.isnan(value) else value
        if round_ < _ROUNDS:
            known = np.array(sorted(tried))
            place = int(np.searchsorted(known, _best(tried)))
            low, high = known[max(place - 1, 0)], known[min(place + 1, len(known) - 1)]
            levels = np.linspace(low, high, _N_FINER + 2)[1:-1]
    return _best(tried)


def _best(tried: dict[float, float]) -> float:
    return max(tried, key=lambda bias: (tried[bias], -abs(bias), bias))


def best_of_classes(
    predict: Callable[[NDArray[np.float64]], Any],
    margins: Callable[[int], NDArray[np.float64]],
    n_classes: int,
    score: Callable[[Any], float],
) -> NDArray[np.float64]:
    """Biases of the classes one after the other, each with the best score beside those chosen.

    `margins` of a class: its score at each node minus that of the best other class.
    """
    bias = np.zeros(n_classes)
    best = score(predict(bias))
    for k in range(n_classes):
        chosen = 0.0
        for level in levels_of(margins(k), _N_OF_CLASS).tolist():
            trial = bias.copy()
            trial[k] = level
            if (value := score(predict(trial))) > best:
                best, chosen = value, level
        bias[k] = chosen
    return bias


def first_levels(scores: ArrayLike) -> NDArray[np.float64]:
    """The biases that are tried at first."""
    return levels_of(np.asarray(scores), _N_LEVELS)
