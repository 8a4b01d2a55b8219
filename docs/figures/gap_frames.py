"""A fit, pass by pass: bounds that close in on the optimum, and what is read meanwhile."""

import base64
import io
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning

from structsvm import ChainSVM
from structsvm.datasets import make_digit_words

FRAMES = 16
PAGE = """<div class="frames">
<input type="range" min="0" max="{last}" value="0" aria-label="pass"
 oninput="for (const [i, each] of [...this.parentNode.querySelectorAll('img')].entries())
 each.hidden = i != this.value">
{images}
</div>
"""


def frame(fits, word, image_shape, readings, truth):
    """The last of `fits`, which ended after 1, 2, ... passes, with the bounds of all."""
    upper = np.minimum.accumulate([fit.objective_ for fit in fits])
    lower = [fit.dual_objective_ for fit in fits]
    passes = np.arange(1, len(fits) + 1)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9, 3.4), layout="constrained", width_ratios=[1.4, 1]
    )
    left.fill_between(passes, lower, upper, color="C0", alpha=0.15)
    left.plot(passes, upper, "C0o-", markersize=3, label="objective: an upper bound")
    left.plot(passes, lower, "C1o-", markersize=3, label="dual: a lower bound")
    left.set(
        xlim=(0.5, FRAMES + 0.5),
        ylim=(0, 1.1 * upper[0]),
        xlabel="pass",
        title=f"after pass {len(fits)}: gap {1 - lower[-1] / upper[-1]:.3f}",
    )
    left.legend(frameon=False, loc="upper right", fontsize=9)
    right.imshow(np.hstack([row.reshape(image_shape) for row in word]), cmap="gray_r")
    for place, (label, true) in enumerate(zip(readings[-1], truth, strict=True)):
        color = "C2" if label == true else "C3"
        right.text(8 * place + 3.5, 9.8, str(label), ha="center", color=color, fontsize=14)
    right.set(xticks=[], yticks=[], title="a held-out word, as it is read now")
    right.set_ylim(11, -0.5)
    right.spines[:].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=80)
    plt.close(figure)
    return base64.b64encode(buffer.getvalue()).decode()


def write(path: Path) -> None:
    """Write a slider of frames, as HTML, to `path`."""
    data = make_digit_words(n_train=150, n_test=200, noise=0.4, random_state=0)
    fits = []
    for passes in range(1, FRAMES + 1):
        fits.append(ChainSVM(C=0.1, random_state=0, max_iter=passes))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            fits[-1].fit(data.X_train, data.y_train)
    readings = [fit.predict(data.X_test) for fit in fits]
    # The word that changes most of those that are short and end up right.
    changes = [
        sum((reading[i] != y).sum() for reading in readings)
        if len(y) < 7 and (readings[-1][i] == y).all()
        else -1
        for i, y in enumerate(data.y_test)
    ]
    i = int(np.argmax(changes))
    of_word = [reading[i] for reading in readings]
    pictures = [
        frame(fits[:n], data.X_test[i], data.image_size, of_word[:n], data.y_test[i])
        for n in range(1, FRAMES + 1)
    ]
    images = "\n".join(
        f'<img{" hidden" * (n > 0)} alt="Bounds, and a word as it is read, after pass {n + 1}" '
        f'src="data:image/png;base64,{picture}">'
        for n, picture in enumerate(pictures)
    )
    path.write_text(PAGE.format(last=FRAMES - 1, images=images))
