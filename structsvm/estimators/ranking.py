"""RankingSVM: documents of queries are ranked by linear scores."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from structsvm.data.checks import check_sample_weight
from structsvm.data.queries import QueryRows, check_grades, check_groups
from structsvm.data.rows import check_rows, read_rows
from structsvm.engines import Engine
from structsvm.estimators.structured import Hinges, StructSVM
from structsvm.models import RankingModel
from structsvm.solvers import Progress, Solver
from structsvm.training.train import Examples, Validation

__all__ = ["RankingSVM"]


class RankingSVM(StructSVM):
    r"""Ranking of documents by linear scores, trained to a certified duality gap.

    Minimises

    .. math:: \tfrac12 \|w\|^2 + C \sum_q c_q H_q(w), \qquad s_i = \langle w, x_i \rangle

    over queries q. With the default loss H_q is that of RankSVM, the mean of max(0, 1 - (s_i -
    s_j)) over the pairs of documents of which i has the higher grade; pairs are counted in sorted
    scores, never listed. With the others it is the structured hinge of a measure of whole rankings,
    see `RankingModel`.

    Parameters
    ----------
    loss : {"pairwise", "ndcg", "average_precision", "precision", "f1"}, default="pairwise"
        The last three are for grades 0 and 1.
    k : int, default=None
        How many positions count in the loss, and in `score`. None: all; for "precision" and "f1" as
        many as there are relevant documents.
    gain : {"exponential", "linear"}, default="exponential"
        What grade g is worth in NDCG: 2**g - 1, or g.
    normalize : bool, default=True
        Whether hinges are means over pairs, so that queries count alike, or sums.
    C : float, "scale" or "auto", default="scale"
        Weight of the hinges against the norm, see `StructSVM`. "auto" holds out queries.
    scale, solver, tol, max_iter, n_jobs, engine, random_state, verbose, warm_start
        See `StructSVM`.
    prior_weights, fixed_weights, callbacks
        See `StructSVM`. Columns are divided by their standard deviations, not moved: only
        differences of rows count.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,)
    n_features_in_ : int
    model_ : RankingModel
    objective_, dual_objective_, dual_gap_, certified_, C_, path_, scaling_
        See `StructSVM`.
    status_, n_iter_, n_oracle_calls_, history_, validation_score_
        See `StructSVM`; an example is a query.

    Notes
    -----
    X is dense or CSR, float64 or float32. `groups` has the query of each document, as in
    scikit-learn's splitters; rows of a query need not be neighbours. For cross-validation, request
    it: with ``sklearn.set_config(enable_metadata_routing=True)``,
    ``GridSearchCV(RankingSVM().set_fit_request(groups=True).set_score_request(groups=True),
    grid, cv=GroupKFold()).fit(X, y, groups=groups)``.

    References
    ----------
    See `RankingModel`.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import RankingSVM
    >>> rng = np.random.default_rng(0)
    >>> X, groups = rng.normal(size=(300, 4)), np.repeat(np.arange(30), 10)
    >>> y = np.digitize(X @ [1, -1, 0.5, 0], [0, 1.5])  # grades 0, 1 and 2
    >>> svm = RankingSVM(k=5, random_state=0).fit(X[:200], y[:200], groups[:200])
    >>> svm.score(X[200:], y[200:], groups[200:]) > 0.95  # NDCG at 5
    True
    >>> svm.rank(X[:4])
    array([1, 3, 2, 4])
    """

    model_: RankingModel

    def __init__(
        self,
        loss: str = "pairwise",
        *,
        k: int | None = None,
        gain: str = "exponential",
        normalize: bool = True,
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
        self.loss = loss
        self.k = k
        self.gain = gain
        self.normalize = normalize
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

    def _make_model(self) -> RankingModel:
        return RankingModel(self.loss, k=self.k, gain=self.gain, normalize=self.normalize)

    # ---- training

    def fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        groups_val: ArrayLike | None = None,
        resume_from: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Train on documents X with grades y.

        Parameters
        ----------
        X : array-like or CSR matrix of shape (n_documents, n_features)
        y : array-like of shape (n_documents,)
            Grades: the higher, the more relevant. They compare within a query.
        groups : array-like of shape (n_documents,), default=None
            The query of each document, integers or strings; None is one query.
        sample_weight : array-like of shape (n_documents,), default=None
            Factor of the hinge of each document's query, >= 0 and the same for all its documents.
        X_val, y_val, groups_val, resume_from
            Held-out queries and a checkpoint, see `StructSVM.fit`.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If shapes do not fit, grades are none that the loss is for, or all queries have grades
            that are all alike.
        """
        examples = self._examples(X, y, sample_weight, groups)
        truths = y_val if groups_val is None else _Grouped(y_val, groups_val)
        self._fit(examples, self._validation(X_val, truths), resume_from)
        return self

    def partial_fit(  # type: ignore[override]
        self,
        X: Any,
        y: Any,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """One pass over more queries, see `StructSVM.partial_fit` and `fit`.

        Returns
        -------
        self
        """
        self._partial_fit(self._examples(X, y, sample_weight, groups))
        return self

    def _examples(self, X: Any, y: Any, sample_weight: Any = None, groups: Any = None) -> Examples:
        X, _ = read_rows(self, X, reset=True, needs_y=False)
        queries, order = _by_query(X, groups)
        grades = check_grades("y", y, X.shape[0])[order]
        weight = check_sample_weight(sample_weight, X.shape[0])
        if weight is not None:
            weight = _of_queries(weight[order], queries.offsets)
        rows = np.split(grades, queries.offsets[1:-1])
        if all((row == row[0]).all() for row in rows):
            raise ValueError(
                "all documents of each query have one grade in y: there is nothing to rank. "
                "groups tells the query of each document"
            )
        return _QueryExamples(queries, rows, weight, {})

    def _validation(self, X: Any, y: Any) -> Validation:
        return _QueryValidation(self, X, y, self._score_outputs)

    def _held_out(self, examples: Examples) -> Validation:
        return _QueryValidation(self, examples.X, examples.y, self._score_outputs)

    def _weight_attributes(self, model: Any, weights: NDArray[np.float64]) -> dict[str, Any]:
        attributes = super()._weight_attributes(model, weights)
        return attributes | {"n_features_in_": model.n_features_in_}

    # ---- prediction

    def predict(self, X: Any) -> NDArray[np.float64]:  # type: ignore[override]
        """The score of each document, of shape (n_documents,): the greatest of a query is first."""
        model = self._fitted_model()
        X, _ = read_rows(self, X, reset=False, needs_y=False)
        scores: NDArray[np.float64] = model.scores(check_rows(X), self.coef_)  # type: ignore[attr-defined]
        return scores

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """As `predict`."""
        return self.predict(X)

    def rank(self, X: Any, groups: ArrayLike | None = None) -> NDArray[np.int64]:
        """The position of each document among those of its query, from 1.

        Documents with one score stand in the order of X.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_documents, n_features)
        groups : array-like of shape (n_documents,), default=None
            The query of each document; None: all are of one query.

        Returns
        -------
        positions : ndarray of int64 of shape (n_documents,)
        """
        scores = self.predict(X)
        query = check_groups(groups, len(scores))
        order = np.lexsort((-scores, query))
        begins = np.searchsorted(query[order], query[order])
        positions = np.empty(len(scores), dtype=np.int64)
        positions[order] = np.arange(len(scores)) - begins + 1
        return positions

    def score(self, X: Any, y: Any, groups: ArrayLike | None = None) -> float:  # type: ignore[override]
        """The measure of the loss, at k, in the mean over queries; for "pairwise" that is NDCG.

        Queries with nothing to tell apart are left out. `structsvm.metrics` has all measures.

        Parameters
        ----------
        X, y, groups
            As in `fit`.

        Returns
        -------
        score : float
        """
        scores = self.predict(X)
        grades = check_grades("y", y, len(scores))
        query = check_groups(groups, len(scores))
        order = np.argsort(query, kind="stable")
        ends = np.cumsum(np.bincount(query))[:-1]
        pairs = (np.split(values[order], ends) for values in (grades, scores))
        return self._score_outputs(self.model_, *pairs)

    def loss_augmented_predict(  # type: ignore[override]
        self, X: Any, y: Any, groups: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """What violates the margin most, for study: a number for each document, see
        `RankingModel`."""
        *by_query, order = self._queries(X, y, groups)
        answers = super().loss_augmented_predict(*by_query)
        result = np.empty(len(order))
        result[order] = np.concatenate(answers)
        return result

    def hinges(  # type: ignore[override]
        self, X: Any, y: Any, groups: ArrayLike | None = None
    ) -> Hinges:
        """The hinge of each query at the fitted weights, and the loss of its prediction.

        Parameters
        ----------
        X, y, groups
            As in `fit`.

        Returns
        -------
        hinge, loss : ndarray of shape (n_queries,)
            In the order of the sorted groups; see `StructSVM.hinges`.
        """
        return super().hinges(*self._queries(X, y, groups)[:2])

    def _queries(self, X: Any, y: Any, groups: Any) -> tuple[Any, list[Any], NDArray[np.intp]]:
        """Rows and grades by query, and the order of the documents in them."""
        check_is_fitted(self)
        X, _ = read_rows(self, X, reset=False, needs_y=False)
        queries, order = _by_query(X, groups)
        grades = check_grades("y", y, X.shape[0])[order]
        return queries[:], np.split(grades, queries.offsets[1:-1]), order

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags.required = True
        return tags


class _Grouped:
    """Grades, and the query of each."""

    def __init__(self, grades: Any, groups: Any) -> None:
        self.grades = grades
        self.groups = groups


class _QueryExamples(Examples):
    """Queries, checked before, with a row of grades for each."""

    def check(self) -> None:
        self.weight = check_sample_weight(self.weight, len(self.X))


class _QueryValidation(Validation):
    """Held-out documents with grades, or queries; or none."""

    def __init__(self, estimator: Any, X: Any, y: Any, score: Callable[..., float]) -> None:
        self._estimator = estimator
        super().__init__(X, y, score)

    def check(self) -> None:
        if isinstance(self.X, QueryRows):
            return
        groups = None
        if isinstance(self.y, _Grouped):
            self.y, groups = self.y.grades, self.y.groups
        X, _ = read_rows(self._estimator, self.X, reset=False, needs_y=False)
        self.X, order = _by_query(X, groups)
        self.y = np.split(check_grades("y", self.y, X.shape[0])[order], self.X.offsets[1:-1])


def _by_query(X: Any, groups: Any) -> tuple[QueryRows, NDArray[np.intp]]:
    """The documents query by query, and where each of them was."""
    query = check_groups(groups, X.shape[0])
    offsets = np.append(0, np.cumsum(np.bincount(query)))
    if (query[1:] >= query[:-1]).all():
        return QueryRows(X, offsets), np.arange(X.shape[0])
    order = np.argsort(query, kind="stable")
    return QueryRows(X[order], offsets), order


def _of_queries(weight: NDArray[np.float64], offsets: NDArray[np.int64]) -> NDArray[np.float64]:
    """The one weight of all documents of each query."""
    of_queries = weight[offsets[:-1]]
    differs = weight != np.repeat(of_queries, np.diff(offsets))
    if differs.any():
        i = int(np.searchsorted(offsets, np.argmax(differs), side="right")) - 1
        raise ValueError(
            f"sample_weight differs within the query that is number {i} by name: it weighs whole "
            "queries, so give all documents of a query the same"
        )
    return of_queries
