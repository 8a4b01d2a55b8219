"""Hashes of what tokens are: word, tag, affixes, shape."""

import numpy as np

from cpython.unicode cimport PyUnicode_AsUTF8AndSize
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libc.string cimport memcpy

cdef extern from "structsvm/features/arc_features.h" nogil:
    enum:
        SSVM_ATTRIBUTES
        SSVM_MARGIN
    uint64_t ssvm_mix(uint64_t x)

MARGIN = SSVM_MARGIN

# What differs between the hashes of equal texts that mean different things.
cdef enum:
    OF_WORD = 1
    OF_TAG
    OF_LOWER
    OF_PREFIX
    OF_SUFFIX
    OF_ENDING
    OF_SHAPE
    OF_UNKNOWN


cdef uint64_t text_hash(str text, uint64_t kind) except? 0:
    cdef Py_ssize_t k, n
    cdef const char* letters
    cdef bytes encoded
    cdef uint64_t h = 0xcbf29ce484222325u + kind
    try:
        letters = PyUnicode_AsUTF8AndSize(text, &n)
    except UnicodeEncodeError:  # half a pair of surrogates
        encoded = text.encode("utf-8", "surrogatepass")
        letters, n = encoded, len(encoded)
    for k in range(n):
        h = (h ^ <uint8_t> letters[k]) * 0x100000001b3u
    return ssvm_mix(h)


def tag_hash(str tag):
    return text_hash(tag, OF_TAG)


def word_hash(str word):
    return text_hash(word, OF_WORD)


def word_attributes(words, known, uint64_t[:, ::1] out):
    """Write the attributes of words into the rows of `out`, all but their tags.

    Parameters
    ----------
    words : sequence of str
    known : set of int
        Hashes of the words that are no unknown ones; those are told by their shapes alone.
    """
    cdef Py_ssize_t i
    cdef uint64_t h, shape
    cdef str word, lower
    for i, word in enumerate(words):
        lower = word.lower()
        shape = ssvm_mix(OF_SHAPE * 1000 + shape_of(word))
        h = text_hash(word, OF_WORD)
        out[i, 0] = h if h in known else ssvm_mix(shape + OF_UNKNOWN)
        out[i, 2] = text_hash(lower, OF_LOWER)
        out[i, 3] = text_hash(lower[:4], OF_PREFIX)
        out[i, 4] = text_hash(lower[max(len(lower) - 3, 0):], OF_SUFFIX)
        out[i, 5] = text_hash(lower[max(len(lower) - 2, 0):], OF_ENDING)
        out[i, 6] = shape


cdef int shape_of(str word) except -1:
    """Capitals, digits, hyphens and letters as bits."""
    cdef Py_UCS4 c
    cdef bint all_upper = True, digit = False, hyphen = False, letter = False
    for c in word:
        digit |= c.isdigit()
        hyphen |= c == u"-"
        letter |= c.isalpha()
        all_upper &= not c.islower()
    return (
        word[:1].isupper() + 2 * (all_upper and letter and len(word) > 1) + 4 * digit + 8 * hyphen
        + 16 * letter
    )


def token_rows(
    const uint64_t[:, ::1] words, const uint64_t[::1] tags, const uint8_t[::1] kinds,
    const int32_t[::1] word_of, const int32_t[::1] tag_of, const int64_t[::1] offsets,
):
    """The rows of all sentences: `MARGIN` rows, root, tokens, `MARGIN` rows.

    Parameters
    ----------
    words : of shape (n_words + 3, SSVM_ATTRIBUTES)
        Attributes of words; then those of what is before a sentence, of the root, and behind it,
        with their tags.
    tags, kinds : of shape (n_tags,)
        Hashes and kinds of tags.
    word_of, tag_of : of shape (n_tokens,)
    offsets : of shape (n_sentences + 1,)
    """
    cdef Py_ssize_t i, t, r = 0, n = offsets.shape[0] - 1, n_words = words.shape[0] - 3
    cdef Py_ssize_t n_rows = word_of.shape[0] + n * (2 * SSVM_MARGIN + 1)
    rows, kinds_of = np.empty((n_rows, SSVM_ATTRIBUTES), np.uint64), np.zeros(n_rows, np.uint8)
    cdef uint64_t[:, ::1] out = rows
    cdef uint8_t[::1] out_kinds = kinds_of
    cdef size_t size = SSVM_ATTRIBUTES * sizeof(uint64_t)
    for i in range(n):
        for t in range(SSVM_MARGIN + 1):
            memcpy(&out[r, 0], &words[n_words + (t == SSVM_MARGIN), 0], size)
            r += 1
        for t in range(offsets[i], offsets[i + 1]):
            memcpy(&out[r, 0], &words[word_of[t], 0], size)
            out[r, 1] = tags[tag_of[t]]
            out_kinds[r] = kinds[tag_of[t]]
            r += 1
        for _ in range(SSVM_MARGIN):
            memcpy(&out[r, 0], &words[n_words + 2, 0], size)
            r += 1
    return rows, kinds_of
