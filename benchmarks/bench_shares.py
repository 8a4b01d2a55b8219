"""How much of a fit is maximizer and features, family by family, at outputs of 30 parts or nodes.

    python benchmarks/bench_shares.py

Of each family a fit with all defaults but C, on composed data with some noise: CPU seconds, calls
of the oracle, microseconds of one call at the final weights (features, maximizer and the plane),
and the share of the fit that calls of this length make up. The rest is the solver's algebra with
planes, reading the data, and the certificate.
"""

import argparse
import time

import numpy as np
from measure import best_cpu_seconds, save

from structsvm import (
    AlignmentSVM,
    ChainSVM,
    DependencyParser,
    GraphSVM,
    GridSVM,
    MultiLabelSVM,
    PartsModel,
    SpanSVM,
    StructSVM,
    TypedGraphModel,
)
from structsvm.features import ArcFeatures
from structsvm.inference import Assignment, ShortestPath, SpanningTree
from structsvm.linalg._plane import PlaneBatch

N = 30  # labels of an output


def labelled_rows(rng, n_labels, n=N, noise=0.5, n_features=20):
    labels = rng.integers(n_labels, size=n)
    return rng.normal(size=(n, n_features)) * noise + np.eye(n_labels, n_features)[labels], labels


def chains(rng, n):
    return (labelled_rows(rng, 10) for _ in range(n))


def spans(rng, n):
    for _ in range(n):
        x, labels = labelled_rows(rng, 3)
        yield x, [(t, t + 2, "ab"[labels[t] - 1]) for t in range(0, N, 3) if labels[t]]


def graphs(rng, n, cycles):
    for _ in range(n):
        edges = [(int(rng.integers(v)), v) for v in range(1, N)]
        if cycles:
            edges = sorted({*edges, *((v, v + 7) for v in range(N - 7))})
        x, labels = labelled_rows(rng, 3)
        yield (x, edges), labels


def typed_graphs(rng, n, cycles):
    for _ in range(n):
        people, roles = labelled_rows(rng, 3, 24)
        teams, kinds = labelled_rows(rng, 2, 6)
        edges = {("person", "team"): [[k, k // 4] for k in range(24)]}
        if cycles:
            edges["team", "team"] = [[a, b] for a in range(6) for b in range(a)]
        yield ({"person": people, "team": teams}, edges), {"person": roles, "team": kinds}


def images(rng, n):
    for _ in range(n):
        labels = np.kron(rng.integers(0, 2, size=(6, 6)), np.ones((5, 5), int))
        yield labels[..., None] + rng.normal(size=(N, N, 8)), labels


def sets_of_parts(structure, n_parts, uses):
    def examples(rng, n):
        truth = rng.normal(size=8)
        for _ in range(n):
            x = rng.normal(size=(n_parts, 8))
            yield x, uses(x @ truth + rng.normal(size=n_parts))

    return PartsModel(structure), examples


def best_uses(structure, n_parts):
    maximizer = structure.bind([None], [n_parts])

    def uses(theta):
        return np.asarray(maximizer.count(0, maximizer.maximize(0, theta)[0])).astype(int)

    return uses


def grid_arcs(side):
    place = np.arange(side * side).reshape(side, side)
    right = np.stack([place[:, :-1].ravel(), place[:, 1:].ravel()], axis=1)
    down = np.stack([place[:-1].ravel(), place[1:].ravel()], axis=1)
    return np.concatenate([right, down])


def sentences(rng, n):
    words = [f"w{k}" for k in range(200)]
    for _ in range(n):
        sentence = [(words[k], f"T{k % 12}") for k in rng.integers(200, size=N)]
        yield sentence, [0, *(max(1, t - 1 - int(t % 3 == 0)) for t in range(2, N + 1))]


def proteins(rng, n):
    letters = np.array(list("abcdefghijkl"))
    for _ in range(n):
        first = rng.integers(12, size=N)
        kept = np.flatnonzero(rng.random(N) > 0.1)
        second = np.where(
            rng.random(len(kept)) < 0.7, first[kept], rng.integers(12, size=len(kept))
        )
        pairs = [(int(i), j) for j, i in enumerate(kept)]
        yield ("".join(letters[first]), "".join(letters[second])), pairs


def label_sets(rng, n):
    X = rng.normal(size=(n, 40))
    Y = (X @ rng.normal(size=(40, 12)) + rng.normal(size=(n, 12)) > 0.5).astype(int)
    return X, Y


def pairs_of(examples):
    X, y = zip(*examples, strict=True)
    return list(X), list(y)


def cases(rng):
    complete = np.stack(np.triu_indices(N, 1), axis=1)
    arcs = grid_arcs(15)
    structures = {
        "assignments, 30 x 30": (Assignment((N, N)), N * N),
        "spanning trees, 30 nodes": (SpanningTree(N, complete), len(complete)),
        "paths, grid of 15 x 15": (ShortestPath(arcs, source=0, target=224), len(arcs)),
    }
    yield "chain, 10 labels", ChainSVM(random_state=0), pairs_of(chains(rng, 500))
    yield "spans of up to 3", SpanSVM(max_length=3, random_state=0), pairs_of(spans(rng, 500))
    for name, cycles in (("trees", False), ("graphs with cycles", True)):
        svm = GraphSVM(pairwise="table", tol=1e-2, random_state=0)
        yield f"{name}, 3 labels", svm, pairs_of(graphs(rng, 300, cycles))
        svm = StructSVM(TypedGraphModel(), tol=1e-2, random_state=0)
        yield f"typed {name}", svm, pairs_of(typed_graphs(rng, 300, cycles))
    yield "images of 30 x 30", GridSVM(tol=1e-2, random_state=0), pairs_of(images(rng, 40))
    for name, (structure, n_parts) in structures.items():
        model, examples = sets_of_parts(structure, n_parts, best_uses(structure, n_parts))
        yield name, StructSVM(model, tol=1e-2, random_state=0), pairs_of(examples(rng, 200))
    parser = DependencyParser(ArcFeatures(), solver="bcfw", tol=5e-2, random_state=0)
    yield "dependency trees", parser, pairs_of(sentences(rng, 60))
    yield "alignments", AlignmentSVM(random_state=0), pairs_of(proteins(rng, 100))
    yield "sets of 12 labels", MultiLabelSVM(random_state=0), label_sets(rng, 2000)


def oracle_seconds(svm, X, y):
    """CPU seconds of a call of the oracle at the weights of the fit."""
    inputs, truths = svm.model_.prepare_examples(*(list(X), list(y)))
    inputs = svm.model_.scaled(inputs, vars(svm).get("scaling_", {}))
    problem = svm.model_.bind(inputs, truths)
    n = len(inputs)
    batch, examples = PlaneBatch(n), np.arange(n, dtype=np.int32)
    w = svm.model_.in_user_units(svm._flat_weights(), vars(svm).get("scaling_", {}), back=True)
    problem.reserve(1)
    w = problem.padded(w)
    return best_cpu_seconds(lambda: problem.planes(examples, w, batch), 5) / n


def main():
    argparse.ArgumentParser(
        description="How much of a fit is maximizer and features, family by family."
    ).parse_args()
    rows = []
    print(f"{'family':28}{'examples':>9}{'fit, s':>9}{'calls':>9}{'us a call':>11}{'share':>7}")
    for name, svm, (X, y) in cases(np.random.default_rng(0)):
        start = time.process_time()
        svm.fit(X, y)
        seconds = time.process_time() - start
        call = oracle_seconds(svm, X, y)
        share = call * svm.n_oracle_calls_ / seconds
        rows.append(
            {
                "family": name,
                "n_examples": len(X),
                "fit_cpu_seconds": seconds,
                "n_oracle_calls": int(svm.n_oracle_calls_),
                "oracle_seconds": call,
                "share": share,
                "gap": svm.dual_gap_,
                "certified": bool(svm.certified_),
            }
        )
        print(
            f"{name:28}{len(X):9}{seconds:9.3f}{svm.n_oracle_calls_:9}{1e6 * call:11.1f}"
            f"{100 * share:6.0f}%"
        )
    save("shares", rows)


if __name__ == "__main__":
    main()
