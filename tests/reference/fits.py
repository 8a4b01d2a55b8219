"""Fits of every kind, and the hashes of all that comes of them; `tests/test_same_bits.py` runs this
in processes of its own, as libraries read their switches when they are loaded.

    python tests/reference/fits.py [WORD ...]    only fits whose names hold one of the words
"""

import functools
import hashlib
import json
import sys
import warnings

import numpy as np
import scipy.sparse as sp

from structsvm import (
    ChainSVM,
    GraphSVM,
    GridSVM,
    MulticlassSVM,
    PartsModel,
    SequenceTagger,
    StructSVM,
    StructuredModel,
    SurrogateSVM,
    TypedGraphModel,
    fit_path,
    minimize_risk,
    solvers,
)
from structsvm.datasets import make_digit_words
from structsvm.estimators.surrogate import SURROGATES
from structsvm.inference import (
    Arborescence,
    Assignment,
    IntervalSchedule,
    Knapsack,
    ShortestPath,
    SpanningTree,
)

FITTED = ("coef_", "intercept_", "dual_coef_", "support_", "objective_", "dual_objective_", "gap_")
FITTED += ("dual_gap_", "n_iter_", "edge_coef_", "beta_", "gamma_", "validation_score_")


#: Objectives of the data as they are: bits do not depend on defaults.
PLAIN = {"C": 1.0, "scale": None}
PLAIN_GRID = PLAIN | {
    "connectivity": 4,
    "contrast_channels": None,
    "class_weight": None,
    "tol": 1e-3,
}


def numbers_of(estimator, *more):
    """All that a fit gives, as bytes; the seconds aside."""
    parts = [getattr(estimator, name) for name in FITTED if hasattr(estimator, name)]
    history = getattr(estimator, "history_", {})
    parts += [history[name] for name in sorted(history) if name != "seconds"]
    for item in more:
        parts += item if isinstance(item, list) else [item]
    arrays = [np.asarray(part) for part in parts]
    # NaN has many bits, of which none is another number.
    return b"|".join(
        np.where(np.isnan(a), np.nan, a).tobytes() if a.dtype.kind == "f" else a.tobytes()
        for a in arrays
    )


# ---- data that no library rounds otherwise


def uniform(seed, *shape):
    return np.random.RandomState(seed).uniform(-1.0, 1.0, shape)


@functools.cache
def words():
    bunch = make_digit_words(40, 10, random_state=0)
    # Its noise is made by logarithms, whose last bits are the C library's.
    train, test = ([np.round(x, 6) for x in X] for X in (bunch.X_train, bunch.X_test))
    return train, bunch.y_train, test, bunch.y_test


@functools.cache
def rows(n_classes, n=160, n_features=12):
    X = uniform(0, n, n_features)
    y = np.arange(n) % n_classes
    X[np.arange(n), y] += 0.8
    return X, y


@functools.cache
def images(n_labels=2):
    found = [], []
    for seed in range(4):
        pixels = uniform(seed, 9, 8, 2)
        labels = np.add.outer(np.arange(9) // 3, np.arange(8) // 4) % n_labels
        pixels[:, :, 0] += labels
        found[0].append(pixels)
        found[1].append(labels)
    return found


@functools.cache
def graphs():
    X, y = [], []
    for seed in range(12):
        nodes = uniform(seed, 9, 4)
        edges = np.array([[i, j] for i in range(9) for j in range(i + 1, 9) if (i * j) % 4 == 1])
        labels = np.arange(9) % 2
        nodes[:, 0] += labels
        X.append((nodes, edges, np.abs(uniform(seed + 50, len(edges), 2))))
        y.append(labels)
    return X, y


class OneOfMany(StructuredModel):
    """Classes, in Python; its inner products are NumPy's sums, not its BLAS's."""

    n_weights = 36

    def scores(self, x, w):
        return (w.reshape(3, -1) * x).sum(axis=1)

    def joint_feature(self, x, y):
        psi = np.zeros((3, len(x)))
        psi[y] = x
        return psi.ravel()

    def loss(self, y, y_hat):
        return float(y != y_hat)

    def inference(self, x, w):
        return int(np.argmax(self.scores(x, w)))

    def loss_augmented_inference(self, x, y, w):
        return int(np.argmax(self.scores(x, w) + (np.arange(3) != y)))


# ---- fits by name

FITS = {}


def chain(solver="bcfw", **more):
    X, y, X_test, y_test = words()
    options = {"max_iter": 12, "random_state": 0} | more
    validated = options.pop("X_val", False)
    svm = ChainSVM(**(PLAIN | {"solver": solver} | options))
    svm.fit(X, y, **({"X_val": X_test, "y_val": y_test} if validated else {}))
    return numbers_of(svm, svm.predict(X_test), svm.decision_function(X_test))


for name in ("bcfw", "cutting_plane", "n_slack", "subgradient", "perceptron", "passive_aggressive"):
    FITS[f"chain {name}"] = functools.partial(chain, name)
FITS["chain frank-wolfe"] = lambda: chain(solvers.BCFW(step="frank_wolfe", averaging=True))
FITS["chain gaps"] = lambda: chain(solvers.BCFW(sampling="gap", acceleration=0))
FITS["chain projected"] = lambda: chain(solvers.Subgradient(project=True, averaging="uniform"))
FITS["chain second order"] = lambda: chain(order=2, max_iter=4)
FITS["chain slack rescaling"] = lambda: chain(rescaling="slack", max_iter=4)
FITS["chain jobs"] = lambda: chain(n_jobs=2)
FITS["chain held out"] = lambda: chain(X_val=True)


def edge_features():
    X, y, X_test, _ = words()
    X, X_test = (
        [(x, np.concatenate([np.zeros((1, 3)), x[1:, :3] * x[:-1, 3:6]])) for x in X]
        for X in (X, X_test)
    )
    svm = ChainSVM(**PLAIN, max_iter=4, random_state=0).fit(X, y)
    return numbers_of(svm, svm.predict(X_test), svm.decision_function(X_test))


FITS["chain edge features"] = edge_features


def wide():
    """More weights than a BLAS gives to one thread."""
    X, y, X_test, _ = words()
    X, X_test = ([np.hstack([x] * 24) for x in X] for X in (X, X_test))
    svm = ChainSVM(**PLAIN, max_iter=8, solver="cutting_plane").fit(X, y)
    return numbers_of(svm, svm.predict(X_test))


FITS["chain wide"] = wide


def path():
    X, y, X_test, _ = words()
    fits = fit_path(ChainSVM(**PLAIN, max_iter=10, random_state=0), X, y, [0.01, 0.1, 1.0])
    return b"".join(numbers_of(fit, fit.predict(X_test)) for fit in fits)


def warm():
    X, y, X_test, _ = words()
    svm = ChainSVM(max_iter=10, random_state=0, warm_start=True, C=0.1, scale=None).fit(X, y)
    svm.set_params(C=1.0).fit(X, y)
    return numbers_of(svm, svm.predict(X_test))


def partial():
    X, y, X_test, _ = words()
    svm = ChainSVM(**PLAIN, solver="passive_aggressive")
    for start in range(0, len(X), 10):
        svm.partial_fit(X[start : start + 10], y[start : start + 10], classes=range(10))
    return numbers_of(svm, svm.predict(X_test))


FITS["path"], FITS["warm start"], FITS["partial fit"] = path, warm, partial


def tagger():
    sentences = [[f"w{(i * j) % 17}x" for j in range(1, 6 + i % 5)] for i in range(30)]
    tags = [["ODD" if len(w) % 2 else f"E{w[1]}" for w in sentence] for sentence in sentences]
    svm = SequenceTagger(**PLAIN, max_iter=8, random_state=0).fit(sentences, tags)
    return numbers_of(svm, [repr(svm.predict(sentences)).encode()])


FITS["tagger"] = tagger


def multiclass(n_classes=4, kind="dense", **more):
    X, y = rows(n_classes)
    X = {"dense": np.asarray, "sparse": sp.csr_array, "float32": np.float32}[kind](X)
    svm = MulticlassSVM(
        **({"max_iter": 12, "random_state": 0, "C": 2.0, "scale": None} | more)
    ).fit(X, y)
    return numbers_of(svm, svm.predict(X), svm.decision_function(X))


for hinge in ("crammer_singer", "weston_watkins", "lee_lin_wahba"):
    for squared in ("linear", "squared"):
        FITS[f"multiclass {hinge} {squared}"] = functools.partial(
            multiclass, loss=hinge, slack=squared
        )
for kind in ("dense", "sparse", "float32"):
    FITS[f"multiclass two {kind}"] = functools.partial(multiclass, 2, kind)
    FITS[f"multiclass {kind}"] = functools.partial(multiclass, 9, kind)
    FITS[f"kernel rbf {kind}"] = functools.partial(multiclass, 3, kind, kernel="rbf")
for name in ("bcfw", "cutting_plane", "n_slack", "subgradient", "perceptron"):
    more = {} if name != "perceptron" else {"C": 1.0}
    FITS[f"multiclass {name}"] = functools.partial(multiclass, solver=name, **more)
FITS["kernel linear"] = lambda: multiclass(kernel="linear")
FITS["kernel poly"] = lambda: multiclass(kernel="poly", coef0=1.0)
FITS["kernel two"] = lambda: multiclass(2, kernel="rbf", gamma=0.5, slack="squared")
FITS["kernel little memory"] = lambda: multiclass(kernel="rbf", cache_size=0.05)


def python_model(**more):
    X, y = rows(3)
    X, y = list(X[:60]), y[:60].tolist()
    svm = StructSVM(OneOfMany(), **(PLAIN | {"max_iter": 6, "random_state": 0} | more)).fit(X, y)
    return numbers_of(svm, np.array(svm.predict(X)), svm.decision_function(X))


for name in ("bcfw", "cutting_plane", "n_slack", "subgradient", "passive_aggressive"):
    FITS[f"python {name}"] = functools.partial(python_model, solver=name)


def grid(n_labels=2, **more):
    X, y = images(n_labels)
    svm = GridSVM(**(PLAIN_GRID | {"max_iter": 6, "random_state": 0} | more)).fit(X, y)
    return numbers_of(svm, svm.predict(X))


FITS["grid cut"] = grid
FITS["grid cutting plane"] = lambda: grid(solver="cutting_plane")
FITS["grid expansion"] = lambda: grid(3)
FITS["grid table"] = lambda: grid(pairwise="table", max_iter=3)
FITS["grid relaxation"] = lambda: grid(3, inference_method="relaxation", max_iter=3)


def graph(**more):
    X, y = graphs()
    svm = GraphSVM(**(PLAIN | {"max_iter": 6, "random_state": 0} | more)).fit(X, y)
    return numbers_of(svm, svm.predict(X))


FITS["graph"] = graph
FITS["graph n_slack"] = lambda: graph(solver="n_slack")
FITS["graph relaxation"] = lambda: graph(pairwise="table", inference_method="relaxation")


def typed(cycles):
    X, y = graphs()
    some = [], []
    for (nodes, edges, _), labels in zip(X, y, strict=True):
        kinds = {("a", "b"): [[k, k % 3] for k in range(9)]}
        if cycles:
            kinds["a", "a"] = edges
        some[0].append(({"a": nodes, "b": nodes[:3, 1:] * 2}, kinds))
        some[1].append({"a": labels, "b": np.arange(3)})
    svm = StructSVM(TypedGraphModel(), **PLAIN, max_iter=6, random_state=0).fit(*some)
    return numbers_of(svm, [row[kind] for row in svm.predict(some[0]) for kind in "ab"])


FITS["typed trees"] = lambda: typed(False)
FITS["typed relaxation"] = lambda: typed(True)


def surrogate(name, solver, kind="dense"):
    X, y = rows(2)
    X = {"dense": np.asarray, "sparse": sp.csr_array}[kind](X)
    svm = SurrogateSVM(name, **PLAIN, solver=solver, random_state=0)
    svm.set_params(max_iter=200 if solver == "newton" else 5).fit(X, y)
    return numbers_of(svm, svm.predict(X), svm.decision_function(X))


for name in SURROGATES:
    FITS[f"surrogate {name} steps"] = functools.partial(surrogate, name, "subgradient")
    if name not in ("hinge", "perceptron"):
        FITS[f"surrogate {name}"] = functools.partial(surrogate, name, "newton")
FITS["surrogate sparse"] = lambda: surrogate("squared_hinge", "newton", "sparse")


PAIRS = [(i, j) for i in range(6) for j in range(i + 1, 6)]
STRUCTURES = {
    "assignments": Assignment((4, 5)),
    "partial assignments": Assignment((5, 4), partial=True),
    "paths": ShortestPath(PAIRS, 0, 5),
    "spanning trees": SpanningTree(6, PAIRS),
    "arborescences": Arborescence(5),
    "knapsacks": Knapsack(np.arange(1, 16), 30),
    "schedules": IntervalSchedule(np.arange(20) % 7, np.arange(20) % 7 + 1 + np.arange(20) % 4),
}


def sets_of_parts(name, **more):
    structure = STRUCTURES[name]
    n = structure.part_count()
    X = [uniform(seed, n, 4) for seed in range(30)]
    maximizer = structure.bind([None] * len(X), [n] * len(X))
    y = []
    for i, x in enumerate(X):
        labels, _ = maximizer.maximize(i, x[:, 0] - x[:, 1] + uniform(i + 50, n))
        y.append(maximizer.count(i, labels))
    svm = StructSVM(PartsModel(structure), **(PLAIN | {"max_iter": 8, "random_state": 0} | more))
    svm.fit(X, y)
    return numbers_of(svm, np.array(svm.predict(X)))


for name in STRUCTURES:
    FITS[f"sets, {name}"] = functools.partial(sets_of_parts, name)
FITS["sets, n_slack"] = lambda: sets_of_parts("spanning trees", solver="n_slack")
FITS["sets, jobs"] = lambda: sets_of_parts("spanning trees", n_jobs=2)


def risk(lam):
    A, b = uniform(3, 60, 7), uniform(4, 60)

    def highest(w):
        heights = (A * w).sum(axis=1) + b
        return heights.max(), A[heights.argmax()]

    result = minimize_risk(highest, 7, regularization=lam, tol=1e-6)
    return result.weights.tobytes() + result.history["dual_objective"].tobytes()


for lam in (1.0, 1e-3):
    FITS[f"risk lam={lam:g}"] = functools.partial(risk, lam)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    chosen = [n for n in FITS if len(sys.argv) == 1 or any(word in n for word in sys.argv[1:])]
    json.dump({name: hashlib.sha256(FITS[name]()).hexdigest() for name in chosen}, sys.stdout)
