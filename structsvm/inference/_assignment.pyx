"""Assignments as a maximizer: part r * n_columns + c is the pair of row r and column c."""

import numpy as np

from libc.math cimport INFINITY, fabs
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc

from structsvm._typedefs cimport label_t
from structsvm.data.checks import shorten
from structsvm.inference._maximizer cimport SSVM_VOID
from structsvm.inference._part_sets cimport PartSetMaximizer, aligned


cdef extern from "structsvm/inference/assignment.h" nogil:
    enum:
        SSVM_NOBODY

    ctypedef struct ssvm_assignment:
        int32_t* scanned
        int32_t* column_of
        int32_t* row_of
        int32_t* from_row "from"
        int64_t n_scanned

    int64_t ssvm_assignment_bytes(int64_t n_rows, int64_t n_columns)
    void ssvm_assignment_place(
        ssvm_assignment* a, char* memory, int64_t n_rows, int64_t n_columns
    )
    int64_t ssvm_assign(
        ssvm_assignment* a, const double* score, int64_t n_rows, int64_t n_columns
    )


cdef struct Table:
    Py_ssize_t n_rows, n_columns
    const uint8_t* allowed    # (n_rows, n_columns), or NULL: all pairs


cdef size_t table_bytes(Py_ssize_t n_rows, Py_ssize_t n_columns) noexcept nogil:
    """Scratch space: a transposed copy of the scores of a tall table, and the search's own."""
    cdef Py_ssize_t few = min(n_rows, n_columns), many = max(n_rows, n_columns)
    return (
        (aligned(few * many * sizeof(double)) if n_rows > n_columns else 0)
        + ssvm_assignment_bytes(few, many)
    )


cdef int64_t assign(
    const Table* table, bint partial,
    double* theta,              # IN   (n_rows, n_columns); SCRATCH if partial or not all allowed
    char* scratch,
    ssvm_assignment* search,    # OUT  where the reason is, if there is no assignment
    label_t* labels,            # OUT  (min(n_rows, n_columns),): the pairs, ascending, then void
    double* value,              # OUT
) noexcept nogil:
    """Returns 0, or the number of rows (columns of a tall table) that block each other."""
    cdef Py_ssize_t n_rows = table.n_rows, n_columns = table.n_columns, p, r, found = 0
    cdef Py_ssize_t few = min(n_rows, n_columns)
    cdef bint tall = n_rows > n_columns
    cdef double* scores = theta
    cdef int64_t blocked
    cdef int32_t c
    if table.allowed != NULL:
        for p in range(n_rows * n_columns):
            if not table.allowed[p]:
                theta[p] = -INFINITY
    if partial:
        # A pair of score 0 stands for none.
        for p in range(n_rows * n_columns):
            theta[p] = theta[p] if theta[p] > 0.0 else 0.0
    if tall:
        scores = <double*> scratch
        scratch += aligned(n_rows * n_columns * sizeof(double))
        for r in range(n_rows):
            for p in range(n_columns):
                scores[p * n_rows + r] = theta[r * n_columns + p]
    ssvm_assignment_place(search, scratch, few, n_rows + n_columns - few)
    blocked = ssvm_assign(search, scores, few, n_rows + n_columns - few)
    value[0] = 0.0
    if blocked:
        return blocked
    for r in range(n_rows):
        c = search.row_of[r] if tall else search.column_of[r]
        if c == SSVM_NOBODY or (partial and theta[r * n_columns + c] <= 0.0):
            continue
        labels[found] = <label_t> (r * n_columns + c)
        value[0] += theta[r * n_columns + c]
        found += 1
    for p in range(found, few):
        labels[p] = SSVM_VOID
    return 0


cdef str reason(const Table* table, const ssvm_assignment* search, int64_t blocked):
    """Why there is no assignment."""
    cdef Py_ssize_t k
    names = ("column", "row") if table.n_rows > table.n_columns else ("row", "column")
    stuck = [search.from_row[k] for k in range(blocked)]
    left = [search.scanned[k] for k in range(search.n_scanned)]
    for some in (stuck, left):
        some.sort()
    if not left:
        return f"{names[0]} {stuck[0]} has no {names[1]} that is allowed"
    few = f"{names[1]} {left[0]}" if len(left) == 1 else f"{names[1]}s {shorten(left)}"
    return f"{names[0]}s {shorten(stuck)} have only {few} for all of them"


cdef class AssignmentMaximizer(PartSetMaximizer):
    """The assignments of tables of rows and columns.

    Parameters
    ----------
    shapes : sequence of (int, int)
        Number of rows and columns of each example.
    allowed : sequence of C-contiguous uint8 arrays of these shapes, or None
        Whether each pair may be used; None for all. Examples may share arrays; nothing is copied.
    partial : bool

    Raises
    ------
    ValueError
        If an example has no assignment.
    """
    cdef Table* tables
    cdef list held
    cdef bint partial

    def __init__(self, shapes, allowed, *, bint partial):
        cdef Py_ssize_t i, n = len(shapes)
        cdef size_t most = 0
        cdef const uint8_t[:, ::1] view
        cdef Table* table
        self.partial = partial
        self.held = list(allowed)
        self.tables = <Table*> calloc(max(n, 1), sizeof(Table))
        if self.tables == NULL:
            raise MemoryError(f"no memory for {n} tables")
        n_parts, n_labels = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        for i in range(n):
            table = &self.tables[i]
            table.n_rows, table.n_columns = shapes[i]
            n_parts[i] = table.n_rows * table.n_columns
            n_labels[i] = min(table.n_rows, table.n_columns)
            most = max(most, table_bytes(table.n_rows, table.n_columns))
            if self.held[i] is not None and n_parts[i]:
                view = self.held[i]
                table.allowed = &view[0, 0]
        self.set_outputs(n_parts, n_labels, most)
        if not partial:
            self.check_allowed()

    def __dealloc__(self):
        free(self.tables)

    cdef int check_allowed(self) except -1:
        """Raise if an example has no assignment; examples that share a table share the answer."""
        cdef Py_ssize_t i
        checked = set()
        for i in range(self.struct.n_examples):
            if self.tables[i].allowed != NULL and id(self.held[i]) not in checked:
                checked.add(id(self.held[i]))
                self.maximize(i, np.zeros(self.n_parts[i]))
        return 0

    cdef int decode(
        self, Py_ssize_t i, double* theta, char* scratch, label_t* labels, double* value
    ) except -1 nogil:
        cdef ssvm_assignment search
        cdef int64_t blocked = assign(
            &self.tables[i], self.partial, theta, scratch, &search, labels, value
        )
        if blocked:
            with gil:
                why = reason(&self.tables[i], &search, blocked)
                raise ValueError(
                    f"example {i}: there is no assignment: {why}; allow more pairs, or set "
                    "partial=True"
                )
        return 0


def assign_scores(double[:, ::1] scores, const uint8_t[:, ::1] allowed, bint partial):
    """The best assignment; `scores` is overwritten if `partial` or not all pairs are allowed.

    Returns
    -------
    pairs : int32 array of shape (min(n_rows, n_columns), 2)
        A row and a column each, ascending.
    n_pairs : int
        How many of them there are.
    value : float
    """
    cdef Table table
    cdef ssvm_assignment search
    cdef double value = 0.0
    cdef int64_t blocked = 0
    cdef char* scratch
    table.n_rows, table.n_columns = scores.shape[0], scores.shape[1]
    table.allowed = &allowed[0, 0] if allowed is not None and scores.size else NULL
    cdef Py_ssize_t k, n_pairs = 0, few = min(table.n_rows, table.n_columns)
    found = np.empty((few, 2), dtype=np.int32)
    cdef label_t[:, ::1] pairs = found
    cdef label_t* labels
    if not scores.size:
        return found, 0, value
    # Places are written into the second half of the pairs, which they become from the front.
    labels = &pairs[0, 0] + few
    scratch = <char*> malloc(table_bytes(table.n_rows, table.n_columns))
    if scratch == NULL:
        raise MemoryError(f"no memory for {table.n_rows} rows and {table.n_columns} columns")
    try:
        with nogil:
            blocked = assign(
                &table, partial, &scores[0, 0], scratch, &search, labels, &value
            )
        if blocked:
            raise ValueError(f"there is no assignment: {reason(&table, &search, blocked)}")
    finally:
        free(scratch)
    for k in range(few):
        if labels[k] == SSVM_VOID:
            break
        pairs[k, 0], pairs[k, 1] = labels[k] // table.n_columns, labels[k] % table.n_columns
        n_pairs += 1
    return found, n_pairs, value


def size_of(const double[:, :] scores):
    """The sum of |scores|."""
    cdef Py_ssize_t r, c
    cdef double total = 0.0
    for r in range(scores.shape[0]):
        for c in range(scores.shape[1]):
            total += fabs(scores[r, c])
    return total
