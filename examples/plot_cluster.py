"""
A fit on a cluster, one of whose workers is killed
==================================================

Two worker processes hold the data of a fit in eight partitions. After the third iteration one of
them is killed. The other makes its partitions again, the cluster starts a new worker, and the
weights are the same to the bit as those of a fit that nobody disturbed. The picture shows
certificate and seconds of both.
"""

import argparse
import os
import signal

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from structsvm import ChainSVM
from structsvm.datasets import make_digit_words
from structsvm.engines import DaskEngine

TOL = 1e-2


def killer(client):
    """A callback that kills a worker after the third iteration."""

    def callback(progress):
        if progress.n_iter == 3:
            os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)

    return callback


def main():
    parser = argparse.ArgumentParser(description="Train on two workers and kill one.")
    parser.add_argument("--output", default="cluster.png", help="the picture to write")
    output = parser.parse_args().output
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        print("This example needs Dask: pip install 'structured-svm[dask]'")
        return

    data = make_digit_words(n_train=150, n_test=100, random_state=0)
    svm = ChainSVM(C=0.1, tol=TOL, random_state=0)
    alone = ChainSVM(C=0.1, tol=TOL, random_state=0, transitions=False, boundary=False)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        svm.set_params(engine=DaskEngine(client, partitions=8))
        svm.fit(data.X_train, data.y_train)
        killed = ChainSVM(**svm.get_params(deep=False)).set_params(callbacks=[killer(client)])
        killed.fit(data.X_train, data.y_train)
    alone.fit(data.X_train, data.y_train)
    same = np.array_equal(svm.coef_, killed.coef_)
    print(f"one worker was killed, and the weights are {'the same' if same else 'other'} bits")
    print(f"certified gap {svm.dual_gap_:.1e}")
    for name, fitted in (("without", alone), ("with", svm)):
        right = np.mean(np.concatenate(fitted.predict(data.X_test)) == np.concatenate(data.y_test))
        print(f"{name} transitions {100 * right:.1f}% of held-out characters are right")

    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for name, fitted in (("undisturbed", svm), ("a worker killed after 3 rounds", killed)):
        history = fitted.history_
        axes.plot(history["seconds"], history["gap"], ".-", label=name)
    axes.set(xlabel="seconds", ylabel="certified gap", yscale="log")
    axes.legend()
    figure.savefig(output, dpi=110)
    print(f"the picture is in {output}")


if __name__ == "__main__":
    main()
