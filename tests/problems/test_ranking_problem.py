"""Oracles of rankings against all orders of few documents, with ties in scores and grades."""

import itertools

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import linear_sum_assignment

from structsvm import RankingModel, StructSVM
from structsvm.hinge import pairwise_hinge

BINARY = ("average_precision", "precision", "f1")


@st.composite
def queries(draw, loss):
    """Documents of one feature, their score; grades; a model."""
    n = draw(st.integers(1, 6))
    scores = draw(arrays(np.float64, n, elements=st.sampled_from([0.0, 0.5, -0.5, 0.1, 2.0])))
    grades = draw(arrays(np.float64, n, elements=st.integers(0, 1 if loss in BINARY else 3)))
    k = None if loss == "average_precision" else draw(st.sampled_from([None, 1, 2, 4, 9]))
    gain = draw(st.sampled_from(["exponential", "linear"]))
    return scores, grades, RankingModel(loss, k=k, gain=gain, normalize=draw(st.booleans()))


def plane_of(model, x, y, w=1.0):
    model.initialize([x], [y])
    _, values, loss = model.bind([x], [y]).oracle(0, np.array([w]))
    return values.sum(), loss


def pairs_of(grades):
    n = range(len(grades))
    return [(i, j) for i, j in itertools.product(n, n) if grades[i] > grades[j]]


@pytest.mark.parametrize("loss", ["ndcg", *BINARY])
@given(st.data())
@settings(max_examples=60)
def test_the_worst_of_all_orders_is_found(loss, data):
    scores, grades, model = data.draw(queries(loss))
    delta, found = plane_of(model, scores[:, None], grades)
    pairs = pairs_of(grades)
    share = 1 / max(len(pairs), 1) if model.normalize else 1.0
    planes = []
    for order in itertools.permutations(range(len(scores))):
        swapped = [scores[i] - scores[j] for i, j in pairs if order[i] < order[j]]
        planes.append((share * sum(swapped), model.loss(grades, order)))
    assert found - delta == pytest.approx(max(b - a for a, b in planes), abs=1e-12)
    assert any(np.allclose((delta, found), plane, atol=1e-12) for plane in planes)


@given(st.data())
@settings(max_examples=60)
def test_pairs_are_swapped_one_by_one(data):
    scores, grades, model = data.draw(queries("pairwise"))
    delta, found = plane_of(model, scores[:, None], grades)
    pairs = pairs_of(grades)
    share = 1 / max(len(pairs), 1) if model.normalize else 1.0
    hinge = share * sum(max(0.0, 1 - (scores[i] - scores[j])) for i, j in pairs)
    assert found - delta == pytest.approx(hinge, abs=1e-12)
    if pairs:
        one = pairwise_hinge(grades, scores, reduction="mean" if model.normalize else "sum")
        assert found - delta == pytest.approx(float(one), abs=1e-12)


@pytest.mark.parametrize("loss", ["pairwise", "ndcg", "average_precision"])
def test_large_queries(loss):
    """Beyond the runs of the sort; the measures against an assignment of documents to places."""
    rng = np.random.default_rng(0)
    n, grades = 300, np.arange(300) % 2
    x = rng.normal(size=(n, 1)) + grades[:, None]
    delta, found = plane_of(RankingModel(loss), x, grades)
    if loss == "pairwise":
        assert found - delta == pytest.approx(float(pairwise_hinge(grades, x[:, 0])))
        return
    # The same number of positions for each relevant document, one after the other.
    up, low = (np.sort(x[grades == g, 0])[::-1] for g in (1, 0))
    sums, best = np.append(0.0, np.cumsum(low)), np.zeros(len(low) + 1)
    # best[j]: of the relevant documents so far, with the last one below j others.
    for u, s in enumerate(up):
        above = np.arange(len(low) + 1)
        if loss == "ndcg":
            gain = 1 / np.log2(u + 2 + above) / (1 / np.log2(2 + np.arange(len(up)))).sum()
        else:
            gain = (u + 1) / (u + 1 + above) / len(up)
        best = np.maximum.accumulate(best) - gain + (sums - above * s) / (len(up) * len(low))
    assert found - delta == pytest.approx(1 + best.max())


@pytest.mark.parametrize("k", [None, 5])
@pytest.mark.parametrize("spread", [0.0, 0.3, 5.0])
def test_several_grades_are_an_assignment(k, spread):
    """Against scipy's: positions add scores of all pairs, those of one grade are the same for all
    rankings that are best."""
    rng = np.random.default_rng(3)
    n, grades = 80, rng.integers(0, 5, size=80).astype(float)
    s = np.round(spread * rng.normal(size=n), 1)
    delta, found = plane_of(RankingModel("ndcg", k=k), s[:, None], grades)
    discount = 1 / np.log2(np.arange(2, n + 2)) * (np.arange(n) < (k or n))
    gain = 2.0**grades - 1
    unlike = grades[:, None] != grades
    n_pairs = unlike.sum() / 2
    positions = s[:, None] * (n - 1 - 2 * np.arange(n)) / (2 * n_pairs)
    table = positions - np.outer(gain, discount) / (np.sort(gain)[::-1] @ discount)
    best = table[linear_sum_assignment(table, maximize=True)].sum()
    alike = np.abs(s[:, None] - s)[~unlike].sum() / 2
    right = ((s[:, None] - s) * (grades[:, None] > grades)).sum()
    assert found - delta == pytest.approx(1 + best - (alike + right) / (2 * n_pairs))


def test_three_grades_of_many_documents():
    """More documents than can be enumerated: no exchange of two of the answer is worth more."""
    rng = np.random.default_rng(1)
    x, grades = rng.normal(size=(25, 1)), rng.integers(0, 4, size=25).astype(float)
    model = RankingModel("ndcg", k=10)
    model.initialize([x], [grades])
    w = np.ones(1)
    answer = model.loss_augmented_inference(x, grades, w)
    pairs = pairs_of(grades)

    def value(order):
        swapped = [x[i, 0] - x[j, 0] for i, j in pairs if order[i] < order[j]]
        return model.loss(grades, order) - sum(swapped) / len(pairs)

    best = value(answer)
    _, values, loss = model.bind([x], [grades]).oracle(0, w)
    assert best == pytest.approx(loss - values.sum())
    for i, j in itertools.combinations(range(25), 2):
        other = answer.copy()
        other[[i, j]] = answer[[j, i]]
        assert value(other) <= best + 1e-12


def test_an_answer_says_how_documents_stand():
    model = RankingModel("average_precision")
    x, y = np.array([[2.0], [0.0], [1.0]]), [0, 1, 0]
    model.initialize([x], [y])
    assert model.loss_augmented_inference(x, y, np.ones(1)).tolist() == [2, 0, 1]
    assert model.inference(x, np.ones(1)).tolist() == [2, 0, 1]
    model = RankingModel()
    model.initialize([x], [y])
    # Document 1 is below both others, and no other pair counts.
    assert model.loss_augmented_inference(x, y, np.ones(1)).tolist() == [1, -2, 1]
    values = model.bind([x], [y]).predict(np.ones(1), augmented=True)[1]
    assert values == pytest.approx([1 + (0 * -2 + 2 + 1) / 2 / 2])


def test_perceptrons_leave_zero():
    """Where all scores are alike the plain ranking is wrong, whatever the order of documents."""
    X, y = [np.array([[2.0], [1.0], [0.0]])], [[2, 1, 0]]
    svm = StructSVM(RankingModel(), solver="perceptron", scale=None, random_state=0).fit(X, y)
    assert svm.coef_[0] > 0
    assert svm.score(X, y) == 1.0


@pytest.mark.parametrize("loss", ["pairwise", "ndcg", "precision"])
def test_dense_and_sparse_rows_and_both_precisions_train_alike(loss):
    rng = np.random.default_rng(2)
    X = [rng.integers(-2, 3, size=(6, 4)).astype(float) for _ in range(5)]
    y = [rng.permutation([0, 0, 1, 1, 0, 1]) for _ in X]

    def fitted(convert):
        svm = StructSVM(RankingModel(loss), C=0.3, tol=1e-9, random_state=0)
        return svm.fit([convert(x) for x in X], y).coef_

    dense = fitted(np.asarray)
    for convert in (sp.csr_matrix, lambda x: x.astype(np.float32), sp.csr_array):
        np.testing.assert_allclose(fitted(convert), dense, rtol=1e-3, atol=1e-4)


def test_scores_beyond_all_numbers_are_refused():
    X, y = [np.array([[1e300], [0.0]])], [[1, 0]]
    model = RankingModel("ndcg", k=1)
    model.initialize(X, y)
    with pytest.raises(ValueError, match="example 0 holds NaN or inf"):
        model.bind(X, y).oracle(0, np.array([1e100]))


@pytest.mark.parametrize(
    ("model", "X", "y", "message"),
    [
        (RankingModel("map"), [[[1.0]]], [[1]], "unknown loss 'map': expected one of 'pairwise'"),
        (RankingModel("ndcg", gain="log"), [[[1.0]]], [[1]], "gain='log': expected one of"),
        (RankingModel(k=0), [[[1.0]]], [[1]], "k=0: expected a finite number > 0"),
        (RankingModel("average_precision", k=2), [[[1.0]]], [[1]], "counts all positions"),
        (
            RankingModel("f1"),
            [[[1.0]]] * 2,
            [[1], [2]],
            r"y\[1\]\[0\] is the grade 2, expected 0 or",
        ),
        (RankingModel("ndcg"), [[[1.0]]], [[-1]], r"y\[0\]\[0\] is the grade -1, expected 0 to 50"),
        (RankingModel("ndcg"), [[[1.0]]], [[51]], "expected 0 to 50 with gain='exponential'"),
        (RankingModel(), [[[1.0]], [[1.0]]], [[1], [1, 2]], r"y\[1\] has 2 grades, expected 1"),
        (RankingModel(), [[[1.0]]], [[np.nan]], r"y\[0\]\[0\] is not finite"),
        (RankingModel(), [[[1.0]]], [["a"]], r"y\[0\] has dtype"),
        (RankingModel(), [[[1.0]], [[1.0, 2.0]]], [[1], [1]], "in query 1: X has 2 features, exp"),
        (RankingModel(), [[[1.0]], [[np.inf]]], [[1], [1]], r"in query 1: X\[0, 0\] is inf"),
        (RankingModel(), [[1.0]], [[1]], "in query 0: X has 1 dimension, expected 2"),
        (RankingModel(), [np.zeros((0, 2))], [[]], "X has no documents"),
    ],
)
def test_bad_queries_are_refused(model, X, y, message):
    with pytest.raises(ValueError, match=message):
        StructSVM(model).fit(X, y)


def test_queries_without_documents_or_pairs_count_nothing():
    X = [np.zeros((0, 2)), [[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0]], [[3.0, 0.0], [0.0, 3.0]]]
    y = [[], [1, 0], [1], [2, 2]]
    svm = StructSVM(RankingModel("ndcg"), C=1.0, scale=None, random_state=0).fit(X, y)
    alone = StructSVM(RankingModel("ndcg"), C=1.0, scale=None, random_state=0).fit(X[1:2], y[1:2])
    np.testing.assert_allclose(svm.coef_, alone.coef_, rtol=1e-9)
    assert [len(scores) for scores in svm.predict(X)] == [0, 2, 1, 2]
    assert svm.score(X[:2], y[:2]) == 1.0
    with pytest.raises(ValueError, match="nothing to score"):
        svm.score(X[:1], y[:1])
