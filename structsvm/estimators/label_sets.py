"""MultiLabelSVM: sets of labels for rows of features."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from structsvm.data.checks import check_sample_weight
from structsvm.data.rows import read_rows
from structsvm.engines import Engine
from structsvm.estimators.rows import RowExamples
from structsvm.estimators.structured import StructSVM, of_model
from structsvm.models import MultiLabelModel
from structsvm.models.label_sets import check_indicators
from structsvm.problems import Problem
from structsvm.solvers import Progress, Solver
from structsvm.training.train import Examples, Validation

__all__ = ["MultiLabelSVM"]


class MultiLabelSVM(ClassifierMixin, StructSVM):  # type: ignore[misc]
    r"""Multi-label linear SVM, trained to a certified duality gap.

    Minimises

    .. math:: \tfrac12 \|w\|^2 + C \sum_i c_i \max_y \; \Delta(y_i, y)
        - \langle w, \psi(x_i, y_i) - \psi(x_i, y) \rangle

    over weights of features for each label and tables of pairs of labels, see `MultiLabelModel`,
    with sample weights c_i.

    Parameters
    ----------
    structure : {"auto", "independent", "tree", "full"}, default="auto"
        Which pairs of labels have a table: none, those of the maximum spanning tree of their mutual
        information, or all. "auto" is all for up to 12 labels and a tree for more: always exact.
        All for more than 12 is not: the gap is a certificate only where roof duality decided every
        label, and `certified_` says so.
    loss : {"hamming", "f1"}, default="hamming"
        The number of wrong labels, or 1 - F1 of each set; "f1" is for "independent", or for up to
        12 labels.
    label_weight : array-like of shape (n_labels,), default=None
        What a mistake at each label costs in the Hamming loss.
    fit_intercept : bool, default=True
    C : float, "scale" or "auto", default="scale"
        See `StructSVM`. "auto" holds out a third of the rows, and `score` chooses.
    scale, solver, tol, max_iter, n_jobs, engine, random_state, verbose, warm_start
        See `StructSVM`.
    prior_weights, fixed_weights, callbacks
        See `StructSVM`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_labels,)
        The columns of y, 0 to n_labels - 1.
    coef_ : ndarray of shape (n_labels, n_features)
    intercept_ : ndarray of shape (n_labels,)
    pairs_ : ndarray of shape (n_pairs, 2)
        Pairs of labels that have a table.
    pair_coef_ : ndarray of shape (n_pairs, 2, 2)
        The score of the two labels being out of the set (0) or in it (1).
    n_features_in_ : int
    model_, objective_, dual_objective_, dual_gap_, certified_, C_, path_, scaling_
        See `StructSVM`.
    status_, n_iter_, n_oracle_calls_, history_, validation_score_
        See `StructSVM`.

    Notes
    -----
    X is dense or CSR. y is a matrix of 0 and 1, dense or sparse, as ``MultiLabelBinarizer`` makes
    it. The independent structure with the Hamming loss is a binary hinge-loss SVM for each label,
    intercepts regularised, with one C.

    References
    ----------
    See `MultiLabelModel`.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.datasets import make_multilabel_classification
    >>> from structsvm import MultiLabelSVM
    >>> X, y = make_multilabel_classification(random_state=0)
    >>> svm = MultiLabelSVM(random_state=0).fit(X, y)
    >>> svm.predict(X).shape, svm.decision_function(X).shape
    ((100, 5), (100, 5))
    >>> bool(np.mean(svm.predict(X) != y) < 0.2), svm.dual_gap_ <= 1e-3
    (True, True)
    """

    model_: MultiLabelModel
    _weights: NDArray[np.float64]

    def __init__(
        self,
        structure: str = "auto",
        *,
        loss: str = "hamming",
        label_weight: ArrayLike | None = None,
        fit_intercept: bool = True,
        C: float | str = "scale",
        scale: str | None = "auto",
        solver: str | Solver = "bcfw",
        tol: float | None = None,
        max_iter: int | None = None,
        n_jobs: int | None = None,
        engine: Engine | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        prior_weights: ArrayLike | None = None,
        fixed_weights: ArrayLike | None = None,
        callbacks: Sequence[Callable[[Progress], Any]] | None = None,
    ) -> None:
        self.structure = structure
        self.loss = loss
        self.label_weight = label_weight
        self.fit_intercept = fit_intercept
        self.C = C
        self.scale = scale
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.prior_weights = prior_weights
        self.fixed_weights = fixed_weights
        self.callbacks = callbacks

    rescaling = "margin"

    def _make_model(self) -> MultiLabelModel:
        return MultiLabelModel(
            self.structure,
            task_loss=self.loss,
            label_weight=self.label_weight,
            fit_intercept=self.fit_intercept,
        )

    # ---- training

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        resume_from: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Train on rows X with sets of labels y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        y : array-like or sparse matrix of shape (n_samples, n_labels)
            1 for labels in the set of a row, 0 for others.
        sample_weight : array-like of shape (n_samples,), default=None
            Factor of each example's hinge, >= 0.
        X_val, y_val, resume_from
            See `StructSVM.fit`.

        Returns
        -------
        self
        """
        examples = self._examples(X, y, sample_weight)
        self._fit(examples, self._validation(X_val, y_val), resume_from)
        return self

    def _examples(self, X: Any, y: Any, sample_weight: Any = None) -> Examples:
        X, _ = read_rows(self, X, reset=True, needs_y=False)
        indicators = _indicators(self, y, X.shape[0])
        return RowExamples(X, indicators, check_sample_weight(sample_weight, X.shape[0]), {})

    def _validation(self, X: Any, y: Any) -> Validation:
        return _SetValidation(self, X, y, self._score_outputs)

    def _held_out(self, examples: Examples) -> Validation:
        return _SetValidation(self, examples.X, examples.y, self._score_outputs)

    # ---- what a fit leaves

    def _weight_attributes(self, model: Any, weights: NDArray[np.float64]) -> dict[str, Any]:
        attributes = super()._weight_attributes(model, weights)
        blocks = model.weight_blocks(attributes.pop("coef_"))
        return attributes | {
            "_weights": weights,
            "coef_": blocks["coef"].T,
            "intercept_": blocks["intercept"],
            "pair_coef_": blocks["pair"],
            "classes_": np.arange(model.n_labels_),
            "n_features_in_": model.n_features_in_,
        }

    def _flat_weights(self) -> NDArray[np.float64]:
        return self._weights

    pairs_ = of_model("pairs_")

    # ---- prediction

    def predict(self, X: Any) -> NDArray[np.int64]:  # type: ignore[override]
        """The best set of labels of each row, as a matrix of 0 and 1.

        Returns
        -------
        sets : ndarray of int of shape (n_samples, n_labels)
        """
        model = self._fitted_model()
        X, _ = read_rows(self, X, reset=False, needs_y=False)
        labels, _ = self._ask(model.bind(X), scored=False)
        sets: NDArray[np.int64] = labels.astype(np.int64).reshape(X.shape[0], -1)
        return sets

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """By how much the best set with each label scores more than the best set without it.

        Above 0 where the label is predicted. For "full" with more than 12 labels it compares sets
        that may not be the best, and may tell otherwise.

        Returns
        -------
        leads : ndarray of shape (n_samples, n_labels)
        """
        model: Any = self._fitted_model()
        X, _ = read_rows(self, X, reset=False, needs_y=False)
        leads: NDArray[np.float64] = model.leads(X, self._flat_weights())
        return leads

    def _questions(self, X: Any, y: Any) -> tuple[Any, Problem]:
        check_is_fitted(self)
        X, _ = read_rows(self, X, reset=False, needs_y=False)
        return super()._questions(list(X), list(_indicators(self, y, X.shape[0])))

    def score(  # type: ignore[override]
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None
    ) -> float:
        """Subset accuracy, as of scikit-learn's multi-label classifiers: the share of rows whose
        whole set is predicted rightly."""
        indicators = check_indicators(y, n_labels=self._fitted_model().n_labels_)
        return float(ClassifierMixin.score(self, X, indicators, sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.classifier_tags.multi_label = True
        tags.classifier_tags.multi_class = False
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags


class _SetValidation(Validation):
    """Held-out rows and their sets of labels, or none."""

    def __init__(self, estimator: Any, X: Any, y: Any, score: Callable[..., float]) -> None:
        self._estimator = estimator
        super().__init__(X, y, score)

    def check(self) -> None:
        self.X, _ = read_rows(self._estimator, self.X, reset=False, needs_y=False)
        self.y = _indicators(self._estimator, self.y, self.X.shape[0])


def _indicators(estimator: Any, y: Any, n_examples: int) -> NDArray[np.int8]:
    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is None"
        )
    return check_indicators(y, n_examples)
