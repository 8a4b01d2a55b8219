"""
Superpixels: objects of any colour
==================================

An image of 10,000 pixels is a graph of some 250 superpixels, small regions of one colour. Here the
object has another colour in each image, so no colour says where it is, and its place only roughly.
But neighbours of one colour mostly belong together: `GraphSVM` learns how much that counts beside
the features of a region, and finds the outline. Alone, regions behind the object are taken for it.
The picture has held-out images, their superpixels, and both answers (the true outline in black).
Needs scikit-image: ``pip install 'structured-svm[vision]'``.
"""

import argparse
import importlib.util
import sys
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

from structsvm import GraphSVM
from structsvm.vision import superpixel_graph


def make_image(rng, size=(80, 120)):
    """An object of one colour before patches of other colours, in uneven light, and its mask."""
    height, width = size
    rows, columns = np.mgrid[:height, :width]
    centre = np.array(size) * rng.uniform(0.38, 0.62, size=2)
    angle = np.arctan2(rows - centre[0], columns - centre[1])
    radius = rng.uniform(16, 26)
    for k in (2, 3, 5):
        radius = radius + rng.uniform(1, 9) / k**0.5 * np.cos(k * angle + rng.uniform(0, 6.3))
    mask = np.hypot(rows - centre[0], columns - centre[1]) < radius
    colours = rng.uniform(0.15, 0.85, size=(9, 3))  # of the object, and of what is behind it
    seeds = rng.uniform(size=(8, 2)) * size
    behind = ((np.stack([rows, columns], axis=-1)[:, :, None] - seeds) ** 2).sum(axis=-1)
    patch = np.where(mask, 0, 1 + behind.argmin(axis=-1))
    slope = rng.uniform(-0.15, 0.15, size=2)
    light = 1 + slope[0] * (rows / height - 0.5) + slope[1] * (columns / width - 0.5)
    image = colours[patch] * light[..., None]
    noise = gaussian_filter(rng.normal(scale=0.12, size=image.shape), (1, 1, 0))
    return np.clip(image + noise, 0, 1), mask


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Segment images by their superpixels.")
    parser.add_argument("--output", default="superpixels.png", help="the picture to write")
    output = parser.parse_args().output
    if importlib.util.find_spec("skimage") is None:
        sys.exit("This example needs scikit-image: pip install 'structured-svm[vision]'")

    rng = np.random.default_rng(0)
    images, masks = zip(*(make_image(rng) for _ in range(60)))
    graphs = [superpixel_graph(image, n_segments=300, compactness=15.0) for image in images]
    labels = [graph.labels(mask) for graph, mask in zip(graphs, masks)]
    n_train = 40
    print(f"{np.mean([graph.n_nodes for graph in graphs]):.0f} superpixels an image")

    lonely = [(graph.features, np.zeros((0, 2), dtype=int)) for graph in graphs]
    answers, shares = {}, {}
    for name, X in (("each alone", lonely), ("with neighbours", graphs)):
        start = time.perf_counter()
        svm = GraphSVM(random_state=0).fit(X[:n_train], labels[:n_train])
        found = svm.predict(X[n_train:])
        answers[name] = [g.to_pixels(row) for g, row in zip(graphs[n_train:], found)]
        shares[name] = [
            (a & b).sum() / (a | b).sum() for a, b in zip(answers[name], masks[n_train:])
        ]
        print(
            f"{name}: certified gap {svm.dual_gap_:.1e} in {time.perf_counter() - start:.1f} s; "
            f"intersection over union {np.mean(shares[name]):.3f}; "
            f"{100 * np.mean(np.array(shares[name]) > 0.8):.0f}% of held-out objects are found"
        )

    order = np.argsort(shares["with neighbours"])
    chosen = [order[len(order) * k // 10] for k in (2, 5, 8)]  # worse, middling, better
    figure, axes = plt.subplots(len(chosen), 4, figsize=(12, 6.6), layout="constrained")
    for row, k in zip(axes, chosen):
        image, graph = images[n_train + k], graphs[n_train + k]
        mean = np.stack(
            [np.bincount(graph.segments.ravel(), c.ravel()) for c in np.rollaxis(image, 2)]
        )
        mean = (mean / np.bincount(graph.segments.ravel())).T
        row[0].imshow(image)
        row[1].imshow(graph.to_pixels(mean))
        for ax, name in zip(row[2:], answers):
            ax.imshow(0.35 + 0.65 * image)
            ax.contour(masks[n_train + k], levels=[0.5], colors="black", linewidths=1)
            ax.contourf(answers[name][k], levels=[0.5, 1.5], colors=["#d1495b"], alpha=0.55)
            ax.set_title(f"{name}: IoU {shares[name][k]:.2f}", fontsize=10)
    for ax, title in zip(axes[0, :2], ("held-out images", "their superpixels")):
        ax.set_title(title, fontsize=10)
    for ax in axes.ravel():
        ax.set_axis_off()
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
