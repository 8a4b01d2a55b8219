"""ArcFeatures: templates of what describes the arcs of dependency trees."""

from __future__ import annotations

import itertools
import numbers
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from structsvm.data.state import State
from structsvm.exceptions import ModelFileError
from structsvm.features._token_hashes import (
    MARGIN,
    tag_hash,
    token_rows,
    word_attributes,
    word_hash,
)
from structsvm.features.arc_templates import TEMPLATES
from structsvm.features.tokens import check_sequences

__all__ = ["ArcFeatures", "TokenRows"]

_ATTRIBUTES = ("word", "tag", "lower", "prefix", "suffix", "ending", "shape")
_ROLES = ("h", "m", "s", "g", "between")
_CONTEXTS = ("", "tags", "counts", "verbs", "punctuation", "conjunctions")
_ATOM = re.compile(r"([hmsg])\.([a-z]+)([+-][0-9]+)?")

# Groups of templates by who takes part, in the order of ``ssvm_tree_features``; "around": h and m,
# and what lies between.
_GROUPS = ("h", "m", "hm", "around", "ms", "hms", "mg", "hmg")

# Kinds of tags, as bits, and how tag sets name them.
_KINDS = ("verbs", "punctuation", "conjunctions")
_VERBS = re.compile("V.*|AUX.*|MD")
_CONJUNCTIONS = re.compile(".*CONJ.*|CC|CS|KON|KOU.|C")

_OUTSIDE = ("<before>", "<root>", "<behind>")


class TokenRows(NamedTuple):
    """Sentences as rows of hashed attributes, for compiled features."""

    rows: NDArray[np.uint64]  #: with margins, see `TreeBlock`
    kinds: NDArray[np.uint8]  #: bits: verb, punctuation, conjunction
    lengths: NDArray[np.int64]


class ArcFeatures(BaseEstimator):  # type: ignore[misc]
    """Features of the parts of dependency trees by templates, hashed to a table of fixed size.

    A template names what it looks at, such as ``"h.tag m.word m.tag-1"``: the tag of the head, the
    word of the modifier, the tag before the modifier. Each value of it, with the direction of the
    arc, and with direction and distance, is a feature. The hash of a value gives its place.

    - Tokens: ``h`` the head, ``m`` the modifier; ``s`` the next sibling of m on the way to h (order
      2), ``g`` the head of h (order 3). ``s`` or ``g`` come with ``m``, or with ``h`` and ``m``.
    - Attributes: ``word``, ``tag``, ``lower`` (the word in small letters), ``prefix`` (its first
      four letters), ``suffix`` (its last three), ``ending`` (its last two), and ``shape`` (whether
      it has capitals, digits, hyphens, letters). ``+1``, ``-2`` and so on, to 3: those of
      neighbours. Words seen fewer than `min_count` times are known by their shape alone.
    - Between h and m, in templates of both: ``between.tag``, each tag that occurs there;
      ``between.tags``, the set of them; ``between.verbs``, ``between.punctuation``,
      ``between.conjunctions``, how many; ``between.counts``, these three numbers together.

    Parameters
    ----------
    templates : "default" or list of str, default="default"
        "default" is `structsvm.features.arc_templates.TEMPLATES`.
    n_bits : int, default=18
        There are ``2 ** n_bits`` lines of 16 weights, 1 to 26. A template has a line for each of
        its values, and values that share a line share weights. 18 take 32 MiB a weight vector.
    min_count : int, default=2
        Words with fewer occurrences in training count as unknown.
    verbs, punctuation, conjunctions : list of str, default=None
        The tags that count as such. None: those whose names begin with "V" or "AUX", or are "MD";
        those whose words mostly have neither letters nor digits; and those with "CONJ" in their
        names, or named "CC", "CS", "KON" and the like.
    fields : tuple of two str, default=("form", "upos")
        Word and tag in tokens that are mappings or objects.

    Attributes
    ----------
    verbs_, punctuation_, conjunctions_ : list of str
    known_ : uint64 ndarray
        Hashes of the known words, ascending.

    Notes
    -----
    A sentence is a list of tokens: tuples of a word, a tag, and whatever else; or mappings or
    objects with `fields`, such as those of the conllu package, whose multi-word ranges and empty
    nodes are left out. Time is O(tokens) here; scores of arcs take O(n^2 templates) a sentence of n
    tokens, those of siblings and grandparents O(n^3 templates).

    References
    ----------
    R. McDonald, K. Crammer, F. Pereira (2005). Online large-margin training of dependency parsers.
    ACL. doi:10.3115/1219840.1219852

    Examples
    --------
    >>> from structsvm.features import ArcFeatures
    >>> X = [[("the", "DET"), ("cat", "NOUN"), ("sleeps", "VERB"), (".", "PUNCT")]]
    >>> features = ArcFeatures(["h.tag m.tag", "h.word m.tag between.verbs"]).fit(X)
    >>> features.verbs_, features.punctuation_
    (['VERB'], ['PUNCT'])
    >>> features.transform(X).lengths.tolist()
    [4]
    """

    known_: NDArray[np.uint64]

    def __init__(
        self,
        templates: str | Sequence[str] = "default",
        *,
        n_bits: int = 18,
        min_count: int = 2,
        verbs: Sequence[str] | None = None,
        punctuation: Sequence[str] | None = None,
        conjunctions: Sequence[str] | None = None,
        fields: Sequence[str] = ("form", "upos"),
    ) -> None:
        self.templates = templates
        self.n_bits = n_bits
        self.min_count = min_count
        self.verbs = verbs
        self.punctuation = punctuation
        self.conjunctions = conjunctions
        self.fields = fields

    def fit(self, X: Sequence[Any], y: Any = None) -> Self:
        """Learn the known words, and what tags are verbs, punctuation and conjunctions.

        Parameters
        ----------
        X : list of sentences
        y : ignored
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Sequence[Any], y: Any = None) -> TokenRows:
        """``fit(X).transform(X)``, which reads X once.

        Parameters
        ----------
        X : sequence of sentences
            Of tokens: (word, tag), or mappings or objects with `fields`.
        y : ignored

        Returns
        -------
        rows : TokenRows
        """
        self.compiled()
        if not isinstance(self.min_count, numbers.Integral) or self.min_count < 1:
            raise ValueError(f"min_count={self.min_count!r}: expected an integer >= 1")
        words, tags, lengths = self.read(X)
        counts = Counter(words)
        known = [word_hash(word) for word, n in counts.items() if n >= self.min_count]
        self.known_ = np.unique(np.array(known, dtype=np.uint64))
        of_tags, marks = Counter(tags), Counter[str]()
        for (word, tag), n in Counter(zip(words, tags, strict=True)).items():
            if not any(letter.isalnum() for letter in word):
                marks[tag] += n
        names = sorted(of_tags)
        found = {
            "verbs": [tag for tag in names if _VERBS.fullmatch(tag.upper())],
            "punctuation": [tag for tag in names if 2 * marks[tag] > of_tags[tag]],
            "conjunctions": [tag for tag in names if _CONJUNCTIONS.fullmatch(tag.upper())],
        }
        for kind in _KINDS:
            given = getattr(self, kind)
            if isinstance(given, str):
                raise ValueError(f"{kind}={given!r}: expected a list of tags, or None")
            setattr(self, f"{kind}_", found[kind] if given is None else list(given))
        return self._rows(words, tags, lengths)

    def transform(self, X: Sequence[Any]) -> TokenRows:
        """Sentences as rows of attributes.

        Parameters
        ----------
        X : sequence of sentences
            As for `fit`.

        Returns
        -------
        rows : TokenRows
        """
        return self._rows(*self.read(X))

    def _rows(self, words: list[str], tags: list[str], lengths: NDArray[np.int64]) -> TokenRows:
        word_of, distinct = _numbered(words)
        tag_of, tag_names = _numbered(tags)
        attributes = np.empty((len(distinct) + len(_OUTSIDE), len(_ATTRIBUTES)), dtype=np.uint64)
        word_attributes([*distinct, *_OUTSIDE], set(self.known_.tolist()), attributes)
        for k, name in enumerate(_OUTSIDE, len(distinct)):
            attributes[k] = attributes[k, 2]  # they are no words
            attributes[k, 1] = tag_hash(name)
        bits = [(set(getattr(self, f"{kind}_")), 1 << b) for b, kind in enumerate(_KINDS)]
        kinds = [sum(bit for some, bit in bits if tag in some) for tag in tag_names]
        hashes = np.array([tag_hash(str(tag)) for tag in tag_names], dtype=np.uint64)
        offsets = np.append(0, np.cumsum(lengths)).astype(np.int64)
        rows, of_rows = token_rows(
            attributes, hashes, np.array(kinds, dtype=np.uint8), word_of, tag_of, offsets
        )
        return TokenRows(rows, of_rows, lengths)

    def read(self, X: Sequence[Any]) -> tuple[list[str], list[str], NDArray[np.int64]]:
        """The words and tags of all sentences, one after the other, and their lengths.

        Parameters
        ----------
        X : sequence of sentences
            As for `fit`.

        Returns
        -------
        words, tags : list of str
        lengths : int64 ndarray of shape (n_sentences,)

        Raises
        ------
        ValueError
            Naming the token, if it has no word or no tag, or they are no strings.
        """
        words: list[str] = []
        tags: list[str] = []
        lengths = []
        for i, sentence in enumerate(check_sequences(X)):
            tokens = [token for token in sentence if not _is_extra(token)]
            for t, token in enumerate(tokens):
                word, tag = self._word_and_tag(i, t, token)
                words.append(word)
                tags.append(tag)
            lengths.append(len(tokens))
        return words, tags, np.array(lengths, dtype=np.int64)

    def _word_and_tag(self, i: int, t: int, token: Any) -> tuple[str, str]:
        kind = type(token)
        if (kind is tuple or kind is list) and len(token) >= 2:
            word, tag = token[0], token[1]
        elif isinstance(token, Mapping):
            word, tag = (token.get(field) for field in self.fields)
        else:
            word, tag = (getattr(token, field, None) for field in self.fields)
        if isinstance(word, str) and isinstance(tag, str):
            return word, tag
        names = " and ".join(repr(field) for field in self.fields)
        raise ValueError(
            f"X[{i}][{t}] is {token!r}; expected a tuple of a word and a tag, both str, or a "
            f"mapping or an object with {names}"
        )

    def compiled(self) -> list[tuple[NDArray[Any], ...]]:
        """The templates as arrays, as `TreeBlock` takes them."""
        if isinstance(self.n_bits, bool) or not (
            isinstance(self.n_bits, numbers.Integral) and 1 <= self.n_bits <= 26
        ):
            raise ValueError(f"n_bits={self.n_bits!r}: expected an integer from 1 to 26")
        templates = TEMPLATES if self.templates == "default" else self.templates
        if isinstance(templates, str):
            raise ValueError(f"templates={templates!r}: expected 'default' or a list of templates")
        groups: dict[str, list[_Template]] = {name: [] for name in _GROUPS}
        for template in map(_parse, dict.fromkeys(templates)):
            groups[template.group].append(template)
        return [_arrays(some) for some in groups.values()]

    def to_state(self) -> State:
        """Known words and kinds of tags."""
        kinds = {kind: np.array(getattr(self, f"{kind}_"), dtype=str) for kind in _KINDS}
        return {"known": self.known_, **kinds}

    def from_state(self, state: State) -> Self:
        """Restore what `to_state` gave.

        Parameters
        ----------
        state : dict of str to ndarray
            What `to_state` returned.

        Returns
        -------
        self
        """
        self.known_ = state["known"]
        if self.known_.dtype != np.uint64 or self.known_.ndim != 1:
            raise ModelFileError("the known words are no hashes")
        for kind in _KINDS:
            setattr(self, f"{kind}_", state[kind].tolist())
        return self


# ---- templates


class _Template(NamedTuple):
    text: str
    group: str
    atoms: list[list[tuple[int, str]]]  #: of each role: place in the rows, and its name
    context: int


def _parse(text: str) -> _Template:
    if not isinstance(text, str):
        raise ValueError(f"template {text!r} is no str")
    atoms: list[list[tuple[int, str]]] = [[] for _ in _ROLES]
    context = 0
    for atom in text.split():
        told = atom.removeprefix("between.")
        if atom == "between.tag":
            atoms[_ROLES.index("between")].append((_ATTRIBUTES.index("tag"), "tag"))
        elif told != atom and told in _CONTEXTS[1:]:
            if context:
                raise _wrong(text, f"{atom!r} is a second number of what lies between")
            context = _CONTEXTS.index(told)
        elif (match := _ATOM.fullmatch(atom)) and match[2] in _ATTRIBUTES:
            offset = int(match[3] or 0)
            if abs(offset) > MARGIN:
                raise _wrong(text, f"{atom!r} is more than {MARGIN} tokens away")
            place = offset * len(_ATTRIBUTES) + _ATTRIBUTES.index(match[2])
            atoms[_ROLES.index(match[1])].append((place, f"{match[2]}{offset}"))
        else:
            raise _wrong(text, f"{atom!r} is none of its words, such as 'h.tag', 'm.word+1'")
    roles = "".join(role for role, some in zip(_ROLES[:4], atoms, strict=False) if some)
    around = bool(context or atoms[_ROLES.index("between")])
    if roles not in _GROUPS or (around and roles != "hm"):
        raise _wrong(
            text,
            f"it looks at {' and '.join(roles) or 'no token'}"
            + (" and between" if around else "")
            + "; expected h, m, h and m (with or without between), or s or g with m or with both",
        )
    return _Template(text, "around" if around else roles, atoms, context)


def _wrong(text: str, why: str) -> ValueError:
    return ValueError(f"template {text!r}: {why}; see ArcFeatures")


def _arrays(templates: Sequence[_Template]) -> tuple[NDArray[Any], ...]:
    """What `TreeBlock` takes of the templates of a group."""
    sizes, places, factors, salts = [0], [], [], []
    for template in templates:
        for role, some in zip(_ROLES, template.atoms, strict=True):
            sizes.append(len(some))
            salts.append(tag_hash(f"{role} of {template.text}"))
            places += [place for place, _ in some]
            factors += [word_hash(name) | 1 for _, name in some]
    return (
        np.cumsum(sizes, dtype=np.int64).astype(np.int32),
        np.array(places, dtype=np.int32),
        np.array(factors, dtype=np.uint64),
        np.array(salts, dtype=np.uint64),
        np.array([template.context for template in templates], dtype=np.int32),
    )


def _numbered(texts: Iterable[str]) -> tuple[NDArray[np.int32], list[str]]:
    """The number of each text, and the distinct texts."""
    numbers_of: dict[str, int] = {}
    count = itertools.count()
    found = [
        numbers_of[text] if text in numbers_of else numbers_of.setdefault(text, next(count))
        for text in texts
    ]
    return np.array(found, dtype=np.int32), list(numbers_of)


def _is_extra(token: Any) -> bool:
    """Whether it is a multi-word range or an empty node of the conllu package."""
    return isinstance(token, Mapping) and isinstance(token.get("id"), tuple)
