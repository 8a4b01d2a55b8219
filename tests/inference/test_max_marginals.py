"""Max-marginals against enumeration, and as chains of an estimator."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference.chains import max_marginals_by_enumeration

from structsvm import ChainSVM
from structsvm.inference import max_marginals, viterbi

SCORES = st.sampled_from([0.0, 1.0, -1.0, 2.0, -np.inf, 1e6, -0.5])


@settings(max_examples=300, deadline=None)
@given(
    st.data(),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from([np.float64, np.float32]),
    st.booleans(),
)
def test_equals_enumeration(data, length, n_labels, dtype, per_position):
    unary = data.draw(arrays(dtype, (length, n_labels), elements=SCORES))
    shape = (length,) * per_position + (n_labels, n_labels)
    transition = data.draw(arrays(dtype, shape, elements=SCORES))
    ends = [data.draw(st.none() | arrays(dtype, n_labels, elements=SCORES)) for _ in range(2)]
    got = max_marginals(unary, transition, *ends)
    assert got.dtype == dtype
    want = max_marginals_by_enumeration(unary, transition, *ends)
    assert np.array_equal(np.isneginf(got), np.isneginf(want))
    # Halves are added and the position's own score taken off: rounding of the largest part.
    finite = np.isfinite(want)
    size = 8e6 * np.finfo(dtype).eps * (length + 2)
    np.testing.assert_allclose(got[finite], want[finite], rtol=0, atol=size)


def test_a_batch_equals_its_chains_and_viterbi_its_maxima():
    rng = np.random.default_rng(0)
    lengths = [3, 0, 1, 7]
    unary, transition = rng.normal(size=(11, 9)), rng.normal(size=(9, 9))
    start, end = rng.normal(size=(2, 9))
    batch = max_marginals(unary, transition, start, end, lengths=lengths)
    labels, values = viterbi(unary, transition, start, end, lengths=lengths)
    assert np.array_equal(batch.argmax(axis=1), labels)
    first = 0
    for length, value in zip(lengths, values, strict=True):
        chain = slice(first, first + length)
        assert np.array_equal(batch[chain], max_marginals(unary[chain], transition, start, end))
        np.testing.assert_allclose(batch[chain].max(axis=1), value)
        first += length
    assert max_marginals(np.zeros((0, 3)), np.zeros((3, 3))).shape == (0, 3)
    with pytest.raises(ValueError, match=r"unary\[0, 1\] is nan"):
        max_marginals([[0.0, np.nan]], np.zeros((2, 2)))


@pytest.mark.parametrize("constraints", [None, [(0, 0), (None, 2)]])
@pytest.mark.parametrize("blocks", [(True, True, True), (False, True, False)])
def test_estimators_give_those_of_their_scores(words, constraints, blocks):
    X, y = words
    intercept, transitions, boundary = blocks
    if constraints is not None:
        y = [np.where(labels == 0, 1, labels) for labels in y]
        y = [np.concatenate([[0], labels[1:]]) for labels in y]
    svm = ChainSVM(
        fit_intercept=intercept,
        transitions=transitions,
        boundary=boundary,
        constraints=constraints,
        random_state=0,
    ).fit(X, y)
    X = [*X[:5], np.zeros((0, 5))]
    found = svm.max_marginals(X)
    assert [m.shape for m in found] == [(len(x), len(svm.classes_)) for x in X]
    best = zip(X, found, svm.predict(X), svm.decision_function(X), strict=True)
    for x, m, labels, value in best:
        if len(x):
            assert np.array_equal(svm.classes_[m.argmax(axis=1)], labels)
            np.testing.assert_allclose(m.max(axis=1), value, rtol=1e-9, atol=1e-9)
    if constraints is not None:
        assert np.isneginf(found[0][0, 2])
    assert svm.max_marginals([]) == []
