"""
Segmenting photographs with trained cuts
========================================

Figure and ground of photographs: by a linear model that sees each pixel alone, and by one that also
learns how much neighbours like to agree, whose labels are minimum cuts.

Where the environment variable STRUCTSVM_DATA names a folder with ``horses/horses.npz``, these are
real photographs of horses, and truth is what a person drew. Else they are put together from
pictures that come with scikit-image: gravel along the outline of a horse, on grass, in random
places and sizes and both grey alike; truth is the outline that was used.
"""

import os
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from skimage import data, transform

from structsvm import GridSVM
from structsvm.metrics import jaccard, pixel_accuracy
from structsvm.plotting import SegmentationDisplay
from structsvm.vision import feature_names, pixel_features


def photographs_of_horses(path):
    """Images, masks, and which are to train."""
    held = np.load(path, allow_pickle=False)
    bounds = zip(held["offsets"][:-1], held["offsets"][1:], held["shape"])
    places = [(slice(start, stop), tuple(shape)) for start, stop, shape in bounds]
    images = [held["X"][place].reshape(*shape, 3) for place, shape in places]
    pixels = held["y"]
    return images, [pixels[place].reshape(shape) for place, shape in places], held["test"] == 0


def equally_grey(texture):
    """With a mean of .5 and a deviation of .15."""
    texture = texture / 255
    return np.clip(0.5 + 0.15 * (texture - texture.mean()) / texture.std(), 0, 1)


def random_crop(texture, shape, rng):
    top, left = (rng.integers(room - size) for room, size in zip(texture.shape, shape))
    return texture[top : top + shape[0], left : left + shape[1]]


def gravel_on_grass(n_images=24, shape=(96, 128)):
    """Images, masks, and which are to train."""
    rng = np.random.default_rng(0)
    grass, gravel = equally_grey(data.grass()), equally_grey(data.gravel())
    outline = (~data.horse()).astype(float)
    images, masks = [], []
    for _ in range(n_images):
        zoom, shift = rng.uniform(2.8, 4.0), rng.uniform(-12, 12, size=2)
        middle = (np.array(outline.shape[::-1]) - zoom * np.array(shape[::-1])) / 2 + shift
        place = transform.AffineTransform(scale=(zoom, zoom), translation=middle)
        mask = transform.warp(outline, place, output_shape=shape) > 0.5
        mask = mask[:, ::-1] if rng.random() < 0.5 else mask
        image = np.where(mask, random_crop(gravel, shape, rng), random_crop(grass, shape, rng))
        images.append(np.ascontiguousarray(image))
        masks.append(mask.astype(int))
    return images, masks, np.arange(n_images) < n_images // 2


def load():
    path = Path(os.environ.get("STRUCTSVM_DATA", ".")) / "horses" / "horses.npz"
    if path.exists():
        print(f"horses from {path.parent}; truth was drawn by a person")
        return photographs_of_horses(path)
    print("gravel on grass, from scikit-image's pictures; truth is the outline that was used")
    return gravel_on_grass()


images, masks, is_train = load()
start = time.perf_counter()
X = [pixel_features(image) for image in images]
print(
    f"{len(feature_names())} features of {sum(mask.size for mask in masks):,} pixels in "
    f"{time.perf_counter() - start:.1f} s"
)
X_train, y_train = ([item for item, use in zip(items, is_train) if use] for items in (X, masks))
X_test, y_test, held_out = (
    [item for item, use in zip(items, is_train) if not use] for items in (X, masks, images)
)

models = {
    "pixels alone": GridSVM(contrast=False, edge_intercept=False, random_state=0),
    "trained cuts": GridSVM(random_state=0),
}
answers = {}
for name, svm in models.items():
    start = time.perf_counter()
    svm.fit(X_train, y_train)
    answers[name] = svm.predict(X_test)
    accuracy = pixel_accuracy(y_test, answers[name])
    overlap = jaccard(y_test, answers[name], labels=[1])
    print(
        f"{name}: {100 * accuracy:.2f}% of held-out pixels, intersection over union "
        f"{overlap:.3f}, certified gap {svm.dual_gap_:.1e}, {time.perf_counter() - start:.1f} s"
    )

# Held-out images at the quartiles of accuracy: none is chosen by its looks.
shares = np.array([(y == guess).mean() for y, guess in zip(y_test, answers["trained cuts"])])
chosen = np.argsort(shares)[[len(shares) // 4, len(shares) // 2, 3 * len(shares) // 4]]
figure, axes = plt.subplots(3, 5, figsize=(13, 6.6), layout="constrained")
for row, k in zip(axes, chosen):
    alone, cut = answers.values()
    display = SegmentationDisplay(held_out[k], y_test[k], cut[k])
    display.plot(legend=False, ax=row[[0, 1, 3, 4]])
    SegmentationDisplay(held_out[k], alone[k]).plot(legend=False, ax=row[[2, 2]])
    for ax, name in zip(row[2:], models):
        ax.set_title(f"{name}: {100 * (answers[name][k] == y_test[k]).mean():.1f} %")
figure.savefig("segmentation.png", dpi=110)
print("wrote segmentation.png")
