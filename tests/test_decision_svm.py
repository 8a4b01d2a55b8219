"""Decisions at predicted costs: the SPO+ loss, its optimum, regrets, imitation, and refusals."""

import itertools
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from structsvm import DecisionModel, DecisionSVM, Parts, StructSVM, fit_path, load
from structsvm.callbacks import Checkpoint
from structsvm.inference import Bounded, Knapsack
from structsvm.models.decisions import Truth

rng = np.random.default_rng(0)
N, N_PARTS, CAPACITY = 40, 6, 9
WEIGHTS = np.array([4, 3, 5, 2, 1, 4])
ALL = np.array(list(itertools.product((0, 1), repeat=N_PARTS)))
FEASIBLE = ALL[ALL @ WEIGHTS <= CAPACITY]
PACK = Knapsack(WEIGHTS, CAPACITY)
X = rng.normal(size=(N, 3))
MATRIX = rng.normal(size=(3, N_PARTS))
LINEAR = 1.0 + X @ MATRIX
COSTS = LINEAR + 0.5 * rng.normal(size=(N, N_PARTS))


def pack(theta, x):
    """The best knapsack, by trying all."""
    return FEASIBLE[np.argmax(FEASIBLE @ theta)]


def fitted(maximizer=PACK, X=X, costs=COSTS, *, fit=None, **params):
    params = {"C": 0.1, "scale": None, "tol": 1e-7, "random_state": 0} | params
    return DecisionSVM(maximizer, **params).fit(X, costs, **fit or {})


def spo_plus(predicted, c, sense="minimize"):
    """The SPO+ loss of predicted costs, over all decisions."""
    if sense == "maximize":
        predicted, c = -predicted, -c
    best = FEASIBLE[np.argmin(FEASIBLE @ c)]
    return (FEASIBLE @ (c - 2 * predicted)).max() + (2 * predicted - c) @ best


def regret(z, c):
    return c @ z - (FEASIBLE @ c).min()


# ---- the loss and its optimum


@pytest.mark.parametrize("sense", ["minimize", "maximize"])
@pytest.mark.parametrize("fit_intercept", [True, False])
def test_the_objective_is_the_spo_plus_loss_over_all_decisions(sense, fit_intercept):
    svm = fitted(sense=sense, fit_intercept=fit_intercept, tol=1e-3)
    losses = [spo_plus(*pair, sense) for pair in zip(svm.predict_costs(X), COSTS, strict=True)]
    norm = 0.5 * svm.coef_ @ svm.coef_
    assert svm.objective_ == pytest.approx(norm + 0.1 * sum(losses), rel=1e-9)
    assert svm.certified_
    best = {"minimize": np.argmin, "maximize": np.argmax}[sense]
    for z, predicted in zip(svm.predict(X), svm.predict_costs(X), strict=True):
        assert z.tolist() == FEASIBLE[best(FEASIBLE @ predicted)].tolist()


def test_parts_with_features_of_their_own_share_weights():
    rows = rng.normal(size=(N, N_PARTS, 2))
    costs = rows @ [1.0, -2.0] + 0.3 * rng.normal(size=(N, N_PARTS))
    svm = fitted(X=rows, costs=costs, tol=1e-3)
    assert svm.coef_.shape == (3,)
    predicted = svm.predict_costs(rows)
    assert np.allclose(predicted, rows @ svm.coef_[:2] + svm.coef_[2])
    losses = [spo_plus(*pair) for pair in zip(predicted, costs, strict=True)]
    norm = 0.5 * svm.coef_ @ svm.coef_
    assert svm.objective_ == pytest.approx(norm + 0.1 * sum(losses), rel=1e-9)


@pytest.mark.parametrize("solver", ["n_slack", "cutting_plane"])
def test_every_solver_finds_one_optimum(solver):
    svm, other = fitted(), fitted(solver=solver)
    assert other.dual_objective_ <= svm.objective_
    assert svm.objective_ == pytest.approx(other.objective_, rel=2e-7)
    assert np.allclose(svm.predict_costs(X), other.predict_costs(X), atol=1e-2)


def test_a_function_trains_to_what_a_structure_does():
    svm, other = fitted(), fitted(pack)
    assert svm.objective_ == pytest.approx(other.objective_, rel=2e-7)
    answers = fitted(
        lambda theta, x: np.flatnonzero(pack(theta, x)),
        to_parts=lambda answer, x: np.isin(np.arange(N_PARTS), answer),
    )
    assert np.array_equal(answers.coef_, other.coef_)


def test_costs_to_be_small_are_gains_to_be_great_with_the_other_sign():
    least, greatest = fitted(), fitted(costs=-COSTS, sense="maximize")
    assert np.array_equal(least.predict(X), greatest.predict(X))
    assert np.array_equal(least.predict_costs(X), -greatest.predict_costs(X))
    assert least.score(X, COSTS) == greatest.score(X, -COSTS)


def test_a_bound_of_a_solver_that_stops_early_keeps_the_certificate():
    def stopped(theta, x):
        z = FEASIBLE[np.argmax(FEASIBLE @ theta - 0.01 * FEASIBLE[:, 0])]
        return Bounded(z, z @ theta + 0.01)

    svm = fitted(stopped, tol=0.02)
    assert svm.certified_
    assert svm.dual_objective_ <= fitted().objective_


# ---- regret


def test_linear_costs_are_decided_without_regret():
    svm = fitted(costs=LINEAR, C=1e3, tol=1e-4)
    assert svm.score(X, LINEAR) == pytest.approx(0.0, abs=1e-12)
    more = rng.normal(size=(200, 3))
    assert svm.score(more, 1.0 + more @ MATRIX) > -0.02


def test_the_score_is_minus_the_regret_over_the_best_values():
    svm = fitted()
    regrets = [regret(z, c) for z, c in zip(svm.predict(X), COSTS, strict=True)]
    best = [abs((FEASIBLE @ c).min()) for c in COSTS]
    assert sum(regrets) > 0
    assert svm.score(X, COSTS) == pytest.approx(-sum(regrets) / sum(best))
    assert svm.score(X[:1], np.zeros((1, N_PARTS))) == 0.0


def test_unambiguous_regret_is_that_of_the_worst_of_several_best_decisions():
    rows = np.repeat(rng.normal(size=(N, N_PARTS // 2, 2)), 2, axis=1)  # parts that look alike
    costs = rows @ [1.0, -2.0] + rng.normal(size=(N, N_PARTS))

    def two_least(theta, x):
        return np.isin(np.arange(N_PARTS), np.argsort(-theta, kind="stable")[:1])

    svm = fitted(two_least, rows, costs, tol=1e-4)
    worst = 0.0
    for predicted, c in zip(svm.predict_costs(rows), costs, strict=True):
        ties = predicted <= predicted.min() + 1e-12
        assert ties.sum() == 2
        worst += c[ties].max() - c.min()
    total = np.abs(costs.min(axis=1)).sum()
    assert svm.score(rows, costs, unambiguous=True) == pytest.approx(-worst / total)
    assert svm.score(rows, costs) > svm.score(rows, costs, unambiguous=True)
    svm.coef_[:] = 0.0  # all decisions are best
    worst = (costs.max(axis=1) - costs.min(axis=1)).sum()
    assert svm.score(rows, costs, unambiguous=True) == pytest.approx(-worst / total)


# ---- units, weights, C


def test_predicted_costs_do_not_depend_on_the_units_of_columns():
    svm = fitted(scale="auto", C="scale")
    other = fitted(X=X * 1e3 + 5.0, scale="auto", C="scale")
    assert np.allclose(other.predict_costs(X * 1e3 + 5.0), svm.predict_costs(X), atol=1e-2)
    assert np.array_equal(other.predict(X * 1e3 + 5.0), svm.predict(X))
    assert other.objective_ == pytest.approx(svm.objective_, rel=1e-6)


def test_predicted_costs_are_in_the_unit_of_the_costs():
    svm, other = fitted(C="scale"), fitted(C="scale", costs=COSTS * 1024)
    assert pytest.approx(1024) == other.C_ / svm.C_
    assert np.allclose(other.predict_costs(X), svm.predict_costs(X) * 1024, rtol=1e-2, atol=10.0)


def test_a_weight_counts_as_so_many_examples():
    weight = rng.integers(0, 3, size=N)
    svm = fitted(fit={"sample_weight": weight})
    repeated = fitted(X=np.repeat(X, weight, axis=0), costs=np.repeat(COSTS, weight, axis=0))
    assert svm.objective_ == pytest.approx(repeated.objective_, rel=2e-7)


def test_the_penalty_is_chosen_by_the_regret_on_held_out_examples():
    svm = fitted(C="auto", scale="auto", tol=1e-3)
    assert len(svm.path_["C"]) >= 3
    assert svm.path_["score"].max() == svm.path_["score"][svm.path_["C"] == svm.C_].item()
    assert (svm.path_["score"] <= 0).all()
    held = fitted(fit={"X_val": X[:9], "costs_val": COSTS[:9]})
    assert held.validation_score_ == held.score(X[:9], COSTS[:9])
    path = fit_path(DecisionSVM(PACK, random_state=0), X, COSTS, Cs=[0.01, 0.1])
    assert [svm.C_ for svm in path] == [0.01, 0.1]
    search = GridSearchCV(DecisionSVM(PACK), {"C": [0.1, 1.0]}, cv=2).fit(X, COSTS)
    assert search.best_score_ == pytest.approx(search.cv_results_["mean_test_score"].max())


def test_a_fit_goes_on_from_a_checkpoint_to_the_same_bits(tmp_path):
    whole = fitted(callbacks=[Checkpoint(tmp_path / "fit", every=2)])
    resumed = fitted(fit={"resume_from": tmp_path / "fit"})
    assert np.array_equal(whole.coef_, resumed.coef_)


# ---- decisions


def test_decisions_that_are_given_are_not_computed():
    calls = []

    def counting(theta, x):
        calls.append(x)
        return pack(theta, x)

    truths = np.array([pack(-c, None) for c in COSTS])
    svm = fitted(counting, tol=1e-3, fit={"decisions": truths})
    n_calls = len(calls)
    fitted(counting, tol=1e-3)
    assert len(calls) - n_calls == n_calls + len(COSTS)
    assert np.array_equal(svm.coef_, fitted(pack, tol=1e-3).coef_)
    assert svm.score(X, COSTS, decisions=truths) == svm.score(X, COSTS)


def test_imitation_minimises_the_hinge_of_parts_that_differ():
    truths = np.array([pack(-c, None) for c in COSTS])
    unknown = rng.random(truths.shape) < 0.2
    for known in (truths, np.where(unknown, -1, truths)):
        svm = fitted(costs=None, fit={"decisions": known}, tol=1e-3)
        total = 0.0
        for z, given, predicted in zip(truths, known, svm.predict_costs(X), strict=True):
            theta = np.where(given < 0, 0.0, -2 * predicted)
            losses = ((z != FEASIBLE) & (given >= 0)).sum(axis=1)
            total += (losses + FEASIBLE @ theta).max() - theta @ z
        norm = 0.5 * svm.coef_ @ svm.coef_
        assert svm.objective_ == pytest.approx(norm + 0.1 * total, rel=1e-9)
        differ = ((svm.predict(X) != known) & (known >= 0)).sum(axis=1)
        assert svm.score(X, decisions=known) == pytest.approx(-differ.mean())
    held = {"decisions": truths, "X_val": X[:9], "decisions_val": truths[:9]}
    held = fitted(costs=None, fit=held, tol=1e-3)
    assert held.validation_score_ == held.score(X[:9], decisions=truths[:9])


def test_it_learns_online():
    svm = DecisionSVM(PACK, solver="perceptron", scale=None)
    for start in (0, 20):
        svm.partial_fit(X[start : start + 20], COSTS[start : start + 20])
    assert svm.n_iter_ == 2
    truths = np.array([pack(-c, None) for c in COSTS])
    imitating = DecisionSVM(PACK, solver="perceptron").partial_fit(X, decisions=truths)
    assert imitating.score(X, decisions=truths) > -N_PARTS / 2


# ---- forms of input


def test_sparse_rows_single_precision_and_lists_train_alike():
    svm = fitted()
    for form in (sp.csr_array(X), sp.csr_matrix(X), list(X), [Parts(vector=x) for x in X]):
        other = fitted(X=form)
        assert other.objective_ == pytest.approx(svm.objective_, rel=2e-7)
        assert np.array_equal(other.predict(form), svm.predict(X))
    single = X.astype(np.float32)
    assert fitted(X=single).objective_ == pytest.approx(svm.objective_, rel=1e-5)
    assert fitted(pack, X=sp.csr_array(X)).objective_ == pytest.approx(svm.objective_, rel=2e-7)
    assert svm.n_features_in_ == 3


def test_numbers_of_parts_may_differ():
    sizes = rng.integers(3, 7, size=N)
    inputs = [Parts(rng.normal(size=(n, 2)), context=(WEIGHTS[:n], CAPACITY // 2)) for n in sizes]
    gains = [part.rows @ [1.0, 2.0] for part in inputs]
    svm = fitted(Knapsack(), inputs, gains, sense="maximize", C=100.0, tol=1e-4)
    assert [len(z) for z in svm.predict(inputs)] == sizes.tolist()
    assert [len(c) for c in svm.predict_costs(inputs)] == sizes.tolist()
    assert svm.score(inputs, gains) == pytest.approx(0.0, abs=1e-12)


# ---- copies


def test_copies_and_files_predict_the_same_bits(tmp_path):
    svm = fitted(sense="maximize", scale="auto")
    svm.save(tmp_path / "svm")
    for copy in (load(tmp_path / "svm"), pickle.loads(pickle.dumps(svm))):
        assert np.array_equal(copy.predict_costs(X), svm.predict_costs(X))
        assert np.array_equal(copy.predict(X), svm.predict(X))
        assert copy.score(X, COSTS) == svm.score(X, COSTS)
    assert np.array_equal(clone(svm).fit(X, COSTS).coef_, svm.coef_)
    with pytest.raises(TypeError, match="pack, whose code or state a model file cannot hold"):
        fitted(pack, tol=1e-2).save(tmp_path / "other")


def test_the_model_alone_takes_costs():
    svm = StructSVM(DecisionModel(PACK), C=0.1, scale=None, tol=1e-7, random_state=0)
    svm.fit(X, COSTS)
    assert np.array_equal(svm.coef_, fitted().coef_)
    truth = svm.model_.truths(COSTS, svm.model_.prepare_examples(X)[0])[0]
    z = svm.predict(X[:1])[0]
    psi = svm.model_.joint_feature(X[0], z)
    assert svm.coef_ @ psi == pytest.approx(-2 * fitted().predict_costs(X)[0] @ z)
    assert svm.model_.loss(truth, z) == pytest.approx(regret(z, COSTS[0]))
    with pytest.raises(ValueError, match="y is ndarray, expected a Truth with a decision"):
        svm.model_.loss(COSTS[0], z)
    with pytest.raises(ValueError, match="y has costs of some examples only"):
        svm.fit(X[:2], [Truth(z, COSTS[0]), Truth(z)])
    with pytest.raises(ValueError, match="Y has no decisions: take those of truths"):
        svm.score(X, COSTS)


# ---- what is refused


def changed(values, place, value):
    values = np.array(values, dtype=float)
    values[place] = value
    return values


TRUTHS = [pack(-c, None) for c in COSTS]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"costs": changed(COSTS, (3, 2), np.nan)}, r"costs\[3, 2\] is nan, expected a finite"),
        ({"costs": changed(COSTS, (3, 2), -np.inf)}, r"costs\[3, 2\] is -inf"),
        ({"costs": COSTS[:, :5]}, r"costs\[0\] has shape \(5,\), expected \(6,\)"),
        ({"costs": [*COSTS[:-1], [1.0]]}, r"costs\[39\] has shape \(1,\), expected \(6,\)"),
        ({"costs": COSTS[0]}, r"X has 40 examples, but there are costs or decisions of 6"),
        ({"costs": COSTS[:7]}, "X has 40 examples, but there are costs or decisions of 7"),
        ({"costs": [["a"] * 6] * N}, r"costs\[0\] has dtype <U1, expected real numbers"),
        ({"costs": None}, "costs and decisions are both None"),
        ({"fit": {"decisions": TRUTHS[1:]}}, "there are costs of 40 examples but decisions of 39"),
        (
            {"fit": {"decisions": [TRUTHS[0][:4], *TRUTHS[1:]]}},
            r"decisions\[0\] has 4 entries, expected 6",
        ),
        (
            {"fit": {"decisions": np.array(TRUTHS) + 0.5}},
            r"decisions\[0\] is float64 of shape \(6,\), expected a row of integers",
        ),
        (
            {"costs": None, "fit": {"decisions": 2 * np.array(TRUTHS)}},
            r"decisions\[\d+\] uses a part twice",
        ),
        ({"X": changed(X, (1, 1), np.inf)}, r"X\[1, 1\] is inf"),
        ({"sense": "min"}, "sense='min': expected 'minimize' or 'maximize'"),
        ({"maximizer": Knapsack(WEIGHTS, -1)}, "capacity"),
        ({"maximizer": lambda theta, x: None}, "the maximizer returned None for example 0"),
        (
            {"maximizer": lambda theta, x: np.full(6, 0.5)},
            "entry 0 of the maximizer's output for example 0 is 0.5",
        ),
        (
            {"fit": {"X_val": X[:3], "costs_val": changed(COSTS[:3], (1, 0), np.nan)}},
            r"in X_val and y_val: costs\[1, 0\] is nan",
        ),
        ({"fit": {"X_val": X[:3]}}, "X_val is given without"),
    ],
)
def test_bad_input_is_refused_by_a_sentence(change, message):
    with pytest.raises(ValueError, match=message):
        fitted(**change)


def test_an_instance_without_a_decision_is_named():
    def fail(theta, x):
        if x[0] == X[4, 0]:
            raise RuntimeError("infeasible")
        return pack(theta, x)

    with pytest.raises(RuntimeError, match="infeasible") as caught:
        fitted(fail)
    assert caught.value.__notes__ == ["in the maximizer, for example 4"]
    inputs = [Parts(vector=x, context=(WEIGHTS, 9)) for x in X]
    inputs[2] = Parts(vector=X[2], context=(WEIGHTS[:5], 9))
    with pytest.raises(ValueError, match=r"(example|context) .*2"):
        fitted(Knapsack(), inputs)


def test_a_score_needs_costs_to_be_unambiguous():
    svm = fitted(tol=1e-3)
    with pytest.raises(ValueError, match="unambiguous=True: expected costs"):
        svm.score(X, decisions=TRUTHS, unambiguous=True)
    with pytest.raises(ValueError, match="X has 2 features"):
        svm.predict(X[:, :2])
