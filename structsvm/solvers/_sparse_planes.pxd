"""Planes as sparse vectors; see `SparsePlanes`."""

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane
from structsvm.solvers._plane_store cimport PlaneStore


cdef class SparsePlanes(PlaneStore):
    cdef Plane** planes                   # the planes of each block, as many as its capacity
    cdef double[::1] dense                # SCRATCH, zeros between uses
    cdef index_t[::1] slot                # SCRATCH of a PlaneBuilder
