"""GraphSVM and GridSVM as users meet them: images and graphs in, labels out."""

import itertools
import pickle
import signal

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

import structsvm
from structsvm import GraphSVM, GridModel, GridSVM, StructSVM
from structsvm.callbacks import Checkpoint, EarlyStopping
from structsvm.datasets import make_segmentation
from structsvm.exceptions import ModelFileError, TrivialFitWarning
from structsvm.losses import HammingLoss
from structsvm.metrics import jaccard
from structsvm.solvers import BCFW, Subgradient
from tests.test_graph_svm import small_graphs
from tests.test_persistence import npy, rewrite, set_header, set_member

VOID = -1
AVERAGED = BCFW(averaging=True)


@pytest.fixture(scope="module")
def blobs():
    return make_segmentation(n_train=8, n_test=4, size=(6, 10), blob_size=2.0, random_state=0)


@pytest.fixture(scope="module")
def fitted(blobs):
    return GridSVM(scale=None, C=10, random_state=0).fit(blobs.X_train, blobs.y_train)


# ---- what scikit-learn expects


@pytest.mark.parametrize("estimator", [GraphSVM(C=1.0, scale=None), GridSVM(C=1.0, scale=None)])
def test_constructor_keeps_its_parameters_and_clone_copies_them(estimator):
    loss, solver = HammingLoss(normalize=True), BCFW(averaging=True)
    weights = {0: 1.0, 1: 2.0}
    estimator = clone(estimator).set_params(loss=loss, solver=solver, class_weight=weights)
    assert estimator.loss is loss
    assert estimator.class_weight is weights
    copy = clone(estimator).set_params(loss__normalize=False, solver__max_planes=7)
    assert copy.loss is not loss
    assert (copy.loss.normalize, loss.normalize) == (False, True)
    assert copy.get_params()["solver__averaging"] is True
    assert set(copy.get_params(deep=False)) == set(estimator.get_params(deep=False))
    assert type(estimator).__name__ in estimator._repr_html_()


def test_fit_changes_no_parameter_and_no_data(blobs):
    svm = GridSVM(
        C=1.0, scale=None, contrast=[1.0, 2.0], contrast_channels=[0], class_weight={1: 2.0}
    )
    before = {name: repr(value) for name, value in svm.get_params().items()}
    X, y = [x.copy() for x in blobs.X_train], [labels.copy() for labels in blobs.y_train]
    svm.fit(X, y)
    assert {name: repr(value) for name, value in svm.get_params().items()} == before
    assert all(map(np.array_equal, X, blobs.X_train))
    assert all(map(np.array_equal, y, blobs.y_train))


def test_named_weights_are_views_of_coef(blobs):
    for pairwise, shape in (("potts", ()), ("table", (2, 2))):
        svm = GridSVM(C=1.0, scale=None, pairwise=pairwise, tol=0.1, random_state=0)
        svm.fit(blobs.X_train, blobs.y_train)
        shapes = {
            "node_coef_": (3, 2),
            "intercept_": (2,),
            "edge_coef_": (1, *shape),
            "edge_intercept_": shape,
        }
        for name, expected in shapes.items():
            assert getattr(svm, name).shape == expected
            assert np.shares_memory(getattr(svm, name), svm.coef_)
        assert svm.coef_.size == sum(int(np.prod(expected)) for expected in shapes.values())
        assert svm.classes_.tolist() == [0, 1]
        assert svm.n_features_in_ == 3
    off = GridSVM(
        C=1.0, scale=None, fit_intercept=False, edge_intercept=False, contrast=False, tol=0.1
    )
    off.fit(blobs.X_train, blobs.y_train)
    assert off.coef_.shape == (6,)
    assert off.intercept_.tolist() == [0, 0]
    assert off.edge_intercept_ == 0
    assert off.edge_coef_.shape == (0,)


def test_score_is_the_share_of_pixels_and_beats_pixels_alone(blobs, fitted):
    guess = fitted.predict(blobs.X_test)
    right = sum((a == b).sum() for a, b in zip(guess, blobs.y_test, strict=True))
    accuracy = right / sum(labels.size for labels in blobs.y_test)
    assert fitted.score(blobs.X_test, blobs.y_test) == pytest.approx(accuracy)
    alone = clone(fitted).set_params(contrast=False, edge_intercept=False)
    alone.fit(blobs.X_train, blobs.y_train)
    assert accuracy > alone.score(blobs.X_test, blobs.y_test)
    assert jaccard(blobs.y_test, guess) > jaccard(blobs.y_test, alone.predict(blobs.X_test))


def test_decision_function_is_the_score_of_the_prediction(blobs, fitted):
    want = [
        fitted.coef_ @ fitted.model_.joint_feature(x, labels)
        for x, labels in zip(blobs.X_test, fitted.predict(blobs.X_test), strict=True)
    ]
    np.testing.assert_allclose(fitted.decision_function(blobs.X_test), want)
    python = super(GridModel, fitted.model_).batch_best_score(blobs.X_test, fitted.coef_)
    np.testing.assert_allclose(python, want)


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_loss_augmented_predictions_explain_the_objective(blobs, class_weight):
    X, y = blobs.X_train, blobs.y_train
    svm = GridSVM(
        scale=None, C=2.0, tol=1e-4, class_weight=class_weight, weighting="loss", random_state=0
    ).fit(X, y)
    hinges = 0.0
    for x, labels, violator in zip(X, y, svm.loss_augmented_predict(X, y), strict=True):
        delta = svm.model_.joint_feature(x, labels) - svm.model_.joint_feature(x, violator)
        hinges += svm.model_.loss(labels, violator) - svm.coef_ @ delta
    assert svm.objective_ == pytest.approx(svm.coef_ @ svm.coef_ / 2 + 2.0 * hinges, rel=1e-9)
    assert svm.certified_


def test_model_selection_on_lists_of_images(blobs):
    X, y = blobs.X_train, blobs.y_train
    svm = GridSVM(C=1.0, scale=None, tol=0.05, random_state=0)
    assert (cross_val_score(svm, X, y, cv=KFold(2)) > 0.6).all()
    grid = {"C": [1.0, 10.0], "contrast": [True, (0.5, 2.0)], "connectivity": [4, 8]}
    search = GridSearchCV(svm, grid, cv=2).fit(X, y)
    assert len(search.cv_results_["params"]) == 8
    assert search.score(blobs.X_test, blobs.y_test) > 0.7
    graphs, labels = small_graphs()
    search = GridSearchCV(
        GraphSVM(C=1.0, scale=None, loss=HammingLoss(), tol=0.1),
        {"loss__normalize": [True, False]},
        cv=2,
        n_jobs=2,
    )
    assert search.fit(graphs, labels).best_score_ > 0.5


def test_warm_start_over_c(blobs):
    X, y = blobs.X_train, blobs.y_train
    warm = GridSVM(C=1.0, scale=None, warm_start=True, tol=1e-4, random_state=0)
    calls = 0
    for C in (1.0, 2.0, 4.0):
        warm.set_params(C=C).fit(X, y)
        cold = clone(warm).fit(X, y)
        assert warm.objective_ == pytest.approx(cold.objective_, rel=2e-4)
        assert warm.certified_
        if C > 1:
            calls += cold.n_oracle_calls_ - warm.n_oracle_calls_
    assert calls > 0


def test_validation_keeps_the_best_weights(blobs):
    X, y = blobs.X_train, blobs.y_train
    svm = GridSVM(scale=None, C=10, tol=1e-9, callbacks=[EarlyStopping(patience=3)], random_state=0)
    svm.fit(X, y, X_val=blobs.X_test, y_val=blobs.y_test)
    scores = svm.history_["validation_score"]
    assert svm.status_ == "stopped"
    assert svm.validation_score_ == max(scores)
    assert svm.score(blobs.X_test, blobs.y_test) == svm.validation_score_


def test_interrupt_keeps_the_best_weights(blobs):
    def interrupt(progress):
        if progress.gap < 0.05:
            signal.raise_signal(signal.SIGINT)

    svm = GridSVM(scale=None, C=10, tol=1e-9, callbacks=[interrupt], random_state=0)
    with pytest.warns(ConvergenceWarning, match="GridSVM was interrupted after .* keeps the best"):
        svm.fit(blobs.X_train, blobs.y_train)
    assert svm.status_ == "interrupted"
    assert svm.dual_gap_ < 0.05
    assert svm.score(blobs.X_train, blobs.y_train) > 0.8


@pytest.mark.parametrize("solver", ["bcfw", "cutting_plane", "n_slack"])
def test_a_resumed_fit_is_the_whole_one(blobs, tmp_path, solver):
    X, y = blobs.X_train, blobs.y_train
    path = tmp_path / "fit.ckpt"
    svm = GridSVM(C=1.0, scale=None, solver=solver, directions=True, random_state=0)
    whole = clone(svm).fit(X, y)
    part = clone(svm).set_params(
        callbacks=[Checkpoint(path, every=2), lambda progress: progress.n_iter == 5]
    )
    assert part.fit(X, y).n_iter_ == 5
    resumed = clone(svm).fit(X, y, resume_from=path)
    assert resumed.n_iter_ == whole.n_iter_ > 5
    assert resumed.objective_ == pytest.approx(whole.objective_, rel=1e-9)
    np.testing.assert_allclose(resumed.coef_, whole.coef_, rtol=1e-6, atol=1e-9)


# ---- keeping

ESTIMATORS = {
    "grid": GridSVM(scale=None, C=10, random_state=0),
    "8 neighbours": GridSVM(
        C=1.0,
        scale=None,
        connectivity=8,
        contrast=(0.5, 2.0),
        contrast_channels=[0, 2],
        directions=True,
    ),
    "class weights": GridSVM(
        C=1.0, scale=None, class_weight={0: 1.0, 1: 2.5}, ignore_label=7, contrast=False
    ),
    "table": GridSVM(
        C=1.0, scale=None, pairwise="table", tol=0.1, class_weight="balanced", warm_inference=10**6
    ),
    "StructSVM": StructSVM(GridModel(HammingLoss(), connectivity=8), C=1.0, scale=None, tol=0.1),
}


def same(a, b, X):
    assert type(a) is type(b)
    assert np.array_equal(a.coef_, b.coef_)
    assert all(map(np.array_equal, a.predict(X), b.predict(X)))
    assert np.array_equal(a.decision_function(X), b.decision_function(X))
    assert np.array_equal(a.model_.class_weight_, b.model_.class_weight_)
    for name in ("objective_", "dual_objective_", "dual_gap_", "certified_", "n_iter_"):
        assert getattr(a, name) == getattr(b, name)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_files_and_pickles_give_the_same_predictions(tmp_path, blobs, name):
    svm = clone(ESTIMATORS[name]).fit(blobs.X_train, blobs.y_train)
    svm.save(tmp_path / "model")
    loaded = structsvm.load(tmp_path / "model")
    same(svm, loaded, blobs.X_test)
    same(svm, pickle.loads(pickle.dumps(svm)), blobs.X_test)
    assert svm.model_.beta_ == loaded.model_.beta_
    if name != "StructSVM":
        assert loaded.get_params() == svm.get_params()
    loaded.fit(blobs.X_train, blobs.y_train)


def set_param(name, value):
    return lambda header, members: header["estimator"]["params"].update({name: value})


def test_files_of_graphs(tmp_path):
    X, y = small_graphs(3)
    names = np.array(["a", "bb", "ö"])
    svm = GraphSVM(C=1.0, scale=None, class_weight={"a": 2.0}, tol=0.1, random_state=0)
    svm.fit(X, [names[labels] for labels in y])
    svm.save(tmp_path / "model")
    loaded = structsvm.load(tmp_path / "model")
    same(svm, loaded, X)
    assert loaded.class_weight == {"a": 2.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_member("model/class_weight.npy", npy(np.ones(3))), r"class weights are float64 of sh"),
        (set_member("model/class_weight.npy", npy(np.ones(2, int))), "class weights are int64 of"),
        (set_member("model/class_weight.npy", npy(np.array([1, -1.0]))), "a class weight is negat"),
        (set_member("model/class_weight.npy", npy(np.array([1, np.nan]))), "negative or not finit"),
        (set_member("model/class_weight.npy", npy(np.array([1, np.inf]))), "negative or not finit"),
        (set_member("model/beta.npy", npy(np.array([np.nan]))), "beta of the contrast is .*nan"),
        (set_member("model/beta.npy", npy(np.array([-1.0]))), "beta of the contrast is .*-1"),
        (set_member("model/beta.npy", npy(np.array([np.inf]))), "beta of the contrast is .*inf"),
        (set_member("model/beta.npy", npy(np.ones(2))), "beta of the contrast is .*expected one"),
        (set_member("model/beta.npy", npy(np.array(["1"]))), "beta of the contrast is .*expected"),
        (lambda header, members: members.pop("model/beta.npy") and None, "it lacks 'beta'"),
        (
            set_header("sizes", {"n_features": 3, "n_edge_features": 0}),
            "0 edge features do not fit",
        ),
        (set_param("connectivity", 5), "connectivity=5: expected 4 or 8"),
        (set_param("pairwise", "ising"), "pairwise='ising': expected 'potts', or one of 'table'"),
        (set_param("warm_inference", -1), "warm_inference=-1: expected 'auto', True, False"),
        (set_header("sizes", {"n_features": 3}), "it lacks 'n_edge_features'"),
    ],
)
def test_damaged_files_are_refused(tmp_path, fitted, change, message):
    path = tmp_path / "model"
    fitted.save(path)
    rewrite(path, change)
    with pytest.raises(ModelFileError, match=message):
        structsvm.load(path)


def test_negative_edge_weights_in_a_file_are_refused(tmp_path, fitted):
    path = tmp_path / "model"
    coef = np.array(fitted.coef_)
    coef[-1] = -1.0
    fitted.save(path)
    rewrite(path, set_member("coef.npy", npy(coef)))
    with pytest.raises(ModelFileError, match="a weight is negative that the model needs"):
        structsvm.load(path)


# ---- weights of examples, nodes and classes


def test_sample_weight_counts_an_image_so_many_times(blobs):
    X, y = blobs.X_train[:3], blobs.y_train[:3]
    svm = GridSVM(
        scale=None,
        C=2.0,
        contrast=False,
        class_weight=None,
        tol=1e-6,
        max_iter=5000,
        random_state=0,
    )
    weighted = clone(svm).fit(X, y, sample_weight=[2, 0, 1])
    twice = clone(svm).fit([X[0], X[0], X[2]], [y[0], y[0], y[2]])
    assert weighted.objective_ == pytest.approx(twice.objective_, rel=2e-6)
    np.testing.assert_allclose(weighted.coef_, twice.coef_, atol=1e-3)


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_pixels_of_weight_zero_have_no_loss(blobs, pairwise):
    X, y = blobs.X_train[:4], blobs.y_train[:4]
    weight = [np.ones(labels.shape) for labels in y]
    for w in weight:
        w[0] = 0.0
    model = GridModel(pairwise=pairwise, contrast=False)
    model.initialize(X, y)
    problem, plain = model.bind(X, y, node_weight=weight), model.bind(X, y)
    ones = model.bind(X, y, node_weight=[np.ones(labels.shape) for labels in y])
    w = np.zeros(model.n_weights)
    for i in range(len(y)):
        # Without weights all that counts is loss: everything is wrong where there is any.
        assert problem.oracle(i, w)[2] == pytest.approx(weight[i].mean())
        for a, b in zip(plain.oracle(i, w), ones.oracle(i, w), strict=True):
            np.testing.assert_array_equal(a, b)
    svm = GridSVM(scale=None, C=10, pairwise=pairwise, tol=0.05, random_state=0)
    wrong = [labels.copy() for labels in y]
    for labels in wrong:
        labels[0] = 1 - labels[0]
    lenient = clone(svm).fit(X, wrong, pixel_weight=weight)
    strict = clone(svm).fit(X, wrong)
    assert lenient.objective_ < strict.objective_


def test_nodes_of_weight_zero_without_edges_only_ask_for_no_margin():
    X, y = small_graphs()
    weights = [np.arange(8) % 2 for _ in X]
    svm = GraphSVM(C=1.0, scale=None, edge_intercept=False, tol=1e-5, max_iter=5000, random_state=0)
    half = clone(svm).fit(X, y, node_weight=weights)
    assert half.objective_ < clone(svm).fit(X, y).objective_
    with pytest.warns(TrivialFitWarning, match="no mistake costs anything"):
        nothing = clone(svm).fit(X, y, node_weight=[np.zeros(8) for _ in X])
    assert nothing.objective_ == pytest.approx(0, abs=1e-9)


def test_class_weights_move_the_decision(blobs):
    X, y = blobs.X_train, blobs.y_train
    plain = GridSVM(scale=None, C=0.5, random_state=0).fit(X, y)
    careful = GridSVM(scale=None, C=0.5, class_weight={1: 5.0}, random_state=0).fit(X, y)
    assert careful.model_.class_weight_.tolist() == [1.0, 5.0]
    ones = [sum(labels.sum() for labels in svm.predict(X)) for svm in (plain, careful)]
    assert ones[1] > ones[0]
    balanced = GridSVM(C=1.0, scale=None, class_weight="balanced", random_state=0).fit(X, y)
    share = np.bincount(np.concatenate([labels.ravel() for labels in y]))
    want = share.sum() / (2 * share)
    np.testing.assert_allclose(balanced.model_.class_weight_, want)
    same_by_hand = GridSVM(
        C=1.0, scale=None, class_weight=dict(enumerate(want)), random_state=0
    ).fit(X, y)
    assert np.array_equal(balanced.coef_, same_by_hand.coef_)


def test_balanced_classes_count_nodes_by_their_weight(blobs):
    X, y = blobs.X_train[:4], blobs.y_train[:4]
    again = [0, 0, 0, 1, 3]
    weight = [3.0, 1.0, 0.0, 1.0]
    for svm in (
        GridSVM(C=1.0, scale=None, class_weight="balanced", tol=0.1, random_state=0),
        StructSVM(GridModel(class_weight="balanced"), C=1.0, scale=None, tol=0.1, random_state=0),
    ):
        want = clone(svm).fit([X[i] for i in again], [y[i] for i in again])
        got = clone(svm).fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(got.model_.class_weight_, want.model_.class_weight_)
    of_pixels = [np.full(labels.shape, factor) for labels, factor in zip(y, weight, strict=True)]
    got = GridSVM(C=1.0, scale=None, class_weight="balanced", tol=0.1).fit(
        X, y, pixel_weight=of_pixels
    )
    np.testing.assert_allclose(got.model_.class_weight_, want.model_.class_weight_)


# ---- void


def with_void(y, void, seed=0):
    rng = np.random.default_rng(seed)
    return [np.where(rng.random(labels.shape) < 0.3, void, labels) for labels in y]


@pytest.mark.parametrize("pairwise", ["potts", "table"])
def test_features_of_void_pixels_do_not_matter_in_training(blobs, pairwise):
    X = blobs.X_train
    y = with_void(blobs.y_train, VOID)
    rng = np.random.default_rng(1)
    other = [
        np.where((labels == VOID)[:, :, None], 100 * rng.normal(size=x.shape), x)
        for x, labels in zip(X, y, strict=True)
    ]
    svm = GridSVM(
        scale=None,
        C=5,
        connectivity=8,
        pairwise=pairwise,
        ignore_label=VOID,
        tol=0.02,
        random_state=0,
    )
    fits = [clone(svm).fit(items, y) for items in (X, other)]
    assert np.array_equal(fits[0].coef_, fits[1].coef_)
    assert fits[0].objective_ == fits[1].objective_
    assert fits[0].model_.beta_ == fits[1].model_.beta_
    assert fits[0].classes_.tolist() == [0, 1]


def test_void_nodes_are_as_good_as_left_out():
    X, y = small_graphs()
    # A void node at the end of a chain, without a normalised loss: the graph without it.
    more = [
        (np.vstack([nodes, [[9.0, -9.0]]]), [*edges, (7, 8)]) for nodes, edges in X
    ]  # fmt: skip
    settings = {"loss": "hamming", "tol": 1e-4, "random_state": 0}
    without = GraphSVM(**({"C": 1.0, "scale": None} | settings)).fit(X, y)
    void = GraphSVM(ignore_label=99, **({"C": 1.0, "scale": None} | settings)).fit(
        more, [[*labels, 99] for labels in y]
    )
    np.testing.assert_allclose(void.coef_, without.coef_, atol=1e-12)
    assert void.score(more, [[*labels, 99] for labels in y]) == without.score(X, y)


def test_void_labels_may_be_strings_and_a_whole_image(blobs):
    X, names = blobs.X_train, np.array(["back", "front", "none"])
    numbers = with_void(blobs.y_train, 2)
    numbers[3][:] = 2
    words = [names[labels] for labels in numbers]
    a = GridSVM(C=1.0, scale=None, ignore_label=2, random_state=0).fit(X, numbers)
    b = GridSVM(C=1.0, scale=None, ignore_label="none", random_state=0).fit(X, words)
    assert b.classes_.tolist() == ["back", "front"]
    assert np.array_equal(a.coef_, b.coef_)
    assert a.score(X, numbers) == b.score(X, words)
    assert {label for labels in b.predict(X) for label in labels.flat} == {"back", "front"}
    # A label that is nowhere is no mistake: an image set need not have void pixels.
    c = GridSVM(C=1.0, scale=None, ignore_label=255, random_state=0).fit(X, blobs.y_train)
    assert np.array_equal(
        c.coef_, GridSVM(C=1.0, scale=None, random_state=0).fit(X, blobs.y_train).coef_
    )


# ---- kinds of labels and arrays


def test_labels_come_back_as_they_were(blobs):
    X, y = blobs.X_train, blobs.y_train
    want = GridSVM(C=1.0, scale=None, random_state=0).fit(X, y)
    for names in (["b", "long name"], [3, 70000], [-2, 5]):
        named = [np.array(names)[labels] for labels in y]
        for convert in (lambda labels: labels, lambda labels: labels.tolist()):
            svm = GridSVM(C=1.0, scale=None, random_state=0).fit(
                X, [convert(labels) for labels in named]
            )
            assert svm.classes_.tolist() == names
            assert np.array_equal(svm.coef_, want.coef_)
            for labels, other in zip(svm.predict(X), want.predict(X), strict=True):
                assert np.array_equal(labels, np.array(names)[other])
            assert svm.score(X, named) == want.score(X, y)
    masks = [labels == 1 for labels in y]
    svm = GridSVM(C=1.0, scale=None, random_state=0, ignore_label=-1).fit(X, masks)
    assert np.array_equal(svm.coef_, want.coef_)
    assert svm.score(X, masks) == want.score(X, y)
    assert GridSVM(C=1.0, scale=None, random_state=0).fit(
        X, [m.tolist() for m in masks]
    ).classes_.tolist() == [0, 1]


def test_any_layout_gives_the_same_bits(blobs):
    X = [np.round(8 * x) for x in blobs.X_train]
    y = blobs.y_train
    want = GridSVM(C=1.0, scale=None, random_state=0, tol=1e-2).fit(X, y)

    def frozen(x):
        x = x.copy()
        x.flags.writeable = False
        return x

    for convert in (
        frozen,
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=1)[:, ::2],
        lambda x: x.tolist(),
        lambda x: x.astype(np.int64),
        lambda x: x.astype(">f8"),
        lambda x: np.ma.masked_array(x),
    ):
        svm = GridSVM(C=1.0, scale=None, random_state=0, tol=1e-2).fit([convert(x) for x in X], y)
        assert np.array_equal(svm.coef_, want.coef_)
        assert all(map(np.array_equal, svm.predict([convert(x) for x in X]), want.predict(X)))
    for convert in (frozen, np.asfortranarray, lambda labels: labels.astype(np.uint8)):
        svm = GridSVM(C=1.0, scale=None, random_state=0, tol=1e-2).fit(
            X, [convert(labels) for labels in y]
        )
        assert np.array_equal(svm.coef_, want.coef_)


@pytest.mark.parametrize("connectivity", [4, 8])
def test_float32_gives_the_same_objective(blobs, connectivity):
    y = blobs.y_train
    svm = GridSVM(
        C=1.0, scale=None, connectivity=connectivity, tol=1e-6, max_iter=5000, random_state=0
    )
    single = [x.astype(np.float32) for x in blobs.X_train]
    double = [x.astype(np.float64) for x in single]
    a, b = clone(svm).fit(single, y), clone(svm).fit(double, y)
    assert a.objective_ == pytest.approx(b.objective_, rel=1e-5)
    mixed = [x if i % 2 else z for i, (x, z) in enumerate(zip(single, double, strict=True))]
    assert clone(svm).fit(mixed, y).objective_ == pytest.approx(b.objective_, rel=1e-5)


def test_photographs_of_bytes(blobs):
    X = [np.clip(40 * x + 128, 0, 255).astype(np.uint8) for x in blobs.X_train]
    svm = GridSVM(scale=None, C=0.01, tol=0.02, random_state=0).fit(X, blobs.y_train)
    want = clone(svm).fit([x.astype(np.float32) for x in X], blobs.y_train)
    assert np.array_equal(svm.coef_, want.coef_)
    assert svm.score(X, blobs.y_train) > 0.7


@pytest.mark.parametrize("pairwise", ["potts", "table"])
@pytest.mark.parametrize("connectivity", [4, 8])
def test_images_of_any_size(pairwise, connectivity):
    rng = np.random.default_rng(0)
    shapes = [(1, 1), (1, 5), (6, 1), (2, 2), (3, 4)]
    y = [rng.integers(2, size=shape) for shape in shapes]
    X = [np.eye(2)[labels] for labels in y]
    svm = GridSVM(
        scale=None,
        C=10,
        pairwise=pairwise,
        connectivity=connectivity,
        directions=True,
        random_state=0,
    ).fit(X, y)
    assert [labels.shape for labels in svm.predict(X)] == shapes
    assert svm.score(X, y) == 1
    one = GridSVM(C=1.0, scale=None, random_state=0).fit(X[4:], y[4:])
    assert one.predict(X[:1])[0].shape == (1, 1)
    pixels = GridSVM(C=1.0, scale=None, random_state=0).fit([X[0], 1 - X[0]], [y[0], 1 - y[0]])
    assert pixels.score([X[0]], [y[0]]) == 1


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
def test_labels_that_only_one_image_has(blobs):
    y = [np.zeros_like(labels) for labels in blobs.y_train]
    with pytest.warns(UserWarning, match="all labels in y are 0: there is nothing to tell apart"):
        one_class = GridSVM(C=1.0, scale=None, random_state=0).fit(blobs.X_train, y)
    assert one_class.classes_.tolist() == [0]
    assert one_class.objective_ == 0
    assert not any(labels.any() for labels in one_class.predict(blobs.X_train))
    y[2] = blobs.y_train[2] + 3
    svm = GridSVM(scale=None, C=10, random_state=0, tol=0.05).fit(blobs.X_train, y)
    assert svm.classes_.tolist() == [0, *np.unique(y[2])]


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
def test_images_without_features_learn_which_label_is_common():
    y = [np.array([[0, 1, 1], [1, 1, 1]])]
    svm = GridSVM(C=1.0, scale=None, class_weight=None, random_state=0)
    svm.fit([np.zeros((2, 3, 0))], y)
    assert svm.predict([np.zeros((1, 2, 0))])[0].tolist() == [[1, 1]]


# ---- solvers and threads


@pytest.mark.parametrize("kind", ["grid", "graph"])
def test_solvers_find_one_objective(blobs, kind):
    X, y = blobs.X_train[:4], blobs.y_train[:4]
    estimator = GridSVM(scale=None, C=2.0, directions=True, random_state=0)
    if kind == "graph":
        X, y = small_graphs()
        estimator = GraphSVM(scale=None, C=2.0, random_state=0)
    best = clone(estimator).set_params(tol=1e-6, max_iter=5000).fit(X, y)
    assert best.certified_
    for solver, tol in (("cutting_plane", 1e-3), ("n_slack", 1e-3), ("subgradient", 0.1)):
        svm = clone(estimator).set_params(solver=solver, tol=tol, max_iter=5000).fit(X, y)
        assert svm.dual_gap_ <= tol
        assert best.dual_objective_ * (1 - 1e-9) <= svm.objective_
        assert svm.objective_ * (1 - tol) <= best.objective_ * (1 + 1e-9)
        assert min(svm.edge_coef_.min(initial=0), svm.edge_intercept_) >= 0


@pytest.mark.parametrize("solver", ["perceptron", "passive_aggressive"])
def test_online_solvers_need_tables(blobs, solver):
    X, y = blobs.X_train, blobs.y_train
    with pytest.raises(
        ValueError, match=f"'{solver}' cannot keep weights .* for 2 of them, from weight 8"
    ):
        GridSVM(C=1.0, scale=None, solver=solver).fit(X, y)
    with pytest.raises(ValueError, match=r"cannot keep weights .* for 1 of them, from weight 6"):
        GraphSVM(C=1.0, scale=None, solver=solver).partial_fit(*small_graphs())
    svm = GridSVM(C=1.0, scale=None, solver=solver, pairwise="table", random_state=0).fit(X, y)
    assert svm.score(X, y) > 0.7
    svm.partial_fit(X, y)


def test_slack_rescaling_is_refused(blobs):
    svm = StructSVM(GridModel(), C=1.0, scale=None, rescaling="slack")
    with pytest.raises(ValueError, match="GridMaximizer has no oracle for rescaling='slack'"):
        svm.fit(blobs.X_train, blobs.y_train)


def test_threads_answer_the_same(blobs, fitted):
    X, y = 3 * blobs.X_train, 3 * blobs.y_train
    fits = [
        GridSVM(C=1.0, scale=None, n_jobs=n, tol=1e-2, random_state=0).fit(X, y) for n in (2, 3)
    ]
    assert np.array_equal(fits[0].coef_, fits[1].coef_)
    one, many = clone(fitted), clone(fitted).set_params(n_jobs=3)
    one.fit(blobs.X_train, blobs.y_train)
    many.__dict__.update(coef_=one.coef_, model_=one.model_)
    assert all(map(np.array_equal, one.predict(X), many.predict(X)))
    assert np.array_equal(one.decision_function(X), many.decision_function(X))
    pairs = zip(one.loss_augmented_predict(X, y), many.loss_augmented_predict(X, y), strict=True)
    assert all(itertools.starmap(np.array_equal, pairs))


def test_more_than_two_labels_say_that_nothing_is_certified():
    data = make_segmentation(n_train=5, n_test=3, n_labels=4, size=(6, 9), random_state=0)
    svm = GridSVM(scale=None, C=10, tol=0.05, random_state=0).fit(data.X_train, data.y_train)
    assert not svm.certified_
    assert svm.dual_gap_ <= 0.05
    assert svm.score(data.X_train, data.y_train) > 0.6


def test_unfitted(blobs):
    for svm in (GridSVM(C=1.0, scale=None), GraphSVM(C=1.0, scale=None)):
        for method in (svm.predict, svm.decision_function):
            with pytest.raises(NotFittedError):
                method(blobs.X_test)
        with pytest.raises(NotFittedError):
            svm.score(blobs.X_test, blobs.y_test)
        assert not hasattr(svm, "classes_")
        assert not hasattr(svm, "node_coef_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", [Subgradient(), Subgradient(averaging="uniform"), AVERAGED])
def test_averages_of_edge_weights_are_not_negative(solver):
    """Sums of weights that are 0 in the end come out at -1e-18, which no cut takes."""
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(3, 4, 2)) for _ in range(4)]
    y = [(np.indices((3, 4)).sum(axis=0) + i) % 2 for i in range(4)]
    for seed in range(12):
        svm = GridSVM(
            scale=None, C=1 + seed, directions=True, solver=solver, max_iter=6, random_state=seed
        )
        svm.fit(X, y)
        assert svm.status_ != "failed"
        assert svm.edge_coef_.min() >= 0
        svm.predict(X)
    online = GridSVM(C=1.0, scale=None, solver=Subgradient(n_examples=4), directions=True)
    for _ in range(4):
        online.partial_fit(X, y).predict(X)
