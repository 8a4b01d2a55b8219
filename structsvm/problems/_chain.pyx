"""Features of chains; weights are laid out in ``_chain.pxd``."""

from libc.string cimport memcpy

from structsvm._typedefs cimport index_t, offset_t
from structsvm.inference._chain_maximizer cimport padded
from structsvm.inference._maximizer cimport ssvm_counts
from structsvm.linalg._plane cimport PlaneBuilder, Weights, builder_add, builder_add_row
from structsvm.problems._factored cimport PartFeatures

cdef extern from "structsvm/linalg/rows.h" nogil:
    bint ssvm_columns_fit(const index_t* columns, Py_ssize_t n, Py_ssize_t n_columns)
    bint ssvm_values_are_finite(const double* values, Py_ssize_t n)
    Py_ssize_t ssvm_csr_times_rows(
        const offset_t* row_start, Py_ssize_t n_rows, const index_t* columns,
        const double* values, const double* weights, Py_ssize_t n_columns, Py_ssize_t row_size,
        const double* initial, double scale, double* out, Py_ssize_t stride,
    )
    void ssvm_add_square(
        const double* square, Py_ssize_t size, double factor, double* out, Py_ssize_t stride,
    )
    void ssvm_pad_rows(
        const double* rows, Py_ssize_t n_rows, Py_ssize_t row_size, double scale, double* out,
        Py_ssize_t stride,
    )


cdef class ChainFeatures(PartFeatures):
    """Position features in one CSR matrix, and shared transition and boundary weights.

    Parameters
    ----------
    offsets : int64 array of shape (n_examples + 1,)
    row_start, columns, values : int64, int32 and float64 arrays
        CSR over all positions. Nobody else may change `row_start`. The others may be a file that
        changes while it is read: a row that does not fit any more is an error.
    n_features, n_labels : int
    intercept, transitions, boundary : bool
        Which blocks of weights there are.
    edges : tuple of row_start, columns, values and their number, default=None
        Edge features, the same way; they go with transitions.
    label_of : int32 array of shape (n_states,), default=None
        Of second order: the label of each state, in ascending order, and each label has one.
    """

    def __cinit__(self):
        self.label_of = None
        self.edge_row_start = None
        self.edge_columns = None
        self.edge_values = None

    def __init__(
        self, offsets, row_start, columns, values, Py_ssize_t n_features, Py_ssize_t n_labels,
        *, bint intercept, bint transitions, bint boundary, edges=None, label_of=None,
    ):
        cdef Py_ssize_t place = n_features * n_labels
        self.n_features = n_features
        self.n_columns = n_labels
        self.column_stride = padded(n_labels)
        self.offsets = offsets
        self.row_start = row_start
        self.columns = columns
        self.values = values
        self._columns = &self.columns[0] if self.columns.shape[0] else NULL
        self._values = &self.values[0] if self.values.shape[0] else NULL
        self.n_labels = n_labels
        self.stride = padded(n_labels)
        self.intercept = self.transition = self.start = self.edge = -1
        if intercept:
            self.intercept = place
            place += n_labels
        if label_of is not None:
            if not transitions:
                raise ValueError("second order needs transitions")
            self.label_of = label_of
            self.n_labels = n_labels = len(label_of)
            self.stride = padded(n_labels)
        if transitions:
            self.transition = place
            place += n_labels * n_labels
        if boundary:
            self.start = place
            place += 2 * n_labels
        if edges is not None:
            if not transitions:
                raise ValueError("edge features need transitions")
            (
                self.edge_row_start, self.edge_columns, self.edge_values, self.n_edge_features
            ) = edges
            self.edge = place
            place += self.n_edge_features * n_labels * n_labels
        self.n_weights = place
        self.n_examples = self.offsets.shape[0] - 1

    cdef Py_ssize_t n_parts(self, Py_ssize_t i) noexcept nogil:
        return self.n_rows(i) * self.stride

    cdef Py_ssize_t n_rows(self, Py_ssize_t i) noexcept nogil:
        """Rows of parts: of positions, and of shared scores or of those of each step."""
        cdef Py_ssize_t length = self.offsets[i + 1] - self.offsets[i], n = length
        if self.transition >= 0:
            n += self.n_labels * (max(length, <Py_ssize_t> 1) if self.edge >= 0 else 1)
        return n + (2 if self.start >= 0 else 0)

    cdef int scores(self, Py_ssize_t i, const Weights* w, double* theta) except -1 nogil:
        cdef offset_t first = self.offsets[i]
        cdef Py_ssize_t length = self.offsets[i + 1] - first
        cdef Py_ssize_t n_rows, first_row, wrong
        cdef const double* initial = NULL
        cdef double* shared = theta + length * self.stride
        if length == 0:
            return 0
        if self.intercept >= 0:
            initial = w.data + self.intercept
        wrong = ssvm_csr_times_rows(
            &self.row_start[first], length, self._columns, self._values, w.data, self.n_features,
            self.n_columns, initial, w.scale, theta, self.column_stride,
        )
        if wrong >= 0:
            changed(i, wrong, False)
        if self.label_of is not None:
            self.expand(length, theta)
        if self.edge >= 0:
            wrong = self.edge_scores(first, length, w, shared)
            if wrong >= 0:
                changed(i, wrong, True)
            if self.start >= 0:
                ssvm_pad_rows(
                    w.data + self.start, 2, self.n_labels, w.scale,
                    shared + length * self.n_labels * self.stride, self.stride,
                )
            return 0
        # Transition, start and end weights are neighbours in w and rows of the same kind here.
        n_rows = (self.n_labels if self.transition >= 0 else 0) + (2 if self.start >= 0 else 0)
        if n_rows:
            first_row = self.transition if self.transition >= 0 else self.start
            ssvm_pad_rows(
                w.data + first_row, n_rows, self.n_labels, w.scale, shared, self.stride
            )
        return 0

    cdef void expand(self, Py_ssize_t length, double* theta) noexcept nogil:
        """From rows of labels to rows of states, in place: a state stands behind its label, and a
        row of states behind that of labels, so from the end on nothing is overwritten too early."""
        cdef Py_ssize_t t, s
        cdef const double* of_labels
        cdef double* of_states
        for t in range(length - 1, -1, -1):
            of_labels = theta + t * self.column_stride
            of_states = theta + t * self.stride
            for s in range(self.n_labels - 1, -1, -1):
                of_states[s] = of_labels[self.label_of[s]]
            for s in range(self.n_labels, self.stride):
                of_states[s] = 0.0

    cdef Py_ssize_t edge_scores(
        self, offset_t first, Py_ssize_t length, const Weights* w, double* rows
    ) noexcept nogil:
        """Returns -1, or the first position whose edge features do not fit.

        rows OUT: the transition scores of each step, all K rows of one after the other."""
        cdef Py_ssize_t t, n, size = self.n_labels * self.n_labels
        cdef Py_ssize_t step = self.n_labels * self.stride
        cdef double* out
        cdef offset_t e, start
        ssvm_pad_rows(
            w.data + self.transition, self.n_labels, self.n_labels, w.scale, rows, self.stride
        )
        for t in range(1, length):
            out = rows + t * step
            memcpy(out, rows, step * sizeof(double))
            start = self.edge_row_start[first + t]
            n = self.edge_row_start[first + t + 1] - start
            if n == 0:
                continue
            if not ssvm_columns_fit(&self.edge_columns[start], n, self.n_edge_features):
                return t
            for e in range(start, start + n):
                ssvm_add_square(
                    w.data + self.edge + self.edge_columns[e] * size, self.n_labels,
                    w.scale * self.edge_values[e], out, self.stride,
                )
            if not out[0] - out[0] == 0.0 and not ssvm_values_are_finite(
                &self.edge_values[start], n
            ):
                return t
        return -1

    cdef int accumulate(
        self, Py_ssize_t i, const ssvm_counts* mu, PlaneBuilder* out
    ) except -1 nogil:
        cdef offset_t first = self.offsets[i]
        cdef Py_ssize_t length = self.offsets[i + 1] - first
        cdef Py_ssize_t size = self.n_labels * self.n_labels
        cdef Py_ssize_t p, row, label, block, t, cell, n
        cdef offset_t start
        block = self.transition if self.transition >= 0 else self.start
        for p in range(mu.size):
            row = mu.parts[p] // self.stride
            label = mu.parts[p] - row * self.stride
            if row < length:
                if self.label_of is not None:
                    label = self.label_of[label]
                start = self.row_start[first + row]
                n = self.row_start[first + row + 1] - start
                if not ssvm_columns_fit(self._columns + start, n, self.n_features):
                    changed(i, row, False)
                builder_add_row(
                    out, n, self._columns + start, self._values + start, self.n_columns, label,
                    mu.counts[p],
                )
                if self.intercept >= 0:
                    builder_add(out, self.intercept + label, mu.counts[p])
                continue
            row -= length
            if self.edge >= 0:
                if row < length * self.n_labels:
                    t = row // self.n_labels
                    row -= t * self.n_labels
                    cell = row * self.n_labels + label
                    start = self.edge_row_start[first + t]
                    n = self.edge_row_start[first + t + 1] - start
                    if n > 0:
                        if not ssvm_columns_fit(
                            &self.edge_columns[start], n, self.n_edge_features
                        ):
                            changed(i, t, True)
                        builder_add_row(
                            out, n, &self.edge_columns[start], &self.edge_values[start], size,
                            self.edge + cell, mu.counts[p],
                        )
                else:
                    row -= (length - 1) * self.n_labels
            builder_add(out, block + row * self.n_labels + label, mu.counts[p])
        return 0

    cdef bint are_finite(self, Py_ssize_t i, const double* theta) noexcept nogil:
        cdef Py_ssize_t row, k
        cdef double total = 0.0
        if self.offsets[i + 1] == self.offsets[i]:
            return True
        for row in range(self.n_rows(i)):
            for k in range(self.n_labels):
                total += 0.0 * theta[row * self.stride + k]
        return total == 0.0


cdef int changed(Py_ssize_t i, Py_ssize_t t, bint edge) except -1 nogil:
    """Say that a row was sound when it was packed and is not now."""
    with gil:
        raise ValueError(
            f"{'edge features' if edge else 'features'} of X[{i}] at position {t} were changed "
            "after they were packed: a column is out of range, or a value is not finite. Make a "
            "new PackedSequences of the new data"
        )
