"""Column files: good ones, odd ones and bad ones."""

import gzip
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from structsvm.columns import (
    ColumnError,
    format_sentence,
    iter_columns,
    joined_columns,
    read_columns,
    write_columns,
)

PLAIN = b"The DT B-NP\ncat NN I-NP\n\nSleep VB B-VP\n\n"
SENTENCES = [[("The", "DT"), ("cat", "NN")], [("Sleep", "VB")]]
LABELS = [["B-NP", "I-NP"], ["B-VP"]]


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        PLAIN.rstrip(),
        PLAIN.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + PLAIN,
        PLAIN.replace(b" ", b"\t"),
        PLAIN.replace(b" ", b"   "),
        PLAIN.replace(b"The DT ", b"The\tDT\t"),
        b"\n \n\t\n" + PLAIN.replace(b"\n\n", b"\n\n \t\n\n"),
        b" The DT B-NP \ncat NN I-NP\n\nSleep VB B-VP",
        gzip.compress(PLAIN),
        PLAIN.replace(b"\n", b"\r"),
        gzip.compress(PLAIN.replace(b"\n", b"\r")),
        b"The DT B-NP\rcat NN I-NP\n\r\nSleep VB B-VP\r",
        PLAIN.replace(b"cat", b"\xef\xbb\xbfcat").replace(b"Sleep", b" \xef\xbb\xbf Sleep"),
        PLAIN.replace(b"\n\n", b"\n\xef\xbb\xbf\n"),
        PLAIN.replace(b" ", b"\t").replace(b"\tNN", b" \t NN").replace(b"I-NP", b"I-NP  "),
    ],
)
def test_the_same_two_sentences(tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)
    assert read_columns(path) == (SENTENCES, LABELS)


def test_only_spaces_and_tabs_part_columns(tmp_path):
    path = tmp_path / "file"
    path.write_text("a\u00a0b\u2028c NN O\n", encoding="utf-8")
    assert read_columns(path)[0] == [[("a\u00a0b\u2028c", "NN")]]
    path.write_text("New York\tNNP\tB\n")
    assert read_columns(path)[0] == [[("New York", "NNP")]]
    odd = "a\x0bb\x0cc\x1cd\x85e\u2029f"
    path.write_bytes(f"{odd} NN O\n".encode())
    assert read_columns(path)[0] == [[(odd, "NN")]]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_blocks_may_end_anywhere(end):
    data = PLAIN.replace(b"\n", end)
    for size in range(1, len(data) + 1):
        blocks = [data[k : k + size] for k in range(0, len(data), size)]
        found = list(iter_columns(blocks, "x"))
        assert [[token[:2] for token in s.tokens] for s in found] == SENTENCES
        assert [s.first for s in found] == [1, 4]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "holds no sentence"),
        (b"\n\n", "holds no sentence"),
        (b"a b c\nd e\n", "line 2 has 2 columns, expected 3 as line 1 has: 'd e'"),
        (b"\na b c\n\nd e\n", "line 4 has 2 columns, expected 3 as line 2 has"),
        (b"a\tb c\td\ne f\n", "line 2 has 2 columns, expected 3"),
        (b"a\nb\n", "line 1 has 1 columns, expected 2 or more: 'a'"),
        (b"a b\nc \xff\n", "line 2: byte 0xff at place 2 is no UTF-8"),
        (b"a b\n" + b"c" * 99 + b"\n", r"'c{60}\.\.\.'"),
        (b"a b c\rd e\r", "line 2 has 2 columns, expected 3 as line 1 has: 'd e'"),
        (b"a\tb\tO\nc\td\t\n", "line 2: column 3 of 3 is empty; write a sign such as _"),
        (b"a\t \tO\n", "line 1: column 2 of 3 is empty"),
        (b"\tb\tO\n", "line 1: column 1 of 3 is empty"),
        (b"a\tb\t\xef\xbb\xbfO\n", r"line 1: a byte order mark \(U\+FEFF\) begins a column"),
        (gzip.compress(PLAIN)[:-9], "is a damaged gzip file"),
        (gzip.compress(PLAIN)[:14] + b"x" * 30, "is a damaged gzip file"),
    ],
)
def test_bad_files_are_named_by_line(tmp_path, data, message):
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(ColumnError, match=f"^{path}.*{message}"):
        read_columns(path)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_columns(tmp_path / "none")


def test_sentences_come_with_their_first_line():
    assert [s.first for s in iter_columns([b"\n", b"a\n", b"b\n", b"\n", b"\n", b"c"], "x")] == [
        2,
        6,
    ]


cells = st.text(
    st.characters(exclude_characters="\t\r\n\x85\u2028\u2029", exclude_categories=["Cs", "Z"]),
    min_size=1,
).filter(lambda text: text.strip() and not text.startswith("\ufeff"))


@given(st.lists(st.lists(st.tuples(cells, cells, cells), min_size=1), min_size=1))
def test_what_is_written_is_read(tmp_path_factory, sentences):
    for ending in ("txt", "gz"):
        path = tmp_path_factory.getbasetemp() / f"file.{ending}"
        tokens = [[token[:2] for token in sentence] for sentence in sentences]
        labels = [[token[2] for token in sentence] for sentence in sentences]
        with mock.patch("os.fsync"):  # which takes most of the time
            write_columns(path, tokens, labels)
        assert read_columns(path) == (tokens, labels)


def test_columns_with_spaces_are_parted_by_tabs(tmp_path):
    write_columns(tmp_path / "file", [[("New York", "NNP")]], [["B"]])
    assert read_columns(tmp_path / "file") == ([[("New York", "NNP")]], [["B"]])


def test_a_sentence_as_text():
    assert format_sentence(["a", ("b", "c")][:1], ["X"]) == "a X\n\n"
    assert format_sentence([("a", "b")]) == "a b\n\n"
    with pytest.raises(ValueError, match="2 labels for 1 tokens"):
        format_sentence(["a"], ["X", "Y"])
    for bad in ("", " ", "a\nb", "a\rb", "a\tb", " a", "a ", "\ufeffa"):
        with pytest.raises(ValueError, match="which a column file cannot hold"):
            format_sentence([("a", bad)])
    with pytest.raises(ValueError, match="needs another beside it, separated by a tab"):
        format_sentence(["New York"])


@pytest.mark.parametrize("text", ["a  b\nc d\n", "a\tb\nc\td\n", "a b\nc\td\n"])
def test_columns_are_added_so_that_they_can_be_read(text):
    [lines] = iter_columns([text.encode()], "x")
    added = joined_columns(lines, [["B NP", "O"], ["1", "2"]])
    [again] = iter_columns([added.encode()], "x")
    assert again.tokens == [("a", "b", "B NP", "1"), ("c", "d", "O", "2")]
    assert joined_columns(lines, []) == text + "\n"


def test_columns_that_are_no_text_are_refused(tmp_path):
    for column in (5, 0.5, None, b"x"):
        with pytest.raises(ValueError, match="which a column file cannot hold"):
            write_columns(tmp_path / "data.txt", [[("a", column)]])
