"""Every public function of `structsvm.inference`, against all labellings of tiny input."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from fuzz.harness import Target, WrongAnswerError
from fuzz.mutation import chance, pick, realised, spoilt_some
from structsvm import inference

_MOST = 4096  # labellings to look at
_SCALES = (1.0, 1.0, 1.0, 1e-3, 1e6, 1e-150, 1e150)


def make(rng: np.random.Generator) -> Any:
    name = pick(rng, list(_CASES))
    arguments = _CASES[name][0](rng)
    if chance(rng, 0.6):
        arguments = spoilt_some(rng, arguments)
    return name, arguments


def run(case: Any) -> None:
    name, arguments = case
    _CASES[name][1](**realised(arguments))


# ---- drawing


def _scores(rng: np.random.Generator, *shape: int) -> np.ndarray:
    kind = int(rng.integers(5))
    if kind <= 1:
        values = rng.integers(-3, 4, size=shape).astype(float)
    elif kind == 2:
        values = rng.normal(size=shape)
    elif kind == 3:
        values = rng.normal(size=shape) * 10.0 ** rng.integers(-20, 20, size=shape)
    else:
        values = np.zeros(shape)
    values = values * pick(rng, _SCALES)
    return (
        values.astype(np.float32)
        if chance(rng, 0.1) and np.abs(values).max(initial=0) < 1e30
        else values
    )


def _forbidden(rng: np.random.Generator, scores: np.ndarray) -> np.ndarray:
    return np.where(rng.random(scores.shape) < 0.2, -np.inf, scores) if chance(rng, 0.3) else scores


def _chain(rng: np.random.Generator) -> dict[str, Any]:
    n, k = int(rng.integers(0, 6)), int(rng.integers(1, 4))
    shape = (n, k, k) if chance(rng, 0.3) else (k, k)
    lengths = None
    if chance(rng, 0.4):
        cuts = np.sort(rng.integers(0, n + 1, size=int(rng.integers(0, 4))))
        lengths = np.diff(np.concatenate([[0], cuts, [n]]))
    return {
        "unary": _forbidden(rng, _scores(rng, n, k)),
        "transition": _forbidden(rng, _scores(rng, *shape)),
        "start": _scores(rng, k) if chance(rng, 0.5) else None,
        "end": _scores(rng, k) if chance(rng, 0.5) else None,
        "lengths": lengths,
    }


def _one_chain(rng: np.random.Generator) -> dict[str, Any]:
    arguments = _chain(rng)
    del arguments["lengths"]
    return arguments | {"n": int(pick(rng, (1, 2, 3, 10, 10**6)))}


def _edges(rng: np.random.Generator, n: int, tree: bool = False) -> np.ndarray:
    if n < 2:
        return np.zeros((0, 2), dtype=int)
    if tree:
        return np.array([[k, rng.integers(k)] for k in range(1, n) if chance(rng, 0.9)]).reshape(
            -1, 2
        )
    edges = rng.integers(0, n, size=(int(rng.integers(0, 10)), 2))
    return edges[edges[:, 0] != edges[:, 1]]


def _cut(rng: np.random.Generator) -> dict[str, Any]:
    n = int(rng.integers(0, 8))
    edges = _edges(rng, n)
    return {"unary": _scores(rng, n), "edges": edges, "pairwise": np.abs(_scores(rng, len(edges)))}


def _cuts(rng: np.random.Generator) -> dict[str, Any]:
    cut = _cut(rng)
    n, m = len(cut["unary"]), len(cut["edges"])
    steps = [
        pick(rng, ("scores", "scale", "solve", "certificate"))
        for _ in range(int(rng.integers(1, 5)))
    ]
    values = [
        (_scores(rng, n) if chance(rng, 0.7) else None,
         np.abs(_scores(rng, m)) if chance(rng, 0.7) else None,
         chance(rng, 0.7))
        if step == "scores" else float(10 ** rng.normal())
        for step in steps
    ]  # fmt: skip
    return {"n_nodes": n, "edges": cut["edges"], "steps": steps, "values": values}


def _roof(rng: np.random.Generator) -> dict[str, Any]:
    n = int(rng.integers(0, 8))
    edges = _edges(rng, n)
    shape = pick(rng, ((len(edges),), (2, 2), (len(edges), 2, 2)))
    return {"unary": _scores(rng, n), "edges": edges, "pairwise": _scores(rng, *shape)}


def _graph(rng: np.random.Generator, tree: bool = False, forbidden: bool = False) -> dict[str, Any]:
    n, k = int(rng.integers(0, 6)), int(rng.integers(1, 4))
    edges = _edges(rng, n, tree)
    shape = pick(rng, ((len(edges),), (k, k), (len(edges), k, k)))
    unary, pairwise = _scores(rng, n, k), _scores(rng, *shape)
    if forbidden:
        unary = _forbidden(rng, unary)
        pairwise = pairwise if pairwise.ndim == 1 else _forbidden(rng, pairwise)
    return {"unary": unary, "edges": edges, "pairwise": pairwise}


def _expansion(rng: np.random.Generator) -> dict[str, Any]:
    graph = _graph(rng)
    if graph["pairwise"].ndim == 1:
        graph["pairwise"] = np.abs(graph["pairwise"])
    n, k = graph["unary"].shape
    start = rng.integers(0, k, size=n) if chance(rng, 0.5) else None
    return graph | {"start": start, "max_cycles": int(pick(rng, (1, 2, 100, 2**40)))}


def _relaxation(rng: np.random.Generator) -> dict[str, Any]:
    return _graph(rng) | {
        "tol": float(pick(rng, (0.0, 1e-4, 0.1, 1e-300))),
        "max_sweeps": int(pick(rng, (1, 2, 50))),
        "factor": float(10 ** rng.normal()),
    }


def _grid(rng: np.random.Generator) -> dict[str, Any]:
    connectivity = int(pick(rng, (4, 4, 8, 6, 26)))
    shapes = ((2, 4), (3, 3), (1, 7), (8, 1), (0, 3), (1, 1))
    volumes = ((2, 2, 2), (1, 3, 3), (2, 1, 4), (0, 1, 2), (1, 1, 1))
    shape = pick(rng, shapes if connectivity in (4, 8) else volumes)
    n = connectivity // 2
    pairs = pick(rng, ((n, *shape), (n,), ()))
    return {
        "unary": _scores(rng, *shape),
        "pairwise": np.abs(_scores(rng, *pairs)),
        "connectivity": connectivity,
    }


def _grids(rng: np.random.Generator) -> dict[str, Any]:
    grid = _grid(rng)
    n_steps = int(rng.integers(1, 5))
    pairs = np.shape(grid["pairwise"])
    values = [
        (
            _scores(rng, *grid["unary"].shape) if chance(rng, 0.7) else None,
            np.abs(_scores(rng, *pairs)) if chance(rng, 0.7) else None,
            chance(rng, 0.7),
        )
        for _ in range(n_steps)
    ]
    factors = [float(10 ** rng.normal()) for _ in range(n_steps)]
    return {
        "shape": grid["unary"].shape,
        "connectivity": grid["connectivity"],
        "values": values,
        "factors": factors,
    }


def _many_grids(rng: np.random.Generator) -> dict[str, Any]:
    grids = [_grid(rng) for _ in range(int(rng.integers(0, 4)))]
    return {
        "unaries": [grid["unary"] for grid in grids],
        "pairwises": [grid["pairwise"] for grid in grids],
        "connectivity": grids[0]["connectivity"] if grids else 4,
        "n_jobs": int(pick(rng, (1, 1, 2))),
    }


# ---- what must come out


def _same(what: str, found: Any, expected: float, scale: float, digits: float = 1e-9) -> None:
    if not abs(float(found) - expected) <= digits * max(abs(scale), 1e-300):
        raise WrongAnswerError(f"{what}: {found!r}, expected {expected!r} at scale {scale!r}")


def _at_most(what: str, less: float, more: float, scale: float, digits: float = 1e-9) -> None:
    if not float(less) <= float(more) + digits * max(abs(scale), 1e-300):
        raise WrongAnswerError(f"{what}: {less!r} exceeds {more!r} at scale {scale!r}")


def _total(*arrays: Any) -> float:
    """The sum of all magnitudes that are finite."""
    values = [_floats(a).ravel() for a in arrays if a is not None]
    flat = np.concatenate(values) if values else np.zeros(0)
    total = _exact(np.abs(flat[np.isfinite(flat)]).tolist())
    return math.inf if math.isnan(total) else total


def _sum(terms: Any) -> float:
    """Without rounding on the way; forbidden where one term is."""
    terms = list(terms)
    return -math.inf if -math.inf in terms else _exact(terms)


def _exact(terms: list[float]) -> float:
    try:
        return math.fsum(terms)
    except OverflowError:  # on the way, perhaps not in the end
        return math.nan


def _floats(value: Any) -> np.ndarray:
    array = np.asarray(value)
    return array.astype(float) if array.size else np.zeros(array.shape)


class _Chain:
    """Scores of all label sequences of one chain."""

    def __init__(self, unary: Any, transition: Any, start: Any, end: Any) -> None:
        self.unary = _floats(unary)
        self.start = np.zeros(self.unary.shape[1]) if start is None else np.asarray(start, float)
        self.end = np.zeros(self.unary.shape[1]) if end is None else np.asarray(end, float)
        self.transition = np.asarray(transition, dtype=float)
        self.scale = _total(unary, transition, start, end)

    @property
    def is_small(self) -> bool:
        return self.unary.shape[1] ** len(self.unary) <= _MOST

    def score(self, labels: Any) -> float:
        terms = [self.unary[t, k] for t, k in enumerate(labels)]
        if len(labels):
            terms += [self.start[labels[0]], self.end[labels[-1]]]
        for t in range(1, len(labels)):
            step = self.transition[t] if self.transition.ndim == 3 else self.transition
            terms.append(step[labels[t - 1], labels[t]])
        return _sum(terms)

    def all(self) -> Iterator[tuple[tuple[int, ...], float]]:
        n, k = self.unary.shape
        for labels in itertools.product(range(k), repeat=n):
            yield labels, self.score(labels)


def _chains(unary: Any, transition: Any, start: Any, end: Any, lengths: Any) -> Iterator[_Chain]:
    unary, transition = np.asarray(unary), np.asarray(transition)
    sizes = [len(unary)] if lengths is None else np.asarray(lengths).tolist()
    first = 0
    for size in sizes:
        here = slice(first, first + int(size))
        steps = transition[here] if transition.ndim == 3 else transition
        yield _Chain(unary[here], steps, start, end)
        first += int(size)


def _digits(unary: Any) -> tuple[float, float]:
    """What rounding may do, and the largest sum that does not overflow."""
    return (1e-5, 1e37) if np.asarray(unary).dtype == np.float32 else (1e-12, 1e307)


def _viterbi(unary: Any, transition: Any, start: Any, end: Any, lengths: Any) -> None:
    labels, values = inference.viterbi(unary, transition, start, end, lengths=lengths)
    digits, most = _digits(unary)
    first = 0
    for chain, value in zip(
        _chains(unary, transition, start, end, lengths), np.atleast_1d(values), strict=True
    ):
        own = labels[first : first + len(chain.unary)].tolist()
        first += len(own)
        if not chain.scale < most or _is_lost(chain, digits):
            continue
        _same("viterbi: score of the labels", value, chain.score(own), chain.scale, digits)
        if chain.is_small:
            best = max(score for _, score in chain.all())
            _same("viterbi: best score", value, best, chain.scale, digits)


def _is_lost(chain: _Chain, digits: float) -> bool:
    """Whether float32 has no digits left for scores so small."""
    return digits > 1e-9 and chain.scale < 1e-30


def _max_marginals(unary: Any, transition: Any, start: Any, end: Any, lengths: Any) -> None:
    found = inference.max_marginals(unary, transition, start, end, lengths=lengths)
    digits, most = _digits(unary)
    first = 0
    for chain in _chains(unary, transition, start, end, lengths):
        rows = found[first : first + len(chain.unary)]
        first += len(rows)
        if not chain.scale < most / 4 or not chain.is_small or _is_lost(chain, digits):
            continue
        best = np.full(chain.unary.shape, -np.inf)
        for labels, score in chain.all():
            for t, k in enumerate(labels):
                best[t, k] = max(best[t, k], score)
        for value, expected in zip(rows.ravel().tolist(), best.ravel().tolist(), strict=True):
            if expected == -np.inf or value == -np.inf:
                if value != expected:
                    raise WrongAnswerError(f"max_marginals: {value}, expected {expected}")
                continue
            _same("max_marginals", value, expected, chain.scale, 8 * digits)


def _marginals(unary: Any, transition: Any, start: Any, end: Any, lengths: Any) -> None:
    found, sums = inference.marginals(unary, transition, start, end, lengths=lengths)
    first = 0
    for chain, value in zip(
        _chains(unary, transition, start, end, lengths), np.atleast_1d(sums), strict=True
    ):
        rows = found[first : first + len(chain.unary)]
        first += len(rows)
        if not chain.scale < 1e12:  # sums of larger scores round by more than their differences
            continue
        if len(rows) and not np.allclose(rows.sum(axis=1), 1.0):
            raise WrongAnswerError(f"marginals: rows sum to {rows.sum(axis=1)}")
        if chain.is_small:
            best = max(score for _, score in chain.all())
            count = len(list(chain.all()))
            if not best - 1e-9 * chain.scale <= value <= best + np.log(count) + 1e-3:
                raise WrongAnswerError(f"marginals: log of the sum {value}, best score {best}")


def _n_best(unary: Any, transition: Any, start: Any, end: Any, n: Any) -> None:
    labels, scores = inference.n_best(unary, transition, start, end, n=n)
    chain = _Chain(unary, transition, start, end)
    if len({tuple(row) for row in labels.tolist()}) != len(labels):
        raise WrongAnswerError("n_best: a sequence comes twice")
    if (np.diff(scores) > 0).any():
        raise WrongAnswerError("n_best: scores do not descend")
    if not chain.scale < 1e307:
        return
    for row, score in zip(labels.tolist(), scores, strict=True):
        _same("n_best: score of the labels", score, chain.score(row), chain.scale, 1e-12)
    if chain.is_small:
        best = sorted((s for _, s in chain.all() if s > -np.inf), reverse=True)
        if len(scores) != min(len(best), int(n)):
            raise WrongAnswerError(f"n_best: {len(scores)} sequences of {len(best)}")
        for k, score in enumerate(scores):
            _same("n_best: score of the next", score, best[k], chain.scale, 1e-12)


class _Graph:
    """Energies and scores of all labellings of a graph."""

    def __init__(self, unary: Any, edges: Any, pairwise: Any) -> None:
        self.unary = _floats(unary)
        if self.unary.ndim == 1:
            self.unary = np.stack([np.zeros(len(self.unary)), self.unary], axis=1)
        ends = np.asarray(edges)
        self.edges = ends.reshape(-1, 2).tolist() if ends.size and ends.dtype.kind in "iu" else []
        pairs = _floats(pairwise)
        self.scale = _total(unary) + (
            len(self.edges) * _total(pairs) if pairs.ndim in (0, 2) else _total(pairs)
        )
        k = self.unary.shape[1]
        if pairs.ndim <= 1:
            pairs = np.broadcast_to(pairs, len(self.edges))[:, None, None]
            with np.errstate(invalid="ignore"):
                self.tables = np.where(np.eye(k, dtype=bool), pairs, 0.0)
        else:
            self.tables = np.broadcast_to(pairs, (len(self.edges), k, k))

    @property
    def is_small(self) -> bool:
        return self.unary.shape[1] ** len(self.unary) <= _MOST

    def terms(self, labels: Any) -> list[float]:
        terms = [float(self.unary[i, k]) for i, k in enumerate(labels)]
        terms += [
            float(self.tables[e, labels[a], labels[b]]) for e, (a, b) in enumerate(self.edges)
        ]
        return terms

    def score(self, labels: Any) -> float:
        return _sum(self.terms(labels))

    def all(self) -> Iterator[tuple[int, ...]]:
        n, k = self.unary.shape
        return itertools.product(range(k), repeat=n)

    def best(self) -> float:
        return max(self.score(labels) for labels in self.all())

    def loss(self, labels: Any) -> float:
        """What labels of a cut give up: all terms are differences, none cancels another."""
        own = [
            abs(u)
            for (_, u), k in zip(self.unary.tolist(), labels, strict=True)
            if (u > 0) != (k == 1) and u
        ]
        return _exact(own + [float(self.tables[e, 0, 0]) for e, (a, b) in enumerate(self.edges)
                                if labels[a] != labels[b]])  # fmt: skip


def _check_cut(what: str, graph: _Graph, labels: Any, certificate: Any) -> None:
    labels = np.asarray(labels).ravel().tolist()
    energy = graph.loss(labels)
    _same(f"{what}: energy", certificate.energy, energy, energy)
    if not certificate.gap <= 1e-9 and max(certificate.energy, certificate.flow) > 1e-290:
        raise WrongAnswerError(f"{what}: certificate has a gap of {certificate.gap}: {certificate}")
    if graph.is_small:
        least = min(graph.loss(other) for other in graph.all())
        _at_most(f"{what}: energy", energy, least, energy)


def _graph_cut(unary: Any, edges: Any, pairwise: Any) -> None:
    labels, certificate = inference.graph_cut(unary, edges, pairwise, return_certificate=True)
    _check_cut("graph_cut", _Graph(unary, edges, pairwise), labels, certificate)


def _graph_cuts(n_nodes: Any, edges: Any, steps: Any, values: Any) -> None:
    cut = inference.GraphCut(n_nodes, edges)
    unary, pairwise = np.zeros(cut.n_nodes), np.zeros(cut.n_edges)
    for step, value in zip(list(steps), list(values), strict=False):
        if step == "scores" and isinstance(value, tuple) and len(value) == 3:
            cut.set_scores(value[0], value[1], keep_flow=bool(value[2]))
            unary = unary if value[0] is None else np.asarray(value[0], dtype=float)
            pairwise = pairwise if value[1] is None else np.asarray(value[1], dtype=float)
        elif step == "scale":
            cut.scale(value)
            unary, pairwise = unary * float(value), pairwise * float(value)
        elif step == "solve":
            cut.solve()
        else:
            cut.certificate()
    _check_cut("GraphCut", _Graph(unary, edges, pairwise), cut.solve(), cut.certificate())


def _grid_edges(shape: tuple[int, ...], directions: Any) -> tuple[list[Any], list[Any]]:
    """Edges as pairs of places, and what of the pairwise scores is theirs."""
    places = np.arange(math.prod(shape)).reshape(shape)
    edges, sources = [], []
    for k, step in enumerate(np.asarray(directions).tolist()):
        for at in np.ndindex(*shape):
            to = tuple(a + s for a, s in zip(at, step, strict=True))
            if all(0 <= t < size for t, size in zip(to, shape, strict=True)):
                edges.append((int(places[at]), int(places[to])))
                sources.append((k, *at))
    return edges, sources


def _grid_graph(unary: Any, pairwise: Any, directions: Any) -> _Graph:
    unary, pairwise = _floats(unary), _floats(pairwise)
    edges, sources = _grid_edges(unary.shape, directions)
    if pairwise.ndim <= 1:
        pairwise = np.broadcast_to(pairwise, len(directions))
        own = [pairwise[source[0]] for source in sources]
    else:
        own = [pairwise[source] for source in sources]
    return _Graph(unary.ravel(), np.array(edges).reshape(-1, 2), np.array(own, dtype=float))


def _grid_cut(unary: Any, pairwise: Any, connectivity: Any) -> None:
    labels, certificate = inference.grid_cut(unary, pairwise, connectivity, return_certificate=True)
    directions = inference.GridCut((1,) * np.ndim(labels), connectivity).directions
    graph = _grid_graph(unary, pairwise, directions)
    _check_cut("grid_cut", graph, labels, certificate)


def _grid_cuts(shape: Any, connectivity: Any, values: Any, factors: Any) -> None:
    cut = inference.GridCut(shape, connectivity)
    unary: Any = np.zeros(cut.shape)
    pairwise: Any = np.zeros(len(cut.directions))
    for value, factor in zip(list(values), list(factors), strict=False):
        if not isinstance(value, tuple) or len(value) != 3:
            raise ValueError("no step")
        cut.set_scores(value[0], value[1], keep_flow=bool(value[2]))
        unary = unary if value[0] is None else np.asarray(value[0], dtype=float)
        pairwise = pairwise if value[1] is None else np.asarray(value[1], dtype=float)
        cut.solve()
        cut.scale(factor)
        unary, pairwise = unary * float(factor), pairwise * float(factor)
        graph = _grid_graph(unary, pairwise, cut.directions)
        _check_cut("GridCut", graph, cut.solve(), cut.certificate())


def _grid_cut_many(unaries: Any, pairwises: Any, connectivity: Any, n_jobs: Any) -> None:
    if isinstance(n_jobs, int) and n_jobs > 64:
        n_jobs = 2  # so many threads are what was asked for
    found = inference.grid_cut_many(unaries, pairwises, connectivity, n_jobs=n_jobs)
    for labels, unary, pairwise in zip(found, unaries, pairwises, strict=True):
        if not np.array_equal(labels, inference.grid_cut(unary, pairwise, connectivity)):
            raise WrongAnswerError("grid_cut_many: other labels than grid_cut")


def _roof_duality(unary: Any, edges: Any, pairwise: Any) -> None:
    found = inference.roof_duality(unary, edges, pairwise)
    graph = _Graph(unary, edges, pairwise)
    if not graph.is_small or not graph.scale < 1e300:
        return
    best = graph.best()
    _at_most("roof_duality: best score", best, found.bound, graph.scale)
    _at_most("roof_duality: value", found.value, found.bound, graph.scale)
    decided = [(i, int(k)) for i, k in enumerate(found.labels) if k >= 0]
    kept = max(
        graph.score(labels) for labels in graph.all() if all(labels[i] == k for i, k in decided)
    )
    _same("roof_duality: best score with what is decided", kept, best, graph.scale)
    if found.oracle == "exact":
        _same("roof_duality: exact bound", found.bound, best, graph.scale)
    if found.edge_marginals.shape != (len(graph.edges), 2, 2):
        raise WrongAnswerError("roof_duality: shape of edge_marginals")


def _alpha_expansion(unary: Any, edges: Any, pairwise: Any, start: Any, max_cycles: Any) -> None:
    labels, score = inference.alpha_expansion(
        unary, edges, pairwise, start=start, max_cycles=max_cycles
    )
    graph = _Graph(unary, edges, pairwise)
    if not graph.scale < 1e300:
        return
    _same("alpha_expansion: score of the labels", score, graph.score(labels.tolist()), graph.scale)
    if start is not None:
        own = graph.score(np.asarray(start).tolist())
        _at_most("alpha_expansion: score of the start", own, score, graph.scale)
    if graph.is_small:
        best = graph.best()
        _at_most("alpha_expansion: score", score, best, graph.scale)
        if graph.unary.shape[1] <= 2 and np.ndim(pairwise) == 1:
            _same("alpha_expansion: of two labels", score, best, graph.scale)


def _check_relaxed(what: str, found: Any, graph: _Graph) -> None:
    if not graph.scale < 1e300:
        return
    scale = graph.scale
    _same(f"{what}: score of the labels", found.score, graph.score(found.labels.tolist()), scale)
    _at_most(f"{what}: score", found.score, found.value, scale)
    _at_most(f"{what}: value", found.value, found.bound, scale)
    if not found.residual <= 1e-9:
        raise WrongAnswerError(f"{what}: marginals miss by {found.residual}")
    if graph.is_small:
        _at_most(f"{what}: best score", graph.best(), found.bound, scale)


def _relax(unary: Any, edges: Any, pairwise: Any, tol: Any, max_sweeps: Any, factor: Any) -> None:
    if isinstance(max_sweeps, int) and max_sweeps > 1000:
        max_sweeps = 1000  # so many sweeps are what was asked for
    found = inference.relax(unary, edges, pairwise, tol=tol, max_sweeps=max_sweeps)
    _check_relaxed("relax", found, _Graph(unary, edges, pairwise))
    n, k = np.shape(unary)
    graph = inference.Relaxation(n, edges, k)
    graph.solve(unary, pairwise, tol=tol, max_sweeps=max_sweeps)
    graph.scale(factor)
    with np.errstate(over="ignore"):
        scaled = _floats(unary) * float(factor)
        pairs = _floats(pairwise) * float(factor)
    found = graph.solve(scaled, pairs, tol=tol, max_sweeps=max_sweeps)
    _check_relaxed("Relaxation", found, _Graph(scaled, edges, pairs))


def _tree(unary: Any, edges: Any, pairwise: Any) -> None:
    found = inference.max_product_tree(unary, edges, pairwise)
    graph = _Graph(unary, edges, pairwise)
    if not graph.scale < 1e307:
        return
    own = graph.score(found.labels.tolist())
    _same("max_product_tree: score of the labels", found.score, own, graph.scale)
    if graph.is_small:
        _same("max_product_tree: best score", found.score, graph.best(), graph.scale)


def _exhaustive(unary: Any, edges: Any, pairwise: Any) -> None:
    found = inference.exhaustive(unary, edges, pairwise)
    graph = _Graph(unary, edges, pairwise)
    if graph.scale < 1e307 and graph.is_small:
        own = graph.score(found.labels.tolist())
        _same("exhaustive: score of the labels", found.score, own, graph.scale)
        _same("exhaustive: best score", found.score, graph.best(), graph.scale)


_CASES: dict[str, tuple[Callable[..., Any], Callable[..., None]]] = {
    "viterbi": (_chain, _viterbi),
    "max_marginals": (_chain, _max_marginals),
    "n_best": (_one_chain, _n_best),
    "marginals": (_chain, _marginals),
    "graph_cut": (_cut, _graph_cut),
    "GraphCut": (_cuts, _graph_cuts),
    "grid_cut": (_grid, _grid_cut),
    "GridCut": (_grids, _grid_cuts),
    "grid_cut_many": (_many_grids, _grid_cut_many),
    "roof_duality": (_roof, _roof_duality),
    "alpha_expansion": (_expansion, _alpha_expansion),
    "relax": (_relaxation, _relax),
    "max_product_tree": (lambda rng: _graph(rng, tree=True, forbidden=True), _tree),
    "exhaustive": (lambda rng: _graph(rng, forbidden=True), _exhaustive),
}

TARGET = Target("inference", make, run, share=4.0)
