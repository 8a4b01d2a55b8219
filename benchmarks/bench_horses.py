"""Horses: figure and ground in 311 photographs, by pixels, by smoothing by hand, by trained cuts.

    STRUCTSVM_DATA=... python benchmarks/bench_horses.py [--jobs cut ...] [--extractor FILE.py]

207 images to train, 104 to test, 30,000 pixels each. Features are those of `structsvm.vision`, or
of the function ``features(rgb)`` in a file of your own; standardised, float32. Each row is a
process of its own, its peak memory with the features of all images in it. Training seconds are CPU
seconds of the fit alone, certificate included, without features.

pixels: logistic regression on 300,000 training pixels. smoothed: its scores and contrast, whose
width and strength are the best for accuracy on every fourth training image. unary: `GridSVM`
without edges. cut: with. The Fourier rows add one feature to the others: the score of a logistic
regression on 400 random Fourier features of them, made for training images by models that did not
see them.
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
    pixel_sample,
    pixel_scores,
    print_result,
    smoothed,
    standardised,
)
from sklearn.kernel_approximation import RBFSampler
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from structsvm import GridSVM

SIGMAS, STRENGTHS = (2.5, 5.0, 10.0), (2.0, 4.0, 8.0, 16.0, 32.0)
CUT = {"connectivity": 8, "contrast": (0.1, 0.5, 2.0, 10.0), "contrast_channels": (0, 1, 2)}
CUTS = {
    "unary": {"contrast": False, "edge_intercept": False},
    "cut": CUT,
    "cut, cold": CUT | {"warm_inference": False},
    "cut, horses count 1.4": CUT | {"class_weight": {0: 1.0, 1: 1.4}},
    "cut, plain contrast": CUT | {"contrast": True},
}
JOBS = (
    "pixels",
    "smoothed",
    *CUTS,
    "Fourier pixels",
    "Fourier smoothed",
    "Fourier cut",
    "Fourier cut, horses count 1.4",
)


def load(path):
    held = np.load(DATA / "horses" / "horses.npz", allow_pickle=False)
    bounds = list(zip(held["offsets"][:-1], held["offsets"][1:], held["shape"], strict=True))
    pixels, labels = held["X"], held["y"]
    images = [pixels[a:b].reshape(*shape, 3) for a, b, shape in bounds]
    y = [labels[a:b].reshape(shape) for a, b, shape in bounds]
    train, test = np.flatnonzero(held["test"] == 0), np.flatnonzero(held["test"] == 1)
    X = standardised(images, train, extractor(path))
    return images, X, y, train.tolist(), test.tolist()


def with_fourier_score(X, y, train, test, n_folds=5, n_pixels=300_000):
    """X with one more feature, and the score alone; see above."""

    def learn(places):
        rows, labels = pixel_sample([X[i] for i in places], [y[i] for i in places], n_pixels, 0)
        fourier = RBFSampler(gamma=1 / (2 * rows.shape[1]), n_components=400, random_state=0)
        return make_pipeline(fourier, LogisticRegression(max_iter=200)).fit(rows, labels)

    scores = {}
    for fold in range(n_folds):
        part = train[fold::n_folds]
        unseen = learn([i for i in train if i not in part])
        scores |= {i: score_of(unseen, X[i]) for i in part}
    whole = learn(train)
    scores |= {i: score_of(whole, X[i]) for i in test}
    both = [np.concatenate([x, scores[i][..., None]], axis=2) for i, x in enumerate(X)]
    return both, scores


def score_of(model, x):
    # Row by row of the image: 400 columns of a whole one are many.
    rows = [model.decision_function(row) for row in x]
    return np.stack(rows).astype(np.float32)


def run(job, path):
    images, X, y, train, test = load(path)
    scores, kind = None, job
    start = time.process_time()
    if job.startswith("Fourier "):
        kind = job.removeprefix("Fourier ")
        X, scores = with_fourier_score(X, y, train, test)
    row = {"job": job}
    X_train, y_train = [X[i] for i in train], [y[i] for i in train]
    X_test, y_test = [X[i] for i in test], [y[i] for i in test]
    if kind in CUTS:
        svm = GridSVM(**(PLAIN | {"C": 30, "tol": 1e-2, "random_state": 0} | CUTS[kind]))
        row |= fit(svm, X_train, y_train)
        answers = svm.predict(X_test)
        row["edge_weights"] = [*svm.edge_coef_.tolist(), float(svm.edge_intercept_)]
    else:
        if scores is None:
            of_all = dict(enumerate(pixel_scores(logistic(X_train, y_train), X)))
        else:
            of_all = scores
        unary = [of_all[i].astype(float) for i in test]
        if kind == "pixels":
            answers = [(u > 0).astype(int) for u in unary]
        else:
            tuned = train[::4]
            sigma, strength = best_smoothing(
                [of_all[i].astype(float) for i in tuned],
                [images[i] for i in tuned],
                [y[i] for i in tuned],
                SIGMAS,
                STRENGTHS,
            )
            row |= {"sigma": sigma, "strength": strength}
            answers = smoothed(unary, [images[i] for i in test], sigma, strength)
        row["seconds"] = time.process_time() - start
    print_result(row | accuracy_and_iou(y_test, answers, label=1))


if __name__ == "__main__":
    command(__file__, __doc__, "horses", JOBS, run)
