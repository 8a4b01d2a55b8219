"""``structsvm info``."""

from __future__ import annotations

import argparse
import math
import os
from typing import Any

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
        **_sizes(estimator),
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


def _sizes(estimator: Any) -> dict[str, str]:
    """Labels and features, where a model has some."""
    labels = getattr(estimator, "relations_", getattr(estimator.model_, "classes_", ()))
    rows = {"labels": " ".join(map(str, labels))} if len(labels) else {}
    if (n_features := getattr(estimator.model_, "n_features_in_", None)) is not None:
        rows["features"] = f"{n_features:,}"
    return rows
