"""Training with the relaxation as oracle: planes, certificates, and what they are worth."""

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.graphs import best_by_enumeration, relaxed_optimum
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import structsvm
from structsvm import GraphModel, GraphSVM, GridModel, GridSVM, StructSVM
from structsvm.callbacks import Checkpoint
from structsvm.inference._relaxed_maximizer import RelaxedGraphMaximizer
from structsvm.losses import HammingLoss
from structsvm.models.grid import grid_edges
from structsvm.problems._factored import FactoredProblem
from tests.problems.test_graph_problem import VOID, blobs, random_graphs, random_weights
from tests.reference.models import arrays_of, twin
from tests.reference.planes import dense

TOL = 1e-5


def augmented_scores(model, x, truth, w):
    """Scores by the numpy reference, the loss added; void nodes and their edges score 0."""
    part, labels = twin(model)._example(x, truth)
    unary, pairwise = twin(model)._scores(part, w)
    known = labels >= 0
    unary[known] += model.cost_matrix()[labels[known]] * model._scale(len(labels))
    unary[~known] = 0.0
    pairwise[~known[part.edges].all(axis=1)] = 0.0
    return unary, part.edges, pairwise


def most_loss(model, truth):
    labels = model.class_numbers(model.read_outputs([truth], None))
    return sum(model.cost_matrix()[k].max() for k in labels if k >= 0) * model._scale(len(labels))


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.sampled_from(["potts", "table"]), st.booleans())
def test_planes_are_points_of_the_local_polytope_next_to_the_best(
    seed, n_labels, pairwise, normalize
):
    rng = np.random.default_rng(seed)
    X, y = random_graphs(rng, 3, n_labels)
    cost = rng.integers(1, 4, size=(n_labels, n_labels)) * (1 - np.eye(n_labels))
    model = GraphModel(
        HammingLoss(normalize=normalize, cost=cost),
        pairwise=pairwise,
        ignore_label=VOID,
        class_weight={0: 2.0},
        inference_method="relaxation",
        relaxation_tol=TOL,
    )
    model.initialize(X, y)
    problem = model.bind(X, y)
    assert not problem.exact
    w, other = random_weights(model, rng), random_weights(model, rng)
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        psi = twin(model).joint_feature(x, truth)
        delta, loss = dense(problem, problem.oracle(i, w))
        scores = augmented_scores(model, x, truth, w)
        best = relaxed_optimum(*scores) - w @ psi
        rounding = 1e-9 * (1 + np.abs(w).sum())
        assert loss - w @ delta <= best + rounding
        assert loss - w @ delta >= best - TOL * most_loss(model, truth) - rounding
        missed = problem.maximizer.missed[i]
        assert 0 <= missed <= TOL * most_loss(model, truth) + rounding
        assert loss - w @ delta + missed >= best - rounding
        labelling = best_by_enumeration(*scores)[0] - w @ psi
        assert loss - w @ delta >= labelling - TOL * most_loss(model, truth) - rounding
        # Loss and joint feature are of one point: it is worth no more than the best elsewhere too.
        elsewhere = relaxed_optimum(*augmented_scores(model, x, truth, other)) - other @ psi
        assert loss - other @ delta <= elsewhere + rounding


def test_what_an_answer_misses_is_known_when_sweeps_run_out():
    X, y = frustrated(6)
    model = GraphModel(pairwise="table", inference_method="relaxation", relaxation_tol=1e-9)
    model.initialize(X, y)
    parts = model.bind(X, y)
    maximizer = RelaxedGraphMaximizer(
        [len(x[0]) for x in X],
        [np.ascontiguousarray(x[1], dtype=np.int32) for x in X],
        4,
        tables=True,
        tolerance=np.full(len(X), 1e-9),
        max_sweeps=3,
    )
    problem = FactoredProblem(
        parts.features,
        maximizer,
        parts.loss,
        np.concatenate(y).astype(np.int32),
        parts.label_offsets,
        1.0,
    )
    assert np.isnan(maximizer.missed).all()
    # Two labels for odd wheels, where no neighbours like to agree: far from any labelling.
    w = np.random.default_rng(0).normal(size=model.n_weights)
    edges = model.layout_.place("edge", "edge_intercept")
    w[edges] -= 20 * (np.eye(4) + (np.arange(4) > 1)).ravel()
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        delta, loss = dense(problem, problem.oracle(i, w))
        best = relaxed_optimum(*augmented_scores(model, x, truth, w))
        best -= w @ twin(model).joint_feature(x, truth)
        assert loss - w @ delta <= best + 1e-9
        assert loss - w @ delta + maximizer.missed[i] >= best - 1e-9
    assert maximizer.missed.max() > 1e-3


def tree(n, rng):
    edges = np.array([[int(rng.integers(k)), k] for k in range(1, n)]).reshape(-1, 2)
    return rng.normal(size=(n, 2)), edges, rng.random(size=(n - 1, 2))


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_the_hinge_is_the_true_one_on_trees(pairwise):
    rng = np.random.default_rng(1)
    X = [tree(n, rng) for n in (6, 1, 5, 7)]
    y = [rng.integers(3, size=len(x[0])) for x in X]
    y[0][:3] = [0, 1, 2]
    model = GraphModel(pairwise=pairwise, inference_method="relaxation", relaxation_tol=1e-6)
    model.initialize(X, y)
    problem = model.bind(X, y)
    w = random_weights(model, rng)
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        delta, loss = dense(problem, problem.oracle(i, w))
        best, labels = best_by_enumeration(*augmented_scores(model, x, truth, w))
        hinge = best - w @ twin(model).joint_feature(x, truth)
        assert loss - w @ delta == pytest.approx(hinge, abs=2e-6)
        # One best labelling, so this is it.
        assert len(labels) == 1
        assert loss == pytest.approx(twin(model).loss(truth, np.array(labels[0])), abs=1e-3)
        (guess,) = model.batch_loss_augmented_inference([x], [truth], w)
        assert guess.tolist() == list(labels[0])


def test_the_same_optimum_as_cuts_where_two_labels_like_to_agree():
    X, y = blobs(10)
    cut = GridSVM(scale=None, C=3, tol=1e-4, max_iter=2000, random_state=0).fit(X, y)
    relaxed = GridSVM(
        scale=None,
        C=3,
        tol=1e-3,
        max_iter=2000,
        random_state=0,
        inference_method="relaxation",
        relaxation_tol=1e-4,
    ).fit(X, y)
    assert cut.certified_
    assert not relaxed.certified_
    assert relaxed.objective_ == pytest.approx(cut.objective_, rel=2e-3)
    assert relaxed.coef_[relaxed.model_.non_negative].min() >= 0
    assert relaxed.score(X, y) == pytest.approx(cut.score(X, y), abs=0.02)


def frustrated(n_graphs=12, seed=0):
    """Colours around odd wheels: neighbours differ, which the nodes' own features hardly say."""
    rng = np.random.default_rng(seed)
    rim = [(k, (k + 1) % 5) for k in range(5)]
    edges = np.array(rim + [(k, 5) for k in range(5)])
    X, y = [], []
    for _ in range(n_graphs):
        labels = np.array([0, 1, 0, 1, 2, 3])
        labels = rng.permutation(4)[labels]
        labels[:5] = np.roll(labels[:5], rng.integers(5))
        X.append((np.eye(4)[labels] + 1.2 * rng.normal(size=(6, 4)), edges))
        y.append(labels)
    return X, y


def true_objective(svm, X, y):
    """With the hinges over labellings, by enumeration."""
    total = 0.0
    for x, truth in zip(X, y, strict=True):
        scores = augmented_scores(svm.model_, x, truth, svm.coef_)
        best, _ = best_by_enumeration(*scores)
        total += best - svm.coef_ @ svm.model_.joint_feature(x, truth)
    return svm.coef_ @ svm.coef_ / 2 + svm.C * total


# Expansions miss so much here that their estimate of the gap stays above any tolerance.
@pytest.mark.filterwarnings("ignore:GraphSVM stopped after 500 iterations")
def test_its_objective_is_an_upper_bound_and_that_of_expansions_a_lower_one():
    X, y = frustrated()
    fits = {
        name: GraphSVM(
            scale=None,
            C=10,
            pairwise="table",
            tol=1e-3,
            max_iter=500,
            random_state=0,
            inference_method=name,
        ).fit(X, y)
        for name in ("expansion", "relaxation")
    }
    true = {name: true_objective(svm, X, y) for name, svm in fits.items()}
    assert fits["relaxation"].objective_ >= true["relaxation"] - 1e-6
    assert fits["expansion"].objective_ <= true["expansion"] + 1e-6
    # What was minimised above the true objective ends no higher there.
    assert true["relaxation"] <= true["expansion"]
    X_test, y_test = frustrated(60, seed=1)
    score = {name: svm.score(X_test, y_test) for name, svm in fits.items()}
    assert score["relaxation"] >= score["expansion"]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.sampled_from(["potts", "table"]))
def test_labels_are_those_of_the_numpy_reference(seed, n_labels, pairwise):
    rng = np.random.default_rng(seed)
    X, y = random_graphs(rng, 4, n_labels)
    X = [(nodes + 1e-3 * rng.random(nodes.shape), edges, pairs) for nodes, edges, pairs in X]
    model = GraphModel(pairwise=pairwise, ignore_label=VOID, inference_method="relaxation")
    model.initialize(X, y)
    w = random_weights(model, rng) + 1e-3 * rng.random(model.n_weights)
    for x, truth in zip(X, y, strict=True):
        (compiled,) = model.batch_inference([x], w)
        assert compiled.tolist() == twin(model).inference(x, w).tolist()
        (compiled,) = model.batch_loss_augmented_inference([x], [truth], w)
        expected = twin(model).loss_augmented_inference(x, truth, w)
        assert compiled[truth != VOID].tolist() == expected[truth != VOID].tolist()


def test_void_nodes_make_no_difference():
    rng = np.random.default_rng(3)
    X, y = random_graphs(rng, 6, 3)
    model = GraphModel(pairwise="table", ignore_label=VOID, inference_method="relaxation")
    model.initialize(X, y)
    w = random_weights(model, rng)
    changed = [
        (np.where((truth == VOID)[:, None], 7.0, nodes), edges, pairs)
        for (nodes, edges, pairs), truth in zip(X, y, strict=True)
    ]
    assert any((truth == VOID).any() for truth in y)
    y.append(np.full(len(y[-1]), VOID))
    before, after = model.bind([*X, X[-1]], y), model.bind([*changed, X[-1]], y)
    for i in range(len(y)):
        (ours, loss), (theirs, other) = (
            dense(before, before.oracle(i, w)),
            dense(after, after.oracle(i, w)),
        )
        np.testing.assert_array_equal(ours, theirs)
        assert loss == other
    assert not ours.any()
    assert loss == 0.0


@pytest.mark.parametrize("method", ["auto", "expansion", "relaxation"])
def test_graphs_that_share_a_part_of_their_edges_are_different_graphs(method):
    rng = np.random.default_rng(0)
    edges = np.array(list(itertools.combinations(range(5), 2)), dtype=np.int32)
    nodes = rng.normal(size=(5, 2))
    X = [(nodes, edges[:n], np.ones((n, 1))) for n in (3, 10, 0, 7)]
    y = [[0, 1, 0, 1, 1]] * 4
    model = GraphModel(inference_method=method)
    model.initialize(X, y)
    for _ in range(20):
        w = random_weights(model, rng) + rng.random(model.n_weights)
        alone = [model.batch_inference([x], w)[0].tolist() for x in X]
        assert [labels.tolist() for labels in model.batch_inference(X, w)] == alone
        assert [labels.tolist() for labels in model.batch_inference(X[::-1], w)] == alone[::-1]


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
def test_same_bits_for_any_number_of_threads_from_two_on():
    X, y = blobs(16, n_labels=3)
    fits = [
        GridSVM(
            C=1.0,
            scale=None,
            pairwise="table",
            tol=1e-2,
            n_jobs=n,
            random_state=0,
            inference_method="relaxation",
        ).fit(X, y)
        for n in (2, 3)
    ]
    assert np.array_equal(fits[0].coef_, fits[1].coef_)


def test_labels_are_at_least_as_good_as_those_of_the_relaxation():
    rng = np.random.default_rng(5)
    X, y = frustrated(3)
    model = GraphModel(pairwise="table", inference_method="relaxation")
    model.initialize(X, y)
    for _ in range(5):
        w = rng.normal(size=model.n_weights)
        for x, value in zip(X, model.batch_best_score(X, w), strict=True):
            (part,) = arrays_of(model, [x])
            unary, pairwise = twin(model)._scores(part, w)
            best, _ = best_by_enumeration(unary, part.edges, pairwise)
            rounded = structsvm.inference.relax(unary, part.edges, pairwise).score
            assert rounded - 1e-9 <= value <= best + 1e-9


def test_what_the_oracle_is():
    X, y = blobs(3)
    X3, y3 = blobs(3, n_labels=3)
    kinds = {}
    for method in ("auto", "expansion", "relaxation"):
        for name, examples in (("two", (X, y)), ("three", (X3, y3))):
            model = GridModel(inference_method=method)
            model.initialize(*examples)
            assert model.bind(*examples).exact == model.exact == (model.oracle == "exact")
            kinds[method, name] = model.oracle
    assert kinds == {
        ("auto", "two"): "exact",
        ("auto", "three"): "under-generating",
        ("expansion", "two"): "under-generating",
        ("expansion", "three"): "under-generating",
        ("relaxation", "two"): "over-generating",
        ("relaxation", "three"): "over-generating",
    }


def test_perceptrons_learn_from_labels_whatever_the_oracle_of_training_is():
    X, y = blobs(8, n_labels=3)
    model = GridModel(pairwise="table", inference_method="relaxation")
    svm = StructSVM(model, C=1.0, scale=None, solver="perceptron", max_iter=5, random_state=0).fit(
        X, y
    )
    assert svm.score(X, y) > 0.5


@pytest.mark.parametrize("make", [GraphModel, GridModel, GraphSVM, GridSVM])
def test_parameters_are_kept(make):
    other = clone(make(inference_method="relaxation", relaxation_tol=0.01))
    assert other.get_params()["inference_method"] == "relaxation"
    assert other.get_params()["relaxation_tol"] == 0.01
    assert make().inference_method == "auto"


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
def test_files_keep_the_parameters(tmp_path):
    X, y = blobs(4, n_labels=3)
    svm = GridSVM(
        C=1.0,
        scale=None,
        pairwise="table",
        tol=0.1,
        random_state=0,
        inference_method="relaxation",
        relaxation_tol=0.01,
    ).fit(X, y)
    svm.save(tmp_path / "model")
    copy = structsvm.load(tmp_path / "model")
    assert copy.inference_method == copy.model_.inference_method == "relaxation"
    assert copy.relaxation_tol == copy.model_.relaxation_tol == 0.01
    assert all(map(np.array_equal, copy.predict(X), svm.predict(X)))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"inference_method": "cut"},
            r"inference_method='cut': expected one of 'auto', 'expansion', 'relaxation'",
        ),
        ({"inference_method": None}, r"inference_method=None: expected one of 'auto', "),
        ({"relaxation_tol": 0}, r"relaxation_tol=0: expected a finite number > 0"),
        ({"relaxation_tol": np.nan}, r"relaxation_tol=nan: expected a finite number > 0"),
        ({"relaxation_tol": "1"}, r"relaxation_tol='1': expected a number > 0"),
    ],
)
def test_parameters_are_checked(params, message):
    X, y = blobs(3)
    with pytest.raises(ValueError, match=message):
        GridSVM(**({"C": 1.0, "scale": None} | params)).fit(X, y)


@pytest.mark.parametrize("size", [1e306, 1e308])
def test_scores_that_overflow_are_refused(size):
    X, y = blobs(3, n_labels=3)
    model = GridModel("hamming", pairwise="table", inference_method="relaxation")
    model.initialize(X, y)
    w = np.where(np.arange(model.n_weights) % 2, 1.0, -1.0) * size
    message = r"X\[\d\] has scores that .*(no finite number|add up to inf)"
    with pytest.raises(ValueError, match=message):
        model.batch_inference(X, w)
    with pytest.raises(ValueError, match=message):
        model.bind(X, y).mean_hinge(w)


def checkerboards(n=10, shape=(11, 13), seed=0):
    """One noisy feature of each pixel, and one of zeros."""
    rng = np.random.default_rng(seed)
    truth = np.indices(shape).sum(axis=0) % 2
    noise = rng.normal(size=(n, *shape))
    return list(np.stack([truth - 0.5 + noise, np.zeros_like(noise)], axis=-1)), [truth] * n


def as_graphs(X, y):
    """The same without a grid."""
    edges = grid_edges(y[0].shape, 4)
    return [(x.reshape(-1, 2), edges) for x in X], [labels.ravel() for labels in y]


@pytest.mark.parametrize("estimator", [GridSVM, GraphSVM])
@pytest.mark.parametrize("solver", ["bcfw", "cutting_plane"])
def test_tables_learn_that_neighbours_differ(estimator, solver):
    X, y = checkerboards()
    options = {"C": 1.0, "scale": None, "pairwise": "table", "loss": "hamming", "random_state": 0}
    if estimator is GraphSVM:
        X, y = as_graphs(X, y)
    else:
        options |= {"connectivity": 4, "class_weight": None, "tol": 1e-3}
    svm = estimator(solver=solver, **options).fit(X, y)
    assert svm.score(X, y) > 0.99
    # Every answer was decided: this is the true objective, and its proof.
    assert svm.certified_
    assert svm.dual_gap_ <= 1e-3
    losses = [svm.model_.loss(truth, guess) for truth, guess in zip(y, svm.predict(X), strict=True)]
    regularizer = svm.coef_ @ svm.coef_ / 2
    assert svm.objective_ >= regularizer + sum(losses) * (1 - 1e-9)
    missed = estimator(solver=solver, inference_method="expansion", **options).fit(X, y)
    assert not missed.certified_


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
def test_halves_are_no_proof(tmp_path):
    """Triangles whose nodes would all differ: no labelling answers for them."""
    rng = np.random.default_rng(0)
    triangle = [[0, 1], [1, 2], [2, 0]]
    X = [(rng.normal(size=(3, 1)), triangle) for _ in range(20)]
    y = [np.array([0, 1, 1]) for _ in X]
    svm = GraphSVM(scale=None, pairwise="table", C=10, random_state=0).fit(X, y)
    assert not svm.certified_
    # Not by going on from a checkpoint either, whose planes are those of halves.
    path = tmp_path / "checkpoint"
    short = GraphSVM(
        scale=None,
        pairwise="table",
        C=10,
        random_state=0,
        max_iter=3,
        callbacks=[Checkpoint(path, every=1)],
    )
    with pytest.warns(ConvergenceWarning):
        short.fit(X, y)
    again = GraphSVM(scale=None, pairwise="table", C=10, random_state=0).fit(X, y, resume_from=path)
    assert not again.certified_


def test_graphs_too_large_for_a_relaxation_say_so():
    n = 2**20 // 9 + 2
    edges = np.stack([np.arange(n), (np.arange(n) + 1) % n], axis=1)
    X, y = [(np.ones((n, 1)), edges)], [np.arange(n) % 3]
    model = GraphModel(pairwise="table")
    with pytest.warns(UserWarning, match=r"X\[0\] has 116510 edges.*expansion instead"):
        model.initialize(X, y)
    assert model.oracle == "under-generating"
    # What is too large does not stand in the way of the small ones of a prediction.
    small = GraphModel(pairwise="table").set_params(fit_intercept=False)
    part = [(np.ones((3, 1)), np.array([[0, 1], [1, 2], [2, 0]]))], [np.arange(3)]
    small.initialize(*part)
    assert small.oracle == "over-generating"
    w = np.zeros(small.n_weights)
    (labels,) = small.batch_inference(part[0], w)
    both = small.batch_inference([part[0][0], X[0]], w)
    assert both[0].tolist() == labels.tolist()
    assert len(both[1]) == n
    for method in ("expansion", "relaxation"):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            GraphModel(pairwise="table", inference_method=method).initialize(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_what_was_trained_by_expansion_predicts_so_after_loading(tmp_path, monkeypatch):
    monkeypatch.setattr("structsvm.models.labelled_graphs._MOST_ENTRIES", 200)
    rng = np.random.default_rng(1)
    X, stripes = [rng.normal(size=(8, 8, 2)) for _ in range(3)], np.indices((8, 8)).sum(axis=0) % 3
    svm = GridSVM(C=1.0, scale=None, pairwise="table", max_iter=5, random_state=0)
    with pytest.warns(UserWarning, match="expansion instead"):
        svm.fit(X, [stripes] * 3)
    svm.save(tmp_path / "model")
    loaded = structsvm.load(tmp_path / "model")
    assert svm.model_.oracle == loaded.model_.oracle == "under-generating"
    small = [rng.normal(size=(3, 3, 2)) for _ in range(20)]
    np.testing.assert_array_equal(loaded.predict(small), svm.predict(small))
    X, y = [x[:3, :3] for x in X], [stripes[:3, :3]] * 3
    assert svm.fit(X, y).model_.oracle == "over-generating"
