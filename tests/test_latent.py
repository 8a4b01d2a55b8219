"""LatentSVM: completions are the best, planes move along, no round raises the objective."""

import itertools
import pickle
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from solver_settings import raise_at
from structures import STRUCTURES

from structsvm import (
    ChainModel,
    GraphModel,
    GridModel,
    HiddenStates,
    LatentSVM,
    MultiLabelModel,
    StructSVM,
    StructuredModel,
    load,
)
from structsvm.callbacks import Checkpoint
from structsvm.datasets import make_digit_words
from structsvm.exceptions import TrivialFitWarning
from structsvm.losses import HammingLoss
from structsvm.solvers import BCFW
from structsvm.solvers._blocks import DualBlocks
from structsvm.solvers.base import Capabilities
from structsvm.testing import check_model


def hide(y, share=0.4, seed=0):
    rng = np.random.default_rng(seed)
    return [[None if rng.random() < share else k for k in row.tolist()] for row in y]


def all_completions(y, classes):
    yield from itertools.product(*[classes if k is None else [k] for k in y])


def latent_objective(svm, X, y, weight=None):
    """The objective by enumeration of all outputs and completions."""
    model, w, total = svm.model_, svm.coef_, 0.5 * svm.coef_ @ svm.coef_
    classes = model.classes_.tolist()
    for x, row, s in zip(X, y, np.ones(len(X)) if weight is None else weight, strict=True):

        def score(labels, x=x):
            return model.joint_feature(x, list(labels)) @ w

        worst = max(
            sum(a is not None and a != b for a, b in zip(row, labels, strict=True)) + score(labels)
            for labels in itertools.product(classes, repeat=len(row))
        )
        best = max(score(labels) for labels in all_completions(row, classes))
        total += svm.C_ * s * (worst - best)
    return total


# ---- completion


@pytest.mark.parametrize(
    "name",
    [
        "chain",
        "chain of tags",
        "chain without steps",
        "chain with edge features",
        "graph by a cut",
        "graph of costs",
        "grid",
        "grid of 8 neighbours",
    ],
)
@settings(max_examples=10)
@given(data=st.data())
def test_completions_are_the_best_of_those_that_agree(name, data):
    X, y = data.draw(STRUCTURES[name].examples)
    model = STRUCTURES[name].model()
    in_chain = isinstance(model, ChainModel)
    model.initialize(X, y)
    if not in_chain:
        model.ignore_label = 9
    w = data.draw(st.lists(st.sampled_from([0.0, 1.0, -1.0, 2.0]), min_size=3, max_size=9))
    w = np.resize(w, model.n_weights) * (1.0 + np.arange(model.n_weights) % 2)
    if model.non_negative is not None:
        w[model.non_negative] = np.abs(w[model.non_negative])
    partial, free = [], []
    for row in y:
        flat = np.ravel(row).tolist()
        free.append([data.draw(st.booleans()) for _ in flat])
        flat = [
            (None if in_chain else 9) if hidden else k
            for k, hidden in zip(flat, free[-1], strict=True)
        ]
        partial.append(flat if in_chain else np.reshape(flat, np.shape(row)))
    inputs, read = model.prepare_examples(X, partial)
    before = model.completed(inputs, read, np.zeros(model.n_weights))
    for found in (model.completed(inputs, read, w), model.completed(inputs, read, w, before)):
        for i, x in enumerate(X):
            labels = np.asarray(found[i])
            known = ~np.array(free[i], dtype=bool).reshape(labels.shape)
            assert (labels[known] == np.asarray(y[i])[known]).all()
            scores = [
                model.joint_feature(x, output) @ w
                for output in STRUCTURES[name].outputs(model, x)
                if (np.asarray(output)[known] == np.asarray(y[i])[known]).all()
            ]
            assert model.joint_feature(x, labels) @ w == pytest.approx(max(scores), abs=1e-9)
    found = model.completed(inputs, read, w, before)
    again = model.completed(inputs, read, w, found)
    assert len(model.differing(found, again)) == 0  # ties stay


def test_completions_of_tables_of_pairs_agree_with_what_is_known():
    rng = np.random.default_rng(0)
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])
    X = [(rng.normal(size=(4, 2)), edges, rng.normal(size=(4, 2))) for _ in range(5)]
    y = [rng.integers(0, 3, 4) for _ in X]
    y[0][:3] = range(3)
    model = GraphModel(pairwise="table", ignore_label=-1)
    partial = [np.where(rng.random(4) < 0.5, -1, row) for row in y]
    model.initialize(X, y)
    w = rng.normal(size=model.n_weights)
    for x, row, found in zip(X, partial, model.batch_complete(X, partial, w), strict=True):
        assert (found[row >= 0] == row[row >= 0]).all()
        best = max(
            model.joint_feature(x, np.array(labels)) @ w
            for labels in itertools.product(range(3), repeat=4)
            if all(b < 0 or a == b for a, b in zip(labels, row, strict=True))
        )
        assert model.joint_feature(x, found) @ w == pytest.approx(best, abs=1e-9)


# ---- planes that move


@pytest.mark.parametrize("options", [{}, {"frank_wolfe": True}])
def test_moved_planes_are_those_of_the_same_outputs(words, options, planes_as_vectors):
    X, y = words
    model = ChainModel()
    model.initialize(X, y)
    other = [np.where(np.arange(len(row)) % 2 == 0, (row + 1) % 3, row) for row in y]
    weight = [np.zeros(len(row)) for row in y]  # no loss anywhere, so that it is the same
    of = [model.bind(X, labels, position_weight=weight) for labels in (y, other)]
    for problem in of:
        problem.set_sample_weight(1.0 + np.arange(len(X)) % 3)
    # A loss between labels 0 and 1 gives planes that are not of the truth.
    first = model.bind(X, y)
    first.set_sample_weight(1.0 + np.arange(len(X)) % 3)
    blocks = DualBlocks(first, **options)
    for _ in range(3):
        blocks.exact_pass(np.arange(len(X), dtype=np.int32))
    before = blocks.store.snapshot()
    shifts = [(i, *of[1].truth_change(of[0], i)) for i in range(len(X))]
    scaled = [(i, k, v * (1.0 + i % 3)) for i, k, v in shifts]
    moved = blocks.moved(of[1], scaled)
    after = moved.store.snapshot()

    def planes(held):
        ends = np.cumsum(held["counts"][:, 1])
        for i, k, v in zip(
            np.repeat(np.arange(len(X)), held["sizes"]),
            np.split(held["indices"], ends[:-1]),
            np.split(held["values"], ends[:-1]),
            strict=True,
        ):
            dense = np.zeros(model.n_weights)
            dense[k] = v
            yield i, dense

    cell = 0
    grams = {i: [] for i in range(len(X))}
    for (i, old), (_, new) in zip(planes(before), planes(after), strict=True):
        change = model.joint_feature(X[i], other[i]) - model.joint_feature(X[i], y[i])
        np.testing.assert_allclose(new, old + (1.0 + i % 3) * change, atol=1e-12)
        grams[i].append(new)
    for i in range(len(X)):
        for p, plane in enumerate(grams[i]):
            for q in range(p + 1):
                assert after["gram"][cell] == pytest.approx(plane @ grams[i][q], abs=1e-9)
                cell += 1
    np.testing.assert_array_equal(before["planes"][:, 0], after["planes"][:, 0])
    assert moved.store.n_entries == len(after["values"])


def test_a_plane_of_the_new_truth_becomes_zero(words):
    """Sums cancel to the bit, so that no answer of an oracle is below a plane by rounding."""
    X, y = words
    svm = LatentSVM(ChainModel(), random_state=0).fit(X, hide(y))
    assert svm.history_["n_changed"].sum() > 0  # warnings are errors


# ---- rounds


@pytest.mark.parametrize("solver", ["bcfw", "n_slack", "cutting_plane"])
@pytest.mark.parametrize("C", [0.1, 1.0])
def test_no_round_raises_the_objective(words, solver, C):
    X, y = words[0][:12], hide(words[1][:12])
    weight = 1.0 + np.arange(12) % 3
    svm = LatentSVM(ChainModel(), C=C, scale=None, solver=solver, random_state=0, n_init=2)
    svm.fit(X, y, sample_weight=weight)
    history = svm.history_
    for start in (0, 1):
        objective = history["objective"][history["start"] == start]
        assert (np.diff(objective) <= 0).all()
    assert (history["objective"] <= history["convex_objective"] * (1 + 1e-9)).sum() >= 2
    assert svm.objective_ == history["objective"].min()
    assert svm.objective_ == pytest.approx(latent_objective(svm, X, y, weight), rel=1e-6)
    assert (svm.status_, svm.certified_) == ("converged", False)
    assert svm.dual_gap_ <= 1e-3


def test_without_hidden_parts_it_is_the_convex_problem(words):
    X, y = words
    whole = StructSVM(ChainModel(), random_state=0, tol=1e-5).fit(X, y)
    for model in (ChainModel(), HiddenStates(ChainModel(), n_states=1)):
        svm = LatentSVM(model, random_state=0, tol=1e-5).fit(X, y)
        assert svm.objective_ == pytest.approx(whole.objective_, rel=2e-5)
        assert svm.score(X, y) == whole.score(X, y)


def test_dual_weights_that_stay_save_oracle_calls():
    class Forgetful(BCFW):
        capabilities = Capabilities()

    calls = dict.fromkeys((BCFW, Forgetful), 0)
    for seed in range(4):
        data = make_digit_words(n_train=80, random_state=seed)
        for kind in calls:
            svm = LatentSVM(HiddenStates(ChainModel()), solver=kind(), random_state=0)
            calls[kind] += svm.fit(data.X_train, data.y_train).n_oracle_calls_
    assert calls[BCFW] < 0.6 * calls[Forgetful]


def test_the_best_of_several_starts_is_kept(words):
    X, y = words[0], hide(words[1], 0.7)
    svm = LatentSVM(ChainModel(), C=1.0, random_state=0, n_init=4).fit(X, y)
    ends = [svm.history_["objective"][svm.history_["start"] == k].min() for k in range(4)]
    assert svm.objective_ == min(ends) < max(ends)


def test_hidden_labels_teach_transitions_that_void_ones_cannot():
    """Labels stay mostly, and of two neighbours one is known."""
    rng = np.random.default_rng(0)
    y = [np.cumsum(rng.random(12) < 0.12) % 2 for _ in range(60)]
    X = [(2.0 * row - 1 + rng.normal(size=12))[:, None] for row in y]
    partial = [[int(k) if t % 2 == 0 else None for t, k in enumerate(row)] for row in y]
    void = StructSVM(ChainModel(), random_state=0).fit(X, partial)
    hidden = LatentSVM(ChainModel(), random_state=0).fit(X, partial)
    assert not void.model_.weight_blocks(void.coef_)["transition"].any()
    assert hidden.score(X, y) > void.score(X, y)


# ---- hidden states


def test_two_states_of_a_label_remember_what_the_label_does_not():
    y = [["aab"[t % 3] for t in range(n)] for n in (4, 5, 7, 8, 9, 11)]
    X = [np.ones((len(row), 1)) for row in y]
    with pytest.warns(TrivialFitWarning):
        StructSVM(ChainModel(), C=1.0, random_state=0).fit(X, y)
    model = HiddenStates(ChainModel(), n_states=2)
    svm = LatentSVM(model, C=1.0, random_state=0).fit(X, y)
    assert svm.score(X, y) == 1.0
    assert svm.complete(X, y)[0].tolist()[:3] in ([a, 1 - a, b] for a in (0, 1) for b in (2, 3))
    forbidden = HiddenStates(ChainModel(constraints=[("b", "b"), (None, "b")]), n_states=2)
    svm = LatentSVM(forbidden, C=1.0, random_state=0).fit(X, y)
    assert svm.score(X, y) == 1.0
    assert all("bb" not in "".join(row) for row in svm.predict([np.zeros((6, 1))]))


@pytest.mark.parametrize("contrast", [False])
def test_states_of_crosses_on_a_grid(contrast):
    """The middle of a cross and its arms look alike, but have other neighbours."""
    rng = np.random.default_rng(0)

    def draw(n):
        X, y = [], []
        for _ in range(n):
            truth = np.zeros((7, 7), dtype=int)
            r, c = rng.integers(1, 6, 2)
            truth[r - 1 : r + 2, c] = truth[r, c - 1 : c + 2] = 1
            X.append(np.eye(2)[truth] + 0.7 * rng.normal(size=(7, 7, 2)))
            y.append(truth)
        return X, y

    X, y = draw(12)
    model = GridModel(pairwise="table", contrast=contrast)
    plain = StructSVM(model, random_state=0).fit(X, y)
    svm = LatentSVM(HiddenStates(model), random_state=0, tol=1e-2).fit(X, y)
    assert svm.score(X, y) > plain.score(X, y)
    assert svm.predict(X)[0].shape == (7, 7)
    objective = svm.history_["objective"]
    assert (np.diff(objective) <= 0).all()


def test_blobs_of_two_looks_have_two_states():
    """One label looks bright or dark, the other in between: no linear score of labels tells."""
    rng = np.random.default_rng(0)
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]])
    X, y = [], []
    for _ in range(20):
        label = np.repeat(rng.integers(0, 2, 2), 3)
        bright = np.repeat(rng.choice([-2.0, 2.0], 2), 3)
        rows = np.where(label == 1, bright, 0.0)[:, None] + 0.3 * rng.normal(size=(6, 1))
        X.append((rows, edges))
        y.append(label)
    model = GraphModel(pairwise="table")
    with pytest.warns(TrivialFitWarning):
        assert StructSVM(model, C=1.0, random_state=0).fit(X, y).score(X, y) < 0.9
    svm = LatentSVM(HiddenStates(model), C=100.0, random_state=0, tol=1e-2).fit(X, y)
    assert svm.score(X, y) > 0.95


def test_hidden_nodes_of_a_graph_join_those_that_are_seen():
    """A node whose label is never given, but whose feature tells best what its leaves have."""
    rng = np.random.default_rng(0)
    edges, noise = np.array([[0, 1], [0, 2], [0, 3]]), np.array([0.3, 2.0, 2.0, 2.0])
    X, y = [], []
    for label in rng.integers(0, 2, 60):
        X.append(((2.0 * label - 1 + noise * rng.normal(size=4))[:, None], edges))
        y.append(np.array([-1, label, label, label]))
    model = GraphModel(ignore_label=-1)
    void = StructSVM(model, random_state=0).fit(X, y)
    svm = LatentSVM(model, random_state=0).fit(X, y)
    assert svm.score(X, y) > void.score(X, y) + 0.1
    assert [row[0] for row in svm.complete(X, y)] == [row[1] for row in y]


# ---- models of one's own


@pytest.mark.parametrize("solver", ["bcfw", "n_slack", "cutting_plane"])
@pytest.mark.parametrize("hidden_states", [False, True])
def test_tied_tables_stay_tied(solver, hidden_states):
    rng = np.random.default_rng(0)
    X = [(rng.normal(size=(4, 2)), np.array([[0, 1], [1, 2], [2, 3]])) for _ in range(8)]
    y = [(x[:, 0] + np.append(0, x[:-1, 1]) > 0).astype(int) for x, _ in X]
    model = GraphModel("hamming", pairwise="symmetric", ignore_label=-1)
    if hidden_states:
        model = HiddenStates(model)
    else:
        y = [np.where(rng.random(4) < 0.3, -1, row) for row in y]
    svm = LatentSVM(model, C=1.0, solver=solver, scale=None, n_init=2, random_state=0).fit(X, y)
    table = getattr(svm.model_, "hidden_", svm.model_).weight_blocks(svm.coef_)["edge_intercept"]
    np.testing.assert_array_equal(table, table.T)
    assert svm.history_["n_changed"].any()
    if not hidden_states:
        above = table[np.triu_indices(2, 1)]
        norm = 0.5 * float(above @ above)  # a tied weight counts once
        y = [[None if label < 0 else label for label in row.tolist()] for row in y]
        assert svm.objective_ == pytest.approx(latent_objective(svm, X, y) - norm)


class Bags(StructuredModel):
    """y is the label of a bag and, if it is 1, which of its rows shows that; given as (1, None)."""

    def initialize(self, X, y):
        self.n_weights = X[0].shape[1]

    def joint_feature(self, x, y):
        return x[y[1]] if y[0] else np.zeros(self.n_weights)

    def loss(self, y, y_hat):
        return float(y[0] != y_hat[0])

    def best(self, x, w, gain):
        row = int(np.argmax(x @ w))
        return (1, row) if x[row] @ w + gain > 0 else (0, None)

    def loss_augmented_inference(self, x, y, w):
        return self.best(x, w, -1.0 if y[0] else 1.0)

    def inference(self, x, w):
        return self.best(x, w, 0.0)

    def complete(self, x, y, w):
        return (1, int(np.argmax(x @ w))) if y[0] else y


def bags(n=40):
    rng = np.random.default_rng(0)
    X = [np.column_stack([rng.normal(size=(5, 3)), np.ones(5)]) for _ in range(n)]
    y = [(int(i % 2), None) for i in range(n)]
    for x, (label, _) in zip(X, y, strict=True):
        if label:
            x[rng.integers(5), :2] += 3.0
    return X, y


def test_bags_of_instances_are_told_apart_by_one_row():
    X, y = bags()
    svm = LatentSVM(Bags(), C=1.0, random_state=0).fit(X, y)
    right = [guess[0] == label for guess, (label, _) in zip(svm.predict(X), y, strict=True)]
    assert np.mean(right) > 0.9
    assert (np.diff(svm.history_["objective"]) <= 0).all()
    rows = [x[h] for x, (label, h) in zip(X, svm.complete(X, y), strict=True) if label]
    assert np.mean([row[0] + row[1] > 2 for row in rows]) > 0.9
    check_model(Bags(), X, svm.complete(X, y))


def test_completions_are_counted():
    class Few(Bags):
        def batch_complete(self, X, Y, w):
            return [(0, 0)]

    with pytest.raises(ValueError, match=r"Few.batch_complete returned 1 outputs for 40 examples"):
        LatentSVM(Few(), C=1.0).fit(*bags())


def test_completions_that_change_what_is_known_are_told():
    class Careless(Bags):
        def complete(self, x, y, w):
            return (1, 0)

    told = r"complete of Careless returned an output for example 0 whose loss for y\[0\] is 1"
    X, y = bags()
    with pytest.raises(ValueError, match=told):
        LatentSVM(Careless(), C=1.0).fit(X, y)

    class OfCompleteOutputs(Bags):  # whose loss cannot tell
        def loss(self, y, y_hat):
            if y[0] and y[1] is None:
                raise TypeError("not complete")
            return super().loss(y, y_hat)

    LatentSVM(OfCompleteOutputs(), C=1.0, random_state=0).fit(X, y)


def test_a_model_may_say_what_to_begin_with():
    class First(Bags):
        def first_completion(self, x, y, random_state):
            return (1, random_state.randint(len(x))) if y[0] else y

    X, y = bags()
    a, b = (LatentSVM(First(), C=1.0, random_state=0, n_init=2).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(a.coef_, b.coef_)
    assert a.history_["start"].max() == 1


def test_a_loss_of_hidden_parts_is_refused():
    class Wrong(Bags):
        exact = False

        def loss(self, y, y_hat):
            return float(y != y_hat)

    X, y = bags()
    with pytest.raises(ValueError, match=r"may not depend on what is hidden in the truth"):
        LatentSVM(Wrong(), C=1.0, random_state=0).fit(X, y)


# ---- what ends a fit, and goes on


def test_an_interrupted_fit_keeps_its_weights_and_goes_on(words):
    X, y = words[0], hide(words[1])
    svm = LatentSVM(ChainModel(), C=1.0, random_state=0, tol=1e-4)
    whole = clone(svm).fit(X, y)
    n_rounds, seen = [], []

    def stop(progress):
        n_rounds.append(progress.n_iter == 1)
        if sum(n_rounds) == 4:  # of these the first is of what is known alone
            raise KeyboardInterrupt

    svm.set_params(callbacks=[stop])
    with pytest.warns(ConvergenceWarning, match="was interrupted"):
        svm.fit(X, y)
    assert (svm.status_, svm.n_rounds_) == ("interrupted", 3)
    before = svm.objective_
    svm.set_params(callbacks=[lambda progress: seen.append(1)], warm_start=True).fit(X, y)
    assert svm.status_ == "converged"
    assert svm.objective_ <= before
    assert svm.objective_ == pytest.approx(whole.objective_, rel=0.05)


def test_an_error_of_a_callback_or_a_completion_is_raised_with_the_weights_kept(words):
    X, y = words[0], hide(words[1])
    svm = LatentSVM(ChainModel(), C=1.0, random_state=0, callbacks=[raise_at(2, OSError("full"))])
    with pytest.raises(OSError, match="full"):
        svm.fit(X, y)
    assert (svm.status_, len(svm.predict(X))) == ("failed", len(X))

    class Tired(Bags):
        def complete(self, x, y, w):
            if w.any() and x[0, 0] == self.last:
                raise OSError("tired")
            return super().complete(x, y, w)

        def initialize(self, X, y):
            super().initialize(X, y)
            self.last = X[-1][0, 0]

    X, y = bags()
    with pytest.raises(OSError, match="tired"):
        LatentSVM(Tired(), C=1.0, random_state=0).fit(X, y)


def ended_at(call, error=None):
    """A callback whose one call ends the fit."""
    calls = []

    def end(progress):
        calls.append(progress)
        if len(calls) == call and error is not None:
            raise error
        return len(calls) == call

    return end


@pytest.mark.parametrize("call", [1, 2])
def test_what_ends_the_fit_to_what_is_known_ends_it_all(words, call):
    X, y = words[0], hide(words[1])
    svm = LatentSVM(ChainModel(), C=1.0, random_state=0, n_init=2)
    svm.set_params(callbacks=[ended_at(call)]).fit(X, y)
    assert (svm.status_, svm.n_rounds_, svm.n_iter_) == ("stopped", 1, 1)
    with pytest.warns(ConvergenceWarning, match="was interrupted"):
        svm.set_params(callbacks=[ended_at(call, KeyboardInterrupt())]).fit(X, y)
    assert (svm.status_, svm.n_rounds_, svm.n_iter_) == ("interrupted", 1, 1)
    with pytest.raises(OSError, match="full"):
        svm.set_params(callbacks=[ended_at(call, OSError("full"))]).fit(X, y)
    assert (svm.status_, len(svm.predict(X))) == ("failed", len(X))


@pytest.mark.parametrize(("pairwise", "seed"), [("potts", 6), ("table", 57)])
def test_the_gap_is_that_of_the_last_round(pairwise, seed):
    rng = np.random.default_rng(seed)
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 4]])
    X = [(rng.normal(size=(5, 2)), edges) for _ in range(10)]
    y = [np.where(rng.random(5) < 0.3, -1, nodes[:, 0] > 0).astype(int) for nodes, _ in X]
    svm = LatentSVM(GraphModel(ignore_label=-1, pairwise=pairwise), random_state=0).fit(X, y)
    assert svm.status_ == "converged"
    assert svm.dual_gap_ <= 1e-3
    assert svm.dual_objective_ <= svm.objective_


def test_passes_that_run_out_are_told(words):
    svm = LatentSVM(ChainModel(), C=1.0, solver="subgradient", max_iter=3, random_state=0)
    with pytest.warns(ConvergenceWarning, match="stopped after"):
        svm.fit(words[0], hide(words[1]))
    assert svm.status_ == "max_iter"
    assert svm.dual_gap_ > 1e-3


def test_a_checkpoint_is_gone_on_from(words, tmp_path):
    X, y = words[0], hide(words[1])
    path = tmp_path / "fit.ckpt"
    svm = LatentSVM(ChainModel(), random_state=0, callbacks=[Checkpoint(path, every=1)]).fit(X, y)
    again = clone(svm).set_params(callbacks=None).fit(X, y, resume_from=path)
    assert again.objective_ == pytest.approx(svm.objective_, rel=5e-3)
    assert again.n_oracle_calls_ < svm.n_oracle_calls_


def test_no_later_checkpoint_lacks_weights_to_go_on_from(words, tmp_path):
    X, y = words[0], hide(words[1])
    has_weights = []

    def look(progress):
        has_weights.append("best_weights" in progress.snapshot())

    svm = LatentSVM(ChainModel(), random_state=0, callbacks=[look]).fit(X, y)
    assert svm.history_["n_changed"].size > 2  # several rounds, each with a first iteration
    assert has_weights[has_weights.index(True) :] == [True] * (
        len(has_weights) - has_weights.index(True)
    )
    # Of what is known alone, which is trained first: no round after it writes over it.
    path, begun = tmp_path / "fit.ckpt", has_weights.index(True) + 1
    stop = lambda progress: progress.n_iter == begun  # noqa: E731
    svm.set_params(callbacks=[Checkpoint(path, every=1), stop]).fit(X, y)
    again = clone(svm).set_params(callbacks=None).fit(X, y, resume_from=path)
    assert again.status_ == "converged"


def test_a_checkpoint_knows_of_ties(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    X = [(rng.normal(size=(4, 2)), np.array([[0, 1], [1, 2], [2, 3]])) for _ in range(8)]
    y = [np.where(rng.random(4) < 0.3, -1, x[:, 0] > 0) for x, _ in X]
    path, seen = tmp_path / "fit.ckpt", []
    model = GraphModel(pairwise="symmetric", ignore_label=-1)
    svm = LatentSVM(model, C=1.0, random_state=0, callbacks=[Checkpoint(path, every=1)]).fit(X, y)
    completed = GraphModel.completed

    def spy(self, X, y, w, before=None):
        seen.append(self.weight_blocks(w)["edge_intercept"])
        return completed(self, X, y, w, before)

    monkeypatch.setattr(GraphModel, "completed", spy)
    clone(svm).set_params(callbacks=None).fit(X, y, resume_from=path)
    assert seen[1].any()
    np.testing.assert_array_equal(seen[1], seen[1].T)


def test_rounds_may_run_out(words):
    svm = LatentSVM(ChainModel(), C=1.0, random_state=0, max_rounds=2)
    with pytest.warns(ConvergenceWarning, match="stopped after 2 rounds, the last of which"):
        svm.fit(words[0], hide(words[1]))
    assert (svm.status_, svm.n_rounds_) == ("max_rounds", 2)


# ---- as every estimator


@pytest.mark.parametrize(
    "model", [ChainModel(), HiddenStates(ChainModel(task_loss="normalized_hamming"))]
)
def test_clone_pickle_file_and_threads(words, tmp_path, model):
    X, y = words[0], hide(words[1], 0.2)
    svm = LatentSVM(model, C=1.0, random_state=0).fit(X, y)
    for other in (clone(svm), clone(svm).set_params(n_jobs=2)):
        np.testing.assert_array_equal(other.fit(X, y).coef_, svm.coef_)
    svm.save(tmp_path / "svm")
    for copy in (pickle.loads(pickle.dumps(svm)), load(tmp_path / "svm")):
        for a, b in zip(copy.predict(X), svm.predict(X), strict=True):
            np.testing.assert_array_equal(a, b)
        assert copy.score(X, y) == svm.score(X, y)
    assert len(svm.loss_augmented_predict(X, y)) == len(X)


X2, Y2 = [np.eye(2), np.eye(2)], [[0, 1], [0, None]]


@pytest.mark.parametrize(
    ("svm", "y", "told"),
    [
        (LatentSVM(ChainModel()), [[None] * 2] * 2, "all labels in y are void"),
        (LatentSVM(ChainModel()), [[0, 1], [0]], r"y[1] has 1 labels, but X[1] has 2"),
        (LatentSVM(ChainModel(constraints=[(0, 1)])), Y2, "constraints forbid"),
        (
            LatentSVM(ChainModel(constraints=[(0, 0), (0, 1), (1, 1)])),
            [[1, 0], [0, None]],
            "y[1] leaves no labelling: constraints forbid all that agree with it",
        ),
        (LatentSVM(ChainModel(), solver="perceptron"), Y2, "has no dual, which LatentSVM needs"),
        (LatentSVM(ChainModel(), C="auto"), Y2, "C='auto' is not for LatentSVM"),
        (LatentSVM(ChainModel(), n_init=0), Y2, "n_init"),
        (LatentSVM(ChainModel(), max_rounds=1.5), Y2, "max_rounds"),
        (LatentSVM(ChainModel(), rescaling="slack"), Y2, "constant within each example"),
        (LatentSVM(HiddenStates(ChainModel(order=2))), Y2, "order=2 has no hidden states"),
        (LatentSVM(HiddenStates(ChainModel(), n_states=0)), Y2, "n_states"),
        (LatentSVM(HiddenStates(Bags())), Y2, "expected a ChainModel, GraphModel or so"),
        (StructSVM(HiddenStates(ChainModel())), Y2, "train HiddenStates by LatentSVM"),
    ],
)
def test_bad_input_is_told(svm, y, told):
    with pytest.raises(ValueError, match=re.escape(told)):
        svm.fit(X2, y)


def test_unknown_labels_and_models_without_completion_are_told():
    svm = LatentSVM(ChainModel(), random_state=0).fit([*X2, *X2], [*Y2, [1, 1], [0, 1]])
    with pytest.raises(ValueError, match="label 7 was not in the y that fit saw"):
        svm.complete(X2, [[7, None]] * 2)
    with pytest.raises(ValueError, match="no partial_fit"):
        svm.partial_fit(X2, Y2)

    class NoCompletion(Bags):
        complete = StructuredModel.complete

    X, y = bags()
    with pytest.raises(TypeError, match=r"NoCompletion does not implement complete\(\)"):
        LatentSVM(NoCompletion()).fit(X, y)
    for model, x, output in ((MultiLabelModel(), np.ones(2), np.ones(2, dtype=int)),):
        with pytest.raises(TypeError, match=r"Model does not implement complete\(\)$"):
            LatentSVM(model).fit([x] * 2, [output] * 2)

    class NoSize(Bags):
        def initialize(self, X, y):
            pass

    with pytest.raises(ValueError, match=r"set self.n_weights in initialize\(X, y\)"):
        LatentSVM(NoSize()).fit(X, y)
    with pytest.raises(ValueError, match="factors of classes cannot multiply the hinge"):
        LatentSVM(
            GridModel(HammingLoss(), class_weight={0: 2.0}, weighting="hinge", ignore_label=7)
        ).fit([np.eye(2)[..., None]], [[[0, 1], [7, 1]]])
