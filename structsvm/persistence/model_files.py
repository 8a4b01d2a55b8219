"""Estimators in one file, without pickle: an npz archive of arrays and a JSON header.

A file is data, never code: classes are looked up in `registry`, every array is checked against the
header and the archive's directory before it is read, and the weights must fit the model.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data import files
from structsvm.data.state import State, arrays_of, most_numbers, sizes_of
from structsvm.exceptions import ModelFileError
from structsvm.linalg._plane import padded_copy, padded_vector
from structsvm.persistence import registry
from structsvm.persistence.loaded_tagger import LoadedTagger

if TYPE_CHECKING:
    from structsvm.base import StructuredModel

__all__ = ["Contents", "load", "naming", "read_checkpoint", "save", "write_checkpoint"]

# Where this is imported, what a `LoadedTagger` spares is spent.
_LIGHT_UNTIL = "structsvm.estimators.tagger"
_MODEL, _CHECKPOINT = "structsvm model", "structsvm checkpoint"
# The versions of each kind that are read; the last is written.
_VERSIONS = {_MODEL: (1, 2), _CHECKPOINT: (1,)}
_HEADER = "header.json"
_FEW_ROWS = 64
_SHORT = (np.float16, np.float32)
# In memory JSON takes some twenty times its size, so there is a limit of its own.
_MAX_HEADER_BYTES = 1 << 24
_NUMBERS = ("objective_", "dual_objective_", "dual_gap_")
_COUNTS = ("n_iter_", "n_oracle_calls_")


# ---- writing


def save(
    path: str | os.PathLike[str],
    estimator: Any,
    unfitted: StructuredModel,
    weights: Any,
    learned: Mapping[str, Any],
) -> None:
    """Write a fitted estimator to `path`; a file there is replaced in one step or left alone.

    Links are followed, and pipes are written through. `callbacks`, `engine` and the
    dual state of `warm_start` are not stored.

    Parameters
    ----------
    path : path-like
        Used as it is; no ending is added.
    estimator : StructSVM
        Fitted, over a model of this package.
    unfitted : StructuredModel
        The model that its parameters make now.
    weights : ndarray of shape (n_weights,), or ScatteredWeights
    learned : dict
        What it learned beside model and weights, by name.

    Raises
    ------
    TypeError
        If a parameter is neither plain data nor an object of this package.
    """
    model = estimator.model_
    described = _describe("estimator", estimator)
    if _describe("model", unfitted) != _describe("model", model):
        raise ValueError("parameters of the model were changed after fit: fit again, then save")
    state = model.to_state()
    arrays = _packed_coef(weights) | _put("model", arrays_of(state))
    arrays |= _put("history", estimator.history_)
    header = {
        "estimator": described,
        "numbers": {name: float(getattr(estimator, name)) for name in _NUMBERS},
        "counts": {name: int(getattr(estimator, name)) for name in _COUNTS},
        "certified": bool(estimator.certified_),
        "sizes": sizes_of(state),
    }
    for name, value in learned.items():
        header[name] = _describe(name, value)
        arrays |= _put(name, value.to_state())
    if _claims_too_much(model, state, arrays):
        raise ValueError(
            f"{len(state['classes'])} classes are too many for a model file of so few weights: "
            "use pickle or joblib for this estimator"
        )
    _write(path, _MODEL, header, arrays)


def _put(folder: str, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {f"{folder}/{name}": values for name, values in arrays.items()}


def _packed_coef(coef: Any) -> dict[str, NDArray[Any]]:
    """The weights, or those that are not 0 and their places, if that is less."""
    if isinstance(coef, np.ndarray):
        places, size = np.flatnonzero(coef), len(coef)
        values = coef[places]
    else:
        (places, values), size = coef.entries(), coef.size
    if 3 * len(places) >= 2 * size or size > most_numbers(len(places)):
        return {"coef": coef if isinstance(coef, np.ndarray) else coef()}
    # Weights that were made short, and how many zeros come before each.
    gaps = np.diff(places, prepend=-1) - 1
    if gaps.max(initial=0) < 1 << 16:
        for dtype in _SHORT:
            with np.errstate(over="ignore"):
                short = values.astype(dtype)
            if np.array_equal(short.astype(np.float64), values):
                return {"coef/gaps": gaps.astype(np.uint16), "coef/values": short}
    return {"coef/places": places.astype(np.int32), "coef/values": values}


def _claims_too_much(model: Any, state: State, arrays: dict[str, NDArray[Any]]) -> bool:
    """Whether a model makes tables too large for what its file holds."""
    held = sum(array.size for array in arrays.values())
    return bool(model.n_table_entries(state) > most_numbers(held))


def write_checkpoint(snapshot: dict[str, NDArray[Any]], path: str | os.PathLike[str]) -> None:
    """Write the arrays of a running fit; a file at `path` is replaced in one step."""
    _write(path, _CHECKPOINT, {}, snapshot)


def _describe(where: str, value: Any) -> Any:
    """A parameter as JSON: plain data, arrays, and objects of known classes."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, np.generic):
        return _describe(where, value.item())
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return value.tolist()
    if isinstance(value, (list, tuple)):
        items = [_describe(f"{where}[{k}]", item) for k, item in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    if isinstance(value, dict):
        # A list, as keys of JSON are strings.
        pairs = [
            [_describe(where, key), _describe(f"{where}[{key!r}]", item)]
            for key, item in value.items()
        ]
        return {"dict": pairs}
    if (kind := registry.name_of(type(value))) is not None:
        params = value.get_params(deep=False)
        for name in ("callbacks", "engine"):
            params.pop(name, None)
        return {
            "class": kind,
            "params": {name: _describe(name, param) for name, param in params.items()},
        }
    raise _unsaveable(where, value)


def _unsaveable(where: str, value: Any) -> TypeError:
    what = f"a {type(value).__name__}"
    if (name := getattr(value, "__name__", None)) is not None:
        what = f"the {type(value).__name__} {name}"
    return TypeError(
        f"{where} is {what}, whose code or state a model file cannot hold: use pickle or joblib "
        "for this estimator"
    )


def _npy(values: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(values, order="C"), allow_pickle=False)
    return buffer.getvalue()


def _write(
    path: str | os.PathLike[str], kind: str, header: dict[str, Any], arrays: dict[str, NDArray[Any]]
) -> None:
    checksums: dict[str, int] = {}
    with (
        files.replacing(path) as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
    ):
        for name, values in arrays.items():
            archive.writestr(f"{name}.npy", _npy(values))
            checksums[f"{name}.npy"] = archive.getinfo(f"{name}.npy").CRC
        header = {"format": kind, "version": _VERSIONS[kind][-1]} | header | {"crc32": checksums}
        text = json.dumps(header, indent=1)
        if len(text) > _MAX_HEADER_BYTES:
            raise ValueError(
                f"the parameters make a header of {len(text)} bytes, a model file holds "
                f"{_MAX_HEADER_BYTES}: use pickle or joblib for this estimator"
            )
        archive.writestr(_HEADER, text)


# ---- reading


def load(path: str | os.PathLike[str]) -> Any:
    """Read an estimator that its ``save`` method wrote.

    No code from the file runs, and what is allocated is bounded by the size of the file.

    Parameters
    ----------
    path : path-like

    Returns
    -------
    estimator : StructSVM, or the estimator of a family
        Fitted; predicts as the saved one did. Before anything has imported `SequenceTagger`, a
        tagger has its methods `tag` and `predict` alone, and becomes a `SequenceTagger` when it is
        asked for more: scikit-learn is imported then.

    Raises
    ------
    FileNotFoundError
    structsvm.exceptions.ModelFileError
        If the file is damaged, forged, of another version, or no model file at all.

    Examples
    --------
    >>> import tempfile, pathlib, structsvm
    >>> svm = structsvm.ChainSVM().fit([[[0.0], [1.0]]], [["off", "on"]])
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     svm.save(pathlib.Path(folder) / "model.npz")
    ...     copy = structsvm.load(pathlib.Path(folder) / "model.npz")
    >>> copy.predict([[[1.0]]])
    [array(['on'], dtype='<U3')]
    """
    with _telling_where(path), open(path, "rb") as file:
        contents = Contents(*_read(file, _MODEL), path)
        if _LIGHT_UNTIL not in sys.modules and (tagger := LoadedTagger.of(contents)) is not None:
            return tagger
    return contents.estimator()


def read_checkpoint(path: str | os.PathLike[str], identity: str | None) -> dict[str, NDArray[Any]]:
    """The arrays of a checkpoint that was written for a fit with this `identity`, None for any."""
    with _telling_where(path), open(path, "rb") as file:
        _, arrays = _read(file, _CHECKPOINT)
        if identity is not None and str(arrays["identity"]) != identity:
            raise ModelFileError(
                "the checkpoint is of a fit to other data, or with other parameters of the model, "
                "the loss or the solver, or another C"
            )
        return arrays


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Name the file that a ModelFileError is about."""
    try:
        yield
    except ModelFileError as error:
        raise ModelFileError(f"{os.fspath(path)}: {error}") from error.__cause__


@contextlib.contextmanager
def _telling_where(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn whatever reading a file raises into one error that names the file."""
    try:
        with naming(path):
            yield
    except (FileNotFoundError, ModelFileError):
        raise
    # Whatever a forged file makes json, zipfile, numpy or a constructor raise.
    except Exception as error:
        raise ModelFileError(f"{os.fspath(path)} is no readable model file: {error}") from error


def _read(file: Any, kind: str) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Header and arrays, each as large and as it was when written."""
    size = os.fstat(file.fileno()).st_size
    with zipfile.ZipFile(file) as archive:
        entries = _members(archive, size)
        if _HEADER not in entries or entries[_HEADER].file_size > _MAX_HEADER_BYTES:
            raise ModelFileError(f"there is no {_HEADER} of at most {_MAX_HEADER_BYTES} bytes")
        header = json.loads(archive.read(_HEADER), object_hook=_Held)
        if not isinstance(header, dict) or header.get("format") != kind:
            raise ModelFileError(f"{_HEADER} does not say it is a {kind}")
        if header.get("version") not in _VERSIONS[kind]:
            known = " and ".join(map(str, _VERSIONS[kind]))
            raise ModelFileError(
                f"it is of format version {header.get('version')!r}, this release reads {known}"
            )
        names = set(entries) - {_HEADER}
        if names != set(header["crc32"]):
            raise ModelFileError(f"members {sorted(names ^ set(header['crc32']))} do not belong")
        arrays = _Held()
        for name in sorted(names):
            data = archive.read(name)  # which holds it against the checksum of the directory
            if header["crc32"][name] != entries[name].CRC:
                raise ModelFileError(f"member {name} does not match its checksum")
            arrays[name.removesuffix(".npy")] = _array(name, data)
    return header, arrays


def _members(archive: zipfile.ZipFile, size: int) -> dict[str, zipfile.ZipInfo]:
    """The members of a file of `size` bytes, once each has bytes of its own.

    What is not compressed takes no more memory than it takes in the file.
    """
    entries: dict[str, zipfile.ZipInfo] = {}
    end = 0
    for info in sorted(archive.infolist(), key=lambda info: info.header_offset):
        name, start = info.filename, info.header_offset
        if name in entries:
            raise ModelFileError(f"member {name} is there twice")
        if start < end:
            raise ModelFileError(f"member {name} begins inside of another")
        end = start + info.file_size
        stored = info.compress_type == zipfile.ZIP_STORED and info.compress_size == info.file_size
        if not stored or end > size:
            raise ModelFileError(f"member {name} claims {info.file_size} bytes of {size}")
        entries[name] = info
    return entries


def _array(name: str, data: bytes) -> NDArray[Any]:
    """The array in a .npy member, whose claimed size must be the size of what is there."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ModelFileError(f"member {name} has .npy version {version}, expected (1, 0)")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    start, n_bytes = stream.tell(), len(data) - stream.tell()
    if dtype.hasobject or dtype.kind not in "biufU" or fortran or len(shape) > 2:
        raise ModelFileError(f"member {name} has dtype {dtype} and shape {shape}, not understood")
    # Without elements there may be any number of rows, which loops would go over; a few are those
    # of tables that are empty.
    sound = min(shape, default=1) >= 0 and max(shape, default=0) <= max(n_bytes, _FEW_ROWS)
    if not sound or math.prod(shape) * dtype.itemsize != n_bytes:
        raise ModelFileError(
            f"member {name} claims shape {shape} of {dtype}, but holds {n_bytes} bytes"
        )
    return np.frombuffer(data, dtype=dtype, offset=start).reshape(shape).copy()


class Contents:
    """What a model file holds: everything is checked as it is taken out."""

    def __init__(
        self,
        header: dict[str, Any],
        arrays: dict[str, NDArray[Any]],
        path: str | os.PathLike[str],
    ) -> None:
        self._path = path
        self.header = header
        self._arrays = arrays

    def estimator(self) -> Any:
        """The estimator."""
        with _telling_where(self._path):
            estimator = _build(self.header["estimator"])
            if not isinstance(estimator, registry.estimator_class()):
                kind = type(estimator).__name__
                raise ModelFileError(f"it holds a {kind}, which is no estimator")
            return estimator.restore(self)

    def model(self, model: StructuredModel) -> StructuredModel:
        """The model, given one with the same parameters."""
        state = self.state()
        if _claims_too_much(model, state, self._arrays):
            raise ModelFileError(
                f"it claims {len(state['classes'])} classes, too many for what it holds"
            )
        if strange := set(model.from_state(state).to_state()) ^ set(state):
            raise ModelFileError(f"of the state of the model {sorted(strange)} do not belong")
        return model

    def state(self) -> State:
        """What the model learned."""
        state: State = _Held({name: int(size) for name, size in self.header["sizes"].items()})
        if min(state.values(), default=0) < 0:
            raise ModelFileError(f"it claims {min(state.values())} features")
        state |= _inside("model", self._arrays)
        if self.header["version"] == 1:
            state |= {k: self._arrays[k] for k in ("classes", "pairs") if k in self._arrays}
        return state

    def weights(self, model: Any) -> NDArray[np.float64]:
        """The weights of this model."""
        coef = self.flat_weights(model.n_weights)
        if model.non_negative is not None and (coef[model.non_negative] < 0).any():
            raise ModelFileError("a weight is negative that the model needs to be >= 0")
        return coef

    def flat_weights(self, n_weights: int) -> NDArray[np.float64]:
        """The weights, so many of them."""
        whole, is_short = "coef" in self._arrays, "coef/gaps" in self._arrays
        values = self._arrays["coef" if whole else "coef/values"]
        known = _SHORT if is_short and not whole else (np.float64,)
        if values.dtype not in known or (whole and values.shape != (n_weights,)):
            raise ModelFileError(
                f"the weights are {values.dtype} of shape {values.shape}, the model needs float64 "
                f"of shape ({n_weights},)"
            )
        if not np.isfinite(values).all():
            wrong = int(np.flatnonzero(~np.isfinite(values))[0])
            raise ModelFileError(f"weight {wrong} is not finite")
        if whole:
            return padded_copy(values)
        if is_short:
            gaps = self._arrays["coef/gaps"]
            if gaps.dtype != np.uint16 or gaps.shape != values.shape or gaps.ndim != 1:
                raise ModelFileError(f"the gaps of the weights are {gaps.dtype} of {gaps.shape}")
            ends = np.cumsum(gaps.astype(np.int64) + 1) - 1
            if len(ends) and ends.max() >= n_weights:
                raise ModelFileError(f"the weights have places beyond the {n_weights} of the model")
            places = ends.astype(np.int32)
        else:
            places = self._arrays["coef/places"]
        if places.shape != values.shape or places.dtype != np.int32 or (np.diff(places) <= 0).any():
            raise ModelFileError("the places of the weights are not in order")
        if len(places) and not 0 <= places[0] <= places[-1] < n_weights:
            raise ModelFileError(f"the weights have places beyond the {n_weights} of the model")
        if n_weights > most_numbers(len(places)):
            raise ModelFileError(f"it claims {n_weights} weights, {len(places)} of them not 0")
        coef = padded_vector(n_weights)
        coef[places] = values
        return coef

    def attributes(self) -> dict[str, Any]:
        """What is told of the fit, by the names of an estimator's attributes."""
        numbers, counts = self.header["numbers"], self.header["counts"]
        history = _inside("history", self._arrays)
        for name, values in history.items():
            if values.ndim != 1 or values.dtype.kind not in "if":
                raise ModelFileError(f"the history of {name} is {values.dtype} of {values.shape}")
        return {
            **{name: float(numbers[name]) for name in _NUMBERS},
            **{name: int(counts[name]) for name in _COUNTS},
            "certified_": bool(self.header["certified"]),
            "history_": dict(history),
        }

    def has(self, name: str) -> bool:
        """Whether there is an array of this name."""
        return name in self._arrays

    def learned(
        self, names: Iterable[str], find: Callable[[Any], Any] = registry.class_named
    ) -> dict[str, Any]:
        """What was learned beside model and weights, by these names; `find` finds classes."""
        return {
            name: _build(self.header[name], find).from_state(_inside(name, self._arrays))
            for name in names
        }

    def parameter(self, name: str) -> Any:
        """A parameter of the estimator."""
        return _build(self.header["estimator"]["params"][name])


class _Held(dict[str, Any]):
    """What a file holds by name; what it lacks is an error."""

    def __missing__(self, name: str) -> Any:
        raise ModelFileError(f"it lacks {name!r}")


def _inside(folder: str, arrays: dict[str, NDArray[Any]]) -> _Held:
    start = f"{folder}/"
    return _Held({k.removeprefix(start): v for k, v in arrays.items() if k.startswith(start)})


def _build(description: Any, find: Callable[[Any], Any] = registry.class_named) -> Any:
    """The object that `_describe` described; `find` finds the classes it names."""
    if isinstance(description, list):
        return [_build(item, find) for item in description]
    if not isinstance(description, dict):
        return description
    if "tuple" in description:
        return tuple(_build(description["tuple"], find))
    if "dict" in description:
        return {_build(key, find): _build(value, find) for key, value in description["dict"]}
    if (kind := find(description.get("class"))) is None:
        raise ModelFileError(f"it names the class {description.get('class')!r}, which is not known")
    params = {name: _build(value, find) for name, value in description["params"].items()}
    return kind(**params)
