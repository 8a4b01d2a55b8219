"""A tagger from a file needs no scikit-learn for tags, and is an estimator when asked for more."""

import copy
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

import structsvm
from structsvm import SequenceTagger
from structsvm.exceptions import ModelFileError
from structsvm.features import TokenFeatures
from structsvm.persistence import model_files
from structsvm.persistence.loaded_tagger import LoadedTagger

WORDS = [
    ["the", "old", "cat", "sleeps"],
    ["a", "dog", "barks"],
    ["the", "dog", "sees", "the", "cat"],
    ["old", "dogs", "sleep"],
]
TAGS = [
    ["B-NP", "I-NP", "I-NP", "O"],
    ["B-NP", "I-NP", "O"],
    ["B-NP", "I-NP", "O", "B-NP", "I-NP"],
    ["B-NP", "I-NP", "O"],
]
UNSEEN = [["a", "cat", "sees", "old", "dogs"], ["the"], []]


def as_pairs(sentences):
    return [[(word, word[-1:].upper()) for word in sentence] for sentence in sentences]


def as_attributes(sentences):
    return [[[word, f"ends={word[-1:]}"] for word in sentence] for sentence in sentences]


def as_dicts(sentences):
    return [
        [{"word": word, "long": len(word) / 3, "s": word.endswith("s")} for word in sentence]
        for sentence in sentences
    ]


FORMS = {"words": list, "pairs": as_pairs, "attributes": as_attributes, "dicts": as_dicts}


@pytest.fixture
def load(monkeypatch):
    """`structsvm.load` as it is before anything imported the estimator."""
    monkeypatch.setattr(model_files, "_LIGHT_UNTIL", "nothing of this name")
    return structsvm.load


def saved(tmp_path, form=list, **params):
    tagger = SequenceTagger(C=1.0, random_state=0, **params).fit(form(WORDS), TAGS)
    tagger.save(tmp_path / "model.npz")
    return tagger, tmp_path / "model.npz"


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("constraints", [None, "iob2", "seen", [("O", "I-NP"), (None, "I-NP")]])
def test_it_tags_as_the_whole_does(tmp_path, load, form, constraints):
    whole, path = saved(tmp_path, FORMS[form], constraints=constraints)
    light = load(path)
    assert type(light) is LoadedTagger
    sentences = FORMS[form](WORDS + UNSEEN)
    for ours, expected in zip(light.predict(sentences), whole.predict(sentences), strict=True):
        np.testing.assert_array_equal(ours, expected, strict=True)
    assert [light.tag(s) for s in sentences] == [whole.tag(s) for s in sentences]
    np.testing.assert_array_equal(light.classes_, whole.classes_, strict=True)
    assert type(light) is LoadedTagger


def test_a_condensed_tagger(tmp_path, load):
    whole, path = saved(tmp_path)
    whole.condensed(0.01).save(path)
    light = load(path)
    assert [light.tag(s) for s in UNSEEN] == [whole.tag(s) for s in UNSEEN]
    assert type(light) is LoadedTagger


@pytest.mark.parametrize(
    "params",
    [
        {"order": 2},
        {"features": TokenFeatures(["U:%x[0,0]", "B:%x[0,0]"])},
        {"features": TokenFeatures("words", n_hashed=64)},
    ],
    ids=["order 2", "edge features", "hashed"],
)
def test_what_one_call_does_not_read_is_loaded_whole(tmp_path, load, params):
    whole, path = saved(tmp_path, **params)
    other = load(path)
    assert type(other) is SequenceTagger
    assert [other.tag(s) for s in UNSEEN] == [whole.tag(s) for s in UNSEEN]


def test_other_estimators_are_loaded_whole(tmp_path, load):
    svm = structsvm.MulticlassSVM().fit([[0.0], [1.0]], [0, 1])
    svm.save(tmp_path / "model.npz")
    assert type(load(tmp_path / "model.npz")) is structsvm.MulticlassSVM


def becomes_whole(light, ask):
    assert type(light) is LoadedTagger
    result = ask(light)
    assert type(light) is SequenceTagger
    return result


@pytest.mark.parametrize(
    "ask",
    [
        repr,
        dir,
        clone,
        copy.copy,
        copy.deepcopy,
        check_is_fitted,
        lambda light: light.coef_,
        lambda light: light.get_params(),
        lambda light: light.set_params(n_jobs=2),
        lambda light: light.predict_n_best(WORDS, 2),
        lambda light: light.score(WORDS, TAGS),
        lambda light: setattr(light, "verbose", 1),
        lambda light: pickle.dumps(light),
    ],
)
def test_asked_for_more_it_becomes_the_estimator(tmp_path, load, ask):
    whole, path = saved(tmp_path)
    light = load(path)
    becomes_whole(light, ask)
    assert vars(light).keys() >= {"model_", "coef_", "features_"}
    assert "_light" not in vars(light)
    np.testing.assert_array_equal(light.coef_, whole.coef_)
    assert light.dual_gap_ == whole.dual_gap_
    assert [light.tag(s) for s in UNSEEN] == [whole.tag(s) for s in UNSEEN]


def test_copies_and_pickles_are_estimators(tmp_path, load):
    whole, path = saved(tmp_path)
    for other in (
        copy.copy(load(path)),
        copy.deepcopy(load(path)),
        pickle.loads(pickle.dumps(load(path))),
    ):
        assert type(other) is SequenceTagger
        assert other.tag(UNSEEN[0]) == whole.tag(UNSEEN[0])


def test_it_is_an_instance_of_what_it_stands_for(tmp_path, load):
    _, path = saved(tmp_path)
    light = load(path)
    assert isinstance(light, SequenceTagger)
    assert isinstance(light, structsvm.ChainSVM)
    assert not isinstance(light, structsvm.MulticlassSVM)
    assert type(light) is LoadedTagger


def test_it_can_be_fitted_and_saved_again(tmp_path, load):
    whole, path = saved(tmp_path)
    light = load(path)
    light.save(tmp_path / "again.npz")
    again = load(tmp_path / "again.npz")
    assert [again.tag(s) for s in UNSEEN] == [whole.tag(s) for s in UNSEEN]
    np.testing.assert_array_equal(load(path).fit(WORDS, TAGS).coef_, whole.coef_)


def test_wrong_input_gets_the_errors_of_the_estimator(tmp_path, load):
    whole, path = saved(tmp_path)
    for wrong in ([3], [["the", "DT"]], "the cat", 5, [{"word": "the"}]):
        with pytest.raises((ValueError, TypeError)) as expected:
            whole.tag(wrong)
        with pytest.raises(type(expected.value)) as told:
            load(path).tag(wrong)
        assert str(told.value) == str(expected.value)
    light = load(path)
    with pytest.raises(AttributeError, match="'SequenceTagger' object has no attribute 'tags_'"):
        _ = light.tags_


def test_threads_make_it_whole_once(tmp_path, load):
    whole, path = saved(tmp_path)
    light, wrong = load(path), []
    start = threading.Barrier(8)

    def use(k):
        start.wait()
        for _ in range(50):
            if k % 2 and light.coef_.shape != whole.coef_.shape:
                wrong.append("coef_")
            if light.tag(UNSEEN[0]) != whole.tag(UNSEEN[0]):
                wrong.append("tags")

    threads = [threading.Thread(target=use, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert type(light) is SequenceTagger


def test_damaged_files_are_refused_as_ever(tmp_path, load):
    _, path = saved(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=r"model\.npz"):
        load(path)


def test_scikit_learn_and_scipy_are_not_imported(tmp_path):
    whole, path = saved(tmp_path, constraints="iob2")
    code = f"""
import sys, structsvm
tagger = structsvm.load({str(path)!r})
print(tagger.tag("a cat sees old dogs".split()))
print([tags.tolist() for tags in tagger.predict([["the", "cat"]])])
print([name for name in ("sklearn", "scipy", "joblib", "networkx") if name in sys.modules])
print(isinstance(tagger, structsvm.SequenceTagger), round(tagger.objective_, 12))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines == [
        repr(whole.tag(UNSEEN[0])),
        repr([whole.tag(["the", "cat"])]),
        "[]",
        f"True {round(whole.objective_, 12)}",
    ]
