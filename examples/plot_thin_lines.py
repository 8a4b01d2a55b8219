"""
Thin lines: features of ridges, Dice, and a threshold of one's own
==================================================================

Vessels, cracks and membranes are thin and rare: labels that are right on 97 % of the pixels may
have found none of them. The images here are composed of faint dark lines, as vessels look, on a
ground that is as uneven. Two things help: features that respond to lines (`pixel_features` has
them), and ``loss="dice"``, which weighs lines by how well they can be told. The picture has a
held-out image with both models' labels, and the precision and recall of all thresholds: each point
of a curve is a prediction, with a bias towards lines or against them.
"""

import argparse
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import GridSVM
from structsvm.datasets import make_lines
from structsvm.metrics import dice
from structsvm.plotting import PixelPrecisionRecallDisplay
from structsvm.vision import FEATURE_GROUPS, PixelFeatures

OF_AREAS = [group for group in FEATURE_GROUPS if group not in ("ridge", "oriented")]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Find faint lines in images.")
    parser.add_argument("--output", default="thin_lines.png", help="the picture to write")
    output = parser.parse_args().output

    lines = make_lines(
        18,
        8,
        polarity="dark",
        share=0.05,
        contrast=0.14,
        noise=0.05,
        background="grain",
        width=(1.5, 3.0),
        size=(64, 88),
        random_state=1,
    )
    models = {
        "areas alone": (OF_AREAS, GridSVM(random_state=0)),
        "and ridges, trained for Dice": (None, GridSVM(loss="dice", random_state=0)),
    }
    figure, axes = plt.subplots(2, 3, figsize=(12, 6.4), layout="constrained")
    shown = lines.y_test[0]
    axes[0, 0].imshow(lines.images_test[0], cmap="gray")
    axes[0, 0].set_title("a held-out image")
    axes[0, 1].imshow(shown, cmap="gray_r")
    axes[0, 1].set_title(f"its lines: {shown.mean():.1%} of the pixels")
    curves = axes[0, 2]
    for place, (name, (groups, svm)) in zip(axes[1], models.items()):
        start = time.perf_counter()
        features = PixelFeatures(groups=groups).fit(lines.images_train)
        # A few images are kept for the choice of a bias.
        X, X_test = map(features.transform, (lines.images_train, lines.images_test))
        svm.fit(X[:15], lines.y_train[:15])
        bias = svm.tune_bias(X[15:], lines.y_train[15:], "dice")
        answers = svm.predict(X_test, bias=bias)
        score = dice(lines.y_test, answers, labels=[1])
        print(
            f"{name}: certified gap {svm.dual_gap_:.1e}, lines weigh "
            f"{svm.model_.class_weight_[1]:.2g}, bias {bias:+.2f}, "
            f"{time.perf_counter() - start:.1f} s; Dice is {100 * score:.1f}% of held-out"
        )
        PixelPrecisionRecallDisplay.from_estimator(
            svm, X_test, lines.y_test, name=name, ax=curves, plot_chance_level=False
        )
        found = answers[0] == 1
        colours = np.ones((*shown.shape, 3))
        colours[found & (shown == 1)] = 0.15, 0.15, 0.15
        colours[found & (shown == 0)] = 0.9, 0.4, 0.1
        colours[~found & (shown == 1)] = 0.3, 0.6, 0.95
        place.imshow(colours)
        place.set_title(f"{name}: Dice {dice([shown], [answers[0]], labels=[1]):.2f}")
    axes[1, 2].axis("off")
    keys = {"found": (0.15, 0.15, 0.15), "false": (0.9, 0.4, 0.1), "missed": (0.3, 0.6, 0.95)}
    patches = [plt.Rectangle((0, 0), 1, 1, fc=colour) for colour in keys.values()]
    axes[1, 2].legend(patches, keys, loc="center left", frameon=False)
    curves.set(title="all thresholds, on eight held-out images", xlim=(0, 1), ylim=(0, 1.02))
    curves.legend(loc="lower left", fontsize=8)
    for one in (*axes[0, :2], *axes[1, :2]):
        one.set_axis_off()
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
