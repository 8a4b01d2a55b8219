"""
The family of hinges
====================

All losses of the margin m = y * score, and their slopes. In the upper row the hinges: beyond their
margin they are 0, so examples that are right by enough do not count. In the lower row what they are
compared with, over the hinge in grey. Those that are never below the dashed line bound the 0-1
loss; a slope that jumps is a kink, over which a smooth optimiser stumbles.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import hinge as hinges

HINGES = {
    "hinge": (hinges.hinge, {}, 1.0),
    "hinge, margin 0.3": (hinges.hinge, {"margin": 0.3}, 1.0),
    "squared hinge": (hinges.squared_hinge, {}, 1.0),
    "smoothed (Rennie, Srebro)": (hinges.smoothed_hinge, {}, 1.0),
    "huberized, width 0.5": (hinges.huberized_hinge, {"width": 0.5}, 1.0),
    "modified Huber": (hinges.modified_huber, {}, 1.0),
    "softplus, beta 3": (hinges.softplus_hinge, {"beta": 3.0}, 1.0),
    "perceptron": (hinges.perceptron, {}, 1.0),
}
OTHERS = {
    "hinge": (hinges.hinge, {}, 1.0),
    "logistic": (hinges.logistic, {}, 1.0),
    # Of two classes: the scores -s/2 and s/2 have the difference s.
    "cross-entropy / log 2": (None, {}, 1 / np.log(2)),
    "exponential": (hinges.exponential, {}, 1.0),
    "Savage": (hinges.savage, {}, 1.0),
    "squared": (hinges.squared, {}, 1.0),
}
PALE = {"hinge": "0.45", "squared hinge": "tab:orange"}


def loss_at(loss, options, scale, margins):
    """Values and slopes at these margins."""
    if loss is not None:
        values, slopes = loss(1, margins, reduction="none", with_gradient=True, **options)
    else:
        scores = np.column_stack([-margins, margins]) / 2
        y = np.ones(len(margins), dtype=int)
        values, by_scores = hinges.cross_entropy(y, scores, reduction="none", with_gradient=True)
        slopes = (by_scores[:, 1] - by_scores[:, 0]) / 2
    return scale * values, scale * slopes


def draw(left, right, losses, margins):
    left.step(margins, margins <= 0, "k--", where="post", lw=1, label="0-1 loss")
    colours = iter(plt.cm.tab10.colors)
    for name, (loss, options, scale) in losses.items():
        values, slopes = loss_at(loss, options, scale, margins)
        # Those that others follow for most of the way lie broad and pale beneath them.
        style = {"color": next(colours), "lw": 1.6}
        if name in PALE:
            style = {"color": PALE[name], "lw": 5, "alpha": 0.35}
        left.plot(margins, values, label=name, **style)
        right.plot(margins, slopes, **style)
        at_zero = loss_at(loss, options, scale, np.zeros(1))[0][0]
        print(f"{name:26} at m = 0: {at_zero:.3f}")
    left.set(ylabel="loss", ylim=(-0.1, 4.5))
    right.set(ylabel="slope", ylim=(-4.3, 3.2 if "squared" in losses else 0.2))
    left.legend(frameon=False, fontsize="small")
    for axes in (left, right):
        axes.set(xlabel="margin m", xlim=(margins[0], margins[-1]))
        axes.spines[["top", "right"]].set_visible(False)
        axes.axvline(0, color="0.85", lw=0.8, zorder=0)
        axes.axvline(1, color="0.85", lw=0.8, zorder=0)


def main():
    parser = argparse.ArgumentParser(description="Draw the losses of the margin.")
    parser.add_argument("--output", default="margin_losses.png")
    output = parser.parse_args().output

    margins = np.linspace(-2, 2.5, 901)
    figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained")
    draw(*axes[0], HINGES, margins)
    draw(*axes[1], OTHERS, margins)
    axes[0, 0].set_title("hinges", loc="left")
    axes[1, 0].set_title("what they are compared with", loc="left")
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
