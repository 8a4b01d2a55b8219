r"""How good rankings are: means over queries.

scikit-learn's ``ndcg_score`` and ``average_precision_score`` measure one ranking at a time; these
take all documents at once and `groups`, the query of each. ``None`` is one query. Where scores tie,
a measure is the mean over all orders of the tied documents; average precision in scikit-learn has
one threshold for all of them instead.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_scalar
from structsvm.data.queries import check_grades, check_groups

__all__ = [
    "GAINS",
    "MEASURES",
    "check_relevance",
    "mean_average_precision",
    "mean_f1_at_k",
    "mean_ndcg",
    "mean_pair_accuracy",
    "mean_precision_at_k",
    "measure_queries",
]

#: What a grade g is worth: 2**g - 1, or g.
GAINS = ("exponential", "linear")

#: Measures of `measure_queries`.
MEASURES = ("pairwise", "ndcg", "average_precision", "precision", "f1")

_HIGHEST = 50  # 2**g of higher grades leaves nothing of lower ones


class _Ranked(NamedTuple):
    """Documents by query and falling score."""

    order: NDArray[np.int64]
    query: NDArray[np.int64]  #: of each document in this order
    place: NDArray[np.int64]  #: in its query, from 0
    starts: NDArray[np.int64]  #: of groups of documents with one score

    def averaged(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values of positions as means over tied documents."""
        sizes = np.diff(np.append(self.starts, len(values)))
        return np.repeat(np.add.reduceat(values, self.starts) / sizes, sizes)


def _ranked(scores: NDArray[np.float64], query: NDArray[np.int64]) -> _Ranked:
    order = np.lexsort((-scores, query))
    query, scores = query[order], scores[order]
    first = np.append(True, query[1:] != query[:-1])
    begins = np.flatnonzero(first)
    place = np.arange(len(order)) - np.repeat(begins, np.diff(np.append(begins, len(order))))
    starts = np.flatnonzero(first | np.append(True, scores[1:] != scores[:-1]))
    return _Ranked(order, query, place, starts)


def check_relevance(
    measure: str, grades: NDArray[np.float64], gain: str = "exponential", name: str = "y"
) -> None:
    """Raise ValueError unless the measure is defined for these grades."""
    if gain not in GAINS:
        raise ValueError(f"gain={gain!r}: expected one of 'exponential', 'linear'")
    if measure == "pairwise":
        return
    if measure == "ndcg":
        most = _HIGHEST if gain == "exponential" else np.inf
        wrong = (grades < 0) | (grades > most)
        expected = f"0 to {_HIGHEST} with gain='exponential'" if most < np.inf else ">= 0"
    else:
        wrong = (grades != 0) & (grades != 1)
        expected = f"0 or 1 for {measure!r}: say which grades are relevant, as in y >= 2"
    if wrong.any():
        i = int(np.argmax(wrong))
        raise ValueError(f"{name}[{i}] is the grade {grades[i]:g}, expected {expected}")


def measure_queries(
    measure: str,
    grades: NDArray[np.float64],
    scores: NDArray[np.float64],
    query: NDArray[np.int64],
    n_queries: int,
    k: int | None = None,
    gain: str = "exponential",
) -> NDArray[np.float64]:
    """The measure of each query, of shape (n_queries,); NaN where there is nothing to tell apart:
    no relevant document, or for "pairwise" no two grades."""
    if not len(grades):
        return np.full(n_queries, np.nan)
    if measure == "pairwise":
        right, n_pairs = _pairs(grades, scores, query, n_queries)
        return _divided(right, n_pairs)
    ranked = _ranked(scores, query)
    relevance = grades[ranked.order]
    relevant = _sums(query, (grades != 0).astype(np.float64), n_queries)
    if measure == "ndcg":
        ideal = _ranked(grades, query)
        return _divided(
            _dcg(ranked, relevance, n_queries, k, gain),
            _dcg(ideal, grades[ideal.order], n_queries, k, gain),
        )
    if measure == "average_precision":
        return _divided(_sums(ranked.query, _precisions(ranked, relevance), n_queries), relevant)
    length = relevant if k is None else np.full(n_queries, float(k))
    among = (ranked.place < length[ranked.query]).astype(np.float64)
    hits = _sums(ranked.query, relevance * ranked.averaged(among), n_queries)
    if measure == "f1":
        hits, length = 2.0 * hits, length + relevant
    return _divided(hits, np.where(relevant > 0, length, 0.0))


def _sums(
    query: NDArray[np.int64], values: NDArray[np.float64], n_queries: int
) -> NDArray[np.float64]:
    return np.bincount(query, values, n_queries).astype(np.float64)


def _divided(values: NDArray[Any], by: NDArray[Any]) -> NDArray[np.float64]:
    quotients = np.full(len(values), np.nan)
    np.divide(values, by, out=quotients, where=by > 0)
    return quotients


def _dcg(
    ranked: _Ranked, relevance: NDArray[np.float64], n_queries: int, k: int | None, gain: str
) -> NDArray[np.float64]:
    discount = 1.0 / np.log2(ranked.place + 2.0)
    if k is not None:
        discount[ranked.place >= k] = 0.0
    worth = np.exp2(relevance) - 1.0 if gain == "exponential" else relevance
    return _sums(ranked.query, worth * ranked.averaged(discount), n_queries)


def _precisions(ranked: _Ranked, relevance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The precision at each position times the chance of a relevant document there, in the mean
    over all orders of tied documents."""
    sizes = np.diff(np.append(ranked.starts, len(relevance)))
    hits = np.add.reduceat(relevance, ranked.starts)
    sums = np.append(0.0, np.cumsum(relevance))
    firsts = ranked.starts - ranked.place[ranked.starts]  # of the query
    before = np.repeat(sums[ranked.starts] - sums[firsts], sizes)
    place = ranked.place - np.repeat(ranked.place[ranked.starts], sizes)  # among those that tie
    others = np.repeat((hits - 1.0) / np.maximum(sizes - 1.0, 1.0), sizes)
    chance = np.repeat(hits / sizes, sizes)
    return chance * (before + 1.0 + place * others) / (ranked.place + 1.0)


def _pairs(
    grades: NDArray[np.float64],
    scores: NDArray[np.float64],
    query: NDArray[np.int64],
    n_queries: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of each query the pairs of unlike grades that scores put right, those that tie for a half,
    and all of them."""
    right, n_pairs = np.zeros((2, n_queries))
    order = np.argsort(query, kind="stable")
    ends = np.searchsorted(query[order], np.arange(n_queries + 1))
    for i in range(n_queries):
        here = order[ends[i] : ends[i + 1]]
        of, level = scores[here], grades[here]
        for grade in np.unique(level)[1:]:
            better, worse = of[level == grade], np.sort(of[level < grade])
            below = np.searchsorted(worse, better, side="left").sum()
            right[i] += (below + np.searchsorted(worse, better, side="right").sum()) / 2
            n_pairs[i] += len(better) * len(worse)
    return right, n_pairs


def _mean(
    measure: str,
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: ArrayLike | None,
    k: int | None = None,
    gain: str = "exponential",
) -> float:
    grades = check_grades("y_true", y_true)
    scores = check_grades("y_score", y_score, len(grades))
    check_relevance(measure, grades, gain, "y_true")
    if k is not None:
        check_scalar("k", k, above=0, integer=True)
    query = check_groups(groups, len(grades))
    values = measure_queries(
        measure, grades, scores, query, int(query.max(initial=-1)) + 1, k, gain
    )
    known = values[~np.isnan(values)]
    if not len(known):
        raise ValueError("no query has documents to tell apart: there is nothing to measure")
    return float(known.mean())


def mean_ndcg(
    y_true: ArrayLike,
    y_score: ArrayLike,
    groups: ArrayLike | None = None,
    *,
    k: int | None = None,
    gain: str = "exponential",
) -> float:
    r"""Normalised discounted cumulative gain, in the mean over queries.

    .. math:: \mathrm{NDCG} = \frac{\sum_{p \le k} \mathrm{gain}(y_p) / \log_2(1 + p)}
        {\text{the same of the best ranking}}

    with y_p the grade at position p. Queries in which every gain is 0 are left out.

    Parameters
    ----------
    y_true : array-like of shape (n_documents,)
        Grades, from 0 for what is not relevant.
    y_score : array-like of shape (n_documents,)
        What documents are ranked by, the greatest first.
    groups : array-like of shape (n_documents,), default=None
        The query of each document; None is one query.
    k : int, default=None
        How many positions count; None is all.
    gain : {"exponential", "linear"}, default="exponential"
        What grade g is worth: 2**g - 1, or g (as in scikit-learn).

    Returns
    -------
    ndcg : float

    Raises
    ------
    ValueError
        If shapes or grades do not fit, or all queries would be left out.

    References
    ----------
    K. Jarvelin, J. Kekalainen (2002). Cumulated gain-based evaluation of IR techniques. ACM
    Transactions on Information Systems 20. doi:10.1145/582415.582418

    Examples
    --------
    >>> from structsvm.metrics import mean_ndcg
    >>> mean_ndcg([2, 0, 1, 0, 1], [3.0, 2.0, 1.0, 0.5, 2.5], groups=[0, 0, 0, 1, 1], k=1)
    1.0
    """
    return _mean("ndcg", y_true, y_score, groups, k, gain)


def mean_average_precision(
    y_true: ArrayLike, y_score: ArrayLike, groups: ArrayLike | None = None
) -> float:
    """Average precision, in the mean over queries that have a relevant document.

    Where scores tie, the mean over all orders of the tied documents (McSherry, Najork 2008).

    Parameters
    ----------
    y_true : array-like of shape (n_documents,)
        1 for relevant documents, 0 for others.
    y_score, groups
        See `mean_ndcg`.

    Returns
    -------
    average_precision : float

    References
    ----------
    F. McSherry, M. Najork (2008). Computing information retrieval performance measures efficiently
    in the presence of tied scores. ECIR. doi:10.1007/978-3-540-78646-7_38

    Examples
    --------
    >>> from structsvm.metrics import mean_average_precision
    >>> mean_average_precision([1, 0, 0, 1], [2.0, 1.0, 2.0, 1.0], groups=[0, 0, 1, 1])
    0.75
    """
    return _mean("average_precision", y_true, y_score, groups)


def mean_precision_at_k(
    y_true: ArrayLike, y_score: ArrayLike, groups: ArrayLike | None = None, *, k: int | None = None
) -> float:
    """Share of relevant documents among the first k, in the mean over queries that have one.

    Parameters
    ----------
    y_true, y_score, groups
        See `mean_average_precision`.
    k : int, default=None
        None is the number of relevant documents of the query.

    Returns
    -------
    precision : float

    Examples
    --------
    >>> from structsvm.metrics import mean_precision_at_k
    >>> mean_precision_at_k([1, 0, 1, 0], [4.0, 3.0, 2.0, 1.0], k=3)
    0.6666666666666666
    """
    return _mean("precision", y_true, y_score, groups, k)


def mean_f1_at_k(
    y_true: ArrayLike, y_score: ArrayLike, groups: ArrayLike | None = None, *, k: int | None = None
) -> float:
    """F1, the harmonic mean of precision and recall of the first k documents; as
    `mean_precision_at_k`.

    Parameters
    ----------
    y_true, y_score, groups, k
        See `mean_precision_at_k`.

    Returns
    -------
    f1 : float

    Examples
    --------
    >>> from structsvm.metrics import mean_f1_at_k
    >>> mean_f1_at_k([1, 0, 1, 0], [4.0, 3.0, 2.0, 1.0], k=3)
    0.8
    """
    return _mean("f1", y_true, y_score, groups, k)


def mean_pair_accuracy(
    y_true: ArrayLike, y_score: ArrayLike, groups: ArrayLike | None = None
) -> float:
    """Share of the pairs of unlike grades that stand in the right order, ties counting a half; in
    the mean over queries that have such pairs. For grades 0 and 1 it is the area under the ROC
    curve.

    Parameters
    ----------
    y_true : array-like of shape (n_documents,)
        Grades, of any sign.
    y_score, groups
        See `mean_ndcg`.

    Returns
    -------
    accuracy : float

    Examples
    --------
    >>> from structsvm.metrics import mean_pair_accuracy
    >>> mean_pair_accuracy([2, 0, 1], [3.0, 2.0, 1.0])
    0.6666666666666666
    """
    return _mean("pairwise", y_true, y_score, groups)
