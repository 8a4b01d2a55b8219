"""Transition scores that depend on what is seen: planes, oracles, weights, estimators."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.chains import all_outputs, score_of_steps
from reference.models import twin

import structsvm
from structsvm import ChainModel, ChainSVM, PackedSequences, SequenceTagger
from structsvm.features import TokenFeatures
from structsvm.losses import HammingLoss
from structsvm.testing import check_model


def make_data(lengths, n_labels, rng, n_features=2, n_edge_features=3):
    """Small integers, so that all sums are exact; dense and CSR items by turns."""
    X = [
        (
            rng.integers(-2, 3, size=(length, n_features)).astype(float),
            rng.integers(-1, 2, size=(length, n_edge_features)).astype(float),
        )
        for length in lengths
    ]
    X = [(sp.csr_array(a), sp.csr_array(b)) if i % 2 else (a, b) for i, (a, b) in enumerate(X)]
    y = [rng.integers(n_labels, size=length) for length in lengths]
    y[0] = np.arange(lengths[0]) % n_labels
    return X, y


def as_dense(x):
    return [part.toarray() if sp.issparse(part) else part for part in x]


def score(x, y, blocks):
    rows, edges = as_dense(x)
    steps = [blocks["transition"] + np.einsum("g,gij->ij", z, blocks["edge"]) for z in edges]
    unary = rows @ blocks["state"] + blocks["intercept"]
    return score_of_steps(y, unary, steps, blocks["start"], blocks["end"])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.integers(2, 3),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["margin", "slack"]),
)
def test_planes_are_those_of_the_best_output(
    seed, lengths, n_labels, intercept, boundary, rescaling
):
    rng = np.random.default_rng(seed)
    X, y = make_data([n_labels, *lengths], n_labels, rng)
    cost = rng.integers(1, 4, size=(n_labels, n_labels)).astype(float)
    np.fill_diagonal(cost, 0)
    model = ChainModel(HammingLoss(cost=cost), fit_intercept=intercept, boundary=boundary)
    model.initialize(X, y)
    numpy_model = twin(model)
    problem, python = model.bind(X, y), numpy_model.bind(X, y)
    assert problem.n_weights == python.n_weights == model.n_weights
    problem.set_rescaling(rescaling)
    weights = np.zeros(model.n_weights), rng.integers(-3, 4, model.n_weights).astype(float)
    guesses = [model.batch_inference(X, w) for w in weights]
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        outputs = all_outputs(len(truth), n_labels)
        features = np.array([numpy_model.joint_feature(x, output) for output in outputs])
        losses = np.array([numpy_model.loss(truth, output) for output in outputs])
        truth_feature = numpy_model.joint_feature(x, truth)
        for w, guessed in zip(weights, guesses, strict=True):
            blocks = model.weight_blocks(w)
            scores = np.array([score(x, output, blocks) for output in outputs])
            np.testing.assert_allclose(features @ w, scores, atol=1e-9)
            heights = losses + scores - score(x, truth, blocks)
            if rescaling == "slack":
                heights = losses * (1 + scores - score(x, truth, blocks))
            indices, values, loss = problem.oracle(i, w)
            delta = np.zeros(model.n_weights)
            delta[indices] = values
            assert loss - w @ delta == pytest.approx(max(heights.max(), 0.0), abs=1e-8)
            best = np.flatnonzero(heights > heights.max() - 1e-9)
            scale = losses[best] if rescaling == "slack" else np.ones(len(best))
            if rescaling == "margin" or heights.max() > 0:
                assert any(
                    np.allclose(delta, s * (truth_feature - features[k]), atol=1e-9)
                    for k, s in zip(best, scale, strict=True)
                )
            assert score(x, guessed[i], blocks) == pytest.approx(scores.max(), abs=1e-9)
            own_guess = numpy_model.inference(x, w)
            assert score(x, own_guess, blocks) == pytest.approx(scores.max(), abs=1e-9)


@pytest.mark.parametrize("n_labels", [1, 8, 9, 33])
def test_any_number_of_labels(n_labels):
    rng = np.random.default_rng(n_labels)
    X, y = make_data([n_labels, 6, 1], n_labels, rng)
    model = ChainModel()
    model.initialize(X, y)
    problem = model.bind(X, y)
    w = rng.normal(size=model.n_weights)
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        guess = twin(model).loss_augmented_inference(x, truth, w)
        delta = twin(model).joint_feature(x, truth) - twin(model).joint_feature(x, guess)
        indices, values, loss = problem.oracle(i, w)
        assert loss - values @ w[indices] == pytest.approx(
            twin(model).loss(truth, guess) - w @ delta, abs=1e-9
        )


def switching(n=60, seed=0):
    """The label changes exactly where the edge says so: nothing else tells."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        turns = rng.integers(2, size=rng.integers(1, 8))
        turns[0] = 0
        first = np.zeros((len(turns), 1))
        first[0] = rng.choice([-1, 1])
        y.append(((first[0, 0] > 0) + np.cumsum(turns)) % 2)
        X.append((first, np.stack([turns, 1 - turns], axis=1).astype(float)))
    return X, y


def test_edges_learn_what_nothing_else_can():
    X, y = switching()
    X_new, y_new = switching(seed=1)
    svm = ChainSVM(scale=None, C=1.0, random_state=0).fit(X, y)
    assert svm.score(X_new, y_new) == 1.0
    assert svm.dual_gap_ <= 1e-3
    assert svm.n_edge_features_in_ == 2
    assert svm.edge_coef_.shape == (2, 2, 2)
    assert svm.edge_coef_[0, 0, 1] > 0 > svm.edge_coef_[1, 0, 1]
    without = ChainSVM(scale=None, C=1.0, random_state=0).fit([x[0] for x in X], y)
    assert without.score([x[0] for x in X_new], y_new) < 0.9


@pytest.mark.parametrize("solver", ["bcfw", "cutting_plane", "n_slack", "subgradient"])
def test_every_solver_reaches_one_objective(solver):
    X, y = switching(30)
    svm = ChainSVM(scale=None, C=0.1, tol=0.05, max_iter=3000, solver=solver, random_state=0).fit(
        X, y
    )
    assert svm.dual_gap_ <= 0.05
    best = ChainSVM(scale=None, C=0.1, tol=1e-5, random_state=0).fit(X, y)
    assert best.dual_objective_ <= svm.objective_ <= best.objective_ / 0.949


def test_packed_pairs_threads_and_constraints():
    X, y = switching(40)
    packed = PackedSequences(
        sp.csr_array(np.concatenate([x[0] for x in X])),
        np.cumsum([0, *(len(labels) for labels in y)]),
        sp.csr_array(np.concatenate([x[1] for x in X])),
    )
    svm = ChainSVM(scale=None, C=0.5, random_state=0).fit(X, y)
    same = ChainSVM(scale=None, C=0.5, random_state=0, n_jobs=2).fit(packed, y)
    assert same.objective_ == pytest.approx(svm.objective_, rel=2e-3)
    np.testing.assert_array_equal(svm.decision_function(X), ChainSVM.decision_function(svm, packed))
    bound = ChainSVM(scale=None, C=0.5, constraints=[(0, 1)], random_state=0)
    steady = [np.maximum.accumulate(labels[::-1])[::-1] for labels in y]
    guesses = bound.fit(X, steady).predict(X)
    assert all((np.diff(guess) <= 0).all() for guess in guesses)


def test_what_is_asked_of_scores_knows_edges(monkeypatch):
    rng = np.random.default_rng(0)
    X, y = make_data([3, 0, 4, 1, 2], 3, rng)
    svm = ChainSVM(scale=None, C=1.0, tol=1e-2, random_state=0).fit(X, y)
    blocks = svm.model_.weight_blocks(svm.coef_)
    for cells in (1, 40, 1 << 22):  # in chunks of any size
        monkeypatch.setattr("structsvm.models.chain_scores._CHUNK_CELLS", cells)
        marginals, best = svm.max_marginals(X), svm.predict_n_best(X, n=5)
        completed = svm.complete(X, [[None] * len(labels) for labels in y])
        for i, x in enumerate(X):
            scores = {o: score(x, o, blocks) for o in all_outputs(len(y[i]), 3)}
            for (t, k), value in np.ndenumerate(marginals[i]):
                top = max(s for o, s in scores.items() if o[t] == k)
                assert value == pytest.approx(top, abs=1e-9)
            expected = sorted(scores.values(), reverse=True)[:5]
            np.testing.assert_allclose([s for _, s in best[i]], expected, atol=1e-9)
            np.testing.assert_array_equal(completed[i], svm.predict([x])[0])


def test_explanations_name_edges():
    X, y = switching()
    svm = ChainSVM(scale=None, C=1.0, random_state=0).fit(X, y)
    model, w = svm.model_, svm.coef_
    for x, labels in itertools.islice(zip(X, y, strict=True), 10):
        other = 1 - labels
        terms = svm.explain(x, labels, other)
        difference = twin(model).joint_feature(x, labels) - twin(model).joint_feature(x, other)
        assert sum(t.value for t in terms) == pytest.approx(float(w @ difference), abs=1e-9)
    top = svm.top_edge_features(2)
    assert top[0].value == svm.edge_coef_.max()
    feature, before = top[0].source
    assert svm.edge_coef_[feature, before, top[0].label] == top[0].value
    assert sum(line.startswith("edge\t") for line in svm.iter_weights()) == np.count_nonzero(
        svm.edge_coef_
    )


def test_files_and_taggers(tmp_path):
    X, y = switching()
    svm = ChainSVM(scale=None, C=1.0, random_state=0).fit(X, y)
    svm.save(tmp_path / "model")
    copy = structsvm.load(tmp_path / "model")
    np.testing.assert_array_equal(copy.edge_coef_, svm.edge_coef_)
    sentences = [[("t" if z[0] else "s",) for z in x[1]] for x in X]
    for sentence, x in zip(sentences, X, strict=True):
        sentence[0] = ("up",) if x[0][0, 0] > 0 else ("down",)
    features = TokenFeatures(["U:%x[0,0]", "B:%x[0,0]"], outside="mark")
    tagger = SequenceTagger(features, C=1.0, random_state=0).fit(sentences, y)
    assert tagger.score(sentences, y) == 1.0
    assert {term.source[0] for term in tagger.top_edge_features(2)} <= {"B:s", "B:t"}
    tagger.save(tmp_path / "tagger")
    assert structsvm.load(tmp_path / "tagger").tag(sentences[0]) == tagger.tag(sentences[0])


def test_the_model_passes_its_own_check():
    X, y = make_data([3, 2, 4, 1, 2, 3], 3, np.random.default_rng(0))
    check_model(ChainModel(), X, y)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([(np.ones((2, 1)), np.ones((3, 1)))], r"X\[0\] has 3 rows of edge features for 2 pos"),
        ([(np.ones((2, 1)), np.ones((2, 1))), np.ones((2, 1))], r"X\[0\] is a pair .* X\[1\] is"),
        ([(np.ones((2, 1)), np.full((2, 1), np.nan))], r"X\[0\]\[1\]\[0, 0\] is nan"),
        ([(np.ones((2, 1)), np.ones((2, 1))), (np.ones((2, 1)), np.ones((2, 2)))],
         r"X\[1\]\[1\] has 2 features, expected 1 as X\[0\]\[1\] has"),
    ],
)  # fmt: skip
def test_bad_pairs_are_named(X, message):
    with pytest.raises(ValueError, match=message):
        ChainSVM(C=1.0, scale=None).fit(X, [[0, 1]] * len(X))


def test_edges_must_be_there_as_in_training():
    X, y = switching(10)
    svm = ChainSVM(C=1.0, scale=None, tol=0.1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"expected pairs .* with 2 edge features"):
        svm.predict([x[0] for x in X])
    with pytest.raises(ValueError, match="they need transitions=True"):
        ChainSVM(C=1.0, scale=None, transitions=False).fit(X, y)
    without = ChainSVM(C=1.0, scale=None, tol=0.1, random_state=0).fit([x[0] for x in X], y)
    with pytest.raises(ValueError, match=r"X\[0\]\[1\] has 2 features, expected 0"):
        without.predict(X)
