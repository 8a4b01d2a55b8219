"""Data sets for examples, tests and benchmarks: sequences of labelled images, label images."""

from structsvm.datasets._digit_words import make_digit_words
from structsvm.datasets._letters import fetch_letters, load_letters
from structsvm.datasets._lines import make_lines
from structsvm.datasets._segmentation import make_segmentation

__all__ = ["fetch_letters", "load_letters", "make_digit_words", "make_lines", "make_segmentation"]
