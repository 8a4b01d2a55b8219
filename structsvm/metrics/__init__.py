"""How good predictions are: label sequences with their spans, images, nodes, rankings, trees.

The scores of labels take lists, ``(y_true, y_pred)``, in which pairs have one shape. They make
scorers for ``scoring=`` of scikit-learn's `GridSearchCV` and `cross_val_score`::

    cross_val_score(svm, X, y, scoring=make_scorer(span_f1_score))
    cross_val_score(svm, X, y, scoring=make_scorer(jaccard, labels=["horse"]))

scikit-learn's own names, such as "accuracy" and "f1_macro", are of one label for each example: they
fail on lists of labels. Without ``scoring``, an estimator's `score` is taken. `PathSearch` and
`SequenceTagger` know "token_accuracy", "sequence_accuracy" and "span_f1" by name; for a score of
scikit-learn over single labels, make them flat::

    def f1_macro(y_true, y_pred):
        return f1_score(np.concatenate(y_true), np.concatenate(y_pred), average="macro")
"""

from structsvm.data.schemes import convert_tags, span_tags, spans
from structsvm.metrics.pixels import dice, flat_scores, jaccard, pixel_accuracy
from structsvm.metrics.ranking import (
    mean_average_precision,
    mean_f1_at_k,
    mean_ndcg,
    mean_pair_accuracy,
    mean_precision_at_k,
)
from structsvm.metrics.reliability import (
    Reliability,
    expected_calibration_error,
    reliability,
)
from structsvm.metrics.sequences import (
    SCORES,
    SpanScores,
    label_report,
    sequence_accuracy,
    span_f1_score,
    span_report,
    span_scores,
    token_accuracy,
)
from structsvm.metrics.trees import AttachmentScores, attachment_scores

__all__ = [
    "SCORES",
    "AttachmentScores",
    "Reliability",
    "SpanScores",
    "attachment_scores",
    "convert_tags",
    "dice",
    "expected_calibration_error",
    "flat_scores",
    "jaccard",
    "label_report",
    "mean_average_precision",
    "mean_f1_at_k",
    "mean_ndcg",
    "mean_pair_accuracy",
    "mean_precision_at_k",
    "pixel_accuracy",
    "reliability",
    "sequence_accuracy",
    "span_f1_score",
    "span_report",
    "span_scores",
    "span_tags",
    "spans",
    "token_accuracy",
]
