"""`fit` and what follows it, of every estimator: containers, types, damage, labels, parameters."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

import structsvm
from fuzz.harness import Target, WrongAnswerError
from fuzz.mutation import Made, chance, pick, realised, spoilt, spoilt_some
from structsvm import solvers
from structsvm.features import spans_of
from structsvm.hinge import structured_hinge
from structsvm.models import AlignmentModel, ChainModel, RankingModel
from structsvm.solvers import PassiveAggressive, Perceptron
from structsvm.testing import ModelCheckError, check_model

_ONLINE = ("perceptron", "passive_aggressive", "subgradient")
_SOLVERS = ("bcfw", "cutting_plane", "n_slack", "subgradient", "perceptron", "passive_aggressive")


class Kesler(structsvm.StructuredModel):
    """A class for each row, in Python; one method may answer something odd."""

    def __init__(self, fault: Any = None, answer: Any = None) -> None:
        self.fault = fault
        self.answer = answer

    def _odd(self, method: str, answer: Any) -> Any:
        return realised(self.answer) if self.fault == method else answer

    def initialize(self, X: Any, y: Any) -> None:
        self.n_weights = self._odd("n_weights", 3 * len(X[0]))

    def joint_feature(self, x: Any, y: Any) -> Any:
        if y not in range(3):
            raise ValueError("no class")
        return self._odd("joint_feature", np.kron(np.eye(3)[int(y)], x))

    def loss(self, y: Any, y_hat: Any) -> Any:
        return self._odd("loss", float(y != y_hat))

    def _scores(self, x: Any, w: Any) -> Any:
        with np.errstate(all="ignore"):  # numbers drawn may be beyond floats when multiplied
            return w.reshape(3, -1) @ x

    def inference(self, x: Any, w: Any) -> Any:
        return self._odd("inference", int(np.argmax(self._scores(x, w))))

    def loss_augmented_inference(self, x: Any, y: Any, w: Any) -> Any:
        scores = self._scores(x, w) + (np.arange(3) != y)
        return self._odd("loss_augmented_inference", int(np.argmax(scores)))


_METHODS = ("n_weights", "joint_feature", "loss", "inference", "loss_augmented_inference")

# ---- drawing


def _values(rng: np.random.Generator, *shape: int) -> np.ndarray:
    values = rng.normal(size=shape) * pick(rng, (1.0, 1.0, 1.0, 1e-4, 1e4, 0.0))
    return values.astype(np.float32) if chance(rng, 0.1) else values


def _names(rng: np.random.Generator) -> np.ndarray:
    return pick(rng, (np.arange(3), np.arange(3), np.arange(3) * 7 - 3, np.array(["a", "b", "éc"])))


def _chains(rng: np.random.Generator) -> tuple[Any, Any]:
    lengths = np.append(rng.integers(0, 4, size=int(rng.integers(0, 4))), 2)
    X: Any = [_values(rng, int(n), 2) for n in lengths]
    if chance(rng, 0.2):
        X = [Made("sparse", x, ("csr", chance(rng, 0.5))) for x in X]
    elif chance(rng, 0.15):
        X = [(x, _values(rng, len(x), 1)) for x in X]
    elif chance(rng, 0.15):
        rows = Made("sparse", np.concatenate(X), ("csr", False))
        X = Made("packed", [rows, np.concatenate([[0], np.cumsum(lengths)])])
    names = _names(rng)
    return X, [names[rng.integers(3, size=int(n))] for n in lengths]


def _graphs(rng: np.random.Generator) -> tuple[Any, Any]:
    X: list[Any] = []
    y: list[Any] = []
    n_labels, with_features = int(pick(rng, (2, 2, 3))), chance(rng, 0.3)
    for _ in range(int(rng.integers(1, 4))):
        n = int(rng.integers(1, 5))
        edges = np.array(list(itertools.combinations(range(n), 2))).reshape(-1, 2)
        edges = edges[rng.random(len(edges)) < 0.5]
        features = (np.abs(_values(rng, len(edges), 1)),) if with_features else ()
        X.append((_values(rng, n, 2), edges, *features))
        y.append(rng.integers(n_labels, size=n))
    return X, y


def _grids(rng: np.random.Generator) -> tuple[Any, Any]:
    shapes = [tuple(rng.integers(1, 4, size=2)) for _ in range(int(rng.integers(1, 4)))]
    return (
        [_values(rng, *shape, 2) for shape in shapes],
        [rng.integers(3 if chance(rng, 0.3) else 2, size=shape) for shape in shapes],
    )


def _rows(rng: np.random.Generator, n_classes: int = 3) -> tuple[Any, Any]:
    n = int(rng.integers(3, 9))
    y = np.arange(n) % n_classes
    X: Any = _values(rng, n, 2)
    if chance(rng, 0.25):
        X = Made("sparse", X, (pick(rng, ("csr", "csr", "csc", "coo")), chance(rng, 0.5)))
    return X, _names(rng)[y]


def _items(rng: np.random.Generator) -> tuple[Any, Any]:
    n = int(rng.integers(1, 6))
    return list(_values(rng, n, 2)), rng.integers(3, size=n).tolist()


def _sentences(rng: np.random.Generator) -> tuple[Any, Any]:
    words, tags = ("the", "cat", "é", "Sleeps"), ("O", "B-NP", "I-NP")
    kind = int(rng.integers(3))

    def token() -> Any:
        word = pick(rng, words)
        return word if kind == 0 else (word, "N") if kind == 1 else {"w": word, "n": 0.5}

    lengths = np.append(rng.integers(0, 4, size=int(rng.integers(0, 4))), 2)
    return (
        [[token() for _ in range(n)] for n in lengths],
        [[pick(rng, tags) for _ in range(n)] for n in lengths],
    )


def _spans(rng: np.random.Generator) -> tuple[Any, Any]:
    X: list[Any] = []
    y: list[Any] = []
    paired, tagged = chance(rng, 0.3), chance(rng, 0.3)
    for n in [*rng.integers(0, 6, size=int(rng.integers(0, 4))).tolist(), 3]:
        x = _values(rng, n, 2)
        X.append((x, _values(rng, len(spans_of(n, 3)), 1)) if paired else x)
        start = int(rng.integers(n)) if n else 0
        stop = int(rng.integers(start, min(start + 3, n))) + 1 if n else 0
        tags = ["O"] * start + ["B-x", "I-x", "I-x"][: stop - start] + ["O"] * (n - stop)
        label = str(pick(rng, ("x", "é")))
        y.append(tags if tagged else [(start, stop, label)] if n else [])
    return X, y


def _aligned(rng: np.random.Generator) -> tuple[Any, Any]:
    X: list[Any] = []
    y: list[Any] = []
    kind = int(rng.integers(3))
    for _ in range(int(rng.integers(1, 4))):
        n, m = (int(size) for size in rng.integers(0, 4, size=2) + (not X))
        if kind == 0:
            X.append(_values(rng, n, m, 2))
        elif kind == 1:
            X.append((rng.integers(3, size=n).tolist(), rng.integers(3, size=m).tolist()))
        else:
            X.append(("abé"[:n], "bab"[:m]))
        k = int(rng.integers(min(n, m) + 1))
        y.append([(i, i + m - k) for i in range(k)])
    return X, y


def _sets(rng: np.random.Generator) -> tuple[Any, Any]:
    X, y = _rows(rng)
    sets: Any = rng.integers(2, size=(len(y), int(pick(rng, (1, 2, 3, 13)))))
    return X, Made("sparse", sets, ("csr", False)) if chance(rng, 0.2) else sets


def _documents(rng: np.random.Generator) -> tuple[Any, Any]:
    X, y = _rows(rng)
    return X, rng.integers(2, size=len(y)) if chance(rng, 0.8) else rng.normal(size=len(y))


def _queries(rng: np.random.Generator) -> tuple[Any, Any]:
    X: list[Any] = []
    y: list[Any] = []
    for n in [*rng.integers(0, 5, size=int(rng.integers(0, 4))).tolist(), 3]:
        x: Any = _values(rng, n, 2)
        X.append(Made("sparse", x, ("csr", chance(rng, 0.5))) if chance(rng, 0.1) else x)
        y.append(rng.integers(int(pick(rng, (2, 2, 4))), size=n))
    return X, y


def _common(rng: np.random.Generator) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "C": float(pick(rng, (1.0, 1.0, 0.01, 100.0, 1e-12, 1e8))),
        "max_iter": int(pick(rng, (1, 2, 5, 20))),
        "tol": pick(rng, (None, None, 1e-6, 0.3)),
        "random_state": int(rng.integers(5)),
    }
    if chance(rng, 0.2):
        parameters["n_jobs"] = 2
    if chance(rng, 0.1):
        parameters["warm_start"] = True
    return parameters


def _solver(rng: np.random.Generator) -> Any:
    name = pick(rng, _SOLVERS)
    if chance(rng, 0.7):
        return name
    options = {
        "bcfw": {"average": True, "n_cached": 3, "proximal": 0.5},
        "cutting_plane": {},
        "n_slack": {},
        "subgradient": {"batch_size": 2},
        "perceptron": {},
        "passive_aggressive": {},
    }[name]
    known = solvers.SOLVERS[name]()
    known_options = {k: v for k, v in options.items() if k in known.get_params()}
    return known.set_params(**known_options)


def _chain_svm(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "solver": _solver(rng),
        "loss": pick(rng, ("hamming", "normalized_hamming")),
        "fit_intercept": chance(rng, 0.5),
        "transitions": chance(rng, 0.8),
        "order": int(pick(rng, (1, 1, 1, 2))),
        "rescaling": pick(rng, ("margin", "margin", "margin", "slack")),
    }


def _graph_svm(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "solver": _solver(rng),
        "pairwise": pick(rng, ("potts", "table")),
        "inference_method": pick(rng, ("auto", "auto", "expansion", "relaxation")),
        "class_weight": pick(rng, (None, None, "balanced", {0: 1.0, 1: 3.0, 2: 0.5})),
        "ignore_label": pick(rng, (None, None, 1, 255)),
    }


def _grid_svm(rng: np.random.Generator) -> dict[str, Any]:
    return _graph_svm(rng) | {"connectivity": int(pick(rng, (4, 4, 8)))}


def _multiclass(rng: np.random.Generator) -> dict[str, Any]:
    parameters = {
        "loss": pick(rng, ("crammer_singer", "weston_watkins", "lee_lin_wahba")),
        "slack": pick(rng, ("linear", "squared")),
        "fit_intercept": chance(rng, 0.5),
        "class_weight": pick(rng, (None, None, "balanced")),
        "cost": pick(rng, (None, None, None, 2.0 * (1 - np.eye(3)))),
    }
    if chance(rng, 0.3):
        parameters["solver"] = _solver(rng)
    elif chance(rng, 0.4):
        parameters |= {
            "kernel": pick(rng, ("rbf", "poly", "sigmoid", "precomputed", np.dot)),
            "gamma": pick(rng, ("scale", 1.0, 1e-3)),
            "coef0": float(pick(rng, (0.0, 1.0, -1.0))),
            "degree": pick(rng, (2, 3, 2.5)),
        }
    return parameters


def _surrogate(rng: np.random.Generator) -> dict[str, Any]:
    names = ("hinge", "squared_hinge", "smoothed_hinge", "huberized_hinge", "modified_huber",
             "softplus_hinge", "perceptron", "logistic", "squared")  # fmt: skip
    return {
        "surrogate": pick(rng, names),
        "solver": pick(rng, ("newton", "newton", "subgradient")),
        "fit_intercept": chance(rng, 0.5),
    }


def _structured(rng: np.random.Generator) -> dict[str, Any]:
    fault = pick(rng, _METHODS) if chance(rng, 0.5) else None
    answers = {
        "n_weights": 6, "joint_feature": np.arange(6.0), "loss": 0.5, "inference": 1,
        "loss_augmented_inference": 1,
    }  # fmt: skip
    return {
        "model": Kesler(fault, spoilt(rng, answers[fault]) if fault else None),
        "solver": _solver(rng),
        "rescaling": pick(rng, ("margin", "margin", "margin", "slack")),
    }


def _tagger(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "solver": _solver(rng),
        "constraints": pick(rng, (None, None, "iob2")),
        "scoring": pick(rng, ("token_accuracy", "span_f1")),
    }


def _span_svm(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "solver": _solver(rng),
        "loss": pick(rng, ("hamming", "normalized_hamming", "spans")),
        "max_length": 3,
        "length_bins": pick(rng, ((1, 2, 4), (), (1,))),
        "first_position": chance(rng, 0.5),
        "output": pick(rng, ("spans", "tags")),
    }


def _aligner(rng: np.random.Generator) -> dict[str, Any]:
    model = AlignmentModel(
        pick(rng, ("hamming", "normalized_hamming")),
        max_shift=int(pick(rng, (1, 3))),
        end_gaps=pick(rng, ("same", "own", "free")),
        symmetric=chance(rng, 0.5),
    )
    return {"model": model, "solver": _solver(rng)}


def _label_sets(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "structure": pick(rng, ("auto", "independent", "tree", "full")),
        "loss": pick(rng, ("hamming", "hamming", "f1")),
        "fit_intercept": chance(rng, 0.8),
        "solver": _solver(rng),
    }


def _ranking(rng: np.random.Generator) -> dict[str, Any]:
    loss = pick(rng, ("pairwise", "ndcg", "average_precision", "precision", "f1"))
    return {
        "k": pick(rng, (None, 1, 3)) if loss != "average_precision" else None,
        "gain": pick(rng, ("exponential", "linear")),
        "normalize": chance(rng, 0.7),
        "loss": loss,
    }


def _ranking_model(rng: np.random.Generator) -> dict[str, Any]:
    options = _ranking(rng)
    return {"model": RankingModel(options.pop("loss"), **options), "solver": _solver(rng)}


_KINDS: dict[str, tuple[type, Callable[..., Any], Callable[..., Any]]] = {
    "ChainSVM": (structsvm.ChainSVM, _chain_svm, _chains),
    "GraphSVM": (structsvm.GraphSVM, _graph_svm, _graphs),
    "GridSVM": (structsvm.GridSVM, _grid_svm, _grids),
    "MulticlassSVM": (structsvm.MulticlassSVM, _multiclass, _rows),
    "SurrogateSVM": (structsvm.SurrogateSVM, _surrogate, lambda rng: _rows(rng, 2)),
    "StructSVM": (structsvm.StructSVM, _structured, _items),
    "StructSVM of chains": (
        structsvm.StructSVM,
        lambda rng: {"model": ChainModel(order=int(pick(rng, (1, 2)))), "solver": _solver(rng)},
        _chains,
    ),
    "MultiLabelSVM": (structsvm.MultiLabelSVM, _label_sets, _sets),
    "RankingSVM": (
        structsvm.RankingSVM,
        lambda rng: _ranking(rng) | {"solver": _solver(rng)},
        _documents,
    ),
    "StructSVM of rankings": (structsvm.StructSVM, _ranking_model, _queries),
    "StructSVM of alignments": (structsvm.StructSVM, _aligner, _aligned),
    "SpanSVM": (structsvm.SpanSVM, _span_svm, _spans),
    "SequenceTagger": (structsvm.SequenceTagger, _tagger, _sentences),
}


def make(rng: np.random.Generator) -> Any:
    name = pick(rng, list(_KINDS))
    _, parameters_of, data_of = _KINDS[name]
    X, y = data_of(rng)
    parameters = _common(rng) | parameters_of(rng)
    partial = chance(rng, 0.15)
    if partial and "solver" in parameters and name != "SurrogateSVM":
        parameters["solver"] = pick(rng, _ONLINE)
    if parameters.get("solver") in _ONLINE[:2] or isinstance(
        parameters.get("solver"), (Perceptron, PassiveAggressive)
    ):
        parameters["tol"] = None
    if parameters.get("surrogate") in ("hinge", "perceptron"):
        parameters["solver"] = "subgradient"
    if name == "SurrogateSVM":
        parameters = {k: v for k, v in parameters.items() if k not in ("n_jobs", "warm_start")}
        parameters["tol"] = 1e-6 if parameters["tol"] is None else parameters["tol"]
    n = len(y.value) if isinstance(y, Made) else len(y)
    case = {
        "X": X,
        "y": y,
        "sample_weight": rng.random(n) if chance(rng, 0.2) else None,
        "X_new": X if chance(rng, 0.8) else data_of(rng)[0],
        "partial": partial,
    }
    if chance(rng, 0.55):
        case = spoilt_some(rng, case, ("X", "X", "y", "sample_weight", "X_new", "X_new"))
    if chance(rng, 0.15):
        safe = [p for p in parameters if p not in ("model",)]
        parameters = spoilt_some(rng, parameters, safe)
    if isinstance(parameters["max_iter"], (int, float, np.number)) and parameters["max_iter"] > 50:
        parameters["max_iter"] = 50  # it would do as it is told
    return name, parameters, case


# ---- what is done with it


def run(made: Any) -> None:
    name, parameters, case = made
    svm = _KINDS[name][0](**realised(parameters))
    X, y, weight = realised(case["X"]), realised(case["y"]), realised(case["sample_weight"])
    weighted = {} if weight is None else {"sample_weight": weight}
    if case["partial"] and hasattr(svm, "partial_fit"):
        svm.partial_fit(X, y, **weighted)
        X, y = realised(case["X"]), realised(case["y"])
        svm.partial_fit(X, y, **weighted)
    else:
        svm.fit(X, y, **weighted)
        _check_fit(name, svm, case)
    weights = svm._flat_weights() if hasattr(svm, "_flat_weights") else svm.coef_
    if not np.isfinite(weights).all():
        raise WrongAnswerError(f"{name}: weights that are not finite")
    _predict(name, svm, case)
    if name == "StructSVM" and parameters["model"].fault is not None:
        with contextlib.suppress(ModelCheckError):  # is what it says of odd models
            check_model(svm.model, realised(case["X"]), realised(case["y"]))


def _check_fit(name: str, svm: Any, case: Any) -> None:
    if name == "SurrogateSVM":
        if not 0 <= svm.gap_ <= 1 or not np.isfinite(svm.objective_):
            raise WrongAnswerError(f"{name}: gap_ {svm.gap_}, objective_ {svm.objective_}")
        return
    primal, dual, gap = svm.objective_, svm.dual_objective_, svm.dual_gap_
    if not svm.certified_:
        return
    if not np.isfinite(primal) or not dual <= primal * (1 + 1e-9) + 1e-300:
        raise WrongAnswerError(f"{name}: certified with a primal of {primal}, a dual of {dual}")
    if not 0 <= gap <= 1:
        raise WrongAnswerError(f"{name}: certified with a gap of {gap}")
    if case["sample_weight"] is not None or name not in (
        "ChainSVM",
        "StructSVM of chains",
        "StructSVM",
    ):
        return
    if name == "StructSVM" and svm.model.fault is not None:
        return
    X, y = realised(case["X"]), realised(case["y"])
    if not isinstance(X, (list, structsvm.PackedSequences)) or not isinstance(y, list):
        return
    hinges = structured_hinge(svm.model_, X, y, svm.coef_, rescaling=svm.rescaling, reduction="sum")
    scaled = svm.model_.in_user_units(svm.coef_, svm.scaling_, back=True)  # the norm is theirs
    expected = float(scaled @ scaled) / 2 + svm.C_ * float(hinges)
    # Hinges are differences of losses and scores, which round as these do.
    largest = primal + svm.C_ * sum(np.size(item) for item in y)
    if not abs(primal - expected) <= 1e-9 * largest + 1e-300:
        raise WrongAnswerError(f"{name}: objective_ {primal}, but at coef_ it is {expected}")


def _predict(name: str, svm: Any, case: Any) -> None:
    X = realised(case["X_new"])
    guess = svm.predict(X)
    n = X.shape[0] if hasattr(X, "shape") else len(X) if hasattr(X, "__len__") else len(guess)
    if len(guess) != n:
        raise WrongAnswerError(f"{name}: {len(guess)} predictions of {n} examples")
    if hasattr(svm, "classes_") and name not in ("SpanSVM", "MultiLabelSVM"):
        known = set(svm.classes_.tolist())
        for item in guess:
            if not set(np.asarray(item).ravel().tolist()) <= known:
                raise WrongAnswerError(f"{name}: a prediction that is no class: {item!r}")
    scores = svm.decision_function(realised(case["X_new"]))
    if len(scores) != n:
        raise WrongAnswerError(f"{name}: {len(scores)} scores of {n} examples")
    if name in ("ChainSVM", "SequenceTagger"):
        svm.max_marginals(realised(case["X_new"]))
        svm.predict_n_best(realised(case["X_new"]), 2)
    if X is not None and case["X_new"] is case["X"]:
        svm.score(realised(case["X"]), realised(case["y"]))


TARGET = Target("estimators", make, run, share=1.5)
