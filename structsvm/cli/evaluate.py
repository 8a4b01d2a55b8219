"""``structsvm evaluate``."""

from __future__ import annotations

import argparse
from typing import Any

from structsvm.cli.corpora import naming_lines, read_corpus
from structsvm.cli.models import columns_read, load_tagger
from structsvm.cli.output import writing
from structsvm.columns import ColumnError
from structsvm.metrics import label_report, sequence_accuracy, span_report, token_accuracy

__all__ = ["run", "scores_of"]


def run(args: argparse.Namespace) -> int:
    corpus = read_corpus(args.data, as_json=args.json, partial=args.partial)
    truth = corpus.y
    if args.model is None:
        if any(of_json for _, _, of_json in corpus.files):
            raise ValueError("JSON lines hold no tags to judge: give a --model")
        guess, truth = truth, [[token[-1] for token in sentence] for sentence in corpus.X]
    else:
        tagger = load_tagger(args.model, columns=not corpus.has_attributes)
        sentences = corpus.X
        if not corpus.has_attributes:
            if corpus.n_columns < tagger.features_.n_columns_read_:
                raise ColumnError(
                    f"{corpus.names} has {corpus.n_columns} columns before the label, the model "
                    f"reads {tagger.features_.n_columns_read_}"
                )
            sentences = columns_read(tagger, sentences)
        with naming_lines(corpus):
            guess = [tags.tolist() for tags in tagger.predict(sentences)]
    with naming_lines(corpus):
        lines = scores_of(truth, guess, args.scheme, labels=args.labels)
    with writing(args.output, *args.data, args.model) as results:
        results.write("\n".join(lines) + "\n")
    return 0


def scores_of(
    truth: list[Any], guess: list[Any], scheme: str = "conll", *, labels: bool = False
) -> list[str]:
    """Accuracies, a report on spans where labels mark some, and one on labels, as lines.

    Raises
    ------
    ValueError
        If labels do not fit a scheme other than "conll".
    """
    lines = [
        f"token accuracy     {token_accuracy(truth, guess):.4f}",
        f"sequence accuracy  {sequence_accuracy(truth, guess):.4f}",
    ]
    if labels:
        lines += ["", label_report(truth, guess)]
    try:
        lines += ["", span_report(truth, guess, scheme=scheme)]
    except ValueError:
        if scheme != "conll":
            raise
        # The labels mark no spans, so there is no report on spans.
    return lines
