"""MultiLabelModel: a set of labels for each input."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import real_array
from structsvm.data.labels import PackedLabels
from structsvm.data.rows import check_rows
from structsvm.data.scaling import ColumnScaling, FeatureGroup, row_chunks
from structsvm.data.sparse import check_sparse
from structsvm.data.state import State
from structsvm.exceptions import ModelFileError
from structsvm.inference._label_sets import MOST_ENUMERATED, LabelSetMaximizer
from structsvm.inference.spanning_tree import spanning_tree
from structsvm.models.factored import FactoredModel, PackedInputs
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._features import BlockFeatures, RowBlock
from structsvm.problems._label_sets import F1Loss, LabelSetProblem
from structsvm.problems._losses import LabelLoss, PartLoss
from structsvm.problems.layout import Layout

__all__ = ["MultiLabelModel", "check_indicators"]

STRUCTURES = ("auto", "independent", "tree", "full")
LOSSES = ("hamming", "f1")

_LANES = 8


class _LabelInputs(PackedInputs):
    """Rows of scaled columns, and the feature that tables of pairs stand for."""

    of_pairs: float = 1.0


class MultiLabelModel(FactoredModel):
    r"""A set of labels for each x, scored by its labels and by pairs of labels.

    .. math:: \langle w, \psi(x, y) \rangle = \sum_l y_l (\langle w_l, x \rangle + b_l)
        + \sum_{(a, b)} T_{ab}[y_a, y_b]

    with y_l = 1 if label l is in the set, else 0, and a table T of four weights for each pair. The
    weight vector is the matrix (n_features, n_labels) of all w_l, then b, then the tables,
    row-major and one after the other.

    Parameters
    ----------
    structure : {"auto", "independent", "tree", "full"}, default="auto"
        Which pairs of labels have tables. "auto" is "full" for up to 12 labels, "tree" for more:
        always exact.

        - "independent": none. With the Hamming loss that is a binary SVM for each label. O(L).
        - "tree": those of the maximum spanning tree of the mutual information of labels in y.
          Exact max-product, O(L).
        - "full": all. Exact by enumeration for up to 12 labels, O(L 2^L). For more, training takes
          roof duality, and the gap of a fit is a certificate only if it decided every label in
          every call; predictions take expansions, improved by changes of one or two labels, and
          may miss the best set.
    task_loss : {"hamming", "f1"}, default="hamming"
        The number of wrong labels, or 1 - F1 of the set, which is 1 for two empty sets. F1 is exact
        for "independent", by numbers of right and wrong labels, and for up to 12 labels with pairs,
        by enumeration; otherwise it is refused.
    label_weight : array-like of shape (n_labels,), default=None
        What a mistake at each label costs in the Hamming loss, >= 0; None is 1 for all.
    fit_intercept : bool, default=True
        Whether each label has an intercept. It is regularised like all weights.

    Attributes
    ----------
    pairs_ : int32 ndarray of shape (n_pairs, 2)
        The pairs of labels that have tables.
    n_labels_, n_features_in_, n_weights : int

    Notes
    -----
    Where training scales columns, tables stand for a constant feature as long as a scaled row is in
    the mean, not for 1: beside many features they would hardly be learnt.

    References
    ----------
    T. Finley, T. Joachims (2008). Training structural SVMs when exact inference is intractable.
    ICML. doi:10.1145/1390156.1390195
    C. Chow, C. Liu (1968). Approximating discrete probability distributions with dependence trees.
    IEEE Transactions on Information Theory 14. doi:10.1109/TIT.1968.1054142
    J. Petterson, T. Caetano (2011). Submodular multi-label learning. NIPS.

    Examples
    --------
    >>> from structsvm import MultiLabelModel, StructSVM
    >>> X, y = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [[0, 1], [1, 0], [1, 1]]
    >>> svm = StructSVM(MultiLabelModel("full"), C=10, random_state=0).fit(X, y)
    >>> svm.predict([[0.0, 2.0]])
    [array([0, 1])]
    """

    def __init__(
        self,
        structure: str = "auto",
        *,
        task_loss: str = "hamming",
        label_weight: ArrayLike | None = None,
        fit_intercept: bool = True,
    ) -> None:
        self.structure = structure
        self.task_loss = task_loss
        self.label_weight = label_weight
        self.fit_intercept = fit_intercept

    # ---- sizes and weights

    def learn(self, X: PackedInputs, y: PackedLabels, classes: NDArray[Any] | None = None) -> None:
        """Learn the numbers of features and labels, and the tree."""
        self._check_parameters()
        indicators = y.labels.reshape(len(y), -1)
        n_labels = indicators.shape[1]
        pairs = np.array([*itertools.combinations(range(n_labels), 2)], dtype=np.int32)
        pairs = pairs.reshape(-1, 2)
        structure = self._structure_of(n_labels)
        if structure == "independent":
            pairs = pairs[:0]
        elif structure == "tree" and len(pairs):
            scores = mutual_information(indicators, y.sample_weight)[pairs[:, 0], pairs[:, 1]]
            pairs = pairs[spanning_tree(pairs, scores, n_labels)[0]]
        self.resize(X.sizes["n_features"], n_labels, pairs)

    def resize(self, n_features: int, n_labels: int, pairs: NDArray[np.int32]) -> None:
        """Set the numbers of features and labels, and the pairs of labels.

        Parameters
        ----------
        n_features : int
        n_labels : int
        pairs : int32 ndarray of shape (n_pairs, 2)
        """
        self._check_parameters()
        if not n_labels:
            raise ValueError("y has no labels: there is nothing to learn from")
        if self.task_loss == "f1" and len(pairs) and n_labels > MOST_ENUMERATED:
            raise ValueError(
                f"the loss 'f1' with structure={self.structure!r} is for up to {MOST_ENUMERATED} "
                f"labels, but y has {n_labels}: use structure='independent', or loss='hamming'"
            )
        self.classes_ = np.array([0, 1])
        self.n_features_in_ = n_features
        self.n_labels_ = n_labels
        self.pairs_ = np.ascontiguousarray(pairs, dtype=np.int32)
        blocks: list[tuple[str, tuple[int, ...]]] = [("coef", (n_features, n_labels))]
        if self.fit_intercept:
            blocks.append(("intercept", (n_labels,)))
        self.layout_ = Layout([*blocks, ("pair", (len(pairs), 2, 2))])
        self.n_weights = self.layout_.n_weights
        if not 0 < self.n_weights < 2**31:
            raise ValueError(
                f"{n_features} features and {n_labels} labels make {self.n_weights} weights, "
                "expected 1 to 2**31 - 1"
            )
        self._weights_of_labels()

    def _structure_of(self, n_labels: int) -> str:
        if self.structure == "auto":
            return "full" if n_labels <= MOST_ENUMERATED else "tree"
        return self.structure

    def _check_parameters(self) -> None:
        if self.structure not in STRUCTURES:
            names = ", ".join(repr(name) for name in STRUCTURES)
            raise ValueError(f"structure={self.structure!r}: expected one of {names}")
        if self.task_loss not in LOSSES:
            raise ValueError(f"unknown loss {self.task_loss!r}: expected one of 'hamming', 'f1'")
        if self.label_weight is not None and self.task_loss != "hamming":
            raise ValueError("label_weight is for the Hamming loss: leave it out")

    def _weights_of_labels(self) -> NDArray[np.float64]:
        """What a mistake costs at each label."""
        if self.label_weight is None:
            return np.ones(self.n_labels_)
        weights = real_array("label_weight", self.label_weight)
        if weights.shape != (self.n_labels_,):
            raise ValueError(
                f"label_weight has shape {weights.shape}, expected ({self.n_labels_},)"
            )
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise ValueError("label_weight must be finite and >= 0")
        return weights

    def to_state(self) -> State:
        """Numbers of features and labels, and the pairs of labels."""
        sizes = {"n_features": self.n_features_in_, "n_labels": self.n_labels_}
        return sizes | {"pairs": self.pairs_}

    def from_state(self, state: State) -> Self:
        pairs, n_labels = state["pairs"], state["n_labels"]
        self._check_parameters()
        if pairs.dtype != np.int32 or pairs.ndim != 2 or pairs.shape[1] != 2:
            raise ModelFileError(f"the pairs are {pairs.dtype} of shape {pairs.shape}")
        if not ((pairs >= 0) & (pairs < n_labels)).all() or (pairs[:, 0] >= pairs[:, 1]).any():
            raise ModelFileError("a pair is not of two labels in their order")
        most = {"independent": 0, "tree": n_labels - 1, "full": n_labels * (n_labels - 1) // 2}
        structure = self._structure_of(n_labels)
        if len(pairs) != max(most[structure], 0) or len(np.unique(pairs, axis=0)) < len(pairs):
            raise ModelFileError(f"{len(pairs)} pairs do not make the structure {structure!r}")
        if structure == "tree":
            spanning_tree(pairs, np.zeros(len(pairs)), n_labels)  # raises if it is none
        self.resize(state["n_features"], n_labels, pairs)
        return self

    def weight_blocks(self, w: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """The blocks of a weight vector by name, as views; zeros for an intercept switched off.

        Parameters
        ----------
        w : ndarray of shape (n_weights,)

        Returns
        -------
        blocks : dict of str to ndarray
        """
        return {"intercept": np.zeros(self.n_labels_)} | self.layout_.views(w)

    @property
    def exact(self) -> bool:  # type: ignore[override]
        """Whether the oracle and predictions are exact: not for "full" beyond 12 labels."""
        return self.structure != "full" or self.n_labels_ <= MOST_ENUMERATED

    # ---- examples

    def input_sizes(self) -> dict[str, int]:
        return {"n_features": self.n_features_in_}

    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> PackedInputs:
        """Rows of features, not copied where compiled code can use them as they are."""
        rows = check_rows(X, **(sizes or {}))
        return PackedInputs(rows, np.arange(rows.shape[0] + 1), {"n_features": rows.shape[1]})

    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> PackedLabels:
        """A row of 0 and 1 for each example."""
        n_labels = self.n_labels_ if self._is_sized else None
        indicators = check_indicators(y, None if X is None else len(X), n_labels)
        n, width = indicators.shape
        return PackedLabels(indicators.ravel(), width * np.arange(n + 1), [(width,)] * n)

    def class_numbers(self, y: PackedLabels) -> NDArray[np.int32]:
        numbers: NDArray[np.int32] = y.labels.astype(np.int32)
        return numbers

    def write_outputs(self, X: PackedInputs, answers: NDArray[Any]) -> list[Any]:
        """A row of 0 and 1 for each example."""
        return list(answers.astype(np.int64).reshape(len(X), self.n_labels_))

    def feature_groups(self, X: PackedInputs, y: PackedLabels) -> list[FeatureGroup]:
        chunks = row_chunks(X.items, y.sample_weight)
        intercept = "intercept" if self.fit_intercept else None
        return [FeatureGroup("coef", chunks, X.sizes["n_features"], intercept)]

    def learn_scaling(
        self, X: PackedInputs, y: PackedLabels, *, scale: bool = True
    ) -> dict[str, ColumnScaling]:
        """That of the columns; and tables stand for a feature that is as long as a row is, so that
        their weights cost as much as those of features do together."""
        learnt = super().learn_scaling(X, y, scale=scale)
        n_pairs, square = len(self.pairs_), learnt["coef"].mean_square
        if not scale or not n_pairs or not square > 0:
            return learnt
        divisors = np.full(n_pairs, 1.0 / np.sqrt(square))
        return learnt | {"pair": ColumnScaling(np.zeros(n_pairs), divisors)}

    def scaled(self, X: PackedInputs, scaling: Mapping[str, ColumnScaling]) -> PackedInputs:
        if all(columns.is_identity for columns in scaling.values()):
            return X
        inputs = _LabelInputs(scaling["coef"].apply(X.items), X.offsets, X.sizes)
        if "pair" in scaling:
            inputs.of_pairs = float(1.0 / scaling["pair"].scale[0])
        return inputs

    def part_factors(
        self, y: PackedLabels, scaling: Mapping[str, ColumnScaling] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        n = len(y)
        if self.task_loss == "f1":
            size = np.repeat(y.labels.reshape(n, -1).sum(axis=1), self.n_labels_)
            # One label of a right set is left out, or one is added.
            factors = 1.0 / (2 * size + np.where(y.labels == 1, -1, 1))
        else:
            factors = np.tile(self._weights_of_labels(), n)
        square = 0.0 if scaling is None else scaling["coef"].mean_square
        # There is one weight vector for the two values of a label.
        return factors, np.full(len(factors), (square + bool(self.fit_intercept)) / 2)

    def cost_matrix(self) -> NDArray[np.float64]:
        return 1.0 - np.eye(2)

    def constant_loss(self, y: PackedLabels) -> float | None:
        return super().constant_loss(y) if self.task_loss == "hamming" else None

    def _oddity(self) -> str | None:
        return None

    # ---- the problem

    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> LabelSetProblem:
        n, n_labels, n_pairs = len(X), self.n_labels_, len(self.pairs_)
        rows = FeatureRows(X.items, intercept=bool(self.fit_intercept))
        blocks: dict[str, Any] = {"label": RowBlock(rows, 0, n_labels, offsets=np.arange(n + 1))}
        if n_pairs:
            place = self.layout_.place("pair").start
            of_pairs = X.of_pairs if isinstance(X, _LabelInputs) else 1.0
            constant = FeatureRows(np.full((n, 1), of_pairs), intercept=False)
            blocks["pair"] = RowBlock(constant, place, 4 * n_pairs, offsets=np.arange(n + 1))
        maximizer = LabelSetMaximizer(
            n, n_labels, self.pairs_, enumerate=self.task_loss == "f1" and n_pairs > 0
        )
        offsets = n_labels * np.arange(n + 1)
        labels: NDArray[np.int32] | None = None
        loss: PartLoss | None = None
        if y is not None:
            labels = self.class_numbers(y)
            if self.task_loss == "f1":
                loss = F1Loss(n_labels)
            else:
                weight = np.tile(self._weights_of_labels(), n)
                loss = LabelLoss(offsets, 1.0 - np.eye(2), weight, row_size=1)
        work = rows.n_values / max(n, 1) * n_labels / _LANES + n_labels + 4 * n_pairs
        if n_pairs and self._structure_of(n_labels) == "full" and self.exact:
            work += n_labels * 2**n_labels / _LANES
        return LabelSetProblem(
            BlockFeatures(self.n_weights, blocks), maximizer, loss, labels, offsets, work
        )

    def leads(self, X: Any, w: NDArray[np.float64]) -> NDArray[np.float64]:
        """By how much the best set with each label scores more than the best one without.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_examples, n_features)
        w : ndarray of shape (n_weights,)

        Returns
        -------
        leads : ndarray of shape (n_examples, n_labels)
        """
        X = self._read(X)[0]
        problem = self.make_problem(X, None)
        scores = problem.part_scores(w).reshape(len(X), -1)
        return LabelSetMaximizer(1, self.n_labels_, self.pairs_).leads(scores)

    def loss(self, y: Any, y_hat: Any) -> float:
        """The task loss of y_hat for the true set y."""
        right, guess = (self.read_outputs([output], None).labels for output in (y, y_hat))
        if self.task_loss == "f1":
            total = int(right.sum() + guess.sum())
            return int((right != guess).sum()) / total if total else 0.0
        return float(self._weights_of_labels()[right != guess].sum())

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """Subset accuracy: share of sets that are right as a whole."""
        right, guess = (check_indicators(sets, None, self.n_labels_) for sets in (Y, Y_hat))
        return float((right == guess).all(axis=1).mean())


def check_indicators(
    y: Any, n_examples: int | None = None, n_labels: int | None = None
) -> NDArray[np.int8]:
    """Sets of labels as a dense matrix of 0 and 1.

    Parameters
    ----------
    y : array-like or sparse matrix of shape (n_examples, n_labels)
    n_examples, n_labels : int, default=None
        How many of each there must be; None: any number.

    Raises
    ------
    ValueError
        Naming the place.
    """
    if sp.issparse(y):
        y = y.tocsr()
        check_sparse("y", y)
        y = y.toarray()
    try:
        values = real_array("y", y)
    except ValueError as error:
        raise ValueError(
            f"y is no matrix of 0 and 1: {error}. Of sets of labels, scikit-learn's "
            "MultiLabelBinarizer makes it"
        ) from None
    if values.ndim != 2:
        raise ValueError(
            f"y has {values.ndim} dimension{'s' if values.ndim != 1 else ''}, expected 2: a row of "
            "0 and 1 for each example, a column for each label"
        )
    if n_examples is not None and len(values) != n_examples:
        raise ValueError(f"X has {n_examples} examples but y has {len(values)}")
    if n_labels is not None and values.shape[1] != n_labels:
        raise ValueError(f"y has {values.shape[1]} labels, expected {n_labels}")
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        i, k = (int(place) for place in np.argwhere(wrong)[0])
        raise ValueError(f"y[{i}, {k}] is {values[i, k]:g}, expected 0 or 1")
    return values.astype(np.int8)


def mutual_information(
    indicators: NDArray[np.int8], weight: NDArray[np.float64] | None = None
) -> NDArray[np.float64]:
    """The mutual information of each two labels, of shape (n_labels, n_labels)."""
    weights = np.ones(len(indicators)) if weight is None else weight
    on = indicators.astype(np.float64)
    values = (1.0 - on, on)
    total = weights.sum()
    shares = [(weights @ value) / total for value in values]
    result: NDArray[np.float64] = np.zeros((on.shape[1], on.shape[1]))
    for a, b in itertools.product(range(2), repeat=2):
        joint = (values[a] * weights[:, None]).T @ values[b] / total
        expected = np.outer(shares[a], shares[b])
        ratio = np.divide(joint, expected, out=np.ones_like(joint), where=joint > 0)
        result += joint * np.log(ratio)
    return result
