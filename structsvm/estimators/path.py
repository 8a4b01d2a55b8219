"""Regularisation paths: one estimator for each C, each begun where the last one ended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sklearn.base import clone

from structsvm.training.penalty import InUnits
from structsvm.training.train import Bound, Examples, Validation

if TYPE_CHECKING:
    from structsvm.estimators.structured import StructSVM

__all__ = ["RepeatedFits", "fit_path"]

_Estimator = TypeVar("_Estimator", bound="StructSVM")


class RepeatedFits:
    """Fits of clones of one estimator to the same data, which are read once.

    Parameters
    ----------
    estimator : StructSVM
        With a solver that keeps a dual state.
    X, y, X_val, y_val, **fit_params
        What ``fit`` takes.
    """

    def __init__(
        self,
        estimator: StructSVM,
        X: Any,
        y: Any,
        *,
        X_val: Any = None,
        y_val: Any = None,
        **fit_params: Any,
    ) -> None:
        estimator._check_path()
        self._estimator = estimator
        self._data: tuple[Any, Any, dict[str, Any]] | None = (X, y, fit_params)
        self._held_out = (X_val, y_val)
        self._read: tuple[Examples, Validation] | None = None
        self.start: Bound | None = None  #: what the next fit goes on from

    @classmethod
    def of_examples(cls, estimator: StructSVM, examples: Examples) -> Self:
        """Of examples that may have been read."""
        fits = cls.__new__(cls)
        fits._estimator, fits._data, fits._held_out = estimator, None, (None, None)
        fits._read, fits.start = (examples, Validation(None, None)), None
        return fits

    def fit(self, C: float | InUnits) -> Any:
        """A clone with this C, trained from where the last one ended."""
        svm = clone(self._estimator).set_params(C=C)
        if self._data is not None:
            X, y, fit_params = self._data
            examples = svm._examples(X, y, **fit_params)  # also tells the clone what X has
            if self._read is None:
                self._read = examples, svm._validation(*self._held_out)
        assert self._read is not None
        self.start = svm._fit(*self._read, start=self.start, of_use=False)
        svm._warm = None  # the dual state goes on to the next one
        return svm


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
    """Fit an estimator for each value of C, in less time than separate fits.

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
    if isinstance(Cs, str):
        raise ValueError(f"Cs={Cs!r}: expected values of C, such as [0.1, 1.0]")
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
