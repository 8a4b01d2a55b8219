"""ArcLabeller: the relation of each token to its head, once the tree is known."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from structsvm.data.state import State, checked_classes, most_numbers
from structsvm.estimators.multiclass import MulticlassSVM
from structsvm.exceptions import ModelFileError

__all__ = ["ArcLabeller"]


class ArcLabeller(BaseEstimator):  # type: ignore[misc]
    """Relations of arcs, each for itself: a multiclass SVM without intercept.

    Trained on no rows at all, it knows no relations.

    Parameters
    ----------
    n_bits : int, default=16
        Features are hashed to ``2 ** n_bits`` columns.
    tol : float, default=0.05
        See `MulticlassSVM`.
    random_state : int, RandomState or None, default=None

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The relations, sorted.
    coef_ : float64 ndarray of shape (2 ** n_bits, n_classes)
    """

    classes_: NDArray[Any]
    coef_: NDArray[np.float64]

    def __init__(self, n_bits: int = 16, *, tol: float = 0.05, random_state: Any = None) -> None:
        self.n_bits = n_bits
        self.tol = tol
        self.random_state = random_state

    def fit(
        self,
        rows: sp.csr_matrix,
        relations: NDArray[Any],
        sample_weight: NDArray[np.float64] | None = None,
    ) -> Self:
        """Train on rows of features of arcs."""
        self.classes_ = np.unique(relations)
        self.coef_ = np.zeros((1 << self.n_bits, len(self.classes_)))
        if len(self.classes_) > 1:
            svm = MulticlassSVM(
                fit_intercept=False, scale=None, tol=self.tol, random_state=self.random_state
            ).fit(rows, relations, sample_weight)
            # Of two classes there is one row, for the second.
            self.coef_[:, -len(svm.coef_) :] = svm.coef_.T
        return self

    def predict(self, rows: sp.csr_matrix) -> NDArray[Any]:
        """The relation of each row."""
        scores = rows @ self.coef_
        found: NDArray[Any] = self.classes_[scores.argmax(axis=1)]
        return found

    def to_state(self) -> State:
        """Relations, and the weights that are not 0."""
        places = np.flatnonzero(self.coef_)
        return {"classes": self.classes_, "places": places, "values": self.coef_.flat[places]}

    def from_state(self, state: State) -> Self:
        self.classes_ = checked_classes(state) if len(state["classes"]) else state["classes"]
        places, values = state["places"], state["values"]
        size = len(self.classes_) << self.n_bits
        if places.dtype != np.int64 or values.dtype != np.float64 or places.shape != values.shape:
            raise ModelFileError("the weights of relations are of another kind")
        if size > most_numbers(len(places)) or (
            len(places) and not 0 <= places.min() <= places.max() < size
        ):
            raise ModelFileError(f"{len(places)} weights of relations do not fit {size} places")
        if not np.isfinite(values).all():
            raise ModelFileError("a weight of relations is not finite")
        self.coef_ = np.zeros((1 << self.n_bits, len(self.classes_)))
        self.coef_.flat[places] = values
        return self
