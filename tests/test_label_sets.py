"""Sets of labels: the model against enumeration, the estimator as scikit-learn's users meet it."""

import itertools
import zipfile

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import f1_score, mutual_info_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

import structsvm
from structsvm import MultiLabelModel, MultiLabelSVM, PathSearch, StructSVM
from structsvm.estimators import label_sets
from structsvm.exceptions import ModelFileError
from structsvm.models.label_sets import mutual_information

STRUCTURES = ("independent", "tree", "full")


def tagged(n=60, n_labels=4, seed=0):
    """Rows of which labels follow by noisy scores, two of them nearly always together."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5))
    W = np.random.default_rng(9).normal(size=(5, n_labels))
    y = (X @ W + rng.normal(size=(n, n_labels)) > 0).astype(int)
    y[:, 1] = np.where(rng.random(n) < 0.9, y[:, 0], y[:, 1])
    return X, y


@st.composite
def bound(draw):
    """A model sized and bound to few rows, and weights."""
    structure, loss = draw(st.sampled_from(STRUCTURES)), draw(st.sampled_from(["hamming", "f1"]))
    n_labels = draw(st.integers(1, 4))
    few = st.sampled_from([0.0, 1.0, -1.0, 0.5])
    X = draw(arrays(np.float64, (3, 2), elements=few))
    y = draw(arrays(np.int64, (3, n_labels), elements=st.integers(0, 1)))
    weight = draw(arrays(np.float64, n_labels, elements=st.sampled_from([0.0, 1.0, 2.5])))
    model = MultiLabelModel(
        structure, task_loss=loss, label_weight=weight if loss == "hamming" else None
    )
    model.initialize(X, y)
    return model, X, y, draw(arrays(np.float64, model.n_weights, elements=few))


@given(bound())
@settings(max_examples=60)
def test_oracles_predictions_and_leads_are_those_of_all_sets(drawn):
    model, X, y, w = drawn
    problem = model.bind(X, y)
    predicted, leads = model.batch_inference(X, w), model.leads(X, w)
    sets = np.array([*itertools.product((0, 1), repeat=model.n_labels_)])
    for i, (x, truth) in enumerate(zip(X, y, strict=True)):
        scores = np.array([model.joint_feature(x, one) @ w for one in sets])
        losses = np.array([model.loss(truth, one) for one in sets])
        own = model.joint_feature(x, truth) @ w
        indices, values, loss = problem.oracle(i, w)
        assert loss - values @ w[indices] == pytest.approx((losses + scores).max() - own)
        assert model.joint_feature(x, predicted[i]) @ w == pytest.approx(scores.max())
        for label in range(model.n_labels_):
            has = sets[:, label] == 1
            assert leads[i, label] == pytest.approx(scores[has].max() - scores[~has].max())


def test_f1_is_that_of_scikit_learn():
    model = MultiLabelModel("independent", task_loss="f1")
    model.initialize([[0.0]], [[1, 0, 1]])
    for y, guess in itertools.product(itertools.product((0, 1), repeat=3), repeat=2):
        expected = 1 - f1_score([y], [guess], average="samples", zero_division=1.0)
        assert model.loss(y, guess) == pytest.approx(expected)


def test_more_labels_than_can_be_enumerated():
    """Roof duality is at least the best set, and says whether it is one."""
    X, y = tagged(20, 13)
    sets = np.array([*itertools.product((0, 1), repeat=13)])
    model = MultiLabelModel("full")
    model.initialize(X, y)
    rng = np.random.default_rng(0)
    for strength in (0.05, 5.0):
        w = rng.normal(size=model.n_weights)
        w[model.layout_.place("pair")] *= strength
        problem = model.bind(X, y)
        indices, values, loss = problem.oracle(0, w)
        blocks = model.weight_blocks(w)
        scores = sets @ (X[0] @ blocks["coef"] + blocks["intercept"])
        for e, (a, b) in enumerate(model.pairs_):
            scores += blocks["pair"][e][sets[:, a], sets[:, b]]
        best = (scores + (sets != y[0]).sum(axis=1)).max() - model.joint_feature(X[0], y[0]) @ w
        assert loss - values @ w[indices] >= best - 1e-9
        if problem.exact:
            assert loss - values @ w[indices] == pytest.approx(best)
        for i in range(1, 20):
            problem.oracle(i, w)
        assert problem.exact == (strength < 1)  # weak pairs are decided, strong ones are not
        found = model.joint_feature(X[0], model.inference(X[0], w)) @ w
        assert scores.max() >= found - 1e-9
        assert (scores <= found + 1e-9).mean() > 0.999  # of 8,192
        assert np.abs(model.leads(X[:1], w)).max() <= np.ptp(scores)
    svm = MultiLabelSVM("full", random_state=0).fit(X, y)
    assert svm.certified_ or "estimate" in repr(svm)
    assert (svm.predict(X) == y).mean() > 0.9


def test_independent_labels_are_binary_machines():
    X, y = tagged()
    svm = MultiLabelSVM("independent", C=0.1, scale=None, tol=1e-8, random_state=0).fit(X, y)
    assert svm.certified_
    ours = svm.decision_function(X)
    np.testing.assert_allclose(ours, X @ svm.coef_.T + svm.intercept_)
    alone = OneVsRestClassifier(LinearSVC(C=0.1, loss="hinge", tol=1e-8, max_iter=100_000))
    np.testing.assert_allclose(ours, alone.fit(X, y).decision_function(X), atol=1e-3)


@pytest.mark.parametrize("structure", STRUCTURES)
def test_predictions_follow_decisions(structure):
    X, y = tagged()
    svm = MultiLabelSVM(structure, random_state=0).fit(X, y)
    sets = svm.predict(X)
    assert sets.shape == y.shape
    np.testing.assert_array_equal(sets, svm.decision_function(X) > 0)
    assert svm.score(X, y) == (sets == y).all(axis=1).mean()
    assert svm.pair_coef_.shape == ({"independent": 0, "tree": 3, "full": 6}[structure], 2, 2)
    assert len(MultiLabelSVM().fit(X, y).pairs_) == 6
    assert svm.coef_.shape == (4, 5)


def test_pairs_carry_what_features_do_not():
    """Two labels that are equal, features that tell only one of them."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 1))
    on = (X[:, 0] > 0).astype(int)
    y = np.column_stack([on, on ^ (rng.random(200) < 0.1), rng.integers(0, 2, 200)])
    svm = MultiLabelSVM(random_state=0).fit(X, y)
    assert [0, 1] in svm.pairs_.tolist()
    table = svm.pair_coef_[svm.pairs_.tolist().index([0, 1])]
    assert table[0, 0] + table[1, 1] > table[0, 1] + table[1, 0]


def test_mutual_information_is_that_of_scikit_learn():
    _, y = tagged()
    found = mutual_information(y.astype(np.int8))
    for a, b in itertools.product(range(4), repeat=2):
        assert found[a, b] == pytest.approx(mutual_info_score(y[:, a], y[:, b]), abs=1e-12)
    twice = mutual_information(y.astype(np.int8), np.r_[np.full(30, 2.0), np.ones(30)])
    np.testing.assert_allclose(twice, mutual_information(np.vstack([y, y[:30]]).astype(np.int8)))


def test_f1_is_optimised():
    X, y = tagged(150, 6)
    y[:, 2:] &= np.random.default_rng(1).random((150, 4)) < 0.4  # rare labels
    scores = {}
    for loss in ("hamming", "f1"):
        svm = MultiLabelSVM("independent", loss=loss, random_state=0).fit(X[:100], y[:100])
        assert svm.certified_
        guess = svm.predict(X[100:])
        scores[loss] = f1_score(y[100:], guess, average="samples", zero_division=1.0)
    assert scores["f1"] > scores["hamming"]


def test_weights_of_labels_and_rows():
    X, y = tagged()
    svm = MultiLabelSVM("independent", label_weight=[1, 1, 1, 0], tol=1e-6, random_state=0)
    coef = np.abs(svm.fit(X, y).coef_).max(axis=1)
    assert coef[3] < 1e-2 * coef[:3].min()
    params = {"C": 0.1, "scale": None, "tol": 1e-8, "random_state": 0}
    weight = np.r_[np.full(30, 2.0), np.ones(30)]
    weighed = MultiLabelSVM(**params).fit(X, y, weight)
    repeated = MultiLabelSVM(**params).fit(np.vstack([X, X[:30]]), np.vstack([y, y[:30]]))
    assert weighed.objective_ == pytest.approx(repeated.objective_, rel=1e-7)


def test_units_of_columns_do_not_matter_and_pairs_count_as_much_as_features():
    X, y = tagged(100)
    y[:, 3] = y[:, 0]
    svm = MultiLabelSVM(tol=1e-8, random_state=0).fit(X, y)
    moved = MultiLabelSVM(tol=1e-8, random_state=0).fit(1e3 * X + 1e5, y)
    np.testing.assert_allclose(moved.pair_coef_, svm.pair_coef_, rtol=1e-2, atol=1e-4)
    np.testing.assert_array_equal(moved.predict(1e3 * X + 1e5), svm.predict(X))
    # The plain problem of scaled columns, but for the tables: they cost more there.
    scaled = (X - X.mean(axis=0)) / X.std(axis=0)
    plain = MultiLabelSVM(C=svm.C_, scale=None, tol=1e-8, random_state=0).fit(scaled, y)
    assert np.abs(plain.pair_coef_).sum() < np.abs(svm.pair_coef_).sum()
    assert plain.objective_ > svm.objective_


def test_sparse_matrices_threads_and_pieces():
    X, y = tagged()
    X[np.abs(X) < 0.8] = 0.0
    svm = MultiLabelSVM(random_state=0, tol=1e-8).fit(X, y)
    sparse = MultiLabelSVM(random_state=0, tol=1e-8).fit(sp.csr_matrix(X), sp.coo_matrix(y))
    np.testing.assert_allclose(sparse.coef_, svm.coef_, rtol=1e-3, atol=1e-4)
    np.testing.assert_array_equal(sparse.predict(sp.csr_array(X)), svm.predict(X))
    assert sparse.score(X, y) == svm.score(X, y)
    two, three = (MultiLabelSVM(random_state=0, n_jobs=n).fit(X, y) for n in (2, 3))
    np.testing.assert_array_equal(two.coef_, three.coef_)
    np.testing.assert_array_equal(two.predict(X), two.set_params(n_jobs=1).predict(X))
    online = MultiLabelSVM(solver="perceptron")
    for k in range(0, 60, 20):
        online.partial_fit(X[k : k + 20], y[k : k + 20])
    assert online.score(X, y) > 0.1


def test_c_is_chosen_and_held_out_rows_choose_weights():
    X, y = tagged(120)
    svm = MultiLabelSVM(C="auto", random_state=0).fit(X, y)
    assert svm.C_ in svm.path_["C"]
    svm = MultiLabelSVM(random_state=0).fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    assert svm.validation_score_ == pytest.approx(svm.score(X[80:], y[80:]))
    search = PathSearch(MultiLabelSVM(random_state=0), cv=3).fit(X, y)
    assert search.best_score_ > 0.2


@pytest.mark.parametrize("structure", STRUCTURES)
def test_a_loaded_model_predicts_the_same(structure, tmp_path):
    X, y = tagged()
    svm = MultiLabelSVM(structure, label_weight=[1, 2, 3, 4], random_state=0).fit(X, y)
    svm.save(tmp_path / "model")
    copy = structsvm.load(tmp_path / "model")
    np.testing.assert_array_equal(copy.predict(X), svm.predict(X))
    np.testing.assert_array_equal(copy.decision_function(X), svm.decision_function(X))
    np.testing.assert_array_equal(copy.pair_coef_, svm.pair_coef_)
    assert zipfile.is_zipfile(tmp_path / "model")


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([[0, 1], [0, 1], [1, 2]], "do not make the structure 'tree'"),
        ([[0, 1], [1, 2]], "2 pairs do not make"),
        ([[1, 0], [1, 2], [2, 3]], "two labels in their order"),
        ([[0, 1], [1, 4], [2, 3]], "two labels in their order"),
        ([[0, 1], [0, 2], [1, 2]], "not connected|no spanning tree|reach"),
        (np.zeros((3, 2)), "the pairs are float64"),
    ],
)
def test_forged_pairs_are_refused(pairs, message):
    dtype = np.int32 if isinstance(pairs, list) else np.float64
    state = {"n_features": 2, "n_labels": 4, "pairs": np.array(pairs, dtype=dtype)}
    with pytest.raises(ValueError, match=message):
        MultiLabelModel("tree").from_state(state)
    assert issubclass(ModelFileError, ValueError)


@pytest.mark.parametrize(
    ("params", "change", "message"),
    [
        ({"structure": "star"}, {}, "structure='star': expected one of 'auto', 'independent'"),
        ({"loss": "jaccard"}, {}, "unknown loss 'jaccard': expected one of 'hamming', 'f1'"),
        ({"loss": "f1", "label_weight": [1] * 4}, {}, "label_weight is for the Hamming loss"),
        ({"label_weight": [1, 2]}, {}, r"label_weight has shape \(2,\), expected \(4,\)"),
        ({"label_weight": [1, 1, 1, -1]}, {}, "label_weight must be finite and >= 0"),
        (
            {"loss": "f1", "structure": "tree"},
            {"y": np.eye(60, 13)},
            "for up to 12 labels, but y has 13",
        ),
        ({}, {"y": np.full((60, 2), 2)}, r"y\[0, 0\] is 2, expected 0 or 1"),
        ({}, {"y": np.zeros(60)}, "y has 1 dimension, expected 2"),
        ({}, {"y": np.zeros((60, 0))}, "y has no labels"),
        ({}, {"y": [["a", "b"]] * 60}, "MultiLabelBinarizer makes it"),
        ({}, {"y": np.zeros((3, 2))}, "X has 60 examples but y has 3"),
        ({}, {"y": None}, "requires y to be passed"),
        ({}, {"sample_weight": [1.0]}, r"sample_weight has shape \(1,\)"),
    ],
)
def test_bad_input_is_refused(params, change, message):
    X, y = tagged()
    with pytest.raises(ValueError, match=message):
        MultiLabelSVM(**params).fit(**({"X": X, "y": y} | change))


def test_sets_of_other_labels_are_refused():
    X, y = tagged()
    svm = StructSVM(MultiLabelModel(), random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="y has 3 labels, expected 4"):
        svm.score(X, y[:, :3])
    fitted = MultiLabelSVM(random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="y has 3 labels, expected 4"):
        fitted.score(X, y[:, :3])
    with pytest.raises(ValueError, match=r"is 2, expected 0 or 1"):
        fitted.score(X, 2 * y)
    with pytest.raises(ValueError, match="X has 4 features, but MultiLabelSVM is expecting 5"):
        MultiLabelSVM(random_state=0).fit(X, y).predict(X[:, :4])


def expected_to_fail(estimator):
    of_classes = "expects classes of one column, or an error about them"
    tolerance = "a fit to a tolerance visits repeated rows one by one"
    return {
        "check_classifier_not_supporting_multiclass": of_classes,
        "check_classifiers_classes": of_classes,
        "check_classifiers_one_label": of_classes,
        "check_classifiers_one_label_sample_weights": of_classes,
        "check_classifiers_regression_target": of_classes,
        "check_classifiers_train": of_classes,
        "check_dtype_object": of_classes,
        "check_estimators_partial_fit_n_features": "classes are the columns of y",
        "check_n_features_in_after_fitting": "the same",
        "check_fit_score_takes_y": "partial_fit needs a solver that learns online",
        "check_sample_weight_equivalence_on_dense_data": tolerance,
        "check_sample_weight_equivalence_on_sparse_data": tolerance,
    }


@pytest.mark.filterwarnings("ignore")
@parametrize_with_checks(
    [MultiLabelSVM(C=1.0, scale=None)], expected_failed_checks=expected_to_fail
)
def test_scikit_learns_checks(estimator, check, monkeypatch):
    """Many give one column of numbers as classes: the greatest stands for 1."""
    read = label_sets.check_indicators

    def indicators(y, *sizes, **named):
        column = np.asarray(y)
        if column.shape[1:] == (1,) and column.dtype.kind in "iuf" and np.isfinite(column).all():
            y = (column == column.max()).astype(int)
        return read(y, *sizes, **named)

    monkeypatch.setattr(label_sets, "check_indicators", indicators)
    check(estimator)
