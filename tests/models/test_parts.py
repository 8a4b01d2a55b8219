"""Outputs that are sets of parts: what PartsModel reads, learns and refuses."""

import ctypes
import itertools
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import LowLevelCallable
from sklearn.base import clone

from structsvm import Parts, PartsModel, StructSVM, load
from structsvm.inference import Bounded, Compiled, Knapsack

rng = np.random.default_rng(0)
N_PARTS, CAPACITY = 6, 9
WEIGHTS = np.array([4, 3, 5, 2, 1, 4])
FEASIBLE = np.array(
    [uses for uses in itertools.product((0, 1), repeat=N_PARTS) if WEIGHTS @ uses <= CAPACITY]
)


def pack(theta, x):
    """The best knapsack, by trying all."""
    return FEASIBLE[np.argmax(FEASIBLE @ theta)]


def items(n=30, noise=0.3):
    X = rng.normal(size=(n, N_PARTS, 3))
    w = np.array([1.0, -1.0, 0.5])
    return X, [pack(x @ w + noise * rng.normal(size=N_PARTS), x) for x in X]


X, y = items()


def fitted(model, X=X, y=y, **params):
    params = {"C": 0.1, "scale": None, "tol": 1e-8, "random_state": 0, "max_iter": 2000} | params
    return StructSVM(model, **params).fit(X, y)


def hinges_of(svm, X, y, loss):
    """The mean hinge at the weights, over all knapsacks."""
    w = svm.coef_[:3]
    total = 0.0
    for x, truth in zip(X, y, strict=True):
        theta = x @ w + svm.coef_[3]
        values = [loss(truth, uses) + theta @ uses for uses in FEASIBLE]
        total += max(max(values) - theta @ truth, 0.0)
    return total


@pytest.mark.parametrize("solver", ["bcfw", "n_slack", "cutting_plane"])
def test_the_objective_is_that_of_all_outputs_and_every_solver_finds_its_minimum(solver):
    svm = fitted(PartsModel(pack), solver=solver, tol=1e-6)
    hinges = hinges_of(svm, X, y, lambda a, b: np.abs(a - b).sum())
    assert svm.objective_ == pytest.approx(0.5 * svm.coef_ @ svm.coef_ + 0.1 * hinges, rel=1e-9)
    assert svm.certified_
    assert svm.objective_ == pytest.approx(fitted(PartsModel(pack)).objective_, rel=2e-6)


def test_a_function_and_a_structure_train_to_the_same_weights():
    by_function = fitted(PartsModel(pack))
    by_structure = fitted(PartsModel(Knapsack(WEIGHTS, CAPACITY)))
    assert np.allclose(by_function.coef_, by_structure.coef_, atol=1e-4)
    for a, b in zip(by_function.predict(X), by_structure.predict(X), strict=True):
        assert a.tolist() == b.tolist()


def test_contexts_say_what_outputs_there_are():
    rooms = rng.integers(3, 10, size=len(X)).tolist()
    inputs = [Parts(x, context=room) for x, room in zip(X, rooms, strict=True)]
    truths = [
        max(
            (uses for uses in FEASIBLE if WEIGHTS @ uses <= room),
            key=lambda uses, x=x: float(uses @ x @ [1.0, -1.0, 0.5]),
        )
        for x, room in zip(X, rooms, strict=True)
    ]
    svm = fitted(PartsModel(Knapsack(WEIGHTS, 0)), inputs, truths, C=10.0, tol=1e-4)
    predictions = svm.predict(inputs)
    assert all(WEIGHTS @ uses <= room for uses, room in zip(predictions, rooms, strict=True))
    assert svm.score(inputs, truths) > -0.2


def test_a_saved_model_of_a_structure_predicts_the_same_bits(tmp_path):
    svm = fitted(PartsModel(Knapsack(WEIGHTS.tolist(), CAPACITY)))
    svm.save(tmp_path / "model.npz")
    copies = [load(tmp_path / "model.npz"), pickle.loads(pickle.dumps(svm))]
    for copy in copies:
        assert np.array_equal(copy.coef_, svm.coef_)
        for a, b in zip(copy.predict(X), svm.predict(X), strict=True):
            assert np.array_equal(a, b)
    assert clone(svm).model.maximizer is not svm.model.maximizer


def test_regret_is_what_an_output_costs_more():
    costs = rng.normal(size=(len(X), N_PARTS))
    truths = [pack(-c, None) for c in costs]
    pairs = list(zip(truths, costs, strict=True))
    svm = fitted(PartsModel(pack, task_loss="regret"), X, pairs, tol=1e-6)
    total = 0.0
    for x, (uses, c) in zip(X, pairs, strict=True):
        theta = x @ svm.coef_[:3] + svm.coef_[3]
        total += (FEASIBLE @ (theta + c)).max() - (theta + c) @ uses
    norm = 0.5 * svm.coef_ @ svm.coef_
    assert svm.objective_ == pytest.approx(norm + 0.1 * total, rel=1e-9)
    regrets = [c @ (z - uses) for z, (uses, c) in zip(svm.predict(X), pairs, strict=True)]
    assert svm.score(X, pairs) == pytest.approx(-np.mean(regrets))
    assert min(regrets) > -1e-12


def test_a_loss_of_ones_own_is_what_it_costs_to_use_parts_and_to_leave_them_out():
    by_name = fitted(PartsModel(pack))
    by_function = fitted(PartsModel(pack, task_loss=lambda uses: (uses, 1 - uses)))
    assert np.allclose(by_name.coef_, by_function.coef_, atol=1e-5)
    assert by_name.score(X, y) == pytest.approx(by_function.score(X, y))
    with pytest.raises(ValueError, match=r"the costs of y\[0\] itself add up to .*, expected 0"):
        fitted(PartsModel(pack, task_loss=lambda uses: (1 - uses, 1 + uses)))


def test_parts_weigh_in_the_loss_as_much_as_they_are_said_to():
    weight = np.array([0.0, 1.0, 2.0, 3.0, 1.0, 1.0])
    svm = fitted(PartsModel(pack, part_weight=weight), tol=1e-6)
    hinges = hinges_of(svm, X, y, lambda a, b: weight @ np.abs(a - b))
    norm = 0.5 * svm.coef_ @ svm.coef_
    assert svm.objective_ == pytest.approx(norm + 0.1 * hinges, rel=1e-9)
    wrong = np.abs(np.array(svm.predict(X)) - np.array(y))
    assert svm.score(X, y) == pytest.approx(-(wrong @ weight).mean())
    for wrong, message in [(weight[:5], r"has shape \(5,\), expected \(6,\)"), (-weight, ">= 0")]:
        with pytest.raises(ValueError, match=message):
            fitted(PartsModel(pack, part_weight=wrong))


def test_void_parts_have_no_loss_and_no_features():
    unknown = rng.random((len(X), N_PARTS)) < 0.3
    partly = [np.where(mask, -1, uses) for mask, uses in zip(unknown, y, strict=True)]
    svm = fitted(PartsModel(pack), X, partly, tol=1e-6)
    total = 0.0
    for x, uses, mask in zip(X, y, unknown, strict=True):
        theta = np.where(mask, 0.0, x @ svm.coef_[:3] + svm.coef_[3])
        losses = (np.abs(FEASIBLE - uses) * ~mask).sum(axis=1)
        total += max((losses + FEASIBLE @ theta).max() - theta @ uses, 0.0)
    norm = 0.5 * svm.coef_ @ svm.coef_
    assert svm.objective_ == pytest.approx(norm + 0.1 * total, rel=1e-9)
    wrong = np.abs(np.array(svm.predict(X)) - np.array(y))
    assert svm.score(X, partly) == pytest.approx(-(wrong * ~unknown).sum(axis=1).mean())


def test_indices_sparse_rows_and_single_precision_train_alike():
    indices = [np.flatnonzero(uses)[::-1] for uses in y]
    dense = fitted(PartsModel(pack))
    others = [
        fitted(PartsModel(pack, output="uses"), [sp.csr_matrix(x) for x in X]),
        fitted(
            PartsModel(lambda theta, x: np.flatnonzero(pack(theta, x)), output="indices"),
            X,
            indices,
        ),
        fitted(
            PartsModel(pack, output="indices", to_parts=lambda answer, x: np.flatnonzero(answer)),
            X,
            indices,
        ),
        fitted(PartsModel(lambda theta, x: pack(theta, x).astype(float) + 1e-9)),
    ]
    for svm in others:
        assert np.allclose(svm.coef_, dense.coef_, atol=1e-6)
    assert others[1].predict(X)[0].tolist() == np.flatnonzero(dense.predict(X)[0]).tolist()


def test_a_part_may_be_used_twice_where_the_loss_is_linear():
    counts = [np.array([2, 0]), np.array([0, 1])]

    def best(theta, x):
        return max((np.array(c) for c in ((2, 0), (1, 1), (0, 1))), key=lambda c: theta @ c)

    features = [np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])]
    pairs = [(uses, costs) for uses, costs in zip(counts, np.eye(2)[::-1], strict=True)]
    svm = fitted(PartsModel(best, task_loss="regret"), features, pairs, tol=1e-6)
    assert [z.tolist() for z in svm.predict(features)] == [[2, 0], [0, 1]]
    with pytest.raises(ValueError, match=r"y\[0\] uses a part twice"):
        fitted(PartsModel(best), features, counts)


def test_weights_may_be_kept_non_negative():
    svm = fitted(PartsModel(pack, non_negative=[1, 3]), tol=1e-6)
    assert (svm.coef_[[1, 3]] >= 0).all()
    assert svm.coef_[1] == 0  # the true weight is below
    free = fitted(PartsModel(pack), tol=1e-6)
    assert free.coef_[1] < 0
    assert svm.objective_ > free.objective_
    assert svm.certified_


# ---- maximizers that stop early


def test_a_bound_keeps_the_certificate_and_no_bound_makes_it_an_estimate():
    def stopped(theta, x):
        uses = FEASIBLE[np.argmax(FEASIBLE @ theta - 0.05 * (FEASIBLE[:, 0] > 0))]
        return Bounded(uses, uses @ theta + 0.05)

    exact = fitted(PartsModel(pack), tol=1e-6)
    svm = fitted(PartsModel(stopped), tol=0.05, max_iter=300)
    assert svm.certified_
    assert svm.dual_gap_ <= 0.05
    hinges = hinges_of(svm, X, y, lambda a, b: np.abs(a - b).sum())
    assert svm.objective_ >= 0.5 * svm.coef_ @ svm.coef_ + 0.1 * hinges - 1e-9
    assert svm.dual_objective_ <= exact.objective_ <= svm.objective_
    estimate = fitted(PartsModel(lambda t, x: stopped(t, x).output, exact=False), tol=0.05)
    assert not estimate.certified_


def test_a_bound_that_does_not_hold_is_refused():
    def wrong(theta, x):
        return Bounded(pack(theta, x), pack(theta, x) @ theta - 1.0)

    with pytest.raises(ValueError, match=r"output for example \d+ scores .*, but its bound says"):
        fitted(PartsModel(wrong))


# ---- compiled functions


def compiled_best(n_best, sizes=N_PARTS):
    """The k parts of the greatest score, by a function that ctypes compiles."""
    doubles, labels = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_int32)

    @ctypes.CFUNCTYPE(
        ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, doubles, labels, doubles
    )
    def maximize(user, i, thread, theta, used, value):
        best = sorted(sorted(range(sizes), key=lambda p: -theta[p])[:n_best])
        for k, p in enumerate(best):
            used[k] = p
        value[0] = sum(theta[p] for p in best)
        return 0

    return maximize


def test_a_compiled_function_is_a_structure():
    def best(theta, x):
        return np.argsort(-theta, kind="stable")[:2]

    truths = [best(x @ [1.0, -1.0, 0.5], x) for x in X]
    by_python = fitted(PartsModel(best, output="indices"), y=truths, tol=1e-6)
    held = compiled_best(2)
    for function in (held, address(held), LowLevelCallable(held)):
        model = PartsModel(Compiled(function, 2), output="indices")
        svm = fitted(model, y=truths, tol=1e-6)
        assert np.allclose(svm.coef_, by_python.coef_, atol=1e-6)
        assert svm.certified_


def address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


def test_what_a_compiled_function_may_not_answer():
    def answering(rows):
        doubles, labels = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_int32)

        @ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, doubles, labels, doubles
        )
        def maximize(user, i, thread, theta, used, value):
            if rows is None:
                return 7
            for k, p in enumerate(rows):
                used[k] = p
            value[0] = 0.0
            return 0

        return maximize

    truths = [[0, 1]] * len(X)
    for rows, error, message in [
        (None, RuntimeError, r"maximize failed for example \d+, it returned 7"),
        ([1, 0], ValueError, r"label 1 of example \d+ is 0; labels are the used parts, ascending"),
        ([1, 6], ValueError, r"label 1 of example \d+ is 6; .* expected 2 to 5"),
    ]:
        held = answering(rows)
        with pytest.raises(error, match=message):
            fitted(PartsModel(Compiled(held, 2), output="indices"), y=truths)
    with pytest.raises(TypeError, match="function is str, expected a function of ctypes or numba"):
        fitted(PartsModel(Compiled("f", 2), output="indices"), y=truths)
    with pytest.raises(ValueError, match=r"y\[0\] uses 2 parts, but an output .* at most 1"):
        fitted(PartsModel(Compiled(compiled_best(1), 1), output="indices"), y=truths)


# ---- what is refused


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, r"the maximizer returned None for example \d+, expected a row of 6 numbers"),
        (np.ones(5), r"returned an array of shape \(5,\) for example \d+, expected a row of 6"),
        (
            np.full(6, 0.5),
            r"entry 0 of the maximizer's output for example \d+ is 0.5, expect",
        ),
        (np.full(6, np.nan), r"entry 0 of the maximizer's output for example \d+ is nan"),
        (np.full(6, -1), r"entry 0 of the maximizer's output for example \d+ is -1"),
        (
            np.full(6, 2),
            r"entry 3 of the maximizer's output for example \d+ is 2, expected 0",
        ),
        (["a"] * 6, "the maximizer returned <U1 of shape"),
    ],
)
def test_answers_that_are_no_output_are_refused(answer, message):
    with pytest.raises(ValueError, match=message):
        fitted(PartsModel(lambda theta, x: answer))


def test_an_error_of_the_maximizer_names_the_example():
    def fail(theta, x):
        raise RuntimeError("infeasible")

    with pytest.raises(RuntimeError, match="infeasible") as caught:
        fitted(PartsModel(fail))
    assert caught.value.__notes__[0].startswith("in the maximizer, for example ")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": y[:-1]}, "y has 29"),
        ({"y": [np.ones(5, dtype=int), *y[1:]]}, r"y\[0\] has 5 entries, expected 6"),
        ({"y": [np.full(6, -2), *y[1:]]}, r"y\[0\] has the entry -2"),
        ({"y": [np.full(6, 0.5), *y[1:]]}, r"y\[0\] is float64 of shape \(6,\), expected a row"),
        ({"X": [X[0], np.ones((6, 2)), *X[2:]]}, r"X\[1\] has 2 features, expected 3 as X\[0\]"),
        ({"X": [X[0], np.full((6, 3), np.nan), *X[2:]]}, r"X\[1\]: .* is NaN"),
        ({"X": [X[0], np.ones(6), *X[2:]]}, r"X\[1\] has no rows, unlike X\[0\]"),
        ({"X": [Parts() for _ in X]}, r"X\[0\] has no features"),
        (
            {"X": list(rng.normal(size=(30, 4)))},
            "do not tell the number of parts: set n_parts",
        ),
        ({"model": PartsModel(pack, output="sets")}, "output='sets': expected 'uses' or"),
        (
            {"model": PartsModel(pack, task_loss="f1")},
            "task_loss='f1': expected 'hamming'",
        ),
        (
            {"model": PartsModel(pack, task_loss="regret")},
            r"y\[0\] is ndarray; with task_",
        ),
    ],
)
def test_bad_input_is_refused_by_a_sentence(change, message):
    given = {"model": PartsModel(pack), "X": X, "y": y} | change
    with pytest.raises(ValueError, match=message):
        fitted(given["model"], given["X"], given["y"])


def test_inputs_to_predict_must_be_like_those_of_training():
    svm = fitted(PartsModel(pack))
    with pytest.raises(
        ValueError, match=r"X has \{'n_features': 2\}, expected \{'n_features': 3\}"
    ):
        svm.predict([np.ones((6, 2))])
    kinds = [Parts(kinds=np.arange(6) % 2) for _ in X]
    svm = fitted(PartsModel(pack), kinds)
    with pytest.raises(ValueError, match="X has a part of kind 2, expected 0 to 1 as in training"):
        svm.predict([Parts(kinds=np.arange(6) % 3)])
