"""Scores of a word's best readings, and what the loss adds: where a violation is looked for."""

import matplotlib.pyplot as plt

from structsvm import ChainSVM
from structsvm.datasets import make_digit_words

data = make_digit_words(n_train=60, n_test=1, noise=0.3, random_state=3)
svm = ChainSVM(C=0.02, random_state=0).fit(data.X_train, data.y_train)
i = next(i for i, y in enumerate(data.y_train) if len(y) == 4)
word, truth = data.X_train[i], data.y_train[i]

readings = svm.predict_n_best([word], n=60)[0]
found = svm.loss_augmented_predict([word], [truth])[0]
shown = [(y, score) for y, score in readings if (y == truth).all() or (y == found).all()]
shown += [each for each in readings if all((each[0] != y).any() for y, _ in shown)][:4]
shown.sort(key=lambda each: -each[1])

figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
of_truth = next(score for y, score in shown if (y == truth).all())
for row, (y, score) in enumerate(shown):
    loss = int((y != truth).sum())
    is_truth = loss == 0
    axis.barh(row, score, color="C2" if is_truth else "C0", height=0.6)
    axis.barh(row, loss, left=score, color="C1", height=0.6, alpha=0.8)
    note = (
        "  truth" if is_truth else "  found by loss-augmented inference" * bool((y == found).all())
    )
    axis.text(score + loss, row, note, va="center", fontsize=9)
axis.axvline(of_truth, color="C2", linewidth=1, linestyle="--")
axis.set_yticks(range(len(shown)), [" ".join(map(str, y)) for y, _ in shown])
axis.invert_yaxis()
low = min(score for _, score in shown)
axis.set_xlim(low - 1, max(s + (y != truth).sum() for y, s in shown) + 2.2)
axis.set(xlabel="score (blue, green) and loss (orange)", title="readings of one word")
