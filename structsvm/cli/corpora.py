"""Corpora of one or several files, and which line of which file an error is about."""

from __future__ import annotations

import bisect
import contextlib
import dataclasses
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from structsvm.columns import ColumnError, ColumnReader, JsonReader, is_json_lines, open_binary
from structsvm.exceptions import LabelError, ModelFileError

__all__ = ["UNKNOWN", "Corpus", "naming_lines", "read_corpus"]

#: The label of tokens whose label is not known, in column files with `partial`.
UNKNOWN = "_"

# How estimators and metrics name a token.
_TOKENS = (re.compile(r"\bX\[(\d+)\]\[(\d+)\]"), re.compile(r"^sequence (\d+): tag (\d+) "))
_HELD_OUT = "in X_val and y_val: "
_BLOCK_BYTES = 1 << 16


@dataclasses.dataclass
class Corpus:
    """Sentences of files, one after the other."""

    X: list[Any]
    y: list[list[Any]]
    files: list[tuple[str, int, bool]]  #: name, number of its first sentence, whether it is JSON
    lines: list[int]  #: the first line of each sentence
    has_attributes: bool  #: whether tokens are dicts

    @property
    def n_tokens(self) -> int:
        return sum(map(len, self.y))

    @property
    def names(self) -> str:
        return " ".join(name for name, *_ in self.files)

    @property
    def n_columns(self) -> int:
        """The columns before the label."""
        return len(next((token for sentence in self.X for token in sentence), ()))

    def place(self, i: int, t: int) -> str:
        """File and line of token `t` of sentence `i`."""
        k = bisect.bisect_right([first for _, first, _ in self.files], i) - 1
        name, _, of_json = self.files[k]
        return f"{name}, line {self.lines[i] + (0 if of_json else t)}"


def read_corpus(names: Sequence[str], *, as_json: bool = False, partial: bool = False) -> Corpus:
    """The sentences and labels of column files or JSON lines.

    Parameters
    ----------
    names : list of str
    as_json : bool, default=False
        Read JSON lines whatever the files are called.
    partial : bool, default=False
        Whether labels "_" are unknown: None.

    Raises
    ------
    ColumnError
        Naming file and line, for what cannot be read, or a file without sentences.
    """
    corpus = Corpus([], [], [], [], False)
    kinds: dict[Any, str] = {}
    for name in names:
        first = len(corpus.X)
        of_json = as_json or is_json_lines(name)
        corpus.files.append((name, first, of_json))
        reader: Any = JsonReader(name, needs_tags=True) if of_json else ColumnReader(name, 2)
        with open_binary(name) as file:
            blocks = iter(lambda: file.read(_BLOCK_BYTES), b"")
            found = [one for block in blocks for one in reader.feed(block)]
        for sentence in [*found, *reader.finish()]:
            tokens, tags = _parted(sentence, of_json, partial)
            corpus.X.append(tokens)
            corpus.y.append(tags)
            corpus.lines.append(sentence.first)
        if len(corpus.X) == first:
            raise ColumnError(f"{name} holds no sentence")
        for token in (token for sentence in corpus.X[first:] for token in sentence[:1]):
            kinds.setdefault("attributes" if isinstance(token, dict) else len(token), name)
            break
    corpus.has_attributes = "attributes" in kinds
    if len(kinds) > 1:
        (ours, one), (theirs, other), *_ = kinds.items()
        told = [k if k == "attributes" else f"{k + 1} columns" for k in (theirs, ours)]
        raise ColumnError(f"{other} has {told[0]}, {one} has {told[1]}")
    return corpus


def _parted(sentence: Any, of_json: bool, partial: bool) -> tuple[list[Any], list[Any]]:
    """The tokens and the labels."""
    if of_json:
        return sentence.tokens, sentence.tags
    tags: list[Any] = [sys.intern(token[-1]) for token in sentence.tokens]
    if partial:
        tags = [None if tag == UNKNOWN else tag for tag in tags]
    return [token[:-1] for token in sentence.tokens], tags


@contextlib.contextmanager
def naming_lines(corpus: Corpus, held_out: Corpus | None = None) -> Iterator[None]:
    """Put file and line in front of errors about a label or a token.

    Parameters
    ----------
    corpus, held_out : Corpus
        What X and y, and X_val and y_val are of.
    """
    try:
        yield
    except (ColumnError, ModelFileError):
        raise
    except ValueError as error:
        of = corpus
        if str(error).startswith(_HELD_OUT) and held_out is not None:
            of = held_out
        place = _place(error)
        if place is None or place[0] >= len(of.X):
            raise
        what = str(error).removeprefix(_HELD_OUT)
        raise ColumnError(f"{of.place(*place)}: {what}") from error


def _place(error: ValueError) -> tuple[int, int] | None:
    """The sentence and the token in it."""
    for cause in (error, error.__cause__):
        if isinstance(cause, LabelError):
            return cause.place
    for token in _TOKENS:
        if match := token.search(str(error)):
            return int(match[1]), int(match[2])
    return None
