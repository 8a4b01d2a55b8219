"""Parts of the data of a fit, which become problems in other processes."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.base import StructuredModel
from structsvm.data.scaling import ColumnScaling
from structsvm.problems import Problem

if TYPE_CHECKING:
    from structsvm.training.train import Bound, Examples

__all__ = ["DataPart", "DataSource", "Frame"]


class Frame(NamedTuple):
    """What all parts of a problem have in common."""

    model: StructuredModel  #: sized
    scaling: Mapping[str, ColumnScaling]
    n_weights: int


@dataclasses.dataclass
class DataPart:
    """Some examples as the user gave them; `bind` reads them as the fit has read all of them."""

    examples: Examples

    def bind(self, frame: Frame) -> Problem:
        """The problem of these examples.

        Raises
        ------
        ValueError
            If it has another number of weights than the whole.
        """
        examples = dataclasses.replace(self.examples)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is to be told of the data was told of all
            examples.prepare(frame.model, whole=False)
            problem = examples.bind(frame.model, sized=True, scaling=frame.scaling).problem
        if problem.n_weights != frame.n_weights:
            raise ValueError(
                f"{type(frame.model).__name__} makes a problem of {problem.n_weights} weights of "
                f"some of the examples, and of {frame.n_weights} of all: set n_weights in "
                "initialize(X, y)"
            )
        return problem


class DataSource:
    """Makes parts of the examples of a fit; see ``Engine.introduce``.

    Parameters
    ----------
    bound : Bound
        The model and the problem of all examples.
    examples : Examples
        As the user gave them, and only those that the problem has.
    """

    def __init__(self, bound: Bound, examples: Examples) -> None:
        self._bound, self._examples = bound, examples

    def common(self) -> Frame:
        model, problem, _, scaling, *_ = self._bound
        return Frame(model, scaling, problem.n_weights)

    def part(self, examples: NDArray[np.int32]) -> Any:
        return DataPart(self._examples.take(examples.astype(np.intp)))
