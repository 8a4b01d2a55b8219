"""Chains whose states are pairs of labels."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.models import twin

import structsvm
from structsvm import ChainModel, ChainSVM, SequenceTagger
from structsvm.exceptions import ModelFileError
from structsvm.losses import HammingLoss
from structsvm.testing import check_model


def make_data(lengths, n_labels, rng, edges=False):
    """Small integers, so that all sums are exact."""
    X = [rng.integers(-2, 3, size=(length, 2)).astype(float) for length in lengths]
    X = [sp.csr_array(x) if i % 2 else x for i, x in enumerate(X)]
    if edges:
        X = [(x, rng.integers(-1, 2, size=(x.shape[0], 2)).astype(float)) for x in X]
    y = [rng.integers(n_labels, size=length) for length in lengths]
    y[0] = np.arange(lengths[0]) % n_labels
    return X, y


def known_outputs(model, length):
    """All label sequences of which every pair of neighbours was seen in training."""
    seen = {tuple(pair) for pair in model.pairs_.tolist()}
    for output in itertools.product(range(len(model.classes_)), repeat=length):
        if all(pair in seen for pair in zip((-1, *output), output, strict=False)):
            yield output


def score(x, y, blocks, states):
    """Score of a label sequence, from states by name."""
    rows, edges = x if isinstance(x, tuple) else (x, np.zeros((len(y), 0)))
    rows = rows.toarray() if sp.issparse(rows) else rows
    path = [states.index((y[t - 1] if t else None, y[t])) for t in range(len(y))]
    total = 0.0
    for t, label in enumerate(y):
        total += rows[t] @ blocks["state"][:, label] + blocks["intercept"][label]
        if t:
            total += blocks["transition"][path[t - 1], path[t]]
            total += edges[t] @ blocks["edge"][:, path[t - 1], path[t]]
    if path:
        total += blocks["start"][path[0]] + blocks["end"][path[-1]]
    return float(total)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**6),
    st.lists(st.integers(0, 4), min_size=1, max_size=4),
    st.integers(2, 3),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.sampled_from(["margin", "slack"]),
)
def test_planes_are_those_of_the_best_output(seed, lengths, n_labels, options, rescaling):
    intercept, boundary, edges = options
    rng = np.random.default_rng(seed)
    X, y = make_data([n_labels, *lengths], n_labels, rng, edges)
    cost = rng.integers(1, 4, size=(n_labels, n_labels)).astype(float)
    np.fill_diagonal(cost, 0)
    loss = HammingLoss(cost=cost)
    model = ChainModel(loss, fit_intercept=intercept, boundary=boundary, order=2)
    model.initialize(X, y)
    problem, python = model.bind(X, y), twin(model).bind(X, y)
    assert problem.n_weights == python.n_weights == model.n_weights
    problem.set_rescaling(rescaling)
    for w in (np.zeros(model.n_weights), rng.integers(-3, 4, model.n_weights).astype(float)):
        blocks, states = model.weight_blocks(w), model.states_
        for i, (x, truth) in enumerate(zip(X, y, strict=True)):
            outputs = list(known_outputs(model, len(truth)))
            scores = np.array([score(x, output, blocks, states) for output in outputs])
            features = [twin(model).joint_feature(x, output) for output in outputs]
            np.testing.assert_allclose([w @ psi for psi in features], scores, atol=1e-9)
            losses = np.array([twin(model).loss(truth, output) for output in outputs])
            margins = scores - score(x, tuple(truth.tolist()), blocks, states)
            heights = losses * (1 + margins) if rescaling == "slack" else losses + margins
            indices, values, plane_loss = problem.oracle(i, w)
            height = plane_loss - values @ w[indices]
            assert height == pytest.approx(max(heights.max(), 0.0), abs=1e-8)
            if rescaling == "margin":
                guess = twin(model).loss_augmented_inference(x, truth, w)
                delta = w @ (
                    twin(model).joint_feature(x, truth) - twin(model).joint_feature(x, guess)
                )
                assert twin(model).loss(truth, guess) - delta == pytest.approx(
                    heights.max(), abs=1e-9
                )
        for x, truth, guess in zip(X, y, model.batch_inference(X, w), strict=True):
            top = max(score(x, o, blocks, states) for o in known_outputs(model, len(truth)))
            assert score(x, tuple(guess.tolist()), blocks, states) == pytest.approx(top, abs=1e-9)


@pytest.mark.parametrize("n_labels", [1, 2, 9])
def test_any_number_of_labels(n_labels):
    rng = np.random.default_rng(n_labels)
    X, y = make_data([n_labels, 30, 1], n_labels, rng)
    model = ChainModel(order=2)
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


def every_third(n=40, seed=0):
    """1 in every third place: one label back does not tell where the next is."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        length, phase = int(rng.integers(3, 12)), int(rng.integers(3))
        labels = ((np.arange(length) + phase) % 3 == 0).astype(int)
        x = np.zeros((length, 3))
        x[:3, 0] = labels[:3] * 2 - 1  # only the first three places are seen
        y.append(labels)
        X.append(x)
    return X, y


def test_two_labels_back_tell_what_one_does_not():
    X, y = every_third()
    X_new, y_new = every_third(seed=1)
    first = ChainSVM(scale=None, C=10, random_state=0).fit(X, y)
    second = ChainSVM(scale=None, C=10, order=2, random_state=0).fit(X, y)
    assert second.dual_gap_ <= 1e-3
    assert second.score(X_new, y_new) == 1.0
    assert first.score(X_new, y_new) < 0.9
    assert second.transition_coef_.shape == (len(second.states_),) * 2
    assert (None, 0) in second.states_
    assert len(second.states_) == 6  # two at the start, two pairs that occur, two of one label


def test_all_that_predicts(tmp_path):
    X, y = every_third(20)
    svm = ChainSVM(scale=None, C=1.0, order=2, tol=0.05, random_state=0).fit(X, y)
    model, w = svm.model_, svm.coef_
    blocks, states = model.weight_blocks(w), svm.states_
    for x, labels in zip(X[:8], y[:8], strict=True):
        if len(labels) > 6:
            continue
        scores = {o: score(x, o, blocks, states) for o in known_outputs(model, len(labels))}
        [marginals] = svm.max_marginals([x])
        assert marginals.shape == (len(labels), 2)
        for (t, k), value in np.ndenumerate(marginals):
            best = max((s for o, s in scores.items() if o[t] == k), default=-np.inf)
            assert value == pytest.approx(best, abs=1e-9)
        [candidates] = svm.predict_n_best([x], n=4)
        np.testing.assert_allclose(
            [s for _, s in candidates], sorted(scores.values(), reverse=True)[:4], atol=1e-9
        )
        assert [scores[tuple(o.tolist())] for o, _ in candidates] == pytest.approx(
            [s for _, s in candidates]
        )
        given = [int(labels[0]), *[None] * (len(labels) - 1)]
        [completed] = svm.complete([x], [given])
        best = max(s for o, s in scores.items() if o[0] == labels[0])
        assert scores[tuple(completed.tolist())] == pytest.approx(best, abs=1e-9)
        other = next(iter(scores))
        terms = svm.explain(x, labels, other)
        expected = scores[tuple(labels.tolist())] - scores[other]
        assert sum(term.value for term in terms) == pytest.approx(expected, abs=1e-9)
    assert any("0|1\t1|0" in line or "1|0\t0|0" in line for line in svm.iter_weights())
    assert svm.top_transitions(1)[0].value == svm.transition_coef_.max()
    svm.save(tmp_path / "model")
    copy = structsvm.load(tmp_path / "model")
    assert copy.states_ == svm.states_
    assert all(map(np.array_equal, copy.predict(X), svm.predict(X)))


def test_constraints_and_taggers():
    X = [["a", "b", "c", "a"], ["c", "a", "b"]]
    y = [["B-X", "I-X", "O", "B-X"], ["O", "B-X", "I-X"]]
    tagger = SequenceTagger(order=2, constraints="iob2", random_state=0).fit(X, y)
    assert [tagger.tag(x) for x in X] == y
    found = {tuple(labels.tolist()) for labels, _ in tagger.predict_n_best([X[1]], n=99)[0]}
    assert all(b != "I-X" or a != "O" for o in found for a, b in itertools.pairwise(o))


def test_learning_in_pieces_knows_every_pair():
    X, y = every_third(30)
    svm = ChainSVM(C=1.0, scale=None, order=2, solver="perceptron", random_state=0)
    for start in range(0, 30, 10):
        svm.partial_fit(X[start : start + 10], y[start : start + 10], classes=[0, 1, 2])
    assert len(svm.states_) == 12
    assert svm.score(X, y) > 0.9


def test_pairs_never_seen_are_named():
    X, y = every_third(20)
    y = [labels + 2 * (labels == 0) * (np.arange(len(labels)) == 0) for labels in y]
    svm = ChainSVM(C=1.0, scale=None, order=2, tol=0.1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"y\[0\]\[1\] is 2 after 1, a pair that is not in"):
        svm.loss_augmented_predict([np.zeros((2, 3))], [[1, 2]])
    assert svm.score([np.zeros((2, 3))], [[1, 2]]) <= 1.0  # a score needs no states
    longer = ChainSVM(C=1.0, scale=None, order=2, random_state=0).fit(
        [[[1.0]], [[-1.0]]], [[0], [1]]
    )
    assert len(longer.predict([np.ones((5, 1))])[0]) == 5
    for order in (0, 3, "2", True):
        with pytest.raises(ValueError, match="expected 1 or 2"):
            ChainSVM(C=1.0, scale=None, order=order).fit(X, y)
    with pytest.raises(ValueError, match="needs transitions=True"):
        ChainSVM(C=1.0, scale=None, order=2, transitions=False).fit(X, y)


def test_the_model_passes_its_own_check():
    X, y = every_third(8)
    check_model(ChainModel(order=2), [x[:4] for x in X], [labels[:4] for labels in y])


def test_forged_pairs_are_refused(tmp_path, monkeypatch):
    X, y = every_third(20)
    svm = ChainSVM(C=1.0, scale=None, order=2, tol=0.1, random_state=0).fit(X, y)
    pairs = svm.model_.pairs_
    for bad in (pairs[::-1].copy(), pairs + 5, pairs[:, :1], pairs[pairs[:, 1] == 0], -pairs):
        monkeypatch.setattr(svm.model_._states, "pairs", bad)
        svm.save(tmp_path / "model")
        with pytest.raises(ModelFileError, match="the pairs of labels are"):
            structsvm.load(tmp_path / "model")
