"""Tables of pairs whose weights are tied: symmetric, antisymmetric, each edge feature its own."""

import numpy as np
import pytest
from sklearn.base import clone

from structsvm import (
    GraphModel,
    GraphSVM,
    GridSVM,
    MulticlassModel,
    StructSVM,
    load,
    minimize_risk,
)
from structsvm.graphs import Graph

RNG = np.random.default_rng(0)
K = 3


def graphs(n=12):
    X, y = [], []
    for _ in range(n):
        labels = RNG.integers(K, size=4)
        nodes = np.eye(K)[labels] + RNG.normal(size=(4, K))
        edges = np.array([[0, 1], [1, 2], [2, 3]])
        X.append(Graph(nodes, edges, RNG.normal(size=(3, 1))))
        y.append(labels)
    return X, y


X, Y = graphs()
BOTH = ["antisymmetric", "symmetric"]  # the feature, and the constant


def turned(graph):
    """The same with edges that point the other way."""
    return Graph(graph.features, graph.edges[:, ::-1], graph.edge_features)


def fitted(pairwise, X=X, **params):
    params = {"C": 0.1, "scale": None, "random_state": 0, "tol": 1e-6} | params
    model = GraphModel(pairwise=pairwise, relaxation_tol=1e-7)
    return StructSVM(model, **params).fit(X, Y)


def blocks(svm):
    return svm.model_.weight_blocks(svm.coef_)


def test_tables_are_what_they_are_said_to_be():
    svm = fitted(BOTH, max_iter=100)
    edge, constant = blocks(svm)["edge"][0], blocks(svm)["edge_intercept"]
    assert np.array_equal(edge, -edge.T)
    assert np.array_equal(constant, constant.T)
    assert edge.any()
    assert constant.any()
    whole = blocks(fitted("symmetric", max_iter=100))
    assert np.array_equal(whole["edge"][0], whole["edge"][0].T)
    free = blocks(fitted("table", max_iter=100))["edge_intercept"]
    assert not np.allclose(free, free.T, atol=1e-3)


def test_the_direction_of_edges_does_not_matter_to_symmetric_tables():
    one = fitted("symmetric", tol=1e-4)
    other = fitted("symmetric", X=[turned(graph) for graph in X], tol=1e-4)
    assert other.objective_ == pytest.approx(one.objective_, rel=2e-4)
    for graph in X:
        assert np.array_equal(one.predict([graph])[0], one.predict([turned(graph)])[0])
    # That of antisymmetric ones changes the sign of their feature.
    first = fitted(BOTH, tol=1e-4)
    minus = [Graph(graph.features, graph.edges[:, ::-1], -graph.edge_features) for graph in X]
    assert fitted(BOTH, X=minus, tol=1e-4).objective_ == pytest.approx(first.objective_, rel=2e-4)


@pytest.mark.parametrize("solver", ["bcfw", "cutting_plane", "n_slack", "subgradient"])
def test_the_optimum_is_that_over_the_weights_that_are_left(solver):
    tol = 0.03 if solver == "subgradient" else 1e-4
    svm = fitted(BOTH, solver=solver, tol=tol, max_iter=2000)
    model = svm.model_
    problem = model.bind(X, Y)
    targets, factors = model.tied_weights()
    own = np.flatnonzero((targets == np.arange(len(targets))) & (factors > 0))

    def risk(v):
        moved = np.zeros(len(targets))
        moved[own] = v
        w, value, slope = factors * moved[targets], 0.0, np.zeros(len(targets))
        for i in range(len(X)):
            indices, delta, loss = problem.oracle(i, w)
            if (hinge := loss - delta @ w[indices]) > 0:
                value += 0.1 * hinge
                slope[indices] -= 0.1 * delta
        return value, np.bincount(targets, factors * slope, len(targets))[own]

    best = minimize_risk(risk, len(own), tol=1e-5, max_iter=2000)
    assert svm.objective_ <= best.objective * (1 + tol) + 1e-9
    assert svm.dual_objective_ <= best.objective * (1 + 1e-6)
    # The norm counts what is tied once.
    hinge = 0.1 * len(X) * problem.mean_hinge(svm.coef_)
    norm = (svm.coef_[own] ** 2).sum() / 2
    assert svm.objective_ == pytest.approx(norm + hinge, rel=1e-5)


def test_prior_and_fixed_weights_go_with_ties(tmp_path):
    svm = fitted(BOTH, tol=1e-3)
    drawn = fitted(BOTH, prior_weights=2 * svm.coef_, tol=1e-3)
    assert drawn.objective_ < svm.objective_
    fixed = np.full(len(svm.coef_), np.nan)
    place = svm.model_.layout_.place("edge_intercept")
    fixed[place] = np.eye(K).ravel()
    held = fitted(BOTH, fixed_weights=fixed, tol=1e-3)
    assert np.array_equal(blocks(held)["edge_intercept"], np.eye(K))
    fixed[place.start + 1] = np.nan
    with pytest.raises(ValueError, match=r"GraphModel has weight \d+ be 1 times weight \d+, which"):
        fitted(BOTH, fixed_weights=fixed)
    with pytest.raises(ValueError, match=r"GraphModel has weight \d+ be 0, which"):
        fitted(BOTH, prior_weights=np.ones(len(fixed)))
    estimator = GraphSVM(pairwise=BOTH, C=0.1, random_state=0, tol=1e-2).fit(X, Y)
    estimator.save(tmp_path / "graph.npz")
    assert np.array_equal(load(tmp_path / "graph.npz").coef_, estimator.coef_)
    assert clone(estimator).get_params()["pairwise"] == BOTH


def test_scaled_edge_features_keep_their_ties():
    far = [Graph(g.features, g.edges, 5 + 100 * g.edge_features) for g in X]
    svm = GraphSVM(pairwise=BOTH, random_state=0, tol=1e-2).fit(far, Y)
    edge, constant = svm.edge_coef_[0], svm.edge_intercept_
    assert np.array_equal(edge, -edge.T)
    assert np.array_equal(constant, constant.T)


def test_images_have_tied_tables_too():
    images = [RNG.normal(size=(3, 4, 2)) for _ in range(3)]
    labels = [(image[..., 0] > 0).astype(int) for image in images]
    svm = GridSVM(pairwise="symmetric", random_state=0, tol=0.1).fit(images, labels)
    assert np.array_equal(svm.edge_intercept_, svm.edge_intercept_.T)


@pytest.mark.parametrize(
    ("pairwise", "message"),
    [
        ("even", "pairwise='even': expected 'potts', or one of 'table', 'symmetric', 'antisym"),
        (["potts", "table"], "or a list of the latter, one for each edge feature and one for"),
        (["table"], "has 1 kinds of tables, expected 2: one for each of 1 edge features and one"),
    ],
)
def test_other_kinds_are_refused(pairwise, message):
    with pytest.raises(ValueError, match=message):
        fitted(pairwise)


@pytest.mark.parametrize(
    ("targets", "factors", "message"),
    [
        ([0, 1, 0, -1], [1, 1, 1, 1], "has weight 3 go with weight -1, expected 0 to 3"),
        ([0, 1, 4, 3], [1, 1, 1, 1], "has weight 2 go with weight 4, expected 0 to 3"),
        ([1, 2, 2, 3], [1, 1, 1, 1], "weight 0 be 1 times weight 1, which must be its own"),
        ([0, 1, 0, 3], [2, 1, 1, 1], "weight 0 be 2 times weight 0, which must be its own"),
        ([0, 1, 0, 3], [1, 1, np.nan, 1], "the factor nan for weight 2, expected a finite number"),
        ([0, 1, 0], [1, 1, 1], "gives int64 of shape .3,. and factors of shape .3,., expected 4"),
        ([0.0, 1.0, 0.0, 3.0], [1, 1, 1, 1], "gives float64 of shape"),
    ],
)
def test_bad_ties_of_ones_own_are_refused(targets, factors, message):
    class Tied(MulticlassModel):
        def tied_weights(self):
            return np.array(targets), np.array(factors)

    model = Tied(fit_intercept=False)
    with pytest.raises(ValueError, match=message):
        StructSVM(model, C=1.0).fit(np.eye(4), [0, 1, 0, 1])  # four weights
