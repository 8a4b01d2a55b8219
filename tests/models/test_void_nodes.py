"""Labels of nodes and pixels that are None: as those with `ignore_label`."""

import numpy as np
import pytest

from structsvm import GraphModel, GraphSVM, GridModel, GridSVM, LatentSVM, StructSVM
from structsvm.metrics import jaccard, pixel_accuracy


def rings(names, seed=0):
    rng = np.random.default_rng(seed)
    edges = [[k, (k + 1) % 6] for k in range(6)]
    X, by_none, by_label = [], [], []
    for _ in range(12):
        numbers = np.repeat(rng.integers(0, 2, 3), 2)
        X.append(((numbers - 0.5)[:, None] + rng.normal(size=(6, 1)), edges))
        hidden = rng.random(6) < 0.3
        labels = [names[k] for k in numbers]
        by_none.append([None if h else k for h, k in zip(hidden, labels, strict=True)])
        by_label.append([names[2] if h else k for h, k in zip(hidden, labels, strict=True)])
    return X, by_none, by_label


@pytest.mark.parametrize("names", [(0, 1, -1), ("a", "b", "?")])
@pytest.mark.parametrize("model", [GraphModel, LatentSVM])
def test_none_is_as_the_label_that_is_ignored(names, model):
    X, by_none, by_label = rings(names)

    def fitted(y, **ignored):
        if model is LatentSVM:
            return LatentSVM(GraphModel(**ignored), random_state=0).fit(X, y)
        return StructSVM(GraphModel(pairwise="table", **ignored), random_state=0).fit(X, y)

    one, two = fitted(by_none), fitted(by_label, ignore_label=names[2])
    np.testing.assert_array_equal(one.coef_, two.coef_)
    assert one.model_.classes_.tolist() == list(names[:2])
    assert one.score(X, by_none) == two.score(X, by_label)
    as_arrays = [np.array(row, dtype=object) for row in by_none]
    np.testing.assert_array_equal(fitted(as_arrays).coef_, one.coef_)
    mixed = [by_label[0], *by_none[1:]]  # either way at once
    np.testing.assert_array_equal(fitted(mixed, ignore_label=names[2]).coef_, one.coef_)
    if model is LatentSVM:
        for found, partial in zip(one.complete(X, by_none), by_none, strict=True):
            assert all(b is None or a == b for a, b in zip(found, partial, strict=True))
    else:
        assert one.model_.loss(by_none[0], by_none[0]) == 0.0


def test_images_and_estimators_take_none():
    rng = np.random.default_rng(0)
    X, y, partial, marked = [], [], [], []
    for _ in range(6):
        truth = np.zeros((6, 6), dtype=int)
        truth[1:4, 2:5] = 1
        X.append(truth[:, :, None] - 0.5 + 0.5 * rng.normal(size=(6, 6, 1)))
        hidden = rng.random((6, 6)) < 0.3
        y.append(truth)
        partial.append(np.where(hidden, None, truth))
        marked.append(np.where(hidden, 255, truth))
    for C in (1.0, "auto"):
        one = GridSVM(C=C, random_state=0).fit(X, partial)
        two = GridSVM(C=C, ignore_label=255, random_state=0).fit(X, marked)
        np.testing.assert_array_equal(one.coef_, two.coef_)
    assert one.score(X, partial) == two.score(X, marked)
    truths = [np.array(row, dtype=bool) for row in y]
    with_none = [np.where(row, True, None) for row in truths]
    with_none[0] = truths[0]
    assert StructSVM(GridModel(), random_state=0).fit(X, with_none).model_.classes_.tolist() == [
        0,
        1,
    ]
    answers = one.predict(X)
    for metric in (pixel_accuracy, jaccard):
        assert metric(partial, answers) == metric(marked, answers, ignore_label=255)


@pytest.mark.parametrize(
    ("y", "told"),
    [
        ([[None, None]] * 2, "all labels in y are None: nothing is left to learn"),
        ([[0, None, 1], [0, 1]], r"y\[0\] has shape \(3,\), expected \(2,\) as X\[0\] has"),
        ([[0, None], ["a", 1]], "integers"),
        ([None, [0, 1]], r"y\[0\]"),
    ],
)
def test_what_is_no_label_is_told(y, told):
    X = [([[0.0], [1.0]], [[0, 1]])] * 2
    with pytest.raises(ValueError, match=told):
        GraphSVM().fit(X, y)
    with pytest.raises(ValueError, match="all labels in y_true are None: nothing to score"):
        pixel_accuracy([[None, None]], [[0, 1]])
