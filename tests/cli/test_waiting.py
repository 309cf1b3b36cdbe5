"""What a run says of its consumer group, and when."""

from __future__ import annotations

import pytest

from engine.cli.waiting import PATIENCE_S, GroupTeller
from engine.runtime.info import EngineInfo, GroupInfo, PartitionInfo

EMPTY = EngineInfo("RUNNING", group=GroupInfo("averages", "", None))
READING = EngineInfo("RUNNING", group=GroupInfo("averages", "", None, [PartitionInfo(0, "prices", 0, 0, None, None)]))


class Seconds:
    """A clock that stands still."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def away(reason: str) -> EngineInfo:
    return EngineInfo("RUNNING", group=GroupInfo("averages", "", None, trouble=reason))


def test_each_state_that_lasts_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Seconds()
    tell = GroupTeller(clock)
    tell(READING)
    for info in (EMPTY, EMPTY, away("No Kafka broker answers at a:1: down."), away("No broker, in other words.")):
        tell(info)
        clock.now_s += PATIENCE_S
        tell(info)
        tell(info)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "group 'averages' gives it no partition" in said[0]
    assert said[1] == "The run waits: No Kafka broker answers at a:1: down."


def test_a_state_that_goes_by_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Seconds()
    tell = GroupTeller(clock)
    tell(EMPTY)
    clock.now_s += PATIENCE_S
    tell(READING)
    tell(EMPTY)
    assert capsys.readouterr().err == ""


def test_where_a_group_begins_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    tell = GroupTeller(Seconds())
    info = EngineInfo("RUNNING", group=GroupInfo("averages", "", None, notes=["Slot 0 begins at the end."]))
    tell(info)
    tell(info)
    assert capsys.readouterr().err == "Slot 0 begins at the end.\n"
