"""RankingSVM as its users meet it."""

import numpy as np
import pytest
import scipy.sparse as sp
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.svm import LinearSVC

import structsvm
from structsvm import PathSearch, RankingModel, RankingSVM, StructSVM, fit_path
from structsvm.callbacks import Checkpoint
from structsvm.exceptions import TrivialFitWarning
from structsvm.metrics import mean_average_precision, mean_ndcg


def search_results(n_queries=30, n=8, seed=0):
    """Documents with four features, three of which matter; grades 0, 1 and 2."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_queries * n, 4))
    latent = X @ [1.0, -1.0, 0.5, 0.0] + 0.5 * rng.normal(size=len(X))
    return X, np.digitize(latent, [0.0, 1.5]), np.repeat(np.arange(n_queries), n)


def pairs_of(X, y, groups):
    i, j = np.nonzero((y[:, None] > y) & (groups[:, None] == groups))
    signs = np.where(np.arange(len(i)) % 2, 1, -1)
    return (X[i] - X[j]) * signs[:, None], signs


def test_the_pairwise_loss_is_rank_svm():
    X, y, groups = search_results()
    pairs, signs = pairs_of(X, y, groups)
    svm = RankingSVM(normalize=False, C=0.01, scale=None, tol=1e-7, random_state=0)
    svm.fit(X, y, groups)
    other = LinearSVC(C=0.01, loss="hinge", fit_intercept=False, tol=1e-8, max_iter=100_000)
    w = other.fit(pairs, signs).coef_[0]

    def objective(w):
        return w @ w / 2 + 0.01 * np.maximum(0, 1 - signs * (pairs @ w)).sum()

    assert svm.certified_
    assert svm.objective_ == pytest.approx(objective(svm.coef_), rel=1e-9)
    assert svm.objective_ == pytest.approx(objective(w), rel=1e-5)


@pytest.mark.parametrize("loss", ["pairwise", "ndcg", "average_precision", "precision", "f1"])
def test_every_loss_learns_and_is_certified(loss):
    X, y, groups = search_results()
    if loss not in ("pairwise", "ndcg"):
        y = (y == 2).astype(int)
    svm = RankingSVM(loss, random_state=0).fit(X, y, groups)
    assert svm.certified_
    assert svm.dual_gap_ <= 1e-3
    X, y_new, groups = search_results(seed=1)
    y_new = y_new if y.max() > 1 else (y_new == 2).astype(int)
    assert svm.score(X, y_new, groups) > 0.8
    assert svm.score(X, y_new, groups) > RankingSVM(loss).fit(-X, y_new, groups).score(
        X, y_new, groups
    )


def test_rows_of_a_query_may_stand_anywhere():
    X, y, groups = search_results()
    svm = RankingSVM(tol=1e-8, random_state=0).fit(X, y, groups)
    order = np.random.default_rng(1).permutation(len(X))
    names = np.char.add("query ", (groups + 100).astype(str))  # the same order of names
    mixed = RankingSVM(tol=1e-8, random_state=0).fit(X[order], y[order], names[order])
    np.testing.assert_allclose(mixed.coef_, svm.coef_, rtol=1e-3)
    np.testing.assert_allclose(mixed.predict(X[order]), svm.predict(X)[order], rtol=1e-3, atol=1e-3)
    assert mixed.score(X[order], y[order], names[order]) == pytest.approx(
        svm.score(X, y, groups), rel=1e-3
    )
    np.testing.assert_array_equal(svm.rank(X, groups)[order], svm.rank(X[order], groups[order]))
    augmented = svm.loss_augmented_predict(X, y, groups)
    np.testing.assert_array_equal(
        augmented[order], svm.loss_augmented_predict(X[order], y[order], groups[order])
    )


def test_scores_positions_and_measures():
    X, y, groups = search_results()
    svm = RankingSVM(k=3, random_state=0).fit(X, y, groups)
    scores = svm.predict(X)
    np.testing.assert_allclose(scores, X @ svm.coef_)
    np.testing.assert_array_equal(svm.decision_function(X), scores)
    positions = svm.rank(X, groups)
    for name in (0, 7):
        here = groups == name
        assert sorted(positions[here]) == list(range(1, 9))
        assert (np.diff(scores[here][np.argsort(positions[here])]) <= 0).all()
    assert svm.score(X, y, groups) == pytest.approx(mean_ndcg(y, scores, groups, k=3))
    relevant = (y == 2).astype(int)
    svm = RankingSVM("average_precision", random_state=0).fit(X, relevant, groups)
    expected = mean_average_precision(relevant, svm.predict(X), groups)
    assert svm.score(X, relevant, groups) == pytest.approx(expected)


def test_the_model_takes_lists_of_queries():
    X, y, groups = search_results()
    svm = RankingSVM(random_state=0).fit(X, y, groups)
    queries = [X[groups == name] for name in range(30)]
    model = StructSVM(RankingModel(), random_state=0)
    model.fit(queries, [y[groups == name] for name in range(30)])
    np.testing.assert_array_equal(model.coef_, svm.coef_)
    np.testing.assert_allclose(np.concatenate(model.predict(queries)), svm.predict(X))


def test_units_and_offsets_of_columns_do_not_matter():
    X, y, groups = search_results()
    svm = RankingSVM(tol=1e-8, random_state=0).fit(X, y, groups)
    moved = RankingSVM(tol=1e-8, random_state=0).fit(1e3 * X + 1e5, y, groups)
    np.testing.assert_allclose(moved.coef_ * 1e3, svm.coef_, rtol=1e-3)
    assert pytest.approx(svm.C_, rel=1e-6) == moved.C_
    sparse = RankingSVM(tol=1e-8, random_state=0).fit(sp.csr_array(X), y, groups)
    np.testing.assert_allclose(sparse.coef_, svm.coef_, rtol=1e-3)


def test_weights_of_queries():
    X, y, groups = search_results(10)
    twice = np.concatenate([X, X[groups < 5]]), np.concatenate([y, y[groups < 5]])
    names = np.concatenate([groups, groups[groups < 5] + 100])
    plain = {"C": 0.1, "scale": None, "tol": 1e-8, "random_state": 0}
    weighed = RankingSVM(**plain).fit(X, y, groups, np.where(groups < 5, 2.0, 1.0))
    repeated = RankingSVM(**plain).fit(*twice, names)
    assert weighed.objective_ == pytest.approx(repeated.objective_, rel=1e-7)
    with pytest.raises(ValueError, match="differs within the query that is number 3 by name"):
        RankingSVM().fit(X, y, groups, np.where(np.arange(len(X)) == 30, 2.0, 1.0))


def test_c_is_chosen_by_held_out_queries():
    X, y, groups = search_results(40)
    svm = RankingSVM(C="auto", k=3, random_state=0).fit(X, y, groups)
    assert len(svm.path_["C"]) >= 3
    assert svm.C_ in svm.path_["C"]


def test_held_out_queries_choose_the_weights():
    X, y, groups = search_results()
    X_val, y_val, groups_val = search_results(seed=1)
    svm = RankingSVM(random_state=0)
    svm.fit(X, y, groups, X_val=X_val, y_val=y_val, groups_val=groups_val)
    assert svm.validation_score_ == pytest.approx(svm.score(X_val, y_val, groups_val))
    with pytest.raises(ValueError, match="in X_val and y_val: groups has shape"):
        svm.fit(X, y, groups, X_val=X_val, y_val=y_val, groups_val=[1])


def test_checkpoints_paths_threads_and_pieces(tmp_path):
    X, y, groups = search_results()
    path = tmp_path / "fit"
    params = {"random_state": 0, "tol": 1e-6}
    whole = RankingSVM(**params).fit(X, y, groups)
    stop = [Checkpoint(path, every=1), lambda progress: progress.n_iter == 2]
    RankingSVM(**params, callbacks=stop).fit(X, y, groups)
    resumed = RankingSVM(**params).fit(X, y, groups, resume_from=path)
    np.testing.assert_array_equal(resumed.coef_, whole.coef_)
    two, three = (RankingSVM(**params, n_jobs=n).fit(X, y, groups) for n in (2, 3))
    np.testing.assert_array_equal(two.coef_, three.coef_)
    fits = fit_path(RankingSVM(**params), X, y, [0.01, 1.0], groups=groups)
    assert [svm.C for svm in fits] == [0.01, 1.0]
    online = RankingSVM(solver="perceptron")
    for name in range(0, 30, 10):
        here = (groups >= name) & (groups < name + 10)
        online.partial_fit(X[here], y[here], groups[here])
    assert online.score(X, y, groups) > 0.9


def test_a_loaded_ranker_gives_the_same_scores(tmp_path):
    X, y, groups = search_results(10)
    svm = RankingSVM("ndcg", k=3, gain="linear", random_state=0).fit(X, y, groups)
    svm.save(tmp_path / "model")
    copy = structsvm.load(tmp_path / "model")
    np.testing.assert_array_equal(copy.predict(X), svm.predict(X))
    assert copy.score(X, y, groups) == svm.score(X, y, groups)
    assert copy.get_params()["gain"] == "linear"


def test_grid_search_keeps_queries_whole():
    X, y, groups = search_results()
    with sklearn.config_context(enable_metadata_routing=True):
        svm = RankingSVM(random_state=0).set_fit_request(groups=True).set_score_request(groups=True)
        search = GridSearchCV(svm, {"C": [1e-3, 1.0]}, cv=GroupKFold(3))
        search.fit(X, y, groups=groups)
    assert search.best_score_ > 0.9
    assert clone(svm).get_params() == svm.get_params()


def test_path_search_keeps_queries_whole():
    X, y, groups = search_results()
    search = PathSearch(RankingSVM(k=3, random_state=0), cv=GroupKFold(3))
    search.fit(X, y, groups=groups)
    assert search.best_score_ > 0.9
    alone = RankingSVM(k=3, C=search.best_params_["C"], random_state=0).fit(X, y, groups)
    assert search.score(X, y, groups=groups) == pytest.approx(alone.score(X, y, groups), abs=0.01)
    with pytest.raises(ValueError, match="RankingSVM needs groups of X_val"):
        search.fit(X, y, groups=groups, X_val=X, y_val=y)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"groups": [8] * 10}, r"groups has shape \(10,\), expected \(80,\): the query of each"),
        ({"y": np.zeros(80)}, "all documents of each query have one grade"),
        ({"y": np.zeros(3)}, "y has 3 grades, expected 80"),
        ({"y": np.zeros((80, 2))}, "y has 2 dimensions, expected 1"),
        ({"sample_weight": [1.0]}, r"sample_weight has shape \(1,\)"),
        ({"groups": np.full(80, np.inf)}, r"groups\[0\] is not finite"),
    ],
)
def test_bad_input_is_refused(change, message):
    X, y, groups = search_results(10)
    with pytest.raises(ValueError, match=message):
        RankingSVM().fit(**({"X": X, "y": y, "groups": groups} | change))
    svm = RankingSVM(random_state=0).fit(X, y, groups)
    with pytest.raises(ValueError, match="X has 3 features, but RankingSVM is expecting 4"):
        svm.predict(X[:, :3])


@pytest.mark.parametrize("of_queries", [False, True])
def test_features_that_do_not_tell_documents_apart(of_queries):
    rng = np.random.default_rng(0)
    y, groups = rng.integers(0, 3, 80), np.repeat(np.arange(10), 8)
    X = rng.normal(size=(10, 2))[groups] if of_queries else np.full((80, 2), 0.1)
    with pytest.warns(TrivialFitWarning, match="weights of zero are optimal"):
        svm = RankingSVM(random_state=0).fit(X, y, groups)
    assert svm.certified_
    assert svm.C_ == 3.0
