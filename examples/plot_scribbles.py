"""
Scribbles: a few strokes instead of whole label images
======================================================

To label each pixel of an image by hand takes an hour; to draw a few strokes in each region, half a
minute. All other pixels are void. Strokes stay within regions, so of neighbours that are marked
nearly all agree, and whoever learns from those alone learns to smooth everything away. `GridSVM`
sees that and takes the rest as hidden: training finds labels for it, too. The picture has the
strokes of a training image, and a held-out image with the labels of both ways.
"""

import argparse
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap

from structsvm import GridSVM
from structsvm.datasets import make_segmentation

VOID = -1


def strokes(labels, rng, share=0.03, length=9):
    """Straight strokes within regions until this share of the pixels is marked."""
    marked = np.full(labels.shape, VOID)
    while (marked != VOID).mean() < share:
        place, step = rng.integers(labels.shape), rng.integers(-1, 2, 2)
        for k in range(length):
            i, j = place + k * step
            inside = 0 <= i < labels.shape[0] and 0 <= j < labels.shape[1]
            if inside and labels[i, j] == labels[tuple(place)]:
                marked[i, j] = labels[i, j]
    return marked


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Learn to segment from a few strokes.")
    parser.add_argument("--output", default="scribbles.png", help="the picture to write")
    output = parser.parse_args().output

    data = make_segmentation(6, 6, size=(56, 72), blob_size=5.0, noise=1.6, random_state=3)
    rng = np.random.default_rng(0)
    marks = [strokes(labels, rng) for labels in data.y_train]
    share = np.mean([(marked != VOID).mean() for marked in marks])
    print(f"{100 * share:.1f}% of the pixels are marked")

    answers = {}
    for name, unlabelled in (("left out", "void"), ("hidden", "auto")):
        start = time.perf_counter()
        svm = GridSVM(ignore_label=VOID, unlabelled=unlabelled, random_state=0)
        svm.fit(data.X_train, marks)
        answers[name] = svm.predict(data.X_test)
        kind = "certified gap" if svm.certified_ else "gap of the last round"
        print(
            f"void pixels {name}: {kind} {svm.dual_gap_:.1e}, {time.perf_counter() - start:.1f} s; "
            f"{100 * svm.score(data.X_test, data.y_test):.1f}% of held-out pixels are right"
        )

    shares = [(a == b).mean() for a, b in zip(answers["hidden"], data.y_test)]
    k = int(np.argsort(shares)[len(shares) // 2])  # the median
    colours = ListedColormap(["#e8e8e8", "#2a6fb0", "#e2892f"])
    panels = {
        "a training image": data.X_train[0][..., 0],
        "its strokes": marks[0],
        "its truth, which nobody drew": data.y_train[0],
        "": None,
        "a held-out image": data.X_test[k][..., 0],
        "its truth": data.y_test[k],
        f"void left out: {(answers['left out'][k] == data.y_test[k]).mean():.1%} right": answers[
            "left out"
        ][k],
        f"void hidden: {shares[k]:.1%} right": answers["hidden"][k],
    }
    figure, axes = plt.subplots(2, 4, figsize=(13, 6), layout="constrained")
    for ax, (title, values) in zip(axes.ravel(), panels.items()):
        if values is None:
            pass
        elif values.dtype.kind == "f":
            ax.imshow(values, cmap="gray")
        else:
            ax.imshow(values, cmap=colours, vmin=-1, vmax=1, interpolation="nearest")
        ax.set_title(title, fontsize=10)
        ax.set_axis_off()
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
