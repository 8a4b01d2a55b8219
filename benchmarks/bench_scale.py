"""Two workers against one: seconds to the tolerance and of a round; a model of more cores.

    STRUCTSVM_DATA=... python benchmarks/bench_scale.py [--repeat 3] [--tasks letters text ...]

letters    ChainSVM, an oracle of two microseconds: threads with copies of the weights
text       SequenceTagger with its defaults on CoNLL-2000, from columns
long       chains of 150 labels and 400-800 positions, an oracle of a millisecond: threads
python     an oracle of 1 ms that holds the interpreter: processes, their start included
tagging    predictions of a SequenceTagger on the test file, three times over

Runs with one and with two workers alternate; medians are shown. CPU seconds stand beside the wall
clock: on a machine that does other work trust those, and the model. The model is of letters and
text: the passes on copies run in one thread, the CPU time of each part of each phase is taken, and
a phase counts as long as its longest part. So it is what a core for each part would take, without
waits. It is shown for 2, 4, 8 and 16 copies, though fits always have two.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # its threads would take part in both

import argparse
import gzip
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
from bench_slow_oracle import SlowChain
from measure import RESULTS, save
from sklearn.exceptions import ConvergenceWarning

from structsvm import ChainModel, ChainSVM, SequenceTagger, StructSVM
from structsvm.datasets import load_letters
from structsvm.engines import Threads
from structsvm.features import TokenFeatures
from structsvm.solvers import _replicas, bcfw

DATA = Path(os.environ.get("STRUCTSVM_DATA", ".")) / "conll2000"
COPIES = (2, 4, 8, 16)


class Millisecond(SlowChain):
    milliseconds = 1.0


class OneThread(Threads):
    """Shares passes as two threads do, and makes all parts in one."""

    def together(self, task, n_threads):
        task(0)


def sentences(name):
    """Sentences of (word, tag) pairs, and their labels."""
    X, y = [], []
    with gzip.open(DATA / name, "rt") as lines:
        for block in lines.read().split("\n\n"):
            rows = [line.split() for line in block.split("\n") if line]
            if rows:
                X.append([(word, tag) for word, tag, _ in rows])
                y.append([label for *_, label in rows])
    return X, y


def letters(**params):
    data = load_letters()
    X, y = list(data.X), list(data.y)
    return ChainSVM(C=100 / len(X), random_state=0, **params), X, y


def tagger(**params):
    return SequenceTagger(TokenFeatures("chunk"), random_state=0, **params)


def text(**params):
    return tagger(C=0.1, **params), *sentences("train.txt.gz")


def long(**params):
    rng = np.random.default_rng(0)
    W = rng.normal(size=(20, 150))
    X = [rng.normal(size=(length, 20)) for length in rng.integers(400, 800, size=100)]
    y = [(x @ W + 0.2 * rng.gumbel(size=(len(x), 150))).argmax(axis=1) for x in X]
    model = ChainModel("normalized_hamming")
    return StructSVM(model, C=0.1, max_iter=6, tol=1e-9, random_state=0, **params), X, y


def python(**params):
    data = load_letters()
    X, y = list(data.X[:600]), list(data.y[:600])
    return StructSVM(Millisecond(), C=1 / 6, max_iter=8, tol=1e-9, random_state=0, **params), X, y


TASKS = {"letters": letters, "text": text, "long": long, "python": python}


def timed(function):
    """Wall-clock and CPU seconds, and what the function returns."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def fitted(make, **params):
    svm, X, y = make(**params)
    wall, cpu, _ = timed(lambda: svm.fit(X, y))
    seconds = svm.history_["seconds"]
    a_round = (seconds[-1] - seconds[0]) / max(svm.n_iter_ - 1, 1)
    return {
        "wall": wall, "cpu": cpu, "of_solver": seconds[-1], "a_round": a_round,
        "rounds": svm.n_iter_, "gap": svm.history_["gap"][-1],
    }  # fmt: skip


def pairs(task, repeat):
    """Medians of alternating runs with one and two workers, and their ratios."""
    runs = {1: [], 2: []}
    for _ in range(repeat):
        for n_jobs, own in runs.items():
            own.append(task(n_jobs))
    one, two = (
        {name: statistics.median(run[name] for run in own) for name in own[0]}
        for own in runs.values()
    )
    ratios = {name: one[name] / two[name] for name in ("wall", "of_solver", "a_round")}
    return {"one": one, "two": two, "ratios": ratios}


def tagging(repeat):
    svm = tagger(solver="perceptron").fit(*sentences("train.txt.gz"))
    X = 3 * sentences("test.txt.gz")[0]

    def once(n_jobs):
        svm.set_params(n_jobs=n_jobs)
        wall, cpu, _ = timed(lambda: svm.predict(X))
        return {"wall": wall, "cpu": cpu, "of_solver": wall, "a_round": wall, "rounds": 1, "gap": 0}

    once(1)
    return pairs(once, repeat)


def modelled(make, n_copies):
    """CPU seconds of the solver in one thread, and what a core for each copy would take."""
    made = []

    class Timed(_replicas.Replicas):
        def __init__(self, whole):
            super().__init__(whole)
            self.times = []
            made.append(self)

    kept = _replicas.N_PARTS, bcfw.Replicas
    _replicas.N_PARTS, bcfw.Replicas = n_copies, Timed
    try:
        run = fitted(make, engine=OneThread(n_copies))
    finally:
        _replicas.N_PARTS, bcfw.Replicas = kept
    passes = made[0].times
    items = sum(part.sum() for part in passes)
    longest = sum(part.max(axis=1).sum() for part in passes)
    return run | {
        "copies": n_copies, "items": items, "longest": longest,
        "modelled": run["cpu"] - items + longest, "caution": made[0].caution,
    }  # fmt: skip


def picture(rows, models):
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    names = [row["task"] for row in rows]
    left.bar(names, [row["ratios"]["wall"] for row in rows], color="tab:blue")
    left.axhline(1.0, color="black", linewidth=0.8)
    left.set(ylabel="speed-up of two workers", title="measured, wall clock, whole call")
    for name in dict.fromkeys(row["task"] for row in models):
        own = [row for row in models if row["task"] == name]
        cores = [row["copies"] for row in own]
        right.plot(cores, [row["speed_up"] for row in own], "o-", label=f"{name}: a fit")
        right.plot(cores, [row["of_a_round"] for row in own], "o--", label=f"{name}: its passes")
    right.set_xscale("log", base=2)
    right.set(xlabel="copies, a core each", title="modelled, fits have two copies")
    if models:
        right.legend(fontsize=7)
    figure.savefig(RESULTS / "scale.svg")


def main():
    parser = argparse.ArgumentParser(description="Two workers against one, and a model of more")
    parser.add_argument("--repeat", type=int, default=3, help="pairs of runs; medians are shown")
    parser.add_argument("--tasks", nargs="+", default=[*TASKS, "tagging"])
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    rows, models = [], []
    print(f"{'':9} {'1: s':>6} {'2: s':>6} {'ratio':>6} {'a round':>8} {'CPU s':>12}  rounds, gaps")
    for name in args.tasks:
        if name == "tagging":
            row = tagging(args.repeat)
        else:
            row = pairs(lambda n, make=TASKS[name]: fitted(make, n_jobs=n), args.repeat)
        rows.append({"task": name} | row)
        one, two, ratios = row["one"], row["two"], row["ratios"]
        print(
            f"{name:9} {one['wall']:6.2f} {two['wall']:6.2f} {ratios['wall']:6.2f} "
            f"{ratios['a_round']:8.2f} {one['cpu']:5.2f} {two['cpu']:6.2f}  "
            f"{one['rounds']} {two['rounds']}, {one['gap']:.1e} {two['gap']:.1e}",
            flush=True,
        )
        if name not in ("letters", "text"):
            continue
        before = fitted(TASKS[name], n_jobs=1)
        for n_copies in COPIES:
            model = {"task": name} | modelled(TASKS[name], n_copies)
            if not model["longest"]:
                print(f"  {n_copies} copies: passes are too short to be shared", flush=True)
                continue
            model["speed_up"] = before["cpu"] / model["modelled"]
            model["of_a_round"] = model["items"] / model["longest"]
            models.append(model)
            print(
                f"  model of {n_copies:2} copies: a fit {model['speed_up']:.2f}x, work of passes "
                f"over the longest parts {model['of_a_round']:.2f}, {model['rounds']} rounds, gap "
                f"{model['gap']:.1e}, caution {model['caution']:.2f}",
                flush=True,
            )
    save("scale", [*rows, *models])
    picture(rows, models)


if __name__ == "__main__":
    main()
