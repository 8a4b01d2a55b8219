"""PathSearch: C and weights of classes along warm-started paths."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris, make_classification
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from structsvm import ChainSVM, GridSVM, MulticlassSVM, PathSearch, SequenceTagger, fit_path
from structsvm.datasets import make_segmentation
from structsvm.metrics import jaccard

CS = [0.01, 0.1, 1.0]


def rows(seed=0):
    return make_classification(
        150, 12, n_informative=4, n_classes=3, weights=[0.7, 0.2, 0.1], random_state=seed
    )


def sequences(n=20, seed=0):
    random = np.random.default_rng(seed)
    y = [random.integers(0, 2, 4) for _ in range(n)]
    return [np.c_[labels + random.normal(size=4), 1 - labels] for labels in y], y


def test_the_table_is_that_of_separate_paths():
    X, y = rows()
    search = PathSearch(MulticlassSVM(random_state=0), Cs=CS[::-1], cv=3).fit(X, y)
    table = search.cv_results_
    np.testing.assert_array_equal(table["param_C"], CS)
    assert search.n_splits_ == 3
    assert (table["dual_gap"] <= 1e-3).all()
    assert table["certified"].all()
    means = np.mean([table[f"split{k}_test_score"] for k in range(3)], axis=0)
    np.testing.assert_allclose(table["mean_test_score"], means)
    assert search.best_score_ == means.max() == means[search.best_index_]
    assert table["rank_test_score"][search.best_index_] == 1
    # What is best is trained again on all rows.
    cold = MulticlassSVM(C=search.best_params_["C"], random_state=0).fit(X, y)
    np.testing.assert_array_equal(search.best_estimator_.coef_, cold.coef_)
    np.testing.assert_array_equal(search.predict(X), cold.predict(X))
    assert search.score(X, y) == cold.score(X, y)
    np.testing.assert_array_equal(search.classes_, [0, 1, 2])
    assert search.n_features_in_ == 12


def test_with_held_out_examples_the_best_is_there_already():
    X, y = sequences()
    svm = ChainSVM(random_state=0)
    search = PathSearch(svm, Cs=CS).fit(X[:15], y[:15], X_val=X[15:], y_val=y[15:])
    path = fit_path(svm, X[:15], y[:15], CS)
    scores = [one.score(X[15:], y[15:]) for one in path]
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], scores)
    best = path[int(np.argmax(scores))]
    np.testing.assert_array_equal(search.best_estimator_.coef_, best.coef_)
    assert search.best_estimator_.C == search.best_params_["C"] == best.C


def test_weights_of_classes_and_other_scores():
    X, y = rows()
    search = PathSearch(
        MulticlassSVM(random_state=0),
        Cs=CS,
        class_weights=[None, "balanced", 3],
        scoring="f1_macro",
    )
    search.fit(X[:100], y[:100], X_val=X[100:], y_val=y[100:])
    weights = search.cv_results_["param_class_weight"]
    assert weights[::3].tolist() == [None, "balanced", {2: 3.0}]  # class 2 is the rarest
    for params, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        svm = MulticlassSVM(random_state=0, **params).fit(X[:100], y[:100])
        expected = f1_score(y[100:], svm.predict(X[100:]), average="macro")
        assert score == pytest.approx(expected, abs=0.03)  # within the gap


def test_images_are_scored_by_overlap():
    blobs = make_segmentation(n_train=6, n_test=2, random_state=0)
    search = PathSearch(GridSVM(tol=1e-2, random_state=0), Cs=[1.0, 100.0], scoring="jaccard")
    search.fit(blobs.X_train, blobs.y_train, X_val=blobs.X_test, y_val=blobs.y_test)
    overlap = jaccard(blobs.y_test, search.predict(blobs.X_test))
    assert search.best_score_ == overlap == search.score(blobs.X_test, blobs.y_test)


def test_groups_stay_together():
    X, y = rows()
    groups = np.arange(150) // 10
    seen = []

    def score(svm, X_held_out, y_held_out):
        seen.append({tuple(row) for row in X_held_out})
        return svm.score(X_held_out, y_held_out)

    search = PathSearch(MulticlassSVM(random_state=0), Cs=[0.1], scoring=score)
    search.fit(X, y, groups=groups)
    whole = [{tuple(row) for row in X[groups == g]} for g in range(15)]
    assert all(group <= seen[0] or not group & seen[0] for group in whole)
    assert len(seen[0]) == 30
    search.set_params(cv=GroupKFold(3)).fit(X, y, groups=groups)
    assert search.n_splits_ == 3


def test_weights_of_examples_are_split_with_them():
    X, y = sequences()
    weight = np.r_[np.ones(10), np.zeros(10)]
    first = PathSearch(ChainSVM(random_state=0), Cs=[1.0], cv=[(np.arange(15), np.arange(15, 20))])
    first.fit(X, y, sample_weight=weight, position_weight=[np.ones(4)] * 20)
    svm = ChainSVM(C=1.0, random_state=0).fit(X[:15], y[:15], sample_weight=weight[:15])
    assert first.best_score_ == svm.score(X[15:], y[15:])


def test_values_in_units_of_the_data():
    X, y = load_iris(return_X_y=True)
    search = PathSearch(MulticlassSVM(random_state=0)).fit(X, y)
    unit = MulticlassSVM().fit(X, y).C_ / 3
    np.testing.assert_allclose(
        search.cv_results_["param_C"], unit * np.array([0.03, 0.1, 0.3, 1, 3, 10, 30]), rtol=0.02
    )
    other = PathSearch(MulticlassSVM(random_state=0)).fit(1e3 * X, y)
    np.testing.assert_array_equal(other.predict(1e3 * X), search.predict(X))


def test_an_estimator_as_any_other():
    X, y = load_iris(return_X_y=True)
    search = PathSearch(MulticlassSVM(random_state=0), Cs=CS)
    assert search.get_params()["estimator__random_state"] == 0
    search.set_params(estimator__loss="weston_watkins")
    with pytest.raises(NotFittedError):
        search.predict(X)
    copy = clone(search)
    assert copy.estimator.loss == "weston_watkins"
    search.fit(X, y)
    assert search.best_estimator_.loss == "weston_watkins"
    assert not hasattr(search.estimator, "coef_")
    again = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(again.predict(X), search.predict(X))
    np.testing.assert_array_equal(copy.fit(X, y).predict(X), search.predict(X))
    assert make_pipeline(StandardScaler(), copy).fit(X, y).score(X, y) > 0.9
    search.set_params(refit=False).fit(X, y)
    with pytest.raises(AttributeError, match="refit=False"):
        search.predict(X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"Cs": []}, "Cs is empty"),
        ({"Cs": "all"}, "Cs='all': expected 'auto'"),
        ({"Cs": [0.1, -1]}, r"Cs\[1\]=-1: expected a finite number > 0"),
        ({"class_weights": []}, "class_weights is empty"),
        ({"estimator": ChainSVM(), "class_weights": [None]}, "ChainSVM has no class_weight"),
        ({"estimator": MulticlassSVM(solver="perceptron")}, "keeps no dual state"),
        ({"estimator": SequenceTagger()}, "takes a ChainSVM and rows"),
        ({"scoring": "nothing"}, "nothing"),
    ],
)
def test_what_does_not_go(params, message):
    X, y = load_iris(return_X_y=True)
    search = PathSearch(**{"estimator": MulticlassSVM(), **params})
    with pytest.raises(ValueError, match=message):
        search.fit(X, y)


def test_held_out_examples_come_in_pairs():
    X, y = load_iris(return_X_y=True)
    with pytest.raises(ValueError, match="X_val is given without y_val"):
        PathSearch(MulticlassSVM()).fit(X, y, X_val=X)
