"""Weights of classes for an index of overlap, chosen by the index itself on held-out examples."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from structsvm.data.labels import is_void
from structsvm.estimators.chosen_c import hold_out
from structsvm.training.train import taken

__all__ = ["INDICES", "weights_for_index"]

#: Losses that are one minus an index.
INDICES = ("jaccard", "dice")

# Powers of the weights for the Jaccard index: those tried at first, and further ones where the
# score still rises.
_FIRST, _BELOW, _ABOVE = (0.5, 1.0, 1.5), (0.0,), (2.0, 2.5)

# Where fewer examples are held out, chance would decide: the power is 1.
_FEWEST = 5


def weights_for_index(
    svm: Any, X: Any, y: Any, held_out: tuple[Any, Any], fit_params: dict[str, Any]
) -> dict[str, NDArray[np.float64]]:
    """Weights of classes, as powers of those of ``class_weight="jaccard"``, and their scores.

    Each is of a fit to the examples but for a third, which is scored; or to all, where `held_out`
    is given. Another power than 1 is chosen where it is better by more than a standard error, by
    the jackknife over held-out examples: the best on a few images is often worse on others.

    Returns
    -------
    path : dict of ndarray
        "power", "class_weight" (n_tried, n_classes), "score" and whether it is "chosen", by
        ascending power, and the "classes". One row with the score NaN where there are too few
        examples to hold out.
    """
    X_val, y_val = held_out
    if X_val is None:
        kept, others = hold_out(y)
        if len(others) >= _FEWEST:
            X_val, y_val = taken(X, others), taken(y, others)
            X, y = taken(X, kept), taken(y, kept)
            n = len(kept) + len(others)
            fit_params = {
                name: taken(value, kept) if value is not None and len(value) == n else value
                for name, value in fit_params.items()
            }
    plain = {"loss": "normalized_hamming", "warm_start": False, "callbacks": None, "verbose": 0}
    rows: dict[float, tuple[NDArray[np.float64], float]] = {}
    counts: dict[float, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the last fit warns
        first = clone(svm).set_params(class_weight="jaccard", **plain).fit(X, y, **fit_params)
        unit, classes = first.model_.class_weight_, first.classes_

        def score(power: float) -> float:
            if power not in rows:
                weights = unit**power
                fitted = first
                if power != 1.0:
                    given = dict(zip(classes.tolist(), weights.tolist(), strict=True))
                    fitted = clone(svm).set_params(class_weight=given, **plain)
                    fitted.fit(X, y, **fit_params)
                value = np.nan
                if X_val is not None:
                    answers = fitted.predict(X_val)
                    counts[power] = _overlaps(y, y_val, answers, svm.ignore_label)
                    value = _index(svm.loss, *counts[power])
                rows[power] = (weights, value)
            return rows[power][1]

        if X_val is None or (unit == 1).all():  # nothing to choose by, or between
            score(1.0)
        else:
            best = max(_FIRST, key=lambda power: (score(power), -abs(power - 1)))
            for further in _BELOW if best == _FIRST[0] else _ABOVE if best == _FIRST[-1] else ():
                if score(further) <= score(best):
                    break
                best = further
    powers, chosen = sorted(rows), 1.0
    for power in powers:
        gain, error = _gain(svm.loss, counts[power], counts[1.0]) if power != 1.0 else (0.0, 0.0)
        if gain > error and rows[power][1] > rows[chosen][1]:
            chosen = power
    return {
        "power": np.array(powers),
        "class_weight": np.array([rows[power][0] for power in powers]),
        "score": np.array([rows[power][1] for power in powers]),
        "chosen": np.array(powers) == chosen,
        "classes": classes,
    }


def _overlaps(
    y: Any, truth: Any, answers: Any, void: Any
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each example and label the pixels that have it in both, and those of both together: for
    the rarer of two labels of y, or all labels."""
    flat = np.concatenate([np.ravel(labels) for labels in y])
    labels, numbers = np.unique(flat[_known(flat, void)], return_counts=True)
    if len(labels) == 2:
        labels = labels[[numbers.argmin()]]
    both, sizes = np.zeros((2, len(answers), len(labels)), dtype=np.int64)
    for i, (a, b) in enumerate(zip(truth, answers, strict=True)):
        a, b = np.ravel(a), np.ravel(b)
        known = _known(a, void)
        for k, label in enumerate(labels):
            there, found = (a == label) & known, (b == label) & known
            both[i, k] = (there & found).sum()
            sizes[i, k] = there.sum() + found.sum()
    return both, sizes


def _known(flat: NDArray[Any], void: Any) -> NDArray[np.bool_]:
    """Which labels are neither void nor None."""
    known = ~is_void(flat, void)
    if flat.dtype == object:
        known &= np.array([label is not None for label in flat.tolist()], dtype=bool)
    return known


def _index(loss: str, both: NDArray[np.int64], sizes: NDArray[np.int64]) -> float:
    """The index, pooled over examples, in the mean over the labels that occur."""
    part, whole = both.sum(axis=0), sizes.sum(axis=0)
    part, whole = (2 * part, whole) if loss == "dice" else (part, whole - part)
    occurs = whole > 0
    return float((part[occurs] / whole[occurs]).mean()) if occurs.any() else 0.0


def _gain(loss: str, one: Any, other: Any) -> tuple[float, float]:
    """How much better one index is than another, and the standard error of that."""
    n = len(one[0])
    without = np.array(
        [
            _index(loss, *(np.delete(counts, i, axis=0) for counts in one))
            - _index(loss, *(np.delete(counts, i, axis=0) for counts in other))
            for i in range(n)
        ]
    )
    error = float(np.sqrt((n - 1) * without.var()))
    return _index(loss, *one) - _index(loss, *other), error
