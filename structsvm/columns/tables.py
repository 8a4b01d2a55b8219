"""Tables with columns by name, such as data frames, as sentences of tokens."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

__all__ = ["read_table"]


def read_table(
    table: Any,
    tokens: str | Sequence[str],
    labels: str | None = None,
    *,
    sentence: str | Sequence[str] | None = None,
) -> tuple[list[Any], list[list[Any]]]:
    """The sentences of a table whose columns have names, and their labels.

    The table is a pandas or polars frame, a dict of lists, a Dataset of the `datasets` package, or
    anything else that gives the column called name by ``table[name]``.

    Parameters
    ----------
    table : table
    tokens : str or list of str
        The column that is a token, or the columns of a token: then tokens are tuples.
    labels : str, default=None
        The column with labels; None where there are none. Missing labels become None: they are void
        in training.
    sentence : str or list of str, default=None
        With it, a row is a token, and these columns together name the sentence it is in. Rows of a
        sentence stand together; where all of these columns are missing the sentence of the row
        before goes on. None: a row is a sentence, and its cells are lists.

    Returns
    -------
    X : list of lists of tokens
        As `SequenceTagger` takes them. Rows are in their order, so that
        ``numpy.concatenate(tagger.predict(X))`` is a new column of a table of tokens.
    y : list of lists of labels; empty without `labels`

    Raises
    ------
    ValueError
        Naming column and row: there is no such column, a token is missing, columns differ in
        length, or the rows of a sentence stand apart.

    Examples
    --------
    >>> from structsvm.columns import read_table
    >>> table = {"n": [1, 1, 2], "word": ["the", "cat", "sleep"], "tag": ["D", "N", "V"]}
    >>> read_table(table, "word", "tag", sentence="n")
    ([['the', 'cat'], ['sleep']], [['D', 'N'], ['V']])
    >>> read_table({"words": [["the", "cat"]], "pos": [["DT", "NN"]]}, ["words", "pos"])
    ([[('the', 'DT'), ('cat', 'NN')]], [])
    """
    names = [tokens] if isinstance(tokens, str) else list(tokens)
    if not names:
        raise ValueError("tokens is empty: expected at least one column")
    wanted = names if labels is None else [*names, labels]
    columns = {name: _column(table, name) for name in wanted}
    if sentence is None:
        columns = {name: _cells(name, column) for name, column in columns.items()}
        _same_lengths(columns)
        for i, cells in enumerate(zip(*columns.values(), strict=True)):
            _same_lengths(dict(zip(columns, cells, strict=True)), f" in row {i}")
        groups: list[Sequence[int]] = [range(len(rows)) for rows in columns[names[0]]]
    else:
        keys = [sentence] if isinstance(sentence, str) else list(sentence)
        named = {name: _column(table, name) for name in keys}
        _same_lengths(named | columns)
        groups = _groups(named)
        columns = {
            name: [[column[k] for k in rows] for rows in groups] for name, column in columns.items()
        }
    places = [rows[0] if len(rows) else 0 for rows in groups]
    for name in names:
        _check_there(name, columns[name], places, by_row=sentence is None)
    if isinstance(tokens, str):
        X: list[Any] = columns[tokens]
    else:
        rows = zip(*(columns[name] for name in names), strict=True)
        X = [list(zip(*row, strict=True)) for row in rows]
    if labels is None:
        return X, []
    return X, [[None if _is_missing(v) else v for v in row] for row in columns[labels]]


def _column(table: Any, name: str) -> list[Any]:
    """A column as a list of Python objects."""
    try:
        column = table[name]
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise ValueError(f"the table has no column {name!r}") from error
    except Exception as error:  # frames have errors of their own
        raise ValueError(f"the table has no column {name!r}: {error}") from error
    convert = getattr(column, "tolist", None) or getattr(column, "to_list", None)
    values = convert() if convert is not None else column
    try:
        return list(values)
    except TypeError:
        raise ValueError(f"column {name!r} is a {type(column).__name__}, expected a list") from None


def _cells(name: str, column: list[Any]) -> list[list[Any]]:
    """The cells of a column of lists."""
    for i, cell in enumerate(column):
        if isinstance(cell, (str, bytes)) or not hasattr(cell, "__len__"):
            raise ValueError(
                f"column {name!r}, row {i} is {cell!r}, expected a list of tokens; if a row is a "
                "token, name the column that tells its sentence: sentence='...'"
            )
    return [cell.tolist() if hasattr(cell, "tolist") else list(cell) for cell in column]


def _same_lengths(columns: dict[str, list[Any]], where: str = "") -> None:
    lengths = {name: len(column) for name, column in columns.items()}
    (first, expected), *others = lengths.items()
    for name, length in others:
        if length != expected:
            raise ValueError(
                f"columns differ in length{where}: {first!r} has {expected}, {name!r} has {length}"
            )


def _groups(named: dict[str, list[Any]]) -> list[Sequence[int]]:
    """The rows of each sentence."""
    groups: list[list[int]] = []
    seen: dict[Any, int] = {}
    before: Any = None
    for k, values in enumerate(zip(*named.values(), strict=True)):
        if all(map(_is_missing, values)):
            if not groups:
                raise ValueError(f"row {k} has no sentence: {', '.join(named)} is missing")
            groups[-1].append(k)
            continue
        if groups and values == before:
            groups[-1].append(k)
            continue
        if values in seen:
            raise ValueError(
                f"row {k} is of the sentence {values if len(values) > 1 else values[0]!r}, whose "
                f"rows began at {seen[values]} and ended before: sort the table by sentence, or "
                "name all columns that tell sentences apart"
            )
        before = values
        seen[values] = k
        groups.append([k])
    return list(groups)


def _check_there(name: str, column: list[list[Any]], places: list[int], *, by_row: bool) -> None:
    """Raise ValueError for the first missing token."""
    flat = itertools.chain.from_iterable(column)
    if not any(map(_is_missing, flat)):
        return
    i, t = next(
        (i, t) for i, row in enumerate(column) for t, value in enumerate(row) if _is_missing(value)
    )
    where = f"row {i}, token {t}" if by_row else f"row {places[i] + t}"
    raise ValueError(f"column {name!r}, {where}: the token is missing; write a sign such as '_'")


def _is_missing(value: Any) -> bool:
    """Whether a cell is None, NaN, or the NA of pandas."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(value, float) and value != value
