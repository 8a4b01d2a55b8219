"""Training on OCR letters to certified gaps: CPU seconds, oracle passes, solver memory.

    STRUCTSVM_DATA=... python benchmarks/bench_letters.py [--solvers bcfw ...] [--seconds 20]

Folds 1-9 (6,251 words), 128 pixels, bias, start and end scores, normalised Hamming loss; and fold 0
(626 words) with counted Hamming loss, C = 1, no bias or boundary scores. A pass is one oracle call
an example, passes for certificates included. CPU seconds of one core from the call of fit, input
packing included; a level not reached within --seconds is "-".
"""

import argparse
import time

import numpy as np
from measure import best_cpu_seconds, save

from structsvm import ChainSVM
from structsvm.datasets import load_letters
from structsvm.solvers import BCFW
from structsvm.solvers._blocks import DualBlocks

SOLVERS = {
    "bcfw": BCFW(),
    "bcfw, not accelerated": BCFW(acceleration=0),
    "bcfw, averaged": BCFW(averaging=True),
    "bcfw, gap sampling": BCFW(sampling="gap"),
    "MP-BCFW": BCFW(step="frank_wolfe", acceleration=0),
    "plain BCFW": BCFW(step="frank_wolfe", acceleration=0, cached_passes=0, max_planes=0),
}
LEVELS = (1e-1, 1e-2, 1e-3, 1e-4)
# (lambda, level): (CPU seconds, passes); None: no target for passes.
TARGETS = {
    (0.01, 1e-2): (1, 12),
    (0.01, 1e-3): (1.7, 18),
    (0.01, 1e-4): (3, 35),
    (0.001, 1e-2): (2, 20),
    (0.001, 1e-3): (4, 45),
    ("1/n", 1e-1): (2, None),
    ("1/n", 1e-2): (5, 45),
    ("1/n", 1e-3): (15, 170),
}


def fit_to_levels(svm, X, y, seconds):
    """Train to the tightest level; what each level took."""
    reached, peak = {}, 0
    start = time.process_time()

    def watch(progress):
        nonlocal peak
        peak = max(peak, progress.solver_bytes)
        now = time.process_time() - start
        for level in LEVELS:
            if progress.gap <= level and level not in reached:
                reached[level] = (now, progress.n_oracle_calls / len(X))
        return now > seconds

    svm.set_params(tol=LEVELS[-1], max_iter=10**6, callbacks=[watch]).fit(X, y)
    return reached, peak, time.process_time() - start


def oracle_pass_seconds(svm, X, y):
    """One pass of the oracle at the trained weights, planes built and compared."""
    problem = svm.model_.bind(X, y)
    evaluator = DualBlocks(problem).evaluator
    return best_cpu_seconds(lambda: evaluator.evaluate(svm.coef_), 10)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--solvers", nargs="+", choices=sorted(SOLVERS), default=list(SOLVERS))
    parser.add_argument("--seconds", type=float, default=20.0, help="limit of one fit")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    data = load_letters()
    small = np.flatnonzero(data.folds == 0)
    large = np.flatnonzero(data.folds != 0)
    n = len(large)
    settings = [
        ("large", large, name, {"C": 1 / (lam * n), "loss": "normalized_hamming"})
        for name, lam in ((0.01, 0.01), (0.001, 0.001), ("1/n", 1 / n))
    ]
    plain = {"C": 1.0, "scale": None, "fit_intercept": False, "boundary": False}
    settings.append(("small", small, "C=1", plain))
    rows = []
    print(f"{'words':6} {'lambda':>6} {'solver':22} {'gap':>6} {'passes':>7} {'CPU s':>6} target")
    for words, places, lam, params in settings:
        X, y = [data.X[i] for i in places], [data.y[i] for i in places]
        for name in args.solvers:
            svm = ChainSVM(solver=SOLVERS[name], random_state=args.seed, **params)
            reached, peak, total = fit_to_levels(svm, X, y, args.seconds)
            pass_seconds = oracle_pass_seconds(svm, X, y)
            row = {
                "words": words,
                "lambda": lam,
                "solver": name,
                "levels": {str(level): value for level, value in reached.items()},
                "seconds": total,
                "passes": svm.n_oracle_calls_ / len(X),
                "gap": svm.dual_gap_,
                "objective": svm.objective_ / (svm.C * len(X)),
                "dual_objective": svm.dual_objective_ / (svm.C * len(X)),
                "peak_solver_megabytes": peak / 1e6,
                "oracle_pass_ms": pass_seconds * 1e3,
                "time_over_oracle_time": total / (svm.n_oracle_calls_ / len(X) * pass_seconds),
                "certification_share": (svm.n_oracle_calls_ / len(X) - svm.n_iter_)
                * pass_seconds
                / total,
                "test_accuracy": svm.score([data.X[i] for i in small], [data.y[i] for i in small])
                if words == "large"
                else None,
            }
            rows.append(row)
            for level in LEVELS:
                seconds, passes = reached.get(level, (None, None))
                target = TARGETS.get((lam, level), "") if name == "bcfw" else ""
                print(
                    f"{words:6} {lam:>6} {name:22} {level:6.0e} "
                    + (f"{passes:7.1f} {seconds:6.2f}" if seconds else f"{'-':>7} {'-':>6}")
                    + (f"  {target[0]} s, {target[1] or 'any'} passes" if target else "")
                )
            print(
                f"{'':6} {'':>6} {'':22} dual {row['dual_objective']:.5f}, solver memory "
                f"{peak / 1e6:.0f} MB at most, oracle pass {pass_seconds * 1e3:.1f} ms, "
                f"fit / oracle time {row['time_over_oracle_time']:.1f}, "
                f"certificates {row['certification_share']:.0%}",
                flush=True,
            )
    save("letters", rows)


if __name__ == "__main__":
    main()
