"""Checks of images, and their colours; only this module imports scikit-image."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from structsvm.data.sequences import check_finite
from structsvm.exceptions import warn

__all__ = ["as_rgb", "check_image", "lab_colours", "skimage_module"]

# Lightness is 0 to 100; divided by this, all three values of Lab are about -2 to 2.
_LAB_UNIT = 50.0


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
    if pixels.dtype.kind == "f":
        lowest, highest = pixels.min(), pixels.max()
        if lowest < 0 or highest > 1:
            raise ValueError(
                f"image has dtype {pixels.dtype} and values from {lowest} to {highest}, expected "
                "floats between 0 and 1: divide or clip"
            )
        scaled = pixels.astype(np.float64, copy=False)
    elif pixels.dtype in (np.uint8, np.uint16):
        _warn_of_few_bits(pixels)
        scaled = pixels / float(np.iinfo(pixels.dtype).max)
    elif pixels.dtype.kind == "b":
        scaled = pixels.astype(np.float64)
    else:
        raise ValueError(
            f"image has dtype {pixels.dtype}, whose range is not known; expected uint8, uint16, "
            "bool, or floats between 0 and 1"
        )
    if scaled.ndim == 2:
        scaled = scaled[..., None]
    return np.ascontiguousarray(np.broadcast_to(scaled, (*scaled.shape[:2], 3)))


def _warn_of_few_bits(pixels: NDArray[Any]) -> None:
    """Warn of pixels that leave high bits unused: they would be read as nearly black."""
    most, full = int(pixels.max()), int(np.iinfo(pixels.dtype).max)
    if most == 0 or most > (1 if full == 255 else full >> 2):
        return
    bits = most.bit_length()
    warn(
        f"image has dtype {pixels.dtype} but values only up to {most}, not {full}, so it is nearly "
        f"black. If the data have {bits} bits, pass image / {2**bits - 1}",
        UserWarning,
    )


def lab_colours(image: Any) -> NDArray[np.float64]:
    """Lightness and the two opponent colours of CIE Lab over 50, of shape (3, height, width)."""
    rgb = as_rgb(image)
    lab = skimage_module("color").rgb2lab(rgb)
    return np.ascontiguousarray(np.moveaxis(lab, -1, 0)) / _LAB_UNIT
