"""MulticlassModel: one class for each input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_scalar
from structsvm.data.labels import PackedLabels
from structsvm.data.rows import check_class_labels, check_rows
from structsvm.data.scaling import ColumnScaling, FeatureGroup, row_chunks
from structsvm.data.state import State, checked_classes
from structsvm.linalg._plane import padded_vector
from structsvm.losses import HammingLoss
from structsvm.models.factored import (
    PackedInputs,
    PackedModel,
    least_constant_loss,
    mean_costs,
    unit_of_parts,
)
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._multiclass import LOSSES, SLACKS, MulticlassProblem
from structsvm.problems.layout import Layout

__all__ = ["MulticlassModel"]

_MOST_SCALING = 1e6  # its square beside those of rows leaves digits to them


class MulticlassModel(PackedModel):
    r"""One of K classes for each x, with scores :math:`s_k = \langle w_k, x \rangle + b_k`.

    The weight vector is the matrix (n_features, n_classes) of all w_k, then b (n_classes,), as one
    row-major vector. Two classes share one column: its score s stands for the scores -s/2 and s/2,
    and every hinge is that of binary classification.

    With costs Delta (1 for each wrong class by default) the hinges are

    - "crammer_singer": :math:`\max_k \Delta(y, k) + s_k - s_y`, one slack variable an example;
    - "weston_watkins": :math:`\sum_{k \ne y} \max(0, 1 + s_k - s_y)`, one for each wrong class;
    - "lee_lin_wahba": :math:`\sum_{k \ne y} \max(0, \frac{1}{K-1} + s_k - \bar s)` with the mean
      score :math:`\bar s`, so the optimal w_k sum to zero.

    With ``slack="squared"`` the maximum, or each term of the sum, is squared.

    For the sums, what violates the margin most is a set of classes, not one: the answer of
    `loss_augmented_inference` is then an array of how often each class counts. The methods for one
    example and for many take squared slack for linear.

    Parameters
    ----------
    hinge : {"crammer_singer", "weston_watkins", "lee_lin_wahba"}, default="crammer_singer"
    slack : {"linear", "squared"}, default="linear"
    cost : array-like of shape (n_classes, n_classes), default=None
        ``cost[a, b]``: Delta of predicting class b for true class a, classes in sorted order.
        Finite, >= 0, zero on the diagonal. For "crammer_singer" only.
    fit_intercept : bool, default=True
        Whether each class has an intercept. It is regularised like all weights.
    intercept_scaling : float, default=1.0
        The constant feature z whose weight the intercept comes from: :math:`b_k = z v_k` with
        :math:`v_k^2` in the norm, so that :math:`b_k^2 / z^2` is what an intercept costs. With z
        of some hundreds it costs next to nothing.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The labels, sorted.
    n_features_in_, n_weights : int

    References
    ----------
    K. Crammer, Y. Singer (2001). On the algorithmic implementation of multiclass kernel-based
    vector machines. JMLR 2.
    J. Weston, C. Watkins (1999). Support vector machines for multi-class pattern recognition.
    ESANN.
    Y. Lee, Y. Lin, G. Wahba (2004). Multicategory support vector machines. Journal of the American
    Statistical Association 99. doi:10.1198/016214504000000098

    Examples
    --------
    >>> from structsvm import MulticlassModel, StructSVM
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["a", "b", "c"]
    >>> svm = StructSVM(MulticlassModel(), C=10, random_state=0).fit(X, y)
    >>> [str(label) for label in svm.predict([[0.0, 2.0]])]
    ['a']
    """

    def __init__(
        self,
        hinge: str = "crammer_singer",
        *,
        slack: str = "linear",
        cost: ArrayLike | None = None,
        fit_intercept: bool = True,
        intercept_scaling: float = 1.0,
    ) -> None:
        self.hinge = hinge
        self.slack = slack
        self.cost = cost
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling

    # ---- sizes and weights

    def learn(self, X: PackedInputs, y: PackedLabels, classes: NDArray[Any] | None = None) -> None:
        """Learn the classes and the number of features."""
        self.resize(np.unique(y.labels) if classes is None else classes, **X.sizes)

    def to_state(self) -> State:
        """Classes and number of features."""
        return {"n_features": self.n_features_in_, "classes": self.classes_}

    def from_state(self, state: State) -> Self:
        self.resize(checked_classes(state), state["n_features"])
        return self

    def resize(self, classes: NDArray[Any], n_features: int) -> None:
        """Set the classes (sorted, distinct) and the number of features.

        Parameters
        ----------
        classes : ndarray of shape (n_classes,)
            Sorted and distinct.
        n_features : int
        """
        if len(classes) < 2:
            raise ValueError(
                f"y has 1 class, {classes.tolist()[0]!r}: expected at least 2 classes to tell apart"
                if len(classes)
                else "y has no class: there is nothing to learn from"
            )
        self._check_parameters(len(classes))
        self.classes_ = classes
        self.n_features_in_ = n_features
        n_columns = 1 if len(classes) == 2 else len(classes)
        blocks: list[tuple[str, tuple[int, ...]]] = [("coef", (n_features, n_columns))]
        if self.fit_intercept:
            blocks.append(("intercept", (n_columns,)))
        self.layout_ = Layout(blocks)
        self.n_weights = self.layout_.n_weights
        if not 0 < self.n_weights < 2**31:
            raise ValueError(
                f"{n_features} features and {len(classes)} classes make {self.n_weights} weights, "
                "expected 1 to 2**31 - 1"
            )

    def _check_parameters(self, n_classes: int) -> None:
        for name, choices in (("hinge", tuple(LOSSES)), ("slack", SLACKS)):
            if getattr(self, name) not in choices:
                names = ", ".join(repr(choice) for choice in choices)
                raise ValueError(f"unknown {name} {getattr(self, name)!r}: expected one of {names}")
        if self.cost is not None and self.hinge != "crammer_singer":
            raise ValueError(
                f"cost is for hinge='crammer_singer', not for {self.hinge!r}; leave cost out"
            )
        check_scalar("intercept_scaling", self.intercept_scaling, above=0)
        if not 1 / _MOST_SCALING <= self.intercept_scaling <= _MOST_SCALING:
            raise ValueError(
                f"intercept_scaling={self.intercept_scaling!r}: expected a number from "
                f"{1 / _MOST_SCALING:g} to {_MOST_SCALING:g}"
            )
        self._margins(n_classes)

    @property
    def _constant(self) -> float:
        """The last feature of all rows; 0 if there is none."""
        return float(self.intercept_scaling) if self.fit_intercept else 0.0

    def _margins(self, n_classes: int) -> NDArray[np.float64]:
        """Required margin of each class, by true class."""
        margins = HammingLoss(cost=self.cost).cost_matrix(n_classes)
        if self.hinge == "lee_lin_wahba":
            margins /= n_classes - 1
        return margins

    def weight_matrix(self, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """A weight vector as a matrix, which is a view.

        Parameters
        ----------
        w : ndarray of shape (n_weights,)

        Returns
        -------
        matrix : ndarray of shape (n_features + fit_intercept, n_columns)
        """
        return w.reshape(self.n_features_in_ + bool(self.fit_intercept), -1)

    def fitted_attributes(self, w: NDArray[np.float64]) -> dict[str, Any]:
        """The fitted attributes of an estimator with these weights, by name.

        Parameters
        ----------
        w : ndarray of shape (n_weights,)

        Returns
        -------
        attributes : dict of str to object
        """
        matrix, n_features = self.weight_matrix(w), self.n_features_in_
        return {
            "classes_": self.classes_,
            "n_features_in_": n_features,
            "coef_": matrix[:n_features].T,
            "intercept_": (
                matrix[-1] * self._constant if self.fit_intercept else np.zeros(matrix.shape[1])
            ),
        }

    def flat_weights(self, attributes: Mapping[str, Any]) -> NDArray[np.float64]:
        """The weight vector in `fitted_attributes`.

        Parameters
        ----------
        attributes : mapping of str to object

        Returns
        -------
        w : float64 ndarray of shape (n_weights,)
        """
        coef = attributes["coef_"]
        weights = padded_vector(coef.size + bool(self.fit_intercept) * len(coef))
        matrix = self.weight_matrix(weights)
        matrix[: coef.shape[1]] = coef.T
        if self.fit_intercept:
            matrix[-1] = attributes["intercept_"] / self._constant
        return weights

    def condensed(self, w: NDArray[np.float64]) -> tuple[Self, NDArray[np.float64]]:
        """A model and weights that make the same predictions, smaller if possible.

        Parameters
        ----------
        w : ndarray of shape (n_weights,)

        Returns
        -------
        model : a model of the same kind
        w : ndarray
        """
        return self, w

    def scores(self, X: Any, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """<w_k, x> + b_k for each row of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_examples, n_features)
        w : ndarray of shape (n_weights,)

        Returns
        -------
        scores : ndarray of shape (n_examples, n_columns)
        """
        return self.make_problem(self._read(X)[0], None).all_scores(w)

    def in_user_units(
        self,
        w: NDArray[np.float64],
        scaling: Mapping[str, ColumnScaling],
        *,
        back: bool = False,
    ) -> NDArray[np.float64]:
        if not self.fit_intercept or self.intercept_scaling == 1:
            return super().in_user_units(w, scaling, back=back)
        # What makes up for centred columns is the intercept itself.
        whole = np.array(w)
        intercept = self.layout_.views(whole)["intercept"]
        intercept *= self._constant
        converted = super().in_user_units(whole, scaling, back=back)
        self.layout_.views(converted)["intercept"][...] /= self._constant
        return converted

    # ---- examples and problem

    def input_sizes(self) -> dict[str, int]:
        return {"n_features": self.n_features_in_}

    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> PackedInputs:
        """Rows of features, not copied where compiled code can use them as they are."""
        rows = check_rows(X, **(sizes or {}))
        n_rows, n_features = rows.shape
        return PackedInputs(rows, np.arange(n_rows + 1), {"n_features": n_features})

    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> PackedLabels:
        labels = check_class_labels(y, None if X is None else len(X))
        return PackedLabels(labels, np.arange(len(labels) + 1), [()] * len(labels))

    def feature_groups(self, X: PackedInputs, y: PackedLabels) -> list[FeatureGroup]:
        chunks = row_chunks(X.items, y.sample_weight)
        intercept = "intercept" if self.fit_intercept else None
        return [FeatureGroup("coef", chunks, X.sizes["n_features"], intercept)]

    def scaled(self, X: PackedInputs, scaling: Mapping[str, ColumnScaling]) -> PackedInputs:
        if all(columns.is_identity for columns in scaling.values()):
            return X
        return PackedInputs(scaling["coef"].apply(X.items), X.offsets, X.sizes)

    def penalty_unit(self, y: PackedLabels, scaling: Mapping[str, ColumnScaling]) -> float | None:
        k = len(self.classes_)
        costs = mean_costs(self._margins(k))[self.class_numbers(y)]
        mean_square = self._mean_square(scaling) + bool(self.fit_intercept)
        unit = unit_of_parts(costs, np.full(len(costs), mean_square), y.sample_weight)
        if k == 2:  # one weight vector, that of half the difference
            unit *= 2
        elif self.hinge == "weston_watkins":  # k - 1 terms, and the truth is in all of them
            unit *= 2 / k
        elif self.hinge == "lee_lin_wahba":  # likewise, less what they have in common
            unit *= 2 * k
        if self.slack == "squared":  # whose slope is twice the margin
            unit /= 2 * float(costs.mean()) or 1.0
        return unit

    def constant_loss(self, y: PackedLabels) -> float | None:
        cost = self._margins(len(self.classes_)) ** (2 if self.slack == "squared" else 1)
        weight = np.ones(len(y)) if y.sample_weight is None else y.sample_weight
        return least_constant_loss(self.class_numbers(y), cost, weight, len(y))

    def _mean_square(self, scaling: Mapping[str, ColumnScaling]) -> float:
        """Mean squared norm of the scaled rows."""
        return scaling["coef"].mean_square

    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> MulticlassProblem:
        n_classes = len(self.classes_)
        return MulticlassProblem(
            FeatureRows(X.items, intercept=self._constant),
            None if y is None else self.class_numbers(y),
            loss=self.hinge,
            slack=self.slack,
            cost=None if y is None else self._margins(n_classes),
            n_classes=n_classes,
        )

    def write_outputs(self, X: PackedInputs, answers: NDArray[Any]) -> list[Any]:
        """Classes, or counts of classes."""
        return list(self.classes_[answers] if answers.ndim == 1 else answers)

    def output_numbers(self, y: Any, X: PackedInputs | None = None) -> NDArray[Any]:
        """How often each class counts in a class, or in such counts themselves."""
        if isinstance(y, np.ndarray) and y.ndim == 1:
            return y
        counts = np.zeros(len(self.classes_))
        counts[super().output_numbers(y, X)] = 1.0
        return counts

    def has_slack_oracle(self) -> bool:
        return self.hinge == "crammer_singer" and self.slack == "linear"

    def loss(self, y: Any, y_hat: Any) -> float:
        """The required margins of the classes in y_hat, summed."""
        truth, chosen = self.output_numbers(y).argmax(), self.output_numbers(y_hat) > 0
        return float(self._margins(len(self.classes_))[truth, chosen].sum())

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """Accuracy: share of correct classes."""
        return float(np.mean(np.asarray(Y) == np.asarray(Y_hat)))
