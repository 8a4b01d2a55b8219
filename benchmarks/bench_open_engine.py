"""One structure four ways: what a call of the oracle costs beside the function that is called.

    python benchmarks/bench_open_engine.py

Subsets of 5 of 20 items, and paths through a grid of 5 x 5 nodes, 40 edges, with 5 features a part
and 500 examples: as a StructuredModel (four methods), as a PartsModel with the same function in
Python, with one in C (compiled here by cc) and, if it is installed, by numba, and with the
structure of this package. A call is timed in passes over all examples at fixed weights; the time of
the function alone is taken off. Then fits to a gap of 1e-3 at the defaults.

Memory: subsets, paths and assignments of 1,000 parts, 100,000 examples with a vector of features
each, every fit in a process of its own.
"""

import ctypes
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from measure import best_cpu_seconds, save

import structsvm
from structsvm import PartsModel, StructSVM, StructuredModel
from structsvm.inference import Assignment, Compiled, ShortestPath, Subset
from structsvm.linalg._plane import PlaneBatch, padded_copy

N_EXAMPLES, N_ITEMS, K, SIDE = 500, 20, 5, 5


def edges_of_grid(side):
    """Edges to the right and down."""
    return sorted(
        (side * r + c, side * r + c + step)
        for r, c in itertools.product(range(side), repeat=2)
        for step in ((1,) * (c + 1 < side) + (side,) * (r + 1 < side))
    )


EDGES = edges_of_grid(SIDE)
C_CODE = """
#include "structsvm/maximizer.h"
int best_items(void *user, int64_t i, int32_t thread, double *theta, int32_t *labels, double *value)
{
    int32_t n = ((int32_t *)user)[0], k = ((int32_t *)user)[1];
    for (int32_t p = 0; p < n; p++) {
        int32_t better = 0;
        for (int32_t q = 0; q < n; q++)
            better += theta[q] > theta[p] || (theta[q] == theta[p] && q < p);
        if (better < k) {
            *labels++ = p;
            *value += theta[p];
        }
    }
    return 0;
}
void repeat(ssvm_maximize best, void *user, double *thetas, int64_t n, int64_t n_parts)
{
    for (int64_t i = 0; i < n; i++) {
        int32_t labels[64];
        double value = 0.0;
        best(user, i, 0, thetas + i * n_parts, labels, &value);
    }
}
int best_path(void *user, int64_t i, int32_t thread, double *theta, int32_t *labels, double *value)
{
    int32_t n = ((int32_t *)user)[0], m = ((int32_t *)user)[1], length = 0;
    int32_t *edges = (int32_t *)user + 2;
    double best[64];
    int32_t into[64];
    for (int32_t a = 0; a < n; a++)
        best[a] = a ? -1e300 : 0.0;
    for (int32_t e = 0; e < m; e++)
        if (best[edges[2 * e]] + theta[e] > best[edges[2 * e + 1]]) {
            best[edges[2 * e + 1]] = best[edges[2 * e]] + theta[e];
            into[edges[2 * e + 1]] = e;
        }
    for (int32_t a = n - 1; a; a = edges[2 * into[a]])
        length++;
    for (int32_t a = n - 1; a; a = edges[2 * into[a]])
        labels[--length] = into[a];
    *value = best[n - 1];
    return 0;
}
"""


def best_items(theta, x):
    return np.argpartition(-theta, K)[:K]


def best_path(theta, x):
    best, into = [0.0] + [-np.inf] * (SIDE * SIDE - 1), [0] * (SIDE * SIDE)
    for e, ((a, b), score) in enumerate(zip(EDGES, theta.tolist(), strict=True)):
        if best[a] + score > best[b]:
            best[b], into[b] = best[a] + score, e
    path, node = [], SIDE * SIDE - 1
    while node:
        path.append(into[node])
        node = EDGES[into[node]][0]
    return path


def all_best_items(thetas, X):
    return np.argpartition(-np.stack(thetas), K, axis=1)[:, :K]


def all_best_paths(thetas, X):
    """Those of all examples at once, an edge after the other."""
    scores = np.stack(thetas).T
    best = np.full((SIDE * SIDE, len(thetas)), -np.inf)
    into = np.zeros(best.shape, dtype=np.int64)
    best[0] = 0.0
    for e, (a, b) in enumerate(EDGES):
        value = best[a] + scores[e]
        better = value > best[b]
        best[b] = np.where(better, value, best[b])
        into[b] = np.where(better, e, into[b])
    # All paths of this grid have the same number of edges.
    path, node = [], np.full(len(thetas), SIDE * SIDE - 1)
    starts, examples = np.array(EDGES)[:, 0], np.arange(len(thetas))
    for _ in range(2 * SIDE - 2):
        path.append(into[node, examples])
        node = starts[path[-1]]
    return np.stack(path, axis=1)


def alone(all_best):
    return lambda theta, x: all_best([theta], [x])[0]


class FourMethods(StructuredModel):
    """The same by the four methods; an output is the set of its parts, ascending."""

    def __init__(self, best):
        self.best = best

    def joint_feature(self, x, y):
        return x[y].sum(axis=0)

    def loss(self, y, y_hat):
        return len(y) + len(y_hat) - 2 * len(np.intersect1d(y, y_hat, assume_unique=True))

    def inference(self, x, w):
        return np.sort(self.best(x @ w, x))

    def loss_augmented_inference(self, x, y, w):
        theta = x @ w + 1.0
        theta[y] -= 2.0
        return np.sort(self.best(theta, x))


def compiled(folder):
    source, library = folder / "best.c", folder / "best.so"
    source.write_text(C_CODE)
    include = f"-I{structsvm.get_include()}"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", include, "-o", library, source], check=True)
    return ctypes.CDLL(str(library))


def by_numba(user):
    """The best items by numba, or None without it."""
    try:
        import numba
    except ImportError:
        return None
    doubles, labels = (numba.types.CPointer(t) for t in (numba.float64, numba.int32))
    n, k = (int(size) for size in user)

    @numba.cfunc(
        numba.int32(numba.types.voidptr, numba.int64, numba.int32, doubles, labels, doubles)
    )
    def best(user, i, thread, theta, used, value):
        found = 0
        for p in range(n):
            better = 0
            for q in range(n):
                better += theta[q] > theta[p] or (theta[q] == theta[p] and q < p)
            if better < k:
                used[found] = p
                found += 1
                value[0] += theta[p]
        return 0

    return best


def examples(n_parts, best):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N_EXAMPLES, n_parts, 5))
    w = rng.normal(size=5)
    return X, [np.sort(best(x @ w + rng.normal(size=n_parts), x)) for x in X]


def microseconds_a_call(model, X, y):
    """Of passes at fixed weights."""
    model.initialize(X, y)
    problem = model.bind(X, y)
    problem.reserve(1)
    w = padded_copy(np.random.default_rng(1).normal(size=problem.n_weights))
    chosen, batch = np.arange(len(X), dtype=np.int32), PlaneBatch(len(X))
    return best_cpu_seconds(lambda: problem.planes(chosen, w, batch), 20) / len(X) * 1e6


def measure(structure, n_parts, best, all_best, in_c, ways):
    X, y = examples(n_parts, best)
    thetas = np.random.default_rng(2).normal(size=(len(X), n_parts))
    functions = {
        "batches": best_cpu_seconds(lambda: all_best([*thetas[:256]], None), 20) / 256 * 1e6,
        "one": best_cpu_seconds(lambda: [all_best([t], None) for t in thetas], 20) / len(X) * 1e6,
        "Python": best_cpu_seconds(lambda: [best(t, None) for t in thetas], 20) / len(X) * 1e6,
        "C": best_cpu_seconds(lambda: [in_c(thetas) for _ in range(20)], 20) / len(X) / 20 * 1e6,
    }
    for way, model in ways:
        own = functions.get(way.split()[-1])
        call = microseconds_a_call(model, X, y)
        start = time.process_time()
        svm = StructSVM(model, random_state=0).fit(X, y)
        row = {
            "structure": structure,
            "way": way,
            "us_a_call": call,
            "us_of_the_function": own,
            "us_beside_it": None if own is None else call - own,
            "fit_seconds": time.process_time() - start,
            "n_oracle_calls": svm.n_oracle_calls_,
            "gap": svm.dual_gap_,
        }
        beside = f"{'':7}" if own is None else f"{call - own:7.2f}"
        print(
            f"{structure:8} {way:28} {call:8.2f} {beside} {row['fit_seconds']:8.3f} "
            f"{row['n_oracle_calls']:7d} {row['gap']:.1e}",
            flush=True,
        )
        yield row


def peak():
    """The most memory that this process had, in MB; ru_maxrss may be that of its parent."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# Name: (structure, number of parts, features of an example's vector)
LARGE = {
    "5 of 1,000 items": (Subset(5), 1000, 20),
    "paths of a 23 x 23 grid": (ShortestPath(edges_of_grid(23), 0, 23 * 23 - 1), 1012, 5),
    "assignments of 32 to 32": (Assignment((32, 32)), 1024, 5),
}


def memory(name):
    """Peak memory in MB: of the data alone, and of a fit."""
    structure, n_parts, n_features = LARGE[name]
    rng = np.random.default_rng(0)
    n = 100_000
    X = rng.normal(size=(n, n_features)).astype(np.float32)
    W = rng.normal(size=(n_features, n_parts)).astype(np.float32)
    y = []
    for k in range(0, n, 1000):
        scores = (X[k : k + 1000] @ W - 3.0).astype(np.float64)
        maximizer = structure.bind([None] * len(scores), [n_parts] * len(scores))
        for i, theta in enumerate(scores):
            labels = maximizer.maximize(i, theta)[0]
            y.append(labels[labels >= 0].copy())
    before = peak()
    start = time.process_time()
    model = PartsModel(structure, output="indices", n_parts=n_parts)
    svm = StructSVM(model, C=1e-3, tol=0.1, max_iter=3, random_state=0).fit(X, y)
    row = {
        "structure": f"{name}, 100,000 examples",
        "mb_of_data": X.nbytes / 2**20 + sum(row.nbytes for row in y) / 2**20,
        "mb_before": before,
        "mb_at_most": peak(),
        "fit_seconds": time.process_time() - start,
        "n_oracle_calls": svm.n_oracle_calls_,
        "gap": svm.dual_gap_,
        "parts_of_an_output": float(np.mean([len(row) for row in y])),
    }
    print(json.dumps(row))


def main():
    if sys.argv[1:2] == ["memory"]:
        memory(sys.argv[2])
        return
    items = np.array([N_ITEMS, K], dtype=np.int32)
    grid = np.concatenate([[SIDE * SIDE, len(EDGES)], np.ravel(EDGES)]).astype(np.int32)
    print(f"{'':8} {'':28} {'us/call':>8} {'beside':>7} {'fit s':>8} {'calls':>7} gap")
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        library = compiled(Path(folder))
        for structure, n_parts, best, all_best, function, most, user, shipped in (
            ("subset", N_ITEMS, best_items, all_best_items, library.best_items, K, items,
             Subset(K)),
            ("path", len(EDGES), best_path, all_best_paths, library.best_path, 2 * SIDE - 2, grid,
             ShortestPath(EDGES, 0, SIDE * SIDE - 1)),
        ):  # fmt: skip
            ways = [
                ("StructuredModel, Python", FourMethods(best)),
                ("PartsModel, Python", PartsModel(best, output="indices")),
                ("PartsModel, numpy one by one", PartsModel(alone(all_best), output="indices")),
                (
                    "PartsModel, numpy in batches",
                    PartsModel(all_best, output="indices", batch=True),
                ),
                (
                    "PartsModel, C",
                    PartsModel(Compiled(function, most, user=user), output="indices"),
                ),
                ("PartsModel, shipped", PartsModel(shipped, output="indices")),
            ]
            held = by_numba(items) if structure == "subset" else None
            if held is not None:
                ways.append(
                    ("PartsModel, numba", PartsModel(Compiled(held, most), output="indices"))
                )

            def in_c(thetas, function=function, user=user):
                start, data = (a.ctypes.data_as(ctypes.c_void_p) for a in (user, thetas))
                library.repeat(function, start, data, *map(ctypes.c_int64, thetas.shape))

            rows += measure(structure, n_parts, best, all_best, in_c, ways)
    for name in LARGE:
        command = [sys.executable, __file__, "memory", name]
        answer = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(answer.stdout.splitlines()[-1]))
        print(rows[-1])
    save("open_engine", rows)


if __name__ == "__main__":
    main()
