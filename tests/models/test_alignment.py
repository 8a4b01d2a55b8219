"""Alignments: the recursion on long sequences, end gaps, forms of inputs, losses, messages."""

import itertools

import numpy as np
import pytest

import structsvm
from structsvm import AlignmentModel, AlignmentSVM, StructSVM
from structsvm.inference import best_alignment
from structsvm.inference._alignment import AlignmentMaximizer

X = [("abcd", "acd"), ("abab", "bab"), ("dca", "dcba"), ("a", "")]
Y = [[(0, 0), (2, 1), (3, 2)], [(1, 0), (2, 1), (3, 2)], [(0, 0), (1, 1), (2, 3)], []]


def best_value(pair, gaps, ends):
    """By the last pair before each pair, O(n^2 m^2)."""
    n, m = pair.shape
    of_ends = {"same": gaps[:2], "own": gaps[2:], "free": (0.0, 0.0)}[ends]

    def gap(k, scores):
        return scores[0] + k * scores[1] if k else 0.0

    best = np.full((n, m), -np.inf)
    value = gap(n, of_ends) + gap(m, of_ends)
    for i, j in itertools.product(range(n), range(m)):
        before = gap(i, of_ends) + gap(j, of_ends)
        for a, b in itertools.product(range(i), range(j)):
            between = gap(i - a - 1, gaps) + gap(j - b - 1, gaps)
            before = max(before, best[a, b] + between)
        best[i, j] = before + pair[i, j]
        value = max(value, best[i, j] + gap(n - 1 - i, of_ends) + gap(m - 1 - j, of_ends))
    return value


@pytest.mark.parametrize("ends", ["same", "own", "free"])
@pytest.mark.parametrize(("n", "m"), [(0, 3), (1, 9), (9, 1), (11, 14)])
def test_values_are_those_of_a_plain_recursion(n, m, ends):
    rng = np.random.default_rng(n)
    maximizer = AlignmentMaximizer(np.array([n]), np.array([m]), ends)
    for centre in (-1.0, 0.0, 1.0):
        pair = rng.normal(size=(n, m)) + centre
        pair[rng.uniform(size=(n, m)) < 0.2] = -np.inf
        gaps = rng.normal(size=4) - [1.0, 0.2, 0.5, 0.2]
        theta = np.concatenate([pair.ravel(), gaps[: 4 if ends == "own" else 2]])
        labels, value = maximizer.maximize(0, theta)
        assert value == pytest.approx(best_value(pair, gaps, ends))
        mu = maximizer.count(0, labels)
        assert theta[mu > 0] @ mu[mu > 0] == pytest.approx(value)


def test_scores_of_ones_own_are_aligned():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(8, 9))
    for ends, gaps in itertools.product(("same", "free"), ((-1.0, -0.1), (0.5, 0.2))):
        pairs, value = best_alignment(scores, *gaps, end_gaps=ends)
        assert (np.diff(pairs, axis=0) > 0).all()
        assert value == pytest.approx(best_value(scores, [*gaps, 0.0, 0.0], ends))
    assert best_alignment(np.zeros((0, 3)), -1.0, -0.5)[1] == -2.5
    for bad, message in (
        ((np.zeros(3), -1.0, -1.0), "scores has 1 dimensions"),
        ((np.full((1, 1), np.nan), -1.0, -1.0), r"scores\[0, 0\] is nan"),
        (([[1.0]], np.inf, -1.0), "gap_open=inf"),
        (([[1e308, 1e308]], -1.0, -1.0), "more than a double can hold"),
    ):
        with pytest.raises(ValueError, match=message):
            best_alignment(*bad)
    with pytest.raises(ValueError, match="end_gaps='own'"):
        best_alignment([[1.0]], -1.0, -1.0, end_gaps="own")
    with pytest.raises(ValueError, match=r"takes 4\.\d+ GiB of tables"):
        AlignmentMaximizer(np.array([12000]), np.array([12000]), "same")


def test_features_of_symbols_are_symbols():
    """An indicator for each pair of symbols is the same model as their weights."""
    symbols = sorted({*"abcd"})
    arrays = []
    for a, b in X:
        array = np.zeros((len(a), len(b), 16))
        for (i, s), (j, t) in itertools.product(enumerate(a), enumerate(b)):
            array[i, j, 4 * symbols.index(s) + symbols.index(t)] = 1.0
        arrays.append(array)
    params = {"C": 1.0, "scale": None, "tol": 1e-6, "random_state": 0}
    one = StructSVM(AlignmentModel(symmetric=False), **params).fit(X, Y)
    two = StructSVM(AlignmentModel(fit_intercept=False), **params).fit(arrays, Y)
    assert one.objective_ == pytest.approx(two.objective_, rel=1e-5)
    model = one.model_
    assert model.symbols_.tolist() == symbols
    assert model.substitution_scores(one.coef_).shape == (4, 4)
    np.testing.assert_allclose(model.gap_scores(one.coef_), two.coef_[-2:], atol=1e-3)


def test_symbols_may_be_letters_words_or_integers():
    params = {"C": 1.0, "random_state": 0}
    letters = StructSVM(AlignmentModel(), **params).fit(X, Y)
    scores = letters.model_.substitution_scores(letters.coef_)
    np.testing.assert_array_equal(scores, scores.T)
    for of in (lambda s: [f"<{c}>" for c in s], lambda s: [ord(c) for c in s]):
        other = StructSVM(AlignmentModel(), **params)
        other.fit([(of(a), of(b)) for a, b in X], Y)
        assert np.array_equal(other.coef_, letters.coef_)
    with pytest.raises(ValueError, match=r"X\[0\] has the symbol 'z', which was not in training"):
        letters.predict([("az", "a")])
    with pytest.raises(ValueError, match=r"X\[0\] has the symbol 1"):
        letters.predict([([1], [1])])


def test_losses_count_positions_and_shifts():
    y, y_hat = [(0, 0), (1, 1), (3, 2)], [(0, 0), (1, 2), (2, 3)]
    for params, value in (
        ({}, 3.0),
        ({"max_shift": 2}, 2.5),
        ({"task_loss": "normalized_hamming"}, 1.0),
    ):
        model = AlignmentModel(**params)
        assert model.loss(y, y_hat) == pytest.approx(value)
        assert model.loss(y, y) == 0.0
    assert model.score([y], [y_hat]) == pytest.approx(1 / 3)
    assert model.score([[]], [[]]) == 0.0


def test_pieces_of_sequences_have_free_ends():
    rng = np.random.default_rng(0)
    X, y = [], []
    for _ in range(20):
        whole, start = rng.integers(0, 4, size=12), int(rng.integers(0, 8))
        X.append((whole[start : start + 5], whole))
        y.append([(k, start + k) for k in range(5)])
    svm = StructSVM(AlignmentModel(end_gaps="free"), C=1.0, random_state=0).fit(X[:15], y[:15])
    assert svm.score(X[15:], y[15:]) > 0.9


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([(0, 1), (1, 0)], r"y\[0\] has the pairs .* rise in both sequences"),
        ([(0, 0), (0, 1)], "rise in both sequences"),
        ([(4, 0)], r"y\[0\] has a pair with position 4 of the first sequence, which has 4"),
        ([(0, 3)], r"position 3 of the second sequence, which has 3"),
        ([(0.0, 1.0)], r"expected pairs \(i, j\) of integers"),
        ([0, 1], r"y\[0\] has shape \(2,\)"),
        (1.5, r"y\[0\] is a float; expected a list of pairs"),
        ([(0, 0), (1,)], r"y\[0\] has items of several lengths"),
    ],
)
def test_bad_outputs_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        StructSVM(AlignmentModel()).fit(X[:1], [y])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (("ab", [1]), "symbols must be all of one kind"),
        ((range(20000), [1]), "X has 20000 symbols, and each two would have a weight; at most"),
        (("ab", [1.5]), r"X\[0\]\[1\]\[0\] is 1.5; symbols are all strings or all integers"),
        (np.zeros((2, 3)), r"X\[0\] has shape \(2, 3\), expected \(n, m, n_features\)"),
        (np.full((1, 1, 1), np.inf), r"X\[0\]\[0, 0, 0\] is inf; features must be finite"),
    ],
)
def test_bad_inputs_are_refused(x, message):
    with pytest.raises(ValueError, match=message):
        StructSVM(AlignmentModel()).fit([x], [[]])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"end_gaps": "none"}, "end_gaps='none'"),
        ({"task_loss": "shift"}, "task_loss='shift'"),
        ({"max_shift": 0}, "max_shift=0"),
    ],
)
def test_bad_parameters_are_refused(params, message):
    with pytest.raises(ValueError, match=message):
        StructSVM(AlignmentModel(**params)).fit(X, Y)


# ---- the estimator


@pytest.mark.parametrize("end_gaps", ["same", "own", "free"])
def test_the_estimator_is_the_model_with_names(end_gaps, tmp_path):
    options = {"max_shift": 2, "end_gaps": end_gaps, "symmetric": False}
    svm = AlignmentSVM(loss="normalized_hamming", C=1.0, random_state=0, **options).fit(X, Y)
    model = AlignmentModel("normalized_hamming", **options)
    plain = StructSVM(model, C=1.0, random_state=0).fit(X, Y)
    assert svm.certified_
    assert np.array_equal(svm.coef_, plain.coef_)
    n = len(svm.symbols_)
    assert np.array_equal(svm.substitution_scores_.ravel(), svm.coef_[: n * n])
    assert np.array_equal(svm.gap_scores_, svm.coef_[n * n :])
    svm.save(tmp_path / "svm")
    loaded = structsvm.load(tmp_path / "svm")
    assert all(map(np.array_equal, loaded.predict(X), svm.predict(X)))
    assert np.array_equal(loaded.gap_scores_, svm.gap_scores_)
    assert loaded.score(X, Y) == svm.score(X, Y)
    with pytest.raises(AttributeError, match="pairs have symbols, no features"):
        _ = svm.pair_coef_


def test_the_estimator_takes_features_of_pairs():
    rng = np.random.default_rng(0)
    y = [[(0, 0), (1, 2), (3, 4)]] * 6
    X = [rng.normal(size=(4, 5, 2)) for _ in y]
    for x, pairs in zip(X, y, strict=True):
        x[tuple(np.transpose(pairs))] += [3.0, 0.0]
    svm = AlignmentSVM(C=1.0, random_state=0).fit(X, y)
    assert svm.n_features_in_ == 2
    flat = [*svm.pair_coef_, svm.intercept_, *svm.gap_scores_]
    np.testing.assert_array_equal(flat, svm.coef_)
    assert AlignmentSVM(C=1.0, fit_intercept=False, random_state=0).fit(X, y).intercept_ == 0.0
    with pytest.raises(AttributeError, match="pairs have features, no symbols"):
        _ = svm.substitution_scores_


def test_gap_costs_that_composed_alignments_are_learnt_back():
    """Gaps are rare and long: the learnt cost of opening one is well above that of a position."""
    rng = np.random.default_rng(0)
    opens, extends, letters = 0.05, 0.8, np.array(list("abcdefgh"))

    def related():
        first, second, pairs = [], [], []
        for k in range(30):
            for sequence in (first, second):
                if k and rng.random() < opens:
                    sequence.extend(rng.integers(8, size=rng.geometric(1 - extends)))
            pairs.append((len(first), len(second)))
            first.append(rng.integers(8))
            second.append(first[-1] if rng.random() < 0.8 else rng.integers(8))
        return ("".join(letters[first]), "".join(letters[second])), pairs

    X, y = zip(*(related() for _ in range(80)), strict=True)
    svm = AlignmentSVM(max_shift=4, random_state=0).fit(X[:50], y[:50])
    assert svm.certified_
    assert svm.score(X[50:], y[50:]) > 0.9
    scores, (opening, position) = svm.substitution_scores_, svm.gap_scores_
    # In units in which equal symbols are above others by their log odds; 2 more for each pair and 1
    # more for each position of a gap change nothing.
    equal, other = np.diag(scores).mean(), scores[~np.eye(8, dtype=bool)].mean()
    odds = np.log(8 * (0.8 + 0.2 / 8)), np.log(8 * 0.2 / 8)
    unit = (odds[0] - odds[1]) / (equal - other)
    shift = (odds[0] - unit * equal) / 2
    true = np.log(opens * (1 - extends) / extends / (1 - opens)), np.log(extends)
    assert unit * opening == pytest.approx(true[0], rel=0.35)
    assert unit * position + shift == pytest.approx(true[1], abs=0.2)
