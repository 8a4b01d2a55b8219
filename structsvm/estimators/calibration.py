"""Calibration: scores of nodes as probabilities, learned on held-out examples."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from structsvm.data.state import State
from structsvm.exceptions import ModelFileError
from structsvm.linalg._sums import decay
from structsvm.models.class_weights import logistic_regression
from structsvm.problems._feature_rows import FeatureRows

__all__ = ["Calibration"]


class Calibration:
    r"""Sigmoids of scores: :math:`p = 1 / (1 + \exp(-(a s + b)))`, one for each column of scores.

    Attributes
    ----------
    slope, intercept : ndarray of shape (n_columns,)
        a and b.

    References
    ----------
    J. Platt (1999). Probabilistic outputs for support vector machines and comparisons to
    regularized likelihood methods. Advances in Large Margin Classifiers.
    """

    slope: NDArray[np.float64]
    intercept: NDArray[np.float64]

    def fit(self, scores: NDArray[np.float64], numbers: NDArray[np.integer[Any]]) -> Self:
        """Learn from scores (n_nodes,) of class 1 against class 0, or (n_nodes, n_classes), and
        the classes of the nodes."""
        columns = scores.reshape(len(scores), -1)
        classes = [1] if columns.shape[1] == 1 else range(columns.shape[1])
        lines = [_line(columns[:, c], numbers == k) for c, k in enumerate(classes)]
        self.slope, self.intercept = np.array(lines).T.copy()
        return self

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the classes on a last axis, that add up to 1."""
        if len(self.slope) == 1:
            one = _sigmoid(self.slope[0] * scores + self.intercept[0])
            return np.stack([1 - one, one], axis=-1)
        each = _sigmoid(self.slope * scores + self.intercept)
        total = each.sum(axis=-1, keepdims=True)
        even = 1 / each.shape[-1]
        return np.where(total > 0, each / np.where(total > 0, total, 1.0), even)

    # ---- model files

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def to_state(self) -> State:
        return {"slope": self.slope, "intercept": self.intercept}

    def from_state(self, state: State) -> Self:
        slope, intercept = state["slope"], state["intercept"]
        for values in (slope, intercept):
            if values.dtype != np.float64 or values.ndim != 1 or not np.isfinite(values).all():
                raise ModelFileError("a calibration holds other than finite numbers")
        if slope.shape != intercept.shape:
            raise ModelFileError(f"a calibration has {len(slope)} slopes, {len(intercept)} offsets")
        self.slope, self.intercept = slope, intercept
        return self


def _line(scores: NDArray[np.float64], is_class: NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and intercept of a logistic regression on one column."""
    n, n_class = len(scores), int(is_class.sum())
    size = max(float(np.abs(scores).max(initial=0.0)), np.finfo(np.float64).tiny)
    centre = float((scores / size).mean())
    spread = float((scores / size - centre).std())
    if n_class in (0, n) or spread < 1e-12:
        # As Platt's targets: no share of finitely many nodes proves a probability of 0 or 1.
        share = (n_class + 1) / (n + 2)
        return 0.0, float(np.log(share / (1 - share)))
    rows = np.ascontiguousarray(((scores / size - centre) / spread)[:, None])
    slope, intercept = logistic_regression(FeatureRows(rows, intercept=True), is_class).tolist()
    slope /= spread
    return slope / size, intercept - slope * centre


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    small = decay(np.abs(values))
    return np.where(values >= 0, 1.0, small) / (1.0 + small)
