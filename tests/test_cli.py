"""The command line: what it prints, what it writes, and how it ends."""

import gzip
import io
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import structsvm
from structsvm import cli
from structsvm.columns import read_columns, write_columns
from structsvm.features import SequenceVectorizer
from structsvm.metrics import span_f1_score
from structsvm.persistence import model_files


def main(arguments):
    return cli.main(arguments.split())


def corpus(n=40, seed=0):
    rng = np.random.default_rng(seed)
    X, y = [], []
    for _ in range(n):
        kinds = rng.choice(["d", "n", "v"], size=rng.integers(1, 8))
        X.append([(f"{kind}{rng.integers(9)}", kind.upper()) for kind in kinds])
        before = ["", *kinds[:-1]]
        y.append(
            ["O" if k == "v" else "I-NP" if k == "n" and b in ("d", "n") else "B-NP"
             for k, b in zip(kinds, before, strict=True)]
        )  # fmt: skip
    return X, y


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with train.txt and test.txt, to work in."""
    monkeypatch.chdir(tmp_path)
    write_columns("train.txt", *corpus())
    write_columns("test.txt", *corpus(seed=1))
    return tmp_path


@pytest.fixture
def model(folder):
    assert main("train train.txt -o model -q") == 0
    return structsvm.load("model")


class Stream:
    """Standard input that arrives in pieces."""

    def __init__(self, pieces):
        self.pieces = list(pieces)
        self.buffer = self

    def read1(self, size):
        return self.pieces.pop(0) if self.pieces else b""

    def __enter__(self):
        return self

    def __exit__(self, *args):
        pass


def test_train_tells_what_it_does(folder, capsys):
    code = main("train train.txt -o model --validation test.txt --constraints iob2")
    out, err = capsys.readouterr()
    assert (code, out) == (0, "")
    lines = err.splitlines()
    assert lines[0] == f"train.txt: 40 sentences, {sum(map(len, corpus()[0]))} tokens"
    assert "pass    1" in lines[1]
    assert "validation" in lines[1]
    assert lines[-2].startswith("model: 3 tags, ")
    tagger = structsvm.load("model")
    assert tagger.scoring == "span_f1"
    assert tagger.constraints == "iob2"
    X, y = read_columns("test.txt")
    score = span_f1_score(y, tagger.predict(X))
    assert f"validation span_f1 {score:.4f}, certified gap" in lines[-1]


def test_options_reach_the_tagger(folder):
    (folder / "template").write_text("U00:%x[0,0]\nU01:%x[-1,1]/%x[0,1]\nB\n")
    code = main(
        "train train.txt -o model -q -f template --min-count 2 -C 0.5 --solver cutting_plane "
        "--tol 0.1 --max-iter 50 --scoring token_accuracy --seed 3 -j 2"
    )
    assert code == 0
    tagger = structsvm.load("model")
    features = tagger.features_
    assert features.templates == ["U00:%x[0,0]", "U01:%x[-1,1]/%x[0,1]", "B"]
    assert (features.outside, features.min_count) == ("mark", 2)
    assert (tagger.C, tagger.solver, tagger.tol, tagger.max_iter) == (0.5, "cutting_plane", 0.1, 50)
    assert (tagger.scoring, tagger.random_state, tagger.n_jobs) == ("token_accuracy", 3, 2)
    assert main("train train.txt -o model -q --hashed 4096 -f words") == 0
    assert structsvm.load("model").features_.n_hashed == 4096


BROKEN = "d1 D B-NP\nn1 N I-NP\n\n\nv1 V O\nn2 N I-NP\n\n"


@pytest.mark.parametrize(("what", "told"), [("skip", "left out"), ("repair", "repaired")])
def test_sentences_that_break_constraints_are_counted(folder, capsys, what, told):
    (folder / "broken.txt").write_text(BROKEN)
    arguments = f"train broken.txt -o model --constraints iob2 --on-violation {what}"
    assert main(f"{arguments} --validation broken.txt") == 0
    err = capsys.readouterr().err
    sentence = (
        f"1 of 2 sequences break the constraints and were {told}; the first is y[1], where label 1 "
        "is I-NP after O\n"
    )
    assert f"structsvm train: warning: {sentence}" in err
    assert f"structsvm train: warning: in X_val and y_val: {sentence}" in err
    assert structsvm.load("model").on_violation == what


def test_early_stopping(folder, capsys):
    arguments = "train train.txt -o model --validation test.txt --patience 1 --tol 1e-9"
    assert main(arguments) == 0
    assert "stopped early after" in capsys.readouterr().err


def test_files_are_tagged_and_judged(folder, model, capsys):
    assert main("tag model test.txt") == 0
    tagged = capsys.readouterr().out
    (folder / "tagged.txt").write_text(tagged)
    X, guess = read_columns("tagged.txt")
    sentences, truth = read_columns("test.txt")
    assert [[token[:-1] for token in s] for s in X] == sentences
    assert [[token[-1] for token in s] for s in X] == truth
    assert guess == [tags.tolist() for tags in model.predict(sentences)]
    assert main("evaluate tagged.txt") == 0
    of_file = capsys.readouterr().out
    assert main("evaluate test.txt -m model") == 0
    assert capsys.readouterr().out == of_file
    assert f"{span_f1_score(truth, guess):.4f}" in of_file.splitlines()[-1]
    assert main("evaluate test.txt -m model --labels") == 0
    assert "\nI-NP " in capsys.readouterr().out


def test_input_is_tagged_as_it_comes(model, monkeypatch, capsys):
    data = b"d1 D\nn2 N\n\nv1 V\n\r\n\nd3\tD\nn1\tN"
    whole = model.predict([[("d1", "D"), ("n2", "N")], [("v1", "V")], [("d3", "D"), ("n1", "N")]])
    a, b, c = [tags.tolist() for tags in whole]
    expected = f"d1 D {a[0]}\nn2 N {a[1]}\n\nv1 V {b[0]}\n\nd3\tD\t{c[0]}\nn1\tN\t{c[1]}\n\n"
    for size in (1, 3, 7, 100):
        pieces = [data[k : k + size] for k in range(0, len(data), size)]
        monkeypatch.setattr(sys, "stdin", Stream(pieces))
        assert main("tag model") == 0
        assert capsys.readouterr().out == expected


def test_labels_with_spaces_can_be_judged(folder, capsys):
    tagged = "d1\tD\tnoun phrase\nv1\tV\tverb\n\n" * 5
    (folder / "spaced.txt").write_text(tagged)
    (folder / "plain.txt").write_text("d1 D X\nv1 V Y\n\n")
    assert main("train spaced.txt -o model -q") == 0
    assert main("tag model plain.txt") == 0
    out = capsys.readouterr().out
    (folder / "out.txt").write_text(out)
    assert read_columns("out.txt")[1] == [["noun phrase", "verb"]]
    assert main("evaluate out.txt") == 0


def test_nothing_in_nothing_out(model, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", Stream([]))
    assert main("tag model") == 0
    assert capsys.readouterr().out == ""


def test_confidence_is_the_lead_of_the_best_tag(model, capsys):
    assert main("tag model test.txt --confidence") == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line]
    marginals = np.concatenate(model.max_marginals(read_columns("test.txt")[0]))
    second, best = np.sort(marginals, axis=1)[:, -2:].T
    np.testing.assert_allclose([float(row[-1]) for row in rows], best - second, rtol=1e-3)


def test_dump_and_info(model, capsys):
    assert main("dump model -k 2") == 0
    lines = capsys.readouterr().out.splitlines()
    assert main("dump model") == 0
    whole = capsys.readouterr().out.splitlines()
    assert len(whole) == np.count_nonzero(model.coef_)
    for kind in ("transition", "start", "end", "state"):
        values = [float(line.split("\t")[3]) for line in whole if line.startswith(kind)]
        shown = [float(line.split("\t")[3]) for line in lines if line.startswith(kind)]
        assert 1 <= len(shown) <= 2
        assert shown == sorted(values, reverse=True)[: len(shown)]
    assert main("info model") == 0
    out = capsys.readouterr().out
    assert "labels:     B-NP I-NP O\n" in out
    assert "(certified)" in out


def test_labels_that_are_no_spans(folder, capsys):
    X, _ = corpus()
    write_columns("pos.txt", [[word for word, _ in s] for s in X], [[p for _, p in s] for s in X])
    assert main("train pos.txt -o model -q") == 0
    assert structsvm.load("model").features_.templates == "words"
    assert structsvm.load("model").scoring == "token_accuracy"
    assert main("evaluate pos.txt -m model") == 0
    assert capsys.readouterr().out.count("\n") == 2
    assert main("evaluate pos.txt -m model --scheme iob2") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train none.txt -o m", "none.txt: No such file or directory"),
        ("train empty.txt -o m", "empty.txt holds no sentence"),
        ("train ragged.txt -o m", "ragged.txt, line 3 has 2 columns, expected 3 as line 1 has"),
        ("train latin.txt -o m", "latin.txt, line 2: byte 0xe9"),
        ("train damaged.gz -o m", "damaged.gz is a damaged gzip file"),
        ("train train.txt -o none/m", "none is no folder"),
        ("train train.txt -o m -f none", "none: No such file or directory"),
        ("train train.txt -o m -f bad", "bad: template 1, 'U%x[0]'"),
        ("train train.txt -o m -f bad", "(line 1)"),
        ("train train.txt -o m -f latin.txt", "latin.txt: line 2 is no utf-8 text, byte 0xe9"),
        ("train broken.txt -o m --constraints iob2", "broken.txt, line 6: y[1][1] is I-NP after O"),
        (
            "train train.txt -o m --constraints iob2 --validation broken.txt",
            "broken.txt, line 6: y[1][1] is I-NP after O",
        ),
        ("train nul.txt -o m", "nul.txt, line 2: y[0] holds 'O\\x00', which ends in a null"),
        (
            "train tags.txt -o m --constraints iob2",
            "tags.txt, line 3: y[1][0]: tag 1 is 'NP'; sche",
        ),
        (
            "train tags.txt -o m --constraints iob2 --on-violation repair",
            "y[1] cannot be repaired: tag 0 is 'NP'",
        ),
        ("train tabs.txt -o m", "tabs.txt, line 2: column 3 of 3 is empty"),
        ("train words.txt -o m -f chunk", "templates use column 1"),
        ("train train.txt -o m --validation words.txt", "words.txt has 2 columns, train.txt has 3"),
        ("train train.txt -o m --patience 3", "--patience needs --validation"),
        ("train train.txt -o m --solver perceptron -C 3", "'perceptron' has no regularisation"),
        ("tag none test.txt", "none: No such file or directory"),
        ("tag train.txt test.txt", "train.txt is no readable model file"),
        ("tag model empty.gz", ""),
        ("tag model ragged.txt", "ragged.txt, line 3 has 2 columns"),
        ("tag model narrow.txt", "narrow.txt, line 1 has 1 columns, expected 2 or more: 'a'"),
        ("tag attributes test.txt", "attributes reads attributes (SequenceVectorizer)"),
        ("tag chain test.txt", "chain holds a ChainSVM, not a tagger"),
        ("evaluate words.txt -m model", "words.txt has 1 columns before the label, the model"),
        ("evaluate narrow.txt", "narrow.txt, line 1 has 1 columns, expected 2"),
        ("dump none", "none: No such file"),
        ("info train.txt", "train.txt is no readable model file"),
    ],
)
def test_bad_files_end_in_one_line(folder, model, capsys, arguments, message):
    files = {
        "empty.txt": b"\n", "ragged.txt": b"a b c\nd e f\ng h\n", "latin.txt": b"a b c\n\xe9 d e\n",
        "damaged.gz": gzip.compress(b"a b c\n" * 99)[:-9], "bad": b"U%x[0]\n",
        "words.txt": b"a X\nb Y\n", "narrow.txt": b"a\nb\n", "empty.gz": gzip.compress(b""),
        "broken.txt": BROKEN.encode(), "nul.txt": b"a b O\nc d O\0\n",
        "tags.txt": b"a b B-NP\n\nc d NP\n",
        "tabs.txt": b"a\tb\tO\nc\td\t\n",
    }  # fmt: skip
    for name, data in files.items():
        (folder / name).write_bytes(data)
    tagger = structsvm.SequenceTagger(SequenceVectorizer(), random_state=0)
    tagger.fit([[["a"], ["b"]]], [["X", "Y"]]).save("attributes")
    structsvm.ChainSVM().fit([[[1.0], [2.0]]], [["X", "Y"]]).save("chain")
    code = main(arguments)
    out, err = capsys.readouterr()
    assert out == ""
    if message:
        assert code == 1
        last = err.splitlines()[-1]
        assert last.startswith(f"structsvm {arguments.split()[0]}: error: ")
        assert message in last
    else:
        assert (code, err) == (0, "")


@pytest.mark.parametrize(
    "arguments", ["", "fly", "train", "train x", "train x -o m -C 0", "train x -o m --tol nan",
                  "train x -o m --max-iter 0", "tag", "dump m -k -1"],
)  # fmt: skip
def test_bad_arguments_end_with_usage(arguments, capsys):
    with pytest.raises(SystemExit) as info:
        main(arguments)
    assert info.value.code == 2
    assert "usage: structsvm" in capsys.readouterr().err


def test_an_interrupted_training_writes_its_model(folder, monkeypatch, capsys):
    def interrupt(self, progress):
        if progress.n_iter == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("structsvm.callbacks.ProgressBar.__call__", interrupt)
    assert main("train train.txt -o model --tol 1e-6") == 130
    assert "interrupted after 2 passes" in capsys.readouterr().err
    assert structsvm.load("model").n_iter_ == 2


def test_help_needs_no_numpy():
    code = (
        "import sys\n"
        "from structsvm.cli import main\n"
        "try: main(['train', '--help'])\n"
        "except SystemExit: print(sorted({'numpy', 'scipy', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_reader_that_leaves_early_is_no_error(folder, model):
    code = "import sys; from structsvm.cli import main; sys.exit(main(sys.argv[1:]))"
    lines = io.BytesIO()
    for _ in range(3000):
        lines.write(b"d1 D\nn1 N\n\n")
    (folder / "long.txt").write_bytes(lines.getvalue())
    process = subprocess.Popen(
        [sys.executable, "-c", code, "tag", "model", "long.txt"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout.readline().startswith(b"d1 D ")
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


# ---- files: what is read is not written, what is written is whole


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train train.txt -o train.txt", "train.txt would be written over train.txt"),
        ("train train.txt -o ./sub/../train.txt", "would be written over train.txt, which is"),
        ("train train.txt -o soft", "soft would be written over train.txt"),
        ("train train.txt -o hard", "hard would be written over train.txt"),
        ("train train.txt -o test.txt --validation test.txt", "would be written over test.txt"),
        ("train train.txt -o template -f template", "would be written over template"),
        ("train train.txt -o m --checkpoint train.txt --resume", "would be written over train.txt"),
        ("train train.txt -o m --checkpoint m", "m would be written over m"),
        ("train train.txt -o sub", "sub: is a folder, expected the name of a file"),
        ("train train.txt -o sub/", "sub/: is a folder, expected the name of a file"),
        ("train train.txt -o none/m", "none is no folder"),
        ("train train.txt -o m --checkpoint sub", "sub: is a folder, expected"),
        ("train train.txt -o m --checkpoint none/c", "the folder of none/c does not exist"),
        ("train train.txt -o m --checkpoint pipe", "pipe: is a pipe or a device, expected a file"),
        ("train train.txt -o m --resume", "--resume needs --checkpoint"),
        ("train train.txt -o m --checkpoint test.txt", "test.txt exists: add --resume to go on"),
        ("train train.txt -o m --checkpoint test.txt --resume", "test.txt is no readable model"),
        ("tag model test.txt -o test.txt", "test.txt would be written over test.txt"),
        ("tag model test.txt -o model", "model would be written over model"),
        ("tag model test.txt -o sub", "sub: is a folder"),
        ("dump model -o model", "model would be written over model"),
        ("evaluate test.txt -m model -o model", "model would be written over model"),
        ("evaluate test.txt -m model -o hard2", "hard2 would be written over test.txt"),
    ],
)
def test_outputs_that_cannot_be_or_are_inputs_are_refused(
    folder, model, capsys, monkeypatch, arguments, message
):
    (folder / "template").write_text("U00:%x[0,0]\n")
    (folder / "sub").mkdir()
    os.link("train.txt", "hard")
    os.link("test.txt", "hard2")
    os.symlink("train.txt", "soft")
    os.mkfifo("pipe")
    before = {name: os.stat(name) for name in os.listdir()}
    if "is no readable" not in message:
        monkeypatch.setattr(structsvm.SequenceTagger, "fit", None)  # before training
    assert main(arguments) == 1
    assert message in capsys.readouterr().err
    assert {name: os.stat(name) for name in os.listdir()}.keys() == before.keys()
    assert all(os.stat(name).st_mtime_ns == old.st_mtime_ns for name, old in before.items())


def test_results_in_a_file_are_those_on_standard_output(folder, model, capsys):
    for arguments in ("tag model test.txt", "dump model", "evaluate test.txt -m model"):
        assert main(arguments) == 0
        expected = capsys.readouterr().out
        assert main(f"{arguments} -o out") == 0
        assert capsys.readouterr().out == ""
        assert (folder / "out").read_text() == expected
    (folder / "bad").write_text("d1 D\n\nd1 D\nd2\n")
    assert main("tag model bad -o out") == 1
    assert (folder / "out").read_text() == expected


def test_templates_and_labels_are_named_by_file_and_line(folder, model, capsys):
    (folder / "words.txt").write_text("\na X\n\n\nb Y\nc X\n")
    (folder / "iob.txt").write_text("a N B-NP\nb N I-NP\n\nc N O\nd N I-NP\n")
    (folder / "odd.txt").write_text("a N O\n\nc N O\nd N Q-NP\n")
    for arguments, message in (
        ("train words.txt -o m -f chunk", "words.txt, line 2: X[0][0] is ('a',): the templates"),
        ("train iob.txt -o m --constraints iob2", "iob.txt, line 5: y[1][1] is I-NP after O"),
        ("evaluate odd.txt -m model --scheme iob2", "odd.txt, line 4: sequence 1: tag 1 is 'Q-NP'"),
    ):
        assert main(arguments) == 1
        last = capsys.readouterr().err.splitlines()[-1]
        assert last.split("error: ")[1].startswith(message)


@pytest.mark.parametrize("command", ["train {} -o m -q", "tag model {}", "evaluate {} -m model"])
def test_a_damaged_gzip_file_is_one_sentence(folder, model, capsys, command):
    whole = gzip.compress((folder / "test.txt").read_bytes() * 20)
    wrong_sum = bytearray(whole)
    wrong_sum[-6] ^= 1
    in_the_middle = bytearray(whole)
    in_the_middle[len(whole) // 2] ^= 0xFF
    damaged = [whole[:length] for length in (0, 2, 5, 11, len(whole) // 2, len(whole) - 1)]
    damaged += [wrong_sum, whole + b"more", b"\x1f\x8b" + b"\x00" * 30, in_the_middle]
    for data in damaged:
        (folder / "data.gz").write_bytes(data)
        assert main(command.format("data.gz")) == 1
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        # What is unpacked wrongly may make no sense before its checksum comes.
        assert "error: data.gz is a damaged gzip file: " in err or data is in_the_middle
    (folder / "data.gz").write_bytes(whole)
    assert main(command.format("data.gz")) == 0


def test_data_may_come_through_a_pipe(folder, model, capsys):
    assert main("evaluate test.txt -m model") == 0
    expected = capsys.readouterr().out
    plain = (folder / "test.txt").read_bytes()
    for data in (plain, gzip.compress(plain)):
        read, write = os.pipe()
        with open(write, "wb") as file:
            file.write(data)
        assert main(f"evaluate /proc/self/fd/{read} -m model") == 0
        os.close(read)
        assert capsys.readouterr().out == expected


# ---- processes


LOCALES = {
    "ascii": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "another encoding": {"PYTHONIOENCODING": "utf-16"},
}
ALL_COMMANDS = """
import sys
from structsvm import cli
name = sys.argv[1]
assert cli.main(["train", "in.txt", "-o", name, "--max-iter", "3", "-q"]) == 0
for line in ("tag {} in.txt", "dump {}", "info {}", "evaluate in.txt -m {}"):
    assert cli.main(line.format(name).split()) == 0
assert cli.main(["info", name + "2"]) == 1
"""


@pytest.mark.parametrize("environment", LOCALES.values(), ids=LOCALES)
def test_utf_8_whatever_the_locale(folder, environment):
    (folder / "in.txt").write_bytes("Füße\tN\tB-ß\n日本\tN\tI-ß\n\n".encode() * 5)
    name = os.fsdecode(b"caf\xe9")
    done = subprocess.run(
        [sys.executable, "-c", ALL_COMMANDS, name],
        env=os.environ | environment, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    out = done.stdout.decode("utf-8")
    assert out.startswith("Füße\tN\tB-ß\tB-ß\n日本\tN\tI-ß\tI-ß\n\n" * 5)
    assert "=日本" in out
    assert "labels:     B-ß I-ß\n" in out
    assert "\nß " in out
    assert os.path.exists(name)
    if "LC_ALL" in environment:
        assert done.stderr == b"structsvm info: error: caf\\udce92: No such file or directory\n"


@pytest.mark.parametrize("arguments", ["dump model", "--help"])
def test_a_reader_that_has_gone_is_no_error(folder, model, arguments):
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "structsvm", *arguments.split()],
            stdout=nobody, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")


def test_training_goes_on_when_nobody_reads_how_it_goes(folder):
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb") as nobody:
        done = subprocess.run(
            [sys.executable, "-m", "structsvm", "train", "train.txt", "-o", "m"],
            stdout=nobody, stderr=nobody, check=False,
        )  # fmt: skip
    assert done.returncode == 0
    assert structsvm.load("m").dual_gap_ <= 0.03


def test_a_full_standard_output_is_one_sentence_and_own_input_is_refused(folder, model):
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "structsvm", "info", "model"],
            stdout=full, stderr=subprocess.PIPE, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1
    assert b"No space left on device" in done.stderr
    before = (folder / "test.txt").read_bytes()
    with open("test.txt", "ab") as same:
        done = subprocess.run(
            [sys.executable, "-m", "structsvm", "tag", "model", "test.txt"],
            stdout=same, stderr=subprocess.PIPE, check=False, timeout=600,
        )  # fmt: skip
    assert done.returncode == 1
    assert b"standard output is test.txt, which is read" in done.stderr
    assert (folder / "test.txt").read_bytes() == before


#: Kills its process in the middle of the fourth write.
KILLED = """
import os, signal, sys
from structsvm import cli
from structsvm.persistence import model_files
written, write = [], model_files.write_checkpoint
def write_or_die(snapshot, path):
    written.append(path)
    if len(written) == 4:
        os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
    write(snapshot, path)
model_files.write_checkpoint = write_or_die
cli.main(sys.argv[1:])
"""


def test_a_training_killed_for_good_goes_on_to_the_same_bits(folder, capsys):
    options = ["train", "train.txt", "--tol", "1e-3", "--validation", "test.txt", "-q", "-o"]
    assert cli.main([*options, "whole"]) == 0
    whole = structsvm.load("whole")
    assert whole.n_iter_ > 5
    resumable = [*options, "model", "--checkpoint", "c", "--resume"]
    (folder / "model").write_text("an older model")
    done = subprocess.run([sys.executable, "-c", KILLED, *resumable], check=False)
    assert done.returncode == -signal.SIGKILL
    assert (folder / "model").read_text() == "an older model"
    # One interval is lost: the fourth checkpoint was not whole.
    assert model_files.read_checkpoint("c", None)["n_iter"] == 3
    assert len([name for name in os.listdir() if name.endswith(".part")]) == 1
    resumable.remove("-q")
    assert cli.main(resumable) == 0
    lines = capsys.readouterr().err.splitlines()
    assert "c: goes on from there" in lines
    assert "pass    1" not in "".join(lines)
    model = structsvm.load("model")
    assert np.array_equal(model.coef_, whole.coef_)
    assert model.n_iter_ == whole.n_iter_
    for column, values in whole.history_.items():
        same = np.array_equal(model.history_[column], values, equal_nan=True)
        assert same or column == "seconds"
    assert sorted(os.listdir()) == ["c", "model", "test.txt", "train.txt", "whole"]


def test_resuming_what_never_began_begins(folder, capsys):
    assert main("train train.txt -o model --checkpoint c --checkpoint-every 3 --resume") == 0
    assert "c: begins afresh" in capsys.readouterr().err
    n_iter = model_files.read_checkpoint("c", None)["n_iter"]
    assert n_iter == structsvm.load("model").n_iter_ // 3 * 3
    # Another fit's checkpoint is not gone on from.
    assert main("train train.txt -o model -C 2 --checkpoint c --resume") == 1
    assert "the checkpoint is of a fit to other data" in capsys.readouterr().err


ENDED = """
import os, signal, sys
from structsvm import cli
from structsvm.persistence import model_files
write = model_files.write_checkpoint
for name in ("SIGTERM", "SIGHUP", "SIGINT", "ignored"):
    how = signal.SIGHUP if name == "ignored" else getattr(signal, name)
    kindly = signal.default_int_handler if name == "SIGINT" else signal.SIG_DFL
    signal.signal(how, signal.SIG_IGN if name == "ignored" else kindly)
    written = []
    def write_and_end(snapshot, path):
        written.append(path)
        if len(written) == 3:
            os.kill(os.getpid(), how)
        write(snapshot, path)
    model_files.write_checkpoint = write_and_end
    arguments = ["train", "train.txt", "--tol", "1e-3", "--checkpoint", name + ".c", "-o", name]
    print(name, cli.main(arguments), file=sys.stderr)
"""


def test_a_terminated_training_writes_its_model_and_an_ignored_signal_stays_ignored(folder):
    done = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True, check=True)
    assert done.stderr.count("interrupted after ") == 3
    for name in ("SIGTERM", "SIGHUP", "SIGINT"):
        assert f"\n{name} 130\n" in done.stderr
        assert structsvm.load(name).n_iter_ == 3
    assert "\nignored 0\n" in done.stderr
    assert structsvm.load("ignored").dual_gap_ <= 1e-3
    names = [
        name + end for name in ("SIGTERM", "SIGHUP", "SIGINT", "ignored") for end in ("", ".c")
    ]
    assert sorted(os.listdir()) == sorted([*names, "test.txt", "train.txt"])


def test_a_training_ended_before_its_first_pass_leaves_the_old_model(folder, capsys, monkeypatch):
    (folder / "model").write_text("an older model")

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("structsvm.solvers.bcfw._BlockRun.round", interrupt)
    assert main("train train.txt -o model") == 130
    assert "model is left as it was" in capsys.readouterr().err
    assert (folder / "model").read_text() == "an older model"
