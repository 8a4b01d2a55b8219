"""The best multiple of given weights: a certificate for a primal point of the wrong length."""

from __future__ import annotations

import math
from collections.abc import Callable

__all__ = ["best_multiple"]

_LEAST, _MOST = 0.25, 4.0
_MOST_LOOKS = 40
# Multiples this close, relatively, are the same.
_SAME = 1e-4


def best_multiple(
    sqnorm: float, hinge: Callable[[float], tuple[float, float]]
) -> tuple[float, float]:
    r"""Minimise :math:`\frac12 q s^2 + h(s)` over multiples s of weights, from 1/4 to 4.

    On separable data with a large C, the dual of a block solver is near its optimum long before its
    weights have the right length: the length alone is then what the gap consists of. h is convex
    and piecewise linear (or quadratic), so a step goes to the minimum of the piece at hand and is
    halved by the bracket where it leaves that. O(1) memory, at most 40 calls of h.

    Parameters
    ----------
    sqnorm : float
        q: lambda times the squared norm of the weights.
    hinge : callable
        h and its slope at a multiple.

    Returns
    -------
    multiple, value : float
        The best one met, and the minimum there; 1 where no other is better.

    Examples
    --------
    >>> from structsvm.solvers.best_multiple import best_multiple
    >>> best_multiple(1.0, lambda s: (max(3.0 - s, 0.0), -1.0 if s < 3.0 else 0.0))
    (1.0, 2.5)
    >>> best_multiple(0.1, lambda s: (max(3.0 - s, 0.0), -1.0 if s < 3.0 else 0.0))[0] > 2.99
    True
    """
    low, high, multiple = _LEAST, _MOST, 1.0
    best = math.inf, math.inf
    for _ in range(_MOST_LOOKS):
        mean_hinge, slope = hinge(multiple)
        value = sqnorm * multiple**2 / 2 + mean_hinge
        best = min(best, (value, multiple))
        if sqnorm * multiple + slope > 0.0:
            high = multiple
        else:
            low = multiple
        if high <= low * (1.0 + _SAME):
            break
        middle = math.sqrt(low * high)
        step = -slope / sqnorm if sqnorm > 0.0 else middle
        multiple = step if low * (1.0 + _SAME) < step < high / (1.0 + _SAME) else middle
    return best[1], best[0]
