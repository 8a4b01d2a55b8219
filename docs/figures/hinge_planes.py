"""The structured hinge of one example is the maximum of planes; cuts are lower bounds of it."""

import itertools

import matplotlib.pyplot as plt
import numpy as np

# Three positions, labels -1 and +1, one feature each and a bonus for equal neighbours: with the
# direction of the weights fixed, what is left is one number w, the length of the weights.
x, truth = np.array([-0.2, -1.3, 2.6]), np.array([-1, -1, 1])
outputs = np.array(list(itertools.product([-1, 1], repeat=3)))


def joint_feature(y):
    return y @ x + 0.3 * (y[:-1] * y[1:]).sum()


slopes = np.array([joint_feature(y) - joint_feature(truth) for y in outputs])
losses = (outputs != truth).sum(axis=1)
w = np.linspace(-0.5, 2.5, 400)
planes = losses[:, None] + slopes[:, None] * w
hinge = planes.max(axis=0)

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
for y, plane in zip(outputs, planes, strict=True):
    best = plane >= hinge - 1e-9
    left.plot(w, plane, color="0.75", linewidth=0.8, zorder=1)
    if best.sum() > 12:
        middle = np.flatnonzero(best)[best.sum() // 2]
        name = "".join("+" if each > 0 else "−" for each in y)
        left.annotate(
            name, (w[middle], hinge[middle]), (0, 9), textcoords="offset points", ha="center"
        )
left.plot(w, hinge, color="C0", linewidth=2.2)
left.set(ylim=(-0.5, 5), xlabel="w", title="hinge of one example")

C = 1.5


def objective(w):
    return 0.5 * w**2 + C * (losses[:, None] + slopes[:, None] * np.atleast_1d(w)).max(axis=0)


right.plot(w, objective(w), color="C0", linewidth=2.2, label="objective")
at, cuts = 0.0, []
for n, color in zip((1, 2, 3), ("0.75", "0.5", "0.2"), strict=True):
    scores = losses + slopes * at
    cuts.append(int(scores.argmax()))
    bound = 0.5 * w**2 + C * (losses[cuts, None] + slopes[cuts, None] * w).max(axis=0)
    right.plot(w, bound, color=color, linewidth=1.2, label=f"bound by {n} plane{'s' * (n > 1)}")
    at = w[bound.argmin()]
    right.plot(at, bound.min(), "o", color=color, markersize=4)
best = w[objective(w).argmin()]
right.plot(best, objective(best), "*", color="C3", markersize=12, label="optimum")
right.set(ylim=(0, 6), xlabel="w", title="½w² + C · hinge, and planes found one by one")
right.legend(frameon=False, fontsize=9)
