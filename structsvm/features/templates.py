"""Templates of token features: which columns of which neighbours make an attribute together.

A template is a line such as ``U07:%x[-1,0]/%x[0,0|lower]``. It begins with "U" (its attributes
describe one position) or "B" (a position and the one before). In its text ``%x[offset,column]``
stands for the value of a column, counted from 0, of the token `offset` places away. `TRANSFORMS`
after a bar change the value, one after the other. The attribute's name is the line with the values
filled in, so two lines that should not share attributes need different text. A line "B" alone asks
for plain transitions, which chains have anyway. "#" begins a comment line.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "BUILT_IN",
    "TRANSFORMS",
    "Macro",
    "Template",
    "View",
    "parse_templates",
    "read_templates",
]

_MACRO = re.compile(r"%x\[([^\]]*)\]")
_INSIDE = re.compile(r"\s*([+-]?\d{1,3})\s*,\s*(\d{1,3})\s*((?:\|\s*[a-z]+\d*\s*)*)")
_RUNS = re.compile(r"(.)\1+")
_DIGIT = re.compile(r"\d")


def _shape(text: str) -> str:
    """Letters as X or x, digits as d, runs as one: "McDonald-20" is "XxXx-d"."""
    kinds = (
        "X" if c.isupper() else "x" if c.isalpha() else "d" if c.isdigit() else c for c in text
    )
    return _RUNS.sub(r"\1", "".join(kinds))


#: By name: functions of a value and the number behind the name. None: there is no attribute.
TRANSFORMS: dict[str, Callable[[str, int], str | None]] = {
    "lower": lambda text, _: text.lower(),
    "digits": lambda text, _: _DIGIT.sub("0", text),
    "shape": lambda text, _: _shape(text),
    "prefix": lambda text, n: text[:n] if len(text) >= n else None,
    "suffix": lambda text, n: text[-n:] if len(text) >= n else None,
}
_WITH_NUMBER = ("prefix", "suffix")


class View(NamedTuple):
    """A column as a template sees it."""

    column: int
    transforms: tuple[tuple[str, int], ...]

    def of(self, value: str) -> str | None:
        result: str | None = value
        for name, number in self.transforms:
            if result is not None:
                result = TRANSFORMS[name](result, number)
        return result


class Macro(NamedTuple):
    """What a ``%x[...]`` stands for."""

    offset: int
    view: View


@dataclasses.dataclass(frozen=True)
class Template:
    """One line, taken apart: `literals` stand before, between and behind the macros' values."""

    text: str
    edge: bool
    literals: tuple[str, ...]
    macros: tuple[Macro, ...]

    @property
    def skeleton(self) -> tuple[object, ...]:
        """What decides names: templates that agree in it share attributes."""
        return self.edge, self.literals, tuple(macro.view for macro in self.macros)

    def name(self, values: Iterable[str]) -> str:
        pairs = zip(self.literals[1:], values, strict=True)
        return self.literals[0] + "".join(value + literal for literal, value in pairs)


def parse_templates(lines: Iterable[str], file: str | None = None) -> list[Template]:
    """The templates in these lines, without comments, empty lines and "B" alone.

    Parameters
    ----------
    lines : iterable of str
    file : str, default=None
        Where they are from, for errors.

    Raises
    ------
    ValueError
        Naming the line that makes no sense, or if there is no template.
    """
    templates = []
    start = "" if file is None else f"{file}: "
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, str):
            raise ValueError(f"template {number} is {line!r}, expected a str")
        text = line.strip()
        if not text or text.startswith("#") or text == "B":
            continue
        try:
            templates.append(_parse(text))
        except ValueError as error:
            line_number = f" (line {number})" if file is not None else ""
            raise ValueError(f"{start}template {number}, {text!r}: {error}{line_number}") from None
    if not any(not template.edge for template in templates):
        raise ValueError(
            f"{start}there is no template that begins with U: nothing describes a position"
        )
    return templates


def _parse(text: str) -> Template:
    if text[0] not in "UB":
        raise ValueError("it must begin with U (of a position) or B (of a pair of neighbours)")
    literals, macros, end = [], [], 0
    for match in _MACRO.finditer(text):
        literals.append(text[end : match.start()])
        macros.append(_macro(match))
        end = match.end()
    literals.append(text[end:])
    if stray := next((text for text in literals if "%" in text), None):
        raise ValueError(f"{stray[stray.index('%') :]!r} is no macro; expected %x[offset,column]")
    return Template(text, text[0] == "B", tuple(literals), tuple(macros))


def _macro(match: re.Match[str]) -> Macro:
    inside = _INSIDE.fullmatch(match[1])
    if inside is None:
        raise ValueError(
            f"{match[0]} is not understood; expected %x[offset,column] or "
            "%x[offset,column|transform]"
        )
    return Macro(int(inside[1]), View(int(inside[2]), _transforms(inside[3])))


def _transforms(text: str) -> tuple[tuple[str, int], ...]:
    found = []
    for transform in map(str.strip, text.split("|")[1:]):
        name = transform.rstrip("0123456789")
        digits = transform[len(name) :]
        if name not in TRANSFORMS or bool(digits) != (name in _WITH_NUMBER):
            known = ", ".join(f"{n}<number>" if n in _WITH_NUMBER else n for n in TRANSFORMS)
            raise ValueError(f"unknown transform {transform!r}: expected one of {known}")
        if digits and not 0 < int(digits) < 100:
            raise ValueError(f"{transform!r}: expected a number between 1 and 99")
        found.append((name, int(digits or 0)))
    return tuple(found)


def read_templates(path: str | os.PathLike[str]) -> list[str]:
    """The lines of a template file, for ``TokenFeatures(templates=...)``.

    Parameters
    ----------
    path : path-like
        UTF-8 text in the format of `structsvm.features.templates`, which is that of CRF++.

    Raises
    ------
    ValueError
        Naming file and line: no UTF-8, or a line that makes no sense.
    """
    name = os.fspath(path)
    lines = []
    for number, line in enumerate(Path(path).read_bytes().splitlines(), start=1):
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{name}: line {number} is no utf-8 text, byte {line[error.start]:#04x} at place "
                f"{error.start} is the first that is none; convert the file"
            ) from None
        lines.append(text.lstrip("\ufeff"))
    parse_templates(lines, name)
    return lines


def _window(name: str, column: str, offsets: Iterable[int]) -> list[str]:
    return [f"U{name}[{o}]=%x[{o},{column}]" for o in offsets]


def _grams(name: str, column: int, size: int, offsets: Iterable[int]) -> list[str]:
    """Neighbours together, from each of these offsets on."""
    lines = []
    for o in offsets:
        places = range(o, o + size)
        head = "|".join(f"{name}[{place}]" for place in places)
        lines.append(f"U{head}=" + "|".join(f"%x[{place},{column}]" for place in places))
    return lines


#: Sets of templates by name. "chunk": words and tags in columns 0 and 1, in windows of five, with
#: pairs and triples; the set that packages for conditional random fields show with their chunking
#: examples. "words": the word in column 0, its shape, beginnings, ends and neighbours.
BUILT_IN: dict[str, tuple[str, ...]] = {
    "chunk": (
        *_window("w", "0", (-2, -1, 0, 1, 2)),
        *_grams("w", 0, 2, (-1, 0)),
        *_window("pos", "1", (-2, -1, 0, 1, 2)),
        *_grams("pos", 1, 2, (-2, -1, 0, 1)),
        *_grams("pos", 1, 3, (-2, -1, 0)),
    ),
    "words": (
        "Uw=%x[0,0]",
        "Ulower=%x[0,0|lower|digits]",
        "Ushape=%x[0,0|shape]",
        *(f"Up{n}=%x[0,0|lower|digits|prefix{n}]" for n in (1, 2, 3, 4)),
        *(f"Us{n}=%x[0,0|lower|digits|suffix{n}]" for n in (1, 2, 3, 4)),
        *_window("lower", "0|lower|digits", (-2, -1, 1, 2)),
        *_window("shape", "0|shape", (-1, 1)),
        *_window("s3", "0|lower|digits|suffix3", (-1, 1)),
        "Ulower[-1]|lower[0]=%x[-1,0|lower|digits]|%x[0,0|lower|digits]",
        "Ulower[0]|lower[1]=%x[0,0|lower|digits]|%x[1,0|lower|digits]",
    ),
}
