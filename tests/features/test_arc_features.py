"""`ArcFeatures`: templates, kinds of tags, and the features that they make."""

import types
from collections import Counter

import numpy as np
import pytest
from reference.trees import named_features

from structsvm import DependencyModel
from structsvm.features import ArcFeatures
from structsvm.features.arc_templates import TEMPLATES

SENTENCES = [
    [("The", "DET"), ("old", "ADJ"), ("cat", "NOUN"), ("saw", "VERB"), ("USA", "PROPN")],
    [("She", "PRON"), ("sat", "VERB"), (",", "PUNCT"), ("and", "CCONJ"), ("left", "VERB")],
    [("Go", "VERB")],
    [("x-1", "X"), ("the", "DET"), ("cat", "NOUN"), ("12", "NUM"), ("!", "PUNCT"), ("a", "DET")]
    + [("cat", "NOUN")] * 8,
]
TREES = [
    [[3, 3, 4, 0, 4], [2, 4, 2, 0, 4]],
    [[2, 0, 2, 5, 2], [5, 5, 5, 5, 0]],
    [[0], [0]],
    [[0, 3, 1, 3, 1, 14, *[14] * 7, 1], [2, 0, 2, 2, 2, 2, 6, 7, 8, 9, 10, 11, 12, 2]],
]


def features_of(templates, order):
    """The features of all trees, by indices and by names."""
    model = DependencyModel(ArcFeatures(templates, n_bits=16, min_count=3), order=order)
    X = [x for x in SENTENCES for _ in range(2)]
    y = [heads for pair in TREES for heads in pair]
    model.initialize(X, y)
    problem = model.bind(X)
    kinds = [{"VERB"}, {"PUNCT"}, {"CCONJ"}]
    for i, (x, heads) in enumerate(zip(X, y, strict=True)):
        indices, counts = problem.joint_feature(i, heads)
        numbered = Counter(dict(zip(indices.tolist(), counts.tolist(), strict=True)))
        yield numbered, named_features(templates, x, heads, order, {"cat"}, kinds)


@pytest.mark.parametrize(
    ("templates", "order"),
    [
        *(([template], 3) for template in TEMPLATES),
        (["h.word+2 m.tag-3 between.tag between.conjunctions"], 1),
        (["h.tag s.word-1 m.ending", "s.shape m.tag"], 2),
        (["g.lower m.prefix", "g.tag+1 h.tag m.word"], 3),
    ],
)
def test_features_are_those_of_the_templates(templates, order):
    numbered, named = zip(*features_of(templates, order), strict=True)
    # Who shares which features, and how often, however they are numbered.
    shared = [
        [[sum(a[k] * b[k] for k in a) for b in some] for a in some] for some in (numbered, named)
    ]
    assert shared[0] == shared[1]


def test_kinds_of_tags_come_from_names_and_words():
    X = [[("Er", "PPER"), ("kam", "VVFIN"), ("und", "KON"), ("...", "$.")], [(",", "$,")]]
    features = ArcFeatures().fit(X)
    assert features.verbs_ == ["VVFIN"]
    assert features.punctuation_ == ["$,", "$."]
    assert features.conjunctions_ == ["KON"]
    own = ArcFeatures(verbs=["PPER"], punctuation=[]).fit(X)
    assert (own.verbs_, own.punctuation_) == (["PPER"], [])
    with pytest.raises(ValueError, match="verbs='PPER': expected a list"):
        ArcFeatures(verbs="PPER").fit(X)


def test_tokens_are_tuples_mappings_or_objects():
    pairs = [[("im", "ADP"), ("Haus", "NOUN")]]
    mappings = [
        [
            {"id": (1, "-", 2), "form": "im", "upos": "_"},
            {"id": 1, "form": "im", "upos": "ADP"},
            {"id": 2, "form": "Haus", "upos": "NOUN"},
            {"id": (2, ".", 1), "form": "x", "upos": "X"},
        ]
    ]
    objects = [[types.SimpleNamespace(text=word, pos=tag) for word, tag in pairs[0]]]
    features = ArcFeatures(min_count=1).fit(pairs)
    rows = features.transform(pairs).rows
    assert np.array_equal(features.transform(mappings).rows, rows)
    assert np.array_equal(features.set_params(fields=("text", "pos")).transform(objects).rows, rows)


def test_any_text_is_a_word():
    words = ["", " ", "\0", "\ud800", "\U0001f600", "x" * 10_000, "ß"]
    rows = ArcFeatures(min_count=1).fit_transform([[(word, word) for word in words]]).rows
    assert len(np.unique(rows[:, 0])) == len(words) + 3  # and the root, and both ends
    assert len(np.unique(rows[:, 1])) == len(words) + 3


@pytest.mark.parametrize("token", ["word", ("word",), ("word", 3), {"form": "word"}, None])
def test_a_token_without_word_or_tag_is_named(token):
    with pytest.raises(ValueError, match=r"X\[1\]\[2\] is .*; expected a tuple of a word"):
        ArcFeatures().fit([[("a", "A")], [("a", "A"), ("b", "B"), token]])


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("h.tag m.tags", "'m.tags' is none of its words"),
        ("h.tag m.tag+4", "more than 3 tokens away"),
        ("h.tag s.tag", "it looks at h and s"),
        ("s.tag g.tag m.tag", "it looks at m and s and g"),
        ("s.tag m.tag between.tag", "it looks at m and s and between"),
        ("h.tag m.tag between.tags between.verbs", "a second number"),
        ("", "it looks at no token"),
        (3, "is no str"),
    ],
)
def test_what_is_no_template_is_refused(template, why):
    with pytest.raises(ValueError, match=why):
        ArcFeatures(["h.tag", template]).fit(SENTENCES)


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"n_bits": 27}, "n_bits=27: expected an integer from 1 to 26"),
        ({"n_bits": True}, "n_bits=True"),
        ({"min_count": 0}, "min_count=0: expected an integer >= 1"),
        ({"templates": "chunk"}, "templates='chunk': expected 'default' or a list"),
    ],
)
def test_odd_parameters_are_refused(params, why):
    with pytest.raises(ValueError, match=why):
        ArcFeatures(**params).fit(SENTENCES)
