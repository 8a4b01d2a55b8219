"""CoNLL-U files: sentences with dependency trees, ten columns a token."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

from structsvm.columns.reading import ENDS, ColumnError, LineReader, open_binary
from structsvm.data.files import replacing
from structsvm.models.dependency import tree_fault

__all__ = [
    "ConlluReader",
    "ConlluSentence",
    "format_conllu",
    "read_conllu",
    "trees_of",
    "write_conllu",
]

_COLUMNS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_FORM, _HEAD, _RELATION = _COLUMNS.index("FORM"), _COLUMNS.index("HEAD"), _COLUMNS.index("DEPREL")
_TAGS = {"upos": _COLUMNS.index("UPOS"), "xpos": _COLUMNS.index("XPOS")}
_RANGE = re.compile(r"([1-9][0-9]*)-([1-9][0-9]*)")
_EMPTY_NODE = re.compile(r"[0-9]+\.[1-9][0-9]*")
_BLOCK_BYTES = 1 << 16


class ConlluSentence(Sequence[tuple[str, str]]):
    """A sentence of a CoNLL-U file: a sequence of tokens, each a pair of word and tag.

    Multi-word ranges, empty nodes and comments are no tokens. They are kept, and `format_conllu`
    writes them.

    Parameters
    ----------
    tokens : list of pairs of str
    heads : list of int, or None
        The head of each token, 0 for the root; None if the file does not tell.
    relations : list of str, or None
        The relation of each token to its head; None without heads.
    lines : list of str
        The lines of the file, without ends.
    places : list of int
        Which of the lines each token stands in.
    first : int
        The number of the first line in the file, from 1.
    """

    def __init__(
        self,
        tokens: list[tuple[str, str]],
        heads: list[int] | None,
        relations: list[str] | None,
        lines: list[str],
        places: list[int],
        first: int,
    ) -> None:
        self._tokens = tokens
        self.heads = heads
        self.relations = relations
        self.lines = lines
        self._places = places  # of the tokens in the lines
        self.first = first

    def __len__(self) -> int:
        return len(self._tokens)

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[str, str]]: ...
    def __getitem__(self, index: Any) -> Any:
        return self._tokens[index]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)} tokens from line {self.first}>"


class ConlluReader(LineReader[ConlluSentence]):
    """Sentences of a CoNLL-U file from bytes as they come.

    Parameters
    ----------
    name : str
        What errors call the file.
    tag : {"upos", "xpos"}, default="upos"
        Which column the tag of a token is.
    single_root : bool, default=True
        Whether a tree with several tokens below the root is an error.
    heads : bool, default=True
        Whether to read heads and relations.
    """

    def __init__(
        self, name: str, *, tag: str = "upos", single_root: bool = True, heads: bool = True
    ) -> None:
        if tag not in _TAGS:
            raise ValueError(f"tag={tag!r}: expected 'upos' or 'xpos'")
        super().__init__(name)
        self._tag = _TAGS[tag]
        self.single_root = single_root
        self.heads = heads
        self._begin()

    def _begin(self) -> None:
        self._lines: list[str] = []
        self._places: list[int] = []
        self._tokens: list[tuple[str, str]] = []
        self._heads: list[str] = []
        self._relations: list[str] = []

    def _add(self, text: str) -> None:
        if not self._lines:
            self._first = self._number
        self._lines.append(text)
        if text.startswith("#"):
            return
        columns = [column.strip(" ") for column in text.split("\t")]
        if len(columns) != len(_COLUMNS):
            hint = "; columns are separated by tabs" if len(columns) == 1 else ""
            raise self._error(f"{len(columns)} columns, expected {len(_COLUMNS)}{hint}")
        if "" in columns:
            raise self._error(f"{_COLUMNS[columns.index('')]} is empty; write _ for nothing")
        number, n = columns[0], len(self._tokens)
        if number != str(n + 1):
            if match := _RANGE.fullmatch(number):
                if int(match[1]) != n + 1 or int(match[2]) <= n:
                    raise self._error(f"the range {number} does not begin at token {n + 1}")
            elif not _EMPTY_NODE.fullmatch(number):
                raise self._error(f"ID is {number!r}, expected {n + 1}, the next token")
            return
        self._places.append(len(self._lines) - 1)
        self._tokens.append((columns[_FORM], columns[self._tag]))
        self._heads.append(columns[_HEAD])
        self._relations.append(columns[_RELATION])

    def _close(self) -> ConlluSentence | None:
        if not self._tokens:
            if any(not line.startswith("#") for line in self._lines):
                raise self._error("the sentence that ends here has no tokens", of=-1)
            # Comments without a sentence, as at the end of a file, are dropped.
            self._begin()
            return None
        heads = self._read_heads()
        done = ConlluSentence(
            self._tokens,
            heads,
            None if heads is None else self._relations,
            self._lines,
            self._places,
            self._first,
        )
        self._begin()
        return done

    def _read_heads(self) -> list[int] | None:
        if not self.heads or all(head == "_" for head in self._heads):
            return None
        heads = []
        for t, head in enumerate(self._heads):
            if not (head.isascii() and head.isdigit() and len(head) < 10):
                why = f"HEAD is {head!r}, expected a number"
                why += "; other tokens of the sentence have heads" if head == "_" else ""
                raise self._error(why, of=self._places[t])
            heads.append(int(head))
        if (fault := tree_fault(np.array(heads), single_root=self.single_root)) is not None:
            raise self._error(fault[1], of=self._places[fault[0] - 1])
        return heads

    def _error(self, why: str, of: int = -1) -> ColumnError:
        """An error about a line of the sentence; -1: the last one."""
        line = self._first + range(len(self._lines))[of]
        return ColumnError(f"{self.name}, line {line}: {why}")


def read_conllu(
    path: str | os.PathLike[str], *, tag: str = "upos", single_root: bool = True
) -> list[ConlluSentence]:
    """The sentences of a CoNLL-U file.

    Parameters
    ----------
    path : path-like
        A text file, or one compressed by gzip.
    tag : {"upos", "xpos"}, default="upos"
        Which column the tag of a token is.
    single_root : bool, default=True
        Whether a tree with several tokens below the root is an error.

    Returns
    -------
    sentences : list of ConlluSentence

    Raises
    ------
    ColumnError
        Naming the line: no UTF-8, another number of columns than ten, an empty column, an ID that
        is not the next one, heads that are no tree; or if the file holds no sentence.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from structsvm.columns import read_conllu
    >>> rows = ["1 Dogs dog NOUN _ _ 2 nsubj _ _", "2 bark bark VERB _ _ 0 root _ _"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "train.conllu"
    ...     _ = path.write_text("\\n".join(row.replace(" ", "\\t") for row in rows))
    ...     sentences = read_conllu(path)
    >>> list(sentences[0]), sentences[0].heads
    ([('Dogs', 'NOUN'), ('bark', 'VERB')], [2, 0])
    """
    name = os.fspath(path)
    reader = ConlluReader(name, tag=tag, single_root=single_root)
    with open_binary(name) as file:
        sentences = list(_sentences(reader, iter(lambda: file.read(_BLOCK_BYTES), b"")))
    if not sentences:
        raise ColumnError(f"{name} holds no sentence")
    return sentences


def _sentences(reader: ConlluReader, blocks: Iterable[bytes]) -> Iterator[ConlluSentence]:
    for block in blocks:
        yield from reader.feed(block)
    yield from reader.finish()


def trees_of(
    name: str, sentences: Iterable[ConlluSentence], *, relations: bool = True
) -> list[Any]:
    """The trees of sentences: pairs of heads and relations, or heads alone.

    Raises
    ------
    ColumnError
        If a sentence has none.
    """
    trees: list[Any] = []
    for sentence in sentences:
        if sentence.heads is None:
            raise ColumnError(f"{name}, line {sentence.first}: this sentence has no heads")
        trees.append((sentence.heads, sentence.relations) if relations else sentence.heads)
    return trees


def format_conllu(
    sentence: Any, heads: Sequence[int] | None = None, relations: Sequence[str] | None = None
) -> str:
    """A sentence as lines of CoNLL-U, with the empty line after it.

    Parameters
    ----------
    sentence : ConlluSentence, or list of pairs of word and tag
        The lines of the former are kept: comments, ranges, and all columns that are not given.
    heads, relations : sequences, default=None
        Of each token; None keeps those of the sentence, or writes "_".

    Raises
    ------
    ValueError
        If the lengths differ, or a column cannot be written.
    """
    if isinstance(sentence, ConlluSentence):
        lines, places = list(sentence.lines), sentence._places
    else:
        rows = [["_"] * len(_COLUMNS) for _ in sentence]
        for t, (row, (word, tag)) in enumerate(zip(rows, sentence, strict=True)):
            row[0], row[_FORM], row[_TAGS["upos"]] = str(t + 1), word, tag
            for text in (word, tag):
                if not text.strip(" ") or ENDS.search(text):
                    raise ValueError(f"token {t + 1}: {text!r} cannot be a column")
        lines, places = ["\t".join(row) for row in rows], list(range(len(rows)))
    for name, column, values in (("heads", _HEAD, heads), ("relations", _RELATION, relations)):
        if values is None:
            continue
        if len(values) != len(places):
            raise ValueError(f"there are {len(values)} {name} for {len(places)} tokens")
        for place, value in zip(places, values, strict=True):
            columns = lines[place].split("\t")
            columns[column] = str(value)
            lines[place] = "\t".join(columns)
    return "".join(f"{line}\n" for line in lines) + "\n"


def write_conllu(
    path: str | os.PathLike[str],
    sentences: Iterable[Any],
    heads: Iterable[Sequence[int]] | None = None,
    relations: Iterable[Sequence[str]] | None = None,
) -> None:
    """Write sentences as a CoNLL-U file; compressed if the name ends in ".gz".

    Parameters
    ----------
    path : path-like
    sentences : iterable of ConlluSentence, or of lists of pairs of word and tag
    heads, relations : iterables of sequences, default=None
        See `format_conllu`.
    """
    items = list(sentences)
    columns = [[None] * len(items) if some is None else list(some) for some in (heads, relations)]
    texts = [format_conllu(*row) for row in zip(items, *columns, strict=True)]
    data = "".join(texts).encode("utf-8")
    with replacing(path) as file:
        file.write(gzip.compress(data, mtime=0) if os.fspath(path).endswith(".gz") else data)
