"""The structured hinge of any model, as a function of its weights."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from structsvm.base import StructuredModel
from structsvm.hinge._reduction import (
    check_array,
    check_same_shape,
    reduced,
    value_and_factors,
)
from structsvm.linalg._sums import dot
from structsvm.problems.ties import checked_ties

__all__ = ["structured_hinge"]


def structured_hinge(
    model: StructuredModel,
    X: Any,
    y: Any,
    w: ArrayLike,
    *,
    rescaling: str = "margin",
    sample_weight: ArrayLike | None = None,
    reduction: str = "mean",
    with_gradient: bool = False,
) -> Any:
    r"""Structured hinge: :math:`\max_{\hat y} \Delta(y, \hat y) - \langle w, \delta \rangle`.

    delta is psi(x, y) - psi(x, y_hat); with slack rescaling the hinge is
    :math:`\max_{\hat y} \Delta(y, \hat y) (1 - \langle w, \delta \rangle)`. One oracle call
    for each example. Convex in w, and at least the task loss of the prediction.

    Parameters
    ----------
    model : StructuredModel
        Sized: after ``initialize``, or the ``model_`` of a fitted estimator.
    X, y : sequences of equal length
    w : array-like of shape (n_weights,)
        Where the model ties weights (`StructuredModel.tied_weights`), only those that stand for
        others count: the hinge is a function of these, and its gradient is 0 for the others.
    rescaling : {"margin", "slack"}, default="margin"
    sample_weight : array-like of shape (n,) or (), default=None
        Factor of each example's hinge, >= 0. The mean is then the weighted mean.
    reduction : {"mean", "sum", "none"}
    with_gradient : bool, default=False
        Return ``(value, gradient)``: a subgradient by w, of shape (n_weights,), or one row for
        each example with "none".

    Raises
    ------
    ValueError
        As ``model.bind`` does, and for weights of another shape or that are not finite.

    References
    ----------
    I. Tsochantaridis, T. Joachims, T. Hofmann, Y. Altun (2005). Large margin methods for
    structured and interdependent output variables. JMLR 6.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import ChainModel
    >>> from structsvm.hinge import structured_hinge
    >>> X, y = [[[1.0], [0.0]]], [["a", "b"]]
    >>> model = ChainModel()
    >>> model.initialize(X, y)
    >>> float(structured_hinge(model, X, y, np.zeros(model.n_weights)))
    2.0
    """
    problem = model.bind(X, y)
    problem.set_rescaling(rescaling)
    weights = check_array("w", w).astype(np.float64, copy=False)
    check_same_shape("w", weights, "the model's weights", (problem.n_weights,))
    targets, ties = None, model.tied_weights()
    if ties is not None:
        targets, ties_by = checked_ties(ties, problem.n_weights, type(model).__name__)
        weights = ties_by * weights[targets]
    n = problem.n_examples
    values = np.zeros(n)
    # How much each example counts does not depend on its value.
    factors = value_and_factors(values, reduction, sample_weight)[1]
    # One factor for all is applied at the end, where sums that cancel are 0 already.
    common = factors[0] if sample_weight is None else 1.0
    rows = n if reduction == "none" else 1
    gradient = np.zeros((rows if with_gradient else 0, problem.n_weights))
    for i in range(n):
        indices, delta, loss = problem.oracle(i, weights)
        values[i] = max(loss - dot(delta, weights[indices]), 0.0)
        if with_gradient and values[i] > 0.0:
            row = gradient[i if reduction == "none" else 0]
            if targets is None:
                row[indices] -= factors[i] / common * delta
            else:  # several entries may go to one
                change = factors[i] / common * delta * ties_by[indices]
                np.subtract.at(row, targets[indices], change)
    value = reduced(values, (), reduction, False, sample_weight)
    if not with_gradient:
        return value
    gradient *= common
    return value, gradient if reduction == "none" else gradient[0]
