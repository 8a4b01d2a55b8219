"""MulticlassSVM: the smallest structured SVM, as a scikit-learn classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from structsvm.base import StructuredModel
from structsvm.estimators.fitting import Examples, Validation
from structsvm.estimators.structured import StructSVM
from structsvm.models.multiclass import MulticlassModel
from structsvm.problems import Problem
from structsvm.solvers import Progress, Solver, SolverResult, make_solver, solver_name
from structsvm.solvers.base import refuse
from structsvm.validation import check_sample_weight

__all__ = ["MulticlassSVM"]

# Multipliers this near to their bounds count as there.
_AT_BOUND = 1e-8


class _Rows(Examples):
    """Rows of a matrix that scikit-learn has checked, with a weight for each."""

    def check(self) -> None:
        self.weight = check_sample_weight(self.weight, self.X.shape[0])


def _can_learn(svm: MulticlassSVM) -> bool:
    """Whether the solver goes on with new data; scikit-learn asks whether there is partial_fit."""
    return hasattr(make_solver(svm.solver), "learn")


class MulticlassSVM(ClassifierMixin, StructSVM):  # type: ignore[misc]
    r"""Linear classifier with one of the multiclass hinges, trained to a certified gap.

    Minimises

    .. math:: \tfrac12 \|W\|^2 + C \sum_i s_i H_i(W)

    over a weight vector for each class, by exact updates of the dual variables of one example at a
    time. With scores f, the hinge H is, for a wrong class k and the right class y,

    - "crammer_singer": the greatest of cost[y, k] + f_k - f_y and 0;
    - "weston_watkins": the sum of max(0, 1 + f_k - f_y);
    - "lee_lin_wahba": the sum of max(0, 1 / (K - 1) + f_k), where the scores sum to zero.

    Two classes have one weight vector, and all of them are then the binary hinge.

    Parameters
    ----------
    C : float, default=1.0
        Weight of the hinges against the norm.
    loss : {"crammer_singer", "weston_watkins", "lee_lin_wahba"}, default="crammer_singer"
        The hinge. Only the last is Fisher consistent.
    slack : {"linear", "squared"}, default="linear"
        "squared" squares the hinge, the terms of a sum each by itself; needs the solver "bcfw".
    cost : array-like of shape (n_classes, n_classes), default=None
        ``cost[a, b]``: cost of answering class b where a is right, in the order of `classes_`; zero
        on the diagonal. For Crammer-Singer. None is 1 for each wrong class.
    rescaling : {"margin", "slack"}, default="margin"
        "slack" makes the hinge of Crammer-Singer max_k cost[y, k] (1 + f_k - f_y).
    fit_intercept : bool, default=True
        Give each class an intercept, regularised like any other weight.
    class_weight : dict or "balanced", default=None
        Factor of C for each class; "balanced" is n_samples / (n_classes * count).
    solver, tol, max_iter, n_jobs, random_state, verbose, warm_start, callbacks
        See `StructSVM`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) for two classes
    intercept_ : ndarray of shape (n_classes,) or (1,)
    n_features_in_ : int
    support_ : ndarray of shape (n_support,)
        Rows of the training data with a multiplier that is not 0; after the solver "bcfw", with
        ``rescaling="margin"``, like the next three.
    dual_coef_ : ndarray of shape (n_support, n_classes), or (n_support, 1) for two classes
        ``coef_`` is ``dual_coef_.T @ X[support_]``, up to the gap.
    support_counts_ : ndarray of shape (n_classes, 3)
        For each class its rows that are no support vectors (every multiplier 0), those on the
        margin, and those at the bound (a multiplier, or of Crammer-Singer their sum, as large as it
        may be: squared slack knows no bound).
    margins_ : ndarray of shape (n_samples,)
        Score of the right class less the best other one.
    objective_, dual_objective_, dual_gap_, certified_, status_, n_iter_, n_oracle_calls_, history_
        See `StructSVM`.

    Notes
    -----
    X is dense or CSR. A visit of a row takes O(non-zeros * n_classes). Memory beside the data is
    O(n_samples * n_classes + n_features * n_classes). For kernels, map the data first, for example
    by ``sklearn.kernel_approximation.Nystroem``.

    References
    ----------
    K. Crammer, Y. Singer (2001). On the algorithmic implementation of multiclass kernel-based
    vector machines. JMLR 2.
    S. S. Keerthi, S. Sundararajan, K.-W. Chang, C.-J. Hsieh, C.-J. Lin (2008). A sequential dual
    method for large scale multi-class linear SVMs. KDD. doi:10.1145/1401890.1401942
    M. Blondel, A. Fujino, N. Ueda (2014). Large-scale multiclass support vector machine training
    via Euclidean projection onto the simplex. ICPR. doi:10.1109/ICPR.2014.231

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from structsvm import MulticlassSVM
    >>> X, y = load_iris(return_X_y=True)
    >>> svm = MulticlassSVM(random_state=0).fit(X, y)
    >>> svm.score(X, y) > 0.95, svm.dual_gap_ <= 1e-3
    (True, True)
    """

    model_: MulticlassModel

    def __init__(
        self,
        C: float = 1.0,
        *,
        loss: str = "crammer_singer",
        slack: str = "linear",
        cost: ArrayLike | None = None,
        rescaling: str = "margin",
        fit_intercept: bool = True,
        class_weight: Any = None,
        solver: str | Solver = "bcfw",
        tol: float | None = None,
        max_iter: int | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        callbacks: Sequence[Callable[[Progress], Any]] | None = None,
    ) -> None:
        self.C = C
        self.loss = loss
        self.slack = slack
        self.cost = cost
        self.rescaling = rescaling
        self.fit_intercept = fit_intercept
        self.class_weight = class_weight
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.callbacks = callbacks

    def _make_model(self) -> MulticlassModel:
        return MulticlassModel(
            self.loss, slack=self.slack, cost=self.cost, fit_intercept=self.fit_intercept
        )

    # ---- training

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:  # type: ignore[override]
        """Train on rows X with classes y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Any labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Factor of each row's hinge, >= 0.

        Returns
        -------
        self
        """
        self._fit(self._examples(X, y, sample_weight), Validation(None, None))
        return self

    @available_if(_can_learn)  # type: ignore[untyped-decorator]
    def partial_fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        *,
        classes: ArrayLike | None = None,
    ) -> Self:
        """One pass over more rows, in their order, from where the last call left off.

        For the solvers "perceptron", "passive_aggressive" and "subgradient"; see `StructSVM`.

        Parameters
        ----------
        X, y, sample_weight
            See `fit`.
        classes : array-like, default=None
            All classes there will be. Needed in the first call, unless its y has them all.

        Returns
        -------
        self
        """
        fitted = hasattr(self, "coef_")
        known = self.classes_ if fitted else classes if classes is None else np.unique(classes)
        rows = self._rows(X, y, sample_weight, reset=not fitted, known=known)
        self._partial_fit(rows, classes=known)
        return self

    def _examples(self, X: Any, y: Any, sample_weight: Any = None) -> Examples:
        return self._rows(X, y, sample_weight)

    def _rows(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        reset: bool = True,
        known: NDArray[Any] | None = None,
    ) -> _Rows:
        X, y = validate_data(
            self, X, y, accept_sparse="csr", dtype=np.float64, order="C", reset=reset
        )
        check_classification_targets(y)
        if known is not None and len(strange := np.setdiff1d(y, known)):
            raise ValueError(f"y has the label {strange[0].item()!r}, which is not in classes")
        if sp.issparse(X) and not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
        weight = check_sample_weight(sample_weight, len(y))
        if self.class_weight is not None:
            classes = np.unique(y) if known is None else known
            factors = compute_class_weight(self.class_weight, classes=classes, y=y)
            weight = factors[np.searchsorted(classes, y)] * (1.0 if weight is None else weight)
        return _Rows(X, y, weight, {})

    def _size_model(self, model: StructuredModel, examples: Examples, classes: Any = None) -> None:
        super()._size_model(model, examples)
        if classes is not None and isinstance(model, MulticlassModel):
            model.resize(classes, model.n_features_in_, model.by_class)

    def _checked_solver(self) -> Any:
        solver = super()._checked_solver()
        if self.slack == "squared" and solver_name(solver) != "bcfw":
            raise refuse(solver_name(solver), "slack='squared'", "works with planes of hinges")
        return solver

    def _keep(
        self, result: SolverResult, model: StructuredModel, problem: Problem, solver: Solver
    ) -> None:
        super()._keep(result, model, problem, solver)
        for name in ("support_", "dual_coef_", "support_counts_", "margins_"):
            self.__dict__.pop(name, None)
        blocks = getattr(result.state, "blocks", None)
        if hasattr(blocks, "mu"):
            self._describe_support(blocks)

    def _describe_support(self, blocks: Any) -> None:
        problem, mu = blocks.problem, blocks.mu
        labels = np.asarray(problem.class_numbers)
        rows = np.arange(len(labels))
        total = mu.sum(axis=1)
        self.support_ = np.flatnonzero(total > 0.0)
        moved = -mu
        if self.loss == "lee_lin_wahba" and problem.n_columns > 1:
            moved += total[:, None] / problem.n_classes
        else:
            moved[rows, labels] += total
        scale = float(self.C) * (
            1.0 if problem.weights_of_examples is None else problem.weights_of_examples[:, None]
        )
        self.dual_coef_ = (scale * moved)[self.support_]
        if problem.n_columns == 1:
            self.dual_coef_ = self.dual_coef_[:, 1:]
        greatest = total if self.loss == "crammer_singer" else mu.max(axis=1)
        bound = (greatest >= 1.0 - _AT_BOUND) & (self.slack == "linear")
        kind = np.where(total <= 0.0, 0, np.where(bound, 2, 1))
        self.support_counts_ = np.zeros((problem.n_classes, 3), dtype=np.int64)
        np.add.at(self.support_counts_, (labels, kind), 1)
        scores = problem.scores(self._weights)
        right = scores[rows, labels].copy()
        scores[rows, labels] = -np.inf
        self.margins_ = right - scores.max(axis=1)

    # ---- prediction

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Scores of the classes, of shape (n_samples, n_classes); of class 1 alone for two.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)
        scores = np.asarray(X @ self.coef_.T) + self.intercept_
        return scores.ravel() if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> NDArray[Any]:  # type: ignore[override]
        """The class of each row.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        """
        scores = self.decision_function(X)
        best = (scores > 0).astype(int) if scores.ndim == 1 else scores.argmax(axis=1)
        classes: NDArray[Any] = self.classes_[best]
        return classes

    def loss_augmented_predict(self, X: Any, y: Any) -> NDArray[Any]:  # type: ignore[override]
        """The class that violates the margin most for each row, the right one if none does.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        """
        check_is_fitted(self)
        rows = self._rows(X, y, None, reset=False, known=self.classes_)
        right = np.searchsorted(self.classes_, rows.y)
        places = np.arange(len(right))
        scores = self.model_.scores(rows.X, self._weights)
        own = scores[places, right][:, None]
        if self.loss == "lee_lin_wahba" and len(self.classes_) > 2:
            own = scores.mean(axis=1, keepdims=True)
        cost = self.model_.costs()[right]
        heights = cost * (1 + scores - own) if self.rescaling == "slack" else cost + scores - own
        heights[places, right] = 0.0
        worst = heights.argmax(axis=1)
        worst[heights[places, worst] <= 0.0] = right[heights[places, worst] <= 0.0]
        classes: NDArray[Any] = self.classes_[worst]
        return classes

    # ---- weights: flat for solvers and files, by class for users

    def _flat_weights(self) -> NDArray[np.float64]:
        return self._weights

    @property
    def coef_(self) -> NDArray[np.float64]:
        return self.model_.weight_blocks(self._weights)[0]

    @coef_.setter
    def coef_(self, flat: NDArray[np.float64]) -> None:
        self._weights = flat

    @property
    def intercept_(self) -> NDArray[np.float64]:
        return self.model_.weight_blocks(self._weights)[1]

    @property
    def classes_(self) -> NDArray[Any]:
        return self.model_.classes_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_weights")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
