"""The problems that `BlockDual` can train, and the dual for each.

Such a dual reads the data of its problem: class numbers, and rows of features or of a kernel. All
other solvers see planes only.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from structsvm.data.snapshots import Kind
from structsvm.problems import Problem
from structsvm.problems._multiclass import MulticlassProblem
from structsvm.problems._multiclass_kernel import KernelMulticlassProblem
from structsvm.solvers._multiclass_dual import MulticlassDual
from structsvm.solvers._multiclass_kernel_dual import KernelDual

__all__ = ["BLOCK_DUALS", "ExactBlocks", "block_dual_of"]


class ExactBlocks(Protocol):
    """A dual point, its weights, and passes that improve them."""

    def __init__(self, problem: Any) -> None: ...

    regularization: float
    n_visits: int

    @property
    def problem(self) -> Any: ...
    @property
    def weights(self) -> NDArray[np.float64]: ...
    @property
    def mean_sqnorm(self) -> float: ...
    @property
    def implicit(self) -> bool:
        """Whether weights are combinations of examples; then only the weights of the dual point can
        be returned."""
        ...

    @property
    def alpha(self) -> NDArray[np.float64]: ...
    @property
    def idle(self) -> NDArray[np.int32]: ...
    @property
    def nbytes(self) -> int: ...
    def long_pass(self, seed: int, everything: bool) -> float: ...
    def short_passes(self, share: float, n_passes: int, seed: int) -> None: ...
    def scores_of_all(self, weights: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def hinge_at_multiple(
        self, scores: NDArray[np.float64], multiple: float
    ) -> tuple[float, float]: ...
    def aggregate(
        self, weights: NDArray[np.float64], known: NDArray[np.uint8], exact: bool
    ) -> tuple[NDArray[np.float64], float, float, NDArray[np.float64]]: ...
    def go_to(
        self,
        examples: NDArray[np.int32],
        classes: NDArray[np.int32],
        weights: NDArray[np.float64],
    ) -> None: ...
    def usage(self) -> tuple[float, float]: ...
    def inner(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> float: ...
    def loss(self) -> float: ...
    def combination(self) -> NDArray[np.float64]: ...
    def without_rounding(self, combination: NDArray[np.float64]) -> NDArray[np.float64]: ...
    def dual_point(self, C: float) -> dict[str, Any]: ...
    def move_to(self, weights: NDArray[np.float64]) -> None: ...
    def kinds(self) -> dict[str, Kind]: ...
    def snapshot(self) -> dict[str, NDArray[Any]]: ...
    def restore(self, held: dict[str, NDArray[Any]]) -> None: ...


#: A dual is for one problem class exactly: a subclass of it needs its own row.
BLOCK_DUALS: dict[type[Problem], type[ExactBlocks]] = {
    MulticlassProblem: MulticlassDual,
    KernelMulticlassProblem: KernelDual,
}


def block_dual_of(problem: Problem) -> type[ExactBlocks]:
    """The class of the dual with exact block updates for a problem.

    Raises
    ------
    ValueError
        If there is none for problems of this kind.
    """
    kind = type(problem)
    if problem.plain is not problem:
        raise ValueError(
            "solver 'block_dual' takes no prior, fixed or tied weights: use solver='bcfw'"
        )
    if kind not in BLOCK_DUALS:
        raise ValueError(
            "solver 'block_dual' needs a problem with an exact block update, and "
            f"{kind.__name__} has none: use solver='bcfw'"
        )
    return BLOCK_DUALS[kind]
