"""Checks of examples that are rows of one matrix with one class label each."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from structsvm.sequences import is_sound_csr
from structsvm.validation import object_row

__all__ = ["check_class_labels", "check_rows"]


def check_rows(X: Any, n_features: int | None = None) -> Any:
    """One row of features for each example, as compiled code takes them.

    Parameters
    ----------
    X : array-like or CSR matrix of shape (n_examples, n_features), or list of such rows
        float64 and float32 are used as they are; other real dtypes become float64.
    n_features : int, default=None
        What X must have.

    Returns
    -------
    X : C-contiguous ndarray, or CSR matrix without duplicates, float64 or float32
        X itself wherever it is that already.
    """
    if isinstance(X, (list, tuple)) and any(sp.issparse(row) for row in X):
        X = sp.vstack([sp.csr_matrix(row) for row in X], format="csr")
    if not sp.issparse(X):
        try:
            X = np.asarray(X)
        except ValueError as error:
            raise ValueError(f"X is no rectangular array of numbers: {error}") from None
    elif X.format != "csr":
        raise ValueError(f"X is sparse in {X.format.upper()} format, expected CSR: use .tocsr()")
    elif not is_sound_csr(X):
        raise ValueError("X is a damaged CSR matrix: its indptr or indices point out of its arrays")
    if np.ma.is_masked(X):
        raise ValueError("X has masked entries; fill them: features must be numbers")
    if X.dtype.kind not in "fiub":
        raise ValueError(f"X has dtype {X.dtype}, expected real numbers")
    if X.ndim != 2:
        raise ValueError(
            f"X has {X.ndim} dimension{'s' if X.ndim != 1 else ''}, expected 2: "
            "(n_examples, n_features)"
        )
    if n_features is not None and X.shape[1] != n_features:
        raise ValueError(f"X has {X.shape[1]} features, expected {n_features}")
    if X.dtype not in (np.float32, np.float64):
        X = X.astype(np.float64)
    if sp.issparse(X):
        if not X.has_canonical_format:
            X = X.copy()
            X.sum_duplicates()
    else:
        X = np.ascontiguousarray(X)
    _check_finite_rows(X)
    return X


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


def check_class_labels(y: Any, n_examples: int | None = None) -> NDArray[Any]:
    """One class label for each example, of any kind that sorts; objects become strings or numbers.

    Raises
    ------
    ValueError
        If y is not 1-D, has another length, or mixes kinds that do not compare.
    """
    labels = y if isinstance(y, np.ndarray) else object_row(y)
    if labels.ndim != 1:
        raise ValueError(f"y has {labels.ndim} dimensions, expected 1: one label for each example")
    if labels.dtype.kind == "O":
        if all(isinstance(label, str) for label in labels):
            labels = labels.astype(str)
        elif any(isinstance(label, str) for label in labels):
            raise ValueError("y mixes strings with other labels: they must be of one kind")
        else:
            labels = np.array(labels.tolist())
    if labels.dtype.kind not in "biufU":
        raise ValueError(f"y has dtype {labels.dtype}; labels must be numbers or strings")
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise ValueError(f"y[{int(np.argmin(np.isfinite(labels)))}] is not finite")
    if n_examples is not None and len(labels) != n_examples:
        raise ValueError(f"X has {n_examples} examples but y has {len(labels)}")
    return labels
