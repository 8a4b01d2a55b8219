"""Words composed of real digit images: a sequence-labelling problem that needs no download."""

import string
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.utils import Bunch, check_random_state

_N_DIGITS = 10
_IMAGE_SIZE = (8, 8)
_BRIGHTEST = 16.0  # pixels of the bundled images are counts 0 to 16
_LEXICON_DRAWS = 10

# A row of the transition matrix: the likely successor, the second, and what the ten share.
_FIRST_SUCCESSOR, _SECOND_SUCCESSOR, _SHARED = 0.5, 0.3, 0.2

_DESCR = """\
Digit words: sequences of 8 x 8 images of handwritten digits.

Real: the images and their labels, from the data set of Alpaydin and Kaynak (1998) that
scikit-learn bundles.  Composed: which digits stand next to each other, and the noise on the pixels.
No image occurs both in training and test words.
"""


def make_digit_words(
    n_train: int = 200,
    n_test: int = 200,
    *,
    words: str | Sequence[str | Sequence[int]] = "markov",
    length: tuple[int, int] = (4, 8),
    noise: float = 0.25,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Compose words from real images of handwritten digits.

    The images and their labels are real: the 1,797 images of 8 x 8 pixels bundled with
    scikit-learn.  The words are composed, since nobody wrote these digits next to each other:
    which digits follow each other is drawn from a Markov chain or a lexicon, and noise is added to
    the pixels to leave something for the neighbours to tell.

    The images of each digit are divided at random into two halves, one for training words and one
    for test words.  For each position of a word an image of the wanted digit is drawn from its
    half with replacement; the noise is drawn anew each time.  Labels, images and chain do not
    depend on `noise`, given an integer `random_state`.

    Parameters
    ----------
    n_train, n_test : int, default=200
        Number of training words and of test words, at least 1.
    words : {"markov", "lexicon"} or sequence of words, default="markov"
        Where words come from, in training and test alike.

        - "markov": ``p(y) = start[y_1] * prod_t transitions[y_(t-1), y_t]``, where `start` is
          uniform and ``transitions[a, b] = 0.5 [b = s(a)] + 0.3 [b = s(a + 1)] + 0.02`` with a
          random permutation s of the digits (a + 1 modulo 10).  Every digit is equally frequent at
          every position, so that only the neighbours tell more than the image itself.
        - "lexicon": words are drawn uniformly from a lexicon of 10 words of uniform random
          digits (fewer words where short ones coincide).
        - a sequence of words: this is the lexicon.  A word is a string of digits such as "2024" or
          a sequence of integers 0 to 9, not empty.
    length : tuple of two int, default=(4, 8)
        Smallest and largest length of a word, in digits; lengths between are equally likely.
        Without effect when `words` is a sequence.
    noise : float, default=0.25
        Standard deviation of the Gaussian noise added to each pixel, where 0 is white paper and 1
        the darkest ink; the sum is clipped to [0, 1].
    random_state : int, RandomState instance or None, default=None
        Pass an integer for the same data at each call.

    Returns
    -------
    data : Bunch
        A dictionary whose entries are attributes as well:

        X_train, X_test : lists of arrays of shape (T, 64), float64
            Pixels of the images in [0, 1], row by row.
        y_train, y_test : lists of arrays of shape (T,), int64
            The digits 0 to 9.
        images_train, images_test : lists of arrays of shape (T,), int64
            Which image of `sklearn.datasets.load_digits` stands at each position.
        start : array of shape (10,), float64, or None
            Probabilities of the first digit; None unless `words` is "markov".
        transitions : array of shape (10, 10), float64, or None
            ``transitions[a, b]`` is the probability that b follows a; None unless `words` is
            "markov".
        lexicon : list of arrays of shape (T,), int64, or None
            The words to draw from; None if `words` is "markov".
        image_size : tuple (8, 8)
            Rows and columns of an image.
        DESCR : str
            A short description with the origin of the data.

    Raises
    ------
    TypeError
        If an argument has the wrong type.
    ValueError
        If an argument is out of range.

    References
    ----------
    E. Alpaydin, C. Kaynak.  Optical Recognition of Handwritten Digits.  UCI Machine Learning
    Repository, 1998.  https://doi.org/10.24432/C50P49

    Examples
    --------
    >>> from structsvm.datasets import make_digit_words
    >>> data = make_digit_words(n_train=3, n_test=2, words=["2024", "365"], random_state=0)
    >>> len(data.X_train), len(data.X_test)
    (3, 2)
    >>> data.X_train[0].shape == (len(data.y_train[0]), 64)
    True
    """
    n_words = {
        "train": _check_integer("n_train", n_train, 1),
        "test": _check_integer("n_test", n_test, 1),
    }
    shortest, longest = _check_length(length)
    if not isinstance(noise, Real):
        raise TypeError(f"noise must be a number, got {noise!r}")
    if not 0 <= noise < np.inf:
        raise ValueError(f"noise must be a finite number, at least 0, got {noise!r}")
    random = check_random_state(random_state)

    pixels, labels = load_digits(return_X_y=True)
    pixels = pixels / _BRIGHTEST
    pools = _split_images(labels, random)

    start = transitions = lexicon = None
    if not isinstance(words, str):
        lexicon = _check_lexicon(words)
    elif words == "markov":
        start, transitions = _draw_chain(random)
    elif words == "lexicon":
        lexicon = _draw_lexicon(shortest, longest, random)
    else:
        raise ValueError(
            f'words must be "markov", "lexicon" or a sequence of words, got {words!r}: put a '
            "single word into a list"
        )

    data = Bunch()
    for split, n in n_words.items():
        if lexicon is not None:
            y = [lexicon[choice].copy() for choice in random.randint(len(lexicon), size=n)]
        else:
            lengths = random.randint(shortest, longest + 1, size=n)
            y = [_draw_markov_word(start, transitions, T, random) for T in lengths]
        data[f"y_{split}"] = y
        data[f"images_{split}"] = [
            np.array([random.choice(pools[split][digit]) for digit in word], dtype=np.int64)
            for word in y
        ]
    # Noise is drawn last, so that its level changes nothing else.
    for split in n_words:
        data[f"X_{split}"] = [
            _add_noise(pixels[images], noise, random) for images in data[f"images_{split}"]
        ]
    data.update(
        start=start,
        transitions=transitions,
        lexicon=lexicon,
        image_size=_IMAGE_SIZE,
        DESCR=_DESCR,
    )
    return data


def _split_images(
    labels: NDArray[Any], random: np.random.RandomState
) -> dict[str, list[NDArray[Any]]]:
    """For each split and digit, the numbers of the images to draw from."""
    shuffled = [random.permutation(np.flatnonzero(labels == digit)) for digit in range(_N_DIGITS)]
    return {
        "train": [images[: len(images) // 2] for images in shuffled],
        "test": [images[len(images) // 2 :] for images in shuffled],
    }


def _draw_chain(random: np.random.RandomState) -> tuple[NDArray[Any], NDArray[Any]]:
    successor = random.permutation(_N_DIGITS)
    digits = np.arange(_N_DIGITS)
    # Rows and columns sum to 1: the uniform distribution stays uniform at every position.
    transitions = np.full((_N_DIGITS, _N_DIGITS), _SHARED / _N_DIGITS)
    transitions[digits, successor] += _FIRST_SUCCESSOR
    transitions[digits, np.roll(successor, -1)] += _SECOND_SUCCESSOR
    return np.full(_N_DIGITS, 1.0 / _N_DIGITS), transitions


def _draw_markov_word(
    start: NDArray[Any], transitions: NDArray[Any], length: int, random: np.random.RandomState
) -> NDArray[Any]:
    word = np.empty(length, dtype=np.int64)
    probabilities = start
    for position in range(length):
        word[position] = random.choice(_N_DIGITS, p=probabilities)
        probabilities = transitions[word[position]]
    return word


def _add_noise(pixels: NDArray[Any], noise: float, random: np.random.RandomState) -> NDArray[Any]:
    return np.clip(pixels + noise * random.standard_normal(pixels.shape), 0.0, 1.0)


def _draw_lexicon(shortest: int, longest: int, random: np.random.RandomState) -> list[NDArray[Any]]:
    lengths = random.randint(shortest, longest + 1, size=_LEXICON_DRAWS)
    drawn = [tuple(random.randint(_N_DIGITS, size=length)) for length in lengths]
    # Short words may be drawn twice; a dictionary keeps the first of each, in order.
    return [np.array(word, dtype=np.int64) for word in dict.fromkeys(drawn)]


def _check_integer(name: str, value: object, smallest: int) -> int:
    if not isinstance(value, Integral):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if value < smallest:
        raise ValueError(f"{name} must be at least {smallest}, got {value!r}")
    return int(value)


def _check_length(length: tuple[int, int]) -> tuple[int, int]:
    if not isinstance(length, Sequence) or len(length) != 2:
        raise TypeError(f"length must be a pair (shortest, longest), got {length!r}")
    shortest = _check_integer("length[0]", length[0], 1)
    return shortest, _check_integer("length[1]", length[1], shortest)


def _check_lexicon(words: Sequence[str | Sequence[int]]) -> list[NDArray[Any]]:
    if not isinstance(words, Sequence | np.ndarray):
        raise TypeError(f'words must be "markov", "lexicon" or a sequence of words, got {words!r}')
    if len(words) == 0:
        raise ValueError("words must hold at least one word, got an empty sequence")
    return [_check_word(f"words[{index}]", word) for index, word in enumerate(words)]


def _check_word(name: str, word: str | Sequence[int]) -> NDArray[Any]:
    digits: list[Any] = []
    if isinstance(word, str):
        digits = [string.digits.find(character) for character in word]  # -1 if it is no digit
    elif isinstance(word, Sequence | np.ndarray):
        digits = list(word)
    valid = (isinstance(d, Integral) and int(d) in range(_N_DIGITS) for d in digits)
    if not digits or not all(valid):
        raise ValueError(
            f"{name} must be a string of digits or a sequence of integers 0 to 9, not empty, "
            f"got {word!r}"
        )
    return np.array(digits, dtype=np.int64)
