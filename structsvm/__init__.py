"""Structured support vector machines, trained to a certified duality gap."""

import importlib
import os
from typing import TYPE_CHECKING, Any

from structsvm.models import registry

if TYPE_CHECKING:
    from structsvm.base import StructuredModel
    from structsvm.data.sequences import PackedSequences
    from structsvm.estimators.latent import LatentSVM
    from structsvm.estimators.path import fit_path
    from structsvm.estimators.path_search import PathSearch
    from structsvm.estimators.structured import StructSVM
    from structsvm.estimators.surrogate import SurrogateSVM
    from structsvm.hinge.ilp import HammingCosts, SoftMarginLoss
    from structsvm.models.part_inputs import Parts
    from structsvm.models.pystruct import PyStructModel
    from structsvm.models.registry import *
    from structsvm.persistence.model_files import load
    from structsvm.solvers.risk import BundleMethod, minimize_risk

__version__ = "0.1.0"

# Imported when first used: the command line answers --help without numpy and scikit-learn.
_HOMES = {
    "BundleMethod": "solvers.risk",
    "HammingCosts": "hinge.ilp",
    "PackedSequences": "data.sequences",
    "Parts": "models.part_inputs",
    "PathSearch": "estimators.path_search",
    "PyStructModel": "models.pystruct",
    "SoftMarginLoss": "hinge.ilp",
    "LatentSVM": "estimators",
    "StructSVM": "estimators",
    "StructuredModel": "base",
    "SurrogateSVM": "estimators",
    "fit_path": "estimators.path",
    "load": "persistence.model_files",
    "minimize_risk": "solvers.risk",
    **{name: place.partition(":")[0] for name, place in registry.places().items()},
}

__all__ = [*_HOMES, "get_include", "show_versions"]

_MODULES = (
    "callbacks",
    "columns",
    "compat",
    "datasets",
    "exceptions",
    "features",
    "graphs",
    "hinge",
    "inference",
    "losses",
    "metrics",
    "plotting",
    "problems",
    "solvers",
    "testing",
    "vision",
)

_ROOMS = {*_MODULES, *(home.partition(".")[0] for home in _HOMES.values())}


def get_include() -> str:
    """The directory of the C header ``structsvm/maximizer.h``, for compilers.

    Examples
    --------
    >>> import os, structsvm
    >>> os.path.exists(os.path.join(structsvm.get_include(), "structsvm", "maximizer.h"))
    True
    """
    return os.path.join(os.path.dirname(__file__), "include")


def show_versions() -> None:
    """Print what a report of an error needs: this package, Python, the machine, and dependencies.

    Examples
    --------
    >>> import structsvm
    >>> structsvm.show_versions()  # doctest: +ELLIPSIS
    structsvm     ...
    Python        ...
    """
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {
        "structsvm": f"{__version__}, {os.path.dirname(__file__)}",
        "Python": f"{platform.python_version()}, {platform.python_implementation()}",
        "platform": f"{platform.platform()}, {os.cpu_count()} CPUs",
    }
    used = ("numpy", "scipy", "scikit-learn", "networkx", "joblib", "cloudpickle")
    for name in (*used, "matplotlib", "scikit-image", "torch", "Cython"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    for name, told in found.items():
        print(f"{name:<13} {told}")  # noqa: T201


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
