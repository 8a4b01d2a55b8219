"""The planes of all examples; see ``_plane_store.pxd``.

Design: there is one block for each example, often with a single plane, so a block costs 48 bytes
until it holds one, and its arrays grow in small steps.
"""

import numpy as np

from libc.math cimport INFINITY, fabs
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memset

from structsvm._typedefs cimport index_t, offset_t
from structsvm.linalg._plane cimport Plane, Weights, plane_size, plane_value

from structsvm.exceptions import ModelFileError
from structsvm.data.snapshots import Kind, vector

# In a snapshot: tolerance of the sum of dual weights, and the greatest `idle`.
ROUNDED = 1e-6
MOST_IDLE = 2**30


cdef double current_height(const Block* b) noexcept nogil:
    """The height of the block's convex combination of planes."""
    cdef int p
    cdef double total = 0.0
    for p in range(b.size):
        total += b.planes[p].weight * b.planes[p].height
    return total


cdef double rounding_of_heights(const Block* b) noexcept nogil:
    """Magnitude of the terms of the heights, which their rounding is relative to."""
    cdef int p
    cdef double greatest = 0.0
    for p in range(b.size):
        greatest = max(
            greatest, fabs(b.planes[p].loss) + fabs(b.planes[p].loss - b.planes[p].height)
        )
    return greatest


cdef int longest_idle(const Block* b) noexcept nogil:
    """The plane without weight with the greatest `idle`, of several the lowest; or TRUTH."""
    cdef int p, worst = TRUTH
    cdef const KnownPlane* k
    cdef const KnownPlane* w
    for p in range(b.size):
        k = &b.planes[p]
        if k.weight > 0.0:
            continue
        if worst != TRUTH:
            w = &b.planes[worst]
            if k.idle < w.idle or (k.idle == w.idle and k.height >= w.height):
                continue
        worst = p
    return worst


cdef class PlaneStore:
    """The planes of each example, their dual weights, and so a dual point.

    Parameters
    ----------
    n_examples, n_weights : int
    max_planes : int, default=20
        Most planes of an example; planes in use are never dropped, even beyond this. 0 keeps only
        planes in use.
    drop_after : int, default=2
        A plane without weight is dropped after so many exact visits.
    mixed : bool, default=False
        Whether plane 0 of each block is a mixture with all the weight, for Frank-Wolfe steps.

    Attributes
    ----------
    n_planes : int
        Number of stored planes.
    n_entries : int
        Numbers that the stored planes are made of.
    patient : bool
        Blocks may hold twice `max_planes` for now.
    """

    def __cinit__(self):
        self.blocks = NULL

    def __init__(
        self, Py_ssize_t n_examples, Py_ssize_t n_weights, *, int max_planes=20, int drop_after=2,
        bint mixed=False,
    ):
        cdef Py_ssize_t i
        self.n_examples, self.n_weights = n_examples, n_weights
        self.max_planes, self.drop_after = max_planes, drop_after
        self.mixed = mixed
        self.first_droppable = 1 if mixed else 0
        self.blocks = <Block*> calloc(max(n_examples, 1), sizeof(Block))
        if self.blocks == NULL:
            raise MemoryError(f"no memory for {n_examples} blocks")
        for i in range(n_examples):
            self.blocks[i].truth_weight = 1.0

    def __dealloc__(self):
        cdef Py_ssize_t i
        if self.blocks != NULL and not self.is_share:
            for i in range(self.n_examples):
                free(self.blocks[i].planes)
                free(self.blocks[i].gram)
            free(self.blocks)

    # ------------------------------------------------------------------ for subclasses

    cdef int rescore(self, Py_ssize_t i, const double* w) noexcept nogil:
        """Compute the heights of all planes at w; returns the highest plane, or TRUTH."""
        return TRUTH

    cdef double value(self, Py_ssize_t i, const Plane* plane, const Weights* w) noexcept nogil:
        """The height of an oracle's plane at w, where the block has just been rescored."""
        return plane_value(plane, w)

    cdef double size_of(self, Py_ssize_t i, const Plane* plane, const Weights* w) noexcept nogil:
        """Magnitude of the terms of that height."""
        return plane_size(plane, w)

    cdef void add(self, Py_ssize_t i, int p, double factor, double* target) noexcept nogil:
        """target += factor * delta. target INOUT: (n_weights,)"""

    cdef void add_all(self, Py_ssize_t i, const double* shares, double* target) noexcept nogil:
        """The same for all planes of the block, each times its share."""
        cdef int p
        for p in range(self.blocks[i].size):
            if shares[p] != 0.0:
                self.add(i, p, shares[p], target)

    cdef void add_used(self, Py_ssize_t i, double* target) noexcept nogil:
        """The same for all planes of the block, each times its dual weight."""
        cdef int p
        for p in range(self.blocks[i].size):
            if self.blocks[i].planes[p].weight > 0.0:
                self.add(i, p, self.blocks[i].planes[p].weight, target)

    cdef double size_at(self, Py_ssize_t i, int p, const Weights* w) noexcept nogil:
        """Magnitude of the terms of the height at w: |loss| + sum |w delta|."""
        return 0.0

    cdef Py_ssize_t entries(self, Py_ssize_t i, int p) noexcept nogil:
        """Number of entries of the plane."""
        return 0

    cdef int append(self, Py_ssize_t i, const Plane* plane) except -1 nogil:
        """Copy a plane after the last one, and fill in its row of the Gram matrix."""
        return 0

    cdef void remove(self, Py_ssize_t i, int p) noexcept nogil:
        """Free the plane's vector; later planes move up."""

    cdef int mix(self, Py_ssize_t i, int p, double share) except -1 nogil:
        """Plane 0 becomes (1 - share) times itself plus `share` times plane p, even TRUTH."""
        return 0

    cdef int grow(self, Py_ssize_t i) except -1 nogil:
        """Make room for at least one more plane."""
        cdef Block* b = &self.blocks[i]
        cdef int capacity = b.capacity + 2 if b.capacity < 8 else 2 * b.capacity
        cdef KnownPlane* planes
        cdef double* gram
        planes = <KnownPlane*> realloc(b.planes, capacity * sizeof(KnownPlane))
        if planes != NULL:
            b.planes = planes
        gram = <double*> realloc(b.gram, capacity * (capacity + 1) // 2 * sizeof(double))
        if gram != NULL:
            b.gram = gram
        if planes == NULL or gram == NULL:
            with gil:
                raise MemoryError(f"no memory for {capacity} planes of one example")
        b.capacity = capacity
        return 0

    cdef object zeros(self):
        return np.zeros(self.n_weights)

    cdef object trimmed(self, vector):
        return vector

    cdef object fitted(self, weights):
        weights = np.ascontiguousarray(weights, dtype=np.float64)
        if len(weights) != self.n_weights:
            raise ValueError(f"there are {len(weights)} weights, expected {self.n_weights}")
        return weights

    # ------------------------------------------------------------------ for several threads

    cdef PlaneStore share(self, int thread):
        raise TypeError(f"{type(self).__name__} has no shares")

    cdef lend(self, PlaneStore share):
        share.lender, share.is_share, share.blocks = self, True, self.blocks
        share.n_examples, share.n_weights = self.n_examples, self.n_weights
        share.max_planes, share.drop_after = self.max_planes, self.drop_after
        share.mixed, share.first_droppable = self.mixed, self.first_droppable

    cdef take_counts(self, PlaneStore share):
        """Add what a share has counted, which begins anew."""
        self.n_planes += share.n_planes
        self.n_entries += share.n_entries
        share.n_planes = share.n_entries = 0

    # ------------------------------------------------------------------ planes of one block

    cdef int keep(self, Py_ssize_t i, const Plane* plane, double height) except -1 nogil:
        """Store a plane with weight 0; a full block first drops a plane without weight."""
        cdef Block* b = &self.blocks[i]
        cdef Plane empty
        cdef int idle
        if self.mixed and b.size == 0:
            # The mixture starts as the plane of the truth.
            memset(&empty, 0, sizeof(Plane))
            self.insert(i, &empty, 0.0)
            b.planes[0].weight = 1.0
            b.truth_weight = 0.0
        if self.max_planes and b.size >= (1 + self.patient) * self.max_planes:
            idle = longest_idle(b)
            if idle != TRUTH:
                self.forget(i, idle)
        return self.insert(i, plane, height)

    cdef int find(self, Py_ssize_t i, int serial) noexcept nogil:
        """The place of the plane with this serial number; TRUTH if it is gone."""
        cdef int p
        for p in range(self.blocks[i].size):
            if self.blocks[i].planes[p].serial == serial:
                return p
        return TRUTH

    cdef int insert(self, Py_ssize_t i, const Plane* plane, double height) except -1 nogil:
        cdef Block* b = &self.blocks[i]
        cdef KnownPlane* known
        if b.size == b.capacity:
            self.grow(i)
        known = &b.planes[b.size]
        known.weight, known.height, known.loss, known.idle = 0.0, height, plane.loss, 0
        known.serial = b.next_serial
        b.next_serial += 1
        self.append(i, plane)
        b.size += 1
        self.n_planes += 1
        self.n_entries += self.entries(i, b.size - 1)
        return 0

    cdef void forget(self, Py_ssize_t i, int p) noexcept nogil:
        """Drop plane p; later planes move up."""
        cdef Block* b = &self.blocks[i]
        cdef int q, r
        self.n_planes -= 1
        self.n_entries -= self.entries(i, p)
        self.remove(i, p)
        for q in range(p + 1, b.size):
            for r in range(q + 1):
                if r < p:
                    b.gram[(q - 1) * q // 2 + r] = b.gram[q * (q + 1) // 2 + r]
                elif r > p:
                    b.gram[(q - 1) * q // 2 + r - 1] = b.gram[q * (q + 1) // 2 + r]
            b.planes[q - 1] = b.planes[q]
        b.size -= 1

    cdef void age(self, Py_ssize_t i, double below) noexcept nogil:
        """Drop planes lower than `below` that have had no weight for `drop_after` visits."""
        cdef Block* b = &self.blocks[i]
        cdef int p
        for p in range(b.size - 1, self.first_droppable - 1, -1):
            if b.planes[p].weight > 0.0:
                b.planes[p].idle = 0
            else:
                b.planes[p].idle += 1
                if b.planes[p].idle >= self.drop_after and b.planes[p].height < below:
                    self.forget(i, p)

    cdef void forget_unused(self, Py_ssize_t i) noexcept nogil:
        """Drop all planes without weight."""
        cdef int p
        for p in range(self.blocks[i].size - 1, self.first_droppable - 1, -1):
            if self.blocks[i].planes[p].weight == 0.0:
                self.forget(i, p)

    # ------------------------------------------------------------------ all blocks

    def forget_idle(self):
        """Drop planes without weight for `drop_after` calls of this method."""
        cdef Py_ssize_t i
        with nogil:
            for i in range(self.n_examples):
                self.age(i, INFINITY)

    def aggregate(self, weights, index_t[::1] serials=None):
        """The mean of the highest plane of each example, the truth where none is higher.

        It is a lower bound of the mean hinge, and equals it at `weights` right after
        ``Evaluator.evaluate(weights)``.

        Parameters
        ----------
        weights : ndarray of shape (n_weights,)
        serials : int32 ndarray of shape (n_examples,), default=None
            Receives the serial number of the plane taken of each example, -1 for the truth.

        Returns
        -------
        delta : ndarray of shape (n_weights,)
        loss : float
        """
        cdef Py_ssize_t i
        cdef int p, best
        cdef double loss = 0.0
        cdef Block* b
        delta = self.zeros()
        cdef double[::1] delta_view = delta
        cdef const double[::1] w = self.fitted(weights)
        with nogil:
            for i in range(self.n_examples):
                b = &self.blocks[i]
                best = self.rescore(i, &w[0])
                for p in range(b.size):
                    b.planes[p].idle = 0 if p == best else b.planes[p].idle + 1
                if best != TRUTH:
                    self.add(i, best, 1.0, &delta_view[0])
                    loss += b.planes[best].loss
                if serials is not None:
                    serials[i] = TRUTH if best == TRUTH else b.planes[best].serial
        return self.trimmed(delta) / max(self.n_examples, 1), loss / max(self.n_examples, 1)

    def look_at(self, weights):
        """Have the heights of all planes at `weights`."""
        cdef Py_ssize_t i
        cdef const double[::1] w = self.fitted(weights)
        with nogil:
            for i in range(self.n_examples):
                self.rescore(i, &w[0])

    def hinge_at_multiple(self, double multiple):
        """Mean hinge of the stored planes at a multiple of the weights of `look_at`, and its slope.

        Returns
        -------
        hinge, slope : float
            A lower bound of the mean hinge there.
        """
        cdef Py_ssize_t i
        cdef int p
        cdef double height, inner, best, falls, hinge = 0.0, slope = 0.0
        cdef const KnownPlane* known
        with nogil:
            for i in range(self.n_examples):
                best = falls = 0.0
                for p in range(self.blocks[i].size):
                    known = &self.blocks[i].planes[p]
                    inner = known.loss - known.height
                    height = known.loss - multiple * inner
                    if height > best:
                        best = height
                        falls = inner
                hinge += best
                slope -= falls
        return hinge / max(self.n_examples, 1), slope / max(self.n_examples, 1)

    def combination(self):
        """The dual point computed anew: ``z = sum_i alpha_i delta_i / n`` and its loss term.

        Returns
        -------
        z : ndarray of shape (n_weights,)
        loss : float
            ``sum_i alpha_i Delta_i / n``; the dual value is ``loss - |P(z)|^2 / (2 lambda)`` with
            the projection P of ``Problem.project``.
        """
        cdef Py_ssize_t i
        cdef int p
        cdef double loss = 0.0
        cdef const KnownPlane* known
        z = self.zeros()
        cdef double[::1] z_view = z
        with nogil:
            for i in range(self.n_examples):
                self.add_used(i, &z_view[0])
                for p in range(self.blocks[i].size):
                    known = &self.blocks[i].planes[p]
                    if known.weight > 0.0:
                        loss += known.weight * known.loss
        z = self.trimmed(z)
        z /= max(self.n_examples, 1)
        return z, loss / max(self.n_examples, 1)

    def dual_point(self):
        """The dual weights above 0: of which examples, serial numbers of their planes, weights."""
        cdef Py_ssize_t i, k = 0
        cdef int p
        cdef const KnownPlane* known
        examples, serials = np.empty((2, self.n_planes), dtype=np.int32)
        weights = np.empty(self.n_planes)
        cdef index_t[::1] of_example = examples, of_plane = serials
        cdef double[::1] weight = weights
        with nogil:
            for i in range(self.n_examples):
                for p in range(self.blocks[i].size):
                    known = &self.blocks[i].planes[p]
                    if known.weight > 0.0:
                        of_example[k], of_plane[k] = <index_t> i, known.serial
                        weight[k] = known.weight
                        k += 1
        return examples[:k].copy(), serials[:k].copy(), weights[:k].copy()

    def holds(self, const index_t[::1] examples, const index_t[::1] serials):
        """Whether all these planes are still there."""
        cdef Py_ssize_t k
        for k in range(examples.shape[0]):
            if self.find(examples[k], serials[k]) == TRUTH:
                return False
        return True

    def spare(self, const index_t[::1] examples, const index_t[::1] serials, int visits):
        """Have these planes dropped only after so many more exact visits without weight."""
        cdef Py_ssize_t k
        cdef int p
        for k in range(examples.shape[0]):
            p = self.find(examples[k], serials[k])
            if p != TRUTH:
                self.blocks[examples[k]].planes[p].idle = -visits

    def go_to(
        self, const index_t[::1] examples, const index_t[::1] serials, const double[::1] weights
    ):
        """Have these dual weights, added up where a plane comes twice, and no others.

        What planes that are gone would have, the truth of their example gets; so does what is
        missing to one. Not for a store that is `mixed`.
        """
        cdef Py_ssize_t i, k
        cdef int p
        cdef double total
        cdef Block* b
        if self.mixed:
            raise ValueError("the weight of a mixture cannot be set")
        with nogil:
            for i in range(self.n_examples):
                for p in range(self.blocks[i].size):
                    self.blocks[i].planes[p].weight = 0.0
            for k in range(examples.shape[0]):
                p = self.find(examples[k], serials[k])
                if p != TRUTH:
                    self.blocks[examples[k]].planes[p].weight += weights[k]
            for i in range(self.n_examples):
                b = &self.blocks[i]
                total = 0.0
                for p in range(b.size):
                    total += b.planes[p].weight
                if total > 1.0:  # by rounding
                    for p in range(b.size):
                        b.planes[p].weight /= total
                b.truth_weight = 1.0 - total if total < 1.0 else 0.0

    def support(self):
        """Number, mean squared norm and mean loss of the planes with weight."""
        cdef Py_ssize_t i, count = 0
        cdef int p
        cdef double sqnorm = 0.0, loss = 0.0
        cdef const Block* b
        with nogil:
            for i in range(self.n_examples):
                b = &self.blocks[i]
                for p in range(b.size):
                    if b.planes[p].weight > 0.0:
                        count += 1
                        sqnorm += gram_at(b, p, p)
                        loss += b.planes[p].loss
        return count, sqnorm / max(count, 1), loss / max(count, 1)

    # ------------------------------------------------------------------ snapshots

    def snapshot(self):
        """The state as arrays, from which `restore` makes the same bits again."""
        cdef Py_ssize_t i, k, place = 0, cell = 0, n_cells = 0
        cdef int p
        cdef const Block* b
        for i in range(self.n_examples):
            n_cells += self.blocks[i].size * (self.blocks[i].size + 1) // 2
        sizes, serials = np.zeros((2, self.n_examples), dtype=np.int32)
        truth = np.zeros(self.n_examples)
        planes, counts = np.zeros((self.n_planes, 3)), np.zeros((self.n_planes, 3), dtype=np.int64)
        gram = np.zeros(n_cells)
        cdef index_t[::1] sizes_view = sizes, serials_view = serials
        cdef double[::1] truth_view = truth, gram_view = gram
        cdef double[:, ::1] planes_view = planes
        cdef offset_t[:, ::1] counts_view = counts
        for i in range(self.n_examples):
            b = &self.blocks[i]
            sizes_view[i] = b.size
            serials_view[i] = b.next_serial
            truth_view[i] = b.truth_weight
            for p in range(b.size):
                planes_view[place, 0] = b.planes[p].weight
                planes_view[place, 1] = b.planes[p].height
                planes_view[place, 2] = b.planes[p].loss
                counts_view[place, 0] = b.planes[p].idle
                counts_view[place, 1] = self.entries(i, p)
                counts_view[place, 2] = b.planes[p].serial
                place += 1
            for k in range(b.size * (b.size + 1) // 2):
                gram_view[cell] = b.gram[k]
                cell += 1
        return {
            "sizes": sizes, "serials": serials, "truth": truth, "planes": planes,
            "counts": counts, "gram": gram,
        }

    def kinds(self):
        """What `snapshot` holds."""
        return {
            "sizes": Kind(np.int32, (self.n_examples,), 0),
            "serials": Kind(np.int32, (self.n_examples,), 0, MOST_IDLE),
            "truth": Kind(np.float64, (self.n_examples,), 0.0, 1.0 + ROUNDED),
            "planes": Kind(np.float64, (None, 3)),
            "counts": Kind(np.int64, (None, 3), -MOST_IDLE, MOST_IDLE),
            "gram": vector(None),
        }

    def restore(self, held):
        """Restore what `snapshot` returned for planes of the same problem and options.

        Raises
        ------
        ModelFileError
            If the arrays do not fit each other.
        """
        cdef Py_ssize_t i, k, place = 0, cell = 0
        cdef int p
        cdef Block* b
        cdef const index_t[::1] sizes = held["sizes"], serials = held["serials"]
        cdef const double[::1] truth = held["truth"], gram = held["gram"]
        cdef const double[:, ::1] planes = held["planes"]
        cdef const offset_t[:, ::1] counts = held["counts"]
        size, weight = np.asarray(sizes).astype(np.int64), np.asarray(planes)[:, 0]
        self.check(
            (size <= len(planes)).all() and size.sum() == len(planes) == len(counts)
            and (size * (size + 1) // 2).sum() == len(gram)
            # A dual point: the weights of each block are >= 0 and sum to 1 with the truth's.
            and (weight >= 0.0).all()
            and np.allclose(
                np.bincount(np.repeat(np.arange(len(size)), size), weight, len(size)),
                1.0 - np.asarray(truth), rtol=0.0, atol=ROUNDED,
            )
        )
        self.clear()
        for i in range(self.n_examples):
            b = &self.blocks[i]
            b.truth_weight = truth[i]
            while b.capacity < sizes[i]:
                self.grow(i)
            b.size = sizes[i]
            b.next_serial = serials[i]
            for p in range(b.size):
                b.planes[p].weight = planes[place, 0]
                b.planes[p].height = planes[place, 1]
                b.planes[p].loss = planes[place, 2]
                b.planes[p].idle = <int> counts[place, 0]
                b.planes[p].serial = <int> counts[place, 2]
                self.n_entries += counts[place, 1]
                place += 1
            for k in range(b.size * (b.size + 1) // 2):
                b.gram[k] = gram[cell]
                cell += 1
        self.n_planes = place

    def check(self, fits):
        if not fits:
            raise ModelFileError(
                "the snapshot does not fit this problem: its planes are not for "
                f"{self.n_examples} examples"
            )

    def clear(self):
        """Drop all planes; all weight is on the truth again."""
        cdef Py_ssize_t i
        for i in range(self.n_examples):
            while self.blocks[i].size:
                self.forget(i, self.blocks[i].size - 1)
            self.blocks[i].truth_weight = 1.0

    @property
    def nbytes(self):
        """Memory of the planes and their Gram matrices, in bytes."""
        cdef Py_ssize_t i, capacity, total = self.n_examples * sizeof(Block)
        for i in range(self.n_examples):
            capacity = self.blocks[i].capacity
            total += capacity * sizeof(KnownPlane) + capacity * (capacity + 1) // 2 * sizeof(double)
        return total
