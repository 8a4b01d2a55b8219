"""Ten values of C by fit_path against ten cold fits: CPU seconds and oracle passes on letters.

    STRUCTSVM_DATA=... python benchmarks/bench_path.py

OCR letters (6,251 words, normalised Hamming loss), lambda from .01 to 1/n. Target: half the time.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import time

import numpy as np
from measure import save

from structsvm import ChainSVM, fit_path
from structsvm.datasets import load_letters


def main():
    data = load_letters()
    places = np.flatnonzero(data.folds != 0)
    X, y = [data.X[i] for i in places], [data.y[i] for i in places]
    n = len(X)
    Cs = np.geomspace(1 / (0.01 * n), 1.0, 10)
    rows = []
    print(f"{'tol':>6} {'path s':>7} {'cold s':>7} {'ratio':>6} {'path passes':>12} {'cold':>6}")
    for tol in (1e-2, 1e-3):
        svm = ChainSVM(loss="normalized_hamming", tol=tol, random_state=0)
        start = time.process_time()
        path = fit_path(svm, X, y, Cs)
        middle = time.process_time()
        cold = [ChainSVM(**svm.get_params()).set_params(C=C).fit(X, y) for C in Cs]
        warm_s, cold_s = middle - start, time.process_time() - middle
        passes = [sum(fit.n_oracle_calls_ for fit in fits) / n for fits in (path, cold)]
        rows.append({"tol": tol, "path_s": warm_s, "cold_s": cold_s, "passes": passes})
        print(
            f"{tol:6g} {warm_s:7.2f} {cold_s:7.2f} {warm_s / cold_s:6.2f} {passes[0]:12.0f} "
            f"{passes[1]:6.0f}",
            flush=True,
        )
    save("path", rows)


if __name__ == "__main__":
    main()
