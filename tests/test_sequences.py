"""PackedSequences: sequences in one piece, taken as they are."""

import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.model_selection import cross_val_score

from structsvm import ChainSVM, PackedSequences


def pack(X):
    return PackedSequences(sp.csr_array(np.concatenate(X)), np.cumsum([0, *(len(x) for x in X)]))


def test_it_trains_and_predicts_to_the_same_bits_as_a_list(words):
    X, y = words
    packed = pack(X)
    assert len(packed) == len(X)
    assert packed.lengths.tolist() == [len(x) for x in X]
    of_list = ChainSVM(C=0.3, random_state=0).fit(X, y)
    of_packed = ChainSVM(C=0.3, random_state=0).fit(packed, y)
    np.testing.assert_array_equal(of_list.coef_, of_packed.coef_)
    for a, b in zip(of_list.predict(X), of_packed.predict(packed), strict=True):
        np.testing.assert_array_equal(a, b)
    assert of_packed.score(packed, y) == of_list.score(X, y)
    np.testing.assert_array_equal(of_packed.decision_function(packed), of_list.decision_function(X))


def test_held_out_examples_and_folds_may_be_packed(words):
    X, y = words
    svm = ChainSVM(C=0.3, tol=1e-2, random_state=0)
    packed = pack(X)
    svm.fit(packed, y, X_val=packed, y_val=y)
    assert svm.validation_score_ == svm.score(X, y)
    np.testing.assert_array_equal(
        cross_val_score(svm, packed, y, cv=3), cross_val_score(svm, X, y, cv=3)
    )


def test_items_slices_and_places():
    X = [np.arange(6.0).reshape(3, 2), np.zeros((0, 2)), np.full((2, 2), 7.0)]
    packed = pack(X)
    for i in (0, 1, 2, -1):
        np.testing.assert_array_equal(packed[i].toarray(), X[i])
    part = packed[1:]
    assert isinstance(part, PackedSequences)
    assert [item.shape[0] for item in part] == [0, 2]
    assert [item.shape[0] for item in packed[::-1]] == [2, 0, 3]
    assert len(packed[2:1]) == 0
    assert packed.place(3) == (2, 0)
    with pytest.raises(IndexError):
        packed[3]
    copy = pickle.loads(pickle.dumps(packed))
    np.testing.assert_array_equal(copy.rows.toarray(), packed.rows.toarray())
    assert "3 sequences, 5 positions, 2 features" in repr(packed)


def test_canonical_rows_are_not_copied_and_others_are_put_right():
    rows = sp.csr_array([[1.0, 2.0], [0.0, 3.0]])
    assert np.shares_memory(PackedSequences(rows, [0, 2]).rows.data, rows.data)
    muddled = sp.csr_array((np.array([1, 2, 3]), np.array([1, 0, 1]), np.array([0, 3])))
    packed = PackedSequences(muddled, [0, 1])
    np.testing.assert_array_equal(packed.rows.toarray(), [[2.0, 4.0]])
    assert muddled.indices.tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("rows", "offsets", "message"),
    [
        (np.eye(2), [0, 2], "rows is a ndarray, expected a scipy CSR matrix"),
        (sp.coo_array(np.eye(2)), [0, 2], "rows is a COO matrix"),
        (sp.csr_array(np.eye(2) * 1j), [0, 2], "dtype complex128"),
        (sp.csr_array(np.diag([1, np.nan])), [0, 2], r"rows\[1, 1\] is nan"),
        (sp.csr_array(np.eye(2)), [0, 3], "offsets must rise from 0 to the 2 rows"),
        (sp.csr_array(np.eye(2)), [1, 2], "they go from 1 to 2"),
        (sp.csr_array(np.eye(2)), [0, 2, 1, 2], "and fall between"),
        (sp.csr_array(np.eye(2)), [0.0, 2.0], "offsets has dtype float64"),
        (sp.csr_array(np.eye(2)), [], "expected integers of shape"),
    ],
)
def test_bad_parts_are_named(rows, offsets, message):
    with pytest.raises(ValueError, match=message):
        PackedSequences(rows, offsets)


def test_damaged_rows_and_other_widths_are_refused(words):
    X, y = words
    damaged = sp.csr_array(np.eye(2))
    damaged.indices = np.array([0, 9], dtype=np.int32)
    with pytest.raises(ValueError, match="rows is a damaged CSR matrix"):
        PackedSequences(damaged, [0, 2])
    svm = ChainSVM(tol=0.1, random_state=0).fit(pack(X), y)
    with pytest.raises(ValueError, match="X has 4 features, expected 5"):
        svm.predict(pack([x[:, :4] for x in X]))


def test_rows_on_disk_need_not_fit_in_memory(tmp_path):
    """A perceptron over 48 MB of mapped rows by a process that may allocate 24 MB more."""
    n_positions, n_each, n_features = 100_000, 40, 1000
    rng = np.random.default_rng(0)
    columns = np.memmap(tmp_path / "columns", np.int32, "w+", shape=(n_positions, n_each))
    columns[:] = rng.integers(n_features // n_each, size=(n_positions, n_each))
    columns += np.arange(n_each, dtype=np.int32) * (n_features // n_each)
    values = np.memmap(tmp_path / "values", np.float64, "w+", shape=columns.shape)
    values[:] = 1.0
    for array in (columns, values):
        array.flush()
    code = f"""
        import re, resource
        import numpy as np, scipy.sparse as sp
        from structsvm import ChainSVM, PackedSequences
        columns = np.memmap("columns", np.int32, "r")
        values = np.memmap("values", np.float64, "r")
        starts = np.arange(0, len(columns) + 1, {n_each}, dtype=np.int32)
        y = [[0, 1] * 50] * {n_positions // 100}
        used = int(re.search(r"VmData:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) << 10
        resource.setrlimit(resource.RLIMIT_DATA, (used + (24 << 20),) * 2)
        rows = sp.csr_array((values, columns, starts), shape=({n_positions}, {n_features}))
        X = PackedSequences(rows, np.arange(0, {n_positions} + 1, 100))
        svm = ChainSVM(solver="perceptron", max_iter=2, random_state=0).fit(X, y)
        print(svm.score(X, y) > 0.5)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "True", done.stderr
