"""Hinges and best paths of batches of chains: compiled on the CPU, as tensor operations elsewhere.

Both take tensors that were checked: emissions of shape (B, T, K), transitions of shape (1, 1, K, K)
or (B, T, K, K), all in float32 or all in float64.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from structsvm.inference._chain_batch import FAULTS, maximize_chains, scatter_chains

__all__ = [
    "ChainScores",
    "compiled_hinges",
    "compiled_paths",
    "raise_fault",
    "tensor_hinges",
    "tensor_paths",
]

_KINDS = {number: name for name, number in FAULTS.items()}


class ChainScores(NamedTuple):
    """The scores of a batch of chains."""

    emissions: torch.Tensor  #: (B, T, K)
    transition: torch.Tensor  #: (1, 1, K, K), or (B, T, K, K): steps to each position
    start: torch.Tensor  #: (K,)
    end: torch.Tensor  #: (K,)


class ChainTruth(NamedTuple):
    """What hinges need beside scores."""

    tags: torch.Tensor  #: int64 (B, T)
    void: int  #: the tag of positions that are void
    cost: torch.Tensor | None  #: (K, K); None: 1 for each wrong label


# ---- on the CPU


def _maximize(
    scores: ChainScores, mask: torch.Tensor | None, truth: ChainTruth | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paths of shape (B, T), as `maximize_chains` writes them, and values of shape (B,)."""
    emissions = scores.emissions.detach()
    n, longest, _ = emissions.shape
    paths = torch.empty((n, longest), dtype=torch.int32)
    values = torch.empty(n, dtype=emissions.dtype)
    tags, void, cost = (None, -1, None) if truth is None else truth
    fault = maximize_chains(
        emissions.numpy(),
        None if mask is None else mask.numpy().view(np.uint8),
        None if tags is None else tags.numpy(),
        void,
        scores.transition.detach().numpy(),
        scores.start.detach().numpy(),
        scores.end.detach().numpy(),
        None if cost is None else cost.numpy(),
        paths.numpy(),
        values.numpy(),
    )
    if fault[0]:
        raise_fault(fault, scores, truth)
    return paths, values


class _Hinges(torch.autograd.Function):  # type: ignore[misc]
    """Hinges of shape (B,); the subgradient is the path's parts minus the truth's."""

    @staticmethod
    def forward(
        ctx: Any,
        emissions: torch.Tensor,
        transition: torch.Tensor,
        start: torch.Tensor,
        end: torch.Tensor,
        mask: torch.Tensor | None,
        truth: ChainTruth,
    ) -> torch.Tensor:
        paths, values = _maximize(ChainScores(emissions, transition, start, end), mask, truth)
        ctx.save_for_backward(paths, truth.tags)
        ctx.n_labels, ctx.is_shared = emissions.shape[2], transition.shape[1] == 1
        ctx.is_shared = ctx.is_shared and transition.shape[0] == 1
        return values

    @staticmethod
    def backward(ctx: Any, *factors: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        paths, tags = ctx.saved_tensors
        # Only with create_graph are gradients part of a graph.
        scatter = _Scatter.apply if torch.is_grad_enabled() else _scattered
        return *scatter(factors[0], paths, tags, ctx.n_labels, ctx.is_shared), None, None


class _Scatter(torch.autograd.Function):  # type: ignore[misc]
    """The gradients of `_Hinges`: linear in the factors, constant in the scores."""

    @staticmethod
    def forward(
        ctx: Any,
        factors: torch.Tensor,
        paths: torch.Tensor,
        tags: torch.Tensor,
        n_labels: int,
        is_shared: bool,
    ) -> tuple[torch.Tensor, ...]:
        ctx.save_for_backward(paths, tags)
        return _scattered(factors, paths, tags, n_labels, is_shared)

    @staticmethod
    def backward(ctx: Any, *directions: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        paths, tags = ctx.saved_tensors
        there, void = paths != -1, paths == -2
        y, y_hat = torch.where(there & ~void, tags, 0), paths.clamp(min=0).long()
        scores = ChainScores(*directions)
        gains = _gathered(scores, there, void, y_hat) - _gathered(scores, there, void, y)
        return gains.sum(dim=1), None, None, None, None


def _scattered(
    factors: torch.Tensor, paths: torch.Tensor, tags: torch.Tensor, n_labels: int, is_shared: bool
) -> tuple[torch.Tensor, ...]:
    shape, dtype = (*paths.shape, n_labels), factors.dtype
    own = torch.zeros(shape, dtype=dtype)
    # Sums over a batch are in double precision.
    shared = np.zeros((n_labels, n_labels)) if is_shared else None
    steps = None if is_shared else torch.zeros((*shape, n_labels), dtype=dtype)
    start, end = np.zeros(n_labels), np.zeros(n_labels)
    scatter_chains(
        paths.numpy(),
        tags.numpy(),
        factors.detach().numpy(),
        own.numpy(),
        shared,
        None if steps is None else steps.numpy(),
        start,
        end,
    )
    if steps is None:
        steps = torch.from_numpy(shared).to(dtype)[None, None]
    return own, steps, torch.from_numpy(start).to(dtype), torch.from_numpy(end).to(dtype)


def compiled_hinges(
    scores: ChainScores, mask: torch.Tensor | None, truth: ChainTruth
) -> torch.Tensor:
    """The hinge of each chain, of shape (B,), by the compiled maximizer."""
    hinges: torch.Tensor = _Hinges.apply(*scores, mask, truth)
    return hinges


def compiled_paths(scores: ChainScores, mask: torch.Tensor | None) -> NDArray[np.int32]:
    """The best path of each chain, of shape (B, T), -1 where the mask is 0."""
    paths: NDArray[np.int32] = _maximize(scores, mask, None)[0].numpy()
    return paths


# ---- on any device


def tensor_paths(
    scores: ChainScores, mask: torch.Tensor | None, truth: ChainTruth | None
) -> torch.Tensor:
    """The same paths, by operations on tensors, with a truth for scores and loss.

    The sums are those of the compiled kernel in the same order, so that paths are the same, too.
    """
    if not scores.emissions.shape[1]:
        _maximize(ChainScores(*(each.detach().cpu() for each in scores)), None, None)  # raises
    with torch.no_grad():
        paths, good = _search(scores, mask, truth)
        if not bool(good):  # the only look at the device: the compiled maximizer says what is wrong
            _explain(scores, mask, truth)
    return paths


def _search(
    scores: ChainScores, mask: torch.Tensor | None, truth: ChainTruth | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paths, and whether all is well."""
    emissions, transition, start, end = scores
    n, longest, n_labels = emissions.shape
    there = torch.ones((n, longest), dtype=torch.bool, device=emissions.device)
    if mask is not None:
        there = mask
    void = torch.zeros_like(there)
    score = emissions
    good = there.any(dim=1).all() & (transition < torch.inf).all()
    good &= (start < torch.inf).all() & (end < torch.inf).all()
    if truth is not None:
        tags, void_tag, cost = truth
        void = there & (tags == void_tag)
        known = there & ~void
        good &= (((tags >= 0) & (tags < n_labels)) | ~known).all()
        safe = torch.where(known, tags, 0).clamp(0, n_labels - 1)[..., None]
        if cost is None:
            score = (emissions + 1).scatter(2, safe, emissions.gather(2, safe))
        else:
            score = emissions + cost[safe[..., 0]]
        good &= _truth_is_allowed(scores, there, void, safe[..., 0])
    good &= ((emissions < torch.inf).all(dim=2) | ~there | void).all()
    places = torch.arange(longest, device=emissions.device)
    first = torch.where(there, places, longest).amin(dim=1)
    last = torch.where(there, places, -1).amax(dim=1)
    score = score + torch.where((places == first[:, None])[..., None], start, 0)
    score = score + torch.where((places == last[:, None])[..., None], end, 0)
    score = torch.where(void[..., None], 0, score)

    steps = transition.expand(n, longest, n_labels, n_labels)
    same = torch.arange(n_labels, device=emissions.device).expand(n, n_labels)
    best, cut = score[:, 0], void[:, 0]
    back = [same]
    for t in range(1, longest):
        entering, source = (best[:, :, None] + steps[:, t]).max(dim=1)
        # Next to a void position, and at the start, a run of its own begins.
        peak, top = best.max(dim=1)
        fresh = cut | void[:, t] | (first >= t)
        good &= (~fresh | ~there[:, t] | (first >= t) | (peak > -torch.inf)).all()
        source = torch.where(fresh[:, None], top[:, None], source)
        entered = torch.where(fresh[:, None], score[:, t], score[:, t] + entering)
        here = there[:, t]
        back.append(torch.where(here[:, None], source, same))
        best = torch.where(here[:, None], entered, best)
        cut = torch.where(here, void[:, t], cut)
    peak, label = best.max(dim=1)
    good &= ((peak > -torch.inf) & (peak < torch.inf)).all()
    found = [label]
    for t in range(longest - 1, 0, -1):
        label = back[t].gather(1, label[:, None])[:, 0]
        found.append(label)
    paths = torch.stack(found[::-1], dim=1)
    paths = torch.where(void, -2, torch.where(there, paths, -1))
    return paths, good


def _links(
    there: torch.Tensor, void: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """For each position the one before it that is there, whether a transition leads from there, and
    whether it is the first or the last of its chain."""
    longest = there.shape[1]
    places = torch.arange(longest, device=there.device).expand_as(there)
    latest = torch.where(there, places, -1).cummax(dim=1).values
    before = torch.nn.functional.pad(latest, (1, 0), value=-1)[:, :-1]
    first, last = there & (before < 0), there & (places == latest[:, -1:])
    before = before.clamp(min=0)
    linked = there & ~void & ~first & ~void.gather(1, before)
    return before, linked, first & ~void, last & ~void


def _gathered(
    scores: ChainScores, there: torch.Tensor, void: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """The score that each position adds, of shape (B, T), where labels are those of the chains."""
    emissions, transition, start, end = scores
    before, linked, first, last = _links(there, void)
    own = torch.where(
        there & ~void, emissions.gather(2, labels[..., None])[..., 0], emissions.new_zeros(())
    )
    from_label = labels.gather(1, before)
    if transition.shape[0] == 1 and transition.shape[1] == 1:
        moves = transition[0, 0][from_label, labels]
    else:
        n, longest = labels.shape
        chain = torch.arange(n, device=labels.device)[:, None]
        place = torch.arange(longest, device=labels.device)
        moves = transition.expand(n, longest, *transition.shape[2:])
        moves = moves[chain, place, from_label, labels]
    zero = own.new_zeros(())
    own = own + torch.where(linked, moves, zero)
    own = own + torch.where(first, start[labels], zero)
    return own + torch.where(last, end[labels], zero)


def _truth_is_allowed(
    scores: ChainScores, there: torch.Tensor, void: torch.Tensor, tags: torch.Tensor
) -> torch.Tensor:
    return (_gathered(scores, there, void, tags) > -torch.inf).all()


def tensor_hinges(
    scores: ChainScores, mask: torch.Tensor | None, truth: ChainTruth
) -> torch.Tensor:
    """The hinge of each chain, of shape (B,), by operations on tensors."""
    paths = tensor_paths(scores, mask, truth)
    tags, _, cost = truth
    there, void = paths != -1, paths == -2
    y = torch.where(there & ~void, tags, 0)
    y_hat = paths.clamp(min=0)
    losses = (y != y_hat).to(scores.emissions.dtype) if cost is None else cost[y, y_hat]
    gains = _gathered(scores, there, void, y_hat) - _gathered(scores, there, void, y)
    return (gains + torch.where(there & ~void, losses, losses.new_zeros(()))).sum(dim=1).relu()


# ---- faults


def _explain(scores: ChainScores, mask: torch.Tensor | None, truth: ChainTruth | None) -> None:
    """Raise what the compiled maximizer finds wrong."""
    on_host = ChainScores(*(each.detach().cpu() for each in scores))
    if truth is not None:
        cost = None if truth.cost is None else truth.cost.cpu()
        truth = ChainTruth(truth.tags.cpu(), truth.void, cost)
    _maximize(on_host, None if mask is None else mask.cpu(), truth)
    raise ValueError(f"scores are so large that their sums overflow {scores.emissions.dtype}")


def raise_fault(fault: tuple[int, int, int], scores: ChainScores, truth: ChainTruth | None) -> None:
    """Raise ValueError for what `maximize_chains` found."""
    kind, (_, b, t) = _KINDS[fault[0]], fault
    n_labels = scores.emissions.shape[2]
    tag = int(truth.tags[b, t]) if truth is not None and kind in ("tag", "truth") else None
    numbers = "scores are finite, or -inf where forbidden"
    if kind == "emission":
        raise ValueError(
            f"emissions of sequence {b}, position {t} are {_wrong(scores.emissions[b, t])}; "
            f"{numbers}"
        )
    if kind == "transition":
        shared = scores.transition.shape[0] == 1 and scores.transition.shape[1] == 1
        matrix = scores.transition[0, 0] if shared else scores.transition[b, t]
        place = "" if shared else f", with edges, to position {t} of sequence {b}"
        raise ValueError(f"transitions{place} are {_wrong(matrix)}; {numbers}")
    if kind in ("start", "end"):
        raise ValueError(f"{kind}_transitions are {_wrong(getattr(scores, kind))}; {numbers}")
    if kind == "tag":
        void = "" if truth is None else f", or {truth.void} for a void position"
        raise ValueError(
            f"tags of sequence {b}, position {t} is {tag}, expected 0 to {n_labels - 1}{void}"
        )
    if not scores.emissions.shape[1]:
        raise ValueError("emissions has no positions: there is no tag to choose in sequence 0")
    if kind == "empty":
        raise ValueError(
            f"mask is False at all positions of sequence {b}: leave empty sequences out of the "
            "batch"
        )
    if kind == "overflow":
        raise ValueError(
            f"scores of sequence {b} are so large that their sums overflow {scores.emissions.dtype}"
        )
    if kind == "truth":
        raise ValueError(
            f"tags of sequence {b} are forbidden, by constraints or scores of -inf, at position "
            f"{t}, where the tag is {tag}: correct the tags, or leave the sequence out"
        )
    raise ValueError(
        f"emissions, transitions and constraints forbid every labelling of sequence {b} from "
        f"position {t} on"
    )


def _wrong(scores: torch.Tensor) -> str:
    """The first entry that is no score, and where it is."""
    place = torch.nonzero(~(scores < torch.inf))[0].tolist()
    return f"{float(scores[tuple(place)])} at {place[0] if len(place) == 1 else place}"
