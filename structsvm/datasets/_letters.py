"""The OCR letters: handwritten words as sequences of binary letter images.

Two forms of the data occur here.  ``letter.data.gz`` is the published text file, one letter a
line.  ``letters.npz`` is what this module caches and reads: the letters of all words end to end,
and where each word begins.
"""

import gzip
import http.client
import os
import re
import string
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import Bunch

from structsvm.data.files import replacing

_PUBLIC_URL = "https://ai.stanford.edu/~btaskar/ocr/letter.data.gz"
_FILE_NAME = "letters.npz"
_ARRAY_NAMES = ("X", "y", "offsets", "folds")
_IMAGE_SIZE = (16, 8)
_N_PIXELS = _IMAGE_SIZE[0] * _IMAGE_SIZE[1]
_N_FOLDS = 10
_ALPHABET = string.ascii_lowercase

# What the complete data set holds.
_N_LETTERS = 52_152
_N_WORDS = 6_877

# The columns of letter.data: name, pattern of a valid value, the same in words.  Eighteen digits
# fit into int64.  The columns named "unused" take any value: a word ends where next_id says so.
_COLUMNS = [
    ("id", "[0-9]{1,18}", "a non-negative integer"),
    ("letter", "[a-z]", "a letter a-z"),
    ("next_id", "-1|[0-9]{1,18}", "a non-negative integer, or -1 at the end of a word"),
    ("word_id (unused)", "[^\t]*", "anything"),
    ("position (unused)", "[^\t]*", "anything"),
    ("fold", "[0-9]", "a digit 0-9"),
    *(
        (f"p_{row}_{column}", "[01]", "a pixel 0 or 1")
        for row in range(_IMAGE_SIZE[0])
        for column in range(_IMAGE_SIZE[1])
    ),
]
_FIRST_PIXEL = len(_COLUMNS) - _N_PIXELS
# The published file closes each line with one more tab.
_LINE = re.compile("\t".join(f"(?:{pattern})" for _, pattern, _ in _COLUMNS) + "\t?")

_DESCR = """\
OCR letters: 6,877 handwritten words, 52,152 lowercase letters, 26 classes, 10 folds.

Everything is real: the words were written by hand (Kassel, 1995), and their letters were cut
apart, brought to 16 x 8 binary pixels and divided into folds by Taskar, Guestrin and Koller
(2003), who left out the capital first letter of each word.  Few distinct words occur, each
written many times.  Home: https://ai.stanford.edu/~btaskar/ocr/; it states no licence.
"""


def load_letters(*, data_home: str | os.PathLike[str] | None = None) -> Bunch:
    """Load the OCR letters, a data set of handwritten words.

    A word is a sequence of T binary images of lowercase letters, each labelled with one of 26
    classes: 6,877 words, 52,152 letters, T from 3 to 14.  Everything in it is real handwriting.
    The capital first letter of each word is left out, so that "commanding" is "ommanding" here.

    Nothing is downloaded: `fetch_letters` does that.  ``letters.npz`` is looked for in three
    folders, and the first one found is read: `data_home`, if given; the folder named by the
    environment variable ``STRUCTSVM_DATA``, if set; the cache ``$XDG_CACHE_HOME/structsvm``, which
    is ``~/.cache/structsvm`` where ``XDG_CACHE_HOME`` is not set.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder to look in first.

    Returns
    -------
    data : Bunch
        A dictionary whose entries are attributes as well:

        X : list of 6,877 arrays of shape (T, 128), uint8
            Pixels 0 or 1 of the letter images, row by row.
        y : list of 6,877 arrays of shape (T,), int64
            Labels 0 to 25, for a to z.
        folds : array of shape (6877,), int8
            The fold 0 to 9 of each word, as published.  Papers train on one fold and test on the
            other nine ("small"), or the reverse ("large").
        classes : array of shape (26,), str
            The letters: ``"".join(data.classes[data.y[i]])`` spells word i.
        image_size : tuple (16, 8)
            Rows and columns of an image.
        DESCR : str
            A short description with the origin of the data.

    Raises
    ------
    FileNotFoundError
        If none of the folders holds ``letters.npz``.
    ValueError
        If the file found is damaged or holds something else.

    References
    ----------
    R. H. Kassel.  A Comparison of Approaches to On-line Handwritten Character Recognition.
    PhD thesis, Massachusetts Institute of Technology, 1995.

    B. Taskar, C. Guestrin, D. Koller.  Max-Margin Markov Networks.  Advances in Neural
    Information Processing Systems 16, 2003.

    Examples
    --------
    >>> from structsvm.datasets import load_letters
    >>> data = load_letters()  # doctest: +SKIP
    >>> "".join(data.classes[data.y[0]])  # doctest: +SKIP
    'ommanding'
    >>> data.X[0].shape  # doctest: +SKIP
    (9, 128)
    """
    paths = [folder / _FILE_NAME for folder in _search_folders(data_home)]
    for path in paths:
        if path.is_file():
            return _as_bunch(_read_arrays(path))
    raise FileNotFoundError(
        f"{_FILE_NAME} not found, looked for {' and '.join(map(str, paths))}: call "
        "structsvm.datasets.fetch_letters(), or set STRUCTSVM_DATA to the folder that holds it"
    )


def fetch_letters(
    *,
    data_home: str | os.PathLike[str] | None = None,
    url: str = _PUBLIC_URL,
    timeout: float = 60.0,
) -> Bunch:
    """Download the OCR letters once, and load them.

    If the folder holds ``letters.npz`` already, nothing is downloaded.  Otherwise the original
    ``letter.data.gz`` is downloaded, parsed and checked, and ``letters.npz`` is written in one
    step: after an error the folder is as it was before.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder for ``letters.npz``, made if missing.  None stands for the cache that
        `load_letters` searches: ``$XDG_CACHE_HOME/structsvm`` or ``~/.cache/structsvm``.
    url : str, default="https://ai.stanford.edu/~btaskar/ocr/letter.data.gz"
        Where the file is found; the default is its public home.
    timeout : float, default=60.0
        Seconds to wait for an answer of the server before giving up.

    Returns
    -------
    data : Bunch
        As `load_letters` returns it.

    Raises
    ------
    OSError
        If the download fails or the folder cannot be written.
    ValueError
        If the downloaded file is damaged, malformed (with the number of the line) or does not
        hold 52,152 letters in 6,877 words; or if a ``letters.npz`` found in the folder is damaged.

    References
    ----------
    B. Taskar, C. Guestrin, D. Koller.  Max-Margin Markov Networks.  Advances in Neural
    Information Processing Systems 16, 2003.

    Examples
    --------
    >>> from structsvm.datasets import fetch_letters
    >>> data = fetch_letters()  # doctest: +SKIP
    >>> len(data.X)  # doctest: +SKIP
    6877
    """
    if not timeout > 0:
        raise ValueError(f"timeout must be a positive number of seconds, got {timeout!r}")
    folder = _cache_folder() if data_home is None else Path(data_home).expanduser()
    path = folder / _FILE_NAME
    if not path.is_file():
        compressed = _download(url, timeout)
        try:
            # Latin-1 decodes every byte; the line pattern rejects what is not ASCII.
            arrays = _parse_letters(gzip.decompress(compressed).decode("latin-1").splitlines())
            _check_arrays(arrays)
        except (EOFError, ValueError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(
                f"{url} did not send the complete OCR letters ({error}): try again, or give the "
                "address of another copy of letter.data.gz as url"
            ) from error
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            np.savez_compressed(
                file,
                X=arrays["X"],
                y=arrays["y"],
                offsets=arrays["offsets"],
                folds=arrays["folds"],
            )
    return load_letters(data_home=folder)


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "structsvm"


def _search_folders(data_home: str | os.PathLike[str] | None) -> list[Path]:
    given = [folder for folder in (data_home, os.environ.get("STRUCTSVM_DATA")) if folder]
    return [*(Path(folder).expanduser() for folder in given), _cache_folder()]


def _download(url: str, timeout: float) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            content: bytes = response.read()
    except (OSError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # it is the server's response, an open connection
        raise OSError(
            f"the download of {url} failed ({error}): try again later, or set STRUCTSVM_DATA to a "
            f"folder that holds {_FILE_NAME}"
        ) from error
    return content


def _parse_letters(lines: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Turn the lines of ``letter.data`` into the arrays of ``letters.npz``.

    Words come in the order of their letters' ids.
    """
    ids, next_ids, folds = [], [], []
    letters, images = [], []
    for number, line in enumerate(lines, start=1):
        if not _LINE.fullmatch(line):
            raise ValueError(f"line {number}: {_what_is_malformed(line)}")
        fields = line.split("\t")
        ids.append(int(fields[0]))
        letters.append(fields[1])
        next_ids.append(int(fields[2]))
        folds.append(int(fields[5]))
        images.append("".join(fields[_FIRST_PIXEL : len(_COLUMNS)]))
    if not ids:
        raise ValueError("expected one letter a line, got an empty file")

    order = np.argsort(ids, kind="stable")
    id_of, next_id_of, fold_of = (np.array(column)[order] for column in (ids, next_ids, folds))
    is_last = next_id_of == -1
    if not is_last[-1]:
        raise ValueError(
            f"line {order[-1] + 1}: expected a letter with id {next_id_of[-1]} to "
            "follow, got the end of the file"
        )
    broken = ~is_last[:-1] & ((next_id_of[:-1] != id_of[1:]) | (fold_of[:-1] != fold_of[1:]))
    if broken.any():
        at = int(np.argmax(broken))
        raise ValueError(
            f"line {order[at] + 1}: expected the word to go on with id {next_id_of[at]} "
            f"in fold {fold_of[at]}, got id {id_of[at + 1]} in fold {fold_of[at + 1]}"
        )

    offsets = np.concatenate([[0], np.flatnonzero(is_last) + 1])
    pixels = np.frombuffer("".join(images).encode("ascii"), dtype=np.uint8) - ord("0")
    codes = np.frombuffer("".join(letters).encode("ascii"), dtype=np.uint8) - ord("a")
    return {
        "X": pixels.reshape(-1, _N_PIXELS)[order],
        "y": codes[order].astype(np.int16),
        "offsets": offsets.astype(np.int64),
        "folds": fold_of[offsets[:-1]].astype(np.int8),
    }


def _what_is_malformed(line: str) -> str:
    fields = line.removesuffix("\t").split("\t")
    if len(fields) != len(_COLUMNS):
        return (
            f"expected {len(_COLUMNS)} tab-separated fields (id, letter, next_id, word_id, "
            f"position, fold, {_N_PIXELS} pixels), got {len(fields)}"
        )
    name, expected, field = next(
        (name, expected, field)
        for (name, pattern, expected), field in zip(_COLUMNS, fields, strict=True)
        if not re.fullmatch(pattern, field)
    )
    return f"expected {expected} in the field {name}, got {field!r}"


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # Opened here, since numpy leaves a file it cannot read open.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in _ARRAY_NAMES}
        _check_arrays(arrays)
    except (EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        # TypeError: numpy reads a file with a single array as well, but not as an archive.
        raise ValueError(
            f"{path} does not hold the complete OCR letters ({error}): delete it and call "
            "structsvm.datasets.fetch_letters()"
        ) from error
    return arrays


def _check_arrays(arrays: dict[str, NDArray[Any]]) -> None:
    """Raise a ValueError unless the arrays are the complete data set in good order."""
    X, y, offsets, folds = (arrays[name] for name in _ARRAY_NAMES)

    def check(condition: bool, expected: str, got: object) -> None:
        if not condition:
            raise ValueError(f"expected {expected}, got {got}")

    for name, array, n_dimensions in (
        ("X", X, 2),
        ("y", y, 1),
        ("offsets", offsets, 1),
        ("folds", folds, 1),
    ):
        check(
            array.ndim == n_dimensions and np.issubdtype(array.dtype, np.integer),
            f"{name} as a {n_dimensions}-d array of integers",
            f"a {array.ndim}-d array of {array.dtype}",
        )
    check(len(X) == _N_LETTERS, f"{_N_LETTERS} letters", len(X))
    check(len(folds) == _N_WORDS, f"{_N_WORDS} words", len(folds))
    check(X.shape[1] == _N_PIXELS, f"{_N_PIXELS} pixels a letter", X.shape[1])
    check(len(y) == _N_LETTERS, f"{_N_LETTERS} labels", len(y))
    check(len(offsets) == _N_WORDS + 1, f"{_N_WORDS + 1} offsets", len(offsets))
    smallest_step = np.diff(offsets.astype(np.int64)).min()
    check(
        offsets[0] == 0 and offsets[-1] == _N_LETTERS and smallest_step > 0,
        f"offsets that rise from 0 to {_N_LETTERS}",
        f"{offsets[0]} to {offsets[-1]} with a smallest step of {smallest_step}",
    )
    for name, array, largest in (
        ("X", X, 1),
        ("y", y, len(_ALPHABET) - 1),
        ("folds", folds, _N_FOLDS - 1),
    ):
        check(
            bool(array.min() >= 0 and array.max() <= largest),
            f"{name} in 0..{largest}",
            f"{array.min()}..{array.max()}",
        )


def _as_bunch(arrays: dict[str, NDArray[Any]]) -> Bunch:
    word_starts = arrays["offsets"][1:-1]
    return Bunch(
        X=np.split(arrays["X"].astype(np.uint8, copy=False), word_starts),
        y=np.split(arrays["y"].astype(np.int64), word_starts),
        folds=arrays["folds"].astype(np.int8, copy=False),
        classes=np.array(list(_ALPHABET)),
        image_size=_IMAGE_SIZE,
        DESCR=_DESCR,
    )
