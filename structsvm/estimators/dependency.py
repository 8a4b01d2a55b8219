"""DependencyParser: a parser of sentences into dependency trees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from structsvm.estimators.structured import StructSVM, of_model
from structsvm.features import ArcFeatures
from structsvm.models.dependency import DependencyModel
from structsvm.solvers import Progress, Solver

__all__ = ["DependencyParser"]


class DependencyParser(StructSVM):
    r"""Parser of sentences into dependency trees: a head for each token.

    A maximum-margin parser by trees of arcs, of siblings, or of grand-siblings. The best tree is
    found exactly; see `DependencyModel` for score and loss, and `ArcFeatures` for the features.

    Parameters
    ----------
    features : ArcFeatures, default=None
        None is ``ArcFeatures()``.
    order : {1, 2, 3, "arcs", "siblings", "grand-siblings"}, default=1
        What has a score: arcs; arcs and pairs of siblings; these and grandparents. Each step parses
        better and takes two to three times as long.
    projective : bool, default=True
        Whether arcs may not cross. Crossing arcs need ``order=1``.
    single_root : bool, default=True
        Whether exactly one token hangs from the root.
    solver : str or solver object, default="passive_aggressive"
        The default learns online, in 10 passes, and has no certificate; "bcfw" has one.
    C, tol, max_iter, n_jobs, random_state, verbose, warm_start, callbacks
        See `StructSVM`.

    Attributes
    ----------
    features_ : ArcFeatures
        Fitted on the training sentences.
    n_lifted_ : int
        Number of training trees with crossing arcs, which training made projective.
    coef_, model_, objective_, dual_objective_, dual_gap_, certified_, n_iter_, history_
        See `StructSVM`.

    Examples
    --------
    >>> from structsvm import DependencyParser
    >>> X = [
    ...     [("the", "DET"), ("cat", "NOUN"), ("sleeps", "VERB")],
    ...     [("she", "PRON"), ("saw", "VERB"), ("a", "DET"), ("cat", "NOUN")],
    ... ]
    >>> parser = DependencyParser(random_state=0).fit(X, [[2, 3, 0], [2, 0, 4, 2]])
    >>> parser.predict([[("a", "DET"), ("dog", "NOUN"), ("barks", "VERB")]])[0].tolist()
    [2, 3, 0]
    """

    # Features are indicators, which scaling leaves as they are.
    scale = None
    rescaling = "margin"

    model_: DependencyModel

    def __init__(
        self,
        features: ArcFeatures | None = None,
        *,
        order: int | str = 1,
        projective: bool = True,
        single_root: bool = True,
        C: float | str = "scale",
        solver: str | Solver = "passive_aggressive",
        tol: float | None = None,
        max_iter: int | None = None,
        n_jobs: int | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        callbacks: Sequence[Callable[[Progress], Any]] | None = None,
    ) -> None:
        self.features = features
        self.order = order
        self.projective = projective
        self.single_root = single_root
        self.C = C
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.callbacks = callbacks

    def _make_model(self) -> DependencyModel:
        return DependencyModel(
            clone(self.features, safe=False),
            order=self.order,
            projective=self.projective,
            single_root=self.single_root,
        )

    features_ = of_model("features_")
    n_lifted_ = of_model("n_lifted_")
