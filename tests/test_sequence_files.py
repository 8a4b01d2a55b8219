"""Packed sequences on disk: written in pieces, mapped, and refused where they are damaged."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import scipy.sparse as sp
from text_chains import text

from structsvm import ChainSVM, PackedSequences
from structsvm.data.sequences import pack_sequences
from structsvm.data.sparse import is_repeated
from structsvm.exceptions import ModelFileError
from structsvm.features import TokenFeatures
from structsvm.problems._grown_problem import is_mapped


def file_of(folder, name):
    (path,) = folder.glob(f"{name}-*.bin")
    return path


def pieces_of(packed, size=5):
    return (packed[i : i + size] for i in range(0, len(packed), size))


def assert_same(a, b):
    np.testing.assert_array_equal(a.offsets, b.offsets)
    for one, other in ((a.rows, b.rows), (a.edges, b.edges)):
        assert (one is None) == (other is None)
        if one is not None:
            assert one.shape == other.shape
            for name in ("data", "indices", "indptr"):
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("edges", [True, False])
@pytest.mark.parametrize("size", [1, 5, 100])
def test_what_is_written_is_read(tmp_path, binary, edges, size):
    X, _ = text(0, binary=binary)
    if edges:
        X = [(rows, sp.csr_array(rows[:, :3])) for rows in X]
    packed = pack_sequences(X)
    PackedSequences.write(tmp_path, pieces_of(packed, size))
    found = PackedSequences.open(tmp_path)
    assert_same(found, packed)
    assert is_mapped(found.rows.indices)
    assert is_repeated(found.rows.data) == binary
    assert bool(list(tmp_path.glob("values-*.bin"))) != binary
    assert_same(PackedSequences.open(tmp_path, check=False), packed)


def test_values_may_begin_late(tmp_path):
    X = [sp.csr_array([[1.0, 0.0], [1.0, 1.0]])] * 3 + [sp.csr_array([[1.0, 2.0], [0.0, 1.0]])]
    PackedSequences.write(tmp_path, ([rows] for rows in X))
    assert_same(PackedSequences.open(tmp_path), pack_sequences(X))


@pytest.mark.parametrize("edges", [True, False])
def test_pieces_may_be_empty(tmp_path, edges):
    X, _ = text(0, binary=True)
    if edges:
        X = [(rows, sp.csr_array(rows[:, :3])) for rows in X]
    packed = pack_sequences(X)
    PackedSequences.write(tmp_path, [[], packed[:0], packed[:2], [], packed[2:], []])
    assert_same(PackedSequences.open(tmp_path), packed)
    PackedSequences.write(tmp_path, [[], packed[:0]])
    assert_same(PackedSequences.open(tmp_path), packed[:0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_training_gives_the_bits_of_rows_in_memory(tmp_path):
    X, y = text(0, binary=True)
    PackedSequences.write(tmp_path, ([rows] for rows in X))
    mapped = PackedSequences.open(tmp_path)
    for params in ({"C": 0.1}, {"solver": "perceptron"}, {"C": 0.1, "solver": "subgradient"}):
        params |= {"random_state": 0, "max_iter": 5}
        one, other = (ChainSVM(**params).fit(rows, y) for rows in (X, mapped))
        np.testing.assert_array_equal(one.coef_, other.coef_)


def test_an_older_folder_is_replaced_and_others_are_left_alone(tmp_path):
    X, _ = text(0, binary=False)
    PackedSequences.write(tmp_path, [X])
    ones, _ = text(1, binary=True)
    PackedSequences.write(tmp_path, [ones])
    assert_same(PackedSequences.open(tmp_path), pack_sequences(ones))
    assert not list(tmp_path.glob("values-*.bin"))
    assert len(os.listdir(tmp_path)) == 4
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"'thesis\.txt', which is none of packed"):
        PackedSequences.write(tmp_path, [X])
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def broken(X):
    yield X[:1]
    raise RuntimeError("the source is gone")


FAILURES = [
    (lambda X: [X[:1], [sp.csr_array((1, 99))]], ValueError, "piece 1 has 99 features and no edge"),
    (lambda X: [], ValueError, "there are no pieces"),
    (broken, RuntimeError, "the source is gone"),
]


@pytest.mark.parametrize(("pieces", "kind", "told"), FAILURES)
@pytest.mark.parametrize("before", ["nothing", "folder", "sequences"])
def test_a_failure_leaves_the_folder_as_it_was(tmp_path, pieces, kind, told, before):
    X, _ = text(0, binary=False)
    folder = tmp_path / "packed"
    if before == "folder":
        folder.mkdir()
    elif before == "sequences":
        PackedSequences.write(folder, [X])
        # What a killed process leaves is removed.
        file_of(folder, "values").with_name("columns-01234567.bin").write_bytes(b"half")
        (folder / "index.json.structsvm-0123456789abcdef.part").write_bytes(b"half")
    with pytest.raises(kind, match=told):
        PackedSequences.write(folder, pieces(X))
    assert folder.exists() == (before != "nothing")
    if before == "sequences":
        assert_same(PackedSequences.open(folder), pack_sequences(X))
        assert len(os.listdir(folder)) == 5
    elif before == "folder":
        assert not os.listdir(folder)
        with pytest.raises(ModelFileError, match=r"has no index\.json: it holds no packed"):
            PackedSequences.open(folder)


def test_two_writings_do_not_remove_each_other_s_files(tmp_path):
    X, _ = text(0, binary=False)

    def pieces():
        yield X[:1]
        with pytest.raises(BlockingIOError, match=r"are being written to .* wait for it or give"):
            PackedSequences.write(tmp_path, [X])
        yield X[1:]

    PackedSequences.write(tmp_path, pieces())
    assert_same(PackedSequences.open(tmp_path), pack_sequences(X))
    PackedSequences.write(tmp_path, [X])


def test_ctrl_c_behind_the_new_index_keeps_its_files(tmp_path, monkeypatch):
    X, _ = text(0, binary=False)
    replace = os.replace

    def interrupted(path, target):
        replace(path, target)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            PackedSequences.write(tmp_path / "packed", [X])
        assert_same(PackedSequences.open(tmp_path / "packed"), pack_sequences(X))
        assert len(os.listdir(tmp_path / "packed")) == 5


def test_a_full_disk_leaves_the_folder_as_it_was(tmp_path):
    code = """
        import os, resource, signal
        import numpy as np
        from structsvm import PackedSequences
        PackedSequences.write("folder", [[np.eye(3)]])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
        before = sorted(os.listdir("folder"))
        try:
            PackedSequences.write("folder", [[np.ones((1000, 100))]])
        except OSError as error:
            print(error.strerror, sorted(os.listdir("folder")) == before)
        print(PackedSequences.open("folder")[0].toarray().tolist() == np.eye(3).tolist())
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["File too large True", "True"]


def test_sequences_may_be_written_over_themselves(tmp_path):
    X, _ = text(0, binary=False)
    PackedSequences.write(tmp_path, [X])
    found = PackedSequences.open(tmp_path)
    PackedSequences.write(tmp_path, [found[1:], found[:1]])
    assert_same(PackedSequences.open(tmp_path), pack_sequences([*X[1:], X[0]]))


@pytest.mark.parametrize("name", ["columns", "row_starts", "values", "offsets", "edge_columns"])
@pytest.mark.parametrize("damage", ["cut", "longer", "bit", "gone"])
def test_damaged_files_are_refused_by_name(tmp_path, name, damage):
    X, _ = text(0, binary=False)
    PackedSequences.write(tmp_path, [[(rows, sp.csr_array(rows[:, :3])) for rows in X]])
    path = file_of(tmp_path, name)
    held = bytearray(path.read_bytes())
    if damage == "cut":
        path.write_bytes(held[:-3])
    elif damage == "longer":
        path.write_bytes(held + b"\0" * 8)
    elif damage == "bit":
        held[len(held) // 2] ^= 4
        path.write_bytes(held)
    else:
        path.unlink()
    told = {
        "cut": "was cut short or changed", "longer": "was cut short or changed",
        "bit": "is damaged: its checksum", "gone": "is missing",
    }[damage]  # fmt: skip
    with pytest.raises(ModelFileError, match=rf"{name}-.{{8}}\.bin.*{told}"):
        PackedSequences.open(tmp_path)


def forged(index, **changes):
    return json.dumps(json.loads(index) | changes)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-10],
        lambda text: "[]",
        lambda text: "[" * 100_000,
        lambda text: "\udcff",
        lambda text: forged(text, format="other"),
        lambda text: forged(text, version=2),
        lambda text: forged(text, files={}),
        lambda text: forged(text, files=7),
        lambda text: forged(text, n_features=-1),
        lambda text: forged(text, n_features=True),
        lambda text: forged(text, n_features=1),  # columns beyond it
        lambda text: forged(text, n_features=2**40),
        lambda text: forged(text, n_edge_features=3),
        lambda text: text.replace('"columns"', '"../columns"'),
        lambda text: forged(text, token="/../aaaa"),
        lambda text: forged(text, token=7),
    ],
)
def test_a_damaged_index_is_refused(tmp_path, change):
    X, _ = text(0, binary=True)
    PackedSequences.write(tmp_path, [X])
    path = tmp_path / "index.json"
    path.write_bytes(change(path.read_text()).encode("utf-8", "surrogateescape"))
    with pytest.raises(ModelFileError, match=r"index\.json|no sound sequences"):
        PackedSequences.open(tmp_path)


def test_arrays_that_contradict_each_other_are_refused(tmp_path):
    X, _ = text(0, binary=True)
    PackedSequences.write(tmp_path, [X])
    starts = np.fromfile(file_of(tmp_path, "row_starts"), "<i8")
    starts[3] = 1 << 40
    starts.tofile(file_of(tmp_path, "row_starts"))
    with pytest.raises(ModelFileError, match="holds no sound sequences: rows is a damaged CSR"):
        PackedSequences.open(tmp_path, check=False)


def test_data_larger_than_memory(tmp_path):
    """Rows of 60 MB are written, opened and trained on, with 20 MB to be had."""
    code = """
        import re, resource, sys
        import numpy as np
        from structsvm import ChainSVM, PackedSequences
        from structsvm.data.packing import binary_rows
        n, each, width = 200_000, 80, 2000

        def pieces():
            for k in range(100):
                rng = np.random.default_rng(k)
                m = n // 100
                columns = rng.integers(width // each, size=(m, each), dtype=np.int32)
                columns += np.arange(each, dtype=np.int32) * (width // each)
                starts = np.arange(0, m * each + 1, each, dtype=np.int32)
                rows = binary_rows(columns.ravel(), starts, (m, width))
                yield PackedSequences(rows, np.arange(0, m + 1, 100))

        y = [[0, 1] * 50] * (n // 100)
        if sys.argv[1] == "limited":
            status = open("/proc/self/status").read()
            used = int(re.search(r"VmData:\\s+(\\d+) kB", status)[1]) << 10
            resource.setrlimit(resource.RLIMIT_DATA, (used + (20 << 20),) * 2)
            PackedSequences.write("folder", pieces())
        X = PackedSequences.open("folder")
        svm = ChainSVM(solver="perceptron", max_iter=2, random_state=0).fit(X, y)
        print(X.rows.indices.nbytes >> 20, svm.coef_.tobytes().hex())
    """
    told = []
    for mode in ("limited", "free"):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), mode],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        told.append(done.stdout.split())
    assert told[0] == told[1]
    assert told[0][0] == "61"


def test_tokens_are_packed_as_they_come(tmp_path):
    X = [[("a", "x"), ("b", "y")], [("b", "x")], [("c", "z"), ("a", "z")]]
    features = TokenFeatures("chunk", n_hashed=50).fit(X[:1])
    PackedSequences.write(tmp_path, (features.transform([x]) for x in X))
    assert_same(PackedSequences.open(tmp_path), features.transform(X))
