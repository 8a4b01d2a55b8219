"""Damaged sparse matrices: one sentence from every method, before scipy follows the indices."""

import re

import numpy as np
import pytest
import scipy.sparse as sp

from structsvm import (
    ChainSVM,
    GraphSVM,
    MulticlassModel,
    MulticlassSVM,
    PackedSequences,
    StructSVM,
    StructuredModel,
    SurrogateSVM,
)
from structsvm.data.rows import check_rows
from structsvm.data.sparse import check_sparse
from structsvm.graphs import as_graph

Y = np.array([0, 1, 0, 1, 0])
FAR = 2**31 - 1


def matrix(kind, name, place, value, dtype=np.float64, index_dtype=np.int32):
    """The unit matrix with one number of one of its arrays changed."""
    result = getattr(sp, kind)(np.eye(5, dtype=dtype))
    if name == "coords":
        coords = [c.astype(index_dtype) for c in result.coords]
        coords[0][place] = value
        result.coords = tuple(coords)
        return result
    for array in ("indices", "indptr") if hasattr(result, "indptr") else ():
        setattr(result, array, getattr(result, array).astype(index_dtype))
    if name == "data":
        result.data = result.data[:value]
    else:
        getattr(result, name)[place] = value
    return result


DAMAGED = {
    "indptr too large": matrix("csr_array", "indptr", 3, FAR),
    "matrix, not array": matrix("csr_matrix", "indptr", 3, FAR),
    "indptr falls": matrix("csr_array", "indptr", 2, 0),
    "indptr below zero": matrix("csr_array", "indptr", 1, -7),
    "indptr does not begin at zero": matrix("csr_array", "indptr", 0, 1),
    "indptr ends too far": matrix("csr_array", "indptr", 5, 6),
    "index too large": matrix("csr_array", "indices", 2, 5),
    "index far too large": matrix("csr_array", "indices", 2, FAR),
    "index below zero": matrix("csr_array", "indices", 4, -1),
    "int64 index": matrix("csr_array", "indices", 2, 2**40, index_dtype=np.int64),
    "int64 indptr": matrix("csr_array", "indptr", 2, 2**40, index_dtype=np.int64),
    "less data than indices": matrix("csr_array", "data", 0, 3),
    "float32": matrix("csr_array", "indptr", 3, FAR, np.float32),
    "integers": matrix("csr_array", "indptr", 3, FAR, np.int64),
    "booleans": matrix("csr_array", "indptr", 3, FAR, bool),
    "CSC indptr": matrix("csc_array", "indptr", 3, FAR),
    "CSC index": matrix("csc_matrix", "indices", 3, -FAR),
    "BSR indptr": matrix("bsr_array", "indptr", 1, FAR),
    "BSR index": matrix("bsr_matrix", "indices", 0, FAR),
    "COO row": matrix("coo_array", "coords", 3, FAR),
    "COO row below zero": matrix("coo_matrix", "coords", 3, -1),
    "COO int64 row": matrix("coo_array", "coords", 3, 2**40, index_dtype=np.int64),
}
DAMAGED["indptr too short"] = sp.csr_array(np.eye(5))
DAMAGED["indptr too short"].indptr = np.array([0, 5], dtype=np.int32)
DAMAGED["DOK"] = sp.dok_array(np.eye(5))
DAMAGED["DOK"]._dict[7, 3] = 1.0
DAMAGED["LIL lists"] = sp.lil_array(np.eye(5))
DAMAGED["LIL lists"].data[2] = [1.0] * 1000
DAMAGED["LIL column"] = sp.lil_array(np.eye(5))
DAMAGED["LIL column"].rows[2] = [FAR]
DAMAGED["DIA"] = sp.dia_array(np.eye(5))
DAMAGED["DIA"].offsets = np.array([0, 1, 2], dtype=np.int32)

damaged = pytest.mark.parametrize("case", DAMAGED)


def refused():
    return pytest.raises(ValueError, match=r"^X is a damaged [A-Z]{3} matrix: its .* \(.+\)$")


@damaged
def test_training_on_rows_refuses_what_points_out_of_its_arrays(case):
    X = DAMAGED[case]
    online = MulticlassSVM(solver="perceptron")
    for fit in (
        SurrogateSVM().fit,
        SurrogateSVM(solver="subgradient").fit,
        MulticlassSVM().fit,
        MulticlassSVM(kernel="rbf").fit,
        MulticlassSVM().partial_fit,
        online.partial_fit,
    ):
        with refused():
            fit(X, Y)
    with refused():
        online.partial_fit(np.eye(5), Y).partial_fit(X, Y)
    with pytest.raises(ValueError, match="in X_val and y_val: X is a damaged"):
        MulticlassSVM().fit(np.eye(5), Y, X_val=X, y_val=Y)
    with refused():
        MulticlassModel().initialize(X, Y)


@pytest.fixture(scope="module")
def fitted():
    X = sp.csr_array(np.eye(5))
    return [
        SurrogateSVM().fit(X, Y),
        MulticlassSVM().fit(X, Y),
        MulticlassSVM(kernel="rbf").fit(X, Y),
        MulticlassSVM(kernel=lambda A, B: (A @ B.T).toarray()).fit(X, Y),
    ]


@damaged
def test_every_method_that_takes_rows_refuses_them_too(fitted, case):
    X = DAMAGED[case]
    for svm in fitted:
        for name in ("decision_function", "predict"):
            with refused():
                getattr(svm, name)(X)
        for name in ("score", "margins", "loss_augmented_predict"):
            if hasattr(svm, name):
                with refused():
                    getattr(svm, name)(X, Y)
    model = fitted[1].model_
    for method in (model.scores, model.batch_inference):
        with refused():
            method(X, np.zeros(6))
    with refused():
        model.bind(X, Y)


@damaged
def test_sequences_and_their_edges_refuse_them(case):
    X = DAMAGED[case]
    labels = [Y]
    with pytest.raises(ValueError, match=r"X\[0\] is (a damaged|sparse in) .*"):
        ChainSVM().fit([X], labels)
    with pytest.raises(ValueError, match=r"X\[0\]\[1\] is (a damaged|sparse in) .*"):
        ChainSVM().fit([(np.eye(5), X)], labels)
    with pytest.raises(ValueError, match=r"rows is a .*matrix"):
        PackedSequences(X, [0, 5])
    with pytest.raises(ValueError, match=r"edges is a .*matrix"):
        PackedSequences(sp.csr_array(np.eye(5)), [0, 5], X)


@damaged
def test_graphs_refuse_them(case):
    with pytest.raises(ValueError, match=r"the adjacency matrix is damaged: \S+"):
        as_graph((np.eye(5), DAMAGED[case]))
    with pytest.raises(ValueError, match=r"X\[0\]: the adjacency matrix is damaged"):
        GraphSVM().fit([(np.eye(5), DAMAGED[case])], [Y])


@damaged
def test_what_a_model_or_a_kernel_returns_is_looked_at(case):
    class Model(StructuredModel):
        n_weights = 25

        def joint_feature(self, x, y):
            return DAMAGED[case]

        def loss(self, y, y_hat):
            return float(y != y_hat)

        def loss_augmented_inference(self, x, y, w):
            return y

        inference = loss_augmented_inference

    with pytest.raises(ValueError, match=r"joint_feature\(X\[0\], y\[0\]\) is a damaged"):
        StructSVM(Model()).fit([1.0], [0])
    with pytest.raises(ValueError, match="what the kernel returned is a damaged"):
        MulticlassSVM(kernel=lambda A, B: DAMAGED[case]).fit(np.eye(5), Y)


def test_the_message_tells_the_place():
    for case, message in {
        "indptr too large": "indptr[3] is 2147483647, expected at least what is before it and at",
        "indptr falls": "indptr[2] is 0, expected at least what is before it",
        "index below zero": "indices[4] is -1, expected 0 to 4",
        "int64 index": "indices[2] is 1099511627776, expected 0 to 4",
        "less data than indices": "there are 5 indices and 3 values",
        "COO row": "coords[0][3] is 2147483647, expected 0 to 4",
        "DOK": "the key (7, 3) is outside of shape (5, 5)",
        "LIL column": "rows[2] has the column 2147483647, expected 0 to 4",
    }.items():
        with pytest.raises(ValueError, match=re.escape(message)):
            check_sparse("X", DAMAGED[case])


def unsorted_and_doubled():
    """The unit matrix with entries in two halves, the columns of each row out of order."""
    rows = np.repeat(np.arange(5), 3)
    columns = np.stack([np.arange(5), (np.arange(5) + 3) % 5, np.arange(5)], axis=1).ravel()
    values = np.tile([0.5, 0.0, 0.5], 5)
    return values, columns.astype(np.int32), np.append(0, np.bincount(rows).cumsum())


def stale():
    """The same in a matrix that says of itself, of an earlier time, that it is canonical."""
    result = sp.csr_array((np.ones(15), np.tile(np.arange(3), 5), np.arange(0, 16, 3)), (5, 5))
    assert result.has_canonical_format
    result.data, result.indices, result.indptr = unsorted_and_doubled()
    assert result.has_canonical_format
    return result


@pytest.mark.parametrize(
    "X",
    [
        stale(),
        sp.csr_matrix(unsorted_and_doubled(), shape=(5, 5)),
        *(sp.csr_array(np.eye(5)).asformat(kind) for kind in ("csc", "coo", "bsr", "dok", "lil")),
        sp.csr_array(np.eye(5, dtype=bool)),
        sp.csr_array(np.eye(5, dtype=np.uint8)),
    ],
)
def test_what_is_unusual_but_sound_is_read_rightly(X):
    before = X.toarray()
    for make in (SurrogateSVM, lambda: MulticlassSVM(random_state=0, tol=1e-6)):
        want = make().fit(np.eye(5), Y)
        got = make().fit(X, Y)
        np.testing.assert_allclose(got.coef_, want.coef_, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(got.decision_function(X), want.decision_function(np.eye(5)))
    np.testing.assert_array_equal(X.toarray(), before)


def test_duplicates_are_summed_whatever_the_matrix_says_of_itself():
    X = stale()
    rows = check_rows(X)
    assert rows is not X
    assert np.array_equal(rows.indices, np.array([0, 3, 1, 4, 0, 2, 1, 3, 2, 4]))
    assert len(X.data) == 15


@pytest.mark.parametrize("kind", ["csr_array", "csc_matrix", "coo_array", "lil_array"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_named(kind, value):
    X = np.eye(5)
    X[3, 1] = value
    X = getattr(sp, kind)(X)
    for svm in (SurrogateSVM(), MulticlassSVM()):
        with pytest.raises(ValueError, match=r"^X\[3, 1\] is (NaN|inf|-inf); features must be"):
            svm.fit(X, Y)
        with pytest.raises(ValueError, match=r"^X\[3, 1\] is (NaN|inf|-inf); features must be"):
            svm.fit(np.eye(5), Y).predict(X)


@pytest.mark.parametrize("dtype", [complex, object, "U8"])
def test_features_that_are_no_numbers_are_refused(dtype):
    X = np.eye(5).astype(dtype)
    if dtype is object:
        X[0, 0] = "one"
    for svm in (SurrogateSVM(), MulticlassSVM()):
        with pytest.raises(ValueError, match=r"Complex data|could not convert|expected real"):
            svm.fit(X if dtype != "U8" else np.full((5, 5), "one"), Y)
