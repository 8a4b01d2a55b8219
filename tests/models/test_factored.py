"""Models of compiled problems: single methods against the numpy twins, and examples read once."""

import numpy as np
import pytest
from reference.models import twin

from structsvm import ChainModel, GraphModel, GridModel, MulticlassModel
from structsvm.losses import HammingLoss


def chains(rng, **params):
    model = ChainModel(**params)
    lengths = [3, 1, 5, 2]
    X = [rng.normal(size=(n, 4)) for n in lengths]
    if params.get("order") == 2:
        X = [(x, rng.normal(size=(len(x), 2))) for x in X]
    return model, X, [rng.choice(["a", "b", "c"], size=n) for n in lengths]


def graphs(rng, n_labels=2, void=None, **params):
    edges = [[0, 1], [1, 2], [2, 0], [3, 1]]
    X = [(rng.normal(size=(4, 3)), edges, rng.random((4, 2))) for _ in range(4)]
    y = [rng.integers(n_labels, size=4) for _ in X]
    y[0][:n_labels] = range(n_labels)
    if void is not None:
        y[1][2] = y[2][0] = void
    return GraphModel(ignore_label=void, **params), X, y


def grids(rng, **params):
    X = [rng.normal(size=(3, 4, 2)), rng.normal(size=(2, 2, 2))]
    return GridModel(**params), X, [rng.integers(2, size=x.shape[:2]) for x in X]


def rows(rng, n_classes=3, **params):
    y = np.arange(9) % n_classes
    return MulticlassModel(**params), rng.normal(size=(9, 3)), rng.permutation(y)


CASES = {
    "chain": (chains, {}),
    "chain, normalised cost": (
        chains,
        {"task_loss": HammingLoss(normalize=True, cost=[[0, 1, 3], [2, 0, 1], [1, 1, 0]])},
    ),
    "chain without transitions": (chains, {"transitions": False, "boundary": False}),
    "chain of order 2 with edges": (chains, {"order": 2}),
    "constrained chain": (chains, {"constraints": [("c", "d")], "on_violation": "skip"}),
    "graph": (graphs, {}),
    "graph with void nodes": (graphs, {"void": 9, "class_weight": "balanced"}),
    "graph of tables": (graphs, {"pairwise": "table", "void": 9}),
    "graph of three labels": (graphs, {"n_labels": 3, "task_loss": "hamming"}),
    "relaxed graph": (graphs, {"n_labels": 3, "inference_method": "relaxation"}),
    "grid": (grids, {"connectivity": 8}),
    "grid with directions": (grids, {"directions": True, "fit_intercept": False}),
    "classes": (rows, {}),
    "two classes of costs": (rows, {"n_classes": 2, "cost": [[0, 3], [1, 0]]}),
    "sums of hinges": (rows, {"hinge": "weston_watkins", "fit_intercept": False}),
    "sums of hinges of two classes": (rows, {"hinge": "weston_watkins", "n_classes": 2}),
    "hinges against the mean": (rows, {"hinge": "lee_lin_wahba", "n_classes": 4}),
    "hinges against the mean of two": (rows, {"hinge": "lee_lin_wahba", "n_classes": 2}),
}


@pytest.mark.parametrize("name", CASES)
def test_single_methods_do_what_the_twins_do(name):
    make, params = CASES[name]
    rng = np.random.default_rng(0)
    model, X, y = make(rng, **params)
    model.initialize(X, y)
    other = twin(model)
    for _ in range(3):
        w = model.bind(X, y).project(rng.normal(size=model.n_weights))
        batches = model.batch_inference(X, w), model.batch_loss_augmented_inference(X, y, w)
        for i, (x, truth) in enumerate(zip(X, y, strict=True)):
            answers = model.inference(x, w), model.loss_augmented_inference(x, truth, w)
            expected = other.inference(x, w), other.loss_augmented_inference(x, truth, w)
            for answer, want, batch in zip(answers, expected, batches, strict=True):
                np.testing.assert_array_equal(answer, want)
                np.testing.assert_array_equal(answer, batch[i])
                psi = model.joint_feature(x, answer)
                np.testing.assert_allclose(psi, other.joint_feature(x, answer), atol=1e-12)
                assert model.loss(truth, answer) == pytest.approx(other.loss(truth, answer))
        scores = [model.joint_feature(*pair) @ w for pair in zip(X, batches[0], strict=True)]
        np.testing.assert_allclose(model.batch_best_score(X, w), scores)


@pytest.mark.parametrize("make", [chains, graphs, grids, rows])
def test_prepared_examples_stand_for_raw_ones(make):
    rng = np.random.default_rng(1)
    model, X, y = make(rng)
    inputs, outputs = model.prepare_examples(X, y)
    assert len(inputs) == len(outputs) == len(y)
    assert all(map(np.array_equal, outputs, y))
    again = model.prepare_examples(inputs, outputs)
    assert again[0] is inputs
    assert again[1] is outputs
    raw = type(model)(**model.get_params(deep=False))
    raw.initialize(X, y)
    model.initialize(inputs, outputs)
    assert model.input_sizes() == raw.input_sizes()
    w = rng.random(model.n_weights)
    for i in range(len(y)):
        ours, theirs = (
            m.bind(*pair).oracle(i, w) for m, pair in ((model, (inputs, outputs)), (raw, (X, y)))
        )
        assert all(map(np.array_equal, ours, theirs))
    answers = model.batch_inference(inputs, w), raw.batch_inference(X, w)
    assert all(map(np.array_equal, *answers))


@pytest.mark.parametrize("make", [chains, graphs, grids, rows])
def test_inputs_prepared_for_another_model_are_refused(make):
    rng = np.random.default_rng(1)
    model, X, y = make(rng)
    model.initialize(X, y)
    if make is rows:
        wider = np.hstack([X, X])
    elif make is graphs:
        wider = [(np.hstack([x[0], x[0]]), *x[1:]) for x in X]
    else:
        wider = [np.concatenate([x, x], axis=-1) for x in X]
    inputs, _ = type(model)().prepare_examples(wider)
    with pytest.raises(ValueError, match=r"X was prepared with .*'n_features': \d"):
        model.batch_inference(inputs, np.zeros(model.n_weights))


def test_weights_of_the_loss_go_to_where_y_is_read():
    model, X, y = chains(np.random.default_rng(2))
    weight = [np.full(len(labels), 2.0) for labels in y]
    inputs, outputs = model.prepare_examples(X, y, position_weight=weight)
    model.initialize(inputs, outputs)
    w = np.zeros(model.n_weights)
    assert model.bind(inputs, outputs).oracle(0, w)[2] == 2 * model.bind(X, y).oracle(0, w)[2]
    with pytest.raises(ValueError, match="y is prepared already: pass position_weight to"):
        model.bind(inputs, outputs, position_weight=weight)
    with pytest.raises(ValueError, match="position_weight weighs the loss, which needs y"):
        model.bind(X, position_weight=weight)
    with pytest.raises(TypeError, match="ChainModel takes no 'node_weight'"):
        model.bind(X, y, node_weight=weight)
