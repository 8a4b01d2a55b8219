"""Scores of dependency trees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

__all__ = ["AttachmentScores", "attachment_scores"]


class AttachmentScores(NamedTuple):
    """Shares of tokens."""

    unlabelled: float  #: with the right head
    labelled: float  #: with the right head and relation; NaN where no relations are given


def attachment_scores(y: Sequence[Any], y_hat: Sequence[Any]) -> AttachmentScores:
    """Attachment scores of dependency trees: UAS and LAS.

    Parameters
    ----------
    y, y_hat : lists of trees, the true and the predicted ones
        The heads of each sentence; or pairs of heads and relations. The labelled score needs
        relations in both.

    Returns
    -------
    scores : AttachmentScores
        All tokens count, punctuation too, but not those whose true head is None, unknown; nor, in
        the labelled score, does a relation that is None.

    Raises
    ------
    ValueError
        Naming the sentence whose lengths differ; or if there are no tokens.

    Examples
    --------
    >>> from structsvm.metrics import attachment_scores
    >>> y = [([2, 0, 2], ["nsubj", "root", "obj"])]
    >>> attachment_scores(y, [([2, 0, 2], ["nsubj", "root", "obl"])])
    AttachmentScores(unlabelled=1.0, labelled=0.6666666666666666)
    """
    if len(y) != len(y_hat):
        raise ValueError(f"y has {len(y)} trees, but y_hat has {len(y_hat)}")
    n_tokens = n_relations = right = labelled = 0
    with_relations = True
    for i, pair in enumerate(zip(y, y_hat, strict=True)):
        (heads, relations), (guess, guessed) = map(_split, pair)
        sizes = [len(row) for row in (heads, guess, relations, guessed) if row is not None]
        if len(set(sizes)) > 1:
            raise ValueError(f"y[{i}] and y_hat[{i}] have rows of lengths {sorted(set(sizes))}")
        known = _told(heads)
        hits = known & (np.asarray(heads) == np.asarray(guess))
        n_tokens += int(known.sum())
        right += int(hits.sum())
        if relations is None or guessed is None:
            with_relations = False
        else:
            told = _told(relations)
            n_relations += int((known & told).sum())
            labelled += int((hits & told & (np.asarray(relations) == np.asarray(guessed))).sum())
    if not n_tokens:
        raise ValueError("all sentences are empty, or heads unknown: there is no token to score")
    of_labelled = labelled / n_relations if with_relations and n_relations else float("nan")
    return AttachmentScores(right / n_tokens, of_labelled)


def _told(row: Any) -> Any:
    """Which entries are not None."""
    if isinstance(row, np.ndarray) and row.dtype != object:
        return np.ones(len(row), dtype=bool)
    return np.array([entry is not None for entry in row], dtype=bool)


def _split(tree: Any) -> tuple[Any, Any]:
    """Heads, and relations or None."""
    if isinstance(tree, tuple) and len(tree) == 2 and _is_row(tree[0]):
        return tree
    return tree, None


def _is_row(item: Any) -> bool:
    """Whether an entry of a pair is a row of heads, and no head, which may be None."""
    return item is not None and not np.isscalar(item)
