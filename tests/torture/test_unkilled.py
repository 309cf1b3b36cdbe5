"""The run that nobody kills says what is expected, and tries the script."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine.torture import CASES, Own, engine_environ, torture

OVERLOOKED = "import sys\nn = 0\n\ndef action(x):\n    sys.modules[__name__].n += x\n    return n\n"


@pytest.mark.integration
def test_a_script_that_changes_what_is_not_its_state_is_not_tortured(tmp_path: Path) -> None:
    script, source = tmp_path / "overlooked.py", tmp_path / "in.jsons"
    script.write_text(OVERLOOKED)
    source.write_text("1\n")
    command = [sys.executable, "-m", "engine"]
    subject = Own(CASES["file"], tmp_path / "case", command, engine_environ(), script=script, source=source)
    report = torture(subject, 1, 1)
    assert (report.n_kills, report.n_passes, report.is_right) == (0, 0, False)
    assert 'Write "# engine.state: n".' in report.reasons[0]
