"""
Routes at costs that are predicted
==================================

A map of 8 x 8 crossings: what a street costs is known only after the drive, and follows, not
linearly, from five numbers that are known before. Least squares predicts the costs first, and the
shortest path is taken at the prediction; `DecisionSVM` trains the same linear predictor for the
routes that are taken. The picture has a day's routes on the map of its true costs, and the regret,
what routes cost more than the best ones, against the number of days seen.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.collections import LineCollection
from sklearn.linear_model import LinearRegression

from structsvm import DecisionSVM
from structsvm.inference import ShortestPath

SIDE, DEGREE = 8, 6
SIZES = [50, 100, 200, 400, 800]


def streets():
    """Streets to the right and down, as pairs of crossings."""
    place = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    right = np.stack([place[:, :-1].ravel(), place[:, 1:].ravel()], axis=1)
    down = np.stack([place[:-1].ravel(), place[1:].ravel()], axis=1)
    return np.concatenate([right, down])


def days(n, n_streets, rng):
    """What is known before, and what the streets cost then."""
    matrix = rng.integers(0, 2, size=(5, n_streets))
    X = rng.normal(size=(n, 5))
    costs = ((X @ matrix / np.sqrt(5) + 3) / 3.5) ** DEGREE
    return X, costs * rng.uniform(0.5, 1.5, size=costs.shape)


def main():
    parser = argparse.ArgumentParser(description="Draw routes on a map, and regret.")
    parser.add_argument("--output", default="shortest_paths.png", help="the picture to write")
    output = parser.parse_args().output

    edges = streets()
    paths = ShortestPath(edges, 0, SIDE * SIDE - 1)
    X, costs = days(max(SIZES) + 500, len(edges), np.random.default_rng(0))
    X_test, costs_test = X[max(SIZES) :], costs[max(SIZES) :]
    maximizer = paths.bind([None] * 500, [len(edges)] * 500)

    def best(predicted):
        return maximizer.maximize_all(-predicted.ravel()).reshape(predicted.shape)

    true = best(costs_test)
    regrets = {"least squares": [], "DecisionSVM": []}
    for n in SIZES:
        svm = DecisionSVM(paths, random_state=0).fit(X[:n], costs[:n])
        squares = LinearRegression().fit(X[:n], costs[:n])
        two_stage = best(squares.predict(X_test))
        lost = ((two_stage - true) * costs_test).sum() / (true * costs_test).sum()
        regrets["least squares"].append(100 * lost)
        regrets["DecisionSVM"].append(-100 * svm.score(X_test, costs_test))
        print(
            f"{n} days: regret of least squares {100 * lost:.2f}%, of DecisionSVM "
            f"{regrets['DecisionSVM'][-1]:.2f}%, certified gap {svm.dual_gap_:.1e}"
        )
    for name, values in regrets.items():
        share = 100 / (1 + values[-1] / 100)
        print(f"{name}: the best routes would have cost {share:.1f}% of held-out costs")

    predicted = svm.predict(X_test)
    shown = int(np.argmax(((two_stage - predicted) * costs_test).sum(axis=1)))
    figure, (left, right) = plt.subplots(1, 2, figsize=(9.5, 4.4), layout="constrained")
    places = np.stack([edges % SIDE, -(edges // SIDE)], axis=2)
    streets_drawn = LineCollection(
        places, array=np.log10(costs_test[shown]), cmap="Greys", linewidths=2
    )
    left.add_collection(streets_drawn)
    figure.colorbar(streets_drawn, ax=left, label="log10 of true cost", shrink=0.8)
    for k, (name, routes, colour) in enumerate(
        [
            ("best", true, "tab:green"),
            ("least squares", two_stage, "tab:orange"),
            ("DecisionSVM", predicted, "tab:blue"),
        ]
    ):
        route = places[routes[shown] > 0] + (k - 1) * 0.08
        cost = (routes[shown] * costs_test[shown]).sum()
        left.add_collection(LineCollection(route, colors=colour, linewidths=3, alpha=0.8))
        left.plot([], [], color=colour, linewidth=3, label=f"{name}: {cost:.1f}")
    left.legend(loc="upper center", ncol=3, fontsize="small")
    left.set(xlim=(-0.5, SIDE - 0.5), ylim=(0.5 - SIDE, 1), aspect="equal")
    left.set_axis_off()
    for (name, values), colour in zip(regrets.items(), ["tab:orange", "tab:blue"], strict=True):
        right.plot(SIZES, values, "o-", color=colour, label=name)
    right.set(xlabel="days seen", ylabel="regret on other days, %", xscale="log", ylim=(0, None))
    right.set_xticks(SIZES, [str(n) for n in SIZES])
    right.minorticks_off()
    right.legend()
    figure.savefig(output, dpi=110)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
