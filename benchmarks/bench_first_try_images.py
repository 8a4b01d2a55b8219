"""Images with nothing changed: `GridSVM()` beside logistic regression and a cut tuned by hand.

    STRUCTSVM_DATA=... python benchmarks/bench_first_try_images.py [--jobs "horses, by hand" ...]

Both get `pixel_features` and nothing else, and learn from the same images. IoU is that of the rarer
class, pooled over the test images; of CamVid's eleven classes it is the mean.

by hand: logistic regression on standardised columns; its log-odds minus a bias, and contrast of Lab
colours times a strength, cut with 8 neighbours. Bias, width of the contrast and strength are those
of the best IoU on the training images (for horses every fourth of them), out of 91. Seconds are CPU
seconds of both. For CamVid, which has no rarer class: each pixel alone.

as it comes: ``GridSVM()`` (void pixels told), CPU seconds of the fit.

Lines are drawn by `make_lines`, of a polarity, share, contrast, noise, background, width and number
of images that are drawn at random for each number. Numbers below 100 were looked at while defaults
were chosen, those from 100 on were not.
"""

import time

import numpy as np
from segmentation import (
    DATA,
    accuracy_and_iou,
    command,
    contrast,
    fit,
    logistic,
    pixel_scores,
    print_result,
    standardised,
)

from structsvm import GridSVM
from structsvm.datasets import make_lines
from structsvm.inference import graph_cut
from structsvm.metrics import jaccard
from structsvm.models.grid import grid_edges
from structsvm.vision import pixel_features

BIASES = (-3.0, -2.25, -1.5, -1.0, -0.5, 0.0, 0.5)
SIGMAS, STRENGTHS = (2.5, 5.0, 10.0), (1.0, 4.0, 8.0, 16.0)
VOID = 11
SETS = (
    *(f"lines {number}" for number in (*range(8), *range(100, 108))),
    "horses",
    "cars",
    "street",
)
WAYS = ("by hand", "as it comes")
JOBS = tuple(f"{name}, {way}" for name in SETS for way in WAYS)


def random_lines(number):
    draw = np.random.default_rng(number)
    thin = draw.uniform(1, 2.5)
    return make_lines(
        n_train=int(draw.choice([6, 12, 20])),
        n_test=20,
        polarity=str(draw.choice(["dark", "bright"])),
        share=float(np.exp(draw.uniform(np.log(0.01), np.log(0.13)))),
        contrast=draw.uniform(0.08, 0.25),
        noise=draw.uniform(0.02, 0.1),
        background=str(draw.choice(["smooth", "grain", "regions", "blobs"])),
        width=(thin, thin * draw.uniform(1, 2)),
        size=(72, 120),
        random_state=number,
    )


def load(name):
    """Images and labels to train and to test, and the void label."""
    if name.startswith("lines"):
        data = random_lines(int(name.split()[1]))
        return data.images_train, data.y_train, data.images_test, data.y_test, None
    if name == "horses":
        held = np.load(DATA / "horses" / "horses.npz", allow_pickle=False)
        places = list(zip(held["offsets"][:-1], held["offsets"][1:], held["shape"], strict=True))
        pixels, labels = held["X"], held["y"].astype(int)
        images = [pixels[a:b].reshape(*shape, 3) for a, b, shape in places]
        y = [labels[a:b].reshape(shape) for a, b, shape in places]
        train, test = (np.flatnonzero(held["test"] == k) for k in (0, 1))
        return *([part[i] for i in of] for of in (train, test) for part in (images, y)), None
    held = np.load(DATA / "camvid" / "camvid.npz", allow_pickle=False)
    y = held["y"].astype(int)
    if name == "cars":
        y = np.where(y == VOID, VOID, (y == 8).astype(int))
    train, test = np.flatnonzero(held["split"] == 0)[::4], np.flatnonzero(held["split"] == 2)[::3]
    return *(list(part[of]) for of in (train, test) for part in (held["X"], y)), VOID


def cut(scores, image, bias, sigma, strength, contrasts):
    if not strength:
        return (scores > bias).astype(int)
    if sigma not in contrasts:
        rgb = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
        contrasts[sigma] = contrast(rgb, sigma, 8)
    edges = grid_edges(scores.shape, 8)
    labels = graph_cut((scores - bias).ravel(), edges, strength * contrasts[sigma])
    return labels.reshape(scores.shape)


def by_hand(images, y, images_test, void, tune_on):
    """Answers for test images, CPU seconds without features, and what was chosen."""
    n = len(images)
    raw = [pixel_features(image) for image in [*images, *images_test]]
    places = iter(raw)
    start = time.process_time()
    X = standardised([*images, *images_test], range(n), lambda _: next(places))
    classifier = logistic(X[:n], y, ignore_label=void)
    if len(classifier.classes_) > 2:
        answers = [scores.argmax(axis=2) for scores in pixel_scores(classifier, X[n:])]
        return answers, time.process_time() - start, {}
    scores = pixel_scores(classifier, X[:n][::tune_on])
    tuned, truth = images[::tune_on], y[::tune_on]
    contrasts = [{} for _ in tuned]
    tried = {}
    for setting in [(b, s, t) for b in BIASES for s in SIGMAS for t in STRENGTHS] + [
        (b, 0.0, 0.0) for b in BIASES
    ]:
        cuts = [
            cut(unary, image, *setting, kept)
            for unary, image, kept in zip(scores, tuned, contrasts, strict=True)
        ]
        tried[setting] = jaccard(truth, cuts, labels=[1], ignore_label=void)
    best = max(tried, key=tried.get)
    seconds = time.process_time() - start
    answers = [
        cut(unary, image, *best, {})
        for unary, image in zip(pixel_scores(classifier, X[n:]), images_test, strict=True)
    ]
    return answers, seconds, dict(zip(("bias", "sigma", "strength"), best, strict=True))


def run(job, _):
    name, way = job.split(", ")
    images, y, images_test, y_test, void = load(name)
    row = {"job": job, "images": len(images)}
    if way == "by hand":
        answers, seconds, chosen = by_hand(
            images, y, images_test, void, 4 if name == "horses" else 1
        )
        row |= {"seconds": seconds} | chosen
    else:
        svm = GridSVM(ignore_label=void)
        row |= fit(svm, [pixel_features(image) for image in images], y)
        row |= {"C": svm.C_, "class_weight": svm.model_.class_weight_.tolist()}
        answers = svm.predict([pixel_features(image) for image in images_test])
    label = None if name == "street" else 1
    print_result(row | accuracy_and_iou(y_test, answers, ignore_label=void, label=label))


if __name__ == "__main__":
    command(__file__, __doc__, "first_try_images", JOBS, run)
