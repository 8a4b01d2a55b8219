"""No module imports from a higher floor, none imports itself in a circle, no file lies loose."""

import importlib
import importlib.util
import types
from pathlib import Path

import pytest
import rooms

FLOOR = {room: height for height, floor in enumerate(rooms.FLOORS) for room in floor}
IMPORTS = rooms.imports()

#: Rooms, and what their modules import against the order. To be emptied, never added to.
UPWARD: set[tuple[str, str]] = set()

#: Modules that import themselves by way of others. To be emptied likewise.
CIRCLES: set[str] = set()


def test_every_room_has_one_floor():
    found = {rooms.room_of(module) for module in rooms.modules()}
    assert found == set(FLOOR)
    assert len(FLOOR) == sum(map(len, rooms.FLOORS))


def test_no_file_lies_loose():
    loose = {
        path.stem for path in rooms.PACKAGE.iterdir() if path.suffix in (".py", ".pyx", ".pxd")
    }
    assert loose == rooms.LOOSE


def test_no_import_goes_up():
    upward = {
        (rooms.room_of(module), other)
        for module, others in IMPORTS.items()
        for other in others
        if rooms.room_of(module) != rooms.room_of(other)
        and FLOOR[rooms.room_of(other)] >= FLOOR[rooms.room_of(module)]
    }
    assert upward - UPWARD == set(), "these import from a floor that is not below theirs"
    assert UPWARD - upward == set(), "these have been mended: take them off UPWARD"


def test_no_module_takes_the_name_of_a_function():
    """A module becomes an attribute of its package when it is first imported, over any other."""
    taken = set()
    for module in IMPORTS:
        package, _, name = module.rpartition(".")
        if name.startswith("_") or package in ("", "structsvm.torch"):
            continue
        home = importlib.import_module(package)
        if name in getattr(home, "__all__", ()) and isinstance(
            getattr(home, name), types.ModuleType
        ):
            taken.add(module)
    assert taken == set(), "these hide what their package exports by their name"


def test_no_circle():
    found = {module for module in IMPORTS if module in _reached(module)}
    assert found - CIRCLES == set(), "these import themselves by way of others"
    assert CIRCLES - found == set(), "these have been mended: take them off CIRCLES"


def _reached(module):
    """What importing a module imports, directly or by way of others."""
    reached, ahead = set(), [module]
    while ahead:
        new = IMPORTS[ahead.pop()] - reached
        reached |= new
        ahead.extend(new)
    return reached


def test_the_picture_is_that_of_today():
    path = Path(__file__).resolve().parents[1] / "docs" / "draw_floors.py"
    spec = importlib.util.spec_from_file_location("draw_floors", path)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PICTURE.read_text() == script.drawn(), "run: python docs/draw_floors.py"


@pytest.mark.parametrize(
    ("suffix", "text", "found"),
    [
        (
            ".py",
            "def f():\n    from structsvm.data import rows, checks as c\n",
            {"data.rows", "data.checks"},
        ),
        (".py", "import structsvm.base as b\n", {"base"}),
        (".py", "if TYPE_CHECKING:\n    import structsvm.cli\n", set()),
        (
            ".pyx",
            "from structsvm.linalg._plane cimport (\n    Plane,  # one\n    Weights,\n)\n",
            {"linalg._plane.Plane", "linalg._plane.Weights"},
        ),
        (
            ".pxd",
            '"""\nimport structsvm.cli\n"""\ncimport structsvm.data, structsvm.base\n',
            {"data", "base"},
        ),
        (".pyx", "def f():\n    from structsvm.data import rows as r\n", {"data.rows"}),
    ],
)
def test_imports_are_read(tmp_path, suffix, text, found):
    path = tmp_path / f"module{suffix}"
    path.write_text(text)
    assert set(rooms._names(path)) == {f"structsvm.{name}" for name in found}
