"""Functions of arrays: hinges, metrics, and what packs and describes examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fuzz.harness import Target, WrongAnswerError
from fuzz.mutation import Made, chance, pick, realised, spoilt_some
from structsvm import PackedSequences, hinge, metrics
from structsvm.graphs import as_graph
from structsvm.losses import HammingLoss

_BINARY = ("hinge", "squared_hinge", "smoothed_hinge", "huberized_hinge", "modified_huber",
           "softplus_hinge", "perceptron", "logistic", "exponential", "savage",
           "squared")  # fmt: skip
_MULTICLASS = ("crammer_singer", "weston_watkins", "lee_lin_wahba", "one_vs_all",
               "categorical_hinge", "cross_entropy", "carlini_wagner")  # fmt: skip


def make(rng: np.random.Generator) -> Any:
    name = pick(rng, list(_CASES))
    arguments = _CASES[name][0](rng)
    if chance(rng, 0.6):
        arguments = spoilt_some(rng, arguments)
    return name, arguments


def run(case: Any) -> None:
    name, arguments = case
    _CASES[name][1](**realised(arguments))


def _scores(rng: np.random.Generator, *shape: int) -> np.ndarray:
    values = rng.normal(size=shape) * pick(rng, (1.0, 1.0, 1e-8, 1e8, 1e200))
    return values.astype(np.float32) if np.abs(values).max() < 1e30 and chance(rng, 0.3) else values


def _options(rng: np.random.Generator) -> dict[str, Any]:
    return {"reduction": pick(rng, ("mean", "sum", "none")), "with_gradient": chance(rng, 0.5)}


# ---- hinges


def _binary(rng: np.random.Generator) -> dict[str, Any]:
    name = pick(rng, _BINARY)
    shape = pick(rng, ((3,), (2, 2), (1,)))
    extra = {
        "hinge": {"margin": 0.5},
        "huberized_hinge": {"width": 0.5},
        "softplus_hinge": {"beta": 2.0},
    }.get(name, {})
    if chance(rng, 0.3):
        extra = extra | {"sample_weight": np.abs(rng.normal(size=shape))}
    y = 1 if chance(rng, 0.2) else rng.choice([-1, 1], size=shape)
    return {"function": name, "y": y, "scores": _scores(rng, *shape),
            "extra": extra} | _options(rng)  # fmt: skip


def _multiclass(rng: np.random.Generator) -> dict[str, Any]:
    name = pick(rng, _MULTICLASS)
    extra: dict[str, Any] = {
        "crammer_singer": {"cost": 2.0 * (1 - np.eye(3)) if chance(rng, 0.5) else None},
        "weston_watkins": {"margin": 1.0, "power": int(pick(rng, (1, 2)))},
        "carlini_wagner": {"confidence": 0.5, "targeted": chance(rng, 0.5)},
    }.get(name, {})
    if chance(rng, 0.3):
        extra |= {"ignore_index": pick(rng, (0, 2, -1)), "sample_weight": np.array([1, 0, 2, 0.5])}
    return {"function": name, "y": rng.integers(3, size=4), "scores": _scores(rng, 4, 3),
            "extra": extra} | _options(rng)  # fmt: skip


def _ranking(rng: np.random.Generator) -> dict[str, Any]:
    query = rng.integers(2, size=5) if chance(rng, 0.5) else None
    return {"function": "pairwise_hinge", "y": rng.integers(3, size=5), "scores": _scores(rng, 5),
            "extra": {"query": query, "margin": 1.0}} | _options(rng)  # fmt: skip


def _distances(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "function": "hinge_embedding",
        "y": rng.choice([-1, 1], size=3),
        "scores": np.abs(_scores(rng, 3)),
        "extra": {"margin": 1.0},
    } | _options(rng)


def _one_hinge(
    function: Any, y: Any, scores: Any, extra: Any, reduction: Any, with_gradient: Any
) -> None:
    if not isinstance(function, str) or not isinstance(extra, dict):
        raise ValueError("no function")
    if function not in hinge.__all__:
        raise ValueError("no function")
    found = getattr(hinge, function)(
        y, scores, **extra, reduction=reduction, with_gradient=with_gradient
    )
    value, gradient = found if with_gradient else (found, np.zeros(1))
    if np.isnan(np.asarray(value, dtype=float)).any() or np.isnan(gradient).any():
        raise WrongAnswerError(f"{function}: not a number")
    if function != "carlini_wagner" and (np.asarray(value) < 0).any():
        raise WrongAnswerError(f"{function}: a value below 0")


def _triplet(rng: np.random.Generator) -> dict[str, Any]:
    return {"first": _scores(rng, 2, 3), "second": _scores(rng, 2, 3), "third": _scores(rng, 2, 3),
            "margin": 1.0, "p": pick(rng, (1, 2, 3.5, np.inf)), "squared": chance(rng, 0.5),
            "swap": chance(rng, 0.5), "y": rng.integers(2, size=2)} | _options(rng)  # fmt: skip


def _one_triplet(first: Any, second: Any, third: Any, y: Any, **options: Any) -> None:
    hinge.triplet(first, second, third, **options)
    options = {name: options[name] for name in ("reduction", "with_gradient")}
    hinge.n_pair(first, second, **options)
    hinge.lifted_structure(y, third, **options)


def _pair(rng: np.random.Generator) -> dict[str, Any]:
    return {"y": rng.choice([-1, 1], size=3), "first": _scores(rng, 3), "second": _scores(rng, 3),
            "margin": 0.5} | _options(rng)  # fmt: skip


def _one_pair(y: Any, first: Any, second: Any, margin: Any, **options: Any) -> None:
    hinge.margin_ranking(y, first, second, margin=margin, **options)
    hinge.discriminator_hinge(first, second, **options)
    hinge.generator_hinge(first, **options)


# ---- metrics


def _images(rng: np.random.Generator) -> dict[str, Any]:
    shapes = [tuple(rng.integers(0, 4, size=2)) for _ in range(int(rng.integers(1, 4)))]
    truth = [rng.integers(3, size=shape) for shape in shapes]
    guess = [rng.integers(3, size=shape) for shape in shapes]
    if chance(rng, 0.3):
        names = np.array(["a", "b", "c"])
        truth, guess = [names[row] for row in truth], [names[row] for row in guess]
    return {"y_true": truth, "y_pred": guess, "labels": pick(rng, (None, None, [1], [0, 1, 2])),
            "ignore_label": pick(rng, (None, None, 2, 255)),
            "average": pick(rng, ("macro", "micro", None))}  # fmt: skip


def _one_jaccard(y_true: Any, y_pred: Any, labels: Any, ignore_label: Any, average: Any) -> None:
    found = metrics.jaccard(
        y_true, y_pred, labels=labels, ignore_label=ignore_label, average=average
    )
    values = np.atleast_1d(found)
    values = values[~np.isnan(values)] if average is None else values
    if not ((values >= 0) & (values <= 1)).all():
        raise WrongAnswerError(f"jaccard: {found}")
    share = metrics.pixel_accuracy(y_true, y_pred, ignore_label=ignore_label)
    if not 0 <= share <= 1:
        raise WrongAnswerError(f"pixel_accuracy: {share}")


def _tags(rng: np.random.Generator) -> dict[str, Any]:
    tags = ("O", "B-x", "I-x", "B-y", "I-y", "E-x", "S-y", "B", "I-")
    lengths = rng.integers(0, 5, size=int(rng.integers(1, 4)))
    return {
        "y_true": [[pick(rng, tags) for _ in range(n)] for n in lengths],
        "y_pred": [[pick(rng, tags) for _ in range(n)] for n in lengths],
        "scheme": pick(rng, ("conll", "iob1", "iob2", "iobes", "bilou", "iob2-suffix")),
        "function": pick(rng, ("span_f1_score", "span_report", "token_accuracy", "label_report",
                               "sequence_accuracy", "span_scores", "convert_tags")),
    }  # fmt: skip


def _one_tags(y_true: Any, y_pred: Any, scheme: Any, function: Any) -> None:
    if not isinstance(function, str) or function not in metrics.__all__ or function == "SCORES":
        raise ValueError("no function")
    if function == "convert_tags":
        for row in y_true:
            tags = metrics.convert_tags(row, "bilou", scheme)
            if metrics.spans(tags, "bilou") != metrics.spans(row, scheme):
                raise WrongAnswerError(f"convert_tags: {tags}")
        return
    scheme = {"scheme": scheme} if function.startswith("span_") else {}
    found = getattr(metrics, function)(y_true, y_pred, **scheme)
    if isinstance(found, float) and not 0 <= found <= 1:
        raise WrongAnswerError(f"{function}: {found}")


# ---- what packs examples


def _packing(rng: np.random.Generator) -> dict[str, Any]:
    offsets = np.concatenate([[0], np.cumsum(rng.integers(0, 3, size=3))])
    n = int(offsets[-1])
    rows = np.where(rng.random((n, 4)) < 0.5, _scores(rng, n, 4) if n else np.zeros((0, 4)), 0)
    edges = None
    if chance(rng, 0.3):
        edges = Made("sparse", rng.normal(size=(n, 2)), ("csr", False))
    return {
        "rows": Made("sparse", rows, ("csr", chance(rng, 0.5))),
        "offsets": offsets,
        "edges": edges,
        "index": pick(rng, (0, -1, 2, 3, slice(1, None), slice(None, None, -1))),
    }


def _one_packing(rows: Any, offsets: Any, edges: Any, index: Any) -> None:
    packed = PackedSequences(rows, offsets, edges)
    if int(packed.lengths.sum()) != packed.rows.shape[0]:
        raise WrongAnswerError("PackedSequences: lengths do not add up")
    packed.rows.toarray()
    repr(packed)
    if isinstance(index, slice) or (isinstance(index, int) and -len(packed) <= index < len(packed)):
        packed[index]


def _graph(rng: np.random.Generator) -> dict[str, Any]:
    n = int(rng.integers(1, 5))
    adjacency = np.triu(rng.random((n, n)) < 0.5, 1).astype(float)
    features = rng.normal(size=(n, 2))
    edges = np.argwhere(adjacency)
    how = int(rng.integers(3))
    if how == 0:
        return {"graph": (features, edges)}
    if how == 1:
        return {"graph": (features, edges, rng.random((len(edges), 1)))}
    return {"graph": (features, Made("sparse", adjacency + adjacency.T, ("csr", chance(rng, 0.5))))}


def _one_graph(graph: Any) -> None:
    made = as_graph(graph)
    if made.n_edges and not 0 <= made.edges.min() <= made.edges.max() < made.n_nodes:
        raise WrongAnswerError("as_graph: an edge leaves the graph")


def _loss(rng: np.random.Generator) -> dict[str, Any]:
    cost = rng.random((3, 3)) * (1 - np.eye(3)) if chance(rng, 0.7) else None
    return {"normalize": chance(rng, 0.5), "cost": cost, "n_classes": 3}


def _one_loss(normalize: Any, cost: Any, n_classes: Any) -> None:
    if isinstance(n_classes, int) and n_classes > 1000:
        n_classes = 3
    matrix = HammingLoss(normalize, cost).cost_matrix(n_classes)
    if not (np.isfinite(matrix).all() and (matrix >= 0).all()):
        raise WrongAnswerError("HammingLoss: a cost that is none")


def _vision(rng: np.random.Generator) -> dict[str, Any]:
    shape = pick(rng, ((4, 5, 3), (3, 3), (5, 4, 4), (1, 1, 3)))
    image: Any = rng.random(shape)
    if chance(rng, 0.5):
        image = (image * 255).astype(np.uint8)
    return {"image": image, "n_segments": int(pick(rng, (1, 3, 10))), "connectivity": 4}


def _one_vision(image: Any, n_segments: Any, connectivity: Any) -> None:
    from structsvm import vision

    features = vision.pixel_features(image)
    if not np.isfinite(features).all():
        raise WrongAnswerError("pixel_features: not finite")
    if not np.isfinite(vision.contrast(image, connectivity)).all():
        raise WrongAnswerError("contrast: not finite")
    vision.superpixel_graph(image, n_segments)


_CASES: dict[str, tuple[Callable[..., Any], Callable[..., None]]] = {
    "binary hinge": (_binary, _one_hinge),
    "multiclass hinge": (_multiclass, _one_hinge),
    "pairwise hinge": (_ranking, _one_hinge),
    "hinge of distances": (_distances, _one_hinge),
    "triplet": (_triplet, _one_triplet),
    "hinge of pairs": (_pair, _one_pair),
    "jaccard": (_images, _one_jaccard),
    "tags": (_tags, _one_tags),
    "PackedSequences": (_packing, _one_packing),
    "as_graph": (_graph, _one_graph),
    "HammingLoss": (_loss, _one_loss),
    "vision": (_vision, _one_vision),
}

TARGET = Target("functions", make, run, share=3.0)
