"""Contrasts of edges; see ``_contrast.pxd``."""

import numpy as np

from libc.stdlib cimport free, malloc

from structsvm._typedefs cimport index_t
from structsvm.linalg._plane cimport PlaneBuilder, Weights, builder_add
from structsvm.problems._features cimport FeatureBlock, RowSums


ctypedef fused real:
    float
    double


def squared_differences(
    const real[:, :, :] pixels, const index_t[::1] channels not None, Py_ssize_t down,
    Py_ssize_t right, double[:, ::1] out not None,
):
    """Squared differences of each pixel and its neighbour in a direction.

    Parameters
    ----------
    pixels : float32 or float64 array of shape (height, width, n_features)
    channels : int32 array
        Features that count.
    down, right : int
        The direction; `down` is >= 0.
    out : float64 array of shape (height - down, width - abs(right))
        Its first row and column belong to the first pixel with such a neighbour.
    """
    cdef Py_ssize_t h, j, c, k, shift = -right if right < 0 else 0
    cdef double step, total
    if (
        out.shape[0] > max(pixels.shape[0] - down, 0)
        or out.shape[1] > max(pixels.shape[1] - abs(right), 0) or down < 0
    ):
        raise ValueError("pixels and differences do not fit")
    for c in range(channels.shape[0]):
        if not 0 <= channels[c] < pixels.shape[2]:
            raise IndexError(f"channel {channels[c]} of {pixels.shape[2]}")
    with nogil:
        for h in range(out.shape[0]):
            for j in range(out.shape[1]):
                total = 0.0
                for c in range(channels.shape[0]):
                    k = channels[c]
                    step = (
                        <double> pixels[h, j + shift, k]
                        - <double> pixels[h + down, j + shift + right, k]
                    )
                    total += step * step
                out[h, j] = total


cdef class ContrastRows:
    r"""Features exp(-multiple * difference) / distance of edges, as rows of a matrix.

    Parameters
    ----------
    differences : float32 or float64 array of shape (n_rows,)
        Squared differences >= 0, direction by direction. Features have this dtype.
    starts : int64 array of shape (n_directions + 1,)
        Start of each direction.
    distances : float64 array of shape (n_directions,)
    multiples : float64 array of shape (n_columns,)
        One for each feature.
    divisors : float64 array of shape (n_columns,), default=None
        What features are divided by. None: nothing.

    Notes
    -----
    It holds one number an edge, however many features there are.
    """

    def __init__(self, differences, starts, distances, multiples, divisors=None):
        cdef const double[::1] doubles
        cdef const float[::1] floats
        self.differences, self.dtype = differences, differences.dtype
        self.starts, self.distances, self.multiples = starts, distances, multiples
        self.divisors = np.ones(len(multiples)) if divisors is None else divisors
        self._starts, self._distances = starts, distances
        self._multiples, self._divisors = multiples, self.divisors
        if (
            self._starts.shape[0] != self._distances.shape[0] + 1 or self._starts[0] != 0
            or (np.diff(starts) < 0).any() or starts[len(distances)] != len(differences)
            or len(self.divisors) != len(multiples)
        ):
            raise ValueError("differences, directions and multiples do not fit")
        self.contrasts.is_single = differences.dtype == np.float32
        if self.contrasts.is_single:
            floats = differences
            self.contrasts.x = <const void*> &floats[0] if floats.shape[0] else NULL
        else:
            doubles = differences
            self.contrasts.x = <const void*> &doubles[0] if doubles.shape[0] else NULL
        self.contrasts.n_columns = self._multiples.shape[0]
        if self.contrasts.n_columns:
            self.contrasts.multiples = &self._multiples[0]
            self.contrasts.divisors = &self._divisors[0]
        self.contrasts.n_directions = self._distances.shape[0]
        self.contrasts.starts = &self._starts[0]
        if self.contrasts.n_directions:
            self.contrasts.distances = &self._distances[0]

    def __len__(self):
        return len(self.differences)

    @property
    def shape(self):
        return len(self.differences), len(self.multiples)

    def scaled(self, divisors):
        """The same features, divided."""
        return ContrastRows(
            self.differences, self.starts, self.distances, self.multiples, self.divisors * divisors
        )

    def __array__(self, dtype=None, copy=None):
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    def __getitem__(self, rows):
        """As of an array; of a slice of rows only these are computed."""
        cdef Py_ssize_t e, k, d = 0, row = 0
        cdef double[:, ::1] out
        if not isinstance(rows, slice) or rows.step not in (None, 1):
            return np.asarray(self)[rows]
        start, stop, _ = rows.indices(len(self))
        values = np.empty((max(stop - start, 0), len(self.multiples)))
        out = values
        for e in range(start, stop):
            while e >= self._starts[d + 1]:
                d += 1
            for k in range(self.contrasts.n_columns):
                out[row, k] = ssvm_contrast(&self.contrasts, e, k, self._distances[d])
            row += 1
        return values.astype(self.dtype, copy=False)


cdef class ContrastBlock(FeatureBlock):
    """Contrasts times a row of weights: one score for each edge.

    Parameters
    ----------
    rows : sequence of ContrastRows
        Those of each example, of as many columns in each.
    place : int
        Start of the weights in the weight vector; that of the constant stands last.
    intercept : bool
        Whether each edge has a constant feature 1, too.
    row_weight : float64 array, default=None
        See `RowBlock`.
    """

    def __cinit__(self):
        self.row_weight = None

    def __init__(self, rows, Py_ssize_t place, *, bint intercept, row_weight=None):
        cdef ContrastRows one
        cdef Py_ssize_t i
        self._held = list(rows)
        self.n_examples = len(self._held)
        self.place, self.intercept = place, intercept
        self.width = self.stride = 1
        self.rows = <ssvm_contrasts*> malloc((self.n_examples + 1) * sizeof(ssvm_contrasts))
        if self.rows == NULL:
            raise MemoryError(f"no memory for the contrasts of {self.n_examples} examples")
        for i, one in enumerate(self._held):
            self.rows[i] = one.contrasts
            if i == 0:
                self.n_columns = one.contrasts.n_columns
            if one.contrasts.n_columns != self.n_columns:
                raise ValueError(f"the contrasts of example {i} differ in number from the others")
        self.offsets = np.cumsum([0, *[len(one) for one in self._held]], dtype=np.int64)
        self.n_sums = self.n_columns + intercept
        self.weights_stop = place + self.n_sums
        if row_weight is not None:
            self.row_weight = row_weight
            if len(row_weight) != self.offsets[self.n_examples]:
                raise ValueError(
                    f"{len(row_weight)} weights of {self.offsets[self.n_examples]} rows"
                )

    def __dealloc__(self):
        free(self.rows)

    cdef Py_ssize_t n_rows(self, Py_ssize_t i) noexcept nogil:
        return self.offsets[i + 1] - self.offsets[i]

    cdef int scores(
        self, Py_ssize_t i, const Weights* w, double factor, double* scores
    ) except -1 nogil:
        cdef const ssvm_contrasts* rows = &self.rows[i]
        cdef const double* weights = w.data + self.place
        cdef double scale = factor * w.scale
        cdef double initial = scale * weights[self.n_columns] if self.intercept else 0.0
        cdef Py_ssize_t d, e
        for d in range(rows.n_directions):
            ssvm_contrast_scores(
                rows, rows.starts[d], rows.starts[d + 1], rows.distances[d], weights, scale,
                initial, scores,
            )
        if self.row_weight is not None:
            for e in range(self.offsets[i + 1] - self.offsets[i]):
                scores[e] *= self.row_weight[self.offsets[i] + e]
        return 0

    cdef int accumulate(
        self, Py_ssize_t i, const index_t* parts, const double* counts, Py_ssize_t n,
        Py_ssize_t first, double factor, RowSums* sums, PlaneBuilder* out,
    ) except -1 nogil:
        cdef const ssvm_contrasts* rows = &self.rows[i]
        cdef Py_ssize_t p, e, k, d = 0
        cdef double count
        for p in range(n):
            e = parts[p] - first
            while e < rows.starts[d]:
                d -= 1
            while e >= rows.starts[d + 1]:
                d += 1
            count = counts[p]
            if self.row_weight is not None:
                count *= self.row_weight[self.offsets[i] + e]
            for k in range(self.n_columns):
                sums.sums[k] += count * ssvm_contrast(rows, e, k, rows.distances[d])
            if self.intercept:
                sums.sums[self.n_columns] += count
        for k in range(self.n_sums):
            count, sums.sums[k] = sums.sums[k], 0.0
            if n:
                builder_add(out, self.place + k, factor * count)
        return 0
