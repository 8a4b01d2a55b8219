"""``structsvm parse``."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from structsvm.cli.models import load_parser
from structsvm.cli.output import writing
from structsvm.cli.tag import batches
from structsvm.columns import ConlluReader, ConlluSentence, format_conllu, open_binary
from structsvm.estimators import DependencyParser

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    parser = load_parser(args.model).set_params(n_jobs=args.jobs)
    data = None if args.data == "-" else args.data
    name = "standard input" if data is None else data
    reader = ConlluReader(name, tag=parser.features_.fields[1], heads=False)
    stream: Any = sys.stdin.buffer if data is None else open_binary(data)
    with writing(args.output, args.model, data) as results, stream as source:
        for batch in batches(source, reader):
            results.write(_parsed(parser, batch))
            results.flush()
    return 0


def _parsed(parser: DependencyParser, batch: list[ConlluSentence]) -> str:
    trees = parser.predict(batch)
    if len(parser.relations_):
        rows = [(heads.tolist(), relations.tolist()) for heads, relations in trees]
    else:
        rows = [(heads.tolist(), None) for heads in trees]
    return "".join(format_conllu(*row) for row in zip(batch, *zip(*rows, strict=True), strict=True))
