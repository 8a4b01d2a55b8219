"""What is said of the package in several files agrees, and its C is C for any compiler."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import structsvm

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
HEADERS = sorted(path.relative_to(ROOT) for path in (ROOT / "structsvm").rglob("*.h"))
ONLY_GNU = re.compile(r"__attribute__|__builtin_|__typeof|__restrict|__extension__")


def recipe(section):
    """The names under requirements: SECTION of the conda recipe, with their versions."""
    text = (ROOT / "conda" / "meta.yaml").read_text()
    of_section = re.search(rf"^  {section}:\n((?:    - .*\n)+)", text, re.MULTILINE)
    return [line.strip()[2:].replace(" ", "") for line in of_section[1].splitlines()]


def test_the_recipe_requires_what_the_project_requires():
    assert recipe("run") == ["python", *PROJECT["dependencies"]]
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert recipe("host") == ["python", "pip", *map(str.lower, build)]
    least = PROJECT["requires-python"].removeprefix(">=").replace(".", "")
    text = (ROOT / "conda" / "meta.yaml").read_text()
    assert f"skip: true  # [py<{least}]" in text
    ((command, place),) = PROJECT["scripts"].items()
    assert f"- {command} = {place}\n" in text


def test_versions_agree():
    assert structsvm.__version__ == PROJECT["version"]
    assert f"\nversion: {PROJECT['version']}\n" in (ROOT / "CITATION.cff").read_text()


def test_what_only_gnu_compilers_know_is_guarded(tmp_path):
    """Preprocessed as if for another compiler, no header has an extension of theirs."""
    compiler = shutil.which(os.environ.get("CC", "cc").split()[-1])
    if compiler is None:
        pytest.skip("there is no C compiler")
    others = ["-U__GNUC__", "-U__clang__"]
    source = tmp_path / "all.c"
    source.write_text("".join(f'#include "{path.as_posix()}"\n' for path in HEADERS))
    found = []
    for options in ([], others):
        done = subprocess.run(
            [compiler, "-std=c11", *options, "-I", ROOT, "-E", source],
            capture_output=True,
            text=True,
            check=True,
        )
        place, lines = "", []
        for line in done.stdout.splitlines():
            if mark := re.match(r'# \d+ "([^"]+)"', line):
                place = mark[1]
            elif "structsvm/" in place and ONLY_GNU.search(line):
                lines.append(f"{place}: {line}")
        found.append(lines)
    with_them, without = found
    assert with_them  # or the test would look at nothing
    assert without == []
