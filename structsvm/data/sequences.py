"""Lists of examples as users pass them, and sequences of sparse rows packed into one matrix.

Zeros are not stored: kernels then have one layout for dense and sparse input, and a dense matrix of
pixels or indicator features shrinks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import real_array
from structsvm.data.packing import csr_of, pack_rows, stack_rows
from structsvm.data.sequence_files import map_arrays, write_arrays
from structsvm.data.sparse import (
    CHUNK,
    check_finite,
    check_sparse,
    damage_of,
    is_repeated,
    ones,
)
from structsvm.exceptions import ModelFileError

__all__ = [
    "PackedSequences",
    "as_items",
    "check_pairs",
    "is_pair",
    "no_sequence",
    "pack_label_weight",
    "pack_sequences",
]


def as_items(name: str, value: Any) -> Any:
    """The examples of `value` as a list; `PackedSequences` stay as they are."""
    if isinstance(value, PackedSequences):
        return value
    if type(value) is list:
        return list(value)
    if (wrong := no_sequence(value)) is not None:
        raise ValueError(f"{name} is a {wrong}; expected a list with one item for each example")
    return list(value)


def no_sequence(value: Any) -> str | None:
    """What `value` is instead of an ordered sequence of items, for an error; None if it is one."""
    kind = type(value).__name__
    if hasattr(value, "__dataframe__") or (hasattr(value, "columns") and hasattr(value, "shape")):
        return f"{kind}, which gives the names of its columns one by one (for rows: .to_numpy())"
    if isinstance(value, Set):
        return f"{kind}, which has no order"
    if isinstance(value, (str, bytes, Mapping)) or sp.issparse(value):
        return kind
    if not hasattr(value, "__len__") or (hasattr(value, "shape") and value.shape == ()):
        return kind
    return None


def check_pairs(X: Any, y: Any) -> tuple[Any, Any]:
    """X and y as lists (or packed) of the same length, at least one."""
    X, y = as_items("X", X), as_items("y", y)
    if len(X) != len(y):
        hint = ": a single output goes into a list of one" if len(X) == 1 else ""
        raise ValueError(f"X has {len(X)} examples but y has {len(y)}{hint}")
    if not len(X):
        raise ValueError("X and y are empty: expected at least one example")
    return X, y


class PackedSequences(Sequence[Any]):
    """Sequences one after the other: one CSR matrix over all positions, and where each begins.

    `ChainSVM` takes it like a list of CSR matrices, without the cost of splitting and joining them.
    Canonical float64 rows with int32 columns are used in place, also in a memory-mapped file: data
    may be larger than memory. Other matrices are copied and converted. The values of binary rows
    that the package makes itself are one number in memory, `rows.data` a read-only array of it.

    Do not change arrays that are used in place. Every use checks offsets and row starts again, and
    copies them. It checks each row as it reads it: a column out of range or a value that is not
    finite is an error. Any other change gives results for the new data. Two things cannot be
    caught: a mapped file that is cut short, for which the system ends the process (SIGBUS), and
    another process that writes into a row while it is read.

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
        self.rows = _canonical("rows", rows)
        self.edges = None if edges is None else _canonical("edges", edges)
        self.offsets: NDArray[np.int64] = places.astype(np.int64, copy=False)
        self._check_offsets()

    def _check_offsets(self) -> None:
        n_positions, ends = self.rows.shape[0], self.offsets[[0, -1]].tolist()
        if ends != [0, n_positions] or (self.offsets[1:] < self.offsets[:-1]).any():
            raise ValueError(
                f"offsets must rise from 0 to the {n_positions} rows; they go from {ends[0]} to "
                f"{ends[1]}" + (" and fall between" if ends[1] == n_positions else "")
            )
        if self.edges is not None and self.edges.shape[0] != n_positions:
            raise ValueError(
                f"edges has {self.edges.shape[0]} rows, expected {n_positions} as rows has"
            )

    def checked(self) -> PackedSequences:
        """These sequences for one use: offsets and row starts are checked again, and copied.

        Takes O(sequences + positions). Each row is checked when it is read.

        Raises
        ------
        ValueError
            If a change has left them inconsistent.
        """
        result = object.__new__(type(self))
        result.rows = _with_own_starts("rows", self.rows)
        result.edges = None if self.edges is None else _with_own_starts("edges", self.edges)
        offsets = self.offsets
        if not isinstance(offsets, np.ndarray) or offsets.dtype != np.int64 or offsets.ndim != 1:
            raise _changed("offsets", "expected an int64 array")
        result.offsets = np.array(offsets)
        try:
            result._check_offsets()
        except (ValueError, IndexError) as error:
            raise _changed("offsets", str(error)) from None
        return result

    def block(self, first: int, stop: int) -> tuple[sp.csr_array, sp.csr_array | None]:
        """Rows and edges of the sequences `first` to `stop`, with every entry checked.

        Parameters
        ----------
        first, stop : int
            0 <= first <= stop <= the number of sequences.

        Returns
        -------
        rows : csr_array of shape (n_positions, n_features)
        edges : csr_array of shape (n_positions, n_edge_features), or None

        Raises
        ------
        ValueError
            If a change has left the rows inconsistent.
        """
        start, end = self.offsets[first], self.offsets[stop]
        edges = None if self.edges is None else _checked_rows("edges", self.edges, start, end)
        return _checked_rows("rows", self.rows, start, end), edges

    @property
    def n_features(self) -> int:
        return int(self.rows.shape[1])

    @property
    def n_edge_features(self) -> int:
        return 0 if self.edges is None else int(self.edges.shape[1])

    @property
    def lengths(self) -> NDArray[np.int64]:
        return np.diff(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: Any) -> Any:
        """The rows of one sequence, or (rows, edges) if there are edges; of a slice, sequences."""
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                return [self[i] for i in range(start, stop, step)]
            stop = max(stop, start)
            first, last = self.offsets[start], self.offsets[stop]
            return PackedSequences(
                _cut(self.rows, first, last),
                self.offsets[start : stop + 1] - first,
                None if self.edges is None else _cut(self.edges, first, last),
            )
        i = range(len(self))[index]
        rows, edges = self.block(i, i + 1)
        return rows if edges is None else (rows, edges)

    def take(self, chosen: Sequence[int]) -> PackedSequences:
        """The chosen sequences, with their rows copied.

        Parameters
        ----------
        chosen : sequence of int
            Numbers of sequences, in any order.

        Returns
        -------
        sequences : PackedSequences
        """
        here = self.checked()
        rows = np.concatenate(
            [np.zeros(0, np.int64)]
            + [np.arange(here.offsets[i], here.offsets[i + 1]) for i in chosen]
        )
        offsets = np.concatenate([[0], np.cumsum(here.lengths[np.asarray(chosen, np.int64)])])
        for name, matrix in (("rows", here.rows), ("edges", here.edges)):
            if matrix is not None and (wrong := damage_of(matrix)) is not None:
                raise _changed(name, wrong)
        edges = None if here.edges is None else here.edges[rows]
        return PackedSequences(here.rows[rows], offsets, edges)

    def place(self, position: int) -> tuple[int, int]:
        """The sequence that a position is in, and its place there.

        Parameters
        ----------
        position : int
            The number of a row.

        Returns
        -------
        sequence, place : int
        """
        i = int(np.searchsorted(self.offsets, position, side="right")) - 1
        return i, int(position - self.offsets[i])

    @staticmethod
    def write(folder: str | os.PathLike[str], pieces: Iterable[Any]) -> None:
        """Write sequences to a folder, in the memory that one piece of them takes.

        Parameters
        ----------
        folder : path-like
            Made if it is not there. Sequences that were written there before are replaced when all
            pieces are written; after an error they are as they were.
        pieces : iterable of PackedSequences, or of lists of arrays or CSR matrices
            Sequences in their order, such as ``map(features.transform, batches)`` of a generator.
            A piece may be empty.

        Raises
        ------
        ValueError
            Naming the piece, if the pieces differ in their features; or if there are none.
        FileExistsError
            If the folder holds anything else.
        BlockingIOError
            If sequences are being written to the folder already.

        Notes
        -----
        The folder has a file of little-endian numbers for each array (columns, starts of rows,
        offsets, and values unless all are 1), and ``index.json`` with their sizes and checksums,
        which is written last. Until then the disk holds old and new files.

        Examples
        --------
        >>> import tempfile
        >>> from structsvm import PackedSequences
        >>> pieces = ([[[1.0, 0.0], [float(k), 1.0]]] for k in range(3))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     PackedSequences.write(folder, pieces)
        ...     packed = PackedSequences.open(folder)
        ...     packed[2].toarray()
        array([[1., 0.],
               [2., 1.]])
        """
        packed = map(pack_sequences, pieces)
        write_arrays(folder, ((piece.rows, piece.offsets, piece.edges) for piece in packed))

    @staticmethod
    def open(folder: str | os.PathLike[str], *, check: bool = True) -> PackedSequences:
        """The sequences that `write` has written; their rows are mapped, not read into memory.

        Parameters
        ----------
        folder : path-like
        check : bool, default=True
            Whether to compare the checksums of all files, which reads them once. Sizes are always
            compared.

        Raises
        ------
        ModelFileError
            Naming the file, if one is missing, cut short, damaged or of another version.
        """
        rows, offsets, edges = map_arrays(folder, check=check)
        try:
            return PackedSequences(
                csr_of(*rows), offsets, None if edges is None else csr_of(*edges)
            )
        except ValueError as error:
            name = os.fsdecode(folder)
            raise ModelFileError(f"{name} holds no sound sequences: {error}") from None

    def __reduce__(self) -> tuple[Any, ...]:
        # The arrays alone, not what scipy caches: equal sequences pickle, and hash, alike.
        edges = None if self.edges is None else _arrays(self.edges)
        return _rebuilt, (_arrays(self.rows), self.offsets, edges)

    def __repr__(self) -> str:
        edges = f", {self.n_edge_features} edge features" if self.edges is not None else ""
        return (
            f"<PackedSequences: {len(self)} sequences, {self.rows.shape[0]} positions, "
            f"{self.n_features} features{edges}>"
        )


def _canonical(name: str, matrix: Any) -> sp.csr_array:
    """The matrix as canonical float64 CSR with int32 columns; the matrix itself if it is that."""
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
    values = matrix.data.astype(np.float64, copy=False)
    if not is_repeated(values):
        values = np.ascontiguousarray(values)
    arrays = (values, np.ascontiguousarray(matrix.indices, dtype=np.int32), matrix.indptr)
    result = csr_of(arrays, matrix.shape)
    if not _is_canonical(result):
        result = result.copy()
        result.sum_duplicates()
    if (entry := check_finite(result.data)) is not None:
        row = int(np.searchsorted(result.indptr, entry, side="right")) - 1
        raise ValueError(
            f"{name}[{row}, {result.indices[entry]}] is {result.data[entry]}; features must be "
            "finite"
        )
    return result


def _is_canonical(matrix: sp.csr_array) -> bool:
    """Whether columns rise in each row; scipy would copy columns that are shorter than starts."""
    n_rows = matrix.shape[0]
    step = max(CHUNK // max(len(matrix.indices) // max(n_rows, 1), 1), 1)
    for first in range(0, n_rows, step):
        starts = matrix.indptr[first : first + step + 1]
        columns = matrix.indices[starts[0] : starts[-1]]
        rises = columns[1:] > columns[:-1]
        borders = starts[(starts > starts[0]) & (starts < starts[-1])] - starts[0]
        rises[borders - 1] = True
        if not rises.all():
            return False
    return True


def _changed(name: str, what: str) -> ValueError:
    return ValueError(
        f"PackedSequences.{name} was changed after it was made: {what}. Make a new "
        "PackedSequences of the new data"
    )


def _with_own_starts(name: str, matrix: sp.csr_array) -> sp.csr_array:
    """The matrix with row starts of its own, if compiled code can follow them."""
    if not sp.issparse(matrix) or matrix.format != "csr":
        raise _changed(name, "expected a CSR matrix")
    for kind, dtype in (("data", np.float64), ("indices", np.int32)):
        array = getattr(matrix, kind)
        sound = array.dtype == dtype and array.ndim == 1
        if not sound or not (array.flags.c_contiguous or is_repeated(array)):
            raise _changed(name, f"{kind} must be a contiguous {np.dtype(dtype)} array")
    starts = np.array(matrix.indptr)
    if starts.dtype.kind != "i" or not _are_starts(starts, matrix):
        raise _changed(name, "indptr points out of the matrix, or indices and data differ in size")
    result = object.__new__(type(matrix))
    vars(result).update(vars(matrix), indptr=starts)  # copy.copy takes ten times as long
    return result


def _checked_rows(name: str, matrix: sp.csr_array, first: int, last: int) -> sp.csr_array:
    """Rows `first` to `last` of the matrix, with every entry checked."""
    rows = _cut(matrix, first, last)
    if (wrong := damage_of(rows)) is not None:
        raise _changed(name, wrong)
    if check_finite(rows.data) is not None:
        raise _changed(name, "a value is not finite")
    return rows


def _cut(matrix: sp.csr_array, first: int, last: int) -> sp.csr_array:
    """Rows `first` to `last` as views; scipy would follow wrong row starts unchecked."""
    starts = matrix.indptr[first : last + 1]
    if not 0 <= first <= last == first + len(starts) - 1:
        raise _changed("offsets", f"rows {first} to {last} are not there")
    here = slice(starts[0], starts[-1])
    arrays = (matrix.data[here], matrix.indices[here], starts - starts[0])
    return csr_of(arrays, (last - first, matrix.shape[1]))


def _arrays(matrix: sp.csr_array) -> tuple[Any, ...]:
    values = None if is_repeated(matrix.data) else matrix.data
    return (values, matrix.indices, matrix.indptr), matrix.shape


def _of_arrays(arrays: tuple[Any, ...], shape: tuple[int, int]) -> sp.csr_array:
    values, columns, starts = arrays
    return csr_of((ones(len(columns)) if values is None else values, columns, starts), shape)


def _rebuilt(rows: Any, offsets: NDArray[np.int64], edges: Any) -> PackedSequences:
    edges = None if edges is None else _of_arrays(*edges)
    return PackedSequences(_of_arrays(*rows), offsets, edges)


def _are_starts(indptr: NDArray[Any], matrix: Any) -> bool:
    """Whether these are row starts that fit the shape, indices and values of the matrix."""
    return bool(
        len(indptr) == matrix.shape[0] + 1
        and indptr[0] == 0
        and (indptr[1:] >= indptr[:-1]).all()
        and indptr[-1] <= len(matrix.indices) == len(matrix.data)
    )


def pack_sequences(
    X: Any, n_features: int | None = None, n_edge_features: int | None = None
) -> PackedSequences:
    """Pack a list of (length, n_features) arrays or CSR matrices, or pairs of them with edges.

    Parameters
    ----------
    X : PackedSequences, or list of 2-D arrays of a real dtype or of scipy CSR matrices
        A sequence without positions may have any number of features. A tuple of two is a sequence
        and its edge features.
    n_features, n_edge_features : int, default=None
        What each item must have; None: what the first item with positions has.

    Raises
    ------
    ValueError
        Naming the item: not 2-D, not real, of another width, sparse but not CSR, NaN or inf.
    """
    if isinstance(X, PackedSequences):
        packed = X.checked()
        for kind, found, expected in (
            ("", packed.n_features, n_features),
            ("edge ", packed.n_edge_features, n_edge_features),
        ):
            if expected is not None and found != expected and packed.rows.shape[0]:
                raise ValueError(f"X has {found} {kind}features, expected {expected}")
        return packed
    items = as_items("X", X)
    paired = [i for i, item in enumerate(items) if is_pair(item)]
    if not paired:
        rows, offsets = pack_rows(items, "X[{}]", n_features)
        if n_edge_features and rows.shape[0]:
            raise ValueError(
                f"the items of X are single arrays, expected pairs (features, edge features) with "
                f"{n_edge_features} edge features"
            )
        # Without positions, no features are as good as all.
        edges = stack_rows([], 0, n_edge_features) if n_edge_features else None
        return _of_checked(rows, offsets, edges)
    if len(paired) < len(items):
        i = next(i for i in range(len(items)) if i not in paired)
        raise ValueError(
            f"X[{paired[0]}] is a pair (features, edge features) but X[{i}] is not: all items must "
            "be of one kind"
        )
    rows, offsets = pack_rows([item[0] for item in items], "X[{}][0]", n_features)
    edges, edge_offsets = pack_rows([item[1] for item in items], "X[{}][1]", n_edge_features)
    if (wrong := np.flatnonzero(np.diff(offsets) != np.diff(edge_offsets))).size:
        i = int(wrong[0])
        raise ValueError(
            f"X[{i}] has {items[i][1].shape[0]} rows of edge features for {items[i][0].shape[0]} "
            "positions; expected one for each (the first is not used)"
        )
    return _of_checked(rows, offsets, edges)


def _of_checked(
    rows: sp.csr_array, offsets: NDArray[np.int64], edges: sp.csr_array | None
) -> PackedSequences:
    """Sequences of matrices that `pack_rows` has made and checked."""
    packed = object.__new__(PackedSequences)
    packed.rows, packed.offsets, packed.edges = rows, offsets, edges
    return packed


def is_pair(item: Any) -> bool:
    """Whether this is a sequence and its edge features, rather than a sequence of two rows."""
    return (
        isinstance(item, tuple)
        and len(item) == 2
        and all(getattr(matrix, "ndim", 0) == 2 for matrix in item)
    )


def pack_label_weight(
    position_weight: Any, lengths: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """One weight for each position, all sequences one after the other; or None."""
    if position_weight is None:
        return None
    rows = as_items("position_weight", position_weight)
    if len(rows) != len(lengths):
        raise ValueError(f"position_weight has {len(rows)} items for {len(lengths)} sequences")
    arrays = []
    for i, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        array = real_array(f"position_weight[{i}]", row)
        if array.shape != (length,):
            raise ValueError(
                f"position_weight[{i}] has shape {array.shape}, expected ({length},) as y[{i}] has"
            )
        wrong = ~np.isfinite(array) | (array < 0)
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"position_weight[{i}][{k}] is {array[k]}, expected a finite number >= 0"
            )
        arrays.append(array)
    return np.concatenate(arrays) if arrays else np.zeros(0)
