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
from structsvm.cli.output import tell
from structsvm.cli.places import naming_lines
from structsvm.columns import ColumnError, read_columns
from structsvm.estimators import SequenceTagger
from structsvm.features import TokenFeatures, read_templates
from structsvm.features.templates import BUILT_IN
from structsvm.metrics import spans
from structsvm.persistence.files import check_output

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    if args.patience is not None and args.validation is None:
        raise ValueError("--patience needs --validation")
    resume_from = _checked_outputs(args)
    started = time.perf_counter()
    sentences, tags = read_columns(args.data)
    X_val: Any = None
    y_val: Any = None
    if args.validation is not None:
        X_val, y_val = read_columns(args.validation)
        _same_width(args, sentences, X_val)
    tagger = SequenceTagger(
        _features(args, len(sentences[0][0])),
        C=args.C,
        constraints=args.constraints,
        on_violation=args.on_violation,
        scoring=args.scoring or ("span_f1" if _are_spans(tags) else "token_accuracy"),
        solver=args.solver,
        tol=args.tol,
        max_iter=args.max_iter,
        n_jobs=args.jobs,
        random_state=args.seed,
    )
    callbacks: list[Any] = []
    if not args.quiet:
        tell(f"{args.data}: {len(sentences)} sentences, {sum(map(len, tags))} tokens")
        callbacks.append(ProgressBar(tol=_aim(tagger)))
    if args.patience is not None:
        callbacks.append(EarlyStopping(args.patience))
    if args.checkpoint is not None:
        callbacks.append(Checkpoint(args.checkpoint, every=args.checkpoint_every))
    if args.resume and not args.quiet:
        tell(f"{args.checkpoint}: " + ("goes on from there" if resume_from else "begins afresh"))
    with warnings.catch_warnings(), naming_lines(args.data, args.validation):
        # The summary says what this warning would.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.filterwarnings("always", ".* sequences break the constraints", UserWarning)
        warnings.showwarning = _show  # type: ignore[assignment]
        tagger.set_params(callbacks=callbacks)
        tagger.fit(sentences, tags, X_val=X_val, y_val=y_val, resume_from=resume_from)
    if tagger.status_ == "interrupted" and tagger.n_iter_ == 0:
        tell(f"interrupted before the first pass: {args.model} is left as it was")
        return 130
    tagger.save(args.model)
    if not args.quiet:
        tell(_summary(tagger, args.model, time.perf_counter() - started))
    return 130 if tagger.status_ == "interrupted" else 0


def _show(message: Warning | str, *_: Any) -> None:
    tell(f"structsvm train: warning: {message}")


def _checked_outputs(args: argparse.Namespace) -> str | None:
    """Check that all outputs can be written; returns the checkpoint to go on from, if any."""
    if args.resume and args.checkpoint is None:
        raise ValueError("--resume needs --checkpoint")
    templates = None if args.features in ("auto", *BUILT_IN) else args.features
    inputs = (args.data, args.validation, templates)
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


def _features(args: argparse.Namespace, n_columns: int) -> TokenFeatures:
    templates: Any = args.features
    if templates == "auto":
        templates = "chunk" if n_columns > 1 else "words"
    outside = args.outside or "drop"
    if templates not in BUILT_IN:
        templates = read_templates(templates)
        outside = args.outside or "mark"
    return TokenFeatures(templates, outside=outside, min_count=args.min_count, n_hashed=args.hashed)


def _same_width(args: argparse.Namespace, train: list[Any], held_out: list[Any]) -> None:
    ours, theirs = len(train[0][0]) + 1, len(held_out[0][0]) + 1
    if ours != theirs:
        raise ColumnError(f"{args.validation} has {theirs} columns, {args.data} has {ours}")


def _are_spans(tags: list[list[str]]) -> bool:
    kinds = {tag for sentence in tags for tag in sentence}
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
    return "\n".join([*lines, told])
