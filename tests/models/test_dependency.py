"""`DependencyModel` and `DependencyParser`: trees in and out, and what is refused."""

import numpy as np
import pytest
from structures import trees

from structsvm import DependencyModel, DependencyParser, PathSearch, StructSVM, fit_path, load
from structsvm.features import ArcFeatures
from structsvm.metrics import attachment_scores

SMALL = ArcFeatures(n_bits=8, min_count=1)
X = [
    [("the", "DET"), ("cat", "NOUN"), ("sleeps", "VERB"), (".", "PUNCT")],
    [("she", "PRON"), ("saw", "VERB"), ("a", "DET"), ("cat", "NOUN"), (".", "PUNCT")],
    [("go", "VERB")],
]
Y = [[2, 3, 0, 3], [2, 0, 4, 2, 2], [0]]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_a_parser_learns_its_training_trees_and_is_kept_in_a_file(order, tmp_path):
    parser = DependencyParser(SMALL, order=order, random_state=0).fit(X, Y)
    assert parser.score(X, Y) == 1.0
    assert np.isnan(parser.dual_gap_)
    parser.save(tmp_path / "parser")
    copy = load(tmp_path / "parser")
    assert type(copy) is DependencyParser
    assert np.array_equal(copy.coef_, parser.coef_)
    strange = [[("Zebras", "NOUN"), ("zzz", "UNSEEN"), ("!", "PUNCT")], [], [("hm", "INTJ")]]
    for a, b in zip(copy.predict(strange), parser.predict(strange), strict=True):
        assert np.array_equal(a, b)
    assert [len(heads) for heads in parser.predict(strange)] == [3, 0, 1]
    assert parser.predict(strange)[2].tolist() == [0]


@pytest.mark.parametrize("order", [1, 2, 3])
def test_trees_that_cross_are_learned_with_a_certificate(order):
    crossing = [[3, 4, 0, 3], [2, 0, 1, 2, 2], [0]]
    fits = []
    for solver in ("bcfw", "n_slack", "cutting_plane"):
        parser = DependencyParser(SMALL, order=order, solver=solver, C=0.05, random_state=0)
        fits.append(parser.fit(X, crossing))
        assert parser.certified_
        assert parser.objective_ == pytest.approx(fits[0].objective_, rel=2e-3)
        assert parser.dual_objective_ <= fits[0].objective_ * (1 + 1e-9)
    # The hinge of a tree that crosses: it is an output, too.
    X_read, y_read = fits[0].model_.prepare_examples(X[:1], crossing[:1])
    problem = fits[0].model_.bind(X_read, y_read)
    own = fits[0].model_.joint_feature(X[0], crossing[0])
    values = [
        fits[0].model_.loss(crossing[0], heads)
        - (own - fits[0].model_.joint_feature(X[0], heads)) @ fits[0].coef_
        for heads in [*trees(4), crossing[0]]
    ]
    assert problem.mean_hinge(fits[0].coef_) == pytest.approx(max(values))
    assert problem.mean_hinge(100 * own) == 0.0
    if order == 1:
        free = DependencyParser(SMALL, projective=False, solver="bcfw", C=1.0, random_state=0)
        assert free.fit(X, crossing).score(X, crossing) == 1.0
        assert free.certified_


def test_tokens_may_count_differently():
    model = DependencyModel(SMALL)
    model.initialize(X, Y)
    weight = [[1.0, 1.0, 1.0, 0.0], [1.0] * 4 + [0.5], [2.0]]
    problem = model.bind(X, Y, token_weight=weight)
    assert problem.loss_of(0, [2, 3, 0, 1]) == 0.0
    assert problem.loss_of(1, [2, 0, 4, 2, 1]) == 0.5
    with pytest.raises(ValueError, match=r"token_weight\[1\] has shape \(2,\), expected \(5,\)"):
        model.bind(X, Y, token_weight=[[1.0] * 4, [1.0, 1.0], [1.0]])
    with pytest.raises(ValueError, match=r"token_weight\[2\] has -1.0"):
        model.bind(X, Y, token_weight=[[1.0] * 4, [1.0] * 5, [-1.0]])


@pytest.mark.parametrize(
    ("heads", "why"),
    [
        ([2, 0, 4, 2], r"y\[1\] has 4 heads, but its sentence has 5 tokens"),
        ([2, 0, 4, 2, 6], r"y\[1\]: the head of token 5 is 6, expected another token, 1 to 5"),
        ([2, 0, 4, 2, 5], r"y\[1\]: the head of token 5 is 5"),
        ([2, 0, 4, 2, -1], r"y\[1\]: the head of token 5 is -1"),
        ([2, 0, 4, 3, 2], r"y\[1\]: the head of token 3 leads to a cycle"),
        ([2, 0, 0, 2, 2], r"y\[1\]: tokens 2 and 3 have the root as head; expected one token"),
        (["2", 0, 4, 2, 2], r"y\[1\] is .*; expected the head of each token, integers"),
        ([2.0, 0.0, 4.0, 2.0, 2.0], "integers"),
        ([[2, 0, 4, 2, 2], ["x"] * 5], "integers, or a tuple of heads and relations"),
        (None, "integers"),
    ],
)
def test_what_is_no_tree_is_named(heads, why):
    with pytest.raises(ValueError, match=why):
        DependencyParser(SMALL).fit(X, [Y[0], heads, Y[2]])


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"order": 4}, r"order=4: expected 1 \(arcs\), 2 \(siblings\) or 3"),
        ({"order": True}, "order=True"),
        ({"order": "words"}, "order='words'"),
        ({"features": "default"}, "features='default': expected an ArcFeatures, or None"),
        ({"order": 2, "projective": False}, "order=2 needs projective=True"),
    ],
)
def test_odd_parameters_are_refused(params, why):
    with pytest.raises(ValueError, match=why):
        DependencyParser(**{"features": SMALL, **params}).fit(X, Y)


def test_sentences_that_do_not_fit_into_memory_are_refused():
    long = [("word", "TAG")] * 1000
    heads = [0, *range(1, 1000)]
    with pytest.raises(ValueError, match=r"X\[1\] has 1000 tokens: scores .* 511 tokens"):
        DependencyParser(SMALL, order=3).fit([X[0], long], [Y[0], heads])
    with pytest.raises(ValueError, match="nothing to learn from"):
        DependencyParser(SMALL).fit([[]], [[]])
    with pytest.raises(ValueError, match=r"y\[0\] and y_hat\[0\] have rows"):
        DependencyParser(SMALL).fit(X, Y).score(X, [[0, 1], *Y[1:]])


def test_margins_of_a_model_are_those_of_the_estimator():
    parser = DependencyParser(SMALL, order=2, random_state=0).fit(X, Y)
    other = StructSVM(
        DependencyModel(SMALL, order=2), solver="passive_aggressive", scale=None, random_state=0
    ).fit(X, Y)
    assert np.array_equal(parser.coef_, other.coef_)


def test_relations_are_found_in_a_second_step(tmp_path):
    relations = [
        ["det", "nsubj", "root", "punct"],
        ["nsubj", "root", "det", "obj", "punct"],
        ["root"],
    ]
    trees = list(zip(Y, relations, strict=True))
    held_out = {"X_val": X[:1], "y_val": trees[:1]}
    parser = DependencyParser(SMALL, random_state=0).fit(X, trees, **held_out)
    assert parser.relations_.tolist() == ["det", "nsubj", "obj", "punct", "root"]
    assert parser.validation_score_ == 1.0
    assert attachment_scores(trees, parser.predict(X)) == (1.0, 1.0)
    assert parser.score(X, trees) == parser.score(X, Y) == 1.0
    parser.save(tmp_path / "parser")
    copy = load(tmp_path / "parser")
    for (heads, names), (same, same_names) in zip(parser.predict(X), copy.predict(X), strict=True):
        assert np.array_equal(heads, same)
        assert names.tolist() == same_names.tolist()
    assert parser.predict([]) == []
    two = [(heads, ["dep" if head else "root" for head in heads]) for heads in Y]
    assert attachment_scores(two, parser.fit(X, two).predict(X)).labelled == 1.0
    one = [(heads, ["dep"] * len(heads)) for heads in Y]
    assert set(np.concatenate([names for _, names in parser.fit(X, one).predict(X)])) == {"dep"}
    assert len(parser.fit(X, Y).relations_) == 0  # those of the last fit are gone
    assert np.array_equal(parser.predict(X)[0], Y[0])
    parser = DependencyParser(SMALL, random_state=0).partial_fit(X, Y).partial_fit(X, Y)
    assert len(parser.relations_) == 0
    assert len(parser.predict(X)) == 3


def test_relations_of_a_sentence_count_as_it_does():
    right = [(heads, [f"r{head}" for head in heads]) for heads in Y]
    wrong = [(heads, relations[::-1]) for heads, relations in right]
    parser = DependencyParser(SMALL, random_state=0)
    parser.fit(X * 2, right + wrong, sample_weight=[1, 1, 1, 0, 0, 0])
    for (_, relations), (_, found) in zip(right, parser.predict(X), strict=True):
        assert found.tolist() == relations


def test_paths_and_searches_learn_relations():
    trees = [(heads, [f"r{head}" for head in heads]) for heads in Y]
    parser = DependencyParser(SMALL, solver="bcfw", random_state=0)
    for found in fit_path(parser, X, trees, Cs=[0.1, 1.0]):
        heads, relations = found.predict(X)[0]
        assert relations.tolist() == [f"r{head}" for head in heads]
    assert len(fit_path(parser, X, Y, Cs=[1.0])[0].relations_) == 0
    search = PathSearch(parser, Cs=[0.1, 1.0], cv=2).fit(X * 2, trees * 2)
    assert len(search.predict(X)[0][1]) == len(X[0])
    with pytest.raises(ValueError, match="relations, which partial_fit cannot learn: give heads"):
        parser.set_params(solver="passive_aggressive").partial_fit(X, trees)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda y: [*y[:1], *Y[1:]], r"y\[0\] and y\[1\] differ: give heads alone, or pairs"),
        (lambda y: [(Y[0], ["a"] * 3), *y[1:]], r"y\[0\] has 4 heads but 3 relations"),
        (lambda y: [(row, [None] * len(row)) for row in Y], "all relations of y are None"),
    ],
)
def test_odd_relations_are_named(change, why):
    y = [(heads, ["a"] * len(heads)) for heads in Y]
    with pytest.raises(ValueError, match=why):
        DependencyParser(SMALL).fit(X, change(y))


def test_attachment_scores():
    assert attachment_scores([[0, 1], [0]], [[0, 1], [0]]).unlabelled == 1.0
    unlabelled, labelled = attachment_scores([([0, 1], "ab")], [([0, 1], "ac")])
    assert (unlabelled, np.isnan(labelled)) == (1.0, False)
    assert np.isnan(attachment_scores([([0], ["a"])], [[0]]).labelled)
    with pytest.raises(ValueError, match=r"y\[0\] and y_hat\[0\] have rows of lengths \[1, 2\]"):
        attachment_scores([[0, 1]], [[0]])
    with pytest.raises(ValueError, match="y has 1 trees, but y_hat has 0"):
        attachment_scores([[0]], [])
    with pytest.raises(ValueError, match="no token to score"):
        attachment_scores([[]], [[]])
