"""The command line on several files, JSON lines, partial labels, folds, paths and confidence."""

import json

import numpy as np
import pytest

import structsvm
from structsvm import SequenceTagger, cli
from structsvm.columns import read_columns, write_columns
from structsvm.features import SequenceVectorizer, TokenFeatures
from structsvm.metrics import token_accuracy


def main(arguments):
    return cli.main(arguments.split())


def corpus(n=40, seed=0):
    """Words of three kinds, one of ten of them misleading; nouns after nouns go on."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        kinds = rng.choice(["d", "n", "v"], size=rng.integers(1, 8))
        seen = [kind if rng.random() > 0.1 else "x" for kind in kinds]
        X.append([(f"{kind}{rng.integers(9)}", kind.upper()) for kind in seen])
        tags = []
        for kind in kinds:
            inside = bool(tags) and tags[-1] != "O" and kind == "n"
            tags.append("O" if kind == "v" else "I-NP" if inside else "B-NP")
        y.append(tags)
    return X, y


def write_json(path, X, y=None):
    with open(path, "w", encoding="utf-8") as file:
        for i, tokens in enumerate(X):
            record = {"id": i, "tokens": tokens} | ({} if y is None else {"tags": y[i]})
            file.write(json.dumps(record) + "\n")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_columns("a.txt", *corpus())
    write_columns("b.txt", *corpus(seed=1))
    write_columns("test.txt", *corpus(seed=2))
    write_json("a.jsonl", *corpus())
    write_json("test.jsonl", *corpus(seed=2))
    return tmp_path


def test_several_files_are_one_corpus(folder, capsys):
    assert main("train a.txt b.txt -o m") == 0
    err = capsys.readouterr().err
    assert err.startswith("a.txt b.txt: 80 sentences, ")
    X, y = ([*a, *b] for a, b in zip(corpus(), corpus(seed=1), strict=True))
    tagger = SequenceTagger(TokenFeatures("chunk"), random_state=0, scoring="span_f1").fit(X, y)
    np.testing.assert_array_equal(structsvm.load("m").coef_, tagger.coef_)
    assert main("evaluate a.txt b.txt -m m") == 0
    score = token_accuracy(y, tagger.predict(X))
    assert capsys.readouterr().out.startswith(f"token accuracy     {score:.4f}\n")


def test_errors_name_the_file_of_several(folder, capsys):
    (folder / "bad.txt").write_text("d1 D B-NP\n\nd1 D B-NP\nv1 V O\nn1 N I-NP\n")
    (folder / "wide.txt").write_text("d1 D x B-NP\n")
    (folder / "bad.jsonl").write_text('{"tokens": ["a"], "tags": ["O"]}\n\n{"tokens": [1]}\n')
    for arguments, message in (
        ("train a.txt bad.txt b.txt -o m --constraints iob2", "bad.txt, line 5: y[41][2] is I-NP "),
        ("train a.txt wide.txt -o m", "wide.txt has 4 columns, a.txt has 3 columns"),
        ("train a.txt bad.jsonl -o m", "bad.jsonl, line 3, token 0 is 1; expected a str, a list"),
        ("train a.txt -o m --calibrate wide.txt", "wide.txt has 4 columns, a.txt has 3"),
        ("train a.txt -o b.txt --calibrate b.txt", "b.txt would be written over b.txt"),
        ("train a.txt b.txt -o b.txt", "b.txt would be written over b.txt"),
        ("train a.txt -o m --Cs 1,2", "--Cs needs --validation or --folds"),
        ("train a.txt -o m --Cs 1,2 -C 3 --folds 2", "-C and --Cs: give one of them"),
        ("train a.txt -o m --folds 1", "--folds 1: expected 2 or more"),
        ("train a.txt -o m --folds 99", "--folds 99: there are 40 sentences"),
        ("train a.txt -o m --folds 2 --partial hidden", "--folds judges labels that --partial"),
        ("evaluate a.jsonl", "JSON lines hold no tags to judge: give a --model"),
    ):
        assert main(arguments) == 1
        assert f"error: {message}" in capsys.readouterr().err


def test_each_tagging_has_a_column_so_these_are_few(folder, capsys):
    with pytest.raises(SystemExit):
        main("tag m a.txt --n-best 99999999")
    assert "argument --n-best: 99999999 is above 1000" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "x.jsonl, line 1 is no JSON: "),
        ("[" * 10000, "x.jsonl, line 1 is no JSON"),
        ("[1]", 'line 1: expected an object with a list, "tokens"'),
        ('{"tokens": ["a"]}', 'line 1: expected "tags", a list of 1'),
        ('{"tokens": ["a"], "tags": ["x", "y"]}', 'line 1: expected "tags", a list of 1'),
        ('{"tokens": ["a"], "tags": [1]}', "line 1, tag 0 is 1, expected a str or null"),
        ('{"tokens": ["a", {}], "tags": ["x", "x"]}', "line 1 has tokens of several kinds: attrib"),
        ('{"tokens": [[]], "tags": ["x"]}', "line 1, token 0 is []; expected a str"),
        ("\n", "x.jsonl holds no sentence"),
    ],
)
def test_bad_json_is_named_by_its_line(folder, capsys, text, message):
    (folder / "x.jsonl").write_text(text + "\n")
    assert main("train x.jsonl -o m -q") == 1
    assert message in capsys.readouterr().err


def test_json_lines_are_what_columns_are(folder, capsys):
    assert main("train a.txt -o m -q") == 0
    assert main("train a.jsonl -o j -q --validation test.jsonl --max-iter 3") == 0
    assert main("train a.jsonl -o j -q") == 0
    np.testing.assert_array_equal(structsvm.load("m").coef_, structsvm.load("j").coef_)
    assert main("tag m test.txt") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    X, _ = corpus(seed=2)
    write_json("plain.json", X)
    for arguments in ("tag m test.jsonl", "tag m plain.json --json"):
        assert main(arguments) == 0
        records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [record["id"] for record in records] == list(range(40))
        assert [[tuple(token) for token in record["tokens"]] for record in records] == X
        told = [tag for record in records for tag in record["tags"]]
        assert told == [row[-1] for row in rows if row]
    assert main("evaluate test.jsonl -m m") == 0
    of_json = capsys.readouterr().out
    assert main("evaluate test.txt -m m") == 0
    assert capsys.readouterr().out == of_json
    write_json("narrow.jsonl", [["a"]])
    assert main("tag m narrow.jsonl") == 1
    assert "line 1: the model reads tokens with 2 columns or more" in capsys.readouterr().err


def test_attributes_come_as_json(folder, capsys):
    X, y = corpus()
    X = [[{"word": word, "next": {"pos": pos}, "bias": 1} for word, pos in s] for s in X]
    write_json("dicts.jsonl", X, y)
    assert main("train dicts.jsonl -o m -q --min-count 2") == 0
    tagger = SequenceTagger(SequenceVectorizer(min_count=2), scoring="span_f1", random_state=0)
    np.testing.assert_array_equal(structsvm.load("m").coef_, tagger.fit(X, y).coef_)
    assert main("tag m dicts.jsonl") == 0
    told = [json.loads(line)["tags"] for line in capsys.readouterr().out.splitlines()]
    assert told == [tags.tolist() for tags in tagger.predict(X)]
    assert main("evaluate dicts.jsonl -m m --labels") == 0
    for arguments, message in (
        ("train dicts.jsonl -o m -f words", "dicts.jsonl holds attributes, which are taken as"),
        ("train dicts.jsonl -o m --validation a.txt", "dicts.jsonl holds attributes, a.txt colu"),
        ("train dicts.jsonl a.txt -o m", "a.txt has 3 columns, dicts.jsonl has attributes"),
        ("tag m a.txt", "m reads attributes (SequenceVectorizer), not columns"),
    ):
        assert main(arguments) == 1
        assert message in capsys.readouterr().err


def test_the_best_taggings_and_how_sure_they_are(folder, capsys):
    assert main("train a.txt -o m -q --calibrate b.txt") == 0
    tagger = structsvm.load("m")
    X, _ = read_columns("test.txt")
    assert main("tag m test.txt --n-best 4 --confidence") == 0
    blocks = capsys.readouterr().out.strip().split("\n\n")
    told = tagger.confidence(X)
    for block, best, sure in zip(blocks, tagger.predict_n_best(X, 4), told.tokens, strict=True):
        columns = list(zip(*(line.split() for line in block.splitlines()), strict=True))[3:]
        assert len(columns) == 5
        for column, (tags, _) in zip(columns, best, strict=False):
            assert list(column) == tags.tolist()
        for column in columns[len(best) : 4]:
            assert set(column) == {"_"}
        assert list(columns[4]) == [f"{value:.4g}" for value in sure]
    assert main("tag m test.jsonl --n-best 4 --confidence") == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for k, record in enumerate(records):
        assert record["confidence"] == told.tokens[k].tolist()
        assert record["sentence_confidence"] == told.sequences[k]
        assert record["n_best"][0]["tags"] == record["tags"]
        scores = [best["score"] for best in record["n_best"]]
        assert scores == sorted(scores, reverse=True)
    assert main("train a.txt -o lead -q") == 0
    assert main("tag lead test.jsonl --confidence") == 0
    record = json.loads(capsys.readouterr().out.splitlines()[0])
    assert "sentence_confidence" not in record
    assert all(value >= 0 for value in record["confidence"])


def test_a_path_and_folds_choose_and_report(folder, capsys):
    assert main("train a.txt -o m --Cs 1e-5,1 --validation test.txt") == 0
    err = capsys.readouterr().err
    assert structsvm.load("m").C == 1.0
    assert "         C  span_f1 on test.txt\n" in err
    assert "  best\n" in err
    assert "token accuracy     " in err
    assert "type  precision" in err
    assert main("train a.txt -o m --Cs 1,1e-5 --folds 4") == 0
    err = capsys.readouterr().err
    assert "span_f1 on 4 folds" in err
    scores = [float(line.split()[-1]) for line in err.splitlines() if line.startswith("fold ")]
    assert len(scores) == 4
    assert f"mean of 4 folds: {np.mean(scores):.4f}"[:-1] in err
    assert main("train a.txt -o m -q --Cs 1,1e-5 --folds 4") == 0
    assert capsys.readouterr().err == ""
    assert main("train a.txt -o m -q -C auto") == 0
    tagger = SequenceTagger(TokenFeatures("chunk"), C="auto", scoring="span_f1", random_state=0)
    assert structsvm.load("m").coef_.tolist() == tagger.fit(*corpus()).coef_.tolist()
    assert main("train a.txt -o m -q --order 2") == 0
    assert structsvm.load("m").order == 2
    assert main("train a.txt -o m -q --order auto --validation test.txt") == 0
    tagger = SequenceTagger(TokenFeatures("chunk"), order="auto", scoring="span_f1", random_state=0)
    (X, y), (X_val, y_val) = corpus(), corpus(seed=2)
    assert structsvm.load("m").order_ == tagger.fit(X, y, X_val=X_val, y_val=y_val).order_
    assert main("train a.txt -o m -q --order auto --Cs 1,2 --folds 2") == 1
    assert "--order auto goes with neither --Cs nor" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["void", "hidden"])
def test_partial_labels(folder, capsys, kind):
    X, y = corpus(120)
    rng = np.random.default_rng(0)
    some = [[tag if rng.random() < 0.6 else "_" for tag in tags] for tags in y]
    write_columns("some.txt", X, some)
    assert main("train some.txt -o m") == 0
    assert "; the label _ is one like others, see --partial" in capsys.readouterr().err
    assert "_" in structsvm.load("m").classes_
    assert main(f"train some.txt -o m --partial {kind} --validation some.txt") == 0
    n_void = sum(tag == "_" for tags in some for tag in tags)
    assert f"tokens, {n_void} of them without a label\n" in capsys.readouterr().err
    tagger = structsvm.load("m")
    assert tagger.classes_.tolist() == ["B-NP", "I-NP", "O"]
    assert tagger.score(*corpus(seed=5)) > 0.8
    assert main("evaluate some.txt -m m --partial") == 0
    score = token_accuracy(
        [[None if tag == "_" else tag for tag in tags] for tags in some], tagger.predict(X)
    )
    assert capsys.readouterr().out.startswith(f"token accuracy     {score:.4f}\n")
    # In JSON a label that is not known is null.
    write_json("some.jsonl", X, [[None if t == "_" else t for t in tags] for tags in some])
    if kind == "void":
        assert main("train some.jsonl -o j -q") == 0
        assert main("train some.txt -o m -q --partial void") == 0
        np.testing.assert_array_equal(structsvm.load("j").coef_, structsvm.load("m").coef_)
