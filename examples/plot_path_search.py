"""
C and the weight of a rare class, chosen along warm-started paths
==================================================================

Thin bright lines cover a tenth of noisy images. A fit that counts wrong pixels may answer "all
dark" and be right on nine pixels of ten; the Jaccard index of the lines says what it is worth.
`PathSearch` tries values of C, each fit starting from where the last one ended, without and with
weights of the rare class, and scores them on images held out. Every point of the picture has its
certificate: the share of the objective by which it may at most be improved.
"""

import argparse
import warnings

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import gaussian_filter

from structsvm import GridSVM, PathSearch
from structsvm.datasets import make_lines
from structsvm.exceptions import TrivialFitWarning
from structsvm.metrics import jaccard

WEIGHTS = [None, "balanced"]
TOL = 1e-2


def features(image):
    """Grey values, blurred by several widths."""
    return np.stack([image, *(gaussian_filter(image, width) for width in (0.7, 1.5, 3))], axis=-1)


def of_lines(svm, X, y):
    """Intersection over union of the lines, all images together."""
    return jaccard(y, svm.predict(X), labels=[1])


def main():
    parser = argparse.ArgumentParser(description="Draw score and certificate along C.")
    parser.add_argument("--output", default="path_search.png", help="the picture to write")
    output = parser.parse_args().output

    lines = make_lines(12, 8, share=0.1, size=(40, 56), random_state=0)
    X_train = [features(image / 255) for image in lines.images_train]
    X_test = [features(image / 255) for image in lines.images_test]
    kept, held_out = slice(None, 8), slice(8, None)
    svm = GridSVM(tol=TOL, random_state=0)
    search = PathSearch(svm, class_weights=WEIGHTS, scoring=of_lines)
    search.fit(
        X_train[kept],
        lines.y_train[kept],
        X_val=X_train[held_out],
        y_val=lines.y_train[held_out],
    )
    results = search.cv_results_
    figure, (above, below) = plt.subplots(
        2, 1, sharex=True, figsize=(6.5, 5.6), layout="constrained", height_ratios=(3, 2)
    )
    for weight in WEIGHTS:
        here = np.array([other == weight for other in results["param_class_weight"]])
        C = results["param_C"][here]
        label = "every pixel alike" if weight is None else f"class_weight={weight!r}"
        above.plot(C, results["mean_test_score"][here], "o-", label=label)
        below.plot(C, results["dual_gap"][here], "o-", label=label)
    above.axvline(search.best_params_["C"], color="grey", lw=0.8, ls=":")
    above.set(ylabel="Jaccard index of lines, held out", xscale="log")
    above.legend()
    below.axhline(TOL, color="grey", lw=0.8, ls="--")
    below.set(ylabel="certified relative gap", xlabel="C", yscale="log")
    figure.savefig(output, dpi=120)

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", TrivialFitWarning)
        plain = GridSVM(C=1.0, class_weight=None, tol=TOL, random_state=0)
        plain.fit(X_train[kept], lines.y_train[kept])
    print(*(warning.message for warning in told), sep="\n")
    print(f"C=1, every pixel alike: {of_lines(plain, X_test, lines.y_test):.1%} of held-out lines")
    score = of_lines(search.best_estimator_, X_test, lines.y_test)
    print(f"{search.best_params_}, certified gap {search.best_estimator_.dual_gap_:.1e}")
    print(f"chosen: {score:.1%} of held-out lines")
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
