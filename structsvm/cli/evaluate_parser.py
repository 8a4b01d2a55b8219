"""``structsvm evaluate-parser``."""

from __future__ import annotations

import argparse
import math

from structsvm.cli.models import load_parser
from structsvm.cli.output import writing
from structsvm.columns import ColumnError, read_conllu
from structsvm.columns.conllu import trees_of
from structsvm.metrics import attachment_scores

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    if (args.model is None) == (args.parsed is None):
        raise ValueError("give either --model, or a second file with the trees to judge")
    if args.parsed is not None:
        sentences = read_conllu(args.data, single_root=False)
        parsed = read_conllu(args.parsed, single_root=False)
        for ours, theirs in zip(sentences, parsed, strict=False):
            if [word for word, _ in ours] != [word for word, _ in theirs]:
                raise ColumnError(
                    f"{args.parsed}, line {theirs.first}: other words than in {args.data}, line "
                    f"{ours.first}"
                )
        if len(sentences) != len(parsed):
            raise ColumnError(
                f"{args.parsed} has {len(parsed)} sentences, {args.data} has {len(sentences)}"
            )
        guess = trees_of(args.parsed, parsed)
    else:
        parser = load_parser(args.model)
        sentences = read_conllu(args.data, tag=parser.features_.fields[1], single_root=False)
        guess = parser.predict(sentences)
    scores = attachment_scores(trees_of(args.data, sentences), guess)
    lines = [f"unlabelled attachment score  {scores.unlabelled:.4f}"]
    if not math.isnan(scores.labelled):
        lines.append(f"labelled attachment score    {scores.labelled:.4f}")
    with writing(args.output, args.data, args.model, args.parsed) as results:
        results.write("\n".join(lines) + "\n")
    return 0
