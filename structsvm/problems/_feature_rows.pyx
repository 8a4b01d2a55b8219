"""Feature vectors, one for each example; see ``_feature_rows.pxd``."""

import numpy as np

from structsvm._typedefs cimport index_t, offset_t
from structsvm.linalg._plane cimport WEIGHT_PADDING, Plane, plane_reserve

from structsvm.data.sparse import is_repeated

AT_ONCE = 1 << 16


cdef class FeatureRows:
    """Rows of features, dense or CSR, float64 or float32; nothing is copied.

    Parameters
    ----------
    X : C-contiguous ndarray, or CSR matrix without duplicates, of float64 or float32
        As `structsvm.data.rows.check_rows` returns it.
    intercept : bool or float
        The constant feature that each row has at its end, which X does not hold; True is 1, and
        False or 0: there is none.
    """

    def __init__(self, X, *, double intercept):
        cdef ssvm_feature_rows* rows = &self.rows
        cdef const double[::1] doubles
        cdef const float[::1] floats
        cdef const offset_t[::1] starts
        cdef const index_t[::1] columns
        cdef bint sparse = not isinstance(X, np.ndarray)
        values = X.data if sparse else X.ravel()
        self.n_rows, self.n_features = X.shape
        self.n_values = len(values)
        self.intercept = intercept != 0.0
        self.ones = sparse and is_repeated(values)
        rows.n_features = self.n_features
        rows.intercept = intercept
        if self.ones:
            # The values of each row are the first of as many ones as the longest row has entries.
            rows.kind, rows.alike = SSVM_CSR_DOUBLE, True
            values = np.ones(max(int(np.diff(X.indptr).max(initial=0)), 1))
            doubles = values
            rows.values = <const void*> &doubles[0]
        elif values.dtype == np.float64:
            rows.kind = SSVM_CSR_DOUBLE if sparse else SSVM_DENSE_DOUBLE
            doubles = values
            rows.values = <const void*> &doubles[0] if doubles.shape[0] else NULL
        else:
            rows.kind = SSVM_CSR_FLOAT if sparse else SSVM_DENSE_FLOAT
            floats = values
            rows.values = <const void*> &floats[0] if floats.shape[0] else NULL
        self._arrays = (values,)
        if sparse:
            indptr = X.indptr.astype(np.int64, copy=False)
            indices = X.indices.astype(np.int32, copy=False)
            starts, columns = indptr, indices
            rows.row_start = &starts[0]
            rows.columns = &columns[0] if columns.shape[0] else NULL
            self._arrays = (values, indptr, indices)

    def are_ones(self):
        """Whether all stored values are 1."""
        cdef Py_ssize_t start
        values = self._arrays[0]
        if self.ones:
            return True
        return all(
            (values[start:start + AT_ONCE] == 1.0).all()
            for start in range(0, self.n_values, AT_ONCE)
        )

    cdef int outer(
        self, Py_ssize_t i, const double* q, Py_ssize_t width, Plane* out
    ) except -1 nogil:
        cdef const ssvm_feature_rows* rows = &self.rows
        cdef bint sparse = rows.kind == SSVM_CSR_DOUBLE or rows.kind == SSVM_CSR_FLOAT
        cdef bint single = rows.kind == SSVM_DENSE_FLOAT or rows.kind == SSVM_CSR_FLOAT
        cdef Py_ssize_t first, n, e, k, column, size = 0, n_columns = 0
        cdef double x, value
        if sparse:
            first = rows.row_start[i]
            n = rows.row_start[i + 1] - first
        else:
            first = i * self.n_features
            n = self.n_features
        for k in range(width):
            n_columns += q[k] != 0.0
        out.nnz = 0
        plane_reserve(out, (n + 1) * n_columns)
        for e in range(n + 1):
            if e == n:
                x, column = rows.intercept, self.n_features
            else:
                if single:
                    x = (<const float*> rows.values)[first + e]
                else:
                    x = (<const double*> rows.values)[e if rows.alike else first + e]
                column = rows.columns[first + e] if sparse else e
            if x == 0.0:
                continue
            for k in range(width):
                value = x * q[k]
                if value != 0.0:
                    out.indices[size] = <index_t> (column * width + k)
                    out.values[size] = value
                    size += 1
        out.nnz = size
        return 0

    def scores(self, weights, examples=None, *, Py_ssize_t start=0, stop=None):
        """<x_i, W[:, k]> of shape (n_rows, n_columns), for all rows or for some.

        Parameters
        ----------
        weights : ndarray of shape (n_features + intercept, n_columns)
        examples : int32 ndarray, default=None
        start, stop : int, default=0 and n_rows
            Where `examples` are not given: rows start, ..., stop - 1.
        """
        cdef Py_ssize_t k, width = weights.shape[1], size = weights.size
        cdef Py_ssize_t end = self.n_rows if stop is None else stop
        cdef Py_ssize_t n = end - start if examples is None else len(examples)
        cdef const index_t[::1] some
        cdef ssvm_feature_rows rows
        if not 0 <= start <= end <= self.n_rows:
            raise IndexError(f"rows {start} to {end} of {self.n_rows}")
        if weights.shape[0] != self.n_features + self.intercept:
            raise ValueError(
                f"{weights.shape[0]} rows of weights, expected {self.n_features + self.intercept}"
            )
        # Whole groups of lanes are read beyond the weights and written beyond the scores.
        padded, values = np.zeros(size + WEIGHT_PADDING), np.zeros(n * width + 4 * WEIGHT_PADDING)
        padded[:size] = weights.ravel()
        cdef const double[::1] w = padded
        cdef double[::1] out = values
        if width and examples is None:
            with nogil:
                rows = self.rows_from(start)
                ssvm_all_feature_scores(&rows, n, &w[0], width, 1.0, &out[0])
        elif width:
            some = examples
            with nogil:
                for k in range(n):
                    ssvm_feature_scores(&self.rows, some[k], &w[0], width, &out[k * width])
        return values[:n * width].reshape(n, width)

    cdef ssvm_feature_rows rows_from(self, Py_ssize_t start) noexcept nogil:
        """The rows from one of them on."""
        cdef ssvm_feature_rows rows = self.rows
        if rows.kind == SSVM_DENSE_DOUBLE:
            rows.values = <const double*> rows.values + start * rows.n_features
        elif rows.kind == SSVM_DENSE_FLOAT:
            rows.values = <const float*> rows.values + start * rows.n_features
        else:
            rows.row_start += start
        return rows

    def combined(self, factors, examples=None):
        """sum_i x_i f_i' over all rows or some, of shape (n_features + intercept, n_columns).

        Parameters
        ----------
        factors : ndarray of shape (n_rows, n_columns), or a row for each of `examples`
        examples : int32 ndarray, default=None
        """
        cdef const double[:, ::1] f = np.ascontiguousarray(factors, dtype=np.float64)
        cdef Py_ssize_t k, n = self.n_rows if examples is None else len(examples)
        cdef const index_t[::1] some = (
            np.arange(n, dtype=np.int32) if examples is None else examples
        )
        if f.shape[0] != n:
            raise ValueError(f"{f.shape[0]} rows of factors, expected {n}")
        total = np.zeros((self.n_features + self.intercept, f.shape[1]))
        cdef double[:, ::1] out = total
        if total.size:
            with nogil:
                for k in range(n):
                    ssvm_feature_add(&self.rows, some[k], &f[k, 0], &out[0, 0], f.shape[1])
        return total

    def sqnorms(self):
        """Squared norm of each row, including the constant feature."""
        cdef Py_ssize_t i
        norms = np.empty(self.n_rows)
        cdef double[::1] view = norms
        with nogil:
            for i in range(self.n_rows):
                view[i] = ssvm_feature_sqnorm(&self.rows, i)
        return norms
