"""Noisy images of blobs: a segmentation problem that needs no download."""

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import pdist
from sklearn.utils import Bunch, check_random_state

_NEAREST_MEANS = 2.0  # the distance of the two nearest means

_DESCR = """\
Blobs: noisy images, and the label of each of their pixels.

Everything is drawn: regions are where one of several smooth random fields is above the others, and
each pixel has its label's mean features with independent noise.
"""


def make_segmentation(
    n_train: int = 20,
    n_test: int = 20,
    *,
    n_labels: int = 2,
    size: tuple[int, int] = (24, 40),
    n_features: int = 3,
    blob_size: float = 4.0,
    noise: float = 1.0,
    void: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Draw noisy images of blobs with a label for each pixel.

    For each image and label a field of white noise is smoothed by a Gaussian; a pixel has the
    label whose field is highest there. Its features are the mean of its label, the same in all
    images, plus independent Gaussian noise. A pixel alone is thus labelled badly, and neighbours
    help. Regions, means and void pixels do not depend on `noise`, given an integer `random_state`.

    Parameters
    ----------
    n_train, n_test : int, default=20
        Number of training images and of test images, at least 1.
    n_labels : int, default=2
        Number of labels, at least 1. An image need not have all of them.
    size : tuple of two int, default=(24, 40)
        Smallest and largest height and width; sizes between are equally likely, and height and
        width are drawn independently.
    n_features : int, default=3
        Number of features of a pixel. Means are drawn from a standard normal distribution and
        scaled until the two nearest are at a distance of 2: with noise 1 and two labels, about one
        pixel in six would be labelled wrongly if it were seen alone.
    blob_size : float, default=4.0
        Standard deviation of the smoothing, in pixels: larger blobs for larger values.
    noise : float, default=1.0
        Standard deviation of the noise on each feature.
    void : float, default=0.0
        Share of the pixels whose label is `ignore_label`, rounded down in each image, from 0 to
        below 1. They are those where the two highest fields differ least: borders of regions, as
        people leave them out who label images by hand.
    random_state : int, RandomState instance or None, default=None
        Pass an integer for the same data at each call.

    Returns
    -------
    data : Bunch
        A dictionary whose entries are attributes as well:

        X_train, X_test : lists of arrays of shape (height, width, n_features), float64
            Features of the pixels: the means of their labels, and noise.
        y_train, y_test : lists of arrays of shape (height, width), int64
            Labels 0 to ``n_labels - 1``, or `ignore_label`.
        means : array of shape (n_labels, n_features), float64
            Features without noise.
        ignore_label : int
            -1, the label of void pixels.
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
    >>> from structsvm.datasets import make_segmentation
    >>> data = make_segmentation(n_train=3, n_test=2, n_labels=4, random_state=0)
    >>> len(data.X_train), len(data.X_test)
    (3, 2)
    >>> data.X_train[0].shape == (*data.y_train[0].shape, 3)
    True
    """
    n_images = {
        "train": _check_integer("n_train", n_train),
        "test": _check_integer("n_test", n_test),
    }
    n_labels = _check_integer("n_labels", n_labels)
    n_features = _check_integer("n_features", n_features)
    smallest, largest = _check_size(size)
    _check_number("blob_size", blob_size)
    _check_number("noise", noise)
    _check_number("void", void, below=1.0)
    random = check_random_state(random_state)

    data = Bunch(means=_draw_means(n_labels, n_features, random), ignore_label=-1, DESCR=_DESCR)
    for split, n in n_images.items():
        shapes = random.randint(smallest, largest + 1, size=(n, 2))
        fields = [_draw_fields(n_labels, shape, blob_size, random) for shape in shapes]
        data[f"y_{split}"] = [field.argmax(axis=0) for field in fields]
        data[f"X_{split}"] = [data.means[y] for y in data[f"y_{split}"]]
        for y, field in zip(data[f"y_{split}"], fields, strict=True):
            y.ravel()[_void_places(field, void)] = data.ignore_label
    # Noise is drawn last, so that its level changes nothing else.
    for split in n_images:
        data[f"X_{split}"] = [
            X + noise * random.standard_normal(X.shape) for X in data[f"X_{split}"]
        ]
    return data


def _draw_means(
    n_labels: int, n_features: int, random: np.random.RandomState
) -> NDArray[np.float64]:
    means: NDArray[np.float64] = random.standard_normal((n_labels, n_features))
    if n_labels == 1:
        return means
    means *= _NEAREST_MEANS / pdist(means).min()
    return means


def _draw_fields(
    n_labels: int, shape: NDArray[Any], blob_size: float, random: np.random.RandomState
) -> NDArray[np.float64]:
    white = random.standard_normal((n_labels, *shape))
    smooth: NDArray[np.float64] = ndimage.gaussian_filter(white, (0, blob_size, blob_size))
    return smooth


def _void_places(fields: NDArray[np.float64], void: float) -> NDArray[np.int64]:
    """The flat places where the two highest fields differ least."""
    n_void = int(void * fields[0].size)
    if len(fields) == 1:
        lead = np.zeros(fields[0].size)
    else:
        second, first = np.partition(fields.reshape(len(fields), -1), -2, axis=0)[-2:]
        lead = first - second
    return np.argsort(lead, kind="stable")[:n_void]


def _check_integer(name: str, value: object, smallest: int = 1) -> int:
    if not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < smallest:
        raise ValueError(f"{name} must be at least {smallest}, got {value!r}")
    return int(value)


def _check_number(name: str, value: object, below: float = np.inf) -> None:
    if not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not 0 <= float(value) < below:
        limit = "finite" if below == np.inf else f"below {below:g}"
        raise ValueError(f"{name} must be at least 0 and {limit}, got {value!r}")


def _check_size(size: tuple[int, int]) -> tuple[int, int]:
    if not isinstance(size, Sequence) or len(size) != 2:
        raise TypeError(f"size must be a pair (smallest, largest), got {size!r}")
    smallest = _check_integer("size[0]", size[0])
    return smallest, _check_integer("size[1]", size[1], smallest)
