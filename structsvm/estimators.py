"""Estimators: validate, bind, solve; and predict from the weights found."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Self

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from structsvm import persistence
from structsvm.base import StructuredModel
from structsvm.exceptions import OracleWarning
from structsvm.losses import HammingLoss
from structsvm.models import ChainModel
from structsvm.problems import Problem
from structsvm.reporting import log_progress, logger, speaking
from structsvm.solvers import Progress, Solver, SolverResult, make_solver
from structsvm.validation import check_pairs, check_sample_weight, check_scalar

__all__ = ["ChainSVM", "StructSVM"]


class StructSVM(BaseEstimator):  # type: ignore[misc]
    r"""Structured support vector machine over any model.

    Minimises

    .. math:: \tfrac12 \|w\|^2 + C \sum_i s_i H_i(w), \qquad
        H_i(w) = \max_y \; \Delta(y_i, y) - \langle w, \psi(x_i, y_i) - \psi(x_i, y) \rangle

    with psi, Delta and the maximisation given by `model` and sample weights s_i.

    Parameters
    ----------
    model : StructuredModel
        What the outputs are. Cloned, never changed, by `fit`.
    C : float, default=1.0
        Weight of the hinges against the norm.
    solver : {"bcfw", "cutting_plane", "subgradient"} or solver object, default="bcfw"
        A name for the solver of that kind with its defaults; see `structsvm.solvers`.
    tol : float, default=1e-3
        Stop when (P - D) / P, for the best primal objective P and the best dual objective D found,
        is at most this. The optimum is then within ``tol`` of `objective_`, relatively.
    max_iter : int, default=1000
        Passes over the data that call the oracle for every example. More than this is a
        ConvergenceWarning.
    n_jobs : int, default=None
        Threads for passes at fixed weights (certificates and prediction) of compiled models.
        Results are the same bits for any value. None is 1; -1 is all processors.
    random_state : int, RandomState or None, default=None
        Order of the examples. The result is a function of the data and this.
    verbose : int, default=0
        1 logs some iterations, 2 all of them, to the logger "structsvm"; shown on standard error
        where logging is not configured.
    warm_start : bool, default=False
        Go on from the dual solution of the last fit if model, data and weights are the same; C may
        differ. Else start afresh, and say so in the log.
    callbacks : list of callables, default=None
        Each is called with a `structsvm.solvers.Progress` after every iteration; a true result
        stops the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_weights,)
    model_ : StructuredModel
        The clone of `model` that was sized from the data.
    objective_, dual_objective_ : float
        P at `coef_`, and the dual bound.
    dual_gap_ : float
        (P - D) / P; 1 if the fit ended before the first certificate.
    certified_ : bool
        Whether `dual_gap_` is a certificate: False for models with an inexact oracle.
    n_iter_, n_oracle_calls_ : int
    history_ : dict of ndarray
        One entry an iteration: objective, dual_objective, gap, gap_estimate, n_oracle_calls,
        seconds.

    Raises
    ------
    ValueError
        From `fit`, for parameters or data that make no sense; the message names the place.

    References
    ----------
    I. Tsochantaridis, T. Joachims, T. Hofmann, Y. Altun (2005). Large margin methods for structured
    and interdependent output variables. JMLR 6.

    Examples
    --------
    >>> from structsvm import ChainModel, StructSVM
    >>> X = [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0]]]
    >>> svm = StructSVM(ChainModel(task_loss="normalized_hamming"), C=10, random_state=0)
    >>> svm.fit(X, [["a", "b"], ["b"]]).predict([[[1.0, 0.0], [0.0, 1.0]]])
    [array(['a', 'b'], dtype='<U1')]
    >>> svm.dual_gap_ <= svm.tol
    True
    """

    def __init__(
        self,
        model: StructuredModel,
        *,
        C: float = 1.0,
        solver: str | Solver = "bcfw",
        tol: float = 1e-3,
        max_iter: int = 1000,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        callbacks: Sequence[Callable[[Progress], Any]] | None = None,
    ) -> None:
        self.model = model
        self.C = C
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.callbacks = callbacks

    # ---- training

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """Train on inputs X and outputs y.

        Parameters
        ----------
        X, y : sequences of equal length
            What the model takes.
        sample_weight : array-like of shape (n_examples,), default=None
            Factor of each example's hinge, >= 0.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, {})

    def _fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None, bind_params: dict[str, Any]
    ) -> Self:
        self._check_parameters()
        X, y = check_pairs(X, y)
        weights = check_sample_weight(sample_weight, len(X))
        solver = make_solver(clone(self.solver, safe=False))
        problem, state = self._problem_and_state(X, y, weights, bind_params)
        problem.reserve(joblib.effective_n_jobs(self.n_jobs))
        with speaking(self.verbose):
            result = solver.solve(
                problem,
                float(self.C),
                tol=float(self.tol),
                max_iter=int(self.max_iter),
                random_state=check_random_state(self.random_state),
                callback=self._after_iteration,
                state=state,
            )
        self._keep(result, problem)
        return self

    def _check_parameters(self) -> None:
        check_scalar("C", self.C, above=0)
        check_scalar("tol", self.tol, above=0)
        check_scalar("max_iter", self.max_iter, above=0, integer=True)
        for k, callback in enumerate(self.callbacks or ()):
            if not callable(callback):
                raise ValueError(f"callbacks[{k}] is {callback!r}; expected a callable")

    def _make_model(self) -> StructuredModel:
        if not isinstance(self.model, StructuredModel):
            raise ValueError(
                f"model is {self.model!r}; expected an instance of a StructuredModel subclass"
            )
        model: StructuredModel = clone(self.model)
        return model

    def _problem_and_state(
        self,
        X: list[Any],
        y: list[Any],
        weights: NDArray[np.float64] | None,
        bind_params: dict[str, Any],
    ) -> tuple[Problem, Any]:
        model = self._make_model()
        fingerprint = None
        if self.warm_start:
            data = (X, y, weights, bind_params, type(model), model.get_params())
            fingerprint = joblib.hash(data)
            kept = getattr(self, "_warm", None)
            if kept is not None and kept[0] == fingerprint:
                return kept[1], kept[2]
            if kept is not None:
                logger.info("warm_start: the data or the model changed, so the fit starts afresh")
        model.initialize(X, y)
        problem = model.bind(X, y, **bind_params)
        problem.set_sample_weight(weights)
        self.model_ = model
        self._fingerprint = fingerprint
        return problem, None

    def _after_iteration(self, progress: Progress) -> bool:
        if self.verbose:
            log_progress(progress, self.verbose)
        # Every callback hears of every iteration, also when an earlier one wants to stop.
        return any([bool(callback(progress)) for callback in self.callbacks or ()])

    def _keep(self, result: SolverResult, problem: Problem) -> None:
        self.coef_ = result.weights
        self.objective_ = result.objective
        self.dual_objective_ = result.dual_objective
        self.dual_gap_ = result.gap
        self.certified_ = bool(problem.exact) and result.n_overruled == 0
        self.n_iter_ = result.n_iter
        self.n_oracle_calls_ = result.n_oracle_calls
        self.history_ = result.history
        self._warm = (self._fingerprint, problem, result.state) if self.warm_start else None
        name = type(self).__name__
        if result.status == "max_iter":
            warnings.warn(
                f"{name} stopped after {result.n_iter} iterations with a duality gap of "
                f"{result.gap:.2e}, above tol={self.tol:g}: raise max_iter or tol, or lower C",
                ConvergenceWarning,
                stacklevel=4,
            )
        elif result.status == "interrupted":
            warnings.warn(
                f"{name} was interrupted after {result.n_iter} iterations; it keeps the best "
                f"weights so far, with a duality gap of {result.gap:.2e}",
                ConvergenceWarning,
                stacklevel=4,
            )
        if problem.exact and result.n_overruled:
            warnings.warn(
                f"in {result.n_overruled} of {result.n_oracle_calls} calls the oracle of "
                f"{type(self.model_).__name__} returned an output worse than one already known, "
                "which was used instead: loss_augmented_inference misses the maximum, so the "
                "duality gap is no certificate. Correct it, or declare the model exact = False",
                OracleWarning,
                stacklevel=4,
            )

    # ---- prediction

    def predict(self, X: Any) -> list[Any]:
        """The best output for each x, as a list."""
        return self._model_for(X).batch_inference(list(X), self.coef_, n_jobs=self._threads())

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Score <w, psi(x, y)> of the predicted output for each x, of shape (n_examples,)."""
        model = self._model_for(X)
        return model.batch_best_score(list(X), self.coef_, n_jobs=self._threads())

    def loss_augmented_predict(self, X: Any, y: Any) -> list[Any]:
        """The outputs that violate the margin most: the oracle's answers at `coef_`, for study."""
        check_is_fitted(self)
        X, y = check_pairs(X, y)
        return self.model_.batch_loss_augmented_inference(X, y, self.coef_, n_jobs=self._threads())

    def score(self, X: Any, y: Any) -> float:
        """``model_.score(y, predict(X))``; higher is better."""
        check_is_fitted(self)
        X, y = check_pairs(X, y)
        return self.model_.score(y, self.predict(X))

    def _model_for(self, X: Any) -> StructuredModel:
        check_is_fitted(self)
        if not hasattr(X, "__len__"):
            raise ValueError(f"X is a {type(X).__name__}; expected a list of inputs")
        return self.model_

    def _threads(self) -> int:
        return int(joblib.effective_n_jobs(self.n_jobs))

    # ---- keeping

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one file, without pickle; `structsvm.load` reads it.

        Raises
        ------
        TypeError
            If model, loss or solver is a class of your own: its code is not in the file. Use
            pickle or joblib for those.
        """
        check_is_fitted(self)
        persistence.save(self, path)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coef_")

    def __getstate__(self) -> dict[str, Any]:
        # The dual state holds C memory; a pickled estimator starts its next fit afresh.
        state = dict(super().__getstate__())
        state.pop("_warm", None)
        return state


class ChainSVM(StructSVM):
    r"""Structured SVM for sequence labelling, with exact Viterbi inference.

    Minimises 1/2 |w|^2 + C sum of hinges over the weights of a `ChainModel`: state weights for
    features, and scores of neighbouring, first and last labels.

    Parameters
    ----------
    C : float, default=1.0
        Weight of the hinges against the norm.
    loss : {"hamming", "normalized_hamming"} or HammingLoss, default="hamming"
        Task loss: the number of wrong labels, or their share.
    fit_intercept : bool, default=True
        Give each label a weight of its own, regularised like any other.
    transitions : bool, default=True
        Score neighbouring labels. Without, each position is classified by itself.
    boundary : bool, default=True
        Score the first and the last label.
    solver, tol, max_iter, n_jobs, random_state, verbose, warm_start, callbacks
        See `StructSVM`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_ : int
    state_coef_ : ndarray of shape (n_features, n_classes)
    transition_coef_ : ndarray of shape (n_classes, n_classes)
        ``transition_coef_[i, j]``: score of class j right after class i.
    start_coef_, end_coef_, intercept_ : ndarrays of shape (n_classes,)
        Views of `coef_`, like the two above; zeros for what is switched off.
    coef_, model_, objective_, dual_objective_, dual_gap_, certified_, n_iter_, n_oracle_calls_, \
history_
        See `StructSVM`.

    Notes
    -----
    X is a list of arrays of shape (length, n_features), dense of any real dtype or scipy CSR; y is
    a list of sequences of integers or of strings. Neither needs padding. Sequences may be empty.

    References
    ----------
    Y. Altun, I. Tsochantaridis, T. Hofmann (2003). Hidden Markov support vector machines. ICML.
    B. Taskar, C. Guestrin, D. Koller (2003). Max-margin Markov networks. NIPS.

    Examples
    --------
    >>> from structsvm import ChainSVM
    >>> X = [[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]]
    >>> y = [["noun", "verb", "noun"], ["verb", "noun"]]
    >>> svm = ChainSVM(C=10, random_state=0).fit(X, y)
    >>> [" ".join(tags) for tags in svm.predict(X)]
    ['noun verb noun', 'verb noun']
    >>> svm.state_coef_.shape, svm.transition_coef_.shape
    ((2, 2), (2, 2))
    """

    model_: ChainModel

    def __init__(
        self,
        *,
        C: float = 1.0,
        loss: str | HammingLoss = "hamming",
        fit_intercept: bool = True,
        transitions: bool = True,
        boundary: bool = True,
        solver: str | Solver = "bcfw",
        tol: float = 1e-3,
        max_iter: int = 1000,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        callbacks: Sequence[Callable[[Progress], Any]] | None = None,
    ) -> None:
        self.C = C
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.transitions = transitions
        self.boundary = boundary
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.callbacks = callbacks

    def _make_model(self) -> ChainModel:
        return ChainModel(
            clone(self.loss, safe=False),
            fit_intercept=self.fit_intercept,
            transitions=self.transitions,
            boundary=self.boundary,
        )

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        position_weight: Any = None,
    ) -> Self:
        """Train on sequences X with label sequences y.

        Parameters
        ----------
        X : list of arrays or CSR matrices of shape (length, n_features)
        y : list of sequences of labels, one for each position
        sample_weight : array-like of shape (n_sequences,), default=None
            Factor of each sequence's hinge, >= 0.
        position_weight : list of arrays of shape (length,), default=None
            Factor of the task loss at each position, >= 0.

        Returns
        -------
        self
        """
        return self._fit(X, y, sample_weight, {"position_weight": position_weight})

    def _weight_block(self, name: str) -> NDArray[np.float64]:
        check_is_fitted(self)
        return self.model_.weight_blocks(self.coef_)[name]

    @property
    def classes_(self) -> NDArray[Any]:
        return self.model_.classes_

    @property
    def n_features_in_(self) -> int:
        return self.model_.n_features_in_

    @property
    def state_coef_(self) -> NDArray[np.float64]:
        return self._weight_block("state")

    @property
    def transition_coef_(self) -> NDArray[np.float64]:
        return self._weight_block("transition")

    @property
    def start_coef_(self) -> NDArray[np.float64]:
        return self._weight_block("start")

    @property
    def end_coef_(self) -> NDArray[np.float64]:
        return self._weight_block("end")

    @property
    def intercept_(self) -> NDArray[np.float64]:
        return self._weight_block("intercept")
