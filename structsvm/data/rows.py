"""Checks of examples that are rows of one matrix with one class label each."""

from __future__ import annotations

import numbers
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from structsvm.data.labels import object_row
from structsvm.data.sparse import check_sparse

__all__ = [
    "check_class_labels",
    "check_label_kinds",
    "check_rows",
    "read_rows",
    "sparse_if_mostly_zeros",
]

# A stored entry of a CSR matrix costs about as much time as this many of a dense one.
_COST_OF_SPARSE = 6


def read_rows(
    estimator: Any, X: Any, y: Any = None, *, reset: bool, needs_y: bool = True
) -> tuple[Any, Any]:
    """The rows, and with `needs_y` the class labels, that a method of an estimator was given.

    Estimators of rows take all input through this. scikit-learn's checks run, which also keep the
    names of columns; before them come checks of what those overlook: damaged sparse matrices,
    masked entries, and labels that would merge. `check_rows` tells whether numbers are finite.

    Returns
    -------
    X : ndarray or CSR matrix, float64 or float32
    y : ndarray, or None
    """
    if sp.issparse(X):
        check_sparse("X", X)
    for name, value in (("X", X), ("y", y)):
        if np.ma.is_masked(value):
            raise ValueError(f"{name} has masked entries; fill them or leave out their rows")
    options = {
        "reset": reset,
        "accept_sparse": "csr",
        "dtype": (np.float64, np.float32),
        "order": "C",
        "ensure_all_finite": False,
    }
    if not needs_y:
        return validate_data(estimator, X, **options), None
    check_label_kinds("y", y)
    X, y = validate_data(estimator, X, y, **options)
    if y.dtype.kind not in "biu":
        check_classification_targets(y)
    return X, check_class_labels(y)


def check_rows(X: Any, n_features: int | None = None) -> Any:
    """One row of features for each example, as compiled code takes them.

    Parameters
    ----------
    X : array-like or CSR matrix of shape (n_examples, n_features), or list of such rows
        float64 and float32 are used as they are; other real dtypes become float64.
    n_features : int, default=None
        How many features X must have; None: any number.

    Returns
    -------
    X : C-contiguous ndarray, or CSR matrix without duplicates, float64 or float32
        X itself if nothing has to change.
    """
    if isinstance(X, (list, tuple)) and any(sp.issparse(row) for row in X):
        X = sp.vstack([_sparse_row(f"X[{i}]", row) for i, row in enumerate(X)], format="csr")
    if not sp.issparse(X):
        try:
            X = np.asarray(X)
        except ValueError as error:
            raise ValueError(f"X is no rectangular array of numbers: {error}") from None
    else:
        check_sparse("X", X)
        if X.format != "csr":
            raise ValueError(
                f"X is sparse in {X.format.upper()} format, expected CSR: use .tocsr()"
            )
    if np.ma.is_masked(X):
        raise ValueError("X has masked entries; fill them: features must be numbers")
    if X.dtype.kind not in "fiub":
        raise ValueError(f"X has dtype {X.dtype}, expected real numbers")
    if n_features is not None and X.shape == (0,):  # an empty list of rows
        X = X.reshape(0, n_features)
    if X.ndim != 2:
        raise ValueError(
            f"X has {X.ndim} dimension{'s' if X.ndim != 1 else ''}, expected 2: "
            "(n_examples, n_features)"
        )
    if n_features is not None and X.shape[1] != n_features:
        raise ValueError(f"X has {X.shape[1]} features, expected {n_features}")
    X = _canonical_rows(X) if sp.issparse(X) else np.ascontiguousarray(X)
    if X.dtype not in (np.float32, np.float64):
        X = X.astype(np.float64)
    _check_finite_rows(X)
    return X


def sparse_if_mostly_zeros(X: Any) -> Any:
    """The rows of `check_rows` in the form in which passes over them take less time.

    Returns
    -------
    X : CSR matrix where X is dense with non-zeros so few that this is faster, else X itself
    """
    if sp.issparse(X):
        return X
    used = X != 0
    if np.count_nonzero(used) * _COST_OF_SPARSE > X.size:
        return X
    # Places of true values are found faster than those of numbers, as scipy does it.
    n_rows, n_columns = X.shape
    places = np.flatnonzero(used)
    indptr = np.searchsorted(places, np.arange(n_rows + 1) * n_columns)
    columns = places % max(n_columns, 1)
    return sp.csr_matrix((X.ravel()[places], columns, indptr), shape=X.shape)


def _sparse_row(name: str, row: Any) -> Any:
    if sp.issparse(row):
        check_sparse(name, row)
    return sp.csr_matrix(row)


def _canonical_rows(X: Any) -> Any:
    """X if the columns rise in each row, else a copy in which they do.

    The flag that scipy keeps is not trusted: the arrays may have changed since it was set.
    """
    fresh = type(X)(X.shape, dtype=X.dtype)
    fresh.data, fresh.indices, fresh.indptr = X.data, X.indices, X.indptr
    if fresh.has_canonical_format:
        return X
    fresh = fresh.copy()
    fresh.sum_duplicates()
    return fresh


def _check_finite_rows(X: Any) -> None:
    values = X.data if sp.issparse(X) else X
    with np.errstate(all="ignore"):
        if np.isfinite(values.sum(dtype=np.float64)):
            return
    finite = np.isfinite(values)
    if finite.all():
        return
    if sp.issparse(X):
        entry = int(np.argmin(finite))
        row = int(np.searchsorted(X.indptr, entry, side="right")) - 1
        column, value = X.indices[entry], values[entry]
    else:
        row, column = (int(place) for place in np.argwhere(~finite)[0])
        value = X[row, column]
    name = "NaN" if np.isnan(value) else value
    raise ValueError(f"X[{row}, {column}] is {name}; features must be finite")


def check_label_kinds(name: str, labels: Any) -> None:
    """Raise ValueError for labels that numpy would silently change.

    numpy makes strings of numbers among strings, makes floats of large integers among floats, and
    drops null characters at the end of a string: labels would merge. `name` is what errors call the
    labels. Only lists, tuples and arrays of objects are checked.
    """
    if not isinstance(labels, (list, tuple)):
        labels = labels.to_numpy() if hasattr(labels, "to_numpy") else labels
        if not isinstance(labels, np.ndarray) or labels.dtype.kind != "O":
            return
    kinds: dict[str, int] = {}
    for i, label in enumerate(labels):
        if label is None:
            raise ValueError(f"{name}[{i}] is None; labels must be numbers or strings")
        if isinstance(label, str):
            kinds.setdefault("string", i)
            if label.endswith("\0"):
                raise ValueError(
                    f"{name}[{i}] is {label!r}, which ends in a null character: numpy drops it, "
                    "and labels would merge; name the class otherwise"
                )
        elif isinstance(label, (bool, np.bool_)):
            kinds.setdefault("truth value", i)
        elif isinstance(label, numbers.Integral):
            kinds.setdefault("number", i)
            if not -(2**63) <= int(label) < 2**63:
                raise ValueError(
                    f"{name}[{i}] is {label}, expected an integer from -2**63 to 2**63 - 1; longer "
                    "names of classes can be strings"
                )
            if abs(int(label)) > 2**53:
                kinds.setdefault("large", i)
        elif isinstance(label, numbers.Real):
            kinds.setdefault("number", i)
            kinds.setdefault("float", i)
    mixed = [kind for kind in ("string", "number", "truth value") if kind in kinds]
    if len(mixed) > 1:
        others = "other labels" if mixed[0] == "string" else "truth values"
        raise ValueError(
            f"{name} mixes {mixed[0]}s with {others}: they must be of one kind, but "
            + " and ".join(f"{name}[{i}] is {labels[i]!r}" for i in sorted(kinds.values())[:2])
        )
    if "large" in kinds and "float" in kinds:
        i, k = kinds["large"], kinds["float"]
        raise ValueError(
            f"{name}[{i}] is {labels[i]} and {name}[{k}] the float {labels[k]}: as floats, "
            "integers beyond 2**53 would merge; make all labels integers or all strings"
        )


def check_class_labels(y: Any, n_examples: int | None = None) -> NDArray[Any]:
    """One class label for each example, of any kind that sorts; objects become strings or numbers.

    Raises
    ------
    ValueError
        If y is not 1-D, has another length, or holds something that is no label; see also
        `check_label_kinds`.
    """
    check_label_kinds("y", y)
    labels = y if isinstance(y, np.ndarray) else object_row(y)
    if labels.dtype.kind == "O":
        strings = all(isinstance(label, str) for label in labels)
        labels = labels.astype(str) if strings else np.array(labels.tolist())
    if labels.ndim != 1:
        raise ValueError(f"y has {labels.ndim} dimensions, expected 1: one label for each example")
    if labels.dtype.kind not in "biufU":
        raise ValueError(f"y has dtype {labels.dtype}; labels must be numbers or strings")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(f"y[{int(np.argmin(np.isfinite(labels)))}] is not finite")
    if n_examples is not None and len(labels) != n_examples:
        raise ValueError(f"X has {n_examples} examples but y has {len(labels)}")
    return labels
