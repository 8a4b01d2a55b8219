"""StructuredHinge: the structured hinge of any outputs made of parts that a network scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from structsvm.inference import ForeignMaximizer, Maximizer, Structure
from structsvm.inference._callable import CallableMaximizer
from structsvm.inference._part_hinges import hinges, write_uses, writes_uses
from structsvm.inference.structures import Compiled, address_of
from structsvm.torch._tensors import (
    COMPUTED_AS,
    check_devices,
    check_floating,
    check_reduction,
    outside_graphs,
    reduced,
)

__all__ = ["Batch", "StructuredHinge", "best_labels", "part_hinges"]


class StructuredHinge(torch.nn.Module):  # type: ignore[misc]
    r"""The structured hinge of outputs that are made of parts, with the parts' scores as input.

    .. math::
        H(\theta, y) = \max_{\hat y} \; \Delta(y, \hat y) + \langle \theta, \mu(\hat y) \rangle
        - \langle \theta, \mu(y) \rangle

    where mu(y) says how often y uses each part. A network computes theta; the maximizer finds the
    output. The gradient is :math:`\mu(\hat y) - \mu(y)` for the output found, a subgradient at
    ties. If the maximizer relaxes (graphs with `method="relaxation"`), the maximum is that of the
    relaxation, which is no lower, and the gradient may be fractional; if it is not exact, the hinge
    is that of the output found.

    Parameters
    ----------
    maximizer : Structure, Maximizer, callable, or compiled function
        - A `Structure`, such as `structsvm.inference.Assignment`: it is bound to each batch.
        - A `Maximizer` that is bound already, or a capsule of one ("ssvm_maximizer"): examples of
          a batch are named by number.
        - ``maximizer(theta, x)``: returns how often the best output uses each part for the scores
          theta, a float64 array; x is what `contexts` has for the example.
        - A compiled function as `structsvm.inference.Compiled` takes it.
    loss : "hamming", tensor of shape (n_parts,), callable or None, default="hamming"
        The task loss of outputs that are sets of parts: "hamming" counts parts that are used in one
        of two outputs and not in the other; a tensor says what a mistake on each part counts, where
        all examples have the same. ``loss(y)`` returns costs of the shape of the scores, with
        which :math:`\Delta(y, \hat y) = \langle costs, \mu(\hat y) - \mu(y) \rangle`. None: 0, or
        what `costs` of a call says.
    reduction : {"mean", "sum", "none"}, default="mean"
        Over examples.
    rescaling : {"margin", "slack"}, default="margin"
        "slack" takes the maximum of :math:`\Delta (1 + \langle \theta, \mu(\hat y) - \mu(y)
        \rangle)`, where the maximizer can. Costs must then be 0 for the parts of y, and multiples
        of one number.
    batch : bool, default=False
        Whether a callable answers for many examples at once: ``maximizer(thetas, contexts)``.
    exact : bool, default=True
        Whether a callable always finds the best output; for `Compiled`, too.

    Notes
    -----
    Maximizers run on the CPU, in double precision: scores on other devices are copied there and the
    gradient back. Nothing runs in Python for each example of a compiled maximizer. `ChainHinge`
    runs on the device.

    Second derivatives by the scores are 0: double backward finds derivatives by what the hinge is
    multiplied with, no others.

    Examples
    --------
    >>> import torch
    >>> from structsvm.inference import Subset
    >>> from structsvm.torch import StructuredHinge
    >>> hinge = StructuredHinge(Subset(2))  # two of the parts
    >>> scores = torch.tensor([[3.0, 2.0, 0.5]], requires_grad=True)
    >>> loss = hinge(scores, torch.tensor([[1, 0, 1]]))
    >>> loss.item()  # 2 - 0.5, and 2 parts differ
    3.5
    >>> loss.backward()
    >>> scores.grad
    tensor([[ 0.,  1., -1.]])
    >>> hinge.decode(scores)
    tensor([[1, 1, 0]])
    """

    def __init__(
        self,
        maximizer: Any,
        loss: Any = "hamming",
        *,
        reduction: str = "mean",
        rescaling: str = "margin",
        batch: bool = False,
        exact: bool = True,
    ) -> None:
        super().__init__()
        check_reduction(reduction)
        if rescaling not in ("margin", "slack"):
            raise ValueError(f"rescaling={rescaling!r}: expected 'margin' or 'slack'")
        if rescaling == "slack" and isinstance(loss, (str, torch.Tensor)):
            raise ValueError(
                "rescaling='slack' needs costs >= 0 that are 0 for the parts of y, but with "
                "'hamming' a part of y that is left out costs something, too: give a function as "
                "loss, such as lambda y: 1.0 - y, or loss=None and costs"
            )
        if isinstance(loss, str) and loss != "hamming":
            raise ValueError(f"loss={loss!r}: expected 'hamming', a tensor, a function or None")
        if not (loss is None or isinstance(loss, (str, torch.Tensor)) or callable(loss)):
            raise TypeError(
                f"loss is {type(loss).__name__}, expected 'hamming', a tensor, a function or None"
            )
        self.maximizer = _read_maximizer(maximizer, exact)
        if batch and isinstance(self.maximizer, (Structure, Maximizer)):
            raise ValueError("batch=True is for functions in Python: leave it out")
        self.loss = None if isinstance(loss, torch.Tensor) else loss
        part_weight = None
        if isinstance(loss, torch.Tensor):
            part_weight = check_floating("loss", loss, 1).detach().clone()
            if not bool(((part_weight >= 0) & part_weight.isfinite()).all()):
                raise ValueError("loss has entries that are negative or not finite; expected >= 0")
            self.loss = "hamming"
        self.register_buffer("part_weight", part_weight, persistent=False)
        self.reduction = reduction
        self.rescaling = rescaling
        self.batch = batch
        self.exact = exact

    def extra_repr(self) -> str:
        return f"{self.maximizer!r}, reduction={self.reduction!r}, rescaling={self.rescaling!r}"

    def forward(
        self,
        scores: torch.Tensor,
        y: torch.Tensor,
        contexts: Sequence[Any] | None = None,
        *,
        lengths: Any = None,
        examples: Any = None,
        costs: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The hinges of a batch.

        Parameters
        ----------
        scores : floating tensor of shape (n_examples, n_parts) or (sum(lengths),)
            Scores of parts. Rows may be padded, or examples stand one after the other, if `lengths`
            is given.
        y : tensor of the shape of `scores`, or int64 of shape (n_examples, n_labels)
            How often each part is used. For a maximizer of labellings (graphs, chains, trees): the
            labels, in padded rows.
        contexts : sequence of length n_examples, default=None
            What each example says about its outputs, as `Structure.bind` takes it, or x of a
            callable.
        lengths : tensor or sequence of int of shape (n_examples,), default=None
            Number of parts of each example. None: all columns.
        examples : tensor or sequence of int of shape (n_examples,), default=None
            For a `Maximizer`: the numbers of the examples. None: all, in order.
        costs : floating tensor of the shape of `scores`, default=None
            In place of what `loss` computes.

        Returns
        -------
        Tensor of shape () or, with reduction "none", (n_examples,).

        Raises
        ------
        ValueError
            If shapes or devices do not fit, a score is NaN or +inf, y uses a part whose score is
            -inf, a hinge overflows, or y is no output. Of sets of parts this is seen, beside how
            many parts y uses, where y scores more than all outputs: its hinge would be below 0.
        TypeError
            If scores are not floating point numbers, or y has fractions.
        """
        values: torch.Tensor = outside_graphs(
            self._hinges, scores, y, contexts, lengths, examples, costs
        )
        return reduced(values, self.reduction)

    def _hinges(
        self,
        scores: torch.Tensor,
        y: torch.Tensor,
        contexts: Sequence[Any] | None,
        lengths: Any,
        examples: Any,
        costs: torch.Tensor | None,
    ) -> torch.Tensor:
        batch = self._bound(scores, contexts, lengths, examples)
        packed = batch.pack("scores", scores).to(COMPUTED_AS[scores.dtype])
        for name, value in (("y", y), ("costs", costs)):
            if isinstance(value, torch.Tensor):
                check_devices(name, value, "scores", scores)
        truth = self._truth(batch, y)
        costs = self._costs(batch, y, costs)
        return part_hinges(packed, costs, batch, truth, self.rescaling, checked=True)

    def decode(
        self,
        scores: torch.Tensor,
        contexts: Sequence[Any] | None = None,
        *,
        lengths: Any = None,
        examples: Any = None,
    ) -> torch.Tensor:
        """The best output of each example.

        Parameters
        ----------
        scores, contexts, lengths, examples
            See `forward`.

        Returns
        -------
        int64 tensor on the device of `scores`
            How often each part is used, in the shape of `scores`; or labels, in rows padded by -1.
        """
        found: torch.Tensor = outside_graphs(self._decoded, scores, contexts, lengths, examples)
        return found

    def _decoded(
        self, scores: torch.Tensor, contexts: Sequence[Any] | None, lengths: Any, examples: Any
    ) -> torch.Tensor:
        batch = self._bound(scores, contexts, lengths, examples)
        packed = batch.pack("scores", scores.detach())
        return _best_outputs(batch, packed, scores).to(scores.device)

    # ---- batches

    def _bound(
        self, scores: torch.Tensor, contexts: Sequence[Any] | None, lengths: Any, examples: Any
    ) -> Batch:
        check_floating("scores", scores, (1, 2))
        sizes = _read_lengths(scores, lengths)
        if contexts is not None and len(contexts) != len(sizes):
            raise ValueError(f"contexts has {len(contexts)} entries for {len(sizes)} examples")
        if isinstance(self.maximizer, Maximizer):
            if contexts is not None:
                raise ValueError("contexts are for a Structure; the maximizer is bound already")
            chosen = _read_examples(examples, len(sizes), self.maximizer)
            return Batch(self.maximizer, chosen, sizes).check()
        if examples is not None:
            raise ValueError("examples are numbers of those of a Maximizer, which is none here")
        given = [None] * len(sizes) if contexts is None else list(contexts)
        if isinstance(self.maximizer, Structure):
            maximizer = self.maximizer.bind(given, sizes.tolist())
        else:
            maximizer = CallableMaximizer(
                self.maximizer, given, sizes.tolist(), exact=self.exact, batch=self.batch
            )
        return Batch(maximizer, np.arange(len(sizes)), sizes).check()

    def _truth(self, batch: Batch, y: Any) -> NDArray[np.int32]:
        """The labels of all examples, one after the other."""
        if not isinstance(y, torch.Tensor):
            raise TypeError(f"y is {type(y).__name__}, expected a tensor")
        if y.is_complex():
            raise TypeError(f"y has dtype {y.dtype}, expected whole numbers")
        if not batch.writes_uses:
            return batch.labels(y)
        uses = batch.pack("y", y).detach().cpu().numpy()
        whole = np.where(np.isfinite(uses), uses, -1).astype(np.int64)
        if (wrong := np.flatnonzero((whole != uses) | (whole < 0))).size:
            b, p = batch.place(int(wrong[0]))
            raise ValueError(
                f"y of example {b} uses part {p} {uses[wrong[0]]} times, expected a whole number"
            )
        labels = np.empty(int(batch.n_labels.sum()), dtype=np.int32)
        if (full := write_uses(batch.maximizer, batch.examples, whole, labels)) is not None:
            b, found = full
            raise ValueError(
                f"y of example {b} uses {found} parts, but an output uses at most "
                f"{batch.n_labels[b]}"
            )
        return labels

    def _costs(
        self, batch: Batch, y: torch.Tensor, costs: torch.Tensor | None
    ) -> NDArray[np.float64] | None:
        """What the loss adds to the scores of parts."""
        if costs is None and callable(self.loss):
            costs = self.loss(y)
        if costs is not None:
            check_floating("costs", costs, (1, 2))
            return _finite("costs", batch, batch.pack("costs", costs))
        if self.loss is None:
            return None
        if not batch.writes_uses:
            raise ValueError(
                f"loss='hamming' counts parts of sets, but {type(batch.maximizer).__name__} finds "
                "labellings: give costs, or a function as loss"
            )
        uses = batch.pack("y", y).detach().to("cpu", torch.float64).numpy()
        if self.part_weight is None:
            unweighted: NDArray[np.float64] = 1.0 - 2.0 * uses
            return unweighted
        if (batch.sizes != len(self.part_weight)).any():
            raise ValueError(
                f"loss has {len(self.part_weight)} entries, but examples have "
                f"{batch.sizes.min()} to {batch.sizes.max()} parts"
            )
        weights = self.part_weight.to("cpu", torch.float64).numpy()
        weighted: NDArray[np.float64] = np.tile(weights, len(batch.sizes)) * (1.0 - 2.0 * uses)
        return weighted


class Batch(NamedTuple):
    """A maximizer that is bound to the examples of a batch."""

    maximizer: Maximizer
    examples: NDArray[np.int64]  #: their numbers
    sizes: NDArray[np.int64]  #: their numbers of parts, as the scores say

    def check(self) -> Batch:
        """Raise ValueError unless scores are as many as parts."""
        expected = self.maximizer.n_parts[self.examples]
        if (wrong := np.flatnonzero(expected != self.sizes)).size:
            b = int(wrong[0])
            raise ValueError(
                f"scores of example {b} are {self.sizes[b]}, but it has {expected[b]} parts"
            )
        return self

    @property
    def n_labels(self) -> NDArray[np.int64]:
        return self.maximizer.n_labels[self.examples]

    @property
    def writes_uses(self) -> bool:
        return writes_uses(self.maximizer)

    def pack(self, name: str, value: torch.Tensor) -> torch.Tensor:
        """The entries of all examples, one after the other; `value` may be padded."""
        total, n = int(self.sizes.sum()), len(self.sizes)
        if value.ndim == 1 and len(value) == total:
            return value
        if value.ndim != 2 or len(value) != n or value.shape[1] < self.sizes.max(initial=0):
            raise ValueError(
                f"{name} has shape {tuple(value.shape)}, expected ({n}, "
                f"{self.sizes.max(initial=0)}) or ({total},) as scores and lengths have"
            )
        if value.numel() == total:
            return value.reshape(-1)
        return value[self.mask(value.shape[1]).to(value.device)]

    def mask(self, n_columns: int) -> torch.Tensor:
        """Which entries of padded rows are of parts."""
        return torch.from_numpy(np.arange(n_columns) < self.sizes[:, None])

    def labels(self, y: torch.Tensor, name: str = "y") -> NDArray[np.int32]:
        """Labels of labellings, one after the other."""
        if y.dtype not in (torch.int64, torch.int32):
            raise TypeError(f"{name} has dtype {y.dtype}, expected int64: labels")
        n_labels = self.n_labels
        longest = int(n_labels.max(initial=0))
        if y.ndim != 2 or len(y) != len(self.sizes) or y.shape[1] < longest:
            raise ValueError(
                f"{name} has shape {tuple(y.shape)}, expected ({len(self.sizes)}, {longest}): the "
                "labels of each example"
            )
        rows = y.detach().cpu().numpy()
        inside = np.arange(rows.shape[1]) < n_labels[:, None]
        if (wrong := inside & ((rows < 0) | (rows >= 2**31))).any():
            b, k = np.argwhere(wrong)[0]
            raise ValueError(f"{name}[{b}, {k}] is {rows[b, k]}, expected a label, >= 0")
        return np.ascontiguousarray(rows[inside], dtype=np.int32)

    def place(self, k: int) -> tuple[int, int]:
        """The example and the part of a packed entry."""
        ends = np.cumsum(self.sizes)
        b = int(np.searchsorted(ends, k, side="right"))
        return b, k - int(ends[b] - self.sizes[b])


class _PartHinges(torch.autograd.Function):  # type: ignore[misc]
    """Hinges of shape (n_examples,) from packed scores."""

    @staticmethod
    def forward(
        ctx: Any,
        scores: torch.Tensor,
        costs: NDArray[np.float64] | None,
        batch: Batch,
        truth: NDArray[np.int32],
        rescaling: str,
        checked: bool,
    ) -> torch.Tensor:
        theta = _finite("scores", batch, scores)
        levels = units = None
        if rescaling == "slack":
            levels, units = _levels(batch, costs)
        elif costs is not None:
            theta = theta + costs
        values, slopes = np.empty(len(batch.sizes)), np.empty(len(theta))
        try:
            below = hinges(
                batch.maximizer, batch.examples, theta, truth, levels, units, values, slopes
            )
            if checked and len(below):
                _check_truths(batch, truth, below)
        except BaseException:
            if batch.maximizer.in_batches:
                batch.maximizer.forget(0)  # type: ignore[attr-defined]
            raise
        found = torch.from_numpy(values).to(scores.dtype)
        _check_hinges(found, batch, theta)
        ctx.save_for_backward(torch.from_numpy(slopes).to(scores))
        ctx.sizes = torch.tensor(batch.sizes)
        return found.to(scores.device)

    @staticmethod
    def backward(ctx: Any, *factors: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        # Tensor operations: what is differentiated twice is linear in the factors.
        (slopes,) = ctx.saved_tensors
        sizes = ctx.sizes.to(slopes.device)
        each = torch.repeat_interleave(factors[0], sizes, output_size=len(slopes))
        return each * slopes, None, None, None, None, None


def _check_truths(batch: Batch, truth: NDArray[np.int32], below: NDArray[np.int64]) -> None:
    """Raise ValueError if one of these truths, each better than the output that was found, is no
    output: where its parts alone count, the maximizer finds another."""
    maximizer, ends = batch.maximizer, np.cumsum(batch.n_labels)
    if not (maximizer.exact and batch.writes_uses):
        return
    for b in below.tolist():
        i, stop = int(batch.examples[b]), int(ends[b])
        uses = np.asarray(maximizer.count(i, truth[stop - int(batch.n_labels[b]) : stop]))
        if uses.max(initial=0) > 1:
            continue
        found, _ = maximizer.maximize(i, 2.0 * uses - 1.0)
        if (maximizer.count(i, found) != uses).any():
            raise ValueError(
                f"y of example {b} is no output: {type(maximizer).__name__} never finds it, even "
                "where nothing but its parts scores; correct y, or leave the example out"
            )


def _check_hinges(values: torch.Tensor, batch: Batch, theta: NDArray[np.float64]) -> None:
    """Raise ValueError for a hinge that is no number."""
    good = values.isfinite().numpy()
    if good.all():
        return
    b = int(np.argmin(good))
    end = int(batch.sizes[: b + 1].sum())
    if np.isneginf(theta[end - int(batch.sizes[b]) : end]).any():
        raise ValueError(
            f"y of example {b} uses parts whose scores are -inf, which forbids it: correct y, or "
            "leave the example out"
        )
    raise ValueError(
        f"scores of example {b} are so large that their hinge overflows {values.dtype}"
    )


def part_hinges(
    scores: torch.Tensor,
    costs: NDArray[np.float64] | None,
    batch: Batch,
    truth: NDArray[np.int32],
    rescaling: str = "margin",
    *,
    checked: bool = False,
) -> torch.Tensor:
    """The hinge of each example, from packed scores and costs, and the labels of the truths.
    `checked`: truths that score more than all outputs are errors."""
    values: torch.Tensor = _PartHinges.apply(scores, costs, batch, truth, rescaling, checked)
    return values


def best_labels(batch: Batch, packed: torch.Tensor) -> torch.Tensor:
    """The labels of the best output of each example, one example after the other."""
    theta, first = _finite("scores", batch, packed), 0
    rows = [np.zeros(0, dtype=np.int32)]
    for i, size in zip(batch.examples.tolist(), batch.sizes.tolist(), strict=True):
        rows.append(batch.maximizer.maximize(i, theta[first : first + size])[0])
        first += size
    return torch.from_numpy(np.concatenate(rows).astype(np.int64))


def _best_outputs(batch: Batch, packed: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """The uses of parts in the shape of the scores, or padded rows of labels."""
    found, n_labels = best_labels(batch, packed).numpy(), batch.n_labels
    if not batch.writes_uses:
        labels = np.full((len(n_labels), int(n_labels.max(initial=0))), -1, dtype=np.int64)
        labels[np.arange(labels.shape[1]) < n_labels[:, None]] = found
        return torch.from_numpy(labels)
    uses, first, start = np.zeros(len(packed), dtype=np.int64), 0, 0
    for i, size, n in zip(
        batch.examples.tolist(), batch.sizes.tolist(), n_labels.tolist(), strict=True
    ):
        uses[first : first + size] = batch.maximizer.count(i, found[start : start + n])
        first, start = first + size, start + n
    if scores.ndim == 1:
        return torch.from_numpy(uses)
    padded = torch.zeros(tuple(scores.shape), dtype=torch.int64)
    padded[batch.mask(scores.shape[1])] = torch.from_numpy(uses)
    return padded


def _levels(
    batch: Batch, costs: NDArray[np.float64] | None
) -> tuple[NDArray[np.int32], NDArray[np.float64]]:
    """Costs as whole multiples of a unit of each example."""
    if not batch.maximizer.counts_loss:
        raise ValueError(
            f"rescaling='slack': {type(batch.maximizer).__name__} does not maximise a loss times a "
            "margin; use 'margin'"
        )
    costs = np.zeros(int(batch.sizes.sum())) if costs is None else costs
    levels, units = np.zeros(len(costs), dtype=np.int32), np.ones(len(batch.sizes))
    first = 0
    for b, size in enumerate(batch.sizes.tolist()):
        own = costs[first : first + size]
        if (own < 0).any():
            raise ValueError(f"costs of example {b}: with rescaling='slack' none may be negative")
        if (positive := own[own > 0]).size:
            units[b] = positive.min()
            whole = np.rint(own / units[b])
            if not np.allclose(whole * units[b], own, rtol=1e-9) or whole.max() > 2**20:
                raise ValueError(
                    f"costs of example {b}: with rescaling='slack' they must be multiples of the "
                    f"smallest, {units[b]}"
                )
            levels[first : first + size] = whole
        first += size
    return levels, units


def _finite(name: str, batch: Batch, packed: torch.Tensor) -> NDArray[np.float64]:
    """Scores in double precision on the CPU; raises for NaN and +inf."""
    theta: NDArray[np.float64] = packed.detach().to("cpu", torch.float64).numpy()
    if not (good := theta < np.inf).all():
        b, p = batch.place(int(np.argmin(good)))
        raise ValueError(
            f"{name} of example {b}, part {p} is {theta[np.argmin(good)]}; expected a finite number"
        )
    return np.ascontiguousarray(theta)


def _read_maximizer(maximizer: Any, exact: bool) -> Any:
    if isinstance(maximizer, (Structure, Maximizer)):
        return maximizer
    if type(maximizer).__name__ == "PyCapsule" and '"ssvm_maximizer"' in repr(maximizer):
        return ForeignMaximizer(maximizer, maximizer)
    try:
        address_of(maximizer)
    except TypeError:
        if not callable(maximizer):
            raise TypeError(
                f"maximizer is {type(maximizer).__name__}, expected a Structure, a Maximizer, a "
                "function of theta and x, or a compiled function"
            ) from None
        return maximizer
    return Compiled(maximizer, exact=exact)


def _read_lengths(scores: torch.Tensor, lengths: Any) -> NDArray[np.int64]:
    if lengths is None:
        if scores.ndim == 1:
            raise ValueError(
                "scores has 1 dimension: give lengths, the number of parts of each example"
            )
        return np.full(len(scores), scores.shape[1], dtype=np.int64)
    sizes = np.asarray(lengths.cpu() if isinstance(lengths, torch.Tensor) else lengths)
    if sizes.ndim != 1 or (sizes.size and sizes.dtype.kind not in "iu"):
        raise ValueError(f"lengths has shape {sizes.shape}, expected integers, one an example")
    sizes = sizes.astype(np.int64)
    if (sizes < 0).any():
        raise ValueError(f"lengths[{int(np.argmin(sizes))}] is {sizes.min()}, expected >= 0")
    if scores.ndim == 1 and (sizes.max(initial=0) > len(scores) or sizes.sum() != len(scores)):
        raise ValueError(f"lengths add up to {sizes.sum()}, but scores has {len(scores)} entries")
    if scores.ndim == 2 and (len(sizes) != len(scores) or sizes.max(initial=0) > scores.shape[1]):
        raise ValueError(
            f"lengths has {len(sizes)} entries up to {sizes.max(initial=0)}, but scores has shape "
            f"{tuple(scores.shape)}"
        )
    return sizes


def _read_examples(examples: Any, n: int, maximizer: Maximizer) -> NDArray[np.int64]:
    if examples is None:
        if maximizer.n_examples != n:
            raise ValueError(
                f"scores has {n} examples, but the maximizer {maximizer.n_examples}: say which by "
                "examples"
            )
        return np.arange(n)
    found = np.asarray(examples.cpu() if isinstance(examples, torch.Tensor) else examples)
    if found.shape != (n,) or (n and found.dtype.kind not in "iu"):
        raise ValueError(f"examples has shape {found.shape}, expected {n} integers as scores has")
    if n and not ((found >= 0) & (found < maximizer.n_examples)).all():
        raise ValueError(
            f"examples has numbers from {found.min()} to {found.max()}, expected 0 to "
            f"{maximizer.n_examples - 1}"
        )
    return found.astype(np.int64)
