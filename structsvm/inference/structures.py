"""Structure: which outputs there are, before any example is given."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from typing import Any

from sklearn.base import BaseEstimator

from structsvm.inference._maximizer import Maximizer

__all__ = ["Structure"]


class Structure(BaseEstimator, abc.ABC):  # type: ignore[misc]
    """A kind of output that is made of parts: paths of edges, matchings of pairs, subsets of items.

    A structure says what holds for all examples, and makes maximizers for given ones. Parameters of
    its constructor are stored under their names.
    """

    @abc.abstractmethod
    def bind(self, contexts: Sequence[Any], n_parts: Sequence[int]) -> Maximizer:
        """The maximizer of these examples.

        Parameters
        ----------
        contexts : sequence
            What each example says about its outputs: a graph, a capacity, a shape. None: what the
            constructor says.
        n_parts : sequence of int
            Number of parts of each example.

        Raises
        ------
        ValueError
            If a context does not fit, or an example has no output; the error names the example.
        """
