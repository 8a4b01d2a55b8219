"""
Cell tracks by an integer program whose costs are learnt
=========================================================

Cells drift, grow and divide between two pictures of a film. Which cell became which is an integer
program over pairs of them: a cell has one mother at most, and a mother two daughters. What a pair
is worth, by its shift and its change of size, is learnt from known tracks, to a certificate.
"""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial.distance import cdist

from structsvm import Parts, PartsModel, StructSVM
from structsvm.inference import IntegerProgram


def two_pictures(rng, n_cells=12, reach=0.35):
    """An input, whether each of its pairs is a track, and the places of cells before and after."""
    before, sizes = rng.random((n_cells, 2)), rng.uniform(0.8, 1.2, n_cells)
    after, grown, mothers = [], [], []
    for mother in np.flatnonzero(rng.random(n_cells) > 0.1):  # others leave the picture
        shift = rng.normal([0.12, 0.04], 0.03)
        daughters = rng.normal(0, 0.07, (2, 2)) if rng.random() < 0.2 else np.zeros((1, 2))
        for apart in daughters:
            after.append(before[mother] + shift + apart)
            grown.append(sizes[mother] * rng.normal(1.1 if len(daughters) == 1 else 0.6, 0.05))
            mothers.append(mother)
    after, grown, mothers = np.array(after), np.array(grown), np.array(mothers)
    pairs = np.argwhere(cdist(before, after) < reach)
    old, new = pairs.T
    shift, growth = after[new] - before[old], np.log(grown[new] / sizes[old])[:, None]
    rows = np.hstack([shift, growth, shift**2, growth**2])
    one_mother = (np.arange(len(after))[:, None] == new).astype(float)
    two_daughters = (np.arange(n_cells)[:, None] == old).astype(float)
    context = [(one_mother, -np.inf, 1), (two_daughters, -np.inf, 2)]
    return Parts(rows, context=context), (mothers[new] == old).astype(int), before, after, pairs


rng = np.random.default_rng(0)
X, y, before, after, pairs = zip(*(two_pictures(rng) for _ in range(60)))
svm = StructSVM(PartsModel(IntegerProgram()), tol=1e-2, random_state=0).fit(X[:40], y[:40])
tracks = svm.predict(X[40:])

# The nearest cell of the picture before, for comparison.
nearest = []
for k in range(40, 60):
    distances = cdist(before[k], after[k])
    nearest.append(
        (distances[tuple(pairs[k].T)] <= distances.min(axis=0)[pairs[k][:, 1]]).astype(int)
    )
truth = np.concatenate(y[40:])
right = [100 * np.mean(np.concatenate(answers) == truth) for answers in (nearest, tracks)]
print(f"{svm.n_oracle_calls_} integer programs, certified gap {svm.dual_gap_:.1e}")
print(f"nearest cell: {right[0]:.1f}% of held-out pairs right")
print(f"learnt costs: {right[1]:.1f}% of held-out pairs right")

figure, axes = plt.subplots(1, 2, figsize=(9, 4.5), layout="constrained")
k = 40
for ax, answer, name in zip(axes, (nearest[0], tracks[0]), ("nearest cell", "learnt costs")):
    ax.scatter(*before[k].T, s=80, facecolors="none", edgecolors="0.4", label="before")
    ax.scatter(*after[k].T, s=30, color="0.4", label="after")
    for (a, b), found, true in zip(pairs[k], answer, y[k]):
        if found or true:
            color = "tab:blue" if found and true else "tab:red"
            ends = np.array([before[k][a], after[k][b]]).T
            ax.plot(*ends, color=color, linestyle="-" if found else ":", zorder=0)
    ax.set_title(f"{name}: {np.abs(answer - y[k]).sum()} wrong (red; dotted: missed)")
    ax.set_aspect("equal")
axes[0].legend(loc="lower left", fontsize=8)
figure.savefig("cell_tracks.png", dpi=110)
print("wrote cell_tracks.png")
