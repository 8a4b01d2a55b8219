"""What every structure of parts must do, whatever its outputs are."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from sklearn.base import clone


def check_copies(structure, contexts, n_parts, most=5):
    """Clones and pickled copies, in any thread, answer as the structure does.

    Scores are integers of -5 to `most`.
    """
    maximizer = structure.bind(contexts, n_parts)
    assert maximizer.exact
    assert maximizer.n_parts.tolist() == n_parts
    rng = np.random.default_rng(0)
    thetas = [
        [rng.integers(-5, most + 1, size=n).astype(float) for n in n_parts] for _ in range(20)
    ]
    answers = [[maximizer.maximize(i, t) for i, t in enumerate(some)] for some in thetas]
    for some, found in zip(thetas, answers, strict=True):
        for i, (theta, (labels, value)) in enumerate(zip(some, found, strict=True)):
            assert maximizer.count(i, labels) @ theta == value
    for copy in (clone(structure), pickle.loads(pickle.dumps(structure))):
        # Maximizers of their own: one serves Python calls of one thread only.
        with ThreadPoolExecutor(3) as threads:
            again = threads.map(
                lambda some, copy=copy: [
                    copy.bind(contexts, n_parts).maximize(i, t) for i, t in enumerate(some)
                ],
                thetas,
            )
            for expected, found in zip(answers, again, strict=True):
                for (labels, value), (same, same_value) in zip(expected, found, strict=True):
                    assert labels.tolist() == same.tolist()
                    assert value == same_value
