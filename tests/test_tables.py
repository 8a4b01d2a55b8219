"""Data frames and other tables as sentences."""

import math

import numpy as np
import pytest

from structsvm import SequenceTagger
from structsvm.columns import read_table

SENTENCES = [["the", "cat"], ["sleep"], ["a", "dog", "barks"]]
POS = [["D", "N"], ["V"], ["D", "N", "V"]]
PAIRS = [list(zip(*rows, strict=True)) for rows in zip(SENTENCES, POS, strict=True)]
TAGS = [["x", "y"], ["z"], ["x", "y", "z"]]


class Series:
    """A column of a frame: no list, but it makes one."""

    def __init__(self, values, method):
        setattr(self, method, lambda: list(values))


class Frame:
    """What pandas and polars have in common: columns by name, and an error of its own."""

    def __init__(self, columns, method):
        self.columns, self.shape = list(columns), (len(next(iter(columns.values()))), len(columns))
        self._held = {name: Series(values, method) for name, values in columns.items()}

    def __getitem__(self, name):
        if name not in self._held:
            raise RuntimeError(f"{name} not found")
        return self._held[name]


def flat(rows):
    return [value for row in rows for value in row]


def token_columns(**more):
    numbers = flat([[i] * len(row) for i, row in enumerate(SENTENCES)])
    return {"n": numbers, "word": flat(SENTENCES), "pos": flat(POS), "tag": flat(TAGS)} | more


KINDS = {
    "dict": lambda columns: columns,
    "pandas": lambda columns: Frame(columns, "tolist"),
    "polars": lambda columns: Frame(columns, "to_list"),
    "structured array": lambda columns: np.rec.fromarrays(
        list(columns.values()), names=list(columns)
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_that_are_tokens(kind):
    table = KINDS[kind](token_columns())
    assert read_table(table, "word", "tag", sentence="n") == (SENTENCES, TAGS)
    X, y = read_table(table, ["word", "pos"], sentence=["n"])
    assert X == PAIRS
    assert y == []
    with pytest.raises(ValueError, match="the table has no column 'text'"):
        read_table(table, "text", sentence="n")


@pytest.mark.parametrize("kind", ["dict", "pandas", "polars"])
def test_rows_that_are_sentences(kind):
    columns = {"words": SENTENCES, "pos": [np.array(row) for row in POS], "tag": TAGS}
    X, y = read_table(KINDS[kind](columns), ["words", "pos"], "tag")
    assert X == PAIRS
    assert y == TAGS
    assert read_table({"words": []}, "words") == ([], [])
    tagger = SequenceTagger(random_state=0).fit(X, y)
    assert tagger.score(X, y) == 1.0


def test_sentences_named_on_their_first_row_alone():
    names = ["s1", math.nan, "s2", "s3", None, math.nan]
    table = token_columns(n=names, tag=["x", None, "z", "x", math.nan, "z"])
    X, y = read_table(table, "word", "tag", sentence="n")
    assert X == SENTENCES
    assert y == [["x", None], ["z"], ["x", None, "z"]]


def test_sentences_named_by_several_columns():
    table = token_columns(document=[0, 0, 0, 1, 1, 1], number=[0, 0, 1, 0, 0, 0])
    assert read_table(table, "word", sentence=["document", "number"])[0] == SENTENCES
    with pytest.raises(ValueError, match=r"row 3 is of the sentence 0, whose rows began at 0 and"):
        read_table(table, "word", sentence="number")


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({}, {}, "column 'word', row 0 is 'the', expected a list of tokens; if a row is a token"),
        ({"n": [1]}, {"sentence": "n"}, "columns differ in length: 'n' has 1, 'word' has 6"),
        ({"word": ["a", None] * 3}, {"sentence": "n"}, "column 'word', row 1: the token is missin"),
        ({"n": [None] * 6}, {"sentence": "n"}, "row 0 has no sentence: n is missing"),
        ({"word": [["a", None]], "tag": [["x", "y"]]}, {}, "row 0, token 1: the token is missing"),
        ({"word": [["a"]], "tag": [["x", "y"]]}, {}, "differ in length in row 0: 'word' has 1, 't"),
        ({"word": 3}, {}, "column 'word' is a int, expected a list"),
    ],
)
def test_what_is_wrong_is_named(columns, options, message):
    with pytest.raises(ValueError, match=message):
        read_table(token_columns(**columns), "word", "tag", **options)


def test_tokens_need_a_column():
    with pytest.raises(ValueError, match="tokens is empty"):
        read_table(token_columns(), [], sentence="n")
