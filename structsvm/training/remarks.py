"""What is to be said of a fit that is optimal and of no use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.base import StructuredModel
from structsvm.problems import Problem
from structsvm.solvers import SolverResult

__all__ = ["trivial_fit"]

# Of an objective that is known less well than this, zero may be as good as anything, ...
_LOOSE = 1e-2
# ... and of this far from the optimum, one label too.
_UNKNOWN = 0.1


def trivial_fit(
    model: StructuredModel,
    problem: Problem,
    X: Any,
    y: Any,
    result: SolverResult,
    weights: Callable[[], NDArray[np.float64]],
    C: float,
    *,
    certified: bool,
) -> str | None:
    """What is wrong with weights that say nothing, or one label everywhere; None if they do not.

    Takes no pass over the data where the objective already tells that all is well: the norm of
    weights near an optimum at zero is small, and a hinge is at least the loss of the prediction.

    Parameters
    ----------
    X, y
        As the model prepared them.
    result, C
        Of the problem of scaled columns.
    weights : callable
        Makes those of the result in the user's units.
    certified : bool
        Whether the objective is one that no oracle at fault has made too low.
    """
    if certified and result.objective == 0 and not weights().any() and model._oddity() is None:
        return (
            "no mistake costs anything, as the loss of every output is 0: nothing was learnt. See "
            "the costs and the weights of the loss"
        )
    norm, n = result.sqnorm() / 2, problem.n_examples
    if not 0 < result.objective < np.inf or result.gap > _UNKNOWN:
        return None
    tol = min(result.tol, _LOOSE)
    if norm <= 2 * tol * result.objective and not problem.whole(np.zeros(problem.n_weights)).any():
        at_zero = C * n * problem.mean_hinge(np.zeros(problem.n_weights))
        if result.dual_objective >= (1 - tol) * at_zero:
            return (
                f"at C={C:.3g} weights of zero are optimal within tol={tol:g}: nothing was "
                "learnt. Raise C (C='scale' follows the data), or see whether the features tell "
                "the labels apart"
            )
    least = model.constant_loss(y)
    if least is None or (result.objective - norm) / (C * n) < least:
        return None
    first: list[Any] = []
    # Most fits are left at the first few answers; what is kept does not grow with their number.
    for answer in model.batch_inference(X, weights()):
        labels = np.ravel(answer)
        if not first:
            first = labels[:1].tolist()
        if first and (labels != first[0]).any():
            return None
    alike = repr(first[0]) if first else "empty"
    return (
        f"at C={C:.3g} all predictions for the training data are {alike}, but not all "
        "of y. Raise C, or make mistakes on the rare labels cost more (class_weight, "
        "costs, sample_weight); PathSearch tries values of both by the score of your choice"
    )
