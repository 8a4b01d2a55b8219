"""A maximizer compiled by numba and called without the GIL: the k best of n items.

numba is no dependency of structsvm: pip install numba
"""

import numpy as np
from numba import carray, cfunc, float64, int32, int64, types

from structsvm import PartsModel, StructSVM
from structsvm.inference import Compiled

N_ITEMS, K = 20, 5


# The function `maximize` of maximizer.h, in the folder of structsvm.get_include().
@cfunc(
    int32(
        types.voidptr, int64, int32,
        types.CPointer(float64), types.CPointer(int32), types.CPointer(float64),
    )
)  # fmt: skip
def best_items(user, i, thread, theta, labels, value):
    scores = carray(theta, N_ITEMS)
    best = np.sort(np.argsort(-scores)[:K])
    for k in range(K):
        labels[k] = best[k]
        value[0] += scores[best[k]]
    return 0


X = np.random.default_rng(0).normal(size=(300, N_ITEMS, 5))
y = [np.argsort(-x @ [1, -2, 0.5, 1, 0])[:K] for x in X]
model = PartsModel(Compiled(best_items, K), output="indices")
svm = StructSVM(model, random_state=0, n_jobs=2).fit(X[:200], y[:200])
print(f"certified gap {svm.dual_gap_:.1e}, wrong items {-svm.score(X[200:], y[200:]) / 2:.2f} of 5")
