"""Templates of words to columns, one sentence at a time, for other compiled modules."""

from libc.stdint cimport int32_t, int64_t

from structsvm.features._attributes cimport Reader


cdef struct Macro:
    # What a macro of a template reads, and what its values are looked up in.
    Py_ssize_t column, view, offset
    int64_t base               # number of codes, those of places outside included
    int64_t n_known            # codes of texts
    const int32_t* direct      # place of each code; NULL: by `keys`
    const int64_t* keys        # sorted
    int64_t n_keys


cdef struct Line:
    Py_ssize_t first, stop     # its macros
    int64_t start              # of its columns
    bint there                 # of a line without macros: whether it has a column


cdef class WordTemplates:
    cdef readonly tuple columns        # those that are read
    cdef tuple _views                  # of each: pairs (what makes the text, codes of texts)
    cdef tuple _widths                 # how many columns tokens may have; (): any that are read
    cdef bint _bare, _tuples, _lists   # whether tokens may be str, tuples, lists
    cdef Py_ssize_t _reach             # -1: no place outside has a code
    cdef int32_t _begin, _end          # columns of the first and the last token; -1: none
    cdef Macro* _macro
    cdef Line* _line
    cdef Py_ssize_t _n_lines, _most
    cdef list _kept

    cdef int read(self, WordCodes codes, Reader reader, sentence) except -1
    cdef int32_t _column(
        self, const Line* line, WordCodes codes, Py_ssize_t t, Py_ssize_t n
    ) noexcept nogil


cdef class WordCodes:
    cdef list known                    # of each column that is read: numbers of texts
    cdef int32_t** codes               # of each: a row of codes for each number
    cdef int64_t* capacity
    cdef Py_ssize_t* width_of
    cdef int32_t* at                   # the number of each token's text, column after column
    cdef int64_t at_capacity
    cdef Py_ssize_t n_columns

    cdef int number(self, WordTemplates templates, Py_ssize_t column, text) except -1
