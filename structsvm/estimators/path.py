"""Regularisation paths: one estimator for each C, each begun where the last one ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from sklearn.base import clone

from structsvm.estimators.structured import StructSVM
from structsvm.training.fitting import Bound, Examples, Validation

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
    """Fit an estimator for each value of C, in about half the time of as many fits.

    Each is certified on its own, to the estimator's `tol`, and equals a cold fit within that. The
    dual point of one C is feasible for every other; the block solver also guesses the next weights
    from the last two. The values are visited in ascending order.

    Parameters
    ----------
    estimator : StructSVM
        Cloned, not changed. Its solver must keep a dual state: "bcfw", "cutting_plane", "n_slack".
    X, y : sequences of equal length
    Cs : iterable of float
        Each > 0.
    X_val, y_val
        See `StructSVM.fit`: each estimator keeps its best weights on these.
    **fit_params
        What else ``fit`` takes, such as `sample_weight`.

    Returns
    -------
    estimators : list of fitted clones, in the order of `Cs`
        After Ctrl-C those fitted by then, the last of them with its best weights so far.

    Raises
    ------
    ValueError
        As ``fit`` does, and if the solver keeps no dual state.

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
    examples: Examples | None = None
    validation: Validation | None = None
    fitted: list[Any] = [None] * len(values)
    start: Bound | None = None
    for k in sorted(range(len(values)), key=values.__getitem__):
        svm: Any = clone(estimator).set_params(C=values[k])
        svm._check_path()
        of_svm = svm._examples(X, y, **fit_params)
        if examples is None:  # of the first, which are then prepared
            examples = of_svm
            validation = svm._validation(X_val, y_val)
        start = svm._fit(examples, validation, start=start)
        svm._warm = None  # the dual state goes on to the next one
        fitted[k] = svm
        if svm.status_ == "interrupted":
            break
    return [svm for svm in fitted if svm is not None]
