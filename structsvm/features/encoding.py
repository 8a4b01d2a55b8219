"""From strings to column numbers, over whole columns of tokens at a time.

Each distinct string is processed once; templates then work on integers. A *code* is the number of a
value in a view. Code -1 means that there is no value, and then there is no attribute either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.features.templates import Macro, Template, View

__all__ = ["Columns", "HashedTemplates", "LearnedTemplates", "pack_texts", "unpack_texts"]

_Make = Callable[[str], str | None]

_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


class Columns:
    """The columns of all tokens, a number for each distinct string, and where sentences begin."""

    def __init__(self, columns: Mapping[int, Iterable[str]], lengths: NDArray[np.int64]) -> None:
        n = int(lengths.sum())
        self.n = n
        self.offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        self.first = np.repeat(self.offsets[:-1], lengths)
        self.stop = np.repeat(self.offsets[1:], lengths)
        self.distinct: dict[int, list[str]] = {}
        self._ids: dict[int, NDArray[np.int64]] = {}
        for column, values in columns.items():
            table: dict[str, int] = {}
            ids = (table.setdefault(value, len(table)) for value in values)
            self._ids[column] = np.fromiter(ids, dtype=np.int64, count=n)
            self.distinct[column] = list(table)

    def seen(
        self, macro: Macro, codes: NDArray[Any], outside: NDArray[Any] | None
    ) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """For each token the code of what a macro stands for, and whether it is in the sentence.

        `codes` has one entry for each distinct string. `outside` has the codes of the places before
        the sentence (1, 2, ... tokens away), then of those behind it; None: they have no codes.
        """
        ids = self._ids[macro.view.column]
        if macro.offset == 0:
            return codes[ids], np.ones(self.n, dtype=bool)
        place = np.arange(self.n) + macro.offset
        inside = (place >= self.first) & (place < self.stop)
        result = codes[ids[np.clip(place, 0, max(self.n - 1, 0))]] if self.n else codes[:0]
        if outside is not None:
            before = self.first - place
            beyond = np.where(before > 0, before - 1, len(outside) // 2 + place - self.stop)
            result = np.where(inside, result, outside[np.where(inside, 0, beyond)])
        return result, inside


def border_names(reach: int) -> list[str]:
    """Names of the places outside of a sentence: before it, then behind it."""
    return [f"_B-{d}" for d in range(1, reach + 1)] + [f"_E+{d}" for d in range(1, reach + 1)]


class _Group(NamedTuple):
    """Templates that share attributes, and the attributes they learned.

    ``tables[k]`` holds the values of the first k + 1 macros that training saw together, as sorted
    keys: (place of the first k values in the table before) * (number of codes) + code. A place in
    the last table, plus `start`, is a column.
    """

    templates: tuple[Template, ...]
    tables: tuple[NDArray[np.int64], ...]
    start: int


class LearnedTemplates:
    """A column for each attribute that was there in training.

    Parameters
    ----------
    templates : list of Template
    reach : int or None
        How many places before and behind a sentence have names; None: no place has one.
    """

    def __init__(self, templates: list[Template], reach: int | None) -> None:
        self.templates = templates
        self.reach = reach
        self.vocabularies: dict[View, dict[str, int]] = {}
        self.groups: list[_Group] = []
        self.n_columns = 0

    # ---- learning

    def learn(self, columns: Columns, min_count: int) -> NDArray[np.int32]:
        """Learn the attributes of these tokens; returns what `look_up` then gives for them."""
        for view in self._views():
            texts = dict.fromkeys(view.of(text) for text in columns.distinct[view.column])
            known = [text for text in texts if text is not None]
            self.vocabularies[view] = {text: code for code, text in enumerate(known)}
        codes = self._codes(columns)
        self.groups, self.n_columns = [], 0
        places = []
        for templates in _grouped(self.templates):
            tables: list[NDArray[np.int64]] = []
            for keys in self._keys(templates, columns, codes, tables):
                found, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
                last = len(tables) == max(len(templates[0].macros) - 1, 0)
                kept = (found >= 0) & (counts >= (min_count if last else 1))
                tables.append(found[kept])
            numbers = np.where(kept, np.cumsum(kept) - 1 + self.n_columns, -1).astype(np.int32)
            places.append(numbers[inverse].reshape(len(templates), columns.n))
            self.groups.append(_Group(tuple(templates), tuple(tables), self.n_columns))
            self.n_columns += len(tables[-1])
        return _side_by_side(places, columns.n)

    def _views(self) -> list[View]:
        return list(dict.fromkeys(macro.view for t in self.templates for macro in t.macros))

    def _keys(
        self,
        templates: Sequence[Template],
        columns: Columns,
        codes: dict[View, NDArray[np.int64]],
        tables: Sequence[NDArray[np.int64]],
    ) -> Iterator[NDArray[np.int64]]:
        """The keys for tables[0], tables[1], ...: of all tokens for one template after the other.

        Each table must be there before the keys for the next one are asked for.
        """
        whole = [np.zeros(columns.n, dtype=np.int64) for _ in templates]
        if templates[0].edge:
            for keys in whole:
                keys[columns.first == np.arange(columns.n)] = -1
        keys = np.concatenate(whole)
        if not templates[0].macros:
            yield keys
        for k in range(len(templates[0].macros)):
            if k > 0:
                keys = _place(keys, tables[k - 1])
            code = np.concatenate([self._code(t.macros[k], columns, codes) for t in templates])
            base = self._base(templates[0].macros[k].view)
            keys = np.where((keys >= 0) & (code >= 0), keys * base + code, -1)
            yield keys

    # ---- columns

    def look_up(self, columns: Columns) -> NDArray[np.int32]:
        """The column of each token's attribute by each template; -1 for none."""
        codes = self._codes(columns)
        found = []
        for group in self.groups:
            *_, keys = self._keys(group.templates, columns, codes, group.tables)
            places = _place(keys, group.tables[-1])
            places[places >= 0] += group.start
            found.append(places.astype(np.int32).reshape(len(group.templates), columns.n))
        return _side_by_side(found, columns.n)

    def in_lines(self) -> tuple[list[Any], list[int], list[list[tuple[_Make, dict[str, int]]]]]:
        """The templates, the columns and the views, as `WordTemplates` takes them."""
        columns = sorted({view.column for view in self.vocabularies})
        views: list[list[View]] = [[] for _ in columns]
        for view in self.vocabularies:
            views[columns.index(view.column)].append(view)
        lines: list[Any] = []
        for group in self.groups:
            for template in group.templates:
                macros = []
                for macro, table in zip(template.macros, group.tables, strict=False):
                    view, column = macro.view, columns.index(macro.view.column)
                    place, known = views[column].index(view), len(self.vocabularies[view])
                    macros.append((column, place, macro.offset, self._base(view), known, table))
                lines.append((group.start, macros or bool(len(group.tables[0]))))
        made: list[list[tuple[_Make, dict[str, int]]]] = [
            [(view.of, self.vocabularies[view]) for view in column] for column in views
        ]
        return lines, columns, made

    def _codes(self, columns: Columns) -> dict[View, NDArray[np.int64]]:
        """For each view the code of each distinct string of its column."""
        result = {}
        for view, vocabulary in self.vocabularies.items():
            texts = (view.of(text) for text in columns.distinct[view.column])
            found = (vocabulary.get(text, -1) if text is not None else -1 for text in texts)
            result[view] = np.fromiter(found, dtype=np.int64)
        return result

    def _code(
        self, macro: Macro, columns: Columns, codes: dict[View, NDArray[np.int64]]
    ) -> NDArray[np.int64]:
        outside = None
        if self.reach is not None:
            outside = len(self.vocabularies[macro.view]) + np.arange(2 * self.reach)
        code, inside = columns.seen(macro, codes[macro.view], outside)
        return code if self.reach is not None else np.where(inside, code, -1)

    def _base(self, view: View) -> int:
        return max(len(self.vocabularies[view]) + 2 * (self.reach or 0), 1)

    # ---- keeping

    def __getstate__(self) -> dict[str, Any]:
        # Views are no keys in files of JSON.
        return {**vars(self), "vocabularies": list(self.vocabularies.values())}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.vocabularies = dict(zip(self._views(), state["vocabularies"], strict=False))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What was learned, as arrays by name."""
        held: dict[str, NDArray[Any]] = {}
        for k, vocabulary in enumerate(self.vocabularies.values()):
            held |= pack_texts(f"view{k}", vocabulary)
        for g, group in enumerate(self.groups):
            held |= {f"group{g}/{k}": table for k, table in enumerate(group.tables)}
        return held

    def restore(self, held: Mapping[str, NDArray[Any]]) -> None:
        """Take what `arrays` gave for the same templates."""
        for k, view in enumerate(self._views()):
            texts = unpack_texts(f"view{k}", held)
            self.vocabularies[view] = {text: code for code, text in enumerate(texts)}
            if len(self.vocabularies[view]) < len(texts):
                raise ValueError(f"a text is there twice in view {k}")
        for g, templates in enumerate(_grouped(self.templates)):
            n_tables = max(len(templates[0].macros), 1)
            tables = tuple(held[f"group{g}/{k}"] for k in range(n_tables))
            most = 1  # all keys of the next table are below this
            for table, macro in zip_longest(tables, templates[0].macros):
                most *= self._base(macro.view) if macro else 1
                sound = table.dtype == np.int64 and table.ndim == 1 and (np.diff(table) > 0).all()
                if not sound or (len(table) and not 0 <= table[0] <= table[-1] < most):
                    raise ValueError(f"the attributes of {templates[0].text!r} are not in order")
                most = len(table)
            self.groups.append(_Group(tuple(templates), tables, self.n_columns))
            self.n_columns += len(tables[-1])

    def restricted(self, kept: NDArray[np.bool_]) -> LearnedTemplates:
        """These templates with some of the columns alone."""
        other = LearnedTemplates(self.templates, self.reach)
        other.vocabularies = self.vocabularies
        for group in self.groups:
            last = group.tables[-1]
            last = last[kept[group.start : group.start + len(last)]]
            tables = (*group.tables[:-1], last)
            other.groups.append(_Group(group.templates, tables, other.n_columns))
            other.n_columns += len(last)
        return other

    # ---- names

    def names(self) -> list[str]:
        """The attributes in the order of their columns."""
        values = {
            view: np.array([*vocabulary, *border_names(self.reach or 0)], dtype=object)
            for view, vocabulary in self.vocabularies.items()
        }
        found: list[str] = []
        for group in self.groups:
            template, keys = group.templates[0], group.tables[-1]
            texts: list[NDArray[np.object_]] = []
            for k in reversed(range(len(template.macros))):
                view = template.macros[k].view
                keys, codes = np.divmod(keys, self._base(view))
                keys = group.tables[k - 1][keys] if k > 0 else keys
                texts.append(values[view][codes])
            rows = zip(*texts[::-1], strict=True) if texts else [()] * len(keys)
            found += [template.name(row) for row in rows]
        return found


def _side_by_side(places: list[NDArray[np.int32]], n_tokens: int) -> NDArray[np.int32]:
    """Arrays (n_templates, n_tokens) of the groups as one array (n_tokens, n_templates)."""
    return np.concatenate([np.zeros((0, n_tokens), dtype=np.int32), *places]).T


def _grouped(templates: list[Template]) -> Iterable[list[Template]]:
    """Templates that share attributes together."""
    groups: dict[object, list[Template]] = {}
    for template in templates:
        groups.setdefault(template.skeleton, []).append(template)
    return groups.values()


def _place(keys: NDArray[np.int64], known: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each key is among the sorted known ones; -1 for others."""
    if not len(known):
        return np.full(len(keys), -1, dtype=np.int64)
    place = np.minimum(np.searchsorted(known, keys), len(known) - 1)
    return np.where(known[place] == keys, place, -1)


class HashedTemplates:
    """A column for each attribute from the hash of its texts: nothing is learned or kept.

    The hash depends on the strings alone, not on the process or the machine.
    """

    def __init__(self, templates: list[Template], reach: int | None, n_columns: int) -> None:
        self.templates = templates
        self.reach = reach
        self.n_columns = n_columns

    def learn(self, columns: Columns, min_count: int) -> NDArray[np.int32]:
        """As in `LearnedTemplates`, but there is nothing to learn."""
        return self.look_up(columns)

    def look_up(self, columns: Columns) -> NDArray[np.int32]:
        """The column of each token's attribute by each template; -1 for none."""
        outside = None
        if self.reach is not None:
            outside = np.array([_hash(name) for name in border_names(self.reach)], dtype=np.uint64)
        result = np.full((columns.n, len(self.templates)), -1, dtype=np.int32)
        hashes: dict[View, tuple[NDArray[np.uint64], NDArray[np.uint64]]] = {}
        for place, template in enumerate(self.templates):
            mixed = np.full(columns.n, _hash("\0".join(template.literals)), dtype=np.uint64)
            known = np.ones(columns.n, dtype=bool)
            for macro in template.macros:
                if macro.view not in hashes:
                    texts = [macro.view.of(text) for text in columns.distinct[macro.view.column]]
                    hashes[macro.view] = (
                        np.array([_hash(text or "") for text in texts], dtype=np.uint64),
                        np.array([text is not None for text in texts], dtype=np.uint64),
                    )
                values, present = hashes[macro.view]
                code, inside = columns.seen(macro, values, outside)
                ones = None if outside is None else np.ones_like(outside)
                there, _ = columns.seen(macro, present, ones)
                known &= (there != 0) & (inside | (outside is not None))
                mixed = _mix(mixed ^ code)
            if template.edge:
                known &= columns.first != np.arange(columns.n)
            column = (mixed % np.uint64(self.n_columns)).astype(np.int32)
            result[:, place] = np.where(known, column, -1)
        return result

    # ---- keeping, and names

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def restore(self, held: Mapping[str, NDArray[Any]]) -> None:
        """Nothing was learned."""

    def names(self) -> list[str]:
        return [f"hash{column}" for column in range(self.n_columns)]


def pack_texts(name: str, texts: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Strings as two arrays, `name`/text and `name`/ends."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    return {
        f"{name}/text": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        f"{name}/ends": np.cumsum([len(text) for text in encoded], dtype=np.int64),
    }


def unpack_texts(name: str, held: Mapping[str, NDArray[Any]]) -> list[str]:
    """The strings that `pack_texts` packed."""
    packed, places = held[f"{name}/text"], held[f"{name}/ends"]
    sound = (
        packed.dtype == np.uint8 and places.dtype == np.int64 and packed.ndim == places.ndim == 1
    )
    if not sound or (np.diff(places, prepend=0, append=len(packed)) < 0).any():
        raise ValueError(f"{name} holds no list of texts")
    text, ends = packed.tobytes(), places.tolist()
    starts = [0, *ends[:-1]] if ends else []
    return [
        text[start:stop].decode("utf-8", "surrogatepass")
        for start, stop in zip(starts, ends, strict=True)
    ]


def _hash(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little")


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spread 64 bits over each other, so that sums of hashes do not collide (SplitMix64)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * _MIX[0]
    values = (values ^ (values >> np.uint64(27))) * _MIX[1]
    return values ^ (values >> np.uint64(31))
