"""Print what pyproject.toml requires to build, to run and to test.

With --oldest, just the oldest versions of it; with --run, only what it takes to run; with
--extra NAME, what that extra takes instead of the tests.
"""

import re
import sys
import tomllib
from pathlib import Path

PROJECT = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]


def all_of(requirements: list[str]) -> list[str]:
    """With those of our own extras in place of their names."""
    found = []
    for requirement in requirements:
        if own := re.fullmatch(r"structured-svm\[(.*)\]", requirement):
            found += [each for extra in own[1].split(",") for each in all_of(EXTRAS[extra])]
        else:
            found.append(requirement)
    return found


def oldest(requirement: str) -> str:
    name, least = re.fullmatch(r"([\w-]+)>=([\d.]+)", requirement).groups()
    return f"{name}=={least}"


extra = sys.argv[sys.argv.index("--extra") + 1] if "--extra" in sys.argv else "test"
wanted = PROJECT["project"]["dependencies"]
if "--run" not in sys.argv:
    wanted = [*PROJECT["build-system"]["requires"], *wanted, *all_of(EXTRAS[extra])]
print("\n".join(oldest(each) for each in wanted) if "--oldest" in sys.argv else "\n".join(wanted))
