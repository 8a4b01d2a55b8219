"""Void labels of sequences: no loss, no features, no part in scores."""

import itertools
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from structsvm import ChainModel, ChainSVM, SequenceTagger, StructSVM, load
from structsvm.metrics import label_report, sequence_accuracy, span_f1_score, token_accuracy
from tests.structures import chains

KINDS = {
    "chain": {},
    "no transitions": {"transitions": False},
    "no boundary": {"boundary": False},
    "constraints": {"constraints": [(0, 1), (None, 2), (1, None)], "on_violation": "skip"},
    "normalized": {"task_loss": "normalized_hamming"},
}


def psi_of_pieces(model, x, y, labels):
    """psi of the labels, without parts that touch a void label of y."""
    x, edges = x if isinstance(x, tuple) else (x, np.zeros((len(x), 0)))
    psi = np.zeros(model.n_weights)
    blocks, known = model.weight_blocks(psi), [label is not None for label in y]
    for t in range(len(y)):
        if known[t]:
            blocks["state"][:, labels[t]] += x[t]
            blocks["intercept"][labels[t]] += 1
        if t and known[t - 1] and known[t]:
            blocks["transition"][labels[t - 1], labels[t]] += 1
            blocks["edge"][:, labels[t - 1], labels[t]] += edges[t]
    if len(y) and known[0]:
        blocks["start"][labels[0]] += 1
    if len(y) and known[-1]:
        blocks["end"][labels[-1]] += 1
    return psi


def is_allowed(model, y, labels):
    for before, after in model.constraints or ():
        known = [label is not None for label in y]
        if before is None and known[0] and labels[0] == after:
            return False
        if after is None and known[-1] and labels[-1] == before:
            return False
        steps = zip(itertools.pairwise(known), itertools.pairwise(labels), strict=True)
        if any(all(both) and pair == (before, after) for both, pair in steps):
            return False
    return True


@pytest.mark.parametrize("n_edge_features", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_the_plane_is_the_best_of_all_outputs_of_the_pieces(kind, n_edge_features, data):
    if n_edge_features and kind in ("no transitions", "no boundary"):
        return
    X, y = data.draw(chains(n_edge_features=n_edge_features))
    model = ChainModel(**KINDS[kind])
    model.initialize(X, [*y[:-1], np.append(y[-1], [0, 1, 2])[: max(len(y[-1]), 0)]])
    model.resize(np.arange(3), 2, n_edge_features)
    partial = [[None if data.draw(st.booleans()) else int(k) for k in row] for row in y]
    w = data.draw(st.lists(st.sampled_from([0.0, 1.0, -1.0, 2.0]), min_size=1, max_size=9))
    w = np.resize(w, model.n_weights) * (1 + np.arange(model.n_weights) % 2)
    if any(not is_allowed(model, row, row) for row in partial if row):
        with pytest.raises(ValueError, match="constraints forbid"):
            model.bind(X, partial)
        return
    problem = model.bind(X, partial)
    for i, (x, row) in enumerate(zip(X, partial, strict=True)):
        truth = psi_of_pieces(model, x, row, row)
        np.testing.assert_array_equal(model.joint_feature(x, row), truth)
        heights = [
            model.loss(row, list(labels)) + w @ (psi_of_pieces(model, x, row, labels) - truth)
            for labels in itertools.product(range(3), repeat=len(row))
            if not row or is_allowed(model, row, labels)
        ]
        indices, values, loss = problem.oracle(i, w)
        assert loss - values @ w[indices] == pytest.approx(max(heights), abs=1e-9)


def test_a_void_label_cuts_a_chain_into_chains_without_boundary():
    """Where nothing is scored at the ends, the same fit as that of the pieces."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 3)) for n in (5, 4, 6)]
    y = [rng.integers(0, 2, len(x)) for x in X]
    void = [2, 0, 5]
    partial = [
        [None if t == at else int(k) for t, k in enumerate(row)]
        for row, at in zip(y, void, strict=True)
    ]
    pieces = [
        (x[a:b], row[a:b])
        for x, row, at in zip(X, y, void, strict=True)
        for a, b in ((0, at), (at + 1, len(x)))
    ]
    options = {"boundary": False, "C": 0.5, "scale": None, "random_state": 0, "tol": 1e-6}
    cut = ChainSVM(**options).fit(X, partial)
    whole = ChainSVM(**options).fit([x for x, _ in pieces], [row for _, row in pieces])
    assert cut.objective_ == pytest.approx(whole.objective_, rel=1e-5)
    np.testing.assert_allclose(cut.coef_, whole.coef_, atol=1e-2)


@pytest.mark.parametrize("solver", ["bcfw", "n_slack", "cutting_plane", "perceptron"])
def test_all_ways_to_say_void_train_alike(solver):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(4, 3)) for _ in range(6)]
    y = [rng.integers(0, 3, 4) for _ in X]
    mark = [np.where(rng.random(4) < 0.3, -100, row) for row in y]
    holes = [[None if k == -100 else int(k) for k in row] for row in mark]
    objects = [np.array(row, dtype=object) for row in holes]
    ways = [(mark, {"ignore_label": -100}), (holes, {}), (objects, {"ignore_label": -7})]
    fits = [ChainSVM(solver=solver, random_state=0, **how).fit(X, given) for given, how in ways]
    for svm in fits:
        np.testing.assert_array_equal(svm.coef_, fits[0].coef_)
        assert svm.classes_.tolist() == [0, 1, 2]
    [svm, *_] = fits
    right = [
        a == b
        for guess, row in zip(svm.predict(X), mark, strict=True)
        for a, b in zip(guess, row, strict=True)
        if b != -100
    ]
    assert svm.score(X, mark) == fits[1].score(X, holes) == pytest.approx(np.mean(right))


def test_void_labels_of_strings_train_by_model_tagger_and_partial_fit(tmp_path):
    X = [["the", "cat", "sleeps"], ["a", "dog"], ["odd"]]
    y = [["D", "?", "V"], [None, "N"], ["?"]]
    tagger = SequenceTagger(ignore_label="?", random_state=0).fit(X, y)
    assert tagger.classes_.tolist() == ["D", "N", "V"]
    assert tagger.score(X, y) == 1.0
    tagger.save(tmp_path / "tagger")
    again = load(tmp_path / "tagger")
    assert again.ignore_label == "?"
    assert again.score(X, y) == clone(tagger).fit(X, y).score(X, y) == 1.0
    assert pickle.loads(pickle.dumps(tagger)).score(X, y) == 1.0
    tagger = SequenceTagger(ignore_label="?", solver="perceptron", random_state=0)
    tagger.partial_fit(X[:2], y[:2]).partial_fit(X[2:], y[2:])
    assert tagger.classes_.tolist() == ["D", "N", "V"]
    held_out = SequenceTagger(ignore_label="?", constraints=[("V", "D")], random_state=0)
    held_out.fit(X, y, X_val=X, y_val=y)
    assert held_out.validation_score_ == 1.0


def test_constraints_hold_within_pieces():
    X = [np.eye(3)[[0, 1, 2]], np.eye(3)[[0, 1, 2]]]
    y = [["O", None, "I-X"], ["B-X", "I-X", None]]
    svm = ChainSVM(constraints="iob2", random_state=0).fit(X, y)
    assert svm.dual_gap_ <= 1e-3
    wrong = [*y, ["I-X", None, "O"]]
    with pytest.raises(ValueError, match=r"y\[2\]\[0\] is I-X at the start"):
        ChainSVM(constraints="iob2").fit([*X, X[0]], wrong)
    with pytest.warns(UserWarning, match="1 of 3 sequences break the constraints"):
        svm = ChainSVM(constraints="iob2", on_violation="skip").fit([*X, X[0]], wrong)
    assert svm.n_violations_ == 1
    with pytest.raises(ValueError, match=r"y\[2\]\[0\] is I-X at the start.*void labels: use 'sk"):
        ChainSVM(constraints="iob2", on_violation="repair").fit([*X, X[0]], wrong)


X2, Y2 = [np.eye(2), np.eye(2)], [[0, 1], [0, 1]]


@pytest.mark.parametrize(
    ("fit", "told"),
    [
        (lambda: ChainSVM().fit(X2, [[None] * 2] * 2), "all labels in y are void: nothing is left"),
        (lambda: ChainSVM(ignore_label=0).fit(X2, [[0, 0]] * 2), "all labels in y are void"),
        (lambda: ChainSVM(ignore_label="x").fit(X2, Y2), "ignore_label='x' is of another kind"),
        (lambda: ChainSVM(order=2).fit(X2, [[0, 1], [None, 1]]), r"y\[1\] has void labels, which"),
        (
            lambda: ChainSVM(rescaling="slack").fit(X2, [[0, 1], [None, 1]]),
            "takes no void labels",
        ),
        (lambda: ChainSVM().fit(X2, [[0, 1], [None]]), r"y\[1\] has 1 labels, but X\[1\] has 2"),
        (lambda: ChainSVM().fit(X2, [[0, 1], None]), r"y\[1\] is None; expected a sequence"),
        (lambda: ChainSVM().fit(X2, [[0, 1], [None, "a"]]), "all integers or all strings"),
        (
            lambda: ChainSVM(C=1.0, random_state=0).fit(X2, Y2).score(X2, [[None] * 2] * 2),
            "all labels are void: there is no position to score",
        ),
    ],
)
def test_bad_void_labels_are_told(fit, told):
    with pytest.raises(ValueError, match=told):
        fit()


def test_the_void_label_of_torch_is_asked_for():
    with pytest.warns(UserWarning, match=r"is -100 void\? Then give ignore_label=-100"):
        ChainSVM(C=1.0, random_state=0).fit(X2, [[0, 1], [0, -100]])
    svm = ChainSVM(C=1.0, random_state=0, ignore_label=-100).fit(X2, [[0, 1], [0, -100]])
    assert svm.classes_.tolist() == [0, 1]


def test_scores_of_sequences_leave_void_positions_out():
    truth, guess = [["B-X", None, "I-X", "O"], ["?"]], [["B-X", "I-X", "I-X", "B-X"], ["O"]]
    options = {"ignore_label": "?"}
    assert token_accuracy(truth, guess, **options) == pytest.approx(2 / 3)
    assert sequence_accuracy(truth, guess, **options) == 0.5
    # Spans are B-X and I-X alone; of the prediction these and the B-X at the end.
    assert span_f1_score(truth, guess, **options) == pytest.approx(2 * 2 / 5)
    assert label_report(truth, guess, **options).splitlines()[-1].split()[1:] == ["0.6667", "3"]
    with pytest.raises(ValueError, match="void: there is no position to score"):
        token_accuracy([[None]], [["O"]])


def test_threads_and_sample_weights_pass_void_labels():
    rng = np.random.default_rng(1)
    X = [rng.normal(size=(5, 2)) for _ in range(6)]
    y = [[None if k == 2 else int(k) for k in rng.integers(0, 3, 5)] for _ in X]
    weight = [2, 1, 1, 0, 1, 1]
    one, two = (
        StructSVM(ChainModel(), random_state=0, n_jobs=jobs).fit(X, y, sample_weight=weight)
        for jobs in (1, 2)
    )
    np.testing.assert_array_equal(one.coef_, two.coef_)
    twice = [X[0], *X[:3], *X[4:]]
    same = StructSVM(ChainModel(), C=one.C_, scale=None, random_state=0, tol=1e-6)
    a = same.fit(X, y, sample_weight=weight).objective_
    b = clone(same).fit(twice, [y[0], *y[:3], *y[4:]]).objective_
    assert a == pytest.approx(b, rel=1e-5)
