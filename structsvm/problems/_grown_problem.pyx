"""Chains of text in weights that grow; see ``_grown_problem.pxd``."""

import mmap

import numpy as np

from libc.math cimport fabs
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc, realloc

from structsvm._typedefs cimport index_t, offset_t
from structsvm.inference._chain_maximizer cimport ChainMaximizer
from structsvm.linalg._lanes cimport padded
from structsvm.linalg._plane cimport PlaneBuilder, Weights
from structsvm.problems._factored cimport FactoredProblem
from structsvm.problems._feature_rows cimport SSVM_CSR_DOUBLE, FeatureRows, ssvm_feature_rows
from structsvm.problems._features cimport (
    BlockFeatures, RowBlock, RowSums, TableBlock, ssvm_note, ssvm_step_log,
)

from structsvm.data.snapshots import Kind, check_snapshot
from structsvm.exceptions import ModelFileError
from structsvm.linalg._plane import padded_vector
from structsvm.linalg._sums import dot
from structsvm.problems._chain_deltas import gives_labels

# Columns of this many entries have dense rows of weights.
FREQUENT = 10


cdef class GrownRows(RowBlock):
    """The rows of a `RowBlock` whose weights grow.

    Parameters
    ----------
    rows : RowBlock
        Sparse rows that `are_plain`. They are copied, with other numbers for the columns.
    """

    def __init__(self, RowBlock rows not None):
        cdef FeatureRows own = rows._held[0]
        cdef const ssvm_feature_rows* given = &own.rows
        values, starts, columns = own._arrays
        rows.look_for_ones()
        count = _counted(columns, given.n_features)
        self.order = np.argsort(-count, kind="stable").astype(np.int32)
        number = np.empty(len(count), dtype=np.int32)
        number[self.order] = np.arange(len(count), dtype=np.int32)
        n_dense = int(np.count_nonzero(count >= FREQUENT))
        self.heads = np.full(len(count) - n_dense, -1, dtype=np.int32)
        kept = _sorted(number, columns, starts, None if rows.are_ones else values)
        self._kept = (starts, *kept)
        # The base class reads these.
        self.place = 0
        self.width = self.n_columns = rows.width
        self.stride = self.column_stride = padded(rows.width)
        self.name, self.shared, self.sparse, self.are_ones = rows.name, True, True, rows.are_ones
        self.offsets, self.n_examples = rows.offsets, rows.n_examples
        self._held = []
        self.rows = <ssvm_feature_rows*> calloc(1, sizeof(ssvm_feature_rows))
        self.last = <int32_t*> malloc((self.heads.shape[0] + 1) * sizeof(int32_t))
        if self.rows == NULL or self.last == NULL:
            raise MemoryError(f"no memory for {len(count)} columns")
        self.rows.kind = SSVM_CSR_DOUBLE
        self.rows.n_features = given.n_features
        self.rows.intercept = given.intercept
        self.point_at(starts, kept[0], kept[1])
        self.grown.n_dense, self.grown.stride = n_dense, self.stride
        self.grown.intercept = given.intercept != 0.0
        self.grown.head = &self.heads[0] if self.heads.shape[0] else NULL
        self.weights_stop = (n_dense + self.grown.intercept) * self.stride

    def __dealloc__(self):
        free(self.slots)
        free(self.owners)
        free(self.last)

    cdef point_at(self, const offset_t[::1] starts, const index_t[::1] columns, values):
        cdef const double[::1] numbers = values
        self.rows.row_start = &starts[0]
        self.rows.columns = &columns[0] if columns.shape[0] else NULL
        self.rows.values = NULL
        if values is not None and numbers.shape[0]:
            self.rows.values = <const void*> &numbers[0]
        self.grown.row_start = <const long long*> self.rows.row_start
        self.grown.columns = self.rows.columns
        self.grown.values = <const double*> self.rows.values

    @property
    def nbytes(self):
        return self.capacity * (sizeof(ssvm_slot) + sizeof(int32_t))

    cdef int32_t known_slot(self, Py_ssize_t k, Py_ssize_t label) noexcept nogil:
        cdef int32_t s = self.heads[k]
        while s >= 0 and self.slots[s].label != label:
            s = self.slots[s].next
        return s

    cdef Py_ssize_t slot_of(self, Py_ssize_t column, Py_ssize_t label) noexcept nogil:
        cdef Py_ssize_t k = column - self.grown.n_dense, capacity
        cdef int32_t s = self.known_slot(k, label)
        cdef ssvm_slot* slots
        cdef int32_t* owners
        if s >= 0:
            return s
        if self.n_slots == self.capacity:
            capacity = self.capacity + self.capacity // 4 + 1024
            slots = <ssvm_slot*> realloc(self.slots, capacity * sizeof(ssvm_slot))
            if slots != NULL:
                self.slots = slots
                self.grown.slots = slots
            owners = <int32_t*> realloc(self.owners, capacity * sizeof(int32_t))
            if owners != NULL:
                self.owners = owners
            if slots == NULL or owners == NULL:
                self.is_out_of_memory = True
                return -1
            self.capacity = capacity
        s = <int32_t> self.n_slots
        self.n_slots += 1
        self.slots[s].next = -1
        self.slots[s].label = <int32_t> label
        self.owners[s] = <int32_t> k
        if self.heads[k] < 0:
            self.heads[k] = s
        else:
            self.slots[self.last[k]].next = s
        self.last[k] = s
        return s

    cdef look_for_ones(self):
        pass  # it is known

    cdef int scores(
        self, Py_ssize_t i, const Weights* w, double factor, double* scores
    ) except -1 nogil:
        if self.is_out_of_memory:
            with gil:
                raise MemoryError(f"no memory for more than {self.capacity} pairs")
        ssvm_grown_scores(
            &self.grown, self.offsets[i], self.offsets[i + 1] - self.offsets[i], w.data,
            factor * w.scale, scores,
        )
        return 0

    cdef int accumulate(
        self, Py_ssize_t i, const index_t* parts, const double* counts, Py_ssize_t n,
        Py_ssize_t first, double factor, RowSums* sums, PlaneBuilder* out,
    ) except -1 nogil:
        with gil:
            raise TypeError("weights that grow have no planes as vectors")

    cdef void scores_of_row(self, Py_ssize_t r, const double* w, double* out) noexcept nogil:
        ssvm_grown_scores(&self.grown, r, 1, w, 1.0, out)

    cdef double size_of_row(
        self, Py_ssize_t r, Py_ssize_t column, const double* w
    ) noexcept nogil:
        cdef const ssvm_grown_rows* g = &self.grown
        cdef int64_t e
        cdef int32_t s
        cdef double x, total = 0.0
        for e in range(g.row_start[r], g.row_start[r + 1]):
            x = 1.0 if g.values == NULL else g.values[e]
            if g.columns[e] < g.n_dense:
                total += fabs(x * w[g.columns[e] * g.stride + column])
                continue
            s = g.head[g.columns[e] - g.n_dense]
            while s >= 0:
                if self.slots[s].label == column:
                    total += fabs(x * w[g.first_slot + s])
                s = self.slots[s].next
        if g.intercept:
            total += fabs(w[g.n_dense * g.stride + column])
        return total

    cdef void add_row(
        self, Py_ssize_t r, Py_ssize_t column, double factor, double* target
    ) noexcept nogil:
        cdef const ssvm_grown_rows* g = &self.grown
        cdef int64_t e
        cdef Py_ssize_t s
        cdef double x
        for e in range(g.row_start[r], g.row_start[r + 1]):
            x = factor if g.values == NULL else factor * g.values[e]
            if g.columns[e] < g.n_dense:
                target[g.columns[e] * g.stride + column] += x
                continue
            s = self.slot_of(g.columns[e], column)
            if s >= 0:
                target[g.first_slot + s] += x
        if g.intercept:
            target[g.n_dense * g.stride + column] += factor

    cdef void add_and_tell(
        self, Py_ssize_t r, Py_ssize_t column, double factor, double* target, ssvm_step_log* log
    ) noexcept nogil:
        cdef const ssvm_grown_rows* g = &self.grown
        cdef int64_t e, split = ssvm_grown_repeat(g, r, column, factor, target)
        cdef Py_ssize_t place
        cdef double x
        ssvm_note(log, <int32_t> r, <int32_t> column, factor)
        for e in range(split, g.row_start[r + 1]):
            x = factor if g.values == NULL else factor * g.values[e]
            place = self.place_of_pair(g.columns[e], column)
            if place >= 0:
                target[place] += x
                ssvm_note(log, -1, <int32_t> place, x)
            else:
                ssvm_note(log, -2 - g.columns[e], <int32_t> column, x)
                log.n_without_place += 1

    cdef void repeat_row(
        self, Py_ssize_t r, Py_ssize_t column, double factor, double* target
    ) noexcept nogil:
        ssvm_grown_repeat(&self.grown, r, column, factor, target)

    cdef void fetch_row(self, Py_ssize_t r, Py_ssize_t column, double* target) noexcept nogil:
        ssvm_grown_fetch(&self.grown, r, column, target)

    cdef Py_ssize_t place_of_pair(self, Py_ssize_t feature, Py_ssize_t column) noexcept nogil:
        cdef int32_t s = self.known_slot(feature - self.grown.n_dense, column)
        return -1 if s < 0 else self.grown.first_slot + s


class ScatteredWeights:
    """A vector as its values and their places, of which one below 0 is none. Called, it makes the
    vector, padded."""

    def __init__(self, places, values, size):
        self.places, self.values, self.size = places, values, size

    def __call__(self):
        whole = padded_vector(self.size)
        there = self.places >= 0
        whole[self.places[there]] = self.values[there]
        return whole

    def sqnorm(self):
        """The squared norm; padding holds zeros."""
        return dot(self.values, self.values)

    def entries(self):
        """The places in order, and the values, of what is not 0."""
        used = np.flatnonzero((self.places >= 0) & (self.values != 0.0))
        used = used[np.argsort(self.places[used])]
        return self.places[used], self.values[used]


def is_mapped(array):
    """Whether an array is in a mapped file, which may be larger than memory."""
    while array is not None:
        if isinstance(array, (np.memmap, mmap.mmap)):
            return True
        array = getattr(array, "obj" if isinstance(array, memoryview) else "base", None)
    return False


def restore_pairs(GrownProblem problem not None, held, str start="pairs/"):
    """Give pairs the places that a snapshot of a run tells, before anything else is restored."""
    own = {
        name: held[start + name] for name in problem.kinds() if start + name in held
    }
    check_snapshot(own, problem.kinds())
    problem.restore(own)


cdef _counted(columns, Py_ssize_t n):
    """How often each column occurs; numpy would copy all columns to count them."""
    cdef const index_t[::1] c = columns
    cdef Py_ssize_t e
    counts = np.zeros(n, dtype=np.int64)
    cdef int64_t[::1] count = counts
    for e in range(c.shape[0]):
        if not 0 <= c[e] < n:
            raise ValueError(f"column {c[e]} of {n}: make a new PackedSequences of the new data")
        count[c[e]] += 1
    return counts


cdef _sorted(number, columns, starts, values):
    """The columns by their new numbers, ascending in each row, and their values if any."""
    import scipy.sparse as sp

    small = starts.astype(np.int32) if starts[len(starts) - 1] < 2**31 else starts
    renamed = number[columns].astype(small.dtype, copy=False)
    data = np.ones(len(columns), dtype=np.int8) if values is None else np.array(values)
    matrix = sp.csr_array((len(starts) - 1, max(len(number), 1)), dtype=data.dtype)
    matrix.data, matrix.indices, matrix.indptr = data, renamed, small
    matrix.has_sorted_indices = False
    matrix.sort_indices()
    indices = matrix.indices.astype(np.int32, copy=False)
    return indices, None if values is None else matrix.data


def can_grow(problem):
    """Whether the weights of a problem can grow: those of chains of sparse rows in memory."""
    cdef RowBlock rows
    if isinstance(problem, GrownProblem) or not gives_labels(problem):
        return False
    rows = (<FactoredProblem> problem).features._blocks[0]
    return not is_mapped((<FeatureRows> rows._held[0])._arrays[2])


cdef class GrownProblem(FactoredProblem):
    """A chain problem of text in weights that grow; solvers see `n_weights` of now.

    Parameters
    ----------
    dense : FactoredProblem
        One that `can_grow` accepts.
    before : GrownProblem, default=None
        For the same inputs: its rows and places are used here, too.
    """

    def __init__(self, FactoredProblem dense not None, GrownProblem before=None):
        cdef RowBlock of_rows
        cdef ChainMaximizer maximizer = dense.maximizer
        cdef TableBlock of_table
        if not can_grow(dense):
            raise ValueError("weights grow for chains of sparse rows in memory alone")
        of_rows = dense.features._blocks[0]
        self.dense = dense
        self.rows = GrownRows(of_rows) if before is None else before.rows
        self.table = self.rows.weights_stop
        blocks = {"position": self.rows}
        self.dense_place = of_rows.place
        if len(dense.features._blocks) > 1:
            of_table = dense.features._blocks[1]
            self.n_table, self.dense_table = of_table.size * of_table.width, of_table.place
            blocks["shared"] = TableBlock(
                dense.n_examples, self.table, of_table.size, of_table.width, pad=True
            )
        first_slot = self.table + self.n_table
        self.rows.grown.first_slot = first_slot
        self.most_weights = first_slot + self.rows.heads.shape[0] * maximizer.width
        features = BlockFeatures(first_slot, blocks)
        super().__init__(
            features, maximizer, dense.loss, np.asarray(dense.labels), dense.label_offsets,
            dense.oracle_work,
        )
        self.takes_base = False
        self.follow()

    def follow(self):
        """Take over sample weights that the dense problem was given."""
        self.sample_weight = self.dense.sample_weight
        self.count_weights()

    cdef void count_weights(self) noexcept nogil:
        self.n_weights = self.rows.grown.first_slot + self.rows.n_slots

    def places(self):
        """Which weight of the dense problem each one is, as int32 ndarray; -1 for padding."""
        cdef GrownRows rows = self.rows
        cdef Py_ssize_t j, c, s, k = self.dense_place, width = rows.width
        cdef Py_ssize_t nd = rows.grown.n_dense, stride = rows.stride
        cdef const int32_t[::1] order = rows.order
        found = np.full(self.n_weights, -1, dtype=np.int32)
        cdef int32_t[::1] out = found
        for j in range(nd):
            for c in range(width):
                out[j * stride + c] = <int32_t> (k + order[j] * width + c)
        for c in range(width if rows.grown.intercept else 0):
            out[nd * stride + c] = <int32_t> (k + order.shape[0] * width + c)
        for c in range(self.n_table):
            out[self.table + c] = <int32_t> (self.dense_table + c)
        for s in range(rows.n_slots):
            out[rows.grown.first_slot + s] = <int32_t> (
                k + order[nd + rows.owners[s]] * width + rows.slots[s].label
            )
        return found

    def expanded(self, weights):
        """The weights of the dense problem, of shape (dense.n_weights,); padded."""
        return self.scattered(weights)()

    def scattered(self, weights):
        """What makes `expanded` weights, and does not hold this problem."""
        return ScatteredWeights(self.places()[:len(weights)], weights, self.dense.n_weights)

    def compressed(self, weights):
        """Weights of the dense problem as weights of this one; each that is not 0 gets a place."""
        cdef GrownRows rows = self.rows
        cdef Py_ssize_t j, c, s, k = self.dense_place, width = rows.width
        cdef Py_ssize_t nd = rows.grown.n_dense, stride = rows.stride
        cdef const double[::1] w = np.ascontiguousarray(weights, dtype=np.float64)
        cdef const int32_t[::1] order = rows.order
        whole = np.zeros(self.most_weights)
        cdef double[::1] out = whole
        if w.shape[0] != self.dense.n_weights:
            raise ValueError(f"{w.shape[0]} weights, expected {self.dense.n_weights}")
        for j in range(order.shape[0]):
            for c in range(width):
                if w[k + order[j] * width + c] == 0.0:
                    continue
                if j < nd:
                    out[j * stride + c] = w[k + order[j] * width + c]
                    continue
                s = rows.slot_of(j, c)
                if s < 0:
                    raise MemoryError(f"no memory for more than {rows.capacity} pairs")
                out[rows.grown.first_slot + s] = w[k + order[j] * width + c]
        for c in range(width if rows.grown.intercept else 0):
            out[nd * stride + c] = w[k + order.shape[0] * width + c]
        for c in range(self.n_table):
            out[self.table + c] = w[self.dense_table + c]
        self.count_weights()
        return whole[:self.n_weights].copy()

    # ---- snapshots: which pair has which place

    def snapshot(self):
        cdef Py_ssize_t s
        columns, labels = np.zeros((2, self.rows.n_slots), dtype=np.int32)
        cdef int32_t[::1] of_column = columns, of_label = labels
        for s in range(self.rows.n_slots):
            of_column[s] = self.rows.owners[s]
            of_label[s] = self.rows.slots[s].label
        return {"columns": columns, "labels": labels}

    def kinds(self):
        """What `snapshot` holds."""
        most = self.rows.heads.shape[0] - 1
        return {
            "columns": Kind(np.int32, (None,), 0, most),
            "labels": Kind(np.int32, (None,), 0, self.rows.width - 1),
        }

    def restore(self, held):
        """Give the pairs their places again, for a problem where none has one, or the same have."""
        cdef const int32_t[::1] columns = held["columns"], labels = held["labels"]
        cdef Py_ssize_t s
        fits = columns.shape[0] == labels.shape[0]
        for s in range(columns.shape[0] if fits else 0):
            if self.rows.slot_of(self.rows.grown.n_dense + columns[s], labels[s]) != s:
                fits = False
                break
        if not fits or self.rows.n_slots != columns.shape[0]:
            raise ModelFileError(
                "the snapshot does not fit this problem: a pair of a column and a label has two "
                "places"
            )
        self.count_weights()
