"""
Mistakes that cost more: a cost matrix, and a grid over a model's parameters
============================================================================

What you learn: to say what each mistake costs, and to choose a model's parameters by
`GridSearchCV`. The digits of a word are read as numbers: 3 for 4 is off by one, 0 for 9 is off by
nine. A `HammingLoss` with the matrix ``|a - b|`` trains for the mean distance; plain Hamming loss
trains for the share of right digits. The model's parameters are ``model__...`` of `StructSVM`.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV

from structsvm import ChainModel, StructSVM
from structsvm.datasets import make_digit_words
from structsvm.losses import HammingLoss
from structsvm.plotting import LabelConfusionDisplay

DISTANCE = np.abs(np.subtract.outer(np.arange(10.0), np.arange(10.0)))


def mean_distance(y_true, y_pred):
    return np.abs(np.concatenate(y_true) - np.concatenate(y_pred)).mean()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Read digits whose mistakes cost their distance.")
    parser.add_argument("--output", default="ordinal_digits.png", help="the picture to write")
    output = parser.parse_args().output
    data = make_digit_words(n_train=120, n_test=300, noise=1.3, random_state=0)

    search = GridSearchCV(
        StructSVM(ChainModel(), random_state=0, tol=1e-2),
        {
            "model__task_loss": [HammingLoss(), HammingLoss(cost=DISTANCE)],
            "model__transitions": [True, False],
        },
        scoring=make_scorer(mean_distance, greater_is_better=False),
        cv=3,
    ).fit(data.X_train, data.y_train)
    for params, score in zip(search.cv_results_["params"], search.cv_results_["mean_test_score"]):
        costs = "distance" if params["model__task_loss"].cost is not None else "Hamming"
        chain = "a chain" if params["model__transitions"] else "digits alone"
        print(f"{costs}, {chain}: off by {-score:.3f} in the mean")

    plain = StructSVM(ChainModel(), random_state=0, tol=1e-2).fit(data.X_train, data.y_train)
    figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
    models = {"Hamming": plain, "chosen": search.best_estimator_}
    for ax, (name, svm) in zip(axes, models.items()):
        guess = svm.predict(data.X_test)
        off = mean_distance(data.y_test, guess)
        print(f"{name}: certified gap {svm.dual_gap_:.1e}, off by {off:.3f} on held-out digits")
        LabelConfusionDisplay.from_predictions(
            data.y_test, guess, normalize="true", ax=ax, cmap="Blues", colorbar=False,
            include_values=False,
        )  # fmt: skip
        ax.set_title(f"{name}: off by {off:.2f} in the mean")
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
