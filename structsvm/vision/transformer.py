"""PixelFeatures: features of the pixels of lists of images, as a step of a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Self

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from structsvm.data.checks import check_n_jobs
from structsvm.data.sequences import as_items
from structsvm.exceptions import warn
from structsvm.vision.features import feature_names, pixel_features
from structsvm.vision.images import check_image, check_range, is_white, natural_range

__all__ = ["PixelFeatures"]


class PixelFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """`pixel_features` of lists of images, with one range of values and one number of channels.

    Parameters
    ----------
    groups, scales, sigmas
        See `pixel_features`.
    value_range : tuple of two float, default=None
        The values of black and white; None: as `pixel_features` finds them, over all images of
        `fit` together. Where they are the least and greatest value that occur, others are clipped
        to them later.
    n_jobs : int, default=None
        Threads; None is 1. The features do not depend on it.

    Attributes
    ----------
    value_range_ : tuple of two float
    n_channels_ : int
        1 and 3 are both for photographs, but not the same.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from structsvm import GridSVM
    >>> from structsvm.datasets import make_lines
    >>> from structsvm.vision import PixelFeatures
    >>> lines = make_lines(4, 2, size=(40, 60), share=0.05, contrast=0.4, random_state=0)
    >>> segmenter = make_pipeline(PixelFeatures(groups=["colour", "ridge"]), GridSVM())
    >>> labels = segmenter.fit(lines.images_train, lines.y_train).predict(lines.images_test)
    >>> labels[0].shape == lines.images_test[0].shape
    True
    """

    def __init__(
        self,
        *,
        groups: Iterable[str] | None = None,
        scales: Sequence[int] = (9, 25),
        sigmas: Sequence[float] = (1.0, 1.5, 2.5, 4.0),
        value_range: tuple[float, float] | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.groups = groups
        self.scales = scales
        self.sigmas = sigmas
        self.value_range = value_range
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> Self:
        """Find the range of values and the number of channels.

        Parameters
        ----------
        X : list of arrays of shape (height, width) or (height, width, n_channels)
        y : ignored

        Returns
        -------
        self
        """
        images = self._images(X)
        if not images:
            raise ValueError("X has no images: there is nothing to learn from")
        self.n_channels_ = _n_channels(images[0])
        self._check_channels(images)
        given = self.value_range
        self.value_range_ = natural_range(images) if given is None else check_range(given)
        self.get_feature_names_out()  # checks the other parameters
        return self

    def transform(self, X: Any) -> list[NDArray[np.float32]]:
        """Features of each image.

        Parameters
        ----------
        X : list of arrays of shape (height, width) or (height, width, n_channels)

        Returns
        -------
        features : list of arrays of shape (height, width, n_features), float32

        Raises
        ------
        ValueError
            Naming the image: another number of channels than in `fit`, or values that the range
            does not have.

        Warns
        -----
        UserWarning
            Naming the image: values of another kind than in `fit`, such as 0 to 1 after 0 to 255.
        """
        check_is_fitted(self)
        images = self._images(X)
        self._check_channels(images)
        low, high = self.value_range_
        if self.value_range is None:
            _warn_of_other_kinds(images, self.value_range_)
            if not is_white(self.value_range_):
                images = [np.clip(image, low, high) for image in images]
        for i, image in enumerate(images):
            least, most = float(image.min()), float(image.max())
            if not low <= least <= most <= high:
                raise ValueError(
                    f"X[{i}] has values from {least:g} to {most:g}, expected {low:g} to {high:g}, "
                    "the range of values in fit: give value_range, or images of one kind"
                )
        run = joblib.Parallel(n_jobs=check_n_jobs(self.n_jobs), prefer="threads")
        found: list[NDArray[np.float32]] = run(
            joblib.delayed(pixel_features)(
                image,
                groups=self.groups,
                scales=self.scales,
                sigmas=self.sigmas,
                value_range=self.value_range_,
            )
            for image in images
        )
        return found

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Names of the columns, as an array of str.

        Parameters
        ----------
        input_features : ignored

        Returns
        -------
        names : ndarray of str objects
        """
        check_is_fitted(self)
        names = feature_names(
            groups=self.groups,
            scales=self.scales,
            sigmas=self.sigmas,
            n_channels=self.n_channels_,
        )
        return np.array(names, dtype=object)

    def _images(self, X: Any) -> list[NDArray[Any]]:
        return [check_image(image, f"X[{i}]") for i, image in enumerate(as_items("X", X))]

    def _check_channels(self, images: list[NDArray[Any]]) -> None:
        for i, image in enumerate(images):
            if _n_channels(image) != self.n_channels_:
                raise ValueError(
                    f"X[{i}] has {_n_channels(image)} channels, expected {self.n_channels_} as the "
                    "first image in fit"
                )


def _warn_of_other_kinds(images: list[NDArray[Any]], value_range: tuple[float, float]) -> None:
    """Warn of the first image that is nearly black, or mostly clipped: its values have another
    unit."""
    low, high = value_range
    for i, image in enumerate(images):
        least, most = float(image.min()), float(image.max())
        if is_white(value_range):
            bytes_ = image.dtype == np.uint8
            own = 255.0 if bytes_ else 1.0 if image.dtype.kind in "fb" else high
            wrong, what = 0 < most <= own < high, "it is nearly black in that"
        else:
            wrong, what = not low <= np.median(image) <= high, "half of them are clipped to one end"
        if wrong:
            warn(
                f"X[{i}] has values from {least:g} to {most:g}, but the range in fit is {low:g} to "
                f"{high:g}, and {what}: give images of one kind, or value_range",
                UserWarning,
            )
            return


def _n_channels(image: NDArray[Any]) -> int:
    return 1 if image.ndim == 2 else int(image.shape[2])
