"""Dependency trees of which some heads are unknown: void in training, or completed."""

import functools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.planes import dense
from structures import sentences, trees_of

from structsvm import DependencyModel, DependencyParser, LatentSVM, StructSVM, load
from structsvm.exceptions import LabelError
from structsvm.features import ArcFeatures
from structsvm.metrics import attachment_scores

FEATURES = ArcFeatures(
    ["h.tag m.tag", "m.word", "s.tag m.tag", "h.tag s.tag m.tag", "g.tag h.tag m.tag"],
    n_bits=3,
    min_count=1,
)
SMALL = ArcFeatures(n_bits=8, min_count=1)
MODELS = {
    "arcs": functools.partial(DependencyModel, FEATURES, single_root=False),
    "siblings": functools.partial(DependencyModel, FEATURES, order=2),
    "grand-siblings": functools.partial(DependencyModel, FEATURES, order=3),
    "crossing": functools.partial(DependencyModel, FEATURES, projective=False),
}
models = pytest.mark.parametrize("name", MODELS)


def drawn(data, name):
    """Sentences, partial trees, the model, and weights."""
    model = MODELS[name]()
    X, y = data.draw(sentences(model.projective, model.single_root))
    model.initialize(X, y)
    few = st.sampled_from([0.0, 1.0, -1.0, 2.0])
    w = data.draw(st.lists(few, min_size=model.n_weights, max_size=model.n_weights))
    partial = [[None if data.draw(st.booleans()) else int(h) for h in heads] for heads in y]
    return model, X, partial, np.array(w)


def hidden_as(heads, partial):
    return [None if b is None else int(a) for a, b in zip(heads, partial, strict=True)]


def agrees(heads, partial):
    return all(b is None or a == b for a, b in zip(heads, partial, strict=True))


@models
@given(data=st.data())
@settings(max_examples=25)
def test_planes_are_of_what_is_known(name, data):
    model, X, partial, w = drawn(data, name)
    problem = model.bind(X, partial)
    for i, (x, some) in enumerate(zip(X, partial, strict=True)):
        delta, loss = dense(problem, problem.oracle(i, w))
        truth = model.joint_feature(x, some)
        hinges = [
            model.loss(some, heads) + (model.joint_feature(x, hidden_as(heads, some)) - truth) @ w
            for heads in trees_of(model, x)
        ]
        assert loss - delta @ w == pytest.approx(max(hinges), abs=1e-9)
        # Siblings and grandparents are those of a whole tree.
        if None in some:
            alone = MODELS[name]().set_params(order=1)
            alone.initialize(X, [list(next(trees_of(model, x))) for x in X])
            np.testing.assert_array_equal(alone.joint_feature(x, some), truth)


@models
@given(data=st.data())
@settings(max_examples=25)
def test_completions_are_the_best_trees_that_agree(name, data):
    model, X, partial, w = drawn(data, name)
    inputs, read = model.prepare_examples(X, partial)
    before = model.completed(inputs, read, np.zeros(model.n_weights))
    for found in (model.completed(inputs, read, w), model.completed(inputs, read, w, before)):
        for x, heads, some in zip(X, found, partial, strict=True):
            assert agrees(heads, some)
            scores = [
                model.joint_feature(x, tree) @ w
                for tree in trees_of(model, x)
                if agrees(tree, some)
            ]
            assert model.joint_feature(x, heads) @ w == pytest.approx(max(scores), abs=1e-9)
    again = model.completed(inputs, read, w, found)
    assert len(model.differing(found, again)) == 0


def treebank(n=60, share=0.3, seed=0):
    """Sentences whose verb is the root, with its nouns, and determiners before these."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        tags, heads = [], []
        before = int(rng.integers(1, 3))
        n_nouns, verb = before + int(rng.integers(1, 3)), 0
        for k in range(n_nouns):
            if k == before:
                tags.append("VERB")
                verb = len(tags)
                heads.append(0)
            tags += ["DET", "NOUN"] if rng.random() < 0.7 else ["NOUN"]
            heads += [len(tags), -1] if tags[-2:] == ["DET", "NOUN"] else [-1]
        y.append([verb if head < 0 else head for head in heads])
        X.append([(f"{tag.lower()}{rng.integers(3)}", tag) for tag in tags])
    partial = [[None if rng.random() < share else head for head in heads] for heads in y]
    return X, y, partial


@pytest.mark.parametrize("order", [1, 2])
def test_few_heads_are_enough(order):
    X, y, partial = treebank(share=0.6)
    void = StructSVM(DependencyModel(SMALL, order=order), random_state=0).fit(X, partial)
    assert void.certified_
    assert void.score(X, y) > 0.95
    hidden = LatentSVM(DependencyModel(SMALL, order=order), random_state=0).fit(X, partial)
    assert (np.diff(hidden.history_["objective"]) <= 0).all()
    assert hidden.score(X, y) > 0.95
    assert all(map(agrees, hidden.complete(X, partial), partial))


def test_every_solver_finds_one_optimum():
    X, _, partial = treebank(20)
    fits = [
        StructSVM(DependencyModel(SMALL, order=2), C=0.3, solver=solver, tol=1e-5, random_state=0)
        for solver in ("bcfw", "n_slack", "cutting_plane")
    ]
    for svm in fits:
        assert svm.fit(X, partial).objective_ == pytest.approx(fits[0].objective_, rel=2e-5)


def test_a_parser_takes_them_with_relations(tmp_path):
    X, y, partial = treebank()
    rng = np.random.default_rng(1)
    pairs = [
        (heads, [None if rng.random() < 0.3 else ("top" if h == 0 else "dep") for h in whole])
        for heads, whole in zip(partial, y, strict=True)
    ]
    parser = DependencyParser(SMALL, random_state=0).fit(X, pairs, sample_weight=np.ones(len(X)))
    assert parser.relations_.tolist() == ["dep", "top"]
    scores = attachment_scores(pairs, parser.predict(X))
    assert scores.unlabelled == parser.score(X, pairs) > 0.95
    assert scores.labelled > 0.9
    parser.save(tmp_path / "parser")
    for copy in (load(tmp_path / "parser"), pickle.loads(pickle.dumps(parser))):
        assert copy.score(X, pairs) == parser.score(X, pairs)


def test_unknown_heads_do_not_count():
    assert attachment_scores([[0, None, 1]], [[0, 1, 2]]) == pytest.approx(
        (0.5, np.nan), nan_ok=True
    )
    model = DependencyModel()
    assert model.loss([2, 0, None], [2, 0, 1]) == 0.0
    assert model.score([[None, 0]], [[2, 0]]) == 1.0
    pair = [([None, 0], ["a", None])]
    assert attachment_scores(pair, [([2, 0], ["b", "a"])]).unlabelled == 1.0


@pytest.mark.parametrize(
    ("y", "told"),
    [
        ([None, None], "all heads in y are void: nothing is left to learn"),
        ([None, 2], r"y\[0\]: the head of token 2 is 2, expected another token, 1 to 2"),
        ([None, 3], r"y\[0\]: the head of token 2 is 3"),
        ([-1, 0], r"y\[0\]: the head of token 1 is -1"),
        ([None, 0, 0], r"y\[0\] has 3 heads, but its sentence has 2 tokens"),
        ([None, 0.5], r"y\[0\] is \[None, 0.5\]; expected the head of each token, integers"),
        ([None, "a"], "expected the head of each token, integers"),
    ],
)
def test_partial_trees_that_are_none_are_told(y, told):
    with pytest.raises(ValueError, match=told):
        StructSVM(DependencyModel(SMALL)).fit([[("a", "A"), ("b", "B")]], [y])


def test_cycles_and_roots_of_partial_trees_are_told():
    X = [[(tag, tag) for tag in "ABCD"]]
    with pytest.raises(ValueError, match="leads to a cycle"):
        StructSVM(DependencyModel(SMALL)).fit(X, [[2, 1, None, 3]])
    with pytest.raises(ValueError, match="tokens 1 and 2 have the root as head"):
        StructSVM(DependencyModel(SMALL)).fit(X, [[0, 0, None, 3]])
    StructSVM(DependencyModel(SMALL, single_root=False), random_state=0).fit(X, [[0, 0, None, 3]])
    crossing = [[3, 4, None, None]]
    StructSVM(DependencyModel(SMALL), random_state=0).fit(X, crossing)  # void, it teaches something
    told = r"y\[0\] leaves no tree without crossing arcs that agrees with the heads that are known"
    with pytest.raises(LabelError, match=told):
        LatentSVM(DependencyModel(SMALL), random_state=0).fit(X, crossing)
    LatentSVM(DependencyModel(SMALL, projective=False), random_state=0).fit(X, crossing)
