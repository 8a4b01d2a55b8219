"""RankingModel: documents of queries, ranked by linear scores."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from structsvm.data.checks import check_scalar
from structsvm.data.labels import PackedLabels
from structsvm.data.queries import QueryRows, check_grades, query_numbers, read_queries
from structsvm.data.scaling import ColumnScaling, FeatureGroup, learn_columns, row_chunks
from structsvm.data.sequences import as_items
from structsvm.data.state import State
from structsvm.metrics.ranking import GAINS, MEASURES, check_relevance, measure_queries
from structsvm.models.factored import PackedInputs, PackedModel
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._features import BlockFeatures, RowBlock
from structsvm.problems._ranking import RankingProblem
from structsvm.problems.layout import Layout

__all__ = ["RankingModel"]

# Rough numbers for Problem.oracle_work: multiply-adds of a vector instruction, and what sorting and
# counting costs for each document.
_LANES, _SORTING = 8, 60


class RankingModel(PackedModel):
    r"""Rankings of the documents of a query by scores :math:`s_i = \langle w, x_i \rangle`.

    x has a row of features for each document of a query, y a grade for each. Any y orders the
    documents by its values, and

    .. math:: \psi(x, y) = \frac{1}{2 n} \sum_{i, j:\, y_i > y_j} (x_i - x_j)

    with n the number of these pairs. In the hinge of an example only pairs of unlike true grades
    count, so a ranking loses (s_i - s_j) / n of its score for each such pair that it swaps.

    The task losses are

    - "pairwise": the share of swapped pairs. What violates the margin most is a set of pairs,
      those with s_i - s_j < 1, so the hinge is that of RankSVM: the mean of
      max(0, 1 - (s_i - s_j)). Any grades. O(m log m) for m documents;
    - "ndcg": 1 - NDCG of the first k. Grades >= 0. O(m log m) for two grades and all positions,
      otherwise an assignment of documents to positions, O(m^3);
    - "average_precision": 1 - AP. Grades 0 and 1. O(m log m);
    - "precision": by how much the precision of the first k is below what is possible. Grades 0 and
      1. O(k m);
    - "f1": the same of the F1 score of the first k, which weighs queries otherwise.

    All oracles are exact. Queries whose grades are all alike have no pairs and no hinge.

    Parameters
    ----------
    task_loss : str, default="pairwise"
    k : int, default=None
        How many positions count. None: all; for "precision" and "f1" as many as there are relevant
        documents, where precision, recall and F1 are one number.
    gain : {"exponential", "linear"}, default="exponential"
        What grade g is worth in NDCG: 2**g - 1, or g.
    normalize : bool, default=True
        Whether hinges are divided by n, so that queries count alike. Without, each is n times as
        large: for "pairwise" the sum over all pairs of all queries.

    Attributes
    ----------
    n_features_in_, n_weights : int

    Notes
    -----
    An answer of the oracle has a number for each document: how many stand below it; or for
    "pairwise", where answers need not be rankings, in how many pairs it is the better one, less
    those in which it is the worse.

    References
    ----------
    T. Joachims (2002). Optimizing search engines using clickthrough data. KDD.
    doi:10.1145/775047.775067
    T. Joachims (2005). A support vector method for multivariate performance measures. ICML.
    doi:10.1145/1102351.1102399
    Y. Yue, T. Finley, F. Radlinski, T. Joachims (2007). A support vector method for optimizing
    average precision. SIGIR. doi:10.1145/1277741.1277790
    S. Chakrabarti, R. Khanna, U. Sawant, C. Bhattacharyya (2008). Structured learning for
    non-smooth ranking losses. KDD. doi:10.1145/1401890.1401906
    P. Mohapatra, M. Rolinek, C. V. Jawahar, V. Kolmogorov, M. P. Kumar (2018). Efficient
    optimization for rank-based loss functions. CVPR. doi:10.1109/CVPR.2018.00389

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import RankingModel, StructSVM
    >>> X = [np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 0.0]])]
    >>> svm = StructSVM(RankingModel("average_precision"), C=10, random_state=0)
    >>> svm.fit(X, [[0, 1, 1], [1, 0]]).score(X, [[0, 1, 1], [1, 0]])
    1.0
    """

    def __init__(
        self,
        task_loss: str = "pairwise",
        *,
        k: int | None = None,
        gain: str = "exponential",
        normalize: bool = True,
    ) -> None:
        self.task_loss = task_loss
        self.k = k
        self.gain = gain
        self.normalize = normalize

    # ---- sizes

    def learn(self, X: PackedInputs, y: PackedLabels, classes: NDArray[Any] | None = None) -> None:
        """Learn the number of features."""
        self.resize(**X.sizes)

    def resize(self, n_features: int) -> None:
        """Set the number of features.

        Parameters
        ----------
        n_features : int
        """
        self._check_parameters()
        if not n_features:
            raise ValueError("X has no features: there is nothing to rank by")
        self.n_features_in_ = n_features
        self.layout_ = Layout([("coef", (n_features,))])
        self.n_weights = n_features

    def to_state(self) -> State:
        """The number of features."""
        return {"n_features": self.n_features_in_}

    def from_state(self, state: State) -> Self:
        self.resize(state["n_features"])
        return self

    @property
    def _is_sized(self) -> bool:
        return "n_features_in_" in vars(self)

    def _oddity(self) -> str | None:
        return None

    def _check_parameters(self) -> None:
        if self.task_loss not in MEASURES:
            names = ", ".join(repr(name) for name in MEASURES)
            raise ValueError(f"unknown loss {self.task_loss!r}: expected one of {names}")
        if self.gain not in GAINS:
            raise ValueError(f"gain={self.gain!r}: expected one of 'exponential', 'linear'")
        if self.k is not None:
            check_scalar("k", self.k, above=0, integer=True)
            if self.task_loss == "average_precision":
                raise ValueError(f"k={self.k}: average precision counts all positions; leave k out")

    # ---- examples and problem

    def input_sizes(self) -> dict[str, int]:
        return {"n_features": self.n_features_in_}

    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> PackedInputs:
        queries = read_queries(X, **(sizes or {}))
        return PackedInputs(queries, queries.offsets, {"n_features": queries.n_features})

    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> PackedLabels:
        """A grade for each document of each query."""
        self._check_parameters()
        items = as_items("y", y)
        if X is not None and len(items) != len(X):
            raise ValueError(f"X has {len(X)} queries but y has {len(items)}")
        lengths = [None] * len(items) if X is None else np.diff(X.offsets).tolist()
        rows = [
            check_grades(f"y[{i}]", row, n)
            for i, (row, n) in enumerate(zip(items, lengths, strict=True))
        ]
        offsets = np.append(0, np.cumsum([len(row) for row in rows], dtype=np.int64))
        return PackedLabels(np.concatenate([np.zeros(0), *rows]), offsets)

    def _check_relevance(self, y: PackedLabels) -> None:
        """Raise ValueError, naming the query, for grades that the loss is not for."""
        try:
            check_relevance(self.task_loss, y.labels, self.gain)
        except ValueError:
            for i in range(len(y)):
                check_relevance(self.task_loss, y[i], self.gain, f"y[{i}]")

    def learn_scaling(
        self, X: PackedInputs, y: PackedLabels, *, scale: bool = True
    ) -> dict[str, ColumnScaling]:
        """As with an intercept, which no ranking needs: columns are not moved, but divided by what
        they would be if they were."""
        (group,) = self.feature_groups(X, y)
        columns = learn_columns(group.chunks, group.n_columns, center=True, scale=scale)
        return {group.block: dataclasses.replace(columns, center=np.zeros(group.n_columns))}

    def feature_groups(self, X: PackedInputs, y: PackedLabels) -> list[FeatureGroup]:
        weight = y.sample_weight
        of_rows = None if weight is None else np.repeat(weight, y.lengths)
        chunks = row_chunks(X.items.rows, of_rows)
        return [FeatureGroup("coef", chunks, X.sizes["n_features"], None)]

    def scaled(self, X: PackedInputs, scaling: Mapping[str, ColumnScaling]) -> PackedInputs:
        if all(columns.is_identity for columns in scaling.values()):
            return X
        rows = scaling["coef"].apply(X.items.rows)
        return PackedInputs(QueryRows(rows, X.offsets), X.offsets, X.sizes)

    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> RankingProblem:
        rows = FeatureRows(X.items.rows, intercept=False)
        features = BlockFeatures(
            self.n_weights, {"document": RowBlock(rows, 0, 1, offsets=X.offsets)}
        )
        levels = gains = None
        if y is not None:
            self._check_relevance(y)
            levels = _levels(y)
            if self.task_loss == "ndcg":
                linear = self.gain == "linear"
                gains = np.array(y.labels) if linear else np.exp2(y.labels) - 1.0
        sizes = np.diff(X.offsets)
        work = 2 * rows.n_values / _LANES + _SORTING * float(sizes.sum())
        if self.task_loss == "ndcg":
            work += float((sizes.astype(np.float64) ** 3).sum()) / _LANES
        return RankingProblem(
            features,
            X.offsets,
            levels,
            gains,
            loss=self.task_loss,
            k=None if self.k is None else int(self.k),
            normalize=self.normalize,
            oracle_work=max(work / max(len(X), 1), 1.0),
        )

    def write_outputs(self, X: PackedInputs, answers: NDArray[Any]) -> list[Any]:
        """A number for each document of each query, the greatest for the first."""
        return np.split(answers, X.offsets[1:-1]) if len(X) else []

    def scores(self, X: Any, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """<w, x> of each row of a matrix.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_documents, n_features)
        w : ndarray of shape (n_weights,)

        Returns
        -------
        scores : ndarray of shape (n_documents,)
        """
        scores: NDArray[np.float64] = FeatureRows(X, intercept=False).scores(w[:, None])[:, 0]
        return scores

    # ---- one example, and measures

    def joint_feature(self, x: Any, y: Any) -> NDArray[np.float64]:
        """psi(x, y), of shape (n_weights,), for any y that orders the documents."""
        X, packed = self._read([x], [y])
        assert packed is not None
        values = np.sort(packed.labels)
        below = np.searchsorted(values, packed.labels, side="left")
        above = len(values) - np.searchsorted(values, packed.labels, side="right")
        n_pairs = max(below.sum(), 1) if self.normalize else 1
        psi: NDArray[np.float64] = X.items.rows.T @ ((below - above) / (2.0 * n_pairs))
        return psi

    def loss(self, y: Any, y_hat: Any) -> float:
        """The task loss of ranking by y_hat where y has the grades."""
        truth, guess = (self.read_outputs([output], None) for output in (y, y_hat))
        self._check_relevance(truth)
        best, reached = (
            self._measured(self.task_loss, truth, answer.labels) for answer in (truth, guess)
        )
        loss = float(np.nan_to_num(best - reached)[0])
        n_pairs = 1 if self.normalize else _n_pairs(_levels(truth))
        return max(loss, 0.0) * n_pairs

    def _measured(
        self, measure: str, y: PackedLabels, scores: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        numbers = query_numbers(y.offsets)
        return measure_queries(measure, y.labels, scores, numbers, len(y), self.k, self.gain)

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """The mean over queries of what the loss is made of; for "pairwise", of NDCG at k.

        Queries with nothing to tell apart are left out.
        """
        measure = "ndcg" if self.task_loss == "pairwise" else self.task_loss
        y, guess = self.read_outputs(Y, None), self.read_outputs(Y_hat, None)
        if not np.array_equal(y.offsets, guess.offsets):
            raise ValueError("Y and Y_hat must have as many documents in each query")
        for i in range(len(y)):
            check_relevance(measure, y[i], self.gain, f"y[{i}]")
        values = self._measured(measure, y, guess.labels)
        known = values[~np.isnan(values)]
        if not len(known):
            raise ValueError("no query has documents to tell apart: there is nothing to score")
        return float(known.mean())


def _levels(y: PackedLabels) -> NDArray[np.int32]:
    """The grades of each query, numbered from 0 for the lowest."""
    query = query_numbers(y.offsets)
    order = np.lexsort((y.labels, query))
    grades, query = y.labels[order], query[order]
    rises = np.append(True, grades[1:] != grades[:-1]) | np.append(True, query[1:] != query[:-1])
    numbers = np.cumsum(rises[: len(grades)])
    firsts = numbers[y.offsets[:-1][y.lengths > 0]]
    levels = np.empty(len(grades), dtype=np.int32)
    levels[order] = numbers - np.repeat(firsts, y.lengths[y.lengths > 0])
    return levels


def _n_pairs(levels: NDArray[np.int32]) -> int:
    """Pairs of unlike levels of one query."""
    counts = np.bincount(levels).astype(np.int64)
    return int(len(levels) ** 2 - (counts**2).sum()) // 2
