"""Model files: what goes in comes out, and nothing else gets in."""

import copy
import io
import json
import os
import pickle
import tracemalloc
import zipfile
import zlib

import joblib
import numpy as np
import pytest
import scipy.sparse as sp

import structsvm
from structsvm import ChainModel, ChainSVM, MulticlassSVM, StructSVM, StructuredModel
from structsvm.exceptions import ModelFileError, TrivialFitWarning
from structsvm.losses import HammingLoss
from structsvm.persistence import registry
from structsvm.solvers import BCFW

ESTIMATORS = [
    ChainSVM(C=1.0, scale=None, random_state=0),
    ChainSVM(scale=None, C=np.float64(2.0), transitions=False, boundary=False, fit_intercept=False),
    ChainSVM(
        C=1.0,
        scale=None,
        loss=HammingLoss(normalize=True, cost=2 * (1 - np.eye(3))),
        solver=BCFW(step="pairwise"),
    ),
    StructSVM(
        ChainModel(task_loss="normalized_hamming", boundary=False), scale=None, C=3, tol=1e-2
    ),
]


def same(a, b, X):
    assert type(a) is type(b)
    assert np.array_equal(a.coef_, b.coef_)
    assert a.model_.classes_.dtype == b.model_.classes_.dtype
    for name in ("objective_", "dual_objective_", "dual_gap_", "certified_", "n_iter_"):
        assert getattr(a, name) == getattr(b, name)
    assert a.history_.keys() == b.history_.keys()
    assert all(np.array_equal(a.history_[name], b.history_[name]) for name in a.history_)
    assert all(map(np.array_equal, a.predict(X), b.predict(X)))
    assert np.array_equal(a.decision_function(X), b.decision_function(X))


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("names", [[0, 1, 2], [-5, 7, 900], ["B-NP", "I-NP", "ö"]])
def test_round_trip(tmp_path, words, estimator, names):
    X, y = words
    svm = estimator.fit(X, [[names[k] for k in labels] for labels in y])
    path = tmp_path / "model"
    svm.save(path)
    copy = structsvm.load(path)
    same(svm, copy, X)
    ours, theirs = svm.get_params(), copy.get_params()
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        if isinstance(value, (int, float, str, type(None))):
            assert theirs[name] == value
    assert os.listdir(tmp_path) == ["model"]
    copy.fit(X, y)


@pytest.mark.parametrize("dump", [pickle, joblib])
def test_pickle_and_joblib(tmp_path, words, dump):
    X, y = words
    svm = ChainSVM(C=1.0, scale=None, warm_start=True, random_state=0).fit(X, y)
    with open(tmp_path / "model", "wb") as file:
        dump.dump(svm, file)
    with open(tmp_path / "model", "rb") as file:
        same(svm, dump.load(file), X)


def test_callbacks_are_left_out(tmp_path, words):
    svm = ChainSVM(C=1.0, scale=None, callbacks=[lambda progress: False]).fit(*words)
    svm.save(tmp_path / "model")
    assert structsvm.load(tmp_path / "model").callbacks is None


class Constant(StructuredModel):
    def joint_feature(self, x, y):
        return np.ones(1)

    def loss(self, y, y_hat):
        return 0.0

    def loss_augmented_inference(self, x, y, w):
        return y

    def inference(self, x, w):
        return 0


def test_code_of_ones_own_is_refused(tmp_path, words):
    path = tmp_path / "model"
    with pytest.warns(TrivialFitWarning, match="no mistake costs anything"):
        constant = StructSVM(Constant(), C=1.0, scale=None).fit([0], [0])
    with pytest.raises(TypeError, match=r"model is a Constant, .* use pickle or joblib"):
        constant.save(path)
    with pytest.raises(TypeError, match="random_state is a RandomState, whose code or state"):
        ChainSVM(C=1.0, scale=None, random_state=np.random.RandomState(0)).fit(*words).save(path)

    class MyLoss(HammingLoss):
        pass

    with pytest.raises(TypeError, match="loss is a MyLoss, whose code or state"):
        ChainSVM(C=1.0, scale=None, loss=MyLoss()).fit(*words).save(path)
    assert not path.exists()


def test_an_interrupted_write_leaves_the_old_file(tmp_path, words, monkeypatch):
    svm = ChainSVM(C=1.0, scale=None, random_state=0).fit(*words)
    path = tmp_path / "model"
    svm.save(path)
    before = path.read_bytes()

    def fail(*args):
        raise OSError("disk full")

    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match="disk full"):
                svm.save(path)
        assert path.read_bytes() == before
        assert os.listdir(tmp_path) == ["model"]


@pytest.fixture
def saved(tmp_path, words):
    path = tmp_path / "model"
    ChainSVM(C=1.0, scale=None, random_state=0).fit(*words).save(path)
    return path


def test_every_truncation_is_one_error(saved):
    data = saved.read_bytes()
    for length in [*range(0, len(data), 97), len(data) - 1]:
        saved.write_bytes(data[:length])
        with pytest.raises(ModelFileError, match="model"):
            structsvm.load(saved)


def test_no_flipped_bit_passes_silently(saved, words):
    data = bytearray(saved.read_bytes())
    want = structsvm.load(saved)
    rng = np.random.default_rng(0)
    caught = 0
    for place in rng.integers(len(data), size=400):
        flipped = bytearray(data)
        flipped[place] ^= 1 << int(rng.integers(8))
        saved.write_bytes(flipped)
        try:
            same(structsvm.load(saved), want, words[0])
        except ModelFileError:
            caught += 1
    assert caught > 300  # the rest hit bytes of the archive that carry no content


def rewrite(path, change):
    """Unpack a model file, let `change` edit header and members, and pack it with new checksums."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members.pop("header.json"))
    header = change(header, members) or header
    if isinstance(header, dict):
        header["crc32"] = {name: zlib.crc32(data) for name, data in members.items()}
    text = header if isinstance(header, str) else json.dumps(header)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("header.json", text)
        for name, data in members.items():
            archive.writestr(name, data)


def npy(array, **kwargs):
    buffer = io.BytesIO()
    np.save(buffer, array, **kwargs)
    return buffer.getvalue()


def set_header(name, value):
    return lambda header, members: header.update({name: value})


def set_sizes(n_features):
    return set_header("sizes", {"n_features": n_features, "n_edge_features": 0})


def set_member(name, data):
    return lambda header, members: members.update({name: data})


def claim(shape):
    def change(header, members):
        data = members["coef.npy"]
        old = data[: data.index(b"\n") + 1]
        new = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            new, {"descr": "<f8", "fortran_order": False, "shape": shape}
        )
        members["coef.npy"] = new.getvalue() + data[len(old) :]

    return change


def nan_weight(header, members):
    coef = np.load(io.BytesIO(members["coef.npy"]))
    coef[3] = np.nan
    members["coef.npy"] = npy(coef)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_header("format", "pickle"), "does not say it is a structsvm model"),
        (set_header("version", 3), "it is of format version 3, this release reads 1 and 2"),
        (lambda header, members: [1], "does not say it is a structsvm model"),
        (set_header("estimator", {"class": "Popen", "params": {}}), "the class 'Popen', which is"),
        (set_header("estimator", {"class": "BCFW", "params": {}}), "holds a BCFW, which is no est"),
        (set_header("estimator", {"class": "ChainSVM", "params": {"x": 1}}), "unexpected keyword"),
        (set_header("estimator", 3), "holds a int, which is no estimator"),
        (set_header("numbers", {}), "it lacks 'objective_'"),
        (
            set_sizes(6),
            r"the weights are float64 of shape \(33,\), the model needs float64 of shape \(36,\)",
        ),
        (set_sizes(10**9), "make 30"),
        (set_member("coef.npy", npy(np.zeros(4))), r"are float64 of shape \(4,\), the model needs"),
        (
            set_member("coef.npy", npy(np.zeros((33, 1)))),
            r"are float64 of shape \(33, 1\), the model needs",
        ),
        (
            set_member("coef.npy", npy(np.zeros(33, np.float32))),
            r"are float32 of shape \(33,\), the model needs",
        ),
        (set_member("coef.npy", npy(np.array([None] * 33), allow_pickle=True)), "dtype object"),
        (set_member("coef.npy", b"nonsense"), "no readable model file"),
        (set_member("model/classes.npy", npy(np.array([2, 1, 0]))), "not sorted and distinct"),
        (set_member("model/classes.npy", npy(np.array([1, 1, 2]))), "not sorted and distinct"),
        (
            lambda header, members: members.pop("model/classes.npy") and None,
            "it lacks 'classes'",
        ),
        (claim((10**12,)), "member coef.npy claims shape .* but holds 264 bytes"),
        (claim((-1,)), "member coef.npy"),
        (nan_weight, "weight 3 is not finite"),
    ],
)
def test_forged_files_are_refused(saved, change, message):
    rewrite(saved, change)
    with pytest.raises(ModelFileError, match=message) as info:
        structsvm.load(saved)
    assert str(saved) in str(info.value)


def sparse(n_features=500):
    """A file that holds the few weights that are not 0."""
    x = np.zeros((2, n_features))
    x[:, :2] = np.eye(2)
    return ChainSVM(C=1.0, scale=None, fit_intercept=False, random_state=0).fit([x], [[0, 1]])


@pytest.mark.parametrize("n_features", [500, 2_000_000])
def test_few_weights_that_are_not_zero_are_all_that_is_stored(tmp_path, n_features):
    if n_features == 500:
        svm = sparse()
    else:
        rows = sp.csr_array(([1.0, 1.0], [0, 1], [0, 1, 2]), shape=(2, n_features))
        svm = ChainSVM(C=1.0, scale=None, fit_intercept=False, random_state=0).fit([rows], [[0, 1]])
    svm.save(tmp_path / "model")
    copy = structsvm.load(tmp_path / "model")
    np.testing.assert_array_equal(copy.coef_, svm.coef_)
    if n_features == 500:
        assert (tmp_path / "model").stat().st_size < 8 * len(svm.coef_) + 3000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_member("coef/places.npy", npy(np.zeros(3, np.int32))), "are not in order"),
        (
            set_sizes(10**8),
            "it claims 200000008 weights, 10 of them not 0",
        ),
        (
            set_sizes(2),
            "have places beyond the 12 of the model",
        ),
        (set_member("coef/values.npy", npy(np.zeros(3, np.float32))), "the weights are float32"),
    ],
)
def test_forged_places_are_refused(tmp_path, change, message):
    path = tmp_path / "model"
    sparse().save(path)
    rewrite(path, change)
    with pytest.raises(ModelFileError, match=message):
        structsvm.load(path)


# ---- memory


def peak_of_a_refusal(path, message):
    """The memory in bytes that it took to refuse a file."""
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=message):
            structsvm.load(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (20, 1_100_000_000, "member coef.npy claims"),  # the size in the file
        (24, 1_100_000_000, "member coef.npy claims 1100000000 bytes of"),  # the size in memory
        (10, 8, "member coef.npy claims"),  # compressed
        (42, 30, "begins inside of another|no readable model file"),  # where it begins
        (42, 2**31, "member coef.npy claims|no readable model file"),
    ],
)
def test_a_forged_directory_takes_no_memory(saved, place, value, message):
    data = bytearray(saved.read_bytes())
    at = data.rindex(b"coef.npy") - 46 + place
    data[at : at + 4] = value.to_bytes(4, "little")
    saved.write_bytes(data)
    assert peak_of_a_refusal(saved, message) < 2 * 2**20


def test_members_that_share_bytes_or_names_are_refused(saved, tmp_path):
    with zipfile.ZipFile(saved) as archive:
        header, coef = archive.read("header.json"), archive.read("coef.npy")
    with zipfile.ZipFile(tmp_path / "shared", "w") as archive:
        archive.writestr("header.json", header)
        archive.writestr("coef.npy", coef)
        for k in range(1000):
            info = copy.copy(archive.getinfo("coef.npy"))
            info.filename = f"coef{k}.npy"
            archive.filelist.append(info)
    peak_of_a_refusal(tmp_path / "shared", r"member coef\d+.npy begins inside of another")
    with zipfile.ZipFile(tmp_path / "twice", "w") as archive:
        archive.writestr("header.json", header)
        archive.writestr("coef.npy", coef)
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("coef.npy", coef)
    peak_of_a_refusal(tmp_path / "twice", "member coef.npy is there twice")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header, members: "[" * 10**6, "recursion|no readable"),
        (lambda header, members: '{"a":' * 10**6, "recursion|no readable"),
        (claim((2**62, 0)), "member coef.npy claims shape"),
        (claim((-1, -33)), "member coef.npy claims shape"),
        (claim((10**300,)), "member coef.npy"),
        (set_member("history/gap.npy", npy(np.zeros((2, 2)))), "the history of gap is float64"),
        (set_member("history/gap.npy", npy(np.array(["a"]))), "the history of gap is <U1"),
        (
            set_sizes(10**1000),
            "no readable model file|make",
        ),
        (
            set_sizes(float("nan")),
            "no readable model file",
        ),
        (set_sizes(-1), "it claims -1 features"),
        (
            set_member("model/classes.npy", npy(np.arange(20_000, dtype=np.int16))),
            "claims 20000 classes",
        ),
    ],
)
def test_small_files_that_ask_for_much_are_refused_at_once(saved, change, message):
    rewrite(saved, change)
    assert peak_of_a_refusal(saved, message) < 64 * 2**20


def test_features_that_ask_for_much_are_refused_at_once(tmp_path):
    path = tmp_path / "model"
    tagger = structsvm.SequenceTagger("auto", random_state=0)
    X = [[(f"w{k}{'x' * 50}", "N") for k in range(300)]]
    tagger.fit(X, [["A", "B"] * 150]).save(path)
    good = path.read_bytes()
    n_bytes = len(np.load(io.BytesIO(_member(path, "features/states/view0/text.npy"))))
    back_and_forth = np.tile([n_bytes, 0], 150).astype(np.int64)
    for name, value in (
        ("view0/ends", back_and_forth),
        ("view0/ends", np.arange(300) - 5),
        ("view0/ends", np.zeros((300, 1), np.int64)),
        ("view0/text", np.zeros(n_bytes, np.int64)),
        ("view0/text", np.zeros(n_bytes, np.uint8)),  # the same text again and again
        ("group0/0", np.arange(300) + 10**6),
        ("group0/0", np.zeros((2**20, 0), np.int64)),
    ):
        path.write_bytes(good)
        rewrite(path, set_member(f"features/states/{name}.npy", npy(value)))
        assert peak_of_a_refusal(path, "no readable model file|claims shape") < 64 * 2**20


def _member(path, name):
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def test_other_files_are_refused(tmp_path):
    for name, data in (("empty", b""), ("text", b"hello\n" * 100)):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(ModelFileError, match=f"{name} is no readable model file"):
            structsvm.load(tmp_path / name)
    with zipfile.ZipFile(tmp_path / "zip", "w") as archive:
        archive.writestr("a.npy", npy(np.zeros(3)))
    with pytest.raises(ModelFileError, match=r"there is no header.json of at most"):
        structsvm.load(tmp_path / "zip")
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", b" " * 10**7)
    with pytest.raises(ModelFileError, match=r"member header.json claims 10000000 bytes of \d+"):
        structsvm.load(tmp_path / "bomb")
    with pytest.raises(FileNotFoundError):
        structsvm.load(tmp_path / "absent")
    with pytest.raises(ModelFileError, match="is no readable model file"):
        structsvm.load(tmp_path)


def test_a_large_cost_matrix_is_read_back_and_a_larger_one_is_not_written(tmp_path, monkeypatch):
    cost = np.random.default_rng(0).random((300, 300))
    np.fill_diagonal(cost, 0.0)
    svm = ChainSVM(
        C=1.0, scale=None, loss=HammingLoss(cost=cost), callbacks=[lambda progress: True]
    )
    svm.fit([np.ones((300, 1))], [np.arange(300)]).save(tmp_path / "model")
    assert np.array_equal(structsvm.load(tmp_path / "model").loss.cost, cost)
    monkeypatch.setattr("structsvm.persistence.model_files._MAX_HEADER_BYTES", 10**6)
    with pytest.raises(ValueError, match=r"a header of \d+ bytes, a model file holds 1000000"):
        svm.save(tmp_path / "other")
    assert os.listdir(tmp_path) == ["model"]


def test_changed_parameters_are_not_saved_with_old_weights(words, tmp_path):
    svm = ChainSVM(C=1.0, scale=None).fit(*words).set_params(boundary=False)
    with pytest.raises(ValueError, match="parameters of the model were changed after fit"):
        svm.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_files_have_the_permissions_of_any_other(words, tmp_path):
    svm, path = ChainSVM(C=1.0, scale=None).fit(*words), tmp_path / "model"
    svm.save(path)
    (tmp_path / "other").write_text("")
    assert path.stat().st_mode == (tmp_path / "other").stat().st_mode
    path.chmod(0o640)
    svm.save(path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_many_classes_of_few_weights_come_back(tmp_path):
    y = np.arange(3000)
    X = np.stack([np.cos(y), np.sin(y)], axis=1)[:, :1]
    svm = MulticlassSVM(
        C=1.0, scale=None, solver="perceptron", fit_intercept=False, max_iter=1
    ).fit(X, y)
    svm.save(tmp_path / "model")
    assert np.array_equal(structsvm.load(tmp_path / "model").predict(X), svm.predict(X))
    chain = ChainSVM(
        C=1.0, scale=None, solver="perceptron", transitions=False, boundary=False, max_iter=1
    )
    chain.fit([X], [y])
    with pytest.raises(ValueError, match="3000 classes are too many for a model file"):
        chain.set_params(fit_intercept=False).fit([X], [y]).save(tmp_path / "chain")
    assert not (tmp_path / "chain").exists()


# ---- kernels


KERNELS = [
    {"kernel": "rbf"},
    {"kernel": "poly", "degree": 2, "coef0": 1.0, "gamma": "auto"},
    {"kernel": "sigmoid", "gamma": 0.001, "fit_intercept": False},
]


def rows_of_classes(n_classes, convert=np.asarray, dtype=np.float64):
    rng = np.random.default_rng(n_classes)
    y = np.arange(40) % n_classes
    X = (3 * np.eye(n_classes)[y] + rng.normal(size=(40, n_classes)) / 2).round(1)
    return convert(X.astype(dtype)), y


@pytest.mark.parametrize("params", KERNELS)
@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("convert", [np.asarray, sp.csr_array, sp.csr_matrix])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_kernel_models_come_back(tmp_path, params, n_classes, convert, dtype):
    X, y = rows_of_classes(n_classes, convert, dtype)
    svm = MulticlassSVM(C=10, random_state=0, **({"scale": None} | params)).fit(X, y)
    assert len(svm.support_) > 0
    svm.save(tmp_path / "model")
    copy = structsvm.load(tmp_path / "model")
    for name in ("support_", "dual_coef_", "intercept_", "classes_", "n_features_in_"):
        assert np.array_equal(getattr(svm, name), getattr(copy, name))
    assert np.array_equal(svm.decision_function(X), copy.decision_function(X))
    assert np.array_equal(svm.predict(X), copy.predict(X))
    assert not hasattr(copy, "coef_")
    assert copy.fit(X, y).score(X, y) == svm.score(X, y)


def test_a_kernel_model_far_from_zero_or_without_support_comes_back(tmp_path):
    X, y = rows_of_classes(3)
    far = MulticlassSVM(C=1.0, scale=None, kernel="rbf", random_state=0).fit(X + 1e6, y)
    none = MulticlassSVM(C=1.0, kernel="rbf", random_state=0).fit(X, y)
    empty = none.model_.condensed(np.zeros_like(none._flat_weights()))
    none.__dict__.update(none._weight_attributes(*empty))
    assert none.dual_coef_.shape == (0, 3)
    for svm, rows in ((far, X + 1e6), (none, X)):
        svm.save(tmp_path / "model")
        copy = structsvm.load(tmp_path / "model")
        assert np.array_equal(svm.decision_function(rows), copy.decision_function(rows))


def same_columns(header, members):
    name = "model/rows/indices.npy"
    indices = np.load(io.BytesIO(members[name]))
    indices[1] = indices[0]
    members[name] = npy(indices)


def my_kernel(A, B):
    return A @ B.T


def test_a_kernel_of_ones_own_is_refused_by_name(tmp_path):
    svm = MulticlassSVM(C=1.0, kernel=my_kernel).fit(*rows_of_classes(3))
    message = "kernel is the function my_kernel, whose code .* use pickle or joblib"
    with pytest.raises(TypeError, match=message):
        svm.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()
    assert np.array_equal(pickle.loads(pickle.dumps(svm)).dual_coef_, svm.dual_coef_)


def short(name):
    """One entry less than there is."""

    def change(header, members):
        members[name] = npy(np.load(io.BytesIO(members[name]))[:-1])

    return change


@pytest.mark.parametrize(
    ("convert", "change", "message"),
    [
        (np.asarray, short("model/rows.npy"), "numbers of the .* examples of the kernel do not"),
        (np.asarray, short("model/support.npy"), "numbers of the .* examples of the kernel do not"),
        (np.asarray, short("coef/values.npy"), "places of the weights are not in order"),
        (np.asarray, set_member("model/rows.npy", npy(np.zeros((40, 4), np.int8))), "are int8"),
        (np.asarray, set_member("model/rows.npy", npy(np.zeros((40, 5)))), "5 features, expected"),
        (np.asarray, set_member("model/rows.npy", npy(np.full((40, 4), np.nan))), "is NaN"),
        (np.asarray, set_member("model/rows.npy", npy(np.zeros(160))), "expected 2"),
        (np.asarray, set_member("model/support.npy", npy(np.zeros(40))), "do not rise"),
        (np.asarray, set_member("model/kernel/gamma.npy", npy(np.array([np.inf]))), "one finite"),
        (np.asarray, set_member("model/kernel/gamma.npy", npy(np.zeros(2))), "one finite number"),
        (np.asarray, set_member("model/kernel/gamma.npy", npy(np.array([-1.0]))), "above 0"),
        (np.asarray, set_member("model/kernel/origin.npy", npy(np.zeros(3))), "origin of the ker"),
        (np.asarray, set_member("model/kernel/center.npy", npy(np.zeros(3))), "center of the ker"),
        (np.asarray, set_member("model/kernel/center.npy", npy(np.full(4, np.inf))), "finite"),
        (np.asarray, set_member("model/kernel/scale.npy", npy(np.zeros(4))), "scale 0.0, expected"),
        (np.asarray, set_header("sizes", {"n_features": 5}), "4 features, expected 5"),
        (sp.csr_array, short("model/rows/indices.npy"), "no readable model file"),
        (sp.csr_array, same_columns, "columns of the kernel's sparse rows are not in order"),
        (sp.csr_array, short("model/rows/indptr.npy"), "examples of the kernel do not rise"),
        (sp.csr_array, set_header("sizes", {"n_features": 1}), "no readable|damaged"),
        (
            sp.csr_array,
            set_member("model/rows/indptr.npy", npy(np.array([0, 2**40], np.int64))),
            "no readable|damaged",
        ),
        (
            sp.csr_array,
            set_member("model/rows/data.npy", npy(np.array(["a"]))),
            "are <U1, expected real numbers",
        ),
        (
            sp.csr_array,
            set_member("model/rows/indices.npy", npy(np.zeros(160))),
            "are not integers",
        ),
    ],
)
def test_forged_kernels_are_refused(tmp_path, convert, change, message):
    path = tmp_path / "model"
    MulticlassSVM(kernel="rbf", C=10, random_state=0).fit(*rows_of_classes(4, convert)).save(path)
    rewrite(path, change)
    assert peak_of_a_refusal(path, message) < 2 * 2**20


# ---- classes from outside


class Nearest(ChainModel):
    """A family of one's own."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale

    def to_state(self):
        return super().to_state() | {"scale": np.array([self.scale])}

    def from_state(self, state):
        return super().from_state(state)


class TunedLoss(HammingLoss):
    pass


def test_registered_classes_come_back_and_others_do_not(tmp_path, words, monkeypatch):
    X, y = words
    monkeypatch.setattr(registry, "_registered", {})
    svm = StructSVM(Nearest(2.0), C=1.0, scale=None, random_state=0).fit(X, y)
    path = tmp_path / "model"
    with pytest.raises(TypeError, match="model is a Nearest, whose code or state"):
        svm.save(path)
    assert registry.register(Nearest) is Nearest
    svm.save(path)
    copy = structsvm.load(path)
    same(svm, copy, X)
    assert type(copy.model_) is Nearest
    assert copy.model_.scale == 2.0
    registry.register(TunedLoss)
    ChainSVM(C=1.0, scale=None, loss=TunedLoss()).fit(X, y).save(tmp_path / "other")
    assert type(structsvm.load(tmp_path / "other").loss) is TunedLoss
    monkeypatch.setattr(registry, "_registered", {})
    with pytest.raises(ModelFileError, match=r"the class '[\w.]+\.Nearest', which is not known"):
        structsvm.load(path)


def test_what_cannot_tell_its_state_is_not_registered():
    with pytest.raises(TypeError, match=r"Constant lacks to_state\(\), from_state\(\), which"):
        registry.register(Constant)
    with pytest.raises(TypeError, match=r"dict lacks get_params\(\), which model files need"):
        registry.register(dict)
