"""Parts that share weights by several tables of kinds."""

import itertools

import numpy as np
import pytest

from structsvm import Parts, PartsModel, StructSVM, load
from structsvm.inference import ShortestPath, Subset

RNG = np.random.default_rng(0)
N = 8


def tables(n=40):
    """The best 3 of 8 parts, by a table of 4 and one of 3, of which some parts have no entry."""
    X, y = [], []
    first, second = RNG.normal(size=4), np.append(RNG.normal(size=3), 0.0)
    for _ in range(n):
        kinds = np.stack([RNG.integers(4, size=N), RNG.integers(-1, 3, size=N)], axis=1)
        theta = first[kinds[:, 0]] + second[kinds[:, 1]] + 0.3 * RNG.normal(size=N)
        X.append(Parts(kinds=kinds))
        y.append(np.argsort(-theta)[:3])
    return X, y


X, Y = tables()


def one_hot(x):
    """The same as rows of features."""
    kinds = np.asarray(x.kinds)
    rows = np.zeros((len(kinds), 7))
    rows[np.arange(len(kinds)), kinds[:, 0]] = 1
    with_entry = kinds[:, 1] >= 0
    rows[with_entry, 4 + kinds[with_entry, 1]] = 1
    return rows


def fitted(X, **params):
    model = PartsModel(Subset(3), output="indices", fit_intercept=False)
    return StructSVM(model, C=0.1, scale=None, random_state=0, tol=1e-6, **params).fit(X, Y)


def test_tables_are_indicators_without_the_rows(tmp_path):
    svm = fitted(X)
    assert svm.model_.layout_.shapes == {"kinds": (4,), "kinds_1": (3,)}
    rows = fitted([one_hot(x) for x in X])
    assert svm.objective_ == pytest.approx(rows.objective_, rel=2e-6)
    np.testing.assert_allclose(svm.coef_, rows.coef_, atol=1e-2)
    scores = rows.decision_function([one_hot(x) for x in X])
    np.testing.assert_allclose(svm.decision_function(X), scores, atol=0.05)
    svm.save(tmp_path / "parts.npz")
    assert np.array_equal(load(tmp_path / "parts.npz").coef_, svm.coef_)
    C = StructSVM(svm.model, random_state=0).fit(X, Y).C_
    assert pytest.approx(3 * 2 / 2) == C  # two indicators a part


def test_steps_of_a_path_share_a_symmetric_table():
    """Edges are scored by the two kinds of their nodes, in any order."""
    pairs = {pair: k for k, pair in enumerate(itertools.combinations_with_replacement(range(3), 2))}
    edges = [(a, b) for a in range(9) for b in (a + 1, a + 3) if b < 9 and (b % 3 or b == a + 3)]
    path = ShortestPath(edges, 0, 8)
    inputs = []
    for _ in range(30):
        of_nodes = RNG.integers(3, size=9)
        kinds = [pairs[min(p), max(p)] for p in (of_nodes[[a, b]].tolist() for a, b in edges)]
        inputs.append(Parts(rows=RNG.normal(size=(len(edges), 2)), kinds=np.array(kinds)[:, None]))
    table, bound = RNG.normal(size=6), path.bind([None] * 30, [len(edges)] * 30)
    y = [
        bound.maximize(i, table[x.kinds[:, 0]] + x.rows @ [1.0, -1.0])[0]
        for i, x in enumerate(inputs)
    ]
    y = [row[row >= 0] for row in y]
    model = PartsModel(path, output="indices")
    svm = StructSVM(model, C=10.0, scale=None, random_state=0).fit(inputs, y)
    assert svm.certified_
    assert svm.score(inputs, y) == 0
    assert svm.coef_.shape == (8,)


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        (
            np.zeros((N, 3), dtype=int),
            r"kinds of X\[1\] .* \(8, 3\), expected 8 integers >= -1",
        ),
        (np.zeros(N, dtype=int), r"kinds of X\[1\] .* expected 8 integers >= -1, in 2 columns"),
        (np.zeros((N, 0), dtype=int), r"kinds of X\[0\] .* \(8, 0\), expected 8 integers >= -1$"),
        (np.full((N, 2), -2), "expected 8 integers >= -1, in 2 columns"),
        (np.full((N, 2), 2**32), r"X\[1\] has a part of kind 4294967296, expected below"),
    ],
)
def test_bad_tables_are_refused(kinds, message):
    with pytest.raises(ValueError, match=message):
        fitted([X[0] if kinds.size else Parts(kinds=kinds), Parts(kinds=kinds), *X[2:]])


def test_kinds_to_predict_are_those_of_training():
    svm = fitted(X)
    kinds = np.array(X[0].kinds)
    kinds[0, 1] = 3
    with pytest.raises(ValueError, match="part of kind 3 in column 1, expected 0 to 2 as in train"):
        svm.predict([Parts(kinds=kinds)])
    with pytest.raises(ValueError, match=r"X has \{'n_kinds': 4\}, expected \{'n_kinds': 4, 'n_k"):
        svm.predict([Parts(kinds=X[0].kinds[:, 0])])
