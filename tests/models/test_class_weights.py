"""Weights of classes: chosen for the Jaccard index, and what they multiply."""

import itertools

import numpy as np
import pytest

from structsvm import GraphModel, GridModel, StructSVM
from structsvm.metrics import jaccard
from structsvm.models.class_weights import jaccard_weights


def overlapping(share, distance, n=3000, seed=0):
    """Features of nodes of two classes, the second of this share, in nine examples."""
    random = np.random.RandomState(seed)
    labels = (random.uniform(size=n) < share).astype(np.int32)
    rows = random.standard_normal((n, 3))
    rows[:, 1] += distance * labels
    return np.array_split(1e-3 * rows + 5, 9), labels


def best_threshold_index(nodes, labels):
    scores = np.concatenate(nodes)[:, 1]
    return max(
        jaccard([labels], [(scores > t).astype(int)], labels=[1])
        for t in np.quantile(scores, np.arange(0.02, 1.0, 0.02))
    )


@pytest.mark.parametrize(("share", "distance"), [(0.2, 2.0), (0.1, 1.5), (0.3, 4.0)])
def test_a_rare_class_weighs_the_inverse_of_its_index(share, distance):
    nodes, labels = overlapping(share, distance)
    common, rare = jaccard_weights(nodes, labels, 2)
    assert common == 1
    # The common class has an index of its own, above .8 here.
    index = best_threshold_index(nodes, labels)
    assert 0.75 / index < rare < 1.1 / index


def test_equal_classes_weigh_the_same_and_hopeless_ones_at_most_twenty():
    nodes, labels = overlapping(0.5, 1.0)
    np.testing.assert_allclose(jaccard_weights(nodes, labels, 2), 1, atol=0.1)
    nodes, labels = overlapping(0.003, 0.0)
    common, rare = jaccard_weights(nodes, labels, 2)
    assert (common, rare) == (1, 20)


def test_void_nodes_and_units_count_for_nothing_and_few_examples_are_divided():
    nodes, labels = overlapping(0.2, 2.0)
    weights = jaccard_weights(nodes, labels, 2)
    void = np.concatenate([labels, np.full(500, -1, dtype=np.int32)])
    strange = [*nodes, np.full((500, 3), 1e6)]
    np.testing.assert_array_equal(jaccard_weights(strange, void, 2), weights)
    scaled = [1e3 * of_one for of_one in nodes]
    np.testing.assert_array_equal(jaccard_weights(scaled, labels, 2), weights)
    together = jaccard_weights([np.concatenate(nodes)], labels, 2)
    np.testing.assert_allclose(together, weights, rtol=0.2)


def test_of_several_classes_the_one_that_is_told_worst_weighs_most():
    random = np.random.RandomState(0)
    labels = random.randint(3, size=3000).astype(np.int32)
    places = np.array([[0.0, 5.0], [0.0, 0.0], [0.7, 0.0]])
    nodes = [places[labels] + random.standard_normal((3000, 2))]
    easy, left, right = jaccard_weights(nodes, labels, 3)
    assert easy == 1
    assert 1.5 < left < 3
    assert 1.5 < right < 3


def chain(n):
    return np.stack([np.arange(n - 1), np.arange(1, n)], axis=1)


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_the_hinge_is_weighted_term_by_term(pairwise):
    """Against the greatest of all labellings, written out."""
    random = np.random.RandomState(0)
    n, factors = 5, {0: 1.0, 1: 3.0}
    x, y = random.standard_normal((n, 2)), np.array([0, 1, 1, 0, 1])
    z = np.abs(random.standard_normal((n - 1, 1)))
    settings = {"task_loss": "hamming", "pairwise": pairwise, "inference_method": "auto"}
    model = GraphModel(class_weight=factors, weighting="hinge", **settings)
    model.initialize([(x, chain(n), z)], [y])
    w = np.abs(random.standard_normal(model.n_weights))
    blocks = model.weight_blocks(w)
    node = x @ blocks["node"] + blocks["intercept"]
    weight = np.array([factors[label] for label in y.tolist()])
    of_edges = (weight[:-1] + weight[1:]) / 2

    def hinge(answer):
        answer = np.array(answer)
        total = (weight * (answer != y)).sum()
        places = np.arange(n)
        total += (weight * (node[places, answer] - node[places, y])).sum()
        for e, (a, b) in enumerate(chain(n)):
            scores = z[e, 0] * blocks["edge"][0] + blocks["edge_intercept"]
            if pairwise == "table":
                gain = scores[answer[a], answer[b]] - scores[y[a], y[b]]
            else:
                gain = scores * (int(answer[a] == answer[b]) - int(y[a] == y[b]))
            total += of_edges[e] * gain
        return total

    answer = model.loss_augmented_inference((x, chain(n), z), y, w)
    if pairwise == "potts":
        best = max(itertools.product((0, 1), repeat=n), key=hinge)
        np.testing.assert_array_equal(answer, best)
    indices, values, loss = model.bind([(x, chain(n), z)], [y]).oracle(0, w)
    assert loss == (weight * (answer != y)).sum()
    assert loss - values @ w[indices] == pytest.approx(hinge(answer), rel=1e-12)


def test_a_factor_of_two_is_a_node_seen_twice():
    random = np.random.RandomState(1)
    labels = (random.uniform(size=40) < 0.3).astype(int)
    nodes = random.standard_normal((40, 2)) + labels[:, None]
    edges = np.zeros((0, 2), dtype=int)
    settings = {"task_loss": "hamming", "edge_intercept": False}
    twice = np.repeat(np.arange(40), 1 + labels)
    whole = StructSVM(GraphModel(**settings), scale=None, C=0.1, tol=1e-8, random_state=0)
    whole.fit([(nodes[twice], edges)], [labels[twice]])
    model = GraphModel(class_weight={1: 2.0}, weighting="hinge", **settings)
    weighted = StructSVM(model, scale=None, C=0.1, tol=1e-8, random_state=0).fit(
        [(nodes, edges)], [labels]
    )
    assert weighted.objective_ == pytest.approx(whole.objective_, rel=1e-7)
    np.testing.assert_allclose(weighted.coef_, whole.coef_, atol=1e-3)


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
def test_a_faint_rare_class_is_told_by_the_hinge_alone():
    """Background is the likeliest answer everywhere: a margin, however wide, does not help."""
    random = np.random.RandomState(0)
    y = [(random.uniform(size=(30, 30)) < 0.15).astype(int) for _ in range(6)]
    X = [random.standard_normal((30, 30, 2)) + 0.8 * truth[..., None] for truth in y]
    overlap = {}
    for weighting in ("loss", "hinge"):
        model = GridModel(class_weight="jaccard", weighting=weighting)
        svm = StructSVM(model, scale=None, C=100, tol=1e-2, random_state=0).fit(X, y)
        overlap[weighting] = jaccard(y, svm.predict(X), labels=[1])
    assert overlap["loss"] < 0.02
    assert overlap["hinge"] > 0.2


def test_explicit_factors_multiply_the_loss_unless_told_otherwise():
    random = np.random.RandomState(0)
    y = [(random.uniform(size=(8, 8)) < 0.4).astype(int) for _ in range(3)]
    X = [random.standard_normal((8, 8, 2)) + truth[..., None] for truth in y]
    factors = {0: 1.0, 1: 2.0}
    plain, same, other = (
        StructSVM(GridModel(class_weight=factors, **more), scale=None, C=1, random_state=0).fit(
            X, y
        )
        for more in ({}, {"weighting": "loss"}, {"weighting": "hinge"})
    )
    np.testing.assert_array_equal(plain.coef_, same.coef_)
    assert (plain.coef_ != other.coef_).any()


def test_what_is_refused():
    X, y = [np.zeros((2, 2, 1))], [np.array([[0, 1], [1, 0]])]
    with pytest.raises(ValueError, match="weighting='both': expected 'loss' or 'hinge'"):
        GridModel(weighting="both").initialize(X, y)
    with pytest.raises(ValueError, match="expected 'balanced', 'jaccard', 'auto', a dict"):
        GridModel(class_weight="f1").initialize(X, y)
