"""ChainHinge: the structured hinge of label sequences, in place of a conditional random field."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from structsvm.inference._chain_batch import list_paths
from structsvm.models.allowed import allowed_labels
from structsvm.torch._chain_functions import (
    ChainScores,
    ChainTruth,
    compiled_hinges,
    compiled_paths,
    tensor_hinges,
    tensor_paths,
)
from structsvm.torch._tensors import (
    COMPUTED_AS,
    check_devices,
    check_floating,
    check_shape,
    outside_graphs,
    reduced,
)

__all__ = ["ChainHinge"]

_REDUCTIONS = ("none", "sum", "mean", "token_mean")


class ChainHinge(torch.nn.Module):  # type: ignore[misc]
    r"""The structured hinge of label sequences whose positions a network scores.

    .. math::
        H(y) = \max_{\hat y} \; \Delta(y, \hat y) + s(\hat y) - s(y), \qquad
        s(y) = \mathrm{start}[y_1] + \sum_t \mathrm{emissions}[t, y_t]
        + \sum_t \mathrm{transitions}[y_{t-1}, y_t] + \mathrm{end}[y_T]

    It stands in for the ``CRF`` of pytorch-crf: constructor, parameters, `forward` and `decode` are
    the same, so that a model changes one import, and what was saved with one loads in the other. As
    ``CRF`` returns a log-likelihood, `forward` returns **-H**, which is at most 0 and is to be made
    large: the loss is ``-hinge(emissions, tags)``, as it was.

    The maximum is exact, by Viterbi's recursion. Scores on the CPU go to one compiled call for a
    batch, those on other devices to operations on tensors. The gradient is that of the maximum
    found, a subgradient at ties.

    Parameters
    ----------
    num_tags : int
        Number of labels, K.
    batch_first : bool, default=False
        Whether the first dimension of all arguments is that of the batch, and not of positions.
    cost : tensor of shape (num_tags, num_tags), default=None
        ``cost[i, j]``: what label j costs where i is true; >= 0, and 0 on the diagonal. None: 1 for
        each wrong label.
    constraints : {"iob2", "iobes"} or list of pairs (from, to), default=None
        Labels that must not follow each other, in training and in decoding, as for `ChainModel`:
        None as "from" is the start, None as "to" the end.
    labels : sequence of length num_tags, default=None
        The labels that constraints name. None: the numbers 0 to num_tags - 1.
    ignore_index : int, default=-100
        The tag of void positions, whose label is unknown.

    Attributes
    ----------
    transitions : parameter of shape (num_tags, num_tags)
    start_transitions, end_transitions : parameters of shape (num_tags,)

    Notes
    -----
    Positions where the mask is False are not part of their sequence, wherever they are, the first
    included: their neighbours follow each other. A void position has no loss and no scores in
    training and cuts the sequence there, as in `ChainModel`; `decode` labels it.

    The hinge is linear between its kinks: its second derivatives by scores and parameters are 0,
    and double backward finds derivatives by what the hinge is multiplied with, no others.

    Time is O(B T K^2). Memory beside the arguments is O(T K) on the CPU, O(B T K) elsewhere.

    References
    ----------
    I. Tsochantaridis, T. Joachims, T. Hofmann, Y. Altun (2005). Large margin methods for structured
    and interdependent output variables. JMLR 6.

    Examples
    --------
    >>> import torch
    >>> from structsvm.torch import ChainHinge
    >>> hinge = ChainHinge(2, batch_first=True)
    >>> emissions = torch.tensor([[[1.0, 0.0], [0.0, 3.0], [9.0, 9.0]]])
    >>> mask = torch.tensor([[True, True, False]])
    >>> hinge.decode(emissions, mask)
    [[0, 1]]
    >>> loss = -hinge(emissions, torch.tensor([[1, 1, 0]]), mask)
    >>> loss.backward()
    >>> bool(loss > 1)  # the first label: it scores about 1 more, and costs 1
    True
    """

    num_tags: int
    batch_first: bool
    ignore_index: int
    start_transitions: torch.nn.Parameter
    end_transitions: torch.nn.Parameter
    transitions: torch.nn.Parameter

    def __init__(
        self,
        num_tags: int,
        batch_first: bool = False,
        *,
        cost: Any = None,
        constraints: str | Sequence[Any] | None = None,
        labels: Sequence[Any] | None = None,
        ignore_index: int = -100,
    ) -> None:
        super().__init__()
        if not isinstance(num_tags, numbers.Integral) or isinstance(num_tags, bool) or num_tags < 1:
            raise ValueError(f"num_tags={num_tags!r}: expected an integer >= 1")
        if not isinstance(ignore_index, numbers.Integral) or 0 <= ignore_index < num_tags:
            raise ValueError(
                f"ignore_index={ignore_index!r}: expected an integer that is no label, such as -100"
            )
        self.num_tags = int(num_tags)
        self.batch_first = batch_first
        self.ignore_index = int(ignore_index)
        self.start_transitions = torch.nn.Parameter(torch.empty(self.num_tags))
        self.end_transitions = torch.nn.Parameter(torch.empty(self.num_tags))
        self.transitions = torch.nn.Parameter(torch.empty(self.num_tags, self.num_tags))
        # What was saved with a CRF has none of these.
        self.register_buffer("_cost", _check_cost(cost, self.num_tags), persistent=False)
        forbidden = _forbidden(constraints, labels, self.num_tags)
        for name, scores in zip(("_moves", "_first", "_last"), forbidden, strict=True):
            self.register_buffer(name, scores, persistent=False)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all parameters from between -0.1 and 0.1."""
        for parameter in self.parameters():
            torch.nn.init.uniform_(parameter, -0.1, 0.1)

    def extra_repr(self) -> str:
        return f"num_tags={self.num_tags}, batch_first={self.batch_first}"

    def forward(
        self,
        emissions: torch.Tensor | PackedSequence,
        tags: torch.Tensor | PackedSequence,
        mask: torch.Tensor | None = None,
        reduction: str = "sum",
        *,
        edges: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Minus the hinges of a batch.

        Parameters
        ----------
        emissions : floating tensor of shape (T, B, K), or (B, T, K) if `batch_first`
            Score of each label at each position; -inf forbids. bfloat16 and float16 are computed
            in float32. Or a `PackedSequence` of rows of K scores, which knows its lengths.
        tags : int64 tensor of shape (T, B) or (B, T)
            True labels. What stands where the mask is False does not matter. Packed as `emissions`
            are, or padded.
        mask : bool or uint8 tensor of the shape of `tags`, default=None
            Which positions there are. None: all, or those of a packed sequence.
        reduction : {"sum", "mean", "token_mean", "none"}, default="sum"
            Over sequences; "token_mean" divides the sum by the number of known positions.
        edges : floating tensor of shape (T, K, K), (T, B, K, K) or (B, T, K, K), default=None
            Scores of pairs of labels at each step, added to `transitions`: entry t is for the step
            to position t from the one before it.

        Returns
        -------
        Tensor of shape () or, with "none", (B,), in the dtype of the computation.

        Raises
        ------
        ValueError
            If shapes or devices do not fit, a score is NaN or +inf, a tag is out of range, a mask
            is False at all positions of a sequence, the truth is forbidden, or sums overflow.
        TypeError
            If scores are not floating point numbers, tags not int64, or a mask not bool or uint8.
        """
        if reduction not in _REDUCTIONS:
            raise ValueError(f"reduction={reduction!r}: expected one of {list(_REDUCTIONS)}")
        emissions, mask, lengths = self._padded(emissions, mask)
        tags = self._padded_tags(tags, lengths)
        scores, mask = self._checked(emissions, mask, edges)
        tags = self._checked_tags(tags, emissions)
        if not len(tags) and reduction != "none":
            # Of no sequences; the parameters have a gradient all the same, of zeros.
            nothing = scores.emissions.sum()
            for part in self.parameters():
                nothing = nothing + part.flatten()[:0].sum().to(nothing.dtype)
            return -nothing
        cost = self._cost
        if cost is not None and cost.dtype != scores.emissions.dtype:
            cost = cost.to(scores.emissions.dtype)
        truth = ChainTruth(tags, self.ignore_index, cost)
        hinges = outside_graphs(_hinges, scores, mask, truth)
        if reduction == "token_mean":
            known = tags != self.ignore_index
            known = known if mask is None else known & mask
            return -hinges.sum() / known.sum().clamp(min=1)
        return -reduced(hinges, reduction)

    def decode(
        self,
        emissions: torch.Tensor | PackedSequence,
        mask: torch.Tensor | None = None,
        *,
        edges: torch.Tensor | None = None,
    ) -> list[list[int]]:
        """The best labels of each sequence, those where the mask is True.

        Of several best sequences it is the one with the smallest last label, then the smallest
        label before it, and so on.

        Parameters
        ----------
        emissions, mask, edges
            See `forward`.

        Returns
        -------
        list of B lists of int

        Raises
        ------
        ValueError, TypeError
            See `forward`; or if scores forbid every sequence.
        """
        emissions, mask, _ = self._padded(emissions, mask)
        scores, mask = self._checked(emissions, mask, edges)
        labels: list[list[int]] = outside_graphs(_decoded, scores, mask)
        return labels

    # ---- packed sequences

    def _padded(
        self, emissions: torch.Tensor | PackedSequence, mask: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Emissions as a tensor; of packed ones also their mask and lengths."""
        if not isinstance(emissions, PackedSequence):
            return emissions, mask, None
        if mask is not None:
            raise ValueError("mask is given, but packed emissions have lengths: leave it out")
        padded, lengths = pad_packed_sequence(emissions, self.batch_first)
        there = torch.arange(int(lengths.max())) < lengths[:, None]
        return padded, (there if self.batch_first else there.T).to(padded.device), lengths

    def _padded_tags(
        self, tags: torch.Tensor | PackedSequence, lengths: torch.Tensor | None
    ) -> torch.Tensor:
        if not isinstance(tags, PackedSequence):
            return tags
        if lengths is None:
            raise TypeError("tags are packed, but emissions are a tensor: pack both, or none")
        padded, own = pad_packed_sequence(tags, self.batch_first)
        if not torch.equal(own, lengths):
            raise ValueError(
                f"tags are packed sequences of lengths {own.tolist()}, expected those of "
                f"emissions, {lengths.tolist()}"
            )
        return padded

    # ---- checks

    def _checked(
        self, emissions: torch.Tensor, mask: torch.Tensor | None, edges: torch.Tensor | None
    ) -> tuple[ChainScores, torch.Tensor | None]:
        """The scores, batch first, in one dtype, and the mask as bool."""
        check_floating("emissions", emissions, 3)
        if emissions.shape[2] != self.num_tags:
            raise ValueError(
                f"emissions has shape {tuple(emissions.shape)}, expected {self.num_tags} scores in "
                "the last dimension, one for each label"
            )
        check_devices("emissions", emissions, "the parameters", self.transitions)
        positions = emissions.shape[:2]
        if mask is not None:
            mask = _check_mask(mask, emissions)
            if not self.batch_first:
                mask = mask.transpose(0, 1)
        dtype = COMPUTED_AS[emissions.dtype]
        if self.transitions.dtype == torch.float64:
            dtype = torch.float64
        if emissions.dtype != dtype:
            emissions = emissions.to(dtype)
        if not self.batch_first:
            emissions = emissions.transpose(0, 1)
        parts = [self.transitions, self.start_transitions, self.end_transitions]
        if self._moves is not None:
            forbidden = (self._moves, self._first, self._last)
            parts = [part + own for part, own in zip(parts, forbidden, strict=True)]
        parts = [part if part.dtype == dtype else part.to(dtype) for part in parts]
        transition = parts[0][None, None]
        if edges is not None:
            transition = transition + self._checked_edges(edges, positions, dtype)
        return ChainScores(emissions, transition, parts[1], parts[2]), mask

    def _checked_edges(
        self, edges: torch.Tensor, positions: tuple[int, ...], dtype: torch.dtype
    ) -> torch.Tensor:
        check_floating("edges", edges, (3, 4))
        check_devices("edges", edges, "the parameters", self.transitions)
        square = (self.num_tags, self.num_tags)
        longest = positions[1 if self.batch_first else 0]
        shape = (*positions, *square) if edges.ndim == 4 else (longest, *square)
        check_shape("edges", edges, shape, " as emissions have so many positions and labels")
        if edges.ndim == 3:
            n = positions[0 if self.batch_first else 1]
            return edges.to(dtype)[None].expand(n, *shape)
        return (edges if self.batch_first else edges.transpose(0, 1)).to(dtype)

    def _checked_tags(self, tags: torch.Tensor, emissions: torch.Tensor) -> torch.Tensor:
        if not isinstance(tags, torch.Tensor):
            raise TypeError(f"tags is {type(tags).__name__}, expected a tensor of int64")
        if tags.dtype != torch.int64:
            raise TypeError(f"tags has dtype {tags.dtype}, expected int64: use tags.long()")
        check_shape("tags", tags, tuple(emissions.shape[:2]), ", the first two sizes of emissions")
        check_devices("tags", tags, "emissions", emissions)
        return tags if self.batch_first else tags.transpose(0, 1)


def _hinges(scores: ChainScores, mask: torch.Tensor | None, truth: ChainTruth) -> torch.Tensor:
    """Hinges of shape (B,), by what serves the device."""
    if scores.emissions.device.type == "cpu":
        return compiled_hinges(scores, mask, truth)
    return tensor_hinges(scores, mask, truth)


def _decoded(scores: ChainScores, mask: torch.Tensor | None) -> list[list[int]]:
    if scores.emissions.device.type == "cpu":
        paths = compiled_paths(scores, mask)
    else:
        paths = tensor_paths(scores, mask, None).to(torch.int32).cpu().numpy()
    labels, ends = np.empty(paths.size, dtype=np.int32), np.empty(len(paths), dtype=np.int64)
    list_paths(paths, labels, ends)
    flat, first = labels.tolist(), 0
    found = []
    for end in ends.tolist():
        found.append(flat[first:end])
        first = end
    return found


def _check_mask(mask: Any, emissions: torch.Tensor) -> torch.Tensor:
    if not isinstance(mask, torch.Tensor):
        raise TypeError(f"mask is {type(mask).__name__}, expected a tensor of bool")
    if mask.dtype not in (torch.bool, torch.uint8):
        raise TypeError(f"mask has dtype {mask.dtype}, expected bool or uint8")
    check_shape("mask", mask, tuple(emissions.shape[:2]), ", the first two sizes of emissions")
    check_devices("mask", mask, "emissions", emissions)
    return mask if mask.dtype == torch.bool else mask != 0


def _check_cost(cost: Any, n_labels: int) -> torch.Tensor | None:
    if cost is None:
        return None
    cost = torch.as_tensor(cost, dtype=torch.float64).detach().clone()
    check_shape("cost", cost, (n_labels, n_labels), ", a row for each true label")
    if not bool(torch.isfinite(cost).all()) or bool((cost < 0).any()):
        raise ValueError("cost has entries that are negative, infinite or NaN; expected >= 0")
    if bool(cost.diagonal().any()):
        raise ValueError("cost has entries on its diagonal: the right label costs 0")
    return cost.to(torch.get_default_dtype())


def _forbidden(
    constraints: str | Sequence[Any] | None, labels: Sequence[Any] | None, n_labels: int
) -> tuple[torch.Tensor | None, ...]:
    """What constraints add to transitions, to starts and to ends: 0 or -inf."""
    if constraints is None:
        return None, None, None
    if labels is None:
        if isinstance(constraints, str):
            raise ValueError(
                f"constraints={constraints!r} speaks of prefixes of tags: give labels, the tag "
                "that each number stands for"
            )
        labels = range(n_labels)
    names = np.empty(len(labels), dtype=object)
    names[:] = list(labels)
    if len(names) != n_labels:
        raise ValueError(f"labels has {len(names)} entries, expected num_tags={n_labels}")
    scores = allowed_labels(constraints, names).scores()
    return tuple(torch.tensor(each, dtype=torch.get_default_dtype()) for each in scores)
