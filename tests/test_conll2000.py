"""The real text: counts that are known of it, and scores that must be reached."""

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import HOW_TO_GET_DATA

from structsvm import SequenceTagger
from structsvm.columns import read_columns
from structsvm.features import TokenFeatures
from structsvm.metrics import span_f1_score


@pytest.fixture(scope="module")
def corpus():
    folder = Path(os.environ.get("STRUCTSVM_DATA", "")) / "conll2000"
    if not (folder / "train.txt.gz").exists():
        pytest.skip(HOW_TO_GET_DATA)
    return read_columns(folder / "train.txt.gz"), read_columns(folder / "test.txt.gz")


def test_attributes_are_those_that_others_count(corpus):
    (X, y), (X_test, y_test) = corpus
    assert (len(X), sum(map(len, y)), max(map(len, y))) == (8936, 211_727, 78)
    assert (len(X_test), sum(map(len, y_test))) == (2012, 47_377)
    assert len({tag for tags in y for tag in tags}) == 22
    rows = TokenFeatures("chunk").fit_transform(X).rows
    assert rows.shape == (211_727, 335_674)
    assert rows.nnz == 3_808_439


def test_chunks_are_found_and_a_new_label_is_only_wrong(corpus):
    (X, y), (X_test, y_test) = corpus
    tagger = SequenceTagger(solver="perceptron", constraints="iob2", random_state=0).fit(X, y)
    guess = tagger.predict(X_test)
    assert span_f1_score(y_test, guess) >= 0.936
    assert "I-LST" in {tag for tags in y_test for tag in tags}
    assert "I-LST" not in tagger.classes_
    right = np.mean(np.concatenate(guess) == np.concatenate(y_test))
    assert tagger.score(X_test, y_test) == pytest.approx(right)
