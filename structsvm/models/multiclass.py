"""MulticlassModel: one class for each row of features."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from structsvm.base import StructuredModel
from structsvm.losses import HammingLoss
from structsvm.problems._multiclass import FeatureRows, MulticlassProblem

__all__ = ["HINGES", "MulticlassModel"]

HINGES = ("crammer_singer", "weston_watkins", "lee_lin_wahba")
_SLACKS = ("linear", "squared")


class MulticlassModel(StructuredModel):
    r"""One class for each row x of features, with a weight vector for each class.

    The scores are :math:`f_k = \langle w_k, x \rangle + b_k`. Two classes share one weight vector:
    :math:`f_1` is its score and :math:`f_0 = 0`, so that every hinge is the binary one.

    X is a matrix, dense or CSR, not a list. Of Crammer-Singer's hinge the four methods of
    `StructuredModel` say everything; the other two sum over the wrong classes, which is a maximum
    over sets of them, and are there for the compiled problem only.

    Parameters
    ----------
    hinge : {"crammer_singer", "weston_watkins", "lee_lin_wahba"}, default="crammer_singer"
    slack : {"linear", "squared"}, default="linear"
        Whether hinges count as they are or squared, each of a sum by itself.
    cost : array-like of shape (n_classes, n_classes), default=None
        ``cost[a, b]``: loss of answering class b where a is right; zero on the diagonal. For
        Crammer-Singer; None is 1 for each wrong class.
    fit_intercept : bool, default=True
        Give each class a weight of its own, regularised like any other.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_weights : int
    """

    def __init__(
        self,
        hinge: str = "crammer_singer",
        *,
        slack: str = "linear",
        cost: ArrayLike | None = None,
        fit_intercept: bool = True,
    ) -> None:
        self.hinge = hinge
        self.slack = slack
        self.cost = cost
        self.fit_intercept = fit_intercept

    def initialize(self, X: Any, y: Any) -> None:
        """Learn the classes and the number of features; how weights are laid out follows from X."""
        self.resize(np.unique(y), X.shape[1], by_class=not sp.issparse(X))

    def resize(self, classes: NDArray[Any], n_features: int, by_class: int = True) -> None:
        """Take sorted, distinct classes, number of features and layout of the weights as given."""
        for name, value, choices in (
            ("hinge", self.hinge, HINGES),
            ("slack", self.slack, _SLACKS),
        ):
            if value not in choices:
                names = ", ".join(map(repr, choices))
                raise ValueError(f"unknown {name} {value!r}: expected one of {names}")
        if len(classes) < 2:
            raise ValueError(
                f"y holds 1 class, {classes[0].item()!r}; at least 2 classes are needed"
                if len(classes)
                else "y is empty"
            )
        self.classes_ = classes
        self.n_features_in_ = n_features
        self.by_class = bool(by_class)
        self._n_columns = 1 if len(classes) == 2 else len(classes)
        self.n_weights = (n_features + bool(self.fit_intercept)) * self._n_columns
        if not 0 < self.n_weights < 2**31:
            raise ValueError(
                f"{n_features} features and {len(classes)} classes make {self.n_weights} weights, "
                "expected 1 to 2**31 - 1"
            )
        self._cost = self.costs()

    def sizes(self) -> dict[str, int]:
        """What `resize` takes beside classes."""
        return {"n_features": self.n_features_in_, "by_class": int(self.by_class)}

    def costs(self) -> NDArray[np.float64]:
        """The cost of answering b where a is right, of shape (n_classes, n_classes)."""
        k = len(self.classes_)
        if self.cost is not None and self.hinge != "crammer_singer":
            raise ValueError(f"cost is for crammer_singer; {self.hinge} has costs of its own")
        cost = HammingLoss(cost=self.cost).cost_matrix(k)
        return cost / (k - 1) if self.hinge == "lee_lin_wahba" else cost

    def weight_blocks(
        self, w: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Weights of shape (n_columns, n_features) and intercepts (n_columns,), as views."""
        size = self.n_features_in_ * self._n_columns
        if self.by_class:
            coef = w[:size].reshape(self._n_columns, self.n_features_in_)
        else:
            coef = w[:size].reshape(self.n_features_in_, self._n_columns).T
        return coef, w[size:] if self.fit_intercept else np.zeros(self._n_columns)

    def bind(self, X: Any, y: Any = None) -> MulticlassProblem:
        """The rows of X, float64, C-contiguous or canonical CSR, with classes y, as a problem."""
        rows: Any = X
        if sp.issparse(X):
            rows = (X.indptr.astype(np.int64), X.indices.astype(np.int32, copy=False), X.data)
        elif not self.by_class:
            raise ValueError("the weights were laid out for sparse X, but X is dense")
        labels = np.searchsorted(self.classes_, y).astype(np.int32)
        features = FeatureRows(rows, self.n_features_in_, intercept=bool(self.fit_intercept))
        return MulticlassProblem(
            features, labels, self._cost, self.hinge, squared=self.slack == "squared"
        )

    # ---- the same in numpy, one example at a time

    def scores(self, X: Any, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """Of all classes, of shape (n_rows, n_classes)."""
        coef, intercept = self.weight_blocks(w)
        found: NDArray[np.float64] = np.asarray(X @ coef.T) + intercept
        if self._n_columns == 1:
            return np.hstack([np.zeros((len(found), 1)), found])
        return found

    def joint_feature(self, x: Any, y: Any) -> NDArray[np.float64]:
        psi = np.zeros(self.n_weights)
        coef, intercept = self.weight_blocks(psi)
        k = int(np.searchsorted(self.classes_, y)) - (self._n_columns == 1)
        if k >= 0:
            coef[k] += x
            intercept[k] += 1.0
        return psi

    def loss(self, y: Any, y_hat: Any) -> float:
        a, b = np.searchsorted(self.classes_, [y, y_hat])
        return float(self._cost[a, b])

    def inference(self, x: Any, w: NDArray[np.float64]) -> Any:
        return self.classes_[np.argmax(self.scores(np.atleast_2d(x), w)[0])]

    def loss_augmented_inference(self, x: Any, y: Any, w: NDArray[np.float64]) -> Any:
        own = self._cost[np.searchsorted(self.classes_, y)]
        return self.classes_[np.argmax(self.scores(np.atleast_2d(x), w)[0] + own)]
