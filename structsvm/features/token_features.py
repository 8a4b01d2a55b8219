"""TokenFeatures: attributes of tokens by templates."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from structsvm.data.packing import binary_rows
from structsvm.data.sequences import PackedSequences
from structsvm.data.state import State
from structsvm.features.encoding import Columns, LearnedTemplates, pack_texts
from structsvm.features.fitted import ENCODED, FittedTemplates, columns_read, with_words
from structsvm.features.tokens import check_kinds, check_sequences, token_kinds

__all__ = ["TokenFeatures"]

_BEGIN, _END = "__BOS__", "__EOS__"


class TokenFeatures(TransformerMixin, FittedTemplates, BaseEstimator):  # type: ignore[misc]
    """Attributes of tokens by templates: words and tags in windows, pairs, prefixes, shapes.

    Strings are numbered first, and templates work on the numbers of a whole column at a time. That
    takes a fraction of the time of making attributes as strings.

    Parameters
    ----------
    templates : {"chunk", "words"} or list of str, default="chunk"
        A set of `structsvm.features.templates.BUILT_IN` ("chunk" needs words and tags, "words" only
        words), or lines such as ``"U01:%x[-1,0]/%x[0,0|lower]"``, written out in
        `structsvm.features.templates`; `read_templates` reads a file of them. Lines with "B" make
        edge features: transitions that depend on the tokens.
    outside : {"drop", "mark"}, default="drop"
        What a template gives where it looks beyond an end of the sentence. "drop": nothing, but the
        first and the last token get the attributes "__BOS__" and "__EOS__". "mark": the values
        "_B-1", "_B-2", ... and "_E+1", ..., as in CRF++.
    min_count : int, default=1
        Attributes with fewer occurrences in training are left out.
    n_hashed : int, default=None
        How many columns to use; the hash of an attribute gives its column. Nothing is learned, new
        words count, and memory is bounded. But columns have no names, and attributes that collide
        are added. Needs ``min_count=1``.
    fields : list of str, default=("form", "upos")
        The fields that are the columns of tokens that are mappings, such as those of the conllu
        package.

    Attributes
    ----------
    n_features_out_, n_edge_features_out_ : int
        Columns of positions and of edges.
    n_columns_read_ : int
        How many columns the templates look at, up to the last one.
    n_columns_in_ : int
        How many columns the tokens had that `fit` saw.
    token_kinds_ : list of str
        The kinds of tokens it saw: "list", "dict", or "tuple" (words too).

    Notes
    -----
    A sentence is a list of tokens; a token is a str (its only column), a list or tuple of str, one
    for each column, or a mapping. `transform` takes tokens of the kinds that `fit` saw, with as
    many columns, or with the first `n_columns_read_` alone. Time is
    O(tokens * templates * log(attributes)).

    Examples
    --------
    >>> from structsvm.features import TokenFeatures
    >>> X = [[("The", "DT"), ("cat", "NN")], [("A", "DT"), ("dog", "NN")]]
    >>> features = TokenFeatures(["U0:%x[0,0|lower]", "U1:%x[-1,1]/%x[0,1]"]).fit(X)
    >>> features.get_feature_names_out().tolist()
    ['U0:the', 'U0:cat', 'U0:a', 'U0:dog', 'U1:DT/NN', '__BOS__', '__EOS__']
    >>> features.transform([[("the", "DT"), ("dog", "NN")]])[0].toarray()
    array([[1., 0., 0., 0., 0., 1., 0.],
           [0., 0., 0., 1., 1., 0., 1.]])
    """

    def fit(self, X: Sequence[Any], y: Any = None) -> Self:
        """Learn the attributes of the tokens in X.

        Parameters
        ----------
        X : list of sentences
        y : ignored
        """
        self.fit_transform(X)
        return self

    def fit_transform(self, X: Sequence[Any], y: Any = None) -> PackedSequences:
        """``fit(X).transform(X)``, which reads X once."""
        encoders = self._make_encoders()
        X = check_sequences(X)
        sentences = self._sentences(X)
        columns = self._columns(sentences, encoders)
        width = self._width(sentences)
        places = [encoder.learn(columns, int(self.min_count)) for encoder in encoders]
        if not encoders[0].n_columns:
            raise ValueError(
                f"no attribute occurs {self.min_count} times in X: nothing to learn from"
            )
        self._keep(encoders)
        kinds = {"tuple" if kind == "word" else kind for kind in token_kinds(X)}
        self.token_kinds_, self.n_columns_in_ = sorted(kinds), width
        return self._packed(columns, places)

    def transform(self, X: Sequence[Any]) -> PackedSequences:
        """The rows of all tokens.

        Parameters
        ----------
        X : list of sentences

        Returns
        -------
        rows : PackedSequences
            With `n_features_out_` features, and edges if there are "B" templates.
        """
        check_is_fitted(self)
        X = check_sequences(X)
        sentences = self._sentences(X)
        check_kinds(X, with_words(self.token_kinds_))
        columns = self._columns(sentences, self._encoders)
        if self.n_columns_in_ is not None:
            self._width(sentences, (self.n_columns_in_, self.n_columns_read_))
        return self._packed(columns, [encoder.look_up(columns) for encoder in self._encoders])

    def keeps(self) -> NDArray[np.bool_]:
        """The columns of positions that cannot be left out."""
        check_is_fitted(self)
        fixed = np.full(self.n_features_out_, not isinstance(self._encoders[0], LearnedTemplates))
        if self.outside == "drop":
            fixed[-2:] = True
        return fixed

    def restricted(self, kept: NDArray[np.bool_]) -> Self:
        """One that was fitted likewise, with these columns of positions alone.

        Parameters
        ----------
        kept : bool ndarray of shape (n_features_out,)

        Returns
        -------
        features : TokenFeatures
        """
        states, edges = self._encoders
        other, kinds, width = copy.copy(self), self.token_kinds_, self.n_columns_in_
        if isinstance(states, LearnedTemplates):
            states = states.restricted(kept[: states.n_columns])
        other._keep((states, edges))
        other.token_kinds_, other.n_columns_in_ = kinds, width
        return other

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """The attributes of positions, by column; numbered where they are hashed.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        names : ndarray of str objects
        """
        check_is_fitted(self)
        borders = [_BEGIN, _END] if self.outside == "drop" else []
        return np.array([*self._encoders[0].names(), *borders], dtype=np.object_)

    def get_edge_feature_names_out(self) -> NDArray[np.object_]:
        """The attributes of edges, by column."""
        check_is_fitted(self)
        names = self._encoders[1].names() if self.n_edge_features_out_ else []
        return np.array(names, dtype=np.object_)

    # ---- keeping

    def to_state(self) -> State:
        """What `fit` learned, as arrays by name."""
        check_is_fitted(self)
        held = {
            f"{kind}/{name}": array
            for kind, encoder in zip(ENCODED, self._encoders, strict=True)
            for name, array in encoder.arrays().items()
        }
        if self.token_kinds_ is not None:
            held |= pack_texts("kinds", self.token_kinds_)
        if self.n_columns_in_ is not None:
            held["n_columns_in"] = np.array(self.n_columns_in_)
        return held

    # ---- from tokens to columns of strings

    @staticmethod
    def _width(sentences: list[list[Any]], allowed: tuple[int, ...] = ()) -> int | None:
        """How many columns all tokens have; refused if it is none of the `allowed`, if any."""
        widths = set(map(len, itertools.chain.from_iterable(sentences)))
        if len(widths) < 2 and (not allowed or widths <= set(allowed)):
            return next(iter(widths), None)
        expected, where = allowed[0] if allowed else None, "as in fit"
        if not allowed or len(widths & set(allowed)) == len(widths):
            i = next(i for i, sentence in enumerate(sentences) if len(sentence))
            expected, where = len(sentences[i][0]), f"as X[{i}] has"
        i, t, token = next(
            (i, t, token)
            for i, sentence in enumerate(sentences)
            for t, token in enumerate(sentence)
            if len(token) != expected
        )
        raise ValueError(
            f"X[{i}][{t}] is {token!r} of {len(token)} columns, expected {expected} {where}; if "
            "these are attributes, they go with SequenceVectorizer"
        )

    def _columns(self, sentences: list[list[Any]], encoders: tuple[Any, Any]) -> Columns:
        lengths = np.array([len(sentence) for sentence in sentences], dtype=np.int64)
        used = sorted(columns_read(encoders))
        columns = {}
        for column in used:
            try:
                columns[column] = [token[column] for sentence in sentences for token in sentence]
            except IndexError:
                raise self._too_few(sentences, column) from None
        try:
            result = Columns(columns, lengths)
        except TypeError:  # a value that is not even hashable
            result = None
        if result is None or any(
            not isinstance(value, str) for values in result.distinct.values() for value in values
        ):
            raise _no_str(sentences, used)
        return result

    def _sentences(self, X: list[Any]) -> list[list[Any]]:
        return [self._sentence(i, sentence) for i, sentence in enumerate(X)]

    def _sentence(self, i: int, sentence: Any) -> list[Any]:
        """The tokens as tuples or lists of columns."""
        tokens = list(sentence)
        kinds = set(map(type, tokens))
        if kinds <= {tuple, list}:
            return tokens
        for t, token in enumerate(tokens):
            if isinstance(token, str):
                tokens[t] = (str(token),)
            elif isinstance(token, Mapping):
                try:
                    tokens[t] = tuple(token[field] for field in self.fields)
                except KeyError as error:
                    raise ValueError(
                        f"X[{i}][{t}] has no field {error}; it has {', '.join(map(str, token))}. "
                        "Set fields= to those that the templates count"
                    ) from None
            elif not isinstance(token, (tuple, list)):
                raise ValueError(
                    f"X[{i}][{t}] is {token!r}; expected a str, a tuple of str or a mapping"
                )
        return tokens

    @staticmethod
    def _too_few(sentences: list[list[Any]], column: int) -> ValueError:
        i, t = next(
            (i, t)
            for i, sentence in enumerate(sentences)
            for t, token in enumerate(sentence)
            if len(token) <= column
        )
        return ValueError(
            f"X[{i}][{t}] is {sentences[i][t]!r}: the templates use column {column}, counted from "
            f"0, but it has {len(sentences[i][t])}"
        )

    # ---- from columns of strings to rows

    def _packed(self, columns: Columns, places: list[NDArray[np.int32]]) -> PackedSequences:
        states, edges = places
        if self.outside == "drop":
            at, n = np.arange(columns.n), self.n_features_out_
            first = np.where(at == columns.first, n - 2, -1).astype(np.int32)
            last = np.where(at == columns.stop - 1, n - 1, -1).astype(np.int32)
            states = np.concatenate([states.T, first[None], last[None]]).T
        # Nothing else is to hold the places of states, which take as much memory as the rows.
        places.clear()
        held = [states]
        del states
        return PackedSequences(
            _indicators(held, self.n_features_out_),
            columns.offsets,
            _indicators([edges], self.n_edge_features_out_) if self.n_edge_features_out_ else None,
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "n_features_out_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags


def _indicators(held: list[NDArray[np.int32]], n_columns: int) -> sp.csr_array:
    """Rows with a 1 at each place that is no -1; the places are taken from the list."""
    places = held.pop()
    n, there = len(places), places >= 0
    starts = np.concatenate([[0], np.cumsum(there.sum(axis=1))])
    if starts[-1] < 2**31:
        starts = starts.astype(np.int32)  # else columns would be widened, too
    columns = places[there]
    del places, there
    return binary_rows(columns, starts, (n, n_columns))


def _no_str(sentences: list[list[Any]], used: list[int]) -> ValueError:
    for (i, sentence), column in itertools.product(enumerate(sentences), used):
        for t, token in enumerate(sentence):
            if not isinstance(token[column], str):
                return ValueError(f"X[{i}][{t}][{column}] is {token[column]!r}; columns hold str")
    raise AssertionError("every column holds str")
