"""``structsvm tag``."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from structsvm.cli.models import columns_read, load_tagger
from structsvm.cli.output import writing
from structsvm.columns import (
    ColumnReader,
    JsonReader,
    JsonSentence,
    LineReader,
    Lines,
    is_json_lines,
    joined_columns,
    open_binary,
)
from structsvm.estimators import SequenceTagger
from structsvm.features import TokenFeatures

__all__ = ["batches", "run"]

_S = TypeVar("_S")
_BLOCK_BYTES = 1 << 18


def run(args: argparse.Namespace) -> int:
    data = None if args.data == "-" else args.data
    name = "standard input" if data is None else data
    of_json = args.json or is_json_lines(name)
    tagger = load_tagger(args.model, columns=not of_json).set_params(n_jobs=args.jobs)
    reader: Any = JsonReader(name)
    if not of_json:
        reader = ColumnReader(name, least=tagger.features_.n_columns_read_)
    stream: Any = sys.stdin.buffer if data is None else open_binary(data)
    tagged = _tagged_json if of_json else _tagged
    with writing(args.output, args.model, data) as results, stream as source:
        for batch in batches(source, reader):
            results.write(tagged(tagger, batch, n_best=args.n_best, confidence=args.confidence))
            results.flush()
    return 0


def batches(stream: Any, reader: LineReader[_S]) -> Iterator[list[_S]]:
    """The sentences that have arrived, as soon as there are any."""
    while block := stream.read1(_BLOCK_BYTES):
        if batch := reader.feed(block):
            yield batch
    if batch := reader.finish():
        yield batch


def _tagged(
    tagger: SequenceTagger, batch: list[Lines], *, n_best: int | None, confidence: bool
) -> str:
    sentences = columns_read(tagger, (lines.tokens for lines in batch))
    columns: list[list[Any]]
    if n_best is None:
        columns = [[tags] for tags in tagger.predict(sentences)]
    else:
        columns = [
            # A sentence may have fewer labellings.
            [*(tags for tags, _ in best), *[["_"] * len(sentence)] * (n_best - len(best))]
            for sentence, best in zip(
                sentences, tagger.predict_n_best(sentences, n_best), strict=True
            )
        ]
    if confidence:
        for rows, sure in zip(columns, _sureness(tagger, sentences), strict=True):
            rows.append([f"{value:.4g}" for value in sure])
    return "".join(
        joined_columns(lines, [list(map(str, row)) for row in rows])
        for lines, rows in zip(batch, columns, strict=True)
    )


def _tagged_json(
    tagger: SequenceTagger, batch: list[JsonSentence], *, n_best: int | None, confidence: bool
) -> str:
    sentences: list[Any] = [sentence.tokens for sentence in batch]
    if isinstance(tagger.features_, TokenFeatures):
        least = tagger.features_.n_columns_read_
        for sentence in batch:
            if any(isinstance(token, dict) or len(token) < least for token in sentence.tokens):
                raise ValueError(
                    f"line {sentence.first}: the model reads tokens with {least} columns or more"
                )
        sentences = columns_read(tagger, sentences)
    records = [dict(sentence.record) for sentence in batch]
    for record, tags in zip(records, tagger.predict(sentences), strict=True):
        record["tags"] = tags.tolist()
    if n_best is not None:
        for record, best in zip(records, tagger.predict_n_best(sentences, n_best), strict=True):
            record["n_best"] = [{"tags": tags.tolist(), "score": score} for tags, score in best]
    if confidence:
        for record, sure in zip(records, _sureness(tagger, sentences), strict=True):
            record["confidence"] = [v if math.isfinite(v) else None for v in sure]
        if _is_calibrated(tagger):
            told = tagger.confidence(sentences).sequences.tolist()
            for record, value in zip(records, told, strict=True):
                record["sentence_confidence"] = value
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def _is_calibrated(tagger: SequenceTagger) -> bool:
    return "calibration_" in vars(tagger)


def _sureness(tagger: SequenceTagger, sentences: list[Any]) -> list[list[float]]:
    """Of each tag its probability where the model is calibrated, else by how much the best tag
    beats the second best."""
    if _is_calibrated(tagger):
        return [row.tolist() for row in tagger.confidence(sentences).tokens]
    return [_leads(marginals) for marginals in tagger.max_marginals(sentences)]


def _leads(marginals: Any) -> list[float]:
    if marginals.shape[1] < 2:
        return [math.inf] * len(marginals)
    second, best = np.sort(marginals, axis=1)[:, -2:].T
    leads: list[float] = (best - second).tolist()
    return leads
