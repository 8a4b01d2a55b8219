"""Passes of the block solver on several threads, each with a copy of the weights.

Design: a pass is cut into chunks, a chunk into `N_PARTS` parts of equal declared work. The parts of
a chunk are visited at the same time; each moves its own copy of the weights. Then every copy is
told the moves of the others, and the next chunk begins. What a visit computes depends on the order
of the examples and on where it is cut, never on the threads: any number of them, even one, gives
the same bits.

The dual point stays exact. A visit changes the dual weights of its own example alone, by steps
within its simplex; no example is in two parts of a chunk. So all parts together are one feasible
dual point, whatever copy of the weights they looked at, and its value is computed anew from the
stored planes after each round. Only the ascent of a chunk is not certain: each part takes the
others to stand still. A part that counts its own moves `caution` times, in its line searches and
its copy, gives in; with as many as there are parts no chunk can lower the dual value (Ma et al.,
with additive steps). The caller begins with 1, which visits far apart hardly ever need more than,
and raises it when a round falls.

How copies are told:

    sums    all copies move by the sum of the moves of each; costs n_weights a chunk
    logs    for text: each copy repeats the steps of the others, row by row, in order of parts. A
            pair of a column and a label without a weight is given one between two chunks, so no
            list of pairs changes while it is read

Source: C. Ma, V. Smith, M. Jaggi, M. I. Jordan, P. Richtarik, M. Takac (2015). Adding vs.
averaging in distributed primal-dual optimization. ICML.
"""

from time import thread_time

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport INFINITY
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from structsvm._typedefs cimport index_t, offset_t
from structsvm.linalg._plane cimport weights_of
from structsvm.problems._factored cimport FactoredProblem
from structsvm.problems._features cimport ssvm_logged, ssvm_step_log
from structsvm.problems._grown_problem cimport GrownProblem
from structsvm.solvers._blocks cimport DualBlocks

cdef enum:
    CHUNKS_PER_SIGNAL_CHECK = 8

# More parts know less of each other, and each repeats the steps of all others.
N_PARTS = 2
# Chunks of a pass. Where there would be fewer, it is not shared: parts with a larger share of all
# examples know too little of each other, and a round may gain much less.
LEAST_CHUNKS, MOST_CHUNKS = 60, 160
# Work of a part of a chunk, about 20 us: less is not worth a meeting.
LEAST_WORK = 2e4
# Work to tell a copy one weight, when sums are told.
WORK_OF_WEIGHT = 4.0
# Work of a visit besides planes.
WORK_OF_VISIT = 1e3


cdef class Part:
    """A copy of the weights, and the blocks that are visited with it."""

    def __init__(self, DualBlocks whole, int number, bint alone):
        store = whole.store.share(number)
        self.blocks = DualBlocks(whole.problem, store=store, **whole.options)
        self.blocks.thread = number
        self.blocks.hinges = self.blocks._hinges = whole.hinges
        self.blocks.steps.gaps = self.blocks.steps._gaps = whole.steps.gaps
        self.deltas = None
        if self.blocks.labelled is not None:
            self.deltas = self.blocks.labelled.deltas
        if not alone:
            self.blocks.point.share(whole.point)

    cdef void repeat(
        self, const void* other, double factor, double factor_of_new
    ) noexcept nogil:
        """Add what a part has told, times a factor, to this copy."""
        cdef double* w = &self.blocks.point._weights[0]
        if factor != 0.0 or (<Part> other).deltas.log.n_without_place:
            self.deltas.repeat(&(<Part> other).deltas.log, factor, factor_of_new, w)

    cdef void begin_chunk(self) noexcept nogil:
        """Forget the steps of the chunk before, which all copies have been told."""
        if self.deltas is not None:
            self.deltas.log.n = self.deltas.log.n_without_place = 0

    cdef int visit(
        self, const index_t* order, Py_ssize_t n, bint exact, double skip_below
    ) except -1 nogil:
        if exact:
            self.blocks.visit_some(order, n, &self.at)
        else:
            self.blocks.steps.visit_some(
                order, n, skip_below, &self.gap_sum, &self.n_visited
            )
        return 0


cdef class Replicas:
    """Makes passes with blocks on several threads.

    Parameters
    ----------
    whole : DualBlocks
        Those that `may_share` accepts. Passes change them as their own passes would.

    Attributes
    ----------
    caution : float
        How often a part counts its own moves, from 1 to the number of parts.
    stale : bool
        To be set when anything else has moved the weights.
    times : list, default=None
        If it is a list, each pass appends the CPU seconds of its items, of shape (phases, parts).
        What a pass takes with a core for each part is the sum over phases of the greatest of each.
    """

    def __init__(self, DualBlocks whole not None):
        cdef int q
        if not may_share(whole):
            raise ValueError("these blocks are not visited on several threads")
        self.whole = whole
        self.n_parts = N_PARTS
        self.logs = whole.labelled is not None
        self.grown = whole.problem if isinstance(whole.problem, GrownProblem) else None
        self.stale = True
        whole.problem.reserve(N_PARTS)
        # With logs the first part moves the weights themselves.
        self.parts = [Part(whole, q, q > 0 or not self.logs) for q in range(N_PARTS)]
        for q in range(N_PARTS):
            self._part[q] = <void*> self.parts[q]
        self.caution = 1.0

    def raise_caution(self):
        """Have parts count their own moves half as often again."""
        self.caution = min(1.5 * self.caution, <double> self.n_parts)

    def exact_pass(self, order, engine):
        """`DualBlocks.exact_pass`."""
        cdef double work = len(order) * (self.whole.problem.oracle_work + WORK_OF_VISIT)
        cdef Py_ssize_t n_chunks = self.n_chunks(work)
        problem = self.whole.problem
        if (
            n_chunks == 0 or self.whole.batch_size(engine) > 1 or problem.in_python
            or problem.in_batches
        ):
            self.stale = True
            self.whole.exact_pass(order, engine)
        else:
            self.make_pass(order, n_chunks, True, -INFINITY, engine)

    def cached_pass(self, order, double skip_below, engine):
        """`BlockSteps.cached_pass`."""
        cdef Py_ssize_t n_chunks, k, n = 0
        cdef double work, total = 0.0
        cdef const index_t[::1] given = order
        kept = np.empty(len(order), dtype=np.int32)
        cdef index_t[::1] kept_view = kept
        for k in range(given.shape[0]):
            if self.whole.store.blocks[given[k]].size and not (
                self.whole.steps._gaps[given[k]] < skip_below
            ):
                kept_view[n] = given[k]
                n += 1
        work = 2.0 * self.whole.store.n_entries / max(self.whole.store.n_examples, 1)
        n_chunks = self.n_chunks(n * (work + WORK_OF_VISIT))
        if n_chunks == 0:
            self.stale = True
            return self.whole.steps.cached_pass(order, skip_below)
        self.make_pass(kept[:n], n_chunks, False, skip_below, engine)
        for part in self.parts:
            total += (<Part> part).gap_sum
        return total / max(n, 1)

    cdef Py_ssize_t n_chunks(self, double work):
        """How many chunks a pass of so much work has; 0: it is not worth sharing."""
        cdef double least = LEAST_WORK
        if not self.logs:
            least = max(least, <double> (WORK_OF_WEIGHT * self.whole.problem.n_weights))
        work /= self.n_parts * least
        return 0 if work < LEAST_CHUNKS else min(int(work), MOST_CHUNKS)

    cdef make_pass(
        self, order, Py_ssize_t n_chunks, bint exact, double skip_below, engine
    ):
        cdef Part part
        cdef Py_ssize_t n = self.whole.point.weights.shape[0]
        self.order, self.exact, self.skip_below = order, exact, skip_below
        self._bounds = self.cut(n_chunks)
        self.steps_of_chunk = 2 if self.grown is None else 3
        self.whole.problem.reserve(self.n_parts)
        for part in self.parts:
            part.error, part.gap_sum, part.n_visited = None, 0.0, 0
            part.blocks.store.patient = self.whole.store.patient
            part.blocks.point.regularization = self.whole.point.regularization / self.caution
            if self.stale and part.blocks.point._room is not self.whole.point._room:
                memcpy(
                    &part.blocks.point._weights[0], &self.whole.point._weights[0],
                    n * sizeof(double),
                )
            part.at = weights_of(part.blocks.point.weights)
        self.stale = True  # until the pass has come to its end
        if self.times is not None:
            self.times.append(np.zeros((n_chunks * self.steps_of_chunk, self.n_parts)))
        ssvm_turns_begin(&self.turns, self.n_parts, n_chunks * self.steps_of_chunk)
        try:
            engine.together(self.serve, self.n_parts)
        finally:
            for part in self.parts:
                self.whole.store.take_counts(part.blocks.store)
                self.whole.evaluator.take_counts(part.blocks.evaluator)
                self.whole.point.n_updates += part.blocks.point.n_updates
                part.blocks.point.n_updates = 0
        errors = [(<Part> part).error for part in self.parts]
        errors = [error for error in errors if error is not None]
        # Ctrl-C before what an oracle raised
        for error in sorted(errors, key=_is_mere_error):
            raise error
        if self.logs:
            for part in self.parts:
                if part.deltas.log.out_of_memory:
                    raise MemoryError("no memory for the steps of a chunk of examples")
        self.stale = False

    cdef object cut(self, Py_ssize_t n_chunks):
        """Where the parts of the chunks begin: all have about the same work."""
        cdef Py_ssize_t k, n = self.order.shape[0]
        cdef const offset_t[::1] offsets
        work = np.ones(n + 1)
        cdef double[::1] view = work
        view[0] = 0.0
        seen = np.zeros(self.whole.problem.n_examples, dtype=np.uint8)
        cdef unsigned char[::1] is_seen = seen
        for k in range(n):
            if is_seen[self.order[k]]:
                raise ValueError(f"example {self.order[k]} comes twice in a pass that is shared")
            is_seen[self.order[k]] = 1
        if isinstance(self.whole.problem, FactoredProblem):
            offsets = (<FactoredProblem> self.whole.problem).offsets
            for k in range(n):
                view[k + 1] = 4.0 + (offsets[self.order[k] + 1] - offsets[self.order[k]]) * (
                    4.0 * self.exact + self.whole.store.blocks[self.order[k]].size
                )
        work = np.cumsum(work)
        shares = np.linspace(0.0, work[n], n_chunks * self.n_parts + 1)
        bounds = np.searchsorted(work, shares, side="left").astype(np.int64)
        bounds[0], bounds[len(bounds) - 1] = 0, n
        return bounds

    def copies(self):
        """The weights of each part, as views."""
        return [(<Part> part).blocks.point.weights for part in self.parts]

    @property
    def bounds(self):
        """Where in the order of the last pass that was shared the parts of its chunks begin."""
        return np.asarray(self._bounds)

    def serve(self, int thread):
        """Do what is to be done in the pass, with all threads that come."""
        cdef int64_t phase = 0
        cdef int item = -1
        while True:
            try:
                with nogil:
                    self.take_turns(thread, &phase, &item)
                return
            except BaseException as error:
                # The item counts as done, and the chunk is the last: all visits made are told.
                (<Part> self._part[item]).error = error
                ssvm_turns_end(
                    &self.turns, (phase // self.steps_of_chunk + 1) * self.steps_of_chunk
                )
                ssvm_turns_done(&self.turns)

    cdef int take_turns(self, int thread, int64_t* phase, int* item) except -1 nogil:
        cdef int k
        cdef int64_t chunk
        while ssvm_turns_wait(&self.turns, phase[0]):
            chunk = phase[0] // self.steps_of_chunk
            for k in range(self.n_parts):
                item[0] = (thread + k) % self.n_parts
                if not ssvm_turns_claim(&self.turns, phase[0], item[0]):
                    continue
                if phase[0] % self.steps_of_chunk == 0:
                    (<Part> self._part[item[0]]).begin_chunk()  # before anything may raise
                if self.times is not None:
                    with gil:
                        self.note_time(phase[0], item[0], -thread_time())
                if phase[0] % self.steps_of_chunk == 0:
                    self.visit(chunk, item[0])
                    if thread == 0 and chunk % CHUNKS_PER_SIGNAL_CHECK == 0:
                        with gil:
                            PyErr_CheckSignals()
                elif not self.logs:
                    self.tell_sums(item[0])
                elif phase[0] % self.steps_of_chunk == self.steps_of_chunk - 1:
                    self.tell_logs(item[0])
                elif item[0] == 0:
                    self.give_places()
                if self.times is not None:
                    with gil:
                        self.note_time(phase[0], item[0], thread_time())
                ssvm_turns_done(&self.turns)
            phase[0] += 1
        return 0

    cdef note_time(self, int64_t phase, int q, double seconds):
        passes = self.times
        passes[len(passes) - 1][phase, q] += seconds

    cdef int visit(self, int64_t chunk, int q) except -1 nogil:
        cdef int64_t start = self._bounds[chunk * self.n_parts + q]
        cdef int64_t stop = self._bounds[chunk * self.n_parts + q + 1]
        return (<Part> self._part[q]).visit(
            &self.order[0] + start, stop - start, self.exact, self.skip_below
        )

    cdef void tell_sums(self, int q) noexcept nogil:
        """Have one slice of the weights, and of all copies, moved by all moves."""
        cdef Py_ssize_t j, n = self.whole.problem.n_weights
        cdef Py_ssize_t start = n * q // self.n_parts, stop = n * (q + 1) // self.n_parts
        cdef double* w = &self.whole.point._weights[0]
        cdef double* first = &(<Part> self._part[0]).blocks.point._weights[0]
        cdef double* copy
        cdef double share = 1.0 / self.caution
        cdef int p
        # The first copy gathers the sum of all moves.
        for j in range(start, stop):
            first[j] -= w[j]
        for p in range(1, self.n_parts):
            copy = &(<Part> self._part[p]).blocks.point._weights[0]
            for j in range(start, stop):
                first[j] += copy[j] - w[j]
        for j in range(start, stop):
            w[j] += share * first[j]
        for p in range(self.n_parts):
            copy = &(<Part> self._part[p]).blocks.point._weights[0]
            memcpy(copy + start, w + start, (stop - start) * sizeof(double))

    cdef int give_places(self) except -1 nogil:
        """Give all pairs a weight that have been missed."""
        cdef int p
        cdef Py_ssize_t s
        cdef const ssvm_logged* new
        cdef const ssvm_step_log* log
        for p in range(self.n_parts):
            log = &(<Part> self._part[p]).deltas.log
            for s in range(log.n if log.n_without_place else 0):
                new = &log.steps[s]
                if new.row < -1 and self.grown.rows.slot_of(-2 - new.row, new.column) < 0:
                    with gil:
                        raise MemoryError("no memory for the weights of more pairs")
        self.grown.count_weights()
        return 0

    cdef void tell_logs(self, int q) noexcept nogil:
        """Have one copy moved by the moves of all parts."""
        cdef double share = 1.0 / self.caution
        cdef int p
        (<Part> self._part[q]).repeat(self._part[q], share - 1.0, share)
        for p in range(self.n_parts):
            if p != q:
                (<Part> self._part[q]).repeat(self._part[p], share, share)

    @property
    def nbytes(self):
        """Memory of the copies and their scratch space, in bytes."""
        cdef Part part
        total = 0
        for part in self.parts:
            if part.blocks.point._room is not self.whole.point._room:
                total += part.blocks.point.nbytes
            if part.deltas is not None:
                total += part.deltas.nbytes
        return total


def _is_mere_error(error):
    return isinstance(error, Exception)


def may_share(DualBlocks blocks not None):
    """Whether blocks can be visited on several threads.

    Not those with mixtures, which change with every step, those whose planes without weight go at
    once, averages over all steps, or multipliers of weights with a floor.
    """
    options = blocks.options
    return (
        not options["frank_wolfe"] and options["max_planes"] > 0 and not options["average"]
        and len(blocks.point.multipliers) == 0
    )
