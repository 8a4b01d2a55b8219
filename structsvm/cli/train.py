"""``structsvm train``."""

from __future__ import annotations

import argparse
import math
import os
import time
import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from structsvm.callbacks import Checkpoint, EarlyStopping, ProgressBar
from structsvm.cli.cluster import workers_of
from structsvm.cli.corpora import UNKNOWN, Corpus, naming_lines, read_corpus
from structsvm.cli.evaluate import scores_of
from structsvm.cli.output import tell
from structsvm.cli.trials import choose_penalty, completed, cross_validate
from structsvm.columns import ColumnError
from structsvm.data.files import check_output
from structsvm.estimators import SequenceTagger
from structsvm.exceptions import ClusterError
from structsvm.features import SequenceVectorizer, TokenFeatures, read_templates
from structsvm.features.templates import BUILT_IN
from structsvm.metrics import spans

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    if args.patience is not None and args.validation is None:
        raise ValueError("--patience needs --validation")
    if args.Cs is not None and args.validation is None and args.folds is None:
        raise ValueError("--Cs needs --validation or --folds, to choose among them")
    if args.Cs is not None and args.C is not None:
        raise ValueError("-C and --Cs: give one of them")
    if args.order == "auto" and (args.Cs is not None or args.partial == "hidden"):
        raise ValueError("--order auto goes with neither --Cs nor --partial hidden: give 1 or 2")
    if args.folds is not None and args.partial == "hidden":
        raise ValueError(
            "--folds judges labels that --partial hidden would find out from all sentences: use "
            "--validation"
        )
    if args.folds == 1:
        raise ValueError("--folds 1: expected 2 or more")
    resume_from = _checked_outputs(args)
    started = time.perf_counter()
    partial = args.partial is not None
    corpus = read_corpus(args.data, as_json=args.json, partial=partial)
    others = [
        None if name is None else read_corpus([name], as_json=args.json, partial=partial)
        for name in (args.validation, args.calibrate)
    ]
    validation, held_out = others
    for other in others:
        if other is not None:
            _same_tokens(corpus, other)
    tagger = SequenceTagger(
        _features(args, corpus),
        C=args.C,
        constraints=args.constraints,
        on_violation=args.on_violation,
        order=args.order,
        scoring=args.scoring or ("span_f1" if _are_spans(corpus.y) else "token_accuracy"),
        solver=args.solver,
        tol=args.tol,
        max_iter=args.max_iter,
        n_jobs=args.jobs,
        random_state=args.seed,
    )
    callbacks: list[Any] = []
    if not args.quiet:
        tell(f"{corpus.names}: {len(corpus.X)} sentences, {corpus.n_tokens} tokens{_void(corpus)}")
        callbacks.append(ProgressBar(tol=_aim(tagger)))
    if args.patience is not None:
        callbacks.append(EarlyStopping(args.patience))
    if args.checkpoint is not None:
        callbacks.append(Checkpoint(args.checkpoint, every=args.checkpoint_every))
    if args.resume and not args.quiet:
        tell(f"{args.checkpoint}: " + ("goes on from there" if resume_from else "begins afresh"))
    say = _silent if args.quiet else tell
    with (
        workers_of(args.scheduler) as engine,
        warnings.catch_warnings(),
        naming_lines(corpus, validation),
    ):
        tagger.set_params(engine=engine)
        # The summary says what this warning would.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("always", ".* sequences break the constraints", UserWarning)
        warnings.showwarning = _show  # type: ignore[assignment]
        y = corpus.y
        if args.partial == "hidden":
            y = completed(tagger, corpus.X, y)
        if args.Cs is not None:
            tagger.set_params(
                C=choose_penalty(tagger, args.Cs, corpus.X, y, validation, args.folds, say)
            )
        if args.folds is not None:
            cross_validate(tagger, corpus.X, y, args.folds, args.seed, say)
        tagger.set_params(callbacks=callbacks)
        X_val, y_val = (None, None) if validation is None else (validation.X, validation.y)
        lost = None
        try:
            tagger.fit(corpus.X, y, X_val=X_val, y_val=y_val, resume_from=resume_from)
        except ClusterError as error:
            if "coef_" not in vars(tagger):
                raise
            lost = error
    if tagger.status_ == "interrupted" and tagger.n_iter_ == 0:
        tell(f"interrupted before the first pass: {args.model} is left as it was")
        return 130
    if held_out is not None:
        with naming_lines(held_out):
            tagger.calibrate(held_out.X, held_out.y)
    tagger.save(args.model)
    if validation is not None:
        guess = [tags.tolist() for tags in tagger.predict(validation.X)]
        say("\n".join([f"{validation.names}:", *scores_of(validation.y, guess), ""]))
    say(_summary(tagger, args.model, time.perf_counter() - started))
    if lost is not None:
        tell(f"structsvm train: error: {lost}; {args.model} has the best weights before that")
        return 1
    return 130 if tagger.status_ == "interrupted" else 0


def _silent(text: str) -> None:
    pass


def _void(corpus: Corpus) -> str:
    """How many labels are not known, or look as if they were not."""
    n_void = sum(tag is None for tags in corpus.y for tag in tags)
    if n_void:
        return f", {n_void} of them without a label"
    if any(tag == UNKNOWN for tags in corpus.y for tag in tags):
        return f"; the label {UNKNOWN} is one like others, see --partial"
    return ""


def _show(message: Warning | str, *_: Any) -> None:
    tell(f"structsvm train: warning: {message}")


def _checked_outputs(args: argparse.Namespace) -> str | None:
    """Check that all outputs can be written; returns the checkpoint to go on from, if any."""
    if args.resume and args.checkpoint is None:
        raise ValueError("--resume needs --checkpoint")
    templates = None if args.features in ("auto", *BUILT_IN) else args.features
    inputs = (*args.data, args.validation, args.calibrate, templates)
    check_output(args.model, *inputs, args.checkpoint)
    if args.checkpoint is None:
        return None
    check_output(args.checkpoint, *inputs, again=True)
    there = os.path.exists(args.checkpoint)
    if there and not args.resume:
        raise ValueError(
            f"{args.checkpoint} exists: add --resume to go on from it, or remove it to begin afresh"
        )
    return args.checkpoint if there else None


def _features(args: argparse.Namespace, corpus: Corpus) -> TokenFeatures | SequenceVectorizer:
    templates: Any = args.features
    if corpus.has_attributes:
        if templates != "auto" or args.hashed is not None:
            raise ValueError(
                f"{corpus.names} holds attributes, which are taken as they are: leave --features "
                "and --hashed out"
            )
        return SequenceVectorizer(min_count=args.min_count)
    if templates == "auto":
        templates = "chunk" if corpus.n_columns > 1 else "words"
    outside = args.outside or "drop"
    if templates not in BUILT_IN:
        templates = read_templates(templates)
        outside = args.outside or "mark"
    return TokenFeatures(templates, outside=outside, min_count=args.min_count, n_hashed=args.hashed)


def _same_tokens(train: Corpus, held_out: Corpus) -> None:
    if train.has_attributes != held_out.has_attributes:
        has, lacks = (train, held_out) if train.has_attributes else (held_out, train)
        raise ColumnError(f"{has.names} holds attributes, {lacks.names} columns")
    ours, theirs = train.n_columns + 1, held_out.n_columns + 1
    if ours != theirs and not train.has_attributes:
        raise ColumnError(f"{held_out.names} has {theirs} columns, {train.names} has {ours}")


def _are_spans(tags: list[list[Any]]) -> bool:
    kinds = {tag for sentence in tags for tag in sentence} - {None}
    try:
        spans(sorted(kinds))
    except ValueError:
        return False
    return any("-" in tag for tag in kinds)


def _aim(tagger: SequenceTagger) -> float:
    return 0.03 if tagger.tol is None else min(float(tagger.tol), 0.5)


def _summary(tagger: SequenceTagger, path: str, seconds: float) -> str:
    names = len(tagger.classes_), tagger.n_features_in_
    lines = [f"{path}: {names[0]} tags, {names[1]} attributes, {seconds:.1f} s"]
    how = {"max_iter": "stopped at max_iter", "stopped": "stopped early"}
    told = how.get(tagger.status_, tagger.status_)
    told += f" after {tagger.n_iter_} passes"
    if hasattr(tagger, "validation_score_"):
        best = int(np.nanargmax(tagger.history_["validation_score"])) + 1
        told += f"; kept pass {best}, validation {tagger.scoring} {tagger.validation_score_:.4f}"
    if not math.isnan(tagger.dual_gap_):
        told += f", {'certified' if tagger.certified_ else 'estimated'} gap {tagger.dual_gap_:.2g}"
        told += f" at C={tagger.C_:.4g}"
    if tagger.order_ == 2:
        told += ", order 2"
    return "\n".join([*lines, told])
