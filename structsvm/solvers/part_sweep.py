"""A sweep of block ascent over a part of the data, on the machine that holds it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.problems import Problem
from structsvm.solvers._blocks import DualBlocks
from structsvm.solvers._sparse_planes import SparsePlanes

__all__ = ["sweep"]


def sweep(
    part: Problem, w: NDArray[np.float64], regularization: float, n: int, seed: int
) -> tuple[NDArray[Any], ...]:
    """Visit the examples of a part once, with steps on weights of its own, and return the planes.

    The steps are those of `BCFW` on all n examples, from weights w and dual weights that are
    forgotten: so the planes are of weights that have learnt from the examples before.

    Parameters
    ----------
    part : Problem
    w : float64 ndarray of shape (n_weights,)
    regularization : float
        lambda plus the weight of a proximal term.
    n : int
        Number of examples in all parts.
    seed : int
        Of the order of the visits.

    Returns
    -------
    order : int32 ndarray of shape (n_examples,)
    sizes, indices, values, bounds
        The planes of these examples as ``PlaneBatch.packed`` gives them; those of the truth where
        nothing else was higher.
    """
    n_here = part.n_examples
    store = SparsePlanes(n_here, part.n_weights)
    blocks = DualBlocks(part, store=store)
    blocks.point.regularization = regularization * n / max(n_here, 1)
    blocks.point.move_to(w)
    order = np.random.RandomState(seed).permutation(n_here).astype(np.int32)
    blocks.exact_pass(order)
    held = store.snapshot()
    counts = held["sizes"][order]  # 0 or 1 plane each
    starts = np.concatenate([[0], np.cumsum(held["counts"][:, 1])])
    first = np.cumsum(held["sizes"]) - held["sizes"]
    sizes, bounds = np.zeros(n_here, dtype=np.int64), np.zeros((n_here, 2))
    chosen = first[order][counts > 0]
    sizes[counts > 0] = held["counts"][chosen, 1]
    bounds[counts > 0, 0] = held["planes"][chosen, 2]
    pieces = [slice(starts[p], starts[p + 1]) for p in chosen]
    indices = np.concatenate([np.zeros(0, np.int32), *(held["indices"][s] for s in pieces)])
    values = np.concatenate([np.zeros(0), *(held["values"][s] for s in pieces)])
    return order, sizes, indices, values, bounds
