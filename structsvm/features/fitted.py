"""What features hold once they are fitted, and what makes the columns of one sentence of it.

This needs nothing of scikit-learn: taggers that are loaded label sentences by it alone.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from structsvm.data.state import State
from structsvm.features._attributes import KINDS, AttributeTable
from structsvm.features._words import WordTemplates
from structsvm.features.encoding import HashedTemplates, LearnedTemplates, unpack_texts
from structsvm.features.templates import BUILT_IN, Template, parse_templates

__all__ = [
    "ENCODED",
    "TOKEN_KINDS",
    "FittedAttributes",
    "FittedTemplates",
    "columns_read",
    "with_words",
]

#: The kinds of tokens there are; a list is any other collection.
TOKEN_KINDS = ("word", "tuple", "list", "dict")
#: What templates are of.
ENCODED = ("states", "edges")


class FittedAttributes:
    """The state of a `SequenceVectorizer`, given its parameters."""

    separator: str
    n_features_out_: int
    token_kinds_: list[str] | None
    table: AttributeTable

    def __init__(self, *, min_count: int = 1, separator: str = "=") -> None:
        self.min_count = min_count
        self.separator = separator

    def from_state(self, held: State) -> Self:
        """Take what `to_state` gave, of an object with the same parameters; returns self."""
        self._check_separator()
        self._take_table(held["names/text"], held["names/ends"])
        # Files of version 0.1 do not tell.
        self.token_kinds_ = _kinds_of_file(held) if "kinds/text" in held else None
        return self

    def compiled(self) -> tuple[AttributeTable, int, str]:
        """What makes the columns of one sentence in one call: the table, the kinds of tokens that
        `fit` saw, as bits, and the separator."""
        kinds = KINDS if self.token_kinds_ is None else self.token_kinds_
        return self.table, sum(KINDS[kind] for kind in kinds if kind in KINDS), self.separator

    def _check_separator(self) -> None:
        if not isinstance(self.separator, str):
            raise ValueError(f"separator={self.separator!r}: expected a str")

    def _take_table(self, text: NDArray[np.uint8], ends: NDArray[np.int64]) -> None:
        self.table = AttributeTable(text, ends)
        self.n_features_out_ = len(ends)


class FittedTemplates:
    """The state of a `TokenFeatures`, given its parameters."""

    token_kinds_: list[str] | None
    n_columns_in_: int | None

    def __init__(
        self,
        templates: str | Sequence[str] = "chunk",
        *,
        outside: str = "drop",
        min_count: int = 1,
        n_hashed: int | None = None,
        fields: Sequence[str] = ("form", "upos"),
    ) -> None:
        self.templates = templates
        self.outside = outside
        self.min_count = min_count
        self.n_hashed = n_hashed
        self.fields = fields

    def from_state(self, held: State) -> Self:
        """Take what `to_state` gave, of an object with the same parameters; returns self."""
        encoders = self._make_encoders()
        for kind, encoder in zip(ENCODED, encoders, strict=True):
            start = f"{kind}/"
            encoder.restore(
                {k.removeprefix(start): v for k, v in held.items() if k.startswith(start)}
            )
        self._keep(encoders)
        if "kinds/text" in held:
            self.token_kinds_ = _kinds_of_file(held)
        if "n_columns_in" in held:
            self.n_columns_in_ = int(held["n_columns_in"])
        return self

    def compiled(self) -> WordTemplates | None:
        """What makes the columns of one sentence in one call; None if nothing does."""
        states, edges = self._encoders
        if not isinstance(states, LearnedTemplates) or edges.templates or not states.vocabularies:
            return None
        lines, columns, views = states.in_lines()
        widths = () if self.n_columns_in_ is None else (self.n_columns_in_, self.n_columns_read_)
        kinds = with_words(self.token_kinds_) or ("word", "tuple", "list")
        borders = (-1, -1)
        if self.outside == "drop":
            borders = (self.n_features_out_ - 2, self.n_features_out_ - 1)
        reach = -1 if states.reach is None else states.reach
        return WordTemplates(lines, columns, views, widths, kinds, reach, *borders)

    def _make_encoders(self) -> tuple[Any, Any]:
        """Of positions, and of edges."""
        templates = self._checked()
        reach = None
        if self.outside == "mark":
            offsets = [abs(macro.offset) for t in templates for macro in t.macros]
            reach = max(offsets, default=0)
        states = [template for template in templates if not template.edge]
        edges = [template for template in templates if template.edge]
        if self.n_hashed is None:
            return LearnedTemplates(states, reach), LearnedTemplates(edges, reach)
        n = int(self.n_hashed)
        return HashedTemplates(states, reach, n), HashedTemplates(edges, reach, n)

    def _keep(self, encoders: tuple[Any, Any]) -> None:
        """Store the encoders: this object is then fitted."""
        self._encoders = states, edges = encoders
        self.n_columns_read_ = _n_read(encoders)
        self.token_kinds_ = None  # files of version 0.1 do not tell
        self.n_columns_in_ = None
        self.n_features_out_ = states.n_columns + 2 * (self.outside == "drop")
        self.n_edge_features_out_ = edges.n_columns if edges.templates else 0

    def _checked(self) -> list[Template]:
        if self.outside not in ("drop", "mark"):
            raise ValueError(f"outside={self.outside!r}: expected one of 'drop', 'mark'")
        for name, value in (("min_count", self.min_count), ("n_hashed", self.n_hashed)):
            if value is None and name == "n_hashed":
                continue
            if not isinstance(value, numbers.Integral) or not 1 <= int(value) < 2**31 - 2:
                raise ValueError(f"{name}={value!r}: expected an integer from 1 to 2**31 - 3")
        if self.n_hashed is not None and self.min_count != 1:
            raise ValueError("n_hashed counts nothing, so it goes with min_count=1 only")
        if isinstance(self.templates, str):
            if self.templates not in BUILT_IN:
                names = ", ".join(repr(name) for name in BUILT_IN)
                raise ValueError(
                    f"templates={self.templates!r}: expected one of {names} or a list of lines; "
                    "read_templates(path) reads them from a file"
                )
            return parse_templates(BUILT_IN[self.templates])
        return parse_templates(self.templates)


def with_words(kinds: list[str] | None) -> list[str] | None:
    """A word is a tuple of one column."""
    return [*kinds, "word"] if kinds and "tuple" in kinds else kinds


def _n_read(encoders: tuple[Any, Any]) -> int:
    """How many columns the templates look at, up to the last one."""
    return max(columns_read(encoders), default=0) + 1


def columns_read(encoders: tuple[Any, Any]) -> set[int]:
    """The columns of tokens that templates look at."""
    return {
        macro.view.column
        for encoder in encoders
        for template in encoder.templates
        for macro in template.macros
    }


def _kinds_of_file(held: State) -> list[str]:
    """The kinds of tokens that a file tells."""
    kinds = unpack_texts("kinds", held)
    if not set(kinds) <= set(TOKEN_KINDS):
        raise ValueError(f"the kinds of tokens are {kinds}, expected some of {list(TOKEN_KINDS)}")
    return kinds
