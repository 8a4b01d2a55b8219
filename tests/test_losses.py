"""Task losses."""

import numpy as np
import pytest
from sklearn.base import clone

from structsvm.losses import HammingLoss, make_loss


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


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        (np.zeros((2, 3)), r"cost has shape \(2, 3\), expected \(3, 3\)"),
        ([[0, 1, 1], [1, 0, -2], [1, 1, 0]], r"cost\[1, 2\] is -2.0, expected a finite number >="),
        ([[0, 1, 1], [np.nan, 0, 1], [1, 1, 0]], r"cost\[1, 0\] is nan, expected a finite"),
        ([[0, 1, 1], [1, 0, np.inf], [1, 1, 0]], r"cost\[1, 2\] is inf, expected a finite"),
        ([[0, 1, 1], [1, 0.5, 1], [1, 1, 0]], r"cost\[1, 1\] is 0.5, expected 0: a right answer"),
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
