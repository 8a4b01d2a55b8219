"""Tokens described by attributes, as packages for conditional random fields take them."""

from __future__ import annotations

import copy
import numbers
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from structsvm.data.sequences import PackedSequences
from structsvm.data.sparse import lean
from structsvm.data.state import State
from structsvm.features._attributes import count_attributes
from structsvm.features.encoding import pack_texts
from structsvm.features.fitted import FittedAttributes
from structsvm.features.tokens import check_sequences, token_kinds

__all__ = ["SequenceVectorizer", "attributes_of"]

# Whatever is deeper holds itself.
_DEEPEST = 50


class SequenceVectorizer(TransformerMixin, FittedAttributes, BaseEstimator):  # type: ignore[misc]
    """One column for each attribute that tokens of sequences have.

    A sequence is a list of tokens, and a token is

    - a list, tuple or set of str: these attributes have the value 1; or
    - a dict from str to values. A number is the attribute's value, True is 1 and False 0, and a str
      makes an attribute of its own, "name=value", with the value 1. A list or set of str makes one
      for each of its items, a dict one for each of its own, named "name=key" or "name=key=value",
      to any depth, and an array of numbers one for each, "name=0", "name=1", ...

    Bytes are text in UTF-8. This is the input of common packages for conditional random fields.

    Parameters
    ----------
    min_count : int, default=1
        Attributes seen on fewer tokens are left out.
    separator : str, default="="
        What joins names and values. With ":" attributes are called as in python-crfsuite.

    Attributes
    ----------
    vocabulary_ : dict from str to int
        The column of each attribute; columns are in sorted order. Made when it is asked for.
    n_features_out_ : int
    token_kinds_ : list of str
        The kinds of tokens `fit` saw: "list", "dict", or "tuple", which is read as a list.

    Notes
    -----
    Attributes that `fit` did not see are ignored by `transform`. A `SequenceTagger` refuses
    tokens of a kind that `fit` did not see. An attribute listed twice counts twice. Time is
    O(attributes of all tokens).

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from structsvm import ChainSVM
    >>> from structsvm.features import SequenceVectorizer
    >>> X = [[{"word": "the"}, {"word": "cat", "title": False}], [["word=the"], ["word=dog"]]]
    >>> y = [["DET", "NOUN"], ["DET", "NOUN"]]
    >>> tagger = make_pipeline(SequenceVectorizer(), ChainSVM(random_state=0)).fit(X, y)
    >>> tagger.predict([[{"word": "the"}, {"word": "cow"}]])
    [array(['DET', 'NOUN'], dtype='<U4')]
    >>> tagger[0].get_feature_names_out()
    array(['title', 'word=cat', 'word=dog', 'word=the'], dtype=object)
    """

    def fit(self, X: Sequence[Any], y: Any = None) -> Self:
        """Learn the attributes of the tokens in X.

        Parameters
        ----------
        X : list of lists of tokens
        y : ignored
        """
        if not isinstance(self.min_count, numbers.Integral) or self.min_count < 1:
            raise ValueError(f"min_count={self.min_count!r}: expected an integer >= 1")
        self._check_separator()
        X = check_sequences(X)
        counts = count_attributes(X, self._attributes)
        names = sorted(name for name, count in counts.items() if count >= self.min_count)
        if not names:
            raise ValueError(
                f"no attribute is on {self.min_count} or more tokens of X: nothing to learn from"
            )
        packed = pack_texts("names", names)
        self._take_table(packed["names/text"], packed["names/ends"])
        self.token_kinds_ = sorted(token_kinds(X))
        return self

    def fit_transform(self, X: Sequence[Any], y: Any = None) -> PackedSequences:
        """``fit(X).transform(X)``."""
        X = check_sequences(X)
        return self.fit(X).transform(X)

    def transform(self, X: Sequence[Any]) -> PackedSequences:
        """The rows of all tokens.

        Parameters
        ----------
        X : list of lists of tokens

        Returns
        -------
        rows : PackedSequences
            With `n_features_out_` features; item i holds the rows of sequence i.
        """
        check_is_fitted(self)
        X = check_sequences(X)
        columns, values, row_start, offsets = self.table.rows(X, self.separator, self._attributes)
        shape = (len(row_start) - 1, self.n_features_out_)
        rows = sp.csr_array((values, columns, row_start), shape=shape)
        rows.sum_duplicates()
        rows.data = lean(rows.data)
        return PackedSequences(rows, offsets)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """The attributes, by column.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        names : ndarray of str objects
        """
        check_is_fitted(self)
        return np.array(self.table.names(), dtype=np.object_)

    @property
    def vocabulary_(self) -> dict[str, int]:
        check_is_fitted(self)
        return {name: column for column, name in enumerate(self.table.names())}

    def to_state(self) -> State:
        """What `fit` learned, as arrays by name."""
        check_is_fitted(self)
        kinds = self.token_kinds_
        known = {} if kinds is None else pack_texts("kinds", kinds)
        return {"names/text": self.table.text, "names/ends": self.table.ends} | known

    def keeps(self) -> NDArray[np.bool_]:
        """The columns that cannot be left out: none."""
        return np.zeros(self.n_features_out_, dtype=bool)

    def restricted(self, kept: NDArray[np.bool_]) -> Self:
        """One that was fitted likewise, with these columns alone.

        Parameters
        ----------
        kept : bool ndarray of shape (n_features_out,)

        Returns
        -------
        features : SequenceVectorizer
        """
        names = self.table.names()
        packed = pack_texts("names", [names[column] for column in np.flatnonzero(kept)])
        other = copy.copy(self)
        other._take_table(packed["names/text"], packed["names/ends"])
        return other

    def _attributes(self, token: Any, i: int, t: int) -> Iterator[tuple[str, float]]:
        return attributes_of(token, f"X[{i}][{t}]", self.separator)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags


def attributes_of(
    token: Any, where: str, separator: str, depth: int = 0
) -> Iterator[tuple[str, float]]:
    """Names and values of a token's attributes; see `SequenceVectorizer`.

    Parameters
    ----------
    token : dict, or collection of str
    where : str
        What errors call the token.
    separator : str

    Raises
    ------
    ValueError
        For what is neither, or holds a value that is none of an attribute.
    """
    if isinstance(token, Mapping):
        for key, value in token.items():
            name = key if type(key) is str else _text(key, where)
            kind = type(value)
            if kind is str:
                yield f"{name}{separator}{value}", 1.0
            elif kind is bool or kind is float or kind is int:
                yield name, _number(value, where, key)
            elif isinstance(value, (str, bytes)):
                yield f"{name}{separator}{_text(value, where)}", 1.0
            elif isinstance(value, (list, tuple, dict, Set, Mapping)):
                if depth == _DEEPEST:
                    raise ValueError(f"{where} is nested more than {_DEEPEST} deep")
                place = f"{where}[{key!r}]"
                for inner, number in attributes_of(value, place, separator, depth + 1):
                    yield f"{name}{separator}{inner}", number
            elif isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype.kind in "biuf":
                for k, number in enumerate(value.tolist()):
                    yield f"{name}{separator}{k}", _number(number, where, key, k)
            else:
                yield name, _number(value, where, key)
        return
    if isinstance(token, (str, bytes)) or not hasattr(token, "__len__"):
        raise ValueError(
            f"{where} is {token!r}; expected a dict, or a list of str, of the token's attributes"
        )
    for name in token:
        yield name if type(name) is str else _text(name, where), 1.0


def _text(value: Any, where: str) -> str:
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ValueError(f"{where} has the attribute {value!r}, no UTF-8: {error}") from None
    if isinstance(value, str):
        return str(value)
    raise ValueError(f"{where} has the attribute {value!r}; expected a str")


def _number(value: Any, where: str, *keys: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = float("nan")
    if not -np.inf < number < np.inf:
        place = where + "".join(f"[{key!r}]" for key in keys)
        raise ValueError(
            f"{place} is {value!r}; expected a bool, a finite number, a str, or a dict, list or "
            "set of these"
        )
    return number
