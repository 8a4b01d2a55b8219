"""
What is on the breakfast table: sets of labels
==============================================

A blurred photograph hints at eight things that may be on a table. Each hint is weak, but things go
together: there is one thing to drink, and one on the plate, and butter with bread alone.
`MultiLabelSVM` with tables of all pairs of labels learns that. With "independent" it judges each
thing by itself: where nothing is sure, it says nothing. Both are trained exactly, to a certified
gap. The picture has twelve tables that were not in training: a green dot is a thing that was found,
a red ring one that was missed, and a red dot one that is not there.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import MultiLabelSVM

DRINKS, PLATES = ["coffee", "tea", "cocoa", "juice"], ["bread", "egg", "porridge"]
GREEN, RED = "#2f8f3a", "#c33"
THINGS = [*DRINKS, *PLATES, "butter"]


def tables(rng, n):
    """Hints of what is on n tables, and what is."""
    there = np.zeros((n, len(THINGS)), dtype=int)
    there[np.arange(n), rng.integers(len(DRINKS), size=n)] = 1
    there[np.arange(n), len(DRINKS) + rng.integers(len(PLATES), size=n)] = 1
    there[:, -1] = there[:, len(DRINKS)] * (rng.random(n) < 0.9)
    return there + rng.normal(scale=0.6, size=there.shape), there


def draw(axes, truth, guess, title):
    for i, j in np.argwhere(truth | guess):
        found = guess[i, j]
        colour = GREEN if truth[i, j] and found else RED
        axes.scatter(j, i, s=130, c=colour if found else "none", ec=colour, lw=2)
    axes.set_xticks(range(len(THINGS)), THINGS, rotation=40, ha="right")
    axes.set_yticks(range(len(truth)), [f"table {i + 1}" for i in range(len(truth))])
    axes.set(xlim=(-0.6, len(THINGS) - 0.4), ylim=(len(truth) - 0.4, -0.6), axisbelow=True)
    axes.grid(color="#ddd")
    axes.set_title(title, fontsize=10)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw sets of labels, with and without pairs.")
    parser.add_argument("--output", default="label_sets.png", help="the picture to write")
    output = parser.parse_args().output

    rng = np.random.default_rng(0)
    X, y = tables(rng, 1300)
    X_train, y_train, X_test, y_test = X[:300], y[:300], X[300:], y[300:]
    figure, panels = plt.subplots(1, 2, figsize=(10, 5.4), sharey=True, layout="constrained")
    for axes, structure in zip(panels, ("independent", "full")):
        svm = MultiLabelSVM(structure, random_state=0).fit(X_train, y_train)
        guess = svm.predict(X_test)
        print(f"{structure}: certified gap {svm.dual_gap_:.1e}")
        print(f"    {100 * (guess == y_test).mean():.1f}% of things right")
        print(f"    {100 * svm.score(X_test, y_test):.1f}% of held-out tables right altogether")
        wrong = int((guess[:12] != y_test[:12]).sum())
        name = "each thing by itself" if structure == "independent" else "pairs of things, too"
        draw(axes, y_test[:12], guess[:12], f"{name}: {wrong} mistakes (red)")
    kinds = (("found", GREEN, GREEN), ("missed", RED, "none"), ("not there", RED, RED))
    dots = [
        plt.Line2D([], [], ls="", marker="o", ms=10, mew=2, mec=edge, mfc=face, label=kind)
        for kind, edge, face in kinds
    ]
    figure.legend(handles=dots, ncols=3, loc="outside lower center", frameon=False)
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
