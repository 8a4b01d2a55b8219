"""Task losses: how wrong an output is."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from structsvm.data.checks import real_array
from structsvm.data.rows import check_class_labels

__all__ = ["HammingLoss", "make_loss", "tree_costs"]


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

        Parameters
        ----------
        n_classes : int

        Returns
        -------
        cost : float64 ndarray of shape (n_classes, n_classes)

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
        """1 / Z for all positions of outputs with these lengths, one after the other.

        Parameters
        ----------
        lengths : int ndarray of shape (n_outputs,)

        Returns
        -------
        scale : float64 ndarray of shape (sum of lengths,)
        """
        scale = np.ones(int(lengths.sum()))
        return scale / np.repeat(lengths, lengths) if self.normalize else scale

    def value(self, y: ArrayLike, y_hat: ArrayLike, cost: NDArray[np.float64]) -> float:
        """Delta(y, y_hat) for class numbers `y` and `y_hat` of shape (length,).

        Parameters
        ----------
        y, y_hat : array-like of int of shape (length,)
        cost : ndarray of shape (n_classes, n_classes)
            What `cost_matrix` returned.

        Returns
        -------
        loss : float
        """
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

    Parameters
    ----------
    loss : str or HammingLoss
        A name is "hamming" or "normalized_hamming".

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


def tree_costs(parents: Mapping[Any, Any], y: ArrayLike) -> NDArray[np.float64]:
    r"""Costs of classes that are nodes of a tree: what one mistake costs is the way to the truth.

    .. math:: \mathrm{cost}[a, b] = d(a) + d(b) - 2 \, d(a \wedge b)

    with d(a) the depth of class a and :math:`a \wedge b` the last common ancestor: the number of
    edges from a to b. Classes with one parent are 2 apart.

    Parameters
    ----------
    parents : mapping
        The parent of each node but the root: of the classes, and of the groups that they form, all
        of which have names of their own. None as a parent marks the root, too.
    y : array-like of shape (n_samples,)
        Labels. Each is a node of the tree, a leaf or not; classes that are not in y are left out.

    Returns
    -------
    ndarray of shape (n_classes, n_classes)
        Classes in sorted order, as `MulticlassSVM` and `HammingLoss` expect them.

    Raises
    ------
    ValueError
        If a node is its own ancestor, or two classes have no common ancestor, as where a parent is
        lacking or its name is misspelt.

    Notes
    -----
    Time is O(n_classes^2 n_nodes) in one product of matrices.

    References
    ----------
    O. Dekel, J. Keshet, Y. Singer (2004). Large margin hierarchical classification. ICML.
    doi:10.1145/1015330.1015374

    Examples
    --------
    >>> from structsvm.losses import tree_costs
    >>> parents = {"cat": "mammal", "dog": "mammal", "owl": "bird", "mammal": "all", "bird": "all"}
    >>> tree_costs(parents, ["cat", "dog", "owl"])
    array([[0., 2., 4.],
           [2., 0., 4.],
           [4., 4., 0.]])

    Training prefers mistakes that stay near the truth:

    >>> from structsvm import MulticlassSVM
    >>> y = ["cat", "dog", "owl"] * 2
    >>> X = [[1, 1], [1, -1], [-1, 0], [2, 1], [1, -2], [-2, 0]]
    >>> svm = MulticlassSVM(cost=tree_costs(parents, y), random_state=0).fit(X, y)
    >>> svm.predict([[3, 1]]).tolist(), svm.predict([[-3, 1]]).tolist()
    (['cat'], ['owl'])
    """
    if not isinstance(parents, Mapping):
        raise TypeError(
            f"parents is {type(parents).__name__}, expected a mapping from each node to its parent"
        )
    classes = np.unique(check_class_labels(y)).tolist()
    lines = [_ancestors(parents, label) for label in classes]
    for label, line in zip(classes, lines, strict=True):
        if line[-1] != lines[0][-1]:
            raise ValueError(
                f"classes {classes[0]!r} and {label!r} have no common ancestor: above them are "
                f"{lines[0][-1]!r} and {line[-1]!r}, which have no parent; parents must be one tree"
            )
    number: dict[Any, int] = {}
    above = np.zeros((len(classes), len(set().union(*lines))))
    for row, line in zip(above, lines, strict=True):
        row[[number.setdefault(node, len(number)) for node in line]] = 1.0
    shared = above @ above.T
    costs: NDArray[np.float64] = shared.diagonal()[:, None] + shared.diagonal() - 2.0 * shared
    return costs


def _ancestors(parents: Mapping[Any, Any], label: Any) -> list[Any]:
    """The nodes from a class to its root."""
    line = {label: None}
    node = label
    while (parent := parents.get(node)) is not None:
        if not isinstance(parent, Hashable):
            raise ValueError(f"parents[{node!r}] is {parent!r}, expected the name of one node")
        if parent in line:
            raise ValueError(
                f"parents has a cycle: {parent!r} is its own ancestor, on the way from {label!r} up"
            )
        line[parent] = None
        node = parent
    return list(line)
