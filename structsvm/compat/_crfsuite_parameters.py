"""The training parameters of CRFsuite, and what each of them is here."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from structsvm.features import SequenceVectorizer
from structsvm.solvers import PassiveAggressive

__all__ = ["ALGORITHMS", "algorithm_named", "checked", "parameters_of", "tagger_params"]

#: Names of algorithms, with the short ones, and their solvers.
ALGORITHMS = {
    "lbfgs": "bcfw",
    "l2sgd": "bcfw",
    "averaged-perceptron": "perceptron",
    "passive-aggressive": "passive_aggressive",
}
_SHORT = {"ap": "averaged-perceptron", "pa": "passive-aggressive"}


class Parameter(NamedTuple):
    """A parameter: what it is here, or what to use instead of a value that is not the default."""

    name: str
    default: Any
    algorithms: tuple[str, ...]
    told: str
    instead: str = ""


_ALL = tuple(ALGORITHMS)
_BATCH, _SGD, _ONLINE = (
    ("lbfgs", "l2sgd"),
    ("l2sgd",),
    ("averaged-perceptron", "passive-aggressive"),
)
_PA = ("passive-aggressive",)
_LINE = "belongs to the line search of L-BFGS, which is not used here: leave it out"
_STOP = "leave it out; epsilon is the gap at which training stops"
_RATE = "belongs to the learning rate of SGD, which is not used here: leave it out"

_PARAMETERS = (
    Parameter(
        "feature.minfreq", 0.0, _ALL,
        "Attributes on fewer tokens than this are left out (CRFsuite counts each attribute with "
        "each label).",
    ),
    Parameter(
        "feature.possible_states", True, _ALL,
        "Every attribute has a weight for every label.",
        "every attribute has a weight for every label here: leave it out",
    ),
    Parameter(
        "feature.possible_transitions", True, _ALL,
        "Every pair of labels has a weight.",
        "every pair of labels has a weight here: leave it out, or use SequenceTagger with "
        "constraints='seen', which forbids transitions that training does not have",
    ),
    Parameter(
        "c1", 0.0, ("lbfgs",),
        "Coefficient of the L1 norm, which is not here: 0.",
        "there is no L1 penalty here: leave it out, and leave out rare attributes by min_freq "
        "(feature.minfreq) where the model is to be small",
    ),
    Parameter(
        "c2", 1.0, _BATCH,
        "Coefficient of the squared L2 norm beside the sum of hinges: C = 1 / (2 c2).",
    ),
    Parameter("max_iterations", 1000, _BATCH, "Passes over the data at most."),
    Parameter("max_iterations", 100, _ONLINE, "Passes over the data at most."),
    Parameter("epsilon", 0.03, ("lbfgs",), "The relative duality gap at which training stops."),
    Parameter(
        "epsilon", 0.0, _ONLINE,
        "Training stops after a pass without mistakes: 0.",
        "training stops after a pass without mistakes: leave it out, and use max_iterations",
    ),
    Parameter("num_memories", 6, ("lbfgs",), "Of L-BFGS, without effect.",
              "belongs to L-BFGS, which is not used here: leave it out"),
    Parameter("period", 10, _BATCH, "Without effect.", _STOP),
    Parameter("delta", 1e-5, ("lbfgs",), "Without effect.", _STOP),
    Parameter("delta", 1e-6, _SGD, "Without effect.", _STOP),
    Parameter("linesearch", "MoreThuente", ("lbfgs",), "Of L-BFGS, without effect.", _LINE),
    Parameter("max_linesearch", 20, ("lbfgs",), "Of L-BFGS, without effect.", _LINE),
    Parameter("calibration.eta", 0.1, _SGD, "Of SGD, without effect.", _RATE),
    Parameter("calibration.rate", 2.0, _SGD, "Of SGD, without effect.", _RATE),
    Parameter("calibration.samples", 1000, _SGD, "Of SGD, without effect.", _RATE),
    Parameter("calibration.candidates", 10, _SGD, "Of SGD, without effect.", _RATE),
    Parameter("calibration.max_trials", 20, _SGD, "Of SGD, without effect.", _RATE),
    Parameter("type", 1, _PA, "PA-I.", "only PA-I is here: leave it out"),
    Parameter("c", 1.0, _PA, "Greatest step along a plane, C."),
    Parameter(
        "error_sensitive", True, _PA,
        "The margin grows with the number of wrong labels (in CRFsuite with its root).",
        "the margin grows with the number of wrong labels here: leave it out",
    ),
    Parameter("averaging", True, _PA, "Whether the weights are means over all updates."),
)  # fmt: skip


def algorithm_named(name: Any) -> str:
    """The full name of an algorithm.

    Raises
    ------
    ValueError
        For one that is not here.
    """
    known = str(name).lower() if isinstance(name, str) else ""
    known = _SHORT.get(known, known)
    if known == "arow":
        raise ValueError("algorithm 'arow' is not here: 'pa', passive-aggressive, is its like")
    if known not in ALGORITHMS:
        names = ", ".join(repr(name) for name in (*ALGORITHMS, *_SHORT))
        raise ValueError(f"unknown algorithm {name!r}: expected one of {names}")
    return known


def parameters_of(algorithm: str) -> dict[str, Parameter]:
    """The parameters of an algorithm, by name."""
    return {row.name: row for row in _PARAMETERS if algorithm in row.algorithms}


def checked(algorithm: str, name: str, value: Any) -> Any:
    """The value of a parameter in its type.

    Raises
    ------
    ValueError
        For a parameter that the algorithm does not have, or a value of another type.
    """
    known = parameters_of(algorithm)
    if name not in known:
        of = sorted({a for row in _PARAMETERS if row.name == name for a in row.algorithms})
        whose = f"it belongs to {', '.join(of)}" if of else f"expected one of {', '.join(known)}"
        raise ValueError(f"algorithm {algorithm!r} has no parameter {name!r}: {whose}")
    kind = type(known[name].default)
    try:
        if kind is bool:
            number = int(value)
            if number not in (0, 1):
                raise ValueError
            return bool(number)
        result = kind(value)
    except (TypeError, ValueError, OverflowError):
        result = None
    if result is None or (isinstance(result, float) and not 0.0 <= result < math.inf):
        expected = {bool: "0 or 1", str: "a str"}.get(kind, "a number >= 0")
        raise ValueError(f"{name}={value!r}: expected {expected}")
    return result


def tagger_params(algorithm: str, values: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a `SequenceTagger` that is trained so.

    Raises
    ------
    ValueError
        For a value that has no counterpart, saying what to use.
    """
    for name, row in parameters_of(algorithm).items():
        if row.instead and values[name] != row.default:
            raise ValueError(f"{name}={values[name]!r}: {row.instead}")
    for name in ("c2", "c", "epsilon"):
        if values.get(name) == 0.0 and not (name == "epsilon" and algorithm in _ONLINE):
            raise ValueError(f"{name}=0: expected a number > 0")
    if values["max_iterations"] < 1:
        raise ValueError(f"max_iterations={values['max_iterations']}: expected an integer >= 1")
    params: dict[str, Any] = {
        "features": SequenceVectorizer(
            min_count=max(math.ceil(values["feature.minfreq"]), 1), separator=":"
        ),
        "solver": ALGORITHMS[algorithm],
        "scale": None,
        "max_iter": values["max_iterations"],
        "random_state": 0,
    }
    if algorithm in _BATCH:
        params["C"] = 0.5 / values["c2"]
        params["tol"] = values.get("epsilon", 0.03)
    elif algorithm in _PA:
        params["C"] = values["c"]
        params["solver"] = PassiveAggressive(averaging=values["averaging"])
    return params
