"""Multiclass as a problem: the oracle that every solver can ask; see ``_multiclass.pxd``."""

import numpy as np

from libc.stdlib cimport calloc, free, realloc

from structsvm._typedefs cimport index_t, offset_t
from structsvm.linalg._plane cimport Plane, Weights, plane_reserve
from structsvm.problems._problem cimport MARGIN, PLAIN, SLACK, Problem

cdef extern from "structsvm/linalg/dense_rows.h" nogil:
    enum:
        SSVM_LANES
    void ssvm_csr_times_rows(
        const offset_t* row_start, Py_ssize_t n_rows, const index_t* columns,
        const double* values, const double* weights, Py_ssize_t row_size,
        const double* initial, double scale, double* out, Py_ssize_t stride,
    )
    void ssvm_dense_scores(
        const double* x, Py_ssize_t size, const double* weights, Py_ssize_t n_classes, double* out,
    )
    void ssvm_dense_add(
        const double* x, Py_ssize_t size, const double* change, Py_ssize_t n_classes,
        double* weights,
    )
    double ssvm_sparse_dot(
        const index_t* columns, const double* values, Py_ssize_t n, const double* weights,
    )
    void ssvm_sparse_axpy(
        const index_t* columns, const double* values, Py_ssize_t n, double factor, double* weights,
    )
    void ssvm_sparse_add(
        const index_t* columns, const double* values, Py_ssize_t n, const double* change,
        Py_ssize_t n_classes, double* weights,
    )

_LOSSES = {
    "crammer_singer": CRAMMER_SINGER,
    "weston_watkins": WESTON_WATKINS,
    "lee_lin_wahba": LEE_LIN_WAHBA,
}


cdef class FeatureRows:
    """Rows of features for multiclass problems.

    Parameters
    ----------
    rows : float64 array of shape (n_rows, n_features), or tuple
        C-contiguous; or row_start (int64), columns (int32) and values (float64) of CSR.
    n_features : int
    intercept : bool
        Whether there is a last feature that is always 1.
    """

    def __cinit__(self):
        self.rows = None
        self.row_start = None
        self.columns = None
        self.values = None

    def __init__(self, rows, Py_ssize_t n_features, *, bint intercept):
        self.dense = not isinstance(rows, tuple)
        self.n_features = n_features
        self.intercept = intercept
        if self.dense:
            self.rows = rows
            self.n_rows = self.rows.shape[0]
            self.sqnorms = np.einsum("ij,ij->i", rows, rows)
        else:
            self.row_start, self.columns, self.values = rows
            self.n_rows = self.row_start.shape[0] - 1
            self.sqnorms = np.zeros(self.n_rows)
            filled = np.flatnonzero(np.diff(rows[0]))
            if len(filled):
                starts = np.asarray(rows[0])[filled]
                self.sqnorms[filled] = np.add.reduceat(np.square(rows[2]), starts)
        if intercept:
            self.sqnorms = self.sqnorms + 1.0
        self._sqnorms = self.sqnorms

    cdef void scores(
        self, Py_ssize_t i, const double* w, Py_ssize_t n_columns, double* out
    ) noexcept nogil:
        cdef const double* intercept = NULL
        cdef Py_ssize_t k
        if self.intercept:
            intercept = w + self.n_features * n_columns
        if not self.dense and n_columns == 1:
            out[0] = 0.0 if intercept == NULL else intercept[0]
            if self.row_start[i] < self.row_start[i + 1]:
                out[0] += ssvm_sparse_dot(
                    &self.columns[self.row_start[i]], &self.values[self.row_start[i]],
                    self.row_start[i + 1] - self.row_start[i], w,
                )
            return
        if not self.dense:
            ssvm_csr_times_rows(
                &self.row_start[i], 1, &self.columns[0] if self.columns.shape[0] else NULL,
                &self.values[0] if self.values.shape[0] else NULL, w, n_columns, intercept, 1.0,
                out, (n_columns + SSVM_LANES - 1) // SSVM_LANES * SSVM_LANES,
            )
            return
        if self.n_features:
            ssvm_dense_scores(&self.rows[i, 0], self.n_features, w, n_columns, out)
        else:
            for k in range(n_columns):
                out[k] = 0.0
        if intercept != NULL:
            for k in range(n_columns):
                out[k] += intercept[k]

    cdef void add(
        self, Py_ssize_t i, const double* change, Py_ssize_t n_columns, double* w
    ) noexcept nogil:
        cdef Py_ssize_t k
        cdef offset_t start
        if self.dense:
            if self.n_features:
                ssvm_dense_add(&self.rows[i, 0], self.n_features, change, n_columns, w)
        else:
            start = self.row_start[i]
            if n_columns == 1 and self.row_start[i + 1] > start:
                ssvm_sparse_axpy(
                    &self.columns[start], &self.values[start], self.row_start[i + 1] - start,
                    change[0], w,
                )
            elif self.row_start[i + 1] > start:
                ssvm_sparse_add(
                    &self.columns[start], &self.values[start], self.row_start[i + 1] - start,
                    change, n_columns, w,
                )
        if self.intercept:
            for k in range(n_columns):
                w[self.n_features * n_columns + k] += change[k]

    cdef int outer(
        self, Py_ssize_t i, const double* change, Py_ssize_t n_columns, Plane* out
    ) except -1 nogil:
        cdef Py_ssize_t k, j, n = self.n_features
        cdef offset_t start = 0
        cdef double value
        if not self.dense:
            start = self.row_start[i]
            n = self.row_start[i + 1] - start
        plane_reserve(out, (n + 1) * n_columns)
        out.nnz = 0
        for k in range(n_columns):
            if change[k] == 0.0:
                continue
            for j in range(n):
                value = (self.rows[i, j] if self.dense else self.values[start + j]) * change[k]
                if value != 0.0:
                    out.indices[out.nnz] = <index_t> (
                        k * self.n_features + j if self.dense
                        else self.columns[start + j] * n_columns + k
                    )
                    out.values[out.nnz] = value
                    out.nnz += 1
            if self.intercept:
                out.indices[out.nnz] = <index_t> (self.n_features * n_columns + k)
                out.values[out.nnz] = change[k]
                out.nnz += 1
        return 0


cdef class MulticlassProblem(Problem):
    """Rows of features and the class of each.

    Parameters
    ----------
    features : FeatureRows
    labels : int32 array of shape (n_rows,)
    cost : float64 array of shape (n_classes, n_classes)
        Zero on the diagonal; of Crammer-Singer only, the others take 1 or 1 / (K - 1).
    loss : {"crammer_singer", "weston_watkins", "lee_lin_wahba"}
    squared : bool
        Square the hinges, each of Weston-Watkins and Lee-Lin-Wahba by itself. Their planes are
        those of the hinges: only a solver that asks for `own_blocks` minimises the squares.
    """

    def __init__(self, FeatureRows features, labels, cost, str loss, bint squared=False):
        cdef Py_ssize_t n_classes = len(cost)
        self.n_columns = 1 if n_classes == 2 else n_classes
        self.n_examples = features.n_rows
        self.n_weights = (features.n_features + features.intercept) * self.n_columns
        self.features = features
        self.labels = labels
        self.cost = np.ascontiguousarray(cost, dtype=np.float64)
        self.n_classes = n_classes
        self.loss = _LOSSES[loss]
        self.squared = squared
        self.exact = True
        entries = features.n_features if features.dense else len(features.values) / max(
            features.n_rows, 1
        )
        self.oracle_work = 2.0 * entries * self.n_columns / SSVM_LANES

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self._n_scratch):
            free(self._scratch[k])
        free(self._scratch)

    def own_blocks(self):
        """Exact updates of whole blocks of the dual, for a solver that works on blocks.

        None where there are none: for slack rescaling.
        """
        from structsvm.problems._multiclass_blocks import MulticlassBlocks

        return MulticlassBlocks(self) if self._rescaling == MARGIN else None

    cpdef int reserve(self, Py_ssize_t n_threads) except -1:
        cdef Py_ssize_t k
        cdef double** scratch
        if n_threads > self._n_scratch:
            scratch = <double**> realloc(self._scratch, n_threads * sizeof(double*))
            if scratch == NULL:
                raise MemoryError(f"no memory for {n_threads} threads")
            self._scratch = scratch
            for k in range(self._n_scratch, n_threads):
                scratch[k] = <double*> calloc(2 * (self.n_classes + SSVM_LANES), sizeof(double))
                if scratch[k] == NULL:
                    raise MemoryError(f"no memory for {self.n_classes} scores")
                self._n_scratch = k + 1
        return Problem.reserve(self, n_threads)

    cdef int prepare_slack(self) except -1:
        if self.loss != CRAMMER_SINGER or self.squared:
            raise ValueError(
                "rescaling='slack' is for loss='crammer_singer' with slack='linear'; use "
                "rescaling='margin'"
            )
        return 0

    cdef void column_scores(self, Py_ssize_t i, const double* w, double* f) noexcept nogil:
        self.features.scores(i, w, self.n_columns, f)

    cdef void column_add(self, Py_ssize_t i, const double* change, double* w) noexcept nogil:
        self.features.add(i, change, self.n_columns, w)

    cdef double sqnorm(self, Py_ssize_t i) noexcept nogil:
        return self.features._sqnorms[i]

    cdef void class_scores(self, Py_ssize_t i, const double* w, double* f) noexcept nogil:
        cdef Py_ssize_t k
        cdef double mean = 0.0
        self.features.scores(i, w, self.n_columns, f)
        if self.n_columns == 1:
            f[1] = f[0]
            f[0] = 0.0
        elif self.loss == LEE_LIN_WAHBA:
            # Weights stay in the space of sum zero but for rounding; others may be asked about.
            for k in range(self.n_classes):
                mean += f[k]
            mean /= self.n_classes
            for k in range(self.n_classes):
                f[k] -= mean

    cdef void class_add(self, Py_ssize_t i, double* change, double* w) noexcept nogil:
        # Two classes: what is added to class 1 is taken from class 0, and one column holds both.
        self.features.add(i, change + (1 if self.n_columns == 1 else 0), self.n_columns, w)

    cdef double hinge(self, Py_ssize_t i, const double* f) noexcept nogil:
        cdef Py_ssize_t k, y = self.labels[i]
        cdef double total = 0.0, short_by
        cdef const double* e = &self.cost[y, 0]
        for k in range(self.n_classes):
            if k == y:
                continue
            short_by = e[k] + f[k] - (0.0 if self.loss == LEE_LIN_WAHBA and self.n_columns > 1
                                      else f[y])
            if short_by <= 0.0:
                continue
            if self.loss == CRAMMER_SINGER:
                total = max(total, short_by)
            else:
                total += short_by * short_by if self.squared else short_by
        if self.loss == CRAMMER_SINGER and self.squared:
            total *= total
        return total

    cdef int max_oracle(
        self, Py_ssize_t i, const Weights* w, int thread, Plane* out
    ) except -1 nogil:
        cdef Py_ssize_t k, y = self.labels[i], best
        cdef double* f = self._scratch[thread]
        cdef double* change = f + self.n_classes + SSVM_LANES
        cdef const double* e = &self.cost[y, 0]
        cdef double value, top, truth
        if self.squared:
            with gil:
                raise ValueError("squared slack has no planes: use the solver 'bcfw'")
        self.class_scores(i, w.data, f)
        for k in range(self.n_classes):
            f[k] *= w.scale
            change[k] = 0.0
        truth = 0.0 if self.loss == LEE_LIN_WAHBA and self.n_columns > 1 else f[y]
        out.loss = 0.0
        if self.loss == CRAMMER_SINGER or self._rescaling == PLAIN:
            best, top = y, 0.0
            if self._rescaling == PLAIN:  # as in prediction, the first of equals
                best, top = 0, f[0]
            for k in range(self.n_classes):
                if self._rescaling == PLAIN:
                    value = f[k]
                elif self._rescaling == SLACK:
                    value = e[k] * (1.0 + f[k] - f[y])
                else:
                    value = e[k] + f[k] - f[y]
                if value > top:
                    best, top = k, value
            if best != y:
                change[y], change[best] = 1.0, -1.0
                out.loss = e[best]
        else:
            for k in range(self.n_classes):
                if k != y and e[k] + f[k] - truth > 0.0:
                    change[k] -= 1.0
                    out.loss += e[k]
                    if self.loss == WESTON_WATKINS or self.n_columns == 1:
                        change[y] += 1.0
                    else:
                        for best in range(self.n_classes):
                            change[best] += 1.0 / self.n_classes
        return self.features.outer(
            i, change + (1 if self.n_columns == 1 else 0), self.n_columns, out
        )

    @property
    def class_numbers(self):
        """The right class of each row, as a number."""
        return np.asarray(self.labels)

    @property
    def weights_of_examples(self):
        """The sample weights, or None."""
        return None if self.sample_weight is None else np.asarray(self.sample_weight)

    def scores(self, weights):
        """The scores of all classes for each row, of shape (n_rows, n_classes)."""
        cdef Py_ssize_t i
        cdef double[::1] w = self.padded(weights)
        result = np.zeros((self.n_examples, self.n_classes))
        cdef double[:, ::1] out = result
        cdef Py_ssize_t k
        self.reserve(1)
        with nogil:
            for i in range(self.n_examples):
                self.class_scores(i, &w[0], self._scratch[0])
                for k in range(self.n_classes):
                    out[i, k] = self._scratch[0][k]
        return result
