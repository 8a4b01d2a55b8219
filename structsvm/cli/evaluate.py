"""``structsvm evaluate``."""

from __future__ import annotations

import argparse

from structsvm.cli.models import columns_read, load_tagger
from structsvm.cli.output import writing
from structsvm.cli.places import naming_lines
from structsvm.columns import ColumnError, read_columns
from structsvm.metrics import label_report, sequence_accuracy, span_report, token_accuracy

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    sentences, truth = read_columns(args.data)
    n_columns = len(sentences[0][0])
    if args.model is None:
        guess, truth = truth, [[token[-1] for token in sentence] for sentence in sentences]
    else:
        tagger = load_tagger(args.model)
        if n_columns < tagger.features_.n_columns_read_:
            raise ColumnError(
                f"{args.data} has {n_columns} columns before the label, the model reads "
                f"{tagger.features_.n_columns_read_}"
            )
        guess = [tags.tolist() for tags in tagger.predict(columns_read(tagger, sentences))]
    lines = [
        f"token accuracy     {token_accuracy(truth, guess):.4f}",
        f"sequence accuracy  {sequence_accuracy(truth, guess):.4f}",
    ]
    if args.labels:
        lines += ["", label_report(truth, guess)]
    try:
        with naming_lines(args.data):
            lines += ["", span_report(truth, guess, scheme=args.scheme)]
    except ValueError:
        if args.scheme != "conll":
            raise
        # The labels mark no spans, so there is no report on spans.
    with writing(args.output, args.data, args.model) as results:
        results.write("\n".join(lines) + "\n")
    return 0
