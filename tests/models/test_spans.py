"""Spans: the recursion over long segments and many labels, forms of outputs, losses, messages."""

import numpy as np
import pytest
import scipy.sparse as sp
from structures import written_as_tags

from structsvm import PackedSequences, SpanModel, SpanSVM, StructSVM
from structsvm.features import spans_of
from structsvm.inference._spans import SpanMaximizer
from structsvm.losses import HammingLoss
from structsvm.models.chain import ChainModel

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 3)) for n in (6, 4, 5, 0)]
Y = [[(0, 2, "a"), (2, 5, "b")], [(1, 4, "a")], [(4, 5, "b")], []]


def fitted(**params):
    return SpanSVM(**({"C": 1.0, "random_state": 0} | params)).fit(X, Y)


def best_value(blocks, n, longest, bins, one_position):
    """The recursion of the docstring, span by span."""
    tags, spans, lengths, transition, (start, end) = blocks
    k = len(start)
    row = {tuple(span): r for r, span in enumerate(spans_of(n, longest).tolist())}
    best = np.full((n + 1, k), -np.inf)
    for stop in range(1, n + 1):
        for a in range(max(stop - longest, 0), stop):
            for label in range(k):
                if one_position[label] and stop - a > 1:
                    continue
                before = (best[a] + transition[:, label]).max() if a else start[label]
                value = before + spans[row[a, stop], label] + lengths[bins[stop - a - 1], label]
                first = sum(1 + (not one) for one in one_position[:label])
                value += tags[a, first] + sum(tags[t, first + 1] for t in range(a + 1, stop))
                best[stop, label] = max(best[stop, label], value)
    return (best[n] + end).max()


@pytest.mark.parametrize(("k", "n", "longest"), [(2, 1, 3), (3, 12, 5), (9, 20, 20), (17, 9, 40)])
def test_values_are_those_of_a_plain_recursion(k, n, longest):
    rng = np.random.default_rng(k)
    one_position = rng.uniform(size=k) < 0.3
    sizes = np.where(one_position, 1, 2)
    first = (np.cumsum(sizes) - sizes).astype(np.int32)
    inner = np.where(one_position, -1, first + 1).astype(np.int32)
    bins = (np.arange(longest) // 2).astype(np.int32)
    maximizer = SpanMaximizer(np.array([n]), first, inner, longest, bins)
    shapes = [(n, sizes.sum()), (len(spans_of(n, longest)), k), (bins[-1] + 1, k), (k, k), (2, k)]
    blocks = [rng.normal(size=shape) for shape in shapes]
    strides = [maximizer.tag_stride, *[maximizer.stride] * 4]
    padded = [
        np.pad(block, ((0, 0), (0, stride - block.shape[1])), constant_values=9.0)
        for block, stride in zip(blocks, strides, strict=True)
    ]
    theta = np.concatenate([block.ravel() for block in padded])
    tags, value = maximizer.maximize(0, theta)
    assert value == pytest.approx(best_value(blocks, n, longest, bins, one_position))
    assert theta @ maximizer.count(0, tags) == pytest.approx(value)
    for _ in range(5):
        other, _ = maximizer.maximize(0, rng.normal(size=len(theta)))
        difference = maximizer.count(0, tags) - maximizer.count(0, other)
        np.testing.assert_array_equal(maximizer.difference(0, tags, other), difference)


def test_segments_of_one_position_are_a_chain():
    """Without inner tags, lengths and features of spans nothing else is left."""
    y = [["B-a", "B-b", "O", "B-a", "O", "O"], ["B-b", "B-b", "O", "B-a"], ["O"] * 5, []]
    spans = StructSVM(SpanModel(length_bins=(), output="tags"), C=1.0, tol=1e-6, random_state=0)
    chain = StructSVM(ChainModel(), C=1.0, tol=1e-6, random_state=0)
    assert spans.fit(X, y).objective_ == pytest.approx(chain.fit(X, y).objective_, rel=1e-5)
    # Of other inputs: those of the fit may lie where two labels score the same.
    others = [np.random.default_rng(1).normal(size=x.shape) for x in X]
    for a, b in zip(spans.predict(others), chain.predict(others), strict=True):
        assert a.tolist() == b.tolist()


def test_both_forms_of_outputs_are_one():
    tags = [written_as_tags(spans, len(x)) for spans, x in zip(Y, X, strict=True)]
    svm = fitted()
    of_tags = SpanSVM(C=1.0, random_state=0, output="tags").fit(X, [row.tolist() for row in tags])
    assert np.array_equal(svm.coef_, of_tags.coef_)
    predicted = svm.predict(X)
    for spans, row, x in zip(predicted, of_tags.predict(X), X, strict=True):
        assert written_as_tags(spans, len(x)).tolist() == row.tolist()
        assert all(isinstance(end, int) for span in spans for end in span[:2])
    assert svm.score(X, Y) == of_tags.score(X, tags)
    unsorted = [spans[::-1] for spans in Y]
    assert np.array_equal(svm.coef_, SpanSVM(C=1.0, random_state=0).fit(X, unsorted).coef_)


def test_dense_sparse_and_packed_inputs_give_the_same_predictions():
    packed = PackedSequences(sp.csr_array(np.vstack(X)), np.cumsum([0, *map(len, X)]))
    predicted = fitted().predict(X)
    for inputs in ([sp.csr_array(x) for x in X], packed):
        svm = SpanSVM(C=1.0, random_state=0).fit(inputs, Y)
        assert svm.predict(inputs) == predicted


def test_weights_have_names_and_shapes():
    svm = fitted(max_length=4, length_bins=(1, 3))
    assert svm.tags_ == ["O", "B-a", "I-a", "B-b", "I-b"]
    assert svm.labels_ == [None, "a", "b"]
    shapes = {"state": (3, 5), "intercept": (5,), "span": (0, 3), "length": (2, 3)}
    shapes |= {"transition": (3, 3), "start": (3,), "end": (3,)}
    for name, shape in shapes.items():
        attribute = "intercept_" if name == "intercept" else f"{name}_coef_"
        assert getattr(svm, attribute).shape == shape
    assert fitted().max_length_ == 3
    assert fitted(first_position=False).state_coef_.shape == (3, 3)
    assert not fitted(fit_intercept=False).intercept_.any()


@pytest.mark.parametrize(("output", "told"), [("spans", "are empty"), ("tags", "are 'O'")])
def test_a_fit_that_finds_no_span_says_so(output, told):
    rng = np.random.default_rng(0)
    lines = [rng.normal(size=(n, 1)) for n in rng.integers(5, 9, size=40)]
    y = [
        [(int(rng.integers(0, 5)), len(x), "a")] if k % 4 == 0 else [] for k, x in enumerate(lines)
    ]
    with pytest.warns(UserWarning, match=f"all predictions for the training data {told}"):
        SpanSVM(C=0.05, output=output, length_bins=(), random_state=0).fit(lines, y)


def test_values_chosen_on_held_out_examples_are_certified():
    rng = np.random.default_rng(0)
    lines = [rng.normal(size=(n, 3)) for n in rng.integers(3, 7, size=20)]
    pairs = [(x, rng.normal(size=(len(spans_of(len(x), 2)), 1))) for x in lines]
    y = [[(t, t + 1, "a") for t in np.flatnonzero(x[:, 0] > 0.5).tolist()] for x in lines]
    for inputs in (lines, pairs):
        svm = SpanSVM(C="auto", max_length=2, random_state=0).fit(inputs, y)
        assert svm.certified_
        assert svm.score(inputs, y) > 0.8


def test_losses_count_positions_or_spans():
    y, y_hat = [(0, 2, "a"), (3, 4, "b")], [(0, 3, "a"), (3, 4, "b")]
    sized = {}
    for loss in ("hamming", "spans", HammingLoss(cost=2.0 - 2.0 * np.eye(5))):
        model = SpanModel(loss)
        model.initialize(X, Y)
        sized[str(loss)[:7]] = model.loss(y, y_hat), model.loss(y, y)
    assert list(sized.values()) == [(1.0, 0.0), (2.0, 0.0), (2.0, 0.0)]
    assert model.score([y], [y_hat]) == 0.5


def test_prior_and_fixed_weights():
    w = SpanSVM(max_length=3, random_state=0).fit(X, Y).coef_
    fixed = np.where(np.arange(len(w)) == 2, 0.25, np.nan)
    svm = SpanSVM(max_length=3, C=1e-9, prior_weights=w, fixed_weights=fixed, random_state=0)
    coef = svm.fit(X, Y).coef_
    assert coef[2] == 0.25
    np.testing.assert_allclose(np.delete(coef, 2), np.delete(w, 2), atol=1e-6)


def test_spans_of_lists_all_spans():
    every = [[a, b] for a in range(5) for b in range(a + 1, 6)]
    assert spans_of(5, 9).tolist() == [span for span in every if span[1] <= 5]
    assert spans_of(0, 3).tolist() == []
    with pytest.raises(ValueError, match="max_length=0"):
        spans_of(3, 0)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([(0, 2, "a"), (1, 3, "b")], r"y\[0\] has spans that overlap at position 1"),
        ([(0, 7, "a")], r"y\[0\] has a span up to 7, but X\[0\] has 6 positions"),
        ([(2, 2, "a")], r"y\[0\] has the span \(2, 2, 'a'\), expected \(start, stop, label\)"),
        ([(0, 2, 1)], r"with integers 0 <= start < stop and a string"),
        (["I-a", None, "O", "O", "O", "O"], r"y\[0\] leaves no spans of up to 3 positions"),
        (["B-a", "I-b", "B-b", "O", "O", "O"], r"y\[0\]\[1\] is 'I-b', but no span goes on here"),
        (["I-a", "B-a", "O", "B-b", "O", "O"], r"y\[0\]\[0\] is 'I-a', but no span goes on here"),
        (["B-a", "O"], r"y\[0\] has 2 labels, but X\[0\] has 6 positions"),
        ([1, 2, 3, 4, 5, 6], r"y has the tag 1; expected spans"),
        (["NP"] * 6, r"y has the tag 'NP', expected 'O', 'B-' and a label, or 'I-' and a label"),
        ([(2, 3)], r"y\[0\] holds \(2, 3\), expected spans \(start, stop, label\) alone, or tags"),
        ([(2, 3, "a"), "O"], r"y\[0\] holds \(2, 3, 'a'\), expected spans .* alone, or tags alone"),
        ([(0, 5, "a")], r"y\[0\] has a span of 5 positions from 0 on, but max_length is 3"),
    ],
)
def test_bad_outputs_are_refused(y, message):
    rest = [] if isinstance(y[0], int) else [*Y[1:3]]
    with pytest.raises(ValueError, match=message):
        SpanSVM(max_length=3).fit(X[: 1 + len(rest)], [y, *rest])


def test_bad_inputs_and_parameters_are_refused():
    pairs = [(x, np.ones((len(spans_of(len(x), 3)), 1))) for x in X]
    with pytest.raises(ValueError, match=r"X has features of spans, which need max_length"):
        SpanSVM().fit(pairs, Y)
    with pytest.raises(ValueError, match=r"X\[0\] has 15 rows .* expected 11.*max_length=2"):
        SpanSVM(max_length=2).fit(pairs, Y)
    with pytest.raises(ValueError, match=r"X\[1\] has no features of spans, unlike X\[0\]"):
        SpanSVM(max_length=3).fit([pairs[0], *X[1:]], Y)
    svm = SpanSVM(max_length=3, random_state=0).fit(pairs, Y)
    with pytest.raises(ValueError, match="expected pairs"):
        svm.predict(X)
    with pytest.raises(ValueError, match=r"y has the tag 'I-a' but never 'B-a'"):
        SpanSVM().fit(X[1:2], [["O", "I-a", "O", "O"]])
    for params, message in (
        ({"output": "text"}, "output='text'"),
        ({"length_bins": (2, 3)}, "ascending from 1"),
        ({"max_length": 0}, "max_length=0"),
        ({"max_length": 2**63}, "expected at most 1048576"),
        ({"loss": "f1"}, "unknown loss 'f1': expected .*, 'spans', or a HammingLoss"),
    ):
        with pytest.raises(ValueError, match=message):
            fitted(**params)
