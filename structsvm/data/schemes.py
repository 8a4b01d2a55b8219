"""Tagging schemes: how tags such as "B-NP", "I-NP" and "O" mark spans."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any, NamedTuple

__all__ = ["SCHEMES", "Scheme", "Span", "convert_tags", "scheme_named", "span_tags", "spans"]

#: A span: its type, its first position, and the position after its last.
Span = tuple[str, int, int]

_SUFFIX = "-suffix"


class Scheme(NamedTuple):
    """What the letters of tags mean, in terms of B, I, E, S and O."""

    name: str
    letters: dict[str, str]  #: the letter of a tag, and what it means
    closed: bool = False  #: whether spans end by E or S
    lenient: bool = False  #: whether spans are read as the CoNLL evaluation does
    suffix: bool = False  #: whether the letter comes last, as in "NP-B"

    def split(self, t: int, tag: Any) -> tuple[str, str]:
        """What tag number `t` means, and its type.

        Raises
        ------
        ValueError
            If it is no tag of the scheme.
        """
        if not isinstance(tag, str):
            example = "'NP-B'" if self.suffix else "'B-NP'"
            raise ValueError(f"tag {t} is {tag!r}, expected a str such as {example} or 'O'")
        if self.suffix:
            kind, _, letter = tag.rpartition("-")
        else:
            letter, _, kind = tag.partition("-")
        if letter not in self.letters or (letter == "O" and tag != "O"):
            expected = ", ".join(self.letters)
            place = "suffixes" if self.suffix else "prefixes"
            raise ValueError(f"tag {t} is {tag!r}; scheme {self.name!r} has the {place} {expected}")
        return self.letters[letter], kind

    def join(self, meaning: str, kind: str) -> str:
        """The tag of a type; the reverse of `split`."""
        if meaning == "O":
            return "O"
        letter = next(letter for letter, means in self.letters.items() if means == meaning)
        if not kind:
            return letter
        return f"{kind}-{letter}" if self.suffix else f"{letter}-{kind}"

    def with_meaning(self, tag: str, meaning: str) -> str:
        """A tag of a span with another letter, and the rest as it is."""
        letter = next(letter for letter, means in self.letters.items() if means == meaning)
        return tag[:-1] + letter if self.suffix else letter + tag[1:]

    def of_span(self, length: int) -> list[str]:
        """What the tags of a span mean."""
        if not self.closed:
            return ["B", *"I" * (length - 1)]
        return ["S"] if length == 1 else ["B", *"I" * (length - 2), "E"]


def _letters(letters: str, meanings: str | None = None) -> dict[str, str]:
    return dict(zip(letters, meanings or letters, strict=True))


_PLAIN = (
    Scheme("conll", _letters("BIESLUO", "BIESESO"), lenient=True),
    Scheme("iob1", _letters("BIO"), lenient=True),
    Scheme("iob2", _letters("BIO")),
    Scheme("iobes", _letters("BIESO"), closed=True),
    Scheme("bilou", _letters("BILUO", "BIESO"), closed=True),
)

#: By name; with "-suffix" the letter comes last.
SCHEMES = {scheme.name: scheme for scheme in _PLAIN} | {
    scheme.name + _SUFFIX: scheme._replace(name=scheme.name + _SUFFIX, suffix=True)
    for scheme in _PLAIN
}


def scheme_named(name: Any) -> Scheme:
    """The scheme of this name.

    Raises
    ------
    ValueError
        If there is none.
    """
    found = SCHEMES.get(name) if isinstance(name, str) else None
    if found is None:
        names = ", ".join(repr(scheme.name) for scheme in _PLAIN)
        raise ValueError(
            f"unknown scheme {name!r}: expected one of {names}, or one of these with {_SUFFIX!r}, "
            "whose tags end in their letter"
        )
    return found


def spans(tags: Iterable[str], scheme: str = "conll") -> list[Span]:
    """The spans that a sequence of tags marks, in order.

    Parameters
    ----------
    tags : iterable of str
        "O", or a prefix, a hyphen and a type. Prefixes alone mark spans of the type "".
    scheme : {"conll", "iob1", "iob2", "iobes", "bilou"}, default="conll"
        "conll" reads any of IOB1, IOB2, IOBES and BILOU as the CoNLL evaluation does: a span begins
        at B, S and U, and wherever a type begins or changes; a stray I, E or L begins one too.
        "iob1" reads B, I and O so. The others count well-formed spans only: B I* in "iob2"; S or
        B I* E in "iobes"; U or B I* L in "bilou", which is also called BILUO. With "-suffix" behind
        the name the letter comes last, as in "NP-B".

    Returns
    -------
    spans : list of (type, start, stop)

    Raises
    ------
    ValueError
        For a tag that is no str, or whose prefix is not one of the scheme.

    Examples
    --------
    >>> from structsvm.metrics import spans
    >>> spans(["B-NP", "I-NP", "O", "I-VP", "I-NP"])
    [('NP', 0, 2), ('VP', 3, 4), ('NP', 4, 5)]
    >>> spans(["B-NP", "I-NP", "O", "I-VP", "I-NP"], scheme="iob2")
    [('NP', 0, 2)]
    >>> spans(["PER-B", "PER-L", "O", "LOC-U"], scheme="bilou-suffix")
    [('PER', 0, 2), ('LOC', 3, 4)]
    """
    known = scheme_named(scheme)
    split = [known.split(t, tag) for t, tag in enumerate(tags)]
    return _lenient(split) if known.lenient else _strict(split, closed=known.closed)


def _lenient(split: list[tuple[str, str]]) -> list[Span]:
    found: list[Span] = []
    start, before, kind_before = None, "O", ""
    for t, (prefix, kind) in enumerate([*split, ("O", "")]):
        same = prefix != "O" and kind == kind_before
        goes_on = same and before in "BI" and prefix in "IE"
        if start is not None and not goes_on:
            found.append((kind_before, start, t))
            start = None
        if prefix != "O" and start is None:
            start = t
        before, kind_before = prefix, kind
    return found


def _strict(split: list[tuple[str, str]], closed: bool) -> list[Span]:
    found: list[Span] = []
    start, kind_open = None, ""
    for t, (prefix, kind) in enumerate([*split, ("O", "")]):
        if start is not None and not (prefix in "IE" and kind == kind_open):
            if not closed:
                found.append((kind_open, start, t))
            start = None
        if prefix == "S":
            found.append((kind, t, t + 1))
        elif prefix == "B":
            start, kind_open = t, kind
        elif prefix == "E" and start is not None:
            found.append((kind, start, t + 1))
            start = None
    return found


def span_tags(spans: Iterable[Span], length: int, scheme: str = "iob2") -> list[str]:
    """The tags that mark these spans.

    Parameters
    ----------
    spans : iterable of (type, start, stop)
        As `structsvm.metrics.spans` gives them, in any order, without overlap.
    length : int
        The number of positions.
    scheme : {"iob1", "iob2", "iobes", "bilou"}, default="iob2"
        See `structsvm.metrics.spans`. "iob1" has B only where a span follows one of its type.

    Raises
    ------
    ValueError
        For spans that overlap or do not fit.

    Examples
    --------
    >>> from structsvm.metrics import span_tags
    >>> span_tags([("NP", 0, 2), ("NP", 2, 3)], 4, "bilou")
    ['B-NP', 'L-NP', 'U-NP', 'O']
    """
    known = scheme_named(scheme)
    if known.name.startswith("conll"):
        raise ValueError(f"scheme={scheme!r} only reads: write one of its schemes, such as 'iob2'")
    tags, last, kind_before = ["O"] * length, 0, None
    for kind, start, stop in sorted(spans, key=lambda span: span[1]):
        if not 0 <= start < stop <= length:
            raise ValueError(f"span {(kind, start, stop)!r} does not fit into {length} positions")
        if start < last:
            raise ValueError(f"span {(kind, start, stop)!r} overlaps the one before it")
        meanings = known.of_span(stop - start)
        if known.name.startswith("iob1") and not (start == last and kind == kind_before):
            meanings[0] = "I"
        tags[start:stop] = [known.join(meaning, kind) for meaning in meanings]
        last, kind_before = stop, kind
    return tags


def convert_tags(tags: Iterable[Any], to: str, scheme: str = "conll") -> list[Any]:
    """Tags of the same spans in another scheme.

    Parameters
    ----------
    tags : iterable of str
        None marks void positions, which stay and cut the sequence.
    to : {"iob1", "iob2", "iobes", "bilou"}
        The scheme to write, see `span_tags`; "-suffix" may follow.
    scheme : str, default="conll"
        The scheme to read, see `structsvm.metrics.spans`; tags in no well-formed span of a strict
        scheme become "O".

    Examples
    --------
    >>> from structsvm.metrics import convert_tags
    >>> convert_tags(["B-PER", "I-PER", "O", "B-LOC"], "bilou")
    ['B-PER', 'L-PER', 'O', 'U-LOC']
    >>> convert_tags(["PER-B", None, "PER-I"], "iob2", scheme="iob2-suffix")
    ['B-PER', None, 'O']
    """
    if isinstance(tags, (str, bytes)) or not isinstance(tags, Iterable):
        raise ValueError(f"tags is {tags!r}; expected a list of str")
    out: list[Any] = []
    for void, piece in itertools.groupby(tags, key=lambda tag: tag is None):
        part = list(piece)
        out += part if void else span_tags(spans(part, scheme), len(part), to)
    return out
