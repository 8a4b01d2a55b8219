"""The code of the site's pages runs, each page from top to bottom, and does what the page says."""

import importlib
import io
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from structsvm import StructSVM
from structsvm.cli import main
from structsvm.columns import write_columns
from structsvm.testing import check_model

DOCS = Path(__file__).parents[1] / "docs"
PAGES = sorted(
    page.relative_to(DOCS).as_posix()
    for page in DOCS.rglob("*.md")
    if "_build" not in page.parts and "```python" in page.read_text()
)


def blocks_of(page, language="python"):
    text = (DOCS / page).read_text()
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def start(outputs, names):
    digits, sentence, image, own = outputs
    assert float(digits.split()[0]) > 0.8
    assert "B-NP" in sentence
    assert float(image) > 0.8
    assert float(own.split()[0]) <= 1e-3


def decisions(outputs, names):
    *_, lost, gap = outputs[0].split()
    assert 0 <= float(lost) < 0.05
    assert float(gap) <= 1e-3


def own_structure(outputs, names):
    lines = [line.split() for line in outputs[-1].splitlines()]
    objectives, gaps, scores = np.array(lines, dtype=float).T
    assert len(lines) == 3
    assert max(gaps) <= 1e-3
    assert np.ptp(objectives) <= 1e-3 * max(objectives)
    assert min(scores) > -2.0


def files(outputs, names):
    assert outputs[0].split() == ["True", "True"]
    assert Path("fit.ckpt").exists()
    assert [svm.C for svm in names["path"]] == [0.01, 0.1, 1.0]
    assert names["svm"].validation_score_ > 0.8


def large_data(outputs, names):
    length, score = outputs[0].split()
    assert int(length) == len(names["y"]) == 40
    assert float(score) > 0.9
    assert outputs[1].strip() == "True"


def text(outputs, names):
    tags, best, completed, why = outputs[0].splitlines()
    assert (
        f'print(tagger.tag("the old cat sleeps".split()))  # {tags}\n'
        in blocks_of("guide/text.md")[0]
    )
    assert best.count("B-NP") >= 2
    assert "B-VP" in completed
    assert why.count("Term(") == 3


def images(outputs, names):
    alone, cut, *edges = outputs[0].split(maxsplit=2)
    assert float(cut) > float(alone) + 0.1
    assert "-" not in edges[0]
    assert "[1 1 0] 0.0\n" in outputs


def hinges(outputs, names):
    assert outputs[0].split() == ["0.25", "[-0.5", "0.", "]"]


def multiclass(outputs, names):
    gap, rest = outputs[0].split(maxsplit=1)
    assert float(gap) <= 1e-6
    assert rest.startswith("(10, 64) [")


def risks(outputs, names):
    assert names["result"].certified
    assert names["result"].gap <= 1e-3
    weights = names["result"].weights
    np.testing.assert_allclose(weights / weights[0], [1, -2, 0.5], atol=0.25)
    assert outputs[0].startswith("[")


def hidden_parts(outputs, names):
    void, hidden, two_states = map(float, outputs[0].split())
    assert 0.8 < void < hidden < two_states


def solvers(outputs, names):
    objectives = [float(each) for each in re.findall(r"objective ([\d.]+)", outputs[0])]
    assert len(objectives) == 3
    assert np.ptp(objectives) <= 1e-2 * max(objectives)


def visit(outputs, names):
    primal, dual = map(float, re.findall(r"[\d.]+", outputs[0])[:2])
    optimum = float(outputs[1].split()[0])
    assert dual <= optimum <= primal


def neural(outputs, names):
    assert float(outputs[0]) > 0.85
    before, after = map(float, outputs[1].split())
    assert after < 0.5 * before
    assert float(outputs[2]) <= 1e-3


def linearsvc(outputs, names):
    difference, gap = map(float, outputs[0].split())
    assert difference <= 1e-3
    assert gap <= 1e-6


def pymaxflow(outputs, names):
    right, error = map(float, outputs[0].split())
    assert right > 0.95
    assert abs(error) < 1e-9
    score, bound = map(float, outputs[1].split())
    assert score <= bound


def pytorch_crf(outputs, names):
    loss, lengths = outputs[0].split(maxsplit=1)
    assert float(loss) > 0
    assert lengths == "[6, 5, 3, 1]\n"
    assert names["emissions"].grad.abs().sum() > 0


def pystruct(outputs, names):
    first, objectives, score, chain, grid, graph, latent = "".join(outputs).split("\n", 6)
    assert first.startswith("True")
    ours, theirs = map(float, objectives.split())
    assert abs(ours - theirs) <= 2e-3 * ours
    assert float(score) > 0.7
    assert float(chain.split()[0]) > 0.8
    assert grid.endswith("True")
    assert float(grid.split()[0]) > 0.7
    assert float(graph.split()[0]) > 0.9
    assert float(latent.split()[0]) > 0.9


CHECKS = {
    "start/minutes.md": start,
    "guide/decisions.md": decisions,
    "guide/own_structure.md": own_structure,
    "guide/files.md": files,
    "guide/text.md": text,
    "guide/images.md": images,
    "guide/hinges.md": hinges,
    "guide/multiclass.md": multiclass,
    "guide/risks.md": risks,
    "guide/hidden_parts.md": hidden_parts,
    "guide/neural.md": neural,
    "guide/solvers.md": solvers,
    "guide/large_data.md": large_data,
    "inside/visit.md": visit,
    "moving/linearsvc.md": linearsvc,
    "moving/pymaxflow.md": pymaxflow,
    "moving/pystruct.md": pystruct,
    "moving/pytorch_crf.md": pytorch_crf,
}


def test_checks_are_of_pages():
    assert set(CHECKS) <= set(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_page_runs(page, tmp_path, monkeypatch, capsys):
    if "import torch" in (DOCS / page).read_text():
        pytest.importorskip("torch", reason="torch is not installed: pip install torch")
    if "from distributed" in (DOCS / page).read_text():
        pytest.importorskip("distributed", reason="Dask is not installed: pip install distributed")
    monkeypatch.chdir(tmp_path)
    outputs, names = [], {"__name__": "page"}
    for block in blocks_of(page):
        exec(compile(block, page, "exec"), names)
        outputs.append(capsys.readouterr().out)
    if page in CHECKS:
        CHECKS[page](outputs, names)


def test_own_structure_is_a_sound_model(tmp_path, monkeypatch):
    (tmp_path / "ranking_of_page.py").write_text(blocks_of("guide/own_structure.md")[0])
    monkeypatch.syspath_prepend(tmp_path)
    ranking = importlib.import_module("ranking_of_page").Ranking()
    rng = np.random.default_rng(0)
    X = list(rng.normal(size=(20, 5, 3)))
    y = [np.argsort(np.argsort(-x @ [1.0, -2.0, 0.5])) for x in X]
    check_model(ranking, X, y)
    svm = StructSVM(ranking, C=10, tol=1e-2, random_state=0).fit(X, y)
    assert svm.dual_gap_ <= 1e-2
    assert np.mean([np.array_equal(a, b) for a, b in zip(svm.predict(X), y, strict=True)]) > 0.7


def test_the_command_line_does_what_it_says(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    X = [[(f"w{k}",) for k in rng.integers(9, size=5)] for _ in range(30)]
    y = [["B-NP" if word < "w5" else "O" for (word,) in sentence] for sentence in X]
    for name in ("train.txt", "dev.txt", "test.txt"):
        write_columns(tmp_path / name, X, y)
    write_columns(tmp_path / "new.txt", X)
    monkeypatch.chdir(tmp_path)
    commands = blocks_of("guide/text.md", "sh")[0].splitlines()
    assert len(commands) == 3
    for command in commands:
        words, _, source = command.partition(" < ")
        if source:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper((tmp_path / source).open("rb")))
        assert main(words.split()[1:]) == 0
    assert "w5 O" in capsys.readouterr().out
