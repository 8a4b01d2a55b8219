"""Rankings of the documents of queries; formulas are in ``inference/ranking.h``.

An example is a query: its documents' rows of features, and their grades. A document's score is
<w, x>. Of a ranking, which is worse the more pairs of different grades it swaps, the plane is

    delta = (1 / n_pairs) sum over swapped pairs of x_better - x_worse,    loss = Delta(ranking)

both times n_pairs where queries are not normalised.
"""

from libc.stdint cimport int32_t, int64_t

from structsvm._typedefs cimport index_t, offset_t
from structsvm.inference._maximizer cimport ssvm_counts
from structsvm.linalg._plane cimport Weights
from structsvm.problems._features cimport BlockFeatures, RowSums
from structsvm.problems._problem cimport Problem

cdef extern from "structsvm/inference/ranking.h" nogil:
    ctypedef enum ssvm_measure:
        SSVM_PAIRS
        SSVM_NDCG
        SSVM_AVERAGE_PRECISION
        SSVM_PRECISION
        SSVM_F1

    ctypedef struct ssvm_query:
        int64_t n
        int32_t n_levels
        int64_t n_pairs
        int64_t n_relevant
        int64_t k
        const int32_t* level
        const double* gain
        const double* discount
        double ideal
        double rise

    ctypedef struct ssvm_ranker:
        int32_t* order
        int32_t* spare
        int32_t* part
        int32_t* above
        int32_t* best
        int64_t* tree
        double* sums
        double* table

    int64_t ssvm_ranking_table_bytes(int64_t n)
    double ssvm_worst_ranking(
        const ssvm_query* query, ssvm_measure measure, const double* score, ssvm_ranker* r,
        double* net,
    )
    void ssvm_count_wins(const ssvm_query* query, ssvm_ranker* r, double* wins)
    double ssvm_spread(const double* score, int64_t n, ssvm_ranker* r, int mean)
    double ssvm_plain_ranking(
        const ssvm_query* query, ssvm_measure measure, const double* score, ssvm_ranker* r,
        double* net,
    )


cdef struct Scratch:
    # The private space of one thread.
    double* theta
    double* net
    double* wins
    index_t* slot
    ssvm_counts mu
    RowSums sums
    ssvm_ranker ranker


cdef class RankingProblem(Problem):
    cdef readonly BlockFeatures features
    cdef readonly str loss
    cdef readonly object offsets          # int64 ndarray: start of each query's documents
    cdef const offset_t[::1] _offsets
    cdef ssvm_measure measure
    cdef bint normalize
    cdef ssvm_query* _queries             # NULL without grades
    cdef tuple _held                      # what `_queries` points into
    cdef Py_ssize_t _most, _most_in_table
    cdef Scratch* _scratch                # one a thread
    cdef Py_ssize_t _n_scratch
    # The ranking that the rescaling asks for, at the scores s.theta; returns its loss
    cdef double answer(self, Py_ssize_t i, Scratch* s) noexcept nogil
    cdef int write_output(
        self, Py_ssize_t i, const Weights* w, int thread, double* output, double* value
    ) except -1 nogil
