"""StructSVM and ChainSVM as scikit-learn's users meet them."""

import io
import logging
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import structsvm
from structsvm import ChainModel, ChainSVM, StructSVM, StructuredModel, SurrogateSVM
from structsvm.callbacks import ProgressBar
from structsvm.losses import HammingLoss
from structsvm.solvers import BCFW


def test_constructor_keeps_its_parameters_and_clone_copies_them():
    loss, solver = HammingLoss(cost=np.ones((2, 2)) - np.eye(2)), BCFW(averaging=True)
    svm = ChainSVM(scale=None, C=3, loss=loss, solver=solver, n_jobs=2, transitions=False)
    assert svm.loss is loss
    assert svm.get_params()["solver__averaging"] is True
    copy = clone(svm).set_params(loss__normalize=True, solver__max_planes=7)
    assert copy.loss is not loss
    assert (copy.loss.normalize, loss.normalize) == (True, False)
    assert (copy.solver.max_planes, solver.max_planes) == (7, 20)
    general = clone(StructSVM(ChainModel(task_loss=loss), C=1.0, scale=None)).set_params(
        model__boundary=False
    )
    assert general.get_params()["model__task_loss__cost"] is not loss.cost
    assert not general.model.boundary


def test_fit_changes_no_parameter(words):
    model, solver = ChainModel(), BCFW()
    StructSVM(model, C=1.0, scale=None, solver=solver).fit(*words)
    assert not hasattr(model, "classes_")
    assert vars(solver) == vars(BCFW())


def test_both_estimators_are_the_same_fit(words):
    X, y = words
    chain = ChainSVM(
        C=1.0, scale=None, loss="normalized_hamming", boundary=False, random_state=0
    ).fit(X, y)
    general = StructSVM(
        ChainModel("normalized_hamming", boundary=False), C=1.0, scale=None, random_state=0
    ).fit(X, y)
    assert np.array_equal(chain.coef_, general.coef_)
    assert chain.score(X, y) == general.score(X, y)


@pytest.mark.parametrize("blocks", [(0, 0, 0), (1, 0, 1), (0, 1, 0), (1, 1, 1)])
def test_named_weights_are_views_of_coef(words, blocks):
    intercept, transitions, boundary = map(bool, blocks)
    svm = ChainSVM(
        C=1.0, scale=None, fit_intercept=intercept, transitions=transitions, boundary=boundary
    )
    svm.fit(*words)
    shapes = {
        "state_coef_": ((5, 3), True),
        "intercept_": ((3,), intercept),
        "transition_coef_": ((3, 3), transitions),
        "start_coef_": ((3,), boundary),
        "end_coef_": ((3,), boundary),
    }
    for name, (shape, present) in shapes.items():
        block = getattr(svm, name)
        assert block.shape == shape
        assert np.shares_memory(block, svm.coef_) == present
        assert block.any() == present
    assert svm.coef_.size == sum(np.prod(shape) for shape, present in shapes.values() if present)


def test_dense_sparse_and_any_dtype_give_the_same_bits(words):
    X, y = words
    X = [np.round(x).astype(np.float32) for x in X]
    want = ChainSVM(C=1.0, scale=None, random_state=0).fit(X, y)
    for convert in (
        lambda x: x.astype(np.float64),
        lambda x: x.astype(np.int16),
        lambda x: x.astype(np.float16),
        np.asfortranarray,
        sp.csr_matrix,
        sp.csr_array,
        lambda x: x.tolist(),
    ):
        got = ChainSVM(C=1.0, scale=None, random_state=0).fit([convert(x) for x in X], y)
        assert np.array_equal(got.coef_, want.coef_)
    mixed = [sp.csr_array(x) if i % 2 else x for i, x in enumerate(X)]
    assert np.array_equal(
        ChainSVM(C=1.0, scale=None, random_state=0).fit(mixed, y).coef_, want.coef_
    )


@pytest.mark.parametrize("names", [["b", "long name", "ä"], [3, 7, 1000], [-2, 0, 5]])
def test_labels_come_back_as_they_were(words, names):
    X, y = words
    numbers = ChainSVM(C=1.0, scale=None, random_state=0).fit(X, y)
    named = [[names[k] for k in labels] for labels in y]
    svm = ChainSVM(C=1.0, scale=None, random_state=0).fit(X, named)
    assert svm.classes_.tolist() == names
    assert np.array_equal(svm.coef_, numbers.coef_)
    for labels, want in zip(svm.predict(X), numbers.predict(X), strict=True):
        assert labels.tolist() == [names[k] for k in want]
    assert svm.score(X, named) == numbers.score(X, y)


def test_decision_function_is_the_score_of_the_prediction(words):
    X, y = words
    svm = ChainSVM(C=1.0, scale=None).fit(X, y)
    want = [
        svm.coef_ @ svm.model_.joint_feature(x, labels)
        for x, labels in zip(X, svm.predict(X), strict=True)
    ]
    np.testing.assert_allclose(svm.decision_function(X), want)
    python = super(ChainModel, svm.model_).batch_best_score(X, svm.coef_)
    np.testing.assert_allclose(python, want)


def test_loss_augmented_predictions_explain_the_objective(words):
    X, y = words
    svm = ChainSVM(scale=None, C=2.0, tol=1e-4).fit(X, y)
    hinges = 0.0
    for x, labels, violator in zip(X, y, svm.loss_augmented_predict(X, y), strict=True):
        delta = svm.model_.joint_feature(x, labels) - svm.model_.joint_feature(x, violator)
        hinges += svm.model_.loss(labels, violator) - svm.coef_ @ delta
    assert svm.objective_ == pytest.approx(0.5 * svm.coef_ @ svm.coef_ + 2.0 * hinges)


def test_class_costs_move_the_decision(words):
    X, y = words
    cost = 1.0 - np.eye(3)
    plain = ChainSVM(scale=None, C=0.05).fit(X, y)
    cost[2] *= 20  # missing class 2 costs much
    careful = ChainSVM(scale=None, C=0.05, loss=HammingLoss(cost=cost)).fit(X, y)

    def recall(svm):
        hits = [np.mean(p[t == 2] == 2) for p, t in zip(svm.predict(X), y, strict=True) if 2 in t]
        return np.mean(hits)

    assert recall(careful) > recall(plain)


def test_position_weight_zero_is_no_loss(words):
    X, y = words
    rng = np.random.default_rng(0)
    weight = [np.ones(len(labels)) for labels in y]
    wrong = [labels.copy() for labels in y]
    for labels, w in zip(wrong, weight, strict=True):
        k = rng.integers(len(labels))
        labels[k], w[k] = (labels[k] + 1) % 3, 0.0
    svm = ChainSVM(C=1.0, scale=None, transitions=False, boundary=False, tol=1e-6, max_iter=5000)
    weighted = svm.fit(X, wrong, position_weight=weight).objective_
    # Without transitions a position without loss is as good as left out, but for its sign: its
    # label is preferred or a tie, never a margin asked for.
    kept = [w > 0 for w in weight]
    without = svm.fit(
        [x[k] for x, k in zip(X, kept, strict=True)], [t[k] for t, k in zip(y, kept, strict=True)]
    ).objective_
    everything = svm.fit(X, wrong).objective_
    assert without <= weighted * (1 + 1e-5)
    assert weighted < everything


def test_model_selection_on_ragged_lists(words):
    X, y = words
    scores = cross_val_score(ChainSVM(C=1.0, scale=None, random_state=0), X, y, cv=KFold(3))
    assert scores.shape == (3,)
    assert (scores > 0.5).all()
    search = GridSearchCV(
        StructSVM(ChainModel(), C=1.0, scale=None, tol=1e-2, random_state=0),
        {
            "C": [0.1, 1.0],
            "model__transitions": [True, False],
            "model__task_loss": ["hamming", HammingLoss(normalize=True)],
            "solver": [BCFW(), BCFW(averaging=True)],
        },
        cv=2,
        n_jobs=1,
    ).fit(X, y)
    assert len(search.cv_results_["params"]) == 16
    assert len(search.predict(X)) == len(X)
    nested = GridSearchCV(
        ChainSVM(C=1.0, scale=None, loss=HammingLoss(), solver=BCFW(), tol=1e-2),
        {"loss__normalize": [True, False], "solver__acceleration": [0.0, 1.0]},
        cv=2,
    ).fit(X, y)
    assert set(nested.best_params_) == {"loss__normalize", "solver__acceleration"}


def test_grid_search_in_worker_processes(words):
    X, y = words
    search = GridSearchCV(
        ChainSVM(C=1.0, scale=None, tol=1e-2), {"C": [0.1, 1.0]}, cv=2, n_jobs=2
    ).fit(X, y)
    assert search.best_score_ > 0.5


def test_pipeline(words):
    X, y = words
    scale = FunctionTransformer(lambda items: [x / 2 for x in items])
    pipeline = make_pipeline(scale, ChainSVM(C=1.0, scale=None, random_state=0)).fit(X, y)
    direct = ChainSVM(C=1.0, scale=None, random_state=0).fit([x / 2 for x in X], y)
    assert np.array_equal(pipeline[-1].coef_, direct.coef_)


def test_pickle_and_html(words):
    X, y = words
    svm = ChainSVM(C=1.0, scale=None, warm_start=True, random_state=0).fit(X, y)
    copy = pickle.loads(pickle.dumps(svm))
    assert np.array_equal(copy.coef_, svm.coef_)
    assert all(map(np.array_equal, copy.predict(X), svm.predict(X)))
    copy.fit(X, y)
    assert "ChainSVM" in svm._repr_html_()
    assert "HammingLoss" in ChainSVM(C=1.0, scale=None, loss=HammingLoss())._repr_html_()


def test_html_tells_certificate_sizes_and_classes(words, tmp_path):
    X, y = words
    y = [[f"<{label}>" for label in labels] for labels in y]
    svm = ChainSVM(C=1.0, scale=None, random_state=0)
    assert "structsvm-fit" not in svm._repr_html_()
    svm.fit(X, y)
    svm.save(tmp_path / "svm")
    for fitted in (svm, pickle.loads(pickle.dumps(svm)), structsvm.load(tmp_path / "svm")):
        for page in (fitted._repr_html_(), fitted._repr_mimebundle_()["text/html"]):
            told = page[page.index('<table class="structsvm-fit">') :]
            assert f"{svm.dual_gap_:.2e}, certified (objective {svm.objective_:.6g}" in told
            assert f"{getattr(fitted, 'status_', 'ended')} after {svm.n_iter_} passes" in told
            assert f"{svm.coef_.size} weights, {svm.n_features_in_} features" in told
            assert ", ".join(f"&lt;{label[1:-1]}&gt;" for label in svm.classes_) in told
            assert "<script" not in told
    with config_context(display="text"):
        assert "text/html" not in svm._repr_mimebundle_()
    online = ChainSVM(solver="perceptron", random_state=0).fit(X, y)
    assert "none: there is no lower bound" in online._repr_html_()
    online = ChainSVM(solver="perceptron", random_state=0).partial_fit(X, y)
    assert "after 1 pass in " in online._repr_html_()
    rows, classes = np.concatenate([np.asarray(x) for x in X]), np.concatenate(y)
    surrogate = SurrogateSVM("logistic").fit(rows, classes == svm.classes_[0])
    assert f"{surrogate.gap_:.2e}, certified" in surrogate._repr_html_()


def test_verbose_logs_and_leaves_logging_alone(words, caplog, capsys):
    logger = logging.getLogger("structsvm")
    before = (logger.level, list(logger.handlers))
    with caplog.at_level(logging.INFO, logger="structsvm"):
        ChainSVM(C=1.0, scale=None, verbose=2).fit(*words)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("iteration    1  dual objective ")
    assert (logger.level, logger.handlers) == before
    assert capsys.readouterr().out == ""


def test_silent_by_default(words, caplog):
    with caplog.at_level(logging.DEBUG):
        ChainSVM(C=1.0, scale=None).fit(*words)
    assert not [record for record in caplog.records if record.name == "structsvm"]


def test_threads_decode_the_same(words):
    X, y = words
    svm = ChainSVM(C=1.0, scale=None, random_state=0).fit(X, y)
    one = svm.predict(X)
    svm.set_params(n_jobs=3)
    assert all(map(np.array_equal, one, svm.predict(X)))
    assert np.array_equal(svm.set_params(n_jobs=1).decision_function(X), svm.decision_function(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_gap_that_is_no_certificate_is_called_an_estimate_wherever_it_is_told(words, caplog):
    class Inexact(ChainModel):
        exact = False
        bind = StructuredModel.bind
        batch_inference = StructuredModel.batch_inference
        batch_loss_augmented_inference = StructuredModel.batch_loss_augmented_inference

    bar = io.StringIO()
    params = {"tol": 1e-9, "max_iter": 3, "verbose": 2, "random_state": 0}
    for model, is_estimate in ((Inexact(), True), (ChainModel(), False)):
        svm = StructSVM(
            model, callbacks=[ProgressBar(file=bar)], **({"C": 1.0, "scale": None} | params)
        )
        before = repr(svm)
        with caplog.at_level("DEBUG", "structsvm"), pytest.warns(ConvergenceWarning) as told:
            svm.fit(*words)
        said = [str(told[0].message), repr(svm), caplog.messages[-1], bar.getvalue()]
        assert [("estimate" in text) for text in said] == [is_estimate] * 4
        assert svm.certified_ is not is_estimate
        assert repr(svm).startswith(before)
        assert repr(clone(svm)) == before
        if hasattr(BaseEstimator, "_get_fitted_attr_html"):  # scikit-learn from 1.9 on
            assert ("(estimate)" in svm._repr_html_()) is is_estimate
        caplog.clear()
        bar.truncate(0)
        bar.seek(0)


def test_long_representations_are_still_broken_into_lines():
    svm = ChainSVM(scale=None, C=2.0, max_iter=100, tol=1e-5, random_state=3, verbose=1, n_jobs=2)
    assert max(map(len, repr(svm).splitlines())) <= 80
