"""Bad input: one sentence that says what was wrong and where; or the right result."""

import itertools
import re

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import structsvm
from structsvm import (
    ChainModel,
    ChainSVM,
    GraphSVM,
    GridSVM,
    MulticlassModel,
    MulticlassSVM,
    SequenceTagger,
    StructSVM,
)
from structsvm.data.checks import check_n_jobs
from structsvm.engines import make_engine
from structsvm.engines.threads import usable_processors
from structsvm.hinge import structured_hinge
from structsvm.inference import grid_cut_many
from structsvm.losses import HammingLoss


def data(n=4):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(length, 3)) for length in (2, 3, 1, 4)[:n]]
    return X, [np.arange(len(x)) % 2 for x in X]


def replaced(items, i, item):
    return [*items[:i], item, *items[i + 1 :]]


def with_entry(x, value):
    x = x.copy()
    x[1, 2] = value
    return x


X, Y = data()

BAD_X = {
    "fewer features": (np.zeros((3, 2)), r"X\[1\] has 2 features, expected 3 as X\[0\] has"),
    "one dimension": (
        np.zeros(3),
        r"X\[1\] has 1 dimension, expected 2: \(length, n_features\)\. ",
    ),
    "three dimensions": (np.zeros((3, 3, 1)), r"X\[1\] has 3 dimensions, expected 2"),
    "NaN": (with_entry(X[1], np.nan), r"X\[1\]\[1, 2\] is nan; features must be finite"),
    "inf": (with_entry(X[1], -np.inf), r"X\[1\]\[1, 2\] is -inf; features must be finite"),
    "sparse NaN": (sp.csr_array(with_entry(X[1], np.nan)), r"X\[1\]\[1, 2\] is nan"),
    "CSC": (sp.csc_array(X[1]), r"X\[1\] is sparse in CSC format, expected CSR: use .tocsr\(\)"),
    "COO": (sp.coo_matrix(X[1]), r"X\[1\] is sparse in COO format"),
    "strings": (np.full((3, 3), "a"), r"X\[1\] has dtype <U1, expected real numbers"),
    "objects": (np.full((3, 3), None), r"X\[1\] has dtype object, expected real numbers"),
    "complex": (np.full((3, 3), 1j), r"X\[1\] has dtype complex128, expected real numbers"),
    "ragged": ([[1.0, 2.0], [3.0]], r"X\[1\] is no rectangular array of numbers"),
    "a number": (3.0, r"X\[1\] has 0 dimensions, expected 2"),
    "a string": ("abc", r"X\[1\] has dtype <U3, expected real numbers"),
    "too short": (np.zeros((2, 3)), r"y\[1\] has 3 labels, but X\[1\] has 2 positions"),
}


@pytest.mark.parametrize("case", BAD_X)
def test_bad_x(case):
    item, message = BAD_X[case]
    bad = replaced(X, 1, item)
    fitted = ChainSVM().fit(X, Y)
    with pytest.raises(ValueError, match=message):
        ChainSVM().fit(bad, Y)
    with pytest.raises(ValueError, match=message.split(" as X")[0]):
        fitted.score(bad, Y)
    if case != "too short":
        for method in (fitted.predict, fitted.decision_function):
            with pytest.raises(ValueError, match=message.split(" as X")[0]):
                method(bad)


BAD_Y = {
    "floats": (np.zeros(3), r"y\[1\] has dtype float64; labels must be integers or strings"),
    "mixed": ([0, "a", 1], r"y\[1\] holds 'a'; labels must be all integers or all strings"),
    "booleans": ([True, False, True], r"y\[1\] holds True; labels must be all integers or all str"),
    "a float": ([0, 0.5, 1], r"y\[1\] holds 0.5; labels must be all integers or all strings"),
    "strings in one": (["a", "b", "a"], r"y\[1\] holds strings, but earlier sequences hold integ"),
    "two dimensions": (np.zeros((3, 1), int), r"y\[1\] has 2 dimensions, expected 1"),
    "a string": ("aba", r"y\[1\] is 'aba'; expected a sequence with one label for each position"),
    "a number": (1, r"y\[1\] is 1; expected a sequence with one label for each position"),
    "too long": ([0, 1, 0, 1], r"y\[1\] has 4 labels, but X\[1\] has 3 positions"),
}


@pytest.mark.parametrize("case", BAD_Y)
def test_bad_y(case):
    item, message = BAD_Y[case]
    with pytest.raises(ValueError, match=message):
        ChainSVM().fit(X, replaced(Y, 1, item))
    with pytest.raises(ValueError, match=message):
        ChainSVM().fit(X, Y).loss_augmented_predict(X, replaced(Y, 1, item))


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([], [], "X and y are empty: expected at least one example"),
        (X, Y[:3], "X has 4 examples but y has 3"),
        ("abc", Y, "X is a str; expected a list with one item for each example"),
        (X, None, "y is a NoneType; expected a list with one item for each example"),
        ((x for x in X), Y, "X is a generator; expected a list with one item for each example"),
        (sp.csr_array((4, 3)), Y, "X is a csr_array; expected a list with one item for each exa"),
        (np.zeros((4, 3)), Y, r"X\[0\] has 1 dimension, expected 2: .* for one sequence x pass \["),
        ([np.zeros((0, 3))], [[]], "all sequences in X are empty: there is nothing to learn from"),
    ],
)
def test_bad_collections(X, y, message):
    with pytest.raises(ValueError, match=message):
        ChainSVM().fit(X, y)


class Frame:
    """What a table of pandas does, as far as it matters here."""

    def __init__(self, rows, columns="abc"):
        self.rows, self.columns, self.shape = np.asarray(rows), list(columns), np.shape(rows)

    def __len__(self):
        return len(self.rows)

    def __iter__(self):
        return iter(self.columns)

    def __getitem__(self, name):
        return self.rows[:, self.columns.index(name)]


class ForeignFrame:
    """A table of any library, by the protocol for those."""

    def __len__(self):
        return 3

    def __getitem__(self, k):
        return "abc"[k]

    def __dataframe__(self):
        return self


class Series:
    def __init__(self, values):
        self.values = list(values)

    def __len__(self):
        return len(self.values)

    def __iter__(self):
        return iter(self.values)


NO_LISTS = {
    "table": (Frame(np.eye(3)), "a Frame, which gives the names of its columns one by one"),
    "foreign table": (ForeignFrame(), "a ForeignFrame, which gives the names of its columns"),
    "set": ({1, 2, 3}, "a set, which has no order"),
    "frozen set": (frozenset([1, 2, 3]), "a frozenset, which has no order"),
    "keys": ({1: 0, 2: 0, 3: 0}.keys(), "a dict_keys, which has no order"),
    "dict": ({1: 0, 2: 0, 3: 0}, "a dict; expected a list"),
    "string": ("abc", "a str; expected a list"),
    "bytes": (b"abc", "a bytes; expected a list"),
    "generator": ((i for i in range(3)), "a generator; expected a list"),
    "None": (None, "a NoneType; expected a list"),
    "number": (3, "a int; expected a list"),
    "array of no dimension": (np.array(3.0), "a ndarray; expected a list"),
}


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
@pytest.mark.parametrize("case", NO_LISTS)
def test_what_is_no_list_of_examples_is_refused_by_every_estimator(case):
    value, message = NO_LISTS[case]
    rows, graphs = [np.eye(3)] * 3, [(np.eye(3), [[0, 1]])] * 3
    images, labels = [np.ones((1, 3, 2))] * 3, [[0, 1, 2]] * 3
    for estimator, X, y in (
        (StructSVM(MulticlassModel()), np.eye(3), [0, 1, 2]),
        (ChainSVM(), rows, labels),
        (GraphSVM(), graphs, labels),
        (GridSVM(), images, [[[0, 1, 2]]] * 3),
    ):
        for kind in ("X", "y"):
            data = {"X": X, "y": y, kind: value}
            with pytest.raises(ValueError, match=f"^{kind} is {message}"):
                estimator.fit(**data)
        estimator.fit(X, y)
        with pytest.raises(ValueError, match=f"^X is {message}"):
            estimator.predict(value)
        with pytest.raises(ValueError, match=f"^y is {message}"):
            estimator.score(X, value)


@pytest.mark.parametrize("case", NO_LISTS)
def test_what_is_no_list_of_labels_is_refused(case):
    value, _ = NO_LISTS[case]
    with pytest.raises(ValueError, match=r"^y\[1\] is .*; expected a sequence with one label for"):
        ChainSVM().fit([np.eye(3)] * 2, [[0, 1, 2], value])


@pytest.mark.parametrize("y", [iter([["a"], ["b"]]), None])
def test_pieces_without_labels_are_refused(y):
    with pytest.raises(ValueError, match=r"^y is a \w+; expected a list with one item for each"):
        ChainSVM(solver="perceptron").partial_fit([np.eye(1)] * 2, y)


def test_a_column_of_a_table_is_a_list():
    want = ChainSVM(random_state=0).fit(X, Y)
    got = ChainSVM(random_state=0).fit(Series(X), Series(map(Series, Y)))
    assert np.array_equal(got.coef_, want.coef_)


@pytest.mark.parametrize(
    ("n_jobs", "message"),
    [
        (0, "n_jobs=0: expected at least 1, or -1 for all processors"),
        (2.5, "n_jobs=2.5: expected None or an integer"),
        (True, "n_jobs=True: expected None or an integer"),
        ("2", "n_jobs='2': expected None or an integer"),
    ],
)
def test_bad_n_jobs(n_jobs, message):
    for estimator in (ChainSVM(n_jobs=n_jobs), StructSVM(ChainModel(), n_jobs=n_jobs)):
        with pytest.raises(ValueError, match=message):
            estimator.fit(X, Y)
        fitted = clone(estimator).set_params(n_jobs=None).fit(X, Y).set_params(n_jobs=n_jobs)
        with pytest.raises(ValueError, match=message):
            fitted.predict(X)
    with pytest.raises(ValueError, match=message):
        MulticlassSVM(n_jobs=n_jobs).fit(np.eye(3), [0, 1, 2])
    with pytest.raises(ValueError, match=message):
        grid_cut_many([np.ones((2, 2))], [0.1], n_jobs=n_jobs)


@pytest.mark.parametrize("n_jobs", [10**9, 10**30, -5])
def test_no_more_threads_than_examples(n_jobs):
    want = ChainSVM(n_jobs=2, random_state=0).fit(X, Y)
    svm = ChainSVM(n_jobs=n_jobs, random_state=0).fit(X, Y)
    if n_jobs > 0:
        assert np.array_equal(svm.coef_, want.coef_)
    assert all(map(np.array_equal, svm.predict(X), want.predict(X)))
    engine = make_engine(check_n_jobs(n_jobs))
    assert engine.n_workers == (4 * usable_processors() if n_jobs > 0 else 1)
    rows = MulticlassSVM(n_jobs=n_jobs).fit(np.eye(3), [0, 1, 2])
    assert rows.dual_gap_ <= 1e-3
    cuts = grid_cut_many([np.ones((2, 2))] * 3, [0.1] * 3, n_jobs=n_jobs)
    assert np.array_equal(cuts, np.ones((3, 2, 2)))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"C": 0}, "C=0: expected a finite number > 0"),
        ({"C": -1.0}, "C=-1.0: expected a finite number > 0"),
        ({"C": np.nan}, "C=nan: expected a finite number > 0"),
        ({"C": np.inf}, "C=inf: expected a finite number > 0"),
        ({"C": "1"}, "C='1': expected a number > 0"),
        ({"C": True}, "C=True: expected a number > 0"),
        ({"tol": 0}, "tol=0: expected a finite number > 0"),
        ({"max_iter": 0}, "max_iter=0: expected a finite number > 0"),
        ({"max_iter": 1.5}, "max_iter=1.5: expected an integer > 0"),
        (
            {"solver": "newton"},
            "unknown solver 'newton': expected one of 'bcfw', 'block_dual'",
        ),
        ({"solver": 3}, "unknown solver 3: expected one of 'bcfw', 'block_dual'"),
        ({"loss": "zero_one"}, "unknown loss 'zero_one': expected one of 'hamming', 'normalized"),
        ({"loss": HammingLoss(cost=np.zeros((3, 3)))}, r"cost has shape \(3, 3\), expected \(2, 2"),
        ({"random_state": "x"}, "'x' cannot be used to seed"),
        ({"callbacks": [3]}, r"callbacks\[0\] is 3; expected a callable"),
    ],
)
def test_bad_parameters(params, message):
    with pytest.raises(ValueError, match=message):
        ChainSVM(**params).fit(X, Y)


def test_a_model_must_be_a_model():
    for model in (3, ChainModel, None):
        with pytest.raises(ValueError, match="expected an instance of a StructuredModel subclass"):
            StructSVM(model).fit(X, Y)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"sample_weight": [1, 1]}, r"sample_weight has shape \(2,\), expected \(4,\)"),
        ({"sample_weight": [1, -1, 1, 1]}, r"sample_weight\[1\] is -1.0, expected a finite numbe"),
        ({"sample_weight": [1, 1, np.nan, 1]}, r"sample_weight\[2\] is nan, expected a finite nu"),
        ({"sample_weight": [0, 0, 0, 0]}, "sample_weight is zero everywhere: there is nothing to"),
        ({"position_weight": [[1, 1]]}, "position_weight has 1 items for 4 sequences"),
        (
            {"position_weight": [[1, 1], [1], [1], [1] * 4]},
            r"position_weight\[1\] has shape \(1,\), expected \(3,\) as y\[1\] has",
        ),
        (
            {"position_weight": [[1, -2], [1] * 3, [1], [1] * 4]},
            r"position_weight\[0\]\[1\] is -2.0, expected a finite number >= 0",
        ),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        ChainSVM().fit(X, Y, **weights)


def test_not_fitted():
    svm = ChainSVM()
    for method in (svm.predict, svm.decision_function):
        with pytest.raises(NotFittedError, match="This ChainSVM instance is not fitted yet"):
            method(X)
    for method in (svm.score, svm.loss_augmented_predict):
        with pytest.raises(NotFittedError, match="This ChainSVM instance is not fitted yet"):
            method(X, Y)
    for name in ("classes_", "state_coef_", "transition_coef_", "intercept_", "n_features_in_"):
        assert not hasattr(svm, name)
    with pytest.raises(NotFittedError):
        svm.save("nowhere")


def test_another_number_of_features_at_prediction():
    svm = ChainSVM().fit(X, Y)
    for method in (svm.predict, svm.decision_function):
        with pytest.raises(ValueError, match=r"X\[0\] has 2 features, expected 3"):
            method([np.zeros((2, 2))])
    with pytest.raises(ValueError, match="X is a int; expected a list"):
        svm.predict(3)


def test_empty_sequences_are_fine():
    X_gaps, y_gaps = [np.zeros((0, 3)), *X, []], [[], *Y, []]
    svm = ChainSVM(random_state=0).fit(X_gaps, y_gaps)
    first, *_, last = svm.predict(X_gaps)
    assert first.shape == last.shape == (0,)
    assert first.dtype == svm.classes_.dtype
    assert svm.decision_function(X_gaps)[0] == 0.0
    assert svm.score(X_gaps, y_gaps) == svm.score(X, Y)
    assert svm.predict([]) == []
    assert svm.decision_function([]).shape == (0,)
    with pytest.raises(ValueError, match="there is no position to score"):
        svm.score([[]], [[]])


@pytest.mark.parametrize("stranger", [7, "seven"])
def test_a_label_never_seen_counts_as_wrong(stranger):
    svm = ChainSVM().fit(X, Y)
    strange = [[stranger] * len(labels) for labels in Y]
    assert svm.score(X, strange) == 0.0
    with pytest.raises(
        ValueError, match=f"label {stranger!r} was not in the y that fit saw; the kn"
    ):
        svm.loss_augmented_predict(X, strange)


def test_one_class_and_no_features_are_solved():
    with pytest.warns(UserWarning, match="all labels in y are 0: there is nothing to tell apart"):
        one = ChainSVM().fit(X, [np.zeros_like(labels) for labels in Y])
    assert one.dual_gap_ == 0.0
    assert not one.predict(X)[0].any()
    ChainSVM(solver="perceptron").partial_fit(X[:1], [np.zeros_like(Y[0])], classes=[0, 1])
    none = ChainSVM(random_state=0).fit([x[:, :0] for x in X], Y)
    assert none.dual_gap_ <= 1e-3
    message = "0 features and 2 labels make 0 weights, expected 1 to"
    with pytest.raises(ValueError, match=message):
        ChainSVM(fit_intercept=False, transitions=False, boundary=False).fit(
            [x[:, :0] for x in X], Y
        )


def test_arrays_of_any_layout_are_read_and_left_alone(tmp_path):
    want = ChainSVM(random_state=0).fit(X, Y).coef_

    def frozen(x):
        x = x.copy()
        x.flags.writeable = False
        return x

    def mapped(x):
        path = tmp_path / f"{id(x)}.npy"
        np.save(path, x)
        return np.load(path, mmap_mode="r")

    def wide_indices(x):
        x = sp.csr_array(x)
        x.indices, x.indptr = x.indices.astype(np.int64), x.indptr.astype(np.int64)
        return x

    def doubled_and_unsorted(x):
        half = sp.csr_array(x / 2)
        rows = [slice(a, b) for a, b in itertools.pairwise(half.indptr)]
        indices = np.concatenate([np.tile(half.indices[row], 2)[::-1] for row in rows])
        values = np.concatenate([np.tile(half.data[row], 2)[::-1] for row in rows])
        return sp.csr_array((values, indices, 2 * half.indptr), shape=x.shape)

    for layout in (
        frozen,
        mapped,
        np.asfortranarray,
        lambda x: np.repeat(x, 2, axis=0)[::2],
        wide_indices,
        doubled_and_unsorted,
        lambda x: np.ma.masked_array(x),
    ):
        items = [layout(x) for x in X]
        copies = [item.copy() for item in items]
        assert np.allclose(ChainSVM(random_state=0).fit(items, Y).coef_, want, rtol=1e-12)
        for item, copy in zip(items, copies, strict=True):
            assert (abs(item - copy)).sum() == 0
    labels = [np.array(row, dtype=np.uint8) for row in Y]
    for row in labels:
        row.flags.writeable = False
    assert np.array_equal(ChainSVM(random_state=0).fit(X, labels).coef_, want)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e30, 1e150])
def test_extreme_features_give_finite_weights(scale):
    svm = ChainSVM(max_iter=20).fit([scale * x for x in X], Y)
    assert np.isfinite(svm.coef_).all()
    assert 0 <= svm.dual_gap_ <= 1


def test_damaged_csr_masks_and_great_labels_are_refused():
    import scipy.sparse as sp

    good = [sp.csr_array(x) for x in X]
    svm = ChainSVM(random_state=0).fit(good, Y)
    for name, place, value in (("indices", 0, 2**30), ("indices", 0, -1), ("indptr", 1, 2**30)):
        bad = good[0].copy()
        getattr(bad, name)[place] = value
        with pytest.raises(ValueError, match=r"X\[0\] is a damaged CSR matrix"):
            ChainSVM().fit([bad, *good[1:]], Y)
        with pytest.raises(ValueError, match=r"X\[0\] is a damaged CSR matrix"):
            svm.predict([bad])
    with pytest.raises(ValueError, match=r"X\[0\] has masked entries; fill them"):
        svm.predict([np.ma.masked_greater(X[0], 0.0)])
    mixed = [
        np.asarray(labels).astype(np.uint64 if i % 2 else np.int64) for i, labels in enumerate(Y)
    ]
    assert ChainSVM().fit(X, mixed).classes_.dtype == np.int64
    with pytest.raises(ValueError, match=r"y\[0\] has the label 18446744073709551615, above"):
        ChainSVM().fit(X[:1], [np.full(len(X[0]), 2**64 - 1, dtype=np.uint64)])


@pytest.mark.parametrize("solver", ["bcfw", "cutting_plane", "n_slack", "subgradient"])
def test_numbers_out_of_range_are_refused_by_every_solver(solver):
    for C in (1e-310, 1e308):
        with pytest.raises(ValueError, match="is out of range: lambda"):
            ChainSVM(C=C, solver=solver).fit(X, Y)


@pytest.mark.filterwarnings("ignore::structsvm.exceptions.TrivialFitWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("scale", [1e100, 1e160, 1e200, 1e307])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "solver",
    [
        "bcfw",
        "block_dual",
        "cutting_plane",
        "n_slack",
        "subgradient",
        "perceptron",
        "passive_aggressive",
    ],
)
def test_finite_features_give_finite_weights_or_one_sentence(solver, method, scale):
    rng = np.random.default_rng(0)
    rows, classes = rng.normal(size=(30, 3)) * scale, np.arange(30) % 3
    sentence = (
        r"inner products of planes overflow: features or|the oracle's plane for example \d+ ho"
    )
    for kind, labels, slack in itertools.product(("rows", "chain"), (2, 3), ("linear", "squared")):
        if kind == "rows":
            svm, X, y = MulticlassSVM(slack=slack), rows, classes % labels
        else:
            svm, X, y = ChainSVM(), [rows[:10], rows[10:]], [classes[:10], classes[10:]]
        if kind == "chain" and (solver == "block_dual" or method == "partial_fit"):
            continue
        limit = {} if solver in ("perceptron", "passive_aggressive") else {"max_iter": 20}
        svm.set_params(solver=solver, random_state=0, **limit)
        complaint = ""
        try:
            getattr(svm, method)(X, y)
        except ValueError as error:
            complaint = str(error)
        if complaint:
            assert re.match(sentence, complaint)
        else:
            assert np.isfinite(svm.coef_).all()
            assert np.isnan(svm.dual_gap_) or 0 <= svm.dual_gap_ <= 1


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("kernel", ["rbf", "poly", "sigmoid"])
def test_features_whose_variance_overflows_have_no_scale(kernel):
    with pytest.raises(ValueError, match=r"X.var\(\) overflows: scale the features, or give gamma"):
        MulticlassSVM(scale=None, kernel=kernel).fit(np.eye(3) * 1e200, [0, 1, 2])


def test_features_whose_products_overflow_do_not_hang():
    with pytest.raises(ValueError, match="inner products of planes overflow"):
        ChainSVM(scale=None, solver="cutting_plane").fit([x * 1e160 for x in X], Y)


def chain(labels):
    return ChainSVM(tol=0.1).fit([np.eye(len(labels))], [labels])


def tagger(labels):
    words = [f"w{k}" for k in range(len(labels))]
    return SequenceTagger(tol=0.1).fit([words], [labels])


def grid(labels):
    return GridSVM(tol=0.5, max_iter=3).fit([np.eye(len(labels))[None]], [[labels]])


def graph(labels):
    edges = np.array([[0, 1]])
    return GraphSVM(tol=0.5, max_iter=3).fit([(np.eye(len(labels)), edges)], [labels])


def multiclass(labels):
    return MulticlassSVM(tol=0.1).fit(np.eye(len(labels)), labels)


STRUCTURED = [chain, tagger, grid, graph]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("fit", [*STRUCTURED, multiclass])
@pytest.mark.parametrize(
    "labels",
    [
        ["x\0y", "xy", "x"],
        ["caf\u00e9", "cafe\u0301", "cafe"],
        ["\udc80", "\ud800", "a"],
        [np.str_("a"), "b", "aa"],
        [2**63 - 1, -(2**63), 2**63 - 2],
        [2**53, 2**53 + 1, 0],
        np.array([1, 2, 255], dtype=np.uint8),
    ],
)
def test_labels_that_differ_stay_apart(fit, labels):
    svm = fit(labels)
    assert svm.classes_.tolist() == sorted(list(labels))


@pytest.mark.parametrize("fit", [*STRUCTURED, multiclass])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["x\0", "x"], r"'x\\x00', which ends in a null character: numpy drops it"),
        (["x", np.str_("x\0\0")], "ends in a null character"),
        ([10**30, 0], "10{30}, expected .* from -2\\*\\*63 to 2\\*\\*63 - 1"),
        ([0, -(2**63) - 1], "expected .* from -2"),
        ([2**63, -1], "9223372036854775808, expected|dtype float64"),
        ([1, "1"], "labels must be all integers or all strings|mixes strings"),
        ([True, 2], "holds True|y mixes numbers with truth values"),
        ([0.5, 1], "0.5|dtype float64|continuous"),
        (["a", 0.5], "0.5"),
        ([b"a", b"b"], "b'a'|has dtype .S1|represented as bytes"),
        ([float("nan"), 1.0], "nan|NaN|not finite|dtype float64"),
    ],
)
def test_labels_that_would_merge_are_refused(fit, labels, message):
    with pytest.raises((ValueError, TypeError), match=message):
        fit(labels)


def test_great_labels_are_compared_as_integers():
    svm = multiclass(np.array([2**53, 2**53 + 1, 5], dtype=np.int64))
    for kind in (np.uint64, np.float64):
        y = np.array([2**53, 5], dtype=kind)
        assert svm.model_.bind(np.eye(3)[[0, 2]], y) is not None
    with pytest.raises(ValueError, match="label 9007199254740994 was not in the y"):
        svm.model_.bind(np.eye(3)[:1], np.array([2**53 + 2], dtype=np.uint64))


def test_features_too_small_for_their_weights_are_refused():
    X, y = np.eye(4)[:, :2] * 1e-310, [0, 1, 0, 1]
    message = "features of size 1e-310 to 1e-310 need weights that overflow: scale the features"
    for svm in (MulticlassSVM(), structsvm.SurrogateSVM()):
        with pytest.raises(ValueError, match=message):
            svm.fit(X, y)
    with pytest.raises(ValueError, match=message):
        ChainSVM().fit([X], [y])


@pytest.mark.parametrize("name", ["C", "tol", "gamma"])
def test_integers_beyond_all_floats_are_refused(name):
    with pytest.raises(ValueError, match=rf"{name}=10+\.\.\.: expected a finite number > 0"):
        MulticlassSVM(kernel="rbf", **{name: 10**400}).fit(np.eye(2), [0, 1])


def test_a_cache_may_be_larger_than_memory():
    svm = MulticlassSVM(kernel="rbf", cache_size=1e300).fit(np.eye(2), [0, 1])
    assert svm.dual_gap_ <= 1e-3


def test_verbosity_is_a_number():
    with pytest.raises(ValueError, match="verbose='loud': expected 0, 1 or 2"):
        MulticlassSVM(verbose="loud").fit(np.eye(2), [0, 1])


def test_a_path_is_of_numbers():
    with pytest.raises(ValueError, match="Cs='scale': expected values of C"):
        structsvm.fit_path(ChainSVM(), X, Y, "scale")


def test_masked_labels_are_refused():
    with pytest.raises(ValueError, match=r"y\[0\] has masked entries"):
        chain(np.ma.masked_greater([0, 1, 2], 1))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.array([1 + 2j, 1.0]), "has dtype complex128, expected real numbers"),
        (["1", "2"], "has dtype <U1, expected real numbers"),
        (np.ma.masked_array([1.0, 2.0], mask=[False, True]), "has masked entries"),
    ],
)
def test_weights_that_are_no_real_numbers_are_refused_by_every_estimator(weights, message):
    rows = np.array([[1.0], [-1.0]])
    chains, edges = [rows[:1], rows[1:]], np.zeros((0, 2), dtype=int)
    fits = {
        structsvm.ChainSVM: (chains, [[0], [1]]),
        structsvm.StructSVM: (chains, [[0], [1]]),
        structsvm.GraphSVM: ([(x, edges) for x in chains], [[0], [1]]),
        structsvm.GridSVM: ([x[None] for x in chains], [[[0]], [[1]]]),
        structsvm.MulticlassSVM: (rows, [0, 1]),
        structsvm.MultiLabelSVM: (rows, [[0, 1], [1, 0]]),
        structsvm.RankingSVM: (rows, [0, 1]),
        structsvm.SurrogateSVM: (rows, [0, 1]),
        structsvm.SequenceTagger: ([["a"], ["b"]], [["A"], ["B"]]),
    }
    for kind, (X, y) in fits.items():
        svm = kind(structsvm.ChainModel()) if kind is structsvm.StructSVM else kind()
        with pytest.raises(ValueError, match=f"sample_weight {message}"):
            svm.fit(X, y, sample_weight=weights)
    with pytest.raises(ValueError, match=rf"position_weight\[0\] {message}"):
        structsvm.ChainSVM().fit([rows], [[0, 1]], position_weight=[weights])
    with pytest.raises(ValueError, match=message):
        structsvm.GraphSVM().fit([(rows, edges)], [[0, 1]], node_weight=[weights])


def test_weights_of_the_structured_hinge_are_finite(words):
    X, y = words
    model = structsvm.ChainModel()
    model.initialize(X, y)
    for value in (np.nan, np.inf):
        w = np.zeros(model.n_weights)
        w[3] = value
        with pytest.raises(ValueError, match=rf"w\[3\] is {value}, expected a finite number"):
            structured_hinge(model, X, y, w)


EXAMPLES = {
    ChainSVM: (np.random.default_rng(0).normal(size=(3, 4, 2)), np.arange(12).reshape(3, 4) % 2),
    GridSVM: (
        np.random.default_rng(0).normal(size=(3, 2, 2, 2)),
        np.arange(12).reshape(3, 2, 2) % 2,
    ),
    MulticlassSVM: (np.random.default_rng(0).normal(size=(12, 2)), np.arange(12) % 2),
}


@pytest.mark.parametrize("make", [ChainSVM, GridSVM, MulticlassSVM])
def test_a_single_callback_goes_into_a_list(make):
    with pytest.raises(ValueError, match="callbacks=<built-in function print>: expected a list of"):
        make(callbacks=print).fit(*EXAMPLES[make])


@pytest.mark.parametrize("scale", [1e200, 1e300])
@pytest.mark.parametrize("make", [ChainSVM, GridSVM, MulticlassSVM])
def test_features_whose_squares_overflow_are_to_be_scaled(make, scale):
    X, y = EXAMPLES[make]
    svm = make(scale=None, **({"contrast": False} if make is GridSVM else {}))
    with pytest.raises(ValueError, match="features are too large; scale them"):
        svm.fit(scale * np.array(X), y)
    svm.set_params(scale="auto").fit(scale * np.array(X), y)
    assert np.isfinite(svm.coef_).all()


def test_no_examples_have_no_predictions():
    """Of lists; a matrix of rows must have one, as everywhere in scikit-learn."""
    X, y = EXAMPLES[MulticlassSVM]
    assert StructSVM(MulticlassModel()).fit(X, y).predict([]) == []
    assert ChainSVM().fit(*EXAMPLES[ChainSVM]).predict([]) == []
    assert GridSVM().fit(*EXAMPLES[GridSVM]).predict([]) == []
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array"):
        MulticlassSVM().fit(X, y).predict([])
