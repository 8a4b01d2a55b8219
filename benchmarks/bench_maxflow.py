"""Cuts of grids and graphs beside PyMaxflow and gco-wrapper in the same run.

    pip install PyMaxflow gco-wrapper scikit-image
    python benchmarks/bench_maxflow.py [--hard]

A whole call takes arrays of scores and gives labels. CPU time of one core, medians of several
repetitions, ours and theirs in turn. The photograph is scikit-image's `astronaut` with a Gaussian
colour model of the middle against that of the rest, and smoothing that depends on contrast; random
images have normal unary and uniform pairwise scores. All energies are compared.
"""

import argparse
import statistics
import time

import gco
import maxflow
import numpy as np
import scipy.spatial
import skimage.data
import skimage.segmentation
import skimage.transform
from measure import save

from structsvm.inference import GraphCut, GridCut, graph_cut, grid_cut

STRENGTH = {"weak": 1.0, "strong": 10.0}  # of a photograph's smoothing
NOISE = {"weak": 0.6, "strong": 2.4}  # greatest pairwise score of a random image


def photograph(size):
    image = skimage.data.astronaut() / 255.0
    return skimage.transform.resize(image, (size, size), order=1, anti_aliasing=True)


def log_odds(features, inside):
    """Of a Gaussian fitted to the features inside against one fitted to the others."""

    def log_density(chosen):
        mean = features[chosen].mean(axis=0)
        spread = np.cov(features[chosen].T) + 1e-3 * np.eye(features.shape[-1])
        centred = features - mean
        distance = np.einsum("...i,ij,...j", centred, np.linalg.inv(spread), centred)
        return -0.5 * (distance + np.linalg.slogdet(spread)[1])

    return log_density(inside) - log_density(~inside)


def photograph_scores(size, connectivity, strength):
    image = photograph(size)
    inside = np.zeros((size, size), dtype=bool)
    inside[size // 4 : 3 * size // 4, size // 4 : 3 * size // 4] = True
    steps = GridCut((size, size), connectivity).directions
    contrast = np.stack(
        [((np.roll(image, tuple(-step), (0, 1)) - image) ** 2).sum(-1) for step in steps]
    )
    near = np.exp(-contrast / (2 * contrast.mean())) + 0.1
    lengths = np.linalg.norm(steps, axis=1).reshape(-1, 1, 1)
    return log_odds(image, inside), STRENGTH[strength] * near / lengths


def random_scores(shape, connectivity, greatest):
    rng = np.random.default_rng(0)
    n = connectivity // 2
    return rng.normal(size=shape), rng.uniform(0, greatest, size=(n, *shape))


def grid_cells():
    """(name, connectivity, unary, pairwise) of every grid."""
    for size in (512, 1024):
        for connectivity in (4, 8):
            for strength in ("weak", "strong"):
                name = f"{size}^2, {connectivity}, {strength}, "
                yield (
                    name + "photograph",
                    connectivity,
                    *photograph_scores(size, connectivity, strength),
                )
                greatest = NOISE[strength] * (1.0 if connectivity == 4 else 0.5)
                yield (
                    name + "random",
                    connectivity,
                    *random_scores((size, size), connectivity, greatest),
                )
    for strength, greatest in (("weak", 0.6), ("strong", 1.5)):
        yield f"64^3, 6, {strength}, random", 6, *random_scores((64,) * 3, 6, greatest)


def pymaxflow_grid(unary, pairwise, steps):
    """Labels, and the seconds of the solve alone."""
    graph = maxflow.Graph[float](unary.size, pairwise.size)
    nodes = graph.add_grid_nodes(unary.shape)
    for scores, step in zip(pairwise, steps, strict=True):
        structure = np.zeros((3,) * unary.ndim)
        structure[tuple(step + 1)] = 1
        graph.add_grid_edges(nodes, weights=scores, structure=structure, symmetric=True)
    # Segment 0, the source's side, is label 0 there: capacities the other way round.
    graph.add_grid_tedges(nodes, np.maximum(-unary, 0), np.maximum(unary, 0))
    start = time.process_time()
    graph.maxflow()
    seconds = time.process_time() - start
    return graph.get_grid_segments(nodes).astype(np.uint8), seconds


def gco_grid(unary, pairwise, steps):
    costs = np.stack([np.maximum(unary, 0), np.maximum(-unary, 0)], axis=-1)
    edges = [pairwise[1][:-1], pairwise[0][:, :-1]]
    if len(steps) == 4:
        edges += [pairwise[2][:-1, :-1], pairwise[3][:-1, 1:]]
    potts = 1.0 - np.eye(2)
    labels = gco.cut_grid_graph(costs, potts, *edges, n_iter=-1, algorithm="expansion")
    return labels.reshape(unary.shape).astype(np.uint8)


def grid_energy(labels, unary, pairwise, steps):
    """What labels give up."""
    energy = np.abs(unary[(unary > 0) != labels.astype(bool)]).sum()
    for scores, step in zip(pairwise, steps, strict=True):
        here = tuple(slice(max(0, -s), -s if s > 0 else None) for s in step)
        there = tuple(slice(max(0, s), s if s < 0 else None) for s in step)
        energy += scores[here][labels[here] != labels[there]].sum()
    return energy


def seconds_of(task):
    start = time.process_time()
    result = task()
    return time.process_time() - start, result


def medians(tasks, repeat):
    """The median seconds of each task, taken in turn, and what each returned."""
    times, results = [[] for _ in tasks], [None] * len(tasks)
    for _ in range(repeat):
        for k, task in enumerate(tasks):
            seconds, results[k] = seconds_of(task)
            times[k].append(seconds)
    return [statistics.median(one) for one in times], results


def build_and_read(unary, pairwise, connectivity, repeat):
    """Seconds of everything but the solve itself: memory, scores in, labels out."""

    def build():
        cut = GridCut(unary.shape, connectivity)
        cut._hold(unary, abs(unary).max(), pairwise, pairwise.max(), False)
        return cut

    built, read = [], []
    for _ in range(repeat):
        seconds, cut = seconds_of(build)
        built.append(seconds)
        cut.solve()
        read.append(seconds_of(cut.solve)[0])
    return statistics.median(built) + statistics.median(read)


def bench_grid(name, connectivity, unary, pairwise, repeat, with_gco):
    steps = GridCut(unary.shape, connectivity).directions
    (ours, theirs), (labels, (their_labels, _)) = medians(
        [
            lambda: grid_cut(unary, pairwise, connectivity),
            lambda: pymaxflow_grid(unary, pairwise, steps),
        ],
        repeat,
    )
    energy = grid_energy(labels, unary, pairwise, steps)
    row = {
        "cell": name,
        "seconds": ours,
        "pymaxflow": theirs,
        "ratio": theirs / ours,
        "energy_above_pymaxflow": energy / grid_energy(their_labels, unary, pairwise, steps) - 1,
        "certified_gap": grid_cut(unary, pairwise, connectivity, return_certificate=True)[1].gap,
        "build_and_read_ns": 1e9
        * build_and_read(unary, pairwise, connectivity, repeat)
        / unary.size,
        "bytes": GridCut(unary.shape, connectivity).nbytes / unary.size,
    }
    if with_gco and connectivity != 6:
        row["gco"], gco_labels = seconds_of(lambda: gco_grid(unary, pairwise, steps))
        row["gco_ratio"] = row["gco"] / ours
        row["energy_above_gco"] = energy / grid_energy(gco_labels, unary, pairwise, steps) - 1
    print(
        f"{name:28} {1e3 * ours:8.1f} {1e3 * theirs:9.1f} {row['ratio']:6.2f} "
        f"{row.get('gco_ratio', np.nan):6.1f} {row['build_and_read_ns']:6.1f} "
        f"{row['bytes']:6.1f} {row['energy_above_pymaxflow']:9.1e} {row['certified_gap']:9.1e}",
        flush=True,
    )
    return row


def superpixels():
    """(unary, edges, pairwise) of some 4,600 superpixels of a photograph."""
    image = photograph(1024)
    segments = skimage.segmentation.slic(image, n_segments=4600, compactness=10, start_label=0)
    n = segments.max() + 1
    area = np.bincount(segments.ravel(), minlength=n)
    colours = np.stack(
        [np.bincount(segments.ravel(), image[..., c].ravel(), minlength=n) for c in range(3)], 1
    )
    colours /= area[:, None]
    rows, columns = np.divmod(np.arange(segments.size), 1024)
    place = np.stack(
        [np.bincount(segments.ravel(), axis, minlength=n) / area for axis in (rows, columns)], 1
    )
    pairs = [
        np.stack([segments[:, :-1].ravel(), segments[:, 1:].ravel()], 1),
        np.stack([segments[:-1].ravel(), segments[1:].ravel()], 1),
    ]
    pairs = np.sort(np.concatenate(pairs), axis=1)
    edges, border = np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0, return_counts=True)
    contrast = ((colours[edges[:, 0]] - colours[edges[:, 1]]) ** 2).sum(1)
    inside = (np.abs(place - 511.5) < 256).all(1)
    near = np.exp(-contrast / (2 * contrast.mean())) + 0.1
    return log_odds(colours, inside), edges, 0.2 * border * near


def random_graph(n=100_000, n_edges=400_000):
    rng = np.random.default_rng(0)
    edges = rng.integers(n, size=(n_edges, 2))
    edges = edges[edges[:, 0] != edges[:, 1]]
    return rng.normal(size=n), edges, rng.exponential(0.3, size=len(edges))


def as_graph(unary, pairwise):
    """The graph of a grid with 4 neighbours."""
    number = np.arange(unary.size).reshape(unary.shape)
    edges = [
        np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], 1),
        np.stack([number[:-1].ravel(), number[1:].ravel()], 1),
    ]
    scores = [pairwise[0][:, :-1].ravel(), pairwise[1][:-1].ravel()]
    return unary.ravel(), np.concatenate(edges), np.concatenate(scores)


def serpentine(size, corridor):
    """Scores of a grid: one corridor so many pixels wide, to and fro between walls without edges,
    a source at one end and a sink at the other."""
    rng = np.random.default_rng(0)
    n = size // (corridor + 1)
    is_wall = np.zeros((n * (corridor + 1), size), dtype=bool)
    for k in range(n):
        row = k * (corridor + 1) + corridor
        is_wall[row] = True
        if k < n - 1:
            is_wall[row, size - corridor if k % 2 == 0 else 0 :][:corridor] = False
    pairwise = rng.uniform(0.5, 1.5, size=(2, *is_wall.shape))
    pairwise[0][:, :-1][is_wall[:, :-1] != is_wall[:, 1:]] = 0
    pairwise[1][:-1][is_wall[:-1] != is_wall[1:]] = 0
    unary = np.zeros(is_wall.shape)
    unary[:corridor, 0] = 100
    last = 0 if n % 2 == 0 else size - 1
    unary[-1 - corridor : -1, last] = -100
    return unary, pairwise


def checkerboard(cell, noise, strength):
    """Scores of a grid of squares of 1 and -1, with noise upon them and one smoothing."""
    rng = np.random.default_rng(0)
    odd = (np.indices((300, 300)) // cell).sum(axis=0) % 2
    unary = np.where(odd, 1.0, -1.0) + noise * rng.normal(size=odd.shape)
    return unary, np.full((2, *odd.shape), strength)


def long_grid(height, width, greatest):
    return random_scores((height, width), 4, greatest)


def hard_grids():
    """(name, unary, pairwise) of grids that are hard for one algorithm or another."""
    for corridor in (1, 3, 8):
        yield f"corridor of {corridor}", *serpentine(200, corridor)
    for cell, noise in ((1, 0.2), (1, 0.5), (4, 0.5), (16, 0.5)):
        for strength in (0.5, 2.0):
            yield (
                f"squares of {cell}, noise {noise}, {strength}",
                *checkerboard(cell, noise, strength),
            )
    for strength in (0.6, 6.0):
        yield f"1 x 200,000, {strength}", *long_grid(1, 200_000, strength)
    yield "4 x 50,000", *long_grid(4, 50_000, 2.0)
    yield "50,000 x 4", *long_grid(50_000, 4, 2.0)


def star(n_leaves, n_hubs):
    """Every hub joined to every leaf."""
    rng = np.random.default_rng(0)
    leaves = np.arange(n_hubs, n_hubs + n_leaves)
    edges = np.concatenate([np.stack([np.full(n_leaves, k), leaves], 1) for k in range(n_hubs)])
    return rng.normal(size=n_leaves + n_hubs), edges, rng.uniform(0, 2, size=len(edges))


def genrmf(side, depth):
    """Frames of side x side nodes, each joined to the next by a random permutation (Goldfarb and
    Grigoriadis 1988); the source is in the first frame, the sink in the last."""
    rng = np.random.default_rng(0)
    number = np.arange(depth * side * side).reshape(depth, side, side)
    within = np.concatenate(
        [
            np.stack([number[:, :, :-1].ravel(), number[:, :, 1:].ravel()], 1),
            np.stack([number[:, :-1].ravel(), number[:, 1:].ravel()], 1),
        ]
    )
    between = np.concatenate(
        [
            np.stack([number[k].ravel(), rng.permutation(number[k + 1].ravel())], 1)
            for k in range(depth - 1)
        ]
    )
    scores = [np.full(len(within), 1e3 * side**2), rng.integers(1, 1001, size=len(between))]
    unary = np.zeros(number.size)
    unary[0], unary[-1] = 1e9, -1e9
    return unary, np.concatenate([within, between]), np.concatenate(scores).astype(float)


def small_superpixels(n):
    """Random points joined as in their Delaunay triangulation."""
    rng = np.random.default_rng(0)
    corners = scipy.spatial.Delaunay(rng.random((n, 2))).simplices
    pairs = np.sort(corners[:, [[0, 1], [1, 2], [0, 2]]].reshape(-1, 2), axis=1)
    edges = np.unique(pairs, axis=0)
    return rng.normal(size=n), edges, rng.uniform(0, 2, size=len(edges))


def hard_graphs():
    for name, unary, pairwise in hard_grids():
        yield name, as_graph(unary, pairwise)
    yield "star of 16,000", star(16_000, 1)
    yield "star of 32,000", star(32_000, 1)
    yield "4 stars of 16,000", star(16_000, 4)
    yield "GENRMF 24^2 x 12", genrmf(24, 12)
    yield "GENRMF 8^2 x 100", genrmf(8, 100)
    for n in (200, 1000):
        yield f"triangulation of {n}", small_superpixels(n)


def bench_hard(kind, name, scores, repeat):
    """A grid or graph that is hard, beside PyMaxflow alone."""
    if kind == "grid":
        unary, pairwise = scores
        steps = GridCut(unary.shape, 4).directions

        def own():
            return grid_cut(unary, pairwise)

        def peer():
            return pymaxflow_grid(unary, pairwise, steps)[0]

        def energy(labels):
            return grid_energy(labels, unary, pairwise, steps)
    else:

        def own():
            return graph_cut(*scores)

        def peer():
            return pymaxflow_graph(*scores)

        def energy(labels):
            return graph_energy(labels, *scores)

    (ours, theirs), answers = medians([own, peer], repeat)
    energies = [energy(labels) for labels in answers]
    row = {
        "kind": kind,
        "cell": name,
        "seconds": ours,
        "pymaxflow": theirs,
        "ratio": theirs / ours,
        "energy_above_pymaxflow": energies[0] / energies[1] - 1 if energies[1] else energies[0],
    }
    print(
        f"{kind:5} {name:28} {1e3 * ours:8.2f} {1e3 * theirs:9.2f} {row['ratio']:6.2f} "
        f"{row['energy_above_pymaxflow']:9.1e}",
        flush=True,
    )
    return row


def pymaxflow_graph(unary, edges, pairwise):
    graph = maxflow.Graph[float](len(unary), len(edges))
    nodes = graph.add_grid_nodes(len(unary))
    graph.add_edges(edges[:, 0], edges[:, 1], pairwise, pairwise)
    graph.add_grid_tedges(nodes, np.maximum(-unary, 0), np.maximum(unary, 0))
    graph.maxflow()
    return graph.get_grid_segments(nodes).astype(np.uint8)


def gco_graph(unary, edges, pairwise):
    costs = np.stack([np.maximum(unary, 0), np.maximum(-unary, 0)], axis=-1)
    labels = gco.cut_general_graph(
        edges, pairwise, costs, 1.0 - np.eye(2), n_iter=-1, algorithm="expansion"
    )
    return labels.astype(np.uint8)


def graph_energy(labels, unary, edges, pairwise):
    differ = labels[edges[:, 0]] != labels[edges[:, 1]]
    return np.abs(unary[(unary > 0) != labels.astype(bool)]).sum() + pairwise[differ].sum()


def bench_graph(name, graph, repeat):
    (ours, theirs, gcos), results = medians(
        [lambda: graph_cut(*graph), lambda: pymaxflow_graph(*graph), lambda: gco_graph(*graph)],
        repeat,
    )
    energies = [graph_energy(labels, *graph) for labels in results]
    nbytes = GraphCut(len(graph[0]), graph[1]).nbytes
    row = {
        "cell": name,
        "seconds": ours,
        "pymaxflow": theirs,
        "ratio": theirs / ours,
        "gco": gcos,
        "gco_ratio": gcos / ours,
        "energy_above_pymaxflow": energies[0] / energies[1] - 1,
        "energy_above_gco": energies[0] / energies[2] - 1,
        "bytes": nbytes / len(graph[0]),
    }
    print(
        f"{name:28} {1e3 * ours:8.2f} {1e3 * theirs:9.2f} {row['ratio']:6.2f} "
        f"{row['gco_ratio']:6.1f} {row['energy_above_pymaxflow']:9.1e}",
        flush=True,
    )
    return row


def changes(unary, pairwise):
    """(name, new unary, new pairwise, factor) of each kind of change."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=unary.shape) * unary.std()
    for share in (0.01, 0.1):
        chosen = rng.random(unary.shape) < share
        yield f"{share:.0%} of the unaries", np.where(chosen, unary + noise, unary), None, None
    for size in (0.01, 0.1):
        yield f"all unaries by {size:.0%}", unary + size * noise, None, None
    yield "pairwise by 5%", None, pairwise * rng.uniform(0.95, 1.05, pairwise.shape), None
    yield "all scaled", None, None, 1.1


def changed(cut, unary, pairwise, change, keep_flow):
    """Labels after a change of the scores."""
    _, new_unary, new_pairwise, factor = change
    if factor is None:
        cut.set_scores(new_unary, new_pairwise, keep_flow=keep_flow)
    elif keep_flow:
        cut.scale(factor)
    else:
        cut.set_scores(unary * factor, pairwise * factor, keep_flow=False)
    return cut.solve()


def bench_warm(name, connectivity, unary, pairwise, repeat):
    """Seconds of new scores, solve and labels from the last flow, and from none."""
    rows = []
    for change in changes(unary, pairwise):
        times = {True: [], False: []}
        energies = {}
        for _ in range(repeat):
            for keep_flow in (True, False):
                cut = GridCut(unary.shape, connectivity)
                cut.set_scores(unary, pairwise)
                cut.solve()
                start = time.process_time()
                changed(cut, unary, pairwise, change, keep_flow)
                times[keep_flow].append(time.process_time() - start)
                energies[keep_flow] = cut.certificate().energy
        warm, cold = (statistics.median(times[keep_flow]) for keep_flow in (True, False))
        row = {
            "cell": f"{name}: {change[0]}",
            "warm": warm,
            "cold": cold,
            "ratio": cold / warm,
            "energy_above_cold": energies[True] / energies[False] - 1,
        }
        print(
            f"{row['cell']:54} {1e3 * warm:8.1f} {1e3 * cold:8.1f} {cold / warm:6.1f} "
            f"{row['energy_above_cold']:9.1e}",
            flush=True,
        )
        rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", default="", help="grids whose name contains this")
    parser.add_argument("--no-gco", action="store_true")
    parser.add_argument("--hard", action="store_true", help="only those that are hard")
    args = parser.parse_args()
    if args.hard:
        print("hard: ms, PyMaxflow ms, ratio, energy")
        hard = [bench_hard("grid", name, one, args.repeat) for name, *one in hard_grids()]
        hard += [bench_hard("graph", *one, args.repeat) for one in hard_graphs()]
        ratios = [row["ratio"] for row in hard]
        print(f"geometric mean {statistics.geometric_mean(ratios):.2f}, least {min(ratios):.2f}")
        save("maxflow_hard", hard)
        return
    cells = [cell for cell in grid_cells() if args.only in cell[0]]
    print(
        f"{'grid':28} {'ms':>8} {'PyMaxflow':>9} {'ratio':>6} {'gco':>6} {'b+r ns':>6} "
        f"{'bytes':>6} {'energy':>9} {'gap':>9}"
    )
    grids = [bench_grid(*cell, args.repeat, not args.no_gco) for cell in cells]
    ratios = [row["ratio"] for row in grids]
    print(f"geometric mean {statistics.geometric_mean(ratios):.2f}, least {min(ratios):.2f}")
    if args.only:
        return
    print("\ngraphs: ms, PyMaxflow ms, ratio, gco ratio, energy")
    graphs = [
        bench_graph("superpixels", superpixels(), 4 * args.repeat),
        bench_graph("100,000 nodes, random", random_graph(), args.repeat),
        bench_graph(
            "512^2, 4, strong, photograph",
            as_graph(*photograph_scores(512, 4, "strong")),
            args.repeat,
        ),
    ]
    print("\nwarm: ms, cold ms, ratio, energy")
    warm = [
        row
        for cell in cells
        if cell[0].startswith("512^2") and "strong" in cell[0]
        for row in bench_warm(*cell, args.repeat)
    ]
    save("maxflow", {"grids": grids, "graphs": graphs, "warm": warm})


if __name__ == "__main__":
    main()
