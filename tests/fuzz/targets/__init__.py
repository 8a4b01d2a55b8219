"""What is tried, a module each; imported when needed, as a process runs one target."""

import importlib

from fuzz.harness import Target

NAMES = ("inference", "functions", "columns", "files", "estimators")


def target_of(name: str) -> Target:
    target: Target = importlib.import_module(f"fuzz.targets.{name}").TARGET
    return target
