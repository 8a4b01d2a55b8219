"""Blocks of features for outputs that are sets of parts; see ``_part_features.pxd``."""

import numpy as np

from libc.stdlib cimport free, malloc

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport WEIGHT_PADDING, PlaneBuilder, Weights, builder_add
from structsvm.problems._features cimport FeatureBlock, RowSums


cdef class SumBlock(FeatureBlock):
    """Parts whose scores are the sums of those in several blocks.

    Parameters
    ----------
    blocks : sequence of FeatureBlock
        Of the same examples, with as many scores in each, and no padding.
    """

    def __init__(self, blocks):
        cdef FeatureBlock block
        cdef Py_ssize_t i, k, n, most = 0
        self._blocks = list(blocks)
        self.n_blocks = len(self._blocks)
        self.n_examples = (<FeatureBlock?> self._blocks[0]).n_examples
        self.width = self.stride = 1
        self._block = <void**> malloc(self.n_blocks * sizeof(void*))
        if self._block == NULL:
            raise MemoryError(f"no memory for {self.n_blocks} blocks")
        for k, block in enumerate(self._blocks):
            self._block[k] = <void*> block
            if block.n_examples != self.n_examples or block.stride != block.width:
                raise ValueError("the blocks must be of the same examples, without padding")
            for i in range(self.n_examples):
                n = block.n_rows(i) * block.width
                if n != self.n_rows(i):
                    raise ValueError(
                        f"example {i} has {n} scores in block {k}, {self.n_rows(i)} in the first"
                    )
                most = max(most, n)
            self.weights_stop = max(self.weights_stop, block.weights_stop)
            self.n_sums = max(self.n_sums, block.n_sums)
        self.n_room = most + 2 * WEIGHT_PADDING
        # Sums over columns of features are as wide as the widest block.
        self.most_width = max(block.width for block in self._blocks)

    def __dealloc__(self):
        free(self._block)

    cdef Py_ssize_t n_rows(self, Py_ssize_t i) noexcept nogil:
        return (<FeatureBlock> self._block[0]).n_rows(i) * (<FeatureBlock> self._block[0]).width

    cdef int scores(
        self, Py_ssize_t i, const Weights* w, double factor, double* scores
    ) except -1 nogil:
        cdef Py_ssize_t k, p, n = self.n_rows(i)
        cdef double* more = scores + n + WEIGHT_PADDING
        (<FeatureBlock> self._block[0]).scores(i, w, factor, scores)
        for k in range(1, self.n_blocks):
            (<FeatureBlock> self._block[k]).scores(i, w, factor, more)
            for p in range(n):
                scores[p] += more[p]
        return 0

    cdef int accumulate(
        self, Py_ssize_t i, const index_t* parts, const double* counts, Py_ssize_t n,
        Py_ssize_t first, double factor, RowSums* sums, PlaneBuilder* out,
    ) except -1 nogil:
        cdef Py_ssize_t k
        for k in range(self.n_blocks):
            (<FeatureBlock> self._block[k]).accumulate(
                i, parts, counts, n, first, factor, sums, out
            )
        return 0


cdef class KindBlock(FeatureBlock):
    """One weight for each kind of part, shared by all parts of this kind.

    Parameters
    ----------
    kinds : int32 array
        The kind of each part of all examples, one after the other; -1 for a part of none.
    offsets : int64 array of shape (n_examples + 1,)
        Start of the parts of each example.
    place : int
        Start of the weights of kinds in the weight vector.
    n_kinds : int
    shared : bool, default=False
        Whether `kinds` are those of each example, which all have as many parts.
    """

    def __init__(self, kinds, offsets, Py_ssize_t place, Py_ssize_t n_kinds, *, bint shared=False):
        self.kinds = kinds
        self.offsets = offsets
        self.place = place
        self.shared = shared
        self.n_examples = self.offsets.shape[0] - 1
        self.weights_stop = place + n_kinds
        self.width = self.stride = 1
        low, high = (int(np.min(kinds)), int(np.max(kinds))) if len(kinds) else (0, -1)
        if low < -1 or high >= n_kinds:
            raise ValueError(f"kinds are {low} to {high}, expected -1 to {n_kinds - 1}")
        needed = np.diff(offsets).max(initial=0) if shared else self.offsets[self.n_examples]
        if self.kinds.shape[0] < needed:
            raise ValueError(f"{self.kinds.shape[0]} kinds for {needed} parts")

    cdef Py_ssize_t n_rows(self, Py_ssize_t i) noexcept nogil:
        return self.offsets[i + 1] - self.offsets[i]

    cdef int scores(
        self, Py_ssize_t i, const Weights* w, double factor, double* scores
    ) except -1 nogil:
        cdef Py_ssize_t p, first = 0 if self.shared else self.offsets[i]
        cdef const double* weights = w.data + self.place
        cdef index_t kind
        for p in range(self.n_rows(i)):
            kind = self.kinds[first + p]
            scores[p] = factor * w.scale * weights[kind] if kind >= 0 else 0.0
        return 0

    cdef int accumulate(
        self, Py_ssize_t i, const index_t* parts, const double* counts, Py_ssize_t n,
        Py_ssize_t first, double factor, RowSums* sums, PlaneBuilder* out,
    ) except -1 nogil:
        cdef Py_ssize_t k, start = (0 if self.shared else self.offsets[i]) - first
        cdef index_t kind
        for k in range(n):
            kind = self.kinds[start + parts[k]]
            if kind >= 0:
                builder_add(out, self.place + kind, factor * counts[k])
        return 0
