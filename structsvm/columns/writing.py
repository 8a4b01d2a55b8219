"""Writing column files: see `structsvm.columns` for the format."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Sequence
from typing import Any

from structsvm.columns.reading import ENDS, MARK, Lines
from structsvm.data.files import replacing

__all__ = ["format_sentence", "joined_columns", "write_columns"]


def format_sentence(tokens: Iterable[Sequence[str] | str], labels: Iterable[Any] = ()) -> str:
    """A sentence as lines of columns, labels last, with the empty line after it.

    Parameters
    ----------
    tokens : iterable of str or sequences of str
        A word, or the columns, of each token.
    labels : iterable, default=()
        A label for each token, or none.
    """
    rows = [[token] if isinstance(token, str) else list(token) for token in tokens]
    tags = [str(label) for label in labels]
    if tags and len(tags) != len(rows):
        raise ValueError(f"there are {len(tags)} labels for {len(rows)} tokens")
    for row, tag in zip(rows, tags, strict=False):
        row.append(tag)
    for t, row in enumerate(rows):
        if wrong := [column for column in row if not _is_column(column)]:
            raise ValueError(
                f"token {t} has the column {wrong[0]!r}, which a column file cannot hold"
            )
    # Spaces separate columns; tabs do where a column holds a space.
    separator = "\t" if any(" " in column for row in rows for column in row) else " "
    if separator == "\t" and any(len(row) == 1 for row in rows):
        raise ValueError("a column that holds spaces needs another beside it, separated by a tab")
    return "".join(separator.join(row) + "\n" for row in rows) + "\n"


def _is_column(text: object) -> bool:
    """Whether this would be read back unchanged."""
    if not isinstance(text, str) or not text or text.startswith(MARK):
        return False
    return text == text.strip(" ") and not ENDS.search(text)


def joined_columns(lines: Lines, added: Sequence[Sequence[str]]) -> str:
    """A sentence as it stands in its file, with more columns; tabs if one of them holds a space.

    Parameters
    ----------
    lines : Lines
        A sentence as it was read.
    added : sequence of sequences of str
        More columns, each with a string for each token.
    """
    out = []
    for text, columns, *more in zip(lines.texts, lines.tokens, *added, strict=True):
        tabs = "\t" in text
        if not tabs and any(" " in column for column in more):
            text, tabs = "\t".join(columns), True
        out.append(("\t" if tabs else " ").join([text, *more]))
    return "\n".join(out) + "\n\n"


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
        If the lengths differ, or a column could not be read back: it is empty, holds a tab or a
        line end, or begins or ends with a space.
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
    with replacing(path) as file:
        file.write(gzip.compress(data, mtime=0) if os.fspath(path).endswith(".gz") else data)
