"""Checks of parameters, weights and arrays of numbers, as users pass them."""

from __future__ import annotations

import math
import numbers
import sys
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "check_n_jobs",
    "check_sample_weight",
    "check_scalar",
    "check_unmasked",
    "real_array",
    "shorten",
]


def check_scalar(name: str, value: Any, *, above: float, integer: bool = False) -> None:
    """Raise ValueError unless `value` is a finite number greater than `above`."""
    kind = numbers.Integral if integer else numbers.Real
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, kind):
        what = "an integer" if integer else "a number"
        raise ValueError(f"{name}={value!r}: expected {what} > {above}")
    # An integer may be greater than any float; no short float is.
    fits = integer or isinstance(value, (np.float16, np.float32)) or value <= sys.float_info.max  # type: ignore[operator]
    if not (fits and above < value < math.inf):  # type: ignore[operator]
        shown = text if len(text := repr(value)) < 40 else f"{text[:20]}..."
        raise ValueError(f"{name}={shown}: expected a finite number > {above}")


def check_n_jobs(n_jobs: Any) -> int:
    """How many threads or processes `n_jobs` asks for, as in joblib.

    Raises
    ------
    ValueError
        Unless it is None or an integer, not 0.
    """
    # Imported here: what tags with a model that was loaded does without it.
    import joblib

    if n_jobs is None:
        return int(joblib.effective_n_jobs(None))
    if isinstance(n_jobs, (bool, np.bool_)) or not isinstance(n_jobs, numbers.Integral):
        raise ValueError(f"n_jobs={n_jobs!r}: expected None or an integer")
    if n_jobs == 0:
        raise ValueError("n_jobs=0: expected at least 1, or -1 for all processors")
    return int(joblib.effective_n_jobs(int(n_jobs)))


def real_array(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Real numbers of any shape as float64; numbers too large for it become infinite."""
    if type(value) is np.ndarray and value.dtype == np.float64:
        return value  # as it is: small problems take no longer than a check
    array = check_unmasked(name, value, np.asarray(value))
    if not array.size:
        return np.zeros(array.shape)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{name} has dtype {array.dtype}, expected real numbers")
    with np.errstate(over="ignore"):
        return array.astype(np.float64, copy=False)


def check_unmasked(name: str, value: Any, array: NDArray[Any]) -> NDArray[Any]:
    """`array`, which was made from `value`; masked entries of `value` are refused."""
    if type(value) is not np.ndarray and np.ma.is_masked(value):
        raise ValueError(f"{name} has masked entries; fill them: each must be a number")
    return array


def check_sample_weight(sample_weight: ArrayLike | None, n: int) -> NDArray[np.float64] | None:
    """One finite weight >= 0 for each example, not all zero; or None."""
    if sample_weight is None:
        return None
    weights = real_array("sample_weight", sample_weight)
    if weights.shape != (n,):
        raise ValueError(f"sample_weight has shape {weights.shape}, expected ({n},)")
    return _check_weights("sample_weight", weights)


def _check_weights(name: str, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    wrong = ~np.isfinite(weights) | (weights < 0)
    if wrong.any():
        k = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"{name}[{k}] is {weights[k]}, expected a finite number >= 0")
    if weights.size and not weights.any():
        raise ValueError(f"{name} is zero everywhere: there is nothing to learn from")
    return weights


def shorten(items: list[Any], limit: int = 10) -> str:
    """Items for an error message, the first few of them."""
    shown = ", ".join(repr(item) for item in items[:limit])
    return shown if len(items) <= limit else f"{shown}, ... ({len(items)} in all)"
