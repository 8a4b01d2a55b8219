"""What Windows and macOS lack is not needed: the main paths run without it."""

import subprocess
import sys
import textwrap

import pytest

#: Names of Linux that Windows has not; macOS lacks some of them.
WITHOUT = """
    import os, shutil, signal, sys
    import subprocess, tempfile  # they bind names that are taken away below

    shutil._use_fd_functions = False
    for name in ("fcntl", "resource", "pwd", "grp", "termios"):
        sys.modules[name] = None
    for name in (
        "chown", "fork", "getuid", "posix_fallocate", "sched_getaffinity", "O_DIRECTORY",
        "O_NOFOLLOW", "O_NONBLOCK",
    ):
        delattr(os, name)
    del signal.SIGHUP
"""

FIT_AND_KEEP = """
    import numpy as np
    import structsvm
    from structsvm import ChainSVM
    from structsvm.callbacks import Checkpoint

    rng = np.random.default_rng(0)
    X = [rng.normal(size=(5, 3)) for _ in range(20)]
    y = [(x[:, 0] > 0).astype(int) for x in X]
    svm = ChainSVM(n_jobs=2, callbacks=[Checkpoint("fit.npz", every=1)]).fit(X, y)
    for _ in range(2):  # a new file, and one in the place of an old one
        svm.save("model.npz")
    assert svm.coef_.tobytes() == structsvm.load("model.npz").coef_.tobytes()
    open("model.npz.structsvm-0123456789abcdef.part", "wb").close()
    svm.save("model.npz")
    assert sorted(os.listdir()) == ["fit.npz", "model.npz"]
"""

PROCESSES = """
    import numpy as np
    from structsvm import StructSVM, StructuredModel

    class Signs(StructuredModel):  # y is 1 or -1
        def joint_feature(self, x, y):
            return y * x

        def loss(self, y, y_hat):
            return float(y != y_hat)

        def inference(self, x, w):
            return 1 if x @ w >= 0 else -1

        def loss_augmented_inference(self, x, y, w):
            return max((1, -1), key=lambda y_hat: y_hat * (x @ w) + (y_hat != y))

    rng = np.random.default_rng(0)
    X = list(rng.normal(size=(30, 3)))
    y = [1 if x[0] > 0 else -1 for x in X]
    svm = StructSVM(Signs(), n_jobs=2, tol=1e-3).fit(X, y)
    assert svm.predict(X) == y and svm.certified_
"""

COMMAND = """
    from structsvm.cli import main

    with open("train.txt", "w") as file:
        file.write("a X\\nb Y\\n\\nb Y\\na X\\n\\n" * 5)
    assert main(["train", "-q", "-f", "words", "train.txt", "-o", "tagger.npz"]) == 0
    assert main(["tag", "tagger.npz", "train.txt", "-o", "tagged.txt"]) == 0
"""


@pytest.mark.parametrize("body", [FIT_AND_KEEP, PROCESSES, COMMAND])
def test_without_what_windows_lacks(tmp_path, body):
    program = textwrap.dedent(WITHOUT) + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
