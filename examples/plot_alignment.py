"""
Protein alignments whose gap costs and substitution scores are learnt back
===========================================================================

Pairs of remote relatives are composed by a model with known probabilities: amino acids change
mostly within their group, gaps are rare and long. From pairs that are aligned, an alignment model
learns what two amino acids and a gap are worth, to a certificate, and is compared with scores of
identity whose gap costs are the best of a grid, and with the log odds that composed the pairs.
"""

import itertools

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import AlignmentSVM

GROUPS = ("ILVM", "FWY", "KRH", "DENQ", "STAG", "CP")
LETTERS = np.array(list("".join(GROUPS)))
GROUP_OF = np.repeat(np.arange(len(GROUPS)), [len(group) for group in GROUPS])
SAME, WITHIN = 0.2, 0.5  # unchanged; another of its group; else any
OPEN, EXTEND = 0.04, 0.85  # a gap begins; a gap goes on


def conditional():
    """The probability of each amino acid given that of the relative."""
    n = len(LETTERS)
    of_group = (GROUP_OF[:, None] == GROUP_OF).astype(float)
    of_group /= of_group.sum(axis=1, keepdims=True)
    return SAME * np.eye(n) + WITHIN * of_group + (1 - SAME - WITHIN) / n


def relatives(rng, chances, n_pairs=50):
    """Two sequences and their alignment, a list of pairs of positions."""
    first, second, pairs = [], [], []
    for k in range(n_pairs):
        for sequence in (first, second):
            if k and rng.random() < OPEN:
                extra = rng.integers(len(LETTERS), size=rng.geometric(1 - EXTEND))
                sequence.extend(extra)
        pairs.append((len(first), len(second)))
        first.append(rng.integers(len(LETTERS)))
        second.append(rng.choice(len(LETTERS), p=chances[first[-1]]))
    return ("".join(LETTERS[first]), "".join(LETTERS[second])), pairs


rng = np.random.default_rng(0)
chances = conditional()
X, y = zip(*(relatives(rng, chances) for _ in range(300)))
X_train, y_train, X_test, y_test = X[:200], y[:200], X[200:], y[200:]
svm = AlignmentSVM(max_shift=4, random_state=0).fit(X_train, y_train)
model = svm.model_
learnt = svm.substitution_scores_, svm.gap_scores_


def weights(substitution, gaps):
    """The weights of given scores; of the symmetric matrix the lower triangle, row by row."""
    return np.concatenate([substitution[np.tril_indices(len(substitution))], gaps])


# Amino acids are sorted in the model.
order = np.argsort(LETTERS)
odds = np.log(len(LETTERS) * chances)[np.ix_(order, order)]
true_gaps = np.log([OPEN * (1 - EXTEND) / EXTEND / (1 - OPEN), EXTEND])
candidates = [
    weights(2 * np.eye(len(LETTERS)) - 1, gaps)
    for gaps in itertools.product((-1.0, -2.0, -4.0, -8.0), (-0.1, -0.3, -1.0))
]
identity = max(candidates, key=lambda w: model.score(y_train, model.batch_inference(X_train, w)))
answers = [model.batch_inference(X_test, w) for w in (identity, svm.coef_)]
best = model.score(y_test, model.batch_inference(X_test, weights(odds, true_gaps)))
scores = [100 * model.score(y_test, answer) for answer in answers]
print(f"{svm.n_oracle_calls_} alignments, certified gap {svm.dual_gap_:.1e}")
print(f"the odds that composed them: F1 {100 * best:.1f}%")
print(f"identity, gap costs of a grid: {scores[0]:.1f}% of held-out pairs (F1)")
print(f"learnt scores: {scores[1]:.1f}% of held-out pairs (F1)")

# Scores have no unit; and as each position is in a pair or in a gap, 2 more for each pair and 1
# more for each position in a gap change nothing. Unit and shift are those where substitutions
# agree best.
design = np.stack([learnt[0].ravel(), np.full(learnt[0].size, 2.0)], axis=1)
(unit, shift), *_ = np.linalg.lstsq(design, odds.ravel(), rcond=None)
substitution = unit * learnt[0] + 2 * shift
gaps = unit * learnt[1] + [0.0, shift]
figure, axes = plt.subplots(1, 3, figsize=(12.5, 4), layout="constrained")
ticks = [int(np.flatnonzero(LETTERS[order] == letter)[0]) for letter in LETTERS]
image = axes[0].imshow(substitution[np.ix_(ticks, ticks)], cmap="coolwarm", vmin=-3, vmax=3)
axes[0].set_xticks(range(len(LETTERS)), LETTERS, fontsize=7)
axes[0].set_yticks(range(len(LETTERS)), LETTERS, fontsize=7)
axes[0].set_title("learnt substitution scores, by group")
figure.colorbar(image, ax=axes[0], shrink=0.8)
sizes = np.arange(1, 21)
for (opens, extends), name, style in (
    (gaps, "learnt", "-"),
    (true_gaps, "log odds that composed the pairs", "--"),
):
    axes[1].plot(sizes, opens + sizes * extends, style, color="0.2", label=name)
axes[1].set(xlabel="positions in the gap", ylabel="score", title="scores of gaps")
axes[1].legend()
shown = int(np.argmax([model.loss(a, b) for a, b in zip(y_test, answers[0], strict=True)]))
for alignment, name, style in (
    (y_test[shown], "true", {"color": "0.75", "s": 30}),
    (answers[0][shown], "identity", {"color": "tab:red", "s": 8}),
    (answers[1][shown], "learnt", {"color": "tab:blue", "s": 8}),
):
    axes[2].scatter(*np.array(alignment).T, label=name, **style)
axes[2].set(xlabel="position in one protein", ylabel="in the other", title="a held-out pair")
axes[2].legend()
figure.savefig("alignment.png", dpi=110)
print("wrote alignment.png")
