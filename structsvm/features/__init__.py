"""From tokens to the sparse rows that chains take."""

from structsvm.features.templates import read_templates
from structsvm.features.token_features import TokenFeatures
from structsvm.features.vectorizer import SequenceVectorizer

__all__ = ["SequenceVectorizer", "TokenFeatures", "read_templates"]
