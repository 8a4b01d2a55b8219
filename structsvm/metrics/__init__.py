"""How good predictions are: label sequences with their spans, label images and node labels.

The scores take lists, ``(y_true, y_pred)``, in which pairs have one shape. They make scorers::

    cross_val_score(svm, X, y, scoring=make_scorer(span_f1_score))
    cross_val_score(svm, X, y, scoring=make_scorer(jaccard, labels=["horse"]))
"""

from structsvm.metrics.pixels import jaccard, pixel_accuracy
from structsvm.metrics.sequences import (
    SCORES,
    SpanScores,
    label_report,
    sequence_accuracy,
    span_f1_score,
    span_report,
    span_scores,
    spans,
    token_accuracy,
)

__all__ = [
    "SCORES",
    "SpanScores",
    "jaccard",
    "label_report",
    "pixel_accuracy",
    "sequence_accuracy",
    "span_f1_score",
    "span_report",
    "span_scores",
    "spans",
    "token_accuracy",
]
