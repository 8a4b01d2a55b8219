"""From tokens to the sparse rows that chains take, and to the features of trees and spans."""

from structsvm.features.arc_features import ArcFeatures
from structsvm.features.spans import spans_of
from structsvm.features.templates import read_templates
from structsvm.features.token_features import TokenFeatures
from structsvm.features.vectorizer import SequenceVectorizer

__all__ = ["ArcFeatures", "SequenceVectorizer", "TokenFeatures", "read_templates", "spans_of"]
