"""The reference's pages, written from the package's lists of public names: none is missed."""

import importlib
import inspect
import re
import types
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.util.typing import ExtensionMetadata

import structsvm

#: Those of the package, and those that stand beside it.
MODULES = [
    *(name for name in structsvm._MODULES if name != "compat"),
    "compat.crfsuite",
    *(["torch"] if find_spec("torch") else []),
]

TITLES = {
    "callbacks": "Callbacks",
    "columns": "Column files and treebanks",
    "compat.crfsuite": "CRFsuite's interfaces",
    "datasets": "Data sets",
    "engines": "Engines",
    "exceptions": "Errors and warnings",
    "features": "Features of text",
    "graphs": "Graphs",
    "hinge": "Hinges as functions",
    "inference": "Inference",
    "losses": "Task losses",
    "metrics": "Metrics",
    "plotting": "Plots",
    "problems": "Problems",
    "solvers": "Solvers",
    "testing": "Tests of your own models",
    "torch": "Layers for PyTorch",
    "vision": "Images",
}


def is_estimator(value: object) -> bool:
    return inspect.isclass(value) and hasattr(value, "fit")


def is_model(value: object) -> bool:
    return inspect.isclass(value) and issubclass(value, structsvm.StructuredModel)


def is_alias(value: object) -> bool:
    """Whether it names a type that has a longer name, and no documentation of its own."""
    return isinstance(value, types.GenericAlias)


def of_another_package(
    app: Sphinx, what: str, name: str, value: object, skip: bool, options: object
) -> bool | None:
    """Whether to leave out a member: what a base of scikit-learn or PyTorch does is told there."""
    told = name in {"get_metadata_routing", "set_output"} or re.fullmatch(r"set_\w+_request", name)
    home = getattr(getattr(value, "__func__", value), "__module__", None) or ""
    return True if told or home.partition(".")[0] in {"sklearn", "torch"} else None


def groups() -> list[tuple[str, str, str, list[str]]]:
    """File name, title, module and public names of every page."""
    root = {name: getattr(structsvm, name) for name in structsvm.__all__}
    estimators = [name for name, value in root.items() if is_estimator(value)]
    models = [name for name, value in root.items() if is_model(value)]
    others = [name for name in root if name not in {*estimators, *models}]
    pages = [
        ("estimators", "Estimators", "structsvm", estimators),
        ("models", "Models", "structsvm", models),
        ("functions", "Data, paths and risks", "structsvm", others),
    ]
    for name in MODULES:
        module = importlib.import_module(f"structsvm.{name}")
        names = [each for each in module.__all__ if not is_alias(getattr(module, each))]
        pages.append((name, TITLES.get(name, name), module.__name__, names))
    return pages


def page(title: str, module: str, names: list[str]) -> str:
    intro = (
        ""
        if module == "structsvm"
        else inspect.cleandoc(importlib.import_module(module).__doc__ or "")
    )
    listed = "\n".join(f"   {name}" for name in sorted(names, key=str.lower))
    return (
        f"{title}\n{'=' * len(title)}\n\n{intro}\n\n.. currentmodule:: {module}\n\n"
        f".. autosummary::\n   :toctree: generated\n\n{listed}\n"
    )


def write_pages(app: Sphinx, _: Config) -> None:
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    pages = groups()
    for name, title, module, names in pages:
        path = folder / f"{name}.rst"
        text = page(title, module, names)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    index = "Reference\n=========\n\nEvery public name, once.\n\n.. toctree::\n   :maxdepth: 1\n\n"
    text = index + "".join(f"   {name}\n" for name, *_ in pages)
    path = folder / "index.rst"
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def setup(app: Sphinx) -> ExtensionMetadata:
    # Before the list of pages is made, in which autosummary looks for names.
    app.connect("config-inited", write_pages)
    app.connect("autodoc-skip-member", of_another_package)
    return {"parallel_read_safe": True}
