"""MatchingHinge, TreeHinge and SPOPlus: hinges of pairs, of dependency trees, and of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from structsvm.inference import Assignment
from structsvm.inference._dependency_trees import DependencyTreeMaximizer
from structsvm.torch._tensors import (
    COMPUTED_AS,
    check_devices,
    check_floating,
    check_reduction,
    check_shape,
    outside_graphs,
    reduced,
)
from structsvm.torch.structured import Batch, StructuredHinge, best_labels, part_hinges

__all__ = ["MatchingHinge", "SPOPlus", "TreeHinge"]


class MatchingHinge(torch.nn.Module):  # type: ignore[misc]
    r"""The structured hinge of assignments: pairs of rows and columns, each used once at most.

    .. math::
        H = \max_{\hat y} \; \Delta(y, \hat y) + \sum_{(r, c) \in \hat y} \mathrm{scores}[r, c]
        - \sum_{(r, c) \in y} \mathrm{scores}[r, c]

    where the task loss counts pairs that are in one of the two only. The maximum is exact: see
    `structsvm.inference.assignment`.

    Parameters
    ----------
    partial : bool, default=False
        Whether rows and columns may be left out. Otherwise there are min(R, C) pairs.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over examples.

    Examples
    --------
    >>> import torch
    >>> from structsvm.torch import MatchingHinge
    >>> hinge = MatchingHinge()
    >>> scores = torch.tensor([[[2.0, 0.0], [0.0, 1.0]]])
    >>> hinge.decode(scores)
    tensor([[0, 1]])
    >>> hinge(scores, torch.tensor([[1, 0]])).item()  # 3 - 0, and 4 pairs differ
    7.0
    """

    def __init__(self, *, partial: bool = False, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(reduction)
        self.partial = bool(partial)
        self.reduction = reduction
        self._hinge = StructuredHinge(Assignment(partial=self.partial), reduction="none")

    def forward(
        self,
        scores: torch.Tensor,
        columns: torch.Tensor,
        *,
        n_rows: Any = None,
        n_columns: Any = None,
    ) -> torch.Tensor:
        """The hinges of a batch.

        Parameters
        ----------
        scores : floating tensor of shape (B, R, C)
        columns : int64 tensor of shape (B, R)
            The column of each row, -1 for a row that is left out.
        n_rows, n_columns : tensor or sequence of int of shape (B,), default=None
            Where rows and columns are padded: how many each example has.

        Returns
        -------
        Tensor of shape () or, with reduction "none", (B,).

        Raises
        ------
        ValueError
            If shapes or devices do not fit, a score is NaN or +inf, a column is out of range or
            used twice, or there are too few pairs.
        TypeError
            If scores are not floating point numbers, or columns not int64.
        """
        shapes = self._shapes(scores, n_rows, n_columns)
        uses = _pairs(scores, columns, shapes, self.partial)
        packed, sizes = _packed(scores, shapes)
        truth, _ = _packed(uses, shapes)
        return reduced(self._hinge(packed, truth, shapes, lengths=sizes), self.reduction)

    def decode(
        self, scores: torch.Tensor, *, n_rows: Any = None, n_columns: Any = None
    ) -> torch.Tensor:
        """The best column of each row.

        Parameters
        ----------
        scores, n_rows, n_columns
            See `forward`.

        Returns
        -------
        int64 tensor of shape (B, R)
            -1 where a row is left out.
        """
        shapes = self._shapes(scores, n_rows, n_columns)
        packed, sizes = _packed(scores.detach(), shapes)
        uses = self._hinge.decode(packed, shapes, lengths=sizes)
        full = torch.zeros(scores.shape, dtype=torch.int64, device=scores.device)
        full[_inside(scores, shapes)] = uses
        best = full.max(dim=2) if scores.shape[2] else None
        if best is None:
            return full.new_full(scores.shape[:2], -1)
        return torch.where(best.values > 0, best.indices, -1)

    def _shapes(self, scores: torch.Tensor, n_rows: Any, n_columns: Any) -> list[tuple[int, int]]:
        check_floating("scores", scores, 3)
        counts = []
        for name, given, most in (
            ("n_rows", n_rows, scores.shape[1]),
            ("n_columns", n_columns, scores.shape[2]),
        ):
            counts.append(_sizes(name, given, len(scores), most).tolist())
        return list(zip(*counts, strict=True))


class TreeHinge(torch.nn.Module):  # type: ignore[misc]
    r"""The structured hinge of dependency trees whose arcs a network scores.

    .. math::
        H = \max_{\hat h} \; \sum_m [\hat h_m \neq h_m]
        + \sum_m \mathrm{arcs}[\hat h_m, m - 1] - \sum_m \mathrm{arcs}[h_m, m - 1]

    over the trees of the tokens 1 to n with root 0. The maximum is exact: Eisner's algorithm,
    O(n^3), or, where arcs may cross, a maximum arborescence, O(n^2); see
    `structsvm.inference.dependency_tree`.

    Parameters
    ----------
    projective : bool, default=True
        Whether arcs must not cross. True trees may cross all the same: their hinge is then 0 where
        no projective tree gains on them.
    single_root : bool, default=True
        Whether only one token may have the root as its head.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over sentences.

    Examples
    --------
    >>> import torch
    >>> from structsvm.torch import TreeHinge
    >>> hinge = TreeHinge()
    >>> arcs = torch.zeros(1, 3, 2)
    >>> arcs[0, 2, 0] = arcs[0, 0, 1] = 2.0  # token 1 below token 2, token 2 below the root
    >>> hinge.decode(arcs)
    tensor([[2, 0]])
    >>> hinge(arcs, torch.tensor([[0, 1]])).item()  # 4 - 0, and two heads differ
    6.0
    """

    def __init__(
        self, *, projective: bool = True, single_root: bool = True, reduction: str = "mean"
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        self.projective = bool(projective)
        self.single_root = bool(single_root)
        self.reduction = reduction

    def forward(
        self, arcs: torch.Tensor, heads: torch.Tensor, *, lengths: Any = None
    ) -> torch.Tensor:
        """The hinges of a batch of sentences.

        Parameters
        ----------
        arcs : floating tensor of shape (B, n + 1, n)
            ``arcs[b, h, m - 1]``: score of head h for token m. What is no arc of a sentence, its
            padding and tokens that head themselves, is not read.
        heads : int64 tensor of shape (B, n)
        lengths : tensor or sequence of int of shape (B,), default=None
            Numbers of tokens. None: n.

        Returns
        -------
        Tensor of shape () or, with reduction "none", (B,).

        Raises
        ------
        ValueError
            If shapes or devices do not fit, a score is NaN or +inf, or heads are no tree
            or have several roots against `single_root`.
        TypeError
            If scores are not floating point numbers, or heads not int64.
        """
        values: torch.Tensor = outside_graphs(self._hinges, arcs, heads, lengths)
        return reduced(values, self.reduction)

    def decode(self, arcs: torch.Tensor, *, lengths: Any = None) -> torch.Tensor:
        """The best heads.

        Parameters
        ----------
        arcs, lengths
            See `forward`.

        Returns
        -------
        int64 tensor of shape (B, n)
            -1 beyond the end of a sentence.
        """
        found: torch.Tensor = outside_graphs(self._decoded, arcs, lengths)
        return found

    def _hinges(self, arcs: torch.Tensor, heads: torch.Tensor, lengths: Any) -> torch.Tensor:
        packed, batch = self._packed(arcs, lengths)
        if not isinstance(heads, torch.Tensor):
            raise TypeError(f"heads is {type(heads).__name__}, expected a tensor of int64")
        check_shape("heads", heads, (arcs.shape[0], arcs.shape[2]), ", as arcs say")
        check_devices("heads", heads, "arcs", arcs)
        truth = batch.labels(heads, "heads")
        n = batch.n_labels
        sentence = np.repeat(np.arange(len(n)), n)
        wrong = (truth < 0) | (truth > n[sentence])
        if wrong.any():
            k = int(np.argmax(wrong))
            b = int(sentence[k])
            raise ValueError(
                f"heads of sentence {b}, token {k - int(n[:b].sum()) + 1} is {truth[k]}, expected "
                f"0 to {n[b]}"
            )
        n_roots = np.bincount(sentence[truth == 0], minlength=len(n))
        if self.single_root and (n_roots > 1).any():
            b = int(np.argmax(n_roots > 1))
            raise ValueError(
                f"heads of sentence {b} have {n_roots[b]} tokens at the root, 0, expected one: "
                "single_root=False is for several"
            )
        costs = np.ones(int(batch.sizes.sum()))
        first = np.cumsum(batch.sizes) - batch.sizes
        token = np.arange(len(truth)) - np.repeat(np.cumsum(n) - n, n)
        costs[first[sentence] + truth * n[sentence] + token] = 0.0
        return part_hinges(packed, costs, batch, truth)

    def _decoded(self, arcs: torch.Tensor, lengths: Any) -> torch.Tensor:
        packed, batch = self._packed(arcs.detach(), lengths)
        labels = best_labels(batch, packed).numpy()
        heads = np.full((arcs.shape[0], arcs.shape[2]), -1, dtype=np.int64)
        heads[np.arange(arcs.shape[2]) < batch.n_labels[:, None]] = labels
        return torch.from_numpy(heads).to(arcs.device)

    def _packed(self, arcs: torch.Tensor, lengths: Any) -> tuple[torch.Tensor, Batch]:
        """Scores of the arcs of each sentence, one sentence after the other."""
        check_floating("arcs", arcs, 3)
        if arcs.shape[1] != arcs.shape[2] + 1:
            raise ValueError(f"arcs has shape {tuple(arcs.shape)}, expected (B, n + 1, n)")
        n = _sizes("lengths", lengths, len(arcs), arcs.shape[2])
        maximizer = DependencyTreeMaximizer(
            n, projective=self.projective, single_root=self.single_root
        )
        token = torch.arange(arcs.shape[2], device=arcs.device)
        head = torch.arange(arcs.shape[1], device=arcs.device)[:, None]
        own = torch.where(head == token + 1, arcs.new_zeros(()), arcs)
        own = own.to(COMPUTED_AS[arcs.dtype])[_inside(arcs, list(zip(n + 1, n, strict=True)))]
        return own, Batch(maximizer, np.arange(len(n)), maximizer.n_parts)


class SPOPlus(torch.nn.Module):  # type: ignore[misc]
    r"""The SPO+ loss of decisions that are taken at predicted costs.

    .. math::
        L(\hat c, c) = \max_z \; (c - 2 \hat c)^\top z + 2 \hat c^\top z^*(c) - c^\top z^*(c)

    for decisions z that are to cost little, z*(c) the best one at the true costs: a convex bound on
    the regret, what the decision at predicted costs costs more than the best. Its gradient is
    :math:`2 (z^*(c) - z^*(2 \hat c - c))`. `forward` takes the arguments of ``SPOPlus`` in PyEPO.

    Parameters
    ----------
    maximizer : Structure or callable
        As for `StructuredHinge`: it finds the decision with the *greatest* sum of scores, whatever
        `sense` says.
    sense : {"minimize", "maximize"}, default="minimize"
        Whether the sum of the costs is to be small, or to be great.
    reduction : {"mean", "sum", "none"}, default="mean"
    batch, exact
        See `StructuredHinge`.

    References
    ----------
    A. Elmachtoub, P. Grigas (2022). Smart "predict, then optimize". Management Science 68(1).
    doi:10.1287/mnsc.2020.3922

    Examples
    --------
    >>> import torch
    >>> from structsvm.inference import ShortestPath
    >>> from structsvm.torch import SPOPlus
    >>> spo = SPOPlus(ShortestPath([[0, 1], [0, 1]], source=0, target=1))  # two streets
    >>> predicted = torch.tensor([[2.0, 1.0]], requires_grad=True)
    >>> loss = spo(predicted, torch.tensor([[1.0, 2.0]]))
    >>> loss.backward()
    >>> loss.item(), predicted.grad.tolist()
    (3.0, [[2.0, -2.0]])
    >>> spo.decode(predicted)
    tensor([[0, 1]])
    """

    def __init__(
        self,
        maximizer: Any,
        *,
        sense: str = "minimize",
        reduction: str = "mean",
        batch: bool = False,
        exact: bool = True,
    ) -> None:
        super().__init__()
        if sense not in ("minimize", "maximize"):
            raise ValueError(f"sense={sense!r}: expected 'minimize' or 'maximize'")
        self.sense = sense
        self.reduction = reduction
        self._hinge = StructuredHinge(
            maximizer, None, reduction=reduction, batch=batch, exact=exact
        )

    def forward(
        self,
        pred_cost: torch.Tensor,
        true_cost: torch.Tensor,
        true_sol: torch.Tensor | None = None,
        true_obj: torch.Tensor | None = None,
        contexts: Sequence[Any] | None = None,
    ) -> torch.Tensor:
        """The losses of a batch.

        Parameters
        ----------
        pred_cost, true_cost : floating tensors of shape (B, n_parts)
        true_sol : tensor of shape (B, n_parts), default=None
            The best decisions at the true costs: how often each part is used. None: they are found
            here, with one more call of the maximizer.
        true_obj : tensor of shape (B,) or (B, 1), default=None
            What they cost, for PyEPO's data sets; it must fit `true_sol`. None: it is computed.
        contexts : sequence of length B, default=None
            See `StructuredHinge`.

        Returns
        -------
        Tensor of shape () or, with reduction "none", (B,).

        Raises
        ------
        ValueError
            If shapes or devices do not fit, a cost is not finite, or `true_obj` is not what
            `true_sol` costs.
        TypeError
            If costs are not floating point numbers.
        """
        check_floating("pred_cost", pred_cost, 2)
        check_floating("true_cost", true_cost, 2)
        check_shape("true_cost", true_cost, tuple(pred_cost.shape), ", that of pred_cost")
        check_devices("true_cost", true_cost, "pred_cost", pred_cost)
        outside_graphs(_check_finite, "pred_cost", pred_cost)
        outside_graphs(_check_finite, "true_cost", true_cost)
        sign = 1.0 if self.sense == "minimize" else -1.0
        costs = sign * true_cost.detach()
        if true_sol is None:
            true_sol = self._hinge.decode(-costs, contexts)
        elif not isinstance(true_sol, torch.Tensor):
            raise TypeError(f"true_sol is {type(true_sol).__name__}, expected a tensor")
        else:
            check_shape("true_sol", true_sol, tuple(pred_cost.shape), ", that of pred_cost")
            check_devices("true_sol", true_sol, "pred_cost", pred_cost)
            true_sol = true_sol.detach().round()  # solvers leave whole numbers to about 1e-6
        if true_obj is not None:
            self._check_objective(true_cost, true_sol, true_obj)
        loss: torch.Tensor = self._hinge(-2.0 * sign * pred_cost, true_sol, contexts, costs=costs)
        return loss

    def decode(
        self, pred_cost: torch.Tensor, contexts: Sequence[Any] | None = None
    ) -> torch.Tensor:
        """The best decisions at these costs.

        Parameters
        ----------
        pred_cost, contexts
            See `forward`.

        Returns
        -------
        int64 tensor of shape (B, n_parts)
        """
        check_floating("pred_cost", pred_cost, 2)
        sign = 1.0 if self.sense == "minimize" else -1.0
        found: torch.Tensor = self._hinge.decode(-sign * pred_cost, contexts)
        return found

    def _check_objective(
        self, true_cost: torch.Tensor, true_sol: torch.Tensor, true_obj: torch.Tensor
    ) -> None:
        if not isinstance(true_obj, torch.Tensor) or true_obj.numel() != len(true_cost):
            raise ValueError(f"true_obj is {true_obj!r}, expected one number for each example")
        check_devices("true_obj", true_obj, "true_cost", true_cost)
        found = (true_cost * true_sol).sum(dim=1)
        size = (true_cost * true_sol).abs().sum(dim=1)
        wrong = ~((true_obj.reshape(-1) - found).abs() <= 1e-3 * (1.0 + size))
        if bool(wrong.any()):
            b = int(wrong.nonzero()[0])
            raise ValueError(
                f"true_obj of example {b} is {float(true_obj.reshape(-1)[b]):g}, but its true_sol "
                f"costs {float(found[b]):g}"
            )


def _check_finite(name: str, costs: torch.Tensor) -> None:
    wrong = ~costs.detach().isfinite()
    if bool(wrong.any()):
        b, p = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"{name} of example {b}, part {p} is {float(costs[b, p])}; expected a finite number"
        )


def _sizes(name: str, given: Any, n: int, most: int) -> NDArray[np.int64]:
    """Checked numbers, one an example."""
    if given is None:
        return np.full(n, most, dtype=np.int64)
    sizes = np.asarray(given.cpu() if isinstance(given, torch.Tensor) else given)
    if sizes.shape != (n,) or (n and sizes.dtype.kind not in "iu"):
        raise ValueError(f"{name} has shape {sizes.shape}, expected {n} integers, one an example")
    if n and not ((sizes >= 0) & (sizes <= most)).all():
        raise ValueError(
            f"{name} has numbers from {sizes.min()} to {sizes.max()}, expected 0 to {most}"
        )
    return sizes.astype(np.int64)


def _inside(scores: torch.Tensor, shapes: list[tuple[int, int]]) -> torch.Tensor:
    """Which entries of padded tables are of their examples."""
    sizes = torch.tensor(shapes, dtype=torch.int64, device=scores.device).reshape(-1, 2)
    rows = torch.arange(scores.shape[1], device=scores.device)[:, None]
    columns = torch.arange(scores.shape[2], device=scores.device)
    return (rows < sizes[:, 0, None, None]) & (columns < sizes[:, 1, None, None])


def _packed(scores: torch.Tensor, shapes: list[tuple[int, int]]) -> tuple[torch.Tensor, list[int]]:
    """The entries of tables, one example after the other, and how many each has."""
    sizes = [r * c for r, c in shapes]
    if sum(sizes) == scores.numel():
        return scores.reshape(-1), sizes
    return scores[_inside(scores, shapes)], sizes


def _pairs(
    scores: torch.Tensor, columns: Any, shapes: list[tuple[int, int]], partial: bool
) -> torch.Tensor:
    """Which pairs are used, of the shape of the scores."""
    if not isinstance(columns, torch.Tensor):
        raise TypeError(f"columns is {type(columns).__name__}, expected a tensor of int64")
    if columns.dtype != torch.int64:
        raise TypeError(f"columns has dtype {columns.dtype}, expected int64: use columns.long()")
    check_shape("columns", columns, tuple(scores.shape[:2]), ", one for each row")
    check_devices("columns", columns, "scores", scores)
    sizes = torch.tensor(shapes, dtype=torch.int64, device=scores.device).reshape(-1, 2)
    there = torch.arange(scores.shape[1], device=scores.device) < sizes[:, :1]
    wrong = ((columns < -1) | (columns >= sizes[:, 1:])) & there
    if bool(wrong.any()):
        b, r = wrong.nonzero()[0].tolist()
        raise ValueError(
            f"columns of example {b}, row {r} is {int(columns[b, r])}, expected 0 to "
            f"{shapes[b][1] - 1}, or -1 for a row that is left out"
        )
    used = there & (columns >= 0)
    uses = torch.zeros(scores.shape, dtype=torch.int64, device=scores.device)
    b, r = used.nonzero(as_tuple=True)
    uses[b, r, columns[used]] = 1
    twice = uses.sum(dim=1) > 1
    if bool(twice.any()):
        example, column = twice.nonzero()[0].tolist()
        raise ValueError(f"columns of example {example} has column {column} twice")
    if not partial:
        few = used.sum(dim=1) != sizes.amin(dim=1)
        if bool(few.any()):
            k = int(few.nonzero()[0])
            raise ValueError(
                f"columns of example {k} has {int(used[k].sum())} pairs, expected "
                f"{min(shapes[k])}: with partial=True rows and columns may be left out"
            )
    return uses
