"""Timing and results files of the benchmarks."""

import json
import os
import platform
import subprocess
import time
from pathlib import Path

import numpy as np

import structsvm

RESULTS = Path(__file__).parent / "results"


def best_cpu_seconds(task, repeat):
    """CPU time of the fastest of `repeat` calls, after one that does not count."""
    task()
    times = []
    for _ in range(repeat):
        start = time.process_time()
        task()
        times.append(time.process_time() - start)
    return min(times)


def cpu_name():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def commit():
    command = ["git", "rev-parse", "--short", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=RESULTS.parent)
    return answer.stdout.strip() or None


def saved(name):
    """The rows of results/<name>.json, none where there is no such file."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text())["rows"] if path.exists() else []


def save(name, rows):
    """Write rows and what they were measured on to results/<name>.json."""
    RESULTS.mkdir(exist_ok=True)
    setting = {
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "structsvm": structsvm.__version__,
        "commit": commit(),
    }
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"setting": setting, "rows": rows}, indent=1) + "\n")
    print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
