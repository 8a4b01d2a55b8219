"""How good label images and node labels are: shares of pixels, and overlaps of regions."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import shorten
from structsvm.data.labels import without_none
from structsvm.data.sequences import as_items
from structsvm.exceptions import warn

__all__ = ["dice", "flat_scores", "jaccard", "pixel_accuracy"]

_AVERAGES = ("macro", "micro", None)


def jaccard(
    y_true: Any,
    y_pred: Any,
    *,
    labels: ArrayLike | None = None,
    ignore_label: Any = None,
    average: str | None = "macro",
) -> Any:
    r"""Intersection over union of the regions of each label, pooled over all images.

    .. math:: J_k = \frac{|\{p : y_p = k\} \cap \{p : \hat y_p = k\}|}
                         {|\{p : y_p = k\} \cup \{p : \hat y_p = k\}|}

    where p runs over the pixels of all images together, as in the Pascal VOC challenge.

    Parameters
    ----------
    y_true, y_pred : lists of arrays of int, bool or str
        Label images or node labels of any shape; pairs have one shape.
    labels : array-like of shape (n_labels,), default=None
        The labels to score, in this order. None: all that occur, sorted, without `ignore_label`.
        For figure and ground, ``labels=[1]`` gives the index of the figure alone.
    ignore_label : int, bool or str, default=None
        Pixels with this label in the truth (void) do not count, whatever was predicted there.
    average : {"macro", "micro", None}, default="macro"
        "macro": the mean over labels, without those that neither truth nor prediction has.
        "micro": intersections and unions are summed over the labels, then divided. None: an
        array with one index for each label, NaN for a label that neither truth nor prediction has.

    Returns
    -------
    jaccard : float, or array of shape (n_labels,) where `average` is None

    Raises
    ------
    ValueError
        Naming the image: another shape, labels that are no integers, booleans or strings, or of
        two kinds; if no pixel counts, or none has a label to be averaged.

    References
    ----------
    M. Everingham, L. Van Gool, C. K. I. Williams, J. Winn, A. Zisserman. The Pascal Visual Object
    Classes (VOC) Challenge. International Journal of Computer Vision 88, 2010.
    https://doi.org/10.1007/s11263-009-0275-4

    Examples
    --------
    >>> from structsvm.metrics import jaccard
    >>> truth, guess = [[[0, 0, 1], [0, 1, 255]]], [[[0, 1, 1], [0, 1, 1]]]
    >>> jaccard(truth, guess, ignore_label=255, average=None)
    array([0.66666667, 0.66666667])
    >>> jaccard(truth, guess, labels=[1])
    0.5
    """
    return _averaged(y_true, y_pred, labels, ignore_label, average, dice=False)


def dice(
    y_true: Any,
    y_pred: Any,
    *,
    labels: ArrayLike | None = None,
    ignore_label: Any = None,
    average: str | None = "macro",
) -> Any:
    r"""Dice coefficient (F1) of the regions of each label, pooled over all images.

    .. math:: D_k = \frac{2 \, |\{p : y_p = k\} \cap \{p : \hat y_p = k\}|}
                         {|\{p : y_p = k\}| + |\{p : \hat y_p = k\}|} = \frac{2 J_k}{1 + J_k}

    with J the index of `jaccard`, where the parameters are explained.

    Parameters
    ----------
    y_true, y_pred, labels, ignore_label, average
        See `jaccard`.

    Returns
    -------
    dice : float, or array of shape (n_labels,) where `average` is None

    Raises
    ------
    ValueError
        See `jaccard`.

    References
    ----------
    L. R. Dice. Measures of the Amount of Ecologic Association Between Species. Ecology 26, 1945.
    https://doi.org/10.2307/1932409

    Examples
    --------
    >>> from structsvm.metrics import dice
    >>> dice([[[0, 0, 1], [0, 1, 255]]], [[[0, 1, 1], [0, 1, 1]]], ignore_label=255, labels=[1])
    0.8
    """
    return _averaged(y_true, y_pred, labels, ignore_label, average, dice=True)


def _averaged(
    y_true: Any, y_pred: Any, labels: Any, ignore_label: Any, average: Any, *, dice: bool
) -> Any:
    if average not in _AVERAGES:
        names = ", ".join(map(repr, _AVERAGES))
        raise ValueError(f"unknown average {average!r}: expected one of {names}")
    pairs = pairs_of(y_true, y_pred, ignore_label)
    part, whole = pairs.overlaps(pairs.classes if labels is None else np.asarray(labels))
    if dice:
        part, whole = 2 * part, part + whole
    occurs = whole > 0
    if average is None:
        indices = np.full(len(whole), np.nan)
        indices[occurs] = part[occurs] / whole[occurs]
        return indices
    if not occurs.any():
        raise ValueError(
            f"no pixel has a label of {shorten(np.asarray(labels).tolist())}, neither in y_true "
            "nor in y_pred"
        )
    if average == "micro":
        return float(part.sum() / whole.sum())
    return float((part[occurs] / whole[occurs]).mean())


def pixel_accuracy(y_true: Any, y_pred: Any, *, ignore_label: Any = None) -> float:
    """Share of the pixels labelled correctly, of all images together.

    Parameters
    ----------
    y_true, y_pred, ignore_label
        See `jaccard`.

    Raises
    ------
    ValueError
        See `jaccard`.

    Examples
    --------
    >>> from structsvm.metrics import pixel_accuracy
    >>> pixel_accuracy([[[0, 0, 1], [0, 1, 255]]], [[[0, 1, 1], [0, 1, 1]]], ignore_label=255)
    0.8
    """
    pairs = pairs_of(y_true, y_pred, ignore_label)
    return float((pairs.truth == pairs.guess).mean())


def flat_scores(
    y_true: Any, scores: Any, *, ignore_label: Any = None
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Labels and scores of all pixels in one array each, as scikit-learn's metrics take them.

    Parameters
    ----------
    y_true : list of arrays of int, bool or str
        Label images or node labels of any shape.
    scores : list of arrays of float
        A score for each pixel, such as `GridSVM.threshold_scores` gives; or several, on a last
        axis.
    ignore_label : int, bool or str, default=None
        Pixels with this label (void), or None, are left out.

    Returns
    -------
    labels : array of shape (n_pixels,)
    scores : array of shape (n_pixels,) or (n_pixels, n_scores)

    Raises
    ------
    ValueError
        If the shapes do not fit, or no pixel is left.

    Examples
    --------
    >>> from sklearn.metrics import average_precision_score
    >>> from structsvm.metrics import flat_scores
    >>> truth, scores = [[[0, 1], [1, 255]]], [[[-2.0, 0.5], [1.0, 0.1]]]
    >>> float(average_precision_score(*flat_scores(truth, scores, ignore_label=255)))
    1.0
    """
    given, masks = without_none(as_items("y_true", y_true))
    truth = _rows("y_true", given)
    if masks is not None:
        truth = [np.array(row.tolist()) if row.dtype == object else row for row in truth]
    found = [np.asarray(s) for s in as_items("scores", scores)]
    if len(truth) != len(found):
        raise ValueError(f"y_true has {len(truth)} items but scores has {len(found)}")
    labels, rows = [], []
    for i, (of_labels, of_scores) in enumerate(zip(truth, found, strict=True)):
        if of_scores.dtype.kind != "f":
            raise ValueError(f"scores[{i}] has dtype {of_scores.dtype}, expected real numbers")
        if of_scores.shape[: of_labels.ndim] != of_labels.shape or (
            of_scores.ndim > of_labels.ndim + 1
        ):
            raise ValueError(
                f"scores[{i}] has shape {of_scores.shape}, expected {of_labels.shape} as "
                f"y_true[{i}]"
            )
        known = (
            np.ones(of_labels.shape, dtype=bool)
            if ignore_label is None
            else of_labels != ignore_label
        )
        if masks is not None and (mask := masks[i]) is not None:
            known &= ~mask
        labels.append(of_labels[known])
        rows.append(of_scores[known].astype(np.float64))
    if not sum(map(len, labels)):
        raise ValueError("there is no pixel with a label: nothing to score")
    return np.concatenate(labels), np.concatenate(rows)


@dataclasses.dataclass(frozen=True, eq=False)
class _Pairs:
    """The labels of all pixels that count, and the sorted classes among them, without void."""

    truth: NDArray[Any]
    guess: NDArray[Any]
    classes: NDArray[Any]

    def overlaps(self, labels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Sizes of intersection and union for each of the labels."""
        if labels.ndim != 1 or not len(labels):
            raise ValueError(
                f"labels has shape {labels.shape}, expected (n_labels,) with at least one label"
            )
        kind = _kind("labels", labels)
        if kind != _kind("y_true", self.truth):
            raise ValueError(f"labels holds {kind}, but y_true holds {_kind('y_true', self.truth)}")
        distinct, places = np.unique(labels, return_inverse=True)
        n = len(distinct)
        # One more place, n, for the labels that are not scored.
        truth, guess = (_places(row, distinct) for row in (self.truth, self.guess))
        intersection = np.bincount(truth[truth == guess], minlength=n + 1)
        sizes = np.bincount(truth, minlength=n + 1) + np.bincount(guess, minlength=n + 1)
        return intersection[places], (sizes - intersection)[places]


def _places(row: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    places = np.searchsorted(classes, row)
    places[classes[np.minimum(places, len(classes) - 1)] != row] = len(classes)
    return places


def pairs_of(y_true: Any, y_pred: Any, ignore_label: Any) -> _Pairs:
    """Labels of all pixels that count, in truth and prediction."""
    given, masks = without_none(as_items("y_true", y_true))
    truth, guess = _rows("y_true", given), _rows("y_pred", y_pred)
    if masks is not None:
        truth = [np.array(row.tolist()) if row.dtype == object else row for row in truth]
    if len(truth) != len(guess):
        raise ValueError(f"y_true has {len(truth)} items but y_pred has {len(guess)}")
    for i, (a, b) in enumerate(zip(truth, guess, strict=True)):
        if a.shape != b.shape:
            raise ValueError(f"y_pred[{i}] has shape {b.shape}, expected {a.shape} as y_true[{i}]")
    kinds: dict[str, str] = {}
    for name, rows in (("y_true", truth), ("y_pred", guess)):
        for i, row in enumerate(rows):
            if row.size:
                kinds.setdefault(_kind(f"{name}[{i}]", row), f"{name}[{i}]")
    if len(kinds) > 1:
        raise ValueError(" but ".join(f"{place} holds {kind}" for kind, place in kinds.items()))
    if not kinds:
        raise ValueError("y_true has no labels: there is nothing to score")
    flat_truth, flat_guess = (np.concatenate([row.ravel() for row in rows if row.size])
                              for rows in (truth, guess))  # fmt: skip
    if masks is not None:
        pairs = zip(truth, masks, strict=True)
        told = [np.ones(row.size, bool) if m is None else ~m.ravel() for row, m in pairs]
        known = np.concatenate(told)
        flat_truth, flat_guess = flat_truth[known], flat_guess[known]
        if not len(flat_truth):
            raise ValueError("all labels in y_true are None: nothing to score")
    if ignore_label is not None:
        kind = _kind("ignore_label", np.asarray(ignore_label))
        if kind not in kinds:
            raise ValueError(f"ignore_label={ignore_label!r}, but y_true holds {next(iter(kinds))}")
        counted = flat_truth != ignore_label
        flat_truth, flat_guess = flat_truth[counted], flat_guess[counted]
        if not len(flat_truth):
            raise ValueError(f"all pixels have the ignore_label {ignore_label!r}: nothing to score")
    of_truth, of_guess = np.unique(flat_truth), np.unique(flat_guess)
    _warn_of_other_names(of_truth, of_guess)
    classes = np.union1d(of_truth, of_guess)
    if ignore_label is not None:
        classes = classes[classes != ignore_label]
    return _Pairs(flat_truth, flat_guess, classes)


def _warn_of_other_names(of_truth: NDArray[Any], of_guess: NDArray[Any]) -> None:
    """Warn where the two sides seem to call the same labels by other names."""
    truth, guess = set(of_truth.tolist()), set(of_guess.tolist())
    apart = truth ^ guess
    masks = any(a <= {0, 1} and b <= {0, 255} for a, b in ((truth, guess), (guess, truth)))
    strangers = len(truth) > 1 and len(guess) > 1 and not truth & guess
    if strangers or (masks and {1, 255} <= apart):
        warn(
            f"y_true has the labels {shorten(of_truth.tolist())}, but y_pred has "
            f"{shorten(of_guess.tolist())}: the same by other names? Then give both the same",
            UserWarning,
        )


def _rows(name: str, value: Any) -> list[NDArray[Any]]:
    items = as_items(name, value)
    for i, item in enumerate(items):
        if np.ma.is_masked(item):
            raise ValueError(f"{name}[{i}] has masked entries; give them a label, see ignore_label")
    rows = [np.asarray(item) for item in items]
    for i, row in enumerate(rows):
        if not row.ndim:
            raise ValueError(
                f"{name}[{i}] is {row.item()!r}, expected an array of labels: {name} is a list; "
                "one image or graph goes into a list of one"
            )
        if row.dtype == np.uint64:
            # numpy would make floats of unsigned and signed integers together.
            if row.max(initial=0) > np.iinfo(np.int64).max:
                raise ValueError(f"{name}[{i}] has the label {row.max()}, above 2**63 - 1")
            rows[i] = row.astype(np.int64)
    return rows


def _kind(place: str, row: NDArray[Any]) -> str:
    if row.dtype.kind == "U":
        return "strings"
    if row.dtype.kind in "iub":
        return "integers"
    raise ValueError(f"{place} has dtype {row.dtype}; labels must be integers, booleans or strings")
