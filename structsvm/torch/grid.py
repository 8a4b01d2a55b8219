"""GridHinge: the structured hinge of label images, for networks that segment."""

from __future__ import annotations

import math
import numbers
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from structsvm.inference import Maximizer
from structsvm.inference._graph_maximizer import GraphMaximizer
from structsvm.inference._grid_maximizer import GridMaximizer
from structsvm.inference._relaxed_maximizer import RelaxedGraphMaximizer
from structsvm.inference.grid_scores import check_grid
from structsvm.torch._tensors import (
    COMPUTED_AS,
    check_devices,
    check_floating,
    check_reduction,
    check_shape,
    outside_graphs,
)
from structsvm.torch.structured import Batch, best_labels, part_hinges

__all__ = ["GridHinge"]

_METHODS = ("auto", "cut", "relaxation", "expansion")


class GridHinge(torch.nn.Module):  # type: ignore[misc]
    r"""The structured hinge of label images whose pixels a network scores.

    .. math::
        s(y) = \sum_i \mathrm{unary}[y_i, i]
        + \sum_{e = (i, j)} a_{k(e)} \, \mathrm{pairwise}_e \, [y_i = y_j]

    over pixels i and edges e to neighbours in directions k. The factors a >= 0, one for each
    direction, are parameters of this module; the pairwise scores, such as contrasts, or what a
    network computes, come with a call. The hinge is the maximum of the task loss plus
    :math:`s(\hat y) - s(y)`; the task loss counts wrong pixels, each by the weight of its class.

    Parameters
    ----------
    n_labels : int, default=2
    connectivity : {4, 8, 6, 26}, default=4
        Number of neighbours: 4 or 8 in images, 6 or 26 in volumes. The directions are those of
        `structsvm.inference.grid_cut`.
    method : {"auto", "cut", "relaxation", "expansion"}, default="auto"
        How the maximum is found. "cut", for two labels, is exact. "relaxation" bounds it from
        above, so that the hinge does, too; its gradients may be fractional. "expansion" finds good
        labels, and the hinge is that of these. "auto" is "cut" for two labels, else "expansion".
    class_weight : tensor of shape (n_labels,), default=None
        What a wrong pixel costs, by its true label. None: 1.
    ignore_index : int, default=-100
        The label of void pixels: they and their edges have no loss and no scores in training.
    reduction : {"mean", "sum", "none"}, default="mean"
        "mean" divides the sum of all hinges by the number of pixels that are not void.
    learn_pairwise : bool, default=True
        Whether the factors a are trained. Otherwise they are 1.

    Attributes
    ----------
    raw_pairwise : parameter of shape (n_directions,)
        a is its softplus, ``log(1 + exp(raw_pairwise))``. Missing without `learn_pairwise`.

    Notes
    -----
    Cuts run on the CPU in double precision, about a microsecond a pixel; scores on other devices
    are copied there.

    Examples
    --------
    >>> import torch
    >>> from structsvm.torch import GridHinge
    >>> hinge = GridHinge(learn_pairwise=False)
    >>> unary = torch.zeros(1, 2, 1, 3, requires_grad=True)
    >>> labels = torch.tensor([[[0, 0, 1]]])
    >>> hinge(unary, labels).item()  # 3 wrong pixels
    1.0
    >>> hinge.decode(torch.tensor([[[[0.0, 0, 0]], [[2, -1, 2]]]]))
    tensor([[[1, 1, 1]]])
    """

    n_labels: int
    connectivity: int
    method: str
    ignore_index: int
    reduction: str
    class_weight: torch.Tensor | None
    raw_pairwise: torch.nn.Parameter | None
    _steps: NDArray[np.intc]

    def __init__(
        self,
        n_labels: int = 2,
        connectivity: int = 4,
        *,
        method: str = "auto",
        class_weight: torch.Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        learn_pairwise: bool = True,
    ) -> None:
        super().__init__()
        if not isinstance(n_labels, numbers.Integral) or isinstance(n_labels, bool) or n_labels < 2:
            raise ValueError(f"n_labels={n_labels!r}: expected an integer >= 2")
        n_axes = 2 if connectivity in (4, 8) else 3
        _, self._steps = check_grid((0,) * n_axes, connectivity)
        if method not in _METHODS:
            raise ValueError(f"method={method!r}: expected one of {list(_METHODS)}")
        if method == "cut" and n_labels > 2:
            raise ValueError(f"method='cut' is for two labels, and n_labels={n_labels}")
        check_reduction(reduction)
        if not isinstance(ignore_index, numbers.Integral) or 0 <= ignore_index < n_labels:
            raise ValueError(
                f"ignore_index={ignore_index!r}: expected an integer that is no label, such as -100"
            )
        if class_weight is not None:
            class_weight = check_floating("class_weight", class_weight, 1).detach().clone()
            check_shape("class_weight", class_weight, (int(n_labels),), ", one for each label")
            if not bool((class_weight >= 0).all()) or not bool(class_weight.isfinite().all()):
                raise ValueError("class_weight has entries that are negative or not finite")
        self.n_labels = int(n_labels)
        self.connectivity = int(connectivity)
        self.method = method
        self.ignore_index = int(ignore_index)
        self.reduction = reduction
        self.register_buffer("class_weight", class_weight, persistent=False)
        self.raw_pairwise = None
        if learn_pairwise:
            self.raw_pairwise = torch.nn.Parameter(torch.zeros(len(self._steps)))

    def extra_repr(self) -> str:
        return f"n_labels={self.n_labels}, connectivity={self.connectivity}, method={self.method!r}"

    def forward(
        self,
        unary: torch.Tensor,
        labels: torch.Tensor,
        pairwise: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """The hinges of a batch of images of one shape.

        Parameters
        ----------
        unary : floating tensor of shape (B, n_labels, H, W), or (B, n_labels, D, H, W)
            Score of each label at each pixel, as convolutions return it.
        labels : int64 tensor of shape (B, H, W) or (B, D, H, W)
        pairwise : floating tensor of shape (B, n_directions, H, W) or with D, default=None
            Scores >= 0 of edges whose ends agree; entry [b, k, i, j] is of the edge from (i, j) in
            direction k. Entries whose edge leaves the image are ignored. None: 1.

        Returns
        -------
        Tensor of shape () or, with reduction "none", (B,).

        Raises
        ------
        ValueError
            If shapes or devices do not fit, a score is not finite, a pairwise score is negative, or
            a label is out of range.
        TypeError
            If scores are not floating point numbers, or labels not int64.
        """
        hinges, n_known = outside_graphs(self._hinges, unary, labels, pairwise)
        if self.reduction == "none":
            return hinges
        total = hinges.sum()
        return total / max(n_known, 1) if self.reduction == "mean" else total

    def decode(self, unary: torch.Tensor, pairwise: torch.Tensor | None = None) -> torch.Tensor:
        """The best labels, int64 of shape (B, H, W) or (B, D, H, W), on the device of `unary`.

        Parameters
        ----------
        unary, pairwise
            See `forward`.
        """
        found: torch.Tensor = outside_graphs(self._decoded, unary, pairwise)
        return found

    @property
    def factors(self) -> torch.Tensor:
        """The factors a, of shape (n_directions,)."""
        if self.raw_pairwise is None:
            return torch.ones(len(self._steps))
        return torch.nn.functional.softplus(self.raw_pairwise)

    # ---- batches

    def _hinges(
        self, unary: torch.Tensor, labels: torch.Tensor, pairwise: torch.Tensor | None
    ) -> tuple[torch.Tensor, int]:
        scores, shape = self._scores(unary, pairwise)
        batch = self._batch(len(unary), shape)
        truth = self._truth(labels, unary)
        of_pixels = np.zeros((len(truth), self.n_labels))
        known = np.flatnonzero(truth >= 0)
        weights = np.ones(self.n_labels)
        if self.class_weight is not None:
            weights = self.class_weight.to("cpu", torch.float64).numpy()
        # Void pixels and their edges are in no score.
        if len(known) < len(truth):
            scores = torch.where(self._counted(truth, len(unary), shape, scores), scores, 0)
        self._check_unary(scores, shape)
        of_pixels[known] = weights[truth[known], None]
        of_pixels[known, truth[known]] = 0.0
        of_pixels = of_pixels.reshape(len(unary), math.prod(shape) * self.n_labels)
        costs = np.zeros(scores.shape)
        costs[:, : of_pixels.shape[1]] = of_pixels
        return part_hinges(scores.reshape(-1), costs.ravel(), batch, truth), len(known)

    def _decoded(self, unary: torch.Tensor, pairwise: torch.Tensor | None) -> torch.Tensor:
        with torch.no_grad():
            scores, shape = self._scores(unary, pairwise)
            self._check_unary(scores, shape)
            batch = self._batch(len(unary), shape)
            labels = best_labels(batch, scores.reshape(-1))
        return labels.reshape(len(unary), *shape).to(unary.device)

    def _scores(
        self, unary: torch.Tensor, pairwise: torch.Tensor | None
    ) -> tuple[torch.Tensor, tuple[int, ...]]:
        """Scores of the parts of each image, and the shape of the images."""
        n_axes = self._steps.shape[1]
        check_floating("unary", unary, n_axes + 2)
        n, n_labels, *sizes = unary.shape
        shape = tuple(sizes)
        if n_labels != self.n_labels:
            raise ValueError(
                f"unary has shape {tuple(unary.shape)}, expected {self.n_labels} scores in the "
                "second dimension, one for each label"
            )
        dtype = COMPUTED_AS[unary.dtype]
        edges = torch.from_numpy(_edge_places(shape, self._steps)).to(unary.device)
        factors = self.factors
        if self.raw_pairwise is not None:
            check_devices("unary", unary, "the parameters", factors)
        factors = factors.to(unary.device, dtype)[:, None]
        n_directions, n_pixels = len(self._steps), math.prod(shape)
        if pairwise is None:
            of_edges = factors.expand(n_directions, n_pixels).reshape(1, -1)[:, edges].expand(n, -1)
        else:
            check_floating("pairwise", pairwise, n_axes + 2)
            why = f", as unary has this shape and there are {n_directions} directions"
            check_shape("pairwise", pairwise, (n, n_directions, *shape), why)
            check_devices("pairwise", pairwise, "unary", unary)
            given = pairwise.to(dtype).reshape(n, n_directions * n_pixels)[:, edges]
            if not bool(((given >= 0) & (given < torch.inf)).all()):
                bad = given.detach()[~((given >= 0) & (given < torch.inf))][0]
                raise ValueError(
                    f"pairwise has an entry of {float(bad):g}; scores of agreement must be finite "
                    "and >= 0"
                )
            each = factors.expand(n_directions, n_pixels).reshape(-1)[edges]
            of_edges = given * each
        of_pixels = unary.to(dtype).reshape(n, n_labels, n_pixels).transpose(1, 2)
        of_pixels = of_pixels.reshape(n, n_pixels * n_labels)
        return torch.cat([of_pixels, of_edges], dim=1), shape

    def _check_unary(self, scores: torch.Tensor, shape: tuple[int, ...]) -> None:
        """Raise ValueError for scores of pixels that are not finite, where they count."""
        own = scores.detach()[:, : math.prod(shape) * self.n_labels]
        if bool((wrong := ~own.isfinite()).any()):
            b, part = wrong.nonzero()[0].tolist()
            pixel, label = divmod(part, self.n_labels)
            place = (b, label, *(int(k) for k in np.unravel_index(pixel, shape)))
            raise ValueError(
                f"unary[{', '.join(map(str, place))}] is {float(own[b, part])}, expected a finite "
                "number: no label can be forbidden"
            )

    def _truth(self, labels: Any, unary: torch.Tensor) -> NDArray[np.int32]:
        if not isinstance(labels, torch.Tensor):
            raise TypeError(f"labels is {type(labels).__name__}, expected a tensor of int64")
        if labels.dtype != torch.int64:
            raise TypeError(f"labels has dtype {labels.dtype}, expected int64: use labels.long()")
        shape = (len(unary), *unary.shape[2:])
        check_shape("labels", labels, shape, ", the shape of unary without labels")
        check_devices("labels", labels, "unary", unary)
        flat = labels.detach().cpu().numpy().ravel()
        void = flat == self.ignore_index
        wrong = ((flat < 0) | (flat >= self.n_labels)) & ~void
        if wrong.any():
            place = np.unravel_index(int(np.argmax(wrong)), shape)
            raise ValueError(
                f"labels[{', '.join(map(str, place))}] is {flat[np.argmax(wrong)]}, expected 0 to "
                f"{self.n_labels - 1}, or {self.ignore_index} for a void pixel"
            )
        return np.where(void, -1, flat).astype(np.int32)

    def _counted(
        self, truth: NDArray[np.int32], n: int, shape: tuple[int, ...], scores: torch.Tensor
    ) -> torch.Tensor:
        """Which parts touch no void pixel, of the shape of the scores."""
        known = (truth >= 0).reshape(n, math.prod(shape))
        ends = _edge_ends(shape, self._steps)
        of_edges = known[:, ends[:, 0]] & known[:, ends[:, 1]]
        counted = np.concatenate([np.repeat(known, self.n_labels, axis=1), of_edges], axis=1)
        return torch.from_numpy(counted).to(scores.device)

    def _batch(self, n: int, shape: tuple[int, ...]) -> Batch:
        maximizer: Maximizer
        if self.n_labels == 2 and self.method in ("auto", "cut"):
            maximizer = GridMaximizer([shape] * n, self.connectivity, 2)
        else:
            ends = _edge_ends(shape, self._steps)
            n_pixels = [math.prod(shape)] * n
            if self.method == "relaxation":
                tolerance = np.full(n, 1e-3 * math.prod(shape))
                maximizer = RelaxedGraphMaximizer(
                    n_pixels, [ends] * n, self.n_labels, tables=False, tolerance=tolerance
                )
            else:
                maximizer = GraphMaximizer(
                    n_pixels, [ends] * n, self.n_labels, tables=False, by_cut=False
                )
        return Batch(maximizer, np.arange(n), maximizer.n_parts)


def _ends(
    pixels: NDArray[np.int64], step: NDArray[np.intc]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The pixels at the first and at the second end of all edges in a direction."""
    first, second = [], []
    for size, move in zip(pixels.shape, step.tolist(), strict=True):
        first.append(slice(max(-move, 0), max(size - max(move, 0), 0)))
        second.append(slice(max(move, 0), max(size - max(-move, 0), 0)))
    return pixels[tuple(first)].ravel(), pixels[tuple(second)].ravel()


def _edge_places(shape: tuple[int, ...], steps: NDArray[np.intc]) -> NDArray[np.int64]:
    """Where the scores of edges stand in an array of shape (n_directions, *shape)."""
    n_pixels = math.prod(shape)
    pixels = np.arange(n_pixels).reshape(shape)
    return np.concatenate([k * n_pixels + _ends(pixels, step)[0] for k, step in enumerate(steps)])


def _edge_ends(shape: tuple[int, ...], steps: NDArray[np.intc]) -> NDArray[np.int32]:
    pixels = np.arange(math.prod(shape)).reshape(shape)
    pairs = [np.stack(_ends(pixels, step), axis=1) for step in steps]
    return np.ascontiguousarray(np.concatenate(pairs), dtype=np.int32)
