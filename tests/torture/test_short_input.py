"""An input that is scored before anything is committed proves nothing, and that is said."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.torture import CASES, Own, engine_environ, torture

SEED = 29  # with which the engine is killed at the step, and no jet before
SLOW = "import time\n\ndef action(x):\n    time.sleep(0.01)\n    yield x\n"  # ten records a commit


@pytest.mark.parametrize(
    ("n_records", "step", "reasons"), [(1, "cut", ["Nothing was resumed"]), (200, "published", [])]
)
def test_an_input_of_which_nothing_was_resumed_is_no_success(
    n_records: int, step: str, reasons: list[str], tmp_path: Path
) -> None:
    script, source = tmp_path / "slow.py", tmp_path / "in.jsons"
    script.write_text(SLOW)
    source.write_text("1\n" * n_records)
    command = [sys.executable, "-m", "engine"]
    subject = Own(CASES["file"], tmp_path / "case", command, engine_environ(), script=script, source=source)
    report = torture(subject, 1, SEED, steps=[step])
    assert (report.n_kills, report.n_lost, report.n_repeated) == (1, 0, 0)
    assert [reason.partition(",")[0] for reason in report.reasons] == reasons
    assert report.is_right == (not reasons)
