"""Checks of scores and edges for cuts, and the certificate of a cut."""

from __future__ import annotations

import dataclasses
import math
import numbers

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_scalar, check_unmasked, real_array

__all__ = [
    "CutCertificate",
    "check_edges",
    "check_factor",
    "check_finite_scores",
    "check_pairwise",
    "check_total",
    "check_unary",
    "incident_sums",
    "scales_well",
]

# Between these, scaled scores and their sums neither overflow nor lose digits.
_SAFE_LEAST, _SAFE_MOST = 1e-280, 1e300

_MOST_EDGES = 2**30 - 1  # arcs, two an edge, are counted in 32 bits


@dataclasses.dataclass(frozen=True)
class CutCertificate:
    """Proof that labels are the best: the energy of every labelling is at least the flow.

    The energy of a labelling is the score it gives up. Both numbers are sums of such scores only,
    so they stay precise however large the other scores are.

    Attributes
    ----------
    flow : float
        Value of a flow: a lower bound of the energy of every labelling.
    energy : float
        Energy of the labels found: the sum of ``abs(unary)`` over nodes with the worse label and of
        pairwise over edges whose ends differ. The score of the labels is the sum of the positive
        unary scores and of all pairwise scores, minus this.
    """

    flow: float
    energy: float

    @property
    def gap(self) -> float:
        """abs(energy - flow) / energy; abs(flow) if the energy is 0."""
        return abs(self.energy - self.flow) / self.energy if self.energy > 0 else abs(self.flow)


def _place(index: NDArray[np.intp]) -> str:
    return ", ".join(str(k) for k in index)


def check_finite_scores(
    name: str, array: NDArray[np.float64], *, non_negative: bool = False
) -> None:
    if not np.isfinite(array).all():
        where = np.argwhere(~np.isfinite(array))[0]
        value = array[tuple(where)]
        needed = "expected a number" if np.isnan(value) else "the scores of a cut are finite"
        raise ValueError(f"{name}[{_place(where)}] is {value}; {needed}")
    if non_negative and (array < 0).any():
        where = np.argwhere(array < 0)[0]
        raise ValueError(
            f"{name}[{_place(where)}] is {array[tuple(where)]}, expected a score >= 0: a cut does "
            "not find the best labels otherwise"
        )


def check_unary(unary: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """A copy as finite float64 of this shape, in C order."""
    array = real_array("unary", unary)
    if array.shape != shape:
        raise ValueError(f"unary has shape {array.shape}, expected {shape}")
    check_finite_scores("unary", array)
    return np.array(array, order="C")


def check_pairwise(
    pairwise: ArrayLike, shape: tuple[int, ...], name: str = "pairwise"
) -> NDArray[np.float64]:
    """Finite float64 >= 0 of this shape, or a number for all, in C order."""
    array = real_array(name, pairwise)
    if array.shape not in (shape, ()):
        raise ValueError(f"{name} has shape {array.shape}, expected {shape} or one number")
    check_finite_scores(name, array, non_negative=True)
    return np.array(np.broadcast_to(array, shape), order="C")


def incident_sums(
    n_nodes: int, edges: NDArray[np.int32], scores: NDArray[np.float64]
) -> NDArray[np.float64]:
    """For each node, the sum of the scores of its edges."""
    weights = np.repeat(scores, 2)
    return np.bincount(edges.reshape(-1), weights=weights, minlength=n_nodes).astype(np.float64)


def check_total(scores: NDArray[np.float64], factor: float = 1.0) -> None:
    """Raise unless `factor` times the sum of |scores| is finite: flows are such sums."""
    with np.errstate(over="ignore"):
        total = factor * float(np.abs(scores).sum())
    if not math.isfinite(total):
        raise ValueError("the scores add up to more than a double can hold")


def scales_well(factor: float, *scores: NDArray[np.float64]) -> bool:
    """Whether a flow and these scores may be multiplied by `factor` without overflow or underflow.
    Infinite entries are ignored."""
    for array in scores:
        sizes = np.abs(array)
        least = np.min(sizes, where=sizes > 0, initial=np.inf)
        with np.errstate(over="ignore"):
            most = np.sum(sizes, where=np.isfinite(sizes)) * factor
            if least * factor < _SAFE_LEAST or most > _SAFE_MOST:
                return False
    return True


def check_factor(factor: float) -> float:
    if not isinstance(factor, numbers.Real) or not 0 < factor < math.inf:
        raise ValueError(f"factor={factor!r}: expected a finite number > 0")
    return float(factor)


def check_edges(edges: ArrayLike, n_nodes: int) -> NDArray[np.int32]:
    """Edges as int32 of shape (n_edges, 2), with two different ends from 0 to n_nodes - 1."""
    check_scalar("n_nodes", n_nodes, above=-1, integer=True)
    if not n_nodes < 2**31 - 1:
        raise ValueError(f"n_nodes={n_nodes}: expected 0 to 2**31 - 2")
    array = check_unmasked("edges", edges, np.asarray(edges))
    if array.size == 0:
        return np.zeros((0, 2), dtype=np.int32)
    if array.dtype.kind not in "iu":
        raise ValueError(f"edges have dtype {array.dtype}, expected integers")
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"edges have shape {array.shape}, expected (n_edges, 2)")
    if len(array) > _MOST_EDGES:
        raise ValueError(f"{len(array)} edges: expected at most {_MOST_EDGES}")
    if array.min() < 0 or array.max() >= n_nodes:
        e, end = np.argwhere((array < 0) | (array >= n_nodes))[0]
        raise ValueError(
            f"edges[{e}, {end}] is {array[e, end]}, expected a node from 0 to {n_nodes - 1}"
        )
    loops = array[:, 0] == array[:, 1]
    if loops.any():
        e = int(np.flatnonzero(loops)[0])
        raise ValueError(f"edges[{e}] joins node {array[e, 0]} to itself")
    return np.ascontiguousarray(array, dtype=np.int32)
