"""Sentences of attributes labelled in one compiled call: the same as by packed rows."""

import pickle
import threading

import numpy as np
import pytest
from sklearn.base import clone

from structsvm import SequenceTagger, load
from structsvm.features import SequenceVectorizer, TokenFeatures
from structsvm.features._attributes import AttributeTable
from structsvm.features.encoding import pack_texts

NAMES = [
    "",
    "a",
    "ab",
    "abc",
    "abcdefgh",
    "abcdefghi",
    "é",
    "größe=\x00",
    "\udc80",
    "x" * 40,
    "\x00",
]
NAMES += [f"w={k}" for k in range(300)]


def table_of(names):
    packed = pack_texts("names", names)
    return AttributeTable(packed["names/text"], packed["names/ends"])


def by_rows(tagger, X):
    """The labels by the general way."""
    return [row.tolist() for row in tagger.predict(tagger.features_.transform(X))]


def sentences(rng, kind, n=25, longest=9):
    X = []
    for _ in range(n):
        sentence = []
        for _ in range(rng.integers(longest)):
            chosen = [NAMES[k] for k in rng.integers(len(NAMES), size=rng.integers(6))]
            if kind == "list":
                token = chosen + chosen[:1] * int(rng.integers(3))
            elif kind == "tuple":
                token = tuple(chosen)
            else:
                values = (True, False, 1.5, -2.0, "x", "größe", 0.0)
                token = {name: values[rng.integers(7)] for name in chosen}
            sentence.append(token)
        X.append(sentence)
    return X


def fitted(kind, n_labels=4, seed=0, **params):
    rng = np.random.default_rng(seed)
    X = sentences(rng, kind)
    names = np.array([f"L{k}" for k in range(n_labels)])
    y = [names[rng.integers(n_labels, size=len(x))].tolist() for x in X]
    y[-1], X[-1] = names.tolist(), [X[0][0] if X[0] else X[1][0]] * n_labels
    tagger = SequenceTagger(
        SequenceVectorizer(), C=1.0, random_state=0, solver="perceptron", **params
    )
    return tagger.fit(X, y), sentences(rng, kind, 60)


@pytest.mark.parametrize("kind", ["list", "tuple", "dict"])
@pytest.mark.parametrize("n_labels", [2, 3, 9, 17, 40])
def test_labels_are_those_of_rows(kind, n_labels):
    tagger, X = fitted(kind, n_labels)
    want = by_rows(tagger, X)
    assert tagger._compiled() is not None
    found = tagger.predict(X)
    assert [row.tolist() for row in found] == want
    assert {row.dtype for row in found} == {tagger.classes_.dtype}
    assert [tagger.tag(x) for x in X] == want
    assert [tagger.tag(tuple(x)) for x in X] == want
    assert len({label for row in want for label in row}) > 1


def test_scores_are_the_same_to_the_bit():
    """Weights at which rounding decides: sums in another order would choose other labels."""
    tagger, X = fitted("list", 3)
    rng = np.random.default_rng(1)
    n = 3 * len(tagger.features_.table)
    for _ in range(20):
        tagger.coef_[:n] = rng.choice([0.1, 0.2, 0.3, -0.3, 0.7], size=n)
        tagger.coef_[n:] = rng.choice([0.1, 0.2, 0.3], size=len(tagger.coef_) - n)
        assert [tagger.tag(x) for x in X] == by_rows(tagger, X)


def test_it_goes_with_the_fit():
    tagger, X = fitted("list")
    assert [tagger.tag(x) for x in X] == by_rows(tagger, X)
    tagger.coef_[:] *= -1  # weights are read as they are
    assert [tagger.tag(x) for x in X] == by_rows(tagger, X)
    other, _ = fitted("list", 6, seed=3)
    before = tagger.predict(X[:9])
    tagger.__dict__.update(vars(other))
    assert [tagger.tag(x) for x in X] == by_rows(tagger, X) == by_rows(other, X)
    assert [row.tolist() for row in before] != by_rows(tagger, X[:9])
    copy = pickle.loads(pickle.dumps(tagger))
    assert [copy.tag(x) for x in X] == by_rows(tagger, X)
    assert clone(tagger).get_params().keys() == tagger.get_params().keys()
    y = [["L0" if t % 2 else "L1" for t in range(len(x))] for x in X]
    tagger.fit(X, y)
    assert [tagger.tag(x) for x in X] == by_rows(tagger, X)
    assert set(tagger.classes_) == {"L0", "L1"}


def test_constraints_hold():
    rng = np.random.default_rng(0)
    X = sentences(rng, "list", 40)
    y = [[("B-x", "I-x", "O")[min(t % 4, 2)] for t in range(len(x))] for x in X]
    tagger = SequenceTagger(
        SequenceVectorizer(), C=1.0, constraints="iob2", random_state=0, solver="perceptron"
    ).fit(X, y)
    rng.shuffle(tagger.coef_)
    new = sentences(rng, "list", 60)
    want = by_rows(tagger, new)
    assert [tagger.tag(x) for x in new] == want
    free = clone(tagger).set_params(constraints=None).fit(X, y)
    free.coef_[:] = tagger.coef_
    assert [free.tag(x) for x in new] != want


@pytest.mark.parametrize("params", [{"order": 2}, {"n_jobs": 2}])
def test_other_models_go_the_general_way(params):
    tagger, X = fitted("list", **params)
    assert [tagger.tag(x) for x in X] == by_rows(tagger, X)
    assert [row.tolist() for row in tagger.predict(X)] == by_rows(tagger, X)


def test_tokens_of_other_kinds_are_read_or_refused_as_ever():
    tagger, _ = fitted("list")
    assert tagger.tag([["a"], {"a", "ab"}]) == by_rows(tagger, [[["a"], ["a", "ab"]]])[0]
    assert tagger.tag([[b"a"], ["ab"]]) == by_rows(tagger, [[["a"], ["ab"]]])[0]
    assert tagger.tag(iter([["a"], ["ab"]])) == tagger.tag([["a"], ["ab"]])
    assert tagger.tag([]) == []
    assert tagger.predict([]) == []
    for bad, message in (
        ([["a"], [1]], r"X\[0\]\[1\] has the attribute 1; expected a str"),
        ([["a"], {"a": 1.0}], r"X\[0\]\[1\] is .*, a dict, but the tokens that fit saw are lists"),
        ([["a"], ("a",)], r"X\[0\]\[1\] is .*, a tuple, but the tokens that fit saw are lists"),
        (["a"], r"X\[0\]\[0\] is 'a', a word, but"),
        ("ab", r"X\[0\] is a str; expected a list of tokens"),
        (None, r"X\[0\] is a NoneType"),
    ):
        with pytest.raises(ValueError, match=message):
            tagger.tag(bad)
        with pytest.raises(ValueError, match=message.replace(r"\[0\]", r"\[1\]", 1)):
            tagger.predict([[["a"]], bad])
    tagger, _ = fitted("dict")
    nested = [{"a": {"b": "c"}, "w": [1]}]
    with pytest.raises(ValueError, match=r"has the attribute 1; expected a str"):
        tagger.tag(nested)
    for value in (float("nan"), float("inf"), None, 10**400):
        with pytest.raises(
            ValueError, match=r"X\[0\]\[0\]\['a'\] is .*; expected a bool, a finite"
        ):
            tagger.tag([{"a": value}])
    assert tagger.tag([{"a": 3}]) == tagger.tag([{"a": 3.0}]) == tagger.tag([{"a": np.float32(3)}])


def test_weights_of_another_kind_go_the_general_way():
    tagger, X = fitted("list")
    want = by_rows(tagger, X)
    assert tagger._compiled() is not None
    tagger.coef_ = tagger.coef_.astype(np.float32).astype(np.float64)[::-1][::-1]
    assert [tagger.tag(x) for x in X] == by_rows(tagger, X)
    assert len(want) == len(X)


def test_threads_have_rooms_of_their_own():
    tagger, X = fitted("list", 9)
    want, found = by_rows(tagger, X), {}

    def work(k):
        found[k] = [[tagger.tag(x) for x in X] for _ in range(20)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(run == want for runs in found.values() for run in runs)


def test_saved_and_loaded(tmp_path):
    tagger, X = fitted("dict")
    tagger.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert [again.tag(x) for x in X] == [tagger.tag(x) for x in X]
    assert again.features_.vocabulary_ == tagger.features_.vocabulary_


# ---- the table


def test_the_table_is_exact():
    table = table_of(NAMES)
    assert len(table) == len(NAMES)
    assert table.names() == NAMES
    strangers = [
        "b",
        "abcdefg",
        "abcdefghij",
        "x" * 39,
        "x" * 41,
        "w=300",
        "a\x00",
        "\x00\x00",
        "É",
    ]

    def refused(token, i, t):
        yield from ((name, 1.0) for name in token)

    columns, values, starts, offsets = table.rows(
        [[[name] for name in NAMES], [[name] for name in strangers]], "=", refused
    )
    np.testing.assert_array_equal(columns, np.arange(len(NAMES)))
    assert (values == 1.0).all()
    assert starts.tolist() == [*range(len(NAMES)), *[len(NAMES)] * (len(strangers) + 1)]
    assert offsets.tolist() == [0, len(NAMES), len(NAMES) + len(strangers)]
    again = pickle.loads(pickle.dumps(table))
    assert again.names() == NAMES
    assert table_of([]).names() == []
    with pytest.raises(ValueError, match=r"read-only|assignment"):
        table.text[0] = 1


def test_large_tables_find_every_name():
    names = [f"word[{k % 7}]={k:x}" for k in range(50_000)]
    table = table_of(names)
    columns = table.rows(
        [[names[start : start + 100] for start in range(0, 50_000, 100)]], "=", None
    )[0]
    np.testing.assert_array_equal(columns, np.arange(50_000))


@pytest.mark.parametrize(
    ("text", "ends", "message"),
    [
        (b"abab", [2, 4], "an attribute has two columns"),
        (b"abc", [2, 1, 3], "names holds no list of texts"),
        (b"abc", [2, 4], "names holds no list of texts"),
        (b"abc", [2], "names holds no list of texts"),
        (b"abc", [], "names holds no list of texts"),
        (b"abc", [-1, 3], "names holds no list of texts"),
    ],
)
def test_what_is_no_table(text, ends, message):
    with pytest.raises(ValueError, match=message):
        AttributeTable(np.frombuffer(text, np.uint8), np.array(ends, dtype=np.int64))
    with pytest.raises(ValueError, match="names holds no list of texts"):
        AttributeTable(np.frombuffer(text, np.int8), np.array(ends, dtype=np.int64))
    with pytest.raises(ValueError, match="names holds no list of texts"):
        AttributeTable(np.frombuffer(text, np.uint8), np.array(ends, dtype=np.int32))


# ---- words

WORDS = [
    "The",
    "the",
    "cat",
    "Cat",
    "sleeps",
    "1984",
    "x-ray",
    "",
    "größe",
    "a",
    "ab",
    "McDonald-20",
]
TAGS = ["DT", "NN", "VB", "", "\udc80"]
TEMPLATES = {
    "chunk": "chunk",
    "words": "words",
    "shared": ["U0:%x[0,0]", "U0:%x[-1,0]", "U0:%x[1,0]", "U1:%x[0,1]/%x[1,0|lower]/%x[-2,1]"],
    "empty": ["U", "U2:%x[0,1|suffix2]", "U3:%x[9,0]"],
    "late": ["U:%x[0,1]/%x[1,1]"],
}


def word_sentences(rng, n, bare, width=2):
    X = []
    for _ in range(n):
        words = [WORDS[k] for k in rng.integers(len(WORDS), size=rng.integers(9))]
        if bare:
            X.append(words)
        else:
            columns = [[TAGS[k] for k in rng.integers(len(TAGS), size=len(words))]] * (width - 1)
            X.append(list(zip(words, *columns, strict=True)))
    return X


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("outside", ["drop", "mark"])
@pytest.mark.parametrize("min_count", [1, 2])
def test_labels_of_words_are_those_of_rows(name, outside, min_count, tmp_path):
    rng = np.random.default_rng(0)
    bare = name == "words"
    X, new = word_sentences(rng, 25, bare), word_sentences(rng, 60, bare)
    new[5:5] = [["new", "words"] if bare else [("new", "NN"), ("the", "XX")]]
    y = [[f"L{rng.integers(5)}" for _ in x] for x in X]
    features = TokenFeatures(TEMPLATES[name], outside=outside, min_count=min_count)
    tagger = SequenceTagger(features, C=1.0, random_state=0, solver="perceptron").fit(X, y)
    rng.shuffle(tagger.coef_)  # as none is 0 then, all columns count
    tagger.coef_ += 0.01 * rng.normal(size=len(tagger.coef_))
    want = by_rows(tagger, new)
    assert tagger._compiled() is not None
    assert [tagger.tag(x) for x in new] == want
    assert [row.tolist() for row in tagger.predict(new)] == want
    assert len({label for row in want for label in row}) > 1
    if not bare:
        assert [tagger.tag([*map(tuple, x)]) for x in new] == want
    tagger.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert [again.tag(x) for x in new] == want


def test_words_of_other_kinds_are_read_or_refused_as_ever():
    rng = np.random.default_rng(0)
    X = word_sentences(rng, 25, False, width=3)
    y = [[f"L{rng.integers(3)}" for _ in x] for x in X]
    tagger = SequenceTagger(TokenFeatures("chunk"), C=1.0, random_state=0, solver="perceptron").fit(
        X, y
    )
    sentence = X[0] or X[1]
    assert tagger.tag([token[:2] for token in sentence]) == tagger.tag(sentence)
    for bad, message in (
        ([token[:1] for token in sentence], "the templates use column 1"),
        ([(*token, "x") for token in sentence], "of 4 columns, expected 3 as in fit"),
        ([sentence[0], sentence[0][:2]], "of 2 columns, expected 3"),
        ([list(token) for token in sentence], "a list, but the tokens that fit saw are tuples"),
        ([("a", 1, "b")], r"X\[0\]\[0\]\[1\] is 1; columns hold str"),
        ([("a", [], "b")], r"X\[0\]\[0\]\[1\] is \[\]; columns hold str"),
        ("ab", "X.0. is a str; expected a list"),
    ):
        with pytest.raises(ValueError, match=message):
            tagger.tag(bad)
    mapped = [{"form": token[0], "upos": token[1]} for token in sentence]
    with pytest.raises(ValueError, match="a dict, but the tokens that fit saw are tuples"):
        tagger.tag(mapped)
    hashed = clone(tagger).set_params(features=TokenFeatures("chunk", n_hashed=64)).fit(X, y)
    assert hashed._compiled() is None
    assert [hashed.tag(x) for x in X] == by_rows(hashed, X)
    lines = ["U0:%x[0,0]", "B0:%x[0,1]"]
    edges = clone(tagger).set_params(features=TokenFeatures(lines)).fit(X, y)
    assert edges._compiled() is None
    assert [edges.tag(x) for x in X] == by_rows(edges, X)


def test_many_new_words_take_no_memory_for_ever():
    X, y = [["a", "b"], ["b", "c"]], [["x", "y"], ["y", "x"]]
    tagger = SequenceTagger(TokenFeatures(["U:%x[0,0]", "V:%x[0,0]"][:1]), random_state=0).fit(X, y)
    want = tagger.tag(["a", "b"])
    for k in range(0, 140_000, 70_000):
        tagger.tag([f"new{k + j}" for j in range(70_000)])
        assert tagger.tag(["a", "b"]) == want
