"""Compiled chain problems against the four Python methods and against enumeration."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.chains import all_outputs

from structsvm import ChainModel, StructuredModel
from structsvm.losses import HammingLoss
from structsvm.solvers._blocks import DualBlocks

BLOCKS = list(itertools.product([False, True], repeat=3))
LOSSES = ["hamming", "normalized_hamming", "cost"]


def make_model(blocks, loss, n_labels, rng):
    if loss == "cost":
        cost = rng.integers(1, 5, size=(n_labels, n_labels)).astype(float)
        np.fill_diagonal(cost, 0)
        loss = HammingLoss(normalize=True, cost=cost)
    intercept, transitions, boundary = blocks
    return ChainModel(loss, fit_intercept=intercept, transitions=transitions, boundary=boundary)


def make_data(lengths, n_features, n_labels, rng):
    """Small integers, so that all sums are exact; dense and CSR items by turns."""
    X = [rng.integers(-2, 3, size=(length, n_features)).astype(float) for length in lengths]
    X = [sp.csr_array(x) if i % 2 else x for i, x in enumerate(X)]
    y = [rng.integers(n_labels, size=length) for length in lengths]
    return X, y


def python_plane(model, x, y, y_hat):
    return model.joint_feature(x, y) - model.joint_feature(x, y_hat), model.loss(y, y_hat)


def dense(problem, plane):
    indices, values, loss = plane
    assert (np.diff(indices) > 0).all()
    assert (values != 0).all()
    delta = np.zeros(problem.n_weights)
    delta[indices] = values
    return delta, loss


def assert_planes_agree(model, X, y, n_labels, rng, enumerate_all):
    problem, python = model.bind(X, y), StructuredModel.bind(model, X, y)
    assert problem.n_weights == python.n_weights
    for w in (np.zeros(problem.n_weights), rng.integers(-3, 4, problem.n_weights).astype(float)):
        for i, (x, truth) in enumerate(zip(X, y, strict=True)):
            delta, loss = dense(problem, problem.oracle(i, w))
            height = loss - w @ delta
            reference = dense(python, python.oracle(i, w))
            assert height == pytest.approx(reference[1] - w @ reference[0], abs=1e-9)
            y_hat = model.loss_augmented_inference(x, truth, w)
            assert height == pytest.approx(
                python_plane(model, x, truth, y_hat)[1]
                - w @ python_plane(model, x, truth, y_hat)[0],
                abs=1e-9,
            )
            if not enumerate_all:
                continue
            outputs = all_outputs(len(truth), n_labels)
            planes = [python_plane(model, x, truth, output) for output in outputs]
            heights = np.array([b - w @ a for a, b in planes])
            assert height == pytest.approx(heights.max(), abs=1e-9)
            best = [planes[k] for k in np.flatnonzero(heights > heights.max() - 1e-9)]
            assert any(
                np.array_equal(delta, a) and loss == pytest.approx(b, abs=1e-12) for a, b in best
            )


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("blocks", BLOCKS)
def test_planes_equal_the_python_methods_and_enumeration(blocks, loss):
    rng = np.random.default_rng(0)
    for n_labels in (2, 3, 4):
        X, y = make_data([1, 0, 4, 2, 3, 1], 3, n_labels, rng)
        y[2] = np.arange(4) % n_labels  # every label occurs
        model = make_model(blocks, loss, n_labels, rng)
        model.initialize(X, y)
        assert_planes_agree(model, X, y, n_labels, rng, enumerate_all=True)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    lengths=st.lists(st.integers(0, 4), min_size=1, max_size=4),
    blocks=st.sampled_from(BLOCKS),
    loss=st.sampled_from(LOSSES),
)
def test_planes_agree_on_anything_tiny(seed, lengths, blocks, loss):
    rng = np.random.default_rng(seed)
    X, y = make_data([2, *lengths], 2, 2, rng)
    y[0] = np.array([0, 1])
    model = make_model(blocks, loss, 2, rng)
    model.initialize(X, y)
    assert_planes_agree(model, X, y, 2, rng, enumerate_all=True)


@pytest.mark.parametrize("n_labels", [1, 8, 9, 26, 33, 65])
def test_planes_agree_for_any_number_of_labels(n_labels):
    rng = np.random.default_rng(n_labels)
    X, y = make_data([n_labels, 5, 1, 12], 4, n_labels, rng)
    y[0] = np.arange(n_labels)
    for loss in LOSSES:
        model = make_model((True, True, True), loss, n_labels, rng)
        model.initialize(X, y)
        assert_planes_agree(model, X, y, n_labels, rng, enumerate_all=False)


@pytest.fixture
def chain():
    rng = np.random.default_rng(5)
    X, y = make_data(rng.integers(0, 9, size=40), 5, 3, rng)
    y[0] = np.zeros(len(y[0]), int)
    model = ChainModel()
    model.initialize(X, y)
    return model, X, y, rng.normal(size=model.n_weights)


def test_sample_weight_scales_planes(chain):
    model, X, y, w = chain
    plain, weighted = model.bind(X, y), model.bind(X, y)
    weights = np.arange(len(X)) / 4
    weighted.set_sample_weight(weights)
    for i in range(len(X)):
        (a, values, loss), (b, scaled, scaled_loss) = plain.oracle(i, w), weighted.oracle(i, w)
        if weights[i] == 0:
            assert len(b) == 0
            assert scaled_loss == 0
            continue
        assert np.array_equal(a, b)
        np.testing.assert_allclose(scaled, weights[i] * values)
        assert scaled_loss == weights[i] * loss


def test_position_weight_scales_the_loss(chain):
    model, X, y, w = chain
    rng = np.random.default_rng(0)
    weight = [rng.uniform(0, 3, size=len(labels)) for labels in y]
    problem = model.bind(X, y, position_weight=weight)
    labels, values = problem.decode(w, augmented=True)
    for i, (x, truth, y_hat) in enumerate(
        zip(X, y, np.split(labels, problem.label_offsets[1:-1]), strict=True)
    ):
        loss = weight[i] @ (truth != y_hat)
        assert problem.oracle(i, w)[2] == pytest.approx(loss)
        assert values[i] == pytest.approx(loss + w @ model.joint_feature(x, y_hat))


def test_decoding_is_the_same_on_any_number_of_threads(chain):
    model, X, y, w = chain
    for augmented in (False, True):
        problem = model.bind(X, y)
        labels, values = problem.decode(w, augmented=augmented, n_threads=1)
        for n_threads in (2, 3, 4, 100):
            again = problem.decode(w, augmented=augmented, n_threads=n_threads)
            assert np.array_equal(again[0], labels)
            assert np.array_equal(again[1], values)
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        rows = slice(problem.label_offsets[i], problem.label_offsets[i + 1])
        y_hat = model.loss_augmented_inference(x, truth, w)
        assert labels[rows].tolist() == y_hat.tolist()
        assert values[i] == pytest.approx(
            model.loss(truth, y_hat) + w @ model.joint_feature(x, y_hat)
        )


def test_evaluation_is_the_same_on_any_number_of_threads(chain):
    model, X, y, w = chain
    hinges = []
    for n_threads in (1, 2, 4):
        problem = model.bind(X, y)
        problem.reserve(n_threads)
        hinges.append(DualBlocks(problem).evaluate(w))
    assert hinges[0] == hinges[1] == hinges[2]
    want = 0.0
    for i in range(len(X)):
        delta, loss = dense(problem, problem.oracle(i, w))
        want += max(loss - w @ delta, 0) / len(X)
    assert hinges[0] == pytest.approx(want, rel=1e-12)


def test_decoding_needs_no_truth_but_augmented_decoding_does(chain):
    model, X, _, w = chain
    problem = model.bind(X)
    assert len(problem.decode(w)[1]) == len(X)
    with pytest.raises(ValueError, match="loss-augmented decoding needs true outputs"):
        problem.decode(w, augmented=True)


def test_oracle_refuses_an_example_that_is_not_there(chain):
    model, X, y, w = chain
    with pytest.raises(IndexError, match="example 40 of a problem with 40 examples"):
        model.bind(X, y).oracle(40, w)
