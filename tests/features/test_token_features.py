"""TokenFeatures: templates over numbers give what writing the attributes out would give."""

import hashlib
import pickle
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone

from structsvm import ChainSVM
from structsvm.features import SequenceVectorizer, TokenFeatures, read_templates
from structsvm.features.templates import BUILT_IN, View, parse_templates


def value_at(sentence, t, macro, outside):
    place = t + macro.offset
    if 0 <= place < len(sentence):
        return macro.view.of(sentence[place][macro.view.column])
    if outside == "drop":
        return None
    return f"_B{place}" if place < 0 else f"_E+{place - len(sentence) + 1}"


def written_out(sentence, lines, outside, *, edge=False):
    """The attributes of each token as strings, one token and one template at a time."""
    templates = [template for template in parse_templates(lines) if template.edge == edge]
    tokens = []
    for t in range(len(sentence)):
        found = []
        for template in templates:
            values = [value_at(sentence, t, macro, outside) for macro in template.macros]
            if None not in values and not (edge and t == 0):
                found.append(template.name(values))
        if outside == "drop" and not edge:
            found += ["__BOS__"] * (t == 0) + ["__EOS__"] * (t == len(sentence) - 1)
        tokens.append(found)
    return tokens


def read_back(matrix, names):
    return [
        Counter({names[k]: int(v) for k, v in zip(row.indices, row.data, strict=True)})
        for row in (matrix[[t]] for t in range(matrix.shape[0]))
    ]


words = st.text(alphabet="aAbB1-", min_size=0, max_size=3)
corpora = st.lists(st.lists(st.tuples(words, words), max_size=5), min_size=1, max_size=4)
macros = st.builds(
    "%x[{},{}{}]".format,
    st.integers(-3, 3),
    st.integers(0, 1),
    st.sampled_from(["", "|lower", "|suffix2", "|lower|shape", "|digits|prefix1"]),
)
# Two templates that share attributes, and some that do not.
bag = ["Ubag:%x[-1,0]", "Ubag:%x[1,0]"]
lines = st.lists(st.tuples(st.sampled_from("UB"), st.lists(macros, max_size=4)), max_size=4).map(
    lambda drawn: [
        "U:%x[0,0]",
        *bag,
        *(f"{kind}{k}:" + "/".join(parts) for k, (kind, parts) in enumerate(drawn)),
    ]
)


@given(corpora, corpora, lines, st.sampled_from(["drop", "mark"]), st.integers(1, 2))
def test_against_attributes_written_out(train, test, lines, outside, min_count):
    counts = Counter(
        name for s in train for token in written_out(s, lines, outside) for name in token
    )
    features = TokenFeatures(lines, outside=outside, min_count=min_count)
    if not any(n >= min_count for name, n in counts.items() if not name.startswith("__")):
        with pytest.raises(ValueError, match="nothing to learn from"):
            features.fit(train)
        return
    packed = features.fit_transform(train)
    np.testing.assert_array_equal(packed.rows.toarray(), features.transform(train).rows.toarray())
    names = features.get_feature_names_out()
    assert len(set(names)) == len(names) == features.n_features_out_
    edge_names = features.get_edge_feature_names_out()
    edge_counts = Counter(
        name for s in train for t in written_out(s, lines, outside, edge=True) for name in t
    )
    for corpus in (train, test):
        packed = features.transform(corpus)
        assert packed.lengths.tolist() == [len(s) for s in corpus]
        for edge, matrix, columns, seen in (
            (False, packed.rows, names, counts),
            (True, packed.edges, edge_names, edge_counts),
        ):
            if edge and not len(edge_names):
                assert matrix is None
                continue
            expected = [
                Counter(name for name in token if seen[name] >= min_count or name.startswith("__"))
                for sentence in corpus
                for token in written_out(sentence, lines, outside, edge=edge)
            ]
            assert read_back(matrix, columns) == expected


def test_many_macros_with_many_values_stay_apart():
    rng = np.random.default_rng(0)
    X = [[(f"w{k}",) for k in rng.integers(2000, size=3000)]]
    line = "U" + "/".join(f"%x[{o},0]" for o in range(-4, 5))
    features = TokenFeatures([line]).fit(X)
    names = features.get_feature_names_out()[:-2]
    assert len(names) == 3000 - 8
    assert set(names) == {t[0] for t in written_out(X[0], [line], "drop")[4:-4]}


@pytest.mark.parametrize("outside", ["drop", "mark"])
def test_hashed_columns_depend_on_the_attribute_alone(outside):
    lines = ["U1:%x[0,0]", "U2:%x[0,0]", "U3:%x[-1,0]/%x[0,0|suffix2]", "B:%x[0,0]"]
    rng = np.random.default_rng(0)
    train, test = (
        [[(f"w{rng.integers(50)}",) for _ in range(n)] for n in (3, 0, 5)] for _ in range(2)
    )
    features = TokenFeatures(lines, outside=outside, n_hashed=2**20)
    features.fit(train)
    column_of = {}
    for corpus in (train, test):
        packed = features.transform(corpus)
        names = [n for s in corpus for token in written_out(s, lines, outside) for n in token]
        assert packed.rows.nnz == len(names)
        for token, row in zip(
            (token for s in corpus for token in written_out(s, lines, outside)),
            (packed.rows[[t]] for t in range(packed.rows.shape[0])),
            strict=True,
        ):
            assert len(token) == len(set(row.indices))
            for name in token:
                column_of.setdefault(name, set(row.indices))
                column_of[name] &= set(row.indices)
        assert packed.edges.nnz == sum(max(len(s) - 1, 0) for s in corpus)
    assert all(column_of.values())
    assert features.get_feature_names_out()[5] == "hash5"


def test_hashes_are_of_the_strings_not_of_the_process():
    def digest(text):
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")

    def mixed(x):  # SplitMix64
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)

    features = TokenFeatures(["U1:%x[0,0]"], outside="mark", n_hashed=1000).fit([["cat"]])
    columns = features.transform([["cat", "dog", "cow"]]).rows.indices
    expected = [mixed(digest("U1:\0") ^ digest(word)) % 1000 for word in ("cat", "dog", "cow")]
    assert columns.tolist() == expected


def test_the_chunk_set_is_the_usual_one():
    names = [line[1 : line.index("=")] for line in BUILT_IN["chunk"]]
    assert len(names) == 19
    assert names[0] == "w[-2]"
    assert names[5:7] == ["w[-1]|w[0]", "w[0]|w[1]"]
    assert names[-1] == "pos[0]|pos[1]|pos[2]"


def test_tokens_may_be_words_tuples_lists_and_mappings():
    expected = TokenFeatures("words").fit_transform([[("The",), ("cat",)]]).rows.toarray()
    for tokens in (["The", "cat"], [["The"], ["cat"]], [{"form": "The"}, {"form": "cat"}]):
        features = TokenFeatures("words", fields=["form"])
        np.testing.assert_array_equal(features.fit_transform([tokens]).rows.toarray(), expected)


def test_it_is_a_transformer_and_feeds_a_chain():
    X = [[("a", "X"), ("b", "Y"), ("a", "Y")], [("b", "X")]] * 3
    y = [["p", "q", "p"], ["q"]] * 3
    features = clone(TokenFeatures(["U1:%x[0,0]", "U2:%x[-1,1]"]))
    svm = ChainSVM(C=10, tol=0.01, random_state=0).fit(features.fit_transform(X), y)
    copy = pickle.loads(pickle.dumps(features))
    assert svm.score(copy.transform(X), y) == 1.0
    as_strings = [written_out(s, features.templates, "drop") for s in X]
    vectorizer = SequenceVectorizer().fit(as_strings)
    assert set(vectorizer.vocabulary_) == set(features.get_feature_names_out())


def test_a_fit_that_fails_leaves_the_old_attributes():
    features = TokenFeatures("words").fit([["a", np.str_("b")]])
    before = features.transform([["a"]]).rows.toarray()
    with pytest.raises(ValueError, match="nothing to learn from"):
        features.fit([[]])
    np.testing.assert_array_equal(features.transform([["a"]]).rows.toarray(), before)


def test_transforms():
    view = parse_templates(["U%x[0,0|lower|digits|suffix3]"])[0].macros[0].view
    assert view == View(0, (("lower", 0), ("digits", 0), ("suffix", 3)))
    assert view.of("ABC19") == "c00"
    assert view.of("A1") is None
    shape = parse_templates(["U%x[0,0|shape]"])[0].macros[0].view
    assert shape.of("McDonald-2013 U.S.") == "XxXx-d X.X."


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "no template that begins with U"),
        (["B", "B1:%x[0,0]", "# U%x[0,0]"], "no template that begins with U"),
        (["U%x[0,0]", "X%x[0,0]"], "template 2, 'X%x.*must begin with U"),
        (["U%x[0]"], r"%x\[0\] is not understood; expected %x\[offset,column\]"),
        (["U%x[0,-1]"], "is not understood"),
        (["U%x[0,0"], "no macro; expected"),
        (["U%y[0,0]"], r"'%y\[0,0\]' is no macro"),
        (["U%x[0,0|upper]"], "unknown transform 'upper': expected one of lower, digits"),
        (["U%x[0,0|suffix]"], "unknown transform 'suffix': expected one of .*suffix<number>"),
        (["U%x[0,0|lower3]"], "unknown transform 'lower3'"),
        (["U%x[0,0|prefix0]"], "'prefix0': expected a number between 1 and 99"),
        ([3], "template 1 is 3, expected a str"),
    ],
)
def test_bad_templates_are_named(lines, message):
    with pytest.raises(ValueError, match=message):
        TokenFeatures(lines).fit([["a"]])


@pytest.mark.parametrize(
    ("params", "X", "message"),
    [
        ({}, [["a"]], r"X\[0\]\[0\] is \('a',\): the templates use column 1"),
        ({}, [[("a", "b")], [("a",)]], r"X\[1\]\[0\] is \('a',\).* but it has 1"),
        ({}, [[("a", 3)]], r"X\[0\]\[0\]\[1\] is 3; columns hold str"),
        ({}, [[("a", "b"), ("c", [])]], r"X\[0\]\[1\]\[1\] is \[\]; columns hold str"),
        ({}, [[5]], r"X\[0\]\[0\] is 5; expected a str, a tuple of str or a mapping"),
        ({}, [[{"form": "a"}]], r"X\[0\]\[0\] has no field 'upos'; it has form"),
        ({}, "text", "X is a str; expected a list of sequences"),
        ({"templates": "none"}, [["a"]], "templates='none': expected one of 'chunk', 'words'"),
        ({"outside": "keep"}, [["a"]], "outside='keep': expected one of 'drop', 'mark'"),
        ({"min_count": 0}, [["a"]], "min_count=0: expected an integer from 1"),
        ({"n_hashed": 0.5}, [["a"]], "n_hashed=0.5: expected an integer from 1"),
        ({"n_hashed": 9, "min_count": 2}, [["a"]], "n_hashed counts nothing"),
        ({"templates": "words", "min_count": 2}, [["a"], []], "no attribute occurs 2 times"),
    ],
)
def test_bad_input_is_named(params, X, message):
    with pytest.raises(ValueError, match=message):
        TokenFeatures(**params).fit(X)


def test_template_files(tmp_path):
    path = tmp_path / "template"
    path.write_bytes(b"\xef\xbb\xbf# Unigram\r\nU00:%x[-1,0]\r\n\r\nU01:%x[0,0]\r\nB\r\n")
    features = TokenFeatures(read_templates(path), outside="mark").fit([["a", "b"]])
    assert features.get_feature_names_out().tolist() == ["U00:a", "U00:_B-1", "U01:a", "U01:b"]
    path.write_text("U00:%x[0]\n")
    with pytest.raises(ValueError, match=rf"{path}: template 1, 'U00:%x\[0\]': .* \(line 1\)$"):
        read_templates(path)
    path.write_bytes(b"# odd\x0c\xc2\x85\rU00:%x[0,0]\xe2\x80\xa8\r\r\xef\xbb\xbfU01:%x[0]")
    with pytest.raises(ValueError, match=r"template 4, 'U01:%x\[0\]': .* \(line 4\)$"):
        read_templates(path)
    path.write_bytes(b"U00:\xff%x[0,0]\n")
    with pytest.raises(ValueError, match=f"{path}: .*utf-8"):
        read_templates(path)
    path.write_bytes(b"U00:%x[0,0]\n# \xe9\n")
    with pytest.raises(ValueError, match=f"{path}: line 2 is no utf-8 text, byte 0xe9 at place 2"):
        read_templates(path)
