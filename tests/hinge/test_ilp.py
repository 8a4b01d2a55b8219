"""`SoftMarginLoss` and `HammingCosts`, with ilpy if it is installed."""

import importlib.util
import itertools
import pickle
import sys

import ilpy_stand_in
import numpy as np
import pytest

from structsvm import BundleMethod, HammingCosts, SoftMarginLoss, minimize_risk

if importlib.util.find_spec("ilpy"):
    import ilpy
else:
    ilpy = ilpy_stand_in


@pytest.fixture(autouse=True)
def installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "ilpy", ilpy)


def constraints(*rows):
    made = ilpy.Constraints()
    for row, relation, value in rows:
        relation = getattr(ilpy.Relation, relation)
        made.add(ilpy.Constraint.from_coefficients(row, relation=relation, value=value))
    return made


ASSIGNMENT = [(np.kron(np.eye(3), np.ones(3))[i].tolist(), "Equal", 1) for i in range(3)] + [
    (np.kron(np.ones(3), np.eye(3))[i].tolist(), "LessEqual", 1) for i in range(3)
]
KNAPSACK = [([3.0, 2, 4, 1, 5, 2], "LessEqual", 7)]
COVER = [([1.0, 1, 0, 1], "GreaterEqual", 1), ([0.0, 1, 1, 1], "GreaterEqual", 2)]
PROBLEMS = {"assignment": (ASSIGNMENT, 9), "knapsack": (KNAPSACK, 6), "cover": (COVER, 4)}


def outputs(rows, n):
    """All outputs within the constraints."""
    for y in itertools.product([0.0, 1.0], repeat=n):
        sums = [np.dot(row, y) for row, _, _ in rows]
        kept = {
            "Equal": lambda total, value: total == value,
            "LessEqual": lambda total, value: total <= value,
            "GreaterEqual": lambda total, value: total >= value,
        }
        if all(kept[how](total, value) for total, (_, how, value) in zip(sums, rows, strict=True)):
            yield np.array(y)


def test_hamming_costs_count_mistakes():
    truth = np.array([1, 0, 1, 0, 0])
    for mask in (None, np.array([1, 1, 0, 0, 2.5])):
        costs = HammingCosts(truth, mask)
        for y in itertools.product([0, 1], repeat=5):
            expected = np.abs(truth - y) @ (np.ones(5) if mask is None else mask)
            assert costs.get_offset() + costs.get_coefficients() @ y == expected
    assert HammingCosts(truth).coefficients is not None
    assert HammingCosts(truth.astype(np.float32)).offset == 2


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("feasible", [True, False])
def test_value_and_gradient_by_enumeration(name, feasible):
    rows, n = PROBLEMS[name]
    rng = np.random.default_rng(0)
    all_outputs = list(outputs(rows, n))
    truth = all_outputs[len(all_outputs) // 2] if feasible else rng.integers(2, size=n)
    F, mask = rng.normal(size=(4, n)), rng.integers(2, size=n)
    loss = SoftMarginLoss(constraints(*rows), F, truth, HammingCosts(truth, mask))
    for w in np.vstack([np.zeros(4), rng.normal(size=(5, 4))]):
        value, gradient = loss.value_and_gradient(w)
        values = [np.abs(y - truth) @ mask + w @ F @ (truth - y) for y in all_outputs]
        assert value == pytest.approx(max(values), rel=1e-9, abs=1e-9)
        best = [y for y, each in zip(all_outputs, values, strict=True) if each > value - 1e-9]
        assert any(np.allclose(gradient, F @ (truth - y)) for y in best)


def test_the_truth_becomes_the_cheapest():
    rng = np.random.default_rng(0)
    F, truth = rng.random((12, 10)), np.eye(10)[0]
    loss = SoftMarginLoss(constraints(([1.0] * 10, "Equal", 1)), F, truth)
    w = BundleMethod(loss.value_and_gradient, 12, 0.1, 1e-6).optimize(1000)
    costs = w @ F
    assert (costs[1:] >= costs[0] + 1).all()


def test_an_optimum_in_closed_form():
    # The weights nearest to zero at which both others cost 2 more than the truth.
    loss = SoftMarginLoss(constraints(([1.0, 1, 1], "Equal", 1)), np.eye(3), [1, 0, 0])
    result = minimize_risk(loss.value_and_gradient, 3, regularization=0.1, tol=1e-9)
    np.testing.assert_allclose(result.weights, [-4 / 3, 2 / 3, 2 / 3], atol=1e-4)
    assert result.objective == pytest.approx(0.1 / 2 * 24 / 9, rel=1e-8)
    assert result.certified


def test_losses_of_ones_own():
    class Costs:
        def get_coefficients(self):
            return [0.0, 5.0, 1.0]

        def get_offset(self):
            return 0.25

    loss = SoftMarginLoss(constraints(([1, 1, 1], "Equal", 1)), np.eye(3), [1, 0, 0], costs=Costs())
    value, gradient = loss.value_and_gradient(np.zeros(3))
    assert value == 5.25
    assert gradient.tolist() == [1, -1, 0]


def test_a_loss_is_pickled_without_its_solver():
    loss = SoftMarginLoss(constraints(*KNAPSACK), np.eye(6), [1, 1, 0, 0, 0, 0])
    w = np.linspace(-1, 1, 6)
    value, gradient = loss.value_and_gradient(w)
    other, same = pickle.loads(pickle.dumps(loss)).value_and_gradient(w)
    assert other == value
    assert (same == gradient).all()


def test_no_solution_is_said():
    impossible = constraints(([1, 1], "GreaterEqual", 3))
    loss = SoftMarginLoss(impossible, np.eye(2), [1, 0])
    with pytest.raises(ValueError, match="ended with status INFEASIBLE"):
        loss.value_and_gradient(np.zeros(2))


def test_a_solution_that_is_no_output_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "ilpy", ilpy_stand_in)

    class Relaxed(ilpy_stand_in.Solver):
        def solve(self):
            solution = super().solve()
            solution.found.x[1] = 0.5
            return solution

    monkeypatch.setattr(ilpy_stand_in, "Solver", Relaxed)
    some = ilpy_stand_in.Constraints()
    loss = SoftMarginLoss(some, np.eye(2), [1, 0])
    with pytest.raises(ValueError, match=r"variable 1 to 0\.5, expected 0 or 1"):
        loss.value_and_gradient(np.zeros(2))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features": np.eye(3)}, r"features has shape \(3, 3\), expected \(n_weights, 2\)"),
        ({"features": [1.0, 2]}, r"features has shape \(2,\)"),
        ({"features": [[1.0, np.nan]]}, r"features\[0, 1\] is not finite"),
        ({"ground_truth": [1, 0.5]}, r"ground_truth\[1\] is 0\.5, expected 0 or 1"),
        ({"ground_truth": [[1, 0]]}, r"ground_truth has shape \(1, 2\)"),
        ({"costs": HammingCosts([1, 0, 0])}, r"coefficients has shape \(3,\), expected \(2,\)"),
    ],
)
def test_what_does_not_fit_is_refused(change, words):
    good = {"features": np.eye(2), "ground_truth": [1, 0]}
    with pytest.raises(ValueError, match=words):
        SoftMarginLoss(constraints(([1, 1], "Equal", 1)), **good | change)


def test_weights_and_masks_that_do_not_fit_are_refused():
    loss = SoftMarginLoss(constraints(([1, 1], "Equal", 1)), np.eye(2), [1, 0])
    with pytest.raises(ValueError, match=r"w has shape \(3,\), expected \(2,\)"):
        loss.value_and_gradient(np.zeros(3))
    with pytest.raises(ValueError, match=r"w\[1\] is nan"):
        loss.value_and_gradient([0, np.nan])
    with pytest.raises(ValueError, match=r"mask has shape \(3,\), expected \(2,\)"):
        HammingCosts([1, 0], mask=[1, 1, 1])


def test_what_to_install_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "ilpy", None)
    with pytest.raises(ImportError, match=r"pip install 'ilpy\[scip\]'"):
        SoftMarginLoss([], np.eye(2), [1, 0])
