"""SpanSVM: spans of sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import clone

from structsvm.engines import Engine
from structsvm.estimators.structured import StructSVM, of_model, weight_block
from structsvm.losses import HammingLoss
from structsvm.models import SpanModel
from structsvm.solvers import Progress, Solver

__all__ = ["SpanSVM"]


class SpanSVM(StructSVM):
    r"""Structured SVM for spans of sequences, scored as wholes.

    Minimises ``1/2 |w|^2 + C sum of hinges`` over the weights of a `SpanModel`: state weights for
    features of positions, and weights for features of spans, their lengths and their neighbours.

    Parameters
    ----------
    C : float, "scale" or "auto", default="scale"
        Weight of the hinges against the norm: see Notes of `StructSVM`.
    scale : "auto" or None, default="auto"
        Whether training scales the columns of features, see `StructSVM`.
    loss : {"hamming", "normalized_hamming", "spans"} or HammingLoss, default="hamming"
        Task loss: the number, the share or the cost of positions with a wrong tag; or the number of
        wrong and missed spans.
    max_length : int, default=None
        The most positions of a span; None: that of the longest in training.
    length_bins, first_position, fit_intercept, output
        See `SpanModel`.
    solver, tol, max_iter, n_jobs, engine, random_state, verbose, warm_start
        See `StructSVM`.
    prior_weights, fixed_weights, callbacks
        See `StructSVM`.

    Attributes
    ----------
    classes_, tags_, labels_, max_length_, n_features_in_, n_span_features_in_
        See `SpanModel`.
    state_coef_ : ndarray of shape (n_features, n_tags)
        Columns are `tags_`, or `labels_` without `first_position`; those of others `labels_`.
    intercept_ : ndarray of shape (n_tags,)
    span_coef_ : ndarray of shape (n_span_features, n_labels)
    length_coef_ : ndarray of shape (n_bins, n_labels)
    transition_coef_ : ndarray of shape (n_labels, n_labels)
        ``transition_coef_[i, j]``: score of a segment with label j right after one with label i.
    start_coef_, end_coef_ : ndarrays of shape (n_labels,)
        Views of `coef_`, like those above.
    coef_, model_, objective_, dual_objective_, dual_gap_, certified_
        See `StructSVM`.
    n_iter_, n_oracle_calls_, history_, validation_score_
        See `StructSVM`.

    Notes
    -----
    X and y are those of `SpanModel`: arrays of features, or pairs of them with features of spans;
    lists of spans (start, stop, label), or tags. `score` is the F1 of spans.

    References
    ----------
    S. Sarawagi, W. Cohen (2004). Semi-Markov conditional random fields for information extraction.
    NIPS.

    Examples
    --------
    >>> from structsvm import SpanSVM
    >>> X = [[[1.0], [0.0], [0.0]], [[0.0], [1.0], [0.0], [0.0]], [[0.0], [0.0], [0.0]]]
    >>> y = [[(0, 2, "name")], [(1, 3, "name")], []]
    >>> svm = SpanSVM(C=10, random_state=0).fit(X, y)
    >>> svm.predict([[[0.0], [0.0], [1.0], [0.0], [0.0]]])
    [[(2, 4, 'name')]]
    >>> svm.tags_
    ['O', 'B-name', 'I-name']
    """

    model_: SpanModel

    def __init__(
        self,
        *,
        C: float | str = "scale",
        scale: str | None = "auto",
        loss: str | HammingLoss = "hamming",
        max_length: int | None = None,
        length_bins: Sequence[int] = (1, 2, 3, 4, 5, 7, 10, 15),
        first_position: bool = True,
        fit_intercept: bool = True,
        output: str = "spans",
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
        self.C = C
        self.scale = scale
        self.loss = loss
        self.max_length = max_length
        self.length_bins = length_bins
        self.first_position = first_position
        self.fit_intercept = fit_intercept
        self.output = output
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

    #: There is no oracle for any other.
    rescaling = "margin"

    def _make_model(self) -> SpanModel:
        return SpanModel(
            clone(self.loss, safe=False),
            max_length=self.max_length,
            length_bins=self.length_bins,
            first_position=self.first_position,
            fit_intercept=self.fit_intercept,
            output=self.output,
        )

    classes_ = of_model("classes_")
    tags_ = of_model("tags_")
    labels_ = of_model("labels_")
    max_length_ = of_model("max_length_")
    n_features_in_ = of_model("n_features_in_")
    n_span_features_in_ = of_model("n_span_features_in_")
    state_coef_ = weight_block("state")
    intercept_ = weight_block("intercept")
    span_coef_ = weight_block("span")
    length_coef_ = weight_block("length")
    transition_coef_ = weight_block("transition")
    start_coef_ = weight_block("start")
    end_coef_ = weight_block("end")
