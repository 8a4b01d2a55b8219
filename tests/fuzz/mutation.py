"""How valid values are spoilt. All choices come from one generator, so they can be made again."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

NUMBERS = (
    0.0, -0.0, 1.0, -1.0, 0.5, np.nan, np.inf, -np.inf, 1e16, -1e16, 1e-300, 5e-324, 1e154, 1.7e308,
    -1.7e308, 3e38, 2.0**31, -(2.0**31) - 1, 2.0**63,
)  # fmt: skip
INTEGERS = (0, 1, 2, 3, -1, -2, 255, 2**15, 2**31 - 1, 2**31, -(2**31), 2**62, 2**63 - 1, -(2**63))
SCALARS = (
    None, True, False, 0, 1, -1, 2, 7, 2**31, -(2**31), 2**63, 2**64 - 1, 10**30, 0.0, 0.5, -1.5,
    1e-12, 1e300, np.nan, np.inf, -np.inf, "", "x", "auto", "none", "\0", "\ud800", b"x", 1j,
    np.int64(3), np.uint8(200), np.float32(0.5), np.float64("nan"), np.bool_(True), np.str_("y"),
    (), [], {}, (1, 2), [0.5], {"a": 1}, np.array(2), np.zeros(0), np.datetime64("2020-01-01"),
)  # fmt: skip
DTYPES = (
    "f4", "f2", "f8", ">f8", "g", "i1", "i8", "u1", "u8", "i4", ">i4", "?", "c16", "U3", "S2", "O",
    "M8[s]", "V4",
)  # fmt: skip
SPARSE = ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")


@dataclasses.dataclass
class Made:
    """A value that is made when it is used, as files keep no layout, generator or damage."""

    kind: str
    value: Any
    option: Any = None


def realised(value: Any) -> Any:
    """The value with everything in it made."""
    if isinstance(value, Made):
        return _MAKERS[value.kind](realised(value.value), value.option)
    if type(value) in (list, tuple):
        return type(value)(realised(item) for item in value)
    if type(value) is dict:
        return {key: realised(item) for key, item in value.items()}
    return value


# ---- layouts and containers


def _read_only(value: Any, _: Any) -> Any:
    array = np.array(value)
    array.flags.writeable = False
    return array


def _strided(value: Any, step: int) -> Any:
    array = np.asarray(value)
    if not array.ndim:
        return array
    wide = np.repeat(array, abs(step), axis=-1)
    view = wide[..., :: abs(step)]
    return view if step > 0 else view[..., ::-1]


def _unaligned(value: Any, _: Any) -> Any:
    array = np.ascontiguousarray(value)
    if array.dtype.hasobject or not array.size:
        return array
    raw = np.zeros(array.nbytes + 1, dtype=np.uint8)
    raw[1:] = np.frombuffer(array.tobytes(), dtype=np.uint8)
    return raw[1:].view(array.dtype).reshape(array.shape)


def _sparse(value: Any, option: tuple[str, bool]) -> Any:
    name, is_matrix = option
    array = np.asarray(value)
    if array.dtype.kind not in "fiubc" or array.ndim != 2:
        array = np.atleast_2d(np.zeros(array.shape[:2] if array.ndim > 1 else array.shape))
    if array.dtype.itemsize in (2, 12, 16) and array.dtype.kind == "f":
        array = array.astype(float)
    array = array.astype(array.dtype.newbyteorder("="))
    return getattr(sp, f"{name}_{'matrix' if is_matrix else 'array'}")(array)


def _damaged(value: Any, option: list[tuple[str, int, int]]) -> Any:
    """A sparse matrix with numbers changed in the arrays that say where its entries are."""
    matrix = value.copy() if sp.issparse(value) else sp.csr_array(np.atleast_2d(value))
    for name, place, number in option:
        try:
            part = getattr(matrix, name, None)
        except IndexError:  # what it is derived from is damaged already
            continue
        if isinstance(part, tuple):
            part = part[place % len(part)] if part else None
        if not isinstance(part, np.ndarray) or part.dtype.kind not in "iuf":
            continue
        if number == _CUT:
            if isinstance(getattr(type(matrix), name, None), property):
                continue
            setattr(matrix, name, part[:-1].copy())
        elif part.size:
            where = np.unravel_index(place % part.size, part.shape)
            with np.errstate(all="ignore"):
                part[where] = np.int64(number).astype(part.dtype)
    return matrix


_CUT = 12345

_MAKERS = {
    "read-only": _read_only,
    "strided": _strided,
    "fortran": lambda value, _: np.asfortranarray(value),
    "unaligned": _unaligned,
    "list": lambda value, _: value.tolist() if hasattr(value, "tolist") else list(value),
    "tuple": lambda value, _: tuple(value),
    "generator": lambda value, _: (item for item in value),
    "iterator": lambda value, _: iter(value),
    "dict": lambda value, _: dict(enumerate(value)),
    "set": lambda value, _: {str(item) for item in value},
    "masked": lambda value, option: _masked(value, option),
    "object": lambda value, _: _objects(value),
    "sparse": _sparse,
    "damaged": _damaged,
    "packed": lambda value, _: _packed(*value),
    "call": lambda value, _: value[0](*value[1], **value[2]),
}


def _masked(value: Any, option: list[bool]) -> Any:
    array = np.asarray(value)
    return np.ma.masked_array(array, mask=np.resize(option, array.shape))


def _objects(value: Any) -> Any:
    array = np.empty(len(value), dtype=object)
    for i, item in enumerate(value):
        array[i] = item
    return array


def _packed(rows: Any, offsets: Any, edges: Any = None) -> Any:
    from structsvm import PackedSequences

    return PackedSequences(rows, offsets, edges)


# ---- spoiling


def chance(rng: np.random.Generator, share: float) -> bool:
    return bool(rng.random() < share)


def pick(rng: np.random.Generator, items: Sequence[Any]) -> Any:
    return items[int(rng.integers(len(items)))]


def spoilt(rng: np.random.Generator, value: Any) -> Any:
    """A value like this one with something wrong, or odd, about it."""
    if isinstance(value, np.ndarray):
        return spoilt_array(rng, value)
    if isinstance(value, Made):
        return dataclasses.replace(value, value=spoilt(rng, value.value))
    if isinstance(value, (list, tuple)) and value:
        return _spoilt_items(rng, value)
    if isinstance(value, str) and chance(rng, 0.5):
        return spoilt_text(rng, value)
    return pick(rng, SCALARS)


def _spoilt_items(rng: np.random.Generator, value: Any) -> Any:
    items, place = list(value), int(rng.integers(len(value)))
    what = int(rng.integers(9))
    if what <= 2:
        items[place] = spoilt(rng, items[place])
    elif what == 3:
        del items[place]
    elif what == 4:
        items.insert(place, items[int(rng.integers(len(items)))])
    elif what == 5:
        items[place] = pick(rng, SCALARS)
    elif what == 6:
        return Made(pick(rng, ("generator", "iterator", "dict", "set", "tuple", "object")), items)
    elif what == 7:
        items = []
    else:
        return pick(rng, SCALARS)
    return type(value)(items) if type(value) in (list, tuple) else items


def spoilt_text(rng: np.random.Generator, text: str) -> str:
    place = int(rng.integers(len(text) + 1))
    odd = pick(
        rng,
        (
            "\0",
            "\n",
            "\r",
            "\t",
            " ",
            "\ufeff",
            "\u2028",
            "\x85",
            "%x[",
            "é",
            "\ud800",
            "x" * 300,
            "",
        ),
    )
    return text[:place] + odd + text[place + int(rng.integers(2)) :]


def spoilt_array(rng: np.random.Generator, array: np.ndarray) -> Any:
    what = int(rng.integers(12))
    if what <= 3 and array.size and array.dtype.kind in "fiub":
        array = array.copy()
        for _ in range(int(rng.integers(1, 4))):
            place = np.unravel_index(int(rng.integers(array.size)), array.shape)
            numbers = NUMBERS if array.dtype.kind == "f" else INTEGERS
            with np.errstate(all="ignore"):
                array[place] = np.asarray(pick(rng, numbers)).astype(array.dtype)
        return array
    if what == 4:
        with np.errstate(all="ignore"):
            try:
                return array.astype(pick(rng, DTYPES))
            except (TypeError, ValueError):
                return array.astype(object)
    if what == 5:
        return _reshaped(rng, array)
    if what == 6:
        kinds = ("read-only", "fortran", "unaligned", "list")
        return Made(pick(rng, kinds), array)
    if what == 7:
        return Made("strided", array, int(pick(rng, (2, 3, -1, -2))))
    if what == 8:
        return Made("masked", array, [chance(rng, 0.3) for _ in range(7)])
    if what == 9 and array.ndim == 2:
        return spoilt_sparse(rng, array)
    if what == 10 and array.dtype.kind == "f":
        with np.errstate(all="ignore"):
            return array * pick(rng, (1e-300, 1e-160, 1e16, 1e150, 1e300, -1.0, 0.0))
    return pick(rng, SCALARS) if what == 11 else _reshaped(rng, array)


def _reshaped(rng: np.random.Generator, array: np.ndarray) -> Any:
    what = int(rng.integers(8))
    if what == 0 or not array.ndim:
        return array[None]
    if what == 1:
        return array.ravel()
    if what == 2:
        return array[..., None]
    if what == 3:
        return array.T
    if what == 4:
        return array[:0]
    if what == 5:
        return array[..., :0]
    return array[:-1] if what == 6 else np.concatenate([array, array[:1]])


def spoilt_sparse(rng: np.random.Generator, array: np.ndarray) -> Made:
    name = "csr" if chance(rng, 0.5) else pick(rng, SPARSE)
    made = Made("sparse", array, (name, chance(rng, 0.5)))
    if chance(rng, 0.3):
        return made
    edits = [
        (
            pick(rng, ("indptr", "indices", "data", "coords", "row", "col", "offsets")),
            int(rng.integers(1000)),
            int(pick(rng, (*INTEGERS, _CUT))),
        )
        for _ in range(int(rng.integers(1, 3)))
    ]
    return Made("damaged", made, edits)


def spoilt_some(
    rng: np.random.Generator, named: dict[str, Any], names: Sequence[str] | None = None
) -> dict[str, Any]:
    """The same with one to three of its values spoilt."""
    named = dict(named)
    for _ in range(int(rng.integers(1, 4))):
        name = pick(rng, names or list(named))
        named[name] = spoilt(rng, named[name])
    return named


def spoilt_bytes(rng: np.random.Generator, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Bytes changed, cut out, doubled, or mixed with those of another file."""
    out = bytearray(data)
    for _ in range(int(rng.integers(1, 4))):
        size = len(out)
        start = int(rng.integers(size + 1))
        stop = min(size, start + int(rng.integers(1, 40)))
        what = int(rng.integers(8))
        if what <= 1 and size:
            for _ in range(int(rng.integers(1, 5))):
                out[int(rng.integers(len(out)))] = int(rng.integers(256))
        elif what == 2 and size:
            out[int(rng.integers(size))] ^= 1 << int(rng.integers(8))
        elif what == 3:
            del out[start:]
        elif what == 4:
            del out[start:stop]
        elif what == 5:
            out[start:start] = out[start:stop]
        elif what == 6:
            out[start:stop] = bytes(stop - start) if chance(rng, 0.5) else b"\xff" * (stop - start)
        elif others:
            other = pick(rng, others)
            begin = int(rng.integers(len(other) + 1))
            out[start:stop] = other[begin : begin + int(rng.integers(1, 200))]
    return bytes(out)


def spoilt_json(rng: np.random.Generator, value: Any) -> Any:
    """JSON with one node replaced, dropped, doubled or nested."""
    if isinstance(value, dict) and value and chance(rng, 0.9):
        key = pick(rng, list(value))
        return _spoilt_node(rng, value, key)
    if isinstance(value, list) and value and chance(rng, 0.9):
        return _spoilt_node(rng, value, int(rng.integers(len(value))))
    what = int(rng.integers(6))
    if what == 0:
        return [value]
    if what == 1:
        return {"tuple": [value]} if chance(rng, 0.5) else {"dict": [[value, value]]}
    if what == 2:
        return {"class": pick(rng, ("ChainSVM", "HammingLoss", "BCFW", "GridModel", "os", 3)),
                "params": {} if chance(rng, 0.5) else {"C": value}}  # fmt: skip
    return pick(
        rng,
        (None, True, -1, 0, 1, 2**31, 2**63, -(2**63), 10**30, 1e300, float("nan"), float("inf"),
         0.5, "", "x", "table", "iob2", "\0", [], {}, [[]], "\ud800"),
    )  # fmt: skip


def _spoilt_node(rng: np.random.Generator, value: Any, place: Any) -> Any:
    copy = dict(value) if isinstance(value, dict) else list(value)
    what = int(rng.integers(8))
    if what == 0:
        del copy[place]
    elif what == 1 and isinstance(copy, list):
        copy.insert(place, copy[place])
    elif what == 1:
        copy[pick(rng, ("x", "", "C", "class"))] = copy[place]
    else:
        copy[place] = spoilt_json(rng, copy[place])
    return copy
