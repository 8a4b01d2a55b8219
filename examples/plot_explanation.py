"""
Why this answer? Terms of the score, and the hardest examples
=============================================================

What you learn: to look into a trained chain. Which examples pull at its weights; why it prefers
its answer to the truth, weight by weight; and what it has learnt of a label. In a notebook the
fitted estimator itself shows its certificate, sizes and classes, as the last line of a cell.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from structsvm import ChainSVM
from structsvm.datasets import make_digit_words
from structsvm.plotting import HingesDisplay, TransitionsDisplay, WeightsDisplay

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Explain an answer of a chain.")
    parser.add_argument("--output", default="explanation.png", help="the picture to write")
    output = parser.parse_args().output
    data = make_digit_words(n_train=200, n_test=200, random_state=0)
    alone = ChainSVM(C=0.1, transitions=False, boundary=False, random_state=0)
    svm = ChainSVM(C=0.1, random_state=0)
    for name, model in (("digits alone", alone), ("with neighbours", svm)):
        share = model.fit(data.X_train, data.y_train).score(data.X_test, data.y_test)
        print(f"{name}: certified gap {model.dual_gap_:.1e}, {share:.1%} of held-out digits right")

    figure, axes = plt.subplots(2, 2, figsize=(11, 8.4), layout="constrained")
    display = HingesDisplay.from_estimator(svm, data.X_train, data.y_train, ax=axes[0, 0])
    axes[0, 0].set_xlim(-1, 60)

    # The hardest word: its truth, the answer, and what tells for either.
    hardest = next(i for i in display.order_ if display.wrong[i])
    x, truth = data.X_train[hardest], data.y_train[hardest]
    guess = svm.predict([x])[0]
    why = svm.explain(x, truth, guess)
    lead = sum(term.value for term in why)
    print(f"the hardest word is {truth.tolist()}, read as {guess.tolist()}: a lead of {lead:.2f}")
    pixels = [f"row {k // 8}, column {k % 8}" for k in range(64)]
    named = [
        term._replace(source=pixels[term.source]) if term.kind == "state" else term for term in why
    ]
    WeightsDisplay(named[:14]).plot(ax=axes[0, 1])
    right, wrong = ("".join(map(str, word)) for word in (truth, guess))
    axes[0, 1].set_title(f"what tells for {right} (blue), {wrong} (red)")
    axes[0, 1].set_xlabel("what it adds to the difference of scores")

    TransitionsDisplay.from_estimator(svm, ax=axes[1, 0])
    WeightsDisplay.from_estimator(svm, label=3, k=14, feature_names=pixels, ax=axes[1, 1])
    axes[1, 1].set_title("pixels that weigh most for 3")
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
