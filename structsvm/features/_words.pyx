"""Templates of words to columns, one sentence at a time: as `LearnedTemplates` does for many.

Each distinct string is taken apart once, by Python; after that a token is a row of codes.
"""

import numpy as np

from cpython.dict cimport PyDict_GetItem
from cpython.object cimport PyObject
from libc.stdint cimport int32_t, int64_t
from libc.stdlib cimport calloc, free

from structsvm.features._attributes cimport Reader, grown

cdef enum:
    MOST_TEXTS = 1 << 16  # that are remembered for each column


cdef class WordTemplates:
    """Templates that were learned.

    Parameters
    ----------
    lines : list of (start, macros)
        Of each template: its first column, and for each macro (column, view, offset, base, number
        of texts with a code, sorted keys); views are counted in each column. Without macros
        (start, bool): whether there is a column.
    columns : list of int
        The columns of tokens that are read.
    views : list of lists of (function, dict)
        Of each column: what makes a text of a value or None, and the codes of texts.
    widths : collection of int
        How many columns tokens may have; empty: as many as are read.
    kinds : collection of {"word", "tuple", "list"}
    reach : int
        How many places outside have codes; -1: none has.
    begin, end : int
        Columns of the first and the last token; -1: there are none.
    """

    def __init__(self, lines, columns, views, widths, kinds, Py_ssize_t reach, int begin, int end):
        cdef Py_ssize_t m = 0, k
        cdef Macro* macro
        cdef const int32_t[::1] direct
        cdef const int64_t[::1] keys
        cdef int64_t most = max(columns) + 1
        self.columns = tuple(columns)
        self._views = tuple([tuple(column) for column in views])
        self._widths = tuple(widths)
        self._bare = "word" in kinds and (not widths or 1 in widths) and most == 1
        self._tuples, self._lists = "tuple" in kinds, "list" in kinds
        self._reach, self._begin, self._end = reach, begin, end
        self._most = most
        self._kept = []
        self._n_lines = len(lines)
        self._line = <Line*> calloc(len(lines) + 1, sizeof(Line))
        n_macros = sum([len(macros) for _, macros in lines if not isinstance(macros, bool)])
        self._macro = <Macro*> calloc(n_macros + 1, sizeof(Macro))
        if self._line == NULL or self._macro == NULL:
            raise MemoryError(f"no memory for {len(lines)} templates")
        direct_of = {}
        for k, (start, macros) in enumerate(lines):
            self._line[k].start = start
            self._line[k].first = self._line[k].stop = m
            if isinstance(macros, bool):
                self._line[k].there = macros
                continue
            for level, (column, view, offset, base, n_known, table) in enumerate(macros):
                macro = &self._macro[m]
                macro.column, macro.view, macro.offset = column, view, offset
                macro.base, macro.n_known = base, n_known
                if level == 0:
                    if id(table) not in direct_of:
                        places = np.full(base, -1, dtype=np.int32)
                        places[table] = np.arange(len(table))
                        direct_of[id(table)] = places
                    direct = direct_of[id(table)]
                    macro.direct = &direct[0]
                    self._kept.append(direct_of[id(table)])
                self._kept.append(table)
                keys = table
                macro.keys = &keys[0] if keys.shape[0] else NULL
                macro.n_keys = keys.shape[0]
                m += 1
            self._line[k].stop = m

    def __dealloc__(self):
        free(self._macro)
        free(self._line)

    cdef int read(self, WordCodes codes, Reader reader, sentence) except -1:
        """The columns of a sentence's tokens; 0: it is for others to read, or to refuse."""
        cdef Py_ssize_t t, k, n, width = -1, n_columns = len(self.columns)
        cdef int32_t column
        reader.clear()
        if type(sentence) is not list and type(sentence) is not tuple:
            return 0
        n = len(sentence)
        if n * n_columns > codes.at_capacity:
            codes.at = <int32_t*> grown(
                codes.at, &codes.at_capacity, n * n_columns, sizeof(int32_t)
            )
        for k in range(n_columns):
            if len(<dict> codes.known[k]) > MOST_TEXTS:
                (<dict> codes.known[k]).clear()
        for t in range(n):
            token = sentence[t]
            if type(token) is str:
                if not self._bare:
                    return 0
                if width >= 0 and width != 1:
                    return 0
                width = 1
                codes.at[t] = codes.number(self, 0, token)
                continue
            if not (
                (type(token) is tuple and self._tuples) or (type(token) is list and self._lists)
            ):
                return 0
            if len(token) != width:
                if width >= 0 or len(token) < self._most or (
                    self._widths and len(token) not in self._widths
                ):
                    return 0
                width = len(token)
            for k in range(n_columns):
                text = token[self.columns[k]]
                if type(text) is not str:
                    return 0
                codes.at[k * n + t] = codes.number(self, k, text)
        if len(sentence) != n:  # what reads a text may be anything
            return 0
        for t in range(n):
            for k in range(self._n_lines):
                column = self._column(&self._line[k], codes, t, n)
                if column >= 0:
                    reader.add_column(column)
            if self._begin >= 0 and t == 0:
                reader.add_column(self._begin)
            if self._end >= 0 and t == n - 1:
                reader.add_column(self._end)
            reader.end_token()
        reader.arrange(True)
        return 1

    cdef int32_t _column(
        self, const Line* line, WordCodes codes, Py_ssize_t t, Py_ssize_t n
    ) noexcept nogil:
        """The column of a template at token t of n; -1: it has none."""
        cdef Py_ssize_t m, place, width
        cdef int64_t key = 0, code, low, high, middle
        cdef const Macro* macro
        if line.first == line.stop:
            return <int32_t> line.start if line.there else -1
        for m in range(line.first, line.stop):
            macro = &self._macro[m]
            place = t + macro.offset
            if 0 <= place < n:
                width = codes.width_of[macro.column]
                code = codes.codes[macro.column][
                    codes.at[macro.column * n + place] * width + macro.view
                ]
            elif self._reach < 0:
                return -1
            else:
                code = macro.n_known + (-place - 1 if place < 0 else self._reach + place - n)
            if code < 0:
                return -1
            if macro.direct != NULL:
                key = macro.direct[code]
            else:
                key = key * macro.base + code
                low, high = 0, macro.n_keys
                while low < high:
                    middle = (low + high) // 2
                    if macro.keys[middle] < key:
                        low = middle + 1
                    else:
                        high = middle
                key = low if low < macro.n_keys and macro.keys[low] == key else -1
            if key < 0:
                return -1
        return <int32_t> (line.start + key)


cdef class WordCodes:
    """The codes of texts that one caller has met."""

    def __init__(self, WordTemplates templates):
        cdef Py_ssize_t k
        self.n_columns = len(templates.columns)
        self.known = [{} for _ in range(self.n_columns)]
        self.codes = <int32_t**> calloc(self.n_columns + 1, sizeof(int32_t*))
        self.capacity = <int64_t*> calloc(self.n_columns + 1, sizeof(int64_t))
        self.width_of = <Py_ssize_t*> calloc(self.n_columns + 1, sizeof(Py_ssize_t))
        if self.codes == NULL or self.capacity == NULL or self.width_of == NULL:
            raise MemoryError(f"no memory for {self.n_columns} columns")
        for k in range(self.n_columns):
            self.width_of[k] = len(templates._views[k])

    def __dealloc__(self):
        cdef Py_ssize_t k
        if self.codes != NULL:
            for k in range(self.n_columns):
                free(self.codes[k])
        free(self.codes)
        free(self.capacity)
        free(self.width_of)
        free(self.at)

    cdef int number(self, WordTemplates templates, Py_ssize_t column, text) except -1:
        """The number of a text in a column."""
        cdef dict known = self.known[column]
        cdef PyObject* found = PyDict_GetItem(known, text)
        cdef Py_ssize_t k, number, width = self.width_of[column]
        if found != NULL:
            return <object> found
        row = []
        for make, vocabulary in templates._views[column]:
            made = make(text)
            row.append(-1 if made is None else vocabulary.get(made, -1))
        number = len(known)
        self.codes[column] = <int32_t*> grown(
            self.codes[column], &self.capacity[column], (number + 1) * width, sizeof(int32_t)
        )
        for k in range(width):
            self.codes[column][number * width + k] = row[k]
        known[text] = number
        return number
