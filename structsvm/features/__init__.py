"""From tokens to the sparse rows that chains take, and to the features of trees and spans."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from structsvm.features.arc_features import ArcFeatures
    from structsvm.features.spans import spans_of
    from structsvm.features.templates import read_templates
    from structsvm.features.token_features import TokenFeatures
    from structsvm.features.vectorizer import SequenceVectorizer

__all__ = ["ArcFeatures", "SequenceVectorizer", "TokenFeatures", "read_templates", "spans_of"]

# Imported when first used: taggers that are loaded do without scikit-learn.
_HOMES = {
    "ArcFeatures": "arc_features",
    "SequenceVectorizer": "vectorizer",
    "TokenFeatures": "token_features",
    "read_templates": "templates",
    "spans_of": "spans",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
