"""
A volume of thick slices
========================

Microscopes and scanners give stacks of slices that lie further apart than the pixels of a slice.
`GridSVM` labels the whole stack at once: with 26 neighbours a voxel also looks at the slices above
and below, and `spacing` says how far away they are. The volumes are composed: tubes that run
through noise. The picture has three slices of a held-out volume, labelled slice by slice and as a
volume.
"""

import argparse
import time

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy import ndimage

from structsvm import GridSVM
from structsvm.metrics import jaccard

SPACING = (2.5, 1.0, 1.0)  # depth, height, width of a voxel


def tubes(rng, shape=(14, 44, 52), n_tubes=7, noise=1.1):
    """A volume of tubes that wander through it, with noise; and their voxels."""
    z = np.arange(shape[0])
    inside = np.zeros(shape, dtype=bool)
    rows, columns = np.indices(shape[1:])
    for _ in range(n_tubes):
        start = rng.uniform(0.1, 0.9, size=2) * shape[1:]
        path = start + np.cumsum(ndimage.gaussian_filter1d(rng.normal(size=(len(z), 2)), 1.5, 0), 0)
        radius = rng.uniform(2.0, 4.0)
        for k in z:
            inside[k] |= np.hypot(rows - path[k, 0], columns - path[k, 1]) < radius
    grey = inside + noise * rng.normal(size=shape)
    smooth = [ndimage.gaussian_filter(grey, [0, s, s]) for s in (1, 3)]
    return np.stack([grey, *smooth], axis=-1), inside.astype(int)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Segment a volume of thick slices.")
    parser.add_argument("--output", default="volume.png", help="the picture to write")
    output = parser.parse_args().output

    rng = np.random.default_rng(0)
    X, y = zip(*(tubes(rng) for _ in range(4)))
    answers = {}
    start = time.perf_counter()
    slices = GridSVM(random_state=0).fit(
        [part for x in X[:3] for part in x], [part for labels in y[:3] for part in labels]
    )
    answers["slice by slice"] = np.stack(slices.predict(list(X[3])))
    print(f"slices: certified gap {slices.dual_gap_:.1e}, {time.perf_counter() - start:.1f} s")
    start = time.perf_counter()
    volume = GridSVM(connectivity=26, spacing=SPACING, random_state=0).fit(X[:3], y[:3])
    [answers["as a volume"]] = volume.predict(X[3:])
    print(f"volume: certified gap {volume.dual_gap_:.1e}, {time.perf_counter() - start:.1f} s")
    for name, labels in answers.items():
        overlap = jaccard([y[3]], [labels], labels=[1])
        print(f"{name}: intersection over union is {100 * overlap:.1f}% of held-out")

    depths = (3, 7, 11)
    figure, axes = plt.subplots(3, 4, figsize=(11, 7), layout="constrained")
    for row, depth in zip(axes, depths):
        row[0].imshow(X[3][depth, ..., 0], cmap="gray")
        row[1].imshow(y[3][depth], cmap="gray_r", interpolation="nearest")
        row[0].text(-3, 22, f"slice {depth}", rotation=90, ha="right", va="center")
        for ax, labels in zip(row[2:], answers.values()):
            colours = np.ones((*labels[depth].shape, 3))
            found, truth = labels[depth] == 1, y[3][depth] == 1
            colours[found & truth] = 0.15, 0.15, 0.15
            colours[found & ~truth] = 0.9, 0.4, 0.1
            colours[~found & truth] = 0.3, 0.6, 0.95
            ax.imshow(colours, interpolation="nearest")
    for ax, title in zip(axes[0], ("image", "truth", *answers)):
        ax.set_title(title)
    for ax in axes.ravel():
        ax.set_axis_off()
    keys = {"found": (0.15, 0.15, 0.15), "false": (0.9, 0.4, 0.1), "missed": (0.3, 0.6, 0.95)}
    patches = [plt.Rectangle((0, 0), 1, 1, fc=colour) for colour in keys.values()]
    figure.legend(patches, keys, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
