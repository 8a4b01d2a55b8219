"""``structsvm info``."""

from __future__ import annotations

import argparse
import math
import os

import numpy as np

from structsvm.cli.output import writing
from structsvm.persistence.model_files import load

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    estimator = load(args.model)
    n_used = int(np.count_nonzero(estimator.coef_))
    rows = {
        "model": repr(estimator).replace("\n", "\n" + " " * 12),
        "file": f"{os.path.getsize(args.model):,} bytes",
        "labels": " ".join(map(str, estimator.model_.classes_)),
        "features": f"{estimator.model_.n_features_in_:,}",
        "weights": f"{len(estimator.coef_):,}, {n_used:,} of them not 0",
        "passes": str(estimator.n_iter_),
    }
    if not math.isnan(estimator.dual_gap_):
        kind = "certified" if estimator.certified_ else "estimate"
        rows["objective"] = f"{estimator.objective_:.6g}, relative gap {estimator.dual_gap_:.2g}"
        rows["objective"] += f" ({kind})"
    with writing(None, args.model) as results:
        results.write("".join(f"{name + ':':12}{value}\n" for name, value in rows.items()))
    return 0
