"""The README's code runs, and its commands are the ones that CI runs."""

import importlib
import re
from pathlib import Path

import numpy as np

from structsvm import StructSVM
from structsvm.testing import check_model

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


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


def test_long_fits_run(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(BLOCKS[2], names)
    assert (tmp_path / "fit.ckpt").exists()
    assert [svm.C for svm in names["path"]] == [0.01, 0.1, 1.0]
    assert names["svm"].validation_score_ > 0.8
    assert "validation" in capfd.readouterr().err


def test_hinge_function_gives_what_is_said(capsys):
    exec(BLOCKS[3], {})
    assert capsys.readouterr().out.split() == ["0.25", "[-0.5", "0.", "]"]


def test_multiclass_runs(capsys):
    exec(next(block for block in BLOCKS if "MulticlassSVM" in block), {})
    gap, rest = capsys.readouterr().out.split(maxsplit=1)
    assert float(gap) <= 1e-6
    assert rest.startswith("(10, 64) [")


def test_commands_are_those_of_ci():
    ci = (ROOT / ".ci" / "run").read_text()
    for command in re.findall(r"```sh\n(.*?)\n```", README, flags=re.DOTALL):
        assert f'"{command}"' in ci
