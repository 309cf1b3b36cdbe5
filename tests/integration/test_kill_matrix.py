"""Engines are killed at every step of a commit, at random and by their jets: nothing is lost, and nothing comes twice.

The same torture of an engine with one promise broken must see it: else it would prove nothing.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.torture import CASES, BuiltIn, Report, engine_environ, torture
from engine.torture.kills import Way

N_KILLS = 8  # a case: 50 and more over all of them
N_RECORDS = 2_500
BROKEN = Path(__file__).with_name("broken_engine.py")


SEEDS = range(1, 6)
"""Of what is done to an engine with a promise broken, until it is found out; nearly always, the first time."""


def kill(
    name: str,
    folder: Path,
    *command: str,
    n_kills: int = N_KILLS,
    n_records: int = N_RECORDS,
    seed: int = 1,
    **options: Any,
) -> Report:
    folder.mkdir(exist_ok=True)
    subject = BuiltIn(CASES[name], folder, command or program(), engine_environ(), n_records=n_records)
    return torture(subject, n_kills, seed, **options)


def program() -> tuple[str, ...]:
    return sys.executable, "-m", "engine"


@pytest.mark.parametrize("name", CASES)
def test_killed_engines_lose_nothing_and_repeat_nothing(name: str, tmp_path: Path) -> None:
    report = kill(name, tmp_path)
    assert report.reasons == []
    assert (report.n_lost, report.n_repeated) == (0, 0)
    assert report.n_kills >= N_KILLS
    assert report.n_outputs >= report.n_passes * N_RECORDS
    assert report.recoveries_s


@pytest.mark.parametrize(
    ("fault", "name", "step", "is_seen"),
    [
        ("order", "file", "fence-closed", lambda report: report.n_lost > 0),
        ("cut", "file", "synced", lambda report: report.n_repeated > 0),
        ("state", "file", "cut", lambda report: report.n_lost > 0),
        ("state", "random", "cut", lambda report: report.n_lost > 0),
        ("journal", "rest-disk", "journal-closed", lambda report: report.n_lost > 0),
        ("answers", "rest-disk", "journal-closed", lambda report: report.n_repeated > 0),
        ("outputs", "rest-disk", "fence-closed", lambda report: "outputs up to number" in str(report.reasons)),
    ],
)
def test_an_engine_that_breaks_a_promise_is_found_out(
    fault: str, name: str, step: str, is_seen: Callable[[Report], bool], tmp_path: Path
) -> None:
    command = sys.executable, str(BROKEN), fault
    reports: list[Report] = []
    for seed in SEEDS:  # on a busy machine hardly any of the kills is at the step
        reports.append(kill(name, tmp_path / f"{seed}", *command, n_kills=6, n_records=1_500, seed=seed, steps=[step]))
        if is_seen(reports[-1]):
            assert not reports[-1].is_right
            return
    pytest.fail("\n".join(map(str, reports)))


def test_the_command_prints_what_it_killed_and_what_came_of_it(tmp_path: Path) -> None:
    script, inputs = tmp_path / "count.py", tmp_path / "inputs.jsons"
    script.write_text("n = 0\ndef action(x):\n    global n\n    n += 1\n    yield [x, n]\n")
    inputs.write_text("".join(f"{x}\n" for x in range(20_000)))
    command = [*program(), "torture", script, inputs, "--kills", "6", "--seed", "3", "-o", "json"]
    ran = subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr.decode()
    said = json.loads(ran.stdout)
    assert (said["lost"], said["repeated"], said["seed"]) == (0, 0, 3)
    (case,) = said["cases"]
    assert case["outputs"] == 20_000 * case["passes"]
    assert sum(case["by"][way.value] for way in Way if way.value in case["by"]) == said["kills"] >= 6


def test_the_command_fails_when_something_was_lost(tmp_path: Path) -> None:
    broken = f"{sys.executable} {BROKEN} state"
    command = [*program(), "torture", "--case", "file", "--kills", "8", "--engine", broken]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert ran.returncode == 1, ran.stderr.decode()
    last = ran.stdout.decode().splitlines()[-1].split()
    assert last[::2] == ["kills", "lost", "repeated", "recovery_p50_s", "recovery_max_s"]
    assert int(last[3]) > 0
