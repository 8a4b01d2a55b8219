"""CamVid: street scenes of eleven classes and void, by pixels, by smoothing by hand, by expansions.

    STRUCTSVM_DATA=... python benchmarks/bench_camvid.py [--jobs table ...] [--extractor FILE.py]

184 frames of 120 x 160 to train, 51 to tune, 117 to test. Features as in ``bench_horses.py``; the
index is the mean over classes of the pooled intersection over union, void pixels left out.
Smoothing by hand is chosen on the 51 frames. All inference with edges is alpha-expansion, which may
miss the best labels: gaps are estimates.
"""

import time

import numpy as np
from segmentation import (
    DATA,
    PLAIN,
    accuracy_and_iou,
    best_smoothing,
    command,
    extractor,
    fit,
    logistic,
    pixel_scores,
    print_result,
    smoothed,
    standardised,
)

from structsvm import GridSVM

VOID = 11
SIGMAS, STRENGTHS = (5.0, 20.0), (0.25, 0.5, 1.0, 2.0)
COMMON = {"C": 100, "tol": 5e-2, "max_iter": 40, "ignore_label": VOID, "random_state": 0}
EDGES = {
    "unary": {"contrast": False, "edge_intercept": False},
    "Potts": {"contrast_channels": (0, 1, 2)},
    "table": {"contrast": False, "directions": True, "pairwise": "table"},
}
JOBS = ("pixels", "smoothed", *EDGES)


def load(path):
    held = np.load(DATA / "camvid" / "camvid.npz", allow_pickle=False)
    split = held["split"]
    parts = [np.flatnonzero(split == k).tolist() for k in range(3)]
    images, y = list(held["X"]), list(held["y"].astype(np.int64))
    return images, standardised(images, parts[0], extractor(path)), y, *parts


def run(job, path):
    images, X, y, train, tune, test = load(path)
    start = time.process_time()
    row = {"job": job}
    X_train, y_train = [X[i] for i in train], [y[i] for i in train]
    if job in EDGES:
        svm = GridSVM(**(PLAIN | COMMON | EDGES[job]))
        row |= fit(svm, X_train, y_train)
        answers = svm.predict([X[i] for i in test])
    else:
        classifier = logistic(X_train, y_train, ignore_label=VOID)
        scores = pixel_scores(classifier, [X[i] for i in test])
        answers = [unary.argmax(axis=2) for unary in scores]
        if job == "smoothed":
            sigma, strength = best_smoothing(
                pixel_scores(classifier, [X[i] for i in tune[::3]]),
                [images[i] for i in tune[::3]],
                [y[i] for i in tune[::3]],
                SIGMAS,
                STRENGTHS,
                ignore_label=VOID,
                connectivity=4,
            )
            row |= {"sigma": sigma, "strength": strength}
            answers = smoothed(scores, [images[i] for i in test], sigma, strength, 4)
        row["seconds"] = time.process_time() - start
    print_result(row | accuracy_and_iou([y[i] for i in test], answers, ignore_label=VOID))


if __name__ == "__main__":
    command(__file__, __doc__, "camvid", JOBS, run)
