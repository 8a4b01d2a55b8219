"""The templates of arcs, siblings and grandparents that `ArcFeatures` comes with."""

from __future__ import annotations

import itertools

__all__ = ["TEMPLATES"]


def _pairs(heads: str, modifiers: str) -> list[str]:
    """All pairs of descriptions of head and modifier; descriptions are separated by commas."""
    return [
        " ".join([f"h.{a}" for a in head.split()] + [f"m.{b}" for b in modifier.split()])
        for head, modifier in itertools.product(heads.split(","), modifiers.split(","))
    ]


_OF_ONE = (
    "word,tag,word tag,lower,prefix,suffix,ending,shape tag,tag tag+1,tag-1 tag,tag-1 tag tag+1,"
    "word tag+1,word tag-1"
)

_ARCS = [
    *(f"{role}." + f" {role}.".join(one.split()) for role in "hm" for one in _OF_ONE.split(",")),
    "m.word m.word-1",
    "m.word m.word+1",
    "h.tag m.tag",
    "h.lower m.lower",
    *_pairs("tag", "lower,prefix,suffix,shape tag"),
    *_pairs("lower,prefix,suffix,shape tag", "tag"),
    *_pairs("suffix", "suffix"),
    *_pairs("prefix", "prefix"),
    *_pairs("shape tag", "shape tag"),
    # tags around both
    *_pairs("tag tag+1,tag-1 tag", "tag,tag-1 tag,tag tag+1"),
    *_pairs("tag", "tag-1 tag,tag tag+1,tag-1 tag tag+1"),
    *_pairs("tag-1 tag tag+1", "tag,tag-1 tag tag+1"),
    *_pairs("word", "tag tag+1,tag-1 tag"),
    *_pairs("tag tag+1,tag-1 tag", "word"),
    # what lies between
    "h.tag m.tag between.tag",
    "h.tag m.tag between.tags",
    "h.tag m.tag between.counts",
    "h.tag m.tag between.verbs",
    "h.tag m.tag between.punctuation",
    "h.tag m.word between.counts",
    "h.word m.tag between.counts",
]

_SIBLINGS = [
    "s.tag m.tag",
    "s.word m.tag",
    "s.tag m.word",
    "s.word m.word",
    "h.tag s.tag m.tag",
    "h.word s.tag m.tag",
    "h.tag s.word m.tag",
    "h.tag s.tag m.word",
]

_GRANDPARENTS = [
    "g.tag m.tag",
    "g.word m.tag",
    "g.tag m.word",
    "g.word m.word",
    "g.tag h.tag m.tag",
]

#: Those of arcs; then of siblings, which order 2 adds; then of grandparents, which order 3 adds.
TEMPLATES: tuple[str, ...] = (*_ARCS, *_SIBLINGS, *_GRANDPARENTS)
