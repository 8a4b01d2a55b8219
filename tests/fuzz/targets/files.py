"""Model files and checkpoints: damaged bytes, and sound archives with forged contents."""

from __future__ import annotations

import functools
import io
import json
import os
import pickle
import struct
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

import structsvm
from fuzz.harness import Target, WrongAnswerError
from fuzz.mutation import INTEGERS, NUMBERS, chance, pick, spoilt_bytes, spoilt_json
from structsvm.callbacks import Checkpoint
from structsvm.exceptions import ModelFileError
from structsvm.features import SequenceVectorizer, TokenFeatures

_CORPUS = Path("files.pickle")


# ---- the files that are spoilt


def prepare(folder: Path) -> None:
    """Write the sound files once; the processes of a campaign share them."""
    global _CORPUS
    _CORPUS = folder / "files.pickle"
    if not _CORPUS.exists():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of fits that stop early
            corpus = {
                "model": [_saved(svm) for svm in _fitted()],
                "checkpoint": [_checkpoint(k) for k in range(len(_RESUMABLE))],
            }
        part = folder / f"files.{os.getpid()}"
        part.write_bytes(pickle.dumps(corpus))
        part.replace(_CORPUS)
    _corpus.cache_clear()


@functools.cache
def _corpus() -> dict[str, list[bytes]]:
    corpus: dict[str, list[bytes]] = pickle.loads(_CORPUS.read_bytes())
    return corpus


def _chains(seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    y = [rng.integers(3, size=n) for n in (3, 1, 4, 2)]
    return [np.eye(3)[row] + rng.normal(size=(len(row), 3)) / 3 for row in y], y


def _grids() -> tuple[Any, Any]:
    rng = np.random.default_rng(1)
    y = [(rng.random((3, 4)) < 0.5).astype(int) for _ in range(3)]
    return [np.stack([row, rng.normal(size=row.shape)], axis=2) for row in y], y


def _graphs() -> tuple[Any, Any]:
    X, y = _chains(2)
    return [(x, [[k, k + 1] for k in range(len(x) - 1)]) for x in X], y


def _rows() -> tuple[Any, Any]:
    rng = np.random.default_rng(3)
    y = np.arange(12) % 3
    return np.eye(3)[y] + rng.normal(size=(12, 3)) / 2, y


_SENTENCES = [[("The", "D"), ("cat", "N")], [("a", "D"), ("dog", "N"), ("sleeps", "V")]]
_TAGS = [["B-NP", "I-NP"], ["B-NP", "I-NP", "O"]]


def _fitted() -> list[Any]:
    X, y = _chains()
    names = [np.array(["a", "b", "é"])[row] for row in y]
    quick: dict[str, Any] = {"max_iter": 2, "random_state": 0, "tol": 0.5}
    edges = [(x, x[:, :2]) for x in X]
    words = [[word for word, _ in sentence] for sentence in _SENTENCES]
    attributes = [[{"w": w, "n": 0.5} for w in sentence] for sentence in words]
    tagged = _SENTENCES, _TAGS
    marked = TokenFeatures(["U%x[0,0]", "B%x[0,1]"], outside="mark")
    hashed = TokenFeatures("words", n_hashed=32)
    factors = {0: 1.0, 1: 2.0, 2: 1.0}
    spans: list[Any] = [[(0, len(x), "x")] for x in X]
    aligned = [("ab", "abb"), ("ba", "a")], [[(0, 0), (1, 2)], [(1, 0)]]
    gram = np.exp(-np.abs(np.arange(len(_rows()[1]))[:, None] - np.arange(len(_rows()[1]))))
    aligner = structsvm.AlignmentModel(end_gaps="own")
    return [
        structsvm.ChainSVM(**quick).fit(X, y),
        structsvm.ChainSVM(order=2, constraints=[("a", "b")], **quick).fit(X, names),
        structsvm.ChainSVM(loss="normalized_hamming", boundary=False, **quick).fit(edges, names),
        structsvm.ChainSVM(C=1e-9, solver="cutting_plane", **quick).fit(X, y),
        structsvm.StructSVM(structsvm.ChainModel(), **quick).fit(X, y),
        structsvm.SpanSVM(**quick).fit(X, spans),
        structsvm.MultiLabelSVM(**quick).fit(np.eye(4, 2), np.eye(4, 3, 1)),
        structsvm.MultiLabelSVM("tree", **quick).fit(np.eye(4, 2), np.eye(4, 3, 1)),
        structsvm.RankingSVM("ndcg", k=2, **quick).fit(np.eye(4, 2), [2, 1, 0, 1], [0, 0, 0, 1]),
        structsvm.StructSVM(aligner, **quick).fit(*aligned),
        structsvm.GraphSVM(pairwise="table", class_weight=factors, **quick).fit(*_graphs()),
        structsvm.GraphSVM(ignore_label=2, **quick).fit(*_graphs()),
        structsvm.GridSVM(**quick).fit(*_grids()),
        structsvm.GridSVM(pairwise="table", connectivity=8, **quick).fit(*_grids()),
        structsvm.MulticlassSVM(**quick).fit(*_rows()),
        structsvm.MulticlassSVM(kernel="rbf", **quick).fit(*_rows()),
        structsvm.MulticlassSVM(cost=1 - np.eye(3), fit_intercept=False, **quick).fit(*_rows()),
        structsvm.SequenceTagger(**quick).fit(*tagged),
        structsvm.SequenceTagger(marked, **quick).fit(*tagged),
        structsvm.SequenceTagger(hashed, constraints="iob2", **quick).fit(words, _TAGS),
        structsvm.SequenceTagger(SequenceVectorizer(), **quick).fit(attributes, _TAGS),
        structsvm.SequenceTagger(SequenceVectorizer(), **quick).fit(attributes, _TAGS).condensed(),
        structsvm.SequenceTagger(**quick).fit(*tagged).condensed(0.01),
        structsvm.MulticlassSVM(kernel="precomputed", **quick).fit(gram, _rows()[1]),
    ]


def _saved(svm: Any) -> bytes:
    path = Path("sound.npz")
    try:
        svm.save(path)
        return _put_together(*_taken_apart(path.read_bytes()))
    except TypeError:
        return b""
    finally:
        path.unlink(missing_ok=True)


_RESUMABLE: list[tuple[Any, Any]] = [
    (lambda: structsvm.ChainSVM(random_state=0, tol=1e-9), _chains),
    (lambda: structsvm.ChainSVM(random_state=0, tol=1e-9, solver="cutting_plane"), _chains),
    (lambda: structsvm.ChainSVM(random_state=0, tol=1e-9, solver="n_slack"), _chains),
    (lambda: structsvm.ChainSVM(random_state=0, solver="subgradient"), _chains),
    (lambda: structsvm.ChainSVM(random_state=0, solver="perceptron"), _chains),
    (lambda: structsvm.MulticlassSVM(random_state=0, tol=1e-9), _rows),
    (lambda: structsvm.MulticlassSVM(random_state=0, tol=1e-9, kernel="rbf"), _rows),
    (lambda: structsvm.GridSVM(random_state=0, tol=1e-9), _grids),
]


def _checkpoint(k: int) -> bytes:
    make, data = _RESUMABLE[k]
    path = Path("sound.ckpt")
    try:
        make().set_params(max_iter=3, callbacks=[Checkpoint(path, every=2)]).fit(*data())
        return _put_together(*_taken_apart(path.read_bytes()))
    finally:
        path.unlink(missing_ok=True)


# ---- an input


def make(rng: np.random.Generator) -> Any:
    kind = "model" if chance(rng, 0.6) else "checkpoint"
    corpus = _corpus()[kind]
    k = int(rng.integers(len(corpus)))
    others = [data for data in corpus if data]
    data = corpus[k] or others[0]
    how = int(rng.integers(10))
    if how == 0:
        return kind, k, data
    if how <= 2:
        return kind, k, spoilt_bytes(rng, data, others)
    if how == 3:
        return kind, k, _with_forged_directory(rng, data)
    arrays, header = _taken_apart(data)
    for _ in range(int(rng.integers(1, 4))):
        if chance(rng, 0.5) and arrays:
            _forge_array(rng, arrays, others)
        elif kind == "model" or chance(rng, 0.1):
            header = spoilt_json(rng, header)
    return kind, k, _put_together(arrays, header)


def _taken_apart(data: bytes) -> tuple[dict[str, Any], Any]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    header = json.loads(members.pop("header.json"))
    header.pop("crc32")
    return {name: np.load(io.BytesIO(member)) for name, member in members.items()}, header


def _put_together(arrays: dict[str, Any], header: Any) -> bytes:
    members = {}
    for name, values in arrays.items():
        stream = io.BytesIO()
        np.save(stream, values, allow_pickle=values.dtype.hasobject)
        members[name] = stream.getvalue()
    if isinstance(header, dict):
        header = header | {"crc32": {name: zlib.crc32(data) for name, data in members.items()}}
    try:
        members["header.json"] = json.dumps(header).encode()
    except RecursionError:
        members["header.json"] = b"[" * 100_000
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name), member)  # without the time of day
    return stream.getvalue()


_ODD_DTYPES = ("f4", "f8", ">f8", "i1", "i4", "i8", "u8", "?", "U1", "c16", "S1", "V3", "M8[s]")


def _forge_array(rng: np.random.Generator, arrays: dict[str, Any], others: list[bytes]) -> None:
    name = pick(rng, list(arrays))
    array = np.array(arrays[name])
    what = int(rng.integers(12))
    if what <= 4 and array.size and array.dtype.kind in "fiub":
        numbers = NUMBERS if array.dtype.kind == "f" else INTEGERS
        place = int(rng.integers(array.size))
        with np.errstate(all="ignore"):
            array.reshape(-1)[place] = np.asarray(pick(rng, numbers)).astype(array.dtype)
    elif what == 4 and array.size:
        array.reshape(-1)[0] = "x"
    elif what == 5:
        with np.errstate(all="ignore"):
            try:
                array = array.astype(pick(rng, _ODD_DTYPES))
            except (TypeError, ValueError):
                array = np.zeros(array.shape)
    elif what == 6:
        array = pick(
            rng, (array.reshape(-1)[:-1], array[None], array.reshape(-1), array.T, array[..., None])
        )
    elif what == 7:
        array = np.concatenate([array.reshape(-1), array.reshape(-1)])
    elif what == 8:
        del arrays[name]
        return
    elif what == 9:
        foreign = _taken_apart(pick(rng, others))[0]
        name = pick(rng, list(foreign)) if foreign else name
        array = foreign.get(name, array)
    elif what == 10:
        array = np.zeros(pick(rng, ((0,), (), (1,), (5,), (0, 3), (624,))), dtype=array.dtype)
    elif array.ndim == 1 and len(array) > 1:
        array = array[rng.permutation(len(array))]
    arrays[name] = array


def _with_forged_directory(rng: np.random.Generator, data: bytes) -> bytes:
    """Other sizes, methods or places in the archive's own records."""
    out = bytearray(data)
    marks = {
        b"PK\x01\x02": (10, 16, 20, 24, 42),
        b"PK\x03\x04": (8, 14, 18, 22),
        b"PK\x05\x06": (8, 10, 12, 16),
    }
    mark = pick(rng, list(marks))
    places = [k for k in range(len(out) - 46) if out[k : k + 4] == mark]
    if places:
        place = pick(rng, places) + pick(rng, marks[mark])
        number = pick(rng, (0, 1, 8, 12, 14, 255, 2**16, 2**28, 2**31 - 1, 2**32 - 1, len(data)))
        struct.pack_into("<H", out, place, number & 0xFFFF)
        if mark != b"PK\x05\x06" and chance(rng, 0.7):
            struct.pack_into("<H", out, place + 2, number >> 16)
    return bytes(out)


# ---- what is done with it


def run(case: Any) -> None:
    kind, k, data = case
    path = Path("spoilt.npz")
    path.write_bytes(data)
    if kind == "checkpoint":
        _resume(k, path)
    else:
        _load(path)


def _load(path: Path) -> None:
    try:
        svm = structsvm.load(path)
    except (ValueError, TypeError) as error:
        if isinstance(error, ModelFileError):
            raise
        raise WrongAnswerError(f"load: {type(error).__name__}, no ModelFileError") from error
    try:
        svm.save("again.npz")
        again = structsvm.load("again.npz")
    except ModelFileError as error:
        raise WrongAnswerError(f"load: what was saved again is refused: {error}") from error
    try:
        for X in _inputs_for(svm):
            if repr(svm.predict(X)) != repr(again.predict(X)):
                raise WrongAnswerError("load: predictions change when it is saved again")
        repr(svm)
    except (ValueError, TypeError) as error:
        # Sizes were forged in a way that fits together: the inputs are of the old ones.
        raise ModelFileError(str(error)) from error
    if not np.isfinite(svm._flat_weights()).all():
        raise WrongAnswerError("load: weights that are not finite")


def _inputs_for(svm: Any) -> list[Any]:
    if isinstance(svm, structsvm.SequenceTagger):
        if isinstance(svm.features_, SequenceVectorizer):
            return [[[{"w": "cat"}, ["n"]]]]
        return [_SENTENCES] if svm.features_.n_columns_read_ > 1 else [[["a", "cat"]]]
    if isinstance(svm.model_, structsvm.AlignmentModel):
        return [[("ab", "ba")]]
    n = svm.model_.n_features_in_
    if n > 10_000:
        return []
    rows = (structsvm.MulticlassSVM, structsvm.MultiLabelSVM, structsvm.RankingSVM)
    if isinstance(svm, rows):
        return [np.ones((2, n))]
    if isinstance(svm, structsvm.GridSVM):
        return [[np.ones((2, 3, n))]]
    if isinstance(svm, structsvm.GraphSVM):
        return [[(np.ones((3, n)), [[0, 1], [1, 2]])]]
    return [[np.ones((2, n)), np.zeros((0, n))]]


def _resume(k: int, path: Path) -> None:
    make, data = _RESUMABLE[k]
    svm = make().set_params(max_iter=5)
    # Numbers that fit each other but are lies end in a sentence like those of other data.
    svm.fit(*data(), resume_from=path)
    weights = svm._flat_weights()
    if not np.isfinite(weights).all():
        raise WrongAnswerError("resume: weights that are not finite")
    if svm.certified_ and not svm.dual_objective_ <= svm.objective_ * (1 + 1e-9) + 1e-300:
        raise WrongAnswerError(f"resume: certified {svm.dual_objective_} above {svm.objective_}")


TARGET = Target("files", make, run, share=1.5, documented=(ValueError,), prepare=prepare)
