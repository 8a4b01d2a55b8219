"""Compiled features made of blocks; see ``_features.pxd``."""

import numpy as np

from libc.math cimport fabs
from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memcpy

from structsvm._typedefs cimport index_t, offset_t
from structsvm.inference._maximizer cimport ssvm_counts
from structsvm.linalg._lanes cimport SSVM_LANES, padded
from structsvm.linalg._plane cimport PlaneBuilder, Weights, builder_add, builder_add_row
from structsvm.problems._feature_rows cimport (
    SSVM_CSR_DOUBLE, SSVM_CSR_FLOAT, SSVM_DENSE_FLOAT, FeatureRows, ssvm_all_feature_scores,
    ssvm_feature_add, ssvm_feature_rows, ssvm_feature_scores,
)

cdef extern from "structsvm/linalg/rows.h" nogil:
    bint ssvm_columns_fit(const index_t* columns, Py_ssize_t n, Py_ssize_t n_columns)
    bint ssvm_values_are_finite(const double* values, Py_ssize_t n)
    Py_ssize_t ssvm_csr_times_rows(
        const offset_t* row_start, Py_ssize_t n_rows, const index_t* columns,
        const double* values, bint alike, const double* weights, Py_ssize_t n_columns,
        Py_ssize_t row_size, const double* initial, double scale, double* out, Py_ssize_t stride,
    )
    void ssvm_add_square(
        const double* square, Py_ssize_t size, double factor, double* out, Py_ssize_t stride,
    )
    void ssvm_pad_rows(
        const double* rows, Py_ssize_t n_rows, Py_ssize_t row_size, double scale, double* out,
        Py_ssize_t stride,
    )


cdef extern from "structsvm/linalg/sparse_rows.h" nogil:
    int ssvm_shared_columns(
        const index_t* a, Py_ssize_t n, const index_t* b, Py_ssize_t m
    )
    double ssvm_sparse_product(
        const index_t* a, const double* x, Py_ssize_t n,
        const index_t* b, const double* y, Py_ssize_t m,
    )


cdef int sums_reserve(RowSums* s, Py_ssize_t n_sums, Py_ssize_t width) except -1:
    s.sums = <double*> calloc(n_sums + SSVM_LANES, sizeof(double))
    s.row = <double*> calloc(width + SSVM_LANES, sizeof(double))
    s.used = <uint8_t*> calloc(width + 1, 1)
    s.columns = <index_t*> malloc((width + 1) * sizeof(index_t))
    if s.sums == NULL or s.row == NULL or s.used == NULL or s.columns == NULL:
        raise MemoryError(f"no memory for sums over {n_sums} weights")
    return 0


cdef void sums_free(RowSums* s) noexcept:
    free(s.sums)
    free(s.row)
    free(s.used)
    free(s.columns)


cdef class FeatureBlock:
    cdef Py_ssize_t n_rows(self, Py_ssize_t i) noexcept nogil:
        return 0

    cdef int scores(
        self, Py_ssize_t i, const Weights* w, double factor, double* scores
    ) except -1 nogil:
        with gil:
            raise TypeError(f"{type(self).__name__} does not implement scores")

    cdef int accumulate(
        self, Py_ssize_t i, const index_t* parts, const double* counts, Py_ssize_t n,
        Py_ssize_t first, double factor, RowSums* sums, PlaneBuilder* out,
    ) except -1 nogil:
        with gil:
            raise TypeError(f"{type(self).__name__} does not implement accumulate")


cdef inline Py_ssize_t row_of(
    FeatureBlock block, Py_ssize_t i, index_t part, Py_ssize_t first, Py_ssize_t* column
) except -1 nogil:
    """The row of scores that a part stands in, and its column there."""
    cdef index_t place = part - <index_t> first, row = place // <index_t> block.stride
    column[0] = place - row * block.stride
    if column[0] >= block.width:
        with gil:
            raise ValueError(f"part {part} of example {i} is padding")
    return row


cdef int changed(str name, Py_ssize_t i, Py_ssize_t t) except -1 nogil:
    """Raise an error about a row that changed after it was checked."""
    with gil:
        raise ValueError(
            f"{name} of X[{i}] at position {t} changed after they were packed: a column is out of "
            "range, or a value is not finite. Make a new PackedSequences of the new data"
        )


cdef class RowBlock(FeatureBlock):
    """Rows of features times a matrix of weights: one row of scores for each row.

    Parameters
    ----------
    rows : FeatureRows, or list of them
        The rows of all examples one after the other (with `offsets`), or of each example. Dense or
        CSR, all of one kind. If they have an intercept, its weights are the last row of the matrix.
    place : int
        Start of the matrix in the weight vector.
    width : int
        Number of scores of a row.
    offsets : int64 array of shape (n_examples + 1,), default=None
        Start of the rows of each example, for one `FeatureRows` of all examples.
    pad : bool, default=False
        Whether to pad rows of scores to whole groups of lanes.
    column_of : int32 array of shape (width,), default=None
        The column of the matrix for each score, of which none is before its column; the greatest
        entry is the last column. None: score k has column k.
    row_weight : float64 array, default=None
        Factors of the rows of all examples one after the other. A factor multiplies the scores of
        its row, and what the row adds to a joint feature.
    name : str, default="features"
        Name of the features in errors.
    """

    def __cinit__(self):
        self.column_of = None
        self.row_weight = None

    def __init__(
        self, rows, Py_ssize_t place, Py_ssize_t width, *, offsets=None, bint pad=False,
        column_of=None, row_weight=None, str name="features",
    ):
        cdef Py_ssize_t i
        cdef FeatureRows one
        cdef const ssvm_feature_rows* own
        self.place = place
        self.width = self.n_columns = width
        self.stride = self.column_stride = padded(width) if pad else width
        self.name = name
        if column_of is not None:
            self.column_of = column_of
            if len(column_of) != width or (np.asarray(column_of) > np.arange(width)).any():
                raise ValueError("column_of needs a column for each score, not after the score")
            self.n_columns = (max(column_of) if width else -1) + 1
            self.column_stride = padded(self.n_columns) if pad else self.n_columns
        self.shared = offsets is not None
        self._held = [rows] if self.shared else list(rows)
        self.rows = <ssvm_feature_rows*> calloc(len(self._held) + 1, sizeof(ssvm_feature_rows))
        if self.rows == NULL:
            raise MemoryError(f"no memory for the rows of {len(self._held)} examples")
        for i, one in enumerate(self._held):
            self.rows[i] = one.rows
            own = &self.rows[i]
            if is_sparse(own) != is_sparse(self.rows):
                raise ValueError("rows of features are dense in some examples, sparse in others")
            if own.n_features != self.rows.n_features or own.intercept != self.rows.intercept:
                raise ValueError(f"the {name} of example {i} differ in number from the others")
        if not self.shared:
            offsets = np.cumsum([0, *[one.n_rows for one in self._held]])
        self.offsets = offsets
        self.n_examples = self.offsets.shape[0] - 1
        for i in range(self.n_examples if self.shared else 0):
            if not 0 <= self.offsets[i] <= self.offsets[i + 1] <= one.n_rows:
                raise ValueError(
                    f"the rows of example {i} are {self.offsets[i]} to {self.offsets[i + 1]}, but "
                    f"there are {one.n_rows}"
                )
        self.sparse = is_sparse(self.rows)
        self.weights_stop = place + n_weight_rows(self.rows) * self.n_columns
        self.n_sums = 0 if self.sparse else self.weights_stop - place
        if row_weight is not None:
            self.row_weight = row_weight
            if len(row_weight) != self.offsets[self.n_examples]:
                raise ValueError(
                    f"{len(row_weight)} weights of {self.offsets[self.n_examples]} rows"
                )

    def __dealloc__(self):
        free(self.rows)

    cdef Py_ssize_t n_rows(self, Py_ssize_t i) noexcept nogil:
        return self.offsets[i + 1] - self.offsets[i]

    cdef int scores(
        self, Py_ssize_t i, const Weights* w, double factor, double* scores
    ) except -1 nogil:
        cdef ssvm_feature_rows rows = rows_of(self, i)
        cdef const double* weights = w.data + self.place
        cdef const double* initial = NULL
        cdef Py_ssize_t t, k, wrong, n_rows = self.offsets[i + 1] - self.offsets[i]
        if n_rows == 0:
            return 0
        if rows.kind == SSVM_CSR_DOUBLE and self.column_stride == padded(self.n_columns):
            if rows.intercept != 0.0:
                initial = weights + rows.n_features * self.n_columns
            wrong = ssvm_csr_times_rows(
                rows.row_start, n_rows, rows.columns, <const double*> rows.values, rows.alike,
                weights, rows.n_features, self.n_columns, initial, factor * w.scale, scores,
                self.column_stride,
            )
            if wrong >= 0:
                changed(self.name, i, wrong)
        elif self.column_stride == self.n_columns:
            ssvm_all_feature_scores(
                &rows, n_rows, weights, self.n_columns, factor * w.scale, scores
            )
        else:
            for t in range(n_rows):
                ssvm_feature_scores(
                    &rows, t, weights, self.n_columns, scores + t * self.column_stride
                )
                for k in range(self.n_columns):
                    scores[t * self.column_stride + k] *= factor * w.scale
        if self.column_of is not None:
            self.expand(n_rows, scores)
        if self.row_weight is not None:
            for t in range(n_rows):
                for k in range(self.width):
                    scores[t * self.stride + k] *= self.row_weight[self.offsets[i] + t]
        return 0

    cdef void expand(self, Py_ssize_t n_rows, double* scores) noexcept nogil:
        """Copy columns to scores in place. A score is never before its column, and a row of scores
        never before its row of columns, so a loop from the end overwrites nothing too early.
        """
        cdef Py_ssize_t t, s
        cdef const double* of_columns
        cdef double* row
        for t in range(n_rows - 1, -1, -1):
            of_columns = scores + t * self.column_stride
            row = scores + t * self.stride
            for s in range(self.width - 1, -1, -1):
                row[s] = of_columns[self.column_of[s]]
            for s in range(self.width, self.stride):
                row[s] = 0.0

    cdef double weight_of(self, Py_ssize_t i, Py_ssize_t t) noexcept nogil:
        return 1.0 if self.row_weight is None else self.row_weight[self.offsets[i] + t]

    cdef bint are_plain(self) noexcept nogil:
        """Whether these are sparse rows of all examples with a column of weights for each score."""
        return (
            self.shared and self.rows.kind == SSVM_CSR_DOUBLE and self.column_of is None
            and self.row_weight is None
        )

    cdef look_for_ones(self):
        """Note whether all values are 1, which makes products of rows faster."""
        self.are_ones = self.are_plain() and self._held[0].are_ones()

    cdef void scores_of_row(self, Py_ssize_t r, const double* w, double* out) noexcept nogil:
        cdef const ssvm_feature_rows* rows = self.rows
        cdef const double* weights = w + self.place
        cdef const double* initial = NULL
        if rows.intercept != 0.0:
            initial = weights + rows.n_features * self.n_columns
        ssvm_csr_times_rows(
            rows.row_start + r, 1, rows.columns, <const double*> rows.values, rows.alike, weights,
            rows.n_features, self.n_columns, initial, 1.0, out, self.column_stride,
        )

    cdef double size_of_row(
        self, Py_ssize_t r, Py_ssize_t column, const double* w
    ) noexcept nogil:
        """Sum of the magnitudes of the terms of one score."""
        cdef const ssvm_feature_rows* rows = self.rows
        cdef offset_t e, start = rows.row_start[r], stop = rows.row_start[r + 1]
        cdef const double* values = values_of(rows, r)
        cdef const double* weights = w + self.place + column
        cdef double total = 0.0
        if not ssvm_columns_fit(rows.columns + start, stop - start, rows.n_features):
            return 0.0
        for e in range(start, stop):
            total += fabs(values[e - start] * weights[rows.columns[e] * self.n_columns])
        if rows.intercept != 0.0:
            total += fabs(weights[rows.n_features * self.n_columns])
        return total

    cdef Py_ssize_t entries_of_row(self, Py_ssize_t r) noexcept nogil:
        return self.rows.row_start[r + 1] - self.rows.row_start[r] + (self.rows.intercept != 0.0)

    cdef double product_of_rows(self, Py_ssize_t r, Py_ssize_t s) noexcept nogil:
        cdef const ssvm_feature_rows* rows = self.rows
        cdef offset_t a = rows.row_start[r], b = rows.row_start[s]
        cdef Py_ssize_t n = rows.row_start[r + 1] - a, m = rows.row_start[s + 1] - b
        cdef double constant = rows.intercept * rows.intercept
        if self.are_ones:
            if r == s:
                return constant + n
            return constant + ssvm_shared_columns(rows.columns + a, n, rows.columns + b, m)
        return constant + ssvm_sparse_product(
            rows.columns + a, values_of(rows, r), n, rows.columns + b, values_of(rows, s), m
        )

    cdef void add_row(
        self, Py_ssize_t r, Py_ssize_t column, double factor, double* target
    ) noexcept nogil:
        """Add a row times `factor` to a column of weights."""
        cdef const ssvm_feature_rows* rows = self.rows
        cdef offset_t e, start = rows.row_start[r], stop = rows.row_start[r + 1]
        cdef const double* values = values_of(rows, r)
        cdef double* weights = target + self.place + column
        if not ssvm_columns_fit(rows.columns + start, stop - start, rows.n_features):
            return
        for e in range(start, stop):
            weights[rows.columns[e] * self.n_columns] += factor * values[e - start]
        if rows.intercept != 0.0:
            weights[rows.n_features * self.n_columns] += factor

    cdef void add_and_tell(
        self, Py_ssize_t r, Py_ssize_t column, double factor, double* target, ssvm_step_log* log
    ) noexcept nogil:
        ssvm_note(log, <int32_t> r, <int32_t> column, factor)
        self.add_row(r, column, factor, target)

    cdef void repeat_row(
        self, Py_ssize_t r, Py_ssize_t column, double factor, double* target
    ) noexcept nogil:
        self.add_row(r, column, factor, target)

    cdef void fetch_row(self, Py_ssize_t r, Py_ssize_t column, double* target) noexcept nogil:
        pass

    cdef Py_ssize_t place_of_pair(self, Py_ssize_t feature, Py_ssize_t column) noexcept nogil:
        return self.place + feature * self.n_columns + column

    cdef int accumulate(
        self, Py_ssize_t i, const index_t* parts, const double* counts, Py_ssize_t n,
        Py_ssize_t first, double factor, RowSums* sums, PlaneBuilder* out,
    ) except -1 nogil:
        cdef ssvm_feature_rows rows = rows_of(self, i)
        cdef Py_ssize_t p, q, t, k, column, start, n_used = 0
        cdef double count
        if self.sparse:
            for p in range(n):
                t = row_of(self, i, parts[p], first, &column)
                if self.column_of is not None:
                    column = self.column_of[column]
                count = factor * counts[p] * self.weight_of(i, t)
                if not add_sparse_row(
                    &rows, t, self.n_columns, self.place + column, count, out
                ):
                    changed(self.name, i, t)
                if rows.intercept != 0.0:
                    builder_add(
                        out, self.place + rows.n_features * self.n_columns + column, count
                    )
            return 0
        for p in range(n):  # an error must leave the sums at zero
            row_of(self, i, parts[p], first, &column)
        # Dense rows add to the same weights: sum them first, all counts of a row together.
        p = 0
        while p < n:
            t = row_of(self, i, parts[p], first, &column)
            start = first + t * self.stride
            count = self.weight_of(i, t)
            q = p
            while q < n and start <= parts[q] < start + self.width:
                column = parts[q] - start
                if self.column_of is not None:
                    column = self.column_of[column]
                sums.row[column] += count * counts[q]
                sums.used[column] = True
                q += 1
            ssvm_feature_add(&rows, t, sums.row, sums.sums, self.n_columns)
            while p < q:
                column = parts[p] - start
                sums.row[column if self.column_of is None else self.column_of[column]] = 0.0
                p += 1
        for k in range(self.n_columns):
            if sums.used[k]:
                sums.used[k] = False
                sums.columns[n_used] = <index_t> k
                n_used += 1
        for t in range(n_weight_rows(&rows)):
            for k in range(n_used):
                column = t * self.n_columns + sums.columns[k]
                count = sums.sums[column]
                sums.sums[column] = 0.0
                builder_add(out, self.place + column, factor * count)
        return 0


cdef bint is_sparse(const ssvm_feature_rows* rows) noexcept nogil:
    return rows.kind == SSVM_CSR_DOUBLE or rows.kind == SSVM_CSR_FLOAT


cdef inline const double* values_of(const ssvm_feature_rows* rows, Py_ssize_t r) noexcept nogil:
    """The values of a CSR row in doubles."""
    return <const double*> rows.values + (0 if rows.alike else rows.row_start[r])


cdef Py_ssize_t n_weight_rows(const ssvm_feature_rows* rows) noexcept nogil:
    return rows.n_features + (rows.intercept != 0.0)


cdef inline ssvm_feature_rows rows_of(RowBlock block, Py_ssize_t i) noexcept nogil:
    """The rows of an example, from its first on."""
    cdef ssvm_feature_rows rows = block.rows[0 if block.shared else i]
    cdef offset_t first = block.offsets[i] if block.shared else 0
    if block.sparse:
        rows.row_start += first
    elif rows.kind == SSVM_DENSE_FLOAT:
        rows.values = <const void*> (<const float*> rows.values + first * rows.n_features)
    else:
        rows.values = <const void*> (<const double*> rows.values + first * rows.n_features)
    return rows


cdef inline int add_sparse_row(
    const ssvm_feature_rows* rows, Py_ssize_t t, Py_ssize_t row_size, Py_ssize_t place,
    double factor, PlaneBuilder* out,
) except -1 nogil:
    """out += row t, entry e at columns[e] * row_size + place. Returns 0 if a column is out of
    range, else 1."""
    cdef offset_t start = rows.row_start[t]
    cdef Py_ssize_t e, n = rows.row_start[t + 1] - start
    cdef const index_t* columns = rows.columns + start
    cdef const float* values
    if n == 0:
        return 1
    if not ssvm_columns_fit(columns, n, rows.n_features):
        return 0
    if rows.kind == SSVM_CSR_DOUBLE:
        builder_add_row(
            out, n, columns, values_of(rows, t), row_size, place, factor
        )
    else:
        values = <const float*> rows.values + start
        for e in range(n):
            builder_add(out, columns[e] * row_size + place, factor * values[e])
    return 1


cdef class TableBlock(FeatureBlock):
    """Rows of weights, the same for all examples.

    Parameters
    ----------
    n_examples : int
    place : int
        Start of the rows in the weight vector.
    n_rows, width : int
    pad : bool, default=False
        Whether to pad rows of scores to whole groups of lanes.
    """

    def __init__(
        self, Py_ssize_t n_examples, Py_ssize_t place, Py_ssize_t n_rows, Py_ssize_t width, *,
        bint pad=False,
    ):
        self.n_examples = n_examples
        self.place = place
        self.size = n_rows
        self.width = width
        self.stride = padded(width) if pad else width
        self.weights_stop = place + n_rows * width

    cdef Py_ssize_t n_rows(self, Py_ssize_t i) noexcept nogil:
        return self.size

    cdef int scores(
        self, Py_ssize_t i, const Weights* w, double factor, double* scores
    ) except -1 nogil:
        cdef Py_ssize_t k
        if self.stride % SSVM_LANES == 0:
            ssvm_pad_rows(
                w.data + self.place, self.size, self.width, factor * w.scale, scores,
                self.stride,
            )
            return 0
        for k in range(self.size * self.width):
            scores[k] = factor * w.scale * w.data[self.place + k]
        return 0

    cdef int accumulate(
        self, Py_ssize_t i, const index_t* parts, const double* counts, Py_ssize_t n,
        Py_ssize_t first, double factor, RowSums* sums, PlaneBuilder* out,
    ) except -1 nogil:
        cdef Py_ssize_t p, row, column
        for p in range(n):
            row = row_of(self, i, parts[p], first, &column)
            builder_add(out, self.place + row * self.width + column, factor * counts[p])
        return 0


cdef class StepBlock(FeatureBlock):
    """A square of scores for each position: a shared table, plus features times weights.

    Parameters
    ----------
    place : int
        Start of the table, of shape (n_labels, n_labels), in the weight vector.
    rows : RowBlock
        Features of positions, CSR of float64, with n_labels ** 2 scores. The first row of each
        example is not used.
    n_labels : int
        Rows of scores are padded to whole groups of lanes.
    """

    def __init__(self, Py_ssize_t place, RowBlock rows, Py_ssize_t n_labels):
        cdef Py_ssize_t i
        if rows.width != n_labels * n_labels or not (
            rows.column_of is None and rows.row_weight is None
        ):
            raise ValueError(
                f"rows of {rows.width} scores, expected squares of {n_labels} * {n_labels}"
            )
        for i in range(len(rows._held)):
            if rows.rows[i].kind != SSVM_CSR_DOUBLE:
                raise ValueError("features of steps must be CSR of float64")
        self.n_examples = rows.n_examples
        self.place = place
        self.weights_stop = max(place + n_labels * n_labels, rows.weights_stop)
        self.rows = rows
        self.width = n_labels
        self.stride = padded(n_labels)

    cdef Py_ssize_t n_rows(self, Py_ssize_t i) noexcept nogil:
        return max(self.rows.n_rows(i), <Py_ssize_t> 1) * self.width

    cdef int scores(
        self, Py_ssize_t i, const Weights* w, double factor, double* scores
    ) except -1 nogil:
        cdef ssvm_feature_rows rows = rows_of(self.rows, i)
        cdef const double* values
        cdef Py_ssize_t t, n, size = self.width * self.width, step = self.width * self.stride
        cdef double* out
        cdef offset_t e, start
        ssvm_pad_rows(
            w.data + self.place, self.width, self.width, factor * w.scale, scores, self.stride
        )
        for t in range(1, self.rows.n_rows(i)):
            out = scores + t * step
            memcpy(out, scores, step * sizeof(double))
            start = rows.row_start[t]
            n = rows.row_start[t + 1] - start
            if n == 0:
                continue
            values = values_of(&rows, t)
            if not ssvm_columns_fit(rows.columns + start, n, rows.n_features):
                changed(self.rows.name, i, t)
            for e in range(n):
                ssvm_add_square(
                    w.data + self.rows.place + rows.columns[start + e] * size, self.width,
                    factor * w.scale * values[e], out, self.stride,
                )
            if not out[0] - out[0] == 0.0 and not ssvm_values_are_finite(values, n):
                changed(self.rows.name, i, t)
        return 0

    cdef int accumulate(
        self, Py_ssize_t i, const index_t* parts, const double* counts, Py_ssize_t n,
        Py_ssize_t first, double factor, RowSums* sums, PlaneBuilder* out,
    ) except -1 nogil:
        cdef ssvm_feature_rows rows = rows_of(self.rows, i)
        cdef Py_ssize_t p, row, column, t, cell, size = self.width * self.width
        for p in range(n):
            row = row_of(self, i, parts[p], first, &column)
            t = row // self.width
            cell = (row - t * self.width) * self.width + column
            if self.rows.n_rows(i) and not add_sparse_row(
                &rows, t, size, self.rows.place + cell, factor * counts[p], out
            ):
                changed(self.rows.name, i, t)
            builder_add(out, self.place + cell, factor * counts[p])
        return 0


cdef class BlockFeatures:
    """Features of examples whose parts lie in blocks, one after the other.

    Parameters
    ----------
    n_weights : int
    blocks : dict from str to FeatureBlock
        The blocks by name, in the order of the parts.
    scale : float64 array of shape (n_examples,), default=None
        Factor of each example's joint feature.

    Attributes
    ----------
    starts : int64 ndarray of shape (n_examples, n_blocks + 1)
        Where each block starts in the scores of an example, and where the last one ends.
    """

    def __cinit__(self):
        self.scale = None

    def __init__(self, Py_ssize_t n_weights, blocks, scale=None):
        cdef FeatureBlock block
        cdef Py_ssize_t i, k
        cdef offset_t[:, ::1] starts
        self._names = list(blocks)
        self._blocks = list(blocks.values())
        self.n_blocks = len(self._blocks)
        self.n_weights = n_weights
        self.n_examples = (<FeatureBlock?> self._blocks[0]).n_examples
        self._block = <void**> malloc(self.n_blocks * sizeof(void*))
        if self._block == NULL:
            raise MemoryError(f"no memory for {self.n_blocks} blocks")
        for k, (name, block) in enumerate(blocks.items()):
            self._block[k] = <void*> block
            if block.n_examples != self.n_examples:
                raise ValueError(
                    f"block {name!r} has rows of {block.n_examples} examples, expected "
                    f"{self.n_examples}"
                )
            if block.weights_stop > n_weights:
                raise ValueError(
                    f"weights of block {name!r} reach to weight {block.weights_stop}, but there "
                    f"are {n_weights}"
                )
            self.n_sums = max(self.n_sums, block.n_sums)
            self.most_width = max(self.most_width, block.width, block.most_width)
            self.n_room = max(self.n_room, block.n_room)
        self.starts = np.zeros((self.n_examples, self.n_blocks + 1), dtype=np.int64)
        starts = self.starts
        for k, block in enumerate(self._blocks):
            for i in range(self.n_examples):
                starts[i, k + 1] = starts[i, k] + block.n_rows(i) * block.stride
        self._starts = starts
        self.scale = scale
        if scale is not None and len(scale) != self.n_examples:
            raise ValueError(f"{len(scale)} scales, expected {self.n_examples}")

    def __dealloc__(self):
        free(self._block)

    def views(self, Py_ssize_t i, theta):
        """The blocks of a score vector of example i by name, as views of shape (n_rows, stride)."""
        return {
            name: theta[start:stop].reshape(-1, block.stride)
            for name, block, start, stop in zip(
                self._names, self._blocks, self.starts[i, :-1], self.starts[i, 1:]
            )
        }

    cdef Py_ssize_t n_parts(self, Py_ssize_t i) noexcept nogil:
        return self._starts[i, self.n_blocks]

    cdef int scores(self, Py_ssize_t i, const Weights* w, double* theta) except -1 nogil:
        # In order: each block overwrites what the block before wrote beyond its end.
        cdef Py_ssize_t k
        cdef double factor = 1.0 if self.scale is None else self.scale[i]
        for k in range(self.n_blocks):
            (<FeatureBlock> self._block[k]).scores(i, w, factor, theta + self._starts[i, k])
        return 0

    cdef int accumulate(
        self, Py_ssize_t i, const ssvm_counts* mu, RowSums* sums, PlaneBuilder* out
    ) except -1 nogil:
        cdef Py_ssize_t p = 0, q, k
        cdef const offset_t* starts = &self._starts[i, 0]
        cdef double factor = 1.0 if self.scale is None else self.scale[i]
        while p < mu.size:
            # Take a run of parts in one block.
            if not 0 <= mu.parts[p] < starts[self.n_blocks]:
                with gil:
                    raise ValueError(
                        f"part {mu.parts[p]} of example {i}, which has {starts[self.n_blocks]}: "
                        "its true labels are not an output"
                    )
            k = 0
            while mu.parts[p] >= starts[k + 1]:
                k += 1
            q = p + 1
            while q < mu.size and starts[k] <= mu.parts[q] < starts[k + 1]:
                q += 1
            (<FeatureBlock> self._block[k]).accumulate(
                i, mu.parts + p, mu.counts + p, q - p, starts[k], factor, sums, out
            )
            p = q
        return 0

    cdef bint are_finite(self, Py_ssize_t i, const double* theta) noexcept nogil:
        cdef Py_ssize_t k, place, column, width, stride
        cdef double total = 0.0
        for k in range(self.n_blocks):
            width = (<FeatureBlock> self._block[k]).width
            stride = (<FeatureBlock> self._block[k]).stride
            place = self._starts[i, k]
            while place < self._starts[i, k + 1]:
                for column in range(width):
                    total += 0.0 * theta[place + column]
                place += stride
        return total == 0.0
