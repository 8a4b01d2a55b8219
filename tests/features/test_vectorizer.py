"""SequenceVectorizer: attributes of tokens become columns."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.feature_extraction import DictVectorizer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from structsvm import ChainSVM
from structsvm.features import SequenceVectorizer


def sentences(n=30):
    rng = np.random.default_rng(0)
    X, y = [], []
    for _ in range(n):
        tags = rng.choice(["D", "N", "V"], size=rng.integers(1, 7))
        y.append(list(tags))
        X.append(
            [
                {
                    "word": f"{tag}{rng.integers(3)}",
                    "odd": bool(rng.integers(2)),
                    "size": float(rng.normal()),
                    "first": t == 0,
                }
                for t, tag in enumerate(tags)
            ]
        )
    return X, y


def test_dicts_become_what_dict_vectorizer_makes_of_them():
    X, _ = sentences()
    ours = SequenceVectorizer().fit(X)
    matrices = ours.transform(X)
    theirs = DictVectorizer().fit([token for sequence in X for token in sequence])
    assert ours.get_feature_names_out().tolist() == theirs.get_feature_names_out().tolist()
    for sequence, matrix in zip(X, matrices, strict=True):
        assert matrix.dtype == np.float64
        assert matrix.has_canonical_format
        np.testing.assert_array_equal(matrix.toarray(), theirs.transform(sequence).toarray())


def test_lists_of_strings_count_and_unknown_ones_are_ignored():
    vectorizer = SequenceVectorizer().fit([[["a", "b"], ["b", "b"], []], []])
    first, empty = vectorizer.transform([[["b", "a", "new"], ["b", "b"], []], []])
    np.testing.assert_array_equal(first.toarray(), [[1, 1], [0, 2], [0, 0]])
    assert empty.shape == (0, 2)
    mixed = vectorizer.transform([[{"a": 2.5, "b": False}, ("b",)]])[0]
    np.testing.assert_array_equal(mixed.toarray(), [[2.5, 0], [0, 1]])


def test_min_count_is_of_tokens_not_of_mentions():
    X = [[["a", "a"], ["b"], ["b"]]]
    assert list(SequenceVectorizer(min_count=2).fit(X).vocabulary_) == ["b"]
    with pytest.raises(ValueError, match="no attribute is on 3 or more tokens of X"):
        SequenceVectorizer(min_count=3).fit(X)


def test_it_goes_through_pipelines_searches_and_pickles():
    X, y = sentences()
    tagger = make_pipeline(SequenceVectorizer(), ChainSVM(tol=0.01, random_state=0))
    tagger.fit(X, y)
    assert tagger.score(X, y) == 1.0
    copy = pickle.loads(pickle.dumps(tagger))
    pairs = zip(copy.predict(X), tagger.predict(X), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    search = GridSearchCV(clone(tagger), {"sequencevectorizer__min_count": [1, 2]}, cv=2)
    assert search.fit(X, y).best_score_ > 0.9


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("text", "X is a str; expected a list of sequences of tokens"),
        (["text"], r"X\[0\] is a str; expected a list of tokens"),
        ([{"a": 1}], r"X\[0\] is a dict; expected a list of tokens"),
        ([["text"]], r"X\[0\]\[0\] is 'text'; expected a dict, or a list of str"),
        ([[["a"], 3]], r"X\[0\]\[1\] is 3; expected a dict"),
        ([[[3]]], r"X\[0\]\[0\] has the attribute 3; expected a str"),
        ([[{3: 1}]], r"X\[0\]\[0\] has the attribute 3; expected a str"),
        ([[{"a": np.nan}]], r"X\[0\]\[0\]\['a'\] is nan; expected a bool, a finite number, a str"),
        ([[{"a": [1]}]], r"X\[0\]\[0\]\['a'\] has the attribute 1; expected a str"),
        ([[{"a": None}]], r"X\[0\]\[0\]\['a'\] is None; expected a bool"),
        ([], "no attribute is on 1 or more tokens"),
    ],
)
def test_bad_input_is_named(X, message):
    with pytest.raises(ValueError, match=message):
        SequenceVectorizer().fit(X)


def test_min_count_is_checked():
    with pytest.raises(ValueError, match="min_count=0: expected an integer >= 1"):
        SequenceVectorizer(min_count=0).fit([[["a"]]])


NESTED = {
    "word": {
        "last": "dog",
        "size": 0.5,
        "ends": ["d", "do"],
        "deep": {"x": -0.5, "y": {"z": b"caf\xc3\xa9"}},
    },
    b"key": "text",
    "set": {"a", "b"},
    "vector": np.array([0.25, -2.0]),
    "flag": True,
    "off": False,
}


@pytest.mark.parametrize("separator", ["=", ":"])
def test_nested_values_are_named_by_their_way(separator):
    vectorizer = SequenceVectorizer(separator=separator).fit([[NESTED]])
    expected = {
        "word:last:dog": 1.0,
        "word:size": 0.5,
        "word:ends:d": 1.0,
        "word:ends:do": 1.0,
        "word:deep:x": -0.5,
        "word:deep:y:z:caf\u00e9": 1.0,
        "key:text": 1.0,
        "set:a": 1.0,
        "set:b": 1.0,
        "vector:0": 0.25,
        "vector:1": -2.0,
        "flag": 1.0,
        "off": 0.0,
    }
    names = [name.replace(separator, ":") for name in vectorizer.get_feature_names_out()]
    row = vectorizer.transform([[NESTED]])[0].toarray()[0]
    assert dict(zip(names, row, strict=True)) == expected
    again = vectorizer.transform([[[b"key" + separator.encode() + b"text"]]])[0].toarray()[0]
    assert again[names.index("key:text")] == again.sum() == 1.0


def test_what_holds_itself_or_is_no_value_is_refused():
    endless = {}
    endless["a"] = endless
    for token, message in (
        (endless, "is nested more than 50 deep"),
        ({"a": {"b": None}}, r"X\[0\]\[0\]\['a'\]\['b'\] is None; expected a bool"),
        ({"a": [1.0]}, r"X\[0\]\[0\]\['a'\] has the attribute 1.0; expected a str"),
        ({"a": np.array([1.0, np.nan])}, r"X\[0\]\[0\]\['a'\]\[1\] is nan"),
        ({"a": np.eye(2)}, r"\['a'\] is array"),
        ({"a": 10**400}, r"\['a'\] is 1000"),
        ({b"\xff": 1}, r"has the attribute b'\\xff', no UTF-8"),
        ({3: 1}, "has the attribute 3; expected a str"),
    ):
        with pytest.raises(ValueError, match=message):
            SequenceVectorizer().fit([[token]])
    with pytest.raises(ValueError, match="separator=None: expected a str"):
        SequenceVectorizer(separator=None).fit([[["a"]]])
