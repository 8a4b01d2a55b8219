"""What several commands do with model files."""

from __future__ import annotations

from collections.abc import Iterable

from structsvm.columns import Sentence
from structsvm.estimators import DependencyParser, SequenceTagger
from structsvm.features import TokenFeatures
from structsvm.persistence.model_files import load

__all__ = ["columns_read", "load_parser", "load_tagger"]


def load_tagger(path: str, *, columns: bool = True) -> SequenceTagger:
    """The tagger in a file; with `columns`, one that reads columns.

    Raises
    ------
    ValueError
        If it holds another kind of model.
    """
    tagger = load(path)
    if not isinstance(tagger, SequenceTagger):
        raise ValueError(f"{path} holds a {type(tagger).__name__}, not a tagger")
    if columns and not isinstance(tagger.features_, TokenFeatures):
        raise ValueError(
            f"{path} reads attributes ({type(tagger.features_).__name__}), not columns: use it "
            "from Python"
        )
    return tagger


def load_parser(path: str) -> DependencyParser:
    """The parser in a file.

    Raises
    ------
    ValueError
        If it holds another kind of model.
    """
    parser = load(path)
    if not isinstance(parser, DependencyParser):
        raise ValueError(f"{path} holds a {type(parser).__name__}, not a parser")
    return parser


def columns_read(tagger: SequenceTagger, sentences: Iterable[Sentence]) -> list[Sentence]:
    """The columns of each token that the tagger reads; a file may have more."""
    n_columns = tagger.features_.n_columns_read_
    return [[token[:n_columns] for token in sentence] for sentence in sentences]
