"""
Ranked lists under two losses
=============================

Queries with a few dozen documents, graded 0 to 3, of which a reader sees only the first ones. Eight
features tell how relevant a document is overall; four more help only among the best, where they
count for a reader and hardly for pairs of all documents. RankSVM counts all pairs alike; the hinge
of NDCG at 5 looks at the first five positions. Both are trained to a certified gap, and the picture
draws held-out queries in ranked order, dark for what is relevant.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import RankingSVM
from structsvm.metrics import mean_ndcg

N_DOCUMENTS, SHOWN, AT = 40, 8, 5


def make_queries(n, rng):
    """Features of documents, grades, and the query of each."""
    X = rng.normal(size=(n * N_DOCUMENTS, 12))
    overall = X[:, :8] @ np.full(8, 0.35)
    best = np.maximum(overall - 0.7, 0)  # only there the last four features matter
    latent = overall + 2.0 * best * (X[:, 8:] @ np.full(4, 0.5)) + 0.5 * rng.normal(size=len(X))
    return X, np.digitize(latent, [0.5, 1.7, 3.0]), np.repeat(np.arange(n), N_DOCUMENTS)


def main():
    parser = argparse.ArgumentParser(description="Draw ranked lists under three losses.")
    parser.add_argument("--output", default="ranking.png")
    output = parser.parse_args().output

    rng = np.random.default_rng(0)
    X, y, groups = make_queries(150, rng)
    X_new, y_new, groups_new = make_queries(300, rng)
    rankers = {
        "no training, first feature": None,
        "all pairs (RankSVM)": RankingSVM(random_state=0),
        f"NDCG at {AT}": RankingSVM("ndcg", k=AT, random_state=0),
    }
    figure, panels = plt.subplots(1, len(rankers), figsize=(9, 3.4), layout="constrained")
    for (name, svm), panel in zip(rankers.items(), panels, strict=True):
        scores = X_new[:, 0]
        if svm is not None:
            scores = svm.fit(X, y, groups).predict(X_new)
        ndcg = mean_ndcg(y_new, scores, groups_new, k=AT)
        line = f"{name:26} {100 * ndcg:.1f}% of held-out NDCG at {AT}"
        print(line if svm is None else f"{line}, certified gap {svm.dual_gap_:.1e}")
        lists = np.argsort(-scores[: SHOWN * N_DOCUMENTS].reshape(SHOWN, -1), axis=1)
        grades = np.take_along_axis(y_new[: SHOWN * N_DOCUMENTS].reshape(SHOWN, -1), lists, axis=1)
        panel.imshow(grades[:, :20], cmap="YlOrRd", vmin=0, vmax=3, aspect="auto")
        panel.axvline(AT - 0.5, color="black", linewidth=1)
        panel.set(title=f"{name}\nNDCG at {AT}: {ndcg:.3f}", xlabel="position", yticks=[])
        panel.set_xticks([0, AT - 1, 9, 19], ["1", str(AT), "10", "20"])
    panels[0].set_ylabel("held-out queries")
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
