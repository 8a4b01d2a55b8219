"""Tagging schemes: what is written is read back, in any scheme, with the letter at either end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from structsvm import SequenceTagger
from structsvm.data.schemes import SCHEMES, scheme_named
from structsvm.metrics import convert_tags, span_f1_score, span_tags, spans

WRITTEN = [name for name in SCHEMES if not name.startswith("conll")]


@st.composite
def spans_of_a_sequence(draw):
    length = draw(st.integers(0, 8))
    found, at = [], 0
    while at < length:
        size = draw(st.integers(1, length - at))
        if draw(st.booleans()):
            found.append((draw(st.sampled_from(["A", "B-x", "L"])), at, at + size))
        at += size
    return found, length


@settings(max_examples=200, deadline=None)
@given(spans_of_a_sequence(), st.sampled_from(WRITTEN), st.sampled_from(WRITTEN))
def test_what_is_written_is_read_back(case, scheme, other):
    found, length = case
    tags = span_tags(found, length, scheme)
    assert len(tags) == length
    assert spans(tags, scheme) == found
    lenient = "conll-suffix" if scheme.endswith("-suffix") else "conll"
    assert spans(tags, lenient) == found
    assert convert_tags(tags, other, scheme) == span_tags(found, length, other)
    assert convert_tags(convert_tags(tags, other, scheme), scheme, other) == tags


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("iob1", "I-A I-A B-A O I-C"),
        ("iob2", "B-A I-A B-A O B-C"),
        ("iobes", "B-A E-A S-A O S-C"),
        ("bilou", "B-A L-A U-A O U-C"),
        ("bilou-suffix", "A-B A-L A-U O C-U"),
        ("iob1-suffix", "A-I A-I A-B O C-I"),
    ],
)
def test_the_schemes_of_the_field(scheme, tags):
    found = [("A", 0, 2), ("A", 2, 3), ("C", 4, 5)]
    assert span_tags(found, 5, scheme) == tags.split()
    assert spans(tags.split(), scheme) == found
    assert span_f1_score([tags.split()], [tags.split()], scheme=scheme) == 1.0


def test_bare_letters_and_void_positions():
    assert spans(["B", "L", "U"], "bilou") == [("", 0, 2), ("", 2, 3)]
    assert span_tags([("", 0, 2)], 2, "bilou-suffix") == ["B", "L"]
    assert convert_tags(["B-A", None, "I-A", "I-A"], "bilou") == ["U-A", None, "B-A", "L-A"]
    assert convert_tags([], "bilou") == []
    # What is ill-formed in a strict scheme marks nothing.
    assert convert_tags(["L-A", "B-A", "O"], "iob2", "bilou") == ["O", "O", "O"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spans(["NP-B"], "bilou"), "tag 0 is 'NP-B'; scheme 'bilou' has the prefixes B, I"),
        (lambda: spans(["B-NP"], "bilou-suffix"), "'B-NP'; scheme 'bilou-suffix' has the suffixes"),
        (lambda: spans(["O-x"], "bilou"), "tag 0 is 'O-x'"),
        (lambda: spans([3], "bilou-suffix"), "tag 0 is 3, expected a str such as 'NP-B' or 'O'"),
        (lambda: spans([], "biluo"), "unknown scheme 'biluo': expected one of 'conll', 'iob1'"),
        (lambda: spans([], ["iob2"]), r"unknown scheme \['iob2'\]"),
        (lambda: span_tags([], 3, "conll"), "scheme='conll' only reads"),
        (lambda: span_tags([("A", 0, 4)], 3), r"span \('A', 0, 4\) does not fit into 3 positions"),
        (
            lambda: span_tags([("A", 0, 2), ("B", 1, 3)], 3),
            r"\('B', 1, 3\) overlaps the one before",
        ),
    ],
)
def test_what_does_not_fit_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("scheme", ["bilou", "iobes-suffix", "iob2-suffix", "bilou-suffix"])
@pytest.mark.parametrize("on_violation", ["raise", "repair"])
def test_a_tagger_learns_in_any_scheme(scheme, on_violation):
    base = ["B-A I-A I-A O B-C", "O B-A B-C I-C", "B-A O", "B-C B-C B-A I-A"]
    y = [convert_tags(tags.split(), scheme) for tags in base]
    X = [[f"w{i}{t}" for t in range(len(tags))] for i, tags in enumerate(y)]
    given = y
    if on_violation == "repair":
        letter = scheme_named(scheme)
        given = [[*y[0][:3], "O", letter.join("I", "C")], *y[1:]]
    with (
        pytest.warns(UserWarning, match="1 of 4 sequences break the constraints and were repaired")
        if on_violation == "repair"
        else pytest.MonkeyPatch.context()
    ):
        tagger = SequenceTagger(
            constraints=scheme, on_violation=on_violation, C=10.0, random_state=0
        ).fit(X, given)
    assert [tags.tolist() for tags in tagger.predict(X)] == y
    # Whatever is asked, the answer is well-formed: no span is lost by strict reading.
    lenient = "conll-suffix" if scheme.endswith("-suffix") else "conll"
    for tags in tagger.predict([["w03", "w00", "w02"], ["w02", "w32", "w10", "w01"]]):
        assert spans(tags.tolist(), scheme) == spans(tags.tolist(), lenient)


@pytest.mark.parametrize("tags", [None, 3, "B-A"])
def test_tags_to_convert_are_a_list(tags):
    with pytest.raises(ValueError, match=r"tags is .*; expected a list of str"):
        convert_tags(tags, "bilou")
