from __future__ import annotations

import pytest

from engine.runtime import EngineInfo, SlotInfo
from engine.runtime.info import Resumed
from engine.server.resumed import resumed_sentences

BEGINS = "slot 4 begins where its SkipToRecord says, since its group has committed nothing"
MANY = [f"5 of partition {number}" for number in range(8)]


def slot(number: int) -> SlotInfo:
    return SlotInfo(number, None, None, None, "rest", "REST", "json", False, 0, 0, None)


@pytest.mark.parametrize(
    ("resumed", "info", "sentences"),
    [
        (
            Resumed("lstm", 1234, {0: 1200, 2: 0}, "RUNNING"),
            EngineInfo("RUNNING", slots=[slot(0), slot(1), slot(2)], n_keys=1000),
            [
                "Resumed at commit 1,234: model 'lstm', 3 streams, RUNNING.",
                "Slot 0 goes on at record 1,201; slot 2 goes on at record 1; 1,000 keys have state.",
            ],
        ),
        (
            Resumed("lstm", 7, {}, "RUNNING", {0: {0: 3900, 1: 3950}, 4: {}}),
            EngineInfo("RUNNING", slots=[slot(0)]),
            [
                "Resumed at commit 7: model 'lstm', 1 stream, RUNNING.",
                f"Slot 0 goes on at offset 3,900 of partition 0, 3,950 of partition 1; {BEGINS}.",
            ],
        ),
        (
            Resumed("lstm", 7, {}, "RUNNING", {0: dict.fromkeys(range(10), 5)}),
            EngineInfo("RUNNING"),
            [
                "Resumed at commit 7: model 'lstm', 0 streams, RUNNING.",
                f"Slot 0 goes on at offset {', '.join(MANY)}, and 2 more (engine inspect).",
            ],
        ),
        (Resumed("lstm", 0, {}, "INIT"), EngineInfo("INIT"), ["Resumed at commit 0: model 'lstm', 0 streams, INIT."]),
        (
            Resumed(None, 0, {}, "INIT"),
            EngineInfo("INIT", slots=[slot(0)]),
            ["Resumed at commit 0: no model, 1 stream, INIT."],
        ),
    ],
)
def test_what_is_gone_on_with_is_said_in_a_line_or_two(
    resumed: Resumed, info: EngineInfo, sentences: list[str]
) -> None:
    assert resumed_sentences(resumed, info) == sentences
