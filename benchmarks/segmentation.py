"""What the benchmarks of segmentation share: features, baselines, smoothing by hand, processes."""

import argparse
import functools
import importlib.util
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from measure import save
from sklearn.linear_model import LogisticRegression

from structsvm.inference import alpha_expansion, graph_cut
from structsvm.metrics import jaccard, pixel_accuracy
from structsvm.models.grid import grid_edges

# `GridSVM` with nothing done to features, and pixels that all count the same.
PLAIN = {
    "scale": None,
    "connectivity": 4,
    "contrast_channels": None,
    "class_weight": None,
    "weighting": "loss",
}

DATA = Path(os.environ.get("STRUCTSVM_DATA", "."))


def extractor(path):
    """48 features of `structsvm.vision`, those without ridges and lines, or the function
    ``features`` of a Python file."""
    if path is None:
        from structsvm.vision import FEATURE_GROUPS, pixel_features

        of_areas = [group for group in FEATURE_GROUPS if group not in ("ridge", "oriented")]
        return functools.partial(pixel_features, groups=of_areas)
    spec = importlib.util.spec_from_file_location("extractor", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.features


def standardised(images, train, extract):
    """Float32 features of every image, of mean 0 and deviation 1 over the training pixels."""
    features = []
    for image in images:
        rows = np.asarray(extract(image), dtype=np.float32)
        features.append(rows.reshape(*image.shape[:2], -1))
    n = sum(features[i].shape[0] * features[i].shape[1] for i in train)
    mean = sum(features[i].sum(axis=(0, 1), dtype=float) for i in train) / n
    squares = sum((features[i].astype(float) ** 2).sum(axis=(0, 1)) for i in train)
    scale = 1 / np.sqrt(squares / n - mean**2 + 1e-12)
    for pixels in features:
        pixels -= mean.astype(np.float32)
        pixels *= scale.astype(np.float32)
    return features


def pixel_sample(X, y, n, seed, ignore_label=None):
    """Rows and labels of n pixels drawn from all images together, or of nearly all of fewer."""
    rng = np.random.default_rng(seed)
    sizes = np.array([labels.size for labels in y])
    counts = np.minimum(rng.multinomial(n, sizes / sizes.sum()), sizes)
    places = [
        rng.choice(size, count, replace=False) for size, count in zip(sizes, counts, strict=True)
    ]
    rows = np.concatenate([x.reshape(-1, x.shape[2])[p] for x, p in zip(X, places, strict=True)])
    labels = np.concatenate([labels.ravel()[p] for labels, p in zip(y, places, strict=True)])
    known = labels != ignore_label
    return rows[known], labels[known]


def logistic(X, y, n=300_000, seed=0, ignore_label=None):
    return LogisticRegression(max_iter=300).fit(*pixel_sample(X, y, n, seed, ignore_label))


def pixel_scores(classifier, X):
    """(H, W) for two classes, else (H, W, K) log-probabilities."""
    two = len(classifier.classes_) == 2
    method = classifier.decision_function if two else classifier.predict_log_proba
    return [
        method(x.reshape(-1, x.shape[2])).reshape(*x.shape[:2], *(() if two else (-1,))) for x in X
    ]


def contrast(image, sigma, connectivity):
    """exp(-|dI|^2 / 2 sigma^2) / distance of all edges, in the order of `grid_edges`."""
    from skimage.color import rgb2lab

    lab = rgb2lab(image)
    edges = grid_edges(image.shape[:2], connectivity)
    pixels = lab.reshape(-1, 3)
    squares = ((pixels[edges[:, 0]] - pixels[edges[:, 1]]) ** 2).sum(axis=1)
    width = image.shape[1]
    straight = np.isin(edges[:, 1] - edges[:, 0], (1, width))
    return np.exp(-squares / (2 * sigma**2)) / np.where(straight, 1.0, np.sqrt(2))


def smoothed(scores, images, sigma, strength, connectivity=8):
    """The best labels for scores of pixels and contrast times a strength."""
    answers = []
    for unary, image in zip(scores, images, strict=True):
        edges = grid_edges(image.shape[:2], connectivity)
        pairwise = strength * contrast(image, sigma, connectivity)
        if unary.ndim == 2:
            labels = graph_cut(unary.ravel(), edges, pairwise)
        else:
            labels, _ = alpha_expansion(unary.reshape(-1, unary.shape[2]), edges, pairwise)
        answers.append(labels.reshape(image.shape[:2]))
    return answers


def best_smoothing(scores, images, y, sigmas, strengths, ignore_label=None, connectivity=8):
    """The contrast width and the strength of the best accuracy."""
    tried = {
        (sigma, strength): pixel_accuracy(
            y,
            smoothed(scores, images, sigma, strength, connectivity),
            ignore_label=ignore_label,
        )
        for sigma in sigmas
        for strength in strengths
    }
    return max(tried, key=tried.get)


def accuracy_and_iou(y, answers, ignore_label=None, label=None):
    """Pixel accuracy, and the pooled intersection over union: of one label, or the mean."""
    if label is None:
        overlap = jaccard(y, answers, ignore_label=ignore_label)
    else:
        overlap = jaccard(y, answers, ignore_label=ignore_label, labels=[label])
    accuracy = pixel_accuracy(y, answers, ignore_label=ignore_label)
    return {"accuracy": accuracy, "iou": float(overlap)}


def fit(svm, X, y):
    """A fit with what it cost and reached."""
    start = time.process_time()
    svm.fit(X, y)
    return {
        "seconds": time.process_time() - start,
        "passes": svm.n_oracle_calls_ / len(X),
        "rounds": svm.n_iter_,
        "gap": svm.dual_gap_,
        "certified": svm.certified_,
        "objective": svm.objective_,
    }


def in_a_process(script, name, arguments):
    """One job by itself, so that its peak memory is its own; what it prints last is its result."""
    command = [sys.executable, script, "--job", name, *arguments]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return json.loads(done.stdout.splitlines()[-1])


def print_result(row):
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(json.dumps(row | {"peak_megabytes": peak}))


def print_table(rows):
    print(f"{'':34} accuracy    IoU   train s  passes     gap  peak MB")
    for row in rows:
        seconds = f"{row['seconds']:9.1f}" if "seconds" in row else " " * 9
        passes = f"{row['passes']:7.1f} {row['gap']:7.4f}" if "passes" in row else " " * 15
        print(
            f"{row['job']:34} {row['accuracy']:8.4f} {row['iou']:6.4f} {seconds} {passes} "
            f"{row['peak_megabytes']:8.0f}",
            flush=True,
        )


def command(script, doc, name, jobs, run):
    """The command line of a benchmark whose rows are jobs, ``run(job, extractor)``."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--jobs", nargs="+", choices=jobs, default=list(jobs))
    parser.add_argument("--extractor", help="a Python file with features(rgb)")
    parser.add_argument("--name", default=name, help="of the results file")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.job:
        run(args.job, args.extractor)
        return
    extra = ["--extractor", args.extractor] if args.extractor else []
    rows = [in_a_process(script, job, extra) for job in args.jobs]
    print_table(rows)
    save(args.name, rows)
