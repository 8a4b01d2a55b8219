"""CoNLL-U: what is read, what is written back, and what errors say."""

import gzip

import pytest

from structsvm.columns import (
    ColumnError,
    ConlluReader,
    format_conllu,
    read_conllu,
    write_conllu,
)


def line(text):
    return text.replace(" ", "\t")


ROWS = [
    "# sent_id = 1",
    "# text = zum Haus",
    line("1-2 zum _ _ _ _ _ _ _ _"),
    line("1 zu zu ADP APPR _ 3 case 3:case _"),
    line("2 dem der DET ART Case=Dat 3 det _ _"),
    line("3 Haus Haus NOUN NN _ 0 root _ SpaceAfter=No"),
    line("3.1 steht _ VERB _ _ _ _ 0:root _"),
    line("4 . . PUNCT $. _ 3 punct _ _"),
]
TEXT = "\n".join(ROWS) + "\n\n" + line("1 Ja ja INTJ ITJ _ 0 root _ _") + "\n\n"


def read(text, **params):
    reader = ConlluReader("file", **params)
    data = text.encode()
    # In pieces, as a pipe may bring them.
    pieces = [data[k : k + 7] for k in range(0, len(data), 7)]
    return [sentence for piece in pieces for sentence in reader.feed(piece)] + reader.finish()


def test_tokens_heads_and_relations_are_read():
    one, two = read(TEXT)
    assert list(one) == [("zu", "ADP"), ("dem", "DET"), ("Haus", "NOUN"), (".", "PUNCT")]
    assert one.heads == [3, 3, 0, 3]
    assert one.relations == ["case", "det", "root", "punct"]
    assert (one.first, two.first) == (1, 10)
    assert (two[0], two[:1], len(two)) == (("Ja", "INTJ"), [("Ja", "INTJ")], 1)
    assert repr(two) == "<ConlluSentence of 1 tokens from line 10>"
    assert [tag for _, tag in read(TEXT, tag="xpos")[0]] == ["APPR", "ART", "NN", "$."]


def test_sentences_are_written_as_they_were_with_new_heads(tmp_path):
    sentences = read(TEXT)
    assert "".join(map(format_conllu, sentences)) == TEXT
    path = tmp_path / "out.conllu.gz"
    write_conllu(path, sentences, [[2, 0, 2, 1], [0]], [["a", "root", "b", "c"], ["root"]])
    text = gzip.decompress(path.read_bytes()).decode()
    for old, new in [
        (line("3 case 3:case"), line("2 a 3:case")),
        (line("3 det"), line("0 root")),
        (line("NN _ 0 root"), line("NN _ 2 b")),
        (line("3 punct"), line("1 c")),
    ]:
        TEXT.index(old)
        text.index(new)
    again = read_conllu(path)
    assert [sentence.heads for sentence in again] == [[2, 0, 2, 1], [0]]
    assert again[0].lines[:3] == ROWS[:3]


def test_pairs_are_written(tmp_path):
    write_conllu(tmp_path / "out", [[("New York", "PROPN"), ("!", "PUNCT")]], [[0, 1]])
    (sentence,) = read_conllu(tmp_path / "out")
    assert list(sentence) == [("New York", "PROPN"), ("!", "PUNCT")]
    assert sentence.heads == [0, 1]
    assert sentence.relations == ["_", "_"]
    with pytest.raises(ValueError, match="there are 1 heads for 2 tokens"):
        format_conllu(sentence, [0])
    with pytest.raises(ValueError, match=r"token 1: 'a\\tb' cannot be a column"):
        format_conllu([("a\tb", "X")])


@pytest.mark.parametrize("change", [
    lambda text: text.replace("\n", "\r\n"),
    lambda text: text.replace("\n", "\r"),
    lambda text: "\ufeff" + text,
    lambda text: text.rstrip("\n"),
    lambda text: "\n\n" + text.replace("\n\n", "\n \n\n") + "# the end\n",
])  # fmt: skip
def test_odd_files_are_read(change):
    one, two = read(change(TEXT))
    assert one.heads == [3, 3, 0, 3]
    assert len(one.lines) == len(ROWS)
    assert two.heads == [0]


def test_heads_may_be_missing():
    (sentence,) = read(line("1 Ja ja INTJ _ _ _ _ _ _"))
    assert sentence.heads is None
    assert sentence.relations is None


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("NOUN\tNN\t_\t0", "NOUN\tNN\t0", "line 6: 9 columns, expected 10"),
        (ROWS[5], ROWS[5].replace("\t", " "), "line 6: 1 columns, expected 10; columns are separ"),
        ("Haus\tHaus", "\tHaus", "line 6: FORM is empty; write _ for nothing"),
        ("\n3\tHaus", "\n5\tHaus", "line 6: ID is '5', expected 3, the next token"),
        ("\n3\tHaus", "\nx\tHaus", "line 6: ID is 'x', expected 3"),
        ("1-2", "2-3", "line 3: the range 2-3 does not begin at token 1"),
        ("1-2", "1-0", "line 3: ID is '1-0', expected 1"),
        ("NN\t_\t0", "NN\t_\tx", "line 6: HEAD is 'x', expected a number$"),
        ("NN\t_\t0", "NN\t_\t-1", "line 6: HEAD is '-1', expected a number$"),
        ("NN\t_\t0", "NN\t_\t_", "line 6: HEAD is '_', expected a number; other tokens"),
        (
            "NN\t_\t0",
            "NN\t_\t9",
            "line 6: the head of token 3 is 9, expected another token",
        ),
        ("NN\t_\t0", "NN\t_\t3", "line 6: the head of token 3 is 3"),
        ("NN\t_\t0", "NN\t_\t1", "line 4: the head of token 1 leads to a cycle, not the root"),
        ("$.\t_\t3", "$.\t_\t0", "line 8: tokens 3 and 4 have the root as head; expected one"),
        ("Ja", "1\n\n1-2" + "\t_" * 9 + "\n\n1\tJa", "line 10: 2 columns"),
    ],
)
def test_errors_name_the_line(old, new, why):
    assert old in TEXT
    with pytest.raises(ColumnError, match=f"file, {why}"):
        read(TEXT.replace(old, new))


def test_other_errors(tmp_path):
    two_roots = TEXT.replace("$.\t_\t3", "$.\t_\t0")
    assert read(two_roots, single_root=False)[0].heads == [3, 3, 0, 0]
    with pytest.raises(ColumnError, match="file, line 1: the sentence that ends here has no token"):
        read(line("1-2 zum _ _ _ _ _ _ _ _"))
    with pytest.raises(ValueError, match="tag='pos': expected 'upos' or 'xpos'"):
        read(TEXT, tag="pos")
    (tmp_path / "empty").write_text("# nothing\n\n")
    with pytest.raises(ColumnError, match="empty holds no sentence"):
        read_conllu(tmp_path / "empty")
    (tmp_path / "latin").write_bytes(line("1 J\xe4 ja X _ _ 0 root _ _").encode("latin-1"))
    with pytest.raises(ColumnError, match="latin, line 1: byte 0xe4 at place 3 is no UTF-8"):
        read_conllu(tmp_path / "latin")
