"""Regularisation paths: one estimator for each C, each begun where the last one ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from structsvm.estimators.structured import RepeatedFits, StructSVM

__all__ = ["fit_path"]

_Estimator = TypeVar("_Estimator", bound=StructSVM)


def fit_path(
    estimator: _Estimator,
    X: Any,
    y: Any,
    Cs: Iterable[float],
    *,
    X_val: Any = None,
    y_val: Any = None,
    **fit_params: Any,
) -> list[_Estimator]:
    """Fit an estimator for each value of C, in about half the time of separate fits.

    Values are visited in ascending order, and each fit starts from the dual point of the one
    before, which is feasible for any C. Each is certified to the estimator's `tol`, and agrees with
    a separate fit within that.

    Parameters
    ----------
    estimator : StructSVM
        Cloned, not changed. Its solver must keep a dual state: "bcfw", "cutting_plane", "n_slack".
    X, y : sequences of equal length
    Cs : iterable of float
        At least one, each > 0.
    X_val, y_val
        See `StructSVM.fit`: each estimator keeps its best weights on these.
    **fit_params
        What else ``fit`` takes, such as `sample_weight`.

    Returns
    -------
    estimators : list of fitted clones, in the order of `Cs`
        After Ctrl-C those fitted by then; the one that was interrupted has its best weights so far.

    Raises
    ------
    ValueError
        As ``fit`` does, if the solver keeps no dual state, and if there is no C.

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm import ChainSVM, fit_path
    >>> X = np.random.default_rng(0).normal(size=(20, 3, 2))
    >>> y = (X[:, :, 0] > X[:, :, 1]).astype(int)
    >>> path = fit_path(ChainSVM(random_state=0), X, y, Cs=[0.01, 0.1, 1.0])
    >>> [svm.C for svm in path], all(svm.dual_gap_ <= 1e-3 for svm in path)
    ([0.01, 0.1, 1.0], True)
    """
    values = [float(C) for C in Cs]
    fits = RepeatedFits(estimator, X, y, X_val=X_val, y_val=y_val, **fit_params)
    if not values:
        raise ValueError("Cs is empty: expected at least one value of C, such as [0.1, 1.0]")
    fitted: dict[int, _Estimator] = {}
    for k in sorted(range(len(values)), key=values.__getitem__):
        fitted[k] = fits.fit(values[k])
        if fitted[k].status_ == "interrupted":
            break
    return [fitted[k] for k in sorted(fitted)]
