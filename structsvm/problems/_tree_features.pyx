"""Features of dependency trees; see ``_tree_features.pxd`` and ``arc_features.h``."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

from structsvm._typedefs cimport index_t, label_t
from structsvm.linalg._plane cimport (
    Plane, PlaneBatch, PlaneBuilder, Weights, builder_add, builder_finish,
)
from structsvm.problems._features cimport FeatureBlock, RowSums

cdef extern from "structsvm/features/arc_features.h" nogil:
    uint64_t ssvm_role_key(
        const ssvm_templates* ts, Py_ssize_t k, int role, const uint64_t* token
    )
    uint64_t ssvm_no_sibling_key(const ssvm_templates* ts, Py_ssize_t k)
    Py_ssize_t ssvm_tree_room(const ssvm_tree_features* f, Py_ssize_t n)
    ssvm_slots ssvm_arc_slots(Py_ssize_t h, Py_ssize_t m)
    ssvm_slots ssvm_sibling_slots(Py_ssize_t h, Py_ssize_t s, Py_ssize_t m)
    ssvm_slots ssvm_grandparent_slots(Py_ssize_t g, Py_ssize_t h, Py_ssize_t m)
    Py_ssize_t ssvm_turn(Py_ssize_t g, Py_ssize_t h, Py_ssize_t m)
    void ssvm_between_add(
        ssvm_between* b, const uint64_t* rows, const uint8_t* kinds, Py_ssize_t t
    )
    void ssvm_context_keys(const ssvm_between* b, uint64_t* keys)
    void ssvm_arc_scores(
        const ssvm_tree_features* f, const uint64_t* rows, const uint8_t* kinds, Py_ssize_t n,
        const double* w, double scale, double* scores, uint64_t* room,
    )
    void ssvm_sibling_scores(
        const ssvm_tree_features* f, const uint64_t* rows, Py_ssize_t n, const double* w,
        double scale, double* scores, uint64_t* room,
    )
    void ssvm_grandparent_scores(
        const ssvm_tree_features* f, const uint64_t* rows, Py_ssize_t n, const double* w,
        double scale, double* scores, uint64_t* room,
    )

LINE = SSVM_LINE

# A slot that is not there: of pairs of grandparent and modifier, which have no distance.
cdef enum:
    NO_SLOT = -1


cdef class TreeBlock(FeatureBlock):
    """Scores of the parts of dependency trees.

    The parts of a sentence of n tokens, with the root as token 0, are arcs (h, m), at place
    h * n + m - 1; with order 2 then siblings (h, m, s), at (h * n + m - 1) * (n + 1) + s; with
    order 3 then grandparents (h, m, g) likewise.

    Parameters
    ----------
    templates : list of tuples of arrays
        The groups of ``ssvm_tree_features`` in its order, each with start, place, factor, salt and
        context of ``ssvm_templates``.
    rows : uint64 array of shape (n_rows, SSVM_ATTRIBUTES)
        The attributes of the tokens of all sentences: SSVM_MARGIN rows, root, tokens,
        SSVM_MARGIN rows.
    kinds : uint8 array of shape (n_rows,)
    lengths : int64 array of shape (n_examples,)
        Numbers of tokens, without the root.
    place : int
        Start of the table in the weight vector; it has ``2 ** n_bits`` lines of `LINE` weights.
    n_bits : int
        1 to 26.
    order : {1, 2, 3}
    single_root, nested : bool
        Whether only one token hangs from the root, and whether trees are projective: scores of
        parts that cannot be are 0 then.
    """

    def __init__(
        self, templates, rows, kinds, lengths, *, Py_ssize_t place, int n_bits, int order,
        bint single_root, bint nested,
    ):
        cdef Py_ssize_t i, n
        cdef ssvm_tree_features* f = &self.features
        cdef ssvm_templates* groups = &f.head
        self.rows = rows
        self.kinds = kinds
        self.lengths = lengths
        self.place = place
        self.n_examples = self.lengths.shape[0]
        self.width = self.stride = 1
        self.weights_stop = place + (<Py_ssize_t> 1 << n_bits) * SSVM_LINE
        f.order, f.single_root, f.nested, f.shift = order, single_root, nested, 64 - n_bits
        if not 1 <= n_bits <= 26 or not 1 <= order <= 3:
            raise ValueError(f"n_bits is {n_bits}, order {order}; expected 1 to 26 and 1 to 3")
        self._held = []
        for i, arrays in enumerate(templates):
            self._set(&groups[i], arrays)
        sizes = np.asarray(lengths) + (1 + 2 * SSVM_MARGIN)
        self.roots = np.append(0, np.cumsum(sizes))[:len(sizes)] + SSVM_MARGIN
        if sizes.sum() != self.rows.shape[0] or self.kinds.shape[0] != self.rows.shape[0]:
            raise ValueError(f"{self.rows.shape[0]} rows of tokens, expected {sizes.sum()}")
        if self.rows.shape[1] != SSVM_ATTRIBUTES:
            raise ValueError(f"{self.rows.shape[1]} attributes, expected {SSVM_ATTRIBUTES}")
        for i in range(self.n_examples):
            n = self.lengths[i]
            if n_parts(n, order) >= 1 << 31:
                raise ValueError(f"example {i} has {n_parts(n, order)} parts, below 2**31 expected")
            self.n_room = max(self.n_room, ssvm_tree_room(f, n))
            self.most_width = max(self.most_width, n)  # room for the tags between two tokens

    cdef int _set(self, ssvm_templates* ts, arrays) except -1:
        cdef const int32_t[::1] start, place, context
        cdef const uint64_t[::1] factor, salt
        start, place, factor, salt, context = arrays
        self._held.append(arrays)
        ts.n = <int32_t> context.shape[0]
        ts.start = &start[0]
        ts.place = &place[0] if place.shape[0] else NULL
        ts.factor = &factor[0] if factor.shape[0] else NULL
        ts.salt = &salt[0] if salt.shape[0] else NULL
        ts.context = &context[0] if context.shape[0] else NULL
        return 0

    cdef Py_ssize_t n_rows(self, Py_ssize_t i) noexcept nogil:
        return n_parts(self.lengths[i], self.features.order)

    cdef int scores(
        self, Py_ssize_t i, const Weights* w, double factor, double* scores
    ) except -1 nogil:
        cdef Py_ssize_t n = self.lengths[i], n_arcs = (n + 1) * n
        cdef const uint64_t* rows = &self.rows[self.roots[i], 0]
        cdef const double* table = w.data + self.place
        cdef double scale = factor * w.scale
        cdef uint64_t* room = <uint64_t*> (scores + n_parts(n, self.features.order))
        ssvm_arc_scores(
            &self.features, rows, &self.kinds[self.roots[i]], n, table, scale, scores, room
        )
        scores += n_arcs
        if self.features.order >= 2:
            ssvm_sibling_scores(&self.features, rows, n, table, scale, scores, room)
        scores += n_arcs * (n + 1)
        if self.features.order >= 3:
            ssvm_grandparent_scores(&self.features, rows, n, table, scale, scores, room)
        return 0

    cdef int accumulate(
        self, Py_ssize_t i, const index_t* parts, const double* counts, Py_ssize_t n,
        Py_ssize_t first, double factor, RowSums* sums, PlaneBuilder* out,
    ) except -1 nogil:
        cdef ssvm_tree_features* f = &self.features
        cdef Py_ssize_t length = self.lengths[i], n_arcs = (length + 1) * length
        cdef Py_ssize_t p, k, h, m, third
        cdef ssvm_slots slots
        cdef double count
        for k in range(n):
            p = parts[k] - first
            count = factor * counts[k]
            if p < n_arcs:
                self.add_arc(i, p // length, p % length + 1, count, sums.columns, out)
                continue
            p -= n_arcs
            h = p // (length + 1)
            third = p - h * (length + 1)
            m = h % length + 1
            h = h // length
            if p < n_arcs * (length + 1):
                slots = ssvm_sibling_slots(h, third, m)
                self.add(&f.sibling, i, h, m, third, 0, NULL, slots, count, out)
                if third != h:
                    self.add(&f.next, i, h, m, third, 0, NULL, slots, count, out)
                continue
            h -= length + 1
            slots = ssvm_grandparent_slots(third, h, m)
            self.add(&f.grandparent, i, h, m, h, third, NULL, slots, count, out)
            slots.all = ssvm_turn(third, h, m)
            slots.near = NO_SLOT
            self.add(&f.far, i, h, m, h, third, NULL, slots, count, out)
        return 0

    cdef int add(
        self, const ssvm_templates* ts, Py_ssize_t i, Py_ssize_t h, Py_ssize_t m, Py_ssize_t s,
        Py_ssize_t g, const uint64_t* contexts, ssvm_slots slots, double count, PlaneBuilder* out,
    ) except -1 nogil:
        cdef const uint64_t* root = &self.rows[self.roots[i], 0]
        cdef Py_ssize_t k, line
        cdef uint64_t key
        for k in range(ts.n):
            key = ssvm_role_key(ts, k, SSVM_HEAD, root + h * SSVM_ATTRIBUTES)
            key += ssvm_role_key(ts, k, SSVM_MODIFIER, root + m * SSVM_ATTRIBUTES)
            if s == h:
                key += ssvm_no_sibling_key(ts, k)
            else:
                key += ssvm_role_key(ts, k, SSVM_SIBLING, root + s * SSVM_ATTRIBUTES)
            key += ssvm_role_key(ts, k, SSVM_GRANDPARENT, root + g * SSVM_ATTRIBUTES)
            if contexts != NULL:
                key += contexts[ts.context[k]]
            line = self.place + <Py_ssize_t> (key >> self.features.shift) * SSVM_LINE
            builder_add(out, line + slots.all, count)
            if slots.near != NO_SLOT:
                builder_add(out, line + slots.near, count)
        return 0

    cdef int add_arc(
        self, Py_ssize_t i, Py_ssize_t h, Py_ssize_t m, double count, int32_t* tags,
        PlaneBuilder* out,
    ) except -1 nogil:
        cdef ssvm_tree_features* f = &self.features
        cdef const ssvm_templates* ts = &f.around
        cdef const uint64_t* root = &self.rows[self.roots[i], 0]
        cdef const uint8_t* kinds = &self.kinds[self.roots[i]]
        cdef ssvm_slots slots = ssvm_arc_slots(h, m)
        cdef uint64_t[SSVM_CONTEXTS] contexts
        cdef uint64_t key
        cdef ssvm_between b
        cdef Py_ssize_t t, k, c, line, at
        self.add(&f.head, i, h, m, h, h, NULL, slots, count, out)
        self.add(&f.modifier, i, h, m, h, h, NULL, slots, count, out)
        self.add(&f.arc, i, h, m, h, h, NULL, slots, count, out)
        b.tags = tags
        b.n_tags = 0
        b.set = 0
        b.verbs = b.punctuation = b.conjunctions = 0
        for t in range(min(h, m) + 1, max(h, m)):
            ssvm_between_add(&b, root, kinds, t)
        ssvm_context_keys(&b, contexts)
        for k in range(ts.n):
            key = ssvm_role_key(ts, k, SSVM_HEAD, root + h * SSVM_ATTRIBUTES)
            key += ssvm_role_key(ts, k, SSVM_MODIFIER, root + m * SSVM_ATTRIBUTES)
            key += contexts[ts.context[k]]
            at = k * SSVM_ROLES + SSVM_BETWEEN
            for c in range(1 if ts.start[at] == ts.start[at + 1] else b.n_tags):
                line = self.place + SSVM_LINE * <Py_ssize_t> ((
                    key if ts.start[at] == ts.start[at + 1] else key + ssvm_role_key(
                        ts, k, SSVM_BETWEEN, root + b.tags[c] * SSVM_ATTRIBUTES
                    )
                ) >> f.shift)
                builder_add(out, line + slots.all, count)
                builder_add(out, line + slots.near, count)
        return 0

    def arc_rows(self, const label_t[::1] heads not None, int n_bits):
        """The features of arcs by direction, as rows of a matrix of 0 and counts.

        Parameters
        ----------
        heads : int32 array
            The heads of the tokens of all sentences, one after the other.
        n_bits : int
            The matrix has ``2 ** n_bits`` columns. With more than half as many lines in
            the table, lines share columns; with fewer, some stay empty.

        Returns
        -------
        columns : int32 array
        counts : float64 array
        row_start : int64 array of shape (n_tokens + 1,)
        """
        cdef index_t[::1] slot = np.full(self.weights_stop - self.place, -1, dtype=np.int32)
        cdef int32_t[::1] tags = np.empty(self.most_width + 1, dtype=np.int32)
        cdef PlaneBatch batch = PlaneBatch(1)
        cdef Plane* plane = &batch.planes[0]
        cdef PlaneBuilder builder
        cdef Py_ssize_t i, m, e, t = 0, place = self.place, n_entries = 0
        cdef int drop = max(64 - self.features.shift - n_bits + 1, 0)
        cdef Py_ssize_t base = self.features.head.n + self.features.modifier.n
        base += self.features.arc.n
        far = np.abs(np.asarray(heads) - np.concatenate(
            [np.arange(1, n + 1) for n in self.lengths] or [np.zeros(0)]
        ))
        room = heads.shape[0] * base + self.features.around.n * int(np.maximum(far, 1).sum())
        columns, counts = np.empty(room, dtype=np.int32), np.empty(room)
        starts = np.zeros(heads.shape[0] + 1, dtype=np.int64)
        cdef int32_t[::1] some_columns = columns
        cdef double[::1] some_counts = counts
        cdef int64_t[::1] some_starts = starts
        builder.slot = &slot[0]
        builder.plane = plane
        self.place = 0
        try:
            for i in range(self.n_examples):
                for m in range(1, self.lengths[i] + 1):
                    plane.nnz = 0
                    self.add_arc(i, heads[t], m, 1.0, &tags[0], &builder)
                    builder_finish(&builder)
                    for e in range(plane.nnz):
                        if plane.indices[e] % (SSVM_LINE // 2) == 0:
                            some_columns[n_entries] = <int32_t> (
                                (plane.indices[e] // SSVM_LINE * 2
                                 + (plane.indices[e] % SSVM_LINE != 0)) >> drop
                            )
                            some_counts[n_entries] = plane.values[e]
                            n_entries += 1
                    t += 1
                    some_starts[t] = n_entries
        finally:
            self.place = place
        return columns[:n_entries], counts[:n_entries], starts


cdef inline Py_ssize_t n_parts(Py_ssize_t n, int order) noexcept nogil:
    return (n + 1) * n * (1 + (order - 1) * (n + 1))
