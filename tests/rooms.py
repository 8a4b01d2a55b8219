"""The rooms of the package, floor by floor, and the imports between its modules.

`tests/test_rooms.py` holds the modules to this list, and `docs/draw_floors.py` draws it.
"""

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "structsvm"

#: From the ground up. A module imports from its own room and from rooms on lower floors.
FLOORS = (
    ("exceptions", "_typedefs"),
    ("linalg", "data"),
    ("losses", "graphs", "metrics", "features", "inference"),
    ("problems",),
    ("engines",),
    ("solvers", "base"),
    ("models", "hinge"),
    ("persistence",),
    ("callbacks",),
    ("training",),
    ("estimators",),
    ("columns", "compat", "datasets", "vision", "testing", "torch"),
    ("plotting",),
    ("__init__",),
    ("cli",),
    ("__main__",),
)

#: The only modules that stand in no room.
LOOSE = {"__init__", "__main__", "_typedefs", "base", "exceptions", "losses", "testing"}

_FROM = re.compile(
    r"^[ \t]*from[ \t]+([\w.]+)[ \t]+c?import[ \t]+(\([^)]*\)|[^\n(]*)", re.MULTILINE
)
_PLAIN = re.compile(r"^[ \t]*c?import[ \t]+([\w., \t]+)", re.MULTILINE)
_COMMENT = re.compile(r"#[^\n]*")
_TEXT = re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""', re.DOTALL)


def modules():
    """The files of each module by its dotted name, that of the root being "structsvm"."""
    found = {}
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in (".py", ".pyx", ".pxd"):
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found.setdefault(name, []).append(path)
    return found


def room_of(module):
    """The room that a module stands in; a loose module is its own."""
    return (*module.split("."), "__init__")[1]


def imports():
    """For each module the modules of this package that it imports, also inside functions.

    Left out: imports for type checkers alone, and names that `importlib` looks up at run time.
    """
    files = modules()
    found = {}
    for module, paths in files.items():
        names = {name for path in paths for name in _names(path)}
        places = {_module_of(name, files) for name in names}
        found[module] = places - {None, module}
    return found


def _module_of(name, files):
    while name and name not in files:
        name = name.rpartition(".")[0]
    return name or None


def _names(path):
    text = path.read_text()
    if path.suffix == ".py":
        yield from _python_names(ast.parse(text))
        return
    text = _COMMENT.sub("", _TEXT.sub("", text))
    for home, names in _FROM.findall(text):
        yield from (f"{home}.{name}" for name in _first_words(names.strip("()")))
    for names in _PLAIN.findall(text):
        yield from _first_words(names)


def _first_words(names):
    """The names in "a as b, c"."""
    return [name.split()[0] for name in names.split(",") if name.strip()]


def _python_names(tree):
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from _python_names(node)
