"""The table of attributes and what it reads, for other compiled modules."""

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef struct Entry:
    # An attribute of a token: its text, where that is looked for, and its value.
    int64_t where      # in the text of its reader
    int64_t size
    uint64_t slot
    uint32_t tag
    int32_t column     # -1: it has none
    double value


cdef class AttributeTable:
    cdef readonly object text, ends  # uint8 and int64 arrays, as they stand in model files
    cdef const unsigned char* _text
    cdef const int64_t* _ends
    cdef Py_ssize_t _n
    cdef object _slots               # int32 array: pairs of tag and column, -1 where there is none
    cdef int32_t* _slot
    cdef uint64_t _mask, _seed

    cdef int _fill(self) except -1
    cdef bint _is(self, int32_t column, const char* text, int64_t size) noexcept nogil
    cdef int32_t _probe(
        self, uint64_t* slot, uint32_t tag, const char* text, int64_t size
    ) noexcept nogil
    cdef void find(self, Reader reader) noexcept nogil


cdef class Reader:
    cdef char* text                  # of all entries, each padded with zeros
    cdef int64_t text_size, text_capacity
    cdef Entry* entries
    cdef int64_t size, capacity
    cdef int64_t* ends               # of the entries of each token
    cdef int64_t n_tokens, token_capacity
    cdef int32_t* columns            # what was found, token after token, each in order
    cdef double* values
    cdef int64_t* row_start
    cdef int64_t n_values, value_capacity

    cdef void clear(self) noexcept nogil
    cdef int end_token(self) except -1
    cdef int add(
        self, AttributeTable table, const char* name, Py_ssize_t n, const char* joint,
        Py_ssize_t n_joint, const char* value, Py_ssize_t n_value, double number,
    ) except -1
    cdef int read(
        self, AttributeTable table, sentence, int kinds, const char* joint, Py_ssize_t n_joint
    ) except -1
    cdef int _read_token(
        self, AttributeTable table, token, int kinds, const char* joint, Py_ssize_t n_joint
    ) except -1
    cdef int settle(self, AttributeTable table, bint merged) except -1
    cdef int add_column(self, int32_t column) except -1
    cdef int arrange(self, bint merged) except -1


cdef void* grown(void* block, int64_t* capacity, int64_t needed, size_t size) except NULL
