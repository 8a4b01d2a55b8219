"""Sentences of attributes to labels in one call: what `ChainModel` predicts, to the bit."""

import numpy as np

from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport INFINITY
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memset

from structsvm._typedefs cimport label_t
from structsvm.features._attributes cimport AttributeTable, Reader
from structsvm.features._words cimport WordCodes, WordTemplates
from structsvm.linalg._lanes cimport SSVM_LANES, padded
from structsvm.problems._feature_rows cimport (
    SSVM_CSR_DOUBLE, ssvm_feature_rows, ssvm_feature_scores,
)

cdef extern from "structsvm/linalg/feature_rows.h" nogil:
    void SSVM_PREFETCH(const void* address)

# The kernel itself: the room of inference would import scikit-learn, which tagging does without.
cdef extern from "structsvm/inference/viterbi.h" nogil:
    double ssvm_viterbi_double(
        double* score, const double* transition, Py_ssize_t step, double* entering,
        Py_ssize_t length, Py_ssize_t n_labels, Py_ssize_t stride, label_t* labels,
    )


cdef class _Room:
    """What one call works with; calls at the same time have rooms of their own."""

    cdef Reader reader
    cdef WordCodes codes
    cdef double* scores      # of positions, then the kernel's scratch; as many rows as there are
    cdef double* transition
    cdef label_t* labels
    cdef Py_ssize_t length, stride

    def __cinit__(self, Py_ssize_t n_labels):
        self.reader = Reader()
        self.stride = padded(n_labels)
        self.transition = <double*> malloc((n_labels * self.stride + 1) * sizeof(double))
        if self.transition == NULL:
            raise MemoryError(f"no memory for transitions of {n_labels} labels")
        memset(self.transition, 0, n_labels * self.stride * sizeof(double))

    def __dealloc__(self):
        free(self.scores)
        free(self.transition)
        free(self.labels)

    cdef int reserve(self, Py_ssize_t length) except -1:
        cdef Py_ssize_t larger = max(length, 2 * self.length, <Py_ssize_t> 64)
        cdef void* block
        if length <= self.length:
            return 0
        block = realloc(self.scores, (2 * larger * self.stride + SSVM_LANES) * sizeof(double))
        if block == NULL:
            raise MemoryError(f"no memory for a chain of {length} positions")
        self.scores = <double*> block
        block = realloc(self.labels, larger * sizeof(label_t))
        if block == NULL:
            raise MemoryError(f"no memory for a chain of {length} positions")
        self.labels = <label_t*> block
        self.length = larger
        return 0


cdef class ChainTagger:
    """The best labels of sentences whose tokens are attributes.

    It takes lists of tokens that are plain lists, tuples or dicts of str, bool and float, or words
    and tuples of words; all others are for those who say what is wrong with them, or know better.

    Parameters
    ----------
    source : (AttributeTable, kinds, separator) or WordTemplates
        What makes columns of tokens: of attributes, the kinds of tokens to take as bits of `KINDS`,
        and what is between names and values.
    n_features : int
    n_labels : int
        At least 2.
    places : tuple of int
        Where in the weights those of attributes begin, of transitions, of first and last labels.
    forbidden : tuple of float64 arrays of shape (n_labels, n_labels), (n_labels,), (n_labels,)
        Added to the scores of transitions, first and last labels; None: nothing is.
    """

    cdef AttributeTable _table
    cdef WordTemplates _words
    cdef readonly Py_ssize_t n_labels, n_features
    cdef bytes _joint
    cdef int _kinds
    cdef Py_ssize_t _state, _transition, _start, _end, _least
    cdef const double[:, ::1] _forbidden
    cdef list _rooms

    def __init__(self, source, Py_ssize_t n_features, Py_ssize_t n_labels, places, forbidden):
        if n_labels < 2:
            raise ValueError(f"{n_labels} labels, expected at least 2")
        self.n_labels, self.n_features = n_labels, n_features
        self._joint = b""
        if isinstance(source, WordTemplates):
            self._words = source
        else:
            self._table, self._kinds, separator = source
            self._joint = separator.encode("utf-8", "surrogatepass")
        self._state, self._transition, self._start, self._end = places
        # Whole groups of lanes are read beyond the last attribute's weights.
        self._least = max(
            self._state + n_features * n_labels + SSVM_LANES,
            self._transition + n_labels**2, self._start + n_labels, self._end + n_labels,
        )
        shape = (n_labels + 2, n_labels)
        scores = np.zeros(shape) if forbidden is None else np.vstack(forbidden)
        if scores.shape != shape:
            raise ValueError(f"what is forbidden has shape {scores.shape}, expected {shape}")
        self._forbidden = np.ascontiguousarray(scores)
        self._rooms = []

    cdef _Room _enter(self, const double* w):
        cdef Py_ssize_t i, k, n = self.n_labels
        cdef _Room room
        try:
            room = self._rooms.pop()
        except IndexError:
            room = _Room(n)
            if self._words is not None:
                room.codes = WordCodes(self._words)
        for i in range(n):
            for k in range(n):
                room.transition[i * room.stride + k] = (
                    w[self._transition + i * n + k] + self._forbidden[i, k]
                )
        return room

    cdef Py_ssize_t _read(self, _Room room, sentence) except -2:
        """Read a sentence; its length, or -1 if it is for others."""
        cdef Reader reader = room.reader
        if self._words is not None:
            if not self._words.read(room.codes, reader, sentence):
                return -1
        else:
            if not reader.read(self._table, sentence, self._kinds, self._joint, len(self._joint)):
                return -1
            reader.settle(self._table, True)
        room.reserve(reader.n_tokens)
        return reader.n_tokens

    cdef bint _decode(
        self, _Room room, Reader reader, const double* w, Py_ssize_t length, Py_ssize_t n_features
    ) noexcept nogil:
        """Label the sentence that was read; whether there is a path."""
        cdef Py_ssize_t t, k, e, n = self.n_labels, stride = room.stride
        cdef double* score = room.scores
        cdef double* last = score + (length - 1) * stride
        cdef const double* state = w + self._state
        cdef const double* weights
        cdef ssvm_feature_rows rows
        if length == 0:
            return True
        rows.kind = SSVM_CSR_DOUBLE
        rows.alike = False
        rows.n_features = n_features
        rows.values = reader.values
        rows.row_start = reader.row_start
        rows.columns = reader.columns
        rows.intercept = 0.0
        for t in range(length):
            if t + 1 < length:
                for e in range(reader.row_start[t + 1], reader.row_start[t + 2]):
                    weights = state + reader.columns[e] * n
                    k = 0
                    while k < n:
                        SSVM_PREFETCH(weights + k)
                        k += SSVM_LANES
            ssvm_feature_scores(&rows, t, state, n, score + t * stride)
        for k in range(n):
            score[k] += w[self._start + k]
            last[k] += w[self._end + k]
        for k in range(n):
            score[k] += self._forbidden[n, k]
            last[k] += self._forbidden[n + 1, k]
        return ssvm_viterbi_double(
            score, room.transition, 0, score + room.length * stride, length, n, stride, room.labels
        ) > -INFINITY

    def fits(self, w):
        """Whether these weights are such as it reads."""
        return (
            type(w) is np.ndarray and w.dtype == np.float64 and w.ndim == 1
            and w.flags.c_contiguous and len(w) >= self._least
        )

    def tag(self, sentence, const double[::1] w, list names):
        """The labels of one sentence by their names; None: it is for others."""
        cdef _Room room = self._enter(&w[0])
        cdef Reader reader = room.reader
        cdef Py_ssize_t n_features = self.n_features
        cdef Py_ssize_t t, length
        cdef bint found
        length = self._read(room, sentence)
        if length < 0:
            return None
        with nogil:
            found = self._decode(room, reader, &w[0], length, n_features)
        if not found:
            return None
        result = [names[room.labels[t]] for t in range(length)]
        self._rooms.append(room)
        return result

    def tag_all(self, sentences, const double[::1] w):
        """The numbers of the labels of all sentences, and where each begins; None: see `tag`."""
        cdef _Room room = self._enter(&w[0])
        cdef Reader reader = room.reader
        cdef Py_ssize_t n_features = self.n_features
        cdef Py_ssize_t t, length, size = 0, i, n = len(sentences)
        cdef bint found
        numbers, offsets = np.empty(1024, dtype=np.int32), np.zeros(n + 1, dtype=np.int64)
        cdef int32_t[::1] out = numbers
        cdef int64_t[::1] starts = offsets
        for i, sentence in enumerate(sentences):
            PyErr_CheckSignals()
            length = self._read(room, sentence)
            if length < 0:
                return None
            with nogil:
                found = self._decode(room, reader, &w[0], length, n_features)
            if not found:
                return None
            if size + length > out.shape[0]:
                numbers = np.resize(numbers, max(size + length, 2 * len(numbers)))
                out = numbers
            for t in range(length):
                out[size + t] = room.labels[t]
            size += length
            starts[i + 1] = size
        self._rooms.append(room)
        return numbers[:size], offsets
