"""MulticlassSVM: a classifier for rows of features."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.utils import compute_class_weight
from sklearn.utils.validation import check_is_fitted

from structsvm.data.checks import check_sample_weight, shorten
from structsvm.data.labels import balanced_weights, encode_labels
from structsvm.data.rows import check_class_labels, read_rows
from structsvm.engines import Engine
from structsvm.estimators.rows import RowExamples, RowValidation
from structsvm.estimators.structured import StructSVM
from structsvm.models import KernelMulticlassModel, MulticlassModel
from structsvm.problems import Problem
from structsvm.solvers import (
    Progress,
    Solver,
    Subgradient,
    capabilities_of,
    solver_name,
)
from structsvm.training.train import Examples, Outcome, Validation

__all__ = ["MulticlassSVM"]


class MulticlassSVM(ClassifierMixin, StructSVM):  # type: ignore[misc]
    r"""Multiclass linear SVM, trained to a certified duality gap.

    Minimises

    .. math:: \tfrac12 \sum_k \|w_k\|^2 + C \sum_i c_i H(y_i, s(x_i)), \qquad
        s_k(x) = \langle w_k, x \rangle + b_k

    over one weight vector for each class, the intercepts b_k being weights like any others
    (`intercept_scaling` makes them cheap), with sample weights c_i and H one of the hinges below.
    Two classes have one weight vector and the binary hinge, max(0, 1 -+ s), for every `loss`.
    Without intercept the objectives are those of ``LinearSVC(multi_class="crammer_singer")``, and
    of ``LinearSVC(loss="hinge")`` for two classes.

    Parameters
    ----------
    C : float or "scale", default="scale"
        Weight of the hinges against the norm. "scale" follows the data: see Notes of `StructSVM`.
    scale : "auto" or None, default="auto"
        Whether training scales the columns of features, see `StructSVM`.
    loss : {"crammer_singer", "weston_watkins", "lee_lin_wahba"}, default="crammer_singer"
        The worst wrong class, max_k cost[y, k] + s_k - s_y; the sum over wrong classes of
        max(0, 1 + s_k - s_y); or that of max(0, 1 / (K - 1) + s_k), for scores that sum to zero.
        Of these only the last is Fisher consistent.
    slack : {"linear", "squared"}, default="linear"
        "squared" takes the square of the maximum, or of each term of the sum.
    cost : array-like of shape (n_classes, n_classes), default=None
        ``cost[a, b]``: what it costs to answer class b where a is right, classes in sorted order;
        None is 1 for each wrong class. For "crammer_singer" only.
    fit_intercept : bool, default=True
    intercept_scaling : float, default=1.0
        The norm counts b_k / intercept_scaling in place of b_k, as in LinearSVC: intercepts are
        regularised, and the less the greater this is. With some hundreds the objective is nearly
        that of SVC, where they are not, and what the dual variables of each class sum to is nearly
        0. C="scale" does not depend on it.
    class_weight : dict, "balanced" or None, default=None
        Factor of the hinges of each class, as in scikit-learn. With "balanced" all classes weigh
        the same, `sample_weight` included: a row of weight 2 counts as two rows.
    kernel : {"linear", "rbf", "poly", "sigmoid", "precomputed"} or callable, default="linear"
        With a kernel the scores are sums over examples; same objective, same certificate, for up to
        about 20,000 rows and "block_dual" only. It is one of columns that `scale` has centred and
        scaled. A callable takes two matrices, of columns as they are, and returns the matrix of
        kernel values between their rows. With "precomputed" X is that matrix itself, dense: in
        `fit` of all rows among each other, elsewhere of other rows with those of `fit`. For more
        rows, put scikit-learn's ``Nystroem`` before a linear one.
    gamma, degree, coef0 : default="scale", 3 and 0
        Parameters of the kernel, as in scikit-learn's SVC, which scales no columns: its objective
        is that of ``scale=None``.
    cache_size : float, default=500
        Megabytes for rows of the kernel matrix.
    solver : str or solver object, default="block_dual"
        "block_dual" is the exact block update made for this problem; all others take it as well.
    rescaling : {"margin", "slack"}, default="margin"
        "slack" makes the hinge max_k cost[y, k] (1 + s_k - s_y), for "crammer_singer" with linear
        slack; it needs another solver, such as "bcfw".
    tol, max_iter, n_jobs, engine, random_state, verbose, warm_start, callbacks
        See `StructSVM`.
    prior_weights, fixed_weights : array-like of shape (n_weights,), default=None
        See `StructSVM`; for the linear kernel, and solvers other than "block_dual". The weights are
        ``coef_.T`` row by row, then, with `fit_intercept`, ``intercept_ / intercept_scaling``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    coef_ : ndarray of shape (n_classes, n_features), or (1, n_features) for two classes
        With the linear kernel only.
    intercept_ : ndarray of shape (n_classes,) or (1,)
    n_features_in_ : int
    support_ : ndarray of shape (n_support,)
        Rows of X with a multiplier above 0. Like the two below, with "block_dual" only.
    dual_coef_ : ndarray of shape (n_support, n_classes) or (n_support, 1)
        What each such row adds to the weights: those of the scaled columns are ``dual_coef_.T``
        times the scaled rows ``X[support_]``, as nearly as the gap says.
    support_counts_ : dict of ndarray of shape (n_classes,)
        How many points of each class are "non_support" (all multipliers 0), "margin_support" (some
        above 0, none at its bound) and "bound_support" (at the bound C times the sample weight:
        their sum for Crammer-Singer, one of them else). With squared slack there is no bound.
    model_, objective_, dual_objective_, dual_gap_, certified_
        See `StructSVM`.
    status_, n_iter_, n_oracle_calls_, history_, validation_score_
        See `StructSVM`; a visit of a block counts as a call.

    Notes
    -----
    X is dense or CSR, float64 or float32, and used in place where it is C-contiguous or canonical;
    weights and sums are in float64. Memory is O(n_samples n_classes + n_features n_classes).

    References
    ----------
    See `MulticlassModel` for the losses and `structsvm.solvers.BlockDual` for the algorithm.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from structsvm import MulticlassSVM
    >>> X, y = load_iris(return_X_y=True)
    >>> svm = MulticlassSVM(tol=1e-6, random_state=0).fit(X, y)
    >>> svm.score(X, y) > 0.95, svm.dual_gap_ <= 1e-6
    (True, True)
    >>> svm.coef_.shape
    (3, 4)
    """

    model_: MulticlassModel

    def __init__(
        self,
        *,
        C: float | str = "scale",
        scale: str | None = "auto",
        loss: str = "crammer_singer",
        slack: str = "linear",
        cost: ArrayLike | None = None,
        fit_intercept: bool = True,
        intercept_scaling: float = 1.0,
        class_weight: Any = None,
        kernel: str | Callable[[Any, Any], Any] = "linear",
        gamma: str | float = "scale",
        degree: float = 3,
        coef0: float = 0.0,
        cache_size: float = 500,
        solver: str | Solver = "block_dual",
        rescaling: str = "margin",
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
        self.C = C
        self.scale = scale
        self.loss = loss
        self.slack = slack
        self.cost = cost
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.cache_size = cache_size
        self.solver = solver
        self.rescaling = rescaling
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

    def _make_model(self) -> MulticlassModel:
        hinge: dict[str, Any] = {
            "slack": self.slack,
            "cost": self.cost,
            "fit_intercept": self.fit_intercept,
            "intercept_scaling": self.intercept_scaling,
        }
        if self.kernel == "linear":
            return MulticlassModel(self.loss, **hinge)
        if self.prior_weights is not None or self.fixed_weights is not None:
            raise ValueError(
                "prior_weights and fixed_weights are of weights, which are there with "
                f"kernel='linear' alone, but kernel={self.kernel!r}"
            )
        return KernelMulticlassModel(
            self.loss,
            **hinge,
            kernel=self.kernel,
            gamma=self.gamma,
            degree=self.degree,
            coef0=self.coef0,
            cache_size=self.cache_size,
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
        """Train on rows X with classes y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
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

    def partial_fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any,
        classes: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """One pass over more rows, in their order, from where the last call left off.

        The solvers "perceptron", "passive_aggressive" and "subgradient" learn this way; in place of
        any other, which needs all data at once, "subgradient" does. Its objective depends on the
        number of all rows, which is taken to be that of the first call, or of the `fit` before it;
        give another by ``solver=Subgradient(n_examples=...)``.

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
        first = "coef_" not in vars(self)
        if self.kernel != "linear":
            raise ValueError("partial_fit needs kernel='linear': others need all data at once")
        known = None if classes is None else np.unique(check_class_labels(classes))
        if known is not None and not first and not np.array_equal(known, self.classes_):
            raise ValueError(
                f"classes are {shorten(known.tolist())}, but training began with "
                f"{shorten(self.classes_.tolist())}"
            )
        if isinstance(self.class_weight, str) and self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all data at once: for partial_fit give the weights "
                "of the classes as a dict"
            )
        examples = self._examples(X, y, sample_weight, known, reset=first)
        if not first and self._online is None:
            solver = self._online_solver()
            if capabilities_of(solver).counts_examples:
                n_examples = solver.n_examples or self._n_examples
                if n_examples is not None:
                    scaling = vars(self).get("scaling_", {})
                    w = self.model_.in_user_units(self._flat_weights(), scaling, back=True)
                    state = solver.state_at(w, int(n_examples))
                    self._online = (solver_name(solver), state, scaling)
        self._partial_fit(examples)
        return self

    def _examples(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        classes: NDArray[Any] | None = None,
        *,
        reset: bool = True,
    ) -> Examples:
        X, y = read_rows(self, X, y, reset=reset)
        weight = check_sample_weight(sample_weight, X.shape[0])
        if self.class_weight is not None:
            known = np.unique(y) if classes is None else classes
            numbers = encode_labels(y, known)
            if isinstance(self.class_weight, str) and self.class_weight == "balanced":
                factors = balanced_weights(np.bincount(numbers, weight, len(known)))
            else:
                factors = compute_class_weight(self.class_weight, classes=known, y=y)
            factor = factors[numbers]
            weight = factor if weight is None else weight * factor
        return RowExamples(X, y, weight, {}, classes=classes)

    def _validation(self, X: Any, y: Any) -> Validation:
        return RowValidation(self, X, y, self._score_outputs)

    def _held_out(self, examples: Examples) -> Validation:
        return RowValidation(self, examples.X, examples.y, self._score_outputs)

    def _online_solver(self) -> Any:
        solver = super()._online_solver()
        return solver if capabilities_of(solver).can_learn else Subgradient()

    # ---- what a fit leaves

    def _weight_attributes(self, model: Any, weights: NDArray[np.float64]) -> dict[str, Any]:
        attributes: dict[str, Any] = model.fitted_attributes(weights)
        return {"model_": model} | attributes

    def _flat_weights(self) -> NDArray[np.float64]:
        weights: NDArray[np.float64] = self.model_.flat_weights(vars(self))
        return weights

    def _keep(self, outcome: Outcome, solver: Solver, *, of_use: bool = True) -> None:
        # Of a fit with another kernel or solver.
        for name in ("coef_", "support_", "dual_coef_", "support_counts_"):
            self.__dict__.pop(name, None)
        result, bound = outcome.result, outcome.bound
        if capabilities_of(solver).has_dual_point:
            self.__dict__.update(result.state.dual_point(outcome.C))
        trained: Any = bound.model
        model, weights = trained.condensed(result.weights)
        # Beside the model that a warm start may go on with.
        condensed = dataclasses.replace(result, weights=weights)
        kept = dataclasses.replace(outcome, result=condensed, bound=bound._replace(model=model))
        super()._keep(kept, solver, of_use=of_use)

    # ---- prediction

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """The score of each class, of shape (n_samples, n_classes); for two, (n_samples,).

        For two classes the score of the second, positive where that is predicted.
        """
        model: Any = self._fitted_model()
        X, _ = read_rows(self, X, reset=False, needs_y=False)
        scores: NDArray[np.float64] = model.scores(X, self._flat_weights())
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X: Any) -> NDArray[Any]:  # type: ignore[override]
        """The class of each row, of shape (n_samples,)."""
        model = self._fitted_model()
        X, _ = read_rows(self, X, reset=False, needs_y=False)
        numbers, _ = self._ask(model.bind(X), scored=False)
        classes: NDArray[Any] = self.classes_[numbers]
        return classes

    def margins(self, X: Any, y: Any) -> NDArray[np.float64]:
        """The score of each row's own class, less the greatest of the others.

        At least 1 where a hinge with unit costs is zero; below 0 where the prediction is wrong. For
        two classes this is the distance in the hinge, s or -s.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Classes of the fit.

        Returns
        -------
        margins : ndarray of shape (n_samples,)
        """
        scores = self.decision_function(X)
        labels = encode_labels(check_class_labels(y, len(scores)), self.classes_)
        own: NDArray[np.float64]
        if scores.ndim == 1:
            own = np.where(labels == 1, scores, -scores)
            return own
        rows = np.arange(len(scores))
        own = scores[rows, labels]
        scores[rows, labels] = -np.inf
        own -= scores.max(axis=1)
        return own

    def _questions(self, X: Any, y: Any) -> tuple[Any, Problem]:
        check_is_fitted(self)
        X, y = read_rows(self, X, y, reset=False)
        return super()._questions(list(X), list(y))

    def score(  # type: ignore[override]
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None
    ) -> float:
        """Share of rows whose class is predicted rightly."""
        return float(ClassifierMixin.score(self, X, y, sample_weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = self.kernel != "precomputed"
        tags.input_tags.pairwise = self.kernel == "precomputed"
        return tags
