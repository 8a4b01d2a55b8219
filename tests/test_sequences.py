"""PackedSequences: sequences in one piece, taken as they are."""

import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

from structsvm import ChainSVM, PackedSequences
from structsvm.data import packing, scaling, sequences, sparse
from structsvm.data.scaling import ColumnScaling
from structsvm.data.sequences import pack_sequences


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


def sequences_to_change(edges=False):
    rng = np.random.default_rng(0)
    X = [(rng.random((6, 4)) + 1) * (rng.random((6, 4)) < 0.7) for _ in range(20)]
    packed = pack(X)
    if edges:
        packed = PackedSequences(packed.rows, packed.offsets, sp.csr_array(rng.random((120, 2))))
    return packed, [rng.integers(3, size=6) for _ in X]


def overwrite(place, value):
    return lambda array: array.__setitem__(place, value)


CHANGES = {
    "columns too great": ("indices", overwrite(50, 2**30)),
    "columns just too great": ("indices", overwrite(50, 4)),
    "negative columns": ("indices", overwrite(50, -(2**30))),
    "NaN": ("data", overwrite(50, np.nan)),
    "inf": ("data", overwrite(50, np.inf)),
    "row starts too great": ("indptr", overwrite(30, 2**30)),
    "row starts that fall": ("indptr", overwrite(30, 0)),
}
USES = {
    "fit": lambda svm, X, y: clone(svm).fit(X, y),
    "partial_fit": lambda svm, X, y: svm.partial_fit(X, y),
    "predict": lambda svm, X, y: svm.predict(X),
    "decision_function": lambda svm, X, y: svm.decision_function(X),
    "score": lambda svm, X, y: svm.score(X, y),
    "max_marginals": lambda svm, X, y: svm.max_marginals(X),
    "predict_n_best": lambda svm, X, y: svm.predict_n_best(X, 2),
    "complete": lambda svm, X, y: svm.complete(X, [[None] * 6] * len(X)),
    "loss_augmented_predict": lambda svm, X, y: svm.loss_augmented_predict(X, y),
    "items": lambda svm, X, y: list(X),
    "slices": lambda svm, X, y: X[1:],
    "validation": lambda svm, X, y: clone(svm).fit(X[:1], y[:1], X_val=X, y_val=y),
}


@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize("change", CHANGES)
def test_rows_that_were_changed_are_refused_in_every_use(change, edges):
    part, write = CHANGES[change]
    for call in USES.values():
        packed, y = sequences_to_change(edges)
        svm = ChainSVM(solver="perceptron", max_iter=1).partial_fit(packed, y)
        write(getattr(packed.edges if edges else packed.rows, part))
        with pytest.raises(ValueError, match=r"changed after|damaged CSR|must be finite"):
            call(svm, packed, y)


@pytest.mark.parametrize("solver", ["bcfw", "cutting_plane", "n_slack", "subgradient"])
@pytest.mark.parametrize("order", [1, 2])
def test_rows_that_change_during_a_fit_end_it(solver, order):
    packed, y = sequences_to_change(edges=True)

    def change(progress):
        packed.rows.indices[50] = 2**30

    svm = ChainSVM(
        C=1.0, scale=None, tol=1e-9, solver=solver, order=order, callbacks=[change], random_state=0
    )
    place, t = packed.place(int(np.searchsorted(packed.rows.indptr, 50, side="right")) - 1)
    told = rf"features of X\[{place}\] at position {t} changed after they were packed"
    with pytest.raises(ValueError, match=told):
        svm.fit(packed, y)
    packed.edges.indices[20] = -5
    packed.rows.indices[50] = 0
    with pytest.raises(ValueError, match="edge features of X"):
        svm.fit(packed, y)


def test_row_starts_that_change_during_a_fit_do_not_matter():
    packed, y = sequences_to_change()
    wide = packed.rows.copy()
    wide.indptr = wide.indptr.astype(np.int64)
    packed = PackedSequences(wide, packed.offsets)
    want = ChainSVM(random_state=0).fit(packed, y).coef_

    def change(progress):
        packed.rows.indptr[:] = 2**40
        packed.offsets[:] = 2**40

    svm = ChainSVM(callbacks=[change], random_state=0).fit(packed, y)
    np.testing.assert_array_equal(svm.coef_, want)
    with pytest.raises(ValueError, match=r"PackedSequences\.rows was changed after"):
        svm.fit(packed, y)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("offsets", [0, 120], "offsets was changed after it was made: expected an int64 array"),
        ("offsets", np.array([0, 7, 3, 120]), "offsets was changed .* and fall between"),
        ("offsets", np.array([0, 121]), "offsets must rise from 0 to the 120 rows"),
        ("rows", np.zeros((120, 4)), "rows was changed after it was made: expected a CSR matrix"),
        ("rows.data", np.zeros(200, np.float32), "rows was changed .*: data must be a contiguous"),
        ("rows.indices", np.zeros(200, np.int64), "indices must be a contiguous int32 array"),
        ("rows.data", np.zeros(900)[::3], "data must be a contiguous float64 array"),
        ("rows.data", np.zeros(3), "indices and data differ in size"),
        ("rows.indptr", np.zeros(3, np.int32), "indptr points out of the matrix"),
        ("edges", sp.csr_array(np.eye(2)), "edges has 2 rows, expected 120"),
    ],
)
def test_other_arrays_put_in_place_are_refused(name, value, message):
    packed, y = sequences_to_change()
    svm = ChainSVM(solver="perceptron", max_iter=1).fit(packed, y)
    owner, _, part = name.rpartition(".")
    setattr(getattr(packed, owner) if owner else packed, part, value)
    for method in (svm.predict, svm.max_marginals):
        with pytest.raises(ValueError, match=message):
            method(packed)


def test_a_map_that_was_overwritten_is_refused(tmp_path):
    packed, y = sequences_to_change()
    for part in ("data", "indices", "indptr"):
        array = getattr(packed.rows, part)
        np.memmap(tmp_path / part, array.dtype, "w+", shape=array.shape)[:] = array
    data, columns, starts = (
        np.memmap(tmp_path / part, dtype, "r")
        for part, dtype in (("data", np.float64), ("indices", np.int32), ("indptr", np.int32))
    )
    mapped = PackedSequences(sp.csr_array((data, columns, starts), (120, 4)), packed.offsets)
    svm = ChainSVM(random_state=0).fit(mapped, y)
    np.testing.assert_array_equal(svm.coef_, ChainSVM(random_state=0).fit(packed, y).coef_)
    np.memmap(tmp_path / "indices", np.int32, "r+")[:] = 2**31 - 1
    for use in ("fit", "predict", "score", "max_marginals"):
        with pytest.raises(ValueError, match="changed after"):
            USES[use](svm, mapped, y)


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


def test_blocks_of_rows_give_the_same_bits(monkeypatch):
    rng = np.random.default_rng(0)
    dense = [rng.normal(size=(n, 5)) * (rng.random((n, 5)) < 0.6) for n in (3, 0, 9, 1, 7)]
    whole = pack_sequences(dense)
    assert whole.rows.data.base is None or whole.rows.data.base.size == whole.rows.nnz
    monkeypatch.setattr(sparse, "CHUNK", 7)
    monkeypatch.setattr(packing, "CHUNK", 7)
    monkeypatch.setattr(sequences, "CHUNK", 7)
    pieces = pack_sequences(dense)
    listed = pack_sequences([rows.tolist() if len(rows) else rows for rows in dense])
    for other in (pieces, listed):
        for name in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(other.rows, name), getattr(whole.rows, name))
        np.testing.assert_array_equal(other.offsets, whole.offsets)
    np.testing.assert_array_equal(whole.rows.toarray(), np.concatenate(dense))


@pytest.mark.parametrize("kind", [sp.csr_array, sp.csr_matrix])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("density", [0.1, 0.7, 1.0])
@pytest.mark.parametrize("center", [[0.0] * 4, [0.0, 1.0, 0.0, 2.0], [0.3] * 4])
def test_blocks_of_scaled_rows_give_the_same_bits(monkeypatch, kind, dtype, density, center):
    matrix = kind(sp.random(200, 4, density=density, random_state=1), dtype=dtype)
    matrix.sort_indices()
    columns = ColumnScaling(np.array(center), np.array([0.5, 2.0, 1.5, 1.0]))
    whole = columns.apply(matrix)
    monkeypatch.setattr(scaling, "_AT_ONCE", 37)
    pieces = columns.apply(matrix)
    assert type(pieces) is type(whole)
    assert pieces.dtype == whole.dtype
    for name in ("data", "indices", "indptr"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))


def test_many_short_sequences_are_packed_in_little_memory():
    """Arrays of 48 MB by a process that may allocate 175 MB more, for 72 MB of rows."""
    code = """
        import re, resource
        import numpy as np
        from structsvm.data.sequences import pack_sequences
        flat = np.random.default_rng(0).normal(size=(2_000_000, 3))
        X = [flat[2 * i : 2 * i + 2] for i in range(1_000_000)]
        used = int(re.search(r"VmData:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) << 10
        resource.setrlimit(resource.RLIMIT_DATA, (used + (175 << 20),) * 2)
        packed = pack_sequences(X)
        print(packed.rows.nnz, np.array_equal(packed.rows.data, flat.ravel()))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["6000000", "True"], done.stderr
