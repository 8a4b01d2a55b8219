"""The commands on treebanks: train-parser, parse, evaluate-parser."""

import io
import sys

import numpy as np
import pytest

import structsvm
from structsvm import cli
from structsvm.columns import read_conllu, write_conllu

SENTENCES = {
    "d n v p": ([2, 3, 0, 3], ["det", "nsubj", "root", "punct"]),
    "n v d n p": ([2, 0, 4, 2, 2], ["nsubj", "root", "det", "obj", "punct"]),
    "v n p": ([0, 1, 1], ["root", "obj", "punct"]),
    "v": ([0], ["root"]),
}
TAGS = {"d": "DET", "n": "NOUN", "v": "VERB", "p": "PUNCT"}


def main(arguments):
    return cli.main(arguments.split())


def treebank(path, n=24, seed=0):
    rng = np.random.default_rng(seed)
    kinds = [list(SENTENCES)[k] for k in rng.integers(len(SENTENCES), size=n)]
    X = [
        [("." if kind == "p" else f"{kind}{rng.integers(5)}", TAGS[kind]) for kind in line.split()]
        for line in kinds
    ]
    write_conllu(path, X, *zip(*(SENTENCES[line] for line in kinds), strict=True))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    treebank("train.conllu")
    treebank("test.conllu", seed=1)
    return tmp_path


@pytest.fixture
def model(folder):
    assert main("train-parser train.conllu -o model -q --bits 10") == 0
    return structsvm.load("model")


def test_train_parser_tells_what_it_does(folder, capsys):
    code = main("train-parser train.conllu -o model --bits 10 --validation test.conllu")
    out, err = capsys.readouterr()
    assert (code, out) == (0, "")
    lines = err.splitlines()
    n_tokens = sum(map(len, read_conllu("train.conllu")))
    assert lines[0] == f"train.conllu: 24 sentences, {n_tokens} tokens"
    assert lines[-1].startswith("model: 5 relations, ")
    assert lines[-1].endswith("validation UAS 1.0000")
    parser = structsvm.load("model")
    assert (parser.order, parser.features.n_bits) == (2, 10)


@pytest.mark.parametrize(
    ("options", "params"),
    [
        ("--order 3 --heads-only", {"order": 3}),
        ("--order 1 --crossing --several-roots", {"projective": False, "single_root": False}),
        ("--solver bcfw --tol .05 -C .5 -j 2", {"solver": "bcfw", "tol": 0.05, "C": 0.5}),
        ("--tag xpos --max-iter 2 --seed 3", {"max_iter": 2, "random_state": 3}),
    ],
)
def test_options_are_those_of_the_estimator(folder, options, params):
    assert main(f"train-parser train.conllu -o model -q --bits 10 {options}") == 0
    parser = structsvm.load("model")
    found = parser.get_params()
    assert {name: found[name] for name in params} == params
    assert (len(parser.relations_) == 0) == ("heads-only" in options)
    assert parser.features_.fields[1] == ("xpos" if "xpos" in options else "upos")


def test_a_column_without_tags_is_told(folder, capsys):
    rows = "1 a a _ X _ 0 root _ _\n2 b b _ Y _ 1 obj _ _\n"
    (folder / "data").write_text(rows.replace(" ", "\t"))
    assert main("train-parser data -o model --bits 6") == 0
    assert "all tags are '_': see whether --tag xpos reads" in capsys.readouterr().err
    assert main("train-parser data -o model --bits 6 --tag xpos") == 0
    assert "all tags" not in capsys.readouterr().err
    (folder / "data").write_text(rows.replace(" 1 obj", " 0 root").replace(" ", "\t"))
    assert main("train-parser data -o model --bits 6") == 1
    assert "unless several may (single_root=False, or --several-roots)" in capsys.readouterr().err


def test_trees_are_written_into_the_file(model, capsysbinary):
    text = (
        "# text = d1 n9 v1 .\n1-2\tx" + "\t_" * 8 + "\n"
        "1\td1\t_\tDET" + "\t_" * 6 + "\n2\tn9\tl\tNOUN" + "\t_" * 6 + "\n"
        "3\tv1\t_\tVERB\t_\t_\t7\tdep\t_\t_\n4\t.\t_\tPUNCT" + "\t_" * 5 + "\tx=y\n\n"
    )
    with open("new.conllu", "w", encoding="utf-8") as file:
        file.write(text)
    assert main("parse model new.conllu") == 0
    out = capsysbinary.readouterr().out.decode()
    expected = text
    for old, new in [
        ("DET\t_\t_\t_\t_", "DET\t_\t_\t2\tdet"),
        ("NOUN\t_\t_\t_\t_", "NOUN\t_\t_\t3\tnsubj"),
        ("7\tdep", "0\troot"),
        ("PUNCT\t_\t_\t_\t_", "PUNCT\t_\t_\t3\tpunct"),
    ]:
        assert old in expected
        expected = expected.replace(old, new)
    assert out == expected


def test_sentences_are_parsed_as_they_come(model, capsysbinary, monkeypatch):
    with open("test.conllu", "rb") as file:
        data = file.read()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
    assert main("parse model") == 0
    assert capsysbinary.readouterr().out == data  # it finds all trees of this treebank


def test_evaluate_parser(model, capsys):
    assert main("evaluate-parser test.conllu -m model") == 0
    out = capsys.readouterr().out
    assert out == ("unlabelled attachment score  1.0000\nlabelled attachment score    1.0000\n")
    assert main("parse model test.conllu -o parsed") == 0
    assert main("evaluate-parser test.conllu parsed") == 0
    assert capsys.readouterr().out == out
    main("train-parser train.conllu -o heads -q --bits 10 --heads-only")
    assert main("evaluate-parser test.conllu -m heads") == 0
    assert "labelled attachment" not in capsys.readouterr().out.replace("unlabelled", "")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("train-parser train.conllu -o train.conllu", "train-parser: error: train.conllu"),
        ("train-parser bad -o model", "error: bad, line 1: 1 columns, expected 10"),
        ("train-parser bare -o model", "error: bare, line 1: this sentence has no heads"),
        ("train-parser train.conllu -o m --patience 2", "--patience needs --validation"),
        ("train-parser train.conllu -o m --crossing", "order=2 needs projective=True"),
        ("parse train.conllu train.conllu", "train.conllu is no readable model file"),
        ("evaluate-parser train.conllu", "give either --model, or a second file"),
        ("evaluate-parser train.conllu test.conllu", "test.conllu, line 1: other words"),
        ("evaluate-parser train.conllu one", "one has 1 sentences, train.conllu has 24"),
    ],
)
def test_errors_are_one_line(folder, capsys, arguments, told):
    (folder / "bad").write_text("word\n")
    (folder / "bare").write_text("1\tword\t_\tX" + "\t_" * 6 + "\n")
    (folder / "one").write_text((folder / "train.conllu").read_text().split("\n\n")[0] + "\n")
    assert main(arguments) == 1
    err = capsys.readouterr().err
    assert told in err
    assert len(err.splitlines()) == 1 + err.startswith("train.conllu: 24 sentences")


def test_info_and_other_models(model, folder, capsys):
    assert main("info model") == 0
    assert "labels:     det nsubj obj punct root\n" in capsys.readouterr().out
    assert main("tag model test.conllu") == 1
    assert "holds a DependencyParser, not a tagger" in capsys.readouterr().err
    structsvm.ChainSVM().fit([[[0.0], [1.0]]], [["a", "b"]]).save("chain")
    assert main("parse chain test.conllu") == 1
    assert "chain holds a ChainSVM, not a parser" in capsys.readouterr().err
