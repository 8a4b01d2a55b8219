"""Column files: one token on each line, in columns, with an empty line after each sentence.

The format of the CoNLL tasks, of CRF++ and of most annotated corpora. UTF-8, as text or compressed
by gzip.

- A line ends with LF, CR LF or CR, and with nothing else: a form feed or U+2028 is part of a word.
- A line with a tab is split at tabs, any other line at runs of spaces. Spaces around
  columns do not count.
- No column is empty. A line of spaces and tabs alone ends a sentence.
- A byte order mark at the beginning of any line is dropped: files may have been joined.

CoNLL-U, the format of treebanks, has ten columns and rules of its own: see `read_conllu`. Data
frames and other tables whose columns have names are read by `read_table`.
"""

from structsvm.columns.conllu import (
    ConlluReader,
    ConlluSentence,
    format_conllu,
    read_conllu,
    write_conllu,
)
from structsvm.columns.json_lines import JsonReader, JsonSentence, is_json_lines
from structsvm.columns.reading import (
    ColumnError,
    ColumnReader,
    LineReader,
    Lines,
    Sentence,
    iter_columns,
    line_of,
    open_binary,
    read_columns,
)
from structsvm.columns.tables import read_table
from structsvm.columns.writing import format_sentence, joined_columns, write_columns

__all__ = [
    "ColumnError",
    "ColumnReader",
    "ConlluReader",
    "ConlluSentence",
    "JsonReader",
    "JsonSentence",
    "LineReader",
    "Lines",
    "Sentence",
    "format_conllu",
    "format_sentence",
    "is_json_lines",
    "iter_columns",
    "joined_columns",
    "line_of",
    "open_binary",
    "read_columns",
    "read_conllu",
    "read_table",
    "write_columns",
    "write_conllu",
]
