"""The loss of labels where parts are used or not: subsets, trained from a maximizer in Python."""

import ctypes
import itertools

import numpy as np
import pytest

from structsvm.inference import PythonMaximizer
from structsvm.problems._factored import FactoredProblem
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._features import BlockFeatures, RowBlock
from structsvm.problems._losses import LabelLoss
from structsvm.solvers import BCFW, NSlack
from tests.inference.test_maximizers import RELAX, foreign

COST = np.array([[0.0, 2.0], [1.0, 0.0]])
SIZES = [5, 3, 6, 2]


def best_two(i, theta):
    labels = np.zeros(len(theta), dtype=int)
    labels[np.argsort(-theta, kind="stable")[:2]] = 1
    return labels


def subsets(seed=0):
    """The two best of some items, each with three features; one label of a truth is void."""
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(n, 3)) for n in SIZES]
    y = [best_two(i, x @ [1.0, -1.0, 0.5]).astype(np.int32) for i, x in enumerate(X)]
    y[2][4] = -1
    weight = [rng.uniform(0.5, 2.0, size=n) for n in SIZES]
    features = BlockFeatures(
        3, {"item": RowBlock([FeatureRows(x, intercept=False) for x in X], 0, 1)}
    )
    offsets = np.append(0, np.cumsum(SIZES))
    loss = LabelLoss(offsets, COST, np.concatenate(weight), row_size=1)

    def parts(i, labels):
        return np.flatnonzero(labels == 1)

    maximizer = PythonMaximizer(best_two, SIZES, SIZES, parts=parts)
    problem = FactoredProblem(features, maximizer, loss, np.concatenate(y), offsets, 1.0)
    return problem, X, y, weight


def outputs(n):
    for chosen in itertools.combinations(range(n), 2):
        yield np.isin(np.arange(n), chosen).astype(int)


def plane_of(x, truth, weight, guess):
    known = truth >= 0
    delta = ((truth == 1) * 1.0 - (guess == 1))[known] @ x[known]
    return delta, (weight * COST[truth, guess])[known].sum()


def test_planes_against_enumeration():
    problem, X, y, weight = subsets()
    rng = np.random.default_rng(1)
    for w in (np.zeros(3), *rng.normal(size=(5, 3))):
        labels, values = problem.predict(w, augmented=True)
        for i, (x, truth, factors) in enumerate(zip(X, y, weight, strict=True)):
            planes = [plane_of(x, truth, factors, guess) for guess in outputs(len(x))]
            heights = [loss - delta @ w for delta, loss in planes]
            indices, values_, loss = problem.oracle(i, w)
            delta = np.zeros(3)
            delta[indices] = values_
            assert loss - delta @ w == pytest.approx(max(heights))
            best = planes[int(np.argmax(heights))]
            np.testing.assert_allclose(delta, best[0], atol=1e-12)
            assert loss == pytest.approx(best[1])
            # With the loss, the answer's value is its score and its loss, that of no use included.
            guess = labels[problem.label_offsets[i] : problem.label_offsets[i + 1]]
            known = truth >= 0
            score = (guess == 1)[known] @ (x @ w)[known]
            assert values[i] == pytest.approx(score + problem.loss_of(i, guess))


@pytest.mark.parametrize("solver", [BCFW(), NSlack()])
def test_a_problem_without_a_model_is_solved(solver):
    problem, _, y, _ = subsets()
    random = np.random.RandomState(0)
    result = solver.solve(problem, 100.0, tol=1e-6, max_iter=5000, random_state=random)
    labels, _ = problem.predict(result.weights)
    known = np.concatenate(y) >= 0
    assert result.gap <= 1e-6
    assert np.array_equal(labels[known], np.concatenate(y)[known])


def test_what_two_outputs_share_leaves_no_rounding():
    """A plane of the truth is nothing at all: else its rounding would look like a wrong answer."""
    problem, _, y, _ = subsets()
    for i, truth in enumerate(y):
        for w in np.eye(3) * 1e3:
            indices, _, loss = problem.oracle(i, w)
            guess = problem.predict(w, augmented=True)[0]
            guess = guess[problem.label_offsets[i] : problem.label_offsets[i + 1]]
            same = (guess == truth)[truth >= 0].all()
            assert (len(indices) == 0) == same
            assert (loss == 0.0) == same


@pytest.mark.parametrize("solver", ["bcfw", "n_slack"])
def test_a_maximizer_in_python_is_not_overruled_for_rounding(solver):
    random = np.random.RandomState(0)
    result = {"bcfw": BCFW(), "n_slack": NSlack()}[solver].solve(
        subsets()[0], 1.0, tol=1e-9, max_iter=300, random_state=random
    )
    assert result.n_overruled == 0
    assert result.doubt is None


def foreign_subsets(**calls):
    """The same by a struct with more calls; those of labels are of no use here."""
    problem, X, y, weight = subsets()
    held = foreign(lambda *args: 0, lambda *args: 0, SIZES, SIZES, 12, calls.items())
    labels = np.concatenate(y)
    problem = FactoredProblem(
        problem.features, held, problem.loss, labels, problem.label_offsets, 1.0
    )
    return problem, X, y, weight


def test_a_fractional_answer_costs_its_share():
    """A foreign relaxation answers half with one output and half with another."""
    _, _, y, _ = subsets()

    def relax(user, i, thread, theta, truth, mu, is_output):
        point = np.mean(list(outputs(SIZES[i]))[:2], axis=0)
        for t in range(SIZES[i]):
            if truth[t] >= 0 and truth[t] != point[t]:
                mu[0].parts[mu[0].size] = t
                mu[0].counts[mu[0].size] = truth[t] - point[t]
                mu[0].size += 1
        is_output[0] = 0
        return 0

    call = RELAX(relax)
    problem, X, y, weight = foreign_subsets(relax=ctypes.cast(call, ctypes.c_void_p))
    assert problem.exact
    for i, (x, truth, factors) in enumerate(zip(X, y, weight, strict=True)):
        planes = [plane_of(x, truth, factors, guess) for guess in list(outputs(len(x)))[:2]]
        indices, values, loss = problem.oracle(i, np.zeros(3))
        delta = np.zeros(3)
        delta[indices] = values
        np.testing.assert_allclose(
            delta, np.mean([plane[0] for plane in planes], axis=0), atol=1e-12
        )
        assert loss == pytest.approx(np.mean([plane[1] for plane in planes]))
    assert not problem.exact


def test_losses_that_cannot_be_counted_or_do_not_fit():
    problem, *_ = foreign_subsets(maximize_slack=1)
    with pytest.raises(ValueError, match="takes no void labels"):
        problem.set_rescaling("slack")
    known = [np.maximum(row, 0) for row in subsets()[2]]
    problem = FactoredProblem(
        problem.features, problem.maximizer, problem.loss, np.concatenate(known),
        problem.label_offsets, 1.0,
    )  # fmt: skip
    with pytest.raises(ValueError, match="a loss of used and unused parts has no levels"):
        problem.set_rescaling("slack")
    ends = [np.array([[0, 2]], dtype=np.int32)]
    with pytest.raises(ValueError, match="pair 0 of example 0 has label 2, but the example has 2"):
        LabelLoss(np.array([0, 2]), COST, np.ones(2), row_size=2, pairs=ends)
    with pytest.raises(ValueError, match="3 weights for 2 labels"):
        LabelLoss(np.array([0, 2]), COST, np.ones(3), row_size=2)


def test_losses_and_offsets_of_other_examples_are_refused():
    problem, _, y, weight = subsets()
    labels, offsets = np.concatenate(y), np.append(0, np.cumsum(SIZES))
    weights = np.concatenate(weight)

    def bound(loss, offsets=offsets):
        FactoredProblem(problem.features, problem.maximizer, loss, labels, offsets, 1.0)

    wide = LabelLoss(offsets, np.ones((3, 3)) - np.eye(3), weights, row_size=3)
    with pytest.raises(ValueError, match=r"loss of example 0 is of 5 labels with 3 parts each and"):
        bound(wide)
    few = LabelLoss(offsets[:2], COST, weights[:5], row_size=1)
    with pytest.raises(ValueError, match="loss of example 1 is of 0 labels"):
        bound(few)
    pairs = [np.array([[0, 1]], dtype=np.int32)] * len(SIZES)
    paired = LabelLoss(offsets, COST, weights, row_size=1, pairs=pairs)
    with pytest.raises(ValueError, match="and 1 pairs with 1 each; the example has 5 labels"):
        bound(paired)
    with pytest.raises(ValueError, match="offsets must begin with 0"):
        bound(wide, offsets - 1)
