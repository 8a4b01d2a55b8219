"""The README's code runs, and its commands are the ones that CI runs."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
COMMANDS = re.findall(r"```sh\n(.*?)\n```", README, flags=re.DOTALL)


def test_first_screen_runs(capsys):
    exec(BLOCKS[0], {})
    accuracy, gap, *_ = capsys.readouterr().out.splitlines()
    assert float(accuracy) > 0.8
    assert float(gap) <= 1e-3


def test_links_lead_somewhere():
    """Those of the README; the site's are checked when it is built."""
    targets = re.findall(r"\]\(([^)#]+)", README)
    assert len(targets) > 20
    for target in targets:
        assert (ROOT / target).exists(), target


def test_commands_are_those_of_ci():
    ci = (ROOT / ".ci" / "run").read_text()
    assert len(COMMANDS) == 2
    for command in COMMANDS:
        assert f'"{command}"' in ci


def test_what_is_installed_has_the_name_of_the_distribution():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    package = [path.read_text() for path in (ROOT / "structsvm").rglob("*.py")]
    named = re.findall(r"pip install '([\w-]+)\[(\w+)\]'", "".join([README, *package]))
    assert len(named) >= 4
    assert {name for name, _ in named} == {project["name"], "ilpy"}
    extras = {extra for name, extra in named if name != "ilpy"}
    assert extras <= set(project["optional-dependencies"])
