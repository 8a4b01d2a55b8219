"""Kernels: inner products of examples in place of their features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.metrics.pairwise import pairwise_kernels

from structsvm.sparse_validation import check_sparse

__all__ = ["KERNELS", "Kernel"]

#: Kernels with a name, and their parameters.
KERNELS = {"rbf": ("gamma",), "poly": ("gamma", "degree", "coef0"), "sigmoid": ("gamma", "coef0")}

# Examples whose kernel values are computed at a time.
_BATCH = 256


class Kernel:
    """k(a, b) over rows of X, plus 1 where there is an intercept.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_examples, n_features)
    kernel : {"rbf", "poly", "sigmoid"} or callable
        A callable takes two matrices and returns all kernel values between their rows.
    intercept : bool
    gamma, degree, coef0 : float
        See scikit-learn's ``pairwise_kernels``; not used with a callable.
    """

    def __init__(
        self,
        X: Any,
        kernel: str | Callable[[Any, Any], Any],
        *,
        intercept: bool,
        gamma: float,
        degree: float,
        coef0: float,
    ) -> None:
        self.X = X
        self.kernel = kernel
        self.intercept = intercept
        given = {"gamma": gamma, "degree": degree, "coef0": coef0}
        names = KERNELS[kernel] if isinstance(kernel, str) else ()
        self.params = {name: given[name] for name in names}

    def between(self, A: Any, B: Any) -> NDArray[np.float64]:
        """k(a, b) for rows of A and B, without the intercept.

        Raises
        ------
        ValueError
            If a callable returns another shape, or something is not finite.
        """
        if isinstance(self.kernel, str):
            values = pairwise_kernels(A, B, metric=self.kernel, **self.params)
        else:
            values = self.kernel(A, B)
            if sp.issparse(values):
                check_sparse("what the kernel returned", values)
                values = values.toarray()
        values = np.asarray(values, dtype=np.float64)
        if values.shape != (A.shape[0], B.shape[0]):
            raise ValueError(
                f"the kernel returned shape {values.shape} for {A.shape[0]} and {B.shape[0]} rows, "
                f"expected ({A.shape[0]}, {B.shape[0]})"
            )
        if not np.isfinite(values).all():
            raise ValueError("the kernel returned NaN or inf; scale the features or lower gamma")
        return values

    def rows(self, examples: NDArray[np.int32]) -> NDArray[np.float64]:
        """k between these examples and all, of shape (len(examples), n_examples)."""
        return self.between(self.X[examples], self.X) + float(self.intercept)

    def diagonal(self) -> NDArray[np.float64]:
        """k of each example with itself.

        Raises
        ------
        ValueError
            If one is negative: then k is no inner product.
        """
        n = self.X.shape[0]
        values = np.ones(n)
        if self.kernel != "rbf":
            for start in range(0, n, _BATCH):
                piece = self.X[start : start + _BATCH]
                values[start : start + _BATCH] = self.between(piece, piece).diagonal()
        values += float(self.intercept)
        if (values < 0).any():
            i = int(np.argmin(values))
            raise ValueError(
                f"the kernel of X[{i}] with itself is {values[i]:g}, expected >= 0: it is no inner "
                "product"
            )
        return values
