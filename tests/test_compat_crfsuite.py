"""The interfaces of sklearn-crfsuite and python-crfsuite on our estimators."""

import itertools
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV

import structsvm
from structsvm import ChainSVM, SequenceTagger
from structsvm.compat import crfsuite
from structsvm.compat._crfsuite_parameters import ALGORITHMS, parameters_of
from structsvm.compat.crfsuite import CRF, ItemSequence, Tagger, Trainer
from structsvm.exceptions import ModelFileError
from structsvm.features import SequenceVectorizer


def corpus(n=30, seed=0):
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        tags = rng.choice(["d", "n", "v"], size=rng.integers(1, 6)).tolist()
        y.append(tags)
        X.append(
            [
                {"word": f"{tag}{rng.integers(9)}", "size": rng.integers(4) / 2, "first": t == 0}
                for t, tag in enumerate(tags)
            ]
        )
    return X, y


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"c2": 0.2}, {"C": 2.5, "tol": 0.03}),
        ({"algorithm": "l2sgd"}, {"C": 0.5, "tol": 0.03}),
        ({"c2": 0.1, "epsilon": 1e-3, "max_iterations": 40}, {"C": 5, "tol": 1e-3, "max_iter": 40}),
        ({"algorithm": "ap", "max_iterations": 3}, {"solver": "perceptron", "max_iter": 3}),
        (
            {"algorithm": "pa", "c": 0.25, "max_iterations": 4},
            {"solver": "passive_aggressive", "C": 0.25, "max_iter": 4},
        ),
    ],
)
def test_parameters_are_those_of_a_tagger(ours, theirs):
    X, y = corpus()
    crf = CRF(**ours).fit(X, y)
    tagger = SequenceTagger(
        SequenceVectorizer(separator=":"), scale=None, random_state=0, **theirs
    ).fit(X, y)
    held = crf.tagger_.info()
    names = tagger.features_.get_feature_names_out().tolist()
    for (name, label), value in held.state_features.items():
        place = names.index(name), tagger.classes_.tolist().index(label)
        assert value == tagger.state_coef_[place]
    assert len(held.state_features) == np.count_nonzero(tagger.state_coef_)
    assert len(held.transitions) == np.count_nonzero(tagger.transition_coef_)
    assert [crf.predict_single(x) for x in X] == [tags.tolist() for tags in tagger.predict(X)]
    assert crf.score(X, y) == tagger.score(X, y)


def test_rare_attributes_are_left_out():
    X = [[{"a": 1}, {"a": 1}, {"b": 1}]]
    crf = CRF(min_freq=1.5).fit(X, [["x", "x", "y"]])
    assert crf.attributes_ == ["a"]
    assert crf.num_attributes_ == 1


@pytest.mark.parametrize("algorithm", ["lbfgs", "l2sgd", "ap", "pa"])
def test_what_has_no_counterpart_says_what_to_use(algorithm):
    full = {"ap": "averaged-perceptron", "pa": "passive-aggressive"}.get(algorithm, algorithm)
    X, y = corpus(4)
    for name, row in parameters_of(full).items():
        trainer = Trainer(algorithm, {name: row.default}, verbose=False)
        assert trainer.get(name) == row.default
        assert trainer.help(name) == row.told
        trainer.append(X[0], y[0])
        assert isinstance(trainer.fit(), SequenceTagger)
        if row.instead:
            other = "Backtracking" if isinstance(row.default, str) else int(row.default) + 3
            other = (not row.default) if isinstance(row.default, bool) else other
            trainer.set(name, other)
            with pytest.raises(ValueError, match=f"{name}=.*: {row.instead[:20]}"):
                trainer.fit()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"algorithm": "arow"}, "'arow' is not here: 'pa', passive-aggressive, is its like"),
        ({"algorithm": "sgd"}, "unknown algorithm 'sgd': expected one of 'lbfgs', 'l2sgd'"),
        ({"c1": 0.1}, "c1=0.1: there is no L1 penalty here: leave it out, and leave out rare"),
        ({"c2": 0}, "c2=0: expected a number > 0"),
        ({"c2": "much"}, "c2='much': expected a number >= 0"),
        ({"c2": -1}, "c2=-1: expected a number >= 0"),
        ({"max_iterations": 0}, "max_iterations=0: expected an integer >= 1"),
        ({"all_possible_transitions": False}, "every pair of labels has a weight here"),
        ({"all_possible_states": 2}, "feature.possible_states=2: expected 0 or 1"),
        ({"algorithm": "pa", "c2": 1}, "has no parameter 'c2': it belongs to l2sgd, lbfgs"),
        ({"gamma": 1}, "algorithm 'lbfgs' has no parameter 'gamma': expected one of feature.minf"),
        ({"linesearch": "Backtracking"}, "linesearch='Backtracking': belongs to the line search"),
        ({"keep_tempfiles": True}, "keep_tempfiles=True: there are none here"),
        ({"trainer_cls": dict}, "trainer_cls=<class 'dict'>: expected a subclass of"),
    ],
)
def test_bad_parameters_of_crf(params, message):
    with pytest.raises(ValueError, match=message):
        CRF(**params).fit(*corpus(4))


def test_probabilities_are_those_of_the_scores():
    X, y = corpus()
    crf = CRF(c2=0.3).fit(X, y)
    x = next(x for x in X if len(x) == 3)
    tagger, labels = crf.tagger_, crf.classes_
    tagger.set(x)
    info = tagger.info()
    model = tagger._tagger()
    start, end = model.start_coef_, model.end_coef_
    scores = {}
    for tags in itertools.product(labels, repeat=3):
        score = start[labels.index(tags[0])] + end[labels.index(tags[-1])]
        for token, tag in zip(ItemSequence(x).items(), tags, strict=True):
            score += sum(v * info.state_features.get((n, tag), 0.0) for n, v in token.items())
        score += sum(info.transitions.get(pair, 0.0) for pair in itertools.pairwise(tags))
        scores[tags] = score
    total = sum(np.exp(score) for score in scores.values())
    for tags, score in scores.items():
        np.testing.assert_allclose(tagger.probability(tags), np.exp(score) / total, rtol=1e-8)
    told = crf.predict_marginals([x])[0]
    for t, label in itertools.product(range(3), labels):
        want = sum(np.exp(s) for tags, s in scores.items() if tags[t] == label) / total
        np.testing.assert_allclose(told[t][label], want, rtol=1e-8)
        assert tagger.marginal(label, t) == told[t][label]
    with pytest.raises(ValueError, match="'q' is no label; expected one of"):
        tagger.marginal("q", 0)
    with pytest.raises(ValueError, match="pos=3: the sequence has 3 items"):
        tagger.marginal(labels[0], 3)


def test_files_pickles_and_searches(tmp_path):
    X, y = corpus()
    path = tmp_path / "model"
    crf = CRF(model_filename=str(path)).fit(X, y)
    assert crf.size_ == path.stat().st_size
    want = crf.predict(X).tolist()
    for copy in (CRF(model_filename=str(path)), pickle.loads(pickle.dumps(crf))):
        assert copy.predict(X).tolist() == want
    assert [tags.tolist() for tags in structsvm.load(path).predict(X)] == want
    with Tagger().open_inmemory(path.read_bytes()) as tagger:
        assert [tagger.tag(x) for x in X] == want
        tagger.dump(tmp_path / "dump.txt")
    for method in (tagger.labels, tagger.info, tagger.dump):
        with pytest.raises(ValueError, match="the tagger has no model: open one first"):
            method()
    text = (tmp_path / "dump.txt").read_text()
    for (a, b), weight in crf.transition_features_.items():
        assert f"  (1) {a} --> {b}: {weight:.6f}\n" in text
    search = GridSearchCV(CRF(), {"c2": [0.01, 100.0]}, cv=2).fit(X, y)
    assert search.best_params_ == {"c2": 0.01}
    assert clone(crf).get_params()["model_filename"] == str(path)
    assert CRF().tagger_ is CRF().size_ is CRF().state_features_ is CRF().attributes_ is None
    with pytest.raises(NotFittedError, match="this CRF is not fitted yet"):
        CRF().predict(X)


def test_files_of_others_are_refused(tmp_path):
    (tmp_path / "theirs").write_bytes(b"lCRF" + bytes(100))
    with pytest.raises(ModelFileError, match="theirs is a model of CRFsuite, which cannot be read"):
        Tagger().open(tmp_path / "theirs")
    with pytest.raises(ModelFileError, match="the model is a model of CRFsuite"):
        Tagger().open_inmemory(b"lCRF" + bytes(100))
    with pytest.raises(FileNotFoundError):
        Tagger().open(tmp_path / "nothing")
    with pytest.raises(ValueError, match="no readable model file"):
        Tagger().open_inmemory(b"")
    ChainSVM().fit([[[0.0], [1.0]]], [["a", "b"]]).save(tmp_path / "chain")
    with pytest.raises(ModelFileError, match="reads no attributes of tokens"):
        Tagger().open(tmp_path / "chain")


def test_trainer_tells_and_holds_out(tmp_path):
    X, y = corpus(40)

    class Listener(Trainer):
        def __init__(self):
            self.told = []

        def message(self, message):
            self.told.append(message)

    trainer = Listener()
    for k, (x, tags) in enumerate(zip(X, y, strict=True)):
        trainer.append(iter(x), tags, group=k % 4)
    trainer.train(str(tmp_path / "model"), holdout=2)
    assert "30 sequences" in "".join(trainer.told)
    log = trainer.logparser
    assert [row["num"] for row in log.iterations] == list(range(1, len(log.iterations) + 1))
    assert log.last_iteration is log.iterations[-1]
    held = [(x, tags) for k, (x, tags) in enumerate(zip(X, y, strict=True)) if k % 4 == 2]
    tagger = structsvm.load(tmp_path / "model")
    best = max(row["item_accuracy_float"] for row in log.iterations)
    assert tagger.score(*zip(*held, strict=True)) == best
    crf = CRF().fit(
        [x for k, x in enumerate(X) if k % 4 != 2],
        [tags for k, tags in enumerate(y) if k % 4 != 2],
        *zip(*held, strict=True),
    )
    assert np.array_equal(crf.tagger_._tagger().coef_, tagger.coef_)
    with pytest.raises(ValueError, match="X_dev and y_dev go together"):
        CRF().fit(X, y, X)


def test_trainer_prints_only_if_verbose(capsys):
    X, y = corpus(4)
    for verbose in (True, False):
        CRF(verbose=verbose, trainer_cls=Trainer).fit(X, y)
        assert ("Iteration 1: " in capsys.readouterr().out) is verbose
    trainer = Trainer(verbose=False)
    with pytest.raises(ValueError, match="xseq has 1 tokens but yseq has 2 labels"):
        trainer.append([["a"]], ["x", "y"])
    trainer.append([["a"]], ["x"])
    trainer.clear()
    with pytest.raises(ValueError, match="nothing to learn from"):
        trainer.fit()
    with pytest.raises(ValueError, match="type='tree': expected 'crf1d'"):
        trainer.select("lbfgs", "tree")


def test_items_keep_their_names_and_values():
    tokens = [{"a": {"b": ["c"], "d": 0.5}, "e": False}, {"f", "g"}, ["h"], {}]
    items = ItemSequence(tokens)
    assert items.items() == [{"a:b:c": 1.0, "a:d": 0.5, "e": 0.0}, {"f": 1, "g": 1}, {"h": 1}, {}]
    assert ItemSequence(items.items()).items() == items.items()
    assert repr(items) == "<ItemSequence of size 4>"
    X, y = corpus()
    tagger = CRF().fit([ItemSequence(x) for x in X], y).tagger_
    assert [tagger.tag(ItemSequence(x)) for x in X] == [tagger.tag(x) for x in X]
    assert tagger.tag() == tagger.tag(X[-1])
    assert tagger.tag([]) == []
    for bad in ("text", ["text"], [[{"a": 1}]]):
        with pytest.raises(ValueError, match="expected"):
            tagger.tag(bad)
        with pytest.raises(ValueError, match="expected"):
            ItemSequence(bad)
    with pytest.raises(ValueError, match="there is no sequence"):
        crfsuite.Tagger.of(tagger._tagger()).tag()
    assert set(ALGORITHMS) == {"lbfgs", "l2sgd", "averaged-perceptron", "passive-aggressive"}


def test_what_is_listed_twice_counts_twice_in_items_too():
    X = [[["a", "a", "b"], ["b", "c"]], [["c"], ["a"]]]
    assert ItemSequence(X[0]).items()[0] == {"a": 2.0, "b": 1.0}
    assert ItemSequence([{"w": "x", "w:x": 0.5}]).items() == [{"w:x": 1.5}]
    crf = CRF(c2=0.1).fit(X, [["A", "B"], ["B", "A"]])
    for method in (crf.predict_single, crf.predict_marginals_single):
        assert [method(ItemSequence(x)) for x in X] == [method(x) for x in X]


def test_an_answer_is_for_the_sequence_that_was_given(monkeypatch):
    X, y = corpus(60)
    crf = CRF(c2=0.01).fit(X, y)
    want = crf.predict_single(X[0]), crf.predict_marginals_single(X[0])
    other = next(x for x in X if len(x) != len(X[0]))

    def meanwhile(function):
        def call(*args):
            crf.tagger_.set(other)  # as another thread may
            return function(*args)

        return call

    monkeypatch.setattr(crfsuite, "token_kinds", meanwhile(crfsuite.token_kinds))
    features = crf.tagger_._held.features_
    monkeypatch.setattr(features, "transform", meanwhile(features.transform))
    assert (crf.predict_single(X[0]), crf.predict_marginals_single(X[0])) == want


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda crf: crf.fit([[["a"]]], []), "X has 1 examples but y has 0"),
        (lambda crf: crf.fit(None, None), "X is a NoneType; expected a list"),
        (lambda crf: crf.fit([None], [["A"]]), "xseq is None; expected a list"),
        (lambda crf: crf.fit([[["a"]]], [None]), "yseq is None; expected a list of labels"),
        (lambda crf: crf.fit([[["a"]]], ["A"]), "yseq is 'A'; expected a list of labels"),
        (
            lambda crf: crf.fit([[["a"]]], [["A"]], [[["a"]]], []),
            "in X_val and y_val: X has 1 examples but y has 0",
        ),
        (lambda crf: crf.predict(None), "X is a NoneType"),
        (lambda crf: crf.predict_single(None), "xseq is None"),
        (lambda crf: crf.predict_single({"word": "a"}), "xseq is {'word': 'a'}"),
        (lambda crf: crf.predict_marginals([None]), "xseq is None"),
        (lambda crf: ItemSequence(None), "xseq is None"),
        (lambda crf: ItemSequence("ab"), "xseq is 'ab'"),
        (lambda crf: Tagger().tag([["a"]]), "the tagger has no model"),
        (lambda crf: Tagger().tag(), "the tagger has no model"),
    ],
)
def test_what_is_no_sequence_is_refused(call, message):
    X, y = corpus()
    crf = CRF().fit(X, y)
    crf.predict_single(X[0])
    with pytest.raises(ValueError, match=message):
        call(crf)


@pytest.mark.parametrize("pos", [0.5, None, "0", -1, 99])
def test_positions_of_marginals_are_integers(pos):
    X, y = corpus()
    tagger = CRF().fit(X, y).tagger_
    tagger.set(X[0])
    with pytest.raises(ValueError, match=r"pos=.*expected an integer"):
        tagger.marginal("d", pos)
