"""Weights that grow, against a weight for each pair."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from text_chains import bound, text

from structsvm import ChainModel, ChainSVM, LatentSVM, fit_path
from structsvm.callbacks import Checkpoint, EarlyStopping
from structsvm.exceptions import ModelFileError
from structsvm.problems._grown_problem import GrownProblem, is_mapped
from structsvm.solvers import BCFW, _blocks
from structsvm.solvers._blocks import DualBlocks, grown_form
from structsvm.solvers._online import OnlineWeights


@pytest.fixture
def everything_grows(monkeypatch):
    for name in ("MANY_WEIGHTS", "SPARSE_ENOUGH", "MOST_DENSE"):
        monkeypatch.setattr(_blocks, name, 0)


PARAMS = [
    {},
    {"fit_intercept": False, "task_loss": "normalized_hamming"},
    {"transitions": False, "boundary": False},
]


@pytest.mark.parametrize("params", PARAMS, ids=str)
@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_growing_equals_dense(everything_grows, params, binary, weighted):
    dense = bound(binary=binary, weighted=weighted, **params)
    grown = grown_form(dense)
    assert isinstance(grown, GrownProblem)
    assert grown.n_weights < dense.n_weights
    rng = np.random.default_rng(1)
    pair = [DualBlocks(problem, max_planes=4, average=True) for problem in (dense, grown)]
    for b in pair:
        b.point.regularization = 0.05
    sizes = []
    for _ in range(5):
        order = rng.permutation(dense.n_examples).astype(np.int32)
        for b in pair:
            b.exact_pass(order)
        gaps = [b.steps.cached_pass(order, 0.0) for b in pair]
        assert gaps[0] == pytest.approx(gaps[1], abs=1e-10)
        sizes.append(grown.n_weights)
        for name in ("weights", "average"):
            ours, theirs = (getattr(b.point, name) for b in pair)
            if name == "average":
                ours, theirs = ours(), theirs()
            np.testing.assert_allclose(ours, grown.expanded(theirs), rtol=0, atol=1e-10)
        (z, loss), (other, other_loss) = (b.store.combination() for b in pair)
        np.testing.assert_allclose(z, grown.expanded(other), rtol=0, atol=1e-10)
        assert loss == pytest.approx(other_loss, abs=1e-10)
        point = rng.normal(size=dense.n_weights)
        hinges = [
            b.evaluator.evaluate(weights)
            for b, weights in zip(pair, (point, grown.compressed(point)), strict=True)
        ]
        assert hinges[0] == pytest.approx(hinges[1], abs=1e-10)
        assert np.array_equal(grown.expanded(grown.compressed(point)), point)
    assert sizes == sorted(sizes)
    assert grown.n_weights <= grown.most_weights


def test_shorter_weights_have_zeros_behind_them(everything_grows):
    grown = grown_form(bound())
    short = np.arange(1.0, grown.n_weights + 1)
    whole = grown.expanded(short)
    grown.compressed(np.ones(grown.dense.n_weights))
    assert grown.n_weights > len(short)
    assert np.array_equal(grown.expanded(short), whole)
    blocks = DualBlocks(grown)
    hinge = blocks.evaluator.evaluate(short)
    assert hinge == pytest.approx(grown.dense.mean_hinge(whole), abs=1e-10)


def test_snapshots_hold_the_places_of_pairs(everything_grows):
    grown = grown_form(bound())
    blocks = DualBlocks(grown)
    blocks.point.regularization = 0.05
    order = np.arange(grown.n_examples, dtype=np.int32)
    blocks.exact_pass(order)
    held, state = grown.snapshot(), blocks.snapshot()
    again = grown_form(grown.dense)
    again.restore(held)
    other = DualBlocks(again)
    other.restore(state)
    for b in (blocks, other):
        b.exact_pass(order)
    assert np.array_equal(blocks.point.weights, other.point.weights)
    for wrong in (
        {name: np.append(array, array[:1]) for name, array in held.items()},
        held | {"labels": held["labels"][1:]},
    ):
        with pytest.raises(ModelFileError):
            grown_form(grown.dense).restore(wrong)


def test_moved_states_keep_their_places(everything_grows):
    _, y = text(0, binary=True)
    changed = [row.copy() for row in y]
    changed[0][:] = 0
    before, after = bound(), bound(y=changed)
    options = {"tol": 1e-6, "max_iter": 400}
    first = BCFW().solve(before, 1.0, random_state=np.random.RandomState(0), **options)
    moved = first.state.moved(after, [(0, *after.truth_change(before, 0))])
    again = BCFW().solve(after, 1.0, random_state=np.random.RandomState(0), state=moved, **options)
    assert again.gap <= 1e-6
    fresh = BCFW().solve(after, 1.0, random_state=np.random.RandomState(0), **options)
    assert again.objective == pytest.approx(fresh.objective, rel=1e-5)


@pytest.mark.parametrize("most", [0.0, 0.3])
def test_online_learners_are_the_same(everything_grows, most):
    dense = bound(weighted=True)
    if most == 0.0:
        dense.set_rescaling("plain")
    grown = grown_form(dense)
    ours = OnlineWeights(dense.n_weights, True)
    theirs = OnlineWeights(grown.n_weights, True, grown)
    rng = np.random.default_rng(0)
    for _ in range(4):
        order = rng.permutation(dense.n_examples).astype(np.int32)
        for online, problem in ((ours, dense), (theirs, grown)):
            online.exact_pass(problem, order, most)
        assert ours.n_mistakes == theirs.n_mistakes > 0
        assert ours.hinge == pytest.approx(theirs.hinge, abs=1e-10)
        np.testing.assert_allclose(
            ours.average(), grown.expanded(theirs.average()), rtol=0, atol=1e-10
        )


SOLVERS = ["bcfw", "perceptron", "passive_aggressive", BCFW(averaging=True, acceleration=5.0)]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", SOLVERS, ids=str)
def test_estimators_fit_resume_and_go_on(solver, everything_grows, tmp_path):
    X, y = text(0, binary=True)
    file = tmp_path / "checkpoint"
    keep = Checkpoint(file, every=1)
    params = {"solver": solver, "C": 1.0, "random_state": 0, "max_iter": 8}
    if solver not in ("perceptron", "passive_aggressive"):
        params["tol"] = 1e-9
    seen = []

    def stop(progress):
        seen.append(progress.weights.copy())
        return progress.n_iter == 3

    def fitted(**more):
        svm = ChainSVM(**params | more)
        return svm

    whole = fitted().fit(X, y)
    fitted(callbacks=[keep, stop]).fit(X, y)
    assert seen[-1].shape == whole.coef_.shape
    resumed = fitted(callbacks=[keep]).fit(X, y, resume_from=file)
    assert np.array_equal(resumed.coef_, whole.coef_)
    assert whole.score(X, y) > 0.5
    if solver in ("perceptron", "passive_aggressive"):
        assert whole.partial_fit(X, y).coef_.shape == whole.coef_.shape
        assert pickle.loads(pickle.dumps(whole)).partial_fit(X, y).score(X, y) > 0.5


def test_fits_agree_with_those_of_dense_weights(monkeypatch):
    X, y = text(0, binary=True)
    objectives = []
    for most in (0, 1 << 40):
        for name in ("MANY_WEIGHTS", "SPARSE_ENOUGH"):
            monkeypatch.setattr(_blocks, name, 0)
        monkeypatch.setattr(_blocks, "MOST_DENSE", most)
        svm = ChainSVM(C=1.0, tol=1e-7, random_state=0, scale=None, n_jobs=2).fit(X, y)
        assert svm.certified_
        assert svm.dual_gap_ <= 1e-7
        objectives.append(svm.objective_)
        assert svm.model_.n_weights == len(svm.coef_)
    assert objectives[0] == pytest.approx(objectives[1], rel=1e-6)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_held_out_weights_are_those_of_the_model(everything_grows):
    X, y = text(0, binary=True)
    svm = ChainSVM(C=1.0, random_state=0, max_iter=5, callbacks=[EarlyStopping()])
    svm.fit(X[:8], y[:8], X_val=X[8:], y_val=y[8:])
    assert svm.coef_.shape == (svm.model_.n_weights,)
    assert svm.validation_score_ == pytest.approx(svm.score(X[8:], y[8:]))


def test_rows_of_a_mapped_file_are_not_copied(tmp_path):
    array = np.memmap(tmp_path / "rows", dtype=np.int32, mode="w+", shape=(4,))
    assert is_mapped(array)
    assert is_mapped(array[1:].view(np.uint32))
    assert not is_mapped(np.zeros(4)[1:])


def test_rows_are_numbered_anew():
    X = [sp.csr_array(np.eye(3)[[0, 1, 2, 2]])]
    model = ChainModel()
    model.initialize(X, [[0, 1, 0, 1]])
    grown = GrownProblem(model.bind(X, [[0, 1, 0, 1]]))
    w = np.random.default_rng(0).normal(size=model.n_weights)
    labels, values = grown.predict(grown.compressed(w))
    expected, scores = grown.dense.predict(w)
    assert np.array_equal(labels, expected)
    np.testing.assert_allclose(values, scores, atol=1e-12)
    with pytest.raises(ValueError, match="weights grow"):
        GrownProblem(grown)


def test_paths_and_warm_starts_go_on_in_the_same_weights(everything_grows):
    X, y = text(0, binary=True)
    params = {"tol": 1e-6, "random_state": 0, "scale": None}
    path = fit_path(ChainSVM(**params), X, y, [0.3, 1.0, 3.0])
    for svm in path:
        alone = ChainSVM(C=svm.C, **params).fit(X, y)
        assert svm.dual_gap_ <= 1e-6
        assert svm.objective_ == pytest.approx(alone.objective_, rel=2e-6)
    again = ChainSVM(C=1.0, warm_start=True, **params).fit(X, y)
    first = again.n_iter_
    assert again.fit(X, y).n_iter_ <= first
    assert again.objective_ == pytest.approx(path[1].objective_, rel=2e-6)


def test_a_fit_that_has_a_start_resumes_a_checkpoint(everything_grows, tmp_path):
    X, y = text(0, binary=True)
    file = tmp_path / "fit.ckpt"
    keep = [Checkpoint(file, every=1), lambda progress: progress.n_iter == 2]
    ChainSVM(random_state=0, callbacks=keep).fit(X, y)
    whole = ChainSVM(random_state=0).fit(X, y)
    svm = ChainSVM(random_state=1, warm_start=True).fit(X, y)  # the same pairs, in another order
    svm.fit(X, y, resume_from=file)
    assert np.array_equal(svm.coef_, whole.coef_)
    assert svm.n_iter_ == whole.n_iter_ > 2
    assert svm.set_params(C=0.1).fit(X, y).dual_gap_ <= 1e-3


def test_hidden_labels_are_completed_where_weights_grow(everything_grows):
    X, y = text(0, binary=True)
    hidden = [row.astype(object) for row in y]
    for row in hidden:
        row[1:2] = None
    svm = LatentSVM(ChainModel(), C=1.0, random_state=0, max_rounds=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        svm.fit(X, hidden)
    assert svm.coef_.shape == (svm.model_.n_weights,)
    assert np.isfinite(svm.objective_)
