"""The examples with networks run, print what they promise and draw something."""

import re
import runpy
import sys
from pathlib import Path

import matplotlib.image
import matplotlib.pyplot as plt
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install torch")

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.parametrize(
    ("name", "pattern", "lead"),
    [
        ("plot_neural_tagger", r"([\d.]+)% of held-out digits", 2),
        ("plot_neural_segmentation", r"([\d.]+)% of held-out pixels", 1),
        ("plot_neural_paths", r"regret ([\d.]+)% of the least cost", -3),
    ],
)
def test_example(tmp_path, monkeypatch, capfd, name, pattern, lead):
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--output", str(tmp_path / "picture.png")])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    plt.close("all")
    out, _ = capfd.readouterr()
    first, *_, last = (float(share) for share in re.findall(pattern, out))
    assert last > first + lead if lead > 0 else last < first + lead
    if gaps := re.findall(r"certified gap ([\d.e-]+)", out):
        assert max(map(float, gaps)) <= 1e-3
    image = matplotlib.image.imread(tmp_path / "picture.png")
    assert min(image.shape[:2]) > 150
    assert image.std() > 0.05


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("plot_neural_*.py")), ids=lambda p: p.stem)
def test_without_the_extra_it_ends_with_a_sentence(path, monkeypatch):
    assert "Needs the extra torch" in "\n".join(path.read_text().splitlines()[:6])
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(SystemExit, match="this example needs the extra torch: pip install"):
        runpy.run_path(str(path), run_name="__main__")
