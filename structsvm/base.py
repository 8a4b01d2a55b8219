"""StructuredModel: what a structure of your own consists of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from structsvm.linalg._sums import dot
from structsvm.problems import Problem
from structsvm.problems._python import PythonProblem, sparse_vector

__all__ = ["StructuredModel"]

_REQUIRED = ("joint_feature", "loss", "loss_augmented_inference", "inference")


class StructuredModel(BaseEstimator):  # type: ignore[misc]
    r"""Base class of structured outputs written in Python.

    A model says what an output is through four methods; everything else (training to a certified
    duality gap, prediction, grid search) follows from them. Outputs y may be any Python objects.

    Implement
    ---------
    joint_feature(x, y)
        psi(x, y): array of shape (n_weights,), or a pair (indices, values), or a scipy sparse row.
    loss(y, y_hat)
        Delta(y, y_hat): finite, >= 0, and 0 where y_hat is y.
    loss_augmented_inference(x, y, w)
        The y_hat that maximises Delta(y, y_hat) + <w, psi(x, y_hat)>.
    inference(x, w)
        The y_hat that maximises <w, psi(x, y_hat)>.

    `w` is a read-only view of the current weights, valid during the call; copy it to keep it.

    May be implemented
    ------------------
    initialize(X, y)
        Called once before training: learn sizes from the data. Set ``n_weights`` here where
        `joint_feature` does not return a full array.
    slack_rescaled_inference(x, y, w)
        The y_hat that maximises Delta(y, y_hat) * (1 + <w, psi(x, y_hat) - psi(x, y)>): what
        ``rescaling="slack"`` needs.
    batch_inference(X, w), batch_loss_augmented_inference(X, Y, w)
        Many examples at once, as lists; loops over the single versions by default. Likewise
        ``batch_slack_rescaled_inference(X, Y, w)``.
    score(Y, Y_hat)
        Higher is better; minus the mean loss by default.

    Attributes
    ----------
    exact : bool, default=True
        Set it to False where `loss_augmented_inference` may miss the maximum: the duality gap is
        then an estimate, and the estimator says so.
    non_negative : slice, default=None
        Weights that training must keep >= 0, as a slice with start and stop: what some inference
        needs to be exact. The objective is then minimised, and certified, over those weights.

    Examples
    --------
    Multiclass classification as a structured model:

    >>> import numpy as np
    >>> from structsvm import StructSVM, StructuredModel
    >>> class Multiclass(StructuredModel):
    ...     def __init__(self, n_classes=2):
    ...         self.n_classes = n_classes
    ...     def joint_feature(self, x, y):
    ...         psi = np.zeros((self.n_classes, len(x)))
    ...         psi[y] = x
    ...         return psi.ravel()
    ...     def loss(self, y, y_hat):
    ...         return float(y != y_hat)
    ...     def scores(self, x, w):
    ...         return w.reshape(self.n_classes, -1) @ x
    ...     def loss_augmented_inference(self, x, y, w):
    ...         return int(np.argmax(self.scores(x, w) + (np.arange(self.n_classes) != y)))
    ...     def inference(self, x, w):
    ...         return int(np.argmax(self.scores(x, w)))
    >>> X = [np.array([1.0, 0.0]), np.array([0.0, 1.0])]
    >>> svm = StructSVM(Multiclass()).fit(X, [0, 1])
    >>> svm.predict(X)
    [0, 1]
    """

    exact: bool = True
    non_negative: slice | None = None

    def joint_feature(self, x: Any, y: Any) -> Any:
        raise _missing(self, "joint_feature")

    def loss(self, y: Any, y_hat: Any) -> float:
        raise _missing(self, "loss")

    def loss_augmented_inference(self, x: Any, y: Any, w: NDArray[np.float64]) -> Any:
        raise _missing(self, "loss_augmented_inference")

    def inference(self, x: Any, w: NDArray[np.float64]) -> Any:
        raise _missing(self, "inference")

    def slack_rescaled_inference(self, x: Any, y: Any, w: NDArray[np.float64]) -> Any:
        raise _missing(self, "slack_rescaled_inference")

    def has_slack_oracle(self) -> bool:
        """Whether `slack_rescaled_inference` is implemented."""
        own = type(self).slack_rescaled_inference
        return own is not StructuredModel.slack_rescaled_inference

    def initialize(self, X: Sequence[Any], y: Sequence[Any]) -> None:
        """Learn sizes from the data. The default learns nothing."""

    def batch_inference(
        self, X: Sequence[Any], w: NDArray[np.float64], *, n_jobs: int = 1
    ) -> list[Any]:
        """``inference`` for each x. Compiled models use `n_jobs` threads."""
        return [self.inference(x, w) for x in X]

    def batch_loss_augmented_inference(
        self, X: Sequence[Any], Y: Sequence[Any], w: NDArray[np.float64], *, n_jobs: int = 1
    ) -> list[Any]:
        """``loss_augmented_inference`` for each pair of x and y."""
        return [self.loss_augmented_inference(x, y, w) for x, y in zip(X, Y, strict=True)]

    def batch_slack_rescaled_inference(
        self, X: Sequence[Any], Y: Sequence[Any], w: NDArray[np.float64], *, n_jobs: int = 1
    ) -> list[Any]:
        """``slack_rescaled_inference`` for each pair of x and y."""
        return [self.slack_rescaled_inference(x, y, w) for x, y in zip(X, Y, strict=True)]

    def batch_best_score(
        self, X: Sequence[Any], w: NDArray[np.float64], *, n_jobs: int = 1
    ) -> NDArray[np.float64]:
        """<w, psi(x, y_hat)> of the predicted y_hat, for each x."""
        scores = np.zeros(len(X))
        for i, x in enumerate(X):
            where = f"joint_feature(X[{i}], y_hat)"
            psi = self.joint_feature(x, self.inference(x, w))
            indices, values = sparse_vector(psi, len(w), where)
            scores[i] = dot(values, w[indices])
        return scores

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """Minus the mean loss."""
        losses = [self.loss(y, y_hat) for y, y_hat in zip(Y, Y_hat, strict=True)]
        return -float(np.mean(losses))

    def bind(self, X: Sequence[Any], y: Sequence[Any]) -> Problem:
        """This model and these data as a Problem, all that a solver sees.

        Raises
        ------
        TypeError
            If one of the four methods is missing.
        ValueError
            If a joint feature has the wrong shape or is not finite.
        """
        lacking = [
            name
            for name in _REQUIRED
            if getattr(type(self), name) is getattr(StructuredModel, name)
        ]
        if lacking:
            raise _missing(self, *lacking)
        n_weights = getattr(self, "n_weights", None)
        if n_weights is None:
            psi = self.joint_feature(X[0], y[0])
            if isinstance(psi, tuple):
                raise ValueError(
                    f"joint_feature of {type(self).__name__} returns (indices, values), which does "
                    "not tell the number of weights: set self.n_weights in initialize(X, y)"
                )
            n_weights = int(np.prod(psi.shape if hasattr(psi, "shape") else np.shape(psi)))
        if not 0 < n_weights < 2**31:
            raise ValueError(f"n_weights is {n_weights}, expected 1 to 2**31 - 1")
        signs = self.non_negative
        return PythonProblem(self, X, y, n_weights, exact=self.exact, non_negative=signs)


def _missing(model: StructuredModel, *names: str) -> TypeError:
    methods = ", ".join(f"{name}()" for name in names)
    return TypeError(
        f"{type(model).__name__} does not implement {methods}; a StructuredModel needs "
        + ", ".join(_REQUIRED)
    )
