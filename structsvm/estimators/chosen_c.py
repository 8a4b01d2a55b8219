"""What is chosen by the scores of held-out examples: ``C="auto"``, and ``order="auto"``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from structsvm.estimators.path import RepeatedFits
from structsvm.solvers import make_solver
from structsvm.training.penalty import InUnits
from structsvm.training.train import Bound, Examples, Validation

if TYPE_CHECKING:
    from structsvm.estimators.chain import ChainSVM
    from structsvm.estimators.structured import StructSVM

__all__ = ["hold_out", "order_of", "path_of"]

# Multiples of the unit of C: those tried at first, and what may follow below and above them.
_FIRST, _BELOW, _ABOVE = (0.3, 1.0, 3.0), (0.1, 0.03), (10.0, 30.0)
_SLOWED = 0.25

# Where fewer examples are held out, chance would decide.
_FEWEST = 5

# As close to the optimum as scores need it; where the estimator itself asks for less, a few times
# less again, as far as scores still tell values apart. On text they do at .09, with .03 asked for.
_LEAST_TOL, _TIMES, _MOST_TOL = 1e-2, 3.0, 0.1


def path_of(
    svm: StructSVM, examples: Examples, validation: Validation
) -> tuple[dict[str, NDArray[np.float64]], Bound | None]:
    """Several C in units of the data, trained one after the other, and the score of each.

    On examples held out by a fixed seed, or on `validation` where there is one. Three values at
    first, then further to that side where the score still rises.

    Returns
    -------
    path : dict of ndarray
        "C", "score", "dual_gap" and "n_iter", by ascending C.
    start : Bound
        What a fit of all examples may go on from, where the path was of them.
    """
    if (parted := _parted(svm, examples, validation)) is None:
        return {}, None
    part, held_out = parted
    tol = _loosened(svm._tolerance(make_solver(svm.solver)) or 0.0)
    cell = clone(svm).set_params(callbacks=None, warm_start=False, tol=tol, verbose=0)
    fits, rows = RepeatedFits.of_examples(cell, part), {}

    def score(factor: float) -> float:
        if factor not in rows:
            fitted = fits.fit(InUnits(factor))
            model, w = fitted.model_, fitted._flat_weights()
            held_out.prepare(model)
            with svm._own_engine() as engine:
                value = held_out.score(model, w, engine)
            rows[factor] = (fitted.C_, value, fitted.dual_gap_, float(fitted.n_iter_))
        return rows[factor][1]

    best = max(_FIRST, key=score)
    for further in _BELOW if best == _FIRST[0] else _ABOVE if best == _FIRST[-1] else ():
        if score(further) <= score(best):
            break
        best = further
    table = np.array([rows[factor] for factor in sorted(rows)]).T
    path = dict(zip(("C", "score", "dual_gap", "n_iter"), table, strict=True))
    return path, fits.start if part is examples else None


def order_of(svm: ChainSVM, examples: Examples, validation: Validation) -> dict[int, float]:
    """The scores of labels that look back one label, and two, on examples as in `path_of`.

    Empty where there is nothing to choose: few examples, or void labels, which order 2 cannot take.
    """
    examples.check()
    if any(_is_void(label, svm.ignore_label) for row in examples.y for label in row):
        return {}
    if (parted := _parted(svm, examples, validation)) is None:
        return {}
    part, held_out = parted
    scores = {}
    for order in (1, 2):
        cell = clone(svm).set_params(order=order, callbacks=None, warm_start=False, verbose=0)
        if cell.C == "auto":
            cell.set_params(C="scale")
        if (tol := cell._tolerance(make_solver(cell.solver))) is not None:
            cell.set_params(tol=_loosened(tol))
        cell._fit(part, Validation(None, None), of_use=False)
        held_out.prepare(cell.model_)
        with svm._own_engine() as engine:
            scores[order] = held_out.score(cell.model_, cell._flat_weights(), engine)
    return scores


def _loosened(tol: float) -> float:
    """The tolerance of a path, where the estimator's is `tol`."""
    return max(tol, _LEAST_TOL, min(_TIMES * tol, _MOST_TOL))


def _is_void(label: Any, ignore_label: Any) -> bool:
    return label is None or (ignore_label is not None and bool(label == ignore_label))


def _parted(
    svm: StructSVM, examples: Examples, validation: Validation
) -> tuple[Examples, Validation] | None:
    """The examples to train on, and those to score; None where there are too few."""
    examples.check()
    if validation.given:
        return examples, validation
    kept, others = hold_out(examples.y)
    if len(others) < _FEWEST:
        return None
    return examples.take(kept), svm._held_out(examples.take(others))


def hold_out(y: Any) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The examples but for a third, and that third: at random, or of each class where outputs are
    classes."""
    n, random = len(y), np.random.RandomState(0)
    order = random.permutation(n)
    if isinstance(y, np.ndarray) and y.ndim == 1:
        # Neighbours in a list sorted by class fall into different parts.
        order = order[np.argsort(y[order], kind="stable")]
        held = np.zeros(n, dtype=bool)
        held[order[1::3]] = True
        return np.flatnonzero(~held), np.flatnonzero(held)
    return np.sort(order[n // 3 :]), np.sort(order[: n // 3])
