"""Milliseconds of the maximizers of sets of parts, beside other libraries in the same run.

    python benchmarks/bench_maximizers.py

For each structure the function, which checks and prepares its input; the maximizer that a
structure binds once, called with new scores; another library; and how many times as long that takes
as the function. CPU time of one core, best of several repetitions. Dependency trees with arcs that
may cross are compared where `ufal.chu_liu_edmonds` is installed, alignments where Biopython is.
"""

import argparse
import itertools
from types import SimpleNamespace

import networkx as nx
import numpy as np
from measure import best_cpu_seconds, save
from scipy.optimize import LinearConstraint, linear_sum_assignment, milp
from scipy.sparse import csr_array
from scipy.sparse.csgraph import bellman_ford, dijkstra, minimum_spanning_tree

from structsvm.inference import (
    Arborescence,
    Assignment,
    IntegerProgram,
    IntervalSchedule,
    Knapsack,
    ShortestPath,
    SpanningTree,
    Subset,
    arborescence,
    assignment,
    best_alignment,
    best_intervals,
    best_items,
    best_path,
    dependency_tree,
    integer_program,
    knapsack,
    spanning_tree,
)
from structsvm.inference._alignment import AlignmentMaximizer
from structsvm.inference._dependency_trees import DependencyTreeMaximizer

try:
    from Bio.Align import PairwiseAligner
    from Bio.Align.substitution_matrices import Array
except ImportError:
    PairwiseAligner = None

try:
    from ufal.chu_liu_edmonds import chu_liu_edmonds
except ImportError:
    chu_liu_edmonds = None


def grid(side):
    place = np.arange(side * side).reshape(side, side)
    right = np.stack([place[:, :-1].ravel(), place[:, 1:].ravel()], axis=1)
    down = np.stack([place[:-1].ravel(), place[1:].ravel()], axis=1)
    return side * side, np.concatenate([right, down])


def spanning_trees(rng):
    complete = [(n, np.array(list(itertools.combinations(range(n), 2)))) for n in (30, 100, 1000)]
    for name, (n, edges) in (
        ("complete graph", complete[0]),
        ("complete graph", complete[1]),
        ("complete graph", complete[2]),
        ("grid", grid(30)),
        ("grid", grid(300)),
    ):
        scores = rng.uniform(1, 2, size=len(edges))  # csgraph takes 0 for no edge
        graph = csr_array((-scores, tuple(edges.T)), shape=(n, n))
        yield (
            f"spanning tree, {name}",
            f"{n:,} nodes",
            lambda e=edges, s=scores, n=n: spanning_tree(e, s, n)[1],
            (SpanningTree(n, edges), scores),
            ("csgraph", lambda g=graph: -minimum_spanning_tree(g).sum()),
        )


def networkx_arborescence(scores):
    """Any number of arcs from the root."""
    graph = nx.DiGraph()
    graph.add_weighted_edges_from(
        (u, v, s) for (u, v), s in np.ndenumerate(scores) if v != 0 and u != v
    )
    return nx.maximum_spanning_arborescence(graph).size("weight")


def arborescences(rng):
    for n in (10, 30, 100):
        scores = rng.normal(size=(n, n))
        yield (
            "arborescence, any root arcs",
            f"{n} nodes",
            lambda s=scores: arborescence(s, single_root=False)[1],
            (Arborescence(single_root=False), scores.ravel()),
            ("networkx", lambda s=scores: networkx_arborescence(s)),
        )
        yield (
            "arborescence, one root arc",
            f"{n} nodes",
            lambda s=scores: arborescence(s)[1],
            (Arborescence(), scores.ravel()),
            None,
        )


def eisner_in_numpy(arcs):
    """The score of the best projective tree with one root."""
    n = arcs.shape[1]
    scores = np.full((n + 1, n + 1), -np.inf)
    scores[:, 1:] = arcs
    done, half = np.full((2, n + 2, n + 2), -np.inf)
    done[np.diag_indices(n + 2)] = 0.0
    for d in range(1, n):
        for s in range(1, n - d + 1):
            t = s + d
            joint = (done[s, s:t] + done[t, s + 1 : t + 1]).max()
            half[s, t], half[t, s] = joint + scores[s, t], joint + scores[t, s]
            done[s, t] = (half[s, s + 1 : t + 1] + done[s + 1 : t + 1, t]).max()
            done[t, s] = (done[s:t, s] + half[t, s:t]).max()
    return max(done[r, 1] + done[r, n] + arcs[0, r - 1] for r in range(1, n + 1))


def ufal_tree(arcs):
    scores = np.full((len(arcs), len(arcs)), np.nan)
    scores[1:, :] = arcs.T
    np.fill_diagonal(scores, np.nan)
    return chu_liu_edmonds(scores)[1]


def dependency_trees(rng):
    kinds = (("arcs", 1), ("siblings", 2), ("grandparents", 3), ("arcs, any", 0))
    for (name, order), n in itertools.product(kinds, (10, 20, 40)):
        projective, order = order > 0, max(order, 1)
        scores = [rng.normal(size=(n + 1, n))]
        scores += [rng.normal(size=(n + 1, n, n + 1)) for _ in range(order - 1)]
        bound = DependencyTreeMaximizer([n], order, projective=projective, single_root=projective)
        peer = None
        if order == 1 and projective:
            peer = ("numpy", lambda s=scores: eisner_in_numpy(*s))
        elif not projective and chu_liu_edmonds is not None:
            peer = ("ufal", lambda s=scores: ufal_tree(*s))
        yield (
            f"dependency tree, {name}",
            f"{n} tokens",
            lambda s=scores, p=projective: dependency_tree(*s, projective=p, single_root=p)[1],
            (
                SimpleNamespace(bind=lambda *_, bound=bound: bound),
                np.concatenate([block.ravel() for block in scores]),
            ),
            peer,
        )


def alignments(rng):
    """Relatives of 20 letters, half of them changed and a tenth lost; gaps score -3 - k / 2."""
    letters = "ARNDCQEGHILKMFPSTVWY"
    for n in (50, 300, 1000):
        substitution = rng.normal(size=(20, 20)) + 2 * np.eye(20)
        substitution += substitution.T
        first = rng.integers(20, size=n)
        second = np.where(rng.random(n) < 0.5, rng.integers(20, size=n), first)
        second = second[rng.random(n) > 0.1]
        scores = substitution[np.ix_(first, second)]
        bound = AlignmentMaximizer(np.array([n]), np.array([len(second)]), "same")
        peer = None
        if PairwiseAligner is not None:
            aligner = PairwiseAligner(open_gap_score=-3.5, extend_gap_score=-0.5)
            aligner.substitution_matrix = Array(letters, dims=2, data=substitution)
            texts = ["".join(letters[k] for k in sequence) for sequence in (first, second)]
            peer = ("Biopython", lambda a=aligner, t=texts: a.align(*t)[0].score)
        yield (
            "alignment",
            f"{n:,} x {len(second):,}",
            lambda s=scores: best_alignment(s, -3.0, -0.5)[1],
            (
                SimpleNamespace(bind=lambda *_, bound=bound: bound),
                np.append(scores.ravel(), [-3.0, -0.5]),
            ),
            peer,
        )


def knapsacks(rng):
    for n, capacity in ((50, 500), (100, 10_000)):
        weights = rng.integers(1, 4 * capacity // n, size=n)
        scores = weights * rng.uniform(0.8, 1.2, size=n)
        fits = LinearConstraint(weights, -np.inf, capacity)
        peer = ("HiGHS", lambda s=scores, f=fits: highs(s, f, 1))
        yield (
            "knapsack",
            f"{n} items, {capacity:,}",
            lambda s=scores, w=weights, c=capacity: knapsack(s, w, c)[1],
            (Knapsack(weights, capacity), scores),
            peer,
        )


def intervals_in_python(starts, ends, scores):
    order = np.argsort(ends, kind="stable")
    before = np.searchsorted(ends[order], starts[order], side="right").tolist()
    best = [0.0]
    for k, score in zip(before, scores[order].tolist(), strict=True):
        best.append(max(best[-1], best[k] + score))
    return best[-1]


def intervals(rng):
    for n in (100, 100_000):
        starts = rng.uniform(0, n, size=n)
        ends = starts + rng.exponential(10, size=n)
        scores = rng.normal(size=n)
        yield (
            "intervals",
            f"{n:,}",
            lambda a=starts, b=ends, s=scores: best_intervals(a, b, s)[1],
            (IntervalSchedule(starts, ends), scores),
            ("Python", lambda a=starts, b=ends, s=scores: intervals_in_python(a, b, s)),
        )


def highs(scores, constraint, integrality):
    found = milp(
        -scores,
        integrality=np.full(len(scores), integrality),
        bounds=(0, 1),
        constraints=constraint,
        options={"mip_rel_gap": 0},
    )
    return -found.fun


def integer_programs(rng):
    """Paths through a grid as flows of one unit."""
    for side in (5, 15):
        n, arcs = grid(side)
        A = np.zeros((n, len(arcs)))
        A[arcs[:, 0], np.arange(len(arcs))] = 1
        A[arcs[:, 1], np.arange(len(arcs))] = -1
        b = np.zeros(n)
        b[0], b[-1] = 1, -1
        scores = -rng.uniform(1, 2, size=len(arcs))
        flow = LinearConstraint(csr_array(A), b, b)
        for name, integrality in (("integer", None), ("linear", 0)):
            yield (
                f"path as {name} program",
                f"{side} x {side}",
                lambda s=scores, f=flow, k=integrality: integer_program(s, f, integrality=k).value,
                (IntegerProgram(flow, integrality=integrality), scores),
                (
                    "milp",
                    lambda s=scores, f=flow, k=integrality: highs(s, f, 1 if k is None else k),
                ),
            )


def assignments(rng):
    for n, m in ((10, 10), (30, 30), (100, 100), (300, 300), (1000, 1000), (30, 300), (300, 30)):
        for name, scores in (
            ("uniform", rng.uniform(size=(n, m))),
            ("whole numbers", rng.integers(0, 100, size=(n, m)).astype(float)),
            ("rank 4", rng.normal(size=(n, 4)) @ rng.normal(size=(4, m))),
            ("products", -np.outer(np.arange(1.0, n + 1), np.arange(1.0, m + 1))),
        ):
            yield (
                f"assignment, {name}",
                f"{n:,} x {m:,}",
                lambda s=scores: assignment(s)[1],
                (Assignment((n, m)), scores.ravel()),
                ("scipy", lambda s=scores: s[linear_sum_assignment(s, maximize=True)].sum()),
            )


def paths(rng):
    """From corner to corner; csgraph finds the distances of all nodes."""
    for method, search, sides in (
        ("dag", dijkstra, (5, 15, 100, 300)),
        ("dijkstra", dijkstra, (5, 15, 100, 300)),
        ("bellman-ford", bellman_ford, (5, 15, 40)),
    ):
        for side in sides:
            n, edges = grid(side)
            if method != "dag":
                edges = np.concatenate([edges, edges[:, ::-1]])
            costs = rng.uniform(1, 2, size=len(edges))
            if method == "bellman-ford":
                heights = rng.uniform(0, 5, size=n)
                costs += heights[edges[:, 1]] - heights[edges[:, 0]]
            graph = csr_array((costs, tuple(edges.T.astype(np.int32))), shape=(n, n))
            yield (
                f"path, {method}",
                f"{side} x {side}",
                lambda e=edges, s=-costs, n=n, m=method: best_path(e, s, 0, n - 1, method=m)[1],
                (ShortestPath(edges, 0, n - 1, method=method), -costs),
                (
                    search.__name__,
                    lambda g=graph, search=search, n=n: -search(g, indices=0)[n - 1],
                ),
            )


def subsets(rng):
    for n, k in ((100, 10), (1000, 10), (1000, 300), (100_000, 1000)):
        for name, scores in (
            ("normal", rng.normal(size=n)),
            ("ties", rng.integers(0, 50, size=n).astype(float)),
        ):
            yield (
                f"best items, {name}",
                f"{k:,} of {n:,}",
                lambda s=scores, k=k: best_items(s, k)[1],
                (Subset(k), scores),
                ("argpartition", lambda s=scores, k=k: s[np.argpartition(-s, k)[:k]].sum()),
            )


KINDS = (
    assignments,
    paths,
    subsets,
    spanning_trees,
    arborescences,
    dependency_trees,
    alignments,
    knapsacks,
    intervals,
    integer_programs,
)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    rows = []
    print(
        f"{'structure':28} {'size':>18} {'function':>10} {'bound':>10} {'other':>20} {'ratio':>7}"
    )
    for kind in KINDS:
        for name, size, function, (structure, scores), peer in kind(np.random.default_rng(0)):
            maximizer = structure.bind([None], [len(scores)])
            row = {"structure": name, "size": size}
            row["function"] = best_cpu_seconds(function, args.repeat)
            row["bound"] = best_cpu_seconds(
                lambda m=maximizer, s=scores: m.maximize(0, s), args.repeat
            )
            text = ""
            if peer is not None:
                row["peer"], other = peer
                assert np.isclose(function(), other()), (name, size)
                row["peer_seconds"] = best_cpu_seconds(other, args.repeat)
                row["ratio"] = row["peer_seconds"] / row["function"]
                text = f"{row['peer']} {1e3 * row['peer_seconds']:.3f}"
            rows.append(row)
            print(
                f"{name:28} {size:>18} {1e3 * row['function']:10.3f} {1e3 * row['bound']:10.3f} "
                f"{text:>20} {row.get('ratio', float('nan')):7.1f}"
            )
    save("maximizers", rows)


if __name__ == "__main__":
    main()
