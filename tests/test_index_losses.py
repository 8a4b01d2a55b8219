"""Losses that are one minus an index of overlap: weights of classes, chosen by the index."""

import numpy as np
import pytest
from scipy import ndimage
from sklearn.base import clone

import structsvm
from structsvm import GraphSVM, GridSVM
from structsvm.datasets import make_lines, make_segmentation
from structsvm.estimators.index_weights import _gain
from structsvm.metrics import dice, jaccard

LINES = make_lines(8, 4, share=0.06, contrast=0.25, size=(40, 52), random_state=0)


def features(image):
    grey = image / 255
    return np.stack([grey, *(ndimage.gaussian_filter(grey, s) for s in (1, 2, 6))], axis=-1)


X, X_TEST = ([features(x) for x in LINES[f"images_{part}"]] for part in ("train", "test"))


@pytest.mark.parametrize(("loss", "index"), [("jaccard", jaccard), ("dice", dice)])
def test_weights_are_the_best_by_the_index(loss, index, tmp_path):
    svm = GridSVM(loss=loss, random_state=0).fit(X[:5], LINES.y_train[:5], X_val=X[5:],
                                                 y_val=LINES.y_train[5:])  # fmt: skip
    path = svm.index_path_
    assert set(path) == {"power", "class_weight", "score", "chosen", "classes"}
    assert len(path["power"]) >= 3
    [chosen] = np.flatnonzero(path["chosen"])
    assert path["score"][chosen] >= path["score"][path["power"] == 1.0]
    np.testing.assert_array_equal(svm.model_.class_weight_, path["class_weight"][chosen])
    assert svm.certified_
    plain = GridSVM(random_state=0)
    for weights, score in zip(path["class_weight"], path["score"], strict=True):
        plain.set_params(class_weight=dict(enumerate(weights.tolist())))
        plain.fit(X[:5], LINES.y_train[:5])
        found = index(LINES.y_train[5:], plain.predict(X[5:]), labels=[1])
        assert found == pytest.approx(score)
    svm.save(tmp_path / "svm")
    again = structsvm.load(tmp_path / "svm")
    assert again.loss == loss
    assert again.class_weight == "auto"
    np.testing.assert_array_equal(again.predict(X_TEST)[0], svm.predict(X_TEST)[0])
    assert clone(svm).get_params() == svm.get_params()


def test_a_third_is_held_out():
    svm = GridSVM(loss="jaccard", random_state=0).fit(2 * X, 2 * LINES.y_train)
    assert np.isfinite(svm.index_path_["score"]).all()
    assert svm.index_path_["chosen"].sum() == 1
    svm = GridSVM(loss="jaccard", random_state=0).fit(X[:4], LINES.y_train[:4])
    assert svm.index_path_["power"].tolist() == [1.0]
    assert np.isnan(svm.index_path_["score"]).all()
    same = GridSVM(class_weight="jaccard", random_state=0).fit(X[:4], LINES.y_train[:4])
    np.testing.assert_array_equal(svm.coef_, same.coef_)


def test_chance_does_not_choose():
    """Two powers that are as good but for noise: the power stays 1."""
    rng = np.random.default_rng(0)
    both = rng.integers(40, 60, size=(12, 1))
    sizes = 2 * both + 40
    other = both + rng.integers(-3, 4, size=(12, 1))
    gain, error = _gain("jaccard", (other, sizes), (both, sizes))
    assert abs(gain) < 2 * error
    gain, error = _gain("dice", (both + 10, sizes + 10), (both, sizes))
    assert gain > 5 * error


def test_three_classes_and_graphs():
    blobs = make_segmentation(16, 4, n_labels=3, size=(14, 16), random_state=0)
    svm = GridSVM(loss="dice", tol=0.1, random_state=0).fit(blobs.X_train, blobs.y_train)
    assert svm.index_path_["class_weight"].shape[1] == 3
    assert dice(blobs.y_test, svm.predict(blobs.X_test)) > 0.8
    rng = np.random.default_rng(0)
    graphs, y = [], []
    for _ in range(16):
        labels = (rng.random(12) < 0.3).astype(int)
        labels[:2] = 0, 1
        rows = np.stack([labels + 0.5 * rng.normal(size=12)], axis=1)
        graphs.append((rows, [[k, k + 1] for k in range(11)]))
        y.append(labels)
    graph = GraphSVM(loss="jaccard", random_state=0).fit(graphs, y)
    assert np.isfinite(graph.index_path_["score"]).all()
    assert jaccard(y, graph.predict(graphs), labels=[1]) > 0.3


@pytest.mark.parametrize(
    ("params", "arguments", "message"),
    [
        (
            {"class_weight": "balanced"},
            {},
            "chooses weights of classes, but class_weight='balanced'",
        ),
        ({"class_weight": {0: 1, 1: 3}}, {}, "chooses weights of classes"),
        ({}, {"resume_from": "nowhere"}, "resume_from is not for losses that are an index"),
        ({"loss": "tversky"}, {}, "tversky"),
    ],
)
def test_bad_settings(params, arguments, message):
    with pytest.raises(ValueError, match=message):
        GridSVM(**({"loss": "jaccard"} | params)).fit(X, LINES.y_train, **arguments)
