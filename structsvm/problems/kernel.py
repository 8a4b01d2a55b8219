"""Kernels: inner products of examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.linalg import LinAlgError
from numpy.typing import NDArray
from scipy.linalg import cholesky, eigvalsh

from structsvm.data.rows import check_rows
from structsvm.data.scaling import ColumnScaling
from structsvm.data.sparse import check_sparse
from structsvm.data.state import State
from structsvm.exceptions import ModelFileError
from structsvm.linalg._sums import decay
from structsvm.problems._feature_rows import FeatureRows

__all__ = ["KERNELS", "Kernel"]

#: Names of kernels and of their parameters.
KERNELS: dict[str, tuple[str, ...]] = {
    "rbf": ("gamma",),
    "poly": ("gamma", "degree", "coef0"),
    "sigmoid": ("gamma", "coef0"),
    "precomputed": (),
}

_SPARSE = "X is sparse; with kernel='precomputed' it must be dense: use .toarray()"

# Examples whose kernel values are computed at a time.
_BATCH = 256
_COLUMNS, _ROWS = 32, 1024

# If the rounding error of squared distances, times gamma, exceeds this, the first row becomes the
# origin.
_FAR = 1e-9
# If it still exceeds this, kernel values are too inexact for a certificate.
_TOO_FAR = 1e-6

# Most rows in the test of whether a callable kernel is positive semidefinite.
_MOST_ROWS = 2000
# Two values closer than this, relative to the greatest, are equal.
_SAME = 1e-5
# Eigenvalues below 0 by more than this share of the greatest eigenvalue are not rounding.
_CLEARLY_NEGATIVE = 1e-5
# Eigenvalues count as >= 0 within this share of the greatest value times the number of rows, or
# this share of the values' precision if that is more.
_NOT_NEGATIVE, _PART_OF_PRECISION = 1e-9, 0.1


class Kernel:
    """k(a, b) over rows of X, plus what an intercept adds.

    Parameters
    ----------
    X : ndarray or CSR matrix of shape (n_examples, n_features)
        With "precomputed" the kernel values among all examples.
    kernel : {"rbf", "poly", "sigmoid", "precomputed"} or callable
        A callable takes two matrices and returns all kernel values between their rows.
    intercept : float
        Added to all values; 0: there is none.
    gamma, degree, coef0 : float
        See scikit-learn's ``pairwise_kernels``; not used with a callable.
    columns : ColumnScaling, default=None
        How the columns of X were scaled; None: they were not.
    """

    def __init__(
        self,
        X: Any,
        kernel: str | Callable[[Any, Any], Any],
        *,
        intercept: float,
        gamma: float,
        degree: float,
        coef0: float,
        columns: ColumnScaling | None = None,
    ) -> None:
        self.X = X
        # Of a kernel that is given, the examples are their numbers, as rows of one column.
        self.matrix: NDArray[np.floating] | None = None
        if isinstance(kernel, str) and kernel == "precomputed":
            self.matrix, self.X = _square(X), np.arange(X.shape[0])[:, None]
        self.columns = columns
        self.kernel = kernel
        self.intercept = intercept
        given = {"gamma": gamma, "degree": degree, "coef0": coef0}
        names = () if callable(kernel) else KERNELS[kernel]
        self.params = {name: given[name] for name in names}
        self._precision = float(np.finfo(np.float64).eps)  # of the values
        # Distances are measured from here: far from 0 they would cancel.
        self._origin: NDArray[np.float64] | None = None
        if self._rounding_of_distances() > _FAR and not sp.issparse(X):
            self._origin = np.asarray(X[0], dtype=np.float64)

    def to_state(self) -> State:
        """The rows, the parameters, and what comes from the training rows: the scaling of columns,
        and the origin."""
        state: State = {f"kernel/{name}": np.array([float(v)]) for name, v in self.params.items()}
        if self.kernel == "precomputed":
            return state  # the numbers of the examples are the model's
        if self.columns is not None:
            state |= {"kernel/center": self.columns.center, "kernel/scale": self.columns.scale}
        if self._origin is not None:
            state["kernel/origin"] = self._origin
        if not sp.issparse(self.X):
            return state | {"rows": self.X}
        X = self.X
        return state | {"rows/data": X.data, "rows/indices": X.indices, "rows/indptr": X.indptr}

    @classmethod
    def from_state(cls, state: State, kernel: str, *, intercept: float, n_features: int) -> Kernel:
        """The kernel with this name from what `to_state` returned.

        Raises
        ------
        ValueError
            If rows, parameters or origin have wrong shapes or dtypes, or are not finite.
        """
        if kernel == "precomputed":
            return cls._given(state["support"], intercept, n_features)
        params = {name: _number(f"kernel/{name}", state) for name in KERNELS[kernel]}
        if params.get("gamma", 1.0) <= 0.0:
            raise ModelFileError(f"kernel/gamma is {params['gamma']}, expected a number above 0")
        made = cls(
            _rows_of(state, n_features),
            kernel,
            intercept=intercept,
            columns=_columns_of(state, n_features),
            gamma=params.get("gamma", 1.0),
            degree=params.get("degree", 3.0),
            coef0=params.get("coef0", 0.0),
        )
        made._origin = origin = state.get("kernel/origin")
        if origin is not None:
            shape = () if sp.issparse(made.X) else (n_features,)
            if origin.dtype != np.float64 or origin.shape != shape or not np.isfinite(origin).all():
                raise ModelFileError(
                    f"the origin of the kernel is {origin.dtype} of shape {origin.shape}, expected "
                    f"finite float64 of shape ({n_features},), for dense rows"
                )
        return made

    @classmethod
    def _given(cls, places: NDArray[Any], intercept: float, n_examples: int) -> Kernel:
        """A precomputed kernel of the examples with these numbers, of so many."""
        if places.dtype != np.int64 or places.ndim != 1:
            raise ModelFileError(f"the numbers of the examples are {places.dtype}, expected int64")
        if len(places) and not 0 <= places.min() <= places.max() < n_examples:
            raise ModelFileError(f"a number of the {n_examples} examples is {places.max()}")
        none = np.zeros((0, 0))
        made = cls(none, "precomputed", intercept=intercept, gamma=1.0, degree=3.0, coef0=0.0)
        made.matrix, made.X = None, places[:, None]
        return made

    def with_examples(self, rows: Any) -> NDArray[np.float64]:
        """k of each of these rows, as predictions take them, with each example, without what an
        intercept adds."""
        if self.kernel != "precomputed":
            return self.between(rows, self.X)
        if sp.issparse(rows):
            raise ValueError(_SPARSE)
        values: NDArray[np.float64] = rows[:, self.X[:, 0]].astype(np.float64, copy=False)
        return values

    def with_scaled_columns(self, X: Any) -> Any:
        """Other rows, scaled as X was."""
        return X if self.columns is None else self.columns.apply(X)

    def between(self, A: Any, B: Any) -> NDArray[np.float64]:
        """k(a, b) for rows of A and B, without the intercept.

        Raises
        ------
        ValueError
            If a callable returns another shape or complex numbers, or a value is not finite.
        """
        values: Any
        if self.matrix is not None:
            values = self.matrix[np.ix_(A[:, 0], B[:, 0])]
        elif not callable(self.kernel):
            with np.errstate(over="ignore", invalid="ignore"):
                values = self._named(A, B)
        else:
            values = self.kernel(A, B)
            if sp.issparse(values):
                check_sparse("what the kernel returned", values)
                values = values.toarray()
        if np.iscomplexobj(values):
            raise ValueError("the kernel returned complex numbers, expected real ones")
        if (kind := getattr(values, "dtype", None)) in (np.float32, np.float16):
            self._precision = float(np.finfo(kind).eps)
        values = np.asarray(values, dtype=np.float64)
        if values.shape != (A.shape[0], B.shape[0]):
            raise ValueError(
                f"the kernel returned shape {values.shape} for {A.shape[0]} and {B.shape[0]} rows, "
                f"expected ({A.shape[0]}, {B.shape[0]})"
            )
        if not np.isfinite(values).all():
            raise ValueError("the kernel returned NaN or inf; scale the features or lower gamma")
        result: NDArray[np.float64] = values
        return result

    def is_definite(self) -> bool:
        """Whether this is known to be an inner product: positive semidefinite on these rows.

        It is known by the name of the kernel, or by the matrix of its values for up to 2000 rows.
        With more rows a random 2000 of them can refute it but not prove it.

        Raises
        ------
        ValueError
            If the kernel is clearly not positive semidefinite, or not symmetric.
        """
        diagonal = self.diagonal()
        if self._is_definite_by_name() or not len(diagonal):
            return self._rounding_of_distances() <= _TOO_FAR
        n = self.X.shape[0]
        rows = np.arange(n)
        if n > _MOST_ROWS:
            rows = np.sort(np.random.RandomState(0).choice(n, _MOST_ROWS, replace=False))
        some = self.X[rows]
        K = self.between(some, some) + float(self.intercept)
        self._check_symmetric(K, diagonal[rows], rows)
        greatest = float(np.abs(K).max())
        K += K.T
        K /= 2
        rounding = max(_NOT_NEGATIVE, _PART_OF_PRECISION * self._precision) * greatest * len(K)
        try:
            cholesky(K + (rounding or 1.0) * np.eye(len(K)), check_finite=False)
            return bool(n == len(K))
        except LinAlgError:
            values = eigvalsh(K, check_finite=False)
        if values[0] < -_CLEARLY_NEGATIVE * values[-1]:
            raise ValueError(
                f"kernel {self._name()} is not positive semidefinite: its matrix of {len(K)} rows "
                f"has eigenvalues from {values[0]:.3g} to {values[-1]:.3g}, expected none below 0. "
                "Training needs an inner product: use 'rbf', or 'poly' with coef0 >= 0"
            )
        return False

    def _rounding_of_distances(self) -> float:
        """Bound of the rounding error of squared distances, times gamma."""
        if self.kernel != "rbf" or not self.X.shape[0]:
            return 0.0
        sqnorms = FeatureRows(self._moved(self.X), intercept=False).sqnorms()
        return float(4 * self._precision * self.params["gamma"] * sqnorms.max())

    def _moved(self, X: Any) -> Any:
        """The rows relative to the origin."""
        return X if self._origin is None else X - self._origin

    def _is_definite_by_name(self) -> bool:
        if self.kernel == "poly":
            degree = self.params["degree"]
            return bool(self.params["coef0"] >= 0 and degree >= 0 and degree == int(degree))
        return bool(self.kernel == "rbf")

    def _name(self) -> str:
        if callable(self.kernel):
            return getattr(self.kernel, "__name__", repr(self.kernel))
        given = ", ".join(f"{name}={value:g}" for name, value in self.params.items())
        return f"{self.kernel!r} ({given})" if given else repr(self.kernel)

    def _check_symmetric(
        self, K: NDArray[np.float64], diagonal: NDArray[np.float64], rows: NDArray[np.intp]
    ) -> None:
        for other, how in ((K.T, "with its arguments exchanged"), (diagonal, "among other rows")):
            difference = np.abs(K - other) if other.ndim == 2 else np.abs(K.diagonal() - other)
            if difference.max() > _SAME * np.abs(K).max():
                place = np.unravel_index(int(np.argmax(difference)), difference.shape)
                i, j = rows[place[0]], rows[place[-1]]
                raise ValueError(
                    f"kernel {self._name()} of X[{i}] and X[{j}] differs by {difference.max():.3g} "
                    f"{how}: it must be a symmetric function of two rows"
                )

    def _named(self, A: Any, B: Any) -> NDArray[np.float64]:
        """Values of a kernel with a name, as scikit-learn's, but computed so that their bits do not
        depend on the BLAS and the CPU."""
        A, B = self._moved(A), self._moved(B)
        A_sqnorms, B_sqnorms = (FeatureRows(X, intercept=False).sqnorms() for X in (A, B))
        if sp.issparse(A) or sp.issparse(B):
            products = A.astype(np.float64) @ B.T
            products = products.toarray() if sp.issparse(products) else np.asarray(products)
            return self._of_products(products.astype(np.float64), A_sqnorms[:, None], B_sqnorms)
        values = np.empty((len(A), len(B)))
        # Blocks that fit into the cache, of a width at which `scores` is fast.
        for i in range(0, len(A), _COLUMNS):
            columns = np.asarray(A[i : i + _COLUMNS].T, dtype=np.float64)
            for j in range(0, len(B), _ROWS):
                rows = FeatureRows(B[j : j + _ROWS], intercept=False)
                products = rows.scores(columns)
                piece = self._of_products(
                    products, B_sqnorms[j : j + _ROWS, None], A_sqnorms[i : i + _COLUMNS]
                )
                values[i : i + _COLUMNS, j : j + _ROWS] = piece.T
        return values

    def _of_products(
        self,
        products: NDArray[np.float64],
        left: NDArray[np.float64],
        right: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Kernel values from inner products and squared norms; the norms broadcast."""
        gamma = self.params["gamma"]
        if self.kernel == "rbf":
            squares = left + right
            squares -= 2.0 * products
            np.maximum(squares, 0.0, out=squares)
            squares *= gamma
            return decay(squares)
        values = gamma * products + self.params["coef0"]
        if self.kernel == "poly":
            return _power(values, self.params["degree"])
        halves = decay(2.0 * np.abs(values))
        return np.copysign((1.0 - halves) / (1.0 + halves), values)

    def rows(self, examples: NDArray[np.int32]) -> NDArray[np.float64]:
        """k between these examples and all, of shape (len(examples), n_examples)."""
        return self.between(self.X[examples], self.X) + float(self.intercept)

    def diagonal(self) -> NDArray[np.float64]:
        """k of each example with itself.

        Raises
        ------
        ValueError
            If a value is negative: then k is not an inner product.
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
                f"the kernel of X[{i}] with itself is {values[i]:g}, expected >= 0: it is not an "
                "inner product"
            )
        return values


def _square(matrix: Any) -> NDArray[np.floating]:
    """The kernel values among all examples, checked."""
    if sp.issparse(matrix):
        raise ValueError(_SPARSE)
    if matrix.shape[0] != matrix.shape[1]:
        raise ValueError(
            f"X has shape {matrix.shape}; with kernel='precomputed' it is the square matrix of the "
            "kernel values among all examples"
        )
    return np.asarray(matrix)


def _number(name: str, state: State) -> float:
    array = state[name]
    if array.dtype != np.float64 or array.shape != (1,) or not np.isfinite(array[0]):
        raise ModelFileError(f"{name} is {array}, expected one finite number")
    return float(array[0])


def _columns_of(state: State, n_features: int) -> ColumnScaling | None:
    """The checked scaling of columns of a state."""
    if "kernel/center" not in state and "kernel/scale" not in state:
        return None
    center, scale = (state[f"kernel/{name}"] for name in ("center", "scale"))
    for name, array in (("center", center), ("scale", scale)):
        if (
            array.dtype != np.float64
            or array.shape != (n_features,)
            or not np.isfinite(array).all()
        ):
            raise ModelFileError(
                f"the {name} of the kernel's columns is {array.dtype} of shape {array.shape}, "
                f"expected finite float64 of shape ({n_features},)"
            )
    if not (scale > 0).all():
        raise ModelFileError(f"the kernel's columns have the scale {scale.min()}, expected > 0")
    return ColumnScaling(center, scale)


def _rows_of(state: State, n_features: int) -> Any:
    """The checked rows of a state."""
    if "rows" in state:
        rows = state["rows"]
    else:
        arrays = tuple(state[f"rows/{name}"] for name in ("data", "indices", "indptr"))
        if any(array.ndim != 1 for array in arrays) or not len(arrays[2]):
            raise ModelFileError("the arrays of the sparse rows of the kernel are not 1-D")
        if arrays[1].dtype.kind != "i" or arrays[2].dtype.kind != "i":
            raise ModelFileError("the indices of the sparse rows of the kernel are not integers")
        _check_real(arrays[0])
        rows = sp.csr_matrix(arrays, shape=(len(arrays[2]) - 1, n_features))
    _check_real(rows)
    checked = check_rows(rows, n_features)
    if checked is not rows:  # a copy, with the columns of each row in order
        raise ModelFileError("the columns of the kernel's sparse rows are not in order")
    return checked


def _check_real(rows: Any) -> None:
    if rows.dtype not in (np.float32, np.float64):
        raise ModelFileError(f"the rows of the kernel are {rows.dtype}, expected real numbers")


def _power(values: NDArray[np.float64], degree: float) -> NDArray[np.float64]:
    """Powers; for small integer degrees by multiplication, as pow depends on the C library."""
    if degree != int(degree) or not 0 <= degree <= 64:
        return np.asarray(values**degree)
    power, left = np.ones_like(values), int(degree)
    while left:
        if left % 2:
            power *= values
        values, left = values * values, left // 2
    return power
