"""The examples run, report a certificate and draw something."""

import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(
    ("name", "picture", "tol"),
    [
        ("plot_digit_words", "digit_words.png", 1e-3),
        ("plot_custom_model", "custom_model.png", 1e-2),
    ],
)
def test_example(tmp_path, name, picture, tol):
    run = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    gaps = [float(gap) for gap in re.findall(r"certified gap ([\d.e-]+)", run.stdout)]
    assert gaps
    assert max(gaps) <= tol
    *_, worse, better = (float(p) for p in re.findall(r"([\d.]+)% of held-out", run.stdout))
    assert better > worse + 4
    image = matplotlib.image.imread(tmp_path / picture)
    assert min(image.shape[:2]) > 150
    assert image.std() > 0.05


def test_multiclass_hinges(tmp_path):
    run = subprocess.run(
        [sys.executable, EXAMPLES / "plot_multiclass_hinges.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    gaps = [float(gap) for gap in re.findall(r"certified gap ([\d.e-]+)", run.stdout)]
    assert len(gaps) == 6
    assert max(gaps) <= 1e-6
    scores = [float(p) for p in re.findall(r"([\d.]+)% of held-out", run.stdout)]
    linear, kernel, nystroem = scores[:4], scores[4], scores[5]
    assert min(kernel, nystroem) > max(linear) + 10
    assert matplotlib.image.imread(tmp_path / "multiclass_hinges.png").std() > 0.05


def test_margin_losses(tmp_path):
    run = subprocess.run(
        [sys.executable, EXAMPLES / "plot_margin_losses.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert re.search(r"^hinge +at m = 0: 1\.000$", run.stdout, flags=re.MULTILINE)
    assert matplotlib.image.imread(tmp_path / "margin_losses.png").std() > 0.05
