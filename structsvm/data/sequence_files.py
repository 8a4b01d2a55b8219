"""Packed sequences in a folder of files, written in pieces and mapped into memory.

The names of the files of one writing end in a token of its own, which the index tells: the index
replaces the one before, and so all files at once, or nothing changes.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.data.files import is_unfinished, locks, replacing
from structsvm.data.sparse import is_repeated, ones
from structsvm.exceptions import ModelFileError

__all__ = ["MappedArrays", "map_arrays", "write_arrays"]

_FORMAT, _VERSION, _INDEX = "structsvm sequences", 1, "index.json"
# Bytes that are read or written at a time.
_BLOCK = 1 << 20


class MappedArrays(NamedTuple):
    """Values, columns and starts of rows of a matrix in a file, and its shape."""

    arrays: tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
    shape: tuple[int, int]


class _Kind(NamedTuple):
    dtype: str
    needed: bool


# Numbers of one kind after the other, little-endian, without a header: the index tells how many.
_KINDS = {
    "columns": _Kind("<i4", True),
    "row_starts": _Kind("<i8", True),
    "values": _Kind("<f8", False),
    "offsets": _Kind("<i8", True),
}
_EDGE_KINDS = {f"edge_{name}": kind for name, kind in _KINDS.items() if name != "offsets"}
_FILES = _KINDS | _EDGE_KINDS
_TOKEN = re.compile("[0-9a-f]{8}")
_OWN = re.compile(rf"({'|'.join(_FILES)})-({_TOKEN.pattern})\.bin")


def _file(folder: Path, name: str, token: str) -> Path:
    return folder / f"{name}-{token}.bin"


class _Column:
    """A file that grows, and its checksum."""

    def __init__(self, folder: Path, name: str, token: str) -> None:
        self.dtype = np.dtype(_FILES[name].dtype)
        self.n, self.crc = 0, 0
        # Closed by `close`.
        self._file: BinaryIO = open(_file(folder, name, token), "xb")  # noqa: SIM115

    def add(self, values: NDArray[Any]) -> None:
        step = _BLOCK // self.dtype.itemsize
        for start in range(0, len(values), step):
            block = np.ascontiguousarray(values[start : start + step], dtype=self.dtype).tobytes()
            self._file.write(block)
            self.crc = zlib.crc32(block, self.crc)
        self.n += len(values)

    def close(self) -> dict[str, int]:
        if not self._file.closed:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        return {"n": self.n, "crc32": self.crc}

    def abandon(self) -> None:
        with contextlib.suppress(OSError):  # what it still held finds no room either
            self._file.close()


class _Matrix:
    """The files of one CSR matrix; values are written from the first one that is not 1 on."""

    def __init__(self, folder: Path, prefix: str, token: str) -> None:
        self.folder, self.prefix, self.token = folder, prefix, token
        self.columns = _Column(folder, f"{prefix}columns", token)
        self.starts = _Column(folder, f"{prefix}row_starts", token)
        self.values: _Column | None = None
        self.starts.add(np.zeros(1, dtype=np.int64))

    def add(self, matrix: Any) -> None:
        first, last = int(matrix.indptr[0]), int(matrix.indptr[-1])
        values = matrix.data[first:last]
        if self.values is None and not is_repeated(values) and (values != 1.0).any():
            self.values = _Column(self.folder, f"{self.prefix}values", self.token)
            for start in range(0, self.columns.n, _BLOCK):
                self.values.add(ones(min(_BLOCK, self.columns.n - start)))
        if self.values is not None:
            self.values.add(values)
        self.starts.add(matrix.indptr[1:].astype(np.int64) + (self.columns.n - first))
        self.columns.add(matrix.indices[first:last])

    def close(self) -> dict[str, dict[str, int]]:
        held = {"columns": self.columns, "row_starts": self.starts}
        if self.values is not None:
            held["values"] = self.values
        return {f"{self.prefix}{name}": column.close() for name, column in held.items()}

    def abandon(self) -> None:
        for column in (self.columns, self.starts, self.values):
            if column is not None:
                column.abandon()


def write_arrays(
    folder: str | os.PathLike[str], pieces: Iterable[tuple[Any, NDArray[np.int64], Any]]
) -> None:
    """Write rows, offsets and edges (or None) of pieces; see `PackedSequences.write`."""
    place = Path(folder)
    is_new = not place.exists()
    place.mkdir(parents=True, exist_ok=True)
    strangers = [name for name in os.listdir(place) if not _is_own(name)]
    if strangers:
        raise FileExistsError(
            f"{place} holds {min(strangers)!r}, which is none of packed sequences: give an empty "
            "folder"
        )
    with _alone_in(place):
        before = _present_token(place)
        _remove_files(place, but=before)  # of a process that was killed
        token = secrets.token_hex(4)
        try:
            index = _write_files(place, token, pieces)
            with replacing(place / _INDEX) as file:
                file.write(json.dumps(index, indent=1).encode())
        except BaseException:
            # Ctrl-C may come when the new index is already there.
            kept = before if _present_token(place) != token else token
            _remove_files(place, but=kept)
            if is_new:
                with contextlib.suppress(OSError):
                    place.rmdir()
            raise
        _remove_files(place, but=token)


@contextlib.contextmanager
def _alone_in(place: Path) -> Iterator[None]:
    """Hold a lock of a folder, where the system has locks: another writing would remove files."""
    if locks is None:
        yield
        return
    handle = os.open(place, os.O_RDONLY)
    try:
        try:
            locks.flock(handle, locks.LOCK_EX | locks.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(
                f"sequences are being written to {place} by another process or thread: wait for it "
                "or give another folder"
            ) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


def _present_token(place: Path) -> str | None:
    """The token that the index tells; None without a sound index."""
    try:
        return str(_read_index(place)["token"])
    except ModelFileError:
        return None


def _write_files(
    place: Path, token: str, pieces: Iterable[tuple[Any, NDArray[np.int64], Any]]
) -> dict[str, Any]:
    """Write all files but the index, which is returned."""
    rows, edges, widths = _Matrix(place, "", token), None, None
    offsets = _Column(place, "offsets", token)
    opened: list[Any] = [rows, offsets]
    try:
        offsets.add(np.zeros(1, dtype=np.int64))
        for k, (rows_here, places, edges_here) in enumerate(pieces):
            found = rows_here.shape[1], None if edges_here is None else edges_here.shape[1]
            if widths is None or offsets.n == 1:
                widths = found
            if len(places) == 1:
                continue  # an empty list has no width
            if found != widths:
                raise ValueError(
                    f"piece {k} has {found[0]} features and {found[1] or 'no'} edge features, "
                    f"expected {widths[0]} and {widths[1] or 'none'} as the pieces before it have"
                )
            offsets.add(places[1:] + (rows.starts.n - 1))
            rows.add(rows_here)
            if edges_here is not None:
                if edges is None:
                    edges = _Matrix(place, "edge_", token)
                    opened.append(edges)
                edges.add(edges_here)
        if widths is None:
            raise ValueError("there are no pieces: nothing to write")
        if widths[1] is not None and edges is None:  # there are no sequences
            edges = _Matrix(place, "edge_", token)
            opened.append(edges)
        closed = [column.close() for column in opened]
    except BaseException:
        for column in opened:
            column.abandon()
        raise
    return {
        "format": _FORMAT,
        "version": _VERSION,
        "token": token,
        "n_features": widths[0],
        "n_edge_features": widths[1],
        "files": {"offsets": closed[1]} | closed[0] | (closed[2] if edges is not None else {}),
    }


def _is_own(name: str) -> bool:
    return name == _INDEX or _OWN.fullmatch(name) is not None or is_unfinished(name, _INDEX)


def _remove_files(place: Path, *, but: str | None) -> None:
    """Remove the files of all writings but one, and what is left of unfinished ones."""
    for name in os.listdir(place):
        own = _OWN.fullmatch(name)
        if (own is not None and own[2] != but) or is_unfinished(name, _INDEX):
            (place / name).unlink(missing_ok=True)


def map_arrays(
    folder: str | os.PathLike[str], *, check: bool
) -> tuple[MappedArrays, NDArray[np.int64], MappedArrays | None]:
    """Rows, offsets and edges of a folder; see `PackedSequences.open`. That they fit together has
    yet to be checked."""
    place = Path(folder)
    index = _read_index(place)
    files = index["files"]
    held = {
        name: _mapped(_file(place, name, index["token"]), _FILES[name], files[name], check=check)
        for name in files
    }
    offsets = np.array(held["offsets"])
    rows = _matrix(place, held, "", index["n_features"])
    edges = None
    if index["n_edge_features"] is not None:
        edges = _matrix(place, held, "edge_", index["n_edge_features"])
    return rows, offsets, edges


def _read_index(place: Path) -> dict[str, Any]:
    path = place / _INDEX
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelFileError(
            f"{place} has no {_INDEX}: it holds no packed sequences, or writing them did not end"
        ) from None
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{path} is damaged: {error}") from None
    try:
        index = json.loads(text)
        if index["format"] != _FORMAT:
            raise ModelFileError(f"{path} is of another format, {index['format']!r}")
        if index["version"] != _VERSION:
            raise ModelFileError(
                f"{path} is of version {index['version']!r}, this package reads {_VERSION}"
            )
        sizes = [index["n_features"], index["n_edge_features"]]
        files = index["files"]
        numbers = [files[name][key] for name in files for key in ("n", "crc32")]
        needed = [name for name, kind in _KINDS.items() if kind.needed]
        if sizes[1] is not None:
            needed += [name for name, kind in _EDGE_KINDS.items() if kind.needed]
        else:
            sizes.pop()
        sound = (
            _TOKEN.fullmatch(index["token"]) is not None
            and set(needed) <= set(files) <= set(_FILES)
            and all(type(n) is int and 0 <= n < 2**62 for n in (*sizes, *numbers))
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise ModelFileError(f"{path} is damaged: {type(error).__name__}: {error}") from None
    if not sound:
        raise ModelFileError(f"{path} is damaged: it does not tell the files and their sizes")
    return dict(index)


def _mapped(path: Path, kind: _Kind, told: dict[str, int], *, check: bool) -> NDArray[Any]:
    dtype = np.dtype(kind.dtype)
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        raise ModelFileError(f"{path} is missing") from None
    if size != told["n"] * dtype.itemsize:
        raise ModelFileError(
            f"{path} has {size} bytes, expected {told['n'] * dtype.itemsize}: it was cut short or "
            "changed"
        )
    if check and _crc_of(path) != told["crc32"]:
        raise ModelFileError(f"{path} is damaged: its checksum is not the one in {_INDEX}")
    if not told["n"]:
        return np.zeros(0, dtype=dtype)
    return np.memmap(path, dtype=dtype, mode="r")


def _crc_of(path: Path) -> int:
    crc = 0
    with open(path, "rb") as file:
        while block := file.read(_BLOCK):
            crc = zlib.crc32(block, crc)
    return crc


def _matrix(place: Path, held: dict[str, NDArray[Any]], prefix: str, width: int) -> MappedArrays:
    columns, starts = held[f"{prefix}columns"], np.array(held[f"{prefix}row_starts"])
    values = held.get(f"{prefix}values")
    if values is None:
        values = ones(len(columns))
    if not len(starts):
        raise ModelFileError(f"{place} has an empty file of {prefix}row_starts")
    return MappedArrays((values, columns, starts), (len(starts) - 1, width))
