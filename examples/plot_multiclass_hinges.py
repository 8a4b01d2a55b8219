"""
Three multiclass hinges on the same points
==========================================

Crammer-Singer counts the worst wrong class, Weston-Watkins adds them all up, Lee-Lin-Wahba pushes
the scores of wrong classes down on their own. Left: three clouds of points in the plane and where
each hinge, with linear and with squared slack, draws the borders; rings are support vectors. Right:
a fourth cloud in the middle of the others. The first two hinges give it a place of its own by its
intercept; the third, whose scores sum to zero, does not. With features of a Gaussian kernel all do.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline

from structsvm import MulticlassSVM

LOSSES = ("crammer_singer", "weston_watkins", "lee_lin_wahba")
COLORS = np.array(["#4878a8", "#d1605e", "#6a9f58", "#8d6cab"])


def clouds(n, n_classes, seed):
    """Clouds at the corners of a triangle, and one in the middle if there are four."""
    rng = np.random.default_rng(seed)
    angles = np.pi / 2 + 2 * np.pi / 3 * np.arange(3)
    centres = np.vstack([2 * np.stack([np.cos(angles), np.sin(angles)], axis=1), [[0, 0]]])
    y = rng.integers(n_classes, size=n)
    return centres[y] + rng.normal(scale=0.75, size=(n, 2)), y


def train(name, svm, data, held_out):
    """Fit, and tell what there is to tell."""
    svm.fit(*data)
    last = svm[-1] if hasattr(svm, "steps") else svm
    print(
        f"{name}: certified gap {last.dual_gap_:.1e} after {last.n_iter_} rounds, "
        f"{len(last.support_)} support vectors, {svm.score(*held_out):.1%} of held-out points"
    )
    return svm


def draw(axis, svm, X, y, title):
    side = np.linspace(-4, 4, 160)
    grid = np.stack(np.meshgrid(side, side), axis=-1)
    areas = svm.predict(grid.reshape(-1, 2)).reshape(grid.shape[:2])
    axis.contourf(side, side, areas, levels=np.arange(-0.5, 4.5), colors=COLORS, alpha=0.25)
    axis.scatter(*X.T, c=COLORS[y], s=9)
    last = svm[-1] if hasattr(svm, "steps") else svm
    axis.scatter(*X[last.support_].T, s=24, facecolors="none", edgecolors="black", linewidths=0.4)
    axis.set(title=title, xticks=[], yticks=[], aspect="equal")


def main():
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--output", default="multiclass_hinges.png", help="the picture to write")
    output = parser.parse_args().output
    three, four = clouds(150, 3, seed=0), clouds(300, 4, seed=1)
    three_new, four_new = clouds(2000, 3, seed=2), clouds(2000, 4, seed=3)
    figure, axes = plt.subplots(3, 4, figsize=(11, 8.4), layout="constrained")
    for row, loss in zip(axes, LOSSES):
        for column, slack in enumerate(("linear", "squared")):
            svm = MulticlassSVM(C=0.1, loss=loss, slack=slack, tol=1e-4, random_state=0)
            train(f"{loss}, {slack} slack", svm, three, three_new)
            draw(row[column], svm, *three, f"{loss}, {slack}")
        linear = MulticlassSVM(C=0.1, loss=loss, tol=1e-4, random_state=0)
        train(f"{loss}, four clouds, linear", linear, four, four_new)
        draw(row[2], linear, *four, "four clouds, linear")
        kernel = make_pipeline(
            Nystroem(gamma=0.5, n_components=100, random_state=0),
            MulticlassSVM(C=1.0, loss=loss, tol=1e-4, random_state=0),
        )
        train(f"{loss}, four clouds, Gaussian kernel", kernel, four, four_new)
        draw(row[3], kernel, *four, "four clouds, Gaussian kernel")
    figure.savefig(output, dpi=80)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
