"""Graph problems: oracles and planes against enumeration and the numpy reference."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.models import twin
from reference.planes import dense, planes_of

from structsvm import GraphModel, GridModel, StructSVM
from structsvm.losses import HammingLoss
from structsvm.solvers import BCFW, CuttingPlane, NSlack, Subgradient

VOID = 9


def random_graphs(rng, n_graphs, n_labels, most_nodes=5, void=True):
    """Small integers, so that all sums are exact; the first graph has all labels."""
    X, y = [], []
    for i in range(n_graphs):
        n = n_labels if i == 0 else int(rng.integers(1, most_nodes + 1))
        pairs = np.array(list(itertools.combinations(range(n), 2)), dtype=int).reshape(-1, 2)
        edges = pairs[rng.random(len(pairs)) < 0.6]
        nodes = rng.integers(-3, 4, size=(n, 2)).astype(float)
        X.append((nodes, edges, rng.integers(0, 3, size=(len(edges), 2)).astype(float)))
        labels = np.arange(n_labels) if i == 0 else rng.integers(n_labels, size=n)
        if void and i:
            labels = np.where(rng.random(n) < 0.2, VOID, labels)
        y.append(labels)
    return X, y


def random_weights(model, rng):
    w = rng.integers(-3, 4, size=model.n_weights).astype(float)
    if model.non_negative is not None:
        w[model.non_negative] = np.abs(w[model.non_negative])
    return w


def values_of_all(problem, i, truth, n_labels, w):
    """loss - <w, delta> of every labelling; what void nodes are labelled makes no difference."""
    truth = np.where(truth == VOID, -1, truth)
    guesses = np.array(list(itertools.product(range(n_labels), repeat=len(truth))))
    guesses = np.unique(np.where(truth < 0, -1, guesses), axis=0)
    deltas, losses = planes_of(problem, i, truth, guesses.astype(np.int32))
    return losses - deltas @ w


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 10**6),
    st.integers(1, 3),
    st.sampled_from(["potts", "table"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([False, True]),
)
def test_oracle_against_enumeration(seed, n_labels, pairwise, intercepts, normalize, warm):
    rng = np.random.default_rng(seed)
    X, y = random_graphs(rng, 4, n_labels)
    cost = rng.integers(1, 4, size=(n_labels, n_labels)) * (1 - np.eye(n_labels))
    model = GraphModel(
        HammingLoss(normalize=normalize, cost=cost),
        pairwise=pairwise,
        fit_intercept=intercepts,
        edge_intercept=intercepts,
        ignore_label=VOID,
        warm_inference=warm,
        class_weight={0: 2.0},
        inference_method="auto" if pairwise == "potts" else "expansion",
    )
    model.initialize(X, y)
    problem = model.bind(X, y)
    assert problem.exact or n_labels > 2 or pairwise == "table"
    for _ in range(2):  # the second time from the flow of the first
        w = random_weights(model, rng)
        for i, truth in enumerate(y):
            values = values_of_all(problem, i, truth, n_labels, w)
            delta, loss = dense(problem, problem.oracle(i, w))
            value = loss - w @ delta
            assert value <= values.max() + 1e-9
            if problem.exact:
                assert value == pytest.approx(values.max(), abs=1e-9)
            # The plane is that of a labelling, with the loss of that labelling.
            assert np.abs(value - values).min() < 1e-9


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3))
def test_tables_are_answered_by_no_less_than_the_best_labels(seed, n_labels):
    rng = np.random.default_rng(seed)
    X, y = random_graphs(rng, 4, n_labels)
    model = GraphModel(pairwise="table", ignore_label=VOID, relaxation_tol=1e-6)
    model.initialize(X, y)
    assert model.oracle in ("over-generating", "exact")  # exact: no cycles
    problem = model.bind(X, y)
    for _ in range(3):
        w = random_weights(model, rng)
        for i, truth in enumerate(y):
            values = values_of_all(problem, i, truth, n_labels, w)
            delta, loss = dense(problem, problem.oracle(i, w))
            # What 200 sweeps have not found is missed.
            assert loss - w @ delta >= values.max() - 1e-3
            if problem.exact:  # trees, or roof duality has decided all labels so far
                assert loss - w @ delta == pytest.approx(values.max(), abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 3), st.sampled_from(["potts", "table"]))
def test_planes_are_those_of_the_numpy_reference(seed, n_labels, pairwise):
    rng = np.random.default_rng(seed)
    X, y = random_graphs(rng, 4, n_labels)
    # Scores without ties, so that both choose the same labels.
    X = [(nodes + 1e-3 * rng.random(nodes.shape), edges, pairs) for nodes, edges, pairs in X]
    model = GraphModel(
        pairwise=pairwise,
        ignore_label=VOID,
        inference_method="auto" if pairwise == "potts" else "expansion",
    )
    model.initialize(X, y)
    problem = model.bind(X, y)
    w = random_weights(model, rng) + 1e-3 * rng.random(model.n_weights)
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        delta, loss = dense(problem, problem.oracle(i, w))
        guess = twin(model).loss_augmented_inference(x, truth, w)
        expected = twin(model).joint_feature(x, truth) - twin(model).joint_feature(
            x, np.where(truth == VOID, VOID, guess)
        )
        np.testing.assert_allclose(delta, expected, atol=1e-12)
        assert loss == pytest.approx(twin(model).loss(truth, guess))
        (compiled,) = model.batch_loss_augmented_inference([x], [truth], w)
        assert compiled.tolist() == guess.tolist()
        (compiled,) = model.batch_inference([x], w)
        assert compiled.tolist() == twin(model).inference(x, w).tolist()


def blobs(n=8, seed=0, n_labels=2, shape=(7, 6)):
    rng = np.random.default_rng(seed)
    X, y = [], []
    for i in range(n):
        labels = np.zeros((shape[0] + i % 3, shape[1] + i % 2), dtype=int)
        labels[2:5, 1:4] = 1 + i % (n_labels - 1)
        X.append(np.eye(n_labels)[labels] + rng.normal(size=(*labels.shape, n_labels)))
        y.append(labels)
    return X, y


SOLVERS = {
    "bcfw": BCFW(),
    "frank_wolfe": BCFW(step="frank_wolfe"),
    "cutting_plane": CuttingPlane(),
    "n_slack": NSlack(),
    "subgradient": Subgradient(),
}


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_keeps_edge_weights_non_negative_and_certifies(name):
    X, y = blobs()
    # Labels that change from pixel to pixel in one direction: free weights would be negative.
    y[0] = (np.indices(y[0].shape)[1] % 2).astype(int)
    X[0] = np.eye(2)[y[0]] * 0.2
    model = GridModel(directions=True, contrast=(0.5, 2.0))
    exact = StructSVM(model, scale=None, C=3, tol=1e-7, max_iter=5000, random_state=0).fit(X, y)
    tol = 0.05 if name == "subgradient" else 1e-3
    svm = StructSVM(
        model, scale=None, C=3, solver=SOLVERS[name], tol=tol, max_iter=5000, random_state=0
    )
    svm.fit(X, y)
    part = svm.model_.non_negative
    assert svm.coef_[part].min() >= 0
    assert (exact.coef_[part] == 0).any()
    assert svm.certified_
    assert svm.dual_gap_ <= tol
    assert svm.dual_objective_ <= exact.objective_ * (1 + 1e-9)
    assert exact.dual_objective_ * (1 - 1e-9) <= svm.objective_
    assert svm.objective_ * (1 - tol) <= exact.objective_


def test_warm_flows_do_not_change_the_optimum():
    X, y = blobs(12)
    fits = []
    for warm in (False, True, 3000, "auto"):
        model = GridModel(connectivity=8, warm_inference=warm)
        fits.append(
            StructSVM(model, scale=None, C=5, tol=1e-6, max_iter=2000, random_state=0).fit(X, y)
        )
        assert fits[-1].dual_gap_ <= 1e-6
    for svm in fits[1:]:
        assert svm.objective_ == pytest.approx(fits[0].objective_, rel=2e-6)


def test_flows_kept_are_as_many_as_fit():
    X, y = blobs(6)
    n_edges = []
    for warm in (False, 4 * 80, True):
        model = GridModel(warm_inference=warm)
        model.initialize(X, y)
        n_edges.append(model.bind(X, y).maximizer.n_kept)
    total = sum(a * (b - 1) + (a - 1) * b for a, b, _ in (x.shape for x in X))
    assert n_edges[0] == 0
    assert 0 < n_edges[1] <= 80
    assert n_edges[2] == total


def test_same_bits_for_any_number_of_threads_from_two_on():
    X, y = blobs(24)
    fits = [
        StructSVM(GridModel(), scale=None, C=5, tol=1e-4, n_jobs=n, random_state=0).fit(X, y)
        for n in (2, 3)
    ]
    assert np.array_equal(fits[0].coef_, fits[1].coef_)
    one = StructSVM(GridModel(), scale=None, C=5, tol=1e-4, n_jobs=1, random_state=0).fit(X, y)
    assert one.objective_ == pytest.approx(fits[0].objective_, rel=2e-4)


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
def test_expansions_give_planes_that_solvers_can_use():
    X, y = blobs(9, n_labels=4)
    for pairwise in ("potts", "table"):
        model = GridModel(pairwise=pairwise)
        svm = StructSVM(model, scale=None, C=5, tol=1e-2, random_state=0).fit(X, y)
        assert not svm.certified_
        assert svm.dual_gap_ <= 1e-2
        alone = GridModel(contrast=False, edge_intercept=False)
        assert svm.score(X, y) > StructSVM(alone, scale=None, C=5, random_state=0).fit(X, y).score(
            X, y
        )


def test_negative_edge_weights_are_refused_in_prediction():
    X, y = blobs(3)
    model = GridModel()
    model.initialize(X, y)
    w = np.full(model.n_weights, -1.0)
    with pytest.raises(ValueError, match=r"edge 0 of X\[0\] has the score -.* for ends that"):
        model.batch_inference(X, w)


def test_scores_that_overflow_are_refused():
    X, y = blobs(3)
    model = GridModel()
    model.initialize(X, y)
    with pytest.raises(ValueError, match=r"X\[0\] has scores that add up to no finite"):
        model.batch_inference([x * 1e200 for x in X], np.full(model.n_weights, 1e200))


@pytest.mark.parametrize("n_labels", [2, 3])
def test_edges_that_are_the_first_ones_of_another_graph(n_labels):
    """One array serves graphs of different numbers of edges: each keeps its own."""
    rng = np.random.default_rng(0)
    edges = np.array([[0, 1], [1, 2], [2, 3], [0, 3], [0, 2]], dtype=np.int32)
    X = [(rng.normal(size=(4, 2)), edges[:m], np.ones((m, 1))) for m in (5, 1, 3, 0, 5, 2)]
    y = [np.arange(4) % n_labels for _ in X]
    model = GraphModel(warm_inference=True)
    model.initialize(X, y)
    w = np.abs(rng.normal(size=model.n_weights))
    together = model.batch_inference(X, w)
    for x, labels in zip(X, together, strict=True):
        assert labels.tolist() == twin(model).inference(x, w).tolist()
    problem = model.bind(X, y)
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        alone = model.bind([x], [truth])
        np.testing.assert_allclose(
            dense(problem, problem.oracle(i, w))[0], dense(alone, alone.oracle(0, w))[0]
        )


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_joint_features_and_losses_of_any_output_are_those_of_the_python_methods(pairwise):
    rng = np.random.default_rng(5)
    X, y = random_graphs(rng, 4, 3)
    model = GraphModel(pairwise=pairwise, ignore_label=VOID, inference_method="expansion")
    model.initialize(X, y)
    problem = model.bind(X, y)
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        for guess in itertools.product([0, 1, 2, VOID], repeat=len(truth)):
            labels = np.where(np.array(guess) == VOID, -1, guess)
            indices, values = problem.joint_feature(i, labels)
            psi = np.zeros(problem.n_weights)
            psi[indices] = values
            np.testing.assert_allclose(
                psi, twin(model).joint_feature(x, np.array(guess)), atol=1e-12
            )
            assert problem.loss_of(i, labels) == pytest.approx(
                twin(model).loss(truth, np.array(guess))
            )
    with pytest.raises(ValueError, match="label 1 of example 0 is 3, expected 0 to 2, or -1 for"):
        problem.joint_feature(0, [0, 3, 1])
