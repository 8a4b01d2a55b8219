"""Grids as a maximizer; parts are laid out in ``_grid_maximizer.pxd``."""

import numpy as np

from libc.float cimport DBL_MAX
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memset

from structsvm._typedefs cimport label_t, offset_t
from structsvm.inference._graph_maximizer cimport check_part_scores
from structsvm.inference._grid_cut cimport (
    ssvm_grid_agreement, ssvm_grid_flow, ssvm_grid_free, ssvm_grid_given_up, ssvm_grid_labels,
    ssvm_grid_load_edges, ssvm_grid_reserve, ssvm_grid_shape, ssvm_grid_solve,
)
from structsvm.inference._maximizer cimport (
    SSVM_VOID, Maximizer, counts_add, ssvm_count, ssvm_counts, ssvm_difference, ssvm_maximize,
    ssvm_reserve,
)

from structsvm.inference.grid_scores import check_grid

# Flows carry rounding errors, negligible beside the energy while no flow is more than this many
# times the energy.
cdef double MOST_FLOW = 1e4


cdef struct Ends:
    # The edges of one direction: `rows` of `width` edges each, in every plane.
    Py_ssize_t depth, rows, width
    Py_ssize_t plane, row           # from a plane or a row of pixels to the next
    Py_ssize_t first, second        # the pixels at both ends of the first edge


cdef Ends ends_of(const offset_t* shape, const int* step) noexcept nogil:
    cdef Ends ends
    ends.row = shape[2]
    ends.plane = shape[1] * shape[2]
    ends.depth = max(shape[0] - step[0], <offset_t> 0)
    ends.rows = max(shape[1] - abs(step[1]), <offset_t> 0)
    ends.width = max(shape[2] - abs(step[2]), <offset_t> 0)
    ends.first = max(-step[1], 0) * ends.row + max(-step[2], 0)
    ends.second = ends.first + step[0] * ends.plane + step[1] * ends.row + step[2]
    return ends


cdef class GridMaximizer(Maximizer):
    """All labellings of images or volumes with at most two labels, decoded by a cut.

    Parameters
    ----------
    shapes : sequence of tuples of int
        Height and width of each image, or depth, height and width.
    connectivity : {4, 8, 6, 26}
    n_labels : {1, 2}
    kept_bytes : int, default=0
        Memory for flows: the next cut of an example starts from its last flow. Flows take 4 bytes
        an edge; the first examples that fit have one. Rounded flows are as good a start: what does
        not add up at a pixel is pushed on.

    Raises
    ------
    ValueError
        If sizes do not fit, or an image has 2**31 parts or arcs or more.
    """

    def __init__(self, shapes, int connectivity, Py_ssize_t n_labels, *, size_t kept_bytes=0):
        cdef Py_ssize_t i, k, n = len(shapes)
        cdef Ends ends
        cdef GridScratch trial
        if not 1 <= n_labels <= 2:
            raise ValueError(f"{n_labels} labels: a cut is for one or two")
        n_axes = 2 if connectivity in (4, 8) else 3
        _, directions = check_grid((0,) * n_axes, connectivity)
        steps = np.zeros((len(directions), 3), dtype=np.intc)
        steps[:, 3 - n_axes:] = directions
        sizes = np.ones((n, 3), dtype=np.int64)
        for i, shape in enumerate(shapes):
            sizes[i, 3 - n_axes:] = check_grid(shape, connectivity)[0]
        self.steps, self.shapes = steps, sizes
        self.n_directions, self.width = len(steps), n_labels
        n_edges, n_parts = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64)
        n_pixels, starts = sizes.prod(axis=1), np.full(n, -1, dtype=np.int64)
        memset(&trial, 0, sizeof(GridScratch))
        most_counts = 0
        for i in range(n):
            for k in range(self.n_directions):
                ends = ends_of(&self.shapes[i, 0], &self.steps[k, 0])
                n_edges[i] += ends.depth * ends.rows * ends.width
            n_parts[i] = int(n_pixels[i]) * n_labels + int(n_edges[i])
            if n_parts[i] >= 2**31 or not ssvm_grid_shape(
                &trial.grid, connectivity, &self.steps[0, 0], self.shapes[i, 0],
                self.shapes[i, 1], self.shapes[i, 2],
            ) < 2**31:
                raise ValueError(
                    f"X[{i}] is a grid of shape {tuple(shapes[i])} with {connectivity} neighbours "
                    "and has 2**31 parts or arcs or more, and they are counted in 32 bits: split "
                    "it into smaller images"
                )
            most_counts = max(most_counts, 2 * (int(n_pixels[i]) + int(n_edges[i])))
            if (self.n_kept + n_edges[i]) * sizeof(float) <= kept_bytes:
                starts[i] = self.n_kept
                self.n_kept += n_edges[i]
        self._flow_start, self.n_edges = starts, n_edges
        # The zero flow is a valid start, and calloc touches no memory.
        self._flows = <float*> calloc(max(self.n_kept, 1), sizeof(float))
        if self._flows == NULL:
            raise MemoryError(f"no memory for {self.n_kept} flows over edges")
        self.set_sizes(n_parts, n_pixels, most_counts)
        self.struct.exact = True
        self.struct.maximize = <ssvm_maximize> grid_maximize
        self.struct.count = <ssvm_count> grid_count
        self.struct.difference = <ssvm_difference> grid_difference
        self.struct.reserve = <ssvm_reserve> grid_reserve

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self._n_scratch):
            ssvm_grid_free(&self._scratch[k].grid)
            free(self._scratch[k].unary)
            free(self._scratch[k].labels)
        free(self._scratch)
        free(self._flows)

    cdef int make_room(self, Py_ssize_t n_threads) except -1:
        cdef Py_ssize_t k, n = max(self.most_labels, <Py_ssize_t> 1)
        cdef GridScratch* scratch
        if n_threads <= self._n_scratch:
            return 0
        scratch = <GridScratch*> realloc(self._scratch, n_threads * sizeof(GridScratch))
        if scratch == NULL:
            raise MemoryError(f"no memory for {n_threads} threads")
        self._scratch = scratch
        for k in range(self._n_scratch, n_threads):
            memset(&scratch[k], 0, sizeof(GridScratch))
            self._n_scratch = k + 1
            scratch[k].unary = <double*> malloc(n * sizeof(double))
            scratch[k].labels = <uint8_t*> malloc(n)
            if scratch[k].unary == NULL or scratch[k].labels == NULL:
                raise MemoryError(f"no memory for an image of {n} pixels")
        return 0

    cdef int decode(
        self, Py_ssize_t i, double* theta, int thread, label_t* y_hat, double* value
    ) except -1 nogil:
        cdef GridScratch* s = &self._scratch[thread]
        cdef Py_ssize_t k, n = self.struct.n_labels[i], first = n * self.width
        cdef const double* edges = theta + first
        cdef double kept, energy, most, limit, u, ones = 0.0, zeros = 0.0, total = 0.0
        cdef float* flow = NULL
        value[0] = 0.0
        if n == 0:
            return 0
        check_part_scores(i, theta, first, self.n_edges[i], False)
        for k in range(n):
            u = theta[2 * k + 1] - theta[2 * k] if self.width == 2 else 0.0
            s.unary[k] = u
            ones += u if u > 0.0 else 0.0
            zeros -= u if u < 0.0 else 0.0
        most = min(ones, zeros)
        # Scores beyond the flow change no cut. If nothing can flow, any limit will do whose sums
        # stay finite.
        limit = 2.0 * most if 0.0 < most < DBL_MAX / 8 else DBL_MAX / 4
        ssvm_grid_shape(
            &s.grid, <int> (2 * self.n_directions), &self.steps[0, 0], self.shapes[i, 0],
            self.shapes[i, 1], self.shapes[i, 2],
        )
        if ssvm_grid_reserve(&s.grid):
            with gil:
                raise MemoryError(f"no memory for an image of {n} pixels")
        if self._flow_start[i] >= 0:
            flow = self._flows + self._flow_start[i]
        kept = ssvm_grid_load_edges(&s.grid, s.unary, edges, flow, limit)
        ssvm_grid_solve(&s.grid)
        if kept > 0.0:
            # Usually the energy of the pixels is enough.
            energy = ssvm_grid_given_up(&s.grid, s.unary, kept / MOST_FLOW)
            if energy < kept / MOST_FLOW:
                energy += ssvm_grid_agreement(&s.grid, edges, False)
            if energy < kept / MOST_FLOW:
                ssvm_grid_load_edges(&s.grid, s.unary, edges, NULL, limit)
                ssvm_grid_solve(&s.grid)
        if flow != NULL:
            ssvm_grid_flow(&s.grid, flow)
        ssvm_grid_labels(&s.grid, s.labels)
        for k in range(n):
            y_hat[k] = s.labels[k]
            total += theta[k * self.width + y_hat[k]]
        value[0] = total + ssvm_grid_agreement(&s.grid, edges, True)
        return 0

    cdef int count_parts(self, Py_ssize_t i, const label_t* y, ssvm_counts* mu) except -1 nogil:
        cdef Py_ssize_t k, d, h, j, at, n = self.struct.n_labels[i], part = n * self.width
        cdef Ends ends
        cdef label_t a, b
        for k in range(n):
            if not SSVM_VOID <= y[k] < self.width:
                with gil:
                    raise ValueError(
                        f"label {k} of example {i} is {y[k]}, expected 0 to {self.width - 1}, or "
                        "-1 for void"
                    )
            if y[k] != SSVM_VOID:
                counts_add(mu, k * self.width + y[k], 1.0)
        for k in range(self.n_directions):
            ends = ends_of(&self.shapes[i, 0], &self.steps[k, 0])
            for d in range(ends.depth):
                for h in range(ends.rows):
                    at = d * ends.plane + h * ends.row
                    for j in range(ends.width):
                        a, b = y[ends.first + at + j], y[ends.second + at + j]
                        if a == b and a != SSVM_VOID:
                            counts_add(mu, part + j, 1.0)
                    part += ends.width
        return 0

    cdef int count_difference(
        self, Py_ssize_t i, const label_t* y, const label_t* y_hat, ssvm_counts* mu
    ) except -1 nogil:
        cdef Py_ssize_t k, d, h, j, p, q, at, n = self.struct.n_labels[i], part = n * self.width
        cdef Ends ends
        for k in range(n):
            if y[k] != SSVM_VOID and y[k] != y_hat[k]:
                counts_add(mu, k * self.width + y[k], 1.0)
                counts_add(mu, k * self.width + y_hat[k], -1.0)
        for k in range(self.n_directions):
            ends = ends_of(&self.shapes[i, 0], &self.steps[k, 0])
            for d in range(ends.depth):
                for h in range(ends.rows):
                    at = d * ends.plane + h * ends.row
                    for j in range(ends.width):
                        p, q = ends.first + at + j, ends.second + at + j
                        if (y[p] == y[q]) != (y_hat[p] == y_hat[q]) and (
                            y[p] != SSVM_VOID and y[q] != SSVM_VOID
                        ):
                            counts_add(mu, part + j, 1.0 if y[p] == y[q] else -1.0)
                    part += ends.width
        return 0


cdef int grid_maximize(
    void* user, int64_t i, int32_t thread, double* theta, int32_t* labels, double* value
) except -1 nogil:
    return (<GridMaximizer> user).decode(i, theta, thread, labels, value)


cdef int grid_count(
    void* user, int64_t i, const int32_t* labels, ssvm_counts* mu
) except -1 nogil:
    return (<GridMaximizer> user).count_parts(i, labels, mu)


cdef int grid_difference(
    void* user, int64_t i, const int32_t* y, const int32_t* y_hat, ssvm_counts* mu
) except -1 nogil:
    return (<GridMaximizer> user).count_difference(i, y, y_hat, mu)


cdef int grid_reserve(void* user, int32_t n_threads, int64_t n_levels) except -1 nogil:
    with gil:
        return (<GridMaximizer> user).make_room(n_threads)
