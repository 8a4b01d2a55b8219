"""Sweeps of block ascent over a part of the data, on the machine that holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.problems import Problem
from structsvm.solvers._blocks import DualBlocks
from structsvm.solvers._sparse_planes import SparsePlanes

__all__ = ["sweep"]

# With oracles of less work than this, in multiply-adds, a message costs more than a second sweep.
_CHEAP = 1e5


def sweep(
    part: Problem, w: NDArray[np.float64], regularization: float, n: int, seed: int
) -> tuple[Any, ...]:
    """Visit the examples of a part, with steps on weights of its own, and return the planes.

    The steps are those of `BCFW` on all n examples, from weights w and dual weights that are
    forgotten: so the planes are of weights that have learnt from the examples before. Examples with
    cheap oracles are visited twice, with a pass over the planes of the first visits in between.

    Parameters
    ----------
    part : Problem
    w : float64 ndarray of shape (n_weights,)
    regularization : float
        lambda.
    n : int
        Number of examples in all parts.
    seed : int
        Of the order of the visits.

    Returns
    -------
    n_oracle_calls : int
    examples : int32 ndarray
        Of each plane, in the order of the first visits.
    sizes, indices, values, bounds
        The planes as ``PlaneBatch.packed`` gives them; that of the truth for examples without.
    """
    n_here = part.n_examples
    store = SparsePlanes(n_here, part.n_weights)
    blocks = DualBlocks(part, store=store)
    blocks.point.regularization = regularization * n / max(n_here, 1)
    blocks.point.move_to(w)
    random = np.random.RandomState(seed)
    order = random.permutation(n_here).astype(np.int32)
    blocks.exact_pass(order)
    if part.oracle_work < _CHEAP:
        blocks.steps.cached_pass(order)
        blocks.exact_pass(random.permutation(n_here).astype(np.int32))
    return blocks.evaluator.n_oracle_calls, *_in_order(order, store.snapshot())


def _in_order(order: NDArray[np.int32], held: dict[str, NDArray[Any]]) -> tuple[NDArray[Any], ...]:
    """The planes of a store's snapshot, by examples in this order."""
    n_planes = held["sizes"]
    first = np.cumsum(n_planes) - n_planes
    places = [np.arange(first[i], first[i] + n_planes[i]) if n_planes[i] else [-1] for i in order]
    planes = np.concatenate([np.zeros(0, np.intp), *places]).astype(np.intp)
    examples = np.repeat(order, np.maximum(n_planes[order], 1))
    there = planes >= 0
    sizes, bounds = np.zeros(len(planes), dtype=np.int64), np.zeros((len(planes), 2))
    sizes[there] = held["counts"][planes[there], 1]
    bounds[there, 0] = held["planes"][planes[there], 2]
    starts = np.concatenate([[0], np.cumsum(held["counts"][:, 1])])
    pieces = [slice(starts[p], starts[p + 1]) for p in planes[there]]
    indices = np.concatenate([np.zeros(0, np.int32), *(held["indices"][s] for s in pieces)])
    values = np.concatenate([np.zeros(0), *(held["values"][s] for s in pieces)])
    return examples, sizes, indices, values, bounds
