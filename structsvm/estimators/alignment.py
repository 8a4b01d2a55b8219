"""AlignmentSVM: alignments of pairs of sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.engines import Engine
from structsvm.estimators.structured import StructSVM, of_model
from structsvm.models import AlignmentModel
from structsvm.solvers import Progress, Solver

__all__ = ["AlignmentSVM"]


class AlignmentSVM(StructSVM):
    r"""Structured SVM for alignments of two sequences, with learned scores of pairs and of gaps.

    Minimises ``1/2 |w|^2 + C sum of hinges`` over the weights of an `AlignmentModel`: what two
    symbols, or features of two positions, are worth, what it costs to open a gap, and to extend it.

    Parameters
    ----------
    C : float, "scale" or "auto", default="scale"
        Weight of the hinges against the norm: see Notes of `StructSVM`.
    scale : "auto" or None, default="auto"
        Whether training scales the columns of features, see `StructSVM`.
    loss : {"hamming", "normalized_hamming"}, default="hamming"
        Task loss: the number of positions of the first sequence with a wrong partner, or none, or
        one where there is none; normalised by the number of true pairs.
    max_shift, end_gaps, symmetric, fit_intercept
        See `AlignmentModel`.
    solver, tol, max_iter, n_jobs, engine, random_state, verbose, warm_start
        See `StructSVM`.
    prior_weights, fixed_weights, callbacks
        See `StructSVM`.

    Attributes
    ----------
    symbols_, n_features_in_
        See `AlignmentModel`.
    substitution_scores_ : ndarray of shape (n_symbols, n_symbols)
        What two symbols are worth, by their places in `symbols_`. Without features only.
    pair_coef_ : ndarray of shape (n_features,)
        The weights of features of pairs. With features only.
    intercept_ : float
        What all pairs share. With features only.
    gap_scores_ : ndarray of shape (2,) or (4,)
        What a gap is worth that is opened, and each of its positions; with ``end_gaps="own"`` also
        those of gaps at the ends.
    coef_, model_, objective_, dual_objective_, dual_gap_, certified_
        See `StructSVM`.
    n_iter_, n_oracle_calls_, history_, validation_score_
        See `StructSVM`.

    Notes
    -----
    X and y are those of `AlignmentModel`: pairs of strings or lists, or arrays of features of all
    pairs of positions; and lists of pairs (i, j). `score` is the F1 of pairs.

    References
    ----------
    C.-N. Yu, T. Joachims, R. Elber, J. Pillardy (2008). Support vector training of protein
    alignment models. Journal of Computational Biology 15. doi:10.1089/cmb.2007.0152

    Examples
    --------
    >>> from structsvm import AlignmentSVM
    >>> X = [("abcd", "acd"), ("abab", "bab"), ("dca", "dcba")]
    >>> y = [[(0, 0), (2, 1), (3, 2)], [(1, 0), (2, 1), (3, 2)], [(0, 0), (1, 1), (2, 3)]]
    >>> svm = AlignmentSVM(C=10, random_state=0).fit(X, y)
    >>> svm.predict([("bcda", "bda")])[0].tolist()
    [[0, 0], [2, 1], [3, 2]]
    >>> svm.symbols_.tolist(), svm.substitution_scores_.shape
    (['a', 'b', 'c', 'd'], (4, 4))
    """

    model_: AlignmentModel

    def __init__(
        self,
        *,
        C: float | str = "scale",
        scale: str | None = "auto",
        loss: str = "hamming",
        max_shift: int = 1,
        end_gaps: str = "same",
        symmetric: bool = True,
        fit_intercept: bool = True,
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
        self.max_shift = max_shift
        self.end_gaps = end_gaps
        self.symmetric = symmetric
        self.fit_intercept = fit_intercept
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

    def _make_model(self) -> AlignmentModel:
        return AlignmentModel(
            self.loss,
            max_shift=self.max_shift,
            end_gaps=self.end_gaps,
            symmetric=self.symmetric,
            fit_intercept=self.fit_intercept,
        )

    symbols_ = of_model("symbols_")
    n_features_in_ = of_model("n_features_in_")

    @property
    def substitution_scores_(self) -> NDArray[np.float64]:
        if self.model_.n_features_in_:
            raise AttributeError("pairs have features, no symbols: see pair_coef_")
        return self.model_.substitution_scores(self.coef_)

    @property
    def gap_scores_(self) -> NDArray[np.float64]:
        return self.model_.gap_scores(self.coef_)

    @property
    def pair_coef_(self) -> NDArray[np.float64]:
        return self._of_features("pairs")[:, 0]

    @property
    def intercept_(self) -> float:
        return float(self._of_features("intercept")[0]) if self.fit_intercept else 0.0

    def _of_features(self, block: str) -> NDArray[np.float64]:
        if not self.model_.n_features_in_:
            raise AttributeError("pairs have symbols, no features: see substitution_scores_")
        weights: NDArray[np.float64] = self.model_.layout_.views(self.coef_)[block]
        return weights
