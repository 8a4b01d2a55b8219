"""
Spans: what a list of names says about whole names
==================================================

Names of some words each, many of them on a list, stand in text, often one right after the other,
and their words stand there alone, too. Marks of words that are inside an entry of the list help,
but where names touch and entries overlap they do not say where one ends. `SpanSVM` also scores
spans as wholes: whether this very span is an entry, and how long it is. The picture has the F1 of
names with features of words, with marks, and with features of spans, and held-out texts with both
answers.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import SpanSVM
from structsvm.features import spans_of

WORDS = [
    "north", "south", "green", "white", "old", "new", "long", "stone", "river", "lake", "hill",
    "wood", "mill", "bridge", "field", "church", "market", "castle", "cross", "gate", "spring",
    "harbour", "valley", "meadow", "island", "corner", "garden", "tower", "abbey", "marsh",
]  # fmt: skip
FILLERS = ["we", "walked", "to", "from", "and", "then", "saw", "near", "the", "by", "after"]
KNOWN = WORDS + FILLERS
LONGEST = 4


def make_names(rng, n):
    return sorted({tuple(rng.choice(WORDS, size=rng.integers(2, LONGEST + 1))) for _ in range(n)})


def make_text(rng, names):
    """Words, and the names among them as (first, end, "name")."""
    words, spans = [], []
    while len(words) < 16:
        kind = rng.random()
        if kind < 0.45:
            name = names[rng.integers(len(names))]
            spans.append((len(words), len(words) + len(name), "name"))
            words += name
        elif kind < 0.7:  # words of names that are none
            words += list(rng.choice(WORDS, size=rng.integers(1, 4)))
        else:
            words += list(rng.choice(FILLERS, size=rng.integers(1, 3)))
    return words, spans


def of_positions(words, entries):
    """Of each word: which it is, its neighbours, and its places in entries of the list."""
    column = {word: k for k, word in enumerate(KNOWN)}
    n = len(words)
    found = np.zeros((n, 3 * len(KNOWN) + 3))
    for t in range(n):
        for k, near in enumerate((t - 1, t, t + 1)):
            if 0 <= near < n:
                found[t, k * len(KNOWN) + column[words[near]]] = 1
    for a, b in spans_of(n, LONGEST):
        if tuple(words[a:b]) in entries:
            found[a:b, -1] = 1
            found[a, -2] = found[b - 1, -3] = 1
    return found


def of_spans(words, entries):
    """Of each span: whether it is an entry, and its length."""
    spans = spans_of(len(words), LONGEST)
    return np.array([[tuple(words[a:b]) in entries, *np.eye(LONGEST)[b - a - 1]] for a, b in spans])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Find names by words, and as wholes.")
    parser.add_argument("--output", default="spans.png", help="the picture to write")
    output = parser.parse_args().output

    rng = np.random.default_rng(0)
    names = make_names(rng, 150)
    entries = {name for name in names if rng.random() < 0.8}
    texts = [make_text(rng, names) for _ in range(300)]
    words, y = [words for words, _ in texts], [spans for _, spans in texts]
    rows = [of_positions(text, entries) for text in words]
    n_train = 150
    cases = {
        "words and their neighbours": [row[:, :-3] for row in rows],
        "with marks of the list": rows,
        "with features of spans": [
            (row, of_spans(text, entries)) for row, text in zip(rows, words)
        ],
    }
    shares, found = {}, {}
    for name, X in cases.items():
        svm = SpanSVM(max_length=LONGEST, random_state=0).fit(X[:n_train], y[:n_train])
        found[name] = svm.predict(X[n_train:])
        shares[name] = 100 * svm.score(X[n_train:], y[n_train:])
        print(
            f"{name}: certified gap {svm.dual_gap_:.1e}, F1 {shares[name]:.1f}% of held-out spans"
        )

    figure, (bars, panel) = plt.subplots(
        1, 2, figsize=(13, 4.6), layout="constrained", width_ratios=[1, 2.6]
    )
    colours = ["#b8c4d0", "#7a9cc6", "#d1495b"]
    bars.barh(list(shares), list(shares.values()), color=colours)
    bars.invert_yaxis()
    for k, share in enumerate(shares.values()):
        bars.text(
            share - 1, k, f"{share:.1f}", ha="right", va="center", color="white", weight="bold"
        )
    bars.set(xlabel="F1 of names in held-out texts, %", xlim=(0, 100))
    marks, wholes = found["with marks of the list"], found["with features of spans"]
    wrong = [k for k in range(len(marks)) if marks[k] != wholes[k] == y[n_train + k]][:3]
    panel.set(xlim=(0, 100), ylim=(-0.6 - 3.6 * len(wrong), 0.6))
    panel.set_axis_off()
    for row, k in enumerate(wrong):
        lines = (("truth", y[n_train + k]), ("marks", marks[k]), ("spans", wholes[k]))
        text = words[n_train + k]
        begins = np.cumsum([9, *(1.17 * len(word) + 1.3 for word in text)])
        for line, (title, spans) in enumerate(lines):
            height = -3.6 * row - line
            panel.text(0, height, title, va="center", fontsize=8, color="grey")
            for a, b, _ in spans:
                right = spans is not marks[k] or (a, b, "name") in y[n_train + k]
                panel.add_patch(
                    plt.Rectangle(
                        (begins[a] - 0.5, height - 0.4),
                        begins[b] - begins[a] - 0.4,
                        0.8,
                        facecolor="#cfe3d4" if right else "#f3c1c6",
                        edgecolor="grey",
                        linewidth=0.6,
                    )
                )
            for begin, word in zip(begins, text):
                panel.text(begin, height, word, va="center", fontsize=7.5, family="monospace")
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
