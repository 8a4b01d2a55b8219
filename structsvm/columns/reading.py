"""Reading column files: see `structsvm.columns` for the format."""

from __future__ import annotations

import abc
import contextlib
import gzip
import itertools
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator
from io import BufferedReader
from typing import Generic, NamedTuple, TypeVar

__all__ = [
    "ColumnError",
    "ColumnReader",
    "LineReader",
    "iter_columns",
    "line_of",
    "read_columns",
]

Sentence = list[tuple[str, ...]]

_BLANKS = re.compile(" +")
ENDS = re.compile("[\t\r\n]")
MARK = "\ufeff"
_GZIP_MAGIC = b"\x1f\x8b"
_BLOCK_BYTES = 1 << 16


class ColumnError(ValueError):
    """A line that does not fit, named by file and number."""


class Lines(NamedTuple):
    """A sentence as it stands in a file."""

    first: int  #: the number of its first line, from 1
    tokens: Sentence
    texts: list[str]  #: the lines themselves, without line ends


_S = TypeVar("_S")


class LineReader(abc.ABC, Generic[_S]):
    """Sentences from bytes as they come, line by line.

    Parameters
    ----------
    name : str
        What errors call the file.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._number = 0
        self._rest = b""  # the beginning of a line whose end has not come
        self._ended_by_cr = False

    def feed(self, block: bytes) -> list[_S]:
        """The sentences that end within these bytes.

        Parameters
        ----------
        block : bytes
            What comes next of the file; it may end anywhere.

        Returns
        -------
        sentences : list

        Raises
        ------
        ColumnError
            For a line that is no UTF-8, or does not fit.
        """
        if self._ended_by_cr and block:
            block = block.removeprefix(b"\n")
            self._ended_by_cr = False
        lines = block.splitlines(keepends=True)  # of bytes: at LF, CR LF and CR only
        if not lines:
            return []
        lines[0] = self._rest + lines[0]
        self._rest = b"" if lines[-1].endswith((b"\n", b"\r")) else lines.pop()
        self._ended_by_cr = block.endswith(b"\r")
        return [done for line in lines if (done := self._line(line)) is not None]

    def finish(self) -> list[_S]:
        """The sentence that is still open at the end of the file, if there is one."""
        last, self._rest = self._rest, b""
        ended = [self._line(last) if last else None, self._close()]
        return [done for done in ended if done is not None]

    def _line(self, line: bytes) -> _S | None:
        """The sentence that this line ends, if it ends one."""
        self._number += 1
        text = self._decoded(line)
        if not text.strip("\t "):
            return self._close()
        return self._add(text)

    @abc.abstractmethod
    def _add(self, text: str) -> _S | None:
        """Take a line that is not empty; the sentence that it ends, if it ends one."""

    @abc.abstractmethod
    def _close(self) -> _S | None:
        """The sentence that ends here, if there is one."""

    def _decoded(self, line: bytes) -> str:
        try:
            text = line.decode("utf-8").strip(" \r\n")
        except UnicodeDecodeError as error:
            raise ColumnError(
                f"{self.name}, line {self._number}: byte {line[error.start]:#04x} at place "
                f"{error.start} is no UTF-8; convert the file"
            ) from None
        return text.lstrip(" " + MARK) if text.startswith(MARK) else text


class ColumnReader(LineReader[Lines]):
    """Sentences of a column file from bytes as they come.

    An error is also raised for an empty column, and for another number of columns than the first
    line has.

    Parameters
    ----------
    name : str
        What errors call the file.
    least : int, default=1
        Smallest number of columns.
    """

    def __init__(self, name: str, least: int = 1) -> None:
        super().__init__(name)
        self.least = least
        self._expected: tuple[int, int] | None = None  # columns, and the line that has them
        self._open = Lines(1, [], [])

    def _add(self, text: str) -> None:
        columns = split_line(text)
        self._check(text, columns)
        if not self._open.tokens:
            self._open = Lines(self._number, [], [])
        self._open.tokens.append(columns)
        self._open.texts.append(text)

    def _close(self) -> Lines | None:
        done, self._open = self._open, Lines(1, [], [])
        return done if done.tokens else None

    def _check(self, text: str, columns: tuple[str, ...]) -> None:
        where, n_columns = f"{self.name}, line {self._number}", len(columns)
        if self._expected is None:
            if n_columns < self.least:
                raise ColumnError(
                    f"{where} has {n_columns} columns, expected {self.least} or more: "
                    f"{_shortened(text)}"
                )
            self._expected = n_columns, self._number
        expected, origin = self._expected
        if n_columns != expected:
            raise ColumnError(
                f"{where} has {n_columns} columns, expected {expected} as line {origin} has: "
                f"{_shortened(text)}"
            )
        if "" in columns:
            raise ColumnError(
                f"{where}: column {columns.index('') + 1} of {n_columns} is empty; write a sign "
                f"such as _ for nothing: {_shortened(text)}"
            )
        if MARK in text and any(column.startswith(MARK) for column in columns):
            raise ColumnError(
                f"{where}: a byte order mark (U+FEFF) begins a column; remove it: "
                f"{_shortened(text)}"
            )


def split_line(text: str) -> tuple[str, ...]:
    """The columns of a line."""
    if "\t" not in text:
        return tuple(_BLANKS.split(text))
    columns = text.split("\t")
    if " " in text:
        columns = [column.strip(" ") for column in columns]
    return tuple(columns)


def iter_columns(blocks: Iterable[bytes], name: str, *, least: int = 1) -> Iterator[Lines]:
    """The sentences in these bytes, such as an open binary file; see `ColumnReader`.

    Parameters
    ----------
    blocks : iterable of bytes
        Lines may go on from one to the next.
    name : str
        What errors call the file.
    least : int, default=1
        How many columns a line must have.
    """
    reader = ColumnReader(name, least)
    for block in blocks:
        yield from reader.feed(block)
    yield from reader.finish()


def _shortened(text: str, limit: int = 60) -> str:
    """A line for an error message."""
    return repr(text if len(text) <= limit else text[:limit] + "...")


def read_columns(
    path: str | os.PathLike[str],
) -> tuple[list[Sentence], list[list[str]]]:
    """The sentences of a column file, and the labels in its last column.

    Parameters
    ----------
    path : path-like
        A text file, or one compressed by gzip.

    Returns
    -------
    sentences : list of lists of tuples of str
        The other columns of each token.
    labels : list of lists of str

    Raises
    ------
    ColumnError
        Naming the line: no UTF-8, an empty column, fewer than two columns, or another number than
        the first line; or if the file holds no sentence.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from structsvm.columns import read_columns
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "train.txt"
    ...     _ = path.write_text("The DT B-NP\\ncat NN I-NP\\n\\nSleep VB B-VP\\n")
    ...     sentences, labels = read_columns(path)
    >>> sentences
    [[('The', 'DT'), ('cat', 'NN')], [('Sleep', 'VB')]]
    >>> labels
    [['B-NP', 'I-NP'], ['B-VP']]
    """
    sentences, labels = [], []
    known: dict[tuple[str, ...], tuple[str, ...]] = {}
    name = os.fspath(path)
    with open_binary(name) as file:
        blocks = iter(lambda: file.read(_BLOCK_BYTES), b"")
        for sentence in iter_columns(blocks, name, least=2):
            # Most tokens are there many times: each is kept once.
            tokens = [token[:-1] for token in sentence.tokens]
            sentences.append([known.setdefault(token, token) for token in tokens])
            labels.append([sys.intern(token[-1]) for token in sentence.tokens])
    if not sentences:
        raise ColumnError(f"{name} holds no sentence")
    return sentences, labels


def line_of(path: str | os.PathLike[str], i: int, t: int) -> int:
    """The line of a file that holds token `t` of sentence `i`; tokens and sentences from 0.

    Parameters
    ----------
    path : path-like
    i, t : int
        Numbers of the sentence, and of the token in it.
    """
    with open_binary(path) as file:
        sentences = iter_columns(file, os.fspath(path))
        return next(itertools.islice(sentences, i, None)).first + t


@contextlib.contextmanager
def open_binary(path: str | os.PathLike[str]) -> Iterator[BufferedReader | gzip.GzipFile]:
    """Open a file for reading; one compressed by gzip is unpacked.

    Parameters
    ----------
    path : path-like

    Raises
    ------
    ColumnError
        While it is read, if a gzip file is damaged.
    """
    name = os.fspath(path)
    try:
        # Opened once: a pipe cannot be read again.
        with open(name, "rb") as file:
            begin = file.peek(len(_GZIP_MAGIC))[: len(_GZIP_MAGIC)]
            if not begin and name.endswith(".gz"):
                raise EOFError("it is empty")
            if begin != _GZIP_MAGIC:
                yield file
            else:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    yield unpacked
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ColumnError(f"{name} is a damaged gzip file: {error}") from None
