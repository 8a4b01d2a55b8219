"""
A network whose predictions are decided on
==========================================

Needs the extra torch: ``pip install 'structured-svm[plot,torch]'``.

What the streets of a map cost follows, not linearly, from five numbers that are known before. A
small network predicts the costs, and the shortest path is taken at its prediction. It is trained on
the squared error of the costs, and by `SPOPlus` for the paths that are taken. The picture has the
regret, what paths cost more than the best ones, after each epoch.
"""

import argparse
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm.inference import ShortestPath

try:
    import torch

    from structsvm.torch import SPOPlus
except ImportError:
    sys.exit("this example needs the extra torch: pip install 'structured-svm[plot,torch]'")

SIDE, DEGREE = 5, 6


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
    costs = ((X[:, :, None] * matrix).sum(axis=1) / np.sqrt(5) + 3) ** DEGREE / 3.5**DEGREE + 1
    costs *= rng.uniform(0.5, 1.5, size=costs.shape)
    return torch.tensor(X, dtype=torch.float32), torch.tensor(costs, dtype=torch.float32)


def network(n_streets):
    return torch.nn.Sequential(
        torch.nn.Linear(5, 4), torch.nn.Tanh(), torch.nn.Linear(4, n_streets)
    )


def main():
    parser = argparse.ArgumentParser(description="Train a network for the paths that are taken.")
    parser.add_argument("--output", default="neural_paths.png")
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    torch.set_num_threads(1)
    edges = streets()
    X, costs = days(1400, len(edges), np.random.default_rng(0))
    X, X_test, costs, costs_test = X[:400], X[400:], costs[:400], costs[400:]

    spo = SPOPlus(ShortestPath(edges, source=0, target=SIDE * SIDE - 1))
    best, best_test = spo.decode(costs), spo.decode(costs_test)
    least = (costs_test * best_test).sum(dim=1)

    def regret(model):
        """What the paths at predicted costs cost more than the best ones, as a share."""
        with torch.no_grad():
            taken = spo.decode(model(X_test))
        return 100 * float(((costs_test * taken).sum(dim=1) - least).sum() / least.sum())

    curves = {}
    for name, loss in (
        ("squared error", lambda found, c, z: torch.nn.functional.mse_loss(found, c)),
        ("SPO+", lambda found, c, z: spo(found, c, z)),
    ):
        torch.manual_seed(0)
        model = network(len(edges))
        optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
        curves[name] = []
        for _ in range(args.epochs):
            for batch in torch.randperm(len(X)).split(32):
                value = loss(model(X[batch]), costs[batch], best[batch])
                optimizer.zero_grad()
                value.backward()
                optimizer.step()
            curves[name].append(regret(model))
        print(f"{name}: regret {np.mean(curves[name][-5:]):.1f}% of the least cost")

    figure, ax = plt.subplots(figsize=(6, 4))
    for name, values in curves.items():
        ax.plot(range(1, args.epochs + 1), values, label=name)
    ax.set(xlabel="epoch", ylabel="regret on held-out days, % of the least cost", yscale="log")
    ax.legend()
    figure.tight_layout()
    figure.savefig(args.output, dpi=100)
    print(f"wrote {args.output}")


if __name__ == "__main__":
    main()
