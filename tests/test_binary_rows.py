"""Rows of ones, which keep no values, against the same rows with values."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from text_chains import text

from structsvm import ChainModel, ChainSVM, PackedSequences
from structsvm.data.packing import binary_rows
from structsvm.data.sequences import pack_sequences
from structsvm.data.sparse import is_repeated, ones
from structsvm.features import TokenFeatures
from structsvm.problems._feature_rows import FeatureRows
from structsvm.solvers import _blocks


def both(seed=0, *, edges=False):
    """The same sequences, with a one in memory for each entry and without."""
    X, y = text(seed, binary=True)
    packed = pack_sequences(X)
    assert is_repeated(packed.rows.data)
    with_edges = packed.rows[:, :7] if edges else None
    bare = PackedSequences(
        packed.rows, packed.offsets, None if with_edges is None else without_values(with_edges)
    )
    with_values = sp.csr_array(packed.rows.toarray())
    plain = PackedSequences(with_values, packed.offsets, with_edges)
    assert not is_repeated(plain.rows.data)
    return plain, bare, y


def without_values(matrix):
    result = matrix.copy()
    result.data = ones(len(matrix.data))
    return result


def test_ones_take_no_memory_and_cannot_be_changed():
    values = ones(10**12)
    assert values.strides == (0,)
    assert values[10**11] == 1.0
    assert is_repeated(values)
    assert is_repeated(values[5:9])
    assert not is_repeated(np.ones(3))
    assert not is_repeated(np.broadcast_to(np.float64(2.0), (3,)))
    assert not is_repeated(np.broadcast_to(np.float32(1.0), (3,)))
    with pytest.raises(ValueError, match="read-only"):
        values[0] = 2.0


PARAMS = [
    {"solver": "bcfw"},
    {"solver": "bcfw", "order": 2},
    {"solver": "bcfw", "fit_intercept": False, "rescaling": "slack"},
    {"solver": "bcfw", "scale": None},
    {"solver": "cutting_plane"},
    {"solver": "n_slack"},
    {"solver": "subgradient"},
    {"solver": "perceptron"},
    {"solver": "passive_aggressive"},
]


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("growing", [False, True])
@pytest.mark.parametrize("params", PARAMS, ids=str)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_training_and_prediction_give_the_same_bits(monkeypatch, params, growing, edges):
    if params.get("order") == 2 and edges:
        params = params | {"order": 1}
    if growing:
        for name in ("MANY_WEIGHTS", "SPARSE_ENOUGH", "MOST_DENSE"):
            monkeypatch.setattr(_blocks, name, 0)
    plain, bare, y = both(edges=edges)
    assert is_repeated(bare.rows.data)
    one, other = (ChainSVM(random_state=0, max_iter=4, **params).fit(X, y) for X in (plain, bare))
    np.testing.assert_array_equal(one.coef_, other.coef_)
    np.testing.assert_array_equal(one.objective_, other.objective_)  # or both NaN
    for X in (plain, bare):
        np.testing.assert_array_equal(one.decision_function(plain), other.decision_function(X))
        for a, b in zip(one.max_marginals(plain), other.max_marginals(X), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("intercept", [0.0, 1.0, 2.5])
def test_kernels(intercept):
    plain, bare, _ = both()
    rows = [FeatureRows(X.rows, intercept=intercept) for X in (plain, bare)]
    assert [r.ones for r in rows] == [False, True]
    assert all(r.are_ones() for r in rows)
    rng = np.random.default_rng(0)
    for width in (1, 3, 9):
        weights = rng.normal(size=(plain.n_features + (intercept != 0), width))
        factors = rng.normal(size=(plain.rows.shape[0], width))
        some = np.array([4, 0, 7], dtype=np.int32)
        for name, *args in (
            ("scores", weights), ("scores", weights, some), ("combined", factors), ("sqnorms",),
            ("combined", factors[:3].copy(), some),
        ):  # fmt: skip
            one, other = (getattr(r, name)(*args) for r in rows)
            np.testing.assert_array_equal(one, other)


def test_joint_features_and_planes():
    plain, bare, y = both(edges=True)
    model = ChainModel()
    model.initialize(plain, y)
    w = np.random.default_rng(1).normal(size=model.n_weights)
    for i in range(len(y)):
        for labels in (y[i], np.zeros_like(y[i])):
            one, other = (model.joint_feature(X[i], labels) for X in (plain, bare))
            np.testing.assert_array_equal(one, other)
    one, other = (model.batch_inference(X, w) for X in (plain, bare))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a, b)


def test_they_can_be_cut_taken_pickled_and_computed_with():
    plain, bare, _ = both(edges=True)
    for a, b in (
        (plain[3], bare[3]),
        (plain[2:6][1], bare[2:6][1]),
        (plain.take([4, 1, 1])[2], bare.take([4, 1, 1])[2]),
        (plain[0], pickle.loads(pickle.dumps(bare))[0]),
    ):
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one.toarray(), other.toarray())
    again = pickle.loads(pickle.dumps(bare))
    assert is_repeated(again.rows.data)
    assert is_repeated(again.edges.data)
    assert len(pickle.dumps(bare)) < len(pickle.dumps(plain)) - 8 * plain.rows.nnz
    w = np.arange(plain.n_features, dtype=float)
    np.testing.assert_array_equal(bare.rows @ w, plain.rows @ w)
    np.testing.assert_array_equal((bare.rows * 2).toarray(), (plain.rows * 2).toarray())


def test_other_repeated_values_are_copied():
    plain, _, _ = both()
    matrix = plain.rows.copy()
    matrix.data = np.broadcast_to(np.float64(2.0), matrix.data.shape)
    packed = PackedSequences(matrix, plain.offsets)
    assert packed.rows.data.flags.c_contiguous
    np.testing.assert_array_equal(packed.rows.toarray(), 2 * plain.rows.toarray())


def test_binary_rows_are_sorted_and_count_what_is_there_twice():
    columns = np.array([4, 1, 2, 0, 3, 2], dtype=np.int32)
    starts = np.array([0, 3, 3, 5, 6], dtype=np.int32)
    rows = binary_rows(columns.copy(), starts, (4, 5))
    assert is_repeated(rows.data)
    assert rows.indices.tolist() == [1, 2, 4, 0, 3, 2]
    twice = binary_rows(
        np.array([4, 1, 4, 4], dtype=np.int32), np.array([0, 3, 4], dtype=np.int64), (2, 5)
    )
    assert not is_repeated(twice.data)
    np.testing.assert_array_equal(twice.toarray(), [[0, 1, 0, 0, 2], [0, 0, 0, 0, 1]])
    none = binary_rows(np.zeros(0, dtype=np.int32), np.zeros(3, dtype=np.int32), (2, 5))
    assert none.nnz == 0


def test_attributes_of_tokens_keep_no_values():
    X = [[("a", "x"), ("b", "y")], [("b", "x")]]
    packed = TokenFeatures("chunk").fit_transform(X)
    assert is_repeated(packed.rows.data)
    hashed = TokenFeatures(["U0:%x[0,0]", "U1:%x[0,1]"], n_hashed=1).fit_transform(X)
    assert not is_repeated(hashed.rows.data)
    assert hashed.rows.toarray()[0, 0] == 2.0
