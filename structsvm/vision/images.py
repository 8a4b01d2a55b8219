"""Checks of images, and their colours; only this module imports scikit-image."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from structsvm.data.sparse import check_finite
from structsvm.exceptions import warn

__all__ = [
    "Channels",
    "as_rgb",
    "channels_of",
    "check_image",
    "check_range",
    "is_white",
    "lab_colours",
    "natural_range",
    "scaled_values",
    "skimage_module",
]

# Lightness is 0 to 100; divided by this, all three values of Lab are about -2 to 2.
_LAB_UNIT = 50.0

# White, for images of 8, 10, 12, 14 and 16 bits.
_WHITES = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)


def skimage_module(name: str) -> Any:
    """A module of scikit-image; if it is missing, the ImportError says what to install."""
    try:
        return importlib.import_module(f"skimage.{name}")
    except ImportError as error:
        raise ImportError(
            "structsvm.vision needs scikit-image: pip install 'structured-svm[vision]'"
        ) from error


def check_image(image: Any, name: str = "image") -> NDArray[Any]:
    """An array of shape (height, width) or (height, width, n_channels) of finite real numbers."""
    if np.ma.is_masked(image):
        raise ValueError(f"{name} has masked entries; fill them: pixels must be numbers")
    try:
        pixels = np.asarray(image)
    except ValueError as error:
        raise ValueError(f"{name} is no rectangular array of numbers: {error}") from None
    if pixels.dtype.kind not in "fiub":
        raise ValueError(f"{name} has dtype {pixels.dtype}, expected real numbers")
    if pixels.ndim not in (2, 3):
        raise ValueError(
            f"{name} has shape {pixels.shape}, expected (height, width) or (height, width, "
            "n_channels)"
        )
    if not pixels.size:
        raise ValueError(f"{name} has shape {pixels.shape}: there is no pixel")
    if pixels.dtype.kind == "f" and (place := check_finite(pixels.reshape(-1))) is not None:
        index = ", ".join(map(str, np.unravel_index(place, pixels.shape)))
        raise ValueError(f"{name}[{index}] is {pixels.reshape(-1)[place]}; pixels must be finite")
    return pixels


def as_rgb(image: Any) -> NDArray[np.float64]:
    """A photograph as red, green and blue from 0 to 1, of shape (height, width, 3)."""
    pixels = check_image(image)
    if pixels.ndim == 3 and pixels.shape[2] not in (1, 3):
        n_channels = pixels.shape[2]
        hint = ": leave out transparency by image[..., :3]" if n_channels == 4 else ""
        raise ValueError(f"image has {n_channels} channels, expected 3 (RGB) or 1 (grey){hint}")
    return _rgb(scaled_values(pixels, None))


class Channels(NamedTuple):
    planes: NDArray[np.float64]  #: (n_channels, height, width)
    is_lab: bool  #: whether they are Lab colours


def channels_of(image: Any, value_range: Any = None) -> Channels:
    """Lab colours of grey and RGB images; any other number of channels as they are, from 0 to 1."""
    pixels = check_image(image)
    scaled = scaled_values(pixels, value_range)
    if pixels.ndim == 3 and pixels.shape[2] == 4 and (scaled[..., 3] == 1).all():
        warn(
            "image has 4 channels, of which the last is the greatest value everywhere: if it is "
            "transparency, leave it out by image[..., :3]",
            UserWarning,
        )
    if pixels.ndim == 2 or pixels.shape[2] in (1, 3):
        return Channels(_lab(_rgb(scaled)), True)
    return Channels(np.ascontiguousarray(np.moveaxis(scaled, -1, 0)), False)


def _rgb(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    if scaled.ndim == 2:
        scaled = scaled[..., None]
    return np.ascontiguousarray(np.broadcast_to(scaled, (*scaled.shape[:2], 3)))


def scaled_values(pixels: NDArray[Any], value_range: Any) -> NDArray[np.float64]:
    """Values from 0 to 1, for checked pixels."""
    if value_range is None:
        value_range = natural_range([pixels])
        if pixels.dtype == np.uint8 and pixels.max() == 1:
            warn(
                "image has dtype uint8 but values only up to 1, not 255, so it is nearly black. If "
                "it is a mask, pass image == 1, or value_range=(0, 1)",
                UserWarning,
            )
    low, high = check_range(value_range)
    least, most = float(pixels.min()), float(pixels.max())
    if not low <= least <= most <= high:
        raise ValueError(
            f"image has values from {least:g} to {most:g}, expected {low:g} to {high:g}, the "
            "value_range"
        )
    if low == high:
        return np.zeros(pixels.shape)
    values = pixels.astype(np.float64)
    if low == 0:
        return values / high
    half_low, half_high = low / 2, high / 2  # their difference does not overflow
    return np.clip((values / 2 - half_low) / (half_high - half_low), 0.0, 1.0)


def natural_range(images: Sequence[NDArray[Any]]) -> tuple[float, float]:
    """The values of black and white of a set of images, by what is there."""
    if all(pixels.dtype == np.uint8 for pixels in images):
        return 0.0, 255.0
    least = min(float(pixels.min()) for pixels in images)
    most = max(float(pixels.max()) for pixels in images)
    floats = any(pixels.dtype.kind == "f" for pixels in images)
    truths = all(pixels.dtype.kind == "b" for pixels in images)
    if least >= 0:
        for white in ((1.0,) if floats or truths else ()) + _WHITES:
            if most <= white:
                return 0.0, white
    return least, most


def is_white(value_range: tuple[float, float]) -> bool:
    """Whether a range is that of some number of bits, and not of the values that occur."""
    return value_range[0] == 0 and value_range[1] in (1.0, *_WHITES)


def check_range(value_range: Any) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError, OverflowError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise ValueError(
            f"value_range={value_range!r}: expected the values of black and of white, such as "
            "(0, 4095)"
        )
    return low, high


def lab_colours(image: Any) -> NDArray[np.float64]:
    """Lightness and the two opponent colours of CIE Lab over 50, of shape (3, height, width)."""
    return _lab(as_rgb(image))


def _lab(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    lab = skimage_module("color").rgb2lab(rgb)
    return np.ascontiguousarray(np.moveaxis(lab, -1, 0)) / _LAB_UNIT
