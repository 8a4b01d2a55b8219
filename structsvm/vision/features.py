"""Features of the pixels of a photograph for linear models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from structsvm.vision.images import lab_colours, skimage_module

__all__ = ["FEATURE_GROUPS", "feature_names", "pixel_features"]

#: The groups of features, in their order.
FEATURE_GROUPS = (
    "colour",
    "smoothed",
    "deviation",
    "gradient",
    "texture",
    "position",
    "border",
)

Plane = NDArray[np.float64]

_CHANNELS = ("L", "a", "b")
_DIRECTIONS = ("vertical", "horizontal", "falling", "rising")
_SIDES = ("top", "bottom", "left", "right")
_POSITIONS = ("x", "y", "xx", "yy", "xy", "radius", "xxxx", "yyyy")

_N_PATTERNS = 10  # uniform patterns of 8 neighbours: 0 to 8 brighter ones in a row, and the rest
_PATTERN_WINDOW = 15
_LEVELS_PER_UNIT = 100.0  # grey levels for the patterns

# Width of the border, as a share of the shorter side.
_BORDER_SHARE = 0.06
_N_BINS = 12  # of the colour histogram, in each channel
_BIN_SMOOTHING = 1.0  # standard deviation, in bins
_COLOUR_WINDOW = 5  # colours are averaged over this window before they are counted
_RAREST = 1e-4  # added to the shares of colours: logarithms of unseen colours stay finite


def pixel_features(
    image: Any, *, groups: Iterable[str] | None = None, scales: Sequence[int] = (9, 25)
) -> NDArray[np.float32]:
    r"""Features of each pixel of a photograph for a linear model.

    Parameters
    ----------
    image : array of shape (height, width), (height, width, 1) or (height, width, 3)
        Grey or RGB; uint8, uint16, bool, or floats between 0 and 1.
    groups : iterable of str, default=None
        Names from the list below; None for all. Columns have the order of this list.

        - "colour": CIE Lab over 50 (3 columns).
        - "smoothed": CIE Lab averaged over a square window (3 for each scale).
        - "deviation": standard deviation of the lightness in the window (1 for each scale).
        - "gradient": length of the lightness gradient (1), and absolute derivatives of the
          lightness in four directions, averaged over the window (4 for each scale).
        - "texture": shares of the ten uniform local binary patterns in a window of 15 x 15 (10).
        - "position": x and y from -1 to 1, their products, fourth powers, and the distance from
          the centre (8).
        - "border": contrast to the border of the image, where objects are rare: absolute
          difference of Lab from the median of the border (3), distance of the smoothed colour from
          the median of each side (4), and the logarithm of a colour's share of the border over its
          share of the image, at the pixel (1) and averaged over the window (1 for each scale).
    scales : sequence of int, default=(9, 25)
        Widths of the windows in pixels, at least one width. The default suits photographs about
        200 pixels wide.

    Returns
    -------
    features : array of shape (height, width, n_features), float32
        48 features with the defaults; `feature_names` names them.

    Raises
    ------
    ImportError
        If scikit-image is not installed.
    ValueError
        If the image has another shape (such as RGBA) or range, is empty, or has an entry that is
        not finite; or if a group is unknown or a scale is not an integer >= 1.

    Notes
    -----
    Time is O(height * width * n_features), for any scales. Windows mirror the image at its edges.

    References
    ----------
    T. Ojala, M. Pietikäinen, T. Mäenpää. Multiresolution Gray-Scale and Rotation Invariant Texture
    Classification with Local Binary Patterns. IEEE Transactions on Pattern Analysis and Machine
    Intelligence 24, 2002. https://doi.org/10.1109/TPAMI.2002.1017623

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm.vision import pixel_features
    >>> image = np.random.default_rng(0).integers(256, size=(40, 60, 3), dtype=np.uint8)
    >>> pixel_features(image).shape
    (40, 60, 48)
    >>> pixel_features(image, groups=["colour", "position"]).shape
    (40, 60, 11)
    """
    chosen, windows = _check_groups(groups), _check_scales(scales)
    photograph = _Photograph(lab_colours(image), windows)
    n_features = len(feature_names(groups=chosen, scales=windows))
    features = np.empty((*photograph.shape, n_features), dtype=np.float32)
    planes = (plane for group in chosen for plane in getattr(photograph, group)())
    for k, plane in enumerate(planes):
        features[..., k] = plane
    return features


def feature_names(
    *, groups: Iterable[str] | None = None, scales: Sequence[int] = (9, 25)
) -> list[str]:
    """Names of the columns of `pixel_features`.

    Parameters
    ----------
    groups, scales
        See `pixel_features`.

    Returns
    -------
    names : list of str
        The group, then the name of the feature in it.

    Raises
    ------
    ValueError
        If a group is unknown or a scale is not an integer >= 1.

    Examples
    --------
    >>> from structsvm.vision import feature_names
    >>> feature_names(groups=["colour", "deviation"])
    ['colour L', 'colour a', 'colour b', 'deviation 9', 'deviation 25']
    """
    windows = _check_scales(scales)
    names = {
        "colour": list(_CHANNELS),
        "smoothed": [f"{channel} {w}" for w in windows for channel in _CHANNELS],
        "deviation": [str(w) for w in windows],
        "gradient": ["length", *(f"{d} {w}" for w in windows for d in _DIRECTIONS)],
        "texture": [str(k) for k in range(_N_PATTERNS)],
        "position": list(_POSITIONS),
        "border": [
            *_CHANNELS,
            *_SIDES,
            "likelihood",
            *(f"likelihood {w}" for w in windows),
        ],
    }
    return [f"{group} {name}" for group in _check_groups(groups) for name in names[group]]


def _check_groups(groups: Iterable[str] | None) -> list[str]:
    if groups is None:
        return list(FEATURE_GROUPS)
    if isinstance(groups, str):
        raise ValueError(f"groups={groups!r}: expected a list of names, such as [{groups!r}]")
    wanted = list(groups)
    for group in wanted:
        if group not in FEATURE_GROUPS:
            known = ", ".join(map(repr, FEATURE_GROUPS))
            raise ValueError(f"groups has {group!r}: expected names from {known}")
    if not wanted:
        raise ValueError("groups is empty, expected at least one group")
    return [group for group in FEATURE_GROUPS if group in wanted]


def _check_scales(scales: Sequence[int]) -> tuple[int, ...]:
    if isinstance(scales, str) or not hasattr(scales, "__len__") or not len(scales):
        raise ValueError(
            f"scales={scales!r}: expected widths of windows in pixels, such as (9, 25)"
        )
    for k, width in enumerate(scales):
        if not isinstance(width, Integral) or isinstance(width, bool) or width < 1:
            raise ValueError(f"scales[{k}] is {width!r}, expected an integer >= 1")
    return tuple(int(width) for width in scales)


def _average(plane: NDArray[Any], width: int) -> Plane:
    averaged: Plane = ndimage.uniform_filter(plane, width, output=np.float64)
    return averaged


class _Photograph:
    """Lab colours of one image; the method named like a group yields its features."""

    def __init__(self, lab: Plane, windows: tuple[int, ...]) -> None:
        self.lab = lab
        self.lightness = lab[0]
        self.windows = windows
        self.shape: tuple[int, int] = lab.shape[1:]  # type: ignore[assignment]

    def colour(self) -> Iterator[Plane]:
        yield from self.lab

    def smoothed(self) -> Iterator[Plane]:
        for averages in self._averages.values():
            yield from averages

    def deviation(self) -> Iterator[Plane]:
        for width, averages in self._averages.items():
            square = _average(self.lightness**2, width)
            yield np.sqrt(np.maximum(square - averages[0] ** 2, 0.0))

    def gradient(self) -> Iterator[Plane]:
        down = ndimage.sobel(self.lightness, 0)
        right = ndimage.sobel(self.lightness, 1)
        yield np.hypot(down, right)
        diagonal = np.sqrt(0.5)
        derivatives = (down, right, diagonal * (down + right), diagonal * (down - right))
        lengths = [np.abs(derivative) for derivative in derivatives]
        for width in self.windows:
            for length in lengths:
                yield _average(length, width)

    def texture(self) -> Iterator[Plane]:
        levels = np.clip(self.lightness * _LEVELS_PER_UNIT, 0, 255).astype(np.uint8)
        patterns = skimage_module("feature").local_binary_pattern(levels, 8, 1, "uniform")
        for k in range(_N_PATTERNS):
            yield _average(patterns == k, _PATTERN_WINDOW)

    def position(self) -> Iterator[Plane]:
        height, width = self.shape
        y = np.broadcast_to(_from_minus_one_to_one(height)[:, None], self.shape)
        x = np.broadcast_to(_from_minus_one_to_one(width), self.shape)
        xx, yy = x * x, y * y
        yield from (x, y, xx, yy, x * y, np.hypot(x, y), xx * xx, yy * yy)

    def border(self) -> Iterator[Plane]:
        lab, depth = self.lab, self._border_depth
        yield from np.abs(lab - np.median(lab[:, self._is_border], axis=1)[:, None, None])
        colours = self._averages[self.windows[0]]
        sides = (lab[:, :depth], lab[:, -depth:], lab[:, :, :depth], lab[:, :, -depth:])
        for side in sides:
            median = np.median(side.reshape(3, -1), axis=1)
            yield np.sqrt(((colours - median[:, None, None]) ** 2).sum(axis=0))
        likelihood = self._border_likelihood()
        yield likelihood
        for width in self.windows:
            yield _average(likelihood, width)

    @cached_property
    def _averages(self) -> dict[int, Plane]:
        return {
            width: np.stack([_average(channel, width) for channel in self.lab])
            for width in self.windows
        }

    @cached_property
    def _border_depth(self) -> int:
        return max(1, round(_BORDER_SHARE * min(self.shape)))

    @cached_property
    def _is_border(self) -> NDArray[np.bool_]:
        inside = np.zeros(self.shape, dtype=bool)
        depth = self._border_depth
        inside[depth:-depth, depth:-depth] = True
        return ~inside

    def _border_likelihood(self) -> Plane:
        """The logarithm of a colour's share of the border over its share of the image."""
        colours = np.stack([_average(channel, _COLOUR_WINDOW) for channel in self.lab])
        lowest, highest = (f(colours, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
        span = np.where(highest > lowest, highest - lowest, 1.0)
        bins = np.minimum((colours - lowest) / span * _N_BINS, _N_BINS - 1).astype(np.intp)
        cells = (bins[0] * _N_BINS + bins[1]) * _N_BINS + bins[2]
        border, everywhere = (_shares(c) for c in (cells[self._is_border], cells.ravel()))
        logarithm: Plane = np.log((border + _RAREST) / (everywhere + _RAREST))[cells]
        return logarithm


def _shares(cells: NDArray[np.intp]) -> Plane:
    """The share of each cell of the colour histogram, smoothed over nearby cells."""
    counts = np.bincount(cells, minlength=_N_BINS**3).reshape((_N_BINS,) * 3)
    smooth: Plane = ndimage.gaussian_filter(counts / len(cells), _BIN_SMOOTHING)
    return smooth.ravel()


def _from_minus_one_to_one(n: int) -> Plane:
    return np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1)
