"""Structured support vector machines, trained to a certified duality gap."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structsvm.base import StructuredModel
    from structsvm.data.sequences import PackedSequences
    from structsvm.estimators import (
        ChainSVM,
        GraphSVM,
        GridSVM,
        MulticlassSVM,
        SequenceTagger,
        StructSVM,
        SurrogateSVM,
    )
    from structsvm.models import ChainModel, GraphModel, GridModel, MulticlassModel
    from structsvm.persistence.model_files import load
    from structsvm.training.path import fit_path

__version__ = "0.1.0"

__all__ = [
    "ChainModel",
    "ChainSVM",
    "GraphModel",
    "GraphSVM",
    "GridModel",
    "GridSVM",
    "MulticlassModel",
    "MulticlassSVM",
    "PackedSequences",
    "SequenceTagger",
    "StructSVM",
    "StructuredModel",
    "SurrogateSVM",
    "fit_path",
    "load",
]

# Imported when first used: the command line answers --help without numpy and scikit-learn.
_HOMES = {
    "ChainModel": "models",
    "ChainSVM": "estimators",
    "GraphModel": "models",
    "GraphSVM": "estimators",
    "GridModel": "models",
    "GridSVM": "estimators",
    "MulticlassModel": "models",
    "MulticlassSVM": "estimators",
    "PackedSequences": "data.sequences",
    "SequenceTagger": "estimators",
    "StructSVM": "estimators",
    "StructuredModel": "base",
    "SurrogateSVM": "estimators",
    "fit_path": "training.path",
    "load": "persistence.model_files",
}
_MODULES = (
    "callbacks",
    "columns",
    "datasets",
    "exceptions",
    "features",
    "graphs",
    "hinge",
    "inference",
    "losses",
    "metrics",
    "problems",
    "solvers",
    "testing",
    "vision",
)

_ROOMS = {*_MODULES, *(home.partition(".")[0] for home in _HOMES.values())}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
        globals()[name] = value
        return value
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_ROOMS})
