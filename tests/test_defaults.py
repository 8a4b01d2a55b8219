"""Defaults that follow the data: columns on one scale, C in their unit, and fits of no use."""

import dataclasses
import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_iris, load_wine, make_classification

from structsvm import (
    ChainModel,
    ChainSVM,
    DecisionSVM,
    GraphSVM,
    GridSVM,
    MulticlassModel,
    MulticlassSVM,
    SequenceTagger,
    StructSVM,
    StructuredModel,
    SurrogateSVM,
    fit_path,
    load,
)
from structsvm.callbacks import Checkpoint
from structsvm.data.scaling import learn_columns, row_chunks
from structsvm.datasets import make_segmentation
from structsvm.exceptions import OracleWarning, TrivialFitWarning
from structsvm.inference import Subset


def table(seed=0, n=120):
    """Rows of real-valued, sparse, indicator and constant columns of very different scales."""
    random = np.random.default_rng(seed)
    signal = random.normal(size=(n, 3))
    y = signal.argmax(axis=1)
    sparse = (random.uniform(size=(n, 3)) < 0.2) * (signal + 3)
    columns = [1e3 * signal + 5e3, 1e-3 * sparse, signal > 0.5, np.full((n, 1), 7.0), 0 * signal]
    return np.hstack(columns), y


def sequences(scale=1.0, shift=0.0, edges=False, seed=0):
    random = np.random.default_rng(seed)
    lengths = [4, 1, 6, 0, 3, 5, 5, 4]
    y = [random.integers(0, 3, n) for n in lengths]
    X = [scale * (np.eye(3)[labels] + random.normal(size=(len(labels), 3)) + shift) for labels in y]
    if edges:
        X = [(x, scale * random.uniform(size=(len(x), 2))) for x in X]
    return X, y


# ---- the rule


@pytest.mark.parametrize("center", [True, False])
def test_columns_by_kind(center):
    X, _ = table()
    columns = learn_columns(row_chunks(X, None), X.shape[1], center=center)
    real, sparse, indicators, constant, zeros = np.split(np.arange(13), [3, 6, 9, 10])
    if center:
        np.testing.assert_allclose(columns.center[real], X[:, real].mean(axis=0))
        np.testing.assert_allclose(columns.scale[real], X[:, real].std(axis=0))
        assert columns.center[constant] == 7  # which the intercept says as well
    else:
        size = np.sqrt((X[:, real] ** 2).mean(axis=0))
        np.testing.assert_allclose(columns.scale[real], size)
        assert not columns.center.any()
    assert not columns.center[[*sparse, *indicators, *zeros]].any()
    # Indicators are as they are, and what is far from them has divisors of its own.
    np.testing.assert_array_equal(columns.scale[indicators], 1)
    np.testing.assert_array_equal(columns.scale[zeros], 1)
    filled = [X[X[:, j] != 0, j] for j in sparse]
    np.testing.assert_allclose(
        columns.scale[sparse], [np.sqrt((values**2).mean()) for values in filled]
    )
    scaled = columns.apply(X)
    np.testing.assert_allclose((scaled**2).sum(axis=1).mean(), columns.mean_square)


def test_sparse_columns_keep_their_scale_to_each_other():
    random = np.random.default_rng(0)
    tfidf = (random.uniform(size=(200, 40)) < 0.1) * random.uniform(0.1, 0.6, size=40)
    tfidf *= random.uniform(0.8, 1.2, size=tfidf.shape)
    columns = learn_columns(row_chunks(sp.csr_array(tfidf), None), 40, center=True)
    assert len(set(columns.scale)) == 1


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csr_array])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_dense_and_sparse_scale_alike(kind, dtype):
    X, _ = table()
    X = X.astype(dtype)
    expected = learn_columns(row_chunks(X, None), X.shape[1], center=True)
    matrix = kind(X)
    columns = learn_columns(row_chunks(matrix, None), X.shape[1], center=True)
    np.testing.assert_allclose(columns.scale, expected.scale, rtol=1e-12)
    np.testing.assert_allclose(columns.center, expected.center, rtol=1e-12)
    scaled = columns.apply(matrix)
    assert type(scaled) is type(matrix)
    assert scaled.dtype == dtype
    scaled = scaled.toarray() if sp.issparse(scaled) else scaled
    np.testing.assert_allclose(scaled, (X - columns.center) / columns.scale, rtol=1e-5, atol=1e-6)


def test_weights_count_rows():
    X, _ = table()
    weights = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
    for matrix in (X, sp.csr_array(X)):
        weighed = learn_columns(row_chunks(matrix, weights), X.shape[1], center=True)
        repeated = learn_columns(
            row_chunks(np.repeat(X, weights.astype(int), axis=0), None), X.shape[1], center=True
        )
        for name in ("center", "scale", "mean_square"):
            np.testing.assert_allclose(getattr(weighed, name), getattr(repeated, name))


@pytest.mark.parametrize("factor", [1e-250, 1e250])
def test_numbers_too_large_or_small_to_square(factor):
    X, _ = table()
    X = X[:, [0, 1, 2, 6, 7, 12]]
    expected = learn_columns(row_chunks(X, None), 6, center=True)
    for matrix in (X * factor, sp.csr_array(X * factor)):
        columns = learn_columns(row_chunks(matrix, None), 6, center=True)
        np.testing.assert_allclose(columns.scale[:5], expected.scale[:5] * factor)
        np.testing.assert_allclose(columns.center, expected.center * factor)
        assert columns.mean_square == pytest.approx(expected.mean_square)
    beside = np.hstack([X, 1e250 * X[:, :1]])
    columns = learn_columns(row_chunks(beside, None), 7, center=True)
    assert (columns.center[-1], columns.scale[-1]) == (0, 1)


# ---- predictions


@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize(
    "kind", [np.asarray, sp.csr_matrix, lambda X: X.astype(np.float32)], ids=["dense", "csr", "f32"]
)
def test_predictions_do_not_depend_on_units_or_storage(kind, factor):
    X, y = table()
    plain = MulticlassSVM(random_state=0).fit(X, y)
    other = MulticlassSVM(random_state=0).fit(kind(X * factor), y)
    np.testing.assert_array_equal(plain.predict(X), other.predict(kind(X * factor)))
    assert pytest.approx(plain.C_, rel=1e-6) == other.C_
    assert plain.score(X, y) > 0.9
    binary = SurrogateSVM().fit(X, y == 0)
    np.testing.assert_array_equal(
        binary.predict(X), SurrogateSVM().fit(kind(X * factor), y == 0).predict(kind(X * factor))
    )


@pytest.mark.parametrize("factor", [1e-3, 1e3])
@pytest.mark.parametrize("edges", [False, True])
def test_predictions_of_chains_do_not_depend_on_units(factor, edges):
    X, y = sequences(edges=edges, seed=1)
    scaled, _ = sequences(factor, edges=edges, seed=1)
    shifted, _ = sequences(factor, shift=50.0, edges=edges, seed=1)
    plain = ChainSVM(random_state=0, tol=1e-6).fit(X, y)
    for other in (scaled, shifted):
        svm = ChainSVM(random_state=0, tol=1e-6).fit(other, y)
        for a, b in zip(plain.predict(X), svm.predict(other), strict=True):
            np.testing.assert_array_equal(a, b)
        assert svm.objective_ == pytest.approx(plain.objective_, rel=1e-5)


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_predictions_of_grids_and_graphs_do_not_depend_on_units(factor):
    blobs = make_segmentation(n_train=4, n_test=2, random_state=0)
    images = [x * factor for x in blobs.X_train]
    plain = GridSVM(random_state=0, tol=1e-6).fit(blobs.X_train, blobs.y_train)
    svm = GridSVM(random_state=0, tol=1e-6).fit(images, blobs.y_train)
    tests = [x * factor for x in blobs.X_test]
    for a, b in zip(plain.predict(blobs.X_test), svm.predict(tests), strict=True):
        np.testing.assert_array_equal(a, b)
    random = np.random.default_rng(0)
    y = [random.integers(0, 2, 6) for _ in range(5)]
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 4], [4, 5]])
    X = [
        (np.c_[labels + random.normal(size=6)], edges, random.uniform(size=(5, 1))) for labels in y
    ]
    others = [(x * factor, edges, 7 * factor * z) for x, _, z in X]
    plain, svm = (GraphSVM(random_state=0, tol=1e-6).fit(data, y) for data in (X, others))
    for a, b in zip(plain.predict(X), svm.predict(others), strict=True):
        np.testing.assert_array_equal(a, b)


def test_coef_is_in_the_units_of_the_data():
    X, y = table()
    svm = MulticlassSVM(random_state=0, tol=1e-6).fit(X, y)
    scores = X @ svm.coef_.T + svm.intercept_
    np.testing.assert_allclose(scores, svm.decision_function(X), rtol=1e-9)
    # The objective is that of the scaled columns.
    columns = svm.scaling_["coef"]
    scaled = (X - columns.center) / columns.scale
    coef = svm.coef_ * columns.scale
    intercept = svm.intercept_ + svm.coef_ @ columns.center
    np.testing.assert_allclose(scaled @ coef.T + intercept, scores, rtol=1e-9, atol=1e-9)
    margins = scores + (np.arange(3) != y[:, None]) - scores[np.arange(len(y)), y][:, None]
    objective = (coef**2).sum() / 2 + (intercept**2).sum() / 2 + svm.C_ * margins.max(axis=1).sum()
    assert svm.objective_ == pytest.approx(objective, rel=1e-9)
    assert svm.objective_ - svm.dual_objective_ <= 1e-6 * svm.objective_


def test_the_same_as_scaling_by_hand():
    X, y = load_wine(return_X_y=True)
    by_hand = (X - X.mean(axis=0)) / X.std(axis=0)
    svm = MulticlassSVM(C=0.1, random_state=0, tol=1e-6).fit(X, y)
    other = MulticlassSVM(C=0.1, scale=None, random_state=0, tol=1e-6).fit(by_hand, y)
    assert svm.objective_ == pytest.approx(other.objective_, rel=1e-5)
    np.testing.assert_allclose(
        svm.decision_function(X), other.decision_function(by_hand), atol=1e-2
    )


def test_zeros_and_ones_are_trained_on_as_they_are():
    random = np.random.default_rng(0)
    y = [random.integers(0, 3, 5) for _ in range(10)]
    X = [(random.uniform(size=(5, 6)) < 0.2 + 0.3 * (labels[:, None] == 1)) * 1.0 for labels in y]
    scaled, plain = (
        ChainSVM(C=0.1, scale=scale, random_state=0).fit(X, y) for scale in ("auto", None)
    )
    np.testing.assert_array_equal(scaled.coef_, plain.coef_)


def test_rows_of_weight_zero_change_nothing():
    X, y = table()
    weight = np.r_[np.ones(len(X)), 0.0]
    svm = MulticlassSVM(random_state=0).fit(X, y)
    other = MulticlassSVM(random_state=0).fit(np.vstack([X, 1e6 + X[:1]]), [*y, 0], weight)
    np.testing.assert_allclose(other.scaling_["coef"].scale, svm.scaling_["coef"].scale)
    np.testing.assert_array_equal(other.predict(X), svm.predict(X))


def test_void_pixels_do_not_scale():
    blobs = make_segmentation(n_train=3, n_test=1, random_state=0)
    X, y = [np.array(x) for x in blobs.X_train], [np.array(labels) for labels in blobs.y_train]
    svm = GridSVM(ignore_label=9, contrast=False, random_state=0).fit(X, y)
    X[0], y[0] = np.concatenate([X[0], X[0][:1] - 9999]), np.concatenate([y[0], 0 * y[0][:1] + 9])
    other = GridSVM(ignore_label=9, contrast=False, random_state=0).fit(X, y)
    np.testing.assert_allclose(other.scaling_["node"].scale, svm.scaling_["node"].scale)


# ---- what goes with a fit


@dataclasses.dataclass
class Scores:
    """What a callback sees of the weights."""

    svm: MulticlassSVM
    X: np.ndarray
    last: np.ndarray | None = None

    def __call__(self, progress):
        self.last = np.array(progress.weights).reshape(-1, 3)


def test_callbacks_and_held_out_scores_are_of_the_users_units():
    X, y = table()
    seen = Scores(MulticlassSVM(), X)
    svm = MulticlassSVM(random_state=0, callbacks=[seen]).fit(X, y, X_val=X, y_val=y)
    scores = X @ seen.last[:-1] + seen.last[-1]
    last = svm.history_["validation_score"][-1]
    assert np.mean(scores.argmax(axis=1) == y) == pytest.approx(last)
    assert svm.score(X, y) == pytest.approx(svm.validation_score_)


@pytest.mark.parametrize("C", ["scale", 0.3])
def test_a_resumed_fit_is_the_same_to_the_bit(tmp_path, C):
    X, y = sequences(1e3, shift=4.0, edges=True)
    path = tmp_path / "fit"
    whole = ChainSVM(C=C, random_state=0, tol=1e-5).fit(X, y)
    stop = [Checkpoint(path, every=1), lambda progress: progress.n_iter == 3]
    ChainSVM(C=C, random_state=0, tol=1e-5, callbacks=stop).fit(X, y)
    resumed = ChainSVM(C=C, random_state=0, tol=1e-5).fit(X, y, resume_from=path)
    np.testing.assert_array_equal(resumed.coef_, whole.coef_)
    with pytest.raises(ValueError, match="other"):
        ChainSVM(C=C, scale=None, random_state=0).fit(X, y, resume_from=path)


def test_a_warm_start_is_of_the_same_columns():
    X, y = table()
    svm = MulticlassSVM(random_state=0, warm_start=True).fit(X, y)
    first = svm.n_iter_
    assert svm.fit(X, y).n_iter_ < first
    plain = {"scale": None, "C": 1e-3, "tol": 0.5, "max_iter": 5000}
    svm.set_params(**plain).fit(X, y)
    plain = MulticlassSVM(random_state=0, **plain).fit(X, y)
    np.testing.assert_array_equal(svm.coef_, plain.coef_)


def test_partial_fit_goes_on_in_the_units_of_fit():
    X, y = table()
    svm = MulticlassSVM(random_state=0).fit(X, y)
    before = svm.decision_function(X)
    svm.partial_fit(X[:1], y[:1])
    assert np.abs(svm.decision_function(X) - before).max() < 0.5
    perceptron = ChainSVM(solver="perceptron", max_iter=3, random_state=0)
    sentences, tags = sequences(1e3)
    perceptron.fit(sentences, tags).partial_fit(sentences, tags)
    assert perceptron.score(sentences, tags) > 0.5


def test_partial_fit_alone_leaves_columns_as_they_are():
    X, y = sequences(10.0)
    pieces = ChainSVM(solver="passive_aggressive")
    pieces.partial_fit(X[:3], y[:3], classes=[0, 1, 2]).partial_fit(X[3:], y[3:])
    whole = ChainSVM(solver="passive_aggressive").partial_fit(X, y)
    np.testing.assert_array_equal(pieces.coef_, whole.coef_)
    assert pieces.scaling_ == {}


def test_files_and_pickles_hold_weights_of_the_users_units(tmp_path):
    X, y = table()
    svm = MulticlassSVM(random_state=0).fit(X, y)
    svm.save(tmp_path / "model")
    for other in (load(tmp_path / "model"), pickle.loads(pickle.dumps(svm))):
        np.testing.assert_array_equal(other.decision_function(X), svm.decision_function(X))


def test_a_path_equals_cold_fits_within_the_gap():
    X, y = sequences(1e3, shift=2.0)
    Cs = [0.01, 0.1, 1.0]
    for C, svm in zip(Cs, fit_path(ChainSVM(random_state=0), X, y, Cs), strict=True):
        cold = ChainSVM(C=C, random_state=0).fit(X, y)
        assert svm.dual_gap_ <= 1e-3
        assert abs(svm.objective_ - cold.objective_) <= 1e-3 * svm.objective_


# ---- C


def test_c_of_rows():
    X, y = load_iris(return_X_y=True)
    assert pytest.approx(3 / 5) == MulticlassSVM().fit(X, y).C_
    two = y < 2
    assert pytest.approx(6 / 5) == MulticlassSVM().fit(X[two], y[two]).C_
    square = (X**2).sum(axis=1).mean() + 1
    assert pytest.approx(3 / square) == MulticlassSVM(scale=None).fit(X, y).C_
    cost = 10 * (1 - np.eye(3))
    assert pytest.approx(30 / 5) == MulticlassSVM(cost=cost).fit(X, y).C_
    assert pytest.approx(3 / 5) == SurrogateSVM().fit(X[two], y[two]).C_
    rbf = MulticlassSVM(kernel="rbf").fit(X, y)
    assert pytest.approx(3 / 2) == rbf.C_


def test_c_follows_the_loss():
    X, y = sequences()
    plain = ChainSVM().fit(X, y).C_
    assert plain == pytest.approx(3 / 4)
    mean_length = np.mean([len(labels) for labels in y])
    # An example without positions counts for neither.
    normalized = ChainSVM(loss="normalized_hamming").fit(X, y)
    assert pytest.approx(plain * 7 / 8 / mean_length) == normalized.C_
    weight = [np.full(len(labels), 5.0) for labels in y]
    assert pytest.approx(5 * plain) == ChainSVM().fit(X, y, position_weight=weight).C_


class Multiclass(StructuredModel):
    def __init__(self, scale=1.0, cost=1.0):
        self.scale = scale
        self.cost = cost

    def joint_feature(self, x, y):
        psi = np.zeros((3, len(x)))
        psi[y] = self.scale * x
        return psi.ravel()

    def loss(self, y, y_hat):
        return self.cost * (y != y_hat)

    def loss_augmented_inference(self, x, y, w):
        scores = w.reshape(3, -1) @ (self.scale * x)
        return int(np.argmax(scores + self.cost * (np.arange(3) != y)))

    def inference(self, x, w):
        return int(np.argmax(w.reshape(3, -1) @ (self.scale * x)))


def test_c_of_a_python_model_is_that_of_the_oracle():
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 40).tolist()
    X = [np.eye(3)[label] + random.normal(size=3) for label in y]
    square = np.mean([x @ x for x in X])
    svm = StructSVM(Multiclass(), random_state=0).fit(X, y)
    assert pytest.approx(3 / square) == svm.C_
    other = StructSVM(Multiclass(scale=1e3, cost=50.0), random_state=0).fit(X, y)
    assert pytest.approx(3 * 50 / 1e6 / square) == other.C_
    assert other.predict(X) == svm.predict(X)
    weighed = StructSVM(Multiclass(), random_state=0).fit(X, y, sample_weight=np.full(40, 2.0))
    assert pytest.approx(svm.C_) == weighed.C_


@pytest.mark.parametrize("value", ["best", "Scale"])
def test_what_c_and_scale_may_be(value):
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="C="):
        MulticlassSVM(C=value).fit(X, y)
    for svm in (MulticlassSVM(scale=value), SurrogateSVM(scale=value)):
        with pytest.raises(ValueError, match="scale="):
            svm.fit(X, y == 0)


# ---- C="auto"


def noise(seed=0):
    """Rows of which a small C is best: many useless columns."""
    return make_classification(
        150, 60, n_informative=5, n_redundant=0, n_classes=3, random_state=seed
    )


def test_auto_is_deterministic_and_told():
    X, y = noise()
    fits = [MulticlassSVM(C="auto", random_state=0).fit(X, y) for _ in range(2)]
    np.testing.assert_array_equal(fits[0].coef_, fits[1].coef_)
    path = fits[0].path_
    assert path["C"][np.argmax(path["score"])] == fits[0].C_
    assert (np.diff(path["C"]) > 0).all()
    assert 3 <= len(path["C"]) <= 5
    assert (path["dual_gap"] <= 1e-2).all()
    cold = MulticlassSVM(C=fits[0].C_, random_state=0).fit(X, y)
    np.testing.assert_array_equal(cold.coef_, fits[0].coef_)
    assert not hasattr(fits[0].set_params(C=1.0).fit(X, y), "path_")


def test_auto_takes_held_out_examples_where_it_is_given():
    X, y = noise()
    svm = MulticlassSVM(C="auto", random_state=0).fit(
        X[:100], y[:100], X_val=X[100:], y_val=y[100:]
    )
    others = fit_path(MulticlassSVM(random_state=0, tol=1e-2), X[:100], y[:100], svm.path_["C"])
    scores = [other.score(X[100:], y[100:]) for other in others]
    np.testing.assert_allclose(svm.path_["score"], scores, atol=0.03)
    assert svm.dual_gap_ <= 1


def test_auto_of_taggers_goes_by_their_scoring():
    random = np.random.default_rng(0)
    words = {"B": ["the", "a"], "I": ["cat", "dog", "sun"], "O": ["runs", "shines", "."]}
    tags = [["B", "I", "O"] * random.integers(1, 4) for _ in range(40)]
    X = [[str(random.choice(words[tag])) for tag in row] for row in tags]
    tags = [[tag if tag == "O" else f"{tag}-NP" for tag in row] for row in tags]
    tagger = SequenceTagger(C="auto", scoring="span_f1", random_state=0).fit(X, tags)
    assert tagger.path_["score"].max() == 1
    assert tagger.path_["C"][0] == tagger.C_ or tagger.path_["score"][0] < 1
    # The perceptron has no use for C.
    assert SequenceTagger(C="auto", solver="perceptron").fit(X, tags).C_ == 1


def test_auto_of_few_examples_is_scale():
    X, y = sequences()
    svm = ChainSVM(C="auto", random_state=0).fit(X, y)
    assert svm.C_ == ChainSVM(random_state=0).fit(X, y).C_
    assert not hasattr(svm, "path_")


# ---- fits of no use


def test_one_label_for_everything_is_told():
    random = np.random.default_rng(0)
    X, y = random.normal(size=(200, 5)), (random.uniform(size=200) < 0.08).astype(int)
    with pytest.warns(TrivialFitWarning, match="all predictions for the training data are 0"):
        MulticlassSVM(random_state=0).fit(X, y)
    images = [x.reshape(10, 20, 1) for x in X.T]
    labels = [(y.reshape(10, 20) > 0).astype(int)] * 5
    with pytest.warns(TrivialFitWarning, match="all predictions for the training data are 0"):
        GridSVM(random_state=0, C=1e2, class_weight=None).fit(images, labels)


def test_weights_of_zero_are_told():
    X, y = load_iris(return_X_y=True)
    with pytest.warns(TrivialFitWarning, match="weights of zero are optimal within tol=0.001"):
        MulticlassSVM(C=1e-8).fit(X, y)
    useless = [np.zeros(3)] * 6
    with pytest.warns(TrivialFitWarning, match="nothing was learnt"):
        StructSVM(Multiclass(), C=1.0).fit(useless, [0, 1, 2] * 2)


def test_losses_of_zero_are_told():
    X, y = load_iris(return_X_y=True)
    sequences_of_one = ([x[None] for x in X], [[label] for label in y])
    nothing = {"position_weight": [[0.0]] * len(y)}
    for svm, examples, options in (
        (MulticlassSVM(cost=np.zeros((3, 3))), (X, y), {}),
        (MulticlassSVM(cost=np.zeros((3, 3)), kernel="rbf"), (X, y), {}),
        (ChainSVM(), sequences_of_one, nothing),
        (DecisionSVM(Subset(1)), (X, np.ones((len(y), 3))), {}),
    ):
        with pytest.warns(TrivialFitWarning, match="no mistake costs anything"):
            svm.fit(*examples, **options)


def test_an_oracle_at_fault_is_no_loss_of_zero(recwarn):
    class Truthful(Multiclass):
        def loss_augmented_inference(self, x, y, w):
            return y

    svm = StructSVM(Truthful(), C=1.0).fit([np.eye(3)[k] for k in range(3)], [0, 1, 2])
    assert svm.objective_ == 0
    assert not svm.certified_
    told = {w.category for w in recwarn}
    assert OracleWarning in told
    assert TrivialFitWarning not in told


def test_paths_and_good_fits_tell_nothing(recwarn):
    X, y = load_iris(return_X_y=True)
    fit_path(MulticlassSVM(random_state=0), X, y, [1e-8, 1.0])
    MulticlassSVM(random_state=0, C="auto").fit(X, y)
    ChainSVM(random_state=0).fit(*sequences())
    assert not [w for w in recwarn if w.category is TrivialFitWarning]


def test_a_fit_that_is_well_costs_no_further_pass(monkeypatch):
    asked = []
    for model in (MulticlassModel, ChainModel):
        monkeypatch.setattr(model, "batch_inference", lambda *args: asked.append(args))
    X, y = load_iris(return_X_y=True)
    MulticlassSVM(random_state=0).fit(X, y)
    ChainSVM(random_state=0).fit([X], [y])
    assert not asked
