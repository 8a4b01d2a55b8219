"""Small chains of sparse rows, as text has them."""

import numpy as np
import scipy.sparse as sp

from structsvm import ChainModel

N_FEATURES = 30


def text(seed, *, binary, n_examples=12, n_labels=3):
    """Sequences of sparse rows, some of them without positions."""
    rng = np.random.default_rng(seed)
    X, y = [], []
    for i in range(n_examples):
        length = 0 if i == 5 else int(rng.integers(1, 8))
        rows = (rng.random((length, N_FEATURES)) < 0.15).astype(float)
        if not binary:
            rows *= rng.normal(size=rows.shape)
        X.append(sp.csr_array(rows))
        y.append(rng.integers(n_labels, size=length))
    y[0][0] = n_labels - 1
    return X, y


def bound(seed=0, *, binary=True, weighted=False, y=None, **params):
    X, labels = text(seed, binary=binary)
    y = labels if y is None else y
    model = ChainModel(**params)
    model.initialize(X, labels)
    problem = model.bind(X, y)
    if weighted:
        problem.set_sample_weight(np.linspace(0.0, 2.0, len(X)))
    return problem
