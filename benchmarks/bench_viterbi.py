"""Max-adds a second of the Viterbi kernel, beside a vectorised numpy Viterbi in the same run.

    python benchmarks/bench_viterbi.py

A chain of T positions and K labels takes (T - 1) K^2 max-adds. CPU time of one core, best of
several repetitions, so that another program on the machine disturbs little.
"""

import argparse

import numpy as np
from measure import best_cpu_seconds, save

from structsvm.inference import viterbi

LENGTH = 30
LABELS = (5, 23, 50, 150)
TARGETS = {("float64", 5): 0.8, ("float64", 23): 3.0, ("float64", 50): 3.0}  # 10^9 a second


def numpy_viterbi(unary, transition):
    """One chain; the same recursion with numpy's vector operations."""
    score, back = unary[0], []
    for row in unary[1:]:
        candidates = score[:, None] + transition
        back.append(candidates.argmax(0))
        score = candidates.max(0) + row
    labels = [int(score.argmax())]
    for best in reversed(back):
        labels.append(int(best[labels[-1]]))
    return labels[::-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=15)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = []
    print(f"{'dtype':8} {'K':>4} {'10^9 max-adds/s':>16} {'target':>7} {'numpy':>7} {'ratio':>7}")
    for dtype in ("float64", "float32"):
        for n_labels in LABELS:
            n_chains = max(3_000_000 // (LENGTH * n_labels**2), 20)
            unary = rng.normal(size=(n_chains * LENGTH, n_labels)).astype(dtype)
            transition = rng.normal(size=(n_labels, n_labels)).astype(dtype)
            lengths = np.full(n_chains, LENGTH)
            work = (LENGTH - 1) * n_labels**2 / 1e9
            ours = best_cpu_seconds(
                lambda u=unary, t=transition, s=lengths: viterbi(u, t, lengths=s), args.repeat
            )
            peer = best_cpu_seconds(
                lambda u=unary[:LENGTH], t=transition: numpy_viterbi(u, t), args.repeat
            )
            rate, peer_rate = work * n_chains / ours, work / peer
            target = TARGETS.get((dtype, n_labels))
            rows.append(
                {"dtype": dtype, "n_labels": n_labels, "rate": rate, "numpy_rate": peer_rate}
            )
            print(
                f"{dtype:8} {n_labels:4} {rate:16.2f} {target or '':>7} {peer_rate:7.3f} "
                f"{rate / peer_rate:7.0f}"
            )
    save("viterbi", rows)


if __name__ == "__main__":
    main()
