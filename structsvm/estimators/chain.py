"""ChainSVM: label sequences."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from structsvm.data.checks import shorten
from structsvm.data.labels import flatten_labels
from structsvm.data.sequences import as_items
from structsvm.engines import Engine
from structsvm.estimators.chain_confidence import ChainCalibration, ChainConfidenceMixin
from structsvm.estimators.chain_weights import ChainWeightsMixin
from structsvm.estimators.chosen_c import order_of
from structsvm.estimators.structured import StructSVM, of_model, weight_block
from structsvm.exceptions import ModelFileError
from structsvm.losses import HammingLoss
from structsvm.models import ChainModel
from structsvm.models.path_rules import RuledLabels
from structsvm.solvers import Progress, Solver
from structsvm.training.train import Examples, Validation

__all__ = ["ChainSVM"]


class ChainSVM(ChainConfidenceMixin, ChainWeightsMixin, StructSVM):
    r"""Structured SVM for sequence labelling, with exact Viterbi inference.

    Minimises ``1/2 |w|^2 + C sum of hinges`` over the weights of a `ChainModel`: state weights for
    features, and scores of neighbouring, first and last labels.

    Parameters
    ----------
    C : float or "scale", default="scale"
        Weight of the hinges against the norm. "scale" follows the data: see Notes of `StructSVM`.
    scale : "auto" or None, default="auto"
        Whether training scales the columns of features, see `StructSVM`.
    loss : {"hamming", "normalized_hamming"} or HammingLoss, default="hamming"
        Task loss: the number of wrong labels, or their share.
    fit_intercept : bool, default=True
        Give each label a weight of its own, regularised like any other.
    transitions : bool, default=True
        Score neighbouring labels. Without, each position is classified by itself.
    boundary : bool, default=True
        Score the first and the last label.
    constraints : {"iob2", "iobes", "bilou", "seen"} or list of pairs (from, to), default=None
        Labels that must not follow each other, in training and in prediction; see `ChainModel`.
    on_violation : {"raise", "skip", "repair"}, default="raise"
        What to do with training and held-out sequences that constraints forbid; see `ChainModel`.
    order : {1, 2, "auto"}, default=1
        How many labels a transition looks back; see `ChainModel`. "auto": both are trained without
        a third of the sequences, held out by a fixed seed, or without X_val where it is given, and
        what scores better there is taken; 1 if they are even, with fewer than 15 sequences, and
        with void labels.
    ignore_label : int or str, default=None
        Positions of y with this label are void, as those with None are: they have no loss and no
        features in training, and do not count in scores; see `ChainModel`.
    solver, rescaling, tol, max_iter, n_jobs, engine, random_state, verbose, warm_start
        See `StructSVM`.
    prior_weights, fixed_weights, callbacks
        See `StructSVM`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
    n_features_in_, n_edge_features_in_ : int
    n_violations_ : int
        Training sequences that constraints forbid, which were left out or repaired.
    order_ : int
        The order of the model.
    order_scores_ : dict
        With ``order="auto"``: the score of each order on held-out sequences.
    state_coef_ : ndarray of shape (n_features, n_classes)
    transition_coef_ : ndarray of shape (n_classes, n_classes)
        ``transition_coef_[i, j]``: score of class j right after class i.
    start_coef_, end_coef_, intercept_ : ndarrays of shape (n_classes,)
    edge_coef_ : ndarray of shape (n_edge_features, n_classes, n_classes)
        ``edge_coef_[g, i, j]``: what edge feature g adds to class j right after class i.
        Views of `coef_`, like those above; zeros for what is switched off.
    states_ : list
        What transition, start, end and edge weights are of: `classes_`, or pairs of them if
        ``order=2``, whose number then takes the place of n_classes.
    coef_, model_, objective_, dual_objective_, dual_gap_, certified_
        See `StructSVM`.
    n_iter_, n_oracle_calls_, history_, validation_score_
        See `StructSVM`.

    Notes
    -----
    X is a list of arrays of shape (length, n_features), dense of any real dtype or scipy CSR, or a
    `PackedSequences`; y is a list of sequences of integers or of strings. Neither needs padding.
    Sequences may be empty. An item of X may be a pair of arrays, features and edge features, both
    with a row for each position: a row of edge features describes a position together with the one
    before, and makes the transition score there depend on what is seen. Time and memory of edge
    features are those of K^2 weights for each.

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
        C: float | str = "scale",
        scale: str | None = "auto",
        loss: str | HammingLoss = "hamming",
        fit_intercept: bool = True,
        transitions: bool = True,
        boundary: bool = True,
        constraints: str | Sequence[Any] | None = None,
        on_violation: str = "raise",
        order: int | str = 1,
        ignore_label: Any = None,
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
        self.C = C
        self.scale = scale
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.transitions = transitions
        self.boundary = boundary
        self.constraints = constraints
        self.on_violation = on_violation
        self.order = order
        self.ignore_label = ignore_label
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

    def _make_model(self) -> ChainModel:
        order: Any = self.order
        if isinstance(order, str) and order == "auto":
            order = vars(self).get("_order_now", 1)
        return ChainModel(
            clone(self.loss, safe=False),
            fit_intercept=self.fit_intercept,
            transitions=self.transitions,
            boundary=self.boundary,
            constraints=self.constraints,
            on_violation=self.on_violation,
            order=order,
            ignore_label=self.ignore_label,
        )

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        position_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        resume_from: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Train on sequences X with label sequences y.

        Parameters
        ----------
        X : list of arrays or CSR matrices of shape (length, n_features)
        y : list of sequences of labels, one for each position; None where it is void
        sample_weight : array-like of shape (n_sequences,), default=None
            Factor of each sequence's hinge, >= 0.
        position_weight : list of arrays of shape (length,), default=None
            Factor of the task loss at each position, >= 0.
        X_val, y_val, resume_from
            See `StructSVM.fit`.

        Returns
        -------
        self
        """
        examples = self._examples(X, y, sample_weight, position_weight)
        self._fit(examples, self._validation(X_val, y_val), resume_from)
        return self

    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        position_weight: Any = None,
        *,
        classes: ArrayLike | None = None,
    ) -> Self:
        """One pass over more sequences, in their order, from where the last call left off.

        Parameters
        ----------
        X, y, sample_weight, position_weight
            See `fit`.
        classes : array-like, default=None
            All labels there will be. Needed in the first call, unless its y has them all.

        Returns
        -------
        self
        """
        known = None
        if classes is not None:
            known = np.unique(flatten_labels([classes], name="classes")[0])
        if (
            known is not None
            and self.__sklearn_is_fitted__()
            and not np.array_equal(known, self.classes_)
        ):
            raise ValueError(
                f"classes are {shorten(known.tolist())}, but training began with "
                f"{shorten(self.classes_.tolist())}"
            )
        examples = self._examples(X, y, sample_weight, position_weight)
        examples.classes = known
        self._partial_fit(examples)
        return self

    def _examples(
        self, X: Any, y: Any, sample_weight: Any = None, position_weight: Any = None
    ) -> Examples:
        return Examples(X, y, sample_weight, {"position_weight": position_weight})

    def max_marginals(self, X: Any) -> list[NDArray[np.float64]]:
        """Best score of a labelling with each label fixed at each position.

        The predicted label has the greatest value of its row, which is `decision_function`; the
        lead over the second tells how sure the choice is, 0 being a tie.

        Parameters
        ----------
        X : list of arrays or CSR matrices of shape (length, n_features)

        Returns
        -------
        marginals : list of arrays of shape (length, n_classes)
            -inf where constraints forbid every such labelling.

        Examples
        --------
        >>> import numpy as np
        >>> from structsvm import ChainSVM
        >>> X = [[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]]
        >>> y = [["noun", "verb", "noun"], ["verb", "noun"]]
        >>> svm = ChainSVM(C=10, random_state=0).fit(X, y)
        >>> best, second = np.sort(svm.max_marginals([[[1.0, 0.0], [0.5, 0.6]]])[0])[:, ::-1].T
        >>> bool(best[0] - second[0] > best[1] - second[1])
        True
        """
        check_is_fitted(self)
        return self.model_.max_marginals(self._read(X), self.coef_)

    def predict_n_best(self, X: Any, n: int = 10) -> list[list[tuple[NDArray[Any], float]]]:
        """The n best labellings of each x, with their scores, the best first.

        Parameters
        ----------
        X : list of arrays or CSR matrices of shape (length, n_features)
        n : int, default=10

        Returns
        -------
        candidates : list of lists of (labels, score)
            Fewer than n where there are fewer labellings that constraints allow. The difference of
            the first two scores tells how sure the prediction is.

        Examples
        --------
        >>> from structsvm import ChainSVM
        >>> X = [[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]]
        >>> y = [["noun", "verb", "noun"], ["verb", "noun"]]
        >>> svm = ChainSVM(C=10, random_state=0).fit(X, y)
        >>> [" ".join(labels) for labels, score in svm.predict_n_best(X[1:], n=2)[0]]
        ['verb noun', 'noun noun']
        """
        check_is_fitted(self)
        return self.model_.n_best(self._read(X), self.coef_, n)

    def predict_by_rules(
        self,
        X: Any,
        *,
        one_run: Sequence[Any] = (),
        before: Sequence[Any] = (),
        max_paths: int = 1000,
    ) -> list[RuledLabels]:
        """The best labelling of each x that keeps rules for the sequence as a whole.

        Exact: labellings are looked at in order of their scores, until one keeps the rules.

        Parameters
        ----------
        X : list of arrays or CSR matrices of shape (length, n_features)
        one_run : list of labels, or of lists of labels that count as one
            Each of them may occur in one run of neighbouring positions at most.
        before : list of pairs of labels, or of lists of labels that count as one
            Where both of a pair occur, all positions with the first come before those with the
            second.
        max_paths : int, default=1000
            How many labellings of an x to look at.

        Returns
        -------
        found : list of (status, labels, score, n_tried)
            ``status`` is "found"; "limit" where none of the `max_paths` best labellings keeps the
            rules, so that ``labels`` is None and ``score`` a bound on those that do; or
            "impossible" where no labelling does, as all were looked at.

        Raises
        ------
        ValueError
            For a label that is not known.

        Notes
        -----
        Sequences whose prediction keeps the rules take the time of `predict`, others that of
        `predict_n_best` with up to `max_paths` labellings.

        Examples
        --------
        >>> from structsvm import SequenceTagger
        >>> X, y = ["12 Main St".split(), "7 Oak St".split()], [["no", "name", "kind"]] * 2
        >>> tagger = SequenceTagger(random_state=0).fit(X, y)
        >>> tagger.tag("St Main St".split())
        ['kind', 'name', 'kind']
        >>> tagger.predict_by_rules(["St Main St".split()], one_run=["kind"])[0].labels.tolist()
        ['no', 'name', 'kind']
        """
        check_is_fitted(self)
        return self.model_.best_by_rules(self._read(X), self.coef_, one_run, before, max_paths)

    def complete(self, X: Any, y: Any) -> list[NDArray[Any]]:
        """The best labels where some are known.

        Parameters
        ----------
        X : list of arrays or CSR matrices of shape (length, n_features)
        y : list of sequences
            For each position its label, or a list of labels to choose from, or None to choose from
            all.

        Returns
        -------
        labels : list of arrays of shape (length,)

        Raises
        ------
        ValueError
            Naming the place, for an unknown label; or where constraints forbid all that is left.

        Examples
        --------
        >>> from structsvm import ChainSVM
        >>> X = [[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]]
        >>> y = [["noun", "verb", "noun"], ["verb", "noun"]]
        >>> svm = ChainSVM(C=10, random_state=0).fit(X, y)
        >>> svm.complete(X[1:], [[None, "verb"]])
        [array(['verb', 'verb'], dtype='<U4')]
        """
        check_is_fitted(self)
        return self.model_.batch_complete(self._read(X), as_items("y", y), self.coef_)

    def _fit(self, examples: Examples, validation: Validation, *args: Any, **kwargs: Any) -> Any:
        self.__dict__.pop("order_scores_", None)
        if not isinstance(self.order, str) or self.order != "auto":
            return super()._fit(examples, validation, *args, **kwargs)
        scores = order_of(self, examples, validation)
        if scores:
            self.order_scores_ = scores
        # What else is chosen is chosen for this order.
        self.order = 2 if scores and scores[2] > scores[1] else 1
        try:
            return super()._fit(examples, validation, *args, **kwargs)
        finally:
            self._order_now, self.order = self.order, "auto"

    def _check_path(self) -> None:
        super()._check_path()
        if self.order == "auto":
            raise ValueError("a path has one order: set order=1 or order=2 instead of 'auto'")

    def _online_solver(self) -> Any:
        if self.order == "auto":
            raise ValueError("partial_fit cannot choose the order: set order=1 or order=2")
        return super()._online_solver()

    def _keep(self, *args: Any, **kwargs: Any) -> None:
        self.__dict__.pop("calibration_", None)
        super()._keep(*args, **kwargs)

    @property
    def _LEARNED(self) -> tuple[str, ...]:  # type: ignore[override]  # noqa: N802
        return ("calibration",) if "calibration_" in vars(self) else ()

    def restore(self, contents: Any) -> Self:
        self._order_now = 2 if contents.has("model/pairs") else 1
        super().restore(contents)
        if "calibration" in contents.header:
            learned = contents.learned(["calibration"])
            if not isinstance(learned["calibration"], ChainCalibration):
                raise ModelFileError("its calibration is none of chains")
            self.__dict__["calibration_"] = learned["calibration"]
        return self

    @property
    def order_(self) -> int:
        check_is_fitted(self)
        return 1 if self.model_.pairs_ is None else 2

    classes_ = of_model("classes_")
    states_ = of_model("states_")
    n_features_in_ = of_model("n_features_in_")
    n_edge_features_in_ = of_model("n_edge_features_in_")
    state_coef_ = weight_block("state")
    transition_coef_ = weight_block("transition")
    start_coef_ = weight_block("start")
    end_coef_ = weight_block("end")
    intercept_ = weight_block("intercept")
    edge_coef_ = weight_block("edge")
