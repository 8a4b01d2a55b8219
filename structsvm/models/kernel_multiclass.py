"""KernelMulticlassModel: one class for each input, from kernel values only."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_scalar
from structsvm.data.labels import PackedLabels
from structsvm.data.scaling import ColumnScaling, FeatureGroup
from structsvm.data.state import State
from structsvm.exceptions import ModelFileError
from structsvm.linalg._plane import padded_vector
from structsvm.models.factored import PackedInputs
from structsvm.models.multiclass import MulticlassModel
from structsvm.problems._multiclass import MulticlassProblem
from structsvm.problems._multiclass_kernel import KernelMulticlassProblem, KernelPredictions
from structsvm.problems.kernel import KERNELS, Kernel

__all__ = ["KernelMulticlassModel"]

_WITH_GAMMA = [name for name, parameters in KERNELS.items() if "gamma" in parameters]


class KernelMulticlassModel(MulticlassModel):
    r"""One of K classes for each x, with :math:`s_k = \sum_j b_{jk} (k(x_j, x) + z^2)`.

    The hinges are those of `MulticlassModel`; z, with `fit_intercept`, is `intercept_scaling`.
    There is no weight vector over features: the weight vector of solvers holds the scores of the
    examples that the model was last bound to, then the coefficients b. Only the solver "block_dual"
    can train it.

    Parameters
    ----------
    hinge, slack, cost, fit_intercept, intercept_scaling
        See `MulticlassModel`.
    kernel : {"rbf", "poly", "sigmoid", "precomputed"} or callable, default="rbf"
        With "precomputed" the features of an example are its kernel values with all training
        examples. A callable takes two matrices and returns the matrix of kernel values between
        their rows. Where estimators scale columns, the first three are kernels of centred and
        scaled columns; a callable sees columns as they are.
    gamma : {"scale", "auto"} or float, default="scale"
        As in scikit-learn's SVC: 1 / (n_features * X.var()), 1 / n_features, or the number; X with
        scaled columns.
    degree : float, default=3
    coef0 : float, default=0.0
    cache_size : float, default=500
        Megabytes for rows of the kernel matrix.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    support_ : int64 ndarray
        Numbers of the examples that the kernel holds.
    kernel_ : Kernel
    n_features_in_, n_weights : int

    Examples
    --------
    >>> from structsvm import KernelMulticlassModel, StructSVM
    >>> X, y = [[0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 0.0]], ["a", "a", "b", "b"]
    >>> model = KernelMulticlassModel(gamma=1.0)
    >>> svm = StructSVM(model, C=100, solver="block_dual", random_state=0).fit(X, y)
    >>> [str(label) for label in svm.predict(X)]
    ['a', 'a', 'b', 'b']
    """

    kernel_: Kernel
    support_: NDArray[np.int64]
    _columns: ColumnScaling | None = None  # of the examples to be bound

    def __init__(
        self,
        hinge: str = "crammer_singer",
        *,
        slack: str = "linear",
        cost: ArrayLike | None = None,
        fit_intercept: bool = True,
        intercept_scaling: float = 1.0,
        kernel: str | Callable[[Any, Any], Any] = "rbf",
        gamma: str | float = "scale",
        degree: float = 3,
        coef0: float = 0.0,
        cache_size: float = 500,
    ) -> None:
        super().__init__(
            hinge,
            slack=slack,
            cost=cost,
            fit_intercept=fit_intercept,
            intercept_scaling=intercept_scaling,
        )
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.cache_size = cache_size

    def _check_parameters(self, n_classes: int) -> None:
        super()._check_parameters(n_classes)
        if not callable(self.kernel) and self.kernel not in list(KERNELS):
            names = ", ".join(repr(name) for name in ("linear", *KERNELS))
            raise ValueError(
                f"unknown kernel {self.kernel!r}: expected one of {names}, or a callable"
            )
        if self.gamma not in ("scale", "auto"):
            check_scalar("gamma", self.gamma, above=0)
        check_scalar("cache_size", self.cache_size, above=0)
        check_scalar("degree", self.degree, above=-np.inf)
        check_scalar("coef0", self.coef0, above=-np.inf)

    def feature_groups(self, X: PackedInputs, y: PackedLabels) -> list[FeatureGroup]:
        """The columns; none where the kernel is a callable, whose affair they are, or given."""
        if callable(self.kernel) or self.kernel == "precomputed":
            return []
        # Centred even without an intercept: no weights are of columns.
        return [group._replace(intercept="intercept") for group in super().feature_groups(X, y)]

    def scaled(self, X: PackedInputs, scaling: Mapping[str, ColumnScaling]) -> PackedInputs:
        """The inputs to be bound next; the kernel scales all others alike."""
        self._columns = scaling.get("coef")
        return super().scaled(X, scaling)

    def in_user_units(
        self,
        w: NDArray[np.float64],
        scaling: Mapping[str, ColumnScaling],
        *,
        back: bool = False,
    ) -> NDArray[np.float64]:
        return w  # not of columns

    def constant_loss(self, y: PackedLabels) -> float | None:
        return None  # objective and weights do not tell the hinge

    def _mean_square(self, scaling: Mapping[str, ColumnScaling]) -> float:
        """Of the examples that this model was bound to, where the kernel puts them."""
        return float(self.kernel_.diagonal().mean()) - self._constant**2

    def bind(self, X: Any, y: Any = None, **weights: Any) -> MulticlassProblem:
        """These examples as a problem; with y one to train on, and this model scores by them."""
        X, y = self._read(X, y, None, weights)
        if y is None:
            return self.make_problem(X, None)
        self.kernel_ = Kernel(
            X.items,
            self.kernel,
            intercept=self._constant**2,
            gamma=self._gamma(X.items) if self.kernel in _WITH_GAMMA else 1.0,
            degree=self.degree,
            coef0=self.coef0,
            columns=self._columns,
        )
        self.support_ = np.arange(len(X))
        return KernelMulticlassProblem(
            self.kernel_,
            int(min(self.cache_size * 1e6, sys.maxsize)),
            self.class_numbers(y),
            loss=self.hinge,
            slack=self.slack,
            cost=self._margins(len(self.classes_)),
        )

    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> MulticlassProblem:
        """The examples as a problem that answers by those which this model was bound to."""
        n_classes = len(self.classes_)
        return KernelPredictions(
            self.kernel_,
            self.kernel_.with_scaled_columns(X.items),
            None if y is None else self.class_numbers(y),
            loss=self.hinge,
            slack=self.slack,
            cost=None if y is None else self._margins(n_classes),
            n_classes=n_classes,
        )

    def questions(self, X: Any, y: Any) -> MulticlassProblem:
        return self.make_problem(*self._read(X, y))

    def _gamma(self, X: Any) -> float:
        if not isinstance(self.gamma, str):
            return float(self.gamma)
        if self.gamma == "auto" or not X.shape[1]:
            return 1.0 / float(max(X.shape[1], 1))
        with np.errstate(over="ignore", invalid="ignore"):
            mean = X.mean(dtype=np.float64)
            if sp.issparse(X):
                values = X.data.astype(np.float64, copy=False)
                zeros = X.shape[0] * X.shape[1] - len(values)
                variance = (((values - mean) ** 2).sum() + zeros * mean**2) / (zeros + len(values))
            else:
                variance = X.var(dtype=np.float64)
            if not np.isfinite(variance):
                raise ValueError(
                    "gamma='scale' is 1 / (n_features * X.var()), and X.var() overflows: scale the "
                    "features, or give gamma as a number"
                )
        return float(1.0 / (X.shape[1] * variance)) if variance > 0 else 1.0

    def fitted_attributes(self, w: NDArray[np.float64]) -> dict[str, Any]:
        model, weights = self.condensed(w)
        coefficients = model._coefficients(weights)
        return {
            "classes_": self.classes_,
            "n_features_in_": self.n_features_in_,
            "support_": model.support_,
            "dual_coef_": coefficients,
            "intercept_": coefficients.sum(axis=0) * self._constant**2,
        }

    def flat_weights(self, attributes: Mapping[str, Any]) -> NDArray[np.float64]:
        """The weight vector from `fitted_attributes`; predictions do not need the examples' scores,
        which are set to 0."""
        coefficients = attributes["dual_coef_"]
        weights = padded_vector(2 * coefficients.size)
        weights[coefficients.size :] = coefficients.ravel()
        return weights

    def condensed(self, w: NDArray[np.float64]) -> tuple[Self, NDArray[np.float64]]:
        """The model with its support vectors only, and their weights."""
        coefficients = self._coefficients(w)
        supporting = np.flatnonzero(coefficients.any(axis=1))
        model = copy.copy(self)
        model.kernel_ = copy.copy(self.kernel_)
        model.kernel_.X, model.kernel_.matrix = self.kernel_.X[supporting], None
        model.support_ = self.support_[supporting]
        model.n_weights = 2 * coefficients[supporting].size
        return model, self.flat_weights({"dual_coef_": coefficients[supporting]})

    def _coefficients(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """b, of shape (n_examples, n_columns)."""
        return w[len(w) // 2 :].reshape(-1, 1 if len(self.classes_) == 2 else len(self.classes_))

    # ---- model files

    def to_state(self) -> State:
        """Classes, support vectors and the kernel."""
        return super().to_state() | {"support": self.support_} | self.kernel_.to_state()

    def from_state(self, state: State) -> Self:
        super().from_state(state)
        if self.kernel not in list(KERNELS):
            raise ModelFileError(f"it names the kernel {self.kernel!r}, which is not known")
        self.kernel_ = Kernel.from_state(
            state,
            self.kernel,
            intercept=self._constant**2,
            n_features=self.n_features_in_,
        )
        self.support_, n_rows = state["support"], self.kernel_.X.shape[0]
        places = self.support_
        if places.dtype != np.int64 or places.shape != (n_rows,) or (np.diff(places) <= 0).any():
            raise ModelFileError(f"the numbers of the {n_rows} examples of the kernel do not rise")
        if n_rows and places[0] < 0:
            raise ModelFileError(f"an example of the kernel has the number {places[0]}")
        self.n_weights = 2 * n_rows * (1 if len(self.classes_) == 2 else len(self.classes_))
        return self
