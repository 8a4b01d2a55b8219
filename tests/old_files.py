"""Small fitted estimators of every kind, whose files of each released version are test data.

``python tests/old_files.py FOLDER`` writes a model file for each and their answers, by the version
of structsvm that is imported. Inputs are made by integer arithmetic, so that they never change.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from structsvm import (
    ChainModel,
    ChainSVM,
    GraphSVM,
    GridSVM,
    MulticlassSVM,
    SequenceTagger,
    StructSVM,
)
from structsvm.features import TokenFeatures
from structsvm.losses import HammingLoss


def numbers(*shape, seed=0):
    """Numbers between -1 and 1 of no pattern that a fit could fail on."""
    k = np.arange(np.prod(shape)) + 1000 * seed
    return ((k * 7919 + k * k * 104729) % 2003 / 1001.5 - 1).reshape(shape)


def sequences(names):
    X = [numbers(length, 5, seed=length) for length in (3, 6, 4, 5)]
    return X, [[names[int(k)] for k in np.argmax(x[:, :3], axis=1)] for x in X]


def pairs_with_edge_features():
    X, y = sequences(["a", "b", "c"])
    return [(x, numbers(len(x), 2, seed=k)) for k, x in enumerate(X)], y


def images(n_labels=2):
    X = [numbers(4, 5, 3, seed=k) for k in range(3)]
    return X, [np.argmax(x[..., :n_labels], axis=-1) for x in X]


def graphs():
    edges = np.array([[0, 1], [1, 2], [2, 3], [3, 0]])
    X = [(numbers(4, 3, seed=k), edges, numbers(4, 1, seed=k + 9) ** 2) for k in range(4)]
    return X, [np.argmax(x[0][:, :2], axis=1) for x in X]


def rows():
    X = numbers(30, 4)
    return X, np.array(["red", "green", "blue"])[np.argmax(X[:, :3], axis=1)]


def sentences():
    text = ["the old dog sleeps", "she saw the cat", "the cat saw her"]
    tags = ["B-NP I-NP I-NP B-VP", "B-NP B-VP B-NP I-NP", "B-NP I-NP B-VP B-NP"]
    return [line.split() for line in text], [line.split() for line in tags]


def attributes():
    words, tags = sentences()
    return [[{"w": word, "n": len(word)} for word in line] for line in words], tags


def cases():
    """Name -> (estimator, X, y)."""
    common = {"tol": 0.1, "random_state": 0}
    names = sequences(["B-NP", "I-NP", "ö"])
    X, y = rows()
    return {
        "chain": (ChainSVM(**common), *names),
        "chain_integers": (
            ChainSVM(transitions=False, boundary=False, **common),
            *sequences([-5, 7, 900]),
        ),
        "chain_edges": (ChainSVM(**common), *pairs_with_edge_features()),
        "chain_order_2": (ChainSVM(order=2, **common), *names),
        "chain_cost": (
            ChainSVM(loss=HammingLoss(normalize=True, cost=2 * (1 - np.eye(3))), **common),
            *names,
        ),
        "chain_perceptron": (ChainSVM(solver="perceptron", random_state=0), *names),
        "structured": (
            StructSVM(ChainModel(task_loss="normalized_hamming"), C=3, **common),
            *names,
        ),
        "grid": (GridSVM(C=10, **common), *images()),
        "grid_table": (GridSVM(C=10, pairwise="table", connectivity=8, **common), *images(3)),
        "graph": (GraphSVM(C=10, **common), *graphs()),
        "multiclass": (MulticlassSVM(**common), X, y),
        "multiclass_sparse": (MulticlassSVM(loss="weston_watkins", **common), sp.csr_array(X), y),
        "multiclass_two": (MulticlassSVM(slack="squared", **common), X, y == "red"),
        "tagger": (SequenceTagger(constraints="iob2", random_state=0), *sentences()),
        "tagger_hashed": (
            SequenceTagger(
                features=TokenFeatures(["U0:%x[0,0]", "U1:%x[-1,0]"], n_hashed=64), random_state=0
            ),
            *sentences(),
        ),
        "tagger_attributes": (SequenceTagger(random_state=0), *attributes()),
    }


def answers(estimator, X):
    found = [np.asarray(output).ravel().tolist() for output in estimator.predict(X)]
    return {
        "predictions": found,
        "scores": np.asarray(estimator.decision_function(X)).ravel().tolist(),
        "gap": estimator.dual_gap_,
        "certified": estimator.certified_,
    }


def write(folder):
    folder.mkdir(parents=True, exist_ok=True)
    told = {}
    for name, (estimator, X, y) in cases().items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            estimator.fit(X, y)
        estimator.save(folder / name)
        told[name] = answers(estimator, X)
    (folder / "answers.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
