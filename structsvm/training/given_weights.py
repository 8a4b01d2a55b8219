"""Weights that are known before training: a prior that others stay near, and fixed ones."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from structsvm.base import StructuredModel
from structsvm.data.checks import real_array
from structsvm.data.scaling import ColumnScaling
from structsvm.problems import Problem
from structsvm.problems._affine import AffineProblem
from structsvm.problems.ties import checked_ties

__all__ = ["GivenWeights"]


class GivenWeights(NamedTuple):
    """What is known of the weights, in the user's units."""

    prior: NDArray[np.float64] | None = None
    fixed: NDArray[np.float64] | None = None  #: NaN where a weight is free

    @classmethod
    def read(cls, prior: Any, fixed: Any) -> Self:
        """Check what a user passed, but for the number of weights."""
        if prior is not None:
            prior = real_array("prior_weights", prior)
            _refuse_first("prior_weights", prior, ~np.isfinite(prior), "expected a finite number")
        if fixed is not None:
            fixed = real_array("fixed_weights", fixed)
            wrong = np.isinf(fixed)
            _refuse_first("fixed_weights", fixed, wrong, "expected a finite number, or NaN")
            if fixed.size and not np.isnan(fixed).any():
                raise ValueError(
                    "fixed_weights fixes all weights: nothing is left to learn. NaN marks free ones"
                )
        return cls(prior, fixed)

    def any(self) -> bool:
        return self.prior is not None or self.fixed is not None

    def same_as(self, other: GivenWeights) -> bool:
        return all(
            one is another
            if one is None or another is None
            else np.array_equal(one, another, equal_nan=True)
            for one, another in zip(self, other, strict=True)
        )

    def check_size(self, n_weights: int) -> None:
        for name, values in (("prior_weights", self.prior), ("fixed_weights", self.fixed)):
            if values is not None and values.shape != (n_weights,):
                raise ValueError(
                    f"{name} has shape {values.shape}, expected ({n_weights},): one number for "
                    "each weight of the model, in the order of coef_"
                )

    def allowed(
        self, model: StructuredModel, scaling: Mapping[str, ColumnScaling]
    ) -> Mapping[str, ColumnScaling]:
        """The scaling, without centres where they would move a fixed intercept."""
        if self.fixed is None or not any(columns.center.any() for columns in scaling.values()):
            return scaling
        self.check_size(model.n_weights)
        fixed = ~np.isnan(self.fixed)
        if not model.layout_.views(fixed)["intercept"].any():
            return scaling
        return {name: _uncentred(columns) for name, columns in scaling.items()}

    def restrict(
        self, problem: Problem, model: StructuredModel, scaling: Mapping[str, ColumnScaling]
    ) -> Problem:
        """The problem in the weights that are left to learn."""
        self.check_size(problem.n_weights)
        ties = model.tied_weights()
        if ties is None and not self.any():
            return problem
        targets, factors = None, np.ones(problem.n_weights)
        if ties is not None:
            targets, factors = checked_ties(ties, problem.n_weights, type(model).__name__)
        base = np.zeros(problem.n_weights) if self.prior is None else self.prior.copy()
        fixed = np.zeros(problem.n_weights, dtype=bool)
        if self.fixed is not None:
            fixed = ~np.isnan(self.fixed)
            base[fixed] = self.fixed[fixed]
        if targets is not None:
            _check_ties(base, fixed, targets, factors, type(model).__name__)
        factors = np.where(fixed, 0.0, factors)
        signed = problem.non_negative
        if (base[signed] < 0).any():
            j = signed[np.argmax(base[signed] < 0)]
            name = "fixed_weights" if fixed[j] else "prior_weights"
            raise ValueError(
                f"{name}[{j}] is {base[j]:g}, but {type(model).__name__} needs this weight >= 0"
            )
        base = model.in_user_units(base, scaling, back=True)
        return AffineProblem(problem, base, factors, targets)

    def put_in(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights in the user's units, those that are fixed to the bit."""
        if self.fixed is None:
            return weights
        return np.where(np.isnan(self.fixed), weights, self.fixed)


def _refuse_first(
    name: str, values: NDArray[np.float64], wrong: NDArray[np.bool_], expected: str
) -> None:
    if wrong.any():
        j = int(np.flatnonzero(wrong)[0])
        raise ValueError(f"{name}[{j}] is {values.flat[j]}, {expected}")


def _check_ties(
    base: NDArray[np.float64],
    fixed: NDArray[np.bool_],
    targets: NDArray[np.int32],
    factors: NDArray[np.float64],
    name: str,
) -> None:
    wrong = (base != factors * base[targets]) | (fixed != fixed[targets])
    if wrong.any():
        j = int(np.argmax(wrong))
        as_it = f"{factors[j]:g} times weight {targets[j]}" if factors[j] else "0"
        raise ValueError(
            f"{name} has weight {j} be {as_it}, which the prior and fixed weights contradict: give "
            "both the same, or fix both"
        )


def _uncentred(columns: ColumnScaling) -> ColumnScaling:
    mean_square = columns.mean_square + float(((columns.center / columns.scale) ** 2).sum())
    return dataclasses.replace(
        columns, center=np.zeros_like(columns.center), mean_square=mean_square
    )
