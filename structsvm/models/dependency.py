"""DependencyModel: a head for each token of a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.base import clone

from structsvm.data.checks import real_array
from structsvm.data.labels import PackedLabels, object_row
from structsvm.data.sequences import as_items, no_sequence
from structsvm.data.state import State
from structsvm.exceptions import LabelError
from structsvm.features.arc_features import ArcFeatures, TokenRows
from structsvm.inference._dependency_trees import DependencyTreeMaximizer
from structsvm.models.completion import CompletableModel
from structsvm.models.factored import PackedInputs
from structsvm.problems._factored import FactoredProblem
from structsvm.problems._features import BlockFeatures
from structsvm.problems._head_loss import HeadLoss
from structsvm.problems._tree_features import LINE, TreeBlock
from structsvm.problems.layout import Layout

__all__ = ["DependencyModel", "check_heads", "tree_fault"]

# Scores of the parts of one sentence, in numbers: 2 GiB.
_MOST_PARTS = 1 << 28

# Rough numbers for Problem.oracle_work: multiply-adds of the score of a part.
_WORK_OF_A_PART = 40


class DependencyModel(CompletableModel):
    r"""Dependency trees: each token of a sentence has a head, another token or the root.

    .. math::
        \langle w, \psi(x, y) \rangle = \sum_m \mathrm{arc}(y_m, m)
        + \mathrm{sibling}(y_m, s_m, m) + \mathrm{grandparent}(y_{y_m}, y_m, m)

    where s_m is the next token with the same head on the way from m to its head, or none. Each
    score is a sum of weights of the templates of `features`. Order 1 has arcs alone, order 2
    siblings, too, order 3 all. The loss is the number of wrong heads.

    Sentences are lists of tokens: tuples of a word and a tag, mappings or objects, see
    `ArcFeatures`. Outputs are the heads of their tokens: 0 is the root, t the t-th token.

    Parameters
    ----------
    features : ArcFeatures, default=None
        None is ``ArcFeatures()``.
    order : {1, 2, 3}, default=1
        Scores of arcs; of siblings, too; of grandparents, too.
    projective : bool, default=True
        Whether arcs may not cross: the best tree is found by dynamic programming, in O(n^3) time
        for orders 1 and 2, O(n^4) for order 3, of n tokens. If not, in O(n^2), for order 1 alone.
        Trees to learn from may have crossing arcs in any case, see Notes.
    single_root : bool, default=True
        Whether exactly one token hangs from the root.

    Attributes
    ----------
    features_ : ArcFeatures
        Fitted on the training sentences.
    n_weights : int

    Notes
    -----
    Heads in y may be None, unknown. In training such a head is void: it has no loss, arcs to its
    token have no features, and in its sentence siblings and grandparents have none, as nobody knows
    them. `LatentSVM` completes the trees instead, so that all of their parts count.

    All searches are exact, so a fit is certified. With `projective` a training tree with crossing
    arcs counts as an output as well: its hinge is 0 where it beats all trees without.

    References
    ----------
    R. McDonald, K. Crammer, F. Pereira (2005). Online large-margin training of dependency parsers.
    ACL. doi:10.3115/1219840.1219852

    T. Koo, M. Collins (2010). Efficient third-order dependency parsers. ACL.

    Examples
    --------
    >>> from structsvm import DependencyModel, StructSVM
    >>> X = [[("the", "DET"), ("cat", "NOUN"), ("sleeps", "VERB")]]
    >>> y = [[2, 3, 0]]
    >>> svm = StructSVM(DependencyModel(), random_state=0).fit(X, y)
    >>> svm.predict([[("a", "DET"), ("dog", "NOUN"), ("barks", "VERB")]])[0].tolist()
    [2, 3, 0]
    """

    features_: ArcFeatures
    weight_name = "token_weight"

    def __init__(
        self,
        features: ArcFeatures | None = None,
        *,
        order: int = 1,
        projective: bool = True,
        single_root: bool = True,
    ) -> None:
        self.features = features
        self.order = order
        self.projective = projective
        self.single_root = single_root

    # ---- inputs

    def input_sizes(self) -> dict[str, int]:
        return {}

    @property
    def _is_sized(self) -> bool:
        return "n_weights" in vars(self)

    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> PackedInputs:
        order = self._order()
        if sizes is None:
            self.features_ = self._own_features()
        packed = (self.features_.fit_transform if sizes is None else self.features_.transform)(X)
        longest = packed.lengths.max(initial=0)
        if n_parts(longest, order) > _MOST_PARTS:
            i, fitting = int(packed.lengths.argmax()), longest
            while n_parts(fitting, order) > _MOST_PARTS:
                fitting -= 1
            raise ValueError(
                f"X[{i}] has {longest} tokens: scores of order {order} would take "
                f"{8 * n_parts(longest, order) / 2**30:.3g} GiB; at most {fitting} tokens fit: "
                "split it, or take a lower order"
            )
        offsets = np.append(0, np.cumsum(packed.lengths)).astype(np.int64)
        return PackedInputs(packed, offsets, {})

    def _own_features(self) -> ArcFeatures:
        if self.features is None:
            return ArcFeatures()
        if not isinstance(self.features, ArcFeatures):
            raise ValueError(f"features={self.features!r}: expected an ArcFeatures, or None")
        features: ArcFeatures = clone(self.features)
        return features

    def _order(self) -> int:
        order = self.order
        if isinstance(order, bool) or order not in (1, 2, 3):
            raise ValueError(
                f"order={order!r}: expected 1 (arcs), 2 (siblings) or 3 (grand-siblings)"
            )
        if order > 1 and not self.projective:
            raise ValueError(
                f"order={self.order!r} needs projective=True: the best tree with crossing arcs can "
                "be found for order 1 alone"
            )
        return int(order)

    # ---- outputs

    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> PackedLabels:
        items = as_items("y", y)
        if X is not None and len(items) != len(X):
            raise ValueError(f"y has {len(items)} trees, expected {len(X)} as X has")
        lengths = [None] * len(items) if X is None else np.diff(X.offsets).tolist()
        rows = [
            check_heads(f"y[{i}]", item, n, single_root=self.single_root, partial=True)
            for i, (item, n) in enumerate(zip(items, lengths, strict=True))
        ]
        sizes = [len(row) for row in rows]
        flat = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int32)
        offsets = np.append(0, np.cumsum(sizes)).astype(np.int64)
        void = flat < 0
        return PackedLabels(
            flat,
            offsets,
            weight=_token_weights(weight, sizes),
            void=void if void.any() else None,
        )

    def class_numbers(self, y: PackedLabels) -> NDArray[np.int32]:
        heads: NDArray[np.int32] = y.labels
        return heads

    def output_numbers(self, y: Any, X: PackedInputs | None = None) -> NDArray[Any]:
        return self.class_numbers(self.read_outputs([y], X))

    def write_outputs(self, X: PackedInputs, answers: NDArray[Any]) -> list[Any]:
        return [row.copy() for row in np.split(answers, X.offsets[1:-1])] if len(X) else []

    def loss(self, y: Any, y_hat: Any) -> float:
        """The number of wrong heads, void ones left out."""
        right, guess = (
            check_heads(name, heads, partial=True) for name, heads in (("y", y), ("y_hat", y_hat))
        )
        if len(right) != len(guess):
            raise ValueError(f"y_hat has {len(guess)} heads, expected {len(right)} as y")
        return float(np.count_nonzero((right != guess) & (right >= 0) & (guess >= 0)))

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """Unlabelled attachment score: the share of tokens with the right head, without those
        whose head is void."""
        right = n_tokens = 0
        for i, (y, y_hat) in enumerate(zip(Y, Y_hat, strict=True)):
            if len(y) != len(y_hat):
                raise ValueError(f"y[{i}] has {len(y)} heads, expected {len(y_hat)}")
            (heads, _), (guess, _) = _with_void(y), _with_void(y_hat)
            right += int(np.count_nonzero((heads == guess) & (heads >= 0)))
            n_tokens += int(np.count_nonzero(heads >= 0))
        if not n_tokens:
            raise ValueError("all sentences are empty, or heads void: there is no head to score")
        return right / n_tokens

    # ---- sizes and the problem

    def learn(self, X: PackedInputs, y: PackedLabels, classes: NDArray[Any] | None = None) -> None:
        if classes is not None:
            raise TypeError("trees have no classes: leave them out")
        if not len(y.labels):
            raise ValueError("all sentences in X are empty: there is nothing to learn from")
        if y.void is not None and y.void.all():
            raise ValueError("all heads in y are void: nothing is left to learn")
        self._resize()

    def _resize(self) -> None:
        self._order()
        self.layout_ = Layout([("table", (1 << self.features_.n_bits, LINE))])
        self.n_weights = self.layout_.n_weights

    def _oddity(self) -> str | None:
        return None

    def to_state(self) -> State:
        """What `features_` learned."""
        return self.features_.to_state()

    def from_state(self, state: State) -> Self:
        features = self._own_features()
        features.compiled()  # checks its parameters
        self.features_ = features.from_state(state)
        self._resize()
        return self

    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> FactoredProblem:
        maximizer = DependencyTreeMaximizer(
            X.items.lengths,
            self._order(),
            projective=bool(self.projective),
            single_root=bool(self.single_root),
        )
        labels = loss = None
        if y is not None:
            labels = self.class_numbers(y)
            weight = np.ones(len(labels)) if y.weight is None else y.weight
            loss = HeadLoss(X.offsets, np.where(labels < 0, 0.0, weight), maximizer.n_parts)
        features = BlockFeatures(self.n_weights, {"tree": self._block(X)})
        work = _WORK_OF_A_PART * float(np.mean(maximizer.n_parts)) if len(X) else 1.0
        return FactoredProblem(
            features, maximizer, loss, labels, X.offsets, work, truths_outside=bool(self.projective)
        )

    def _block(self, X: PackedInputs) -> TreeBlock:
        packed: TokenRows = X.items
        return TreeBlock(
            self.features_.compiled(),
            packed.rows,
            packed.kinds,
            packed.lengths,
            place=0,
            n_bits=self.features_.n_bits,
            order=self._order(),
            single_root=bool(self.single_root),
            nested=bool(self.projective),
        )

    # ---- completion

    def free_labels(self, y: PackedLabels) -> NDArray[np.bool_] | None:
        return y.void

    def completed(
        self,
        X: PackedInputs,
        y: PackedLabels,
        w: NDArray[np.float64],
        before: PackedLabels | None = None,
    ) -> PackedLabels:
        if (free := self.free_labels(y)) is None:
            return y
        heads = y.labels[:, None]
        allowed = free[:, None] | (heads == np.arange(int(y.lengths.max()) + 1))
        try:
            best = self.complete_numbers(X, allowed, np.flatnonzero(free), w, before)
        except LabelError as error:
            what = " without crossing arcs" if self.projective else ""
            raise LabelError(
                f"{str(error).partition(' leaves')[0]} leaves no tree{what} that agrees with the "
                "heads that are known",
                error.place,
            ) from None
        return y.filled(np.where(free, best, y.labels), free)

    def arc_rows(self, X: PackedInputs, heads: NDArray[np.int32], n_bits: int) -> sp.csr_matrix:
        """The features of the arcs to all tokens, given their heads, one row a token; hashed to
        ``2 ** n_bits`` columns.

        Parameters
        ----------
        X : PackedInputs
        heads : int32 ndarray of shape (n_tokens,)
            Of all sentences; 0 is the root.
        n_bits : int

        Returns
        -------
        rows : csr_matrix of shape (n_tokens, 2 ** n_bits)
        """
        columns, counts, starts = self._block(X).arc_rows(heads, n_bits)
        rows = sp.csr_matrix((counts, columns, starts), shape=(len(heads), 1 << n_bits))
        rows.sum_duplicates()
        return rows


def n_parts(n: int, order: int) -> int:
    """Number of scores of a sentence of n tokens."""
    n = int(n)
    return (n + 1) * n * (1 + (order - 1) * (n + 1))


def _token_weights(weight: Any, sizes: Sequence[int]) -> NDArray[np.float64] | None:
    if weight is None:
        return None
    rows = []
    items = as_items("token_weight", weight)
    if len(items) != len(sizes):
        raise ValueError(f"token_weight has {len(items)} sentences, expected {len(sizes)}")
    for i, (item, n) in enumerate(zip(items, sizes, strict=True)):
        row = real_array(f"token_weight[{i}]", item)
        if row.shape != (n,):
            raise ValueError(f"token_weight[{i}] has shape {row.shape}, expected ({n},)")
        if not (np.isfinite(row) & (row >= 0)).all():
            raise ValueError(f"token_weight[{i}] has {row.min()}; expected finite numbers >= 0")
        rows.append(row)
    return np.concatenate(rows) if rows else np.zeros(0)


# ---- trees


def check_heads(
    name: str,
    heads: Any,
    n: int | None = None,
    *,
    single_root: bool = False,
    partial: bool = False,
) -> NDArray[np.int32]:
    """The heads of a tree, checked; -1 where a `partial` tree has None.

    Raises
    ------
    ValueError
        If there are not n of them, if one is no integer from 0 to their number, if a token hangs
        from itself or in a cycle, or if several hang from the root and only one may.
    """
    row, void = _with_void(heads) if partial else (np.asarray(heads), None)
    if row.ndim != 1 or (row.size and row.dtype.kind not in "iu"):
        raise ValueError(
            f"{name} is {heads!r:.80}; expected the head of each token, integers, or a tuple of "
            "heads and relations"
        )
    if n is not None and len(row) != n:
        raise ValueError(f"{name} has {len(row)} heads, but its sentence has {n} tokens")
    # A void head may be the root, as far as cycles are concerned.
    known = row if void is None else np.where(void, 0, row)
    fault = tree_fault(known, single_root=single_root and void is None)
    if fault is None and single_root and void is not None:
        roots = np.flatnonzero(row == 0) + 1
        if len(roots) > 1:
            fault = int(roots[1]), _two_roots(roots)
    if fault is not None:
        raise ValueError(f"{name}: {fault[1]}")
    return row.astype(np.int32)


def _with_void(heads: Any) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Heads as an array, with -1 for each None, and where these are; None if nowhere."""
    if no_sequence(heads) is not None or (
        isinstance(heads, np.ndarray) and (heads.dtype != object or heads.ndim != 1)
    ):
        return np.asarray(heads), None
    void = np.fromiter((head is None for head in heads), dtype=bool, count=len(heads))
    if not void.any():
        return np.asarray(heads), None
    row = object_row(heads)
    row[void] = -1
    return np.asarray(row.tolist()), void


def tree_fault(row: NDArray[np.integer[Any]], *, single_root: bool) -> tuple[int, str] | None:
    """A token whose head makes these heads no tree, and why; None if they are one."""
    n = len(row)
    wrong = np.flatnonzero((row < 0) | (row > n) | (row == np.arange(1, n + 1))) + 1
    if len(wrong):
        t = int(wrong[0])
        why = f"the head of token {t} is {row[t - 1]}, expected another token, 1 to {n}"
        return t, f"{why}, or 0, the root"
    # Twice as far in every step: whoever is not at the root in the end is in a cycle.
    up = np.append(0, row).astype(np.int64)
    for _ in range(max(n, 1).bit_length()):
        up = up[up]
    if up.any():
        t = int(np.flatnonzero(up)[0])
        return t, f"the head of token {t} leads to a cycle, not the root"
    roots = np.flatnonzero(row == 0) + 1
    if single_root and len(roots) > 1:
        return int(roots[1]), _two_roots(roots)
    return None


def _two_roots(roots: NDArray[np.integer[Any]]) -> str:
    return (
        f"tokens {roots[0]} and {roots[1]} have the root as head; expected one token, unless "
        "several may (single_root=False, or --several-roots)"
    )
