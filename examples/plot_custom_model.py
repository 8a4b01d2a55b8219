"""
A structure of your own: matching
=================================

Eight digits are photographed twice; the second time they are shifted, noisy and in another order.
Which image is which? The output is a permutation, the score adds up the similarities of the pairs,
and the Hungarian algorithm finds the best one. Four methods say so; the rest is `StructSVM`.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import shift, uniform_filter
from scipy.optimize import linear_sum_assignment
from sklearn.datasets import load_digits

from structsvm import StructSVM, StructuredModel
from structsvm.testing import check_model


class Matching(StructuredModel):
    """x[i, j] holds the similarities of left item i and right item j; y[i] is the partner of i."""

    def joint_feature(self, x, y):
        return x[np.arange(len(y)), y].sum(axis=0)

    def loss(self, y, y_hat):
        return float(np.sum(np.asarray(y) != y_hat))

    def inference(self, x, w):
        return linear_sum_assignment(x @ w, maximize=True)[1]

    def loss_augmented_inference(self, x, y, w):
        wrong = np.arange(len(y)) != np.asarray(y)[:, None]
        return linear_sum_assignment(x @ w + wrong, maximize=True)[1]


def descriptors(image):
    """Views of an image that feel noise and shifts more or less, or not at all."""
    spectrum = np.abs(np.fft.fft2(image))
    outline = np.concatenate([image.mean(0), image.mean(1)])
    return [image, uniform_filter(image, 3), spectrum, spectrum[:3, :3], outline, np.sort(outline)]


def make_pairs(n, random):
    """Pairs of image sets, their similarities and the true matchings."""
    images = load_digits().images / 16
    examples = []
    for _ in range(n):
        left = images[random.choice(len(images), size=8, replace=False)]
        y = random.permutation(8)
        right = np.empty_like(left)
        for image, place in zip(left, y, strict=True):
            moved = shift(image, random.randint(-1, 2, size=2))
            right[place] = moved + random.normal(scale=0.4, size=moved.shape)
        views = [[descriptors(image) for image in images] for images in (left, right)]
        x = [[[-np.abs(a - b).mean() for a, b in zip(p, q)] for q in views[1]] for p in views[0]]
        examples.append((left, right, np.array(x), y))
    return examples


def draw(axis, left, right, truth, answer, title):
    for i in range(8):
        for image, x, y in ((left[i], 0, 2), (right[i], 0, 0)):
            axis.imshow(image, cmap="gray_r", extent=(x + i, x + i + 0.9, y, y + 0.9))
        color = "#2c7a4b" if answer[i] == truth[i] else "#d62728"
        axis.plot([i + 0.45, answer[i] + 0.45], [1.97, 0.93], color=color, linewidth=2)
    axis.set(xlim=(-0.1, 8), ylim=(-0.05, 2.95), aspect="equal", title=title)
    axis.axis("off")


def main():
    parser = argparse.ArgumentParser(description="Match two sets of photographs.")
    parser.add_argument("--output", default="custom_model.png", help="the picture to write")
    output = parser.parse_args().output
    random = np.random.RandomState(0)
    train, test = make_pairs(60, random), make_pairs(60, random)
    _, _, X, y = zip(*train)
    lefts, rights, X_test, y_test = zip(*test)
    check_model(Matching(), X[:5], y[:5])
    svm = StructSVM(Matching(), C=100.0, tol=1e-2, random_state=0).fit(X, y)
    print(f"certified gap {svm.dual_gap_:.1e} after {svm.n_iter_} passes")
    equal = svm.model_.batch_inference(X_test, np.ones_like(svm.coef_))
    learned = svm.predict(X_test)
    right = {"equal": np.equal(equal, y_test), "learned": np.equal(learned, y_test)}
    for name, hits in right.items():
        print(f"{name} weights: {hits.mean():.1%} of held-out pairs matched correctly")
    k = int(np.argmax(right["learned"].sum(1) - right["equal"].sum(1)))
    figure, axes = plt.subplots(1, 2, figsize=(11, 2.3), layout="constrained")
    draw(axes[0], lefts[k], rights[k], y_test[k], equal[k], "equal weights")
    draw(axes[1], lefts[k], rights[k], y_test[k], learned[k], "learned weights")
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
