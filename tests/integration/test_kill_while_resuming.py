"""An engine that is killed while it takes up a job again leaves it as it was: the next one goes on all the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.torture import CASES, BuiltIn, engine_environ
from engine.torture.cases import run_unkilled
from engine.torture.stages import FileStage
from engine.torture.verdicts import Verdict
from engine.torture.victim import Victim

DYING = Path(__file__).with_name("dying_engine.py")
N_RECORDS = 1_500


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_a_run_killed_while_it_resumes_is_resumed(tmp_path: Path, nth: int) -> None:
    """It notes what is loaded and attached three times: with the model, the output and the input."""
    command = [sys.executable, "-m", "engine"]
    subject = BuiltIn(CASES["file"], tmp_path, command, engine_environ(), n_records=N_RECORDS)
    subject.prepare()
    stage = subject.stage()
    assert isinstance(stage, FileStage)
    first = stage.start("published:2")
    assert first.wait() == -9, first.log_tail()
    arguments = stage._arguments()
    assert "--resume" in arguments
    second = Victim(
        [sys.executable, str(DYING), str(nth), *arguments], stage.folder, tmp_path / "second.log", engine_environ()
    )
    assert second.wait() in (-9, 0), second.log_tail()  # an engine that notes it less often gets to its end
    run_unkilled(stage)
    assert subject.judge(stage.outputs()) == Verdict()
