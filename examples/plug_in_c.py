"""A maximizer in C, compiled here by cc and called without the GIL: the k best of n items."""

import ctypes
import subprocess
import tempfile
from pathlib import Path

import numpy as np

import structsvm
from structsvm.inference import Compiled

SOURCE = """
#include "structsvm/maximizer.h"
int best_items(void *user, int64_t i, int32_t thread, double *theta, int32_t *labels, double *value)
{
    int64_t n = ((int64_t *)user)[0], k = ((int64_t *)user)[1];
    for (int64_t p = 0; p < n; p++) {
        int64_t better = 0;
        for (int64_t q = 0; q < n; q++)
            better += theta[q] > theta[p] || (theta[q] == theta[p] && q < p);
        if (better < k) { *labels++ = p; *value += theta[p]; }
    }
    return 0;
}
"""
with tempfile.TemporaryDirectory() as folder:
    source, library = Path(folder, "best.c"), Path(folder, "best.so")
    source.write_text(SOURCE)
    flags = ["-O2", "-shared", "-fPIC", f"-I{structsvm.get_include()}"]
    subprocess.run(["cc", *flags, "-o", library, source], check=True)
    function = ctypes.CDLL(str(library)).best_items

X = np.random.default_rng(0).normal(size=(300, 20, 5))
y = [np.argsort(-x @ [1, -2, 0.5, 1, 0])[:5] for x in X]
model = structsvm.PartsModel(Compiled(function, 5, user=np.array([20, 5])), output="indices")
svm = structsvm.StructSVM(model, random_state=0, n_jobs=2).fit(X[:200], y[:200])
print(f"certified gap {svm.dual_gap_:.1e}, wrong items {-svm.score(X[200:], y[200:]) / 2:.2f} of 5")
