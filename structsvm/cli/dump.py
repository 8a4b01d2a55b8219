"""``structsvm dump``."""

from __future__ import annotations

import argparse
import sys

from structsvm.cli.models import load_tagger

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    tagger = load_tagger(args.model, columns=False)
    for line in tagger.iter_weights(args.top):
        sys.stdout.write(line + "\n")
    return 0
