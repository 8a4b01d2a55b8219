"""Compiled chain problems against the four Python methods and against enumeration."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from reference.chains import all_outputs, best_augmented, enumerate_chain
from reference.models import twin
from reference.planes import dense, planes_of

from structsvm import ChainModel
from structsvm.engines import Threads, make_engine
from structsvm.linalg._plane import is_padded, padded_copy
from structsvm.losses import HammingLoss
from structsvm.problems import Problem
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


@pytest.mark.parametrize("n_labels", [1, 8, 9, 26, 33, 65])
def test_planes_are_those_of_the_python_methods_for_any_number_of_labels(n_labels):
    rng = np.random.default_rng(n_labels)
    X, y = make_data([n_labels, 5, 1, 12], 4, n_labels, rng)
    y[0] = np.arange(n_labels)
    for loss in LOSSES:
        model = make_model((True, True, True), loss, n_labels, rng)
        model.initialize(X, y)
        problem, python = model.bind(X, y), twin(model)
        w = rng.integers(-3, 4, model.n_weights).astype(float)
        for i, (x, truth) in enumerate(zip(X, y, strict=True)):
            delta, loss_value = dense(problem, problem.oracle(i, w))
            y_hat = python.loss_augmented_inference(x, truth, w)
            want = python.joint_feature(x, truth) - python.joint_feature(x, y_hat)
            assert loss_value - w @ delta == pytest.approx(
                python.loss(truth, y_hat) - w @ want, abs=1e-9
            )


# Sums of quarters and of 1 / length are exact for these lengths, so planes are compared bit by bit.
EXACT_LENGTHS = st.lists(st.sampled_from([0, 1, 2, 4]), min_size=1, max_size=4)


def untidy_csr(x, rng):
    """x with each entry stored in two parts, out of order, some of them zero."""
    part = rng.integers(-1, 2, size=x.shape).astype(float)
    length, n_features = x.shape
    columns = np.tile(np.r_[np.arange(n_features), np.arange(n_features)[::-1]], length)
    values = np.hstack([part, (x - part)[:, ::-1]]).ravel()
    starts = 2 * n_features * np.arange(length + 1)
    return sp.csr_array((values, columns, starts), shape=x.shape)


def quarters(rng, size):
    return rng.integers(0, 9, size=size) / 4


def exact_problem(rng, lengths, n_labels, blocks, loss):
    """A model, its data, and integer weights; all labels known whether or not they occur."""
    model = make_model(blocks, loss, n_labels, rng)
    model.resize(np.arange(n_labels), 3)
    X, y = make_data(lengths, 3, n_labels, rng)
    dense_x = [x.toarray() if sp.issparse(x) else x for x in X]
    X = [x if i % 3 != 2 else untidy_csr(dense_x[i], rng) for i, x in enumerate(X)]
    return model, X, dense_x, y, rng.integers(-3, 4, size=model.n_weights).astype(float)


def cost_and_scale(model, truth):
    """Delta as numbers, independent of the loss class."""
    loss, k = model.task_loss, len(model.classes_)
    cost = np.array(loss.cost) if isinstance(loss, HammingLoss) else 1.0 - np.eye(k)
    normalized = loss != "hamming"
    return cost, np.full(len(truth), 1 / len(truth) if normalized and len(truth) else 1.0)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    lengths=EXACT_LENGTHS,
    n_labels=st.integers(1, 4),
    blocks=st.sampled_from(BLOCKS),
    loss=st.sampled_from(LOSSES),
    position_weighted=st.booleans(),
    weighted=st.booleans(),
)
def test_planes_are_exactly_those_of_enumeration(
    seed, lengths, n_labels, blocks, loss, position_weighted, weighted
):
    rng = np.random.default_rng(seed)
    model, X, dense_x, y, w = exact_problem(rng, lengths, n_labels, blocks, loss)
    weight = [quarters(rng, len(truth)) if position_weighted else 1.0 for truth in y]
    factor = quarters(rng, len(X)) if weighted else np.ones(len(X))
    problem = model.bind(X, y, position_weight=weight if position_weighted else None)
    python = twin(model).bind(X, y)
    for each in (problem, python):
        each.set_sample_weight(factor if weighted else None)
    labels, values = problem.predict(w, augmented=True)
    answers = np.split(labels, problem.label_offsets[1:-1])
    for i, truth in enumerate(y):
        cost, scale = cost_and_scale(model, truth)
        outputs, scores, losses = enumerate_chain(
            dense_x[i], truth, model.weight_blocks(w), cost, scale * weight[i]
        )
        k = best_augmented(outputs, scores, losses)
        truth_score = scores[outputs.index(tuple(truth))]
        assert tuple(answers[i]) == outputs[k]
        assert values[i] == scores[k] + losses[k]
        delta, loss_value = dense(problem, problem.oracle(i, w))
        psi = twin(model).joint_feature(X[i], truth)
        assert np.array_equal(
            delta, factor[i] * (psi - twin(model).joint_feature(X[i], outputs[k]))
        )
        assert loss_value == factor[i] * losses[k]
        assert loss_value - w @ delta == factor[i] * (scores[k] + losses[k] - truth_score)
        if not position_weighted:
            theirs = dense(python, python.oracle(i, w))
            assert np.array_equal(delta, theirs[0])
            assert loss_value == theirs[1]


@pytest.mark.parametrize("n_labels", [1, 9, 26, 33])
def test_planes_are_exactly_the_python_ones_at_any_width(n_labels):
    rng = np.random.default_rng(n_labels)
    for blocks, loss in itertools.product(BLOCKS, LOSSES):
        model, X, _, y, w = exact_problem(rng, [1, 8, 0, 4], n_labels, blocks, loss)
        problem, python = model.bind(X, y), twin(model).bind(X, y)
        for i in range(len(X)):
            for ours, theirs in zip(problem.oracle(i, w), python.oracle(i, w), strict=True):
                assert np.array_equal(ours, theirs)


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    lengths=EXACT_LENGTHS,
    n_labels=st.integers(1, 4),
    blocks=st.sampled_from(BLOCKS),
    loss=st.sampled_from(LOSSES),
)
def test_identities_of_scores_planes_and_losses(seed, lengths, n_labels, blocks, loss):
    rng = np.random.default_rng(seed)
    model, X, dense_x, y, w = exact_problem(rng, lengths, n_labels, blocks, loss)
    problem = model.bind(X, y)
    plain, best = (
        np.split(a, problem.label_offsets[1:-1])
        for a in (problem.predict(w)[0], problem.predict(w, augmented=True)[0])
    )
    plain_values, augmented_values = problem.predict(w)[1], problem.predict(w, augmented=True)[1]
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        delta, loss_value = dense(problem, problem.oracle(i, w))
        outputs, scores, losses = enumerate_chain(
            dense_x[i], truth, model.weight_blocks(w), *cost_and_scale(model, truth)
        )
        # <w, psi(y)> is the score, and loss() the loss, of every output.
        deltas, costs = planes_of(problem, i, truth, outputs)
        assert (scores[outputs.index(tuple(truth))] - deltas @ w).tolist() == scores.tolist()
        assert costs.tolist() == losses.tolist()
        score_of = dict(zip(outputs, scores, strict=True))
        assert plain_values[i] == scores.max() == score_of[tuple(plain[i])]
        assert tuple(plain[i]) == tuple(twin(model).inference(x, w))
        assert w @ delta == score_of[tuple(truth)] - score_of[tuple(best[i])]
        assert augmented_values[i] - score_of[tuple(best[i])] == loss_value
        assert loss_value == twin(model).loss(truth, best[i])
        assert twin(model).loss(truth, truth) == 0.0
        # The truth is among the outputs: no hinge is negative.
        assert loss_value - w @ delta >= 0


def test_where_the_truth_wins_the_plane_is_empty():
    X, y = [np.eye(3)], [np.array([2, 0, 1])]
    model = ChainModel()
    model.initialize(X, y)
    w = np.zeros(model.n_weights)
    model.weight_blocks(w)["state"][np.arange(3), y[0]] = 2.0
    indices, values, loss = model.bind(X, y).oracle(0, w)
    assert (len(indices), len(values), loss) == (0, 0, 0.0)


def test_planes_do_not_depend_on_the_calls_before():
    rng = np.random.default_rng(3)
    model, X, _, y, w = exact_problem(rng, [4, 0, 1, 9, 2, 6], 5, (True,) * 3, "hamming")
    fresh = [model.bind(X, y).oracle(i, w) for i in range(len(X))]
    problem = model.bind(X, y)
    for i in rng.integers(len(X), size=40):
        problem.oracle(i, rng.normal(size=model.n_weights))
        assert all(map(np.array_equal, problem.oracle(i, w), fresh[i]))


def test_string_labels_are_numbered_in_order(chain):
    model, X, y, w = chain
    names = np.array(["ant", "bee", "cow"])
    named, named_y = ChainModel(), [names[truth] for truth in y]
    named.initialize(X, named_y)
    ours, theirs = named.bind(X, named_y), model.bind(X, y)
    for i in range(len(X)):
        assert all(map(np.array_equal, ours.oracle(i, w), theirs.oracle(i, w)))
    answers = named.batch_loss_augmented_inference(X, named_y, w)
    assert [a.tolist() for a in answers] == [
        named.loss_augmented_inference(x, truth, w).tolist()
        for x, truth in zip(X, named_y, strict=True)
    ]


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


def test_sample_weight_is_copied_and_can_be_taken_back(chain):
    model, X, y, w = chain
    problem = model.bind(X, y)
    plain = problem.oracle(1, w)
    weights = np.full(len(X), 2.0)
    problem.set_sample_weight(weights)
    weights[:] = 0
    assert problem.oracle(1, w)[2] == 2 * plain[2] > 0
    problem.set_sample_weight(None)
    assert all(map(np.array_equal, problem.oracle(1, w), plain))


def test_position_weight_scales_the_loss(chain):
    model, X, y, w = chain
    rng = np.random.default_rng(0)
    weight = [rng.uniform(0, 3, size=len(labels)) for labels in y]
    problem = model.bind(X, y, position_weight=weight)
    labels, values = problem.predict(w, augmented=True)
    for i, (x, truth, y_hat) in enumerate(
        zip(X, y, np.split(labels, problem.label_offsets[1:-1]), strict=True)
    ):
        loss = weight[i] @ (truth != y_hat)
        assert problem.oracle(i, w)[2] == pytest.approx(loss)
        assert values[i] == pytest.approx(loss + w @ twin(model).joint_feature(x, y_hat))


def test_decoding_is_the_same_on_any_number_of_threads(chain):
    model, X, y, w = chain
    for augmented in (False, True):
        problem = model.bind(X, y)
        labels, values = problem.predict(w, augmented=augmented, engine=Threads(1))
        for n_threads in (2, 3, 4, 100):
            again = problem.predict(w, augmented=augmented, engine=Threads(n_threads))
            assert np.array_equal(again[0], labels)
            assert np.array_equal(again[1], values)
        for i, (x, truth) in enumerate(zip(X, y, strict=True)):
            rows = slice(problem.label_offsets[i], problem.label_offsets[i + 1])
            if augmented:
                y_hat = twin(model).loss_augmented_inference(x, truth, w)
            else:
                y_hat = twin(model).inference(x, w)
            assert labels[rows].tolist() == y_hat.tolist()
            loss = twin(model).loss(truth, y_hat) if augmented else 0.0
            assert values[i] == pytest.approx(loss + w @ twin(model).joint_feature(x, y_hat))


def test_evaluation_is_the_same_on_any_number_of_threads(chain):
    model, X, y, w = chain
    hinges = []
    for n_threads in (1, 2, 4):
        problem = model.bind(X, y)
        engine = Threads(n_threads)
        hinges.append(DualBlocks(problem).evaluator.evaluate(w, engine=engine))
    assert len(set(hinges)) == 1
    want = 0.0
    for i in range(len(X)):
        delta, loss = dense(problem, problem.oracle(i, w))
        want += max(loss - w @ delta, 0) / len(X)
    assert hinges[0] == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize(("kind", "n_workers"), [(lambda model: model, (1, 2, 4)), (twin, (1, 2))])
def test_evaluation_in_several_batches(kind, n_workers):
    """More examples than the blocks ask for at once, with weights, compiled and in Python."""
    rng = np.random.default_rng(11)
    model, X, _, y, w = exact_problem(
        rng, rng.integers(0, 4, size=600), 3, (True,) * 3, "normalized_hamming"
    )
    w = rng.normal(size=model.n_weights)
    hinges = []
    for n in n_workers:
        problem = kind(model).bind(X, y)
        problem.set_sample_weight(np.arange(600) % 5 / 4)
        evaluator = DualBlocks(problem).evaluator
        with make_engine(n) as engine:
            hinges.append(evaluator.evaluate(w, engine=engine))
        assert evaluator.n_oracle_calls == 600
    assert len(set(hinges)) == 1
    planes = [dense(problem, problem.oracle(i, w)) for i in range(600)]
    want = np.mean([max(loss - w @ delta, 0) for delta, loss in planes])
    assert hinges[0] == pytest.approx(want, rel=1e-12)
    assert want > 0


def test_decoding_needs_no_truth_but_augmented_decoding_does(chain):
    model, X, _, w = chain
    problem = model.bind(X)
    assert len(problem.predict(w)[1]) == len(X)
    with pytest.raises(ValueError, match="loss-augmented decoding needs true outputs"):
        problem.predict(w, augmented=True)
    with pytest.raises(ValueError, match="a problem bound without y has no planes"):
        problem.oracle(0, w)


def test_oracle_refuses_an_example_that_is_not_there(chain):
    model, X, y, w = chain
    problem = model.bind(X, y)
    for i in (40, -1):
        with pytest.raises(IndexError, match=f"example {i} of a problem with 40 examples"):
            problem.oracle(i, w)


def test_weights_of_the_wrong_size_are_refused(chain):
    model, X, y, w = chain
    problem = model.bind(X, y)
    for call in (lambda v: problem.oracle(0, v), problem.predict):
        for size in (len(w) - 1, len(w) + 1):
            with pytest.raises(ValueError, match=rf"\({size},\)"):
                call(np.zeros(size))


def test_weights_are_not_broadcast(chain):
    model, X, y, _ = chain
    problem = model.bind(X, y)
    for call in (lambda v: problem.oracle(0, v), problem.predict):
        for wrong in (1.0, [1.0], np.zeros((1, problem.n_weights))):
            with pytest.raises(ValueError, match=r"weights have shape \(.*\), expected \(\d+,\)"):
                call(wrong)


def test_weights_that_are_not_finite_are_refused(chain):
    model, X, y, w = chain
    w = w.copy()
    w[3] = np.nan
    for call in (lambda v: model.bind(X, y).oracle(0, v), model.bind(X).predict):
        with pytest.raises(ValueError, match=r"weights\[3\] is not finite"):
            call(w)


def test_position_weight_needs_truth(chain):
    model, X, y, _ = chain
    with pytest.raises(ValueError, match="position_weight weighs the loss, which needs y"):
        model.bind(X, position_weight=[np.ones(len(row)) for row in y])


def test_evaluation_without_truth_is_refused(chain):
    model, X, _, w = chain
    problem = model.bind(X)
    for n_threads in (1, 2):
        with pytest.raises(ValueError, match="a problem bound without y has no planes"):
            DualBlocks(problem).evaluator.evaluate(w, engine=Threads(n_threads))


@pytest.mark.parametrize("n_threads", [0, -1])
def test_decoding_on_no_thread_is_refused(chain, n_threads):
    model, X, _, w = chain
    with pytest.raises(ValueError, match=f"n_workers={n_threads}: expected at least 1"):
        model.bind(X).predict(w, engine=Threads(n_threads))


def test_as_many_outputs_as_inputs(chain):
    model, X, y, _ = chain
    for wrong in (y[:-1], [*y, y[0]]):
        with pytest.raises(ValueError, match=f"y has {len(wrong)} sequences, expected 40 as X has"):
            model.bind(X, wrong)


@pytest.mark.parametrize("bind", [ChainModel.bind, lambda model, X, y: twin(model).bind(X, y)])
def test_bad_sample_weights_are_refused(chain, bind):
    model, X, y, _ = chain
    problem = bind(model, X, y)
    for wrong in ([1.0], np.ones(41), np.ones((40, 1)), 1.0):
        with pytest.raises(ValueError, match=r"sample_weight has shape .*, expected \(40,\)"):
            problem.set_sample_weight(wrong)
    for wrong in (-1.0, np.nan, np.inf):
        with pytest.raises(ValueError, match="sample_weight must be finite and >= 0"):
            problem.set_sample_weight(np.full(40, wrong))


def test_an_empty_sequence_may_have_any_number_of_features(chain):
    model, X, y, w = chain
    for empty in ([], np.zeros((0, 7)), sp.csr_array((0, 7)), np.zeros(0)):
        data = [X[1], empty], [y[1], []]
        compiled, python = model.bind(*data), twin(model).bind(*data)
        for i in (0, 1):
            assert all(map(np.array_equal, compiled.oracle(i, w), python.oracle(i, w)))
        assert twin(model).inference(empty, w).shape == (0,)


def test_a_problem_comes_from_bind_alone():
    with pytest.raises(TypeError, match=r"Problem is a contract: get one from model.bind\(X, y\)"):
        Problem()


def test_decoding_reads_padded_weights_where_they_are_and_still_names_bad_ones():
    rng = np.random.default_rng(0)
    X, y = make_data([3, 2, 4], 3, 3, rng)
    y[0] = np.arange(3)
    model = ChainModel()
    model.initialize(X, y)
    weights = rng.normal(size=model.n_weights)
    plain, padded = (model.bind(X).predict(w) for w in (weights, padded_copy(weights)))
    np.testing.assert_array_equal(plain[0], padded[0])
    np.testing.assert_array_equal(plain[1], padded[1])
    assert is_padded(padded_copy(weights), len(weights))
    roomy = np.zeros(len(weights) + 8)
    for other in (weights, roomy[:-7], roomy[1:-7], roomy[:-8:2], roomy.astype("f4")[:-8], [1.0]):
        assert not is_padded(other, len(weights))
    for bad in (np.nan, np.inf):
        broken = padded_copy(weights)
        broken[2] = bad
        with pytest.raises(ValueError, match=r"weights\[2\] is not finite"):
            model.bind(X).predict(broken)


def test_joint_features_and_losses_of_any_output_are_those_of_the_python_methods():
    rng = np.random.default_rng(3)
    for blocks in BLOCKS:
        X, y = make_data([3, 0, 1, 4], 2, 3, rng)
        y[0] = np.arange(3)
        model = make_model(blocks, "cost", 3, rng)
        model.initialize(X, y)
        problem = model.bind(X, y)
        for i, (x, truth) in enumerate(zip(X, y, strict=True)):
            for output in all_outputs(len(truth), 3):
                indices, values = problem.joint_feature(i, output)
                psi = np.zeros(problem.n_weights)
                psi[indices] = values
                assert np.array_equal(psi, twin(model).joint_feature(x, output))
                assert problem.loss_of(i, output) == pytest.approx(twin(model).loss(truth, output))
    for ask, output in (
        (problem.joint_feature, [0, 3, 0]),
        (problem.joint_feature, [-2, 0, 0]),
        (problem.loss_of, [0, 3, 0]),
        (problem.loss_of, [-2, 0, 0]),
    ):
        with pytest.raises(ValueError, match=r"label [01] of example 0 is .*, expected 0 to 2"):
            ask(0, output)
    with pytest.raises(ValueError, match=r"for example 0 have shape \(2,\), expected \(3,\)"):
        problem.joint_feature(0, [0, 1])
    with pytest.raises(IndexError, match="example 4: there are 4"):
        problem.joint_feature(4, [])
