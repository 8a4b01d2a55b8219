"""Planes of label sequences, each kept as its labels; see ``_label_planes.pxd``.

Design: a plane of n tokens takes n bytes, where its vector takes twelve for each weight that it
touches. Heights of all planes of an example come from one row of scores for each token where some
plane differs from the truth.
"""

import numpy as np

from libc.math cimport fabs, isfinite
from libc.stdint cimport uint8_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memmove

from structsvm._typedefs cimport label_t, offset_t
from structsvm.linalg._plane cimport Plane, Weights, plane_reserve
from structsvm.problems._chain_deltas cimport ChainDeltas
from structsvm.problems._factored cimport FactoredProblem
from structsvm.problems._grown_problem cimport GrownProblem
from structsvm.problems._problem cimport MARGIN
from structsvm.solvers._plane_store cimport Block, PlaneStore, highest

from structsvm.data.snapshots import Kind
from structsvm.linalg._plane import extended, padded_copy
from structsvm.solvers.base import TOO_LARGE


cdef class LabelPlanes(PlaneStore):
    """Planes as labels of positions, for chains; see `PlaneStore`.

    An oracle's plane is a `Plane` whose indices are the labels; it has no values.

    Parameters
    ----------
    problem : FactoredProblem
        One that `structsvm.problems._chain_deltas.gives_labels` accepts.
    max_planes, drop_after
        See `PlaneStore`. Mixtures are no outputs, so `mixed` cannot be set.
    """

    def __cinit__(self):
        self.labels = NULL
        self.shares = NULL

    def __init__(self, FactoredProblem problem not None, **options):
        super().__init__(problem.n_examples, problem.n_weights, **options)
        if self.mixed:
            raise ValueError("planes that are kept as labels cannot be mixed")
        if problem._rescaling != MARGIN:
            raise ValueError("planes are kept as labels where the loss is added to scores")
        self.problem = problem
        self.grown = problem if isinstance(problem, GrownProblem) else None
        self.deltas = ChainDeltas(problem)
        self.fresh = np.zeros(max(problem.maximizer.most_labels, 1), dtype=np.uint8)
        self.labels = <uint8_t**> calloc(max(problem.n_examples, 1), sizeof(uint8_t*))
        if self.labels == NULL:
            raise MemoryError(f"no memory for planes of {problem.n_examples} examples")

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.labels != NULL and not self.is_share:
            for i in range(self.n_examples):
                free(self.labels[i])
            free(self.labels)
        free(self.shares)

    cdef PlaneStore share(self, int thread):
        cdef LabelPlanes share = LabelPlanes.__new__(LabelPlanes)
        self.lend(share)
        share.n_weights = self.problem.n_weights
        share.problem, share.grown, share.thread = self.problem, self.grown, thread
        share.deltas = ChainDeltas(self.problem)
        share.deltas.tells = True
        share.labels, share.fresh = self.labels, np.zeros_like(self.fresh)
        return share

    cdef take_counts(self, PlaneStore share):
        PlaneStore.take_counts(self, share)
        if not self.make_room((<LabelPlanes> share).n_shares):
            raise MemoryError("no memory for the planes of one example")

    cdef bint make_room(self, int n) noexcept nogil:
        """Have room for n shares; False if there is no memory."""
        cdef double* shares
        if n > self.n_shares:
            shares = <double*> realloc(self.shares, n * sizeof(double))
            if shares == NULL:
                return False
            self.shares, self.n_shares = shares, n
        return True

    cdef uint8_t* labels_of(self, Py_ssize_t i, int p) noexcept nogil:
        return self.labels[i] + p * (self.deltas.offsets[i + 1] - self.deltas.offsets[i])

    # ------------------------------------------------------------------ planes of the oracle

    cdef int ask(self, Py_ssize_t i, const Weights* w, Plane* out) except -1 nogil:
        cdef double value, excess
        cdef double* theta = self.problem._scratch[self.thread].theta
        cdef label_t* y_hat = self.problem._scratch[self.thread].y_hat
        self.problem.features.scores(i, w, theta)
        self.deltas.begin_full(i, theta)
        self.problem.loss.augment(i, self.deltas.truth + self.deltas.offsets[i], theta)
        self.problem.maximizer.call_maximize(i, self.thread, theta, y_hat, &value, &excess)
        return self.make_plane(i, y_hat, out)

    cdef int make_plane(self, Py_ssize_t i, const label_t* labels, Plane* out) except -1 nogil:
        cdef Py_ssize_t t, n = self.deltas.offsets[i + 1] - self.deltas.offsets[i]
        plane_reserve(out, n)
        for t in range(n):
            out.indices[t] = labels[t]
        out.nnz = n
        out.loss = self.deltas.weight(i) * self.problem.loss.value(
            i, self.deltas.truth + self.deltas.offsets[i], labels
        )
        out.excess = 0.0
        if not isfinite(out.loss):
            with gil:
                raise ValueError(TOO_LARGE)
        return 0

    cdef const uint8_t* narrow(self, Py_ssize_t i, const Plane* plane) noexcept nogil:
        """The labels of an oracle's plane as bytes; valid until the next call."""
        cdef Py_ssize_t t
        for t in range(plane.nnz):
            self.fresh[t] = <uint8_t> plane.indices[t]
        return &self.fresh[0]

    cdef double value(self, Py_ssize_t i, const Plane* plane, const Weights* w) noexcept nogil:
        cdef const uint8_t* y = self.narrow(i, plane)
        return plane.loss - self.deltas.inner_with_weights(i, y, w.data)

    cdef double size_of(self, Py_ssize_t i, const Plane* plane, const Weights* w) noexcept nogil:
        return fabs(plane.loss) + self.deltas.size(i, self.narrow(i, plane), w.data)

    # ------------------------------------------------------------------ planes of a block

    cdef int rescore(self, Py_ssize_t i, const double* w) noexcept nogil:
        cdef const Block* b = &self.blocks[i]
        cdef int p
        self.deltas.begin(i)
        for p in range(b.size):
            b.planes[p].height = b.planes[p].loss - self.deltas.inner_with_weights(
                i, self.labels_of(i, p), w
            )
        return highest(b, 0.0)

    cdef void add(self, Py_ssize_t i, int p, double factor, double* target) noexcept nogil:
        self.deltas.add(i, self.labels_of(i, p), &factor, 1, target)
        if self.grown is not None and not self.is_share:
            self.grown.count_weights()

    cdef void add_all(self, Py_ssize_t i, const double* shares, double* target) noexcept nogil:
        self.deltas.add(i, self.labels[i], shares, self.blocks[i].size, target)
        if self.grown is not None and not self.is_share:
            self.grown.count_weights()

    cdef object zeros(self):
        # Only what is written to takes memory.
        return np.zeros(self.n_weights if self.grown is None else self.grown.most_weights)

    cdef object trimmed(self, vector):
        return vector if self.grown is None else vector[:self.grown.n_weights].copy()

    cdef object fitted(self, weights):
        if self.grown is not None:
            self.n_weights = self.grown.n_weights
            weights = extended(weights, self.n_weights)
        # Scores of tokens read whole groups of lanes.
        return padded_copy(PlaneStore.fitted(self, weights))

    cdef void add_used(self, Py_ssize_t i, double* target) noexcept nogil:
        cdef int p
        for p in range(self.blocks[i].size):
            self.shares[p] = self.blocks[i].planes[p].weight
        self.add_all(i, self.shares, target)

    cdef double size_at(self, Py_ssize_t i, int p, const Weights* w) noexcept nogil:
        return fabs(self.blocks[i].planes[p].loss) + self.deltas.size(
            i, self.labels_of(i, p), w.data
        )

    cdef Py_ssize_t entries(self, Py_ssize_t i, int p) noexcept nogil:
        return self.deltas.entries(i, self.labels_of(i, p))

    cdef int append(self, Py_ssize_t i, const Plane* plane) except -1 nogil:
        cdef Block* b = &self.blocks[i]
        cdef int p = b.size
        cdef uint8_t* labels = self.labels_of(i, p)
        memcpy(labels, self.narrow(i, plane), plane.nnz)
        self.fill_gram(i, p)
        if not isfinite(b.gram[p * (p + 1) // 2 + p]):
            with gil:
                raise ValueError(TOO_LARGE)
        return 0

    cdef void fill_gram(self, Py_ssize_t i, int p) noexcept nogil:
        """Row p of the Gram matrix."""
        cdef int q
        cdef double* row = self.blocks[i].gram + p * (p + 1) // 2
        for q in range(p + 1):
            row[q] = self.deltas.inner(i, self.labels_of(i, p), self.labels_of(i, q))

    cdef void remove(self, Py_ssize_t i, int p) noexcept nogil:
        cdef Py_ssize_t n = self.deltas.offsets[i + 1] - self.deltas.offsets[i]
        memmove(
            self.labels_of(i, p), self.labels_of(i, p + 1), (self.blocks[i].size - 1 - p) * n
        )

    cdef int grow(self, Py_ssize_t i) except -1 nogil:
        cdef Py_ssize_t n = self.deltas.offsets[i + 1] - self.deltas.offsets[i]
        cdef int before = self.blocks[i].capacity
        cdef uint8_t* labels
        PlaneStore.grow(self, i)
        labels = <uint8_t*> realloc(self.labels[i], self.blocks[i].capacity * n + 1)
        if labels != NULL:
            self.labels[i] = labels
        if labels == NULL or not self.make_room(self.blocks[i].capacity):
            self.blocks[i].capacity = before
            with gil:
                raise MemoryError(f"no memory for the planes of example {i}")
        return 0

    def move_to(self, FactoredProblem problem not None, shifts):
        """Be the store of a problem that differs in the true outputs of some examples alone.

        `shifts` is as in `DualBlocks.moved`: the examples count here, not the vectors.
        """
        cdef Py_ssize_t i
        cdef int p
        self.problem, self.deltas = problem, ChainDeltas(problem)
        self.grown = problem if isinstance(problem, GrownProblem) else None
        self.n_weights = problem.n_weights
        for i, *_ in shifts:
            for p in range(self.blocks[i].size):
                self.fill_gram(i, p)

    # ------------------------------------------------------------------ snapshots

    def snapshot(self):
        cdef Py_ssize_t i, size, place = 0
        sizes = np.array([
            self.blocks[i].size * (self.deltas.offsets[i + 1] - self.deltas.offsets[i])
            for i in range(self.n_examples)
        ], dtype=np.int64)
        labels = np.zeros(sizes.sum(), dtype=np.uint8)
        cdef uint8_t[::1] view = labels
        for i in range(self.n_examples):
            size = sizes[i]
            if size:
                memcpy(&view[place], self.labels[i], size)
            place += size
        return super().snapshot() | {"labels": labels}

    def kinds(self):
        return super().kinds() | {"labels": Kind(np.uint8, (None,), 0, self.deltas.width - 1)}

    def restore(self, held):
        cdef Py_ssize_t i, size, place = 0
        cdef const uint8_t[::1] labels = held["labels"]
        cdef const offset_t[:, ::1] counts = held["counts"]
        sizes = np.asarray(held["sizes"], dtype=np.int64)
        self.check(
            (np.asarray(counts)[:, 1:] >= 0).all()
            and (sizes * self.problem.maximizer.n_labels).sum() == len(labels)
        )
        super().restore(held)
        self.n_entries = 0
        for i in range(self.n_examples):
            size = self.blocks[i].size * (self.deltas.offsets[i + 1] - self.deltas.offsets[i])
            if size:
                memcpy(self.labels[i], &labels[place], size)
            place += size
            for p in range(self.blocks[i].size):
                self.n_entries += self.entries(i, p)

    @property
    def nbytes(self):
        cdef Py_ssize_t i, total = self.deltas.nbytes + self.n_shares * sizeof(double)
        for i in range(self.n_examples):
            total += sizeof(uint8_t*) + self.blocks[i].capacity * (
                self.deltas.offsets[i + 1] - self.deltas.offsets[i]
            )
        return super().nbytes + total
