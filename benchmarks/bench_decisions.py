"""Decisions at predicted costs: DecisionSVM beside PyEPO's SPO+ and least squares.

    python benchmarks/bench_decisions.py [--pyepo PYTHON] [--only speed|regret|knapsack]

Data by the recipe of PyEPO's generators, drawn anew: features N(0, I) of 5 columns, a
Bernoulli(1/2) matrix, costs of a polynomial degree with multiplicative noise; shortest paths on
grids from corner to corner, and knapsacks of two constraints.

speed: CPU seconds and solver calls until the mean SPO+ loss of the training examples is as low as
the lowest that PyEPO had after any of its epochs (Adam, 1e-2, batches of 32), all included: reading
data, the best decisions at the true costs, training. Solvers: OR-Tools GLOP for PyEPO,
`ShortestPath` and PyEPO's own model of GLOP for DecisionSVM.
regret: normalised regret of 1,000 other instances, with C="auto".
knapsack: of 12 items, by HiGHS; of 200 other instances.

PYTHON is an interpreter with PyEPO 2.2, OR-Tools, torch, and what structsvm needs; this interpreter
if it has them. Without PyEPO the rest runs.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from measure import save
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression

import structsvm
from structsvm import DecisionSVM
from structsvm.inference import IntegerProgram, ShortestPath

N_FEATURES, N_TEST, NOISE = 5, 1000, 0.5
DEGREES, SIZES = (1, 2, 4, 6), (100, 1000, 5000)
EPOCHS = {100: 100, 1000: 15, 5000: 4}  # of PyEPO in the table of regrets


# ---- data


def polynomial(rng, n, n_parts, degree):
    """Features, and costs of this degree."""
    matrix = rng.integers(0, 2, size=(n_parts, N_FEATURES))
    X = rng.normal(size=(n, N_FEATURES))
    costs = ((X @ matrix.T / np.sqrt(N_FEATURES) + 3) ** degree + 1) / 3.5**degree
    return X, costs * rng.uniform(1 - NOISE, 1 + NOISE, size=costs.shape)


def grid_edges(side):
    """Edges to the right and down: those of a row, then those to the next one."""
    place = np.arange(side * side).reshape(side, side)
    edges = []
    for r in range(side):
        edges += zip(place[r, :-1], place[r, 1:], strict=True)
        if r + 1 < side:
            edges += zip(place[r], place[r + 1], strict=True)
    return np.array(edges)


def paths(n, side, degree, seed=0):
    X, costs = polynomial(np.random.default_rng(seed), n + N_TEST, 2 * side * (side - 1), degree)
    return X, costs, ShortestPath(grid_edges(side), 0, side * side - 1)


def knapsacks(n, degree, n_items=12, capacity=20, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.integers(300, 800, size=(2, n_items)) / 100
    X, gains = polynomial(rng, n + N_TEST, n_items, degree)
    return X, np.ceil(5 * gains), IntegerProgram((weights, -np.inf, capacity))


# ---- measures, the same for all


class Judge:
    """SPO+ loss and regret of predicted costs."""

    def __init__(self, structure, X, costs, sense="minimize"):
        self.sign = 1.0 if sense == "minimize" else -1.0
        self.costs = self.sign * costs
        self.maximizer = structure.bind([None] * len(X), [costs.shape[1]] * len(X))
        self.best = self.decide(self.costs)

    def decide(self, costs):
        return self.maximizer.maximize_all(-costs.ravel()).reshape(costs.shape)

    def spo_plus(self, predicted):
        theta = self.costs - 2 * self.sign * predicted
        return ((self.decide(-theta) - self.best) * theta).sum() / len(theta)

    def regret(self, predicted):
        lost = ((self.decide(self.sign * predicted) - self.best) * self.costs).sum()
        return lost / np.abs((self.best * self.costs).sum(axis=1)).sum()


# ---- PyEPO, in its own interpreter


def run_pyepo(arguments):
    """Train as `arguments` says, and write costs, calls and seconds of each epoch."""
    import pyepo
    import torch
    from pyepo.model.ort import shortestPathModel

    torch.set_num_threads(1)
    torch.manual_seed(0)
    X, costs, side = arguments["X"], arguments["costs"], int(arguments["side"])
    model = shortestPathModel((side, side))
    assert np.array_equal(model.arcs, grid_edges(side))
    if "target" in arguments:
        return ours_with_glop(model, X, costs, side, float(arguments["target"]))
    start = time.process_time()
    dataset = pyepo.data.dataset.optDataset(model, X.astype(np.float32), costs.astype(np.float32))
    loader = torch.utils.data.DataLoader(dataset, batch_size=32, shuffle=True)
    predictor = torch.nn.Linear(X.shape[1], costs.shape[1])
    optimizer = torch.optim.Adam(predictor.parameters(), lr=1e-2)
    loss = pyepo.func.SPOPlus(model, processes=1)
    spent, result = time.process_time() - start, {"weights": [], "seconds": [], "calls": []}
    for epoch in range(int(arguments["epochs"])):
        start = time.process_time()
        for x, c, w, z in loader:
            value = loss(predictor(x), c, w, z)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
        spent += time.process_time() - start
        layer = torch.cat([predictor.weight.detach().T, predictor.bias.detach()[None]])
        result["weights"].append(layer.numpy().astype(float))
        result["seconds"].append(spent)
        result["calls"].append(len(X) * (epoch + 2))
    return result


def ours_with_glop(model, X, costs, side, target):
    """DecisionSVM, its maximizer being PyEPO's model of GLOP."""

    def maximizer(theta, x):
        model.setObj(-theta)
        return model.solve()[0]

    judge = Judge(ShortestPath(grid_edges(side), 0, side * side - 1), X, costs)
    seconds, calls, _ = until(target, maximizer, X, costs, judge)
    return {"glop_seconds": seconds, "glop_calls": calls}


def in_pyepo(python, **arguments):
    """`run_pyepo` in an interpreter that has it; None if there is none."""
    if python is None:
        return run_pyepo(arguments)
    with tempfile.TemporaryDirectory() as folder:
        given, answer = Path(folder) / "given.npz", Path(folder) / "answer.npz"
        np.savez(given, **arguments)
        root = str(Path(structsvm.__file__).parents[1])
        environment = os.environ | {"PYTHONPATH": root}
        command = [python, __file__, "--serve", str(given), str(answer)]
        subprocess.run(command, check=True, env=environment, stderr=subprocess.DEVNULL)
        with np.load(answer) as arrays:
            return dict(arrays)


def predictions(weights, X):
    return X @ weights[:-1] + weights[-1]


# ---- speed


def until(target, maximizer, X, costs, judge, C="scale"):
    """CPU seconds and solver calls until the SPO+ loss is at the target, and the loss then."""
    n_iter, last = 1, None
    # Fits are the same up to where they end, so the first that is good enough is what counts.
    while n_iter <= 12:
        start = time.process_time()
        svm = DecisionSVM(maximizer, C=C, tol=1e-9, max_iter=n_iter, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            svm.fit(X, costs)
        seconds = time.process_time() - start
        last = seconds, svm.n_oracle_calls_ + len(X), judge.spo_plus(svm.predict_costs(X))
        if last[2] <= target:
            break
        n_iter += 1
    return last


def speed(pyepo):
    rows = []
    for side, degree, n, epochs in ((5, 6, 1000, 16), (15, 4, 1000, 4)):
        X, costs, structure = paths(n, side, degree)
        X, costs = X[:n], costs[:n]
        judge = Judge(structure, X, costs)
        row = {"grid": f"{side} x {side}", "degree": degree, "n": n}
        rival = pyepo(X=X, costs=costs, side=side, epochs=epochs)
        losses = [judge.spo_plus(predictions(w, X)) for w in rival["weights"]]
        best = int(np.argmin(losses))
        row |= {"spo_plus": losses[best], "epochs": best + 1}
        row |= {"pyepo_seconds": rival["seconds"][best], "pyepo_calls": rival["calls"][best]}
        found = min(until(losses[best], structure, X, costs, judge) for _ in range(3))
        row |= dict(zip(("seconds", "calls", "reached"), found, strict=True))
        if side == 5:  # GLOP takes 7 ms a call on the other grid
            same = pyepo(X=X, costs=costs, side=side, target=losses[best])
            row |= {name: float(same[name]) for name in ("glop_seconds", "glop_calls")}
        exact = DecisionSVM(structure, C=1.0, random_state=0).fit(X, costs)
        row |= {"optimum": judge.spo_plus(exact.predict_costs(X)), "gap": exact.dual_gap_}
        rows.append({name: plain(value) for name, value in row.items()})
        print({name: round(v, 4) if isinstance(v, float) else v for name, v in rows[-1].items()})
    return rows


def plain(value):
    return value.item() if isinstance(value, np.generic) else value


# ---- regret


def compare(X, costs, structure, n, sense="minimize", C="auto"):
    """Regrets on the examples from n on, of those who learn from the others."""
    judge = Judge(structure, X[n:], costs[n:], sense)
    start = time.process_time()
    svm = DecisionSVM(structure, sense=sense, C=C, random_state=0).fit(X[:n], costs[:n])
    seconds = time.process_time() - start
    squares = LinearRegression().fit(X[:n], costs[:n])
    return {
        "n": n,
        "two_stage": judge.regret(squares.predict(X[n:])),
        "decision_svm": judge.regret(svm.predict_costs(X[n:])),
        "seconds": seconds,
        "C": svm.C_,
    }, judge


def show(name, row):
    text = f"{name} {row['n']:5d}: two-stage {row['two_stage']:.4f}, DecisionSVM "
    text += f"{row['decision_svm']:.4f} ({row['seconds']:.2f} s)"
    if "pyepo" in row:
        text += f", PyEPO {row['pyepo']:.4f} ({row['pyepo_seconds']:.2f} s)"
    print(text, flush=True)


def regret(pyepo):
    rows = []
    for degree in DEGREES:
        for n in SIZES:
            X, costs, structure = paths(n, 5, degree, seed=1)
            row, judge = compare(X, costs, structure, n)
            row = {"problem": "5 x 5", "degree": degree} | row
            if pyepo is not None:
                rival = pyepo(X=X[:n], costs=costs[:n], side=5, epochs=EPOCHS[n])
                row["pyepo"] = judge.regret(predictions(rival["weights"][-1], X[n:]))
                row["pyepo_seconds"] = rival["seconds"][-1]
            rows.append({name: plain(value) for name, value in row.items()})
            show(f"5 x 5, degree {degree}", row)
    return rows


def knapsack():
    rows = []
    for degree in (4,):
        X, gains, structure = knapsacks(100, degree, seed=1)
        row, _ = compare(X[:300], gains[:300], structure, 100, "maximize", C="scale")
        row = {"problem": "knapsack", "degree": degree} | row
        rows.append({name: plain(value) for name, value in row.items()})
        show(f"knapsack, degree {degree}", row)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pyepo", metavar="PYTHON")
    parser.add_argument("--only", choices=("speed", "regret", "knapsack"))
    parser.add_argument("--serve", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        with np.load(options.serve[0]) as arguments:
            answer = run_pyepo(dict(arguments))
        np.savez(options.serve[1], **answer)
        return
    pyepo = None
    if options.pyepo or importlib.util.find_spec("pyepo"):
        pyepo = lambda **arguments: in_pyepo(options.pyepo, **arguments)  # noqa: E731
    chosen = (options.only,) if options.only else ("speed", "regret", "knapsack")
    rows = {}
    if "speed" in chosen and pyepo is not None:
        rows["speed"] = speed(pyepo)
    if "regret" in chosen:
        rows["regret"] = regret(pyepo)
    if "knapsack" in chosen:
        rows["knapsack"] = knapsack()
    if options.only:
        print(json.dumps(rows), file=sys.stderr)
        return
    save("decisions", rows)


if __name__ == "__main__":
    main()
