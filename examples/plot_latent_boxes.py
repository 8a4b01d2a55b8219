"""
Boxes that nobody drew
======================

Pictures of clutter with one handwritten digit somewhere, and its class: nobody says where it is.
The box is a hidden part of the output. `LatentSVM` finds the best box of the right class at the
present weights, trains templates that score these boxes above all others, and so on. The digits are
real, the pictures composed of them and of pieces of other digits. The picture shows boxes found in
held-out images, the templates after each round, and the objective, which no round raises.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from structsvm import LatentSVM, MulticlassSVM, StructuredModel

DIGITS, SIZE, BOX, STEP = (0, 3, 4, 7), 24, 8, 4
N_ACROSS = (SIZE - BOX) // STEP + 1  # boxes


class Boxes(StructuredModel):
    """y is the place of a class in DIGITS and the place of its box among all; None if unknown."""

    def initialize(self, X, y):
        self.n_weights = len(DIGITS) * X[0].shape[1]

    def scores(self, x, w):
        return w.reshape(len(DIGITS), -1) @ x.T

    def joint_feature(self, x, y):
        psi = np.zeros((len(DIGITS), x.shape[1]))
        psi[y[0]] = x[y[1]]
        return psi.ravel()

    def loss(self, y, y_hat):
        return float(y[0] != y_hat[0])

    def loss_augmented_inference(self, x, y, w):
        wrong = np.arange(len(DIGITS)) != y[0]
        return best(self.scores(x, w) + wrong[:, None])

    def inference(self, x, w):
        return best(self.scores(x, w))

    def complete(self, x, y, w):
        return y[0], int(np.argmax(self.scores(x, w)[y[0]]))

    def first_completion(self, x, y, random_state):
        ink = (x[:, :-1] ** 2).sum(axis=1)
        return y[0], int(random_state.choice(np.argsort(-ink)[:5]))


def best(scores):
    digit, box = np.unravel_index(np.argmax(scores), scores.shape)
    return int(digit), int(box)


def make_images(n, digits, rng):
    """Images, the place in DIGITS of the digit in each, and where its box begins."""
    images, labels, corners = [], [], STEP * rng.integers(0, N_ACROSS, (n, 2))
    for r, c in corners:
        image = np.zeros((SIZE, SIZE))
        for _ in range(6):  # pieces of any digit
            a, b = rng.integers(0, SIZE - 3, 2)
            image[a : a + 4, b : b + 4] = rng.choice(digits.images)[2:6, 2:6]
        labels.append(int(rng.integers(len(DIGITS))))
        chosen = np.flatnonzero(digits.target == DIGITS[labels[-1]])
        image[r : r + BOX, c : c + BOX] = digits.images[rng.choice(chosen)]
        images.append(image / 16)
    return np.array(images), np.array(labels), corners


def windows(images):
    """All boxes of each image as rows, with a constant."""
    views = np.lib.stride_tricks.sliding_window_view(images, (BOX, BOX), axis=(1, 2))
    rows = views[:, ::STEP, ::STEP].reshape(len(images), -1, BOX * BOX)
    return list(np.concatenate([rows, np.ones((*rows.shape[:2], 1))], axis=2))


def main():
    parser = argparse.ArgumentParser(description="Learn where digits are from their classes.")
    parser.add_argument("--output", default="latent_boxes.png")
    output = parser.parse_args().output

    digits, rng = load_digits(), np.random.default_rng(0)
    images, labels, _ = make_images(300, digits, rng)
    new_images, new_labels, corners = make_images(200, digits, rng)
    whole = MulticlassSVM(random_state=0).fit(images.reshape(len(images), -1), labels)
    accuracy = whole.score(new_images.reshape(len(new_images), -1), new_labels)
    print(
        f"whole images  {100 * accuracy:.1f}% of held-out images right, "
        f"certified gap {whole.dual_gap_:.1e}"
    )

    templates = []

    def keep(progress):  # the last of a round stays
        if progress.n_iter == 1:
            templates.append(None)
        templates[-1] = np.array(progress.weights)

    svm = LatentSVM(Boxes(), C=0.1, tol=1e-2, n_init=3, random_state=0, callbacks=[keep])
    svm.fit(windows(images), [(int(label), None) for label in labels])
    found = svm.predict(windows(new_images))
    places = STEP * np.array([divmod(box, N_ACROSS) for _, box in found])
    right = np.array([digit for digit, _ in found]) == new_labels
    near = (places == corners).all(axis=1)
    print(f"hidden boxes  {100 * right.mean():.1f}% of held-out images right")
    print(
        f"{100 * near.mean():.1f}% of the boxes are right; {svm.n_rounds_} rounds, the last convex "
        f"problem to a gap of {svm.dual_gap_:.1e}"
    )
    objective, start = svm.history_["objective"], svm.history_["start"]
    best_start = np.flatnonzero(start == start[np.argmin(objective)])
    rounds = [templates[k] for k in best_start]
    draw(new_images, places, found, right, rounds, objective[best_start], output)


def draw(images, places, found, right, templates, objective, output):
    figure = plt.figure(figsize=(9, 5.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.15, 1))
    top.suptitle("held-out images, the boxes found, and what was read in them")
    for i, panel in enumerate(top.subplots(1, 6)):
        panel.imshow(images[i], cmap="gray_r")
        colour = "tab:green" if right[i] else "tab:red"
        r, c = places[i]
        frame = plt.Rectangle((c - 0.5, r - 0.5), BOX, BOX, fill=False, color=colour, linewidth=2)
        panel.add_patch(frame)
        panel.set_title(str(DIGITS[found[i][0]]), color=colour)
        panel.set(xticks=[], yticks=[])
    left, right_part = bottom.subfigures(1, 2, width_ratios=(1.6, 1))
    shown = [0, len(templates) // 2, len(templates) - 1]
    panels = left.subplots(len(shown), len(DIGITS))
    for row, k in zip(panels, shown):
        for panel, template in zip(row, templates[k].reshape(len(DIGITS), -1)):
            panel.imshow(template[:-1].reshape(BOX, BOX), cmap="PuOr")
            panel.set(xticks=[], yticks=[])
        row[0].set_ylabel(f"round {k + 1}")
    left.suptitle("templates of " + ", ".join(map(str, DIGITS)))
    panel = right_part.subplots()
    panel.plot(np.arange(1, len(objective) + 1), objective, "o-")
    panel.set(xlabel="round", ylabel="objective")
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
