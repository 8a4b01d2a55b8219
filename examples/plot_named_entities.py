"""
Names in text: how words are written, lists of names, word vectors
==================================================================

People and places have names that no training text has all of. What helps: how a word is written,
lists of names, and vectors of words that were learned from plain text. Where a whole sentence is in
capitals, as headlines are, its capitals mean nothing, so they are told apart from those of other
sentences. A tagger takes all of this as attributes of tokens: dicts of strings, booleans, lists and
vectors.

The text is invented: names are made of syllables, and half of those in the held-out sentences are
in no training sentence.
"""

import itertools

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import SequenceTagger
from structsvm.metrics import span_f1_score, span_report

ONSETS, VOWELS = [*"bdfgklmnprstvz", "br", "dr", "st", "tr"], [*"aeiou", "ai", "ou"]
ENDINGS = {"PER": ["son", "well", "er", ""], "LOC": ["ton", "well", "er", ""]}
# Some say which type it is; others are around names of both types, and around other words.
PATTERNS = [
    "PER said so",
    "the train to LOC is late",
    "we saw ANY yesterday",
    "ANY was quiet",
    "they talked about ANY",
    "ANY and ANY changed",
    "nobody forgets ANY",
    "a story of ANY in winter",
]
OTHERS = ["rain", "summer", "bread", "Sundays", "TV", "FM", "UN", "EU"]


def make_names(rng, n=240):
    """Names of each type; some end as those of the other type do."""
    return {
        kind: np.array([
            "".join(rng.choice(part) for part in (ONSETS, VOWELS, ONSETS, VOWELS)).capitalize()
            + str(rng.choice(ends))
            for _ in range(n)
        ])
        for kind, ends in ENDINGS.items()
    }  # fmt: skip


def make_sentences(rng, n, names):
    """Words and tags; three of ten sentences are headlines, all in capitals."""
    X, y = [], []
    for _ in range(n):
        words, tags = [], []
        for word in rng.choice(PATTERNS).split():
            if word == "ANY":
                word = str(rng.choice(["PER", "LOC", rng.choice(OTHERS)]))
            kind = word if word in names else None
            some = [rng.choice(names[kind]) for _ in range(rng.integers(1, 3))] if kind else [word]
            words += map(str, some)
            tags += [f"B-{kind}", *[f"I-{kind}"] * (len(some) - 1)] if kind else ["O"]
        if rng.random() < 0.3:
            words = [word.upper() for word in words]
        X.append(words)
        y.append(tags)
    return X, y


def word_vectors(sentences, n_dimensions=8):
    """Vectors of words from the words around them: singular vectors of their association."""
    places = {}
    for words in sentences:
        for word in words:
            places.setdefault(word.lower(), len(places))
    counts = np.zeros((len(places), 2 * len(places)))
    for words in sentences:
        at = [places[word.lower()] for word in words]
        for before, after in itertools.pairwise(at):
            counts[after, before] += 1
            counts[before, len(places) + after] += 1
    # Frequent neighbours tell the kinds of words apart.
    counts = counts[:, np.argsort(-counts.sum(axis=0))[:100]]
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    association = np.log1p(counts / np.maximum(expected, 1e-9))
    left, sizes, _ = np.linalg.svd(association, full_matrices=False)
    vectors = left[:, :n_dimensions] * sizes[:n_dimensions]
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return {word: vectors[k] for word, k in places.items()}


def attributes(words, t, kinds, lists, vectors):
    """The attributes of a token, by what is asked for."""
    word, shouted = words[t], all(w.isupper() for w in words)
    found = {"bias": True, "word": word.lower()}
    for step, name in ((-1, "before"), (1, "after")):
        inside = 0 <= t + step < len(words)
        found[name] = {"word": words[t + step].lower() if inside else "<none>"}
    if "shape" in kinds:
        shape = "upper" if word.isupper() else "title" if word.istitle() else "lower"
        found |= {
            "suffix": [word[-2:].lower(), word[-3:].lower()],
            "shape": "any" if shouted else shape,
            "shouted": shouted,
            "first": t == 0,
        }
    if "lists" in kinds:
        found["list"] = [kind for kind, known in lists.items() if word.lower() in known]
    if "vectors" in kinds:
        found["vector"] = vectors.get(word.lower(), np.zeros(8))
    return found


rng = np.random.default_rng(0)
names = make_names(rng)
known = {kind: some[: len(some) // 2] for kind, some in names.items()}
X_train, y_train = make_sentences(rng, 150, known)
X_test, y_test = make_sentences(rng, 300, names)
plain_text, _ = make_sentences(rng, 6000, names)
vectors = word_vectors(plain_text)
# Lists are never complete, and hold words that are no names here.
lists = {
    kind: {str(name).lower() for name in some[rng.random(len(some)) < 0.6]} | {"rain", "summer"}
    for kind, some in names.items()
}

steps = {
    "words": (),
    "+ shape, endings": ("shape",),
    "+ lists of names": ("shape", "lists"),
    "+ word vectors": ("shape", "lists", "vectors"),
}
scores = {}
for title, kinds in steps.items():
    train, test = (
        [[attributes(words, t, kinds, lists, vectors) for t in range(len(words))] for words in X]
        for X in (X_train, X_test)
    )
    tagger = SequenceTagger(constraints="iob2", order="auto", scoring="span_f1", random_state=0)
    tagger.fit(train, y_train)
    guess = [tags.tolist() for tags in tagger.predict(test)]
    scores[title] = span_f1_score(y_test, guess)
    print(f"{title:28} F1 {scores[title]:.3f}, order {tagger.order_}, "
          f"certified gap {tagger.dual_gap_:.2g}")  # fmt: skip
print(span_report(y_test, guess))
for title in ("words", "+ word vectors"):
    print(f"{title}: an F1 of {100 * scores[title]:.1f}% of held-out names")

fig, ax = plt.subplots(figsize=(7, 3), layout="constrained")
bars = ax.barh(list(scores)[::-1], list(scores.values())[::-1], color="steelblue")
ax.bar_label(bars, fmt="%.3f", padding=3)
ax.set(xlim=(0, 1.08), xlabel="F1 of names in held-out sentences")
ax.spines[["top", "right"]].set_visible(False)
fig.savefig("named_entities.png", dpi=120)
