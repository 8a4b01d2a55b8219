"""PartsModel: outputs that are sets of parts, for anyone who can find the best one."""

from __future__ import annotations

import dataclasses
import itertools
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import real_array
from structsvm.data.labels import PackedLabels
from structsvm.data.rows import check_rows
from structsvm.data.scaling import ColumnScaling, FeatureGroup, row_chunks
from structsvm.data.sequences import as_items
from structsvm.data.state import State
from structsvm.exceptions import LabelError, ModelFileError
from structsvm.inference._callable import CallableMaximizer
from structsvm.inference._maximizer import Maximizer
from structsvm.inference.structures import Structure
from structsvm.models.factored import PackedInputs, PackedModel
from structsvm.models.part_inputs import (
    Parts,
    all_kinds,
    all_vectors,
    as_parts,
    is_matrix,
    other_sorts,
    stacked,
    table_sizes,
    used_parts,
)
from structsvm.problems._factored import FactoredProblem
from structsvm.problems._feature_rows import FeatureRows
from structsvm.problems._features import BlockFeatures, FeatureBlock, RowBlock
from structsvm.problems._part_features import KindBlock, SumBlock
from structsvm.problems._set_loss import SetLoss
from structsvm.problems.layout import Layout

__all__ = ["PartsModel"]

# The work of a maximizer in multiply-adds for each part, compiled and in Python; see `Problem`.
_COMPILED_WORK, _PYTHON_WORK = 20.0, 1e5

# Two scores closer than this, relative to their terms, are equal up to rounding.
_SAME_SCORE = 1e-12


@dataclasses.dataclass
class _Packed:
    """Inputs in arrays, with the maximizer that was bound to them."""

    maximizer: Maximizer
    offsets: NDArray[np.int64]  #: of parts
    rows: Any
    vectors: Any
    kinds: NDArray[np.int32] | None


class _PackedSets(PackedLabels):
    """Outputs as rows of used parts, each with -1 at its end, and what mistakes cost."""

    costs: NDArray[np.float64] | None = None  #: of parts, first those that examples share
    starts: NDArray[np.int64] | None = None  #: where the costs of each example begin in `costs`
    void_parts: list[NDArray[np.int32]] | None = None


class _CompletedSets(_PackedSets):
    """Outputs whose void parts were completed."""

    written: list[Any]  #: as users write them

    def __getitem__(self, index: Any) -> Any:
        return self.written[index]


class PartsModel(PackedModel):
    r"""Outputs that are sets of parts: paths of edges, matchings of pairs, subsets of items.

    The score of an output is the sum of the scores theta of its parts, which are linear in the
    weights; you say how the best output is found. The score of part p is

    .. math:: \theta_p = \langle w, F_p \rangle + \langle W_p, x \rangle + b_{kind(p)}

    with a row of features F_p for each part, one vector x for all parts, or both. The task loss is
    a sum over parts, too, so that training calls the same maximizer with other scores.

    Parameters
    ----------
    maximizer : callable or Structure
        ``maximizer(theta, x)`` returns the output with the greatest sum of theta over its parts,
        for the input x as it was passed to `fit` or `predict`, in the form `output`; or
        ``Bounded(output, bound)`` if it stopped early and knows that no output scores more than
        `bound`: the certificate then holds all the same. A `Structure` is compiled: those of
        `structsvm.inference`, and `structsvm.inference.Compiled` for your own.
    output : {"uses", "indices"}, default="uses"
        How outputs are written, in y and in predictions. "uses": of each part how often it is used,
        of shape (n_parts,), mostly 0 and 1; in y, -1 marks *void* parts, of which nobody knows.
        They have no loss and no features in training; `LatentSVM` completes them. "indices": the
        used parts, in any order, or a set of them; where parts of y are void, a dict of both,
        ``{"used": [0, 3], "void": [4]}``.
    to_parts : callable, default=None
        ``to_parts(answer, x)`` turns what `maximizer` returned into the form `output`.
    task_loss : {"hamming", "regret"} or callable, default="hamming"
        - "hamming": number of parts that are used in one of two outputs and not in the other. A
          part counts as much as `part_weight` says.
        - "regret": each y is a pair of an output and the costs of its parts, and the loss of
          another output is what it costs more.
        - ``task_loss(y)`` returns two arrays of shape (n_parts,): what it costs to leave each part
          out, and to use it. The costs of y itself must add up to 0.
    part_weight : array-like of shape (n_parts,), default=None
        What a mistake on each part counts with "hamming", where all examples have the same parts.
        None: 1.
    fit_intercept : bool, default=True
        Whether each part has a constant: a weight of its own beside `vector`; else one weight that
        all parts share, or all of one kind.
    n_parts : int, default=None
        Number of parts, where inputs have vectors alone and `maximizer` is a function.
    non_negative : slice or array of int, default=None
        Weights that training must keep >= 0, see `layout_`.
    exact : bool, default=True
        Whether a function in Python always finds the best output. If not, and it gives no bounds,
        the duality gap of a fit is an estimate.
    batch : bool, default=False
        Whether the function answers for many examples at once: ``maximizer(thetas, X)``, for a list
        of scores and one of inputs, returns a list of answers, or an array with one in each row.
        Passes and predictions ask for up to 256 at once, "bcfw" for up to 16 between two looks at
        the weights. It pays where numpy does many small examples in the time of one.

    Attributes
    ----------
    n_parts_ : int
        Number of parts if inputs have vectors, else 0.
    layout_ : Layout
        The blocks "rows", "vector", "intercept" and "kinds" of the weights, those that there are;
        with several tables of kinds "kinds_1" and so on are those of the others.
    n_weights : int

    Notes
    -----
    An input x is an array or CSR matrix of shape (n_parts, n_features), rows of features; or an
    array of shape (n_features,), a vector; or `Parts`. All inputs have the same sorts of features.
    A CSR matrix in place of a list has a vector in each row.
    A true output that the maximizer cannot find, as it is none or the maximizer is at fault, makes
    the gap of a fit an estimate, with a warning; void parts are no reason for that.

    Examples
    --------
    The two best of five items:

    >>> import numpy as np
    >>> from structsvm import PartsModel, StructSVM
    >>> def two_best(theta, x):
    ...     return np.argsort(-theta)[:2]
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 5, 3))
    >>> y = [two_best(x @ [1.0, -2.0, 0.5], x) for x in X]
    >>> svm = StructSVM(PartsModel(two_best, output="indices"), random_state=0).fit(X, y)
    >>> svm.score(X, y) > -0.1
    True
    """

    def __init__(
        self,
        maximizer: Structure | Callable[[NDArray[np.float64], Any], Any],
        *,
        output: str = "uses",
        to_parts: Callable[[Any, Any], Any] | None = None,
        task_loss: str | Callable[[Any], tuple[ArrayLike, ArrayLike]] = "hamming",
        part_weight: ArrayLike | None = None,
        fit_intercept: bool = True,
        n_parts: int | None = None,
        non_negative: slice | NDArray[np.integer[Any]] | None = None,
        exact: bool = True,
        batch: bool = False,
    ) -> None:
        self.maximizer = maximizer
        self.output = output
        self.to_parts = to_parts
        self.task_loss = task_loss
        self.part_weight = part_weight
        self.fit_intercept = fit_intercept
        self.n_parts = n_parts
        self.non_negative = non_negative
        self.exact = exact
        self.batch = batch

    takes_void = True

    #: What errors call outputs.
    _outputs_name: ClassVar[str] = "y"

    @property
    def _factor(self) -> float:
        """What joint features are multiplied by."""
        return 1.0

    def _check_parameters(self) -> None:
        if self.output not in ("uses", "indices"):
            raise ValueError(f"output={self.output!r}: expected 'uses' or 'indices'")
        if not callable(self.task_loss) and self.task_loss not in ("hamming", "regret"):
            raise ValueError(
                f"task_loss={self.task_loss!r}: expected 'hamming', 'regret' or a function"
            )
        if not isinstance(self.maximizer, Structure) and not callable(self.maximizer):
            raise TypeError(
                f"maximizer is {type(self.maximizer).__name__}, expected a Structure or a function "
                "of theta and x"
            )
        if self.batch and isinstance(self.maximizer, Structure):
            name = type(self.maximizer).__name__
            raise ValueError(
                f"batch=True is for functions, and {name} is a Structure: leave it out"
            )
        if self.n_parts is not None and not (
            isinstance(self.n_parts, numbers.Integral) and self.n_parts >= 0
        ):
            raise ValueError(f"n_parts={self.n_parts!r}: expected an integer >= 0, or None")

    # ---- inputs

    @property
    def _is_sized(self) -> bool:
        return "layout_" in vars(self)

    def input_sizes(self) -> dict[str, int]:
        return dict(self._sizes)

    def read_inputs(self, X: Any, sizes: Mapping[str, int] | None) -> PackedInputs:
        """Check and pack inputs, and bind the maximizer to them."""
        self._check_parameters()
        if sp.issparse(X):  # a vector for each example
            items = [X[[i]] for i in range(X.shape[0])]
            parts = [Parts(vector=x) for x in items]
        else:
            items = as_items("X", X)
            parts = [as_parts(i, x) for i, x in enumerate(items)]
        if not parts and sizes is None:
            raise ValueError("X is empty: there is nothing to learn from")
        if sizes is not None and not parts:
            return self._packed(items, [], dict(sizes), [], None, None, None)
        given = {name: getattr(parts[0], name) is not None for name in ("rows", "vector", "kinds")}
        for i, part in enumerate(parts):
            for name, there in given.items():
                if (getattr(part, name) is not None) != there:
                    raise ValueError(
                        f"X[{i}] has {'no' if there else 'a'} {name}, unlike X[0]: all inputs must "
                        "have the same sorts of features"
                    )
        if sizes is not None and (wrong := other_sorts(given, sizes)):
            raise ValueError(f"X[0] {wrong}, unlike the inputs of training")
        rows = vectors = kinds = None
        found: dict[str, int] = {}
        if given["rows"]:
            rows, n_parts = stacked([part.rows for part in parts])
            found["n_features"] = rows.shape[1]
        if given["vector"]:
            vectors = check_rows(X if is_matrix(X) else all_vectors(parts))
            found["n_vector_features"] = vectors.shape[1]
            if not given["rows"]:
                n_parts = [self._part_count(sizes)] * len(parts)
            elif len(set(n_parts)) > 1:
                raise ValueError(
                    "inputs with a vector must have equal numbers of parts, as each part has "
                    f"weights of its own; X has {min(n_parts)} to {max(n_parts)}"
                )
            found["n_parts"] = n_parts[0]
        if given["kinds"]:
            if not given["rows"] and not given["vector"]:
                n_parts = [len(np.atleast_1d(np.asarray(part.kinds))) for part in parts]
            kinds = all_kinds(parts, n_parts)
            found |= table_sizes(kinds, sizes)
        if not found:
            raise ValueError("X[0] has no features: give rows, a vector or kinds")
        if sizes is not None and found != dict(sizes):
            raise ValueError(f"X has {found}, expected {dict(sizes)} as in training")
        return self._packed(items, parts, found, n_parts, rows, vectors, kinds)

    def _packed(
        self,
        items: Sequence[Any],
        parts: list[Parts],
        sizes: dict[str, int],
        n_parts: list[int],
        rows: Any,
        vectors: Any,
        kinds: NDArray[np.int32] | None,
    ) -> PackedInputs:
        maximizer: Maximizer
        if isinstance(self.maximizer, Structure):
            maximizer = self.maximizer.bind([part.context for part in parts], n_parts)
            _check_bound(self.maximizer, maximizer, n_parts)
        else:
            maximizer = CallableMaximizer(
                self.maximizer,
                items,
                n_parts,
                indices=self.output == "indices",
                to_parts=self.to_parts,
                exact=self.exact,
                batch=bool(self.batch),
            )
        offsets = np.append(0, np.cumsum(n_parts, dtype=np.int64)).astype(np.int64)
        packed = _Packed(maximizer, offsets, rows, vectors, kinds)
        ends = np.append(0, np.cumsum(maximizer.n_labels, dtype=np.int64))
        return PackedInputs(packed, ends, sizes)

    def _part_count(self, sizes: Mapping[str, int] | None) -> int:
        """The number of parts of inputs that are vectors."""
        if sizes is not None:
            return sizes["n_parts"]
        if (count := self._known_part_count()) is None:
            raise ValueError("X has vectors, which do not tell the number of parts: set n_parts")
        return count

    def _known_part_count(self) -> int | None:
        """The number of parts, if parameters tell it."""
        if self.n_parts is None and isinstance(self.maximizer, Structure):
            return self.maximizer.part_count()
        return self.n_parts

    def scaled(self, X: PackedInputs, scaling: Mapping[str, ColumnScaling]) -> PackedInputs:
        if all(columns.is_identity for columns in scaling.values()):
            return X
        rows, vectors = X.items.rows, X.items.vectors
        if "rows" in scaling:
            rows = scaling["rows"].apply(rows)
        if "vector" in scaling:
            vectors = scaling["vector"].apply(vectors)
        packed = dataclasses.replace(X.items, rows=rows, vectors=vectors)
        return PackedInputs(packed, X.offsets, X.sizes)

    def feature_groups(self, X: PackedInputs, y: PackedLabels) -> list[FeatureGroup]:
        groups, weights, packed = [], y.sample_weight, X.items
        if packed.rows is not None:
            of_rows = None if weights is None else np.repeat(weights, np.diff(packed.offsets))
            chunks = row_chunks(packed.rows, of_rows)
            groups.append(FeatureGroup("rows", chunks, X.sizes["n_features"], None))
        if packed.vectors is not None:
            chunks = row_chunks(packed.vectors, weights)
            # Centred columns move the intercept, whose sign must then stay free.
            intercept = "intercept" if self.fit_intercept and not self._keeps_intercept() else None
            groups.append(FeatureGroup("vector", chunks, X.sizes["n_vector_features"], intercept))
        return groups

    def penalty_unit(self, y: PackedLabels, scaling: Mapping[str, ColumnScaling]) -> float | None:
        """That of one part more or less, for "hamming"; other losses only the oracle can tell."""
        if self.task_loss != "hamming":
            return None
        square = sum(columns.mean_square for columns in scaling.values())
        square += ("intercept" in self.layout_) + len(self._tables)
        cost = 1.0 if self.part_weight is None else float(self._shared_costs(None).mean())
        unit = 2 * cost / square if square > 0 else 0.0
        return unit if 0 < unit < np.inf else 1.0

    def _keeps_intercept(self) -> bool:
        """Whether a weight of the intercept must be >= 0."""
        if self.non_negative is None or "intercept" not in self.layout_:
            return False
        signed = np.zeros(self.n_weights, dtype=bool)
        signed[self.non_negative] = True
        return bool(signed[self.layout_.place("intercept")].any())

    # ---- outputs

    def read_outputs(self, y: Any, X: PackedInputs | None, weight: Any = None) -> PackedLabels:
        items = as_items("y", y)
        if X is not None and len(items) != len(X):
            raise ValueError(f"y has {len(items)} outputs, expected {len(X)} as X has")
        sizes = None if X is None else np.diff(X.items.offsets)
        shared = self._shared_costs(sizes)
        rows: list[NDArray[np.int32]] = []
        costs: list[NDArray[np.float64] | None] = []
        void: list[NDArray[np.int32]] = []
        for i, item in enumerate(items):
            n = None if sizes is None else int(sizes[i])
            used, unknown, cost = self._read_output(f"{self._outputs_name}[{i}]", item, n)
            if X is not None and len(used) > X.items.maximizer.n_labels[i]:
                raise ValueError(
                    f"{self._outputs_name}[{i}] uses {len(used)} parts, but an output of this "
                    f"example uses at most {X.items.maximizer.n_labels[i]}"
                )
            if len(unknown):
                cost = (shared[: n or 0] if cost is None else cost).copy()
                cost[unknown] = 0.0
            rows.append(np.append(used, np.int32(-1)).astype(np.int32))
            void.append(unknown)
            costs.append(cost)
        offsets = np.append(0, np.cumsum([len(row) for row in rows], dtype=np.int64))
        flat = np.concatenate(rows) if rows else np.zeros(0, dtype=np.int32)
        packed = _PackedSets(flat, offsets.astype(np.int64))
        if sizes is not None:
            own = [0 if cost is None else len(cost) for cost in costs]
            starts = len(shared) + np.append(0, np.cumsum(own, dtype=np.int64))[:-1]
            packed.costs = np.concatenate([shared, *(cost for cost in costs if cost is not None)])
            packed.starts = np.where([cost is None for cost in costs], 0, starts).astype(np.int64)
        if any(len(some) for some in void):
            packed.void_parts = void
        return packed

    def _packed_sets(
        self, uses: NDArray[np.int32], costs: NDArray[np.float64], X: PackedInputs
    ) -> _PackedSets:
        """Outputs of all examples, given how often each part is used, and what parts cost."""
        starts = X.items.offsets
        used = np.repeat(np.arange(len(uses)), uses)
        examples = np.searchsorted(starts, used, side="right") - 1
        sizes = np.bincount(examples, minlength=len(X)) + 1
        offsets = np.append(0, np.cumsum(sizes)).astype(np.int64)
        rows = np.full(offsets[-1], -1, dtype=np.int32)
        rows[np.arange(len(used)) + examples] = used - starts[examples]
        packed = _PackedSets(rows, offsets)
        packed.costs, packed.starts = costs, starts[:-1].copy()
        return packed

    def _read_output(
        self, name: str, item: Any, n: int | None
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64] | None]:
        """The used parts of an output, its void parts, and the costs that come with it."""
        cost = None
        if self.task_loss == "regret":
            if not isinstance(item, tuple) or len(item) != 2:
                raise ValueError(
                    f"{name} is {type(item).__name__}; with task_loss='regret' expected a pair of "
                    "an output and the costs of its parts"
                )
            item, cost = item[0], real_array(f"the costs of {name}", item[1]).astype(np.float64)
            if cost.ndim != 1 or n not in (None, len(cost)):
                raise ValueError(f"the costs of {name} have shape {cost.shape}, expected ({n},)")
            if not np.isfinite(cost).all():
                p = int(np.argmin(np.isfinite(cost)))
                raise ValueError(f"the cost of part {p} in {name} is {cost[p]}, expected a number")
        used, void = used_parts(name, item, self.output, n)
        if callable(self.task_loss):
            unused, of_use = self._own_costs(name, item)
            if unused.shape != of_use.shape or unused.ndim != 1 or n not in (None, len(unused)):
                raise ValueError(
                    f"task_loss({name}) returned arrays of shapes {unused.shape} and "
                    f"{of_use.shape}, expected ({n},) for both"
                )
            cost = of_use - unused
            own = float(unused.sum() + cost[used].sum())
            if not abs(own) <= 1e-9 * float(np.abs(unused).sum() + np.abs(of_use).sum()):
                raise ValueError(f"the costs of {name} itself add up to {own}, expected 0")
        if self.task_loss == "hamming" and (used[1:] == used[:-1]).any():
            raise ValueError(
                f"{name} uses a part twice: with task_loss='hamming' parts are used once"
            )
        return used, void, cost

    def _own_costs(self, name: str, item: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What a task loss of the user's own returned for an output."""
        assert callable(self.task_loss)
        try:
            answer = self.task_loss(item)
        except Exception as error:
            error.add_note(f"in task_loss, for {name}")
            raise
        if not isinstance(answer, (tuple, list)) or len(answer) != 2:
            raise ValueError(
                f"task_loss({name}) returned {type(answer).__name__}, expected two arrays: what it "
                "costs to leave each part out, and to use it"
            )
        unused, of_use = (real_array(f"task_loss({name})", np.asarray(a)) for a in answer)
        return unused.astype(np.float64), of_use.astype(np.float64)

    def _shared_costs(self, sizes: NDArray[np.int64] | None) -> NDArray[np.float64]:
        """The costs of the parts of all examples that have none of their own."""
        if self.part_weight is None or self.task_loss != "hamming":
            return np.ones(0 if sizes is None else int(sizes.max(initial=0)))
        weight = real_array("part_weight", np.asarray(self.part_weight)).astype(np.float64)
        if weight.ndim != 1:
            raise ValueError(f"part_weight has shape {weight.shape}, expected (n_parts,)")
        if sizes is not None and (wrong := np.flatnonzero(sizes != len(weight))).size:
            i = int(wrong[0])
            raise ValueError(
                f"part_weight has shape {weight.shape}, expected ({sizes[i]},): X[{i}] has "
                f"{sizes[i]} parts"
            )
        if not (np.isfinite(weight) & (weight >= 0)).all():
            raise ValueError("part_weight must be finite and >= 0")
        return weight

    def output_numbers(self, y: Any, X: PackedInputs | None = None) -> NDArray[Any]:
        return self._read_output("y", y, self._one_size(X))[0]

    def _one_size(self, X: PackedInputs | None) -> int | None:
        return None if X is None else int(X.items.offsets[1])

    def joint_feature(self, x: Any, y: Any) -> NDArray[np.float64]:
        """psi(x, y), of shape (n_weights,); of an output, or of what stands for it in y."""
        with_costs = self.task_loss == "regret" and isinstance(y, tuple)
        X, _ = self._read([x])
        used, _ = used_parts("y", y[0] if with_costs else y, self.output, self._one_size(X))
        psi = np.zeros(self.n_weights)
        indices, values = self.make_problem(X, None).joint_feature(0, used)
        psi[indices] = values
        return psi

    def write_outputs(self, X: PackedInputs, answers: NDArray[Any]) -> list[Any]:
        """Rows of uses or indices."""
        outputs = []
        n_parts = np.diff(X.items.offsets).tolist()
        for i, n in enumerate(n_parts):
            row = _used(answers[X.offsets[i] : X.offsets[i + 1]])
            if len(row) and row.max() >= n:
                raise ValueError(
                    f"the output for X[{i}] uses part {row.max()}, expected 0 to {n - 1}"
                )
            if self.output == "indices":
                outputs.append(row.copy())
            else:
                outputs.append(np.bincount(row, minlength=n).astype(np.int32))
        return outputs

    def loss(self, y: Any, y_hat: Any) -> float:
        """The task loss of y_hat for the true output y; void parts are left out."""
        size = None
        used, void, cost = self._read_output("y", y, None)
        if self.output == "uses":
            size = len(y[0] if self.task_loss == "regret" else y)
        if self.task_loss == "regret" and isinstance(y_hat, tuple):
            y_hat = y_hat[0]
        guess, _ = used_parts("y_hat", y_hat, self.output, size)
        if self.task_loss == "hamming" and self.part_weight is not None:
            cost = self._shared_costs(None if size is None else np.array([size]))
        n = max(used.max(initial=-1), guess.max(initial=-1), void.max(initial=-1)) + 1
        if cost is not None and n > len(cost):
            raise ValueError(f"y or y_hat has the part {n - 1}, expected 0 to {len(cost) - 1}")
        differs = (np.bincount(guess, minlength=n) - np.bincount(used, minlength=n)).astype(float)
        differs[void] = 0.0
        if self.task_loss == "hamming":
            differs = np.abs(differs)
        return float(differs.sum() if cost is None else differs @ cost[:n])

    def score(self, Y: Sequence[Any], Y_hat: Sequence[Any]) -> float:
        """Minus the mean loss. A true output that is not the cheapest makes a regret below 0."""
        losses = [self.loss(y, y_hat) for y, y_hat in zip(Y, Y_hat, strict=True)]
        return -float(np.mean(losses))

    # ---- completion

    def batch_complete(
        self, X: Sequence[Any], Y: Sequence[Any], w: NDArray[np.float64]
    ) -> list[Any]:
        inputs, partial = self._read(X, Y)
        return list(self.completed(inputs, partial, w))

    def complete(self, x: Any, y: Any, w: NDArray[np.float64]) -> Any:
        return self.batch_complete([x], [y], w)[0]

    def completed(self, X: Any, y: Any, w: NDArray[np.float64], before: Any = None) -> Any:
        assert isinstance(y, _PackedSets)
        if y.void_parts is None and before is None:
            return self._filled(X, y, [y.labels[a : b - 1] for a, b in _ends(y.offsets)])
        ends = X.items.offsets[1:-1]
        scores = np.split(self.make_problem(X, None).part_scores(w), ends)
        voids = y.void_parts or [np.zeros(0, dtype=np.int32)] * len(y)
        rows = []
        for i, (theta, void, (start, stop)) in enumerate(
            zip(scores, voids, _ends(y.offsets), strict=True)
        ):
            used = y.labels[start : stop - 1]
            if len(void):
                old = None
                if before is not None:
                    old = before.labels[before.offsets[i] : before.offsets[i + 1] - 1]
                used = self._completed_row(X, i, theta, used, void, old)
            rows.append(used)
        return self._filled(X, y, rows)

    def _completed_row(
        self,
        X: PackedInputs,
        i: int,
        theta: NDArray[np.float64],
        used: NDArray[np.int32],
        void: NDArray[np.int32],
        before: NDArray[np.int32] | None,
    ) -> NDArray[np.int32]:
        """The best output that has these used parts and, beside void ones, no others."""
        n = len(theta)
        uses, known = np.bincount(used, minlength=n), np.ones(n, dtype=bool)
        known[void] = False
        # More than all other parts can make up for.
        most = 1.0 + 2.0 * float(np.abs(theta).sum())
        forced = np.where(known, np.where(uses > 0, most, -most), 0.0)
        answer, _ = X.items.maximizer.maximize(i, theta + forced)
        row: NDArray[np.int32] = _used(answer)
        if (np.bincount(row, minlength=n) != uses)[known].any():
            raise LabelError(
                f"{self._outputs_name}[{i}] leaves no output: the maximizer found none that has "
                "the parts that are known",
                (i, 0),
            )
        if before is None:
            return row
        gain = float(theta[row].sum() - theta[before].sum())
        size = float(np.abs(theta[row]).sum() + np.abs(theta[before]).sum())
        return row if gain > _SAME_SCORE * size else before

    def _filled(
        self, X: PackedInputs, y: _PackedSets, rows: list[NDArray[np.int32]]
    ) -> _CompletedSets:
        """Outputs of these parts; those that were void cost nothing."""
        sizes = np.array([len(row) + 1 for row in rows], dtype=np.int64)
        offsets = np.append(0, np.cumsum(sizes)).astype(np.int64)
        flat = np.full(int(offsets[-1]), -1, dtype=np.int32)
        for start, row in zip(offsets[:-1].tolist(), rows, strict=True):
            flat[start : start + len(row)] = row
        filled = _CompletedSets(flat, offsets, sample_weight=y.sample_weight)
        filled.costs, filled.starts = y.costs, y.starts
        n_parts = np.diff(X.items.offsets).tolist()
        filled.written = [
            row.copy()
            if self.output == "indices"
            else np.bincount(row, minlength=n).astype(np.int32)
            for row, n in zip(rows, n_parts, strict=True)
        ]
        return filled

    def differing(self, a: Any, b: Any) -> NDArray[np.intp]:
        rows = [[y.labels[i:j] for i, j in _ends(y.offsets)] for y in (a, b)]
        voids = [y.void_parts or [()] * len(y) for y in (a, b)]
        pairs = zip(*rows, *voids, strict=True)
        return np.flatnonzero(
            [not np.array_equal(p, q) or len(u) != len(v) for p, q, u, v in pairs]
        )

    def loss_of_completion(self, a: Any, b: Any, i: int) -> float:
        return 0.0  # void parts cost nothing

    # ---- sizes and weights

    def learn(self, X: PackedInputs, y: PackedLabels, classes: NDArray[Any] | None = None) -> None:
        if classes is not None:
            raise TypeError("outputs of parts have no classes: leave them out")
        self.resize(X.sizes)

    def resize(self, sizes: Mapping[str, int]) -> None:
        """Set the numbers of features, parts and kinds.

        Parameters
        ----------
        sizes : mapping of str to int
            As `input_sizes` gives them.
        """
        self._check_parameters()
        self._sizes = dict(sizes)
        self.n_parts_ = sizes.get("n_parts", 0)
        blocks: list[tuple[str, tuple[int, ...]]] = []
        if "n_features" in sizes:
            blocks.append(("rows", (sizes["n_features"],)))
        if "n_vector_features" in sizes:
            blocks.append(("vector", (sizes["n_vector_features"], self.n_parts_)))
            if self.fit_intercept:
                blocks.append(("intercept", (self.n_parts_,)))
        blocks += [(name, (size,)) for name, size in self._tables.items()]
        self.layout_ = Layout(blocks)
        self.n_weights = self.layout_.n_weights
        if not 0 < self.n_weights < 2**31:
            raise ValueError(f"{self._sizes} make {self.n_weights} weights, expected 1 to 2**31-1")

    @property
    def _tables(self) -> dict[str, int]:
        """Tables of kinds, with their sizes; one kind for all where nothing else is constant."""
        found = {k.removeprefix("n_"): n for k, n in self._sizes.items() if k.startswith("n_kinds")}
        if not found and self.fit_intercept and "n_vector_features" not in self._sizes:
            return {"kinds": 1}
        return found

    def _oddity(self) -> str | None:
        return None

    def to_state(self) -> State:
        """Numbers of features, parts and kinds."""
        return dict(self._sizes)

    def from_state(self, state: State) -> PartsModel:
        known = {"n_features", "n_vector_features", "n_parts", "n_kinds"}
        known |= {f"n_kinds_{t}" for t in range(1, len(state))} if "n_kinds" in state else set()
        if strange := [name for name, size in state.items() if name not in known or size < 0]:
            raise ModelFileError(f"{strange[0]!r} is no size of a model of parts")
        if "n_vector_features" in state and "n_parts" not in state:
            raise ModelFileError("a model of vectors must say how many parts there are")
        self.resize(state)
        return self

    # ---- the problem

    def make_problem(self, X: PackedInputs, y: PackedLabels | None) -> FactoredProblem:
        packed: _Packed = X.items
        labels = loss = None
        offsets = X.offsets
        if isinstance(y, _PackedSets):
            labels, offsets = y.labels, y.offsets
            loss = self._loss(packed, y)
        factors = None if self._factor == 1.0 else np.full(len(X), self._factor)
        features = BlockFeatures(self.n_weights, {"parts": self._block(packed)}, factors)
        work = self._work(packed)
        problem = FactoredProblem(features, packed.maximizer, loss, labels, offsets, work)
        if self.non_negative is not None:
            problem.keep_non_negative(self.non_negative)
        return problem

    def _block(self, packed: _Packed) -> FeatureBlock:
        place, n = self.layout_.place, len(packed.offsets) - 1
        blocks: list[FeatureBlock] = []
        if "rows" in self.layout_:
            rows = packed.rows if n else np.zeros((0, self._sizes["n_features"]))
            blocks.append(
                RowBlock(
                    FeatureRows(rows, intercept=False),
                    place("rows").start,
                    1,
                    offsets=packed.offsets,
                )
            )
        if "vector" in self.layout_:
            vectors = packed.vectors if n else np.zeros((0, self._sizes["n_vector_features"]))
            blocks.append(
                RowBlock(
                    FeatureRows(vectors, intercept=bool(self.fit_intercept)),
                    place("vector").start,
                    self.n_parts_,
                    offsets=np.arange(n + 1),
                )
            )
        kinds, shared = packed.kinds, packed.kinds is None
        if kinds is None:  # one for all
            most = int(np.diff(packed.offsets).max(initial=0))
            kinds = np.zeros((most, len(self._tables)), dtype=np.int32)
        for t, (name, size) in enumerate(self._tables.items()):
            column = np.ascontiguousarray(kinds[:, t])
            blocks.append(KindBlock(column, packed.offsets, place(name).start, size, shared=shared))
        return blocks[0] if len(blocks) == 1 else SumBlock(blocks)

    def _loss(self, packed: _Packed, y: _PackedSets) -> SetLoss:
        sizes, voids, starts_of_void = np.diff(packed.offsets), None, None
        assert y.costs is not None
        assert y.starts is not None
        if y.void_parts is not None:
            voids = np.concatenate(y.void_parts).astype(np.int32)
            starts_of_void = np.append(0, np.cumsum([len(some) for some in y.void_parts]))
        return SetLoss(
            y.labels,
            y.offsets,
            sizes,
            packed.maximizer.n_labels,
            y.costs,
            y.starts,
            symmetric=self.task_loss == "hamming",
            voids=voids,
            void_starts=starts_of_void,
        )

    def _work(self, packed: _Packed) -> float:
        n = max(len(packed.offsets) - 1, 1)
        cells = packed.offsets[-1] * (
            self._sizes.get("n_features", 0) + self._sizes.get("n_vector_features", 0) + 1
        )
        work = _COMPILED_WORK * packed.offsets[-1] + cells
        in_python = isinstance(packed.maximizer, CallableMaximizer)
        return float(work / n) + (_PYTHON_WORK if in_python else 1.0)


def _used(row: NDArray[np.int32]) -> NDArray[np.int32]:
    """The used parts of an answer, which end where the first -1 is."""
    ends = np.flatnonzero(row < 0)
    return row[: ends[0]] if len(ends) else row


def _ends(offsets: NDArray[np.int64]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(offsets.tolist()))


def _check_bound(structure: Structure, maximizer: Any, n_parts: Sequence[int]) -> None:
    """Raise an error unless a structure was bound to a maximizer of sets of these parts."""
    name = type(structure).__name__
    if not isinstance(maximizer, Maximizer):
        raise TypeError(
            f"{name}.bind returned {type(maximizer).__name__}, expected a Maximizer: see "
            "ForeignMaximizer"
        )
    if not maximizer.lists_parts:
        raise ValueError(
            f"the maximizer of {name} writes labels of another form than the used parts: its form "
            "must be SSVM_INDICES, without count"
        )
    if maximizer.n_parts.tolist() != list(n_parts):
        raise ValueError(
            f"the maximizer of {name} is of examples of {maximizer.n_parts.tolist()[:5]} parts, "
            f"expected {list(n_parts)[:5]}"
        )
