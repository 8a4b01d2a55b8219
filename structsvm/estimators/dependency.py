"""DependencyParser: a parser of sentences into dependency trees."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from structsvm.base import StructuredModel
from structsvm.data.labels import flatten_partial
from structsvm.data.sequences import as_items
from structsvm.engines import Engine
from structsvm.estimators.arc_labeller import ArcLabeller
from structsvm.estimators.structured import StructSVM, of_model
from structsvm.features import ArcFeatures
from structsvm.metrics import attachment_scores
from structsvm.models.dependency import DependencyModel
from structsvm.solvers import Progress, Solver
from structsvm.training.train import Bound, Examples, Validation

__all__ = ["DependencyParser"]


class DependencyParser(StructSVM):
    r"""Parser of sentences into dependency trees: a head for each token, and a relation to it.

    A maximum-margin parser by trees of arcs, of siblings, or of grand-siblings. The best tree is
    found exactly; see `DependencyModel` for score and loss, and `ArcFeatures` for the features.
    Relations, if `fit` is given any, are found in a second step, each for itself, by a
    `MulticlassSVM` on the features of arcs.

    Parameters
    ----------
    features : ArcFeatures, default=None
        None is ``ArcFeatures()``.
    order : {1, 2, 3}, default=1
        What has a score: arcs; arcs and pairs of siblings; these and grandparents. Each step parses
        better and takes up to twice as long.
    projective : bool, default=True
        Whether predicted arcs may not cross. If they may, ``order=1`` is needed.
    single_root : bool, default=True
        Whether exactly one token hangs from the root.
    solver : str or solver object, default="passive_aggressive"
        The default learns online, in 10 passes, and has no certificate; "bcfw" has one.
    C, tol, max_iter, n_jobs, engine, random_state, verbose, warm_start
        See `StructSVM`.
    prior_weights, fixed_weights, callbacks
        See `StructSVM`.

    Attributes
    ----------
    features_ : ArcFeatures
        Fitted on the training sentences.
    relations_ : ndarray of str
        The relations, sorted; empty if `fit` was given heads alone.
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

    With relations:

    >>> y = [([2, 3, 0], ["det", "nsubj", "root"]), ([2, 0, 4, 2], ["nsubj", "root", "det", "obj"])]
    >>> heads, relations = parser.fit(X, y).predict(X)[0]
    >>> relations.tolist()
    ['det', 'nsubj', 'root']
    """

    # Features are indicators, which scaling leaves as they are.
    scale = None
    rescaling = "margin"

    model_: DependencyModel

    def __init__(
        self,
        features: ArcFeatures | None = None,
        *,
        order: int = 1,
        projective: bool = True,
        single_root: bool = True,
        C: float | str = "scale",
        solver: str | Solver = "passive_aggressive",
        tol: float | None = None,
        max_iter: int | None = None,
        n_jobs: int | None = None,
        engine: Engine | None = None,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
        warm_start: bool = False,
        prior_weights: ArrayLike | None = None,
        fixed_weights: ArrayLike | None = None,
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
        self.engine = engine
        self.random_state = random_state
        self.verbose = verbose
        self.warm_start = warm_start
        self.prior_weights = prior_weights
        self.fixed_weights = fixed_weights
        self.callbacks = callbacks

    def _make_model(self) -> DependencyModel:
        return DependencyModel(
            clone(self.features, safe=False),
            order=self.order,
            projective=self.projective,
            single_root=self.single_root,
        )

    # ---- training

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: ArrayLike | None = None,
        token_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        resume_from: str | os.PathLike[str] | None = None,
    ) -> Self:
        """Train on sentences X with trees y.

        Parameters
        ----------
        X : list of sentences, see `ArcFeatures`
        y : list of trees
            The heads of the tokens of each sentence, 0 for the root; or pairs of heads and
            relations, str. Heads and relations that are None are unknown, see `DependencyModel`;
            relations are learned where both are known.
        sample_weight : array-like of shape (n_sentences,), default=None
            Factor of each sentence's hinge, and of those of its relations, >= 0.
        token_weight : list of arrays of shape (n_tokens,), default=None
            What a wrong head of each token costs, >= 0. None is 1.
        X_val, y_val, resume_from
            See `StructSVM.fit`. Held-out trees are scored by their heads.

        Returns
        -------
        self
        """
        examples = self._examples(X, y, sample_weight, token_weight)
        self._fit(examples, self._validation(X_val, y_val), resume_from)
        return self

    def _fit(self, examples: Any, *args: Any, **options: Any) -> Bound:
        before = vars(self).get("model_")
        try:
            bound = super()._fit(examples, *args, **options)
        finally:
            if vars(self).get("model_") is not before:
                self._forget_relations()
        if examples.relations is not None:
            labeller = ArcLabeller(random_state=self.random_state)
            relations, weight, y = examples.relations, examples.weight, examples.y
            rows = self.model_.arc_rows(examples.X, np.maximum(y.labels, 0), labeller.n_bits)
            if weight is not None:
                weight = np.repeat(weight, y.lengths)
            if examples.unknown is not None or y.void is not None:
                known = y.labels >= 0
                if examples.unknown is not None:
                    known &= ~examples.unknown
                rows, relations = rows[known], relations[known]
                weight = None if weight is None else weight[known]
            self.labeller_ = labeller.fit(rows, relations, weight)
        return bound

    def _forget_relations(self) -> None:
        labeller = ArcLabeller()
        no_rows = sp.csr_matrix((0, 1 << labeller.n_bits))
        self.labeller_ = labeller.fit(no_rows, np.zeros(0, dtype="U1"))

    def partial_fit(
        self, X: Any, y: Any, sample_weight: ArrayLike | None = None, token_weight: Any = None
    ) -> Self:
        """One pass over more sentences, see `StructSVM.partial_fit`; with heads, not relations.

        Returns
        -------
        self
        """
        examples = self._examples(X, y, sample_weight, token_weight)
        if examples.relations is not None:
            raise ValueError("y has relations, which partial_fit cannot learn: give heads alone")
        self._partial_fit(examples)
        if "labeller_" not in vars(self):
            self._forget_relations()
        return self

    def _examples(
        self, X: Any, y: Any, sample_weight: Any = None, token_weight: Any = None
    ) -> _TreeExamples:
        heads, relations, unknown = _heads_and_relations("y", y)
        weights = {"token_weight": token_weight}
        return _TreeExamples(X, heads, sample_weight, weights, relations=relations, unknown=unknown)

    def _validation(self, X: Any, y: Any) -> Validation:
        return super()._validation(X, None if y is None else _heads_and_relations("y_val", y)[0])

    # ---- prediction

    def predict(self, X: Any) -> list[Any]:  # type: ignore[override]
        """The best tree of each sentence: its heads, an int32 array; if `fit` was given relations,
        a pair of heads and an array of relations."""
        model = self._fitted_model()
        inputs, _ = model.prepare_examples(self._read(X))
        flat, _ = self._ask(model.bind(inputs), scored=False)
        heads = model.outputs_of(inputs, flat)
        if not len(self.relations_):
            return heads
        arcs = self.model_.arc_rows(inputs, flat, self.labeller_.n_bits)
        relations = self.labeller_.predict(arcs)
        rows = np.split(relations, inputs.offsets[1:-1]) if heads else []
        return list(zip(heads, rows, strict=True))

    def score(self, X: Any, y: Any) -> float:
        """The share of tokens with the right head, whatever the relation; see
        `structsvm.metrics.attachment_scores` for relations."""
        return attachment_scores(as_items("y", y), self.predict(X)).unlabelled

    def _score_outputs(self, model: StructuredModel, y: Any, guess: Any) -> float:
        return attachment_scores(y, guess).unlabelled

    # ---- what is learned

    _LEARNED = ("labeller",)

    @property
    def relations_(self) -> NDArray[Any]:
        check_is_fitted(self)
        return self.labeller_.classes_

    features_ = of_model("features_")


@dataclasses.dataclass
class _TreeExamples(Examples):
    """Sentences with heads, and the relations of all tokens, if they are to be learned."""

    relations: NDArray[Any] | None = None
    unknown: NDArray[np.bool_] | None = None  #: which of these nobody knows

    def take(self, chosen: NDArray[np.intp]) -> Self:
        """Some of the examples, without relations, which no choice of C depends on."""
        return dataclasses.replace(super().take(chosen), relations=None)


def _heads_and_relations(
    name: str, y: Any
) -> tuple[Any, NDArray[Any] | None, NDArray[np.bool_] | None]:
    """The heads of all trees, and all relations one after the other, if there are any, with what is
    unknown of them."""
    items = as_items(name, y)
    are_pairs = [
        isinstance(item, tuple) and len(item) == 2 and not (item[0] is None or np.isscalar(item[0]))
        for item in items
    ]
    if not any(are_pairs):
        return items, None, None
    if not all(are_pairs):
        i = are_pairs.index(not are_pairs[0])
        raise ValueError(
            f"{name}[0] and {name}[{i}] differ: give heads alone, or pairs of heads and relations"
        )
    heads = [item[0] for item in items]
    relations, lengths, unknown = flatten_partial(
        [item[1] for item in items], name=f"relations of {name}"
    )
    if unknown is not None and unknown.all():
        raise ValueError(f"all relations of {name} are None: give heads alone")
    for i, (row, n) in enumerate(zip(heads, lengths.tolist(), strict=True)):
        if len(row) != n:
            raise ValueError(f"{name}[{i}] has {len(row)} heads but {n} relations")
    return heads, relations, unknown
