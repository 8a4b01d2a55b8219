"""
Dependency trees, drawn
=======================

"She saw the man with the telescope": the preposition hangs from the verb, as one sees with a
telescope; with a hat it would hang from the man. Scores of arcs know both ends of an arc, and not
the noun behind the preposition. Scores of grand-siblings know the head of the head as well. Both
parsers learn from sentences of a small grammar, to a certified gap; the picture has a sentence that
is not among them, with its true tree and those of both parsers, wrong arcs in red. Given treebanks
in CoNLL-U, it shows a sentence of up to 16 tokens that grand-siblings get right more than arcs do:

    python plot_dependency_trees.py --train train.conllu --test test.conllu
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Arc

from structsvm import DependencyParser
from structsvm.columns import read_conllu
from structsvm.features import ArcFeatures
from structsvm.metrics import attachment_scores

WORDS = {
    "DET": ["the", "one", "this", "that"],
    "ADJ": ["old", "tall", "young", "quiet"],
    "NOUN": ["man", "woman", "child", "dog", "girl", "boy"],
    "VERB": ["saw", "watched", "noticed", "spotted"],
    "instrument": ["telescope", "camera", "mirror", "lens", "microscope"],
    "garment": ["hat", "coat", "scarf", "ribbon", "umbrella"],
}


def noun_phrase(kind, head, words, rng):
    """Append a noun phrase that hangs from token `head`; returns the number of its noun."""
    n_adjectives = rng.integers(3) // 2
    noun = len(words) + 2 + n_adjectives
    for tag in ["DET"] + ["ADJ"] * n_adjectives:
        words.append((rng.choice(WORDS[tag]), tag, noun))
    words.append((rng.choice(WORDS[kind]), "NOUN", head))
    return noun


def sentence(rng):
    """A sentence as pairs of words and tags, and its heads."""
    words = []
    verb = noun_phrase("NOUN", 0, words, rng) + 1
    words[-1] = (*words[-1][:2], verb)
    words.append((rng.choice(WORDS["VERB"]), "VERB", 0))
    seen = noun_phrase("NOUN", verb, words, rng)
    kind = rng.choice(["instrument", "garment"])
    words.append(("with", "ADP", verb if kind == "instrument" else seen))
    noun_phrase(kind, len(words), words, rng)
    words.append((".", "PUNCT", verb))
    return [(str(word), tag) for word, tag, _ in words], [int(head) for *_, head in words]


def composed():
    rng = np.random.default_rng(0)
    pairs = [sentence(rng) for _ in range(500)]
    X, y = [x for x, _ in pairs], [heads for _, heads in pairs]
    return X[:200], y[:200], X[200:], y[200:]


def draw(axes, x, heads, truth, title):
    for token, (head, right) in enumerate(zip(heads, truth), 1):
        colour = "#456" if head == right else "#c33"
        if head == 0:
            axes.plot([token, token], [0.1, 0.45 * len(x)], color=colour, lw=1.5)
            continue
        width = abs(token - head)
        middle = (token + head) / 2
        axes.add_patch(Arc((middle, 0), width, 0.9 * width, theta2=180, color=colour, lw=1.5))
        axes.plot(token, 0.1, "v", color=colour, ms=6)
    for token, (word, tag) in enumerate(x, 1):
        axes.text(token, -0.2, word, ha="center", va="top")
        axes.text(token, -0.9, tag, ha="center", va="top", fontsize=7, color="#789")
    axes.set(xlim=(0.4, len(x) + 0.6), ylim=(-1.4, 0.46 * len(x)))
    axes.set_title(title, loc="left", fontsize=10)
    axes.axis("off")


def main():
    parser = argparse.ArgumentParser(description="Draw the trees of a sentence.")
    parser.add_argument("--train", help="a treebank in CoNLL-U to learn from")
    parser.add_argument("--test", help="another one, with a sentence to draw")
    parser.add_argument("--output", default="dependency_trees.png", help="the picture to write")
    args = parser.parse_args()
    if args.train is None:
        X, y, X_test, y_test = composed()
        params = {"features": ArcFeatures(n_bits=14), "solver": "bcfw", "tol": 1e-2}
    else:
        X, X_test = read_conllu(args.train), read_conllu(args.test)
        y, y_test = ([x.heads for x in part] for part in (X, X_test))
        params = {}
    parsed = {}
    for name, order in (("arcs", 1), ("grand-siblings", 3)):
        svm = DependencyParser(order=order, random_state=0, **params).fit(X, y)
        parsed[name] = svm.predict(X_test)
        gap = f", certified gap {svm.dual_gap_:.1e}" if svm.certified_ else ""
        share = attachment_scores(y_test, parsed[name]).unlabelled
        print(f"{name}: the heads of {100 * share:.1f}% of held-out tokens{gap}")

    wrong = {
        name: [int((np.array(truth) != guess).sum()) for truth, guess in zip(y_test, trees)]
        for name, trees in parsed.items()
    }
    gained = np.subtract(wrong["arcs"], wrong["grand-siblings"])
    lengths = np.array([len(x) for x in X_test])
    k = int(np.argmax(np.where(lengths <= 16, 100 * (gained > 0) + lengths, 0)))
    figure, rows = plt.subplots(3, 1, figsize=(0.8 * lengths[k] + 1, 9), layout="constrained")
    draw(rows[0], X_test[k], y_test[k], y_test[k], "true tree")
    for axes, (name, trees) in zip(rows[1:], parsed.items()):
        title = f"scores of {name}: wrong heads {wrong[name][k]}"
        draw(axes, X_test[k], trees[k], y_test[k], title)
    figure.savefig(args.output, dpi=110)
    print(f"drew {args.output}")


if __name__ == "__main__":
    main()
