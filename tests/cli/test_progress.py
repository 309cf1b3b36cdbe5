"""What a progress bar shows, and that it leaves nothing where there was nothing to watch."""

from __future__ import annotations

import pytest

from engine.cli.progress import progress_bar
from engine.runtime.info import EngineInfo


@pytest.mark.parametrize(("states", "is_shown"), [(["FINISHED"], False), (["RUNNING", "FINISHED"], True), ([], False)])
def test_a_bar_is_drawn_when_there_is_something_to_watch(
    states: list[str], is_shown: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with progress_bar(None, 0) as show:
        for state in states:
            show(EngineInfo(state))
    assert ("records" in capsys.readouterr().err) == is_shown
