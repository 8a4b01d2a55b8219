"""The examples run, report a certificate and draw something."""

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib.image
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(
    ("name", "picture", "tol", "lead"),
    [
        ("plot_digit_words", "digit_words.png", 1e-3, 4),
        ("plot_custom_model", "custom_model.png", 1e-2, 4),
        ("plot_chunker", "chunker.png", 0.03, 2),
        ("plot_segmentation", "segmentation.png", 1e-2, 1),
    ],
)
def test_example(tmp_path, name, picture, tol, lead):
    run = subprocess.run(
        [sys.executable, EXAMPLES / f"{name}.py"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "STRUCTSVM_DATA"},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    gaps = [float(gap) for gap in re.findall(r"certified gap ([\d.e-]+)", run.stdout)]
    assert gaps
    assert max(gaps) <= tol
    *_, worse, better = (float(p) for p in re.findall(r"([\d.]+)% of held-out", run.stdout))
    assert better > worse + lead
    image = matplotlib.image.imread(tmp_path / picture)
    assert min(image.shape[:2]) > 150
    assert image.std() > 0.05
