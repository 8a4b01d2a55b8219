"""Displays of one chain: the gaps of two solvers, C, transitions, and hard examples."""

import matplotlib.pyplot as plt

from structsvm import ChainSVM, PathSearch
from structsvm.datasets import make_digit_words
from structsvm.plotting import (
    ConvergenceDisplay,
    HingesDisplay,
    PathDisplay,
    TransitionsDisplay,
)

data = make_digit_words(random_state=0)
fits = {
    solver: ChainSVM(C=0.1, solver=solver, tol=1e-3, random_state=0).fit(data.X_train, data.y_train)
    for solver in ("bcfw", "n_slack")
}
search = PathSearch(ChainSVM(random_state=0), Cs=[0.003, 0.01, 0.03, 0.1, 0.3, 1.0])
search.fit(data.X_train, data.y_train, X_val=data.X_test, y_val=data.y_test)

figure, axes = plt.subplots(2, 2, figsize=(10, 8), layout="constrained")
ConvergenceDisplay.from_estimator(fits, against="passes", ax=axes[0, 0])
PathDisplay.from_estimator(search, ax=axes[0, 1])
TransitionsDisplay.from_estimator(fits["bcfw"], ax=axes[1, 0])
HingesDisplay.from_estimator(fits["bcfw"], data.X_train, data.y_train, ax=axes[1, 1])
