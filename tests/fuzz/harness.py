"""Runs inputs in processes with limits, and judges what became of them."""

from __future__ import annotations

import collections
import concurrent.futures
import contextlib
import dataclasses
import faulthandler
import json
import os
import pickle
import resource
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

#: Exceptions that say what is wrong with the arguments; ModelFileError is one of them.
DOCUMENTED = (ValueError, TypeError)

_CHUNK = 2500  # inputs a process runs at most, so that what leaks is given back
_MOST_DEATHS = 20  # of the processes of one chunk: there is no point in more of them
_SAVED_OF_A_KIND = 2
_PROGRESS = struct.Struct("qqq")  # number of the input, how many were accepted, how many refused


class WrongAnswerError(AssertionError):
    """What was returned is not what must be returned."""


@dataclasses.dataclass(frozen=True)
class Target:
    """What is called with random inputs.

    `make` draws an input, which must pickle; `run` calls and checks, and raises an error of
    `documented` for what it refuses. `make` must not fail, and not call what is tried.
    """

    name: str
    make: Callable[[np.random.Generator], Any]
    run: Callable[[Any], None]
    share: float = 1.0
    documented: tuple[type[BaseException], ...] = DOCUMENTED
    prepare: Callable[[Path], None] = lambda folder: None


@dataclasses.dataclass(frozen=True)
class Limits:
    """Of one input; before the first there are only those of waiting and memory."""

    megabytes: int = 512
    seconds: float = 20.0  # of processor time, so that a busy machine does not matter
    wall_seconds: float = 400.0  # for what waits and does not work

    @classmethod
    def of_this_build(cls) -> Limits:
        """The sanitizer keeps what was freed for a while, and takes its time."""
        return cls(2048, 60.0, 900.0) if is_sanitized() else cls()


@dataclasses.dataclass
class Finding:
    target: str
    seed: int
    number: int
    kind: str  # "signal", "hang", "memory", "exception" or "wrong"
    what: str  # the last line of it
    where: str  # the place in the package, which tells kinds of findings apart
    detail: str

    @property
    def signature(self) -> tuple[str, str, str, str]:
        return self.target, self.kind, self.what.split(":")[0], self.where


@dataclasses.dataclass
class Tally:
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    findings: list[Finding] = dataclasses.field(default_factory=list)


def is_sanitized() -> bool:
    return "libasan" in Path("/proc/self/maps").read_text()


def input_of(target: Target, seed: int, number: int) -> Any:
    return target.make(np.random.default_rng([seed, number]))


# ---- in the process that runs inputs


def judge(target: Target, case: Any) -> tuple[str, str, str, str] | bool:
    """True where the input was accepted, False where refused; else kind, what, where and detail."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", RuntimeWarning)
            target.run(case)
    except WrongAnswerError as error:
        return "wrong", f"{error}", str(error).split(":")[0], traceback.format_exc()
    except MemoryError as error:
        return "memory", f"MemoryError: {error}", _place(error), traceback.format_exc()
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if isinstance(error, target.documented) and not _is_bare(error):
            return False
        what = f"{type(error).__name__}: {error}"
        return "exception", what, _place(error), traceback.format_exc()
    return True


def _is_bare(error: BaseException) -> bool:
    """KeyError and the like are never documented, whatever they inherit from."""
    return isinstance(error, (LookupError, ArithmeticError))


def _place(error: BaseException) -> str:
    """The innermost line of the package that the error went through."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if "structsvm" in f.filename and "/tests/" not in f.filename]
    return f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "outside"


def work(target: Target, seed: int, first: int, last: int, folder: Path, limits: Limits) -> None:
    """Run inputs `first` to `last`, telling of each in `folder` before it is run."""
    faulthandler.enable()
    target.prepare(folder.parent)
    if not is_sanitized():  # whose shadow memory is terabytes of addresses
        held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        most = held + 3 * (limits.megabytes << 20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    scratch = folder / "scratch"
    scratch.mkdir(exist_ok=True)
    os.chdir(scratch)
    accepted = refused = 0
    with (
        open(folder / "progress", "r+b", buffering=0) as progress,
        open(folder / "findings", "a") as findings,
    ):
        for number in range(first, last):
            case = input_of(target, seed, number)
            (folder / "case").write_bytes(pickle.dumps((target.name, seed, number, case)))
            os.pwrite(progress.fileno(), _PROGRESS.pack(number, accepted, refused), 0)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            verdict = judge(target, case)
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
            if grown > limits.megabytes // 2:
                verdict = "memory", f"took {grown} MB", "grown", f"{case!r}"[:2000]
            if verdict is True:
                accepted += 1
            elif verdict is False:
                refused += 1
            else:
                finding = Finding(target.name, seed, number, *verdict)
                shutil.copy(folder / "case", folder / f"case-{number}")
                findings.write(json.dumps(dataclasses.asdict(finding)) + "\n")
                findings.flush()
        os.pwrite(progress.fileno(), _PROGRESS.pack(last, accepted, refused), 0)


# ---- in the process that watches


class Campaign:
    """Inputs of several targets, in several processes."""

    def __init__(
        self, targets: Sequence[Target], seed: int, limits: Limits, folder: Path, saved: Path
    ) -> None:
        self.targets = {target.name: target for target in targets}
        self.seed = seed
        self.limits = limits
        self.folder = folder
        self.saved = saved
        self.tallies = {name: Tally() for name in self.targets}
        self._lock = threading.Lock()
        self._kinds: collections.Counter[tuple[str, ...]] = collections.Counter()

    def run(self, counts: dict[str, int], jobs: int) -> None:
        """So many inputs of each target."""
        chunks = [
            (name, first, min(first + _CHUNK, n))
            for name, n in counts.items()
            for first in range(0, n, _CHUNK)
        ]
        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            for done in [pool.submit(self._chunk, k, *chunk) for k, chunk in enumerate(chunks)]:
                done.result()

    def _chunk(self, k: int, name: str, first: int, last: int) -> None:
        folder = self.folder / f"{k}"
        folder.mkdir(parents=True)
        deaths = 0
        while first < last and deaths <= _MOST_DEATHS:
            reached, death = self._process(folder, name, first, last)
            if death is not None:
                deaths += 1
                self._note(death, (folder / "case").read_bytes())
            first = reached + 1 if death is not None else last

    def _process(
        self, folder: Path, name: str, first: int, last: int
    ) -> tuple[int, Finding | None]:
        """Run one process until it is done or dead: the number it came to, and what ended it."""
        (folder / "progress").write_bytes(_PROGRESS.pack(first - 1, 0, 0))
        (folder / "findings").write_bytes(b"")
        command = [sys.executable, str(Path(__file__).parent), "work", name]
        command += [str(self.seed), str(first), str(last), str(folder), *map(str, self._limits())]
        started = time.perf_counter()
        with open(folder / "output", "wb") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            )
            try:
                ended = self._watch(process, folder, first)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        number, accepted, refused = _progress(folder)
        lines = (folder / "findings").read_text().splitlines()
        findings = [Finding(**json.loads(line)) for line in lines]
        tail = (folder / "output").read_text(errors="replace")[-6000:]
        if number < first and (ended is not None or process.returncode != 0):
            raise RuntimeError(f"the process of target {name} did not start: {ended}\n{tail}")
        if ended is None and process.returncode != 0:
            ended = "signal", f"ended with {process.returncode}"
        with self._lock:
            tally = self.tallies[name]
            tally.inputs += (last if ended is None else number + 1) - first
            tally.accepted += accepted
            tally.refused += refused
            tally.seconds += time.perf_counter() - started
        for finding in findings:
            self._note(finding, (folder / f"case-{finding.number}").read_bytes())
        if ended is None:
            return last, None
        return number, Finding(name, self.seed, number, *ended, _told_by(tail), tail)

    def _limits(self) -> tuple[float, ...]:
        return dataclasses.astuple(self.limits)

    def _watch(
        self, process: subprocess.Popen[bytes], folder: Path, first: int
    ) -> tuple[str, str] | None:
        """Wait for the end; which limit was passed, if one was."""
        number, since, worked_before = first - 1, time.monotonic(), 0.0
        while process.poll() is None:
            time.sleep(0.05)
            try:
                worked, megabytes = _usage(process.pid)
            except OSError:
                continue
            now = _progress(folder)[0]
            if now != number:
                number, since, worked_before = now, time.monotonic(), worked
            elif number >= first and worked - worked_before > self.limits.seconds:
                return "hang", f"more than {self.limits.seconds} s of work"
            elif time.monotonic() - since > self.limits.wall_seconds:
                return "hang", f"more than {self.limits.wall_seconds} s of waiting"
            if megabytes > 1024 + self.limits.megabytes:
                return "memory", f"held {megabytes:.0f} MB"
        return None

    def _note(self, finding: Finding, case: bytes) -> None:
        with self._lock:
            self.tallies[finding.target].findings.append(finding)
            self._kinds[finding.signature] += 1
            if self._kinds[finding.signature] > _SAVED_OF_A_KIND:
                return
            self.saved.mkdir(parents=True, exist_ok=True)
            path = self.saved / f"{finding.target}-{finding.seed}-{finding.number}.pickle"
            path.write_bytes(case)
            path.with_suffix(".txt").write_text(
                f"{finding.kind}: {finding.what}\nat {finding.where}\n\n{finding.detail}\n",
                errors="backslashreplace",
            )

    @property
    def findings(self) -> list[Finding]:
        return [finding for tally in self.tallies.values() for finding in tally.findings]


def _progress(folder: Path) -> tuple[int, int, int]:
    number, accepted, refused = _PROGRESS.unpack((folder / "progress").read_bytes())
    return number, accepted, refused


def _usage(pid: int) -> tuple[float, float]:
    """Seconds of processor time, and megabytes held."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    worked = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return worked, int(fields[21]) * resource.getpagesize() / (1 << 20)


def _told_by(tail: str) -> str:
    """The place in the package that a dead process named last."""
    for line in tail.splitlines():
        if "structsvm/" in line:
            return line.strip()[:160]
    return "unknown"


# ---- how much of the package is reached


@contextlib.contextmanager
def traced_lines(seen: set[tuple[str, int]]) -> Iterator[None]:
    """Note the lines of the package's Python modules that run."""

    def trace(frame: Any, event: str, _: Any) -> Any:
        name = frame.f_code.co_filename
        if f"{os.sep}structsvm{os.sep}" not in name or f"{os.sep}tests{os.sep}" in name:
            return None
        if event == "line":
            seen.add((name, frame.f_lineno))
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(None)
