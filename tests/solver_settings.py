"""Every solver in the settings that tests of whole fits go through, and what ends a fit."""

import numpy as np

from structsvm.solvers import (
    BCFW,
    CuttingPlane,
    NSlack,
    PassiveAggressive,
    Perceptron,
    Subgradient,
)

SOLVERS = {
    "bcfw": BCFW(),
    "bcfw, averaged, gap sampling": BCFW(averaging=True, sampling="gap"),
    "bcfw, Frank-Wolfe": BCFW(step="frank_wolfe", acceleration=0),
    "cutting_plane": CuttingPlane(),
    "n_slack": NSlack(drop_after=2),
    "subgradient": Subgradient(batch_size=4, project=True),
    "perceptron": Perceptron(),
    "passive_aggressive": PassiveAggressive(),
}
ONLINE = ("perceptron", "passive_aggressive")


def stop_after(n):
    return lambda progress: progress.n_iter == n


def raise_at(n, error):
    def fail(progress):
        if progress.n_iter == n:
            raise error

    return fail


def same_history(a, b):
    """All columns to the bit, but for the clock."""
    return a.keys() == b.keys() and all(
        np.array_equal(a[name], b[name], equal_nan=True) for name in a if name != "seconds"
    )
