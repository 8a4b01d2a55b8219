"""Labels of graphs under linear constraints: against all labellings, and learned."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint

from structsvm import GraphSVM, GridSVM
from structsvm.graphs import Graph
from structsvm.inference import alpha_expansion, constrained_labels

FEW = st.sampled_from([0.0, 1.0, -1.0, 2.0, -2.5])


def score(unary, edges, tables, labels):
    value = sum(unary[i, label] for i, label in enumerate(labels))
    return value + sum(
        table[labels[a], labels[b]] for (a, b), table in zip(edges, tables, strict=True)
    )


@given(st.data())
@settings(max_examples=25, deadline=None)
def test_the_best_of_all_labellings_that_satisfy_the_constraints(data):
    n, k = data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3))
    pairs = list(itertools.combinations(range(n), 2))
    edges = data.draw(st.lists(st.sampled_from(pairs), max_size=3)) if pairs else []

    def numbers(*shape, elements=FEW):
        size = int(np.prod(shape))
        drawn = data.draw(st.lists(elements, min_size=size, max_size=size))
        return np.array(drawn).reshape(shape)

    unary, tables = numbers(n, k), numbers(len(edges), k, k)
    row = numbers(n * k, elements=st.sampled_from([0.0, 1.0, -1.0]))
    upper = data.draw(st.sampled_from([-1.0, 0.0, 1.0]))
    allowed = [
        labels
        for labels in itertools.product(range(k), repeat=n)
        if row[np.arange(n) * k + labels].sum() <= upper
    ]
    constraint = LinearConstraint(row[None], -np.inf, upper)
    edges = np.array(edges, dtype=int).reshape(-1, 2)
    if not allowed:
        with pytest.raises(ValueError, match="no solution satisfies"):
            constrained_labels(unary, edges, tables, constraint)
        return
    found = constrained_labels(unary, edges, tables, constraint)
    assert tuple(found.labels.tolist()) in allowed
    best = max(score(unary, edges, tables, labels) for labels in allowed)
    assert found.value == pytest.approx(best, abs=1e-6)
    assert found.bound == pytest.approx(best, abs=1e-5)
    assert score(unary, edges, tables, found.labels) == pytest.approx(found.value)


def test_without_constraints_it_is_the_best_labelling():
    rng = np.random.default_rng(0)
    unary, pairwise = rng.normal(size=(12, 2)), rng.random(size=15)
    edges = np.array(list(itertools.combinations(range(6), 2)))
    labels, value = alpha_expansion(unary, edges, pairwise)  # exact for two labels
    found = constrained_labels(unary, edges, pairwise, None)
    assert np.array_equal(found.labels, labels)
    assert found.value == pytest.approx(value)


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_predictions_keep_to_constraints(pairwise):
    rng = np.random.default_rng(0)
    X, y = [], []
    for _ in range(15):
        labels = rng.integers(3, size=5)
        nodes = np.eye(3)[labels] + 0.8 * rng.normal(size=(5, 3))
        X.append(Graph(nodes, [[0, 1], [1, 2], [2, 3], [3, 4]], np.ones((4, 1))))
        y.append(np.array(["a", "b", "c"])[labels])
    svm = GraphSVM(pairwise=pairwise, random_state=0, tol=0.05).fit(X, y)
    # As many nodes of "b" as there are.
    rows = [(np.tile([0, 1, 0], (1, 5)), (truth == "b").sum(), (truth == "b").sum()) for truth in y]
    predicted = svm.predict(X, constraints=rows)
    for x, labels, truth in zip(X, predicted, y, strict=True):
        assert (labels == "b").sum() == (truth == "b").sum()
        # No others score more, the true ones among them.
        lead = svm.model_.joint_feature(x, labels) - svm.model_.joint_feature(x, truth)
        assert lead @ svm.coef_ >= -1e-6
    assert any((svm.predict([x])[0] != z).any() for x, z in zip(X, predicted, strict=True))
    same = svm.predict(X, constraints=[None] * len(X))
    scores = svm.decision_function(X)
    for x, labels, value in zip(X, same, scores, strict=True):
        assert svm.model_.joint_feature(x, labels) @ svm.coef_ >= value - 1e-6
    with pytest.raises(ValueError, match="constraints of 1 examples, expected 15 as in X"):
        svm.predict(X, constraints=[None])
    with pytest.raises(
        ValueError, match="have 3 columns, expected 15: one for each node"
    ) as caught:
        svm.predict(X[:1], constraints=[([[1, 0, 0]], 0, 1)])
    assert caught.value.__notes__ == ["for X[0]"]


def test_images_too():
    rng = np.random.default_rng(0)
    images = [rng.normal(size=(3, 4, 2)) for _ in range(3)]
    labels = [(image[..., 0] > 0).astype(int) for image in images]
    svm = GridSVM(random_state=0, tol=0.1).fit(images, labels)
    three = (np.tile([0, 1], (1, 12)), 3, 3)
    found = svm.predict(images[:1], constraints=[three])[0]
    assert found.shape == (3, 4)
    assert found.sum() == 3


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_graphs_without_edges_have_constraints_too(pairwise):
    X = [(np.eye(3), np.array([[0, 1], [1, 2]]))] * 2
    svm = GraphSVM(pairwise=pairwise, C=10.0, random_state=0).fit(X, [[0, 1, 1]] * 2)
    alone = np.eye(3)[:2], np.zeros((0, 2), dtype=int)
    first_is_one = np.array([[0.0, 1.0, 0.0, 0.0]]), 1, 1
    assert svm.predict([alone])[0].tolist() == [0, 1]
    assert svm.predict([alone], constraints=[first_is_one])[0].tolist() == [1, 1]
