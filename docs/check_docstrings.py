"""Every public name documents its parameters: `python docs/check_docstrings.py`.

Names are those of the reference, and their methods. numpydoc compares each docstring with the
signature: no parameter is missing, and none unknown. A method need not repeat what a base of it
says, or the method of the protocol that it names ("See `structsvm.solvers.base.Solver`."). Left out
are results whose fields have comments of their own, errors, protocols, and classes that are
compiled or constructed by a base of another package, which have no signature to compare with.
"""

import dataclasses
import importlib
import inspect
import re
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


def is_told(method: object) -> bool:
    """Whether a method documents its parameters itself."""
    function = getattr(method, "__func__", method)
    return "Parameters\n" in inspect.cleandoc(getattr(function, "__doc__", None) or "")


def is_told_elsewhere(kind: type, name: str) -> bool:
    """Whether a base, or the protocol that a method names, documents its parameters."""
    if any(is_told(vars(base)[name]) for base in kind.__mro__[1:] if name in vars(base)):
        return True
    place = re.match(r"See `([\w.]+)\.(\w+)`", vars(kind)[name].__doc__ or "")
    if place is None:
        return False
    return is_told(getattr(getattr(importlib.import_module(place[1]), place[2]), name))


def methods(kind: type) -> Iterator[str]:
    """Names of the public methods that a class has itself and should document."""
    for name, value in vars(kind).items():
        function = getattr(value, "__func__", value)
        if not inspect.isfunction(function) or name.startswith("_"):
            continue
        takes = set(inspect.signature(function).parameters) - {"self", "cls"}
        if is_told(value) or (takes and not is_told_elsewhere(kind, name)):
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
    left_out = (
        "" if "torch" in reference.MODULES else "; PyTorch is not here, structsvm.torch left out"
    )
    print(f"{n_names} docstrings of public names read: {len(faults)} faults{left_out}")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
