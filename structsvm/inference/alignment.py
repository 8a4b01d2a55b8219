"""best_alignment: which positions of two sequences belong together."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from structsvm.data.checks import check_scalar
from structsvm.inference._alignment import AlignmentMaximizer
from structsvm.inference._pairwise import check_scores
from structsvm.inference.cut_scores import check_total

__all__ = ["best_alignment"]


def best_alignment(
    scores: ArrayLike, gap_open: float, gap_extend: float, *, end_gaps: str = "same"
) -> tuple[NDArray[np.int32], float]:
    r"""The best alignment of two sequences, with affine scores of gaps.

    .. math::
        \max_P \; \sum_{(i, j) \in P} \mathrm{scores}[i, j]
        + \sum_{\mathrm{gaps}} \mathrm{gap\_open} + |\mathrm{gap}| \, \mathrm{gap\_extend}

    over sets P of pairs that rise in both sequences. A gap is what a sequence has between two pairs
    that follow each other, if that is not empty; one before the first or after the last pair is an
    end gap.

    Parameters
    ----------
    scores : array-like of shape (n, m)
        Score of each position of the first sequence with each of the second; -inf forbids the pair.
    gap_open, gap_extend : float
        Score of a gap, and of each of its positions; mostly below 0.
    end_gaps : {"same", "free"}, default="same"
        Whether end gaps score what others do, or nothing, as where one sequence is a piece of the
        other.

    Returns
    -------
    pairs : int32 array of shape (n_pairs, 2)
        Ascending.
    value : float

    Raises
    ------
    ValueError
        If a score is NaN or +inf, scores add up to more than a double can hold, or the tables would
        take more than 4 GiB.

    See Also
    --------
    structsvm.AlignmentModel : Learns the scores from aligned pairs.

    Notes
    -----
    Gotoh's recursion, time and memory O(n m). Equal scores are decided in a fixed order.

    References
    ----------
    O. Gotoh (1982). An improved algorithm for matching biological sequences. Journal of Molecular
    Biology 162. doi:10.1016/0022-2836(82)90398-9

    Examples
    --------
    >>> import numpy as np
    >>> from structsvm.inference import best_alignment
    >>> one, two = np.array(list("abcde")), np.array(list("abde"))
    >>> pairs, value = best_alignment(np.where(one[:, None] == two, 2.0, -1.0), -1.0, -0.5)
    >>> pairs.tolist(), value
    ([[0, 0], [1, 1], [3, 2], [4, 3]], 6.5)
    """
    if end_gaps not in ("same", "free"):
        raise ValueError(f"end_gaps={end_gaps!r}: expected 'same' or 'free'")
    pairs = check_scores("scores", scores, 2, forbidden=True)
    check_scalar("gap_open", gap_open, above=-math.inf)
    check_scalar("gap_extend", gap_extend, above=-math.inf)
    gaps = np.array([gap_open, gap_extend], dtype=np.float64)
    n, m = pairs.shape
    check_total(pairs[pairs > -np.inf])
    check_total(gaps, float(n + m))
    maximizer = AlignmentMaximizer(np.array([n]), np.array([m]), end_gaps)
    partners, value = maximizer.maximize(0, np.concatenate([pairs.ravel(), gaps]))
    found = np.flatnonzero(partners).astype(np.int32)
    return np.stack([found, partners[found] - 1], axis=1), value
