"""Grey images of thin curved lines on an uneven background: a rare class at low contrast."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from sklearn.utils import Bunch, check_random_state

from structsvm.datasets._segmentation import _check_integer, _check_number, _check_size

_BACKGROUNDS = ("smooth", "grain", "regions", "blobs")
_POLARITIES = ("dark", "bright")

_STEP = 0.5  # pixels between the points of a curve
_TURNING = 0.06  # standard deviation of a curve's change of direction, in radians a pixel
_TURN_LENGTH = 12.0  # pixels over which a curve's turning is alike
_FADING = 0.5  # the contrast of a line varies by this share of it at most
_MIDDLE = 0.5  # mean grey value
_SPREAD = 0.08  # standard deviation of a background's grey values
_MOST = 0.5  # share of the pixels that thin lines can cover

_DESCR = """\
Lines: grey images of thin curved lines, and for each pixel whether it is on a line.

Everything is drawn: a background, curves of random width that are darker or brighter than it by
little, and independent noise on each pixel.
"""


def make_lines(
    n_train: int = 12,
    n_test: int = 12,
    *,
    polarity: str = "dark",
    share: float = 0.05,
    contrast: float = 0.15,
    noise: float = 0.05,
    background: str = "smooth",
    width: tuple[float, float] = (1.5, 3.0),
    size: tuple[int, int] = (96, 128),
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Draw grey images of thin curved lines, such as vessels, cracks and roads, with their pixels.

    A curve starts anywhere, in any direction, and turns smoothly; curves are added until lines
    cover the share asked for. Where lines are the background is darker or brighter by the contrast,
    which fades along a line by up to a half. Lines and background do not depend on `contrast` and
    `noise`, nor lines on `background`, given an integer `random_state`.

    Parameters
    ----------
    n_train, n_test : int, default=12
        Number of training images and of test images, at least 1.
    polarity : {"dark", "bright"}, default="dark"
        Whether lines are darker than the background or brighter.
    share : float, default=0.05
        Share of each image's pixels that are on a line, above 0 and at most .5; met to a few
        pixels, by the length of the last curve.
    contrast : float, default=0.15
        Greatest difference of grey value between line and background, where 1 is from black to
        white.
    noise : float, default=0.05
        Standard deviation of the noise on each pixel.
    background : {"smooth", "grain", "regions", "blobs"}, default="smooth"
        What lines are drawn on, all of mean .5 and standard deviation .08:

        - "smooth": light that changes slowly over the image.
        - "grain": structure of every size, down to that of lines.
        - "regions": areas of different grey with sharp borders.
        - "blobs": round spots about as wide as two lines, dark and bright, on smooth light.
    width : tuple of two float, default=(1.5, 3.0)
        Smallest and largest width of a line in pixels, at least 1; each line has one width.
    size : tuple of two int, default=(96, 128)
        Smallest and largest height and width; sizes between are equally likely, and height and
        width are drawn independently.
    random_state : int, RandomState instance or None, default=None
        Pass an integer for the same data at each call.

    Returns
    -------
    data : Bunch
        A dictionary whose entries are attributes as well:

        images_train, images_test : lists of arrays of shape (height, width), uint8
            Grey values from 0 to 255, as `structsvm.vision.pixel_features` takes them.
        y_train, y_test : lists of arrays of shape (height, width), int64
            1 on lines, 0 elsewhere.
        DESCR : str
            A short description with the origin of the data.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> from structsvm.datasets import make_lines
    >>> data = make_lines(n_train=3, n_test=2, share=0.08, polarity="bright", random_state=0)
    >>> len(data.images_train), len(data.images_test)
    (3, 2)
    >>> data.images_train[0].dtype, data.images_train[0].shape == data.y_train[0].shape
    (dtype('uint8'), True)
    >>> round(float(data.y_train[0].mean()), 2)
    0.08
    """
    n_images = {
        "train": _check_integer("n_train", n_train),
        "test": _check_integer("n_test", n_test),
    }
    _check_name("polarity", polarity, _POLARITIES)
    _check_name("background", background, _BACKGROUNDS)
    _check_number("share", share)
    if not 0 < share <= _MOST:
        raise ValueError(f"share must be above 0 and at most {_MOST}, got {share!r}")
    _check_number("contrast", contrast)
    _check_number("noise", noise)
    smallest, largest = _check_size(size)
    widths = _check_width(width)
    random = check_random_state(random_state)
    sign = 1.0 if polarity == "bright" else -1.0

    data = Bunch(DESCR=_DESCR)
    for split, n in n_images.items():
        images, masks = [], []
        for _ in range(n):
            # Each part has a generator of its own, so that no part depends on another's parameters.
            shape, *seeds = _draw_shape_and_seeds(random, smallest, largest)
            of_lines, of_background, of_noise = map(np.random.RandomState, seeds)
            mask, depth = _draw_lines(shape, share, widths, of_lines)
            grey = _MIDDLE + _SPREAD * _draw_background(background, shape, of_background)
            grey += sign * contrast * depth + noise * of_noise.standard_normal(shape)
            images.append(np.rint(255 * np.clip(grey, 0, 1)).astype(np.uint8))
            masks.append(mask.astype(np.int64))
        data[f"images_{split}"], data[f"y_{split}"] = images, masks
    return data


def _draw_shape_and_seeds(
    random: np.random.RandomState, smallest: int, largest: int
) -> tuple[tuple[int, int], int, int, int]:
    height, width = random.randint(smallest, largest + 1, size=2).tolist()
    lines, background, noise = random.randint(2**31 - 1, size=3).tolist()
    return (height, width), lines, background, noise


class _Curve(NamedTuple):
    points: NDArray[np.float64]  # (n_points, 2), row and column
    width: float
    depth: NDArray[np.float64]  # of each point, as a share of the contrast

    def beginning(self, n: int) -> "_Curve":
        return _Curve(self.points[:n], self.width, self.depth[:n])


def _draw_lines(
    shape: tuple[int, int],
    share: float,
    widths: tuple[float, float],
    random: np.random.RandomState,
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """The pixels on lines, and how far each pixel is moved towards their grey, from 0 to 1."""
    wanted = max(1, round(share * shape[0] * shape[1]))
    mask, depth = np.zeros(shape, dtype=bool), np.zeros(shape)
    while mask.sum() < wanted:
        curve = _draw_curve(shape, widths, random)
        if _n_on_lines(mask, curve) > wanted:
            curve = _shortened(curve, mask, wanted)
        covered, of_curve = _coverage(curve, shape)
        mask |= covered >= 0.5
        np.maximum(depth, covered * of_curve, out=depth)
    return mask, depth


def _draw_curve(
    shape: tuple[int, int], widths: tuple[float, float], random: np.random.RandomState
) -> _Curve:
    """A curve that starts anywhere and is about as long as the image's longer side at most."""
    n = max(2, int(random.uniform(0.3, 1.0) * max(shape) / _STEP))
    start = random.uniform(0, 1, size=2) * shape
    turning = _smooth_noise(n, _TURN_LENGTH / _STEP, random)
    angle = random.uniform(0, 2 * math.pi) + _TURNING * _STEP * np.cumsum(turning)
    steps = _STEP * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    points = start + np.cumsum(steps, axis=0)
    fading = _smooth_noise(n, _TURN_LENGTH / _STEP, random)
    depth = 1 - _FADING * np.clip(0.5 + 0.5 * fading, 0, 1)
    return _Curve(points, random.uniform(*widths), depth)


def _smooth_noise(n: int, length: float, random: np.random.RandomState) -> NDArray[np.float64]:
    """A sequence of standard deviation about 1 that is alike over `length` places."""
    white = random.standard_normal(n)
    smooth: NDArray[np.float64] = ndimage.gaussian_filter1d(white, length)
    return smooth * math.sqrt(2 * math.sqrt(math.pi) * length)


def _n_on_lines(mask: NDArray[np.bool_], curve: _Curve) -> int:
    """How many pixels are on lines once this curve is added."""
    return int((mask | (_coverage(curve, mask.shape)[0] >= 0.5)).sum())


def _shortened(curve: _Curve, mask: NDArray[np.bool_], wanted: int) -> _Curve:
    """The shortest beginning of a curve with which so many pixels are on lines."""
    shortest, longest = 1, len(curve.points)
    while shortest < longest:
        middle = (shortest + longest) // 2
        if _n_on_lines(mask, curve.beginning(middle)) < wanted:
            shortest = middle + 1
        else:
            longest = middle
    return curve.beginning(longest)


def _coverage(
    curve: _Curve, shape: tuple[int, ...]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How much of each pixel is on a curve, roughly, and the depth of the nearest point of it."""
    reach = curve.width / 2 + 1
    covered, depth = np.zeros(shape), np.zeros(shape)
    low = np.maximum(np.floor(curve.points.min(axis=0) - reach), 0).astype(int)
    high = np.minimum(np.ceil(curve.points.max(axis=0) + reach) + 1, shape).astype(int)
    box = tuple(slice(a, b) for a, b in zip(low.tolist(), high.tolist(), strict=True))
    places = np.moveaxis(np.mgrid[box], 0, -1)
    distance, nearest = cKDTree(curve.points).query(places, distance_upper_bound=reach)
    near = distance < reach
    covered[box][near] = np.clip(curve.width / 2 + 0.5 - distance[near], 0, 1)
    depth[box][near] = curve.depth[nearest[near]]
    return covered, depth


def _draw_background(
    kind: str, shape: tuple[int, int], random: np.random.RandomState
) -> NDArray[np.float64]:
    """Grey values of mean 0 and standard deviation 1."""
    side = min(shape)
    light = _field(shape, side / 4, random)
    if kind == "smooth":
        field = light
    elif kind == "grain":
        sizes = (0.7, 1.5, 3.0, 6.0, 12.0)
        field = light + np.sum([_field(shape, s, random) for s in sizes], axis=0)
    elif kind == "regions":
        n_areas = 6
        areas = np.stack([_field(shape, side / 8, random) for _ in range(n_areas)]).argmax(axis=0)
        field = 0.5 * light + random.standard_normal(n_areas)[areas]
    else:
        field = light + _spots(shape, random)
    return _standardised(field)


def _spots(shape: tuple[int, int], random: np.random.RandomState) -> NDArray[np.float64]:
    """Round spots, dark and bright, one for each 200 pixels."""
    field = np.zeros(shape)
    rows, columns = np.indices(shape)
    for _ in range(math.ceil(shape[0] * shape[1] / 200)):
        row, column = random.uniform(0, 1, size=2) * shape
        radius, height = random.uniform(1.5, 4.0), random.choice([-2.0, 2.0])
        distance = np.hypot(rows - row, columns - column)
        field += height * np.clip(radius + 0.5 - distance, 0, 1)
    return field


def _field(
    shape: tuple[int, int], length: float, random: np.random.RandomState
) -> NDArray[np.float64]:
    """Smooth noise of this length in pixels, of mean 0 and standard deviation 1."""
    return _standardised(ndimage.gaussian_filter(random.standard_normal(shape), length))


def _standardised(field: NDArray[np.float64]) -> NDArray[np.float64]:
    centred: NDArray[np.float64] = field - field.mean()
    return centred / max(float(centred.std()), 1e-12)


def _check_name(name: str, value: object, known: Sequence[str]) -> None:
    if not isinstance(value, str) or value not in known:
        expected = ", ".join(map(repr, known))
        raise ValueError(f"{name}={value!r}: expected one of {expected}")


def _check_width(width: tuple[float, float]) -> tuple[float, float]:
    if not isinstance(width, Sequence) or isinstance(width, str) or len(width) != 2:
        raise TypeError(f"width must be a pair (smallest, largest), got {width!r}")
    for k, value in enumerate(width):
        _check_number(f"width[{k}]", value)
    if not 1 <= width[0] <= width[1]:
        raise ValueError(f"width must be a pair 1 <= smallest <= largest, got {width!r}")
    return float(width[0]), float(width[1])
