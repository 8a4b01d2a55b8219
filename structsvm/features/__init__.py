"""From tokens to the sparse rows that chains take."""

from structsvm.features.vectorizer import SequenceVectorizer

__all__ = ["SequenceVectorizer"]
