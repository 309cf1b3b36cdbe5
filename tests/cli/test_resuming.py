"""What a run that goes on says, and by what it is found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.cli.job import Job
from engine.cli.resuming import TroubleTeller, resume_command, went_on_at
from engine.runtime.info import EngineInfo, FenceInfo
from engine.state.commits import Commit, Fence, InputFence
from engine.state.jobs import job_names, run_name
from engine.state.sqlite import SqliteStore


def job(fence: Fence | None, *, is_resuming: bool = True) -> Job:
    store = SqliteStore(None)
    if fence is not None:
        store.commit(Commit(fence)).result()
    return Job(None, None, {}, store=store, is_resuming=is_resuming)  # type: ignore[arg-type]  # none is needed


STOOD = Fence(1, "m", "d", inputs={1: InputFence(0, 9, 4), 3: InputFence(2, 0, 0), 4: InputFence(0, 70, 1200)})


def test_each_input_that_has_begun_says_where_it_went_on() -> None:
    assert went_on_at(job(STOOD)) == " Went on at record 1,201 of slot 0."
    assert went_on_at(job(STOOD, is_resuming=False)) == ""
    assert went_on_at(job(None)) == ""


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["run", "a b.py", "in", "-"], "engine run --resume 'a b.py' in -"),
        (["--state", "x", "run", "a.py", "--resume"], "engine --state x run --resume a.py"),
        (["inspect"], None),
    ],
)
def test_the_command_that_goes_on_is_the_one_that_was_typed(arguments: list[str], command: str | None) -> None:
    assert resume_command(job(STOOD), arguments) == command


@pytest.mark.parametrize(
    "fence", [None, Fence(1, "m", "d", inputs={1: InputFence(0)}), Fence(1, "m", "d", is_finished=True)]
)
def test_nothing_is_gone_on_with_that_has_not_begun_or_is_done(fence: Fence | None) -> None:
    assert resume_command(job(fence), ["run", "a.py"]) is None


def test_a_job_is_the_same_for_the_same_script_and_streams_alone(tmp_path: Path) -> None:
    script = tmp_path / "my model.py"
    names = {
        run_name(script, {0: {"path": "/a"}, 1: {"path": "/b"}}),
        run_name(tmp_path / "." / "my model.py", {1: {"path": "/b"}, 0: {"path": "/a"}}),
        run_name(script, {0: {"path": "/a"}, 1: {"path": "/c"}}),
        run_name(script, {0: {"path": "/a"}}),
        run_name(tmp_path / "x" / "my model.py", {0: {"path": "/a"}, 1: {"path": "/b"}}),
    }
    assert len(names) == 4
    assert all(name.startswith("my_model-") for name in names)


def test_a_folder_without_jobs_has_none(tmp_path: Path) -> None:
    assert job_names(tmp_path) == []
    (tmp_path / "jobs" / "b").mkdir(parents=True)
    (tmp_path / "jobs" / "a").mkdir()
    (tmp_path / "jobs" / "file").touch()
    assert job_names(tmp_path) == ["a", "b"]


def test_trouble_is_told_once_each_time_that_there_is_some(capsys: pytest.CaptureFixture[str]) -> None:
    tell = TroubleTeller()
    for trouble in ("", "Full.", "Full.", "", "Full."):
        tell(EngineInfo("RUNNING", fence=FenceInfo(1, 0.1, trouble)))
    tell(EngineInfo("RUNNING"))
    assert capsys.readouterr().err == "The run waits: Full.\n" * 2
