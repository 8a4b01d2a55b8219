"""Marginals against enumeration, over many sizes of scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference.chains import marginals_by_enumeration

from structsvm.inference import marginals

SCORES = st.sampled_from([0.0, 1.0, -1.0, 2.0, -np.inf, 700.0, -0.5, -1e4])


@settings(max_examples=300, deadline=None)
@given(st.data(), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_equals_enumeration(data, length, n_labels, per_position):
    unary = data.draw(arrays(np.float64, (length, n_labels), elements=SCORES))
    shape = (length,) * per_position + (n_labels, n_labels)
    transition = data.draw(arrays(np.float64, shape, elements=SCORES))
    ends = [data.draw(st.none() | arrays(np.float64, n_labels, elements=SCORES)) for _ in range(2)]
    want, log_partition = marginals_by_enumeration(unary, transition, *ends)
    if want is None:
        with pytest.raises(ValueError, match="chain 0 has no sequence with a finite score"):
            marginals(unary, transition, *ends)
        return
    got, value = marginals(unary, transition, *ends)
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-9)
    np.testing.assert_allclose(value, log_partition, rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(got.sum(axis=1), 1.0)


def test_a_batch_equals_its_chains():
    rng = np.random.default_rng(0)
    lengths = [3, 0, 1, 7]
    unary, transition = rng.normal(size=(11, 9)), rng.normal(size=(9, 9))
    start, end = rng.normal(size=(2, 9))
    batch, values = marginals(unary, transition, start, end, lengths=lengths)
    first = 0
    for length, value in zip(lengths, values, strict=True):
        chain = slice(first, first + length)
        alone, alone_value = marginals(unary[chain], transition, start, end)
        assert np.array_equal(batch[chain], alone)
        assert value == alone_value
        first += length
    assert values[1] == 0.0
    single, _ = marginals(unary.astype(np.float32), transition)
    assert single.dtype == np.float64


def test_bad_scores_are_named():
    with pytest.raises(ValueError, match=r"unary\[0, 1\] is nan"):
        marginals([[0.0, np.nan]], np.zeros((2, 2)))
    with pytest.raises(ValueError, match="transition has shape"):
        marginals([[0.0, 1.0]], np.zeros((3, 3)))
