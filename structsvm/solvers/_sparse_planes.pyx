"""Planes as sparse vectors; see ``_plane_store.pxd``."""

import numpy as np

from libc.math cimport fabs, isfinite
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from structsvm._typedefs cimport index_t, offset_t
from structsvm.linalg._plane cimport Plane, PlaneBuilder, Weights
from structsvm.linalg._plane cimport (
    builder_add_row, builder_finish, plane_axpy, plane_copy, plane_dot, plane_free, plane_reserve,
    plane_scatter, plane_size, plane_sqnorm, plane_unscatter,
)
from structsvm.solvers._plane_store cimport (
    TRUTH, Block, KnownPlane, PlaneStore, gram_at, highest,
)

from structsvm.data.snapshots import Kind, vector
from structsvm.solvers.base import TOO_LARGE

# A sum this much smaller than its terms is zero.
cdef double CANCELLED = 1e-12


cdef class SparsePlanes(PlaneStore):
    """Planes as sparse vectors; see `PlaneStore`."""

    def __cinit__(self):
        self.planes = NULL

    def __init__(self, Py_ssize_t n_examples, Py_ssize_t n_weights, **options):
        super().__init__(n_examples, n_weights, **options)
        self.dense = np.zeros(n_weights)
        self.slot = np.full(n_weights if self.mixed else 0, -1, dtype=np.int32)
        self.planes = <Plane**> calloc(max(n_examples, 1), sizeof(Plane*))
        if self.planes == NULL:
            raise MemoryError(f"no memory for planes of {n_examples} examples")

    def __dealloc__(self):
        cdef Py_ssize_t i
        cdef int p
        if self.planes != NULL and not self.is_share:
            for i in range(self.n_examples):
                for p in range(self.blocks[i].size):
                    plane_free(&self.planes[i][p])
                free(self.planes[i])
            free(self.planes)

    cdef PlaneStore share(self, int thread):
        cdef SparsePlanes share = SparsePlanes.__new__(SparsePlanes)
        if self.mixed:
            raise ValueError("planes that are mixed have no shares")
        self.lend(share)
        share.planes, share.slot = self.planes, self.slot
        share.dense = np.zeros(self.n_weights)
        return share

    cdef int rescore(self, Py_ssize_t i, const double* w) noexcept nogil:
        cdef const Block* b = &self.blocks[i]
        cdef KnownPlane* known = b.planes
        cdef const Plane* planes = self.planes[i]
        cdef int p, size = b.size
        for p in range(size):
            known[p].height = known[p].loss - plane_dot(&planes[p], w)
        return highest(b, 0.0)

    cdef void add(self, Py_ssize_t i, int p, double factor, double* target) noexcept nogil:
        plane_axpy(factor, &self.planes[i][p], target)

    cdef double size_at(self, Py_ssize_t i, int p, const Weights* w) noexcept nogil:
        return plane_size(&self.planes[i][p], w)

    cdef Py_ssize_t entries(self, Py_ssize_t i, int p) noexcept nogil:
        return self.planes[i][p].nnz

    cdef int append(self, Py_ssize_t i, const Plane* plane) except -1 nogil:
        cdef Block* b = &self.blocks[i]
        cdef int q, p = b.size
        cdef double* row = b.gram + p * (p + 1) // 2
        plane_copy(plane, &self.planes[i][p])
        plane_scatter(plane, &self.dense[0])
        for q in range(p):
            row[q] = plane_dot(&self.planes[i][q], &self.dense[0])
        plane_unscatter(plane, &self.dense[0])
        row[p] = plane_sqnorm(plane)
        if not isfinite(row[p]):
            with gil:
                raise ValueError(TOO_LARGE)
        return 0

    cdef void remove(self, Py_ssize_t i, int p) noexcept nogil:
        cdef int q, last = self.blocks[i].size - 1
        plane_free(&self.planes[i][p])
        for q in range(p, last):
            self.planes[i][q] = self.planes[i][q + 1]
        memset(&self.planes[i][last], 0, sizeof(Plane))

    cdef int mix(self, Py_ssize_t i, int p, double share) except -1 nogil:
        cdef Block* b = &self.blocks[i]
        cdef const Plane* target
        cdef const Plane* before = &self.planes[i][0]
        cdef Plane mixed
        cdef PlaneBuilder builder
        cdef int q
        memset(&mixed, 0, sizeof(Plane))
        builder.slot = &self.slot[0]
        builder.plane = &mixed
        try:
            builder_add_row(
                &builder, before.nnz, before.indices, before.values, 1, 0, 1.0 - share
            )
            mixed.loss = (1.0 - share) * b.planes[0].loss
            if p != TRUTH:
                target = &self.planes[i][p]
                builder_add_row(&builder, target.nnz, target.indices, target.values, 1, 0, share)
                mixed.loss += share * b.planes[p].loss
        finally:
            builder_finish(&builder)
        self.n_entries += mixed.nnz - before.nnz
        plane_free(&self.planes[i][0])
        self.planes[i][0] = mixed
        b.planes[0].loss = mixed.loss
        b.gram[0] = plane_sqnorm(&mixed)
        for q in range(1, b.size):
            b.gram[q * (q + 1) // 2] = (
                (1.0 - share) * b.gram[q * (q + 1) // 2] + share * gram_at(b, p, q)
            )
        return 0

    def shift(self, Py_ssize_t i, const index_t[::1] indices, const double[::1] values):
        """Add a vector, without an index twice, to all planes of an example.

        Heights are of no weights until they are computed anew.
        """
        cdef Block* b = &self.blocks[i]
        cdef Plane* plane
        cdef Plane total
        cdef PlaneBuilder builder
        cdef Py_ssize_t k, e
        cdef int p, q
        if not 0 <= i < self.n_examples or indices.shape[0] != values.shape[0]:
            raise ValueError(f"{values.shape[0]} values of {indices.shape[0]} for example {i}")
        if self.slot.shape[0] < self.n_weights:
            self.slot = np.full(self.n_weights, -1, dtype=np.int32)
        builder.slot = &self.slot[0]
        for p in range(b.size if indices.shape[0] else 0):
            plane = &self.planes[i][p]
            memset(&total, 0, sizeof(Plane))
            builder.plane = &total
            try:
                builder_add_row(&builder, plane.nnz, plane.indices, plane.values, 1, 0, 1.0)
                builder_add_row(&builder, indices.shape[0], &indices[0], &values[0], 1, 0, 1.0)
                # What is left of equal numbers is rounding: the new truth may be a plane.
                for k in range(indices.shape[0]):
                    e = self.slot[indices[k]]
                    if fabs(total.values[e]) <= CANCELLED * fabs(values[k]):
                        total.values[e] = 0.0
            finally:
                builder_finish(&builder)
            total.loss, total.excess = plane.loss, plane.excess
            self.n_entries += total.nnz - plane.nnz
            plane_free(plane)
            plane[0] = total
            plane_scatter(plane, &self.dense[0])
            for q in range(p):
                b.gram[p * (p + 1) // 2 + q] = plane_dot(&self.planes[i][q], &self.dense[0])
            plane_unscatter(plane, &self.dense[0])
            b.gram[p * (p + 1) // 2 + p] = plane_sqnorm(plane)

    cdef int grow(self, Py_ssize_t i) except -1 nogil:
        cdef int before = self.blocks[i].capacity
        cdef Plane* planes
        PlaneStore.grow(self, i)
        planes = <Plane*> realloc(self.planes[i], self.blocks[i].capacity * sizeof(Plane))
        if planes == NULL:
            self.blocks[i].capacity = before
            with gil:
                raise MemoryError(f"no memory for the planes of example {i}")
        memset(&planes[before], 0, (self.blocks[i].capacity - before) * sizeof(Plane))
        self.planes[i] = planes
        return 0

    def snapshot(self):
        cdef Py_ssize_t i, k, entry = 0
        cdef int p
        cdef const Plane* plane
        indices, values = np.zeros(self.n_entries, dtype=np.int32), np.zeros(self.n_entries)
        cdef index_t[::1] indices_view = indices
        cdef double[::1] values_view = values
        for i in range(self.n_examples):
            for p in range(self.blocks[i].size):
                plane = &self.planes[i][p]
                for k in range(plane.nnz):
                    indices_view[entry] = plane.indices[k]
                    values_view[entry] = plane.values[k]
                    entry += 1
        return super().snapshot() | {"indices": indices, "values": values}

    def kinds(self):
        return super().kinds() | {
            "indices": Kind(np.int32, (None,), 0, self.n_weights - 1),
            "values": vector(None),
        }

    def restore(self, held):
        cdef Py_ssize_t i, k, place = 0, entry = 0
        cdef int p
        cdef Plane* plane
        cdef const index_t[::1] indices = held["indices"]
        cdef const double[::1] values = held["values"]
        cdef const offset_t[:, ::1] counts = held["counts"]
        nnz = np.asarray(counts)[:, 1]
        self.check(
            (nnz >= 0).all() and (np.asarray(counts)[:, 2] >= 0).all()
            and (nnz <= len(indices)).all() and nnz.sum() == len(indices) == len(values)
        )
        super().restore(held)
        for i in range(self.n_examples):
            for p in range(self.blocks[i].size):
                plane = &self.planes[i][p]
                plane_reserve(plane, counts[place, 1])
                plane.nnz = counts[place, 1]
                plane.loss = self.blocks[i].planes[p].loss
                place += 1
                for k in range(plane.nnz):
                    plane.indices[k] = indices[entry]
                    plane.values[k] = values[entry]
                    entry += 1

    @property
    def nbytes(self):
        cdef Py_ssize_t i, total = self.dense.nbytes + self.slot.nbytes
        cdef int p
        for i in range(self.n_examples):
            total += sizeof(Plane*) + self.blocks[i].capacity * sizeof(Plane)
            for p in range(self.blocks[i].size):
                total += self.planes[i][p].capacity * (sizeof(double) + sizeof(index_t))
        return super().nbytes + total
