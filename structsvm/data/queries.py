"""Documents of queries: rows of features in one matrix, and where each query begins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from structsvm.data.checks import real_array
from structsvm.data.rows import check_rows
from structsvm.data.sequences import as_items

__all__ = ["QueryRows", "check_grades", "check_groups", "query_numbers", "read_queries"]


class QueryRows(Sequence[Any]):
    """The rows of several queries, one query after the other.

    Parameters
    ----------
    rows : ndarray or CSR matrix of shape (n_documents, n_features)
        As `check_rows` returns them.
    offsets : int64 ndarray of shape (n_queries + 1,)
        Query i has the rows offsets[i] to offsets[i + 1].
    """

    def __init__(self, rows: Any, offsets: NDArray[np.int64]) -> None:
        self.rows = rows
        self.offsets = offsets

    @property
    def n_features(self) -> int:
        return int(self.rows.shape[1])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        """The rows of one query; of a slice, a list of them."""
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        i = range(len(self))[index]
        return self.rows[self.offsets[i] : self.offsets[i + 1]]

    def take(self, chosen: Sequence[int]) -> QueryRows:
        """Some of the queries, with their rows copied."""
        lengths = np.diff(self.offsets)[np.asarray(chosen, dtype=np.int64)]
        pieces = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in chosen]
        rows = np.concatenate([np.zeros(0, dtype=np.int64), *pieces])
        return QueryRows(self.rows[rows], np.append(0, np.cumsum(lengths)))


def read_queries(X: Any, n_features: int | None = None) -> QueryRows:
    """Check a list with the rows of each query, and put them into one matrix.

    Parameters
    ----------
    X : QueryRows, or list of arrays or CSR matrices of shape (n_documents, n_features)
        Sparse if any of them is. A query without documents may have any number of features.
    n_features : int, default=None
        What each query must have; None: what the first one with documents has.

    Raises
    ------
    ValueError
        Naming the query.
    """
    if isinstance(X, QueryRows):
        rows = check_rows(X.rows, n_features)
        return X if rows is X.rows else QueryRows(rows, X.offsets)
    pieces = []
    for i, item in enumerate(as_items("X", X)):
        try:
            piece = check_rows(item)
            if not piece.shape[0]:
                pieces.append(piece)
                continue
            if n_features is None:
                n_features = piece.shape[1]
            pieces.append(check_rows(piece, n_features))
        except ValueError as error:
            raise ValueError(f"in query {i}: {error}") from None
    if n_features is None:
        raise ValueError("X has no documents: there is nothing to learn from")
    offsets = np.append(0, np.cumsum([piece.shape[0] for piece in pieces], dtype=np.int64))
    filled = [piece for piece in pieces if piece.shape[0]]
    if not filled:
        return QueryRows(np.zeros((0, n_features)), offsets)
    if any(sp.issparse(piece) for piece in filled):
        stacked = sp.vstack([sp.csr_matrix(piece) for piece in filled], format="csr")
    else:
        stacked = np.concatenate(filled)
    return QueryRows(check_rows(stacked), offsets)


def check_grades(name: str, y: Any, n: int | None = None) -> NDArray[np.float64]:
    """One finite number for each document."""
    grades = real_array(name, y)
    if grades.ndim != 1:
        raise ValueError(
            f"{name} has {grades.ndim} dimensions, expected 1: a grade for each document"
        )
    if n is not None and len(grades) != n:
        raise ValueError(f"{name} has {len(grades)} grades, expected {n}: one for each document")
    if not (finite := np.isfinite(grades)).all():
        raise ValueError(f"{name}[{int(np.argmin(finite))}] is not finite")
    return grades


def check_groups(groups: Any, n: int) -> NDArray[np.int64]:
    """The number of each document's query, from 0 on, by sorted names; one query for None."""
    if groups is None:
        return np.zeros(n, dtype=np.int64)
    names = np.asarray(groups)
    if names.ndim != 1 or len(names) != n:
        raise ValueError(
            f"groups has shape {names.shape}, expected ({n},): the query of each document. Of "
            "sizes of queries, np.repeat(np.arange(len(sizes)), sizes) makes it"
        )
    if names.dtype.kind == "f" and not np.isfinite(names).all():
        raise ValueError(f"groups[{int(np.argmin(np.isfinite(names)))}] is not finite")
    try:
        numbers: NDArray[np.int64] = np.unique(names, return_inverse=True)[1].reshape(n)
    except TypeError as error:
        raise ValueError(f"groups cannot be sorted: {error}") from None
    return numbers


def query_numbers(offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """The number of each document's query."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
