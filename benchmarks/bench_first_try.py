"""The first try: estimators with nothing changed, on data that nobody tuned on.

    STRUCTSVM_DATA=... python benchmarks/bench_first_try.py [--parts tables text models]

"tables": `MulticlassSVM()` on four sets of scikit-learn and six made-up ones, raw and with columns
of very different scales, mean accuracy of 5 folds; beside it scikit-learn's ``LinearSVC()`` and
``LogisticRegression()``, which get standardised columns. "text": `SequenceTagger()` on CoNLL-2000
and on tags of English sentences, by hand-written dicts and by full templates, beside fixed values
of C. "models": ``StructSVM(model)`` for structures written in Python whose outputs are listed,
drawn from a known model with noise: held-out loss at multiples of the default C, as a share of the
least of them.
"""

import argparse
import gzip
import itertools
import os
import time
import warnings
from pathlib import Path

import numpy as np
from measure import save
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_classification,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from structsvm import ChainSVM, MulticlassSVM, SequenceTagger, StructSVM, StructuredModel
from structsvm.exceptions import TrivialFitWarning
from structsvm.features import SequenceVectorizer, TokenFeatures
from structsvm.metrics import SCORES

DATA = Path(os.environ.get("STRUCTSVM_DATA", "."))


# ---- tables

# Rows, columns, informative ones, classes, distance of clusters.
MADE_UP = [
    (600, 20, 6, 3, 1.0),
    (500, 40, 8, 5, 1.0),
    (400, 30, 10, 8, 1.2),
    (800, 50, 10, 6, 0.8),
    (300, 100, 10, 4, 1.0),
    (1000, 10, 5, 2, 0.7),
]


def sets_of_rows():
    for load in (load_iris, load_wine, load_breast_cancer, load_digits):
        yield load.__name__.removeprefix("load_"), *load(return_X_y=True)
    for seed, (n, d, informative, k, distance) in enumerate(MADE_UP):
        yield (
            f"made up {seed}",
            *make_classification(
                n,
                d,
                n_informative=informative,
                n_redundant=min(4, d - informative),
                n_classes=k,
                class_sep=distance,
                n_clusters_per_class=1 if seed % 2 else 2,
                flip_y=0.02,
                random_state=seed,
            ),
        )


def accuracy(classifier, X, y):
    folds = StratifiedKFold(5, shuffle=True, random_state=0).split(X, y)
    start = time.process_time()
    scores = [classifier.fit(X[a], y[a]).score(X[b], y[b]) for a, b in folds]
    return float(np.mean(scores)), (time.process_time() - start) / 5


def tables():
    rows = []
    names = ("raw", "wild", "C='auto'", "LinearSVC", "logistic")
    print("set".ljust(15), *(name.rjust(10) for name in names), "  s a fit")
    for name, X, y in sets_of_rows():
        wild = X * 10.0 ** np.random.default_rng(1).uniform(-3, 3, X.shape[1])
        ours, seconds = accuracy(MulticlassSVM(random_state=0), X, y)
        row = {"set": name, "raw": ours, "seconds": seconds}
        row["wild"], _ = accuracy(MulticlassSVM(random_state=0), wild, y)
        row["C='auto'"], _ = accuracy(MulticlassSVM(C="auto", random_state=0), X, y)
        row["LinearSVC"], _ = accuracy(make_pipeline(StandardScaler(), LinearSVC()), X, y)
        logistic = make_pipeline(StandardScaler(), LogisticRegression())
        row["logistic"], _ = accuracy(logistic, X, y)
        rows.append(row)
        print(name.ljust(15), *(f"{row[n]:10.3f}" for n in names), f"{seconds:9.3f}", flush=True)
    print("mean".ljust(15), *(f"{np.mean([row[n] for row in rows]):10.3f}" for n in names))
    return rows


# ---- text

GRID = (0.03, 0.1, 0.3, 1.0)


def sentences(path, columns, tag):
    """Tokens, as tuples of some columns of a file, and their tags."""
    X, y = [], []
    with gzip.open(DATA / path, "rt") as file:
        for block in file.read().strip().split("\n\n"):
            rows = [line.split() for line in block.split("\n")]
            X.append([tuple(row[c] for c in columns) for row in rows])
            y.append([row[tag] for row in rows])
    return X, y


def by_hand(sentence):
    """Attributes as people write them down."""
    rows = []
    for t, token in enumerate(sentence):
        word = token[0]
        row = {
            "bias": 1.0,
            "word": word.lower(),
            "suffix": word[-3:],
            "short suffix": word[-2:],
            "upper": word.isupper(),
            "title": word.istitle(),
            "digit": word.isdigit(),
        }
        row |= {"tag": token[1], "short tag": token[1][:2]} if len(token) > 1 else {}
        for name, other in (("before", t - 1), ("after", t + 1)):
            if not 0 <= other < len(sentence):
                row[f"none {name}"] = True
                continue
            neighbour = sentence[other]
            row[f"word {name}"] = neighbour[0].lower()
            row[f"title {name}"] = neighbour[0].istitle()
            if len(neighbour) > 1:
                row[f"tag {name}"] = neighbour[1]
        rows.append(row)
    return rows


def with_length(sentence):
    """The same, and a number."""
    rows = by_hand(sentence)
    for row, token in zip(rows, sentence, strict=True):
        row["length"] = float(len(token[0]))
    return rows


def tasks():
    chunks = [sentences(f"conll2000/{part}.txt.gz", (0, 1), 2) for part in ("train", "test")]
    tags = [sentences(f"lines/{part}.tsv.gz", (1,), 2) for part in ("train", "test")]
    for name, score, data in (("chunks", "span_f1", chunks), ("tags", "token_accuracy", tags)):
        (X, y), (X_test, y_test) = data
        templates = TokenFeatures("chunk" if name == "chunks" else "words")
        yield f"{name}, templates", score, templates, X, y, X_test, y_test
        for kind, describe in (("dicts", by_hand), ("dicts with a number", with_length)):
            described, described_test = map(describe, X), map(describe, X_test)
            data = (list(described), y, list(described_test), y_test)
            yield f"{name}, {kind}", score, SequenceVectorizer(), *data


def text():
    rows = []
    print("task".ljust(28), "attributes", *(f"C={C:g}".rjust(8) for C in GRID), " default      C")
    for name, score, features, X, y, X_test, y_test in tasks():
        tagger = SequenceTagger(features, scoring=score, random_state=0).fit(X, y)
        row = {"task": name, "default": tagger.score(X_test, y_test), "C": tagger.C_}
        rows_train, rows_test = tagger.features_.transform(X), tagger.features_.transform(X_test)
        row["attributes"] = rows_train.rows.nnz / rows_train.rows.shape[0]
        for C in GRID:
            chain = ChainSVM(C=C, fit_intercept=False, tol=0.03, random_state=0)
            answers = chain.fit(rows_train, y).predict(rows_test)
            row[f"C={C:g}"] = float(SCORES[score](y_test, answers))
        rows.append(row)
        grid = (f"{row[f'C={C:g}']:8.4f}" for C in GRID)
        told = (f"{row['attributes']:10.1f}", *grid, f"{row['default']:8.4f} {row['C']:6.3f}")
        print(name.ljust(28), *told, flush=True)
    return rows


# ---- people's own models

FACTORS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
N_SEEDS, N_TEST = 3, 1500


class Listed(StructuredModel):
    """A structure with few outputs, which are listed; x is the array of their joint features."""

    def __init__(self, outputs, task_loss):
        self.outputs = outputs
        self.task_loss = task_loss

    def initialize(self, X, y):
        self.places = {output: k for k, output in enumerate(self.outputs)}
        self.losses = np.array(
            [[float(self.task_loss(a, b)) for b in self.outputs] for a in self.outputs]
        )

    def joint_feature(self, x, y):
        return x[self.places[y]]

    def loss(self, y, y_hat):
        return self.losses[self.places[y], self.places[y_hat]]

    def loss_augmented_inference(self, x, y, w):
        return self.outputs[int(np.argmax(x @ w + self.losses[self.places[y]]))]

    def inference(self, x, w):
        return self.outputs[int(np.argmax(x @ w))]


def wrong(y, other):
    return sum(a != b for a, b in zip(y, other, strict=True))


def swapped(y, other):
    """Pairs of places in another order."""
    p, q = np.argsort(y), np.argsort(other)
    pairs = itertools.combinations(range(len(y)), 2)
    return sum((p[i] - p[j]) * (q[i] - q[j]) < 0 for i, j in pairs)


def missed(y, other):
    return len(set(y) - set(other))


def apart(y, other):
    """1 less the overlap of two intervals."""
    both = max(0, min(y[1], other[1]) - max(y[0], other[0]))
    return 1 - both / (y[1] - y[0] + other[1] - other[0] - both)


def one_hot(k, n):
    return np.eye(n)[k]


def of_class(x, y):
    return np.outer(one_hot(y[0], 6), np.append(x, 1)).ravel()


def of_sequence(x, y):
    labels = np.eye(3)[list(y)]
    return np.concatenate([(labels.T @ x).ravel(), (labels[:-1].T @ labels[1:]).ravel()])


def of_subset(x, y):
    i, j = np.triu_indices(len(y), 1)
    y = np.array(y)
    return np.concatenate([np.outer(y, x).ravel(), y[i] * y[j]])


def of_ranking(x, y):
    weights = np.array([[1 / (1 + place), place == 0] for place in range(len(y))])
    return (weights.T @ x[list(y)]).ravel()


def of_matching(x, y):
    return sum(x[i, j] for i, j in enumerate(y))


def of_grid(x, y):
    labels = np.reshape(y, (2, 4))
    alike = [(labels[:, 1:] == labels[:, :-1]).sum(), (labels[1:] == labels[:-1]).sum()]
    signs = labels - 0.5
    return np.concatenate([(x * signs[..., None]).sum((0, 1)), [signs.sum()], alike])


def path_of(leaf):
    return [leaf // 4, 2 + leaf // 2, 6 + leaf]


def of_tree(x, y):
    psi = np.zeros((14, len(x)))
    psi[path_of(y[0])] = x
    return psi.ravel()


def between(y, other):
    return wrong(path_of(y[0]), path_of(other[0]))


def of_parts(x, y):
    return x[list(y)].sum(axis=0)


def of_level(x, y):
    level = y[0] - 3
    return np.concatenate([level * x, [-level * level / 3, level]])


def of_interval(x, y):
    return np.append(x[y[0] : y[1]].sum(axis=0), y[1] - y[0])


def spanning_trees():
    edges = list(itertools.combinations(range(4), 2))
    for chosen in itertools.combinations(range(6), 3):
        part = list(range(4))
        for e in chosen:
            a, b = (part[node] for node in edges[e])
            part = [a if p == b else p for p in part]
        if len(set(part)) == 1:
            yield chosen


# Outputs, joint feature, loss, shape of x, number of training examples.
STRUCTURES = {
    "classes": ([(k,) for k in range(6)], of_class, wrong, (8,), 200),
    "sequences": (list(itertools.product(range(3), repeat=4)), of_sequence, wrong, (4, 5), 80),
    "subsets": (list(itertools.product((0, 1), repeat=6)), of_subset, wrong, (6,), 80),
    "rankings": (list(itertools.permutations(range(5))), of_ranking, swapped, (5, 4), 80),
    "matchings": (list(itertools.permutations(range(5))), of_matching, wrong, (5, 5, 6), 80),
    "grids": (list(itertools.product((0, 1), repeat=8)), of_grid, wrong, (2, 4, 4), 80),
    "hierarchies": ([(k,) for k in range(8)], of_tree, between, (6,), 200),
    "spanning trees": (list(spanning_trees()), of_parts, missed, (6, 5), 80),
    "selections": (list(itertools.combinations(range(7), 3)), of_parts, missed, (7, 5), 80),
    "levels": ([(k,) for k in range(7)], of_level, lambda y, z: abs(y[0] - z[0]), (8,), 200),
    "intervals": (list(itertools.combinations(range(11), 2)), of_interval, apart, (10, 4), 80),
}


def draw(outputs, joint_feature, shape, n, random, truth):
    """Inputs as the joint features of all outputs, and the best output by noisy scores."""
    X = []
    for _ in range(n):
        x = random.normal(size=shape)
        X.append(np.array([joint_feature(x, y) for y in outputs], dtype=float))
    truth = random.normal(size=X[0].shape[1]) if truth is None else truth
    scores = np.array([x @ truth for x in X])
    scores += 0.5 * scores.std(axis=1).mean() * random.gumbel(size=scores.shape)
    return X, [outputs[k] for k in scores.argmax(axis=1)], truth


def models():
    rows = []
    print("structure".ljust(16), *(f"{factor:>7g}" for factor in FACTORS), "  least loss")
    for name, (outputs, joint_feature, loss, shape, n) in STRUCTURES.items():
        losses, svm = np.zeros(len(FACTORS)), StructSVM(Listed(outputs, loss), tol=1e-2)
        for seed in range(N_SEEDS):
            random = np.random.default_rng(seed)
            X, y, truth = draw(outputs, joint_feature, shape, n, random, None)
            X_test, y_test, _ = draw(outputs, joint_feature, shape, N_TEST, random, truth)
            svm.set_params(C="scale", random_state=seed).fit(X, y)
            default = svm.C_
            for k, factor in enumerate(FACTORS):
                svm.set_params(C=factor * default).fit(X, y)
                losses[k] -= svm.score(X_test, y_test) / N_SEEDS
        shares = losses / losses.min()
        rows.append(
            {"structure": name, "least": losses.min()}
            | dict(zip(FACTORS, shares.tolist(), strict=True))
        )
        told = (f"{share:7.3f}" for share in shares)
        print(name.ljust(16), *told, f"{losses.min():12.3f}", flush=True)
    return rows


PARTS = {"tables": tables, "text": text, "models": models}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    for category in (ConvergenceWarning, TrivialFitWarning):  # at some of the fixed values of C
        warnings.simplefilter("ignore", category)
    rows = []
    for part in parser.parse_args().parts:
        rows += [{"part": part} | row for row in PARTS[part]()]
        print()
    save("first_try", rows)


if __name__ == "__main__":
    main()
