"""``structsvm tag``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any, TypeVar

import numpy as np

from structsvm.cli.models import columns_read, load_tagger
from structsvm.cli.output import writing
from structsvm.columns import ColumnReader, LineReader, Lines, joined_columns, open_binary
from structsvm.estimators import SequenceTagger

__all__ = ["batches", "run"]

_S = TypeVar("_S")
_BLOCK_BYTES = 1 << 18


def run(args: argparse.Namespace) -> int:
    tagger = load_tagger(args.model).set_params(n_jobs=args.jobs)
    name = "standard input" if args.data == "-" else args.data
    reader = ColumnReader(name, least=tagger.features_.n_columns_read_)
    data = None if args.data == "-" else args.data
    stream: Any = sys.stdin.buffer if data is None else open_binary(data)
    with writing(args.output, args.model, data) as results, stream as source:
        for batch in batches(source, reader):
            results.write(_tagged(tagger, batch, confidence=args.confidence))
            results.flush()
    return 0


def batches(stream: Any, reader: LineReader[_S]) -> Iterator[list[_S]]:
    """The sentences that have arrived, as soon as there are any."""
    while block := stream.read1(_BLOCK_BYTES):
        if batch := reader.feed(block):
            yield batch
    if batch := reader.finish():
        yield batch


def _tagged(tagger: SequenceTagger, batch: list[Lines], *, confidence: bool) -> str:
    sentences = columns_read(tagger, (lines.tokens for lines in batch))
    columns: list[Any] = [tagger.predict(sentences)]
    if confidence:
        columns.append([_leads(marginals) for marginals in tagger.max_marginals(sentences)])
    return "".join(
        joined_columns(lines, [list(map(str, column[k])) for column in columns])
        for k, lines in enumerate(batch)
    )


def _leads(marginals: Any) -> list[str]:
    """By how much the best tag of each position beats the second best."""
    if marginals.shape[1] < 2:
        return ["inf"] * len(marginals)
    second, best = np.sort(marginals, axis=1)[:, -2:].T
    return [f"{lead:.4g}" for lead in best - second]
