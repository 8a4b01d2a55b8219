"""Ties: weights that are one weight, as `StructuredModel.tied_weights` gives them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["checked_ties"]


def checked_ties(
    ties: Any, n_weights: int, name: str
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """What `StructuredModel.tied_weights` gave, checked: compiled code relies on it."""
    targets, factors = (np.asarray(values) for values in ties)
    if targets.dtype.kind not in "iu" or not targets.shape == factors.shape == (n_weights,):
        raise ValueError(
            f"{name}.tied_weights() gives {targets.dtype} of shape {targets.shape} and factors of "
            f"shape {factors.shape}, expected {n_weights} integers and {n_weights} factors"
        )
    factors = factors.astype(np.float64)
    outside = (targets < 0) | (targets >= n_weights)
    if outside.any():
        j = int(np.argmax(outside))
        raise ValueError(
            f"{name}.tied_weights() has weight {j} go with weight {targets[j]}, expected 0 to "
            f"{n_weights - 1}"
        )
    if not np.isfinite(factors).all():
        j = int(np.argmin(np.isfinite(factors)))
        raise ValueError(
            f"{name}.tied_weights() has the factor {factors[j]:g} for weight {j}, expected a "
            "finite number"
        )
    odd = (targets[targets] != targets) | (factors[targets] != 1)
    wrong = (factors != 0) & odd
    if wrong.any():
        j = int(np.argmax(wrong))
        raise ValueError(
            f"{name}.tied_weights() has weight {j} be {factors[j]:g} times weight {targets[j]}, "
            "which must be its own: go with itself, times 1"
        )
    return targets.astype(np.int32), factors
