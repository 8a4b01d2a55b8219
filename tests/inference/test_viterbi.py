"""Viterbi against enumeration, against numpy, and against bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from reference.chains import (
    best_by_enumeration,
    numpy_viterbi,
    score,
    score_of_steps,
    scores_of_all,
)

from structsvm.inference import max_marginals, n_best, viterbi

# Sums of these are exact in float64 (and nearly all in float32), so values and ties are exact.
SCORES = st.sampled_from([0.0, 1.0, -1.0, 2.0, -0.0, -np.inf, 1e12, -1e12, 0.5])


@st.composite
def tiny_chains(draw, scores=SCORES, dtype=np.float64):
    length, n_labels = draw(st.integers(0, 5)), draw(st.integers(1, 4))
    unary = draw(arrays(dtype, (length, n_labels), elements=scores))
    transition = draw(arrays(dtype, (n_labels, n_labels), elements=scores))
    ends = [draw(st.none() | arrays(dtype, n_labels, elements=scores)) for _ in ("start", "end")]
    return unary, transition, *ends


@settings(max_examples=400, deadline=None)
@given(tiny_chains())
def test_equals_enumeration_ties_included(chain):
    want, value = best_by_enumeration(*chain)
    if value == -np.inf:
        with pytest.raises(ValueError, match="chain 0 has no sequence with a finite score"):
            viterbi(*chain)
        return
    labels, got = viterbi(*chain)
    assert got == value
    assert labels.dtype == np.int32
    assert tuple(labels) == want


# Their sums are exact in float32 too.
FEW = st.sampled_from([0.0, 1.0, -1.0, 2.0, -0.0, -np.inf])


@settings(max_examples=200, deadline=None)
@given(tiny_chains(FEW, np.float32))
def test_float32_equals_enumeration_ties_included(chain):
    want, value = best_by_enumeration(*chain)
    if value == -np.inf:
        with pytest.raises(ValueError, match="chain 0 has no sequence with a finite score"):
            viterbi(*chain)
        return
    labels, got = viterbi(*chain)
    assert got == value
    assert tuple(labels) == want


@settings(max_examples=100, deadline=None)
@given(tiny_chains(st.floats(-1e3, 1e3)))
def test_scores_of_any_kind_reach_the_best_value(chain):
    _, value = best_by_enumeration(*chain)
    labels, got = viterbi(*chain)
    assert got == pytest.approx(value, abs=1e-10)
    assert score(labels, *chain) == pytest.approx(value, abs=1e-10)


@settings(max_examples=100, deadline=None)
@given(tiny_chains())
def test_float32_reaches_the_same_value(chain):
    unary, transition, start, end = (None if a is None else a.astype(np.float32) for a in chain)
    _, value = best_by_enumeration(*chain)
    if value == -np.inf:
        return
    labels, got = viterbi(unary, transition, start, end)
    # Large scores may cancel: rounding is relative to what was added up.
    finite = [a[np.isfinite(a)] for a in chain if a is not None]
    rounding = 1e-6 * (1 + sum(np.abs(a).sum() for a in finite))
    assert abs(got - value) <= rounding
    assert abs(score(labels, *chain) - value) <= rounding


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "n_labels", [1, 2, 7, 8, 9, 15, 16, 17, 23, 24, 25, 31, 32, 33, 40, 41, 63, 64, 65, 100, 150]
)
def test_every_padding_and_register_block(n_labels, dtype):
    rng = np.random.default_rng(n_labels)
    for length in (1, 2, 3, 17):
        unary = rng.normal(size=(length, n_labels)).astype(dtype)
        transition = rng.normal(size=(n_labels, n_labels)).astype(dtype)
        labels, value = viterbi(unary, transition)
        want, want_value = numpy_viterbi(unary, transition)
        assert labels.tolist() == want
        assert value == pytest.approx(float(want_value), rel=1e-6)
        # Few different values: many ties, and the same rule for them.
        unary, transition = np.round(unary), np.round(transition)
        assert viterbi(unary, transition)[0].tolist() == numpy_viterbi(unary, transition)[0]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n_labels", [1, 7, 8, 9, 24, 25, 32, 33, 40, 41, 64, 65, 100])
def test_forbidden_scores_and_boundaries_at_every_width(n_labels, dtype):
    rng = np.random.default_rng(n_labels)
    small = (rng.integers(-3, 4, size=s) for s in ((9, n_labels), (n_labels,), (n_labels,)))
    unary, start, end = (scores.astype(dtype) for scores in small)
    folded = unary.copy()
    folded[0] += start
    folded[-1] += end
    # One successor for each label: the path is known from its first label on.
    successor = rng.permutation(n_labels)
    transition = np.full((n_labels, n_labels), -np.inf, dtype)
    transition[np.arange(n_labels), successor] = rng.integers(-3, 4, size=n_labels)
    labels, value = viterbi(unary, transition, start, end)
    want, want_value = numpy_viterbi(folded, transition)
    assert (labels.tolist(), value) == (want, want_value)
    assert labels[1:].tolist() == successor[labels[:-1]].tolist()
    # Only the last label may be used, which lies in the last lane that is no padding.
    unary[:, :-1] = -np.inf
    labels, value = viterbi(unary, np.zeros_like(transition), start, end)
    assert labels.tolist() == [n_labels - 1] * 9
    assert value == unary[:, -1].sum() + start[-1] + end[-1]


def test_all_equal_scores_give_the_first_label_everywhere():
    for n_labels in (1, 8, 33, 65):
        labels, _ = viterbi(np.zeros((6, n_labels)), np.zeros((n_labels, n_labels)))
        assert labels.tolist() == [0] * 6


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 4), max_size=6), st.sampled_from(["f4", "f8"]), st.integers(0, 99))
def test_any_batch_equals_single_chains(lengths, dtype, seed):
    rng = np.random.default_rng(seed)
    unary, transition, start, end = (
        rng.normal(size=s).astype(dtype) for s in ((sum(lengths), 3), (3, 3), 3, 3)
    )
    labels, values = viterbi(unary, transition, start, end, lengths=lengths)
    assert (labels.dtype, values.dtype) == (np.int32, np.dtype(dtype))
    pieces = np.split(np.arange(sum(lengths)), np.cumsum(lengths)[:-1]) if lengths else []
    singles = [viterbi(unary[rows], transition, start, end) for rows in pieces]
    assert labels.tolist() == [label for one, _ in singles for label in one]
    assert values.tolist() == [value for _, value in singles]


@settings(max_examples=100, deadline=None)
@given(tiny_chains(FEW), st.sampled_from([np.float64, np.float32]), st.randoms())
def test_positions_may_have_transitions_of_their_own(chain, dtype, random):
    unary, _, start, end = chain
    if dtype is np.float32:
        unary = unary.astype(dtype)
    length, n_labels = unary.shape
    steps = [[[random.choice([0.0, 1.0, -2.0, -np.inf]) for _ in range(n_labels)]
              for _ in range(n_labels)] for _ in range(length)]  # fmt: skip
    steps = np.array(steps).reshape(length, n_labels, n_labels)
    best = scores_of_all(unary, steps, start, end).max()
    if best == -np.inf:
        with pytest.raises(ValueError, match="has no sequence with a finite score"):
            viterbi(unary, steps, start, end)
        return
    labels, value = viterbi(unary, steps, start, end)
    reached = score_of_steps(labels, unary.astype(float), steps, start, end)
    assert reached == value == best
    if length:
        two = [np.concatenate([a, a]) for a in (unary, steps)]
        twice, values = viterbi(*two, start, end, lengths=[length, length])
        assert twice.tolist() == [*labels, *labels]
        assert values.tolist() == [value, value]


def test_lengths_of_any_integer_type():
    unary = np.array([[0.0, 1.0], [3.0, 0.0], [0.0, 2.0]])
    for dtype in ("u1", "i1", "i4", "u8", ">i8"):
        lengths = np.array([1, 0, 2], dtype)
        lengths.flags.writeable = False
        labels, values = viterbi(unary, np.zeros((2, 2)), lengths=lengths)
        assert labels.tolist() == [1, 0, 1]
        assert values.tolist() == [1.0, 0.0, 5.0]


def test_batch_equals_single_chains():
    rng = np.random.default_rng(0)
    lengths = [3, 0, 1, 12, 0, 5]
    unary = rng.normal(size=(sum(lengths), 6))
    transition, start, end = (rng.normal(size=s) for s in ((6, 6), 6, 6))
    labels, values = viterbi(unary, transition, start, end, lengths=lengths)
    place = 0
    for length, value in zip(lengths, values, strict=True):
        one = viterbi(unary[place : place + length], transition, start, end)
        assert one[0].tolist() == labels[place : place + length].tolist()
        assert one[1] == value
        place += length
    no_labels, no_values = viterbi(np.zeros((0, 6)), transition, lengths=[])
    assert no_labels.shape == no_values.shape == (0,)


def test_an_empty_chain_scores_nothing():
    labels, value = viterbi(np.zeros((0, 3)), np.zeros((3, 3)), np.ones(3), np.ones(3))
    assert (labels.tolist(), value) == ([], 0.0)


def test_input_of_any_layout_is_read_and_left_alone():
    rng = np.random.default_rng(0)
    unary, transition = rng.normal(size=(9, 5)), rng.normal(size=(5, 5))
    want = viterbi(unary, transition)[0].tolist()
    for layout in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2], np.ndarray.tolist):
        assert viterbi(layout(unary), layout(transition))[0].tolist() == want
    copies = unary.copy(), transition.copy()
    unary.flags.writeable = transition.flags.writeable = False
    assert viterbi(unary, transition)[0].tolist() == want
    assert np.array_equal(unary, copies[0])
    assert np.array_equal(transition, copies[1])
    assert viterbi(np.array([[1, 2]]), np.array([[True, False], [False, True]]))[1] == 2.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0, np.nan]], np.zeros((2, 2))), r"unary\[0, 1\] is nan; scores are finite, or -inf"),
        (([[0.0, 0.0]], [[0, 0], [np.inf, 0]]), r"transition\[1, 0\] is inf; scores are finite"),
        (([[0.0, 0.0]], np.zeros((2, 2)), [0, np.nan]), r"start\[1\] is nan"),
        (([[0.0, 0.0]], np.zeros((2, 2)), [0]), r"start has shape \(1,\), expected \(2,\)"),
        (([[0.0, 0.0]], np.zeros((2, 2)), None, [np.inf, 0]), r"end\[0\] is inf"),
        (([[0.0]], [[0.0]], None, [0, 0]), r"end has shape \(2,\), expected \(1,\)"),
        (([[0.0]], [[0.0]], [[0.0]]), "start has 2 dimensions, expected 1"),
        (([0.0, 0.0], np.zeros((2, 2))), "unary has 1 dimensions, expected 2"),
        (([[0.0]], [0.0]), "transition has 1 dimensions, expected 2"),
        (([[0.0, 0.0]], np.zeros((2, 3))), r"transition has shape \(2, 3\), expected \(2, 2\)"),
        ((np.zeros((2, 0)), np.zeros((0, 0))), "there is no label to choose"),
        (([["a"]], [[0.0]]), "unary has dtype <U1, expected real numbers"),
        (([[0.0]], [["a"]]), "transition has dtype <U1, expected real numbers"),
        (([[None]], [[0.0]]), "unary has dtype object, expected real numbers"),
        (([[1j]], [[0.0]]), "unary has dtype complex128, expected real numbers"),
    ],
)
def test_bad_scores_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        viterbi(*arguments)


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, 3], "sum to the 3 rows of unary, got a sum of 4"),
        ([4, -1], "got a sum of 3 and a minimum of -1"),
        ([1.5, 1.5], "lengths must be a 1-D sequence of integers"),
        (3, "lengths must be a 1-D sequence of integers"),
        ([[1, 2]], "lengths must be a 1-D sequence of integers"),
        ([True, True, True], "lengths must be a 1-D sequence of integers"),
        ([2**62] * 3 + [2**62 + 3], "lengths must be >= 0 and sum to the 3 rows of unary"),
        (["3"], "lengths must be a 1-D sequence of integers"),
        ([], "sum to the 3 rows of unary, got a sum of 0"),
    ],
)
def test_bad_lengths_are_named(lengths, message):
    with pytest.raises(ValueError, match=message):
        viterbi(np.zeros((3, 2)), np.zeros((2, 2)), lengths=lengths)


def test_forbidden_chain_is_named():
    forbidden = [[-np.inf, -np.inf], [0.0, 0.0]]
    with pytest.raises(
        ValueError, match="chain 2 has no sequence with a finite score: every label"
    ):
        viterbi(np.zeros((5, 2)), [[-np.inf] * 2] * 2, lengths=[1, 1, 2, 1])
    labels, _ = viterbi(np.zeros((2, 2)), forbidden)
    assert labels.tolist() == [1, 0]
    # By its only position, by start, by end; the length is told.
    for arguments in (
        ([[-np.inf]], [[0.0]]),
        ([[0.0]], [[0.0]], [-np.inf]),
        ([[0.0]], [[0.0]], None, [-np.inf]),
    ):
        with pytest.raises(ValueError, match=r"chain 0 has no .* length 1 is forbidden by -inf"):
            viterbi(*arguments)


@pytest.mark.parametrize("search", [viterbi, max_marginals])
def test_scores_beyond_float32_are_named_and_not_made_infinite(search):
    unary = np.zeros((2, 1), dtype=np.float32)
    for value, told in ((1e150, r"1e\+150"), (-1e150, r"-1e\+150")):
        with pytest.raises(ValueError, match=rf"start\[0\] is {told}; .* pass unary as float64"):
            search(unary, [[0.0]], [value])
    search(unary.astype(np.float64), [[0.0]], [1e150])


@pytest.mark.parametrize("search", [viterbi, max_marginals, n_best])
def test_masked_scores_are_refused(search):
    for dtype in (np.float32, np.float64):
        unary = np.ma.masked_array(np.zeros((2, 1), dtype=dtype), mask=[[False], [True]])
        with pytest.raises(ValueError, match="unary has masked entries; fill them"):
            search(unary, [[0.0]])
