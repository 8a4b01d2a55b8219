"""
A town of districts and buildings: nodes of two types
=====================================================

Districts have a use, buildings a purpose, and neither is easy to see: of a district the noise at
night is measured, of a building its height, its area and its share of glass. But a school rarely
stands among factories. `TypedGraphModel` labels both at once: each type has features and labels of
its own, and a table says how well a purpose suits a use. Each district and its buildings make a
tree, so that training is exact and certified. The picture has a town that was not in training, with
its true labels, those of a model without edges, and those of the model with them; what is wrong has
a black border.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import StructSVM, TypedGraphModel
from structsvm.graphs import TypedGraph

USES = {"homes": "#cde8c4", "shops": "#fbe0b0", "works": "#c9cfdb"}
PURPOSES = {"house": "#2f8f3a", "school": "#8a4fbf", "store": "#e08a00", "factory": "#41506b"}
SIDE, BUILDINGS = 4, 6  # districts along a side of the town, buildings of a district
USUAL = np.array([[0.72, 0.16, 0.12, 0.0], [0.12, 0.0, 0.8, 0.08], [0.04, 0.0, 0.18, 0.78]])
NOISE = np.array([-0.6, 0.2, 0.6])  # at night, by use
LOOKS = np.array([[0.3, -0.8, 0.0], [0.6, 0.4, 0.5], [-0.4, 0.3, 0.8], [-0.3, 0.9, -0.7]])

use_names, purpose_names = np.array(list(USES)), np.array(list(PURPOSES))
stands_in = np.repeat(np.arange(SIDE**2), BUILDINGS)


def town(rng):
    """A town as a graph, and its labels."""
    use = rng.integers(len(USES), size=SIDE**2)
    purpose = np.array([rng.choice(len(PURPOSES), p=USUAL[use[d]]) for d in stands_in])
    features = {
        "district": NOISE[use][:, None] + rng.normal(scale=0.7, size=(len(use), 1)),
        "building": LOOKS[purpose] + rng.normal(scale=0.75, size=(len(purpose), 3)),
    }
    edges = {("building", "district"): np.stack([np.arange(len(purpose)), stands_in], axis=1)}
    labels = {"district": use_names[use], "building": purpose_names[purpose]}
    return TypedGraph(features, edges), labels


def draw(axes, labels, truth, title):
    rng = np.random.default_rng(1)
    for d, use in enumerate(labels["district"]):
        wrong = use != truth["district"][d]
        corner = np.array([d % SIDE, d // SIDE]) + 0.04
        frame = {"ec": "black", "lw": 2.5} if wrong else {"ec": "white", "lw": 1}
        axes.add_patch(plt.Rectangle(corner, 0.92, 0.92, fc=USES[use], **frame))
    for b, purpose in enumerate(labels["building"]):
        d, place = stands_in[b], b % BUILDINGS
        shift = np.array([0.22 + 0.28 * (place % 3), 0.32 + 0.36 * (place // 3)])
        spot = shift + np.array([d % SIDE, d // SIDE]) + rng.uniform(-0.04, 0.04, 2)
        wrong = purpose != truth["building"][b]
        edge = {"ec": "black", "lw": 2} if wrong else {"ec": "white", "lw": 0.5}
        axes.scatter(*spot, s=95, marker="s", c=PURPOSES[purpose], zorder=2, **edge)
    axes.set(xlim=(0, SIDE), ylim=(0, SIDE), aspect="equal")
    axes.set_title(title, fontsize=10)
    axes.axis("off")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Label the districts and buildings of a town.")
    parser.add_argument("--output", default="typed_graph.png", help="the picture to write")
    output = parser.parse_args().output

    rng = np.random.default_rng(0)
    X, y = zip(*(town(rng) for _ in range(60)))
    alone = [TypedGraph(x.features) for x in X]
    answers = {}
    for name, graphs in (("each by itself", alone), ("both types together", X)):
        svm = StructSVM(TypedGraphModel(), random_state=0).fit(graphs[:20], y[:20])
        answers[name] = svm.predict(graphs[20:])
        print(f"{name}: certified gap {svm.dual_gap_:.1e}")
        for kind in ("district", "building"):
            right = np.mean([a[kind] == b[kind] for a, b in zip(y[20:], answers[name])])
            print(f"    {kind}s: {100 * right:.1f}% right")
        print(f"    {100 * svm.score(graphs[20:], y[20:]):.1f}% of held-out labels right")
    table = svm.model_.weight_blocks(svm.coef_)["edge_intercept"]["building", "district"]
    print("what suits what, buildings by districts:")
    for purpose, row in zip(svm.model_.classes_["building"], table):
        scores = zip(svm.model_.classes_["district"], row)
        print(f"    {purpose:8}", ", ".join(f"{use} {score:+.3f}" for use, score in scores))

    figure, panels = plt.subplots(1, 3, figsize=(12, 4.8), layout="constrained")
    draw(panels[0], y[20], y[20], "the town")
    for axes, (name, some) in zip(panels[1:], answers.items()):
        wrong = sum(int((some[0][kind] != y[20][kind]).sum()) for kind in some[0])
        draw(axes, some[0], y[20], f"{name}: {wrong} wrong (black border)")
    colours = [plt.Rectangle((0, 0), 1, 1, fc=c) for c in (*USES.values(), *PURPOSES.values())]
    names = [f"district of {use}" for use in USES] + list(PURPOSES)
    figure.legend(colours, names, loc="outside lower center", ncols=7, fontsize=9, frameon=False)
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
