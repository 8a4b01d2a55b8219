from libc.stdint cimport int32_t, int64_t

cdef extern from "structsvm/inference/relaxation_primal.h" nogil:
    enum:
        SSVM_GROUP

    ctypedef struct ssvm_relaxation:
        Py_ssize_t n_nodes, n_edges, n_labels, stride
        const int32_t* edges
        const int64_t* arc_start
        const int64_t* later_start
        const int64_t* arcs
        const double* unary
        const double* agreement
        const double* tables
        Py_ssize_t table_step
        double* forward
        double* backward
        double* row
        double* table


cdef class TreeReweighted:
    """Messages on a graph of up to a fixed size. Call `connect`, `take_scores`, then `run`, all
    without the GIL; the members below hold the result until the next call."""

    cdef ssvm_relaxation graph
    cdef readonly double scale             # sum of the ranges of all scores
    cdef readonly double rounding          # bound of the rounding error of a sum of the scores
    cdef readonly double temperature       # of the last soft sweep
    cdef readonly double bound             # no labelling, and no relaxed labelling, scores more
    cdef readonly double value             # score of the relaxed labelling
    cdef readonly double score             # score of the labels
    cdef readonly Py_ssize_t n_sweeps
    cdef readonly bint converged
    cdef bint has_messages
    cdef double[:, ::1] unary              # (n_nodes, stride), padded with -inf
    cdef double[::1] agreement             # (n_edges,)
    cdef const int32_t[:, ::1] _held_edges
    cdef const double[:, :, ::1] _held_tables
    cdef int64_t[::1] arc_start, later_start, arcs, place
    cdef double[:, ::1] forward, backward, spare, row
    cdef double[:, :, ::1] table
    cdef double[:, ::1] hat
    cdef double[:, ::1] marginals          # (n_nodes, stride): the relaxed labelling
    cdef double[::1] masses                # (n_edges,): agreement, without tables
    cdef double[:, :, ::1] couplings       # (n_edges, K, K): marginals, with tables
    cdef int32_t[::1] labels, candidate

    cdef void connect(
        self, Py_ssize_t n_nodes, Py_ssize_t n_edges, const int32_t* edges
    ) noexcept nogil
    cdef void forget_messages(self) noexcept nogil
    cpdef int reserve_tables(self) except -1
    cdef void take_scores(
        self, const double* unary, const double* agreement, const double* tables,
        Py_ssize_t n_tables,
    ) noexcept nogil
    cdef void _take_tables(self, const double* tables, Py_ssize_t n_tables) noexcept nogil
    cdef void run(self, double tol, Py_ssize_t max_sweeps, bint warm) noexcept nogil
    cdef double measure(self) noexcept nogil
    cdef void offer_labels(self, bint reverse) noexcept nogil
    cdef void take_labels(self) noexcept nogil
