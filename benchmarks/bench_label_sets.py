"""Sets of labels: MultiLabelSVM beside one machine a label and chains of them, of scikit-learn.

    python benchmarks/bench_label_sets.py [--data FILE] [--repeat 3]

FILE is the scene data (1,211 training and 1,196 test images, 294 features, 6 labels; by default
$STRUCTSVM_DATA/scene.npz). All with their defaults; rows "C=auto" choose C on a held-out third of
the training images. Hamming error, subset accuracy and the mean F1 of test sets; CPU seconds of the
median fit.
"""

import argparse
import os
import time
import warnings
from pathlib import Path

import numpy as np
from measure import save
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import f1_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain
from sklearn.svm import LinearSVC

from structsvm import MultiLabelSVM

STRUCTURES = ("independent", "tree", "full")


def methods():
    for structure in STRUCTURES:
        yield f"MultiLabelSVM({structure!r})", MultiLabelSVM(structure, random_state=0)
    for structure in STRUCTURES:
        name = f"MultiLabelSVM({structure!r}, C='auto')"
        yield name, MultiLabelSVM(structure, C="auto", random_state=0)
    for structure in STRUCTURES:
        name = f"MultiLabelSVM({structure!r}, loss='f1')"
        yield name, MultiLabelSVM(structure, loss="f1", random_state=0)
    yield "OneVsRestClassifier(LinearSVC())", OneVsRestClassifier(LinearSVC(random_state=0))
    yield "ClassifierChain(LinearSVC())", ClassifierChain(LinearSVC(random_state=0), random_state=0)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default=Path(os.environ.get("STRUCTSVM_DATA", ".")) / "scene.npz")
    parser.add_argument("--repeat", type=int, default=3)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    with np.load(arguments.data, allow_pickle=False) as data:
        X, y, X_test, y_test = (data[name] for name in ("X_train", "y_train", "X_test", "y_test"))
    y, y_test = y.astype(int), y_test.astype(int)
    rows = []
    for name, method in methods():
        times = []
        for _ in range(arguments.repeat):
            start = time.process_time()
            method.fit(X, y)
            times.append(time.process_time() - start)
        guess = np.asarray(method.predict(X_test)).astype(int)
        row = {
            "method": name,
            "cpu": float(np.median(times)),
            "hamming": float((guess != y_test).mean()),
            "subset": float((guess == y_test).all(axis=1).mean()),
            "f1": float(f1_score(y_test, guess, average="samples", zero_division=1.0)),
            "gap": float(getattr(method, "dual_gap_", np.nan)),
            "certified": bool(getattr(method, "certified_", False)),
        }
        rows.append(row)
        print(
            f"{name:42} {row['cpu']:6.2f} s  Hamming {row['hamming']:.4f}  "
            f"subset {row['subset']:.4f}  F1 {row['f1']:.4f}",
            flush=True,
        )
    save("label_sets", rows)


if __name__ == "__main__":
    main()
