"""From certified linear models to modules, and from frozen features to certified last layers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from structsvm.estimators import ChainSVM, GridSVM, MulticlassSVM
from structsvm.torch._tensors import check_floating
from structsvm.torch.chain import ChainHinge
from structsvm.torch.grid import GridHinge

__all__ = ["ChainLayer", "GridLayer", "last_layer", "to_torch"]

_VOID = -100  # labels that are unknown, as PyTorch's losses have them


def to_torch(svm: Any) -> torch.nn.Module:
    """A fitted linear model as a module with its weights, to be fine-tuned or put on an encoder.

    Parameters
    ----------
    svm : ChainSVM, GridSVM or MulticlassSVM
        Fitted: a chain of first order, a grid whose edges have a score of agreement
        (``pairwise="potts"``), or linear classes.

    Returns
    -------
    module : ChainLayer, GridLayer or torch.nn.Linear
        In float32; its outputs are those of the model up to rounding. Labels are numbers, the
        places in `classes_`. A Linear returns the scores of all classes.

    Raises
    ------
    TypeError
        For another estimator.
    ValueError
        If the model has what the module lacks: order 2, tables, edge features of one's own, a
        kernel.

    Examples
    --------
    >>> import torch
    >>> from structsvm import ChainSVM
    >>> from structsvm.torch import to_torch
    >>> X = [[[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]]
    >>> y = [["noun", "verb", "noun"], ["verb", "noun"]]
    >>> layer = to_torch(ChainSVM(C=10, random_state=0).fit(X, y))
    >>> layer.decode(torch.tensor([X[0]]))
    [[0, 1, 0]]
    """
    if isinstance(svm, ChainSVM):
        check_is_fitted(svm)
        return ChainLayer(svm)
    if isinstance(svm, GridSVM):
        check_is_fitted(svm)
        return GridLayer(svm)
    if isinstance(svm, MulticlassSVM):
        check_is_fitted(svm)
        return _classifier(svm)
    raise TypeError(
        f"svm is {type(svm).__name__}, expected a fitted ChainSVM, GridSVM or MulticlassSVM"
    )


def last_layer(module: torch.nn.Module, loader: Iterable[Any], svm: Any = None) -> Any:
    """Train the last layer of a network to its certified optimum, on what the rest computes.

    The network runs once over the data, without gradients and in evaluation mode; its features are
    kept in memory, and a linear model is fitted to them.

    Parameters
    ----------
    module : torch.nn.Module
        Computes features: (B, T, F) for sequences, (B, F, H, W) for images, (B, F) for single rows.
    loader : iterable of (inputs, labels) or (inputs, labels, mask)
        Batches: labels are int64 of shape (B, T), (B, H, W) or (B,), -100 where they are void; the
        mask (B, T) says which positions there are.
    svm : ChainSVM, GridSVM or MulticlassSVM, default=None
        What is fitted, a copy of it. None: the one that fits the features, with its defaults.

    Returns
    -------
    svm : the fitted estimator
        With its certificate, `dual_gap_`; `to_torch` makes a module of it.

    Raises
    ------
    ValueError
        If shapes do not fit, or no label is known.
    TypeError
        If a mask is no tensor.

    Examples
    --------
    >>> import torch
    >>> from structsvm.torch import last_layer
    >>> encoder = torch.nn.Linear(2, 3)
    >>> batch = torch.randn(8, 5, 2), torch.randint(2, (8, 5))
    >>> svm = last_layer(encoder, [batch])
    >>> svm.dual_gap_ <= 1e-3
    True
    """
    X: list[NDArray[np.floating]] = []
    y: list[Any] = []
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad():
            for n, batch in enumerate(loader):
                _add(n, module, batch, X, y)
    finally:
        module.train(was_training)
    if not X:
        raise ValueError("loader has no examples with labels: there is nothing to learn from")
    n_dims = X[0].ndim
    if svm is None:
        kinds = {1: MulticlassSVM, 2: ChainSVM, 3: GridSVM}
        more = {} if n_dims == 1 else {"ignore_label": _VOID}
        svm = kinds[n_dims](random_state=0, **more)
    expected = {MulticlassSVM: 1, ChainSVM: 2, GridSVM: 3}
    wanted = [dims for kind, dims in expected.items() if isinstance(svm, kind)]
    if wanted != [n_dims]:
        raise ValueError(
            f"svm is {type(svm).__name__}, but module returns features of {n_dims + 1} dimensions: "
            "expected ChainSVM for 3, GridSVM for 4, MulticlassSVM for 2"
        )
    if n_dims == 1:
        return clone(svm).fit(np.stack(X), np.array(y))
    return clone(svm).fit(X, y)


class ChainLayer(torch.nn.Module):  # type: ignore[misc]
    """The scores of a `ChainSVM` and their hinge: `to_torch` makes one.

    Parameters
    ----------
    svm : ChainSVM
        Fitted, with order 1 and without edge features.

    Attributes
    ----------
    state : torch.nn.Linear
        From features to scores of labels.
    hinge : ChainHinge
    """

    def __init__(self, svm: ChainSVM) -> None:
        super().__init__()
        if svm.model_.pairs_ is not None:
            raise ValueError("svm has order=2, whose states are pairs of labels: use order=1")
        if svm.n_edge_features_in_:
            raise ValueError("svm has edge features, which a ChainLayer lacks")
        n_labels = len(svm.classes_)
        self.state = _linear(svm.state_coef_.T, svm.intercept_)
        self.hinge = ChainHinge(
            n_labels,
            batch_first=True,
            cost=svm.model_.cost_matrix(),
            constraints=svm.constraints,
            labels=svm.classes_.tolist(),
        )
        _copy(self.hinge.transitions, svm.transition_coef_)
        _copy(self.hinge.start_transitions, svm.start_coef_)
        _copy(self.hinge.end_transitions, svm.end_coef_)

    def forward(
        self,
        features: torch.Tensor,
        tags: torch.Tensor,
        mask: torch.Tensor | None = None,
        reduction: str = "mean",
    ) -> torch.Tensor:
        """The hinge of a batch, which is to be made small.

        Parameters
        ----------
        features : floating tensor of shape (B, T, F)
        tags, mask, reduction
            See `ChainHinge.forward`.

        Returns
        -------
        Tensor of shape () or, with "none", (B,).
        """
        return -self.hinge(self.state(features), tags, mask, reduction)

    def decode(self, features: torch.Tensor, mask: torch.Tensor | None = None) -> list[list[int]]:
        """The best labels of each sequence, by number.

        Parameters
        ----------
        features : floating tensor of shape (B, T, F)
        mask
            See `ChainHinge.forward`.

        Returns
        -------
        list of B lists of int
        """
        labels: list[list[int]] = self.hinge.decode(self.state(features), mask)
        return labels


class GridLayer(torch.nn.Module):  # type: ignore[misc]
    """The scores of a `GridSVM` and their hinge: `to_torch` makes one.

    Parameters
    ----------
    svm : GridSVM
        Fitted, with ``pairwise="potts"`` and without edge features of its own.

    Attributes
    ----------
    node : torch.nn.Conv2d
        From features to scores of labels, pixel by pixel.
    edge : parameter of shape (n_directions or 1, n_contrasts + 1)
        Weights of the contrasts and of the constant; what is below 0 counts as 0.
    hinge : GridHinge
    """

    edge: torch.nn.Parameter
    _contrasts: list[float]
    _channels: list[int]

    def __init__(self, svm: GridSVM) -> None:
        super().__init__()
        model = svm.model_
        if svm.pairwise != "potts":
            raise ValueError(f"svm has tables, pairwise={svm.pairwise!r}; expected 'potts'")
        if model._n_own:
            raise ValueError("svm has edge features of its own, which a GridLayer lacks")
        coefficients = svm.node_coef_.T[..., None, None]
        self.node = torch.nn.Conv2d(*coefficients.shape[1::-1], 1)
        _copy(self.node.weight, coefficients)
        _copy(self.node.bias, svm.intercept_)
        weight = torch.tensor(np.asarray(model.class_weight_), dtype=torch.float32)
        self.hinge = GridHinge(
            len(svm.classes_), svm.connectivity, class_weight=weight, learn_pairwise=False
        )
        self._contrasts = model._contrasts()
        rows = np.asarray(svm.edge_coef_, dtype=np.float64)
        if svm.directions:
            rows = rows.reshape(len(model._steps), -1)
            if not svm.edge_intercept:
                rows = np.pad(rows, ((0, 0), (0, 1)))
        else:
            rows = np.append(rows, svm.edge_intercept_ if svm.edge_intercept else 0.0)[None]
        self.edge = torch.nn.Parameter(torch.tensor(rows, dtype=torch.float32))
        places = np.arange(svm.n_features_in_)[None, None]
        self._channels = model._contrast_channels(places).ravel().tolist()
        self.beta = float(model.beta_)

    def forward(
        self, features: torch.Tensor, labels: torch.Tensor, images: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The hinge of a batch of images, per pixel.

        Parameters
        ----------
        features : floating tensor of shape (B, F, H, W)
        labels : int64 tensor of shape (B, H, W)
            See `GridHinge.forward`.
        images : floating tensor of the layout of `features`, default=None
            What contrasts are computed of. None: the features themselves, as in the model.

        Returns
        -------
        Tensor of shape ().
        """
        loss: torch.Tensor = self.hinge(
            self.node(features), labels, self._pairwise(features if images is None else images)
        )
        return loss

    def decode(self, features: torch.Tensor, images: torch.Tensor | None = None) -> torch.Tensor:
        """The best labels, by number.

        Parameters
        ----------
        features, images
            See `forward`.

        Returns
        -------
        int64 tensor of shape (B, H, W)
        """
        labels: torch.Tensor = self.hinge.decode(
            self.node(features), self._pairwise(features if images is None else images)
        )
        return labels

    def _pairwise(self, images: torch.Tensor) -> torch.Tensor:
        """Scores of agreement of shape (B, n_directions, H, W)."""
        check_floating("features", images, 4)
        channels = images[:, self._channels]
        size = images.shape[2:]
        scores = []
        weights = self.edge.clamp(min=0)
        for k, step in enumerate(self.hinge._steps.tolist()):
            own = weights[k if len(weights) > 1 else 0]
            score = own[-1].expand(len(images), *size)
            if self._contrasts:
                # Entries whose edge leaves the image are not read.
                moved = torch.roll(channels, [-move for move in step], dims=(2, 3))
                square = (channels - moved).square().sum(dim=1)
                for weight, factor in zip(own, self._contrasts, strict=False):
                    alike = torch.exp(-self.beta * factor * square) / math.hypot(*step)
                    score = score + weight * alike
            scores.append(score)
        return torch.stack(scores, dim=1)


def _classifier(svm: MulticlassSVM) -> torch.nn.Linear:
    if svm.kernel not in (None, "linear"):
        raise ValueError(f"svm has kernel={svm.kernel!r}, which no linear layer has")
    coef, intercept = svm.coef_, svm.intercept_
    if len(coef) == 1:  # two classes: the score of the second one, whose sign decides
        coef, intercept = np.vstack([-coef, coef]) / 2, np.concatenate([-intercept, intercept]) / 2
    return _linear(coef, intercept)


def _linear(coef: NDArray[np.float64], intercept: NDArray[np.float64]) -> torch.nn.Linear:
    layer = torch.nn.Linear(coef.shape[1], coef.shape[0])
    _copy(layer.weight, coef)
    _copy(layer.bias, np.broadcast_to(intercept, (len(coef),)))
    return layer


def _copy(parameter: torch.nn.Parameter, values: NDArray[np.float64]) -> None:
    with torch.no_grad():
        parameter.copy_(torch.tensor(np.array(values)))


def _add(n: int, module: torch.nn.Module, batch: Any, X: list[Any], y: list[Any]) -> None:
    """Run the network on a batch, and keep features and labels of its examples."""
    if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
        raise ValueError(f"batch {n} of loader is no (inputs, labels) or (inputs, labels, mask)")
    inputs, labels = batch[:2]
    mask = batch[2] if len(batch) == 3 else None
    features = check_floating("what module returns", module(inputs), (2, 3, 4))
    if features.ndim == 4:
        features = features.movedim(1, -1)
    shape = tuple(features.shape[:-1])
    if not isinstance(labels, torch.Tensor) or tuple(labels.shape) != shape:
        raise ValueError(
            f"labels of batch {n} have shape {tuple(getattr(labels, 'shape', ()))}, expected "
            f"{shape}, that of the features"
        )
    rows = features.to("cpu", torch.float64).numpy()
    own = labels.cpu().numpy()
    if features.ndim == 2:  # a row of its own that is void says nothing
        rows, own = rows[own != _VOID], own[own != _VOID]
    if mask is None:
        X += list(rows)
        y += list(own)
        return
    if not isinstance(mask, torch.Tensor):
        raise TypeError(f"mask of batch {n} is {type(mask).__name__}, expected a tensor of bool")
    if features.ndim != 3 or tuple(mask.shape) != shape:
        raise ValueError(f"mask of batch {n} has shape {tuple(mask.shape)}, expected {shape}")
    there = mask.cpu().numpy().astype(bool)
    X += [row[kept] for row, kept in zip(rows, there, strict=True)]
    y += [row[kept] for row, kept in zip(own, there, strict=True)]
