"""StructSVM: any structured model, trained by any solver."""

from __future__ import annotations

import contextlib
import math
import numbers
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from structsvm.base import StructuredModel
from structsvm.callbacks.sklearn_reports import CallbackSupportMixin, TaskReport, with_callbacks
from structsvm.data.checks import check_n_jobs, check_scalar
from structsvm.data.scaling import ColumnScaling
from structsvm.data.sequences import as_items, check_pairs
from structsvm.engines import Engine, make_engine
from structsvm.estimators.chosen_c import path_of
from structsvm.estimators.display import FittedHTMLMixin
from structsvm.estimators.weights_when_asked import WeightsWhenAsked
from structsvm.linalg._plane import is_padded, padded_copy
from structsvm.persistence import model_files
from structsvm.problems import Problem
from structsvm.solvers import Progress, Solver, capabilities_of, make_solver, solver_name
from structsvm.training.capabilities import check_warm_starts
from structsvm.training.given_weights import GivenWeights
from structsvm.training.penalty import DEFAULT, InUnits
from structsvm.training.train import Bound, Examples, Outcome, Validation, learn, train

__all__ = ["Hinges", "StructSVM", "of_model", "weight_block"]


class Hinges(NamedTuple):
    """How hard examples are at the weights of a fit."""

    hinge: NDArray[np.float64]  #: the structured hinge of each
    loss: NDArray[np.float64]  #: the task loss of each prediction


class StructSVM(FittedHTMLMixin, CallbackSupportMixin, BaseEstimator):  # type: ignore[misc]
    r"""Structured support vector machine over any model.

    Minimises

    .. math:: \tfrac12 \|w\|^2 + C \sum_i s_i H_i(w), \qquad
        H_i(w) = \max_y \; \Delta(y_i, y) - \langle w, \psi(x_i, y_i) - \psi(x_i, y) \rangle

    with psi, Delta and the maximisation given by `model` and sample weights s_i.

    Parameters
    ----------
    model : StructuredModel
        What the outputs are. Cloned, never changed, by `fit`.
    C : float, "scale" or "auto", default="scale"
        Weight of the hinges against the norm: a number; "scale" for one that follows the data, see
        Notes; "auto" for the one that scores best on a third of the examples, held out by a fixed
        seed, or on X_val where it is given. Then `fit` takes two to three times as long: values
        from a tenth to once of "scale" are trained at first, each from where the last one ended,
        and further ones where the score still rises. With fewer than 15 examples "auto" is "scale".
        See `PathSearch` for cross-validation, groups and other scores.
    scale : "auto" or None, default="auto"
        Whether training scales the columns of features, for models that know of columns: all that
        come with the package do. See Notes.
    solver : str or solver object, default="bcfw"
        "bcfw", "cutting_plane", "n_slack" and "subgradient" minimise the objective above and
        certify it, as does "block_dual" for multiclass; "perceptron" and "passive_aggressive" learn
        online and have no dual. A name stands for the solver of that kind with its defaults; see
        `structsvm.solvers`.
    rescaling : {"margin", "slack"}, default="margin"
        "slack" makes H_i(w) = max_y Delta(y_i, y) * (1 - <w, psi(x_i, y_i) - psi(x_i, y)>), for
        models that can maximise it: `ChainModel`, and Python models with
        `slack_rescaled_inference`.
    tol : float, default=None
        Stop when (P - D) / P, for the best primal objective P and the best dual objective D found,
        is at most this. The optimum is then within ``tol`` of `objective_`, relatively. None is
        1e-3; solvers without a dual take None alone.
    max_iter : int, default=None
        Passes over the data that call the oracle for every example. None is 1000, or 10 for
        solvers without a dual. A fit that stops here above `tol` gives a ConvergenceWarning.
    n_jobs : int, default=None
        Threads for compiled models, worker processes for models in Python; None is 1, -1 is all
        processors, -2 all but one, and so on. No more are used than there are examples, or four
        for each processor. A fit gives the same bits for any value from 2 on; `n_jobs=1` gives the
        same bits too, except for BCFW: with several jobs it works on copies of the weights, and
        slow oracles (every Python oracle counts as slow) answer for weights up to 32 examples old.
        Both ends are certified alike. Predictions are the same for any value. Worker processes
        take about a second to start and end with the call of `fit`, `predict` or `score`, so they
        pay off where a call takes seconds; use ``set_params(n_jobs=1)`` for quick predictions. A
        batch method of a model that takes `n_jobs` itself is called once, in this process.
    engine : Engine, default=None
        Who makes the oracle calls of training in place of `n_jobs`, such as a
        `structsvm.engines.DaskEngine` for the workers of a cluster. Clones share it; it is neither
        pickled nor saved.
    random_state : int, RandomState or None, default=None
        Order of the examples. The result is a function of the data and this.
    verbose : int, default=0
        1 logs some iterations, 2 all of them, to the logger "structsvm"; shown on standard error
        where logging is not configured.
    warm_start : bool, default=False
        Start from the dual solution of the last fit if model, data and weights are the same; C may
        differ. Otherwise, or if they cannot be compared, the log says that the fit starts afresh.
    prior_weights : array-like of shape (n_weights,), default=None
        What the weights are drawn to instead of 0, such as `coef_` of a fit to similar data. See
        Notes.
    fixed_weights : array-like of shape (n_weights,), default=None
        Weights that keep a value, in the order of `coef_`; NaN marks the others, which are learnt.
    callbacks : list of callables, default=None
        Each is called with a `structsvm.solvers.Progress` after every iteration; a true result
        stops the fit.

    Attributes
    ----------
    coef_ : ndarray of shape (n_weights,)
        For features as they are, whatever training did with them.
    C_ : float
        The C that was used.
    path_ : dict of ndarray
        With C="auto": "C", and of each the "score" on held-out examples, "dual_gap" and "n_iter".
    scaling_ : dict of ColumnScaling
        By block of the weights, the ``center`` and ``scale`` of each column in training; empty
        where columns were left as they are.
    model_ : StructuredModel
        The clone of `model` that was sized from the data.
    objective_, dual_objective_ : float
        P at `coef_`, and the dual bound D. With an inexact oracle each hinge in P is the largest
        value that was found, by the oracle or by a plane it gave before, so `objective_` may be
        below the true one. With relaxed inference it is an upper bound.
    dual_gap_ : float
        (P - D) / P, from 0 to 1; 1 if the fit ended before P was known. An estimate, no proof,
        where `certified_` is False. Objectives and gap are NaN after solvers without a dual and
        after `partial_fit`.
    certified_ : bool
        Whether `dual_gap_` is a certificate. False for models with an inexact oracle; where the
        answers of a model of your own were seen not to be maximal, as an `OracleWarning` says; and
        for kernels not known to be positive semidefinite. See Notes.
    status_ : str
        How the fit ended: "converged", "max_iter", "stopped" (by a callback), "interrupted" or
        "failed".
    n_iter_, n_oracle_calls_ : int
    history_ : dict of ndarray
        One entry an iteration: objective, dual_objective, gap, gap_estimate, mean_hinge,
        n_oracle_calls, seconds; with X_val also validation_score.
    validation_score_ : float
        With X_val: the score of `coef_` on it, the best of all iterations.

    Raises
    ------
    ValueError
        From `fit`, for parameters or data that make no sense; the message names the place.

    Notes
    -----
    With ``scale="auto"`` the problem above is that of scaled columns: the norm is that of the
    weights which score ``(x - center) / scale`` as `coef_` scores x, and `objective_`,
    `dual_objective_` and `dual_gap_` are of that problem. Real-valued columns are centred, where
    there is an intercept, and divided by their standard deviation. Columns that are mostly zero,
    and indicators, keep zero as zero and share one divisor, so that those of 0 and 1 stay as they
    are, and tf-idf keeps its weights; `structsvm.data.scaling` tells the rule. It does not depend
    on how an array is stored. Without, what a column's weight costs depends on the column's unit:
    the same data in other units train to other predictions, and may take a hundred times as long.

    ``C="scale"`` is 3 times the loss of a wrong part (position, node, row), over the mean squared
    norm of a part's scaled features, the constant of an intercept included: ``3 / mean |x|^2`` for
    the Hamming loss; ``6 / mean |x|^2`` for two classes, which share one weight vector. Where the
    loss is divided by the size N of outputs, C is divided by N; where psi is so too, multiplied by
    it. For a model that does not know its parts, it is ``3 Delta / (|delta psi|^2 / 2)`` for the
    outputs that the oracle answers at w = 0, in the mean. Models of your own are not scaled.

    ``C=1.0, scale=None`` is the plain problem with nothing done to the data.

    With `prior_weights` w0 and `fixed_weights` the objective is :math:`\tfrac12 \|w - w_0\|^2 + C
    \sum_i s_i H_i(w)`, the norm and the minimum over the weights that are free, and the certificate
    is of this problem; both are given for features as they are, and the distance is that of the
    weights of scaled columns. No column is centred where a weight of its intercept is fixed.
    ``C="scale"`` is the same C as without. The certified solvers take both, "block_dual" excepted;
    "perceptron" and "passive_aggressive" start at w0 and leave fixed weights alone. Scores
    are computed twice then; models in Python are given the sum, in O(n_weights) a call.

    A certificate is as good as the oracle. For models written in Python a fit compares the oracle
    with the model's predictions, for a few examples after the first round and for all at the end:
    no hinge may be below what a prediction gives, no prediction may score below the truth, and no
    truth may have a loss. An `OracleWarning` tells what is wrong. Faults that no prediction shows
    are not found: `structsvm.testing.check_model` looks further.

    A fit that ends by Ctrl-C, a callback or an error certifies the weights that it keeps. A second
    Ctrl-C skips that.

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
    >>> svm.dual_gap_ <= 1e-3
    True
    """

    model_: StructuredModel
    coef_ = WeightsWhenAsked()
    _n_examples: int | None = None  # of the fit, or the first call of partial_fit
    # Of partial_fit: the solver's name, its state, and how the columns are scaled.
    _online: tuple[str, Any, Mapping[str, ColumnScaling] | None] | None = None
    _given = GivenWeights()  # what was known of the weights
    _warm: Bound | None = None  # what warm_start goes on from

    # Estimators that do not list them as parameters have none.
    prior_weights: ArrayLike | None = None
    fixed_weights: ArrayLike | None = None
    engine: Engine | None = None

    def __init__(
        self,
        model: StructuredModel,
        *,
        C: float | str = "scale",
        scale: str | None = "auto",
        solver: str | Solver = "bcfw",
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
        self.model = model
        self.C = C
        self.scale = scale
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
        """Train on inputs X and outputs y.

        Parameters
        ----------
        X, y : sequences of equal length
            What the model takes.
        sample_weight : array-like of shape (n_examples,), default=None
            Factor of each example's hinge, >= 0.
        X_val, y_val : sequences of equal length, default=None
            Held-out examples. They are scored after every iteration, and `coef_` is the best of
            these weights; objectives and gap are certified for it. To stop early, add a
            `structsvm.callbacks.EarlyStopping`.
        resume_from : path-like, default=None
            A file that `structsvm.callbacks.Checkpoint` wrote during an earlier fit to the same
            data with the same parameters: go on from there, to the same bits as if it had never
            stopped. `tol`, `max_iter`, `verbose` and `callbacks` may differ; so may `n_jobs`, as
            far as the result does not depend on it.

        Returns
        -------
        self
        """
        examples = self._examples(X, y, sample_weight)
        self._fit(examples, self._validation(X_val, y_val), resume_from)
        return self

    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """One pass over more examples, in their order, from where the last call left off.

        For the solvers "perceptron", "passive_aggressive" and "subgradient". The first call sizes
        the model. Calls with pieces of the data amount to one call with all of it. The objective of
        "subgradient" depends on the number of all examples, which is taken to be that of the first
        call, or of the `fit` before it; give another by ``solver=Subgradient(n_examples=...)``.

        Parameters
        ----------
        X, y : sequences of equal length
            Inputs and true outputs, as for `fit`.
        sample_weight : array-like of shape (n_examples,), default=None

        Returns
        -------
        self
        """
        self._partial_fit(self._examples(X, y, sample_weight))
        return self

    def _examples(self, X: Any, y: Any, sample_weight: Any = None) -> Examples:
        return Examples(X, y, sample_weight, {})

    def _validation(self, X: Any, y: Any) -> Validation:
        return Validation(X, y, self._score_outputs)

    def _held_out(self, examples: Examples) -> Validation:
        """Examples to be scored instead of trained on."""
        return Validation(examples.X, examples.y, self._score_outputs)

    @with_callbacks
    def _fit(
        self,
        examples: Examples,
        validation: Validation,
        resume_from: str | os.PathLike[str] | None = None,
        start: Bound | None = None,
        *,
        of_use: bool = True,
    ) -> Bound:
        """Train; `start` is what an earlier call with these very examples returned. `of_use`: warn
        of weights that say nothing."""
        solver, C = self._checked_solver(), self._penalty()
        examples.given = GivenWeights.read(self.prior_weights, self.fixed_weights)
        report = TaskReport(self)
        self.__dict__.pop("path_", None)
        if self._chooses(solver):
            path, begun = path_of(self, examples, validation)
            if path:
                self.path_, C = path, float(path["C"][np.argmax(path["score"])])
                start = begun if start is None else start
        with self._engine() as engine:
            outcome = train(
                self._make_model(),
                examples,
                solver,
                C=C,
                scale=self._scales(),
                tol=self._tolerance(solver),
                max_iter=None if self.max_iter is None else int(self.max_iter),
                rescaling=self.rescaling,
                engine=engine,
                random_state=self.random_state,
                verbose=self.verbose,
                callbacks=self.callbacks or (),
                validation=validation,
                resume_from=resume_from,
                start=self._warm if start is None and self.warm_start else start,
                listen=report.listener(self._fitted_attributes),
            )
        self.__dict__.pop("validation_score_", None)
        if outcome.validation_score is not None:
            self.validation_score_ = outcome.validation_score
        self._n_examples = outcome.bound.problem.n_examples
        able = capabilities_of(solver)
        if of_use and not (self.warm_start or able.can_learn or able.has_dual_point):
            outcome.forget_state()
        self._keep(outcome, solver, of_use=of_use)
        if examples.n_violations is not None:
            self.n_violations_ = examples.n_violations
        self._warm = outcome.kept() if self.warm_start else None
        report.end(lambda: self._fitted_attributes(self._flat_weights(), self.model_))
        if outcome.result.error is not None:
            raise outcome.result.error
        return outcome.bound

    def _partial_fit(self, examples: Examples) -> None:
        fitted = "model_" in vars(self)
        solver = self._online_solver()
        examples.given = GivenWeights.read(self.prior_weights, self.fixed_weights)
        name = solver_name(solver)
        kept, state, scaling = self._online or (name, None, None)
        if fitted and (state is None or kept != name):
            raise ValueError(
                f"there is no state of solver {name!r} to go on from: this estimator was loaded "
                "from a file or trained by another solver; clone it and begin anew"
            )
        if fitted and not examples.given.same_as(self._given):
            raise ValueError(
                "prior_weights or fixed_weights are others than those that training began with: "
                "clone the estimator and begin anew"
            )
        outcome = learn(
            self.model_ if fitted else self._make_model(),
            examples,
            solver,
            C=self.C_ if fitted and isinstance(self.C, str) else self._penalty(),
            rescaling=self.rescaling,
            state=state,
            scaling=scaling,
            n_examples=self._n_examples if fitted else None,
        )
        if state is not None:
            outcome.result.n_iter += self.n_iter_
            outcome.result.n_oracle_calls += self.n_oracle_calls_
        self._warm = None
        if not fitted:
            self._n_examples = outcome.bound.problem.n_examples
        before = vars(self).get("n_violations_", 0) if fitted else 0
        self._keep(outcome, solver)
        if examples.n_violations is not None:
            self.n_violations_ = before + examples.n_violations
        if outcome.result.error is not None:
            raise outcome.result.error

    def _checked_solver(self) -> Any:
        """The solver, once it is known that all parameters go together."""
        if self.tol is not None:
            check_scalar("tol", self.tol, above=0)
        if self.max_iter is not None:
            check_scalar("max_iter", self.max_iter, above=0, integer=True)
        if self.rescaling not in ("margin", "slack"):
            raise ValueError(
                f"unknown rescaling {self.rescaling!r}: expected one of 'margin', 'slack'"
            )
        if not isinstance(self.verbose, numbers.Real):
            raise ValueError(f"verbose={self.verbose!r}: expected 0, 1 or 2")
        solver = make_solver(clone(self.solver, safe=False))
        self._penalty()
        self._scales()
        if self.warm_start:
            check_warm_starts(solver)
        return solver

    def _penalty(self) -> float | InUnits:
        """C as a number or in units of the data."""
        if isinstance(self.C, InUnits):  # of a path
            return self.C
        if isinstance(self.C, str):
            if self.C not in ("scale", "auto"):
                raise ValueError(f"C={self.C!r}: expected a number > 0, 'scale' or 'auto'")
            return DEFAULT
        check_scalar("C", self.C, above=0)
        return float(self.C)

    def _chooses(self, solver: Solver) -> bool:
        """Whether C is to be chosen by scores on held-out examples."""
        if not isinstance(self.C, str) or self.C != "auto":
            return False
        if capabilities_of(solver).regularizes:
            check_warm_starts(solver, "C='auto'")
            return True
        return False

    def _scales(self) -> bool:
        """Whether training scales columns."""
        if self.scale is not None and self.scale != "auto":
            raise ValueError(f"scale={self.scale!r}: expected 'auto' or None")
        return self.scale is not None

    def _tolerance(self, solver: Solver) -> float | None:
        """The gap to stop at; None leaves it to the solver."""
        return None if self.tol is None else float(self.tol)

    def _online_solver(self) -> Any:
        """The solver of ``partial_fit``."""
        return self._checked_solver()

    def _check_path(self) -> None:
        """Refuse what `fit_path` cannot do."""
        check_warm_starts(make_solver(self.solver), "fit_path")

    def _make_model(self) -> StructuredModel:
        if not isinstance(self.model, StructuredModel):
            raise ValueError(
                f"model is {self.model!r}; expected an instance of a StructuredModel subclass"
            )
        model: StructuredModel = clone(self.model)
        return model

    def _keep(self, outcome: Outcome, solver: Solver, *, of_use: bool = True) -> None:
        """Take the weights and what is known of them as fitted attributes, and tell how it went."""
        result = outcome.result
        self._take_weights(outcome)
        self.C_ = outcome.C
        self.scaling_ = dict(outcome.bound.scaling)
        self.objective_ = result.objective
        self.dual_objective_ = result.dual_objective
        self.dual_gap_ = result.gap
        self.certified_ = outcome.certified
        self.status_ = result.status
        self.n_iter_ = result.n_iter
        self.n_oracle_calls_ = result.n_oracle_calls
        self.history_ = result.history
        learns = capabilities_of(solver).can_learn
        self._online = (solver_name(solver), result.state, self.scaling_) if learns else None
        self._given = outcome.bound.given
        outcome.warn(type(self).__name__, of_use=of_use)

    def _take_weights(self, outcome: Outcome) -> None:
        """Be fitted with these weights; where most of many are 0, they are made when asked for."""
        later = outcome.weights_later()
        if later is not None and type(self)._weight_attributes is StructSVM._weight_attributes:
            self.__dict__.pop("coef_", None)
            self.__dict__.update({"model_": outcome.model, WeightsWhenAsked.LATER: later})
        else:
            self.__dict__.pop(WeightsWhenAsked.LATER, None)
            self.__dict__.update(self._weight_attributes(outcome.model, outcome.weights))

    def _weight_attributes(
        self, model: StructuredModel, weights: NDArray[np.float64]
    ) -> dict[str, Any]:
        """The fitted attributes that hold a model with its weights."""
        # With room behind them, so that a prediction need not copy them.
        is_ready = is_padded(weights, len(weights))
        return {"model_": model, "coef_": weights if is_ready else padded_copy(weights)}

    def _flat_weights(self) -> NDArray[np.float64]:
        """The weight vector in those attributes."""
        return self.coef_

    # ---- prediction

    def predict(self, X: Any, constraints: Sequence[Any] | None = None) -> list[Any]:
        """The best output for each x, as a list.

        Parameters
        ----------
        X : sequence
        constraints : sequence of length n_examples, default=None
            For models of graphs, of typed graphs and of images: what the labels of each x must
            satisfy, or None for one without constraints. They are linear, with a column for each
            node and label, ``node * n_labels + label``, see
            `structsvm.inference.constrained_labels`, and for types `TypedGraphModel`. These labels
            are the best ones, by an integer program, which is for small graphs.
        """
        model = self._fitted_model()
        inputs, _ = model.prepare_examples(self._read(X))
        if constraints is not None:
            return model.constrained_inference(inputs, self._flat_weights(), constraints)
        return model.outputs_of(inputs, self._ask(model.bind(inputs), scored=False)[0])

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Score <w, psi(x, y)> of the predicted output for each x.

        Parameters
        ----------
        X : sequence of length n_examples
            Inputs, as for `fit`.

        Returns
        -------
        scores : ndarray of shape (n_examples,)
        """
        model = self._fitted_model()
        inputs, _ = model.prepare_examples(self._read(X))
        scores: NDArray[np.float64] = self._ask(model.bind(inputs))[1]
        return scores

    def loss_augmented_predict(self, X: Any, y: Any) -> list[Any]:
        """The outputs that violate the margin most: the oracle's answers at `coef_`, for study.

        Parameters
        ----------
        X, y : sequences of equal length
            Inputs and true outputs, as for `fit`.

        Returns
        -------
        outputs : list
        """
        inputs, problem = self._questions(X, y)
        answers, _ = self._ask(problem, augmented=True, scored=False)
        return self.model_.outputs_of(inputs, answers)

    def hinges(self, X: Any, y: Any) -> Hinges:
        """The hinge of each example at the fitted weights, and the loss of its prediction.

        Which examples are hard: those with a positive hinge violate their margin, and pull at the
        weights with all of their C. Sample weights do not count.

        Parameters
        ----------
        X, y : sequences of equal length
            Those of the fit, or others.

        Returns
        -------
        hinge : ndarray of shape (n_examples,)
            H_i of the objective, at least the loss with margin rescaling. With an inexact oracle
            it may be too low; with relaxed inference it may be too high.
        loss : ndarray of shape (n_examples,)
            Delta(y_i, predict(x_i)).

        Examples
        --------
        >>> from structsvm import ChainSVM
        >>> X, y = [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0]]], [["a", "b"], ["b"]]
        >>> svm = ChainSVM(C=10.0, random_state=0).fit(X, y)
        >>> svm.hinges([*X, [[0.0, 1.0]]], [*y, ["a"]]).loss
        array([0., 0., 1.])
        """
        _, problem = self._questions(X, y)
        weights = self._flat_weights()
        hinge = np.zeros(problem.n_examples)
        with self._own_engine() as engine:
            problem.mean_hinge(weights, hinge, engine)
            everything = np.arange(problem.n_examples, dtype=np.int32)
            loss = problem.answers_at(everything, weights, plain=True, engine=engine)[0]
        return Hinges(hinge, np.array(loss))

    def _questions(self, X: Any, y: Any) -> tuple[Any, Problem]:
        """Examples as the model reads them, and as a problem that stays as it is."""
        model = self._fitted_model()
        inputs, truths = model.prepare_examples(*check_pairs(self._read(X), y))
        problem = model.questions(inputs, truths)
        problem.set_rescaling(self.rescaling)
        return inputs, problem

    def _ask(self, problem: Problem, **question: bool) -> tuple[Any, Any]:
        """What ``problem.predict`` answers at the fitted weights, by `n_jobs` workers."""
        with self._own_engine() as engine:
            return problem.predict(self._flat_weights(), engine=engine, **question)

    def score(self, X: Any, y: Any) -> float:
        """``model_.score(y, predict(X))``; higher is better.

        Parameters
        ----------
        X, y : sequences of equal length
            Inputs and true outputs, as for `fit`.

        Returns
        -------
        score : float
        """
        model = self._fitted_model()
        X, y = check_pairs(X, y)
        return self._score_outputs(model, y, self.predict(X))

    def _score_outputs(self, model: StructuredModel, y: Any, guess: Any) -> float:
        return model.score(y, guess)

    def _fitted_model(self) -> StructuredModel:
        if not self.__sklearn_is_fitted__():
            check_is_fitted(self)  # raises, and takes its time
        return self.model_

    def _read(self, X: Any) -> Any:
        """The inputs as the model takes them."""
        return as_items("X", X)

    def _fitted_attributes(self, weights: NDArray[np.float64], model: Any) -> dict[str, Any]:
        """What predictions with these weights need."""
        return self._weight_attributes(model, weights)

    def _own_engine(self) -> Engine:
        """`n_jobs` workers of this machine."""
        return make_engine(check_n_jobs(self.n_jobs))

    def _engine(self) -> Engine:
        """Who makes the calls of training."""
        if self.engine is None:
            return self._own_engine()
        if not isinstance(self.engine, Engine):
            raise TypeError(
                f"engine={self.engine!r}: expected an Engine, such as DaskEngine(client), or None"
            )
        return self.engine

    # ---- display

    def _is_estimate(self) -> bool:
        """Whether there is a gap that is no certificate."""
        fitted = vars(self)
        return math.isfinite(fitted.get("dual_gap_", math.nan)) and not fitted["certified_"]

    def __repr__(self, N_CHAR_MAX: int = 700) -> str:
        text: str = super().__repr__(N_CHAR_MAX)
        if self._is_estimate():
            text += f"  # dual_gap_ {self.dual_gap_:.2g} is an estimate"
        return text

    def _get_fitted_attr_html(self, doc_link: str = "") -> Any:
        """What scikit-learn's diagrams tell of a fitted estimator."""
        told = super()._get_fitted_attr_html(doc_link)
        if self._is_estimate():
            for name in ("objective_", "dual_objective_", "dual_gap_"):
                if "type_name" in told.get(name, ()):
                    told[name]["type_name"] += " (estimate)"
        return told

    # ---- keeping

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to one file, without pickle; `structsvm.load` reads it.

        Parameters
        ----------
        path : path-like
            A file that is there is replaced as a whole.

        Raises
        ------
        TypeError
            If model, loss or solver is a class of your own: its code is not in the file. Use
            pickle or joblib for those.
        """
        check_is_fitted(self)
        learned = {name: getattr(self, f"{name}_") for name in self._LEARNED}
        weights = vars(self).get(WeightsWhenAsked.LATER)
        if weights is None or "coef_" in vars(self):
            weights = self._flat_weights()
        model_files.save(path, self, self._make_model(), weights, learned)

    def restore(self, contents: model_files.Contents) -> Self:
        """Be as the fitted estimator with the same parameters that a file holds.

        `structsvm.load` calls it; a file that does not fit raises an error.

        Parameters
        ----------
        contents : Contents
            Of the file.

        Returns
        -------
        self
        """
        model = contents.model(self._make_model())
        self.__dict__.pop(WeightsWhenAsked.LATER, None)
        self.__dict__.update(self._weight_attributes(model, contents.weights(model)))
        self.__dict__.update(contents.attributes())
        self._take_learned(contents.learned(self._LEARNED))
        return self

    #: Names of what else a model file holds, without the underscore of the attribute.
    _LEARNED: tuple[str, ...] = ()

    def _take_learned(self, learned: dict[str, Any]) -> None:
        """Keep what a file holds by these names, and see that it fits the model."""
        self.__dict__.update({f"{name}_": value for name, value in learned.items()})

    def __sklearn_is_fitted__(self) -> bool:
        return "model_" in vars(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if self.__sklearn_is_fitted__() and WeightsWhenAsked.LATER not in vars(self):
            self.__dict__.update(self._weight_attributes(self.model_, self._flat_weights()))

    def __getstate__(self) -> dict[str, Any]:
        # The dual state holds C memory; a pickled estimator starts its next fit afresh.
        state = dict(super().__getstate__())
        state.pop("_warm", None)
        if state.get("engine") is not None:
            state["engine"] = None  # it belongs to this process
        return state


def of_model(name: str) -> Any:
    """A fitted attribute of an estimator that is one of its model."""
    return property(lambda estimator: getattr(estimator.model_, name))


def weight_block(name: str) -> Any:
    """A fitted attribute that is a block of the weights: a view of `coef_`."""

    def block(estimator: Any) -> NDArray[np.float64]:
        check_is_fitted(estimator)
        views: dict[str, NDArray[np.float64]] = estimator.model_.weight_blocks(estimator.coef_)
        return views[name]

    return property(block)


# Else scikit-learn would not break the lines of a long one.
with contextlib.suppress(ImportError, AttributeError):
    from sklearn.utils._pprint import _EstimatorPrettyPrinter

    _EstimatorPrettyPrinter._dispatch[StructSVM.__repr__] = (
        _EstimatorPrettyPrinter._pprint_estimator
    )
