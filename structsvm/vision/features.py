"""Features of the pixels of a photograph for linear models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from structsvm.data.checks import check_scalar
from structsvm.vision.images import Channels, channels_of, skimage_module

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
    "ridge",
    "oriented",
)

Plane = NDArray[np.float64]

_CHANNELS = ("L", "a", "b")
_DIRECTIONS = ("vertical", "horizontal", "falling", "rising")
_SIDES = ("top", "bottom", "left", "right")
_POLARITIES = ("bright", "dark")
_POSITIONS = ("x", "y", "xx", "yy", "xy", "radius", "xxxx", "yyyy")

_N_PATTERNS = 10  # uniform patterns of 8 neighbours: 0 to 8 brighter ones in a row, and the rest
_PATTERN_WINDOW = 15
_LEVELS_PER_UNIT = 100.0  # grey levels for the patterns

_N_TURNS = 8  # directions of lines, from 0 to below 180 degrees
_TRUNCATE = 4.0  # where Gaussians end, in widths sigma
_LENGTH = 4.0  # of the pieces of line that responses are averaged over, in widths sigma, each way
_MEIJERING = 1 / 3  # the share of the other curvature that is added

# Width of the border, as a share of the shorter side.
_BORDER_SHARE = 0.06
_N_BINS = 12  # of the colour histogram, in each channel
_BIN_SMOOTHING = 1.0  # standard deviation, in bins
_COLOUR_WINDOW = 5  # colours are averaged over this window before they are counted
_RAREST = 1e-4  # added to the shares of colours: logarithms of unseen colours stay finite


def pixel_features(
    image: Any,
    *,
    groups: Iterable[str] | None = None,
    scales: Sequence[int] = (9, 25),
    sigmas: Sequence[float] = (1.0, 1.5, 2.5, 4.0),
    value_range: tuple[float, float] | None = None,
) -> NDArray[np.float32]:
    r"""Features of each pixel of an image for a linear model.

    Parameters
    ----------
    image : array of shape (height, width) or (height, width, n_channels)
        One channel is grey and three are red, green and blue; their Lab colours are used. Any other
        number of channels is used as it is, each channel by itself.
    groups : iterable of str, default=None
        Names from the list below; None for all. Columns have the order of this list. The numbers
        of columns are those of grey and RGB images; for n channels, "position" stays, and all
        others have a set of columns for each channel.

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
        - "ridge": for lines and tubes, the larger and the smaller curvature of the lightness,
          which are the eigenvalues of its Hessian times sigma squared (2 for each sigma); and the
          measures of Sato and of Meijering, which are their maxima over all sigmas, for bright and
          for dark ridges (4).
        - "oriented": second derivative of the lightness across a direction, averaged along a piece
          of line in that direction, 4 sigma each way: the greatest of 8 directions, for bright and
          for dark lines (2 for each sigma).
    scales : sequence of int, default=(9, 25)
        Widths of the windows in pixels, at least one width. The default suits photographs about
        200 pixels wide.
    sigmas : sequence of float, default=(1, 1.5, 2.5, 4)
        For "ridge" and "oriented": standard deviations of the Gaussians, about half the widths of
        lines, in pixels.
    value_range : tuple of two float, default=None
        The values of black and white. None: for uint8 0 and 255, for truth values 0 and 1; else 0
        and the least of 1 (floats only), 255, 1023, 4095, 16383 and 65535 that no value exceeds:
        images of 8, 10, 12, 14 and 16 bits in any dtype. If values are negative or larger, the
        least and the greatest of them. Images of one set need one range: `PixelFeatures` finds it,
        or give it here, such as ``(0, 4095)``.

    Returns
    -------
    features : array of shape (height, width, n_features), float32
        68 features with the defaults; `feature_names` names them.

    Raises
    ------
    ImportError
        If scikit-image is not installed.
    ValueError
        If the image has another shape, is empty, has an entry that is not finite or outside of
        `value_range`; if a group is unknown, a scale is not an integer >= 1, or a sigma not > 0.

    See Also
    --------
    PixelFeatures : the same for lists of images, with one range and number of channels.

    Notes
    -----
    Time is O(height * width * n_features), for any scales. Windows mirror the image at its edges.

    References
    ----------
    T. Ojala, M. Pietikäinen, T. Mäenpää. Multiresolution Gray-Scale and Rotation Invariant Texture
    Classification with Local Binary Patterns. IEEE Transactions on Pattern Analysis and Machine
    Intelligence 24, 2002. https://doi.org/10.1109/TPAMI.2002.1017623
    Y. Sato et al. Three-dimensional multi-scale line filter for segmentation and visualization of
    curvilinear structures in medical images. Medical Image Analysis 2, 1998.
    https://doi.org/10.1016/S1361-8415(98)80009-1
    E. Meijering et al. Design and validation of a tool for neurite tracing and analysis in
    fluorescence microscopy images. Cytometry Part A 58A, 2004.
    https://doi.org/10.1002/cyto.a.20022

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm.vision import pixel_features
    >>> image = np.random.default_rng(0).integers(256, size=(40, 60, 3), dtype=np.uint8)
    >>> pixel_features(image).shape
    (40, 60, 68)
    >>> pixel_features(image, groups=["colour", "position"]).shape
    (40, 60, 11)
    >>> two_channels = np.random.default_rng(0).integers(4096, size=(40, 60, 2), dtype=np.uint16)
    >>> pixel_features(two_channels, groups=["colour", "ridge"]).shape
    (40, 60, 26)
    """
    chosen, windows, widths = _check_groups(groups), _check_scales(scales), _check_sigmas(sigmas)
    photograph = _Photograph(channels_of(image, value_range), windows, widths)
    names = feature_names(
        groups=chosen, scales=windows, sigmas=widths, n_channels=photograph.n_channels
    )
    features = np.empty((*photograph.shape, len(names)), dtype=np.float32)
    planes = (plane for group in chosen for plane in getattr(photograph, group)())
    for k, plane in enumerate(planes):
        features[..., k] = plane
    return features


def feature_names(
    *,
    groups: Iterable[str] | None = None,
    scales: Sequence[int] = (9, 25),
    sigmas: Sequence[float] = (1.0, 1.5, 2.5, 4.0),
    n_channels: int = 3,
) -> list[str]:
    """Names of the columns of `pixel_features`.

    Parameters
    ----------
    groups, scales, sigmas
        See `pixel_features`.
    n_channels : int, default=3
        Of the images; 1 and 3 are the same.

    Returns
    -------
    names : list of str
        The group, then the name of the feature in it, with the number of the channel where each
        has its own.

    Raises
    ------
    ValueError
        If a group is unknown, a scale or `n_channels` is not an integer >= 1, or a sigma not > 0.

    Examples
    --------
    >>> from structsvm.vision import feature_names
    >>> feature_names(groups=["colour", "deviation"])
    ['colour L', 'colour a', 'colour b', 'deviation 9', 'deviation 25']
    >>> feature_names(groups=["deviation"], scales=[9], n_channels=2)
    ['deviation 0 9', 'deviation 1 9']
    """
    check_scalar("n_channels", n_channels, above=0, integer=True)
    windows, widths = _check_scales(scales), _check_sigmas(sigmas)
    photograph = n_channels in (1, 3)
    colours = list(_CHANNELS) if photograph else [str(c) for c in range(n_channels)]
    each = [""] if photograph else [f"{c} " for c in colours]
    shares = ["likelihood", *(f"likelihood {w}" for w in windows)]
    border = (
        [*_CHANNELS, *_SIDES, *shares]
        if photograph
        else [f"{c}{name}" for c in each for name in ("difference", *_SIDES, *shares)]
    )
    names = {
        "colour": colours,
        "smoothed": [f"{channel} {w}" for w in windows for channel in colours],
        "deviation": [f"{c}{w}" for c in each for w in windows],
        "gradient": [
            f"{c}{name}"
            for c in each
            for name in ("length", *(f"{d} {w}" for w in windows for d in _DIRECTIONS))
        ],
        "texture": [f"{c}{k}" for c in each for k in range(_N_PATTERNS)],
        "position": list(_POSITIONS),
        "border": border,
        "ridge": [
            f"{c}{name}"
            for c in each
            for name in (
                *(f"{which} {sigma:g}" for sigma in widths for which in ("larger", "smaller")),
                *(f"{which} {of}" for which in ("Sato", "Meijering") for of in _POLARITIES),
            )
        ],
        "oriented": [f"{c}{of} {sigma:g}" for c in each for sigma in widths for of in _POLARITIES],
    }
    return [f"{group} {name}" for group in _check_groups(groups) for name in names[group]]


def reach_of(
    groups: Iterable[str] | None, scales: Sequence[int], sigmas: Sequence[float]
) -> dict[str, int | None]:
    """For each group, how many pixels away its features see; None for the whole image."""
    half, widest = max(_check_scales(scales)) // 2, max(_check_sigmas(sigmas))
    curved = int(_TRUNCATE * widest + 0.5)
    reach = {
        "colour": 0,
        "smoothed": half,
        "deviation": half,
        "gradient": half + 1,
        "texture": _PATTERN_WINDOW // 2 + 1,
        "position": None,
        "border": None,
        "ridge": curved,
        "oriented": curved + _pieces(widest),
    }
    return {group: reach[group] for group in _check_groups(groups)}


def _check_groups(groups: Iterable[str] | None) -> list[str]:
    if groups is None:
        return list(FEATURE_GROUPS)
    if isinstance(groups, str):
        raise ValueError(f"groups={groups!r}: expected a list of names, such as [{groups!r}]")
    if not isinstance(groups, Iterable):
        raise ValueError(f"groups={groups!r}: expected a list of names, such as ['colour']")
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


def _check_sigmas(sigmas: Sequence[float]) -> tuple[float, ...]:
    if isinstance(sigmas, str) or not hasattr(sigmas, "__len__") or not len(sigmas):
        raise ValueError(f"sigmas={sigmas!r}: expected widths of lines in pixels, such as (1, 2.5)")
    for k, sigma in enumerate(sigmas):
        check_scalar(f"sigmas[{k}]", sigma, above=0)
    return tuple(float(sigma) for sigma in sigmas)


def _average(plane: NDArray[Any], width: int) -> Plane:
    averaged: Plane = ndimage.uniform_filter(plane, width, output=np.float64)
    return averaged


class _Photograph:
    """Channels of one image; the method named like a group yields its features.

    `channels` are Lab colours, whose lightness alone stands for the image where one plane is
    needed, or any others, each of which does.
    """

    def __init__(
        self, channels: Channels, windows: tuple[int, ...], sigmas: tuple[float, ...]
    ) -> None:
        self.channels = channels.planes
        self.n_channels = len(channels.planes)
        self.is_lab = channels.is_lab
        self.intensities = self.channels[:1] if self.is_lab else self.channels
        self.windows = windows
        self.sigmas = sigmas
        self.shape: tuple[int, int] = self.channels.shape[1:]  # type: ignore[assignment]

    def colour(self) -> Iterator[Plane]:
        yield from self.channels

    def smoothed(self) -> Iterator[Plane]:
        for averages in self._averages.values():
            yield from averages

    def deviation(self) -> Iterator[Plane]:
        for c, intensity in enumerate(self.intensities):
            for width, averages in self._averages.items():
                square = _average(intensity**2, width)
                yield np.sqrt(np.maximum(square - averages[c] ** 2, 0.0))

    def gradient(self) -> Iterator[Plane]:
        for intensity in self.intensities:
            down = ndimage.sobel(intensity, 0)
            right = ndimage.sobel(intensity, 1)
            yield np.hypot(down, right)
            diagonal = np.sqrt(0.5)
            derivatives = (down, right, diagonal * (down + right), diagonal * (down - right))
            lengths = [np.abs(derivative) for derivative in derivatives]
            for width in self.windows:
                for length in lengths:
                    yield _average(length, width)

    def texture(self) -> Iterator[Plane]:
        unit = _LEVELS_PER_UNIT if self.is_lab else 255.0
        for intensity in self.intensities:
            levels = np.clip(intensity * unit, 0, 255).astype(np.uint8)
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
        if self.is_lab:
            yield from self._border_of(slice(None))
        else:
            for c in range(self.n_channels):
                yield from self._border_of(slice(c, c + 1))

    def ridge(self) -> Iterator[Plane]:
        for intensity in self.intensities:
            curvatures = [_curvatures(*hessian) for hessian in self._hessians(intensity)]
            for larger, smaller in curvatures:
                yield from (larger, smaller)
            for sign in (-1, 1):
                strongest = [
                    np.maximum(-smaller if sign < 0 else larger, 0.0)
                    for larger, smaller in curvatures
                ]
                yield np.max(strongest, axis=0)
            for sign in (-1, 1):
                shares = [
                    np.maximum(
                        np.maximum(sign * larger, sign * smaller)
                        + _MEIJERING * np.minimum(sign * larger, sign * smaller),
                        0.0,
                    )
                    for larger, smaller in curvatures
                ]
                yield np.max(shares, axis=0)

    def oriented(self) -> Iterator[Plane]:
        for intensity in self.intensities:
            for sigma, hessian in zip(self.sigmas, self._hessians(intensity), strict=True):
                yield from _along_lines(*hessian, reach=_pieces(sigma))

    def _hessians(self, intensity: Plane) -> Iterator[tuple[Plane, Plane, Plane]]:
        """Second derivatives times sigma squared, for each sigma: down, mixed, right."""
        for sigma in self.sigmas:
            down, mixed, right = (
                sigma**2
                * ndimage.gaussian_filter(intensity, sigma, order=order, truncate=_TRUNCATE)
                for order in ((2, 0), (1, 1), (0, 2))
            )
            yield down, mixed, right

    def _border_of(self, which: slice) -> Iterator[Plane]:
        channels, depth = self.channels[which], self._border_depth
        medians = np.median(channels[:, self._is_border], axis=1)
        yield from np.abs(channels - medians[:, None, None])
        colours = self._averages[self.windows[0]][which]
        sides = (
            channels[:, :depth],
            channels[:, -depth:],
            channels[:, :, :depth],
            channels[:, :, -depth:],
        )
        for side in sides:
            median = np.median(side.reshape(len(channels), -1), axis=1)
            yield np.sqrt(((colours - median[:, None, None]) ** 2).sum(axis=0))
        likelihood = self._border_likelihood(channels)
        yield likelihood
        for width in self.windows:
            yield _average(likelihood, width)

    @cached_property
    def _averages(self) -> dict[int, Plane]:
        return {
            width: np.stack([_average(channel, width) for channel in self.channels])
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

    def _border_likelihood(self, channels: Plane) -> Plane:
        """The logarithm of a colour's share of the border over its share of the image."""
        colours = np.stack([_average(channel, _COLOUR_WINDOW) for channel in channels])
        lowest, highest = (f(colours, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
        span = np.where(highest > lowest, highest - lowest, 1.0)
        bins = np.minimum((colours - lowest) / span * _N_BINS, _N_BINS - 1).astype(np.intp)
        cells = bins[0]
        for of_channel in bins[1:]:
            cells = cells * _N_BINS + of_channel
        n = len(channels)
        border, everywhere = (_shares(c, n) for c in (cells[self._is_border], cells.ravel()))
        logarithm: Plane = np.log((border + _RAREST) / (everywhere + _RAREST))[cells]
        return logarithm


def _pieces(sigma: float) -> int:
    """Pixels of a piece of line, each way."""
    return max(1, round(_LENGTH * sigma))


def _curvatures(down: Plane, mixed: Plane, right: Plane) -> tuple[Plane, Plane]:
    """The larger and the smaller eigenvalue of Hessians."""
    middle, spread = 0.5 * (down + right), np.hypot(0.5 * (down - right), mixed)
    return middle + spread, middle - spread


def _along_lines(down: Plane, mixed: Plane, right: Plane, reach: int) -> tuple[Plane, Plane]:
    """Second derivatives across a direction, averaged along it, of both signs: the greatest."""
    bright, dark = np.zeros((2, *down.shape))
    for turn in range(_N_TURNS):
        angle = np.pi * turn / _N_TURNS
        y, x = np.sin(angle), np.cos(angle)  # along the line; across it are (x, -y)
        across = x * x * down - 2 * x * y * mixed + y * y * right
        steps = [(round(k * y), round(k * x)) for k in range(-reach, reach + 1)]
        padded = np.pad(across, reach, mode="symmetric")
        height, width = across.shape
        total = np.zeros_like(across)
        for i, j in steps:
            total += padded[reach + i : reach + i + height, reach + j : reach + j + width]
        np.maximum(bright, -total / len(steps), out=bright)
        np.maximum(dark, total / len(steps), out=dark)
    return bright, dark


def _shares(cells: NDArray[np.intp], n_channels: int) -> Plane:
    """The share of each cell of the colour histogram, smoothed over nearby cells."""
    counts = np.bincount(cells, minlength=_N_BINS**n_channels).reshape((_N_BINS,) * n_channels)
    smooth: Plane = ndimage.gaussian_filter(counts / len(cells), _BIN_SMOOTHING)
    return smooth.ravel()


def _from_minus_one_to_one(n: int) -> Plane:
    return np.linspace(-1.0, 1.0, n) if n > 1 else np.zeros(1)
