"""
Reading words of handwritten digits
===================================

Real 8x8 images of digits, blurred by noise, stand together in words whose digits follow each other
by a Markov chain. A chain SVM reads them; the same estimator without transitions, a multiclass SVM,
shows what the neighbours are worth. Both are trained to a certified duality gap.
"""

import argparse
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import ChainSVM
from structsvm.datasets import make_digit_words

TOL = 1e-3


def train(name, svm, data):
    print(f"training {name}")
    start = time.perf_counter()
    svm.set_params(tol=TOL, verbose=1, random_state=0).fit(data.X_train, data.y_train)
    print(
        f"{name}: {svm.n_iter_} passes in {time.perf_counter() - start:.2f} s, certified gap "
        f"{svm.dual_gap_:.1e}, {svm.score(data.X_test, data.y_test):.1%} of held-out digits right"
    )
    return svm


def draw_words(figure, data, models, words):
    """A row of images for each word, the truth above, what the models read below."""
    readings = [model.predict([data.X_test[i] for i in words]) for model in models]
    axes = figure.subplots(len(words), max(len(data.y_test[i]) for i in words))
    for axis in axes.flat:
        axis.axis("off")
    for row, i in enumerate(words):
        for column, truth in enumerate(data.y_test[i]):
            axis = axes[row, column]
            axis.imshow(data.X_test[i][column].reshape(data.image_size), cmap="gray_r")
            axis.set_title(truth, fontsize=9, color="gray", pad=2)
            for x, reading in ((2, readings[0]), (5, readings[1])):
                digit = reading[row][column]
                color = "#2c3e50" if digit == truth else "#d62728"
                axis.text(x, 8, digit, ha="center", va="top", fontsize=11, color=color)
    figure.suptitle("held-out words: truth above; below, read alone | with neighbours", fontsize=11)


def draw_gaps(axis, models):
    for name, model in models.items():
        history, milliseconds = model.history_, 1000 * model.history_["seconds"]
        (line,) = axis.step(milliseconds, history["gap"], where="post", label=f"{name}: certified")
        dots = {"linestyle": ":", "color": line.get_color(), "label": "estimate of each pass"}
        axis.plot(milliseconds, history["gap_estimate"], **dots)
    axis.axhline(TOL, color="gray", linewidth=0.8)
    axis.set(yscale="log", xlabel="training time in milliseconds", title="relative duality gap")
    axis.legend(frameon=False, fontsize=9, loc="upper right")


def main():
    parser = argparse.ArgumentParser(description="Read words of handwritten digits.")
    parser.add_argument("--output", default="digit_words.png", help="the picture to write")
    output = parser.parse_args().output
    data = make_digit_words(n_train=400, n_test=200, random_state=0)
    alone = train("digits alone", ChainSVM(C=0.1, transitions=False, boundary=False), data)
    chain = train("digits with their neighbours", ChainSVM(C=0.1), data)
    read = zip(alone.predict(data.X_test), data.y_test, strict=True)
    mistakes = [np.mean(word != truth) if len(truth) > 5 else 0 for word, truth in read]
    figure = plt.figure(figsize=(12, 5.6), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=[1.5, 1])
    draw_words(left, data, [alone, chain], np.argsort(mistakes)[:-11:-2])
    draw_gaps(right.subplots(), {"digits alone": alone, "with neighbours": chain})
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
