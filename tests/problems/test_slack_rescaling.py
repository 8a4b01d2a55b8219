"""Slack rescaling: Delta(y) * (1 - <w, delta>), maximised exactly or refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_models import PythonClasses

from structsvm import ChainModel, ChainSVM, StructSVM
from structsvm.engines import Threads
from structsvm.losses import HammingLoss


def rescaled(model, x, y, y_hat, w):
    delta = model.joint_feature(x, y) - model.joint_feature(x, y_hat)
    return model.loss(y, y_hat) * (1.0 - w @ delta)


@st.composite
def chains(draw):
    """A tiny chain, its model and weights: ties, zeros and large weights among them."""
    n_labels, length = draw(st.integers(1, 3)), draw(st.integers(0, 4))
    numbers = st.sampled_from([0.0, 0.0, 1.0, -1.0, 0.3, 1e3, 1e-6, 1e9])
    cost = None
    if draw(st.booleans()):
        cost = np.array(draw(st.lists(st.integers(0, 3), min_size=9, max_size=9)), float)
        cost = 0.5 * cost.reshape(3, 3)[:n_labels, :n_labels]
        np.fill_diagonal(cost, 0.0)
    model = ChainModel(
        HammingLoss(normalize=draw(st.booleans()), cost=cost),
        fit_intercept=draw(st.booleans()),
        transitions=draw(st.booleans()),
        boundary=draw(st.booleans()),
    )
    model.resize(np.arange(n_labels), 2)
    w = np.array([draw(numbers) for _ in range(model.n_weights)])
    x = np.array([[draw(st.integers(-1, 1)) for _ in range(2)] for _ in range(length)], float)
    y = np.array([draw(st.integers(0, n_labels - 1)) for _ in range(length)], int)
    return model, x.reshape(length, 2), y, w


@given(chains())
def test_chain_oracle_equals_brute_force(chain):
    model, x, y, w = chain
    outputs = itertools.product(range(len(model.classes_)), repeat=len(y))
    best = max(rescaled(model, x, y, np.array(y_hat, int), w) for y_hat in outputs)
    problem = model.bind([x, x], [y, y])
    problem.reserve(1)
    problem.set_rescaling("slack")
    size = 1e-9 * (1.0 + np.abs(w).max()) * max(len(y), 1) * 10
    indices, values, loss = problem.oracle(1, w)
    assert loss - values @ w[indices] == pytest.approx(best, rel=1e-9, abs=size)
    labels, hinges = problem.predict(w, augmented=True, engine=Threads(2))
    assert hinges == pytest.approx([best, best], rel=1e-9, abs=size)
    answer = model.slack_rescaled_inference(x, y, w)
    assert np.array_equal(answer, labels[: len(y)])
    assert rescaled(model, x, y, answer, w) == pytest.approx(best, rel=1e-9, abs=size)


class Multiclass(PythonClasses):
    cost = np.array([[0.0, 1.0, 4.0], [1.0, 0.0, 1.0], [4.0, 1.0, 0.0]])

    def loss(self, y, y_hat):
        return float(self.cost[y, y_hat])

    def losses(self, y):
        return self.cost[y]


class SlackMulticlass(Multiclass):
    def slack_rescaled_inference(self, x, y, w):
        scores = self.scores(x, w)
        return int(np.argmax(self.losses(y) * (1.0 + scores - scores[y])))


def points():
    rng = np.random.default_rng(1)
    y = list(rng.integers(3, size=30))
    return list(rng.normal(size=(3, 4))[y] + rng.normal(size=(30, 4))), y


def test_compiled_and_python_models_reach_the_optimum_of_all_constraints():
    X, y = points()
    options = {"C": 0.2, "rescaling": "slack", "tol": 1e-7, "max_iter": 5000, "random_state": 0}
    python = StructSVM(SlackMulticlass(), **({"C": 1.0, "scale": None} | options)).fit(X, y)
    chain = ChainModel(
        HammingLoss(cost=Multiclass.cost), fit_intercept=False, transitions=False, boundary=False
    )
    compiled = StructSVM(chain, **({"C": 1.0, "scale": None} | options)).fit(
        [x[None] for x in X], [[k] for k in y]
    )
    assert python.dual_gap_ <= 1e-7
    assert compiled.objective_ == pytest.approx(python.objective_, rel=2e-7)
    # The weights of a chain are feature-major.
    np.testing.assert_allclose(
        compiled.coef_.reshape(4, 3).T.ravel(), python.coef_, atol=1e-2 * np.abs(python.coef_).max()
    )
    model, w = SlackMulticlass(), python.coef_
    hinges = [max(rescaled(model, a, b, k, w) for k in range(3)) for a, b in zip(X, y, strict=True)]
    assert python.objective_ == pytest.approx(w @ w / 2 + 0.2 * sum(hinges))
    violators = python.loss_augmented_predict(X, y)
    found = [rescaled(model, *triple, w) for triple in zip(X, y, violators, strict=True)]
    np.testing.assert_allclose(found, hinges)


@pytest.mark.parametrize("solver", ["cutting_plane", "n_slack", "subgradient"])
def test_every_solver_agrees_on_slack_rescaling(words, solver):
    X, y = words
    options = {"rescaling": "slack", "C": 0.3, "random_state": 0}
    exact = ChainSVM(tol=1e-7, max_iter=5000, **({"C": 1.0, "scale": None} | options)).fit(X, y)
    svm = ChainSVM(
        solver=solver, tol=0.02, max_iter=3000, **({"C": 1.0, "scale": None} | options)
    ).fit(X, y)
    assert svm.dual_objective_ <= exact.objective_ * (1 + 1e-9)
    assert exact.dual_objective_ <= svm.objective_ * (1 + 1e-9)
    assert svm.dual_gap_ <= 0.02
    assert exact.objective_ != pytest.approx(
        ChainSVM(scale=None, C=0.3, tol=1e-5, random_state=0).fit(X, y).objective_, rel=1e-3
    )


def test_threads_and_sample_weights_leave_slack_rescaling_as_it_is(words):
    X, y = words
    weight = np.where(np.arange(len(X)) % 3, 1.0, 2.0)
    doubled = [k for k in range(len(X)) for _ in range(int(weight[k]))]
    options = {"rescaling": "slack", "tol": 1e-6, "max_iter": 5000, "random_state": 0}
    weighted = ChainSVM(**({"C": 1.0, "scale": None} | options)).fit(X, y, sample_weight=weight)
    repeated = ChainSVM(**({"C": 1.0, "scale": None} | options)).fit(
        [X[k] for k in doubled], [y[k] for k in doubled]
    )
    assert weighted.objective_ == pytest.approx(repeated.objective_, rel=1e-5)
    problem = weighted.model_.bind(X, y)
    problem.set_rescaling("slack")
    hinges = []
    for n_threads in (1, 3):
        hinges.append(problem.mean_hinge(weighted.coef_, engine=Threads(n_threads)))
    assert hinges[0] == hinges[1]


def test_what_cannot_be_maximised_is_refused(words):
    X, y = words
    with pytest.raises(ValueError, match="Multiclass has no slack_rescaled_inference"):
        StructSVM(Multiclass(), C=1.0, scale=None, rescaling="slack").fit(*points())
    message = "needs costs that are integer multiples of one unit, the smallest cost 1"
    cost = np.array([[0, 1, np.pi], [1, 0, 1], [1, 1, 0]])
    with pytest.raises(ValueError, match=message):
        ChainSVM(C=1.0, scale=None, loss=HammingLoss(cost=cost), rescaling="slack").fit(X, y)
    weight = [np.ones(len(labels)) for labels in y]
    uneven = next(i for i, labels in enumerate(y) if len(labels) > 1)
    weight[uneven][0] = 0.5
    message = f"constant within each example; they are not in example {uneven}:"
    with pytest.raises(ValueError, match=message):
        ChainSVM(C=1.0, scale=None, rescaling="slack").fit(X, y, position_weight=weight)
    with pytest.raises(ValueError, match="unknown rescaling 'both': expected one of 'margin'"):
        ChainSVM(C=1.0, scale=None, rescaling="both").fit(X, y)
    message = "solver 'perceptron' predicts without the loss: rescaling='slack' has no meaning"
    with pytest.raises(ValueError, match=message):
        ChainSVM(C=1.0, scale=None, solver="perceptron", rescaling="slack").fit(X, y)
    svm = ChainSVM(C=1.0, scale=None).fit(X, y)
    with pytest.raises(ValueError, match="unknown rescaling 'x': expected one of 'margin', 'sl"):
        svm.model_.bind(X, y).set_rescaling("x")
    with pytest.raises(ValueError, match="rescaling needs a loss; bind the model to y"):
        svm.model_.bind(X).set_rescaling("slack")
