"""
The family of hinges
====================

All hinges of the margin m = y * score in one picture, and their slopes. Those that are never below
the dashed line bound the 0-1 loss; a slope that jumps is a kink, over which a smooth optimiser
stumbles.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import hinge as hinges

LOSSES = {
    "hinge": (hinges.hinge, {}),
    "squared hinge": (hinges.squared_hinge, {}),
    "smoothed (Rennie, Srebro)": (hinges.smoothed_hinge, {}),
    "huberized, width .5": (hinges.huberized_hinge, {"width": 0.5}),
    "modified Huber": (hinges.modified_huber, {}),
    "softplus, beta 3": (hinges.softplus_hinge, {"beta": 3.0}),
    "perceptron": (hinges.perceptron, {}),
}


def main():
    parser = argparse.ArgumentParser(description="Draw the hinges of the margin.")
    parser.add_argument("--output", default="margin_losses.png")
    output = parser.parse_args().output

    margins = np.linspace(-2, 2.5, 901)
    y = np.ones_like(margins)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    left.step(margins, margins <= 0, "k--", where="post", lw=1, label="0-1 loss")
    for name, (loss, options) in LOSSES.items():
        values, slopes = loss(y, margins, reduction="none", with_gradient=True, **options)
        # The two that others follow for most of the way lie broad and pale beneath them.
        style = {"lw": 5, "alpha": 0.4} if name in ("hinge", "squared hinge") else {"lw": 1.5}
        left.plot(margins, values, label=name, **style)
        right.plot(margins, slopes, label=name, **style)
        print(f"{name:26} at m = 0: {loss([1], [0.0], **options):.3f}")
    left.set(xlabel="margin", ylabel="loss", ylim=(-0.1, 4.5))
    right.set(xlabel="margin", ylabel="slope", ylim=(-4.3, 0.2))
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False, fontsize="small")
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")


if __name__ == "__main__":
    main()
