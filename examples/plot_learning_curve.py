"""
Is it more data, or another C? Curves with certificates
=======================================================

What you learn: to tell apart a model that needs more data, one that needs another C, and a fit
that was stopped too early. The learning curve has the score on training words and on held-out
words; the path has the held-out score for each C, and beside it the gap to which each fit is
certified, so that no score is that of a half-finished fit.
"""

import argparse

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import ChainSVM, PathSearch
from structsvm.datasets import make_digit_words
from structsvm.plotting import PathDisplay

SIZES = (10, 20, 40, 80, 160, 320)

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw a learning curve and a path of C.")
    parser.add_argument("--output", default="learning_curve.png", help="the picture to write")
    output = parser.parse_args().output
    data = make_digit_words(n_train=320, n_test=200, random_state=0)
    test = data.X_test, data.y_test

    scores = []
    for n in SIZES:
        svm = ChainSVM(C=0.1, random_state=0).fit(data.X_train[:n], data.y_train[:n])
        scores.append((svm.score(data.X_train[:n], data.y_train[:n]), svm.score(*test)))
        print(
            f"{n} words: certified gap {svm.dual_gap_:.1e}, "
            f"{scores[-1][1]:.1%} of held-out digits right"
        )
    train_scores, test_scores = np.array(scores).T

    search = PathSearch(ChainSVM(random_state=0), Cs=[0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3])
    search.fit(data.X_train, data.y_train, X_val=data.X_test, y_val=data.y_test)
    gaps = search.cv_results_["dual_gap"]
    worst = min(search.cv_results_["mean_test_score"])
    print(f"the path: certified gap {gaps.max():.1e} at most")
    print(f"the worst C: {worst:.1%} of held-out digits right")
    print(f"C = {search.best_params_['C']:g}: {search.best_score_:.1%} of held-out digits right")

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
    left.plot(SIZES, train_scores, "o--", label="training words")
    left.plot(SIZES, test_scores, "o-", label="held-out words")
    left.set(xscale="log", xlabel="training words", ylabel="share of digits right")
    left.set_title("a gap between the curves: more data helps")
    left.set_xticks(SIZES, SIZES)
    left.minorticks_off()
    left.legend(frameon=False)
    PathDisplay.from_estimator(search, ax=right)
    right.set_title("every score is of a finished fit")
    figure.savefig(output, dpi=90)
    print(f"wrote {output}")
