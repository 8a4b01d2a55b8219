"""The relaxation of K-label inference: seconds to a gap, beside linear programming and AD3.

    python benchmarks/bench_relaxation.py [--ad3 PYTHON]

Gaps are fractions of the sum of the ranges of all scores, as `tol` of `relax` is. CPU seconds of
one core, medians. HiGHS (scipy) solves the same linear program exactly, and is run on the small
graphs. AD3 has no wheel for recent Pythons: give an interpreter that has `ad3` (PyPI; LGPL, used
here only to compare). It bounds nothing from above; what is compared is the value of a feasible
point made of its node marginals in the same way as ours.
"""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from measure import save
from scipy.optimize import linprog

from structsvm.inference import Relaxation, alpha_expansion, relax

SWEEPS = (2, 4, 8, 16, 32, 64, 128, 256)
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5)

AD3 = """
import sys, time
import numpy as np
from ad3 import general_graph
data = np.load(sys.argv[1])
out = {}
for n in (int(n) for n in sys.argv[3:]):
    start = time.process_time()
    answer = general_graph(data["unary"], data["edges"], data["tables"], verbose=0, n_iterations=n)
    out["seconds%d" % n] = time.process_time() - start
    out["marginals%d" % n] = np.asarray(answer[0])
np.savez(sys.argv[2], **out)
"""


def grid_edges(height, width):
    number = np.arange(height * width).reshape(height, width)
    across = np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], axis=1)
    down = np.stack([number[:-1].ravel(), number[1:].ravel()], axis=1)
    return np.concatenate([across, down])


def image(rng, height, width, n_labels, noise, smoothing):
    """Noisy scores of rectangles, and edges that like to agree, less so at contrasts."""
    truth = np.zeros((height, width), dtype=int)
    for _ in range(25):
        top, left = rng.integers(height), rng.integers(width)
        down, right = rng.integers(2, height // 2 + 2), rng.integers(2, width // 2 + 2)
        truth[top : top + down, left : left + right] = rng.integers(n_labels)
    unary = np.eye(n_labels)[truth].reshape(-1, n_labels)
    unary += noise * rng.normal(size=unary.shape)
    edges = grid_edges(height, width)
    return unary, edges, smoothing * np.exp(-rng.exponential(size=len(edges)))


def frustrated(rng, height, width, n_labels, tables=False):
    """Edges of random sign, or random tables: fractions are many."""
    edges = grid_edges(height, width)
    shape = (len(edges), n_labels, n_labels) if tables else (len(edges),)
    return rng.normal(size=(height * width, n_labels)), edges, rng.normal(size=shape)


def problems():
    rng = np.random.default_rng(0)
    yield "image 8x10, 3 labels", image(rng, 8, 10, 3, 0.7, 0.7), True
    yield "random signs 8x10, 3 labels", frustrated(rng, 8, 10, 3), True
    yield "image 24x32, 5 labels", image(rng, 24, 32, 5, 0.7, 0.7), True
    yield "random signs 24x32, 5 labels", frustrated(rng, 24, 32, 5), True
    yield "random tables 24x32, 3 labels", frustrated(rng, 24, 32, 3, tables=True), True
    yield "image 120x160, 11 labels, weak", image(rng, 120, 160, 11, 0.7, 0.5), False
    yield "image 120x160, 11 labels, strong", image(rng, 120, 160, 11, 1.0, 1.5), False
    yield "image 120x160, 2 labels, strong", image(rng, 120, 160, 2, 1.5, 1.5), False
    unary, edges, _ = image(rng, 120, 160, 11, 0.7, 0.0)
    table = np.eye(11) + 0.3 * rng.normal(size=(11, 11))
    yield "image 120x160, 11 labels, one table", (unary, edges, table), False
    yield "random signs 120x160, 11 labels", frustrated(rng, 120, 160, 11), False
    yield "random tables 60x80, 5 labels", frustrated(rng, 60, 80, 5, tables=True), False


def tables_of(unary, edges, pairwise):
    n_labels = unary.shape[1]
    if pairwise.ndim == 1:
        return pairwise[:, None, None] * np.eye(n_labels)
    return np.ascontiguousarray(np.broadcast_to(pairwise, (len(edges), n_labels, n_labels)))


def spread(unary, edges, pairwise):
    tables = tables_of(unary, edges, pairwise).reshape(len(edges), -1)
    return np.ptp(unary, axis=1).sum() + np.ptp(tables, axis=1).sum()


def cpu_seconds(task, repeat):
    """Median, and the last answer."""
    times = []
    for _ in range(repeat):
        start = time.process_time()
        answer = task()
        times.append(time.process_time() - start)
    return float(np.median(times)), answer


def linear_program(unary, edges, pairwise):
    """The value of the local polytope's best point, by HiGHS."""
    (n, k), m = unary.shape, len(edges)
    tables = tables_of(unary, edges, pairwise)
    pair = n * k + np.arange(m * k * k).reshape(m, k, k)
    rows, columns, values = [np.repeat(np.arange(n), k)], [np.arange(n * k)], [np.ones(n * k)]
    row = n
    for end, axes in ((0, (0, 1, 2)), (1, (0, 2, 1))):
        meets = row + np.arange(m * k)
        rows += [meets, np.repeat(meets, k)]
        columns += [
            (edges[:, end][:, None] * k + np.arange(k)).ravel(),
            pair.transpose(axes).ravel(),
        ]
        values += [-np.ones(m * k), np.ones(m * k * k)]
        row += m * k
    coordinates = np.concatenate(rows), np.concatenate(columns)
    matrix = sp.csr_array((np.concatenate(values), coordinates), shape=(row, n * k + tables.size))
    right = np.concatenate([np.ones(n), np.zeros(row - n)])
    cost = -np.concatenate([unary.ravel(), tables.ravel()])
    return -linprog(cost, A_eq=matrix, b_eq=right, method="highs").fun


def feasible_value(marginals, unary, edges, pairwise):
    """What node marginals score at best, where edges score agreement."""
    marginals = np.maximum(marginals.reshape(unary.shape), 1e-12)
    marginals /= marginals.sum(axis=1, keepdims=True)
    first, second = marginals[edges[:, 0]], marginals[edges[:, 1]]
    most = np.minimum(first, second).sum(axis=1)
    least = np.maximum((first + second - 1).max(axis=1), 0)
    return (marginals * unary).sum() + pairwise @ np.where(pairwise >= 0, most, least)


def run_ad3(python, problem, iterations):
    """Seconds and node marginals after so many iterations."""
    unary, edges, _ = problem
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, unary=unary, edges=edges, tables=tables_of(*problem))
        command = [python, "-c", AD3, source, target, *map(str, iterations)]
        subprocess.run(command, check=True, env={}, stdout=subprocess.DEVNULL)
        answer = np.load(target)
        return [(float(answer[f"seconds{n}"]), answer[f"marginals{n}"]) for n in iterations]


def measure(name, problem, small, ad3):
    unary, edges, pairwise = problem
    scale, n_labels = spread(*problem), unary.shape[1]
    row = {"name": name, "n_nodes": len(unary), "n_edges": len(edges), "n_labels": n_labels}
    repeat = 5 if small else 3
    # The best bound and value known.
    exact = relax(*problem, tol=1e-7, max_sweeps=3000)
    low, high = exact.value, exact.bound
    row["relative_gap_after_3000_sweeps"] = (high - low) / scale
    row["fractional_nodes"] = int((exact.node_marginals.max(axis=1) < 0.99).sum())
    if small:
        row["highs_seconds"], optimum = cpu_seconds(lambda: linear_program(*problem), 1)
        row["bound_above_highs"] = (high - optimum) / scale
        row["value_below_highs"] = (optimum - low) / scale
    trace = []
    for n in SWEEPS:
        result = relax(*problem, tol=0, max_sweeps=n)
        trace.append([n, float(result.bound - low) / scale, float(high - result.value) / scale])
    row["sweeps_bound_value"] = trace
    row["to_gap"] = []
    for tol in TOLERANCES:
        seconds, result = cpu_seconds(
            lambda tol=tol: relax(*problem, tol=tol, max_sweeps=600), repeat
        )
        row["to_gap"].append([tol, seconds, result.n_sweeps, result.converged])
    if not small:  # where these sweeps are not enough
        spent = [
            cpu_seconds(lambda n=n: relax(*problem, tol=0, max_sweeps=n), repeat)[0]
            for n in (1, 2, 6)
        ]
        row["hard_sweep_seconds"] = spent[1] - spent[0]
        row["soft_sweep_seconds"] = (spent[2] - spent[1]) / 4
    rng = np.random.default_rng(1)
    graph = Relaxation(len(unary), edges, n_labels)
    graph.solve(unary, pairwise, max_sweeps=600)
    changed = unary + 0.01 * unary.std() * rng.normal(size=unary.shape)
    row["warm_sweeps"] = graph.solve(changed, pairwise, max_sweeps=600).n_sweeps
    row["cold_sweeps"] = graph.solve(changed, pairwise, max_sweeps=600, warm=False).n_sweeps
    if pairwise.ndim == 1 and (pairwise >= 0).all():
        row["expansion_seconds"], (_, score) = cpu_seconds(
            lambda: alpha_expansion(*problem), repeat
        )
        row["expansion_below_bound"] = (high - score) / scale
        row["labels_below_bound"] = (high - exact.score) / scale
    if ad3 and pairwise.ndim == 1:
        row["ad3"] = [
            [n, seconds, (high - feasible_value(marginals, *problem)) / scale]
            for n, (seconds, marginals) in zip(
                (30, 100, 300), run_ad3(ad3, problem, (30, 100, 300)), strict=True
            )
        ]
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ad3", help="an interpreter that can import ad3")
    args = parser.parse_args()
    rows = []
    for name, problem, small in problems():
        row = measure(name, problem, small, args.ad3)
        rows.append(row)
        print(name)
        for key, value in row.items():
            if key != "name":
                print(f"    {key}: {value}")
    save("relaxation", rows)


if __name__ == "__main__":
    main()
