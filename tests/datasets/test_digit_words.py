"""Words composed of digit images: what is real, what is drawn, and what the arguments allow."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.svm import LinearSVC

from structsvm.datasets import make_digit_words

PARTS = ("train", "test")


def assert_same(first, second, name):
    assert len(first[name]) == len(second[name])
    for one, other in zip(first[name], second[name], strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("words", ["markov", "lexicon", ["2024", (3, 6, 5), np.array([7])]])
def test_shapes_and_types(words):
    data = make_digit_words(30, 20, words=words, length=(2, 5), random_state=0)
    for part, n in zip(PARTS, (30, 20), strict=True):
        X, y = data[f"X_{part}"], data[f"y_{part}"]
        assert len(X) == len(y) == n
        for images, digits in zip(X, y, strict=True):
            assert images.shape == (len(digits), 64)
            assert images.dtype == np.float64
            assert images.min() >= 0
            assert images.max() <= 1
            assert digits.dtype == np.int64
            assert digits.min() >= 0
            assert digits.max() <= 9
    assert data.image_size == (8, 8)
    assert "Composed" in data.DESCR


def test_images_are_the_bundled_ones():
    pixels, labels = load_digits(return_X_y=True)
    data = make_digit_words(40, 40, noise=0, random_state=1)
    for part in PARTS:
        for X, y, images in zip(
            *(data[f"{name}_{part}"] for name in ("X", "y", "images")), strict=True
        ):
            np.testing.assert_array_equal(X, pixels[images] / 16)
            np.testing.assert_array_equal(y, labels[images])


def test_train_and_test_images_are_disjoint():
    data = make_digit_words(400, 400, random_state=2)
    train, test = (set(np.concatenate(data[f"images_{part}"])) for part in PARTS)
    assert train.isdisjoint(test)
    # 2,400 draws from about 900 images leave few of them unused.
    assert min(len(train), len(test)) > 700


@pytest.mark.parametrize("words", ["markov", "lexicon"])
def test_same_seed_same_data(words):
    first, second = (make_digit_words(20, 20, words=words, random_state=3) for _ in range(2))
    for part in PARTS:
        assert_same(first, second, f"X_{part}")
        assert_same(first, second, f"y_{part}")
    other = make_digit_words(20, 20, words=words, random_state=4)
    assert any(not np.array_equal(a, b) for a, b in zip(first.X_train, other.X_train, strict=True))


def test_noise_changes_nothing_but_the_pixels():
    clean, noisy = (make_digit_words(500, 500, noise=noise, random_state=5) for noise in (0, 0.1))
    for part in PARTS:
        assert_same(clean, noisy, f"y_{part}")
        assert_same(clean, noisy, f"images_{part}")
        change = np.concatenate(noisy[f"X_{part}"]) - np.concatenate(clean[f"X_{part}"])
        inner = np.concatenate(clean[f"X_{part}"]) == 0.5  # clipping does not reach these
        assert change[inner].std() == pytest.approx(0.1, rel=0.05)


def test_markov_words_follow_the_chain():
    data = make_digit_words(2000, 1, length=(2, 11), random_state=6)
    assert data.lexicon is None
    np.testing.assert_allclose(data.start, 0.1)
    np.testing.assert_allclose(data.transitions.sum(axis=0), 1)
    np.testing.assert_allclose(data.transitions.sum(axis=1), 1)
    np.testing.assert_allclose(np.sort(data.transitions), [[0.02] * 8 + [0.32, 0.52]] * 10)

    counts = np.zeros((10, 10))
    for word in data.y_train:
        np.add.at(counts, (word[:-1], word[1:]), 1)
    # About 1,100 transitions leave each digit: four standard errors are below 0.07.
    np.testing.assert_allclose(
        counts / counts.sum(axis=1, keepdims=True), data.transitions, atol=0.07
    )
    lengths = np.bincount([len(word) for word in data.y_train])
    assert set(np.flatnonzero(lengths)) == set(range(2, 12))


@pytest.mark.parametrize("words", ["lexicon", ["2024", [3, 6, 5]]])
def test_words_come_from_the_lexicon(words):
    data = make_digit_words(200, 200, words=words, length=(3, 4), random_state=7)
    assert data.start is None
    assert data.transitions is None
    lexicon = {tuple(word) for word in data.lexicon}
    assert len(lexicon) == len(data.lexicon)
    for part in PARTS:
        assert {tuple(word) for word in data[f"y_{part}"]} == lexicon
    if words == "lexicon":
        assert 2 <= len(lexicon) <= 10
        assert {len(word) for word in lexicon} <= {3, 4}
    else:
        assert lexicon == {(2, 0, 2, 4), (3, 6, 5)}


def test_lexicon_keeps_each_short_word_once():
    data = make_digit_words(1, 1, words="lexicon", length=(1, 1), random_state=0)
    words = [tuple(word) for word in data.lexicon]
    assert len(words) == len(set(words)) < 10


def test_labels_are_not_shared_with_the_lexicon():
    data = make_digit_words(2, 2, words=["123"], random_state=0)
    data.y_train[0][:] = 0
    for word in (data.y_train[1], data.y_test[0], data.lexicon[0]):
        np.testing.assert_array_equal(word, [1, 2, 3])


def test_default_noise_leaves_work_for_the_neighbours():
    data = make_digit_words(random_state=0)
    X, y, X_test, y_test = (
        np.concatenate(data[name]) for name in ("X_train", "y_train", "X_test", "y_test")
    )
    accuracy = LinearSVC(C=0.01).fit(X, y).score(X_test, y_test)
    assert 0.85 < accuracy < 0.92


def test_random_state_instance():
    first = make_digit_words(5, 5, random_state=8)
    second = make_digit_words(5, 5, random_state=np.random.RandomState(8))
    assert_same(first, second, "X_test")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"n_train": 0}, ValueError, "n_train must be at least 1, got 0"),
        ({"n_test": 2.5}, TypeError, r"n_test must be an integer, got 2\.5"),
        ({"words": "hmm"}, ValueError, '"markov", "lexicon" or a sequence of words, got \'hmm\''),
        ({"words": None}, TypeError, "sequence of words, got None"),
        ({"words": []}, ValueError, "at least one word, got an empty sequence"),
        ({"words": ["12", ""]}, ValueError, r"words\[1\] must be .*, not empty, got ''"),
        ({"words": ["1a"]}, ValueError, r"words\[0\] must be a string of digits .* got '1a'"),
        ({"words": ["1²"]}, ValueError, r"words\[0\] must be a string of digits"),
        ({"words": [[1, 10]]}, ValueError, r"words\[0\] .* 0 to 9, not empty, got \[1, 10\]"),
        ({"words": [[1, 0.5]]}, ValueError, r"words\[0\] .* integers 0 to 9"),
        ({"words": [[[1], [2, 3]]]}, ValueError, r"words\[0\] .* integers 0 to 9"),
        ({"words": [2024]}, ValueError, r"words\[0\] .* got 2024"),
        ({"length": 5}, TypeError, r"length must be a pair \(shortest, longest\), got 5"),
        ({"length": (0, 3)}, ValueError, r"length\[0\] must be at least 1, got 0"),
        ({"length": (4, 3)}, ValueError, r"length\[1\] must be at least 4, got 3"),
        ({"length": (1.0, 3)}, TypeError, r"length\[0\] must be an integer, got 1\.0"),
        ({"noise": -0.1}, ValueError, r"noise must be a finite number, at least 0, got -0\.1"),
        ({"noise": np.nan}, ValueError, "noise must be a finite number, at least 0, got nan"),
        ({"noise": "low"}, TypeError, "noise must be a number, got 'low'"),
        ({"random_state": "seed"}, ValueError, "seed"),
    ],
)
def test_arguments_are_checked(arguments, error, message):
    with pytest.raises(error, match=message):
        make_digit_words(**arguments)
