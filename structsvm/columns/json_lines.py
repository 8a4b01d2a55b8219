"""JSON lines: a sentence on each line, an object with "tokens" and, where known, "tags"."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from structsvm.columns.reading import ColumnError, LineReader

__all__ = ["JsonReader", "JsonSentence", "is_json_lines"]

_ENDINGS = (".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")


class JsonSentence(NamedTuple):
    """A sentence as it stands in a file."""

    first: int  #: the number of its line, from 1
    tokens: list[Any]  #: tuples of str, or dicts
    record: dict[str, Any]  #: the object on the line

    @property
    def tags(self) -> list[Any] | None:
        tags: list[Any] | None = self.record.get("tags")
        return tags


def is_json_lines(name: str) -> bool:
    """Whether a file's name says that it holds JSON lines.

    Parameters
    ----------
    name : str
    """
    return name.endswith(_ENDINGS)


class JsonReader(LineReader[JsonSentence]):
    """Sentences of JSON lines from bytes as they come.

    A token is a str, a word; a list of str, its columns; or an object, its attributes. Words become
    tuples of one column. Other keys of a line are kept.

    Parameters
    ----------
    name : str
        What errors call the file.
    needs_tags : bool, default=False
        Whether each line must have "tags", one for each token; null where it is unknown.
    """

    def __init__(self, name: str, *, needs_tags: bool = False) -> None:
        super().__init__(name)
        self.needs_tags = needs_tags

    def _add(self, text: str) -> JsonSentence:
        where = f"{self.name}, line {self._number}"
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise ColumnError(f"{where} is no JSON: {error}") from None
        if not isinstance(record, dict) or not isinstance(record.get("tokens"), list):
            raise ColumnError(f'{where}: expected an object with a list, "tokens"')
        tokens = [_token(f"{where}, token {t}", token) for t, token in enumerate(record["tokens"])]
        if len(kinds := set(map(type, tokens))) > 1:
            raise ColumnError(f"{where} has tokens of several kinds: {_named(kinds)}")
        tags = record.get("tags")
        if tags is None and not self.needs_tags:
            return JsonSentence(self._number, tokens, record)
        if not isinstance(tags, list) or len(tags) != len(tokens):
            raise ColumnError(f'{where}: expected "tags", a list of {len(tokens)}')
        for t, tag in enumerate(tags):
            if tag is not None and not isinstance(tag, str):
                raise ColumnError(f"{where}, tag {t} is {tag!r}, expected a str or null")
        return JsonSentence(self._number, tokens, record)

    def _close(self) -> JsonSentence | None:
        return None


def _token(where: str, token: Any) -> Any:
    if isinstance(token, str):
        return (token,)
    if isinstance(token, list) and token and all(isinstance(column, str) for column in token):
        return tuple(token)
    if isinstance(token, dict):
        return token
    raise ColumnError(
        f"{where} is {token!r}; expected a str, a list of str (columns) or an object (attributes)"
    )


def _named(kinds: set[type]) -> str:
    names: dict[type, str] = {tuple: "words or columns", dict: "attributes"}
    return " and ".join(sorted(names[kind] for kind in kinds))
