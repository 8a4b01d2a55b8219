"""Limited-memory BFGS for strongly convex functions."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from structsvm.linalg._sums import dot

__all__ = ["lbfgs"]

_Vector = NDArray[np.float64]

_PAIRS = 10
_SHARE_OF_SLOPE = 1e-4
_MOST_STEPS = 40
# Differences of values below this share of them are rounding: slopes decide then.
_ROUNDING = 1e-10


def lbfgs(
    objective: Callable[[_Vector], tuple[float, _Vector]], w: _Vector
) -> Iterator[tuple[float, _Vector]]:
    """Minimise a strongly convex, differentiable function.

    SciPy's method is the same, but its sums are those of a BLAS, so that its last digits, and from
    them its steps, differ between machines. Strong convexity makes every pair of a step and the
    change of the gradient a good one, so the search of a step length only needs to shorten steps.

    Parameters
    ----------
    objective : callable
        Value and gradient.
    w : ndarray of shape (n_weights,)
        Where to begin; becomes the iterate.

    Yields
    ------
    value : float
    gradient : ndarray of shape (n_weights,)
        At the start, and after each iteration. The end is where no step goes down.
    """
    value, gradient = objective(w)
    pairs: deque[tuple[_Vector, _Vector, float]] = deque(maxlen=_PAIRS)
    while True:
        yield value, gradient
        direction = _direction(gradient, pairs)
        slope = dot(gradient, direction)
        if not -math.inf < slope < 0.0:
            pairs.clear()
            direction = _direction(gradient, pairs)
            slope = dot(gradient, direction)
        step = 1.0
        for _ in range(_MOST_STEPS):
            new = w + step * direction
            new_value, new_gradient = objective(new)
            if new_value <= value + _SHARE_OF_SLOPE * step * slope:
                break
            new_slope = dot(new_gradient, direction)
            if new_value <= value + _ROUNDING * abs(value) and abs(new_slope) <= -0.9 * slope:
                break
            # The minimum of the parabola by both values and the slope, within reason.
            rise = new_value - value - step * slope
            best = -slope * step**2 / (2.0 * rise) if 0.0 < rise < math.inf else 0.0
            step = min(max(best, 0.1 * step), 0.5 * step)
        else:
            return
        change, bend = new - w, new_gradient - gradient
        curvature = dot(change, bend)
        if 0.0 < curvature < math.inf:
            pairs.append((change, bend, curvature))
        w[:] = new
        value, gradient = new_value, new_gradient


def _direction(gradient: _Vector, pairs: deque[tuple[_Vector, _Vector, float]]) -> _Vector:
    """Minus the gradient times what the pairs tell of the inverse Hessian: two loops over them."""
    if not pairs:
        return -gradient / max(math.sqrt(dot(gradient, gradient)), 1.0)
    direction = -gradient
    factors = []
    for change, bend, curvature in reversed(pairs):
        factor = dot(change, direction) / curvature
        direction = direction - factor * bend
        factors.append(factor)
    _, bend, curvature = pairs[-1]
    direction *= curvature / max(dot(bend, bend), 1e-300)
    for (change, bend, curvature), factor in zip(pairs, reversed(factors), strict=True):
        direction = direction + (factor - dot(bend, direction) / curvature) * change
    return direction
