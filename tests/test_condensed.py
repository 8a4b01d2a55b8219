"""Taggers with fewer and shorter weights, and their files."""

import numpy as np
import pytest

from structsvm import SequenceTagger, load
from structsvm.exceptions import ModelFileError
from structsvm.features import SequenceVectorizer, TokenFeatures
from structsvm.persistence.model_files import Contents

rng = np.random.default_rng(0)
WORDS = [f"w{k}" for k in range(300)]
X = [[WORDS[k] for k in rng.integers(300, size=8)] for _ in range(60)]
Y = [[f"L{int(word[1:]) % 3}" for word in x] for x in X]
KINDS = {
    "words": (lambda x: x, TokenFeatures("words")),
    "mark": (lambda x: x, TokenFeatures("words", outside="mark")),
    "pairs": (
        lambda x: x,
        TokenFeatures(["U0:%x[0,0]", "U1:%x[-1,0]/%x[0,0]", "B0:%x[0,0|prefix2]"]),
    ),
    "hashed": (lambda x: x, TokenFeatures("words", n_hashed=500)),
    "strings": (lambda x: [[word, word[:2]] for word in x], SequenceVectorizer()),
}


def fitted(kind, **params):
    make, features = KINDS[kind]
    sentences = [make(x) for x in X]
    return SequenceTagger(features, C=1.0, random_state=0, **params).fit(sentences, Y), sentences


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_condensed_taggers_predict_with_their_weights(kind, dtype, tmp_path):
    tagger, sentences = fitted(kind)
    limit = float(np.quantile(np.abs(tagger.state_coef_[tagger.state_coef_ != 0]), 0.3))
    small = tagger.condensed(limit, dtype=dtype)
    # By hand: the same model with weights set to 0, and rounded.
    by_hand = SequenceTagger().__class__(**tagger.get_params(deep=False)).fit(sentences, Y)
    by_hand.coef_[:] = by_hand.coef_.astype(dtype)
    state = by_hand.state_coef_
    state[np.abs(state) < limit] = 0.0
    for a, b in zip(small.predict(sentences), by_hand.predict(sentences), strict=True):
        np.testing.assert_array_equal(a, b)
    if kind != "hashed":
        assert small.model_.n_features_in_ < tagger.model_.n_features_in_
        names = tagger.features_.get_feature_names_out()
        places = {name: k for k, name in enumerate(names)}
        for name, row in zip(
            small.features_.get_feature_names_out(), small.state_coef_, strict=True
        ):
            np.testing.assert_array_equal(row, state[places[name]])
    np.testing.assert_array_equal(small.transition_coef_, by_hand.transition_coef_)
    assert not small.certified_
    assert np.isnan(small.dual_gap_)
    assert tagger.certified_  # which is left as it was
    assert len(tagger.features_.get_feature_names_out()) == tagger.model_.n_features_in_
    small.save(tmp_path / "small")
    tagger.save(tmp_path / "whole")
    assert (tmp_path / "small").stat().st_size < (tmp_path / "whole").stat().st_size
    again = load(tmp_path / "small")
    np.testing.assert_array_equal(again.coef_, small.coef_)
    assert [again.tag(x) for x in sentences] == [small.tag(x) for x in sentences]


def test_nothing_is_lost_by_default_but_digits():
    tagger, sentences = fitted("strings")
    small = tagger.condensed()
    np.testing.assert_allclose(
        small.state_coef_[small.state_coef_ != 0],
        tagger.state_coef_[tagger.state_coef_.astype(np.float16) != 0],
        rtol=1e-3,
        atol=1e-7,
    )
    assert small.score(sentences, Y) == tagger.score(sentences, Y)
    none = tagger.condensed(1e3)
    assert none.model_.n_features_in_ == 1
    assert len(none.tag(sentences[0])) == 8


def test_what_is_refused():
    tagger, _ = fitted("strings")
    for value in (-1.0, np.nan, np.inf, "1", None):
        with pytest.raises(ValueError, match=r"min_weight=.*: expected a finite number >= 0"):
            tagger.condensed(value)
    with pytest.raises(ValueError, match=r"dtype=.*: expected np.float16 or np.float32"):
        tagger.condensed(dtype=np.int8)
    tagger.coef_[0] = 1e6
    with pytest.raises(ValueError, match=r"too large for float16: use dtype=np.float32"):
        tagger.condensed()


@pytest.mark.parametrize(
    ("gaps", "values", "message"),
    [
        (np.zeros(3, np.uint8), np.ones(3, np.float16), "gaps of the weights are uint8"),
        (np.zeros(2, np.uint16), np.ones(3, np.float16), "gaps of the weights are uint16 of"),
        (np.zeros((3, 1), np.uint16), np.ones((3, 1), np.float16), "gaps of the weights"),
        (np.full(3, 9, np.uint16), np.ones(3, np.float16), "places beyond the 10 of the model"),
        (np.zeros(3, np.uint16), np.full(3, np.inf, np.float16), "weight 0 is not finite"),
        (np.zeros(3, np.uint16), np.ones(3), "the weights are float64"),
        (np.zeros(3, np.uint16), np.ones(3, np.int32), "the weights are int32"),
    ],
)
def test_forged_weights_are_refused(gaps, values, message):
    contents = Contents({}, {"coef/gaps": gaps, "coef/values": values}, "model.npz")
    with pytest.raises(ModelFileError, match=message):
        contents.flat_weights(10)
