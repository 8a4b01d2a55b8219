"""``structsvm dump``."""

from __future__ import annotations

import argparse

from structsvm.cli.models import load_tagger
from structsvm.cli.output import writing

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    tagger = load_tagger(args.model, columns=False)
    with writing(args.output, args.model) as results:
        for line in tagger.iter_weights(args.top):
            results.write(line + "\n")
    return 0
