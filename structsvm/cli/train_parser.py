"""``structsvm train-parser``."""

from __future__ import annotations

import argparse
import math
import time
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from structsvm.callbacks import EarlyStopping, ProgressBar
from structsvm.cli.output import tell
from structsvm.columns import ConlluSentence, read_conllu
from structsvm.columns.conllu import trees_of
from structsvm.data.files import check_output
from structsvm.estimators import DependencyParser
from structsvm.features import ArcFeatures

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    if args.patience is not None and args.validation is None:
        raise ValueError("--patience needs --validation")
    check_output(args.model, args.data, args.validation)
    started = time.perf_counter()
    sentences = _read(args, args.data)
    trees = trees_of(args.data, sentences, relations=not args.heads_only)
    X_val = None if args.validation is None else _read(args, args.validation)
    y_val = None if X_val is None else trees_of(args.validation, X_val)
    parser = DependencyParser(
        ArcFeatures(n_bits=args.bits, fields=("form", args.tag)),
        order=args.order,
        projective=not args.crossing,
        single_root=not args.several_roots,
        C=args.C or "scale",
        solver=args.solver,
        tol=args.tol,
        max_iter=args.max_iter,
        n_jobs=args.jobs,
        random_state=args.seed,
    )
    callbacks: list[Any] = []
    if not args.quiet:
        tell(f"{args.data}: {len(sentences)} sentences, {sum(map(len, sentences))} tokens")
        if all(tag == "_" for sentence in sentences for _, tag in sentence):
            other = "xpos" if args.tag == "upos" else "upos"
            tell(f"all tags are '_': see whether --tag {other} reads those that there are")
        callbacks.append(ProgressBar(tol=args.tol or 1e-3))
    if args.patience is not None:
        callbacks.append(EarlyStopping(args.patience))
    with warnings.catch_warnings():
        # The summary says what this warning would.
        warnings.simplefilter("ignore", ConvergenceWarning)
        parser.set_params(callbacks=callbacks)
        parser.fit(sentences, trees, X_val=X_val, y_val=y_val)
    if parser.status_ == "interrupted" and parser.n_iter_ == 0:
        tell(f"interrupted before the first pass: {args.model} is left as it was")
        return 130
    parser.save(args.model)
    if not args.quiet:
        tell(_summary(parser, args.model, time.perf_counter() - started))
    return 130 if parser.status_ == "interrupted" else 0


def _read(args: argparse.Namespace, path: str) -> list[ConlluSentence]:
    return read_conllu(path, tag=args.tag, single_root=not args.several_roots)


def _summary(parser: DependencyParser, path: str, seconds: float) -> str:
    told = f"{path}: {len(parser.relations_)} relations, {seconds:.1f} s, {parser.n_iter_} passes"
    if hasattr(parser, "validation_score_"):
        best = int(np.nanargmax(parser.history_["validation_score"])) + 1
        told += f"; kept pass {best}, validation UAS {parser.validation_score_:.4f}"
    if not math.isnan(parser.dual_gap_):
        told += f"; {'certified' if parser.certified_ else 'estimated'} gap {parser.dual_gap_:.2g}"
    return told
