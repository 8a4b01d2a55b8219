"""The harness finds what is planted, tells it apart from refusals, and saves it to be run again."""

import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from fuzz import harness
from fuzz.harness import Campaign, Limits, input_of
from fuzz.targets import NAMES, target_of
from fuzz.targets.planted import OUTCOMES

KINDS = {
    "signal": "signal",
    "hang": "hang",
    "memory": "memory",
    "exception": "exception",
    "warning": "exception",
    "wrong": "wrong",
    "exit": "exception",
}


@pytest.fixture(scope="module")
def campaign(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    campaign = Campaign(
        [target_of("planted")], 5, Limits(256, 1.0, 600.0), folder / "work", folder / "saved"
    )
    campaign.run({"planted": len(OUTCOMES)}, jobs=1)
    return campaign


def test_finds_each_planted_fault_once_and_goes_on_after_a_death(campaign):
    found = {OUTCOMES[finding.number]: finding.kind for finding in campaign.findings}
    assert found == KINDS
    assert len(campaign.findings) == len(KINDS)


def test_counts_what_was_accepted_and_what_was_refused(campaign):
    tally = campaign.tallies["planted"]
    assert (tally.inputs, tally.accepted, tally.refused) == (len(OUTCOMES), 1, 1)


def test_saves_findings_that_one_command_runs_again(campaign):
    number = OUTCOMES.index("wrong")
    path = campaign.saved / f"planted-5-{number}.pickle"
    command = [sys.executable, str(Path(harness.__file__).parent), "replay", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert "sum: 3, expected 4" in done.stdout
    assert "sum: 3, expected 4" in path.with_suffix(".txt").read_text()


def test_a_death_is_saved_with_what_the_process_said(campaign):
    path = campaign.saved / f"planted-5-{OUTCOMES.index('signal')}.txt"
    assert "Segmentation fault" in path.read_text() or "SEGV" in path.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_inputs_are_a_function_of_seed_and_number(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    target = target_of(name)
    target.prepare(tmp_path)
    once, again = ([pickle.dumps(input_of(target, 1, k)) for k in range(20)] for _ in range(2))
    assert once == again
    assert len(set(once)) > 15
    assert once != [pickle.dumps(input_of(target, 2, k)) for k in range(20)]
