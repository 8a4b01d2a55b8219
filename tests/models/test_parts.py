"""Outputs that are sets of parts: what PartsModel reads, learns and refuses."""

import ctypes
import itertools
import pickle
import signal

import cffi
import numpy as np
import pytest
import scipy.sparse as sp
from scipy import LowLevelCallable
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import cross_val_score

from structsvm import Parts, PartsModel, PathSearch, StructSVM, fit_path, load
from structsvm.exceptions import OracleWarning
from structsvm.inference import Bounded, Compiled, Knapsack, PythonMaximizer, Structure, structures
from structsvm.testing import ModelCheckError, check_model

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


def test_the_default_c_is_that_of_one_part_whoever_finds_the_outputs():
    svm = StructSVM(PartsModel(pack), random_state=0).fit(X, y)
    unit = 2 / (svm.scaling_["rows"].mean_square + 1)
    assert abs(svm.C_ - 3 * unit) <= 1e-12
    by_structure = StructSVM(PartsModel(Knapsack(WEIGHTS, CAPACITY)), random_state=0).fit(X, y)
    assert by_structure.C_ == svm.C_
    weighed = PartsModel(pack, part_weight=[1.0, 2.0, 3.0, 2.0, 1.0, 3.0])
    assert abs(StructSVM(weighed, random_state=0).fit(X, y).C_ - 2 * svm.C_) <= 1e-12
    scaled = StructSVM(PartsModel(pack), random_state=0).fit(1e3 * X, y)
    assert [z.tolist() for z in scaled.predict(1e3 * X)] == [z.tolist() for z in svm.predict(X)]


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


def test_signs_hold_for_weights_in_the_users_units():
    """Centring moves the intercept, so columns are not centred where its sign is kept."""
    vectors = 50.0 + np.random.default_rng(1).normal(size=(60, 3))
    truths = [pack(np.append(v - 50, 50 - v), None) for v in vectors]
    for blocks in (["intercept"], ["vector"], ["vector", "intercept"]):
        model = PartsModel(pack, n_parts=N_PARTS)
        layout = StructSVM(model, random_state=0, tol=0.1).fit(vectors, truths).model_.layout_
        kept = layout.place(*blocks)
        signed = PartsModel(pack, n_parts=N_PARTS, non_negative=np.arange(kept.start, kept.stop))
        svm = StructSVM(signed, C=1.0, random_state=0, tol=1e-2).fit(vectors, truths)
        assert svm.certified_
        assert svm.coef_[kept].min() >= 0


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
        ([0, 1, 2], ValueError, r"wrote more than 2 labels for example \d+, which may have"),
        ([1, 6], ValueError, r"label 1 of example \d+ is 6; .* expected 1 to 5"),
    ]:
        held = answering(rows)
        with pytest.raises(error, match=message):
            fitted(PartsModel(Compiled(held, 2), output="indices"), y=truths)
    with pytest.raises(TypeError, match="function is str, expected a function of ctypes, cffi"):
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
        ({1: 2}, r"the maximizer returned dict for example \d+, .*; to_parts can turn it into one"),
        (Bounded(np.zeros(6), "x"), r"the maximizer's bound for example \d+ is 'x', expected a n"),
        (Bounded(np.zeros(6), np.nan), "but its bound says that none scores more than nan"),
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
        ({"y": [{0, 1}, *y[1:]]}, r"y\[0\] is set, expected a row of integers, how often"),
        ({"X": [{"graph": 1}, *X[1:]]}, r"X\[0\] is dict, expected an array .* or Parts"),
        (
            {"X": [Parts(x, vector=np.ones(2 + (i == 3))) for i, x in enumerate(X)]},
            r"the vector of X\[3\] has shape \(3,\), expected \(n_features,\) with 2 feat",
        ),
        (
            {"X": [Parts(x, kinds=[0, 1]) for x in X]},
            r"the kinds of X\[0\] are int64 of shape \(2,\), expected 6 integers >= 0",
        ),
        (
            {"model": PartsModel(pack, task_loss=lambda uses: uses)},
            r"task_loss\(y\[0\]\) returned ndarray, expected two arrays",
        ),
        (
            {
                "model": PartsModel(pack, task_loss="regret"),
                "y": [(u, np.full(6, np.nan)) for u in y],
            },
            r"the cost of part 0 in y\[0\] is nan, expected a number",
        ),
        (
            {"model": PartsModel(pack, output="indices"), "y": [u > 0 for u in y]},
            r"y\[0\] is a mask of booleans, expected the used parts; for masks set output='uses'",
        ),
        ({"y": [np.ones(5, dtype=int), *y[1:]]}, r"y\[0\] has 5 entries, expected 6"),
        ({"y": [np.full(6, -2), *y[1:]]}, r"y\[0\] has the entry -2"),
        ({"y": [np.full(6, 0.5), *y[1:]]}, r"y\[0\] is float64 of shape \(6,\), expected a row"),
        ({"X": [X[0], np.ones((6, 2)), *X[2:]]}, r"X\[1\] has 2 features, expected 3 as X\[0\]"),
        ({"X": [X[0], np.full((6, 3), np.nan), *X[2:]]}, r"X\[1\]: .* is NaN"),
        ({"X": [X[0], np.ma.masked_less(X[1], 9), *X[2:]]}, r"X\[1\] has masked entries"),
        (
            {"X": [Parts(X[0], kinds=np.ma.masked_less(np.zeros(6, int), 1)) for _ in X]},
            r"kinds of X\[0\] has masked entries",
        ),
        (
            {"X": [Parts(X[0], vector=np.ma.masked_less(np.zeros(2), 1)) for _ in X]},
            r"the vector of X\[0\] has masked entries",
        ),
        ({"y": [np.ma.masked_less(y[0], 1), *y[1:]]}, r"y\[0\] has masked entries"),
        ({"X": [X[0], np.ones(6), *X[2:]]}, r"X\[1\] has no rows, unlike X\[0\]"),
        ({"X": [Parts(kinds=3) for _ in X]}, r"the kinds of X\[0\] are int64 of shape \(\)"),
        ({"model": PartsModel(pack, n_parts=-1)}, "n_parts=-1: expected an integer >= 0"),
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
    with pytest.raises(ValueError, match=r"X\[0\] has no rows and a vector, unlike the inputs of"):
        svm.predict(X[0])
    kinds = [Parts(kinds=np.arange(6) % 2) for _ in X]
    svm = fitted(PartsModel(pack), kinds)
    with pytest.raises(ValueError, match="X has a part of kind 2, expected 0 to 1 as in training"):
        svm.predict([Parts(kinds=np.arange(6) % 3)])


def test_a_function_that_misses_the_maximum_makes_the_gap_an_estimate():
    with pytest.warns(OracleWarning, match="the maximizer, with losses in theta, misses the max"):
        svm = fitted(PartsModel(lambda theta, x: pack(-theta, x)), tol=1e-3)
    assert not svm.certified_


def test_true_outputs_that_cannot_be_found_make_the_gap_an_estimate():
    for model in (PartsModel(pack), PartsModel(Compiled(compiled_best(2)))):
        with pytest.warns(OracleWarning, match=r"or y\[\d+\] is no output that it can find"):
            svm = fitted(model, y=[np.ones(6)] * len(X), tol=1e-3)
        assert not svm.certified_


def test_void_parts_and_bounds_are_no_faults_of_a_maximizer():
    partly = [np.where(np.arange(6) == i % 6, -1, uses) for i, uses in enumerate(y)]
    assert fitted(PartsModel(pack), X, partly, tol=1e-3).certified_
    for bound in (np.inf, None):  # nothing known; the best
        svm = StructSVM(PartsModel(lambda t, x, b=bound: Bounded(pack(t, x), b)), max_iter=3, tol=1)
        assert svm.fit(X, y).certified_ or bound == np.inf


def test_what_a_function_does_to_its_arguments_changes_nothing():
    kept = []

    def overwrites(theta, x):
        uses = pack(theta, x)
        theta[:] = uses
        return theta

    def keeps(theta, x):
        kept.append((theta, theta.copy()))
        return pack(theta, x).astype(">i8")

    given = X.copy()
    given.flags.writeable = False
    weights = fitted(PartsModel(pack), tol=1e-3).coef_
    for function, inputs in ((overwrites, given), (keeps, [np.asfortranarray(x) for x in X])):
        assert np.array_equal(fitted(PartsModel(function), inputs, tol=1e-3).coef_, weights)
    assert all(np.array_equal(*pair) for pair in kept)


def test_sets_of_parts_are_rows_of_them():
    truths = [set(np.flatnonzero(uses).tolist()) for uses in y]
    model = PartsModel(
        lambda theta, x: frozenset(np.flatnonzero(pack(theta, x)).tolist()), output="indices"
    )
    svm = fitted(model, y=truths, tol=1e-3)
    assert np.array_equal(svm.coef_, fitted(PartsModel(pack), tol=1e-3).coef_)
    assert svm.score(X, truths) == fitted(PartsModel(pack), tol=1e-3).score(X, y)


def test_an_estimator_of_a_function_does_what_others_do():
    model = PartsModel(lambda theta, x: pack(theta, x))
    svm = StructSVM(model, random_state=0, tol=1e-3)
    scores = cross_val_score(svm, X, y, cv=3)
    assert np.isfinite(scores).all()
    assert StructSVM(model, C="auto", random_state=0).fit(X, y).C_ > 0
    assert len(fit_path(svm, X, y, Cs=[0.1, 1.0])) == 2
    assert PathSearch(svm, cv=2).fit(X, y).best_score_ <= 0
    validated = fitted(model, X[:20], y[:20], tol=1e-3)
    validated.fit(X[:20], y[:20], X_val=X[20:], y_val=y[20:])
    assert validated.validation_score_ <= 0
    twice = fitted(model, [*X, *X[:10]], [*y, *y[:10]], tol=1e-7)
    weighted = StructSVM(model, C=0.1, scale=None, tol=1e-7, max_iter=2000, random_state=0)
    weighted.fit(X, y, sample_weight=np.where(np.arange(len(X)) < 10, 2.0, 1.0))
    assert np.allclose(weighted.coef_, twice.coef_, atol=1e-3)
    again = StructSVM(model, warm_start=True, random_state=0).fit(X, y)
    first = again.n_iter_
    assert again.fit(X, y).n_iter_ < first
    threads = fitted(model, n_jobs=2, tol=1e-3)
    assert np.array_equal(threads.coef_, fitted(model, n_jobs=3, tol=1e-3).coef_)
    with pytest.raises(TypeError, match="maximizer is the function <lambda>, whose code"):
        svm.fit(X, y).save("never.npz")


@pytest.mark.parametrize("loss", ["hamming", "regret"])
def test_check_model_finds_nothing_wrong(loss):
    truths = y
    if loss == "regret":
        costs = rng.normal(size=(len(X), 6))
        truths = [(pack(-c, None), c) for c in costs]
    check_model(PartsModel(pack, task_loss=loss), X, truths)
    with pytest.raises(ModelCheckError, match="misses the maximum"):
        check_model(PartsModel(lambda theta, x: pack(-theta, x), task_loss=loss), X, truths)


def test_examples_without_parts_and_with_one():
    svm = fitted(PartsModel(pack_any), [np.zeros((0, 3)), *X], [np.zeros(0), *y], tol=1e-3)
    assert svm.predict([np.zeros((0, 3)), X[0]])[0].tolist() == []
    ones = [x[:1] for x in X]
    svm = fitted(PartsModel(pack_any), ones, [x[0, :1] > 0 for x in ones], C=10.0, tol=1e-3)
    assert svm.score(ones, [x[0, :1] > 0 for x in ones]) > -0.2


def pack_any(theta, x):
    return pack(theta, x) if len(theta) == N_PARTS else theta > 0


def test_ctrl_c_in_a_function_keeps_the_best_weights():
    calls = []

    def interrupted(theta, x):
        calls.append(1)
        if len(calls) == 150:
            signal.raise_signal(signal.SIGINT)
        return pack(theta, x)

    with pytest.warns(ConvergenceWarning, match="was interrupted after"):
        svm = fitted(PartsModel(interrupted), C=10.0, tol=1e-12)
    assert svm.objective_ < 10.0 * 30 * 3


def test_a_function_may_fail_in_predictions_only():
    fails = []

    def sometimes(theta, x):
        if fails:
            raise RuntimeError("infeasible")
        return pack(theta, x)

    svm = fitted(PartsModel(sometimes), tol=1e-3)
    fails.append(1)
    with pytest.raises(RuntimeError, match="infeasible") as caught:
        svm.predict(X)
    assert caught.value.__notes__ == ["in the maximizer, for example 0"]


def test_compiled_functions_come_in_capsules_and_are_not_pickled():
    held = compiled_best(2)
    get = ctypes.pythonapi.PyCapsule_New
    get.restype, get.argtypes = (
        ctypes.py_object,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p],
    )
    name = b"int (void *, int64_t, int32_t, double *, int32_t *, double *)"
    capsule = get(address(held), name, None)
    assert structures.address_of(capsule) == address(held)
    assert structures.address_of(LowLevelCallable(capsule)) == address(held)
    with pytest.raises(TypeError, match="Compiled cannot be pickled: the address"):
        pickle.dumps(Compiled(held))
    with pytest.raises(ValueError, match="n_labels=-1: expected an integer >= 0"):
        fitted(PartsModel(Compiled(held, -1)))


def test_functions_of_cffi_are_compiled_functions():
    ffi = cffi.FFI()
    held = compiled_best(2)
    function = ffi.cast("int (*)(void *)", address(held))
    assert structures.address_of(function) == address(held)


class Whole(Structure):
    """A structure whose maximizer is what a function returns."""

    def __init__(self, make):
        self.make = make

    def bind(self, contexts, n_parts):
        return self.make()


def test_a_structure_of_ones_own_must_bind_to_a_maximizer_of_these_parts():
    by_labels = PythonMaximizer(lambda i, theta: (theta > 0).astype(int), [6] * 30, [6] * 30)
    other_parts = Knapsack([1, 2], 3).bind([None] * 30, [2] * 30)
    for maximizer, error, message in [
        (pack, TypeError, "Whole.bind returned function, expected a Maximizer"),
        (by_labels, ValueError, "another form than the used parts: its form must be SSVM_INDICES"),
        (other_parts, ValueError, r"is of examples of \[2, 2, 2, 2, 2\] parts, expected \[6, 6"),
    ]:
        with pytest.raises(error, match=message):
            fitted(PartsModel(Whole(lambda found=maximizer: found)))


def test_parts_beyond_the_weights_of_the_loss_are_named():
    model = PartsModel(pack, output="indices", part_weight=[1.0, 2.0])
    with pytest.raises(ValueError, match="y or y_hat has the part 5, expected 0 to 1"):
        model.loss([0], [5])


def test_what_a_compiled_function_would_not_get_is_refused():
    held, data = compiled_best(2), ctypes.c_void_p(8)
    with pytest.raises(TypeError, match=r"LowLevelCallable with user_data, .* give it as user"):
        fitted(PartsModel(Compiled(LowLevelCallable(held, data), 2)))
