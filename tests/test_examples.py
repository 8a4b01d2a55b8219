"""The examples run, report a certificate and draw something."""

import re
import runpy
import sys
from pathlib import Path

import matplotlib.image
import matplotlib.pyplot as plt
import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize(
    ("name", "picture", "tol", "lead"),
    [
        ("plot_digit_words", "digit_words.png", 1e-3, 4),
        ("plot_custom_model", "custom_model.png", 1e-2, 4),
        ("plot_chunker", "chunker.png", 0.03, 1),
        ("plot_segmentation", "segmentation.png", 1e-2, 1),
        ("plot_thin_lines", "thin_lines.png", 1e-2, 8),
        ("plot_scribbles", "scribbles.png", 1e-2, 20),
        ("plot_superpixels", "superpixels.png", 1e-2, 30),
        ("plot_volume", "volume.png", 1e-2, 10),
        ("plot_tiles", "tiles.png", 1e-2, 0.2),
        ("plot_path_search", "path_search.png", 1e-2, 50),
        ("plot_shortest_paths", "shortest_paths.png", 1e-3, 3),
        ("plot_cell_tracks", "cell_tracks.png", 1e-2, 10),
        ("plot_alignment", "alignment.png", 1e-3, 8),
        ("plot_spans", "spans.png", 1e-3, 4),
        ("plot_ranking", "ranking.png", 1e-3, 2),
        ("plot_latent_boxes", "latent_boxes.png", 1e-3, 50),
        ("plot_word_alignment", "word_alignment.png", 1e-3, 3),
        ("plot_typed_graph", "typed_graph.png", 1e-3, 8),
        ("plot_label_sets", "label_sets.png", 1e-3, 8),
        ("plot_dependency_trees", "dependency_trees.png", 1e-2, 3),
        ("plot_named_entities", "named_entities.png", 0.03, 20),
        ("plot_learning_curve", "learning_curve.png", 1e-3, 2),
        ("plot_explanation", "explanation.png", 1e-3, 4),
        ("plot_cluster", "cluster.png", 1e-2, 3),
    ],
)
def test_example(tmp_path, monkeypatch, capfd, name, picture, tol, lead):
    if name == "plot_cluster":
        pytest.importorskip("distributed", reason="Dask is not installed: pip install distributed")
    out = run(name, picture, tmp_path, monkeypatch, capfd)
    gaps = [float(gap) for gap in re.findall(r"certified gap ([\d.e-]+)", out)]
    assert gaps
    assert max(gaps) <= tol
    *_, worse, better = (float(p) for p in re.findall(r"([\d.]+)% of held-out", out))
    assert better > worse + lead


def run(name, picture, tmp_path, monkeypatch, capfd):
    """Run an example in a folder of its own; returns what it says."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRUCTSVM_DATA", raising=False)
    monkeypatch.setattr(sys, "argv", [f"{name}.py"])
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    plt.close("all")
    image = matplotlib.image.imread(tmp_path / picture)
    assert min(image.shape[:2]) > 150
    assert image.std() > 0.05
    return capfd.readouterr().out


def test_a_killed_fit_is_none_the_worse(tmp_path, monkeypatch, capfd):
    out = run("plot_checkpoint", "checkpoint.png", tmp_path, monkeypatch, capfd)
    assert "the power went in pass 10;" in out
    assert "with other data: the checkpoint is of a fit to other data" in out
    assert "the same bits: True" in out


def test_costs_by_distance_bring_answers_nearer(tmp_path, monkeypatch, capfd):
    out = run("plot_ordinal_digits", "ordinal_digits.png", tmp_path, monkeypatch, capfd)
    told = re.findall(r"certified gap ([\d.e-]+), off by ([\d.]+) on held-out", out)
    (gap, plain), (other, chosen) = ((float(a), float(b)) for a, b in told)
    assert max(gap, other) <= 1e-2
    assert chosen < plain - 0.05
    assert out.index("distance, a chain: off by") < out.index("certified gap")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_gap_of_every_solver(tmp_path, monkeypatch, capfd):
    out = run("plot_solver_gaps", "solver_gaps.png", tmp_path, monkeypatch, capfd)
    certified = re.findall(r"^(\w+): \d+ passes, certified gap ([\d.e-]+)", out, re.MULTILINE)
    assert {"bcfw", "cutting_plane", "n_slack"} <= {name for name, _ in certified}
    assert max(float(gap) for _, gap in certified) <= 1e-3
    assert "below 0.01 in pass" in out


@pytest.mark.parametrize("name", ["plug_in_c", "plug_in_numba"])
def test_a_function_is_plugged_in_in_under_forty_lines(name, capsys):
    if name == "plug_in_numba":
        pytest.importorskip("numba", reason="numba is no dependency: pip install numba")
    path = EXAMPLES / f"{name}.py"
    assert len(path.read_text().splitlines()) < 40
    runpy.run_path(str(path), run_name="__main__")
    gap, wrong = re.search(
        r"gap ([\d.e-]+), wrong items ([\d.]+)", capsys.readouterr().out
    ).groups()
    assert float(gap) <= 1e-3
    assert float(wrong) < 0.5
