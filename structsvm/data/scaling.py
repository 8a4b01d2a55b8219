"""Columns of features brought to one scale, which training works with.

Hinges are regularised by one norm over all weights, so the scale of a column decides what its
weight costs. What is done here makes that the same whatever units the columns come in: data times
1e-3 train to the same predictions, dense and sparse forms of the same values too.

A column is *dense* if more than half of its values are not 0, unless these are all one value. A
dense column is divided by its standard deviation, and centred where there is an intercept to make
up for it. All other columns (words, counts, indicators) keep zero as zero, and their scale to each
other, which may mean something, such as that of tf-idf: they share one divisor, the median of their
root mean squares over what is not 0. Only those further than a factor of 10 from it have their own.
So indicators of 0 and 1 stay as they are, to the bit.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from structsvm.data.sparse import is_repeated

__all__ = ["Chunks", "ColumnScaling", "FeatureGroup", "learn_columns", "row_chunks"]

#: Matrices with a weight for each row, or None; called anew for every pass.
Chunks = Callable[[], Iterable[tuple[Any, NDArray[np.float64] | None]]]


class FeatureGroup(NamedTuple):
    """Columns of features that are scaled together, and the weights they meet."""

    block: str  #: of the layout: the weights of these columns
    chunks: Chunks
    n_columns: int
    intercept: str | None  #: the block that makes up for centred columns, if there is one


_ALIKE = 10.0  # within this factor of the median, sparse columns share their divisor
_ROUNDING = 1e-9  # a deviation of this share of the mean is none
_AT_ONCE = 1 << 20  # entries of a dense chunk
_COUNTED = 1 << 18  # columns that are counted together


@dataclasses.dataclass(frozen=True)
class ColumnScaling:
    """What each column is scaled by: ``(x - center) / scale``.

    Attributes
    ----------
    center, scale : float64 ndarray of shape (n_columns,)
    mean_square : float
        Mean squared norm of the scaled rows.
    """

    center: NDArray[np.float64]
    scale: NDArray[np.float64]
    mean_square: float = 0.0

    @property
    def is_identity(self) -> bool:
        return not self.center.any() and bool((self.scale == 1).all())

    def apply(self, matrix: Any) -> Any:
        """The scaled matrix, of the same kind and dtype; the matrix itself if nothing changes."""
        if self.is_identity:
            return matrix
        if sp.issparse(matrix):
            return self._applied_to_sparse(matrix)
        result = np.empty(matrix.shape, dtype=matrix.dtype)
        for rows in _slices(len(matrix), matrix[:1].size):
            result[rows] = (matrix[rows] - self.center) / self.scale
        return result

    def _applied_to_sparse(self, matrix: Any) -> Any:
        n_rows = matrix.shape[0]
        step = max(_AT_ONCE // max(matrix.nnz // max(n_rows, 1), 1), 1)
        if step >= n_rows:
            return self._applied_at_once(matrix)
        # Rows do not depend on each other, and several times their memory is needed meanwhile.
        n_centred = int(np.count_nonzero(self.center))
        kept = matrix.nnz if n_centred < matrix.shape[1] else 0
        room = kept + n_rows * n_centred
        values, columns = np.empty(room, dtype=matrix.dtype), np.empty(room, dtype=np.int32)
        starts, end = np.zeros(n_rows + 1, dtype=np.int64), 0
        for first in range(0, n_rows, step):
            stop = min(first + step, n_rows)
            bounds = matrix.indptr[first : stop + 1]
            here = slice(bounds[0], bounds[-1])
            some = type(matrix)((stop - first, matrix.shape[1]), dtype=matrix.dtype)
            some.data, some.indices = matrix.data[here], matrix.indices[here]
            some.indptr = bounds - bounds[0]
            some = self._applied_at_once(some)
            values[end : end + some.nnz] = some.data
            columns[end : end + some.nnz] = some.indices
            starts[first + 1 : stop + 1] = end + some.indptr[1:]
            end += some.nnz
        values.resize(end, refcheck=False)
        columns.resize(end, refcheck=False)
        result = type(matrix)(matrix.shape, dtype=matrix.dtype)
        result.data, result.indices = values, columns
        result.indptr = starts.astype(matrix.indptr.dtype) if end < 2**31 else starts
        return result

    def _applied_at_once(self, matrix: Any) -> Any:
        values = matrix.data / self.scale[matrix.indices]
        centred = np.flatnonzero(self.center)
        if not len(centred):
            return _like(matrix, values.astype(matrix.dtype, copy=False), matrix.indices)
        kept = self.center[matrix.indices] == 0
        rest = _selected(matrix, values, kept)
        # More than half of these columns is not 0: they may as well be stored as a whole.
        n_rows, shift = matrix.shape[0], self.center[centred]
        block = np.tile(-shift / self.scale[centred], (n_rows, 1))
        places = np.zeros(matrix.shape[1], dtype=np.intp)
        places[centred] = np.arange(len(centred))
        rows, columns = np.repeat(np.arange(n_rows), np.diff(matrix.indptr)), matrix.indices
        moved = (matrix.data - self.center[columns]) / self.scale[columns]
        block[rows[~kept], places[columns[~kept]]] = moved[~kept]
        starts = np.arange(n_rows + 1) * len(centred)
        entries = (block.ravel(), np.tile(centred, n_rows), starts)
        full = sp.csr_array(entries, shape=matrix.shape)
        result = type(matrix)(rest + full, dtype=matrix.dtype)
        result.sort_indices()
        return result

    def convert(
        self,
        weights: NDArray[np.float64],
        intercept: NDArray[np.float64] | None,
        *,
        back: bool = False,
    ) -> None:
        """Change weights of scaled columns, of shape (n_columns, ...), and the intercept, of shape
        (...), to those that score the columns themselves alike; or `back` from these to those.

        Raises
        ------
        ValueError
            If a weight overflows.
        """
        scale = self.scale.reshape(-1, *[1] * (weights.ndim - 1))
        with np.errstate(over="ignore", invalid="ignore"):
            if not back:
                weights /= scale
            if intercept is not None:
                for j in np.flatnonzero(self.center):
                    shift = self.center[j] * weights[j]
                    intercept += shift if back else -shift
            if back:
                weights *= scale
        if not (np.isfinite(weights).all() and (intercept is None or np.isfinite(intercept).all())):
            raise ValueError(
                f"features of size {scale.min():.3g} to {scale.max():.3g} need weights that "
                "overflow: scale the features"
            )


def learn_columns(
    chunks: Chunks, n_columns: int, *, center: bool, scale: bool = True, _divided: bool = False
) -> ColumnScaling:
    """How the columns of all chunks are scaled, by the rule above.

    Parameters
    ----------
    chunks : callable
        Gives pairs (matrix, weights of its rows) every time it is called: dense matrices and CSR,
        without entries stored twice. None stands for weights of 1. A weight of 2 counts as two
        rows, rows of weight 0 count as none.
    n_columns : int
    center : bool
        Whether there is an intercept.
    scale : bool, default=True
        False: columns stay as they are, and only `mean_square` is learnt.

    Notes
    -----
    Two passes over the data. Columns whose squares overflow or vanish beside others are left alone.
    """
    zeros, ones = np.zeros(n_columns), np.ones(n_columns)
    if not scale:
        return ColumnScaling(zeros, ones, _mean_square(chunks))
    total, count, sums, squares, single = _moments(chunks, n_columns)
    if not total:
        return ColumnScaling(zeros, ones, 0.0)
    with np.errstate(over="ignore", invalid="ignore"):
        size = np.sqrt(squares / np.where(count > 0, count, 1.0))
        # About the mean, squares add up to no more than four times as much as about zero.
        usable = (size > 0) & np.isfinite(4 * squares) & np.isfinite(sums)
    if not usable.any() and count.any() and not _divided:
        factor = _greatest(chunks)
        moderate = learn_columns(
            functools.partial(_quotients, chunks, factor), n_columns, center=center, _divided=True
        )
        filled = count > 0
        divisors = np.where(filled, moderate.scale * factor, 1.0)
        return ColumnScaling(moderate.center * factor, divisors, moderate.mean_square)
    constant = single & (count >= total)
    dense = usable & (count > total / 2) & (~single | (constant & center))
    mean, divisor = zeros, ones
    rest = usable & ~dense
    if center:
        mean[dense] = sums[dense] / total
        spread = np.sqrt(_squares_about(chunks, mean, dense) / total)
        flat = dense & (spread <= _ROUNDING * np.abs(mean))
        divisor[dense] = np.where(flat, np.abs(mean), spread)[dense]
        mean_squares = np.where(flat, 0.0, 1.0) * dense
    else:
        divisor[dense] = size[dense]
        mean_squares = np.zeros(n_columns)
    if rest.any():
        common = _weighted_median(size[rest], count[rest])
        ratio = size[rest] / common
        alike = (ratio <= _ALIKE) & (ratio >= 1 / _ALIKE)
        divisor[rest] = np.where(alike, common, size[rest])
    others = usable & ~(dense & center)
    with np.errstate(over="ignore"):
        mean_squares[others] = (squares[others] / divisor[others] ** 2) / total
    return ColumnScaling(mean, divisor, float(mean_squares.sum()))


def row_chunks(matrix: Any, weights: NDArray[np.float64] | None) -> Chunks:
    """The chunks of one matrix."""

    def chunks() -> Iterator[tuple[Any, NDArray[np.float64] | None]]:
        if sp.issparse(matrix):
            yield matrix, weights
            return
        for rows in _slices(len(matrix), matrix[:1].size):
            yield matrix[rows], None if weights is None else weights[rows]

    return chunks


def _greatest(chunks: Chunks) -> float:
    """The greatest absolute value."""
    return max(
        float(np.abs(matrix.data if sp.issparse(matrix) else matrix).max(initial=0.0))
        for matrix, _ in chunks()
    )


def _quotients(chunks: Chunks, divisor: float) -> Iterator[tuple[Any, NDArray[np.float64] | None]]:
    """The chunks, divided."""
    for matrix, weights in chunks():
        yield matrix / divisor, weights


def _mean_square(chunks: Chunks) -> float:
    """The weighted mean of the squared norms of rows; 0 without weight."""
    total = square = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for matrix, weights in chunks():
            total += matrix.shape[0] if weights is None else float(np.sum(weights))
            if sp.issparse(matrix):
                _, values, factor = _entries(matrix, weights)
                squares = values * values
            else:
                if weights is not None:
                    matrix, weights = matrix[weights > 0], weights[weights > 0]
                values = matrix.astype(np.float64, copy=False)
                squares, factor = (values * values).sum(axis=1), weights
            square += float((squares if factor is None else factor * squares).sum())
    return square / total if total else 0.0


def _moments(
    chunks: Chunks, n: int
) -> tuple[float, NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.bool_]]:
    """Total weight; of each column the weight, sum and sum of squares of what is not 0, and whether
    that is one value."""
    total = 0.0
    count, sums, squares, first = np.zeros((4, n))
    single = np.ones(n, dtype=bool)
    with np.errstate(over="ignore", invalid="ignore"):
        for matrix, weights in chunks():
            total += matrix.shape[0] if weights is None else float(np.sum(weights))
            if weights is None and sp.issparse(matrix) and is_repeated(matrix.data):
                # Ones: the general case gives the same bits.
                columns, number = matrix.indices[: matrix.indptr[-1]], np.zeros(n, dtype=np.int64)
                for start in range(0, len(columns), _COUNTED):  # a copy twice as large is made
                    number += np.bincount(columns[start : start + _COUNTED], minlength=n)
                for total_of in (count, sums, squares):
                    total_of += number
                single &= (first == 1) | (first == 0) | (number == 0)
                first[(first == 0) & (number > 0)] = 1.0
                continue
            if sp.issparse(matrix):
                columns, values, factor = _entries(matrix, weights)
                count += np.bincount(columns, factor, n)
                products = values if factor is None else factor * values
                sums += np.bincount(columns, products, n)
                squares += np.bincount(columns, products * values, n)
                if single.any():
                    fresh = np.zeros(n)
                    fresh[columns[::-1]] = values[::-1]  # the first of each column stays
                    first = np.where(first == 0, fresh, first)
                    single &= np.bincount(columns, values != first[columns], n) == 0
                continue
            if weights is not None:
                matrix, weights = matrix[weights > 0], weights[weights > 0, None]
            filled = matrix != 0
            values = matrix.astype(np.float64, copy=False)
            products = values if weights is None else weights * values
            count += (filled if weights is None else weights * filled).sum(axis=0)
            sums += products.sum(axis=0)
            squares += (products * values).sum(axis=0)
            if len(matrix) and (unknown := np.flatnonzero(single)).size:
                here, there = values[:, unknown], filled[:, unknown]
                places = there.argmax(axis=0), np.arange(len(unknown))
                first[unknown] = np.where(first[unknown] == 0, here[places], first[unknown])
                single[unknown] = ~(there & (here != first[unknown])).any(axis=0)
    return total, count, sums, squares, single


def _squares_about(
    chunks: Chunks, mean: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """The weighted sum of squared distances from the mean, of the chosen columns."""
    n, places = len(mean), np.flatnonzero(chosen)
    result = np.zeros(n)
    if not len(places):
        return result
    for matrix, weights in chunks():
        total = matrix.shape[0] if weights is None else float(np.sum(weights))
        if sp.issparse(matrix):
            columns, values, factor = _entries(matrix, weights)
            # Squares of columns that were not chosen may overflow.
            squares = np.where(chosen[columns], values - mean[columns], 0.0) ** 2
            result += np.bincount(columns, squares if factor is None else factor * squares, n)
            stored = np.bincount(columns, factor, n)
            result += np.maximum(total - stored, 0.0) * mean**2
        else:
            squares = (matrix[:, places].astype(np.float64, copy=False) - mean[places]) ** 2
            result[places] += (squares if weights is None else weights[:, None] * squares).sum(0)
    return np.where(chosen, result, 0.0)


def _entries(
    matrix: Any, weights: NDArray[np.float64] | None
) -> tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64] | None]:
    """Columns, values and weights of the entries that are not 0."""
    stop = matrix.indptr[-1]
    columns, values = matrix.indices[:stop], matrix.data[:stop].astype(np.float64, copy=False)
    factor = None if weights is None else np.repeat(weights, np.diff(matrix.indptr))
    kept = values != 0
    if factor is not None:
        kept &= factor > 0
    if not kept.all():
        columns, values = columns[kept], values[kept]
        factor = None if factor is None else factor[kept]
    return columns, values, factor


def _weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The least value that has half of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])


def _selected(matrix: Any, values: NDArray[np.float64], kept: NDArray[np.bool_]) -> sp.csr_array:
    """These values of the entries of a matrix, those not kept left out."""
    starts = np.concatenate([[0], np.cumsum(kept)])[matrix.indptr]
    return sp.csr_array((values[kept], matrix.indices[kept], starts), shape=matrix.shape)


def _like(matrix: Any, values: NDArray[np.floating], columns: NDArray[np.int32]) -> Any:
    """A matrix with other values at the same places."""
    result = type(matrix)(matrix.shape, dtype=values.dtype)
    result.data, result.indices, result.indptr = values, columns, matrix.indptr
    return result


def _slices(n_rows: int, row_size: int) -> Iterator[slice]:
    step = max(_AT_ONCE // max(row_size, 1), 1)
    for start in range(0, n_rows, step):
        yield slice(start, min(start + step, n_rows))
