"""Column files: a token a line, its columns between tabs or spaces, an empty line after a sentence.

The format of the CoNLL tasks, of CRF++ and of most annotated corpora. UTF-8, with or without a byte
order mark, with any line ends, as text or compressed by gzip.
"""

from __future__ import annotations

import gzip
import os
import re
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any, NamedTuple

__all__ = [
    "ColumnError",
    "ColumnReader",
    "format_sentence",
    "iter_columns",
    "read_columns",
    "write_columns",
]

Sentence = list[tuple[str, ...]]

_BLANKS = re.compile("[ \t]+")
_GZIP_MAGIC = b"\x1f\x8b"


class ColumnError(ValueError):
    """A line that does not fit, named by file and number."""


class Lines(NamedTuple):
    """A sentence as it stands in a file."""

    first: int  #: the number of its first line, from 1
    tokens: Sentence
    texts: list[str]  #: the lines themselves, without line ends


class ColumnReader:
    """Sentences from lines as they come.

    A line with a tab is split at tabs, another at runs of spaces.

    Parameters
    ----------
    name : str
        What errors call the file.
    least : int, default=1
        Columns there must be.
    """

    def __init__(self, name: str, least: int = 1) -> None:
        self.name = name
        self.least = least
        self._number = 0
        self._expected: tuple[int, int] | None = None  # columns, and the line that has them
        self._open = Lines(1, [], [])

    def feed(self, line: bytes) -> Lines | None:
        """The sentence that this line ends, if it ends one.

        Raises
        ------
        ColumnError
            If the line is no UTF-8, or has another number of columns than the first one.
        """
        self._number += 1
        text = self._decoded(line)
        if not text.strip("\t "):
            return self.finish()
        columns = tuple(text.split("\t")) if "\t" in text else tuple(_BLANKS.split(text))
        self._check(text, len(columns))
        if not self._open.tokens:
            self._open = Lines(self._number, [], [])
        self._open.tokens.append(columns)
        self._open.texts.append(text)
        return None

    def finish(self) -> Lines | None:
        """The sentence that the end of the lines ends, if there is one."""
        done, self._open = self._open, Lines(1, [], [])
        return done if done.tokens else None

    def _decoded(self, line: bytes) -> str:
        try:
            text = line.decode("utf-8").strip(" \r\n")
        except UnicodeDecodeError as error:
            raise ColumnError(
                f"{self.name}, line {self._number}: byte {line[error.start]:#04x} at place "
                f"{error.start} is no UTF-8; convert the file"
            ) from None
        return text if self._number > 1 else text.removeprefix("\ufeff").lstrip(" ")

    def _check(self, text: str, n_columns: int) -> None:
        where = f"{self.name}, line {self._number} has {n_columns} columns, expected"
        if self._expected is None:
            if n_columns < self.least:
                raise ColumnError(f"{where} {self.least} or more: {_shortened(text)}")
            self._expected = n_columns, self._number
        expected, origin = self._expected
        if n_columns != expected:
            raise ColumnError(f"{where} {expected} as line {origin} has: {_shortened(text)}")


def iter_columns(lines: Iterable[bytes], name: str, *, least: int = 1) -> Iterator[Lines]:
    """The sentences in these lines, such as an open binary file; see `ColumnReader`."""
    reader = ColumnReader(name, least)
    for line in lines:
        if (sentence := reader.feed(line)) is not None:
            yield sentence
    if (sentence := reader.finish()) is not None:
        yield sentence


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
        Naming the line: no UTF-8, fewer than two columns, or another number than the first line;
        or if the file holds no sentence.

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
    name = os.fspath(path)
    with open_binary(name) as file:
        try:
            for sentence in iter_columns(file, name, least=2):
                sentences.append([token[:-1] for token in sentence.tokens])
                labels.append([sys.intern(token[-1]) for token in sentence.tokens])
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ColumnError(f"{name} is a damaged gzip file: {error}") from None
    if not sentences:
        raise ColumnError(f"{name} holds no sentence")
    return sentences, labels


def open_binary(path: str | os.PathLike[str]) -> IO[bytes]:
    """Open for reading, unpacking what gzip packed."""
    with open(path, "rb") as file:
        packed = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    return gzip.open(path, "rb") if packed else open(path, "rb")  # type: ignore[return-value]


def format_sentence(tokens: Iterable[Sequence[str] | str], labels: Iterable[Any] = ()) -> str:
    """A sentence as lines of columns, labels last, with the empty line after it."""
    rows = [[token] if isinstance(token, str) else list(token) for token in tokens]
    tags = [str(label) for label in labels]
    if tags and len(tags) != len(rows):
        raise ValueError(f"there are {len(tags)} labels for {len(rows)} tokens")
    for row, tag in zip(rows, tags, strict=False):
        row.append(tag)
    # Spaces part columns as well as tabs do, unless some column holds one.
    separator = "\t" if any(" " in column for row in rows for column in row) else " "
    for t, row in enumerate(rows):
        if wrong := [c for c in row if not c.strip() or "\n" in c or "\r" in c or "\t" in c]:
            raise ValueError(
                f"token {t} has the column {wrong[0]!r}, which a column file cannot hold"
            )
    return "".join(separator.join(row) + "\n" for row in rows) + "\n"


def write_columns(
    path: str | os.PathLike[str], sentences: Iterable[Any], labels: Iterable[Any] | None = None
) -> None:
    """Write sentences as a column file; compressed if the name ends in ".gz".

    Parameters
    ----------
    path : path-like
    sentences : iterable of lists of tokens
        A token is a str or a sequence of str, its columns.
    labels : iterable of lists of labels, default=None
        Becomes the last column.

    Raises
    ------
    ValueError
        If a column is empty or holds a tab or a line end, or the lengths differ.
    """
    texts = []
    if labels is None:
        texts = [format_sentence(sentence) for sentence in sentences]
    else:
        texts = [
            format_sentence(sentence, tags)
            for sentence, tags in zip(sentences, labels, strict=True)
        ]
    data = "".join(texts).encode("utf-8")
    with open(path, "wb") as file:
        file.write(gzip.compress(data, mtime=0) if os.fspath(path).endswith(".gz") else data)
