"""Hidden parts: letters of which some labels are hidden, or whose states are.

    STRUCTSVM_DATA=... python benchmarks/bench_hidden.py [--large] [--seed 0]

OCR letters. Training on fold 0 (626 words) and test on the other folds; with --large the other way
round (6,251 words). Labels are hidden at random. Settings of `LatentSVM` are trained with planes
and dual weights that move along with the completions, and with rounds that begin afresh ("fresh").
Accuracy by letter, CPU seconds of fit on one core; all else by default.
"""

import argparse
import time
import warnings

import numpy as np
from measure import save
from sklearn.exceptions import ConvergenceWarning

from structsvm import ChainModel, ChainSVM, HiddenStates, LatentSVM
from structsvm.datasets import load_letters
from structsvm.solvers import BCFW
from structsvm.solvers.base import Capabilities


class Fresh(BCFW):
    """The same solver, but no round goes on from the one before."""

    capabilities = Capabilities()


def hide(y, share, rng):
    return [[None if rng.random() < share else k for k in row.tolist()] for row in y]


def measure(name, svm, train, test):
    start = time.process_time()
    svm.fit(*train)
    return {
        "setting": name,
        "accuracy": svm.score(*test),
        "seconds": time.process_time() - start,
        "calls": svm.n_oracle_calls_,
        "rounds": getattr(svm, "n_rounds_", 1),
        "objective": svm.objective_,
    }


def settings(X, y, rng):
    yield "all labels", ChainSVM(random_state=0), y
    for share in (0.5, 0.8):
        partial = hide(y, share, rng)
        yield f"{share:.0%} void", ChainSVM(random_state=0), partial
        for solver in (BCFW(), Fresh()):
            svm = LatentSVM(ChainModel(), solver=solver, random_state=0)
            yield f"{share:.0%} hidden{told(solver)}", svm, partial
    for n_states in (2, 3):
        for solver in (BCFW(), Fresh()):
            model = HiddenStates(ChainModel(), n_states)
            svm = LatentSVM(model, solver=solver, random_state=0)
            yield f"{n_states} states of each label{told(solver)}", svm, y


def told(solver):
    return ", fresh" if isinstance(solver, Fresh) else ""


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    data, rng = load_letters(), np.random.default_rng(args.seed)
    parts = {}
    for name, chosen in (("train", data.folds == 0), ("test", data.folds != 0)):
        places = np.flatnonzero(chosen != args.large)
        parts[name] = [data.X[i] for i in places], [data.y[i] for i in places]
    rows = []
    for name, svm, y in settings(*parts["train"], rng):
        rows.append(measure(name, svm, (parts["train"][0], y), parts["test"]))
        print(
            "{setting:34} {accuracy:.4f} {seconds:7.2f} s {calls:9d} calls {rounds:3d} rounds "
            "{objective:10.2f}".format(**rows[-1]),
            flush=True,
        )
    save("hidden_large" if args.large else "hidden", rows)


if __name__ == "__main__":
    main()
