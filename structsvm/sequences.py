"""Sequences of sparse rows in one piece: what compiled chains work on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from structsvm.sparse_validation import check_sparse

__all__ = ["PackedSequences", "check_finite"]

# Entries that are looked at together: bounds what a check allocates beside data on disk.
_CHUNK = 1 << 20


class PackedSequences(Sequence[Any]):
    """Sequences one after the other: one CSR matrix over all positions, and where each begins.

    The same to `ChainSVM` as a list of CSR matrices, without the cost of taking them apart and
    putting them together. Canonical float64 rows with int32 columns are used where they are, also
    in a memory-mapped file: data may be larger than memory. Others are converted, in a copy.

    Parameters
    ----------
    rows : CSR matrix or array of shape (n_positions, n_features)
        Features of each position.
    offsets : array-like of int of shape (n_sequences + 1,)
        Sequence i has the positions offsets[i] to offsets[i + 1].
    edges : CSR matrix or array of shape (n_positions, n_edge_features), default=None
        Features of each position together with the one before it. The row of a sequence's first
        position has no meaning.

    Attributes
    ----------
    rows, edges : csr_array
    offsets : int64 ndarray

    Raises
    ------
    ValueError
        If the offsets do not cover the rows in order, a matrix is damaged, is no CSR, or has an
        entry that is not finite.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> from structsvm import PackedSequences
    >>> packed = PackedSequences(sp.csr_array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]), [0, 2, 3])
    >>> len(packed), packed[1].toarray()
    (2, array([[1., 1.]]))
    """

    def __init__(self, rows: Any, offsets: ArrayLike, edges: Any = None) -> None:
        places = np.asarray(offsets)
        if places.ndim != 1 or not len(places) or places.dtype.kind not in "iu":
            raise ValueError(
                f"offsets has dtype {places.dtype} and shape {places.shape}; expected integers of "
                "shape (n_sequences + 1,)"
            )
        self.offsets: NDArray[np.int64] = places.astype(np.int64, copy=False)
        self.rows = _canonical("rows", rows)
        self.edges = None if edges is None else _canonical("edges", edges)
        n_positions = self.rows.shape[0]
        if places[0] != 0 or places[-1] != n_positions or (np.diff(self.offsets) < 0).any():
            raise ValueError(
                f"offsets must rise from 0 to the {n_positions} rows; they go from {places[0]} to "
                f"{places[-1]}" + (" and fall between" if places[-1] == n_positions else "")
            )
        if self.edges is not None and self.edges.shape[0] != n_positions:
            raise ValueError(
                f"edges has {self.edges.shape[0]} rows, expected {n_positions} as rows has"
            )

    @property
    def n_features(self) -> int:
        return int(self.rows.shape[1])

    @property
    def n_edge_features(self) -> int:
        return 0 if self.edges is None else int(self.edges.shape[1])

    @cached_property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        """One sequence as its CSR rows, with `edges` a pair of both; of a slice, the sequences."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                return [self[i] for i in range(start, stop, step)]
            stop = max(stop, start)
            first, last = self.offsets[start], self.offsets[stop]
            return PackedSequences(
                self.rows[first:last],
                self.offsets[start : stop + 1] - first,
                None if self.edges is None else self.edges[first:last],
            )
        i = range(len(self))[index]
        here = slice(self.offsets[i], self.offsets[i + 1])
        return self.rows[here] if self.edges is None else (self.rows[here], self.edges[here])

    def place(self, position: int) -> tuple[int, int]:
        """The sequence that a position is in, and its place there."""
        i = int(np.searchsorted(self.offsets, position, side="right")) - 1
        return i, int(position - self.offsets[i])

    def __reduce__(self) -> tuple[Any, ...]:
        # The arrays alone: equal sequences pickle, and hash, alike, whatever was asked of them.
        edges = None if self.edges is None else _parts(self.edges)
        return _rebuilt, (_parts(self.rows), self.offsets, edges)

    def __repr__(self) -> str:
        edges = f", {self.n_edge_features} edge features" if self.edges is not None else ""
        return (
            f"<PackedSequences: {len(self)} sequences, {self.rows.shape[0]} positions, "
            f"{self.n_features} features{edges}>"
        )


def _canonical(name: str, matrix: Any) -> sp.csr_array:
    """The matrix as canonical float64 CSR with int32 columns; itself where it is that already."""
    if not sp.issparse(matrix) or matrix.format != "csr":
        kind = f"{matrix.format.upper()} matrix" if sp.issparse(matrix) else type(matrix).__name__
        raise ValueError(f"{name} is a {kind}, expected a scipy CSR matrix")
    if matrix.dtype.kind not in "fiub":
        raise ValueError(f"{name} has dtype {matrix.dtype}, expected real numbers")
    if matrix.ndim != 2:
        raise ValueError(f"{name} has shape {matrix.shape}, expected (n_positions, n_features)")
    if matrix.shape[1] >= 2**31:
        raise ValueError(f"{name} has {matrix.shape[1]} columns; at most 2**31 - 1 can be indexed")
    check_sparse(name, matrix)
    parts = (
        matrix.data.astype(np.float64, copy=False),
        matrix.indices.astype(np.int32, copy=False),
        matrix.indptr,
    )
    result = _csr(parts, matrix.shape)
    if not result.has_canonical_format:
        result = result.copy()
        result.sum_duplicates()
    if (entry := check_finite(result.data)) is not None:
        row = int(np.searchsorted(result.indptr, entry, side="right")) - 1
        raise ValueError(
            f"{name}[{row}, {result.indices[entry]}] is {result.data[entry]}; features must be "
            "finite"
        )
    return result


def _csr(parts: tuple[NDArray[Any], ...], shape: tuple[int, int]) -> sp.csr_array:
    """CSR of these very arrays; scipy's constructor would widen the columns with the row starts."""
    result = sp.csr_array(shape, dtype=np.float64)
    result.data, result.indices, result.indptr = parts
    return result


def _parts(matrix: sp.csr_array) -> tuple[Any, ...]:
    return (matrix.data, matrix.indices, matrix.indptr), matrix.shape


def _rebuilt(rows: Any, offsets: NDArray[np.int64], edges: Any) -> PackedSequences:
    return PackedSequences(_csr(*rows), offsets, None if edges is None else _csr(*edges))


def check_finite(values: NDArray[np.floating]) -> int | None:
    """The place of the first NaN or inf, if there is one."""
    for start in range(0, len(values), _CHUNK):
        finite = np.isfinite(values[start : start + _CHUNK])
        if not finite.all():
            return start + int(np.argmin(finite))
    return None
