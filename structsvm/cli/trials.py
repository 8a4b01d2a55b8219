"""What ``structsvm train`` does before it trains: completing labels, choosing C, folds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import clone

from structsvm.cli.corpora import Corpus
from structsvm.cli.evaluate import scores_of
from structsvm.estimators import ChainSVM, LatentSVM, SequenceTagger
from structsvm.estimators.path_search import PathSearch
from structsvm.metrics import SCORES
from structsvm.solvers import make_solver

__all__ = ["choose_penalty", "completed", "cross_validate"]

_Say = Callable[[str], None]


def completed(tagger: SequenceTagger, X: list[Any], y: list[Any]) -> list[list[Any]]:
    """Labels of which those that are None were found out in training (`LatentSVM`)."""
    rows = clone(tagger.features).fit_transform(X)
    svm = LatentSVM(
        tagger._make_model(),
        C="scale" if tagger.C is None else tagger.C,
        solver=tagger.solver,
        tol=tagger._tolerance(make_solver(tagger.solver)),
        max_iter=tagger.max_iter,
        n_jobs=tagger.n_jobs,
        random_state=tagger.random_state,
    )
    return [labels.tolist() for labels in svm.fit(rows, y).complete(rows, y)]


def choose_penalty(
    tagger: SequenceTagger,
    Cs: list[float],
    X: list[Any],
    y: list[Any],
    validation: Corpus | None,
    folds: int | None,
    say: _Say,
) -> float:
    """The C of the best score on held-out sentences, each fit going on from the last one."""
    features = clone(tagger.features)
    rows = features.fit_transform(X)
    svm = ChainSVM(
        fit_intercept=False,
        constraints=tagger.constraints,
        on_violation=tagger.on_violation,
        order=tagger.order,
        solver=tagger.solver,
        tol=tagger._tolerance(make_solver(tagger.solver)),
        max_iter=tagger.max_iter,
        n_jobs=tagger.n_jobs,
        engine=tagger.engine,
        random_state=tagger.random_state,
    )
    search = PathSearch(svm, Cs=Cs, scoring=tagger.scoring, cv=folds, refit=False)
    if validation is None:
        search.fit(rows, y)
    else:
        search.fit(rows, y, X_val=features.transform(validation.X), y_val=validation.y)
    where = f"{folds} folds" if validation is None else validation.names
    say(f"{'C':>10}  {tagger.scoring} on {where}")
    results = search.cv_results_
    for C, score in zip(results["param_C"], results["mean_test_score"], strict=True):
        say(f"{C:10.4g}  {score:.4f}{'  best' if search.best_params_['C'] == C else ''}")
    return float(search.best_params_["C"])


def cross_validate(
    tagger: SequenceTagger, X: list[Any], y: list[Any], folds: int, seed: int, say: _Say
) -> None:
    """Tell the score of each fold, and the scores of all sentences by the models without them."""
    if folds > len(X):
        raise ValueError(f"--folds {folds}: there are {len(X)} sentences")
    order = np.random.RandomState(seed).permutation(len(X))
    guess: list[Any] = [None] * len(X)
    scores = []
    for k, held in enumerate(np.array_split(order, folds), start=1):
        kept = np.setdiff1d(order, held).tolist()
        model = clone(tagger).fit([X[i] for i in kept], [y[i] for i in kept])
        for i, tags in zip(held.tolist(), model.predict([X[i] for i in held]), strict=True):
            guess[i] = tags.tolist()
        truth, told = ([rows[i] for i in held.tolist()] for rows in (y, guess))
        scores.append(SCORES[tagger.scoring](truth, told))
        say(f"fold {k} of {folds}: {tagger.scoring} {scores[-1]:.4f}")
    say(f"mean of {folds} folds: {np.mean(scores):.4f}, standard deviation {np.std(scores):.4f}")
    say("\n".join([*scores_of(y, guess), ""]))
