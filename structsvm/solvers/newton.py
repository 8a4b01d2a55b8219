"""Newton's method for sums of smooth losses of linear scores."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from structsvm.linalg._sums import dot
from structsvm.problems._feature_rows import FeatureRows
from structsvm.solvers._conjugate_gradients import newton_direction

__all__ = ["newton"]

_Vector = NDArray[np.float64]
#: The sum of the losses at the scores of all rows, and its derivative by each score.
Losses = Callable[[_Vector], tuple[float, _Vector]]

# Directions are this exact at first: residual over gradient. Later the share falls with the
# gradient, so that steps become exact and their number small.
_ACCURACY = 0.4
_MOST_PRODUCTS = 1000  # of the matrix with a vector, for one direction
_DIFFERENCE = 1e-4  # of scores, for second derivatives
_SHARE_OF_SLOPE = 0.1  # what is left of the slope along a direction where a step ends
_MOST_TRIALS = 100  # lengths of a step
_FAR = 1e6  # times the greatest score, for a first change of scores


def newton(
    rows: FeatureRows, losses: Losses, w: _Vector, *, penalty: float = 1.0
) -> Iterator[tuple[float, _Vector]]:
    r"""Minimise penalty / 2 \|w\|^2 + losses(X w) for a convex sum of losses with a derivative.

    A truncated Newton method: directions by preconditioned conjugate gradients, and steps of the
    length at which the slope along the direction is all but zero. Trial lengths cost O(n_rows), as
    scores along a line are those at its start plus multiples of those of the direction. Second
    derivatives are differences of first ones, exact for losses made of parabolas: a loss needs no
    more than a derivative. Sums are in a fixed order: results are the same bits on any BLAS.

    Parameters
    ----------
    rows : FeatureRows
        X, with the intercept's column where there is one.
    losses : callable
        The sum of the losses at the scores of all rows, and its derivative by each score.
    w : ndarray of shape (n_weights,)
        Where to begin; becomes the iterate.
    penalty : float, default=1.0
        > 0.

    Yields
    ------
    value : float
    gradient : ndarray of shape (n_weights,)
        At the start, and after each iteration. The end is where no step goes down.

    References
    ----------
    C.-J. Lin, R. Weng, S. Keerthi (2008). Trust region Newton method for large-scale logistic
    regression. JMLR 9.

    L. Galli, C.-J. Lin (2021). A study on truncated Newton methods for linear classification. IEEE
    Transactions on Neural Networks and Learning Systems 33. doi:10.1109/TNNLS.2020.3045836
    """
    scores = rows.scores(w[:, None])[:, 0]
    total, slopes = losses(scores)
    first = None
    while True:
        value = 0.5 * penalty * dot(w, w) + total
        gradient = penalty * w + rows.combined(slopes[:, None])[:, 0]
        yield value, gradient
        length = math.sqrt(dot(gradient, gradient))
        first = length if first is None else first
        accuracy = min(_ACCURACY, math.sqrt(length / first)) if first > 0.0 else 0.0
        direction, _ = newton_direction(
            rows,
            _curvatures(losses, scores, slopes),
            gradient,
            penalty=penalty,
            accuracy=accuracy,
            most_steps=_MOST_PRODUCTS,
        )
        change = rows.scores(direction[:, None])[:, 0]
        found = _step(
            losses,
            scores,
            change,
            slope=dot(gradient, direction),
            linear=penalty * dot(w, direction),
            square=penalty * dot(direction, direction),
        )
        if found is None:
            return
        step, scores, total, slopes = found
        w += step * direction


def _curvatures(losses: Losses, scores: _Vector, slopes: _Vector) -> _Vector:
    """Second derivatives of the losses, from the right at a kink of the first."""
    near = _DIFFERENCE * (1.0 + np.abs(scores))
    return np.maximum((losses(scores + near)[1] - slopes) / near, 0.0)


def _step(
    losses: Losses,
    scores: _Vector,
    change: _Vector,
    *,
    slope: float,
    linear: float,
    square: float,
) -> tuple[float, _Vector, float, _Vector] | None:
    """How far to go along a direction, and the scores, losses and slopes there; None: nowhere.

    The objective along it is convex: its slope, ``linear + step * square`` by the penalty and the
    rest by the losses, rises from `slope`. Its zero is enclosed, and sought by false position; a
    trial that leaves more than half of the interval, as where the slope has a sharp bend, is
    followed by one in its middle.
    """
    if not -math.inf < slope < 0.0:
        return None
    low, slope_low, high, slope_high = 0.0, slope, math.inf, math.inf
    # Where losses have no curvature, directions may be far too long.
    longest = np.abs(change).max(initial=0.0)
    step = min(1.0, _FAR * (1.0 + np.abs(scores).max(initial=0.0)) / max(longest, 1.0))
    width = math.inf
    for _ in range(_MOST_TRIALS):
        there = scores + step * change
        total, slopes = losses(there)
        slope_there = linear + step * square + dot(slopes, change)
        if abs(slope_there) <= -_SHARE_OF_SLOPE * slope:
            return step, there, total, slopes
        if not slope_there < 0.0:
            high, slope_high = step, slope_there
        else:
            before, slope_before = low, slope_low
            low, slope_low = step, slope_there
            if high == math.inf:
                rise = slope_low - slope_before
                far = low - slope_low * (low - before) / rise if rise > 0.0 else math.inf
                step = min(max(far, 2.0 * low), 10.0 * low)
                continue
        share = -slope_low / (slope_high - slope_low) if slope_high < math.inf else 0.0
        slow, width = high - low > width / 2, high - low
        step = low + width * (0.5 if slow else min(max(share, 0.1), 0.9))
    return None
