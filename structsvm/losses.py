"""Task losses: how wrong an output is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from structsvm.data.checks import real_array

__all__ = ["HammingLoss", "make_loss"]


class HammingLoss(BaseEstimator):  # type: ignore[misc]
    r"""Sum of the costs of wrong labels.

    .. math:: \Delta(y, \hat y) = \frac{1}{Z} \sum_t \mathrm{cost}[y_t, \hat y_t]

    with Z = 1, or the number of positions when `normalize` is set. Without `cost` a wrong label
    costs 1.

    Parameters
    ----------
    normalize : bool, default=False
        Whether to divide by the number of positions, so that long outputs count no more than short
        ones.
    cost : array-like of shape (n_classes, n_classes), default=None
        ``cost[a, b]``: the cost of predicting class b for true class a, classes in sorted order.
        Finite, >= 0, zero on the diagonal; it need not be symmetric.

    Examples
    --------
    >>> from structsvm.losses import HammingLoss
    >>> loss = HammingLoss(cost=[[0, 1, 4], [1, 0, 1], [4, 1, 0]])
    >>> loss.value([0, 0, 2], [0, 2, 1], loss.cost_matrix(3))
    5.0
    """

    def __init__(self, normalize: bool = False, cost: ArrayLike | None = None) -> None:
        self.normalize = normalize
        self.cost = cost

    def cost_matrix(self, n_classes: int) -> NDArray[np.float64]:
        """The checked cost matrix for `n_classes` classes.

        Raises
        ------
        ValueError
            If the shape is not (n_classes, n_classes), an entry is negative or not finite, or the
            diagonal is not zero.
        """
        if self.cost is None:
            return 1.0 - np.eye(n_classes)
        cost = real_array("cost", self.cost).copy()
        if cost.shape != (n_classes, n_classes):
            raise ValueError(
                f"cost has shape {cost.shape}, expected ({n_classes}, {n_classes}): "
                "one row and column for each class in y, in sorted order"
            )
        wrong = ~np.isfinite(cost) | (cost < 0)
        if wrong.any():
            a, b = np.argwhere(wrong)[0]
            raise ValueError(f"cost[{a}, {b}] is {cost[a, b]}, expected a finite number >= 0")
        if cost.diagonal().any():
            a = int(np.flatnonzero(cost.diagonal())[0])
            raise ValueError(f"cost[{a}, {a}] is {cost[a, a]}, expected 0: a right answer is free")
        return cost

    def position_scale(self, lengths: NDArray[np.int64]) -> NDArray[np.float64]:
        """1 / Z for all positions of outputs with these lengths, one after the other."""
        scale = np.ones(int(lengths.sum()))
        return scale / np.repeat(lengths, lengths) if self.normalize else scale

    def value(self, y: ArrayLike, y_hat: ArrayLike, cost: NDArray[np.float64]) -> float:
        """Delta(y, y_hat) for class numbers `y` and `y_hat` of shape (length,)."""
        y, y_hat = np.asarray(y, dtype=int), np.asarray(y_hat, dtype=int)
        if y.shape != y_hat.shape:
            raise ValueError(f"y_hat has {len(y_hat)} labels, expected {len(y)} as y has")
        total = float(cost[y, y_hat].sum())
        return total / max(len(y), 1) if self.normalize else total


_BY_NAME: dict[str, dict[str, Any]] = {
    "hamming": {"normalize": False},
    "normalized_hamming": {"normalize": True},
}


def make_loss(loss: str | HammingLoss) -> HammingLoss:
    """The loss object for a name, or the object itself.

    Raises
    ------
    ValueError
        If the name is unknown or the object is not a HammingLoss.
    """
    if isinstance(loss, HammingLoss):
        return loss
    if isinstance(loss, str) and loss in _BY_NAME:
        return HammingLoss(**_BY_NAME[loss])
    names = ", ".join(repr(name) for name in _BY_NAME)
    raise ValueError(f"unknown loss {loss!r}: expected one of {names}, or a HammingLoss")
