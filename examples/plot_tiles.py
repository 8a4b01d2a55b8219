"""
An image larger than memory, tile by tile
=========================================

`predict_tiles` reads a piece of an image at a time, makes its features, labels it, and goes on. A
tile does not see what lies beyond its surroundings, so its labels may differ from those of the
whole image. Which ones may is known: a tile is labelled with everything around it as the one label,
then as the other, and where both agree no image around could change it. The image here lies in a
file, as a large one would; it is small enough to be labelled whole as well. The picture has the
labels of two overlaps, with what is not certain in red.
"""

import argparse
import tempfile
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import GridSVM
from structsvm.datasets import make_lines
from structsvm.vision import PixelFeatures, predict_tiles

TILE = 64

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Label an image tile by tile.")
    parser.add_argument("--output", default="tiles.png", help="the picture to write")
    output = parser.parse_args().output

    # A tile knows neither its place in the image nor the image's border.
    features = PixelFeatures(groups=["colour", "smoothed", "ridge", "oriented"])
    drawn = {"share": 0.08, "contrast": 0.18, "noise": 0.06, "background": "regions"}
    small = make_lines(8, 1, size=(72, 96), random_state=0, **drawn)
    svm = GridSVM(random_state=0)
    svm.fit(features.fit_transform(small.images_train), small.y_train)
    print(f"certified gap {svm.dual_gap_:.1e}")

    large = make_lines(1, 1, size=(300, 300), random_state=5, **drawn)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image"
        large.images_test[0].tofile(path)
        image = np.memmap(path, dtype=np.uint8, mode="r", shape=(300, 300))
        whole = svm.predict(features.transform([image]))[0]
        figure, axes = plt.subplots(1, 3, figsize=(13, 4.7), layout="constrained")
        axes[0].imshow(image, cmap="gray")
        axes[0].set_title("the image, and its tiles")
        for ax, overlap in zip(axes[1:], (0, 16)):
            labels, certain = predict_tiles(
                svm, image, tile=TILE, overlap=overlap, features=features
            )
            wrong = (labels != whole).mean()
            print(
                f"overlap {overlap}: {100 * certain.mean():.2f}% of held-out pixels are certain, "
                f"{100 * wrong:.3f} % differ from the whole image's, "
                f"{(labels != whole)[certain].sum()} of them certain"
            )
            colours = np.where(labels[..., None] == 1, 0.15, 1.0) * np.ones(3)
            colours[~certain] = 0.85, 0.1, 0.1
            ax.imshow(colours, interpolation="nearest")
            ax.set_title(f"overlap {overlap}: {certain.mean():.1%} certain, others red")
        del image
    for edge in range(0, 301, 60):
        axes[0].axhline(edge - 0.5, color="#f0c040", lw=0.8)
        axes[0].axvline(edge - 0.5, color="#f0c040", lw=0.8)
    for ax in axes:
        ax.set_axis_off()
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
