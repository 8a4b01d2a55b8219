"""
The same data with each multiclass hinge
========================================

Four classes in the plane, one of them in a ring around the others. The three linear hinges draw
their borders differently: Crammer-Singer looks at the worst class alone, Weston-Watkins and
Lee-Lin-Wahba at the sum over all wrong ones. A kernel bends the borders, with the same certificate;
scikit-learn's Nystroem features before a linear SVM do nearly the same and go on where kernel
matrices end. Points are drawn larger where they carry the solution.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.kernel_approximation import Nystroem
from sklearn.pipeline import make_pipeline

from structsvm import MulticlassSVM

C, TOL, GAMMA = 1.0, 1e-6, 0.5


def make_points(n, rng):
    """Three clusters, and a fourth class in a ring around them."""
    y = rng.integers(4, size=n)
    angle = 2 * np.pi * rng.random(n)
    radius = 3.2 + 0.3 * rng.normal(size=n)
    ring = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    centres = 1.4 * np.array([[0, 1], [0.87, -0.5], [-0.87, -0.5], [0, 0]])
    clusters = centres[y] + 0.55 * rng.normal(size=(n, 2))
    return np.where((y == 3)[:, None], ring, clusters), y


def classifiers():
    linear = {"C": C, "tol": TOL, "random_state": 0}
    yield "Crammer-Singer", MulticlassSVM(**linear)
    yield "Weston-Watkins", MulticlassSVM(loss="weston_watkins", **linear)
    yield "Lee-Lin-Wahba", MulticlassSVM(loss="lee_lin_wahba", **linear)
    yield "squared Crammer-Singer", MulticlassSVM(slack="squared", **linear)
    yield "rbf kernel", MulticlassSVM(kernel="rbf", gamma=GAMMA, **linear)
    features = Nystroem(gamma=GAMMA, n_components=60, random_state=0)
    yield "Nystroem, 60 features", make_pipeline(features, MulticlassSVM(**linear))


def main():
    parser = argparse.ArgumentParser(description="Draw the borders of each multiclass hinge.")
    parser.add_argument("--output", default="multiclass_hinges.png")
    output = parser.parse_args().output

    rng = np.random.default_rng(0)
    X, y = make_points(300, rng)
    X_new, y_new = make_points(3000, rng)
    side = np.linspace(-4.5, 4.5, 250)
    plane = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
    colours = plt.get_cmap("tab10")
    figure, panels = plt.subplots(2, 3, figsize=(11, 7.4), layout="constrained")
    for (name, classifier), panel in zip(classifiers(), panels.flat):
        classifier.fit(X, y)
        svm = classifier[-1] if hasattr(classifier, "steps") else classifier
        accuracy = classifier.score(X_new, y_new)
        regions = classifier.predict(plane).reshape(len(side), len(side))
        panel.imshow(
            colours(regions),
            extent=(-4.5, 4.5, -4.5, 4.5),
            origin="lower",
            alpha=0.25,
            aspect="auto",
        )
        sizes = np.full(len(X), 5)
        sizes[svm.support_] = 22
        panel.scatter(*X.T, s=sizes, c=colours(y), linewidths=0)
        panel.set(title=f"{name}: {accuracy:.1%}", xticks=[], yticks=[])
        counts = {kind: int(number.sum()) for kind, number in svm.support_counts_.items()}
        print(
            f"{name:22} {100 * accuracy:.1f}% of held-out points, certified gap "
            f"{svm.dual_gap_:.1e}, {counts['non_support']} points without a multiplier, "
            f"{counts['margin_support']} on the margin, {counts['bound_support']} at the bound"
        )
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
