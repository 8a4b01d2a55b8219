"""AffineProblem: a problem whose weights are counted from others, partly fixed, or tied.

Design: the weights of the model are an affine function of those that a solver sees,
``w_j = base_j + factor_j * v[target_j]``. So a plane (delta, loss) of the model is another plane of
v: its entries move to the targets, times the factors, and ``<base, delta>`` comes off its loss. The
true output's plane stays (0, 0). Nothing else changes for a solver, and |v|^2 is what it
regularises: the distance from `base`, over the weights that are free, those that are tied counted
once.
"""

import numpy as np

from libc.stdlib cimport free, realloc

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport Plane, PlaneBatch, Weights
from structsvm.linalg._plane cimport weights_of
from structsvm.problems._problem cimport Problem

from structsvm.linalg._plane import padded_copy, padded_vector


cdef struct Room:
    # The private space of one thread.
    Weights whole          # the model's weights; the vector is in `_vectors`
    index_t* slot          # of a target, where its entry is; -1 between two planes
    double loss            # of the last plane, before anything came off it


cdef class AffineProblem(Problem):
    """A problem in other weights.

    Parameters
    ----------
    plain : Problem
        The one in the model's weights.
    base : float64 array of shape (n_weights,)
    factors : float64 array of shape (n_weights,)
        0 for fixed weights.
    targets : int32 array of shape (n_weights,), or None
        The weight that moves each weight. None: itself.

    Raises
    ------
    ValueError
        If weights that must be >= 0 cannot be kept so by lower bounds <= 0 of the new ones.
    """
    cdef readonly Problem inner
    cdef readonly object base             # padded ndarray
    cdef readonly object factors, targets
    cdef const double[::1] _base, _factors
    cdef const index_t[::1] _targets      # None where each weight is its own
    cdef list _vectors
    cdef Room* _rooms
    cdef Py_ssize_t _n_rooms

    def __init__(self, Problem plain not None, base, factors, targets=None):
        self.inner = plain
        self.n_examples = plain.n_examples
        self.n_weights = plain.n_weights
        self.exact = plain.exact
        self.foreign = plain.foreign
        self.in_python = plain.in_python
        self.in_batches = plain.in_batches
        self.squared = plain.squared
        self.portable = plain.portable
        self.oracle_work = plain.oracle_work
        self._rescaling = plain._rescaling
        self.base = self._base = padded_copy(base)
        self.factors = self._factors = np.array(factors, dtype=np.float64)
        self.targets = self._targets = targets
        for vector in (self.base, self.factors, self.factors if targets is None else targets):
            if vector.shape != (self.n_weights,):
                raise ValueError(f"shape {vector.shape}, expected ({self.n_weights},)")
        self._vectors = []
        self._set_floors()

    cdef _set_floors(self):
        """Lower bounds of the new weights, from those that must be >= 0."""
        signed = self.inner.non_negative
        base, factors = self.base[signed], self.factors[signed]
        if (base < 0).any() or (factors < 0).any():
            j = signed[np.argmax((base < 0) | (factors < 0))]
            raise ValueError(f"weight {j} must be >= 0, which these weights do not start with")
        moved = factors > 0
        targets = signed if self.targets is None else self.targets[signed]
        targets, floors = targets[moved], -base[moved] / factors[moved]
        places = np.unique(targets)
        highest = np.full(len(places), -np.inf)
        np.maximum.at(highest, np.searchsorted(places, targets), floors)
        self._keep_above(places.astype(np.int32), highest)

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self._n_rooms):
            free(self._rooms[k].slot)
        free(self._rooms)

    def __reduce__(self):
        return AffineProblem, (self.inner, np.array(self.base), self.factors, self.targets)

    @property
    def plain(self):
        return self.inner

    def whole(self, weights):
        moved = weights if self.targets is None else weights[self.targets]
        return self.base + self.factors * moved

    # ---- what the plain problem is told, and answers

    def set_sample_weight(self, sample_weight):
        self.inner.set_sample_weight(sample_weight)

    @property
    def is_weighted(self):
        return self.inner.is_weighted

    def set_rescaling(self, str rescaling):
        self.inner.set_rescaling(rescaling)
        self._rescaling = self.inner._rescaling

    def go_on_from(self, bint exact):
        self.inner.go_on_from(exact)
        self.exact = self.inner.exact

    def example_weights(self):
        return self.inner.example_weights()

    def answers_at(self, examples, weights, **options):
        return self.inner.answers_at(examples, self.whole(weights), **options)

    def truth_sizes(self, examples, weights):
        return self.inner.truth_sizes(examples, self.whole(weights))

    def truth_losses(self, examples):
        return self.inner.truth_losses(examples)

    def rival(self, Py_ssize_t i, weights, double push):
        return self.inner.rival(i, self.whole(weights), push)

    def truth_change(self, AffineProblem before not None, Py_ssize_t i):
        """See the plain problems. Without a base alone, as with one losses change, too."""
        indices, values = self.inner.truth_change(before.inner, i)
        values = self.factors[indices] * values
        if self.targets is None:
            return indices, values
        places, of_place = np.unique(self.targets[indices], return_inverse=True)
        return places, np.bincount(of_place, weights=values, minlength=len(places))

    def predict(self, weights, **options):
        return self.inner.predict(self.whole(weights), **options)

    @property
    def model_name(self):
        return self.inner.model_name

    def method_name(self, str method):
        return self.inner.method_name(method)

    # ---- planes

    cpdef int reserve(self, Py_ssize_t n_threads) except -1:
        cdef Py_ssize_t j, k, n = max(self.n_weights, 1)
        cdef Room* rooms
        self.inner.reserve(n_threads)
        if n_threads > self._n_rooms:
            rooms = <Room*> realloc(self._rooms, n_threads * sizeof(Room))
            if rooms == NULL:
                raise MemoryError(f"no memory for {n_threads} threads")
            self._rooms = rooms
            for k in range(self._n_rooms, n_threads):
                vector = padded_vector(self.n_weights)
                rooms[k].whole = weights_of(vector)
                rooms[k].slot = <index_t*> realloc(NULL, n * sizeof(index_t))
                if rooms[k].slot == NULL:
                    raise MemoryError(f"no memory for {n} weights")
                for j in range(n):
                    rooms[k].slot[j] = -1
                self._vectors.append(vector)
                self._n_rooms = k + 1
        self.n_threads = max(self.n_threads, n_threads)
        return 0

    cdef void _expand(self, const Weights* v, int thread) noexcept nogil:
        """Write the model's weights."""
        cdef double* whole = <double*> self._rooms[thread].whole.data
        cdef const double* base = &self._base[0]
        cdef const double* factors = &self._factors[0]
        cdef Py_ssize_t j
        if self._targets is None:
            for j in range(self.n_weights):
                whole[j] = base[j] + factors[j] * (v.scale * v.data[j])
        else:
            for j in range(self.n_weights):
                whole[j] = base[j] + factors[j] * (v.scale * v.data[self._targets[j]])

    cdef void _reduce(self, Plane* out, int thread) noexcept nogil:
        """Turn a plane of the model's weights into one of the new weights."""
        cdef index_t* slot = self._rooms[thread].slot
        cdef Py_ssize_t e, n = 0, kept = 0
        cdef index_t j, target
        cdef double value
        self._rooms[thread].loss = out.loss
        for e in range(out.nnz):
            j = out.indices[e]
            value = out.values[e]
            out.loss -= self._base[j] * value
            value *= self._factors[j]
            target = j if self._targets is None else self._targets[j]
            if value == 0.0:
                continue
            if slot[target] >= 0:
                out.values[slot[target]] += value
                continue
            slot[target] = <index_t> n
            out.indices[n] = target
            out.values[n] = value
            n += 1
        for e in range(n):
            slot[out.indices[e]] = -1
            if out.values[e] != 0.0:
                out.indices[kept] = out.indices[e]
                out.values[kept] = out.values[e]
                kept += 1
        out.nnz = kept

    cdef int plane(
        self, Py_ssize_t i, const Weights* w, int thread, Plane* out
    ) except -1 nogil:
        cdef Weights shifted = w[0]
        if self._targets is None and self.inner.takes_base:
            # The new weights of fixed ones are 0, as no plane has them.
            shifted.base = &self._base[0]
            self.inner.plane(i, &shifted, thread, out)
        else:
            self._expand(w, thread)
            self.inner.plane(i, &self._rooms[thread].whole, thread, out)
        self._reduce(out, thread)
        self.exact = self.inner.exact
        return 0

    cdef double task_loss(self, const Plane* plane, int thread) noexcept nogil:
        return self._rooms[thread].loss

    def planes(
        self, const index_t[::1] examples not None, w, PlaneBatch out not None,
        Py_ssize_t start=0, int thread=0,
    ):
        cdef Weights weights = self._checked(examples, w, thread)
        cdef Py_ssize_t k, n = examples.shape[0]
        with nogil:
            self._expand(&weights, thread)
        self.inner.planes(examples, self._vectors[thread], out, start, thread)
        with nogil:
            for k in range(start, start + n):
                self._reduce(&out.planes[k], thread)
        self.exact = self.inner.exact

    def pack(self, question, examples, weights):
        return self.inner.pack(question, examples, self.whole(weights))

    def unpack(self, examples, piece, out, Py_ssize_t start=0):
        cdef PlaneBatch batch
        cdef Py_ssize_t k
        self.inner.unpack(examples, piece, out, start)
        if isinstance(out, PlaneBatch):
            self.reserve(1)
            batch = out
            for k in range(start, start + len(examples)):
                self._reduce(&batch.planes[k], 0)
