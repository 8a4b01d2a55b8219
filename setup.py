"""The extension table. All other metadata is in pyproject.toml.

Build switches, read from the environment:

STRUCTSVM_NATIVE=1          compile for this CPU (the wheel then runs on like machines only)
STRUCTSVM_DEBUG=1           bounds checks, C assertions, symbols
STRUCTSVM_SANITIZE=address  the address sanitizer of the compiler; `make sanitize` runs on it
STRUCTSVM_JOBS=4            compilers at a time; all CPUs that this process may use by default
"""

import os
import sys
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup


def switched_on(name: str) -> bool:
    return os.environ.get(name, "0") not in ("", "0")


NATIVE = switched_on("STRUCTSVM_NATIVE")
DEBUG = switched_on("STRUCTSVM_DEBUG")


def usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


# pip passes no -j on.
JOBS = int(os.environ.get("STRUCTSVM_JOBS", usable_cpus()))
SANITIZER = os.environ.get("STRUCTSVM_SANITIZE", "")
if SANITIZER not in ("", "address"):
    raise ValueError(f"STRUCTSVM_SANITIZE={SANITIZER!r}: expected 'address', or nothing")

# No contraction to fused multiply-add: the same sum has the same bits on every CPU, which the
# back-trace of the Viterbi kernel relies on and which makes results reproducible across machines.
if sys.platform == "win32":
    compile_args = ["/fp:precise", "/std:c11", "/Od" if DEBUG else "/O2"]
else:
    compile_args = ["-ffp-contract=off"]
    compile_args += ["-O1", "-g", "-UNDEBUG"] if DEBUG else ["-O3", "-g0"]
    compile_args += ["-march=native"] if NATIVE else []
link_args = ["-fsanitize=address"] if SANITIZER else []
compile_args += [*link_args, "-fno-omit-frame-pointer"] if SANITIZER else []

# Of Cython's checks only that of bounds takes the GIL before it raises; the ones of overflow and of
# initialisation crash in code without it. A memoryview that is not set is empty: bounds catch it.
directives = {
    "language_level": 3,
    "boundscheck": DEBUG,
    "initializedcheck": False,
    "overflowcheck": False,
    "wraparound": False,
    "cdivision": True,
    "embedsignature": True,
}

# Every module of the package is one .pyx file; headers are dependencies Cython cannot see.
headers = [str(path) for path in sorted(Path("structsvm").rglob("*.h"))]
extensions = [
    Extension(
        ".".join(path.with_suffix("").parts),
        [str(path)],
        depends=headers,
        include_dirs=["."],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
        define_macros=[("STRUCTSVM_NATIVE", "1")] if NATIVE else [],
    )
    for path in sorted(Path("structsvm").rglob("*.pyx"))
]
# Cython's memoryview code once for all modules instead of once in each.
shared_utility = "structsvm._cyutility"
extensions.insert(
    0,
    Extension(
        shared_utility,
        ["structsvm/_cyutility.c"],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    ),
)

# Cython's processes may read this file again where they are not forked.
if __name__ == "__main__":
    setup(
        ext_modules=cythonize(
            extensions,
            nthreads=JOBS,
            shared_utility_qualified_name=shared_utility,
            compiler_directives=directives,
            # The directives are part of the generated C: a build of another kind must not reuse it.
            build_dir="build/cython" + ("-debug" if DEBUG else ""),
        ),
        options={"build_ext": {"parallel": JOBS}},
    )
