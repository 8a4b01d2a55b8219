"""Dependency parsing of UD English-LinES: UAS, training time, sentences parsed a second, memory.

    STRUCTSVM_DATA=... python benchmarks/bench_parsing.py [--jobs siblings ...] [--repeat 3]

Every job is a process of its own, one after the other, with one thread. Words and tags are the
gold ones, and all tokens count. Training time is CPU seconds from lists of (word, tag) to a trained
model; parsing is from such lists, too, the median of several passes over the test file. Memory is
that of the process at its peak, data and Python included. Options were chosen on dev.

The averaged perceptron has the features of McDonald, Crammer and Pereira (2005) and runs here.
UDPipe 1.2 was trained on the same files once, on the same kind of machine; its figures are
recorded, not measured again.
"""

import argparse
import gzip
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

from measure import save

DATA = Path(os.environ.get("STRUCTSVM_DATA", ".")) / "lines"
MCDONALD = [
    *("h.word h.tag", "h.word", "h.tag", "m.word m.tag", "m.word", "m.tag"),
    *("h.word h.tag m.word m.tag", "h.tag m.word m.tag", "h.word m.word m.tag"),
    *("h.word h.tag m.tag", "h.word h.tag m.word", "h.word m.word", "h.tag m.tag"),
    "h.tag between.tag m.tag",
    *("h.tag h.tag+1 m.tag-1 m.tag", "h.tag-1 h.tag m.tag-1 m.tag"),
    *("h.tag h.tag+1 m.tag m.tag+1", "h.tag-1 h.tag m.tag m.tag+1"),
    *("h.tag h.tag+1 m.tag", "h.tag-1 h.tag m.tag", "h.tag m.tag-1 m.tag", "h.tag m.tag m.tag+1"),
]
JOBS = {
    "averaged perceptron": {"features": MCDONALD, "solver": "perceptron", "max_iter": 3},
    "arcs": {},
    "arcs, bcfw C=.01": {"solver": "bcfw", "C": 0.01},
    "arcs that may cross": {"projective": False},
    "siblings": {"order": 2},
    "grand-siblings": {"order": 3},
}
RECORDED = {
    "job": "UDPipe 1.2 (recorded)",
    "dev": 0.8346,
    "test": 0.8545,
    "labelled": None,
    "training": 651.0,
    "speed": 875.0,
    "mb": None,
}


def treebank(name):
    """Sentences of (word, tag), and their trees."""
    X, y, rows = [], [], []
    with gzip.open(DATA / f"{name}.tsv.gz", "rt", encoding="utf-8") as file:
        for line in [*file, "\n"]:
            if line.strip():
                rows.append(line.rstrip("\n").split("\t"))
            elif rows:
                X.append([(row[1], row[2]) for row in rows])
                y.append(([int(row[3]) for row in rows], [row[4] for row in rows]))
                rows = []
    return X, y


def run(job, repeat):
    import warnings

    from structsvm import DependencyParser
    from structsvm.features import ArcFeatures
    from structsvm.metrics import attachment_scores

    options = dict(JOBS[job])
    features = options.pop("features", None)
    if features is not None:
        options["features"] = ArcFeatures(features, min_count=1)
    if options.get("solver") == "bcfw":
        options["max_iter"] = 10
        warnings.simplefilter("ignore")  # it is stopped long before its gap is 1e-3
    (X, y), dev, (X_test, y_test) = map(treebank, ("train", "dev", "test"))
    heads = [tree[0] for tree in y]
    parser = DependencyParser(random_state=0, **options)
    start = time.process_time()
    parser.fit(X, heads)
    training = time.process_time() - start
    times = []
    for _ in range(repeat):
        start = time.process_time()
        parsed = parser.predict(X_test)
        times.append(time.process_time() - start)
    row = {"job": job, "dev": parser.score(*dev), "labelled": None}
    row["test"] = attachment_scores(y_test, parsed).unlabelled
    row["training"], row["speed"] = training, len(X_test) / statistics.median(times)
    row["mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if job == "grand-siblings":  # with relations, which are a second step
        parser.fit(X, y)
        row["labelled"] = attachment_scores(y_test, parser.predict(X_test)).labelled
    return row


def told(row):
    cells = [f"{row['job']:24}", f"{row['dev']:.4f}", f"{row['test']:.4f}"]
    cells.append("      " if row["labelled"] is None else f"{row['labelled']:.4f}")
    cells += [f"{row['training']:7.1f}", f"{row['speed']:7.0f}"]
    cells.append("    " if row["mb"] is None else f"{row['mb']:4.0f}")
    return "  ".join(cells)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", nargs="+", choices=JOBS, default=list(JOBS), metavar="JOB")
    parser.add_argument("--repeat", type=int, default=5, help="passes that time parsing")
    parser.add_argument("--one", choices=JOBS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(run(args.one, args.repeat)))
        return
    print(f"{'job':24}  {'dev':6}  {'test':6}  {'LAS':6}  {'CPU s':>7}  {'sent./s':>7}  MB")
    rows = []
    for job in args.jobs:
        command = [sys.executable, __file__, "--one", job, "--repeat", str(args.repeat)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        answer = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment)
        rows.append(json.loads(answer.stdout))
        print(told(rows[-1]), flush=True)
    rows.append(RECORDED)
    print(told(RECORDED))
    save("parsing", rows)


if __name__ == "__main__":
    main()
