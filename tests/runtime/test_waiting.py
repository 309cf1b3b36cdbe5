from __future__ import annotations

from structlog.testing import capture_logs

from engine.runtime.waiting import AGAIN_S, Waiting

REFUSED = "No Kafka broker answers at a:1: Connection refused."
DOWN = "No Kafka broker answers at a:1: 1/1 brokers are down."
GONE = "Kafka: cannot read topic 'prices': there is no such topic. Create it."
DETAILED = "Kafka: cannot read topic 'prices': there is no such topic (prices [0]: unknown (Local)). Create it."


class Seconds:
    """A clock that stands still."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_each_state_is_told_once_however_it_is_worded_and_however_often_it_comes_and_goes() -> None:
    clock = Seconds()
    waiting = Waiting("averages", clock)
    with capture_logs() as said:
        for reason in (REFUSED, DOWN, REFUSED, "", REFUSED, "", GONE, DETAILED, DOWN, ""):
            waiting.note(reason)
        clock.now_s += AGAIN_S
        waiting.note(DOWN)
    assert [(one["event"], one.get("reason")) for one in said] == [
        ("group.waits", REFUSED),
        ("group.goes_on", None),
        ("group.waits", GONE),
        ("group.goes_on", None),
        ("group.waits", DOWN),
    ]
    assert waiting.reason == DOWN
