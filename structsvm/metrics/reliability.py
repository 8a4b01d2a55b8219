"""How far probabilities of predictions are from the shares of those that are right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_scalar

__all__ = ["Reliability", "expected_calibration_error", "reliability"]


class Reliability(NamedTuple):
    """Predictions by how sure they are, in bins that are not empty."""

    confidence: NDArray[np.float64]  #: mean confidence
    share: NDArray[np.float64]  #: share of the right ones
    size: NDArray[np.int64]


def reliability(right: ArrayLike, confidence: ArrayLike, *, n_bins: int = 15) -> Reliability:
    """Mean confidence and share of right predictions, in bins of equal width.

    Parameters
    ----------
    right : array-like of bool of shape (n,)
        Whether each prediction is right.
    confidence : array-like of shape (n,)
        Its probability, from 0 to 1.
    n_bins : int, default=15

    Returns
    -------
    confidence, share, size : ndarrays
        Of the bins that are not empty, by rising confidence.

    Raises
    ------
    ValueError
        If shapes differ, or a probability is not from 0 to 1.

    Examples
    --------
    >>> from structsvm.metrics import reliability
    >>> reliability([True, False, True], [0.9, 0.1, 0.8], n_bins=2)
    Reliability(confidence=array([0.1 , 0.85]), share=array([0., 1.]), size=array([1, 2]))
    """
    check_scalar("n_bins", n_bins, above=0, integer=True)
    truths, sure = np.asarray(right), np.asarray(confidence, dtype=np.float64)
    if truths.ndim != 1 or truths.shape != sure.shape:
        raise ValueError(
            f"right has shape {truths.shape} and confidence {sure.shape}; expected one number for "
            "each prediction"
        )
    if (truths.size and truths.dtype.kind not in "biu") or not np.isin(truths, (0, 1)).all():
        raise ValueError("right holds other than True and False")
    wrong = ~((sure >= 0.0) & (sure <= 1.0))
    if wrong.any():
        k = int(np.argmax(wrong))
        raise ValueError(f"confidence[{k}] is {sure[k]}; expected a number from 0 to 1")
    bins = np.minimum((sure * int(n_bins)).astype(np.int64), int(n_bins) - 1)
    count = np.bincount(bins, minlength=int(n_bins))
    there = count > 0
    means = [
        np.bincount(bins, weights=values, minlength=int(n_bins))[there] / count[there]
        for values in (sure, truths.astype(np.float64))
    ]
    return Reliability(means[0], means[1], count[there])


def expected_calibration_error(
    right: ArrayLike, confidence: ArrayLike, *, n_bins: int = 15
) -> float:
    r"""Mean distance of confidence and share of right predictions over bins of equal width.

    .. math:: \mathrm{ECE} = \sum_b \frac{n_b}{n} \, |\mathrm{share}_b - \mathrm{confidence}_b|

    Parameters
    ----------
    right, confidence, n_bins
        See `reliability`.

    Returns
    -------
    error : float
        From 0 to 1; 0 without predictions.

    References
    ----------
    M. Naeini, G. Cooper, M. Hauskrecht (2015). Obtaining well calibrated probabilities using
    Bayesian binning. AAAI. doi:10.1609/aaai.v29i1.9602

    Examples
    --------
    >>> from structsvm.metrics import expected_calibration_error
    >>> round(expected_calibration_error([True, False, True], [0.9, 0.1, 0.8], n_bins=2), 6)
    0.133333
    """
    table = reliability(right, confidence, n_bins=n_bins)
    total = int(table.size.sum())
    return float((table.size * np.abs(table.share - table.confidence)).sum() / max(total, 1))
