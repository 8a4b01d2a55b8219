"""From attributes of tokens to columns: the loops over all names.

Tokens that are lists of str, by far the most common, are read here. A Python function reads all
others: `read_token(token, i, t)` yields (name, value) pairs, or raises an error.
"""

import numpy as np

from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

from structsvm._typedefs cimport index_t


cdef class _Entries:
    """Columns and values of all rows so far."""

    cdef index_t* columns
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
        block = realloc(self.columns, capacity * sizeof(index_t))
        if block == NULL:
            raise MemoryError(f"no memory for {capacity} attributes")
        self.columns = <index_t*> block
        block = realloc(self.values, capacity * sizeof(double))
        if block == NULL:
            raise MemoryError(f"no memory for {capacity} attributes")
        self.values = <double*> block
        self.capacity = capacity
        return 0

    cdef tuple arrays(self):
        cdef index_t[::1] columns = np.empty(self.size, dtype=np.int32)
        cdef double[::1] values = np.empty(self.size, dtype=np.float64)
        if self.size:
            memcpy(&columns[0], self.columns, self.size * sizeof(index_t))
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


def attribute_rows(sequences, dict column_of, read_token):
    """The attributes that have a column, as arrays of CSR; columns in the order of the attributes.

    Returns
    -------
    columns, values : int32 and float64 arrays
    row_start : int64 array of shape (n_tokens + 1,)
    offsets : int64 array of shape (n_sequences + 1,)
    """
    cdef _Entries entries = _Entries()
    cdef PyObject* column
    cdef Py_ssize_t i, t
    cdef double value
    ends, offsets = [0], [0]
    for i, sequence in enumerate(sequences):
        for t, token in enumerate(sequence):
            if type(token) is list and all_str(<list> token):
                entries.room_for(len(<list> token))
                for name in <list> token:
                    column = PyDict_GetItem(column_of, name)
                    if column != NULL:
                        entries.columns[entries.size] = <index_t> <object> column
                        entries.values[entries.size] = 1.0
                        entries.size += 1
            else:
                for name, value in read_token(token, i, t):
                    column = PyDict_GetItem(column_of, name)
                    if column != NULL and value != 0.0:
                        entries.room_for(1)
                        entries.columns[entries.size] = <index_t> <object> column
                        entries.values[entries.size] = value
                        entries.size += 1
            ends.append(entries.size)
        offsets.append(len(ends) - 1)
    columns, values = entries.arrays()
    return columns, values, np.array(ends, dtype=np.int64), np.array(offsets, dtype=np.int64)
