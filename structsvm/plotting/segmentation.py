"""Image, truth, prediction and errors side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from structsvm.data.checks import shorten
from structsvm.plotting._axes import matplotlib_module
from structsvm.vision.images import as_rgb

__all__ = ["SegmentationDisplay"]

_LUMA = np.array([0.299, 0.587, 0.114])
_PANEL_HEIGHT = 2.6  # inches
_GREY = (0.6, 0.6, 0.6)
_ERROR = (0.85, 0.1, 0.1)
_OPACITY = 0.65  # of a mask over the image
_FADED = 0.25  # contrast of the image under errors
_PALETTE = "tab20"
_NAME = "SegmentationDisplay"
# Strong colours first, then their pale companions.
_N_COLOURS = 20
_ORDER = [*range(0, _N_COLOURS, 2), *range(1, _N_COLOURS, 2)]


class SegmentationDisplay:
    """An image, its labels, predicted labels and errors, a panel each.

    Parameters
    ----------
    image : array of shape (height, width), (height, width, 1) or (height, width, 3)
        Grey or RGB; uint8, uint16, bool, or floats between 0 and 1.
    truth, prediction : array of shape (height, width) of int, bool or str, default=None
        Label images. A panel of errors is drawn if both are given.
    labels : sequence of labels, default=None
        Label k of this sequence has colour k in every plot: pass all labels of the data, such as
        ``svm.classes_``. None: the labels that occur, sorted; if they are all non-negative
        integers, label k has colour k. The colours repeat after twenty.
    names : sequence of str, default=None
        Names of the labels in the legend, in the order of `labels`. None: the labels.
    ignore_label : int, bool or str, default=None
        Label of void pixels; they are drawn in grey and do not count as errors.

    Attributes
    ----------
    error_ : float or None
        The share of wrong pixels, of those that count; None without both label images.
    axes_ : array of matplotlib axes
        The panels: the image, then truth, prediction and errors if they are given.
    figure_ : matplotlib figure

    Raises
    ------
    ValueError
        If a label image has another shape than the image, or holds a label that is not in
        `labels`; or if there are too few names.

    Examples
    --------
    >>> import matplotlib
    >>> matplotlib.use("Agg")
    >>> import numpy as np
    >>> from structsvm.plotting import SegmentationDisplay
    >>> image = np.zeros((20, 30, 3))
    >>> image[5:15, 10:20] = 1.0
    >>> truth = image[..., 0] > 0.5
    >>> display = SegmentationDisplay(
    ...     image, truth, np.roll(truth, 2), names=["ground", "figure"]
    ... ).plot()
    >>> [ax.get_title() for ax in display.axes_]
    ['image', 'truth', 'prediction', 'errors: 6.67%']
    """

    def __init__(
        self,
        image: Any,
        truth: Any = None,
        prediction: Any = None,
        *,
        labels: Sequence[Any] | NDArray[Any] | None = None,
        names: Sequence[str] | None = None,
        ignore_label: Any = None,
    ) -> None:
        self.image = as_rgb(image)
        self.masks = {
            name: _check_mask(name, mask, self.image.shape[:2])
            for name, mask in (("truth", truth), ("prediction", prediction))
            if mask is not None
        }
        self.ignore_label = ignore_label
        self._key = _Key(self.masks, labels, names, ignore_label)

    @classmethod
    def from_estimator(
        cls,
        estimator: Any,
        x: Any,
        y: Any = None,
        *,
        image: Any,
        names: Sequence[str] | None = None,
        ax: Any = None,
        legend: bool = True,
    ) -> Self:
        """Draw what an estimator predicts for one image.

        Parameters
        ----------
        estimator : fitted GridSVM, or another one whose `predict` returns label images
        x : one input, as `predict` takes them in a list
        y : array of shape (height, width), default=None
            Its labels.
        image : array
            What it looks like.
        names : sequence of str, default=None
            Names of the estimator's `classes_`, in their order.
        ax, legend
            See `plot`.

        Returns
        -------
        display
        """
        check_is_fitted(estimator)
        display = cls(
            image,
            y,
            estimator.predict([x])[0],
            labels=estimator.classes_,
            names=names,
            ignore_label=getattr(estimator, "ignore_label", None),
        )
        return display.plot(ax=ax, legend=legend)

    def plot(self, *, ax: Any = None, legend: bool = True) -> Self:
        """Draw.

        Parameters
        ----------
        ax : sequence of matplotlib axes, default=None
            One for each panel. None makes a new figure.
        legend : bool, default=True
            Whether to draw a legend of the labels to the right of the last panel.

        Returns
        -------
        display

        Raises
        ------
        ValueError
            If there is not one axes for each panel.
        """
        panels = [("image", self.image)]
        panels += [
            (name, self._key.drawn_over(self.image, mask)) for name, mask in self.masks.items()
        ]
        self.error_ = None
        if len(self.masks) == 2:
            truth, guess = self.masks["truth"], self.masks["prediction"]
            self.error_, errors = _errors(self.image, truth, guess, self.ignore_label)
            panels.append((f"errors: {self.error_:.2%}", errors))
        self.axes_ = _panel_axes(ax, len(panels), self.image.shape)
        self.figure_ = self.axes_[0].figure
        for place, (title, picture) in zip(self.axes_, panels, strict=True):
            place.imshow(picture, interpolation="nearest")
            place.set_title(title)
            place.set_axis_off()
        if legend and self.masks:
            self._key.add_legend(self.axes_[-1])
        return self


class _Key:
    """The colour and the name of each label."""

    def __init__(
        self,
        masks: dict[str, NDArray[Any]],
        labels: Sequence[Any] | NDArray[Any] | None,
        names: Sequence[str] | None,
        ignore_label: Any,
    ) -> None:
        found = {name: np.unique(mask).tolist() for name, mask in masks.items()}
        shown = sorted({label for of_mask in found.values() for label in of_mask})
        self.void = [label for label in shown if label == ignore_label]
        self.shown = [label for label in shown if label != ignore_label]
        if labels is not None:
            self.places = {label: k for k, label in enumerate(np.asarray(labels).tolist())}
        elif all(isinstance(label, int) and label >= 0 for label in self.shown):
            self.places = {label: int(label) for label in self.shown}
        else:
            self.places = {label: k for k, label in enumerate(self.shown)}
        for name, of_mask in found.items():
            for label in of_mask:
                if label not in self.places and label not in self.void:
                    raise ValueError(
                        f"{name} has the label {label!r}, expected one of labels: "
                        f"{shorten(list(self.places))}"
                    )
        highest = max((self.places[label] for label in self.shown), default=-1)
        if names is not None and len(names) <= highest:
            raise ValueError(f"names has {len(names)} names, expected at least {highest + 1}")
        self.names = {
            label: str(label) if names is None else names[self.places[label]]
            for label in self.shown
        }

    def drawn_over(self, rgb: NDArray[np.float64], mask: NDArray[Any]) -> NDArray[np.float64]:
        """The colours of a label image, over the image in grey."""
        colours = np.zeros_like(rgb)
        for label in self.shown:
            colours[mask == label] = self._colour(label)
        for label in self.void:
            colours[mask == label] = _GREY
        return _OPACITY * colours + (1 - _OPACITY) * _grey(rgb)

    def add_legend(self, ax: Any) -> None:
        patch = matplotlib_module("patches", _NAME).Patch
        patches = [patch(color=self._colour(k), label=self.names[k]) for k in self.shown]
        patches += [patch(color=_GREY, label=f"void ({label})") for label in self.void]
        ax.legend(handles=patches, loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)

    def _colour(self, label: Any) -> tuple[float, float, float]:
        colours = matplotlib_module("", _NAME).colormaps[_PALETTE].colors
        red, green, blue = colours[_ORDER[self.places[label] % _N_COLOURS]]
        return red, green, blue


def _errors(
    rgb: NDArray[np.float64], truth: NDArray[Any], prediction: NDArray[Any], ignore_label: Any
) -> tuple[float, NDArray[np.float64]]:
    counted = np.ones(truth.shape, dtype=bool) if ignore_label is None else truth != ignore_label
    wrong = counted & (truth != prediction)
    picture = 1 - _FADED + _FADED * _grey(rgb)
    picture[~counted] = _GREY
    picture[wrong] = _ERROR
    return float(wrong.sum() / max(counted.sum(), 1)), picture


def _grey(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    lightness = rgb @ _LUMA
    return np.repeat(lightness[..., None], 3, axis=-1)


def _check_mask(name: str, mask: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    array = np.asarray(mask)
    if array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}, expected {shape} as the image has")
    if array.dtype.kind not in "iubU":
        raise ValueError(
            f"{name} has dtype {array.dtype}; labels must be integers, booleans or strings"
        )
    return array


def _panel_axes(axes: Any, n_panels: int, shape: tuple[int, ...]) -> NDArray[Any]:
    if axes is None:
        width = _PANEL_HEIGHT * shape[1] / shape[0]
        size = (n_panels * min(max(width, 1.5), 6.0) + 1.0, _PANEL_HEIGHT + 0.4)
        figure = matplotlib_module("pyplot", _NAME).figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, n_panels, squeeze=False)
    panels = np.atleast_1d(np.asarray(axes, dtype=object)).ravel()
    if len(panels) != n_panels:
        raise ValueError(f"there are {len(panels)} axes, expected {n_panels}: one for each panel")
    return panels
