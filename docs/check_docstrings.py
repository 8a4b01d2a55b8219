"""Every public class and function documents its parameters: `python docs/check_docstrings.py`.

Names are those of the reference. numpydoc compares the docstring of each with its signature: none
is missing, and none unknown. Left out are results whose fields have comments of their own, errors,
protocols, and classes that are compiled or constructed by a base of another package, which have no
signature to compare with. The same holds for methods that have a section of parameters at all.
"""

import dataclasses
import importlib
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from numpydoc.validate import validate

sys.path[:0] = [str(Path(__file__).parent / "_ext")]

import reference  # noqa: E402

#: Of numpydoc: a parameter is missing or unknown, or has no space before its colon.
OF_PARAMETERS = {"PR01", "PR02", "PR10"}


def has_parameters(value: object) -> bool:
    """Whether what it is called with is told in its docstring."""
    if inspect.isclass(value):
        constructor = getattr(value, "__init__", None)
        home = getattr(constructor, "__module__", None) or ""
        is_result = dataclasses.is_dataclass(value) or issubclass(value, (tuple, BaseException))
        is_ours = inspect.isfunction(constructor) and home.partition(".")[0] == "structsvm"
        is_made_otherwise = "__new__" in vars(value) or getattr(value, "_is_protocol", False)
        return is_ours and not (is_result or is_made_otherwise)
    return callable(value)


def methods(kind: type) -> Iterator[str]:
    """Names of the public methods that a class has itself, with a section of parameters."""
    for name, value in vars(kind).items():
        function = getattr(value, "__func__", value)
        told = "Parameters\n" in inspect.cleandoc(getattr(function, "__doc__", None) or "")
        if inspect.isfunction(function) and not name.startswith("_") and told:
            yield name


def public() -> Iterator[str]:
    for _, _, module, names in reference.groups():
        for name in names:
            value = getattr(importlib.import_module(module), name)
            if has_parameters(value):
                yield f"{module}.{name}"
            if inspect.isclass(value):
                yield from (f"{module}.{name}.{method}" for method in methods(value))


def main() -> int:
    n_names, faults = 0, []
    for name in public():
        n_names += 1
        told = validate(name)["errors"]
        faults += [f"{name}: {text}" for code, text in told if code in OF_PARAMETERS]
    for fault in faults:
        print(fault)
    print(f"{n_names} docstrings of public names read: {len(faults)} faults")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
