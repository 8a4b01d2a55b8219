"""The command line; see the package's docstring."""

from __future__ import annotations

import argparse
import dataclasses
import os
import pickle
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz.harness import Campaign, Limits, Tally, input_of, judge, traced_lines, work
from fuzz.targets import NAMES, target_of

_ALL = 120_000


def main() -> int:
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command == "work":
        return _work(*sys.argv[2:])
    if command == "replay":
        return _replay(sys.argv[2:])
    return _run()


def _work(name: str, seed: str, first: str, last: str, folder: str, *limits: str) -> int:
    megabytes, seconds, wall_seconds = limits
    allowed = Limits(int(megabytes), float(seconds), float(wall_seconds))
    work(target_of(name), int(seed), int(first), int(last), Path(folder), allowed)
    return 0


def _replay(paths: list[str]) -> int:
    """Run saved inputs here, one after the other."""
    bad = 0
    with tempfile.TemporaryDirectory() as folder:
        for path in map(os.path.abspath, paths):
            name, seed, number, case = pickle.loads(Path(path).read_bytes())
            target = target_of(name)
            target.prepare(Path(folder))
            print(f"{name}, seed {seed}, input {number}:\n{case!r}")
            before = os.getcwd()
            os.chdir(folder)
            verdict = judge(target, case)
            os.chdir(before)
            bad += not isinstance(verdict, bool)
            told = {True: "accepted", False: "refused with a documented error"}
            print(told[verdict] if isinstance(verdict, bool) else f"{verdict[0]}\n{verdict[3]}")
    return min(bad, 1)


def _run() -> int:
    parser = argparse.ArgumentParser(prog="python tests/fuzz")
    parser.add_argument("--inputs", type=int, default=_ALL, help="of all targets together")
    parser.add_argument("--targets", default=",".join(NAMES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--save", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--coverage", action="store_true", help="tell which lines are reached")
    args = parser.parse_args()
    targets = [target_of(name) for name in args.targets.split(",")]
    total = sum(target.share for target in targets)
    counts = {t.name: max(1, round(args.inputs * t.share / total)) for t in targets}
    if args.coverage:
        return _coverage(counts, args.seed)
    started = time.perf_counter()
    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    try:
        limits = Limits.of_this_build()
        campaign = Campaign(targets, args.seed, limits, folder, args.save.absolute())
        campaign.run(counts, args.jobs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    _report(campaign, time.perf_counter() - started, args.save)
    return min(len(campaign.findings), 1)


def _report(campaign: Campaign, seconds: float, saved: Path) -> None:
    print(f"{'target':12} {'inputs':>8} {'accepted':>9} {'refused':>8} {'findings':>9} {'s':>7}")
    whole = Tally()
    for name, tally in [*campaign.tallies.items(), ("all", whole)]:
        print(
            f"{name:12} {tally.inputs:8} {tally.accepted:9} {tally.refused:8} "
            f"{len(tally.findings):9} {tally.seconds:7.1f}"
        )
        for field in dataclasses.fields(Tally):
            setattr(whole, field.name, getattr(whole, field.name) + getattr(tally, field.name))
    print(f"seed {campaign.seed}, {seconds:.0f} s")
    kinds: dict[tuple[str, ...], list[int]] = {}
    for finding in campaign.findings:
        kinds.setdefault(finding.signature, []).append(finding.number)
    for finding in campaign.findings:
        if (numbers := kinds.pop(finding.signature, None)) is not None:
            file = saved / f"{finding.target}-{finding.seed}-{finding.number}.pickle"
            print(f"\n{finding.target}: {finding.kind}, {len(numbers)} times: {finding.what[:300]}")
            print(f"    at {finding.where}\n    python tests/fuzz replay {file}")


def _coverage(counts: dict[str, int], seed: int) -> int:
    """Run inputs in this process, and print the share of each Python module's lines that ran."""
    import structsvm

    seen: set[tuple[str, int]] = set()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for name, count in counts.items():
            target = target_of(name)
            target.prepare(Path(folder))
            for number in range(count):
                case = input_of(target, seed, number)
                with traced_lines(seen):
                    judge(target, case)
        os.chdir("/")
    reached = everything = 0
    for path in sorted(Path(structsvm.__file__).parent.rglob("*.py")):
        lines = _code_lines(compile(path.read_text(), str(path), "exec"))
        ran = lines & {line for name, line in seen if name == str(path)}
        reached, everything = reached + len(ran), everything + len(lines)
        print(
            f"{len(ran):5} of {len(lines):5}  {path.relative_to(Path(structsvm.__file__).parent)}"
        )
    print(f"{reached / everything:.0%} of {everything} lines in functions")
    return 0


def _code_lines(code: object, top: bool = True) -> set[int]:
    """The lines in functions: those of modules and classes run when they are imported."""
    lines: set[int] = set()
    if not top:
        lines = {line for _, _, line in code.co_lines() if line is not None}  # type: ignore[attr-defined]
        lines.discard(code.co_firstlineno)  # type: ignore[attr-defined]
    for inner in code.co_consts:  # type: ignore[attr-defined]
        if hasattr(inner, "co_code"):
            is_class = "__module__" in inner.co_names and "__qualname__" in inner.co_names
            lines |= _code_lines(inner, top=is_class)
    return lines


if __name__ == "__main__":
    sys.exit(main())
