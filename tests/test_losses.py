"""Task losses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone

from structsvm import MulticlassSVM
from structsvm.losses import HammingLoss, make_loss, tree_costs


def test_counts_wrong_positions():
    loss = HammingLoss()
    cost = loss.cost_matrix(3)
    assert loss.value([0, 1, 2], [0, 2, 1], cost) == 2.0
    assert loss.value([], [], cost) == 0.0
    assert HammingLoss(normalize=True).value([0, 1, 2, 0], [0, 2, 1, 0], cost) == 0.5
    assert HammingLoss(normalize=True).value([], [], cost) == 0.0


def test_cost_matrix_is_indexed_by_truth_then_answer():
    loss = HammingLoss(cost=[[0, 5], [1, 0]])
    assert loss.value([0], [1], loss.cost_matrix(2)) == 5.0
    assert loss.value([1], [0], loss.cost_matrix(2)) == 1.0


def test_position_scale_is_one_over_length():
    lengths = np.array([2, 0, 1])
    assert HammingLoss(normalize=True).position_scale(lengths).tolist() == [0.5, 0.5, 1.0]
    assert HammingLoss().position_scale(lengths).tolist() == [1.0, 1.0, 1.0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(0, 8), st.booleans())
def test_value_is_the_scaled_sum_of_costs(seed, n_classes, length, normalize):
    rng = np.random.default_rng(seed)
    cost = rng.integers(0, 5, size=(n_classes, n_classes))
    np.fill_diagonal(cost, 0)
    loss = HammingLoss(normalize=normalize, cost=cost)
    y, y_hat = rng.integers(n_classes, size=(2, length))
    matrix = loss.cost_matrix(n_classes)
    scale = loss.position_scale(np.array([length]))
    want = sum(f * cost[a, b] for f, a, b in zip(scale, y, y_hat, strict=True))
    assert loss.value(y, y_hat, matrix) == pytest.approx(want, abs=1e-12)
    assert loss.value(y, y, matrix) == 0.0


def test_outputs_of_different_lengths_have_no_loss():
    loss = HammingLoss()
    for y, y_hat in (([0, 1, 2], [0]), ([0], [0, 1]), ([0, 1], [])):
        with pytest.raises(ValueError, match=f"y_hat has {len(y_hat)} labels, expected {len(y)}"):
            loss.value(y, y_hat, loss.cost_matrix(3))


def test_cost_matrix_is_a_copy():
    cost = np.array([[0.0, 2.0], [1.0, 0.0]])
    loss = HammingLoss(cost=cost)
    matrix = loss.cost_matrix(2)
    matrix[:] = 7
    assert HammingLoss(cost=[[0, 1], [1, 0]]).cost_matrix(2).dtype == np.float64
    assert cost.tolist() == [[0, 2], [1, 0]]
    assert loss.cost_matrix(2).tolist() == [[0.0, 2.0], [1.0, 0.0]]
    assert HammingLoss().cost_matrix(1).tolist() == [[0.0]]
    assert HammingLoss().cost_matrix(3).tolist() == [[0, 1, 1], [1, 0, 1], [1, 1, 0]]


def test_arguments_are_kept_as_given():
    cost = [[0, 1], [1, 0]]
    loss = HammingLoss(True, cost)
    assert loss.get_params() == {"normalize": True, "cost": cost}
    assert loss.cost is cost


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        (np.zeros((2, 3)), r"cost has shape \(2, 3\), expected \(3, 3\)"),
        ([[0, 1, 1], [1, 0, -2], [1, 1, 0]], r"cost\[1, 2\] is -2.0, expected a finite number >="),
        ([[0, 1, 1], [np.nan, 0, 1], [1, 1, 0]], r"cost\[1, 0\] is nan, expected a finite"),
        ([[0, 1, 1], [1, 0, np.inf], [1, 1, 0]], r"cost\[1, 2\] is inf, expected a finite"),
        ([[0, 1, 1], [1, 0.5, 1], [1, 1, 0]], r"cost\[1, 1\] is 0.5, expected 0: a right answer"),
        ([[0, -1, 1], [1, 0.5, 1], [1, 1, 0]], r"cost\[0, 1\] is -1.0, expected a finite number"),
        (np.zeros(3), r"cost has shape \(3,\), expected \(3, 3\)"),
        (0.0, r"cost has shape \(\), expected \(3, 3\)"),
    ],
)
def test_bad_costs_are_named(cost, message):
    with pytest.raises(ValueError, match=message):
        HammingLoss(cost=cost).cost_matrix(3)


def test_names():
    assert not make_loss("hamming").normalize
    assert make_loss("normalized_hamming").normalize
    loss = HammingLoss(cost=[[0, 1], [1, 0]])
    assert make_loss(loss) is loss
    assert clone(loss).get_params() == loss.get_params()
    for unknown in ("zero_one", 3, None, HammingLoss):
        with pytest.raises(ValueError, match=r"unknown loss .*: expected one of 'hamming', 'norm"):
            make_loss(unknown)


def test_costs_are_real_numbers():
    for cost in (np.array([[0, 1j], [1, 0]]), [["0", "1"], ["1", "0"]]):
        with pytest.raises(ValueError, match=r"cost has dtype .*, expected real numbers"):
            HammingLoss(cost=cost).cost_matrix(2)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12), st.booleans())
def test_tree_costs_are_path_lengths(seed, n_nodes, marked):
    rng = np.random.default_rng(seed)
    parents = {k: int(rng.integers(k)) for k in range(1, n_nodes)}
    # Floyd and Warshall's algorithm.
    want = np.where(np.eye(n_nodes, dtype=bool), 0.0, np.inf)
    for child, parent in parents.items():
        want[child, parent] = want[parent, child] = 1
    for k in range(n_nodes):
        want = np.minimum(want, want[:, [k]] + want[k])
    y = rng.integers(n_nodes, size=8)
    kept = np.unique(y)
    costs = tree_costs(parents | ({0: None} if marked else {}), y)
    assert np.array_equal(costs, want[np.ix_(kept, kept)])
    assert np.array_equal(HammingLoss(cost=costs).cost_matrix(len(kept)), costs)


def test_tree_costs_refuse_what_is_no_tree():
    cycle = {"a": "b", "b": "c", "c": "b"}
    with pytest.raises(ValueError, match="'b' is its own ancestor, on the way from 'a' up"):
        tree_costs(cycle, ["a"])
    with pytest.raises(ValueError, match="'a' is its own ancestor"):
        tree_costs({"a": "a"}, ["a"])
    misspelt = {"cat": "mammal", "mammal": "all", "owl": "brid", "bird": "all"}
    with pytest.raises(
        ValueError, match=r"'cat' and 'owl' have no common .* 'all' and 'brid', whi"
    ):
        tree_costs(misspelt, ["owl", "cat"])
    with pytest.raises(ValueError, match=r"'cat' and 'emu' have no common .* 'all' and 'emu', whi"):
        tree_costs(misspelt, ["emu", "cat"])
    with pytest.raises(
        ValueError, match=r"parents\['a'\] is \['b', 'c'\], expected the name of one"
    ):
        tree_costs({"a": ["b", "c"]}, ["a"])
    with pytest.raises(TypeError, match="parents is list, expected a mapping from each node"):
        tree_costs(["all"], [0])
    with pytest.raises(ValueError, match=r"y\[1\] is not finite"):
        tree_costs({0.0: "all"}, [0.0, np.inf])


def test_mistakes_are_nearer_to_the_truth_with_tree_costs():
    """27 classes in nine groups, these in three: nodes below one differ by 1, noise is 1.5."""
    k, names = np.arange(27), np.array([f"{k // 9}.{k // 3 % 3}.{k % 3}" for k in range(27)])
    parents = {name: name[:3] for name in names} | {name[:3]: name[0] for name in names}
    costs = tree_costs(parents | dict.fromkeys("012", "all"), names)
    assert set(costs.ravel()) == {0, 2, 4, 6}
    lengths = np.zeros(2)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        means = sum(rng.normal(size=(n, 6))[k * n // 27] for n in (3, 9, 27))
        truth = np.tile(k, 60)
        X, y = means[truth] + 1.5 * rng.normal(size=(len(truth), 6)), names[truth]
        half = len(y) // 2
        for i, cost in enumerate((None, costs)):
            svm = MulticlassSVM(cost=cost, random_state=0).fit(X[:half], y[:half])
            assert svm.certified_
            answers = np.searchsorted(names, svm.predict(X[half:]))
            lengths[i] += costs[truth[half:], answers].mean() / 3
    assert lengths[1] < 0.95 * lengths[0]
