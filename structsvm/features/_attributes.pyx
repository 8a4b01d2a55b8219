"""From attributes of tokens to columns: the loops over all names.

Attributes are looked up in a flat table of hashes whose texts lie one after the other, all of a
sentence at once, so that the memory of many is waited for together. Tokens that are lists of str,
by far the most common, and plain dicts are read here. A Python function reads all others:
`read_token(token, i, t)` yields (name, value) pairs, or raises an error.
"""

import os

import numpy as np

from cpython.dict cimport PyDict_GetItem, PyDict_Next
from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.math cimport isfinite
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcmp, memcpy

cdef extern from "structsvm/linalg/feature_rows.h" nogil:
    void SSVM_PREFETCH(const void* address)

cdef enum:
    PADDING = 8
    AT_ONCE = 64

# The kinds of tokens that a reader takes, as bits.
KINDS = {"list": 1, "tuple": 2, "dict": 4}
cdef enum:
    LISTS = 1
    TUPLES = 2
    DICTS = 4


cdef inline uint64_t mixed(uint64_t h, uint64_t word) noexcept nogil:
    h = (h ^ word) * 0x9E3779B97F4A7C15u
    return h ^ (h >> 32)


cdef inline uint64_t hash_of(const char* text, int64_t n, uint64_t seed) noexcept nogil:
    """Of whole words, the last one filled up with zeros."""
    cdef uint64_t h = seed ^ (<uint64_t> n * 0xD6E8FEB86659FD93u), word
    while n >= 8:
        memcpy(&word, text, 8)
        h = mixed(h, word)
        text += 8
        n -= 8
    if n > 0:
        word = 0
        memcpy(&word, text, n)
        h = mixed(h, word)
    h *= 0xD6E8FEB86659FD93u
    return h ^ (h >> 29)


cdef inline uint32_t tag_of(uint64_t h) noexcept nogil:
    return <uint32_t> (h >> 32)


cdef class AttributeTable:
    """The column of each attribute; texts are compared, so it is exact.

    Parameters
    ----------
    text : uint8 array
        The attributes in UTF-8, by column, one after the other. Kept, and never changed.
    ends : int64 array of shape (n_attributes,)

    Raises
    ------
    ValueError
        If these are no such arrays, or an attribute is there twice.
    """

    def __init__(self, text, ends):
        cdef const unsigned char[::1] letters
        cdef const int64_t[::1] places
        cdef Py_ssize_t n_slots = 64
        sound = (
            text.dtype == np.uint8 and ends.dtype == np.int64 and text.ndim == ends.ndim == 1
        )
        # The last one ends where the text does.
        if not sound or (np.diff(ends, prepend=0, append=len(text)) < 0).any() or (
            len(text) != ends.max(initial=0)
        ):
            raise ValueError("names holds no list of texts")
        if len(ends) >= 2**30:
            raise ValueError(f"{len(ends)} attributes, expected less than 2**30")
        # Own arrays, with a readable end: nothing outside can change what was checked.
        self.text = np.append(text, np.zeros(PADDING, dtype=np.uint8))[: len(text)]
        self.ends = np.append(ends, np.zeros(1, dtype=np.int64))[: len(ends)]
        self.text.flags.writeable = self.ends.flags.writeable = False
        letters, places = self.text.base, self.ends.base
        self._text, self._ends = &letters[0], &places[0]
        self._n = len(ends)
        while n_slots < 1.7 * self._n:
            n_slots *= 2
        self._mask = n_slots - 1
        # Nobody who makes a file can know which texts collide.
        self._seed = int.from_bytes(os.urandom(8), "little")
        slots = np.full(2 * n_slots, -1, dtype=np.int32)
        cdef int32_t[::1] view = slots
        self._slots, self._slot = slots, &view[0]
        self._fill()

    def __reduce__(self):
        return AttributeTable, (self.text, self.ends)

    def __len__(self):
        return self._n

    cdef int _fill(self) except -1:
        cdef Py_ssize_t column, first, k
        cdef int64_t start = 0, size
        cdef const char* text
        cdef uint64_t slot
        cdef uint64_t[AT_ONCE] hashes
        cdef int64_t[AT_ONCE] starts
        cdef bint twice = False
        with nogil:
            first = 0
            while first < self._n:
                # The memory of all their slots is waited for together.
                for k in range(min(<Py_ssize_t> AT_ONCE, self._n - first)):
                    starts[k] = start
                    text, size = <const char*> self._text + start, self._ends[first + k] - start
                    hashes[k] = hash_of(text, size, self._seed)
                    SSVM_PREFETCH(self._slot + 2 * (hashes[k] & self._mask))
                    start = self._ends[first + k]
                for k in range(min(<Py_ssize_t> AT_ONCE, self._n - first)):
                    column = first + k
                    slot = hashes[k] & self._mask
                    size = self._ends[column] - starts[k]
                    text = <const char*> self._text + starts[k]
                    if self._probe(&slot, tag_of(hashes[k]), text, size) >= 0:
                        twice = True
                    self._slot[2 * slot] = <int32_t> tag_of(hashes[k])
                    self._slot[2 * slot + 1] = <int32_t> column
                first += AT_ONCE
        if twice:
            raise ValueError("an attribute has two columns")
        return 0

    cdef bint _is(self, int32_t column, const char* text, int64_t size) noexcept nogil:
        cdef int64_t start = self._ends[column - 1] if column else 0
        return self._ends[column] - start == size and memcmp(self._text + start, text, size) == 0

    cdef int32_t _probe(
        self, uint64_t* slot, uint32_t tag, const char* text, int64_t size
    ) noexcept nogil:
        """The column of a text, looked for from a slot on; -1: there is none. The slot becomes that
        of the text, or a free one."""
        cdef const int32_t* here
        while True:
            here = self._slot + 2 * slot[0]
            if here[1] < 0:
                return -1
            if here[0] == <int32_t> tag and self._is(here[1], text, size):
                return here[1]
            slot[0] = (slot[0] + 1) & self._mask

    cdef void find(self, Reader reader) noexcept nogil:
        """The columns of all entries."""
        cdef Py_ssize_t e
        cdef Entry* entry
        cdef const int32_t* here
        cdef int64_t start
        for e in range(reader.size):
            entry = &reader.entries[e]
            here = self._slot + 2 * entry.slot
            while here[1] >= 0 and here[0] != <int32_t> entry.tag:
                entry.slot = (entry.slot + 1) & self._mask
                here = self._slot + 2 * entry.slot
            entry.column = here[1]
            if entry.column >= 0:
                SSVM_PREFETCH(self._ends + entry.column)
        for e in range(reader.size):
            entry = &reader.entries[e]
            if entry.column >= 0:
                start = self._ends[entry.column - 1] if entry.column else 0
                SSVM_PREFETCH(self._text + start)
        for e in range(reader.size):
            entry = &reader.entries[e]
            if entry.column >= 0:
                entry.column = self._probe(
                    &entry.slot, entry.tag, reader.text + entry.where, entry.size
                )

    def names(self):
        """The attributes, by column, as a list of str."""
        cdef Py_ssize_t column
        cdef int64_t start = 0
        found = []
        for column in range(self._n):
            found.append(
                (<const char*> self._text)[start:self._ends[column]].decode(
                    "utf-8", "surrogatepass"
                )
            )
            start = self._ends[column]
        return found

    def rows(self, sequences, str separator, read_token):
        """The attributes that have a column, as arrays of CSR, each row in order.

        Returns
        -------
        columns, values : int32 and float64 arrays
        row_start : int64 array of shape (n_tokens + 1,)
        offsets : int64 array of shape (n_sequences + 1,)
        """
        cdef Reader reader = Reader()
        cdef _Entries found = _Entries()
        cdef bytes joint = separator.encode("utf-8", "surrogatepass")
        cdef bytes encoded
        cdef Py_ssize_t i, t
        cdef double value
        cdef int64_t before
        ends, offsets = [0], [0]
        for i, sequence in enumerate(sequences):
            reader.clear()
            for t, token in enumerate(sequence):
                before = reader.size
                if not reader._read_token(self, token, LISTS | DICTS, joint, len(joint)):
                    reader.size = before
                    for name, value in read_token(token, i, t):
                        encoded = (<str> name).encode("utf-8", "surrogatepass")
                        reader.add(self, encoded, len(encoded), NULL, 0, NULL, 0, value)
                reader.end_token()
            reader.settle(self, False)
            found.room_for(reader.n_values)
            if reader.n_values:
                memcpy(
                    found.columns + found.size, reader.columns, reader.n_values * sizeof(int32_t)
                )
                memcpy(found.values + found.size, reader.values, reader.n_values * sizeof(double))
            for t in range(reader.n_tokens):
                ends.append(found.size + reader.row_start[t + 1])
            found.size += reader.n_values
            offsets.append(len(ends) - 1)
        columns, values = found.arrays()
        return columns, values, np.array(ends, dtype=np.int64), np.array(offsets, dtype=np.int64)


cdef class Reader:
    """Attributes of the tokens of one sentence, and their columns."""

    def __dealloc__(self):
        free(self.text)
        free(self.entries)
        free(self.ends)
        free(self.columns)
        free(self.values)
        free(self.row_start)

    cdef void clear(self) noexcept nogil:
        self.text_size = self.size = self.n_tokens = self.n_values = 0

    cdef int end_token(self) except -1:
        self.ends = <int64_t*> grown(
            self.ends, &self.token_capacity, self.n_tokens + 1, sizeof(int64_t)
        )
        self.ends[self.n_tokens] = self.size
        self.n_tokens += 1
        return 0

    cdef int add(
        self, AttributeTable table, const char* name, Py_ssize_t n, const char* joint,
        Py_ssize_t n_joint, const char* value, Py_ssize_t n_value, double number,
    ) except -1:
        """An attribute of the token that is read, of a name, a joint and a value together."""
        cdef int64_t size = n + n_joint + n_value
        cdef Entry* entry
        cdef char* text
        cdef uint64_t h
        if number == 0.0:
            return 0
        if self.text_size + size + PADDING > self.text_capacity:
            self.text = <char*> grown(
                self.text, &self.text_capacity, self.text_size + size + PADDING, 1
            )
        if self.size == self.capacity:
            self.entries = <Entry*> grown(
                self.entries, &self.capacity, self.size + 1, sizeof(Entry)
            )
        text = self.text + self.text_size
        memcpy(text, name, n)
        if n_joint:
            memcpy(text + n, joint, n_joint)
        if n_value:
            memcpy(text + n + n_joint, value, n_value)
        h = hash_of(text, size, table._seed)
        entry = &self.entries[self.size]
        entry.where = self.text_size
        entry.size = size
        entry.tag = tag_of(h)
        entry.slot = h & table._mask
        entry.value = number
        SSVM_PREFETCH(table._slot + 2 * entry.slot)
        self.text_size += size
        self.size += 1
        return 0

    cdef int read(
        self, AttributeTable table, sentence, int kinds, const char* joint, Py_ssize_t n_joint
    ) except -1:
        """Read a list of tokens of some kinds; 0: one of them is for others to read, or refuse."""
        self.clear()
        if type(sentence) is not list and type(sentence) is not tuple:
            return 0
        for token in sentence:
            if not self._read_token(table, token, kinds, joint, n_joint):
                return 0
            self.end_token()
        return 1

    cdef int _read_token(
        self, AttributeTable table, token, int kinds, const char* joint, Py_ssize_t n_joint
    ) except -1:
        cdef const char* name
        cdef const char* text
        cdef Py_ssize_t n, n_text, place = 0
        cdef PyObject* key
        cdef PyObject* value
        cdef double number
        if type(token) is dict:
            if not kinds & DICTS:
                return 0
            while PyDict_Next(token, &place, &key, &value):
                if type(<object> key) is not str:
                    return 0
                name = as_utf8(<object> key, &n)
                if name == NULL:
                    return 0
                if type(<object> value) is str:
                    text = as_utf8(<object> value, &n_text)
                    if text == NULL:
                        return 0
                    self.add(table, name, n, joint, n_joint, text, n_text, 1.0)
                    continue
                if type(<object> value) is bool:
                    number = 1.0 if <object> value is True else 0.0
                elif type(<object> value) is float:
                    number = PyFloat_AS_DOUBLE(<object> value)
                    if not isfinite(number):
                        return 0
                else:
                    return 0
                self.add(table, name, n, NULL, 0, NULL, 0, number)
            return 1
        if not (
            (type(token) is list and kinds & LISTS) or (type(token) is tuple and kinds & TUPLES)
        ):
            return 0
        for item in token:
            if type(item) is not str:
                return 0
            name = as_utf8(item, &n)
            if name == NULL:
                return 0
            self.add(table, name, n, NULL, 0, NULL, 0, 1.0)
        return 1

    cdef int settle(self, AttributeTable table, bint merged) except -1:
        """Look all entries up, and arrange them."""
        with nogil:
            table.find(self)
        return self.arrange(merged)

    cdef int add_column(self, int32_t column) except -1:
        """A column with the value 1 for the token that is read."""
        if self.size == self.capacity:
            self.entries = <Entry*> grown(
                self.entries, &self.capacity, self.size + 1, sizeof(Entry)
            )
        self.entries[self.size].column = column
        self.entries[self.size].value = 1.0
        self.size += 1
        return 0

    cdef int arrange(self, bint merged) except -1:
        """The rows of columns in order, equal ones made one if `merged`."""
        cdef Py_ssize_t t, e, first, place
        cdef int32_t column
        cdef double value
        cdef int64_t n = self.size + 1, capacity = self.value_capacity
        if n > self.value_capacity:
            self.columns = <int32_t*> grown(self.columns, &capacity, n, sizeof(int32_t))
            capacity = self.value_capacity
            self.values = <double*> grown(self.values, &capacity, n, sizeof(double))
            self.value_capacity = capacity
        capacity = 0
        self.row_start = <int64_t*> grown(
            self.row_start, &capacity, self.n_tokens + 1, sizeof(int64_t)
        )
        with nogil:
            self.n_values = e = 0
            self.row_start[0] = 0
            for t in range(self.n_tokens):
                first = self.n_values
                while e < self.ends[t]:
                    column, value = self.entries[e].column, self.entries[e].value
                    e += 1
                    if column < 0:
                        continue
                    # Few they are: each is brought to its place.
                    place = self.n_values
                    while place > first and self.columns[place - 1] > column:
                        place -= 1
                    if merged and place > first and self.columns[place - 1] == column:
                        self.values[place - 1] += value
                        continue
                    if place < self.n_values:
                        shift(self.columns, self.values, place, self.n_values)
                    self.columns[place] = column
                    self.values[place] = value
                    self.n_values += 1
                self.row_start[t + 1] = self.n_values
        return 0


cdef inline void shift(
    int32_t* columns, double* values, Py_ssize_t first, Py_ssize_t stop
) noexcept nogil:
    cdef Py_ssize_t k = stop
    while k > first:
        columns[k] = columns[k - 1]
        values[k] = values[k - 1]
        k -= 1


cdef const char* as_utf8(str text, Py_ssize_t* n) except? NULL:
    """The text in UTF-8, which lives as long as `text`; NULL for half a pair of surrogates."""
    try:
        return PyUnicode_AsUTF8AndSize(text, n)
    except UnicodeEncodeError:
        return NULL


cdef void* grown(void* block, int64_t* capacity, int64_t needed, size_t size) except NULL:
    cdef int64_t larger = max(needed, 2 * capacity[0], <int64_t> 64)
    cdef void* found
    if needed <= capacity[0]:
        return block
    found = realloc(block, larger * size)
    if found == NULL:
        raise MemoryError(f"no memory for {larger} attributes")
    capacity[0] = larger
    return found


cdef class _Entries:
    """Columns and values of all rows so far."""

    cdef int32_t* columns
    cdef double* values
    cdef Py_ssize_t size, capacity

    def __dealloc__(self):
        free(self.columns)
        free(self.values)

    cdef int room_for(self, Py_ssize_t more) except -1:
        cdef Py_ssize_t capacity = self.capacity
        cdef void* block
        if self.size + more <= capacity:
            return 0
        capacity = max(2 * capacity, self.size + more, <Py_ssize_t> 1024)
        block = realloc(self.columns, capacity * sizeof(int32_t))
        if block == NULL:
            raise MemoryError(f"no memory for {capacity} attributes")
        self.columns = <int32_t*> block
        block = realloc(self.values, capacity * sizeof(double))
        if block == NULL:
            raise MemoryError(f"no memory for {capacity} attributes")
        self.values = <double*> block
        self.capacity = capacity
        return 0

    cdef tuple arrays(self):
        cdef int32_t[::1] columns = np.empty(self.size, dtype=np.int32)
        cdef double[::1] values = np.empty(self.size, dtype=np.float64)
        if self.size:
            memcpy(&columns[0], self.columns, self.size * sizeof(int32_t))
            memcpy(&values[0], self.values, self.size * sizeof(double))
        return columns.base, values.base


cdef bint all_str(list token):
    for name in token:
        if type(name) is not str:
            return False
    return True


def count_attributes(sequences, read_token):
    """How many tokens have each attribute: a dict in order of first occurrence."""
    cdef dict counts = {}
    cdef PyObject* known
    cdef Py_ssize_t i, t
    for i, sequence in enumerate(sequences):
        for t, token in enumerate(sequence):
            if type(token) is list and all_str(<list> token):
                names = token if len(set(token)) == len(token) else set(token)
            else:
                names = {name for name, _ in read_token(token, i, t)}
            for name in names:
                known = PyDict_GetItem(counts, name)
                counts[name] = 1 if known == NULL else <object> known + 1
    return counts
