"""Column files, templates, tokens, and the commands that read them."""

from __future__ import annotations

import contextlib
import functools
import gzip
import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from fuzz.harness import Target, WrongAnswerError
from fuzz.mutation import chance, pick, realised, spoilt, spoilt_bytes, spoilt_some, spoilt_text
from structsvm.cli import main
from structsvm.columns import ColumnError, read_columns, write_columns
from structsvm.features import SequenceVectorizer, TokenFeatures
from structsvm.features.templates import parse_templates, read_templates

_TEXTS = (
    "The DT B-NP\ncat NN I-NP\n\nSleep VB B-VP\n",
    "The\tDT\tB-NP\ncat\tNN\tI-NP\n\n\nSleep\tVB\tO\n\n",
    "a A\r\nb B\r\n\r\nc A\r\n",
    "\ufeffwort X Y\nnoch eins Z\n",
    "é O\n日本 B-x\n\n. O\n",
    "a\n\nb\n",
    "",
)
_PIECES = (
    b"\r", b"\n", b"\t", b" ", b"\x00", b"\xef\xbb\xbf", b"\xff", b"\x85", "\u2028".encode(),
    b"\x0b", b"\n\n", b" \n", b"\t\t", b"B-NP", "\xa0".encode(), b"\x1f\x8b", b"x" * 5000,
)  # fmt: skip
_TEMPLATES = (
    "U00:%x[0,0]", "U01:%x[-1,0]/%x[0,0|lower]", "U02:%x[0,1]", "B", "B1:%x[0,0]", "# comment", "",
    "U03:%x[0,0|prefix2|lower]", "U04:%x[2,0|shape]", "U", "U05:%x[0,0|suffix99]", "U06:%x[-999,0]",
    "U07:%x[0,999]", "U08:%x[ +1 , 0 | digits ]",
)  # fmt: skip


def _text(rng: np.random.Generator) -> bytes:
    data = pick(rng, _TEXTS).encode()
    for _ in range(int(rng.integers(0, 4))):
        place = int(rng.integers(len(data) + 1))
        data = data[:place] + pick(rng, _PIECES) + data[place + int(rng.integers(3)) :]
    if chance(rng, 0.2):
        data = spoilt_bytes(rng, data, [text.encode() for text in _TEXTS])
    if chance(rng, 0.2):
        data = gzip.compress(data, mtime=0)
        if chance(rng, 0.7):
            data = spoilt_bytes(rng, data)
    return data


def _lines(rng: np.random.Generator) -> list[Any]:
    lines: list[Any] = [pick(rng, _TEMPLATES) for _ in range(int(rng.integers(1, 5)))]
    for _ in range(int(rng.integers(0, 3))):
        k = int(rng.integers(len(lines)))
        is_text = isinstance(lines[k], str) and chance(rng, 0.8)
        lines[k] = spoilt_text(rng, lines[k]) if is_text else spoilt(rng, lines[k])
    return lines


def _tokens(rng: np.random.Generator) -> Any:
    kind = int(rng.integers(5))
    words = ("the", "cat", "", "é", "\0", "a b", "x" * 50, "\ud800", "_B-1", "12")

    def token() -> Any:
        word = pick(rng, words)
        if kind == 0:
            return word
        if kind == 1:
            return (word, pick(rng, words))
        if kind == 2:
            return [word, pick(rng, words)]
        if kind == 3:
            return {"w": word, "n": float(rng.normal()), "b": chance(rng, 0.5)}
        return {"form": word, "upos": pick(rng, words)}

    X = [[token() for _ in range(int(rng.integers(0, 4)))] for _ in range(int(rng.integers(1, 4)))]
    return spoilt(rng, X) if chance(rng, 0.5) else X


_JSON = (
    b'{"tokens": ["The", "cat"], "tags": ["B-NP", "I-NP"]}\n{"tokens": ["Sleep"], "tags": ["O"]}\n',
    b'{"tokens": [["The", "DT"], ["cat", "NN"]], "tags": ["B-NP", null], "more": {"a": [1]}}\n',
    b'{"tokens": [{"w": "The", "n": 1.5, "x": {"y": ["z", "q"]}}], "tags": ["O"]}\n\n',
    b'{"tokens": [], "tags": []}\n',
)


def _json_text(rng: np.random.Generator) -> bytes:
    data = b"".join(pick(rng, _JSON) for _ in range(int(rng.integers(1, 4))))
    for _ in range(int(rng.integers(0, 3))):
        place = int(rng.integers(len(data) + 1))
        piece = pick(rng, (*_PIECES, b"NaN", b"1e999", b"[" * 2000, b'"tags"', b"null", b"\\ud800"))
        data = data[:place] + piece + data[place + int(rng.integers(4)) :]
    return spoilt_bytes(rng, data, list(_JSON)) if chance(rng, 0.3) else data


_COMMANDS = ("train", "tag", "evaluate", "evaluate -m", "dump", "info")


def make(rng: np.random.Generator) -> Any:
    what = int(rng.integers(10))
    if what <= 3:
        return "columns", _text(rng)
    if what == 4:
        return (
            "templates",
            "\n".join(map(str, _lines(rng))).encode("utf-8", "replace"),
            _tokens(rng),
        )
    if what <= 6:
        options = {"templates": _lines(rng) if chance(rng, 0.7) else pick(rng, ("chunk", "words")),
                   "outside": pick(rng, ("drop", "mark")), "min_count": int(pick(rng, (1, 1, 2))),
                   "n_hashed": pick(rng, (None, None, 16))}  # fmt: skip
        options = spoilt_some(rng, options) if chance(rng, 0.3) else options
        return "features", options, _tokens(rng), _tokens(rng)
    if what == 7:
        return "vectorizer", _tokens(rng), _tokens(rng)
    if what == 8 and chance(rng, 0.6):
        return "json", pick(rng, ("train", "tag", "evaluate -m")), _json_text(rng)
    if what == 8:
        return "write", _tokens(rng), _tokens(rng) if chance(rng, 0.5) else None
    return "command", pick(rng, _COMMANDS), _text(rng), "\n".join(
        line for line in _lines(rng) if isinstance(line, str)
    ).encode("utf-8", "replace") if chance(rng, 0.3) else None  # fmt: skip


def run(case: Any) -> None:
    kind, *arguments = case
    _RUN[kind](*arguments)


def _columns(data: bytes) -> None:
    Path("data.txt").write_bytes(data)
    sentences, labels = read_columns("data.txt")
    if any(len(x) != len(y) or not y for x, y in zip(sentences, labels, strict=True)):
        raise WrongAnswerError("read_columns: sentences and labels differ in length")
    if any("" in (*token, tag) for x, y in zip(sentences, labels, strict=True)
           for token, tag in zip(x, y, strict=True)):  # fmt: skip
        raise WrongAnswerError("read_columns: an empty column")
    if any(c in text for x in sentences for token in x for text in token for c in "\r\n\t"):
        raise WrongAnswerError("read_columns: a column holds a line end or a tab")
    if any(token[0].startswith("\ufeff") for x in sentences for token in x if token):
        raise WrongAnswerError("read_columns: a word begins with a byte order mark")
    try:
        write_columns("again.txt", sentences, labels)
    except ValueError:
        return
    if read_columns("again.txt") != (sentences, labels):
        raise WrongAnswerError("write_columns: what was written reads otherwise")


def _features(options: dict[str, Any], X: Any, other: Any) -> None:
    features = TokenFeatures(**realised(options))
    rows = features.fit_transform(realised(X))
    if not np.isfinite(rows.rows.data).all():
        raise WrongAnswerError("TokenFeatures: entries that are not finite")
    if rows.n_features != features.n_features_out_:
        raise WrongAnswerError("TokenFeatures: other columns than it says")
    if options["n_hashed"] is None and len(features.get_feature_names_out()) != rows.n_features:
        raise WrongAnswerError("TokenFeatures: other names than columns")
    features.transform(realised(other))


def _templates(data: bytes, X: Any) -> None:
    Path("templates.txt").write_bytes(data)
    lines = read_templates("templates.txt")
    for template in parse_templates(lines):
        if len(template.literals) != len(template.macros) + 1:
            raise WrongAnswerError("parse_templates: literals do not surround macros")
    TokenFeatures(lines, outside="mark").fit_transform(realised(X))


def _vectorizer(X: Any, other: Any) -> None:
    vectorizer = SequenceVectorizer()
    rows = vectorizer.fit_transform(realised(X))
    if not np.isfinite(rows.rows.data).all():
        raise WrongAnswerError("SequenceVectorizer: entries that are not finite")
    vectorizer.transform(realised(other))


def _write(X: Any, y: Any) -> None:
    write_columns("data.txt", realised(X), None if y is None else realised(y))


@functools.cache
def _model() -> bytes:
    Path("train.txt").write_text("The D B-NP\ncat N I-NP\n\na D B-NP\nsleeps V O\n")
    assert main(["train", "train.txt", "-o", "model.npz", "-q"]) == 0
    return Path("model.npz").read_bytes()


def _json(name: str, data: bytes) -> None:
    _command(name, data, None, "data.jsonl")


def _command(name: str, data: bytes, templates: bytes | None, called: str = "data.txt") -> None:
    model, path = os.path.abspath("model.npz"), os.path.abspath(called)
    Path(path).write_bytes(data)
    Path(model).write_bytes(_model())
    arguments = {
        "train": ["train", path, "-o", os.path.abspath("new.npz"), "--max-iter", "2", "-q"],
        "tag": ["tag", model, path, "--confidence"],
        "evaluate": ["evaluate", path, "--labels"],
        "evaluate -m": ["evaluate", path, "-m", model],
        "dump": ["dump", path if data[:2] == b"PK" else model, "-k", "3"],
        "info": ["info", path],
    }[name]
    if name == "train" and templates is not None:
        Path("templates.txt").write_bytes(templates)
        arguments += ["-f", os.path.abspath("templates.txt")]
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape")
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(io.StringIO()) as told:
        code = main(arguments)
    if code not in (0, 1):
        raise WrongAnswerError(f"{name}: exit code {code}")
    if code == 1 and (
        not told.getvalue().startswith("structsvm") or told.getvalue().count("\n") != 1
    ):
        raise WrongAnswerError(f"{name}: not one line on standard error: {told.getvalue()!r}")
    if code == 1:
        raise ColumnError(told.getvalue())


_RUN: dict[str, Any] = {
    "columns": _columns,
    "templates": _templates,
    "features": _features,
    "vectorizer": _vectorizer,
    "write": _write,
    "command": _command,
    "json": _json,
}

TARGET = Target("columns", make, run, share=2.0)
