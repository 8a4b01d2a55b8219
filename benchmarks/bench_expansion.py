"""Alpha-expansion beside gco-wrapper in the same run: 240 x 320, 4 neighbours, Potts scores.

    pip install gco-wrapper scikit-image
    python benchmarks/bench_expansion.py [--repeat 5]

Whole calls, scores in and labels out, CPU ms of one core, medians, ours and theirs in turn. The
photograph is scikit-image's `coffee` with k-means colours as labels, minus half the squared
distance over the variance as score (at least -100: gco counts in integers), and contrast; random
images have smoothed noise with noise upon it, and one strength for all edges. Energies are what
labels give up, the scores of the best labels of all pixels and of all edges agreeing being 0: the
lower, the better.
"""

import argparse
import statistics
import time

import gco
import numpy as np
import skimage.data
import skimage.transform
from measure import save
from scipy import ndimage
from sklearn.cluster import KMeans

from structsvm.inference import alpha_expansion
from structsvm.models.grid import grid_edges

SHAPE = (240, 320)
STRENGTH = {"weak": 1.0, "strong": 4.0}


def photograph(n_labels, strength):
    image = skimage.transform.resize(skimage.data.coffee() / 255.0, SHAPE, anti_aliasing=True)
    pixels = image.reshape(-1, 3)
    means = KMeans(n_labels, n_init=1, random_state=0).fit(pixels[::7]).cluster_centers_
    distances = ((pixels[:, None] - means) ** 2).sum(axis=2)
    edges = grid_edges(SHAPE, 4)
    steps = ((pixels[edges[:, 0]] - pixels[edges[:, 1]]) ** 2).sum(axis=1)
    unary = np.maximum(-distances / (2 * distances.min(axis=1).mean()), -100)
    return unary, STRENGTH[strength] * np.exp(-steps / (2 * steps.mean()))


def noise(n_labels, strength):
    rng = np.random.default_rng(0)
    smooth = ndimage.gaussian_filter(rng.normal(size=(*SHAPE, n_labels)), (2, 2, 0))
    unary = 4 * smooth + 0.6 * rng.normal(size=smooth.shape)
    n_edges = len(grid_edges(SHAPE, 4))
    return unary.reshape(-1, n_labels), np.full(n_edges, 0.3 * STRENGTH[strength])


def theirs(unary, edges, pairwise):
    solver = gco.GCO()
    solver.create_general_graph(*unary.shape, True)
    solver.set_data_cost(-unary)
    solver.set_all_neighbors(edges[:, 0], edges[:, 1], pairwise)
    solver.set_smooth_cost(1.0 - np.eye(unary.shape[1]))
    solver.expansion()
    labels = solver.get_labels()
    solver.destroy_graph()
    return labels


def energy(labels, unary, edges, pairwise):
    lost = unary.max(axis=1) - unary[np.arange(len(unary)), labels]
    return float(lost.sum() + pairwise[labels[edges[:, 0]] != labels[edges[:, 1]]].sum())


def timed(task, *scores):
    start = time.process_time()
    answer = task(*scores)
    return answer, 1e3 * (time.process_time() - start)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5)
    args = parser.parse_args()
    edges = grid_edges(SHAPE, 4)
    rows = []
    print("scores      smoothing labels    ms   gco  ratio    energy       gco")
    for scores in (photograph, noise):
        for strength in STRENGTH:
            for n_labels in (12, 21):
                unary, pairwise = scores(n_labels, strength)
                own, peer = [], []
                for _ in range(args.repeat):
                    (labels, _), ms = timed(alpha_expansion, unary, edges, pairwise)
                    own.append(ms)
                    others, ms = timed(theirs, unary, edges, pairwise)
                    peer.append(ms)
                row = {
                    "scores": scores.__name__,
                    "smoothing": strength,
                    "n_labels": n_labels,
                    "ms": statistics.median(own),
                    "gco_ms": statistics.median(peer),
                    "energy": energy(labels, unary, edges, pairwise),
                    "gco_energy": energy(others, unary, edges, pairwise),
                }
                rows.append(row)
                print(
                    f"{row['scores']:11} {strength:9} {n_labels:6} {row['ms']:5.0f} "
                    f"{row['gco_ms']:5.0f} {row['gco_ms'] / row['ms']:6.2f} "
                    f"{row['energy']:9.1f} {row['gco_energy']:9.1f}",
                    flush=True,
                )
    save("expansion", rows)


if __name__ == "__main__":
    main()
