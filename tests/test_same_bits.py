"""Results are a function of the data and the seed: not of the BLAS, its threads, the vector units
that NumPy uses, or the order of sets."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

FITS = Path(__file__).parent / "reference" / "fits.py"
SWITCHES = ("OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS", "NPY_DISABLE_CPU_FEATURES")
# Each switch has both of its values in at least two of these.
SURROUNDINGS = [
    {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"},
    {"OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "1", "OPENBLAS_CORETYPE": "Prescott"},
    {"OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "0", "OPENBLAS_CORETYPE": "Haswell"},
    {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "1", "NPY_DISABLE_CPU_FEATURES": "all"},
]


def vector_units():
    """What NumPy would choose among on this machine, as its switch wants it."""
    from numpy._core._multiarray_umath import (  # type: ignore[import-not-found]
        __cpu_dispatch__,
        __cpu_features__,
    )

    return " ".join(unit for unit in __cpu_dispatch__ if __cpu_features__[unit])


def hashes(surroundings):
    env = {k: v for k, v in os.environ.items() if k not in SWITCHES} | surroundings
    if "NPY_DISABLE_CPU_FEATURES" in env:
        env["NPY_DISABLE_CPU_FEATURES"] = vector_units()
    command = [sys.executable, "-W", "ignore", str(FITS)]
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr[-2000:]
    return json.loads(run.stdout)


@pytest.fixture(scope="module")
def found():
    """Of each of the surroundings, by processes that run at once."""
    with ThreadPoolExecutor(len(SURROUNDINGS)) as pool:
        found = list(pool.map(hashes, SURROUNDINGS))
    assert len(found[0]) > 50
    return found


@pytest.mark.parametrize("k", range(1, len(SURROUNDINGS)))
def test_fits_have_the_same_bits_in_all_surroundings(found, k):
    first = found[0]
    assert [name for name in first if found[k][name] != first[name]] == [], SURROUNDINGS[k]
