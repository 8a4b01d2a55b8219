"""The problem of rankings and its oracles; see ``_ranking.pxd``."""

import numpy as np

from libc.math cimport NAN, fabs
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free, malloc, realloc
from libc.string cimport memcpy, memset

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport WEIGHT_PADDING, Plane, PlaneBuilder, Weights
from structsvm.linalg._plane cimport builder_finish
from structsvm.problems._features cimport BlockFeatures, sums_free, sums_reserve
from structsvm.problems._problem cimport PLAIN, Outputs, Problem

LOSSES = {
    "pairwise": SSVM_PAIRS,
    "ndcg": SSVM_NDCG,
    "average_precision": SSVM_AVERAGE_PRECISION,
    "precision": SSVM_PRECISION,
    "f1": SSVM_F1,
}

# Sums of scores beyond this may overflow.
cdef double TOO_LARGE = 1e290


cdef int scratch_fill(
    Scratch* s, Py_ssize_t most, Py_ssize_t most_in_table, BlockFeatures features
) except -1:
    cdef Py_ssize_t k, n = max(most, <Py_ssize_t> 1)
    cdef ssvm_ranker* r = &s.ranker
    s.theta = <double*> calloc(most + features.n_room + WEIGHT_PADDING, sizeof(double))
    s.net = <double*> malloc(n * sizeof(double))
    s.wins = <double*> malloc(n * sizeof(double))
    s.slot = <index_t*> malloc(max(features.n_weights, <Py_ssize_t> 1) * sizeof(index_t))
    s.mu.capacity = most
    s.mu.parts = <int32_t*> malloc(n * sizeof(int32_t))
    s.mu.counts = <double*> malloc(n * sizeof(double))
    r.order = <int32_t*> malloc(5 * n * sizeof(int32_t))
    r.tree = <int64_t*> malloc((n + 1) * sizeof(int64_t))
    r.sums = <double*> malloc((n + 1) * sizeof(double))
    r.table = NULL
    if most_in_table:
        r.table = <double*> malloc(ssvm_ranking_table_bytes(most_in_table))
    if (
        s.theta == NULL or s.net == NULL or s.wins == NULL or s.slot == NULL or s.mu.parts == NULL
        or s.mu.counts == NULL or r.order == NULL or r.tree == NULL or r.sums == NULL
        or (most_in_table and r.table == NULL)
    ):
        raise MemoryError(f"no memory for the scratch space of queries of {most} documents")
    r.spare, r.part = r.order + n, r.order + 2 * n
    r.above, r.best = r.order + 3 * n, r.order + 4 * n
    for k in range(features.n_weights):
        s.slot[k] = -1
    sums_reserve(&s.sums, features.n_sums, features.most_width)
    return 0


cdef void scratch_free(Scratch* s) noexcept:
    free(s.theta)
    free(s.net)
    free(s.wins)
    free(s.slot)
    free(s.mu.parts)
    free(s.mu.counts)
    free(s.ranker.order)
    free(s.ranker.tree)
    free(s.ranker.sums)
    free(s.ranker.table)
    sums_free(&s.sums)


cdef class RankingProblem(Problem):
    """Features of documents, and their grades, with one of the losses of rankings.

    Parameters
    ----------
    features : BlockFeatures
        One part for each document.
    offsets : int64 array of shape (n_queries + 1,)
        The documents of query i are offsets[i], ..., offsets[i + 1] - 1.
    levels : int32 array of shape (n_documents,), or None
        Grades of each query, numbered from the lowest; None for a problem that only predicts.
    gains : float64 array of shape (n_documents,), default=None
        For "ndcg".
    loss : {"pairwise", "ndcg", "average_precision", "precision", "f1"}
        All but the first two are for levels 0 and 1.
    k : int, default=None
        How many positions count; None: all, or for "precision" and "f1" as many as documents are
        relevant.
    normalize : bool, default=True
        Whether hinges are divided by the number of pairs.
    oracle_work : float
        See `Problem`.
    """

    def __init__(
        self, BlockFeatures features, offsets, levels=None, gains=None, *, str loss, k=None,
        bint normalize=True, double oracle_work=1.0,
    ):
        self.features = features
        self.loss = loss
        self.measure = LOSSES[loss]
        self.normalize = normalize
        self.offsets = self._offsets = offsets
        self.n_examples = self._offsets.shape[0] - 1
        self.n_weights = features.n_weights
        self.exact = True
        self.oracle_work = oracle_work
        self._most = np.diff(offsets).max(initial=0)
        if levels is not None:
            self._read(levels, gains, k)

    def _read(self, levels, gains, k):
        """Fill the queries."""
        cdef const int32_t[::1] level = levels
        cdef const double[::1] gain, discount
        cdef ssvm_query* query
        cdef Py_ssize_t i, p, start, n
        most = max(self._most, 1)
        discounts = 1.0 / np.log2(np.arange(2, most + 2))
        if k is not None:
            discounts[k:] = 0.0
        gains = np.zeros(0) if gains is None else gains
        gain, discount = gains, discounts
        self._held = levels, gains, discounts
        self._queries = <ssvm_query*> calloc(self.n_examples + 1, sizeof(ssvm_query))
        if self._queries == NULL:
            raise MemoryError(f"no memory for {self.n_examples} queries")
        for i in range(self.n_examples):
            query = &self._queries[i]
            start, n = self._offsets[i], self._offsets[i + 1] - self._offsets[i]
            if not n:
                continue
            query.n, query.level, query.discount = n, &level[start], &discount[0]
            counts = np.bincount(levels[start:start + n])
            query.n_levels = len(counts)
            query.n_pairs = (n * n - int((counts.astype(np.int64) ** 2).sum())) // 2
            query.n_relevant = n - int(counts[0])
            query.k = most if k is None else k
            if self.measure == SSVM_PRECISION or self.measure == SSVM_F1:
                query.k = query.n_relevant if k is None else k
            if self.measure == SSVM_NDCG:
                query.gain = &gain[start]
                sorted_gains = np.sort(gains[start:start + n])
                for p in range(n):
                    query.ideal += sorted_gains[n - 1 - p] * discounts[p]
                query.rise = sorted_gains[n - 1] - sorted_gains[0]
                if query.n_pairs and (query.n_levels > 2 or query.k < n):
                    self._most_in_table = max(self._most_in_table, n)

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self._n_scratch):
            scratch_free(&self._scratch[k])
        free(self._scratch)
        free(self._queries)

    cpdef int reserve(self, Py_ssize_t n_threads) except -1:
        cdef Py_ssize_t k
        cdef Scratch* scratch
        if n_threads > self._n_scratch:
            scratch = <Scratch*> realloc(self._scratch, n_threads * sizeof(Scratch))
            if scratch == NULL:
                raise MemoryError(f"no memory for {n_threads} threads")
            self._scratch = scratch
            for k in range(self._n_scratch, n_threads):
                memset(&scratch[k], 0, sizeof(Scratch))
                try:
                    scratch_fill(&scratch[k], self._most, self._most_in_table, self.features)
                except MemoryError:
                    scratch_free(&scratch[k])
                    raise
                self._n_scratch = k + 1
        self.n_threads = max(self.n_threads, n_threads)
        return 0

    cdef double answer(self, Py_ssize_t i, Scratch* s) noexcept nogil:
        cdef const ssvm_query* query = &self._queries[i]
        cdef Py_ssize_t p
        for p in range(query.n):
            if not fabs(s.theta[p]) < TOO_LARGE:
                memset(s.net, 0, query.n * sizeof(double))
                return NAN  # an error, once the plane is looked at
        if self._rescaling == PLAIN:
            return ssvm_plain_ranking(query, self.measure, s.theta, &s.ranker, s.net)
        return ssvm_worst_ranking(query, self.measure, s.theta, &s.ranker, s.net)

    cdef int max_oracle(
        self, Py_ssize_t i, const Weights* w, int thread, Plane* out
    ) except -1 nogil:
        cdef Scratch* s = &self._scratch[thread]
        cdef const ssvm_query* query
        cdef PlaneBuilder builder
        cdef double share
        cdef Py_ssize_t p
        if self._queries == NULL:
            with gil:
                raise ValueError("a problem bound without y has no planes; bind the model to y")
        query = &self._queries[i]
        out.nnz = 0
        out.loss = out.excess = 0.0
        if not query.n_pairs:
            return 0
        self.features.scores(i, w, s.theta)
        out.loss = self.answer(i, s)
        share = 1.0 / query.n_pairs if self.normalize else 1.0
        s.mu.size = 0
        for p in range(query.n):
            if s.net[p] != 0.0:
                s.mu.parts[s.mu.size] = <index_t> p
                s.mu.counts[s.mu.size] = share * s.net[p]
                s.mu.size += 1
        if not self.normalize:
            out.loss *= query.n_pairs
        builder.slot = s.slot
        builder.plane = out
        try:
            self.features.accumulate(i, &s.mu, &s.sums, &builder)
        finally:
            builder_finish(&builder)
        return 0

    cdef bint knows_truths(self) noexcept:
        return self._queries != NULL

    cdef Outputs make_room(self, bint scored):
        n_documents = self._offsets[self.n_examples]
        return Outputs("write_outputs", np.empty(n_documents), np.empty(self.n_examples))

    def write_outputs(
        self, const index_t[::1] examples not None, w, Outputs out not None, Py_ssize_t start=0,
        int thread=0,
    ):
        """What `predict` asks an engine: numbers for the documents, greater ones first.

        Of predictions the scores. Of the oracle's answers how many documents stand below each; for
        the loss "pairwise", in how many pairs each is the better one, less those in which it is the
        worse.
        """
        cdef Weights weights = self._checked(examples, w, thread)
        cdef double[::1] outputs = out.outputs
        cdef double[::1] values = out.values
        cdef double* first = &outputs[0] if outputs.shape[0] else NULL
        cdef Py_ssize_t k, i
        with nogil:
            for k in range(examples.shape[0]):
                i = examples[k]
                self.write_output(i, &weights, thread, first + self._offsets[i], &values[i])

    cdef int write_output(
        self, Py_ssize_t i, const Weights* w, int thread, double* output, double* value
    ) except -1 nogil:
        cdef Scratch* s = &self._scratch[thread]
        cdef ssvm_query* query
        cdef Py_ssize_t p, n = self._offsets[i + 1] - self._offsets[i]
        cdef double total = 0.0
        value[0] = 0.0
        if n == 0:
            return 0
        self.features.scores(i, w, s.theta)
        if self._rescaling == PLAIN:
            if not self.features.are_finite(i, s.theta):
                self._met_bad_scores = True
            memcpy(output, s.theta, n * sizeof(double))
            value[0] = 0.5 * ssvm_spread(s.theta, n, &s.ranker, self.normalize)
            return 0
        query = &self._queries[i]
        if not query.n_pairs:
            memset(output, 0, n * sizeof(double))
            return 0
        value[0] = self.answer(i, s)
        ssvm_count_wins(query, &s.ranker, s.wins)
        for p in range(n):
            total += (0.5 * s.wins[p] - s.net[p]) * s.theta[p]
            if self.measure == SSVM_PAIRS:
                output[p] = s.wins[p] - 2.0 * s.net[p]
            else:
                output[s.ranker.order[p]] = n - 1 - p
        value[0] += total / query.n_pairs
        if not self.normalize:
            value[0] *= query.n_pairs
        return 0
