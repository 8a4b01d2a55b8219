"""Measures of rankings against scikit-learn's, and against all orders of tied documents."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from structsvm import metrics
from structsvm.metrics.ranking import MEASURES, measure_queries

BINARY = (metrics.mean_average_precision, metrics.mean_precision_at_k, metrics.mean_f1_at_k)


def test_means_over_queries_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    groups = rng.integers(0, 6, size=80)  # not in one piece each
    grades, scores = rng.integers(0, 4, size=80), rng.normal(size=80)
    relevant = (grades > 1).astype(int)
    here = [groups == name for name in range(6)]
    for k in (1, 3, None):
        ours = metrics.mean_ndcg(grades, scores, groups, k=k)
        theirs = [ndcg_score([2.0 ** grades[q] - 1], [scores[q]], k=k) for q in here]
        assert ours == pytest.approx(np.mean(theirs))
        ours = metrics.mean_ndcg(grades, scores, groups, k=k, gain="linear")
        assert ours == pytest.approx(
            np.mean([ndcg_score([grades[q]], [scores[q]], k=k) for q in here])
        )
    ours = metrics.mean_average_precision(relevant, scores, groups)
    theirs = [average_precision_score(relevant[q], scores[q]) for q in here]
    assert ours == pytest.approx(np.mean(theirs))
    ours = metrics.mean_pair_accuracy(relevant, np.round(scores), groups)
    theirs = [roc_auc_score(relevant[q], np.round(scores)[q]) for q in here]
    assert ours == pytest.approx(np.mean(theirs))


def test_precision_and_f1_of_the_first():
    y, scores = [1, 0, 1, 0, 1], [5.0, 4.0, 3.0, 2.0, 1.0]
    for k, hits in ((1, 1), (3, 2), (9, 3)):
        assert metrics.mean_precision_at_k(y, scores, k=k) == hits / k
        assert metrics.mean_f1_at_k(y, scores, k=k) == 2 * hits / (k + 3)
    assert metrics.mean_precision_at_k(y, scores) == metrics.mean_f1_at_k(y, scores) == 2 / 3


@pytest.mark.parametrize("measure", MEASURES)
@given(st.data())
@settings(max_examples=25)
def test_ties_count_as_the_mean_of_all_orders(measure, data):
    n = data.draw(st.integers(1, 5))
    grades = data.draw(arrays(np.float64, n, elements=st.integers(0, 1)))
    scores = data.draw(arrays(np.float64, n, elements=st.integers(0, 2)))
    k = data.draw(st.sampled_from([None, 1, 2]))
    one = np.zeros(n, dtype=int)

    def measured(values):
        return measure_queries(measure, grades, np.asarray(values, dtype=float), one, 1, k)[0]

    orders = [
        order
        for order in itertools.permutations(range(n))
        if all(order[i] > order[j] for i in range(n) for j in range(n) if scores[i] > scores[j])
    ]
    mean = np.mean([measured(order) for order in orders])
    np.testing.assert_allclose(measured(scores), mean, rtol=1e-12)
    best = measured(grades)
    assert np.isnan(best) or measured(scores) <= best + 1e-12


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.mean_ndcg([1, 0], [1.0]), r"y_score has 1 grades, expected 2"),
        (lambda: metrics.mean_ndcg([0, 0], [1.0, 2.0]), "nothing to measure"),
        (lambda: metrics.mean_ndcg([-1, 0], [1.0, 2.0]), r"y_true\[0\] is the grade -1"),
        (lambda: metrics.mean_ndcg([1, 0], [1.0, 2.0], k=0), "k=0: expected a finite number > 0"),
        (lambda: metrics.mean_ndcg([1, 0], [1.0, np.nan]), r"y_score\[1\] is not finite"),
        (
            lambda: metrics.mean_ndcg([1, 0], [1.0, 2.0], [2]),
            r"groups has shape \(1,\), expected \(2",
        ),
        (lambda: metrics.mean_f1_at_k([2, 0], [1.0, 2.0]), "is the grade 2, expected 0 or 1"),
        (lambda: metrics.mean_ndcg([1, 0], [1.0, 2.0], gain="log"), "gain='log': expected"),
        (lambda: metrics.mean_pair_accuracy([1, 1], [1.0, 2.0]), "nothing to measure"),
    ],
)
def test_bad_rankings_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_groups_have_any_names():
    y, scores = [1, 0, 0, 1], [2.0, 1.0, 2.0, 1.0]
    for names in (["b", "b", "a", "a"], [7, 7, -1, -1], [0.5, 0.5, 3, 3]):
        assert metrics.mean_average_precision(y, scores, names) == 0.75
    with pytest.raises(ValueError, match="cannot be sorted"):
        metrics.mean_average_precision(y, scores, np.array(["a", 1, 2, 3], dtype=object))
    with pytest.raises(ValueError, match=r"groups\[1\] is not finite"):
        metrics.mean_average_precision(y, scores, [0.0, np.nan, 1.0, 1.0])
