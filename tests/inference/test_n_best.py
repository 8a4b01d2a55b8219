"""The n best sequences against enumeration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference.chains import score_of_steps, scores_of_all

from structsvm.inference import n_best, viterbi

SCORES = st.sampled_from([0.0, 1.0, -1.0, 2.0, -np.inf, 1e6, -0.5])


@settings(max_examples=300, deadline=None)
@given(st.data(), st.integers(0, 5), st.integers(1, 4), st.booleans(), st.integers(1, 40))
def test_equals_enumeration(data, length, n_labels, per_position, n):
    unary = data.draw(arrays(float, (length, n_labels), elements=SCORES))
    shape = (length, n_labels, n_labels) if per_position else (n_labels, n_labels)
    transition = data.draw(arrays(float, shape, elements=SCORES))
    ends = [data.draw(st.none() | arrays(float, n_labels, elements=SCORES)) for _ in range(2)]
    steps = np.broadcast_to(transition, (length, n_labels, n_labels))
    values = scores_of_all(unary, transition, *ends)
    expected = np.sort(values[values > -np.inf])[::-1][:n]
    labels, scores = n_best(unary, transition, *ends, n=n)
    assert labels.shape == (len(expected), length)
    np.testing.assert_allclose(scores, expected, rtol=1e-12, atol=1e-9)
    assert len({tuple(y) for y in labels.tolist()}) == len(labels)
    for y, value in zip(labels, scores, strict=True):
        assert score_of_steps(y, unary, steps, *ends) == pytest.approx(value, rel=1e-12, abs=1e-9)
    if len(expected):
        best, value = viterbi(unary, transition, *ends)
        assert scores[0] == value
        if (np.abs(unary[np.isfinite(unary)]) < 10).all():  # sums are exact
            np.testing.assert_array_equal(labels[0], best)


def test_ties_everywhere_are_quick():
    labels, scores = n_best(np.zeros((60, 8)), np.zeros((8, 8)), n=50)
    assert (scores == 0.0).all()
    assert len({tuple(y) for y in labels.tolist()}) == 50
    assert not labels[0].any()


def test_long_chains_agree_with_viterbi():
    rng = np.random.default_rng(0)
    unary, transition = rng.normal(size=(200, 12)), rng.normal(size=(200, 12, 12))
    labels, scores = n_best(unary, transition, n=100)
    best, value = viterbi(unary, transition)
    np.testing.assert_array_equal(labels[0], best)
    assert scores[0] == value
    assert (np.diff(scores) <= 0).all()


@pytest.mark.parametrize("n", [0, -1, 2.0, None])
def test_how_many_must_be_a_number(n):
    with pytest.raises(ValueError, match="expected an integer >= 1"):
        n_best([[0.0]], [[0.0]], n=n)


def test_bad_scores_are_refused():
    with pytest.raises(ValueError, match=r"unary\[0, 0\] is nan"):
        n_best([[np.nan]], [[0.0]])
    with pytest.raises(ValueError, match=r"expected \(2, 1, 1\) as unary has 1 labels and 2 pos"):
        n_best([[0.0], [0.0]], np.zeros((3, 1, 1)))
    with pytest.raises(ValueError, match="unary has dtype"):
        n_best([["a"]], [[0.0]])
